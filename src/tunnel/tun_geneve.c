/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Geneve (RFC 8926, section 3.4): eight bytes and options behind UDP.
 * Threads: any.
 *
 *   version(2) option length(6) | O C reserved(6) | protocol type(16) | VNI(24) reserved(8) |
 * options
 */
#include "tunnel/tun_pvt.h"

#define GENEVE_SIZE 8
#define VERSION     0xc0
#define LENGTH      0x3f
#define FLAG_O      0x80
#define FLAG_C      0x40 /* critical options are there */
#define OPTION_SIZE 4
#define OPTION_C    0x80 /* of an option's type: critical */

#define GENEVE_PLAIN(length_care, with_options)                                                    \
	{                                                                                          \
		.want = {0, 0, TUN_ETHERTYPE_TEB >> 8, TUN_ETHERTYPE_TEB & 0xff},                  \
		.care = {VERSION | (length_care), FLAG_O, 0xff, 0xff}, .size = GENEVE_SIZE,        \
		.key_at = 4, .key_bytes = 3, .flags = PKT_TUN_KEY, .options = (with_options),      \
	}
const struct tun_plain tun_geneve_plains[TUN_N_GENEVE_PLAINS] = {
        GENEVE_PLAIN(LENGTH, false), /* none */
        GENEVE_PLAIN(0, true),       /* some, or none */
};

bool tun_options_are_well_formed(const uint8_t *options, size_t size)
{
	while (size) {
		size_t len;

		if (size < OPTION_SIZE)
			return false;
		len = OPTION_SIZE + 4u * (options[3] & 0x1f);
		if (len > size)
			return false;
		options += len;
		size -= len;
	}
	return true;
}

static bool has_critical(const uint8_t *options, size_t size)
{
	while (size >= OPTION_SIZE) {
		size_t len = OPTION_SIZE + 4u * (options[3] & 0x1f);

		if (options[2] & OPTION_C)
			return true;
		options += len;
		size -= EVS_MIN(len, size);
	}
	return false;
}

size_t tun_geneve_build(const struct tun_outer *outer, uint8_t *p)
{
	uint8_t *start = p;

	if (rte_be_to_cpu_64(outer->key) >= 1u << 24 ||
	    !tun_options_are_well_formed(outer->options, outer->options_size))
		return 0;
	p = tun_udp_build(outer, p);
	p[0] = outer->options_size / 4;
	p[1] = (outer->flags & PKT_TUN_OAM ? FLAG_O : 0) |
	       (has_critical(outer->options, outer->options_size) ? FLAG_C : 0);
	tun_put16(p + 2,
	          outer->inner_type ? rte_be_to_cpu_16(outer->inner_type) : TUN_ETHERTYPE_TEB);
	tun_put32(p + 4, (uint32_t)rte_be_to_cpu_64(outer->key) << 8);
	if (outer->options_size)
		memcpy(p + GENEVE_SIZE, outer->options, outer->options_size);
	return (size_t)(p + GENEVE_SIZE + outer->options_size - start);
}

size_t tun_geneve_parse(const uint8_t *p, uint32_t size, uint32_t avail, struct tun_inner *inner)
{
	const uint8_t *geneve = p + TUN_UDP_SIZE;
	uint16_t type, options_size;
	uint32_t total;

	if (size < TUN_UDP_SIZE + GENEVE_SIZE || avail < TUN_UDP_SIZE + GENEVE_SIZE ||
	    geneve[0] >> 6)
		return 0;
	options_size = (uint16_t)((geneve[0] & 0x3f) * 4);
	total = TUN_UDP_SIZE + GENEVE_SIZE + options_size;
	if (size < total || avail < total ||
	    !tun_options_are_well_formed(geneve + GENEVE_SIZE, options_size))
		return 0;
	type = tun_get16(geneve + 2);
	if (type != TUN_ETHERTYPE_TEB)
		inner->inner_type = rte_cpu_to_be_16(type);
	if (type < 0x0600)
		return 0;
	inner->tun->id = rte_cpu_to_be_64(tun_get32(geneve + 4) >> 8);
	inner->tun->flags |= PKT_TUN_KEY;
	if (geneve[1] & FLAG_O)
		inner->tun->flags |= PKT_TUN_OAM;
	inner->options = geneve + GENEVE_SIZE;
	inner->options_size = options_size;
	return total;
}
