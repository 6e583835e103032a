/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost library has two threads that look round once a second: one tries to connect to all
 * sockets that guests make, the other one learns then that it shall listen on another socket. So
 * guests whose QEMU starts anew, or whose evsd, would be cut off longer than need be. Here these
 * threads are woken from their sleep earlier, by a signal that does nothing else; without it, all
 * works as well, only later. Where the library waits for a guest's answer (postcopy), which the
 * signal would end, it is put off.
 * Threads: control, but for vhu_hurry_hush. Owner: the threads are the library's.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vhost/vhu_pvt.h"

#define PAUSE_NS      20000000 /* between two rounds of the library */
#define PAUSE_PORT_NS 100000   /* more for each port that waits, as each costs some us */

static unsigned n_waiting;
static uint64_t last_ns;

static struct sleeper {
	const char *name;
	pid_t tid; /* 0: not known yet */
} connects = {"vhost_reconn\n", 0}, listens = {"vhost-events\n", 0};

static void do_nothing(int signo)
{
	(void)signo;
}

static bool has_name(const char *tid, const char *wanted)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%.16s/comm", tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return !strcmp(name, wanted);
}

static pid_t find_thread(const char *name)
{
	const struct sigaction action = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	pid_t found = 0;

	while (dir && !found && (entry = readdir(dir)))
		if (has_name(entry->d_name, name))
			found = atoi(entry->d_name);
	if (dir)
		closedir(dir);
	if (found)
		sigaction(SIGURG, &action, NULL);
	return found;
}

static void wake(struct sleeper *sleeper)
{
	if (!sleeper->tid)
		sleeper->tid = find_thread(sleeper->name);
	if (sleeper->tid)
		syscall(SYS_tgkill, getpid(), sleeper->tid, SIGURG);
}

void vhu_hurry_wait(struct vhu *vhu, bool waits)
{
	n_waiting += (unsigned)waits - (unsigned)vhu->is_waiting;
	vhu->is_waiting = waits;
}

void vhu_hurry(uint64_t now_ns)
{
	if (now_ns - last_ns < PAUSE_NS + (uint64_t)n_waiting * PAUSE_PORT_NS)
		return;
	last_ns = now_ns;
	wake(&connects);
}

void vhu_hurry_hush(bool hushed)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGURG);
	pthread_sigmask(hushed ? SIG_BLOCK : SIG_UNBLOCK, &signals, NULL);
}

void vhu_hurry_listen(void)
{
	wake(&listens);
}
