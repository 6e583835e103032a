/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows, groups, meters, filters and packets in text.
 * Threads: any; no state.
 */
#include <string.h>
#include <strings.h>

#include "openflow/of_text_pvt.h"

static void scan_init(struct of_text_scan *s, const char *text, const struct of_text_names *names,
                      struct of_arena *arena, struct evs_error *err)
{
	*s = (struct of_text_scan){text, {text, strlen(text)}, names, arena, err};
}

static int unknown(struct of_text_scan *s, const struct of_text_span *key, const char *what)
{
	return of_text_fail(s, key->p, "unknown %s '%.*s'", what, (int)key->len, key->p);
}

/* ---- flows ---- */

static int number_into(struct of_text_scan *s, const struct of_text_span *value, uint64_t max,
                       void *member, size_t size)
{
	uint64_t n;

	if (of_text_number(s, value, max, &n) != 0)
		return -EINVAL;
	if (size == 1)
		*(uint8_t *)member = (uint8_t)n;
	else if (size == 2)
		*(uint16_t *)member = (uint16_t)n;
	else if (size == 4)
		*(uint32_t *)member = (uint32_t)n;
	else
		*(uint64_t *)member = n;
	return 0;
}
#define INTO(s, value, max, member) number_into(s, value, max, &(member), sizeof(member))

static int parse_cookie(struct of_text_scan *s, const struct of_text_span *value,
                        struct of_flow_mod *mod)
{
	struct of_text_span left = *value, right;
	bool masked = of_text_split(value, '/', &left, &right);
	bool any = masked && of_text_is(&right, "-1");

	if (INTO(s, &left, UINT64_MAX, mod->cookie) != 0)
		return -EINVAL;
	mod->cookie_mask = masked ? UINT64_MAX : 0;
	return !masked || any ? 0 : INTO(s, &right, UINT64_MAX, mod->cookie_mask);
}

static const char *const flag_names[] = {"send_flow_rem", "check_overlap", "reset_counts",
                                         "no_packet_counts", "no_byte_counts"};

/* 1: it was one of the keys that are not of the match. */
static int flow_key_item(struct of_text_scan *s, const struct of_text_span *key,
                         const struct of_text_span *value, struct of_flow_mod *mod)
{
	int ret = 0;

	for (unsigned i = 0; i < EVS_ARRAY_LEN(flag_names); i++) {
		if (of_text_is(key, flag_names[i])) {
			mod->flags |= (uint16_t)(1 << i);
			return 1;
		}
	}
	if (of_text_is(key, "table"))
		ret = INTO(s, value, 0xff, mod->table_id);
	else if (of_text_is(key, "priority"))
		ret = INTO(s, value, 0xffff, mod->priority);
	else if (of_text_is(key, "cookie"))
		ret = parse_cookie(s, value, mod);
	else if (of_text_is(key, "idle_timeout"))
		ret = INTO(s, value, 0xffff, mod->idle_timeout);
	else if (of_text_is(key, "hard_timeout"))
		ret = INTO(s, value, 0xffff, mod->hard_timeout);
	else if (of_text_is(key, "out_port"))
		ret = of_text_port_number(s, value, &mod->out_port);
	else if (of_text_is(key, "out_group"))
		ret = INTO(s, value, UINT32_MAX, mod->out_group);
	else
		return 0;
	return ret ? ret : 1;
}

static bool is_actions(const struct of_text_span *key)
{
	return of_text_is(key, "actions") || of_text_is(key, "action");
}

/* The value of actions= is all the rest. */
static void rest_from(struct of_text_scan *s, const char *p)
{
	const char *end = s->rest.p + s->rest.len;

	s->rest = (struct of_text_span){p, (size_t)(end - p)};
}

