/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests that make the socket themselves and come back, as when their QEMU starts anew: the vhost
 * library has a thread that tries to connect to all such sockets, once a second. While guests are
 * missing it is woken from its sleep earlier, by a signal that does nothing else; without it, all
 * works as well, only later.
 * Threads: control. Owner: the thread is the library's.
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
#define THREAD_NAME   "vhost_reconn\n"

static unsigned n_waiting;
static uint64_t last_ns;
static pid_t thread; /* 0: not known yet */

static void do_nothing(int signo)
{
	(void)signo;
}

static bool is_the_thread(const char *tid)
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
	return !strcmp(name, THREAD_NAME);
}

static pid_t find_thread(void)
{
	const struct sigaction action = {.sa_handler = do_nothing};
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	pid_t found = 0;

	while (dir && !found && (entry = readdir(dir)))
		if (is_the_thread(entry->d_name))
			found = atoi(entry->d_name);
	if (dir)
		closedir(dir);
	if (found)
		sigaction(SIGURG, &action, NULL);
	return found;
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
	if (!thread)
		thread = find_thread();
	if (thread)
		syscall(SYS_tgkill, getpid(), thread, SIGURG);
}
