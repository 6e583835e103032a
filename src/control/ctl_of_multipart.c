/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multipart requests. Threads: control.
 *
 * Statistics of rules come in slices: some hundred rules, then other sessions have their turn, and
 * no further slice while the session has much to read.
 */
#include <stdlib.h>
#include <string.h>

#include "control/ctl_of_pvt.h"

#define SLICE_RULES 256

struct ctl_of_job {
	struct of_multipart_writer w;
	struct of_buf buf;
	struct of_flow_request request;
	struct pl_flow_cursor cursor;
};

void ctl_of_job_free(struct ctl_of_session *s)
{
	if (!s->job)
		return;
	of_buf_fini(&s->job->buf);
	free(s->job);
	s->job = NULL;
}

static void add_element(const void *element, void *arg)
{
	if (of_multipart_add(arg, element) != 0)
		EVS_LOG_LIMITED(control, WARN, "an element does not fit a multipart reply");
}

static void visit_flow(const struct of_flow_stats *stats, void *arg)
{
	add_element(stats, arg);
}

/* Sends the parts that are complete. */
static void drain(struct ctl_of_session *s, struct ctl_of_job *job, size_t n)
{
	ctl_of_session_flush(s);
	ctl_of_session_write(s, job->buf.data, n);
	memmove(job->buf.data, job->buf.data + n, job->buf.size - n);
	job->buf.size -= n;
	job->w.part -= EVS_MIN(n, job->w.part);
}

void ctl_of_job_step(struct ctl_of_session *s)
{
	struct ctl_of_job *job = s->job;
	bool more = pl_flow_walk(s->ob->bridge->pl, &job->request, &job->cursor, SLICE_RULES,
	                         visit_flow, &job->w);

	if (job->buf.failed) {
		ctl_of_session_close(s, "no memory");
		return;
	}
	drain(s, job, more ? of_multipart_done(&job->w) : job->buf.size);
	if (!more)
		ctl_of_job_free(s);
}

static int start_flow_job(struct ctl_of_session *s, const struct of_msg *msg)
{
	struct ctl_of_job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	job->request = msg->multipart.flow;
	of_buf_init(&job->buf);
	of_multipart_begin(&job->w, &job->buf, msg->xid, OFPMP_FLOW);
	pl_stats_sync();
	s->job = job;
	ctl_of_job_step(s);
	return 0;
}

static void put_text(char *to, size_t size, const char *text)
{
	strncpy(to, text, size - 1);
}

static void reply_desc(struct ctl_of_session *s, struct of_multipart_writer *w)
{
	struct of_desc desc = {0};

	put_text(desc.mfr_desc, sizeof(desc.mfr_desc), "evs");
	put_text(desc.hw_desc, sizeof(desc.hw_desc), "software switch on DPDK");
	put_text(desc.sw_desc, sizeof(desc.sw_desc), EVS_VERSION);
	put_text(desc.serial_num, sizeof(desc.serial_num), "none");
	put_text(desc.dp_desc, sizeof(desc.dp_desc), s->ob->bridge->name);
	add_element(&desc, w);
}

static int reply_ports(struct ctl_of_session *s, uint32_t port_no, struct of_multipart_writer *w,
                       struct of_error *err)
{
	bool desc = w->type == OFPMP_PORT_DESC;
	struct ctl_port *port;

	if (!desc && port_no != OFPP_ANY && !ctl_of_port_lookup(s->ob, port_no))
		return of_error_set(err, OFPBRC_BAD_PORT);
	TAILQ_FOREACH (port, &s->ob->bridge->ports, link) {
		union {
			struct of_port desc;
			struct of_port_stats stats;
		} u = {0};
		if (!desc && port_no != OFPP_ANY && pl_port_ofport(port->pl) != port_no)
			continue;
		if (desc)
			ctl_of_port_desc(port, &u.desc);
		else
			ctl_of_port_stats(port, &u.stats);
		add_element(&u, w);
	}
	return 0;
}

static int reply_queues(struct ctl_of_session *s, const struct of_object_request *request,
                        struct of_error *err)
{
	if (request->id != OFPP_ANY && !ctl_of_port_lookup(s->ob, request->id))
		return of_error_set(err, OFPQOFC_BAD_PORT);
	return request->queue_id == OFPQ_ALL ? 0 : of_error_set(err, OFPQOFC_BAD_QUEUE);
}

