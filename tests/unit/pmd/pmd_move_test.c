/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Change under traffic: queues that move, workers that come and go, ports that come and go. What
 * is checked: nothing is lost, nothing overtakes, the account adds up, all buffers come back.
 * A thread plays the wire: it sends numbered frames and checks the numbers that come out.
 */
#include <pthread.h>
#include <sys/resource.h>

#include "pmd/pmd_pvt.h"
#include "pmd_test_env.h"
#include "port/port_debt.h"

#define IN_FLIGHT 400

static unsigned cpus[2]; /* that this process may use */
static unsigned n_cpus;

static struct {
	pthread_t thread;
	bool stop;
	uint32_t sent[ENV_QUEUES], got[ENV_QUEUES]; /* by receive queue of port 1 */
	uint64_t disorder, drained;
} wire;

static bool put(unsigned queue)
{
	struct fake *f = &env_ports[1];
	struct rte_mbuf *m;

	if (wire.sent[queue] - wire.got[queue] >= IN_FLIGHT)
		return false;
	m = env_frame(queue, wire.sent[queue], ENV_FRAME_SIZE);
	if (!m)
		return false;
	wire_sync(f);
	if (rte_ring_enqueue(f->in[queue], m)) {
		rte_pktmbuf_free(m);
		return false;
	}
	evs_store_relaxed(&wire.sent[queue], wire.sent[queue] + 1);
	return true;
}

static bool take_checked(void)
{
	const struct rte_udp_hdr *udp;
	struct rte_mbuf *m;
	unsigned queue;

	if (rte_ring_dequeue(env_ports[2].out[0], (void **)&m))
		return false;
	wire_sync(&env_ports[2]);
	udp = rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, 34);
	queue = rte_be_to_cpu_16(udp->src_port) % ENV_QUEUES;
	if (env_seq(m) != wire.got[queue])
		wire.disorder++;
	evs_store_relaxed(&wire.got[queue], env_seq(m) + 1);
	rte_pktmbuf_free(m);
	return true;
}

/* What goes to other ports is only taken off. */
static void drain_others(void)
{
	void *m;

	for (unsigned i = 3; i <= ENV_PORTS; i++)
		while (env_ports[i].out[0] && rte_ring_dequeue(env_ports[i].out[0], &m) == 0) {
			wire_sync(&env_ports[i]);
			rte_pktmbuf_free(m);
			wire.drained++;
		}
}

static void *main_of_wire(void *arg)
{
	while (!evs_load_relaxed(&wire.stop)) {
		bool any = false;

		for (unsigned i = 0; i < 16; i++)
			for (unsigned q = 0; q < evs_load_relaxed(&env_ports[1].port.n_rxq); q++)
				any |= put(q);
		while (take_checked())
			any = true;
		drain_others();
		if (!any)
			usleep(20);
	}
	return NULL;
}

static void wire_start(void)
{
	memset(&wire, 0, sizeof(wire));
	assert_int_equal(pthread_create(&wire.thread, NULL, main_of_wire, NULL), 0);
}

static uint32_t wire_got(void)
{
	return evs_load_relaxed(&wire.got[0]) + evs_load_relaxed(&wire.got[1]);
}

static bool account_adds_up(void)
{
	struct pmd_account a = env_account();

	return a.rx + a.injected + a.copies == a.tx + a.dropped + a.punted;
}

/* Ends the wire when all that it sent came back. */
static void wire_stop(void)
{
	evs_store_relaxed(&wire.stop, true);
	pthread_join(wire.thread, NULL);
	for (unsigned q = 0; q < ENV_QUEUES; q++)
		assert_true(ENV_WAIT((take_checked(), wire.got[q] == wire.sent[q])));
	drain_others();
	assert_int_equal(wire.disorder, 0);
	assert_true(ENV_WAIT(account_adds_up()));
}

static void count_queues(unsigned worker, const struct pmd_worker_stats *s, void *arg)
{
	*(unsigned *)arg += s->n_queues;
}

static bool queues_are_polled(unsigned want)
{
	unsigned n = 0;

	pmd_workers_walk(count_queues, &n);
	return n == want;
}

static int start(void **state)
{
	struct pmd_config config = env_config();

	env_pmd_start(&config);
	fake_open(1, 2);
	fake_open(2, 1); /* all workers send by one queue, so there is one order */
	env_ports[1].port.n_txq = 1;
	assert_int_equal(pmd_port_attach(&env_ports[1].port, NULL), 0);
	assert_int_equal(pmd_port_attach(&env_ports[2].port, NULL), 0);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	assert_int_equal(pmd_worker_add(cpus[0], NULL), 0);
	assert_true(ENV_WAIT(queues_are_polled(3)));
	return 0;
}

static int stop(void **state)
{
	env_pmd_stop();
	return 0;
}

struct where {
	uint16_t queue;
	unsigned cpu;
	double load;
};

static void find_queue(const struct pmd_queue_stats *q, void *arg)
{
	struct where *where = arg;

	if (q->port->index == 1 && q->queue == where->queue) {
		where->cpu = q->cpu;
		where->load = q->load;
	}
}

