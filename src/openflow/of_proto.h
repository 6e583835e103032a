/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of the OpenFlow 1.3.5 protocol (ONF TS-023), by section. Names are those of the
 * specification.
 * Threads: any.
 */
#ifndef OF_PROTO_H
#define OF_PROTO_H

#include "base/evs_base.h"

#define OF_VERSION_13  0x04
#define OF_HEADER_SIZE 8
#define OF_MSG_MAX     65535 /* the length field has 16 bits */
#define OF_NO_BUFFER   0xffffffffU
#define OF_CML_MAX     0xffe5
#define OF_CML_NO_BUF  0xffff /* OFPCML_NO_BUFFER: the whole packet */
#define OF_EXP_NICIRA  0x00002320U
#define OF_EXP_ONF     0x4f4e4600U
#define OF_PORT_NAME   16
#define OF_TABLE_NAME  32
#define OF_DESC_STR    256
#define OF_SERIAL_STR  32
#define OF_TCP_PORT    6653

/* Section 7.1: message types; X(ID, number). */
#define OF_MESSAGES(X)                                                                             \
	X(HELLO, 0)                                                                                \
	X(ERROR, 1)                                                                                \
	X(ECHO_REQUEST, 2)                                                                         \
	X(ECHO_REPLY, 3)                                                                           \
	X(EXPERIMENTER, 4)                                                                         \
	X(FEATURES_REQUEST, 5)                                                                     \
	X(FEATURES_REPLY, 6)                                                                       \
	X(GET_CONFIG_REQUEST, 7)                                                                   \
	X(GET_CONFIG_REPLY, 8)                                                                     \
	X(SET_CONFIG, 9)                                                                           \
	X(PACKET_IN, 10)                                                                           \
	X(FLOW_REMOVED, 11)                                                                        \
	X(PORT_STATUS, 12)                                                                         \
	X(PACKET_OUT, 13)                                                                          \
	X(FLOW_MOD, 14)                                                                            \
	X(GROUP_MOD, 15)                                                                           \
	X(PORT_MOD, 16)                                                                            \
	X(TABLE_MOD, 17)                                                                           \
	X(MULTIPART_REQUEST, 18)                                                                   \
	X(MULTIPART_REPLY, 19)                                                                     \
	X(BARRIER_REQUEST, 20)                                                                     \
	X(BARRIER_REPLY, 21)                                                                       \
	X(QUEUE_GET_CONFIG_REQUEST, 22)                                                            \
	X(QUEUE_GET_CONFIG_REPLY, 23)                                                              \
	X(ROLE_REQUEST, 24)                                                                        \
	X(ROLE_REPLY, 25)                                                                          \
	X(GET_ASYNC_REQUEST, 26)                                                                   \
	X(GET_ASYNC_REPLY, 27)                                                                     \
	X(SET_ASYNC, 28)                                                                           \
	X(METER_MOD, 29)

enum of_type {
#define X(id, number) OFPT_##id = number,
	OF_MESSAGES(X)
#undef X
	        OF_N_TYPES
};

/* Section 7.2.1: ports. */
enum of_port_no {
	OFPP_MAX = 0xffffff00U,
	OFPP_IN_PORT = 0xfffffff8U,
	OFPP_TABLE = 0xfffffff9U,
	OFPP_NORMAL = 0xfffffffaU,
	OFPP_FLOOD = 0xfffffffbU,
	OFPP_ALL = 0xfffffffcU,
	OFPP_CONTROLLER = 0xfffffffdU,
	OFPP_LOCAL = 0xfffffffeU,
	OFPP_ANY = 0xffffffffU,
};

enum of_port_config {
	OFPPC_PORT_DOWN = 0x01,
	OFPPC_NO_RECV = 0x04,
	OFPPC_NO_FWD = 0x20,
	OFPPC_NO_PACKET_IN = 0x40,
	OFPPC_ALL = 0x65,
};
enum of_port_state { OFPPS_LINK_DOWN = 1, OFPPS_BLOCKED = 2, OFPPS_LIVE = 4 };

enum of_port_features {
	OFPPF_10MB_HD = 0x0001,
	OFPPF_10MB_FD = 0x0002,
	OFPPF_100MB_HD = 0x0004,
	OFPPF_100MB_FD = 0x0008,
	OFPPF_1GB_HD = 0x0010,
	OFPPF_1GB_FD = 0x0020,
	OFPPF_10GB_FD = 0x0040,
	OFPPF_40GB_FD = 0x0080,
	OFPPF_100GB_FD = 0x0100,
	OFPPF_1TB_FD = 0x0200,
	OFPPF_OTHER = 0x0400,
	OFPPF_COPPER = 0x0800,
	OFPPF_FIBER = 0x1000,
	OFPPF_AUTONEG = 0x2000,
	OFPPF_PAUSE = 0x4000,
	OFPPF_PAUSE_ASYM = 0x8000,
};

/* Section 7.2.3.7. */
enum of_vlan_id { OFPVID_NONE = 0x0000, OFPVID_PRESENT = 0x1000 };

/* Section 7.2.3.8: bits of ipv6_exthdr. */
enum of_ipv6_exthdr {
	OFPIEH_NONEXT = 0x01,
	OFPIEH_ESP = 0x02,
	OFPIEH_AUTH = 0x04,
	OFPIEH_DEST = 0x08,
	OFPIEH_FRAG = 0x10,
	OFPIEH_ROUTER = 0x20,
	OFPIEH_HOP = 0x40,
	OFPIEH_UNREP = 0x80,
	OFPIEH_UNSEQ = 0x100,
};

