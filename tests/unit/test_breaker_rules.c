/* SPDX-License-Identifier: MIT */
/* What opens a breaker, when its server was bad, and whether it is another's (breaker_threshold.h, breaker_bad.h, breaker_explained.h), as arithmetic. */
#include <math.h>
#include "analyzer/infer/breaker_bad.h"
#include "analyzer/infer/breaker_explained.h"
#include "analyzer/infer/breaker_threshold.h"
#include "tests/lib/tap.h"

static void bad_times_have_ends(void)
{
	struct breaker_span of[] = {{100, 200, true}, {300, 400, true}};
	struct breaker_bad bad = {.of = of, .n = 2};
	static const struct { uint64_t at; bool bad; } cases[] = {{99, false}, {100, true}, {200, true}, {201, false}, {299, false}, {300, true}, {400, true},
								  {401, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(breaker_bad_at(&bad, cases[i].at), cases[i].bad, "bad from 100 to 200 and from 300 to 400: at %d %s", (int)cases[i].at,
		       cases[i].bad ? "it was" : "not");
}

/* Opens of which each took `low` to `high` failures in a row; before the last, `failed` and a run of `longest` that did not open it. */
struct opens {
	unsigned n;
	uint32_t low[3], high[3], longest, failed;
	enum policy_threshold rule;
	double threshold_low, threshold_high;
	const char *what;
};

static void what_opens_it(void)
{
	static const struct opens cases[] = {
		{1, {5}, {5}, 4, 11, THRESHOLD_UNKNOWN, 5, 5, "once after 5: in a row or not can not be told"},
		{1, {5}, {5}, 5, 11, THRESHOLD_RATE, NAN, NAN, "5 in a row had not opened it before, and 11 failed in all: their share does"},
		{1, {5}, {5}, 5, 10, THRESHOLD_UNKNOWN, 5, 5, "of no more than twice as many that can not be said"},
		{2, {4, 6}, {5, 7}, 3, 7, THRESHOLD_RATE, NAN, NAN, "once after 4 to 5, once after 6 to 7: no number, so a share"},
		{2, {4, 5}, {6, 7}, 3, 7, THRESHOLD_UNKNOWN, 5, 6, "4 to 6 and 5 to 7 leave 5 to 6"},
		{2, {4, 6}, {6, 7}, 3, 7, THRESHOLD_UNKNOWN, 6, 6, "4 to 6 and 6 to 7 leave 6"},
		{3, {5, 5, 5}, {5, 5, 5}, 4, 10, THRESHOLD_CONSECUTIVE, 5, 5, "three times after 5, though 10 had failed: 5 in a row"},
		{3, {5, 5, 5}, {5, 5, 5}, 5, 10, THRESHOLD_UNKNOWN, 5, 5, "the same, but 5 in a row had left it closed: not in a row"},
		{3, {5, 5, 5}, {5, 5, 5}, 4, 9, THRESHOLD_UNKNOWN, 5, 5, "with 9 failures, a share of them may do as well"},
		{2, {5, 5}, {5, 5}, 4, 10, THRESHOLD_UNKNOWN, 5, 5, "twice is no rule"},
		{3, {5, 5, 4}, {5, 5, 5}, 4, 10, THRESHOLD_UNKNOWN, 5, 5, "nor are three of which one is not sure of its number"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct opens *c = &cases[i];
		struct breaker_threshold t;
		struct policy_breaker p = {.threshold = THRESHOLD_UNKNOWN};

		breaker_threshold_init(&t);
		for (unsigned k = 0; k < c->n; k++)
			breaker_threshold_add(&t, &(struct silence_gap){.sure = true, .run_low = c->low[k], .run_high = c->high[k], .longest_run = c->longest,
									.failed = c->failed, .share_low = 0.5, .share_high = 0.6});
		breaker_threshold_add(&t, &(struct silence_gap){.run_low = 1, .run_high = 1, .longest_run = 99, .failed = 99});
		breaker_threshold_settle(&t, &p);
		is_int(p.threshold, c->rule, "%s", c->what);
		ok((p.threshold_low == c->threshold_low || (isnan(p.threshold_low) && isnan(c->threshold_low))) &&
			   (p.threshold_high == c->threshold_high || (isnan(p.threshold_high) && isnan(c->threshold_high))),
		   "%s: %g to %g", c->what, p.threshold_low, p.threshold_high);
		ok(p.share_low == 0.5 && p.share_high == 0.6, "%s: when their share was 0.5 to 0.6", c->what);
	}
}

/* Of ten times that a breaker was open for 1000 ns, another's covers so much, in so many of them its calls come back first. */
static bool explained(int covered, int first, uint32_t process)
{
	struct policy_open mine[10], others[10];

	for (int i = 0; i < 10; i++) {
		uint64_t at = 10000 * (uint64_t)(i + 1);
		bool before = i < first;

		mine[i] = (struct policy_open){at, at + 1000, 1};
		others[i] = (struct policy_open){before ? at - 1 : at + 1000 - (uint64_t)covered, before ? at + (uint64_t)covered : at + 1500, process};
	}
	return breaker_is_explained(&(struct policy_breaker){.spans = mine, .span_count = 10}, &(struct policy_breaker){.spans = others, .span_count = 10});
}

static void whose_it_is(void)
{
	ok(explained(800, 8, 1), "open with another's for 800 of each 1000 ns, which ended first 8 times of 10: it is the other's");
	ok(!explained(799, 8, 1), "for 799 it is not");
	ok(!explained(800, 7, 1), "nor where the other's ended first 7 times");
	ok(!explained(999, 10, 2), "nor is it that of another process");
	ok(!breaker_is_explained(&(struct policy_breaker){0}, &(struct policy_breaker){0}), "one that was never open is nobody's");
}

int main(void)
{
	bad_times_have_ends();
	what_opens_it();
	whose_it_is();
	return tap_done();
}
