/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `evsctl top`: rates of ports and load of workers, once a second. On a terminal until q; else one
 * sample as text.
 */
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/evs_units.h"
#include "evsctl/evsctl_pvt.h"

struct sample {
	json_t *ports, *workers;
	double at_s;
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool take(struct evsctl_conn *conn, struct sample *sample)
{
	json_t *error = NULL;

	sample->ports = evsctl_conn_call(conn, "port.show", json_object(), &error);
	json_decref(error);
	sample->workers = evsctl_conn_call(conn, "worker.show", json_object(), &error);
	json_decref(error);
	sample->at_s = now_s();
	return sample->ports && sample->workers;
}

static void drop(struct sample *sample)
{
	json_decref(sample->ports);
	json_decref(sample->workers);
	memset(sample, 0, sizeof(*sample));
}

/* The row of the earlier sample with the same value of a member. */
static json_t *earlier(json_t *rows, const char *key, const json_t *row)
{
	json_t *other;
	size_t i;

	json_array_foreach (rows, i, other) {
		if (json_equal(json_object_get(other, key), json_object_get(row, key)))
			return other;
	}
	return NULL;
}

static double delta(const json_t *now, const json_t *before, const char *key)
{
	const json_t *b = json_object_get(before, key);

	return b ? json_number_value(json_object_get(now, key)) - json_number_value(b) : 0;
}

typedef void line_fn(const char *text);

static const char *rate(double per_s, enum evs_unit unit, char text[EVS_UNITS_TEXT_LEN])
{
	return evs_units_format(unit, per_s > 0 ? (uint64_t)per_s : 0, text);
}

static void show_port(const json_t *now, const json_t *before, double s, line_fn *line)
{
	char t[5][EVS_UNITS_TEXT_LEN], text[256];

	snprintf(text, sizeof(text), "%-16s %-6s %10s %12s %10s %12s %10s",
	         json_string_value(json_object_get(now, "name")),
	         json_string_value(json_object_get(now, "link")),
	         rate(delta(now, before, "rx-pkts") / s, EVS_UNIT_COUNT, t[0]),
	         rate(delta(now, before, "rx-bytes") * 8 / s, EVS_UNIT_BPS, t[1]),
	         rate(delta(now, before, "tx-pkts") / s, EVS_UNIT_COUNT, t[2]),
	         rate(delta(now, before, "tx-bytes") * 8 / s, EVS_UNIT_BPS, t[3]),
	         rate(delta(now, before, "drops") / s, EVS_UNIT_COUNT, t[4]));
	line(text);
}

static void show_worker(const json_t *now, const json_t *before, double s, line_fn *line)
{
	double busy = delta(now, before, "busy-tsc"), idle = delta(now, before, "idle-tsc");
	double pkts = delta(now, before, "pkts"), misses = delta(now, before, "misses");
	char t[2][EVS_UNITS_TEXT_LEN], text[256];

	snprintf(text, sizeof(text), "%6d %5d %7.1f %10s %9.0f %10s",
	         (int)json_integer_value(json_object_get(now, "worker")),
	         (int)json_integer_value(json_object_get(now, "cpu")),
	         busy + idle > 0 ? 100 * busy / (busy + idle) : 0,
	         rate(pkts / s, EVS_UNIT_COUNT, t[0]), pkts > 0 ? busy / pkts : 0,
	         rate(misses / s, EVS_UNIT_COUNT, t[1]));
	line(text);
}

static void show(const struct sample *now, const struct sample *before, line_fn *line)
{
	double s = EVS_MAX(now->at_s - before->at_s, 0.001);
	char text[256];
	json_t *row;
	size_t i;

	snprintf(text, sizeof(text), "%-16s %-6s %10s %12s %10s %12s %10s", "PORT", "LINK",
	         "RX PKT/S", "RX", "TX PKT/S", "TX", "DROPS/S");
	line(text);
	json_array_foreach (now->ports, i, row) {
		show_port(row, earlier(before->ports, "name", row), s, line);
	}
	line("");
	snprintf(text, sizeof(text), "%6s %5s %7s %10s %9s %10s", "WORKER", "CPU", "BUSY%", "PKT/S",
	         "CYC/PKT", "MISSES/S");
	line(text);
	json_array_foreach (now->workers, i, row) {
		show_worker(row, earlier(before->workers, "worker", row), s, line);
	}
}

static void line_plain(const char *text)
{
	puts(text);
}

static void line_screen(const char *text)
{
	printw("%s\n", text);
}

static bool once(struct evsctl_conn *conn)
{
	struct sample before = {0}, now = {0};
	bool good = take(conn, &before);

	if (good)
		sleep(1);
	good = good && take(conn, &now);
	if (good)
		show(&now, &before, line_plain);
	drop(&before);
	drop(&now);
	return good;
}

static bool live(struct evsctl_conn *conn)
{
	struct sample before = {0}, now = {0};
	bool good = take(conn, &before);
	int key = 0;

	initscr();
	cbreak();
	noecho();
	curs_set(0);
	while (good && key != 'q' && key != 'Q') {
		good = take(conn, &now);
		if (!good)
			break;
		erase();
		printw("evs top: q ends\n\n");
		show(&now, &before, line_screen);
		refresh();
		drop(&before);
		before = now;
		memset(&now, 0, sizeof(now));
		timeout(1000);
		key = getch();
	}
	endwin();
	drop(&before);
	drop(&now);
	return good;
}

int evsctl_top(const char *socket, int n, char **words)
{
	struct evsctl_conn *conn;
	bool good;

	if (n) {
		fprintf(stderr, "evsctl: top takes no arguments\n");
		return EVSCTL_USAGE;
	}
	conn = evsctl_conn_open(socket, false);
	if (!conn)
		return EVSCTL_NO_EVSD;
	good = isatty(STDOUT_FILENO) && getenv("TERM") ? live(conn) : once(conn);
	evsctl_conn_close(conn);
	if (!good)
		fprintf(stderr, "evsctl: evsd at %s went away\n", socket);
	return good ? EVSCTL_OK : EVSCTL_NO_EVSD;
}
