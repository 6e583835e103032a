/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the network where a guest is now: of a port whose guest's address is known (`mac=`), the
 * first packet received after each activation is a RARP request (RFC 903) from that address. As
 * any packet of the guest it is learned, moves the address, and goes on to the other switches.
 * QEMU asks the library for the same only if the guest does not announce itself, and a guest
 * that does needs some time to be running again.
 * Threads: as said below.
 */
#include <rte_arp.h>
#include <string.h>

#include "vhost/vhu_pvt.h"

int vhu_announce_set(struct vhu *vhu, const struct rte_ether_addr *mac, struct evs_error *err)
{
	uint64_t value = 0;

	if (rte_is_multicast_ether_addr(mac))
		return evs_error_set(err, -EINVAL, "mac: a guest has a unicast address");
	memcpy(&value, mac, sizeof(*mac));
	evs_store_relaxed(&vhu->mac, value);
	return 0;
}

void vhu_announce_start(struct vhu *vhu)
{
	if (evs_load_relaxed(&vhu->mac))
		evs_store_relaxed(&vhu->must_announce, true);
}

EVS_COLD uint16_t vhu_announce(struct vhu *vhu, struct rte_mbuf **mbuf)
{
	const uint64_t value = evs_load_relaxed(&vhu->mac);
	struct rte_ether_addr mac;

	if (!__atomic_exchange_n(&vhu->must_announce, false, __ATOMIC_RELAXED))
		return 0; /* another worker does it */
	memcpy(&mac, &value, sizeof(mac));
	*mbuf = rte_net_make_rarp_packet(evs_load_relaxed(&vhu->pool), &mac);
	return *mbuf ? 1 : 0;
}
