/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types of tunnel ports. They have no device: translation puts their packets into the underlay's
 * bridge, and what comes out of a tunnel enters the workers as a packet of the port, which has a
 * place among them for its number and counters only.
 * Threads: control; tx would run on workers, but no program sends there.
 */
#include "port/port_args.h"
#include "port/port_pvt.h"

/* Nothing is taken: a cached flow that outlived its change is counted as a drop. */
static uint16_t tunnel_tx(struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return 0;
}

static int tunnel_create(struct port *port, const struct port_args *args, struct evs_error *err)
{
	port->tx = tunnel_tx;
	port->drop_full = PKT_DROP_TX_PORT_DOWN;
	port->tx_caps = PORT_TX_MULTI_SEG;
	return 0;
}

static void tunnel_destroy(struct port *port)
{
	(void)port; /* nothing was opened */
}

#define COMMON                                                                                     \
	{"remote", "IP|flow", "the other end; flow: the tunnel_dst field, and any sender", 0,      \
	 NULL},                                                                                    \
	        {"flood", "IP[@VNI],...|none",                                                     \
	         "in place of remote: several ends, which get copies of what is flooded; who is "  \
	         "behind which is learned",                                                        \
	         PORT_OPTION_CHANGEABLE, NULL},                                                    \
	        {"learning", "on|off",                                                             \
	         "flood: learn from what comes in; off: ends of addresses by `fdb add`", 0, "on"}, \
	        {"local", "IP", "address to send from and to be reached at (by the route)", 0,     \
	         NULL},                                                                            \
	        {"tos", "N|inherit", "DSCP of the outer header in its upper six bits", 0, "0"},    \
	        {"ttl", "N|inherit", "TTL of the outer header", 0, "64"},                          \
	        {"df", "on|off", "forbid fragments of the outer packet", 0, "on"},                 \
	{                                                                                          \
		"split-horizon", "on|off", "NORMAL sends nothing from one such tunnel to another", \
		        0, "on"                                                                    \
	}
#define TELL_MTU                                                                                   \
	{                                                                                          \
		"tell-mtu", "on|off", "tell senders of packets that are too long, by ICMP", 0,     \
		        "off"                                                                      \
	}
#define KEY_UDP                                                                                    \
	{"vni", "N|flow", "network identifier; flow: the tunnel_id field, and any", 0, "0"},       \
	        {"dst-port", "N", "UDP port (that of the kind)", 0, NULL},                         \
	        {"src-ports", "FIRST-LAST", "source ports, chosen by the inner flow", 0,           \
	         "49152-65535"},                                                                   \
	{                                                                                          \
		"csum", "on|off",                                                                  \
		        "checksum of the outer UDP header (off; over IPv6 on, and off accepts "    \
		        "none)",                                                                   \
		        0, NULL                                                                    \
	}

static const struct port_option vxlan_options[] = {
        COMMON,
        TELL_MTU,
        KEY_UDP,
        {"gbp", "on|off", "send the group policy fields tun_gbp_id and tun_gbp_flags", 0, "off"},
        {NULL, NULL, NULL, 0, NULL},
};
static const struct port_option udp_options[] = {
        COMMON, TELL_MTU, KEY_UDP, {NULL, NULL, NULL, 0, NULL}};
static const struct port_option gre_options[] = {
        COMMON,
        TELL_MTU,
        {"key", "N|flow", "GRE key; flow: the tunnel_id field, and any", 0, "none"},
        {"csum", "on|off", "GRE checksum", 0, "off"},
        {NULL, NULL, NULL, 0, NULL},
};
static const struct port_option nvgre_options[] = {
        COMMON,
        TELL_MTU,
        {"vni", "N|flow", "virtual subnet; flow: the tunnel_id field, and any", 0, "0"},
        {NULL, NULL, NULL, 0, NULL},
};
/* Its packets are cut and never too long; its checksum is never left out. */
static const struct port_option stt_options[] = {
        COMMON,
        {"key", "N|flow", "context id, 64 bits; flow: the tunnel_id field, and any", 0, "0"},
        {"dst-port", "N", "port in the header like TCP's", 0, "7471"},
        {"src-ports", "FIRST-LAST", "source ports, chosen by the inner flow", 0, "49152-65535"},
        {NULL, NULL, NULL, 0, NULL},
};

#define TYPE(id, type_name, text, type_options)                                                    \
	const struct port_type port_##id##_type = {                                                \
	        .name = type_name,                                                                 \
	        .help = text,                                                                      \
	        .options = type_options,                                                           \
	        .has_datapath = true,                                                              \
	        .create = tunnel_create,                                                           \
	        .destroy = tunnel_destroy,                                                         \
	}

TYPE(vxlan, "vxlan", "VXLAN tunnel (RFC 7348)", vxlan_options);
TYPE(vxlan_gpe, "vxlan-gpe", "VXLAN-GPE tunnel", udp_options);
TYPE(geneve, "geneve", "Geneve tunnel (RFC 8926)", udp_options);
TYPE(gre, "gre", "GRE tunnel with Ethernet inside (RFC 2784, 2890)", gre_options);
TYPE(nvgre, "nvgre", "NVGRE tunnel (RFC 7637)", nvgre_options);
TYPE(stt, "stt", "STT tunnel (draft-davie-stt), which cuts large frames itself", stt_options);
