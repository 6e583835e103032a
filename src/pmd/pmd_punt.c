/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two rings of a worker: punts to the control thread, injected packets from it.
 * Threads: one writer and one reader each. Owner: a record is the writer's until head passed it,
 * then the reader's until tail passed it. Records are used in place.
 *
 * Doorbell: a worker writes the eventfd only if control armed it, which control does when it found
 * all rings empty. Control arms, then looks once more; a worker publishes, then looks whether it is
 * armed; with a full fence between on both sides, one of them sees the other.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/evs_log.h"
#include "pmd/pmd_out_pvt.h"

static int doorbell = -1;
static bool armed; /* [ctl sets, the worker that rings clears] */

int pmd_punt_init(struct evs_error *err)
{
	doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (doorbell < 0)
		return evs_error_set(err, -errno, "cannot make an eventfd: %s", strerror(errno));
	evs_store_relaxed(&armed, true);
	return 0;
}

void pmd_punt_fini(void)
{
	if (doorbell >= 0)
		close(doorbell);
	doorbell = -1;
}

int pmd_punt_fd(void)
{
	return doorbell;
}

static EVS_COLD void ring_doorbell(void)
{
	uint64_t one = 1;

	if (!__atomic_exchange_n(&armed, false, __ATOMIC_ACQ_REL))
		return;
	if (write(doorbell, &one, sizeof(one)) < 0)
		return; /* EAGAIN: it has rung already */
}

/* Takes back the records that control is done with. */
static void reclaim(struct pmd_worker *w)
{
	struct pmd_ring *ring = &w->punt_ring;
	uint32_t tail = evs_load_acquire(&ring->tail);

	for (; ring->tail_seen != tail; ring->tail_seen++)
		w->n_punts[w->punts[ring->tail_seen % PMD_PUNT_LEN].in_port & PKT_PORT_MAX]--;
}

/* Whoever floods the controller must not keep it from hearing of the others. */
static bool has_room(const struct pmd_worker *w, uint16_t port)
{
	return evs_may_take(PMD_PUNT_LEN - (w->punt_ring.head - w->punt_ring.tail_seen),
	                    PMD_PUNT_LEN, w->n_punts[port & PKT_PORT_MAX]);
}

bool pmd_punt_room(struct pmd_worker *w, uint16_t port)
{
	if (evs_likely(has_room(w, port)))
		return true;
	reclaim(w);
	return has_room(w, port);
}

