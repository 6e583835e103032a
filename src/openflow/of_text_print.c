/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing flows, groups and meters as ovs-ofctl does.
 * Threads: any; no state.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "openflow/of_text_pvt.h"
#include "openflow/of_wire_pvt.h"

void of_text_printf(struct of_buf *out, const char *fmt, ...)
{
	char text[512];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	of_buf_put(out, text, (size_t)EVS_MIN(n, (int)sizeof(text) - 1));
}

const char *of_text_string(struct of_buf *out)
{
	if (of_buf_add(out, 1) == NULL)
		return NULL;
	out->size--;
	return (const char *)out->data;
}

void of_text_port(struct of_buf *out, uint32_t port_no, const struct of_text_names *names)
{
	const char *name = names && names->name ? names->name(port_no, names->arg) : NULL;

	for (unsigned i = 0; i < OF_TEXT_N_PORTS; i++) {
		if (of_text_ports[i].number == port_no) {
			of_text_printf(out, "%s", of_text_ports[i].name);
			return;
		}
	}
	if (name)
		of_text_printf(out, "\"%s\"", name);
	else
		of_text_printf(out, "%u", port_no);
}

static void put_bytes(struct of_buf *out, const struct flow_field *f, const uint8_t *v)
{
	char text[INET6_ADDRSTRLEN];

	switch (f->form) {
	case FLOW_FORM_ETH:
		of_text_printf(out, "%02x:%02x:%02x:%02x:%02x:%02x", v[0], v[1], v[2], v[3], v[4],
		               v[5]);
		return;
	case FLOW_FORM_IPV4:
		of_text_printf(out, "%s", inet_ntop(AF_INET, v, text, sizeof(text)));
		return;
	case FLOW_FORM_IPV6:
		of_text_printf(out, "%s", inet_ntop(AF_INET6, v, text, sizeof(text)));
		return;
	case FLOW_FORM_DEC:
		of_text_printf(out, "%" PRIu64, flow_field_value_u64(f, v));
		return;
	default:
		break;
	}
	if (f->size > 8)
		of_text_printf(out, "0x%016" PRIx64 "%016" PRIx64, of_get_u64(v),
		               of_get_u64(v + 8));
	else
		of_text_printf(out, "0x%" PRIx64, flow_field_value_u64(f, v));
}

/* Length of a mask that is a prefix, or -1. */
static int prefix_len(const uint8_t *mask, unsigned size)
{
	unsigned n = 0;

	while (n < size * 8 && (mask[n / 8] >> (7 - n % 8) & 1))
		n++;
	for (unsigned i = n; i < size * 8; i++)
		if (mask[i / 8] >> (7 - i % 8) & 1)
			return -1;
	return (int)n;
}

void of_text_field_value(struct of_buf *out, const struct flow_field *field, const uint8_t *value,
                         const uint8_t *mask, const struct of_text_names *names)
{
	bool ip = field->form == FLOW_FORM_IPV4 || field->form == FLOW_FORM_IPV6;
	uint8_t ones[FLOW_VALUE_MAX];
	int prefix;

	if (field->form == FLOW_FORM_PORT) {
		of_text_port(out, (uint32_t)flow_field_value_u64(field, value), names);
		return;
	}
	flow_field_ones(field, ones);
	if (mask == NULL || memcmp(mask, ones, field->size) == 0) {
		put_bytes(out, field, value);
		return;
	}
	prefix = ip ? prefix_len(mask, field->size) : -1;
	put_bytes(out, field, value);
	of_text_printf(out, "/");
	if (prefix >= 0)
		of_text_printf(out, "%d", prefix);
	else if (field->form == FLOW_FORM_DEC)
		of_text_printf(out, "0x%" PRIx64, flow_field_value_u64(field, mask));
	else
		put_bytes(out, field, mask);
}

