/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a frame says about its priority: DSCP of IP behind up to two tags, PCP of the outer tag.
 * Threads: worker. Only the first segment is read.
 */
#include <rte_ether.h>

#include "qos/qos_shaper_pvt.h"

static bool is_tag(rte_be16_t type)
{
	return type == RTE_BE16(RTE_ETHER_TYPE_VLAN) || type == RTE_BE16(RTE_ETHER_TYPE_QINQ);
}

uint32_t qos_ip_offset(const struct rte_mbuf *m, uint8_t *versionp)
{
	uint32_t ofs = offsetof(struct rte_ether_hdr, ether_type);
	rte_be16_t type;

	for (unsigned tags = 0; tags <= 2; tags++, ofs += 4) {
		if (m->data_len < ofs + 2 + sizeof(struct rte_vlan_hdr))
			return 0;
		type = *rte_pktmbuf_mtod_offset(m, const unaligned_uint16_t *, ofs);
		if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
		    type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) {
			*versionp = type == RTE_BE16(RTE_ETHER_TYPE_IPV4) ? 4 : 6;
			return ofs + 2;
		}
		if (!is_tag(type))
			return 0;
	}
	return 0;
}

int qos_dscp(const struct rte_mbuf *m)
{
	uint8_t version;
	uint32_t ofs = qos_ip_offset(m, &version);
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, ofs);

	if (ofs == 0 || m->data_len < ofs + 2 || ip[0] >> 4 != version)
		return -1;
	return version == 4 ? ip[1] >> 2 : (ip[0] << 4 | ip[1] >> 4) >> 2 & 63;
}

unsigned qos_precedence(const struct rte_mbuf *m)
{
	int dscp = qos_dscp(m), class = dscp >> 3, prec = dscp >> 1 & 3;

	return dscp < 0 || (dscp & 1) || class < 1 || class > 4 || prec == 0 ? 0
	                                                                     : (unsigned)prec - 1;
}

uint32_t qos_classify(const struct qos_map *map, const struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	int dscp = qos_dscp(m);
	uint16_t queue = dscp < 0 ? QOS_MAP_NONE : map->dscp[dscp];

	if (queue == QOS_MAP_NONE && m->data_len >= 16 &&
	    is_tag(*(const unaligned_uint16_t *)(frame + 12)))
		queue = map->pcp[frame[14] >> 5];
	return queue == QOS_MAP_NONE ? 0 : queue;
}
