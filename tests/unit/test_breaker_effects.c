/* SPDX-License-Identifier: MIT */
/* What a breaker did for whom (analyzer/infer/breaker_effects.c): sums over calls and silences made by hand. Times are ms of the run. */
#include <math.h>
#include <string.h>
#include "analyzer/infer/breaker_scene.h"
#include "analyzer/measure.h"
#include "tests/lib/tap.h"

#define MS(t) ((uint64_t)((t) * (double)NS_PER_MS))
#define MOST 40

struct span {
	double from, to;
	bool cleared;
};

struct stage {	/* a scene and a view of it, and what they point to */
	struct result result;
	struct measure m;
	struct policy_breaker p;
	struct breaker_scene scene;
	struct breaker_view view;
	struct silence_attempt attempts[MOST];
	struct silence_demand demands[MOST];
	struct silence_gap gaps[4];
	struct breaker_span of[4], out[4];
	size_t begins[2];
};

static void stage_init(struct stage *s)
{
	*s = (struct stage){.p = {.recovery_tax_ms = NAN}, .view = {.in = {.end_ns = MS(1000)}}};
	s->m = (struct measure){.r = &s->result, .to_ns = UINT64_MAX, .chains = {.by_edge = {.begins = s->begins}}};
	s->scene = (struct breaker_scene){.m = &s->m, .p = &s->p, .bad = {.of = s->of, .out = s->out}};
	s->view.m = &s->m;
	s->view.attempts = s->attempts;
	s->view.in.attempts = s->attempts;
	s->view.demands = s->demands;
	s->view.s.gaps = s->gaps;
}

static void call(struct stage *s, double start, double end, bool failed)
{
	s->attempts[s->view.in.n++] = (struct silence_attempt){.start_ns = MS(start), .end_ns = MS(end), .failed = failed};
}

static void demand(struct stage *s, double at, bool shed)
{
	s->demands[s->view.demand_count++] = (struct silence_demand){.at_ns = MS(at), .end_ns = MS(at + 1), .shed = shed, .call_ns = shed ? 0 : MS(at)};
}

static void bad(struct stage *s, struct span t)
{
	s->of[s->scene.bad.n++] = (struct breaker_span){MS(t.from), MS(t.to), t.cleared};
}

static void out(struct stage *s, struct span t)
{
	bad(s, t);
	s->out[s->scene.bad.out_n++] = s->of[s->scene.bad.n - 1];
}

static bool near(double got, double want)
{
	return (isnan(got) && isnan(want)) || fabs(got - want) < 1e-9;
}

/* ---- what was shed meanwhile ---- */

