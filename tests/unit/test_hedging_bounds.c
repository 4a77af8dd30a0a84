/* SPDX-License-Identifier: MIT */
/* Hedged requests (analyzer/infer/hedging.c) told from attempts made by hand, each bound from both sides. Times are ms. */
#include <math.h>
#include "analyzer/measure.h"
#include "tests/lib/tap.h"

#define MS(t) ((uint64_t)llround((t) * (double)NS_PER_MS))
#define MOST 2000
#define ATTEMPTS 7

enum end { OK, GAVE_UP, FAILED, RESET };

/* An attempt of a request; to 0: there is none. */
struct attempt {
	double from, to;
	enum end end;
	int id;			/* 0: the request's own; 1 another, 2 none */
	bool other_path, other_content, other_process, same_connection, open, lost, joined;	/* joined: of the logical request of the one before */
};

#define A(start, stop, how, ...) {.from = (start), .to = (stop), .end = (how), ##__VA_ARGS__}

struct story {
	const char *sentence;
	unsigned n;		/* requests, one a second */
	bool parents;		/* each is for an inbound request; else of an id */
	struct attempt attempts[ATTEMPTS];
	unsigned hedged, wins, cancelled, of;	/* of: requests; 0: nothing is said */
};

struct bench {
	struct result r;
	struct measure m;
	struct result_edge edge;
	struct graph_edge graph;
	struct model_exchange x[MOST];
	struct link_logical logicals[MOST];
	uint32_t all[MOST], logical_members[MOST], parent_members[MOST];
	size_t edge_begins[2], request_begins[2], logical_begins[MOST + 1], parent_begins[MOST + 1];
	uint32_t n, logical_count;
};

static void add(struct bench *b, const struct story *s, unsigned q, const struct attempt *a)
{
	double at = 1000 * (q + 1);
	struct model_exchange *x = &b->x[b->n];
	bool has_id = a->id < 2;
	uint32_t id = (a->id ? 1000 : 0) + q;

	*x = (struct model_exchange){
		.started_ns = MS(at + a->from), .ended_ns = a->open ? 0 : MS(at + a->to), .role = MODEL_CLIENT, .target = a->other_path ? 8 : 7,
		.fingerprint = a->other_content ? 6 : 5, .process = a->other_process, .connection = a->same_connection ? b->n - 1 : b->n,
		.parent = has_id && s->parents ? id : MODEL_NONE, .correlation = has_id && !s->parents ? id + 1 : 0, .lost = a->lost, .fault = MODEL_NONE,
		.outcome = a->end == OK ? MODEL_OK : a->end == FAILED ? MODEL_FAILED : MODEL_INDETERMINATE,
		.error = texts_add(&b->r.model.names, a->end == GAVE_UP ? "closed" : a->end == OK ? "" : "ECONNRESET"),
		.logical = a->joined ? b->logical_count - 1 : b->logical_count++};
	b->all[b->n] = b->n;
	if (!a->joined) {
		b->logicals[x->logical] = (struct link_logical){.started_ns = x->started_ns, .first = b->n};
		b->logical_begins[x->logical] = b->n;
	}
	b->logical_members[b->n] = b->n;
	b->logical_begins[x->logical + 1] = ++b->n;
}

/* Attempts in order of their start, as rows are. */
static void play(struct bench *b, const struct story *s)
{
	*b = (struct bench){.graph = {.external = false}};
	b->m = (struct measure){.r = &b->r, .to_ns = UINT64_MAX, .graph = {.edges = &b->graph, .count = 1}, .link = {.logicals = b->logicals}};
	b->r.edges = &b->edge;
	b->r.edge_count = 1;
	for (unsigned q = 0; q < s->n; q++)
		for (size_t k = 0; k < ATTEMPTS && s->attempts[k].to > 0; k++)
			add(b, s, q, &s->attempts[k]);
	b->m.chains.by_edge = (struct chains_group){b->all, b->edge_begins};
	b->m.chains.requests = (struct chains_group){b->all, b->request_begins};
	b->m.chains.by_logical = (struct chains_group){b->logical_members, b->logical_begins};
	b->m.chains.by_parent = (struct chains_group){b->parent_members, b->parent_begins};
	b->edge_begins[1] = b->n;
	b->request_begins[1] = b->logical_count;
	b->r.model.exchanges = b->x;
	b->r.model.exchange_count = b->n;
	for (size_t p = 0, n = 0; p < MOST; p++) {
		for (uint32_t i = 0; s->parents && i < b->n; i++)
			if (b->x[i].parent == p)
				b->parent_members[n++] = i;
		b->parent_begins[p + 1] = n;
	}
	ok(!measure_hedging(&b->m), "there_is_memory");
}

