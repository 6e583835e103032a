/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filter sets like those of ClassBench; see classbench.h.
 * Threads: one.
 */
#include "classbench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROTO_TCP  6
#define PROTO_UDP  17
#define PROTO_ICMP 1
#define PROTO_GRE  47

enum port_class { WC, HI, LO, AR, EM, N_CLASSES };

/* Lengths of source and destination prefix, together, in per cent of the rules. */
struct pair {
	uint8_t src, dst, weight;
};

struct kind {
	const char *name;
	uint8_t proto[5];         /* per cent: any, TCP, UDP, ICMP, GRE */
	uint8_t sport[N_CLASSES]; /* per cent, of TCP and UDP */
	uint8_t dport[N_CLASSES];
	uint8_t src_nests, dst_nests; /* per cent of prefixes that are made of an earlier one */
	struct pair pairs[24];
};

/* Access lists name both ends well, with one service port; firewalls leave one end open and
 * have ranges on both sides; IP chains lie between, many of them host to host. */
static const struct kind kinds[] = {
        {"acl",
         {9, 75, 12, 3, 1},
         {98, 1, 0, 0, 1},
         {12, 7, 0, 14, 67},
         75,
         85,
         {{0, 24, 2},  {0, 32, 6},  {16, 32, 3}, {20, 28, 2}, {21, 32, 3}, {22, 24, 2},
          {23, 30, 3}, {24, 24, 9}, {24, 27, 5}, {24, 32, 8}, {26, 26, 4}, {27, 24, 4},
          {27, 32, 8}, {28, 28, 4}, {28, 32, 6}, {29, 30, 3}, {30, 24, 3}, {30, 32, 6},
          {32, 16, 2}, {32, 24, 5}, {32, 28, 3}, {32, 32, 9}}},
        {"fw",
         {13, 57, 22, 6, 2},
         {68, 23, 1, 5, 3},
         {33, 10, 2, 15, 40},
         45,
         55,
         {{0, 0, 4},   {0, 16, 5},  {0, 24, 7},  {0, 27, 4}, {0, 32, 20}, {8, 32, 2},  {16, 0, 4},
          {16, 24, 3}, {16, 32, 4}, {22, 32, 3}, {24, 0, 6}, {24, 16, 2}, {24, 24, 5}, {24, 32, 6},
          {27, 32, 3}, {28, 0, 3},  {30, 32, 2}, {32, 0, 8}, {32, 24, 3}, {32, 32, 6}}},
        {"ipc",
         {36, 42, 16, 4, 2},
         {81, 6, 1, 3, 9},
         {55, 6, 1, 7, 31},
         60,
         65,
         {{0, 16, 2},  {0, 24, 4},  {0, 32, 8},  {12, 24, 2}, {16, 16, 3}, {16, 24, 3},
          {16, 32, 4}, {20, 20, 2}, {21, 32, 2}, {22, 24, 2}, {24, 0, 4},  {24, 16, 3},
          {24, 24, 8}, {24, 28, 3}, {24, 32, 8}, {26, 32, 3}, {28, 24, 3}, {28, 32, 4},
          {30, 30, 2}, {32, 0, 5},  {32, 16, 3}, {32, 24, 6}, {32, 32, 16}}},
};

static const uint16_t services[] = {80,  443, 53,   25,   22,   21,   23,  110,  123, 135,
                                    139, 161, 389,  445,  514,  1433, 993, 1521, 636, 8080,
                                    179, 111, 3128, 3306, 3389, 5060, 119, 69,   88,  1723};
static const struct classbench_range ranges[] = {
        {20, 21},       {67, 68},     {135, 139},   {161, 162},     {512, 514},   {1024, 5000},
        {1812, 1813},   {2000, 2500}, {3000, 3999}, {5000, 5100},   {6000, 6063}, {6881, 6999},
        {16384, 32767}, {7000, 7009}, {8000, 8999}, {27000, 27015}, {1, 1023},    {33434, 33600}};

static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 32) * n >> 32);
}

static uint32_t rnd32(void)
{
	return rnd(65536) << 16 | rnd(65536);
}

/* Index of a weight, by chance. */
static unsigned choose(const uint8_t *weights, unsigned n)
{
	unsigned sum = 0, at;

	for (unsigned i = 0; i < n; i++)
		sum += weights[i];
	at = rnd(sum);
	for (unsigned i = 0; i < n; i++) {
		if (at < weights[i])
			return i;
		at -= weights[i];
	}
	return 0;
}

static const struct pair *choose_pair(const struct kind *kind)
{
	uint8_t weights[24];

	for (unsigned i = 0; i < 24; i++)
		weights[i] = kind->pairs[i].weight;
	return &kind->pairs[choose(weights, 24)];
}

static uint32_t cut(uint32_t address, unsigned len)
{
	return len ? address & ~0u << (32 - len) : 0;
}

/* A prefix: of an earlier one's address, wholly or from some bit on by chance, or a new one. Few
 * networks of sixteen bits hold most of them. */
