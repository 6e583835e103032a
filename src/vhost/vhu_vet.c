/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest may say. Each message is looked at before DPDK's vhost library (22.11) acts on it,
 * since that believes some things which would end evsd, or take its memory:
 *
 *   ring sizes and indices that change after the ring's addresses were checked for the old ones;
 *   a memory table that cannot be mapped (the rings still point into the old one);
 *   in-flight buffers (of no use to a network device) of any size, and written to behind their end;
 *   a log that does not begin at offset 0, or is cut while it is written to;
 *   a socket to ask on that nobody reads, while workers wait (vhu_channel.c);
 *   numbers of rings up to 256, of 32,768 entries each; a userfaultfd for each time it is asked.
 *
 * And it waits for ever in the thread that serves all guests, for the second half of a message
 * and for a reader of its replies: so the socket gets time-outs. A refusal ends the connection.
 * Threads: vhost. Owner: what a connection has said so far is in struct vhu_conn.
 */
#include <fcntl.h>
#include <linux/sockios.h>
#include <rte_vhost.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/evs_log.h"
#include "vhost/vhu_msg_pvt.h"
#include "vhost/vhu_pvt.h"

#define LOG_ALL      (1ull << 26)
#define PACKED       (1ull << 34)
#define UNREAD_MAX   65536 /* bytes of replies that wait for the guest to read them */
#define RING_LEN_MAX 4096

static const char no_fds[] = "no file descriptor is left: raise LimitNOFILE (or ulimit -n)";
static const char no_task[] = "no thread or memory is left: raise TasksMax or MemoryMax";

/* What is said of a message, and which rings may not be used while it is handled. */
struct rule {
	const char *(*check)(struct vhu_conn *conn, struct vhu_msg *msg); /* NULL: it is good */
	enum { NO_RING, ITS_RING, ITS_RING_STOPS, ALL_RINGS, ALL_RINGS_STOP } rests;
};

/* Have the ring's addresses been translated, for its present size and the present features? */
static bool is_placed(const struct vhu_conn *conn, uint32_t ring)
{
	struct rte_vhost_vring vring = {0};

	return conn->started >> ring & 1 ||
	       (!rte_vhost_get_vhost_vring(conn->vid, (uint16_t)ring, &vring) && vring.desc);
}

static const char *check_features(struct vhu_conn *conn, struct vhu_msg *msg)
{
	uint64_t now = 0;

	rte_vhost_get_negotiated_features(conn->vid, &now);
	if (!((now ^ msg->u64) & ~LOG_ALL))
		return NULL;
	for (uint32_t ring = 0; ring < VHU_N_RINGS; ring++)
		if (is_placed(conn, ring))
			return "features change while a ring is in use";
	return NULL;
}

static const char *check_index(struct vhu_conn *conn, struct vhu_msg *msg)
{
	(void)conn;
	return msg->state.index < VHU_N_RINGS ? NULL : "no such ring";
}

static const char *check_num(struct vhu_conn *conn, struct vhu_msg *msg)
{
	if (msg->state.index >= VHU_N_RINGS)
		return "no such ring";
	if (msg->state.num == 0 || msg->state.num > RING_LEN_MAX)
		return "a ring of no or of more than 4,096 entries";
	return is_placed(conn, msg->state.index) ? "a ring in use changes its size" : NULL;
}

static const char *check_base(struct vhu_conn *conn, struct vhu_msg *msg)
{
	if (msg->state.index >= VHU_N_RINGS)
		return "no such ring";
	return is_placed(conn, msg->state.index) ? "a ring in use changes its index" : NULL;
}

static bool is_eventfd(int fd)
{
	char path[48], link[32] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, link, sizeof(link) - 1) > 0 && !strcmp(link, "anon_inode:[eventfd]");
}

/* The ring starts: its size is final, and a packed ring's index is used without a look. */
static const char *check_kick(struct vhu_conn *conn, struct vhu_msg *msg)
{
	uint32_t ring = msg->u64 & VHU_MSG_RING_MASK;
	struct rte_vhost_vring vring = {0};
	uint16_t avail = 0, used = 0;
	uint64_t features = 0;

	if (ring >= VHU_N_RINGS)
		return "no such ring";
	if (msg->n_fds == 1 && !is_eventfd(msg->fds[0]))
		return "it kicks by a file that is no eventfd";
	rte_vhost_get_negotiated_features(conn->vid, &features);
	rte_vhost_get_vhost_vring(conn->vid, (uint16_t)ring, &vring);
	rte_vhost_get_vring_base(conn->vid, (uint16_t)ring, &avail, &used);
	if (vring.size == 0)
		return "a ring without a size starts";
	if ((features & PACKED) && (avail & 0x7fff) >= vring.size)
		return "a packed ring starts behind its end";
	if (!(features & PACKED) && (vring.size & (vring.size - 1)))
		return "a split ring whose size is no power of 2";
	conn->started |= 1ull << ring;
	return vhu_kick_set(conn, ring, msg->n_fds == 1 ? msg->fds[0] : -1) ? NULL : no_fds;
}

