/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration document. Threads: control. Owner: this file.
 *
 * kind -> name -> parameters, so that an object is made by giving its parameters to its kind's add
 * method. Saved wholly at each change: written beside, synced, renamed, the directory synced; so
 * the file is always one complete document, and what was acknowledged is on the disk.
 */
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/ctl_conf_pvt.h"

#define FORMAT 1

static json_t *document;
static json_t *failed;
static char *path; /* NULL: nothing is saved */
static uint64_t generation, saved;

/* In the order in which objects are made; they go in reverse. */
const struct ctl_kind ctl_kinds[] = {
        {"log", "room", "log.level", "log.level", NULL, {"room", "level"}},
        {"worker", "cpu", "worker.add", "worker.del", NULL, {"cpu"}},
        {"workers", NULL, "worker.set", "worker.reset", "worker.set", {NULL}},
        {"bridge", "name", "bridge.add", "bridge.del", "bridge.set", {"name"}},
        {"port", "name", "port.add", "port.del", "port.set", {"name"}},
        {"ssl", NULL, "ssl.set", "ssl.del", "ssl.set", {NULL}},
        {"controller", NULL, "controller.add", "controller.del", NULL, {"bridge", "target"}},
        {"fdb", NULL, "fdb.add", "fdb.del", NULL, {"bridge", "mac", "vlan"}},
        {"binding", NULL, "binding.add", "binding.del", NULL, {"bridge", "address", "vlan"}},
        {"qos", "port", "qos.set", "qos.del", "qos.set", {"port"}},
        {"route", NULL, "route.add", "route.del", NULL, {"dst", "via"}},
        {"neigh", NULL, "neigh.add", "neigh.del", NULL, {"bridge", "address"}},
        {0},
};

static json_t *empty_document(void)
{
	return json_pack("{s:i}", "format", FORMAT);
}

int ctl_conf_init(const char *file, struct evs_error *err)
{
	document = empty_document();
	failed = json_array();
	path = file ? strdup(file) : NULL;
	generation = saved = 0;
	if (file && !path)
		return evs_error_set(err, -ENOMEM, "no memory");
	return 0;
}

void ctl_conf_fini(void)
{
	json_decref(document);
	json_decref(failed);
	free(path);
	document = failed = NULL;
	path = NULL;
}

json_t *ctl_conf_document(void)
{
	return document;
}

json_t *ctl_conf_failed(void)
{
	return failed;
}

json_t *ctl_conf_get(const char *kind, const char *name)
{
	return json_object_get(json_object_get(document, kind), name);
}

const char *ctl_conf_failure(const char *kind, const char *name, size_t *at)
{
	const json_t *f;
	size_t i;

	json_array_foreach (failed, i, f) {
		if (strcmp(ctl_param_str(f, "kind", ""), kind) ||
		    strcmp(ctl_param_str(f, "name", ""), name))
			continue;
		if (at)
			*at = i;
		return ctl_param_str(f, "error", "");
	}
	return NULL;
}

static void forget_failed(const char *kind, const char *name)
{
	size_t at;

	if (ctl_conf_failure(kind, name, &at))
		json_array_remove(failed, at);
}

void ctl_conf_put(const char *kind, const char *name, const json_t *params)
{
	json_t *objects = json_object_get(document, kind);

	if (!objects) {
		objects = json_object();
		json_object_set_new(document, kind, objects);
	}
	forget_failed(kind, name);
	if (json_equal(json_object_get(objects, name), params))
		return;
	json_object_set_new(objects, name, json_deep_copy(params));
	generation++;
}

void ctl_conf_del(const char *kind, const char *name)
{
	json_t *objects = json_object_get(document, kind);

	forget_failed(kind, name);
	if (json_object_del(objects, name) == 0)
		generation++;
	if (objects && json_object_size(objects) == 0)
		json_object_del(document, kind);
}

/* The document's name of what an add call restores; NULL: the object is gone meanwhile. */
static const char *name_of(const struct ctl_kind *kind, const json_t *params)
{
	const char *name;
	json_t *object;

	json_object_foreach (json_object_get(document, kind->name), name, object) {
		if (json_equal(object, params))
			return name;
	}
	return NULL;
}

