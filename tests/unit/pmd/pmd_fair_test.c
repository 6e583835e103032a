/* SPDX-License-Identifier: Apache-2.0 */
/* Shares of a worker's time, with made-up costs instead of a clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pmd/pmd_fair_pvt.h"

#define QUANTUM 20000

struct flow_of {
	struct pmd_fair_account account;
	uint64_t cycles, bursts;
	unsigned n;    /* packets a poll finds */
	uint64_t cost; /* of a poll, in cycles */
	bool bad;
};

/* Polls in rounds, as a worker does; returns how often somebody sat out. */
static unsigned run(struct pmd_fair *fair, struct flow_of *ports, unsigned n_ports, unsigned rounds)
{
	unsigned n_out = 0;

	for (unsigned r = 0; r < rounds; r++) {
		for (unsigned i = 0; i < n_ports; i++) {
			struct flow_of *p = &ports[i];

			if (!pmd_fair_may(fair, &p->account)) {
				n_out++;
				continue;
			}
			if (!p->n)
				continue;
			pmd_fair_charge(fair, &p->account, p->n, p->bad, p->cost);
			p->cycles += p->cost;
			p->bursts++;
		}
		pmd_fair_round(fair);
	}
	return n_out;
}

/* Ports of one price share by halves. */
static void test_equal_cycles(void **state)
{
	struct flow_of ports[] = {{.n = 32, .cost = 4000}, {.n = 8, .cost = 1000}, {.n = 0}};
	struct pmd_fair fair;

	pmd_fair_init(&fair, QUANTUM);
	assert_true(run(&fair, ports, 3, 10000) > 0);
	assert_in_range(ports[0].cycles, ports[1].cycles - 2 * QUANTUM,
	                ports[1].cycles + 2 * QUANTUM);
}

/* What a packet takes beyond a cheap neighbour's is charged a third more, to whoever comes first.
 */
static void test_dear(void **state)
{
	for (unsigned dear = 0; dear < 2; dear++) {
		struct flow_of ports[] = {{.n = 32, .cost = 1000}, {.n = 32, .cost = 1000}};
		uint64_t paid;
		struct pmd_fair fair;

		ports[dear].cost = 10000;
		pmd_fair_init(&fair, QUANTUM);
		assert_true(run(&fair, ports, 2, 10000) > 0);
		paid = ports[dear].cycles * 13 / 10;
		assert_in_range(ports[!dear].cycles, paid - paid / 50, paid + paid / 50);
	}
}

/* Frames that are none, dear or cheap, few or many, take little from others, and say nothing of
 * what a packet costs; alone they may have all. */
static void test_bad(void **state)
{
	static const struct flow_of bad[] = {{.n = 1, .cost = 10000, .bad = true},
	                                     {.n = 32, .cost = 100, .bad = true}};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(bad); i++) {
		struct flow_of ports[] = {{.n = 32, .cost = 1000}, bad[i], {.n = 32, .cost = 1000}};
		struct pmd_fair fair;

		pmd_fair_init(&fair, QUANTUM);
		run(&fair, ports, 3, 100000);
		assert_true(ports[1].cycles * 19 < ports[0].cycles + ports[2].cycles);
		assert_true(fair.cheap >= 1000 / 32);
		ports[0].n = ports[2].n = 0;
		assert_in_range(run(&fair, ports, 3, 1000), 0, 1);
	}
}

/* No port gets less than three sevenths beside another, however dear it is. */
static void test_least(void **state)
{
	struct flow_of ports[] = {{.n = 32, .cost = 32}, {.n = 8, .cost = 40000}};
	struct pmd_fair fair;

	pmd_fair_init(&fair, QUANTUM);
	run(&fair, ports, 2, 400000);
	assert_true(7 * ports[1].cycles > 29 * (ports[0].cycles + ports[1].cycles) / 10);
}

/* When the cheap port is gone, what it cost is forgotten. */
static void test_forgets(void **state)
{
	struct flow_of ports[] = {
	        {.n = 32, .cost = 100}, {.n = 32, .cost = 4000}, {.n = 32, .cost = 8000}};
	struct pmd_fair fair;

	pmd_fair_init(&fair, QUANTUM);
	run(&fair, ports, 3, 1000);
	ports[0].n = 0;
	run(&fair, ports, 3, 200);
	assert_in_range(fair.cheap, 125, 140);
}

/* Who wants little gets it, and the other all the rest. */
static void test_no_waste(void **state)
{
	struct flow_of ports[] = {{.n = 3, .cost = 100}, {.n = 32, .cost = 10000}};
	struct pmd_fair fair;

	pmd_fair_init(&fair, QUANTUM);
	assert_int_equal(run(&fair, ports, 2, 10000), 0);
	assert_int_equal(ports[0].bursts, 10000);
	assert_int_equal(ports[1].bursts, 10000);
}

/* A ring of four entries is no way round: neither if its packets are dear, nor if they are many a
 * little dear ones. */
static void test_small_ring(void **state)
{
	static const uint64_t costs[] = {QUANTUM, QUANTUM / PMD_FAIR_LONG - 1};

	for (unsigned i = 0; i < EVS_ARRAY_LEN(costs); i++) {
		struct flow_of ports[] = {{.n = 32, .cost = 1000}, {.n = 4, .cost = costs[i]}};
		struct pmd_fair fair;

		pmd_fair_init(&fair, QUANTUM);
		run(&fair, ports, 2, 20000);
		assert_true(ports[1].cycles < ports[0].cycles);
		assert_int_equal(ports[0].bursts, 20000);
	}
}

/* Neither a quiet time nor a late start is a right to more than a quantum. */
static void test_no_savings(void **state)
{
	struct flow_of ports[] = {{.n = 32, .cost = 1000}, {.n = 0, .cost = 1000}};
	struct pmd_fair fair;

	pmd_fair_init(&fair, QUANTUM);
	assert_int_equal(run(&fair, ports, 2, 1000), 0);
	ports[1].n = 32;
	ports[0].bursts = 0;
	assert_true(run(&fair, ports, 2, 100) <= QUANTUM / 1000 + 1);
	assert_true(ports[0].bursts >= 100 - QUANTUM / 1000 - 1);
	/* And who was alone for long, busy or nearly, owes nothing when others come. */
	for (ports[1].n = 7; ports[1].n <= 8; ports[1].n++) {
		ports[0].n = 0;
		run(&fair, ports, 2, 100000);
		ports[0].n = 32;
		ports[1].bursts = 0;
		ports[1].n++;
		assert_true(run(&fair, ports, 2, 100) <= QUANTUM / 1000 + 1);
		assert_true(ports[1].bursts >= 100 - QUANTUM / 1000 - 1);
		ports[1].n--;
	}
}

/* A burst in which the worker lost its CPU is not the port's debt. */
static void test_stall(void **state)
{
	struct flow_of ports[] = {{.n = 32, .cost = 1000000000}, {.n = 32, .cost = 10000}};
	struct pmd_fair fair;

	pmd_fair_init(&fair, QUANTUM);
	run(&fair, ports, 2, 1);
	ports[0].cost = 10000;
	run(&fair, ports, 2, 2000);
	assert_in_range(ports[0].bursts, 2000 - PMD_FAIR_MOST * QUANTUM / 10000 - 3, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_equal_cycles), cmocka_unit_test(test_dear),
	        cmocka_unit_test(test_bad),          cmocka_unit_test(test_least),
	        cmocka_unit_test(test_forgets),      cmocka_unit_test(test_no_waste),
	        cmocka_unit_test(test_no_savings),   cmocka_unit_test(test_stall),
	        cmocka_unit_test(test_small_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
