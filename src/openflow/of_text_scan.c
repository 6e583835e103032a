/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scanner of the text syntax: items, numbers, addresses, fields of a match.
 * Threads: any; no state.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "openflow/of_text_pvt.h"

const struct of_text_keyword of_text_keywords[OF_TEXT_N_KEYWORDS] = {
        {"ip", 0x0800, 0},     {"ipv6", 0x86dd, 0},    {"icmp", 0x0800, 1}, {"icmp6", 0x86dd, 58},
        {"tcp", 0x0800, 6},    {"tcp6", 0x86dd, 6},    {"udp", 0x0800, 17}, {"udp6", 0x86dd, 17},
        {"sctp", 0x0800, 132}, {"sctp6", 0x86dd, 132}, {"arp", 0x0806, 0},  {"rarp", 0x8035, 0},
        {"mpls", 0x8847, 0},   {"mplsm", 0x8848, 0},   {"pbb", 0x88e7, 0},
};

const struct of_text_port_name of_text_ports[OF_TEXT_N_PORTS] = {
        {"IN_PORT", OFPP_IN_PORT}, {"TABLE", OFPP_TABLE}, {"NORMAL", OFPP_NORMAL},
        {"FLOOD", OFPP_FLOOD},     {"ALL", OFPP_ALL},     {"CONTROLLER", OFPP_CONTROLLER},
        {"LOCAL", OFPP_LOCAL},     {"ANY", OFPP_ANY},
};

const char *const of_text_group_types[OF_N_GROUP_TYPES] = {"all", "select", "indirect", "ff"};

int of_text_fail(struct of_text_scan *s, const char *at, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return evs_error_set(s->err, -EINVAL, "column %zu: %s", (size_t)(at - s->text) + 1, text);
}

bool of_text_is(const struct of_text_span *span, const char *word)
{
	return strncasecmp(span->p, word, span->len) == 0 && word[span->len] == '\0';
}

bool of_text_split(const struct of_text_span *span, char c, struct of_text_span *left,
                   struct of_text_span *right)
{
	const char *at = memchr(span->p, c, span->len);

	if (at == NULL)
		return false;
	*left = (struct of_text_span){span->p, (size_t)(at - span->p)};
	*right = (struct of_text_span){at + 1, span->len - left->len - 1};
	return true;
}

static bool is_sep(char c)
{
	return c == ',' || isspace((unsigned char)c);
}

/* Length of the item at p: up to a separator outside parentheses; SIZE_MAX if they do not close. */
static size_t item_len(const char *p, size_t left)
{
	unsigned depth = 0;
	size_t n;

	for (n = 0; n < left && (depth > 0 || !is_sep(p[n])); n++) {
		if (p[n] == '(')
			depth++;
		else if (p[n] == ')' && depth > 0)
			depth--;
	}
	return depth == 0 ? n : SIZE_MAX;
}

int of_text_next(struct of_text_scan *s, const char *delims, struct of_text_span *key,
                 struct of_text_span *value)
{
	struct of_text_span *r = &s->rest;
	size_t n, k;

	for (; r->len > 0 && is_sep(*r->p); r->p++)
		r->len--;
	if (r->len == 0)
		return 0;
	n = item_len(r->p, r->len);
	if (n == SIZE_MAX)
		return of_text_fail(s, memchr(r->p, '(', r->len), "a parenthesis is not closed");
	for (k = 0; k < n && r->p[k] != '(' && strchr(delims, r->p[k]) == NULL; k++)
		;
	*key = (struct of_text_span){r->p, k};
	*value = (struct of_text_span){r->p + k, 0};
	if (k < n)
		*value = (struct of_text_span){r->p + k + 1, n - k - 1};
	if (k < n && r->p[k] == '(') {
		if (r->p[n - 1] != ')')
			return of_text_fail(s, r->p + n - 1, "')' expected");
		value->len--;
	}
	r->p += n;
	r->len -= n;
	return 1;
}

static int digit_of(char c, unsigned base)
{
	int d = isdigit((unsigned char)c)    ? c - '0'
	        : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
	                                     : 99;

	return d < (int)base ? d : -1;
}

int of_text_number(struct of_text_scan *s, const struct of_text_span *span, uint64_t max,
                   uint64_t *number)
{
	bool hex = span->len > 2 && span->p[0] == '0' && (span->p[1] | 0x20) == 'x';
	unsigned base = hex ? 16 : 10;
	uint64_t n = 0;

	if (span->len == 0)
		return of_text_fail(s, span->p, "a number is missing");
	for (size_t i = hex ? 2 : 0; i < span->len; i++) {
		int d = digit_of(span->p[i], base);
		if (d < 0)
			return of_text_fail(s, span->p, "'%.*s' is not a number", (int)span->len,
			                    span->p);
		if (n > (UINT64_MAX - (unsigned)d) / base)
			return of_text_fail(s, span->p, "'%.*s' is too large", (int)span->len,
			                    span->p);
		n = n * base + (unsigned)d;
	}
	if (n > max)
		return of_text_fail(s, span->p, "'%.*s' is too large: at most %llu", (int)span->len,
		                    span->p, (unsigned long long)max);
	*number = n;
	return 0;
}

