/* SPDX-License-Identifier: MIT */
/* The demos' fallback: which failures of a call something may stand in for. */
#include "demos/service/fallback.h"
#include "tests/lib/tap.h"

static const struct {
	const char *sentence;
	enum fallback_kind kind;
	enum fallback_cause cause;
	int status, covers;
} table[] = {
	{"without_a_fallback_nothing_is_covered", FALLBACK_NONE, FAILED_TIMEOUT, 0, 0},
	{"nor_is_an_open_breaker", FALLBACK_NONE, FAILED_BREAKER, 0, 0},
	{"a_timeout_is_covered", FALLBACK_STATIC, FAILED_TIMEOUT, 0, 1},
	{"an_error_is_covered", FALLBACK_DEFAULT, FAILED_ERROR, 0, 1},
	{"an_open_breaker_is_covered", FALLBACK_STATIC, FAILED_BREAKER, 0, 1},
	{"a_full_bulkhead_is_covered", FALLBACK_DEFAULT, FAILED_BULKHEAD, 0, 1},
	{"a_500_is_covered", FALLBACK_DEFAULT, FAILED_STATUS, 500, 1},
	{"a_599_is_covered", FALLBACK_STATIC, FAILED_STATUS, 599, 1},
	{"a_429_is_covered", FALLBACK_STATIC, FAILED_STATUS, 429, 1},
	{"a_408_is_covered", FALLBACK_STATIC, FAILED_STATUS, 408, 1},
	{"what_was_cached_covers_the_same", FALLBACK_CACHED, FAILED_STATUS, 503, 1},
	{"and_no_more", FALLBACK_CACHED, FAILED_STATUS, 404, 0},
	{"a_400_is_the_callers_own", FALLBACK_STATIC, FAILED_STATUS, 400, 0},
	{"a_404_is_the_callers_own", FALLBACK_DEFAULT, FAILED_STATUS, 404, 0},
	{"a_499_is_the_callers_own", FALLBACK_DEFAULT, FAILED_STATUS, 499, 0},
};

int main(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct fallback_policy policy = {.kind = table[i].kind};

		is_int(fallback_covers(&policy, table[i].cause, table[i].status), table[i].covers, "%s", table[i].sentence);
	}
	return tap_done();
}
