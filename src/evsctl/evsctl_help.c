/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help that teaches: what there is, how it is called, an example of each.
 */
#include <string.h>

#include "evsctl/evsctl_pvt.h"

static void line_of(FILE *out, const struct api_method *method)
{
	char noun[32], verb[32], words[72];

	api_method_words(method, noun, verb);
	snprintf(words, sizeof(words), "%s %s", noun, verb);
	fprintf(out, "  %-18s %s\n", words, method->help);
}

void evsctl_help(FILE *out)
{
	fprintf(out, "evsctl: the client of evs, the elastic virtual switch\n\n"
	             "usage: evsctl [--socket PATH] [--json] [--watch] NOUN VERB [ARGS] "
	             "[key=value...]\n\n");
	for (unsigned i = 0; i < API_N_METHODS; i++)
		line_of(out, api_methods[i]);
	fprintf(out,
	        "  %-18s %s\n"
	        "\n  --socket PATH      evsd's socket (" EVSCTL_SOCKET ")\n"
	        "  --json             the result as JSON, for scripts\n"
	        "  --watch            again every second, as with `qos show PORT`\n"
	        "  --version, --help\n\n"
	        "'evsctl NOUN VERB --help' says more. A first session:\n\n"
	        "  evsctl bridge add br0 address=10.0.0.1/24\n"
	        "  evsctl port add br0 p0 type=tap\n"
	        "  evsctl port show\n"
	        "  evsctl fdb show br0\n\n"
	        "Exit status: 0 done, 1 refused (the reason on stderr), 2 usage, 3 no evsd.\n",
	        "top", "Watch rates of ports and load of workers");
}

static void param_line(FILE *out, const struct api_param *p)
{
	char left[64];

	if (p->flags & API_POS)
		snprintf(left, sizeof(left), "%s%s", p->form, p->flags & API_REST ? "..." : "");
	else
		snprintf(left, sizeof(left), "%s=%s", p->name, p->form);
	if (strlen(left) > 24)
		fprintf(out, "  %s\n  %-24s %s\n", left, "", p->help);
	else
		fprintf(out, "  %-24s %s\n", left, p->help);
}

void evsctl_help_method(FILE *out, const struct api_method *method)
{
	char usage[1024];

	api_method_usage(method, usage, sizeof(usage));
	fprintf(out, "%s\n\nusage: evsctl %s\n", method->help, usage);
	if (method->params)
		fprintf(out, "\n");
	for (const struct api_param *p = method->params; p && p->name; p++)
		param_line(out, p);
	if (method->more)
		fprintf(out, "\n%s\n", method->more);
	fprintf(out, "\nexample: evsctl %s\n", method->example);
}

bool evsctl_help_noun(FILE *out, const char *noun)
{
	size_t len = strlen(noun);
	unsigned n = 0;

	for (unsigned i = 0; i < API_N_METHODS; i++) {
		const char *name = api_methods[i]->name;

		if (strncmp(name, noun, len) || (name[len] != '.' && name[len] != '\0'))
			continue;
		if (n++ == 0)
			fprintf(out, "evsctl %s:\n\n", noun);
		line_of(out, api_methods[i]);
	}
	if (n)
		fprintf(out, "\n'evsctl %s VERB --help' says more.\n", noun);
	return n > 0;
}
