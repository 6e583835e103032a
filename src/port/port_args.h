/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the key=value pairs of a user: one parser for each kind of value, so that all types
 * refuse the same things in the same words.
 * Threads: control. Owner: values belong to the caller of port_create or port_set.
 *
 * A key that is absent leaves *value as it was and returns 0.
 */
#ifndef PORT_ARGS_H
#define PORT_ARGS_H

#include "port/port.h"

struct port_arg_range {
	uint64_t min;
	uint64_t max;
};

const char *port_arg(const struct port_args *args, const char *key); /* NULL: absent */
/* Decimal or 0x… -EINVAL with err unless min <= value <= max. */
int port_arg_uint(const struct port_args *args, const char *key, struct port_arg_range range,
                  uint64_t *value, struct evs_error *err);
/* on|off, true|false, yes|no, 1|0 */
int port_arg_bool(const struct port_args *args, const char *key, bool *value,
                  struct evs_error *err);
/* A unicast address that is not zero. */
int port_arg_mac(const struct port_args *args, const char *key, struct rte_ether_addr *mac,
                 struct evs_error *err);
/* A name that the kernel takes for an interface. */
int port_arg_ifname(const struct port_args *args, const char *key, const char **ifname,
                    struct evs_error *err);
/* Of the type, or else one of port_common_options; NULL: none is so named. */
const struct port_option *port_option_lookup(const struct port_type *type, const char *name);
/* Every key known to the type or common, once, with a value; required ones there (unless
 * `change`), only changeable ones if `change`. */
int port_args_check(const struct port_args *args, const struct port_type *type, bool change,
                    struct evs_error *err);

#endif
