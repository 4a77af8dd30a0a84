/* SPDX-License-Identifier: MIT */
/*
 * Test Anything Protocol for C tests: one program per module, each check a sentence that can be false.
 *     int main(void) { ok(1 + 1 == 2, "one and one make two"); return tap_done(); }
 */
#ifndef AFTERSHOCK_TESTS_TAP_H
#define AFTERSHOCK_TESTS_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 4, 5), unused)) static int tap_ok(int pass, const char *file, int line, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	printf("%sok %d - ", pass ? "" : "not ", ++tap_count);
	vprintf(format, ap);
	printf("\n");
	va_end(ap);
	if (!pass) {
		tap_failed++;
		fprintf(stderr, "# check %d failed at %s:%d\n", tap_count, file, line);	/* prove passes it on */
	}
	fflush(stdout);
	return pass;
}

#define ok(pass, ...) tap_ok(!!(pass), __FILE__, __LINE__, __VA_ARGS__)

/* Equal integers, with both shown when they differ. */
#define is_int(got, want, ...)                                                                       \
	do {                                                                                         \
		long long got_ = (long long)(got), want_ = (long long)(want);                        \
		if (!tap_ok(got_ == want_, __FILE__, __LINE__, __VA_ARGS__))                         \
			fprintf(stderr, "# got %lld, want %lld\n", got_, want_);                     \
	} while (0)

/* Equal strings (NULL allowed), with both shown when they differ. */
#define is_str(got, want, ...)                                                                       \
	do {                                                                                         \
		const char *got_ = (got), *want_ = (want);                                           \
		if (!tap_ok(got_ && want_ ? !strcmp(got_, want_) : got_ == want_, __FILE__, __LINE__, __VA_ARGS__)) \
			fprintf(stderr, "# got  %s\n# want %s\n", got_ ? got_ : "NULL", want_ ? want_ : "NULL"); \
	} while (0)

/* A reason to leave the whole program out; under MUST_RUN=1 that is a failure. */
__attribute__((unused)) static int tap_skip_all(const char *why)
{
	if (getenv("MUST_RUN") && !strcmp(getenv("MUST_RUN"), "1")) {
		printf("not ok 1 - must run: %s\n1..1\n", why);
		return 1;
	}
	printf("1..0 # SKIP %s\n", why);
	return 0;
}

__attribute__((unused)) static int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
