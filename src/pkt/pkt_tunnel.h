/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A prebuilt outer header, as an action program carries it and a worker puts it before frames.
 * Threads: any; immutable once built. Owner: the program, or the builder's caller.
 *
 * The bytes end at a multiple of 8 in `data`, so that one 64-byte copy that ends where the inner
 * frame begins moves a header of up to 64 bytes; what it writes before the header is headroom. What
 * lies behind the bytes is not part of a program.
 */
#ifndef PKT_TUNNEL_H
#define PKT_TUNNEL_H

#include "pkt/pkt_key.h"

#define PKT_TUNNEL_HEADER_MAX 384

struct pkt_tunnel_header {
	uint8_t kind;      /* of src/tunnel */
	uint8_t flags;     /* PKT_TUN_* */
	uint16_t size;     /* bytes of header in use */
	uint16_t l3, l4;   /* offsets within the header */
	uint16_t sport_lo; /* lowest source port */
	uint16_t sport_n;  /* how many; 0: the port in the header stays */
	uint32_t ip_sum;   /* IPv4: sum of the header with length, id and checksum zero */
	uint8_t plain;     /* enum tun_push_shape: src/tunnel/tun_push.h */
	uint8_t zero[3];
	uint32_t egress; /* port below by whose MTU packets are cut; 0: none is known */
	/* the copy of the shortest header, 40 bytes, begins within the struct */
	uint8_t data[PKT_TUNNEL_HEADER_MAX] EVS_ALIGNED(8);
};

static_assert(offsetof(struct pkt_tunnel_header, data) + 40 >= 64, "a 64-byte copy stays within");

/* Bytes of `data` in use; the header's bytes are the last of them. */
EVS_INLINE uint32_t pkt_tunnel_used(const struct pkt_tunnel_header *header)
{
	return (header->size + 7u) & ~7u;
}

EVS_INLINE uint8_t *pkt_tunnel_bytes(struct pkt_tunnel_header *header)
{
	return &header->data[pkt_tunnel_used(header) - header->size];
}

#endif
