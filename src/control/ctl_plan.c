/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one configuration document to another: the calls that lead there. Threads: control.
 *
 * One function serves restoring at start (from nothing), `config load`, and undoing a transaction.
 * Objects that go do so in the reverse order of kinds, then others are changed or made in order.
 */
#include <string.h>

#include "control/ctl_conf_pvt.h"

struct change {
	const json_t *from, *to;
	bool undo; /* sets are known to be possible */
};

static void append(json_t *calls, const char *method, json_t *params_new)
{
	json_array_append_new(calls,
	                      json_pack("{s:s, s:o}", "method", method, "params", params_new));
}

static bool key_changeable(const struct api_method *set, const char *key, bool undo)
{
	if (api_param_lookup(set, key))
		return true;
	return undo && strcmp(key, "bridge") && strcmp(key, "type") && strcmp(key, "ofport");
}

/* Are all members in which the two differ within reach of the set method? */
static bool by_set(const struct ctl_kind *kind, const json_t *from, const json_t *to, bool undo)
{
	const struct api_method *set = kind->set ? api_method_lookup(kind->set, NULL) : NULL;
	const char *key;
	json_t *value;

	if (!set)
		return false;
	json_object_foreach ((json_t *)(uintptr_t)to, key, value) {
		if (!json_equal(json_object_get(from, key), value) &&
		    !key_changeable(set, key, undo))
			return false;
	}
	json_object_foreach ((json_t *)(uintptr_t)from, key, value) {
		if (!json_object_get(to, key) && !key_changeable(set, key, undo))
			return false;
	}
	return true;
}

/* Parameters of a set call: what differs; null for what is to go. */
static json_t *difference(const struct ctl_kind *kind, const json_t *from, const json_t *to)
{
	json_t *change = json_object();
	const char *key;
	json_t *value;

	if (kind->key)
		json_object_set(change, kind->key, json_object_get(to, kind->key));
	json_object_foreach ((json_t *)(uintptr_t)to, key, value) {
		if (!json_equal(json_object_get(from, key), value))
			json_object_set(change, key, value);
	}
	json_object_foreach ((json_t *)(uintptr_t)from, key, value) {
		if (!json_object_get(to, key))
			json_object_set_new(change, key, json_null());
	}
	return change;
}

static void plan_del(const struct ctl_kind *kind, const json_t *object, json_t *calls)
{
	json_t *params = json_object();

	for (unsigned i = 0; i < EVS_ARRAY_LEN(kind->del_keys) && kind->del_keys[i]; i++)
		json_object_set(params, kind->del_keys[i],
		                json_object_get(object, kind->del_keys[i]));
	if (!strcmp(kind->name, "log")) /* a level is never absent: it goes back */
		json_object_set_new(params, "level", json_string("default"));
	append(calls, kind->del, params);
}

/* Does the object go, to come back perhaps? What hangs on a bridge or port goes with it. */
static bool goes(const struct change *c, const struct ctl_kind *kind, const char *name)
{
	const json_t *object = json_object_get(json_object_get(c->from, kind->name), name);
	const json_t *next = json_object_get(json_object_get(c->to, kind->name), name);

	if (!object)
		return false;
	if (!next || (!json_equal(object, next) && !by_set(kind, object, next, c->undo)))
		return true;
	for (const struct ctl_kind *k = ctl_kinds; k->name; k++) {
		const char *parent = ctl_param_str(object, k->name, NULL);

		if (parent && k != kind && goes(c, k, parent))
			return true;
	}
	return false;
}

static void plan_dels(const struct change *c, const struct ctl_kind *kind, json_t *calls)
{
	const char *name;
	json_t *object;

	json_object_foreach (json_object_get(c->from, kind->name), name, object) {
		if (goes(c, kind, name))
			plan_del(kind, object, calls);
	}
}

static void plan_adds(const struct change *c, const struct ctl_kind *kind, json_t *calls)
{
	const char *name;
	json_t *object;

	json_object_foreach (json_object_get(c->to, kind->name), name, object) {
		const json_t *old = json_object_get(json_object_get(c->from, kind->name), name);

		if (!old || goes(c, kind, name))
			append(calls, kind->add, json_deep_copy(object));
		else if (!json_equal(old, object))
			append(calls, kind->set, difference(kind, old, object));
	}
}

json_t *ctl_conf_plan(const json_t *from, const json_t *to, bool undo)
{
	const struct change change = {from, to, undo};
	json_t *calls = json_array();
	unsigned n = 0;

	while (ctl_kinds[n].name)
		n++;
	for (unsigned i = n; i-- > 0;)
		plan_dels(&change, &ctl_kinds[i], calls);
	for (unsigned i = 0; i < n; i++)
		plan_adds(&change, &ctl_kinds[i], calls);
	return calls;
}
