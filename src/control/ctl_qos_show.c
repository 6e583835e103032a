/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method qos.show, and the sampling of rates once a second that it tells from. Threads: control.
 *
 * A port has rows: what leaves by it, each queue, each class, what comes in, what storm control
 * dropped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "control/ctl_qos_pvt.h"
#include "pmd/pmd_ingress.h"
#include "pmd/pmd_shape.h"

#define SAMPLE_NS UINT64_C(1000000000)

/* Rates of a port's rows, in their order. */
struct sample {
	TAILQ_ENTRY(sample) link;
	char port[PORT_NAME_LEN];
	bool seen;
	unsigned n;
	uint64_t at_ns;
	struct {
		uint64_t bytes;
		double bps;
	} * row;
};
static TAILQ_HEAD(, sample) samples = TAILQ_HEAD_INITIALIZER(samples);
static uint64_t sampled_ns;

static struct sample *sample_of(const char *port)
{
	struct sample *s;

	TAILQ_FOREACH (s, &samples, link) {
		if (!strcmp(s->port, port))
			return s;
	}
	return NULL;
}

static void sample_free(struct sample *s)
{
	TAILQ_REMOVE(&samples, s, link);
	free(s->row);
	free(s);
}

/* What a row is made of. */
struct row {
	const char *kind;
	unsigned id;
	uint64_t bytes, limit_bps;
	json_t *more; /* NULL: only counting */
};
typedef void row_fn(const struct row *row, void *arg);

static json_t *counts(uint64_t pkts, uint64_t bytes)
{
	return json_pack("{s:I, s:I}", "pkts", (json_int_t)pkts, "bytes", (json_int_t)bytes);
}

static json_t *queue_more(const struct qos_queue_info *info)
{
	static const char *const aqms[] = {"default", "none", "codel", "wred"};
	const struct qos_queue_config *c = &info->config;
	const struct qos_queue_stats *stats = &info->stats;
	json_t *more = counts(stats->pkts, stats->bytes), *rest;

	rest = json_pack(
	        "{s:i, s:i, s:i, s:i, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f}",
	        "queue", c->id, "priority", c->priority, "weight", c->weight, "class", c->class_id,
	        "limit", (json_int_t)c->limit_pkts, "min-rate", (json_int_t)c->min_bps, "aqm",
	        aqms[c->aqm], "backlog-pkts", (json_int_t)stats->backlog_pkts, "backlog-bytes",
	        (json_int_t)stats->backlog_bytes, "full-drops", (json_int_t)stats->full_drops,
	        "aqm-drops", (json_int_t)stats->aqm_drops, "marks", (json_int_t)stats->marks,
	        "wait-p50-us", info->wait_p50_us, "wait-p99-us", info->wait_p99_us, "wait-max-us",
	        info->wait_max_us);
	json_object_update(more, rest);
	json_decref(rest);
	return more;
}

static void egress_rows(const struct ctl_port *port, const struct ctl_qos *qos, row_fn *fn,
                        bool full, void *arg)
{
	const struct qos_shaper *shaper = pmd_shaper_get(port->port);
	uint64_t pkts = 0, bytes = 0, average = qos ? qos->egress.average_bps : 0;
	struct qos_queue_info info;
	struct qos_class_info class;
	struct row row = {.kind = "queue"};

	if (!shaper)
		return;
	for (unsigned i = 0; qos_shaper_class(shaper, i, &class); i++) {
		pkts += class.pkts;
		bytes += class.bytes;
	}
	row = (struct row){"port", 0, bytes, average, full ? counts(pkts, bytes) : NULL};
	if (full) {
		json_object_set_new(row.more, "backlog-pkts",
		                    json_integer(qos_shaper_backlog(shaper)));
		json_object_set_new(row.more, "peak-bps",
		                    json_integer(qos ? (json_int_t)qos->egress.peak_bps : 0));
		json_object_set_new(row.more, "burst-bytes",
		                    json_integer(qos ? (json_int_t)qos->egress.burst_bytes : 0));
	}
	fn(&row, arg);
	for (unsigned i = 0; qos_shaper_queue(shaper, i, &info); i++) {
		row = (struct row){"queue", info.config.id, info.stats.bytes,
		                   info.config.max_bps ? info.config.max_bps : average,
		                   full ? queue_more(&info) : NULL};
		fn(&row, arg);
	}
	for (unsigned i = 1; qos_shaper_class(shaper, i, &class); i++) {
		row = (struct row){"class", class.config.id, class.bytes,
		                   class.config.max_bps ? class.config.max_bps : average,
		                   full ? counts(class.pkts, class.bytes) : NULL};
		if (full) {
			json_object_set_new(row.more, "weight", json_integer(class.config.weight));
			json_object_set_new(row.more, "min-rate",
			                    json_integer((json_int_t) class.config.min_bps));
		}
		fn(&row, arg);
	}
}

