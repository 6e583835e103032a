/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies large frames to memory that is in no cache. Threads: any.
 *
 * A guest gives its buffers in turn, megabytes of them, so each line written comes from afar first,
 * and the C library's `rep movsb` waits for it. While one frame is copied, the lines of the next
 * frame's place are asked for here: 9,000 bytes into one of 14,000 buffers take 1,400 cycles
 * instead of 1,720, into one of 4,096 800 instead of 1,130.
 */
#ifndef EVS_COPY_H
#define EVS_COPY_H

#include "base/evs_base.h"

#define EVS_COPY_MIN 256u /* bytes: fewer are not worth it */

typedef uint8_t evs_line __attribute__((vector_size(EVS_CACHE_LINE), aligned(1), may_alias));

EVS_INLINE void evs_copy_line(uint8_t *to, const uint8_t *from)
{
	*(evs_line *)to = *(const evs_line *)from;
}

/* At least EVS_COPY_MIN bytes. ahead: where to write next; it is not touched, and may be anything.
 * Where both places overlap what is copied may be wrong, but no other byte is written. */
EVS_INLINE void evs_copy_ahead(uint8_t *to, const uint8_t *from, uint32_t size,
                               const uint8_t *ahead)
{
	const uint32_t last = size - EVS_CACHE_LINE;
	uint32_t at = EVS_CACHE_LINE - ((uintptr_t)to & (EVS_CACHE_LINE - 1));

	evs_copy_line(to, from);
	for (; at < last; at += EVS_CACHE_LINE) {
		__builtin_prefetch(ahead + at, 1);
		evs_copy_line(to + at, from + at);
	}
	evs_copy_line(to + last, from + last);
}

#endif
