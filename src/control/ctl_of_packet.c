/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets to and from controllers. Threads: control.
 *
 * A packet-in carries what max_len asks for; the packet is kept if that is not all of it, and goes
 * with it whole if there is no place to keep it (sections 6.1.2, 7.4.1).
 */
#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "control/ctl_of_pvt.h"
#include "pkt/pkt_parse.h"

static struct rte_mbuf *mbuf_from(struct rte_mempool *pool, const uint8_t *data, uint32_t size)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(pool), *tail = head;

	while (head) {
		uint16_t n = (uint16_t)EVS_MIN(size, (uint32_t)rte_pktmbuf_tailroom(tail));
		memcpy(rte_pktmbuf_mtod_offset(tail, uint8_t *, tail->data_len), data, n);
		tail->data_len += n;
		head->pkt_len += n;
		data += n;
		size -= n;
		if (size == 0)
			return head;
		tail->next = rte_pktmbuf_alloc(pool);
		if (!tail->next) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		tail = tail->next;
		head->nb_segs++;
	}
	return NULL;
}

static struct rte_mempool *packet_pool(void)
{
	static struct rte_mempool *pool;

	if (!pool)
		pool = port_pool_get(PORT_MTU_DEFAULT, SOCKET_ID_ANY, NULL);
	return pool;
}

struct rte_mbuf *ctl_of_packet_make(const uint8_t *data, uint32_t size)
{
	struct rte_mempool *pool = packet_pool();

	return pool ? mbuf_from(pool, data, size) : NULL;
}

static int send_out(struct ctl_of_bridge *ob, const struct of_packet_out *out, struct of_error *err)
{
	static struct pl_injection injection;
	static struct pkt_key key;
	struct rte_mbuf *mbuf = ctl_of_packet_make(out->data.data, out->data.size);
	int ret;

	if (!mbuf) {
		EVS_LOG_LIMITED(control, ERR, "bridge '%s': no buffer for a packet-out",
		                ob->bridge->name);
		return 0;
	}
	memset(&key, 0, sizeof(key));
	if (pkt_parse_one(mbuf, &key, &(struct pkt_offsets){0}) != 0)
		ret = of_error_set(err, OFPBRC_BAD_PACKET);
	else
		ret = pl_packet_out(ob->bridge->pl, out, &key, &injection, err);
	if (ret == 0 && pmd_inject(mbuf, injection.in_port, &injection.prog) == 0)
		return 0;
	if (ret == 0)
		EVS_LOG_LIMITED(control, WARN, "bridge '%s': a packet-out found no worker ready",
		                ob->bridge->name);
	rte_pktmbuf_free(mbuf);
	return ret;
}

int ctl_of_packet_out(struct ctl_of_session *s, const struct of_packet_out *out,
                      struct of_error *err)
{
	struct ctl_of_packet kept = {NULL, 0, 0};
	struct of_packet_out msg = *out;
	int ret = 0;

	if (out->buffer_id != OF_NO_BUFFER) {
		ret = ctl_of_buffer_take(s, out->buffer_id, &kept, err);
		msg.data.data = kept.data;
		msg.data.size = kept.size;
	}
	if (ret == 0 && out->actions.size != 0) /* section 7.3.7: without actions, dropped */
		ret = send_out(s->ob, &msg, err);
	free(kept.data);
	return ret;
}

int ctl_of_packet_release(struct ctl_of_session *s, uint32_t buffer_id, struct of_error *err)
{
	static const struct of_action to_table = {
	        .kind = OF_ACTION_OUTPUT, .size8 = 1, .port = OFPP_TABLE};
	struct of_packet_out msg = {.actions = {&to_table, sizeof(to_table)}};
	struct ctl_of_packet kept;
	int ret = ctl_of_buffer_take(s, buffer_id, &kept, err);

	if (ret != 0)
		return ret;
	msg.in_port = kept.in_port;
	msg.data.data = kept.data;
	msg.data.size = kept.size;
	ret = send_out(s->ob, &msg, err);
	free(kept.data);
	return ret;
}

/* ---- packet-in ---- */

