/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods of bridges, ports and MAC tables. Threads: any; constant data.
 */
#include "api/api.h"

/* Rows leave out what is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define PARAMS  (const struct api_param[])
#define COLUMNS (const struct api_column[])

/* Of bridge.add and bridge.set alike. */
#define BRIDGE_OPTIONS                                                                             \
	{"dpid", API_DPID, API_NULL, "DPID", "datapath id: 16 hex digits (from hwaddr)"},          \
	        {"hwaddr", API_MAC, API_NULL, "MAC",                                               \
	         "MAC address of the bridge and its internal port (made up once)"},                \
	        {"fail-mode", API_CHOICE, API_NULL, "standalone|secure",                           \
	         "without a controller: switch as a learning switch, or not at all (standalone)"}, \
	        {"internal", API_BOOL, API_NULL, "on|off",                                         \
	         "have the host take part through a device named like the bridge (on)"},           \
	        {"address", API_STR, API_NULL, "IP/LEN[@VLAN],...",                                \
	         "addresses of the bridge: of its internal device, or answered by evs"},           \
	        {"follow-kernel", API_BOOL, API_NULL, "on|off",                                    \
	         "addresses of its internal device, and routes of the kernel by its networks, "    \
	         "serve tunnels (on)"},                                                            \
	        {"geneve-options", API_STR, API_NULL, "CLASS/TYPE/LEN=FIELD,...",                  \
	         "Geneve options that are fields, like 0x102/5/8=tun_metadata0: LEN bytes, "       \
	         "four to a field (none)"},                                                        \
	        {"neigh-age",                                                                      \
	         API_UINT,                                                                         \
	         API_NULL,                                                                         \
	         "SECONDS",                                                                        \
	         "neighbours are asked again after this (60)",                                     \
	         1,                                                                                \
	         86400},                                                                           \
	        {"arp-suppress", API_BOOL, API_NULL, "on|off",                                     \
	         "answer ARP and neighbour solicitations for stations behind tunnels where they "  \
	         "are asked (off)"},                                                               \
	        {"fdb-age", API_UINT, API_NULL, "SECONDS", "MAC entries age out after this (300)", \
	         10,        1000000},                                                              \
	        {"fdb-size", API_UINT, API_NULL, "N", "most MAC entries (8192)", 10, 1000000},     \
	{                                                                                          \
		"forward-bpdu", API_BOOL, API_NULL, "on|off",                                      \
		        "forward frames to reserved addresses 01:80:c2:00:00:0x (off)"             \
	}

const struct api_method api_bridge_add = {
        .name = "bridge.add",
        .flags = API_WRITE,
        .help = "Make a bridge: an OpenFlow switch with its own tables and MAC table",
        .more = "Its OpenFlow socket is RUN-DIR/NAME.mgmt. A bridge without controller is a "
                "learning switch. Where the host has no /dev/net/tun the bridge is made "
                "without internal device, and the reply says so.",
        .example = "bridge add br0 address=10.0.0.1/24",
        .params = PARAMS{{"name", API_NAME, API_REQUIRED | API_POS, "NAME", "name of the bridge"},
                         BRIDGE_OPTIONS,
                         {0}},
};

const struct api_method api_bridge_del = {
        .name = "bridge.del",
        .flags = API_WRITE,
        .help = "Delete a bridge and its ports",
        .example = "bridge del br0",
        .params = PARAMS{{"name", API_NAME, API_REQUIRED | API_POS, "NAME", "name of the bridge"},
                         {0}},
};

const struct api_method api_bridge_set = {
        .name = "bridge.set",
        .flags = API_WRITE,
        .help = "Change options of a bridge, under traffic",
        .more = "`option=` without value puts it back to its default.",
        .example = "bridge set br0 fdb-age=60 fail-mode=secure",
        .params = PARAMS{{"name", API_NAME, API_REQUIRED | API_POS, "NAME", "name of the bridge"},
                         BRIDGE_OPTIONS,
                         {0}},
};

