/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics over HTTP, as Prometheus reads them. Threads: control. Serves whom the address lets in;
 * bodies and headers of requests are bounded, and nothing can be changed.
 */
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/util.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <string.h>

#include "base/evs_clock.h"
#include "control/ctl_net.h"
#include "pmd/pmd.h"

#define HEADERS_MAX 8192
#define TIMEOUT_S   10

static struct evhttp *http;

struct port_metric {
	const char *name, *help;
	size_t ofs; /* in struct port_counters */
};

static const struct port_metric port_metrics[] = {
        {"evs_port_rx_packets_total", "Packets received", offsetof(struct port_counters, rx_pkts)},
        {"evs_port_rx_bytes_total", "Bytes received", offsetof(struct port_counters, rx_bytes)},
        {"evs_port_tx_packets_total", "Packets sent", offsetof(struct port_counters, tx_pkts)},
        {"evs_port_tx_bytes_total", "Bytes sent", offsetof(struct port_counters, tx_bytes)},
};

static void head(struct evbuffer *out, const char *name, const char *type, const char *help)
{
	evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

typedef void port_fn(struct evbuffer *out, const struct ctl_port *port, const void *arg);

static void ports(struct evbuffer *out, port_fn *fn, const void *arg)
{
	const struct ctl_bridge *bridge;
	const struct ctl_port *port;

	TAILQ_FOREACH (bridge, &ctl_bridges, link) {
		TAILQ_FOREACH (port, &bridge->ports, link) {
			if (port->port)
				fn(out, port, arg);
		}
	}
}

static void port_counter(struct evbuffer *out, const struct ctl_port *port, const void *arg)
{
	const struct port_metric *metric = arg;
	struct port_counters sum;
	uint64_t value;

	port_counters_sum(port->port, &sum);
	memcpy(&value, (const char *)&sum + metric->ofs, sizeof(value));
	evbuffer_add_printf(out, "%s{bridge=\"%s\",port=\"%s\"} %" PRIu64 "\n", metric->name,
	                    port->bridge->name, port->name, value);
}

static void port_up(struct evbuffer *out, const struct ctl_port *port, const void *arg)
{
	evbuffer_add_printf(out, "evs_port_up{bridge=\"%s\",port=\"%s\"} %d\n", port->bridge->name,
	                    port->name, port->port->link.up);
}

static void port_drops(struct evbuffer *out, const struct ctl_port *port, const void *arg)
{
	struct port_counters sum;

	port_counters_sum(port->port, &sum);
	for (unsigned i = 1; i < PKT_N_DROPS; i++)
		if (sum.drops[i])
			evbuffer_add_printf(out,
			                    "evs_port_dropped_packets_total{bridge=\"%s\",port="
			                    "\"%s\",reason=\"%s\"} %" PRIu64 "\n",
			                    port->bridge->name, port->name, pkt_drop_name(i),
			                    sum.drops[i]);
}

struct worker_metric {
	const char *name, *help;
	double (*value)(const struct pmd_worker_stats *stats);
};

static double busy_s(const struct pmd_worker_stats *s)
{
	return (double)evs_clock_tsc_to_ns(s->busy_tsc) / 1e9;
}

static double idle_s(const struct pmd_worker_stats *s)
{
	return (double)evs_clock_tsc_to_ns(s->idle_tsc) / 1e9;
}

static double pkts(const struct pmd_worker_stats *s)
{
	return (double)s->pkts;
}

static double hits(const struct pmd_worker_stats *s)
{
	return (double)(s->cache.memo_hits + s->cache.exact_hits + s->cache.wide_hits);
}

static double misses(const struct pmd_worker_stats *s)
{
	return (double)s->cache.misses;
}

static double translate_s(const struct pmd_worker_stats *s)
{
	return (double)evs_clock_tsc_to_ns(s->translate_tsc) / 1e9;
}

static const struct worker_metric worker_metrics[] = {
        {"evs_worker_busy_seconds_total", "Time spent on packets", busy_s},
        {"evs_worker_idle_seconds_total", "Time spent polling in vain or asleep", idle_s},
        {"evs_worker_packets_total", "Packets received", pkts},
        {"evs_worker_cache_hits_total", "Packets whose flow was cached", hits},
        {"evs_worker_cache_misses_total", "Packets that were translated", misses},
        {"evs_worker_translation_seconds_total", "Time spent on translation", translate_s},
};

struct worker_arg {
	struct evbuffer *out;
	const struct worker_metric *metric;
};

static void worker_value(unsigned worker, const struct pmd_worker_stats *stats, void *arg)
{
	const struct worker_arg *w = arg;

	evbuffer_add_printf(w->out, "%s{worker=\"%u\",cpu=\"%u\"} %.9g\n", w->metric->name, worker,
	                    stats->cpu, w->metric->value(stats));
}

static void worker_flows(unsigned worker, const struct pmd_worker_stats *stats, void *arg)
{
	struct flow_cache *cache = pmd_worker_cache(worker);

	if (cache)
		evbuffer_add_printf(arg, "evs_worker_cached_flows{worker=\"%u\",cpu=\"%u\"} %u\n",
		                    worker, stats->cpu, flow_cache_live(cache));
}

static void write_metrics(struct evbuffer *out)
{
	head(out, "evs_info", "gauge", "Version");
	evbuffer_add_printf(out, "evs_info{version=\"%s\"} 1\n", EVS_VERSION);
	for (unsigned i = 0; i < EVS_ARRAY_LEN(port_metrics); i++) {
		head(out, port_metrics[i].name, "counter", port_metrics[i].help);
		ports(out, port_counter, &port_metrics[i]);
	}
	head(out, "evs_port_up", "gauge", "Link state");
	ports(out, port_up, NULL);
	head(out, "evs_port_dropped_packets_total", "counter", "Packets dropped, by reason");
	ports(out, port_drops, NULL);
	for (unsigned i = 0; i < EVS_ARRAY_LEN(worker_metrics); i++) {
		struct worker_arg arg = {out, &worker_metrics[i]};

		head(out, worker_metrics[i].name, "counter", worker_metrics[i].help);
		pmd_workers_walk(worker_value, &arg);
	}
	head(out, "evs_worker_cached_flows", "gauge", "Cached flows");
	pmd_workers_walk(worker_flows, out);
}

static void on_metrics(struct evhttp_request *request, void *arg)
{
	struct evbuffer *out = evbuffer_new();

	if (!out) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
		return;
	}
	write_metrics(out);
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
	                  "text/plain; version=0.0.4");
	evhttp_send_reply(request, HTTP_OK, "OK", out);
	evbuffer_free(out);
}

