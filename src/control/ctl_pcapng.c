/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of pcapng: type, total length, body, options, total length; all in 32-bit words, in the
 * byte order of the host, which the first block tells. Threads, memory: see ctl_pcapng.h.
 */
#include "control/ctl_pcapng.h"

#include <errno.h>
#include <string.h>

#include "base/evs_base.h"

#define BLOCK_SECTION   0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET    6u
#define BLOCK_TOTALS    5u
#define BYTE_ORDER_MARK 0x1a2b3c4du
#define LINK_ETHERNET   1u

enum option {
	OPTION_END = 0,
	OPTION_SECTION_WRITER = 4,
	OPTION_INTERFACE_NAME = 2,
	OPTION_INTERFACE_RESOLUTION = 9,
	OPTION_INTERFACE_FILTER = 11,
	OPTION_PACKET_FLAGS = 2,
	OPTION_TOTALS_RECEIVED = 4,
	OPTION_TOTALS_DROPPED = 5,
};

/* A block without packet data, or the rest of one with it. */
struct block {
	uint32_t size; /* bytes used */
	uint8_t bytes[1024];
};

static void put(struct block *b, const void *data, size_t size)
{
	size_t padded = (size + 3) & ~(size_t)3;

	memcpy(b->bytes + b->size, data, size);
	memset(b->bytes + b->size + size, 0, padded - size);
	b->size += (uint32_t)padded;
}

static void put_u32(struct block *b, uint32_t value)
{
	put(b, &value, sizeof(value));
}

static void put_time(struct block *b, uint64_t ns)
{
	put_u32(b, (uint32_t)(ns >> 32));
	put_u32(b, (uint32_t)ns);
}

static void put_option(struct block *b, uint16_t option, const void *data, size_t size)
{
	const uint16_t head[2] = {option, (uint16_t)size};

	put(b, head, sizeof(head));
	put(b, data, size);
}

static void put_text(struct block *b, uint16_t option, const char *text)
{
	put_option(b, option, text, strnlen(text, 500));
}

static void write_bytes(struct ctl_pcapng *p, const void *data, size_t size)
{
	if (p->error || size == 0)
		return;
	if (fwrite(data, 1, size, p->file) != size)
		p->error = errno ? -errno : -EIO;
	p->bytes += size;
}

/* A whole block of a type and its body. */
static int write_block(struct ctl_pcapng *p, uint32_t type, const struct block *b)
{
	const uint32_t head[2] = {type, b->size + 12};

	write_bytes(p, head, sizeof(head));
	write_bytes(p, b->bytes, b->size);
	write_bytes(p, &head[1], sizeof(head[1]));
	return p->error;
}

int ctl_pcapng_begin(struct ctl_pcapng *p, const char *interface, const char *filter,
                     uint32_t snap_bytes)
{
	const uint16_t version[2] = {1, 0}, link[2] = {LINK_ETHERNET, 0};
	const uint64_t unknown_size = UINT64_MAX;
	const uint8_t nanoseconds = 9;
	struct block b = {0};

	put_u32(&b, BYTE_ORDER_MARK);
	put(&b, version, sizeof(version));
	put(&b, &unknown_size, sizeof(unknown_size));
	put_text(&b, OPTION_SECTION_WRITER, "evs " EVS_VERSION);
	put_u32(&b, OPTION_END);
	write_block(p, BLOCK_SECTION, &b);

	b.size = 0;
	put(&b, link, sizeof(link));
	put_u32(&b, snap_bytes);
	put_text(&b, OPTION_INTERFACE_NAME, interface);
	put_option(&b, OPTION_INTERFACE_RESOLUTION, &nanoseconds, 1);
	if (filter && *filter) {
		char text[400]; /* a leading 0 says: in the words of libpcap */

		text[0] = 0;
		snprintf(text + 1, sizeof(text) - 1, "%s", filter);
		put_option(&b, OPTION_INTERFACE_FILTER, text, 1 + strlen(text + 1));
	}
	put_u32(&b, OPTION_END);
	return write_block(p, BLOCK_INTERFACE, &b);
}

int ctl_pcapng_packet(struct ctl_pcapng *p, const struct ctl_pcapng_packet *packet)
{
	const uint32_t flags = packet->out ? 2 : 1; /* outbound, inbound */
	uint32_t padded = (packet->cap_len + 3) & ~UINT32_C(3), total;
	const uint32_t zero = 0;
	struct block head, rest;

	head.size = rest.size = 0; /* not all of it: this is done for each packet */

	put_option(&rest, OPTION_PACKET_FLAGS, &flags, sizeof(flags));
	put_u32(&rest, OPTION_END);
	total = 28 + padded + rest.size + 4;
	put_u32(&rest, total);

	put_u32(&head, BLOCK_PACKET);
	put_u32(&head, total);
	put_u32(&head, 0); /* the only interface */
	put_time(&head, packet->time_ns);
	put_u32(&head, packet->cap_len);
	put_u32(&head, packet->len);
	write_bytes(p, head.bytes, head.size);
	write_bytes(p, packet->data, packet->cap_len);
	write_bytes(p, &zero, padded - packet->cap_len);
	write_bytes(p, rest.bytes, rest.size);
	return p->error;
}

int ctl_pcapng_end(struct ctl_pcapng *p, const struct ctl_pcapng_totals *totals)
{
	struct block b = {0};

	put_u32(&b, 0);
	put_time(&b, totals->time_ns);
	put_option(&b, OPTION_TOTALS_RECEIVED, &totals->packets, sizeof(totals->packets));
	put_option(&b, OPTION_TOTALS_DROPPED, &totals->lost, sizeof(totals->lost));
	put_u32(&b, OPTION_END);
	return write_block(p, BLOCK_TOTALS, &b);
}
