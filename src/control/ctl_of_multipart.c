/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multipart requests. Threads: control.
 *
 * Every reply is a job of one or many steps: a step tells some hundred rules, or a few chains of
 * groups, or brings the counters of some thousand cached flows up to now. Between steps other
 * sessions have their turn, and there is no further step while the session has much to read.
 */
#include <stdlib.h>
#include <string.h>

#include "control/ctl_of_pvt.h"

#define SLICE_RULES 256

struct kind;

struct ctl_of_job {
	const struct kind *kind;
	struct ctl_of_bridge *ob;
	struct of_multipart_writer w;
	struct of_buf buf;
	struct of_multipart request;
	struct of_aggregate sum;
	struct pl_sync_cursor sync;
	struct pl_flow_cursor flow;
	uint32_t cursor; /* of groups, meters, tables */
};

/* One row for each type of request. */
struct kind {
	/* NULL: nothing to refuse and nothing to do. 0 or -EPROTO. */
	int (*begin)(struct ctl_of_session *s, const struct of_multipart *m, struct of_error *err);
	bool (*step)(struct ctl_of_job *job); /* adds elements; true: there are more */
	bool counts;                          /* counters are brought up to now first */
};

void ctl_of_job_free(struct ctl_of_session *s)
{
	if (!s->job)
		return;
	of_buf_fini(&s->job->buf);
	free(s->job);
	s->job = NULL;
}

static void add_element(const void *element, struct ctl_of_job *job)
{
	if (of_multipart_add(&job->w, element) != 0)
		EVS_LOG_LIMITED(control, WARN, "an element does not fit a multipart reply");
}

static struct pl_bridge *pl_of(const struct ctl_of_job *job)
{
	return job->ob->bridge->pl;
}

/* ---- rules and tables ---- */

static int begin_flows(struct ctl_of_session *s, const struct of_multipart *m, struct of_error *err)
{
	if (m->flow.table_id == OFPTT_ALL || pl_table_exists(s->ob->bridge->pl, m->flow.table_id))
		return 0;
	return of_error_set(err, OFPBRC_BAD_TABLE_ID);
}

static void visit_flow(const struct of_flow_stats *stats, void *arg)
{
	add_element(stats, arg);
}

static bool step_flows(struct ctl_of_job *job)
{
	return pl_flow_walk(pl_of(job), &job->request.flow, &job->flow, SLICE_RULES, visit_flow,
	                    job);
}

static void visit_sum(const struct of_flow_stats *stats, void *arg)
{
	struct of_aggregate *sum = arg;

	sum->packet_count += stats->packet_count;
	sum->byte_count += stats->byte_count;
	sum->flow_count++;
}

static bool step_aggregate(struct ctl_of_job *job)
{
	if (pl_flow_walk(pl_of(job), &job->request.flow, &job->flow, 4 * SLICE_RULES, visit_sum,
	                 &job->sum))
		return true;
	add_element(&job->sum, job);
	return false;
}

static bool step_tables(struct ctl_of_job *job)
{
	struct of_table_stats stats;

	for (unsigned i = 0; i < CTL_OF_N_TABLES; i++) {
		if (!pl_table_exists(pl_of(job), i))
			continue;
		pl_table_stats(pl_of(job), (uint8_t)i, &stats);
		add_element(&stats, job);
	}
	return false;
}

static int begin_features(struct ctl_of_session *s, const struct of_multipart *m,
                          struct of_error *err)
{
	int ret;

	if (m->list.n == 0)
		return 0;
	if (s->role == OFPCR_ROLE_SLAVE)
		return of_error_set(err, OFPBRC_IS_SLAVE);
	ret = pl_table_features_set(s->ob->bridge->pl, m->list.elements, m->list.n, err);
	s->dirty |= ret == 0;
	return s->bev ? ret : -ENOTCONN; /* it took several turns */
}

static bool step_features(struct ctl_of_job *job)
{
	struct of_table_features features;

	for (unsigned n = 0; n < 16 && job->cursor < CTL_OF_N_TABLES; n++, job->cursor++) {
		if (!pl_table_exists(pl_of(job), job->cursor))
			continue;
		pl_table_features(pl_of(job), (uint8_t)job->cursor, &features);
		add_element(&features, job);
	}
	return job->cursor < CTL_OF_N_TABLES;
}

/* ---- the switch, its ports and queues ---- */

static void put_text(char *to, size_t size, const char *text)
{
	strncpy(to, text, size - 1);
}

static bool step_desc(struct ctl_of_job *job)
{
	struct of_desc desc = {0};

	put_text(desc.mfr_desc, sizeof(desc.mfr_desc), "evs");
	put_text(desc.hw_desc, sizeof(desc.hw_desc), "software switch on DPDK");
	put_text(desc.sw_desc, sizeof(desc.sw_desc), EVS_VERSION);
	put_text(desc.serial_num, sizeof(desc.serial_num), "none");
	put_text(desc.dp_desc, sizeof(desc.dp_desc), job->ob->bridge->name);
	add_element(&desc, job);
	return false;
}

static int begin_ports(struct ctl_of_session *s, const struct of_multipart *m, struct of_error *err)
{
	if (m->object.id == OFPP_ANY || ctl_of_port_lookup(s->ob, m->object.id))
		return 0;
	return of_error_set(err, OFPBRC_BAD_PORT);
}

static bool step_ports(struct ctl_of_job *job)
{
	uint32_t only = job->request.object.id;
	struct of_port_stats stats;
	struct ctl_port *port;

	TAILQ_FOREACH (port, &job->ob->bridge->ports, link) {
		if (only != OFPP_ANY && pl_port_ofport(port->pl) != only)
			continue;
		ctl_of_port_stats(port, &stats);
		add_element(&stats, job);
	}
	return false;
}

