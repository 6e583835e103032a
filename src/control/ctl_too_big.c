/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling guests that their packets are too long for a tunnel: ICMP "fragmentation needed"
 * (RFC 792, 1191) and ICMPv6 "packet too big" (RFC 4443, 3.2). Threads: control.
 *
 * evs has no address in a tenant's network, so the message comes from whom the packet was for, as
 * from a router on the way. Whatever is read of the packet lies within a copy of bounded size.
 */
#include <netinet/in.h>
#include <string.h>

#include "base/evs_clock.h"
#include "control/ctl_ip.h"
#include "pkt/pkt_csum.h"
#include "pkt/pkt_hdr.h"

#define HEAD_MAX    64  /* Ethernet, tags, our IP header, ICMP */
#define QUOTE_V4    548 /* RFC 1812, 4.3.2.3: 576 bytes in all */
#define QUOTE_V6    1232
#define MIN_MTU_V4  68
#define MIN_MTU_V6  1280
#define A_SECOND    1000 /* messages */
#define INTERVAL_MS 100

struct reply {
	uint32_t l3, mtu;
	uint32_t size;
	uint8_t data[HEAD_MAX + QUOTE_V6];
};

/* So many that path MTU discovery works, so few that nobody is kept busy by it. */
static bool may_send(void)
{
	static uint32_t since_ms, n;
	uint32_t now_ms = evs_clock_ms();

	if (now_ms - since_ms >= INTERVAL_MS) {
		since_ms = now_ms;
		n = 0;
	}
	return n++ < A_SECOND * INTERVAL_MS / 1000;
}

/* A message of `icmp_size` bytes begins at p; ip is the packet that is quoted. */
static void build_v4(struct reply *r, const uint8_t *ip, uint32_t quoted)
{
	uint8_t *p = r->data + r->l3, *icmp = p + PKT_IPV4_SIZE;
	uint32_t size = PKT_ICMP_SIZE + quoted;

	memset(p, 0, PKT_IPV4_SIZE + PKT_ICMP_SIZE);
	p[0] = 0x45;
	p[1] = 0xc0; /* RFC 1812, 4.3.2.5: internetwork control */
	pkt_st16(p + 2, rte_cpu_to_be_16((uint16_t)(PKT_IPV4_SIZE + size)));
	p[8] = 64;
	p[9] = IPPROTO_ICMP;
	memcpy(p + 12, ip + 16, 4);
	memcpy(p + 16, ip + 12, 4);
	pkt_st16(p + 10, (uint16_t)~pkt_csum_fold(pkt_csum_add(0, p, PKT_IPV4_SIZE)));
	icmp[0] = 3;
	icmp[1] = 4;
	pkt_st16(icmp + 6, rte_cpu_to_be_16((uint16_t)r->mtu));
	memcpy(icmp + PKT_ICMP_SIZE, ip, quoted);
	pkt_st16(icmp + 2, (uint16_t)~pkt_csum_fold(pkt_csum_add(0, icmp, size)));
	r->size = r->l3 + PKT_IPV4_SIZE + size;
}

static void build_v6(struct reply *r, const uint8_t *ip, uint32_t quoted)
{
	uint8_t *p = r->data + r->l3, *icmp = p + PKT_IPV6_SIZE;
	uint32_t size = PKT_ICMP_SIZE + quoted;
	uint64_t sum;

	memset(p, 0, PKT_IPV6_SIZE + PKT_ICMP_SIZE);
	p[0] = 0x60;
	pkt_st16(p + 4, rte_cpu_to_be_16((uint16_t)size));
	p[6] = IPPROTO_ICMPV6;
	p[7] = 64;
	memcpy(p + 8, ip + 24, 16);
	memcpy(p + 24, ip + 8, 16);
	icmp[0] = 2;
	pkt_st32(icmp + 4, rte_cpu_to_be_32(EVS_MAX(r->mtu, (uint32_t)MIN_MTU_V6)));
	memcpy(icmp + PKT_ICMP_SIZE, ip, quoted);
	sum = pkt_csum_add(pkt_csum_pseudo(p, IPPROTO_ICMPV6, size), icmp, size);
	pkt_st16(icmp + 2, (uint16_t)~pkt_csum_fold(sum));
	r->size = r->l3 + PKT_IPV6_SIZE + size;
}