static void ingress_rows(const struct ctl_port *port, const struct ctl_qos *qos, row_fn *fn,
                         bool full, void *arg)
{
	static const char *const colours[] = {"green", "yellow", "red"};
	static const char *const storms[] = {"broadcast", "multicast", "unknown-unicast"};
	const struct qos_ingress *in = pmd_ingress_get(port->port);
	struct qos_ingress_counts c;
	struct row row;

	if (!in)
		return;
	qos_ingress_counts(in, &c);
	row = (struct row){"ingress", 0, c.taken.bytes, 0, full ? json_object() : NULL};
	if (qos && qos->ingress.polices)
		row.limit_bps = qos->ingress.police.committed_bps;
	else if (qos && qos->ingress.shapes)
		row.limit_bps = qos->ingress.average_bps;
	for (unsigned i = 0; i < QOS_N_COLOURS; i++) {
		if (!qos_ingress_drops(in, (enum qos_colour)i))
			row.bytes += c.colours[i].bytes;
		if (full && qos && qos->ingress.polices)
			json_object_set_new(row.more, colours[i],
			                    counts(c.colours[i].pkts, c.colours[i].bytes));
	}
	for (unsigned i = 0; full && i < QOS_N_STORMS; i++)
		if (qos && qos->ingress.storm[i].rate)
			json_object_set_new(
			        row.more, storms[i],
			        json_pack("{s:I}", "dropped", (json_int_t)c.storm[i].pkts));
	fn(&row, arg);
}

static void rows(const struct ctl_port *port, row_fn *fn, bool full, void *arg)
{
	const json_t *params = full ? ctl_conf_get("qos", port->name) : NULL;
	struct ctl_qos qos;
	bool known;

	if (!port->port || (!pmd_shaper_get(port->port) && !pmd_ingress_get(port->port)))
		return;
	known = params && ctl_qos_read(params, port->port, &qos, NULL) == 0;
	egress_rows(port, known ? &qos : NULL, fn, full, arg);
	ingress_rows(port, known ? &qos : NULL, fn, full, arg);
	if (params)
		ctl_qos_fini(&qos);
}

/* ---- sampling ---- */

static void row_count(const struct row *row, void *arg)
{
	++*(unsigned *)arg;
}

struct taking {
	struct sample *sample;
	unsigned at;
	double seconds; /* 0: the first time */
};

static void row_sample(const struct row *row, void *arg)
{
	struct taking *t = arg;
	unsigned i = t->at++;

	if (i >= t->sample->n)
		return;
	t->sample->row[i].bps =
	        t->seconds > 0 && row->bytes >= t->sample->row[i].bytes
	                ? (double)(row->bytes - t->sample->row[i].bytes) * 8 / t->seconds
	                : 0;
	t->sample->row[i].bytes = row->bytes;
}

static void port_sample(const struct ctl_port *port, uint64_t now_ns)
{
	struct sample *s = sample_of(port->name);
	struct taking taking = {0};
	unsigned n = 0;

	rows(port, row_count, false, &n);
	if (s && s->n != n) {
		sample_free(s);
		s = NULL;
	}
	if (n == 0)
		return;
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return;
		s->row = calloc(n, sizeof(*s->row));
		s->n = s->row ? n : 0;
		snprintf(s->port, sizeof(s->port), "%s", port->name);
		TAILQ_INSERT_TAIL(&samples, s, link);
	} else {
		taking.seconds = (double)(now_ns - s->at_ns) / 1e9;
	}
	taking.sample = s;
	s->seen = true;
	s->at_ns = now_ns;
	rows(port, row_sample, false, &taking);
}

void ctl_qos_tick(void)
{
	uint64_t now_ns = evs_clock_ns();
	struct ctl_bridge *bridge;
	struct ctl_port *port;
	struct sample *s, *next;

	if (now_ns - sampled_ns < SAMPLE_NS)
		return;
	sampled_ns = now_ns;
	TAILQ_FOREACH (s, &samples, link)
		s->seen = false;
	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		TAILQ_FOREACH (port, &bridge->ports, link)
			port_sample(port, now_ns);
	}
	for (s = TAILQ_FIRST(&samples); s; s = next) {
		next = TAILQ_NEXT(s, link);
		if (!s->seen)
			sample_free(s);
	}
}

