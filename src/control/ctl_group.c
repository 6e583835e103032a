/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods group.* and meter.*. Threads: control.
 */
#include "control/ctl_flow.h"

#include <string.h>

static int group_change(struct ctl_call *call, enum of_group_mod_command command)
{
	const char *text = ctl_param_str(call->params, "text", "");
	struct ctl_bridge *bridge = ctl_flow_bridge(call);
	struct of_text_names names;
	struct of_group_mod mod;
	struct of_arena arena;
	struct of_error of = {0};
	int ret;

	if (!bridge)
		return call->err.code;
	names = ctl_flow_names(bridge, false);
	of_arena_init(&arena);
	ret = of_text_parse_group(text, command, &names, &arena, &mod, &call->err);
	if (ret == 0) {
		ret = pl_group_mod(bridge->pl, &mod, &of);
		if (ret)
			ret = ctl_flow_refused(call, ret, text, of);
	}
	of_arena_fini(&arena);
	return ret ? ret : ctl_flow_in_effect(call);
}

int ctl_group_add(struct ctl_call *call)
{
	return group_change(call, OFPGC_ADD);
}

int ctl_group_mod(struct ctl_call *call)
{
	return group_change(call, OFPGC_MODIFY);
}

int ctl_group_del(struct ctl_call *call)
{
	return group_change(call, OFPGC_DELETE);
}

static int meter_change(struct ctl_call *call, enum of_meter_mod_command command)
{
	const char *text = ctl_param_str(call->params, "text", "");
	struct ctl_bridge *bridge = ctl_flow_bridge(call);
	struct of_meter_mod mod;
	struct of_arena arena;
	struct of_error of = {0};
	int ret;

	if (!bridge)
		return call->err.code;
	of_arena_init(&arena);
	ret = of_text_parse_meter(text, command, &arena, &mod, &call->err);
	if (ret == 0) {
		ret = pl_meter_mod(bridge->pl, &mod, &of);
		if (ret)
			ret = ctl_flow_refused(call, ret, text, of);
	}
	of_arena_fini(&arena);
	return ret ? ret : ctl_flow_in_effect(call);
}

int ctl_meter_add(struct ctl_call *call)
{
	return meter_change(call, OFPMC_ADD);
}

int ctl_meter_mod(struct ctl_call *call)
{
	return meter_change(call, OFPMC_MODIFY);
}

int ctl_meter_del(struct ctl_call *call)
{
	return meter_change(call, OFPMC_DELETE);
}

struct dump {
	json_t *out;
	struct of_text_names names;
	struct of_buf buf;
};

/* The row of an object, by the number under key. */
static json_t *row_of(struct dump *dump, const char *key, uint32_t id)
{
	json_t *row;
	size_t i;

	json_array_foreach (dump->out, i, row) {
		if (ctl_param_uint(row, key, 0) == id)
			return row;
	}
	row = json_pack("{s:I}", key, (json_int_t)id);
	json_array_append_new(dump->out, row);
	return row;
}

static void set_text(struct dump *dump, json_t *row)
{
	const char *text = of_text_string(&dump->buf);

	json_object_set_new(row, "text", json_string(text ? text : ""));
	dump->buf.size = 0;
}

static void set_count(json_t *row, const char *key, uint64_t count)
{
	json_object_set_new(row, key, json_integer((json_int_t)count));
}

static void visit_group(const struct of_group_desc *desc, void *arg)
{
	struct dump *dump = arg;
	json_t *row = json_pack("{s:I}", "group-id", (json_int_t)desc->group_id);

	of_text_group_desc(&dump->buf, desc, &dump->names);
	set_text(dump, row);
	json_array_append_new(dump->out, row);
}

static void visit_group_stats(const struct of_group_stats *stats, void *arg)
{
	json_t *row = row_of(arg, "group-id", stats->group_id), *buckets = json_array();

	set_count(row, "users", stats->ref_count);
	set_count(row, "pkts", stats->packet_count);
	set_count(row, "bytes", stats->byte_count);
	for (uint32_t i = 0; i < stats->n_buckets; i++)
		json_array_append_new(buckets,
		                      json_pack("{s:I, s:I}", "pkts",
		                                (json_int_t)stats->buckets[i].packet_count, "bytes",
		                                (json_int_t)stats->buckets[i].byte_count));
	json_object_set_new(row, "buckets", buckets);
}

int ctl_group_dump(struct ctl_call *call)
{
	struct ctl_bridge *bridge = ctl_flow_bridge(call);
	struct dump dump;

	if (!bridge)
		return call->err.code;
	dump.names = ctl_flow_names(bridge, false);
	dump.out = call->result = json_array();
	of_buf_init(&dump.buf);
	pl_stats_sync();
	pl_group_desc_walk(bridge->pl, visit_group, &dump);
	pl_group_walk(bridge->pl, OFPG_ALL, visit_group_stats, &dump);
	of_buf_fini(&dump.buf);
	return 0;
}

static void visit_meter(const struct of_meter_config *config, void *arg)
{
	struct dump *dump = arg;
	json_t *row = json_pack("{s:I}", "meter-id", (json_int_t)config->meter_id);

	of_text_meter_config(&dump->buf, config);
	set_text(dump, row);
	json_array_append_new(dump->out, row);
}

static void visit_meter_stats(const struct of_meter_stats *stats, void *arg)
{
	json_t *row = row_of(arg, "meter-id", stats->meter_id), *bands = json_array();

	set_count(row, "rules", stats->flow_count);
	set_count(row, "pkts", stats->packet_in_count);
	set_count(row, "bytes", stats->byte_in_count);
	for (uint32_t i = 0; i < stats->n_bands; i++)
		json_array_append_new(bands,
		                      json_pack("{s:I, s:I}", "pkts",
		                                (json_int_t)stats->bands[i].packet_count, "bytes",
		                                (json_int_t)stats->bands[i].byte_count));
	json_object_set_new(row, "bands", bands);
}

int ctl_meter_dump(struct ctl_call *call)
{
	struct ctl_bridge *bridge = ctl_flow_bridge(call);
	struct of_error of = {0};
	struct dump dump;

	if (!bridge)
		return call->err.code;
	dump.out = call->result = json_array();
	of_buf_init(&dump.buf);
	pl_stats_sync();
	pl_meter_config_walk(bridge->pl, OFPM_ALL, visit_meter, &dump, &of);
	pl_meter_walk(bridge->pl, OFPM_ALL, visit_meter_stats, &dump, &of);
	of_buf_fini(&dump.buf);
	return 0;
}
