/* SPDX-License-Identifier: MIT */
/* One effect for each key (analyzer/idempotency.c): a client, a shop that charges a card, and what each row of the run file says of it. */
#include "analyzer/stats/stats.h"
#include "tests/unit/judge.h"

struct order {		/* one request of a client, and the shop's call */
	int key;		/* 0: none */
	int status;		/* of the answer; 0: the answer got lost */
	int size;		/* of the answer; 0: not known */
	int charge;		/* status of the shop's charge; 0: it makes none */
	int charge_key;		/* of the charge; 0: none */
	const char *method;	/* of the charge; NULL: POST */
	const char *path;	/* of the charge; NULL: /charge */
	int again;		/* the shop charges twice for it */
	int refused;		/* it never reached the shop */
};

static int external;	/* whether the client was not recorded */

/* The n-th order, in the n-th second. */
static int place(struct runs *r, int n, const struct order *o)
{
	double at = 1000 * n + 10;
	const char *outcome = o->refused ? "not_sent" : o->status ? NULL : "indeterminate";
	int asked = 0, got = 0;

	if (!external)
		asked = runs_add(r, ATTEMPT(.tid = 100 + n, .method = "POST", .path = "/order", .key = o->key, .status = o->status, .outcome = outcome,
					    .at_ms = at, .took_ms = 50, .unsent = o->refused));
	if (!o->refused)
		got = runs_add(r, ATTEMPT(.process = 2, .connection = 2, .role = "server", .tid = 100 + n, .method = "POST", .path = "/order",
					  .key = o->key, .status = o->status ? o->status : 200, .at_ms = at + 1, .took_ms = 40));
	runs_sql(r, "UPDATE exchange SET bytes_in = %d, bytes_out = %d WHERE id IN (%d, %d)", o->size, o->size, asked, got);
	if (!o->charge)
		return got;
	for (int k = 0; k <= o->again; k++)
		runs_add(r, ATTEMPT(.process = 2, .connection = 3, .tid = 100 + n, .method = o->method ? o->method : "POST",
				    .path = o->path ? o->path : "/charge", .key = o->charge_key, .status = o->charge, .at_ms = at + 5 + 12 * k,
				    .took_ms = 10, .parent = got));
	return got;
}