static struct where where_is(uint16_t queue)
{
	struct where where = {.queue = queue};

	pmd_queues_walk(find_queue, &where);
	return where;
}

static void test_queues_move(void **state)
{
	uint32_t got = 0;

	if (n_cpus < 2)
		skip();
	assert_int_equal(pmd_worker_add(cpus[1], NULL), 0);
	wire_start();
	for (unsigned i = 0; i < 200; i++) {
		uint16_t queue = i % 2;
		unsigned cpu = cpus[(i / 2) % 2];

		assert_int_equal(pmd_queue_move(&env_ports[1].port, queue, cpu, NULL), 0);
		assert_int_equal(where_is(queue).cpu, cpu);
		if (i % 3) /* else the next move meets this one under way */
			assert_true(ENV_WAIT(wire_got() - got > 20));
		got = wire_got();
	}
	wire_stop();
	assert_int_equal(env_account().dropped, 0);
}

/* The queues of a port whose node becomes known go to the worker there, with their packets. */
static void test_queues_follow_the_node(void **state)
{
	struct port *port = &env_ports[1].port;
	const int here = pmd_workers[0]->numa_node;

	if (n_cpus < 2)
		skip();
	assert_int_equal(pmd_worker_add(cpus[1], NULL), 0);
	pmd_workers[1]->numa_node = here + 1; /* as if the machine had another node */
	for (uint16_t queue = 0; queue < 2; queue++)
		assert_int_equal(pmd_queue_move(port, queue, cpus[0], NULL), 0);
	wire_start();
	for (unsigned i = 0; i < 20; i++) {
		port->numa_node = here + (i + 1) % 2;
		assert_int_equal(pmd_port_queues_changed(port, NULL), 0);
		for (uint16_t queue = 0; queue < 2; queue++)
			assert_int_equal(where_is(queue).cpu, cpus[(i + 1) % 2]);
		assert_int_equal(pmd_queue_move(port, 0, cpus[i % 2], NULL), 0);
		assert_int_equal(pmd_port_queues_changed(port, NULL),
		                 0); /* what a user moves stays */
		assert_int_equal(where_is(0).cpu, cpus[i % 2]);
	}
	wire_stop();
	port->numa_node = -1;
}

static bool worker_gone(unsigned id)
{
	return pmd_worker_cache(id) == NULL;
}

static void test_workers_come_and_go(void **state)
{
	if (n_cpus < 2)
		skip();
	wire_start();
	for (unsigned i = 0; i < 20; i++) {
		unsigned other = cpus[(i + 1) % 2], one = cpus[i % 2];
		uint32_t got;

		assert_int_equal(pmd_worker_add(other, NULL), 0);
		assert_int_equal(pmd_worker_add(other, NULL), -EEXIST);
		assert_int_equal(pmd_worker_del(one, NULL), 0);
		assert_int_equal(pmd_n_workers(), 1);
		got = wire_got();
		assert_true(ENV_WAIT(wire_got() - got > 20));
		assert_true(ENV_WAIT(worker_gone(i % 2)));
		assert_int_equal(where_is(0).cpu, other);
	}
	wire_stop();
}

static void test_no_worker_then_one(void **state)
{
	struct evs_error err;

	assert_int_equal(pmd_worker_del(cpus[0], NULL), 0);
	assert_true(ENV_WAIT(worker_gone(0)));
	wire_start();
	assert_int_equal(pmd_rebalance(&err), -ENOENT);
	assert_int_equal(pmd_worker_add(cpus[0], NULL), 0);
	assert_true(ENV_WAIT(wire_got() > 500));
	wire_stop();
	assert_int_equal(pmd_worker_add(CPU_SETSIZE + 1, &err), -EINVAL);
	assert_int_equal(pmd_worker_add(CPU_SETSIZE - 1, &err), -EINVAL);
}

static unsigned n_done;

static void done(struct port *port, void *arg)
{
	assert_ptr_equal(arg, &n_done);
	n_done++;
	fake_free_counters((struct fake *)port); /* its rings are the wire's */
}

static void test_ports_come_and_go(void **state)
{
	unsigned n_detached = 0;
	uint32_t got = 0;

	n_done = 0;
	for (unsigned i = 3; i <= 6; i++) {
		flow_prog_builder_init(&env_progs[i]);
		flow_prog_add(&env_progs[i], FLOW_OP_OUTPUT, 1);
	}
	flow_prog_builder_init(&env_progs[1]);
	for (unsigned i = 3; i <= 6; i++)
		flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, i);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	for (unsigned i = 3; i <= 6; i++)
		fake_open(i, 1); /* makes the rings, before the wire looks at them */
	if (n_cpus > 1)
		assert_int_equal(pmd_worker_add(cpus[1], NULL), 0);
	wire_start();
	for (unsigned i = 0; i < 100; i++) {
		uint16_t index = 3 + i % 4;

		fake_attach(index);
		assert_int_equal(pmd_port_attach(&env_ports[index].port, NULL), -EEXIST);
		if (i % 2)
			assert_true(ENV_WAIT(wire_got() - got > 20));
		got = wire_got();
		pmd_port_detach(&env_ports[index].port, done, &n_done);
		n_detached++;
		assert_true(ENV_WAIT(n_done == n_detached));
	}
	wire_stop();
}