/* The word that stands for eth_type and ip_proto; *proto: it says the protocol too. */
static const char *keyword(const struct flow_match *m, bool *proto)
{
	uint64_t type = flow_field_get_u64(&flow_fields[FLOW_FIELD_ETH_TYPE], &m->key);
	uint64_t ip_proto = flow_field_get_u64(&flow_fields[FLOW_FIELD_IP_PROTO], &m->key);
	bool has_proto = flow_match_field_used(m, &flow_fields[FLOW_FIELD_IP_PROTO]);
	const char *word = NULL;

	*proto = false;
	for (unsigned i = 0; i < OF_TEXT_N_KEYWORDS; i++) {
		const struct of_text_keyword *k = &of_text_keywords[i];
		if (k->eth_type != type || (k->ip_proto && (!has_proto || k->ip_proto != ip_proto)))
			continue;
		if (word && !k->ip_proto)
			continue;
		word = k->name;
		*proto = k->ip_proto != 0;
	}
	return word;
}

static void sep(struct of_buf *out, size_t start)
{
	if (out->size > start)
		of_text_printf(out, ",");
}

/* "dl_vlan=5", or vlan_tci for what is not one VLAN. */
static void put_vlan(struct of_buf *out, const struct flow_match *m)
{
	uint64_t vid = flow_field_get_u64(&flow_fields[FLOW_FIELD_VLAN_VID], &m->key);
	uint64_t mask = flow_field_get_u64(&flow_fields[FLOW_FIELD_VLAN_VID], &m->mask);

	if (mask == 0x1fff && (vid & OFPVID_PRESENT))
		of_text_printf(out, "dl_vlan=%u", (unsigned)(vid & 0xfff));
	else if (mask == 0x1fff)
		of_text_printf(out, "vlan_tci=0x0000");
	else
		of_text_printf(out, "vlan_vid=0x%" PRIx64 "/0x%" PRIx64, vid, mask);
}

static void put_field(struct of_buf *out, const struct flow_match *m, const struct flow_field *f,
                      const struct of_text_names *names)
{
	uint8_t value[FLOW_VALUE_MAX], mask[FLOW_VALUE_MAX];

	if (f->id == FLOW_FIELD_VLAN_VID) {
		put_vlan(out, m);
		return;
	}
	flow_field_get(f, &m->key, value);
	flow_field_get(f, &m->mask, mask);
	if (f->id == FLOW_FIELD_IP_DSCP) {
		of_text_printf(out, "nw_tos=%u", value[0] << 2);
		return;
	}
	of_text_printf(out, "%s=", f->ovs_name);
	of_text_field_value(out, f, value, mask, names);
}

void of_text_match(struct of_buf *out, const struct flow_match *match,
                   const struct of_text_names *names)
{
	static const uint8_t first[] = {
	        FLOW_FIELD_TUNNEL_ID, FLOW_FIELD_METADATA, FLOW_FIELD_IN_PORT,
	        FLOW_FIELD_VLAN_VID,  FLOW_FIELD_VLAN_PCP, FLOW_FIELD_ETH_SRC,
	        FLOW_FIELD_ETH_DST,   FLOW_FIELD_IPV6_SRC, FLOW_FIELD_IPV6_DST,
	};
	struct flow_field_set set;
	size_t start = out->size;
	const char *word;
	bool proto;

	flow_match_fields(match, &set);
	word = flow_field_set_has(&set, FLOW_FIELD_ETH_TYPE) ? keyword(match, &proto) : NULL;
	if (word) {
		of_text_printf(out, "%s", word);
		set.bits[0] &= ~(UINT64_C(1) << FLOW_FIELD_ETH_TYPE);
		if (proto)
			set.bits[0] &= ~(UINT64_C(1) << FLOW_FIELD_IP_PROTO);
	}
	for (unsigned i = 0; i < EVS_ARRAY_LEN(first) + FLOW_N_FIELDS; i++) {
		unsigned id = i < EVS_ARRAY_LEN(first) ? first[i] : i - EVS_ARRAY_LEN(first);
		if (!flow_field_set_has(&set, id))
			continue;
		set.bits[id / 64] &= ~(UINT64_C(1) << id % 64);
		sep(out, start);
		put_field(out, match, &flow_fields[id], names);
	}
}

