/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classifier against a plain list of rules: look-up, un-wildcarding, versions, questions about
 * matches; and one writer against readers in threads.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_byteorder.h>

#include "base/evs_rcu.h"
#include "flow/flow_cls.h"

#define N_SHAPES   20
#define MAX_SHAPES 200
#define N_RULES    600

struct test_rule {
	struct flow_key key, mask;
	uint64_t added, removed;
	struct flow_cls_rule *rule;
	uint16_t priority;
};

static struct test_rule list[N_RULES];
static struct flow_key shapes[MAX_SHAPES];
static unsigned n_shapes = N_SHAPES;
static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

/* Rules of a filter: prefixes, ports by ranges' masks; many share the bits of a coarser mask. */
static bool is_filter;

static void random_filter_key(struct flow_key *key)
{
	memset(key, 0, sizeof(*key));
	key->pipe.in_port = 1;
	key->pkt.base.eth_type = 0x0008;
	key->pkt.base.ip_proto = (uint8_t)(rnd(4) ? 6 : 17);
	key->pkt.base.ip_src = rte_cpu_to_be_32(0x0a000000 | rnd(2) << 16 | rnd(3));
	key->pkt.base.ip_dst = rte_cpu_to_be_32(0x0b000000 | rnd(2) << 20 | rnd(4) << 6);
	key->pkt.base.tp_src = rte_cpu_to_be_16((uint16_t)(rnd(2) << 10));
	key->pkt.base.tp_dst = rte_cpu_to_be_16((uint16_t)rnd(40));
	key->pkt.ext.ipv6.src[7] = (uint8_t)rnd(2);
}

static void random_filter_shape(struct flow_key *mask)
{
	static const uint16_t ports[] = {0, 0, 0xffff, 0xffff, 0xfff0, 0xfc00, 0x8000};

	memset(mask, 0, sizeof(*mask));
	mask->pkt.base.eth_type = 0xffff;
	mask->pkt.base.ip_proto = (uint8_t)(rnd(4) ? 0xff : 0);
	mask->pkt.base.ip_src = rnd(4) ? rte_cpu_to_be_32(~0u << rnd(25)) : 0;
	mask->pkt.base.ip_dst = rnd(4) ? rte_cpu_to_be_32(~0u << rnd(25)) : 0;
	mask->pkt.base.tp_src = rte_cpu_to_be_16(ports[rnd(RTE_DIM(ports))]);
	mask->pkt.base.tp_dst = rte_cpu_to_be_16(ports[rnd(RTE_DIM(ports))]);
	if (!rnd(3))
		memset(mask->pkt.ext.ipv6.src, 0xff, rnd(17));
}

/* Small values, so that matches and overlaps are frequent. */
static void random_key(struct flow_key *key)
{
	if (is_filter) {
		random_filter_key(key);
		return;
	}
	memset(key, 0, sizeof(*key));
	key->pipe.in_port = rnd(3) + 1;
	key->pkt.base.eth_type = (rte_be16_t)(rnd(2) ? 0x0008 : 0x0608);
	key->pkt.base.ip_proto = (uint8_t)(rnd(2) ? 6 : 17);
	key->pkt.base.ip_src = rnd(4) << 24 | 10;
	key->pkt.base.ip_dst = rnd(4) << 24 | 10;
	key->pkt.base.tp_src = (rte_be16_t)rnd(4);
	key->pkt.base.tp_dst = (rte_be16_t)rnd(4);
	key->pipe.metadata = rnd(3);
	key->regs[3] = rnd(2);
}

static void random_shape(struct flow_key *mask)
{
	memset(mask, 0, sizeof(*mask));
	mask->pipe.in_port = rnd(2) ? ~0u : 0;
	mask->pkt.base.eth_type = (rte_be16_t)(rnd(2) ? 0xffff : 0);
	mask->pkt.base.ip_proto = (uint8_t)(rnd(2) ? 0xff : 0);
	mask->pkt.base.ip_src = rnd(3) ? ~0u >> rnd(9) : 0;
	mask->pkt.base.ip_dst = rnd(3) ? ~0u << rnd(9) : 0;
	mask->pkt.base.tp_src = (rte_be16_t)(rnd(2) ? 0xffff : 0);
	mask->pkt.base.tp_dst = (rte_be16_t)(rnd(2) ? 0xffff : 0);
	mask->pipe.metadata = rnd(3) ? 0 : ~0ull;
	mask->regs[3] = rnd(4) ? 0 : ~0u;
}

