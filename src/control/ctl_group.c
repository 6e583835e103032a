/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods group.*. Threads: control.
 */
#include "control/ctl_rules.h"

static int change(struct ctl_call *call, enum of_group_mod_command command)
{
	struct ctl_bridge *bridge = ctl_rules_bridge(call);
	const char *text = ctl_param_str(call->params, "text", "");
	struct of_error why = {0};
	struct of_text_names names;
	struct of_group_mod mod;
	struct of_arena arena;
	int ret;

	if (!bridge)
		return call->err.code;
	names = ctl_rules_names(bridge);
	of_arena_init(&arena);
	ret = of_text_parse_group(text, command, &names, &arena, &mod, &call->err);
	if (ret == 0) {
		ret = pl_group_mod(bridge->pl, &mod, &why);
		if (ret != 0)
			ret = ctl_rules_refused(call, ret, why);
	}
	of_arena_fini(&arena);
	return ret ? ret : ctl_rules_publish(call);
}

int ctl_group_add(struct ctl_call *call)
{
	return change(call, OFPGC_ADD);
}

int ctl_group_mod(struct ctl_call *call)
{
	return change(call, OFPGC_MODIFY);
}

int ctl_group_del(struct ctl_call *call)
{
	return change(call, OFPGC_DELETE);
}

struct dump {
	struct ctl_bridge *bridge;
	const struct of_text_names *names;
	uint64_t only; /* UINT64_MAX: all */
	struct of_buf buf;
	json_t *out, *row;
	const struct of_group_desc *desc;
};

static json_t *show_bucket(struct dump *dump, const struct of_bucket *b,
                           const struct of_bucket_counter *counter)
{
	json_t *out;

	of_text_actions(&dump->buf, &b->actions, dump->names);
	out = json_pack("{s:o, s:i, s:I, s:I}", "actions", ctl_rules_text(&dump->buf), "weight",
	                (int)b->weight, "pkts", (json_int_t)counter->packet_count, "bytes",
	                (json_int_t)counter->byte_count);
	if (b->watch_port != OFPP_ANY) {
		of_text_port(&dump->buf, b->watch_port, dump->names);
		json_object_set_new(out, "watch-port", ctl_rules_text(&dump->buf));
	}
	if (b->watch_group != OFPG_ANY)
		json_object_set_new(out, "watch-group", json_integer(b->watch_group));
	return out;
}

static void visit_stats(const struct of_group_stats *stats, void *arg)
{
	struct dump *dump = arg;
	json_t *buckets = json_array(), *row = dump->row;

	json_object_set_new(row, "pkts", json_integer((json_int_t)stats->packet_count));
	json_object_set_new(row, "bytes", json_integer((json_int_t)stats->byte_count));
	json_object_set_new(row, "users", json_integer(stats->ref_count));
	json_object_set_new(row, "age",
	                    ctl_rules_seconds(stats->duration_sec, stats->duration_nsec));
	for (uint32_t i = 0; i < stats->n_buckets && i < dump->desc->n_buckets; i++)
		json_array_append_new(
		        buckets, show_bucket(dump, &dump->desc->buckets[i], &stats->buckets[i]));
	json_object_set_new(row, "buckets", buckets);
	of_text_group_desc(&dump->buf, dump->desc, dump->names);
	of_text_printf(&dump->buf, "\n  ");
	of_text_group_stats(&dump->buf, stats);
	json_object_set_new(row, "text", ctl_rules_text(&dump->buf));
}

static void visit_desc(const struct of_group_desc *desc, void *arg)
{
	static const char *const types[OF_N_GROUP_TYPES] = {"all", "select", "indirect", "ff"};
	struct dump *dump = arg;
	uint32_t cursor = 0;

	if (dump->only != UINT64_MAX && dump->only != desc->group_id)
		return;
	dump->row = json_pack("{s:I, s:s}", "group-id", (json_int_t)desc->group_id, "type",
	                      types[desc->type % OF_N_GROUP_TYPES]);
	dump->desc = desc;
	pl_group_walk(dump->bridge->pl, desc->group_id, &cursor, visit_stats, dump);
	json_array_append_new(dump->out, dump->row);
}

int ctl_group_dump(struct ctl_call *call)
{
	struct dump dump = {.bridge = ctl_rules_bridge(call)};
	struct of_text_names names;
	uint32_t cursor = 0;

	if (!dump.bridge)
		return call->err.code;
	names = ctl_rules_names(dump.bridge);
	dump.names = ctl_rules_print_names(call, &names);
	dump.only = ctl_param_uint(call->params, "group", UINT64_MAX);
	dump.out = call->result = json_array();
	of_buf_init(&dump.buf);
	pl_stats_sync();
	while (pl_group_desc_walk(dump.bridge->pl, &cursor, visit_desc, &dump))
		;
	of_buf_fini(&dump.buf);
	if (dump.only != UINT64_MAX && json_array_size(call->result) == 0)
		return evs_error_set(&call->err, -ENOENT,
		                     "bridge '%s' has no group %u: 'evsctl group dump %s' lists "
		                     "them",
		                     dump.bridge->name, (unsigned)dump.only, dump.bridge->name);
	return 0;
}
