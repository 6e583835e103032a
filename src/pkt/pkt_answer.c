/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to ARP requests and neighbour solicitations. Threads and ownership: pkt_answer.h.
 *
 * What the parser said chose the packet; what is rewritten is held against its bytes once more.
 */
#include "pkt/pkt_answer.h"

#include <string.h>

#include "pkt/pkt_csum.h"
#include "pkt/pkt_edit.h"
#include "pkt/pkt_hdr.h"

#define ADVERT_SIZE (PKT_ND_SIZE + 8) /* with one link-layer option */

static uint8_t *at(struct rte_mbuf *m, uint32_t ofs)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, ofs);
}

static void turn_eth(uint8_t *eth, const uint8_t mac[6])
{
	memcpy(eth, eth + 6, 6);
	memcpy(eth + 6, mac, 6);
}

static int answer_arp(struct rte_mbuf *m, uint32_t l3, const uint8_t mac[6])
{
	static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t *p, asked[4];

	if (pkt_pull(m, l3 + PKT_ARP_SIZE))
		return -EINVAL;
	p = at(m, l3);
	if (memcmp(p, request, sizeof(request)) != 0)
		return -EINVAL;
	memcpy(asked, p + 24, sizeof(asked));
	memcpy(p + 18, p + 8, 10); /* who asks becomes the target */
	memcpy(p + 8, mac, 6);
	memcpy(p + 14, asked, sizeof(asked));
	p[7] = 2;
	turn_eth(at(m, 0), mac);
	return 0;
}

/* What is behind `size` bytes goes. They are in the first segment. */
static void cut(struct rte_mbuf *m, uint32_t size)
{
	rte_pktmbuf_free(m->next);
	m->next = NULL;
	m->nb_segs = 1;
	m->data_len = (uint16_t)size;
	m->pkt_len = size;
}

static bool is_sound(struct rte_mbuf *m, const uint8_t *ip, uint32_t l4, uint32_t size)
{
	uint64_t sum;

	if (m->ol_flags & PKT_TX_REQUEST) /* a guest leaves it to us */
		return true;
	sum = pkt_csum_pseudo(ip, PKT_IP_ICMPV6, size);
	return pkt_csum_fold(pkt_csum_add_mbuf(sum, m, l4, size)) == 0xffff;
}

static int check_solicit(struct rte_mbuf *m, uint32_t l3)
{
	const uint8_t *ip = at(m, l3), *nd = ip + PKT_IPV6_SIZE;
	uint32_t l4 = l3 + PKT_IPV6_SIZE, size = pkt_be16(ip + 4);

	if (ip[0] >> 4 != 6 || ip[6] != PKT_IP_ICMPV6 || ip[7] != 255 || size < ADVERT_SIZE ||
	    m->pkt_len - l4 < size || nd[0] != PKT_ND_SOLICIT || nd[1] != 0 || ip[8] == 0xff ||
	    nd[8] == 0xff || !is_sound(m, ip, l4, size))
		return -EINVAL;
	return 0;
}

static int answer_solicit(struct rte_mbuf *m, uint32_t l3, const uint8_t mac[6])
{
	uint32_t l4 = l3 + PKT_IPV6_SIZE;
	uint8_t *ip, *nd;

	if (pkt_pull(m, l4 + ADVERT_SIZE))
		return -EINVAL;
	if (check_solicit(m, l3))
		return -EINVAL;
	cut(m, l4 + ADVERT_SIZE);
	ip = at(m, l3);
	nd = at(m, l4);
	pkt_st16(ip + 4, rte_cpu_to_be_16(ADVERT_SIZE));
	memcpy(ip + 24, ip + 8, 16);
	memcpy(ip + 8, nd + 8, 16);
	memset(nd, 0, 8);
	nd[0] = PKT_ND_ADVERT;
	nd[4] = 0x60; /* solicited, override */
	nd[24] = PKT_ND_OPT_TLL;
	nd[25] = 1;
	memcpy(nd + 26, mac, 6);
	pkt_st16(nd + 2,
	         (uint16_t)~pkt_csum_fold(pkt_csum_add(
	                 pkt_csum_pseudo(ip, PKT_IP_ICMPV6, ADVERT_SIZE), nd, ADVERT_SIZE)));
	turn_eth(at(m, 0), mac);
	return 0;
}

int pkt_answer(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct pkt_answer *answer)
{
	int rc;

	if (ofs->l3 < PKT_ETH_SIZE || pkt_pull(m, ofs->l3) || (*at(m, 6) & 1))
		return -EINVAL;
	if (pkt_be16(at(m, ofs->l3 - 2u)) == PKT_ETH_ARP)
		rc = answer_arp(m, ofs->l3, answer->mac);
	else if (pkt_be16(at(m, ofs->l3 - 2u)) == PKT_ETH_IPV6)
		rc = answer_solicit(m, ofs->l3, answer->mac);
	else
		rc = -EINVAL;
	if (rc)
		return rc;
	m->ol_flags &= ~(uint64_t)(PKT_TX_REQUEST | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6 |
	                           RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
	if (ofs->l3_len > m->pkt_len - ofs->l3)
		ofs->l3_len = (uint16_t)(m->pkt_len - ofs->l3);
	return 0;
}