const struct api_method api_bridge_show = {
        .name = "bridge.show",
        .flags = API_READ,
        .help = "Show bridges",
        .example = "bridge show br0",
        .params = PARAMS{{"name", API_NAME, API_POS, "NAME", "only this bridge, in full"}, {0}},
        .columns = COLUMNS{{"BRIDGE", "name"},
                           {"DPID", "dpid"},
                           {"HWADDR", "hwaddr"},
                           {"FAIL-MODE", "fail-mode"},
                           {"PORTS", "n-ports", API_COL_RIGHT},
                           {"MACS", "n-macs", API_COL_RIGHT},
                           {"CONTROLLERS", "n-controllers", API_COL_RIGHT},
                           {0}},
};

/* Of port.add and port.set alike. */
#define PORT_OPTIONS                                                                               \
	{"tag", API_UINT, API_NULL, "VLAN", "VLAN of untagged packets at this port", 0, 4095},     \
	        {"vlan-mode", API_CHOICE, API_NULL,                                                \
	         "trunk|access|native-tagged|native-untagged|dot1q-tunnel",                        \
	         "how VLANs are treated (access with a tag, else trunk)"},                         \
	        {"trunks", API_VLANS, API_NULL, "VLANS", "VLANs that the port carries (all)"},     \
	        {"cvlans", API_VLANS, API_NULL, "VLANS",                                           \
	         "customer VLANs that a dot1q-tunnel port takes (all)"},                           \
	        {"qinq-ethtype", API_CHOICE, API_NULL, "802.1ad|802.1q",                           \
	         "ethertype of the service tag of a dot1q-tunnel port (802.1ad)"},                 \
	{                                                                                          \
		"protected", API_BOOL, API_NULL, "on|off",                                         \
		        "protected ports do not exchange packets (off)"                            \
	}

const struct api_method api_port_add = {
        .name = "port.add",
        .flags = API_WRITE | API_OPEN,
        .help = "Add a port to a bridge",
        .more = "Options besides these belong to the type: `evsctl port types` lists them. Port "
                "names are unique among all bridges.",
        .example = "port add br0 p0 type=tap",
        .params = PARAMS{{"bridge", API_NAME, API_REQUIRED | API_POS, "BRIDGE", "its bridge"},
                         {"name", API_NAME, API_REQUIRED | API_POS, "NAME", "name of the port"},
                         {"type", API_NAME, API_REQUIRED, "TYPE",
                          "dpdk, tap, af-packet, af-xdp, vhost-user, internal, patch, ..."},
                         {"ofport", API_UINT, 0, "N", "OpenFlow port number (the next free one)", 1,
                          65279},
                         PORT_OPTIONS,
                         {0}},
};

const struct api_method api_port_del = {
        .name = "port.del",
        .flags = API_WRITE,
        .help = "Delete a port; answers when its device is free again",
        .example = "port del p0",
        .params =
                PARAMS{{"name", API_NAME, API_REQUIRED | API_POS, "NAME", "name of the port"}, {0}},
};

const struct api_method api_port_set = {
        .name = "port.set",
        .flags = API_WRITE | API_OPEN,
        .help = "Change options of a port, under traffic",
        .more = "`option=` without value puts it back to its default. Options that a type can "
                "not change are refused: delete the port and add it again.",
        .example = "port set p0 tag=10 mtu=9000",
        .params = PARAMS{{"name", API_NAME, API_REQUIRED | API_POS, "NAME", "name of the port"},
                         PORT_OPTIONS,
                         {0}},
};