bool ctl_conf_note_failed(const json_t *call, const char *why)
{
	const char *method = ctl_param_str(call, "method", ""), *name, *before;
	const struct ctl_kind *k = ctl_kinds;
	bool is_new;

	while (k->name && strcmp(k->add, method))
		k++;
	name = k->name ? name_of(k, json_object_get(call, "params")) : NULL;
	if (!name)
		return true;
	before = ctl_conf_failure(k->name, name, NULL);
	is_new = !before || strcmp(before, why) != 0;
	forget_failed(k->name, name);
	json_array_append_new(
	        failed, json_pack("{s:s, s:s, s:s}", "kind", k->name, "name", name, "error", why));
	return is_new;
}

json_t *ctl_conf_failed_calls(void)
{
	json_t *calls = json_array(), *object;
	const char *name;

	for (const struct ctl_kind *k = ctl_kinds; k->name; k++) {
		json_object_foreach (json_object_get(document, k->name), name, object) {
			if (!ctl_conf_failure(k->name, name, NULL))
				continue;
			json_array_append_new(
			        calls, json_pack("{s:s, s:O}", "method", k->add, "params", object));
		}
	}
	return calls;
}

/* ---- the file ---- */

static int write_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

static int write_synced(const char *file, const char *text, size_t size)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write_all(fd, text, size);
	if (ret == 0 && fsync(fd))
		ret = -errno;
	if (close(fd) && ret == 0)
		ret = -errno;
	return ret;
}

static int sync_dir_of(const char *file)
{
	char *copy = strdup(file);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int ret = fd < 0 || fsync(fd) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	free(copy);
	return ret;
}

int ctl_conf_write(const char *file, struct evs_error *err)
{
	char *text = json_dumps(document, JSON_INDENT(2));
	char *beside = NULL;
	int ret = -ENOMEM;

	if (text && asprintf(&beside, "%s.new", file) > 0) {
		ret = write_synced(beside, text, strlen(text));
		if (ret == 0 && rename(beside, file))
			ret = -errno;
		if (ret)
			unlink(beside);
		else
			ret = sync_dir_of(file);
	}
	free(beside);
	free(text);
	if (ret)
		return evs_error_set(err, ret, "cannot save the configuration to %s: %s", file,
		                     strerror(-ret));
	return 0;
}

int ctl_conf_save(struct evs_error *err)
{
	uint64_t now = generation;
	int ret;

	if (!path || saved == now)
		return 0;
	ret = ctl_conf_write(path, err);
	if (ret == 0)
		saved = now;
	return ret;
}

static int check_document(const json_t *doc, const char *file, struct evs_error *err)
{
	if (!json_is_object(doc) || ctl_param_uint(doc, "format", 0) != FORMAT)
		return evs_error_set(err, -EINVAL, "%s is not a configuration of evs (format %d)",
		                     file, FORMAT);
	for (const struct ctl_kind *k = ctl_kinds; k->name; k++) {
		json_t *objects = json_object_get(doc, k->name), *object;
		const char *name;

		if (objects && !json_is_object(objects))
			return evs_error_set(err, -EINVAL, "%s: '%s' is not an object", file,
			                     k->name);
		json_object_foreach (objects, name, object) {
			if (!json_is_object(object))
				return evs_error_set(err, -EINVAL, "%s: %s '%s' is not an object",
				                     file, k->name, name);
		}
	}
	return 0;
}

int ctl_conf_read(const char *file, json_t **documentp, struct evs_error *err)
{
	json_error_t why;
	json_t *doc;
	int ret;

	if (access(file, F_OK) && errno == ENOENT)
		return evs_error_set(err, -ENOENT, "%s does not exist", file);
	doc = json_load_file(file, JSON_REJECT_DUPLICATES, &why);
	if (!doc)
		return evs_error_set(err, -EINVAL, "cannot read %s: line %d: %s", file, why.line,
		                     why.text);
	ret = check_document(doc, file, err);
	if (ret) {
		json_decref(doc);
		return ret;
	}
	*documentp = doc;
	return 0;
}

int ctl_conf_load_saved(struct evs_error *err)
{
	json_t *doc;
	int ret = path ? ctl_conf_read(path, &doc, err) : -ENOENT;

	if (ret == -ENOENT) {
		err->code = 0;
		return 0;
	}
	if (ret)
		return evs_error_prefix(err,
		                        "the saved configuration is broken; mend or remove it");
	json_decref(document);
	document = doc;
	return 0;
}
