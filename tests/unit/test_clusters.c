/* SPDX-License-Identifier: MIT */
/* Values that are nearly equal among others (analyzer/clusters.h), and what only looks like it. */
#include <math.h>
#include "analyzer/infer/clusters.h"
#include "analyzer/read/samples.h"
#include "analyzer/stats/stats.h"
#include "tests/lib/tap.h"

static struct samples of(const double *values, size_t n)
{
	struct samples s = {0};

	for (size_t i = 0; i < n; i++)
		samples_add(&s, values[i]);
	samples_sort(&s);
	return s;
}

static unsigned find(struct samples *s, struct cluster *found)
{
	samples_sort(s);
	return clusters_find(s->values, s->n, found, CLUSTERS_MAX);
}

#define FIND(found, ...) \
	({ \
		const double values_[] = {__VA_ARGS__}; \
		struct samples s_ = of(values_, sizeof(values_) / sizeof(values_[0])); \
		unsigned count_ = find(&s_, found); \
		samples_free(&s_); \
		count_; \
	})

static void few_values(void)
{
	struct cluster c[CLUSTERS_MAX];

	is_int(clusters_find(NULL, 0, c, CLUSTERS_MAX), 0, "no values, no cluster");
	is_int(FIND(c, 1000), 1, "a single value is one");
	is_int(c[0].n, 1, "of one member");
	is_int(FIND(c, 1000, 1080), 1, "of two values the first may have been warming up: within 10 %% they are one");
	is_int(c[0].n, 2, "of both");
	is_int(FIND(c, 1000, 1110), 2, "further apart they are two");
	is_int(FIND(c, 300, 500, 900), 0, "three values far apart are none");
	is_int(FIND(c, 300, 500, 505), 1, "two of three that agree are one");
	is_int(c[0].first, 1, "the two");
	is_int(FIND(c, 0, 0, 0, 0, 0), 1, "five times nothing is one");
	is_int(FIND(c, 920, 960, 990, 1000, 1001), 1, "so are five, of a program that warms up");
	is_int(c[0].n, 5, "all of them");
	is_int(FIND(c, 920, 921, 922, 923, 924, 1010, 1011, 1012, 1013, 1014), 2, "ten are not so few any more");
	is_int(FIND(c, 1000, 1006, 1012, 1018, 1024, 1030, 1036, 1042, 1048, 1054, 1060, 1066), 0,
	       "a row of values that goes on and on is none");
	is_int(FIND(c, 1000, 1000, 1000, 1000, 100, 400, 1900, 2500, 3300), 0, "four that agree among nine are none: too few");
	is_int(FIND(c, 1000, 1000, 1000, 1000, 1000, 100, 400, 1900, 2500, 3300), 1, "five are one");
}

static void late_timers(void)
{
	struct cluster c[CLUSTERS_MAX];

	is_int(FIND(c, 1000, 1001, 1001, 1002, 1002, 1003, 1003, 1003, 1004, 1005, 1090), 1, "late values behind a cluster belong to it");
	is_int(c[0].n + c[0].tail, 11, "all eleven do");
	is_int(c[0].n, 10, "though its own members are ten");
	is_int(FIND(c, 1000, 1001, 1001, 1002, 1002, 1003, 1003, 1003, 1004, 1005, 1106), 1, "more than 10 %% late is something else");
	is_int(c[0].tail, 0, "and does not belong to it");
	is_int(FIND(c, 500, 501, 502, 503, 504, 550, 551, 552, 553, 554), 2, "a second cluster close behind is no tail");
	is_int(c[0].tail + c[1].tail, 0, "of the first");
	ok(clusters_same(1000, 1010) && !clusters_same(1000, 1011) && clusters_same(20, 25) && !clusters_same(20, 25.1),
	   "the same is within 1 %%, or 5");
}

static double exponential(struct stats_random *r, double mean)
{
	return -mean * log(1 - stats_uniform(r));
}

/* A timer of 1000 and one of 250, late as schedulers are, among waits that users cut at will. */
static void modes_among_noise(void)
{
	struct stats_random r = {11};
	int both = 0, exact = 0;

	for (int run = 0; run < 200; run++) {
		struct samples s = {0};
		struct cluster c[CLUSTERS_MAX];

		for (int i = 0; i < 60; i++)
			samples_add(&s, (i < 40 ? 1000 : 250) + 0.3 + exponential(&r, 1.5));
		for (int i = 0; i < 40; i++)
			samples_add(&s, 4000 * stats_uniform(&r));
		if (find(&s, c) == 2) {
			both++;
			exact += fabs(s.values[c[0].first + c[0].n / 2] - 1002) < 5 && fabs(s.values[c[1].first + c[1].n / 2] - 252) < 5;
		}
		samples_free(&s);
	}
	ok(both >= 195, "two timers are found among noise in at least 97.5 %% of 200 runs (%d)", both);
	is_int(exact, both, "at their values, the more frequent first");
}

static void noise_alone(void)
{
	static const struct { const char *what; int n; bool exponential; } cases[] = {
		{"12 spread evenly", 12, false}, {"50 spread evenly", 50, false}, {"1000 spread evenly", 1000, false},
		{"30 exponential", 30, true}, {"1000 exponential", 1000, true},
	};
	struct stats_random r = {12};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int alarms = 0;

		for (int run = 0; run < 200; run++) {
			struct samples s = {0};
			struct cluster c[CLUSTERS_MAX];

			for (int k = 0; k < cases[i].n; k++)
				samples_add(&s, 5 + (cases[i].exponential ? exponential(&r, 2000) : 10000 * stats_uniform(&r)));
			alarms += find(&s, c) > 0;
			samples_free(&s);
		}
		ok(alarms <= 4, "%s: at most 2 %% of 200 runs raise an alarm (%d)", cases[i].what, alarms);
	}
}

static void many_clusters(void)
{
	struct samples s = {0};
	struct cluster c[CLUSTERS_MAX];

	for (int k = 1; k <= 12; k++)
		for (int i = 0; i < 5 + k; i++)
			samples_add(&s, 1000 * k + i);
	is_int(find(&s, c), CLUSTERS_MAX, "of twelve clusters the largest eight are found");
	is_int(c[0].n, 17, "the largest first");
	is_int(clusters_find(s.values, s.n, c, 1), 1, "as many as there is room for");
	samples_free(&s);
}

int main(void)
{
	few_values();
	late_timers();
	modes_among_noise();
	noise_alone();
	many_clusters();
	return tap_done();
}
