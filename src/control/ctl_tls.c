/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS contexts, and what OpenSSL has to say. Threads: control.
 */
#include "control/ctl_tls.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/evs_log.h"
#include "control/ctl.h"
#include "control/ctl_pvt.h"

enum { PRIVATE_KEY, CERTIFICATE, CA_CERT, N_FILES };

/* By what a renewed file differs. */
struct stamp {
	struct timespec mtime;
	ino_t ino;
	off_t size;
};

static char *paths[N_FILES];
static struct stamp stamps[N_FILES];
static SSL_CTX *context; /* NULL: nothing is set */

/* The last error of this thread; the queue is emptied. */
static const char *reason(void)
{
	unsigned long error = ERR_peek_last_error();
	const char *text = error ? ERR_reason_error_string(error) : NULL;

	ERR_clear_error();
	return text ? text : "unknown error";
}

static void take_stamps(char *const files[N_FILES], struct stamp to[N_FILES])
{
	memset(to, 0, N_FILES * sizeof(*to));
	for (unsigned i = 0; i < N_FILES; i++) {
		struct stat st;

		if (stat(files[i], &st) == 0)
			to[i] = (struct stamp){st.st_mtim, st.st_ino, st.st_size};
	}
}

static int load_files(SSL_CTX *ctx, char *const files[N_FILES], struct evs_error *err)
{
	for (unsigned i = 0; i < N_FILES; i++)
		if (access(files[i], R_OK) != 0)
			return evs_error_set(err, -EINVAL, "cannot read '%s': %s", files[i],
			                     strerror(errno));
	if (SSL_CTX_use_certificate_chain_file(ctx, files[CERTIFICATE]) != 1)
		return evs_error_set(err, -EINVAL, "'%s' is no certificate in PEM: %s",
		                     files[CERTIFICATE], reason());
	if (SSL_CTX_use_PrivateKey_file(ctx, files[PRIVATE_KEY], SSL_FILETYPE_PEM) != 1)
		return evs_error_set(err, -EINVAL, "'%s' is not the private key of '%s': %s",
		                     files[PRIVATE_KEY], files[CERTIFICATE], reason());
	if (SSL_CTX_load_verify_locations(ctx, files[CA_CERT], NULL) != 1)
		return evs_error_set(err, -EINVAL, "'%s' holds no CA certificate in PEM: %s",
		                     files[CA_CERT], reason());
	SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(files[CA_CERT]));
	return 0;
}

static SSL_CTX *context_new(char *const files[N_FILES], struct evs_error *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	if (!ctx) {
		evs_error_set(err, -ENOMEM, "TLS: %s", reason());
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	/* Every connection shows its certificate anew. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	if (load_files(ctx, files, err) == 0)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static void paths_free(char *files[N_FILES])
{
	for (unsigned i = 0; i < N_FILES; i++) {
		free(files[i]);
		files[i] = NULL;
	}
}

int ctl_tls_set(const struct ctl_tls_files *files, struct evs_error *err)
{
	char *copy[N_FILES] = {strdup(files->private_key), strdup(files->certificate),
	                       strdup(files->ca_cert)};
	struct stamp seen[N_FILES];
	SSL_CTX *ctx = NULL;

	if (!copy[PRIVATE_KEY] || !copy[CERTIFICATE] || !copy[CA_CERT]) {
		evs_error_set(err, -ENOMEM, "TLS: no memory");
	} else {
		take_stamps(copy, seen);
		ctx = context_new(copy, err);
	}
	if (!ctx) {
		paths_free(copy);
		return err->code;
	}
	ctl_tls_clear();
	context = ctx;
	memcpy(paths, copy, sizeof(paths));
	memcpy(stamps, seen, sizeof(stamps));
	return 0;
}

void ctl_tls_clear(void)
{
	SSL_CTX_free(context); /* connections hold theirs */
	context = NULL;
	paths_free(paths);
}

/* The files may have been renewed since. */
static void refresh(void)
{
	struct evs_error err = {0};
	struct stamp seen[N_FILES];
	SSL_CTX *ctx;

	take_stamps(paths, seen);
	if (!memcmp(seen, stamps, sizeof(seen)))
		return;
	ctx = context_new(paths, &err);
	if (!ctx) {
		EVS_LOG_LIMITED(control, WARN, "TLS: renewed files are not used: %s", err.text);
		return;
	}
	EVS_LOG(control, INFO, "TLS: renewed files are in use");
	memcpy(stamps, seen, sizeof(stamps));
	SSL_CTX_free(context);
	context = ctx;
}

bool ctl_tls_info(struct ctl_tls_info *info)
{
	X509 *cert;
	BIO *bio;

	if (!context)
		return false;
	refresh();
	memset(info, 0, sizeof(*info));
	info->files =
	        (struct ctl_tls_files){paths[PRIVATE_KEY], paths[CERTIFICATE], paths[CA_CERT]};
	cert = SSL_CTX_get0_certificate(context);
	bio = cert ? BIO_new(BIO_s_mem()) : NULL;
	if (!bio)
		return true;
	X509_NAME_oneline(X509_get_subject_name(cert), info->subject, sizeof(info->subject));
	ASN1_TIME_print(bio, X509_get0_notAfter(cert));
	BIO_read(bio, info->expires, sizeof(info->expires) - 1);
	BIO_free(bio);
	return true;
}

struct bufferevent *ctl_tls_wrap(evutil_socket_t fd, bool accepted, struct evs_error *err)
{
	struct bufferevent *bev = NULL;
	SSL *ssl;

	if (!context) {
		evs_error_set(err, -ENOENT,
		              "TLS has no keys: name them with 'evsctl ssl set private-key=FILE "
		              "certificate=FILE ca-cert=FILE'");
		goto close_fd;
	}
	refresh();
	ssl = SSL_new(context);
	if (ssl)
		bev = bufferevent_openssl_socket_new(ctl_base, fd, ssl,
		                                     accepted ? BUFFEREVENT_SSL_ACCEPTING
		                                              : BUFFEREVENT_SSL_CONNECTING,
		                                     BEV_OPT_CLOSE_ON_FREE);
	if (bev) {
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
		return bev;
	}
	SSL_free(ssl);
	evs_error_set(err, -ENOMEM, "TLS: %s", reason());
close_fd:
	if (fd >= 0)
		close(fd);
	return NULL;
}

bool ctl_tls_is(struct bufferevent *bev)
{
	return bufferevent_openssl_get_ssl(bev) != NULL;
}

bool ctl_tls_why(struct bufferevent *bev, char *text, size_t size)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	unsigned long error = bufferevent_get_openssl_error(bev);
	const char *why = error ? ERR_reason_error_string(error) : NULL;
	long verified = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;

	if (!error)
		return false;
	while (bufferevent_get_openssl_error(bev))
		; /* the rest says how it came to it */
	if (verified != X509_V_OK)
		snprintf(text, size, "TLS: the other side's certificate: %s",
		         X509_verify_cert_error_string(verified));
	else
		snprintf(text, size, "TLS: %s", why ? why : "unknown error");
	return true;
}
