/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation of groups (OpenFlow 1.3.5, section 5.6).
 * Threads: as pl_xlate_pvt.h.
 *
 * Select: every bucket draws a number from the hash of the flow and its own index, stretched by its
 * weight; the highest wins. So shares are exactly by weight, and a bucket that comes or goes moves
 * only the flows that it wins or had.
 */
#include <math.h>
#include <netinet/in.h>

#include "pipeline/pl_of_pvt.h"
#include "pipeline/pl_trace_pvt.h"
#include "pkt/pkt_hash.h"

static bool port_live(struct pl_xlate *x, uint32_t ofport)
{
	const struct pl_view *view = pl_snap_port(x->snap, ofport);

	if (!view) {
		pl_ref_add(x, FLOW_REF_BRIDGE, x->snap->bridge, 0)->flags |= PL_REF_FLOOD;
		return false;
	}
	pl_ref_add(x, FLOW_REF_PORT, view->port, view->index)->flags |= PL_REF_STATE;
	return view->link_up && !(view->flags & PL_PORT_DOWN);
}

static bool bucket_live(struct pl_xlate *x, const struct pl_bucket *bucket, unsigned depth);

static bool group_live(struct pl_xlate *x, uint32_t group_id, unsigned depth)
{
	const struct pl_group *group =
	        pl_group_lookup(x->snap->bridge->tables, group_id, x->version);

	if (!group || depth >= 16)
		return false;
	pl_ref_add(x, FLOW_REF_GROUP, group, UINT32_MAX);
	for (uint32_t i = 0; i < group->n_buckets; i++)
		if (bucket_live(x, &group->buckets[i], depth + 1))
			return true;
	return false;
}

/* A bucket that watches nothing is always live. */
static bool bucket_live(struct pl_xlate *x, const struct pl_bucket *bucket, unsigned depth)
{
	bool port = bucket->watch_port != OFPP_ANY, group = bucket->watch_group != OFPG_ANY;

	if (!pl_bucket_watches(bucket->watch_port, bucket->watch_group))
		return true;
	return (port && port_live(x, bucket->watch_port)) ||
	       (group && group_live(x, bucket->watch_group, depth));
}

/* What makes a flow a flow: both ends, on all layers that the packet has. */
static uint64_t flow_hash(struct pl_xlate *x)
{
	const struct pkt_key_base *key = &x->pkt.key.pkt.base;
	struct pkt_key_base in = {.eth_type = key->eth_type};
	struct pkt_key_ipv6 ipv6 = {0};

	PL_LOOK(x, pkt.base.eth_dst);
	PL_LOOK(x, pkt.base.eth_src);
	memcpy(in.eth_dst, key->eth_dst, 12);
	if (key->eth_type != RTE_BE16(0x0800) && key->eth_type != RTE_BE16(0x86dd))
		return pkt_hash_base(&in);
	PL_LOOK(x, pkt.base.ip_proto);
	in.ip_proto = key->ip_proto;
	if (key->eth_type == RTE_BE16(0x0800)) {
		PL_LOOK(x, pkt.base.ip_src);
		PL_LOOK(x, pkt.base.ip_dst);
		in.ip_src = key->ip_src;
		in.ip_dst = key->ip_dst;
	} else {
		PL_LOOK(x, pkt.ext.ipv6.src);
		PL_LOOK(x, pkt.ext.ipv6.dst);
		memcpy(ipv6.src, x->pkt.key.pkt.ext.ipv6.src, 32);
	}
	if (!(key->frag & PKT_FRAG_ANY) &&
	    (key->ip_proto == IPPROTO_TCP || key->ip_proto == IPPROTO_UDP ||
	     key->ip_proto == IPPROTO_SCTP)) {
		PL_LOOK(x, pkt.base.tp_src);
		PL_LOOK(x, pkt.base.tp_dst);
		in.tp_src = key->tp_src;
		in.tp_dst = key->tp_dst;
	}
	return pkt_hash_line(pkt_hash_base(&in), &ipv6);
}

