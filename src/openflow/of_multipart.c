/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multipart messages: one row for each type says what its request and its reply are made of.
 * Threads: any; no state.
 */
#include "openflow/of_wire_pvt.h"

#include <string.h>

#define MP_HEADER   8 /* type, flags, padding */
#define PART_HEADER (OF_HEADER_SIZE + MP_HEADER)

/* How a reply is held in struct of_multipart. */
enum reply_form { REPLY_LIST, REPLY_DESC, REPLY_INLINE };

struct multipart {
	const struct of_wire *request; /* NULL: empty body */
	const struct of_wire_elem *reply;
	uint8_t form;
	bool request_list; /* TABLE_FEATURES: the request has the reply's elements */
};

static const struct of_wire rows_flow_request[] = {
        OF_INT(struct of_flow_request, table_id),
        OF_PAD(3),
        OF_INT(struct of_flow_request, out_port),
        OF_INT(struct of_flow_request, out_group),
        OF_PAD(4),
        OF_INT(struct of_flow_request, cookie),
        OF_INT(struct of_flow_request, cookie_mask),
        OF_CALL(struct of_flow_request, match, &of_call_match),
        OF_END,
};
static const struct of_wire rows_object[] = {
        OF_INT(struct of_object_request, id),
        OF_PAD(4),
        OF_END,
};
static const struct of_wire rows_queue_request[] = {
        OF_INT(struct of_object_request, id),
        OF_INT(struct of_object_request, queue_id),
        OF_END,
};

static const struct of_wire rows_desc[] = {
        OF_TEXT(struct of_desc, mfr_desc), OF_TEXT(struct of_desc, hw_desc),
        OF_TEXT(struct of_desc, sw_desc),  OF_TEXT(struct of_desc, serial_num),
        OF_TEXT(struct of_desc, dp_desc),  OF_END,
};
static const struct of_wire rows_flow[] = {
        OF_LEN(8),
        OF_INT(struct of_flow_stats, table_id),
        OF_PAD(1),
        OF_INT(struct of_flow_stats, duration_sec),
        OF_INT(struct of_flow_stats, duration_nsec),
        OF_INT(struct of_flow_stats, priority),
        OF_INT(struct of_flow_stats, idle_timeout),
        OF_INT(struct of_flow_stats, hard_timeout),
        OF_INT(struct of_flow_stats, flags),
        OF_PAD(4),
        OF_INT(struct of_flow_stats, cookie),
        OF_INT(struct of_flow_stats, packet_count),
        OF_INT(struct of_flow_stats, byte_count),
        OF_CALL(struct of_flow_stats, match, &of_call_match),
        OF_CALL(struct of_flow_stats, insts, &of_call_insts),
        OF_END,
};
static const struct of_wire rows_aggregate[] = {
        OF_INT(struct of_aggregate, packet_count),
        OF_INT(struct of_aggregate, byte_count),
        OF_INT(struct of_aggregate, flow_count),
        OF_PAD(4),
        OF_END,
};
static const struct of_wire rows_table[] = {
        OF_INT(struct of_table_stats, table_id),      OF_PAD(3),
        OF_INT(struct of_table_stats, active_count),  OF_INT(struct of_table_stats, lookup_count),
        OF_INT(struct of_table_stats, matched_count), OF_END,
};
static const struct of_wire rows_port_stats[] = {
        OF_INT(struct of_port_stats, port_no),
        OF_PAD(4),
        OF_INT(struct of_port_stats, rx_packets),
        OF_INT(struct of_port_stats, tx_packets),
        OF_INT(struct of_port_stats, rx_bytes),
        OF_INT(struct of_port_stats, tx_bytes),
        OF_INT(struct of_port_stats, rx_dropped),
        OF_INT(struct of_port_stats, tx_dropped),
        OF_INT(struct of_port_stats, rx_errors),
        OF_INT(struct of_port_stats, tx_errors),
        OF_INT(struct of_port_stats, rx_frame_err),
        OF_INT(struct of_port_stats, rx_over_err),
        OF_INT(struct of_port_stats, rx_crc_err),
        OF_INT(struct of_port_stats, collisions),
        OF_INT(struct of_port_stats, duration_sec),
        OF_INT(struct of_port_stats, duration_nsec),
        OF_END,
};
static const struct of_wire rows_queue_stats[] = {
        OF_INT(struct of_queue_stats, port_no),       OF_INT(struct of_queue_stats, queue_id),
        OF_INT(struct of_queue_stats, tx_bytes),      OF_INT(struct of_queue_stats, tx_packets),
        OF_INT(struct of_queue_stats, tx_errors),     OF_INT(struct of_queue_stats, duration_sec),
        OF_INT(struct of_queue_stats, duration_nsec), OF_END,
};
static const struct of_wire rows_bucket_counter[] = {
        OF_INT(struct of_bucket_counter, packet_count),
        OF_INT(struct of_bucket_counter, byte_count),
        OF_END,
};
static const struct of_wire_elem elem_bucket_counter = {
        rows_bucket_counter, sizeof(struct of_bucket_counter), OFPBRC_BAD_LEN, NULL};
