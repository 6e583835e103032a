/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the vhost-user protocol as DPDK's vhost library shows them to its users' hooks
 * (rte_vhost_extern_callback_register). Numbers and fields: "Vhost-user Protocol" of QEMU's
 * documentation; the layout is that of the library's ABI 23.
 * Threads: vhost.
 */
#ifndef VHU_MSG_PVT_H
#define VHU_MSG_PVT_H

#include <stdint.h>

#define VHU_MSG_REGIONS 8
#define VHU_MSG_FDS     8

enum vhu_request {
	VHU_GET_FEATURES = 1,
	VHU_SET_FEATURES = 2,
	VHU_SET_OWNER = 3,
	VHU_RESET_OWNER = 4,
	VHU_SET_MEM_TABLE = 5,
	VHU_SET_LOG_BASE = 6,
	VHU_SET_VRING_NUM = 8,
	VHU_SET_VRING_ADDR = 9,
	VHU_SET_VRING_BASE = 10,
	VHU_GET_VRING_BASE = 11,
	VHU_SET_VRING_KICK = 12,
	VHU_SET_VRING_CALL = 13,
	VHU_SET_VRING_ERR = 14,
	VHU_GET_QUEUE_NUM = 17,
	VHU_SET_VRING_ENABLE = 18,
	VHU_SEND_RARP = 19,
	VHU_SET_CHANNEL = 21,
	VHU_IOTLB_MSG = 22,
	VHU_POSTCOPY_ADVISE = 28,
	VHU_POSTCOPY_LISTEN = 29,
	VHU_POSTCOPY_END = 30,
	VHU_GET_INFLIGHT_FD = 31,
	VHU_SET_INFLIGHT_FD = 32,
	VHU_N_REQUESTS,
};

#define VHU_MSG_REPLY      0x4u
#define VHU_MSG_NEED_REPLY 0x8u
#define VHU_MSG_RING_MASK  0xffu /* of u64 in KICK, CALL, ERR */

struct vhu_msg_region {
	uint64_t gpa, size, uva, offset;
};

struct vhu_msg {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t n_regions, padding;
			struct vhu_msg_region region[VHU_MSG_REGIONS];
		} mem;
		struct {
			uint64_t size, offset;
		} log;
		uint8_t bytes[632]; /* the largest that the library knows */
	};
	int fds[VHU_MSG_FDS];
	int n_fds;
} __attribute__((packed));

#endif