static void key_and(struct flow_key *key, const struct flow_key *mask)
{
	for (size_t i = 0; i < FLOW_KEY_N_U64; i++)
		((uint64_t *)key)[i] &= ((const uint64_t *)mask)[i];
}

static bool key_matches(const struct flow_key *packet, const struct test_rule *rule)
{
	struct flow_key masked = *packet;

	key_and(&masked, &rule->mask);
	return !memcmp(&masked, &rule->key, sizeof(masked));
}

static bool visible(const struct test_rule *r, uint64_t version)
{
	return r->rule && r->added <= version && version < r->removed;
}

static int best_priority(const struct flow_key *packet, uint64_t version)
{
	int best = -1;

	for (unsigned i = 0; i < N_RULES; i++)
		if (visible(&list[i], version) && list[i].priority > best &&
		    key_matches(packet, &list[i]))
			best = list[i].priority;
	return best;
}

static void check_lookups(const struct flow_cls *cls, uint64_t version, unsigned n)
{
	while (n--) {
		struct flow_key packet, wc, other;
		struct flow_cls_rule *rule, *again;
		uint64_t *o = (uint64_t *)&other;

		random_key(&packet);
		memset(&wc, 0, sizeof(wc));
		rule = flow_cls_lookup(cls, &packet, version, &wc);
		assert_int_equal(rule ? rule->priority : -1, best_priority(&packet, version));
		/* A packet that differs only where nobody looked meets the same rule. */
		random_key(&other);
		for (size_t i = 0; i < FLOW_KEY_N_U64; i++)
			o[i] = (o[i] & ~((uint64_t *)&wc)[i]) |
			       (((uint64_t *)&packet)[i] & ((uint64_t *)&wc)[i]);
		again = flow_cls_lookup(cls, &other, version, NULL);
		assert_int_equal(again ? again->priority : -1, rule ? rule->priority : -1);
	}
}

static void add_rule(struct flow_cls *cls, struct test_rule *r, uint64_t version)
{
	const struct flow_key *shape = &shapes[rnd(n_shapes)];

	random_key(&r->key);
	r->mask = *shape;
	key_and(&r->key, shape);
	r->priority = (uint16_t)rnd(1000);
	r->added = version;
	r->removed = FLOW_CLS_VERSION_MAX;
	r->rule = calloc(1, sizeof(*r->rule) + flow_cls_match_size(shape));
	r->rule->priority = r->priority;
	assert_int_equal(flow_cls_insert(cls, r->rule, &r->key, &r->mask, version), 0);
}

static void drop_rule(struct flow_cls *cls, struct test_rule *r)
{
	flow_cls_unlink(cls, r->rule);
	evs_rcu_free(r->rule);
	r->rule = NULL;
}

static void make_shapes(void)
{
	for (unsigned i = 0; i < n_shapes; i++)
		(is_filter ? random_filter_shape : random_shape)(&shapes[i]);
	memset(&shapes[0], 0, sizeof(shapes[0])); /* the rule for everything */
}

