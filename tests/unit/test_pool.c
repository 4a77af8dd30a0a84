/* SPDX-License-Identifier: MIT */
/*
 * Servers that a service chooses between (analyzer/link/balance.h), and one breaker around them (analyzer/measure/pools.c): it asks two in turn, and
 * the other one when one fails, or not. Both are out from 1 to 5 s.
 */
#include "analyzer/measure/series.h"
#include "tests/unit/judge.h"

#define A "10.0.0.1:80"
#define B "10.0.0.2:80"
#define OPEN_MS 700.0

struct service {
	int threshold;		/* failed requests in a row that open its breaker; 0: it has none */
	bool apart;		/* a breaker for each server, which counts what fails there */
	bool first_only;	/* only the first server is out */
	bool once;		/* it does not go on to the other server */
	bool both;		/* it asks both each time, whatever they answer */
	bool by_kind;		/* which one it asks is a matter of the kind of request */
	bool faulted;		/* one server is recorded, and a fault there makes it fail from 5 to 7 s; else both are out for 0.2 s only */
	int failures[2];
	double until_ms[2];
	bool half_open[2];
	unsigned turn, opens;
};

static bool lets(const struct service *s, int b, double t)
{
	return !s->threshold || t >= s->until_ms[b];
}

static void count(struct service *s, int b, double t, bool failed)
{
	s->failures[b] = failed ? s->failures[b] + 1 : 0;
	if (s->threshold && failed && (s->failures[b] >= s->threshold || s->half_open[b])) {
		s->until_ms[b] = t + OPEN_MS;
		s->half_open[b] = true;
		s->opens++;
	} else if (!failed) {
		s->half_open[b] = false;
	}
}

static bool is_out(const struct service *s, int server, double t)
{
	if (s->faulted)
		return (t >= 1000 && t < 1200) || (t >= 5000 && t < 7000);
	return t >= 1000 && t < 5000 && !(s->first_only && server);
}

/* What that server sees of it. */
static void arrive(struct runs *r, bool failed, double t)
{
	bool by_fault = failed && t >= 5000;
	int at = runs_add(r, ATTEMPT(.connection = 8, .process = 2, .role = "server", .status = failed ? 503 : 200, .at_ms = t + 0.5, .took_ms = 1,
				     .fault = by_fault));

	if (by_fault)
		runs_inject(r, 1, at, t + 1, "status", -1, -1);
}

/* One attempt; whether it failed. */
static bool attempt(struct runs *r, struct service *s, int server, double t, int parent)
{
	bool failed = is_out(s, server, t);

	runs_add(r, ATTEMPT(.connection = 1 + server, .status = failed ? 503 : 200, .at_ms = t, .took_ms = 2, .parent = parent));
	if (s->faulted && !server)
		arrive(r, failed, t);
	if (s->apart)
		count(s, server, t + 2, failed);
	return failed;
}

static void serve(struct runs *r, struct service *s, double t)
{
	int server = (int)(s->turn++ % 2);
	int in = runs_add(r, (struct runs_exchange){.connection = 9, .role = "server", .path = s->by_kind && server ? "/b" : "/a", .status = 200,
						    .at_ms = t, .took_ms = 8, .fingerprint = 43});
	bool failed = true;

	if (!s->apart && !lets(s, 0, t)) {
		runs_sql(r, "UPDATE exchange SET status = 503, outcome = 'failed', ended_ns = started_ns + 300000 WHERE id = %d", in);
		return;
	}
	for (int k = 0; k < (s->once ? 1 : 2) && (failed || s->both); k++)
		if (!s->apart || lets(s, (server + k) % 2, t))
			failed = attempt(r, s, (server + k) % 2, t + 1 + 2.2 * k, in);
	if (!s->apart)
		count(s, 0, t + 7, failed);
	if (failed && s->faulted)
		runs_sql(r, "UPDATE exchange SET status = 502, outcome = 'failed' WHERE id = %d", in);
}

