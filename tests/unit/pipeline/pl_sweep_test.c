/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When cached flows go that nobody uses: soon, once the pool is nearly full.
 */
#include "pipeline/pl_pvt.h"
#include "pl_of_test.h"

/* n flows, each of an address of its own, in an empty pool. */
static void fill(uint32_t n)
{
	while (pl_reap() || flow_cache_live(pt_cache))
		flow_cache_poll(pt_cache);
	for (uint32_t i = 0; i < n; i++) {
		struct pkt_key key = pt_packet(1, 1, 2);

		flow_cache_poll(pt_cache); /* takes 64 back */
		key.base.ip_src = i;
		pt_burst_set(&key);
		pt_burst.mbuf[0] = &pt_mbuf;
		pkt_parse_rehash(&pt_burst, 1, PKT_ISA_C);
		pl_translate(0, &pt_burst, 0, &pt_xlate);
		pt_xlate.mask.base.ip_src = UINT32_MAX;
		assert_non_null(flow_cache_install(pt_cache, &pt_burst, 0, &pt_xlate,
		                                   evs_clock_ms(), 1000));
	}
}

/* How many are left so long after the last packet, all counted. */
static uint32_t left_after(uint32_t ms)
{
	pl_sweep(evs_clock_ms(), true);
	pl_sweep(evs_clock_ms() + ms, true);
	return flow_cache_live(pt_cache);
}

static void test_pressure(void **state)
{
	struct pl_bridge *br = pt_secure("br0", 3);
	uint32_t size = flow_cache_size(pt_cache);
	struct of_flow_mod rule = pt_mod(0, 10);
	struct of_actions actions = pt_out(2);

	pt_apply(&rule, actions);
	pt_send(br, &rule);
	pt_commit();
	fill(size / 2);
	assert_int_equal(left_after(1100), size / 2);
	assert_int_equal(left_after(10100), 0);
	fill(size / 16 * 13);
	assert_int_equal(left_after(1100), 0);
	fill(size / 8 * 7);
	assert_int_equal(left_after(300), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_pressure, pt_cache_init, pt_cache_fini),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
