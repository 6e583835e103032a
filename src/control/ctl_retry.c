/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries again what could not be restored, since devices, addresses and guests may come later than
 * evsd. Threads: control.
 *
 * What failed stays in the document; its add calls run again, ever less often, as a transaction of
 * their own when no other is under way, so nothing can be deleted between the list and the calls.
 */
#include <event2/event.h>

#include "control/ctl_conf_pvt.h"

#define FIRST_S 2
#define MAX_S   60

static struct event *timer;
static unsigned wait_s;
static bool running;

static void arm(void)
{
	struct timeval wait = {.tv_sec = wait_s};

	if (timer && json_array_size(ctl_conf_failed()))
		event_add(timer, &wait);
}

static void tried(struct ctl_txn *txn, int ret, void *arg)
{
	running = false;
	arm();
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	wait_s = EVS_MIN(wait_s * 2, (unsigned)MAX_S);
	if (running || !ctl_txn_idle()) {
		arm();
		return;
	}
	running = true;
	ctl_txn_restore(ctl_conf_failed_calls(), tried, NULL);
}

int ctl_retry_init(struct evs_error *err)
{
	wait_s = FIRST_S;
	timer = evtimer_new(ctl_base, on_timer, NULL);
	return timer ? 0 : evs_error_set(err, -ENOMEM, "no memory for the event loop");
}

void ctl_retry_begin(void)
{
	arm();
}

void ctl_retry_fini(void)
{
	if (timer)
		event_free(timer);
	timer = NULL;
	running = false;
}
