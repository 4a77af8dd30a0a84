/* SPDX-License-Identifier: MIT */
/* Degraded answers (analyzer/fallback.c): a shop that asks for stock and prices while one of them is out, and what only looks like it. */
#include "tests/unit/judge.h"

#define TICKS 60	/* requests, 100 ms apart; the fault is felt from the 30th to the 50th */
#define FROM 30
#define TO 50

struct reply {		/* of the shop; ms */
	int status, size;
	double took;
};

struct ask {		/* of the stock, under the fault */
	int status;		/* 0: the call is not made */
	double at, took;
	const char *path;	/* NULL: /stock */
	int connection;		/* 0: that to the stock, 2 */
	int headless;		/* its connect was refused: what it asks for is not known */
};

struct scene {
	const char *what;
	struct reply reply;	/* under the fault */
	struct ask asks[3];
	double share;		/* of healthy requests that ask for the stock; 0: all */
	int unique;		/* each request has a path of its own; more than 1: so many healthy ones share one */
	int same;		/* but so many healthy ones, which have one in common */
	int first;		/* request of the run; FROM: it begins with the fault */
	int skips;		/* so many of the healthy ones before the fault do not ask for the stock */
	int open;		/* so many attempts follow a single one that fails, and never end */
	int usual;		/* so many answers under the fault are as long as healthy ones */
	int degraded, failed, distinct;
};

static int inbound(struct runs *r, int i, const struct scene *s, bool hit)
{
	char path[32];
	int id;

	snprintf(path, sizeof(path), s->unique && i - s->first >= s->same ? "/page/%d" : "/page", hit ? i : i / (s->unique ? s->unique : 1));
	id = runs_add(r, ATTEMPT(.connection = 3, .role = "server", .tid = 100 + i, .path = path, .status = hit ? s->reply.status : 200, .at_ms = 100 * i,
				 .took_ms = hit ? s->reply.took : 10));
	runs_sql(r, "UPDATE exchange SET bytes_in = %d, bytes_out = %d WHERE id = %d", 5000 + 7 * i,
		 hit && i - FROM >= s->usual ? s->reply.size : 1000 + i % 5, id);
	return id;
}

static void ask(struct runs *r, int i, int parent, const struct ask *a, bool hit)
{
	int id = runs_add(r, ATTEMPT(.connection = a->connection ? a->connection : 2, .tid = 100 + i,
				     .path = a->headless ? "" : a->path ? a->path : "/stock",
				     .method = a->headless ? "" : NULL, .status = a->headless ? 0 : a->status, .at_ms = 100 * i + a->at,
				     .took_ms = a->took, .parent = parent, .outcome = a->headless ? "not_sent" : NULL,
				     .error = a->headless ? "ECONNREFUSED" : NULL, .unsent = a->headless));

	if (hit)
		runs_inject(r, 1, id, 100 * i + a->at, "status", -1, -1);
}

