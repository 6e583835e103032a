/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of this room share: EAL, a port in server mode, and a worker that sends each frame
 * back to the port it came from.
 */
#ifndef VHU_TEST_H
#define VHU_TEST_H

#include <pthread.h>
#include <rte_lcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../test_eal.h"
#include "base/evs_clock.h"
#include "pkt/pkt_lent.h"
#include "port/port_debt.h"
#include "vhost/vhu.h"
#include "vhu_master.h"

#define TEST_N_PORTS 2

static struct port *echo_ports[TEST_N_PORTS]; /* [test w, worker r] */
static uint64_t n_echoed[TEST_N_PORTS];       /* [worker w, test r] */
static uint64_t n_refused[TEST_N_PORTS];
static bool worker_ends;
static char test_dir[] = "/tmp/evs-vhost-XXXXXX";

static inline void echo(unsigned i)
{
	struct port *port = evs_load_acquire(&echo_ports[i]);
	uint16_t n_rxq = port ? evs_load_relaxed(&port->n_rxq) : 0;

	for (uint16_t q = 0; q < n_rxq; q++) {
		struct rte_mbuf *mbufs[32];
		uint16_t n = port->rx(port, q, mbufs, 32), sent;

		for (uint16_t j = 0; j < n; j++)
			if (!(port->tx_caps & PORT_TX_L4_CSUM))
				mbufs[j]->ol_flags &=
				        PKT_LENT; /* the test looks at no checksum then */
		sent = n ? port->tx(port, 0, mbufs, n) : 0;
		rte_pktmbuf_free_bulk(mbufs + sent, (unsigned)(n - sent));
		evs_counter_add(&n_echoed[i], sent);
		evs_counter_add(&n_refused[i], n - sent);
	}
}

static inline void *echo_worker(void *arg)
{
	rte_thread_register();
	evs_rcu_worker_online(0);
	while (!evs_load_relaxed(&worker_ends)) {
		for (unsigned i = 0; i < TEST_N_PORTS; i++)
			echo(i);
		port_settle();
		evs_rcu_quiescent(0);
	}
	evs_rcu_worker_offline(0);
	rte_thread_unregister();
	return arg;
}

static pthread_t test_worker;

static inline void test_start(void)
{
	struct evs_error err = {0};

	evs_clock_init();
	if (!test_eal_start("96", "lib.eal:error") || evs_rcu_init(&err) || port_init(2, &err) ||
	    vhu_init(&err) || !mkdtemp(test_dir)) {
		fprintf(stderr, "start: %s\n", err.text);
		exit(1);
	}
	pthread_create(&test_worker, NULL, echo_worker, NULL);
}

static inline void test_end(void)
{
	evs_store_relaxed(&worker_ends, true);
	pthread_join(test_worker, NULL);
	port_fini();
	evs_rcu_fini();
	rmdir(test_dir);
	rte_eal_cleanup();
}

static inline void socket_path(unsigned i, char *path, size_t size)
{
	snprintf(path, size, "%s/s%u", test_dir, i);
}

/* With another option, unless value is NULL. */
static inline struct port *test_open_as(unsigned i, const char *mode, const char *key,
                                        const char *value)
{
	char path[64], name[8];
	struct port_args args = {2, {{"path", path}, {"mode", mode}, {key, value}}};
	struct evs_error err = {0};
	struct port *port = NULL;

	args.n += value != NULL;
	socket_path(i, path, sizeof(path));
	snprintf(name, sizeof(name), "vm%u", i);
	if (port_create("vhost-user", name, &args, &port, &err)) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	evs_store_release(&echo_ports[i], port);
	return port;
}

static inline struct port *test_open(unsigned i, const char *features)
{
	return test_open_as(i, "server", "features", features);
}

static inline void test_close(unsigned i)
{
	struct port *port = echo_ports[i];

	evs_store_release(&echo_ports[i], NULL);
	evs_rcu_synchronize();
	port_destroy(port);
}

/* Waits until `condition` is true, doing what the control thread does meanwhile. */
#define await(condition)                                                                           \
	do {                                                                                       \
		uint64_t limit_ = evs_clock_ns() + 60000000000u;                                   \
		while (!(condition)) {                                                             \
			port_poll_links(NULL, NULL);                                               \
			evs_rcu_poll();                                                            \
			if (evs_clock_ns() > limit_)                                               \
				fail_msg("waited in vain for %s", #condition);                     \
			usleep(200);                                                               \
		}                                                                                  \
	} while (0)

static inline void test_connect(struct master *m, unsigned i)
{
	char path[64];

	socket_path(i, path, sizeof(path));
	if (master_connect(m, path))
		abort();
}

#endif
