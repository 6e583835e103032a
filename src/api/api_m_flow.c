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
#define STRICT(help)                                                                               \
	{                                                                                          \
		"strict", API_BOOL, 0, "on|off", help                                              \
	}
#define NAMES                                                                                      \
	{                                                                                          \
		"names", API_BOOL, 0, "on|off", "names of ports instead of numbers (off)"          \
	}
#define LINES                                                                                      \
	COLUMNS                                                                                    \
	{                                                                                          \
		{"", "text", API_COL_LINE},                                                        \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}
#define ANSWERED " The answer comes when no later packet meets what was there before."

const struct api_method api_flow_add = {
        .name = "flow.add",
        .flags = API_ACT | API_RULES,
        .help = "Add rules to the OpenFlow tables of a bridge: all of them, or none",
        .more = "FLOW is written as for ovs-ofctl add-flow; ports may be named. A rule with the "
                "same table, priority and match is replaced. Rules are not saved: after a "
                "restart of evsd whoever made them, a controller or a script, makes them "
                "again." ANSWERED,
        .example = "flow add br0 'priority=10,udp,nw_dst=10.0.0.0/8,actions=output:2' "
                   "'table=0,priority=0,actions=NORMAL'",
        .params = PARAMS{BRIDGE,
                         {"flows", API_STRS, API_REQUIRED | API_POS | API_REST, "FLOW",
                          "a rule, with its actions"},
                         {0}},
};

const struct api_method api_flow_mod = {
        .name = "flow.mod",
        .flags = API_ACT | API_RULES,
        .help = "Give rules other actions; counters and timeouts stay",
        .more = "Every rule of the table whose match is that of FLOW or narrower gets its "
                "actions. No rule is added if there is none." ANSWERED,
        .example = "flow mod br0 'udp,nw_dst=10.0.0.0/8,actions=output:3'",
        .params = PARAMS{BRIDGE,
                         {"flows", API_STRS, API_REQUIRED | API_POS | API_REST, "FLOW",
                          "which rules, and their new actions"},
                         STRICT("only the rule of exactly this match and priority (off)"),
                         {0}},
};

const struct api_method api_flow_del = {
        .name = "flow.del",
        .flags = API_ACT | API_RULES,
        .help = "Delete rules",
        .more = "FLOW is a match, with table=, cookie=VALUE/MASK, out_port=, out_group= if "
                "wanted; without any, all rules of the bridge go." ANSWERED,
        .example = "flow del br0 'table=0,udp' 'out_port=p1'",
        .params = PARAMS{BRIDGE,
                         {"flows", API_STRS, API_POS | API_REST, "FLOW", "which rules (all)"},
                         STRICT("only the rule of exactly this match and priority (off)"),
                         {0}},
};

const struct api_method api_flow_replace = {
        .name = "flow.replace",
        .flags = API_ACT | API_RULES,
        .help = "Make the tables exactly what a file says, at one moment",
        .more = "The file has one rule a line, as flow add takes it; empty lines and lines that "
                "begin with # do not count. Rules that are there already keep their counters "
                "and cached flows; rules that the file lacks go. No packet meets a mixture of "
                "old and new rules. If a line is refused, nothing changes. A list that is longer "
                "than a "
                "request may be goes in several, all but the last with more=on; evsctl does so by "
                "itself." ANSWERED,
        .example = "flow replace br0 rules.txt",
        .params = PARAMS{BRIDGE,
                         {"flows", API_STRS, API_REQUIRED | API_POS | API_LINES, "FILE",
                          "file of rules, - for standard input; the method takes its lines"},
                         {"more", API_BOOL, 0, "on|off",
                          "keep these lines, further requests of this connection follow (off)"},
                         {0}},
};

const struct api_method api_flow_dump = {
        .name = "flow.dump",
        .flags = API_READ,
        .help = "Show rules with their statistics, as ovs-ofctl dump-flows does",
        .more = "Of a list that is being applied nothing is shown before all of it is. A change "
                "that "
                "ends while many thousand rules are shown is in some of them only: one that it "
                "rewrote may then be missing, or be there as it was and as it is.",
        .example = "flow dump br0 'table=0,udp'",
        .params = PARAMS{BRIDGE,
                         {"filter", API_STR, API_POS, "FILTER",
                          "a match, table=, cookie=VALUE/MASK, out_port=, out_group= (all)"},
                         {"limit", API_UINT, 0, "N", "at most so many (all)", 1, UINT32_MAX},
                         NAMES,
                         {0}},
        .columns = LINES,
};

