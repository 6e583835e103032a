/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Action programs as text. Threads: any.
 *
 * "set-eth(dst=02:00:00:00:00:01),push-vlan(0x8100,vid=5,pcp=0),output:p2". Only what a
 * set op changes is shown, with "/mask" where that is not the whole field.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "flow/flow_prog.h"

struct out {
	char *buf;
	size_t size, len;
	const char *(*port_name)(uint16_t port, void *arg);
	void *arg;
	bool is_first; /* of a list */
};

static void put(struct out *o, const char *fmt, ...) EVS_PRINTF(2, 3);
static void put(struct out *o, const char *fmt, ...)
{
	size_t room = o->len < o->size ? o->size - o->len : 0;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(room ? o->buf + o->len : NULL, room, fmt, args);
	va_end(args);
	if (n > 0)
		o->len += (size_t)n;
}

static void put_name(struct out *o, const char *name)
{
	put(o, "%s%s=", o->is_first ? "" : ",", name);
	o->is_first = false;
}

static bool is_all(const void *mask, size_t size, uint8_t byte)
{
	for (size_t i = 0; i < size; i++)
		if (((const uint8_t *)mask)[i] != byte)
			return false;
	return true;
}

/* A number of up to four bytes in wire order. */
static void put_num(struct out *o, const char *name, uint32_t value, uint32_t mask, uint32_t full)
{
	if (!mask)
		return;
	put_name(o, name);
	put(o, "%" PRIu32, value & mask);
	if (mask != full)
		put(o, "/0x%" PRIx32, mask);
}

static void put_eth_bytes(struct out *o, const uint8_t *p)
{
	put(o, "%02x:%02x:%02x:%02x:%02x:%02x", p[0], p[1], p[2], p[3], p[4], p[5]);
}

static void put_eth(struct out *o, const char *name, const uint8_t *value, const uint8_t *mask)
{
	if (is_all(mask, 6, 0))
		return;
	put_name(o, name);
	put_eth_bytes(o, value);
	if (!is_all(mask, 6, 0xff)) {
		put(o, "/");
		put_eth_bytes(o, mask);
	}
}

static void put_addr(struct out *o, const char *name, int family, const void *value,
                     const void *mask)
{
	size_t size = family == AF_INET ? 4 : 16;
	char text[INET6_ADDRSTRLEN];

	if (is_all(mask, size, 0))
		return;
	put_name(o, name);
	put(o, "%s", inet_ntop(family, value, text, sizeof(text)));
	if (!is_all(mask, size, 0xff))
		put(o, "/%s", inet_ntop(family, mask, text, sizeof(text)));
}

static void put_vlan(struct out *o, const struct pkt_vlan *value, const struct pkt_vlan *mask)
{
	uint16_t tci = rte_be_to_cpu_16(value->tci), tci_mask = rte_be_to_cpu_16(mask->tci);

	if (mask->tpid) {
		put_name(o, "tpid");
		put(o, "0x%04x", rte_be_to_cpu_16(value->tpid));
	}
	put_num(o, "vid", tci & 0xfff, tci_mask & 0xfff, 0xfff);
	put_num(o, "pcp", tci >> 13, tci_mask >> 13, 7);
}

static void put_ipv4(struct out *o, const struct pkt_set_ipv4 *s)
{
	put_addr(o, "src", AF_INET, &s->src, &s->src_mask);
	put_addr(o, "dst", AF_INET, &s->dst, &s->dst_mask);
	put_num(o, "tos", s->tos, s->tos_mask, 0xff);
	put_num(o, "ttl", s->ttl, s->ttl_mask, 0xff);
	put_num(o, "proto", s->proto, s->proto_mask, 0xff);
}

static void put_ipv6(struct out *o, const struct pkt_set_ipv6 *s)
{
	put_addr(o, "src", AF_INET6, s->src, s->src_mask);
	put_addr(o, "dst", AF_INET6, s->dst, s->dst_mask);
	put_num(o, "label", rte_be_to_cpu_32(s->flabel), rte_be_to_cpu_32(s->flabel_mask), 0xfffff);
	put_num(o, "tclass", s->tc, s->tc_mask, 0xff);
	put_num(o, "hlimit", s->hlimit, s->hlimit_mask, 0xff);
	put_num(o, "proto", s->proto, s->proto_mask, 0xff);
}