int of_text_port_number(struct of_text_scan *s, const struct of_text_span *span, uint32_t *port)
{
	struct of_text_span name = *span;
	uint64_t number;

	if (name.len >= 2 && name.p[0] == '"' && name.p[name.len - 1] == '"') {
		name.p++;
		name.len -= 2;
	}
	for (unsigned i = 0; i < OF_TEXT_N_PORTS; i++) {
		if (of_text_is(&name, of_text_ports[i].name)) {
			*port = of_text_ports[i].number;
			return 0;
		}
	}
	if (s->names && s->names->number && s->names->number(name.p, name.len, port, s->names->arg))
		return 0;
	if (name.len == 0 || !isdigit((unsigned char)name.p[0]))
		return of_text_fail(s, span->p, "unknown port '%.*s'", (int)span->len, span->p);
	if (of_text_number(s, &name, UINT32_MAX, &number) != 0)
		return -EINVAL;
	*port = (uint32_t)number;
	return 0;
}

static bool parse_eth(const struct of_text_span *span, uint8_t *value)
{
	char text[24];
	int n = 0;

	if (span->len >= sizeof(text))
		return false;
	memcpy(text, span->p, span->len);
	text[span->len] = '\0';
	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &value[0], &value[1],
	              &value[2], &value[3], &value[4], &value[5], &n) == 6 &&
	       n == (int)span->len;
}

static bool parse_ip(int family, const struct of_text_span *span, uint8_t *value)
{
	char text[INET6_ADDRSTRLEN];

	if (span->len >= sizeof(text))
		return false;
	memcpy(text, span->p, span->len);
	text[span->len] = '\0';
	return inet_pton(family, text, value) == 1;
}

static int one_value(struct of_text_scan *s, const struct flow_field *f,
                     const struct of_text_span *span, uint8_t *value)
{
	uint64_t number, max = f->n_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << f->n_bits) - 1;
	uint32_t port;

	memset(value, 0, FLOW_VALUE_MAX);
	if (f->form == FLOW_FORM_ETH && parse_eth(span, value))
		return 0;
	if (f->form == FLOW_FORM_IPV4 && parse_ip(AF_INET, span, value))
		return 0;
	if (f->form == FLOW_FORM_IPV6 && parse_ip(AF_INET6, span, value))
		return 0;
	if (f->form == FLOW_FORM_ETH || f->form == FLOW_FORM_IPV4 || f->form == FLOW_FORM_IPV6)
		return of_text_fail(s, span->p, "'%.*s' is not an address for %s", (int)span->len,
		                    span->p, f->name);
	if (f->form == FLOW_FORM_PORT) {
		if (of_text_port_number(s, span, &port) != 0)
			return -EINVAL;
		flow_field_value_put_u64(f, value, port);
		return 0;
	}
	if (of_text_number(s, span, max, &number) != 0)
		return -EINVAL;
	flow_field_value_put_u64(f, value, number);
	return 0;
}

static int parse_mask(struct of_text_scan *s, const struct flow_field *f,
                      const struct of_text_span *span, uint8_t *mask)
{
	bool ip = f->form == FLOW_FORM_IPV4 || f->form == FLOW_FORM_IPV6;
	uint64_t bits;

	if (!ip || memchr(span->p, '.', span->len) || memchr(span->p, ':', span->len))
		return one_value(s, f, span, mask);
	if (of_text_number(s, span, f->n_bits, &bits) != 0)
		return -EINVAL;
	memset(mask, 0, FLOW_VALUE_MAX);
	for (unsigned i = 0; i < bits; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return 0;
}

int of_text_value(struct of_text_scan *s, const struct flow_field *field,
                  const struct of_text_span *span, uint8_t *value, uint8_t *mask, bool *masked)
{
	struct of_text_span left = *span, right;

	*masked = of_text_split(span, '/', &left, &right);
	if (one_value(s, field, &left, value) != 0)
		return -EINVAL;
	if (!*masked) {
		flow_field_ones(field, mask);
		return 0;
	}
	if (!(field->flags & FLOW_FIELD_MASK))
		return of_text_fail(s, right.p - 1, "%s takes no mask", field->name);
	return parse_mask(s, field, &right, mask);
}
