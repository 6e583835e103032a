/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets kept for a controller that was told their beginning only (section 7.4.1). Threads:
 * control. Owner: the session.
 *
 * A ring: the next packet takes the oldest place, unless the one that waits there is young; then it
 * is not kept, and told whole. So a controller has some seconds to say what shall become of a
 * packet, and one that never says costs a bounded amount of memory.
 */
#include <stdlib.h>
#include <string.h>

#include "base/evs_clock.h"
#include "control/ctl_of_pvt.h"

#define KEEP_NS     (5ull * 1000000000u)
#define BYTES_MAX   (4u * 1024 * 1024)
#define SERIAL_BITS 23 /* above the place in an id, so that OFP_NO_BUFFER is none */

struct place {
	uint32_t id; /* of the packet that came here last; 0: none ever did */
	struct ctl_of_packet packet;
	uint64_t since_ns;
};

struct ctl_of_buffers {
	struct place places[CTL_OF_N_BUFFERS];
	uint32_t n_kept; /* ever */
	size_t bytes;
};

static void clear(struct ctl_of_buffers *b, struct place *place)
{
	b->bytes -= place->packet.size;
	free(place->packet.data);
	memset(&place->packet, 0, sizeof(place->packet));
}

uint32_t ctl_of_buffer_keep(struct ctl_of_session *s, const struct of_blob *whole, uint32_t in_port)
{
	struct ctl_of_buffers *b = s->buffers ? s->buffers : calloc(1, sizeof(*b));
	uint64_t now = evs_clock_ns();
	struct place *place;
	uint8_t *copy;

	s->buffers = b;
	if (!b)
		return OF_NO_BUFFER;
	place = &b->places[b->n_kept % CTL_OF_N_BUFFERS];
	if (place->packet.data && now - place->since_ns < KEEP_NS)
		return OF_NO_BUFFER;
	clear(b, place);
	copy = b->bytes + whole->size <= BYTES_MAX ? malloc(whole->size) : NULL;
	if (!copy)
		return OF_NO_BUFFER;
	memcpy(copy, whole->data, whole->size);
	place->packet = (struct ctl_of_packet){copy, whole->size, in_port};
	place->since_ns = now;
	place->id = (b->n_kept + CTL_OF_N_BUFFERS) & ((1u << (SERIAL_BITS + 8)) - 1);
	b->bytes += whole->size;
	b->n_kept++;
	return place->id;
}

int ctl_of_buffer_take(struct ctl_of_session *s, uint32_t id, struct ctl_of_packet *packet,
                       struct of_error *err)
{
	struct ctl_of_buffers *b = s->buffers;
	struct place *place = b ? &b->places[id % CTL_OF_N_BUFFERS] : NULL;

	if (!place || place->id != id || id == 0)
		return of_error_set(err, OFPBRC_BUFFER_UNKNOWN);
	if (!place->packet.data)
		return of_error_set(err, OFPBRC_BUFFER_EMPTY);
	*packet = place->packet;
	place->packet.data = NULL;
	clear(b, place);
	return 0;
}

void ctl_of_buffers_free(struct ctl_of_session *s)
{
	for (unsigned i = 0; s->buffers && i < CTL_OF_N_BUFFERS; i++)
		free(s->buffers->places[i].packet.data);
	free(s->buffers);
	s->buffers = NULL;
}
