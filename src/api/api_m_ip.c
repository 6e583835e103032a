/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods of routes and neighbours of the underlay. Threads: any; constant data.
 */
#include "api/api.h"

/* Rows leave out what is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define PARAMS  (const struct api_param[])
#define COLUMNS (const struct api_column[])

const struct api_method api_route_add = {
        .name = "route.add",
        .flags = API_WRITE,
        .help = "Reach a network by a next hop, for tunnels",
        .more = "The next hop is in the network of a bridge's address. Networks of bridges' "
                "addresses need no route. Several next hops share the flows by weight; those of "
                "one "
                "that does not answer go by the others.",
        .example = "route add 10.2.0.0/16 10.1.0.254 weight=3",
        .params = PARAMS{{"dst", API_STR, API_REQUIRED | API_POS, "NETWORK", "IP/LEN"},
                         {"via", API_STR, API_REQUIRED | API_POS, "IP", "the next hop"},
                         {"weight", API_UINT, 0, "N", "its share of the flows (1)", .min = 1,
                          .max = 256},
                         {0}},
};

const struct api_method api_route_del = {
        .name = "route.del",
        .flags = API_WRITE,
        .help = "Delete a route",
        .example = "route del 10.2.0.0/16",
        .params = PARAMS{{"dst", API_STR, API_REQUIRED | API_POS, "NETWORK", "IP/LEN"},
                         {"via", API_STR, API_POS, "IP", "which, if there are several"},
                         {0}},
};

const struct api_method api_route_show = {
        .name = "route.show",
        .flags = API_READ,
        .help = "Show routes and the networks of bridges",
        .more = "Routes of the host's kernel whose next hop is in a bridge's network are "
                "followed; what `route add` says about a network goes before them.",
        .example = "route show",
        .columns = COLUMNS{{"NETWORK", "dst"},
                           {"VIA", "via"},
                           {"BRIDGE", "bridge"},
                           {"FROM", "src"},
                           {"VLAN", "vlan", API_COL_RIGHT},
                           {"WEIGHT", "weight", API_COL_RIGHT},
                           {"BY", "by"},
                           {"STATE", "state"},
                           {0}},
};

#define NEIGH                                                                                      \
	{"bridge", API_NAME, API_REQUIRED | API_POS, "BRIDGE", "on which bridge"},                 \
	{                                                                                          \
		"address", API_STR, API_REQUIRED | API_POS, "IP", "its address"                    \
	}

const struct api_method api_neigh_add = {
        .name = "neigh.add",
        .flags = API_WRITE,
        .help = "Pin a neighbour to a MAC address: neither asked nor aged",
        .example = "neigh add br-phy 10.1.0.2 02:00:00:00:00:02",
        .params =
                PARAMS{NEIGH, {"mac", API_MAC, API_REQUIRED | API_POS, "MAC", "its station"}, {0}},
};

const struct api_method api_neigh_del = {
        .name = "neigh.del",
        .flags = API_WRITE,
        .help = "Forget a neighbour, static or learned",
        .example = "neigh del br-phy 10.1.0.2",
        .params = PARAMS{NEIGH, {0}},
};

const struct api_method api_neigh_show = {
        .name = "neigh.show",
        .flags = API_READ,
        .help = "Show the neighbours that tunnels asked for",
        .example = "neigh show",
        .params = PARAMS{{"bridge", API_NAME, API_POS, "BRIDGE", "only those of this bridge"}, {0}},
        .columns = COLUMNS{{"BRIDGE", "bridge"},
                           {"ADDRESS", "address"},
                           {"MAC", "mac"},
                           {"STATE", "state"},
                           {"AGE", "age", API_COL_RIGHT},
                           {0}},
};

const struct api_method api_binding_add = {
        .name = "binding.add",
        .flags = API_WRITE,
        .help = "Pin the station that has an address, for arp-suppress",
        .more = "Questions of local ports for it are answered; nothing that is heard changes it.",
        .example = "binding add red 10.0.0.2 02:00:00:00:00:02",
        .params = PARAMS{{"bridge", API_NAME, API_REQUIRED | API_POS, "BRIDGE", "in which bridge"},
                         {"address", API_STR, API_REQUIRED | API_POS, "IP", "its address"},
                         {"mac", API_MAC, API_REQUIRED | API_POS, "MAC", "its station"},
                         {"vlan", API_UINT, 0, "VLAN", "in this VLAN (0)", 0, 4095},
                         {0}},
};

const struct api_method api_binding_del = {
        .name = "binding.del",
        .flags = API_WRITE,
        .help = "Forget who has an address, static or learned",
        .example = "binding del red 10.0.0.2",
        .params = PARAMS{{"bridge", API_NAME, API_REQUIRED | API_POS, "BRIDGE", "in which bridge"},
                         {"address", API_STR, API_REQUIRED | API_POS, "IP", "its address"},
                         {"vlan", API_UINT, 0, "VLAN", "in this VLAN (0)", 0, 4095},
                         {0}},
};

const struct api_method api_binding_show = {
        .name = "binding.show",
        .flags = API_READ,
        .help = "Show which station has which address, as ARP and ND have told",
        .more = "Only bridges with arp-suppress=on learn. `evsctl --json bridge show BRIDGE` "
                "counts "
                "what was learned, moved, evicted, and held since it changed too often.",
        .example = "binding show red",
        .params =
                PARAMS{{"bridge", API_NAME, API_REQUIRED | API_POS, "BRIDGE", "which bridge"}, {0}},
        .columns = COLUMNS{{"ADDRESS", "address"},
                           {"MAC", "mac"},
                           {"VLAN", "vlan", API_COL_RIGHT},
                           {"PORT", "port"},
                           {"AGE", "age", API_COL_RIGHT},
                           {"STATIC", "static"},
                           {0}},
};