static void put_arp(struct out *o, const struct pkt_set_arp *s)
{
	put_num(o, "op", rte_be_to_cpu_16(s->op), rte_be_to_cpu_16(s->op_mask), 0xffff);
	put_addr(o, "spa", AF_INET, &s->spa, &s->spa_mask);
	put_addr(o, "tpa", AF_INET, &s->tpa, &s->tpa_mask);
	put_eth(o, "sha", s->sha, s->sha_mask);
	put_eth(o, "tha", s->tha, s->tha_mask);
}

static void put_nd(struct out *o, const struct pkt_set_nd *s)
{
	put_addr(o, "target", AF_INET6, s->target, s->target_mask);
	put_eth(o, "sll", s->sll, s->sll_mask);
	put_eth(o, "tll", s->tll, s->tll_mask);
}

static void put_l4(struct out *o, const struct pkt_set_l4 *s)
{
	put_num(o, "src", rte_be_to_cpu_16(s->src), rte_be_to_cpu_16(s->src_mask), 0xffff);
	put_num(o, "dst", rte_be_to_cpu_16(s->dst), rte_be_to_cpu_16(s->dst_mask), 0xffff);
}

static void put_mpls(struct out *o, rte_be32_t value, rte_be32_t mask)
{
	uint32_t v = rte_be_to_cpu_32(value), m = rte_be_to_cpu_32(mask);

	put_num(o, "label", v >> 12, m >> 12, 0xfffff);
	put_num(o, "tc", v >> 9 & 7, m >> 9 & 7, 7);
	put_num(o, "bos", v >> 8 & 1, m >> 8 & 1, 1);
	put_num(o, "ttl", v & 0xff, m & 0xff, 0xff);
}

static void put_port(struct out *o, uint32_t port)
{
	const char *name = o->port_name ? o->port_name((uint16_t)port, o->arg) : NULL;

	if (name)
		put(o, ":%s", name);
	else
		put(o, ":%" PRIu32, port);
}

static void put_tunnel_push(struct out *o, const struct flow_op *op)
{
	struct pkt_tunnel_header header;
	size_t size = EVS_MIN(op->size - sizeof(*op), sizeof(header));

	memset(&header, 0, sizeof(header));
	memcpy(&header, op->payload, size);
	put_port(o, op->arg);
	put(o, ",header=");
	for (unsigned i = 0; i < header.size && i < PKT_TUNNEL_HEADER_MAX; i++)
		put(o, "%02x", pkt_tunnel_bytes(&header)[i]);
}

static void put_controller(struct out *o, const struct flow_op_controller *c)
{
	static const char *const reasons[] = {"no_match", "action", "invalid_ttl"};

	put(o, "reason=%s,table=%u,max_len=%u,cookie=0x%" PRIx64,
	    c->reason < EVS_ARRAY_LEN(reasons) ? reasons[c->reason] : "?", c->table_id, c->max_len,
	    c->cookie);
}

static void put_ops(struct out *o, const uint8_t *ops, size_t ops_size);

