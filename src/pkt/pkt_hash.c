/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secret of the key hash. Threads: control, before workers start.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "base/evs_log.h"
#include "pkt/pkt_nh.h"

/* That of seed 1 until pkt_hash_init has run. */
uint64_t pkt_hash_secret[8] = {
        0x910a2dec89025cc1, 0xbeeb8da1658eec67, 0xf893a2eefb32555f, 0x71c18690ee42c90b,
        0x71bb54d8d101b5b9, 0xc34d0bff90150281, 0xe099ec6cd7363ca5, 0x85e7bb0f12278575,
};

/* The upper half of word 5 holds TCP flags and TTL, word 7 is the holder's. */
const uint64_t pkt_nh_mask[16] EVS_CACHE_ALIGNED = {
        UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT32_MAX,
        UINT64_MAX, 0,          UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
        UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
};

/* splitmix64: spreads a seed over the words of the secret. */
static uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

void pkt_hash_init(uint64_t seed)
{
	if (seed == 0) {
		/* 64 bytes come whole and never with EINTR once the kernel's pool is up. */
		ssize_t got;
		do
			got = getrandom(pkt_hash_secret, sizeof(pkt_hash_secret), 0);
		while (got < 0 && errno == EINTR);
		if (got != (ssize_t)sizeof(pkt_hash_secret)) {
			EVS_LOG(pkt, ERR, "getrandom: no random bytes for the hash secret");
			abort();
		}
	} else {
		for (unsigned i = 0; i < EVS_ARRAY_LEN(pkt_hash_secret); i++)
			pkt_hash_secret[i] = mix(&seed);
	}
	/* A word that cancels a usual input would null a whole product: keep them odd. */
	for (unsigned i = 0; i < EVS_ARRAY_LEN(pkt_hash_secret); i++)
		pkt_hash_secret[i] |= 1;
}
