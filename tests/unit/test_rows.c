/* SPDX-License-Identifier: MIT */
/* What makes millions of rows bearable: sorting by digits, and row ids that lead to indices. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/read/model.h"
#include "analyzer/read/radix.h"
#include "analyzer/read/rows.h"
#include "analyzer/read/samples.h"
#include "analyzer/read/times.h"
#include "analyzer/stats/stats.h"
#include "tests/lib/tap.h"
#include "tests/unit/runs.h"

#define N 50000

static int by_key_and_place(const void *a, const void *b)
{
	const struct radix_item *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->value < y->value ? -1 : 1;
}

static void is_sorted_as_by_qsort(struct radix_item *mine, const char *what)
{
	static struct radix_item theirs[N];

	memcpy(theirs, mine, sizeof(theirs));
	qsort(theirs, N, sizeof(theirs[0]), by_key_and_place);
	is_int(radix_sort(mine, N), 0, "%s: sorted", what);
	bool same = true;

	for (uint32_t i = 0; i < N; i++)
		same &= mine[i].key == theirs[i].key && mine[i].value == theirs[i].value;
	ok(same, "%s: the order is that of qsort(3), equal keys stay as they were", what);
}

/* Keys below `range`, shifted: with many that are equal, and with digits that all share. */
static void sorts_as_qsort_does(uint64_t range, unsigned shift, uint64_t offset, const char *what)
{
	static struct radix_item mine[N];
	struct stats_random random = {range + shift};

	for (uint32_t i = 0; i < N; i++)
		mine[i] = (struct radix_item){((uint64_t)(stats_uniform(&random) * (double)range) << shift) + offset, i};
	is_sorted_as_by_qsort(mine, what);
}

/* Ends of calls in order of their starts: of `calls` that lie over each other on the average, up to the one from which on there are as many as can be. */
static void sorts_what_nearly_is(double calls, uint32_t crowded_from, const char *what)
{
	static struct radix_item mine[N];
	struct stats_random random = {(uint64_t)calls};

	for (uint32_t i = 0; i < N; i++)
		mine[i] = (struct radix_item){i / 4 * 4 + (uint64_t)(stats_uniform(&random) * (i < crowded_from ? 2 * calls : N)), i};
	is_sorted_as_by_qsort(mine, what);
}

static void doubles_of_either_sign(void)
{
	static double values[N];
	struct stats_random random = {5};
	bool rising = true;
	double sum = 0, after = 0;

	for (int i = 0; i < N; i++) {
		values[i] = i % 100 ? ldexp(stats_normal(&random), i % 60 - 30) : i % 200 ? -INFINITY : INFINITY;
		sum += isfinite(values[i]) ? values[i] : 0;
	}
	radix_sort_doubles(values, N);
	for (int i = 1; i < N; i++)
		rising &= values[i - 1] <= values[i];
	for (int i = 0; i < N; i++)
		after += isfinite(values[i]) ? values[i] : 0;
	ok(rising, "numbers of all sizes and either sign ascend");
	ok(fabs(sum - after) <= 1e-6 * fabs(sum) + 1, "and are the same numbers");
	ok(values[0] == -INFINITY && values[N - 1] == INFINITY, "from minus infinity to infinity");
}

static void words_and_how_many_there_are(void)
{
	static uint64_t words[N];
	struct stats_random random = {9};
	bool rising = true, right = true;
	uint64_t sum = 0;
	size_t near = N / 3;

	for (int i = 0; i < N; i++)
		sum += words[i] = (uint64_t)(stats_uniform(&random) * 30000) << (i % 2 ? 40 : 0);
	times_sort(words, N);
	for (int i = 1; i < N; i++)
		rising &= words[i - 1] <= words[i];
	for (int i = 0; i < N; i++)
		sum -= words[i];
	ok(rising && !sum, "instants ascend, and are the same instants");
	for (int i = 0; i < 20000; i++) {	/* by turns near the last one and anywhere */
		uint64_t t = words[i % 4 ? (near + (size_t)(i % 5)) % N : (size_t)(stats_uniform(&random) * N)] - (i % 3 == 0);
		size_t n = times_near(words, sizeof(*words), N, t, &near);

		right &= (!n || words[n - 1] <= t) && (n == N || words[n] > t) && near == n;
	}
	ok(right, "up to each of them there are as many as there are");
	near = 7;
	is_int((int)times_near(words, sizeof(*words), 0, 5, &near), 0, "among none there is none");
	is_int((int)times_near(words, 2 * sizeof(*words), N / 2, UINT64_MAX, &near), N / 2, "every other one: all of them");
}

static void few(void)
{
	struct radix_item one = {7, 1};
	struct samples s = {0};

	is_int(radix_sort(&one, 0), 0, "nothing is sorted");
	is_int(radix_sort(&one, 1), 0, "one is sorted");
	is_int(one.key, 7, "and is still there");
	for (int i = 0; i < 10000; i++)
		samples_add(&s, (i * 7919) % 10000);
	samples_sort(&s);
	is_int((int)samples_percentile(&s, 0.5), 4999, "10,000 measurements: the median of 0 to 9,999");
	is_int((int)s.values[9999], 9999, "and the largest is last");
	samples_free(&s);
}

