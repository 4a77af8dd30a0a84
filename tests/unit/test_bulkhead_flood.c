/* SPDX-License-Identifier: MIT */
/* Calls that pile up at a slow server and take other routes with them (analyzer/infer/bulkhead_flood.c), and what only looks like it. */
#include "analyzer/infer/bulkhead_flood.h"
#include "tests/unit/judge.h"

#define FROM_MS 3000
#define TO_MS 6000
#define RUN_MS 9000

struct scene {
	const char *what;
	double call_ms;			/* of a call under the fault; 10 else */
	double every_ms;		/* between requests that call */
	double other_ms;		/* of a request to another route under the fault, as its client sees it; 2 else */
	int other_fails;		/* one of so many, under the fault; 0 none */
	double other_base_ms;		/* what one in ten took before; 0: 2 */
	int other_calls;		/* they call the slow server too */
	int other_asks;			/* they call a third one; 2: which the fault hits, without making it slow */
	int other_new;			/* they come under the fault only */
	int other_before, other_under;	/* so many before the fault, and under it; 0: 30 */
	double base_ms;			/* of a call before; 0: 10 */
	int unlaid;			/* so many calls that no request can have made */
	int answered;			/* one of so many calls under the fault: the others are given up after 15 ms; 0: all are */
	int hit;			/* the fault hits the other route itself */
	int known;
};

static void others(struct runs *r, const struct scene *s)
{
	for (int i = 0; i < 90; i++) {
		double at = 100 * i + 7;
		int bad = at >= FROM_MS && at < TO_MS, fails = bad && s->other_fails && i % s->other_fails == 0, x, parent;
		double took = bad ? s->other_ms : i % 10 == 3 && s->other_base_ms > 0 ? s->other_base_ms : 2;

		if (s->other_new && !bad)
			continue;
		if ((s->other_before && at < FROM_MS && i < 30 - s->other_before) || (s->other_under && bad && i >= 30 + s->other_under))
			continue;
		x = runs_add(r, ATTEMPT(.connection = 1, .process = 1, .tid = 3, .path = "/about", .status = fails ? 503 : 200, .at_ms = at, .took_ms = took,
					.fault = bad && s->hit));
		if (bad && s->hit)
			runs_inject(r, 1, x, at, "delay", took, took);
		parent = runs_add(r, ATTEMPT(.connection = 2, .process = 2, .role = "server", .tid = 9, .path = "/about", .status = fails ? 503 : 200,
					     .at_ms = at + took - 1.5, .took_ms = 1));
		if (s->other_calls)
			runs_add(r, ATTEMPT(.connection = 3, .process = 2, .tid = 9, .path = "/stock", .status = 200, .at_ms = at + took - 1.4,
					    .took_ms = 0.5, .parent = parent));
		if (!s->other_asks)
			continue;
		x = runs_add(r, ATTEMPT(.connection = 4, .process = 2, .tid = 9, .path = "/price", .status = 200, .at_ms = at + took - 1.4,
					.took_ms = 0.5, .parent = parent, .fault = bad && s->other_asks == 2));
		if (bad && s->other_asks == 2)
			runs_inject(r, 1, x, at + took - 1.4, "delay", 0.1, 0.1);
	}
}

