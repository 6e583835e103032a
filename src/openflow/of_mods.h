/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes tables, groups and meters, decoded (section 7.3.4).
 * Threads: any. Owner: pointers lead into the arena of the decoded message.
 */
#ifndef OF_MODS_H
#define OF_MODS_H

#include "openflow/of_action.h"

struct of_flow_mod {
	uint64_t cookie, cookie_mask;
	uint8_t table_id;
	uint8_t command; /* OFPFC_* */
	uint16_t idle_timeout, hard_timeout;
	uint16_t priority;
	uint32_t buffer_id;
	uint32_t out_port, out_group;
	uint16_t flags; /* OFPFF_* */
	struct flow_match match;
	struct of_insts insts;
};

struct of_bucket {
	uint16_t weight;
	uint32_t watch_port;  /* OFPP_ANY: none */
	uint32_t watch_group; /* OFPG_ANY: none */
	struct of_actions actions;
};

struct of_group_mod {
	uint16_t command; /* OFPGC_* */
	uint8_t type;     /* OFPGT_* */
	uint32_t group_id;
	const struct of_bucket *buckets;
	uint32_t n_buckets;
};

struct of_meter_band {
	uint16_t type; /* OFPMBT_* */
	uint32_t rate; /* kbit/s or packets/s */
	uint32_t burst_size;
	uint8_t prec_level; /* DSCP_REMARK */
};

struct of_meter_mod {
	uint16_t command; /* OFPMC_* */
	uint16_t flags;   /* OFPMF_* */
	uint32_t meter_id;
	const struct of_meter_band *bands;
	uint32_t n_bands;
};

struct of_table_mod {
	uint8_t table_id;
	uint32_t config;
};

#endif
