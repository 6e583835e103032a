/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that does what it should not, while another one goes on working: rings full of lies,
 * rings that change while they are read, messages at random, sockets flooded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/eventfd.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "vhost/vhu_packed_pvt.h"
#include "vhost/vhu_pvt.h"
#include "vhu_ready.h"

#define ALL (VERSION_1 | 0xffffffull | 1ull << 28 | 1ull << 29)

static struct port *bad_port, *good_port;
static struct master good;

static int setup(void **state)
{
	bad_port = test_open(0, NULL);
	good_port = test_open(1, NULL);
	test_connect(&good, 1);
	if (!master_start(&good, VERSION_1, 2))
		return -1;
	await(good_port->link_up);
	master_refill(&good, 0);
	return 0;
}

static int teardown(void **state)
{
	master_close(&good);
	test_close(0);
	test_close(1);
	return 0;
}

/* The other guest's frames still come and go. */
static void check_good(void)
{
	for (unsigned i = 0; i < 10; i++)
		check_echo(&good);
}

static void connect_bad(struct master *m, uint64_t features)
{
	connect_empty(m, bad_port, features, 4);
}

/* Frames of the bad guest that the worker got. */
static uint64_t n_handed(void)
{
	return evs_load_relaxed(&n_echoed[0]) + evs_load_relaxed(&n_refused[0]);
}

static uint64_t n_bad_buffers(void)
{
	struct port_counters sum;

	port_counters_sum(bad_port, &sum);
	return sum.drops[PKT_DROP_GUEST_BAD_BUFFER];
}

static const struct lie {
	struct vring_desc desc;
	bool is_room;    /* all right to write to: no frame is longer */
	bool has_sequel; /* in a packed ring: what comes behind it is of the chain */
} lies[] = {
        {.desc = {0, 64, 0, 0}},                                   /* below the memory */
        {.desc = {MASTER_GPA + MASTER_MEMORY, 64, 0, 0}},          /* behind it */
        {.desc = {MASTER_GPA + MASTER_MEMORY - 32, 64, 0, 0}},     /* across its end */
        {.desc = {UINT64_MAX - 16, 64, 0, 0}},                     /* wraps */
        {.desc = {MASTER_GPA, 0, 0, 0}},                           /* empty */
        {.desc = {MASTER_GPA, 5, 0, 0}, .is_room = true},          /* less than a header */
        {.desc = {MASTER_GPA, 12, 0, 0}, .is_room = true},         /* only a header */
        {.desc = {MASTER_GPA, UINT32_MAX, 0, 0}, .is_room = true}, /* huge */
        {.desc = {MASTER_GPA, 64, VRING_DESC_F_NEXT, 0},
         .is_room = true,
         .has_sequel = true}, /* a loop of one */
        {.desc = {MASTER_GPA, 64, VRING_DESC_F_NEXT, 60000},
         .has_sequel = true},                                 /* next behind the table */
        {.desc = {MASTER_GPA, 64, VRING_DESC_F_INDIRECT, 0}}, /* a table of garbage */
        {.desc = {MASTER_GPA, 17, VRING_DESC_F_INDIRECT, 0}}, /* and a crooked one */
        {.desc = {0, 4096, VRING_DESC_F_INDIRECT, 0}},        /* and none */
        {.desc = {MASTER_GPA, 64, VRING_DESC_F_WRITE, 0}},    /* wrong direction */
        {.desc = {MASTER_GPA, 64, 0xffff, 0xffff}, .has_sequel = true},
};

#define N_LIES 40 /* of a ring */

static void tell_lies(struct master *m, unsigned ring, const struct lie *lie)
{
	for (unsigned i = 0; i < MASTER_RING_LEN; i++) {
		master_desc(m, ring)[i] = lie->desc;
		master_desc(m, ring)[i].flags ^= ring ? 0 : VRING_DESC_F_WRITE;
	}
	for (uint16_t i = 0; i < N_LIES; i++)
		master_offer(m, ring, i);
}

