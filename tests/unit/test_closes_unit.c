/* SPDX-License-Identifier: MIT */
/* Clients that close late what they gave up: requests made by hand, each bound from both sides. */
#include <stdlib.h>
#include <string.h>

#include "analyzer/link/closes.h"
#include "tests/lib/tap.h"

#define ROWS 4
#define ATTEMPTS 5
#define MAX 400

/* What is otherwise with the second attempt. */
enum otherwise { NOTHING, ANSWERED, ANSWERING, FAILED, RESET, BACKWARDS };

/* n requests: how long their attempts last, which are given up by the client (below 0: they fail otherwise), and how long behind each the next begins. */
struct row {
	unsigned n;
	double took_ms[ATTEMPTS], gap_ms;
	enum otherwise second;
	bool good;		/* the last is answered */
	double opened_ms;	/* the connection of each was opened so long after the end of the one before; 0: nobody knows when */
};

static struct model_exchange exchanges[MAX];
static struct model_connection connections[MAX];
static uint32_t members[MAX], requests[MAX];
static size_t begins[MAX + 2], request_begins[3];
static struct graph_edge edge;
static struct result r;
static struct measure m = {.r = &r, .graph = {.edges = &edge, .count = 1}};
static uint64_t ends[MAX];

static void spoil(struct model_exchange *x, enum otherwise how)
{
	x->status = how == ANSWERED ? 200 : 0;
	x->first_byte_ns = how == ANSWERING ? x->started_ns + 1 : 0;
	x->outcome = how == FAILED ? MODEL_FAILED : x->outcome;
	x->error = how == RESET ? 0 : x->error;
	x->ended_ns = how == BACKWARDS ? x->started_ns : x->ended_ns;
}

static uint64_t add(const struct row *w, unsigned k, uint64_t at)
{
	uint32_t i = (uint32_t)r.model.exchange_count++;
	double took = w->took_ms[k];
	bool last = k + 1 == ATTEMPTS || w->took_ms[k + 1] == 0;

	exchanges[i] = (struct model_exchange){.started_ns = at, .ended_ns = at + (uint64_t)((took < 0 ? -took : took) * NS_PER_MS + 0.5), .connection = i,
					       .outcome = MODEL_INDETERMINATE, .error = took < 0 ? 0 : texts_add(&r.model.names, "closed")};
	if (last && w->good)
		exchanges[i].outcome = MODEL_OK;
	if (k == 1)
		spoil(&exchanges[i], w->second);
	connections[i].opened_ns = w->opened_ms && i ? exchanges[i - 1].ended_ns + (uint64_t)(w->opened_ms * NS_PER_MS) : 0;
	members[i] = i;
	return exchanges[i].ended_ns + (uint64_t)((int64_t)(w->gap_ms * NS_PER_MS));
}

static void lay_out(const struct row *rows)
{
	size_t n = 0;

	r = (struct result){.model = {.exchanges = exchanges, .connections = connections, .connection_count = MAX}};
	for (const struct row *w = rows; w < rows + ROWS; w++)
		for (unsigned i = 0; i < w->n; i++, n++) {
			uint64_t at = (n + 1) * 100 * NS_PER_S;

			begins[n] = r.model.exchange_count;
			requests[n] = (uint32_t)n;
			for (unsigned k = 0; k < ATTEMPTS && w->took_ms[k]; k++)
				at = add(w, k, at);
		}
	begins[n] = r.model.exchange_count;
	request_begins[1] = n;
	m.chains.by_logical = (struct chains_group){members, begins};
	m.chains.requests = (struct chains_group){requests, request_begins};
	for (size_t i = 0; i < r.model.exchange_count; i++)
		ends[i] = exchanges[i].ended_ns;
}

/* How many attempts end elsewhere than before; -1: other than at the timeout of 300 ms (or 1 s, 3 s). */
static int dated(void)
{
	int n = 0;

	for (size_t i = 0; i < r.model.exchange_count; i++) {
		uint64_t took = exchanges[i].ended_ns - exchanges[i].started_ns;

		if (exchanges[i].ended_ns == ends[i])
			continue;
		if (took != 300 * NS_PER_MS && took != NS_PER_S && took != 3 * NS_PER_S)
			return -1;
		n++;
	}
	return n;
}

#define ROW(n, ...) {n, {__VA_ARGS__}, 0.5, NOTHING, false, 0}
#define OTHER(n, how, ...) {n, {__VA_ARGS__}, 0.5, how, false, 0}
#define GOOD(n, ...) {n, {__VA_ARGS__}, 0.5, NOTHING, true, 0}
#define GAP(n, gap, ...) {n, {__VA_ARGS__}, gap, NOTHING, false, 0}
#define AT_ONCE 1e-9
#define OPENED(n, gap, opened, ...) {n, {__VA_ARGS__}, gap, NOTHING, false, opened}

