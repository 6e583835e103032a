/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parser and printer of numbers with units, over one table of suffixes. Threads: any.
 */
#include "base/evs_units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct suffix {
	const char *name;
	uint64_t factor;
	bool printed; /* the printer uses it; these rows stand in descending order */
};

#define K UINT64_C(1000)
#define B UINT64_C(1024)

static const struct suffix count_suffixes[] = {
        {"T", K *K *K *K, true}, {"G", K *K *K, true},      {"M", K *K, true}, {"k", K, true},
        {"", 1, true},           {"K", K, false},           {"Ki", B, false},  {"Mi", B *B, false},
        {"Gi", B *B *B, false},  {"Ti", B *B *B *B, false}, {NULL, 0, false},
};

static const struct suffix byte_suffixes[] = {
        {"TB", K *K *K *K, true}, {"GB", K *K *K, true},
        {"MB", K *K, true},       {"kB", K, true},
        {"B", 1, true},           {"", 1, false},
        {"k", K, false},          {"K", K, false},
        {"M", K *K, false},       {"G", K *K *K, false},
        {"T", K *K *K *K, false}, {"KB", K, false},
        {"Ki", B, false},         {"Mi", B *B, false},
        {"Gi", B *B *B, false},   {"Ti", B *B *B *B, false},
        {"KiB", B, false},        {"MiB", B *B, false},
        {"GiB", B *B *B, false},  {"TiB", B *B *B *B, false},
        {NULL, 0, false},
};

static const struct suffix bps_suffixes[] = {
        {"Tbit/s", K *K *K *K, true},
        {"Gbit/s", K *K *K, true},
        {"Mbit/s", K *K, true},
        {"kbit/s", K, true},
        {"bit/s", 1, true},
        {"", 1, false},
        {"k", K, false},
        {"K", K, false},
        {"M", K *K, false},
        {"G", K *K *K, false},
        {"T", K *K *K *K, false},
        {"bps", 1, false},
        {"kbps", K, false},
        {"Mbps", K *K, false},
        {"Gbps", K *K *K, false},
        {"kbit", K, false},
        {"Mbit", K *K, false},
        {"Gbit", K *K *K, false},
        {"B/s", 8, false},
        {"kB/s", 8 * K, false},
        {"MB/s", 8 * K *K, false},
        {"GB/s", 8 * K *K *K, false},
        {NULL, 0, false},
};

static const struct suffix ns_suffixes[] = {
        {"h", 3600 * K *K *K, true},  {"m", 60 * K *K *K, true}, {"s", K *K *K, true},
        {"ms", K *K, true},           {"us", K, true},           {"ns", 1, true},
        {"min", 60 * K *K *K, false}, {NULL, 0, false},
};

static const struct {
	const struct suffix *suffixes;
	const char *what;
	const char *examples;
} units[] = {
        [EVS_UNIT_COUNT] = {count_suffixes, "a number", "1500, 64k, 1.5M or 64Ki"},
        [EVS_UNIT_BYTES] = {byte_suffixes, "a size", "1500, 64kB or 2MiB"},
        [EVS_UNIT_BPS] = {bps_suffixes, "a bit rate", "10G, 100Mbit/s or 1.25GB/s"},
        [EVS_UNIT_NS] = {ns_suffixes, "a duration", "500us, 10ms, 1.5s, 5m or 1h"},
};

/* "12.34" as 1234 / 100. At most 18 digits, so that nothing here overflows. */
struct decimal {
	uint64_t digits;
	uint64_t scale;
	bool too_large; /* beyond any unit */
};

static const char *parse_decimal(const char *text, struct decimal *dec)
{
	unsigned n_digits = 0;
	bool point = false;

	*dec = (struct decimal){.scale = 1};
	for (;; text++) {
		if (*text == '.' && !point && n_digits > 0) {
			point = true;
			continue;
		}
		if (*text < '0' || *text > '9')
			break;
		if (++n_digits > 18) {
			if (point)
				return NULL;
			dec->too_large = true;
			continue;
		}
		if (point)
			dec->scale *= 10;
		dec->digits = dec->digits * 10 + (uint64_t)(*text - '0');
	}
	return n_digits > 0 && text[-1] != '.' ? text : NULL;
}

static const struct suffix *find_suffix(enum evs_unit unit, const char *name)
{
	for (const struct suffix *s = units[unit].suffixes; s->name; s++)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}

int evs_units_parse(enum evs_unit unit, const char *text, uint64_t *valuep, struct evs_error *err)
{
	const struct suffix *suffix;
	struct decimal dec;
	const char *end = parse_decimal(text, &dec);
	__uint128_t value;

	if (!end)
		return evs_error_set(err, -EINVAL, "'%s' is not %s: write it like %s", text,
		                     units[unit].what, units[unit].examples);
	suffix = find_suffix(unit, end);
	if (!suffix && !(*end == '\0' && dec.digits == 0))
		return evs_error_set(err, -EINVAL, "'%s': %s '%s': write it like %s", text,
		                     *end ? "unknown unit" : "a unit is missing after",
		                     *end ? end : text, units[unit].examples);
	value = (__uint128_t)dec.digits * (suffix ? suffix->factor : 1);
	if (value % dec.scale)
		return evs_error_set(err, -EINVAL, "'%s' is not whole: use a smaller unit", text);
	value /= dec.scale;
	if (value > UINT64_MAX || dec.too_large)
		return evs_error_set(err, -ERANGE, "'%s' is too large", text);
	*valuep = (uint64_t)value;
	return 0;
}

/* Three significant digits, and no zeros after the point. */
static int format_fraction(char *text, size_t size, uint64_t value, uint64_t factor)
{
	uint64_t whole = value / factor;
	unsigned n_decimals = whole >= 100 ? 0 : whole >= 10 ? 1 : 2;
	uint64_t scale = n_decimals == 2 ? 100 : n_decimals == 1 ? 10 : 1;
	uint64_t scaled = (uint64_t)(((__uint128_t)value * scale + factor / 2) / factor);
	uint64_t fraction = scaled % scale;

	while (n_decimals > 0 && fraction % 10 == 0) {
		fraction /= 10;
		n_decimals--;
	}
	if (n_decimals == 0)
		return snprintf(text, size, "%" PRIu64, scaled / scale);
	return snprintf(text, size, "%" PRIu64 ".%0*" PRIu64, scaled / scale, (int)n_decimals,
	                fraction);
}

char *evs_units_format(enum evs_unit unit, uint64_t value, char text[EVS_UNITS_TEXT_LEN])
{
	const struct suffix *s = units[unit].suffixes;
	int used;

	while (s->factor > value && s[1].name && s[1].printed)
		s++;
	used = format_fraction(text, EVS_UNITS_TEXT_LEN, value, s->factor);
	snprintf(text + used, (size_t)(EVS_UNITS_TEXT_LEN - used), "%s", s->name);
	return text;
}
