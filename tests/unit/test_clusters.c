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

#define ROWS 6

/* So many values, all the same. */
struct row {
	unsigned n;
	double at;
};

/* What clusters there are, and the first of them: which value it begins with, its members and its tail. */
static const struct story {
	const char *sentence;
	struct row rows[ROWS];
	unsigned count;
	size_t first, n, tail;
} stories[] = {
	{"ten_values_within_10_are_a_cluster", {{5, 500}, {5, 510}}, 1, 0, 10, 0},
	{"within_more_they_are_not", {{5, 500}, {5, 510.1}}, 0, 0, 0, 0},
	{"of_1000_they_may_lie_2_percent_apart", {{5, 1000}, {5, 1020}}, 1, 0, 10, 0},
	{"and_no_more", {{5, 1000}, {5, 1020.1}}, 0, 0, 0, 0},
	{"nine_values_may_lie_20_apart", {{4, 100}, {5, 120}}, 1, 0, 9, 0},
	{"but_not_more", {{4, 100}, {5, 120.1}}, 0, 0, 0, 0},
	{"or_a_tenth", {{4, 1000}, {5, 1100}}, 1, 0, 9, 0},
	{"and_not_more_than_that", {{4, 1000}, {5, 1100.1}}, 1, 4, 5, 0},
	{"ten_may_not", {{5, 1000}, {5, 1100}}, 2, 0, 5, 0},
	{"four_are_one_when_they_are_half_of_all", {{4, 1000}, {1, 100}, {1, 400}, {1, 1900}, {1, 3000}}, 1, 2, 4, 0},
	{"five_are_of_however_many", {{1, 100}, {1, 200}, {5, 1000}, {1, 2000}, {2, 4000}, {2, 8000}}, 1, 2, 5, 0},
	{"ten_are_one_among_eight_close_to_them", {{2, 920}, {1, 945}, {1, 970}, {10, 1000}, {2, 1040}, {2, 1079.9}}, 1, 4, 10, 0},
	{"but_not_among_nine_of_which_one_is_lower", {{3, 920}, {1, 945}, {1, 970}, {10, 1000}, {2, 1040}, {2, 1079.9}}, 0, 0, 0, 0},
	{"nor_higher", {{2, 920}, {1, 945}, {1, 970}, {10, 1000}, {2, 1040}, {3, 1079.9}}, 0, 0, 0, 0},
	{"what_is_four_widths_lower_is_not_close", {{4, 919.9}, {1, 945}, {1, 970}, {10, 1000}, {2, 1040}, {2, 1079.9}}, 1, 5 + 1, 10, 0},
	{"nor_what_is_four_widths_higher", {{2, 920}, {1, 945}, {1, 970}, {10, 1000}, {2, 1040}, {4, 1080.1}}, 1, 4, 10, 0},
	{"members_are_not_their_own_neighbours", {{20, 1000}, {20, 1010}}, 1, 0, 40, 0},
	{"a_fourth_of_them_may_follow_100_later", {{12, 500}, {3, 600}}, 1, 0, 12, 3},
	{"more_are_something_else", {{12, 500}, {4, 600}}, 1, 0, 12, 0},
	{"and_those_that_come_later", {{12, 500}, {3, 600.1}}, 1, 0, 12, 0},
	{"or_a_tenth_later", {{12, 2000}, {3, 2200}}, 1, 0, 12, 3},
	{"not_more_than_that", {{12, 2000}, {3, 2200.1}}, 1, 0, 12, 0},
	{"than_the_last_of_them", {{6, 500}, {6, 505}, {3, 605}}, 1, 0, 12, 3},
	{"a_tail_is_no_cluster_of_its_own", {{40, 1000}, {10, 1100}}, 1, 0, 40, 10},
	{"what_comes_behind_it_may_be", {{40, 1000}, {10, 1100}, {5, 5000}}, 2, 0, 40, 10},
	{"of_equal_ones_the_lower_comes_first", {{6, 1000}, {6, 3000}}, 2, 0, 6, 0},
};

static size_t add_rows(struct samples *s, const struct row *rows)
{
	for (size_t i = 0; i < ROWS; i++)
		for (unsigned k = 0; k < rows[i].n; k++)
			samples_add(s, rows[i].at);
	return s->n;
}

static void bounds(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		struct cluster c[CLUSTERS_MAX] = {0};
		struct samples s = {0};
		unsigned count;

		add_rows(&s, stories[i].rows);
		count = find(&s, c);
		if (!ok(count == stories[i].count && c[0].first == stories[i].first && c[0].n == stories[i].n && c[0].tail == stories[i].tail, "%s",
			stories[i].sentence))
			printf("# %u: from %zu, %zu, tail %zu\n", count, c[0].first, c[0].n, c[0].tail);
		samples_free(&s);
	}
}

static void as_many_as_there_is_room_for(void)
{
	struct cluster c[2 * CLUSTERS_MAX];
	struct samples s = {0};
	bool twice = false;

	for (int k = 1; k <= 12; k++)
		add_rows(&s, (struct row[ROWS]){{k == 7 ? 9 : 6, 1000 * k}});
	samples_sort(&s);
	is_int(clusters_find(s.values, s.n, c, 0), 0, "without_room_there_are_none");
	is_int(clusters_find(s.values, s.n, c, 2 * CLUSTERS_MAX), CLUSTERS_MAX, "with_more_than_eight_there_are_eight");
	ok(c[0].first == 36 && c[0].n == 9, "the_largest_first");
	for (int i = 1; i < CLUSTERS_MAX; i++)
		for (int k = i + 1; k < CLUSTERS_MAX; k++)
			twice |= c[i].first == c[k].first || c[i].n != 6 || c[i].first % 3;
	ok(!twice && c[1].first == 0, "and_each_once");
	samples_free(&s);
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
	bounds();
	as_many_as_there_is_room_for();
	modes_among_noise();
	noise_alone();
	many_clusters();
	return tap_done();
}
