/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of errors.
 * Threads: any; the table is constant.
 */
#include "openflow/of_error.h"

int of_error_set(struct of_error *err, enum of_error_no number)
{
	if (err != NULL) {
		err->type = (uint16_t)((uint32_t)number >> 16);
		err->code = (uint16_t)number;
	}
	return -EPROTO;
}

const char *of_error_name(struct of_error err)
{
	switch ((uint32_t)err.type << 16 | err.code) {
#define X(type_name, type, prefix, name, code)                                                     \
	case (uint32_t)(type) << 16 | (code):                                                      \
		return #prefix "_" #name;
		OF_ERRORS(X)
#undef X
	}
	return "unknown error";
}