static const struct of_wire rows_group_stats[] = {
        OF_LEN(8),
        OF_PAD(2),
        OF_INT(struct of_group_stats, group_id),
        OF_INT(struct of_group_stats, ref_count),
        OF_PAD(4),
        OF_INT(struct of_group_stats, packet_count),
        OF_INT(struct of_group_stats, byte_count),
        OF_INT(struct of_group_stats, duration_sec),
        OF_INT(struct of_group_stats, duration_nsec),
        OF_LIST(struct of_group_stats, buckets, n_buckets, &elem_bucket_counter),
        OF_END,
};
static const struct of_wire rows_group_desc[] = {
        OF_LEN(8),
        OF_INT(struct of_group_desc, type),
        OF_PAD(1),
        OF_INT(struct of_group_desc, group_id),
        OF_LIST(struct of_group_desc, buckets, n_buckets, &of_elem_bucket),
        OF_END,
};
static const struct of_wire rows_group_features[] = {
        OF_INT(struct of_group_features, types),
        OF_INT(struct of_group_features, capabilities),
        OF_INT(struct of_group_features, max_groups[0]),
        OF_INT(struct of_group_features, max_groups[1]),
        OF_INT(struct of_group_features, max_groups[2]),
        OF_INT(struct of_group_features, max_groups[3]),
        OF_INT(struct of_group_features, actions[0]),
        OF_INT(struct of_group_features, actions[1]),
        OF_INT(struct of_group_features, actions[2]),
        OF_INT(struct of_group_features, actions[3]),
        OF_END,
};
static const struct of_wire rows_band_counter[] = {
        OF_INT(struct of_band_counter, packet_count),
        OF_INT(struct of_band_counter, byte_count),
        OF_END,
};
static const struct of_wire_elem elem_band_counter = {
        rows_band_counter, sizeof(struct of_band_counter), OFPBRC_BAD_LEN, NULL};
static const struct of_wire rows_meter_stats[] = {
        OF_INT(struct of_meter_stats, meter_id),
        OF_LEN(8),
        OF_PAD(6),
        OF_INT(struct of_meter_stats, flow_count),
        OF_INT(struct of_meter_stats, packet_in_count),
        OF_INT(struct of_meter_stats, byte_in_count),
        OF_INT(struct of_meter_stats, duration_sec),
        OF_INT(struct of_meter_stats, duration_nsec),
        OF_LIST(struct of_meter_stats, bands, n_bands, &elem_band_counter),
        OF_END,
};
static const struct of_wire rows_meter_config[] = {
        OF_LEN(8),
        OF_INT(struct of_meter_config, flags),
        OF_INT(struct of_meter_config, meter_id),
        OF_LIST(struct of_meter_config, bands, n_bands, &of_elem_band),
        OF_END,
};
static const struct of_wire rows_meter_features[] = {
        OF_INT(struct of_meter_features, max_meter),
        OF_INT(struct of_meter_features, band_types),
        OF_INT(struct of_meter_features, capabilities),
        OF_INT(struct of_meter_features, max_bands),
        OF_INT(struct of_meter_features, max_color),
        OF_PAD(2),
        OF_END,
};

