/* SPDX-License-Identifier: MIT */
/* Load shedding (analyzer/shedding.c): a service that turns requests away at once, and what only looks like it. */
#include "tests/unit/judge.h"

#define SECONDS 40

struct scene {
	const char *what;
	int status;		/* of what is turned away; 0: closed without an answer */
	double took;		/* ms; good answers take 50 */
	int good, bad;		/* a second, from the 10th to the 30th; before and after, 10 good ones */
	int calls;		/* what is turned away asked another service first */
	int synthetic;
	int lacks;		/* the service asks another, which fails; 2: which answers */
	int elsewhere;		/* another service asks it, which fails for that */
	int open;		/* so many attempts of the service there never end */
	const char *end;	/* of the connection, when it was closed; NULL: local_close */
	int shed;		/* whether it is */
	double collapse;
};

static void second(struct runs *r, int s, const struct scene *c, int good, int bad)
{
	for (int i = 0; i < good; i++) {
		int y = runs_add(r, ATTEMPT(.connection = 2, .role = "server", .tid = 100 + i, .status = 200, .at_ms = 1000 * s + 5 + 90.0 / good * i,
					    .took_ms = 50));

		if (c->lacks)
			runs_add(r, ATTEMPT(.connection = 3, .tid = 100 + i, .status = c->lacks == 1 ? 503 : 200, .at_ms = 1000 * s + 6 + 90.0 / good * i,
					    .took_ms = 1, .parent = y));
	}
	for (int i = 0; bad && i < c->open; i++)
		runs_add(r, ATTEMPT(.connection = 3, .tid = 1000 + 100 * s + i, .outcome = "indeterminate", .at_ms = 1000 * s + 200 + i, .took_ms = -1));
	if (c->elsewhere)
		runs_add(r, ATTEMPT(.connection = 5, .process = 2, .status = 503, .at_ms = 1000 * s + 300, .took_ms = 1));
	for (int i = 0; i < bad; i++) {
		int y = runs_add(r, ATTEMPT(.connection = c->status ? 2 : 4, .role = "server", .tid = 300 + i, .status = c->status,
					    .outcome = c->status ? NULL : "indeterminate", .error = c->status ? NULL : "closed",
					    .at_ms = 1000 * s + 500 + i, .took_ms = c->took, .synthetic = c->synthetic,
					    .retry_after_ms = c->status && i % 2 ? 1000 : 0));

		if (c->calls)
			runs_add(r, ATTEMPT(.connection = 3, .tid = 300 + i, .status = 200, .at_ms = 1000 * s + 500.1 + i, .took_ms = 0.5, .parent = y));
	}
}

