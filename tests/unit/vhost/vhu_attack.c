/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that does whatever chance makes it do: vhu_attack SECONDS [SEED [SOCKET [bad-frames]]].
 * Without a socket it attacks a port of its own, with iommu=on, beside a good guest whose frames
 * must come back; with one, whoever listens there. It prints its seed, with which it does the same
 * again. With "bad-frames" it leaves nothing to chance: it sends the dearest frames that are none,
 * as fast as it can.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "vhu_test.h"

#define FEATURES    (1ull << 32 | 0xffffffull | 1ull << 28 | 1ull << 29)
#define PACKED      (1ull << 34)
#define IN_ORDER    (1ull << 35)
#define IOMMU       (1ull << 33)
#define RINGS_BYTES (MASTER_RINGS * 0x4000u)
#define ROUND_STEPS 40
#define DEAR_DESCS  65   /* before the one that lies: no more fit into a frame */
#define DEAR_BYTES  1000 /* of each */

static unsigned seed;
static int channel[2] = {-1, -1}; /* for questions */

static uint32_t any(uint32_t below)
{
	return ((uint32_t)rand_r(&seed) << 16 ^ (uint32_t)rand_r(&seed)) % below;
}

static uint64_t any_address(void)
{
	switch (any(6)) {
	case 0:
		return (uint64_t)any(UINT32_MAX) << any(33);
	case 1: /* about the end of the memory */
		return MASTER_GPA + MASTER_MEMORY - any(5000);
	case 2: /* the rings themselves */
		return MASTER_GPA + any(RINGS_BYTES);
	default:
		return MASTER_GPA + any(MASTER_MEMORY);
	}
}

static uint32_t any_length(void)
{
	static const uint32_t lengths[] = {0,     1,     10,    12,         13,       26,
	                                   54,    60,    1514,  2048,       2060,     65535,
	                                   65549, 65550, 66000, 1u << 20,   16,       32,
	                                   4096,  9000,  48,    UINT32_MAX, 1u << 31, 64};

	return any(4) ? lengths[any(EVS_ARRAY_LEN(lengths))] : any(70000);
}

static struct vring_desc any_desc(void)
{
	return (struct vring_desc){any_address(), any_length(),
	                           (uint16_t)(any(8) ? any(8) : any(65536)),
	                           (uint16_t)any(any(4) ? MASTER_RING_LEN : 65536)};
}

static void write_descs(struct master *m)
{
	struct vring_desc *table = master_desc(m, any(MASTER_RINGS));

	if (any(3) == 0) /* an indirect table anywhere */
		table = (void *)(m->mem + any((MASTER_MEMORY - 8192) / 16) * 16);
	for (uint32_t i = any(MASTER_RING_LEN), n = any(32); n && i < MASTER_RING_LEN; n--, i++)
		table[i] = any_desc();
}

static void write_bytes(struct master *m)
{
	for (uint32_t n = any(500); n; n--)
		m->mem[any(any(2) ? RINGS_BYTES : MASTER_MEMORY)] = (uint8_t)any(256);
}

static void offer(struct master *m)
{
	uint32_t ring = any(MASTER_RINGS);

	for (uint32_t n = any(40); n; n--)
		master_offer(m, ring, (uint16_t)any(any(8) ? MASTER_RING_LEN : 65536));
	if (any(10) == 0)
		m->next[ring] = (uint16_t)any(65536);
}

/* A frame that is good, its header or its IP or TCP header a little less so. */
static void send_frame(struct master *m)
{
	static const uint8_t start[] = {2, 0, 0, 0, 0, 1,  2, 0, 0, 0,  0, 2, 8, 0,  0x45, 0, 0,
	                                0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0,    0, 2};
	struct virtio_net_hdr hdr = {(uint8_t)any(4),     (uint8_t)any(6),   (uint16_t)any(200),
	                             (uint16_t)any(3000), (uint16_t)any(60), (uint16_t)any(40)};
	uint8_t frame[MASTER_BUF_SIZE] = {0};
	uint32_t size = 14 + any(MASTER_BUF_SIZE - 12 - 14);

	memcpy(frame, start, sizeof(start));
	frame[16] = (uint8_t)((size - 14) >> 8);
	frame[17] = (uint8_t)(size - 14);
	frame[46] = 0x50;
	for (uint32_t n = any(4); n; n--)
		frame[12 + any(50)] = (uint8_t)any(256);
	for (uint32_t n = any(3); n; n--)
		((uint8_t *)&hdr)[any(sizeof(hdr))] = (uint8_t)any(256);
	master_transmit(m, any(2) ? 1 : 3, any(4) ? &hdr : NULL, frame, size);
}

