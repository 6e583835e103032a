/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of OpenFlow connections (ssl: and pssl:): keys, certificates, and the context made of them.
 * Threads: control. Owner: ctl_tls.c.
 *
 * Both sides show a certificate, and each must be signed by the CA; names in them are not looked
 * at, since a CA for switches signs switches and controllers only. The files are looked at again
 * for each new connection: what was renewed is used from then on, what cannot be read is
 * reported, and the last good context goes on.
 */
#ifndef CTL_TLS_H
#define CTL_TLS_H

#include <event2/bufferevent.h>

#include "base/evs_base.h"

struct ctl_tls_files {
	const char *private_key, *certificate, *ca_cert; /* PEM */
};

/* Takes the files into use. -EINVAL with err: which file, and what is wrong with it; then all is as
 * before. */
int ctl_tls_set(const struct ctl_tls_files *files, struct evs_error *err);
void ctl_tls_clear(void);

struct ctl_tls_info {
	struct ctl_tls_files files;
	char subject[256];
	char expires[64]; /* of our certificate, as OpenSSL writes it */
};
/* false: nothing is set */
bool ctl_tls_info(struct ctl_tls_info *info);

/* A connection that speaks TLS; the handshake goes by itself, and BEV_EVENT_CONNECTED is its end.
 * fd -1: to be connected. Takes fd over, also on failure. NULL with err. */
struct bufferevent *ctl_tls_wrap(evutil_socket_t fd, bool accepted, struct evs_error *err);
/* Whether the connection speaks TLS, so that bytes must go through it. */
bool ctl_tls_is(struct bufferevent *bev);
/* Why TLS ended the connection, into text; false: it did not. */
bool ctl_tls_why(struct bufferevent *bev, char *text, size_t size);

#endif
