/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the socket of a port: its options, what was left behind at its path, who may connect,
 * the features to offer.
 * Threads: control.
 */
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <rte_log.h>
#include <rte_vhost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/evs_log.h"
#include "port/port_args.h"
#include "vhost/vhu_pvt.h"

#define CHECK_PAUSE_NS    200000000 /* between two looks at a socket that waits for its guest */
#define BUFFERS_IN_FLIGHT (1ull << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) /* see vhu_vet.c */

/* A socket that a daemon left behind when it was killed; one that answers is not touched. */
static int remove_stale(const char *path, struct evs_error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	int fd, ret;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return evs_error_set(err, -EEXIST,
		                     "'%s' is there and is no socket: choose another "
		                     "path, or remove it",
		                     path);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ret = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? errno : 0;
	close(fd);
	if (ret != ECONNREFUSED)
		return evs_error_set(err, -EADDRINUSE,
		                     "another process listens on '%s': choose another path, or "
		                     "mode=client if it is the guest's",
		                     path);
	return unlink(path) ? -errno : 0;
}

/* USER, USER:GROUP or :GROUP */
static int parse_owner(struct vhu *vhu, const char *text, struct evs_error *err)
{
	char name[64];
	const char *group = strchr(text, ':');
	const struct passwd *user_entry;
	const struct group *group_entry;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, ":"), text);
	user_entry = *name ? getpwnam(name) : NULL;
	group_entry = group ? getgrnam(group + 1) : NULL;
	if ((*name && !user_entry) || (group && !group_entry) || (!*name && !group))
		return evs_error_set(err, -EINVAL,
		                     "socket-owner=%s: use USER, USER:GROUP or :GROUP of this "
		                     "host, as libvirt-qemu:kvm",
		                     text);
	vhu->uid = user_entry ? user_entry->pw_uid : (uid_t)-1;
	vhu->gid = group_entry ? group_entry->gr_gid : (gid_t)-1;
	return 0;
}

/* Who may connect to the socket that evs makes. */
static int parse_access(struct vhu *vhu, const struct port_args *args, struct evs_error *err)
{
	const char *owner = port_arg(args, "socket-owner"), *mode = port_arg(args, "socket-mode");
	char *end = NULL;

	vhu->uid = (uid_t)-1;
	vhu->gid = (gid_t)-1;
	if ((owner || mode) && vhu->is_client)
		return evs_error_set(err, -EINVAL,
		                     "socket-owner and socket-mode are of mode=server: in mode "
		                     "client the guest's side makes the socket");
	vhu->mode = mode ? (mode_t)strtoul(mode, &end, 8) : 0;
	if (mode && (*end || vhu->mode == 0 || vhu->mode > 0777))
		return evs_error_set(err, -EINVAL, "socket-mode=%s: use octal digits, as 0660",
		                     mode);
	return owner ? parse_owner(vhu, owner, err) : 0;
}

/* Behind an IOMMU the library would take the memory of a guest whose postcopy fails away from under
 * workers. And it asks for a userfaultfd only in the midst of a migration, which then fails. */
static int check_postcopy(const struct vhu *vhu, struct evs_error *err)
{
	int fd;

	if (!vhu->postcopy)
		return 0;
	if (vhu->iommu)
		return evs_error_set(
		        err, -EINVAL,
		        "iommu=on and postcopy=on exclude each other: leave one off (a "
		        "guest behind an IOMMU migrates without postcopy)");
	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return evs_error_set(err, -errno,
		                     "postcopy=on: no userfaultfd (%s): evsd needs CAP_SYS_PTRACE, "
		                     "or the host vm.unprivileged_userfaultfd=1",
		                     strerror(errno));
	close(fd);
	return 0;
}

int vhu_open_parse(struct vhu *vhu, const struct port_args *args, struct evs_error *err)
{
	const char *path = port_arg(args, "path"), *mode = port_arg(args, "mode");
	int ret;

	if (*path != '/' || strlen(path) >= sizeof(vhu->path))
		return evs_error_set(err, -EINVAL,
		                     "path=%s: use an absolute path of less than %d "
		                     "characters",
		                     path, VHU_PATH_LEN);
	snprintf(vhu->path, sizeof(vhu->path), "%s", path);
	vhu->is_client = !mode || !strcmp(mode, "client");
	if (!vhu->is_client && strcmp(mode, "server"))
		return evs_error_set(err, -EINVAL,
		                     "mode=%s: use client (the guest makes the "
		                     "socket) or server",
		                     mode);
	ret = parse_access(vhu, args, err);
	if (!ret)
		ret = vhu_steer_parse(vhu, args, err);
	if (!ret)
		ret = port_arg_bool(args, "iommu", &vhu->iommu, err);
	if (!ret)
		ret = port_arg_bool(args, "postcopy", &vhu->postcopy, err);
	return ret ? ret : check_postcopy(vhu, err);
}

