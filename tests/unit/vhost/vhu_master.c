/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest of our own; see vhu_master.h. Messages: "Vhost-user Protocol" of QEMU's documentation.
 */
#include "vhu_master.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define RING_BYTES  0x4000u
#define BUFS_OFFSET 0x100000u
#define HDR_SIZE    sizeof(struct virtio_net_hdr_mrg_rxbuf)

static uint64_t offset_of(unsigned ring, unsigned i)
{
	return BUFS_OFFSET + (uint64_t)ring * MASTER_RING_LEN * MASTER_BUF_SIZE +
	       (uint64_t)i * MASTER_BUF_SIZE;
}

struct vring_desc *master_desc(struct master *m, unsigned ring)
{
	return (void *)(m->mem + ring * RING_BYTES);
}

struct vring_avail *master_avail(struct master *m, unsigned ring)
{
	return (void *)(m->mem + ring * RING_BYTES + 0x1000);
}

struct vring_used *master_used(struct master *m, unsigned ring)
{
	return (void *)(m->mem + ring * RING_BYTES + 0x2000);
}

uint8_t *master_buf(struct master *m, unsigned ring, unsigned i)
{
	return m->mem + offset_of(ring, i);
}

uint64_t master_buf_gpa(unsigned ring, unsigned i)
{
	return MASTER_GPA + offset_of(ring, i);
}

int master_connect(struct master *m, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = 60}; /* of a busy machine */

	memset(m, 0, sizeof(*m));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	m->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	m->mem_fd = memfd_create("guest", MFD_CLOEXEC);
	m->event_fd = eventfd(0, EFD_CLOEXEC);
	setsockopt(m->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (ftruncate(m->mem_fd, MASTER_MEMORY))
		return -errno;
	m->mem = mmap(NULL, MASTER_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, m->mem_fd, 0);
	return connect(m->fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

void master_close(struct master *m)
{
	close(m->fd);
	close(m->mem_fd);
	close(m->event_fd);
	munmap(m->mem, MASTER_MEMORY);
}

bool master_send(struct master *m, const struct master_msg *msg, int fd)
{
	struct iovec iov = {(void *)(uintptr_t)msg, 12 + (msg->size < 512 ? msg->size : 512)};
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		hdr.msg_control = &control;
		hdr.msg_controllen = sizeof(control);
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(fd));
	}
	return sendmsg(m->fd, &hdr, MSG_NOSIGNAL) == (ssize_t)iov.iov_len;
}

bool master_receive(struct master *m, struct master_msg *msg)
{
	memset(msg, 0, sizeof(*msg));
	return recv(m->fd, msg, 12, MSG_WAITALL) == 12 && msg->size <= sizeof(msg->bytes) &&
	       recv(m->fd, msg->bytes, msg->size, MSG_WAITALL) == (ssize_t)msg->size;
}

static bool send_u64(struct master *m, uint32_t request, uint64_t value, int fd)
{
	const struct master_msg msg = {.request = request, .flags = 1, .size = 8, .u64 = value};

	return master_send(m, &msg, fd);
}

static bool send_state(struct master *m, uint32_t request, unsigned ring, unsigned num)
{
	const struct master_msg msg = {
	        .request = request, .flags = 1, .size = 8, .state = {ring, num}};

	return master_send(m, &msg, -1);
}

bool master_enable(struct master *m, unsigned ring, bool enable)
{
	return send_state(m, MASTER_SET_VRING_ENABLE, ring, enable);
}

bool master_stop_vring(struct master *m, unsigned ring)
{
	struct master_msg msg;

	return send_state(m, MASTER_GET_VRING_BASE, ring, 0) && master_receive(m, &msg);
}

bool master_set_vring(struct master *m, unsigned ring)
{
	struct master_msg msg = {.request = MASTER_SET_VRING_ADDR, .flags = 1, .size = 40};

	msg.addr.index = ring;
	msg.addr.desc = (uintptr_t)master_desc(m, ring);
	msg.addr.avail = (uintptr_t)master_avail(m, ring);
	msg.addr.used = (uintptr_t)master_used(m, ring);
	return send_state(m, MASTER_SET_VRING_NUM, ring, MASTER_RING_LEN) &&
	       send_state(m, MASTER_SET_VRING_BASE, ring, 0) && master_send(m, &msg, -1) &&
	       send_u64(m, MASTER_SET_VRING_CALL, ring, m->event_fd) &&
	       send_u64(m, MASTER_SET_VRING_KICK, ring, m->event_fd);
}

static bool set_memory(struct master *m)
{
	struct master_msg msg = {.request = MASTER_SET_MEM_TABLE, .flags = 1, .size = 8 + 32};

	msg.mem.n = 1;
	msg.mem.region[0].gpa = MASTER_GPA;
	msg.mem.region[0].size = MASTER_MEMORY;
	msg.mem.region[0].uva = (uintptr_t)m->mem;
	return master_send(m, &msg, m->mem_fd);
}

bool master_start(struct master *m, uint64_t features, unsigned n_rings)
{
	struct master_msg msg = {.request = MASTER_GET_FEATURES, .flags = 1};

	if (!master_send(m, &msg, -1) || !master_receive(m, &msg))
		return false;
	m->features = msg.u64 & (features | 1ull << 30);
	memset(m->mem, 0, BUFS_OFFSET);
	memset(m->next, 0, sizeof(m->next));
	memset(m->used, 0, sizeof(m->used));
	if (!send_u64(m, MASTER_SET_FEATURES, m->features, -1) ||
	    !send_u64(m, MASTER_SET_OWNER, 0, -1) || !set_memory(m))
		return false;
	for (unsigned ring = 0; ring < n_rings; ring++)
		if (!master_set_vring(m, ring) || !master_enable(m, ring, true))
			return false;
	return true;
}

void master_offer(struct master *m, unsigned ring, uint16_t head)
{
	struct vring_avail *avail = master_avail(m, ring);

	avail->ring[m->next[ring] % MASTER_RING_LEN] = head;
	__atomic_store_n(&avail->idx, ++m->next[ring], __ATOMIC_RELEASE);
}

void master_refill(struct master *m, unsigned ring)
{
	for (uint16_t i = 0; i < MASTER_RING_LEN; i++) {
		master_desc(m, ring)[i] = (struct vring_desc){
		        master_buf_gpa(ring, i), MASTER_BUF_SIZE, VRING_DESC_F_WRITE, 0};
		master_offer(m, ring, i);
	}
}

void master_transmit(struct master *m, unsigned ring, const struct virtio_net_hdr *hdr,
                     const void *frame, uint32_t size)
{
	uint16_t i = m->next[ring] % MASTER_RING_LEN;
	uint8_t *buf = master_buf(m, ring, i);

	memset(buf, 0, HDR_SIZE);
	if (hdr)
		memcpy(buf, hdr, sizeof(*hdr));
	memcpy(buf + HDR_SIZE, frame, size);
	master_desc(m, ring)[i] =
	        (struct vring_desc){master_buf_gpa(ring, i), (uint32_t)HDR_SIZE + size, 0, 0};
	master_offer(m, ring, i);
}

unsigned master_reap(struct master *m, unsigned ring, uint32_t *id, uint32_t *len)
{
	const struct vring_used *used = master_used(m, ring);
	uint16_t idx = __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
	unsigned n = (uint16_t)(idx - m->used[ring]);

	if (n > 0) {
		*id = used->ring[(uint16_t)(idx - 1) % MASTER_RING_LEN].id;
		*len = used->ring[(uint16_t)(idx - 1) % MASTER_RING_LEN].len;
	}
	m->used[ring] = idx;
	return n;
}
