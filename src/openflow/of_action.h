/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions and instructions, decoded: one form for wire codec, text, tables and translation.
 * Threads: any; immutable once built. Owner: whoever holds the list's memory.
 *
 * A list of actions is a row of variable-sized, 8-byte aligned `struct of_action`; it has no
 * pointers inside, so it is copied by memcpy. Most actions are 8 bytes, so that rules stay small.
 */
#ifndef OF_ACTION_H
#define OF_ACTION_H

#include "flow/flow_match.h"
#include "openflow/of_error.h"
#include "openflow/of_proto.h"

/* Section 7.2.4. X(ID, OpenFlow 1.3 number, wire size (0: variable), "name in text") */
#define OF_ACTIONS(X)                                                                              \
	X(OUTPUT, 0, 16, "output")                                                                 \
	X(COPY_TTL_OUT, 11, 8, "copy_ttl_out")                                                     \
	X(COPY_TTL_IN, 12, 8, "copy_ttl_in")                                                       \
	X(SET_MPLS_TTL, 15, 8, "set_mpls_ttl")                                                     \
	X(DEC_MPLS_TTL, 16, 8, "dec_mpls_ttl")                                                     \
	X(PUSH_VLAN, 17, 8, "push_vlan")                                                           \
	X(POP_VLAN, 18, 8, "pop_vlan")                                                             \
	X(PUSH_MPLS, 19, 8, "push_mpls")                                                           \
	X(POP_MPLS, 20, 8, "pop_mpls")                                                             \
	X(SET_QUEUE, 21, 8, "set_queue")                                                           \
	X(GROUP, 22, 8, "group")                                                                   \
	X(SET_NW_TTL, 23, 8, "mod_nw_ttl")                                                         \
	X(DEC_NW_TTL, 24, 8, "dec_ttl")                                                            \
	X(SET_FIELD, 25, 0, "set_field")                                                           \
	X(PUSH_PBB, 26, 8, "push_pbb")                                                             \
	X(POP_PBB, 27, 8, "pop_pbb")

enum of_action_kind {
#define X(id, number, size, name) OF_ACTION_##id,
	OF_ACTIONS(X)
#undef X
	        OF_N_ACTIONS
};

struct of_action {
	uint8_t kind;  /* enum of_action_kind */
	uint8_t size8; /* size in units of 8 bytes */
	union {
		uint16_t max_len;  /* OUTPUT: for CONTROLLER; for other ports kept as it was sent */
		uint16_t eth_type; /* PUSH_*, POP_MPLS; host order */
		uint16_t field;    /* SET_FIELD: enum flow_field_id */
	};
	union {
		uint32_t port;     /* OUTPUT */
		uint32_t group_id; /* GROUP */
		uint32_t queue_id; /* SET_QUEUE */
		uint32_t ttl;      /* SET_MPLS_TTL, SET_NW_TTL */
	};
	uint8_t value[] EVS_ALIGNED(8); /* SET_FIELD: value, then mask, of_action_value_size each */
};
static_assert(sizeof(struct of_action) == 8, "small");

struct of_actions {
	const struct of_action *list;
	uint32_t size; /* bytes */
};

EVS_INLINE const struct of_action *of_action_next(const struct of_action *action)
{
	return (const struct of_action *)((const uint8_t *)action + action->size8 * 8U);
}

#define OF_ACTION_FOREACH(action, actions)                                                         \
	for (const struct of_action *action = (actions)->list;                                     \
	     (uintptr_t)action < (uintptr_t)(actions)->list + (actions)->size;                     \
	     action = of_action_next(action))

/* Bytes between value and mask of a SET_FIELD: the field's size rounded up to 8. */
EVS_INLINE unsigned of_action_value_size(const struct of_action *action)
{
	return flow_fields[action->field].size > 8 ? 16 : 8;
}
/* Value and mask as flow_field.h has them: flow_fields[field].size bytes in wire order. */
EVS_INLINE const uint8_t *of_action_mask(const struct of_action *action)
{
	return action->value + of_action_value_size(action);
}

/* Place of a kind in the order in which an action set is executed (section 5.10), from 1 on. */
#define OF_ACTION_PLACES 14
extern const uint8_t of_action_place[OF_N_ACTIONS];

/* Section 7.2.5. X(ID, number, "name in text"). */
#define OF_INSTS(X)                                                                                \
	X(GOTO_TABLE, 1, "goto_table")                                                             \
	X(WRITE_METADATA, 2, "write_metadata")                                                     \
	X(WRITE_ACTIONS, 3, "write_actions")                                                       \
	X(APPLY_ACTIONS, 4, "apply_actions")                                                       \
	X(CLEAR_ACTIONS, 5, "clear_actions")                                                       \
	X(METER, 6, "meter")

/* Bits of of_insts.set. */
enum of_inst {
#define X(id, number, name) OF_INST_##id = 1 << (number),
	OF_INSTS(X)
#undef X
};

/* The instructions of a flow entry; each at most once. Executed in the order: meter, apply,
 * clear, write, metadata, goto. */
struct of_insts {
	uint32_t set; /* enum of_inst: which are there */
	uint32_t meter_id;
	struct of_actions apply;
	struct of_actions write;
	uint64_t metadata; /* host order */
	uint64_t metadata_mask;
	uint8_t goto_table;
};

/*
 * Whether the actions fit packets of this match (OFPBAC_MATCH_INCONSISTENT), for rules and, with
 * match NULL (anything goes), not at all. What a push or pop changes counts for later actions.
 * Ports, groups, queues, meters and tables are left to those who know them.
 */
int of_insts_check(const struct of_insts *insts, const struct flow_match *match,
                   struct of_error *err);

bool of_actions_equal(const struct of_actions *a, const struct of_actions *b);
bool of_insts_equal(const struct of_insts *a, const struct of_insts *b);
const char *of_action_name(enum of_action_kind kind);

#endif
