/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting segments together; see tun_join.h.
 * Threads and owner: as there.
 */
#include "tunnel/tun_join.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "pkt/pkt_edit.h"
#include "pkt/pkt_hdr.h"
#include "tunnel/tun_pvt.h"

#define WAYS       8
#define SETS       (TUN_JOIN_FRAMES / WAYS)
#define HEAD_BYTES 192 /* of a whole frame that are made contiguous */

struct join_key {
	uint8_t addresses[32];
	uint32_t id, ports;
};

struct piece {
	struct rte_mbuf *m;
	uint16_t offset, size; /* in the frame */
	uint16_t l3, l4;       /* of its headers */
};

struct join {
	TAILQ_ENTRY(join) link; /* by age */
	struct join_key key;
	uint64_t late_tsc;
	uint32_t total, have;
	uint16_t n;                         /* pieces; 0: the place is free */
	bool marked;                        /* congestion experienced by some */
	struct piece piece[TUN_JOIN_PARTS]; /* by offset */
};

struct tun_joins {
	TAILQ_HEAD(, join) waiting;
	uint64_t timeout_tsc;
	tun_join_drop_fn *drop;
	void *arg;
	uint32_t n_bufs, n_held;
	struct join join[SETS][WAYS];
};

struct tun_joins *tun_joins_create(uint64_t timeout_tsc, tun_join_drop_fn *drop, void *arg)
{
	struct tun_joins *joins = calloc(1, sizeof(*joins));

	if (!joins)
		return NULL;
	TAILQ_INIT(&joins->waiting);
	joins->timeout_tsc = timeout_tsc;
	joins->drop = drop;
	joins->arg = arg;
	return joins;
}

/* The frame leaves the table; its segments are the caller's. */
static void forget(struct tun_joins *joins, struct join *f)
{
	for (unsigned i = 0; i < f->n; i++)
		joins->n_bufs -= f->piece[i].m->nb_segs;
	joins->n_held -= f->n;
	TAILQ_REMOVE(&joins->waiting, f, link);
	f->n = 0;
}

static void give_up(struct tun_joins *joins, struct join *f, enum pkt_drop reason)
{
	unsigned n = f->n;

	forget(joins, f);
	for (unsigned i = 0; i < n; i++)
		joins->drop(joins->arg, f->piece[i].m, reason);
}

void tun_joins_destroy(struct tun_joins *joins)
{
	struct join *f;

	if (!joins)
		return;
	while ((f = TAILQ_FIRST(&joins->waiting)) != NULL)
		give_up(joins, f, PKT_DROP_SHUTDOWN);
	free(joins);
}

void tun_joins_expire(struct tun_joins *joins, uint64_t now_tsc)
{
	struct join *f;

	while ((f = TAILQ_FIRST(&joins->waiting)) != NULL && f->late_tsc <= now_tsc)
		give_up(joins, f, PKT_DROP_FRAG_TIMEOUT);
}

unsigned tun_joins_held(const struct tun_joins *joins)
{
	return joins->n_held;
}

/* False also for what is not as IP says. */
bool tun_join_is_part(struct tun_stump *stump)
{
	const struct pkt_offsets *ofs = stump->ofs;
	const struct rte_mbuf *m = stump->mbuf;
	struct tun_part *part = &stump->part;

	if (!ofs->l3 || ofs->l4 <= ofs->l3 || ofs->l3_len <= ofs->l4 - ofs->l3 ||
	    m->data_len <= ofs->l4 || m->pkt_len < (uint32_t)ofs->l3 + ofs->l3_len)
		return false;
	return tun_kinds[stump->kind].part(rte_pktmbuf_mtod_offset(m, const uint8_t *, ofs->l4),
	                                   ofs->l3_len - (ofs->l4 - ofs->l3), m->data_len - ofs->l4,
	                                   part) &&
	       part->size < part->total;
}

