/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method cache.dump: cached flows as text. Threads: control; a live flow's key, mask and program
 * stay as they are until control kills it.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/evs_clock.h"
#include "control/ctl_net.h"
#include "flow/flow_cache.h"
#include "flow/flow_mask.h"
#include "pmd/pmd.h"

#define TEXT_MAX      2048
#define DEFAULT_LIMIT 1000

struct text {
	char buf[TEXT_MAX];
	size_t used;
};

static void put(struct text *t, const char *fmt, ...) EVS_PRINTF(2, 3);
static void put(struct text *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (t->used < sizeof(t->buf))
		t->used += (size_t)vsnprintf(t->buf + t->used, sizeof(t->buf) - t->used, fmt, args);
	va_end(args);
}

enum form { HEX, DEC, MAC, IP4, IP6 };

static void put_bytes(struct text *t, const uint8_t *value, size_t size, enum form form)
{
	char ip[INET6_ADDRSTRLEN] = "";
	uint64_t n = 0;

	switch (form) {
	case MAC:
		put(t, "%02x:%02x:%02x:%02x:%02x:%02x", value[0], value[1], value[2], value[3],
		    value[4], value[5]);
		break;
	case IP4:
	case IP6:
		put(t, "%s", inet_ntop(form == IP4 ? AF_INET : AF_INET6, value, ip, sizeof(ip)));
		break;
	case HEX:
	case DEC:
		for (size_t i = 0; i < size; i++)
			n = n << 8 | value[i];
		put(t, form == HEX ? "0x%" PRIx64 : "%" PRIu64, n);
		break;
	}
}

static bool all(const uint8_t *bytes, size_t size, uint8_t what)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != what)
			return false;
	return true;
}

struct field {
	const char *name;
	const void *value, *mask;
	size_t size;
	enum form form;
};

/* ",name=value" or ",name=value/mask"; nothing if no bit was looked at. */
static void put_field(struct text *t, const struct field *f)
{
	if (all(f->mask, f->size, 0))
		return;
	put(t, ",%s=", f->name);
	put_bytes(t, f->value, f->size, f->form);
	if (all(f->mask, f->size, 0xff))
		return;
	put(t, "/");
	put_bytes(t, f->mask, f->size, f->form == DEC ? HEX : f->form);
}

#define FIELD(t, name, member, form)                                                               \
	put_field(t, &(struct field){name, &key->member, &mask->member, sizeof(key->member), form})

static const char *port_name(uint16_t index, void *arg)
{
	const struct port *port = port_get(index);

	return port ? port->name : NULL;
}

static void put_vlans(struct text *t, const struct pkt_key_base *key,
                      const struct pkt_key_base *mask)
{
	for (unsigned i = 0; i < PKT_N_VLANS; i++) {
		unsigned tci = rte_be_to_cpu_16(key->vlan[i].tci);
		unsigned looked = rte_be_to_cpu_16(mask->vlan[i].tci);

		if (!looked)
			continue;
		if (!(tci & PKT_VLAN_PRESENT))
			put(t, ",vlan%s=none", i ? "2" : "");
		else if (looked & 0xfff)
			put(t, ",vlan%s=%u", i ? "2" : "", tci & 0xfff);
		else
			put(t, ",vlan%s=any", i ? "2" : "");
		if (looked & 0xe000 && tci & PKT_VLAN_PRESENT)
			put(t, ",pcp%s=%u", i ? "2" : "", tci >> 13);
	}
}

static void put_ip(struct text *t, const struct pkt_key_base *key, const struct pkt_key_base *mask)
{
	FIELD(t, "ip_proto", ip_proto, DEC);
	FIELD(t, "tos", ip_tos, HEX);
	if (key->eth_type == rte_cpu_to_be_16(0x0800)) {
		FIELD(t, "ip_src", ip_src, IP4);
		FIELD(t, "ip_dst", ip_dst, IP4);
	}
	FIELD(t, "tp_src", tp_src, DEC);
	FIELD(t, "tp_dst", tp_dst, DEC);
	FIELD(t, "tcp_flags", tcp_flags, HEX);
	FIELD(t, "ttl", ip_ttl, DEC);
	if (mask->frag)
		put(t, ",frag=%s",
		    key->frag & PKT_FRAG_LATER ? "later"
		    : key->frag                ? "first"
		                               : "no");
	FIELD(t, "exthdr", ipv6_exthdr, HEX);
}