static void reply_tables(struct ctl_of_session *s, struct of_multipart_writer *w)
{
	struct pl_bridge *pl = s->ob->bridge->pl;

	for (unsigned i = 0; i < CTL_OF_N_TABLES; i++) {
		struct of_table_features features = {0};
		struct of_table_stats stats = {0};
		if (w->type == OFPMP_TABLE) {
			pl_table_stats(pl, (uint8_t)i, &stats);
			add_element(&stats, w);
		} else {
			pl_table_features(pl, (uint8_t)i, &features);
			add_element(&features, w);
		}
	}
}

static int set_tables(struct ctl_of_session *s, const struct of_multipart *m, struct of_error *err)
{
	int ret;

	if (m->list.n == 0)
		return 0;
	if (s->role == OFPCR_ROLE_SLAVE)
		return of_error_set(err, OFPBRC_IS_SLAVE);
	ret = pl_table_features_set(s->ob->bridge->pl, m->list.elements, m->list.n, err);
	s->dirty |= ret == 0;
	return ret;
}

static void visit_group(const struct of_group_stats *stats, void *arg)
{
	add_element(stats, arg);
}

static void visit_group_desc(const struct of_group_desc *desc, void *arg)
{
	add_element(desc, arg);
}

static void visit_meter(const struct of_meter_stats *stats, void *arg)
{
	add_element(stats, arg);
}

static void visit_meter_config(const struct of_meter_config *config, void *arg)
{
	add_element(config, arg);
}

/* Replies of one element that others compute. */
static void reply_one(struct ctl_of_session *s, const struct of_multipart *m,
                      struct of_multipart_writer *w)
{
	union {
		struct of_aggregate aggregate;
		struct of_group_features group;
		struct of_meter_features meter;
	} u = {0};

	if (m->type == OFPMP_AGGREGATE)
		pl_flow_aggregate(s->ob->bridge->pl, &m->flow, &u.aggregate);
	else if (m->type == OFPMP_GROUP_FEATURES)
		pl_group_features(&u.group);
	else
		pl_meter_features(&u.meter);
	add_element(&u, w);
}

static int reply(struct ctl_of_session *s, const struct of_multipart *m,
                 struct of_multipart_writer *w, struct of_error *err)
{
	struct pl_bridge *pl = s->ob->bridge->pl;

	switch (m->type) {
	case OFPMP_DESC:
		reply_desc(s, w);
		return 0;
	case OFPMP_TABLE:
		reply_tables(s, w);
		return 0;
	case OFPMP_PORT_STATS:
	case OFPMP_PORT_DESC:
		return reply_ports(s, m->object.id, w, err);
	case OFPMP_QUEUE:
		return reply_queues(s, &m->object, err);
	case OFPMP_GROUP:
		pl_group_walk(pl, m->object.id, visit_group, w);
		return 0;
	case OFPMP_GROUP_DESC:
		pl_group_desc_walk(pl, visit_group_desc, w);
		return 0;
	case OFPMP_METER:
		return pl_meter_walk(pl, m->object.id, visit_meter, w, err);
	case OFPMP_METER_CONFIG:
		return pl_meter_config_walk(pl, m->object.id, visit_meter_config, w, err);
	case OFPMP_TABLE_FEATURES:
		if (set_tables(s, m, err) != 0)
			return -EPROTO;
		reply_tables(s, w);
		return 0;
	default:
		reply_one(s, m, w);
		return 0;
	}
}

int ctl_of_multipart(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	const struct of_multipart *m = &msg->multipart;
	size_t before = s->out.size;
	struct of_multipart_writer w;
	int ret;

	/* Requests of several parts would have to be stored whole. */
	if (m->flags & OFPMPF_MORE)
		return of_error_set(err, OFPBRC_MULTIPART_BUFFER_OVERFLOW);
	ctl_of_commit(s);
	if (m->type == OFPMP_FLOW)
		return start_flow_job(s, msg);
	if (m->type == OFPMP_AGGREGATE || m->type == OFPMP_TABLE || m->type == OFPMP_GROUP ||
	    m->type == OFPMP_METER)
		pl_stats_sync();
	of_multipart_begin(&w, &s->out, msg->xid, m->type);
	ret = reply(s, m, &w, err);
	if (ret != 0)
		s->out.size = before;
	return ret;
}
