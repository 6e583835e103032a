/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a vhost-user port. Threads: as the comments of the fields say; "vhost" is any
 * thread of DPDK's vhost library.
 */
#ifndef VHU_PVT_H
#define VHU_PVT_H

#include <pthread.h>
#include <sys/types.h>

#include "vhost/vhu.h"
#include "vhost/vhu_ring_pvt.h"

#define VHU_PATH_LEN  108
#define VHU_NO_DEVICE (-1)
#define VHU_N_RINGS   (2 * VHU_MAX_PAIRS)
#define VHU_STEER_LEN 128        /* of the table from hash to ring */
#define VHU_STEERED   UINT16_MAX /* instead of a worker's ring: vhu_steer says which */
/* Features whose rings the library serves. */
#define VHU_NOT_OURS (1ull << VIRTIO_F_ACCESS_PLATFORM)

/* What a connected guest is like [vhost w, ctl r, under vhu.lock]. */
struct vhu_facts {
	uint64_t features;
	uint64_t memory_bytes;
	unsigned n_regions;
	int numa_node;
	uint16_t n_rings;
	uint16_t ring_size[2 * VHU_MAX_PAIRS];
	uint16_t mtu; /* 0: the guest was told none */
};

/* A connection of the socket [vhost, under vhu.lock]. As a rule there is one; a guest that was
 * killed and started anew can be here before the library has seen the old one's end. */
#define VHU_MAX_CONNS 4
struct vhu_conn {
	int vid; /* VHU_NO_DEVICE: free */
	int fd;  /* a copy of the library's, valid until vhu_conn_end */
	bool is_ready;
	bool is_leaving;  /* ready no more, but workers may still be at its rings */
	bool has_memory;  /* else the library must not be asked for its table */
	bool is_cut;      /* [any thread w] it took memory away; see vhu_guard.c */
	bool has_pages;   /* told of its IOMMU */
	bool advised;     /* of postcopy */
	bool wants_reply; /* to the message handled now */
	bool is_calling;  /* the message handled now changes no more than who is called */
	uint64_t rings;
	uint64_t started; /* bitmap of those with a kick descriptor */
	uint64_t resumed; /* likewise of packed ones whose place is known */
	struct vhu_facts facts;
	struct vhu *vhu;
	struct vhu_channel *channel;         /* NULL: none; see vhu_channel.c */
	bool is_ours;                        /* [vhost w, worker r] its rings are served here */
	int kick_fd[2 * VHU_MAX_PAIRS];      /* copies; -1: none [vhost, ctl under vhu.lock] */
	uint64_t n_kicks[2 * VHU_MAX_PAIRS]; /* [ctl] */
	struct vhu_mem mem;
	struct vhu_ring ring[VHU_N_RINGS]; /* even: to the guest */
};

/* Of one worker's transmit queue. */
struct vhu_txq {
	uint64_t n_pkts; /* [worker w, ctl r] */
	uint16_t
	        n_maps; /* [vhost, ctl w under vhu.lock, worker r] changes of the map, ring's too */
	uint16_t ring;  /* likewise; or VHU_STEERED */
} EVS_CACHE_ALIGNED;

/* Of a socket's file. */
struct vhu_socket_id {
	uint64_t dev, ino;
	int64_t made_s, made_ns;
};

