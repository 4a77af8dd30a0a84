/* SPDX-License-Identifier: MIT */
/*
 * Balancers that leave a server out after failures (analyzer/infer/breaker_choices.h), and some that do not: one process in front of three servers, of
 * which the first is out from 5 to 20 s; what fails there is tried at the next.
 */
#include "analyzer/infer/breaker_choices.h"
#include "tests/unit/judge.h"

#define SERVERS 3
#define OPEN_MS 2000.0
#define A "10.0.0.1:80"

static const struct analyze_options *const everything = &ANALYZE_EVERYTHING;

struct balancer {
	int max_fails;		/* in a row; 0: never leaves one out */
	bool random;		/* chooses at random, else in turn */
	bool backup;		/* the others are asked only when the first is out */
	bool pinned;		/* one caller in three has the first server to itself, and pauses of its own */
	double bad_from_ms, bad_to_ms;
	int failures;
	double out_until_ms;	/* of the first server */
	bool probing;
	unsigned ejections;
};

static uint32_t dice = 1;

static uint32_t roll(void)
{
	dice = dice * 1103515245 + 12345;
	return dice >> 16;
}

static bool is_in(const struct balancer *b, double t)
{
	return t >= b->out_until_ms;
}

static void count(struct balancer *b, double t, bool failed)
{
	b->failures = failed ? b->failures + 1 : 0;
	if (b->max_fails && (b->failures >= b->max_fails || (failed && b->probing))) {
		b->out_until_ms = t + OPEN_MS;
		b->probing = true;
		b->failures = 0;
		b->ejections++;
	} else if (!failed) {
		b->probing = false;
	}
}

static int choose(const struct balancer *b, int i, double t)
{
	int server = b->backup ? 0 : b->random ? (int)(roll() % SERVERS) : i % SERVERS;

	if (b->pinned && server == 0 && fmod(t, 3000) > 2000)	/* its caller is away */
		return 1;
	return server || is_in(b, t) ? server : 1;
}

static void serve(struct runs *r, struct balancer *b, int i, double t)
{
	int in = runs_add(r, (struct runs_exchange){.connection = 9, .role = "server", .status = 200, .at_ms = t, .took_ms = 8, .fingerprint = 43});
	int server = choose(b, i, t);
	bool bad = server == 0 && t >= b->bad_from_ms && t < b->bad_to_ms;

	runs_add(r, ATTEMPT(.connection = 1 + server, .status = bad ? 503 : 200, .at_ms = t + 1, .took_ms = 2, .parent = in));
	if (server == 0)
		count(b, t + 3, bad);
	if (bad)
		runs_add(r, ATTEMPT(.connection = 2, .status = 200, .at_ms = t + 4, .took_ms = 2, .parent = in));
}

static void play(struct runs *r, struct balancer *b)
{
	dice = 1;
	runs_begin(r, 30000);
	runs_process(r, 1, "front");
	runs_connection(r, 1, 1, "client", "127.0.0.1:4001", A);
	runs_connection(r, 2, 1, "client", "127.0.0.1:4002", "10.0.0.2:80");
	runs_connection(r, 3, 1, "client", "127.0.0.1:4003", "10.0.0.3:80");
	runs_connection(r, 9, 1, "server", "127.0.0.1:8000", "127.0.0.1:5000");
	for (int i = 0; i < 29000 / 20; i++)
		serve(r, b, i, 20 * i);
}

static void leaves_out(int max_fails, bool random, bool backup)
{
	struct balancer b = {.max_fails = max_fails, .random = random, .backup = backup, .bad_from_ms = 5000, .bad_to_ms = 20000};
	struct runs r;
	struct result x;
	const struct policy_breaker *p;

	play(&r, &b);
	judge(&r, &x, everything);
	p = &judge_edge(&x, "front", A)->breaker;
	ok(p->known && !p->absent && p->ejects, "a server that is left out after %d failures, %s", max_fails,
	   random ? "chosen at random" : backup ? "with a backup" : "in turn");
	is_int((int)p->opens, (int)b.ejections, "as often as it was");
	ok(p->threshold_low == max_fails && p->threshold_high == max_fails, "after %.0f to %.0f failures", p->threshold_low, p->threshold_high);
	ok(p->open_low_ms <= OPEN_MS && p->open_high_ms >= OPEN_MS && p->open_high_ms <= OPEN_MS + 400, "for %.0f to %.0f ms", p->open_low_ms, p->open_high_ms);
	ok(p->shed > 100 && !p->collateral && !p->recovery_tax, "what it does not get others answer: nobody is harmed");
	for (size_t i = 0; i < x.finding_count; i++)
		ok(strncmp(x.findings[i].code, "breaker-", 8) != 0, "no finding says so");
	for (size_t i = 0; i < x.edge_count; i++)
		ok(!strcmp(x.edges[i].server, A) || !x.edges[i].breaker.opens, "and none of %s", x.edges[i].server);
	judge_end(&r, &x);
}

static void goes_on(const char *what, struct balancer b)
{
	struct runs r;
	struct result x;

	play(&r, &b);
	judge(&r, &x, everything);
	ok(!judge_edge(&x, "front", A)->breaker.opens, "%s: nothing is left out", what);
	judge_end(&r, &x);
}

/* A client with two addresses that refuse: both at once, and again behind a wait, four times for each request. */
static void asks_both_each_time(void)
{
	struct runs r;
	struct result x;
	double at = 10;

	dice = 1;
	runs_begin(&r, 60000);
	runs_process(&r, 1, "front");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:4001", A);
	runs_connection(&r, 2, 1, "client", "127.0.0.1:4002", "10.0.0.2:80");
	for (int i = 0; i < 60; i++) {
		if (i < 25)
			runs_add(&r, ATTEMPT(.status = 200, .at_ms = at, .took_ms = 0.3));
		for (int k = 0; k < 8 && i >= 25; k++, at += k % 2 ? 0.2 : k < 8 ? 40 << (k / 2 - 1) : 0)
			runs_add(&r, ATTEMPT(.connection = 1 + k % 2, .unsent = 1, .method = "", .path = "", .outcome = "not_sent", .error = "ECONNREFUSED",
					     .at_ms = at, .took_ms = 0.1));
		at += 20 + roll() % 100;
	}
	judge(&r, &x, everything);
	is_int((int)x.destination_count, 1, "a client that has two addresses");
	ok(!judge_edge(&x, "front", A)->breaker.opens, "leaves none out: each request that goes to the second comes from the first");
	judge_end(&r, &x);
}

int main(void)
{
	static const int fails[] = {1, 3, 5};

	for (size_t i = 0; i < sizeof(fails) / sizeof(*fails); i++) {
		leaves_out(fails[i], false, false);
		leaves_out(fails[i], true, false);
		leaves_out(fails[i], false, true);
	}
	goes_on("one that does not look at failures", (struct balancer){.bad_from_ms = 5000, .bad_to_ms = 20000});
	goes_on("one with a backup for each call", (struct balancer){.backup = true, .bad_from_ms = 5000, .bad_to_ms = 20000});
	goes_on("one at random", (struct balancer){.random = true, .bad_from_ms = 5000, .bad_to_ms = 20000});
	goes_on("a caller that pauses by itself", (struct balancer){.pinned = true, .bad_from_ms = 5000, .bad_to_ms = 20000});
	asks_both_each_time();
	return tap_done();
}
