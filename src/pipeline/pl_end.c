/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be a far end of a tunnel: refused when it is configured, rather than by each packet.
 * Threads: control.
 */
#include <arpa/inet.h>
#include <inttypes.h>

#include "pipeline/pl_underlay.h"

/* Unspecified, loopback, group, and broadcast addresses are not those of one host elsewhere. */
static bool is_host(const uint8_t addr[16])
{
	static const uint8_t none[15];

	if (pl_ip_is_v4(addr))
		return addr[12] != 0 && addr[12] != 127 && addr[12] >> 4 != 14 &&
		       memcmp(addr + 12, "\xff\xff\xff\xff", 4) != 0;
	return addr[0] != 0xff && (memcmp(addr, none, sizeof(none)) != 0 || addr[15] > 1);
}

int pl_end_check(const struct pl_tunnel *t, const struct pl_end *end, bool has_key,
                 struct evs_error *err)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (pl_ip_is_v4(end->remote))
		inet_ntop(AF_INET, end->remote + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, end->remote, text, sizeof(text));
	if (!is_host(end->remote))
		return evs_error_set(err, -EINVAL,
		                     "%s is not the address of one host: name each far end, as in "
		                     "flood=10.0.0.2,10.0.0.3",
		                     text);
	if (t->has_local && pl_ip_is_v4(end->remote) != pl_ip_is_v4(t->local))
		return evs_error_set(err, -EINVAL,
		                     "the tunnel's end %s and its local address are of different "
		                     "IP versions",
		                     text);
	if (t->has_local && !memcmp(end->remote, t->local, sizeof(t->local)))
		return evs_error_set(err, -EINVAL, "%s is the tunnel's local address, not its end",
		                     text);
	if (has_key && !t->key_flow)
		return evs_error_set(err, -EINVAL,
		                     "the tunnel carries one network: leave out that of its end %s",
		                     text);
	if (rte_be_to_cpu_64(end->key) > tun_kinds[t->kind].key_max)
		return evs_error_set(err, -EINVAL, "a network of %s is at most %" PRIu64,
		                     tun_kinds[t->kind].name, tun_kinds[t->kind].key_max);
	return 0;
}

int pl_flood_check(const struct pl_tunnel *t, const struct pl_flood *flood, struct evs_error *err)
{
	int rc = 0;

	for (unsigned i = 0; i < flood->n && rc == 0; i++) {
		struct pl_end end = {.key = flood->end[i].key};

		memcpy(end.remote, flood->end[i].remote, sizeof(end.remote));
		rc = pl_end_check(t, &end, flood->end[i].has_key, err);
	}
	return rc;
}
