/* SPDX-License-Identifier: MIT */
/* Whether those that came together retry together (analyzer/infer/herding.h): each bound from both sides. */
#include <math.h>

#include "analyzer/infer/herding.h"
#include "tests/lib/tap.h"

#define ROWS 4
#define MOST 200

/* n requests, the first at that ms, each by_ms later than the one before; they retry at retry_ms, and for the last time at last_ms. */
struct row {
	int n;
	double at, by, retry, last;
};

static const struct story {
	const char *sentence;
	struct row rows[ROWS];
	bool known;
	int n;
	double index, preserved;
} stories[] = {
	{"twenty_that_come_and_retry_together_are_a_herd", {{20, 0, 0, 500, 500}}, true, 20, 1, 1},
	{"nineteen_are_too_few", {{19, 0, 0, 500, 500}}, false, 19, 0, 0},
	{"within_two_bins_they_come_together", {{10, 0, 0, 500, 500}, {10, 100, 0, 500, 500}}, true, 20, 1, 19.0 / 9},
	{"not_within_more", {{10, 0, 0, 500, 500}, {10, 100.1, 0, 500, 500}}, false, 10, 0, 0},
	{"half_of_them_retry_in_another_bin", {{10, 0, 0, 500, 500}, {10, 0, 0, 550, 550}}, true, 20, (20 * 9.0 / 19 - 1) / 19, 9.0 / 19},
	{"in_the_same_until_its_end", {{10, 0, 0, 500, 500}, {10, 0, 0, 549.9, 549.9}}, true, 20, 1, 1},
	{"whoever_is_listed_first", {{5, 0, 0, 500, 500}, {5, 0, 0, 550, 550}, {5, 0, 0, 500, 500}, {5, 0, 0, 550, 550}}, true, 20,
	 (20 * 9.0 / 19 - 1) / 19, 9.0 / 19},
	{"as_they_came_they_retry", {{10, 0, 0, 500, 500}, {10, 50, 0, 550, 550}}, true, 20, (20 * 9.0 / 19 - 1) / 19, 1},
	{"bins_begin_with_the_first", {{1, 1030, 0, 1530, 1530}, {9, 1040, 0, 1540, 1540}, {10, 1085, 0, 1585, 1585}}, true, 20, (20 * 9.0 / 19 - 1) / 19, 1},
	{"until_the_last_retry_there_may_be_more_bins", {{10, 0, 0, 500, 3949}, {10, 0, 0, 550, 3950}}, true, 20, (80 * 9.0 / 19 - 1) / 79, 9.0 / 19},
	{"one_less_where_it_ends_sooner", {{10, 0, 0, 500, 3949}, {10, 0, 0, 550, 3949}}, true, 20, (79 * 9.0 / 19 - 1) / 78, 9.0 / 19},
	{"but_no_fewer_than_twenty", {{10, 0, 0, 500, 900}, {10, 0, 0, 550, 999}}, true, 20, (20 * 9.0 / 19 - 1) / 19, 9.0 / 19},
	{"of_which_the_21st_begins_after_a_second", {{10, 0, 0, 500, 900}, {10, 0, 0, 550, 1000}}, true, 20, (21 * 9.0 / 19 - 1) / 20, 9.0 / 19},
	{"they_count_from_the_first_request", {{10, 5000, 0, 5500, 8949}, {10, 5000, 0, 5550, 8950}}, true, 20, (80 * 9.0 / 19 - 1) / 79, 9.0 / 19},

	/* a crowd of 20 among others */
	{"a_crowd_that_is_half_of_all_is_one", {{20, 0, 0, 500, 500}, {20, 101, 10, 500, 500}}, true, 20, 1, 1},
	{"a_smaller_one_among_dense_arrivals_is_none", {{20, 0, 0, 500, 500}, {21, 101, 10, 500, 500}}, false, 20, 0, 0},
	{"among_arrivals_of_a_fifth_of_its_rate_it_is", {{20, 0, 0, 500, 500}, {29, 150, 37, 500, 500}, {1, 1250, 0, 500, 500}}, true, 20, 1, 1},
	{"of_more_it_is_not", {{20, 0, 0, 500, 500}, {29, 150, 37, 500, 500}, {1, 1249, 0, 500, 500}}, false, 20, 0, 0},
	{"it_may_come_later", {{29, 0, 40, 500, 500}, {20, 1250, 0, 1700, 1700}, {1, 1400, 0, 500, 500}}, true, 20, 1, 1},
	{"the_others_do_not_count", {{30, 0, 50, 9000, 9000}, {10, 1600, 0, 2000, 2000}, {10, 1600, 0, 2100, 2100}, {1, 1800, 0, 2000, 9000}}, true, 20,
	 (20 * 9.0 / 19 - 1) / 19, 9.0 / 19},
	{"of_two_crowds_the_larger_counts", {{20, 0, 0, 500, 500}, {21, 500, 0, 900, 900}}, true, 21, 1, 1},
	{"of_two_alike_the_first", {{20, 0, 0, 500, 500}, {10, 500, 0, 900, 900}, {10, 500, 0, 2000, 2000}}, true, 20, 1, 1},
};

static struct herding measure(const struct row *rows)
{
	static struct herding_request list[MOST];
	size_t n = 0;

	for (int r = 0; r < ROWS; r++)
		for (int i = 0; i < rows[r].n && n < MOST; i++)
			list[n++] = (struct herding_request){rows[r].at + i * rows[r].by, rows[r].retry, rows[r].last};
	return herding_measure(list, n, 50);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		const struct story *s = &stories[i];
		struct herding h = measure(s->rows);

		if (!ok(h.known == s->known && (int)h.n == s->n && (!h.known || (fabs(h.index - s->index) < 1e-9 && fabs(h.preserved - s->preserved) < 1e-9)),
			"%s", s->sentence))
			printf("# known %d, of %d, %.9g, %.9g\n", h.known, (int)h.n, h.index, h.preserved);
	}
	return tap_done();
}
