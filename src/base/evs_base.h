/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every room uses: attributes, small macros, the error carrier.
 * Threads: any. Owner: nothing is allocated here.
 *
 * Return convention of evs: 0 or a negative errno; results by pointer; NULL
 * from a lookup means absent. A function that a user's request can reach also
 * takes a `struct evs_error *` and leaves there one sentence that names the
 * object, what is wrong, and the remedy.
 */
#ifndef EVS_BASE_H
#define EVS_BASE_H

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVS_CACHE_LINE 64

/* Per-packet code. Lands in .text.hot, which tools/check-hot searches for forbidden calls. */
#define EVS_HOT __attribute__((hot))
/* Called from hot code, but rare: kept out of line and out of .text.hot. */
#define EVS_COLD              __attribute__((cold, noinline))
#define EVS_INLINE            static inline __attribute__((always_inline))
#define EVS_ALIGNED(n)        __attribute__((aligned(n)))
#define EVS_CACHE_ALIGNED     EVS_ALIGNED(EVS_CACHE_LINE)
#define EVS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define EVS_UNUSED            __attribute__((unused))

#define evs_likely(x)                       __builtin_expect(!!(x), 1)
#define evs_unlikely(x)                     __builtin_expect(!!(x), 0)
#define EVS_ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define evs_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
/* Each side is looked at once: it may be memory that a guest writes meanwhile. */
#define EVS_PICK(op, a, b, x, y)                                                                   \
	({                                                                                         \
		__typeof__((a) < (b) ? (a) : (b)) x = (a), y = (b);                                \
		x op y ? x : y;                                                                    \
	})
#define EVS_NAMED_(op, a, b, n) EVS_PICK(op, a, b, evs_x##n, evs_y##n)
#define EVS_NAMED(op, a, b, n)  EVS_NAMED_(op, a, b, n)
#define EVS_MIN(a, b)           EVS_NAMED(<, a, b, __COUNTER__)
#define EVS_MAX(a, b)           EVS_NAMED(>, a, b, __COUNTER__)

/* Fields shared between threads: one writer, relaxed readers. The comment beside
 * the field says who: [worker w, ctl r]. */
#define evs_load_relaxed(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define evs_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define evs_load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define evs_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* A counter with one writer, read by others: no lock prefix needed. */
#define evs_counter_add(p, v) evs_store_relaxed((p), *(p) + (v))

/* Whether one who holds `mine` of `size` things that all have in common, of which n_free are left,
 * may take another: the last eighth is for those with less than an eighth, so that nobody keeps it
 * from the others. */
#define EVS_SHARE(size) ((size) / 8)
EVS_INLINE bool evs_may_take(uint32_t n_free, uint32_t size, uint32_t mine)
{
	return n_free > EVS_SHARE(size) || (n_free && mine < EVS_SHARE(size));
}

#define EVS_ERROR_LEN 512

/* The reason for a failure, for a person. Caller's memory; text is always terminated. */
struct evs_error {
	int code; /* negative errno, 0 while there is none */
	char text[EVS_ERROR_LEN];
};

/* Stores the sentence (truncated if too long; err may be NULL) and returns `code`,
 * a negative errno, so that callers write: return evs_error_set(err, -EEXIST, "...", ...). */
int evs_error_set(struct evs_error *err, int code, const char *fmt, ...) EVS_PRINTF(3, 4);
/* Puts "prefix: " before the sentence that is there. Returns err's code. */
int evs_error_prefix(struct evs_error *err, const char *fmt, ...) EVS_PRINTF(2, 3);

#endif
