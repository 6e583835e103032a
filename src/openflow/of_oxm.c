/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OXM: the match on the wire (sections 7.2.3.2 to 7.2.3.8).
 * Threads: any; no state.
 */
#include "openflow/of_wire_pvt.h"

#include <string.h>

#define MATCH_HEADER 4
#define MATCH_OXM    1
#define OXM_HEADER   4
#define EXP_ID       4

int of_oxm_get(const uint8_t *p, size_t n, bool only_header, struct of_oxm *oxm)
{
	unsigned size;

	memset(oxm, 0, sizeof(*oxm));
	if (n < OXM_HEADER)
		return -EPROTO;
	oxm->oxm_class = of_get_u16(p);
	oxm->number = p[2] >> 1;
	oxm->has_mask = p[2] & 1;
	oxm->header_size = OXM_HEADER;
	size = p[3];
	if (!only_header && size > n - OXM_HEADER)
		return -EPROTO;
	if (oxm->oxm_class == FLOW_OXM_EXPERIMENTER) {
		if (n < OXM_HEADER + EXP_ID || size < EXP_ID)
			return -EPROTO;
		size -= EXP_ID;
		oxm->header_size += EXP_ID;
	}
	oxm->size = (uint8_t)size;
	if (oxm->oxm_class != FLOW_OXM_EXPERIMENTER || of_get_u32(p + OXM_HEADER) == FLOW_OXM_ONF)
		oxm->field = flow_field_by_oxm(oxm->oxm_class, oxm->number);
	return 0;
}

void of_oxm_put_header(struct of_buf *buf, const struct flow_field *field, bool has_mask)
{
	bool exp = field->oxm_class == FLOW_OXM_EXPERIMENTER;
	unsigned size = (unsigned)field->size * (has_mask ? 2 : 1) + (exp ? EXP_ID : 0);

	of_buf_put_u16(buf, field->oxm_class);
	of_buf_put_u16(buf, (uint16_t)(field->oxm_field << 9 | has_mask << 8 | size));
	if (exp)
		of_buf_put_u32(buf, FLOW_OXM_ONF);
}

static bool is_zero(const uint8_t *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* An exact VLAN_VID is OFPVID_NONE, or has OFPVID_PRESENT. */
static bool value_ok(const struct flow_field *f, const uint8_t *value, const uint8_t *mask)
{
	uint64_t vid;

	if (!flow_field_value_fits(f, value))
		return false;
	if (f->id != FLOW_FIELD_VLAN_VID || mask != NULL)
		return true;
	vid = flow_field_value_u64(f, value);
	return vid == OFPVID_NONE || (vid & OFPVID_PRESENT);
}

static int check_tlv(const struct of_oxm *oxm, const uint8_t *value, const struct flow_match *match,
                     struct of_error *err)
{
	const struct flow_field *f = oxm->field;
	const uint8_t *mask = oxm->has_mask ? value + f->size : NULL;

	if (oxm->size != f->size * (oxm->has_mask ? 2 : 1))
		return of_error_set(err, OFPBMC_BAD_LEN);
	if (oxm->has_mask && !(f->flags & FLOW_FIELD_MASK))
		return of_error_set(err, OFPBMC_BAD_MASK);
	if (!value_ok(f, value, mask))
		return of_error_set(err, OFPBMC_BAD_VALUE);
	if (mask != NULL && !flow_field_value_fits(f, mask))
		return of_error_set(err, OFPBMC_BAD_MASK);
	for (unsigned i = 0; mask != NULL && i < f->size; i++)
		if (value[i] & ~mask[i])
			return of_error_set(err, OFPBMC_BAD_WILDCARDS);
	if (!flow_match_prereq_ok(match, f->prereq))
		return of_error_set(err, OFPBMC_BAD_PREREQ);
	return 0;
}

/* One TLV into the match; *size: its length. */
static int decode_tlv(const uint8_t *p, size_t n, struct flow_match *match,
                      struct flow_field_set *seen, size_t *size, struct of_error *err)
{
	const uint8_t *value, *mask;
	struct of_oxm oxm;
	int rc;

	if (of_oxm_get(p, n, false, &oxm) != 0)
		return of_error_set(err, OFPBMC_BAD_LEN);
	if (oxm.field == NULL)
		return of_error_set(err, OFPBMC_BAD_FIELD);
	value = p + oxm.header_size;
	mask = oxm.has_mask ? value + oxm.field->size : NULL;
	rc = check_tlv(&oxm, value, match, err);
	if (rc != 0)
		return rc;
	if (flow_field_set_has(seen, oxm.field->id))
		return of_error_set(err, OFPBMC_DUP_FIELD);
	flow_field_set_add(seen, oxm.field->id);
	if (mask == NULL || !is_zero(mask, oxm.field->size))
		flow_match_add(match, oxm.field, value, mask);
	*size = (size_t)oxm.header_size + oxm.size;
	return 0;
}

/* An ofp_match of `size` bytes, padding excluded. */
int of_match_decode(const uint8_t *bytes, size_t size, struct flow_match *match,
                    struct of_error *err)
{
	struct flow_field_set seen = {{0}};
	size_t tlv = 0;
	int rc;

	flow_match_init(match);
	if (size < MATCH_HEADER || of_get_u16(bytes + 2) != size)
		return of_error_set(err, OFPBMC_BAD_LEN);
	if (of_get_u16(bytes) != MATCH_OXM)
		return of_error_set(err, OFPBMC_BAD_TYPE);
	for (size_t at = MATCH_HEADER; at < size; at += tlv) {
		rc = decode_tlv(bytes + at, size - at, match, &seen, &tlv, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int decode_match(struct of_cursor *c, void *member)
{
	size_t size, padded;
	int rc;

	if (c->left < 8)
		return of_cursor_bad_len(c);
	size = of_get_u16(c->p + 2);
	padded = (size + 7) & ~(size_t)7;
	if (size < MATCH_HEADER || padded > c->left)
		return of_error_set(c->err, OFPBMC_BAD_LEN);
	rc = of_match_decode(c->p, size, member, c->err);
	c->p += padded;
	c->left -= padded;
	return rc;
}

static void encode_field(struct of_buf *buf, const struct flow_field *f,
                         const struct flow_match *match)
{
	uint8_t value[FLOW_VALUE_MAX], mask[FLOW_VALUE_MAX], ones[FLOW_VALUE_MAX];
	bool masked;

	flow_field_get(f, &match->key, value);
	flow_field_get(f, &match->mask, mask);
	flow_field_ones(f, ones);
	masked = memcmp(mask, ones, f->size) != 0;
	of_oxm_put_header(buf, f, masked);
	of_buf_put(buf, value, f->size);
	if (masked)
		of_buf_put(buf, mask, f->size);
}

void of_match_encode(const struct flow_match *match, struct of_buf *buf)
{
	size_t start = buf->size;

	of_buf_put_u16(buf, MATCH_OXM);
	of_buf_put_u16(buf, 0);
	for (unsigned i = 0; i < FLOW_N_FIELDS; i++)
		if (flow_match_field_used(match, &flow_fields[i]))
			encode_field(buf, &flow_fields[i], match);
	of_buf_patch_len(buf, start + 2, start);
	of_buf_pad8(buf, start);
}

static int encode_match(struct of_buf *buf, const void *member)
{
	of_match_encode(member, buf);
	return 0;
}

const struct of_wire_call of_call_match = {decode_match, encode_match};