int ctl_http_init(const char *where, struct evs_error *err)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss);
	char ip[INET6_ADDRSTRLEN];
	uint16_t port;

	if (evutil_parse_sockaddr_port(where, (struct sockaddr *)&ss, &len))
		return evs_error_set(err, -EINVAL,
		                     "--http '%s' is not of the form 127.0.0.1:9100 or "
		                     "[::1]:9100",
		                     where);
	if (ss.ss_family == AF_INET) {
		inet_ntop(AF_INET, &((struct sockaddr_in *)&ss)->sin_addr, ip, sizeof(ip));
		port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	} else {
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&ss)->sin6_addr, ip, sizeof(ip));
		port = ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
	}
	if (port == 0)
		return evs_error_set(err, -EINVAL, "--http '%s': the port is missing", where);
	http = evhttp_new(ctl_base);
	if (!http)
		return evs_error_set(err, -ENOMEM, "no memory for the HTTP server");
	evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(http, HEADERS_MAX);
	evhttp_set_max_body_size(http, 0);
	evhttp_set_timeout(http, TIMEOUT_S);
	evhttp_set_cb(http, "/metrics", on_metrics, NULL);
	if (evhttp_bind_socket(http, ip, port))
		return evs_error_set(err, -EADDRINUSE, "--http: cannot listen on %s: %s", where,
		                     strerror(errno));
	return 0;
}

void ctl_http_fini(void)
{
	if (http)
		evhttp_free(http);
	http = NULL;
}