static void play(struct runs *r, struct result *x, const struct scene *c)
{
	runs_begin(r, 1000 * SECONDS);
	runs_process(r, 1, "shop");
	runs_connection(r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_connection(r, 3, 1, "client", "127.0.0.1:4000", "127.0.0.1:90");
	runs_connection(r, 4, 1, "server", "127.0.0.1:80", "127.0.0.1:5001");
	if (c->elsewhere) {
		runs_process(r, 2, "clerk");
		runs_connection(r, 5, 2, "client", "127.0.0.1:4001", "127.0.0.1:90");
	}
	runs_sql(r, "UPDATE connection SET end = %Q WHERE id = 4", c->end ? c->end : "local_close");
	for (int s = 0; s < SECONDS; s++) {
		bool busy = s >= 10 && s < 30;

		second(r, s, c, busy ? c->good : 10, busy ? c->bad : 0);
	}
	judge(r, x, &ANALYZE_EVERYTHING);
}

static const struct scene scenes[] = {
	{.what = "429 at once, and as many good answers as ever", .status = 429, .took = 2, .good = 10, .bad = 20, .shed = 1, .collapse = 1},
	{.what = "503 at once", .status = 503, .took = 2, .good = 10, .bad = 20, .shed = 1, .collapse = 1},
	{.what = "503 at once, and half of the good answers", .status = 503, .took = 2, .good = 5, .bad = 20, .shed = 1, .collapse = 0.5},
	{.what = "a little more than it can do", .status = 503, .took = 2, .good = 10, .bad = 4, .shed = 1, .collapse = NAN},
	{.what = "one and a half times what it can do", .status = 503, .took = 2, .good = 10, .bad = 5, .shed = 1, .collapse = 1},
	{.what = "closed at once", .took = 2, .good = 10, .bad = 20, .shed = 1, .collapse = 1},
	{.what = "closed by the client", .took = 2, .good = 10, .bad = 20, .end = "peer_close"},
	{.what = "a tenth of a good answer's time", .status = 503, .took = 5, .good = 10, .bad = 20, .shed = 1, .collapse = 1},
	{.what = "slower than that", .status = 503, .took = 5.1, .good = 10, .bad = 20},
	{.what = "500 at once: an error", .status = 500, .took = 2, .good = 10, .bad = 20},
	{.what = "503 after asking somebody", .status = 503, .took = 2, .good = 10, .bad = 20, .calls = 1},
	{.what = "503 that a fault answered", .status = 503, .took = 2, .good = 10, .bad = 20, .synthetic = 1},
	{.what = "503 while what it calls is out: it fails fast", .status = 503, .took = 2, .good = 10, .bad = 20, .lacks = 1},
	{.what = "behind 63 attempts without an end that is seen", .status = 503, .took = 2, .good = 10, .bad = 20, .lacks = 1, .open = 63},
	{.what = "behind 64 it is not", .status = 503, .took = 2, .good = 10, .bad = 20, .lacks = 1, .open = 64, .shed = 1, .collapse = 1},
	{.what = "503 while what somebody else calls is out", .status = 503, .took = 2, .good = 10, .bad = 20, .elsewhere = 1, .shed = 1, .collapse = 1},
	{.what = "503 while what it calls answers", .status = 503, .took = 2, .good = 10, .bad = 20, .lacks = 2, .shed = 1, .collapse = 1},
};

static void what_counts(void)
{
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		const struct scene *c = &scenes[i];
		const struct policy_shedding *p;
		struct runs r;
		struct result x;

		play(&r, &x, c);
		p = &x.services[0].shedding;
		is_int(p->known, c->shed, "%s: %s", c->what, c->shed ? "shed" : "not shed");
		is_int((long long)p->shed, c->shed ? 20 * c->bad : 0, "each of them");
		is_int((long long)p->told, c->shed && c->status ? 20 * (c->bad / 2) : 0, "those of them that say when to come back");
		if (c->shed) {
			NEAR(p->collapse, c->collapse, "what became of its goodput");
			NEAR(p->latency_ms, c->took, "their median");
			NEAR(p->success_latency_ms, 50, "against that of good answers");
			NEAR(p->share.value, 20.0 * c->bad / (20 * c->bad + 20 * c->good + 200), "their share of all requests");
			ok(p->witness != 0, "with a witness");
		}
		judge_end(&r, &x);
	}
}

/* When nothing is answered well, 503 at once says that it is out. */
static void an_outage(void)
{
	struct scene c = {.status = 503, .took = 2, .bad = 20};
	struct runs r;
	struct result x;

	play(&r, &x, &c);
	is_int((long long)x.services[0].shedding.shed, 2 * 20, "an outage is no shedding, but for the seconds beside good ones");
	judge_end(&r, &x);
	c.status = 429;
	play(&r, &x, &c);
	is_int((long long)x.services[0].shedding.shed, 20 * 20, "429 is what it says, even to all");
	judge_end(&r, &x);
}

static void too_few(void)
{
	for (int n = 2; n <= 3; n++) {
		struct runs r;
		struct result x;

		runs_begin(&r, 10000);
		runs_process(&r, 1, "shop");
		runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
		second(&r, 1, &(struct scene){.status = 429, .took = 1}, 10, n);
		judge(&r, &x, &ANALYZE_EVERYTHING);
		is_int(x.services[0].shedding.known, n == 3, "%d turned away: %s", n, n == 3 ? "it sheds" : "nothing to say");
		NEAR(x.services[0].shedding.collapse, NAN, "of one second no curve is made");
		judge_end(&r, &x);
	}
}

