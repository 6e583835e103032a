/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GRE (RFC 2784, RFC 2890) and NVGRE (RFC 7637), with Ethernet inside.
 * Threads: any; sequence numbers count per worker thread.
 *
 *   C 0 K S reserved(9) version(3) | protocol(16) | [checksum(16) reserved(16)] | [key(32)] |
 * [sequence(32)] NVGRE: K alone; key = VSID(24) FlowID(8)
 */
#include "pkt/pkt_csum.h"
#include "tunnel/tun_pvt.h"

#define FLAG_C 0x80
#define FLAG_K 0x20
#define FLAG_S 0x10

/* A header with these flags, Ethernet inside. */
#define TEB_BYTES TUN_ETHERTYPE_TEB >> 8, TUN_ETHERTYPE_TEB & 0xff
#define GRE_PLAIN(c, k, s)                                                                         \
	{                                                                                          \
		.want = {(c)*FLAG_C | (k)*FLAG_K | (s)*FLAG_S, 0, TEB_BYTES},                      \
		.care = {0xff, 0xff, 0xff, 0xff}, .size = 4 + 4 * ((c) + (k) + (s)),               \
		.key_at = 4 + 4 * (c), .key_bytes = 4 * (k),                                       \
		.flags = (c)*PKT_TUN_CSUM | (k)*PKT_TUN_KEY | (s)*PKT_TUN_SEQ,                     \
	}
const struct tun_plain tun_gre_plains[TUN_N_GRE_PLAINS] = {
        GRE_PLAIN(0, 0, 0), GRE_PLAIN(0, 1, 0), GRE_PLAIN(0, 0, 1), GRE_PLAIN(0, 1, 1),
        GRE_PLAIN(1, 0, 0), GRE_PLAIN(1, 1, 0), GRE_PLAIN(1, 0, 1), GRE_PLAIN(1, 1, 1),
};
const struct tun_plain tun_nvgre_plain = {
        .want = {FLAG_K, 0, TEB_BYTES},
        .care = {0xff, 0xff, 0xff, 0xff},
        .size = 8,
        .key_at = 4,
        .key_bytes = 3,
        .flags = PKT_TUN_KEY,
};

size_t tun_gre_build(const struct tun_outer *outer, uint8_t *p)
{
	uint8_t *start = p;
	uint64_t key = rte_be_to_cpu_64(outer->key);

	if (key >> 32)
		return 0;
	p[0] = (outer->flags & PKT_TUN_CSUM ? FLAG_C : 0) |
	       (outer->flags & PKT_TUN_KEY ? FLAG_K : 0) |
	       (outer->flags & PKT_TUN_SEQ ? FLAG_S : 0);
	p[1] = 0;
	tun_put16(p + 2,
	          outer->inner_type ? rte_be_to_cpu_16(outer->inner_type) : TUN_ETHERTYPE_TEB);
	p += 4;
	if (outer->flags & PKT_TUN_CSUM) {
		memset(p, 0, 4);
		p += 4;
	}
	if (outer->flags & PKT_TUN_KEY) {
		tun_put32(p, (uint32_t)key);
		p += 4;
	}
	if (outer->flags & PKT_TUN_SEQ) {
		memset(p, 0, 4);
		p += 4;
	}
	return (size_t)(p - start);
}

/* Sequence number (RFC 2890, 2.2) and checksum over header and payload (RFC 2784, 2.5). */
void tun_gre_finish(const struct pkt_tunnel_header *header, struct rte_mbuf *m, uint8_t *p,
                    uint32_t size)
{
	static __thread uint32_t sequence;
	uint16_t csum;

	if (header->flags & PKT_TUN_SEQ)
		tun_put32(rte_pktmbuf_mtod(m, uint8_t *) + header->size - 4, sequence++);
	if (header->flags & PKT_TUN_CSUM) {
		csum = (uint16_t)~pkt_csum_fold(pkt_csum_add_mbuf(0, m, header->l4, size));
		memcpy(p + 4, &csum, 2);
	}
}

size_t tun_gre_parse(const uint8_t *p, uint32_t size, uint32_t avail, struct tun_inner *inner)
{
	uint32_t len = 4;
	uint16_t type;

	if (size < len || avail < len || (p[0] & ~(FLAG_C | FLAG_K | FLAG_S)) || p[1])
		return 0;
	len += (p[0] & FLAG_C ? 4u : 0) + (p[0] & FLAG_K ? 4u : 0) + (p[0] & FLAG_S ? 4u : 0);
	if (size < len || avail < len)
		return 0;
	type = tun_get16(p + 2);
	if (type != TUN_ETHERTYPE_TEB)
		inner->inner_type = rte_cpu_to_be_16(type);
	if (type < 0x0600)
		return 0;
	if (p[0] & FLAG_C)
		inner->tun->flags |= PKT_TUN_CSUM;
	if (p[0] & FLAG_K) {
		inner->tun->flags |= PKT_TUN_KEY;
		inner->tun->id = rte_cpu_to_be_64(tun_get32(p + (p[0] & FLAG_C ? 8 : 4)));
	}
	if (p[0] & FLAG_S)
		inner->tun->flags |= PKT_TUN_SEQ;
	return len;
}

size_t tun_nvgre_build(const struct tun_outer *outer, uint8_t *p)
{
	if (rte_be_to_cpu_64(outer->key) >= 1u << 24)
		return 0;
	p[0] = FLAG_K;
	p[1] = 0;
	tun_put16(p + 2, TUN_ETHERTYPE_TEB);
	tun_put32(p + 4, (uint32_t)rte_be_to_cpu_64(outer->key) << 8);
	return 8;
}

size_t tun_nvgre_parse(const uint8_t *p, uint32_t size, uint32_t avail, struct tun_inner *inner)
{
	/* RFC 7637, 3.2: no checksum, no sequence number, a key, Ethernet inside. */
	if (size < 8 || avail < 8 || p[0] != FLAG_K || p[1] ||
	    tun_get16(p + 2) != TUN_ETHERTYPE_TEB)
		return 0;
	inner->tun->id = rte_cpu_to_be_64(tun_get32(p + 4) >> 8);
	inner->tun->flags |= PKT_TUN_KEY;
	return 8;
}