const struct api_method api_port_show = {
        .name = "port.show",
        .flags = API_READ,
        .help = "Show ports with link, counters and drops",
        .example = "port show p0 xstats=on",
        .params = PARAMS{{"name", API_NAME, API_POS, "NAME", "only this port, in full"},
                         {"bridge", API_NAME, 0, "BRIDGE", "only ports of this bridge"},
                         {"xstats", API_BOOL, 0, "on|off", "with the driver's own counters"},
                         {0}},
        .columns = COLUMNS{{"PORT", "name"},
                           {"BRIDGE", "bridge"},
                           {"NO", "ofport", API_COL_RIGHT | API_COL_OFPORT},
                           {"TYPE", "type"},
                           {"LINK", "link"},
                           {"MTU", "mtu", API_COL_RIGHT},
                           {"RX PKTS", "rx-pkts", API_COL_RIGHT},
                           {"RX BYTES", "rx-bytes", API_COL_RIGHT},
                           {"TX PKTS", "tx-pkts", API_COL_RIGHT},
                           {"TX BYTES", "tx-bytes", API_COL_RIGHT},
                           {"DROPS", "drops", API_COL_RIGHT},
                           {0}},
};

const struct api_method api_port_types = {
        .name = "port.types",
        .flags = API_READ,
        .help = "List the types of ports and their options",
        .example = "port types",
        .params = PARAMS{{"type", API_NAME, API_POS, "TYPE", "only this type"}, {0}},
        .columns = COLUMNS{{"TYPE", "type"},
                           {"OPTION", "option"},
                           {"VALUE", "form"},
                           {"DEFAULT", "default"},
                           {"HELP", "help", API_COL_LONG},
                           {0}},
};

const struct api_method api_fdb_show = {
        .name = "fdb.show",
        .flags = API_READ,
        .help = "Show the MAC table of a bridge",
        .example = "fdb show br0",
        .params = PARAMS{{"bridge", API_NAME, API_REQUIRED | API_POS, "BRIDGE", "which bridge"},
                         {"port", API_NAME, 0, "PORT", "only entries at this port"},
                         {0}},
        .columns = COLUMNS{{"MAC", "mac"},
                           {"VLAN", "vlan", API_COL_RIGHT},
                           {"PORT", "port"},
                           {"REMOTE", "remote"},
                           {"VNI", "vni", API_COL_RIGHT},
                           {"AGE", "age", API_COL_RIGHT},
                           {"STATIC", "static"},
                           {0}},
};

#define FDB_ENTRY                                                                                  \
	{"bridge", API_NAME, API_REQUIRED | API_POS, "BRIDGE", "which bridge"},                    \
	{                                                                                          \
		"mac", API_MAC, API_REQUIRED | API_POS, "MAC", "the address"                       \
	}

const struct api_method api_fdb_add = {
        .name = "fdb.add",
        .flags = API_WRITE,
        .help = "Pin a MAC address to a port: neither aged nor moved",
        .more = "At a tunnel port with a flood list, `remote` says behind which end it is; "
                "`vni` in which network, where the port carries several (vni=flow).",
        .example = "fdb add br0 02:00:00:00:00:01 p0 vlan=10",
        .params = PARAMS{FDB_ENTRY,
                         {"port", API_NAME, API_REQUIRED | API_POS, "PORT", "where it is"},
                         {"vlan", API_UINT, 0, "VLAN", "in this VLAN (0)", 0, 4095},
                         {"remote", API_STR, 0, "IP", "the end of the tunnel"},
                         {"vni", API_UINT, 0, "N", "the network there (0)", 0, INT64_MAX},
                         {0}},
};

const struct api_method api_fdb_del = {
        .name = "fdb.del",
        .flags = API_WRITE,
        .help = "Delete an entry of a MAC table, static or learned",
        .example = "fdb del br0 02:00:00:00:00:01 vlan=10",
        .params =
                PARAMS{FDB_ENTRY, {"vlan", API_UINT, 0, "VLAN", "in this VLAN (0)", 0, 4095}, {0}},
};

const struct api_method api_fdb_flush = {
        .name = "fdb.flush",
        .flags = API_ACT,
        .help = "Forget learned MAC addresses",
        .example = "fdb flush br0 port=p0",
        .params = PARAMS{{"bridge", API_NAME, API_REQUIRED | API_POS, "BRIDGE", "which bridge"},
                         {"port", API_NAME, 0, "PORT", "only those at this port"},
                         {0}},
};
