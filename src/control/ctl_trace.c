/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method trace: what the switch would do with a packet, and why. Threads: control.
 *
 * The packet is described (as the match of a rule), or given as bytes; then the description adds
 * where it came in, and what a tunnel said of it.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "control/ctl_of_pvt.h"
#include "control/ctl_rules.h"
#include "pkt/pkt_parse.h"

#define MAX_DEPTH  64
#define MAX_ROUNDS 8

/* ---- the packet ---- */

static bool any_set(const void *bytes, size_t size)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < size; i++)
		if (b[i])
			return true;
	return false;
}

/* A description says nothing of key lines: those with something in them are there. */
static void find_lines(struct pkt_key *key)
{
	struct pkt_key_base *base = &key->base;
	struct pkt_key_ext *ext = &key->ext;

	if (base->eth_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) ||
	    any_set(&ext->ipv6, sizeof(ext->ipv6)))
		base->lines |= PKT_LINE_IPV6;
	if (any_set(&ext->tun, sizeof(ext->tun)))
		base->lines |= PKT_LINE_TUN;
	if (any_set(&ext->ct, sizeof(ext->ct)))
		base->lines |= PKT_LINE_CT;
	if (any_set(&ext->tmd, sizeof(ext->tmd)))
		base->lines |= PKT_LINE_TMD;
}

static int digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
	                                    : -1;
}

/* Digits in pairs; spaces and colons between pairs do not matter. */
static int parse_hex(const char *text, uint8_t *bytes, uint32_t *n, struct evs_error *err)
{
	const char *p = text;

	for (*n = 0; *p; p++) {
		if (isspace((unsigned char)*p) || *p == ':')
			continue;
		if (digit(p[0]) < 0 || digit(p[1]) < 0)
			return evs_error_set(err, -EINVAL,
			                     "column %zu of packet: '%c%c' is not a pair of "
			                     "hexadecimal digits",
			                     (size_t)(p - text) + 1, p[0], p[1] ? p[1] : ' ');
		bytes[(*n)++] = (uint8_t)(digit(p[0]) << 4 | digit(p[1]));
		p++;
	}
	return 0;
}

/* The frame, and what the parser makes of it. */
static int make_frame(const uint8_t *bytes, uint32_t n, struct rte_mbuf **mbufp,
                      struct evs_error *err)
{
	if (n < RTE_ETHER_HDR_LEN)
		return evs_error_set(err, -EINVAL,
		                     "packet has %u bytes: an Ethernet frame has 14 or more", n);
	*mbufp = ctl_of_packet_make(bytes, n);
	return *mbufp ? 0 : evs_error_set(err, -ENOBUFS, "no buffer for the packet: try again");
}

/* The bytes say what is in the packet; in_port and the tunnel's line are as described. */
static void parse_frame(const struct rte_mbuf *mbuf, struct flow_key *key, struct pkt_offsets *ofs)
{
	struct pkt_key described = key->pkt;

	memset(&key->pkt, 0, sizeof(key->pkt));
	memset(ofs, 0, sizeof(*ofs));
	key->pkt.base.lines = described.base.lines & (PKT_LINE_TUN | PKT_LINE_CT | PKT_LINE_TMD);
	key->pkt.ext.tun = described.ext.tun;
	key->pkt.ext.ct = described.ext.ct;
	key->pkt.ext.tmd = described.ext.tmd;
	pkt_parse_one(mbuf, &key->pkt, ofs); /* fails for frames that are too short only */
}

static int read_packet(const char *hex, struct rte_mbuf **mbufp, struct evs_error *err)
{
	uint8_t *bytes = malloc(strlen(hex) / 2 + 1);
	uint32_t n;
	int ret;

	if (!bytes)
		return -ENOMEM;
	ret = parse_hex(hex, bytes, &n, err);
	if (ret == 0)
		ret = make_frame(bytes, n, mbufp, err);
	free(bytes);
	return ret;
}

