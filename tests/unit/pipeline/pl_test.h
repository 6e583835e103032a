/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the pipeline share: a bridge, packets as keys, programs as text, and workers'
 * caches without workers.
 */
#ifndef PL_TEST_H
#define PL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/evs_clock.h"
#include "pipeline/pl.h"
#include "pipeline/pl_of.h"
#include "pkt/pkt_hash.h"

static struct flow_cache *pt_cache; /* of worker 0; NULL: the test needs none */
static struct pl_learn pt_learned[64];
static unsigned pt_n_learned;
static EVS_UNUSED struct flow_xlate pt_xlate;
static struct pkt_burst pt_burst;
static char pt_text[4096];

static struct flow_cache *pt_worker_cache(unsigned worker)
{
	return worker == 0 ? pt_cache : NULL;
}

static bool pt_post_learn(unsigned worker, const struct pl_learn *learn)
{
	if (pt_n_learned < 64)
		pt_learned[pt_n_learned++] = *learn;
	return true;
}

static EVS_UNUSED int pt_init(void **state)
{
	struct pl_config config = {.worker_cache = pt_worker_cache, .post_learn = pt_post_learn};
	struct evs_error err = {0};

	evs_clock_init();
	pkt_hash_init(1);
	pt_n_learned = 0;
	if (evs_rcu_init(&err) || pl_init(&config, &err))
		return -1;
	return 0;
}

static EVS_UNUSED int pt_fini(void **state)
{
	pl_fini();
	evs_rcu_fini();
	return 0;
}

static EVS_UNUSED struct pl_bridge *pt_bridge(const char *name)
{
	struct pl_bridge_config config = {.dpid = 1};
	struct evs_error err = {0};
	struct pl_bridge *bridge = NULL;

	assert_int_equal(pl_bridge_create(name, &config, &bridge, &err), 0);
	return bridge;
}

static EVS_UNUSED void pt_vlan_add(uint8_t bitmap[512], unsigned vid)
{
	bitmap[vid / 8] |= (uint8_t)(1u << (vid % 8));
}

/* A port with the datapath's number `index` and the same OpenFlow number. */
static EVS_UNUSED struct pl_port *pt_port_with(struct pl_bridge *bridge, uint16_t index,
                                               struct pl_port_config config)
{
	struct evs_error err = {0};
	struct pl_port *port = NULL;
	char name[32];
	int rc;

	snprintf(name, sizeof(name), "p%u", index);
	config.index = index;
	config.ofport = index;
	rc = pl_port_add(bridge, name, &config, &port, &err);
	if (rc)
		fail_msg("%s", err.text);
	return port;
}

static EVS_UNUSED struct pl_port *pt_port(struct pl_bridge *bridge, uint16_t index)
{
	return pt_port_with(bridge, index, (struct pl_port_config){0});
}

static EVS_UNUSED void pt_patch(struct pl_bridge *bridge, const char *name, const char *peer)
{
	struct pl_port_config config = {.patch_peer = peer, .ofport = 100};
	struct evs_error err = {0};
	struct pl_port *port;

	assert_int_equal(pl_port_add(bridge, name, &config, &port, &err), 0);
}

/* An untagged UDP packet from MAC 02:00:00:00:00:SRC to :DST. dst 255: broadcast. */
static EVS_UNUSED struct pkt_key pt_packet(uint16_t in_port, uint8_t src, uint8_t dst)
{
	struct pkt_key key = {
	        .base = {.in_port = in_port,
	                 .eth_dst = {2, 0, 0, 0, 0, dst},
	                 .eth_src = {2, 0, 0, 0, 0, src},
	                 .eth_type = RTE_BE16(0x0800),
	                 .ip_proto = 17,
	                 .ip_src = RTE_BE32(0x0a000001),
	                 .ip_dst = RTE_BE32(0x0a000002),
	                 .tp_src = RTE_BE16(1000),
	                 .tp_dst = RTE_BE16(2000),
	                 .ip_ttl = 64},
	};

	if (dst == 255)
		memset(key.base.eth_dst, 0xff, 6);
	return key;
}

static EVS_UNUSED void pt_tag(struct pkt_key *key, uint16_t vid)
{
	key->base.vlan[1] = key->base.vlan[0];
	key->base.vlan[0] = (struct pkt_vlan){RTE_BE16(0x8100), rte_cpu_to_be_16(vid | 0x1000)};
}

static void pt_burst_set(const struct pkt_key *key)
{
	pt_burst.base[0] = key->base;
	pt_burst.ext[0] = key->ext;
}

/* What translation makes of the packet, as text. */
static EVS_UNUSED const char *pt_translate(const struct pkt_key *key)
{
	pt_burst_set(key);
	pl_translate(0, &pt_burst, 0, &pt_xlate);
	flow_prog_format(pt_text, sizeof(pt_text), pt_xlate.prog.ops, pt_xlate.prog.size, NULL,
	                 NULL);
	return pt_text;
}

/* Hands what was posted to the MAC table and lets a grace period pass. */
static EVS_UNUSED void pt_settle(void)
{
	for (unsigned i = 0; i < pt_n_learned; i++)
		pl_fdb_learn(&pt_learned[i]);
	pt_n_learned = 0;
	while (evs_rcu_poll())
		;
}

/* Worker 0 with a cache. */
static EVS_UNUSED void pt_cache_create(void)
{
	struct flow_cache_config config = {.n_flows = 1 << 14,
	                                   .n_exact = 1 << 14,
	                                   .n_exact_ext = 1 << 12,
	                                   .max_masks = 128,
	                                   .numa_node = -1,
	                                   .born = pl_flow_born};
	struct evs_error err = {0};

	if (flow_cache_create(&config, &pt_cache, &err))
		fail_msg("%s", err.text);
}

static EVS_UNUSED void pt_cache_destroy(void)
{
	flow_cache_destroy(pt_cache);
	pt_cache = NULL;
}

/* For tests: pt_init and pt_fini with such a worker. */
static EVS_UNUSED int pt_cache_init(void **state)
{
	int rc = pt_init(state);

	pt_cache_create();
	return rc;
}

static EVS_UNUSED int pt_cache_fini(void **state)
{
	pt_fini(state);
	pt_cache_destroy();
	return 0;
}

static struct rte_mbuf pt_mbuf = {.pkt_len = 100, .data_len = 100};

/* One packet through worker 0: true if a cached flow was there. */
static EVS_UNUSED bool pt_pass(const struct pkt_key *key)
{
	uint32_t now_ms = evs_clock_ms();

	pt_burst_set(key);
	pt_burst.mbuf[0] = &pt_mbuf;
	pkt_parse_rehash(&pt_burst, 1, PKT_ISA_C);
	if (flow_cache_lookup_one(pt_cache, &pt_burst, 0, now_ms))
		return true;
	pl_translate(0, &pt_burst, 0, &pt_xlate);
	if (!flow_cache_install(pt_cache, &pt_burst, 0, &pt_xlate, now_ms, 1000))
		fail_msg("not cached");
	return false;
}

#endif
