/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows, groups and meters as people write them: the syntax of ovs-ofctl.
 * Threads: any; no state. Owner: lists of what was parsed live in the arena.
 *
 * Parsing yields the same structs as the wire codec, so that both ways into the tables are one.
 * An error names the column (from 1) and the word: "column 17: unknown field 'nw_srcc'". Fields are
 * those of flow_field.h, actions those of of_action.h; only what has a spelling of its own (mod_*,
 * strip_vlan, enqueue, dl_vlan …) is described here. What checks tables and ports is not done
 * here; whether actions fit the match is (of_insts_check), as an error in words.
 */
#ifndef OF_TEXT_H
#define OF_TEXT_H

#include "openflow/of_msg.h"

/* Names of ports; NULL: only numbers and reserved names. */
struct of_text_names {
	bool (*number)(const char *name, size_t len, uint32_t *port_no, void *arg);
	const char *(*name)(uint32_t port_no, void *arg); /* NULL: print the number */
	void *arg;
};

/* "table=1,priority=10,udp,nw_dst=10.0.0.0/8,actions=output:2". ADD needs actions; DELETE takes
 * none, but out_port=, out_group=; a command with strict has a priority. */
int of_text_parse_flow(const char *text, enum of_flow_mod_command command,
                       const struct of_text_names *names, struct of_arena *arena,
                       struct of_flow_mod *mod, struct evs_error *err);
/* A filter for dumps: match, table=, cookie=V/M, out_port=, out_group=. Empty: everything. */
int of_text_parse_filter(const char *text, const struct of_text_names *names,
                         struct of_flow_request *request, struct evs_error *err);
/* A packet for trace: fields without masks; a keyword (tcp) sets what it stands for. */
int of_text_parse_key(const char *text, const struct of_text_names *names, struct flow_key *key,
                      struct evs_error *err);
/* "group_id=1,type=select,bucket=weight:10,actions=output:2,bucket=…"; DELETE: group_id or empty.
 */
int of_text_parse_group(const char *text, enum of_group_mod_command command,
                        const struct of_text_names *names, struct of_arena *arena,
                        struct of_group_mod *mod, struct evs_error *err);
/* "meter=1,kbps,burst,bands=type=drop,rate=1000,burst_size=100"; DELETE: meter= or empty. */
int of_text_parse_meter(const char *text, enum of_meter_mod_command command, struct of_arena *arena,
                        struct of_meter_mod *mod, struct evs_error *err);

/*
 * Printers append to a buffer; of_text_string() ends it with a zero and returns it (NULL without
 * memory). names may be NULL.
 */
void of_text_printf(struct of_buf *out, const char *fmt, ...) EVS_PRINTF(2, 3);
const char *of_text_string(struct of_buf *out);

/* "udp,nw_dst=10.0.0.0/8"; nothing if everything matches. */
void of_text_match(struct of_buf *out, const struct flow_match *match,
                   const struct of_text_names *names);
void of_text_field_value(struct of_buf *out, const struct flow_field *field, const uint8_t *value,
                         const uint8_t *mask, const struct of_text_names *names);
/* "output:2,goto_table:1", or "drop". */
void of_text_insts(struct of_buf *out, const struct of_insts *insts,
                   const struct of_text_names *names);
void of_text_actions(struct of_buf *out, const struct of_actions *actions,
                     const struct of_text_names *names);
/* As a line of `ovs-ofctl dump-flows`, without a newline. */
void of_text_flow(struct of_buf *out, const struct of_flow_stats *flow,
                  const struct of_text_names *names);
void of_text_group_desc(struct of_buf *out, const struct of_group_desc *desc,
                        const struct of_text_names *names);
void of_text_group_stats(struct of_buf *out, const struct of_group_stats *stats);
void of_text_meter_config(struct of_buf *out, const struct of_meter_config *config);
void of_text_meter_stats(struct of_buf *out, const struct of_meter_stats *stats);
/* "LOCAL", "CONTROLLER", a name, or the number. */
void of_text_port(struct of_buf *out, uint32_t port_no, const struct of_text_names *names);

#endif
