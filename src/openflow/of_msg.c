/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages: one description for each, and the header around them (section 7.1).
 * Threads: any; no state.
 */
#include "openflow/of_wire_pvt.h"

#include <string.h>

#define ERROR_DATA_MAX 1024 /* bytes of the offending message; at least 64 (section 7.5.4) */
#define HELLO_VERSIONS 1    /* OFPHET_VERSIONBITMAP */

/* Rest of the message as it is. */
static int decode_blob(struct of_cursor *c, void *member)
{
	struct of_blob *blob = member;

	blob->data = c->p;
	blob->size = (uint32_t)c->left;
	c->p += c->left;
	c->left = 0;
	return 0;
}

static int encode_blob(struct of_buf *buf, const void *member)
{
	const struct of_blob *blob = member;

	of_buf_put(buf, blob->data, blob->size);
	return 0;
}

const struct of_wire_call of_call_blob = {decode_blob, encode_blob};

/* HELLO: elements, of which only the version bitmap is known; its first 32 bits are enough. */
static int decode_hello(struct of_cursor *c, void *member)
{
	uint32_t *versions = member;

	while (c->left > 0) {
		size_t n = c->left >= 4 ? of_get_u16(c->p + 2) : 0;
		if (n < 4 || n > c->left)
			return of_cursor_bad_len(c);
		if (of_get_u16(c->p) == HELLO_VERSIONS && n >= 8)
			*versions = of_get_u32(c->p + 4);
		n = EVS_MIN((n + 7) & ~(size_t)7, c->left);
		c->p += n;
		c->left -= n;
	}
	return 0;
}

static int encode_hello(struct of_buf *buf, const void *member)
{
	of_buf_put_u16(buf, HELLO_VERSIONS);
	of_buf_put_u16(buf, 8);
	of_buf_put_u32(buf, *(const uint32_t *)member);
	return 0;
}

const struct of_wire_call of_call_hello = {decode_hello, encode_hello};

/* PACKET_OUT: actions of a length told before them, then the packet. */
static int decode_packet_out(struct of_cursor *c, void *member)
{
	struct of_packet_out *out = evs_container_of(member, struct of_packet_out, actions);
	struct of_cursor sub = *c;
	int rc;

	if (c->left < 8)
		return of_cursor_bad_len(c);
	sub.left = of_get_u16(c->p);
	sub.p += 8;
	if (sub.left > c->left - 8)
		return of_cursor_bad_len(c);
	c->p = sub.p + sub.left;
	c->left -= 8 + sub.left;
	rc = of_actions_decode(&sub, &out->actions);
	return rc != 0 ? rc : decode_blob(c, &out->data);
}

static int encode_packet_out(struct of_buf *buf, const void *member)
{
	const struct of_packet_out *out =
	        evs_container_of(member, const struct of_packet_out, actions);
	size_t len_at = buf->size;

	of_buf_add(buf, 8);
	of_actions_encode(buf, &out->actions);
	of_buf_patch_len(buf, len_at, len_at + 8);
	return encode_blob(buf, &out->data);
}

const struct of_wire_call of_call_packet_out = {decode_packet_out, encode_packet_out};

static const struct of_wire rows_none[] = {OF_END};
static const struct of_wire rows_hello[] = {OF_CALL(struct of_hello, versions, &of_call_hello),
                                            OF_END};
