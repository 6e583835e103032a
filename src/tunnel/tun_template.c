/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making templates of outer headers.
 * Threads: worker.
 */
#include "tunnel/tun_template.h"

#include "tunnel/tun_pvt.h"

static_assert(offsetof(struct pkt_key_tun, flags) == 40, "the word `look` of a template");

#define FRONT (TUN_TEMPLATE_SIZE + TUN_TEMPLATE_MORE)

/* The first bytes of a frame; `at`: where the next header begins. */
struct front {
	uint8_t want[FRONT], care[FRONT];
	uint32_t at;
};

/* `size` bytes at `at` are as the flow's. */
static void put(struct front *f, uint32_t at, const void *key, const void *mask, uint32_t size)
{
	memcpy(f->want + at, key, size);
	memcpy(f->care + at, mask, size);
}

/* The bytes at `at` are those of `value`, in the bits of `care`. */
static void put16(struct front *f, uint32_t at, uint16_t value, uint16_t care)
{
	tun_put16(f->want + at, value & care);
	tun_put16(f->care + at, care);
}

static void put32(struct front *f, uint32_t at, uint32_t value, uint32_t care)
{
	tun_put32(f->want + at, value & care);
	tun_put32(f->care + at, care);
}

/* Is the key, as far as the flow looked, that of an ordinary packet of this protocol? Its fields
 * that the template does not hold are zero then. */
static bool is_plain(const struct tun_known *known, uint8_t ip_proto)
{
	const struct pkt_key_base *key = known->key;
	static const uint8_t zero[sizeof(struct pkt_key_ipv6)];
	const struct pkt_key_ipv6 *key6 = known->key6;
	uint8_t lines = key->eth_type == RTE_BE16(PKT_ETH_IPV6) ? PKT_LINE_IPV6 : 0;

	if (key->eth_type != RTE_BE16(lines ? PKT_ETH_IPV6 : PKT_ETH_IPV4) || key->lines != lines)
		return false;
	if (lines && (memcmp(key6->nd_target, zero, sizeof(key6->nd_target)) ||
	              memcmp(key6->nd_sll, zero, sizeof(key6->nd_sll)) ||
	              memcmp(key6->nd_tll, zero, sizeof(key6->nd_tll))))
		return false;
	return key->ip_proto == ip_proto && known->mask->ip_proto == UINT8_MAX && !key->frag &&
	       !key->recirc_id && !key->vlan[1].tpid && !key->vlan[1].tci && !key->tcp_flags &&
	       !key->n_mpls && !memcmp(key->zero, zero, sizeof(key->zero)) && !key->arp_op &&
	       !key->ipv6_exthdr &&
	       !((key->tp_dst ^ rte_cpu_to_be_16(known->dst_port)) & known->mask->tp_dst);
}

/* MAC addresses, and a tag if there is one. False: the tag is of another kind. */
static bool put_ethernet(struct front *f, const struct tun_known *known)
{
	const struct pkt_key_base *key = known->key, *mask = known->mask;
	const struct pkt_vlan *tag = &key->vlan[0], *care = &mask->vlan[0];
	const uint16_t present = PKT_VLAN_PRESENT;

	put(f, 0, key->eth_dst, mask->eth_dst, 6);
	put(f, 6, key->eth_src, mask->eth_src, 6);
	f->at = 12;
	if (tag->tci & rte_cpu_to_be_16(present)) {
		if (tag->tpid && tag->tpid != (RTE_BE16(PKT_ETH_VLAN) & care->tpid))
			return false;
		put16(f, f->at, PKT_ETH_VLAN, UINT16_MAX);
		put16(f, f->at + 2, rte_be_to_cpu_16(tag->tci),
		      rte_be_to_cpu_16(care->tci) & (uint16_t)~present);
		f->at += PKT_VLAN_SIZE;
	} else if (tag->tci || tag->tpid) {
		return false;
	}
	put16(f, f->at, rte_be_to_cpu_16(key->eth_type), UINT16_MAX);
	f->at += 2;
	return true;
}

static void put_ipv4(struct front *f, const struct tun_known *known)
{
	const struct pkt_key_base *key = known->key, *mask = known->mask;

	put16(f, f->at, (uint16_t)(0x4500 | key->ip_tos), (uint16_t)(0xff00 | mask->ip_tos));
	put16(f, f->at + 6, 0, PKT_IPV4_MF | PKT_IPV4_FRAGOFS);
	put16(f, f->at + 8, (uint16_t)(key->ip_ttl << 8 | key->ip_proto),
	      (uint16_t)(mask->ip_ttl << 8 | 0xff));
	put(f, f->at + 12, &key->ip_src, &mask->ip_src, 4);
	put(f, f->at + 16, &key->ip_dst, &mask->ip_dst, 4);
	f->at += PKT_IPV4_SIZE;
}