static void begin(struct runs *r)
{
	runs_begin(r, 60000);
	runs_process(r, 1, "client");
	runs_process(r, 2, "shop");
	runs_connection(r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:80");
	runs_connection(r, 2, 2, "server", "127.0.0.1:80", external ? "127.0.0.1:4001" : "127.0.0.1:4000");
	runs_connection(r, 3, 2, "client", "127.0.0.1:4100", "127.0.0.1:90");
}

static const struct policy_idempotency *judged(struct runs *r, struct result *x)
{
	judge(r, x, &ANALYZE_EVERYTHING);
	return &judge_edge(x, external ? "external" : "client", "shop")->idempotency;
}

struct scene {
	const char *what;
	struct order orders[6];
	unsigned keys, duplicates, violations, conflicts, mismatched;
};

#define DONE(k, ...) {.key = k, .status = 201, .size = 300, .charge = 200, ##__VA_ARGS__}
#define CHARGED(k, answer) {.key = k, .status = 201, .size = 300, .charge = answer}
#define REPLAYED(k, ...) {.key = k, .status = 201, .size = 300, ##__VA_ARGS__}
#define SIZED(k, bytes, ...) {.key = k, .status = 201, .size = bytes, ##__VA_ARGS__}
#define LOST(k, ...) {.key = k, .charge = 200, ##__VA_ARGS__}

static const struct scene scenes[] = {
	{.what = "three orders", .orders = {DONE(1), DONE(2), DONE(3)}, .keys = 3},
	{.what = "the answer got lost, the retry is answered from memory", .orders = {LOST(1), REPLAYED(1)}, .keys = 1, .duplicates = 1},
	{.what = "the answer got lost, the retry charges again", .orders = {LOST(1), DONE(1)}, .keys = 1, .duplicates = 1, .violations = 1},
	{.what = "twice the same, both charged", .orders = {DONE(1), DONE(1), DONE(2)}, .keys = 2, .duplicates = 1, .violations = 1},
	{.what = "both charges carry one key: the bank charges once", .orders = {DONE(1, .charge_key = 9), DONE(1, .charge_key = 9)}, .keys = 1,
	 .duplicates = 1},
	{.what = "the charges carry keys of their own", .orders = {DONE(1, .charge_key = 8), DONE(1, .charge_key = 9)}, .keys = 1, .duplicates = 1,
	 .violations = 1},
	{.what = "one order of two charges", .orders = {DONE(1, .again = 1)}, .keys = 1},
	{.what = "the first charge failed", .orders = {{.key = 1, .status = 500, .charge = 503}, DONE(1)}, .keys = 1, .duplicates = 1},
	{.what = "a PUT twice means the same as once", .orders = {DONE(1, .method = "PUT"), DONE(1, .method = "PUT")}, .keys = 1, .duplicates = 1},
	{.what = "a GET changes nothing", .orders = {DONE(1, .method = "GET"), DONE(1, .method = "GET")}, .keys = 1, .duplicates = 1},
	{.what = "the retry does what was still to do", .orders = {LOST(1, .path = "/reserve"), DONE(1)}, .keys = 1, .duplicates = 1},
	{.what = "the first attempt never arrived", .orders = {{.key = 1, .refused = 1}, DONE(1)}, .keys = 1},
	{.what = "without keys", .orders = {DONE(0), DONE(0)}},
	{.what = "told that it is in work, and that its content differs", .orders = {DONE(1), {.key = 1, .status = 409, .size = 90},
	 {.key = 1, .status = 422, .size = 90}}, .keys = 1, .duplicates = 2, .conflicts = 2},
	{.what = "another status", .orders = {DONE(1), {.key = 1, .status = 200, .size = 300}}, .keys = 1, .duplicates = 1, .mismatched = 1},
	{.what = "another size: another answer", .orders = {DONE(1), SIZED(1, 302)}, .keys = 1, .duplicates = 1, .mismatched = 1, .violations = 1},
	{.what = "always larger by the same: a mark of replays", .orders = {DONE(1), SIZED(1, 325), SIZED(2, 310, .charge = 200),
	 SIZED(2, 335)}, .keys = 2, .duplicates = 2},
	{.what = "larger by this and by that", .orders = {DONE(1), SIZED(1, 325), DONE(2), SIZED(2, 326)},
	 .keys = 2, .duplicates = 2, .mismatched = 2, .violations = 2},
	{.what = "300 is no good answer, whatever it says", .orders = {DONE(1), {.key = 1, .status = 300, .size = 90}}, .keys = 1, .duplicates = 1},
	{.what = "299 is one", .orders = {DONE(1), {.key = 1, .status = 299, .size = 300}}, .keys = 1, .duplicates = 1, .mismatched = 1},
	{.what = "410 and 423 are no conflicts", .orders = {DONE(1), {.key = 1, .status = 410, .size = 90}, {.key = 1, .status = 423, .size = 90}}, .keys = 1,
	 .duplicates = 2},
	{.what = "the bank turned both charges down", .orders = {CHARGED(1, 400), CHARGED(1, 400)}, .keys = 1, .duplicates = 1},
	{.what = "it did not", .orders = {CHARGED(1, 399), CHARGED(1, 399)}, .keys = 1, .duplicates = 1, .violations = 1},
	{.what = "a PATCH twice is done twice", .orders = {DONE(1, .method = "PATCH"), DONE(1, .method = "PATCH")}, .keys = 1, .duplicates = 1,
	 .violations = 1},
	{.what = "three times the same, all charged", .orders = {DONE(1), DONE(1), DONE(1)}, .keys = 1, .duplicates = 2, .violations = 1},
	{.what = "of two things that each order does, one is done again", .orders = {DONE(1), DONE(1, .path = "/reserve"), DONE(1), DONE(2)}, .keys = 2,
	 .duplicates = 2, .violations = 1},
	{.what = "one of two things is done by each attempt", .orders = {DONE(1), DONE(1, .path = "/reserve")}, .keys = 1, .duplicates = 1},
	{.what = "another status and another size are no other answer to the same", .orders = {DONE(1), {.key = 1, .status = 200, .size = 310}}, .keys = 1,
	 .duplicates = 1, .mismatched = 1},
	{.what = "two replays of another status are no mark", .orders = {DONE(1), {.key = 1, .status = 200, .size = 310},
	 {.key = 1, .status = 200, .size = 310}}, .keys = 1, .duplicates = 2, .mismatched = 2},
	{.what = "shorter by the same: a mark too", .orders = {DONE(1), SIZED(1, 299), SIZED(1, 299)}, .keys = 1, .duplicates = 2},
	{.what = "two replays that are as they should be", .orders = {DONE(1), REPLAYED(1), REPLAYED(1), DONE(2)}, .keys = 2, .duplicates = 2},
	{.what = "one as it should be and one larger", .orders = {DONE(1), REPLAYED(1), SIZED(1, 325)}, .keys = 1, .duplicates = 2, .mismatched = 1,
	 .violations = 1},
	{.what = "sizes that are not known", .orders = {DONE(1), SIZED(1, 0)}, .keys = 1, .duplicates = 1},
};

static void what_counts(void)
{
	for (external = 0; external < 2; external++) {
		for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
			const struct scene *s = &scenes[i];
			const struct policy_idempotency *p;
			struct runs r;
			struct result x;

			begin(&r);
			for (int n = 0; n < 6 && (s->orders[n].status || s->orders[n].charge || s->orders[n].refused); n++)
				place(&r, n, &s->orders[n]);
			p = judged(&r, &x);
			is_int(p->known, s->keys > 0, "%s%s", s->what, external ? ", of clients that nobody recorded" : "");
			is_int((long long)p->violations, external && s->violations && !s->mismatched ? 1 : s->violations, "violations");
			is_int((long long)p->conflicts, s->conflicts, "conflicts");
			if (!external) {	/* where the server's own row is the attempt, a lost answer is one that it gave */
				is_int((long long)p->keys, s->keys, "keys");
				is_int((long long)p->duplicates, s->duplicates, "duplicates");
				is_int((long long)p->mismatched, s->mismatched, "answers that differ");
			}
			ok((p->witness != 0) == (s->violations != 0), "a violation has a witness");
			judge_end(&r, &x);
		}
	}
	external = 0;
}

