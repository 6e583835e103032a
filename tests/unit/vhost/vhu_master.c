/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest of our own; see vhu_master.h. Messages: "Vhost-user Protocol" of QEMU's documentation.
 */
#include "vhu_master.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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
#define PACKED      (1ull << 34)
#define WRAP        0x8000u
#define AVAIL       (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED        (1u << VRING_PACKED_DESC_F_USED)

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

struct vring_packed_desc *master_packed(struct master *m, unsigned ring)
{
	return (void *)(m->mem + ring * RING_BYTES + 0x1000);
}

struct vring_packed_desc_event *master_event(struct master *m, unsigned ring)
{
	return (void *)(m->mem + ring * RING_BYTES + 0x2000);
}

static void *indirect_table(struct master *m, unsigned ring)
{
	return m->mem + ring * RING_BYTES + 0x3000;
}

uint8_t *master_buf(struct master *m, unsigned ring, unsigned i)
{
	return m->mem + offset_of(ring, i);
}

uint64_t master_buf_gpa(unsigned ring, unsigned i)
{
	return MASTER_GPA + offset_of(ring, i);
}

static int init(struct master *m, int fd)
{
	const struct timeval patience = {.tv_sec = 60}; /* of a busy machine */

	memset(m, 0, sizeof(*m));
	m->fd = fd;
	m->mem_fd = memfd_create("guest", MFD_CLOEXEC);
	m->event_fd = eventfd(0, EFD_CLOEXEC);
	setsockopt(m->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (ftruncate(m->mem_fd, MASTER_MEMORY))
		return -errno;
	m->mem = mmap(NULL, MASTER_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, m->mem_fd, 0);
	return m->mem == MAP_FAILED ? -errno : 0;
}

int master_accept(struct master *m, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	return fd < 0 ? -errno : init(m, fd);
}

int master_connect(struct master *m, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int ret = init(m, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	if (ret)
		return ret;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
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
	       (msg->size == 0 ||
	        recv(m->fd, msg->bytes, msg->size, MSG_WAITALL) == (ssize_t)msg->size);
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

bool master_set_addr(struct master *m, unsigned ring)
{
	struct master_msg msg = {.request = MASTER_SET_VRING_ADDR, .flags = 1, .size = 40};

	msg.addr.index = ring;
	msg.addr.desc = (uintptr_t)master_desc(m, ring);
	msg.addr.avail = (uintptr_t)master_avail(m, ring);
	msg.addr.used = (uintptr_t)master_used(m, ring);
	if (m->packed) {
		msg.addr.desc = (uintptr_t)master_packed(m, ring);
		msg.addr.avail = (uintptr_t)master_event(m, ring);
		msg.addr.used = (uintptr_t)(master_event(m, ring) + 1);
	}
	return master_send(m, &msg, -1);
}

bool master_set_vring(struct master *m, unsigned ring)
{
	return send_state(m, MASTER_SET_VRING_NUM, ring, MASTER_RING_LEN) &&
	       send_state(m, MASTER_SET_VRING_BASE, ring, m->packed ? WRAP : 0) &&
	       master_set_addr(m, ring) && send_u64(m, MASTER_SET_VRING_CALL, ring, m->event_fd) &&
	       send_u64(m, MASTER_SET_VRING_KICK, ring, m->event_fd);
}

bool master_set_memory(struct master *m, uint64_t size)
{
	struct master_msg msg = {.request = MASTER_SET_MEM_TABLE, .flags = 1, .size = 8 + 32};

	msg.mem.n = 1;
	msg.mem.region[0].gpa = MASTER_GPA;
	msg.mem.region[0].size = size;
	msg.mem.region[0].uva = (uintptr_t)m->mem;
	return master_send(m, &msg, m->mem_fd);
}

static bool wants_packed(void)
{
	const char *rings = getenv("VHU_RINGS");

	return rings && !strcmp(rings, "packed");
}

bool master_start(struct master *m, uint64_t features, unsigned n_rings)
{
	struct master_msg msg = {.request = MASTER_GET_FEATURES, .flags = 1};

	if (!master_send(m, &msg, -1) || !master_receive(m, &msg))
		return false;
	features |= 1ull << 30 | (wants_packed() ? PACKED : 0);
	m->features = msg.u64 & features;
	m->packed = m->features & PACKED;
	memset(m->mem, 0, BUFS_OFFSET);
	memset(m->next, 0, sizeof(m->next));
	memset(m->used, 0, sizeof(m->used));
	for (unsigned ring = 0; ring < MASTER_RINGS; ring++)
		m->place[ring] = m->back[ring] = WRAP;
	if (!send_u64(m, MASTER_SET_FEATURES, m->features, -1) ||
	    !send_u64(m, MASTER_SET_OWNER, 0, -1) || !master_set_memory(m, MASTER_MEMORY))
		return false;
	for (unsigned ring = 0; ring < n_rings; ring++)
		if (!master_set_vring(m, ring) || !master_enable(m, ring, true))
			return false;
	return true;
}

static uint16_t step(uint16_t place, unsigned n)
{
	unsigned index = (place & ~WRAP) + n;

	return (uint16_t)(index < MASTER_RING_LEN ? (place & WRAP) | index
	                                          : (~place & WRAP) | (index - MASTER_RING_LEN));
}

/* The first one's flags come last. */
static void offer_packed(struct master *m, unsigned ring, uint16_t head)
{
	const struct vring_desc *table = master_desc(m, ring);
	struct vring_packed_desc *first = &master_packed(m, ring)[m->place[ring] & ~WRAP];
	uint16_t i = head % MASTER_RING_LEN, first_flags = 0, n = 0;
	struct vring_desc desc;

	do {
		uint16_t place = step(m->place[ring], n);
		struct vring_packed_desc *to = &master_packed(m, ring)[place & ~WRAP];

		desc = table[i];
		desc.flags = (uint16_t)(desc.flags & ~(AVAIL | USED));
		desc.flags = (uint16_t)(desc.flags | (place & WRAP ? AVAIL : USED));
		to->addr = desc.addr;
		to->len = desc.len;
		to->id = head;
		if (n++ == 0)
			first_flags = desc.flags;
		else
			to->flags = desc.flags;
		i = desc.next;
	} while (desc.flags & VRING_DESC_F_NEXT && i < MASTER_RING_LEN && n < MASTER_RING_LEN);
	__atomic_store_n(&first->flags, first_flags, __ATOMIC_RELEASE);
	m->span[ring][head % MASTER_RING_LEN] = n;
	m->place[ring] = step(m->place[ring], n);
}

void master_offer(struct master *m, unsigned ring, uint16_t head)
{
	struct vring_avail *avail = master_avail(m, ring);

	if (m->packed) {
		offer_packed(m, ring, head);
		m->next[ring]++;
		return;
	}
	avail->ring[m->next[ring] % MASTER_RING_LEN] = head;
	__atomic_store_n(&avail->idx, ++m->next[ring], __ATOMIC_RELEASE);
}

void master_offer_indirect(struct master *m, unsigned ring, uint16_t head, unsigned before)
{
	struct vring_packed_desc *packed = indirect_table(m, ring);
	struct vring_desc *split = indirect_table(m, ring), *desc = &master_desc(m, ring)[head];
	struct vring_desc *table, first;
	uint32_t n = 0;
	bool more;

	while (before--)
		desc = &master_desc(m, ring)[desc->next];
	table = desc;
	first = *desc;
	do {
		more = desc->flags & VRING_DESC_F_NEXT;
		if (m->packed)
			packed[n] = (struct vring_packed_desc){
			        desc->addr, desc->len, 0xffff,
			        (uint16_t)(desc->flags & VRING_DESC_F_WRITE)};
		else
			split[n] = (struct vring_desc){desc->addr, desc->len, desc->flags,
			                               (uint16_t)(n + 1)};
		n++;
		desc = &master_desc(m, ring)[desc->next];
	} while (more);
	*table = (struct vring_desc){MASTER_GPA + (uint64_t)((uint8_t *)split - m->mem), n * 16,
	                             VRING_DESC_F_INDIRECT, 0};
	master_offer(m, ring, head);
	*table = m->packed ? first : *table;
}

void master_be_quiet(struct master *m, unsigned ring, bool quiet)
{
	if (m->packed)
		master_event(m, ring)->flags = quiet ? 1 : 0;
	else
		master_avail(m, ring)->flags = quiet ? VRING_AVAIL_F_NO_INTERRUPT : 0;
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

static bool take_back_packed(struct master *m, unsigned ring, uint32_t *id, uint32_t *len)
{
	const uint16_t place = m->back[ring], marks = place & WRAP ? AVAIL | USED : 0;
	const struct vring_packed_desc *desc = &master_packed(m, ring)[place & ~WRAP];
	const uint16_t flags = __atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE);

	if ((flags & (AVAIL | USED)) != marks || place == m->place[ring])
		return false;
	*id = desc->id;
	*len = flags & VRING_DESC_F_WRITE ? desc->len : 0;
	m->used[ring]++;
	m->back[ring] = step(place, m->span[ring][*id % MASTER_RING_LEN]);
	return true;
}

bool master_take_back(struct master *m, unsigned ring, uint32_t *id, uint32_t *len)
{
	const struct vring_used *used = master_used(m, ring);
	const struct vring_used_elem *elem = &used->ring[m->used[ring] % MASTER_RING_LEN];

	if (m->packed)
		return take_back_packed(m, ring, id, len);
	if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) == m->used[ring])
		return false;
	*id = elem->id;
	*len = elem->len;
	m->used[ring]++;
	return true;
}

unsigned master_reap(struct master *m, unsigned ring, uint32_t *id, uint32_t *len)
{
	unsigned n = 0;

	while (master_take_back(m, ring, id, len))
		n++;
	return n;
}
