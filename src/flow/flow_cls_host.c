/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts: by which mask the rules of a tuple are hashed, and the tables that hold them.
 * Threads: control writes, workers read tables. Owner: the tuple that is the host.
 *
 * While a classifier has few masks, each tuple is its own host, and a search compares one rule of
 * it at most. With more masks a search would probe too many tables; so rules are then hashed by
 * fewer bits, and one table holds rules of many masks. What bits is a matter of levels: short
 * prefixes and no ports first. Where too many matches share these bits, the next one
 * goes a level finer, so that a run never gets long, whatever the rules are.
 */
#include <stdlib.h>
#include <string.h>

#include "base/evs_rcu.h"
#include "flow/flow_cls_pvt.h"

#define TABLE_MIN 8
#define RUN_MAX   64     /* matches that share the bits of their host */
#define FULL_MIN  16     /* as many full runs make a tuple start a level finer ... */
#define FULL_PART 4      /* ... if they are this part of its matches */
#define MERGE_MAX 131072 /* matches that are moved at once */

/* --- levels ----------------------------------------------------------------------------------- */

/* What remains of a prefix of each length, in steps of four bits. */
static const uint8_t ipv4_bits[FLOW_CLS_EXACT][9] = {
        {0, 0, 8, 8, 16, 16, 16, 16, 16},
        {0, 0, 8, 12, 16, 20, 24, 24, 24},
        {0, 4, 8, 12, 16, 20, 24, 28, 32},
};

static uint32_t relax_ipv4(rte_be32_t mask, unsigned level)
{
	uint32_t host = ~rte_be_to_cpu_32(mask), len = host ? (uint32_t)__builtin_clz(host) : 32;
	uint32_t bits = ipv4_bits[level][len / 4];

	return bits ? rte_cpu_to_be_32(~0u << (32 - bits)) : 0;
}

/* Whole bytes of a prefix: 32 and 48 bits, 64, or as many as there are. */
static void relax_ipv6(const uint8_t mask[16], unsigned level, uint8_t relaxed[16])
{
	static const uint8_t max[FLOW_CLS_EXACT] = {6, 8, 16};
	unsigned len = 0;

	while (len < max[level] && mask[len] == 0xff)
		len++;
	memset(relaxed, 0, 16);
	memset(relaxed, 0xff, level == 0 ? len & ~1u : len);
}

static rte_be16_t relax_port(rte_be16_t mask, unsigned level)
{
	return level == FLOW_CLS_EXACT - 1 && mask == UINT16_MAX ? mask : 0;
}

void flow_cls_relax(const struct flow_key *mask, unsigned level, struct flow_key *relaxed)
{
	const struct pkt_key_base *m = &mask->pkt.base;
	struct pkt_key_base *r = &relaxed->pkt.base;

	*relaxed = *mask;
	if (level == FLOW_CLS_EXACT)
		return;
	r->ip_src = relax_ipv4(m->ip_src, level);
	r->ip_dst = relax_ipv4(m->ip_dst, level);
	r->tp_src = relax_port(m->tp_src, level);
	r->tp_dst = relax_port(m->tp_dst, level);
	relax_ipv6(mask->pkt.ext.ipv6.src, level, relaxed->pkt.ext.ipv6.src);
	relax_ipv6(mask->pkt.ext.ipv6.dst, level, relaxed->pkt.ext.ipv6.dst);
}

/* --- tables ----------------------------------------------------------------------------------- */

/* Hash of values of a tuple by the bits of a host. Both have their words in the order of the key.
 */
static uint32_t hash_values(const struct flow_cls_tuple *host, const struct flow_cls_tuple *tuple,
                            const uint64_t *values)
{
	uint64_t sum = host->n_words;
	uint32_t at = 0, i;

	for (i = 0; i < host->n_words; i++) {
		while (tuple->words[at].index != host->words[i].index)
			at++;
		sum += hash_word(i, values[at] & host->words[i].mask);
	}
	for (; i < FLOW_CLS_WORDS; i++)
		sum += hash_word(i, 0);
	return hash_end(sum);
}

static uint64_t *table_find(const struct flow_cls_tuple *host, const struct flow_cls_tuple *tuple,
                            const uint64_t *values, uint32_t hash)
{
	size_t size = tuple->n_words * sizeof(uint64_t);

	for (uint32_t i = hash & host->slot_mask;; i = (i + 1) & host->slot_mask) {
		uint64_t slot = host->slots[i];
		const struct flow_cls_rule *rule = slot_rule(slot);

		if (slot == SLOT_EMPTY)
			return NULL;
		if (slot_has_hash(slot, hash) && rule->hash == hash && rule->tuple == tuple &&
		    !memcmp(rule->values, values, size))
			return &host->slots[i];
	}
}

static uint32_t free_slot(const uint64_t *slots, uint32_t mask, uint32_t hash)
{
	uint32_t i = hash & mask;

	while (slot_in_use(slots[i]))
		i = (i + 1) & mask;
	return i;
}

/* A filter may be written under the eyes of readers that know a rule which had the slot before:
 * that one is in no version of theirs. */
