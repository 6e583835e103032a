/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STT: headers byte by byte as the draft has them, what inner frames ask for on either side,
 * cutting as TCP, and putting together in any order, within bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../test_eal.h"
#include "pkt/pkt_csum.h"
#include "pkt/pkt_hdr.h"
#include "pkt/pkt_offload.h"
#include "pkt/pkt_parse.h"
#include "tunnel/tun_join.h"

#define L4      34 /* of the outer header like TCP's */
#define STT     54
#define INNER   72
#define TIMEOUT 1000
#define MTU     1500

static struct rte_mempool *pool;
static struct tun_joins *joins;
static unsigned dropped[PKT_N_DROPS];

static void on_drop(void *arg, struct rte_mbuf *m, enum pkt_drop reason)
{
	dropped[reason]++;
	rte_pktmbuf_free(m);
}

static int setup(void **state)
{
	if (!test_eal_start("128", "1"))
		return -1;
	pool = rte_pktmbuf_pool_create("t", 8191, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	joins = tun_joins_create(TIMEOUT, on_drop, NULL);
	return pool && joins ? 0 : -1;
}

static int teardown(void **state)
{
	unsigned left;

	tun_joins_destroy(joins);
	left = rte_mempool_in_use_count(pool);
	rte_eal_cleanup();
	return left ? -1 : 0; /* a leak */
}

/* Ethernet, IPv4, TCP with `payload` bytes; a tag before if vlan. */
static struct rte_mbuf *make_tcp(uint32_t payload, uint16_t vlan)
{
	uint8_t head[58] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, *ip;
	uint32_t at = 12, size;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *last = m;

	assert_non_null(m);
	if (vlan) {
		memcpy(head + at, "\x81\x00", 2);
		head[at + 2] = (uint8_t)(vlan >> 8);
		head[at + 3] = (uint8_t)vlan;
		at += 4;
	}
	memcpy(head + at, "\x08\x00", 2);
	ip = head + at + 2;
	size = 40 + payload;
	memcpy(ip, "\x45\0\0\0\0\1\x40\0\x40\x06\0\0\x0a\0\0\1\x0a\0\0\2", 20);
	ip[2] = (uint8_t)(size >> 8);
	ip[3] = (uint8_t)size;
	pkt_st16(ip + 10, (uint16_t)~pkt_csum_fold(pkt_csum_add(0, ip, 20)));
	memcpy(ip + 20, "\x10\0\x20\0\0\0\0\1\0\0\0\0\x50\x10\xff\xff\0\0\0\0", 20);
	memcpy(rte_pktmbuf_append(m, (uint16_t)(at + 42)), head, at + 42);
	for (uint32_t i = 0; i < payload; i++) {
		if (rte_pktmbuf_tailroom(last) == 0) {
			struct rte_mbuf *more = rte_pktmbuf_alloc(pool);

			assert_non_null(more);
			rte_pktmbuf_chain(m, more);
			last = more;
		}
		*rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len++) =
		        (uint8_t)(i * 7 + i / 256);
		m->pkt_len++;
	}
	return m;
}

/* As a guest hands it over: the checksum open, to be cut by mss. */
static void ask(struct rte_mbuf *m, uint32_t l2_len, uint16_t mss)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, l2_len);

	m->l2_len = l2_len & 0x7f;
	m->l3_len = 20;
	m->l4_len = 20;
	m->tso_segsz = mss;
	m->ol_flags =
	        RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | (mss ? RTE_MBUF_F_TX_TCP_SEG : 0);
	pkt_st16(ip + 36, pkt_csum_pseudo(ip, 6, m->pkt_len - l2_len - 20));
}

static void make_header(struct pkt_tunnel_header *header)
{
	struct tun_outer outer = {.kind = TUN_STT,
	                          .eth_dst = {2, 1, 1, 1, 1, 1},
	                          .eth_src = {2, 2, 2, 2, 2, 2},
	                          .src = {[10] = 0xff, 0xff, 192, 168, 7, 1},
	                          .dst = {[10] = 0xff, 0xff, 192, 168, 7, 2},
	                          .ttl = 64,
	                          .flags = PKT_TUN_DF | PKT_TUN_KEY,
	                          .key = RTE_BE64(0x1122334455667788),
	                          .dst_port = RTE_BE16(7471),
	                          .sport_lo = TUN_SPORT_LO,
	                          .sport_n = TUN_SPORT_N};

	assert_int_equal(tun_header_build(&outer, header), 0);
	assert_int_equal(header->size, INNER);
}