/* Section 7.3.1. */
enum of_capabilities {
	OFPC_FLOW_STATS = 0x01,
	OFPC_TABLE_STATS = 0x02,
	OFPC_PORT_STATS = 0x04,
	OFPC_GROUP_STATS = 0x08,
	OFPC_IP_REASM = 0x20,
	OFPC_QUEUE_STATS = 0x40,
	OFPC_PORT_BLOCKED = 0x100,
};
enum of_config_flags { OFPC_FRAG_NORMAL = 0, OFPC_FRAG_DROP = 1, OFPC_FRAG_REASM = 2 };

enum of_table_config { OFPTC_DEPRECATED_MASK = 3 };
enum of_table_no { OFPTT_MAX = 0xfe, OFPTT_ALL = 0xff };

/* Section 7.3.4. */
enum of_flow_mod_command {
	OFPFC_ADD,
	OFPFC_MODIFY,
	OFPFC_MODIFY_STRICT,
	OFPFC_DELETE,
	OFPFC_DELETE_STRICT,
	OF_N_FLOW_MOD_COMMANDS
};
enum of_flow_mod_flags {
	OFPFF_SEND_FLOW_REM = 0x01,
	OFPFF_CHECK_OVERLAP = 0x02,
	OFPFF_RESET_COUNTS = 0x04,
	OFPFF_NO_PKT_COUNTS = 0x08,
	OFPFF_NO_BYT_COUNTS = 0x10,
	OFPFF_ALL = 0x1f,
};

enum of_group_mod_command { OFPGC_ADD, OFPGC_MODIFY, OFPGC_DELETE };
enum of_group_type { OFPGT_ALL, OFPGT_SELECT, OFPGT_INDIRECT, OFPGT_FF, OF_N_GROUP_TYPES };
enum of_group_no { OFPG_MAX = 0xffffff00U, OFPG_ALL = 0xfffffffcU, OFPG_ANY = 0xffffffffU };
enum of_group_capabilities {
	OFPGFC_SELECT_WEIGHT = 1,
	OFPGFC_SELECT_LIVENESS = 2,
	OFPGFC_CHAINING = 4,
	OFPGFC_CHAINING_CHECKS = 8,
};

enum of_meter_mod_command { OFPMC_ADD, OFPMC_MODIFY, OFPMC_DELETE };
enum of_meter_no {
	OFPM_MAX = 0xffff0000U,
	OFPM_SLOWPATH = 0xfffffffdU,
	OFPM_CONTROLLER = 0xfffffffeU,
	OFPM_ALL = 0xffffffffU,
};
enum of_meter_flags { OFPMF_KBPS = 1, OFPMF_PKTPS = 2, OFPMF_BURST = 4, OFPMF_STATS = 8 };
enum of_meter_band_type { OFPMBT_DROP = 1, OFPMBT_DSCP_REMARK = 2, OFPMBT_EXPERIMENTER = 0xffff };

/* Section 7.3.5: multipart types; X(ID, number). */
#define OF_MULTIPARTS(X)                                                                           \
	X(DESC, 0)                                                                                 \
	X(FLOW, 1)                                                                                 \
	X(AGGREGATE, 2)                                                                            \
	X(TABLE, 3)                                                                                \
	X(PORT_STATS, 4)                                                                           \
	X(QUEUE, 5)                                                                                \
	X(GROUP, 6)                                                                                \
	X(GROUP_DESC, 7)                                                                           \
	X(GROUP_FEATURES, 8)                                                                       \
	X(METER, 9)                                                                                \
	X(METER_CONFIG, 10)                                                                        \
	X(METER_FEATURES, 11)                                                                      \
	X(TABLE_FEATURES, 12)                                                                      \
	X(PORT_DESC, 13)                                                                           \
	X(EXPERIMENTER, 0xffff)

enum of_multipart_type {
#define X(id, number) OFPMP_##id = number,
	OF_MULTIPARTS(X)
#undef X
};
enum of_multipart_flags { OFPMPF_MORE = 1 };

/* Section 7.3.5.5.2: properties of table-features; an odd number is for the table-miss entry. */
enum of_table_feature_prop {
	OFPTFPT_INSTRUCTIONS = 0,
	OFPTFPT_NEXT_TABLES = 2,
	OFPTFPT_WRITE_ACTIONS = 4,
	OFPTFPT_APPLY_ACTIONS = 6,
	OFPTFPT_MATCH = 8,
	OFPTFPT_WILDCARDS = 10,
	OFPTFPT_WRITE_SETFIELD = 12,
	OFPTFPT_APPLY_SETFIELD = 14,
	OFPTFPT_EXPERIMENTER = 0xfffe,
};

enum of_queue_no { OFPQ_ALL = 0xffffffffU };
enum of_queue_prop { OFPQT_MIN_RATE = 1, OFPQT_MAX_RATE = 2, OFPQT_EXPERIMENTER = 0xffff };
#define OF_QUEUE_RATE_NONE 0xffff /* no limit configured; otherwise in tenths of a percent */

/* Section 7.3.9. */
enum of_role { OFPCR_ROLE_NOCHANGE, OFPCR_ROLE_EQUAL, OFPCR_ROLE_MASTER, OFPCR_ROLE_SLAVE };

/* Section 7.4: asynchronous messages. */
enum of_packet_in_reason { OFPR_NO_MATCH, OFPR_ACTION, OFPR_INVALID_TTL, OF_N_PACKET_IN_REASONS };
enum of_flow_removed_reason {
	OFPRR_IDLE_TIMEOUT,
	OFPRR_HARD_TIMEOUT,
	OFPRR_DELETE,
	OFPRR_GROUP_DELETE,
	OF_N_FLOW_REMOVED_REASONS
};
enum of_port_reason { OFPPR_ADD, OFPPR_DELETE, OFPPR_MODIFY, OF_N_PORT_REASONS };

#endif
