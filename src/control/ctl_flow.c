/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods flow.*: rules as text. Threads: control.
 */
#include "control/ctl_flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_LIMIT 10000

struct ctl_bridge *ctl_flow_bridge(struct ctl_call *call)
{
	return ctl_bridge_lookup(ctl_param_str(call->params, "bridge", ""), &call->err);
}

static bool port_number(const char *name, size_t len, uint32_t *port_no, void *arg)
{
	const struct ctl_bridge *bridge = arg;
	const struct ctl_port *port;

	TAILQ_FOREACH (port, &bridge->ports, link) {
		if (strlen(port->name) == len && !memcmp(port->name, name, len)) {
			*port_no = pl_port_ofport(port->pl);
			return true;
		}
	}
	return false;
}

static const char *port_name(uint32_t port_no, void *arg)
{
	const struct ctl_bridge *bridge = arg;
	const struct pl_port *port = pl_port_by_ofport(bridge->pl, port_no);

	return port ? pl_port_name(port) : NULL;
}

struct of_text_names ctl_flow_names(const struct ctl_bridge *bridge, bool with_names)
{
	return (struct of_text_names){.number = port_number,
	                              .name = with_names ? port_name : NULL,
	                              .arg = (void *)(uintptr_t)bridge};
}

int ctl_flow_refused(struct ctl_call *call, int ret, const char *what, struct of_error of)
{
	if (ret == -EPROTO)
		return evs_error_set(&call->err, -EINVAL, "'%.200s' is refused: %s", what,
		                     of_error_name(of));
	return evs_error_set(&call->err, ret, "'%.200s': %s", what, strerror(-ret));
}

static void in_effect(void *arg)
{
	ctl_call_finish(arg, 0);
}

int ctl_flow_in_effect(struct ctl_call *call)
{
	pl_commit();
	pl_barrier(in_effect, call);
	return CTL_PENDING;
}

/* ---- changes ---- */

struct batch {
	struct ctl_bridge *bridge;
	struct of_text_names names;
	struct of_arena arena;
	struct of_flow_mod *mods;
	const char **texts;
	size_t n;
};

static int batch_init(struct batch *batch, struct ctl_call *call, size_t n)
{
	memset(batch, 0, sizeof(*batch));
	batch->bridge = ctl_flow_bridge(call);
	if (!batch->bridge)
		return call->err.code;
	batch->names = ctl_flow_names(batch->bridge, false);
	of_arena_init(&batch->arena);
	batch->mods = calloc(n + 1, sizeof(*batch->mods));
	batch->texts = calloc(n + 1, sizeof(*batch->texts));
	return batch->mods && batch->texts ? 0 : -ENOMEM;
}

static void batch_fini(struct batch *batch)
{
	of_arena_fini(&batch->arena);
	free(batch->mods);
	free(batch->texts);
}

static int batch_add(struct batch *batch, const char *text, enum of_flow_mod_command command,
                     struct evs_error *err)
{
	int ret = of_text_parse_flow(text, command, &batch->names, &batch->arena,
	                             &batch->mods[batch->n], err);

	if (ret)
		return evs_error_prefix(err, "'%.120s'", text);
	batch->texts[batch->n++] = text;
	return 0;
}

/* All were parsed before the first is applied, so what is left to refuse is rare. */
static int batch_apply(struct batch *batch, struct ctl_call *call)
{
	struct of_error of = {0};

	for (size_t i = 0; i < batch->n; i++) {
		int ret = pl_flow_mod(batch->bridge->pl, &batch->mods[i], &of);

		if (ret == 0)
			continue;
		pl_commit();
		ctl_flow_refused(call, ret, batch->texts[i], of);
		if (i)
			evs_error_prefix(&call->err, "the first %zu were applied, but", i);
		return call->err.code;
	}
	return 0;
}

static int change(struct ctl_call *call, enum of_flow_mod_command command)
{
	json_t *texts = json_object_get(call->params, "flows"), *text;
	struct batch batch;
	size_t i;
	int ret = batch_init(&batch, call, json_array_size(texts));

	json_array_foreach (texts, i, text) {
		if (ret == 0)
			ret = batch_add(&batch, json_string_value(text), command, &call->err);
	}
	if (ret == 0 && !texts)
		ret = batch_add(&batch, "", command, &call->err);
	if (ret == 0)
		ret = batch_apply(&batch, call);
	if (batch.bridge)
		batch_fini(&batch);
	return ret ? ret : ctl_flow_in_effect(call);
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

	return change(call, strict ? OFPFC_DELETE_STRICT : OFPFC_DELETE);
}

