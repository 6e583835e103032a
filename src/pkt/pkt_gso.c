/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Software segmentation of TCP (RFC 9293) and fragmentation of UDP, over IPv4 and IPv6, behind VLAN
 * tags and MPLS labels. Threads: worker.
 *
 * All headers are copied to a template and checked there. A piece is the template, patched,
 * and its share of the payload. rte_gso knows neither IPv6 nor checksums and returns chains of
 * segments, which the ports that need this could not send.
 */
#include "pkt/pkt_gso_pvt.h"

#include "pkt/pkt_hash.h"
#include "pkt/pkt_ipv6_pvt.h"
#include "pkt/pkt_offload_pvt.h"

#define HEADERS_MAX 320
#define TCP_FIN_PSH 0x09
#define TCP_CWR     0x80

struct job {
	const struct rte_mbuf *m;
	uint32_t caps;
	struct pkt_request r;
	uint32_t headers_size; /* bytes of the template */
	uint32_t payload_ofs;  /* in m */
	uint32_t payload_size;
	uint32_t piece_size; /* payload bytes of each piece but the last */
	unsigned n;
	uint32_t frag_id;           /* IPv6 */
	uint16_t udp_csum;          /* of the whole datagram */
	const struct rte_mbuf *seg; /* cursor in the payload */
	uint32_t seg_ofs;
	uint8_t headers[HEADERS_MAX + PKT_FRAG_SIZE];
};

struct piece {
	unsigned index;
	uint32_t ofs;  /* of its payload within all */
	uint32_t size; /* of its payload */
};

static bool is_tcp(const struct job *job)
{
	return job->r.proto == PKT_IP_TCP;
}

/* Does the sender complete the pieces' checksum? */
static bool leaves_csum(const struct job *job)
{
	return is_tcp(job) && (job->caps & PKT_TX_L4_CSUM);
}

static int check_tcp(struct job *job)
{
	uint32_t header = (job->headers[job->r.l4 + 12] >> 4) * 4u;
	if (header < PKT_TCP_SIZE || header != job->m->l4_len || header > job->r.l4_size)
		return -EINVAL;
	return 0;
}

/* Checksum of the datagram that the fragments carry. What is in the field now, a pseudo-header
 * sum with or without length, is taken out of the sum. */
static void sum_datagram(struct job *job)
{
	const struct pkt_request *r = &job->r;
	uint64_t sum = pkt_csum_pseudo(job->headers + r->l3, PKT_IP_UDP, r->l4_size);
	sum += (uint16_t)~pkt_ld16(job->headers + r->csum);
	sum = pkt_csum_add_mbuf(sum, job->m, r->l4, r->l4_size);
	uint16_t csum = (uint16_t)~pkt_csum_fold(sum);
	job->udp_csum = csum ? csum : 0xffff;
}

static int plan_tcp(struct job *job)
{
	int err = check_tcp(job);
	job->headers_size = job->r.l4 + job->m->l4_len;
	job->payload_ofs = job->headers_size;
	job->payload_size = job->r.l4_size - job->m->l4_len;
	job->piece_size = job->m->tso_segsz;
	return err;
}

static int plan_udp(struct job *job)
{
	job->headers_size = job->r.l4;
	job->payload_ofs = job->r.l4;
	job->payload_size = job->r.l4_size;
	job->piece_size = job->m->tso_segsz & ~7u;
	sum_datagram(job);
	if (job->r.is_ipv6 && job->payload_size > job->piece_size) {
		if (job->m->l3_len != PKT_IPV6_SIZE)
			return -ENOTSUP;
		uint8_t *frag = job->headers + job->headers_size;
		job->frag_id = (uint32_t)pkt_hash_mum(__builtin_ia32_rdtsc() ^ pkt_hash_secret[0],
		                                      pkt_hash_secret[1]);
		job->headers[job->r.l3 + 6] = PKT_IP_FRAG;
		frag[0] = PKT_IP_UDP;
		frag[1] = 0;
		pkt_st32(frag + 4, job->frag_id);
		job->headers_size += PKT_FRAG_SIZE;
	}
	return 0;
}

