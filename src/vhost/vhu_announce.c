/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the network where a guest is now: of a port whose guest's address is known (`mac=`), the
 * first packet received after each activation is a RARP request (RFC 903) from that address. As
 * any packet of the guest it is learned, moves the address, and goes on to the other switches.
 * QEMU asks for the same only if the guest does not announce itself, and a guest that does needs
 * some time to be running again. The address that QEMU tells is announced each time it is told:
 * the next guest of the port may be another one, which has nothing to do with it.
 * Threads: as said below.
 */
#include <rte_arp.h>
#include <string.h>

#include "vhost/vhu_pvt.h"

#define KNOWN 1u /* mac, of the port */
#define TOLD  2u /* mac_told, by QEMU */

static uint64_t value_of(const struct rte_ether_addr *mac)
{
	uint64_t value = 0;

	memcpy(&value, mac, sizeof(*mac));
	return value;
}

int vhu_announce_set(struct vhu *vhu, const struct rte_ether_addr *mac, struct evs_error *err)
{
	if (rte_is_multicast_ether_addr(mac))
		return evs_error_set(err, -EINVAL, "mac: a guest has a unicast address");
	evs_store_relaxed(&vhu->mac, value_of(mac));
	return 0;
}

void vhu_announce_start(struct vhu *vhu)
{
	evs_store_relaxed(&vhu->must_announce, evs_load_relaxed(&vhu->mac) ? KNOWN : 0);
}

void vhu_announce_told(struct vhu *vhu, const struct rte_ether_addr *mac)
{
	evs_store_relaxed(&vhu->mac_told, value_of(mac));
	__atomic_fetch_or(&vhu->must_announce, TOLD, __ATOMIC_RELEASE);
}

EVS_COLD uint16_t vhu_announce(struct vhu *vhu, struct rte_mbuf **mbuf)
{
	const uint32_t all = evs_load_relaxed(&vhu->must_announce), one = all & -all;
	struct rte_ether_addr mac;
	uint64_t value;

	if (!(__atomic_fetch_and(&vhu->must_announce, ~one, __ATOMIC_ACQUIRE) & one))
		return 0; /* another worker does it */
	value = evs_load_relaxed(one == TOLD ? &vhu->mac_told : &vhu->mac);
	if (!value)
		return 0; /* it was taken back meanwhile */
	memcpy(&mac, &value, sizeof(mac));
	*mbuf = rte_net_make_rarp_packet(evs_load_relaxed(&vhu->pool), &mac);
	return *mbuf ? 1 : 0;
}
