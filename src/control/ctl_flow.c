/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods flow.add, flow.mod, flow.del, and the news of rules that went. Threads: control.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "control/ctl_rules.h"

static int parse_list(struct ctl_call *call, struct ctl_bridge *bridge,
                      enum of_flow_mod_command command, struct of_arena *arena,
                      struct of_flow_mod *mods)
{
	const json_t *flows = json_object_get(call->params, "flows");
	struct of_text_names names = ctl_rules_names(bridge);
	size_t n = json_array_size(flows);

	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(flows, i));

		if (of_text_parse_flow(text, command, &names, arena, &mods[i], &call->err))
			return ctl_rules_item_refused(call, "flow", i, n);
	}
	return 0;
}

/* Applies all or nothing; the answer follows the barrier. */
static int change(struct ctl_call *call, enum of_flow_mod_command command)
{
	struct ctl_bridge *bridge = ctl_rules_bridge(call);
	size_t n = json_array_size(json_object_get(call->params, "flows"));
	struct of_error why = {0};
	struct of_flow_mod *mods;
	struct of_arena arena;
	uint32_t failed = 0;
	int ret;

	if (!bridge)
		return call->err.code;
	mods = calloc(n, sizeof(*mods));
	if (!mods)
		return -ENOMEM;
	of_arena_init(&arena);
	ret = parse_list(call, bridge, command, &arena, mods);
	if (ret == 0) {
		ret = pl_flow_mods(bridge->pl, mods, (uint32_t)n, &failed, &why);
		if (ret != 0) {
			ctl_rules_refused(call, ret, why);
			ret = ctl_rules_item_refused(call, "flow", failed, n);
			pl_commit();
		}
	}
	of_arena_fini(&arena);
	free(mods);
	return ret ? ret : ctl_rules_publish(call);
}

int ctl_flow_add(struct ctl_call *call)
{
	return change(call, OFPFC_ADD);
}

int ctl_flow_mod(struct ctl_call *call)
{
	bool strict = ctl_param_bool(call->params, "strict", false);

	return change(call, strict ? OFPFC_MODIFY_STRICT : OFPFC_MODIFY);
}

int ctl_flow_del(struct ctl_call *call)
{
	bool strict = ctl_param_bool(call->params, "strict", false);

	if (!json_object_get(call->params, "flows")) {
		if (strict)
			return evs_error_set(&call->err, -EINVAL,
			                     "strict=on deletes one rule: say which, with its "
			                     "priority and match");
		json_object_set_new(call->params, "flows", json_pack("[s]", ""));
	}
	return change(call, strict ? OFPFC_DELETE_STRICT : OFPFC_DELETE);
}

void ctl_flow_removed(struct ctl_bridge *bridge, const struct of_flow_removed *removed)
{
	static const char *const reasons[] = {
	        [OFPRR_IDLE_TIMEOUT] = "idle-timeout",
	        [OFPRR_HARD_TIMEOUT] = "hard-timeout",
	        [OFPRR_DELETE] = "delete",
	        [OFPRR_GROUP_DELETE] = "group-delete",
	};
	struct of_buf buf;
	json_t *news;

	if (!ctl_notify_wanted("flow-removed"))
		return;
	of_buf_init(&buf);
	of_text_match(&buf, &removed->match, NULL);
	news = json_pack("{s:s, s:s, s:i, s:i, s:o, s:I, s:I}", "bridge", bridge->name, "reason",
	                 removed->reason < EVS_ARRAY_LEN(reasons) ? reasons[removed->reason] : "?",
	                 "table", (int)removed->table_id, "priority", (int)removed->priority,
	                 "match", ctl_rules_text(&buf), "pkts", (json_int_t)removed->packet_count,
	                 "bytes", (json_int_t)removed->byte_count);
	of_text_printf(&buf, "0x%" PRIx64, removed->cookie);
	json_object_set_new(news, "cookie", ctl_rules_text(&buf));
	json_object_set_new(news, "age",
	                    ctl_rules_seconds(removed->duration_sec, removed->duration_nsec));
	of_buf_fini(&buf);
	ctl_notify("flow-removed", news);
}
