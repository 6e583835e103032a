/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explicit congestion notification (RFC 3168). Threads: worker.
 */
#include "pkt/pkt_edit.h"
#include "qos/qos_shaper_pvt.h"

#define ECN_MASK 3
#define ECN_CE   3

static void mark_ipv4(uint8_t *ip, bool has_csum)
{
	uint8_t old = ip[1];
	uint32_t sum;

	ip[1] |= ECN_CE;
	if (!has_csum)
		return;
	/* RFC 1624: the low byte of the first word grew. */
	sum = (uint32_t)(uint16_t) ~(ip[10] << 8 | ip[11]) + ip[1] - old;
	sum = ~((sum & 0xffff) + (sum >> 16));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

bool qos_ecn_mark(struct rte_mbuf **mbuf)
{
	uint8_t version, ecn, *ip;
	uint32_t ofs = qos_ip_offset(*mbuf, &version);

	if (ofs == 0 || (*mbuf)->data_len < ofs + (version == 4 ? 20u : 40u))
		return false;
	ip = rte_pktmbuf_mtod_offset(*mbuf, uint8_t *, ofs);
	if (ip[0] >> 4 != version)
		return false;
	ecn = version == 4 ? ip[1] & ECN_MASK : (ip[1] >> 4) & ECN_MASK;
	if (ecn == 0 || ecn == ECN_CE)
		return ecn == ECN_CE;
	if (pkt_make_writable(mbuf, (*mbuf)->pool))
		return false;
	ip = rte_pktmbuf_mtod_offset(*mbuf, uint8_t *, ofs);
	if (version == 4)
		mark_ipv4(ip, !((*mbuf)->ol_flags & RTE_MBUF_F_TX_IP_CKSUM));
	else
		ip[1] |= ECN_CE << 4;
	return true;
}
