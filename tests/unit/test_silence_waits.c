/* SPDX-License-Identifier: MIT */
/*
 * Silences that are none (analyzer/infer/silence_waits.h), and what a half-open breaker lets pass behind one (silence_probes.h), each bound from both
 * sides. Times are ms.
 */
#include <math.h>
#include <string.h>
#include "analyzer/infer/silence_probes.h"
#include "analyzer/infer/silence_waits.h"
#include "base/clock.h"
#include "tests/lib/tap.h"

#define MS(t) ((uint64_t)llround((t) * (double)NS_PER_MS))
#define MOST 400

struct bench {
	struct silence_attempt a[MOST];
	struct silence_demand d[MOST];
	struct silence_gap gaps[24];
	struct silence_input in;
	struct silences s;
	struct silence_work w;
	double now;
};

static void set_up(struct bench *b)
{
	*b = (struct bench){.in = {.attempts = b->a, .need = 3, .end_ns = MS(100000)}, .s = {.gaps = b->gaps}, .now = 1000};
	b->w = (struct silence_work){.in = &b->in, .s = &b->s, .most = 1};
}

/* The next call, `wait` after the one before, of 1 ms. */
static struct silence_attempt *call(struct bench *b, double wait, bool failed, uint32_t request)
{
	struct silence_attempt *a = &b->a[b->in.n++];

	b->now += wait;
	*a = (struct silence_attempt){.start_ns = MS(b->now), .end_ns = MS(b->now + 1), .failed = failed, .counts = true, .request = request};
	return a;
}

/* A silence behind the latest call; what comes next is behind it. */
static struct silence_gap *gap(struct bench *b, bool fresh, uint32_t low, uint32_t high)
{
	struct silence_gap *g = &b->gaps[b->s.count++];

	*g = (struct silence_gap){.before = b->in.n - 1, .after = b->in.n, .trip = b->in.n - 1, .trip_late_ns = b->a[b->in.n - 1].end_ns, .fresh = fresh,
				  .run_low = low, .run_high = high};
	return g;
}

/* ---- pauses of the process ---- */

