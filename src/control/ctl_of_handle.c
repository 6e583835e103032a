/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session does with each message. Threads: control.
 *
 * One row a message: its handler and whether a slave may send it (section 6.3.4).
 */
#include <stdlib.h>
#include <string.h>

#include "base/evs_task.h"
#include "control/ctl_of_pvt.h"

void ctl_of_commit(struct ctl_of_session *s)
{
	if (s->dirty)
		pl_commit();
	s->dirty = false;
}

static int on_nothing(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	return 0;
}

static int on_error(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	EVS_LOG_LIMITED(control, WARN, "bridge '%s': %s refused a message: %s", s->ob->bridge->name,
	                s->peer, of_error_name(msg->error.error));
	return 0;
}

static int on_echo(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	struct of_msg reply = {.type = OFPT_ECHO_REPLY};

	reply.echo = msg->echo;
	ctl_of_reply(s, &reply);
	return 0;
}

static int on_experimenter(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	return of_error_set(err, OFPBRC_BAD_EXPERIMENTER);
}

static int on_features(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	struct of_msg reply = {.type = OFPT_FEATURES_REPLY};

	reply.features.dpid = pl_bridge_config(s->ob->bridge->pl)->dpid;
	reply.features.n_buffers = CTL_OF_N_BUFFERS;
	reply.features.n_tables = CTL_OF_N_TABLES;
	reply.features.capabilities = OFPC_FLOW_STATS | OFPC_TABLE_STATS | OFPC_PORT_STATS |
	                              OFPC_GROUP_STATS | OFPC_QUEUE_STATS;
	ctl_of_reply(s, &reply);
	return 0;
}

static int on_get_config(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	struct of_msg reply = {.type = OFPT_GET_CONFIG_REPLY};

	reply.config.flags = s->ob->config_flags;
	reply.config.miss_send_len = s->miss_send_len;
	ctl_of_reply(s, &reply);
	return 0;
}

static int on_set_config(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	struct pl_bridge *pl = s->ob->bridge->pl;
	struct pl_bridge_config config = *pl_bridge_config(pl);

	if (msg->config.flags != OFPC_FRAG_NORMAL && msg->config.flags != OFPC_FRAG_DROP)
		return of_error_set(err, OFPSCFC_BAD_FLAGS);
	config.drop_fragments = msg->config.flags == OFPC_FRAG_DROP;
	if (config.drop_fragments != pl_bridge_config(pl)->drop_fragments) {
		if (pl_bridge_set(pl, &config, NULL) != 0)
			return -ENOMEM;
		s->dirty = true;
	}
	s->ob->config_flags = msg->config.flags;
	s->miss_send_len = msg->config.miss_send_len;
	return 0;
}

static int on_packet_out(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	ctl_of_commit(s);
	return ctl_of_packet_out(s, &msg->packet_out, err);
}

static int on_flow_mod(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	const struct of_flow_mod *mod = &msg->flow_mod;
	bool deletes = mod->command == OFPFC_DELETE || mod->command == OFPFC_DELETE_STRICT;
	int ret = deletes ? 0 : of_insts_check(&mod->insts, &mod->match, err);

	if (ret == 0)
		ret = pl_flow_mod(s->ob->bridge->pl, mod, err);
	s->dirty |= ret == 0;
	if (ret == 0 && mod->buffer_id != OF_NO_BUFFER && !deletes && s->bev) {
		ctl_of_commit(s);
		ret = ctl_of_packet_release(s, mod->buffer_id, err);
	}
	return ret;
}

static int on_group_mod(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	int ret = pl_group_mod(s->ob->bridge->pl, &msg->group_mod, err);

	s->dirty |= ret == 0;
	return ret;
}

static int on_meter_mod(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	int ret = pl_meter_mod(s->ob->bridge->pl, &msg->meter_mod, err);

	s->dirty |= ret == 0;
	return ret;
}

static int on_table_mod(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	int ret = pl_table_mod(s->ob->bridge->pl, &msg->table_mod, err);

	s->dirty |= ret == 0;
	return ret;
}

static int on_port_mod(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	return ctl_of_port_mod(s->ob, &msg->port_mod, err);
}

static void barrier_done(void *arg)
{
	struct ctl_of_session *s = arg;
	struct of_msg reply = {.type = OFPT_BARRIER_REPLY};

	s->in_barrier = false;
	if (s->bev)
		ctl_of_reply(s, &reply);
	ctl_of_session_wake(s);
}

/* The session's later messages wait until every worker and cached flow follows the earlier ones. */
static int on_barrier(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	ctl_of_commit(s);
	s->in_barrier = true;
	pl_barrier(barrier_done, s);
	return 0;
}

static int on_queue_config(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	struct of_msg reply = {.type = OFPT_QUEUE_GET_CONFIG_REPLY};
	uint32_t port = msg->queue_get_config.port;

	if (port != OFPP_ANY && !ctl_of_port_lookup(s->ob, port))
		return of_error_set(err, OFPQOFC_BAD_PORT);
	reply.queue_get_config.port = port;
	reply.queue_get_config.n_queues =
	        ctl_of_queue_configs(s->ob, port, &reply.queue_get_config.queues);
	ctl_of_reply(s, &reply);
	return 0;
}

static void make_slaves(struct ctl_of_session *master)
{
	struct ctl_of_session *s;

	TAILQ_FOREACH (s, &master->ob->sessions, link) {
		if (s != master && s->role == OFPCR_ROLE_MASTER)
			s->role = OFPCR_ROLE_SLAVE;
	}
}