static void read_key(const uint8_t *ip, const struct tun_part *part, struct join_key *key)
{
	memset(key, 0, sizeof(*key));
	if (ip[0] >> 4 == 4)
		memcpy(key->addresses, ip + 12, 8);
	else
		memcpy(key->addresses, ip + 8, 32);
	key->id = part->id;
	key->ports = part->ports;
}

static unsigned set_of(const struct join_key *key)
{
	uint64_t hash = pkt_hash_mum(((uint64_t)key->id << 32 | key->ports) ^ pkt_hash_secret[0],
	                             pkt_hash_u64(key->addresses) ^ pkt_hash_secret[1]);

	hash ^= pkt_hash_mum(pkt_hash_u64(key->addresses + 8) ^ pkt_hash_secret[2],
	                     pkt_hash_u64(key->addresses + 24) ^ pkt_hash_secret[3]);
	return (unsigned)((hash ^ hash >> 32) % SETS);
}

/* The frame's place, perhaps a new one. */
static struct join *place_of(struct tun_joins *joins, const struct join_key *key,
                             const struct tun_part *part, uint64_t now_tsc)
{
	struct join *set = joins->join[set_of(key)], *f = &set[0];

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].n && !memcmp(&set[i].key, key, sizeof(*key)))
			return &set[i];
		if (f->n && (!set[i].n || set[i].late_tsc < f->late_tsc))
			f = &set[i];
	}
	if (f->n)
		give_up(joins, f, PKT_DROP_FRAG_REFUSED);
	f->key = *key;
	f->late_tsc = now_tsc + joins->timeout_tsc;
	f->total = part->total;
	f->have = 0;
	f->marked = false;
	TAILQ_INSERT_TAIL(&joins->waiting, f, link);
	return f;
}

enum fit { FITS, TWICE, SPOILS };

/* Where the segment belongs among the frame's pieces. */
static enum fit find_place(const struct join *f, const struct tun_part *part, unsigned *place)
{
	unsigned i = f->n;

	if (part->total != f->total || f->n == TUN_JOIN_PARTS)
		return SPOILS;
	while (i > 0 && f->piece[i - 1].offset > part->offset)
		i--;
	*place = i;
	if (i > 0 && f->piece[i - 1].offset == part->offset && f->piece[i - 1].size == part->size)
		return TWICE;
	if (i > 0 && (uint32_t)f->piece[i - 1].offset + f->piece[i - 1].size > part->offset)
		return SPOILS;
	if (i < f->n && part->offset + part->size > f->piece[i].offset)
		return SPOILS;
	return FITS;
}

static void insert(struct tun_joins *joins, struct join *f, unsigned place,
                   const struct piece *piece)
{
	memmove(&f->piece[place + 1], &f->piece[place], (f->n - place) * sizeof(f->piece[0]));
	f->piece[place] = *piece;
	f->n++;
	f->have += piece->size;
	joins->n_bufs += piece->m->nb_segs;
	joins->n_held++;
}

/* The frame's last segment of buffers gets more: copied where there is room, else chained. */
static struct rte_mbuf *append(struct rte_mbuf *head, struct rte_mbuf *last, struct rte_mbuf *m)
{
	if (m->nb_segs == 1 && m->data_len <= rte_pktmbuf_tailroom(last) &&
	    rte_mbuf_refcnt_read(last) == 1 && RTE_MBUF_DIRECT(last)) {
		memcpy(rte_pktmbuf_mtod_offset(last, void *, last->data_len),
		       rte_pktmbuf_mtod(m, const void *), m->data_len);
		last->data_len += m->data_len;
		rte_pktmbuf_free(m);
		return last;
	}
	last->next = m;
	head->nb_segs += m->nb_segs;
	return rte_pktmbuf_lastseg(m);
}

/* All pieces are there: the first one's headers stay. */
static struct rte_mbuf *chain(struct join *f, unsigned n, uint32_t header)
{
	struct rte_mbuf *head = f->piece[0].m, *last = rte_pktmbuf_lastseg(head);