/* *at: where the actions begin, NULL without. */
static int parse_head(struct of_text_scan *s, struct of_flow_mod *mod, const char **at)
{
	struct of_text_span key, value;
	int ret;

	*at = NULL;
	while ((ret = of_text_next(s, "=", &key, &value)) > 0) {
		if (is_actions(&key)) {
			*at = value.p;
			rest_from(s, value.p);
			return 0;
		}
		ret = flow_key_item(s, &key, &value, mod);
		if (ret == 0)
			ret = of_text_match_item(s, &key, &value, &mod->match);
		if (ret == -ENOENT)
			return unknown(s, &key, "field");
		if (ret < 0)
			return ret;
	}
	return ret;
}

static void flow_init(struct of_flow_mod *mod, enum of_flow_mod_command command)
{
	bool deletes = command == OFPFC_DELETE || command == OFPFC_DELETE_STRICT;

	memset(mod, 0, sizeof(*mod));
	mod->command = (uint8_t)command;
	mod->priority = 0x8000;
	mod->table_id = deletes ? OFPTT_ALL : 0;
	mod->buffer_id = OF_NO_BUFFER;
	mod->out_port = OFPP_ANY;
	mod->out_group = OFPG_ANY;
}

int of_text_parse_flow(const char *text, enum of_flow_mod_command command,
                       const struct of_text_names *names, struct of_arena *arena,
                       struct of_flow_mod *mod, struct evs_error *err)
{
	bool deletes = command == OFPFC_DELETE || command == OFPFC_DELETE_STRICT;
	struct of_text_scan s;
	struct of_error why;
	const char *actions;
	int ret;

	scan_init(&s, text, names, arena, err);
	flow_init(mod, command);
	ret = parse_head(&s, mod, &actions);
	if (ret < 0)
		return ret;
	if (deletes)
		return actions ? of_text_fail(&s, actions, "a deletion takes no actions") : 0;
	if (!actions)
		return of_text_fail(&s, text + strlen(text), "actions= is missing");
	ret = of_text_action_list(&s, &mod->match, &mod->insts.apply, &mod->insts);
	if (ret < 0)
		return ret;
	if (mod->insts.apply.size > 0)
		mod->insts.set |= OF_INST_APPLY_ACTIONS;
	if (of_insts_check(&mod->insts, &mod->match, &why) != 0)
		return of_text_fail(&s, actions,
		                    "an action does not fit the match, which must say the protocol "
		                    "(ip, tcp, dl_vlan, …) of what the action changes");
	return 0;
}

int of_text_parse_filter(const char *text, const struct of_text_names *names,
                         struct of_flow_request *request, struct evs_error *err)
{
	struct of_flow_mod mod;
	struct of_text_scan s;
	const char *actions;
	int ret;

	scan_init(&s, text, names, NULL, err);
	flow_init(&mod, OFPFC_DELETE);
	ret = parse_head(&s, &mod, &actions);
	if (ret < 0)
		return ret;
	if (actions)
		return of_text_fail(&s, actions, "a filter takes no actions");
	request->table_id = mod.table_id;
	request->out_port = mod.out_port;
	request->out_group = mod.out_group;
	request->cookie = mod.cookie;
	request->cookie_mask = mod.cookie_mask;
	request->match = mod.match;
	return 0;
}

int of_text_parse_key(const char *text, const struct of_text_names *names, struct flow_key *key,
                      struct evs_error *err)
{
	struct of_text_span name, value;
	struct flow_match match;
	struct of_text_scan s;
	int ret;

	scan_init(&s, text, names, NULL, err);
	flow_match_init(&match);
	while ((ret = of_text_next(&s, "=", &name, &value)) > 0) {
		ret = of_text_match_item(&s, &name, &value, &match);
		if (ret == -ENOENT)
			return unknown(&s, &name, "field");
		if (ret < 0)
			return ret;
	}
	*key = match.key;
	return ret;
}

/* ---- groups ---- */

#define MAX_BUCKETS 1024

