/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the methods of rules, groups and meters: names, errors in words, publishing.
 * Threads: control.
 */
#include "control/ctl_rules.h"

#include <string.h>

#include "flow/flow_field.h"
#include "flow/flow_match.h"

struct ctl_bridge *ctl_rules_bridge(struct ctl_call *call)
{
	return ctl_bridge_lookup(ctl_param_str(call->params, "bridge", ""), &call->err);
}

/* ---- names ---- */

static bool name_to_number(const char *name, size_t len, uint32_t *port_no, void *arg)
{
	const struct ctl_bridge *bridge = arg;
	struct ctl_port *port;

	TAILQ_FOREACH (port, &bridge->ports, link) {
		if (strlen(port->name) == len && !memcmp(port->name, name, len)) {
			*port_no = pl_port_ofport(port->pl);
			return true;
		}
	}
	return false;
}

static const char *number_to_name(uint32_t port_no, void *arg)
{
	const struct ctl_bridge *bridge = arg;
	const struct pl_port *port = pl_port_by_ofport(bridge->pl, port_no);

	return port ? pl_port_name(port) : NULL;
}

struct of_text_names ctl_rules_names(struct ctl_bridge *bridge)
{
	return (struct of_text_names){name_to_number, number_to_name, bridge};
}

const struct of_text_names *ctl_rules_print_names(const struct ctl_call *call,
                                                  const struct of_text_names *names)
{
	return ctl_param_bool(call->params, "names", false) ? names : NULL;
}

/* ---- errors ---- */

static const struct {
	uint32_t number; /* enum of_error_no */
	int code;
	const char *sentence;
} sentences[] = {
        {OFPFMFC_TABLE_FULL, -ENOSPC, "the table is full"},
        {OFPFMFC_BAD_TABLE_ID, -EINVAL,
         "there is no such table: they are 0 to 253, unless a controller removed some"},
        {OFPFMFC_OVERLAP, -EEXIST,
         "a rule of the same priority overlaps it, and check_overlap forbids that"},
        {OFPFMFC_BAD_FLAGS, -EINVAL, "a flag is not one of OpenFlow 1.3"},
        {OFPBIC_BAD_TABLE_ID, -EINVAL, "goto_table must lead to a later table, up to 253"},
        {OFPBAC_BAD_OUT_PORT, -EINVAL, "an action outputs to a port that can not exist"},
        {OFPBAC_BAD_OUT_GROUP, -ENOENT, "an action names a group that does not exist"},
        {OFPBAC_BAD_QUEUE, -ENOENT, "an action names a queue that does not exist"},
        {OFPBAC_BAD_TAG, -EINVAL, "an action pushes a tag of an ethertype that is none of a tag"},
        {OFPBAC_TOO_MANY, -E2BIG, "it has too many actions"},
        {OFPBAC_MATCH_INCONSISTENT, -EINVAL,
         "an action does not fit the match, which must say the protocol of what it changes"},
        {OFPBAC_BAD_SET_TYPE, -EINVAL, "an action sets a field that can not be set"},
        {OFPBAC_BAD_SET_ARGUMENT, -EINVAL, "an action sets a field to a value it can not have"},
        {OFPBAC_BAD_ARGUMENT, -EINVAL, "an action has an argument it can not have"},
        {OFPGMFC_GROUP_EXISTS, -EEXIST, "the group exists: 'group mod' changes it"},
        {OFPGMFC_UNKNOWN_GROUP, -ENOENT, "there is no such group: 'group dump' lists them"},
        {OFPGMFC_INVALID_GROUP, -EINVAL, "a group can not have this id or these buckets"},
        {OFPGMFC_OUT_OF_GROUPS, -ENOSPC, "there are too many groups"},
        {OFPGMFC_OUT_OF_BUCKETS, -ENOSPC, "it has too many buckets"},
        {OFPGMFC_LOOP, -ELOOP, "the group would lead to itself"},
        {OFPGMFC_CHAINED_GROUP, -EBUSY, "another group leads to it"},
        {OFPGMFC_BAD_TYPE, -EINVAL, "the type is none of all, select, indirect, ff"},
        {OFPGMFC_BAD_BUCKET, -EINVAL, "a bucket is not as its group's type wants it"},
        {OFPGMFC_BAD_WATCH, -EINVAL,
         "a bucket of a fast failover group must watch a port or a group that exists"},
        {OFPGMFC_WEIGHT_UNSUPPORTED, -EINVAL, "only buckets of a select group have a weight"},
        {OFPMMFC_METER_EXISTS, -EEXIST, "the meter exists: 'meter mod' changes it"},
        {OFPMMFC_UNKNOWN_METER, -ENOENT, "there is no such meter: 'meter dump' lists them"},
        {OFPMMFC_INVALID_METER, -EINVAL, "a meter can not have this id"},
        {OFPMMFC_BAD_FLAGS, -EINVAL, "a meter counts either kbps or pktps"},
        {OFPMMFC_BAD_RATE, -EINVAL, "a band can not have this rate"},
        {OFPMMFC_BAD_BURST, -EINVAL, "a band can not have this burst_size"},
        {OFPMMFC_BAD_BAND, -EINVAL, "a band is of type drop or dscp_remark"},
        {OFPMMFC_BAD_BAND_VALUE, -EINVAL, "a band can not have this prec_level"},
        {OFPMMFC_OUT_OF_METERS, -ENOSPC, "there are too many meters"},
        {OFPMMFC_OUT_OF_BANDS, -ENOSPC, "it has too many bands"},
};

