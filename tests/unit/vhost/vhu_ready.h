/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest whose handshake is done, and a frame of it, for tests with cmocka.
 */
#ifndef VHU_READY_H
#define VHU_READY_H

#include "vhu_test.h"

#define VERSION_1 (1ull << 32)

/* All that the guest has said, when this returns. */
static inline void all_handled(struct master *m)
{
	struct master_msg last = {.request = MASTER_GET_FEATURES, .flags = 1};

	assert_true(master_send(m, &last, -1) && master_receive(m, &last));
}

/* All that the guest has said is handled when this returns; it has no buffers to receive in. */
static inline void connect_empty(struct master *m, struct port *port, uint64_t features,
                                 unsigned n_rings)
{
	test_connect(m, 0);
	assert_true(master_start(m, VERSION_1 | features, n_rings));
	all_handled(m);
	await(port->link_up);
}

/* It has. */
static inline void connect_ready(struct master *m, struct port *port, uint64_t features,
                                 unsigned n_rings)
{
	connect_empty(m, port, features, n_rings);
	master_refill(m, 0);
}

/* There and back. */
static inline void check_echo(struct master *m)
{
	static const uint8_t frame[64] = {2, 0, 0, 0, 0, 1, 2};
	uint32_t id, len;

	master_transmit(m, 1, NULL, frame, sizeof(frame));
	await(master_reap(m, 0, &id, &len) == 1);
	assert_int_equal(len, 12 + sizeof(frame));
	master_offer(m, 0, (uint16_t)id);
}

#endif