/* With segments left in a routing header the pseudo header has another address. */
static bool is_source_routed(const struct job *job)
{
	struct pkt_frame f;
	struct pkt_ipv6_walk walk;
	if (!job->r.is_ipv6 || job->m->l3_len == PKT_IPV6_SIZE)
		return false;
	pkt_frame_init(&f, job->m);
	pkt_ipv6_walk(&f, job->r.l3, &walk);
	return walk.routing_left || walk.l4 != job->r.l4 || walk.frag;
}

static int plan(struct job *job, unsigned max)
{
	const struct rte_mbuf *m = job->m;
	int err = pkt_request_check(m, &job->r);
	if (err)
		return err;
	bool tcp = is_tcp(job);
	uint32_t read = job->r.l4 + (tcp ? m->l4_len : PKT_UDP_SIZE);
	if (tcp && m->l4_len < PKT_TCP_SIZE)
		return -EINVAL;
	if (read > HEADERS_MAX)
		return -ENOTSUP;
	const void *p = rte_pktmbuf_read(m, 0, read, job->headers);
	if (p == NULL)
		return -EINVAL;
	if (p != job->headers)
		memcpy(job->headers, p, read);
	if (is_source_routed(job))
		return -EINVAL;
	err = tcp ? plan_tcp(job) : plan_udp(job);
	if (err)
		return err;
	if (job->piece_size == 0)
		return -EINVAL;
	job->n = (job->payload_size + job->piece_size - 1) / job->piece_size;
	job->n = EVS_MAX(job->n, 1u);
	return job->n <= max ? 0 : -E2BIG;
}

static void set_cursor(struct job *job)
{
	job->seg = job->m;
	job->seg_ofs = job->payload_ofs;
	while (job->seg != NULL && job->seg_ofs >= job->seg->data_len) {
		job->seg_ofs -= job->seg->data_len;
		job->seg = job->seg->next;
	}
}

/* The next `size` bytes of payload to `to`. */
static void copy_payload(struct job *job, uint8_t *to, uint32_t size)
{
	while (size > 0) {
		uint32_t part = EVS_MIN(size, job->seg->data_len - job->seg_ofs);
		memcpy(to, rte_pktmbuf_mtod_offset(job->seg, const void *, job->seg_ofs), part);
		to += part;
		size -= part;
		job->seg_ofs += part;
		while (job->seg != NULL && job->seg_ofs >= job->seg->data_len) {
			job->seg_ofs = 0;
			job->seg = job->seg->next;
		}
	}
}

/* Headers and payload into mbuf, and into further ones if the port takes those. */
static int fill_piece(struct job *job, struct rte_mbuf *head, uint32_t size)
{
	struct rte_mbuf *last = head;
	uint32_t room = rte_pktmbuf_tailroom(head);
	if (room < job->headers_size)
		return -E2BIG;
	memcpy(rte_pktmbuf_mtod(head, void *), job->headers, job->headers_size);
	head->data_len = (uint16_t)job->headers_size;
	head->pkt_len = job->headers_size + size;
	room -= job->headers_size;
	for (;;) {
		uint32_t part = EVS_MIN(size, room);
		copy_payload(job, rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), part);
		last->data_len = (uint16_t)(last->data_len + part);
		size -= part;
		if (size == 0)
			return 0;
		if (!(job->caps & PKT_TX_MULTI_SEG))
			return -E2BIG;
		struct rte_mbuf *more = rte_pktmbuf_alloc(head->pool);
		if (more == NULL)
			return -ENOMEM;
		last->next = more;
		last = more;
		head->nb_segs++;
		room = rte_pktmbuf_tailroom(more);
	}
}

/* Length, id and checksum of the IP header at l3, in a piece of pkt_len bytes. */
static void patch_ip(struct rte_mbuf *piece, uint32_t l3, uint32_t header_size, unsigned id_add)
{
	uint8_t *p = rte_pktmbuf_mtod_offset(piece, uint8_t *, l3);
	uint32_t size = piece->pkt_len - l3;
	if (p[0] >> 4 == 6) {
		pkt_st16(p + 4, rte_cpu_to_be_16((uint16_t)(size - PKT_IPV6_SIZE)));
		return;
	}
	pkt_st16(p + 2, rte_cpu_to_be_16((uint16_t)size));
	pkt_st16(p + 4, rte_cpu_to_be_16((uint16_t)(pkt_be16(p + 4) + id_add)));
	pkt_st16(p + 10, 0);
	pkt_st16(p + 10, (uint16_t)~pkt_csum_fold(pkt_csum_add(0, p, header_size)));
}

