/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look-up of a burst in AVX2. Threads: one worker.
 */
#define FLOW_ISA 1

#include <immintrin.h>
#include <rte_prefetch.h>

#include "flow/flow_cache_pvt.h"

/* Everything below may use these instructions; who calls has asked the CPU. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))),                \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,lzcnt,popcnt")
#endif

#include "flow/flow_simd_pvt.h"
#include "flow/flow_lookup.inc"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const struct flow_lookup_ops flow_lookup_ops_avx2 = {
        .burst = lookup_burst,
        .one = lookup_one,
        .fresh = lookup_fresh,
};
