/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking of parameters against the table. Threads: any. Reads what foreign clients sent.
 *
 * Texts are taken where the kind has a text form, so that evsctl and scripts need not know kinds.
 */
#include "api/api.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value as a short text for an error message. */
static const char *show(const json_t *value, char buf[64])
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	size_t len = text ? strlen(text) : 0;

	snprintf(buf, 64, "%.58s%s", text ? text : "?", len > 58 ? "..." : "");
	free(text);
	return buf;
}

static json_t *wrong(const struct api_param *param, const json_t *value, struct evs_error *err,
                     const char *what)
{
	char buf[64];

	evs_error_set(err, -EINVAL, "parameter '%s': %s is not %s", param->name, show(value, buf),
	              what);
	return NULL;
}

static json_t *check_name(const struct api_param *param, const json_t *value, struct evs_error *err)
{
	const char *text = json_string_value(value);
	size_t len = text ? json_string_length(value) : 0;

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("._:@-", text[i]))
			len = 0;
	if (len == 0 || len > 63 || text[0] == '.' || text[0] == '-' || strlen(text) != len)
		return wrong(
		        param, value, err,
		        "a name: use 1 to 63 letters, digits, or one of . _ : @ - (not first)");
	return json_string(text);
}

static bool parse_uint(const json_t *value, uint64_t *out)
{
	const char *text = json_string_value(value);
	char *end;

	if (json_is_integer(value)) {
		*out = (uint64_t)json_integer_value(value);
		return json_integer_value(value) >= 0;
	}
	if (!text || !isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*out = strtoull(text, &end, 0);
	return errno == 0 && *end == '\0';
}

static json_t *check_uint(const struct api_param *param, const json_t *value, struct evs_error *err)
{
	char range[96];
	uint64_t n;

	if (parse_uint(value, &n) && n >= param->min && n <= param->max)
		return json_integer((json_int_t)n);
	snprintf(range, sizeof(range), "a number from %" PRIu64 " to %" PRIu64, param->min,
	         param->max);
	return wrong(param, value, err, range);
}

static json_t *check_bool(const struct api_param *param, const json_t *value, struct evs_error *err)
{
	static const char *const yes[] = {"true", "on", "yes", "1"};
	static const char *const no[] = {"false", "off", "no", "0"};
	const char *text = json_string_value(value);

	if (json_is_boolean(value))
		return json_boolean(json_is_true(value));
	for (unsigned i = 0; text && i < EVS_ARRAY_LEN(yes); i++) {
		if (!strcmp(text, yes[i]))
			return json_true();
		if (!strcmp(text, no[i]))
			return json_false();
	}
	return wrong(param, value, err, "a switch: use on or off");
}

static json_t *check_choice(const struct api_param *param, const json_t *value,
                            struct evs_error *err)
{
	const char *text = json_string_value(value);
	size_t len = text ? strlen(text) : 0;
	char what[160];

	for (const char *c = param->form; len && c; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
		if (!strncmp(c, text, len) && (c[len] == '|' || c[len] == '\0'))
			return json_string(text);
	snprintf(what, sizeof(what), "one of %s", param->form);
	return wrong(param, value, err, what);
}

static json_t *check_mac(const struct api_param *param, const json_t *value, struct evs_error *err)
{
	const char *text = json_string_value(value);
	char mac[18];

	if (!text || strlen(text) != 17)
		return wrong(param, value, err, "a MAC address like 02:00:00:00:00:01");
	for (unsigned i = 0; i < 17; i++) {
		mac[i] = (char)tolower((unsigned char)text[i]);
		if (i % 3 == 2 ? mac[i] != ':' : !isxdigit((unsigned char)mac[i]))
			return wrong(param, value, err, "a MAC address like 02:00:00:00:00:01");
	}
	mac[17] = '\0';
	return json_string(mac);
}

static json_t *check_dpid(const struct api_param *param, const json_t *value, struct evs_error *err)
{
	const char *text = json_string_value(value);
	char dpid[17];

	if (text && !strncmp(text, "0x", 2))
		text += 2;
	if (!text || !*text || strlen(text) > 16 ||
	    strspn(text, "0123456789abcdefABCDEF") != strlen(text))
		return wrong(param, value, err, "a datapath id: up to 16 hexadecimal digits");
	snprintf(dpid, sizeof(dpid), "%016" PRIx64, (uint64_t)strtoull(text, NULL, 16));
	return json_string(dpid);
}

/* One item of "1,5-10"; returns behind it, or NULL. */
static const char *parse_vlan_item(const char *text, unsigned *first, unsigned *last)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return NULL;
	*first = *last = (unsigned)strtoul(text, &end, 10);
	if (*end == '-') {
		if (!isdigit((unsigned char)end[1]))
			return NULL;
		*last = (unsigned)strtoul(end + 1, &end, 10);
	}
	return *first <= *last && *last <= 4095 ? end : NULL;
}

static bool vlans_valid(const char *text)
{
	unsigned first, last;

	if (!text || strlen(text) > 8192)
		return false;
	do {
		text = parse_vlan_item(text, &first, &last);
	} while (text && *text == ',' && text++);
	return text && *text == '\0';
}

void api_vlans_to_bitmap(const char *vlans, uint8_t bitmap[512])
{
	unsigned first, last;

	memset(bitmap, 0, 512);
	while ((vlans = parse_vlan_item(vlans, &first, &last))) {
		for (unsigned v = first; v <= last; v++)
			bitmap[v / 8] |= (uint8_t)(1u << v % 8);
		if (*vlans++ != ',')
			return;
	}
}

static json_t *vlans_from_array(const json_t *array)
{
	char text[8200];
	size_t used = 0;

	if (json_array_size(array) == 0 || json_array_size(array) > 1024)
		return NULL;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *item = json_array_get(array, i);

		if (!json_is_integer(item) || json_integer_value(item) < 0 ||
		    json_integer_value(item) > 4095)
			return NULL;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%d", i ? "," : "",
		                         (int)json_integer_value(item));
	}
	return json_string(text);
}

