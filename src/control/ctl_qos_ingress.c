/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of qos.set: policing, shaping and storm control of what comes in. Threads: control.
 */
#include <stdio.h>
#include <string.h>

#include "control/ctl_qos_pvt.h"

#define STORM_BURST_DIV 20 /* of a second */

/* "drop", "pass", "remark" (by so many steps), or a DSCP. */
static int read_action(const json_t *params, const char *name, struct qos_action *action,
                       struct evs_error *err)
{
	const char *text = ctl_param_str(params, name, NULL);
	uint64_t dscp = 64;

	if (!text)
		return 0;
	if (!strcmp(text, "pass") || !strcmp(text, "drop") || !strcmp(text, "remark")) {
		action->kind = text[0] == 'p'   ? QOS_ACT_PASS
		               : text[0] == 'd' ? QOS_ACT_DROP
		                                : QOS_ACT_REMARK;
		return 0;
	}
	if (evs_units_parse(EVS_UNIT_COUNT, text, &dscp, NULL) || dscp > 63)
		return evs_error_set(
		        err, -EINVAL,
		        "%s: '%.40s' is none of pass, drop, remark (one or two steps of "
		        "drop precedence), or a DSCP from 0 to 63",
		        name, text);
	*action = (struct qos_action){QOS_ACT_SET, (uint8_t)dscp};
	return 0;
}

static int read_average(const json_t *params, struct ctl_qos *qos, uint64_t *average,
                        uint64_t *burst, struct evs_error *err)
{
	int ret = ctl_qos_value(params,
	                        &(struct ctl_qos_value){"ingress.average", EVS_UNIT_BPS,
	                                                CTL_QOS_BPS_MIN, CTL_QOS_BPS_MAX, average},
	                        err);

	*burst = ctl_qos_burst(qos, *average);
	return ret ? ret
	           : ctl_qos_value(params,
	                           &(struct ctl_qos_value){"ingress.burst", EVS_UNIT_BYTES,
	                                                   qos->frame_bytes, CTL_QOS_BURST_MAX,
	                                                   burst},
	                           err);
}

static int only_for(const json_t *params, const char *name, const char *what, struct evs_error *err)
{
	if (!json_object_get(params, name))
		return 0;
	return evs_error_set(err, -EINVAL,
	                     "%s has a meaning with %s only: leave it out, or set that", name,
	                     what);
}

/* RFC 2698 has a peak rate, RFC 4115 an excess rate; both, and RFC 2697, a second burst. */
static int read_second(const json_t *params, struct ctl_qos *qos, struct evs_error *err)
{
	struct qos_police_config *p = &qos->ingress.police;
	bool peak = p->tcm == QOS_TCM_2698;
	const char *rate = peak ? "ingress.peak" : "ingress.excess";
	int ret = 0;

	if (!peak)
		ret = only_for(params, "ingress.peak", "ingress.tcm=rfc2698 or ingress.mode=shape",
		               err);
	if (ret == 0 && p->tcm != QOS_TCM_4115)
		ret = only_for(params, "ingress.excess", "ingress.tcm=rfc4115", err);
	if (ret)
		return ret;
	if (p->tcm != QOS_TCM_2697 && !json_object_get(params, rate))
		return evs_error_set(err, -EINVAL, "port '%s': give %s, the second rate", qos->port,
		                     rate);
	if (p->tcm != QOS_TCM_2697 &&
	    ctl_qos_value(params,
	                  &(struct ctl_qos_value){rate, EVS_UNIT_BPS,
	                                          peak ? p->committed_bps : CTL_QOS_BPS_MIN,
	                                          CTL_QOS_BPS_MAX, &p->excess_bps},
	                  err))
		return err->code;
	if (p->tcm != QOS_TCM_2697)
		p->excess_burst_bytes = ctl_qos_burst(qos, p->excess_bps);
	return ctl_qos_value(params,
	                     &(struct ctl_qos_value){"ingress.excess-burst", EVS_UNIT_BYTES,
	                                             qos->frame_bytes, CTL_QOS_BURST_MAX,
	                                             &p->excess_burst_bytes},
	                     err);
}

