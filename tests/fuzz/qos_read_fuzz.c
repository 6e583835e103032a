/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of qos.set, as a JSON object or as lines "name=value": what is refused has a reason,
 * what is accepted the shaper and the policer take, and no packet is lost in them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "control/ctl_qos_pvt.h"

#define HZ        UINT64_C(2000000000)
#define N_PACKETS 64
#define SMALL     65536 /* packets: larger pools only take time */

static json_t *lines_read(const char *text, size_t size)
{
	json_t *params = json_object();

	while (size) {
		const char *end = memchr(text, '\n', size), *eq;
		size_t len = end ? (size_t)(end - text) : size;

		eq = memchr(text, '=', len);
		if (eq) {
			char *key = strndup(text, (size_t)(eq - text));

			json_object_set_new(params, key,
			                    json_stringn(eq + 1, len - (size_t)(eq - text) - 1));
			free(key);
		}
		text += len + (end != NULL);
		size -= len + (end != NULL);
	}
	return params;
}

static struct rte_mbuf packets[N_PACKETS];
static uint8_t frame[128] = {[12] = 8, [14] = 0x45};

static void shape(const struct qos_shaper_config *config)
{
	struct qos_shaper *s = qos_shaper_create(config, HZ);
	struct rte_mbuf *out[QOS_BURST_LEN];
	uint64_t now = HZ;
	struct qos_taken t;
	unsigned in = 0, left = 0;

	if (!s)
		abort();
	for (unsigned i = 0; i < N_PACKETS; i++, now += HZ / 1000) {
		struct rte_mbuf *m = &packets[i];

		*m = (struct rte_mbuf){.buf_addr = frame, .data_len = 64, .pkt_len = 64 + 140 * i};
		m->nb_segs = m->refcnt = 1;
		in += qos_shaper_put(s, qos_shaper_queue_for(s, i, m), &m, now) == QOS_PUT_DONE;
		qos_shaper_take(s, now, &t);
		left += t.n_out + t.n_dropped;
	}
	for (unsigned n; (n = qos_shaper_flush(s, out)) > 0;)
		left += n;
	if (left != in || qos_shaper_backlog(s))
		abort();
	qos_shaper_destroy(s);
}

static void police(const struct qos_ingress_config *config)
{
	struct qos_ingress *in = qos_ingress_create(config, HZ);
	struct rte_mbuf *burst[32];
	struct qos_ingress_burst b = {.n = 32, .mbufs = burst, .now_tsc = HZ};

	if (!in)
		abort();
	for (unsigned i = 0; i < 32; i++) {
		burst[i] = &packets[i];
		packets[i] = (struct rte_mbuf){.buf_addr = frame, .data_len = 64, .pkt_len = 64};
		packets[i].nb_segs = packets[i].refcnt = 1;
	}
	qos_ingress_run(in, &b);
	if (qos_ingress_shapes(in) && qos_ingress_room(in, 2 * HZ, 32) == 0)
		abort();
	free(in);
}

static void read_all(const json_t *params)
{
	struct port port = {.name = "p", .mtu = 1500};
	struct evs_error err = {0};
	struct ctl_qos qos;
	int ret = ctl_qos_read(params, &port, &qos, &err);

	if (ret) {
		if (!err.text[0])
			abort();
	} else {
		if (qos.shapes && qos.egress.backlog_pkts <= SMALL)
			shape(&qos.egress);
		if (qos.guards)
			police(&qos.ingress);
	}
	ctl_qos_fini(&qos);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct evs_error err = {0};
	json_t *params, *checked;

	params = size && data[0] == '{' ? json_loadb((const char *)data, size, 0, NULL)
	                                : lines_read((const char *)data, size);
	if (!params)
		return 0;
	json_object_set_new(params, "port", json_string("p"));
	if (api_params_check(&api_qos_set, params, &checked, &err) == 0) {
		read_all(checked);
		json_decref(checked);
	} else if (!err.text[0]) {
		abort();
	}
	json_decref(params);
	return 0;
}
