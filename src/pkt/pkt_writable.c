/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before an edit: a head that is private and contiguous. Threads: worker.
 */
#include "pkt/pkt_edit.h"

#include "pkt/pkt_hdr.h"
#include "pkt/pkt_lent.h"
#include "pkt/pkt_offload_pvt.h"

/* Bytes copied of a packet that does not fit one buffer: more than any headers we edit. */
#define HEAD_SIZE 256

void pkt_copy_metadata(struct rte_mbuf *to, const struct rte_mbuf *from)
{
	to->port = from->port;
	to->vlan_tci = from->vlan_tci;
	to->vlan_tci_outer = from->vlan_tci_outer;
	to->tx_offload = from->tx_offload;
	to->hash = from->hash;
	to->packet_type = from->packet_type;
	to->ol_flags = from->ol_flags & ~(RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
	memcpy(to->dynfield1, from->dynfield1, sizeof(to->dynfield1));
}

/* A chain of attached segments for all bytes of m from `ofs`, or NULL. */
static struct rte_mbuf *attach_tail(struct rte_mbuf *m, uint32_t ofs, struct rte_mempool *pool)
{
	struct rte_mbuf *first = NULL, **link = &first;
	uint32_t total = 0;
	uint16_t n = 0;
	for (struct rte_mbuf *seg = m; seg != NULL; seg = seg->next) {
		if (ofs >= seg->data_len) {
			ofs -= seg->data_len;
			continue;
		}
		struct rte_mbuf *piece = rte_pktmbuf_alloc(pool);
		if (piece == NULL) {
			rte_pktmbuf_free(first);
			return NULL;
		}
		rte_pktmbuf_attach(piece, seg);
		piece->next = NULL;
		piece->data_off = (uint16_t)(seg->data_off + ofs);
		piece->data_len = (uint16_t)(seg->data_len - ofs);
		total += piece->data_len;
		n++;
		ofs = 0;
		*link = piece;
		link = &piece->next;
		first->nb_segs = n;
		first->pkt_len = total;
	}
	return first;
}

static struct rte_mbuf *copy_head(struct rte_mbuf *m, struct rte_mempool *pool)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(pool);
	if (head == NULL)
		return NULL;
	uint32_t size = EVS_MIN((uint32_t)rte_pktmbuf_tailroom(head), (uint32_t)HEAD_SIZE);
	struct rte_mbuf *tail = attach_tail(m, size, pool);
	if (tail == NULL) {
		rte_pktmbuf_free(head);
		return NULL;
	}
	uint8_t *to = rte_pktmbuf_mtod(head, uint8_t *);
	const void *from = rte_pktmbuf_read(m, 0, size, to);
	if (from != to)
		memcpy(to, from, size);
	pkt_copy_metadata(head, m);
	head->data_len = (uint16_t)size;
	head->next = tail;
	head->nb_segs = (uint16_t)(tail->nb_segs + 1);
	head->pkt_len = m->pkt_len;
	return head;
}

static bool is_private_external(struct rte_mbuf *m)
{
	return RTE_MBUF_HAS_EXTBUF(m) && rte_mbuf_refcnt_read(m) == 1 && m->shinfo != NULL &&
	       rte_mbuf_ext_refcnt_read(m->shinfo) == 1;
}

struct rte_mbuf *pkt_copy_writable(struct rte_mbuf *m, struct rte_mempool *pool)
{
	if (m->pkt_len + RTE_PKTMBUF_HEADROOM <= rte_pktmbuf_data_room_size(pool))
		return rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
	return copy_head(m, pool);
}

int pkt_make_writable_slow(struct rte_mbuf **mp, struct rte_mempool *pool)
{
	struct rte_mbuf *m = *mp;
	if (pkt_own(m))
		return -ENOMEM;
	if (pkt_is_writable(m) || is_private_external(m))
		return 0;
	struct rte_mbuf *copy = pkt_copy_writable(m, pool);
	if (copy == NULL)
		return -ENOMEM;
	rte_pktmbuf_free(m);
	*mp = copy;
	return 0;
}

/* Moves the data down towards the start of the buffer, if that makes room for `more` bytes. */
static bool use_headroom(struct rte_mbuf *m, uint32_t more)
{
	uint32_t tail = rte_pktmbuf_tailroom(m);
	if (tail >= more)
		return true;
	uint32_t shift = more - tail;
	if (shift > m->data_off)
		return false;
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	memmove(p - shift, p, m->data_len);
	m->data_off = (uint16_t)(m->data_off - shift);
	return true;
}

int pkt_pull_slow(struct rte_mbuf *m, uint32_t size)
{
	if (size <= m->data_len)
		return 0;
	if (size > m->pkt_len)
		return -EINVAL;
	uint32_t more = size - m->data_len;
	if (!use_headroom(m, more))
		return -ENOBUFS;
	uint8_t *to = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);
	while (more > 0) {
		struct rte_mbuf *seg = m->next;
		uint32_t part = EVS_MIN(more, (uint32_t)seg->data_len);
		memcpy(to, rte_pktmbuf_mtod(seg, void *), part);
		to += part;
		more -= part;
		m->data_len = (uint16_t)(m->data_len + part);
		seg->data_off = (uint16_t)(seg->data_off + part);
		seg->data_len = (uint16_t)(seg->data_len - part);
		if (seg->data_len == 0) {
			m->next = seg->next;
			m->nb_segs--;
			seg->next = NULL;
			rte_pktmbuf_free_seg(seg);
		}
	}
	return 0;
}