static uint64_t get_flags(const struct vhu *vhu)
{
	return RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS |
	       (vhu->is_client ? RTE_VHOST_USER_CLIENT : 0) |
	       (vhu->iommu ? RTE_VHOST_USER_IOMMU_SUPPORT : 0) |
	       (vhu->postcopy ? RTE_VHOST_USER_POSTCOPY_SUPPORT : 0);
}

/* args: NULL for what was chosen before */
static int choose_features(struct vhu *vhu, const struct port_args *args, struct evs_error *err)
{
	const char *text = args ? port_arg(args, "features") : NULL;
	uint64_t supported = 0, protocol = 0, wanted;
	char names[128];
	int ret = rte_vhost_driver_get_features(vhu->path, &supported);

	if (ret)
		return evs_error_set(err, -EIO, "DPDK's vhost does not know '%s'", vhu->path);
	wanted = args ? supported : vhu->driver_features;
	ret = text ? vhu_features_parse(text, &wanted, err) : 0;
	if (ret)
		return ret;
	if (wanted & ~supported) {
		vhu_features_format(wanted & ~supported, names, sizeof(names));
		return evs_error_set(err, -EOPNOTSUPP,
		                     "features=: DPDK's vhost has no %s: leave that out", names);
	}
	vhu->driver_features = wanted;
	if (rte_vhost_driver_get_protocol_features(vhu->path, &protocol) ||
	    rte_vhost_driver_set_protocol_features(vhu->path, protocol & ~BUFFERS_IN_FLIGHT) ||
	    rte_vhost_driver_disable_features(vhu->path, supported & ~wanted))
		return evs_error_set(err, -EIO, "DPDK's vhost refuses features %#llx",
		                     (unsigned long long)wanted);
	return 0;
}

/* What the library says of its own accord is worth reading; a guest can make it say things as often
 * as it likes. */
void vhu_open_log(uint32_t level)
{
	rte_log_set_level_pattern("lib.vhost.config", level);
}

/* Of the socket itself, whatever somebody has put at its path meanwhile: who may write to the
 * directory shall not choose which file we give away. The mode first, while it is ours. */
static int set_access_of(int fd, const struct vhu *vhu, struct evs_error *err)
{
	char self[32];
	struct stat st;

	if (fstat(fd, &st) || !S_ISSOCK(st.st_mode))
		return evs_error_set(err, -EEXIST, "'%s' was replaced while it was made",
		                     vhu->path);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (vhu->mode && chmod(self, vhu->mode))
		return evs_error_set(err, -errno, "could not set socket-mode of '%s': %s",
		                     vhu->path, strerror(errno));
	if ((vhu->uid != (uid_t)-1 || vhu->gid != (gid_t)-1) &&
	    fchownat(fd, "", vhu->uid, vhu->gid, AT_EMPTY_PATH))
		return evs_error_set(err, -errno, "could not give '%s' to socket-owner: %s%s",
		                     vhu->path, strerror(errno),
		                     errno == EPERM ? " (evsd needs CAP_CHOWN)" : "");
	return 0;
}

static int set_access(const struct vhu *vhu, struct evs_error *err)
{
	int fd = open(vhu->path, O_PATH | O_NOFOLLOW | O_CLOEXEC), ret;

	if (fd < 0)
		return evs_error_set(err, -errno, "'%s' is gone while it was made: %s", vhu->path,
		                     strerror(errno));
	ret = set_access_of(fd, vhu, err);
	close(fd);
	return ret;
}

/* The socket is ours as long as it is this one: numbers of files are used again, and times of
 * change follow its mode. */
static void note_socket(const struct vhu *vhu, struct vhu_socket_id *id)
{
	struct stat st;

	*id = (struct vhu_socket_id){0};
	if (!lstat(vhu->path, &st))
		*id = (struct vhu_socket_id){st.st_dev, st.st_ino, st.st_mtim.tv_sec,
		                             st.st_mtim.tv_nsec};
}

