/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames for a bridge's own addresses: ARP, neighbour discovery and echo. No access beyond their
 * bytes, no buffer lost; what is answered is a whole frame with right checksums from our address.
 */
#include "control/ctl_ip.h"
#include "fuzz_bridge.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_pmd_inject(struct rte_mbuf *mbuf, uint16_t in_port,
                      const struct flow_prog_builder *prog);

static uint32_t bridge_index, n_answers;

/* In place of the workers: linked by --wrap. */
int __wrap_pmd_inject(struct rte_mbuf *m, uint16_t in_port, const struct flow_prog_builder *prog)
{
	static const uint8_t own[6] = {2, 0, 0, 0, 0, 0xb0};
	struct pkt_offsets ofs = {0};
	static struct pkt_key key;

	memset(&key, 0, sizeof(key));
	if (pkt_parse_one(m, &key, &ofs) || memcmp(key.base.eth_src, own, 6) != 0 || !prog->size)
		abort();
	if (key.base.eth_type != RTE_BE16(0x0806) && !key.base.frag &&
	    pkt_csum_verify(m, ofs.l3) == PKT_CSUM_BAD_IP)
		abort();
	n_answers++;
	rte_pktmbuf_free(m);
	return 0;
}

static struct flow_cache *no_cache(unsigned worker)
{
	return NULL;
}

static void address(struct pl_bridge *bridge, const char *text, uint16_t vlan)
{
	struct pl_address address = {.vlan = vlan};
	struct evs_error err = {0};

	if (ctl_prefix_parse(text, &address.prefix, &err) || pl_address_add(bridge, &address, &err))
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct pl_bridge *bridge;

	fuzz_pipeline_init(NULL, no_cache);
	bridge = fuzz_bridge(false);
	fuzz_port(bridge, 1, NULL);
	bridge_index = pl_bridge_index(bridge);
	address(bridge, "192.168.7.1/24", 0);
	address(bridge, "fd07::1/64", 0);
	address(bridge, "10.9.0.1/24", 100);
	fuzz_settle();
	return 0;
}

/* Layout: a byte (bit 0: in two buffers, bit 1: neighbours are asked for), the frame. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pmd_punt punt = {.kind = PMD_PUNT_CONTROLLER, .in_port = 1};
	uint8_t neigh[16];
	uint32_t n, first, before = n_answers;

	if (size < 2 || size > 3000)
		return 0;
	n = (uint32_t)size - 1;
	if (data[0] & 2) {
		pl_ip_from_v4(RTE_BE32(0xc0a80702), neigh);
		ctl_neigh_wanted(bridge_index, neigh);
		ctl_ip_parse("fd07::2", neigh, NULL);
		ctl_neigh_wanted(bridge_index, neigh);
		before = n_answers; /* those were questions */
	}
	first = (data[0] & 1) && n > 1 ? n / 2 : EVS_MIN(n, 1500u);
	punt.mbuf = fuzz_segment(data + 1, first);
	if (first < n) {
		punt.mbuf->next = fuzz_segment(data + 1 + first, n - first);
		punt.mbuf->nb_segs = 2;
		punt.mbuf->pkt_len = n;
	}
	punt.total_len = n;
	punt.controller.bridge = (uint16_t)bridge_index;
	ctl_own_input(&punt);
	if (n_answers > before + 1)
		abort();
	fuzz_settle();
	fuzz_pool_check();
	return 0;
}
