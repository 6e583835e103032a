/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of qos.set: rates of a port, its queues and classes, maps. Threads: control.
 */
#include "control/ctl_qos_pvt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST_DEFAULT_MS 5
#define TARGET_US        5000
#define INTERVAL_US      100000

int ctl_qos_check(const struct ctl_qos_value *v, uint64_t n, struct evs_error *err)
{
	char text[EVS_UNITS_TEXT_LEN], nearest[EVS_UNITS_TEXT_LEN];
	uint64_t valid = n > v->max ? v->max : v->min;

	if (n >= v->min && n <= v->max)
		return 0;
	evs_units_format(v->unit, valid, nearest);
	if (v->unit == EVS_UNIT_BYTES) /* not rounded, or it would be refused again */
		snprintf(nearest, sizeof(nearest), "%luB", valid);
	return evs_error_set(err, -EINVAL, "%s %s is too %s: the nearest valid value is %s",
	                     v->name, evs_units_format(v->unit, n, text),
	                     n < v->min ? "small" : "large", nearest);
}

int ctl_qos_text(const char *text, const struct ctl_qos_value *v, struct evs_error *err)
{
	uint64_t n;
	int ret = evs_units_parse(v->unit, text, &n, err);

	if (ret == -ERANGE) /* beyond 64 bits: as good as the largest */
		n = UINT64_MAX;
	else if (ret)
		return evs_error_prefix(err, "%s", v->name);
	ret = ctl_qos_check(v, n, err);
	if (ret == 0)
		*v->to = n;
	return ret;
}

int ctl_qos_value(const json_t *params, const struct ctl_qos_value *v, struct evs_error *err)
{
	const char *text = ctl_param_str(params, v->name, NULL);

	return text ? ctl_qos_text(text, v, err) : 0;
}

uint64_t ctl_qos_burst(const struct ctl_qos *qos, uint64_t bps)
{
	return EVS_MAX(bps / 8 * BURST_DEFAULT_MS / 1000, qos->frame_bytes);
}

/* ---- queues and classes: "queue.N.OPTION" ---- */

struct item_option {
	const char *name, *choices; /* choices: of an enum, from 0; NULL: a number */
	enum evs_unit unit;
	uint64_t min, max;
	size_t ofs, size;
};

#define BPS      EVS_UNIT_BPS, CTL_QOS_BPS_MIN, CTL_QOS_BPS_MAX
#define COUNT    NULL, EVS_UNIT_COUNT
#define AT(s, m) offsetof(struct s, m), sizeof(((struct s *)0)->m)
#define Q(m)     AT(qos_queue_config, m)
#define C(m)     AT(qos_class_config, m)

static const struct item_option queue_options[] = {
        {"priority", COUNT, 0, QOS_PRIORITIES - 1, Q(priority)},
        {"weight", COUNT, 1, QOS_WEIGHT_MAX, Q(weight)},
        {"limit", COUNT, 1, QOS_BACKLOG_MAX, Q(limit_pkts)},
        {"class", COUNT, 0, QOS_CLASSES - 1, Q(class_id)},
        {"min-rate", NULL, BPS, Q(min_bps)},
        {"max-rate", NULL, BPS, Q(max_bps)},
        {"burst", NULL, EVS_UNIT_BYTES, 0, CTL_QOS_BURST_MAX, Q(burst_bytes)},
        {"aqm", "default|none|codel|wred", EVS_UNIT_COUNT, 0, 0, Q(aqm)},
        {"wred-min", COUNT, 0, QOS_BACKLOG_MAX, Q(wred.min_pkts)},
        {"wred-max", COUNT, 1, QOS_BACKLOG_MAX, Q(wred.max_pkts)},
        {"wred-drop", COUNT, 1, QOS_WHOLE, Q(wred.drop_max)},
        {0},
};

static const struct item_option class_options[] = {
        {"weight", COUNT, 1, QOS_WEIGHT_MAX, C(weight)},
        {"min-rate", NULL, BPS, C(min_bps)},
        {"max-rate", NULL, BPS, C(max_bps)},
        {"burst", NULL, EVS_UNIT_BYTES, 0, CTL_QOS_BURST_MAX, C(burst_bytes)},
        {0},
};

static struct qos_class_config *class_of(struct ctl_qos *qos, uint16_t id)
{
	struct qos_class_config *classes = qos->classes;
	unsigned n = qos->egress.n_classes;

	for (unsigned i = 0; i < n; i++)
		if (classes[i].id == id)
			return &classes[i];
	classes = realloc(classes, (n + 1) * sizeof(*classes));
	if (!classes)
		return NULL;
	qos->egress.classes = qos->classes = classes;
	qos->egress.n_classes = n + 1;
	classes[n] = (struct qos_class_config){.id = id, .weight = 1};
	return &classes[n];
}

