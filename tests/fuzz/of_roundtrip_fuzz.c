/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What decodes, encodes to bytes that decode and encode to the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "openflow/of_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The length and version are made right, so that the fuzzer spends its time inside. */
static bool decode(uint8_t *bytes, size_t size, struct of_arena *arena, struct of_msg *msg)
{
	struct of_error err;

	bytes[0] = OF_VERSION_13;
	bytes[2] = (uint8_t)(size >> 8);
	bytes[3] = (uint8_t)size;
	return of_msg_decode(bytes, (uint16_t)size, arena, msg, &err) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct of_arena arenas[2];
	static struct of_buf bufs[2];
	static struct of_msg msg;
	static uint8_t bytes[OF_MSG_MAX];

	if (size < OF_HEADER_SIZE || size > OF_MSG_MAX)
		return 0;
	memcpy(bytes, data, size);
	for (unsigned i = 0; i < 2; i++) {
		of_arena_reset(&arenas[i]);
		bufs[i].size = 0;
		bufs[i].failed = false;
	}
	if (!decode(bytes, size, &arenas[0], &msg))
		return 0;
	/* The canonical form may be longer than the largest message, never otherwise fail. */
	int rc = of_msg_encode(&msg, &bufs[0]);
	if (rc == -EMSGSIZE || bufs[0].failed)
		return 0;
	if (rc != 0 || !decode(bufs[0].data, bufs[0].size, &arenas[1], &msg) ||
	    of_msg_encode(&msg, &bufs[1]) != 0)
		abort();
	if (bufs[0].size != bufs[1].size || memcmp(bufs[0].data, bufs[1].data, bufs[0].size) != 0)
		abort();
	return 0;
}