static void ids_to_indices(int64_t low, int64_t step, bool array)
{
	struct rows r = {0};
	bool right = true;

	is_int(rows_init(&r, low, low + step * (N - 1), N), 0, "ids from %lld, %lld apart", (long long)low, (long long)step);
	ok((r.at != NULL) == array, "are %s", array ? "an array" : "a map");
	for (uint32_t i = 0; i < N; i++)
		right &= rows_put(&r, low + step * i, i) == 0;
	for (uint32_t i = 0; i < N; i++)
		right &= rows_get(&r, low + step * i) == i;
	ok(right, "each leads to its index");
	is_int(rows_get(&r, low - 1), MAP_NONE, "the id below the lowest leads nowhere");
	is_int(rows_get(&r, low + step * (N - 1) + 1), MAP_NONE, "nor does the one above the highest");
	ok(step == 1 || rows_get(&r, low + 1) == MAP_NONE, "nor one that is between two");
	rows_free(&r);
}

/* A file that is closed is read by two threads, one that may still change by one: a -wal file beside it says so. */
static void two_threads_read_what_one_does(void)
{
	static const char *const methods[] = {"GET", "POST", "BREW", "DELETE"};
	struct model halves = {0}, whole = {0};
	char wal[300], error[512];
	struct runs r;
	bool same = true;

	runs_begin(&r, 200000);
	runs_process(&r, 1, "front");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:80");
	runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_sql(&r, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120000)"
		     " INSERT INTO exchange(id, connection_id, process_id, role, protocol, method, path, outcome, started_ns, ended_ns, parent_id, error)"
		     " SELECT i, 1 + (i %% 2), 1, iif(i %% 2, 'server', 'client'), 'http1', 'GET', '/' || (i %% 7), 'ok',"
		     " 1000000000000 + (i / 4 * 4 + 3 - i %% 4) * 1000, 1000000500000 + i * 1000,"
		     " iif(i %% 2, NULL, i + 1), iif(i > 90000, 'E' || (i %% 5), NULL) FROM n");
	for (int i = 0; i < 4; i++)
		runs_sql(&r, "UPDATE exchange SET method = %Q WHERE id > %d", methods[i], 30000 * i);
	runs_commit(&r);
	is_int(model_load(&halves, r.path, error, sizeof(error)), 0, "a closed file of 120,000 exchanges is read");
	snprintf(wal, sizeof(wal), "%s-wal", r.path);
	fclose(fopen(wal, "w"));
	is_int(model_load(&whole, r.path, error, sizeof(error)), 0, "and so is one that may change");
	unlink(wal);
	is_int((int)halves.exchange_count, 120000, "all exchanges are there");
	is_int((int)whole.exchange_count, 120000, "both times");
	for (size_t i = 0; i < halves.exchange_count && i < whole.exchange_count; i++) {
		const struct model_exchange *x = &halves.exchanges[i], *y = &whole.exchanges[i];

		same &= x->id == y->id && x->started_ns == y->started_ns && x->parent == y->parent && x->target == y->target &&
			!strcmp(texts_text(&halves.names, x->method), texts_text(&whole.names, y->method)) &&
			!strcmp(texts_text(&halves.names, x->error), texts_text(&whole.names, y->error));
	}
	ok(same, "with the same texts, the same order and the same parents");
	ok(halves.exchanges[0].parent != MODEL_NONE || halves.exchanges[1].parent != MODEL_NONE, "which they have");
	model_free(&halves);
	model_free(&whole);
	runs_end(&r);
}

int main(void)
{
	struct rows none = {0};

	two_threads_read_what_one_does();
	sorts_as_qsort_does(100, 0, 0, "100 keys, many times each");
	sorts_as_qsort_does(1ull << 44, 0, 1000000000000ull, "times of five hours");
	sorts_as_qsort_does(1ull << 20, 44, 12345, "keys up to the last bit");
	sorts_as_qsort_does(1, 0, 42, "one key for all");
	sorts_what_nearly_is(0.1, N, "in order");
	sorts_what_nearly_is(4, N, "nearly in order");
	sorts_what_nearly_is(100, N, "less in order");
	sorts_what_nearly_is(4, N - 100, "nearly in order but for its end");
	sorts_what_nearly_is(4, N / 2, "in order up to its middle");
	doubles_of_either_sign();
	words_and_how_many_there_are();
	few();
	ids_to_indices(1, 1, true);
	ids_to_indices(-100, 3, true);
	ids_to_indices(1, 1000000, false);
	ids_to_indices(INT64_MAX - 2 * N, 2, true);
	is_int(rows_init(&none, 0, 0, 0), 0, "a table without rows");
	is_int(rows_get(&none, 0), MAP_NONE, "has none");
	is_int(rows_init(&none, INT64_MIN, INT64_MAX, N), 0, "ids from end to end do not make an array");
	ok(!none.at, "which would not fit");
	rows_free(&none);
	return tap_done();
}
