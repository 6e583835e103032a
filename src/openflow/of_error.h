/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of OpenFlow 1.3.5 (section 7.5.4): one table for numbers and names.
 * Threads: any.
 *
 * A constant such as OFPBAC_BAD_TYPE carries type and code in one number, so that
 * every place that refuses something writes: return of_error_set(err, OFPBAC_BAD_TYPE);
 */
#ifndef OF_ERROR_H
#define OF_ERROR_H

#include "base/evs_base.h"

struct of_error {
	uint16_t type, code;
};

/* X(type name, type, prefix of codes, code name, code) */
#define OF_ERRORS_1(X)                                                                             \
	X(HELLO_FAILED, 0, OFPHFC, INCOMPATIBLE, 0)                                                \
	X(HELLO_FAILED, 0, OFPHFC, EPERM, 1)                                                       \
	X(BAD_REQUEST, 1, OFPBRC, BAD_VERSION, 0)                                                  \
	X(BAD_REQUEST, 1, OFPBRC, BAD_TYPE, 1)                                                     \
	X(BAD_REQUEST, 1, OFPBRC, BAD_MULTIPART, 2)                                                \
	X(BAD_REQUEST, 1, OFPBRC, BAD_EXPERIMENTER, 3)                                             \
	X(BAD_REQUEST, 1, OFPBRC, BAD_EXP_TYPE, 4)                                                 \
	X(BAD_REQUEST, 1, OFPBRC, EPERM, 5)                                                        \
	X(BAD_REQUEST, 1, OFPBRC, BAD_LEN, 6)                                                      \
	X(BAD_REQUEST, 1, OFPBRC, BUFFER_EMPTY, 7)                                                 \
	X(BAD_REQUEST, 1, OFPBRC, BUFFER_UNKNOWN, 8)                                               \
	X(BAD_REQUEST, 1, OFPBRC, BAD_TABLE_ID, 9)                                                 \
	X(BAD_REQUEST, 1, OFPBRC, IS_SLAVE, 10)                                                    \
	X(BAD_REQUEST, 1, OFPBRC, BAD_PORT, 11)                                                    \
	X(BAD_REQUEST, 1, OFPBRC, BAD_PACKET, 12)                                                  \
	X(BAD_REQUEST, 1, OFPBRC, MULTIPART_BUFFER_OVERFLOW, 13)                                   \
	X(BAD_ACTION, 2, OFPBAC, BAD_TYPE, 0)                                                      \
	X(BAD_ACTION, 2, OFPBAC, BAD_LEN, 1)                                                       \
	X(BAD_ACTION, 2, OFPBAC, BAD_EXPERIMENTER, 2)                                              \
	X(BAD_ACTION, 2, OFPBAC, BAD_EXP_TYPE, 3)                                                  \
	X(BAD_ACTION, 2, OFPBAC, BAD_OUT_PORT, 4)                                                  \
	X(BAD_ACTION, 2, OFPBAC, BAD_ARGUMENT, 5)                                                  \
	X(BAD_ACTION, 2, OFPBAC, EPERM, 6)                                                         \
	X(BAD_ACTION, 2, OFPBAC, TOO_MANY, 7)                                                      \
	X(BAD_ACTION, 2, OFPBAC, BAD_QUEUE, 8)                                                     \
	X(BAD_ACTION, 2, OFPBAC, BAD_OUT_GROUP, 9)                                                 \
	X(BAD_ACTION, 2, OFPBAC, MATCH_INCONSISTENT, 10)                                           \
	X(BAD_ACTION, 2, OFPBAC, UNSUPPORTED_ORDER, 11)                                            \
	X(BAD_ACTION, 2, OFPBAC, BAD_TAG, 12)                                                      \
	X(BAD_ACTION, 2, OFPBAC, BAD_SET_TYPE, 13)                                                 \
	X(BAD_ACTION, 2, OFPBAC, BAD_SET_LEN, 14)                                                  \
	X(BAD_ACTION, 2, OFPBAC, BAD_SET_ARGUMENT, 15)                                             \
	X(BAD_INSTRUCTION, 3, OFPBIC, UNKNOWN_INST, 0)                                             \
	X(BAD_INSTRUCTION, 3, OFPBIC, UNSUP_INST, 1)                                               \
	X(BAD_INSTRUCTION, 3, OFPBIC, BAD_TABLE_ID, 2)                                             \
	X(BAD_INSTRUCTION, 3, OFPBIC, UNSUP_METADATA, 3)                                           \
	X(BAD_INSTRUCTION, 3, OFPBIC, UNSUP_METADATA_MASK, 4)                                      \
	X(BAD_INSTRUCTION, 3, OFPBIC, BAD_EXPERIMENTER, 5)                                         \
	X(BAD_INSTRUCTION, 3, OFPBIC, BAD_EXP_TYPE, 6)                                             \
	X(BAD_INSTRUCTION, 3, OFPBIC, BAD_LEN, 7)                                                  \
	X(BAD_INSTRUCTION, 3, OFPBIC, EPERM, 8)                                                    \
	X(BAD_INSTRUCTION, 3, OFPBIC, DUP_INST, 9)                                                 \
	X(BAD_MATCH, 4, OFPBMC, BAD_TYPE, 0)                                                       \
	X(BAD_MATCH, 4, OFPBMC, BAD_LEN, 1)                                                        \
	X(BAD_MATCH, 4, OFPBMC, BAD_TAG, 2)                                                        \
	X(BAD_MATCH, 4, OFPBMC, BAD_DL_ADDR_MASK, 3)                                               \
	X(BAD_MATCH, 4, OFPBMC, BAD_NW_ADDR_MASK, 4)                                               \
	X(BAD_MATCH, 4, OFPBMC, BAD_WILDCARDS, 5)                                                  \
	X(BAD_MATCH, 4, OFPBMC, BAD_FIELD, 6)                                                      \
	X(BAD_MATCH, 4, OFPBMC, BAD_VALUE, 7)                                                      \
	X(BAD_MATCH, 4, OFPBMC, BAD_MASK, 8)                                                       \
	X(BAD_MATCH, 4, OFPBMC, BAD_PREREQ, 9)                                                     \
	X(BAD_MATCH, 4, OFPBMC, DUP_FIELD, 10)                                                     \
	X(BAD_MATCH, 4, OFPBMC, EPERM, 11)

