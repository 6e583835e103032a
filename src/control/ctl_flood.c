/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flood lists of tunnel ports as users write them. Threads: control.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/ctl_ip.h"

#define END_LEN 80 /* of one word */

static int parse_end(const char *word, struct pl_flood_end *end, struct evs_error *err)
{
	const char *at = strchr(word, '@');
	char ip[END_LEN], *rest = NULL;
	unsigned long long key;

	errno = 0;
	key = at ? strtoull(at + 1, &rest, 10) : 0;
	snprintf(ip, sizeof(ip), "%.*s", (int)EVS_MIN(strcspn(word, "@"), sizeof(ip) - 1), word);
	if (at && (at[1] < '0' || at[1] > '9' || *rest || errno))
		return evs_error_set(err, -EINVAL,
		                     "flood: '%.60s': behind @ stands the number of a network",
		                     word);
	*end = (struct pl_flood_end){.has_key = at != NULL, .key = rte_cpu_to_be_64(key)};
	return ctl_ip_parse(ip, end->remote, err);
}

/* One end twice in a network would get two copies of everything. */
static bool is_there(const struct pl_flood *flood, const struct pl_flood_end *end)
{
	for (unsigned i = 0; i < flood->n; i++) {
		const struct pl_flood_end *other = &flood->end[i];

		if (!memcmp(other->remote, end->remote, sizeof(end->remote)) &&
		    (!other->has_key || !end->has_key || other->key == end->key))
			return true;
	}
	return false;
}

int ctl_flood_parse(const char *text, struct pl_flood *flood, struct evs_error *err)
{
	size_t len;
	int ret;

	flood->n = 0;
	if (!strcmp(text, "none"))
		return 0;
	for (const char *at = text;; at += len + 1) {
		struct pl_flood_end end;
		char word[END_LEN];

		len = strcspn(at, ",");
		snprintf(word, sizeof(word), "%.*s", (int)EVS_MIN(len, sizeof(word) - 1), at);
		ret = parse_end(word, &end, err);
		if (ret)
			return ret;
		if (is_there(flood, &end))
			return evs_error_set(err, -EINVAL, "flood: '%s' is there twice", word);
		if (flood->n == PL_MAX_FLOOD)
			return evs_error_set(err, -E2BIG, "flood: more than %d ends", PL_MAX_FLOOD);
		flood->end[flood->n++] = end;
		if (!at[len])
			return 0;
	}
}
