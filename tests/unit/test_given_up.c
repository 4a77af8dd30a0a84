/* SPDX-License-Identifier: MIT */
/* Who gave up, and why (analyzer/infer/given_up.h, given_up_reasons.h), when a name was not resolved (unresolved.h): each bound from both sides. */
#include <math.h>
#include <string.h>
#include "analyzer/infer/given_up.h"
#include "analyzer/infer/unresolved.h"
#include "analyzer/read/spill.h"
#include "tests/lib/tap.h"

#define MS(t) ((uint64_t)llround((t) * (double)NS_PER_MS))
#define MOST 80

/* An exchange on a connection of its own; times in ms. */
struct row {
	double start, end;	/* end 0: open */
	const char *error, *closed_by;	/* NULL: "closed"; how its connection ended, NULL: not known */
	int outcome;		/* 0: indeterminate; else 1 + enum model_outcome */
	int parent, process, fault;	/* 0: none, the first, none; else 1 + index */
	bool server, external, synthetic, lost, nowhere, apart;	/* nowhere: of no edge; apart: of no known connection */
	double first_byte;
	unsigned status;
};

#define ROW(from, to, ...) {.start = (from), .end = (to), ##__VA_ARGS__}

struct bench {
	struct result r;
	struct measure m;
	struct given_up g;
	struct model_exchange x[MOST];
	struct model_connection c[MOST];
	struct model_process p[2];
	struct model_fault f[3];
	struct graph_edge edges[2];
	size_t begins[MOST + 1];
	uint32_t members[MOST];
	uint32_t n;
};

static void set_up(struct bench *b)
{
	static const char *const specs[] = {"{\"error\":\"recv:EAGAIN\"}", "{\"delay\":\"1s\"}", "{\"status\":503}"};

	*b = (struct bench){.edges = {{.external = false}, {.external = true}}};
	b->m = (struct measure){.r = &b->r, .graph = {.edges = b->edges, .count = 2}, .chains = {.by_parent = {.members = b->members, .begins = b->begins}}};
	b->r.model = (struct model){.exchanges = b->x, .connections = b->c, .processes = b->p, .faults = b->f, .fault_count = 3, .process_count = 2};
	for (size_t i = 0; i < 3; i++)
		b->f[i].spec = texts_add(&b->r.model.names, specs[i]);
}

static void add(struct bench *b, struct row t)
{
	struct texts *names = &b->r.model.names;

	b->c[b->n] = (struct model_connection){.end = texts_add(names, t.closed_by), .first = b->n};
	b->x[b->n] = (struct model_exchange){
		.started_ns = MS(t.start), .ended_ns = MS(t.end), .error = texts_add(names, t.error ? t.error : "closed"),
		.outcome = t.outcome ? (uint8_t)(t.outcome - 1) : MODEL_INDETERMINATE, .role = t.server ? MODEL_SERVER : MODEL_CLIENT,
		.process = t.process ? (uint32_t)t.process - 1 : 0, .parent = t.parent ? (uint32_t)t.parent - 1 : MODEL_NONE,
		.fault = t.fault ? (uint32_t)t.fault - 1 : MODEL_NONE, .connection = t.apart ? MODEL_NONE : b->n, .synthetic = t.synthetic, .lost = t.lost,
		.edge = t.nowhere ? MODEL_NONE : t.external, .first_byte_ns = MS(t.first_byte), .status = (uint16_t)t.status, .id = 100 + (int)b->n};
	b->n++;
}

/* Groups calls by what they were made for, and marks all. */
static void mark(struct bench *b)
{
	size_t n = 0;

	for (uint32_t p = 0; p < b->n; p++) {
		b->begins[p] = n;
		for (uint32_t i = 0; i < b->n; i++)
			if (b->x[i].parent == p)
				b->members[n++] = i;
	}
	b->begins[b->n] = n;
	b->r.model.exchange_count = b->n;
	ok(!given_up_find(&b->g, &b->m), "there_is_memory");
}

static void put_away(struct bench *b)
{
	given_up_free(&b->g);
	texts_free(&b->r.model.names);
}

