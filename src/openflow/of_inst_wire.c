/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions on the wire (section 7.2.5).
 * Threads: any; no state.
 */
#include "openflow/of_wire_pvt.h"

#include <string.h>

#define INST_HEADER  4
#define EXPERIMENTER 0xffff

/* Wire sizes by number; 0: variable. */
static const uint8_t inst_sizes[] = {[1] = 8, [2] = 24, [3] = 0, [4] = 0, [5] = 8, [6] = 8};

static int decode_list(struct of_cursor *c, const uint8_t *p, size_t n, struct of_actions *actions)
{
	struct of_cursor sub = {.p = p + 8, .left = n - 8, .arena = c->arena, .err = c->err};

	return of_actions_decode(&sub, actions);
}

static int decode_goto(const uint8_t *p, struct of_insts *insts, struct of_error *err)
{
	insts->goto_table = p[4];
	return p[4] <= OFPTT_MAX ? 0 : of_error_set(err, OFPBIC_BAD_TABLE_ID);
}

/* One instruction of n >= 8 bytes. */
static int decode_inst(struct of_cursor *c, const uint8_t *p, size_t n, struct of_insts *insts)
{
	uint16_t number = of_get_u16(p);

	if (number == EXPERIMENTER)
		return of_error_set(c->err, OFPBIC_BAD_EXPERIMENTER);
	if (number == 0 || number >= EVS_ARRAY_LEN(inst_sizes))
		return of_error_set(c->err, OFPBIC_UNKNOWN_INST);
	if (inst_sizes[number] != 0 && n != inst_sizes[number])
		return of_error_set(c->err, OFPBIC_BAD_LEN);
	if (insts->set & 1U << number)
		return of_error_set(c->err, OFPBIC_DUP_INST);
	insts->set |= 1U << number;
	switch (1 << number) {
	case OF_INST_GOTO_TABLE:
		return decode_goto(p, insts, c->err);
	case OF_INST_WRITE_METADATA:
		insts->metadata_mask = of_get_u64(p + 16);
		insts->metadata = of_get_u64(p + 8) & insts->metadata_mask;
		return 0;
	case OF_INST_WRITE_ACTIONS:
		return decode_list(c, p, n, &insts->write);
	case OF_INST_APPLY_ACTIONS:
		return decode_list(c, p, n, &insts->apply);
	case OF_INST_METER:
		insts->meter_id = of_get_u32(p + 4);
		return 0;
	default:
		return 0;
	}
}

static int decode_insts(struct of_cursor *c, void *member)
{
	struct of_insts *insts = member;
	size_t n;
	int rc;

	memset(insts, 0, sizeof(*insts));
	for (; c->left > 0; c->p += n, c->left -= n) {
		n = c->left >= INST_HEADER ? of_get_u16(c->p + 2) : 0;
		if (n < 8 || n % 8 != 0 || n > c->left)
			return of_error_set(c->err, OFPBIC_BAD_LEN);
		rc = decode_inst(c, c->p, n, insts);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void put_header(struct of_buf *buf, uint16_t number, uint16_t size)
{
	of_buf_put_u16(buf, number);
	of_buf_put_u16(buf, size);
}

static void encode_list(struct of_buf *buf, uint16_t number, const struct of_actions *actions)
{
	size_t start = buf->size;

	put_header(buf, number, 0);
	of_buf_add(buf, 4);
	of_actions_encode(buf, actions);
	of_buf_patch_len(buf, start + 2, start);
}

static void encode_inst(struct of_buf *buf, const struct of_insts *insts, uint16_t number)
{
	switch (1 << number) {
	case OF_INST_WRITE_ACTIONS:
		encode_list(buf, number, &insts->write);
		return;
	case OF_INST_APPLY_ACTIONS:
		encode_list(buf, number, &insts->apply);
		return;
	default:
		put_header(buf, number, inst_sizes[number]);
		break;
	}
	if (1 << number == OF_INST_METER)
		of_buf_put_u32(buf, insts->meter_id);
	else if (1 << number == OF_INST_GOTO_TABLE)
		of_buf_put_u32(buf, (uint32_t)insts->goto_table << 24);
	else
		of_buf_add(buf, 4);
	if (1 << number == OF_INST_WRITE_METADATA) {
		of_buf_put_u64(buf, insts->metadata);
		of_buf_put_u64(buf, insts->metadata_mask);
	}
}

/* In the order of execution. */
static int encode_insts(struct of_buf *buf, const void *member)
{
	static const uint8_t order[] = {6, 4, 5, 3, 2, 1};
	const struct of_insts *insts = member;

	for (unsigned i = 0; i < EVS_ARRAY_LEN(order); i++)
		if (insts->set & 1U << order[i])
			encode_inst(buf, insts, order[i]);
	return 0;
}

const struct of_wire_call of_call_insts = {decode_insts, encode_insts};

bool of_actions_equal(const struct of_actions *a, const struct of_actions *b)
{
	return a->size == b->size && (a->size == 0 || memcmp(a->list, b->list, a->size) == 0);
}

bool of_insts_equal(const struct of_insts *a, const struct of_insts *b)
{
	return a->set == b->set && a->meter_id == b->meter_id && a->metadata == b->metadata &&
	       a->metadata_mask == b->metadata_mask && a->goto_table == b->goto_table &&
	       of_actions_equal(&a->apply, &b->apply) && of_actions_equal(&a->write, &b->write);
}
