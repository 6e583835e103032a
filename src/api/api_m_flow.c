/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods of rules, groups, meters, and trace. Threads: any; constant data.
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
#define STRICT                                                                                     \
	{                                                                                          \
		"strict", API_BOOL, 0, "on|off",                                                   \
		        "only rules with just this match and priority (off)"                       \
	}
#define LIMIT                                                                                      \
	{                                                                                          \
		"limit", API_UINT, 0, "N", "at most so many (10000)", 1, 1000000                   \
	}
#define IN_EFFECT "Answers when no packet meets the older rules any more. "

const struct api_method api_flow_add = {
        .name = "flow.add",
        .flags = API_ACT,
        .help = "Add rules to a bridge, in the syntax of ovs-ofctl",
        .more = IN_EFFECT "A rule with the same table, priority and match is replaced. Rules are "
                          "not saved: controllers or scripts bring them.",
        .example = "flow add br0 'priority=10,udp,nw_dst=10.0.0.0/8,actions=output:2'",
        .params = PARAMS{BRIDGE,
                         {"flows", API_STRS, API_REQUIRED | API_POS | API_REST, "FLOW",
                          "match, priority=, table=, timeouts, cookie=, actions="},
                         {0}},
};

const struct api_method api_flow_mod = {
        .name = "flow.mod",
        .flags = API_ACT,
        .help = "Change the actions of the rules that a match covers",
        .more = IN_EFFECT,
        .example = "flow mod br0 'udp,actions=output:3'",
        .params = PARAMS{BRIDGE,
                         {"flows", API_STRS, API_REQUIRED | API_POS | API_REST, "FLOW",
                          "match and new actions="},
                         STRICT,
                         {0}},
};

const struct api_method api_flow_del = {
        .name = "flow.del",
        .flags = API_ACT,
        .help = "Delete the rules that a match covers; without one: all",
        .more = IN_EFFECT,
        .example = "flow del br0 table=0,udp",
        .params = PARAMS{BRIDGE,
                         {"flows", API_STRS, API_POS | API_REST, "FLOW",
                          "match, table=, cookie=VALUE/MASK, out_port=, out_group="},
                         STRICT,
                         {0}},
};

const struct api_method api_flow_replace = {
        .name = "flow.replace",
        .flags = API_ACT,
        .help = "Make the rules of a bridge those of a file, at once",
        .more = IN_EFFECT "Rules that stay the same keep their counters.",
        .example = "flow replace br0 /root/rules.txt",
        .params = PARAMS{BRIDGE,
                         {"file", API_STR, API_REQUIRED | API_POS | API_FILE, "FILE",
                          "one rule a line; # starts a comment; path seen by evsd"},
                         {0}},
};

const struct api_method api_flow_dump = {
        .name = "flow.dump",
        .flags = API_READ,
        .help = "List rules with their counters",
        .example = "flow dump br0 table=0,udp",
        .params = PARAMS{BRIDGE,
                         {"filter", API_STR, API_POS, "FILTER",
                          "match, table=, cookie=VALUE/MASK, out_port=, out_group="},
                         {"names", API_BOOL, 0, "on|off", "ports by name (off)"},
                         LIMIT,
                         {0}},
        .columns = COLUMNS{{"TABLE", "table", API_COL_RIGHT},
                           {"PRIO", "priority", API_COL_RIGHT},
                           {"PKTS", "pkts", API_COL_RIGHT},
                           {"BYTES", "bytes", API_COL_RIGHT},
                           {"AGE", "age", API_COL_RIGHT},
                           {"MATCH", "match", API_COL_LONG},
                           {"ACTIONS", "actions", API_COL_LONG},
                           {0}},
};

#define GROUP_TEXT                                                                                 \
	{                                                                                          \
		"text", API_STR, API_REQUIRED | API_POS, "GROUP",                                  \
		        "group_id=, type=all|select|indirect|ff, bucket=...,actions=..."           \
	}