static void push(struct rte_mbuf *m)
{
	struct pkt_tunnel_header header;

	make_header(&header);
	assert_int_equal(tun_push(&header, m, 0), 0);
	tun_kinds[TUN_STT].cut(&header, m, MTU);
}

static void parse(const struct rte_mbuf *m, struct pkt_offsets *ofs)
{
	static struct pkt_key key;

	memset(&key, 0, sizeof(key));
	memset(ofs, 0, sizeof(*ofs));
	assert_int_equal(pkt_parse_one(m, &key, ofs), 0);
	assert_int_equal(ofs->l4, L4);
}

static enum pkt_drop pop(struct rte_mbuf *m, struct pkt_key_tun *tun)
{
	struct pkt_offsets ofs;

	parse(m, &ofs);
	return tun_pop(TUN_STT, m, &ofs, tun);
}

static uint8_t *at(struct rte_mbuf *m, uint32_t offset)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, offset);
}

/* Sections 3 and 4 of the draft, field by field. */
static void test_bytes(void **state)
{
	static const uint8_t tcp[20] = {
	        0xc0, 0, 0x1d, 0x2f, 0,    18 + 64, 0,    0, /* size, offset */
	        0,    0, 0,    0,    0x50, 0x18,    0xff, 0xff};
	static const uint8_t stt[18] = {0,    0x0e, 34,   0,    0,    0,    0xb0, 0x64, 0x11,
	                                0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0,    0};
	struct rte_mbuf *m = make_tcp(10, 0xa064), *second = make_tcp(10, 0);
	uint8_t id[4];

	ask(m, 18, 0);
	push(m);
	memcpy(id, at(m, L4 + 8), 4);
	assert_int_equal(m->pkt_len, INNER + 64); /* the tag is in the header */
	assert_int_equal(pkt_csum_verify(m, 14), PKT_CSUM_GOOD);
	memset(at(m, L4 + 8), 0, 4);
	memset(at(m, L4 + 16), 0, 2);
	assert_memory_equal(at(m, L4), tcp, sizeof(tcp));
	assert_memory_equal(at(m, STT), stt, sizeof(stt));
	assert_memory_equal(at(m, INNER + 12), "\x08\x00\x45", 3);
	push(second);
	assert_int_equal(pkt_be32(at(second, L4 + 8)),
	                 pkt_ld32(id) ? rte_be_to_cpu_32(pkt_ld32(id)) + 1 : 1);
	assert_int_equal(*at(second, STT + 1), 0x0c); /* nothing is known of its checksum */
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(second);
}

/* What was asked of the sender at one end is asked of the one at the other. */
static void test_requests(void **state)
{
	for (unsigned n = 0; n < 8; n++) {
		bool tagged = n & 1, verified = n & 2, large = n & 4;
		uint32_t l2_len = tagged ? 18 : 14, payload = large ? 20000 : 100;
		struct rte_mbuf *m = make_tcp(payload, tagged ? 0x2005 : 0);
		struct pkt_key_tun tun;
		uint64_t asked;

		if (verified)
			m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		else
			ask(m, l2_len, large ? 1400 : 0);
		asked = m->ol_flags;
		push(m);
		assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG ? m->tso_segsz : 0,
		                 large ? MTU - 40 : 0);
		m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD; /* as a port with receive offload says */
		assert_int_equal(pop(m, &tun), PKT_DROP_NONE);
		assert_int_equal(m->pkt_len, l2_len + 40 + payload);
		assert_int_equal(m->ol_flags, asked);
		assert_true(tun.id == RTE_BE64(0x1122334455667788));
		assert_memory_equal(at(m, 12), tagged ? "\x81\x00\x20\x05\x08\x00" : "\x08\x00\x45",
		                    tagged ? 6 : 3);
		if (!verified) {
			assert_int_equal(m->l2_len, l2_len);
			assert_int_equal(m->l3_len, 20);
			assert_int_equal(large ? m->tso_segsz : 0, large ? 1400 : 0);
		}
		rte_pktmbuf_free(m);
	}
}