static int on_role(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	struct of_msg reply = {.type = OFPT_ROLE_REPLY};
	const struct of_role_msg *role = &msg->role;
	struct ctl_of_bridge *ob = s->ob;

	if (role->role == OFPCR_ROLE_MASTER || role->role == OFPCR_ROLE_SLAVE) {
		if (ob->has_generation && (int64_t)(role->generation_id - ob->generation_id) < 0)
			return of_error_set(err, OFPRRFC_STALE);
		ob->has_generation = true;
		ob->generation_id = role->generation_id;
	}
	if (role->role != OFPCR_ROLE_NOCHANGE)
		s->role = role->role;
	if (role->role == OFPCR_ROLE_MASTER)
		make_slaves(s);
	reply.role.role = s->role;
	reply.role.generation_id = ob->has_generation ? ob->generation_id : UINT64_MAX;
	ctl_of_reply(s, &reply);
	return 0;
}

static int on_get_async(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	struct of_msg reply = {.type = OFPT_GET_ASYNC_REPLY};

	reply.async = s->async;
	ctl_of_reply(s, &reply);
	return 0;
}

static int on_set_async(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	s->async = msg->async;
	return 0;
}

static const struct {
	int (*handle)(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err);
	bool not_slave;
} handlers[OF_N_TYPES] = {
        [OFPT_HELLO] = {on_nothing, false},
        [OFPT_ERROR] = {on_error, false},
        [OFPT_ECHO_REQUEST] = {on_echo, false},
        [OFPT_ECHO_REPLY] = {on_nothing, false},
        [OFPT_EXPERIMENTER] = {on_experimenter, false},
        [OFPT_FEATURES_REQUEST] = {on_features, false},
        [OFPT_GET_CONFIG_REQUEST] = {on_get_config, false},
        [OFPT_SET_CONFIG] = {on_set_config, false},
        [OFPT_PACKET_OUT] = {on_packet_out, true},
        [OFPT_FLOW_MOD] = {on_flow_mod, true},
        [OFPT_GROUP_MOD] = {on_group_mod, true},
        [OFPT_PORT_MOD] = {on_port_mod, true},
        [OFPT_TABLE_MOD] = {on_table_mod, true},
        [OFPT_MULTIPART_REQUEST] = {ctl_of_multipart, false},
        [OFPT_BARRIER_REQUEST] = {on_barrier, false},
        [OFPT_QUEUE_GET_CONFIG_REQUEST] = {on_queue_config, false},
        [OFPT_ROLE_REQUEST] = {on_role, false},
        [OFPT_GET_ASYNC_REQUEST] = {on_get_async, false},
        [OFPT_SET_ASYNC] = {on_set_async, false},
        [OFPT_METER_MOD] = {on_meter_mod, true},
};

bool ctl_of_handles(uint8_t type)
{
	return type < OF_N_TYPES && handlers[type].handle;
}

/* ---- changes that may take several turns ---- */

static struct {
	struct ctl_of_session *s;
	struct of_error err;
	int ret;
} change; /* one at a time, as tasks are */

static void change_run(void *arg)
{
	const struct of_msg *msg = &change.s->msg;

	change.ret = handlers[msg->type].handle(change.s, msg, &change.err);
}

static void change_ended(void *arg)
{
	ctl_of_session_changed(change.s, change.ret, change.err);
}

static int run_change(struct ctl_of_session *s, struct of_error *err)
{
	ctl_of_commit(s); /* what was said before is not part of it */
	memset(&change, 0, sizeof(change));
	change.s = s;
	if (!evs_task_run(change_run, NULL, change_ended))
		return -EINPROGRESS;
	*err = change.err;
	return change.ret;
}

/* What may be about any number of rules. */
static bool is_long(const struct of_msg *msg)
{
	switch (msg->type) {
	case OFPT_FLOW_MOD:
		return msg->flow_mod.command == OFPFC_DELETE ||
		       msg->flow_mod.command == OFPFC_MODIFY ||
		       (msg->flow_mod.flags & OFPFF_CHECK_OVERLAP);
	case OFPT_GROUP_MOD:
		return msg->group_mod.command == OFPGC_DELETE;
	case OFPT_METER_MOD:
		return msg->meter_mod.command == OFPMC_DELETE;
	case OFPT_MULTIPART_REQUEST:
		return msg->multipart.type == OFPMP_TABLE_FEATURES;
	default:
		return false;
	}
}

bool ctl_of_changes(const uint8_t *bytes, size_t size)
{
	switch (bytes[1]) {
	case OFPT_FLOW_MOD:
	case OFPT_GROUP_MOD:
	case OFPT_METER_MOD:
	case OFPT_TABLE_MOD:
	case OFPT_PORT_MOD:
	case OFPT_SET_CONFIG:
	case OFPT_PACKET_OUT: /* its group may be one that goes */
		return true;
	case OFPT_MULTIPART_REQUEST:
		return size > 9 && bytes[9] == OFPMP_TABLE_FEATURES;
	default:
		return false;
	}
}

int ctl_of_handle(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	if (handlers[msg->type].not_slave && s->role == OFPCR_ROLE_SLAVE)
		return of_error_set(err, OFPBRC_IS_SLAVE);
	return is_long(msg) ? run_change(s, err) : handlers[msg->type].handle(s, msg, err);
}