static void play(struct runs *r, struct result *x, const struct scene *s)
{
	runs_begin(r, RUN_MS);
	runs_process(r, 1, "driver");
	runs_process(r, 2, "front");
	runs_connection(r, 1, 1, "client", "127.0.0.1:5000", "127.0.0.1:80");
	runs_connection(r, 2, 2, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_connection(r, 3, 2, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(r, 4, 2, "client", "127.0.0.1:4002", "127.0.0.1:82");
	runs_fault(r, 1, "slow", "{\"delay\":\"1s\",\"from\":\"3s\",\"for\":\"3s\"}", 20, 20);
	runs_mark(r, FROM_MS, "fault on slow");
	runs_mark(r, TO_MS, "fault off slow");
	for (int i = 0; s->every_ms * i < RUN_MS - 1000; i++) {
		double at = s->every_ms * i;
		int bad = at >= FROM_MS && at < TO_MS, call, parent;
		int given_up = bad && s->answered && i % s->answered;
		double took = given_up ? 15 : bad ? s->call_ms : s->base_ms > 0 ? s->base_ms : 10;

		runs_add(r, ATTEMPT(.connection = 1, .process = 1, .tid = 10 + i, .path = "/in", .status = 200, .at_ms = at, .took_ms = took + 2));
		parent = runs_add(r, ATTEMPT(.connection = 2, .process = 2, .role = "server", .tid = 10 + i, .path = "/in", .status = 200,
					     .at_ms = at + 0.5, .took_ms = took + 1));
		call = runs_add(r, ATTEMPT(.connection = 3, .process = 2, .tid = 10 + i, .path = "/stock", .status = given_up ? 0 : 200,
					   .outcome = given_up ? "indeterminate" : NULL, .at_ms = at + 0.7, .took_ms = took, .parent = parent, .fault = bad));
		if (bad)
			runs_inject(r, 1, call, at + 0.7, "delay", took, took);
	}
	others(r, s);
	for (int i = 0; i < s->unlaid; i++)
		runs_add(r, ATTEMPT(.connection = 3, .process = 2, .tid = 5000, .path = "/stock", .status = 200, .at_ms = 40 * i + 22, .took_ms = 1));
	judge(r, x, &ANALYZE_EVERYTHING);
}

static const struct scene scenes[] = {
	{.what = "other routes wait half a second", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .known = 1},
	{.what = "other routes fail more often by a fifth", .call_ms = 1000, .every_ms = 40, .other_ms = 2, .other_fails = 4, .known = 1},
	{.what = "just a fifth more fail", .call_ms = 1000, .every_ms = 40, .other_ms = 2, .other_fails = 5, .known = 1},
	{.what = "one in six fails of more than before", .call_ms = 1000, .every_ms = 40, .other_ms = 2, .other_fails = 6, .other_before = 10},
	{.what = "one in six fails: that may be chance", .call_ms = 1000, .every_ms = 40, .other_ms = 2, .other_fails = 6},
	{.what = "other routes are as fast as ever: calls pile up, but hurt nobody", .call_ms = 1000, .every_ms = 40, .other_ms = 2},
	{.what = "they are slower by less than 50 ms", .call_ms = 1000, .every_ms = 40, .other_ms = 50},
	{.what = "they are slower by 50 ms", .call_ms = 1000, .every_ms = 40, .other_ms = 52, .known = 1},
	{.what = "they are three times as slow", .call_ms = 1000, .every_ms = 40, .other_ms = 120, .other_base_ms = 40, .known = 1},
	{.what = "they are not three times as slow", .call_ms = 1000, .every_ms = 40, .other_ms = 119, .other_base_ms = 40},
	{.what = "calls take three times as long", .call_ms = 181, .every_ms = 10, .other_ms = 500, .base_ms = 60, .known = 1},
	{.what = "calls do not take three times as long", .call_ms = 179, .every_ms = 10, .other_ms = 500, .base_ms = 60},
	{.what = "calls take 50 ms more", .call_ms = 60, .every_ms = 10, .other_ms = 500, .known = 1},
	{.what = "calls take less than 50 ms more", .call_ms = 59.9, .every_ms = 10, .other_ms = 500},
	{.what = "four calls at once are in work", .call_ms = 121, .every_ms = 40, .other_ms = 500, .known = 1},
	{.what = "three at once are few", .call_ms = 120, .every_ms = 40, .other_ms = 500},
	{.what = "ten others came before", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .other_before = 10, .known = 1},
	{.what = "nine are too few to tell", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .other_before = 9},
	{.what = "five others come under the fault", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .other_under = 5, .known = 1},
	{.what = "four may be chance", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .other_under = 4},
	{.what = "they took as long before, now and then", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .other_base_ms = 400},
	{.what = "most calls are given up long before they would have ended", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .answered = 3, .known = 1},
	{.what = "calls do not pile up: few come", .call_ms = 1000, .every_ms = 600, .other_ms = 500},
	{.what = "calls are not slow", .call_ms = 30, .every_ms = 5, .other_ms = 500},
	{.what = "the other route calls the slow server as well", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .other_calls = 1},
	{.what = "the other route calls a server that is well", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .other_asks = 1, .known = 1},
	{.what = "the other route calls a server that the fault hits", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .other_asks = 2},
	{.what = "the other route was not asked before the fault", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .other_new = 1},
	{.what = "the fault hits the other route too", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .hit = 1},
	{.what = "some calls are nobody's: any route may have made them", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .unlaid = 4},
	{.what = "two are nobody's", .call_ms = 1000, .every_ms = 40, .other_ms = 500, .unlaid = 2, .known = 1},
};

static void what_counts(void)
{
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		const struct policy_flood *f;
		bool found = false;
		struct runs r;
		struct result x;

		play(&r, &x, &scenes[i]);
		f = &judge_edge(&x, "front", "127.0.0.1:81")->bulkhead.flood;
		is_int(f->known, scenes[i].known, "%s", scenes[i].what);
		for (size_t k = 0; k < x.finding_count; k++)
			found |= !strcmp(x.findings[k].code, "no-bulkhead");
		is_int(found, scenes[i].known, "a finding says so, or none does");
		judge_end(&r, &x);
	}
}

static void its_figures(void)
{
	const struct policy_flood *f;
	struct runs r;
	struct result x;

	play(&r, &x, &scenes[0]);
	f = &judge_edge(&x, "front", "127.0.0.1:81")->bulkhead.flood;
	is_int(f->most_before, 1, "one call at once before");
	is_int(f->most, 25, "and 25 under the fault: one each 40 ms, for a second");
	ok(fabs(f->in_work_before - 0.25) < 0.01 && fabs(f->in_work - 25) < 0.5, "%g and %g on the average", f->in_work_before, f->in_work);
	NEAR(f->call_before_ms, 10, "a call took 10 ms");
	NEAR(f->call_ms, 1000, "then a second");
	is_int((long long)f->others, 30, "so many asked for other things under the fault");
	NEAR(f->others_before_ms, 2, "which took 2 ms before");
	NEAR(f->others_ms, 500, "and half a second then");
	ok(f->witness, "with a witness");
	judge_end(&r, &x);
}

int main(void)
{
	what_counts();
	its_figures();
	return tap_done();
}
