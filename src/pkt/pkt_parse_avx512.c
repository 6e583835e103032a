/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Burst parser for AVX-512 with VBMI: one masked load of the frame's first 64 bytes, one byte
 * permutation to the key's layout, hash and comparison with the key before while it is in the
 * register, one store of the whole line. Threads: any; no state.
 *
 * The load is masked by the frame's length, so bytes behind it are never touched. TCP's
 * flags end at byte 52 of a tagged frame, so 64 bytes hold all that the common shape needs.
 */
#include <immintrin.h>

#include "pkt/pkt_parse_pvt.h"

#define TARGET                                                                                     \
	__attribute__((target(                                                                     \
	        "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx2,bmi,bmi2,lzcnt,popcnt")))

/* For a header at l3: which byte of the frame goes to which byte of the key. */
#define TAKE_L3(l3)                                                                                \
	[30] = (l3) + 9, [31] = (l3) + 1, [32] = (l3) + 12, [33] = (l3) + 13, [34] = (l3) + 14,    \
	[35] = (l3) + 15, [36] = (l3) + 16, [37] = (l3) + 17, [38] = (l3) + 18, [39] = (l3) + 19,  \
	[40] = (l3) + 20, [41] = (l3) + 21, [42] = (l3) + 22, [43] = (l3) + 23, [44] = (l3) + 32,  \
	[45] = (l3) + 33, [46] = (l3) + 8
#define TAKE_MACS                                                                                  \
	[8] = 0, [9] = 1, [10] = 2, [11] = 3, [12] = 4, [13] = 5, [14] = 6, [15] = 7, [16] = 8,    \
	[17] = 9, [18] = 10, [19] = 11

static const uint8_t take[2][64] EVS_ALIGNED(64) = {
        {TAKE_MACS, [20] = 12, [21] = 13, TAKE_L3(14)},
        {TAKE_MACS, [20] = 16, [21] = 17, [22] = 12, [23] = 13, [24] = 14, [25] = 15, TAKE_L3(18)},
};

/* Bits of the permuted bytes that are kept. */
#define KEEP_MACS                                                                                  \
	[8] = 255, [9] = 255, [10] = 255, [11] = 255, [12] = 255, [13] = 255, [14] = 255,          \
	[15] = 255, [16] = 255, [17] = 255, [18] = 255, [19] = 255, [20] = 255, [21] = 255
#define KEEP_VLAN [22] = 255, [23] = 255, [24] = 255, [25] = 255
#define KEEP_L3                                                                                    \
	[30] = 255, [31] = 255, [32] = 255, [33] = 255, [34] = 255, [35] = 255, [36] = 255,        \
	[37] = 255, [38] = 255, [39] = 255, [40] = 255, [41] = 255, [42] = 255, [43] = 255,        \
	[46] = 255
#define KEEP_FLAGS [44] = 0x0f, [45] = 255

/* By protocol: what is kept of a frame without a tag and with one, and the least total length. What
 * is neither TCP nor UDP is never long enough: the complete parser does it. */
static const struct proto {
	uint8_t keep[2][64];
	uint32_t least;
} EVS_ALIGNED(64) other = {.least = UINT32_MAX},
                  udp = {.keep = {{KEEP_MACS, KEEP_L3}, {KEEP_MACS, KEEP_VLAN, KEEP_L3}},
                         .least = PKT_IPV4_SIZE + PKT_UDP_SIZE},
                  tcp = {.keep = {{KEEP_MACS, KEEP_L3, KEEP_FLAGS},
                                  {KEEP_MACS, KEEP_VLAN, KEEP_L3, KEEP_FLAGS}},
                         .least = PKT_IPV4_SIZE + PKT_TCP_SIZE};
static const struct proto *const proto_of[256] = {
        [0 ... PKT_IP_TCP - 1] = &other,
        [PKT_IP_TCP] = &tcp,
        [PKT_IP_TCP + 1 ... PKT_IP_UDP - 1] = &other,
        [PKT_IP_UDP] = &udp,
        [PKT_IP_UDP + 1 ... 255] = &other,
};

