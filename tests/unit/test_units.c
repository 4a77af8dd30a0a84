/* SPDX-License-Identifier: MIT */
/* Quantities as users write them: what is understood, what is refused and with which error. */
#include <errno.h>

#include "base/units.h"
#include "tests/lib/tap.h"

#define HOUR 3600000000000ull

/* A parser's answer to a text: the value, or its negative errno. */
/* clang-format off */
static const struct {
	const char *text;
	long long want;
} durations[] = {
	{ "250us", 250000 }, { "600ms", 600000000 }, { "2s", 2000000000 }, { "1.5s", 1500000000 }, { "3m", 180000000000 },
	{ "1h", (long long)HOUR }, { "0", 0 }, { "0s", 0 }, { "0.0s", 0 }, { "0.25h", 900000000000 }, { "0.000000001s", 1 },
	{ "1.0000000019s", 1000000001 }, { "007ms", 7000000 }, { "1000h", 1000 * (long long)HOUR },
	{ "999.9h", 3599640000000000 },
	{ "", -EINVAL }, { "5", -EINVAL }, { "0.5", -EINVAL }, { "00", -EINVAL }, { "s", -EINVAL },
	{ "-1s", -EINVAL }, { "+1s", -EINVAL },
	{ " 1s", -EINVAL }, { "1s ", -EINVAL }, { "1 s", -EINVAL }, { "1.s", -EINVAL }, { ".5s", -EINVAL },
	{ "1,5s", -EINVAL },
	{ "1S", -EINVAL }, { "1sec", -EINVAL }, { "1m30s", -EINVAL }, { "1e3ms", -EINVAL }, { "0x10ms", -EINVAL },
	{ "1.2.3s", -EINVAL },
	{ "1000.1h", -ERANGE }, { "1001h", -ERANGE }, { "99999999999999999999s", -ERANGE }, { "0.0000000001s", -ERANGE },
	{ "99999999999999999999", -EINVAL }
};
/* clang-format on */

/* clang-format off */
static const struct {
	const char *text;
	int need_unit;
	long long want;
} sizes[] = {
	{ "100", 0, 100 }, { "0", 0, 0 }, { "100", 1, -EINVAL }, { "0", 1, -EINVAL }, { "100B", 1, 100 },
	{ "64k", 1, 65536 },
	{ "64K", 1, 65536 }, { "64kB", 0, 65536 }, { "64KiB", 0, 65536 }, { "2M", 0, 2097152 },
	{ "1G", 0, 1073741824 }, { "1GiB", 1, 1073741824 },
	{ "64kb", 0, -EINVAL }, { "1.5k", 0, -EINVAL }, { "-1", 0, -EINVAL }, { "k", 0, -EINVAL },
	{ "", 0, -EINVAL }, { "1k ", 0, -EINVAL },
	{ "1kk", 0, -EINVAL }, { "1T", 0, -EINVAL }, { "8589934591G", 0, 8589934591ll << 30 }, { "8589934592G", 0, -ERANGE },
	{ "18446744073709551616", 0, -ERANGE }
};
/* clang-format on */

/* clang-format off */
static const struct {
	const char *text;
	double want;	/* negative: minus the errno */
} shares[] = {
	{ "0", 0 }, { "1", 1 }, { "0.3", 0.3 }, { "30%", 0.3 }, { "100%", 1 }, { "1.0", 1 }, { "0.1", 0.1 },
	{ "12.5%", 0.125 }, { "0%", 0 },
	{ "0.123456789012345", 0.123456789012345 }, { "0.333333333333333333333333", 0.3333333333333333 }, { "100.000%", 1 },
	{ "1.5", -ERANGE }, { "2", -ERANGE }, { "101%", -ERANGE }, { "100.1%", -ERANGE }, { "1.0000001", -ERANGE },
	{ "99999999999999999999999%", -ERANGE },
	{ "-0.1", -EINVAL }, { "", -EINVAL }, { "%", -EINVAL }, { "0.3x", -EINVAL }, { "30 %", -EINVAL },
	{ "30%%", -EINVAL }, { ".3", -EINVAL },
	{ "0.", -EINVAL }, { "nan", -EINVAL }, { "1e-1", -EINVAL }
};
/* clang-format on */

/* clang-format off */
static const struct {
	uint64_t ns;
	const char *want;
} shown[] = {
	{ 0, "0 ms" }, { 1, "1 ns" }, { 999, "999 ns" }, { 1000, "1.00 us" }, { 12345, "12.3 us" },
	{ 99940, "99.9 us" }, { 99960, "0.10 ms" },
	{ 310000, "0.31 ms" }, { 1234567, "1.23 ms" }, { 9994999, "9.99 ms" }, { 9996000, "10.0 ms" },
	{ 600000000, "600 ms" },
	{ 999499999, "999 ms" }, { 999500000, "1.00 s" }, { 2000000000, "2.00 s" }, { 59960000000, "60.0 s" },
	{ 300000000000, "300 s" },
	{ 600000000000, "10.0 min" }, { 2 * HOUR, "2.00 h" }, { 5000 * HOUR, "5000 h" }, { UINT64_MAX, "5124096 h" }
};
/* clang-format on */

static void check_durations(void)
{
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		uint64_t ns = 77;
		int err = units_duration(durations[i].text, &ns);

		is_int(err ? err : (long long)ns, durations[i].want, "duration '%s'", durations[i].text);
		if (err)
			is_int(ns, 77, "and the result is left alone");
	}
}

static void check_sizes(void)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t n = 0;
		int err = units_size(sizes[i].text, sizes[i].need_unit, &n);

		is_int(err ? err : (long long)n, sizes[i].want, "size '%s'%s", sizes[i].text,
		       sizes[i].need_unit ? " with a unit" : "");
	}
}

static void check_shares(void)
{
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		double share = -1;
		int err = units_share(shares[i].text, &share);

		ok((err ? err : share) == shares[i].want, "share '%s' is %.17g", shares[i].text, shares[i].want);
	}
}

static void check_counts(void)
{
	uint64_t n = 0;

	ok(units_count("42", 100, &n) == 0 && n == 42, "42 is a count");
	ok(units_count("100", 100, &n) == 0 && n == 100, "the largest count is allowed");
	is_int(units_count("101", 100, &n), -ERANGE, "one more does not fit");
	ok(units_count("18446744073709551615", UINT64_MAX, &n) == 0 && n == UINT64_MAX, "2^64 - 1 is a count");
	is_int(units_count("18446744073709551616", UINT64_MAX, &n), -ERANGE, "2^64 does not fit");
	is_int(units_count("", 9, &n), -EINVAL, "nothing is no count");
	is_int(units_count("-1", 9, &n), -EINVAL, "a negative number is no count");
	is_int(units_count("1.0", 9, &n), -EINVAL, "a fraction is no count");
	is_int(units_count("1 ", 9, &n), -EINVAL, "a blank behind a count is refused");
}

static void check_shown(void)
{
	char buf[32], small[4];

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		is_str(units_show_duration(shown[i].ns, buf, sizeof(buf)), shown[i].want, "%" PRIu64 " ns is shown as %s",
		       shown[i].ns, shown[i].want);
	is_str(units_show_duration(600000000, small, sizeof(small)), "600", "a text that does not fit is cut");
}

int main(void)
{
	check_durations();
	check_sizes();
	check_shares();
	check_counts();
	check_shown();
	return tap_done();
}