static struct qos_queue_config *queue_of(struct ctl_qos *qos, uint16_t id)
{
	struct qos_queue_config *queues = qos->queues;
	unsigned n = qos->egress.n_queues;

	for (unsigned i = n; i-- > 0;) /* options of a queue mostly stand together */
		if (queues[i].id == id)
			return &queues[i];
	queues = realloc(queues, (n + 1) * sizeof(*queues));
	if (!queues)
		return NULL;
	qos->egress.queues = qos->queues = queues;
	qos->egress.n_queues = n + 1;
	queues[n] = (struct qos_queue_config){.id = id,
	                                      .priority = QOS_PRIORITIES / 2,
	                                      .weight = 1,
	                                      .limit_pkts = QOS_LIMIT_DEFAULT};
	return &queues[n];
}

static void store(void *item, const struct item_option *o, uint64_t value)
{
	void *to = (char *)item + o->ofs;

	if (o->size == 1)
		*(uint8_t *)to = (uint8_t)value;
	else if (o->size == 2)
		*(uint16_t *)to = (uint16_t)value;
	else if (o->size == 4)
		*(uint32_t *)to = (uint32_t)value;
	else
		*(uint64_t *)to = value;
}

/* The index of a word among "a|b|c"; -1: it is none of them. */
static int choice_of(const char *choices, const char *word)
{
	size_t len = strlen(word);
	int n = 0;

	for (const char *c = choices; c; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL, n++)
		if (!strncmp(c, word, len) && (c[len] == '|' || c[len] == '\0'))
			return n;
	return -1;
}

static int unknown_option(const char *key, const struct item_option *options, struct evs_error *err)
{
	char names[200] = "";

	for (const struct item_option *o = options; o->name; o++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
		         o == options ? "" : ", ", o->name);
	return evs_error_set(err, -EINVAL, "there is no option '%.60s': the options are %s", key,
	                     names);
}

struct item_kind {
	const char *prefix;
	unsigned n;
	const struct item_option *options;
	bool is_class;
};
static const struct item_kind item_kinds[] = {
        {"queue.", QOS_QUEUES, queue_options, false},
        {"class.", QOS_CLASSES, class_options, true},
};

static int read_item(const struct item_kind *kind, const char *key, const char *text,
                     struct ctl_qos *qos, struct evs_error *err)
{
	const struct item_option *o = kind->options;
	unsigned id;
	uint64_t value = 0;
	int end = 0, choice;
	void *item;

	if (sscanf(key + strlen(kind->prefix), "%4u.%n", &id, &end) != 1 || end == 0 ||
	    id >= kind->n)
		return evs_error_set(err, -EINVAL, "'%.60s': write %sN.OPTION, with N up to %u",
		                     key, kind->prefix, kind->n - 1);
	while (o->name && strcmp(key + strlen(kind->prefix) + end, o->name))
		o++;
	if (!o->name)
		return unknown_option(key, kind->options, err);
	if (o->choices) {
		choice = choice_of(o->choices, text);
		if (choice < 0)
			return evs_error_set(err, -EINVAL, "%s: '%.40s' is none of %s", key, text,
			                     o->choices);
		value = (uint64_t)choice;
	} else if (ctl_qos_text(text, &(struct ctl_qos_value){key, o->unit, o->min, o->max, &value},
	                        err)) {
		return err->code;
	}
	item = kind->is_class ? (void *)class_of(qos, (uint16_t)id)
	                      : (void *)queue_of(qos, (uint16_t)id);
	if (!item)
		return evs_error_set(err, -ENOMEM, "no memory for queues");
	store(item, o, value);
	return 0;
}

/* ---- what belongs together ---- */

static int finish_burst(const struct ctl_qos *qos, const char *what, uint64_t bps, uint64_t *burst,
                        struct evs_error *err)
{
	const struct ctl_qos_value v = {what, EVS_UNIT_BYTES, qos->frame_bytes, CTL_QOS_BURST_MAX,
	                                NULL};

	if (*burst == 0)
		*burst = bps ? ctl_qos_burst(qos, bps) : 0;
	return *burst ? ctl_qos_check(&v, *burst, err) : 0;
}

static int finish_wred(struct qos_queue_config *q, struct evs_error *err)
{
	char name[32];

	snprintf(name, sizeof(name), "queue.%u.wred-max", q->id);
	if (!q->wred.max_pkts)
		q->wred.max_pkts = EVS_MAX(q->limit_pkts * 3 / 4, 2u);
	if (!q->wred.min_pkts)
		q->wred.min_pkts = q->wred.max_pkts / 3;
	if (!q->wred.drop_max)
		q->wred.drop_max = QOS_WHOLE / 10;
	return ctl_qos_check(&(struct ctl_qos_value){name, EVS_UNIT_COUNT, q->wred.min_pkts + 1,
	                                             QOS_BACKLOG_MAX, NULL},
	                     q->wred.max_pkts, err);
}

