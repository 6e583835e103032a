/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kinds of configured objects: one table for restoring, loading, and undoing. Threads: control.
 */
#ifndef CTL_CONF_PVT_H
#define CTL_CONF_PVT_H

#include "control/ctl_pvt.h"

struct ctl_kind {
	const char *name; /* in the document */
	const char *key;  /* parameter that names the object; NULL: made of several */
	const char *add, *del;
	const char *set;         /* NULL: deleted and added */
	const char *del_keys[4]; /* what the del method takes */
};
extern const struct ctl_kind ctl_kinds[]; /* ends with a NULL name */

/* Reads the saved document into place; an absent file is an empty document. */
int ctl_conf_load_saved(struct evs_error *err);

#endif
