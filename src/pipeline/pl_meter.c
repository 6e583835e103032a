/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meters: the table of a bridge, and meter-mod (OpenFlow 1.3.5, section 5.7 and 7.3.4.4).
 * Threads: control writes, workers look up. Owner: this file; a meter lives as long as a cached
 * flow refers to it.
 */
#include "pipeline/pl_of_pvt.h"

#include <stdlib.h>

#include "base/evs_clock.h"
#include "base/evs_task.h"
#include "qos/qos_meter.h"

#define MAX_BANDS QOS_METER_BANDS_MAX

struct pl_meter *pl_meter_lookup(const struct pl_tables *tables, uint32_t id, uint64_t version)
{
	struct pl_meter *meter = evs_load_acquire(&tables->meters[id % PL_GROUP_BUCKETS]);

	while (meter && (meter->id != id || !pl_exists(meter->added, &meter->removed, version)))
		meter = evs_load_acquire(&meter->next);
	return meter;
}

void pl_meter_unlink(struct pl_meter *meter)
{
	struct pl_meter **link = &meter->bridge->tables->meters[meter->id % PL_GROUP_BUCKETS];

	while (*link != meter)
		link = &(*link)->next;
	evs_store_release(link, meter->next);
}

void pl_meter_free(struct pl_meter *meter)
{
	qos_meter_destroy(meter->meter);
	free(meter);
}

static struct qos_meter *meter_make(const struct of_meter_mod *mod)
{
	struct qos_meter_config config = {
	        .by_pkts = mod->flags & OFPMF_PKTPS,
	        .n_bands = mod->n_bands,
	};

	for (uint32_t i = 0; i < mod->n_bands; i++) {
		const struct of_meter_band *band = &mod->bands[i];

		config.bands[i] = (struct qos_band_config){
		        .kind = band->type == OFPMBT_DROP ? QOS_BAND_DROP : QOS_BAND_DSCP_REMARK,
		        .rate = band->rate,
		        .burst = mod->flags & OFPMF_BURST ? band->burst_size : 0,
		        .prec_level = band->prec_level,
		};
	}
	return qos_meter_create(&config, evs_clock_tsc_hz);
}

static int create(struct pl_bridge *bridge, const struct of_meter_mod *mod,
                  struct pl_meter **meterp)
{
	struct pl_meter *meter = calloc(1, sizeof(*meter) + mod->n_bands * sizeof(meter->bands[0]));

	if (!meter)
		return -ENOMEM;
	meter->meter = meter_make(mod);
	if (!meter->meter) {
		free(meter);
		return -ENOMEM;
	}
	meter->id = mod->meter_id;
	meter->bridge = bridge;
	meter->flags = mod->flags;
	meter->n_bands = mod->n_bands;
	if (mod->n_bands)
		memcpy(meter->bands, mod->bands, mod->n_bands * sizeof(meter->bands[0]));
	meter->created_ns = evs_clock_ns();
	meter->added = pl_next_version();
	meter->removed = FLOW_CLS_VERSION_MAX;
	*meterp = meter;
	return 0;
}

static void link_meter(struct pl_meter *meter)
{
	struct pl_meter **head = &meter->bridge->tables->meters[meter->id % PL_GROUP_BUCKETS];

	assert(!evs_task_is_elsewhere());
	meter->next = *head;
	evs_store_release(head, meter);
	meter->bridge->tables->n_meters++;
	pl_pending_touch();
}

static void remove_meter(struct pl_meter *meter)
{
	assert(!evs_task_is_elsewhere());
	evs_store_relaxed(&meter->removed, pl_next_version());
	meter->bridge->tables->n_meters--;
	pl_pending_meter(meter);
}