static int finish_queue(struct ctl_qos *qos, struct qos_queue_config *q, enum qos_aqm aqm,
                        struct evs_error *err)
{
	char name[64];
	int ret;

	snprintf(name, sizeof(name), "queue.%u.burst", q->id);
	ret = finish_burst(qos, name, q->max_bps, &q->burst_bytes, err);
	if (ret == 0 && q->max_bps) {
		snprintf(name, sizeof(name), "queue.%u.max-rate (not below its min-rate)", q->id);
		ret = ctl_qos_check(&(struct ctl_qos_value){name, EVS_UNIT_BPS, q->min_bps,
		                                            CTL_QOS_BPS_MAX, NULL},
		                    q->max_bps, err);
	}
	if (q->aqm == QOS_AQM_DEFAULT)
		q->aqm = (uint8_t)aqm;
	if (ret == 0 && q->aqm == QOS_AQM_WRED)
		ret = finish_wred(q, err);
	if (ret == 0 && !class_of(qos, q->class_id))
		ret = evs_error_set(err, -ENOMEM, "no memory for classes");
	return ret;
}

/* A class guarantees what it says, and what its queues do; it may not be limited to less. */
static int finish_class(const struct ctl_qos *qos, struct qos_class_config *c, uint64_t min_bps,
                        struct evs_error *err)
{
	char name[80];
	int ret;

	snprintf(name, sizeof(name), "class.%u.burst", c->id);
	ret = finish_burst(qos, name, c->max_bps, &c->burst_bytes, err);
	if (ret || !c->max_bps)
		return ret;
	snprintf(name, sizeof(name), "class.%u.max-rate (not below its and its queues' min-rates)",
	         c->id);
	return ctl_qos_check(
	        &(struct ctl_qos_value){name, EVS_UNIT_BPS, min_bps, CTL_QOS_BPS_MAX, NULL},
	        c->max_bps, err);
}

static int finish_items(struct ctl_qos *qos, enum qos_aqm aqm, struct evs_error *err)
{
	uint64_t sum = 0, mins[QOS_CLASSES] = {0}; /* of queues, by class */
	int ret = 0;

	if (!queue_of(qos, 0)) /* there is one in any case: its options are the defaults */
		return evs_error_set(err, -ENOMEM, "no memory for queues");
	for (unsigned i = 0; ret == 0 && i < qos->egress.n_queues; i++) {
		ret = finish_queue(qos, &qos->queues[i], aqm, err);
		mins[qos->queues[i].class_id] += qos->queues[i].min_bps;
	}
	for (unsigned i = 0; ret == 0 && i < qos->egress.n_classes; i++) {
		struct qos_class_config *c = &qos->classes[i];

		mins[c->id] = EVS_MAX(mins[c->id], c->min_bps);
		sum += mins[c->id];
		ret = finish_class(qos, c, mins[c->id], err);
	}
	if (ret == 0)
		ret = ctl_qos_check(&(struct ctl_qos_value){"the sum of all min-rates",
		                                            EVS_UNIT_BPS, 0,
		                                            qos->egress.average_bps, NULL},
		                    sum, err);
	return ret;
}

/* "46:1,34:2" */
static int read_map(const char *name, const char *text, uint16_t *map, unsigned n,
                    struct evs_error *err)
{
	while (text && *text) {
		unsigned from, queue;
		int end = 0;

		if (sscanf(text, "%3u:%4u%n", &from, &queue, &end) != 2 || from >= n ||
		    queue >= QOS_QUEUES || (text[end] && text[end] != ','))
			return evs_error_set(
			        err, -EINVAL,
			        "%s: '%.40s' is not a list like %u:1,0:2, of values up "
			        "to %u and queues up to %d",
			        name, text, n - 1, n - 1, QOS_QUEUES - 1);
		map[from] = (uint16_t)queue;
		text += end + (text[end] == ',');
	}
	return 0;
}

static int read_maps(const json_t *params, struct ctl_qos *qos, struct evs_error *err)
{
	const char *dscp = ctl_param_str(params, "egress.dscp-map", NULL);
	const char *pcp = ctl_param_str(params, "egress.pcp-map", NULL);

	memset(&qos->map, 0xff, sizeof(qos->map));
	if (dscp || pcp)
		qos->egress.map = &qos->map;
	if (read_map("egress.dscp-map", dscp, qos->map.dscp, 64, err) ||
	    read_map("egress.pcp-map", pcp, qos->map.pcp, 8, err))
		return err->code;
	return 0;
}

