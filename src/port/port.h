/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: what a worker polls and sends to, and the table of port types.
 * Threads: control creates, changes, destroys; workers receive and send.
 *
 * A port is created by its type, gets a port index (the datapath's number, not OpenFlow's), is
 * attached to the workers by pmd, detached again, and destroyed after a grace period. The
 * type gives receive and send functions that take a burst, so that the indirect call
 * is paid per burst. Types register as rows of port_types[] with their options and help.
 *
 * Counters are per worker, one writer each; received = sent + dropped (+ held), see pkt_drop.h.
 * What a receive function itself must drop (no buffer, lying offload fields) it counts per queue in
 * rxq_drops; port_counters_sum adds these to received and to dropped.
 *
 * Offloads. A received frame whose checksum is still to be filled in, or that is a large TCP
 * segment, or a UDP datagram to be fragmented, carries the request for the sender from the start,
 * as pkt_csum.h says: TX_TCP_CKSUM or TX_UDP_CKSUM, or TX_TCP_SEG with TX_TCP_CKSUM, or TX_UDP_SEG
 * with TX_UDP_CKSUM, together with TX_IPV4 or TX_IPV6, l2_len (tags included), l3_len, l4_len,
 * tso_segsz (of TCP: payload of a segment; of UDP: IP payload of a fragment); the checksum field
 * holds the pseudo-header sum with the length of the whole segment. The receiving port has held all
 * of these against the packet, whose headers lie in the first segment. Whoever adds or removes
 * bytes before the IP header adjusts l2_len; without a request the lengths say nothing, for not all
 * drivers clear them. A frame that asks for anything else (a checksum inside
 * a tunnel) was completed at receive. RX_L4_CKSUM_GOOD says that the other side vouches for the
 * checksum. No other flag is set, but RX_RSS_HASH, and
 * PKT_LENT (pkt_lent.h), by functions that keep to port_debt.h. A port with the capability sends
 * such frames as they are; for others pmd calls pkt_offload_prepare. A sender that writes to a
 * frame copies it first if it is shared (refcnt > 1).
 */
#ifndef PORT_H
#define PORT_H

#include <net/if.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_spinlock.h>

#include "base/evs_rcu.h"
#include "pkt/pkt_drop.h"
#include "pkt/pkt_key.h"
#include "pkt/pkt_offload.h"

#define PORT_NAME_LEN    64
#define PORT_MAX_QUEUES  64
#define PORT_MAX_TYPES   24
#define PORT_N_ARGS      32
#define PORT_MTU_MIN     68
#define PORT_MTU_MAX     16110
#define PORT_MTU_DEFAULT 1500

struct port;
struct port_capture;

/* Burst functions [worker]. rx: up to n (<= 32) mbufs. tx: returns how many were taken; the rest
 * stays the caller's. A queue is used by one worker at a time. */
typedef uint16_t port_rx_fn(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);
typedef uint16_t port_tx_fn(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);

/* [worker w, ctl r] */
struct port_counters {
	uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes;
	uint64_t drops[PKT_N_DROPS];
} EVS_CACHE_ALIGNED;

/* What the sending side can do with an mbuf; else pmd does it in software first. */
enum port_tx_cap {
	PORT_TX_MULTI_SEG = PKT_TX_MULTI_SEG,
	PORT_TX_L4_CSUM = PKT_TX_L4_CSUM, /* fills in TCP and UDP checksums where ol_flags ask */
	PORT_TX_TSO = PKT_TX_TSO,
	PORT_TX_UFO = PKT_TX_UFO,
	PORT_TX_LENT = PKT_TX_LENT, /* takes frames with PKT_LENT, and is done with them when
	                             * it returns */
};

/* Configuration by OpenFlow port-mod and by `port set`. */
enum port_config_flag {
	PORT_CONFIG_DOWN = 0x01,
	PORT_CONFIG_NO_RECV = 0x04,
	PORT_CONFIG_NO_FWD = 0x20,
	PORT_CONFIG_NO_PACKET_IN = 0x40,
};

struct port_link {
	bool up;
	bool full_duplex;
	uint32_t speed_mbps; /* 0: unknown */
};

struct port_args { /* key=value pairs of a user */
	unsigned n;
	struct {
		const char *key;
		const char *value;
	} arg[PORT_N_ARGS];
};

enum port_option_flag {
	PORT_OPTION_REQUIRED = 0x01,
	PORT_OPTION_CHANGEABLE = 0x02, /* by `port set`, under traffic */
};

