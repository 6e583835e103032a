/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of a worker: receive, parse, look up, group by program, execute, send.
 * Threads: worker. Owner of packets: the worker, from receive to send.
 */
#include <rte_prefetch.h>

#include "pkt/pkt_lent.h"
#include "pmd/pmd_out_pvt.h"
#include "port/port_debt.h"

const char *const pmd_stage_names[PMD_N_STAGES] = {
        [PMD_STAGE_RX] = "receive",        [PMD_STAGE_PARSE] = "parse",
        [PMD_STAGE_LOOKUP] = "lookup",     [PMD_STAGE_MISS] = "miss",
        [PMD_STAGE_ACTIONS] = "actions",   [PMD_STAGE_ENCAP] = "encapsulate",
        [PMD_STAGE_DECAP] = "decapsulate", [PMD_STAGE_TX] = "transmit",
        [PMD_STAGE_AGAIN] = "recirculate", [PMD_STAGE_OTHER] = "other",
};

/* Ends a stage that began at *mark. */
EVS_INLINE void stage(struct pmd_worker *w, bool sample, enum pmd_stage s, uint64_t *mark)
{
	uint64_t now;

	if (!sample)
		return;
	now = evs_clock_tsc();
	evs_counter_add(&w->stage_tsc[s], now - *mark);
	*mark = now;
}

unsigned pmd_loop_sift(struct pmd_worker *w, unsigned n, uint32_t mask, enum pkt_drop reason)
{
	struct pkt_burst *b = &w->burst;
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (mask & UINT32_C(1) << i) {
			pmd_drop(w, pmd_view_of(w, b->base[i].in_port), &b->mbuf[i], 1, reason);
			continue;
		}
		if (kept != i) {
			b->mbuf[kept] = b->mbuf[i];
			b->ofs[kept] = b->ofs[i];
			b->base[kept] = b->base[i];
			if (b->base[i].lines)
				b->ext[kept] = b->ext[i];
		}
		kept++;
	}
	b->heads =
	        UINT32_MAX >> (PKT_BURST_MAX - EVS_MAX(kept, 1u)); /* who came before may be gone */
	return kept;
}

static uint32_t fragments(const struct pkt_burst *b, unsigned n)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < EVS_MIN(n, (unsigned)PKT_BURST_MAX); i++)
		mask |= (uint32_t)(b->base[i].frag != 0) << i;
	return mask;
}

/* Packets of a burst by program, in the order of the first of each. */
struct groups {
	unsigned n;
	const struct flow_prog *prog[PKT_BURST_MAX];
	uint32_t members[PKT_BURST_MAX];
	uint8_t at[64]; /* by address: 1 + the group; 0: none yet */
};

static EVS_HOT void groups_add(struct groups *g, const struct flow_prog *prog, unsigned i)
{
	uint8_t *at = &g->at[(uintptr_t)prog >> 6 & 63];
	unsigned k = *at ? *at - 1u : g->n;

	if (k < g->n && evs_unlikely(g->prog[k] != prog)) /* another one has the place */
		for (k = 0; k < g->n && g->prog[k] != prog; k++)
			;
	if (k == g->n) {
		g->prog[g->n] = prog;
		g->members[g->n++] = 0;
		*at = (uint8_t)g->n;
	}
	g->members[k] |= UINT32_C(1) << i;
}

/* Several programs in one burst: what is one output goes straight to its buffer, the rest in groups
 * by program. Packets of one flow have one program, so their order stays. */