/* The library is about to unmap the memory of all guests, and something else may lie there before
 * we know. Of those that are ready, or just leaving, on_destroy_device takes care; memory of others
 * nobody touches but the library's own thread, and no other becomes ready now. */
static void unguard(struct vhu *vhu)
{
	pthread_mutex_lock(&vhu->lock);
	for (unsigned i = 0; i < VHU_MAX_CONNS; i++)
		if (vhu->conn[i].vid != VHU_NO_DEVICE && !vhu->conn[i].is_ready &&
		    !vhu->conn[i].is_leaving)
			vhu_guard_del(&vhu->conn[i]);
	pthread_mutex_unlock(&vhu->lock);
}

void vhu_close(struct vhu *vhu)
{
	bool was_open = vhu->is_open;

	evs_store_release(&vhu->is_open, false);
	unguard(vhu);
	if (was_open && rte_vhost_driver_unregister(vhu->path))
		EVS_LOG(vhost, ERR, "port '%s': DPDK's vhost keeps the socket '%s'",
		        vhu->port->name, vhu->path);
	for (unsigned i = 0; i < VHU_MAX_CONNS; i++) /* of whose end the library has not told */
		if (vhu->conn[i].vid != VHU_NO_DEVICE)
			vhu_conn_end(&vhu->conn[i]);
}

static int open_socket(struct vhu *vhu, const struct port_args *args, struct evs_error *err)
{
	int ret;

	if (rte_vhost_driver_register(vhu->path, get_flags(vhu)))
		return evs_error_set(err, -EIO,
		                     "DPDK's vhost refuses the socket '%s' (its log says why)",
		                     vhu->path);
	evs_store_release(&vhu->is_open, true);
	ret = choose_features(vhu, args, err);
	if (!ret && (rte_vhost_driver_callback_register(vhu->path, &vhu_ops) ||
	             rte_vhost_driver_start(vhu->path)))
		ret = evs_error_set(err, -EIO,
		                    "could not %s '%s': check that its directory is there and "
		                    "may be %s",
		                    vhu->is_client ? "connect to" : "listen on", vhu->path,
		                    vhu->is_client ? "read" : "written");
	if (!ret && !vhu->is_client) {
		ret = set_access(vhu, err);
		note_socket(vhu, &vhu->socket_id);
		vhu_hurry_listen();
	}
	if (ret)
		vhu_close(vhu);
	return ret;
}

int vhu_open(struct vhu *vhu, const struct port_args *args, struct evs_error *err)
{
	int ret = vhu->is_client ? 0 : remove_stale(vhu->path, err);

	if (ret)
		return ret;
	vhu_open_log(RTE_LOG_ERR);
	ret = open_socket(vhu, args, err);
	vhu_open_log(RTE_LOG_CRIT);
	return ret;
}

/* Is the library without a socket by which a guest could come? */
static bool is_gone(struct vhu *vhu)
{
	struct vhu_socket_id id;

	if (vhu->is_client)
		return __atomic_exchange_n(&vhu->is_refused, false, __ATOMIC_ACQ_REL) ||
		       !vhu->is_open;
	note_socket(vhu, &id);
	return !vhu->is_open || memcmp(&id, &vhu->socket_id, sizeof(id));
}

void vhu_open_again(struct vhu *vhu, uint64_t now_ns)
{
	struct evs_error err;
	int ret;

	if (now_ns - vhu->last_check_ns < CHECK_PAUSE_NS)
		return;
	vhu->last_check_ns = now_ns;
	if (!is_gone(vhu))
		return;
	/* the library would remove also a good one */
	ret = vhu->is_client ? 0 : remove_stale(vhu->path, &err);
	if (!ret) {
		vhu_close(vhu);
		ret = open_socket(vhu, NULL, &err);
	}
	if (!ret)
		EVS_LOG_LIMITED(vhost, WARN, "port '%s': socket '%s' is opened anew",
		                vhu->port->name, vhu->path);
	else if (!vhu->is_lost)
		EVS_LOG_LIMITED(vhost, WARN, "port '%s': its socket is gone: %s", vhu->port->name,
		                err.text);
	vhu->is_lost = ret != 0;
}