static void filter_set(struct flow_cls_filter *filter, const struct flow_cls_rule *head)
{
	const struct flow_cls_tuple *tuple = head->tuple;
	struct flow_cls_filter f = {0};

	for (uint32_t i = 0; i < tuple->n_words; i++) {
		if (tuple->words[i].index == FLOW_CLS_ADDRESSES) {
			f.address_mask = tuple->words[i].mask;
			f.addresses = head->values[i];
		} else if (tuple->words[i].index == FLOW_CLS_PORTS) {
			f.port_mask = (uint32_t)tuple->words[i].mask;
			f.ports = (uint32_t)head->values[i];
		}
	}
	evs_store_relaxed(&filter->address_mask, f.address_mask);
	evs_store_relaxed(&filter->addresses, f.addresses);
	evs_store_relaxed(&filter->port_mask, f.port_mask);
	evs_store_relaxed(&filter->ports, f.ports);
}

/* Whether as many heads as may be share these bits. */
static bool run_is_full(const struct flow_cls_tuple *host, uint32_t hash)
{
	uint32_t n = 0;

	if (!host->slots)
		return false;
	for (uint32_t i = hash & host->slot_mask; n < RUN_MAX; i = (i + 1) & host->slot_mask) {
		uint64_t slot = host->slots[i];

		if (slot == SLOT_EMPTY)
			return false;
		n += slot_has_hash(slot, hash);
	}
	return true;
}

static void table_set(struct flow_cls_tuple *host, uint64_t *slots, uint32_t size, bool is_shared)
{
	uint64_t *old = host->slots;

	host->slots = slots;
	host->filters = is_shared ? (struct flow_cls_filter *)(slots + size) : NULL;
	host->slot_mask = size - 1;
	host->n_gone = 0;
	evs_store_release(&host->probe->table, table_make(slots, size, is_shared));
	evs_rcu_free(old);
}

/* Makes room for one more head: at most half of the slots are other than empty. is_shared: it may
 * be another tuple's. */
static int table_reserve(struct flow_cls_tuple *host, bool is_shared)
{
	uint32_t size = host->slots ? host->slot_mask + 1 : 0, more = EVS_MAX(size, TABLE_MIN);
	struct flow_cls_filter *filters;
	uint64_t *slots;

	if ((host->n_heads + host->n_gone + 1) * 2 <= size && is_shared == !!host->filters)
		return 0;
	while (more < (host->n_heads + 1) * 3)
		more *= 2;
	slots = calloc(more, sizeof(slots[0]) + (is_shared ? sizeof(filters[0]) : 0));
	if (!slots)
		return -ENOMEM;
	filters = is_shared ? (struct flow_cls_filter *)(slots + more) : NULL;
	for (uint32_t i = 0; i < size; i++) {
		const struct flow_cls_rule *head = slot_rule(host->slots[i]);
		uint32_t to;

		if (!slot_in_use(host->slots[i]))
			continue;
		to = free_slot(slots, more - 1, head->hash);
		slots[to] = host->slots[i];
		if (filters)
			filter_set(&filters[to], head);
	}
	table_set(host, slots, more, is_shared);
	return 0;
}

/* --- hosts of a tuple ------------------------------------------------------------------------- */

/* The host at a level. It is the tuple itself, and *level the exact one, if the level's mask is no
 * coarser. */
static struct flow_cls_tuple *host_get(struct flow_cls *cls, struct flow_cls_tuple *tuple,
                                       unsigned *level)
{
	struct flow_cls_tuple *host = tuple->host[*level];
	struct flow_key mask, relaxed;

	if (host)
		return host;
	host = tuple;
	if (*level != FLOW_CLS_EXACT) {
		flow_cls_tuple_mask(tuple, &mask);
		flow_cls_relax(&mask, *level, &relaxed);
		host = flow_cls_tuple_get(cls, &relaxed);
		if (!host)
			return NULL;
		if (host == tuple)
			*level = FLOW_CLS_EXACT;
		else
			host->n_guests++;
	}
	tuple->host[*level] = host;
	return host;
}

static void note_full(struct flow_cls_tuple *tuple, unsigned level)
{
	uint32_t n = ++tuple->n_full[level];

	if (level == tuple->start && n >= FULL_MIN && n >= tuple->n_rules / FULL_PART)
		tuple->start++;
}

/* Shrinks the agreed bits to those that the new head shares. It is not visible yet, so readers may
 * see either state. */
static void note_values(const struct flow_cls *cls, const struct flow_cls_tuple *host,
                        const struct flow_cls_rule *head)
{
	struct flow_cls_probe *probe = host->probe;
	uint64_t shrunk = 0;
	uint32_t at = 0;

	for (uint32_t i = 0; i < EVS_MIN(host->n_words, (uint32_t)FLOW_CLS_WORDS); i++) {
		uint64_t value;

		while (head->tuple->words[at].index != probe->index[i])
			at++;
		value = head->values[at] & probe->mask[i];
		if (host->n_heads == 0 && !host->in_array) {
			probe->common_mask[i] = probe->mask[i];
			probe->common_value[i] = value;
		} else {
			uint64_t less = probe->common_mask[i] & (probe->common_value[i] ^ value);

			shrunk |= less;
			evs_store_relaxed(&probe->common_mask[i], probe->common_mask[i] & ~less);
		}
	}
	if (shrunk && cls->array->hints && probe != &host->own)
		flow_cls_array_hint(cls->array, probe);
}