#define OF_ERRORS_2(X)                                                                             \
	X(FLOW_MOD_FAILED, 5, OFPFMFC, UNKNOWN, 0)                                                 \
	X(FLOW_MOD_FAILED, 5, OFPFMFC, TABLE_FULL, 1)                                              \
	X(FLOW_MOD_FAILED, 5, OFPFMFC, BAD_TABLE_ID, 2)                                            \
	X(FLOW_MOD_FAILED, 5, OFPFMFC, OVERLAP, 3)                                                 \
	X(FLOW_MOD_FAILED, 5, OFPFMFC, EPERM, 4)                                                   \
	X(FLOW_MOD_FAILED, 5, OFPFMFC, BAD_TIMEOUT, 5)                                             \
	X(FLOW_MOD_FAILED, 5, OFPFMFC, BAD_COMMAND, 6)                                             \
	X(FLOW_MOD_FAILED, 5, OFPFMFC, BAD_FLAGS, 7)                                               \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, GROUP_EXISTS, 0)                                           \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, INVALID_GROUP, 1)                                          \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, WEIGHT_UNSUPPORTED, 2)                                     \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, OUT_OF_GROUPS, 3)                                          \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, OUT_OF_BUCKETS, 4)                                         \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, CHAINING_UNSUPPORTED, 5)                                   \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, WATCH_UNSUPPORTED, 6)                                      \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, LOOP, 7)                                                   \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, UNKNOWN_GROUP, 8)                                          \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, CHAINED_GROUP, 9)                                          \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, BAD_TYPE, 10)                                              \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, BAD_COMMAND, 11)                                           \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, BAD_BUCKET, 12)                                            \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, BAD_WATCH, 13)                                             \
	X(GROUP_MOD_FAILED, 6, OFPGMFC, EPERM, 14)                                                 \
	X(PORT_MOD_FAILED, 7, OFPPMFC, BAD_PORT, 0)                                                \
	X(PORT_MOD_FAILED, 7, OFPPMFC, BAD_HW_ADDR, 1)                                             \
	X(PORT_MOD_FAILED, 7, OFPPMFC, BAD_CONFIG, 2)                                              \
	X(PORT_MOD_FAILED, 7, OFPPMFC, BAD_ADVERTISE, 3)                                           \
	X(PORT_MOD_FAILED, 7, OFPPMFC, EPERM, 4)                                                   \
	X(TABLE_MOD_FAILED, 8, OFPTMFC, BAD_TABLE, 0)                                              \
	X(TABLE_MOD_FAILED, 8, OFPTMFC, BAD_CONFIG, 1)                                             \
	X(TABLE_MOD_FAILED, 8, OFPTMFC, EPERM, 2)                                                  \
	X(QUEUE_OP_FAILED, 9, OFPQOFC, BAD_PORT, 0)                                                \
	X(QUEUE_OP_FAILED, 9, OFPQOFC, BAD_QUEUE, 1)                                               \
	X(QUEUE_OP_FAILED, 9, OFPQOFC, EPERM, 2)                                                   \
	X(SWITCH_CONFIG_FAILED, 10, OFPSCFC, BAD_FLAGS, 0)                                         \
	X(SWITCH_CONFIG_FAILED, 10, OFPSCFC, BAD_LEN, 1)                                           \
	X(SWITCH_CONFIG_FAILED, 10, OFPSCFC, EPERM, 2)                                             \
	X(ROLE_REQUEST_FAILED, 11, OFPRRFC, STALE, 0)                                              \
	X(ROLE_REQUEST_FAILED, 11, OFPRRFC, UNSUP, 1)                                              \
	X(ROLE_REQUEST_FAILED, 11, OFPRRFC, BAD_ROLE, 2)                                           \
	X(METER_MOD_FAILED, 12, OFPMMFC, UNKNOWN, 0)                                               \
	X(METER_MOD_FAILED, 12, OFPMMFC, METER_EXISTS, 1)                                          \
	X(METER_MOD_FAILED, 12, OFPMMFC, INVALID_METER, 2)                                         \
	X(METER_MOD_FAILED, 12, OFPMMFC, UNKNOWN_METER, 3)                                         \
	X(METER_MOD_FAILED, 12, OFPMMFC, BAD_COMMAND, 4)                                           \
	X(METER_MOD_FAILED, 12, OFPMMFC, BAD_FLAGS, 5)                                             \
	X(METER_MOD_FAILED, 12, OFPMMFC, BAD_RATE, 6)                                              \
	X(METER_MOD_FAILED, 12, OFPMMFC, BAD_BURST, 7)                                             \
	X(METER_MOD_FAILED, 12, OFPMMFC, BAD_BAND, 8)                                              \
	X(METER_MOD_FAILED, 12, OFPMMFC, BAD_BAND_VALUE, 9)                                        \
	X(METER_MOD_FAILED, 12, OFPMMFC, OUT_OF_METERS, 10)                                        \
	X(METER_MOD_FAILED, 12, OFPMMFC, OUT_OF_BANDS, 11)                                         \
	X(TABLE_FEATURES_FAILED, 13, OFPTFFC, BAD_TABLE, 0)                                        \
	X(TABLE_FEATURES_FAILED, 13, OFPTFFC, BAD_METADATA, 1)                                     \
	X(TABLE_FEATURES_FAILED, 13, OFPTFFC, BAD_TYPE, 2)                                         \
	X(TABLE_FEATURES_FAILED, 13, OFPTFFC, BAD_LEN, 3)                                          \
	X(TABLE_FEATURES_FAILED, 13, OFPTFFC, BAD_ARGUMENT, 4)                                     \
	X(TABLE_FEATURES_FAILED, 13, OFPTFFC, EPERM, 5)

#define OF_ERRORS(X)                                                                               \
	OF_ERRORS_1(X)                                                                             \
	OF_ERRORS_2(X)

enum of_error_no {
#define X(type_name, type, prefix, name, code) prefix##_##name = (type) << 16 | (code),
	OF_ERRORS(X)
#undef X
};

/* Stores the error (err may be NULL) and returns -EPROTO. */
int of_error_set(struct of_error *err, enum of_error_no number);
/* "OFPBAC_BAD_TYPE"; "unknown error" for numbers that are not of 1.3.5. */
const char *of_error_name(struct of_error err);

#endif
