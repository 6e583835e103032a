/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods of captures. Threads: any; constant data.
 */
#include "api/api.h"

/* Rows leave out what is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define PARAMS  (const struct api_param[])
#define COLUMNS (const struct api_column[])

const struct api_method api_capture_start = {
        .name = "capture.start",
        .flags = API_ACT,
        .help = "Write the packets that a port receives and sends to a file",
        .more = "The file is pcapng, for tcpdump and wireshark; each packet says whether it came "
                "in or went out. The filter has the syntax of tcpdump ('man pcap-filter'). What "
                "the disk is too slow for is not written, and counted as lost: traffic does not "
                "wait. A port that is not captured pays nothing.",
        .example = "capture start p0 /tmp/p0.pcapng packets=1000 'udp port 53'",
        .params = PARAMS{{"port", API_NAME, API_REQUIRED | API_POS, "PORT", "which port"},
                         {"file", API_STR, API_REQUIRED | API_POS | API_FILE, "FILE",
                          "path, seen by evsd; what it held is lost"},
                         {"filter", API_STRS, API_POS | API_REST, "FILTER",
                          "only packets that match"},
                         {"direction", API_CHOICE, 0, "rx|tx|both",
                          "what the port receives, what it sends, or both (both)"},
                         {"snaplen", API_UINT, 0, "BYTES", "no more of each packet (65535)", 14,
                          65535},
                         {"packets", API_UINT, 0, "N", "end after so many packets", 1, UINT32_MAX},
                         {"size", API_UINT, 0, "MB", "end when the file has this size (1000)", 1,
                          1000000},
                         {0}},
};

const struct api_method api_capture_stop = {
        .name = "capture.stop",
        .flags = API_ACT,
        .help = "End the capture of a port; answers when its file is complete",
        .example = "capture stop p0",
        .params = PARAMS{{"port", API_NAME, API_POS, "PORT", "which port; left out: the only one"},
                         {0}},
};

const struct api_method api_capture_show = {
        .name = "capture.show",
        .flags = API_READ,
        .help = "Show captures with what they have written",
        .example = "capture show",
        .columns = COLUMNS{{"PORT", "port"},
                           {"STATE", "state"},
                           {"PACKETS", "packets", API_COL_RIGHT},
                           {"BYTES", "bytes", API_COL_RIGHT},
                           {"LOST", "lost", API_COL_RIGHT},
                           {"FILE", "file"},
                           {"FILTER", "filter", API_COL_LONG},
                           {"WHY", "why", API_COL_LONG},
                           {0}},
};