static json_t *check_vlans(const struct api_param *param, const json_t *value,
                           struct evs_error *err)
{
	json_t *out = NULL;
	uint64_t n;

	if (json_is_array(value))
		out = vlans_from_array(value);
	else if (json_is_integer(value) && parse_uint(value, &n) && n <= 4095)
		out = json_sprintf("%u", (unsigned)n);
	else if (vlans_valid(json_string_value(value)))
		out = json_string(json_string_value(value));
	return out ? out
	           : wrong(param, value, err, "a list of VLAN ids from 0 to 4095 like 1,5-10");
}

static json_t *check_strs(const struct api_param *param, const json_t *value, struct evs_error *err)
{
	if (json_is_string(value))
		return json_pack("[O]", value);
	if (!json_is_array(value) || json_array_size(value) == 0)
		return wrong(param, value, err, "a text or a list of texts");
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!json_is_string(json_array_get(value, i)))
			return wrong(param, json_array_get(value, i), err, "a text");
	return json_deep_copy(value);
}

static json_t *check_calls(const struct api_param *param, const json_t *value,
                           struct evs_error *err)
{
	if (!json_is_array(value) || json_array_size(value) == 0)
		return wrong(param, value, err, "a list of {\"method\": ..., \"params\": ...}");
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *call = json_array_get(value, i);
		const json_t *params = json_object_get(call, "params");

		if (!json_is_string(json_object_get(call, "method")) ||
		    (params && !json_is_object(params)))
			return wrong(param, call, err, "{\"method\": ..., \"params\": {...}}");
	}
	return json_deep_copy(value);
}

static json_t *check_str(const struct api_param *param, const json_t *value, struct evs_error *err)
{
	if (json_is_integer(value) && (param->flags & API_NUMBER))
		return json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
		return wrong(param, value, err, "a text");
	return json_string(json_string_value(value));
}