static int check_bands(const struct of_meter_mod *mod, struct of_error *err)
{
	if (mod->n_bands > MAX_BANDS)
		return of_error_set(err, OFPMMFC_OUT_OF_BANDS);
	for (uint32_t i = 0; i < mod->n_bands; i++) {
		const struct of_meter_band *band = &mod->bands[i];

		if (band->type != OFPMBT_DROP && band->type != OFPMBT_DSCP_REMARK)
			return of_error_set(err, OFPMMFC_BAD_BAND);
		if (!band->rate)
			return of_error_set(err, OFPMMFC_BAD_RATE);
		if (band->type == OFPMBT_DSCP_REMARK && band->prec_level > 3)
			return of_error_set(err, OFPMMFC_BAD_BAND_VALUE);
	}
	return 0;
}

static int check(const struct of_meter_mod *mod, struct of_error *err)
{
	const uint16_t units = OFPMF_KBPS | OFPMF_PKTPS, known = units | OFPMF_BURST | OFPMF_STATS;

	if (mod->meter_id == 0 || mod->meter_id > OFPM_MAX)
		return of_error_set(err, OFPMMFC_INVALID_METER);
	if ((mod->flags & ~known) || (mod->flags & units) == units)
		return of_error_set(err, OFPMMFC_BAD_FLAGS);
	return check_bands(mod, err);
}

static int set(struct pl_bridge *bridge, const struct of_meter_mod *mod, struct pl_meter *old,
               struct of_error *err)
{
	struct pl_meter *meter;
	int rc = check(mod, err);

	if (rc)
		return rc;
	if (!old && bridge->tables->n_meters >= PL_MAX_METERS)
		return of_error_set(err, OFPMMFC_OUT_OF_METERS);
	rc = create(bridge, mod, &meter);
	if (rc)
		return rc;
	if (old) {
		meter->n_rule_refs = old->n_rule_refs;
		remove_meter(old);
	}
	link_meter(meter);
	return 0;
}

static void remove_user(struct pl_rule *rule, void *arg)
{
	uint32_t id = *(const uint32_t *)arg;

	if ((rule->code->set & OF_INST_METER) && (id == OFPM_ALL || rule->code->meter_id == id))
		pl_rule_remove(rule, OFPRR_DELETE, true);
}

/* Rules that name the meter, or any (OFPM_ALL), go with it (section 6.6). */
static void remove_users(struct pl_tables *tables, uint32_t id)
{
	pl_rules_each(tables, remove_user, &id);
}

static void remove_one(struct pl_meter *meter, void *arg)
{
	remove_meter(meter);
}

static void delete_one(struct pl_meter *meter)
{
	if (meter->n_rule_refs)
		remove_users(meter->bridge->tables, meter->id);
	remove_meter(meter);
}

static void visit_chain(struct pl_meter *meter, uint64_t version,
                        void (*fn)(struct pl_meter *meter, void *arg), void *arg)
{
	evs_task_breathe();
	for (; meter; meter = meter->next)
		if (pl_exists(meter->added, &meter->removed, version))
			fn(meter, arg);
}

/* The published meters of up to n chains from *cursor on; false: that was the end. */
static bool some_meters(const struct pl_tables *tables, uint32_t *cursor, uint32_t n,
                        void (*fn)(struct pl_meter *meter, void *arg), void *arg)
{
	for (; n && *cursor < PL_GROUP_BUCKETS; n--, ++*cursor)
		visit_chain(tables->meters[*cursor], pl_version, fn, arg);
	return *cursor < PL_GROUP_BUCKETS;
}

void pl_meters_clear(struct pl_tables *tables)
{
	if (!tables->n_meters)
		return;
	remove_users(tables, OFPM_ALL);
	for (unsigned i = 0; i < PL_GROUP_BUCKETS; i++)
		visit_chain(tables->meters[i], pl_next_version(), remove_one, NULL);
}

int pl_meter_mod(struct pl_bridge *bridge, const struct of_meter_mod *mod, struct of_error *err)
{
	struct pl_meter *old = pl_meter_lookup(bridge->tables, mod->meter_id, pl_next_version());

	switch (mod->command) {
	case OFPMC_ADD:
		return old ? of_error_set(err, OFPMMFC_METER_EXISTS) : set(bridge, mod, NULL, err);
	case OFPMC_MODIFY:
		return old ? set(bridge, mod, old, err) : of_error_set(err, OFPMMFC_UNKNOWN_METER);
	case OFPMC_DELETE:
		if (mod->meter_id == OFPM_ALL)
			pl_meters_clear(bridge->tables);
		else if (mod->meter_id == 0 || mod->meter_id > OFPM_MAX)
			return of_error_set(err, OFPMMFC_INVALID_METER);
		else if (old)
			delete_one(old);
		return 0;
	default:
		return of_error_set(err, OFPMMFC_BAD_COMMAND);
	}
}

