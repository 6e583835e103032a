/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow cache against a model: random keys of every shape, random masks, installs and kills; a
 * list of live flows says what may be found. Each variant of the vector code does the same.
 *
 * A packet belongs to a policy: a mask chosen by some of its bytes, as translation would choose it,
 * so that flows that overlap tell the same story, which is what the caches rely on.
 */
#include "flow_cache_util.h"

#define N_POLICIES 12
#define N_STEPS    2000

struct model {
	struct bench *b;
	struct pkt_key masks[N_POLICIES];
	uint64_t digest; /* of everything that was found */
};

static void fill_random(struct bench *b, void *p, size_t size, unsigned n_values)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)p)[i] = (uint8_t)(rnd(b) % n_values);
}

/* Few values a byte, so that keys come again, and near misses are common. */
static void random_key(struct model *m, unsigned i)
{
	static const uint8_t shapes[] = {0, 0, 0, 0, 1, 1, 2, 4, 3, 5, 7, 8, 15};
	struct bench *b = m->b;
	struct pkt_key_base *base = &b->burst.base[i];
	struct pkt_key_ext *ext = &b->burst.ext[i];

	/* Lines not in use hold garbage: nobody may look at them. */
	fill_random(b, ext, sizeof(*ext), 256);
	memset(base, 0, sizeof(*base));
	base->in_port = (uint16_t)(1 + rnd(b) % 2);
	base->lines = shapes[rnd(b) % sizeof(shapes)];
	base->eth_type = (uint16_t)(rnd(b) % N_POLICIES);
	base->ip_src = rnd(b) % 6;
	base->tp_dst = (uint16_t)(rnd(b) % 4);
	base->eth_dst[rnd(b) % 6] = (uint8_t)(rnd(b) % 2);
	base->ip_ttl = (uint8_t)(rnd(b) % 3);
	base->arp_op = (uint16_t)(rnd(b) % 2);
	for (uint32_t left = pkt_ext_lines(base->lines); left; left &= left - 1) {
		uint8_t *line = (uint8_t *)ext + __builtin_ctz(left) * EVS_CACHE_LINE;

		memset(line, 0, EVS_CACHE_LINE);
		line[rnd(b) % 2 * 63] = (uint8_t)(rnd(b) % 3);
	}
}

static void model_init(struct model *m, enum pkt_isa isa)
{
	m->b = bench_small(isa);
	m->digest = 0;
	for (unsigned i = 0; i < N_POLICIES; i++) {
		struct pkt_key *mask = &m->masks[i];

		memset(mask, 0, sizeof(*mask));
		for (size_t k = 0; k < sizeof(*mask); k++)
			((uint8_t *)mask)[k] = rnd(m->b) % 3 ? 0 : 0xff;
		if (i % 2)
			memset(&mask->ext, 0, sizeof(mask->ext));
		if (i % 3 == 0)
			mask->base.ip_ttl = 0xff;
		else
			memset((uint8_t *)&mask->base + 44, 0, 3);
	}
}

static bool masked_equal(const void *a, const void *b, const void *mask, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((((const uint8_t *)a)[i] ^ ((const uint8_t *)b)[i]) &
		    ((const uint8_t *)mask)[i])
			return false;
	return true;
}

/* Does the packet belong to the flow? By bytes, without the cache's helpers. */
static bool belongs(struct model *m, unsigned i, const struct flow *flow)
{
	const struct pkt_key_base *base = &m->b->burst.base[i];
	const struct pkt_key *mask = &m->masks[base->eth_type];

	if (base->in_port != flow->key.in_port || base->lines != flow->key.lines ||
	    base->eth_type != flow->key.eth_type ||
	    !masked_equal(base, &flow->key, &mask->base, PKT_KEY_BASE_SIZE))
		return false;
	for (uint32_t left = pkt_ext_lines(base->lines); left; left &= left - 1) {
		size_t at = (size_t)__builtin_ctz(left) * EVS_CACHE_LINE;
		static const uint8_t zero[EVS_CACHE_LINE];

		if (!masked_equal((const uint8_t *)&m->b->burst.ext[i] + at,
		                  flow->ext_key ? (const uint8_t *)flow->ext_key + at : zero,
		                  (const uint8_t *)&mask->ext + at, EVS_CACHE_LINE))
			return false;
	}
	return true;
}

struct search {
	struct model *m;
	unsigned i;
	struct flow *flow;
};

