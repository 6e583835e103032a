/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net headers against packets: true ones become requests, lies are refused, checksums of
 * unknown places are completed; and every truncation and mutation is survived.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "port/port_vnet.h"
#include "port_test.h"

static struct rte_mempool *pool;

/* What a made packet consists of. */
struct shape {
	unsigned n_tags;
	bool ipv6, udp;
	uint16_t payload;
};

static __attribute__((noinline)) void *append(struct rte_mbuf *m, uint16_t size)
{
	void *data = rte_pktmbuf_append(m, size);

	if (!data)
		abort();
	return data;
}

static void put_ip(struct rte_mbuf *m, const struct shape *shape, uint16_t l4_size)
{
	uint8_t proto = shape->udp ? IPPROTO_UDP : IPPROTO_TCP;

	if (shape->ipv6) {
		struct rte_ipv6_hdr *ip = append(m, sizeof(*ip));

		memset(ip, 0x11, sizeof(*ip));
		ip->vtc_flow = RTE_BE32(0x60000000);
		ip->payload_len = rte_cpu_to_be_16(l4_size);
		ip->proto = proto;
	} else {
		struct rte_ipv4_hdr *ip = append(m, sizeof(*ip));

		memset(ip, 0, sizeof(*ip));
		ip->version_ihl = 0x45;
		ip->total_length = rte_cpu_to_be_16((uint16_t)(l4_size + sizeof(*ip)));
		ip->time_to_live = 64;
		ip->next_proto_id = proto;
		ip->src_addr = RTE_BE32(0x0a000001);
		ip->dst_addr = RTE_BE32(0x0a000002);
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
}

static uint16_t pseudo_of(const struct rte_mbuf *m, const struct shape *shape, uint32_t l3)
{
	const void *ip = rte_pktmbuf_mtod_offset(m, const void *, l3);

	return shape->ipv6 ? rte_ipv6_phdr_cksum(ip, 0) : rte_ipv4_phdr_cksum(ip, 0);
}

/* With the pseudo-header sum in the checksum field, as a guest's stack leaves it. */
static struct rte_mbuf *make(const struct shape *shape, struct virtio_net_hdr *hdr)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint16_t l4_header = shape->udp ? sizeof(struct rte_udp_hdr) : sizeof(struct rte_tcp_hdr);
	uint16_t l4_size = (uint16_t)(l4_header + shape->payload), l3;
	rte_be16_t *type = append(m, 12);
	uint8_t *l4;

	memset(type, 2, 12);
	for (unsigned i = 0; i < shape->n_tags; i++) {
		type = append(m, 4);
		type[0] = i == 0 && shape->n_tags > 1 ? RTE_BE16(0x88a8) : RTE_BE16(0x8100);
		type[1] = RTE_BE16(5);
	}
	type = append(m, 2);
	*type = shape->ipv6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);
	l3 = m->data_len;
	put_ip(m, shape, l4_size);
	*hdr = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                               .csum_start = m->data_len,
	                               .csum_offset = shape->udp ? 6 : 16};
	l4 = append(m, l4_size);
	memset(l4, 0x5a, l4_size);
	if (!shape->udp)
		((struct rte_tcp_hdr *)l4)->data_off = 0x50;
	*(uint16_t *)(l4 + hdr->csum_offset) = pseudo_of(m, shape, l3);
	return m;
}

static void expect(const struct rte_mbuf *m, uint64_t flags)
{
	assert_int_equal(m->ol_flags & (PKT_TX_REQUEST | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6),
	                 flags);
}

static void test_requests(void **state)
{
	for (unsigned bits = 0; bits < 12; bits++) {
		const struct shape shape = {bits >> 2, bits & 1, bits & 2, 100};
		struct virtio_net_hdr hdr, back;
		struct rte_mbuf *m = make(&shape, &hdr);

		assert_int_equal(port_vnet_rx(&hdr, m), 0);
		expect(m, (shape.ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4) |
		                  (shape.udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM));
		assert_int_equal(m->l2_len, 14 + 4 * shape.n_tags);
		assert_int_equal(m->l3_len, shape.ipv6 ? 40 : 20);
		port_vnet_tx(m, &back);
		assert_memory_equal(&hdr, &back, sizeof(hdr));
		rte_pktmbuf_free(m);
	}
}

/* Both bits of a received checksum's state say that it is not there: that is no promise. */
static void test_promises(void **state)
{
	const struct shape shape = {0, false, false, 100};
	static const uint64_t states[] = {0, RTE_MBUF_F_RX_L4_CKSUM_BAD,
	                                  RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_NONE};
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m = make(&shape, &hdr);

	for (unsigned i = 0; i < EVS_ARRAY_LEN(states); i++) {
		m->ol_flags = states[i];
		port_vnet_tx(m, &hdr);
		assert_int_equal(hdr.flags, states[i] == RTE_MBUF_F_RX_L4_CKSUM_GOOD
		                                    ? VIRTIO_NET_HDR_F_DATA_VALID
		                                    : 0);
	}
	rte_pktmbuf_free(m);
}

static void test_segments(void **state)
{
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		const struct shape shape = {1, ipv6, false, 1500};
		struct virtio_net_hdr hdr, back;
		struct rte_mbuf *m = make(&shape, &hdr);

		hdr.gso_type = ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		hdr.gso_size = 700;
		hdr.hdr_len = 9; /* a lie that nobody reads */
		assert_int_equal(port_vnet_rx(&hdr, m), 0);
		assert_true(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG);
		assert_int_equal(m->tso_segsz, 700);
		assert_int_equal(m->l4_len, 20);
		port_vnet_tx(m, &back);
		hdr.hdr_len = (uint16_t)(hdr.csum_start + 20);
		assert_memory_equal(&hdr, &back, sizeof(hdr));
		rte_pktmbuf_free(m);
	}
}

