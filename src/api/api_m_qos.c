/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods of shaping. Threads: any; constant data.
 */
#include "api/api.h"

/* Rows leave out what is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define PARAMS  (const struct api_param[])
#define COLUMNS (const struct api_column[])

const struct api_method api_qos_set = {
        .name = "qos.set",
        .flags = API_WRITE | API_OPEN,
        .help = "Shape what leaves by a port, or change how, under traffic",
        .more = "Options besides these: queue.N.priority (0 leaves first, to 7; 4), "
                "queue.N.weight (1 to 100, among queues of one priority; 1), queue.N.limit "
                "(packets; 1024), for queue 0, which takes what no rule assigns, and for those "
                "that action set_queue names, up to 4095. `option=` without value puts it back "
                "to its default.",
        .example = "qos set p0 egress.average=200M egress.peak=500M egress.burst=1MB",
        .params = PARAMS{{"port", API_NAME, API_REQUIRED | API_POS, "PORT", "which port"},
                         {"egress.average", API_STR, 0, "RATE", "rate in the long run, in bit/s"},
                         {"egress.peak", API_STR, API_NULL, "RATE",
                          "rate while the burst lasts (as fast as the port takes it)"},
                         {"egress.burst", API_STR, API_NULL, "BYTES",
                          "what may exceed the average after idle time (5 ms of it)"},
                         {"egress.overhead", API_UINT, API_NULL, "BYTES",
                          "counted besides each frame; 24 for rates of layer 1 (0)", 0, 256},
                         {"egress.aqm", API_CHOICE, API_NULL, "codel|none",
                          "what keeps queues short (codel)"},
                         {0}},
};

const struct api_method api_qos_del = {
        .name = "qos.del",
        .flags = API_WRITE,
        .help = "Shape a port no more; answers when all that waited is sent",
        .example = "qos del p0",
        .params = PARAMS{{"port", API_NAME, API_REQUIRED | API_POS, "PORT", "which port"}, {0}},
};

const struct api_method api_qos_show = {
        .name = "qos.show",
        .flags = API_READ,
        .help = "Show shaped ports and their queues",
        .example = "qos show p0",
        .params = PARAMS{{"port", API_NAME, API_POS, "PORT", "only this port"}, {0}},
        .columns = COLUMNS{{"PORT", "port"},
                           {"AVERAGE", "average", API_COL_RIGHT},
                           {"PEAK", "peak", API_COL_RIGHT},
                           {"BURST", "burst", API_COL_RIGHT},
                           {"QUEUE", "queue", API_COL_RIGHT},
                           {"PRIO", "priority", API_COL_RIGHT},
                           {"WEIGHT", "weight", API_COL_RIGHT},
                           {"PKTS", "pkts", API_COL_RIGHT},
                           {"BYTES", "bytes", API_COL_RIGHT},
                           {"WAITING", "backlog-pkts", API_COL_RIGHT},
                           {"FULL", "full-drops", API_COL_RIGHT},
                           {"AQM", "aqm-drops", API_COL_RIGHT},
                           {"MARKED", "marks", API_COL_RIGHT},
                           {0}},
};