/* Packed descriptors that are available in the first round. */
static void write_packed(struct master *m)
{
	struct vring_packed_desc *table = (void *)master_desc(m, any(MASTER_RINGS));

	for (uint32_t i = 0, n = any(64); i < n; i++) {
		uint16_t flags = (uint16_t)(any(8) | (any(8) ? 1u << 7 : any(65536)));

		table[i] = (struct vring_packed_desc){any_address(), any_length(),
		                                      (uint16_t)any(MASTER_RING_LEN), flags};
	}
}

static bool send_message(struct master *m)
{
	static const uint32_t sizes[] = {0, 8, 8, 8, 40, 40, 72, 264, 512, 4000, UINT32_MAX};
	struct master_msg msg = {.request = any(MASTER_N_REQUESTS),
	                         .flags = any(4) ? 1 : any(16),
	                         .size = sizes[any(EVS_ARRAY_LEN(sizes))]};
	int fds[] = {-1, -1, m->event_fd, m->mem_fd};

	for (unsigned i = 0; i < 64; i++)
		msg.bytes[i] = any(3) ? 0 : (uint8_t)any(256);
	if (any(2))
		msg.state.index %= MASTER_RINGS;
	if (msg.request == MASTER_SET_MEM_TABLE && any(4)) {
		msg.size = 40;
		msg.mem.n = 1;
		msg.mem.region[0].gpa = MASTER_GPA;
		msg.mem.region[0].uva = (uintptr_t)m->mem;
		msg.mem.region[0].size = any(3) ? MASTER_MEMORY / (1 + any(8)) : any_length();
		msg.mem.region[0].offset = any(4) ? 0 : any_length();
	}
	return master_send(m, &msg, fds[any(4)]);
}

/* Where a page is, or is no longer. */
static bool send_place(struct master *m, uint64_t iova, uint32_t size)
{
	const struct master_msg msg = {.request = MASTER_IOTLB_MSG,
	                               .flags = 1,
	                               .size = 32,
	                               .iotlb = {iova,
	                                         size,
	                                         (uintptr_t)m->mem + any(2) * any(5000),
	                                         (uint8_t)(any(4) ? 3 : any(4)),
	                                         (uint8_t)(any(3) ? 2 : any(5)),
	                                         {0}}};

	return master_send(m, &msg, -1);
}

static bool send_some_place(struct master *m)
{
	return any(2) ? send_place(m, (uintptr_t)m->mem, MASTER_MEMORY)
	              : send_place(m, any(2) ? MASTER_GPA : any_address(),
	                           any(2) ? MASTER_MEMORY : any_length());
}

/* Nobody listens there. */
static bool send_channel(struct master *m)
{
	const struct master_msg msg = {.request = MASTER_SET_CHANNEL, .flags = 1};

	if (channel[0] < 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel))
		return false;
	return master_send(m, &msg, channel[1]);
}

static bool send_half(struct master *m)
{
	struct master_msg msg = {.request = any(20), .flags = 1, .size = 8};

	return send(m->fd, &msg, 1 + any(19), MSG_NOSIGNAL) > 0;
}

