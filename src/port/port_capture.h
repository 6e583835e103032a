/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taps a port's traffic: copies of received and sent packets for one reader, outside the workers.
 * Threads: control starts and ends; workers write; one reader thread reads.
 *
 * While a capture runs, the port's rx and tx lead through functions that copy what passes: a port
 * without one pays nothing. Each queue has a ring of bytes with one writer at a time (who polls or
 * locks the queue) and one reader; a packet that finds no room is counted as lost, and goes its
 * way as any other. The filter, classic BPF, runs before the copy.
 */
#ifndef PORT_CAPTURE_H
#define PORT_CAPTURE_H

#include <pcap/pcap.h>

#include "port/port.h"

#define PORT_CAPTURE_SNAP_MAX 65535

struct port_capture;

struct port_capture_config {
	const struct bpf_insn *filter; /* outlives the capture; NULL: every packet */
	uint32_t snap_bytes;           /* of a packet, the rest is cut off */
	bool rx, tx;
};

/* A packet as the reader sees it, until port_capture_done. */
struct port_captured {
	uint64_t tsc;
	const uint8_t *data;
	uint32_t len; /* on the wire */
	uint32_t cap_len;
	bool out; /* sent by the port; else received */
};

/* [ctl] -EBUSY: the port has one already. */
int port_capture_start(struct port *port, const struct port_capture_config *config,
                       struct port_capture **capturep, struct evs_error *err);
/* [ctl] Workers may write until a grace period has passed; then port_capture_destroy. */
void port_capture_end(struct port_capture *capture);
/* [ctl] port: NULL if it was destroyed since. */
void port_capture_destroy(struct port_capture *capture, struct port *port);

/* [reader] The oldest packet there is; false: none. */
bool port_capture_next(struct port_capture *capture, struct port_captured *packet);
void port_capture_done(struct port_capture *capture);           /* [reader] with that packet */
uint64_t port_capture_lost(const struct port_capture *capture); /* [any] for want of room */

#endif
