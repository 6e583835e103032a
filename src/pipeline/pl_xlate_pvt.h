/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation: its state, and the parts it is made of.
 * Threads: the translating thread (a worker; control for packet-out and trace); all state is on its
 * stack.
 *
 * Three ideas carry it.
 *  - Looking: whoever decides by a bit of the packet calls pl_look first, which un-wildcards it. A
 *    bit that translation has written itself (`fixed`) says nothing about the packet, so looking at
 *    it costs nothing.
 *  - Writing: actions change `key` only. Right before the packet leaves, pl_commit emits what
 *    differs from `base`, the packet as the ops so far have left it. Bits of the packet that nobody
 *    looked at may have any value, so they are set without asking.
 *  - Tags are a stack of their own, of which key.vlan is a window; going from one stack to the
 *    other is a few pops, sets and pushes. Pushes and pops of MPLS and PBB are emitted at once.
 */
#ifndef PL_XLATE_PVT_H
#define PL_XLATE_PVT_H

#include <string.h>

#include "base/evs_clock.h"
#include "openflow/of_action.h"
#include "pipeline/pl_pvt.h"

#define PL_MAX_TAGS  6
#define PL_MAX_DEPTH 64   /* patch ports, groups, OUTPUT to TABLE, within each other */
#define PL_MAX_STEPS 4096 /* tables, buckets and bridges in all */

struct pl_tags {
	uint32_t n;
	struct pkt_vlan tag[PL_MAX_TAGS]; /* [0] is the outer one; unused ones are zero */
};

/* What a pop brought to light is not in the key: to see it, the packet must be parsed anew. */
enum pl_stale {
	PL_STALE_L3 = 1,   /* addresses and tags are right */
	PL_STALE_TAGS = 2, /* addresses are right */
	PL_STALE_ALL = 3,
};

#define PL_ACTSET_MAX 48

/* The action set (section 5.10): at most one action of a kind, and one set-field of a field. */
struct pl_actset {
	uint32_t n;
	const struct of_action *act[PL_ACTSET_MAX];
};

/* The packet, as it is at one point of the translation. Saved and restored around copies. */
struct pl_pkt {
	struct flow_key key;   /* now */
	struct flow_key base;  /* after the ops emitted so far */
	struct flow_key fixed; /* bits of key that do not stem from the same bit of the packet */
	struct flow_key dirty; /* bits of key written since they were emitted */
	struct pl_tags tags, base_tags;
	bool tags_moved; /* pushed or popped: all of tags was looked at */
	bool any_fixed, any_dirty;
	bool hidden_tag; /* below tags there is one more that the parser did not show */
	uint8_t stale;   /* enum pl_stale */
	uint32_t queue, base_queue;
	uint32_t rewritten; /* enum flow_rewritten */
};

struct pl_trace;
struct pl_code;

struct pl_xlate {
	struct flow_xlate *out;
	const struct pl_snap *snap; /* the bridge that the packet is in */
	const struct pl_view *in;   /* the port it came in by; NULL: none (packet-out) */
	struct pl_actset *set;      /* of the pipeline that runs; NULL: packet-out */
	struct pl_trace *trace;     /* NULL: not traced */
	uint64_t version;
	uint64_t cookie; /* of the rule whose actions run; all ones: none */
	uint32_t now_ms; /* 0: not asked for yet; pl_xlate_now */
	uint16_t worker;
	uint16_t in_index;
	uint8_t table; /* of that rule */
	bool is_miss;  /* it is a table-miss rule */
	bool in_set;   /* executing an action set or a bucket */
	bool quiet;    /* learn nothing, post nothing */
	bool stopped;  /* nothing more happens to this copy: it was dropped, or goes on after RECIRC
	                */
	bool failed;   /* the whole packet is dropped for `reason` */
	uint32_t depth, n_steps, n_out;
	uint32_t n_edits;     /* ops emitted that change the packet */
	enum pkt_drop reason; /* why, if nothing goes out */
	struct flow_key wc;   /* what was looked at */
	struct pl_pkt pkt;
};

/* pl_xlate.c */
void pl_xlate_init(struct pl_xlate *x, struct flow_xlate *out, const struct pkt_key_base *base,
                   const struct pkt_key_ext *ext);
void pl_xlate_finish(struct pl_xlate *x);
void pl_xlate_enter(struct pl_xlate *x, const struct pl_snap *snap, const struct pl_view *in);
void pl_xlate_fail(struct pl_xlate *x, enum pkt_drop reason);
/* A packet has come into a bridge: on to the tables, unless it is a fragment that the bridge drops,
 * or the bridge has lost its controllers. */
void pl_xlate_classify(struct pl_xlate *x, const struct pl_snap *snap);
/* Counts a step; false: enough, the translation has failed. */
bool pl_xlate_step(struct pl_xlate *x);
struct flow_ref *pl_ref_add(struct pl_xlate *x, enum flow_ref_kind kind, const void *obj,
                            uint64_t arg);