/* A header that lies: nothing is changed, nothing asked. */
static void test_lies(void **state)
{
	static const struct {
		uint32_t at;
		uint8_t value;
	} lies[] = {
	        {L4 + 4, 0xff},                                 /* longer than it is */
	        {L4 + 5, 0x20},                                 /* shorter */
	        {L4 + 7, 1},                                    /* not its beginning */
	        {L4 + 12, 0x60},                                /* options of TCP */
	        {L4 + 13, 0x12},                                /* SYN */
	        {L4 + 13, 0x14},                                /* RST */
	        {STT, 1},                                       /* version */
	        {STT + 1, 0x0f},                                /* verified and partial */
	        {STT + 1, 0x0a},                                /* IPv6 */
	        {STT + 1, 0x06},                                /* UDP */
	        {STT + 2, 0},                                   /* L4 nowhere */
	        {STT + 2, 35},   {STT + 2, 250}, {STT + 5, 31}, /* pieces of nothing */
	};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(lies); i++) {
		struct rte_mbuf *m = make_tcp(100, 0), *was;
		struct pkt_key_tun tun;

		ask(m, 14, 0);
		push(m);
		*at(m, lies[i].at) = lies[i].value;
		m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		was = rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
		assert_int_equal(pop(m, &tun), PKT_DROP_TUN_BAD_HEADER);
		assert_int_equal(m->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_GOOD);
		assert_int_equal(m->pkt_len, was->pkt_len);
		assert_memory_equal(at(m, 0), at(was, 0), m->data_len);
		rte_pktmbuf_free(m);
		rte_pktmbuf_free(was);
	}
}

/* Buffers that end within the inner Ethernet header are not read beyond. */
static void test_split(void **state)
{
	struct rte_mbuf *m = make_tcp(100, 0x2005), *rest;
	struct pkt_key_tun tun;

	ask(m, 18, 0);
	push(m);
	rest = rte_pktmbuf_alloc(pool);
	rte_memcpy(rte_pktmbuf_append(rest, (uint16_t)(m->data_len - INNER - 6)), at(m, INNER + 6),
	           m->data_len - INNER - 6u);
	rte_pktmbuf_trim(m, rest->data_len);
	rte_pktmbuf_chain(m, rest);
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	assert_int_equal(pop(m, &tun), PKT_DROP_TUN_BAD_HEADER);
	rte_pktmbuf_free(m);
}

/* The segments that a sender without TSO makes of a frame of `payload` bytes; returns how many. */
static unsigned cut(uint32_t payload, struct rte_mbuf **out)
{
	struct rte_mbuf *m = make_tcp(payload, 0);
	int n;

	ask(m, 14, 1400);
	push(m);
	n = pkt_offload_prepare(m, PKT_TX_MULTI_SEG, pool, out, PKT_OFFLOAD_MAX);
	assert_true(n > 1);
	return (unsigned)n;
}

static struct rte_mbuf *feed(struct rte_mbuf *m, struct pkt_offsets *ofs, uint64_t now)
{
	struct tun_stump stump = {.kind = TUN_STT, .mbuf = m, .ofs = ofs};
	unsigned n_parts;

	parse(m, ofs);
	assert_true(tun_join_is_part(&stump));
	return tun_join(joins, &stump, now, &n_parts);
}

static void check_whole(struct rte_mbuf *m, struct pkt_offsets *ofs, uint32_t payload)
{
	struct rte_mbuf *want = make_tcp(payload, 0);
	struct pkt_key_tun tun;
	uint8_t a[256], b[256];

	assert_non_null(m);
	assert_int_equal(tun_pop(TUN_STT, m, ofs, &tun), PKT_DROP_NONE);
	ask(want, 14, 1400);
	assert_int_equal(m->pkt_len, want->pkt_len);
	assert_int_equal(m->ol_flags, want->ol_flags);
	for (uint32_t i = 0; i < m->pkt_len; i += 256) {
		uint32_t size = EVS_MIN(256u, m->pkt_len - i);

		assert_memory_equal(rte_pktmbuf_read(m, i, size, a),
		                    rte_pktmbuf_read(want, i, size, b), size);
	}
	rte_pktmbuf_free(want);
	rte_pktmbuf_free(m);
}

static void test_cut_and_join(void **state)
{
	struct rte_mbuf *part[PKT_OFFLOAD_MAX];
	struct pkt_offsets ofs;

	for (unsigned order = 0; order < 3; order++) {
		unsigned n = cut(60000, part);
		struct rte_mbuf *whole = NULL;

		assert_int_equal(n, (60000 + 54 + 18 + MTU - 41) / (MTU - 40));
		for (unsigned i = 0; i < n; i++) {
			unsigned next = order == 0 ? i : order == 1 ? n - 1 - i : (i * 17 + 5) % n;

			assert_int_equal(pkt_csum_verify(part[next], 14), PKT_CSUM_GOOD);
			assert_true(part[next]->pkt_len <= MTU + 14);
			assert_null(whole);
			whole = feed(part[next], &ofs, 0);
		}
		check_whole(whole, &ofs, 60000);
		assert_int_equal(tun_joins_held(joins), 0);
	}
}