static const char *check_file(struct vhu_conn *conn, struct vhu_msg *msg)
{
	(void)conn;
	return (msg->u64 & VHU_MSG_RING_MASK) < VHU_N_RINGS ? NULL : "no such ring";
}

/* Whom workers call may not let them wait: a pipe that nobody reads would. */
static bool never_blocks(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return is_eventfd(fd) && flags >= 0 && !fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* The library is not to touch the guest's file; it gets another one. */
static const char *replace_file(struct vhu_msg *msg, int fd)
{
	if (fd < 0)
		return errno == EAGAIN || errno == ENOMEM ? no_task : no_fds;
	close(msg->fds[0]);
	msg->fds[0] = fd;
	return NULL;
}

static const char *check_call(struct vhu_conn *conn, struct vhu_msg *msg)
{
	const uint32_t ring = msg->u64 & VHU_MSG_RING_MASK;

	if (ring >= VHU_N_RINGS)
		return "no such ring";
	if (msg->n_fds == 1 && !never_blocks(msg->fds[0]))
		return "it wants to be called by a file that is no eventfd";
	if (!vhu_rings_call(conn, ring, msg->n_fds == 1 ? msg->fds[0] : -1))
		return no_fds;
	conn->is_calling = true;
	return msg->n_fds == 1 ? replace_file(msg, vhu_call_decoy()) : NULL;
}

static const char *check_stop(struct vhu_conn *conn, struct vhu_msg *msg)
{
	if (msg->state.index >= VHU_N_RINGS)
		return "no such ring";
	conn->started &= ~(1ull << msg->state.index);
	conn->resumed &= ~(1ull << msg->state.index);
	vhu_kick_set(conn, msg->state.index, -1);
	return NULL;
}

/* The library unmaps the memory, but holds no lock of the rings: workers leave before. */
static const char *check_reset(struct vhu_conn *conn, struct vhu_msg *msg)
{
	(void)msg;
	vhu_ops.destroy_device(conn->vid);
	conn->started = conn->resumed = 0;
	conn->has_memory = false;
	pthread_mutex_lock(&conn->vhu->lock);
	conn->rings = 0; /* the library disables all, and does not tell */
	for (uint16_t i = 0; i < VHU_N_RINGS; i++)
		vhu_rings_enable(conn, i, false);
	pthread_mutex_unlock(&conn->vhu->lock);
	return NULL;
}

/* On tmpfs (as a memfd) or hugetlbfs: only those have seals. Whoever touches memory of another file
 * can have to wait, for a disk, or for as long as a server of FUSE likes; and that one would be
 * asked if we wanted to know more of the file. */
static bool is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

/* Can the library map it? It has given up the old table when it finds out. */
static bool can_map(int fd, struct vhu_msg_region region)
{
	uint64_t size = region.offset + region.size;
	struct stat st;
	void *addr;

	if (region.size == 0 || size < region.size || region.gpa + region.size < region.gpa ||
	    region.uva + region.size < region.uva || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    size > (uint64_t)st.st_size || st.st_blksize <= 0)
		return false;
	size = RTE_ALIGN_CEIL(size, (uint64_t)st.st_blksize);
	addr = size ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (addr != MAP_FAILED)
		munmap(addr, size);
	return addr != MAP_FAILED;
}

/* At a new table the library forgets where the IOMMU's pages are only if that is negotiated; later
 * it would look for them in memory that is unmapped. */
static bool keeps_pages(const struct vhu_conn *conn)
{
	uint64_t features = 0;

	rte_vhost_get_negotiated_features(conn->vid, &features);
	return conn->has_pages && !(features & VHU_NOT_OURS);
}

static const char *check_memory(struct vhu_conn *conn, struct vhu_msg *msg)
{
	uint32_t n = msg->mem.n_regions;

	if (keeps_pages(conn))
		return "memory may change while the IOMMU is off whose pages are known: connect "
		       "anew";
	if (n > VHU_MSG_REGIONS || msg->n_fds != (int)n)
		return "a memory table whose regions and files differ in number";
	for (uint32_t i = 0; i < n; i++) {
		if (!is_memory(msg->fds[i]))
			return "memory in a file that is neither on tmpfs nor on hugetlbfs: use "
			       "memory-backend-memfd, or a file there";
		if (!can_map(msg->fds[i], msg->mem.region[i]))
			return "memory that can not be mapped";
	}
	conn->has_memory = false;      /* until the library has it */
	vhu_hurry_hush(conn->advised); /* it may wait for an answer */
	return NULL;
}

static const char *check_log(struct vhu_conn *conn, struct vhu_msg *msg)
{
	struct stat st;
	int seals;

	(void)conn;
	if (msg->n_fds != 1)
		return "a log without a file";
	fcntl(msg->fds[0], F_ADD_SEALS, F_SEAL_SHRINK);
	seals = fcntl(msg->fds[0], F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return "a log whose file can be cut: a memfd is needed that can be sealed";
	if (msg->log.offset || msg->log.size == 0 || fstat(msg->fds[0], &st) ||
	    msg->log.size > (uint64_t)st.st_size)
		return "a log that does not fill its file from the start";
	return NULL;
}

/* Of a guest that has moved here, runs, and does not say so itself. */
static const char *check_rarp(struct vhu_conn *conn, struct vhu_msg *msg)
{
	struct rte_ether_addr mac;

	memcpy(&mac, msg->bytes, sizeof(mac));
	if (conn->is_ours && evs_load_relaxed(&conn->vhu->vid) == conn->vid &&
	    rte_is_valid_assigned_ether_addr(&mac))
		vhu_announce_told(conn->vhu, &mac);
	return NULL;
}

/* Only behind an IOMMU anything is ever asked on it. */
static const char *check_channel(struct vhu_conn *conn, struct vhu_msg *msg)
{
	if (msg->n_fds != 1 || (conn->vhu->iommu && !vhu_channel_takes(msg->fds[0])))
		return "a channel that is no Unix stream socket";
	return replace_file(msg, conn->vhu->iommu ? vhu_channel_open(conn, msg->fds[0])
	                                          : vhu_call_decoy());
}

static const char *check_iommu(struct vhu_conn *conn, struct vhu_msg *msg)
{
	(void)msg;
	conn->has_pages = true;
	return conn->vhu->iommu ? NULL : "no iommu=on";
}

static const char *check_postcopy(struct vhu_conn *conn, struct vhu_msg *msg)
{
	bool again = conn->advised && msg->request == VHU_POSTCOPY_ADVISE;

	conn->advised |= msg->request == VHU_POSTCOPY_ADVISE;
	if (conn->vhu->postcopy)
		vhu_socket_be_patient(conn);
	return !conn->vhu->postcopy ? "no postcopy=on" : again ? "postcopy twice" : NULL;
}

static const char *check_inflight(struct vhu_conn *conn, struct vhu_msg *msg)
{
	(void)conn;
	(void)msg;
	return "in-flight buffers were not offered";
}

static const struct rule rules[VHU_N_REQUESTS] = {
        [VHU_SET_FEATURES] = {check_features, ALL_RINGS},
        [VHU_RESET_OWNER] = {check_reset, ALL_RINGS_STOP},
        [VHU_SET_MEM_TABLE] = {check_memory, ALL_RINGS},
        [VHU_SET_LOG_BASE] = {check_log, ALL_RINGS},
        [VHU_SET_VRING_NUM] = {check_num, ITS_RING},
        [VHU_SET_VRING_ADDR] = {check_index, ITS_RING},
        [VHU_SET_VRING_BASE] = {check_base, ITS_RING},
        [VHU_GET_VRING_BASE] = {check_stop, ITS_RING_STOPS},
        [VHU_SET_VRING_KICK] = {check_kick, ITS_RING_STOPS},
        [VHU_SET_VRING_CALL] = {check_call, NO_RING},
        [VHU_SET_VRING_ERR] = {check_file, NO_RING},
        [VHU_SET_VRING_ENABLE] = {check_index, NO_RING},
        [VHU_SEND_RARP] = {check_rarp, NO_RING},
        [VHU_SET_CHANNEL] = {check_channel, NO_RING},
        [VHU_IOTLB_MSG] = {check_iommu, NO_RING},
        [VHU_POSTCOPY_ADVISE] = {check_postcopy, ALL_RINGS},
        [VHU_POSTCOPY_LISTEN] = {check_postcopy, ALL_RINGS},
        [VHU_POSTCOPY_END] = {check_postcopy, ALL_RINGS},
        [VHU_GET_INFLIGHT_FD] = {check_inflight, NO_RING},
        [VHU_SET_INFLIGHT_FD] = {check_inflight, NO_RING},
};

/* The message is good: rings that it changes are not used until the library has handled it. */
static void set_at_rest(struct vhu_conn *conn, const struct vhu_msg *msg, const struct rule *rule)
{
	bool stops = rule->rests == ITS_RING_STOPS || rule->rests == ALL_RINGS_STOP;
	enum vhu_rest rest = stops ? VHU_REST_FOR_GOOD : VHU_REST_A_MOMENT;

	if (rule->rests >= ALL_RINGS)
		vhu_rings_pause(conn, rest);
	else if (rule->rests != NO_RING)
		vhu_ring_pause(conn, msg->u64 & VHU_MSG_RING_MASK, rest);
}

static bool reads_replies(const struct vhu_conn *conn)
{
	int unread = 0;

	return ioctl(conn->fd, SIOCOUTQ, &unread) || unread < UNREAD_MAX;
}

/* Without a reply to it the library closes the connection. */
static enum rte_vhost_msg_result refuse(struct vhu_conn *conn, struct vhu_msg *msg, const char *why)
{
	EVS_LOG_LIMITED(vhost, WARN, "port '%s': guest's message %u is refused: %s",
	                conn->vhu->port->name, msg->request, why);
	__atomic_fetch_add(&conn->vhu->n_refused, 1, __ATOMIC_RELAXED);
	msg->flags &= ~VHU_MSG_NEED_REPLY;
	for (int i = 0; i < msg->n_fds; i++)
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
	msg->n_fds = 0;
	return RTE_VHOST_MSG_RESULT_ERR;
}

/* Whose message the library refuses with a reply stays, and we are not told: rings would rest, and
 * frames be kept, for as long as the guest likes. So the library hears of the wish for a reply only
 * when it has handled the message, and ends the connection otherwise. */
static void hide_wish(struct vhu_conn *conn, struct vhu_msg *msg)
{
	conn->wants_reply = msg->flags & VHU_MSG_NEED_REPLY;
	msg->flags &= ~VHU_MSG_NEED_REPLY;
}

static void show_wish(const struct vhu_conn *conn, struct vhu_msg *msg)
{
	if (conn->wants_reply && !(msg->flags & VHU_MSG_REPLY))
		msg->flags |= VHU_MSG_NEED_REPLY;
}

static enum rte_vhost_msg_result before(int vid, void *arg)
{
	struct vhu_conn *conn = vhu_conn_lookup(vid);
	struct vhu_msg *msg = arg;
	const struct rule *rule = &rules[msg->request < VHU_N_REQUESTS ? msg->request : 0];
	const char *why = NULL;

	if (!conn)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	vhu_guard_thread();
	if (evs_load_relaxed(&conn->is_cut)) /* said before it was sent away */
		why = "it took memory away";
	else if (!reads_replies(conn))
		why = "it does not read its replies";
	else if (rule->check)
		why = rule->check(conn, msg);
	if (why)
		return refuse(conn, msg, why);
	set_at_rest(conn, msg, rule);
	if (!conn->has_memory)
		vhu_guard_del(conn); /* something else may lie there soon */
	hide_wish(conn, msg);
	if (msg->request != VHU_GET_QUEUE_NUM)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	msg->u64 = VHU_MAX_PAIRS;
	msg->size = sizeof(msg->u64);
	msg->n_fds = 0;
	return RTE_VHOST_MSG_RESULT_REPLY;
}

static enum rte_vhost_msg_result after(int vid, void *arg)
{
	struct vhu_conn *conn = vhu_conn_lookup(vid);
	struct vhu_msg *msg = arg;

	if (!conn)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	if (msg->request == VHU_SET_MEM_TABLE) {
		vhu_hurry_hush(false);
		conn->has_memory = vhu_memory_changed(conn);
		if (!conn->has_memory) {
			msg->n_fds = 0; /* they are the library's */
			return refuse(conn, msg, "no room to guard its memory");
		}
	}
	conn->is_calling = false;
	vhu_rings_place(conn);
	vhu_rings_forget(conn);
	show_wish(conn, msg);
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

void vhu_vet(struct vhu_conn *conn)
{
	static const struct rte_vhost_user_extern_ops ops = {before, after};

	_Static_assert(offsetof(struct vhu_msg, fds) == 644, "layout of the library");
	rte_vhost_extern_callback_register(conn->vid, &ops, NULL);
}