/* Statistics */

struct visitor {
	void (*stats)(const struct of_meter_stats *stats, void *arg);
	void (*config)(const struct of_meter_config *config, void *arg);
	void *arg;
};

static void tell_stats(struct pl_meter *meter, void *arg)
{
	const struct visitor *visitor = arg;
	struct of_band_counter bands[MAX_BANDS] = {0};
	struct qos_count in, counts[MAX_BANDS] = {0};
	uint64_t age_ns = evs_clock_ns() - meter->created_ns;
	struct of_meter_stats stats = {
	        .meter_id = meter->id,
	        .flow_count = meter->n_rule_refs,
	        .duration_sec = (uint32_t)(age_ns / 1000000000u),
	        .duration_nsec = (uint32_t)(age_ns % 1000000000u),
	        .bands = bands,
	        .n_bands = meter->n_bands,
	};

	qos_meter_counts(meter->meter, &in, counts);
	stats.packet_in_count = in.pkts;
	stats.byte_in_count = in.bytes;
	for (uint32_t i = 0; i < meter->n_bands; i++)
		bands[i] = (struct of_band_counter){counts[i].pkts, counts[i].bytes};
	visitor->stats(&stats, visitor->arg);
}

static void tell_config(struct pl_meter *meter, void *arg)
{
	const struct visitor *visitor = arg;
	struct of_meter_config config = {
	        .flags = meter->flags,
	        .meter_id = meter->id,
	        .bands = meter->bands,
	        .n_bands = meter->n_bands,
	};

	visitor->config(&config, visitor->arg);
}

int pl_meter_known(struct pl_bridge *bridge, uint32_t meter_id, struct of_error *err)
{
	if (meter_id == OFPM_ALL || pl_meter_lookup(bridge->tables, meter_id, pl_version))
		return 0;
	return of_error_set(err, OFPMMFC_UNKNOWN_METER);
}

static bool walk(struct pl_bridge *bridge, uint32_t meter_id, uint32_t *cursor,
                 void (*fn)(struct pl_meter *meter, void *arg), struct visitor *visitor)
{
	struct pl_meter *meter;

	if (meter_id == OFPM_ALL)
		return some_meters(bridge->tables, cursor, PL_WALK_CHAINS, fn, visitor);
	meter = pl_meter_lookup(bridge->tables, meter_id, pl_version);
	if (meter)
		fn(meter, visitor);
	return false;
}

bool pl_meter_walk(struct pl_bridge *bridge, uint32_t meter_id, uint32_t *cursor,
                   void (*visit)(const struct of_meter_stats *stats, void *arg), void *arg)
{
	struct visitor visitor = {.stats = visit, .arg = arg};

	return walk(bridge, meter_id, cursor, tell_stats, &visitor);
}

bool pl_meter_config_walk(struct pl_bridge *bridge, uint32_t meter_id, uint32_t *cursor,
                          void (*visit)(const struct of_meter_config *config, void *arg), void *arg)
{
	struct visitor visitor = {.config = visit, .arg = arg};

	return walk(bridge, meter_id, cursor, tell_config, &visitor);
}

void pl_meter_features(struct of_meter_features *features)
{
	memset(features, 0, sizeof(*features));
	features->max_meter = PL_MAX_METERS;
	features->band_types = 1u << OFPMBT_DROP | 1u << OFPMBT_DSCP_REMARK;
	features->capabilities = OFPMF_KBPS | OFPMF_PKTPS | OFPMF_BURST | OFPMF_STATS;
	features->max_bands = MAX_BANDS;
}
