/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multipart requests and replies, decoded (section 7.3.5).
 * Threads: any. Owner: pointers lead into the arena of the decoded message.
 */
#ifndef OF_MULTIPART_H
#define OF_MULTIPART_H

#include "openflow/of_mods.h"
#include "openflow/of_port.h"

/* DESC */
struct of_desc {
	char mfr_desc[OF_DESC_STR], hw_desc[OF_DESC_STR], sw_desc[OF_DESC_STR];
	char serial_num[OF_SERIAL_STR], dp_desc[OF_DESC_STR];
};

/* FLOW and AGGREGATE requests */
struct of_flow_request {
	uint8_t table_id;
	uint32_t out_port, out_group;
	uint64_t cookie, cookie_mask;
	struct flow_match match;
};

/* FLOW */
struct of_flow_stats {
	uint8_t table_id;
	uint32_t duration_sec, duration_nsec;
	uint16_t priority, idle_timeout, hard_timeout, flags;
	uint64_t cookie, packet_count, byte_count;
	struct flow_match match;
	struct of_insts insts;
};

/* AGGREGATE */
struct of_aggregate {
	uint64_t packet_count, byte_count;
	uint32_t flow_count;
};

/* TABLE */
struct of_table_stats {
	uint8_t table_id;
	uint32_t active_count;
	uint64_t lookup_count, matched_count;
};

/* GROUP */
struct of_bucket_counter {
	uint64_t packet_count, byte_count;
};
struct of_group_stats {
	uint32_t group_id, ref_count;
	uint64_t packet_count, byte_count;
	uint32_t duration_sec, duration_nsec;
	const struct of_bucket_counter *buckets;
	uint32_t n_buckets;
};

/* GROUP_DESC */
struct of_group_desc {
	uint8_t type;
	uint32_t group_id;
	const struct of_bucket *buckets;
	uint32_t n_buckets;
};

/* GROUP_FEATURES; indexed by OFPGT_* */
struct of_group_features {
	uint32_t types;        /* bits 1 << OFPGT_* */
	uint32_t capabilities; /* OFPGFC_* */
	uint32_t max_groups[OF_N_GROUP_TYPES];
	uint32_t actions[OF_N_GROUP_TYPES]; /* bits 1 << OFPAT_*, the wire's numbers */
};

/* METER */
struct of_band_counter {
	uint64_t packet_count, byte_count;
};
struct of_meter_stats {
	uint32_t meter_id, flow_count;
	uint64_t packet_in_count, byte_in_count;
	uint32_t duration_sec, duration_nsec;
	const struct of_band_counter *bands;
	uint32_t n_bands;
};

/* METER_CONFIG */
struct of_meter_config {
	uint16_t flags;
	uint32_t meter_id;
	const struct of_meter_band *bands;
	uint32_t n_bands;
};

/* METER_FEATURES */
struct of_meter_features {
	uint32_t max_meter, band_types, capabilities;
	uint8_t max_bands, max_color;
};

/* TABLE_FEATURES: properties as sets; [0] for rules, [1] for the table-miss rule. */
struct of_table_features {
	uint8_t table_id;
	char name[OF_TABLE_NAME];
	uint64_t metadata_match, metadata_write;
	uint32_t config, max_entries;
	uint32_t props;             /* bits 1 << OFPTFPT_*: which properties are there */
	uint32_t insts[2];          /* enum of_inst */
	uint64_t next_tables[2][4]; /* bit per table */
	uint32_t write_actions[2];  /* bits 1 << enum of_action_kind */
	uint32_t apply_actions[2];
	struct flow_field_set match, match_masked, wildcards; /* masked: arbitrary masks */
	struct flow_field_set write_setfield[2], apply_setfield[2];
};

/* METER, METER_CONFIG, GROUP, PORT_STATS, QUEUE requests */
struct of_object_request {
	uint32_t id; /* group, meter or port number */
	uint32_t queue_id;
};

/* Replies with several elements: the list is of the struct that belongs to the type. */
struct of_multipart_list {
	const void *elements;
	uint32_t n;
};

struct of_multipart {
	uint16_t type;  /* OFPMP_* */
	uint16_t flags; /* OFPMPF_MORE */
	union {
		/* requests */
		struct of_flow_request flow;     /* FLOW, AGGREGATE */
		struct of_object_request object; /* PORT_STATS, QUEUE, GROUP, METER* */
		/* request and reply of TABLE_FEATURES (an empty request asks), and replies FLOW,
		 * TABLE, PORT_STATS, QUEUE, GROUP, GROUP_DESC, METER, METER_CONFIG, PORT_DESC */
		struct of_multipart_list list;
		/* replies of one element */
		const struct of_desc *desc;
		struct of_aggregate aggregate;
		struct of_group_features group_features;
		struct of_meter_features meter_features;
		struct {
			uint32_t experimenter, exp_type;
		} experimenter;
	};
};

#endif