/* Each costs its frame, and none is believed. */
static void test_bad_descriptors(void **state)
{
	for (unsigned i = 0; i < EVS_ARRAY_LEN(lies); i++) {
		const uint64_t handed = n_handed(), bad = n_bad_buffers();
		struct master m;

		connect_bad(&m, ALL);
		tell_lies(&m, 1, &lies[i]);
		if (!m.packed || !lies[i].has_sequel) {
			await(n_bad_buffers() == bad + N_LIES);
			assert_int_equal(n_handed(), handed);
		}
		check_good();
		master_close(&m);
		await(!bad_port->link_up);
	}
}

/* No frame goes there. */
static void test_bad_room(void **state)
{
	static const uint8_t frame[60] = {2};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(lies); i++) {
		const uint64_t handed = n_handed(), echoed = evs_load_relaxed(&n_echoed[0]);
		struct master m;

		connect_bad(&m, ALL);
		tell_lies(&m, 0, &lies[i]);
		for (unsigned j = 0; j < 8; j++)
			master_transmit(&m, 1, NULL, frame, sizeof(frame));
		await(n_handed() == handed + 8);
		if (!lies[i].is_room && (!m.packed || !lies[i].has_sequel))
			assert_int_equal(evs_load_relaxed(&n_echoed[0]), echoed);
		check_good();
		master_close(&m);
		await(!bad_port->link_up);
	}
}

/* A poll costs one bad frame at most, of which the worker is told, and which comes back. */
static void test_bad_burst(void **state)
{
	struct rte_mbuf *mbufs[32];
	struct master m;
	uint32_t id, len;

	connect_bad(&m, VERSION_1);
	evs_store_release(&echo_ports[0], NULL); /* we are the worker */
	evs_rcu_synchronize();
	port_n_bad = 0;
	for (uint16_t i = 0; i < 8; i++)
		master_desc(&m, 1)[i] =
		        (struct vring_desc){i == 2 || i > 4 ? 0 : master_buf_gpa(1, i), 72, 0, 0};
	for (uint16_t i = 0; i < 8; i++)
		master_offer(&m, 1, i);
	for (unsigned i = 0; i < 5; i++) {
		static const uint16_t n_good[] = {2, 2, 0, 0, 0}, n_bad[] = {1, 1, 1, 1, 0};
		uint16_t n = bad_port->rx(bad_port, 0, mbufs, 32);

		assert_int_equal(n, n_good[i]);
		assert_int_equal(port_n_bad, n_bad[i]);
		assert_int_equal(master_reap(&m, 1, &id, &len), n_good[i] + n_bad[i]);
		port_n_bad = 0;
		rte_pktmbuf_free_bulk(mbufs, n);
	}
	evs_store_release(&echo_ports[0], bad_port);
	master_close(&m);
	await(!bad_port->link_up);
}

/* Buffers of no bytes would be work without end: 65,535 chains of them for each frame. */
static void test_empty_buffers(void **state)
{
	uint64_t refused;
	struct master m;

	connect_bad(&m, ALL);
	refused = evs_load_relaxed(&n_refused[0]);
	for (uint16_t i = 0; i < MASTER_RING_LEN; i++)
		master_desc(&m, 0)[i] = (struct vring_desc){
		        master_buf_gpa(0, i), i % 2 ? 2048 : 0,
		        VRING_DESC_F_WRITE | (i % 2 ? 0 : VRING_DESC_F_NEXT), (uint16_t)(i + 1)};
	for (uint16_t i = 0; i < MASTER_RING_LEN; i += 2)
		master_offer(&m, 0, i);
	master_transmit(&m, 1, NULL, "0123456789abcdef0123", 20);
	await(evs_load_relaxed(&n_refused[0]) == refused + 1);
	check_good();
	master_close(&m);
	await(!bad_port->link_up);
}

static void find_rest(void *arg, const char *key, const char *value)
{
	if (!strcmp(key, "ring1") && strstr(value, "has no end"))
		*(bool *)arg = true;
}

static bool is_at_rest(void)
{
	bool found = false;

	vhu_get_status(bad_port, find_rest, &found);
	return found;
}

