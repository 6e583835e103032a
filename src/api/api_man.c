/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the man pages evsd(8) and evsctl(8) from the tables: `evs-man PAGE`. A program of the
 * build, not installed.
 */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/api_evsd.h"

/* Text as troff takes it literally. */
static void text(const char *s)
{
	bool start = true;

	for (; *s; s++) {
		if (start && (*s == '.' || *s == '\''))
			fputs("\\&", stdout);
		start = *s == '\n';
		if (*s == '-')
			fputs("\\-", stdout);
		else if (*s == '\\')
			fputs("\\e", stdout);
		else
			putchar(*s);
	}
}

static void line(const char *s)
{
	text(s);
	putchar('\n');
}

static void section(const char *name)
{
	printf(".SH %s\n", name);
}

static void item(const char *term, const char *what)
{
	printf(".TP\n.B ");
	line(term);
	line(what);
}

static void header(const char *page, const char *what)
{
	printf(".\\\" SPDX-License-Identifier: Apache-2.0\n.TH %s 8 \"\" \"evs %s\" \"evs\"\n",
	       page, EVS_VERSION);
	section("NAME");
	printf("%s \\- %s\n", page, what);
}

static void option(const char *name, const char *arg, const char *help)
{
	char term[80];

	snprintf(term, sizeof(term), "--%s%s%s", name, arg ? " " : "", arg ? arg : "");
	item(term, help);
}

static void page_evsd(void)
{
	header("evsd", "daemon of evs, the elastic virtual switch");
	section("SYNOPSIS");
	printf(".B evsd\n[\\fIoption\\fR...]\n");
	section("DESCRIPTION");
	line("evsd switches packets between NICs, virtual machines and tunnels from user space. "
	     "Poll-mode workers receive, look up and send; one control thread serves OpenFlow "
	     "controllers and the JSON-RPC socket that evsctl(8) uses.");
	line("Huge pages are used where they are reserved, and are not needed. PCI devices are "
	     "left "
	     "alone unless --dpdk names them.");
	section("OPTIONS");
#define X(id, name, arg, help) option(name, arg, help);
	API_EVSD_OPTIONS(X)
#undef X
	section("SIGNALS");
	item("SIGTERM, SIGINT", "end, removing what was made, with status 0; the saved "
	                        "configuration stays");
	item("SIGHUP", "open the log file anew (with --detach)");
	section("EXIT STATUS");
	line("0 after a clean end, 1 if it could not start (the reason and the remedy stand on "
	     "stderr), 2 for wrong options.");
	section("SEE ALSO");
	printf("evsctl(8)\n");
}

static void method(const struct api_method *m)
{
	char usage[1024], term[320];

	api_method_usage(m, usage, sizeof(usage));
	printf(".SS ");
	line(usage);
	text(m->help);
	printf(".\n");
	if (m->more) {
		printf("\n");
		line(m->more);
	}
	for (const struct api_param *p = m->params; p && p->name; p++) {
		if (p->flags & API_POS)
			snprintf(term, sizeof(term), "%s", p->form);
		else
			snprintf(term, sizeof(term), "%s=%s", p->name, p->form);
		item(term, p->help);
	}
	printf(".PP\nExample:\n.B evsctl ");
	line(m->example);
}

static void page_evsctl(void)
{
	header("evsctl", "client of evs, the elastic virtual switch");
	section("SYNOPSIS");
	printf(".B evsctl\n[\\-\\-socket \\fIPATH\\fR] [\\-\\-json] \\fInoun\\fR \\fIverb\\fR "
	       "[\\fIargument\\fR...] [\\fIkey\\fR=\\fIvalue\\fR...]\n");
	section("DESCRIPTION");
	line("evsctl asks evsd(8) over its JSON-RPC socket: `evsctl port show` is the method "
	     "port.show. Results are tables for people, or JSON with --json.");
	section("OPTIONS");
	item("--socket PATH", "the socket of evsd (/run/evs/evs.sock, or $EVS_SOCKET)");
	item("--json", "the result as JSON");
	item("--watch", "again every second, until interrupted");
	item("--help", "help; behind a noun and verb: of that command");
	item("--version", "the version");
	section("COMMANDS");
	for (unsigned i = 0; i < API_N_METHODS; i++)
		method(api_methods[i]);
	printf(".SS top\n");
	line("Watch rates of ports and load of workers, until q; one sample if the output is no "
	     "terminal.");
	section("EXIT STATUS");
	line("0 done, 1 refused (the reason stands on stderr), 2 wrong usage, 3 no evsd answers.");
	section("SEE ALSO");
	printf("evsd(8)\n");
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "evsd"))
		page_evsd();
	else if (argc == 2 && !strcmp(argv[1], "evsctl"))
		page_evsctl();
	else
		return fprintf(stderr, "usage: evs-man evsd|evsctl\n"), 2;
	return 0;
}