bool pmd_punt(unsigned worker, const struct pmd_punt *punt)
{
	struct pmd_worker *w = evs_load_relaxed(&pmd_workers[worker]);
	struct pmd_ring *ring = &w->punt_ring;

	if (!pmd_punt_room(w, punt->in_port))
		return false;
	w->n_punts[punt->in_port & PKT_PORT_MAX]++;
	w->punts[ring->head % PMD_PUNT_LEN] = *punt;
	evs_store_release(&ring->head, ring->head + 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (evs_load_relaxed(&armed))
		ring_doorbell();
	return true;
}

static unsigned drain_one(struct pmd_worker *w,
                          void (*take)(const struct pmd_punt *punt, void *arg), void *arg,
                          unsigned max)
{
	struct pmd_ring *ring = &w->punt_ring;
	uint32_t head = evs_load_acquire(&ring->head);
	unsigned n = 0;

	for (; n < max && ring->tail != head; n++) {
		take(&w->punts[ring->tail % PMD_PUNT_LEN], arg);
		evs_store_release(&ring->tail, ring->tail + 1);
	}
	return n;
}

static unsigned drain(void (*take)(const struct pmd_punt *punt, void *arg), void *arg, unsigned max)
{
	static unsigned turn; /* who is first, so that one flooding worker leaves room for others */
	unsigned n = 0;

	turn++;
	for (unsigned i = 0; i < EVS_MAX_WORKERS; i++) {
		struct pmd_worker *w = pmd_workers[(turn + i) % EVS_MAX_WORKERS];

		if (w)
			n += drain_one(w, take, arg, max - n);
	}
	return n;
}

unsigned pmd_punt_drain(void (*take)(const struct pmd_punt *punt, void *arg), void *arg,
                        unsigned max)
{
	uint64_t rung;
	unsigned n;

	if (read(doorbell, &rung, sizeof(rung)) < 0 && errno != EAGAIN)
		EVS_LOG_LIMITED(pmd, WARN, "cannot read the eventfd of punts: %s", strerror(errno));
	n = drain(take, arg, max);
	if (n < max) {
		evs_store_relaxed(&armed, true);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		n += drain(take, arg, max - n);
	}
	rung = 1; /* not empty for sure: ring for ourselves */
	if (n == max && write(doorbell, &rung, sizeof(rung)) < 0 && errno != EAGAIN)
		EVS_LOG_LIMITED(pmd, WARN, "cannot ring for punts: %s", strerror(errno));
	return n;
}

/* Room for one more? [ctl] */
static bool inject_room(struct pmd_ring *ring)
{
	if (ring->head - ring->tail_seen == PMD_INJECT_LEN)
		ring->tail_seen = evs_load_acquire(&ring->tail);
	return ring->head - ring->tail_seen < PMD_INJECT_LEN;
}

int pmd_inject(struct rte_mbuf *mbuf, uint16_t in_port, const struct flow_prog_builder *prog)
{
	for (unsigned id = 0; id < EVS_MAX_WORKERS; id++) {
		struct pmd_worker *w = pmd_workers[id];
		struct pmd_inject *slot;

		if (!w || w->state != PMD_WORKER_RUNNING)
			continue;
		if (!inject_room(&w->inject_ring))
			return -ENOBUFS;
		slot = &w->injects[w->inject_ring.head % PMD_INJECT_LEN];
		slot->mbuf = mbuf;
		slot->in_port = in_port;
		slot->prog.size = prog->size;
		slot->prog.overflow = prog->overflow;
		memcpy(slot->prog.ops, prog->ops, prog->size);
		evs_store_release(&w->inject_ring.head, w->inject_ring.head + 1);
		pmd_wake(w);
		return 0;
	}
	return -ENOENT;
}

static void inject_one(struct pmd_worker *w, const struct pmd_inject *slot)
{
	w->burst.mbuf[0] = slot->mbuf;
	evs_counter_add(&w->account.injected, 1);
	if (pkt_parse_burst(&w->burst, 1, slot->in_port, w->isa))
		pmd_drop(w, pmd_view_of(w, slot->in_port), w->burst.mbuf, 1, PKT_DROP_RX_TRUNCATED);
	else if (slot->prog.overflow)
		pmd_drop(w, pmd_view_of(w, slot->in_port), w->burst.mbuf, 1, PKT_DROP_RECURSION);
	else
		pmd_exec_run(w, slot->prog.ops, slot->prog.size, 1);
	pmd_again_run(w);
}

EVS_HOT unsigned pmd_inject_run(struct pmd_worker *w)
{
	struct pmd_ring *ring = &w->inject_ring;
	uint32_t head = evs_load_acquire(&ring->head);
	unsigned n = 0;

	if (evs_likely(head == ring->tail))
		return 0;
	for (; n < PKT_BURST_MAX && ring->tail != head; n++) {
		inject_one(w, &w->injects[ring->tail % PMD_INJECT_LEN]);
		evs_store_release(&ring->tail, ring->tail + 1);
	}
	pmd_out_flush(w);
	return n;
}

static void free_punt(const struct pmd_punt *punt, void *arg)
{
	rte_pktmbuf_free(punt->mbuf);
}

void pmd_punt_wipe(struct pmd_worker *w)
{
	while (pmd_inject_run(w) > 0)
		;
	drain_one(w, free_punt, NULL, PMD_PUNT_LEN);
}
