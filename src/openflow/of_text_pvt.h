/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the text syntax: words that parser and printer share, and the scanner.
 * Threads: any.
 */
#ifndef OF_TEXT_PVT_H
#define OF_TEXT_PVT_H

#include "openflow/of_text.h"

struct of_text_keyword {
	const char *name;
	uint16_t eth_type;
	uint8_t ip_proto; /* 0: any */
};
#define OF_TEXT_N_KEYWORDS 15
extern const struct of_text_keyword of_text_keywords[OF_TEXT_N_KEYWORDS];
#define OF_TEXT_N_PORTS 8
extern const struct of_text_port_name {
	const char *name;
	uint32_t number;
} of_text_ports[OF_TEXT_N_PORTS];
extern const char *const of_text_group_types[OF_N_GROUP_TYPES];

/* A piece of the text. */
struct of_text_span {
	const char *p;
	size_t len;
};

struct of_text_scan {
	const char *text; /* the whole, for columns */
	struct of_text_span rest;
	const struct of_text_names *names;
	struct of_arena *arena;
	struct evs_error *err;
};

/* "column N: sentence"; returns -EINVAL. */
int of_text_fail(struct of_text_scan *s, const char *at, const char *fmt, ...) EVS_PRINTF(3, 4);
/* The next item: key, and value if a delimiter of `delims` or parentheses follow. Items end
 * at commas and spaces outside parentheses. 1: there is one; 0: the end; -EINVAL. */
int of_text_next(struct of_text_scan *s, const char *delims, struct of_text_span *key,
                 struct of_text_span *value);
bool of_text_is(const struct of_text_span *span, const char *word); /* any case */
/* Splits at the first character c, if any; false: there is none. */
bool of_text_split(const struct of_text_span *span, char c, struct of_text_span *left,
                   struct of_text_span *right);
int of_text_number(struct of_text_scan *s, const struct of_text_span *span, uint64_t max,
                   uint64_t *number);
int of_text_port_number(struct of_text_scan *s, const struct of_text_span *span, uint32_t *port);
/* VALUE[/MASK]; *masked says whether there was a mask. */
int of_text_value(struct of_text_scan *s, const struct flow_field *field,
                  const struct of_text_span *span, uint8_t *value, uint8_t *mask, bool *masked);
/* One key of a match; -ENOENT (no error set) if it is none. */
int of_text_match_item(struct of_text_scan *s, const struct of_text_span *key,
                       const struct of_text_span *value, struct flow_match *match);
/* A list of actions to the end of the scan. insts NULL: instructions are refused. */
int of_text_action_list(struct of_text_scan *s, const struct flow_match *match,
                        struct of_actions *actions, struct of_insts *insts);

#endif
