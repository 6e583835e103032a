/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the guest's rings a frame goes to. Threads: whoever changes what is mapped writes the
 * tables, under vhu->lock; workers read.
 *
 * By worker (tx-steering=thread): each has a ring for itself while there are enough; a guest with
 * more queues than the switch has workers receives from some of them only. By hash: the frames of
 * a burst are spread over all rings by their addresses and ports, by whichever worker, so that all
 * of the guest's CPUs receive; a flow keeps to its ring, the lock of each ring is taken once a
 * burst, and workers may wait for each other there.
 *
 * A ring that the guest disables loses its frames to the others before it stops, and one that it
 * enables has been started when it gets some. A worker that has read the map before, and finds the
 * ring stopped, sees under the ring's lock that there is another map (vhu_tx).
 */
#include <netinet/in.h>
#include <rte_ether.h>

#include "pkt/pkt_hash.h"
#include "pkt/pkt_hdr.h"
#include "pkt/pkt_lent.h"
#include "port/port_args.h"
#include "vhost/vhu_pvt.h"

#define PORTS_SIZE 4 /* of TCP, UDP, SCTP: at the beginning of their headers */
#define MORE_IPV4  rte_cpu_to_be_16(PKT_IPV4_MF | PKT_IPV4_FRAGOFS)

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

EVS_INLINE uint64_t add(uint64_t hash, uint64_t value)
{
	return pkt_hash_mum(hash ^ pkt_hash_secret[0], value ^ pkt_hash_secret[1]);
}

static uint32_t read_ports(const uint8_t *at, const uint8_t *end)
{
	uint32_t ports = 0;

	if (at + PORTS_SIZE <= end)
		memcpy(&ports, at, PORTS_SIZE);
	return ports;
}

/* Of fragments the addresses alone, so that they keep together. */
static EVS_HOT uint64_t hash_ipv4(const uint8_t *ip, const uint8_t *end)
{
	rte_be16_t fragment;
	uint32_t ports = 0;

	memcpy(&fragment, ip + 6, sizeof(fragment));
	if (!(fragment & MORE_IPV4) && has_ports(ip[9]))
		ports = read_ports(ip + 4 * (ip[0] & 15), end);
	return add(add(ip[9], pkt_hash_u64(ip + 12)), ports);
}

static EVS_HOT uint64_t hash_ipv6(const uint8_t *ip, const uint8_t *end)
{
	uint64_t hash = ip[6];

	for (unsigned i = 8; i < 40; i += 8)
		hash = add(hash, pkt_hash_u64(ip + i));
	return has_ports(ip[6]) ? add(hash, read_ports(ip + 40, end)) : hash;
}

/* Its head is all in the first segment, also of a lent frame, or the frame counts as another kind:
 * the same for each frame of a flow. */
static EVS_HOT uint64_t hash_frame(const struct rte_mbuf *m)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *), *type = at + 12;
	const uint8_t *end = at + EVS_MIN(m->data_len, (uint16_t)PKT_LENT_HEAD);
	rte_be16_t value = 0;

	if (evs_unlikely(end < type + 2))
		return 0;
	for (unsigned tags = 0; tags < 3 && type + 2 <= end; tags++, type += 4) {
		memcpy(&value, type, sizeof(value));
		if (value == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) && type + 2 + 20 <= end)
			return hash_ipv4(type + 2, end);
		if (value == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) && type + 2 + 40 <= end)
			return hash_ipv6(type + 2, end);
		if (value != rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN) &&
		    value != rte_cpu_to_be_16(RTE_ETHER_TYPE_QINQ))
			break;
	}
	return add(pkt_hash_u64(at), pkt_hash_u64(at + 4)); /* the MAC addresses */
}

EVS_HOT uint16_t vhu_steer(const struct vhu *vhu, const struct rte_mbuf *m)
{
	return evs_load_relaxed(&vhu->steer[hash_frame(m) % VHU_STEER_LEN]);
}

void vhu_steer_map(struct vhu *vhu)
{
	const uint64_t rings = evs_load_relaxed(&vhu->rings);
	uint16_t enabled[VHU_MAX_PAIRS], n = 0;

	for (uint16_t pair = 0; pair < VHU_MAX_PAIRS; pair++)
		if (rings >> (2 * pair) & 1)
			enabled[n++] = (uint16_t)(2 * pair);
	if (n == 0)
		return;
	for (unsigned i = 0; i < VHU_STEER_LEN; i++)
		evs_store_relaxed(&vhu->steer[i], enabled[i % n]);
	for (unsigned i = 0; i < EVS_MAX_WORKERS; i++) {
		struct vhu_txq *txq = &vhu->txq[i];

		evs_store_relaxed(&txq->ring, vhu->steers && n > 1 ? VHU_STEERED : enabled[i % n]);
		evs_store_release(&txq->n_maps, (uint16_t)(txq->n_maps + 1));
	}
}

int vhu_steer_parse(struct vhu *vhu, const struct port_args *args, struct evs_error *err)
{
	const char *text = port_arg(args, "tx-steering");

	if (!text)
		return 0;
	if (strcmp(text, "thread") && strcmp(text, "hash"))
		return evs_error_set(err, -EINVAL,
		                     "tx-steering=%s: use thread (each worker has a ring) or hash "
		                     "(flows are spread over all rings)",
		                     text);
	vhu->steers = !strcmp(text, "hash");
	return 0;
}