static void run_lookups(uint64_t first_seed)
{
	struct flow_cls cls;

	seed = first_seed;
	make_shapes();
	assert_int_equal(flow_cls_init(&cls), 0);
	if (n_shapes > N_SHAPES)
		cls.merge_above = UINT32_MAX;
	for (uint64_t version = 1; version <= 60; version++) {
		for (unsigned i = 0; i < 30; i++) {
			struct test_rule *r = &list[rnd(N_RULES)];

			if (!r->rule) {
				add_rule(&cls, r, version);
			} else if (r->removed == FLOW_CLS_VERSION_MAX) {
				r->removed = version;
				flow_cls_remove(&cls, r->rule, version);
			}
		}
		assert_int_equal(flow_cls_publish(&cls), 0);
		check_lookups(&cls, version, 300);
		check_lookups(&cls, version - 1, 100); /* not touched by the change */
		for (unsigned i = 0; i < N_RULES; i++)
			if (list[i].rule && list[i].removed <= version)
				drop_rule(&cls, &list[i]);
		evs_rcu_poll();
	}
	if (n_shapes > N_SHAPES)
		assert_true(flow_cls_n_tables(&cls) > 64);
	for (unsigned i = 0; i < N_RULES; i++)
		if (list[i].rule)
			drop_rule(&cls, &list[i]);
	assert_int_equal(cls.n_rules, 0);
	assert_int_equal(cls.n_tuples, 0);
	flow_cls_fini(&cls);
}

static void test_lookup(void **state)
{
	run_lookups(1);
}

static void test_filters(void **state)
{
	is_filter = true;
	for (uint64_t first = 1; first <= 12; first++)
		run_lookups(first);
	is_filter = false;
}

/* So many tables that a search turns them away by blocks. */
static void test_many_tables(void **state)
{
	n_shapes = MAX_SHAPES;
	for (uint64_t first = 1; first <= 6; first++) {
		is_filter = first & 1;
		run_lookups(first);
	}
	is_filter = false;
	n_shapes = N_SHAPES;
}

/* With many masks few tables are probed, however the rules came; and no run of rules that share the
 * bits of a table gets long, though all of them have the same addresses. */
static void test_cost(void **state)
{
	static struct flow_cls_rule *rules[20000];
	struct flow_cls_cost cost;
	struct flow_cls cls;
	struct flow_key key = {.pkt.base.eth_type = 8, .pkt.base.ip_proto = 6};

	assert_int_equal(flow_cls_init(&cls), 0);
	for (uint32_t i = 0; i < RTE_DIM(rules); i++) {
		struct flow_key mask = {.pkt.base.eth_type = 0xffff, .pkt.base.ip_proto = 0xff};

		key.pkt.base.ip_src = rte_cpu_to_be_32(0x0a000000);
		key.pkt.base.ip_dst = rte_cpu_to_be_32(0x0b000000);
		key.pkt.base.tp_src = rte_cpu_to_be_16((uint16_t)i);
		mask.pkt.base.ip_src = rte_cpu_to_be_32(~0u << i % 17);
		mask.pkt.base.ip_dst = rte_cpu_to_be_32(~0u << i / 17 % 17);
		mask.pkt.base.tp_src = 0xffff;
		rules[i] = calloc(1, sizeof(*rules[i]) + flow_cls_match_size(&mask));
		rules[i]->priority = (uint16_t)(i % 7);
		assert_int_equal(flow_cls_insert(&cls, rules[i], &key, &mask, 1), 0);
		if (i % 1000 == 0)
			assert_int_equal(flow_cls_publish(&cls), 0);
	}
	assert_int_equal(flow_cls_publish(&cls), 0);
	for (uint32_t i = 0; i < RTE_DIM(rules); i += 7) {
		key.pkt.base.tp_src = rte_cpu_to_be_16((uint16_t)i);
		cost = (struct flow_cls_cost){0};
		assert_non_null(flow_cls_measure(&cls, &key, 1, NULL, &cost));
		assert_in_range(cost.n_probed, 1, 80); /* of 289 masks */
		assert_in_range(cost.n_compared, 1, 640);
	}
	for (uint32_t i = 0; i < RTE_DIM(rules); i++) {
		flow_cls_unlink(&cls, rules[i]);
		evs_rcu_free(rules[i]);
	}
	evs_rcu_poll();
	flow_cls_fini(&cls);
}

static unsigned bits_of(const struct flow_key *key)
{
	unsigned n = 0;

	for (size_t i = 0; i < FLOW_KEY_N_U64; i++)
		n += (unsigned)__builtin_popcountll(((const uint64_t *)key)[i]);
	return n;
}

/* Packets that differ from all rules in the first bit of an address look at that bit only, also
 * when the rules have several shapes; a packet in the rules' prefix looks at more. */