/* weight:N, watch_port:P, watch_group:G, actions=… to the end of the span. *b has the defaults. */
static int parse_bucket(struct of_text_scan *outer, const struct of_text_span *span,
                        struct of_bucket *b)
{
	struct of_text_span key, value;
	struct of_text_scan s = *outer;
	struct flow_match match;
	int ret;

	flow_match_init(&match);
	s.rest = *span;
	while ((ret = of_text_next(&s, ":=", &key, &value)) > 0) {
		if (is_actions(&key)) {
			rest_from(&s, value.p);
			return of_text_action_list(&s, &match, &b->actions, NULL);
		}
		if (of_text_is(&key, "weight"))
			ret = INTO(&s, &value, 0xffff, b->weight);
		else if (of_text_is(&key, "watch_port"))
			ret = of_text_port_number(&s, &value, &b->watch_port);
		else if (of_text_is(&key, "watch_group"))
			ret = INTO(&s, &value, UINT32_MAX, b->watch_group);
		else if (of_text_is(&key, "bucket_id"))
			continue;
		else {
			rest_from(&s, key.p);
			return of_text_action_list(&s, &match, &b->actions, NULL);
		}
		if (ret != 0)
			return ret;
	}
	return ret;
}

/* The buckets: everything from the first "bucket=", cut at each further one. */
static int parse_buckets(struct of_text_scan *s, const char *p, struct of_group_mod *mod)
{
	static const char word[] = "bucket=";
	const char *end = s->rest.p + s->rest.len;
	struct of_bucket *list = of_arena_alloc(s->arena, MAX_BUCKETS * sizeof(*list));
	int ret;

	if (list == NULL)
		return evs_error_set(s->err, -ENOMEM, "no memory");
	mod->buckets = list;
	while (p < end) {
		const char *next = memmem(p, (size_t)(end - p), word, sizeof(word) - 1);
		struct of_text_span span = {p, (size_t)((next ? next : end) - p)};
		struct of_bucket *b = &list[mod->n_buckets];
		if (mod->n_buckets == MAX_BUCKETS)
			return of_text_fail(s, p, "more than %d buckets", MAX_BUCKETS);
		mod->n_buckets++;
		b->weight = mod->type == OFPGT_SELECT; /* which stands before: buckets come last */
		b->watch_port = OFPP_ANY;
		b->watch_group = OFPG_ANY;
		ret = parse_bucket(s, &span, b);
		if (ret < 0)
			return ret;
		p = next ? next + sizeof(word) - 1 : end;
	}
	return 0;
}

static int parse_group_type(struct of_text_scan *s, const struct of_text_span *value,
                            struct of_group_mod *mod)
{
	for (unsigned i = 0; i < OF_N_GROUP_TYPES; i++) {
		if (of_text_is(value, of_text_group_types[i])) {
			mod->type = (uint8_t)i;
			return 0;
		}
	}
	if (!of_text_is(value, "fast_failover"))
		return unknown(s, value, "group type");
	mod->type = OFPGT_FF;
	return 0;
}

int of_text_parse_group(const char *text, enum of_group_mod_command command,
                        const struct of_text_names *names, struct of_arena *arena,
                        struct of_group_mod *mod, struct evs_error *err)
{
	struct of_text_span key, value;
	bool has_type = false, has_id = false;
	struct of_text_scan s;
	int ret;

	scan_init(&s, text, names, arena, err);
	memset(mod, 0, sizeof(*mod));
	mod->command = (uint16_t)command;
	mod->group_id = OFPG_ALL;
	while ((ret = of_text_next(&s, "=", &key, &value)) > 0) {
		bool buckets = of_text_is(&key, "bucket") || of_text_is(&key, "buckets");
		if (buckets) {
			ret = parse_buckets(&s, value.p, mod);
		} else if (of_text_is(&key, "group_id")) {
			ret = INTO(&s, &value, OFPG_MAX, mod->group_id);
			has_id = true;
		} else if (of_text_is(&key, "type")) {
			ret = parse_group_type(&s, &value, mod);
			has_type = true;
		} else {
			ret = unknown(&s, &key, "word");
		}
		if (ret < 0 || buckets)
			break;
	}
	if (ret == 0 && command != OFPGC_DELETE && (!has_id || !has_type))
		return of_text_fail(&s, text + strlen(text), "%s= is missing",
		                    has_id ? "type" : "group_id");
	return ret;
}