/* ---- replace ---- */

/* "table priority match": what makes two rules one. */
static const char *rule_key(struct of_buf *buf, uint8_t table, uint16_t priority,
                            const struct flow_match *match)
{
	buf->size = 0;
	of_text_printf(buf, "%u %u ", table, priority);
	of_text_match(buf, match, NULL);
	return of_text_string(buf);
}

/* What else a rule says. */
static const char *rule_rest(struct of_buf *buf, const struct of_flow_stats *rule)
{
	buf->size = 0;
	of_text_printf(buf, "%llx %u %u %x ", (unsigned long long)rule->cookie, rule->idle_timeout,
	               rule->hard_timeout, rule->flags);
	of_text_insts(buf, &rule->insts, NULL);
	return of_text_string(buf);
}

struct replace {
	struct ctl_bridge *bridge;
	json_t *old; /* key -> rest of the rules that are there; what stays or changes is removed */
	struct of_buf key, rest;
};

static void visit_old(const struct of_flow_stats *rule, void *arg)
{
	struct replace *r = arg;
	const char *key = rule_key(&r->key, rule->table_id, rule->priority, &rule->match);
	const char *rest = rule_rest(&r->rest, rule);

	if (key && rest)
		json_object_set_new(r->old, key,
		                    json_pack("{s:s, s:i, s:i}", "rest", rest, "table",
		                              rule->table_id, "priority", rule->priority));
}

/* Is just this rule there already? */
static bool unchanged(struct replace *r, const struct of_flow_mod *mod)
{
	struct of_flow_stats wanted = {.cookie = mod->cookie,
	                               .idle_timeout = mod->idle_timeout,
	                               .hard_timeout = mod->hard_timeout,
	                               .flags = mod->flags,
	                               .insts = mod->insts};
	uint8_t table = mod->table_id == OFPTT_ALL ? 0 : mod->table_id;
	const char *key = rule_key(&r->key, table, mod->priority, &mod->match);
	const json_t *old = key ? json_object_get(r->old, key) : NULL;
	const char *rest = old ? rule_rest(&r->rest, &wanted) : NULL;
	bool same = rest && !strcmp(rest, ctl_param_str(old, "rest", ""));

	if (old)
		json_object_del(r->old, key);
	return same;
}

/* Rules that the file does not have. */
static int delete_old(struct replace *r, struct batch *batch, struct ctl_call *call)
{
	const char *key;
	json_t *old;

	json_object_foreach (r->old, key, old) {
		const char *match = strchr(strchr(key, ' ') + 1, ' ') + 1;
		struct of_flow_mod mod;
		struct of_error of = {0};
		char text[4096];
		int ret;

		snprintf(text, sizeof(text), "table=%u,priority=%u%s%s",
		         (unsigned)ctl_param_uint(old, "table", 0),
		         (unsigned)ctl_param_uint(old, "priority", 0), *match ? "," : "", match);
		ret = of_text_parse_flow(text, OFPFC_DELETE_STRICT, &batch->names, &batch->arena,
		                         &mod, &call->err);
		if (ret)
			return ret;
		ret = pl_flow_mod(batch->bridge->pl, &mod, &of);
		if (ret)
			return ctl_flow_refused(call, ret, text, of);
	}
	return 0;
}

static int replace_rules(struct batch *batch, struct ctl_call *call)
{
	struct of_flow_request all = {
	        .table_id = OFPTT_ALL, .out_port = OFPP_ANY, .out_group = OFPG_ANY};
	struct replace r = {.bridge = batch->bridge, .old = json_object()};
	struct pl_flow_cursor cursor = {0};
	size_t n = 0;
	int ret;

	of_buf_init(&r.key);
	of_buf_init(&r.rest);
	while (pl_flow_walk(batch->bridge->pl, &all, &cursor, 1024, visit_old, &r))
		;
	for (size_t i = 0; i < batch->n; i++) {
		if (unchanged(&r, &batch->mods[i]))
			continue;
		batch->mods[n] = batch->mods[i];
		batch->texts[n++] = batch->texts[i];
	}
	batch->n = n;
	ret = batch_apply(batch, call);
	if (ret == 0)
		ret = delete_old(&r, batch, call);
	json_object_set_new(ctl_call_result(call), "changed", json_integer((json_int_t)n));
	json_object_set_new(call->result, "deleted",
	                    json_integer((json_int_t)json_object_size(r.old)));
	of_buf_fini(&r.key);
	of_buf_fini(&r.rest);
	json_decref(r.old);
	return ret;
}