static void put_arp(struct text *t, const struct pkt_key_base *key, const struct pkt_key_base *mask)
{
	FIELD(t, "arp_op", arp_op, DEC);
	FIELD(t, "arp_spa", arp_spa, IP4);
	FIELD(t, "arp_tpa", arp_tpa, IP4);
	FIELD(t, "arp_sha", arp_sha, MAC);
	FIELD(t, "arp_tha", arp_tha, MAC);
}

static void put_base(struct text *t, const struct pkt_key_base *key,
                     const struct pkt_key_base *mask)
{
	unsigned type = rte_be_to_cpu_16(key->eth_type);
	const char *name = port_name(key->in_port, NULL);

	put(t, "in_port=%s", name ? name : "?");
	if (key->recirc_id)
		put(t, ",recirc_id=%u", key->recirc_id);
	FIELD(t, "eth_src", eth_src, MAC);
	FIELD(t, "eth_dst", eth_dst, MAC);
	put_vlans(t, key, mask);
	FIELD(t, "eth_type", eth_type, HEX);
	if (type == 0x0800 || type == 0x86dd)
		put_ip(t, key, mask);
	else if (type == 0x0806)
		put_arp(t, key, mask);
	else if (type == 0x8847 || type == 0x8848)
		FIELD(t, "mpls_lse", mpls_lse[0], HEX);
	else if (type == 0x88e7)
		FIELD(t, "pbb_isid", pbb_isid, HEX);
}

static void put_ext(struct text *t, unsigned lines, const struct pkt_key_ext *key,
                    const struct pkt_key_ext *mask)
{
	if (lines & PKT_LINE_IPV6) {
		FIELD(t, "ipv6_src", ipv6.src, IP6);
		FIELD(t, "ipv6_dst", ipv6.dst, IP6);
		FIELD(t, "flabel", ipv6.flabel, HEX);
		FIELD(t, "nd_target", ipv6.nd_target, IP6);
		FIELD(t, "nd_sll", ipv6.nd_sll, MAC);
		FIELD(t, "nd_tll", ipv6.nd_tll, MAC);
	}
	if (lines & PKT_LINE_TUN) {
		FIELD(t, "tun_id", tun.id, HEX);
		FIELD(t, "tun_src", tun.src, IP6);
		FIELD(t, "tun_dst", tun.dst, IP6);
	}
}

static json_t *show_flow(unsigned worker, const struct flow *flow, uint32_t now_ms)
{
	const struct pkt_key *mask = &flow->mask->mask;
	struct text match = {.used = 0};
	char actions[TEXT_MAX];
	json_t *out;

	put_base(&match, &flow->key, &mask->base);
	if (flow->ext_key)
		put_ext(&match, mask->base.lines, flow->ext_key, &mask->ext);
	flow_prog_format(actions, sizeof(actions), flow->prog->ops, flow->prog->size, port_name,
	                 NULL);
	out = json_pack("{s:i, s:I, s:I, s:s, s:s}", "worker", (int)worker, "pkts",
	                (json_int_t)evs_load_relaxed(&flow->n_pkts), "bytes",
	                (json_int_t)evs_load_relaxed(&flow->n_bytes), "match", match.buf, "actions",
	                actions);
	json_object_set_new(out, "idle",
	                    json_real((now_ms - evs_load_relaxed(&flow->used_ms)) / 100 / 10.0));
	json_object_set_new(out, "age", json_real((now_ms - flow->created_ms) / 100 / 10.0));
	return out;
}

struct dump {
	json_t *out;
	unsigned worker;
	size_t limit;
	uint32_t now_ms;
};

static bool visit_flow(struct flow *flow, void *arg)
{
	struct dump *dump = arg;

	if (json_array_size(dump->out) >= dump->limit)
		return false;
	json_array_append_new(dump->out, show_flow(dump->worker, flow, dump->now_ms));
	return true;
}

int ctl_cache_dump(struct ctl_call *call)
{
	uint64_t only = ctl_param_uint(call->params, "worker", UINT64_MAX);
	struct dump dump = {.limit = ctl_param_uint(call->params, "limit", DEFAULT_LIMIT),
	                    .now_ms = evs_clock_ms()};

	if (only != UINT64_MAX && (only >= EVS_MAX_WORKERS || !pmd_worker_cache((unsigned)only)))
		return evs_error_set(&call->err, -ENOENT,
		                     "no worker %u: 'evsctl worker show' lists them",
		                     (unsigned)only);
	dump.out = call->result = json_array();
	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++) {
		struct flow_cache *cache = pmd_worker_cache(w);

		if (!cache || (only != UINT64_MAX && only != w))
			continue;
		dump.worker = w;
		flow_cache_walk(cache, visit_flow, &dump);
	}
	return 0;
}