/* A bucket of time: a packet costs 1/rate seconds, and at most burst packets are saved up. */
static bool within_rate(struct ctl_of_controller *c)
{
	uint64_t now = evs_clock_ns(), cost, most;

	if (!c || c->rate == 0)
		return true;
	cost = 1000000000u / c->rate;
	most = cost * (c->burst ? c->burst : c->rate);
	c->tokens_ns = c->filled_ns ? EVS_MIN(most, c->tokens_ns + (now - c->filled_ns)) : most;
	c->filled_ns = now;
	if (c->tokens_ns < cost) {
		c->limited++;
		return false;
	}
	c->tokens_ns -= cost;
	return true;
}

/* How much of the packet is told, and under which id the whole is kept. */
static void cut(struct ctl_of_session *s, struct of_packet_in *in, const struct of_blob *whole,
                uint16_t max_len, uint32_t in_port)
{
	in->buffer_id = OF_NO_BUFFER;
	in->data = *whole;
	if (max_len < whole->size && max_len != OF_CML_NO_BUF)
		in->buffer_id = ctl_of_buffer_keep(s, whole, in_port);
	if (in->buffer_id != OF_NO_BUFFER)
		in->data.size = max_len;
}

static void tell(struct ctl_of_session *s, struct of_msg *msg, const struct of_blob *whole,
                 const struct flow_op_controller *op)
{
	struct ctl_of_controller *c = s->controller;
	/* no action names a length for an invalid TTL (section 7.3.2) */
	uint16_t max_len = op->reason == OFPR_INVALID_TTL ? s->miss_send_len : op->max_len;

	if (!ctl_of_wants_async(s) ||
	    !(s->async.packet_in[s->role == OFPCR_ROLE_SLAVE] >> op->reason & 1) || !within_rate(c))
		return;
	cut(s, &msg->packet_in, whole, max_len, rte_be_to_cpu_32(op->in_port));
	if (ctl_of_session_tell(s, msg, true)) {
		if (c)
			c->packet_ins++;
	} else if (c) {
		c->dropped++;
	}
}

static void fill_match(struct flow_match *match, const struct pmd_punt *punt)
{
	const struct flow_op_controller *op = &punt->controller;

	flow_match_init(match);
	flow_match_add_u64(match, FLOW_FIELD_IN_PORT, rte_be_to_cpu_32(op->in_port));
	if (op->metadata)
		flow_match_add_u64(match, FLOW_FIELD_METADATA, rte_be_to_cpu_64(op->metadata));
	if (punt->tun.id)
		flow_match_add_u64(match, FLOW_FIELD_TUNNEL_ID, rte_be_to_cpu_64(punt->tun.id));
}

void ctl_of_packet_in(const struct pmd_punt *punt)
{
	static uint8_t copy[OF_MSG_MAX];
	const struct flow_op_controller *op = &punt->controller;
	struct pl_bridge *pl = pl_bridge_at(op->bridge);
	struct ctl_bridge *bridge = pl ? ctl_bridge_lookup(pl_bridge_name(pl), NULL) : NULL;
	uint32_t size = EVS_MIN(rte_pktmbuf_pkt_len(punt->mbuf), (uint32_t)OF_MSG_MAX - 256);
	struct of_blob whole = {.size = size};
	struct ctl_of_session *s, *next;
	static struct of_msg msg;

	if (bridge && bridge->of) {
		msg.type = OFPT_PACKET_IN;
		msg.packet_in.total_len = (uint16_t)EVS_MIN(punt->total_len, (uint32_t)UINT16_MAX);
		msg.packet_in.reason = op->reason;
		msg.packet_in.table_id = op->table_id;
		msg.packet_in.cookie = op->cookie;
		whole.data = rte_pktmbuf_read(punt->mbuf, 0, size, copy);
		fill_match(&msg.packet_in.match, punt);
		for (s = TAILQ_FIRST(&bridge->of->sessions); s; s = next) {
			next = TAILQ_NEXT(s, link);
			tell(s, &msg, &whole, op);
		}
	}
	rte_pktmbuf_free(punt->mbuf);
}
