/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a bridge become what a list says, in one version.
 * Threads: control.
 *
 * Three passes over the list: which rules are there already (one bit a slot), what else is there
 * goes, what is missing comes. The list is read twice and never held here, so that a million rules
 * need no more than themselves.
 */
#include <stdlib.h>

#include "base/evs_task.h"

#include "pipeline/pl_of_pvt.h"

#define KEPT_FLAGS ((unsigned)(OFPFF_SEND_FLOW_REM | OFPFF_NO_PKT_COUNTS | OFPFF_NO_BYT_COUNTS))

struct replace {
	struct pl_bridge *bridge;
	struct pl_replaced *done;
	/* Bits by slot: it is in the list, and was not replaced since. NULL: the table was empty.
	 */
	uint64_t *keep[PL_MAX_TABLES];
	uint32_t len[PL_MAX_TABLES]; /* bits */
};

static bool is_same(const struct of_flow_mod *mod, const struct pl_rule *rule)
{
	struct of_insts insts;

	if (mod->cookie != rule->cookie || mod->idle_timeout != rule->idle_timeout ||
	    mod->hard_timeout != rule->hard_timeout || ((mod->flags ^ rule->flags) & KEPT_FLAGS))
		return false;
	pl_code_insts(rule->code, &insts);
	return of_insts_equal(&mod->insts, &insts);
}

static struct pl_rule *find(struct replace *r, const struct of_flow_mod *mod)
{
	struct pl_table *table = pl_table_at(r->bridge, mod->table_id);

	return pl_rule_of(flow_cls_find(&table->cls, &mod->match.key, &mod->match.mask,
	                                mod->priority, pl_next_version()));
}

static uint64_t *word_of(struct replace *r, const struct pl_rule *rule)
{
	uint8_t id = rule->table->id;

	return rule->slot < r->len[id] ? &r->keep[id][rule->slot / 64] : NULL;
}

static bool is_kept(struct replace *r, const struct pl_rule *rule)
{
	const uint64_t *word = word_of(r, rule);

	return word && (*word >> rule->slot % 64 & 1);
}

static int replace_init(struct replace *r)
{
	for (unsigned i = 0; i < PL_MAX_TABLES; i++) {
		const struct pl_table *table = pl_table_at(r->bridge, i);

		if (!table->n_rules)
			continue;
		r->keep[i] = calloc((table->slots.cap + 63) / 64, sizeof(uint64_t));
		if (!r->keep[i])
			return -ENOMEM;
		r->len[i] = table->slots.cap;
	}
	return 0;
}

static void replace_fini(struct replace *r)
{
	for (unsigned i = 0; i < PL_MAX_TABLES; i++)
		free(r->keep[i]);
}

/* A rule that the list has, be it with other instructions. */
static void mark(struct replace *r, const struct of_flow_mod *mod)
{
	const struct pl_rule *rule = mod->table_id < PL_MAX_TABLES ? find(r, mod) : NULL;

	if (rule)
		*word_of(r, rule) |= UINT64_C(1) << rule->slot % 64;
}

static void remove_other(struct pl_rule *rule, void *arg)
{
	struct replace *r = arg;

	if (is_kept(r, rule))
		return;
	pl_rule_remove(rule, OFPRR_DELETE, true);
	r->done->deleted++;
}

/* Of equal rules in the list the last one remains. */
static int write_rule(struct replace *r, const struct of_flow_mod *mod, struct of_error *err)
{
	struct pl_rule *old = mod->table_id < PL_MAX_TABLES ? find(r, mod) : NULL;

	if (old && is_same(mod, old))
		return 0;
	if (old && is_kept(r, old))
		*word_of(r, old) &= ~(UINT64_C(1) << old->slot % 64);
	return pl_flow_mod(r->bridge, mod, err);
}

static void count_rule(struct pl_rule *rule, void *arg)
{
	struct replace *r = arg;

	if (is_kept(r, rule))
		r->done->kept++;
	else
		r->done->written++;
}

static int run(struct replace *r, const struct pl_flow_source *source, struct of_error *err)
{
	static struct of_flow_mod mod; /* large; control is one thread */
	int rc;

	for (source->rewind(source->arg); (rc = source->next(source->arg, &mod)) > 0;) {
		evs_task_breathe();
		mark(r, &mod);
	}
	if (rc)
		return rc;
	pl_rules_each(r->bridge->tables, remove_other, r);
	for (source->rewind(source->arg); (rc = source->next(source->arg, &mod)) > 0;) {
		evs_task_breathe();
		rc = write_rule(r, &mod, err);
		if (rc)
			return rc;
	}
	if (!rc)
		pl_rules_each(r->bridge->tables, count_rule, r);
	return rc;
}

int pl_flow_replace(struct pl_bridge *bridge, const struct pl_flow_source *source,
                    struct pl_replaced *done, struct of_error *err)
{
	struct replace r = {.bridge = bridge, .done = done};
	int rc = replace_init(&r);

	*done = (struct pl_replaced){0};
	if (!rc) {
		pl_journal_begin();
		rc = run(&r, source, err);
		pl_journal_end(rc == 0);
	}
	replace_fini(&r);
	return rc;
}
