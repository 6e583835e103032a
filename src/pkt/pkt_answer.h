/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question for a link-layer address becomes its answer: ARP request to reply (RFC 826), neighbour
 * solicitation to advertisement (RFC 4861, 7.2.4).
 * Threads: worker. Owner: as pkt_edit.h, whose contract holds here.
 */
#ifndef PKT_ANSWER_H
#define PKT_ANSWER_H

#include "pkt/pkt_burst.h"

struct pkt_answer {
	uint8_t mac[6]; /* of who is asked for */
	uint8_t zero[2];
};

/* The frame goes back to who asked, whole and with its tags: from `mac`, with complete checksums
 * and nothing behind the message. -EINVAL: it is no such question from one station, or a malformed
 * one (RFC 4861, 7.1.1); nothing was changed. */
int pkt_answer(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_answer *answer);

#endif