static unsigned drops_of(enum pkt_drop reason)
{
	unsigned n = dropped[reason];

	dropped[reason] = 0;
	return n;
}

/* A piece of the segment: bytes from..to of its payload. */
static struct rte_mbuf *slice(struct rte_mbuf *m, uint16_t from, uint16_t to)
{
	struct rte_mbuf *part = rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
	uint16_t size = (uint16_t)(to - from);
	uint8_t *tcp;

	memmove(at(part, STT), at(part, STT + from), size);
	rte_pktmbuf_trim(part, (uint16_t)(part->pkt_len - STT - size));
	tcp = at(part, L4);
	pkt_st16(tcp + 6, rte_cpu_to_be_16((uint16_t)(pkt_be16(tcp + 6) + from)));
	pkt_st16(at(part, 16), rte_cpu_to_be_16((uint16_t)(40 + size)));
	part->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	return part;
}

/* Slices small enough are copied together; what comes twice does no harm. */
static void test_slices(void **state)
{
	struct rte_mbuf *part[PKT_OFFLOAD_MAX], *whole = NULL;
	struct pkt_offsets ofs;
	unsigned n = cut(3000, part);

	assert_int_equal(n, 3);
	for (uint16_t from = 0; from < 1460; from += 20)
		assert_null(feed(slice(part[0], from, (uint16_t)(from + 20)), &ofs, 0));
	assert_null(feed(slice(part[0], 40, 60), &ofs, 0));
	assert_int_equal(drops_of(PKT_DROP_FRAG_REFUSED), 1);
	assert_null(feed(part[2], &ofs, 0));
	whole = feed(part[1], &ofs, 0);
	assert_true(whole->nb_segs < 6);
	check_whole(whole, &ofs, 3000);
	rte_pktmbuf_free(part[0]);
}

static void test_spoilt(void **state)
{
	struct rte_mbuf *part[PKT_OFFLOAD_MAX];
	struct pkt_offsets ofs;
	unsigned n;

	for (unsigned way = 0; way < 4; way++) {
		n = cut(5000, part);
		assert_null(feed(slice(part[0], 0, 1000), &ofs, 0));
		if (way == 0) {
			assert_null(feed(slice(part[0], 999, 1460), &ofs, 0));
		} else if (way == 1) {
			assert_null(feed(slice(part[1], 10, 1460), &ofs, 0));
			assert_null(feed(slice(part[1], 0, 11), &ofs, 0));
		} else if (way == 2) {
			*at(part[1], L4 + 5) ^= 1; /* another size */
			part[1]->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
			assert_null(feed(slice(part[1], 0, 1460), &ofs, 0));
		} else {
			for (uint16_t i = 0; i < TUN_JOIN_PARTS; i++)
				assert_null(feed(
				        slice(part[1], (uint16_t)(2 * i), (uint16_t)(2 * i + 1)),
				        &ofs, 0));
		}
		assert_int_equal(drops_of(PKT_DROP_FRAG_REFUSED), way == 1   ? 3
		                                                  : way == 3 ? 129
		                                                             : 2);
		assert_int_equal(tun_joins_held(joins), 0);
		rte_pktmbuf_free_bulk(part, n);
	}
	/* A wrong checksum costs the segment, not the frame. */
	n = cut(3000, part);
	assert_null(feed(part[0], &ofs, 0));
	*at(part[1], STT + 3) ^= 1;
	assert_null(feed(rte_pktmbuf_copy(part[1], pool, 0, UINT32_MAX), &ofs, 0));
	assert_int_equal(drops_of(PKT_DROP_TUN_BAD_HEADER), 1);
	*at(part[1], STT + 3) ^= 1;
	assert_null(feed(part[1], &ofs, 0));
	check_whole(feed(part[2], &ofs, 0), &ofs, 3000);
}