static uint32_t make_prefix(uint32_t earlier, unsigned nests, unsigned len)
{
	if (rnd(100) < nests) {
		unsigned keep = 12 + rnd(21);

		return cut(cut(earlier, keep) | (keep < 32 ? rnd32() >> keep : 0), len);
	}
	return cut((10 + rnd(12) * 17) << 24 | rnd(rnd(256) + 1) << 16 | rnd(65536), len);
}

static struct classbench_range make_ports(const uint8_t classes[N_CLASSES])
{
	uint16_t port;

	switch (choose(classes, N_CLASSES)) {
	case HI:
		return (struct classbench_range){1024, 65535};
	case LO:
		return (struct classbench_range){0, 1023};
	case AR:
		return ranges[rnd(sizeof(ranges) / sizeof(ranges[0]))];
	case EM:
		port = services[rnd(sizeof(services) / sizeof(services[0]))];
		if (rnd(4) == 0)
			port = (uint16_t)(1024 + rnd(10000));
		return (struct classbench_range){port, port};
	default:
		return (struct classbench_range){0, 65535};
	}
}

static void make_rule(struct classbench *set, const struct kind *kind)
{
	static const uint8_t protos[] = {0, PROTO_TCP, PROTO_UDP, PROTO_ICMP, PROTO_GRE};
	struct classbench_rule *rule = &set->rules[set->n_rules];
	const struct classbench_rule *a = rule, *b = rule;
	const struct pair *pair = choose_pair(kind);

	memset(rule, 0, sizeof(*rule));
	if (set->n_rules) {
		a = &set->rules[rnd(set->n_rules)];
		b = &set->rules[rnd(set->n_rules)];
	}
	rule->src_len = pair->src;
	rule->dst_len = pair->dst;
	rule->src = make_prefix(a->src, kind->src_nests, pair->src);
	rule->dst = make_prefix(b->dst, kind->dst_nests, pair->dst);
	rule->proto = protos[choose(kind->proto, 5)];
	rule->sport = rule->dport = (struct classbench_range){0, 65535};
	if (rule->proto == PROTO_TCP || rule->proto == PROTO_UDP) {
		rule->sport = make_ports(kind->sport);
		rule->dport = make_ports(kind->dport);
	}
}

/* The more specific a rule, the further to the front: else it would never be hit. */
static int by_width(const void *x, const void *y)
{
	const struct classbench_rule *a = x, *b = y;
	int la = a->src_len + a->dst_len, lb = b->src_len + b->dst_len;

	return la != lb ? lb - la : memcmp(a, b, sizeof(*a));
}

static uint16_t within(struct classbench_range range)
{
	return (uint16_t)(range.first + rnd(range.last - range.first + 1u));
}

static uint32_t below(uint32_t prefix, unsigned len)
{
	return prefix | (len < 32 ? rnd32() >> len : 0);
}

/* Packets of a rule come in runs of Pareto's distribution, as ClassBench's traces have them (a 1,
 * b 0.1: most alone, few of them often). */
static void make_packets(struct classbench *set, unsigned n)
{
	while (set->n_packets < n) {
		const struct classbench_rule *rule = &set->rules[rnd(set->n_rules)];
		struct classbench_packet packet = {
		        .src = below(rule->src, rule->src_len),
		        .dst = below(rule->dst, rule->dst_len),
		        .sport = within(rule->sport),
		        .dport = within(rule->dport),
		        .proto = rule->proto ? rule->proto
		                 : rnd(2)    ? PROTO_TCP
		                             : PROTO_UDP,
		};
		unsigned run = (unsigned)ceil(0.1 / ((rnd(65535) + 1) / 65536.0));

		while (run-- && set->n_packets < n)
			set->packets[set->n_packets++] = packet;
	}
}

int classbench_make(struct classbench *set, const char *name, unsigned n_rules, unsigned n_packets)
{
	const struct kind *kind = NULL;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, name))
			kind = &kinds[i];
	*set = (struct classbench){0};
	if (!kind || !n_rules)
		return -1;
	set->rules = calloc(n_rules, sizeof(set->rules[0]));
	set->packets = calloc(n_packets, sizeof(set->packets[0]));
	if (!set->rules || !set->packets) {
		classbench_free(set);
		return -1;
	}
	seed = n_rules;
	for (; set->n_rules < n_rules; set->n_rules++)
		make_rule(set, kind);
	qsort(set->rules, n_rules, sizeof(set->rules[0]), by_width);
	make_packets(set, n_packets);
	return 0;
}

void classbench_free(struct classbench *set)
{
	free(set->rules);
	free(set->packets);
	*set = (struct classbench){0};
}

unsigned classbench_parts(struct classbench_range range,
                          struct classbench_part parts[CLASSBENCH_PARTS_MAX])
{
	uint32_t at = range.first, end = range.last + 1u;
	unsigned n = 0;

	while (at < end) {
		uint32_t size = at ? at & -at : 65536;

		while (at + size > end)
			size /= 2;
		parts[n++] = (struct classbench_part){(uint16_t)at, (uint16_t) ~(size - 1)};
		at += size;
	}
	return n;
}