	for (unsigned i = 1; i < n; i++) {
		struct rte_mbuf *m = f->piece[i].m;

		rte_pktmbuf_adj(m, (uint16_t)(f->piece[i].l4 + header));
		last = append(head, last, m);
	}
	head->pkt_len = f->piece[0].l4 + header + f->total;
	return head;
}

/* IP and L4 as of a packet that came whole, and was found good. */
static void finish(struct rte_mbuf *m, struct pkt_offsets *ofs, bool marked,
                   const struct tun_kind_ops *ops)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, ofs->l3);

	ofs->l3_len = (uint16_t)(m->pkt_len - ofs->l3);
	if (ip[0] >> 4 == 4) {
		tun_put16(ip + 2, ofs->l3_len);
		ip[1] |= marked ? 3 : 0;
	} else {
		tun_put16(ip + 4, (uint16_t)(ofs->l3_len - PKT_IPV6_SIZE));
		ip[1] |= marked ? 0x30 : 0;
	}
	ops->whole(ip + (ofs->l4 - ofs->l3));
	m->ol_flags &= ~(uint64_t)(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
}

static bool is_marked(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? (ip[1] & 3) == 3 : (ip[1] & 0x30) == 0x30;
}

/* Is the segment's content right, and can it be taken? Padding of the link goes. */
static bool is_good(struct rte_mbuf *m, const struct pkt_offsets *ofs, const struct tun_part *part)
{
	uint32_t end = (uint32_t)ofs->l3 + ofs->l3_len;

	if (m->data_len < ofs->l4 + part->header ||
	    ofs->l4 - ofs->l3 + part->header + part->total > UINT16_MAX ||
	    (m->pkt_len > end && rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - end))))
		return false;
	return tun_ip_is_good(m, ofs->l3) && tun_tcp_is_good(m, ofs->l3);
}

/* All is there: the whole packet, with its offsets. */
static struct rte_mbuf *complete(struct tun_joins *joins, struct join *f,
                                 const struct tun_kind_ops *ops, uint32_t header,
                                 struct pkt_offsets *ofs)
{
	unsigned n = f->n;
	struct rte_mbuf *m;

	forget(joins, f);
	m = chain(f, n, header);
	ofs->l3 = f->piece[0].l3;
	ofs->l4 = f->piece[0].l4;
	finish(m, ofs, f->marked, ops);
	if (pkt_pull(m, EVS_MIN(m->pkt_len, (uint32_t)HEAD_BYTES)) == 0)
		return m;
	joins->drop(joins->arg, m, PKT_DROP_NO_MBUF);
	return NULL;
}

struct rte_mbuf *tun_join(struct tun_joins *joins, const struct tun_stump *stump, uint64_t now_tsc,
                          unsigned *n_parts)
{
	struct pkt_offsets *ofs = stump->ofs;
	struct rte_mbuf *m = stump->mbuf;
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, ofs->l3);
	const struct tun_part *part = &stump->part;
	struct join_key key;
	unsigned place = 0;
	struct join *f;
	enum fit fit;

	*n_parts = 0;
	if (!is_good(m, ofs, part)) {
		joins->drop(joins->arg, m, PKT_DROP_TUN_BAD_HEADER);
		return NULL;
	}
	read_key(ip, part, &key);
	f = place_of(joins, &key, part, now_tsc);
	fit = find_place(f, part, &place);
	if (fit != FITS) {
		joins->drop(joins->arg, m, PKT_DROP_FRAG_REFUSED);
		if (fit == SPOILS)
			give_up(joins, f, PKT_DROP_FRAG_REFUSED);
		return NULL;
	}
	f->marked |= is_marked(ip);
	insert(joins, f, place,
	       &(struct piece){m, (uint16_t)part->offset, (uint16_t)part->size, ofs->l3, ofs->l4});
	if (f->have == f->total) {
		*n_parts = f->n;
		return complete(joins, f, &tun_kinds[stump->kind], part->header, ofs);
	}
	while (joins->n_bufs > TUN_JOIN_BUFFERS)
		give_up(joins, TAILQ_FIRST(&joins->waiting), PKT_DROP_FRAG_REFUSED);
	return NULL;
}
