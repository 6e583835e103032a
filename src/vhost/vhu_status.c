/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `port show` says of a guest: socket, features, memory, rings. Threads: control.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_vhost.h>

#include "vhost/vhu_pvt.h"

#define INDEX_MASK   0x7fffu /* of a packed ring, beside the wrap counter */
#define FEATURES_LEN 640     /* of all names */
#define PACKED       (1ull << VIRTIO_F_RING_PACKED)

struct ring_state {
	unsigned size;
	uint16_t avail, used;
	uint64_t kicks, calls, pkts, bytes, drops;
	bool has_no_end;
};

typedef void add_fn(void *arg, const char *key, const char *value);

static const char *tell_obstacle(const char *path, char *text, size_t size)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return "connecting (path is no socket)";
	if (access(path, W_OK) == 0)
		return "connecting (nobody listens)";
	snprintf(text, size, "connecting (%s)", strerror(errno));
	return text;
}

/* How often the guest has kicked: the sum waits in the eventfd, which nobody else reads. The guest
 * has it, too, and with it the choice whether one waits. */
static uint64_t read_kicks(int fd)
{
	uint64_t n = 0;
	struct iovec iov = {&n, sizeof(n)};

	return fd >= 0 && preadv2(fd, &iov, 1, -1, RWF_NOWAIT) == sizeof(n) ? n : 0;
}

/* The device stays while the lock is held and the connection ready: the library asks first. */
static bool get_ring_locked(struct vhu *vhu, uint16_t i, struct ring_state *state)
{
	struct vhu_conn *conn = vhu->served;
	const struct vhu_ring *ring = &conn->ring[i];
	struct rte_vhost_vring vring = {0};

	if (!conn->is_ready || rte_vhost_get_vhost_vring(conn->vid, i, &vring) ||
	    rte_vhost_get_vring_base(conn->vid, i, &state->avail, &state->used))
		return false;
	conn->n_kicks[i] += read_kicks(conn->kick_fd[i]);
	state->size = vring.size;
	state->kicks = conn->n_kicks[i];
	state->calls = evs_load_relaxed(&ring->n_calls);
	state->pkts = evs_load_relaxed(&ring->n_pkts);
	state->bytes = evs_load_relaxed(&ring->n_bytes);
	state->drops = evs_load_relaxed(&ring->n_drops);
	if (ring->is_placed) {
		state->has_no_end =
		        evs_load_relaxed(&ring->has_no_end) && !evs_load_relaxed(&ring->is_active);
		state->avail = evs_load_relaxed(&ring->last_avail);
		state->used = evs_load_relaxed(&ring->last_used);
	}
	if (conn->facts.features & PACKED) {
		state->avail &= INDEX_MASK;
		state->used &= INDEX_MASK;
	}
	return true;
}

static const char *tell_state(bool enabled, const struct ring_state *state)
{
	if (!enabled)
		return "disabled";
	return state->has_no_end ? "rests (a chain in it has no end, or more than 256 descriptors: "
	                           "restart the guest's driver)"
	                         : "enabled";
}

/* Of the guest that is served now. */
static bool get_ring(struct vhu *vhu, uint16_t i, struct ring_state *state)
{
	bool known;

	pthread_mutex_lock(&vhu->lock);
	known = evs_load_acquire(&vhu->vid) >= 0 && get_ring_locked(vhu, i, state);
	pthread_mutex_unlock(&vhu->lock);
	return known;
}

static void add_ring(struct vhu *vhu, uint16_t i, add_fn *add, void *arg)
{
	const bool enabled = evs_load_acquire(&vhu->rings) >> i & 1;
	struct ring_state state = {0};
	char key[16], text[320];

	if (!get_ring(vhu, i, &state))
		return;
	snprintf(key, sizeof(key), "ring%u", i);
	snprintf(text, sizeof(text),
	         "%s, %u entries, %s, last avail %u, last used %u, packets %llu, bytes %llu, "
	         "drops %llu, kicks %llu, interrupts %llu",
	         i & 1 ? "from guest" : "to guest", state.size, tell_state(enabled, &state),
	         state.avail, state.used, (unsigned long long)state.pkts,
	         (unsigned long long)state.bytes, (unsigned long long)state.drops,
	         (unsigned long long)state.kicks, (unsigned long long)state.calls);
	add(arg, key, text);
}

/* Do all rings that it sends by have somebody who is told of frames? */
static bool can_kick(struct vhu *vhu)
{
	bool can;

	pthread_mutex_lock(&vhu->lock);
	can = evs_load_acquire(&vhu->vid) >= 0 && evs_load_relaxed(&vhu->served->is_ours);
	for (unsigned i = 1; can && i < VHU_N_RINGS; i += 2)
		can = vhu_ring_can_kick(&vhu->served->ring[i]);
	pthread_mutex_unlock(&vhu->lock);
	return can;
}