static bool search_visit(struct flow *flow, void *arg)
{
	struct search *s = arg;

	if (belongs(s->m, s->i, flow))
		s->flow = flow;
	return !s->flow;
}

static struct flow *model_find(struct model *m, unsigned i)
{
	struct search s = {.m = m, .i = i};

	flow_cache_walk(m->b->cache, search_visit, &s);
	return s.flow;
}

static void check(struct model *m, unsigned i, struct flow *found)
{
	assert_ptr_equal(found, model_find(m, i));
	m->digest = m->digest * 31 +
	            (found ? flow_cache_flow_index(m->b->cache, found) : FLOW_INDEX_NONE);
}

static bool kill_some(struct flow *flow, void *arg)
{
	struct model *m = arg;

	if (rnd(m->b) % 4 == 0)
		flow_cache_kill(m->b->cache, flow);
	return true;
}

static void step(struct model *m)
{
	struct bench *b = m->b;
	unsigned n = 1 + rnd(b) % PKT_BURST_MAX;
	uint32_t missed;

	for (unsigned i = 0; i < n; i++) {
		random_key(m, i);
		if (i && rnd(b) % 4 == 0) {
			b->burst.base[i] = b->burst.base[i - 1];
			b->burst.ext[i] = b->burst.ext[i - 1];
		}
	}
	missed = lookup(b, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(missed >> i & 1, b->found.flow[i] == NULL);
		check(m, i, b->found.flow[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		if (!(missed >> i & 1) || rnd(b) % 2)
			continue;
		xlate_init(b, 1 + rnd(b) % 4);
		b->xlate.mask = m->masks[b->burst.base[i].eth_type];
		if (!flow_cache_lookup_one(b->cache, &b->burst, i, b->now_ms))
			check(m, i, install(b, i));
	}
	b->now_ms += rnd(b) % 50;
	/* Probes cost nothing here: each mask pays, so that every live flow must be found. */
	b->cache->wide.probe_cycles = 0;
	b->cache->wide.probes = 0;
	if (rnd(b) % 64 == 0)
		flow_cache_walk(b->cache, kill_some, m);
	flow_cache_poll(b->cache);
	flow_cache_reap(b->cache, NULL, NULL);
}

static void agrees_with_the_model(void **state)
{
	uint64_t digest[PKT_N_ISAS];

	for (unsigned isa = 0; isa < n_isas(); isa++) {
		struct model m;

		model_init(&m, (enum pkt_isa)isa);
		for (unsigned i = 0; i < N_STEPS; i++)
			step(&m);
		assert_true(stats(m.b).exact_hits > 1000);
		assert_true(stats(m.b).wide_hits > 1000);
		assert_true(stats(m.b).installs > 1000);
		digest[isa] = m.digest;
		assert_true(digest[isa] == digest[0]);
		bench_free(m.b);
	}
}

/* One mask with many flows: its table grows by splits and shrinks to nothing. */
static void table_of_a_mask_grows(void **state)
{
	struct flow_cache_config config = {
	        .n_flows = 1 << 16, .n_exact = 64, .numa_node = -1, .isa = pkt_isa_best()};
	struct bench *b = bench_new(&config);

	for (unsigned round = 0; round < 3; round++) {
		uint32_t n = round == 1 ? 100 : 7 << 13; /* what a port may have */

		for (uint32_t i = 0; i < n; i++) {
			xlate_init(b, 2);
			b->xlate.mask.base.ip_src = UINT32_MAX;
			udp(b, 0, i, 53);
			assert_non_null(install(b, 0));
		}
		for (uint32_t i = 0; i < n; i++) {
			udp(b, 0, i, 54);
			assert_int_equal(lookup(b, 1), 0);
			assert_int_equal(b->found.flow[0]->key.ip_src, i);
		}
		for (uint32_t i = 0; i < n; i++) {
			udp(b, 0, i, 55);
			lookup(b, 1);
			flow_cache_kill(b->cache, b->found.flow[0]);
		}
		while (flow_cache_reap(b->cache, NULL, NULL))
			flow_cache_poll(b->cache);
		for (uint32_t i = 0; i < n / 64 + 1; i++)
			flow_cache_poll(b->cache);
		assert_int_equal(flow_cache_n_masks(b->cache), 0);
		assert_int_equal(flow_pool_n_free(&b->cache->pool), 1 << 16);
	}
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(agrees_with_the_model),
	        cmocka_unit_test(table_of_a_mask_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