static int read_key(struct ctl_call *call, struct ctl_bridge *bridge, struct flow_key *key)
{
	const char *text = ctl_param_str(call->params, "flow", "");
	struct of_text_names names = ctl_rules_names(bridge);
	uint32_t in_port;

	if (of_text_parse_key(text, &names, key, &call->err))
		return call->err.code;
	in_port = rte_be_to_cpu_32(key->pipe.in_port);
	if (in_port == 0)
		return evs_error_set(&call->err, -EINVAL,
		                     "in_port is missing: say where the packet comes in, as in "
		                     "'in_port=1'");
	if (in_port == OFPP_LOCAL && !pl_port_by_ofport(bridge->pl, in_port))
		return evs_error_set(&call->err, -ENOENT,
		                     "bridge '%s' has no port LOCAL: it was made without its "
		                     "internal port",
		                     bridge->name);
	if (!pl_port_by_ofport(bridge->pl, in_port))
		return evs_error_set(&call->err, -ENOENT,
		                     "bridge '%s' has no port %u: 'evsctl port show bridge=%s' "
		                     "lists them",
		                     bridge->name, in_port, bridge->name);
	find_lines(&key->pkt);
	return 0;
}

/* ---- the result ---- */

struct record {
	json_t *lines;
	json_t *steps; /* a tree of {"text", "steps"} */
};

static json_t *substeps(json_t *steps)
{
	json_t *last = json_array_get(steps, json_array_size(steps) - 1), *sub;

	if (!last)
		return steps;
	sub = json_object_get(last, "steps");
	if (!sub) {
		sub = json_array();
		json_object_set_new(last, "steps", sub);
	}
	return sub;
}

/* Two spaces a level; a level may be skipped. */
static void on_line(const char *text, void *arg)
{
	struct record *record = arg;
	size_t depth = EVS_MIN(strspn(text, " ") / 2, (size_t)MAX_DEPTH - 1);
	json_t *into = record->steps;

	json_array_append_new(record->lines, json_string(text));
	for (size_t i = 0; i < depth; i++)
		into = substeps(into);
	json_array_append_new(into, json_pack("{s:s}", "text", text + strspn(text, " ")));
}

/* Runs what the worker would run up to RECIRC, outputs left out. Its id, or 0 if there is none, or
 * an edit does not apply. */
static uint32_t run_to_recirc(const struct flow_prog_builder *prog, struct rte_mbuf *mbuf,
                              struct pkt_offsets *ofs)
{
	FLOW_OP_FOREACH (op, prog->ops, prog->size) {
		if (op->kind == FLOW_OP_RECIRC)
			return ((const struct flow_op_recirc *)op->payload)->id;
		if (mbuf && flow_op_edit(op, mbuf, ofs) == -EINVAL)
			return 0;
	}
	return 0;
}

/* A packet that goes round is followed, if its bytes are known. */
static void trace_rounds(struct ctl_bridge *bridge, struct flow_key *key, struct rte_mbuf *mbuf,
                         struct record *record)
{
	static struct flow_prog_builder prog; /* large; control is one thread */
	struct pkt_offsets ofs;
	uint32_t id = 0;

	for (unsigned round = 0; round == 0 || (id && round < MAX_ROUNDS); round++) {
		if (mbuf)
			parse_frame(mbuf, key, &ofs);
		key->pkt.base.recirc_id = id;
		pl_trace(bridge->pl, key, on_line, record, &prog);
		id = run_to_recirc(&prog, mbuf, &ofs);
		if (id && !mbuf) {
			on_line("What comes to light is not known: give the frame (--packet HEX) "
			        "to "
			        "follow it further",
			        record);
			return;
		}
	}
}

int ctl_trace(struct ctl_call *call)
{
	const char *hex = ctl_param_str(call->params, "packet", NULL);
	struct ctl_bridge *bridge = ctl_rules_bridge(call);
	struct record record = {.lines = NULL};
	static struct flow_key key; /* large; control is one thread */
	struct rte_mbuf *mbuf = NULL;
	int ret;

	if (!bridge)
		return call->err.code;
	ret = read_key(call, bridge, &key);
	if (ret == 0 && hex)
		ret = read_packet(hex, &mbuf, &call->err);
	if (ret)
		return ret;
	record.lines = json_array();
	record.steps = json_array();
	trace_rounds(bridge, &key, mbuf, &record);
	rte_pktmbuf_free(mbuf);
	call->result = json_pack("{s:o, s:o}", "lines", record.lines, "steps", record.steps);
	return 0;
}