int ctl_rules_refused(struct ctl_call *call, int ret, struct of_error why)
{
	uint32_t number = (uint32_t)why.type << 16 | why.code;

	if (ret != -EPROTO)
		return evs_error_set(&call->err, ret, "%s", strerror(-ret));
	for (unsigned i = 0; i < EVS_ARRAY_LEN(sentences); i++)
		if (sentences[i].number == number)
			return evs_error_set(&call->err, sentences[i].code, "%s (%s)",
			                     sentences[i].sentence, of_error_name(why));
	return evs_error_set(&call->err, -EINVAL, "OpenFlow refuses it: %s", of_error_name(why));
}

int ctl_rules_item_refused(struct ctl_call *call, const char *what, size_t at, size_t n)
{
	struct evs_error err = call->err;

	if (n > 1)
		evs_error_set(&call->err, err.code, "%s %zu: %.400s", what, at + 1, err.text);
	json_decref(call->err_data);
	call->err_data = json_pack("{s:I}", "index", (json_int_t)at);
	return call->err.code;
}

/* ---- publishing ---- */

static void published(void *arg)
{
	ctl_call_finish(arg, 0);
}

int ctl_rules_publish(struct ctl_call *call)
{
	pl_commit();
	pl_barrier(published, call);
	return CTL_PENDING;
}

/* ---- results ---- */

json_t *ctl_rules_text(struct of_buf *out)
{
	const char *text = of_text_string(out);
	json_t *json = json_string(text ? text : "");

	out->size = 0;
	return json;
}

json_t *ctl_rules_fields(const struct flow_match *match, const struct of_text_names *names)
{
	struct flow_field_set fields = {0};
	json_t *out = json_object();
	struct of_buf buf;

	of_buf_init(&buf);
	flow_match_fields(match, &fields);
	for (unsigned id = 0; id < FLOW_N_FIELDS; id++) {
		const struct flow_field *field = &flow_fields[id];
		uint8_t value[FLOW_VALUE_MAX], mask[FLOW_VALUE_MAX];

		if (!flow_field_set_has(&fields, id))
			continue;
		flow_field_get(field, &match->key, value);
		flow_field_get(field, &match->mask, mask);
		of_text_field_value(&buf, field, value, mask, names);
		json_object_set_new(out, field->name, ctl_rules_text(&buf));
	}
	of_buf_fini(&buf);
	return out;
}

json_t *ctl_rules_seconds(uint32_t sec, uint32_t nsec)
{
	return json_real(sec + nsec / 1000000 / 1000.0);
}
