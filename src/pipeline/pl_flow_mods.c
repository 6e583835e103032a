/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of flow-mods that are applied wholly or not at all.
 * Threads: control.
 *
 * While a list runs, a journal notes each rule that was inserted or removed. Nothing of it is
 * published before the next commit, so taking back is a matter of the next version only: backwards,
 * what was inserted is removed, and what was removed gets a successor like itself, to which its
 * cached flows go on counting.
 */
#include <stdlib.h>

#include "base/evs_log.h"
#include "base/evs_task.h"
#include "pipeline/pl_of_pvt.h"

struct note {
	struct pl_rule *rule;
	bool removed;
	bool implicit; /* it was the NORMAL rule of a standalone bridge */
};

static struct {
	struct note *notes;
	uint32_t n, cap;
	bool on;
} journal;

static void note(struct pl_rule *rule, bool removed)
{
	if (!journal.on)
		return;
	if (journal.n == journal.cap) {
		journal.cap = journal.cap ? journal.cap * 2 : 64;
		journal.notes = realloc(journal.notes, journal.cap * sizeof(*journal.notes));
		if (!journal.notes)
			abort(); /* half a list would stay */
	}
	journal.notes[journal.n++] = (struct note){
	        rule, removed, removed && rule->table->bridge->tables->implicit == rule};
}

void pl_journal_insert(struct pl_rule *rule)
{
	note(rule, false);
}

void pl_journal_remove(struct pl_rule *rule)
{
	note(rule, true);
}

/* The rule again, in the next version; NULL without memory. */
static struct pl_rule *bring_back(struct pl_rule *old)
{
	struct of_flow_mod mod = {
	        .cookie = old->cookie,
	        .idle_timeout = old->idle_timeout,
	        .hard_timeout = old->hard_timeout,
	        .flags = old->flags,
	};
	const struct pl_rule *latest = pl_rule_latest(old);
	struct pl_rule *rule;

	flow_cls_rule_match(&old->cls, &mod.match.key, &mod.match.mask);
	pl_code_insts(old->code, &mod.insts);
	rule = pl_rule_create(old->table, &mod);
	if (!rule)
		return NULL;
	rule->created_ns = old->created_ns;
	rule->used_ms = latest->used_ms;
	rule->n_pkts = latest->n_pkts;
	rule->n_bytes = latest->n_bytes;
	return pl_rule_insert(rule, &mod.match, old->cls.priority) ? NULL : rule;
}

static void take_back(const struct note *n)
{
	struct pl_rule *old = n->rule, *rule;

	if (!n->removed) {
		/* One that was removed later in the list has come back as its successor. */
		rule = old->successor ? old->successor : old;
		if (rule->cls.removed == FLOW_CLS_VERSION_MAX)
			pl_rule_remove(rule, OFPRR_DELETE, false);
		return;
	}
	old->notify = false;
	rule = bring_back(old);
	if (!rule)
		EVS_LOG(pipeline, ERR,
		        "bridge '%s': no memory to take a change back: a rule is lost",
		        old->table->bridge->name);
	evs_store_release(&old->successor, rule);
	if (rule && n->implicit)
		rule->table->bridge->tables->implicit = rule;
}

void pl_journal_begin(void)
{
	journal.n = 0;
	journal.on = true;
}

void pl_journal_end(bool keep)
{
	journal.on = false;
	while (!keep && journal.n) {
		evs_task_breathe();
		take_back(&journal.notes[--journal.n]);
	}
	free(journal.notes);
	journal.notes = NULL;
	journal.n = journal.cap = 0;
}

int pl_flow_mods(struct pl_bridge *bridge, const struct of_flow_mod *mods, uint32_t n,
                 uint32_t *failed, struct of_error *err)
{
	int rc = 0;

	pl_journal_begin();
	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		evs_task_breathe();
		rc = pl_flow_mod(bridge, &mods[i], err);
		*failed = i;
	}
	pl_journal_end(rc == 0);
	return rc;
}