/* Asked for every 10 ms; it sheds from 20 to 40, and half-open from 60 to 80. */
static void what_is_shed_while_it_is_out(void)
{
	static const struct { struct span out; unsigned shed; const char *sentence; } cases[] = {
		{{1, 100, true}, 6, "all_that_it_shed_open_and_half_open"}, {{20, 80, true}, 6, "the_first_and_the_last_count"},
		{{20, 40, true}, 3, "those_of_the_silence"}, {{21, 39, true}, 1, "those_between"}, {{30, 30, true}, 1, "one_at_an_instant"},
		{{60, 80, true}, 3, "those_of_the_half_open_breaker"}, {{40, 60, true}, 2, "the_last_and_the_first"},
		{{41, 59, true}, 0, "none_between_both"}, {{81, 100, true}, 0, "none_behind"}, {{1, 19, true}, 0, "none_before"},
		{{79, 100, true}, 1, "up_to_the_last"}, {{10, 20, true}, 1, "from_the_first"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct stage s;

		stage_init(&s);
		call(&s, 5, 6, true);
		call(&s, 50, 51, false);
		for (int t = 10; t <= 90; t += 10)
			demand(&s, t, t != 50);
		out(&s, cases[i].out);
		s.gaps[0] = (struct silence_gap){.after = 1, .first_shed_ns = MS(20), .last_shed_ns = MS(40), .shed = 3, .shed_ms = 5, .refused = 3,
						 .refused_first_ns = MS(60), .refused_last_ns = MS(80), .refused_ms = 7, .trip_late_ns = MS(6)};
		breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
		is_int((long long)s.scene.effects.out.shed, cases[i].shed, "%s", cases[i].sentence);
		ok(s.p.shed == 6 && s.scene.effects.shed_ms == 12, "%s_of_6_in_12_ms", cases[i].sentence);
		s.gaps[0].refused_first_ns = MS(61);
		s.gaps[0].refused_last_ns = MS(60);
		s.scene.effects.out.shed = 0;
		breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
		ok(s.scene.effects.out.shed <= 3, "%s_none_half_open_where_nothing_was_shed_then", cases[i].sentence);
	}
}

/* By pace ten calls would have come from 20 to 120 ms. */
static void by_pace_they_lie_evenly(void)
{
	static const struct { struct span gap, out; unsigned shed; const char *sentence; } cases[] = {
		{{20, 120, true}, {20, 120, true}, 10, "all_of_them"}, {{20, 120, true}, {20, 70, true}, 5, "half_in_half_the_time"},
		{{20, 120, true}, {1, 70, true}, 5, "what_is_before_it_is_not_part_of_it"}, {{20, 120, true}, {70, 200, true}, 5, "nor_what_is_behind"},
		{{20, 120, true}, {121, 200, true}, 0, "none_behind"}, {{20, 120, true}, {1, 19, true}, 0, "none_before"},
		{{20, 20, true}, {20, 20, true}, 10, "all_at_one_instant"}, {{20, 20, true}, {1, 19, true}, 0, "none_before_it"},
		{{20, 20, true}, {21, 30, true}, 0, "none_behind_it"}, {{30, 20, true}, {1, 100, true}, 0, "none_of_a_silence_without_any"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct stage s;

		stage_init(&s);
		call(&s, 5, 6, true);
		out(&s, cases[i].out);
		s.view.s.paced = true;
		s.gaps[0] = (struct silence_gap){.after = 1, .first_shed_ns = MS(cases[i].gap.from), .last_shed_ns = MS(cases[i].gap.to), .shed = 10,
						 .shed_ms = 5, .trip_late_ns = MS(6)};
		breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
		is_int((long long)s.scene.effects.out.shed, cases[i].shed, "by_pace_%s", cases[i].sentence);
		ok(!s.scene.effects.shed_ms, "by_pace_nobody_was_answered");
		ok(s.scene.effects.last_ns == MS(1000), "by_pace_it_lasts_to_the_end");
	}
}

/* ---- the tax ---- */

#define NO_NEXT {0, 0, false}

struct tax {
	struct span first, next;	/* next.from 0: none (NO_NEXT) */
	double trip_start, trip_late, after, refused_last;
	uint64_t tax;
	double ms;
	const char *sentence;
};

/* Out until 50 ms, asked for every 10 ms and shed from 20 on: the tax is what was shed from 60 until the first call. */
static void what_the_tax_is(void)
{
	static const struct tax cases[] = {
		{{10, 50, true}, NO_NEXT, 12, 14, 85, 0, 3, 35, "shed_at_60_70_and_80"},
		{{10, 50, false}, NO_NEXT, 12, 14, 85, 0, 0, NAN, "none_of_a_fault_that_did_not_clear"},
		{{10, 50, true}, NO_NEXT, 50, 52, 85, 0, 3, 35, "a_failure_that_began_as_it_cleared_opened_it"},
		{{10, 50, true}, NO_NEXT, 50.1, 52, 85, 0, 0, NAN, "one_that_began_later_did_not_for_this_fault"},
		{{10, 84.9, true}, NO_NEXT, 12, 14, 85, 0, 0, 0.1, "none_was_shed_in_the_last_instant"},
		{{10, 85, true}, NO_NEXT, 12, 14, 85, 0, 0, NAN, "none_where_it_closed_as_the_fault_cleared"},
		{{10, 50, true}, NO_NEXT, 12, 14, 85, 95, 4, 45, "half_open_it_goes_on"},
		{{10, 50, true}, NO_NEXT, 12, 14, 85, 84, 3, 35, "but_not_before_the_first_call"},
		{{10, 50, true}, {70, 75, false}, 12, 14, 85, 0, 1, 20 - 1e-6, "until_the_next_fault"},
		{{10, 50, true}, {70, 75, false}, 12, 69.9, 85, 0, 1, 20 - 1e-6, "of_what_opened_before_that"},
		{{10, 50, true}, {70, 75, false}, 12, 70, 85, 0, 0, NAN, "not_of_what_opened_with_it"},
		{{10, 50, true}, {70, 75, true}, 12, 14, 85, 0, 2, 20 - 1e-6, "and_the_tax_of_that_is_its_own"},
		{{10, 50, true}, NO_NEXT, 12, 14, 0, 0, 4, 950, "to_the_end_where_nothing_came"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct tax *c = &cases[i];
		struct stage s;

		stage_init(&s);
		call(&s, c->trip_start, c->trip_late, true);
		if (c->after > 0)
			call(&s, c->after, c->after + 1, false);
		for (int t = 20; t <= 90; t += 10)
			demand(&s, t, true);
		out(&s, c->first);
		if (c->next.from > 0)
			out(&s, c->next);
		s.gaps[0] = (struct silence_gap){.after = 1, .first_shed_ns = MS(20), .last_shed_ns = MS(c->after > 0 ? 80 : 90), .shed = 7,
						 .refused_first_ns = MS(c->refused_last > 0 ? 86 : 1), .refused_last_ns = MS(c->refused_last),
						 .trip_late_ns = MS(c->trip_late)};
		breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
		is_int((long long)s.p.recovery_tax, (long long)c->tax, "the_tax_%s", c->sentence);
		ok(near(s.p.recovery_tax_ms, c->ms), "the_tax_%s_in_ms", c->sentence);
	}
}

/* Two silences of one fault's tax, of which the longer says how long it was; the second follows a half-open call behind it. */
static void whose_tax_it_is(void)
{
	for (int way = 0; way < 3; way++) {
		struct stage s;

		stage_init(&s);
		call(&s, 12, 14, true);
		call(&s, 65, 66, true);
		call(&s, way == 1 ? 85 : 95, 96, false);
		for (int t = 20; t <= 90; t += 10)
			demand(&s, t, true);
		out(&s, (struct span){10, 50, true});
		s.gaps[0] = (struct silence_gap){.after = 1, .first_shed_ns = MS(20), .last_shed_ns = MS(60), .trip_late_ns = MS(14), .refused_first_ns = 1};
		s.gaps[1] = (struct silence_gap){.before = 1, .after = 2, .trip = 1, .first_shed_ns = MS(70), .last_shed_ns = MS(80), .trip_late_ns = MS(66),
						 .refused_first_ns = 1};
		breaker_effects_add(&s.scene, &s.view, &s.gaps[way == 1], &s.gaps[0]);
		breaker_effects_add(&s.scene, &s.view, &s.gaps[way != 1], &s.gaps[way == 2]);
		is_int((long long)s.p.recovery_tax, way == 2 ? 1 : 3, "the_tax_of_a_half_open_call_is_that_of_what_opened_it_first");
		ok(near(s.p.recovery_tax_ms, way == 2 ? 15 : way ? 35 : 45), "the_longest_tax_is_said");
		ok(s.scene.effects.last_ns == MS(way == 1 ? 85 : 95), "it_lasts_to_the_later_end");
	}
}

/* A fault that hits few is there from 10 to 100 ms: what it shed meanwhile but for the tax of another, which was out from 12 to 50. */
static void what_is_beside(void)
{
	struct stage s;

	stage_init(&s);
	call(&s, 12, 14, true);
	call(&s, 85, 86, false);
	for (int t = 20; t <= 80; t += 10)
		demand(&s, t, true);
	bad(&s, (struct span){10, 70, true});
	s.out[s.scene.bad.out_n++] = (struct breaker_span){MS(12), MS(50), true};
	s.gaps[0] = (struct silence_gap){.after = 1, .first_shed_ns = MS(20), .last_shed_ns = MS(80), .trip_late_ns = MS(14), .refused_first_ns = 1};
	s.out[0].cleared = false;
	breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
	ok(s.scene.effects.out.shed == 4 && s.scene.effects.bad.shed == 2, "of_six_that_were_shed_while_it_was_bad_four_were_while_it_was_out");
	s.out[0].cleared = true;
	breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
	ok(s.scene.effects.out.shed == 8 && s.scene.effects.bad.shed == 2, "those_that_are_tax_do_not_count_again");
	s.of[0].to_ns = MS(85);
	s.gaps[0].last_shed_ns = MS(80);
	s.out[0].to_ns = MS(60);
	s.p.recovery_tax = 100;
	breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
	ok(s.scene.effects.bad.shed == 2 && s.p.recovery_tax == 102, "and_the_tax_of_other_silences_is_no_matter");
	s.out[0].cleared = false;
	s.out[0].from_ns = MS(21);
	breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
	is_int((long long)s.scene.effects.bad.shed, 2 + 3, "those_before_it_was_out_count");
}

/* ---- false opens, and the first ---- */

static void which_opens_are_false(void)
{
	static const struct { double start, late; bool fresh, is_false; const char *sentence; } cases[] = {
		{5, 9.9, true, true, "an_open_before_the_fault_is_false"}, {5, 10, true, false, "not_one_as_it_came"},
		{50, 55, true, false, "nor_one_by_a_call_that_began_before_it_cleared"}, {50.1, 55, true, true, "one_by_a_later_call_is"},
		{5, 9.9, false, false, "no_half_open_call_opens_it_falsely"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct stage s;

		stage_init(&s);
		s.scene.bad.faults = true;
		out(&s, (struct span){10, 50, true});
		call(&s, cases[i].start, cases[i].late, true);
		s.gaps[0] = (struct silence_gap){.after = 1, .trip_late_ns = MS(cases[i].late), .fresh = cases[i].fresh};
		breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
		is_int(s.p.false_opens, cases[i].is_false, "%s", cases[i].sentence);
	}
}

/* Without a fault: of `n` calls before it the first `old` and the last `failed` had failed; then one that does, does not, or none. */
static void without_a_fault_few_failures_are_false(void)
{
	static const struct { unsigned old, n, failed; int after; bool is_false; const char *sentence; } cases[] = {
		{0, 20, 9, 0, true, "of_20_calls_9_failed"}, {0, 20, 10, 0, false, "not_of_10"}, {1, 21, 9, 0, true, "one_before_the_20_does_not_count"},
		{2, 21, 9, 0, false, "but_one_of_the_20_does"}, {0, 21, 10, 0, false, "of_21_the_last_20_are_asked"}, {0, 5, 2, 0, true, "of_5_calls_2_failed"},
		{0, 5, 3, 0, false, "not_3"}, {0, 4, 2, 0, false, "nor_half"}, {1, 5, 1, 0, true, "the_first_of_all_counts_as_one"},
		{1, 4, 1, 0, false, "as_one_of_four_too"}, {0, 20, 9, 1, false, "not_when_the_first_call_after_it_fails_too"},
		{0, 20, 9, -1, true, "nor_is_that_asked_where_none_came"}, {0, 30, 9, 0, true, "of_30_the_last_20_are_asked"},
		{0, 30, 10, 0, false, "of_30_too"}, {20, 30, 9, 0, false, "and_older_ones_of_the_20"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct stage s;

		stage_init(&s);
		for (unsigned k = 0; k < cases[i].n; k++)
			call(&s, 10 + k, 11 + k, k < cases[i].old || k >= cases[i].n - cases[i].failed);
		if (cases[i].after >= 0)
			call(&s, 500, 501, cases[i].after);
		s.attempts[MOST - 1].failed = true;
		s.gaps[0] = (struct silence_gap){.before = cases[i].n - 1, .after = cases[i].n, .trip = cases[i].n - 1, .fresh = true,
						 .trip_late_ns = s.attempts[cases[i].n - 1].end_ns};
		breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
		is_int(s.p.false_opens, cases[i].is_false, "false_where_%s", cases[i].sentence);
	}
}

/* Calls that began at 10 (well), 20, 30 (well) and 40 ms ended 5 ms later; it opened at 47. */
static void how_long_it_took_to_open(void)
{
	static const struct { double bad_from; bool open_end; double ms; const char *sentence; } cases[] = {
		{0, false, 2, "since_the_first_failure_in_a_row"}, {0.5, false, 22, "since_the_first_while_it_was_bad"},
		{20, false, 22, "that_began_with_it_too"}, {20.1, false, 2, "not_since_one_before"}, {0.5, true, 2, "whose_end_is_known"},
	};
	struct stage s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		stage_init(&s);
		for (int t = 10; t <= 40; t += 10)
			call(&s, t, cases[i].open_end && t == 20 ? 0 : t + 5, t % 20 == 0);
		if (cases[i].bad_from > 0)
			out(&s, (struct span){cases[i].bad_from, 90, true});
		s.gaps[0] = (struct silence_gap){.before = 3, .after = 4, .trip = 3, .trip_late_ns = MS(47)};
		breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
		ok(near(s.p.time_to_open_ms, cases[i].ms), "it_opened_%g_ms_%s", cases[i].ms, cases[i].sentence);
		ok(s.scene.effects.first_ns == MS(47), "first_at_47_ms");
	}
	s.gaps[0].trip_late_ns = MS(46);
	s.gaps[1] = (struct silence_gap){.before = 3, .after = 4, .trip = 3, .trip_late_ns = MS(45), .refused_first_ns = 1};
	breaker_effects_add(&s.scene, &s.view, &s.gaps[1], &s.gaps[0]);
	ok(s.scene.effects.first_ns == MS(47), "only_the_first_silence_of_a_process_is_asked");
	breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
	ok(s.scene.effects.first_ns == MS(46) && near(s.p.time_to_open_ms, 1), "an_earlier_one_of_another_process_is_the_first");
	s.p.time_to_open_ms = 77;
	breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
	s.gaps[0].trip_late_ns = MS(48);
	breaker_effects_add(&s.scene, &s.view, &s.gaps[0], &s.gaps[0]);
	ok(s.scene.effects.first_ns == MS(46) && s.p.time_to_open_ms == 77, "one_as_early_or_later_is_not");
}

/* ---- what passed, and the sums ---- */

/* Out from 20 to 40 ms, bad to 60: calls every 10 ms of 2 ms, those at 30 and 50 failed, the last of them without an end; it opened at 25. */
static void what_passes_while_it_is_bad(void)
{
	for (int way = 0; way < 3; way++) {
		struct stage s;
		struct breaker_while *w = &s.scene.effects.out, *beside = &s.scene.effects.bad;

		stage_init(&s);
		for (int t = 10; t <= 70; t += 10)
			call(&s, t, t == 50 ? 0 : t + 2, t == 30 || t == 50);
		for (int t = 10; t <= 70; t += 10)
			demand(&s, t, t == 60);
		bad(&s, (struct span){20, 60, true});
		s.out[s.scene.bad.out_n++] = (struct breaker_span){MS(20), MS(40), true};
		s.view.s.paced = way == 1;
		s.view.demand_count = way == 1 ? 0 : s.view.demand_count;
		s.view.s.count = way < 2;
		s.gaps[0].trip_late_ns = MS(20);
		breaker_effects_add_bad(&s.scene, &s.view);
		ok(w->passed == 3 && beside->passed == 2, "three_calls_pass_while_it_is_out_and_two_while_it_is_bad");
		ok(w->failed == 1 && beside->failed == 1, "one_fails_of_each");
		ok(s.scene.effects.failed == 1 && s.scene.effects.failed_ms == 2, "the_time_of_those_with_an_end_is_known");
		ok(w->asked == 3 && beside->asked == (way == 1 ? 2 : 1), "what_was_asked_and_not_shed_by_pace_what_passed");
		is_int((long long)s.p.leak, way < 2 ? 2 : 0, "those_that_pass_once_it_has_opened_leak");
	}
}

static void the_sums(void)
{
	struct stage s;
	struct breaker_effects *e = &s.scene.effects;

	stage_init(&s);
	*e = (struct breaker_effects){.out = {.asked = 10, .shed = 30, .passed = 8, .failed = 6}, .bad = {.shed = 8, .passed = 4, .failed = 1},
				      .first_ns = MS(1000), .last_ns = MS(31000), .failed_ms = 60, .failed = 6, .shed_ms = 40, .waited_ms = 30};
	s.p.opens = 3;
	s.p.shed = 12;
	s.p.waited = 4;
	s.p.recovery_tax = 5;
	s.p.recovery_tax_ms = 6;
	breaker_effects_settle(&s.scene);
	is_int((long long)s.p.doomed, 30, "of_40_that_were_asked_three_in_four_were_doomed");
	is_int((long long)s.p.collateral, 14, "of_30_shed_one_in_four_and_of_8_three_in_four_were_not");
	ok(near(s.p.shed_efficacy.value, 0.75), "30_of_40_were_shed");
	ok(near(s.p.flaps_per_min, 6), "three_opens_in_half_a_minute");
	ok(near(s.p.latency_saved_ms, 80), "12_times_10_ms_but_for_the_40_of_their_answers");
	ok(near(s.p.waited_ms, 7.5), "four_waited_30_ms");
	ok(s.p.recovery_tax == 5 && s.p.recovery_tax_ms == 6, "the_tax_stays");
	s.p.ejects = true;
	e->failed = 0;
	e->last_ns = e->first_ns;
	s.p.waited = 0;
	breaker_effects_settle(&s.scene);
	ok(!s.p.collateral && !s.p.recovery_tax && isnan(s.p.recovery_tax_ms), "where_another_server_answers_nobody_is_harmed");
	ok(isnan(s.p.flaps_per_min) && isnan(s.p.latency_saved_ms) && isnan(s.p.waited_ms), "what_took_no_time_flaps_not_and_saves_none");
	e->failed = 1;
	s.p.shed = 0;
	e->out = (struct breaker_while){.asked = 0, .shed = 3};
	s.p.ejects = false;
	breaker_effects_settle(&s.scene);
	ok(s.p.doomed == 3 && s.p.collateral == 6 && isnan(s.p.latency_saved_ms), "where_nothing_passed_all_were_doomed");
	e->out = (struct breaker_while){0};
	breaker_effects_settle(&s.scene);
	ok(!s.p.shed_efficacy.known, "where_nothing_was_asked_nothing_is_said");
}

/* A baseline of ten calls, and one before what counts, of which some failed, under a threshold. */
static void how_often_it_opens_by_chance(void)
{
	static const struct { unsigned failed; double low, high; bool faults; double every; const char *sentence; } cases[] = {
		{5, 2, 2, true, 6, "two_in_a_row_of_which_half_fail"}, {5, 1, 2, true, 6, "a_half_is_rounded_up"}, {5, 1, 1, true, 2, "one_in_two"},
		{2, 1, 1, true, 5, "one_in_five"}, {5, 0, 0, true, NAN, "not_of_no_failures"}, {5, 0, 1, true, 2, "one_at_least"},
		{0, 2, 2, true, NAN, "not_without_a_failure"}, {10, 2, 2, true, NAN, "nor_where_all_fail"}, {5, 2, 2, false, NAN, "nor_without_a_fault"},
		{9, 1, 1, true, 1 / 0.9, "nine_in_ten"}, {1, 400, 400, true, NAN, "nor_beyond_all_numbers"}, {5, NAN, NAN, true, NAN, "nor_without_a_number"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct model_exchange exchanges[13] = {{0}};
		struct timeline_window windows[] = {{.kind = TIMELINE_BASELINE, .to_ns = 100}, {.kind = TIMELINE_FAULT, .to_ns = 200}};
		uint32_t members[13];
		struct stage s;

		stage_init(&s);
		for (uint32_t k = 0; k < 13; k++) {
			exchanges[k] = (struct model_exchange){.started_ns = !k ? 9 : k == 1 ? 150 : 8 + k,
				.outcome = k < 2 + cases[i].failed ? MODEL_FAILED : MODEL_OK};
			members[k] = k;
		}
		s.begins[1] = 12;
		s.m.chains.by_edge.members = members;
		s.m.from_ns = 10;
		s.result.model.exchanges = exchanges;
		s.result.timeline = (struct timeline){.windows = windows, .window_count = 2};
		s.scene.bad.faults = cases[i].faults;
		s.p.threshold_low = cases[i].low;
		s.p.threshold_high = cases[i].high;
		breaker_effects_settle(&s.scene);
		ok(near(s.p.expected_false_opens_every, cases[i].every), "by_chance_%s: %g", cases[i].sentence, s.p.expected_false_opens_every);
	}
}

int main(void)
{
	what_is_shed_while_it_is_out();
	by_pace_they_lie_evenly();
	what_the_tax_is();
	whose_tax_it_is();
	what_is_beside();
	which_opens_are_false();
	without_a_fault_few_failures_are_false();
	how_long_it_took_to_open();
	what_passes_while_it_is_bad();
	the_sums();
	how_often_it_opens_by_chance();
	return tap_done();
}