const struct api_method api_group_add = {
        .name = "group.add",
        .flags = API_ACT | API_RULES,
        .help = "Add a group",
        .more = "GROUP is written as for ovs-ofctl add-group; types: all, select, indirect, ff. "
                "Groups are not saved." ANSWERED,
        .example = "group add br0 'group_id=1,type=select,bucket=actions=output:1,"
                   "bucket=weight:2,actions=output:2'",
        .params = PARAMS{BRIDGE,
                         {"text", API_STR, API_REQUIRED | API_POS, "GROUP", "id, type and buckets"},
                         {0}},
};

const struct api_method api_group_mod = {
        .name = "group.mod",
        .flags = API_ACT | API_RULES,
        .help = "Give a group another type and other buckets",
        .more = "Rules that use the group follow at once." ANSWERED,
        .example = "group mod br0 'group_id=1,type=all,bucket=actions=output:1'",
        .params = PARAMS{BRIDGE,
                         {"text", API_STR, API_REQUIRED | API_POS, "GROUP", "id, type and buckets"},
                         {0}},
};

const struct api_method api_group_del = {
        .name = "group.del",
        .flags = API_ACT | API_RULES,
        .help = "Delete a group and the rules that use it, or all groups",
        .example = "group del br0 group_id=1",
        .params = PARAMS{BRIDGE, {"text", API_STR, API_POS, "GROUP", "group_id=N (all)"}, {0}},
};

const struct api_method api_group_dump = {
        .name = "group.dump",
        .flags = API_READ,
        .help = "Show groups, their buckets and statistics",
        .example = "group dump br0",
        .params = PARAMS{BRIDGE,
                         {"group", API_UINT, API_POS, "ID", "only this group (all)", 0, 0xffffff00},
                         NAMES,
                         {0}},
        .columns = LINES,
};

const struct api_method api_meter_add = {
        .name = "meter.add",
        .flags = API_ACT | API_RULES,
        .help = "Add a meter",
        .more = "METER is written as for ovs-ofctl add-meter. All workers draw on the same "
                "meter. Meters are not saved." ANSWERED,
        .example = "meter add br0 'meter=1,kbps,burst,bands=type=drop,rate=1000,burst_size=100'",
        .params = PARAMS{BRIDGE,
                         {"text", API_STR, API_REQUIRED | API_POS, "METER", "id, unit and bands"},
                         {0}},
};

const struct api_method api_meter_mod = {
        .name = "meter.mod",
        .flags = API_ACT | API_RULES,
        .help = "Give a meter another unit and other bands",
        .example = "meter mod br0 'meter=1,pktps,bands=type=drop,rate=50'",
        .params = PARAMS{BRIDGE,
                         {"text", API_STR, API_REQUIRED | API_POS, "METER", "id, unit and bands"},
                         {0}},
};

const struct api_method api_meter_del = {
        .name = "meter.del",
        .flags = API_ACT | API_RULES,
        .help = "Delete a meter and the rules that use it, or all meters",
        .example = "meter del br0 meter=1",
        .params = PARAMS{BRIDGE, {"text", API_STR, API_POS, "METER", "meter=N (all)"}, {0}},
};

const struct api_method api_meter_dump = {
        .name = "meter.dump",
        .flags = API_READ,
        .help = "Show meters, their bands and statistics",
        .example = "meter dump br0",
        .params = PARAMS{BRIDGE,
                         {"meter", API_UINT, API_POS, "ID", "only this meter (all)", 1, 0xffff0000},
                         {0}},
        .columns = LINES,
};

const struct api_method api_trace = {
        .name = "trace",
        .flags = API_READ,
        .help = "Say what the switch would do with a packet, rule by rule, and why",
        .more = "FLOW describes the packet as a match without masks: in_port (a number or a "
                "name) and what is in it; what is not said is zero. Or packet= gives the frame "
                "byte by byte, and FLOW says where it comes in. Shown are the rules, groups and "
                "meters it meets, the fields that decided, the resulting program, the reason of "
                "a drop, and the cached flow of each worker that such packets use. Nothing is "
                "sent, learned or counted.",
        .example = "trace br0 in_port=p0,udp,nw_dst=10.0.0.1",
        .params = PARAMS{BRIDGE,
                         {"flow", API_STR, API_REQUIRED | API_POS, "FLOW",
                          "the packet, or with packet= its in_port"},
                         {"packet", API_STR, 0, "HEX", "the frame in hexadecimal digits"},
                         {0}},
        .columns = COLUMNS{{"", "lines", API_COL_LINE}, {0}},
};
