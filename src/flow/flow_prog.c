/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building action programs. Threads: any, each with its own builder.
 */
#include "flow/flow_prog.h"

#include <string.h>

static const uint16_t payload_sizes[FLOW_N_OPS] = {
#define X(id, name, payload) [FLOW_OP_##id] = sizeof(struct payload),
        FLOW_OPS(X)
#undef X
};

static const char *const names[FLOW_N_OPS] = {
#define X(id, name, payload) [FLOW_OP_##id] = name,
        FLOW_OPS(X)
#undef X
};

#define X(id, name, payload) static_assert(sizeof(struct payload) % 8 == 0, name);
FLOW_OPS(X)
#undef X

void flow_prog_builder_init(struct flow_prog_builder *b)
{
	b->size = 0;
	b->overflow = false;
}

static struct flow_op *add(struct flow_prog_builder *b, enum flow_op_kind kind, uint32_t arg,
                           uint32_t payload_size)
{
	uint16_t size = (uint16_t)(sizeof(struct flow_op) + payload_size);
	struct flow_op *op;

	if (b->size + size > FLOW_PROG_MAX)
		b->overflow = true;
	op = (struct flow_op *)(b->overflow ? b->scratch : b->ops + b->size);
	memset(op, 0, size);
	op->kind = (uint8_t)kind;
	op->size = size;
	op->arg = arg;
	if (!b->overflow)
		b->size += size;
	return op;
}

struct flow_op *flow_prog_add(struct flow_prog_builder *b, enum flow_op_kind kind, uint32_t arg)
{
	return add(b, kind, arg, payload_sizes[kind]);
}

struct flow_op *flow_prog_add_tunnel(struct flow_prog_builder *b, uint16_t port,
                                     const struct pkt_tunnel_header *header)
{
	size_t size = offsetof(struct pkt_tunnel_header, data) + pkt_tunnel_used(header);
	struct flow_op *op = add(b, FLOW_OP_TUNNEL_PUSH, port, (uint32_t)size);

	memcpy(op->payload, header, size);
	return op;
}

uint32_t flow_prog_clone_begin(struct flow_prog_builder *b)
{
	uint32_t mark = b->size;

	flow_prog_add(b, FLOW_OP_CLONE, 0);
	return mark;
}

void flow_prog_clone_end(struct flow_prog_builder *b, uint32_t mark)
{
	if (!b->overflow)
		((struct flow_op *)(b->ops + mark))->size = (uint16_t)(b->size - mark);
}

const char *flow_op_name(enum flow_op_kind kind)
{
	return (unsigned)kind < FLOW_N_OPS ? names[kind] : "unknown";
}