static void put_ipv6(struct front *f, const struct tun_known *known)
{
	const struct pkt_key_base *key = known->key, *mask = known->mask;
	const struct pkt_key_ipv6 *key6 = known->key6, *mask6 = known->mask6;

	put32(f, f->at, 6u << 28 | (uint32_t)key->ip_tos << 20 | rte_be_to_cpu_32(key6->flabel),
	      0xfu << 28 | (uint32_t)mask->ip_tos << 20 | rte_be_to_cpu_32(mask6->flabel));
	put16(f, f->at + 6, (uint16_t)(key->ip_proto << 8 | key->ip_ttl),
	      (uint16_t)(0xff00 | mask->ip_ttl));
	put(f, f->at + 8, key6->src, mask6->src, 16);
	put(f, f->at + 24, key6->dst, mask6->dst, 16);
	f->at += PKT_IPV6_SIZE;
}

/* Which of its ordinary headers the packet has. NULL: none. */
static const struct tun_plain *plain_of(const struct tun_known *known)
{
	const struct tun_kind_ops *ops = &tun_kinds[known->kind];

	for (unsigned i = 0; i < ops->n_plain; i++) {
		const struct tun_plain *plain = &ops->plain[i];
		uint64_t differs = pkt_ld64(known->header) ^ pkt_ld64(plain->want);

		if (!(differs & pkt_ld64(plain->care)))
			return plain;
	}
	return NULL;
}

/* What pop and the checks of a frame need to know beyond the bytes. */
static void describe(struct tun_template *t, const struct tun_known *known,
                     const struct tun_plain *plain, const struct front *f)
{
	bool ipv4 = known->key->eth_type == RTE_BE16(PKT_ETH_IPV4);

	t->is_ipv4 = ipv4;
	t->is_udp = tun_kinds[known->kind].ip_proto == PKT_IP_UDP;
	t->is_summed = plain->flags & PKT_TUN_CSUM; /* only GRE's flags say it */
	t->has_options = plain->options;
	t->l3 = (uint8_t)(t->l4 - (ipv4 ? PKT_IPV4_SIZE : PKT_IPV6_SIZE));
	t->size = (uint8_t)(f->at + plain->size);
	t->look = plain->flags | (uint64_t)plain->proto_type << 56;
	t->key_at = (uint8_t)(f->at + plain->key_at);
	t->key_care = plain->key_bytes == 4 ? UINT32_MAX
	              : plain->key_bytes    ? RTE_BE32(0xffffff00)
	                                    : 0;
	t->key_shift = plain->key_bytes == 4 ? 32 : 40;
	t->is_common = ipv4 && t->is_udp && !t->has_options && t->size <= TUN_TEMPLATE_SIZE &&
	               plain->key_bytes == 3 && t->key_at == t->size - 4;
}

bool tun_template_make(const struct tun_known *known, struct tun_template *t)
{
	const struct tun_plain *plain = plain_of(known);
	struct front f = {.at = 0};

	if (!plain || !is_plain(known, tun_kinds[known->kind].ip_proto) || !put_ethernet(&f, known))
		return false;
	if (known->key->eth_type == RTE_BE16(PKT_ETH_IPV4))
		put_ipv4(&f, known);
	else
		put_ipv6(&f, known);
	memset(t, 0, sizeof(*t));
	t->l4 = (uint8_t)f.at;
	if (tun_kinds[known->kind].ip_proto == PKT_IP_UDP) {
		put(&f, f.at, &known->key->tp_src, &known->mask->tp_src, 2);
		put16(&f, f.at + 2, known->dst_port, UINT16_MAX);
		f.at += PKT_UDP_SIZE;
	}
	put(&f, f.at, plain->want, plain->care, EVS_MIN(plain->size, TUN_PLAIN_SIZE));
	describe(t, known, plain, &f);
	memcpy(t->want, f.want, sizeof(t->want));
	memcpy(t->care, f.care, sizeof(t->care));
	memcpy(t->more_want, f.want + TUN_TEMPLATE_SIZE, sizeof(t->more_want));
	memcpy(t->more_care, f.care + TUN_TEMPLATE_SIZE, sizeof(t->more_care));
	return true;
}

bool tun_template_options_fit(const struct tun_template *t, const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t size = tun_template_options(t, p);

	return m->data_len >= t->size + size + PKT_ETH_SIZE &&
	       tun_options_are_well_formed(p + t->size, size);
}
