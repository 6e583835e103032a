/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ring a frame goes to: flows spread over all that are enabled, a flow keeps to one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "pkt/pkt_hash.h"
#include "vhost/vhu_pvt.h"

#define N_FLOWS 400

enum kind { IPV4, IPV6, TAGGED, TWO_TAGS, MACS, N_KINDS };

/* A frame of flow n: the port of a UDP packet, or a MAC address. Returns its length. */
static uint16_t make(uint8_t frame[128], enum kind kind, unsigned n)
{
	uint8_t *type = frame + 12;

	memset(frame, 0, 128);
	memcpy(frame + 8, &n, sizeof(n));
	for (unsigned tags = kind == TAGGED ? 1 : kind == TWO_TAGS ? 2 : 0; tags; tags--, type += 4)
		memcpy(type, (uint8_t[]){0x81, 0}, 2);
	memcpy(type, kind == IPV6 ? (uint8_t[]){0x86, 0xdd} : (uint8_t[]){8, 0}, 2);
	if (kind == MACS) {
		memcpy(type, (uint8_t[]){0x88, 0xb5}, 2);
	} else if (kind == IPV6) {
		type[2 + 6] = 17;
		memcpy(type + 2 + 40, &n, 2);
	} else {
		type[2] = 0x45;
		type[2 + 9] = 17;
		memcpy(type + 2 + 20, &n, 2);
	}
	return (uint16_t)(type + 2 + 44 - frame);
}

static uint16_t steer(const struct vhu *vhu, uint8_t *frame, uint16_t size)
{
	struct rte_mbuf m = {.buf_addr = frame, .data_len = size, .pkt_len = size};

	return vhu_steer(vhu, &m);
}

static struct vhu *make_vhu(uint64_t rings, bool steers)
{
	struct vhu *vhu = aligned_alloc(EVS_CACHE_LINE, sizeof(*vhu));

	memset(vhu, 0, sizeof(*vhu));
	vhu->steers = steers;
	vhu->rings = rings;
	vhu_steer_map(vhu);
	return vhu;
}

static void test_spreads(void **state)
{
	const uint64_t rings = 0x15; /* to the guest: 0, 2, 4 */
	struct vhu *vhu = make_vhu(rings, true);
	uint8_t frame[128];

	for (enum kind kind = 0; kind < N_KINDS; kind++) {
		unsigned got[VHU_N_RINGS] = {0};

		for (unsigned n = 0; n < N_FLOWS; n++) {
			uint16_t size = make(frame, kind, n);
			uint16_t ring = steer(vhu, frame, size);

			got[ring]++;
			assert_int_equal(steer(vhu, frame, size), ring);
		}
		for (unsigned i = 0; i < VHU_N_RINGS; i++)
			if (rings >> i & 1)
				assert_in_range(got[i], N_FLOWS / 3 / 2, N_FLOWS / 3 * 2);
			else
				assert_int_equal(got[i], 0);
	}
	assert_int_equal(vhu->txq[0].ring, VHU_STEERED);
	free(vhu);
}

/* Only the first fragment has ports; the others have what data they like there. */
static void test_fragments_keep_together(void **state)
{
	struct vhu *vhu = make_vhu(0x55555555, true);
	uint8_t frame[128];
	uint16_t first = UINT16_MAX;

	for (unsigned n = 0; n < N_FLOWS; n++) {
		uint16_t size = make(frame, IPV4, n);

		memset(frame, 0, 12);
		memcpy(frame + 14 + 6, n ? (uint8_t[]){0, 185} : (uint8_t[]){0x20, 0}, 2);
		if (n == 0)
			first = steer(vhu, frame, size);
		assert_int_equal(steer(vhu, frame, size), first);
	}
	free(vhu);
}

/* However short, and whatever it says of its own length. */
static void test_reads_what_is_there(void **state)
{
	struct vhu *vhu = make_vhu(0x55555555, true);
	uint8_t frame[128];

	for (enum kind kind = 0; kind < N_KINDS; kind++)
		for (uint16_t all = make(frame, kind, 7), size = 0; size <= all; size++) {
			uint8_t *exact = malloc(size + 1u);

			memcpy(exact, frame, size);
			if (size > 14)
				exact[14] |= 0x0f;
			assert_int_equal(steer(vhu, exact, size) % 2, 0);
			free(exact);
		}
	free(vhu);
}

static void test_by_worker(void **state)
{
	struct vhu *vhu = make_vhu(0x55555555, false);

	for (unsigned i = 0; i < EVS_MAX_WORKERS; i++)
		assert_int_equal(vhu->txq[i].ring, 2 * (i % VHU_MAX_PAIRS));
	vhu->steers = true;
	vhu->rings = 0x4; /* one: nothing to choose */
	vhu_steer_map(vhu);
	assert_int_equal(vhu->txq[3].ring, 2);
	free(vhu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_spreads),
	        cmocka_unit_test(test_fragments_keep_together),
	        cmocka_unit_test(test_reads_what_is_there),
	        cmocka_unit_test(test_by_worker),
	};

	pkt_hash_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
