/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as one OpenFlow message: it decodes or is refused with an error.
 */
#include <stdlib.h>

#include "openflow/of_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct of_arena arena;
	static struct of_msg msg;
	struct of_error err = {0xffff, 0xffff};

	of_arena_reset(&arena);
	if (size > OF_MSG_MAX)
		return 0;
	int rc = of_msg_decode(data, (uint16_t)size, &arena, &msg, &err);
	if (rc == -EPROTO && err.type == 0xffff)
		abort();
	if (rc == 0 && msg.type == OFPT_FLOW_MOD)
		of_insts_check(&msg.flow_mod.insts, &msg.flow_mod.match, &err);
	return 0;
}
