/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreters of wire descriptions: one decodes, one encodes.
 * Threads: any; no state.
 */
#include "openflow/of_wire_pvt.h"

#include <stdlib.h>
#include <string.h>

#define ARRAY_FIRST 8 /* elements; the array doubles as needed */

void of_buf_init(struct of_buf *buf)
{
	memset(buf, 0, sizeof(*buf));
}

void of_buf_fini(struct of_buf *buf)
{
	free(buf->data);
	of_buf_init(buf);
}

uint8_t *of_buf_add(struct of_buf *buf, size_t n)
{
	if (buf->cap - buf->size < n) {
		size_t cap = EVS_MAX(EVS_MAX(2 * buf->cap, (size_t)512), buf->size + n);
		uint8_t *data = realloc(buf->data, cap);
		if (data == NULL) {
			buf->failed = true;
			return NULL;
		}
		buf->data = data;
		buf->cap = cap;
	}
	buf->size += n;
	return memset(buf->data + buf->size - n, 0, n);
}

void of_buf_put(struct of_buf *buf, const void *bytes, size_t n)
{
	uint8_t *p = of_buf_add(buf, n);

	if (p != NULL && n > 0)
		memcpy(p, bytes, n);
}

static void put_int(struct of_buf *buf, uint64_t v, unsigned n)
{
	uint8_t *p = of_buf_add(buf, n);

	for (unsigned i = n; p != NULL && i-- > 0; v >>= 8)
		p[i] = (uint8_t)v;
}

void of_buf_put_u16(struct of_buf *buf, uint16_t v)
{
	put_int(buf, v, 2);
}

void of_buf_put_u32(struct of_buf *buf, uint32_t v)
{
	put_int(buf, v, 4);
}

void of_buf_put_u64(struct of_buf *buf, uint64_t v)
{
	put_int(buf, v, 8);
}

void of_buf_patch_len(struct of_buf *buf, size_t at, size_t start)
{
	size_t len = buf->size - start;

	if (buf->failed || len > OF_MSG_MAX) {
		buf->failed = true;
		return;
	}
	buf->data[at] = (uint8_t)(len >> 8);
	buf->data[at + 1] = (uint8_t)len;
}

void of_buf_pad8(struct of_buf *buf, size_t start)
{
	of_buf_add(buf, -(buf->size - start) & 7);
}

static void int_to_member(const uint8_t *p, unsigned n, void *member)
{
	switch (n) {
	case 1:
		*(uint8_t *)member = p[0];
		break;
	case 2:
		*(uint16_t *)member = of_get_u16(p);
		break;
	case 4:
		*(uint32_t *)member = of_get_u32(p);
		break;
	default:
		*(uint64_t *)member = of_get_u64(p);
		break;
	}
}

static uint64_t int_of_member(const void *member, unsigned n)
{
	switch (n) {
	case 1:
		return *(const uint8_t *)member;
	case 2:
		return *(const uint16_t *)member;
	case 4:
		return *(const uint32_t *)member;
	default:
		return *(const uint64_t *)member;
	}
}

/* Rows of a fixed number of bytes. */
static void decode_fixed(const struct of_wire *row, const uint8_t *p, uint8_t *member)
{
	switch (row->kind) {
	case OF_WIRE_INT:
		int_to_member(p, row->n, member);
		break;
	case OF_WIRE_TEXT:
		memcpy(member, p, row->n);
		member[row->n - 1] = '\0';
		memset(member + strlen((char *)member), 0, row->n - strlen((char *)member));
		break;
	case OF_WIRE_BYTES:
		memcpy(member, p, row->n);
		break;
	default:
		break;
	}
}

/* Narrows the cursor to the element that began at `start`; *after: what follows it. */
static int decode_len(struct of_cursor *c, const uint8_t *start, unsigned multiple, size_t *after)
{
	size_t done, len;

	if (c->left < 2)
		return of_cursor_bad_len(c);
	len = of_get_u16(c->p);
	c->p += 2;
	c->left -= 2;
	done = (size_t)(c->p - start);
	if (len < done || len - done > c->left || len % multiple != 0)
		return of_cursor_bad_len(c);
	*after = c->left - (len - done);
	c->left = len - done;
	return 0;
}

static int decode_list_row(struct of_cursor *c, const struct of_wire *row, uint8_t *object)
{
	return of_wire_decode_list(c, row->arg, (const void **)(object + row->member),
	                           (uint32_t *)(object + row->member2));
}

