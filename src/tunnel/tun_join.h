/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that come in segments: put together again.
 * Threads: one worker a table. Owner: the table, of segments that wait.
 *
 * Problem. A network card cuts a large STT frame into segments; the frame is worth nothing before
 * all are there, and who sends segments that are never whole must cost no more than a bounded
 * number of buffers for a bounded time.
 *
 * Data structure. Frames by addresses, ports and id, in sets of eight; of each its segments in
 * order. A new frame takes the place of the oldest of its set, and of the oldest of all where the
 * buffers in use would be too many: so that a flood of stumps hurts only what is as old. All
 * segments of a frame have the same addresses and ports and reach one worker.
 *
 * What comes twice is dropped, and the frame goes on; where segments overlap, or differ about the
 * frame's size, nobody knows what was meant: the frame is dropped. Cost: a hash, a set's compare,
 * a place in the array.
 */
#ifndef TUN_JOIN_H
#define TUN_JOIN_H

#include "tunnel/tunnel.h"

#define TUN_JOIN_FRAMES  128
#define TUN_JOIN_PARTS   128  /* of a frame */
#define TUN_JOIN_BUFFERS 1024 /* of all that wait */

struct tun_joins;
/* Gets each segment that is given up. */
typedef void tun_join_drop_fn(void *arg, struct rte_mbuf *m, enum pkt_drop reason);

/* [ctl] NULL: no memory. timeout_tsc: how long a frame waits for its rest. */
struct tun_joins *tun_joins_create(uint64_t timeout_tsc, tun_join_drop_fn *drop, void *arg);
/* [ctl] What waits is dropped as SHUTDOWN. */
void tun_joins_destroy(struct tun_joins *joins);

/* A packet, with a private first buffer, that may be a segment. */
struct tun_stump {
	enum tun_kind kind; /* one with segments */
	struct rte_mbuf *mbuf;
	struct pkt_offsets *ofs;
	struct tun_part part; /* what tun_join_is_part read */
};
/* [worker] Is it one of several? What is malformed is not. */
bool tun_join_is_part(struct tun_stump *stump);
/* [worker] Takes one that is. Returns the whole packet, as if it had come so, of *n_parts that were
 * taken, with *ofs and its headers in one piece; or NULL. */
struct rte_mbuf *tun_join(struct tun_joins *joins, const struct tun_stump *stump, uint64_t now_tsc,
                          unsigned *n_parts);
void tun_joins_expire(struct tun_joins *joins, uint64_t now_tsc); /* [worker] now and then */
unsigned tun_joins_held(const struct tun_joins *joins);           /* packets that wait */

#endif
