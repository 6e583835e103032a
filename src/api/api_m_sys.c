/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods of workers, caches, counters, and of the daemon itself. Threads: any; constant data.
 */
#include "api/api.h"

/* Rows leave out what is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define PARAMS  (const struct api_param[])
#define COLUMNS (const struct api_column[])

const struct api_method api_worker_show = {
        .name = "worker.show",
        .flags = API_READ,
        .help = "Show what each worker does: load, cost per packet, cache hits, misses",
        .more = "Figures are since the worker started. cycles/pkt counts busy cycles only.",
        .example = "worker show",
        .columns = COLUMNS{{"WORKER", "worker", API_COL_RIGHT},
                           {"CPU", "cpu", API_COL_RIGHT},
                           {"NUMA", "numa", API_COL_RIGHT},
                           {"QUEUES", "queues", API_COL_RIGHT},
                           {"BUSY%", "busy", API_COL_RIGHT},
                           {"CYC/PKT", "cycles-per-pkt", API_COL_RIGHT},
                           {"PKT/BURST", "pkts-per-burst", API_COL_RIGHT},
                           {"PKTS", "pkts", API_COL_RIGHT},
                           {"MEMO", "memo-hits", API_COL_RIGHT},
                           {"EXACT", "exact-hits", API_COL_RIGHT},
                           {"WIDE", "wide-hits", API_COL_RIGHT},
                           {"MISSES", "misses", API_COL_RIGHT},
                           {"TRANSL-NS", "translation-ns", API_COL_RIGHT},
                           {0}},
};

const struct api_method api_worker_add = {
        .name = "worker.add",
        .flags = API_WRITE,
        .help = "Start a worker on a CPU; it takes its share of the queues",
        .example = "worker add 2",
        .params =
                PARAMS{{"cpu", API_UINT, API_REQUIRED | API_POS, "CPU", "which CPU", 0, 1023}, {0}},
};

const struct api_method api_worker_del = {
        .name = "worker.del",
        .flags = API_WRITE,
        .help = "End the worker on a CPU, when the others have its queues; answers when it is gone",
        .example = "worker del 2",
        .params =
                PARAMS{{"cpu", API_UINT, API_REQUIRED | API_POS, "CPU", "which CPU", 0, 1023}, {0}},
};

const struct api_method api_worker_rebalance = {
        .name = "worker.rebalance",
        .flags = API_ACT,
        .help = "Distribute the receive queues to the workers by measured load",
        .example = "worker rebalance",
};

const struct api_method api_worker_set = {
        .name = "worker.set",
        .flags = API_WRITE,
        .help = "Show or set how workers sleep, share queues, and bound new flows",
        .more = "sleep: a worker without traffic naps, then waits until a port or control wakes it "
                "(ports that can not wake it: it looks every 20 to 95 us); "
                "auto does so unless its CPU was isolated for polling. rebalance: seconds "
                "between two looks at the load, 0 for none; where a worker is over 70 % busy and "
                "would gain, queues move, without loss or reordering. miss-budget: new flows a "
                "second that a port may start on a worker, 0 for any number; packets beyond it are "
                "dropped as miss-budget.",
        .example = "worker set sleep=on rebalance=10 miss-budget=200000",
        .params = PARAMS{{"sleep", API_CHOICE, API_NULL, "auto|on|off", "sleep while idle"},
                         {"rebalance", API_UINT, API_NULL, "SECONDS",
                          "distribute queues by load so often (10)", 0, 3600},
                         {"miss-budget", API_UINT, API_NULL, "N",
                          "new flows a second, worker and port (0: any)", 0, 100000000},
                         {0}},
        .columns = COLUMNS{{"SLEEP", "sleep"},
                           {"REBALANCE", "rebalance", API_COL_RIGHT},
                           {"MISS-BUDGET", "miss-budget", API_COL_RIGHT},
                           {0}},
};

const struct api_method api_worker_reset = {
        .name = "worker.reset",
        .flags = API_WRITE,
        .help = "Put what 'worker set' changed back to its defaults",
        .example = "worker reset",
};

const struct api_method api_queue_show = {
        .name = "queue.show",
        .flags = API_READ,
        .help = "Show which worker polls which receive queue",
        .example = "queue show",
        .columns = COLUMNS{{"PORT", "port"},
                           {"QUEUE", "queue", API_COL_RIGHT},
                           {"CPU", "cpu", API_COL_RIGHT},
                           {"PKTS", "pkts", API_COL_RIGHT},
                           {"LOAD%", "load", API_COL_RIGHT},
                           {0}},
};

const struct api_method api_queue_move = {
        .name = "queue.move",
        .flags = API_ACT,
        .help = "Have a receive queue polled on another CPU, without loss or reordering",
        .example = "queue move p0 0 2",
        .params =
                PARAMS{{"port", API_NAME, API_REQUIRED | API_POS, "PORT", "which port"},
                       {"queue", API_UINT, API_REQUIRED | API_POS, "QUEUE", "which queue", 0, 1023},
                       {"cpu", API_UINT, API_REQUIRED | API_POS, "CPU", "of a worker", 0, 1023},
                       {0}},
};

const struct api_method api_cache_show = {
        .name = "cache.show",
        .flags = API_READ,
        .help = "Show the flow caches of the workers",
        .example = "cache show",
        .params = PARAMS{{"worker", API_UINT, 0, "N", "only this worker", 0, 1023}, {0}},
        .columns = COLUMNS{{"WORKER", "worker", API_COL_RIGHT},
                           {"FLOWS", "flows", API_COL_RIGHT},
                           {"MASKS", "masks", API_COL_RIGHT},
                           {"HITS", "hits", API_COL_RIGHT},
                           {"MISSES", "misses", API_COL_RIGHT},
                           {"HIT%", "hit-percent", API_COL_RIGHT},
                           {"INSTALLS", "installs", API_COL_RIGHT},
                           {"NOT CACHED", "not-cached", API_COL_RIGHT},
                           {"PROBES", "wide-probes", API_COL_RIGHT},
                           {"SKIPS", "wide-skips", API_COL_RIGHT},
                           {0}},
};

const struct api_method api_cache_dump = {
        .name = "cache.dump",
        .flags = API_READ,
        .help = "List cached flows: key, mask, action program, counters",
        .example = "cache dump limit=20",
        .params = PARAMS{{"worker", API_UINT, 0, "N", "only this worker", 0, 1023},
                         {"limit", API_UINT, 0, "N", "at most so many flows (1000)", 1, 100000},
                         {0}},
        .columns = COLUMNS{{"WORKER", "worker", API_COL_RIGHT},
                           {"PKTS", "pkts", API_COL_RIGHT},
                           {"BYTES", "bytes", API_COL_RIGHT},
                           {"IDLE", "idle", API_COL_RIGHT},
                           {"MATCH", "match", API_COL_LONG},
                           {"ACTIONS", "actions", API_COL_LONG},
                           {0}},
};

const struct api_method api_cache_flush = {
        .name = "cache.flush",
        .flags = API_ACT,
        .help = "Drop all cached flows; packets translate anew",
        .example = "cache flush",
};

const struct api_method api_drop_show = {
        .name = "drop.show",
        .flags = API_READ,
        .help = "Show dropped packets by port and reason",
        .example = "drop show",
        .params = PARAMS{{"port", API_NAME, API_POS, "PORT", "only this port"},
                         {"zero", API_BOOL, 0, "on|off", "with reasons that never occurred"},
                         {0}},
        .columns = COLUMNS{{"PORT", "port"},
                           {"REASON", "reason"},
                           {"PKTS", "pkts", API_COL_RIGHT},
                           {"MEANING", "help", API_COL_LONG},
                           {0}},
};

const struct api_method api_stats_show = {
        .name = "stats.show",
        .flags = API_READ,
        .help = "Account for every packet: received, sent, dropped by reason",
        .example = "stats show",
};

const struct api_method api_log_level = {
        .name = "log.level",
        .flags = API_WRITE,
        .help = "Show or set how much is logged, per room",
        .example = "log level port debug",
        .params = PARAMS{{"room", API_STR, API_POS, "ROOM", "a room of the source; left out: all"},
                         {"level", API_CHOICE, API_POS, "err|warn|notice|info|debug|default",
                          "the new level"},
                         {0}},
        .columns = COLUMNS{{"ROOM", "room"}, {"LEVEL", "level"}, {0}},
};

const struct api_method api_config_show = {
        .name = "config.show",
        .flags = API_READ,
        .help = "Show the configuration as it is saved",
        .example = "config show",
};

#define CONFIG_FILE                                                                                \
	{                                                                                          \
		"file", API_STR, API_REQUIRED | API_POS | API_FILE, "FILE", "path, seen by evsd"   \
	}

const struct api_method api_config_save = {
        .name = "config.save",
        .flags = API_ACT,
        .help = "Save a copy of the configuration",
        .more = "evsd saves its own copy at each change; this one is for you.",
        .example = "config save /root/evs.json",
        .params = PARAMS{CONFIG_FILE, {0}},
};

const struct api_method api_config_load = {
        .name = "config.load",
        .flags = API_ACT,
        .help = "Make the configuration that of a file, wholly or not at all",
        .more = "What is the same already is left alone; what the file lacks is deleted.",
        .example = "config load /root/evs.json",
        .params = PARAMS{CONFIG_FILE, {0}},
};

const struct api_method api_version = {
        .name = "version",
        .flags = API_READ,
        .help = "Show the version of evsd and what it runs on",
        .example = "version",
};

const struct api_method api_rpc_describe = {
        .name = "rpc.describe",
        .flags = API_READ,
        .help = "Describe all methods, or one",
        .example = "rpc describe port.add",
        .params = PARAMS{{"method", API_STR, API_POS, "METHOD", "only this method"}, {0}},
};

#define TOPICS                                                                                     \
	{                                                                                          \
		"topics", API_STRS, API_REQUIRED | API_POS | API_REST, "TOPIC",                    \
		        "port, bridge, worker, fdb, flow-removed, config"                          \
	}

const struct api_method api_rpc_subscribe = {
        .name = "rpc.subscribe",
        .flags = API_ACT,
        .help = "Have notifications of topics sent on this connection",
        .example = "rpc subscribe port worker",
        .params = PARAMS{TOPICS, {0}},
};

const struct api_method api_rpc_unsubscribe = {
        .name = "rpc.unsubscribe",
        .flags = API_ACT,
        .help = "End notifications of topics on this connection",
        .example = "rpc unsubscribe port",
        .params = PARAMS{TOPICS, {0}},
};

const struct api_method api_transaction = {
        .name = "transaction",
        .flags = API_WRITE,
        .help = "Apply a list of changes wholly or not at all",
        .more = "Over JSON-RPC: calls is a list of {\"method\", \"params\"}. If one is refused, "
                "those before it are undone in reverse order, and the error says which.",
        .example = "transaction '{\"method\":\"bridge.add\",\"params\":{\"name\":\"br0\"}}'",
        .params = PARAMS{{"calls", API_CALLS, API_REQUIRED | API_POS | API_REST, "CALL",
                          "changes, in their order"},
                         {0}},
};
