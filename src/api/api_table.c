/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking methods and parameters up, and showing them. Threads: any.
 */
#include "api/api.h"

#include <stdio.h>
#include <string.h>

const struct api_method *const api_methods[API_N_METHODS] = {
#define X(id) [API_ID_##id] = &api_##id,
        API_METHODS(X)
#undef X
};

const struct api_method *api_method_lookup(const char *name, enum api_id *idp)
{
	for (unsigned i = 0; i < API_N_METHODS; i++) {
		if (strcmp(api_methods[i]->name, name))
			continue;
		if (idp)
			*idp = (enum api_id)i;
		return api_methods[i];
	}
	return NULL;
}

/* Edit distance of two short words; longer ones count as far apart. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[40], la = (unsigned)strlen(a), lb = (unsigned)strlen(b);

	if (la >= EVS_ARRAY_LEN(row) || lb >= EVS_ARRAY_LEN(row))
		return 1000;
	for (unsigned j = 0; j <= lb; j++)
		row[j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			unsigned above = row[j];
			unsigned best = corner + (a[i - 1] != b[j - 1]);

			best = EVS_MIN(best, above + 1);
			row[j] = EVS_MIN(best, row[j - 1] + 1);
			corner = above;
		}
	}
	return row[lb];
}

const char *api_method_suggest(const char *name)
{
	const char *best = NULL;
	unsigned best_distance = 4;

	for (unsigned i = 0; i < API_N_METHODS; i++) {
		unsigned d = distance(name, api_methods[i]->name);

		if (d < best_distance) {
			best_distance = d;
			best = api_methods[i]->name;
		}
	}
	return best;
}

static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !(*a == '-' && *b == '_'))
			return false;
	return *a == *b;
}

const struct api_param *api_param_lookup(const struct api_method *method, const char *name)
{
	for (const struct api_param *p = method->params; p && p->name; p++)
		if (same_name(p->name, name))
			return p;
	return NULL;
}

void api_method_words(const struct api_method *method, char noun[32], char verb[32])
{
	const char *dot = strchr(method->name, '.');

	if (!dot) {
		snprintf(noun, 32, "%s", method->name);
		verb[0] = '\0';
		return;
	}
	snprintf(noun, 32, "%.*s", (int)(dot - method->name), method->name);
	snprintf(verb, 32, "%s", dot + 1);
}

static size_t usage_param(const struct api_param *p, char *buf, size_t size)
{
	bool optional = !(p->flags & API_REQUIRED);
	const char *open = optional ? "[" : "", *close = optional ? "]" : "";
	const char *more = p->flags & API_REST ? "..." : "";

	if (p->flags & API_POS)
		return (size_t)snprintf(buf, size, " %s%s%s%s", open, p->form, more, close);
	return (size_t)snprintf(buf, size, " %s%s=%s%s", open, p->name, p->form, close);
}

size_t api_method_usage(const struct api_method *method, char *buf, size_t size)
{
	char noun[32], verb[32], one[256];
	size_t used;

	api_method_words(method, noun, verb);
	used = (size_t)snprintf(buf, size, "%s%s%s", noun, *verb ? " " : "", verb);
	for (const struct api_param *p = method->params; p && p->name; p++) {
		usage_param(p, one, sizeof(one));
		used += (size_t)snprintf(used < size ? buf + used : NULL,
		                         used < size ? size - used : 0, "%s", one);
	}
	if (method->flags & API_OPEN)
		used += (size_t)snprintf(used < size ? buf + used : NULL,
		                         used < size ? size - used : 0, " [key=value...]");
	return used;
}

static const char *kind_name(enum api_kind kind)
{
	static const char *const names[] = {
	        [API_STR] = "string",   [API_NAME] = "name",     [API_UINT] = "integer",
	        [API_BOOL] = "boolean", [API_CHOICE] = "choice", [API_MAC] = "mac",
	        [API_DPID] = "dpid",    [API_VLANS] = "vlans",   [API_STRS] = "strings",
	        [API_CALLS] = "calls",
	};

	return names[kind];
}

static json_t *describe_param(const struct api_param *p)
{
	json_t *out = json_pack("{s:s, s:s, s:b, s:s, s:s}", "name", p->name, "kind",
	                        kind_name(p->kind), "required", !!(p->flags & API_REQUIRED), "form",
	                        p->form, "help", p->help);

	if (p->flags & API_POS)
		json_object_set_new(out, "positional", json_true());
	if (p->kind == API_UINT) {
		json_object_set_new(out, "min", json_integer((json_int_t)p->min));
		json_object_set_new(out, "max", json_integer((json_int_t)p->max));
	}
	return out;
}

json_t *api_method_describe(const struct api_method *method)
{
	json_t *params = json_array(), *columns = json_array();
	const char *access = method->flags & API_READ    ? "read"
	                     : method->flags & API_WRITE ? "write"
	                                                 : "act";

	for (const struct api_param *p = method->params; p && p->name; p++)
		json_array_append_new(params, describe_param(p));
	for (const struct api_column *c = method->columns; c && c->title; c++)
		json_array_append_new(columns, json_string(c->key));
	return json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:b, s:o, s:o}", "name", method->name,
	                 "access", access, "help", method->help, "more", method->more, "example",
	                 method->example, "open", !!(method->flags & API_OPEN), "params", params,
	                 "columns", columns);
}

json_t *api_describe(void)
{
	json_t *methods = json_array();

	for (unsigned i = 0; i < API_N_METHODS; i++)
		json_array_append_new(methods, api_method_describe(api_methods[i]));
	return methods;
}
