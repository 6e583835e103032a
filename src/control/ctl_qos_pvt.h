/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quality of service of a port: from parameters to what the worker rooms take. Threads: control.
 */
#ifndef CTL_QOS_PVT_H
#define CTL_QOS_PVT_H

#include "base/evs_units.h"
#include "control/ctl_net.h"
#include "qos/qos_ingress.h"
#include "qos/qos_shaper.h"

struct ctl_qos {
	const char *port;
	uint64_t frame_bytes; /* the longest frame */
	bool shapes, guards;  /* there is something for egress, for ingress */
	struct qos_shaper_config egress;
	struct qos_ingress_config ingress;
	struct qos_map map;
	struct qos_queue_config *queues;  /* owned */
	struct qos_class_config *classes; /* owned */
};

/* Reads and checks all. -EINVAL with the nearest valid value. The caller calls fini in any case. */
int ctl_qos_read(const json_t *params, const struct port *port, struct ctl_qos *qos,
                 struct evs_error *err);
void ctl_qos_fini(struct ctl_qos *qos);

/* Parts of ctl_qos_read. */
int ctl_qos_read_egress(const json_t *params, struct ctl_qos *qos, struct evs_error *err);
int ctl_qos_read_ingress(const json_t *params, struct ctl_qos *qos, struct evs_error *err);
/* A value with its unit, held against limits; stays as it is if it is not given. */
struct ctl_qos_value {
	const char *name;
	enum evs_unit unit;
	uint64_t min, max;
	uint64_t *to;
};
int ctl_qos_value(const json_t *params, const struct ctl_qos_value *value, struct evs_error *err);
int ctl_qos_text(const char *text, const struct ctl_qos_value *value, struct evs_error *err);
int ctl_qos_check(const struct ctl_qos_value *value, uint64_t n, struct evs_error *err);

#define CTL_QOS_BPS_MIN   UINT64_C(8000)
#define CTL_QOS_BPS_MAX   UINT64_C(1000000000000)
#define CTL_QOS_BURST_MAX UINT64_C(1000000000)
#define CTL_QOS_LAYER_1   24 /* preamble, start, checksum, gap */

/* What a rate brings in the usual 5 ms, and a frame at least. */
uint64_t ctl_qos_burst(const struct ctl_qos *qos, uint64_t bps);

#endif
