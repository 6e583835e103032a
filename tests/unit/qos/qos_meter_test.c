/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meters by a simulated clock: rate within 1 % over a second, bursts, bands, several workers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "qos/qos_meter.h"

#define HZ UINT64_C(2000000000)

static struct rte_mbuf packet;
static struct rte_mbuf *burst[32];

static void use_size(uint32_t size)
{
	packet.pkt_len = size;
	for (unsigned i = 0; i < 32; i++)
		burst[i] = &packet;
}

/* Offers bursts of 32 for a second from `start`, from two workers in turn; returns packets passed.
 */
static uint64_t offer(struct qos_meter *meter, uint64_t start, uint64_t bursts)
{
	uint8_t verdict[32];
	uint64_t passed = 0;
	for (uint64_t i = 0; i < bursts; i++) {
		uint64_t now = start + HZ / bursts * i;
		uint32_t over = qos_meter_run(meter, i & 1, burst, 32, now, verdict);
		passed += 32u - (unsigned)__builtin_popcount(over);
	}
	return passed;
}

static void near(uint64_t got, uint64_t want)
{
	if (got > want + want / 100 || got < want - want / 100)
		fail_msg("%lu is not within 1 %% of %lu", got, want);
}

/* The second after the first one: the burst is spent. */
static void rate_is_exact(void **state)
{
	static const uint32_t kbps[] = {1000, 10000, 1000000, 40000000};
	static const uint32_t sizes[] = {64, 1500, 9000};
	for (unsigned r = 0; r < 4; r++)
		for (unsigned s = 0; s < 3; s++) {
			struct qos_meter_config config = {.n_bands = 1,
			                                  .bands = {{.rate = kbps[r]}}};
			struct qos_meter *meter = qos_meter_create(&config, HZ);
			uint64_t want = (uint64_t)kbps[r] * 125 / sizes[s];
			use_size(sizes[s]);
			offer(meter, HZ * 5, want / 16 + 100);
			uint64_t got = offer(meter, HZ * 6, want / 16 + 100);
			if (want > 100)
				near(got, want);
			else
				assert_in_range(got, want - 1, want + 1);
			qos_meter_destroy(meter);
		}
}

static void packets_and_burst(void **state)
{
	struct qos_meter_config config = {
	        .by_pkts = true, .n_bands = 1, .bands = {{.rate = 10000, .burst = 500}}};
	struct qos_meter *meter = qos_meter_create(&config, HZ);
	struct qos_count in, band;
	use_size(1500);
	near(offer(meter, HZ, 2000), 10500); /* the burst, then the rate */
	near(offer(meter, HZ * 2, 2000), 10000);
	qos_meter_counts(meter, &in, &band);
	assert_int_equal(in.pkts, 4000 * 32);
	near(in.pkts - band.pkts, 20500);
	assert_int_equal(band.bytes, band.pkts * 1500);
	qos_meter_destroy(meter);
}

/* A large segment is 45 packets, as it will be on the wire, whoever cuts it. */
static void large_segments_are_cut_first(void **state)
{
	for (unsigned by_pkts = 0; by_pkts < 2; by_pkts++) {
		struct qos_meter_config config = {
		        .by_pkts = by_pkts,
		        .n_bands = 1,
		        .bands = {{.rate = 45000, .burst = by_pkts ? 500 : 10000}}};
		struct qos_meter *meter = qos_meter_create(&config, HZ);
		uint64_t frame = 54 + 1448, want = by_pkts ? 1000 : 45000u * 125 / (45 * frame);
		struct qos_count in, band;

		use_size(54 + 45 * 1448);
		packet.ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;
		packet.l2_len = 14;
		packet.l3_len = packet.l4_len = 20;
		packet.tso_segsz = 1448;
		offer(meter, HZ, 500);
		uint64_t got = offer(meter, HZ * 2, 500);
		assert_in_range(got, want - want / 50 - 1, want + want / 50 + 1);
		qos_meter_counts(meter, &in, &band);
		assert_int_equal(in.pkts, 2 * 500 * 32); /* as flows and ports count */
		assert_int_equal(in.bytes, in.pkts * packet.pkt_len);
		assert_int_equal(band.bytes, band.pkts * packet.pkt_len);
		packet.ol_flags = 0;
		qos_meter_destroy(meter);
	}
}

static void highest_exceeded_band_applies(void **state)
{
	struct qos_meter_config config = {
	        .by_pkts = true,
	        .n_bands = 2,
	        .bands = {{.rate = 1000, .burst = 10},
	                  {QOS_BAND_DSCP_REMARK, 100, 4, .prec_level = 2}}};
	struct qos_meter *meter = qos_meter_create(&config, HZ);
	uint8_t verdict[32];
	use_size(100);
	assert_int_equal(qos_meter_run(meter, 0, burst, 32, HZ, verdict), ~0xfu);
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(verdict[i], i < 4    ? QOS_PASS
		                             : i < 10 ? (QOS_REMARK | 2)
		                                      : QOS_DROP);
	qos_meter_destroy(meter);
}

static void bad_config_is_refused(void **state)
{
	struct qos_meter_config config = {.n_bands = 1};
	assert_null(qos_meter_create(&config, HZ));
	config.n_bands = QOS_METER_BANDS_MAX + 1;
	assert_null(qos_meter_create(&config, HZ));
}

static void remark_raises_drop_precedence(void **state)
{
	assert_int_equal(qos_dscp_remark(10 << 2 | 1, 1), 12 << 2 | 1); /* AF11 to AF12 */
	assert_int_equal(qos_dscp_remark(34 << 2, 3), 38 << 2);         /* AF41 to AF43 */
	assert_int_equal(qos_dscp_remark(46 << 2, 1), 46 << 2);         /* EF stays */
	assert_int_equal(qos_dscp_remark(24 << 2 | 2, 1), 16 << 2 | 2); /* CS3 to CS2 */
	assert_int_equal(qos_dscp_remark(8 << 2, 2), 0);                /* CS1 to CS0 */
	assert_int_equal(qos_dscp_remark(0, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(rate_is_exact),
	        cmocka_unit_test(packets_and_burst),
	        cmocka_unit_test(large_segments_are_cut_first),
	        cmocka_unit_test(highest_exceeded_band_applies),
	        cmocka_unit_test(bad_config_is_refused),
	        cmocka_unit_test(remark_raises_drop_precedence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
