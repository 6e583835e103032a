/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of the control thread, its timers, and the workers' punts. Threads: control.
 */
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/evs_clock.h"
#include "base/evs_rcu.h"
#include "base/evs_task.h"
#include "control/ctl_conf_pvt.h"
#include "control/ctl_ip.h"
#include "control/ctl_net.h"
#include "control/ctl_of.h"
#include "pipeline/pl_bind.h"
#include "pmd/pmd.h"

#define TICK_US 100000
#define RCU_SPIN_US                                                                                \
	30 /* most grace periods are over by then: cheaper than to sleep and wake                  \
	    */
#define RCU_MIN_US  20
#define RCU_MAX_US  1000
#define PUNTS_A_RUN 256

struct event_base *ctl_base;

static struct event *tick_timer, *rcu_timer, *punt_event, *link_event, *stop_event;
static char *run_dir;
static int stop_fd = -1;
static bool stopping;
static unsigned rcu_wait_us;
static bool restore_workers;
static const char *http_where;

const char *ctl_run_dir(void)
{
	return run_dir;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	pl_tick();
	ctl_neigh_tick();
	ctl_hold_tick();
	ctl_qos_tick();
	ctl_worker_tick();
}

static void take_learned(const struct pmd_punt *punt)
{
	static const uint8_t none[16];
	struct pl_learn learn = {
	        .bridge = punt->bridge, .in_port = punt->ofport, .vlan = punt->vlan};

	memcpy(learn.mac, punt->mac, sizeof(learn.mac));
	memcpy(learn.end.remote, punt->tun.src, sizeof(learn.end.remote));
	learn.end.key = punt->tun.id;
	memcpy(learn.addr, punt->tun.dst, sizeof(learn.addr));
	if (memcmp(learn.addr, none, sizeof(none)) != 0)
		pl_bind_learn(&learn);
	else
		pl_fdb_learn(&learn);
}

static void take_punt(const struct pmd_punt *punt, void *arg)
{
	if (punt->kind == PMD_PUNT_LEARN)
		take_learned(punt);
	else if (punt->kind == PMD_PUNT_TUNNEL)
		ctl_neigh_wanted(punt->bridge, punt->tun.dst);
	else if (punt->controller.to_host == FLOW_TO_HOST)
		ctl_own_input(punt);
	else if (punt->controller.to_host == FLOW_TO_SENDER)
		ctl_too_big(punt);
	else if (punt->controller.to_host == FLOW_TO_WAIT)
		ctl_hold_add(punt);
	else if (punt->kind == PMD_PUNT_CONTROLLER)
		ctl_of_packet_in(punt);
	else
		rte_pktmbuf_free(punt->mbuf);
}

static void on_punt(evutil_socket_t fd, short what, void *arg)
{
	/* More are there: come again after the other events. */
	if (pmd_punt_drain(take_punt, NULL, PUNTS_A_RUN) == PUNTS_A_RUN)
		event_active(punt_event, EV_READ, 0);
}

static void link_changed(struct port *device, void *arg)
{
	struct ctl_port *port = ctl_port_by_port(device);

	if (!port)
		return;
	EVS_LOG(control, INFO, "port '%s': link is %s", port->name,
	        device->link.up ? "up" : "down");
	ctl_port_state_changed(port);
}

static void on_link(evutil_socket_t fd, short what, void *arg)
{
	port_poll_links(link_changed, NULL);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	stopping = true;
}

static void on_rcu(evutil_socket_t fd, short what, void *arg)
{
	/* The wake-up is all that is wanted: the loop polls. */
}

/* Who sends a rule and a barrier, a hundred thousand times, waits for a grace period each time. */
static unsigned spin_rcu(void)
{
	unsigned n = evs_rcu_poll();
	uint64_t end_tsc;

	if (n == 0 || rcu_wait_us)
		return n;
	end_tsc = evs_clock_tsc() + evs_clock_tsc_hz / 1000000 * RCU_SPIN_US;
	while (n && evs_clock_tsc() < end_tsc) {
		rte_pause();
		n = evs_rcu_poll();
	}
	return n;
}

/* Runs the callbacks that are due; while some wait, the loop wakes up soon, ever less so, since a
 * worker that does not run for long has lost its CPU. */
static void poll_rcu(void)
{
	struct timeval soon = {0};

	if (spin_rcu() == 0) {
		rcu_wait_us = 0;
		return;
	}
	rcu_wait_us = rcu_wait_us ? EVS_MIN(rcu_wait_us * 2, RCU_MAX_US) : RCU_MIN_US;
	soon.tv_usec = rcu_wait_us;
	event_add(rcu_timer, &soon);
}