/* The bucket with the lowest -ln(u) / weight, u being uniform in (0, 1). */
static int choose_select(struct pl_xlate *x, const struct pl_group *group)
{
	uint64_t hash = flow_hash(x);
	double best = 0;
	int chosen = -1;

	for (uint32_t i = 0; i < group->n_buckets; i++) {
		const struct pl_bucket *bucket = &group->buckets[i];
		uint64_t draw = pkt_hash_mum(hash ^ (i + 1) * 0x9e3779b97f4a7c15ull,
		                             pkt_hash_secret[i & 7] ^ 0xd1b54a32d192ed03ull);
		double u = ((double)(draw >> 11) + 0.5) / 9007199254740992.0;
		double score;

		if (!bucket->weight || !bucket_live(x, bucket, 0))
			continue;
		score = -log(u) / bucket->weight;
		if (chosen < 0 || score < best) {
			best = score;
			chosen = (int)i;
		}
	}
	return chosen;
}

static int choose_live(struct pl_xlate *x, const struct pl_group *group)
{
	for (uint32_t i = 0; i < group->n_buckets; i++)
		if (bucket_live(x, &group->buckets[i], 0))
			return (int)i;
	return -1;
}

static EVS_COLD void trace_bucket(struct pl_xlate *x, const struct pl_group *group, uint32_t i)
{
	static const char *const why[] = {
	        [OFPGT_ALL] = "",
	        [OFPGT_SELECT] = ": chosen by addresses, protocol and ports of the packet",
	        [OFPGT_INDIRECT] = "",
	        [OFPGT_FF] = ": the first that is live",
	};

	if (group->type == OFPGT_SELECT)
		pl_trace_line(x, "bucket %u of %u, weight %u%s", i, group->n_buckets,
		              group->buckets[i].weight, why[group->type]);
	else
		pl_trace_line(x, "bucket %u of %u%s", i, group->n_buckets, why[group->type]);
}

static void run_bucket(struct pl_xlate *x, struct pl_group *group, uint32_t i, bool first)
{
	struct flow_ref *ref = pl_ref_add(x, FLOW_REF_GROUP, group, i);
	struct pl_actset set;
	struct pl_copy copy;

	if (first)
		ref->flags |= PL_REF_FIRST;
	if (!pl_xlate_step(x))
		return;
	if (evs_unlikely(x->trace != NULL))
		trace_bucket(x, group, i);
	PL_TRACE_INDENT(x, 1);
	set.n = 0;
	pl_actset_write(&set, &group->buckets[i].actions);
	pl_copy_begin(x, &copy);
	pl_xlate_actset(x, &set);
	pl_copy_end(x, &copy);
	PL_TRACE_INDENT(x, -1);
}

static void run_one(struct pl_xlate *x, struct pl_group *group, int chosen)
{
	if (chosen >= 0) {
		run_bucket(x, group, (uint32_t)chosen, true);
		return;
	}
	PL_TRACE(x, "no live bucket");
	pl_ref_add(x, FLOW_REF_GROUP, group, UINT32_MAX)->flags |= PL_REF_FIRST;
	x->reason = PKT_DROP_NO_OUTPUT;
}

static void run_all(struct pl_xlate *x, struct pl_group *group)
{
	bool first = true;

	for (uint32_t i = 0; i < group->n_buckets && !x->failed; i++) {
		run_bucket(x, group, i, first);
		first = false;
	}
	if (first)
		run_one(x, group, -1);
}

void pl_xlate_group(struct pl_xlate *x, uint32_t group_id)
{
	struct pl_group *group = pl_group_lookup(x->snap->bridge->tables, group_id, x->version);
	static const char *const names[] = {"all", "select", "indirect", "fast failover"};

	if (!group)
		return; /* its deletion takes the rules that name it along */
	if (x->depth >= PL_MAX_DEPTH) {
		pl_xlate_fail(x, PKT_DROP_RECURSION);
		return;
	}
	x->depth++;
	PL_TRACE(x, "group %u (%s)", group_id, names[group->type]);
	if (group->type == OFPGT_ALL)
		run_all(x, group);
	else if (group->type == OFPGT_SELECT)
		run_one(x, group, choose_select(x, group));
	else if (group->type == OFPGT_FF)
		run_one(x, group, choose_live(x, group));
	else
		run_one(x, group, group->n_buckets ? 0 : -1);
	x->depth--;
}
