/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of calls: reading and merging. Threads: control.
 */
#include "control/ctl_pvt.h"

#include <stdio.h>

const char *ctl_param_str(const json_t *params, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(params, name));

	return text ? text : otherwise;
}

uint64_t ctl_param_uint(const json_t *params, const char *name, uint64_t otherwise)
{
	const json_t *value = json_object_get(params, name);

	return json_is_integer(value) ? (uint64_t)json_integer_value(value) : otherwise;
}

bool ctl_param_bool(const json_t *params, const char *name, bool otherwise)
{
	const json_t *value = json_object_get(params, name);

	return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

json_t *ctl_params_merge(const json_t *old, const json_t *change)
{
	json_t *merged = old ? json_deep_copy(old) : json_object();
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)change, key, value) {
		if (json_is_null(value))
			json_object_del(merged, key);
		else
			json_object_set(merged, key, value);
	}
	return merged;
}

const char *ctl_mac_text(const uint8_t mac[6], char text[CTL_MAC_LEN])
{
	snprintf(text, CTL_MAC_LEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
	         mac[4], mac[5]);
	return text;
}