static EVS_HOT void run_mixed(struct pmd_worker *w, unsigned n)
{
	struct groups g;

	g.n = 0;
	memset(g.at, 0, sizeof(g.at));
	for (unsigned i = 0; i < n; i++) {
		const struct flow *flow = w->found.flow[i];

		if (evs_likely(flow != NULL)) { /* there may be as many as packets */
			rte_prefetch0(flow->prog);
			rte_prefetch0((const uint8_t *)flow->prog + EVS_CACHE_LINE);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		const struct flow *flow = w->found.flow[i];

		if (evs_unlikely(!flow))
			continue;
		if (evs_likely(flow->prog->simple_port))
			pmd_out_one(w, pmd_view_of(w, flow->prog->simple_port), w->burst.mbuf[i]);
		else
			groups_add(&g, flow->prog, i);
	}
	for (unsigned k = 0; k < g.n; k++)
		pmd_exec_run(w, g.prog[k]->ops, g.prog[k]->size, g.members[k]);
}

/* A whole burst as it was received goes straight through. */
EVS_INLINE void run_output(struct pmd_worker *w, struct pmd_view *v, unsigned n)
{
	if (evs_likely(n == PKT_BURST_MAX && w->burst.sum.n == n && v->n == 0))
		pmd_out_send_sum(w, v, w->burst.mbuf, &w->burst.sum);
	else
		pmd_out_append(w, v, w->burst.mbuf, n);
}

/* Runs the programs of the first n packets; mostly it is one. */
EVS_INLINE void run(struct pmd_worker *w, unsigned n)
{
	const struct flow_prog *prog = w->found.prog;

	if (evs_unlikely(!prog))
		run_mixed(w, n);
	else if (evs_likely(prog->simple_port))
		run_output(w, pmd_view_of(w, prog->simple_port), n);
	else
		pmd_exec_run(w, prog->ops, prog->size, (uint32_t)((UINT64_C(1) << n) - 1));
}

EVS_INLINE void walk(struct pmd_worker *w, unsigned n, const bool sample, uint64_t *mark)
{
	uint32_t missed = flow_cache_lookup(w->cache, &w->burst, n, &w->found, w->now_ms);
	uint64_t nested;

	stage(w, sample, PMD_STAGE_LOOKUP, mark);
	if (evs_unlikely(missed)) {
		pmd_miss(w, missed);
		stage(w, sample, PMD_STAGE_MISS, mark);
	}
	nested = w->nested_tsc;
	run(w, n);
	stage(w, sample, PMD_STAGE_ACTIONS, mark);
	if (sample)
		evs_counter_add(&w->stage_tsc[PMD_STAGE_ACTIONS], nested - w->nested_tsc);
}

/* Packets that go round again. */
EVS_INLINE void go_round(struct pmd_worker *w, const bool sample, uint64_t *mark)
{
	uint64_t nested = w->nested_tsc;

	if (evs_likely(w->again_head == w->again_tail))
		return;
	pmd_again_run(w);
	stage(w, sample, PMD_STAGE_AGAIN, mark);
	if (sample)
		w->stage_tsc[PMD_STAGE_AGAIN] -= w->nested_tsc - nested;
}

/* None of n packets, not parsed yet, is lent any more; returns how many are left. */
static EVS_HOT unsigned own_burst(struct pmd_worker *w, struct pmd_view *v, unsigned n)
{
	uint32_t bad = pkt_own_all(w->burst.mbuf, n);

	if (evs_likely(!bad))
		return n;
	pmd_ingress_drop(w, v, bad, PKT_DROP_NO_MBUF);
	return pmd_ingress_keep(w, n, bad);
}

/* Of n packets, not parsed yet, those that come out of a known tunnel go their whole way here. The
 * rest is the burst then; returns how many. */
static EVS_HOT unsigned decapsulate(struct pmd_worker *w, struct pmd_view *v, unsigned n,
                                    const bool sample, uint64_t *mark)
{
	struct pmd_decap_rest rest;

	n = own_burst(w, v, n); /* packets of tunnels are read to their end */
	if (evs_unlikely(n == 0))
		return 0;
	n = pmd_decap_take(w, v, n, &rest);
	stage(w, sample, PMD_STAGE_DECAP, mark);
	if (evs_likely(n)) {
		w->depth = 1;
		walk(w, n, sample, mark);
		go_round(w, sample, mark);
		w->depth = 0;
	}
	memcpy(w->burst.mbuf, rest.mbuf, rest.n * sizeof(rest.mbuf[0]));
	return rest.n;
}

EVS_HOT void pmd_loop_walk(struct pmd_worker *w, unsigned n)
{
	uint64_t mark = 0;

	w->burst.sum.n = 0;
	walk(w, n, false, &mark);
}

/* n packets of one queue, from the driver to the output buffers. */
EVS_INLINE void receive(struct pmd_worker *w, struct pmd_rxq *rxq, struct pmd_view *v, unsigned n,
                        const bool sample)
{
	struct pkt_burst *b = &w->burst;
	uint64_t mark = sample ? evs_clock_tsc() : 0;
	uint32_t bad, config = evs_load_relaxed(&rxq->port->config);
	struct qos_ingress *ingress = evs_load_acquire(&v->ingress);
	const bool down = config & (PORT_CONFIG_DOWN | PORT_CONFIG_NO_RECV);

	if (evs_unlikely(ingress != NULL)) {
		n = pmd_ingress(w, v, ingress, n);
		if (n == 0)
			return;
	}
	if (evs_unlikely(v->decap_l3) && !down) {
		n = decapsulate(w, v, n, sample, &mark);
		if (evs_likely(n == 0))
			return;
	}
	evs_counter_add(&w->account.rx, n);
	bad = pkt_parse_burst(b, n, rxq->in_port, w->isa);
	evs_counter_add(&v->counters->rx_pkts, n);
	evs_counter_add(&v->counters->rx_bytes, b->sum.bytes);
	w->is_lent = b->sum.flags & PKT_LENT;
	stage(w, sample, PMD_STAGE_PARSE, &mark);

	if (evs_unlikely(down)) {
		pmd_drop(w, v, b->mbuf, n, PKT_DROP_RX_PORT_DOWN);
		return;
	}
	if (evs_unlikely(bad))
		n = pmd_loop_sift(w, n, bad, PKT_DROP_RX_TRUNCATED);
	if (evs_unlikely(evs_load_relaxed(&pmd_settings.drop_fragments)) &&
	    (bad = fragments(b, n)) != 0)
		n = pmd_loop_sift(w, n, bad, PKT_DROP_RX_FRAGMENT);
	if (evs_unlikely(n == 0))
		return;
	walk(w, n, sample, &mark);
	go_round(w, sample, &mark);
}

/* The same with a time stamp after each stage, for one burst in PMD_SAMPLE_PERIOD. */
static EVS_COLD void receive_sampled(struct pmd_worker *w, struct pmd_rxq *rxq, struct pmd_view *v,
                                     unsigned n)
{
	uint64_t *tsc = w->stage_tsc;

	w->sample = PMD_SAMPLE_PERIOD;
	w->sampling = true;
	evs_counter_add(&w->stage_pkts, n);
	evs_counter_add(&tsc[PMD_STAGE_RX], evs_clock_tsc() - w->now_tsc);
	receive(w, rxq, v, n, true);
}

/* The queue's n frames are paid for; bad: its port dropped some of them itself. */
EVS_INLINE void charge(struct pmd_worker *w, struct pmd_rxq *rxq, struct pmd_view *v, unsigned n,
                       bool bad)
{
	uint64_t now = evs_clock_tsc();

	if (evs_unlikely(rxq->is_armed))
		pmd_wake_disarm(rxq);
	evs_counter_add(&rxq->busy_tsc, now - w->now_tsc);
	pmd_fair_charge(&w->fair, &v->fair, n, bad, now - w->now_tsc);
	w->now_tsc = now;
	if (evs_unlikely(now - w->flushed_tsc > evs_load_relaxed(&pmd_settings.flush_tsc)))
		pmd_out_flush(w);
}

static EVS_COLD unsigned charge_bad(struct pmd_worker *w, struct pmd_rxq *rxq, struct pmd_view *v,
                                    unsigned n)
{
	n += port_n_bad;
	port_n_bad = 0;
	charge(w, rxq, v, n, true);
	return n;
}

/* Full bursts follow one another up to `most`. Returns how many packets there were, with those that
 * the port dropped itself; 1 for a busy port that sits out. */
EVS_INLINE unsigned poll_queue(struct pmd_worker *w, struct pmd_rxq *rxq, unsigned most)
{
	struct port *port = rxq->port;
	struct pmd_view *v = pmd_view_of(w, rxq->in_port);
	struct qos_ingress *gate = evs_load_acquire(&rxq->gate);
	unsigned n, all = 0;

	if (evs_unlikely(!pmd_fair_may(&w->fair, &v->fair)))
		return 1;
	do {
		n = evs_likely(!gate) ? evs_load_acquire(&port->rx)(port, rxq->queue, w->burst.mbuf,
		                                                    PKT_BURST_MAX)
		                      : pmd_ingress_rx(w, rxq, gate);
		if (n == 0)
			break;
		all += n;
		evs_counter_add(&w->bursts, 1);
		if (evs_unlikely(--w->sample == 0))
			receive_sampled(w, rxq, v, n);
		else
			receive(w, rxq, v, n, false);
	} while (n == PKT_BURST_MAX && --most && w->sample > 1 && !w->sampling);
	evs_counter_add(&rxq->pkts, all);
	if (evs_unlikely(port_n_bad))
		return charge_bad(w, rxq, v, all);
	if (all)
		charge(w, rxq, v, all, false);
	return all;
}

/* Each second another generation, so that the longest loop is one of the last two. */
static EVS_COLD void longest_turn(struct pmd_worker *w, uint64_t now)
{
	w->longest_since_tsc = now;
	w->longest_now ^= 1;
	evs_store_relaxed(&w->longest_tsc[w->longest_now], 0);
}

/* After a loop: time, load, sleep. n: packets that the loop handled. */
EVS_INLINE void turn(struct pmd_worker *w, uint64_t loop_tsc, unsigned n)
{
	uint64_t now = evs_clock_tsc();

	if (evs_unlikely(w->sampling)) {
		evs_counter_add(&w->stage_tsc[PMD_STAGE_OTHER], now - w->now_tsc);
		w->sampling = false;
	}
	w->now_tsc = w->flushed_tsc = now;
	evs_counter_add(&w->loops, 1);
	if (evs_unlikely(now >= w->ms_tsc)) {
		w->now_ms = evs_clock_ms();
		w->ms_tsc = now + evs_clock_tsc_hz / 1000;
		if (now - w->longest_since_tsc > evs_clock_tsc_hz)
			longest_turn(w, now);
		pmd_frags_expire(w);
		pmd_joins_expire(w);
	}
	if (evs_unlikely(now - loop_tsc > w->longest_tsc[w->longest_now]))
		evs_store_relaxed(&w->longest_tsc[w->longest_now], now - loop_tsc);
	if (n) {
		evs_counter_add(&w->busy_tsc, now - loop_tsc);
		w->idle_since_tsc = 0;
		return;
	}
	if (evs_load_relaxed(&pmd_settings.adaptive_sleep))
		pmd_sleep(w);
	evs_counter_add(&w->idle_tsc, w->now_tsc - loop_tsc);
}

EVS_HOT void pmd_loop_run(struct pmd_worker *w)
{
	while (evs_likely(!evs_load_relaxed(&w->stop))) {
		const struct pmd_poll *poll = evs_load_acquire(&w->poll);
		struct pmd_shaper *shapers = evs_load_acquire(&w->shapers);
		uint64_t loop_tsc = w->now_tsc;
		unsigned n = 0;

		for (unsigned i = 0; i < poll->n; i++)
			n += poll_queue(w, poll->rxq[i], poll->most);
		pmd_fair_round(&w->fair);
		pmd_out_flush(w);
		port_settle();
		if (evs_unlikely(shapers != NULL))
			n += pmd_shape_run(w, shapers);
		n += pmd_inject_run(w);
		flow_cache_poll(w->cache);
		turn(w, loop_tsc, n);
		evs_rcu_quiescent(w->id);
	}
}
