/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a flow: it is refused, or what is printed of it reads and prints the same.
 */
#include <stdlib.h>
#include <string.h>

#include "openflow/of_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct of_arena arena;
static struct of_flow_mod mod;

static bool print_again(const char *text, struct of_buf *out)
{
	struct evs_error err;

	of_arena_reset(&arena);
	if (of_text_parse_flow(text, OFPFC_ADD, NULL, &arena, &mod, &err) != 0)
		return false;
	out->size = 0;
	of_text_match(out, &mod.match, NULL);
	of_text_printf(out, "%sactions=", out->size ? "," : "");
	of_text_insts(out, &mod.insts, NULL);
	return of_text_string(out) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct of_buf first, second;
	struct of_group_mod group;
	struct of_meter_mod meter;
	char text[1024];

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	of_arena_reset(&arena);
	of_text_parse_group(text, OFPGC_ADD, NULL, &arena, &group, NULL);
	of_text_parse_meter(text, OFPMC_ADD, &arena, &meter, NULL);
	if (!print_again(text, &first))
		return 0;
	if (!print_again((char *)first.data, &second) ||
	    strcmp((char *)first.data, (char *)second.data) != 0)
		abort();
	return 0;
}
