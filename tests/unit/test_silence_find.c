/* SPDX-License-Identifier: MIT */
/* Silences by pace and by demand (analyzer/infer/silence.h), from calls and requests made by hand, each bound from both sides. Times are ms. */
#include <math.h>
#include <string.h>
#include "analyzer/infer/silence.h"
#include "base/clock.h"
#include "tests/lib/tap.h"

#define MS(t) ((uint64_t)llround((t) * (double)NS_PER_MS))
#define MOST 1000

struct bench {
	struct silence_attempt a[MOST];
	struct silence_demand d[MOST];
	struct silence_input in;
	struct silences s;
	double now;
};

static void set_up(struct bench *b, bool paced)
{
	*b = (struct bench){.in = {.attempts = b->a, .demands = paced ? NULL : b->d, .need = 3, .end_ns = MS(100000)}, .now = 1000};
}

/* n calls, each `wait` after the start of the one before, that take `took`. */
static void calls(struct bench *b, unsigned n, double wait, double took, bool failed)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t k = (uint32_t)b->in.n++;

		b->now += wait;
		b->a[k] = (struct silence_attempt){.start_ns = MS(b->now), .end_ns = MS(b->now + took), .failed = failed, .counts = true, .request = k};
		if (b->in.demands)
			b->d[b->in.demand_count++] = (struct silence_demand){.at_ns = MS(b->now - 0.1), .end_ns = MS(b->now + took + 0.1)};
	}
}

/* n requests that do not ask, answered after `took`; took below 0: never. */
static void sheds(struct bench *b, unsigned n, double wait, double took)
{
	for (unsigned i = 0; i < n; i++) {
		b->now += wait;
		b->d[b->in.demand_count++] = (struct silence_demand){.at_ns = MS(b->now), .end_ns = took < 0 ? 0 : MS(b->now + took), .shed = true};
	}
}

static void find(struct bench *b)
{
	ok(!silence_find(&b->s, &b->in), "there_is_memory");
}

static void how_many_make_a_pace(void)
{
	for (unsigned n = 8; n <= 9; n++) {
		struct bench b;

		set_up(&b, true);
		calls(&b, n, 10, 1, true);
		find(&b);
		ok(b.s.pace_ns == (n == 9 ? MS(10) : 0), "of_%u_calls_that_all_fail_the_pace_is_known_or_not", n);
		silence_free(&b.s);
		set_up(&b, true);
		calls(&b, n - 1, 10, 1, false);
		calls(&b, 1, 10, 1, true);
		calls(&b, 3, 50, 1, true);
		find(&b);
		ok(b.s.pace_ns == MS(10), "what_follows_a_success_tells_it_where_there_are_eight_of_that");
		silence_free(&b.s);
	}
}

