/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables, rules, groups, meters: what workers read and control writes.
 * Threads: as said at each field and function. Owner: the tables of a bridge; an object that was
 * removed goes when no version, no reader and no cached flow knows it any more.
 *
 * Rules, groups and meters are immutable once published, but for their statistics: changing one
 * means removing it and adding its successor in the same version.
 */
#ifndef PL_OF_PVT_H
#define PL_OF_PVT_H

#include "flow/flow_cls.h"
#include "openflow/of_mods.h"
#include "pipeline/pl_bridge_pvt.h"
#include "pipeline/pl_of.h"
#include "pipeline/pl_slots_pvt.h"
#include "pipeline/pl_xlate_pvt.h"

#define PL_MAX_RULES     (4u << 20) /* of one table */
#define PL_GROUP_BUCKETS 1024       /* hash buckets for groups of a bridge */
#define PL_WALK_CHAINS   8          /* of them in one slice of a walk */
#define PL_MAX_GROUPS    65536
#define PL_MAX_METERS    65536

/* Instructions at rest. */
struct pl_code {
	uint64_t metadata, metadata_mask; /* host order */
	uint32_t set;                     /* enum of_inst */
	uint32_t meter_id;
	uint32_t apply_size, write_size;
	uint32_t goto_table;
	uint32_t zero;
	/* followed by the bytes of apply, then write */
};

EVS_INLINE struct of_actions pl_code_apply(const struct pl_code *code)
{
	return (struct of_actions){(const struct of_action *)(code + 1), code->apply_size};
}

EVS_INLINE struct of_actions pl_code_write(const struct pl_code *code)
{
	return (struct of_actions){
	        (const struct of_action *)((const uint8_t *)(code + 1) + code->apply_size),
	        code->write_size};
}

struct pl_table {
	struct flow_cls cls; /* [ctl w, worker r] */
	struct pl_bridge *bridge;
	uint8_t id;
	/* control only */
	bool is_dirty;  /* changed since the last commit */
	bool is_absent; /* a table-features request took it out of the pipeline */
	uint32_t config;
	uint32_t n_rules;     /* of the next version */
	uint32_t n_published; /* of the published one */
	struct pl_slots slots;
	uint64_t n_lookups, n_matched;
	char name[OF_TABLE_NAME];
	LIST_HEAD(, pl_class) classes; /* of the flows that passed: pl_index_pvt.h */
	uint32_t n_classes;
	TAILQ_ENTRY(pl_table) dirty;
};

struct pl_rule {
	struct pl_code *code; /* constant */
	struct pl_table *table;
	uint64_t cookie;
	/* control only */
	struct pl_rule *successor; /* what it was modified to: counts on there [ctl w, worker r] */
	uint64_t n_pkts, n_bytes;  /* [ctl w, worker w] */
	uint64_t created_ns;
	uint32_t used_ms;
	uint32_t slot; /* in table->slots */
	uint32_t heap; /* place + 1 among those with timeouts; 0: none */
	uint16_t idle_timeout, hard_timeout;
	uint8_t flags;  /* OFPFF_* */
	uint8_t reason; /* OFPRR_* once removed */
	bool notify;    /* a flow-removed message is due */
	bool is_miss;   /* table-miss: no match, priority 0 [worker r], constant */
	struct flow_cls_rule cls;
};
static_assert(sizeof(struct pl_rule) + sizeof(struct pl_code) + 16 <= 250 - 2 * 16, "compact");

struct pl_bucket {
	struct of_actions actions; /* in the group's memory */
	uint32_t weight, watch_port, watch_group;
	uint64_t n_pkts, n_bytes; /* [ctl] */
};

/* Buckets of select groups may watch; with zeroes in both they do not: there is no port 0. */
EVS_INLINE bool pl_bucket_watches(uint32_t port, uint32_t group)
{
	return (port != OFPP_ANY || group != OFPG_ANY) && (port | group);
}

struct pl_group {
	struct pl_group *next; /* of the hash chain [ctl w, worker r] */
	uint64_t added, removed;
	uint32_t id;
	uint8_t type; /* OFPGT_* */
	uint32_t n_buckets;
	struct pl_bucket *buckets; /* in the group's memory */
	/* control only */
	struct pl_bridge *bridge;
	uint64_t n_pkts, n_bytes, created_ns;
	uint32_t n_refs; /* by rules and by buckets of groups */
};

struct pl_meter {
	struct pl_meter *next; /* of the hash chain [ctl w, worker r] */
	uint64_t added, removed;
	uint32_t id;
	struct qos_meter *meter; /* what op METER names */
	/* control only */
	struct pl_bridge *bridge;
	uint16_t flags; /* OFPMF_* */
	uint32_t n_bands;
	uint64_t created_ns;
	uint32_t n_rule_refs;
	struct of_meter_band bands[];
};

struct pl_tables {
	struct pl_bridge *bridge;
	struct pl_table table[PL_MAX_TABLES];
	struct pl_group *groups[PL_GROUP_BUCKETS]; /* [ctl w, worker r] */
	struct pl_meter *meters[PL_GROUP_BUCKETS]; /* [ctl w, worker r] */
	uint32_t n_groups, n_meters;               /* [ctl] */
	struct pl_rule *implicit; /* NORMAL of a standalone bridge, or NULL [ctl] */
};

