/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which options of Geneve are fields of a bridge, as users write it. Threads: control.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/ctl_ip.h"

#define MAX_BYTES 124 /* of an option: RFC 8926, 3.5 */

/* Two mappings may share neither option nor field. */
static bool clashes(const struct tun_option *a, const struct tun_option *b)
{
	return (a->option_class == b->option_class && a->type == b->type &&
	        a->n_words == b->n_words) ||
	       (a->word < b->word + b->n_words && b->word < a->word + a->n_words);
}

static int parse_one(const char *text, struct tun_option *option, struct evs_error *err)
{
	unsigned class, type, bytes, field;
	char more;

	if (sscanf(text, "%i/%i/%u=tun_metadata%u%c", (int *)&class, (int *)&type, &bytes, &field,
	           &more) != 4)
		return evs_error_set(err, -EINVAL,
		                     "geneve-options: '%.60s' is not like "
		                     "0x102/5/8=tun_metadata0",
		                     text);
	if (class > 0xffff || type > 0xff || bytes == 0 || bytes % 4 || bytes > MAX_BYTES ||
	    field + bytes / 4 > PKT_N_TMD)
		return evs_error_set(err, -EINVAL,
		                     "geneve-options: '%.60s': a class is to 0xffff, a type to "
		                     "0xff, a length 4 to %d in fours, and it ends at "
		                     "tun_metadata%d at the latest",
		                     text, MAX_BYTES, PKT_N_TMD - 1);
	*option = (struct tun_option){rte_cpu_to_be_16((uint16_t) class), (uint8_t)type,
	                              (uint8_t)(bytes / 4), (uint8_t)field};
	return 0;
}

int ctl_geneve_options(const char *text, struct tun_option_map *map, struct evs_error *err)
{
	char copy[2048], *word, *rest = copy;
	int ret = 0;

	memset(map, 0, sizeof(*map));
	if (!text || !*text)
		return 0;
	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return evs_error_set(err, -EINVAL, "geneve-options: this list is too long");
	while (ret == 0 && (word = strsep(&rest, ",")) != NULL) {
		struct tun_option option;

		ret = parse_one(word, &option, err);
		for (unsigned i = 0; ret == 0 && i < map->n; i++)
			if (clashes(&map->option[i], &option))
				ret = evs_error_set(err, -EINVAL,
				                    "geneve-options: '%.60s' shares its option or "
				                    "a field with another",
				                    word);
		if (ret == 0)
			map->option[map->n++] = option; /* no two share a field: there is room */
	}
	return ret;
}