#define ELEM(name, type)                                                                           \
	static const struct of_wire_elem elem_##name = {rows_##name, sizeof(struct type),          \
	                                                OFPBRC_BAD_LEN, NULL}
ELEM(desc, of_desc);
ELEM(flow, of_flow_stats);
ELEM(aggregate, of_aggregate);
ELEM(table, of_table_stats);
ELEM(port_stats, of_port_stats);
ELEM(queue_stats, of_queue_stats);
ELEM(group_stats, of_group_stats);
ELEM(group_desc, of_group_desc);
ELEM(group_features, of_group_features);
ELEM(meter_stats, of_meter_stats);
ELEM(meter_config, of_meter_config);
ELEM(meter_features, of_meter_features);

static const struct multipart multiparts[] = {
        [OFPMP_DESC] = {NULL, &elem_desc, REPLY_DESC, false},
        [OFPMP_FLOW] = {rows_flow_request, &elem_flow, REPLY_LIST, false},
        [OFPMP_AGGREGATE] = {rows_flow_request, &elem_aggregate, REPLY_INLINE, false},
        [OFPMP_TABLE] = {NULL, &elem_table, REPLY_LIST, false},
        [OFPMP_PORT_STATS] = {rows_object, &elem_port_stats, REPLY_LIST, false},
        [OFPMP_QUEUE] = {rows_queue_request, &elem_queue_stats, REPLY_LIST, false},
        [OFPMP_GROUP] = {rows_object, &elem_group_stats, REPLY_LIST, false},
        [OFPMP_GROUP_DESC] = {NULL, &elem_group_desc, REPLY_LIST, false},
        [OFPMP_GROUP_FEATURES] = {NULL, &elem_group_features, REPLY_INLINE, false},
        [OFPMP_METER] = {rows_object, &elem_meter_stats, REPLY_LIST, false},
        [OFPMP_METER_CONFIG] = {rows_object, &elem_meter_config, REPLY_LIST, false},
        [OFPMP_METER_FEATURES] = {NULL, &elem_meter_features, REPLY_INLINE, false},
        [OFPMP_TABLE_FEATURES] = {NULL, &of_elem_table_features, REPLY_LIST, true},
        [OFPMP_PORT_DESC] = {NULL, &of_elem_port, REPLY_LIST, false},
};

static const struct multipart *lookup(uint16_t type)
{
	return type < EVS_ARRAY_LEN(multiparts) ? &multiparts[type] : NULL;
}

/* Type and flags; *type is left NULL for what is not understood. */
static int decode_header(struct of_cursor *c, struct of_multipart *m, const struct multipart **type)
{
	if (c->left < MP_HEADER)
		return of_cursor_bad_len(c);
	m->type = of_get_u16(c->p);
	m->flags = of_get_u16(c->p + 2);
	c->p += MP_HEADER;
	c->left -= MP_HEADER;
	if (m->type == OFPMP_EXPERIMENTER)
		return of_error_set(c->err, OFPBRC_BAD_EXPERIMENTER);
	*type = lookup(m->type);
	return *type != NULL ? 0 : of_error_set(c->err, OFPBRC_BAD_MULTIPART);
}

static int decode_request(struct of_cursor *c, void *member)
{
	struct of_multipart *m = member;
	const struct multipart *type = NULL;
	int rc = decode_header(c, m, &type);

	if (rc != 0)
		return rc;
	if (type->request_list)
		return of_wire_decode_list(c, type->reply, &m->list.elements, &m->list.n);
	return type->request != NULL ? of_wire_decode(c, type->request, &m->flow) : 0;
}

