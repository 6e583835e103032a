/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion for a shell: `evsctl --complete "LINE UP TO THE CURSOR"` prints what its last word may
 * become, one a line. Names of bridges, ports and workers come from evsd, if it answers.
 */
#include <stdlib.h>
#include <string.h>

#include "evsctl/evsctl_pvt.h"

#define MAX_WORDS 64

struct line {
	char *words[MAX_WORDS]; /* the last one is to be completed, perhaps empty */
	int n;
};

static void offer(const char *prefix, const char *candidate, const char *suffix)
{
	if (!strncmp(candidate, prefix, strlen(prefix)))
		printf("%s%s\n", candidate, suffix);
}

/* Without the program's name and options. */
static void split(char *text, struct line *line)
{
	bool first = true, open = true, skip = false;
	char *save = NULL;

	open = *text == '\0' || text[strlen(text) - 1] == ' ';
	for (char *w = strtok_r(text, " ", &save); w && line->n < MAX_WORDS - 1;
	     w = strtok_r(NULL, " ", &save)) {
		if (!first && !skip && strncmp(w, "--", 2))
			line->words[line->n++] = w;
		skip = !first && !skip && !strcmp(w, "--socket");
		first = false;
	}
	if (open || line->n == 0)
		line->words[line->n++] = "";
}

static void offer_nouns(const char *prefix)
{
	char noun[32], verb[32], last[32] = "";

	for (unsigned i = 0; i < API_N_METHODS; i++) {
		api_method_words(api_methods[i], noun, verb);
		if (strcmp(noun, last))
			offer(prefix, noun, "");
		strcpy(last, noun);
	}
	offer(prefix, "top", "");
	offer(prefix, "help", "");
}

static void offer_verbs(const char *wanted, const char *prefix)
{
	char noun[32], verb[32];

	for (unsigned i = 0; i < API_N_METHODS; i++) {
		api_method_words(api_methods[i], noun, verb);
		if (!strcmp(noun, wanted) && *verb)
			offer(prefix, verb, "");
	}
}

/* Names that evsd knows: method, member of its rows. */
static void offer_names(const char *socket, const char *method, const char *key, const char *prefix)
{
	struct evsctl_conn *conn = evsctl_conn_open(socket, true);
	json_t *rows, *row, *error;
	char buf[64];
	size_t i;

	if (!conn)
		return;
	rows = evsctl_conn_call(conn, method, json_object(), &error);
	json_array_foreach (rows, i, row) {
		offer(prefix, evsctl_value_text(json_object_get(row, key), buf, sizeof(buf)), "");
	}
	json_decref(rows);
	json_decref(error);
	evsctl_conn_close(conn);
}

static void offer_choices(const char *key, const char *form, const char *prefix)
{
	char word[160];

	while (*form) {
		size_t len = strcspn(form, "|");

		snprintf(word, sizeof(word), "%s=%.*s", key, (int)len, form);
		offer(prefix, word, "");
		form += len + (form[len] == '|');
	}
}

static void offer_value(const struct api_method *method, const char *word)
{
	char key[64];
	const struct api_param *p;

	snprintf(key, sizeof(key), "%.*s", (int)strcspn(word, "="), word);
	p = api_param_lookup(method, key);
	if (p && p->kind == API_CHOICE)
		offer_choices(p->name, p->form, word);
	else if (p && p->kind == API_BOOL)
		offer_choices(p->name, "on|off", word);
}

static void offer_positional(const struct api_method *method, const struct api_param *p,
                             const char *word, const char *socket)
{
	bool is_new = strstr(method->name, ".add") != NULL;

	if (!strcmp(p->form, "BRIDGE") ||
	    (!strcmp(p->form, "NAME") && !strncmp(method->name, "bridge.", 7) && !is_new))
		offer_names(socket, "bridge.show", "name", word);
	else if (!strcmp(p->form, "PORT") ||
	         (!strcmp(p->form, "NAME") && !strncmp(method->name, "port.", 5) && !is_new))
		offer_names(socket, "port.show", "name", word);
	else if (!strcmp(p->form, "CPU") && !is_new)
		offer_names(socket, "worker.show", "cpu", word);
}

static void offer_params(const struct api_method *method, const struct line *line, int first,
                         const char *socket)
{
	const char *word = line->words[line->n - 1];
	int given = 0;

	if (strchr(word, '=')) {
		offer_value(method, word);
		return;
	}
	for (int i = first; i < line->n - 1; i++)
		given += strchr(line->words[i], '=') == NULL;
	for (const struct api_param *p = method->params; p && p->name; p++) {
		if (!(p->flags & API_POS))
			offer(word, p->name, "=");
		else if (given-- == 0)
			offer_positional(method, p, word, socket);
	}
}

int evsctl_complete(const char *text, const char *socket)
{
	struct line line = {.n = 0};
	char *copy = strdup(text), name[80];
	const struct api_method *method;

	if (!copy)
		return EVSCTL_REFUSED;
	split(copy, &line);
	method = api_method_lookup(line.words[0], NULL);
	if (line.n == 1) {
		offer_nouns(line.words[0]);
	} else if (method) {
		offer_params(method, &line, 1, socket);
	} else if (line.n == 2) {
		offer_verbs(line.words[0], line.words[1]);
	} else {
		snprintf(name, sizeof(name), "%.30s.%.40s", line.words[0], line.words[1]);
		method = api_method_lookup(name, NULL);
		if (method)
			offer_params(method, &line, 2, socket);
	}
	free(copy);
	return EVSCTL_OK;
}