static int read_police(const json_t *params, struct ctl_qos *qos, struct evs_error *err)
{
	const char *tcm =
	        ctl_param_str(params, "ingress.tcm",
	                      json_object_get(params, "ingress.peak") ? "rfc2698" : "rfc2697");
	struct qos_police_config *p = &qos->ingress.police;

	qos->ingress.polices = true;
	p->tcm = !strcmp(tcm, "rfc2697")   ? QOS_TCM_2697
	         : !strcmp(tcm, "rfc2698") ? QOS_TCM_2698
	                                   : QOS_TCM_4115;
	p->colour_aware = ctl_param_bool(params, "ingress.colour-aware", false);
	p->actions[QOS_YELLOW] = (struct qos_action){QOS_ACT_PASS, 1};
	p->actions[QOS_RED] = (struct qos_action){QOS_ACT_DROP, 2};
	if (read_average(params, qos, &p->committed_bps, &p->committed_burst_bytes, err) ||
	    read_second(params, qos, err) ||
	    read_action(params, "ingress.yellow", &p->actions[QOS_YELLOW], err) ||
	    read_action(params, "ingress.red", &p->actions[QOS_RED], err))
		return err->code;
	return 0;
}

static int read_shape(const json_t *params, struct ctl_qos *qos, struct evs_error *err)
{
	static const char *const others[] = {"ingress.tcm",    "ingress.excess",
	                                     "ingress.yellow", "ingress.excess-burst",
	                                     "ingress.red",    "ingress.colour-aware"};
	struct qos_ingress_config *c = &qos->ingress;

	c->shapes = true;
	for (unsigned i = 0; i < EVS_ARRAY_LEN(others); i++)
		if (only_for(params, others[i], "ingress.mode=police", err))
			return err->code;
	if (read_average(params, qos, &c->average_bps, &c->burst_bytes, err) ||
	    ctl_qos_value(params,
	                  &(struct ctl_qos_value){"ingress.peak", EVS_UNIT_BPS, c->average_bps,
	                                          CTL_QOS_BPS_MAX, &c->peak_bps},
	                  err))
		return err->code;
	return 0;
}

/* "1000pps" or a bit rate. */
static int read_storm(const json_t *params, const char *name, struct ctl_qos *qos,
                      enum qos_storm kind, struct evs_error *err)
{
	const char *text = ctl_param_str(params, name, NULL);
	size_t len = text ? strlen(text) : 0;
	char number[40];
	uint64_t rate = 0;

	if (!text)
		return 0;
	if (len > 3 && len < sizeof(number) && !strcmp(text + len - 3, "pps")) {
		snprintf(number, sizeof(number), "%.*s", (int)len - 3, text);
		qos->ingress.storm[kind].by_pkts = true;
		if (ctl_qos_text(
		            number,
		            &(struct ctl_qos_value){name, EVS_UNIT_COUNT, 1, 1000000000, &rate},
		            err))
			return err->code;
		qos->ingress.storm[kind].burst = EVS_MAX(rate / STORM_BURST_DIV, UINT64_C(1));
	} else {
		if (ctl_qos_value(params,
		                  &(struct ctl_qos_value){name, EVS_UNIT_BPS, CTL_QOS_BPS_MIN,
		                                          CTL_QOS_BPS_MAX, &rate},
		                  err))
			return err->code;
		qos->ingress.storm[kind].burst =
		        EVS_MAX(rate / 8 / STORM_BURST_DIV, qos->frame_bytes);
	}
	qos->ingress.storm[kind].rate = rate;
	return 0;
}

int ctl_qos_read_ingress(const json_t *params, struct ctl_qos *qos, struct evs_error *err)
{
	bool layer_1 = !strcmp(ctl_param_str(params, "ingress.layer", "l2"), "l1");
	const char *mode = ctl_param_str(params, "ingress.mode", "police"), *key;
	json_t *value;

	qos->ingress.overhead_bytes = layer_1 ? CTL_QOS_LAYER_1 : 0;
	qos->ingress.frame_min_bytes = layer_1 ? 60 : 0;
	if (read_storm(params, "storm.broadcast", qos, QOS_STORM_BROADCAST, err) ||
	    read_storm(params, "storm.multicast", qos, QOS_STORM_MULTICAST, err) ||
	    read_storm(params, "storm.unknown-unicast", qos, QOS_STORM_UNKNOWN, err))
		return err->code;
	if (json_object_get(params, "ingress.average"))
		return !strcmp(mode, "shape") ? read_shape(params, qos, err)
		                              : read_police(params, qos, err);
	json_object_foreach ((json_t *)(uintptr_t)params, key, value) {
		if (!strncmp(key, "ingress.", 8) && strcmp(key, "ingress.layer"))
			return evs_error_set(
			        err, -EINVAL,
			        "port '%s': give ingress.average, the rate to police or "
			        "shape to, besides %s",
			        qos->port, key);
	}
	return 0;
}
