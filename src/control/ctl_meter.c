/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods meter.*. Threads: control.
 */
#include "control/ctl_rules.h"

static int change(struct ctl_call *call, enum of_meter_mod_command command)
{
	struct ctl_bridge *bridge = ctl_rules_bridge(call);
	const char *text = ctl_param_str(call->params, "text", "");
	struct of_error why = {0};
	struct of_meter_mod mod;
	struct of_arena arena;
	int ret;

	if (!bridge)
		return call->err.code;
	of_arena_init(&arena);
	ret = of_text_parse_meter(text, command, &arena, &mod, &call->err);
	if (ret == 0) {
		ret = pl_meter_mod(bridge->pl, &mod, &why);
		if (ret != 0)
			ret = ctl_rules_refused(call, ret, why);
	}
	of_arena_fini(&arena);
	return ret ? ret : ctl_rules_publish(call);
}

int ctl_meter_add(struct ctl_call *call)
{
	return change(call, OFPMC_ADD);
}

int ctl_meter_mod(struct ctl_call *call)
{
	return change(call, OFPMC_MODIFY);
}

int ctl_meter_del(struct ctl_call *call)
{
	return change(call, OFPMC_DELETE);
}

struct dump {
	struct ctl_bridge *bridge;
	struct of_buf buf;
	json_t *out, *row;
	const struct of_meter_config *config;
};

static json_t *show_band(const struct of_meter_band *band, const struct of_band_counter *counter)
{
	json_t *out = json_pack("{s:s, s:I, s:I, s:I, s:I}", "type",
	                        band->type == OFPMBT_DROP ? "drop" : "dscp_remark", "rate",
	                        (json_int_t)band->rate, "burst-size", (json_int_t)band->burst_size,
	                        "pkts", (json_int_t)counter->packet_count, "bytes",
	                        (json_int_t)counter->byte_count);

	if (band->type == OFPMBT_DSCP_REMARK)
		json_object_set_new(out, "prec-level", json_integer(band->prec_level));
	return out;
}

static void visit_stats(const struct of_meter_stats *stats, void *arg)
{
	struct dump *dump = arg;
	json_t *bands = json_array(), *row = dump->row;

	json_object_set_new(row, "rules", json_integer(stats->flow_count));
	json_object_set_new(row, "pkts", json_integer((json_int_t)stats->packet_in_count));
	json_object_set_new(row, "bytes", json_integer((json_int_t)stats->byte_in_count));
	json_object_set_new(row, "age",
	                    ctl_rules_seconds(stats->duration_sec, stats->duration_nsec));
	for (uint32_t i = 0; i < stats->n_bands && i < dump->config->n_bands; i++)
		json_array_append_new(bands, show_band(&dump->config->bands[i], &stats->bands[i]));
	json_object_set_new(row, "bands", bands);
	of_text_meter_config(&dump->buf, dump->config);
	of_text_printf(&dump->buf, "\n  ");
	of_text_meter_stats(&dump->buf, stats);
	json_object_set_new(row, "text", ctl_rules_text(&dump->buf));
}

static void visit_config(const struct of_meter_config *config, void *arg)
{
	struct dump *dump = arg;
	uint32_t cursor = 0;

	dump->row = json_pack("{s:I, s:s, s:b}", "meter-id", (json_int_t)config->meter_id, "unit",
	                      config->flags & OFPMF_PKTPS ? "pktps" : "kbps", "burst",
	                      !!(config->flags & OFPMF_BURST));
	dump->config = config;
	pl_meter_walk(dump->bridge->pl, config->meter_id, &cursor, visit_stats, dump);
	json_array_append_new(dump->out, dump->row);
}

int ctl_meter_dump(struct ctl_call *call)
{
	struct dump dump = {.bridge = ctl_rules_bridge(call)};
	uint32_t only = (uint32_t)ctl_param_uint(call->params, "meter", OFPM_ALL);
	struct of_error why = {0};
	uint32_t cursor = 0;
	int ret;

	if (!dump.bridge)
		return call->err.code;
	dump.out = call->result = json_array();
	of_buf_init(&dump.buf);
	pl_stats_sync();
	ret = pl_meter_known(dump.bridge->pl, only, &why);
	while (!ret && pl_meter_config_walk(dump.bridge->pl, only, &cursor, visit_config, &dump))
		;
	of_buf_fini(&dump.buf);
	return ret ? ctl_rules_refused(call, ret, why) : 0;
}
