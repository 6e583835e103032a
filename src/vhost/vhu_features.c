/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of virtio features (virtio 1.2: 5.1.3, 6), for `features=` and for `port show`.
 * Threads: any.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <string.h>

#include "vhost/vhu_pvt.h"

#define BIT(n) (1ull << (n))

static const struct feature {
	const char *name;
	uint64_t bits;
	bool is_option; /* may stand in features= */
} names[] = {
        {"csum", BIT(VIRTIO_NET_F_CSUM), true},
        {"guest-csum", BIT(VIRTIO_NET_F_GUEST_CSUM), true},
        {"tso", BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6), true},
        {"guest-tso", BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6), true},
        {"ufo", BIT(VIRTIO_NET_F_HOST_UFO), true},
        {"guest-ufo", BIT(VIRTIO_NET_F_GUEST_UFO), true},
        {"ecn", BIT(VIRTIO_NET_F_HOST_ECN), true},
        {"guest-ecn", BIT(VIRTIO_NET_F_GUEST_ECN), true},
        {"mrg-rxbuf", BIT(VIRTIO_NET_F_MRG_RXBUF), true},
        {"mtu", BIT(VIRTIO_NET_F_MTU), true},
        {"mq", BIT(VIRTIO_NET_F_MQ), true},
        {"ctrl-guest-offloads", BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS), false},
        {"mac", BIT(VIRTIO_NET_F_MAC), false},
        {"gso", BIT(6), false}, /* of drivers before virtio 1.0: all of tso, ufo, ecn */
        {"status", BIT(VIRTIO_NET_F_STATUS), false},
        {"guest-announce", BIT(VIRTIO_NET_F_GUEST_ANNOUNCE), true},
        {"ctrl-vq", BIT(VIRTIO_NET_F_CTRL_VQ), false},
        {"ctrl-rx", BIT(VIRTIO_NET_F_CTRL_RX), false},
        {"ctrl-vlan", BIT(VIRTIO_NET_F_CTRL_VLAN), false},
        {"ctrl-rx-extra", BIT(VIRTIO_NET_F_CTRL_RX_EXTRA), false},
        {"ctrl-mac-addr", BIT(VIRTIO_NET_F_CTRL_MAC_ADDR), false},
        {"notf-coal", BIT(53), false},
        {"guest-uso", BIT(54) | BIT(55), false},
        {"uso", BIT(56), false},
        {"hash-report", BIT(57), false},
        {"guest-hdrlen", BIT(59), false},
        {"rss", BIT(60), false},
        {"rsc-ext", BIT(61), false},
        {"standby", BIT(62), false},
        {"speed-duplex", BIT(63), false},
        {"notify-on-empty", BIT(24), false},
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
        {"sr-iov", BIT(VIRTIO_F_SR_IOV), false},
        {"notification-data", BIT(38), false},
        {"notif-config-data", BIT(39), false},
        {"ring-reset", BIT(40), false},
};

static const struct feature *find(const char *name, size_t len)
{
	for (unsigned i = 0; i < EVS_ARRAY_LEN(names); i++)
		if (strlen(names[i].name) == len && !strncmp(names[i].name, name, len))
			return &names[i];
	return NULL;
}

/* feature: known, but not to be chosen, or NULL */
static int refuse(const char *word, size_t len, const struct feature *feature,
                  struct evs_error *err)
{
	char known[256] = "";

	if (feature && feature->bits == VHU_NOT_OURS)
		return evs_error_set(err, -EINVAL,
		                     "virtio feature 'iommu' can not be chosen by features=: "
		                     "iommu=on offers it, iommu=off (the default) does not");
	for (unsigned i = 0; i < EVS_ARRAY_LEN(names); i++) {
		size_t used = strlen(known);

		if (names[i].is_option)
			snprintf(known + used, sizeof(known) - used, " %s", names[i].name);
	}
	return evs_error_set(err, -EINVAL, "%s '%.*s'%s: use a list like packed,-tso of:%s",
	                     feature ? "virtio feature" : "unknown virtio feature", (int)len, word,
	                     feature ? " can not be chosen" : "", known);
}

int vhu_features_parse(const char *text, uint64_t *features, struct evs_error *err)
{
	uint64_t result = *features;

	while (*text) {
		bool remove = *text == '-';
		const struct feature *feature;
		size_t len;

		text += *text == '-' || *text == '+';
		len = strcspn(text, ",");
		feature = find(text, len);
		if (!feature || !feature->is_option)
			return refuse(text, len, feature, err);
		result = remove ? result & ~feature->bits : result | feature->bits;
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
