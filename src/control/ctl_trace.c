/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method trace. Threads: control.
 */
#include <ctype.h>
#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>

#include "control/ctl_flow.h"
#include "pkt/pkt_parse.h"

#define FRAME_MAX 9216

static void add_line(const char *text, void *arg)
{
	json_array_append_new(arg, json_string(text));
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static int read_hex(const char *hex, uint8_t *bytes, size_t *size, struct evs_error *err)
{
	size_t n = 0;

	for (; *hex; hex += 2) {
		while (isspace((unsigned char)*hex) || *hex == ':')
			hex++;
		if (!*hex)
			break;
		if (!isxdigit((unsigned char)hex[0]) || !isxdigit((unsigned char)hex[1]))
			return evs_error_set(err, -EINVAL,
			                     "hex: '%.8s' is not two hexadecimal digits", hex);
		if (n == FRAME_MAX)
			return evs_error_set(err, -EINVAL, "hex: more than %d bytes", FRAME_MAX);
		bytes[n++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
	}
	*size = n;
	return 0;
}

/* Parses the frame as a worker would; what the text said of in_port and so on stays. */
static int key_from_hex(const char *hex, struct flow_key *key, struct evs_error *err)
{
	static uint8_t frame[FRAME_MAX];
	struct rte_mbuf mbuf;
	struct pkt_offsets ofs;
	size_t size = 0;
	int ret = read_hex(hex, frame, &size, err);

	if (ret)
		return ret;
	memset(&mbuf, 0, sizeof(mbuf));
	memset(&ofs, 0, sizeof(ofs));
	memset(&key->pkt, 0, sizeof(key->pkt));
	mbuf.buf_addr = frame;
	mbuf.buf_len = sizeof(frame);
	mbuf.pkt_len = (uint32_t)size;
	mbuf.data_len = (uint16_t)size;
	mbuf.nb_segs = 1;
	ret = pkt_parse_one(&mbuf, &key->pkt, &ofs);
	return ret ? evs_error_set(err, -EINVAL, "hex: shorter than an Ethernet header") : 0;
}

int ctl_trace(struct ctl_call *call)
{
	const char *hex = ctl_param_str(call->params, "hex", NULL);
	struct ctl_bridge *bridge = ctl_flow_bridge(call);
	struct of_text_names names;
	struct flow_key key;
	json_t *lines;
	int ret;

	if (!bridge)
		return call->err.code;
	names = ctl_flow_names(bridge, false);
	memset(&key, 0, sizeof(key));
	ret = of_text_parse_key(ctl_param_str(call->params, "packet", ""), &names, &key,
	                        &call->err);
	if (ret == 0 && hex)
		ret = key_from_hex(hex, &key, &call->err);
	if (ret)
		return ret;
	lines = json_array();
	pl_trace(bridge->pl, &key, add_line, lines);
	json_object_set_new(ctl_call_result(call), "lines", lines);
	return 0;
}
