/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does parsing a burst cost, hash and comparison with the packet before included? Cycles per
 * packet, for each variant of the vector code and some kinds of frames; one JSON object.
 *
 * The frames lie in buffers that stay in the second-level cache. The best of many short
 * rounds counts: time stolen from the machine only ever adds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "pkt/pkt_hdr.h"
#include "pkt/pkt_parse.h"

#define N_ROUNDS 2000
#define N_BURSTS 16 /* per round */
#define N_FRAMES 64
#define FRAME    60

struct kind {
	const char *name;
	uint16_t eth_type;
	uint8_t proto;
	bool is_tagged, is_same, is_blank;
};

static const struct kind kinds[] = {
        {"udp4", PKT_ETH_IPV4, PKT_IP_UDP, false, false, false},
        {"udp4, one flow", PKT_ETH_IPV4, PKT_IP_UDP, false, true, false},
        {"tcp4", PKT_ETH_IPV4, PKT_IP_TCP, false, false, false},
        {"udp4, VLAN", PKT_ETH_IPV4, PKT_IP_UDP, true, false, false},
        {"udp6", PKT_ETH_IPV6, PKT_IP_UDP, false, false, false},
        {"blank, repeated", 0, 0, false, true, true},
};

static struct pkt_burst burst;
static struct rte_mbuf mbufs[N_FRAMES];
static uint8_t data[N_FRAMES][256] EVS_CACHE_ALIGNED;

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void make_frame(const struct kind *kind, unsigned i)
{
	uint8_t *p = data[i], *l3 = p + 14 + 4 * kind->is_tagged;
	uint16_t flow = kind->is_same ? 0 : (uint16_t)i;

	memset(p, 0, sizeof(data[i]));
	mbufs[i] =
	        (struct rte_mbuf){.buf_addr = p, .data_len = FRAME, .pkt_len = FRAME, .nb_segs = 1};
	if (kind->is_blank)
		return;
	p[0] = p[6] = 2;
	if (kind->is_tagged) {
		put16(p + 12, PKT_ETH_VLAN);
		put16(p + 14, 5);
	}
	put16(l3 - 2, kind->eth_type);
	if (kind->eth_type == PKT_ETH_IPV4) {
		l3[0] = 0x45;
		put16(l3 + 2, FRAME - 18);
		l3[9] = kind->proto;
		put16(l3 + 14, flow);
		put16(l3 + 22, flow);
	} else {
		l3[0] = 0x60;
		put16(l3 + 4, 6);
		l3[6] = kind->proto;
		put16(l3 + 22, flow);
		mbufs[i].data_len = mbufs[i].pkt_len = 14 + 40 + 8;
		put16(l3 + 4, 8);
	}
}

static double measure(enum pkt_isa isa)
{
	uint64_t best = UINT64_MAX;
	unsigned next = 0;

	for (unsigned r = 0; r < N_ROUNDS; r++) {
		uint64_t total = 0;

		for (unsigned k = 0; k < N_BURSTS; k++) {
			uint64_t start;

			for (unsigned i = 0; i < PKT_BURST_MAX; i++)
				burst.mbuf[i] = &mbufs[next++ % N_FRAMES];
			start = evs_clock_tsc();
			pkt_parse_burst(&burst, PKT_BURST_MAX, 1, isa);
			total += evs_clock_tsc() - start;
		}
		best = EVS_MIN(best, total);
	}
	return (double)best / N_BURSTS / PKT_BURST_MAX;
}

int main(void)
{
	const char *sep = "{\"parse\": [";

	evs_clock_init();
	for (unsigned k = 0; k < EVS_ARRAY_LEN(kinds); k++) {
		for (unsigned i = 0; i < N_FRAMES; i++)
			make_frame(&kinds[k], i);
		for (enum pkt_isa isa = PKT_ISA_C; isa <= pkt_isa_best(); isa++, sep = ",")
			printf("%s\n  {\"case\": \"%s\", \"isa\": \"%s\", \"cycles_per_packet\": "
			       "%.1f}",
			       sep, kinds[k].name, pkt_isa_name(isa), measure(isa));
	}
	printf("\n]}\n");
	return 0;
}