static void refuse(const struct shape *shape, uint8_t flags, uint8_t gso_type, uint16_t gso_size)
{
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m = make(shape, &hdr);

	hdr.flags = flags;
	hdr.gso_type = gso_type;
	hdr.gso_size = gso_size;
	assert_int_equal(port_vnet_rx(&hdr, m), -EINVAL);
	rte_pktmbuf_free(m);
}

static void test_lies(void **state)
{
	const struct shape tcp = {0, false, false, 1000}, udp = {0, false, true, 1000};
	const uint8_t csum = VIRTIO_NET_HDR_F_NEEDS_CSUM;

	refuse(&tcp, csum, VIRTIO_NET_HDR_GSO_TCPV4, 0);
	refuse(&tcp, csum, VIRTIO_NET_HDR_GSO_TCPV4, 1);
	refuse(&tcp, csum, VIRTIO_NET_HDR_GSO_TCPV6, 500);
	refuse(&tcp, csum, VIRTIO_NET_HDR_GSO_UDP, 500);
	refuse(&tcp, csum, VIRTIO_NET_HDR_GSO_ECN, 500);
	refuse(&tcp, csum, 0x7f, 500);
	refuse(&tcp, 0, VIRTIO_NET_HDR_GSO_TCPV4, 500);
	refuse(&udp, csum, VIRTIO_NET_HDR_GSO_TCPV4, 500);
}

static void test_places(void **state)
{
	const struct shape shape = {0, false, false, 1000};
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m = make(&shape, &hdr);

	hdr.csum_start = 1040;
	assert_int_equal(port_vnet_rx(&hdr, m), -EINVAL);
	hdr.csum_start = 2000;
	assert_int_equal(port_vnet_rx(&hdr, m), -EINVAL);
	hdr.csum_start = 34;
	hdr.csum_offset = 65535;
	assert_int_equal(port_vnet_rx(&hdr, m), -EINVAL);
	hdr.csum_offset = 0; /* anywhere else: as the specification says */
	assert_int_equal(port_vnet_rx(&hdr, m), 0);
	expect(m, 0);
	rte_pktmbuf_free(m);
}

/* A packet that is not plain (padding behind it) is completed at once, and rightly. */
static void test_completion(void **state)
{
	const struct shape shape = {0, true, true, 99};
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m = make(&shape, &hdr);
	uint16_t sum = 0;

	memset(append(m, 7), 0, 7);
	assert_int_equal(port_vnet_rx(&hdr, m), 0);
	expect(m, 0);
	assert_int_equal(rte_raw_cksum_mbuf(m, 54, 8 + 99, &sum), 0);
	sum = __rte_raw_cksum_reduce((uint32_t)sum + pseudo_of(m, &shape, 14));
	assert_int_equal(sum, 0xffff);
	rte_pktmbuf_free(m);
}

static void test_guess(void **state)
{
	const struct shape shape = {1, false, true, 64};
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m = make(&shape, &hdr);

	port_vnet_guess(m);
	expect(m, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM);
	m->ol_flags = 0;
	(*rte_pktmbuf_mtod_offset(m, uint8_t *, 18 + 20 + 6))++;
	port_vnet_guess(m);
	expect(m, 0);
	rte_pktmbuf_free(m);
}

static void mutate(struct rte_mbuf *m, struct virtio_net_hdr *hdr)
{
	uint8_t *bytes = rand() & 1 ? (uint8_t *)hdr : rte_pktmbuf_mtod(m, uint8_t *);
	unsigned size = bytes == (uint8_t *)hdr ? sizeof(*hdr) : 90;

	bytes[(unsigned)rand() % size] = (uint8_t)rand();
	if (rand() % 4 == 0)
		rte_pktmbuf_trim(m, (uint16_t)(rand() % m->data_len));
}

/* Whatever comes in, what is asked for lies within the packet. */
static void test_mutations(void **state)
{
	srand(7);
	for (unsigned i = 0; i < 200000; i++) {
		const struct shape shape = {i % 3, i & 4, i & 8, (uint16_t)(rand() % 1400)};
		struct virtio_net_hdr hdr;
		struct rte_mbuf *m = make(&shape, &hdr);

		hdr.gso_type = (uint8_t)(rand() % 6);
		hdr.gso_size = (uint16_t)rand();
		mutate(m, &hdr);
		mutate(m, &hdr);
		if (!port_vnet_rx(&hdr, m) && (m->ol_flags & RTE_MBUF_F_TX_L4_MASK)) {
			assert_true((uint32_t)m->l2_len + m->l3_len + 8 <= m->data_len);
			if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
				assert_true((uint32_t)m->l2_len + m->l3_len + m->l4_len +
				                    m->tso_segsz <
				            m->pkt_len);
		}
		rte_pktmbuf_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_requests), cmocka_unit_test(test_promises),
	        cmocka_unit_test(test_segments), cmocka_unit_test(test_lies),
	        cmocka_unit_test(test_places),   cmocka_unit_test(test_completion),
	        cmocka_unit_test(test_guess),    cmocka_unit_test(test_mutations),
	};
	struct evs_error err;
	int ret;

	test_eal("64");
	pool = port_pool_get(PORT_MTU_DEFAULT, SOCKET_ID_ANY, &err);
	assert(pool);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	port_pool_put(pool);
	rte_eal_cleanup();
	return ret;
}