void flow_cls_host_raise(struct flow_cls *cls, struct flow_cls_tuple *host, uint16_t priority)
{
	if (priority <= host->max_priority)
		return;
	host->max_priority = priority;
	cls->unsorted = true;
}

static int head_put(struct flow_cls *cls, struct flow_cls_tuple *host, struct flow_cls_rule *head)
{
	int rc = table_reserve(host, host->filters || head->tuple != host);
	uint64_t *slot;
	uint32_t at;

	if (rc)
		return rc;
	note_values(cls, host, head);
	if (host->n_heads == 0)
		host->max_priority = 0;
	flow_cls_host_raise(cls, host, head->priority);
	cls->unsorted |= !host->in_array;
	at = free_slot(host->slots, host->slot_mask, head->hash);
	if (host->filters)
		filter_set(&host->filters[at], head);
	slot = &host->slots[at];
	host->n_gone -= *slot == SLOT_GONE;
	host->n_heads++;
	evs_store_release(slot, slot_make(head, head->hash));
	return 0;
}

int flow_cls_head_add(struct flow_cls *cls, struct flow_cls_rule *head)
{
	struct flow_cls_tuple *tuple = head->tuple, *host;
	unsigned level = tuple->start;
	uint32_t hash;

	for (;; level++) {
		host = host_get(cls, tuple, &level);
		if (!host)
			return -ENOMEM;
		hash = hash_values(host, tuple, head->values);
		if (level == FLOW_CLS_EXACT || !run_is_full(host, hash))
			break;
		note_full(tuple, level);
	}
	for (struct flow_cls_rule *rule = head; rule; rule = rule->next) {
		rule->hash = hash;
		rule->level = (uint8_t)level;
	}
	return head_put(cls, host, head);
}

uint64_t *flow_cls_head_find(const struct flow_cls_tuple *tuple, const uint64_t *values)
{
	for (unsigned level = 0; level < FLOW_CLS_LEVELS; level++) {
		const struct flow_cls_tuple *host = tuple->host[level];
		uint64_t *slot;

		if (!host || !host->slots)
			continue;
		slot = table_find(host, tuple, values, hash_values(host, tuple, values));
		if (slot)
			return slot;
	}
	return NULL;
}

uint64_t *flow_cls_head_slot(const struct flow_cls_rule *rule)
{
	return table_find(rule->tuple->host[rule->level], rule->tuple, rule->values, rule->hash);
}

/* --- merging ---------------------------------------------------------------------------------- */

/* Whether some level has a coarser mask than the tuple's own. */
static bool can_relax(const struct flow_cls_tuple *tuple)
{
	struct flow_key mask, relaxed;

	flow_cls_tuple_mask(tuple, &mask);
	flow_cls_relax(&mask, 0, &relaxed);
	return memcmp(&mask, &relaxed, sizeof(mask)) != 0;
}

/* Moves the matches of a tuple out of its own table. Readers of the array that is published still
 * find them there: that table is left as it is, and the next array will not have it. */
static int move_out(struct flow_cls *cls, struct flow_cls_tuple *tuple)
{
	uint64_t *slots = tuple->slots;
	uint32_t size = tuple->slot_mask + 1;

	tuple->own = *tuple->probe;
	tuple->own.table = 0;
	tuple->probe = &tuple->own;
	tuple->slots = NULL;
	tuple->filters = NULL;
	tuple->n_heads = tuple->n_gone = 0;
	tuple->host[FLOW_CLS_EXACT] = NULL;
	tuple->start = 0;
	for (uint32_t i = 0; i < size; i++) {
		int rc = slot_in_use(slots[i]) ? flow_cls_head_add(cls, slot_rule(slots[i])) : 0;

		if (rc)
			return rc; /* what is left is lost: the caller gives up */
	}
	cls->left[cls->n_left++] = slots;
	return 0;
}

int flow_cls_merge(struct flow_cls *cls)
{
	struct flow_cls_tuple **tuples = malloc(cls->n_tuples * sizeof(tuples[0])), *t;
	uint32_t n = 0, budget = MERGE_MAX;
	int rc = 0;

	cls->left = malloc(cls->n_tuples * sizeof(cls->left[0]));
	if (!tuples || !cls->left) {
		free(tuples);
		free(cls->left);
		cls->left = NULL;
		return 0; /* searches go on as they do, and the next array tries again */
	}
	cls->is_merging = true;
	for (uint32_t i = 0; i < cls->n_buckets; i++)
		for (t = cls->buckets[i]; t; t = t->next)
			if (t->n_heads && can_relax(t))
				tuples[n++] = t;
	for (uint32_t i = 0; i < n && !rc; i++) {
		if (tuples[i]->n_heads > budget)
			continue;
		budget -= tuples[i]->n_heads;
		rc = move_out(cls, tuples[i]);
	}
	free(tuples);
	return rc;
}
