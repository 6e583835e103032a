/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A match in full form: what a decoded message, the text parser and the printer use. Rules at rest
 * live in the classifier's compact form.
 * Threads: any. Owner: the caller.
 *
 * Invariants: key lies within mask (a bit outside the mask is zero); a field that is not matched
 * has a zero mask. So two matches are equal if their bytes are.
 */
#ifndef FLOW_MATCH_H
#define FLOW_MATCH_H

#include "flow/flow_field.h"

struct flow_match {
	struct flow_key key;
	struct flow_key mask;
};

/* Matches everything. */
void flow_match_init(struct flow_match *match);
/* Adds a field; mask NULL: exact. Bits of value outside the mask are ignored. */
void flow_match_add(struct flow_match *match, const struct flow_field *field, const uint8_t *value,
                    const uint8_t *mask);
void flow_match_add_u64(struct flow_match *match, enum flow_field_id id, uint64_t value);
/* The fields with any bit in the mask. Fields that share bytes (TCP and UDP ports) are told apart
 * by their prerequisites. */
void flow_match_fields(const struct flow_match *match, struct flow_field_set *set);
bool flow_match_field_used(const struct flow_match *match, const struct flow_field *field);
/* Whether the match guarantees what the field needs (section 7.2.3.6). */
bool flow_match_prereq_ok(const struct flow_match *match, enum flow_prereq prereq);

#endif
