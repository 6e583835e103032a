/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net headers (virtio 1.1, 5.1.6) and the offload requests of mbufs: one meaning for tap,
 * AF_PACKET and vhost.
 * Threads: worker. Owner: mbufs are the caller's.
 *
 * The header comes from a guest or from the kernel and is held against the packet, never believed:
 * after port_vnet_rx either ol_flags and lengths are true (port.h, Offloads), or the frame was
 * completed, or it is to be dropped.
 */
#ifndef PORT_VNET_H
#define PORT_VNET_H

#include <linux/virtio_net.h>
#include <rte_mbuf.h>

#include "pkt/pkt_offload.h"

/* A large segment by a smaller size than this would only multiply work. */
#define PORT_GSO_SIZE_MIN PKT_SEGMENT_MIN

/* -EINVAL: the header contradicts the packet (drop GUEST_BAD_OFFLOAD). -ENOMEM: a lent frame could
 * not be made one's own (drop NO_MBUF). */
int port_vnet_rx_slow(const struct virtio_net_hdr *hdr, struct rte_mbuf *m);
EVS_INLINE int port_vnet_rx(const struct virtio_net_hdr *hdr, struct rte_mbuf *m)
{
	if (evs_likely(hdr->flags == 0 && hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE))
		return 0;
	return port_vnet_rx_slow(hdr, m);
}

/* Sets the requests of a packet that is known to lack its checksum (gso_size 0), or to be a large
 * TCP segment or UDP datagram, without a header that says where. -EINVAL: it is neither TCP nor UDP
 * over IP, or the lengths lie. */
int port_vnet_request(struct rte_mbuf *m, uint16_t gso_size);

/* For devices that hand over frames of a local sender without saying that the checksum is
 * missing: if the checksum field holds exactly the pseudo-header sum, asks the sender to fill
 * it in. A frame that was complete by chance comes out the same. */
void port_vnet_guess(struct rte_mbuf *m);

/* The header for a packet to be sent. */
void port_vnet_tx_slow(const struct rte_mbuf *m, struct virtio_net_hdr *hdr);
EVS_INLINE void port_vnet_tx(const struct rte_mbuf *m, struct virtio_net_hdr *hdr)
{
	*hdr = (struct virtio_net_hdr){.flags = 0};
	if (evs_unlikely(m->ol_flags & PKT_TX_REQUEST))
		port_vnet_tx_slow(m, hdr);
	else if (pkt_l4_is_checked(m))
		hdr->flags = VIRTIO_NET_HDR_F_DATA_VALID;
}

#endif
