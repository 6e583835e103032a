/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command-line options of evsd: one table for its parser, its help and its man page.
 * Threads: any; constant data.
 */
#ifndef API_EVSD_H
#define API_EVSD_H

/* X(id, "name", "ARGUMENT" or NULL, "help") */
#define API_EVSD_OPTIONS(X)                                                                        \
	X(run_dir, "run-dir", "DIR", "sockets: DIR/evs.sock, DIR/BRIDGE.mgmt (/run/evs)")          \
	X(state_dir, "state-dir", "DIR", "saved configuration: DIR/config.json (/var/lib/evs)")    \
	X(config, "config", "FILE", "saved configuration: this file instead; made if absent")      \
	X(no_config, "no-config", NULL, "start empty, save nothing")                               \
	X(worker_cpus, "worker-cpus", "LIST",                                                      \
	  "one worker on each, like 2,4-6 (as saved, else the last CPU allowed)")                  \
	X(control_cpus, "control-cpus", "LIST", "CPUs of the control thread (all but workers')")   \
	X(dpdk, "dpdk", "\"OPTIONS\"", "options for DPDK's EAL, like \"-a 0000:01:00.0\"")         \
	X(log, "log", "LEVEL[,ROOM:LEVEL...]", "err, warn, notice, info or debug (notice)")        \
	X(http, "http", "ADDR:PORT", "serve metrics at http://ADDR:PORT/metrics")                  \
	X(detach, "detach", NULL, "go into the background once ready; log to DIR/evsd.log")        \
	X(pidfile, "pidfile", "FILE", "write the process id to FILE")                              \
	X(version, "version", NULL, "show the version")                                            \
	X(help, "help", NULL, "show this help")

#endif