/* The same for IPv6 without extension headers; its addresses and flow label, for the second line.
 * Traffic class and TCP's flags do not come by permutation. */
#define TAKE6_L3(l3)                                                                               \
	[30] = (l3) + 6, [40] = (l3) + 40, [41] = (l3) + 41, [42] = (l3) + 42, [43] = (l3) + 43,   \
	[46] = (l3) + 7
#define KEEP6_L3 [30] = 255, [40] = 255, [41] = 255, [42] = 255, [43] = 255, [46] = 255
static const uint8_t take6[2][64] EVS_ALIGNED(64) = {
        {TAKE_MACS, [20] = 12, [21] = 13, TAKE6_L3(14)},
        {TAKE_MACS, [20] = 16, [21] = 17, [22] = 12, [23] = 13, [24] = 14, [25] = 15, TAKE6_L3(18)},
};
static const uint8_t keep6[2][64] EVS_ALIGNED(64) = {
        {KEEP_MACS, KEEP6_L3},
        {KEEP_MACS, KEEP_VLAN, KEEP6_L3},
};

/* IPv4 without options and not a fragment, behind no tag and one: bytes, and which bits count. */
static const uint8_t shape[2][32] EVS_ALIGNED(32) = {
        {[12] = 0x08, 0x00, 0x45},
        {[16] = 0x08, 0x00, 0x45},
};
static const uint8_t care[2][32] EVS_ALIGNED(32) = {
        {[12] = 255, 255, 255, [20] = 0x3f, 255},
        {[16] = 255, 255, 255, [24] = 0x3f, 255},
};

/* What stays in registers during the loop. */
struct loop {
	__m512i head;           /* in_port */
	__m512i secret;         /* of the hash */
	uint64_t first, second; /* of its end */
	__m512i key;            /* of the packet before, without hash */
	__m512i line;           /* the same for IPv6's line */
	uint8_t *differ;        /* [i]: not 0 if the key is not that of the packet before */
};

/* The first 64 bytes of a frame, zero where it ends before. */
TARGET EVS_INLINE __m512i load_front(const struct rte_mbuf *m)
{
	__mmask64 there = _bzhi_u64(~UINT64_C(0), EVS_MIN((uint32_t)m->data_len, 64u));

	return _mm512_maskz_loadu_epi8(there, rte_pktmbuf_mtod(m, const void *));
}

/* head: the first four bytes of every key. */
TARGET EVS_INLINE struct loop begin(uint32_t head)
{
	return (struct loop){
	        .head = _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)head)),
	        .secret = _mm512_loadu_si512(pkt_hash_secret),
	        .first = pkt_hash_secret[0],
	        .second = pkt_hash_secret[1],
	};
}

/* Has the frame the common shape, behind a tag or not? */
TARGET EVS_INLINE bool has_shape(__m512i frame, const unsigned tagged)
{
	__m256i front = _mm512_castsi512_si256(frame);
	__m256i want = _mm256_load_si256((const __m256i *)shape[tagged]);
	__m256i mask = _mm256_load_si256((const __m256i *)care[tagged]);
	__m256i bad = _mm256_ternarylogic_epi64(front, want, mask, 0x28); /* (a ^ b) & c */

	return _mm256_testz_si256(bad, bad);
}

/* pkt_nh_base of a key in a register: dwords 11 (TCP flags, TTL), 14, 15 (holder) are left out. */
TARGET EVS_INLINE uint64_t hash_of(const struct loop *l, __m512i key)
{
	__m512i words = _mm512_mask_add_epi32(l->secret, 0x37ff, key, l->secret);
	struct pkt_nh sum = pkt_nh_sum(words);

	return pkt_hash_mum(sum.even ^ l->first, sum.odd ^ l->second);
}

/* "There is a tag", in the place of the outer one. */
TARGET EVS_INLINE __m512i with_tag(__m512i set)
{
	return _mm512_or_si512(
	        set, _mm512_zextsi256_si512(_mm256_set_epi64x(PKT_VLAN_PRESENT >> 8, 0, 0, 0)));
}

