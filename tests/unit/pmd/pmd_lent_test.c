/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of which only the head was copied (pkt_lent.h): through each kind of program to a port
 * that takes such frames (3) and to one that does not (2), every byte as it was.
 */
#include "pkt/pkt_lent.h"
#include "pmd_test_env.h"

#define SIZE_MAX_BYTES 9000
#define N_PIECES       3

static struct fake *a, *b, *c;
static uint8_t memory[SIZE_MAX_BYTES]; /* of the lender */
static uint32_t n_in_vain;

static int start(void **state)
{
	struct pmd_config config = env_config();

	env_pmd_start(&config);
	a = fake_attach(1);
	b = fake_attach(2);
	c = fake_attach(3);
	b->port.mtu = c->port.mtu = SIZE_MAX_BYTES;
	c->port.tx_caps |= PORT_TX_LENT;
	assert_int_equal(pmd_worker_add(0, NULL), 0);
	return 0;
}

static int stop(void **state)
{
	env_pmd_stop();
	return 0;
}

/* The whole frame is in `memory`; of the one that is returned only the head. */
static struct rte_mbuf *frame_lent(uint16_t size)
{
	struct rte_mbuf *m = env_frame(1, 0, PKT_LENT_HEAD);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	struct rte_udp_hdr *udp = (void *)(ip + 1);
	struct pkt_lent *lent = pkt_lent_of(m);
	uint32_t part = (size - PKT_LENT_HEAD) / N_PIECES, at = PKT_LENT_HEAD;

	ip->total_length = rte_cpu_to_be_16((uint16_t)(size - 14));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(size - 34));
	for (uint32_t i = 0; i < size; i++)
		memory[i] = (uint8_t)(i * 7 + (i >> 8));
	memcpy(memory, rte_pktmbuf_mtod(m, const void *), PKT_LENT_HEAD);
	memset(rte_pktmbuf_mtod_offset(m, void *, PKT_LENT_HEAD), 0xee,
	       rte_pktmbuf_tailroom(m)); /* what must not be seen */
	lent->in_vain = &n_in_vain;
	lent->n = N_PIECES;
	for (unsigned i = 0; i < N_PIECES; i++, at += part) {
		lent->piece[i].at = memory + at;
		lent->piece[i].size = i + 1 < N_PIECES ? part : size - at;
	}
	m->pkt_len = size;
	m->data_len = size;
	m->ol_flags |= PKT_LENT;
	return m;
}

/* The next frame of the port is the one in `memory`, with a tag in it or without; is_lent: -1
 * either. */
static void expect(struct fake *f, uint16_t size, int is_lent, bool is_tagged)
{
	struct rte_mbuf *m = env_take(f);
	uint32_t tag = is_tagged ? 4 : 0;
	uint8_t got[SIZE_MAX_BYTES + 4];
	const uint8_t *bytes = got;

	if (is_lent >= 0)
		assert_int_equal(!!(m->ol_flags & PKT_LENT), is_lent);
	assert_int_equal(m->pkt_len, size + tag);
	if (m->ol_flags & PKT_LENT)
		pkt_lent_read(m, got, m->pkt_len, got);
	else
		bytes = rte_pktmbuf_read(m, 0, m->pkt_len, got);
	assert_memory_equal(bytes, memory, 12);
	if (is_tagged)
		assert_int_equal(bytes[12], 0x81);
	assert_memory_equal(bytes + 12 + tag, memory + 12, size - 12u);
	rte_pktmbuf_free(m);
}

static void push_vlan(struct flow_prog_builder *p)
{
	struct flow_op_push_vlan *push = (void *)flow_prog_add(p, FLOW_OP_PUSH_VLAN, 0)->payload;

	push->vlan.tpid = rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN);
	push->vlan.tci = rte_cpu_to_be_16(5);
}

static const uint16_t sizes[] = {PKT_LENT_HEAD + N_PIECES, 1514, 1920 + N_PIECES, 9000};

#define EACH(size)                                                                                 \
	(unsigned i_ = 0, size = 0; i_ < EVS_ARRAY_LEN(sizes) && (size = sizes[i_]); i_++)

static void test_output(void **state)
{
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 3);
	for
		EACH(size)
		{
			n_in_vain = 0;
			env_put(a, frame_lent((uint16_t)size));
			expect(c, (uint16_t)size, true, false);
			assert_int_equal(n_in_vain, 0);
		}
}

