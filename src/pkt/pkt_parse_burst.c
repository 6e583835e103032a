/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bursts: the choice of instruction set, the plain C variant, and the way to the complete
 * parser for packets that are not of the common shape. Threads: any; no state.
 *
 * A key is stored in whole words only, never field by field, since the caches read it back at once
 * in words or vectors.
 */
#include <stdlib.h>

#include "base/evs_log.h"
#include "pkt/pkt_csum.h"
#include "pkt/pkt_edit.h"
#include "pkt/pkt_lent.h"
#include "pkt/pkt_parse_pvt.h"

const char *pkt_isa_name(enum pkt_isa isa)
{
	static const char *const names[PKT_N_ISAS] = {"c", "avx2", "avx512"};
	return isa < PKT_N_ISAS ? names[isa] : "unknown";
}

static bool isa_runs(enum pkt_isa isa)
{
	__builtin_cpu_init();
	if (isa == PKT_ISA_C)
		return true;
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2"))
		return false;
	if (isa == PKT_ISA_AVX2)
		return true;
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vbmi");
}

enum pkt_isa pkt_isa_best(void)
{
	enum pkt_isa best = PKT_ISA_C;
	for (enum pkt_isa isa = PKT_ISA_C; isa < PKT_N_ISAS; isa++)
		if (isa_runs(isa))
			best = isa;
	const char *wish = getenv("EVS_ISA");
	if (wish == NULL || wish[0] == '\0')
		return best;
	for (enum pkt_isa isa = PKT_ISA_C; isa <= best; isa++)
		if (strcmp(wish, pkt_isa_name(isa)) == 0)
			return isa;
	EVS_LOG(pkt, WARN, "EVS_ISA=%s: unknown, or not possible on this CPU; using %s", wish,
	        pkt_isa_name(best));
	return best;
}

/* Puts tags that the driver took off back in front of what is left: inner 0x8100, and in QinQ
 * mode outer 0x88a8. */
static int restore_tags(struct rte_mbuf *m)
{
	uint8_t tags[2 * PKT_VLAN_SIZE];
	uint32_t size = 0;
	if (m->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED) {
		pkt_st16(tags, RTE_BE16(PKT_ETH_QINQ));
		pkt_st16(tags + 2, rte_cpu_to_be_16(m->vlan_tci_outer));
		size = PKT_VLAN_SIZE;
	}
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		pkt_st16(tags + size, RTE_BE16(PKT_ETH_VLAN));
		pkt_st16(tags + size + 2, rte_cpu_to_be_16(m->vlan_tci));
		size += PKT_VLAN_SIZE;
	}
	if (!pkt_is_writable(m) || pkt_pull(m, 12) < 0)
		return -ENOBUFS;
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(m, (uint16_t)size);
	if (p == NULL)
		return -ENOBUFS;
	memmove(p, p + size, 12);
	memcpy(p + 12, tags, size);
	m->ol_flags &= ~(PKT_RX_STRIPPED | RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_QINQ);
	if (m->ol_flags & PKT_TX_REQUEST)
		m->l2_len += size;
	return 0;
}

uint32_t pkt_parse_rare(struct pkt_burst *burst, unsigned i, uint16_t in_port)
{
	struct rte_mbuf *m = burst->mbuf[i];
	struct pkt_key_base *base = &burst->base[i];
	int err = pkt_own(m);
	memset(base, 0, sizeof(*base));
	memset(&burst->ofs[i], 0, sizeof(burst->ofs[i]));
	base->in_port = in_port;
	if (evs_unlikely(m->ol_flags & PKT_RX_STRIPPED) && !err)
		err = restore_tags(m);
	if (evs_likely(err == 0))
		err = pkt_parse_frame(m, base, &burst->ext[i].ipv6, &burst->ofs[i]);
	return evs_unlikely(err) ? 1u << i : 0;
}

/* Two bytes of TCI as the key has them, one of the sixteen bits being "there is a tag". */
EVS_INLINE uint32_t vlan_word(const uint8_t *p)
{
	return pkt_ld32(p + 12) | (uint32_t)RTE_BE16(PKT_VLAN_PRESENT) << 16;
}

