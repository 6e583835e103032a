/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results for people: a table where the method has columns, else names and values.
 */
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evsctl/evsctl_pvt.h"

#define OFPORT_LOCAL 0xfffffffe
#define BAR_LEN      10

const json_t *evsctl_member(const json_t *object, const char *dotted)
{
	char key[64];

	while (dotted && object) {
		size_t len = strcspn(dotted, ".");

		snprintf(key, sizeof(key), "%.*s", (int)len, dotted);
		object = json_object_get(object, key);
		dotted = dotted[len] ? dotted + len + 1 : NULL;
	}
	return object;
}

static const char *real_text(double value, char *buf, size_t size)
{
	size_t len = (size_t)snprintf(buf, size, "%.2f", value);

	while (len && buf[len - 1] == '0')
		buf[--len] = '\0';
	if (len && buf[len - 1] == '.')
		buf[--len] = '\0';
	return buf;
}

const char *evsctl_value_text(const json_t *value, char *buf, size_t size)
{
	char *text;

	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		return json_string_value(value);
	case JSON_INTEGER:
		snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return buf;
	case JSON_REAL:
		return real_text(json_real_value(value), buf, size);
	case JSON_TRUE:
		return "yes";
	case JSON_FALSE:
		return "no";
	case JSON_NULL:
		return "-";
	default:
		break;
	}
	text = json_dumps(value, JSON_COMPACT);
	snprintf(buf, size, "%s", text ? text : "?");
	free(text);
	return buf;
}

/* "######....  60 %" */
static const char *bar(const json_t *value, char *buf, size_t size)
{
	double percent = json_number_value(value);
	int full = percent > 100 ? BAR_LEN : (int)(percent * BAR_LEN / 100 + 0.5);

	if (!json_is_number(value))
		return "-";
	snprintf(buf, size, "%.*s%.*s %3.0f %%", full, "####################", BAR_LEN - full,
	         "....................", percent);
	return buf;
}

static const char *cell(const struct api_column *column, const json_t *row, char *buf, size_t size)
{
	const json_t *value = evsctl_member(row, column->key);

	if (column->flags & API_COL_BAR)
		return bar(value, buf, size);
	if ((column->flags & API_COL_OFPORT) && json_integer_value(value) == OFPORT_LOCAL)
		return "LOCAL";
	return evsctl_value_text(value, buf, size);
}

static void print_table(const struct api_column *columns, json_t *rows)
{
	struct libscols_table *table = scols_new_table();
	char buf[4096];
	json_t *row;
	size_t i;

	scols_table_enable_noheadings(table, 0);
	for (const struct api_column *c = columns; c->title; c++)
		scols_table_new_column(table, c->title, 0,
		                       (c->flags & API_COL_RIGHT ? SCOLS_FL_RIGHT : 0) |
		                               (c->flags & API_COL_LONG ? SCOLS_FL_WRAP : 0));
	json_array_foreach (rows, i, row) {
		struct libscols_line *line = scols_table_new_line(table, NULL);
		size_t n = 0;

		for (const struct api_column *c = columns; c->title; c++)
			scols_line_set_data(line, n++, cell(c, row, buf, sizeof(buf)));
	}
	if (!isatty(STDOUT_FILENO))
		scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
	scols_print_table(table);
	scols_unref_table(table);
}

static bool is_plain(const json_t *value)
{
	const json_t *item;
	size_t i;

	if (json_is_object(value))
		return json_object_size(value) == 0;
	json_array_foreach ((json_t *)(uintptr_t)value, i, item) {
		if (json_is_object(item) || json_is_array(item))
			return false;
	}
	return true;
}

static void print_list(const json_t *list)
{
	char buf[4096];
	const json_t *item;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
		printf("%s%s", i ? ", " : "", evsctl_value_text(item, buf, sizeof(buf)));
	}
	printf("%s\n", i ? "" : "-");
}

static void print_pairs(json_t *object, int indent)
{
	size_t width = 0;
	char buf[4096];
	const char *key;
	json_t *value;

	json_object_foreach (object, key, value) {
		width = EVS_MAX(width, strlen(key));
	}
	json_object_foreach (object, key, value) {
		printf("%*s%-*s", indent, "", (int)width + 2, key);
		if (json_is_object(value) && json_object_size(value)) {
			printf("\n");
			print_pairs(value, indent + 2);
		} else if (json_is_object(value)) {
			printf("-\n");
		} else if (json_is_array(value) && is_plain(value)) {
			print_list(value);
		} else {
			printf("%s\n", evsctl_value_text(value, buf, sizeof(buf)));
		}
	}
}

/* Rows with a text each, or an object with a list of texts. */
static void print_lines(const struct api_column *column, const json_t *result)
{
	const json_t *list = json_is_array(result) ? result : evsctl_member(result, column->key);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *row = json_array_get(list, i);
		const char *text = json_string_value(
		        json_is_object(row) ? evsctl_member(row, column->key) : row);

		printf("%s\n", text ? text : "");
	}
}

/* One object was asked for by name: it is shown in full. */
static bool in_full(const struct evsctl_request *request, const json_t *rows)
{
	const struct api_param *first = request->method->params;

	return first && first->name && (first->flags & API_POS) && !(first->flags & API_REQUIRED) &&
	       json_object_get(request->params, first->name) && json_array_size(rows) == 1;
}

static void print_warnings(json_t *result)
{
	json_t *warnings = json_object_get(result, "warnings"), *text;
	size_t i;

	json_array_foreach (warnings, i, text) {
		fprintf(stderr, "evsctl: warning: %s\n", json_string_value(text));
	}
}

void evsctl_print(const struct evsctl_request *request, json_t *result)
{
	const struct api_method *method = request->method;

	if (json_is_array(result) && in_full(request, result)) {
		print_pairs(json_array_get(result, 0), 0);
	} else if (method->columns && (method->columns[0].flags & API_COL_LINE)) {
		print_lines(method->columns, result);
	} else if (json_is_array(result) && method->columns) {
		print_table(method->columns, result);
	} else if (!strcmp(method->name, "config.show") || !strncmp(method->name, "rpc.", 4)) {
		json_dumpf(result, stdout, JSON_INDENT(2));
		printf("\n");
	} else if (method->flags & API_READ) {
		print_pairs(result, 0);
	} else {
		print_warnings(result); /* done: nothing to say */
	}
}
