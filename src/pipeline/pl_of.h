/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenFlow side of the pipeline: tables, groups, meters of a bridge, as messages change and ask
 * for them; packet-out; trace.
 * Threads: control. Owner: what a message points to is copied; what a visitor is given is valid
 * during the call.
 *
 * Every function that changes something checks everything first: it applies the message wholly, or
 * returns -EPROTO with the specification's error (-ENOMEM without memory). Changes are seen by
 * workers after pl_commit, by these functions at once.
 */
#ifndef PL_OF_H
#define PL_OF_H

#include "openflow/of_mods.h"
#include "openflow/of_multipart.h"
#include "openflow/of_msg.h"
#include "pipeline/pl.h"

/* Called on the control thread for each rule with OFPFF_SEND_FLOW_REM that goes, with final
 * counters, hence some time after pl_commit; the match is in msg. */
typedef void pl_flow_removed_fn(struct pl_bridge *bridge, const struct of_flow_removed *msg,
                                void *arg);
void pl_on_flow_removed(pl_flow_removed_fn *fn, void *arg);

int pl_flow_mod(struct pl_bridge *bridge, const struct of_flow_mod *mod, struct of_error *err);
/* A list of them, in order, wholly or not at all: if one is refused, what those before it did is
 * taken back and *failed is its index. */
int pl_flow_mods(struct pl_bridge *bridge, const struct of_flow_mod *mods, uint32_t n,
                 uint32_t *failed, struct of_error *err);
/* The rules of all tables become those of a list, wholly or not at all; rules that are the same
 * keep their counters and cached flows. The list is read twice. next: 1 with the next rule, 0 at
 * the end, or a negative errno; of equal rules the last one remains. */
struct pl_flow_source {
	int (*next)(void *arg, struct of_flow_mod *mod);
	void (*rewind)(void *arg);
	void *arg;
};
struct pl_replaced {
	uint32_t deleted, written, kept;
};
int pl_flow_replace(struct pl_bridge *bridge, const struct pl_flow_source *source,
                    struct pl_replaced *done, struct of_error *err);
int pl_group_mod(struct pl_bridge *bridge, const struct of_group_mod *mod, struct of_error *err);
int pl_meter_mod(struct pl_bridge *bridge, const struct of_meter_mod *mod, struct of_error *err);
int pl_table_mod(struct pl_bridge *bridge, const struct of_table_mod *mod, struct of_error *err);

/* Whether there is such a table: one of 0 to 253 that no table-features request took away. */
bool pl_table_exists(struct pl_bridge *bridge, unsigned table_id);
/* What table `table_id` can do. */
void pl_table_features(struct pl_bridge *bridge, uint8_t table_id,
                       struct of_table_features *features);
/* A request with elements: they are the tables from now on, under the names that it gives them.
 * Other tables leave the pipeline with their rules, and with rules that lead there, of which no
 * flow-removed tells. What asks for abilities that tables do not have is refused as a whole. */
int pl_table_features_set(struct pl_bridge *bridge, const struct of_table_features *list,
                          uint32_t n, struct of_error *err);
void pl_table_stats(struct pl_bridge *bridge, uint8_t table_id, struct of_table_stats *stats);

/*
 * Rules with their statistics, some at a time, so that a million of them does not stall others.
 * Start with a zeroed cursor; false: that was the end. A rule that is added meanwhile may be
 * missed. Call pl_stats_sync before for figures of now. request->table_id may be OFPTT_ALL.
 */
struct pl_flow_cursor {
	uint32_t table;
	uint32_t slot;
};
bool pl_flow_walk(struct pl_bridge *bridge, const struct of_flow_request *request,
                  struct pl_flow_cursor *cursor, unsigned max,
                  void (*visit)(const struct of_flow_stats *stats, void *arg), void *arg);

/*
 * Groups and meters with their statistics, some chains of their tables at a time: start with
 * *cursor 0; false: that was the end. group_id may be OFPG_ALL, meter_id OFPM_ALL. An unknown group
 * visits nothing; whether a meter is known tells pl_meter_known.
 */
bool pl_group_walk(struct pl_bridge *bridge, uint32_t group_id, uint32_t *cursor,
                   void (*visit)(const struct of_group_stats *stats, void *arg), void *arg);
bool pl_group_desc_walk(struct pl_bridge *bridge, uint32_t *cursor,
                        void (*visit)(const struct of_group_desc *desc, void *arg), void *arg);
void pl_group_features(struct of_group_features *features);
/* 0, or -EPROTO with OFPMMFC_UNKNOWN_METER. */
int pl_meter_known(struct pl_bridge *bridge, uint32_t meter_id, struct of_error *err);
bool pl_meter_walk(struct pl_bridge *bridge, uint32_t meter_id, uint32_t *cursor,
                   void (*visit)(const struct of_meter_stats *stats, void *arg), void *arg);
bool pl_meter_config_walk(struct pl_bridge *bridge, uint32_t meter_id, uint32_t *cursor,
                          void (*visit)(const struct of_meter_config *config, void *arg),
                          void *arg);
void pl_meter_features(struct of_meter_features *features);

/*
 * Packet-out: the program for this packet; run it with pmd_inject. key: as parsed (pkt_parse_one),
 * with its in_port set here. msg->in_port may be OFPP_CONTROLLER or OFPP_ANY.
 */
struct pl_injection {
	uint16_t in_port; /* the datapath's number; PKT_PORT_NONE if msg->in_port has none */
	struct flow_prog_builder prog;
};
int pl_packet_out(struct pl_bridge *bridge, const struct of_packet_out *msg, struct pkt_key *key,
                  struct pl_injection *injection, struct of_error *err);

/* Trace: what would happen to the packet now (uncommitted changes not seen), line by line, indented
 * by two spaces a level. key->pipe.in_port is the OpenFlow number; with a recirculation id it goes
 * on where RECIRC left it. *prog (may be NULL): what the worker would run. */
void pl_trace(struct pl_bridge *bridge, const struct flow_key *key,
              void (*line)(const char *text, void *arg), void *arg, struct flow_prog_builder *prog);

#endif
