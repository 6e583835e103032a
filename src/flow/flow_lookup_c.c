/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look-up of a burst in plain C. Threads: one worker.
 */
#define FLOW_ISA 0

#include <rte_prefetch.h>

#include "flow/flow_cache_pvt.h"
#include "flow/flow_simd_pvt.h"
#include "flow/flow_lookup.inc"

const struct flow_lookup_ops flow_lookup_ops_c = {
        .burst = lookup_burst,
        .one = lookup_one,
        .fresh = lookup_fresh,
};