/* What a turn of the task and the callbacks leave to do is known before the loop may sleep. */
static bool go_round(void)
{
	evs_task_step();
	poll_rcu();
	return event_base_loop(ctl_base,
	                       EVLOOP_ONCE | (evs_task_is_elsewhere() ? EVLOOP_NONBLOCK : 0)) >= 0;
}

void ctl_run(void)
{
	prctl(PR_SET_TIMERSLACK, RCU_MIN_US * 1000 / 10); /* by default 50 us, more than the wait */
	while (!stopping && go_round())
		;
	evs_task_finish(); /* nothing stays half done */
}

void ctl_stop(void)
{
	uint64_t one = 1;
	ssize_t unused EVS_UNUSED = write(stop_fd, &one, sizeof(one));
}

static struct event_base *make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config) {
		event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
		/* a session that stops reading for a barrier of microseconds costs no call */
		event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
		base = event_base_new_with_config(config);
		event_config_free(config);
	}
	return base;
}

static int make_events(struct evs_error *err)
{
	struct timeval tick = {0, TICK_US};

	stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	tick_timer = event_new(ctl_base, -1, EV_PERSIST, on_tick, NULL);
	rcu_timer = event_new(ctl_base, -1, 0, on_rcu, NULL);
	punt_event = event_new(ctl_base, pmd_punt_fd(), EV_READ | EV_PERSIST, on_punt, NULL);
	link_event = event_new(ctl_base, port_link_fd(), EV_READ | EV_PERSIST, on_link, NULL);
	stop_event = event_new(ctl_base, stop_fd, EV_READ | EV_PERSIST, on_stop, NULL);
	if (stop_fd < 0 || !tick_timer || !rcu_timer || !punt_event || !link_event || !stop_event)
		return evs_error_set(err, -ENOMEM, "no memory for the event loop");
	event_add(tick_timer, &tick);
	event_add(punt_event, NULL);
	event_add(link_event, NULL);
	event_add(stop_event, NULL);
	return 0;
}

int ctl_init(const struct ctl_config *config, struct evs_error *err)
{
	int ret;

	signal(SIGPIPE, SIG_IGN); /* clients that leave are seen by the error of the write */
	stopping = false;
	restore_workers = config->restore_workers;
	http_where = config->http;
	run_dir = strdup(config->run_dir);
	ctl_base = make_base();
	if (!ctl_base || !run_dir)
		return evs_error_set(err, -ENOMEM, "no memory for the event loop");
	ctl_log_remember_defaults();
	ctl_worker_init();
	ret = make_events(err);
	if (ret == 0)
		ret = ctl_capture_init(err);
	if (ret == 0)
		ctl_kernel_init();
	if (ret == 0)
		ret = ctl_retry_init(err);
	return ret ? ret : ctl_conf_init(config->config_file, err);
}

static void restored(struct ctl_txn *txn, int ret, void *arg)
{
	*(bool *)arg = true;
}

int ctl_restore(struct evs_error *err)
{
	json_t *empty, *wanted;
	bool done = false;
	int ret = ctl_conf_load_saved(err);

	if (ret)
		return ret;
	empty = json_object();
	wanted = json_deep_copy(ctl_conf_document());
	if (!restore_workers)
		json_object_del(wanted, "worker");
	ctl_txn_restore(ctl_conf_plan(empty, wanted, false), restored, &done);
	while (!done && go_round())
		;
	json_decref(empty);
	json_decref(wanted);
	ctl_retry_begin();
	return 0;
}

int ctl_listen(struct evs_error *err)
{
	int ret = http_where ? ctl_http_init(http_where, err) : 0;

	return ret ? ret : ctl_rpc_init(err);
}

static void free_events(void)
{
	struct event **events[] = {&tick_timer, &rcu_timer, &punt_event, &link_event, &stop_event};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(events); i++) {
		if (*events[i])
			event_free(*events[i]);
		*events[i] = NULL;
	}
	if (stop_fd >= 0)
		close(stop_fd);
	stop_fd = -1;
}

void ctl_fini(void)
{
	if (!ctl_base)
		return;
	ctl_http_fini();
	ctl_rpc_fini();
	ctl_retry_fini();
	ctl_capture_fini();
	ctl_kernel_fini();
	ctl_net_fini();
	free_events();
	ctl_conf_fini();
	event_base_free(ctl_base);
	ctl_base = NULL;
	free(run_dir);
	run_dir = NULL;
}
