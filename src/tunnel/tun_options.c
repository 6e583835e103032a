/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of Geneve (RFC 8926, 3.5) as words of tunnel metadata, and back.
 * Threads: any. Owner: the caller's memory.
 *
 *   class(16) | type(8), of which 0x80 says critical | reserved(3) length in words(5) | data
 */
#include "tunnel/tun_pvt.h"

#define OPTION_SIZE 4
#define OPTION_C    0x80

static const struct tun_option *lookup(const struct tun_option_map *map, const uint8_t *option)
{
	for (unsigned i = 0; map && i < map->n; i++) {
		const struct tun_option *o = &map->option[i];

		if (!memcmp(&o->option_class, option, 2) && o->type == option[2] &&
		    o->n_words == (option[3] & 0x1f))
			return o;
	}
	return NULL;
}

bool tun_options_read(const struct tun_option_map *map, const uint8_t *options, size_t size,
                      struct pkt_key_tmd *tmd, bool *any)
{
	*any = false;
	while (size >= OPTION_SIZE) {
		size_t len = OPTION_SIZE + 4u * (options[3] & 0x1f);
		const struct tun_option *known = lookup(map, options);

		if (len > size || (!known && (options[2] & OPTION_C)))
			return false;
		if (known) {
			if (!*any)
				memset(tmd, 0, sizeof(*tmd));
			*any = true;
			memcpy(&tmd->word[known->word], options + OPTION_SIZE, len - OPTION_SIZE);
		}
		options += len;
		size -= len;
	}
	return true;
}

static bool is_set(const struct tun_option *o, const struct pkt_key_tmd *tmd)
{
	for (unsigned i = 0; i < o->n_words; i++)
		if (tmd->word[o->word + i])
			return true;
	return false;
}

int tun_options_write(const struct tun_option_map *map, const struct pkt_key_tmd *tmd, uint8_t *p)
{
	int size = 0;

	for (unsigned i = 0; map && i < map->n; i++) {
		const struct tun_option *o = &map->option[i];
		int len = OPTION_SIZE + 4 * o->n_words;

		if (!is_set(o, tmd))
			continue;
		if (size + len > TUN_GENEVE_OPTIONS_MAX)
			return -E2BIG;
		memcpy(p + size, &o->option_class, 2);
		p[size + 2] = o->type;
		p[size + 3] = o->n_words;
		memcpy(p + size + OPTION_SIZE, &tmd->word[o->word], len - OPTION_SIZE);
		size += len;
	}
	return size;
}