struct port_option {
	const char *name;
	const char *form; /* what a value looks like: "PATH", "N", "on|off" */
	const char *help;
	unsigned flags;
	const char *initial; /* what it is if not given; NULL: as the device has it, and the like */
};

struct port_type {
	const char *name;
	const char *help;
	const struct port_option *options; /* ends with a NULL name; common ones not here */
	bool has_datapath; /* false: patch: exists in translation only, in no port_table */
	/* [ctl] Opens the device and fills port; name, index and mtu are set. The device runs when
	 * it returns 0. On failure nothing is left behind and err names cause and remedy. */
	int (*create)(struct port *port, const struct port_args *args, struct evs_error *err);
	void (*destroy)(struct port *port); /* [ctl] no worker uses it any more */
	/* [worker] The worker will sleep: arm gives a descriptor with an edge for epoll(7), never
	 * read, when frames come; it looks once more for older ones. Until disarm, which follows
	 * the first frame, rx always looks. Either as often as one likes. NULL: PORT_ARM_NEVER. */
	int (*arm)(struct port *port, uint16_t queue);
	void (*disarm)(struct port *port, uint16_t queue);
	/* [worker] These will be dropped, since the port's tx did not take them. NULL: of no
	 * interest to the type. */
	void (*refused)(struct port *port, uint16_t queue, struct rte_mbuf *const *mbufs,
	                uint16_t n);
	/* [ctl] The rest may be NULL: not supported. set applies changed options of the type under
	 * traffic, wholly or not at all; the caller has checked their names. */
	int (*set)(struct port *port, const struct port_args *args, struct evs_error *err);
	int (*set_mtu)(struct port *port, uint16_t mtu, struct evs_error *err);
	int (*set_mac)(struct port *port, const struct rte_ether_addr *mac, struct evs_error *err);
	int (*set_admin)(struct port *port, bool up, struct evs_error *err); /* link up or down */
	void (*get_link)(struct port *port, struct port_link *link);         /* NULL: always up */
	/* Status and driver statistics: calls add for each pair. */
	void (*get_status)(struct port *port,
	                   void (*add)(void *arg, const char *key, const char *value), void *arg);
	void (*get_xstats)(struct port *port,
	                   void (*add)(void *arg, const char *key, uint64_t value), void *arg);
};

/* What port_type.arm returns besides a descriptor. */
#define PORT_ARM_NEVER  (-1) /* only polling tells */
#define PORT_ARM_SILENT (-2) /* nothing can come before the next port_wake */

/* All types, ends with NULL; those of this room are there from the start. */
extern const struct port_type *port_types[PORT_MAX_TYPES + 1];
extern const struct port_option port_common_options[]; /* mtu, mac, admin: if not of the type */
/* [ctl] Start-up: adds a type of another room (vhost). */
void port_type_add(const struct port_type *type);
const struct port_type *port_type_lookup(const char *name);

struct port {
	/* read by workers per burst; a capture puts its own in their place [ctl w, worker r] */
	port_rx_fn *rx;
	port_tx_fn *tx;
	void *priv; /* of the type */
	uint16_t index;
	uint16_t n_rxq;
	uint16_t n_txq;           /* fewer than workers: shared under tx_lock */
	uint16_t ethdev_id;       /* RTE_MAX_ETHPORTS: none */
	uint32_t config;          /* enum port_config_flag [ctl w, worker r] */
	uint32_t tx_caps;         /* enum port_tx_cap */
	uint16_t mtu;             /* [ctl w, worker r] payload of Ethernet, tags not counted */
	uint8_t link_up;          /* [ctl w, worker r] */
	uint8_t drop_full;        /* enum pkt_drop for what tx does not take: TX_RING_FULL, … */
	rte_spinlock_t *tx_locks; /* n_txq of them; NULL: worker n has queue n for itself, or the
	                           * type needs no lock. Else queue n % n_txq, locked */
	struct port_capture *capture; /* NULL: none [ctl w, worker r] */
	/* By worker; NULL until port_counters_prepare. */
	struct port_counters *counters[EVS_MAX_WORKERS];
	struct port_counters *rxq_drops; /* n_rxq, or NULL; only drops[] used [worker w, ctl r] */

