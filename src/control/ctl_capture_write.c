/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread of a capture: everything that may wait for names, disks and file systems.
 * Threads: writer, one a capture. Owner: see ctl_capture_pvt.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/evs_clock.h"
#include "control/ctl_capture_pvt.h"

#define IDLE_US     2000
#define BURST       256
#define FILE_BUFFER (1 << 20)

static void nap(long us)
{
	const struct timespec ts = {.tv_nsec = us * 1000};

	nanosleep(&ts, NULL);
}

static void tell(struct ctl_capture *c, enum ctl_capture_phase phase)
{
	uint64_t one = 1;

	evs_store_release(&c->phase, phase);
	if (write(c->event_fd, &one, sizeof(one)) < 0)
		EVS_LOG(control, ERR, "capture of port '%s': cannot wake: %s", c->name,
		        strerror(errno));
}

static int compile(struct ctl_capture *c)
{
	pcap_t *p = pcap_open_dead(DLT_EN10MB, PORT_CAPTURE_SNAP_MAX);

	if (!p)
		return evs_error_set(&c->err, -ENOMEM, "no memory for a filter");
	if (pcap_compile(p, &c->program, c->filter, 1, PCAP_NETMASK_UNKNOWN))
		evs_error_set(&c->err, -EINVAL,
		              "filter '%.200s': %s ('man pcap-filter' has the syntax)", c->filter,
		              pcap_geterr(p));
	pcap_close(p);
	return c->err.code;
}

/* O_NONBLOCK: a fifo that nobody reads would hold us. */
static int open_file(struct ctl_capture *c)
{
	int fd = open(c->path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		evs_error_set(&c->err, -errno, "cannot write %s: %s", c->path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		evs_error_set(&c->err, -EINVAL, "%s is not a file: name one that can be written",
		              c->path);
	else if (ftruncate(fd, 0))
		evs_error_set(&c->err, -errno, "cannot empty %s: %s", c->path, strerror(errno));
	else
		c->out.file = fdopen(fd, "w");
	if (!c->out.file) {
		if (fd >= 0)
			close(fd);
		return c->err.code ? c->err.code
		                   : evs_error_set(&c->err, -ENOMEM, "no memory for a file");
	}
	setvbuf(c->out.file, NULL, _IOFBF, FILE_BUFFER);
	return 0;
}

static int begin(struct ctl_capture *c)
{
	int ret = compile(c);

	if (ret == 0)
		ret = open_file(c);
	if (ret)
		return ret;
	if (ctl_pcapng_begin(&c->out, c->name, c->filter, c->snap_bytes) || fflush(c->out.file))
		return evs_error_set(&c->err, -EIO, "cannot write %s: %s", c->path,
		                     strerror(errno));
	return 0;
}

static uint64_t time_of(const struct ctl_capture *c, uint64_t tsc)
{
	int64_t since = (int64_t)(tsc - c->begin_tsc);

	return since >= 0 ? c->begin_ns + evs_clock_tsc_to_ns((uint64_t)since)
	                  : c->begin_ns - evs_clock_tsc_to_ns((uint64_t)-since);
}

/* Why the capture ends by itself; NULL: it goes on. */
static const char *limit(const struct ctl_capture *c)
{
	if (c->out.error)
		return strerror(-c->out.error);
	if (c->max_packets && c->packets >= c->max_packets)
		return "it has as many packets as were wanted";
	if (c->max_bytes && c->out.bytes >= c->max_bytes)
		return "its file is as large as it may be";
	return NULL;
}

/* Up to max packets; how many. */
static unsigned drain(struct ctl_capture *c, unsigned max)
{
	struct port_captured from;
	unsigned n = 0;

	while (n < max && !limit(c) && port_capture_next(c->source, &from)) {
		const struct ctl_pcapng_packet packet = {
		        .time_ns = time_of(c, from.tsc),
		        .data = from.data,
		        .cap_len = from.cap_len,
		        .len = from.len,
		        .out = from.out,
		};

		ctl_pcapng_packet(&c->out, &packet);
		port_capture_done(c->source);
		evs_counter_add(&c->packets, 1);
		n++;
	}
	evs_store_relaxed(&c->bytes, c->out.bytes);
	return n;
}

static void run(struct ctl_capture *c)
{
	enum ctl_capture_order order;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	c->begin_tsc = evs_clock_tsc();
	c->begin_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	while ((order = evs_load_acquire(&c->order)) == CTL_CAPTURE_WAIT)
		nap(IDLE_US);
	while (order == CTL_CAPTURE_WRITE && !limit(c)) {
		if (!drain(c, BURST)) {
			if (fflush(c->out.file)) /* so that others see what there is */
				c->out.error = -errno;
			nap(IDLE_US);
		}
		order = evs_load_acquire(&c->order);
	}
	while (order == CTL_CAPTURE_FINISH && drain(c, BURST))
		;
	c->why = limit(c);
}

static void end(struct ctl_capture *c)
{
	struct ctl_pcapng_totals totals = {.packets = c->packets};

	if (!c->out.file)
		return;
	if (c->source)
		totals.lost = port_capture_lost(c->source);
	totals.time_ns = time_of(c, evs_clock_tsc());
	ctl_pcapng_end(&c->out, &totals);
	if (fclose(c->out.file) && !c->out.error)
		c->out.error = -errno;
	evs_store_relaxed(&c->bytes, c->out.bytes);
	if (c->out.error)
		c->why = strerror(-c->out.error);
}

void *ctl_capture_write(void *capture)
{
	struct ctl_capture *c = capture;

	if (begin(c) == 0) {
		tell(c, CTL_CAPTURE_OPENED);
		run(c);
	}
	end(c);
	tell(c, CTL_CAPTURE_ENDED);
	return NULL;
}
