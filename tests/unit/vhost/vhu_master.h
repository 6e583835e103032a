/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest of our own: the other side of a vhost-user socket, with rings in a memfd, which does as
 * it should, or whatever a test makes it do. If the environment has VHU_RINGS=packed, its rings are
 * packed ones where that is offered. Tests describe chains alike for both: in a table of
 * descriptors as that of a split ring, whose chains are written into a packed ring when offered.
 * Threads: the test's. Owner: struct master is the caller's.
 */
#ifndef VHU_MASTER_H
#define VHU_MASTER_H

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MASTER_RING_LEN 256
#ifndef MASTER_RINGS
#define MASTER_RINGS 4 /* two queue pairs */
#endif
#define MASTER_BUF_SIZE 2048
#define MASTER_MEMORY   ((2u << 20) + MASTER_RINGS * MASTER_RING_LEN * MASTER_BUF_SIZE)
#define MASTER_GPA      0x100000000ull /* where the guest believes its memory to be */

enum master_request {
	MASTER_GET_FEATURES = 1,
	MASTER_SET_FEATURES,
	MASTER_SET_OWNER,
	MASTER_RESET_OWNER,
	MASTER_SET_MEM_TABLE,
	MASTER_SET_LOG_BASE,
	MASTER_SET_LOG_FD,
	MASTER_SET_VRING_NUM,
	MASTER_SET_VRING_ADDR,
	MASTER_SET_VRING_BASE,
	MASTER_GET_VRING_BASE,
	MASTER_SET_VRING_KICK,
	MASTER_SET_VRING_CALL,
	MASTER_SET_VRING_ERR,
	MASTER_GET_PROTOCOL_FEATURES,
	MASTER_SET_PROTOCOL_FEATURES,
	MASTER_GET_QUEUE_NUM,
	MASTER_SET_VRING_ENABLE,
	MASTER_SEND_RARP,
	MASTER_SET_CHANNEL = 21,
	MASTER_IOTLB_MSG,
	MASTER_POSTCOPY_ADVISE = 28,
	MASTER_POSTCOPY_LISTEN,
	MASTER_N_REQUESTS = 42,
};

struct master_msg {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t n, zero;
			struct {
				uint64_t gpa, size, uva, offset;
			} region[8];
		} mem;
		struct {
			uint64_t iova, size, uva;
			uint8_t perm, type;
			uint8_t padding[6];
		} iotlb;
		uint8_t bytes[512];
	};
} __attribute__((packed));

struct master {
	int fd;     /* the connection */
	int mem_fd; /* the guest's memory */
	int event_fd;
	uint8_t *mem;
	uint64_t features;
	bool packed;
	uint16_t next[MASTER_RINGS]; /* free-running avail index */
	uint16_t used[MASTER_RINGS]; /* and of what was taken back */
	/* Of packed rings: places, with the wrap counter in the highest bit, and by id how many
	 * slots a buffer takes. */
	uint16_t place[MASTER_RINGS], back[MASTER_RINGS];
	uint16_t span[MASTER_RINGS][MASTER_RING_LEN];
};

/* Connects to a listening evs. */
int master_connect(struct master *m, const char *path);
/* Waits for an evs that connects. */
int master_accept(struct master *m, int listener);
void master_close(struct master *m);
/* With a descriptor or -1; false: the other side closed. */
bool master_send(struct master *m, const struct master_msg *msg, int fd);
bool master_receive(struct master *m, struct master_msg *msg);
/* Shakes hands with these features and starts n rings. */
bool master_start(struct master *m, uint64_t features, unsigned n_rings);
bool master_set_memory(struct master *m, uint64_t size); /* at most all of it */
bool master_set_addr(struct master *m, unsigned ring);
bool master_set_vring(struct master *m, unsigned ring);
bool master_enable(struct master *m, unsigned ring, bool enable);
bool master_stop_vring(struct master *m, unsigned ring);

struct vring_desc *master_desc(struct master *m, unsigned ring);
struct vring_avail *master_avail(struct master *m, unsigned ring);
struct vring_used *master_used(struct master *m, unsigned ring);
uint8_t *master_buf(struct master *m, unsigned ring, unsigned i);
uint64_t master_buf_gpa(unsigned ring, unsigned i);
struct vring_packed_desc *master_packed(struct master *m, unsigned ring);
struct vring_packed_desc_event *master_event(struct master *m, unsigned ring); /* of the driver */
/* Offers descriptor chain `head`. */
void master_offer(struct master *m, unsigned ring, uint16_t head);
/* The same chain as an indirect table, in a split ring behind the first `before` descriptors; one
 * such at a time. */
void master_offer_indirect(struct master *m, unsigned ring, uint16_t head, unsigned before);
/* Wants no interrupts, or wants them. */
void master_be_quiet(struct master *m, unsigned ring, bool quiet);
/* The next buffer that came back. */
bool master_take_back(struct master *m, unsigned ring, uint32_t *id, uint32_t *len);
/* Fills the ring that we receive from. */
void master_refill(struct master *m, unsigned ring);
/* Sends a frame with a header of `hdr_size` bytes on ring 1, 3, …. */
void master_transmit(struct master *m, unsigned ring, const struct virtio_net_hdr *hdr,
                     const void *frame, uint32_t size);
/* How many buffers came back since; the last one's number and length. */
unsigned master_reap(struct master *m, unsigned ring, uint32_t *id, uint32_t *len);

#endif
