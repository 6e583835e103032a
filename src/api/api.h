/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of JSON-RPC methods. Threads: any; everything here is constant data.
 *
 * Problem. A method exists in many forms: dispatch, validation, `rpc.describe`, evsctl's usage,
 * help and output, bash completion, the man page. Kept by hand, they drift apart.
 *
 * Data structure. API_METHODS names each method once; it becomes `enum api_id`, the declaration of
 * its description `api_<id>` (files api_m_*.c) and, in the control room, its handler `ctl_<id>`: a
 * method that lacks one of the three does not link. A description says parameters with kind, range
 * and help, whether the method reads or writes, and the columns in which people see its result.
 *
 * Cost: look-up is linear over some sixty rows, once per request.
 */
#ifndef API_H
#define API_H

#include <jansson.h>

#include "base/evs_base.h"

#define API_METHODS(X)                                                                             \
	X(bridge_add)                                                                              \
	X(bridge_del)                                                                              \
	X(bridge_set)                                                                              \
	X(bridge_show)                                                                             \
	X(port_add)                                                                                \
	X(port_del)                                                                                \
	X(port_set)                                                                                \
	X(port_show)                                                                               \
	X(port_types)                                                                              \
	X(controller_add)                                                                          \
	X(controller_del)                                                                          \
	X(controller_show)                                                                         \
	X(ssl_set)                                                                                 \
	X(ssl_del)                                                                                 \
	X(ssl_show)                                                                                \
	X(worker_show)                                                                             \
	X(worker_add)                                                                              \
	X(worker_del)                                                                              \
	X(worker_rebalance)                                                                        \
	X(worker_set)                                                                              \
	X(worker_reset)                                                                            \
	X(queue_show)                                                                              \
	X(queue_move)                                                                              \
	X(qos_set)                                                                                 \
	X(qos_del)                                                                                 \
	X(qos_show)                                                                                \
	X(fdb_show)                                                                                \
	X(fdb_add)                                                                                 \
	X(fdb_del)                                                                                 \
	X(route_add)                                                                               \
	X(route_del)                                                                               \
	X(route_show)                                                                              \
	X(neigh_add)                                                                               \
	X(neigh_del)                                                                               \
	X(neigh_show)                                                                              \
	X(binding_show)                                                                            \
	X(binding_add)                                                                             \
	X(binding_del)                                                                             \
	X(fdb_flush)                                                                               \
	X(flow_add)                                                                                \
	X(flow_mod)                                                                                \
	X(flow_del)                                                                                \
	X(flow_replace)                                                                            \
	X(flow_dump)                                                                               \
	X(group_add)                                                                               \
	X(group_mod)                                                                               \
	X(group_del)                                                                               \
	X(group_dump)                                                                              \
	X(meter_add)                                                                               \
	X(meter_mod)                                                                               \
	X(meter_del)                                                                               \
	X(meter_dump)                                                                              \
	X(trace)                                                                                   \
	X(cache_show)                                                                              \
	X(cache_dump)                                                                              \
	X(cache_flush)                                                                             \
	X(drop_show)                                                                               \
	X(stats_show)                                                                              \
	X(capture_start)                                                                           \
	X(capture_stop)                                                                            \
	X(capture_show)                                                                            \
	X(log_level)                                                                               \
	X(config_show)                                                                             \
	X(config_save)                                                                             \
	X(config_load)                                                                             \
	X(version)                                                                                 \
	X(rpc_describe)                                                                            \
	X(rpc_subscribe)                                                                           \
	X(rpc_unsubscribe)                                                                         \
	X(transaction)

enum api_id {
#define X(id) API_ID_##id,
	API_METHODS(X)
#undef X
	        API_N_METHODS
};

enum api_kind {
	API_STR,    /* any text */
	API_NAME,   /* 1 to 63 of [A-Za-z0-9._:@-] */
	API_UINT,   /* between min and max */
	API_BOOL,   /* true, false, on, off, yes, no, 1, 0 */
	API_CHOICE, /* one of form: "a|b|c" */
	API_MAC,    /* xx:xx:xx:xx:xx:xx, made lower case */
	API_DPID,   /* up to 16 hex digits, with or without 0x; made 16 digits */
	API_VLANS,  /* "1,5-10": ids from 0 to 4095; or an array of numbers */
	API_STRS,   /* array of texts; one text stands for an array of one */
	API_CALLS,  /* array of {"method", "params"} */
};

