/* SPDX-License-Identifier: MIT */
/* From times after which attempts were given up to timeouts (analyzer/infer/timeout_modes.h), each bound from both sides. Times are ms. */
#include <math.h>
#include "analyzer/infer/timeout_modes.h"
#include "analyzer/read/samples.h"
#include "tests/lib/tap.h"

#define GROUPS 4
#define MOST 80

/* n attempts of a phase; each by_ms longer than the one before on its clock (attempt, request, first byte). */
struct group {
	unsigned n;
	enum timeout_phase phase;
	double attempt, attempt_by, request, request_by, byte, byte_by;
	bool trickled;
};

#define CONNECT(n, ms, by) {n, PHASE_CONNECT, ms, by, ms, by, NAN, 0, false}
#define ANSWER(n, ms, by, request, request_by) {n, PHASE_ANSWER, ms, by, request, request_by, NAN, 0, false}
#define BODY(n, ms, by, byte, byte_by) {n, PHASE_BODY, ms, by, ms, by, byte, byte_by, false}
#define SLOW(n, ms, by, byte, byte_by) {n, PHASE_BODY, ms, by, ms, by, byte, byte_by, true}

struct bench {
	struct result r;
	struct measure m;
	struct given_up g;
	struct model_exchange x[MOST];
	struct link_logical logicals[MOST];
	struct cut cuts[MOST];
	struct samples values;
	struct policy_timeout t;
	struct timeout_edge e;
};

static void add(struct bench *b, const struct group *q)
{
	for (unsigned i = 0; i < q->n; i++) {
		uint32_t k = (uint32_t)b->e.n;

		b->x[k] = (struct model_exchange){.id = 100 + k, .logical = k};
		b->logicals[k].first = k;
		b->cuts[b->e.n++] = (struct cut){k, (uint8_t)q->phase, q->trickled,
						 {q->attempt + i * q->attempt_by, q->request + i * q->request_by, q->byte + i * q->byte_by}};
	}
}

static void set_up(struct bench *b, const struct group *groups)
{
	*b = (struct bench){.m = {.r = &b->r}};
	b->m.link.logicals = b->logicals;
	b->r.model.exchanges = b->x;
	b->g.m = &b->m;
	b->e = (struct timeout_edge){.g = &b->g, .t = &b->t, .cuts = b->cuts, .values = &b->values};
	for (size_t i = 0; i < GROUPS; i++)
		add(b, &groups[i]);
}

static void find(struct bench *b)
{
	ok(!timeout_modes_find(&b->e), "there_is_memory");
	samples_free(&b->values);
}

struct story {
	const char *sentence;
	struct group groups[GROUPS];
	struct { enum policy_timeout_kind kind; double ms; unsigned n; } modes[3];	/* n 0: none */
};

