/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filter sets like those of ClassBench (Taylor and Turner, 2005), and packets that hit them.
 * Threads: one. Owner: the caller, by classbench_free.
 *
 * Own code from what papers publish of its seeds: how long prefixes are in pairs, which of the five
 * classes ports are of (WC: any, HI: 1024 and above, LO: below 1024, AR: another range, EM: one
 * port), which protocols occur, how prefixes nest. Three kinds: access lists (acl), firewalls
 * (fw), IP chains (ipc). The same seed gives the same set.
 */
#ifndef CLASSBENCH_H
#define CLASSBENCH_H

#include <stdint.h>

struct classbench_range {
	uint16_t first, last;
};

struct classbench_rule {
	uint32_t src, dst; /* host order */
	uint8_t src_len, dst_len;
	uint8_t proto; /* 0: any */
	struct classbench_range sport, dport;
};

struct classbench_packet {
	uint32_t src, dst;
	uint16_t sport, dport;
	uint8_t proto;
};

struct classbench {
	struct classbench_rule *rules; /* falling priority */
	unsigned n_rules;
	struct classbench_packet *packets;
	unsigned n_packets;
};

/* kind: "acl", "fw" or "ipc". 0, or -1 (an unknown kind, no memory). */
int classbench_make(struct classbench *set, const char *kind, unsigned n_rules, unsigned n_packets);
void classbench_free(struct classbench *set);

/* Value and mask of a port. */
struct classbench_part {
	uint16_t value, mask;
};
/* The fewest masks that make up a range, as one writes ranges for OpenFlow, which has none: from
 * its first port on always the largest aligned block that fits. Up to 30; returns how many. */
#define CLASSBENCH_PARTS_MAX 30
unsigned classbench_parts(struct classbench_range range,
                          struct classbench_part parts[CLASSBENCH_PARTS_MAX]);

#endif