/* Besides: requests to a path of its own under the fault, which ask for nothing; requests that begin before the fault and end in it. */
static void play_with(struct runs *r, struct result *x, const struct scene *s, int others, int under_way)
{
	runs_begin(r, 100 * TICKS);
	runs_process(r, 1, "shop");
	runs_connection(r, 2, 1, "client", "127.0.0.1:4000", "127.0.0.1:90");
	runs_connection(r, 3, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_connection(r, 4, 1, "client", "127.0.0.1:4001", "127.0.0.1:91");
	runs_fault(r, 1, "out", "{\"from\":\"2950ms\",\"for\":\"2s\"}", 20, 20);
	for (int i = s->first; i < TICKS; i++) {
		bool hit = i >= FROM && i < TO;
		int parent = inbound(r, i, s, hit);

		ask(r, i, parent, &(struct ask){.status = 200, .at = 1, .took = 1, .path = "/price", .connection = 4}, false);
		if (!hit && i - s->first >= s->skips && (!s->share || i % 100 < 100 * s->share))
			ask(r, i, parent, &(struct ask){.status = 200, .at = 2, .took = 1}, false);
		for (int k = 0; hit && k < 3 && (s->asks[k].status || s->asks[k].headless); k++)
			ask(r, i, parent, &s->asks[k], s->asks[k].status == 503 || s->asks[k].headless);
		if (hit && !s->asks[0].status && !s->asks[0].headless && i == FROM)	/* a breaker has a reason */
			ask(r, i, parent, &(struct ask){.status = 503, .at = 2, .took = 1}, true);
		for (int k = 0; i == FROM && k < s->open; k++)
			runs_add(r, ATTEMPT(.connection = 2, .tid = 3000 + k, .path = "/stock", .outcome = "indeterminate", .at_ms = 100 * i + 20 + 0.5 * k,
					    .took_ms = -1));
	}
	for (int k = 0; k < others; k++)
		runs_add(r, ATTEMPT(.connection = 3, .role = "server", .tid = 100, .path = "/version", .status = 200,
				    .at_ms = 100 * (FROM + 1 + k) + 50, .took_ms = 1));
	for (int k = 0; k < under_way; k++) {
		int parent = runs_add(r, ATTEMPT(.connection = 3, .role = "server", .tid = 99, .path = "/page", .status = 200, .at_ms = 100 * FROM - 60,
						 .took_ms = 80));

		runs_sql(r, "UPDATE exchange SET bytes_in = 5000, bytes_out = %d WHERE id = %d", s->reply.size, parent);
		runs_add(r, ATTEMPT(.connection = 4, .tid = 99, .path = "/price", .status = 200, .at_ms = 100 * FROM - 58, .took_ms = 1, .parent = parent));
		runs_add(r, ATTEMPT(.connection = 2, .tid = 99, .path = "/stock", .status = 503, .at_ms = 100 * FROM - 55, .took_ms = 70, .parent = parent));
	}
	judge(r, x, &ANALYZE_EVERYTHING);
}

static void play(struct runs *r, struct result *x, const struct scene *s)
{
	play_with(r, x, s, 0, 0);
}

#define OUT(when, ...) {.status = 503, .at = when, .took = 1, ##__VA_ARGS__}
#define WELL(when, ...) {.status = 200, .at = when, .took = 1, ##__VA_ARGS__}
#define REFUSED(when) {.at = when, .took = 1, .headless = 1}

static const struct scene scenes[] = {
	{.what = "answered without the stock, shorter", .reply = {200, 700, 10}, .asks = {OUT(2)}, .degraded = 20, .distinct = 1},
	{.what = "answered from a cache, as long as ever", .reply = {200, 1002, 10}, .asks = {OUT(2)}, .degraded = 20},
	{.what = "answered as long as the longest healthy answer", .reply = {200, 1004, 10}, .asks = {OUT(2)}, .degraded = 20},
	{.what = "answered a byte longer than that", .reply = {200, 1005, 10}, .asks = {OUT(2)}, .degraded = 20, .distinct = 1},
	{.what = "two of thirty healthy requests do not ask for the stock: it is not always needed", .reply = {200, 700, 10}, .asks = {OUT(2)},
	 .share = 0.275},
	{.what = "answered with 503", .reply = {503, 700, 10}, .asks = {OUT(2)}, .failed = 20},
	{.what = "answered with 404: that is no good answer", .reply = {404, 700, 10}, .asks = {OUT(2)}},
	{.what = "the retry succeeds", .reply = {200, 700, 10}, .asks = {OUT(2), WELL(4)}},
	{.what = "three attempts in vain", .reply = {200, 700, 10}, .asks = {OUT(2), OUT(4), OUT(6)}, .degraded = 20, .distinct = 1},
	{.what = "another server gives the same: a failover", .reply = {200, 700, 10}, .asks = {OUT(2), WELL(4, .connection = 4)}},
	{.what = "another server gives something else instead", .reply = {200, 700, 10}, .asks = {OUT(2), WELL(4, .path = "/cached", .connection = 4)},
	 .degraded = 20, .distinct = 1},
	{.what = "a proxy that is refused and asks another for what it was asked", .reply = {200, 700, 10},
	 .asks = {REFUSED(2), WELL(4, .path = "/page", .connection = 4)}},
	{.what = "refused, and nobody else is asked", .reply = {200, 700, 10}, .asks = {REFUSED(2)}, .degraded = 20, .distinct = 1},
	{.what = "the stock fails when the answer is out already", .reply = {200, 1001, 3}, .asks = {{.status = 503, .at = 2, .took = 5}}},
	{.what = "half of the healthy requests ask for the stock: it is not needed", .reply = {200, 700, 10}, .asks = {OUT(2)}, .share = 0.15},
	{.what = "a path for each request: what all of them need counts", .reply = {200, 700, 10}, .asks = {OUT(2)}, .unique = 1, .degraded = 20,
	 .distinct = 1},
	{.what = "no baseline: nearly all good answers of the run asked for it", .reply = {200, 1002, 10}, .asks = {OUT(2)}, .first = FROM,
	 .degraded = 20},
	{.what = "two requests before the fault teach nothing: nearly all good answers of the run did", .reply = {503, 700, 10}, .asks = {OUT(2)},
	 .first = FROM - 2, .failed = 20},
	{.what = "one of twenty healthy requests does not ask for the stock: it is needed", .reply = {200, 700, 10}, .asks = {OUT(2)}, .first = FROM - 20,
	 .skips = 1, .degraded = 20, .distinct = 1},
	{.what = "one of nineteen does not: it is not", .reply = {200, 700, 10}, .asks = {OUT(2)}, .first = FROM - 19, .skips = 1},
	{.what = "a path for each of twenty requests", .reply = {200, 700, 10}, .asks = {OUT(2)}, .unique = 1, .first = FROM - 20, .degraded = 20,
	 .distinct = 1},
	{.what = "of nineteen: too few to say what all need", .reply = {200, 700, 10}, .asks = {OUT(2)}, .unique = 1, .first = FROM - 19},
	{.what = "a path for half of the requests", .reply = {200, 700, 10}, .asks = {OUT(2)}, .unique = 1, .same = 15, .degraded = 20, .distinct = 1},
	{.what = "for fewer: one that was not seen before may need anything", .reply = {200, 700, 10}, .asks = {OUT(2)}, .unique = 1, .same = 16},
	{.what = "a path for each three of them", .reply = {200, 700, 10}, .asks = {OUT(2)}, .unique = 3},
	{.what = "a path for each two", .reply = {200, 700, 10}, .asks = {OUT(2)}, .unique = 2, .degraded = 20, .distinct = 1},
	{.what = "half of the answers have a size of their own", .reply = {200, 700, 10}, .asks = {OUT(2)}, .usual = 10, .degraded = 20, .distinct = 1},
	{.what = "fewer have", .reply = {200, 700, 10}, .asks = {OUT(2)}, .usual = 11, .degraded = 20},
	{.what = "as short as the shortest healthy answer", .reply = {200, 1000, 10}, .asks = {OUT(2)}, .degraded = 20},
	{.what = "a byte shorter", .reply = {200, 999, 10}, .asks = {OUT(2)}, .degraded = 20, .distinct = 1},
	{.what = "the stock fails as the answer goes out", .reply = {200, 1001, 3}, .asks = {OUT(2)}, .degraded = 20},
	{.what = "answered with 399", .reply = {399, 1001, 10}, .asks = {OUT(2)}, .degraded = 20},
	{.what = "answered with 400", .reply = {400, 1001, 10}, .asks = {OUT(2)}},
	{.what = "another server gave it as the stock was asked", .reply = {200, 700, 10}, .asks = {WELL(1.5, .connection = 4), OUT(2)}},
	{.what = "another server had given it before", .reply = {200, 700, 10}, .asks = {WELL(1, .connection = 4), OUT(2)}, .degraded = 20, .distinct = 1},
	{.what = "three of them do", .reply = {200, 1002, 10}, .asks = {OUT(2)}, .first = FROM - 3, .degraded = 20},
};

static void what_counts(void)
{
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		const struct scene *s = &scenes[i];
		const struct result_service *shop;
		struct runs r;
		struct result x;

		play(&r, &x, s);
		shop = &x.services[0];
		is_int((long long)shop->whole.degraded, s->degraded, "%s: %d degraded", s->what, s->degraded);
		is_int((long long)shop->fallback.failed, s->failed, "%d failed for it", s->failed);
		is_int(shop->fallback.failed_witness > 0 && shop->fallback.failed_for < x.edge_count, s->failed > 0, "with a witness, and the edge");
		if (s->failed)
			is_str(x.edges[shop->fallback.failed_for].server, "127.0.0.1:90", "which is the stock");
		is_int(shop->fallback.known, s->degraded > 0, "a fallback is known or not accordingly");
		is_int(shop->fallback.distinct, s->distinct, "and its answers are told by their size or not");
		is_int((long long)(shop->whole.ok + shop->whole.degraded + shop->whole.failed), (long long)shop->whole.requests,
		       "ok, degraded and failed make all requests");
		is_int((long long)shop->window[TIMELINE_FAULT].degraded, s->degraded, "all of it under the fault");
		if (!s->share && !s->skips && (s->degraded || s->failed))
			is_int((long long)(s->failed ? shop->fallback.failed_witness : shop->fallback.witness), 3 * (FROM - s->first) + 1,
			       "the first of them is the witness");
		if (s->degraded)
			is_str(x.edges[shop->fallback.dependency].server, "127.0.0.1:90", "for want of the stock, not of the price");
		judge_end(&r, &x);
	}
}