/* Packet i, whose frame has the shape. False: its protocol or its lengths are others. */
TARGET EVS_INLINE bool parse_common(struct loop *l, struct pkt_burst *burst, unsigned i,
                                    __m512i frame, const unsigned tagged)
{
	const struct rte_mbuf *m = burst->mbuf[i];
	const uint32_t l3 = PKT_ETH_SIZE + tagged * PKT_VLAN_SIZE;
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, l3);
	const struct proto *proto = proto_of[ip[9]];
	uint32_t l3_len = pkt_be16(ip + 2);
	struct pkt_key_base *base = &burst->base[i];
	uint64_t ofs = (uint64_t)l3_len << 48 | (uint64_t)(l3 + PKT_IPV4_SIZE) << 32 | l3 << 16;
	__m512i key = _mm512_permutexvar_epi8(_mm512_load_si512(take[tagged]), frame);
	__m512i set = tagged ? with_tag(l->head) : l->head;

	if (evs_unlikely(l3_len < proto->least || l3 + l3_len > m->data_len))
		return false;
	/* (key & keep) | set in one instruction */
	key = _mm512_ternarylogic_epi64(key, _mm512_load_si512(proto->keep[tagged]), set, 0xea);
	_mm512_store_si512(base, key);
	base->hash = (uint32_t)hash_of(l, key);
	memcpy(&burst->ofs[i], &ofs, sizeof(ofs));
	l->differ[i] = _mm512_cmpneq_epi64_mask(key, l->key);
	l->key = key;
	return true;
}

TARGET EVS_INLINE bool parse(struct loop *l, struct pkt_burst *burst, unsigned i, __m512i frame)
{
	const struct rte_mbuf *m = burst->mbuf[i];
	uint16_t type;

	if (evs_unlikely(m->data_len < PKT_ETH_SIZE + PKT_IPV4_SIZE + PKT_UDP_SIZE ||
	                 (m->ol_flags & PKT_RX_STRIPPED)))
		return false;
	if (evs_likely(has_shape(frame, 0)))
		return parse_common(l, burst, i, frame, 0);
	type = pkt_ld16(rte_pktmbuf_mtod_offset(m, const uint8_t *, 12));
	if (type != RTE_BE16(PKT_ETH_VLAN) && type != RTE_BE16(PKT_ETH_QINQ))
		return false;
	return has_shape(frame, 1) && parse_common(l, burst, i, frame, 1);
}

TARGET EVS_HOT void pkt_parse_rehash_avx512(struct pkt_burst *burst, unsigned n)
{
	pkt_rehash_all(burst, n, pkt_nh_avx512);
}

/* Packets that are byte by byte the one before them: what was found for the first of such a run
 * holds for all of it. */
TARGET EVS_INLINE void repeat(struct pkt_burst *burst, uint32_t repeated)
{
	while (repeated) {
		unsigned i = (unsigned)__builtin_ctz(repeated);
		struct pkt_offsets ofs = burst->ofs[i - 1];
		__m512i key = _mm512_load_si512(&burst->base[i - 1]);

		unsigned end = i + (unsigned)__builtin_ctzll(~((uint64_t)repeated >> i));
		bool is_long = burst->base[i - 1].lines;

		repeated &= (uint32_t)(UINT64_MAX << end);
		for (; i < end; i++) {
			_mm512_store_si512(&burst->base[i], key);
			burst->ofs[i] = ofs;
			if (evs_unlikely(is_long))
				burst->ext[i].ipv6 = burst->ext[i - 1].ipv6;
		}
	}
}

