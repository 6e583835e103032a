/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the TOS byte: explicit congestion notification (RFC 3168), DSCP. Threads: worker.
 */
#include "pkt/pkt_edit.h"
#include "qos/qos_shaper_pvt.h"

#define ECN_MASK 3
#define ECN_CE   3

static uint8_t tos_of(const uint8_t *ip, uint8_t version)
{
	return version == 4 ? ip[1] : (uint8_t)(ip[0] << 4 | ip[1] >> 4);
}

static void tos_set(uint8_t *ip, uint8_t version, uint8_t tos)
{
	uint8_t old = ip[1];
	uint32_t sum;

	if (version == 6) {
		ip[0] = (uint8_t)((ip[0] & 0xf0) | tos >> 4);
		ip[1] = (uint8_t)((ip[1] & 0x0f) | tos << 4);
		return;
	}
	ip[1] = tos;
	/* RFC 1624: the low byte of the first word changed. */
	sum = (uint32_t)(uint16_t) ~(ip[10] << 8 | ip[11]) + (uint16_t)~old + tos;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

/* The IP header, if it is whole; NULL: none. */
static uint8_t *ip_header(const struct rte_mbuf *m, uint8_t *versionp)
{
	uint32_t ofs = qos_ip_offset(m, versionp);
	uint8_t *ip;

	if (ofs == 0 || m->data_len < ofs + (*versionp == 4 ? 20u : 40u))
		return NULL;
	ip = rte_pktmbuf_mtod_offset(m, uint8_t *, ofs);
	return ip[0] >> 4 == *versionp ? ip : NULL;
}

static int tos_change(struct rte_mbuf **mbuf, uint8_t tos)
{
	uint8_t version;

	if (pkt_make_writable(mbuf, (*mbuf)->pool))
		return -ENOMEM;
	tos_set(ip_header(*mbuf, &version), version, tos);
	return 0;
}

bool qos_ecn_mark(struct rte_mbuf **mbuf)
{
	uint8_t version, tos;
	const uint8_t *ip = ip_header(*mbuf, &version);

	if (!ip)
		return false;
	tos = tos_of(ip, version);
	if ((tos & ECN_MASK) == 0 || (tos & ECN_MASK) == ECN_CE)
		return (tos & ECN_MASK) == ECN_CE;
	return tos_change(mbuf, tos | ECN_CE) == 0;
}

int qos_dscp_set(struct rte_mbuf **mbuf, uint8_t dscp)
{
	uint8_t version, tos;
	const uint8_t *ip = ip_header(*mbuf, &version);

	if (!ip)
		return 0;
	tos = tos_of(ip, version);
	return tos >> 2 == dscp ? 0 : tos_change(mbuf, (uint8_t)(dscp << 2 | (tos & ECN_MASK)));
}