void ctl_qos_forget(void)
{
	while (!TAILQ_EMPTY(&samples))
		sample_free(TAILQ_FIRST(&samples));
}

/* ---- trace ---- */

static void note_out(const struct port *port, const struct ctl_qos *qos, uint32_t queue, char *text)
{
	const struct qos_shaper *shaper = pmd_shaper_get(port);
	char rate[EVS_UNITS_TEXT_LEN];
	struct qos_queue_info info;

	if (!qos_shaper_queue_by_id(shaper, queue, &info))
		qos_shaper_queue(shaper, 0, &info);
	snprintf(text, PL_NOTE_LEN, "shaped to %s, queue %u%s (priority %u, weight %u, %u waiting)",
	         evs_units_format(EVS_UNIT_BPS, qos->egress.average_bps, rate), info.config.id,
	         queue == 0 && qos->egress.map ? " unless its DSCP or PCP says another" : "",
	         info.config.priority, info.config.weight, (unsigned)info.stats.backlog_pkts);
}

static int note_in(const struct ctl_qos *qos, char *text)
{
	const struct qos_ingress_config *in = &qos->ingress;
	bool storms = false;
	char rate[EVS_UNITS_TEXT_LEN];

	for (unsigned i = 0; i < QOS_N_STORMS; i++)
		storms |= in->storm[i].rate > 0;
	if (!in->polices && !in->shapes && !storms)
		return 0;
	evs_units_format(EVS_UNIT_BPS, in->shapes ? in->average_bps : in->police.committed_bps,
	                 rate);
	return snprintf(text, PL_NOTE_LEN, "%s%s%s%s",
	                in->shapes    ? "shaped to "
	                : in->polices ? "policed to "
	                              : "",
	                in->shapes || in->polices ? rate : "",
	                storms && (in->shapes || in->polices) ? ", " : "",
	                storms ? "with storm control" : "");
}

int ctl_qos_note(uint16_t index, bool out, uint32_t queue, char *text)
{
	const struct port *port = port_get(index);
	const json_t *params = port ? ctl_conf_get("qos", port->name) : NULL;
	struct ctl_qos qos;
	int n = 0;

	if (!params)
		return 0;
	if (ctl_qos_read(params, port, &qos, NULL) == 0) {
		if (out && pmd_shaper_get(port)) {
			note_out(port, &qos, queue, text);
			n = 1;
		} else if (!out && qos.guards) {
			n = note_in(&qos, text);
		}
	}
	ctl_qos_fini(&qos);
	return n;
}

/* ---- the method ---- */

struct showing {
	const char *port;
	const struct sample *sample;
	unsigned at;
	json_t *out;
};

static void row_show(const struct row *row, void *arg)
{
	struct showing *sh = arg;
	unsigned i = sh->at++;
	double bps = sh->sample && i < sh->sample->n ? sh->sample->row[i].bps : 0;
	char rate[EVS_UNITS_TEXT_LEN], limit[EVS_UNITS_TEXT_LEN] = "";
	json_t *out;

	evs_units_format(EVS_UNIT_BPS, (uint64_t)bps, rate);
	if (row->limit_bps)
		evs_units_format(EVS_UNIT_BPS, row->limit_bps, limit);
	out = json_pack("{s:s, s:s, s:i, s:f, s:I, s:s, s:s}", "port", sh->port, "kind", row->kind,
	                "id", row->id, "rate-bps", bps, "limit-bps", (json_int_t)row->limit_bps,
	                "rate", rate, "limit-rate", limit);
	if (row->limit_bps)
		json_object_set_new(out, "load", json_real(bps * 100 / (double)row->limit_bps));
	json_object_update(out, row->more);
	json_decref(row->more);
	json_array_append_new(sh->out, out);
}

int ctl_qos_show(struct ctl_call *call)
{
	const char *name = ctl_param_str(call->params, "port", NULL);
	struct ctl_bridge *bridge;
	struct ctl_port *port;

	if (name && !ctl_port_lookup(name, &call->err))
		return -ENOENT;
	call->result = json_array();
	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		TAILQ_FOREACH (port, &bridge->ports, link) {
			struct showing sh = {port->name, sample_of(port->name), 0, call->result};

			if (!name || !strcmp(port->name, name))
				rows(port, row_show, true, &sh);
		}
	}
	return 0;
}