/* Packet i, whose type is IPv6. False: it has extension headers, or lengths are others. */
TARGET EVS_INLINE bool parse_ipv6_at(struct loop *l, struct pkt_burst *burst, unsigned i,
                                     __m512i frame, const unsigned tagged)
{
	/* src, dst, and 20 bits of the first word */
	const __m256i label = _mm256_setr_epi32(0, 0, 0, 0, (int)RTE_BE32(0x000fffff), 0, 0, 0);
	const struct rte_mbuf *m = burst->mbuf[i];
	const uint32_t l3 = PKT_ETH_SIZE + tagged * PKT_VLAN_SIZE;
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, l3);
	struct pkt_key_base *base = &burst->base[i];
	const struct proto *proto;
	uint32_t l3_len;
	uint64_t ofs, hash;
	__m512i key, line, set = tagged ? with_tag(l->head) : l->head;

	if (evs_unlikely(m->data_len < l3 + PKT_IPV6_SIZE + PKT_UDP_SIZE || ip[0] >> 4 != 6))
		return false;
	proto = proto_of[ip[6]];
	l3_len = PKT_IPV6_SIZE + pkt_be16(ip + 4);
	if (evs_unlikely(proto == &other || l3_len < proto->least + PKT_IPV6_SIZE - PKT_IPV4_SIZE ||
	                 l3 + l3_len > m->data_len))
		return false;
	set = _mm512_or_si512(set, _mm512_zextsi128_si512(_mm_cvtsi32_si128(PKT_LINE_IPV6 << 16)));
	key = _mm512_permutexvar_epi8(_mm512_load_si512(take6[tagged]), frame);
	key = _mm512_ternarylogic_epi64(key, _mm512_load_si512(keep6[tagged]), set, 0xea);
	key = _mm512_mask_set1_epi8(key, UINT64_C(1) << offsetof(struct pkt_key_base, ip_tos),
	                            (char)(pkt_be16(ip) >> 4));
	if (proto == &tcp)
		key = _mm512_mask_set1_epi16(
		        key, 1u << offsetof(struct pkt_key_base, tcp_flags) / 2,
		        (short)(pkt_ld16(ip + PKT_IPV6_SIZE + 12) & RTE_BE16(0x0fff)));
	line = _mm512_inserti64x4(
	        _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(ip + 8))),
	        _mm256_and_si256(label, _mm256_set1_epi32((int)pkt_ld32(ip))), 1);
	_mm512_store_si512(base, key);
	_mm512_store_si512(&burst->ext[i].ipv6, line);
	hash = pkt_nh_end((uint32_t)hash_of(l, key), pkt_nh_sum(_mm512_add_epi32(line, l->secret)));
	base->hash = (uint32_t)hash;
	ofs = (uint64_t)l3_len << 48 | (uint64_t)(l3 + PKT_IPV6_SIZE) << 32 | l3 << 16;
	memcpy(&burst->ofs[i], &ofs, sizeof(ofs));
	burst->lines |= PKT_LINE_IPV6;
	l->differ[i] =
	        _mm512_cmpneq_epi64_mask(key, l->key) | _mm512_cmpneq_epi64_mask(line, l->line);
	l->key = key;
	l->line = line;
	return true;
}

TARGET EVS_INLINE bool parse_ipv6(struct loop *l, struct pkt_burst *burst, unsigned i)
{
	const struct rte_mbuf *m = burst->mbuf[i];
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t type;

	if (m->data_len < PKT_ETH_SIZE + PKT_VLAN_SIZE || m->ol_flags & PKT_RX_STRIPPED)
		return false;
	type = pkt_ld16(p + 12);
	if (type == RTE_BE16(PKT_ETH_IPV6))
		return parse_ipv6_at(l, burst, i, load_front(m), 0);
	return (type == RTE_BE16(PKT_ETH_VLAN) || type == RTE_BE16(PKT_ETH_QINQ)) &&
	       pkt_ld16(p + 16) == RTE_BE16(PKT_ETH_IPV6) &&
	       parse_ipv6_at(l, burst, i, load_front(m), 1);
}

/* Is packet i the frame that its port's memo holds? Then it is done. */
TARGET EVS_INLINE bool recall(struct pkt_burst *burst, unsigned i, uint16_t in_port)
{
	const struct pkt_memo *memo = &burst->memo[in_port % PKT_N_MEMOS];
	const struct rte_mbuf *m = burst->mbuf[i];

	if (m->data_len != memo->data_len || memo->base.in_port != in_port || !pkt_may_repeat(m) ||
	    _mm512_cmpneq_epi64_mask(load_front(m), _mm512_load_si512(memo->frame)))
		return false;
	_mm512_store_si512(&burst->base[i], _mm512_load_si512(&memo->base));
	burst->ofs[i] = memo->ofs;
	return true;
}

