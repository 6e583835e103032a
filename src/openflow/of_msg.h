/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of the codec: bytes <-> decoded messages of OpenFlow 1.3.5.
 * Threads: any; no state, no sockets, no tables. Owner: of_arena owns what decoded messages point
 * to; blobs (data) point into the message's bytes.
 *
 * Problem. Thirty messages with nested lists must be checked strictly on the way in, and
 * mirrored exactly on the way out, in both directions, without writing each of them twice.
 *
 * Data structure. Each message, part and element is a row table (of_wire_pvt.h): the kind of
 * each wire field and the member of the decoded struct where it lives. One interpreter decodes
 * with it, the other encodes. Matches, actions, instructions, properties have tables of their own.
 *
 * Invariants. What decodes, encodes again to bytes that decode to the same. Decoding never
 * reads outside the message, and allocates no more than a few times the message's size.
 * Numbers in decoded structs are in host order; matches and set-field values in wire order.
 */
#ifndef OF_MSG_H
#define OF_MSG_H

#include "openflow/of_action.h"
#include "openflow/of_arena.h"
#include "openflow/of_mods.h"
#include "openflow/of_multipart.h"
#include "openflow/of_port.h"

struct of_blob {
	const uint8_t *data;
	uint32_t size;
};

struct of_hello {
	uint32_t versions; /* bit v: version v is spoken */
};

struct of_error_msg {
	struct of_error error;
	struct of_blob data; /* the first 64 bytes or more of what was wrong */
};

struct of_experimenter {
	uint32_t experimenter;
	uint32_t exp_type;
	struct of_blob data;
};

struct of_features {
	uint64_t dpid;
	uint32_t n_buffers;
	uint8_t n_tables;
	uint8_t auxiliary_id;
	uint32_t capabilities;
};

struct of_config {
	uint16_t flags; /* OFPC_FRAG_* */
	uint16_t miss_send_len;
};

struct of_packet_in {
	uint32_t buffer_id;
	uint16_t total_len;
	uint8_t reason;
	uint8_t table_id;
	uint64_t cookie;
	struct flow_match match; /* in_port, metadata, tunnel_id … that are not zero */
	struct of_blob data;
};

struct of_packet_out {
	uint32_t buffer_id;
	uint32_t in_port;
	struct of_actions actions;
	struct of_blob data;
};

struct of_flow_removed {
	uint64_t cookie;
	uint16_t priority;
	uint8_t reason;
	uint8_t table_id;
	uint32_t duration_sec, duration_nsec;
	uint16_t idle_timeout, hard_timeout;
	uint64_t packet_count, byte_count;
	struct flow_match match;
};

struct of_role_msg {
	uint32_t role;
	uint64_t generation_id;
};

/* Bitmaps by reason; [0] while master or equal, [1] while slave. */
struct of_async {
	uint32_t packet_in[2];
	uint32_t port_status[2];
	uint32_t flow_removed[2];
};

struct of_msg {
	uint8_t type; /* enum of_type */
	uint32_t xid;
	union {
		struct of_hello hello;
		struct of_error_msg error;
		struct of_blob echo;
		struct of_experimenter experimenter;
		struct of_features features;
		struct of_config config; /* GET_CONFIG_REPLY, SET_CONFIG */
		struct of_packet_in packet_in;
		struct of_flow_removed flow_removed;
		struct of_port_status port_status;
		struct of_packet_out packet_out;
		struct of_flow_mod flow_mod;
		struct of_group_mod group_mod;
		struct of_port_mod port_mod;
		struct of_table_mod table_mod;
		struct of_meter_mod meter_mod;
		struct of_multipart multipart; /* requests and replies */
		struct of_queue_get_config queue_get_config;
		struct of_role_msg role;
		struct of_async async;
	};
};

/* Where encoders write: grows as needed; `failed` after ENOMEM or a part over 64 KB. */
struct of_buf {
	uint8_t *data;
	size_t size, cap;
	bool failed;
};
void of_buf_init(struct of_buf *buf);
void of_buf_fini(struct of_buf *buf);

/* The header's length, or 0 if it is below 8. */
uint16_t of_msg_size(const uint8_t header[OF_HEADER_SIZE]);
/* Name of a message type, "flow-mod"; "unknown". */
const char *of_type_name(uint8_t type);

/*
 * Decodes one whole message of `size` bytes (the header's length) into *msg. Returns 0, or
 * -EPROTO with the error that the specification names in *err, or -ENOMEM.
 */
int of_msg_decode(const uint8_t *bytes, uint16_t size, struct of_arena *arena, struct of_msg *msg,
                  struct of_error *err);
/* The same for a multipart request that was put together: the header of its first message (whose
 * length is not looked at), then the bodies of all. */
int of_msg_decode_parts(const uint8_t *bytes, size_t size, struct of_arena *arena,
                        struct of_msg *msg, struct of_error *err);
/* Appends the encoded message. Returns 0, -ENOMEM, or -EMSGSIZE (buf is as before then). */
int of_msg_encode(const struct of_msg *msg, struct of_buf *buf);
/* Appends an error message about the bytes of a received message (or its beginning). */
int of_error_encode(struct of_error error, uint32_t xid, const uint8_t *bytes, size_t size,
                    struct of_buf *buf);

/* A multipart reply, element by element, in parts of up to 64 KB; all but the last are flagged
 * OFPMPF_MORE. Elements are the structs of of_multipart.h that belong to the type. */
struct of_multipart_writer {
	struct of_buf *buf;
	size_t part; /* offset of the current part in buf */
	uint32_t xid;
	uint16_t type;
};
void of_multipart_begin(struct of_multipart_writer *w, struct of_buf *buf, uint32_t xid,
                        enum of_multipart_type type);
/* Returns 0, -ENOMEM, or -EMSGSIZE: this element can not be told in one part (buf as before). */
int of_multipart_add(struct of_multipart_writer *w, const void *element);
/* The buffer may be drained up to of_multipart_done() bytes at any time, if w->part is reduced
 * by what was drained. */
EVS_INLINE size_t of_multipart_done(const struct of_multipart_writer *w)
{
	return w->part;
}

/* Element lists alone (for stores and tests): wire form of match, actions, instructions. */
int of_match_decode(const uint8_t *bytes, size_t size, struct flow_match *match,
                    struct of_error *err);
void of_match_encode(const struct flow_match *match, struct of_buf *buf);

#endif
