/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Type `patch`: one end of a connection between two bridges. It has no device and no place in
 * the workers: translation goes on at the peer. Threads: control.
 */
#include <string.h>

#include "port/port_args.h"
#include "port/port_pvt.h"

static int patch_create(struct port *port, const struct port_args *args, struct evs_error *err)
{
	if (!strcmp(port_arg(args, "peer"), port->name))
		return evs_error_set(err, -EINVAL,
		                     "port '%s' can not be its own peer: name a patch port that "
		                     "has peer=%s",
		                     port->name, port->name);
	return 0;
}

static void patch_destroy(struct port *port)
{
	(void)port; /* nothing was opened */
}

static const struct port_option options[] = {
        {"peer", "NAME", "the patch port at the other end", PORT_OPTION_REQUIRED, NULL},
        {NULL, NULL, NULL, 0, NULL},
};

const struct port_type port_patch_type = {
        .name = "patch",
        .help = "one end of a connection to another bridge of this switch",
        .options = options,
        .has_datapath = false,
        .create = patch_create,
        .destroy = patch_destroy,
};