/* Under the fault the stock is asked once, in vain, and then not any more. */
static void a_breaker(void)
{
	static const struct scene s = {.reply = {200, 700, 10}};
	struct runs r;
	struct result x;
	const struct result_service *shop;

	play(&r, &x, &s);
	shop = &x.services[0];
	is_int((long long)shop->whole.degraded, 20, "answers for which the stock was not asked, as it had failed before, are degraded");
	is_int((long long)shop->fallback.witness, 3 * FROM + 1, "the first of them is the witness");
	NEAR(shop->whole.success.value, 1, "success counts them: users got an answer");
	is_int((long long)shop->window[TIMELINE_RECOVERY].degraded, 0, "none after it");
	judge_end(&r, &x);
}

/* Attempts that never ended tell nothing of the stock; further back than 64 of them nobody looks. */
static void attempts_without_an_end(void)
{
	for (int n = 63; n <= 64; n++) {
		const struct scene s = {.reply = {200, 700, 10}, .open = n};
		struct runs r;
		struct result x;

		play(&r, &x, &s);
		is_int((long long)x.services[0].whole.degraded, n == 63 ? 20 : 1, "behind %d attempts without an end a failure is %s", n,
		       n == 63 ? "seen" : "not seen any more");
		judge_end(&r, &x);
	}
}