/* ---- meters ---- */

#define MAX_BANDS 16

static int meter_item(struct of_text_scan *s, const struct of_text_span *key,
                      const struct of_text_span *value, struct of_meter_mod *mod)
{
	static const struct {
		const char *name;
		uint16_t flag;
	} flags[] = {{"kbps", OFPMF_KBPS},
	             {"pktps", OFPMF_PKTPS},
	             {"burst", OFPMF_BURST},
	             {"stats", OFPMF_STATS}};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(flags); i++) {
		if (of_text_is(key, flags[i].name)) {
			mod->flags |= flags[i].flag;
			return 0;
		}
	}
	if (of_text_is(key, "meter"))
		return of_text_is(value, "all") ? 0 : INTO(s, value, OFPM_MAX, mod->meter_id);
	return unknown(s, key, "word");
}

static int band_item(struct of_text_scan *s, const struct of_text_span *key,
                     const struct of_text_span *value, struct of_meter_band *b)
{
	if (of_text_is(key, "type")) {
		b->type = of_text_is(value, "drop")          ? OFPMBT_DROP
		          : of_text_is(value, "dscp_remark") ? OFPMBT_DSCP_REMARK
		                                             : 0;
		return b->type ? 0 : unknown(s, value, "band type");
	}
	if (of_text_is(key, "rate"))
		return INTO(s, value, UINT32_MAX, b->rate);
	if (of_text_is(key, "burst_size"))
		return INTO(s, value, UINT32_MAX, b->burst_size);
	if (of_text_is(key, "prec_level"))
		return INTO(s, value, 0xff, b->prec_level);
	return unknown(s, key, "word");
}

static int parse_bands(struct of_text_scan *s, struct of_meter_mod *mod)
{
	struct of_meter_band *list = of_arena_alloc(s->arena, MAX_BANDS * sizeof(*list));
	struct of_text_span key, value;
	int ret;

	if (list == NULL)
		return evs_error_set(s->err, -ENOMEM, "no memory");
	mod->bands = list;
	while ((ret = of_text_next(s, "=:", &key, &value)) > 0) {
		if (of_text_is(&key, "type") && ++mod->n_bands > MAX_BANDS)
			return of_text_fail(s, key.p, "more than %d bands", MAX_BANDS);
		if (mod->n_bands == 0)
			return of_text_fail(s, key.p, "a band begins with type=");
		ret = band_item(s, &key, &value, &list[mod->n_bands - 1]);
		if (ret < 0)
			return ret;
	}
	return ret;
}

int of_text_parse_meter(const char *text, enum of_meter_mod_command command, struct of_arena *arena,
                        struct of_meter_mod *mod, struct evs_error *err)
{
	struct of_text_span key, value;
	struct of_text_scan s;
	int ret;

	scan_init(&s, text, NULL, arena, err);
	memset(mod, 0, sizeof(*mod));
	mod->command = (uint16_t)command;
	mod->meter_id = OFPM_ALL;
	while ((ret = of_text_next(&s, "=", &key, &value)) > 0) {
		bool bands = of_text_is(&key, "bands") || of_text_is(&key, "band");
		if (bands) {
			rest_from(&s, value.p);
			ret = parse_bands(&s, mod);
		} else {
			ret = meter_item(&s, &key, &value, mod);
		}
		if (ret < 0 || bands)
			break;
	}
	if (ret == 0 && command != OFPMC_DELETE && mod->meter_id == OFPM_ALL)
		return of_text_fail(&s, text + strlen(text), "meter= is missing");
	return ret;
}
