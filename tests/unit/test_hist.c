/* SPDX-License-Identifier: MIT */
/* Duration buckets: without gaps or overlaps, as exact as promised, open at the top. */
#include "base/hash.h"
#include "base/hist.h"
#include "tests/lib/tap.h"

/* The bound of every bucket is in it, and the next nanosecond in the next bucket. */
static void check_bounds(void)
{
	size_t bad = 0;

	for (unsigned i = 0; i < HIST_LAST; i++)
		bad += hist_index(hist_upper_ns(i)) != i || hist_index(hist_upper_ns(i) + 1) != i + 1;
	is_int(bad, 0, "every duration has one bucket and every bucket its durations");
	is_int(hist_index(0), 0, "no time is bucket 0");
	is_int(hist_upper_ns(HIST_LAST - 1), (1ull << HIST_TOP_BITS) - 1, "the last closed bucket ends below 2^40 ns");
	is_int(hist_index(1ull << HIST_TOP_BITS), HIST_LAST, "2^40 ns is in the open bucket");
	is_int(hist_index((2ull << HIST_TOP_BITS) - 1), HIST_LAST, "and so is all above");
	is_int(hist_index(~0ull), HIST_LAST, "up to the largest number");
	ok(hist_upper_ns(HIST_LAST) == HIST_OPEN_NS && hist_upper_ns(~0u) == HIST_OPEN_NS,
	   "the open bucket has no bound that a duration reaches");
}

static void check_error(void)
{
	unsigned long long worst_num = 0, worst_den = 1;
	uint64_t rng = 5;
	size_t below = 0;

	for (int i = 0; i < 1000000; i++) {
		unsigned long long ns, upper;

		rng = hash_mix(rng);
		ns = rng >> 24 >> (rng & 31);
		upper = hist_upper_ns(hist_index(ns));
		below += upper < ns;
		if ((long double)(upper - ns) / (long double)(upper + 1) > (long double)worst_num / (long double)worst_den) {
			worst_num = upper - ns;
			worst_den = upper + 1;
		}
	}
	is_int(below, 0, "a bound is never below its durations");
	ok(worst_num * 100 < worst_den * 6, "a bound is at most 6 %% off");
	ok(worst_num * 100 > worst_den * 5, "and the test saw durations where it is more than 5 %% off");
}

static void check_log2(void)
{
	size_t bad = 0;

	for (unsigned b = 0; b < 64; b++)
		bad += hist_log2(1ull << b) != b || hist_log2((1ull << b) | ((1ull << b) - 1)) != b;
	is_int(bad, 0, "hist_log2 is right at both ends of every power of two");
}

int main(void)
{
	check_bounds();
	check_error();
	check_log2();
	ok(HIST_BUCKETS >= 500 && HIST_BUCKETS <= 600, "a histogram has 500 to 600 buckets");
	return tap_done();
}
