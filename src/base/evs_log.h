/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: one macro, a type per room, level changeable at run time.
 * Threads: any; workers only outside the packet path (evs_log_limited).
 * Lines go to stderr, or to the journal when systemd started the daemon.
 */
#ifndef EVS_LOG_H
#define EVS_LOG_H

#include "base/evs_base.h"

enum evs_log_level { EVS_LOG_ERR, EVS_LOG_WARN, EVS_LOG_NOTICE, EVS_LOG_INFO, EVS_LOG_DEBUG };

/* One type per room, one table for the enum, the names, and `evsctl log level`. */
#define EVS_LOG_ROOMS(X)                                                                           \
	X(base)                                                                                    \
	X(api)                                                                                     \
	X(pkt)                                                                                     \
	X(flow)                                                                                    \
	X(ct)                                                                                      \
	X(qos)                                                                                     \
	X(tunnel)                                                                                  \
	X(port)                                                                                    \
	X(vhost)                                                                                   \
	X(pmd)                                                                                     \
	X(openflow)                                                                                \
	X(pipeline)                                                                                \
	X(control)                                                                                 \
	X(evsd)

enum evs_log_room {
#define X(room) EVS_LOG_ROOM_##room,
	EVS_LOG_ROOMS(X)
#undef X
	        EVS_LOG_N_ROOMS
};

extern uint8_t evs_log_levels[EVS_LOG_N_ROOMS]; /* [ctl w, all r], relaxed */

void evs_log_write(enum evs_log_room room, enum evs_log_level level, const char *fmt, ...)
        EVS_PRINTF(3, 4) EVS_COLD;

/* EVS_LOG(port, WARN, "port '%s': link is down", name); */
#define EVS_LOG(room, level, ...)                                                                  \
	do {                                                                                       \
		if (EVS_LOG_##level <= evs_load_relaxed(&evs_log_levels[EVS_LOG_ROOM_##room]))     \
			evs_log_write(EVS_LOG_ROOM_##room, EVS_LOG_##level, __VA_ARGS__);          \
	} while (0)

/* At most one line a second from this place: for what a network or a guest can trigger. */
bool evs_log_allow(uint64_t *last_ns) EVS_COLD;
#define EVS_LOG_LIMITED(room, level, ...)                                                          \
	do {                                                                                       \
		static uint64_t evs_log_last_ns;                                                   \
		if (evs_log_allow(&evs_log_last_ns))                                               \
			EVS_LOG(room, level, __VA_ARGS__);                                         \
	} while (0)

/* "warn", "port:debug", "info,port:debug,pmd:err". Returns 0, or -EINVAL with err. */
int evs_log_set(const char *spec, struct evs_error *err);
const char *evs_log_level_name(enum evs_log_level level);
const char *evs_log_room_name(enum evs_log_room room);

#endif
