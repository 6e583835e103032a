/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptions of the structs that appear in lists: ports, queues, buckets, bands.
 * Threads: any; constant.
 */
#include "openflow/of_wire_pvt.h"

#include <string.h>

static const struct of_wire rows_port[] = {
        OF_INT(struct of_port, port_no),    OF_PAD(4),
        OF_BYTES(struct of_port, hw_addr),  OF_PAD(2),
        OF_TEXT(struct of_port, name),      OF_INT(struct of_port, config),
        OF_INT(struct of_port, state),      OF_INT(struct of_port, curr),
        OF_INT(struct of_port, advertised), OF_INT(struct of_port, supported),
        OF_INT(struct of_port, peer),       OF_INT(struct of_port, curr_speed),
        OF_INT(struct of_port, max_speed),  OF_END,
};
const struct of_wire_elem of_elem_port = {rows_port, sizeof(struct of_port), OFPBRC_BAD_LEN, NULL};

static const struct of_wire rows_bucket[] = {
        OF_LEN(8),
        OF_INT(struct of_bucket, weight),
        OF_INT(struct of_bucket, watch_port),
        OF_INT(struct of_bucket, watch_group),
        OF_PAD(4),
        OF_CALL(struct of_bucket, actions, &of_call_actions),
        OF_END,
};
const struct of_wire_elem of_elem_bucket = {rows_bucket, sizeof(struct of_bucket),
                                            OFPGMFC_BAD_BUCKET, NULL};

/* The last four bytes belong to DSCP_REMARK alone. */
static const struct of_wire rows_band[] = {
        OF_INT(struct of_meter_band, type),
        OF_LEN(8),
        OF_INT(struct of_meter_band, rate),
        OF_INT(struct of_meter_band, burst_size),
        OF_INT(struct of_meter_band, prec_level),
        OF_PAD(3),
        OF_END,
};

static int check_band(void *element, struct of_error *err)
{
	struct of_meter_band *band = element;

	if (band->type != OFPMBT_DROP && band->type != OFPMBT_DSCP_REMARK)
		return of_error_set(err, OFPMMFC_BAD_BAND);
	if (band->type == OFPMBT_DROP)
		band->prec_level = 0;
	return 0;
}

const struct of_wire_elem of_elem_band = {rows_band, sizeof(struct of_meter_band), OFPBRC_BAD_LEN,
                                          check_band};

#define QUEUE_PROP_SIZE 16

/* Properties of a queue (section 7.2.2); others than the rates are passed over. */
static int decode_queue_props(struct of_cursor *c, void *member)
{
	struct of_queue *queue = evs_container_of(member, struct of_queue, min_rate);

	queue->min_rate = queue->max_rate = OF_QUEUE_RATE_NONE;
	while (c->left > 0) {
		size_t n = c->left >= 8 ? of_get_u16(c->p + 2) : 0;
		uint16_t type = n >= 8 ? of_get_u16(c->p) : 0;
		bool rate = type == OFPQT_MIN_RATE || type == OFPQT_MAX_RATE;
		if (n < 8 || n % 8 != 0 || n > c->left || (rate && n != QUEUE_PROP_SIZE))
			return of_cursor_bad_len(c);
		if (type == OFPQT_MIN_RATE)
			queue->min_rate = of_get_u16(c->p + 8);
		else if (type == OFPQT_MAX_RATE)
			queue->max_rate = of_get_u16(c->p + 8);
		c->p += n;
		c->left -= n;
	}
	return 0;
}

static void encode_rate(struct of_buf *buf, uint16_t type, uint16_t rate)
{
	if (rate == OF_QUEUE_RATE_NONE)
		return;
	of_buf_put_u16(buf, type);
	of_buf_put_u16(buf, QUEUE_PROP_SIZE);
	of_buf_add(buf, 4);
	of_buf_put_u16(buf, rate);
	of_buf_add(buf, 6);
}

static int encode_queue_props(struct of_buf *buf, const void *member)
{
	const struct of_queue *queue = evs_container_of(member, const struct of_queue, min_rate);

	encode_rate(buf, OFPQT_MIN_RATE, queue->min_rate);
	encode_rate(buf, OFPQT_MAX_RATE, queue->max_rate);
	return 0;
}

const struct of_wire_call of_call_queue_props = {decode_queue_props, encode_queue_props};

static const struct of_wire rows_queue[] = {
        OF_INT(struct of_queue, queue_id),
        OF_INT(struct of_queue, port),
        OF_LEN(8),
        OF_PAD(6),
        OF_CALL(struct of_queue, min_rate, &of_call_queue_props),
        OF_END,
};
const struct of_wire_elem of_elem_queue = {rows_queue, sizeof(struct of_queue), OFPBRC_BAD_LEN,
                                           NULL};