static void the_witness(void)
{
	struct runs r;
	struct result x;
	const struct order lost = LOST(1), done = DONE(1);
	int second;

	begin(&r);
	place(&r, 0, &lost);
	second = place(&r, 1, &done);
	is_int((long long)judged(&r, &x)->witness, second, "the witness is the request that did it again");
	judge_end(&r, &x);
}

/* A call that was laid to the wrong one of two requests in work is no second effect. */
static void guessed_parents(void)
{
	struct runs r;
	struct result x;
	const struct order done = DONE(1), again = REPLAYED(1), other = REPLAYED(2);
	int second;

	begin(&r);
	place(&r, 0, &done);
	second = place(&r, 1, &again);
	place(&r, 2, &other);
	runs_add(&r, ATTEMPT(.process = 2, .connection = 3, .tid = 101, .method = "POST", .path = "/charge", .status = 200, .at_ms = 1015, .took_ms = 20,
			     .parent = second));
	is_int((long long)judged(&r, &x)->violations, 0, "two effects of two jobs, whichever had them, are no proof");
	judge_end(&r, &x);
}

static void lost_effects(void)
{
	for (int with = 8; with <= 10; with++) {
		struct runs r;
		struct result x;

		begin(&r);
		for (int n = 0; n < 10; n++) {
			struct order o = DONE(n + 1);

			o.charge = n < with ? 200 : 0;
			place(&r, n, &o);
		}
		is_int((long long)judged(&r, &x)->lost, with == 9 ? 1 : 0,
		       with == 10 ? "ten orders, ten charges: none is lost" : with == 9 ? "nine charges for ten orders that were answered well: one is lost"
											 : "eight: not all orders charge");
		judge_end(&r, &x);
	}
}

/* As many as there is room for, so that AddressSanitizer sees who looks further. */
static void as_many_as_fit(void)
{
	for (int n = 8; n <= 64; n *= 2) {
		struct runs r;
		struct result x;
		const struct policy_idempotency *p;

		begin(&r);
		for (int i = 0; i < n; i++) {
			const struct order done = DONE(1 + i / 2);

			place(&r, i, &done);
		}
		runs_sql(&r, "UPDATE run SET value = 2000000000000 WHERE key = 'ended_ns'");
		p = judged(&r, &x);
		ok((int)p->keys == n / 2 && (int)p->violations == n / 2, "%d orders under %d keys, all charged", n, n / 2);
		judge_end(&r, &x);
	}
}

/* Many keys with a known share of double effects, of which each is found. */
static void seeded(void)
{
	struct stats_random random = {5};
	struct runs r;
	struct result x;
	unsigned twice = 0;

	begin(&r);
	for (int n = 0; n < 400; n += 2) {
		struct order first = LOST(n + 1), again = DONE(n + 1);

		if (stats_uniform(&random) < 0.3)
			twice++;
		else
			again.charge = 0;
		place(&r, n, &first);
		place(&r, n + 1, &again);
	}
	runs_sql(&r, "UPDATE run SET value = 2000000000000 WHERE key = 'ended_ns'");
	is_int((long long)judged(&r, &x)->violations, twice, "of 200 keys those that were charged twice (%u) are found, and no others", twice);
	judge_end(&r, &x);
}

static void damaged_rows(void)
{
	struct runs r;
	struct result x;
	const struct order done = DONE(1);

	begin(&r);
	for (int n = 0; n < 4; n++)
		place(&r, n, &done);
	runs_sql(&r, "UPDATE exchange SET process_id = NULL, connection_id = NULL WHERE id = 2; UPDATE exchange SET status = 70000, bytes_in = -1 WHERE id = 4;"
		     "UPDATE exchange SET parent_id = 4711, method = NULL WHERE id = 6; UPDATE exchange SET parent_id = id WHERE id = 9");
	ok(judged(&r, &x)->keys == 1, "rows without process, sense and parents are passed over");
	judge_end(&r, &x);
}

int main(void)
{
	what_counts();
	the_witness();
	guessed_parents();
	lost_effects();
	as_many_as_fit();
	seeded();
	damaged_rows();
	return tap_done();
}
