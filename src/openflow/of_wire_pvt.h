/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The description language of wire formats, and its two interpreters.
 * Threads: any. Inside the room only.
 *
 * A row says what comes next on the wire and which member of the decoded struct it is. Rows
 * of one struct form a table that ends with OF_END. Members are as wide as their wire field.
 */
#ifndef OF_WIRE_PVT_H
#define OF_WIRE_PVT_H

#include "openflow/of_msg.h"

enum of_wire_kind {
	OF_WIRE_END,
	OF_WIRE_INT,   /* n bytes, big-endian, into a member of n bytes */
	OF_WIRE_BYTES, /* n bytes as they are */
	OF_WIRE_TEXT,  /* n bytes; the member is zero-terminated */
	OF_WIRE_PAD,   /* n bytes, zero when sent, ignored when received (section 7.1.2) */
	OF_WIRE_LEN,   /* 16 bits: length of this element; a multiple of n */
	OF_WIRE_LIST,  /* elements to the end: member is the pointer, member2 the count */
	OF_WIRE_CALL,  /* a part with functions of its own */
};

struct of_cursor;

struct of_wire_call {
	int (*decode)(struct of_cursor *c, void *member);
	int (*encode)(struct of_buf *buf, const void *member);
};

struct of_wire {
	uint8_t kind;
	uint16_t n;
	uint16_t member, member2;
	const void *arg; /* LIST: struct of_wire_elem; CALL: struct of_wire_call */
};

/* A struct that appears in lists. */
struct of_wire_elem {
	const struct of_wire *rows;
	uint16_t size;                                     /* of the decoded struct */
	uint32_t bad_len;                                  /* enum of_error_no */
	int (*check)(void *element, struct of_error *err); /* NULL: nothing to check */
};

#define OF_INT(type, member)                                                                       \
	{                                                                                          \
		OF_WIRE_INT, sizeof(((type *)0)->member), offsetof(type, member), 0, NULL          \
	}
#define OF_BYTES(type, member)                                                                     \
	{                                                                                          \
		OF_WIRE_BYTES, sizeof(((type *)0)->member), offsetof(type, member), 0, NULL        \
	}
#define OF_TEXT(type, member)                                                                      \
	{                                                                                          \
		OF_WIRE_TEXT, sizeof(((type *)0)->member), offsetof(type, member), 0, NULL         \
	}
#define OF_PAD(n)                                                                                  \
	{                                                                                          \
		OF_WIRE_PAD, n, 0, 0, NULL                                                         \
	}
#define OF_LEN(multiple)                                                                           \
	{                                                                                          \
		OF_WIRE_LEN, multiple, 0, 0, NULL                                                  \
	}
#define OF_LIST(type, member, count, elem)                                                         \
	{                                                                                          \
		OF_WIRE_LIST, 0, offsetof(type, member), offsetof(type, count), elem               \
	}
#define OF_CALL(type, member, call)                                                                \
	{                                                                                          \
		OF_WIRE_CALL, 0, offsetof(type, member), 0, call                                   \
	}
#define OF_END                                                                                     \
	{                                                                                          \
		OF_WIRE_END, 0, 0, 0, NULL                                                         \
	}

/* What is left to decode of the innermost element. */
struct of_cursor {
	const uint8_t *p;
	size_t left;
	struct of_arena *arena;
	struct of_error *err;
	uint32_t bad_len; /* enum of_error_no for a length that does not fit */
};

int of_wire_decode(struct of_cursor *c, const struct of_wire *rows, void *object);
int of_wire_encode(struct of_buf *buf, const struct of_wire *rows, const void *object);
/* Elements to the end of the cursor, into an array in the arena. */
int of_wire_decode_list(struct of_cursor *c, const struct of_wire_elem *elem, const void **elements,
                        uint32_t *n);

EVS_INLINE int of_cursor_bad_len(struct of_cursor *c)
{
	return of_error_set(c->err, (enum of_error_no)c->bad_len);
}

EVS_INLINE uint16_t of_get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

EVS_INLINE uint32_t of_get_u32(const uint8_t *p)
{
	return (uint32_t)of_get_u16(p) << 16 | of_get_u16(p + 2);
}

EVS_INLINE uint64_t of_get_u64(const uint8_t *p)
{
	return (uint64_t)of_get_u32(p) << 32 | of_get_u32(p + 4);
}

/* Room for n zeroed bytes at the end, or NULL (then buf->failed). */
uint8_t *of_buf_add(struct of_buf *buf, size_t n);
void of_buf_put_u16(struct of_buf *buf, uint16_t v);
void of_buf_put_u32(struct of_buf *buf, uint32_t v);
void of_buf_put_u64(struct of_buf *buf, uint64_t v);
void of_buf_put(struct of_buf *buf, const void *bytes, size_t n);
/* Stores the length of what was added since `start` into the 16 bits at `at`. */
void of_buf_patch_len(struct of_buf *buf, size_t at, size_t start);
/* Zeroes up to the next multiple of 8, counted from `start`. */
void of_buf_pad8(struct of_buf *buf, size_t start);

/* Parts with functions of their own. */
extern const struct of_wire_call of_call_match, of_call_insts, of_call_actions, of_call_blob;
extern const struct of_wire_call of_call_packet_out, of_call_hello, of_call_multipart_request;
extern const struct of_wire_call of_call_multipart_reply, of_call_table_props, of_call_queue_props;

extern const struct of_wire_elem of_elem_bucket, of_elem_band, of_elem_port, of_elem_queue;
extern const struct of_wire_elem of_elem_table_features;

/* Actions on the wire; the cursor holds nothing else. */
int of_actions_decode(struct of_cursor *c, struct of_actions *actions);
void of_actions_encode(struct of_buf *buf, const struct of_actions *actions);

/* An OXM header. size: of the payload, without experimenter id. */
struct of_oxm {
	uint16_t oxm_class;
	uint8_t number;
	bool has_mask;
	uint8_t size;
	uint8_t header_size;            /* 4, or 8 with an experimenter id */
	const struct flow_field *field; /* NULL if unknown */
};
/* Reads a header; -EPROTO (without an error set) if it or its payload does not fit in n bytes;
 * with n_only_header the payload need not be there (table-features). */
int of_oxm_get(const uint8_t *p, size_t n, bool only_header, struct of_oxm *oxm);
void of_oxm_put_header(struct of_buf *buf, const struct flow_field *field, bool has_mask);

#endif
