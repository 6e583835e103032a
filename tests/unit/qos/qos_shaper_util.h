/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the shaper share: packets without buffers, a simulated clock, counting by
 * queue.
 */
#ifndef QOS_SHAPER_UTIL_H
#define QOS_SHAPER_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "qos/qos_shaper.h"

#define HZ        UINT64_C(2000000000)
#define MS        (HZ / 1000)
#define N_PACKETS 131072
#define QUEUE(i, p, w, n)                                                                          \
	{                                                                                          \
		.id = i, .priority = p, .weight = w, .limit_pkts = n                               \
	}

static struct rte_mbuf packets[N_PACKETS];
static unsigned next_packet;
static uint64_t got_bytes[QOS_QUEUES]; /* by queue, which a packet carries in `port` */
static unsigned n_dropped;

static struct rte_mbuf *packet(uint32_t queue, uint32_t size)
{
	struct rte_mbuf *m = &packets[next_packet++ % N_PACKETS];

	memset(m, 0, sizeof(*m));
	m->pkt_len = size;
	m->port = (uint16_t)queue;
	return m;
}

static bool put(struct qos_shaper *s, uint32_t queue, struct rte_mbuf *m, uint64_t now)
{
	return qos_shaper_put(s, qos_shaper_queue_for(s, queue, m), &m, now) == QOS_PUT_DONE;
}

static void fill(struct qos_shaper *s, uint32_t queue, uint32_t size, uint64_t now)
{
	while (put(s, queue, packet(queue, size), now))
		;
	next_packet--; /* so that none comes round while it still waits */
}

/* What leaves in one poll, in bytes. */
static uint64_t take(struct qos_shaper *s, uint64_t now)
{
	struct qos_taken t;
	uint64_t bytes = 0;

	do {
		qos_shaper_take(s, now, &t);
		for (unsigned i = 0; i < t.n_out; i++) {
			bytes += t.out[i]->pkt_len;
			got_bytes[t.out[i]->port] += t.out[i]->pkt_len;
		}
		n_dropped += t.n_dropped;
	} while (t.more);
	return bytes;
}

static void empty(struct qos_shaper *s)
{
	struct rte_mbuf *out[QOS_BURST_LEN];

	while (qos_shaper_flush(s, out) > 0)
		;
	assert_int_equal(qos_shaper_backlog(s), 0);
	qos_shaper_destroy(s);
}

static int reset(void **state)
{
	memset(got_bytes, 0, sizeof(got_bytes));
	n_dropped = 0;
	return 0;
}

static void near(uint64_t got, uint64_t want, double share)
{
	if ((double)got > (double)want * (1 + share) || (double)got < (double)want * (1 - share))
		fail_msg("%lu is not within %.1f %% of %lu", got, share * 100, want);
}

#endif