static const struct story stories[] = {
	{"a_connect_timeout", {CONNECT(5, 1000, 0)}, {{TIMEOUT_CONNECT, 1000, 5}}},
	{"of_5_ms_it_can_be_told", {CONNECT(5, 5, 0)}, {{TIMEOUT_CONNECT, 5, 5}}}, {"of_less_it_cannot", {CONNECT(5, 4.99, 0)}, {{0, 0, 0}}},
	{"two_of_one_phase_are_two", {CONNECT(6, 1000, 0), CONNECT(5, 3000, 0)}, {{TIMEOUT_CONNECT, 1000, 6}, {TIMEOUT_CONNECT, 3000, 5}}},
	{"the_lower_of_two_is_the_median_of_two", {CONNECT(2, 1000, 4)}, {{TIMEOUT_CONNECT, 1000, 2}}},
	{"and_the_second_of_three", {CONNECT(3, 1000, 4)}, {{TIMEOUT_CONNECT, 1004, 3}}},

	{"answers_by_the_attempts_clock", {ANSWER(3, 1000, 0, 990, 0)}, {{TIMEOUT_RESPONSE, 1000, 3}}},
	{"by_the_requests_where_that_agrees_better", {ANSWER(3, 1000, 0.51, 990, 0)}, {{TIMEOUT_RESPONSE, 990, 3}}},
	{"not_by_1_ms_or_less", {ANSWER(3, 1000, 0.5, 990, 0)}, {{TIMEOUT_RESPONSE, 1000.5, 3}}},
	{"nor_where_both_vary_by_less", {ANSWER(3, 1000, 0.7, 990, 0.3)}, {{TIMEOUT_RESPONSE, 1000.7, 3}}},
	{"nor_of_two_attempts", {ANSWER(2, 1000, 5, 990, 0)}, {{TIMEOUT_RESPONSE, 1000, 2}}},
	{"nor_where_it_is_half_as_wide", {ANSWER(3, 1000, 4, 990, 2)}, {{TIMEOUT_RESPONSE, 1004, 3}}},
	{"but_where_it_is_less", {ANSWER(3, 1000, 4, 990, 1.9)}, {{TIMEOUT_RESPONSE, 991.9, 3}}},
	{"or_where_more_agree_on_it", {ANSWER(5, 1000, 700, 990, 0)}, {{TIMEOUT_RESPONSE, 990, 5}}},
	{"not_where_fewer_do", {ANSWER(5, 1000, 0, 990, 700)}, {{TIMEOUT_RESPONSE, 1000, 5}}},

	{"bytes_that_trickle_tell_of_the_whole", {SLOW(5, 1000, 0, 900, 0)}, {{TIMEOUT_TOTAL, 1000, 5}}},
	{"answers_that_stop_by_the_first_bytes_clock", {BODY(3, 1000, 10.1, 500, 0)}, {{TIMEOUT_IDLE, 500, 3}}},
	{"not_by_20_ms_or_less", {BODY(3, 1000, 10, 500, 0)}, {{TIMEOUT_UNKNOWN, 1010, 3}}},
	{"by_that_of_the_whole", {BODY(3, 1000, 0, 500, 10.1)}, {{TIMEOUT_TOTAL, 1000, 3}}},
	{"not_by_20_ms_either", {BODY(3, 1000, 0, 500, 10)}, {{TIMEOUT_UNKNOWN, 1000, 3}}},

	{"as_long_as_the_first_bytes_it_is_that", {ANSWER(5, 1000, 0, 1000, 0), BODY(3, 1000, 0, 950.1, 0)}, {{TIMEOUT_RESPONSE, 1000, 8}}},
	{"and_one_of_the_whole_where_that_came_a_twentieth_late", {ANSWER(5, 1000, 0, 1000, 0), BODY(3, 1000, 0, 950, 0)}, {{TIMEOUT_TOTAL, 1000, 8}}},
	{"of_short_ones_20_ms", {ANSWER(5, 100, 0, 100, 0), BODY(3, 100, 0, 80, 0)}, {{TIMEOUT_TOTAL, 100, 8}}},
	{"and_not_less", {ANSWER(5, 100, 0, 100, 0), BODY(3, 100, 0, 80.1, 0)}, {{TIMEOUT_RESPONSE, 100, 8}}},
	{"as_long_since_the_first_byte_it_begins_anew", {ANSWER(5, 1000, 0, 1000, 0), BODY(3, 1300, 0, 1000, 0)},
	 {{TIMEOUT_RESPONSE, 1000, 5}, {TIMEOUT_IDLE, 1000, 3}}},
	{"longer_than_the_first_bytes_it_is_no_limit", {ANSWER(5, 1000, 0, 1000, 0), BODY(3, 1300, 0, 1290, 0)}, {{TIMEOUT_RESPONSE, 1000, 5}}},
	{"not_so_long_it_is_one", {ANSWER(5, 2000, 0, 2000, 0), BODY(3, 1300, 0, 1290, 0)}, {{TIMEOUT_RESPONSE, 2000, 5}, {TIMEOUT_UNKNOWN, 1300, 3}}},
	{"a_connects_is_no_first_bytes", {CONNECT(5, 1000, 0), BODY(3, 1300, 0, 1290, 0)}, {{TIMEOUT_CONNECT, 1000, 5}, {TIMEOUT_UNKNOWN, 1300, 3}}},
	{"nor_the_same_as_one", {CONNECT(5, 1300, 0), BODY(3, 1300, 0, 1290, 0)}, {{TIMEOUT_CONNECT, 1300, 5}, {TIMEOUT_UNKNOWN, 1300, 3}}},
	{"two_of_answers_that_stop", {BODY(6, 3000, 0, 2990, 0), BODY(5, 1000, 0, 990, 0)}, {{TIMEOUT_UNKNOWN, 3000, 6}, {TIMEOUT_UNKNOWN, 1000, 5}}},
};

