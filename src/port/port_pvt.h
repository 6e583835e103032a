/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share: the built-in types, link watching, the wake-up.
 * Threads: control, unless marked.
 */
#ifndef PORT_PVT_H
#define PORT_PVT_H

#include "port/port.h"

extern const struct port_type port_dpdk_type, port_tap_type, port_internal_type,
        port_af_packet_type, port_af_xdp_type, port_patch_type, port_vxlan_type,
        port_vxlan_gpe_type, port_geneve_type, port_gre_type, port_nvgre_type, port_stt_type;

/* port_link.c */
int port_link_init(struct evs_error *err);
void port_link_fini(void);
/* Marks the ports on a kernel interface, by name or index, for the next port_poll_links. NULL and
 * 0: all of them (events were lost). */
void port_link_mark(const char *ifname, int ifindex);

/* port_wake.c */
int port_wake_init(struct evs_error *err);
void port_wake_fini(void);

/* port_counters.c: the port is about to be freed. */
void port_counters_retire(const struct port *port);

/* port_pool.c */
void port_pools_fini(void);
/* A pool of one port, with exactly n buffers. */
struct rte_mempool *port_pool_get_own(uint16_t mtu, int numa_node, unsigned n,
                                      struct evs_error *err);

/* The driver of the port that had this pool to itself does not give n buffers back at its end. */
void port_pool_lose(struct rte_mempool *pool, unsigned n);

/* [worker] The driver refused mbufs[i]: moves it behind the other ones, so that the burst can go
 * on with one less, in order; what is left at the end is the caller's to drop. */
EVS_INLINE void port_tx_put_aside(struct rte_mbuf **mbufs, uint16_t i, uint16_t n)
{
	struct rte_mbuf *bad = mbufs[i];

	for (uint16_t j = i; j + 1 < n; j++)
		mbufs[j] = mbufs[j + 1];
	mbufs[n - 1] = bad;
}

/* [worker] What the receive function of a queue dropped by itself. */
EVS_INLINE void port_rx_drop(struct port *port, uint16_t queue, enum pkt_drop reason)
{
	if (port->rxq_drops)
		evs_counter_add(&port->rxq_drops[queue].drops[reason], 1);
}

#endif