/* In a packed ring nobody can tell where the next buffer is: who looks at the port learns why. */
static void test_endless_chain(void **state)
{
	struct master m;

	if (!good.packed)
		skip();
	connect_bad(&m, ALL);
	assert_false(is_at_rest());
	for (unsigned i = 1; i <= MASTER_RING_LEN; i++)
		__atomic_store_n(&master_packed(&m, 1)[MASTER_RING_LEN - i].flags,
		                 VHU_AVAIL | VRING_DESC_F_NEXT, __ATOMIC_RELEASE);
	await(is_at_rest());
	check_good();
	assert_true(master_stop_vring(&m, 1));
	assert_false(is_at_rest());
	master_close(&m);
	await(!bad_port->link_up);
}

/* Heads of chains that are none, though each descriptor of the table is a frame, and as many of
 * them as there can not be. Packed rings have no heads: there all is garbage. */
static void test_bad_indices(void **state)
{
	for (unsigned i = 0; i < 20; i++) {
		const uint64_t handed = n_handed();
		struct master m;

		connect_bad(&m, i & 1 ? ALL : VERSION_1);
		for (unsigned ring = 0; ring < MASTER_RINGS; ring++) {
			uint8_t *table = (uint8_t *)master_desc(&m, ring);

			for (uint16_t j = 0; j < MASTER_RING_LEN; j++)
				master_desc(&m, ring)[j] = (struct vring_desc){
				        m.packed ? 0 : master_buf_gpa(ring, j), 72, 0, 0};
			memset(table + 0x1000, (int)(i * 37), 0x3000);
			m.next[ring] = (uint16_t)(i * 9000);
			master_offer(&m, ring, 0xffff);
		}
		check_good(); /* so the worker has been around ten times */
		assert_int_equal(n_handed(), handed);
		master_close(&m);
		await(!bad_port->link_up);
	}
}

/* Everything that the worker reads changes all the time. */
static void test_changing_rings(void **state)
{
	unsigned seed = 3;

	for (unsigned round = 0; round < 10; round++) {
		struct master m;

		connect_bad(&m, round & 1 ? ALL : VERSION_1);
		for (unsigned i = 0; i < 200000; i++) {
			uint32_t at = (uint32_t)rand_r(&seed) % (MASTER_RINGS * 0x4000u);

			m.mem[at] = (uint8_t)rand_r(&seed);
			if (i % 64 == 0)
				master_offer(&m, i / 64 % MASTER_RINGS, (uint16_t)rand_r(&seed));
		}
		check_good();
		master_close(&m);
		await(!bad_port->link_up);
	}
}

static void random_msg(unsigned *seed, struct master_msg *msg)
{
	static const uint32_t sizes[] = {0, 8, 8, 8, 40, 40, 72, 264, 512, 4000, UINT32_MAX};

	memset(msg, 0, sizeof(*msg));
	msg->request = (uint32_t)rand_r(seed) % MASTER_N_REQUESTS;
	msg->flags = rand_r(seed) % 8 ? 1 : (uint32_t)rand_r(seed) % 16;
	msg->size = sizes[(unsigned)rand_r(seed) % EVS_ARRAY_LEN(sizes)];
	for (unsigned i = 0; i < 64; i++)
		msg->bytes[i] = rand_r(seed) % 3 ? 0 : (uint8_t)rand_r(seed);
	if (rand_r(seed) % 2)
		msg->state.index %= MASTER_RINGS;
}

