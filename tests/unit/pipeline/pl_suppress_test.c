/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ARP and ND suppression: who is learned, what is answered, what goes with a port.
 */
#include "pipeline/pl_bind_pvt.h"
#include "pipeline/pl_underlay.h"
#include "pl_test.h"

#define GUEST  1
#define TUNNEL 2

static const struct pl_tunnel tunnel = {.kind = TUN_VXLAN,
                                        .has_key = true,
                                        .dst_port = 4789,
                                        .remote = {[10] = 0xff, [11] = 0xff, [12] = 192, [15] = 2}};

/* A guest, a tunnel, and a neighbour of the guest on port 3. */
static struct pl_bridge *make_bridge(void)
{
	struct pl_bridge *br = pt_bridge("br0");
	struct pl_bridge_config config = *pl_bridge_config(br);
	struct evs_error err;

	config.suppress = true;
	assert_int_equal(pl_bridge_set(br, &config, &err), 0);
	pt_port(br, GUEST);
	pt_port_with(br, TUNNEL, (struct pl_port_config){.tunnel = &tunnel});
	pt_port(br, 3);
	return br;
}

/* 10.0.0.`src` at 02::`src` asks for 10.0.0.`dst`. */
static struct pkt_key arp(uint16_t in_port, uint8_t src, uint8_t dst)
{
	struct pkt_key key = pt_packet(in_port, src, 255);

	memset(&key.base.ip_proto, 0, PKT_KEY_BASE_SIZE - offsetof(struct pkt_key_base, ip_proto));
	key.base.eth_type = RTE_BE16(0x0806);
	key.base.arp_spa = rte_cpu_to_be_32(10u << 24 | src);
	key.base.arp_tpa = rte_cpu_to_be_32(10u << 24 | dst);
	memcpy(key.base.arp_sha, key.base.eth_src, 6);
	key.base.arp_op = RTE_BE16(1);
	return key;
}

static void put_ip6(uint8_t addr[16], uint8_t prefix, uint8_t last)
{
	memset(addr, 0, 16);
	addr[0] = prefix;
	addr[1] = prefix == 0xfe ? 0x80 : 0;
	addr[15] = last;
}

/* PREFIX::`src` at 02::`src` asks for PREFIX::`dst`. */
static struct pkt_key solicit(uint16_t in_port, uint8_t prefix, uint8_t src, uint8_t dst)
{
	struct pkt_key key = pt_packet(in_port, src, 255);

	key.base.eth_type = RTE_BE16(0x86dd);
	key.base.lines = PKT_LINE_IPV6;
	key.base.ip_proto = 58;
	key.base.ip_ttl = 255;
	key.base.ip_src = key.base.ip_dst = 0;
	key.base.tp_src = RTE_BE16(135);
	key.base.tp_dst = 0;
	put_ip6(key.ext.ipv6.src, prefix, src);
	put_ip6(key.ext.ipv6.dst, 0xff, 1);
	put_ip6(key.ext.ipv6.nd_target, prefix, dst);
	memcpy(key.ext.ipv6.nd_sll, key.base.eth_src, 6);
	return key;
}

/* What was posted is learned; returns how many of it are bindings. */
static unsigned hear(void)
{
	static const uint8_t none[16];
	unsigned n = 0;

	for (unsigned i = 0; i < pt_n_learned; i++) {
		if (!memcmp(pt_learned[i].addr, none, sizeof(none)))
			continue;
		pl_bind_learn(&pt_learned[i]);
		pt_learned[i--] = pt_learned[--pt_n_learned];
		n++;
	}
	pt_settle();
	return n;
}

static unsigned n_bindings(const struct pl_bridge *br)
{
	struct pl_bind_stats stats;

	pl_bind_stats_get(br, &stats);
	return stats.n_entries;
}

/* Nothing of a port is left when it has gone. */
static void test_port_goes(void **state)
{
	struct pl_bridge *br = make_bridge();
	struct pkt_key there = arp(TUNNEL, 0xb, 0xa), here = arp(GUEST, 0xa, 0xb);

	pt_translate(&there);
	assert_int_equal(hear(), 1);
	assert_string_equal(pt_translate(&here), "answer(02:00:00:00:00:0b),output:1");
	assert_int_equal(hear(), 1);
	assert_int_equal(n_bindings(br), 2);
	pl_port_del(pl_port_by_ofport(br, TUNNEL));
	pt_settle();
	assert_int_equal(n_bindings(br), 1);
	assert_string_equal(pt_translate(&here), "output:3");
	pl_bind_expire(br, evs_clock_ms() + 1000 * 1000);
	pt_settle();
	assert_int_equal(n_bindings(br), 0);
}

/* By link-local addresses hosts know their routers, which an answer does not know. */
static void test_link_local(void **state)
{
	struct pl_bridge *br = make_bridge();
	struct pkt_key there = solicit(TUNNEL, 0xfd, 0xb, 0xa),
	               here = solicit(GUEST, 0xfd, 0xa, 0xb);
	struct pkt_key router = solicit(TUNNEL, 0xfe, 0xb, 0xa),
	               host = solicit(GUEST, 0xfe, 0xa, 0xb);
	struct pl_bind_entry entry = {.mac = {{2, 0, 0, 0, 0, 0xb}}};
	struct evs_error err;

	put_ip6(entry.addr, 0xfe, 0xb);
	assert_int_equal(pl_bind_add_static(br, &entry, &err), -EINVAL);
	pt_translate(&router);
	assert_int_equal(hear(), 0);
	assert_null(strstr(pt_translate(&host), "answer"));
	pt_translate(&there);
	assert_int_equal(hear(), 1);
	assert_string_equal(pt_translate(&here), "answer(02:00:00:00:00:0b),output:1");
	put_ip6(here.ext.ipv6.src, 0xfe, 0xa); /* who asks may use one */
	assert_string_equal(pt_translate(&here), "answer(02:00:00:00:00:0b),output:1");
}

/* One station says the same in several VLANs, at once. */
static void test_vlans(void **state)
{
	struct pl_bridge *br = make_bridge();

	for (unsigned vid = 29; vid < 33; vid++) {
		struct pkt_key there = arp(TUNNEL, 0xb, 0xa);

		pt_tag(&there, (uint16_t)vid);
		pt_translate(&there);
	}
	assert_int_equal(hear(), 4);
	assert_int_equal(n_bindings(br), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_port_goes, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_link_local, pt_init, pt_fini),
	        cmocka_unit_test_setup_teardown(test_vlans, pt_init, pt_fini),
	};

	return cmocka_run_group_tests_name("pl_suppress", tests, NULL, NULL);
}
