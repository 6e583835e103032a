/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What wakes a worker that sleeps: frames in the queues that it polls, control, changes of ports.
 * Threads: worker, but for pmd_wake. Owner: the epoll set is the worker's.
 *
 * A worker arms its queues, looks into all of them once more, then waits. What came before it
 * looked it finds; what comes later has an edge, also between the look and the wait. A queue stays
 * armed until a frame comes, so a second sleep costs nothing more. Edges are enough: what wakes is
 * never read, and is no descriptor of ours to read.
 *
 * The set is made anew when the worker's queues change, or what is behind them (port_wake). A
 * descriptor may be closed by others before we add it: that changes something too, so the set
 * does not stay.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pmd/pmd_pvt.h"

int pmd_wake_init(struct pmd_worker *w)
{
	w->wake.epoll_fd = -1;
	w->wake.epoch = UINT64_MAX;
	w->wake.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return w->wake.event_fd < 0 ? -errno : 0;
}

void pmd_wake_fini(struct pmd_worker *w)
{
	if (w->wake.epoll_fd >= 0)
		close(w->wake.epoll_fd);
	if (w->wake.event_fd >= 0)
		close(w->wake.event_fd);
}

/* Pairs with the fence in may_wait: either we see it asleep, or it sees what we did before. */
void pmd_wake(struct pmd_worker *w)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (evs_load_relaxed(&w->wake.is_asleep))
		eventfd_write(w->wake.event_fd, 1);
}

void pmd_wake_changed(struct pmd_worker *w)
{
	__atomic_fetch_add(&w->wake.changes, 1, __ATOMIC_RELEASE);
	pmd_wake(w);
}

static uint64_t epoch(const struct pmd_worker *w)
{
	return (uint64_t)evs_load_acquire(&port_wake_epoch) << 32 |
	       evs_load_acquire(&w->wake.changes);
}

static bool add(struct pmd_worker *w, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	return fd >= 0 && !epoll_ctl(w->wake.epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* A gate may leave frames in a queue that no edge will tell of again. */
static bool arm(struct pmd_worker *w, struct pmd_rxq *rxq, bool is_new)
{
	const struct port_type *type = rxq->port->type;
	int fd = PORT_ARM_NEVER;

	if (type && type->arm && !evs_load_acquire(&rxq->gate))
		fd = type->arm(rxq->port, rxq->queue);
	rxq->is_armed = rxq->can_arm = fd >= 0;
	return fd == PORT_ARM_SILENT || (fd >= 0 && (!is_new || add(w, fd)));
}

static void make_set(struct pmd_worker *w, const struct pmd_poll *poll)
{
	if (w->wake.epoll_fd >= 0)
		close(w->wake.epoll_fd);
	w->wake.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake.by_events = add(w, w->wake.event_fd) && add(w, port_wake_fd());
	for (unsigned i = 0; i < poll->n; i++)
		w->wake.by_events &= arm(w, poll->rxq[i], true);
}

/* Those that had frames since they were armed. Returns whether there were any. */
static bool arm_again(struct pmd_worker *w, const struct pmd_poll *poll)
{
	bool any = false;

	for (unsigned i = 0; i < poll->n; i++) {
		if (poll->rxq[i]->is_armed || !poll->rxq[i]->can_arm)
			continue;
		w->wake.by_events &= arm(w, poll->rxq[i], false);
		any = true;
	}
	return any;
}

bool pmd_wake_prepare(struct pmd_worker *w)
{
	uint64_t now = epoch(w); /* of no newer list than the one that is read now */
	const struct pmd_poll *poll = evs_load_acquire(&w->poll);
	bool any = now != w->wake.epoch;

	if (any)
		make_set(w, poll);
	else
		any = arm_again(w, poll);
	w->wake.epoch = now;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* before the queues are looked into */
	return any;
}

bool pmd_wake_by_events(const struct pmd_worker *w)
{
	return w->wake.by_events && !w->shapers && flow_cache_is_settled(w->cache);
}

static bool may_wait(struct pmd_worker *w)
{
	evs_store_relaxed(&w->wake.is_asleep, true);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return epoch(w) == w->wake.epoch && !evs_load_relaxed(&w->stop) &&
	       evs_load_relaxed(&w->inject_ring.head) == w->inject_ring.tail;
}

void pmd_wake_wait(struct pmd_worker *w, const struct timespec *most)
{
	struct epoll_event event;

	if (may_wait(w) && epoll_pwait2(w->wake.epoll_fd, &event, 1, most, NULL) < 0 &&
	    errno != EINTR)
		nanosleep(most, NULL); /* there was no descriptor left for a set */
	evs_store_relaxed(&w->wake.is_asleep, false);
}

EVS_COLD void pmd_wake_disarm(struct pmd_rxq *rxq)
{
	const struct port_type *type = rxq->port->type;

	rxq->is_armed = false;
	type->disarm(rxq->port, rxq->queue);
}