static void drain(struct master *m)
{
	uint8_t buf[4096];

	while (recv(m->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

/* Messages at random, into a connection that works, with traffic. */
static void test_random_messages(void **state)
{
	unsigned seed = 5;

	for (unsigned round = 0; round < 300; round++) {
		struct master_msg msg;
		struct master m;

		test_connect(&m, 0);
		if (round % 4)
			master_start(&m, round % 2 ? ALL : VERSION_1, 4);
		for (unsigned i = 0; i < 30; i++) {
			random_msg(&seed, &msg);
			master_transmit(&m, 1, NULL, "0123456789abcdef0123", 20);
			if (!master_send(&m, &msg, rand_r(&seed) % 3 ? -1 : m.event_fd))
				break;
			drain(&m);
		}
		if (round % 50 == 0)
			check_good();
		master_close(&m);
	}
	check_good();
	await(!bad_port->link_up);
}

static void test_memory_taken_away(void **state)
{
	for (unsigned i = 0; i < 10; i++) {
		const uint64_t handed = n_handed();
		struct master m;
		struct master_msg msg = {.request = MASTER_SET_MEM_TABLE, .flags = 1, .size = 8};

		connect_bad(&m, VERSION_1);
		master_refill(&m, 0);
		master_transmit(&m, 1, NULL, "0123456789abcdef0123", 20);
		await(n_handed() == handed + 1);
		master_send(&m, &msg, -1); /* no region at all */
		all_handled(&m);
		for (unsigned j = 0; j < 100; j++)
			master_transmit(&m, 1, NULL, "0123456789abcdef0123", 20);
		check_good();
		assert_int_equal(n_handed(), handed + 1);
		master_close(&m);
		await(!bad_port->link_up);
	}
}

/* The file behind the memory is cut: what the worker polls is gone. */
static void test_memory_truncated(void **state)
{
	vhu_guard_init(); /* cmocka has put its own handler there */
	for (unsigned i = 0; i < 10; i++) {
		const struct vhu *vhu = bad_port->priv;
		uint64_t before = vhu_guard_faults(), cuts = evs_load_relaxed(&vhu->n_cuts);
		struct master_msg answer;
		struct master m;

		connect_bad(&m, VERSION_1);
		master_refill(&m, 0);
		assert_int_equal(ftruncate(m.mem_fd, 0), 0);
		await(vhu_guard_faults() > before);
		assert_false(master_receive(&m, &answer)); /* it is sent away */
		await(evs_load_relaxed(&vhu->n_cuts) == cuts + 1);
		check_good();
		master_close(&m);
		await(!bad_port->link_up);
	}
}

/* Each page that is missed would be a mapping or two of its own, until there can be no more. */
static void test_memory_of_many_pages(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 80000 * page;
	static struct vhu_conn owner;
	uint64_t before = vhu_guard_faults();
	volatile uint8_t *mem;
	int fd = memfd_create("many", MFD_CLOEXEC);
	uint8_t sum = 0;

	vhu_guard_init();
	owner.fd = -1;
	owner.mem.n = 1;
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(mem != MAP_FAILED);
	assert_true(vhu_guard_add(&owner, (void *)(uintptr_t)mem, size));
	mem[0] = 1;
	assert_int_equal(ftruncate(fd, 0), 0);
	for (size_t at = 0; at < size; at += 2 * page)
		sum |= mem[at];
	assert_int_equal(sum, 0);
	assert_int_equal(vhu_guard_faults(), before + 1);
	assert_int_equal(owner.mem.n, 0);
	assert_true(owner.is_cut);
	vhu_guard_del(&owner);
	munmap((void *)(uintptr_t)mem, size);
	close(fd);
}

/* Many guests: one whose memory could not be told from evsd's own is not served. */
static void test_memory_unguarded(void **state)
{
	static struct vhu_conn others;
	struct vhu *vhu = bad_port->priv;
	const uint64_t refused = evs_load_relaxed(&vhu->n_refused);
	struct master_msg answer;
	struct master m;

	while (vhu_guard_add(&others, &answer, 1))
		;
	test_connect(&m, 0);
	master_start(&m, VERSION_1, 2);
	assert_false(master_receive(&m, &answer));
	assert_int_equal(evs_load_relaxed(&vhu->n_refused), refused + 1);
	assert_false(bad_port->link_up);
	master_close(&m);
	vhu_guard_del(&others);
	connect_bad(&m, VERSION_1);
	master_close(&m);
	await(!bad_port->link_up);
}

static void test_toggling(void **state)
{
	struct master m;

	connect_bad(&m, VERSION_1);
	for (unsigned i = 0; i < 20000; i++)
		if (!master_enable(&m, i % MASTER_RINGS, i / MASTER_RINGS % 2))
			break;
	check_good();
	master_close(&m);
	await(!bad_port->link_up);
}

/* What ends the connection, said by a guest whose rings work, and asking for a reply, which would
 * make the library go on. */
static void test_refused_messages(void **state)
{
	static const struct {
		const char *what;
		struct master_msg msg;
		bool with_fd;
	} cases[] = {
	        {"memory that is no memory",
	         {MASTER_SET_MEM_TABLE, 9, 40, .mem = {1, 0, {{MASTER_GPA, 4096, 4096, 0}}}},
	         true},
	        {"regions without files",
	         {MASTER_SET_MEM_TABLE, 9, 72, .mem = {2, 0, {{MASTER_GPA, 4096, 4096, 0}}}},
	         true},
	        {"a ring in use grows", {MASTER_SET_VRING_NUM, 9, 8, .state = {1, 4096}}, false},
	        {"and moves", {MASTER_SET_VRING_BASE, 9, 8, .state = {1, 77}}, false},
	        {"a ring too large", {MASTER_SET_VRING_NUM, 9, 8, .state = {7, 32768}}, false},
	        {"too many rings", {MASTER_SET_VRING_NUM, 9, 8, .state = {200, 256}}, false},
	        {"a ring that is none", {MASTER_GET_VRING_BASE, 9, 8, .state = {99, 0}}, false},
	        {"other features", {MASTER_SET_FEATURES, 9, 8, .u64 = VERSION_1}, false},
	        {"in-flight buffers of gigabytes",
	         {31, 9, 20, .bytes = {[16] = 0xff, 0xff, 0xff, 0xff}},
	         false},
	        {"in-flight buffers behind their file",
	         {32, 9, 20, .bytes = {[1] = 0x10, [16] = 0xff, 0, 0xff, 0xff}},
	         true},
	        {"a log behind its file",
	         {MASTER_SET_LOG_BASE, 9, 16, .bytes = {[1] = 0x10, [9] = 0x10}},
	         true},
	        {"addresses with a file, which the library minds",
	         {MASTER_SET_VRING_ADDR, 9, 40, .state = {0, 0}},
	         true},
	        {"a userfaultfd", {28, 9, 0, .u64 = 0}, false},
	        {"an IOMMU", {22, 9, 40, .u64 = 0}, false},
	};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(cases); i++) {
		struct master m;
		struct master_msg answer;

		connect_bad(&m, ALL & ~(1ull << 26));
		master_refill(&m, 0);
		assert_true(master_send(&m, &cases[i].msg, cases[i].with_fd ? m.event_fd : -1));
		master_transmit(&m, 1, NULL, "0123456789abcdef0123", 20);
		if (master_receive(&m, &answer))
			fail_msg("%s: answered", cases[i].what);
		check_good();
		master_close(&m);
		await(!bad_port->link_up);
	}
}

/* The last descriptor brought the message: then a guest is not served rather than never called. */
static void test_no_descriptors(void **state)
{
	static const uint32_t requests[] = {MASTER_SET_VRING_CALL, MASTER_SET_VRING_KICK};
	struct vhu *vhu = bad_port->priv;

	for (unsigned i = 0; i < EVS_ARRAY_LEN(requests); i++) {
		const struct master_msg msg = {requests[i], 9, 8, .u64 = 0};
		const uint64_t refused = evs_load_relaxed(&vhu->n_refused);
		struct master_msg answer;
		struct rlimit usual, scarce;
		struct master m;
		int next;

		connect_bad(&m, VERSION_1);
		next = dup(m.fd);
		close(next);
		assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
		scarce = (struct rlimit){(rlim_t)next + 1, usual.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &scarce), 0);
		assert_true(master_send(&m, &msg, m.event_fd));
		assert_false(master_receive(&m, &answer));
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
		assert_int_equal(evs_load_relaxed(&vhu->n_refused), refused + 1);
		check_good();
		master_close(&m);
		await(!bad_port->link_up);
	}
}

/* A file that is, or is not, memory; without a name. */
static int open_file(bool is_memory)
{
	static const char *const dirs[] = {"/dev/shm", "/tmp", "/run", ".", "/var/tmp", "/"};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(dirs); i++) {
		int fd = open(dirs[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

		if (fd >= 0 && (fcntl(fd, F_GET_SEALS) >= 0) == is_memory &&
		    !ftruncate(fd, MASTER_MEMORY))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

/* Memory, or a log, on a disk: workers would wait for that, and FUSE can be a disk. */
static void test_files_on_disk(void **state)
{
	struct master_msg log = {MASTER_SET_LOG_BASE, 9, 16, .bytes = {[1] = 0x10}}, answer;
	int disk = open_file(false), memory = open_file(true);
	struct vhu *vhu = bad_port->priv;
	const uint64_t refused = evs_load_relaxed(&vhu->n_refused);
	struct master m;

	if (disk < 0 || memory < 0)
		skip();
	test_connect(&m, 0);
	assert_int_equal(dup2(disk, m.mem_fd), m.mem_fd);
	master_start(&m, VERSION_1, 2);
	assert_false(master_receive(&m, &answer));
	assert_int_equal(evs_load_relaxed(&vhu->n_refused), refused + 1);
	master_close(&m);

	connect_bad(&m, ALL);
	assert_true(master_send(&m, &log, disk));
	assert_false(master_receive(&m, &answer));
	assert_int_equal(evs_load_relaxed(&vhu->n_refused), refused + 2);
	master_close(&m);
	await(!bad_port->link_up);

	test_connect(&m, 0);
	assert_int_equal(dup2(memory, m.mem_fd), m.mem_fd);
	assert_true(master_start(&m, VERSION_1, 2));
	await(bad_port->link_up);
	check_good();
	master_close(&m);
	await(!bad_port->link_up);
	close(disk);
	close(memory);
}

/* As the rings of guests behind an IOMMU are. */
static void serve_by_library(void)
{
	struct vhu *vhu = bad_port->priv;

	vhu_rings_pause(vhu->served, VHU_REST_FOR_GOOD);
	evs_store_relaxed(&vhu->served->is_ours, false);
}

/* Only of eventfds is known what reading, writing, closing them takes. */
static void test_strange_events(void **state)
{
	static const uint32_t requests[] = {MASTER_SET_VRING_CALL, MASTER_SET_VRING_KICK};
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	for (unsigned i = 0; i < EVS_ARRAY_LEN(requests); i++) {
		struct master_msg msg = {.request = requests[i], .flags = 9, .size = 8};
		struct master m;

		connect_bad(&m, ALL);
		assert_true(master_send(&m, &msg, pipes[1]));
		assert_false(master_receive(&m, &msg));
		check_good();
		master_close(&m);
		await(!bad_port->link_up);
	}
	close(pipes[0]);
	close(pipes[1]);
}

/* A worker that calls a guest would wait for ever: the sum of the eventfd is at its maximum. */
static void test_calls_that_block(void **state)
{
	struct master m;
	eventfd_t sum;

	if (!vhu_call_init())
		skip(); /* the kernel's part in it is missing here */
	for (unsigned i = 0; i < 2; i++) {
		connect_bad(&m, ALL & ~(1ull << VIRTIO_RING_F_EVENT_IDX));
		if (i)
			serve_by_library();
		do /* evs may have called before */
			eventfd_read(m.event_fd, &sum);
		while (eventfd_write(m.event_fd, UINT64_MAX - 1));
		assert_int_equal(fcntl(m.event_fd, F_SETFL, 0), 0); /* ours as well as evs' */
		for (unsigned k = 0; k < 10; k++)
			master_transmit(&m, 1, NULL, "0123456789abcdef0123", 20);
		await((master_reap(&m, 1, &(uint32_t){0}, &(uint32_t){0}), m.used[1] == 10));
		check_good();
		master_close(&m);
		await(!bad_port->link_up);
	}
}

/* Is the thread that serves all guests' sockets still there? */
static void check_messages(void)
{
	assert_true(master_stop_vring(&good, 0) && master_stop_vring(&good, 1));
	await(!good_port->link_up);
	assert_true(master_start(&good, VERSION_1, 2));
	await(good_port->link_up);
	master_refill(&good, 0);
	check_good();
}

static void test_half_messages(void **state)
{
	static const struct master_msg msg = {
	        .request = MASTER_SET_FEATURES, .flags = 1, .size = 8};

	/* after a whole header the library waits, with less it gives up at once */
	for (size_t size = 1; size < 12 + 8; size += size < 11 ? 5 : 1) {
		struct master m;

		connect_bad(&m, VERSION_1);
		assert_int_equal(send(m.fd, &msg, size, MSG_NOSIGNAL), size);
		check_messages();
		master_close(&m);
		await(!bad_port->link_up);
	}
}

/* Asks and asks, and does not listen. */
static void test_replies_not_read(void **state)
{
	static const struct master_msg msg = {.request = MASTER_GET_FEATURES, .flags = 1};
	struct master m;

	test_connect(&m, 0);
	while (master_send(&m, &msg, -1))
		;
	check_messages();
	master_close(&m);
}

/* The file of the memory is cut before the library reads a ring's index in it. */
static void test_memory_cut_early(void **state)
{
	struct master m;

	vhu_guard_init();
	connect_bad(&m, VERSION_1);
	assert_true(master_stop_vring(&m, 0));
	assert_int_equal(ftruncate(m.mem_fd, 0), 0);
	master_set_vring(&m, 0);
	check_messages();
	master_close(&m);
	await(!bad_port->link_up);
}

/* A buffer's neighbour begins behind the slack of port_pool.c. */
static void look_behind(struct rte_mempool *pool, void *written, void *obj, unsigned i)
{
	const struct rte_mbuf *m = obj;
	uint8_t *end = (uint8_t *)m->buf_addr + m->buf_len;

	assert_true(end + 2 <= (uint8_t *)obj + pool->elt_size);
	*(unsigned *)written += *end != 0;
	*end = 0;
}

/* A checksum that is to be written half behind the buffer: 2,048 bytes fill one. The library does
 * so, which is why there is slack; rings of ours find the lie. */
static void test_checksum_at_the_end(void **state)
{
	const struct virtio_net_hdr hdr = {
	        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 2000, .csum_offset = 47};

	for (unsigned by_library = 0; by_library < 2; by_library++) {
		unsigned written = 0;
		uint32_t id, len;
		struct master m;

		connect_bad(&m, VERSION_1 | 1);
		if (by_library)
			serve_by_library();
		rte_mempool_obj_iter(bad_port->pool, look_behind, &written);
		memset(master_buf(&m, 1, 0), 0, MASTER_BUF_SIZE);
		memcpy(master_buf(&m, 1, 0), &hdr, sizeof(hdr));
		master_desc(&m, 1)[0] =
		        (struct vring_desc){master_buf_gpa(1, 0), 12, VRING_DESC_F_NEXT, 1};
		master_desc(&m, 1)[1] = (struct vring_desc){master_buf_gpa(1, 1), 2048, 0, 0};
		for (unsigned i = 0; i < 10; i++) {
			master_offer(&m, 1, 0);
			await(master_reap(&m, 1, &id, &len) > 0);
		}
		written = 0;
		rte_mempool_obj_iter(bad_port->pool, look_behind, &written);
		assert_int_equal(written > 0, by_library);
		check_good();
		master_close(&m);
		await(!bad_port->link_up);
	}
}

static void test_flood_of_connections(void **state)
{
	for (unsigned i = 0; i < 500; i++) {
		struct master m;

		test_connect(&m, 0);
		if (i % 2)
			master_send(&m, &(struct master_msg){.request = 1, .flags = 1}, -1);
		master_close(&m);
	}
	check_good();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_bad_descriptors),
	        cmocka_unit_test(test_bad_room),
	        cmocka_unit_test(test_empty_buffers),
	        cmocka_unit_test(test_bad_burst),
	        cmocka_unit_test(test_endless_chain),
	        cmocka_unit_test(test_bad_indices),
	        cmocka_unit_test(test_changing_rings),
	        cmocka_unit_test(test_random_messages),
	        cmocka_unit_test(test_memory_taken_away),
	        cmocka_unit_test(test_memory_truncated),
	        cmocka_unit_test(test_memory_of_many_pages),
	        cmocka_unit_test(test_memory_unguarded),
	        cmocka_unit_test(test_toggling),
	        cmocka_unit_test(test_refused_messages),
	        cmocka_unit_test(test_no_descriptors),
	        cmocka_unit_test(test_files_on_disk),
	        cmocka_unit_test(test_strange_events),
	        cmocka_unit_test(test_calls_that_block),
	        cmocka_unit_test(test_half_messages),
	        cmocka_unit_test(test_replies_not_read),
	        cmocka_unit_test(test_memory_cut_early),
	        cmocka_unit_test(test_checksum_at_the_end),
	        cmocka_unit_test(test_flood_of_connections),
	};
	int ret;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	test_start();
	ret = cmocka_run_group_tests(tests, setup, teardown);
	test_end();
	return ret;
}