static void test_output_elsewhere(void **state)
{
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	for
		EACH(size)
		{
			n_in_vain = 0;
			env_put(a, frame_lent((uint16_t)size));
			expect(b, (uint16_t)size, false, false);
			assert_int_equal(n_in_vain, 1);
		}
}

static void test_tag(void **state)
{
	push_vlan(&env_progs[1]);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 3);
	for
		EACH(size)
		{
			env_put(a, frame_lent((uint16_t)size));
			expect(c, (uint16_t)size, true, true);
		}
}

/* Whoever comes first: both have all bytes. */
static void test_two_receivers(void **state)
{
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 3);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	for
		EACH(size)
		{
			env_put(a, frame_lent((uint16_t)size));
			expect(b, (uint16_t)size, false, false);
			expect(c, (uint16_t)size, -1, false); /* was it sent first? */
		}
}

static void test_edit_after_output(void **state)
{
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	push_vlan(&env_progs[1]);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	for
		EACH(size)
		{
			env_put(a, frame_lent((uint16_t)size));
			expect(b, (uint16_t)size, false, false);
			expect(b, (uint16_t)size, false, true);
		}
}

static void test_recirculation(void **state)
{
	struct flow_op_recirc *again =
	        (void *)flow_prog_add(&env_progs[1], FLOW_OP_RECIRC, 0)->payload;

	again->id = 1;
	flow_prog_add(&env_again[1], FLOW_OP_OUTPUT, 3);
	for
		EACH(size)
		{
			env_put(a, frame_lent((uint16_t)size));
			expect(c, (uint16_t)size, false, false);
		}
}

static struct rte_mbuf *punted;

static void take_punt(const struct pmd_punt *punt, void *arg)
{
	punted = punt->mbuf;
}

static void test_controller(void **state)
{
	struct flow_op_controller *op =
	        (void *)flow_prog_add(&env_progs[1], FLOW_OP_CONTROLLER, 0)->payload;

	op->max_len = UINT16_MAX;
	env_put(a, frame_lent(1514));
	assert_true(ENV_WAIT(pmd_punt_drain(take_punt, NULL, 16) == 1));
	assert_int_equal(punted->ol_flags & PKT_LENT, 0);
	assert_memory_equal(rte_pktmbuf_mtod(punted, const void *), memory, 1514);
	rte_pktmbuf_free(punted);
}

/* What only the complete parser knows is read as far as it wants. */
static void test_rare_frame(void **state)
{
	struct rte_mbuf *m = frame_lent(1514);

	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 3);
	*rte_pktmbuf_mtod_offset(m, uint8_t *, 14) = memory[14] = 0x46;
	env_put(a, m);
	expect(c, 1514, false, false);
}

/* One receiver needs the bytes, and there are no buffers for them: the other has them still. */
static void test_no_buffers(void **state)
{
	struct rte_mempool *small = rte_pktmbuf_pool_create("small", 3, 0, 0, 2176, SOCKET_ID_ANY);
	struct rte_mbuf *m = rte_pktmbuf_alloc(small), *from = frame_lent(9000);
	uint8_t got[SIZE_MAX_BYTES];

	m->pkt_len = m->data_len = 9000;
	m->ol_flags |= PKT_LENT;
	memcpy(rte_pktmbuf_mtod(m, void *), rte_pktmbuf_mtod(from, void *), 1024);
	rte_pktmbuf_free(from);
	rte_mbuf_refcnt_set(m, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pkt_own(m), -ENOMEM);
		assert_int_equal(m->pkt_len, 9000);
		assert_true(m->ol_flags & PKT_LENT);
		pkt_lent_read(m, got, 9000, got);
		assert_memory_equal(got, memory, 9000);
		assert_int_equal(rte_mempool_in_use_count(small), 1);
	}
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(m);
	rte_mempool_free(small);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_output),        TEST(test_output_elsewhere),  TEST(test_tag),
	        TEST(test_two_receivers), TEST(test_edit_after_output), TEST(test_recirculation),
	        TEST(test_controller),    TEST(test_rare_frame),        TEST(test_no_buffers),
	};

	return cmocka_run_group_tests(tests, env_eal_start, env_eal_stop);
}
