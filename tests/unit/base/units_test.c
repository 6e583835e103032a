/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers with units: what is read, refused, written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/evs_units.h"

static void reads(void **state)
{
	static const struct {
		enum evs_unit unit;
		const char *text;
		uint64_t value;
	} rows[] = {
	        {EVS_UNIT_COUNT, "0", 0},
	        {EVS_UNIT_COUNT, "1500", 1500},
	        {EVS_UNIT_COUNT, "64k", 64000},
	        {EVS_UNIT_COUNT, "64Ki", 65536},
	        {EVS_UNIT_COUNT, "1.5M", 1500000},
	        {EVS_UNIT_BYTES, "1500", 1500},
	        {EVS_UNIT_BYTES, "64kB", 64000},
	        {EVS_UNIT_BYTES, "2MiB", 2097152},
	        {EVS_UNIT_BYTES, "1.5KiB", 1536},
	        {EVS_UNIT_BPS, "10G", 10000000000},
	        {EVS_UNIT_BPS, "100Mbit/s", 100000000},
	        {EVS_UNIT_BPS, "2.5Gbps", 2500000000},
	        {EVS_UNIT_BPS, "1.25GB/s", 10000000000},
	        {EVS_UNIT_NS, "0", 0},
	        {EVS_UNIT_NS, "50ns", 50},
	        {EVS_UNIT_NS, "500us", 500000},
	        {EVS_UNIT_NS, "1.5s", 1500000000},
	        {EVS_UNIT_NS, "5m", 300000000000},
	        {EVS_UNIT_NS, "1h", 3600000000000},
	};

	for (size_t i = 0; i < EVS_ARRAY_LEN(rows); i++) {
		uint64_t value = 1;

		assert_int_equal(evs_units_parse(rows[i].unit, rows[i].text, &value, NULL), 0);
		assert_int_equal(value, rows[i].value);
	}
}

static void refuses(void **state)
{
	static const struct {
		enum evs_unit unit;
		const char *text;
		int code;
	} rows[] = {
	        {EVS_UNIT_COUNT, "", -EINVAL},
	        {EVS_UNIT_COUNT, "-1", -EINVAL},
	        {EVS_UNIT_COUNT, " 1", -EINVAL},
	        {EVS_UNIT_COUNT, "1 k", -EINVAL},
	        {EVS_UNIT_COUNT, "k", -EINVAL},
	        {EVS_UNIT_COUNT, "1.", -EINVAL},
	        {EVS_UNIT_COUNT, ".5k", -EINVAL},
	        {EVS_UNIT_COUNT, "1.5.0k", -EINVAL},
	        {EVS_UNIT_COUNT, "0x10", -EINVAL},
	        {EVS_UNIT_COUNT, "1.5", -EINVAL},
	        {EVS_UNIT_COUNT, "1kB", -EINVAL},
	        {EVS_UNIT_BYTES, "1.0001k", -EINVAL},
	        {EVS_UNIT_BPS, "10Gs", -EINVAL},
	        {EVS_UNIT_NS, "10", -EINVAL},
	        {EVS_UNIT_NS, "0.5ns", -EINVAL},
	        {EVS_UNIT_COUNT, "99999999T", -ERANGE},
	        {EVS_UNIT_COUNT, "12345678901234567890", -ERANGE},
	        {EVS_UNIT_BPS, "99999999999999999999999Gbit/s", -ERANGE},
	        {EVS_UNIT_BPS, "99999999999999999999999x", -EINVAL},
	        {EVS_UNIT_COUNT, "1.000000000000000000000", -EINVAL},
	};

	for (size_t i = 0; i < EVS_ARRAY_LEN(rows); i++) {
		struct evs_error err = {0};
		uint64_t value = 42;

		assert_int_equal(evs_units_parse(rows[i].unit, rows[i].text, &value, &err),
		                 rows[i].code);
		assert_int_equal(value, 42);
		assert_non_null(strstr(err.text, rows[i].text));
	}
}

static void writes(void **state)
{
	static const struct {
		enum evs_unit unit;
		uint64_t value;
		const char *text;
	} rows[] = {
	        {EVS_UNIT_COUNT, 0, "0"},
	        {EVS_UNIT_COUNT, 999, "999"},
	        {EVS_UNIT_COUNT, 1000, "1k"},
	        {EVS_UNIT_COUNT, 1234567, "1.23M"},
	        {EVS_UNIT_COUNT, 12345678, "12.3M"},
	        {EVS_UNIT_COUNT, 123456789, "123M"},
	        {EVS_UNIT_BYTES, 64000, "64kB"},
	        {EVS_UNIT_BYTES, 7, "7B"},
	        {EVS_UNIT_BPS, 9876543210, "9.88Gbit/s"},
	        {EVS_UNIT_BPS, 10500000000, "10.5Gbit/s"},
	        {EVS_UNIT_NS, 1500000, "1.5ms"},
	        {EVS_UNIT_NS, 300000000000, "5m"},
	        {EVS_UNIT_NS, 0, "0ns"},
	        {EVS_UNIT_COUNT, UINT64_MAX, "18446744T"},
	};
	char text[EVS_UNITS_TEXT_LEN];

	for (size_t i = 0; i < EVS_ARRAY_LEN(rows); i++)
		assert_string_equal(evs_units_format(rows[i].unit, rows[i].value, text),
		                    rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(reads),
	        cmocka_unit_test(refuses),
	        cmocka_unit_test(writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
