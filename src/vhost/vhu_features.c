/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of virtio features (virtio 1.1: 5.1.3, 6), for `features=` and for `port show`.
 * Threads: any.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <string.h>

#include "vhost/vhu_pvt.h"

#define BIT(n) (1ull << (n))

static const struct {
	const char *name;
	uint64_t bits;
	bool is_option; /* may stand in features= */
} names[] = {
        {"csum", BIT(VIRTIO_NET_F_CSUM), true},
        {"guest-csum", BIT(VIRTIO_NET_F_GUEST_CSUM), true},
        {"gso", BIT(VIRTIO_NET_F_GSO), false}, /* of old: all of those below */
        {"tso", BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6), true},
        {"guest-tso", BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6), true},
        {"ufo", BIT(VIRTIO_NET_F_HOST_UFO), true},
        {"guest-ufo", BIT(VIRTIO_NET_F_GUEST_UFO), true},
        {"ecn", BIT(VIRTIO_NET_F_HOST_ECN), true},
        {"guest-ecn", BIT(VIRTIO_NET_F_GUEST_ECN), true},
        {"mrg-rxbuf", BIT(VIRTIO_NET_F_MRG_RXBUF), true},
        {"mtu", BIT(VIRTIO_NET_F_MTU), true},
        {"mq", BIT(VIRTIO_NET_F_MQ), true},
        {"guest-announce", BIT(VIRTIO_NET_F_GUEST_ANNOUNCE), true},
        {"ctrl-vq", BIT(VIRTIO_NET_F_CTRL_VQ), false},
        {"ctrl-rx", BIT(VIRTIO_NET_F_CTRL_RX), false},
        {"indirect", BIT(VIRTIO_RING_F_INDIRECT_DESC), true},
        {"event-idx", BIT(VIRTIO_RING_F_EVENT_IDX), true},
        {"any-layout", BIT(VIRTIO_F_ANY_LAYOUT), false},
        {"log-all", BIT(26), false},
        {"protocol", BIT(30), false},
        {"version-1", BIT(VIRTIO_F_VERSION_1), false},
        {"iommu", BIT(VIRTIO_F_ACCESS_PLATFORM), false}, /* iommu=on does more */
        {"packed", BIT(VIRTIO_F_RING_PACKED), true},
        {"in-order", BIT(VIRTIO_F_IN_ORDER), true},
        {"order-platform", BIT(VIRTIO_F_ORDER_PLATFORM), false},
};

static uint64_t find(const char *name, size_t len)
{
	for (unsigned i = 0; i < EVS_ARRAY_LEN(names); i++)
		if (names[i].is_option && strlen(names[i].name) == len &&
		    !strncmp(names[i].name, name, len))
			return names[i].bits;
	return 0;
}

static int refuse(const char *word, size_t len, struct evs_error *err)
{
	char known[256] = "";

	for (unsigned i = 0; i < EVS_ARRAY_LEN(names); i++) {
		size_t used = strlen(known);

		if (names[i].is_option)
			snprintf(known + used, sizeof(known) - used, " %s", names[i].name);
	}
	return evs_error_set(err, -EINVAL,
	                     "unknown virtio feature '%.*s': use a list like packed,-tso of:%s",
	                     (int)len, word, known);
}

int vhu_features_parse(const char *text, uint64_t *features, struct evs_error *err)
{
	uint64_t result = *features;

	while (*text) {
		bool remove = *text == '-';
		size_t len;
		uint64_t bits;

		text += *text == '-' || *text == '+';
		len = strcspn(text, ",");
		bits = find(text, len);
		if (!bits)
			return refuse(text, len, err);
		result = remove ? result & ~bits : result | bits;
		text += len + (text[len] == ',');
	}
	*features = result;
	return 0;
}

void vhu_features_format(uint64_t features, char *text, size_t size)
{
	uint64_t rest = features;
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < EVS_ARRAY_LEN(names) && used < size; i++) {
		if (!(features & names[i].bits))
			continue;
		rest &= ~names[i].bits;
		used += (size_t)snprintf(text + used, size - used, "%s%s", used ? "," : "",
		                         names[i].name);
	}
	if (rest && used < size)
		snprintf(text + used, size - used, "%s%#llx", used ? "," : "",
		         (unsigned long long)rest);
}