/* What stands in brackets after the name. */
static void put_payload(struct out *o, const struct flow_op *op)
{
	const void *p = op->payload;

	switch ((enum flow_op_kind)op->kind) {
	case FLOW_OP_SET_ETH: {
		const struct pkt_set_eth *s = p;
		put_eth(o, "dst", s->value, s->mask);
		put_eth(o, "src", s->value + 6, s->mask + 6);
		if (s->mask[12]) {
			put_name(o, "type");
			put(o, "0x%02x%02x", s->value[12], s->value[13]);
		}
		break;
	}
	case FLOW_OP_SET_VLAN: {
		const struct pkt_set_vlan *s = p;
		put_vlan(o, &s->value, &s->mask);
		break;
	}
	case FLOW_OP_PUSH_VLAN: {
		static const struct pkt_vlan ones = {0xffff, 0xffff};
		put_vlan(o, &((const struct flow_op_push_vlan *)p)->vlan, &ones);
		break;
	}
	case FLOW_OP_SET_IPV4:
		put_ipv4(o, p);
		break;
	case FLOW_OP_SET_IPV6:
		put_ipv6(o, p);
		break;
	case FLOW_OP_SET_L4:
		put_l4(o, p);
		break;
	case FLOW_OP_SET_ICMP: {
		const struct pkt_set_icmp *s = p;
		put_num(o, "type", s->type, s->type_mask, 0xff);
		put_num(o, "code", s->code, s->code_mask, 0xff);
		break;
	}
	case FLOW_OP_SET_ARP:
		put_arp(o, p);
		break;
	case FLOW_OP_SET_ND:
		put_nd(o, p);
		break;
	case FLOW_OP_ANSWER:
		put_eth_bytes(o, ((const struct pkt_answer *)p)->mac);
		break;
	case FLOW_OP_SET_MPLS: {
		const struct pkt_set_mpls *s = p;
		put_mpls(o, s->lse, s->mask);
		break;
	}
	case FLOW_OP_PUSH_MPLS: {
		const struct pkt_push_mpls *s = p;
		put(o, "0x%04x", rte_be_to_cpu_16(s->eth_type));
		o->is_first = false;
		put_mpls(o, s->lse, UINT32_MAX);
		break;
	}
	case FLOW_OP_POP_MPLS:
		put(o, "0x%04x", rte_be_to_cpu_16(((const struct flow_op_pop_mpls *)p)->eth_type));
		break;
	case FLOW_OP_SET_PBB: {
		const struct pkt_set_pbb *s = p;
		put_num(o, "itag", rte_be_to_cpu_32(s->itag), rte_be_to_cpu_32(s->mask),
		        UINT32_MAX);
		break;
	}
	case FLOW_OP_PUSH_PBB:
		put_num(o, "itag", rte_be_to_cpu_32(((const struct flow_op_push_pbb *)p)->itag),
		        UINT32_MAX, UINT32_MAX);
		break;
	case FLOW_OP_TUNNEL_PUSH:
		put_tunnel_push(o, op);
		break;
	case FLOW_OP_CONTROLLER:
		put_controller(o, p);
		break;
	case FLOW_OP_CLONE:
		put_ops(o, op->payload, op->size - sizeof(*op));
		break;
	case FLOW_OP_RECIRC:
		put(o, "0x%" PRIx32, ((const struct flow_op_recirc *)p)->id);
		break;
	default:
		put(o, "%" PRIu32, op->arg);
	}
}

static void put_op(struct out *o, const struct flow_op *op)
{
	put(o, "%s", flow_op_name(op->kind));
	switch ((enum flow_op_kind)op->kind) {
	case FLOW_OP_OUTPUT:
		put_port(o, op->arg);
		return;
	case FLOW_OP_DROP:
		put(o, ":%s", pkt_drop_name(op->arg));
		return;
	case FLOW_OP_POP_VLAN:
	case FLOW_OP_POP_PBB:
		return;
	default:
		put(o, "(");
		o->is_first = true;
		put_payload(o, op);
		put(o, ")");
	}
}

static void put_ops(struct out *o, const uint8_t *ops, size_t ops_size)
{
	FLOW_OP_FOREACH (op, ops, ops_size) {
		if ((const uint8_t *)op != ops)
			put(o, ",");
		put_op(o, op);
	}
}

size_t flow_prog_format(char *buf, size_t size, const uint8_t *ops, size_t ops_size,
                        const char *(*port_name)(uint16_t port, void *arg), void *arg)
{
	struct out o = {.buf = buf, .size = size, .port_name = port_name, .arg = arg};

	if (size)
		buf[0] = '\0';
	put_ops(&o, ops, ops_size);
	return o.len;
}
