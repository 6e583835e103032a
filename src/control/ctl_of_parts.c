/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multipart requests of several messages (section 7.3.5): their bodies are put together, and the
 * whole is handled when the last has come. Threads: control.
 *
 * A session may have one such request under way, of up to 1 MB: another or more is
 * OFPBRC_MULTIPART_BUFFER_OVERFLOW.
 */
#include <string.h>

#include "control/ctl_of_pvt.h"

#define PARTS_MAX (1024 * 1024)
#define BODY_OFS  16 /* of the body: behind header, type, flags, padding */

void ctl_of_parts_free(struct ctl_of_session *s)
{
	if (s->parts)
		evbuffer_free(s->parts);
	s->parts = NULL;
}

/* Whether a message goes on what is under way: version, type, xid, multipart type. */
static bool belongs(struct ctl_of_session *s, const uint8_t *bytes)
{
	uint8_t first[BODY_OFS];

	evbuffer_copyout(s->parts, first, sizeof(first));
	return !memcmp(first, bytes, 2) && !memcmp(first + 4, bytes + 4, 6);
}

static int add(struct ctl_of_session *s, const uint8_t *bytes, size_t size, struct of_error *err)
{
	size_t skip = s->parts ? BODY_OFS : 0;

	if (s->parts && !belongs(s, bytes))
		return of_error_set(err, OFPBRC_MULTIPART_BUFFER_OVERFLOW);
	if (!s->parts)
		s->parts = evbuffer_new();
	if (!s->parts || evbuffer_add(s->parts, bytes + skip, size - skip) != 0)
		return -ENOMEM;
	if (evbuffer_get_length(s->parts) <= PARTS_MAX)
		return 0;
	ctl_of_parts_free(s);
	return of_error_set(err, OFPBRC_MULTIPART_BUFFER_OVERFLOW);
}

/* 0: the message was not the last of its request; s->msg is not there yet. */
static int take_part(struct ctl_of_session *s, const uint8_t *bytes, size_t size, bool more,
                     struct of_error *err)
{
	int ret = add(s, bytes, size, err);

	if (ret != 0 || more)
		return ret;
	ret = of_msg_decode_parts(evbuffer_pullup(s->parts, -1), evbuffer_get_length(s->parts),
	                          &s->arena, &s->msg, err);
	if (ret == 0)
		ret = ctl_of_handle(s, &s->msg, err);
	ctl_of_parts_free(s);
	return ret;
}

bool ctl_of_part(struct ctl_of_session *s, const uint8_t *bytes, uint16_t size, int *ret,
                 struct of_error *err)
{
	bool more;

	if (size < BODY_OFS || bytes[0] != OF_VERSION_13 || bytes[1] != OFPT_MULTIPART_REQUEST)
		return false;
	more = (bytes[10] << 8 | bytes[11]) & OFPMPF_MORE;
	if (!more && (!s->parts || !belongs(s, bytes)))
		return false;
	*ret = take_part(s, bytes, size, more, err);
	return true;
}
