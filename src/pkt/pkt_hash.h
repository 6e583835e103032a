/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyed hash of key lines. Threads: any.
 *
 * A multiply-and-fold hash with a secret drawn at start-up, so that a sender can not
 * compute collisions. One body in plain C serves every CPU: a 64x64->128 multiplication is as
 * fast as any vector form here and gives the same value everywhere.
 */
#ifndef PKT_HASH_H
#define PKT_HASH_H

#include <string.h>

#include "pkt/pkt_key.h"

extern uint64_t pkt_hash_secret[8]; /* written once, before workers start */

/* Draws the secret from the kernel; a fixed one if `seed` is not 0 (tests, benchmarks). */
void pkt_hash_init(uint64_t seed);

EVS_INLINE uint64_t pkt_hash_mum(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

EVS_INLINE uint64_t pkt_hash_u64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

/* Hash of the 56 matched bytes of line 0. */
EVS_INLINE uint64_t pkt_hash_base(const struct pkt_key_base *base)
{
	const uint8_t *p = (const uint8_t *)base;
	const uint64_t *s = pkt_hash_secret;
	uint64_t a = pkt_hash_mum(pkt_hash_u64(p) ^ s[0], pkt_hash_u64(p + 8) ^ s[1]);
	uint64_t b = pkt_hash_mum(pkt_hash_u64(p + 16) ^ s[2], pkt_hash_u64(p + 24) ^ s[3]);
	uint64_t c = pkt_hash_mum(pkt_hash_u64(p + 32) ^ s[4], pkt_hash_u64(p + 40) ^ s[5]);
	return pkt_hash_mum(a ^ b ^ pkt_hash_u64(p + 48) ^ s[6], c ^ b ^ s[7]);
}

/* Folds one further 64-byte line into a hash. */
EVS_INLINE uint64_t pkt_hash_line(uint64_t hash, const void *line)
{
	const uint8_t *p = line;
	const uint64_t *s = pkt_hash_secret;
	uint64_t a = pkt_hash_mum(pkt_hash_u64(p) ^ s[1], pkt_hash_u64(p + 8) ^ s[2] ^ hash);
	uint64_t b = pkt_hash_mum(pkt_hash_u64(p + 16) ^ s[3], pkt_hash_u64(p + 24) ^ s[4]);
	uint64_t c = pkt_hash_mum(pkt_hash_u64(p + 32) ^ s[5], pkt_hash_u64(p + 40) ^ s[6]);
	uint64_t d = pkt_hash_mum(pkt_hash_u64(p + 48) ^ s[7], pkt_hash_u64(p + 56) ^ s[0]);
	return pkt_hash_mum(a ^ c ^ s[3], b ^ d ^ s[6]);
}

#endif