static void patch_tcp(const struct job *job, struct rte_mbuf *m, const struct piece *piece)
{
	const struct pkt_request *r = &job->r;
	uint8_t *p = rte_pktmbuf_mtod_offset(m, uint8_t *, r->l4);
	uint32_t l4_size = m->pkt_len - r->l4;
	pkt_st32(p + 4, rte_cpu_to_be_32(pkt_be32(p + 4) + piece->ofs));
	if (piece->index > 0)
		p[13] &= (uint8_t)~TCP_CWR;
	if (piece->index + 1 < job->n)
		p[13] &= (uint8_t)~TCP_FIN_PSH;
	uint16_t pseudo = pkt_csum_pseudo(job->headers + r->l3, PKT_IP_TCP, l4_size);
	pkt_st16(p + 16, leaves_csum(job) ? pseudo : 0);
	if (!leaves_csum(job)) {
		uint64_t sum = pkt_csum_add_mbuf(pseudo, m, r->l4, l4_size);
		pkt_st16(p + 16, (uint16_t)~pkt_csum_fold(sum));
	}
}

/* Fragment offset and more-fragments; the first piece carries the UDP header and its checksum. */
static void patch_fragment(const struct job *job, struct rte_mbuf *m, const struct piece *piece)
{
	uint8_t *p = rte_pktmbuf_mtod_offset(m, uint8_t *, job->r.l3);
	bool more = piece->index + 1 < job->n;
	if (piece->index == 0)
		pkt_st16(rte_pktmbuf_mtod_offset(m, uint8_t *, job->headers_size + 6),
		         job->udp_csum);
	if (job->n == 1)
		return;
	if (!job->r.is_ipv6)
		pkt_st16(p + 6,
		         rte_cpu_to_be_16((uint16_t)(piece->ofs / 8 | (more ? PKT_IPV4_MF : 0))));
	else
		pkt_st16(p + PKT_IPV6_SIZE + 2,
		         rte_cpu_to_be_16((uint16_t)(piece->ofs | (more ? 1 : 0))));
}

static void set_metadata(const struct job *job, struct rte_mbuf *m)
{
	pkt_copy_metadata(m, job->m);
	m->ol_flags &= ~PKT_TX_REQUEST;
	if (leaves_csum(job)) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
		m->tso_segsz = 0;
	} else {
		m->ol_flags &= ~(RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
		m->tx_offload = 0;
	}
}

static int make_piece(struct job *job, struct rte_mbuf *m, const struct piece *piece)
{
	set_metadata(job, m);
	int err = fill_piece(job, m, piece->size);
	if (err)
		return err;
	/* Fragments of a datagram share its id; segments are packets of their own. */
	if (!is_tcp(job))
		patch_fragment(job, m, piece);
	patch_ip(m, job->r.l3, job->m->l3_len, is_tcp(job) ? piece->index : 0);
	if (is_tcp(job))
		patch_tcp(job, m, piece);
	return 0;
}

int pkt_gso_run(const struct rte_mbuf *m, uint32_t caps, struct rte_mempool *pool,
                struct rte_mbuf **out, unsigned max)
{
	struct job job;
	memset(&job, 0, offsetof(struct job, headers));
	job.m = m;
	job.caps = caps;
	int err = plan(&job, max);
	if (err)
		return err;
	if (rte_pktmbuf_alloc_bulk(pool, out, job.n) != 0)
		return -ENOMEM;
	set_cursor(&job);
	struct piece piece = {0};
	for (; piece.index < job.n && err == 0; piece.index++) {
		piece.size = EVS_MIN(job.piece_size, job.payload_size - piece.ofs);
		err = make_piece(&job, out[piece.index], &piece);
		piece.ofs += piece.size;
	}
	if (err == 0)
		return (int)job.n;
	rte_pktmbuf_free_bulk(out, job.n);
	return err;
}
