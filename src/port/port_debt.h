/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a receive function has lent to its worker, to be given back when all packets are sent; and
 * what it owes for packets that nobody saw.
 * Threads: the worker that received. Owner: the debt is the lender's, listed until it is settled.
 *
 * A function that hands out frames with PKT_LENT (pkt/pkt_lent.h) lists a debt; who calls receive
 * functions calls port_settle when it holds none of their packets any more, in the same turn.
 */
#ifndef PORT_DEBT_H
#define PORT_DEBT_H

#include "base/evs_base.h"

struct port_debt {
	struct port_debt *next;
	void (*settle)(struct port_debt *debt); /* it is not listed any more */
};

extern __thread struct port_debt *port_debts;

/* Frames that receive functions have dropped in this thread, for which their port is still to be
 * charged: they took time, though the function may have returned 0. [worker] */
extern __thread unsigned port_n_bad;

EVS_INLINE void port_debt_add(struct port_debt *debt)
{
	debt->next = port_debts;
	port_debts = debt;
}

EVS_INLINE void port_settle(void)
{
	while (evs_unlikely(port_debts != NULL)) {
		struct port_debt *debt = port_debts;

		port_debts = debt->next;
		debt->settle(debt);
	}
}

#endif