static void test_narrow(void **state)
{
	struct flow_key wc, packet = {.pkt.base.ip_src = RTE_BE32(0x0a010203)};
	struct flow_cls_rule *rules[200];
	struct flow_cls cls;

	assert_int_equal(flow_cls_init(&cls), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct flow_key key = {.pkt.base.ip_src = rte_cpu_to_be_32(0xc0a80000 + i)};
		struct flow_key mask = {.pkt.base.ip_src = ~0u};

		if (i % 2)
			mask.pkt.base.tp_dst = 0xffff;
		rules[i] = calloc(1, sizeof(*rules[i]) + flow_cls_match_size(&mask));
		assert_int_equal(flow_cls_insert(&cls, rules[i], &key, &mask, 1), 0);
	}
	assert_int_equal(flow_cls_publish(&cls), 0);
	memset(&wc, 0, sizeof(wc));
	assert_null(flow_cls_lookup(&cls, &packet, 1, &wc));
	assert_int_equal(wc.pkt.base.ip_src, RTE_BE32(0x80000000));
	assert_int_equal(bits_of(&wc), 1);
	packet.pkt.base.ip_src = RTE_BE32(0xc0a80001);
	packet.pkt.base.tp_dst = 1;
	assert_null(flow_cls_lookup(&cls, &packet, 1, &wc));
	assert_true(bits_of(&wc) > 1);
	for (unsigned i = 0; i < 200; i++) {
		flow_cls_unlink(&cls, rules[i]);
		evs_rcu_free(rules[i]);
	}
	flow_cls_fini(&cls);
}

static bool count_rule(struct flow_cls_rule *rule, void *arg)
{
	++*(unsigned *)arg;
	return true;
}

static void run_questions(void)
{
	struct flow_cls cls;

	seed = 7;
	make_shapes();
	assert_int_equal(flow_cls_init(&cls), 0);
	for (unsigned i = 0; i < N_RULES; i++) {
		add_rule(&cls, &list[i], 1);
		if (i % 50 == 0)
			assert_int_equal(flow_cls_publish(&cls), 0);
	}
	for (unsigned n = 0; n < 300; n++) {
		struct test_rule q = {.mask = shapes[rnd(N_SHAPES)]};
		unsigned want = 0, got = 0;
		bool overlap = false, equal = false;
		uint16_t priority = (uint16_t)rnd(1000);
		struct flow_key full, full_mask;
		struct flow_cls_rule *found;

		random_key(&q.key);
		key_and(&q.key, &q.mask);
		for (unsigned i = 0; i < N_RULES; i++) {
			struct flow_key both = q.mask, a = q.key, b = list[i].key;

			key_and(&both, &list[i].mask);
			if (!memcmp(&both, &q.mask, sizeof(both)) && key_matches(&list[i].key, &q))
				want++;
			key_and(&a, &both);
			key_and(&b, &both);
			if (list[i].priority == priority && !memcmp(&a, &b, sizeof(a)))
				overlap = true;
			if (list[i].priority == priority &&
			    !memcmp(&q.key, &list[i].key, sizeof(q.key)) &&
			    !memcmp(&q.mask, &list[i].mask, sizeof(q.mask)))
				equal = true;
		}
		flow_cls_walk(&cls, &q.key, &q.mask, 1, count_rule, &got);
		assert_int_equal(got, want);
		assert_int_equal(flow_cls_overlaps(&cls, &q.key, &q.mask, priority, 1), overlap);
		found = flow_cls_find(&cls, &q.key, &q.mask, priority, 1);
		assert_int_equal(found != NULL, equal);
		flow_cls_rule_match(list[n].rule, &full, &full_mask);
		assert_memory_equal(&full, &list[n].key, sizeof(full));
		assert_memory_equal(&full_mask, &list[n].mask, sizeof(full_mask));
	}
	for (unsigned i = 0; i < N_RULES; i++)
		drop_rule(&cls, &list[i]);
	flow_cls_fini(&cls);
}

static void test_questions(void **state)
{
	run_questions();
	is_filter = true;
	run_questions();
	is_filter = false;
}

