/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trace: a translation that tells what it does, and what the caches have to say about the packet.
 * Threads: control.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/evs_clock.h"
#include "flow/flow_mask.h"
#include "openflow/of_text.h"
#include "pipeline/pl_of_pvt.h"
#include "pipeline/pl_trace_pvt.h"

void pl_trace_line(struct pl_xlate *x, const char *fmt, ...)
{
	char text[2048];
	unsigned n = EVS_MIN(2 * x->trace->indent, 64u);
	va_list args;

	memset(text, ' ', n);
	va_start(args, fmt);
	vsnprintf(text + n, sizeof(text) - n, fmt, args);
	va_end(args);
	x->trace->line(text, x->trace->arg);
}

/* Text that grows up to its array and is cut there. */
struct text {
	char buf[1536];
	size_t len;
};

static void text_add(struct text *text, const char *fmt, ...) EVS_PRINTF(2, 3);
static void text_add(struct text *text, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text->buf + text->len, sizeof(text->buf) - text->len, fmt, args);
	va_end(args);
	if (n > 0)
		text->len = EVS_MIN(text->len + (size_t)n, sizeof(text->buf) - 1);
}

static void text_value(struct text *text, const struct flow_field *field,
                       const struct flow_key *key)
{
	uint8_t value[FLOW_VALUE_MAX];

	flow_field_get(field, key, value);
	switch (field->form) {
	case FLOW_FORM_DEC:
	case FLOW_FORM_PORT:
		text_add(text, "%" PRIu64, flow_field_value_u64(field, value));
		return;
	case FLOW_FORM_IPV4:
		text_add(text, "%u.%u.%u.%u", value[0], value[1], value[2], value[3]);
		return;
	case FLOW_FORM_ETH:
		for (unsigned i = 0; i < 6; i++)
			text_add(text, "%s%02x", i ? ":" : "", value[i]);
		return;
	case FLOW_FORM_IPV6:
		for (unsigned i = 0; i < 16; i += 2)
			text_add(text, "%s%x", i ? ":" : "", value[i] << 8 | value[i + 1]);
		return;
	default:
		text_add(text, "0x");
		for (unsigned i = 0; i < field->size; i++)
			text_add(text, "%02x", value[i]);
	}
}

static void text_match(struct text *text, const struct flow_match *match)
{
	struct flow_field_set fields = {0};
	bool first = true;

	flow_match_fields(match, &fields);
	for (unsigned id = 0; id < FLOW_N_FIELDS; id++) {
		const struct flow_field *field = &flow_fields[id];
		uint8_t ones[FLOW_VALUE_MAX], mask[FLOW_VALUE_MAX];

		if (!flow_field_set_has(&fields, id))
			continue;
		flow_field_ones(field, ones);
		flow_field_get(field, &match->mask, mask);
		text_add(text, "%s%s=", first ? "" : ",", field->name);
		text_value(text, field, &match->key);
		if (memcmp(ones, mask, field->size)) {
			text_add(text, "/");
			text_value(text, field, &match->mask);
		}
		first = false;
	}
}

void pl_trace_rule(struct pl_xlate *x, const struct pl_rule *rule)
{
	struct flow_match match;
	struct of_insts insts;
	const char *said;
	struct of_buf text;

	flow_cls_rule_match(&rule->cls, &match.key, &match.mask);
	pl_code_insts(rule->code, &insts);
	of_buf_init(&text);
	of_text_printf(&text, "priority=%u%s", rule->cls.priority, rule->is_miss ? "" : ",");
	of_text_match(&text, &match, NULL);
	of_text_printf(&text, " actions=");
	of_text_insts(&text, &insts, NULL);
	said = of_text_string(&text);
	pl_trace_line(x, "  %s, cookie 0x%" PRIx64, said ? said : "a rule", rule->cookie);
	of_buf_fini(&text);
}

static const char *port_name(uint16_t index, void *arg)
{
	const struct pl_port *port = pl_port_by_index(index);

	return port ? port->name : NULL;
}

static void tell_note(struct pl_xlate *x, uint16_t port, bool out, uint32_t queue)
{
	char text[PL_NOTE_LEN];

	if (pl_globals.config.port_note && pl_globals.config.port_note(port, out, queue, text))
		pl_trace_line(x, "%s '%s': %s", out ? "Egress of" : "Ingress of",
		              port_name(port, NULL), text);
}

/* How ports shape what these ops send to them. */
static void tell_outputs(struct pl_xlate *x, const uint8_t *ops, uint32_t size, uint32_t queue)
{
	FLOW_OP_FOREACH (op, ops, size) {
		if (op->kind == FLOW_OP_OUTPUT)
			tell_note(x, (uint16_t)op->arg, true, queue);
		else if (op->kind == FLOW_OP_SET_QUEUE)
			queue = op->arg;
		else if (op->kind == FLOW_OP_CLONE)
			tell_outputs(x, op->payload, op->size - (uint32_t)sizeof(*op), queue);
	}
}