struct vhu {
	/* read by workers per burst */
	int vid;                  /* [vhost w, worker r; acquire] VHU_NO_DEVICE: none */
	struct vhu_conn *served;  /* [vhost w, worker r] valid while vid is */
	struct rte_mempool *pool; /* [ctl w, worker r] */
	uint32_t must_announce;   /* [vhost w, workers rw] that the guest is here: vhu_announce.c */
	uint64_t mac;             /* [ctl w, worker r] its address in 6 bytes; 0: unknown */
	uint64_t mac_told;        /* [vhost w, worker r] by QEMU, to be announced once */
	/* mailbox */
	uint64_t rings EVS_CACHE_ALIGNED; /* [vhost w, ctl r] bitmap of enabled ones of vid */
	uint64_t n_connects;              /* [vhost w, ctl r] */
	uint64_t n_refused;               /* [vhost w, ctl r] messages */
	uint64_t n_lost;                  /* [vhost w, ctl r] frames kept for a ring in vain */
	uint64_t n_cuts;                  /* [vhost w, ctl r] guests that took memory away */
	pthread_mutex_t lock;
	struct vhu_conn conn[VHU_MAX_CONNS];
	/* control only */
	struct port *port;
	struct vhu *next; /* list under vhu_list_lock */
	uint64_t driver_features;
	uint64_t last_look_ns;
	uint64_t last_check_ns;
	struct vhu_socket_id socket_id; /* of ours, in mode server */
	bool is_client, is_closing, is_waiting, iommu, postcopy;
	bool is_open;    /* [ctl w, vhost r] the library has the socket, and keeps it */
	bool steers;     /* by hash [ctl w under lock, vhost r under lock] */
	bool is_refused; /* [vhost w, ctl rw] a connection was, since the socket was opened */
	bool is_lost;    /* another one is in its place, or there can be none */
	uid_t uid;       /* of a socket of ours; -1: as it comes */
	gid_t gid;       /* likewise */
	mode_t mode;     /* 0: as it comes */
	char path[VHU_PATH_LEN];
	uint16_t steer[VHU_STEER_LEN]; /* [vhost, ctl w under lock, worker r] rings */
	struct vhu_txq txq[EVS_MAX_WORKERS];
};

/* vhu_data.c */
uint16_t vhu_rx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);
int vhu_arm(struct port *port, uint16_t queue);
void vhu_disarm(struct port *port, uint16_t queue);
uint16_t vhu_tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);
void vhu_refused(struct port *port, uint16_t queue, struct rte_mbuf *const *mbufs, uint16_t n);

/* vhu_steer.c */
uint16_t vhu_steer(const struct vhu *vhu, const struct rte_mbuf *m); /* [worker] the frame's ring */
void vhu_steer_map(struct vhu *vhu); /* [vhost, ctl] under vhu->lock; what rings says */
int vhu_steer_parse(struct vhu *vhu, const struct port_args *args, struct evs_error *err);

/* vhu_announce.c */
int vhu_announce_set(struct vhu *vhu, const struct rte_ether_addr *mac,
                     struct evs_error *err); /* [ctl] */
void vhu_announce_start(struct vhu *vhu);    /* [vhost] a guest is served */
void vhu_announce_told(struct vhu *vhu, const struct rte_ether_addr *mac); /* [vhost] by it */
uint16_t vhu_announce(struct vhu *vhu, struct rte_mbuf **mbuf); /* [worker] 1 or 0 packets */

/* vhu_status.c */
void vhu_get_status(struct port *port, void (*add)(void *arg, const char *key, const char *value),
                    void *arg);
void vhu_get_xstats(struct port *port, void (*add)(void *arg, const char *key, uint64_t value),
                    void *arg);

/* vhu_event.c */
void vhu_call_for(struct vhu_conn *conn, uint16_t ring); /* [worker] who is called now */
void vhu_conn_end(struct vhu_conn *conn); /* [vhost, ctl] the library has it no more */
/* [vhost] A copy is made; -1: none. False: no descriptor is left. */
bool vhu_kick_set(struct vhu_conn *conn, uint32_t ring, int fd);
struct rte_vhost_device_ops;
extern const struct rte_vhost_device_ops vhu_ops;
int vhu_list_add(struct vhu *vhu); /* -EEXIST: the path is in use by another port */
void vhu_list_del(struct vhu *vhu);
/* The facts of the guest that is served, all zero if none; returns whether anyone is connected. */
struct vhu_conn *vhu_conn_lookup(int vid); /* [vhost] */
/* [vhost] The library has a new table; false: the guest must not be served. */
bool vhu_memory_changed(struct vhu_conn *conn);
bool vhu_get_facts(struct vhu *vhu, struct vhu_facts *facts);
/* The capabilities of a port whose guest has negotiated these features. */
uint32_t vhu_caps(uint64_t features);

