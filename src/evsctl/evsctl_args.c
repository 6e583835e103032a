/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of the command line to a method and its parameters, by the table of methods.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evsctl/evsctl_pvt.h"

static int wrong_method(const char *noun, const char *verb)
{
	char name[80];
	const char *near;

	snprintf(name, sizeof(name), "%.30s.%.40s", noun, verb ? verb : "");
	if (evsctl_help_noun(stderr, noun))
		return EVSCTL_USAGE;
	near = api_method_suggest(verb ? name : noun);
	fprintf(stderr, "evsctl: there is no '%s'", noun);
	if (near)
		fprintf(stderr, ": did you mean '%.*s'?", (int)strcspn(near, "."), near);
	fprintf(stderr, "\n'evsctl --help' lists the commands.\n");
	return EVSCTL_USAGE;
}

/* The method of the first words; *used says how many. */
static const struct api_method *find(int n, char **words, int *used)
{
	const struct api_method *method;
	char name[80];

	*used = 1;
	method = strchr(words[0], '.') ? NULL : api_method_lookup(words[0], NULL);
	if (method || n < 2)
		return method;
	*used = 2;
	snprintf(name, sizeof(name), "%.30s.%.40s", words[0], words[1]);
	return api_method_lookup(name, NULL);
}

static const struct api_param *next_positional(const struct api_method *method,
                                               const json_t *params)
{
	for (const struct api_param *p = method->params; p && p->name; p++)
		if ((p->flags & API_POS) &&
		    (!json_object_get(params, p->name) || (p->flags & API_REST)))
			return p;
	return NULL;
}

static json_t *text_value(const struct api_param *param, const char *text)
{
	char real[PATH_MAX];
	json_t *value;

	if (*text == '\0' && param && (param->flags & API_NULL))
		return json_null();
	if (param && param->kind == API_CALLS) {
		value = json_loads(text, 0, NULL);
		return value ? value : json_string(text);
	}
	if (param && (param->flags & API_FILE) && text[0] != '/' && getcwd(real, sizeof(real)))
		return json_sprintf("%s/%s", real, text);
	return json_string(text);
}

static void add_lines(json_t *list, FILE *in)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t size;

	while ((size = getline(&line, &cap, in)) >= 0) {
		if (size && line[size - 1] == '\n')
			line[size - 1] = '\0';
		if (json_array_append_new(list, json_string(line))) /* refused with its number */
			json_array_append_new(list, json_string("(not valid UTF-8)"));
	}
	free(line);
	if (json_array_size(list) == 0)
		json_array_append_new(list, json_string(""));
}

/* The lines of a file, or of the standard input. */
static json_t *lines_value(const char *path)
{
	bool is_stdin = !strcmp(path, "-");
	FILE *in = is_stdin ? stdin : fopen(path, "re");
	json_t *list;

	if (!in) {
		fprintf(stderr, "evsctl: cannot read '%s': %s\n", path, strerror(errno));
		return NULL;
	}
	list = json_array();
	add_lines(list, in);
	if (ferror(in)) {
		fprintf(stderr, "evsctl: cannot read '%s': %s\n", path, strerror(errno));
		json_decref(list);
		list = NULL;
	}
	if (!is_stdin)
		fclose(in);
	return list;
}

static int bad(const char *why, const char *what)
{
	fprintf(stderr, "evsctl: %s '%s'\n", why, what);
	return EVSCTL_USAGE;
}

static int put(json_t *params, const struct api_param *param, const char *text)
{
	bool lines = param->flags & API_LINES;
	json_t *value = lines ? lines_value(text) : text_value(param, text);
	json_t *list = json_object_get(params, param->name);

	if (!value && lines)
		return EVSCTL_USAGE;
	if (!value)
		return bad("not valid UTF-8:", param->name);
	if (!(param->flags & API_REST)) {
		if (list) {
			json_decref(value);
			return bad("given twice:", param->name);
		}
		json_object_set_new(params, param->name, value);
		return 0;
	}
	if (!list) {
		list = json_array();
		json_object_set_new(params, param->name, list);
	}
	json_array_append_new(list, value);
	return 0;
}

static int put_open(json_t *params, const char *key, const char *text)
{
	json_t *value = *text ? json_string(text) : json_null();

	if (json_object_get(params, key)) {
		json_decref(value);
		return bad("given twice:", key);
	}
	return json_object_set_new(params, key, value) ? bad("not valid UTF-8:", key) : 0;
}

static int put_word(const struct api_method *method, json_t *params, const char *word)
{
	const char *equals = strchr(word, '=');
	char key[64] = "";
	const struct api_param *named = NULL, *positional = next_positional(method, params);

	if (equals && (size_t)(equals - word) < sizeof(key)) {
		memcpy(key, word, (size_t)(equals - word));
		named = api_param_lookup(method, key);
	}
	if (named)
		return put(params, named, equals + 1);
	if (positional)
		return put(params, positional, word);
	if (key[0] && (method->flags & API_OPEN))
		return put_open(params, key, equals + 1);
	return bad(equals ? "unknown option" : "one word too many, or its '=' is missing:", word);
}

static int usage(const struct api_method *method, const char *why)
{
	char line[1024];

	api_method_usage(method, line, sizeof(line));
	if (why)
		fprintf(stderr, "evsctl: %s\n", why);
	fprintf(stderr, "usage: evsctl %s\n", line);
	return EVSCTL_USAGE;
}

int evsctl_args_parse(int n, char **words, struct evsctl_request *request)
{
	struct evs_error err = {0};
	json_t *params, *checked;
	int used, ret = 0;

	request->method = find(n, words, &used);
	if (!request->method)
		return wrong_method(words[0], n > 1 ? words[1] : NULL);
	params = json_object();
	for (int i = used; i < n && ret == 0; i++)
		ret = put_word(request->method, params, words[i]);
	if (ret) {
		usage(request->method, NULL);
	} else if (api_params_check(request->method, params, &checked, &err)) {
		ret = usage(request->method, err.text);
	} else {
		json_decref(params);
		params = checked;
	}
	if (ret)
		json_decref(params);
	else
		request->params = params;
	return ret;
}