const struct api_method api_group_add = {
        .name = "group.add",
        .flags = API_ACT,
        .help = "Add a group, in the syntax of ovs-ofctl",
        .example = "group add br0 "
                   "'group_id=1,type=select,bucket=actions=output:1,bucket=actions=output:2'",
        .params = PARAMS{BRIDGE, GROUP_TEXT, {0}},
};

const struct api_method api_group_mod = {
        .name = "group.mod",
        .flags = API_ACT,
        .help = "Change type and buckets of a group",
        .more = IN_EFFECT,
        .example = "group mod br0 'group_id=1,type=all,bucket=actions=output:1'",
        .params = PARAMS{BRIDGE, GROUP_TEXT, {0}},
};

const struct api_method api_group_del = {
        .name = "group.del",
        .flags = API_ACT,
        .help = "Delete a group and the rules that use it; without one: all",
        .more = IN_EFFECT,
        .example = "group del br0 group_id=1",
        .params = PARAMS{BRIDGE, {"text", API_STR, API_POS, "GROUP", "group_id="}, {0}},
};

const struct api_method api_group_dump = {
        .name = "group.dump",
        .flags = API_READ,
        .help = "List groups with their counters",
        .example = "group dump br0",
        .params = PARAMS{BRIDGE, {0}},
        .columns = COLUMNS{{"GROUP", "group-id", API_COL_RIGHT},
                           {"USERS", "users", API_COL_RIGHT},
                           {"PKTS", "pkts", API_COL_RIGHT},
                           {"BYTES", "bytes", API_COL_RIGHT},
                           {"BUCKETS", "text", API_COL_LONG},
                           {0}},
};

#define METER_TEXT                                                                                 \
	{                                                                                          \
		"text", API_STR, API_REQUIRED | API_POS, "METER",                                  \
		        "meter=N, kbps or pktps, burst, bands=type=drop,rate=..."                  \
	}

const struct api_method api_meter_add = {
        .name = "meter.add",
        .flags = API_ACT,
        .help = "Add a meter, in the syntax of ovs-ofctl",
        .example = "meter add br0 meter=1,kbps,bands=type=drop,rate=1000",
        .params = PARAMS{BRIDGE, METER_TEXT, {0}},
};

const struct api_method api_meter_mod = {
        .name = "meter.mod",
        .flags = API_ACT,
        .help = "Change the bands of a meter",
        .example = "meter mod br0 meter=1,kbps,bands=type=drop,rate=2000",
        .params = PARAMS{BRIDGE, METER_TEXT, {0}},
};

const struct api_method api_meter_del = {
        .name = "meter.del",
        .flags = API_ACT,
        .help = "Delete a meter and the rules that use it; without one: all",
        .more = IN_EFFECT,
        .example = "meter del br0 meter=1",
        .params = PARAMS{BRIDGE, {"text", API_STR, API_POS, "METER", "meter=N"}, {0}},
};

const struct api_method api_meter_dump = {
        .name = "meter.dump",
        .flags = API_READ,
        .help = "List meters with their counters",
        .example = "meter dump br0",
        .params = PARAMS{BRIDGE, {0}},
        .columns = COLUMNS{{"METER", "meter-id", API_COL_RIGHT},
                           {"RULES", "rules", API_COL_RIGHT},
                           {"PKTS", "pkts", API_COL_RIGHT},
                           {"BYTES", "bytes", API_COL_RIGHT},
                           {"CONFIG", "text", API_COL_LONG},
                           {0}},
};

const struct api_method api_trace = {
        .name = "trace",
        .flags = API_READ,
        .help = "Say what the switch would do with a packet, rule by rule, and why",
        .example = "trace br0 in_port=1,udp,nw_dst=10.0.0.1",
        .params = PARAMS{BRIDGE,
                         {"packet", API_STR, API_REQUIRED | API_POS, "PACKET",
                          "fields as in a rule; in_port= by name or number"},
                         {"hex", API_STR, 0, "BYTES", "the packet itself, in hexadecimal digits"},
                         {0}},
};
