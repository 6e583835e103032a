/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragments of outer packets, in any order and with any lies: each buffer waits, is counted as a
 * drop, or is part of a whole packet, once; what is whole has the length and checksum it says.
 */
#include "fuzz_pool.h"
#include "pkt/pkt_csum.h"
#include "pkt/pkt_parse.h"
#include "pmd/pmd_tunnel_pvt.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_PIECES 64

static struct pmd_worker *w;
static struct port_counters counters;

static uint64_t n_drops(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < PKT_N_DROPS; i++)
		n += counters.drops[i];
	return n;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct pmd_view view;

	if (fuzz_pool_init())
		return -1;
	w = aligned_alloc(64, (sizeof(*w) + 63) & ~(size_t)63);
	memset(w, 0, sizeof(*w));
	view.counters = &counters;
	for (unsigned i = 0; i <= PKT_PORT_MAX; i++)
		w->view[i] = &view;
	return 0;
}

/* A whole packet: headers that the library changed fit the rest. */
static void check_whole(struct rte_mbuf *m)
{
	struct pkt_offsets ofs = {0};
	static struct pkt_key key;
	const uint8_t *ip;
	uint32_t size = 0;

	for (const struct rte_mbuf *seg = m; seg; seg = seg->next)
		size += seg->data_len;
	if (size != m->pkt_len)
		abort();
	rte_mbuf_sanity_check(m, 1);
	memset(&key, 0, sizeof(key));
	if (pkt_parse_one(m, &key, &ofs) || ofs.l3 == 0)
		abort();
	ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, ofs.l3);
	if (ip[0] >> 4 == 4 &&
	    (pkt_csum_fold(pkt_csum_add(0, ip, (ip[0] & 0xfu) * 4)) != 0xffff || key.base.frag))
		abort();
}

static void take(const uint8_t *data, uint32_t size, bool split)
{
	uint32_t first = split && size > 60 ? size / 2 : size;
	struct rte_mbuf *m = fuzz_segment(data, first);
	struct pmd_exec x = {.n = 1, .mbuf = {m}};
	static struct pkt_key key;

	if (first < size) {
		m->next = fuzz_segment(data + first, size - first);
		m->nb_segs = 2;
		m->pkt_len = size;
	}
	memset(&key, 0, sizeof(key));
	if (pkt_parse_one(m, &key, &x.ofs[0]) || !key.base.frag) {
		rte_pktmbuf_free(m); /* translation sends fragments only */
		return;
	}
	pmd_reassemble(w, &x);
	while (w->again_tail != w->again_head) {
		struct rte_mbuf *whole = w->again[w->again_tail++ % PMD_AGAIN_LEN].mbuf;

		check_whole(whole);
		rte_pktmbuf_free(whole);
	}
}

/* Layout, repeated: a byte (bit 7: in two buffers; 0x7f of the rest: time passes), the frame's size
 * in two bytes, the frame. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t now = 1;
	uint64_t before = n_drops();
	unsigned n = 0;

	w->now_tsc = now;
	w->frags = pmd_frags_create(SOCKET_ID_ANY);
	for (; n < MAX_PIECES && size > 3; n++) {
		uint32_t len = (data[1] << 8 | data[2]) & 0x7ff;
		bool split = data[0] & 0x80, late = (data[0] & 0x7f) == 0x7f;

		data += 3;
		size -= 3;
		len = EVS_MIN(len, (uint32_t)size);
		if (len >= 14)
			take(data, len, split);
		if (late) {
			w->now_tsc += 2 * rte_get_tsc_hz();
			pmd_frags_expire(w);
			if (rte_mempool_in_use_count(fuzz_pool) != 0)
				abort();
		}
		data += len;
		size -= len;
	}
	pmd_frags_destroy(w);
	now = w->now_tsc;
	if (n_drops() - before > n)
		abort();
	fuzz_pool_check();
	return 0;
}
