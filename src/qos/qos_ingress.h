/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a port may send into the switch: policing, shaping, storm control.
 * Threads: control creates and destroys; all workers run it, for packets of one port, without a
 * lock.
 *
 * Policing is one of three meters of three colours, whose two buckets are changed together by one
 * atomic operation a burst, so that the sum of all workers is exact. (rte_meter has the same
 * colours, and the tests compare; its buckets would need a lock as soon as two workers receive from
 * the port.) Shaping at ingress holds no packets: what may not come in yet stays in the port's
 * receive queue, where the guest sees it, and is taken at the rate. Storm control gives
 * broadcast, multicast and unknown unicast a rate each; that a destination is unknown only
 * translation finds out, so that kind is run by an op of the program.
 *
 * A packet longer than a burst size needs the whole burst and owes the rest, so that a large
 * segment is not refused for ever.
 */
#ifndef QOS_INGRESS_H
#define QOS_INGRESS_H

#include <rte_mbuf.h>

#include "base/evs_base.h"
#include "qos/qos_meter.h"

enum qos_tcm { QOS_TCM_2697, QOS_TCM_2698, QOS_TCM_4115 };
enum qos_colour { QOS_GREEN, QOS_YELLOW, QOS_RED, QOS_N_COLOURS };

enum qos_act { QOS_ACT_PASS, QOS_ACT_DROP, QOS_ACT_REMARK, QOS_ACT_SET };
struct qos_action {
	uint8_t kind;  /* enum qos_act */
	uint8_t value; /* REMARK: steps of drop precedence; SET: DSCP */
};

struct qos_police_config {
	enum qos_tcm tcm;
	uint64_t committed_bps, committed_burst_bytes; /* CIR, CBS; not 0 */
	uint64_t excess_bps;         /* 2698: PIR, not below CIR; 4115: EIR; 2697: not used */
	uint64_t excess_burst_bytes; /* 2698: PBS; others: EBS, may be 0 */
	bool colour_aware;           /* AFx2 comes as yellow, AFx3 as red (RFC 2597) */
	struct qos_action actions[QOS_N_COLOURS];
};

enum qos_storm { QOS_STORM_BROADCAST, QOS_STORM_MULTICAST, QOS_STORM_UNKNOWN, QOS_N_STORMS };

struct qos_ingress_config {
	bool polices, shapes; /* at most one of them */
	struct qos_police_config police;
	uint64_t average_bps, peak_bps, burst_bytes; /* shaping, as in qos_shaper.h */
	uint32_t overhead_bytes, frame_min_bytes;    /* likewise, of all rates in bit/s */
	struct {
		bool by_pkts;
		uint64_t rate;  /* packets/s or bit/s; 0: no limit */
		uint64_t burst; /* packets or bytes */
	} storm[QOS_N_STORMS];
};

struct qos_ingress;

/* [ctl] NULL: errno says EINVAL or ENOMEM. One block of memory, to be given to free(). */
struct qos_ingress *qos_ingress_create(const struct qos_ingress_config *config, uint64_t tsc_hz);

/* A burst of one queue, before it is parsed. */
struct qos_ingress_burst {
	unsigned worker, n; /* n <= 32 */
	struct rte_mbuf **mbufs;
	uint64_t now_tsc;
	/* results: packets to be dropped */
	uint32_t police, storm, no_mbuf;
};
/* [worker] Returns the union of the results. May write to packets, and replace shared ones. */
uint32_t qos_ingress_run(struct qos_ingress *in, struct qos_ingress_burst *b);
/* [worker] Of the packets of the mask, whose destination is unknown, those above the limit. */
uint32_t qos_ingress_unknown(struct qos_ingress *in, const struct qos_ingress_burst *b,
                             uint32_t mask);

/* [worker] Shaping: how many packets may be taken now, up to max; and that they were. */
unsigned qos_ingress_room(const struct qos_ingress *in, uint64_t now_tsc, unsigned max);
void qos_ingress_took(struct qos_ingress *in, struct rte_mbuf *const *mbufs, unsigned n,
                      uint64_t now_tsc);
bool qos_ingress_shapes(const struct qos_ingress *in);
bool qos_ingress_drops(const struct qos_ingress *in, enum qos_colour colour); /* such packets */

struct qos_ingress_counts {
	struct qos_count colours[QOS_N_COLOURS]; /* of packets by policing */
	struct qos_count taken;                  /* by shaping */
	struct qos_count storm[QOS_N_STORMS];    /* dropped */
};
void qos_ingress_counts(const struct qos_ingress *in, struct qos_ingress_counts *sum); /* [ctl] */

#endif