static const struct story {
	const char *sentence;
	struct row rows[ROWS];
	int dated;
} stories[] = {
	{"three_requests_show_it", {ROW(3, 300, 500, 300)}, 3},
	{"two_do_not", {ROW(2, 300, 500, 300)}, 0},
	{"nor_two_last_attempts", {ROW(2, 300, 500, 300), GOOD(1, 300, 500, 300)}, 0},
	{"last_attempts_that_are_answered_are_none", {ROW(3, 300, 500, 300), GOOD(2, 300, 500, 100)}, 5},
	{"nor_is_a_single_one", {ROW(3, 300, 500, 300), ROW(2, 700)}, 3},
	{"twelve_of_those_are_no_first_ones", {ROW(3, 300, 500, 300), ROW(12, 700)}, 3},
	{"two_first_ones_do_not", {ROW(2, 300, 500, 300), ROW(1, -300, 500, 300)}, 0},
	{"nor_two_that_are_longer", {ROW(2, 300, 500, 300), ROW(1, 300, 300, 300)}, 0},
	{"a_quarter_of_the_first_is_as_long", {ROW(1, 300, 500, 300), ROW(3, 450, 500, 300)}, 4},
	{"a_fifth_is_too_few", {ROW(1, 300, 500, 300), ROW(4, 450, 500, 300)}, 0},
	{"5_ms_more_are_as_long", {ROW(3, 305, 500, 300)}, 3},
	{"5_ms_less_too", {ROW(3, 295, 500, 300)}, 3},
	{"and_not_more", {ROW(3, 305.1, 500, 300)}, 0},
	{"of_a_second_10_ms_are", {ROW(3, 1010, 1500, 1000)}, 3},
	{"and_not_10_1", {ROW(3, 1010.1, 1500, 1000)}, 0},
	{"20_ms_more_are_not_longer", {ROW(3, 300, 320, 300)}, 0},
	{"what_is_longer_still_is", {ROW(3, 300, 320.1, 300)}, 3},
	{"of_three_seconds_30_ms_are_not", {ROW(3, 3000, 3030, 3000)}, 0},
	{"30_1_are", {ROW(3, 3000, 3030.1, 3000)}, 3},
	{"only_those_are_dated", {ROW(3, 300, 500, 310, 300)}, 3},
	{"each_of_them", {ROW(3, 300, 500, 700, 300)}, 6},
	{"not_the_first_one", {ROW(3, 300, 500, 300), ROW(1, 500, 500, 300)}, 4},
	{"nor_one_that_failed_otherwise", {ROW(3, 300, 500, 300), ROW(1, 300, -500, 300)}, 3},
	{"last_ones_may_differ_by_5_ms", {ROW(8, 300, 500, 300), ROW(2, 300, 500, 305)}, 10},
	{"and_not_by_more", {ROW(8, 300, 500, 300), ROW(2, 300, 500, 305.1)}, 0},
	{"one_in_ten_by_any_length", {ROW(9, 300, 500, 300), ROW(1, 300, 300, 600)}, 9},
	{"on_either_side", {ROW(10, 300, 500, 300), ROW(1, 300, 300, 100), ROW(1, 300, 300, 600)}, 10},
	{"of_three_seconds_by_30_ms", {ROW(8, 3000, 5000, 3000), ROW(2, 3000, 5000, 3030)}, 10},
	{"two_in_ten_do_not_agree", {ROW(8, 300, 500, 300), ROW(2, 300, 500, 600)}, 0},

	/* until just before the next */
	{"the_next_begins_within_5_ms", {GAP(3, 5, 300, 500, 300)}, 3},
	{"not_later", {GAP(3, 5.1, 300, 500, 300)}, 0},
	{"at_the_moment_of_the_end", {GAP(3, 0, 300, 500, 300)}, 3},
	{"not_before_it", {GAP(3, -1, 300, 500, 300)}, 0},
	{"one_in_eleven_may_be_later", {ROW(10, 300, 500, 300), GAP(1, 50, 300, 500, 300)}, 11},
	{"by_up_to_50_ms", {ROW(10, 300, 500, 300), GAP(1, 50.1, 300, 500, 300)}, 10},
	{"two_in_twelve_may_not", {ROW(10, 300, 500, 300), GAP(2, 50, 300, 500, 300)}, 0},
	{"a_connection_that_was_opened_for_it_counts", {OPENED(3, 20, 5, 300, 500, 300)}, 3},
	{"or_as_the_other_ended", {OPENED(3, 20, AT_ONCE, 300, 500, 300)}, 3},
	{"one_that_was_opened_later_does_not", {OPENED(3, 20, 5.1, 300, 500, 300)}, 0},
	{"one_that_was_opened_before_is_not_of_it", {OPENED(3, 4, -100, 300, 500, 300)}, 3},
	{"whose_last_one_agrees_by_20_ms", {ROW(18, 300, 500, 300), ROW(2, 300, 500, 320)}, 20},
	{"two_in_twenty_that_do_not_are_too_many", {ROW(17, 300, 500, 300), ROW(1, 300, 500, 320.1), ROW(2, 300, 500, 279.9)}, 0},
	{"those_that_were_answered_say_nothing", {ROW(18, 300, 500, 300), GOOD(6, 300, 500, 100)}, 24},

	/* what the client gave up while it waited */
	{"not_what_was_answered", {OTHER(3, ANSWERED, 300, 500, 300)}, 0},
	{"nor_what_was_being_answered", {OTHER(3, ANSWERING, 300, 500, 300)}, 0},
	{"nor_what_failed", {OTHER(3, FAILED, 300, 500, 300)}, 0},
	{"nor_what_the_server_closed", {OTHER(3, RESET, 300, 500, 300)}, 0},
	{"what_has_no_length_is_not_looked_at", {ROW(3, 300, 500, 300), OTHER(1, BACKWARDS, 300, 500, 300)}, 3},
};

int main(void)
{
	for (const struct story *s = stories; s < stories + sizeof(stories) / sizeof(*stories); s++) {
		lay_out(s->rows);
		ok(!closes_date(&m) && (r.note_count == 1) == (s->dated > 0), "%s", s->sentence);
		is_int(dated(), s->dated, "%s", s->sentence);
		texts_free(&r.model.names);
		for (size_t i = 0; i < r.note_count; i++)
			free(r.notes[i]);
		free(r.notes);
	}
	return tap_done();
}
