/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parser: frames to keys.
 * Threads: any; no state.
 */
#ifndef PKT_PARSE_H
#define PKT_PARSE_H

#include "pkt/pkt_burst.h"

/* Variants of the vector code, chosen at start-up. C is always there. */
enum pkt_isa { PKT_ISA_C, PKT_ISA_AVX2, PKT_ISA_AVX512, PKT_N_ISAS };

/* The best that CPU and build can run, or `EVS_ISA` of the environment (c, avx2, avx512). */
enum pkt_isa pkt_isa_best(void);
const char *pkt_isa_name(enum pkt_isa isa);

/*
 * Parses n frames (n <= 32) of burst->mbuf that came in by port index `in_port` into
 * burst->base, its hash included, burst->ofs, burst->heads, burst->lines, burst->sum, and, where
 * base.lines says so, burst->ext. Never reads beyond a frame's data; headers may straddle segments.
 * A field whose header is truncated, and everything after it, is zero; frames under 14 bytes get
 * eth_type 0 and their bit in the result: a mask of packets to drop as RX_TRUNCATED. A tag that the
 * driver stripped (RX_VLAN_STRIPPED) is counted as the outer tag and is put back into the frame.
 * Tunnel, ct and tmd lines are not touched: tunnels fill them.
 */
uint32_t pkt_parse_burst(struct pkt_burst *burst, unsigned n, uint16_t in_port, enum pkt_isa isa);

/* The same for frames that came out of a tunnel port: burst->ext[i].tun is filled already. */
uint32_t pkt_parse_inner(struct pkt_burst *burst, unsigned n, uint16_t in_port, enum pkt_isa isa);

/* Whoever changed keys of a parsed burst: sets hashes, heads and lines anew. */
void pkt_parse_rehash(struct pkt_burst *burst, unsigned n, enum pkt_isa isa);

/* One frame from contiguous or segmented memory, into zeroed key and ofs. Returns 0 or
 * -EINVAL for a frame under 14 bytes. Sets no hash. Keeps key->base.in_port, recirc_id and tunnel
 * lines. */
int pkt_parse_one(const struct rte_mbuf *mbuf, struct pkt_key *key, struct pkt_offsets *ofs);

#endif