	/* control only */
	char name[PORT_NAME_LEN] EVS_CACHE_ALIGNED;
	const struct port_type *type;
	struct rte_ether_addr mac;
	struct port_link link;
	struct rte_mempool *pool; /* buffers of received packets; NULL: the type receives none */
	int numa_node;
	uint16_t rxq_alloc;              /* length of rxq_drops; a type may set more than n_rxq */
	bool link_check;                 /* [any w] port_poll_links looks at it next time */
	bool link_polled;                /* looks at it each time: no event tells */
	int ifindex;                     /* kernel interface, 0: none */
	char ifname[IFNAMSIZ];           /* empty: none */
	void *owner;                     /* of the pipeline: its view of the port */
	struct port_counters cleared;    /* the sum at the last port_counters_clear */
	uint64_t ctl_drops[PKT_N_DROPS]; /* what control itself had to drop */
};

/* All ports by index, for workers: ports[0] is NULL [ctl w, worker r; acquire]. */
extern struct port *port_table[PKT_PORT_MAX + 1];

EVS_INLINE struct port *port_get(uint16_t index)
{
	return evs_load_acquire(&port_table[index]);
}

/* [ctl] Once, after EAL. max_workers: as many as there will ever be at a time; a device with so
 * many transmit queues needs no locks. */
int port_init(unsigned max_workers, struct evs_error *err);
void port_fini(void); /* all ports are destroyed */
extern unsigned port_max_workers;

/* [ctl] Creates a port of the type and gives it an index; it receives nothing before
 * pmd_port_attach. Every key of args must be an option of the type or a common one.
 * -EEXIST, -EINVAL, -ENODEV, -ENOMEM, …, with err. */
int port_create(const char *type, const char *name, const struct port_args *args,
                struct port **portp, struct evs_error *err);
/* [ctl] After pmd_port_detach reported that no worker uses it. */
void port_destroy(struct port *port);
/* [ctl] Changes options under traffic, wholly or not at all. */
int port_set(struct port *port, const struct port_args *args, struct evs_error *err);
/* [ctl] Sets the flags of mask in config; PORT_CONFIG_DOWN also takes the link down. */
int port_set_config(struct port *port, uint32_t config, uint32_t mask, struct evs_error *err);
struct port *port_lookup(const char *name); /* [ctl] NULL: no port with a datapath so named */

/* [ctl] Makes counters[worker], before that worker gets the port. */
int port_counters_prepare(struct port *port, unsigned worker, struct evs_error *err);
/* [ctl] Counts a packet that came in here and that no worker could be given back to drop. */
void port_counters_drop(struct port *port, enum pkt_drop reason);
/* [ctl] Sum over workers and queues since the last clear. */
void port_counters_sum(const struct port *port, struct port_counters *sum);
void port_counters_clear(struct port *port);
/* [ctl] What ports had counted that were destroyed since, so that the sums stay whole. */
void port_counters_deleted(struct port_counters *sum);

/* [ctl] Reads link states; calls changed for each port whose state differs. To be called when
 * port_link_fd is readable: link events of kernel and drivers arrive there at once, and a timer
 * of some milliseconds runs behind it for devices that can not tell. */
void port_poll_links(void (*changed)(struct port *port, void *arg), void *arg);
int port_link_fd(void);
/* [ctl] Asks the device for its link now. Returns true if that changed. */
bool port_link_read(struct port *port);
void port_link_wake(void); /* [any thread] makes port_link_fd readable: look at link_check */

void port_wake(void);            /* [any thread] what workers armed may be void now */
int port_wake_fd(void);          /* it has an edge each time */
extern uint32_t port_wake_epoch; /* [any w, worker r; acquire] */

/* [ctl] Set by evsd (pmd_port_queues_changed): n_rxq or numa_node changed while the port is
 * attached. */
extern int (*port_queues_changed)(struct port *port, struct evs_error *err);

/* Mempools: one per NUMA node and buffer size, shared by the ports that need it. A frame of the
 * given MTU fits one buffer. Its size follows the memory there is: -ENOMEM with the bytes needed.
 */
struct rte_mempool *port_pool_get(uint16_t mtu, int numa_node, struct evs_error *err);
void port_pool_put(struct rte_mempool *pool);

struct port_pool_usage {
	uint64_t total;
	uint64_t in_use; /* on their way, or waiting in ports to be filled */
	uint64_t lost;   /* that drivers of deleted ports never gave back */
};
/* Of all pools; approximate while workers take and give. Threads: control. */
void port_pools_usage(struct port_pool_usage *usage);

#endif