static const struct story stories[] = {
	{"three_hedges_are_enough", 3, false, {A(0, 130, GAVE_UP), A(100, 130, OK)}, 3, 3, 3, 3},
	{"of_inbound_requests_too", 3, true, {A(0, 130, GAVE_UP), A(100, 130, OK)}, 3, 3, 3, 3},
	{"the_second_may_lose", 3, false, {A(0, 130, OK), A(100, 130, GAVE_UP)}, 3, 0, 3, 3},
	{"and_who_did_not_lose_may_win", 3, true, {A(0, 130, OK), A(100, 125, OK)}, 0, 0, 0, 0},
	{"not_of_another_path", 3, false, {A(0, 130, GAVE_UP), A(100, 130, OK, .other_path = true)}, 0, 0, 0, 0},
	{"nor_of_other_content", 3, false, {A(0, 130, GAVE_UP), A(100, 130, OK, .other_content = true)}, 0, 0, 0, 0},
	{"nor_of_another_process", 3, false, {A(0, 130, GAVE_UP), A(100, 130, OK, .other_process = true)}, 0, 0, 0, 0},
	{"nor_of_another_id", 3, false, {A(0, 130, GAVE_UP), A(100, 130, OK, .id = 1)}, 0, 0, 0, 0},
	{"nor_for_another_inbound_request", 3, true, {A(0, 130, GAVE_UP), A(100, 130, OK, .id = 1)}, 0, 0, 0, 0},
	{"nor_of_none", 3, false, {A(0, 130, GAVE_UP), A(100, 130, OK, .id = 2)}, 0, 0, 0, 0},
	{"nor_over_the_same_connection", 3, false, {A(0, 130, GAVE_UP), A(100, 130, OK, .same_connection = true)}, 0, 0, 0, 0},
	{"one_that_begins_as_the_first_ends_is_none", 3, false, {A(0, 100, GAVE_UP), A(100, 101, OK)}, 0, 0, 0, 0},
	{"one_that_begins_before_is", 3, false, {A(0, 100, GAVE_UP), A(99.9, 101, OK)}, 3, 3, 3, 3},
	{"one_that_begins_with_it_too", 3, false, {A(0, 100, GAVE_UP), A(0, 100, OK)}, 3, 3, 3, 3},
	{"an_open_one_is_none", 3, false, {A(0, 130, OK), A(100, 130, GAVE_UP, .open = true)}, 0, 0, 0, 0},
	{"who_was_given_up_1_ms_before_the_other_was_answered_lost", 3, false, {A(0, 129, GAVE_UP), A(100, 130, OK)}, 3, 3, 3, 3},
	{"not_sooner", 3, false, {A(0, 128.9, GAVE_UP), A(100, 130, OK)}, 0, 0, 0, 0},
	{"5_ms_later_lost", 3, false, {A(0, 135, GAVE_UP), A(100, 130, OK)}, 3, 3, 3, 3},
	{"not_later", 3, false, {A(0, 135.1, GAVE_UP), A(100, 130, OK)}, 0, 0, 0, 0},
	{"unless_it_is_known_to_have_lost", 3, false, {A(0, 150, GAVE_UP, .lost = true), A(100, 130, OK)}, 3, 3, 3, 3},
	{"who_failed_did_not_lose", 3, false, {A(0, 130, FAILED), A(100, 130, OK)}, 0, 0, 0, 0},
	{"nor_who_was_reset", 3, false, {A(0, 130, RESET), A(100, 130, OK)}, 0, 0, 0, 0},
	{"nor_against_one_that_failed", 3, false, {A(0, 130, GAVE_UP), A(100, 130, FAILED)}, 0, 0, 0, 0},
	{"what_was_answered_before_is_another_call", 3, false, {A(0, 50, OK), A(10, 130, GAVE_UP), A(50, 130, OK)}, 0, 0, 0, 0},
	{"not_what_was_answered_after_it_began", 3, false, {A(0, 50.1, FAILED), A(10, 130, GAVE_UP), A(50, 130, OK)}, 3, 3, 3, 6},
	{"whatever_those_without_ids_gave_up", 3, false, {A(0, 130, GAVE_UP), A(100, 130, OK), A(400, 500, GAVE_UP, .id = 2), A(600, 700, GAVE_UP, .id = 2),
							  A(800, 900, GAVE_UP, .id = 2)}, 3, 3, 3, 12},
	{"behind_another_call_for_the_same_request", 3, true, {A(0, 50, OK, .other_path = true), A(10, 140, GAVE_UP), A(110, 140, OK)}, 3, 3, 3, 6},
	{"two_of_a_request", 2, false, {A(0, 130, GAVE_UP), A(100, 130, OK)}, 2, 2, 2, 2},
	{"as_many_that_lost_as_did_not", 3, false, {A(0, 130, GAVE_UP), A(100, 130, OK), A(400, 530, OK, .id = 1), A(450, 480, OK, .id = 1)}, 6, 6, 3, 6},
	{"what_follows_a_loser_is_no_retry", 3, false, {A(0, 130, GAVE_UP), A(100, 130, OK), A(200, 250, OK, .joined = true)}, 3, 3, 3, 6},
	{"what_follows_a_failure_is_one", 3, false, {A(0, 130, GAVE_UP), A(100, 130, OK), A(300, 310, FAILED), A(320, 330, OK, .joined = true)}, 3, 3, 3, 6},
	{"what_lost_is_no_request", 3, false, {A(0, 130, GAVE_UP), A(100, 130, OK), A(300, 310, GAVE_UP, .lost = true, .joined = true)}, 3, 3, 3, 3},
};