static bool step_port_desc(struct ctl_of_job *job)
{
	struct ctl_port *port;
	struct of_port desc;

	TAILQ_FOREACH (port, &job->ob->bridge->ports, link) {
		ctl_of_port_desc(port, &desc);
		add_element(&desc, job);
	}
	return false;
}

static int begin_queues(struct ctl_of_session *s, const struct of_multipart *m,
                        struct of_error *err)
{
	const struct of_object_request *request = &m->object;

	if (request->id != OFPP_ANY && !ctl_of_port_lookup(s->ob, request->id))
		return of_error_set(err, OFPQOFC_BAD_PORT);
	if (request->queue_id == OFPQ_ALL ||
	    ctl_of_queue_exists(s->ob, request->id, request->queue_id))
		return 0;
	return of_error_set(err, OFPQOFC_BAD_QUEUE);
}

static void visit_queue(const struct of_queue_stats *stats, void *arg)
{
	add_element(stats, arg);
}

static bool step_queues(struct ctl_of_job *job)
{
	ctl_of_queues_walk(job->ob, &job->request.object, visit_queue, job);
	return false;
}

/* ---- groups and meters ---- */

static void visit_group(const struct of_group_stats *stats, void *arg)
{
	add_element(stats, arg);
}

static bool step_groups(struct ctl_of_job *job)
{
	return pl_group_walk(pl_of(job), job->request.object.id, &job->cursor, visit_group, job);
}

static void visit_group_desc(const struct of_group_desc *desc, void *arg)
{
	add_element(desc, arg);
}

static bool step_group_desc(struct ctl_of_job *job)
{
	return pl_group_desc_walk(pl_of(job), &job->cursor, visit_group_desc, job);
}

static bool step_group_features(struct ctl_of_job *job)
{
	struct of_group_features features;

	pl_group_features(&features);
	add_element(&features, job);
	return false;
}

static int begin_meters(struct ctl_of_session *s, const struct of_multipart *m,
                        struct of_error *err)
{
	return pl_meter_known(s->ob->bridge->pl, m->object.id, err);
}

static void visit_meter(const struct of_meter_stats *stats, void *arg)
{
	add_element(stats, arg);
}

static bool step_meters(struct ctl_of_job *job)
{
	return pl_meter_walk(pl_of(job), job->request.object.id, &job->cursor, visit_meter, job);
}

static void visit_meter_config(const struct of_meter_config *config, void *arg)
{
	add_element(config, arg);
}

static bool step_meter_config(struct ctl_of_job *job)
{
	return pl_meter_config_walk(pl_of(job), job->request.object.id, &job->cursor,
	                            visit_meter_config, job);
}

static bool step_meter_features(struct ctl_of_job *job)
{
	struct of_meter_features features;

	pl_meter_features(&features);
	add_element(&features, job);
	return false;
}

static const struct kind kinds[] = {
        [OFPMP_DESC] = {NULL, step_desc, false},
        [OFPMP_FLOW] = {begin_flows, step_flows, true},
        [OFPMP_AGGREGATE] = {begin_flows, step_aggregate, true},
        [OFPMP_TABLE] = {NULL, step_tables, true},
        [OFPMP_PORT_STATS] = {begin_ports, step_ports, false},
        [OFPMP_QUEUE] = {begin_queues, step_queues, false},
        [OFPMP_GROUP] = {NULL, step_groups, true},
        [OFPMP_GROUP_DESC] = {NULL, step_group_desc, false},
        [OFPMP_GROUP_FEATURES] = {NULL, step_group_features, false},
        [OFPMP_METER] = {begin_meters, step_meters, true},
        [OFPMP_METER_CONFIG] = {begin_meters, step_meter_config, false},
        [OFPMP_METER_FEATURES] = {NULL, step_meter_features, false},
        [OFPMP_TABLE_FEATURES] = {begin_features, step_features, false},
        [OFPMP_PORT_DESC] = {NULL, step_port_desc, false},
};

/* ---- jobs ---- */

/* Sends the parts that are complete. */
static void drain(struct ctl_of_session *s, struct ctl_of_job *job, size_t n)
{
	if (n == 0)
		return;
	ctl_of_session_flush(s);
	ctl_of_session_write(s, job->buf.data, n);
	memmove(job->buf.data, job->buf.data + n, job->buf.size - n);
	job->buf.size -= n;
	job->w.part -= EVS_MIN(n, job->w.part);
}

void ctl_of_job_step(struct ctl_of_session *s)
{
	struct ctl_of_job *job = s->job;
	bool more;

	if (job->kind->counts && pl_stats_sync_some(&job->sync))
		return;
	more = job->kind->step(job);
	if (job->buf.failed) {
		ctl_of_session_close(s, "no memory");
		return;
	}
	drain(s, job, more ? of_multipart_done(&job->w) : job->buf.size);
	if (!more)
		ctl_of_job_free(s);
}

int ctl_of_multipart(struct ctl_of_session *s, const struct of_msg *msg, struct of_error *err)
{
	const struct of_multipart *m = &msg->multipart;
	const struct kind *kind = &kinds[m->type];
	struct ctl_of_job *job;
	int ret;

	ctl_of_commit(s);
	ret = kind->begin ? kind->begin(s, m, err) : 0;
	if (ret != 0)
		return ret;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->kind = kind;
	job->ob = s->ob;
	job->request = *m;
	of_buf_init(&job->buf);
	of_multipart_begin(&job->w, &job->buf, msg->xid, m->type);
	s->job = job;
	ctl_of_job_step(s);
	return 0;
}
