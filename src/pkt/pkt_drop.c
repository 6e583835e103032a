/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the drop reasons. Threads: any.
 */
#include "pkt/pkt_drop.h"

static const char *const names[] = {
#define X(id, name, help) name,
        PKT_DROPS(X)
#undef X
};

static const char *const helps[] = {
#define X(id, name, help) help,
        PKT_DROPS(X)
#undef X
};

const char *pkt_drop_name(enum pkt_drop reason)
{
	return reason < PKT_N_DROPS ? names[reason] : "unknown";
}

const char *pkt_drop_help(enum pkt_drop reason)
{
	return reason < PKT_N_DROPS ? helps[reason] : "";
}