/* vhu_hurry.c: [ctl] */
void vhu_hurry_listen(void);                      /* on a new socket */
void vhu_hurry_hush(bool hushed);                 /* [vhost] the calling thread must not be woken */
void vhu_hurry_wait(struct vhu *vhu, bool waits); /* for a guest to make its socket */
void vhu_hurry(uint64_t now_ns);                  /* while a port waits, often */

/* vhu_open.c: [ctl] the options, then the socket; what the library logs of it */
int vhu_open_parse(struct vhu *vhu, const struct port_args *args, struct evs_error *err);
int vhu_open(struct vhu *vhu, const struct port_args *args, struct evs_error *err);
void vhu_open_again(struct vhu *vhu, uint64_t now_ns); /* while nobody is connected, often */
void vhu_close(struct vhu *vhu); /* and whoever is connected is so no longer */
void vhu_open_log(uint32_t level);

/* vhu_resume.c: [vhost] before the rings are served */
void vhu_resume(const struct vhu_conn *conn);
/* Where to go on in a packed ring that lies where it may, if the guest says `told`. */
uint16_t vhu_resume_from(unsigned ring, uint64_t features, const struct rte_vhost_vring *vring,
                         uint16_t told);
struct vring_packed_desc;
/* The device's place in a packed ring: index, and wrap counter in the highest bit. */
uint16_t vhu_resume_place(struct vring_packed_desc *ring, uint16_t size);

/* vhu_vet.c: [vhost] from now on each message of the connection is vetted */
void vhu_vet(struct vhu_conn *conn);

/* vhu_channel.c: [vhost] */
bool vhu_channel_takes(int fd); /* may it be a guest's end? */
/* The descriptor for the library, instead of this one, of which a copy is made; -1: see errno. */
int vhu_channel_open(struct vhu_conn *conn, int fd);
void vhu_channel_close(struct vhu_conn *conn); /* the library has closed its end, or will */

/* vhu_rings.c: [vhost] before a message that changes them, after it, and as the library says */
enum vhu_rest { VHU_REST_A_MOMENT, VHU_REST_FOR_GOOD }; /* frames are kept meanwhile */
void vhu_rings_pause(struct vhu_conn *conn, enum vhu_rest rest);
void vhu_ring_pause(struct vhu_conn *conn, unsigned i, enum vhu_rest rest);
/* By what the guest is called from now on: a copy is made. -1: by nothing. False: no descriptor is
 * left. */
bool vhu_rings_call(struct vhu_conn *conn, unsigned i, int fd);
void vhu_rings_place(struct vhu_conn *conn);
void vhu_rings_forget(struct vhu_conn *conn); /* frames that are kept for what does not come back */
void vhu_rings_enable(struct vhu_conn *conn, uint16_t index, bool enable);

/* vhu_socket.c: [vhost] gives the socket that is connected now its time-outs, and the caller a
 * copy. -EXDEV: which one it is can not be told; else none can be listed or copied */
int vhu_socket_find(const struct vhu *vhu);
void vhu_socket_be_patient(const struct vhu_conn *conn); /* from now on, with half messages */

/* vhu_guard.c: what is guarded is the owner's until vhu_guard_del, which comes before it is
 * unmapped */
void vhu_guard_init(void);
/* From now on the calling thread may touch memory of guests that is in no range yet. */
void vhu_guard_thread(void);
/* False: the table is full, so the memory must not be touched. */
bool vhu_guard_add(struct vhu_conn *owner, void *start, size_t size);
void vhu_guard_del(const struct vhu_conn *owner);
uint64_t vhu_guard_faults(void); /* how often memory was put in the place of what was lost */

/* vhu_features.c */
/* Takes "packed,-tso": what the user adds to or takes from the features offered. */
int vhu_features_parse(const char *text, uint64_t *features, struct evs_error *err);
/* "mrg-rxbuf,packed,…"; what has no name comes as a number. */
void vhu_features_format(uint64_t features, char *text, size_t size);

#endif