/* In each version exactly one of two rules exists; a reader must never see none or a third. */
static struct flow_cls shared;
static uint64_t shared_version;
static bool shared_stop;

static void *reader(void *arg)
{
	struct flow_key packet = {.pipe.in_port = 1, .pkt.base.ip_src = RTE_BE32(0x0a000001)}, wc;
	unsigned long n = 0, bad = 0;

	evs_rcu_worker_online(0);
	while (!evs_load_relaxed(&shared_stop)) {
		for (unsigned i = 0; i < 32; i++) {
			uint64_t version = evs_load_acquire(&shared_version);
			struct flow_cls_rule *rule;

			memset(&wc, 0, sizeof(wc));
			rule = flow_cls_lookup(&shared, &packet, version, i % 2 ? &wc : NULL);
			n++;
			if (!rule || rule->priority != version % 1000)
				bad++;
			else if (i % 2 && wc.pipe.in_port != UINT32_MAX)
				bad++;
		}
		evs_rcu_quiescent(0);
	}
	evs_rcu_worker_offline(0);
	*(unsigned long *)arg = bad;
	return n ? arg : NULL;
}

static void drop_now(struct flow_cls *cls, struct flow_cls_rule *rule, uint64_t version)
{
	flow_cls_remove(cls, rule, version);
	flow_cls_unlink(cls, rule);
	evs_rcu_free(rule);
}

static struct flow_cls_rule *shared_add(const struct flow_key *key, const struct flow_key *mask,
                                        uint16_t priority, uint64_t version)
{
	struct flow_cls_rule *rule = calloc(1, sizeof(*rule) + flow_cls_match_size(mask));

	rule->priority = priority;
	assert_int_equal(flow_cls_insert(&shared, rule, key, mask, version), 0);
	return rule;
}

/* A rule that would win but for one bit of the source, in one of n_masks masks; that bit is in no
 * host of the first level. */
static struct flow_cls_rule *add_noise(unsigned n_masks, uint64_t version)
{
	unsigned n = (unsigned)version % n_masks;
	struct flow_key key, mask = {.pipe.in_port = UINT32_MAX};

	memset(&key, 0, sizeof(key));
	key.pipe.in_port = 1;
	key.pkt.base.ip_src = rte_cpu_to_be_32(0x0a008000 | (uint32_t)version);
	key.pkt.base.tp_dst = rte_cpu_to_be_16((uint16_t)version);
	mask.pkt.base.ip_src = rte_cpu_to_be_32(~0u << n % 16);
	mask.pkt.base.ip_dst = rte_cpu_to_be_32(~(~0u >> n / 16 * 4));
	mask.pkt.base.tp_dst = n & 1 ? UINT16_MAX : 0;
	key_and(&key, &mask);
	return shared_add(&key, &mask, 1000, version);
}

