/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying TTL between the top label and what is under it.
 * Threads: worker. Owner: as pkt_edit.h.
 */
#include "pkt/pkt_csum.h"
#include "pkt/pkt_edit.h"
#include "pkt/pkt_hdr.h"

#define LSE_SIZE 4
#define LSE_BOS  0x01 /* in the third byte */

/* What is under a bottom label says by its first four bits what it is; 0: neither IP. */
static uint8_t *ip_ttl(uint8_t *ip)
{
	if (ip[0] >> 4 == 4)
		return ip + 8;
	return ip[0] >> 4 == 6 ? ip + 7 : NULL;
}

static void ipv4_csum_adjust(uint8_t *ip, uint8_t old_ttl)
{
	uint32_t sum = (uint32_t)(ip[10] << 8 | ip[11]);

	/* RFC 1624: HC' = ~(~HC + ~m + m'), for the word of TTL and protocol */
	sum = (~sum & 0xffff) + (uint16_t) ~(old_ttl << 8 | ip[9]) + (uint16_t)(ip[8] << 8 | ip[9]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

int pkt_copy_ttl(struct rte_mbuf *m, struct pkt_offsets *ofs, bool outwards)
{
	uint8_t *top, *inner, old;
	int rc;

	if (!ofs->l2_5)
		return -EINVAL;
	rc = pkt_pull(m, ofs->l2_5 + LSE_SIZE);
	if (rc)
		return rc;
	top = rte_pktmbuf_mtod_offset(m, uint8_t *, ofs->l2_5);
	if (!pkt_eth_is_mpls((uint16_t)(top[-2] << 8 | top[-1])))
		return -EINVAL;
	rc = pkt_pull(m, ofs->l2_5 + LSE_SIZE + (top[2] & LSE_BOS ? 20 : LSE_SIZE));
	if (rc)
		return rc;
	top = rte_pktmbuf_mtod_offset(m, uint8_t *, ofs->l2_5);
	inner = top[2] & LSE_BOS ? ip_ttl(top + LSE_SIZE) : top + LSE_SIZE + 3;
	if (!inner)
		return -EINVAL;
	if (outwards) {
		top[3] = *inner;
		return 0;
	}
	old = *inner;
	*inner = top[3];
	if ((top[2] & LSE_BOS) && top[LSE_SIZE] >> 4 == 4)
		ipv4_csum_adjust(top + LSE_SIZE, old);
	return 0;
}
