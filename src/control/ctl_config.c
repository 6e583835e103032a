/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods config.* and transaction. Threads: control.
 */
#include "control/ctl_conf_pvt.h"

int ctl_config_show(struct ctl_call *call)
{
	call->result = json_deep_copy(ctl_conf_document());
	if (json_array_size(ctl_conf_failed()))
		json_object_set_new(call->result, "not-restored",
		                    json_deep_copy(ctl_conf_failed()));
	return 0;
}

int ctl_config_save(struct ctl_call *call)
{
	return ctl_conf_write(ctl_param_str(call->params, "file", ""), &call->err);
}

static void load_done(struct ctl_txn *txn, int ret, void *arg)
{
	struct ctl_call *call = arg;

	if (ret < 0) {
		call->err = txn->err;
		evs_error_prefix(&call->err, "nothing was changed");
	} else {
		json_object_set_new(ctl_call_result(call), "changes",
		                    json_integer((json_int_t)json_array_size(txn->calls)));
	}
	ctl_call_finish(call, ret);
}

int ctl_config_load(struct ctl_call *call)
{
	json_t *doc, *calls;
	int ret = ctl_conf_read(ctl_param_str(call->params, "file", ""), &doc, &call->err);

	if (ret)
		return ret;
	calls = ctl_conf_plan(ctl_conf_document(), doc, false);
	json_decref(doc);
	ctl_txn_run(calls, call->client, load_done, call);
	return CTL_PENDING;
}

static void transaction_done(struct ctl_txn *txn, int ret, void *arg)
{
	struct ctl_call *call = arg;

	if (ret < 0) {
		call->err = txn->err;
		call->err_data = json_pack("{s:i}", "index", (int)txn->failed);
	} else {
		json_object_set(ctl_call_result(call), "results", txn->results);
	}
	ctl_call_finish(call, ret);
}

int ctl_transaction(struct ctl_call *call)
{
	ctl_txn_run(json_incref(json_object_get(call->params, "calls")), call->client,
	            transaction_done, call);
	return CTL_PENDING;
}
