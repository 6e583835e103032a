/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method flow.replace: makes the tables of a bridge what a list says, in one version.
 * Threads: control. Owner: the connection owns the list that it collects.
 *
 * A list may come in many requests of one connection. Each line is read when it comes and kept as
 * the flow-mod that it means, in wire form, a tenth of its decoded size; xid is its line.
 */
#include <stdlib.h>
#include <string.h>

#include "control/ctl_client.h"
#include "control/ctl_rules.h"

#define BYTES_MAX (256u << 20) /* of what all connections collect */

struct ctl_flow_list {
	char *bridge;
	struct of_buf rules;
	size_t at; /* of the next one */
	size_t n_lines;
	uint32_t line; /* of the one before */
	struct of_arena arena;
};

static size_t bytes_collected;

void ctl_flow_list_free(struct ctl_flow_list *list)
{
	if (!list)
		return;
	bytes_collected -= list->rules.size;
	of_buf_fini(&list->rules);
	of_arena_fini(&list->arena);
	free(list->bridge);
	free(list);
}

static struct ctl_flow_list *list_new(const char *bridge)
{
	struct ctl_flow_list *list = calloc(1, sizeof(*list));

	if (!list)
		return NULL;
	of_buf_init(&list->rules);
	of_arena_init(&list->arena);
	list->bridge = strdup(bridge);
	if (list->bridge)
		return list;
	ctl_flow_list_free(list);
	return NULL;
}

/* What the connection has collected for this bridge so far, taken from it; or an empty list. */
static struct ctl_flow_list *list_take(struct ctl_call *call, const char *bridge)
{
	struct ctl_flow_list *list = call->client ? call->client->flow_list : NULL;

	if (!list) {
		list = list_new(bridge);
		if (!list)
			evs_error_set(&call->err, -ENOMEM, "no memory for a list of rules");
		return list;
	}
	if (strcmp(list->bridge, bridge)) {
		evs_error_set(&call->err, -EBUSY,
		              "this connection collects rules for bridge '%s': end that list "
		              "first, or use another connection",
		              list->bridge);
		return NULL;
	}
	call->client->flow_list = NULL;
	return list;
}

static bool is_blank(const char *text)
{
	text += strspn(text, " \t\r\n");
	return *text == '\0' || *text == '#';
}

static int add_line(struct ctl_call *call, struct ctl_flow_list *list, const char *text,
                    const struct of_text_names *names)
{
	struct of_msg msg = {.type = OFPT_FLOW_MOD, .xid = (uint32_t)list->n_lines};
	size_t size = list->rules.size;
	int ret;

	of_arena_reset(&list->arena);
	if (of_text_parse_flow(text, OFPFC_ADD, names, &list->arena, &msg.flow_mod, &call->err))
		return call->err.code;
	ret = of_msg_encode(&msg, &list->rules);
	bytes_collected += list->rules.size - size;
	if (ret == 0 && bytes_collected > BYTES_MAX)
		return evs_error_set(&call->err, -ENOSPC,
		                     "lists of rules take more than %u MB: replace table by table, "
		                     "with ovs-ofctl's add-flows or a controller",
		                     BYTES_MAX >> 20);
	return ret ? evs_error_set(&call->err, ret, "%s", strerror(-ret)) : 0;
}

static int add_lines(struct ctl_call *call, struct ctl_bridge *bridge, struct ctl_flow_list *list)
{
	const json_t *flows = json_object_get(call->params, "flows");
	struct of_text_names names = ctl_rules_names(bridge);

	for (size_t i = 0; i < json_array_size(flows); i++, list->n_lines++) {
		const char *text = json_string_value(json_array_get(flows, i));

		if (!is_blank(text) && add_line(call, list, text, &names))
			return ctl_rules_item_refused(call, "line", list->n_lines, SIZE_MAX);
	}
	return 0;
}

static void rewind_list(void *arg)
{
	((struct ctl_flow_list *)arg)->at = 0;
}

static int next_rule(void *arg, struct of_flow_mod *mod)
{
	struct ctl_flow_list *list = arg;
	const uint8_t *bytes = list->rules.data + list->at;
	struct of_error err;
	struct of_msg msg;
	int ret;

	if (list->at == list->rules.size)
		return 0;
	of_arena_reset(&list->arena);
	ret = of_msg_decode(bytes, of_msg_size(bytes), &list->arena, &msg, &err);
	list->at += of_msg_size(bytes);
	list->line = msg.xid;
	*mod = msg.flow_mod;
	return ret ? ret : 1;
}

static int apply(struct ctl_call *call, struct ctl_bridge *bridge, struct ctl_flow_list *list)
{
	struct pl_flow_source source = {next_rule, rewind_list, list};
	struct of_error why = {0};
	struct pl_replaced done;
	int ret = pl_flow_replace(bridge->pl, &source, &done, &why);

	if (ret) {
		pl_commit(); /* what was taken back */
		ctl_rules_refused(call, ret, why);
		return ctl_rules_item_refused(call, "line", list->line, SIZE_MAX);
	}
	call->result = json_pack("{s:I, s:I, s:I}", "deleted", (json_int_t)done.deleted, "written",
	                         (json_int_t)done.written, "kept", (json_int_t)done.kept);
	return ctl_rules_publish(call);
}

/* More is to come: the connection keeps the list. */
static int keep(struct ctl_call *call, struct ctl_flow_list *list)
{
	if (!call->client)
		return evs_error_set(&call->err, -EINVAL, "a list in parts needs a connection");
	call->client->flow_list = list;
	call->result = json_pack("{s:I}", "lines", (json_int_t)list->n_lines);
	return 0;
}

int ctl_flow_replace(struct ctl_call *call)
{
	struct ctl_bridge *bridge = ctl_rules_bridge(call);
	struct ctl_flow_list *list = bridge ? list_take(call, bridge->name) : NULL;
	bool more = ctl_param_bool(call->params, "more", false);
	int ret;

	if (!list)
		return call->err.code;
	ret = add_lines(call, bridge, list);
	if (ret == 0 && more)
		ret = keep(call, list);
	else if (ret == 0)
		ret = apply(call, bridge, list);
	if (ret || !more)
		ctl_flow_list_free(list);
	return ret;
}