/* Clients without ids. */
#define NONE .id = 2
static const struct story strangers[] = {
	{"who_lost_to_the_same", 3, false, {A(0, 130, GAVE_UP, NONE), A(100, 130, OK, NONE)}, 3, 3, 3, 3},
	{"or_won", 3, false, {A(0, 130, OK, NONE), A(100, 130, GAVE_UP, NONE)}, 3, 0, 3, 3},
	{"not_who_was_answered", 3, false, {A(0, 130, OK, NONE), A(100, 130, OK, NONE)}, 0, 0, 0, 0},
	{"nor_who_was_reset", 3, false, {A(0, 130, RESET, NONE), A(100, 130, OK, NONE)}, 0, 0, 0, 0},
	{"nor_to_what_has_an_id", 3, false, {A(0, 130, GAVE_UP, NONE), A(100, 130, OK)}, 0, 0, 0, 0},
	{"four_of_the_same", 3, false, {A(0, 130, GAVE_UP, NONE), A(10, 300, OK, NONE), A(20, 300, OK, NONE), A(100, 130, OK, NONE)}, 3, 3, 3, 9},
	{"not_five", 3, false, {A(0, 130, GAVE_UP, NONE), A(10, 300, OK, NONE), A(20, 300, OK, NONE), A(30, 300, OK, NONE), A(100, 130, OK, NONE)}, 0, 0, 0, 0},
	{"others_do_not_count", 3, false, {A(0, 130, GAVE_UP, NONE), A(10, 300, OK, NONE, .other_path = true), A(20, 300, OK, NONE), A(30, 300, OK, NONE),
					   A(100, 130, OK, NONE)}, 3, 3, 3, 12},
	{"nor_what_was_over_before", 3, false, {A(0, 10, OK, NONE), A(10, 130, GAVE_UP, NONE), A(20, 300, OK, NONE), A(30, 300, OK, NONE),
						A(100, 130, OK, NONE)}, 3, 3, 3, 12},
	{"what_was_over_just_then_does", 3, false, {A(0, 10.1, OK, NONE), A(10, 130, GAVE_UP, NONE), A(20, 300, OK, NONE), A(30, 300, OK, NONE),
						    A(100, 130, OK, NONE)}, 0, 0, 0, 0},
	{"one_that_is_open_too", 3, false, {A(0, 900, OK, NONE, .open = true), A(10, 130, GAVE_UP, NONE), A(20, 300, OK, NONE), A(30, 300, OK, NONE),
					    A(100, 130, OK, NONE)}, 0, 0, 0, 0},
	{"what_begins_as_it_ends_does_not", 3, false, {A(0, 130, GAVE_UP, NONE), A(20, 300, OK, NONE), A(30, 300, OK, NONE), A(100, 130, OK, NONE),
						       A(130, 300, OK, NONE)}, 3, 3, 3, 12},
	{"where_half_of_what_was_given_up_lost", 3, false, {A(0, 130, GAVE_UP, NONE), A(100, 130, OK, NONE), A(400, 500, GAVE_UP, NONE)}, 3, 3, 3, 6},
	{"not_where_less_did", 3, false, {A(0, 130, GAVE_UP, NONE), A(100, 130, OK, NONE), A(400, 500, GAVE_UP, NONE), A(600, 700, GAVE_UP, NONE)}, 0, 0, 0, 0},
	{"nor_where_less_won", 3, false, {A(0, 130, OK, NONE), A(100, 130, GAVE_UP, NONE), A(400, 500, GAVE_UP, NONE), A(600, 700, GAVE_UP, NONE)}, 0, 0, 0, 0},
	{"nor_one_of_three_that_were_given_up", 1, false, {A(0, 130, GAVE_UP, NONE), A(100, 130, OK, NONE), A(400, 500, GAVE_UP, NONE),
							   A(600, 700, GAVE_UP, NONE)}, 0, 0, 0, 0},
	{"where_resets_are_no_cuts", 3, false, {A(0, 130, GAVE_UP, NONE), A(100, 130, OK, NONE), A(400, 500, RESET, NONE), A(600, 700, RESET, NONE)},
	 3, 3, 3, 9},
	{"those_with_an_id_are_no_matter", 3, false, {A(0, 130, GAVE_UP, NONE), A(100, 130, OK, NONE), A(400, 500, GAVE_UP), A(600, 700, GAVE_UP)}, 3, 3, 3, 9},
};