struct flood {		/* from the 10th second to the 30th there are `good` good answers a second, and 20 requests that come to something else */
	const char *what;
	int status;		/* of those; 0: closed by who asked */
	double took;
	int good;
	int failed_calls;	/* each had asked for something, and that had failed */
	int fault;		/* all that time a fault is felt */
	int given_up;		/* their client had given up before the answer */
	double collapse;
};

static const struct flood floods[] = {
	{.what = "nobody is turned away, and who asked goes away", .took = 400, .good = 1, .collapse = 0.1},
	{.what = "504 after a long time", .status = 504, .took = 400, .good = 1, .collapse = 0.1},
	{.what = "500, later than a good answer", .status = 500, .took = 51, .good = 1, .collapse = 0.1},
	{.what = "200, when nobody waits for it any more", .status = 200, .took = 400, .good = 1, .given_up = 1, .collapse = 0.1},
	{.what = "200, late", .status = 200, .took = 400, .good = 1, .collapse = NAN},
	{.what = "500, sooner than a good answer: an error", .status = 500, .took = 20, .good = 1, .collapse = NAN},
	{.what = "500, as soon as a good answer", .status = 500, .took = 50, .good = 1, .collapse = NAN},
	{.what = "499: the mistake of who asks", .status = 499, .took = 400, .good = 1, .collapse = NAN},
	{.what = "400 too", .status = 400, .took = 400, .good = 1, .collapse = NAN},
	{.what = "399 is a good answer", .status = 399, .took = 400, .good = 1, .collapse = NAN},
	{.what = "404: the mistake of who asks", .status = 404, .took = 400, .good = 1, .collapse = NAN},
	{.what = "502 as its own call failed", .status = 502, .took = 400, .good = 1, .failed_calls = 1, .collapse = NAN},
	{.what = "504 under a fault", .status = 504, .took = 400, .good = 1, .fault = 1, .collapse = NAN},
	{.what = "as many good answers as ever", .took = 400, .good = 10, .collapse = 1},
};

static void flooded(struct runs *r, const struct flood *c, int at)
{
	for (int i = 0; i < 20; i++) {
		double at_ms = 1000 * at + 200 + 10 * i;
		struct runs_exchange y = ATTEMPT(.connection = c->given_up ? 5 : c->status ? 2 : 4, .role = "server", .tid = 300 + i, .status = c->status,
						 .at_ms = at_ms, .took_ms = c->took);
		int x;

		if (!c->status)
			y.outcome = "indeterminate", y.error = "closed";
		if (c->given_up)
			runs_add(r, ATTEMPT(.connection = 6, .process = 2, .outcome = "indeterminate", .error = "closed", .at_ms = at_ms - 0.1,
					    .took_ms = 5));
		x = runs_add(r, y);
		if (c->failed_calls || c->fault)
			x = runs_add(r, ATTEMPT(.connection = 3, .tid = 300 + i, .status = c->fault ? 200 : 503, .at_ms = at_ms + 1,
						.took_ms = c->took - 2, .parent = x));
		if (c->fault)
			runs_inject(r, 1, x, at_ms + 1, "delay", 300, 300);
	}
}

