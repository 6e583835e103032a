/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest whose memory is on one NUMA node or on the other: buffers, and the worker that serves it,
 * follow, also when it comes back elsewhere with the same rings.
 *
 * The machine has one node as a rule. So the library's word of where a guest is comes from here,
 * as do the buffers of node 1 (of another size, so that they are others), and the second worker's
 * CPU counts as one of node 1. All between is what evsd does: workers take the guest's frames and
 * send them to port 2.
 */
#include "../pmd/pmd_test_env.h"

#include <rte_vhost.h>

#include "pmd/pmd_pvt.h"
#include "vhost/vhu.h"
#include "vhu_master.h"

#define OTHER_MTU 9000

static int node_said;
static unsigned cpus[2], n_cpus;
static char dir[] = "/tmp/evs-vhost-XXXXXX";

/* In place of the library's. */
int rte_vhost_get_numa_node(int vid)
{
	return node_said;
}

/* The linker leads calls of port_pool_get here (--wrap). */
struct rte_mempool *__real_port_pool_get(uint16_t mtu, int node, struct evs_error *err);
struct rte_mempool *__wrap_port_pool_get(uint16_t mtu, int node, struct evs_error *err);
struct rte_mempool *__wrap_port_pool_get(uint16_t mtu, int node, struct evs_error *err)
{
	return __real_port_pool_get(node == 1 ? OTHER_MTU : mtu, node, err);
}

static bool look(void)
{
	port_poll_links(NULL, NULL);
	return true;
}

static void note_cpu(const struct pmd_queue_stats *queue, void *arg)
{
	if (!strcmp(queue->port->name, "vm"))
		*(unsigned *)arg = queue->cpu;
}

static bool is_served_on(int node)
{
	unsigned cpu = UINT32_MAX;

	look();
	pmd_queues_walk(note_cpu, &cpu);
	return n_cpus < 2 || cpu == cpus[node];
}

/* The buffer in which the guest's frame arrives at the other port. */
static struct rte_mempool *pool_of_frame(struct master *m)
{
	static const uint8_t frame[64] = {2, 0, 0, 0, 0, 1, 2};
	struct rte_mempool *pool;
	struct rte_mbuf *got;

	master_transmit(m, 1, NULL, frame, sizeof(frame));
	got = env_take(&env_ports[2]);
	pool = got->pool;
	rte_pktmbuf_free(got);
	return pool;
}

/* A guest comes, sends, and is killed. */
static void check_guest(struct port *port, const char *path, int node)
{
	struct rte_mempool *pool = __wrap_port_pool_get(PORT_MTU_DEFAULT, node, NULL);
	struct master m;

	node_said = node;
	assert_int_equal(master_connect(&m, path), 0);
	assert_true(master_start(&m, 1ull << 32, 2));
	assert_true(ENV_WAIT(look() && port->link_up && port->numa_node == node));
	assert_ptr_equal(port->pool, pool);
	assert_true(ENV_WAIT(is_served_on(node)));
	assert_ptr_equal(pool_of_frame(&m), pool);
	master_close(&m);
	assert_true(ENV_WAIT(look() && !port->link_up));
	port_pool_put(pool);
}

static void test_follows(void **state)
{
	static const int nodes[] = {0, 1, 1, 0, 1};
	char path[64];
	const struct port_args args = {2, {{"path", path}, {"mode", "server"}}};
	struct evs_error err = {0};
	struct port *port = NULL;

	snprintf(path, sizeof(path), "%s/s", dir);
	if (port_create("vhost-user", "vm", &args, &port, &err))
		fail_msg("%s", err.text);
	assert_int_equal(port->index, 1);
	assert_int_equal(pmd_port_attach(port, NULL), 0);
	fake_attach(2);
	flow_prog_add(&env_progs[1], FLOW_OP_OUTPUT, 2);
	for (unsigned i = 0; i < n_cpus; i++) {
		assert_int_equal(pmd_worker_add(cpus[i], NULL), 0);
		pmd_workers[i]->numa_node = (int)i;
	}
	for (unsigned i = 0; i < EVS_ARRAY_LEN(nodes); i++)
		check_guest(port, path, nodes[i]);
}

static void gone(struct port *port, void *arg)
{
	*(bool *)arg = true;
}

static int start(void **state)
{
	struct pmd_config config = env_config();

	if (env_eal_start(state) || port_init(2, NULL))
		return -1;
	env_pmd_start(&config);
	port_queues_changed = pmd_port_queues_changed;
	return vhu_init(NULL) || !mkdtemp(dir) ? -1 : 0;
}

static int stop(void **state)
{
	struct port *port = port_get(1);
	bool is_gone = false;

	pmd_port_detach(port, gone, &is_gone);
	assert_true(ENV_WAIT(is_gone));
	port_destroy(port);
	env_pmd_stop();
	port_fini();
	rmdir(dir);
	return env_eal_stop(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_follows)};
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	for (unsigned i = 0; i < CPU_SETSIZE && n_cpus < 2; i++)
		if (CPU_ISSET(i, &set))
			cpus[n_cpus++] = i;
	return cmocka_run_group_tests(tests, start, stop);
}