/* A driver vouches for L4 and says nothing, or no good, of the IPv4 header. */
static void test_ip_checksum(void **state)
{
	struct rte_mbuf *part[PKT_OFFLOAD_MAX], *whole;
	struct pkt_offsets ofs;
	unsigned n = cut(1500, part);

	assert_int_equal(n, 2);
	part[0]->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	*at(part[0], 14 + 8) ^= 1;
	assert_null(feed(rte_pktmbuf_copy(part[0], pool, 0, UINT32_MAX), &ofs, 0));
	assert_int_equal(drops_of(PKT_DROP_TUN_BAD_HEADER), 1);
	*at(part[0], 14 + 8) ^= 1;
	part[0]->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_BAD; /* wrongly: we looked ourselves */
	assert_null(feed(part[0], &ofs, 0));
	whole = feed(part[1], &ofs, 0);
	assert_non_null(whole);
	assert_int_equal(whole->ol_flags &
	                         (RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK),
	                 RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
	check_whole(whole, &ofs, 1500);
}

static void test_bounds(void **state)
{
	struct rte_mbuf *part[PKT_OFFLOAD_MAX];
	struct pkt_offsets ofs;
	unsigned n = 0;

	/* Stumps without end: as many wait as may, the oldest go. */
	for (unsigned i = 0; i < 3000; i++) {
		n = cut(1500, part);
		assert_int_equal(n, 2);
		assert_null(feed(part[i & 1], &ofs, i));
		rte_pktmbuf_free(part[~i & 1]);
		assert_true(tun_joins_held(joins) <= TUN_JOIN_FRAMES);
	}
	assert_int_equal(drops_of(PKT_DROP_FRAG_REFUSED) + tun_joins_held(joins), 3000);
	tun_joins_expire(joins, 3000);
	assert_in_range(tun_joins_held(joins), 1, TUN_JOIN_FRAMES);
	tun_joins_expire(joins, 3000 + TIMEOUT);
	assert_int_equal(tun_joins_held(joins), 0);
	assert_true(drops_of(PKT_DROP_FRAG_TIMEOUT) > 0);
	/* Long frames that lack an end: buffers are bounded. */
	for (unsigned i = 0; i < 60; i++) {
		n = cut(60000, part);
		for (unsigned p = 0; p < n - 1; p++) {
			assert_null(feed(part[p], &ofs, 5000));
			assert_true(tun_joins_held(joins) <= TUN_JOIN_BUFFERS);
		}
		rte_pktmbuf_free(part[n - 1]);
	}
	assert_int_equal(drops_of(PKT_DROP_FRAG_REFUSED) + tun_joins_held(joins), 60 * (n - 1));
	tun_joins_expire(joins, 5000 + TIMEOUT);
	assert_int_equal(tun_joins_held(joins), 0);
}

/* Behind other tags than VLAN's, and labels, the other end finds no IP: no request goes there. */
static void test_carried_where_ip_is_found(void **state)
{
	static const struct {
		rte_be16_t type;
		bool found;
	} before[] = {{RTE_BE16(0x8100), true},
	              {RTE_BE16(0x88a8), true},
	              {RTE_BE16(0x9100), false},
	              {RTE_BE16(0x8847), false}};
	struct pkt_tunnel_header header;

	make_header(&header);
	for (unsigned i = 0; i < EVS_ARRAY_LEN(before); i++) {
		struct rte_mbuf *m = make_tcp(100, 0x2005);
		struct pkt_key_tun tun;

		pkt_st16(at(m, 12), before[i].type);
		ask(m, 18, 0);
		assert_int_equal(tun_kinds[TUN_STT].carries(&header, m), before[i].found);
		m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
		push(m);
		m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		assert_int_equal(pop(m, &tun),
		                 before[i].found ? PKT_DROP_NONE : PKT_DROP_TUN_BAD_HEADER);
		rte_pktmbuf_free(m);
	}
}

/* What a header can not say stays for the way through software. */
static void test_not_carried(void **state)
{
	struct pkt_tunnel_header header;
	struct rte_mbuf *m = make_tcp(100, 0);
	bool (*carries)(const struct pkt_tunnel_header *, const struct rte_mbuf *) =
	        tun_kinds[TUN_STT].carries;

	make_header(&header);
	ask(m, 14, 0);
	assert_true(carries(&header, m));
	m->ol_flags |= RTE_MBUF_F_TX_UDP_SEG;
	assert_false(carries(&header, m));
	ask(m, 14, 0);
	m->l3_len = 300;
	assert_false(carries(&header, m));
	ask(m, 14, 1400);
	m->pkt_len = 65535 - 58 + 1; /* with 58 bytes from IPv4 on one too many */
	assert_false(carries(&header, m));
	m->pkt_len--;
	assert_true(carries(&header, m));
	m->pkt_len = m->data_len;
	rte_pktmbuf_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_bytes),
	        cmocka_unit_test(test_requests),
	        cmocka_unit_test(test_lies),
	        cmocka_unit_test(test_not_carried),
	        cmocka_unit_test(test_carried_where_ip_is_found),
	        cmocka_unit_test(test_cut_and_join),
	        cmocka_unit_test(test_slices),
	        cmocka_unit_test(test_spoilt),
	        cmocka_unit_test(test_split),
	        cmocka_unit_test(test_bounds),
	        cmocka_unit_test(test_ip_checksum),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