#define N_WORDS 6 /* of such a key; the others are zero */

struct before {
	uint64_t word[N_WORDS];
	struct pkt_nh rest; /* what the zero words add to every hash */
};

EVS_INLINE struct pkt_stored store_key(void *before, struct pkt_key_base *base, const uint8_t *p,
                                       const struct pkt_common *c, uint16_t in_port)
{
	const uint8_t *ip = p + c->l3;
	struct before *last = before;
	uint64_t sum[2] = {last->rest.even, last->rest.odd}, differs = 0;
	uint64_t vlan = c->l3 == PKT_ETH_SIZE ? 0 : vlan_word(p);
	uint64_t flags = c->is_tcp ? pkt_ld16(ip + PKT_IPV4_SIZE + 12) & RTE_BE16(0x0fff) : 0;
	uint64_t word[8] = {
	        in_port,
	        pkt_ld64(p),
	        pkt_ld32(p + 8) | (uint64_t)RTE_BE16(PKT_ETH_IPV4) << 32 | vlan << 48,
	        vlan >> 16 | (uint64_t)ip[9] << 48 | (uint64_t)ip[1] << 56,
	        pkt_ld64(ip + 12),
	        pkt_ld32(ip + PKT_IPV4_SIZE) | flags << 32 | (uint64_t)ip[8] << 48,
	        0,
	        0,
	};

	memcpy(base, word, sizeof(word));
	for (unsigned i = 0; i < N_WORDS; i++) {
		differs |= word[i] ^ last->word[i];
		last->word[i] = word[i];
		sum[i % 2] += pkt_nh_word(word[i] & pkt_nh_mask[i], pkt_hash_secret[i]);
	}
	return (struct pkt_stored){(uint32_t)pkt_nh_end(0, (struct pkt_nh){sum[0], sum[1]}),
	                           differs != 0};
}

EVS_HOT void pkt_parse_rehash_c(struct pkt_burst *burst, unsigned n)
{
	pkt_rehash_all(burst, n, pkt_nh_c);
}

EVS_HOT uint32_t pkt_parse_burst_c(struct pkt_burst *burst, unsigned n, uint16_t in_port)
{
	struct before before = {
	        .rest = {pkt_nh_word(0, pkt_hash_secret[6]), pkt_nh_word(0, pkt_hash_secret[7])}};

	return pkt_parse_by(burst, n, in_port, (struct pkt_variant){&before, store_key, pkt_nh_c});
}

EVS_HOT uint32_t pkt_parse_inner_c(struct pkt_burst *burst, unsigned n, uint16_t in_port)
{
	uint32_t drop = pkt_parse_burst_c(burst, n, in_port);

	pkt_add_tunnel_lines(burst, n);
	pkt_parse_rehash_c(burst, n);
	return drop;
}

static const struct {
	pkt_parse_burst_fn *parse, *inner;
	pkt_parse_rehash_fn *rehash;
} variants[PKT_N_ISAS] = {
        [PKT_ISA_C] = {pkt_parse_burst_c, pkt_parse_inner_c, pkt_parse_rehash_c},
        [PKT_ISA_AVX2] = {pkt_parse_burst_avx2, pkt_parse_inner_avx2, pkt_parse_rehash_avx2},
        [PKT_ISA_AVX512] = {pkt_parse_burst_avx512, pkt_parse_inner_avx512,
                            pkt_parse_rehash_avx512},
};

EVS_HOT uint32_t pkt_parse_burst(struct pkt_burst *burst, unsigned n, uint16_t in_port,
                                 enum pkt_isa isa)
{
	return variants[isa].parse(burst, n, in_port);
}

EVS_HOT uint32_t pkt_parse_inner(struct pkt_burst *burst, unsigned n, uint16_t in_port,
                                 enum pkt_isa isa)
{
	return variants[isa].inner(burst, n, in_port);
}

EVS_HOT void pkt_parse_rehash(struct pkt_burst *burst, unsigned n, enum pkt_isa isa)
{
	variants[isa].rehash(burst, n);
}