static void drain(struct master *m)
{
	uint8_t buf[4096];

	while (recv(m->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static void cut_memory(struct master *m)
{
	uint32_t size = any(MASTER_MEMORY);

	if (!ftruncate(m->mem_fd, size))
		(void)!ftruncate(m->mem_fd, MASTER_MEMORY); /* else a fault of ours at once */
}

/* Again from the start, with other features. */
static bool renegotiate(struct master *m)
{
	for (unsigned ring = 0; ring < MASTER_RINGS; ring++)
		if (any(4) && !master_stop_vring(m, ring))
			return false;
	return master_start(m, FEATURES & ~(1ull << any(30)), any(2) ? 4 : 2);
}

static bool step(struct master *m)
{
	if (m->features & IOMMU && any(6) == 0)
		return any(4) ? send_some_place(m) : send_channel(m);
	switch (any(24)) {
	case 0:
		return send_message(m);
	case 1:
		drain(m);
		return true;
	case 2:
		return any(8) ? true : send_half(m);
	case 3:
		return any(4) ? true : renegotiate(m);
	case 4:
		if (any(4) == 0)
			cut_memory(m);
		return true;
	case 5:
		return master_enable(m, any(MASTER_RINGS), any(2));
	case 6:
		write_bytes(m);
		return true;
	case 7:
		write_packed(m);
		return true;
	case 8 ... 12:
		write_descs(m);
		return true;
	case 13 ... 17:
		offer(m);
		return true;
	default:
		send_frame(m);
		return true;
	}
}

static void attack(const char *path)
{
	uint64_t features =
	        FEATURES | (any(2) ? 0 : PACKED) | (any(3) ? 0 : IN_ORDER) | (any(3) ? IOMMU : 0);
	const struct timeval patience = {.tv_usec = 200000};
	struct master m;

	if (any(2))
		features &= ~(1ull << any(30));
	if (!master_connect(&m, path)) {
		setsockopt(m.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		if (any(10) == 0 || ((!(features & IOMMU) || send_channel(&m)) &&
		                     master_start(&m, features, any(2) ? 4 : 2))) {
			if (m.features & IOMMU && any(8)) {
				send_place(&m, (uintptr_t)m.mem, MASTER_MEMORY);
				send_place(&m, MASTER_GPA, MASTER_MEMORY);
			}
			if (any(2))
				master_refill(&m, 0);
			for (unsigned i = any(ROUND_STEPS); i && step(&m); i--)
				if (any(8) == 0)
					usleep(any(200));
		}
	}
	master_close(&m);
}

/* The good guest's frame comes back, whatever else happens. */
static void check_good(struct master *good)
{
	uint8_t frame[64] = {2, 0, 0, 0, 0, 1, 2};
	uint64_t limit = evs_clock_ns() + 60000000000u;
	uint32_t id, len;

	master_transmit(good, 1, NULL, frame, sizeof(frame));
	while (master_reap(good, 0, &id, &len) != 1) {
		if (evs_clock_ns() > limit) {
			fprintf(stderr, "vhu_attack: the good guest waits in vain\n");
			abort();
		}
		port_poll_links(NULL, NULL);
		evs_rcu_poll();
	}
	master_offer(good, 0, (uint16_t)id);
}

static void start_good(struct master *good)
{
	const struct port *port = test_open(1, NULL);

	test_connect(good, 1);
	if (!master_start(good, 1ull << 32, 2))
		abort();
	while (!port->link_up)
		port_poll_links(NULL, NULL);
	master_refill(good, 0);
}

static unsigned soak(double seconds)
{
	uint64_t end;
	struct master good;
	unsigned rounds = 0;
	char path[64];

	test_start();
	end = evs_clock_ns() + (uint64_t)(seconds * 1e9);
	test_open_as(0, "server", "iommu", "on");
	start_good(&good);
	socket_path(0, path, sizeof(path));
	for (; rounds < 10 || evs_clock_ns() < end; rounds++) {
		attack(path);
		check_good(&good);
	}
	master_close(&good);
	test_close(0);
	test_close(1);
	test_end();
	return rounds;
}

static unsigned attack_other(const char *path, double seconds)
{
	unsigned rounds = 0;
	uint64_t end;

	evs_clock_init();
	end = evs_clock_ns() + (uint64_t)(seconds * 1e9);
	for (; evs_clock_ns() < end; rounds++)
		attack(path);
	return rounds;
}

/* A chain whose bytes are all copied before its end is found to be bad. */
static void describe_dear(struct master *m)
{
	struct vring_desc *table = master_desc(m, 1);

	for (uint16_t i = 0; i < DEAR_DESCS; i++)
		table[i] = (struct vring_desc){master_buf_gpa(1, i), DEAR_BYTES, VRING_DESC_F_NEXT,
		                               (uint16_t)(i + 1)};
	table[DEAR_DESCS] = (struct vring_desc){0, DEAR_BYTES, 0, 0};
}

/* As many as the ring has room for, again and again. Returns how many. */
static unsigned send_bad_frames(const char *path, double seconds)
{
	unsigned n = 0, most = MASTER_RING_LEN, waiting = 0;
	struct master m;
	uint32_t id, len;
	uint64_t end;

	evs_clock_init();
	end = evs_clock_ns() + (uint64_t)(seconds * 1e9);
	if (master_connect(&m, path) || !master_start(&m, 1ull << 32, 2))
		exit(1);
	if (m.packed)
		most /= DEAR_DESCS + 1;
	describe_dear(&m);
	master_be_quiet(&m, 1, true);
	while (evs_clock_ns() < end) {
		for (; waiting < most; waiting++, n++)
			master_offer(&m, 1, 0);
		waiting -= master_reap(&m, 1, &id, &len);
	}
	master_close(&m);
	return n;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	unsigned rounds;

	seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : (unsigned)getpid();
	printf("seed %u\n", seed);
	fflush(stdout);
	if (argc > 4) {
		printf("%u bad frames\n", send_bad_frames(argv[3], seconds));
		return 0;
	}
	rounds = argc > 3 ? attack_other(argv[3], seconds) : soak(seconds);
	printf("%u connections\n", rounds);
	return 0;
}
