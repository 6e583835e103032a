/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports and queues as OpenFlow tells them, decoded (sections 7.2.1, 7.2.2, 7.3.4.3, 7.4.3).
 * Threads: any. Owner: the caller.
 */
#ifndef OF_PORT_H
#define OF_PORT_H

#include "openflow/of_proto.h"

struct of_port {
	uint32_t port_no;
	uint8_t hw_addr[6];
	char name[OF_PORT_NAME];                    /* zero-terminated */
	uint32_t config;                            /* OFPPC_* */
	uint32_t state;                             /* OFPPS_* */
	uint32_t curr, advertised, supported, peer; /* OFPPF_* */
	uint32_t curr_speed, max_speed;             /* kbit/s */
};

struct of_port_status {
	uint8_t reason; /* OFPPR_* */
	struct of_port desc;
};

struct of_port_mod {
	uint32_t port_no;
	uint8_t hw_addr[6];
	uint32_t config, mask; /* OFPPC_* */
	uint32_t advertise;    /* OFPPF_*, 0: leave */
};

struct of_port_stats {
	uint32_t port_no;
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
	uint64_t rx_dropped, tx_dropped, rx_errors, tx_errors;
	uint64_t rx_frame_err, rx_over_err, rx_crc_err, collisions;
	uint32_t duration_sec, duration_nsec;
};

struct of_queue_stats {
	uint32_t port_no, queue_id;
	uint64_t tx_bytes, tx_packets, tx_errors;
	uint32_t duration_sec, duration_nsec;
};

struct of_queue {
	uint32_t queue_id, port;
	uint16_t min_rate, max_rate; /* tenths of a percent, or OF_QUEUE_RATE_NONE */
};

/* Request: port (OFPP_ANY: all). Reply: port and its queues. */
struct of_queue_get_config {
	uint32_t port;
	const struct of_queue *queues;
	uint32_t n_queues;
};

#endif