/* Emits the packet as it is now; by patch ports into the other bridge. flood: the caller depends
 * on the set of ports already. */
void pl_xlate_output(struct pl_xlate *x, const struct pl_view *view, bool flood);

/* What runs on a copy: everything between begin and end leaves packet and bridge as they were. */
struct pl_copy {
	struct pl_pkt pkt;
	const struct pl_snap *snap;
	const struct pl_view *in;
	struct pl_actset *set;
	uint64_t cookie;
	uint32_t mark, n_edits;
	uint8_t table;
	bool is_miss, in_set;
};
void pl_copy_begin(struct pl_xlate *x, struct pl_copy *copy);
void pl_copy_end(struct pl_xlate *x, struct pl_copy *copy);

/* The time of the translation; few need it. */
EVS_INLINE uint32_t pl_xlate_now(struct pl_xlate *x)
{
	if (!x->now_ms)
		x->now_ms = evs_clock_ms();
	return x->now_ms;
}

/* Looking and writing */
EVS_INLINE void pl_look(struct pl_xlate *x, size_t ofs, size_t size)
{
	const uint8_t *fixed = (const uint8_t *)&x->pkt.fixed + ofs;
	uint8_t *wc = (uint8_t *)&x->wc + ofs;

	for (size_t i = 0; i < size; i++)
		wc[i] |= (uint8_t)~fixed[i];
}
#define PL_LOOK(x, member)                                                                         \
	pl_look((x), offsetof(struct flow_key, member), sizeof(((struct flow_key *)0)->member))
void pl_look_mask(struct pl_xlate *x, const struct flow_key *mask);
void pl_write(struct pl_xlate *x, size_t ofs, size_t size, const void *value, const void *mask);
/* The group of fields (enum flow_rewritten) of a byte of the key. */
uint32_t pl_group_of(size_t ofs);
/* A value that is known to translation: not for a set op, but after a push or pop. */
void pl_define(struct pl_xlate *x, size_t ofs, size_t size);

/* pl_xlate_tags.c */
void pl_tags_push(struct pl_tags *tags, struct pkt_vlan tag);
void pl_tags_pop(struct pl_tags *tags);
EVS_INLINE bool pl_tags_equal(const struct pl_tags *a, const struct pl_tags *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}
void pl_tags_init(struct pl_pkt *pkt);
/* Makes `want` the packet's tags. Looks at all tags, unless nothing changes. */
void pl_tags_set(struct pl_xlate *x, const struct pl_tags *want);
void pl_tags_commit(struct pl_xlate *x);

/* pl_xlate_commit.c */
void pl_commit_edits(struct pl_xlate *x);

/* pl_normal.c */
void pl_normal(struct pl_xlate *x);
/* pl_xlate_table.c */
/* The pipeline from a table on, with an empty action set. */
void pl_xlate_table(struct pl_xlate *x, unsigned table);
/* A rule's instructions, but meter; then the tables it leads to, or the action set. */
void pl_xlate_code(struct pl_xlate *x, const struct pl_code *code);
/* pl_xlate_action.c */
void pl_actset_write(struct pl_actset *set, const struct of_actions *actions);
void pl_xlate_actset(struct pl_xlate *x, struct pl_actset *set); /* in the order of section 5.10 */
/* An action list in its order. code: whose apply-actions they are, for freezing; NULL: none. */
void pl_xlate_apply(struct pl_xlate *x, const struct of_actions *actions,
                    const struct pl_code *code);
void pl_xlate_controller(struct pl_xlate *x, uint8_t reason, uint16_t max_len);
/* pl_xlate_header.c */
void pl_push_vlan(struct pl_xlate *x, uint16_t tpid);
void pl_pop_vlan(struct pl_xlate *x);
void pl_push_mpls(struct pl_xlate *x, uint16_t eth_type);
void pl_pop_mpls(struct pl_xlate *x, uint16_t eth_type);
void pl_push_pbb(struct pl_xlate *x);
void pl_pop_pbb(struct pl_xlate *x);
void pl_set_field(struct pl_xlate *x, const struct of_action *action);
/* pl_xlate_ttl.c */
void pl_ttl_action(struct pl_xlate *x, const struct of_action *action);
/* pl_xlate_group.c */
void pl_xlate_group(struct pl_xlate *x, uint32_t group_id);
/* pl_recirc.c */
/* Emits RECIRC; what is left of the work waits under its id. */
void pl_freeze(struct pl_xlate *x, const struct pl_code *code, const struct of_actions *rest);
void pl_freeze_list(struct pl_xlate *x, const struct of_action *const *list, unsigned n);
/* Goes on where a packet was frozen. */
void pl_xlate_thaw(struct pl_xlate *x, uint32_t recirc_id);

#endif
