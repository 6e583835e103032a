/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the control room: calls, transactions, clients. Threads: control.
 *
 * A call is one method with checked parameters. Its handler `ctl_<id>` leaves result, or err and a
 * negative errno, or returns CTL_PENDING and calls ctl_call_finish later, when a grace period let
 * it end. Handlers of reads run at once. Writes run within a transaction, one at a time.
 */
#ifndef CTL_PVT_H
#define CTL_PVT_H

#include <sys/queue.h>

#include "api/api.h"
#include "api/api_rpc.h"
#include "base/evs_log.h"
#include "control/ctl.h"

#define CTL_PENDING 1

struct ctl_client;

struct ctl_call {
	const struct api_method *method;
	enum api_id id;
	json_t *params; /* canonical; owned */
	json_t *result; /* owned; NULL counts as {} */
	struct evs_error err;
	json_t *err_data;          /* members of the error's data; owned; NULL: none */
	struct ctl_client *client; /* NULL: evsd's own call */
	void *priv;                /* of the handler while it is pending */

	/* of the runner */
	void (*finished)(struct ctl_call *call, int ret);
	void *runner;
	uint8_t state;
	int ret;
	int handled; /* what the handler returned */
};

typedef int ctl_handler(struct ctl_call *call);
#define X(id) ctl_handler ctl_##id;
API_METHODS(X)
#undef X

/* Checks params and readies a call. -EINVAL with call->err. The caller frees with ctl_call_fini
 * in any case. */
int ctl_call_init(struct ctl_call *call, const struct api_method *method, enum api_id id,
                  const json_t *params);
void ctl_call_fini(struct ctl_call *call);
/* 0, negative errno, or CTL_PENDING: then call->finished is called later. */
int ctl_call_run(struct ctl_call *call);
void ctl_call_finish(struct ctl_call *call, int ret);
/* Adds a sentence to result.warnings: done, but not all of it. */
void ctl_call_warn(struct ctl_call *call, const char *fmt, ...) EVS_PRINTF(2, 3);
json_t *ctl_call_result(struct ctl_call *call); /* the result object, made if need be */

/* Parameters by name; the default if absent or null. */
const char *ctl_param_str(const json_t *params, const char *name, const char *otherwise);
uint64_t ctl_param_uint(const json_t *params, const char *name, uint64_t otherwise);
bool ctl_param_bool(const json_t *params, const char *name, bool otherwise);
/* old with the members of change laid over it; null removes. A new object. */
json_t *ctl_params_merge(const json_t *old, const json_t *change);

#define CTL_MAC_LEN 18
const char *ctl_mac_text(const uint8_t mac[6], char text[CTL_MAC_LEN]); /* lower case */

/* Transactions (ctl_txn.c). */
struct ctl_txn;
typedef void ctl_txn_done(struct ctl_txn *txn, int ret, void *arg);
/* Queues a list of writes [{"method", "params"}, …]; done is called once, perhaps before this
 * returns, and may look at the fields below. */
struct ctl_txn {
	STAILQ_ENTRY(ctl_txn) link;
	json_t *calls; /* what is to be run */
	size_t at;
	bool keep_going; /* restore: a refused call is logged and noted, the rest goes on */
	bool undoing;
	int ret;
	size_t failed; /* index of the call that was refused */
	struct evs_error err;
	bool params_wrong; /* refused before anything was tried: its parameters */
	json_t *results;
	json_t *before; /* document to go back to */
	struct ctl_call call;
	struct ctl_client *client;
	ctl_txn_done *done;
	void *arg;
};
void ctl_txn_run(json_t *calls_new, struct ctl_client *client, ctl_txn_done *done, void *arg);
bool ctl_txn_idle(void); /* no transaction is under way or waits */
void ctl_txn_restore(json_t *calls_new, ctl_txn_done *done, void *arg);

/* The configuration document (ctl_conf.c): kind -> name -> parameters of the kind's add method. */
int ctl_conf_init(const char *file, struct evs_error *err);
void ctl_conf_fini(void);
json_t *ctl_conf_document(void);                          /* borrowed */
json_t *ctl_conf_get(const char *kind, const char *name); /* borrowed; NULL: absent */
void ctl_conf_put(const char *kind, const char *name, const json_t *params);
void ctl_conf_del(const char *kind, const char *name);
int ctl_conf_save(struct evs_error *err); /* if it changed since */
int ctl_conf_write(const char *file, struct evs_error *err);
int ctl_conf_read(const char *file, json_t **documentp, struct evs_error *err);
/* Calls that lead from one document to another. undo: sets are known to be possible. */
json_t *ctl_conf_plan(const json_t *from, const json_t *to, bool undo);
/* What could not be restored, with the reason: [{"kind", "name", "error"}]; borrowed. */
json_t *ctl_conf_failed(void);
/* An add call of the document was refused. false: for the same reason as before. */
bool ctl_conf_note_failed(const json_t *call, const char *why);
/* Why an object could not be restored, and its place in that list (at may be NULL). NULL: it was.
 */
const char *ctl_conf_failure(const char *kind, const char *name, size_t *at);
json_t *ctl_conf_failed_calls(void); /* the add calls of them all */

/* Tries again what could not be restored (ctl_retry.c). */
int ctl_retry_init(struct evs_error *err);
void ctl_retry_begin(void); /* after the first restore */
void ctl_retry_fini(void);

/* Server (ctl_rpc.c). */
/* What `log level default` goes back to. */
void ctl_log_remember_defaults(void);

int ctl_rpc_init(struct evs_error *err);
void ctl_rpc_fini(void);

/* Metrics (ctl_http.c). */
int ctl_http_init(const char *where, struct evs_error *err);
void ctl_http_fini(void);

bool ctl_client_topic(struct ctl_client *client, const char *topic, bool on);
/* Topics one may subscribe to; ends with NULL. */
extern const char *const ctl_topics[];

#endif
