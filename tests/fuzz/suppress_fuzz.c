/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ARP and neighbour discovery through a bridge that suppresses: frames of a guest and out of a
 * tunnel, one after the other. The table stays within its bounds, a pinned binding as it is; an
 * answer is a whole one, to who asked, and a question that was refused is as it came.
 */
#include "flow/flow_prog.h"
#include "fuzz_bridge.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GUEST  1
#define TUNNEL 2

static struct pl_bridge *bridge;
static const struct pl_bind_entry pinned = {.addr = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 9},
                                            .mac = {{2, 0, 0, 0, 0, 0x99}}};

static bool post(unsigned worker, const struct pl_learn *learn)
{
	static const uint8_t none[16];

	if (memcmp(learn->addr, none, sizeof(none)) != 0)
		pl_bind_learn(learn);
	else
		pl_fdb_learn(learn);
	return true;
}

static struct flow_cache *no_cache(unsigned worker)
{
	return NULL;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct pl_tunnel tunnel = {.kind = TUN_VXLAN,
	                           .has_key = true,
	                           .dst_port = 4789,
	                           .remote = {[10] = 0xff, [11] = 0xff, [12] = 192, [15] = 2}};
	struct evs_error err = {0};

	fuzz_pipeline_init(post, no_cache);
	bridge = fuzz_bridge(true);
	fuzz_port(bridge, GUEST, NULL);
	fuzz_port(bridge, TUNNEL, &tunnel);
	if (pl_bind_add_static(bridge, &pinned, &err))
		abort();
	fuzz_settle();
	return 0;
}

static void check_entry(const struct pl_bind_entry *entry, void *arg)
{
	if (!memcmp(entry->addr, pinned.addr, sizeof(pinned.addr)) && entry->vlan == 0 &&
	    (!entry->is_static || memcmp(&entry->mac, &pinned.mac, 6) != 0))
		abort();
	++*(uint32_t *)arg;
}

/* Not the memory of a pool: a sanitizer sees a byte too far. */
static struct rte_mbuf *frame(struct rte_mbuf *m, const uint8_t *data, uint32_t size)
{
	memset(m, 0, sizeof(*m));
	m->buf_addr = malloc(size);
	m->buf_len = m->data_len = (uint16_t)size;
	m->pkt_len = size;
	m->nb_segs = m->refcnt = 1;
	memcpy(m->buf_addr, data, size);
	return m;
}

static void check_answer(struct rte_mbuf *m, struct pkt_offsets *ofs, const struct flow_op *op,
                         const uint8_t *data)
{
	uint32_t size = m->pkt_len;
	static struct pkt_key key;
	struct pkt_offsets now = {0};
	uint8_t *p = m->buf_addr;

	if (flow_op_edit(op, m, ofs)) {
		if (m->pkt_len != size || memcmp(p, data, size) != 0)
			abort();
		return;
	}
	memset(&key, 0, sizeof(key));
	if (memcmp(p, data + 6, 6) != 0 || memcmp(p + 6, op->payload, 6) != 0 ||
	    pkt_parse_one(m, &key, &now) || now.l3 != ofs->l3 || ofs->l3_len > m->pkt_len - ofs->l3)
		abort();
	if (key.base.eth_type == RTE_BE16(0x0806) ? key.base.arp_op != RTE_BE16(2)
	                                          : pkt_csum_verify(m, now.l3) != PKT_CSUM_GOOD)
		abort();
}

static void take(const uint8_t *data, uint32_t size, uint16_t in_port)
{
	static struct pkt_burst burst;
	static struct flow_xlate out;
	static struct pkt_key key;
	struct pkt_offsets ofs = {0};
	struct rte_mbuf m;

	memset(&key, 0, sizeof(key));
	if (pkt_parse_one(frame(&m, data, size), &key, &ofs) == 0) {
		key.base.in_port = in_port;
		burst.base[0] = key.base;
		burst.ext[0] = key.ext;
		pl_translate(0, &burst, 0, &out);
		FLOW_OP_FOREACH (op, out.prog.ops, out.prog.size) {
			if (op->kind != FLOW_OP_ANSWER)
				continue;
			if (in_port != GUEST)
				abort();
			check_answer(&m, &ofs, op, data);
		}
	}
	free(m.buf_addr);
}

/* Layout, repeated: a byte (bit 7: out of the tunnel), the frame's size in one byte, the frame. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pl_bind_stats stats;
	uint32_t n = 0;

	for (unsigned i = 0; i < 32 && size > 2; i++) {
		uint32_t len = EVS_MIN((uint32_t)data[1], (uint32_t)size - 2);

		if (len >= 14)
			take(data + 2, len, data[0] & 0x80 ? TUNNEL : GUEST);
		data += 2 + len;
		size -= 2 + len;
	}
	pl_bind_walk(bridge, check_entry, &n);
	pl_bind_stats_get(bridge, &stats);
	if (n != stats.n_entries || n > PL_MAX_BINDS || n == 0)
		abort();
	fuzz_settle();
	return 0;
}