static int decode_reply(struct of_cursor *c, void *member)
{
	struct of_multipart *m = member;
	const struct multipart *type = NULL;
	int rc = decode_header(c, m, &type);
	void *body = &m->aggregate;

	if (rc != 0)
		return rc;
	if (type->form == REPLY_LIST)
		return of_wire_decode_list(c, type->reply, &m->list.elements, &m->list.n);
	if (type->form == REPLY_DESC) {
		body = of_arena_alloc(c->arena, type->reply->size);
		if (body == NULL)
			return -ENOMEM;
		m->desc = body;
	}
	return of_wire_decode(c, type->reply->rows, body);
}

static void put_header(struct of_buf *buf, uint16_t type, uint16_t flags)
{
	of_buf_put_u16(buf, type);
	of_buf_put_u16(buf, flags);
	of_buf_add(buf, 4);
}

static int encode_list(struct of_buf *buf, const struct of_wire_elem *elem,
                       const struct of_multipart_list *list)
{
	int rc = 0;

	for (uint32_t i = 0; i < list->n && rc == 0; i++)
		rc = of_wire_encode(buf, elem->rows,
		                    (const uint8_t *)list->elements + i * elem->size);
	return rc;
}

static int encode_request(struct of_buf *buf, const void *member)
{
	const struct of_multipart *m = member;
	const struct multipart *type = lookup(m->type);

	if (type == NULL)
		return -EINVAL;
	put_header(buf, m->type, m->flags);
	if (type->request_list)
		return encode_list(buf, type->reply, &m->list);
	return type->request != NULL ? of_wire_encode(buf, type->request, &m->flow) : 0;
}

static int encode_reply(struct of_buf *buf, const void *member)
{
	const struct of_multipart *m = member;
	const struct multipart *type = lookup(m->type);

	if (type == NULL)
		return -EINVAL;
	put_header(buf, m->type, m->flags);
	if (type->form == REPLY_LIST)
		return encode_list(buf, type->reply, &m->list);
	return of_wire_encode(buf, type->reply->rows,
	                      type->form == REPLY_DESC ? (const void *)m->desc : &m->aggregate);
}

const struct of_wire_call of_call_multipart_request = {decode_request, encode_request};
const struct of_wire_call of_call_multipart_reply = {decode_reply, encode_reply};

static void part_begin(struct of_multipart_writer *w)
{
	struct of_buf *buf = w->buf;

	w->part = buf->size;
	of_buf_put(buf, (const uint8_t[]){OF_VERSION_13, OFPT_MULTIPART_REPLY}, 2);
	of_buf_put_u16(buf, PART_HEADER);
	of_buf_put_u32(buf, w->xid);
	put_header(buf, w->type, 0);
}

void of_multipart_begin(struct of_multipart_writer *w, struct of_buf *buf, uint32_t xid,
                        enum of_multipart_type type)
{
	w->buf = buf;
	w->xid = xid;
	w->type = (uint16_t)type;
	part_begin(w);
}

/* The element that did not fit moves into a part of its own. */
static int part_split(struct of_multipart_writer *w, size_t at)
{
	struct of_buf *buf = w->buf;
	size_t size = buf->size - at;

	if (PART_HEADER + size > OF_MSG_MAX || at - w->part <= PART_HEADER) {
		buf->size = at;
		return -EMSGSIZE;
	}
	if (of_buf_add(buf, PART_HEADER) == NULL)
		return -ENOMEM;
	memmove(buf->data + at + PART_HEADER, buf->data + at, size);
	buf->data[w->part + OF_HEADER_SIZE + 3] = OFPMPF_MORE;
	buf->size = at;
	part_begin(w);
	buf->size += size;
	return 0;
}

int of_multipart_add(struct of_multipart_writer *w, const void *element)
{
	const struct multipart *type = lookup(w->type);
	struct of_buf *buf = w->buf;
	size_t at = buf->size;
	int rc = of_wire_encode(buf, type->reply->rows, element);

	if (rc == 0 && buf->size - w->part > OF_MSG_MAX)
		rc = part_split(w, at);
	if (rc != 0) {
		buf->size = EVS_MIN(at, buf->size);
		return rc;
	}
	of_buf_patch_len(buf, w->part + 2, w->part);
	return 0;
}
