/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: changes that are applied and saved wholly, or not at all. Threads: control.
 *
 * Every write, also a single one, runs as a transaction; one at a time, others wait in a queue.
 * Calls run in their order; one may be pending over many rounds of the loop. When all succeeded the
 * document is saved. If a call is refused, or saving fails, the calls that lead from the document
 * as it is back to the one before (ctl_conf_plan) are run instead. Invariant: what the document
 * says and what runs are the same whenever no transaction runs.
 */
#include <stdlib.h>

#include "base/evs_task.h"
#include "control/ctl_pvt.h"

static STAILQ_HEAD(, ctl_txn) queue = STAILQ_HEAD_INITIALIZER(queue);
static bool stepping; /* the head of the queue is within txn_step */

static bool waiting; /* until rules have been changed, over several turns */

static void txn_step(struct ctl_txn *txn);
static void start_next(void);

static void start_after(void *arg)
{
	waiting = false;
	start_next();
}

static bool has_to_wait(void)
{
	waiting = waiting || evs_task_after(start_after, NULL);
	return waiting;
}

static void start_next(void)
{
	struct ctl_txn *txn;

	while (!stepping && (txn = STAILQ_FIRST(&queue)) && txn->call.method == NULL &&
	       !has_to_wait()) {
		stepping = true;
		if (!txn->before)
			txn->before = json_deep_copy(ctl_conf_document());
		txn_step(txn);
		stepping = false;
	}
}

static void txn_end(struct ctl_txn *txn)
{
	STAILQ_REMOVE_HEAD(&queue, link);
	txn->done(txn, txn->ret, txn->arg);
	json_decref(txn->calls);
	json_decref(txn->results);
	json_decref(txn->before);
	free(txn);
}

static void txn_undo(struct ctl_txn *txn)
{
	json_decref(txn->calls);
	txn->calls = ctl_conf_plan(ctl_conf_document(), txn->before, true);
	txn->undoing = true;
	txn->at = 0;
}

static void call_failed(struct ctl_txn *txn, int ret)
{
	if (txn->keep_going) {
		if (ctl_conf_note_failed(json_array_get(txn->calls, txn->at), txn->call.err.text))
			EVS_LOG(control, ERR, "not restored, will be tried again: %s",
			        txn->call.err.text);
		txn->at++;
		return;
	}
	if (txn->undoing) {
		EVS_LOG(control, ERR, "can not undo a change: %s", txn->call.err.text);
		txn->at++;
		return;
	}
	txn->ret = ret;
	txn->err = txn->call.err;
	txn->failed = txn->at;
	txn_undo(txn);
}

/* The call ended: keep what it said and go to the next one. */
static void call_ended(struct ctl_txn *txn, int ret)
{
	if (ret < 0) {
		call_failed(txn, ret);
	} else {
		if (!txn->undoing)
			json_array_append_new(txn->results, txn->call.result
			                                            ? json_incref(txn->call.result)
			                                            : json_object());
		txn->at++;
	}
	ctl_call_fini(&txn->call);
	txn->call.method = NULL;
}

static void call_finished(struct ctl_call *call, int ret)
{
	call_ended(call->runner, ret);
	start_next();
}

static int refuse(struct ctl_txn *txn, const char *name)
{
	const char *near = api_method_suggest(name);

	txn->params_wrong = !txn->undoing;
	return evs_error_set(&txn->call.err, -EINVAL, "unknown method '%.60s'%s%s", name,
	                     near ? ": did you mean " : ": rpc.describe lists them",
	                     near ? near : "");
}

static int call_start(struct ctl_txn *txn, const json_t *item)
{
	const char *name = json_string_value(json_object_get(item, "method"));
	enum api_id id;
	const struct api_method *method = api_method_lookup(name, &id);
	int ret;

	if (!method)
		return refuse(txn, name);
	if (!(method->flags & API_WRITE) || id == API_ID_transaction)
		return evs_error_set(
		        &txn->call.err, -EINVAL,
		        "%s can not be part of a transaction: only methods that change "
		        "the configuration can",
		        name);
	ret = ctl_call_init(&txn->call, method, id, json_object_get(item, "params"));
	txn->params_wrong = ret < 0 && !txn->undoing;
	if (ret)
		return ret;
	txn->call.client = txn->client;
	txn->call.finished = call_finished;
	txn->call.runner = txn;
	return ctl_call_run(&txn->call);
}

static bool txn_save(struct ctl_txn *txn)
{
	struct evs_error err = {0};

	if (ctl_conf_save(&err) == 0)
		return true;
	EVS_LOG(control, ERR, "%s", err.text);
	if (txn->undoing || txn->keep_going)
		return true; /* the log has it; the next change tries again */
	txn->ret = err.code;
	txn->err = err;
	txn_undo(txn);
	return false;
}

/* Runs calls until one is pending or all are done. */
static void txn_step(struct ctl_txn *txn)
{
	do {
		while (txn->at < json_array_size(txn->calls)) {
			int ret;

			if (has_to_wait())
				return;
			txn->call.err.code = 0;
			ret = call_start(txn, json_array_get(txn->calls, txn->at));
			if (ret == CTL_PENDING)
				return;
			call_ended(txn, ret);
		}
	} while (!txn_save(txn));
	txn_end(txn);
}

static void submit(json_t *calls_new, struct ctl_client *client, bool keep_going,
                   struct ctl_txn *txn)
{
	txn->calls = calls_new;
	txn->client = client;
	txn->keep_going = keep_going;
	txn->results = json_array();
	STAILQ_INSERT_TAIL(&queue, txn, link);
	start_next();
}

bool ctl_txn_idle(void)
{
	return STAILQ_EMPTY(&queue);
}

void ctl_txn_run(json_t *calls_new, struct ctl_client *client, ctl_txn_done *done, void *arg)
{
	struct ctl_txn *txn = calloc(1, sizeof(*txn));

	if (!txn)
		abort(); /* a few hundred bytes: nothing sensible can go on */
	txn->done = done;
	txn->arg = arg;
	submit(calls_new, client, false, txn);
}

void ctl_txn_restore(json_t *calls_new, ctl_txn_done *done, void *arg)
{
	struct ctl_txn *txn = calloc(1, sizeof(*txn));

	if (!txn)
		abort();
	txn->done = done;
	txn->arg = arg;
	submit(calls_new, NULL, true, txn);
}