/* A service that breaks down need not turn anybody away; what fails under load need not fail because of it. */
static void who_turns_nobody_away(void)
{
	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		const struct flood *c = &floods[i];
		struct runs r;
		struct result x;

		runs_begin(&r, 1000 * SECONDS);
		runs_process(&r, 1, "shop");
		runs_process(&r, 2, "browser");
		runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
		runs_connection(&r, 3, 1, "client", "127.0.0.1:4000", "127.0.0.1:90");
		runs_connection(&r, 4, 1, "server", "127.0.0.1:80", "127.0.0.1:5001");
		runs_connection(&r, 5, 1, "server", "127.0.0.1:80", "127.0.0.1:5002");
		runs_connection(&r, 6, 2, "client", "127.0.0.1:5002", "127.0.0.1:80");
		runs_sql(&r, "UPDATE connection SET end = 'peer_close' WHERE id = 4");
		if (c->fault)
			runs_fault(&r, 1, "slow", "{\"from\":\"10s\",\"for\":\"20s\"}", 400, 400);
		for (int at = 0; at < SECONDS; at++) {
			second(&r, at, &(struct scene){.status = 200}, at >= 10 && at < 30 ? c->good : 10, 0);
			if (at >= 10 && at < 30)
				flooded(&r, c, at);
		}
		judge(&r, &x, &ANALYZE_EVERYTHING);
		for (size_t k = 0; k < x.service_count; k++)
			if (!strcmp(x.services[k].name, "shop")) {
				const struct policy_shedding *p = &x.services[k].shedding;

				NEAR(p->collapse, c->collapse, "%s", c->what);
				ok(!p->known && (isnan(c->collapse) || p->collapse_witness), "it sheds nothing; what shows it is named");
			}
		judge_end(&r, &x);
	}
}

/* Seconds by what is asked: `calm` with so many good answers, then `busy` with others, besides those that are turned away at once. */
static const struct {
	const char *what;
	int calm, good, busy, busy_good, busy_bad;
	double collapse;
} curves[] = {
	{"three calm seconds and three busy ones", 3, 10, 3, 5, 20, 0.5},
	{"three and two: all are one group", 3, 10, 2, 5, 20, 1},
	{"two and three too", 2, 10, 3, 5, 20, 1},
	{"two are none", 1, 30, 1, 15, 60, NAN},
	{"twenty good answers in the best group", 4, 5, 4, 5, 10, 1},
	{"eighteen are too few", 3, 6, 3, 6, 12, NAN},
	{"21 are enough", 3, 7, 3, 7, 14, 1},
	{"half as much again is asked", 3, 10, 3, 10, 5, 1},
	{"less is no overload", 3, 10, 3, 10, 4, NAN},
	{"of 33 seconds the four busiest are one group of ten", 30, 10, 3, 5, 20, 0.625},
	{"of 34 too", 30, 10, 4, 5, 20, 0.5},
	{"of 30 three are", 27, 10, 3, 5, 20, 0.5},
	{"the best may be the busiest", 3, 10, 3, 20, 20, 1},
};

static void what_load_does(void)
{
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
		const struct scene c = {.status = 429, .took = 2};
		int at = 0;
		struct runs r;
		struct result x;

		runs_begin(&r, 1000 * SECONDS);
		runs_process(&r, 1, "shop");
		runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
		for (int k = 0; k < curves[i].calm; k++)
			second(&r, at++, &c, curves[i].good, 0);
		for (int k = 0; k < curves[i].busy; k++)
			second(&r, at++, &c, curves[i].busy_good, curves[i].busy_bad);
		judge(&r, &x, &ANALYZE_EVERYTHING);
		NEAR(x.services[0].shedding.collapse, curves[i].collapse, "%s", curves[i].what);
		judge_end(&r, &x);
	}
}

static void damaged_rows(void)
{
	struct scene c = {.status = 503, .took = 2, .good = 10, .bad = 20};
	struct runs r;
	struct result x;

	runs_begin(&r, 10000);
	runs_process(&r, 1, "shop");
	runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_connection(&r, 3, 1, "client", "127.0.0.1:4000", "127.0.0.1:90");
	second(&r, 1, &c, 10, 20);
	runs_sql(&r, "UPDATE exchange SET ended_ns = NULL WHERE id %% 3 = 0; UPDATE exchange SET started_ns = 1, ended_ns = 9223372036854775807 WHERE id = 2;"
		     "UPDATE exchange SET process_id = 4711 WHERE id %% 7 = 0");
	judge(&r, &x, &ANALYZE_EVERYTHING);
	ok(x.services[0].shedding.shed <= 20, "rows without ends and processes are passed over");
	judge_end(&r, &x);
}

int main(void)
{
	what_counts();
	an_outage();
	too_few();
	who_turns_nobody_away();
	what_load_does();
	damaged_rows();
	return tap_done();
}