static int decode_row(struct of_cursor *c, const struct of_wire *row, uint8_t *object)
{
	const struct of_wire_call *call = row->arg;

	if (row->kind == OF_WIRE_LIST)
		return decode_list_row(c, row, object);
	if (row->kind == OF_WIRE_CALL)
		return call->decode(c, object + row->member);
	if (c->left < row->n)
		return of_cursor_bad_len(c);
	decode_fixed(row, c->p, object + row->member);
	c->p += row->n;
	c->left -= row->n;
	return 0;
}

int of_wire_decode(struct of_cursor *c, const struct of_wire *rows, void *object)
{
	const uint8_t *start = c->p;
	bool has_len = false;
	size_t after = 0;
	int rc;

	for (const struct of_wire *row = rows; row->kind != OF_WIRE_END; row++) {
		if (row->kind == OF_WIRE_LEN) {
			rc = decode_len(c, start, row->n, &after);
			has_len = true;
		} else {
			rc = decode_row(c, row, object);
		}
		if (rc != 0)
			return rc;
	}
	if (!has_len)
		return 0;
	if (c->left != 0)
		return of_cursor_bad_len(c);
	c->left = after;
	return 0;
}

static int list_grow(struct of_cursor *c, size_t elem_size, uint8_t **list, uint32_t *cap,
                     uint32_t n)
{
	uint32_t bigger = *cap == 0 ? ARRAY_FIRST : 2 * *cap;
	uint8_t *copy = of_arena_alloc(c->arena, bigger * elem_size);

	if (copy == NULL)
		return -ENOMEM;
	if (n > 0)
		memcpy(copy, *list, n * elem_size);
	*list = copy;
	*cap = bigger;
	return 0;
}

int of_wire_decode_list(struct of_cursor *c, const struct of_wire_elem *elem, const void **elements,
                        uint32_t *np)
{
	uint32_t outer_bad_len = c->bad_len, n = 0, cap = 0;
	uint8_t *list = NULL;
	int rc;

	c->bad_len = elem->bad_len;
	for (; c->left > 0; n++) {
		rc = n == cap ? list_grow(c, elem->size, &list, &cap, n) : 0;
		if (rc == 0)
			rc = of_wire_decode(c, elem->rows, list + n * elem->size);
		if (rc == 0 && elem->check != NULL)
			rc = elem->check(list + n * elem->size, c->err);
		if (rc != 0)
			return rc;
	}
	c->bad_len = outer_bad_len;
	*elements = list;
	*np = n;
	return 0;
}

static int encode_list_row(struct of_buf *buf, const struct of_wire *row, const uint8_t *object)
{
	const uint8_t *const *list = (const uint8_t *const *)(object + row->member);
	const struct of_wire_elem *elem = row->arg;
	uint32_t n = *(const uint32_t *)(object + row->member2);
	int rc = 0;

	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = of_wire_encode(buf, elem->rows, *list + i * elem->size);
	return rc;
}

static int encode_row(struct of_buf *buf, const struct of_wire *row, const uint8_t *object)
{
	const struct of_wire_call *call = row->arg;

	switch (row->kind) {
	case OF_WIRE_INT:
		put_int(buf, int_of_member(object + row->member, row->n), row->n);
		return 0;
	case OF_WIRE_BYTES:
	case OF_WIRE_TEXT:
		of_buf_put(buf, object + row->member, row->n);
		return 0;
	case OF_WIRE_PAD:
		of_buf_add(buf, row->n);
		return 0;
	case OF_WIRE_LIST:
		return encode_list_row(buf, row, object);
	default:
		return call->encode(buf, object + row->member);
	}
}

int of_wire_encode(struct of_buf *buf, const struct of_wire *rows, const void *object)
{
	size_t start = buf->size, len_at = SIZE_MAX;
	int rc;

	for (const struct of_wire *row = rows; row->kind != OF_WIRE_END; row++) {
		if (row->kind == OF_WIRE_LEN) {
			len_at = buf->size;
			of_buf_add(buf, 2);
			continue;
		}
		rc = encode_row(buf, row, object);
		if (rc != 0)
			return rc;
		if (buf->failed)
			return -ENOMEM;
	}
	if (len_at == SIZE_MAX || buf->failed)
		return buf->failed ? -ENOMEM : 0;
	if (buf->size - start > OF_MSG_MAX)
		return -EMSGSIZE;
	of_buf_patch_len(buf, len_at, start);
	return 0;
}
