/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings of a capture. Threads and owners: see port_capture.h.
 *
 * A record is a head and the packet's bytes, in one piece: what does not fit before the ring's end
 * starts over at its beginning, behind a head that says so. Positions run freely.
 */
#include "port/port_capture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/evs_clock.h"
#include "pkt/pkt_burst.h"
#include "pkt/pkt_lent.h"
#include "port/port_pvt.h"

#define ALL_BYTES      (UINT32_C(16) << 20)  /* of all rings together, */
#define RING_BYTES_MIN (UINT32_C(256) << 10) /* if each gets so much */
#define SKIP           UINT32_C(0x80000000)
#define NO_ROOM        UINT32_MAX

struct record {
	uint32_t size; /* with this head, a multiple of 8; SKIP: nothing but bytes to pass over */
	uint32_t cap_len;
	uint64_t tsc;
	uint32_t len;
	uint32_t out;
};

struct ring {
	uint8_t *bytes;
	uint32_t head EVS_CACHE_ALIGNED; /* [writer w, reader r] */
	uint64_t lost;                   /* [writer w, any r] */
	uint32_t tail EVS_CACHE_ALIGNED; /* [reader w, writer r] */
};

struct port_capture {
	port_rx_fn *rx; /* the port's own */
	port_tx_fn *tx;
	struct port *port;
	struct port_capture_config config;
	uint32_t ring_bytes; /* a power of two */
	uint16_t n_rx, n_tx;
	struct ring *at; /* [reader] whose packet was shown last */
	uint8_t *memory;
	struct ring ring[]; /* of receive queues, then of transmit queues */
};

/* ---- workers ---- */

/* A record of so many bytes at a position: *posp is where it begins. NULL: no room. */
static struct record *reserve(const struct port_capture *c, struct ring *r, uint32_t *posp,
                              uint32_t size)
{
	uint32_t used = *posp - evs_load_acquire(&r->tail);
	uint32_t offset = *posp & (c->ring_bytes - 1), rest = c->ring_bytes - offset;
	uint32_t skip = rest < size ? rest : 0;

	if (used + skip + size > c->ring_bytes)
		return NULL;
	if (skip) {
		((struct record *)(r->bytes + offset))->size = skip | SKIP;
		*posp += skip;
		offset = 0;
	}
	return (struct record *)(r->bytes + offset);
}

static void copy(const struct rte_mbuf *m, uint32_t len, void *to)
{
	const void *data;

	if (m->ol_flags & PKT_LENT) {
		pkt_lent_read(m, to, len, to);
		return;
	}
	data = rte_pktmbuf_read(m, 0, len, to);

	if (data && data != to)
		memcpy(to, data, len);
}

EVS_INLINE uint32_t record_size(uint32_t cap_len)
{
	return (uint32_t)sizeof(struct record) + ((cap_len + 7) & ~UINT32_C(7));
}

/* The position behind the packet; the same if the filter does not want it; NO_ROOM. */
static uint32_t put(const struct port_capture *c, struct ring *r, uint32_t pos,
                    const struct rte_mbuf *m, uint64_t tsc)
{
	const struct bpf_insn *filter = c->config.filter;
	uint32_t cap_len = EVS_MIN(m->pkt_len, c->config.snap_bytes), begin = pos;
	bool whole = m->nb_segs == 1 &&
	             !(m->ol_flags & PKT_LENT); /* the filter can look at it where it is */
	struct record *record;

	if (filter && whole &&
	    !bpf_filter(filter, rte_pktmbuf_mtod(m, const u_char *), m->pkt_len, m->data_len))
		return pos;
	record = reserve(c, r, &pos, record_size(whole || !filter ? cap_len : m->pkt_len));
	if (!record)
		return NO_ROOM;
	copy(m, whole || !filter ? cap_len : m->pkt_len, record + 1);
	if (filter && !whole &&
	    !bpf_filter(filter, (const u_char *)(record + 1), m->pkt_len, m->pkt_len))
		return begin;
	record->size = record_size(cap_len);
	record->cap_len = cap_len;
	record->len = m->pkt_len;
	record->tsc = tsc;
	record->out = r >= c->ring + c->n_rx;
	return pos + record->size;
}

/* Writes n packets; end[i] is the position when i of them count, missed has a bit for each that
 * found no room. */
static uint32_t put_burst(const struct port_capture *c, struct ring *r, struct rte_mbuf **mbufs,
                          unsigned n, uint32_t end[PKT_BURST_MAX + 1])
{
	uint64_t tsc = evs_clock_tsc();
	uint32_t missed = 0;

	end[0] = r->head;
	for (unsigned i = 0; i < n; i++) {
		uint32_t pos = put(c, r, end[i], mbufs[i], tsc);

		missed |= (uint32_t)(pos == NO_ROOM) << i;
		end[i + 1] = pos == NO_ROOM ? end[i] : pos;
	}
	return missed;
}

static void publish(struct ring *r, uint32_t head, uint32_t missed, unsigned n)
{
	missed &= (uint32_t)((UINT64_C(1) << n) - 1);
	evs_counter_add(&r->lost, (unsigned)__builtin_popcount(missed));
	evs_store_release(&r->head, head);
}

