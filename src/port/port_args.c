/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option parsing of ports: see port_args.h. Threads: control.
 */
#include "port/port_args.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct port_option port_common_options[] = {
        {"mtu", "N", "payload of an Ethernet frame, tags not counted", PORT_OPTION_CHANGEABLE,
         "1500"},
        {"mac", "XX:XX:XX:XX:XX:XX", "the device's address", PORT_OPTION_CHANGEABLE, NULL},
        {"admin", "up|down", "the link as the other side sees it", PORT_OPTION_CHANGEABLE, "up"},
        {NULL, NULL, NULL, 0, NULL},
};

const char *port_arg(const struct port_args *args, const char *key)
{
	for (unsigned i = 0; i < args->n; i++)
		if (!strcmp(args->arg[i].key, key))
			return args->arg[i].value;
	return NULL;
}

int port_arg_uint(const struct port_args *args, const char *key, struct port_arg_range range,
                  uint64_t *value, struct evs_error *err)
{
	const char *text = port_arg(args, key);
	unsigned long long number;
	char *end;

	if (!text)
		return 0;
	errno = 0;
	number = strtoull(text, &end, !strncasecmp(text, "0x", 2) ? 16 : 10);
	if (!isdigit((unsigned char)*text) || *end || errno || number < range.min ||
	    number > range.max)
		return evs_error_set(err, -EINVAL, "%s=%s: use a number from %llu to %llu", key,
		                     text, (unsigned long long)range.min,
		                     (unsigned long long)range.max);
	*value = number;
	return 0;
}

int port_arg_bool(const struct port_args *args, const char *key, bool *value, struct evs_error *err)
{
	static const char *const words[] = {"off", "on", "false", "true", "no", "yes", "0", "1"};
	const char *text = port_arg(args, key);

	if (!text)
		return 0;
	for (unsigned i = 0; i < EVS_ARRAY_LEN(words); i++) {
		if (!strcasecmp(text, words[i])) {
			*value = i & 1;
			return 0;
		}
	}
	return evs_error_set(err, -EINVAL, "%s=%s: use on or off", key, text);
}

int port_arg_mac(const struct port_args *args, const char *key, struct rte_ether_addr *mac,
                 struct evs_error *err)
{
	const char *text = port_arg(args, key);
	struct rte_ether_addr addr;

	if (!text)
		return 0;
	if (strlen(text) != 17 || rte_ether_unformat_addr(text, &addr) ||
	    !rte_is_valid_assigned_ether_addr(&addr))
		return evs_error_set(err, -EINVAL,
		                     "%s=%s: use a unicast address like 02:00:00:00:00:01", key,
		                     text);
	*mac = addr;
	return 0;
}

int port_arg_ifname(const struct port_args *args, const char *key, const char **ifname,
                    struct evs_error *err)
{
	const char *text = port_arg(args, key);

	if (!text)
		return 0;
	if (!*text || strlen(text) >= IFNAMSIZ || !strcmp(text, ".") || !strcmp(text, "..") ||
	    strpbrk(text, "/: \t\n%"))
		return evs_error_set(err, -EINVAL,
		                     "%s=%s: an interface name has 1 to %d characters, none of "
		                     "them a space, '/', ':' or '%%'",
		                     key, text, IFNAMSIZ - 1);
	*ifname = text;
	return 0;
}

static const struct port_option *find_option(const struct port_option *options, const char *name)
{
	for (; options && options->name; options++)
		if (!strcmp(options->name, name))
			return options;
	return NULL;
}

const struct port_option *port_option_lookup(const struct port_type *type, const char *name)
{
	const struct port_option *option = find_option(type->options, name);

	return option ? option : find_option(port_common_options, name);
}

/* Those of the list that are the type's. */
static void list_options(char *text, size_t size, const struct port_type *type,
                         const struct port_option *options)
{
	for (; options && options->name; options++) {
		size_t used = strlen(text);

		if (port_option_lookup(type, options->name) != options)
			continue;
		snprintf(text + used, size - used, "%s%s", used ? ", " : "", options->name);
	}
}

static int refuse_unknown(const char *key, const struct port_type *type, struct evs_error *err)
{
	char known[256] = "";

	list_options(known, sizeof(known), type, type->options);
	list_options(known, sizeof(known), type, port_common_options);
	return evs_error_set(err, -EINVAL, "ports of type %s have no option '%s'; they have: %s",
	                     type->name, key, known);
}

static bool is_repeated(const struct port_args *args, unsigned i)
{
	for (unsigned j = 0; j < i; j++)
		if (!strcmp(args->arg[j].key, args->arg[i].key))
			return true;
	return false;
}

int port_args_check(const struct port_args *args, const struct port_type *type, bool change,
                    struct evs_error *err)
{
	for (unsigned i = 0; i < args->n; i++) {
		const char *key = args->arg[i].key;
		const struct port_option *option = port_option_lookup(type, key);

		if (!option)
			return refuse_unknown(key, type, err);
		if (is_repeated(args, i))
			return evs_error_set(err, -EINVAL, "option '%s' is given twice", key);
		if (change && !(option->flags & PORT_OPTION_CHANGEABLE))
			return evs_error_set(err, -EINVAL,
			                     "option '%s' of type %s can not be changed: delete "
			                     "the port and add it anew",
			                     key, type->name);
	}
	for (const struct port_option *o = type->options; !change && o && o->name; o++)
		if ((o->flags & PORT_OPTION_REQUIRED) && !port_arg(args, o->name))
			return evs_error_set(err, -EINVAL, "type %s needs %s=%s (%s)", type->name,
			                     o->name, o->form, o->help);
	return 0;
}
