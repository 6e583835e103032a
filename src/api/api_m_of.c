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
		        "tcp:IP[:PORT], ssl:IP[:PORT], unix:PATH, ptcp:[PORT][:IP], "              \
		        "pssl:[PORT][:IP], punix:PATH"                                             \
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

const struct api_method api_ssl_set = {
        .name = "ssl.set",
        .flags = API_WRITE,
        .help = "Name the keys of OpenFlow connections over TLS (ssl: and pssl:)",
        .more = "Files in PEM. Both sides of a connection show a certificate, and each must be "
                "signed by the CA. Renewed files are used by the next connection.",
        .example = "ssl set private-key=/etc/evs/sw-privkey.pem certificate=/etc/evs/sw-cert.pem "
                   "ca-cert=/etc/evs/controllerca.pem",
        .params = PARAMS{{"private-key", API_STR, API_FILE, "FILE", "our private key"},
                         {"certificate", API_STR, API_FILE, "FILE",
                          "our certificate, then those that lead to its CA"},
                         {"ca-cert", API_STR, API_FILE, "FILE",
                          "certificates that sign those of controllers"},
                         {0}},
};

const struct api_method api_ssl_del = {
        .name = "ssl.del",
        .flags = API_WRITE,
        .help = "Forget the keys of OpenFlow connections",
        .example = "ssl del",
};

const struct api_method api_ssl_show = {
        .name = "ssl.show",
        .flags = API_READ,
        .help = "Show the keys of OpenFlow connections, and when our certificate expires",
        .example = "ssl show",
        .columns = COLUMNS{{"PRIVATE KEY", "private-key"},
                           {"CERTIFICATE", "certificate"},
                           {"CA", "ca-cert"},
                           {"SUBJECT", "subject"},
                           {"EXPIRES", "expires", API_COL_LONG},
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