/* What a cached flow counted since it was asked last. */
struct pl_credit {
	uint64_t pkts, bytes;
	uint32_t used_ms;
};

/* Changes of this version are made in the next one [ctl]. */
EVS_INLINE uint64_t pl_next_version(void)
{
	return pl_version + 1;
}
EVS_INLINE bool pl_exists(uint64_t added, const uint64_t *removed, uint64_t version)
{
	return added <= version && version < evs_load_relaxed(removed);
}

/* A list of pointers that grows [ctl]. */
struct pl_vec {
	void **item;
	uint32_t n, cap;
};
void pl_vec_add(struct pl_vec *vec, void *item);

/* pl_table.c [ctl] */
/* Whether removed rules are being taken apart: their tables and bridges must stay meanwhile. */
bool pl_rules_leave(void);
struct pl_rule *pl_rule_create(struct pl_table *table, const struct of_flow_mod *mod);
int pl_rule_insert(struct pl_rule *rule, const struct flow_match *match, uint16_t priority);
void pl_rule_remove(struct pl_rule *rule, uint8_t reason, bool notify);
EVS_INLINE struct pl_rule *pl_rule_of(const struct flow_cls_rule *cls)
{
	return cls ? evs_container_of(cls, struct pl_rule, cls) : NULL;
}
/* All rules of the next version; visit may remove the rule it is given. */
void pl_rules_each(struct pl_tables *tables, void (*visit)(struct pl_rule *rule, void *arg),
                   void *arg);
/* [worker, ctl] Where a rule counts on after it was changed. */
EVS_INLINE struct pl_rule *pl_rule_latest(struct pl_rule *rule)
{
	struct pl_rule *next;

	while ((next = evs_load_acquire(&rule->successor)))
		rule = next;
	return rule;
}
/* The pending change of the next version: what goes with it. */
void pl_pending_group(struct pl_group *removed);
void pl_pending_meter(struct pl_meter *removed);
void pl_pending_touch(void); /* something else changed */
EVS_INLINE struct pl_table *pl_table_at(struct pl_bridge *bridge, unsigned id)
{
	return &bridge->tables->table[id];
}

/* pl_flow_mods.c [ctl]: notes for taking back what a list of flow-mods did. end: unless it is to be
 * kept, it is taken back. */
void pl_journal_begin(void);
void pl_journal_end(bool keep);
void pl_journal_insert(struct pl_rule *rule);
void pl_journal_remove(struct pl_rule *rule);

/* pl_code.c [ctl] */
struct pl_code *pl_code_create(const struct of_insts *insts);
void pl_code_insts(const struct pl_code *code, struct of_insts *insts);
bool pl_code_has_output(const struct pl_code *code, uint32_t port, uint32_t group);
/* Counts uses of groups by a list of actions up or down. */
void pl_actions_count(struct pl_bridge *bridge, const struct of_actions *actions, int by);
/* Counts the rule's uses of groups and meters up or down. */
void pl_code_count(struct pl_bridge *bridge, const struct pl_code *code, int by);
int pl_check_insts(struct pl_bridge *bridge, uint8_t table_id, const struct of_flow_mod *mod,
                   struct of_error *err);
int pl_check_actions(struct pl_bridge *bridge, const struct of_actions *actions, bool is_packet_out,
                     struct of_error *err);

/* pl_timeout.c [ctl] */
void pl_timeout_add(struct pl_rule *rule);
void pl_timeout_del(struct pl_rule *rule);
void pl_timeout_run(uint32_t now_ms);

/* pl_added.c [ctl] */
void pl_added_collect(struct pl_rule *rule);
void pl_added_commit(uint64_t seq); /* what was collected belongs to pass `seq` */
bool pl_added_step(uint64_t seq);   /* dooms flows for some of them; false: that was the end */

/* pl_group.c */
struct pl_group *pl_group_lookup(const struct pl_tables *tables, uint32_t id,
                                 uint64_t version); /* [worker, ctl] */
void pl_group_free(struct pl_group *group);         /* [ctl] out of every chain */
void pl_group_unlink(struct pl_group *group);       /* [ctl] */
void pl_groups_clear(struct pl_tables *tables);     /* [ctl] all, in the next version */
/* pl_meter.c */
struct pl_meter *pl_meter_lookup(const struct pl_tables *tables, uint32_t id,
                                 uint64_t version); /* [worker, ctl] */
void pl_meter_free(struct pl_meter *meter);         /* [ctl] */
void pl_meter_unlink(struct pl_meter *meter);       /* [ctl] */
void pl_meters_clear(struct pl_tables *tables);     /* [ctl] all, in the next version */
/* pl_recirc.c */
void pl_recirc_tick(uint32_t now_ms);               /* [ctl] */
void pl_recirc_used(uint32_t id, uint32_t used_ms); /* [ctl] a flow that uses it is in use */

void pl_recirc_forget(uint32_t bridge); /* [ctl] the bridge is gone */

/* [ctl] Dooms the flows that refer to some of what was removed up to pass `seq`; false: that was
 * the end. */
bool pl_removed_step(uint64_t seq);
void pl_of_credit(const struct flow_ref *ref, const struct pl_credit *credit); /* [worker, ctl] */
void pl_of_tick(uint32_t now_ms);                                              /* [ctl] */

#endif