static void when_an_attempt_began(void)
{
	static const struct { double opened, connected, started; bool first, known, from_connect; const char *sentence; } cases[] = {
		{10, 30, 50, true, true, true, "with_the_connect_that_ended_20_ms_before_it"}, {10, 29.9, 50, true, true, false, "not_earlier_than_that"},
		{10, 50, 50, true, true, true, "with_one_that_ended_as_it_began"}, {10, 50.1, 50, true, true, false, "not_with_one_that_ended_later"},
		{40, 40, 50, true, true, true, "with_one_that_took_no_time"}, {40, 39.9, 50, true, true, false, "not_with_one_that_ended_before_it_began"},
		{10, 30, 50, false, true, false, "not_where_another_request_came_first"}, {0, 30, 50, true, true, false, "nor_where_that_is_not_known"},
		{60, 70, 50, true, true, false, "nor_with_one_that_began_later"}, {10, 30, 50, true, false, false, "nor_without_a_connection"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;

		set_up(&b);
		add(&b, (struct row){.start = cases[i].started, .end = 100, .apart = !cases[i].known});
		b.c[0].opened_ns = MS(cases[i].opened);
		b.c[0].connected_ns = MS(cases[i].connected);
		b.c[0].first = cases[i].first ? 0 : 1;
		b.g.m = &b.m;
		ok(given_up_start(&b.g, 0) == MS(cases[i].from_connect ? cases[i].opened : cases[i].started), "an_attempt_began_%s", cases[i].sentence);
		texts_free(&b.r.model.names);
	}
}

#define NOT_SENT (1 + MODEL_NOT_SENT)
#define SYN(ms) {.start = 10, .end = 10 + (ms), .error = "ETIMEDOUT", .outcome = NOT_SENT}

static void who_gave_up(void)
{
	static const struct { struct row row; bool cut; const char *sentence; } cases[] = {
		{ROW(10, 500), true, "who_closes_the_connection"}, {ROW(10, 500, .closed_by = "local_close"), true, "who_is_known_to"},
		{ROW(10, 500, .apart = true), true, "who_has_none"}, {ROW(10, 500, .outcome = NOT_SENT), true, "before_its_request_had_left_too"},
		{ROW(10, 500, .outcome = 1 + MODEL_OK), false, "not_who_was_answered"}, {ROW(10, 500, .outcome = 1 + MODEL_FAILED), false, "nor_who_failed"},
		{ROW(10, 0), false, "nor_who_still_waits"}, {ROW(10, 500, .synthetic = true), false, "nor_whom_a_fault_answers"},
		{ROW(10, 500, .lost = true), false, "nor_who_was_answered_elsewhere"}, {ROW(10, 500, .nowhere = true), false, "nor_what_is_no_attempt"},
		{ROW(10, 500, .server = true), false, "nor_a_server"}, {ROW(10, 500, .error = "EAGAIN"), true, "whose_socket_timed_out"},
		{ROW(10, 500, .error = "EWOULDBLOCK"), true, "by_another_name"}, {ROW(10, 500, .error = "EINPROGRESS"), true, "while_it_connects"},
		{ROW(10, 500, .error = "ECONNRESET"), false, "not_who_was_reset"},
		{ROW(10, 500, .error = "ETIMEDOUT"), true, "whose_peer_does_not_acknowledge"},
		{ROW(10, 500, .error = "EAGAIN", .fault = 1), false, "not_by_an_errno_that_a_fault_forges"},
		{ROW(10, 500, .fault = 1), true, "by_a_close_of_its_own"},
		{ROW(10, 500, .error = "EAGAIN", .fault = 3), true, "by_an_errno_that_it_does_not"},
		{ROW(10, 500, .error = "ETIMEDOUT", .fault = 1), false, "not_by_a_forged_timeout"},
		{ROW(10, 500, .closed_by = "peer_close"), false, "not_whose_peer_closes"}, {ROW(10, 500, .closed_by = "reset"), false, "or_resets"},
		{ROW(10, 500, .closed_by = "refused"), false, "or_refuses"}, {ROW(10, 500, .closed_by = "exited"), false, "nor_who_ends"},
		{ROW(10, 500, .closed_by = "unreachable"), false, "nor_whom_none_can_reach"},
		{ROW(10, 500, .closed_by = "unresolved"), false, "nor_who_finds_none"},
		{ROW(10, 500, .closed_by = "peer_close", .fault = 2), true, "where_a_fault_keeps_the_peers_close_back"},
		{ROW(10, 500, .closed_by = "peer_close", .fault = 3), false, "not_where_it_does_not"},
		{ROW(10, 500, .error = "EAGAIN", .closed_by = "peer_close", .fault = 2), false, "nor_for_an_errno"},
		{SYN(1270), false, "the_kernel_after_1_s"}, {SYN(1270.1), true, "not_the_kernel_270_ms_later"}, {SYN(730), false, "nor_so_much_sooner"},
		{SYN(729.9), true, "the_client_before_that"}, {SYN(3310), false, "the_kernel_after_3_s"}, {SYN(3310.1), true, "not_310_ms_later"},
		{SYN(5270), false, "the_kernel_4_s_later_where_it_is_new"}, {SYN(5270.1), true, "not_270_ms_behind_that"}, {SYN(4730), false, "nor_before"},
		{SYN(4729.9), true, "the_client_before_that_too"}, {SYN(260350), false, "the_kernel_after_255_s"}, {SYN(264350), false, "or_259"},
		{SYN(264350.1), true, "never_later"}, {SYN(511000), true, "nor_after_511"},
		{ROW(10, 500, .server = true, .external = true, .closed_by = "peer_close"), true, "who_goes_before_it_is_answered"},
		{ROW(10, 500, .server = true, .external = true, .closed_by = "reset"), true, "with_a_reset_too"},
		{ROW(10, 500, .server = true, .external = true, .closed_by = "refused"), false, "not_otherwise"},
		{ROW(10, 500, .server = true, .external = true), false, "not_where_it_is_not_known"},
		{ROW(10, 500, .server = true, .external = true, .apart = true), false, "nor_without_a_connection"},
		{ROW(10, 500, .server = true, .external = true, .closed_by = "peer_close", .error = "EPIPE"), false, "nor_where_it_was_answered"},
		{ROW(10, 500, .server = true, .external = true, .closed_by = "peer_close", .outcome = 1 + MODEL_FAILED), false, "well_or_not"},
		{ROW(10, 0, .server = true, .external = true, .closed_by = "peer_close"), false, "nor_while_it_is_there"},
		{ROW(10, 500, .server = true, .closed_by = "peer_close"), false, "its_own_word_counts_where_it_is_known"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;

		set_up(&b);
		add(&b, cases[i].row);
		mark(&b);
		is_int(b.g.marks[0], cases[i].cut ? CUT : WAITED, "gives_up: %s", cases[i].sentence);
		put_away(&b);
	}
}

/* Two given up, and what their process does last. */
static void the_last_act(void)
{
	static const struct { double first, second, last; int other; bool spoiled; const char *sentence; } cases[] = {
		{980, 1000, 1000, 0, true, "two_at_once_are_its_end"}, {979.9, 1000, 1000, 0, false, "20_ms_apart_they_are_not"},
		{980, 1000, 1000.1, 0, false, "nor_where_it_does_more"}, {990, 1000, 1010, 0, true, "unless_at_once"},
		{990, 1000, 1000, 1, false, "nor_of_two"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (int open = 0; open < 2; open++) {
			struct bench b;

			set_up(&b);
			add(&b, (struct row)ROW(10, cases[i].first));
			add(&b, (struct row)ROW(500, cases[i].second, .process = 1 + cases[i].other));
			add(&b, (struct row)ROW(open ? cases[i].last : 20, open ? 0 : cases[i].last, .outcome = 1 + MODEL_FAILED, .server = true));
			mark(&b);
			is_int(b.g.marks[0] == SPOILED && b.g.marks[1] == SPOILED, cases[i].spoiled, "the_last_act_of_a_process: %s", cases[i].sentence);
			put_away(&b);
		}
}

/* A call from 100 to 500 ms for a request that ended otherwise, or beside another call: whether that ended it. */
static void what_ended_it(void)
{
	static const struct { struct row parent, sibling; bool explained; const char *sentence; } cases[] = {
		{ROW(50, 480, .server = true), ROW(0, 0), true, "its_request_was_given_up_20_ms_before"},
		{ROW(50, 479.9, .server = true), ROW(0, 0), false, "not_earlier"},
		{ROW(50, 520, .server = true), ROW(0, 0), true, "or_20_ms_later"}, {ROW(50, 520.1, .server = true), ROW(0, 0), false, "not_later"},
		{ROW(50, 500, .server = true, .error = "EPIPE"), ROW(0, 0), false, "not_where_the_server_did_not_know"},
		{ROW(50, 500, .server = true, .outcome = 1 + MODEL_FAILED), ROW(0, 0), false, "nor_where_it_failed"},
		{ROW(50, 500, .server = true, .first_byte = 450), ROW(0, 0), false, "nor_where_it_was_being_answered"},
		{ROW(50, 500, .server = true, .status = 200), ROW(0, 0), false, "or_had_been"},
		{ROW(50, 0, .server = true), ROW(0, 0), false, "nor_while_it_goes_on"},
		{ROW(50, 900, .server = true), ROW(120, 500, .outcome = 1), true, "a_call_beside_it_was_answered"},
		{ROW(50, 900, .server = true), ROW(120, 501, .outcome = 1), true, "1_ms_later"},
		{ROW(50, 900, .server = true), ROW(120, 501.1, .outcome = 1), false, "not_more"},
		{ROW(50, 900, .server = true), ROW(120, 490, .outcome = 1), true, "10_ms_before"},
		{ROW(50, 900, .server = true), ROW(120, 489.9, .outcome = 1), false, "no_more"},
		{ROW(50, 900, .server = true), ROW(120, 500, .outcome = 2), true, "or_failed"},
		{ROW(50, 900, .server = true), ROW(120, 0, .outcome = 1), false, "not_open"},
		{ROW(50, 900, .server = true), ROW(120, 500, .outcome = 1, .server = true), false, "no_request"},
		{ROW(50, 900, .server = true), ROW(499.9, 500.1, .outcome = 1), true, "that_began_before_its_end"},
		{ROW(50, 900, .server = true), ROW(500, 500.1, .outcome = 1), false, "not_as_it_ended"},
		{ROW(50, 900, .server = true), ROW(50, 500), true, "one_that_was_given_up_after_a_longer_wait"},
		{ROW(50, 900, .server = true), ROW(94.9, 500), true, "of_more_than_5_ms"}, {ROW(50, 900, .server = true), ROW(95, 500), false, "not_of_5"},
		{ROW(50, 900, .server = true), ROW(150, 500), false, "not_after_a_shorter_one"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;

		set_up(&b);
		add(&b, cases[i].parent);
		add(&b, (struct row)ROW(100, 500, .parent = 1));
		if (cases[i].sibling.start > 0)
			add(&b, cases[i].sibling);
		if (b.n > 2)
			b.x[2].parent = 0;
		add(&b, (struct row)ROW(9000, 9001, .outcome = 1 + MODEL_OK));
		mark(&b);
		is_int(b.g.marks[1], cases[i].explained ? EXPLAINED : CUT, "ended: %s", cases[i].sentence);
		put_away(&b);
	}
}

static void what_is_short(void)
{
	struct bench b;

	set_up(&b);
	add(&b, (struct row)ROW(50, 900, .server = true));
	add(&b, (struct row)ROW(495, 500, .parent = 1));
	add(&b, (struct row)ROW(100, 495, .parent = 1, .outcome = 1 + MODEL_OK));
	add(&b, (struct row)ROW(9000, 9001, .outcome = 1 + MODEL_OK));
	mark(&b);
	is_int(b.g.marks[1], CUT, "what_ended_as_it_began_ended_without_it");
	put_away(&b);
}

/* Calls of a process whose requests are not known: one given up at 500 ms, one that failed then, and others that end around. */
static void neighbours(void)
{
	static const struct { unsigned more; double at, from; int process; double seconds; unsigned idle; bool explained; const char *sentence; } cases[] = {
		{0, 500, 120, 0, 10, 0, true, "one_that_failed_as_it_ended"}, {4, 400, 120, 0, 10, 0, true, "six_of_them_within_100_ms"},
		{5, 400, 120, 0, 10, 0, false, "not_seven"}, {5, 399.9, 120, 0, 10, 0, true, "those_before_do_not_count"},
		{4, 600, 120, 0, 10, 0, true, "six_to_100_ms_behind"}, {5, 600, 120, 0, 10, 0, false, "not_seven_there"},
		{5, 600.1, 120, 0, 10, 0, true, "those_behind_do_not_count"}, {0, 500, 120, 2, 10, 0, false, "not_one_of_another_process"},
		{0, 500, 120, 0, 1, 47, true, "of_50_calls_in_a_second"}, {0, 500, 120, 0, 1, 48, false, "not_of_51"},
		{0, 500, 120, 0, 0.5, 47, true, "nor_in_less"}, {0, 500, 120, 0, 1.02, 48, true, "of_51_in_a_little_more"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bench b;

		set_up(&b);
		b.r.duration_s = cases[i].seconds;
		add(&b, (struct row)ROW(100, 500));
		add(&b, (struct row)ROW(cases[i].from, 500, .outcome = 1 + MODEL_FAILED, .process = cases[i].process));
		for (unsigned k = 0; k < cases[i].more; k++)
			add(&b, (struct row)ROW(cases[i].at - 0.01, cases[i].at, .outcome = 1 + MODEL_OK));
		for (unsigned k = 0; k < cases[i].idle; k++)
			add(&b, (struct row)ROW(8000, 8001 + k, .outcome = 1 + MODEL_OK));
		add(&b, (struct row)ROW(9000, 9001, .outcome = 1 + MODEL_OK));
		mark(&b);
		is_int(b.g.marks[0], cases[i].explained ? EXPLAINED : CUT, "beside_it: %s", cases[i].sentence);
		put_away(&b);
	}
}

/* Failures that name resolution explains: two of the second process, one of the first, and what only looks like it. */
static void names_that_are_not_resolved(void)
{
	struct unresolved u = {0};
	uint64_t *times = NULL;
	struct bench b;
	size_t n;

	set_up(&b);
	add(&b, (struct row)ROW(30, 31, .error = "EAI_AGAIN", .outcome = NOT_SENT, .process = 2));
	add(&b, (struct row)ROW(20, 21, .error = "EAI_NONAME", .outcome = NOT_SENT, .process = 1));
	add(&b, (struct row)ROW(10, 11, .error = "EAI_AGAIN", .outcome = NOT_SENT, .process = 2));
	add(&b, (struct row)ROW(40, 41, .error = "EAI_AGAIN", .outcome = 1 + MODEL_OK, .process = 2));
	add(&b, (struct row)ROW(50, 51, .error = "ECONNREFUSED", .outcome = NOT_SENT, .process = 2));
	add(&b, (struct row)ROW(60, 61, .error = "EAI_AGAIN", .outcome = NOT_SENT, .process = 2, .server = true));
	add(&b, (struct row)ROW(70, 71, .error = "EAI_AGAIN", .outcome = NOT_SENT));
	b.x[6].process = MODEL_NONE;
	b.r.model.exchange_count = b.n;
	ok(!unresolved_find(&u, &b.m) && u.n == 3, "three_names_were_not_resolved");
	ok(!unresolved_times(&u, 1, &times, &n) && n == 2 && times[0] == MS(10) && times[1] == MS(30), "two_of_one_process_in_order");
	spill_free(times);
	ok(!unresolved_times(&u, 0, &times, &n) && n == 1 && times[0] == MS(20), "one_of_another");
	spill_free(times);
	ok(!unresolved_times(&u, 2, &times, &n) && n == 0, "none_of_a_third");
	spill_free(times);
	unresolved_free(&u);
	ok(!unresolved_times(&u, 0, &times, &n) && n == 0, "none_of_none");
	spill_free(times);
	texts_free(&b.r.model.names);
}

int main(void)
{
	when_an_attempt_began();
	who_gave_up();
	the_last_act();
	what_ended_it();
	what_is_short();
	neighbours();
	names_that_are_not_resolved();
	return tap_done();
}
