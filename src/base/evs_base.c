/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error carrier. Threads: any. Owner: the caller's struct.
 */
#include "base/evs_base.h"

#include <stdio.h>
#include <string.h>

int evs_error_set(struct evs_error *err, int code, const char *fmt, ...)
{
	if (err) {
		va_list args;

		err->code = code;
		va_start(args, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, args);
		va_end(args);
	}
	return code;
}

int evs_error_prefix(struct evs_error *err, const char *fmt, ...)
{
	char prefix[EVS_ERROR_LEN];
	va_list args;
	size_t used, room, len;

	if (!err)
		return -EINVAL;
	va_start(args, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, args);
	va_end(args);

	used = strlen(prefix);
	if (used + 3 > sizeof(err->text))
		return err->code;
	room = sizeof(err->text) - used - 3;
	len = strnlen(err->text, sizeof(err->text) - 1);
	if (len > room)
		len = room;
	memmove(err->text + used + 2, err->text, len);
	memcpy(err->text, prefix, used);
	memcpy(err->text + used, ": ", 2);
	err->text[used + 2 + len] = '\0';
	return err->code;
}