static const struct of_wire rows_error[] = {
        OF_INT(struct of_error_msg, error.type),
        OF_INT(struct of_error_msg, error.code),
        OF_CALL(struct of_error_msg, data, &of_call_blob),
        OF_END,
};
static const struct of_wire rows_echo[] = {{OF_WIRE_CALL, 0, 0, 0, &of_call_blob}, OF_END};
static const struct of_wire rows_experimenter[] = {
        OF_INT(struct of_experimenter, experimenter),
        OF_INT(struct of_experimenter, exp_type),
        OF_CALL(struct of_experimenter, data, &of_call_blob),
        OF_END,
};
static const struct of_wire rows_features[] = {
        OF_INT(struct of_features, dpid),
        OF_INT(struct of_features, n_buffers),
        OF_INT(struct of_features, n_tables),
        OF_INT(struct of_features, auxiliary_id),
        OF_PAD(2),
        OF_INT(struct of_features, capabilities),
        OF_PAD(4),
        OF_END,
};
static const struct of_wire rows_config[] = {
        OF_INT(struct of_config, flags),
        OF_INT(struct of_config, miss_send_len),
        OF_END,
};
static const struct of_wire rows_packet_in[] = {
        OF_INT(struct of_packet_in, buffer_id),
        OF_INT(struct of_packet_in, total_len),
        OF_INT(struct of_packet_in, reason),
        OF_INT(struct of_packet_in, table_id),
        OF_INT(struct of_packet_in, cookie),
        OF_CALL(struct of_packet_in, match, &of_call_match),
        OF_PAD(2),
        OF_CALL(struct of_packet_in, data, &of_call_blob),
        OF_END,
};
static const struct of_wire rows_flow_removed[] = {
        OF_INT(struct of_flow_removed, cookie),
        OF_INT(struct of_flow_removed, priority),
        OF_INT(struct of_flow_removed, reason),
        OF_INT(struct of_flow_removed, table_id),
        OF_INT(struct of_flow_removed, duration_sec),
        OF_INT(struct of_flow_removed, duration_nsec),
        OF_INT(struct of_flow_removed, idle_timeout),
        OF_INT(struct of_flow_removed, hard_timeout),
        OF_INT(struct of_flow_removed, packet_count),
        OF_INT(struct of_flow_removed, byte_count),
        OF_CALL(struct of_flow_removed, match, &of_call_match),
        OF_END,
};
static const struct of_wire rows_port_status[] = {
        OF_INT(struct of_port_status, reason),
        OF_PAD(7),
        OF_INT(struct of_port_status, desc.port_no),
        OF_PAD(4),
        OF_BYTES(struct of_port_status, desc.hw_addr),
        OF_PAD(2),
        OF_TEXT(struct of_port_status, desc.name),
        OF_INT(struct of_port_status, desc.config),
        OF_INT(struct of_port_status, desc.state),
        OF_INT(struct of_port_status, desc.curr),
        OF_INT(struct of_port_status, desc.advertised),
        OF_INT(struct of_port_status, desc.supported),
        OF_INT(struct of_port_status, desc.peer),
        OF_INT(struct of_port_status, desc.curr_speed),
        OF_INT(struct of_port_status, desc.max_speed),
        OF_END,
};
static const struct of_wire rows_packet_out[] = {
        OF_INT(struct of_packet_out, buffer_id),
        OF_INT(struct of_packet_out, in_port),
        OF_CALL(struct of_packet_out, actions, &of_call_packet_out),
        OF_END,
};
static const struct of_wire rows_flow_mod[] = {
        OF_INT(struct of_flow_mod, cookie),
        OF_INT(struct of_flow_mod, cookie_mask),
        OF_INT(struct of_flow_mod, table_id),
        OF_INT(struct of_flow_mod, command),
        OF_INT(struct of_flow_mod, idle_timeout),
        OF_INT(struct of_flow_mod, hard_timeout),
        OF_INT(struct of_flow_mod, priority),
        OF_INT(struct of_flow_mod, buffer_id),
        OF_INT(struct of_flow_mod, out_port),
        OF_INT(struct of_flow_mod, out_group),
        OF_INT(struct of_flow_mod, flags),
        OF_PAD(2),
        OF_CALL(struct of_flow_mod, match, &of_call_match),
        OF_CALL(struct of_flow_mod, insts, &of_call_insts),
        OF_END,
};
static const struct of_wire rows_group_mod[] = {
        OF_INT(struct of_group_mod, command),
        OF_INT(struct of_group_mod, type),
        OF_PAD(1),
        OF_INT(struct of_group_mod, group_id),
        OF_LIST(struct of_group_mod, buckets, n_buckets, &of_elem_bucket),
        OF_END,
};
static const struct of_wire rows_port_mod[] = {
        OF_INT(struct of_port_mod, port_no),
        OF_PAD(4),
        OF_BYTES(struct of_port_mod, hw_addr),
        OF_PAD(2),
        OF_INT(struct of_port_mod, config),
        OF_INT(struct of_port_mod, mask),
        OF_INT(struct of_port_mod, advertise),
        OF_PAD(4),
        OF_END,
};
static const struct of_wire rows_table_mod[] = {
        OF_INT(struct of_table_mod, table_id),
        OF_PAD(3),
        OF_INT(struct of_table_mod, config),
        OF_END,
};
static const struct of_wire rows_multipart_request[] = {
        {OF_WIRE_CALL, 0, 0, 0, &of_call_multipart_request}, OF_END};
