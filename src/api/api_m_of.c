/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods of OpenFlow controllers. Threads: any; constant data.
 */
#include "api/api.h"

/* Rows leave out what is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define PARAMS  (const struct api_param[])
#define COLUMNS (const struct api_column[])

#define BRIDGE                                                                                     \
	{                                                                                          \
		"bridge", API_NAME, API_REQUIRED | API_POS, "BRIDGE", "which bridge"               \
	}

#define TARGET                                                                                     \
	{                                                                                          \
		"target", API_STR, API_REQUIRED | API_POS, "TARGET",                               \
		        "tcp:IP[:PORT], unix:PATH, ptcp:[PORT][:IP], punix:PATH"                   \
	}

const struct api_method api_controller_add = {
        .name = "controller.add",
        .flags = API_WRITE,
        .help = "Have a bridge connect to an OpenFlow controller, or listen for some",
        .more = "A bridge with a controller starts with empty tables, and does nothing until the "
                "controller brings rules. It reconnects for ever, with a back-off.",
        .example = "controller add br0 tcp:192.0.2.1:6653",
        .params = PARAMS{BRIDGE,
                         TARGET,
                         {"rate-limit", API_UINT, 0, "N", "packet-ins per second (no limit)", 1,
                          10000000},
                         {"burst-limit", API_UINT, 0, "N", "packet-ins at once (rate-limit)", 1,
                          10000000},
                         {"probe", API_UINT, 0, "SECONDS", "silence before an echo (5)", 1, 3600},
                         {"max-backoff", API_UINT, 0, "SECONDS",
                          "longest wait before a new attempt (8)", 1, 3600},
                         {0}},
};

const struct api_method api_controller_del = {
        .name = "controller.del",
        .flags = API_WRITE,
        .help = "Take a controller from a bridge",
        .example = "controller del br0 tcp:192.0.2.1:6653",
        .params = PARAMS{BRIDGE, TARGET, {0}},
};

const struct api_method api_controller_show = {
        .name = "controller.show",
        .flags = API_READ,
        .help = "Show controllers and their connections",
        .example = "controller show br0",
        .params = PARAMS{{"bridge", API_NAME, API_POS, "BRIDGE", "only those of this bridge"}, {0}},
        .columns = COLUMNS{{"BRIDGE", "bridge"},
                           {"TARGET", "target"},
                           {"CONNECTED", "connected"},
                           {"ROLE", "role"},
                           {"SESSIONS", "sessions", API_COL_RIGHT},
                           {"PACKET-INS", "packet-ins", API_COL_RIGHT},
                           {"LIMITED", "packet-ins-limited", API_COL_RIGHT},
                           {"DROPPED", "packet-ins-dropped", API_COL_RIGHT},
                           {"LAST ERROR", "last-error", API_COL_LONG},
                           {0}},
};