static void test_queue_count_changes(void **state)
{
	struct fake *f = &env_ports[1];

	wire_start();
	for (unsigned i = 0; i < 50; i++) {
		uint32_t got = evs_load_relaxed(&wire.got[0]);

		evs_store_relaxed(&f->port.n_rxq, 1 + i % 2);
		assert_int_equal(pmd_port_queues_changed(&f->port, NULL), 0);
		assert_true(ENV_WAIT(evs_load_relaxed(&wire.got[0]) - got > 20));
	}
	wire_stop();
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void sum_sleeps(unsigned worker, const struct pmd_worker_stats *s, void *arg)
{
	*(uint64_t *)arg += s->sleeps;
}

static bool sleeps_no_more(void)
{
	uint64_t before = 0, after = 0;

	pmd_workers_walk(sum_sleeps, &before);
	usleep(50000);
	pmd_workers_walk(sum_sleeps, &after);
	return before == after;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* An idle worker sleeps and wakes in time; one that shall not sleep does not. */
static void test_sleep(void **state)
{
	struct pmd_config config = env_config();
	uint64_t sleeps = 0, took[100];
	cpu_set_t set, before;
	double used;

	sched_getaffinity(0, sizeof(before), &before);
	CPU_ZERO(&set); /* not beside the worker */
	CPU_SET(cpus[n_cpus - 1], &set);
	sched_setaffinity(0, sizeof(set), &set);
	usleep(200000);
	used = cpu_seconds();
	usleep(300000);
	used = (cpu_seconds() - used) / 0.3;
	/* 1,500, if nobody else wants the CPU */
	assert_true(ENV_WAIT((pmd_workers_walk(sum_sleeps, &sleeps), sleeps > 0)));
	for (unsigned i = 0; i < 100; i++) {
		uint64_t sent;
		void *m = NULL;

		usleep(i % 10 ? 1000 : 110000); /* every tenth time it sleeps deeply */
		sent = evs_clock_ns();
		env_put(&env_ports[1], env_frame(0, i, ENV_FRAME_SIZE));
		while (rte_ring_dequeue(env_ports[2].out[0], &m) &&
		       evs_clock_ns() - sent < ENV_WAIT_NS)
			;
		assert_non_null(m);
		took[i] = evs_clock_ns() - sent;
		wire_sync(&env_ports[2]);
		rte_pktmbuf_free(m);
	}
	qsort(took, 100, sizeof(took[0]), compare_u64);
	print_message(
	        "idle worker: %.1f %% of a CPU; wake-up %.1f us at the median, %.1f at 90 %%\n",
	        used * 100, (double)took[50] / 1000, (double)took[90] / 1000);
	config.adaptive_sleep = false;
	pmd_configure(&config);
	assert_true(ENV_WAIT(sleeps_no_more())); /* a sleep that had begun may end later */
	sched_setaffinity(0, sizeof(before), &before);
}

static void test_load_spreads(void **state)
{
	if (n_cpus < 2)
		skip();
	assert_int_equal(pmd_queue_move(&env_ports[1].port, 1, cpus[0], NULL), 0);
	wire_start();
	assert_int_equal(pmd_worker_add(cpus[1], NULL), 0);
	assert_true(ENV_WAIT(where_is(0).cpu != where_is(1).cpu));
	assert_true(ENV_WAIT(where_is(0).load > 0.0001 && where_is(0).load <= 1.0));
	assert_int_equal(pmd_rebalance(NULL), 0);
	assert_true(where_is(0).cpu != where_is(1).cpu);
	wire_stop();
}

static uint16_t drop_all(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	port_n_bad++;
	return 0;
}

/* A port that drops what it receives before anybody sees it still pays for that. */
static void test_bad_frames_are_charged(void **state)
{
	struct port *port = &env_ports[2].port;

	assert_int_equal(evs_load_relaxed(&pmd_ports[port->index]->rxq[0]->busy_tsc), 0);
	evs_store_release(&port->rx, drop_all);
	assert_true(ENV_WAIT(evs_load_relaxed(&pmd_ports[port->index]->rxq[0]->busy_tsc) > 0));
	assert_int_equal(evs_load_relaxed(&pmd_ports[port->index]->rxq[0]->pkts), 0);
	evs_store_release(&port->rx, fake_rx);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_queues_move),
	        TEST(test_queues_follow_the_node),
	        TEST(test_workers_come_and_go),
	        TEST(test_no_worker_then_one),
	        TEST(test_ports_come_and_go),
	        TEST(test_queue_count_changes),
	        TEST(test_sleep),
	        TEST(test_load_spreads),
	        TEST(test_bad_frames_are_charged),
	};
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	for (unsigned i = 0; i < CPU_SETSIZE && n_cpus < 2; i++)
		if (CPU_ISSET(i, &set))
			cpus[n_cpus++] = i;
	return cmocka_run_group_tests(tests, env_eal_start, env_eal_stop);
}