static void check_story(const struct story *s, const char *whose)
{
	static struct bench b;
	const struct policy_hedging *p = &b.edge.hedging;

	play(&b, s);
	if (!ok(p->hedged == s->hedged && p->wins == s->wins && p->cancelled == s->cancelled && p->known == (s->hedged > 2) &&
		(!s->of || p->share.n == s->of), "%s: %s", whose, s->sentence))
		printf("# hedged %d, wins %d, cancelled %d, of %d\n", (int)p->hedged, (int)p->wins, (int)p->cancelled, (int)p->share.n);
	texts_free(&b.r.model.names);
}

/* Pairs of which both are answered: five of one delay (or n), so many of other delays, and attempts that took long and have no second. */
static void both_are_answered(void)
{
	static const struct { unsigned n, others, singles; double delay, single_ms; bool known; const char *sentence; } cases[] = {
		{5, 0, 0, 100, 0, true, "five_of_one_delay"}, {4, 0, 0, 100, 0, false, "not_four"}, {5, 0, 0, 5, 0, true, "of_5_ms"},
		{5, 0, 0, 4.9, 0, false, "not_of_less"}, {6, 6, 0, 100, 0, true, "half_of_one_delay"}, {6, 7, 0, 100, 0, false, "not_less_than_half"},
		{8, 0, 2, 100, 171, true, "a_quarter_without_a_second"}, {8, 0, 3, 100, 171, false, "not_more"}, {8, 0, 3, 100, 170, true, "that_took_long"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		static struct bench b;
		struct story s = {.n = 0};
		unsigned q = 0;

		play(&b, &s);
		for (unsigned k = 0; k < cases[i].singles; k++)
			add(&b, &s, q++, &(struct attempt)A(0, cases[i].single_ms, OK));
		for (unsigned k = 0; k < cases[i].n + cases[i].others; k++, q++) {
			double delay = k < cases[i].n ? cases[i].delay : 150 + 90 * (k - cases[i].n);

			add(&b, &s, q, &(struct attempt)A(0, delay + 60, OK));
			add(&b, &s, q, &(struct attempt)A(delay, delay + 20, OK));
		}
		b.edge_begins[1] = b.r.model.exchange_count = b.n;
		b.request_begins[1] = b.logical_count;
		ok(!measure_hedging(&b.m), "there_is_memory");
		is_int(b.edge.hedging.known, cases[i].known, "both_are_answered: %s", cases[i].sentence);
		texts_free(&b.r.model.names);
	}
}

/* Five of which both are answered, the second when the first is, or sooner or later. */
static void who_won(void)
{
	static const struct { double end; unsigned wins; const char *sentence; } cases[] = {
		{149.9, 5, "the_second_that_is_answered_first_wins"}, {150, 0, "not_at_the_same_time"}, {151, 0, "nor_later"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct story s = {.n = 5, .attempts = {A(0, 150, OK), A(100, cases[i].end, OK)}};
		static struct bench b;

		play(&b, &s);
		ok(b.edge.hedging.hedged == 5 && b.edge.hedging.wins == cases[i].wins && !b.edge.hedging.cancelled, "%s", cases[i].sentence);
		ok(fabs(b.edge.hedging.delay_ms - 100) + fabs(b.edge.hedging.delay_low_ms - 100) + fabs(b.edge.hedging.delay_high_ms - 100) < 1e-6,
			"after_100_ms");
		texts_free(&b.r.model.names);
	}
}

/* Four requests, from the second on. */
static void only_what_counts(void)
{
	static const struct story s = {.n = 4, .attempts = {A(0, 130, GAVE_UP), A(100, 130, OK)}};
	static struct bench b;

	play(&b, &s);
	b.m.from_ns = MS(2000);
	b.edge.hedging = (struct policy_hedging){0};
	ok(!measure_hedging(&b.m), "there_is_memory");
	ok(b.edge.hedging.hedged == 3 && b.edge.hedging.share.n == 3, "of_four_the_last_three_count");
	texts_free(&b.r.model.names);
}

/* An answer to the same, so many attempts before a hedge: then that is another call. */
static void how_far_back(void)
{
	for (unsigned others = 254; others <= 255; others++) {
		const struct story s = {.n = 0};
		static struct bench b;

		play(&b, &s);
		add(&b, &s, 0, &(struct attempt)A(0, 1, OK));
		for (unsigned k = 0; k < others; k++)
			add(&b, &s, 0, &(struct attempt)A(2, 3, OK, .other_path = true));
		add(&b, &s, 0, &(struct attempt)A(10, 140, GAVE_UP));
		add(&b, &s, 0, &(struct attempt)A(110, 140, OK));
		b.edge_begins[1] = b.r.model.exchange_count = b.n;
		b.request_begins[1] = b.logical_count;
		ok(!measure_hedging(&b.m), "there_is_memory");
		is_int((long long)b.edge.hedging.hedged, others == 255, "an_answer_%u_attempts_before_is_seen_or_not", others + 2);
		texts_free(&b.r.model.names);
	}
}

/* The second so many attempts behind the first, of one id, or of one inbound request. */
static void how_far_ahead(void)
{
	static const struct { unsigned others; bool parents, is; } cases[] = {{63, false, true}, {64, false, false}, {255, true, true}, {256, true, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct story s = {.n = 0, .parents = cases[i].parents};
		static struct bench b;

		play(&b, &s);
		add(&b, &s, 0, &(struct attempt)A(10, 140, GAVE_UP));
		for (unsigned k = 0; k < cases[i].others; k++)
			add(&b, &s, 0, &(struct attempt)A(20, 30, OK, .other_path = true));
		add(&b, &s, 0, &(struct attempt)A(110, 140, OK));
		for (uint32_t k = 0; k < b.n; k++)
			b.parent_members[k] = k;
		for (size_t p = 1; p <= MOST; p++)
			b.parent_begins[p] = b.n;
		b.edge_begins[1] = b.r.model.exchange_count = b.n;
		b.request_begins[1] = b.logical_count;
		ok(!measure_hedging(&b.m), "there_is_memory");
		is_int((long long)b.edge.hedging.hedged, cases[i].is, "one_%u_attempts_behind_is_seen_or_not", cases[i].others + 1);
		texts_free(&b.r.model.names);
	}
}

/* Of one id, but only one of the two for an inbound request. */
static void whose_request_is_known(void)
{
	static const struct story s = {.n = 3, .attempts = {A(0, 130, GAVE_UP), A(100, 130, OK)}};
	static struct bench b;

	for (int known = 0; known < 2; known++) {
		play(&b, &s);
		for (uint32_t q = 0; known && q < 3; q++) {
			b.x[2 * q + 1].parent = 3 + q;
			b.parent_begins[4 + q] = q + 1;
			b.parent_members[q] = 2 * q + 1;
		}
		b.edge.hedging = (struct policy_hedging){0};
		ok(!measure_hedging(&b.m), "there_is_memory");
		is_int((long long)b.edge.hedging.hedged, known ? 0 : 3, "one_for_a_request_and_one_for_none_are_not_the_same%s",
			known ? "" : ", or both for none");
		texts_free(&b.r.model.names);
	}
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check_story(&stories[i], "a_hedge");
	for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++)
		check_story(&strangers[i], "without_ids");
	both_are_answered();
	who_won();
	only_what_counts();
	how_far_back();
	how_far_ahead();
	whose_request_is_known();
	return tap_done();
}
