/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to guests get there, whatever a sandbox forbids, and from many threads at once; where it
 * forbids nothing, no guest makes them wait. A sandbox is for ever, so each has a process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vhost/vhu_ring_pvt.h"

#define N_CALLS   2000u /* more than are done without a look at them */
#define N_THREADS 4u

enum end { GOOD, LOST, NO_SANDBOX };

static bool forbid(long call, int error)
{
	struct sock_filter code[] = {
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {EVS_ARRAY_LEN(code), code};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void *call_often(void *arg)
{
	for (unsigned i = 0; i < N_CALLS; i++)
		vhu_call(*(int *)arg);
	return NULL;
}

static enum end call_all(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_t threads[N_THREADS];
	eventfd_t sum = 0;

	call_often(&fd);
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, call_often, &fd);
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	eventfd_read(fd, &sum);
	return sum == N_CALLS * (N_THREADS + 1) ? GOOD : LOST;
}

static void test_sandboxes(void **state)
{
	static const struct {
		long call;
		int error;
		bool later; /* than the start */
	} cases[] = {
	        {-1, 0, false},
	        {SYS_io_setup, EPERM, false},
	        {SYS_io_setup, EAGAIN, false},
	        {SYS_io_setup, EAGAIN, true},
	        {SYS_io_submit, ENOSYS, false},
	        {SYS_io_submit, EPERM, true},
	        {SYS_io_submit, EAGAIN, true}, /* no memory */
	        {SYS_io_getevents, EPERM, false},
	        {SYS_io_getevents, EPERM, true},
	};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(cases); i++) {
		pid_t child = fork();
		int status = 0;

		if (child == 0) {
			alarm(60);
			if (!cases[i].later && !forbid(cases[i].call, cases[i].error))
				_exit(NO_SANDBOX);
			vhu_call_init();
			if (cases[i].later && !forbid(cases[i].call, cases[i].error))
				_exit(NO_SANDBOX);
			_exit(call_all());
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		if (status == NO_SANDBOX << 8)
			skip();
		if (status != GOOD)
			fail_msg("case %u: status %#x", i, status);
	}
}

/* Its sum is at the maximum, and the guest has it wait then. */
static void test_never_waits(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	if (!vhu_call_init())
		skip();
	assert_int_equal(eventfd_write(fd, UINT64_MAX - 1), 0);
	call_often(&fd);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_sandboxes),
	        cmocka_unit_test(test_never_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