/* RFC 1122, 3.2.2: no message about one to several hosts, a later fragment, or an ICMP error. */
static bool answer_v4(struct reply *r, const uint8_t *ip, uint32_t size)
{
	uint32_t header = (ip[0] & 0xfu) * 4;

	if (size < header + PKT_ICMP_SIZE || header < PKT_IPV4_SIZE || ip[12] >= 224 ||
	    ip[12] == 0 || ip[16] >= 224 || (pkt_be16(ip + 6) & PKT_IPV4_FRAGOFS) ||
	    (ip[9] == IPPROTO_ICMP && ip[header] != 0 && ip[header] != 8) || r->mtu < MIN_MTU_V4)
		return false;
	build_v4(r, ip, EVS_MIN(size, (uint32_t)QUOTE_V4));
	return true;
}

static bool answer_v6(struct reply *r, const uint8_t *ip, uint32_t size)
{
	if (size < PKT_IPV6_SIZE + PKT_ICMP_SIZE || ip[8] == 0xff || ip[24] == 0xff ||
	    (ip[6] == IPPROTO_ICMPV6 && ip[PKT_IPV6_SIZE] < 128))
		return false;
	build_v6(r, ip, EVS_MIN(size, (uint32_t)QUOTE_V6));
	return true;
}

static bool answer(struct reply *r, const uint8_t *frame, uint32_t size)
{
	const uint8_t *ip = frame + r->l3;

	if (r->l3 < PKT_ETH_SIZE || r->l3 > PKT_ETH_SIZE + 2 * PKT_VLAN_SIZE ||
	    size < r->l3 + PKT_IPV4_SIZE || frame[0] & 1 || frame[6] & 1)
		return false;
	memcpy(r->data, frame + 6, 6);
	memcpy(r->data + 6, frame, 6);
	memcpy(r->data + 12, frame + 12, r->l3 - 12);
	return ip[0] >> 4 == 4 ? answer_v4(r, ip, size - r->l3) : answer_v6(r, ip, size - r->l3);
}

static void inject(const struct reply *r, uint16_t port)
{
	static struct flow_prog_builder prog;
	struct rte_mempool *pool = port_pool_get(PORT_MTU_DEFAULT, SOCKET_ID_ANY, NULL);
	struct rte_mbuf *m = pool ? rte_pktmbuf_alloc(pool) : NULL;
	char *room = m ? rte_pktmbuf_append(m, (uint16_t)r->size) : NULL;

	if (room) {
		memcpy(room, r->data, r->size);
		flow_prog_builder_init(&prog);
		flow_prog_add(&prog, FLOW_OP_OUTPUT, port);
		if (pmd_inject(m, port, &prog) == 0)
			return;
	}
	rte_pktmbuf_free(m); /* the guest sends again, and is told again */
}

void ctl_too_big(const struct pmd_punt *punt)
{
	static struct reply reply;
	uint8_t copy[HEAD_MAX + QUOTE_V6];
	uint32_t size = EVS_MIN(rte_pktmbuf_pkt_len(punt->mbuf), (uint32_t)sizeof(copy));
	const uint8_t *frame = rte_pktmbuf_read(punt->mbuf, 0, size, copy);

	reply.l3 = (uint32_t)(punt->controller.cookie >> 32);
	reply.mtu = (uint32_t)punt->controller.cookie;
	if (frame && may_send() && answer(&reply, frame, size))
		inject(&reply, punt->in_port);
	rte_pktmbuf_free(punt->mbuf);
}