static const struct of_wire rows_multipart_reply[] = {
        {OF_WIRE_CALL, 0, 0, 0, &of_call_multipart_reply}, OF_END};
static const struct of_wire rows_queue_request[] = {
        OF_INT(struct of_queue_get_config, port),
        OF_PAD(4),
        OF_END,
};
static const struct of_wire rows_queue_reply[] = {
        OF_INT(struct of_queue_get_config, port),
        OF_PAD(4),
        OF_LIST(struct of_queue_get_config, queues, n_queues, &of_elem_queue),
        OF_END,
};
static const struct of_wire rows_role[] = {
        OF_INT(struct of_role_msg, role),
        OF_PAD(4),
        OF_INT(struct of_role_msg, generation_id),
        OF_END,
};
static const struct of_wire rows_async[] = {
        OF_INT(struct of_async, packet_in[0]),
        OF_INT(struct of_async, packet_in[1]),
        OF_INT(struct of_async, port_status[0]),
        OF_INT(struct of_async, port_status[1]),
        OF_INT(struct of_async, flow_removed[0]),
        OF_INT(struct of_async, flow_removed[1]),
        OF_END,
};
static const struct of_wire rows_meter_mod[] = {
        OF_INT(struct of_meter_mod, command),
        OF_INT(struct of_meter_mod, flags),
        OF_INT(struct of_meter_mod, meter_id),
        OF_LIST(struct of_meter_mod, bands, n_bands, &of_elem_band),
        OF_END,
};

static int check_flow_mod(void *body, struct of_error *err)
{
	const struct of_flow_mod *mod = body;
	bool deletes = mod->command == OFPFC_DELETE || mod->command == OFPFC_DELETE_STRICT;

	if (mod->command >= OF_N_FLOW_MOD_COMMANDS)
		return of_error_set(err, OFPFMFC_BAD_COMMAND);
	if (mod->flags & ~OFPFF_ALL)
		return of_error_set(err, OFPFMFC_BAD_FLAGS);
	if (mod->table_id == OFPTT_ALL && !deletes)
		return of_error_set(err, OFPFMFC_BAD_TABLE_ID);
	return 0;
}

static int check_group_mod(void *body, struct of_error *err)
{
	const struct of_group_mod *mod = body;

	if (mod->command > OFPGC_DELETE)
		return of_error_set(err, OFPGMFC_BAD_COMMAND);
	if (mod->command != OFPGC_DELETE && mod->type >= OF_N_GROUP_TYPES)
		return of_error_set(err, OFPGMFC_BAD_TYPE);
	return 0;
}

static int check_meter_mod(void *body, struct of_error *err)
{
	const struct of_meter_mod *mod = body;
	const unsigned units = OFPMF_KBPS | OFPMF_PKTPS;

	if (mod->command > OFPMC_DELETE)
		return of_error_set(err, OFPMMFC_BAD_COMMAND);
	/* no unit: kbit/s (section 7.3.4.4) */
	if (mod->command != OFPMC_DELETE && (mod->flags > 0xf || (mod->flags & units) == units))
		return of_error_set(err, OFPMMFC_BAD_FLAGS);
	return 0;
}

