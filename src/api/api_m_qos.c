/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods of shaping. Threads: any; constant data.
 */
#include "api/api.h"

/* Rows leave out what is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define PARAMS  (const struct api_param[])
#define VALUE   (API_NULL | API_NUMBER)
#define COLUMNS (const struct api_column[])

const struct api_method api_qos_set = {
        .name = "qos.set",
        .flags = API_WRITE | API_OPEN,
        .help = "Shape, police or guard a port, or change how, under traffic",
        .more = "Options of queues, for queue 0, which takes what nobody assigns, and for those "
                "that "
                "action set_queue or a map names, up to 4095: queue.N.priority (0 leaves first, to "
                "7; 4), .weight (1 to 100, among queues of one priority; 1), .min-rate "
                "(guaranteed), .max-rate, .burst, .limit (packets; 1024), .class, .aqm "
                "(default|none|codel|wred), .wred-min, .wred-max (mean packets), .wred-drop "
                "(per mille at wred-max; 100). Of classes, which share a limit, up to 1023: "
                "class.N.max-rate, .burst, .min-rate, .weight. `option=` without value puts it "
                "back to its "
                "default.",
        .example = "qos set p0 egress.average=200M egress.peak=500M egress.burst=1MB",
        .params = PARAMS{{"port", API_NAME, API_REQUIRED | API_POS, "PORT", "which port"},
                         {"egress.average", API_STR, VALUE, "RATE",
                          "shape what leaves: rate in the long run, in bit/s"},
                         {"egress.peak", API_STR, VALUE, "RATE",
                          "rate while the burst lasts (as fast as the port takes it)"},
                         {"egress.burst", API_STR, VALUE, "BYTES",
                          "what may exceed the average after idle time (5 ms of it)"},
                         {"egress.layer", API_CHOICE, API_NULL, "l1|l2",
                          "l1: rates with preamble, checksum and gap (l2)"},
                         {"egress.overhead", API_UINT, API_NULL, "BYTES",
                          "counted besides each frame, instead of what the layer says", 0, 256},
                         {"egress.aqm", API_CHOICE, API_NULL, "codel|wred|none",
                          "what keeps queues short that say nothing else (codel)"},
                         {"egress.backlog", API_STR, VALUE, "PACKETS",
                          "in all queues together (16 a queue, at least 4096)"},
                         {"egress.dscp-map", API_STR, VALUE, "DSCP:QUEUE,...",
                          "queues of IP packets that no rule assigns"},
                         {"egress.pcp-map", API_STR, VALUE, "PCP:QUEUE,...",
                          "likewise of tagged ones that the DSCP does not assign"},
                         {"ingress.average", API_STR, VALUE, "RATE",
                          "limit what comes in: rate in the long run; CIR of a policer"},
                         {"ingress.burst", API_STR, VALUE, "BYTES",
                          "what may exceed it after idle time; CBS (5 ms of it)"},
                         {"ingress.mode", API_CHOICE, API_NULL, "police|shape",
                          "shape: what may not come in yet waits in the port's own queue (police)"},
                         {"ingress.peak", API_STR, VALUE, "RATE",
                          "shape: rate while the burst lasts; police: PIR of RFC 2698"},
                         {"ingress.tcm", API_CHOICE, API_NULL, "rfc2697|rfc2698|rfc4115",
                          "three-colour meter (rfc2698 with ingress.peak, else rfc2697)"},
                         {"ingress.excess", API_STR, VALUE, "RATE", "EIR of RFC 4115"},
                         {"ingress.excess-burst", API_STR, VALUE, "BYTES",
                          "EBS or PBS (rfc2697: none; else 5 ms)"},
                         {"ingress.yellow", API_STR, VALUE, "pass|drop|remark|DSCP",
                          "what happens to yellow packets (pass)"},
                         {"ingress.red", API_STR, VALUE, "pass|drop|remark|DSCP",
                          "what happens to red packets (drop)"},
                         {"ingress.colour-aware", API_BOOL, API_NULL, "on|off",
                          "AFx2 comes as yellow, AFx3 as red (off)"},
                         {"ingress.layer", API_CHOICE, API_NULL, "l1|l2", "as egress.layer (l2)"},
                         {"storm.broadcast", API_STR, VALUE, "RATE",
                          "limit of broadcast that comes in: 1000pps or 10Mbit/s"},
                         {"storm.multicast", API_STR, VALUE, "RATE", "likewise of multicast"},
                         {"storm.unknown-unicast", API_STR, VALUE, "RATE",
                          "likewise of frames that action NORMAL floods"},
                         {0}},
};

const struct api_method api_qos_del = {
        .name = "qos.del",
        .flags = API_WRITE,
        .help = "Shape, police and guard a port no more; answers when all that waited is sent",
        .example = "qos del p0",
        .params = PARAMS{{"port", API_NAME, API_REQUIRED | API_POS, "PORT", "which port"}, {0}},
};

const struct api_method api_qos_show = {
        .name = "qos.show",
        .flags = API_READ,
        .help = "Show rates, queues, classes and drops of shaped and policed ports",
        .more = "Rates are those of the last second; waiting times (microseconds) those of the "
                "last 8 "
                "to 16 seconds. `evsctl --watch qos show PORT` shows it live.",
        .example = "qos show p0",
        .params = PARAMS{{"port", API_NAME, API_POS, "PORT", "only this port"}, {0}},
        .columns = COLUMNS{{"PORT", "port"},
                           {"KIND", "kind"},
                           {"ID", "id", API_COL_RIGHT},
                           {"RATE", "rate", API_COL_RIGHT},
                           {"LIMIT", "limit-rate", API_COL_RIGHT},
                           {"LOAD", "load", API_COL_BAR},
                           {"CLASS", "class", API_COL_RIGHT},
                           {"PRIO", "priority", API_COL_RIGHT},
                           {"WEIGHT", "weight", API_COL_RIGHT},
                           {"PKTS", "pkts", API_COL_RIGHT},
                           {"WAITING", "backlog-pkts", API_COL_RIGHT},
                           {"P50", "wait-p50-us", API_COL_RIGHT},
                           {"P99", "wait-p99-us", API_COL_RIGHT},
                           {"MAX", "wait-max-us", API_COL_RIGHT},
                           {"FULL", "full-drops", API_COL_RIGHT},
                           {"AQM", "aqm-drops", API_COL_RIGHT},
                           {"MARKED", "marks", API_COL_RIGHT},
                           {"GREEN", "green.pkts", API_COL_RIGHT},
                           {"YELLOW", "yellow.pkts", API_COL_RIGHT},
                           {"RED", "red.pkts", API_COL_RIGHT},
                           {0}},
};