static void put_output(struct of_buf *out, const struct of_action *a,
                       const struct of_text_names *names)
{
	if (a->port == OFPP_CONTROLLER) {
		of_text_printf(out, "CONTROLLER:%u", a->max_len);
		return;
	}
	if (a->port < OFPP_MAX)
		of_text_printf(out, "output:");
	of_text_port(out, a->port, names);
}

static void put_action(struct of_buf *out, const struct of_action *a,
                       const struct of_text_names *names)
{
	switch (a->kind) {
	case OF_ACTION_OUTPUT:
		put_output(out, a, names);
		return;
	case OF_ACTION_SET_FIELD:
		of_text_printf(out, "set_field:");
		of_text_field_value(out, &flow_fields[a->field], a->value, of_action_mask(a),
		                    names);
		of_text_printf(out, "->%s", flow_fields[a->field].name);
		return;
	case OF_ACTION_PUSH_VLAN:
	case OF_ACTION_PUSH_MPLS:
	case OF_ACTION_PUSH_PBB:
	case OF_ACTION_POP_MPLS:
		of_text_printf(out, "%s:0x%04x", of_action_name(a->kind), a->eth_type);
		return;
	case OF_ACTION_GROUP:
	case OF_ACTION_SET_QUEUE:
	case OF_ACTION_SET_NW_TTL:
		of_text_printf(out, "%s:%u", of_action_name(a->kind), a->group_id);
		return;
	case OF_ACTION_SET_MPLS_TTL:
		of_text_printf(out, "set_mpls_ttl(%u)", a->ttl);
		return;
	default:
		of_text_printf(out, "%s", of_action_name(a->kind));
		return;
	}
}

static void put_list(struct of_buf *out, size_t start, const struct of_actions *actions,
                     const struct of_text_names *names)
{
	OF_ACTION_FOREACH(a, actions)
	{
		sep(out, start);
		put_action(out, a, names);
	}
}

void of_text_actions(struct of_buf *out, const struct of_actions *actions,
                     const struct of_text_names *names)
{
	put_list(out, out->size, actions, names);
}

void of_text_insts(struct of_buf *out, const struct of_insts *insts,
                   const struct of_text_names *names)
{
	size_t start = out->size;

	if (insts->set & OF_INST_METER)
		of_text_printf(out, "meter:%u", insts->meter_id);
	put_list(out, start, &insts->apply, names);
	if (insts->set & OF_INST_CLEAR_ACTIONS) {
		sep(out, start);
		of_text_printf(out, "clear_actions");
	}
	if (insts->set & OF_INST_WRITE_ACTIONS) {
		sep(out, start);
		of_text_printf(out, "write_actions(");
		put_list(out, out->size, &insts->write, names);
		of_text_printf(out, ")");
	}
	if (insts->set & OF_INST_WRITE_METADATA) {
		sep(out, start);
		of_text_printf(out, "write_metadata:0x%" PRIx64, insts->metadata);
		if (insts->metadata_mask != UINT64_MAX)
			of_text_printf(out, "/0x%" PRIx64, insts->metadata_mask);
	}
	if (insts->set & OF_INST_GOTO_TABLE) {
		sep(out, start);
		of_text_printf(out, "goto_table:%u", insts->goto_table);
	}
	if (out->size == start)
		of_text_printf(out, "drop");
}

static void put_flow_flags(struct of_buf *out, const struct of_flow_stats *flow)
{
	static const char *const flags[] = {"send_flow_rem", "check_overlap", "reset_counts",
	                                    "no_packet_counts", "no_byte_counts"};

	if (flow->idle_timeout)
		of_text_printf(out, "idle_timeout=%u, ", flow->idle_timeout);
	if (flow->hard_timeout)
		of_text_printf(out, "hard_timeout=%u, ", flow->hard_timeout);
	for (unsigned i = 0; i < EVS_ARRAY_LEN(flags); i++)
		if (flow->flags >> i & 1)
			of_text_printf(out, "%s ", flags[i]);
}