/* 30 calls every 20 ms that succeed, of which two intervals may be longer; two that fail; one after a while, and more. */
static void how_long_a_silence_is(void)
{
	static const struct { double longer, gap; unsigned count; uint64_t shed; const char *sentence; } cases[] = {
		{20, 201, 1, 9, "ten_times_the_pace_is_one"}, {20, 200.9, 0, 0, "less_is_none"}, {50, 201, 1, 9, "or_four_times_the_longest"},
		{50.1, 201, 0, 0, "where_that_is_more"}, {60, 241, 1, 11, "as_it_is_then"}, {60, 240.9, 0, 0, "and_no_less"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;
		const struct silence_gap *g;

		set_up(&b, true);
		calls(&b, 20, 20, 1, false);
		calls(&b, 1, cases[i].longer, 1, false);
		calls(&b, 10, 20, 1, false);
		calls(&b, 2, 20, 1, true);
		calls(&b, 1, cases[i].gap, 1, false);
		calls(&b, 10, 20, 1, false);
		find(&b);
		g = b.s.gaps;
		is_int((long long)b.s.count, cases[i].count, "a_silence: %s", cases[i].sentence);
		if (b.s.count) {
			is_int((long long)g->shed, (long long)cases[i].shed, "a_silence: %s: calls that it kept back", cases[i].sentence);
			ok(g->first_shed_ns == g->trip_late_ns + MS(20) && g->decided_ns == b.a[g->after].start_ns - 1, "the_first_a_pace_behind_the_failure");
			ok(g->last_shed_ns == b.a[g->after].start_ns - MS(20), "the_last_a_pace_before_it_ends");
		}
		silence_free(&b.s);
	}
}

/* Of 20 intervals behind successes three are longer: a pace that is none where they are more than four times the others. */
static void what_is_no_pace(void)
{
	static const struct { double longer; unsigned count; bool unsure; } cases[] = {{80, 1, false}, {80.1, 0, true}};

	for (size_t i = 0; i < 2; i++) {
		struct bench b;

		set_up(&b, true);
		calls(&b, 8, 20, 1, false);
		calls(&b, 3, cases[i].longer, 1, false);
		calls(&b, 9, 20, 1, false);
		calls(&b, 2, 20, 1, true);
		calls(&b, 1, 2000, 1, false);
		calls(&b, 9, 20, 1, true);
		find(&b);
		ok(b.s.count == cases[i].count && b.s.unsure == cases[i].unsure, "intervals_of_20_ms_and_a_tenth_of_%g", cases[i].longer);
		silence_free(&b.s);
	}
}

static void silences_that_are_none(void)
{
	static const uint64_t unresolved[] = {1700 * NS_PER_MS};
	struct bench b;

	set_up(&b, true);
	calls(&b, 30, 20, 1, false);
	calls(&b, 2, 20, 1, true);
	calls(&b, 1, 1000, 1, false);
	b.in.unresolved = unresolved;
	b.in.unresolved_count = 1;
	find(&b);
	ok(!b.s.count && b.s.ruled_out && strstr(b.s.ruled_out, "resolved"), "a_name_was_not_resolved");
	silence_free(&b.s);
	b.in.unresolved_count = 0;
	find(&b);
	ok(b.s.count == 1 && !b.s.ruled_out && b.s.closed && b.s.paced, "without_that_it_is_one");
	silence_free(&b.s);
	set_up(&b, true);
	calls(&b, 120, 20, 1, false);
	calls(&b, 1, 1000, 1, false);
	find(&b);
	ok(!b.s.count && b.s.unsure && b.s.ruled_out && strstr(b.s.ruled_out, "none had failed"), "nothing_had_failed");
	silence_free(&b.s);
	set_up(&b, true);
	calls(&b, 30, 20, 1, false);
	calls(&b, 2, 20, 900, true);
	calls(&b, 1, 1000, 1, false);
	find(&b);
	ok(!b.s.count, "the_call_itself_took_long");
	silence_free(&b.s);
}

/* Forty calls that succeed, and three at once before them, five that fail, and requests that do not ask, answered after so long; then calls again. */
static void what_is_shed(void)
{
	static const struct { unsigned n; double took, end; unsigned count; uint64_t shed; const char *sentence; } cases[] = {
		{3, 1, 100, 1, 3, "as_many_as_are_needed"}, {2, 1, 100, 0, 0, "not_fewer"}, {3, 50, 100, 1, 3, "answered_within_50_ms"},
		{3, 50.1, 100, 0, 0, "not_later"}, {3, 1, 1, 1, 3, "answered_before_the_next_call"}, {3, 1, 0.9, 0, 0, "of_two_it_is_none"},
		{3, 0, 0, 0, 0, "nor_with_one_that_comes_with_the_next_call"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;

		set_up(&b, false);
		calls(&b, 3, 1, 5, false);
		calls(&b, 40, 20, 1, false);
		calls(&b, 5, 20, 1, true);
		sheds(&b, cases[i].n, 20, cases[i].took);
		calls(&b, 1, cases[i].end, 1, false);
		calls(&b, 9, 20, 1, false);
		find(&b);
		is_int((long long)b.s.count, cases[i].count, "shed: %s", cases[i].sentence);
		if (b.s.count) {
			ok(b.s.gaps->shed == cases[i].shed && fabs(b.s.gaps->shed_ms - 3 * cases[i].took) < 1e-6, "shed: %s: so many", cases[i].sentence);
			ok(b.s.gaps->run_low == 5 && b.s.gaps->run_high == 5 && b.s.gaps->fresh && b.s.gaps->sure, "five_failures_opened_it");
		}
		silence_free(&b.s);
	}
}

/* Answers take 30.2 ms; three requests that do not ask take so long. */
static void what_is_slow_is_told_by_what_is_usual(void)
{
	for (int late = 0; late < 2; late++) {
		struct bench b;

		set_up(&b, false);
		calls(&b, 40, 40, 30, false);
		calls(&b, 5, 40, 30, true);
		sheds(&b, 3, 40, late ? 90.7 : 90.6);
		calls(&b, 10, 200, 30, false);
		find(&b);
		is_int((long long)b.s.count, !late, "three_times_what_an_answer_takes_is_fast_%s", late ? "more_is_not" : "or_not");
		silence_free(&b.s);
	}
}

/* Between two silences a call fails, and so many succeed; none comes behind the second. */
static void whether_it_closed(void)
{
	for (unsigned n = 1; n <= 2; n++) {
		struct bench b;

		set_up(&b, false);
		calls(&b, 40, 20, 1, false);
		calls(&b, 5, 20, 1, true);
		sheds(&b, 3, 20, 1);
		calls(&b, 1, 20, 1, true);
		calls(&b, n, 20, 1, false);
		sheds(&b, 3, 20, 1);
		find(&b);
		is_int((long long)b.s.count, 2, "it_opened_twice");
		is_int(b.s.closed, n == 2, "the_last_call_before_a_silence_does_not_say_that_it_had_closed_and_%u_do_or_not", n);
		silence_free(&b.s);
	}
}

/* Calls, of which 'x' fail, behind 40 that succeed; then three requests are shed: what share had failed when it opened, over windows of any length. */
static void which_share_had_failed(void)
{
	static const struct { const char *calls; uint32_t longest, failed, low, high; double share_low, share_high; } cases[] = {
		{"x", 0, 1, 1, 1, 1 / 41.0, 1}, {"x.x", 1, 2, 1, 1, 2 / 43.0, 2 / 3.0}, {"x.xx", 1, 3, 2, 2, 3 / 44.0, 1},
		{"xx.x.xx", 2, 5, 2, 2, 5 / 47.0, 3 / 4.0}, {"xxx.xx", 3, 5, 2, 2, 5 / 46.0, 5 / 6.0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct silence_gap *g;
		struct bench b;

		set_up(&b, false);
		calls(&b, 40, 20, 1, false);
		for (const char *c = cases[i].calls; *c; c++)
			calls(&b, 1, 20, 1, *c == 'x');
		sheds(&b, 3, 20, 1);
		calls(&b, 10, 20, 1, false);
		find(&b);
		g = b.s.gaps;
		ok(b.s.count == 1 && g->longest_run == cases[i].longest && g->failed == cases[i].failed,
			"%s: failures in a row that did not open it", cases[i].calls);
		ok(b.s.count && g->run_low == cases[i].low && g->run_high == cases[i].high, "%s: those that did", cases[i].calls);
		if (!ok(b.s.count && fabs(g->share_low - cases[i].share_low) + fabs(g->share_high - cases[i].share_high) < 1e-9, "%s: their share",
			cases[i].calls))
			printf("# %u failed, longest %u, %u to %u, %g to %g\n", g->failed, g->longest_run, g->run_low, g->run_high, g->share_low,
				g->share_high);
		silence_free(&b.s);
	}
}

/* Requests that waited for 200 ms each, as for retries that were turned down, and one of which it is asked whether it did. */
static void waits_that_agree(void)
{
	static const struct { unsigned n, strays; double stray, last; unsigned count; uint64_t shed; const char *sentence; } cases[] = {
		{12, 0, 0, 200, 1, 13, "thirteen_of_one_length"}, {12, 0, 0, 310, 1, 13, "one_three_tenths_and_50_ms_longer_did"},
		{12, 0, 0, 310.1, 1, 12, "not_one_that_took_longer"}, {8, 0, 0, 200, 1, 9, "nine_are_enough"}, {7, 0, 0, 200, 0, 0, "eight_are_not"},
		{8, 3, 900, 200, 1, 9, "three_in_four_agree"}, {8, 4, 900, 200, 0, 0, "fewer_do_not"}, {8, 3, 220, 200, 1, 12, "within_a_tenth"},
		{8, 3, -1, 200, 1, 9, "what_is_never_answered_does_not"}, {8, 4, -1, 200, 0, 0, "so_that_fewer_do"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;

		set_up(&b, false);
		calls(&b, 20, 20, 1, false);
		calls(&b, 5, 20, 1, true);
		sheds(&b, cases[i].n, 20, 200);
		sheds(&b, cases[i].strays, 20, cases[i].stray);
		sheds(&b, 1, 20, cases[i].last);
		calls(&b, 10, 1000, 1, false);
		find(&b);
		is_int((long long)b.s.count, cases[i].count, "waits: %s", cases[i].sentence);
		if (b.s.count) {
			is_int((long long)b.s.gaps->shed, (long long)cases[i].shed, "waits: %s: so many were turned down", cases[i].sentence);
			ok(b.s.agreed && b.s.waited == cases[i].shed && b.s.waited_ms >= 200 * (double)cases[i].shed, "waits: they_agree_and_all_waited");
		}
		silence_free(&b.s);
	}
}

/* Several silences of few requests each, every one behind a failure. */
static void many_short_ones(void)
{
	static const struct { unsigned silences, each, well; unsigned count; const char *sentence; } cases[] = {
		{5, 2, 0, 5, "ten_requests_in_five"}, {4, 2, 0, 0, "not_eight_in_four"}, {9, 1, 0, 9, "nine_of_one"}, {8, 1, 0, 0, "not_eight"},
		{9, 1, 1, 0, "not_where_one_follows_a_success"}, {3, 2, 0, 0, "six_in_three_are_too_few"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;

		set_up(&b, false);
		calls(&b, 20, 50, 1, false);
		for (unsigned k = 0; k < cases[i].silences; k++) {
			calls(&b, 2, 50, 1, true);
			sheds(&b, cases[i].each, 50, 1);
			calls(&b, 11, 50, 1, false);
		}
		sheds(&b, cases[i].well, 50, 1);
		calls(&b, 2, 50, 1, false);
		find(&b);
		is_int((long long)b.s.count, cases[i].count, "short_silences: %s", cases[i].sentence);
		silence_free(&b.s);
	}
}

/* Four silences behind failures and so many behind successes; behind each what is shed. */
static void after_successes_too(void)
{
	static const struct { unsigned well, each, behind_failures; unsigned count; const char *sentence; } cases[] = {
		{0, 4, 10, 4, "none"}, {1, 4, 10, 4, "one_of_four_may_be"}, {2, 4, 10, 0, "not_two"}, {2, 4, 101, 4, "which_are_a_trifle_among_404"},
		{2, 4, 100, 0, "not_among_400"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;

		set_up(&b, false);
		calls(&b, 20, 20, 1, false);
		for (unsigned k = 0; k < 4; k++) {
			calls(&b, 2, 20, 1, true);
			sheds(&b, cases[i].behind_failures, 2, 1);
			calls(&b, 11, 20, 1, false);
		}
		for (unsigned k = 0; k < cases[i].well; k++) {
			sheds(&b, cases[i].each, 20, 1);
			calls(&b, 11, 20, 1, false);
		}
		find(&b);
		is_int((long long)b.s.count, cases[i].count, "behind_successes: %s", cases[i].sentence);
		silence_free(&b.s);
	}
}

int main(void)
{
	how_many_make_a_pace();
	how_long_a_silence_is();
	what_is_no_pace();
	silences_that_are_none();
	what_is_shed();
	what_is_slow_is_told_by_what_is_usual();
	whether_it_closed();
	which_share_had_failed();
	waits_that_agree();
	many_short_ones();
	after_successes_too();
	return tap_done();
}