TARGET EVS_INLINE void remember(struct pkt_burst *burst, unsigned i, uint16_t in_port)
{
	struct pkt_memo *memo = &burst->memo[in_port % PKT_N_MEMOS];

	if (!pkt_may_repeat(burst->mbuf[i]) || burst->base[i].lines)
		return;
	_mm512_store_si512(memo->frame, load_front(burst->mbuf[i]));
	memo->base = burst->base[i];
	memo->ofs = burst->ofs[i];
	memo->data_len = burst->mbuf[i]->data_len;
}

/*
 * The packets of odd shapes (bits): plain IPv6, and what the complete parser does. All are parsed
 * before the first of these is hashed, since a vector can not be loaded at once from bytes that
 * were just stored one by one. Packets behind odd ones are compared with them only now. Returns
 * those to drop.
 */
TARGET static EVS_HOT uint32_t parse_odd(struct pkt_burst *burst, unsigned n, uint32_t odd,
                                         uint32_t repeated, uint16_t in_port)
{
	struct loop l = begin(in_port);
	uint8_t differ[PKT_BURST_MAX] EVS_ALIGNED(32) = {0};
	__m256i differs;
	uint32_t drop = 0, rare = 0, plain = 0,
	         behind = (odd | (odd | repeated) << 1) & UINT32_MAX >> (PKT_BURST_MAX - n) & ~1u;

	l.differ = differ;
	for (uint32_t left = odd; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		if (recall(burst, i, in_port))
			continue;
		if (parse_ipv6(&l, burst, i)) {
			plain |= 1u << i;
			continue;
		}
		drop |= pkt_parse_rare(burst, i, in_port);
		rare |= 1u << i;
	}
	for (uint32_t left = rare; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		burst->base[i].hash = pkt_nh_key(&burst->base[i], &burst->ext[i], pkt_nh_avx512);
		burst->lines |= burst->base[i].lines;
	}
	if (rare)
		remember(burst, 31 - (unsigned)__builtin_clz(rare), in_port);
	repeat(burst, repeated);
	differs = _mm256_load_si256((const __m256i *)differ);
	plain &= plain << 1; /* behind another such: compared already */
	burst->heads &= ~(repeated | behind);
	burst->heads |= _mm256_test_epi8_mask(differs, differs) & plain;
	for (uint32_t left = behind & ~(repeated | plain); left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		burst->heads |= (uint32_t)!pkt_same_key(burst, i - 1, i) << i;
	}
	return drop;
}

#define HEAD_AT 16 /* of rte_mbuf: 32 bytes with flags and lengths */
static_assert(offsetof(struct rte_mbuf, ol_flags) == HEAD_AT + 8, "second quarter of the head");
static_assert(offsetof(struct rte_mbuf, pkt_len) == HEAD_AT + 20, "dword 5 of the head");
static_assert(offsetof(struct rte_mbuf, data_len) == HEAD_AT + 24, "word 12 of the head");

TARGET EVS_INLINE __m256i load_head(const struct rte_mbuf *m)
{
	return _mm256_loadu_si256((const __m256i *)((const uint8_t *)m + HEAD_AT));
}

/* Packet i has an odd shape: how many follow that are byte by byte the same? Nothing of them is
 * looked at but whether they are. */