void of_text_flow(struct of_buf *out, const struct of_flow_stats *flow,
                  const struct of_text_names *names)
{
	size_t start;

	of_text_printf(out,
	               "cookie=0x%" PRIx64 ", duration=%u.%03us, table=%u, n_packets=%" PRIu64
	               ", n_bytes=%" PRIu64 ", ",
	               flow->cookie, flow->duration_sec, flow->duration_nsec / 1000000,
	               flow->table_id, flow->packet_count, flow->byte_count);
	put_flow_flags(out, flow);
	start = out->size;
	if (flow->priority != 0x8000)
		of_text_printf(out, "priority=%u,", flow->priority);
	of_text_match(out, &flow->match, names);
	if (out->size > start && out->data[out->size - 1] == ',')
		out->size--;
	of_text_printf(out, out->size > start ? " actions=" : "actions=");
	of_text_insts(out, &flow->insts, names);
}

void of_text_group_desc(struct of_buf *out, const struct of_group_desc *desc,
                        const struct of_text_names *names)
{
	of_text_printf(out, "group_id=%u,type=%s", desc->group_id,
	               desc->type < OF_N_GROUP_TYPES ? of_text_group_types[desc->type] : "?");
	for (uint32_t i = 0; i < desc->n_buckets; i++) {
		const struct of_bucket *b = &desc->buckets[i];
		of_text_printf(out, ",bucket=");
		if (desc->type == OFPGT_SELECT)
			of_text_printf(out, "weight:%u,", b->weight);
		if (b->watch_port != OFPP_ANY) {
			of_text_printf(out, "watch_port:");
			of_text_port(out, b->watch_port, names);
			of_text_printf(out, ",");
		}
		if (b->watch_group != OFPG_ANY)
			of_text_printf(out, "watch_group:%u,", b->watch_group);
		of_text_printf(out, "actions=");
		if (b->actions.size == 0)
			of_text_printf(out, "drop");
		of_text_actions(out, &b->actions, names);
	}
}

void of_text_group_stats(struct of_buf *out, const struct of_group_stats *stats)
{
	of_text_printf(out,
	               "group_id=%u,duration=%u.%03us,ref_count=%u,packet_count=%" PRIu64
	               ",byte_count=%" PRIu64,
	               stats->group_id, stats->duration_sec, stats->duration_nsec / 1000000,
	               stats->ref_count, stats->packet_count, stats->byte_count);
	for (uint32_t i = 0; i < stats->n_buckets; i++)
		of_text_printf(out, ",bucket%u:packet_count=%" PRIu64 ",byte_count=%" PRIu64, i,
		               stats->buckets[i].packet_count, stats->buckets[i].byte_count);
}

void of_text_meter_config(struct of_buf *out, const struct of_meter_config *config)
{
	of_text_printf(out, "meter=%u%s%s%s%s bands=", config->meter_id,
	               config->flags & OFPMF_KBPS ? " kbps" : "",
	               config->flags & OFPMF_PKTPS ? " pktps" : "",
	               config->flags & OFPMF_BURST ? " burst" : "",
	               config->flags & OFPMF_STATS ? " stats" : "");
	for (uint32_t i = 0; i < config->n_bands; i++) {
		const struct of_meter_band *b = &config->bands[i];
		of_text_printf(out, "%stype=%s rate=%u", i ? " " : "",
		               b->type == OFPMBT_DROP ? "drop" : "dscp_remark", b->rate);
		if (config->flags & OFPMF_BURST)
			of_text_printf(out, " burst_size=%u", b->burst_size);
		if (b->type == OFPMBT_DSCP_REMARK)
			of_text_printf(out, " prec_level=%u", b->prec_level);
	}
}

void of_text_meter_stats(struct of_buf *out, const struct of_meter_stats *stats)
{
	of_text_printf(out,
	               "meter:%u flow_count:%u packet_in_count:%" PRIu64 " byte_in_count:%" PRIu64
	               " duration:%u.%03us bands:",
	               stats->meter_id, stats->flow_count, stats->packet_in_count,
	               stats->byte_in_count, stats->duration_sec, stats->duration_nsec / 1000000);
	for (uint32_t i = 0; i < stats->n_bands; i++)
		of_text_printf(out, " %u: packet_count:%" PRIu64 " byte_count:%" PRIu64, i,
		               stats->bands[i].packet_count, stats->bands[i].byte_count);
}