static int check_port_mod(void *body, struct of_error *err)
{
	const struct of_port_mod *mod = body;

	if ((mod->config | mod->mask) & ~(uint32_t)OFPPC_ALL)
		return of_error_set(err, OFPPMFC_BAD_CONFIG);
	return 0;
}

static int check_table_mod(void *body, struct of_error *err)
{
	const struct of_table_mod *mod = body;

	return mod->config & ~(uint32_t)OFPTC_DEPRECATED_MASK
	               ? of_error_set(err, OFPTMFC_BAD_CONFIG)
	               : 0;
}

static int check_set_config(void *body, struct of_error *err)
{
	const struct of_config *config = body;

	return config->flags > OFPC_FRAG_DROP ? of_error_set(err, OFPSCFC_BAD_FLAGS) : 0;
}

static int check_role(void *body, struct of_error *err)
{
	const struct of_role_msg *role = body;

	return role->role > OFPCR_ROLE_SLAVE ? of_error_set(err, OFPRRFC_BAD_ROLE) : 0;
}

static const struct message {
	const char *name;
	const struct of_wire *rows;
	int (*check)(void *body, struct of_error *err);
} messages[OF_N_TYPES] = {
        [OFPT_HELLO] = {"hello", rows_hello, NULL},
        [OFPT_ERROR] = {"error", rows_error, NULL},
        [OFPT_ECHO_REQUEST] = {"echo-request", rows_echo, NULL},
        [OFPT_ECHO_REPLY] = {"echo-reply", rows_echo, NULL},
        [OFPT_EXPERIMENTER] = {"experimenter", rows_experimenter, NULL},
        [OFPT_FEATURES_REQUEST] = {"features-request", rows_none, NULL},
        [OFPT_FEATURES_REPLY] = {"features-reply", rows_features, NULL},
        [OFPT_GET_CONFIG_REQUEST] = {"get-config-request", rows_none, NULL},
        [OFPT_GET_CONFIG_REPLY] = {"get-config-reply", rows_config, NULL},
        [OFPT_SET_CONFIG] = {"set-config", rows_config, check_set_config},
        [OFPT_PACKET_IN] = {"packet-in", rows_packet_in, NULL},
        [OFPT_FLOW_REMOVED] = {"flow-removed", rows_flow_removed, NULL},
        [OFPT_PORT_STATUS] = {"port-status", rows_port_status, NULL},
        [OFPT_PACKET_OUT] = {"packet-out", rows_packet_out, NULL},
        [OFPT_FLOW_MOD] = {"flow-mod", rows_flow_mod, check_flow_mod},
        [OFPT_GROUP_MOD] = {"group-mod", rows_group_mod, check_group_mod},
        [OFPT_PORT_MOD] = {"port-mod", rows_port_mod, check_port_mod},
        [OFPT_TABLE_MOD] = {"table-mod", rows_table_mod, check_table_mod},
        [OFPT_MULTIPART_REQUEST] = {"multipart-request", rows_multipart_request, NULL},
        [OFPT_MULTIPART_REPLY] = {"multipart-reply", rows_multipart_reply, NULL},
        [OFPT_BARRIER_REQUEST] = {"barrier-request", rows_none, NULL},
        [OFPT_BARRIER_REPLY] = {"barrier-reply", rows_none, NULL},
        [OFPT_QUEUE_GET_CONFIG_REQUEST] = {"queue-get-config-request", rows_queue_request, NULL},
        [OFPT_QUEUE_GET_CONFIG_REPLY] = {"queue-get-config-reply", rows_queue_reply, NULL},
        [OFPT_ROLE_REQUEST] = {"role-request", rows_role, check_role},
        [OFPT_ROLE_REPLY] = {"role-reply", rows_role, NULL},
        [OFPT_GET_ASYNC_REQUEST] = {"get-async-request", rows_none, NULL},
        [OFPT_GET_ASYNC_REPLY] = {"get-async-reply", rows_async, NULL},
        [OFPT_SET_ASYNC] = {"set-async", rows_async, NULL},
        [OFPT_METER_MOD] = {"meter-mod", rows_meter_mod, check_meter_mod},
};