static int read_rates(const json_t *params, struct ctl_qos *qos, struct evs_error *err)
{
	struct qos_shaper_config *c = &qos->egress;
	uint64_t backlog = 0;
	int ret;

	if (!ctl_param_str(params, "egress.average", NULL))
		return evs_error_set(err, -EINVAL,
		                     "port '%s': give egress.average, the rate to shape to",
		                     qos->port);
	ret = ctl_qos_value(params,
	                    &(struct ctl_qos_value){"egress.average", EVS_UNIT_BPS, CTL_QOS_BPS_MIN,
	                                            CTL_QOS_BPS_MAX, &c->average_bps},
	                    err);
	c->burst_bytes = ctl_qos_burst(qos, c->average_bps);
	const struct ctl_qos_value rest[] = {
	        {"egress.burst", EVS_UNIT_BYTES, qos->frame_bytes, CTL_QOS_BURST_MAX,
	         &c->burst_bytes},
	        {"egress.peak", EVS_UNIT_BPS, c->average_bps, CTL_QOS_BPS_MAX, &c->peak_bps},
	        {"egress.backlog", EVS_UNIT_COUNT, 16, QOS_BACKLOG_MAX, &backlog},
	};

	for (unsigned i = 0; ret == 0 && i < EVS_ARRAY_LEN(rest); i++)
		ret = ctl_qos_value(params, &rest[i], err);
	c->backlog_pkts = (uint32_t)backlog;
	return ret;
}

int ctl_qos_read_egress(const json_t *params, struct ctl_qos *qos, struct evs_error *err)
{
	static const char aqms[] = "default|none|codel|wred";
	struct qos_shaper_config *c = &qos->egress;
	bool layer_1 = !strcmp(ctl_param_str(params, "egress.layer", "l2"), "l1");
	enum qos_aqm aqm =
	        (enum qos_aqm)choice_of(aqms, ctl_param_str(params, "egress.aqm", "codel"));
	int ret = read_rates(params, qos, err);

	c->overhead_bytes =
	        (uint32_t)ctl_param_uint(params, "egress.overhead", layer_1 ? CTL_QOS_LAYER_1 : 0);
	c->frame_min_bytes = layer_1 ? 60 : 0;
	if (ret == 0) { /* not below what two frames take, or a slow link is always bad */
		uint64_t frames_us = qos->frame_bytes * 2 * 8 * 1000000 / c->average_bps;

		c->target_us = (uint32_t)EVS_MAX((uint64_t)TARGET_US, frames_us);
		c->interval_us = EVS_MAX((uint32_t)INTERVAL_US, c->target_us);
		ret = read_maps(params, qos, err);
	}
	return ret ? ret : finish_items(qos, aqm, err);
}

/* ---- all ---- */

static int unknown_param(const char *key, struct evs_error *err)
{
	char names[900] = "";

	for (const struct api_param *p = api_qos_set.params; p->name; p++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s, ", p->name);
	return evs_error_set(err, -EINVAL,
	                     "qos.set has no parameter '%.60s': it takes %squeue.N.OPTION, "
	                     "class.N.OPTION",
	                     key, names);
}

/* Options of queues and classes; is there anything of egress? */
static int read_open(const json_t *params, struct ctl_qos *qos, struct evs_error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)params, key, value) {
		unsigned k = 0;
		int ret = 0;

		if (!strncmp(key, "egress.", 7))
			qos->shapes = true;
		else if (!strncmp(key, "ingress.", 8) || !strncmp(key, "storm.", 6))
			qos->guards = true;
		if (api_param_lookup(&api_qos_set, key))
			continue;
		while (k < EVS_ARRAY_LEN(item_kinds) &&
		       strncmp(key, item_kinds[k].prefix, strlen(item_kinds[k].prefix)))
			k++;
		if (k == EVS_ARRAY_LEN(item_kinds))
			return unknown_param(key, err);
		qos->shapes = true;
		ret = read_item(&item_kinds[k], key, json_string_value(value), qos, err);
		if (ret)
			return ret;
	}
	return 0;
}

int ctl_qos_read(const json_t *params, const struct port *port, struct ctl_qos *qos,
                 struct evs_error *err)
{
	int ret;

	memset(qos, 0, sizeof(*qos));
	qos->port = port->name;
	qos->frame_bytes = port->mtu + RTE_ETHER_HDR_LEN;
	ret = read_open(params, qos, err);
	if (ret == 0 && !qos->shapes && !qos->guards)
		ret = evs_error_set(
		        err, -EINVAL,
		        "port '%s': give egress.average to shape, ingress.average to police "
		        "or shape what comes in, or storm.broadcast and its like",
		        qos->port);
	if (ret == 0 && qos->shapes)
		ret = ctl_qos_read_egress(params, qos, err);
	if (ret == 0 && qos->guards)
		ret = ctl_qos_read_ingress(params, qos, err);
	return ret;
}

void ctl_qos_fini(struct ctl_qos *qos)
{
	free(qos->queues);
	free(qos->classes);
}
