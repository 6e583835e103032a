/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames as guests hand them over that leave checksums and segmentation to others.
 * Threads: the test's.
 */
#ifndef PMD_TEST_OFFLOAD_H
#define PMD_TEST_OFFLOAD_H

#include "pmd_test_env.h"

/* A frame whose UDP checksum its sender left to the device. */
static struct rte_mbuf *env_frame_unfinished(uint32_t seq)
{
	struct rte_mbuf *m = env_frame(1, seq, ENV_FRAME_SIZE);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);

	m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV4;
	m->l2_len = 14;
	m->l3_len = 20;
	((struct rte_udp_hdr *)(ip + 1))->dgram_cksum = rte_ipv4_phdr_cksum(ip, m->ol_flags);
	return m;
}

/* 4,000 bytes of payload for TCP, to be cut into 1,448 each. */
static struct rte_mbuf *env_frame_large(unsigned parts)
{
	struct rte_mbuf *m = env_frame(1, 0, 54), *tail;
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	uint8_t *tcp = (uint8_t *)(ip + 1);

	memset(tcp, 0, 20);
	tcp[12] = 5 << 4;
	ip->next_proto_id = IPPROTO_TCP;
	ip->total_length = rte_cpu_to_be_16(4040);
	for (unsigned i = 0; i < parts; i++) {
		tail = rte_pktmbuf_alloc(env_pool);
		assert_non_null(tail);
		memset(rte_pktmbuf_append(tail, (uint16_t)(4000 / parts)), 0x33, 4000 / parts);
		assert_int_equal(rte_pktmbuf_chain(m, tail), 0);
	}
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;
	m->l2_len = 14;
	m->l3_len = 20;
	m->l4_len = 20;
	m->tso_segsz = 1448;
	return m;
}

#endif