/* All bodies begin at one place: they are a union. */
static void *body_of(struct of_msg *msg)
{
	return &msg->hello;
}

const char *of_type_name(uint8_t type)
{
	return type < OF_N_TYPES ? messages[type].name : "unknown";
}

uint16_t of_msg_size(const uint8_t header[OF_HEADER_SIZE])
{
	uint16_t size = of_get_u16(header + 2);

	return size >= OF_HEADER_SIZE ? size : 0;
}

/* A HELLO without bitmap speaks its own version and, it is assumed, all before. */
static uint32_t versions_up_to(uint8_t version)
{
	return version >= 31 ? UINT32_MAX : (UINT32_C(2) << version) - 1;
}

int of_msg_decode(const uint8_t *bytes, uint16_t size, struct of_arena *arena, struct of_msg *msg,
                  struct of_error *err)
{
	if (size < OF_HEADER_SIZE || of_get_u16(bytes + 2) != size) {
		memset(msg, 0, sizeof(*msg));
		return of_error_set(err, OFPBRC_BAD_LEN);
	}
	return of_msg_decode_parts(bytes, size, arena, msg, err);
}

int of_msg_decode_parts(const uint8_t *bytes, size_t size, struct of_arena *arena,
                        struct of_msg *msg, struct of_error *err)
{
	struct of_cursor c = {
	        .p = bytes + OF_HEADER_SIZE, .arena = arena, .err = err, .bad_len = OFPBRC_BAD_LEN};
	int rc;

	memset(msg, 0, sizeof(*msg));
	c.left = size - OF_HEADER_SIZE;
	msg->type = bytes[1];
	msg->xid = of_get_u32(bytes + 4);
	if (bytes[0] != OF_VERSION_13 && msg->type != OFPT_HELLO)
		return of_error_set(err, OFPBRC_BAD_VERSION);
	if (msg->type >= OF_N_TYPES)
		return of_error_set(err, OFPBRC_BAD_TYPE);
	if (msg->type == OFPT_HELLO)
		msg->hello.versions = versions_up_to(bytes[0]);
	rc = of_wire_decode(&c, messages[msg->type].rows, body_of(msg));
	if (rc == 0 && c.left != 0)
		rc = of_error_set(err, OFPBRC_BAD_LEN);
	if (rc == 0 && messages[msg->type].check != NULL)
		rc = messages[msg->type].check(body_of(msg), err);
	return rc;
}

static void put_header(struct of_buf *buf, uint8_t type, uint32_t xid)
{
	of_buf_put(buf, (const uint8_t[]){OF_VERSION_13, type, 0, 0}, 4);
	of_buf_put_u32(buf, xid);
}

int of_msg_encode(const struct of_msg *msg, struct of_buf *buf)
{
	size_t start = buf->size;
	int rc;

	if (msg->type >= OF_N_TYPES)
		return -EINVAL;
	put_header(buf, msg->type, msg->xid);
	rc = of_wire_encode(buf, messages[msg->type].rows, &msg->hello);
	if (rc == 0 && buf->failed)
		rc = -ENOMEM;
	if (rc == 0 && buf->size - start > OF_MSG_MAX)
		rc = -EMSGSIZE;
	if (rc != 0) {
		buf->size = EVS_MIN(start, buf->size);
		return rc;
	}
	of_buf_patch_len(buf, start + 2, start);
	return 0;
}

int of_error_encode(struct of_error error, uint32_t xid, const uint8_t *bytes, size_t size,
                    struct of_buf *buf)
{
	struct of_msg msg = {.type = OFPT_ERROR, .xid = xid};

	msg.error.error = error;
	msg.error.data.data = bytes;
	msg.error.data.size = (uint32_t)EVS_MIN(size, (size_t)ERROR_DATA_MAX);
	return of_msg_encode(&msg, buf);
}
