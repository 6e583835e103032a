/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods ssl.*: the keys of OpenFlow connections over TLS. Threads: control.
 */
#include "control/ctl_of.h"
#include "control/ctl_pvt.h"
#include "control/ctl_tls.h"

#define KIND "ssl"
#define NAME "openflow" /* there is one set of keys */

int ctl_ssl_set(struct ctl_call *call)
{
	json_t *params = ctl_params_merge(ctl_conf_get(KIND, NAME), call->params);
	struct ctl_tls_files files = {
	        .private_key = ctl_param_str(params, "private-key", NULL),
	        .certificate = ctl_param_str(params, "certificate", NULL),
	        .ca_cert = ctl_param_str(params, "ca-cert", NULL),
	};
	int ret;

	if (!files.private_key || !files.certificate || !files.ca_cert)
		ret = evs_error_set(&call->err, -EINVAL,
		                    "all of private-key, certificate and ca-cert are needed");
	else
		ret = ctl_tls_set(&files, &call->err);
	if (ret == 0)
		ctl_conf_put(KIND, NAME, params);
	json_decref(params);
	return ret;
}

int ctl_ssl_del(struct ctl_call *call)
{
	const char *user = ctl_of_tls_user();

	if (user)
		return evs_error_set(&call->err, -EBUSY,
		                     "controller '%s' needs the keys: delete it first", user);
	ctl_tls_clear();
	ctl_conf_del(KIND, NAME);
	return 0;
}

int ctl_ssl_show(struct ctl_call *call)
{
	struct ctl_tls_info info;

	call->result = json_array();
	if (ctl_tls_info(&info))
		json_array_append_new(call->result,
		                      json_pack("{s:s, s:s, s:s, s:s, s:s}", "private-key",
		                                info.files.private_key, "certificate",
		                                info.files.certificate, "ca-cert",
		                                info.files.ca_cert, "subject", info.subject,
		                                "expires", info.expires));
	return 0;
}