/* What is not asked though all is well: a cache of the shop's own. */
static void a_cache(void)
{
	struct scene s = {.reply = {200, 1000, 10}, .asks = {{.status = 200, .at = 2, .took = 1}}};
	struct runs r;
	struct result x;
	int id;

	runs_begin(&r, 6000);
	runs_process(&r, 1, "shop");
	runs_connection(&r, 2, 1, "client", "127.0.0.1:4000", "127.0.0.1:90");
	runs_connection(&r, 3, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_fault(&r, 1, "price", "{}", 20, 20);
	for (int i = 0; i < TICKS; i++) {
		id = inbound(&r, i, &s, false);
		if (i < FROM)
			ask(&r, i, id, &s.asks[0], false);
		if (i == FROM)
			runs_inject(&r, 1, id, 100 * i, "delay", 1, 1);
	}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int((long long)x.services[0].whole.degraded, 0, "answers without the stock, which had answered last, are no worse");
	judge_end(&r, &x);
}

/* Paths that come for the first time while the stock is out, without asking for it: of what they need nothing is known. */
static void paths_of_the_fault_alone(void)
{
	for (int way = 0; way < 4; way++) {
		int ids = way > 0, others = way == 0 || way == 1 ? 5 : way;
		struct scene s = {.reply = {200, 700, 10}, .unique = ids};
		const struct result_service *shop;
		struct runs r;
		struct result x;

		s.asks[0] = (struct ask){.status = 503, .at = 2, .took = 1};
		play_with(&r, &x, &s, others, 0);
		shop = &x.services[0];
		is_int((long long)shop->whole.degraded, others == 2 ? 22 : 20, "%s: %d requests to a path that the baseline has not are %s",
		       ids ? "ids" : "one page", others, others == 2 ? "as any" : "not degraded");
		judge_end(&r, &x);
	}
}

/* A request that came before the fault and was answered in it, without the stock: no healthy answer is as short for that. */
static void under_way_as_it_begins(void)
{
	static const struct scene s = {.reply = {200, 700, 10}, .asks = {OUT(2)}};
	struct runs r;
	struct result x;

	play_with(&r, &x, &s, 0, 1);
	is_int((long long)x.services[0].whole.degraded, 21, "one that was under way as the stock failed is degraded too");
	is_int(x.services[0].fallback.distinct, 1, "and its size is not taken for a healthy one");
	judge_end(&r, &x);
}

static void damaged_rows(void)
{
	struct runs r;
	struct result x;

	runs_begin(&r, 1000);
	runs_process(&r, 1, "shop");
	runs_connection(&r, 2, 1, "client", "127.0.0.1:4000", "127.0.0.1:90");
	runs_connection(&r, 3, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	for (int i = 0; i < 30; i++) {
		int parent = runs_add(&r, ATTEMPT(.connection = 3, .role = "server", .tid = i + 1, .status = 200, .at_ms = 10 * i, .took_ms = i % 7 ? 5 : -1));

		runs_add(&r, ATTEMPT(.connection = i % 3 ? 2 : -1, .process = i % 5 ? 1 : -1, .status = i % 2 ? 503 : 200, .at_ms = 10 * i + 1,
				     .took_ms = i % 4 ? 1 : -1, .parent = i % 11 ? parent : 4711));
	}
	runs_sql(&r, "UPDATE exchange SET bytes_out = -1 WHERE id %% 2; UPDATE exchange SET parent_id = id WHERE id = 20");
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int((long long)(x.services[0].whole.ok + x.services[0].whole.degraded + x.services[0].whole.failed), (long long)x.services[0].whole.requests,
	       "rows without ends, connections and parents leave the sums whole");
	judge_end(&r, &x);
}

int main(void)
{
	what_counts();
	a_breaker();
	attempts_without_an_end();
	a_cache();
	paths_of_the_fault_alone();
	under_way_as_it_begins();
	damaged_rows();
	return tap_done();
}