static void tell_program(struct pl_xlate *x)
{
	const struct flow_prog_builder *prog = &x->out->prog;
	size_t size = flow_prog_format(NULL, 0, prog->ops, prog->size, port_name, NULL) + 1;
	char *text = malloc(size);

	if (!text)
		return;
	flow_prog_format(text, size, prog->ops, prog->size, port_name, NULL);
	pl_trace_line(x, "Program: %s", text);
	free(text);
	if (x->failed || !x->n_out)
		pl_trace_line(x, "Dropped: %s (%s)", pkt_drop_name(x->reason),
		              pkt_drop_help(x->reason));
}

/* What was looked at, as a match on the packet as it came. */
static void tell_mask(struct pl_xlate *x, const struct flow_key *key)
{
	struct flow_match match = {.key = *key};
	uint64_t *k = (uint64_t *)&match.key, *m = (uint64_t *)&match.mask;
	struct text text = {.len = 0};

	match.mask.pkt = x->out->mask;
	match.mask.pkt.base.in_port = 0;
	match.mask.pkt.base.lines = 0;
	match.mask.pkt.base.recirc_id = 0;
	match.mask.pipe.in_port = UINT32_MAX;
	for (unsigned i = 0; i < FLOW_KEY_N_U64; i++)
		k[i] &= m[i];
	text_match(&text, &match);
	pl_trace_line(x, "Looked at: %s", text.buf);
}

/* Cached flows */

struct search {
	struct pl_xlate *x;
	const struct pkt_key *key;
	unsigned worker;
	uint32_t now_ms;
	unsigned n_found;
};

static bool flow_covers(const struct flow *flow, const struct pkt_key *key)
{
	const uint8_t *mask = (const uint8_t *)&flow->mask->mask, *have = (const uint8_t *)key;
	const uint8_t *base = (const uint8_t *)&flow->key, *ext = (const uint8_t *)flow->ext_key;

	for (size_t i = 0; i < PKT_KEY_BASE_SIZE; i++)
		if ((have[i] & mask[i]) != base[i])
			return false;
	for (size_t i = 0; i < sizeof(struct pkt_key_ext); i++) {
		size_t at = sizeof(struct pkt_key_base) + i;

		if ((have[at] & mask[at]) != (ext ? ext[i] : 0))
			return false;
	}
	return true;
}

static bool search_visit(struct flow *flow, void *arg)
{
	struct search *search = arg;

	if (!flow_covers(flow, search->key))
		return true;
	search->n_found++;
	pl_trace_line(search->x,
	              "Cached: worker %u, %" PRIu64 " packets, %" PRIu64
	              " bytes, used %.1f s ago, %.1f s old",
	              search->worker, evs_load_relaxed(&flow->n_pkts),
	              evs_load_relaxed(&flow->n_bytes),
	              (search->now_ms - evs_load_relaxed(&flow->used_ms)) / 1000.0,
	              (search->now_ms - flow->created_ms) / 1000.0);
	return true;
}

static void tell_cached(struct pl_xlate *x, const struct pkt_key *key)
{
	struct search search = {.x = x, .key = key, .now_ms = evs_clock_ms()};

	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++) {
		struct flow_cache *cache =
		        pl_globals.config.worker_cache ? pl_globals.config.worker_cache(w) : NULL;

		search.worker = w;
		if (cache)
			flow_cache_walk(cache, search_visit, &search);
	}
	if (!search.n_found)
		pl_trace_line(x, "Cached: by no worker");
}

void pl_trace(struct pl_bridge *bridge, const struct flow_key *key,
              void (*line)(const char *text, void *arg), void *arg, struct flow_prog_builder *prog)
{
	static struct flow_xlate out; /* large; control is one thread */
	struct pl_trace trace = {.line = line, .arg = arg};
	const struct pl_snap *snap = pl_snap_get(bridge);
	const struct pl_view *in = pl_snap_port(snap, rte_be_to_cpu_32(key->pipe.in_port));
	struct pkt_key pkt = key->pkt;
	struct pl_xlate x;

	pkt.base.in_port = in ? in->index : PKT_PORT_NONE;
	pl_xlate_init(&x, &out, &pkt.base, &pkt.ext);
	x.trace = &trace;
	x.quiet = true;
	pl_xlate_enter(&x, snap, in);
	if (pkt.base.recirc_id)
		pl_trace_line(&x, "Again, from where it was (recirculation id 0x%x)",
		              pkt.base.recirc_id);
	else if (in)
		pl_trace_line(&x, "Bridge '%s', port %u ('%s')", bridge->name, in->ofport,
		              in->port->name);
	else
		pl_trace_line(&x, "Bridge '%s', no such port", bridge->name);
	if (in && (in->flags & (PL_PORT_DOWN | PL_PORT_NO_RECV)))
		x.reason = PKT_DROP_RX_PORT_DOWN;
	else if (in && pkt.base.recirc_id)
		pl_xlate_thaw(&x, pkt.base.recirc_id);
	else if (in)
		pl_xlate_classify(&x, snap);
	else
		x.reason = PKT_DROP_NO_BRIDGE;
	pl_xlate_finish(&x);
	tell_mask(&x, key);
	if (in)
		tell_note(&x, in->index, false, 0);
	tell_program(&x);
	tell_outputs(&x, out.prog.ops, out.prog.size, 0);
	tell_cached(&x, &pkt);
	if (prog)
		*prog = out.prog;
}