static uint16_t capture_rx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct port_capture *c = evs_load_acquire(&port->capture);
	uint16_t got = c->rx(port, queue, mbufs, n);
	uint32_t end[PKT_BURST_MAX + 1], missed;

	if (got && queue < c->n_rx) {
		missed = put_burst(c, &c->ring[queue], mbufs, got, end);
		publish(&c->ring[queue], end[got], missed, got);
	}
	return got;
}

/* What is sent belongs to the driver: so the copy comes first, and counts if it was sent. (A driver
 * that refuses a packet in the middle of a burst, which is rare, leaves one at its end uncounted.)
 */
static uint16_t capture_tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct port_capture *c = evs_load_acquire(&port->capture);
	struct ring *r = &c->ring[c->n_rx + queue];
	uint32_t end[PKT_BURST_MAX + 1], missed;
	uint16_t sent;

	if (queue >= c->n_tx)
		return c->tx(port, queue, mbufs, n);
	missed = put_burst(c, r, mbufs, n, end);
	sent = c->tx(port, queue, mbufs, n);
	publish(r, end[sent], missed, sent);
	return sent;
}

/* ---- control ---- */

static int map_rings(struct port_capture *c)
{
	unsigned n = (unsigned)c->n_rx + c->n_tx;

	c->ring_bytes = ALL_BYTES;
	while (c->ring_bytes > RING_BYTES_MIN && c->ring_bytes > ALL_BYTES / n)
		c->ring_bytes /= 2;
	c->memory = mmap(NULL, (size_t)n * c->ring_bytes, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (c->memory == MAP_FAILED)
		return -errno;
	for (unsigned i = 0; i < n; i++)
		c->ring[i].bytes = c->memory + (size_t)i * c->ring_bytes;
	return 0;
}

int port_capture_start(struct port *port, const struct port_capture_config *config,
                       struct port_capture **capturep, struct evs_error *err)
{
	uint16_t n_rx = config->rx ? EVS_MAX(port->n_rxq, port->rxq_alloc) : 0;
	uint16_t n_tx = config->tx ? (uint16_t)EVS_MIN(port->n_txq, port_max_workers) : 0;
	size_t size = sizeof(struct port_capture) + (n_rx + n_tx + 1u) * sizeof(struct ring);
	struct port_capture *c;

	if (port->capture)
		return evs_error_set(err, -EBUSY, "port '%s' is being captured already",
		                     port->name);
	if (n_rx + n_tx == 0)
		return evs_error_set(err, -ENOTSUP, "port '%s' has no queues to capture at",
		                     port->name);
	c = aligned_alloc(EVS_CACHE_LINE, (size + EVS_CACHE_LINE - 1) & ~(EVS_CACHE_LINE - 1ul));
	if (!c)
		return evs_error_set(err, -ENOMEM, "no memory for a capture");
	memset(c, 0, size);
	c->port = port;
	c->config = *config;
	c->n_rx = n_rx;
	c->n_tx = n_tx;
	if (map_rings(c)) {
		free(c);
		return evs_error_set(err, -ENOMEM, "no memory for the buffers of a capture");
	}
	c->rx = port->rx;
	c->tx = port->tx;
	evs_store_release(&port->capture, c);
	if (n_rx)
		evs_store_release(&port->rx, capture_rx);
	if (n_tx)
		evs_store_release(&port->tx, capture_tx);
	*capturep = c;
	return 0;
}

void port_capture_end(struct port_capture *c)
{
	evs_store_release(&c->port->rx, c->rx);
	evs_store_release(&c->port->tx, c->tx);
}

void port_capture_destroy(struct port_capture *c, struct port *port)
{
	if (port)
		evs_store_release(&port->capture, NULL);
	munmap(c->memory, ((size_t)c->n_rx + c->n_tx) * c->ring_bytes);
	free(c);
}

/* ---- the reader ---- */

static const struct record *first(const struct port_capture *c, struct ring *r)
{
	uint32_t head = evs_load_acquire(&r->head);
	const struct record *record;

	if (r->tail == head)
		return NULL;
	record = (const struct record *)(r->bytes + (r->tail & (c->ring_bytes - 1)));
	if (!(record->size & SKIP))
		return record;
	evs_store_release(&r->tail, r->tail + (record->size & ~SKIP));
	return (const struct record *)r->bytes; /* never alone: it came with a record behind */
}

bool port_capture_next(struct port_capture *c, struct port_captured *packet)
{
	const struct record *oldest = NULL;

	for (unsigned i = 0; i < (unsigned)c->n_rx + c->n_tx; i++) {
		const struct record *record = first(c, &c->ring[i]);

		if (!record || (oldest && (int64_t)(record->tsc - oldest->tsc) >= 0))
			continue;
		oldest = record;
		c->at = &c->ring[i];
	}
	if (!oldest)
		return false;
	*packet = (struct port_captured){
	        .tsc = oldest->tsc,
	        .data = (const uint8_t *)(oldest + 1),
	        .len = oldest->len,
	        .cap_len = oldest->cap_len,
	        .out = oldest->out,
	};
	return true;
}

void port_capture_done(struct port_capture *c)
{
	struct ring *r = c->at;
	const struct record *record = first(c, r);

	evs_store_release(&r->tail, r->tail + record->size);
}

uint64_t port_capture_lost(const struct port_capture *c)
{
	uint64_t lost = 0;

	for (unsigned i = 0; i < (unsigned)c->n_rx + c->n_tx; i++)
		lost += evs_load_relaxed(&c->ring[i].lost);
	return lost;
}
