/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any frame, out of any tunnel: no access beyond its bytes, a refused frame is as it was, and what
 * comes out is a frame that lies within what came in. Headers that were taken off go on again.
 */
#include <stdlib.h>
#include <string.h>

#include "pkt/pkt_parse.h"
#include "tunnel/tunnel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADROOM 128

static void frame(struct rte_mbuf *m, struct rte_mbuf *rest, const uint8_t *data, uint32_t size,
                  uint32_t split)
{
	memset(m, 0, sizeof(*m));
	m->buf_len = (uint16_t)(HEADROOM + split);
	m->buf_addr = malloc(m->buf_len); /* exact: a sanitizer sees a byte too far */
	m->data_off = HEADROOM;
	memcpy((uint8_t *)m->buf_addr + HEADROOM, data, split);
	m->data_len = (uint16_t)split;
	m->pkt_len = size;
	m->nb_segs = m->refcnt = 1;
	if (split == size)
		return;
	memset(rest, 0, sizeof(*rest));
	rest->buf_len = rest->data_len = (uint16_t)(size - split);
	rest->buf_addr = malloc(rest->buf_len);
	memcpy(rest->buf_addr, data + split, size - split);
	rest->nb_segs = rest->refcnt = 1;
	m->next = rest;
	m->nb_segs = 2;
}

/* A header with what was read from one goes on before the inner frame. */
static void again(struct rte_mbuf *m, enum tun_kind kind, const struct pkt_key_tun *tun)
{
	struct tun_outer outer = {.kind = kind,
	                          .flags = tun->flags,
	                          .key = tun->id,
	                          .tos = tun->tos,
	                          .ttl = tun->ttl,
	                          .dst_port = rte_cpu_to_be_16(tun_kinds[kind].dst_port)};
	struct pkt_tunnel_header header;
	struct pkt_offsets ofs = {0};
	static struct pkt_key key;

	memcpy(outer.src, tun->dst, sizeof(outer.src));
	memcpy(outer.dst, tun->src, sizeof(outer.dst));
	if (tun_header_build(&outer, &header) || m->data_off < header.size || m->pkt_len > 9000 ||
	    m->next)
		return;
	if (tun_push(&header, m, 1))
		abort();
	memset(&key, 0, sizeof(key));
	if (pkt_parse_one(m, &key, &ofs) || ofs.l3_len != m->pkt_len - ofs.l3)
		abort();
}

/* Any bytes as options of Geneve: words are within the map, and go back to the options they were.
 */
static void options(const uint8_t *data, size_t size)
{
	static const struct tun_option_map map = {3,
	                                          {{RTE_BE16(0x102), 5, 1, 0},
	                                           {RTE_BE16(0x102), 0x85, 31, 1},
	                                           {RTE_BE16(0), 0, 2, 62}}};
	static struct pkt_key_tmd tmd, back;
	uint8_t *copy = malloc(size), wire[TUN_GENEVE_OPTIONS_MAX];
	bool any, any_back;
	int n;

	memcpy(copy, data, size); /* exact: a sanitizer sees a byte too far */
	if (tun_options_read(&map, copy, size, &tmd, &any) && any) {
		n = tun_options_write(&map, &tmd, wire);
		if (n < 0 || !tun_options_read(&map, wire, (size_t)n, &back, &any_back) ||
		    any_back != (n > 0) || (n > 0 && memcmp(&tmd, &back, sizeof(tmd))))
			abort();
	}
	free(copy);
}

/* Layout: kind, and whether IPv4's checksum counts (1), where the frame is split (1), frame. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pkt_key key;
	struct pkt_offsets ofs = {0};
	struct pkt_key_tun tun;
	struct rte_mbuf m, rest;
	enum tun_kind kind;
	uint32_t n, split;

	if (size < 2 + 14 || size > 4000)
		return 0;
	kind = (enum tun_kind)(TUN_VXLAN + data[0] % (TUN_N_KINDS - TUN_VXLAN));
	n = (uint32_t)size - 2;
	options(data + 2, EVS_MIN(size - 2, (size_t)TUN_GENEVE_OPTIONS_MAX));
	split = data[1] >= 14 && data[1] < n ? data[1] : n;
	frame(&m, &rest, data + 2, n, split);
	if (!(data[0] & 0x80)) /* few inputs have a right one */
		m.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	memset(&key, 0, sizeof(key));
	if (!pkt_parse_one(&m, &key, &ofs)) {
		if (tun_pop(kind, &m, &ofs, &tun) == PKT_DROP_NONE) {
			if (m.pkt_len < 14 || m.pkt_len > n || m.data_off < HEADROOM)
				abort();
			again(&m, kind, &tun);
		} else if (m.pkt_len != n || m.data_off != HEADROOM || m.data_len != split) {
			abort();
		}
	}
	if (split != n)
		free(rest.buf_addr);
	free(m.buf_addr);
	return 0;
}
