/* SPDX-License-Identifier: MIT */
/* The load generator's arrivals: a schedule that does not drift, and gaps of a Poisson process. All seeds are fixed. */
#include <math.h>

#include "demos/load/arrivals.h"
#include "tests/lib/tap.h"

#define N 20000
#define NS_PER_S 1000000000ull

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void gaps_of(struct arrivals *a, double gaps_s[N])
{
	uint64_t before = 0;

	for (unsigned i = 0; i < N; i++) {
		uint64_t at = arrivals_next_ns(a);

		gaps_s[i] = (double)(at - before) / 1e9;
		before = at;
	}
}

/* Kolmogorov and Smirnov's distance between these gaps and an exponential distribution, times sqrt(N): over 1.63 in 1 % of samples that are so. */
static double distance(const double gaps_s[N], double rate)
{
	static double ordered[N];
	double worst = 0;

	memcpy(ordered, gaps_s, sizeof(ordered));
	qsort(ordered, N, sizeof(*ordered), by_value);
	for (unsigned i = 0; i < N; i++) {
		double expected = 1 - exp(-rate * ordered[i]);

		worst = fmax(worst, fmax(expected - (double)i / N, (double)(i + 1) / N - expected));
	}
	return worst * sqrt(N);
}

/* Of each gap with the next. */
static double correlation(const double gaps_s[N])
{
	double mean = 0, both = 0, square = 0;

	for (unsigned i = 0; i < N; i++)
		mean += gaps_s[i] / N;
	for (unsigned i = 0; i < N; i++)
		square += (gaps_s[i] - mean) * (gaps_s[i] - mean);
	for (unsigned i = 0; i + 1 < N; i++)
		both += (gaps_s[i] - mean) * (gaps_s[i + 1] - mean);
	return both / square;
}

static void check_poisson(uint64_t seed, double rate)
{
	static double gaps_s[N];
	struct arrivals a;

	arrivals_init(&a, ARRIVALS_POISSON, rate, seed);
	gaps_of(&a, gaps_s);
	ok(distance(gaps_s, rate) < 1.63, "gaps_are_exponential: seed %" PRIu64 " at %g/s: %.2f", seed, rate, distance(gaps_s, rate));
	ok(distance(gaps_s, rate * 1.05) > 1.63, "and_of_no_other_rate: %.2f", distance(gaps_s, rate * 1.05));
	ok(fabs(correlation(gaps_s)) < 3 / sqrt(N), "no_gap_tells_of_the_next: %.4f", correlation(gaps_s));
	ok(fabs(a.at_s * rate / N - 1) < 3 / sqrt(N), "they_keep_their_rate: %u in %.2f s", N, a.at_s);
}

static void check_constant(void)
{
	static const struct {
		double rate;
		uint64_t nth, at_ns;
	} table[] = {
		{3, 0, 0}, {3, 1, 333333333}, {3, 3, NS_PER_S}, {3, 3000000, 1000000 * NS_PER_S}, {7000, 7000 * 3600, 3600 * NS_PER_S},
		{30000, 30000 * 600, 600 * NS_PER_S}, {0.001, 2, 2000 * NS_PER_S},
	};
	static double gaps_s[N];
	struct arrivals a;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		arrivals_init(&a, ARRIVALS_CONSTANT, table[i].rate, 1);
		for (uint64_t n = 0; n < table[i].nth; n++)
			arrivals_next_ns(&a);
		is_int(arrivals_next_ns(&a), table[i].at_ns, "number %" PRIu64 " at %g/s is at its moment: nothing drifts", table[i].nth, table[i].rate);
	}
	arrivals_init(&a, ARRIVALS_CONSTANT, 250, 1);
	gaps_of(&a, gaps_s);
	ok(distance(gaps_s, 250) > 10, "a_constant_rate_is_no_poisson_process: %.2f", distance(gaps_s, 250));
}

static void check_seeds(void)
{
	struct arrivals a, again, other;
	unsigned same = 0, equal = 0;

	arrivals_init(&a, ARRIVALS_POISSON, 100, 0);
	arrivals_init(&again, ARRIVALS_POISSON, 100, 0);
	arrivals_init(&other, ARRIVALS_POISSON, 100, 1);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t at = arrivals_next_ns(&a);

		same += at == arrivals_next_ns(&again);
		equal += at == arrivals_next_ns(&other);
	}
	is_int(same, 100, "the_same_seed_gives_the_same_moments");
	is_int(equal, 0, "and_another_other_ones");
}

static void check_order(void)
{
	struct arrivals a;
	uint64_t before = 0;
	unsigned back = 0;

	arrivals_init(&a, ARRIVALS_POISSON, 1e6, 5);
	for (unsigned i = 0; i < 1000000; i++) {
		uint64_t at = arrivals_next_ns(&a);

		back += at < before;
		before = at;
	}
	is_int(back, 0, "time_does_not_go_back_at_a_million_a_second");
}

int main(void)
{
	check_constant();
	check_poisson(1, 250);
	check_poisson(2, 0.5);
	check_poisson(20261128, 30000);
	check_seeds();
	check_order();
	return tap_done();
}
