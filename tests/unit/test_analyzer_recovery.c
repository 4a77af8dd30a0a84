/* SPDX-License-Identifier: MIT */
/* How long users feel a fault, how a recovery goes, what it waits for, and whether a system stays bad by itself. */
#include "tests/unit/steps.h"

static const struct analyze_options *const everything = &ANALYZE_EVERYTHING;

/* front (asked from outside) calls back; the fault strikes back. */
struct site {
	struct runs r;
	int serial;
	int last;	/* the attempt that was added last */
};

static void begin(struct site *s, double duration_ms, const char *spec)
{
	s->serial = 0;
	runs_begin(&s->r, duration_ms);
	runs_process(&s->r, 1, "front");
	runs_process(&s->r, 2, "back");
	runs_connection(&s->r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&s->r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_connection(&s->r, 3, 2, "server", "127.0.0.1:81", "127.0.0.1:4000");
	runs_fault(&s->r, 1, "outage", spec, 0, 0);
}

struct request {
	double at_ms;
	int attempts;	/* the last of them is as the request ends */
	bool bad, hit;	/* hit: by the fault, at its first attempt, and at others that follow soon */
	double took_ms, gap_ms;	/* of each attempt; between them. 0: 2 and 3 */
};

static void ask(struct site *s, struct request q)
{
	double took = q.took_ms > 0 ? q.took_ms : 2, gap = q.gap_ms > 0 ? q.gap_ms : 3, all = q.attempts * took + (q.attempts - 1) * gap;
	int tid = 100 + s->serial++;

	runs_add(&s->r, (struct runs_exchange){.connection = 2, .tid = tid, .role = "server", .status = q.bad ? 503 : 200, .at_ms = q.at_ms,
					       .took_ms = all + 1});
	for (int k = 0; k < q.attempts; k++) {
		bool failed = q.bad || k + 1 < q.attempts;
		double at = q.at_ms + 0.5 + k * (took + gap);

		s->last = runs_add(&s->r, ATTEMPT(.tid = tid, .status = failed ? 503 : 200, .at_ms = at, .took_ms = took, .synthetic = q.hit));
		if (q.hit && (!k || gap < 1000))
			runs_inject(&s->r, 1, s->last, at + 0.1, "status", -1, -1);
	}
}

/* 10 requests in second `s` of the run; `bad` of them fail after that many attempts. */
static void second(struct site *s, int at_s, int requests, int bad, int attempts, bool hit)
{
	for (int i = 0; i < requests; i++)
		ask(s, (struct request){.at_ms = 1000.0 * at_s + 10 + 980.0 / requests * i, .attempts = i < bad ? attempts : 1, .bad = i < bad,
					.hit = hit && i < bad});
}

/* Baseline to 10 s, a total outage to 20 s, then `bad` failures in each of the seconds given, then none until 40 s. */
static void shape(struct site *s, const int *bad, int n)
{
	begin(s, 40000, "{\"from\":\"10s\",\"for\":\"10s\"}");
	for (int at = 0; at < 40; at++) {
		bool hit = at >= 10 && at < 20;
		int fails = hit ? 10 : at >= 20 && at - 20 < n ? bad[at - 20] : 0;

		second(s, at, 10, fails, 3, hit);
	}
}

/* Baseline of `usual` requests a second to 10 s, then `load` that all fail, hit to 20 s; from 30 s on `rest` good ones. */
static struct result_recovery leave(int usual, int load, int rest)
{
	struct result_recovery r;
	struct site s;
	struct result x;

	begin(&s, 40000, "{\"from\":\"10s\",\"for\":\"10s\"}");
	for (int at = 0; at < 10; at++)
		second(&s, at, usual, 0, 1, false);
	for (int at = 10; at < 30; at++)
		second(&s, at, load, load, 1, at < 20);
	second(&s, 30, rest, 0, 1, false);
	judge(&s.r, &x, everything);
	r = x.recoveries[0];
	result_free(&x);
	return r;
}

static void users_who_leave_have_not_recovered(void)
{
	struct result_recovery r = leave(100, 100, 4);

	ok(r.censored && isnan(r.mttr_ms), "when users have left, a probe that is answered is not their recovery");
	ok(isnan(r.good_ms) && isnan(r.first_exit_ms), "nor is it said to have been well at the end");
	r = leave(100, 100, 5);
	ok(!r.censored && r.mttr_ms > 19000 && r.mttr_ms < 20001, "a twentieth of what they asked is");
	r = leave(100, 20, 1);
	ok(!r.censored, "or of what they asked while it failed, where that is less");
	r = leave(20, 100, 1);
	ok(!r.censored, "or of the baseline's, where that is");
}

static void the_shape_of_a_recovery(void)
{
	struct site s;
	struct result x;
	struct result_recovery *r;

	shape(&s, (int[]){10, 10, 0, 10, 3, 0}, 6);
	judge(&s.r, &x, everything);
	r = &x.recoveries[0];
	NEAR(r->impact_ms, 0, "felt with the first request that was hit");
	NEAR(r->first_exit_ms, 12000 - 10, "the first good second is that at 22 s: 12 s less the request's own start");
	NEAR(r->mttr_ms, 15000 - 10, "well from 25 s on");
	NEAR(r->recovery_lag_ms, 5000, "5 s after it cleared");
	is_int(r->flaps, 1, "once it was bad again");
	NEAR(r->half_recovery_ms, 2000, "half way back 2 s after it cleared");
	NEAR(r->overshoot, 3, "30 attempts a second at back against 10 before");
	NEAR(r->lost_goodput, 133, "133 good requests were lost");
	NEAR(r->load_ratio, 1, "as many were asked as before");
	NEAR(r->load_amplification, (30 + 30 + 10 + 30 + 16) / 50.0, "with 116 attempts for 50");
	NEAR(r->lag_breaker_ms + r->lag_backoff_ms + r->lag_drain_ms + r->lag_rest_ms, 5000, "the parts of the lag add up to it");
	is_str(r->label, "recovered", "5 s are no slow recovery");
	is_int(r->number, 0, "the fault came on once");
	is_int(x.recovered_count, 1, "one of one");
	judge_end(&s.r, &x);

	shape(&s, (int[]){10, 10, 10, 10, 10, 10, 4, 2, 0}, 9);
	judge(&s.r, &x, everything);
	r = &x.recoveries[0];
	NEAR(r->half_recovery_ms, 6000, "6 of 10 are half way");
	is_int(r->flaps, 0, "no relapse");
	judge_end(&s.r, &x);

	shape(&s, (int[]){10, 1, 0}, 3);
	judge(&s.r, &x, everything);
	NEAR(x.recoveries[0].first_exit_ms, 12000 - 10, "9 of 10 are too few to be good, and not few enough to be bad");
	judge_end(&s.r, &x);

	shape(&s, (int[]){10, 0, 0, 0, 0, 0, 0, 10, 0}, 9);
	judge(&s.r, &x, everything);
	NEAR(x.recoveries[0].mttr_ms, 18000 - 10, "6 good seconds before a bad one are no recovery");
	is_int(x.recoveries[0].flaps, 1, "it is a relapse");
	judge_end(&s.r, &x);
}

/* What is bad to the end, and what is good again, too late to be sure. */
static void what_is_not_over(void)
{
	struct site s;
	struct result x;

	for (int from = 36; from <= 40; from += 4) {
		begin(&s, 40000, "{\"from\":\"10s\",\"for\":\"10s\"}");
		for (int at = 0; at < 40; at++)
			second(&s, at, 10, at >= 10 && at < from ? 10 : 0, 3, at >= 10 && at < 20);
		judge(&s.r, &x, everything);
		is_int(x.recoveries[0].censored, true, "bad until %d s: no recovery was seen", from);
		NEAR(x.recoveries[0].good_ms, from == 36 ? 4000 : NAN, "it had been good for so long");
		is_int((long long)x.recoveries[0].witness > 0, 1, "what stayed bad by itself has a witness");
		judge_end(&s.r, &x);
	}
}

/* Ten requests a second, all bad from 10 s on until the run ends half a second after 39 s: of the last second only what was asked can be lost. */
static void the_last_second_is_no_whole_one(void)
{
	struct site s;
	struct result x;

	begin(&s, 39500, "{\"from\":\"10s\",\"for\":\"10s\"}");
	for (int at = 0; at < 39; at++)
		second(&s, at, 10, at >= 10 ? 10 : 0, 1, at >= 10 && at < 20);
	for (int i = 0; i < 5; i++)
		ask(&s, (struct request){.at_ms = 39010 + 98 * i, .attempts = 1, .bad = true});
	judge(&s.r, &x, everything);
	NEAR(x.recoveries[0].lost_goodput, 295, "295 of 295");
	judge_end(&s.r, &x);
}

/* A client that waits for its answers asks less while it gets none. */
static void users_who_do_not_ask_are_lost_too(void)
{
	struct site s;
	struct result x;

	begin(&s, 40000, "{\"from\":\"10s\",\"for\":\"10s\"}");
	for (int at = 0; at < 40; at++)
		second(&s, at, at >= 10 && at < 20 ? 2 : 10, at >= 10 && at < 20 ? 2 : 0, 1, at >= 10 && at < 20);
	judge(&s.r, &x, everything);
	NEAR(x.recoveries[0].lost_goodput, 100, "10 good requests a second were lost for 10 s though only 2 a second were asked");
	judge_end(&s.r, &x);
}

/* front's last backoff ends 2.5 s after the fault, answers are slow until 4 s after it, users are well 6 s after it. */
static void what_a_lag_was_waited_for(void)
{
	struct site s;
	struct result x;
	struct measure m;
	struct result_recovery *r;

	begin(&s, 40000, "{\"from\":\"10s\",\"for\":\"10s\"}");
	for (int at = 0; at < 40; at++) {
		if (at == 22 || at == 23)
			for (int i = 0; i < 10; i++)
				ask(&s, (struct request){.at_ms = 1000 * at + 10 + 90 * i, .attempts = 1, .bad = true, .took_ms = 180});
		else
			second(&s, at, 10, at >= 10 && at < 26 ? 10 : 0, 1, at >= 10 && at < 20);
	}
	ask(&s, (struct request){.at_ms = 19000, .attempts = 2, .bad = true, .hit = true, .gap_ms = 3500 - 2.5});
	ask(&s, (struct request){.at_ms = 19500, .attempts = 2, .bad = true, .hit = true, .gap_ms = 1500});
	judge(&s.r, &x, everything);
	r = &x.recoveries[0];
	NEAR(r->recovery_lag_ms, 6000, "a lag of 6 s");
	NEAR(r->lag_breaker_ms, 0, "no breaker is known");
	NEAR(r->lag_backoff_ms, 2500, "2.5 s of it one request was still waiting to try again");
	NEAR(r->lag_drain_ms, 4000 + 0.5 - 2500, "then answers were slow until the last of 24 s");
	NEAR(r->lag_rest_ms, 6000 - 4000.5, "the rest is not explained");
	judge_end(&s.r, &x);

	begin(&s, 40000, "{\"from\":\"10s\",\"for\":\"10s\"}");
	for (int at = 0; at < 40; at++)
		second(&s, at, 10, at >= 10 && at < 26 ? 10 : 0, 1, at >= 10 && at < 20);
	steps_begin(&s.r, &m, &x);
	judge_edge(&x, "front", "back")->breaker = (struct policy_breaker){.known = true, .opens = 1, .recovery_tax_ms = 4200,
									   .open_high_ms = NAN};
	judge_edge(&x, "front", "back")->retry.alike = "for a test";
	measure_recovery(&m);
	ok(!x.recoveries[0].unsure, "what front does to back is not what users ask");
	free(x.recoveries);
	x.recovery_count = 0;
	judge_edge(&x, "external", "front")->retry.alike = "for a test";
	measure_recovery(&m);
	ok(x.recoveries[0].unsure, "where users' retries may be none, that is not sure");
	NEAR(x.recoveries[0].lag_breaker_ms, 4200, "4.2 s of it the breaker shed");
	NEAR(x.recoveries[0].lag_rest_ms, 1800, "and the rest is the rest");
	judge_edge(&x, "front", "back")->breaker.recovery_tax_ms = 99000;
	free(x.recoveries);
	x.recovery_count = 0;
	measure_recovery(&m);
	NEAR(x.recoveries[0].lag_breaker_ms, 6000, "no part is longer than the lag");
	NEAR(x.recoveries[0].lag_rest_ms, 0, "and then nothing remains");
	steps_end(&s.r, &m, &x);
}

/* One fault that comes on every 30 s for 5 s; after each time users stay bad for so many seconds, below 0 until it comes on again. */
static void cycles(struct site *s, const int *lags, int n)
{
	begin(s, 30000.0 * n + 20000, "{\"status\":503}");
	for (int c = 0; c < n; c++) {
		runs_mark(&s->r, 30000.0 * c + 20000, "fault on outage");
		runs_mark(&s->r, 30000.0 * c + 25000, "fault off outage");
	}
	for (int at = 0; at < 30 * n + 20; at++) {
		int c = (at - 20) / 30, phase = (at - 20) % 30;
		bool hit = at >= 20 && phase < 5;

		second(s, at, 5, hit || (at >= 20 && (lags[c] < 0 || phase < 5 + lags[c])) ? 5 : 0, 1, hit);
	}
}

static void a_fault_that_comes_on_again(void)
{
	struct site s;
	struct result x;
	unsigned fault_windows = 0;

	cycles(&s, (int[]){1, 2, 3, -1, 4, 2, 9}, 7);
	judge(&s.r, &x, everything);
	is_int(x.recovery_count, 7, "7 times it came on, 7 times it is judged");
	for (size_t i = 0; i < x.timeline.window_count; i++)
		fault_windows += x.timeline.windows[i].kind == TIMELINE_FAULT;
	is_int(fault_windows, 7, "7 windows of a fault");
	is_int(x.timeline.windows[2].kind, TIMELINE_RECOVERY, "with recoveries between them");
	NEAR(x.recoveries[0].mttr_ms, 6000 - 10, "5 s and 1 s more the first time");
	NEAR(x.recoveries[2].recovery_lag_ms, 3000, "a lag of 3 s the third time");
	is_int(x.recoveries[2].number, 3, "which has its number");
	ok(x.recoveries[3].censored, "the fourth was not seen to its end");
	NEAR(x.recoveries[3].observed_ms, 30000.5, "it lasted at least until the fault came on again");
	is_str(x.recoveries[3].label, "slow_recovery", "which is slow at least");
	is_str(x.recoveries[6].label, "slow_recovery", "as are 9 s");
	NEAR(x.mttr_ms.value, 8000 - 10, "half of the 7 took at most 8 s");
	is_int(x.mttr_ms.n, 7, "of 7");
	is_int(x.recovered_count, 6, "of which 6 recovered");
	is_str(x.mttr_ms.method, "Kaplan-Meier median", "by Kaplan and Meier");
	ok(x.mttr_ms.bounded && x.mttr_ms.low < 8000 && x.mttr_ms.high >= 8000, "with an interval");
	judge_end(&s.r, &x);

	cycles(&s, (int[]){1, -1, -1}, 3);
	judge(&s.r, &x, everything);
	ok(!x.mttr_ms.known, "one of three recovered: there is no median, and no mean of what was seen");
	is_str(x.mttr_ms.method, "too few recovered in the run for a median", "and it says why");
	is_int(x.mttr_ms.n, 3, "of 3");
	judge_end(&s.r, &x);

	cycles(&s, (int[]){1, 3}, 2);
	judge(&s.r, &x, everything);
	NEAR(x.mttr_ms.value, 7000 - 10, "6 s and 8 s: 7 s");
	ok(!x.mttr_ms.bounded, "too few for an interval");
	judge_end(&s.r, &x);
}

/* ---- staying bad ---- */

struct after {	/* seconds from 20 on */
	int attempts;		/* of requests that fail */
	int bad_until;		/* good from this second on */
	int requests;		/* a second while bad */
	int dip_from, dip_to;	/* seconds with 2 requests */
	int later;		/* requests a second once it is good */
	bool dip_bad;		/* the 2 of the dip fail */
};

static void stay_bad(struct site *s, const struct after *a)
{
	begin(s, 70000, "{\"from\":\"10s\",\"for\":\"10s\"}");
	for (int at = 0; at < 70; at++) {
		bool hit = at >= 10 && at < 20, dip = at >= a->dip_from && at < a->dip_to,
		     bad = (at >= 20 && at < a->bad_until) || (dip && a->dip_bad);
		int requests = dip ? 2 : at >= 20 ? bad ? a->requests : a->later : 20;

		second(s, at, requests, hit || bad ? requests : 0, hit || bad ? a->attempts : 1, hit);
	}
}

static void staying_bad_by_itself(void)
{
	static const struct { struct after a; const char *label, *what; } cases[] = {
		{{3, 100, 20, 0, 0, 20, false}, "metastable_suspected", "retries keep it bad to the end of the run"},
		{{3, 50, 20, 0, 0, 20, false}, "metastable_suspected", "retries keep it bad for 30 s"},
		{{1, 50, 20, 0, 0, 20, false}, "slow_recovery", "without retries something else does"},
		{{3, 50, 22, 0, 0, 20, false}, "metastable_suspected", "a tenth more than the 200 of the baseline may be chance"},
		{{3, 50, 30, 0, 0, 20, false}, "slow_recovery", "users ask half as much again: that may be why"},
		{{3, 44, 20, 40, 45, 20, false}, "metastable_confirmed", "it was bad, the load dipped, it is good at the same load"},
		{{1, 44, 20, 40, 45, 20, false}, "metastable_confirmed", "whatever it is that keeps it up"},
		{{3, 42, 20, 40, 42, 20, false}, "metastable_suspected", "2 s are no dip"},
		{{3, 44, 20, 40, 45, 15, false}, "metastable_suspected", "good at three quarters of the load proves nothing"},
		{{3, 44, 30, 40, 45, 20, false}, "slow_recovery", "nor at less than was too much"},
		{{3, 30, 20, 40, 44, 20, true}, "metastable_suspected", "it was good before the dip"},
		{{3, 24, 20, 21, 24, 20, false}, "recovered", "4 s are not long"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct site s;
		struct result x;

		stay_bad(&s, &cases[i].a);
		judge(&s.r, &x, everything);
		is_str(x.recoveries[0].label, cases[i].label, "%s: %s", cases[i].what, cases[i].label);
		judge_end(&s.r, &x);
	}
}

/* Without retries, what servers do for nobody keeps the load up for as long as that does not end. */
static void a_backlog_that_empties_is_no_more_than_that(void)
{
	for (int bad_until = 50; bad_until <= 100; bad_until += 50) {
		struct site s;
		struct result x;
		struct measure m;

		stay_bad(&s, &(struct after){1, bad_until, 20, 0, 0, 20, false});
		steps_begin(&s.r, &m, &x);
		judge_edge(&x, "front", "back")->wasted_work = metric_plain(0.5, 100, "half");
		measure_recovery(&m);
		is_str(x.recoveries[0].label, bad_until == 50 ? "slow_recovery" : "metastable_suspected", "%s",
		       bad_until == 50 ? "it came to an end" : "it went on to the end of the run");
		steps_end(&s.r, &m, &x);
	}
}

/* Retries or not: 20 s that went well, but for two seconds, are no state that stays bad. */
static void a_bad_second_at_the_end_is_a_relapse(void)
{
	struct site s;
	struct result x;

	begin(&s, 50000, "{\"from\":\"10s\",\"for\":\"10s\"}");
	for (int at = 0; at < 50; at++) {
		bool hit = at >= 10 && at < 20, bad = hit || (at >= 20 && at < 24) || at == 30 || at == 46;

		second(&s, at, 20, bad ? 20 : 0, bad ? 3 : 1, hit);
		if (at >= 24 && !bad)
			for (int i = 0; i < 5; i++)	/* they retry, and win */
				ask(&s, (struct request){.at_ms = 1000 * at + 500 + i, .attempts = 6});
	}
	judge(&s.r, &x, everything);
	ok(x.recoveries[0].censored && x.recoveries[0].load_amplification >= 1.5, "it ends badly, and retries take more than half as much again");
	is_str(x.recoveries[0].label, "slow_recovery", "but stays no longer so than three seconds");
	judge_end(&s.r, &x);
}

/* A timeout of 10 s explains 30 s; one of 5 s does not. */
static void long_waits_explain_a_lag(void)
{
	for (int timeout_s = 5; timeout_s <= 12; timeout_s += 7) {
		struct site s;
		struct result x;

		stay_bad(&s, &(struct after){3, 50, 20, 0, 0, 20, false});
		ask(&s, (struct request){.at_ms = 6000, .attempts = 1, .took_ms = timeout_s * 1000});
		judge(&s.r, &x, everything);
		is_str(x.recoveries[0].label, timeout_s == 5 ? "metastable_suspected" : "slow_recovery", "30 s are %s than 3 times %d s",
		       timeout_s == 5 ? "more" : "less", timeout_s);
		judge_end(&s.r, &x);
	}
}

static void a_margin_needs_an_overload(void)
{
	struct site s;
	struct result x;
	struct measure m;

	stay_bad(&s, &(struct after){3, 50, 20, 0, 0, 20, false});
	steps_begin(&s.r, &m, &x);
	judge_edge(&x, "front", "back")->retry = (struct policy_retry){.known = true, .max_attempts = 3};
	measure_recovery(&m);
	ok(fabs(x.recoveries[0].capacity_rps - 60) < 0.5, "back answered 60 attempts a second while it was bad");
	ok(fabs(x.recoveries[0].margin - 1) < 0.01, "as many as 20 requests of 3 attempts are: the margin is 1");
	steps_end(&s.r, &m, &x);

	shape(&s, (int[]){10, 0}, 2);
	judge(&s.r, &x, everything);
	NEAR(x.recoveries[0].margin, NAN, "who recovers at once was not overloaded: nobody knows");
	judge_end(&s.r, &x);
}

/* ---- a fault in front of another ---- */

/* `errors` fails `usual` of the 20 requests of each second, from 1 s to the end; the outage all from 10 to 20 s; then `bad` fail for `lag` s. */
static void in_front(struct site *s, int usual, int bad, int lag, int attempts)
{
	begin(s, 60000, "{\"status\":503}");
	runs_fault(&s->r, 2, "errors", "{\"status\":500}", 0, 0);
	runs_mark(&s->r, 10000, "fault on outage");
	runs_mark(&s->r, 20000, "fault off outage");
	for (int at = 1; at < 60; at++) {
		bool hit = at >= 10 && at < 20, after = at >= 20 && at < 20 + lag;

		second(s, at, 20, hit ? 20 : after ? bad : usual, after ? attempts : 1, hit);
		runs_inject(&s->r, 2, s->last, 1000.0 * at + 995, "status", -1, -1);
	}
}

static struct result_recovery *outage_of(struct result *x)
{
	for (size_t i = 0; i < x->recovery_count; i++)
		if (!strcmp(x->recoveries[i].fault, "outage"))
			return &x->recoveries[i];
	return NULL;
}

/* Where one request in five fails always, well is four in five. */
static void a_fault_in_front_of_another(void)
{
	struct site s;
	struct result x;

	in_front(&s, 4, 20, 3, 1);
	judge(&s.r, &x, everything);
	is_str(outage_of(&x)->label, "recovered", "back at what the errors leave is well");
	NEAR(outage_of(&x)->recovery_lag_ms, 3000, "3 s after the outage");
	ok(!outage_of(&x)->guessed, "measured against the time in which the errors were there alone");
	judge_end(&s.r, &x);

	in_front(&s, 4, 20, 3, 1);
	runs_sql(&s.r, "UPDATE fault SET id = id + 10; UPDATE fault SET id = 13 - id; UPDATE injection SET fault_id = 3 - fault_id");
	judge(&s.r, &x, everything);
	is_str(outage_of(&x)->label, "recovered", "whichever the plan names first");
	ok(!outage_of(&x)->guessed, "measured against that time");
	judge_end(&s.r, &x);

	in_front(&s, 4, 20, 100, 3);
	judge(&s.r, &x, everything);
	is_str(outage_of(&x)->label, "metastable_suspected", "retries keep it bad though nobody asks more than before");
	ok(outage_of(&x)->censored, "to the end of the run");
	ok(fabs(outage_of(&x)->load_ratio - 1) < 0.01, "as many were asked as with the errors alone");
	judge_end(&s.r, &x);

	in_front(&s, 4, 12, 100, 1);
	judge(&s.r, &x, everything);
	ok(outage_of(&x)->censored, "but 8 of 20 are not well");
	judge_end(&s.r, &x);
}

/* One more failure in some seconds, as chance has it, must not put the recovery off. */
static void chance_alone_is_no_relapse(void)
{
	static const int fails[] = {4, 5, 3, 4, 5, 4, 3, 5, 2, 5};
	struct site s;
	struct result x;

	begin(&s, 40000, "{\"from\":\"10s\",\"for\":\"10s\"}");
	runs_fault(&s.r, 2, "errors", "{\"status\":500}", 0, 0);
	for (int at = 1; at < 40; at++) {
		second(&s, at, 20, at >= 10 && at < 20 ? 20 : fails[at % 10], 1, at >= 10 && at < 20);
		runs_inject(&s.r, 2, s.last, 1000.0 * at + 995, "status", -1, -1);
	}
	judge(&s.r, &x, everything);
	NEAR(outage_of(&x)->recovery_lag_ms, 0, "15 of 20 are less than 95 %% of 16, but 80 of 100 are not");
	judge_end(&s.r, &x);
}

static void damaged_marks(void)
{
	struct site s;
	struct result x;

	cycles(&s, (int[]){1, 2}, 2);
	runs_sql(&s.r, "UPDATE mark SET at_ns = at_ns - 60000000000 WHERE rowid %% 2 = 0");
	runs_sql(&s.r, "INSERT INTO mark VALUES(-5, 'fault on outage'), (NULL, 'fault off outage'), (9223372036854775807, 'fault on outage'),"
		       " (1, NULL), (2, 'fault off '), (3, 'fault on nobody')");
	runs_sql(&s.r, "UPDATE injection SET at_ns = 0 WHERE id %% 3 = 0");
	judge(&s.r, &x, everything);
	ok(x.recovery_count >= 1, "marks before, after and without the run crash nothing");
	judge_end(&s.r, &x);
}

/* What is good and takes longer: `late` of every ten requests of 10 s, 3 ms in the baseline. */
static void answers_that_come_late(int late, double took_ms, bool slowed, const char *what)
{
	struct site s;
	struct result x;
	struct result_recovery *r;

	begin(&s, 30000, "{\"from\":\"10s\",\"for\":\"10s\"}");
	for (int i = 0; i < 300; i++) {
		bool hit = i >= 100 && i < 200;

		ask(&s, (struct request){.at_ms = 100 * i + 10, .attempts = 1, .hit = hit, .took_ms = hit && i % 10 < late ? took_ms : 2});
	}
	judge(&s.r, &x, everything);
	r = &x.recoveries[0];
	is_str(r->label, "no_impact", "%s: no request of users failed", what);
	is_int(result_slowed(r), slowed, "%s: whether they took longer", what);
	NEAR(r->usual_ms, 3, "%s: before", what);
	NEAR(r->took_ms, late ? took_ms + 1 : 3, "%s: while it lasted", what);
	judge_end(&s.r, &x);
}

int main(void)
{
	answers_that_come_late(10, 80, true, "all of them 78 ms late");
	answers_that_come_late(1, 80, true, "one of ten 78 ms late");
	answers_that_come_late(10, 40, false, "all of them 38 ms late");
	answers_that_come_late(0, 0, false, "none late");
	the_shape_of_a_recovery();
	users_who_leave_have_not_recovered();
	what_is_not_over();
	the_last_second_is_no_whole_one();
	users_who_do_not_ask_are_lost_too();
	what_a_lag_was_waited_for();
	a_fault_that_comes_on_again();
	staying_bad_by_itself();
	a_backlog_that_empties_is_no_more_than_that();
	a_bad_second_at_the_end_is_a_relapse();
	long_waits_explain_a_lag();
	a_margin_needs_an_overload();
	a_fault_in_front_of_another();
	chance_alone_is_no_relapse();
	damaged_marks();
	return tap_done();
}
