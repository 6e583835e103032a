/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secret of the key hash. Threads: written once by control, before workers start.
 */
#include "pkt/pkt_hash.h"

#include <sys/random.h>

#include "base/evs_clock.h"

/* Odd constants with about as many ones as zeros: good enough until init has run. */
uint64_t pkt_hash_secret[8] = {
	0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0xd6e8feb86659fd93,
	0xa0761d6478bd642f, 0xe7037ed1a0b428db, 0x8ebc6af09c88c6e3, 0x589965cc75374cc3,
};

/* Next value of a SplitMix64 sequence. */
static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void pkt_hash_init(uint64_t seed)
{
	if (seed == 0 && getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = evs_clock_ns() ^ evs_clock_tsc();
	for (unsigned i = 0; i < EVS_ARRAY_LEN(pkt_hash_secret); i++)
		pkt_hash_secret[i] = splitmix(&seed) | 1;
}