static void add_memory(struct vhu *vhu, const struct vhu_facts *facts, add_fn *add, void *arg)
{
	struct vhu_mem mem = {0};
	char key[24], text[96];

	pthread_mutex_lock(&vhu->lock);
	if (evs_load_acquire(&vhu->vid) >= 0)
		mem = vhu->served->mem;
	pthread_mutex_unlock(&vhu->lock);
	snprintf(text, sizeof(text), "%u regions, %llu MB", facts->n_regions,
	         (unsigned long long)facts->memory_bytes >> 20);
	add(arg, "memory", text);
	for (unsigned i = 0; i < mem.n; i++) {
		snprintf(key, sizeof(key), "region%u", i);
		snprintf(text, sizeof(text), "guest physical %#llx, %llu kB",
		         (unsigned long long)mem.region[i].gpa,
		         (unsigned long long)mem.region[i].size >> 10);
		add(arg, key, text);
	}
}

void vhu_get_status(struct port *port, add_fn *add, void *arg)
{
	struct vhu *vhu = port->priv;
	bool ready = evs_load_acquire(&vhu->vid) >= 0;
	const uint64_t n_cuts = evs_load_relaxed(&vhu->n_cuts);
	struct vhu_facts facts;
	bool connected = vhu_get_facts(vhu, &facts);
	char text[FEATURES_LEN];

	add(arg, "path", vhu->path);
	add(arg, "mode", vhu->is_client ? "client" : "server");
	add(arg, "socket",
	    connected        ? "connected"
	    : vhu->is_client ? tell_obstacle(vhu->path, text, sizeof(text))
	    : vhu->is_lost   ? "lost (its path is taken, or its directory gone)"
	                     : "listening");
	add(arg, "guest", ready ? "ready" : "not ready");
	if (n_cuts) {
		snprintf(text, sizeof(text), "%llu times; the guest was disconnected",
		         (unsigned long long)n_cuts);
		add(arg, "memory_taken_away", text);
	}
	vhu_features_format(vhu->driver_features, text, sizeof(text));
	add(arg, "features_offered", text);
	if (!ready)
		return;
	add(arg, "wake", can_kick(vhu) ? "kick" : "timer");
	vhu_features_format(facts.features, text, sizeof(text));
	add(arg, "features", text);
	add_memory(vhu, &facts, add, arg);
	snprintf(text, sizeof(text), "%d", facts.numa_node);
	add(arg, "numa", text);
	for (uint16_t i = 0; i < facts.n_rings; i++)
		add_ring(vhu, i, add, arg);
}

static uint64_t sum_calls(const struct vhu *vhu)
{
	uint64_t sum = 0;

	for (unsigned c = 0; c < VHU_MAX_CONNS; c++)
		for (unsigned i = 0; i < VHU_N_RINGS; i++)
			sum += evs_load_relaxed(&vhu->conn[c].ring[i].n_calls);
	return sum;
}

/* Of the guest that is served, since it connected. */
static void add_ring_xstats(struct vhu *vhu,
                            void (*add)(void *arg, const char *key, uint64_t value), void *arg)
{
	for (uint16_t i = 0; i < VHU_N_RINGS; i++) {
		struct ring_state state = {0};

		if (!get_ring(vhu, i, &state))
			continue;
		const struct {
			const char *name;
			uint64_t value;
		} values[] = {{"packets", state.pkts},
		              {"bytes", state.bytes},
		              {"drops", state.drops},
		              {"kicks", state.kicks},
		              {"interrupts", state.calls}};

		for (unsigned k = 0; k < EVS_ARRAY_LEN(values); k++) {
			char key[32];

			snprintf(key, sizeof(key), "%s_q%u_%s", i & 1 ? "rx" : "tx", i / 2,
			         values[k].name);
			add(arg, key, values[k].value);
		}
	}
}

void vhu_get_xstats(struct port *port, void (*add)(void *arg, const char *key, uint64_t value),
                    void *arg)
{
	struct vhu *vhu = port->priv;
	char key[32];

	add(arg, "guest_connects", evs_load_relaxed(&vhu->n_connects));
	add(arg, "guest_interrupts", sum_calls(vhu));
	add(arg, "guest_messages_refused", evs_load_relaxed(&vhu->n_refused));
	add(arg, "guest_frames_lost_at_messages", evs_load_relaxed(&vhu->n_lost));
	add(arg, "guest_memory_cuts", evs_load_relaxed(&vhu->n_cuts));
	add(arg, "all_guests_memory_faults", vhu_guard_faults());
	add_ring_xstats(vhu, add, arg);
	for (unsigned w = 0; w < EVS_MAX_WORKERS; w++) {
		uint64_t n = evs_load_relaxed(&vhu->txq[w].n_pkts);

		if (n == 0)
			continue;
		snprintf(key, sizeof(key), "tx_worker%u_packets", w);
		add(arg, key, n);
	}
}
