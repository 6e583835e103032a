/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the methods of rules, groups, meters and trace share. Threads: control.
 */
#ifndef CTL_FLOW_H
#define CTL_FLOW_H

#include "control/ctl_net.h"
#include "openflow/of_text.h"
#include "pipeline/pl_of.h"

/* The bridge that a call names; NULL with call->err. */
struct ctl_bridge *ctl_flow_bridge(struct ctl_call *call);
/* Names of the bridge's ports, for the text parser; with_names: for the printer, too. */
struct of_text_names ctl_flow_names(const struct ctl_bridge *bridge, bool with_names);
/* What the pipeline refused, as a sentence. Returns ret. */
int ctl_flow_refused(struct ctl_call *call, int ret, const char *what, struct of_error of);
/* Publishes, and answers the call once no packet meets the older state. */
int ctl_flow_in_effect(struct ctl_call *call);

#endif
