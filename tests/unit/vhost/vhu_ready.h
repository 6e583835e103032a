/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest whose handshake is done, for tests with cmocka.
 */
#ifndef VHU_READY_H
#define VHU_READY_H

#include "vhu_test.h"

#define VERSION_1 (1ull << 32)

/* All that the guest has said is handled when this returns. */
static inline void connect_ready(struct master *m, struct port *port, uint64_t features,
                                 unsigned n_rings)
{
	struct master_msg last = {.request = MASTER_GET_FEATURES, .flags = 1};

	test_connect(m, 0);
	assert_true(master_start(m, VERSION_1 | features, n_rings));
	assert_true(master_send(m, &last, -1) && master_receive(m, &last));
	await(port->link_up);
	master_refill(m, 0);
}

#endif
