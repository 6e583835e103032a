/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method flow.dump: rules with their statistics, some thousand at a time. Threads: control.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/ctl_rules.h"

#define SLICE_RULES 2048

/* A dump under way. It knows its bridge by name: that may go between two slices. */
struct dump {
	struct ctl_call *call;
	struct of_flow_request request;
	struct pl_flow_cursor cursor;
	struct of_text_names names;
	const struct of_text_names *print_names;
	struct of_buf buf;
	size_t limit;
};

static void visit(const struct of_flow_stats *stats, void *arg)
{
	struct dump *dump = arg;
	json_t *row;

	if (json_array_size(dump->call->result) >= dump->limit)
		return;
	row = json_pack("{s:i, s:i, s:I, s:I, s:i, s:i}", "table", (int)stats->table_id, "priority",
	                (int)stats->priority, "pkts", (json_int_t)stats->packet_count, "bytes",
	                (json_int_t)stats->byte_count, "idle-timeout", (int)stats->idle_timeout,
	                "hard-timeout", (int)stats->hard_timeout);
	json_object_set_new(row, "age",
	                    ctl_rules_seconds(stats->duration_sec, stats->duration_nsec));
	of_text_printf(&dump->buf, "0x%" PRIx64, stats->cookie);
	json_object_set_new(row, "cookie", ctl_rules_text(&dump->buf));
	of_text_match(&dump->buf, &stats->match, dump->print_names);
	json_object_set_new(row, "match", ctl_rules_text(&dump->buf));
	json_object_set_new(row, "fields", ctl_rules_fields(&stats->match, dump->print_names));
	of_text_insts(&dump->buf, &stats->insts, dump->print_names);
	json_object_set_new(row, "actions", ctl_rules_text(&dump->buf));
	of_text_flow(&dump->buf, stats, dump->print_names);
	json_object_set_new(row, "text", ctl_rules_text(&dump->buf));
	json_array_append_new(dump->call->result, row);
}

static void dump_end(struct dump *dump, int ret)
{
	struct ctl_call *call = dump->call;

	of_buf_fini(&dump->buf);
	free(dump);
	ctl_call_finish(call, ret);
}

static void dump_step(void *arg)
{
	struct dump *dump = arg;
	struct ctl_bridge *bridge = ctl_rules_bridge(dump->call);

	if (!bridge) {
		dump_end(dump, dump->call->err.code);
		return;
	}
	dump->names = ctl_rules_names(bridge);
	if (pl_flow_walk(bridge->pl, &dump->request, &dump->cursor, SLICE_RULES, visit, dump) &&
	    json_array_size(dump->call->result) < dump->limit)
		evs_rcu_call(dump_step, dump); /* others have their turn */
	else
		dump_end(dump, 0);
}

int ctl_flow_dump(struct ctl_call *call)
{
	struct ctl_bridge *bridge = ctl_rules_bridge(call);
	const char *filter = ctl_param_str(call->params, "filter", "");
	struct dump *dump;

	if (!bridge)
		return call->err.code;
	dump = calloc(1, sizeof(*dump));
	if (!dump)
		return -ENOMEM;
	dump->names = ctl_rules_names(bridge);
	if (of_text_parse_filter(filter, &dump->names, &dump->request, &call->err)) {
		free(dump);
		return call->err.code;
	}
	dump->call = call;
	dump->limit = ctl_param_uint(call->params, "limit", SIZE_MAX);
	dump->print_names = ctl_rules_print_names(call, &dump->names);
	of_buf_init(&dump->buf);
	call->result = json_array();
	pl_stats_sync();
	dump_step(dump);
	return CTL_PENDING;
}
