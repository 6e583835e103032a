/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers for things: the lowest free one, or a given one. Threads: one at a time.
 * Owner: create allocates, destroy frees.
 *
 * A tree of bitmaps, 64 children a node; a bit says that something below is free. So the lowest
 * free id of a million costs four count-trailing-zeros, and memory is one bit an id and 2 %.
 */
#ifndef EVS_ID_POOL_H
#define EVS_ID_POOL_H

#include "base/evs_base.h"

struct evs_id_pool;

/* Ids first .. first + n - 1, n > 0, all free. -EINVAL, -ENOMEM. */
int evs_id_pool_create(uint32_t first, uint32_t n, struct evs_id_pool **poolp);
void evs_id_pool_destroy(struct evs_id_pool *pool); /* NULL is fine */

int evs_id_pool_get(struct evs_id_pool *pool, uint32_t *idp); /* the lowest; -ENOSPC */
/* This one. -EEXIST: taken; -ERANGE: not of this pool. */
int evs_id_pool_take(struct evs_id_pool *pool, uint32_t id);
void evs_id_pool_put(struct evs_id_pool *pool, uint32_t id); /* must be taken */
bool evs_id_pool_taken(const struct evs_id_pool *pool, uint32_t id);
uint32_t evs_id_pool_n_taken(const struct evs_id_pool *pool);

#endif
