/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any frame with any offload request, for a port of any capabilities: it is refused, or what comes
 * out asks for nothing that the port can not do, and no buffer is lost.
 */
#include "fuzz_pool.h"
#include "pkt/pkt_offload.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEGMENT_MAX 1500
#define REQUESTS    (PKT_TX_REQUEST | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6)

struct request {
	uint64_t ol_flags, tx_offload;
	uint8_t caps, split, shared, max;
};

/* The frame in segments: the first of `split` bytes, the others as long as they may be. */
static struct rte_mbuf *make(const uint8_t *data, uint32_t size, uint32_t split)
{
	struct rte_mbuf *m = fuzz_segment(data, EVS_MIN(size, split));

	for (uint32_t done = m->data_len, part; done < size; done += part) {
		part = EVS_MIN(size - done, (uint32_t)SEGMENT_MAX);
		if (rte_pktmbuf_chain(m, fuzz_segment(data + done, part)))
			abort();
	}
	return m;
}

/* A port that segments fills in the checksums of the pieces as well. */
static bool port_can(const struct rte_mbuf *m, uint32_t caps)
{
	const bool tcp = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	const bool udp = m->ol_flags & RTE_MBUF_F_TX_UDP_SEG;

	if (m->nb_segs > 1 && !(caps & PKT_TX_MULTI_SEG))
		return false;
	if (tcp || udp)
		return caps & (tcp ? PKT_TX_TSO : PKT_TX_UFO);
	return !(m->ol_flags & RTE_MBUF_F_TX_L4_MASK) || (caps & PKT_TX_L4_CSUM);
}

static void check(const struct rte_mbuf *m, uint32_t caps)
{
	uint32_t size = 0;

	rte_mbuf_sanity_check(m, 1);
	for (const struct rte_mbuf *seg = m; seg; seg = seg->next)
		size += seg->data_len;
	if (size != m->pkt_len || !port_can(m, caps)) {
		rte_pktmbuf_dump(stderr, m, 0);
		fprintf(stderr, "caps %x, bytes %u\n", caps, size);
		abort();
	}
}

static void prepare(struct rte_mbuf *m, const struct request *r)
{
	unsigned max = EVS_MIN((unsigned)r->max + 1, (unsigned)PKT_OFFLOAD_MAX);
	struct rte_mbuf *out[PKT_OFFLOAD_MAX], *twin = NULL;
	int n;

	if (r->shared & 1)
		twin = rte_pktmbuf_clone(m, fuzz_pool);
	n = pkt_offload_prepare(m, r->caps & 0x0f, fuzz_pool, out, max);
	if (n == 0 || n > (int)max)
		abort();
	for (int i = 0; i < n; i++)
		check(out[i], r->caps & 0x0f);
	if (n > 0)
		rte_pktmbuf_free_bulk(out, (unsigned)n);
	else
		rte_pktmbuf_free(m);
	rte_pktmbuf_free(twin);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return fuzz_pool_init();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_mbuf *m;
	struct request r;

	if (size < sizeof(r) + 14 || size > sizeof(r) + 64000)
		return 0;
	memcpy(&r, data, sizeof(r));
	m = make(data + sizeof(r), (uint32_t)(size - sizeof(r)), EVS_MAX(r.split, (uint8_t)1));
	m->ol_flags |= r.ol_flags & REQUESTS;
	m->tx_offload = r.tx_offload;
	prepare(m, &r);
	fuzz_pool_check();
	return 0;
}
