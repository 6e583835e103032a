/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any segments of STT in any order: no more wait than may, what comes out is a packet of the size
 * that it says, and no buffer is lost.
 */
#include "fuzz_pool.h"
#include "pkt/pkt_parse.h"
#include "tunnel/tun_join.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define L4      34
#define HEADERS 54

static struct tun_joins *joins;
static unsigned n_dropped;

static void on_drop(void *arg, struct rte_mbuf *m, enum pkt_drop reason)
{
	if (reason == PKT_DROP_NONE)
		abort();
	n_dropped++;
	rte_pktmbuf_free(m);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	joins = tun_joins_create(200, on_drop, NULL);
	return joins ? fuzz_pool_init() : -1;
}

/* One step of the input: which of four frames, its total and this segment's offset, in units that
 * make them meet, how much of it, what is wrong, time that passes. */
struct step {
	uint8_t frame, total, offset, size, wrong, tsc;
};

static struct rte_mbuf *make(const struct step *s)
{
	uint32_t size = s->size * 5u + 1, ip_size = 40 + size;
	uint16_t total = (uint16_t)(32 + s->total * 8u), offset = (uint16_t)(s->offset * 8u);
	uint8_t frame[HEADERS + 256 * 5 + 64] = {2,
	                                         0,
	                                         0,
	                                         0,
	                                         0,
	                                         1,
	                                         2,
	                                         0,
	                                         0,
	                                         0,
	                                         0,
	                                         2,
	                                         8,
	                                         0,
	                                         0x45,
	                                         0,
	                                         (uint8_t)(ip_size >> 8),
	                                         (uint8_t)ip_size,
	                                         0,
	                                         0,
	                                         0,
	                                         0,
	                                         64,
	                                         6,
	                                         0,
	                                         0,
	                                         10,
	                                         0,
	                                         0,
	                                         1,
	                                         10,
	                                         0,
	                                         0,
	                                         2,
	                                         0xc0,
	                                         s->frame,
	                                         0x1d,
	                                         0x2f,
	                                         (uint8_t)(total >> 8),
	                                         (uint8_t)total,
	                                         (uint8_t)(offset >> 8),
	                                         (uint8_t)offset,
	                                         0,
	                                         0,
	                                         0,
	                                         (uint8_t)(s->frame & 3),
	                                         0x50,
	                                         0x18};
	uint32_t split = s->wrong & 0x40 ? HEADERS + size / 2 : HEADERS + size;
	struct rte_mbuf *m;

	memset(frame + HEADERS, s->frame, size);
	if (s->wrong & 1)
		frame[L4 + 12 + (s->wrong >> 1 & 1)] ^= s->wrong;
	if (s->wrong & 4)
		frame[15] = 3; /* congestion */
	m = fuzz_segment(frame, split);
	if (split < HEADERS + size &&
	    rte_pktmbuf_chain(m, fuzz_segment(frame + split, HEADERS + size - split)))
		abort();
	if (s->wrong & 8 && rte_pktmbuf_append(m, 13)) /* padding of the link */
		memset(rte_pktmbuf_mtod_offset(rte_pktmbuf_lastseg(m), uint8_t *,
		                               rte_pktmbuf_lastseg(m)->data_len - 13),
		       0, 13);
	if (!(s->wrong & 0x10))
		m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	return m;
}

static void check_whole(struct rte_mbuf *m, struct pkt_offsets *ofs)
{
	struct pkt_key_tun tun;
	uint32_t size = 0, before = m->pkt_len;

	rte_mbuf_sanity_check(m, 1);
	for (const struct rte_mbuf *seg = m; seg; seg = seg->next)
		size += seg->data_len;
	if (size != m->pkt_len || m->pkt_len != (uint32_t)ofs->l3 + ofs->l3_len)
		abort();
	if (tun_join_is_part(&(struct tun_stump){.kind = TUN_STT, .mbuf = m, .ofs = ofs}))
		abort();
	if (tun_pop(TUN_STT, m, ofs, &tun) == PKT_DROP_NONE && m->pkt_len >= before)
		abort();
	rte_pktmbuf_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pkt_key key;
	unsigned n_in = 0, n_out = 0, n_parts;
	uint64_t now = 0;

	n_dropped = 0;
	for (size_t i = 0; i + sizeof(struct step) <= size && n_in < 300;
	     i += sizeof(struct step)) {
		const struct step *s = (const struct step *)(data + i);
		struct pkt_offsets ofs = {0};
		struct rte_mbuf *m = make(s);
		struct tun_stump stump = {.kind = TUN_STT, .mbuf = m, .ofs = &ofs};

		memset(&key, 0, sizeof(key));
		if (pkt_parse_one(m, &key, &ofs) || !tun_join_is_part(&stump)) {
			rte_pktmbuf_free(m);
			continue;
		}
		n_in++;
		now += s->tsc;
		m = tun_join(joins, &stump, now, &n_parts);
		n_out += m ? n_parts : n_parts ? n_parts - 1 : 0;
		if (m)
			check_whole(m, &ofs);
		tun_joins_expire(joins, now);
		if (n_in != n_out + n_dropped + tun_joins_held(joins))
			abort();
	}
	tun_joins_expire(joins, UINT64_MAX);
	if (n_in != n_out + n_dropped)
		abort();
	fuzz_pool_check();
	return 0;
}
