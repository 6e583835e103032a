/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of bridges: the list that users write, in the pipeline and at the internal device.
 * Threads: control.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/ctl_ip.h"

#define MAX_LIST 16

struct list {
	unsigned n;
	struct pl_address at[MAX_LIST];
};

static int parse_one(const char *word, struct pl_address *address, struct evs_error *err)
{
	const char *vlan = strchr(word, '@');
	char prefix[CTL_IP_LEN], *end = NULL;
	unsigned long id = vlan ? strtoul(vlan + 1, &end, 10) : 0;

	snprintf(prefix, sizeof(prefix), "%.*s", (int)strcspn(word, "@"), word);
	if (vlan && (id < 1 || id > 4094 || *end))
		return evs_error_set(err, -EINVAL, "address '%.60s': a VLAN is 1 to 4094", word);
	if (!strchr(prefix, '/') || ctl_prefix_parse(prefix, &address->prefix, NULL))
		return evs_error_set(err, -EINVAL,
		                     "address '%.60s' is not of the form 10.0.0.1/24, fd00::1/64, "
		                     "or with a VLAN 10.0.0.1/24@100",
		                     word);
	address->vlan = (uint16_t)id;
	return 0;
}

static int parse(const char *text, struct list *list, struct evs_error *err)
{
	char copy[1024], *word, *rest = copy;
	int ret = 0;

	list->n = 0;
	if (!text)
		return 0;
	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return evs_error_set(err, -EINVAL, "this list of addresses is too long");
	while (ret == 0 && (word = strsep(&rest, ",")) != NULL) {
		if (list->n == MAX_LIST)
			return evs_error_set(err, -EINVAL, "a bridge has %d addresses at most",
			                     MAX_LIST);
		ret = parse_one(word, &list->at[list->n], err);
		list->n += ret == 0;
	}
	return ret;
}

int ctl_address_check(const char *text, bool internal, struct evs_error *err)
{
	struct list list;
	int ret = parse(text, &list, err);

	for (unsigned i = 0; ret == 0 && i < list.n; i++)
		if (list.at[i].vlan && internal)
			return evs_error_set(err, -EINVAL,
			                     "address '%.60s': the internal device has no VLANs: "
			                     "have evs answer for it with internal=off",
			                     text);
	return ret;
}

static bool has(const struct list *list, const struct pl_address *address)
{
	for (unsigned i = 0; i < list->n; i++)
		if (list->at[i].vlan == address->vlan &&
		    list->at[i].prefix.len == address->prefix.len &&
		    !memcmp(list->at[i].prefix.addr, address->prefix.addr, 16))
			return true;
	return false;
}

void ctl_address_change(struct ctl_bridge *bridge, const char *before, const char *after,
                        struct ctl_call *call)
{
	struct evs_error err = {0};
	struct list old, new;

	parse(before, &old, NULL);
	parse(after, &new, NULL);
	for (unsigned i = 0; i < old.n; i++)
		if (!has(&new, &old.at[i]))
			pl_address_del(bridge->pl, &old.at[i].prefix);
	for (unsigned i = 0; i < new.n; i++)
		if (!has(&old, &new.at[i]) && pl_address_add(bridge->pl, &new.at[i], &err))
			ctl_call_warn(call, "bridge '%s': no tunnels: %s", bridge->name, err.text);
	ctl_kernel_look();
}

void ctl_address_device(struct ctl_bridge *bridge, const char *before, const char *after,
                        struct ctl_call *call)
{
	struct evs_error err = {0};
	struct list old, new;

	parse(before, &old, NULL);
	parse(after, &new, NULL);
	for (unsigned i = 0; i < old.n; i++)
		if (!has(&new, &old.at[i]))
			ctl_netdev_address(bridge->name, &old.at[i].prefix, false, NULL);
	for (unsigned i = 0; i < new.n; i++)
		if (!has(&old, &new.at[i]) &&
		    ctl_netdev_address(bridge->name, &new.at[i].prefix, true, &err))
			ctl_call_warn(call, "bridge '%s': %s", bridge->name, err.text);
}