static char *read_file(const char *path, struct evs_error *err)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!file || getdelim(&text, &size, '\0', file) < 0) {
		evs_error_set(err, -EINVAL, "cannot read %s: %s", path,
		              file ? "it is empty" : strerror(errno));
		free(text);
		text = NULL;
	}
	if (file)
		fclose(file);
	return text;
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	while ((text = strchr(text, '\n')) && text++)
		n++;
	return n;
}

static int parse_lines(struct batch *batch, char *text, const char *path, struct evs_error *err)
{
	char *save = NULL;
	unsigned number = 0;

	/* strtok would swallow empty lines, and with them the count. */
	for (char *line = text; line; line = save) {
		save = strchr(line, '\n');
		if (save)
			*save++ = '\0';
		number++;
		line[strcspn(line, "#\r")] = '\0';
		line += strspn(line, " \t");
		if (*line && batch_add(batch, line, OFPFC_ADD, err))
			return evs_error_prefix(err, "%s:%u", path, number);
	}
	return 0;
}

int ctl_flow_replace(struct ctl_call *call)
{
	const char *path = ctl_param_str(call->params, "file", "");
	char *text = read_file(path, &call->err);
	struct batch batch;
	int ret;

	if (!text)
		return call->err.code;
	ret = batch_init(&batch, call, count_lines(text));
	if (ret == 0)
		ret = parse_lines(&batch, text, path, &call->err);
	if (ret == 0)
		ret = replace_rules(&batch, call);
	if (batch.bridge)
		batch_fini(&batch);
	free(text);
	return ret ? ret : ctl_flow_in_effect(call);
}

/* ---- dump ---- */

struct dump {
	json_t *out;
	struct of_text_names names;
	struct of_buf buf;
	size_t limit;
};

static void set_text(struct dump *dump, json_t *row, const char *key)
{
	const char *text = of_text_string(&dump->buf);

	json_object_set_new(row, key, json_string(text ? text : ""));
	dump->buf.size = 0;
}

static void visit_rule(const struct of_flow_stats *rule, void *arg)
{
	struct dump *dump = arg;
	json_t *row;

	if (json_array_size(dump->out) >= dump->limit)
		return;
	row = json_pack("{s:i, s:i, s:I, s:I, s:f, s:i, s:i, s:o}", "table", rule->table_id,
	                "priority", rule->priority, "pkts", (json_int_t)rule->packet_count, "bytes",
	                (json_int_t)rule->byte_count, "age",
	                rule->duration_sec + rule->duration_nsec / 1000000 / 1000.0, "idle-timeout",
	                rule->idle_timeout, "hard-timeout", rule->hard_timeout, "cookie",
	                json_sprintf("0x%llx", (unsigned long long)rule->cookie));
	of_text_match(&dump->buf, &rule->match, &dump->names);
	set_text(dump, row, "match");
	of_text_insts(&dump->buf, &rule->insts, &dump->names);
	set_text(dump, row, "actions");
	json_array_append_new(dump->out, row);
}

int ctl_flow_dump(struct ctl_call *call)
{
	struct ctl_bridge *bridge = ctl_flow_bridge(call);
	struct pl_flow_cursor cursor = {0};
	struct of_flow_request request;
	struct dump dump = {.limit = ctl_param_uint(call->params, "limit", DUMP_LIMIT)};
	int ret;

	if (!bridge)
		return call->err.code;
	dump.names = ctl_flow_names(bridge, ctl_param_bool(call->params, "names", false));
	ret = of_text_parse_filter(ctl_param_str(call->params, "filter", ""), &dump.names, &request,
	                           &call->err);
	if (ret)
		return ret;
	dump.out = call->result = json_array();
	of_buf_init(&dump.buf);
	pl_stats_sync();
	while (json_array_size(dump.out) < dump.limit &&
	       pl_flow_walk(bridge->pl, &request, &cursor, 256, visit_rule, &dump))
		;
	of_buf_fini(&dump.buf);
	return 0;
}
