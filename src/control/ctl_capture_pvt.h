/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture: what the control thread and the capture's own thread, its writer, know of it.
 * Threads: control, writer; each field says. Owner: ctl_capture.c.
 */
#ifndef CTL_CAPTURE_PVT_H
#define CTL_CAPTURE_PVT_H

#include <pthread.h>

#include "control/ctl_net.h"
#include "control/ctl_pcapng.h"
#include "port/port_capture.h"

enum ctl_capture_phase {
	CTL_CAPTURE_OPENING, /* compiles the filter, which may ask for names; opens the file */
	CTL_CAPTURE_OPENED,  /* waits for the order to write */
	CTL_CAPTURE_ENDED,   /* the thread ends; err or why says why */
};

enum ctl_capture_order {
	CTL_CAPTURE_WAIT,
	CTL_CAPTURE_WRITE,
	CTL_CAPTURE_FINISH, /* write what there is, then end */
	CTL_CAPTURE_LEAVE,  /* end at once */
};

struct ctl_capture {
	/* fixed before the thread starts */
	char name[PORT_NAME_LEN]; /* of the port */
	char *path, *filter;
	bool rx, tx;
	uint32_t snap_bytes;
	uint64_t max_packets, max_bytes; /* 0: as many as there are */
	int event_fd;                    /* written at each change of phase */

	/* the thread's */
	struct bpf_program program;
	struct ctl_pcapng out;
	uint64_t begin_tsc, begin_ns; /* the same moment, by both clocks */

	struct port_capture *source;  /* [ctl w, before WRITE; writer r] */
	enum ctl_capture_order order; /* [ctl w, writer r] */
	enum ctl_capture_phase phase; /* [writer w, ctl r] */
	uint64_t packets, bytes;      /* [writer w, ctl r] */
	struct evs_error err;         /* [writer w before ENDED, ctl r after] */
	const char *why;              /* the same; NULL: it was told to end */

	/* control's */
	TAILQ_ENTRY(ctl_capture) link;
	pthread_t thread;
	bool joined;
	struct port *port; /* NULL: not hooked yet, or gone */
	bool hooked;
	bool unhooking; /* a grace period is under way */
	bool done;      /* its figures wait for whoever asks */
	struct ctl_call *starting, *stopping;
	uint64_t lost; /* when it had ended */
};

/* The thread: runs until it is told to end, a limit is reached, or the file can not be written. */
void *ctl_capture_write(void *capture);

#endif