static void run_threads(uint32_t merge_above, unsigned n_masks)
{
	struct flow_key key = {.pipe.in_port = 1, .pkt.base.ip_src = RTE_BE32(0x0a000000)};
	struct flow_key mask = {.pipe.in_port = UINT32_MAX, .pkt.base.ip_src = RTE_BE32(~0x1ffu)};
	struct flow_cls_rule *current = NULL, *kept[2000];
	struct flow_cls_cost cost = {0};
	unsigned n_kept = 0;
	unsigned long bad = 1;
	pthread_t thread;

	assert_int_equal(flow_cls_init(&shared), 0);
	shared.merge_above = merge_above;
	shared_version = 0;
	shared_stop = false;
	for (uint64_t version = 1; version <= 2000; version++) {
		struct flow_cls_rule *old = current, *noise;

		if (old)
			flow_cls_remove(&shared, old, version);
		current = shared_add(&key, &mask, (uint16_t)(version % 1000), version);
		noise = add_noise(n_masks, version);
		assert_int_equal(flow_cls_publish(&shared), 0);
		evs_store_release(&shared_version, version);
		if (version == 1)
			assert_int_equal(pthread_create(&thread, NULL, reader, &bad), 0);
		evs_rcu_synchronize();
		if (old) {
			flow_cls_unlink(&shared, old);
			evs_rcu_free(old);
		}
		if (version % 3)
			drop_now(&shared, noise, version);
		else
			kept[n_kept++] = noise;
	}
	evs_store_relaxed(&shared_stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(bad, 0);
	assert_ptr_equal(flow_cls_measure(&shared, &key, 2000, NULL, &cost), current);
	assert_int_equal(cost.n_filtered > 0, merge_above == 0);
	if (merge_above == 0)
		assert_true(flow_cls_n_tables(&shared) < n_masks);
	else
		assert_int_equal(flow_cls_n_tables(&shared), n_masks + 1);
	kept[n_kept++] = current;
	while (n_kept--) {
		flow_cls_unlink(&shared, kept[n_kept]);
		evs_rcu_free(kept[n_kept]);
	}
	evs_rcu_poll();
	flow_cls_fini(&shared);
}

/* Tables of their own, shared ones with filters, and so many that they have hints. */
static void test_threads(void **state)
{
	run_threads(UINT32_MAX, 1);
	run_threads(0, 70);
	run_threads(UINT32_MAX, 70);
}

static struct flow_cls_rule *own_rule(struct flow_cls *cls, unsigned bits, uint8_t first,
                                      uint64_t version)
{
	struct flow_key mask = {.pkt.base.ip_dst = rte_cpu_to_be_32(~0u << (32 - bits))};
	struct flow_key key = {.pkt.base.ip_dst = rte_cpu_to_be_32((uint32_t)first << 24)};
	struct flow_cls_rule *rule = calloc(1, sizeof(*rule) + flow_cls_match_size(&mask));

	rule->priority = (uint16_t)(bits == 8);
	assert_int_equal(flow_cls_insert(cls, rule, &key, &mask, version), 0);
	return rule;
}

/* A search in an array that was published before rules of another mask came to its tables, in a
 * version that has none of them: they may stand before its own, in slots that were free again. */
static void test_old_array(void **state)
{
	struct flow_cls_rule *rules[200], *guests[200], *other;
	unsigned n = EVS_ARRAY_LEN(rules);
	struct flow_cls cls, old;

	assert_int_equal(flow_cls_init(&cls), 0);
	cls.merge_above = 0;
	for (unsigned i = 0; i < n; i++)
		rules[i] = own_rule(&cls, 8, (uint8_t)i, 1);
	assert_int_equal(flow_cls_publish(&cls), 0);
	for (unsigned i = 0; i < n; i += 2)
		drop_now(&cls, rules[i], 2);
	old = cls;
	other = own_rule(&cls, 32, 250, 2); /* tables are sorted anew */
	assert_int_equal(flow_cls_publish(&cls), 0);
	assert_ptr_not_equal(old.array, cls.array);
	for (unsigned i = 1; i < n; i += 2)
		guests[i] = own_rule(&cls, 12, (uint8_t)i, 3);
	for (unsigned i = 1; i < n; i += 2) {
		struct flow_key key = {.pkt.base.ip_dst = rte_cpu_to_be_32(i << 24 | 1)};

		assert_ptr_equal(flow_cls_lookup(&old, &key, 2, NULL), rules[i]);
		assert_ptr_equal(flow_cls_lookup(&cls, &key, 2, NULL), rules[i]);
	}
	for (unsigned i = 1; i < n; i += 2) {
		drop_now(&cls, rules[i], 4);
		drop_now(&cls, guests[i], 4);
	}
	drop_now(&cls, other, 4);
	evs_rcu_poll();
	flow_cls_fini(&cls);
}

static int setup(void **state)
{
	return evs_rcu_init(NULL);
}

static int teardown(void **state)
{
	evs_rcu_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_lookup),      cmocka_unit_test(test_filters),
	        cmocka_unit_test(test_many_tables), cmocka_unit_test(test_cost),
	        cmocka_unit_test(test_narrow),      cmocka_unit_test(test_questions),
	        cmocka_unit_test(test_threads),     cmocka_unit_test(test_old_array),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