/* `silences` of 3 failures each; behind the first `bad` of them so many calls fail, behind the others one. */
static void failures_that_go_on(void)
{
	static const struct { unsigned silences, bad, fail, most; bool out; const char *sentence; } cases[] = {
		{1, 1, 4, 1, false, "as_many_failures_as_opened_it_and_one_in_work"}, {1, 1, 5, 1, true, "more_are_a_pause"},
		{1, 1, 5, 2, false, "two_in_work_allow_one_more"}, {4, 1, 5, 1, true, "one_in_four_is_enough"}, {5, 1, 5, 1, false, "one_in_five_is_not"},
		{5, 2, 5, 1, true, "two_in_five_are"}, {4, 0, 5, 1, false, "none_is_none"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;

		set_up(&b);
		b.w.most = cases[i].most;
		for (unsigned k = 0; k < 3; k++)
			call(&b, 10, true, 0);
		for (unsigned k = 0; k < cases[i].silences; k++) {
			gap(&b, !k, 3, 3);
			for (unsigned n = 0; n < (k < cases[i].bad ? cases[i].fail : 1); n++)
				call(&b, n ? 10 : 1000, true, 0);
			if (k + 1 == cases[i].silences)
				call(&b, 10, false, 0);
		}
		silence_rule_out_pauses(&b.w);
		ok(!b.s.count == cases[i].out && (b.s.ruled_out != NULL) == cases[i].out, "%s", cases[i].sentence);
	}
}

/* Failures are counted up to the next silence, and what took a half-open breaker to open does not count. */
static void where_failures_end(void)
{
	struct bench b;

	set_up(&b);
	call(&b, 10, true, 0);
	gap(&b, true, 2, 2);
	call(&b, 1000, true, 0);
	call(&b, 10, true, 0);
	call(&b, 10, true, 0);
	gap(&b, false, 9, 9);
	call(&b, 1000, true, 0);
	silence_rule_out_pauses(&b.w);
	is_int((long long)b.s.count, 2, "three_failures_up_to_the_next_silence_of_two_and_one");
	b.gaps[0].run_high = 1;
	silence_rule_out_pauses(&b.w);
	is_int((long long)b.s.count, 0, "of_one_and_one_they_are_too_many_whatever_a_half_open_one_takes");
	set_up(&b);
	call(&b, 10, true, 0);
	gap(&b, true, 2, 2);
	call(&b, 1000, true, 0);
	call(&b, 10, true, 0);
	call(&b, 10, true, 0);
	call(&b, 10, true, 0);
	silence_rule_out_pauses(&b.w);
	is_int((long long)b.s.count, 0, "to_the_last_call_where_none_follows");
}

/* ---- waits between retries ---- */

static bool waits(struct bench *b)
{
	silence_rule_out_waits(&b->w);
	return b->s.ruled_out && !strcmp(b->s.ruled_out, "the client waits between retries");
}

/* Calls every 10 ms (the longest tenth 15): `n` failures of which the intervals in `longer` places from the end are so long. */
static void waits_before_a_silence(void)
{
	static const struct { unsigned n, from, longer; double length; bool out; const char *sentence; } cases[] = {
		{5, 0, 1, 30, false, "three_times_the_pace_is_no_wait"}, {5, 0, 1, 30.1, true, "more_is"}, {6, 0, 1, 40, false, "one_of_five_may_be_chance"},
		{6, 0, 2, 40, true, "two_may_not"}, {5, 0, 0, 40, false, "none_is_none"}, {10, 0, 1, 40, false, "one_of_nine_may_too"},
		{11, 2, 1, 40, false, "of_ten_one"}, {20, 17, 2, 40, true, "of_nineteen_not_two"}, {21, 18, 2, 40, false, "of_twenty_two"},
		{21, 17, 3, 40, true, "not_three"}, {40, 14, 2, 40, true, "two_among_the_last_sixteen_are_waits"},
		{40, 15, 2, 40, false, "one_of_them_before_those_may_be_chance"}, {40, 0, 1, 40, false, "one_alone_too"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;

		set_up(&b);
		b.s.pace_ns = MS(10);
		b.w.longer_ns = MS(15);
		for (int k = 0; k < 5; k++)
			call(&b, 200, false, 0);
		for (unsigned k = 0; k < cases[i].n; k++) {
			unsigned place = cases[i].n - 1 - k;	/* of the interval that it ends, from the last */

			call(&b, k && place >= cases[i].from && place < cases[i].from + cases[i].longer ? cases[i].length : k ? 10 : 200, true, 0);
		}
		gap(&b, true, cases[i].n, cases[i].n);
		call(&b, 1000, false, 0);
		is_int(waits(&b), cases[i].out, "before_it_%s", cases[i].sentence);
		is_int((long long)b.s.count, !cases[i].out, "before_it_%s: dropped or not", cases[i].sentence);
	}
}

static void what_is_a_long_interval(void)
{
	for (int longer = 20; longer <= 21; longer++) {
		struct bench b;

		set_up(&b);
		b.s.pace_ns = MS(10);
		b.w.longer_ns = MS(longer);
		call(&b, 10, true, 0);
		call(&b, 41, true, 0);
		gap(&b, true, 2, 2);
		call(&b, 1000, false, 0);
		is_int(waits(&b), longer == 20, "twice_what_a_tenth_takes_is_none: %d and 41 ms", longer);
	}
	for (int first = 0; first < 2; first++) {
		struct bench b;

		set_up(&b);
		b.s.pace_ns = MS(10);
		call(&b, 10, true, 0);
		gap(&b, true, 1, 1);
		call(&b, 1000, true, 0);
		if (first)
			call(&b, 10, true, 0);
		call(&b, 100, true, 0);
		gap(&b, true, 9, 9);
		call(&b, 1000, false, 0);
		is_int(waits(&b), 1, "an_interval_behind_the_silence_before_counts_and_what_is_before_that_does_not");
		is_int((long long)b.in.n, first ? 5 : 4, "one_more_call_or_not");
	}
}

/* Several silences, and waits before the first of them. */
static void one_of_several(void)
{
	for (unsigned n = 4; n <= 5; n++) {
		struct bench b;

		set_up(&b);
		b.s.pace_ns = MS(10);
		for (unsigned k = 0; k < 5; k++)
			call(&b, 40, true, k);
		for (unsigned k = 0; k < n; k++) {
			gap(&b, !k, 5, k ? 1 : 5);
			call(&b, 1000, true, 100 + k);
		}
		is_int(waits(&b), n == 4, "before_one_of_%u", n);
	}
}

/* `n` silences of a first failure or of two, each but the first longer by so much; or of which so many passed more failures than it took. */
static void waits_that_grow(void)
{
	static const struct { unsigned n, grown, more; uint32_t low; double by; bool out; const char *sentence; } cases[] = {
		{3, 2, 0, 1, 1.3, true, "all_grow"}, {3, 1, 0, 1, 1.3, true, "half_of_two_grow"}, {4, 1, 0, 1, 1.3, false, "one_of_three_grows"},
		{3, 2, 0, 1, 1.24, false, "they_grow_too_little"}, {3, 2, 0, 2, 1.3, false, "two_failures_were_needed"},
		{1, 0, 0, 1, 1.3, false, "one_has_no_next"},
		{20, 0, 1, 2, 1, true, "one_in_twenty_let_more_pass"}, {21, 0, 1, 2, 1, false, "one_in_21_did"}, {2, 0, 0, 2, 1, false, "none_did"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		double length = 1000;
		struct bench b;

		set_up(&b);
		b.s.pace_ns = MS(10);
		call(&b, 10, true, 1);
		for (unsigned k = 0; k < cases[i].n; k++) {
			struct silence_gap *g = gap(&b, !k, cases[i].low, 2);

			g->passed_failed = k && k <= cases[i].more ? 3 : 2;
			length *= k && k <= cases[i].grown ? cases[i].by : 1;
			call(&b, length + 1, k + 1 < cases[i].n, 2 + k);
		}
		is_int(waits(&b), cases[i].out, "%s", cases[i].sentence);
		is_int(b.s.alike, cases[i].low == 1, "%s: a wait after each failure would look the same, or not", cases[i].sentence);
	}
}

static void whole_requests_do_not_wait(void)
{
	const struct silence_attempt work = {0};
	struct bench b;

	set_up(&b);
	b.s.pace_ns = MS(10);
	b.in.work = &work;
	call(&b, 10, true, 0);
	call(&b, 100, true, 0);
	gap(&b, true, 2, 2);
	call(&b, 1000, false, 0);
	ok(!waits(&b) && b.s.count == 1, "where_whole_requests_are_looked_at_none_is_tried_again");
	b.w.after_success = 1;
	silence_rule_out_waits(&b.w);
	ok(!b.s.count && b.s.ruled_out && strstr(b.s.ruled_out, "nothing has failed"), "who_stops_after_successes_too_pauses");
}

/* Requests 1 to 9 are there before; behind come requests, one every 1 ms: 'o' those (of a policy's time: 'd'), 'n' new ones; one request: '1'. */
static void what_comes_behind(void)
{
	static const struct { const char *calls; double length; bool step, due; const char *sentence; } cases[] = {
		{"ooo", 100, true, false, "three_that_go_on_wait_in_step"}, {"oo", 100, false, false, "two_do_not"},
		{"oon", 100, true, false, "two_of_three_do"},
		{"onon", 100, false, false, "half_do_not"}, {"111", 100, false, false, "nor_does_one_request"},
		{"ooooo", 20, true, false, "within_a_tenth_of_it"},
		{"ooooo", 19.9, false, false, "not_later"}, {"nnnnoooooooo", 1000, true, false, "most_of_all_that_come_then"},
		{"1d", 100, false, false, "the_first_must_be_due"}, {"d", 100, false, true, "a_retry_at_its_time_made_the_wait"},
		{"dn", 100, false, false, "half_of_them_are_too_few"}, {"ddn", 100, true, true, "most_are_not"},
		{"dddddnnnnnnnnn", 1000, false, true, "five_of_the_first_eight"}, {"ddddnnnndddddd", 15, false, false, "not_four"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t old = 1, new = 20;
		struct bench b;

		set_up(&b);
		b.s.pace_ns = MS(100);
		for (uint32_t k = 1; k <= 16; k++)
			call(&b, 10, k > 14, k);
		gap(&b, true, 2, 2);
		for (const char *c = cases[i].calls; *c; c++) {
			struct silence_attempt *a = call(&b, c == cases[i].calls ? cases[i].length : 1, false, *c == 'n' ? new++ : *c == '1' ? 1 : old++);

			a->due = *c == 'd';
		}
		silence_rule_out_waits(&b.w);
		is_int(b.s.ruled_out && strstr(b.s.ruled_out, "in step"), cases[i].step, "in_step: %s", cases[i].sentence);
		if (!cases[i].step)
			is_int(b.s.ruled_out && strstr(b.s.ruled_out, "their own waits"), cases[i].due, "due: %s", cases[i].sentence);
	}
}

/* Requests that were there so many calls before the silence. */
static void how_long_ago(void)
{
	for (unsigned ago = 256; ago <= 257; ago++) {
		struct bench b;

		set_up(&b);
		b.s.pace_ns = MS(100);
		for (unsigned k = 0; k < 300; k++)
			call(&b, 10, false, k == 300 - ago ? 1 : 1000 + k);
		gap(&b, true, 1, 1);
		call(&b, 100, false, 1)->due = true;
		silence_rule_out_waits(&b.w);
		is_int(!b.s.count, ago == 256, "a_request_%u_calls_before_it_goes_on_or_is_forgotten", ago);
	}
}

/* ---- half-open ---- */

struct probe {
	double start, end;
	bool failed;
};

/* Five failures, a second of silence, then these (ms from the first of them); requests are turned down at `shed` and ask at `asks`. */
struct half_open {
	struct probe probes[6];
	double shed[6], asks[6];
	double permits;
	bool at_least;
	double close_after;
	unsigned refused;
	const char *sentence;
};

static int by_start(const void *x, const void *y)
{
	const struct silence_demand *a = x, *b = y;

	return (a->at_ns > b->at_ns) - (a->at_ns < b->at_ns);
}

static void add_demand(struct bench *b, double at, double took, bool shed)
{
	b->d[b->in.demand_count++] = (struct silence_demand){.at_ns = MS(at), .end_ns = MS(at + took), .shed = shed};
}

static void play(struct bench *b, const struct half_open *h)
{
	double first;

	set_up(b);
	b->in.demands = b->d;
	for (int k = 0; k < 5; k++)
		call(b, 10, true, 0);
	gap(b, true, 5, 5);
	first = b->now + 1000;
	for (int k = 0; k < 6 && h->probes[k].end > 0; k++)
		b->a[b->in.n++] = (struct silence_attempt){.start_ns = MS(first + h->probes[k].start), .end_ns = MS(first + h->probes[k].end),
							   .failed = h->probes[k].failed, .counts = true};
	for (int k = 0; k < 6; k++) {
		if (h->shed[k] > 0)
			add_demand(b, first + h->shed[k], 0.1, true);
		if (h->asks[k] > 0)
			add_demand(b, first + h->asks[k], 1, false);
	}
	qsort(b->d, b->in.demand_count, sizeof(*b->d), by_start);
	b->w = (struct silence_work){.in = &b->in, .s = &b->s};
	ok(!silence_work_init(&b->w), "there_is_memory");
	silence_find_probes(&b->w);
}

static void what_it_lets_pass(void)
{
	static const struct half_open cases[] = {
		{{{0, 20, false}}, {5}, {0}, 1, false, NAN, 1, "one_call_while_one_is_turned_away"},
		{{{0, 20, false}}, {20.1}, {0}, 1, true, NAN, 0, "none_is_turned_away_meanwhile"},
		{{{0, 20, false}}, {19.9}, {0}, 1, false, NAN, 1, "the_last_that_is_answered_as_it_ends"},
		{{{0, 20, false}}, {19.95}, {0}, 1, true, NAN, 1, "one_answered_behind_it_may_have_met_another_state"},
		{{{0, 20, false}, {1, 20, false}, {2, 20, false}}, {5}, {0}, 3, false, NAN, 1, "three_at_once"},
		{{{0, 20, false}, {1, 3, false}, {4, 20, false}}, {5}, {0}, 2, true, NAN, 1, "two_at_once_of_three_in_all"},
		{{{0, 20, false}, {20, 30, false}}, {5}, {0}, 1, false, NAN, 1, "one_that_starts_as_it_ends_comes_later"},
		{{{0, 20, false}, {19.9, 30, false}}, {5}, {0}, 2, false, NAN, 2 - 1, "one_that_starts_before_does_not"},
		{{{0, 20, false}, {30, 50, false}, {31, 51, false}}, {5}, {0}, 1, false, 1, 1, "one_success_closes_it"},
		{{{0, 20, false}, {30, 50, false}, {55, 75, false}, {56, 76, false}}, {5, 45}, {0}, 1, false, 2, 2, "two_where_it_turns_away_behind_the_first"},
		{{{0, 20, false}, {30, 50, false}, {55, 75, false}, {56, 76, false}}, {5, 15}, {0}, 1, false, NAN, 2, "one_or_two_where_it_does_not"},
		{{{0, 20, false}, {30, 50, true}, {55, 75, false}, {56, 76, false}}, {5, 45}, {0}, 1, false, NAN, 2, "not_told_behind_a_failure"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct half_open *c = &cases[i];
		const struct silence_probes *p;
		struct bench b;

		play(&b, c);
		p = &b.s.probes;
		if (!ok(p->permits == c->permits && p->at_least == c->at_least &&
			(p->close_after == c->close_after || (isnan(p->close_after) && isnan(c->close_after))) && b.gaps[0].refused == c->refused, "%s",
			c->sentence))
			printf("# permits %g, at least %d, close after %g, refused %d\n", p->permits, p->at_least, p->close_after, (int)b.gaps[0].refused);
		silence_work_free(&b.w);
	}
}

/* One call of 20 ms; requests that it turns away, until so many ask that it must have closed. */
static void what_it_turns_away(void)
{
	static const struct { struct half_open h; double first, last, ms; const char *sentence; } cases[] = {
		{{.probes = {{0, 20, false}}, .shed = {2, 5, 9}, .refused = 3}, 2, 9, 0.3, "each_while_it_is_in_work"},
		{{.probes = {{0, 20, false}}, .shed = {2, 21}, .refused = 1}, 2, 2, 0.1, "none_when_it_is_over"},
		{{.probes = {{0, 20, false}}, .shed = {2, 19.95}, .refused = 2}, 2, 19.95, 0.2, "one_answered_when_it_is_over_too"},
		{{.probes = {{0, 20, false}}, .shed = {2, 5}, .asks = {3}, .refused = 1}, 2, 2, 0.1, "none_behind_a_request_that_asks_beside_it"},
		{{.probes = {{0, 20, false},
		{30, 50, false}}, .shed = {2, 35}, .asks = {22, 24}, .refused = 2}, 2, 35, 0.2, "two_that_ask_alone_do_not_end_it"},
		{{.probes = {{0, 20, false}, {30, 50, false}}, .shed = {2, 35}, .asks = {22, 24, 26}, .refused = 1}, 2, 2, 0.1, "three_do"},
		{{.probes = {{0, 20, false}, {30, 50, false}}, .shed = {2, 35, 31}, .asks = {22, 24, 51, 52}, .refused = 3}, 2, 35, 0.3, "in_a_row"},
		{{.probes = {{0, 20, false}}, .shed = {0}, .refused = 0}, -1, -1, 0, "nobody_where_nobody_comes"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct silence_gap *g;
		struct bench b;
		double zero;

		play(&b, &cases[i].h);
		g = &b.gaps[0];
		zero = b.now + 1000;
		ok(g->refused == cases[i].h.refused && fabs(g->refused_ms - cases[i].ms) < 1e-6, "turned_away_%s: %d", cases[i].sentence, (int)g->refused);
		if (g->refused)
			ok(g->refused_first_ns == MS(zero + cases[i].first) && g->refused_last_ns == MS(zero + cases[i].last), "from_the_first_to_the_last");
		else
			ok(g->refused_last_ns < g->refused_first_ns, "from_none_to_none");
		silence_work_free(&b.w);
	}
}

/* Several silences: the first fresh, of `closed` failures; the next ones of what half-open let pass. */
static void what_opens_it_again(void)
{
	static const struct {
		uint32_t closed, failed[3], low[3];
		const char *reopen;
		uint32_t in_a_row;
		double permits;
		const char *sentence;
	} cases[] = {
		{5, {1, 1, 1}, {1, 1, 1}, "any failure", 0, 1, "one_failure_each_time"}, {5, {2, 2, 2}, {2, 2, 2}, "ratio", 2, 2, "two_each_time"},
		{5, {2, 1, 2}, {2, 1, 2}, NULL, 0, 1, "two_or_one"}, {5, {2, 3, 2}, {2, 3, 2}, NULL, 0, 1, "two_or_three"},
		{2, {2, 2, 2}, {2, 2, 2}, NULL, 0, 1, "as_many_as_when_it_was_closed"},
		{5, {2, 2, 2}, {1, 1, 1}, NULL, 0, 1, "one_of_two_may_have_been_enough"},
		{5, {2, 2, 2}, {1, 1, 2}, "ratio", 2, 2, "one_that_tells_is_enough"}, {5, {0, 0, 0}, {0, 0, 0}, NULL, 0, 1, "none_that_failed_tells_nothing"},
		{5, {2, 0, 2}, {2, 0, 2}, "ratio", 2, 2, "nor_does_one_of_them"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;

		set_up(&b);
		call(&b, 10, true, 0);
		gap(&b, true, cases[i].closed, cases[i].closed);
		for (int k = 0; k < 3; k++) {
			call(&b, 1000, true, 0);
			gap(&b, false, cases[i].low[k], cases[i].low[k])->passed_failed = cases[i].failed[k];
		}
		call(&b, 1000, false, 0);
		b.w = (struct silence_work){.in = &b.in, .s = &b.s};
		ok(!silence_work_init(&b.w), "there_is_memory");
		silence_find_probes(&b.w);
		ok((!b.s.probes.reopen && !cases[i].reopen) || (b.s.probes.reopen && cases[i].reopen && !strcmp(b.s.probes.reopen, cases[i].reopen)),
		   "it_opens_again_after_%s: %s", cases[i].sentence, b.s.probes.reopen ? b.s.probes.reopen : "-");
		ok(b.s.probes.in_a_row == cases[i].in_a_row && b.s.probes.permits == cases[i].permits, "it_opens_again_after_%s: so many calls",
			cases[i].sentence);
		silence_work_free(&b.w);
	}
}

int main(void)
{
	failures_that_go_on();
	where_failures_end();
	waits_before_a_silence();
	what_is_a_long_interval();
	one_of_several();
	waits_that_grow();
	whole_requests_do_not_wait();
	what_comes_behind();
	how_long_ago();
	what_it_lets_pass();
	what_it_turns_away();
	what_opens_it_again();
	return tap_done();
}
