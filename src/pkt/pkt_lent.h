/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of which only the head was copied: the rest lies where the sender has it, in the memory
 * of a guest, until a receiver's copy is made of it or somebody wants it for his own.
 * Threads: worker.
 *
 * Such a frame has PKT_LENT in ol_flags and looks like one segment as long as the frame. But only
 * PKT_LENT_HEAD bytes of it, from where the frame began, are in the buffer; behind them is a list
 * of where the others are. So headers are read and edited as always (what the parser's short ways
 * take lies in the head; for the complete parser a frame is made its own first); who would read,
 * write, copy or keep more calls pkt_own before.
 *
 * What is lent is given back when the worker has sent all that it holds, at the end of its loop
 * (port/port_debt.h): nobody may hold a lent frame longer, or hand it to another thread. Its bytes
 * may change at any time, as the guest likes; so nothing may depend on them, and lengths are those
 * that were found at the beginning.
 */
#ifndef PKT_LENT_H
#define PKT_LENT_H

#include <rte_mbuf.h>

#include "base/evs_base.h"

#define PKT_LENT_BIT    40 /* of ol_flags; registered by vhu_init */
#define PKT_LENT        (UINT64_C(1) << PKT_LENT_BIT)
#define PKT_LENT_HEAD   128
#define PKT_LENT_PIECES 64

struct pkt_lent {
	uint32_t *in_vain; /* of the lender: raised when a frame was made its own; or NULL */
	uint32_t n;
	struct {
		const uint8_t *at;
		uint32_t size;
	} piece[];
};

_Static_assert(PKT_LENT_HEAD % sizeof(void *) == 0, "where the list begins");
_Static_assert(sizeof(struct pkt_lent) + PKT_LENT_PIECES * 16 <= 2048 - PKT_LENT_HEAD,
               "fits the smallest buffer");

EVS_INLINE struct pkt_lent *pkt_lent_of(const struct rte_mbuf *m)
{
	return (void *)((uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM + PKT_LENT_HEAD);
}

/* The first `size` bytes, no more than the frame has. next: where a frame is wanted next, or `to`.
 */
void pkt_lent_read(const struct rte_mbuf *m, void *to, uint32_t size, const uint8_t *next);

/* Bytes behind the last segment, in it or in further ones from the head's pool. -ENOMEM. */
int pkt_append(struct rte_mbuf *m, struct rte_mbuf **last, const uint8_t *from, uint32_t size);

/* Copies what is lent. -ENOMEM: m is lent as before; other receivers may have it. */
int pkt_own_slow(struct rte_mbuf *m);
EVS_INLINE int pkt_own(struct rte_mbuf *m)
{
	return evs_likely(!(m->ol_flags & PKT_LENT)) ? 0 : pkt_own_slow(m);
}

/* Of n packets; bit i: packet i could not be made its own. */
uint32_t pkt_own_all(struct rte_mbuf *const *mbufs, unsigned n);

#endif