enum api_param_flag {
	API_REQUIRED = 0x01,
	API_POS = 0x02,    /* evsctl takes it by position, in the order of the table */
	API_REST = 0x04,   /* takes all further positional arguments (API_STRS) */
	API_NULL = 0x08,   /* null, or `name=` in evsctl, puts it back to its default */
	API_FILE = 0x10,   /* evsctl makes the path absolute: evsd has another directory */
	API_NUMBER = 0x40, /* a number is as good as its digits (API_STR) */
	API_LINES = 0x20,  /* evsctl takes a file, or "-", and sends its lines (API_STRS) */
};

struct api_param {
	const char *name;
	enum api_kind kind;
	unsigned flags;
	const char *form; /* of the value, for people: "CPU", "on|off" */
	const char *help;
	uint64_t min, max; /* of API_UINT */
};

enum api_column_flag {
	API_COL_RIGHT = 0x01,
	API_COL_LONG = 0x02,   /* may be wrapped */
	API_COL_OFPORT = 0x04, /* OpenFlow port number: LOCAL has a name */
	API_COL_BAR = 0x10,    /* a percentage, drawn */
	API_COL_LINE = 0x08,   /* the only column: people see these texts, line by line */
};

struct api_column {
	const char *title;
	const char *key; /* "cache.misses": members of members */
	unsigned flags;
};

enum api_method_flag {
	API_READ = 0x01,  /* changes nothing */
	API_WRITE = 0x02, /* changes the configuration: may stand in a transaction */
	API_ACT = 0x04,   /* does something that can not be taken back: not in a transaction */
	API_OPEN = 0x08,  /* takes further parameters, checked by the port's type */
	API_RULES = 0x10, /* changes rules, groups or meters, perhaps a million of them */
};

struct api_method {
	const char *name; /* "port.add"; without a dot: a noun alone */
	unsigned flags;
	const char *help;                 /* one line */
	const char *more;                 /* what one should know besides; NULL: nothing */
	const char *example;              /* of evsctl, one line */
	const struct api_param *params;   /* ends with a NULL name; NULL: none */
	const struct api_column *columns; /* ends with a NULL title; NULL: as key and value */
};

#define X(id) extern const struct api_method api_##id;
API_METHODS(X)
#undef X
extern const struct api_method *const api_methods[API_N_METHODS];

/* By name ("port.add"). NULL: absent; *idp is set otherwise (may be NULL). */
const struct api_method *api_method_lookup(const char *name, enum api_id *idp);
/* The known name that looks most like this one, or NULL if none is near. */
const char *api_method_suggest(const char *name);
/* A parameter by name; '_' counts as '-'. NULL: absent. */
const struct api_param *api_param_lookup(const struct api_method *method, const char *name);

/* Checks parameters (an object, or NULL for none) and makes them canonical: names with '-', numbers
 * as numbers, switches as booleans, MACs in lower case. *outp is a new object. -EINVAL with
 * err, which names parameter, value and what would be right. */
int api_params_check(const struct api_method *method, const json_t *params, json_t **outp,
                     struct evs_error *err);
/* One value; NULL with err if it is wrong. */
json_t *api_value_check(const struct api_param *param, const json_t *value, struct evs_error *err);
/* "1,5-10" as it was checked: sets bits in a bitmap of 4096. */
void api_vlans_to_bitmap(const char *vlans, uint8_t bitmap[512]);

/* The table as JSON, for rpc.describe. */
json_t *api_describe(void);
json_t *api_method_describe(const struct api_method *method);

/* Usage line: "port add BRIDGE NAME type=TYPE [ofport=N] [key=value...]". As snprintf. */
size_t api_method_usage(const struct api_method *method, char *buf, size_t size);
/* Splits "port.add" into words; verb is "" for a noun alone. */
void api_method_words(const struct api_method *method, char noun[32], char verb[32]);

#endif
