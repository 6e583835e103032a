/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evsctl, the client: words to a request, a result to a table. One thread; no DPDK.
 */
#ifndef EVSCTL_PVT_H
#define EVSCTL_PVT_H

#include <stdio.h>

#include "api/api.h"
#include "api/api_rpc.h"

enum evsctl_status { EVSCTL_OK = 0, EVSCTL_REFUSED = 1, EVSCTL_USAGE = 2, EVSCTL_NO_EVSD = 3 };

#define EVSCTL_SOCKET "/run/evs/evs.sock"

/* evsctl_args.c: finds the method of the words and makes its parameters. 0, or EVSCTL_USAGE with
 * the reason on stderr. */
struct evsctl_request {
	const struct api_method *method;
	json_t *params;
};
int evsctl_args_parse(int n, char **words, struct evsctl_request *request);

/* evsctl_conn.c */
struct evsctl_conn;
/* NULL if no evsd answers; why is printed unless quiet. */
struct evsctl_conn *evsctl_conn_open(const char *path, bool quiet);
void evsctl_conn_close(struct evsctl_conn *conn);
/* The answer's result (a new reference), or NULL: *errorp is the error object then (NULL: the
 * connection broke). params is taken over. */
json_t *evsctl_conn_call(struct evsctl_conn *conn, const char *method, json_t *params_new,
                         json_t **errorp);
/* evsctl_parts.c: the same for a request, whose list of lines goes in as many parts as it needs. */
json_t *evsctl_conn_call_parts(struct evsctl_conn *conn, const struct evsctl_request *request,
                               json_t **errorp);
json_t *evsctl_conn_next(struct evsctl_conn *conn); /* the next message; NULL: end */

/* evsctl_print.c */
void evsctl_print(const struct evsctl_request *request, json_t *result);
const char *evsctl_value_text(const json_t *value, char *buf, size_t size);
const json_t *evsctl_member(const json_t *object, const char *dotted);

/* evsctl_help.c */
void evsctl_help(FILE *out);
void evsctl_help_method(FILE *out, const struct api_method *method);
bool evsctl_help_noun(FILE *out, const char *noun); /* false: there is no such noun */

int evsctl_complete(const char *line, const char *socket); /* evsctl_complete.c */
int evsctl_top(const char *socket, int n, char **words);   /* evsctl_top.c */

#endif
