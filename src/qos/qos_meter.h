/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meters (OpenFlow 1.3.5, 5.7 and A.3.4.4): one rate for the packets of all workers, without a
 * lock. Threads: control creates and destroys; workers run; control reads the counters.
 *
 * A band is a token bucket, kept as one number: the time until which its rate is spent. A worker
 * that meters a burst reads that time, walks its packets, and swaps the new time in; if another
 * worker was faster, it walks again. So a band costs one atomic operation a burst, no tokens wait
 * unused with an idle worker, and the sum of all workers is exact.
 *
 * A large segment costs what the frames cost that it will be cut into, whoever cuts them, so that
 * a rate is the same for a sender with and without segmentation offload. Counters are of packets as
 * the switch sees them, like those of flows and ports.
 *
 * A bucket that is not empty passes a packet of any length and owes the rest, so a large segment
 * above the burst size is not refused for ever, and the mean rate is still kept.
 */
#ifndef QOS_METER_H
#define QOS_METER_H

#include <rte_mbuf.h>

#include "base/evs_base.h"

#define QOS_METER_BANDS_MAX 8

enum qos_band_kind { QOS_BAND_DROP, QOS_BAND_DSCP_REMARK };

struct qos_band_config {
	enum qos_band_kind kind;
	uint32_t rate;      /* kbit/s or packets/s, not 0 */
	uint32_t burst;     /* kbit or packets; 0: what 50 ms of the rate bring */
	uint8_t prec_level; /* DSCP_REMARK: steps of drop precedence */
};

struct qos_meter_config {
	bool by_pkts; /* rates are packets/s */
	unsigned n_bands;
	struct qos_band_config bands[QOS_METER_BANDS_MAX];
};

struct qos_meter;

/* [ctl] NULL: errno says EINVAL (a rate of 0, too many bands) or ENOMEM. tsc_hz is the rate of
 * now_tsc in qos_meter_run. A changed meter is a new one. */
struct qos_meter *qos_meter_create(const struct qos_meter_config *config, uint64_t tsc_hz);
void qos_meter_destroy(struct qos_meter *meter); /* [ctl] no worker uses it any more */

/* verdict[i]: the lowest bits are the steps of a remark. */
enum qos_verdict { QOS_PASS = 0, QOS_DROP = 0x80, QOS_REMARK = 0x40 };

/* [worker] Meters n (<= 32) packets in order. Of the bands that a packet exceeds, that of the
 * highest rate says what happens. Returns the mask of packets whose verdict is not QOS_PASS. */
uint32_t qos_meter_run(struct qos_meter *meter, unsigned worker, struct rte_mbuf *const *mbufs,
                       unsigned n, uint64_t now_tsc, uint8_t verdict[]);

/* The TOS byte after a remark: an assured forwarding class (RFC 2597) gets `levels` more of drop
 * precedence, up to 3. A class selector has none, but a lower class is dropped sooner (RFC 2474,
 * 4.2.2.2): it becomes that. Others stay. */
uint8_t qos_dscp_remark(uint8_t tos, unsigned levels);

struct qos_count {
	uint64_t pkts, bytes;
};
/* [ctl] What entered (in) and what each band was applied to (bands[n_bands], in the order of the
 * config). */
void qos_meter_counts(const struct qos_meter *meter, struct qos_count *in, struct qos_count *bands);

#endif
