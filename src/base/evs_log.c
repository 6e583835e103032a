/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines to stderr, with the priority prefix that systemd reads when it is the parent.
 * Threads: any; a line is one write, so lines never mix.
 */
#include "base/evs_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/evs_clock.h"

uint8_t evs_log_levels[EVS_LOG_N_ROOMS] = {
#define X(room) [EVS_LOG_ROOM_##room] = EVS_LOG_NOTICE,
        EVS_LOG_ROOMS(X)
#undef X
};

static const char *const level_names[] = {"err", "warn", "notice", "info", "debug"};
static const int syslog_levels[] = {3, 4, 5, 6, 7};

static const char *const room_names[] = {
#define X(room) #room,
        EVS_LOG_ROOMS(X)
#undef X
};

const char *evs_log_level_name(enum evs_log_level level)
{
	return level_names[level];
}

const char *evs_log_room_name(enum evs_log_room room)
{
	return room_names[room];
}

static int write_prefix(char *line, size_t size, enum evs_log_room room, enum evs_log_level level)
{
	struct timespec ts;
	struct tm tm;
	char stamp[32];

	if (getenv("JOURNAL_STREAM"))
		return snprintf(line, size, "<%d>%s: ", syslog_levels[level], room_names[room]);
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%H:%M:%S", &tm);
	return snprintf(line, size, "%s.%03ld %-6s %s: ", stamp, ts.tv_nsec / 1000000,
	                level_names[level], room_names[room]);
}

void evs_log_write(enum evs_log_room room, enum evs_log_level level, const char *fmt, ...)
{
	char line[1024];
	int used = write_prefix(line, sizeof(line), room, level);
	va_list args;
	size_t len;
	ssize_t unused EVS_UNUSED;

	va_start(args, fmt);
	vsnprintf(line + used, sizeof(line) - (size_t)used - 1, fmt, args);
	va_end(args);
	len = strlen(line);
	line[len++] = '\n';
	unused = write(STDERR_FILENO, line, len);
}

bool evs_log_allow(uint64_t *last_ns)
{
	uint64_t now = evs_clock_ns();
	uint64_t last = evs_load_relaxed(last_ns);

	if (last != 0 && now - last < 1000000000u)
		return false;
	return __atomic_compare_exchange_n(last_ns, &last, now, false, __ATOMIC_RELAXED,
	                                   __ATOMIC_RELAXED);
}

static int find_name(const char *const *names, size_t len, const char *name, size_t name_len)
{
	for (size_t i = 0; i < len; i++)
		if (strlen(names[i]) == name_len && !strncmp(names[i], name, name_len))
			return (int)i;
	return -1;
}

static int parse_item(const char *item, size_t len, uint8_t levels[EVS_LOG_N_ROOMS],
                      struct evs_error *err)
{
	const char *colon = memchr(item, ':', len);
	const char *name = colon ? colon + 1 : item;
	int level = find_name(level_names, EVS_ARRAY_LEN(level_names), name,
	                      len - (size_t)(name - item));
	int room;

	if (level < 0)
		return evs_error_set(err, -EINVAL,
		                     "unknown log level in '%.*s': use err, warn, notice, info or "
		                     "debug, or ROOM:LEVEL",
		                     (int)len, item);
	if (!colon) {
		memset(levels, level, EVS_LOG_N_ROOMS);
		return 0;
	}
	room = find_name(room_names, EVS_ARRAY_LEN(room_names), item, (size_t)(colon - item));
	if (room < 0)
		return evs_error_set(err, -EINVAL,
		                     "unknown room in '%.*s': 'evsctl log level' lists them",
		                     (int)len, item);
	levels[room] = (uint8_t)level;
	return 0;
}

int evs_log_set(const char *spec, struct evs_error *err)
{
	uint8_t levels[EVS_LOG_N_ROOMS];

	memcpy(levels, evs_log_levels, sizeof(levels));
	while (*spec) {
		size_t len = strcspn(spec, ",");
		int ret = parse_item(spec, len, levels, err);

		if (ret)
			return ret;
		spec += len + (spec[len] == ',');
	}
	for (unsigned i = 0; i < EVS_LOG_N_ROOMS; i++)
		evs_store_relaxed(&evs_log_levels[i], levels[i]);
	return 0;
}