json_t *api_value_check(const struct api_param *param, const json_t *value, struct evs_error *err)
{
	switch (param->kind) {
	case API_NAME:
		return check_name(param, value, err);
	case API_UINT:
		return check_uint(param, value, err);
	case API_BOOL:
		return check_bool(param, value, err);
	case API_CHOICE:
		return check_choice(param, value, err);
	case API_MAC:
		return check_mac(param, value, err);
	case API_DPID:
		return check_dpid(param, value, err);
	case API_VLANS:
		return check_vlans(param, value, err);
	case API_STRS:
		return check_strs(param, value, err);
	case API_CALLS:
		return check_calls(param, value, err);
	case API_STR:
		break;
	}
	return check_str(param, value, err);
}

static int unknown_param(const struct api_method *method, const char *key, struct evs_error *err)
{
	char names[400] = "no parameters";
	size_t used = 0;

	for (const struct api_param *p = method->params; p && p->name && used < sizeof(names); p++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
		                         used ? ", " : "", p->name);
	return evs_error_set(err, -EINVAL, "%s has no parameter '%.40s': it takes %s", method->name,
	                     key, names);
}

/* Options of port types: texts, numbers and switches, kept as texts. */
static int check_open(json_t *out, const char *key, const json_t *value, struct evs_error *err)
{
	char name[64];
	json_t *text = NULL;

	if (!*key || strlen(key) >= sizeof(name))
		return evs_error_set(err, -EINVAL, "parameter name '%.70s' is too long or empty",
		                     key);
	for (size_t i = 0; i <= strlen(key); i++)
		name[i] = key[i] == '_' ? '-' : key[i];
	if (json_is_string(value))
		text = json_string(json_string_value(value));
	else if (json_is_integer(value))
		text = json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		text = json_string(json_is_true(value) ? "on" : "off");
	else if (json_is_null(value))
		text = json_null();
	if (!text)
		return evs_error_set(err, -EINVAL,
		                     "parameter '%s': give a text, a number, or a switch", name);
	if (json_object_get(out, name)) {
		json_decref(text);
		return evs_error_set(err, -EINVAL, "parameter '%s' is given twice", name);
	}
	return json_object_set_new(out, name, text) ? -ENOMEM : 0;
}

static int check_one(const struct api_method *method, json_t *out, const char *key,
                     const json_t *value, struct evs_error *err)
{
	const struct api_param *param = api_param_lookup(method, key);
	json_t *canonical;

	if (!param && !(method->flags & API_OPEN))
		return unknown_param(method, key, err);
	if (!param)
		return check_open(out, key, value, err);
	if (json_object_get(out, param->name))
		return evs_error_set(err, -EINVAL, "parameter '%s' is given twice", param->name);
	if (json_is_null(value) && (param->flags & API_NULL))
		canonical = json_null();
	else
		canonical = api_value_check(param, value, err);
	if (!canonical)
		return err->code ? err->code : -ENOMEM;
	return json_object_set_new(out, param->name, canonical) ? -ENOMEM : 0;
}

static int check_required(const struct api_method *method, const json_t *out, struct evs_error *err)
{
	for (const struct api_param *p = method->params; p && p->name; p++)
		if ((p->flags & API_REQUIRED) && !json_object_get(out, p->name))
			return evs_error_set(err, -EINVAL, "%s needs parameter '%s': %s",
			                     method->name, p->name, p->help);
	return 0;
}

int api_params_check(const struct api_method *method, const json_t *params, json_t **outp,
                     struct evs_error *err)
{
	json_t *out = json_object();
	const char *key;
	json_t *value;
	int ret = 0;

	err->code = 0;
	if (params && !json_is_object(params))
		ret = evs_error_set(err, -EINVAL,
		                    "parameters of %s must be an object of name and value",
		                    method->name);
	if (ret == 0 && params)
		json_object_foreach ((json_t *)(uintptr_t)params, key, value) {
			ret = check_one(method, out, key, value, err);
			if (ret)
				break;
		}
	if (ret == 0)
		ret = check_required(method, out, err);
	if (ret) {
		json_decref(out);
		return ret;
	}
	*outp = out;
	return 0;
}
