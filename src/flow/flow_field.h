/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields: everything that can be matched or set, described once.
 * Threads: any; the table is constant.
 *
 * A field is a place in struct flow_key and what OpenFlow says about it: its OXM and NXM numbers,
 * its width, whether it may be masked or set, what it requires of other fields (prerequisites,
 * OpenFlow 1.3.5 section 7.2.3.6), how a person writes it. Codec, parser of ovs-ofctl syntax,
 * printer, table-features, set-field and trace all expand this one table.
 */
#ifndef FLOW_FIELD_H
#define FLOW_FIELD_H

#include "flow/flow_key.h"

/* How values are written and read by people. */
enum flow_field_form {
	FLOW_FORM_DEC,
	FLOW_FORM_HEX,
	FLOW_FORM_ETH,
	FLOW_FORM_IPV4,
	FLOW_FORM_IPV6,
	FLOW_FORM_PORT, /* OpenFlow port number or reserved name */
	FLOW_FORM_FRAG,
	FLOW_FORM_TCP_FLAGS,
};

/* Prerequisites; each is a condition on the other fields of the match. */
enum flow_prereq {
	FLOW_PREREQ_NONE,
	FLOW_PREREQ_VLAN, /* a tag is present */
	FLOW_PREREQ_IP,   /* IPv4 or IPv6 */
	FLOW_PREREQ_IPV4,
	FLOW_PREREQ_IPV6,
	FLOW_PREREQ_ARP,
	FLOW_PREREQ_TCP,
	FLOW_PREREQ_UDP,
	FLOW_PREREQ_SCTP,
	FLOW_PREREQ_ICMPV4,
	FLOW_PREREQ_ICMPV6,
	FLOW_PREREQ_ND,     /* ICMPv6 type 135 or 136, code 0 */
	FLOW_PREREQ_ND_SOL, /* 135 */
	FLOW_PREREQ_ND_ADV, /* 136 */
	FLOW_PREREQ_MPLS,
	FLOW_PREREQ_PBB,
	FLOW_PREREQ_IN_PORT, /* in_phy_port needs in_port */
};

#endif