static void play(struct runs *r, struct result *x, struct service *s)
{
	static const struct analyze_options charts = {.slo = NAN, .from_s = NAN, .to_s = NAN, .charts = true};
	double until = s->faulted ? 15000 : 7000;

	runs_begin(r, until);
	runs_process(r, 1, "front");
	runs_connection(r, 1, 1, "client", "127.0.0.1:4001", A);
	runs_connection(r, 2, 1, "client", "127.0.0.1:4002", B);
	runs_connection(r, 9, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
	if (s->faulted) {
		runs_process(r, 2, "second");
		runs_connection(r, 8, 2, "server", A, "127.0.0.1:4001");
		runs_fault(r, 1, "outage", "{\"at\":\"10.0.0.1:80\",\"from\":\"5s\",\"for\":\"2s\",\"status\":503}", 99, 99);
	}
	for (double t = 5; t < until; t += 20)
		serve(r, s, t);
	judge(r, x, &charts);
}

static void one_for_both(int threshold, bool once)
{
	struct service s = {.threshold = threshold, .once = once};
	const struct policy_breaker *p;
	struct result x;
	struct runs r;

	play(&r, &x, &s);
	is_int((int)x.destination_count, 1, "two servers, one destination");
	is_str(x.destination_count ? x.destinations[0].linking : "", "nesting", "by the inbound request");
	p = x.destination_count ? &x.destinations[0].breaker : &judge_edge(&x, "front", A)->breaker;
	ok(p->known && p->opens == s.opens, "a breaker around both servers opened %u times: %u", s.opens, p->opens);
	ok(p->threshold_low <= threshold && p->threshold_high >= threshold, "after %d failed requests: %.0f to %.0f", threshold, p->threshold_low,
	   p->threshold_high);
	ok(p->threshold_high <= threshold + 1, "and hardly more");
	ok(p->open_low_ms <= OPEN_MS && p->open_high_ms >= OPEN_MS && p->open_high_ms < OPEN_MS + 60, "for %.0f to %.0f ms", p->open_low_ms, p->open_high_ms);
	ok(once || (p->counts && !strcmp(p->counts, "requests")), "it counts requests, not attempts");
	is_int((int)p->half_open_probes, 1, "with one probe");
	ok(!judge_edge(&x, "front", A)->breaker.opens && !judge_edge(&x, "front", B)->breaker.opens, "neither server has one of its own");
	ok(result_seen_breaker(&x, judge_edge(&x, "front", x.edges[x.destinations[0].edges[0]].server)) == p, "it is seen at the first");
	ok(result_seen_breaker(&x, &x.edges[x.destinations[0].edges[1]]) != p, "and only there");
	judge_end(&r, &x);
}

/* Each server has a part of the failures in a row: more than enough for "no breaker", had it none. */
static void not_without(void)
{
	struct service s = {.threshold = 50, .once = true};
	struct result x;
	struct runs r;

	play(&r, &x, &s);
	ok(x.destination_count && x.destinations[0].breaker.opens, "a breaker around both opened after 50 failures");
	for (int i = 0; i < 2 && x.destination_count; i++) {
		const struct result_edge *e = &x.edges[x.destinations[0].edges[i]];

		ok(!e->breaker.known, "of %s alone nothing is said", e->server);
		ok(e->breaker.ruled_out, "but why: %s", e->breaker.ruled_out ? e->breaker.ruled_out : "-");
	}
	for (size_t i = 0; i < x.finding_count; i++)
		ok(strcmp(x.findings[i].code, "no-breaker-under-outage") != 0, "%s at %s", x.findings[i].code, x.findings[i].where);
	judge_end(&r, &x);
}

static unsigned steps_open(const struct series *s, double from_s, double to_s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += (double)i * s->step_s >= from_s && (double)i * s->step_s < to_s && s->points[i].open;
	return n;
}

/* A fault at one of the servers is the destination's, and its breaker keeps users back from both. */
static void a_fault_at_the_second(void)
{
	struct service s = {.threshold = 6, .once = true, .faulted = true};
	const struct policy_breaker *p;
	const struct result_destination *d;
	const struct result_recovery *v;
	struct result x;
	struct runs r;
	uint64_t logical = 0, failed = 0, shed = 0;

	play(&r, &x, &s);
	is_int((int)x.destination_count, 1, "a recorded server and one that is not: one destination");
	d = &x.destinations[0];
	p = &d->breaker;
	ok(p->opens == s.opens && p->false_opens >= 1 && p->false_opens < p->opens, "opens before the fault are false: %u of %u", p->false_opens, p->opens);
	ok(p->recovery_tax_ms > 100 && p->recovery_tax_ms < OPEN_MS, "and it kept calls back after it for %.0f ms", p->recovery_tax_ms);
	is_int((int)x.recovery_count, 1, "users felt the fault");
	v = &x.recoveries[0];
	ok(v->lag_breaker_ms > 100, "and waited for the breaker after it: %.0f of %.0f ms", v->lag_breaker_ms, v->recovery_lag_ms);
	for (size_t i = 0; i < d->series.count; i++) {
		logical += d->series.points[i].logical;
		failed += d->series.points[i].failed;
		shed += d->series.points[i].shed;
	}
	is_int(logical, d->whole.logical, "the destination's steps have all of its requests");
	is_int(failed, d->whole.logical - d->whole.succeeded, "those that failed");
	ok(shed > 50 && shed <= p->shed, "and what was kept back: %llu of %llu", (unsigned long long)shed, (unsigned long long)p->shed);
	for (int i = 0; i < 3; i++) {
		const struct series *t = i < 2 ? &x.edges[d->edges[i]].series : &d->series;

		ok(!steps_open(t, 3, 5) && steps_open(t, 5, 7.5) >= 5, "the breaker is drawn at %s", i < 2 ? x.edges[d->edges[i]].server : d->name);
	}
	judge_end(&r, &x);
}

static void none(const char *what, struct service s)
{
	struct result x;
	struct runs r;

	play(&r, &x, &s);
	is_int((int)x.destination_count, 1, "two servers, one destination");
	ok(x.destination_count && !x.destinations[0].breaker.opens, "%s: none is around both", what);
	judge_end(&r, &x);
}

static void no_choice(const char *what, struct service s)
{
	struct result x;
	struct runs r;

	play(&r, &x, &s);
	is_int((int)x.destination_count, 0, "%s is no choice", what);
	judge_end(&r, &x);
}

/* Each server is asked first for so many requests; for some of those at A, after other calls, B is asked as well. */
struct habit {
	int each, both, between;
	bool choice;
	const char *what;
};

static double call(struct runs *r, int connection, const char *path, double at, int parent)
{
	runs_add(r, ATTEMPT(.connection = connection, .path = path, .status = 200, .at_ms = at, .took_ms = 0.2, .parent = parent));
	return at + 0.25;
}

static void a_habit(const struct habit *h)
{
	struct result x;
	struct runs r;

	runs_begin(&r, 10000);
	runs_process(&r, 1, "front");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:4001", A);
	runs_connection(&r, 2, 1, "client", "127.0.0.1:4002", B);
	runs_connection(&r, 9, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
	for (int i = 0; i < 2 * h->each; i++) {
		double t = 100 * i + 5;
		int in = runs_add(&r, ATTEMPT(.connection = 9, .role = "server", .path = "/in", .status = 200, .at_ms = t, .took_ms = 90));

		t = call(&r, 1 + i % 2, "/", t + 0.1, in);
		if (i % 2 || i / 2 >= h->both)
			continue;
		for (int k = 0; k < h->between; k++)
			t = call(&r, 1, "/other", t, in);
		call(&r, 2, "/", t, in);
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int((int)x.destination_count, h->choice, "%s", h->what);
	judge_end(&r, &x);
}

static void what_makes_a_choice(void)
{
	static const struct habit cases[] = {
		{19, 0, 0, false, "each chosen for 19 requests: too few to tell"},
		{20, 0, 0, true, "each chosen for 20: a choice"},
		{20, 1, 0, true, "one in twenty asks the other one as well: still one"},
		{20, 2, 0, false, "two in twenty do: none"},
		{20, 2, 255, false, "also when 255 other calls lie between"},
		{20, 2, 256, true, "further back nobody looks"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		a_habit(&cases[i]);
}

int main(void)
{
	what_makes_a_choice();
	for (int once = 0; once < 2; once++) {
		one_for_both(4, once);
		one_for_both(9, once);
	}
	not_without();
	a_fault_at_the_second();
	none("no breaker, no second try", (struct service){.once = true});
	no_choice("asking both", (struct service){.both = true});
	no_choice("asking each for another kind of request", (struct service){.once = true, .by_kind = true});
	none("no breaker", (struct service){0});
	none("no breaker, one server out", (struct service){.first_only = true});
	none("one for each server", (struct service){.threshold = 4, .apart = true, .first_only = true});
	return tap_done();
}