static void check_story(const struct story *s)
{
	struct bench b;
	unsigned want = 0;
	bool right = true;

	set_up(&b, s->groups);
	find(&b);
	for (; want < 3 && s->modes[want].n; want++) {
		const struct policy_timeout_mode *m = &b.t.modes[want];

		right &= want < b.t.mode_count && m->kind == s->modes[want].kind && fabs(m->ms - s->modes[want].ms) < 1e-9 && m->n == s->modes[want].n;
	}
	if (!ok(right && b.t.mode_count == want, "%s", s->sentence))
		for (unsigned k = 0; k < b.t.mode_count; k++)
			printf("# kind %d, %g ms, %d\n", b.t.modes[k].kind, b.t.modes[k].ms, (int)b.t.modes[k].n);
}

/* Twelve attempts from 1000 to 1011 ms, three of 1111 that are late, one that is later still; and one that stopped midway amid them. */
static void what_is_said_of_a_mode(void)
{
	static const struct group groups[GROUPS] = {BODY(1, 1005, 0, 700, 0), ANSWER(12, 1000, 1, 1000, 1), ANSWER(3, 1111, 0, 1111, 0), ANSWER(1,
		1300, 0, 1300, 0)};
	struct bench b;

	set_up(&b, groups);
	b.logicals[2].first = 0;	/* of the twelve one is a retry, and one of the late */
	b.logicals[14].first = 0;
	find(&b);
	ok(b.t.mode_count >= 1 && b.t.modes[0].n == 16, "late_ones_are_of_it_and_one_that_stopped_midway");
	ok(b.t.modes[0].ms == 1005 && b.t.modes[0].high_ms == 1006 && isnan(b.t.modes[0].low_ms), "and_do_not_move_it");
	ok(b.e.shortest[0] == 1000 && b.e.top[0] == 1111, "from_the_first_to_the_last");
	is_int((long long)b.e.firsts[0], 13, "all_but_two_are_the_first_of_their_requests");
	is_int((long long)b.t.modes[0].witness, 100 + 1 + 5, "the_attempt_at_the_median_is_the_witness");
	ok(b.e.phase[0] == PHASE_ANSWER, "the_phase_is_kept");
}

static void who_is_the_witness(void)
{
	static const struct group groups[GROUPS] = {CONNECT(1, 1000, 0), ANSWER(3, 1000, 0, 1000, 0)};
	struct bench b;

	set_up(&b, groups);
	find(&b);
	ok(b.t.mode_count == 2 && b.t.modes[0].witness == 100 && b.t.modes[1].witness == 101, "of_equal_ones_of_its_phase_the_first_is_the_witness");
	is_int((long long)b.e.firsts[1], 3, "those_at_the_bounds_count");
}

/* Nine timeouts in all, three of each phase. */
static void no_more_than_there_is_room_for(void)
{
	static const double ms[] = {1000, 3000, 9000};
	static const struct group none[GROUPS];
	struct bench b;

	set_up(&b, none);
	for (unsigned k = 0; k < 3; k++) {
		const struct group groups[] = {CONNECT(8, ms[k], 0), ANSWER(8, ms[k] + 500, 0, ms[k] + 500, 0), SLOW(8, ms[k] + 200, 0, 100, 0)};

		for (unsigned i = 0; i < 3; i++)
			add(&b, &groups[i]);
	}
	find(&b);
	ok(b.t.mode_count == POLICY_MODES && b.t.modes[7].kind == TIMEOUT_TOTAL, "of_nine_eight_are_kept");
}

/* A timeout of first bytes, and eight of answers that stop midway, of which the most frequent is the same. */
static void as_many_as_there_is_room_for(void)
{
	static const struct group none[GROUPS], answers = ANSWER(5, 1000, 0, 1000, 0), same = BODY(12, 1000, 0, 990, 0);
	struct bench b;

	set_up(&b, none);
	add(&b, &answers);
	add(&b, &same);
	for (unsigned k = 0; k < 7; k++)
		add(&b, &(const struct group)BODY(8, 3000 + 2000 * k, 0, 2990 + 2000 * k, 0));
	find(&b);
	ok(b.t.mode_count == 1 && b.t.modes[0].n == 17 && b.t.modes[0].kind == TIMEOUT_RESPONSE, "each_of_eight_is_looked_at_once");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check_story(&stories[i]);
	what_is_said_of_a_mode();
	who_is_the_witness();
	no_more_than_there_is_room_for();
	as_many_as_there_is_room_for();
	return tap_done();
}
