/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the methods of rules, groups and meters share. Threads: control.
 *
 * A change is answered when pl_barrier says so: no packet that comes after the answer meets an
 * older rule. Rules are not part of the saved configuration: who makes them, a controller or a
 * script, makes them again.
 */
#ifndef CTL_RULES_H
#define CTL_RULES_H

#include "control/ctl_net.h"
#include "openflow/of_text.h"
#include "pipeline/pl_of.h"

/* The bridge of params; NULL with call->err. */
struct ctl_bridge *ctl_rules_bridge(struct ctl_call *call);
/* Names of a bridge's ports, for parsing; for printing too if `names=on`. */
struct of_text_names ctl_rules_names(struct ctl_bridge *bridge);
/* NULL unless call has names=on. */
const struct of_text_names *ctl_rules_print_names(const struct ctl_call *call,
                                                  const struct of_text_names *names);

/* call->err from what the pipeline said: a sentence, the specification's name, an errno. */
int ctl_rules_refused(struct ctl_call *call, int ret, struct of_error why);
/* The same for item `at` of a list of n: data.index and the text say which. what: "flow". */
int ctl_rules_item_refused(struct ctl_call *call, const char *what, size_t at, size_t n);
/* Publishes what was changed; the call ends after the barrier. Returns CTL_PENDING. */
int ctl_rules_publish(struct ctl_call *call);

/* Text of a printer as a JSON string; empties the buffer. */
json_t *ctl_rules_text(struct of_buf *out);
/* {"nw_dst": "10.0.0.0/8", …} */
json_t *ctl_rules_fields(const struct flow_match *match, const struct of_text_names *names);
json_t *ctl_rules_seconds(uint32_t sec, uint32_t nsec);

/* Tells the subscribers of "flow-removed". */
void ctl_flow_removed(struct ctl_bridge *bridge, const struct of_flow_removed *removed);

#endif