TARGET EVS_INLINE unsigned count_repeats(const struct pkt_burst *burst, unsigned i, unsigned n)
{
	/* lengths, and whether a tag was taken off */
	const __m256i same = _mm256_setr_epi64x(0, PKT_RX_STRIPPED,
	                                        (int64_t)(UINT64_C(0xffffffff) << 32), 0xffff);
	const struct rte_mbuf *first = burst->mbuf[i];
	unsigned k = i + 1;
	__m256i head;
	__m512i frame;

	if (k == n || !pkt_may_repeat(first) || burst->mbuf[k]->data_len != first->data_len)
		return 0;
	head = load_head(first);
	frame = load_front(first);
	for (; k < n; k++) {
		const struct rte_mbuf *m = burst->mbuf[k];
		__m256i differs = _mm256_and_si256(_mm256_xor_si256(load_head(m), head), same);

		if (k + PKT_PARSE_AHEAD < n)
			pkt_parse_prefetch(burst->mbuf[k + PKT_PARSE_AHEAD]);
		if (!_mm256_testz_si256(differs, differs) ||
		    _mm512_cmpneq_epi64_mask(load_front(m), frame))
			break;
	}
	return k - i - 1;
}

struct shapes {
	uint32_t odd;      /* not the common one */
	uint32_t repeated; /* byte by byte the odd one before */
};

/* The packets of the common shape; the others are told. */
TARGET EVS_INLINE struct shapes parse_all(struct pkt_burst *burst, unsigned n, uint32_t head)
{
	uint8_t differ[PKT_BURST_MAX] EVS_ALIGNED(32) = {0};
	struct loop l = begin(head);
	uint32_t odd = 0, repeated = 0;
	__m256i differs;

	l.differ = differ;
	for (unsigned i = 0; i < EVS_MIN(n, (unsigned)PKT_PARSE_AHEAD); i++)
		pkt_parse_prefetch(burst->mbuf[i]);
	for (unsigned i = 0; i < n; i++) {
		const struct rte_mbuf *m = burst->mbuf[i];

		if (i + PKT_PARSE_AHEAD < n)
			pkt_parse_prefetch(burst->mbuf[i + PKT_PARSE_AHEAD]);
		if (evs_unlikely(!parse(&l, burst, i, load_front(m)))) {
			unsigned more = count_repeats(burst, i, n);

			odd |= 1u << i;
			repeated |= (uint32_t)(((UINT64_C(1) << more) - 1) << (i + 1));
			i += more;
		}
	}
	differs = _mm256_load_si256((const __m256i *)differ);
	burst->lines = 0;
	burst->heads = _mm256_test_epi8_mask(differs, differs) | (odd & 1);
	return (struct shapes){odd, repeated};
}

TARGET EVS_HOT uint32_t pkt_parse_burst_avx512(struct pkt_burst *burst, unsigned n,
                                               uint16_t in_port)
{
	struct shapes s = parse_all(burst, n, in_port);
	uint32_t drop = 0;

	if (evs_unlikely(s.odd))
		drop = parse_odd(burst, n, s.odd, s.repeated, in_port);
	burst->sum = pkt_sum_up(burst->mbuf, n);
	return drop;
}

TARGET EVS_HOT uint32_t pkt_parse_inner_avx512(struct pkt_burst *burst, unsigned n,
                                               uint16_t in_port)
{
	struct shapes s = parse_all(burst, n, in_port | (uint32_t)PKT_LINE_TUN << 16);
	uint32_t drop;

	if (evs_unlikely(s.odd)) {
		drop = parse_odd(burst, n, s.odd, s.repeated, in_port);
		burst->sum = pkt_sum_up(burst->mbuf, n);
		pkt_add_tunnel_lines(burst, n);
		pkt_parse_rehash_avx512(burst, n);
		return drop;
	}
	burst->sum = pkt_sum_up(burst->mbuf, n);
	burst->lines = PKT_LINE_TUN;
	for (unsigned i = 0; i < n; i++) {
		const struct pkt_key_tun *tun = &burst->ext[i].tun;

		burst->base[i].hash =
		        (uint32_t)pkt_nh_line(burst->base[i].hash, tun, pkt_nh_avx512);
		if (evs_unlikely(!(burst->heads >> i & 1)))
			burst->heads |=
			        (uint32_t)(memcmp(tun, &burst->ext[i - 1].tun, sizeof(*tun)) != 0)
			        << i;
	}
	return 0;
}
