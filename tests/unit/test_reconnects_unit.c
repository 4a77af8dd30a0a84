/* SPDX-License-Identifier: MIT */
/* Requests on a connection that the server was closing, and again on a fresh one: pairs made by hand, each bound from both sides. */
#include <stdlib.h>
#include <string.h>

#include "analyzer/link/reconnects.h"
#include "tests/lib/tap.h"
#include "tests/unit/starved.h"

#define MAX 140

static struct model_exchange x[MAX];
static struct model_connection connections[MAX];
static struct model_process processes[2];
static struct model m = {.exchanges = x, .connections = connections, .processes = processes, .process_count = 2, .connection_count = MAX};
static uint64_t counts[2];
static bool busy[2];
static uint32_t eof, get;

/* Two exchanges, the second behind the first. What a case changes in them follows below. */
static void lay_out(void)
{
	for (uint32_t i = 0; i < MAX; i++)
		connections[i].first = MODEL_NONE;
	connections[1].first = 1;
	x[0] = (struct model_exchange){.started_ns = NS_PER_S, .ended_ns = NS_PER_S + NS_PER_MS, .role = MODEL_CLIENT, .edge = 1, .connection = 0, .tid = 9,
				       .outcome = MODEL_INDETERMINATE, .fault = MODEL_NONE, .error = eof, .method = get, .target = 5, .fingerprint = 6};
	x[1] = x[0];
	x[1].connection = 1;
	x[1].started_ns = x[0].ended_ns + NS_PER_MS;
	x[1].ended_ns = x[1].started_ns + NS_PER_MS;
	x[1].outcome = MODEL_OK;
	m.exchange_count = 2;
	memset(processes, 0, sizeof(processes));
	memset(counts, 0, sizeof(counts));
	busy[0] = busy[1] = false;
}

static void expect(unsigned taken, const char *sentence)
{
	unsigned left = 0;
	int err = reconnects_take(&m, busy, counts);

	for (size_t i = 0; i < m.exchange_count; i++)
		left += x[i].edge == MODEL_NONE;
	if (!ok(!err && counts[1] == taken && !counts[0] && left == taken, "%s", sentence))
		printf("# %d of edge 1, %d of edge 0, %u taken\n", (int)counts[1], (int)counts[0], left);
	lay_out();
}

static void check_late(void)
{
	static const char *const errors[] = {"eof", "ECONNRESET", "EPIPE"}, *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};

	expect(1, "sent_again_on_a_fresh_connection");
	for (size_t i = 0; i < 3; i++) {
		x[0].error = texts_add(&m.names, errors[i]);
		expect(1, errors[i]);
	}
	for (size_t i = 0; i < 6; i++) {
		x[0].method = x[1].method = texts_add(&m.names, methods[i]);
		expect(1, methods[i]);
	}
	x[0].error = texts_add(&m.names, "closed");
	expect(0, "not_when_the_client_closed_it");
	x[0].method = texts_add(&m.names, "POST");
	expect(0, "nor_of_a_method_that_is_not_idempotent");
	x[0].role = MODEL_SERVER;
	expect(0, "nor_of_a_server");
	x[0].outcome = MODEL_FAILED;
	expect(0, "nor_of_what_failed");
	x[0].first_byte_ns = x[0].started_ns + 1;
	expect(0, "nor_when_the_answer_had_begun");
	x[0].status = 200;
	expect(0, "nor_with_an_answer");
	x[0].fault = 0;
	expect(0, "nor_when_a_fault_did_it");
	x[0].ended_ns = 0;
	expect(0, "nor_when_it_did_not_end");
	connections[0].first = 0;
	expect(0, "nor_on_a_connection_of_its_own");
	x[0].connection = MODEL_NONE;
	expect(0, "nor_on_one_that_nobody_knows");
	x[0].ended_ns = x[0].started_ns + 100 * NS_PER_MS;
	x[1].started_ns = x[0].ended_ns;
	expect(1, "closed_within_100_ms");
	x[0].ended_ns = x[0].started_ns + 100 * NS_PER_MS + 1;
	x[1].started_ns = x[0].ended_ns;
	expect(0, "not_later");
}

static void check_again(void)
{
	x[1].started_ns = x[0].ended_ns;
	expect(1, "sent_again_as_it_ended");
	x[1].started_ns = x[0].ended_ns - 1;
	expect(0, "not_before");
	x[1].started_ns = x[0].ended_ns + 50 * NS_PER_MS;
	expect(1, "up_to_50_ms_later");
	x[1].started_ns = x[0].ended_ns + 50 * NS_PER_MS + 1;
	expect(0, "and_no_more");
	x[1].target = 50;
	expect(0, "something_else_is_not_the_same");
	x[1].fingerprint = 60;
	expect(0, "nor_is_another_body");
	x[1].edge = 0;
	expect(0, "nor_what_goes_elsewhere");
	x[1].role = MODEL_SERVER;
	expect(0, "nor_what_a_server_sees");
	connections[1].first = MODEL_NONE;
	expect(0, "nor_on_a_connection_that_was_used_before");
	x[1].connection = MODEL_NONE;
	expect(1, "one_that_nobody_knows_may_be_fresh");
	x[0].edge = x[1].edge = MODEL_NONE;
	m.exchange_count = 1;	/* (what is of no edge counts as taken) */
	is_int(reconnects_take(&m, busy, counts) || counts[0] || counts[1], 0, "what_is_of_no_edge_is_not_looked_at");
	lay_out();
}

static void check_caller(void)
{
	x[1].tid = 10;
	expect(0, "another_thread_sends_its_own");
	x[1].process = 1;
	expect(0, "so_does_another_process");
	x[1].tid = 10;
	busy[0] = true;
	expect(1, "threads_of_a_busy_process_do_not_tell");
	x[1].tid = 10;
	processes[0].threadless = true;
	expect(1, "nor_where_some_are_not_known");
	x[1].tid = 10;
	processes[0].returns = true;
	processes[0].crossings = 1;
	expect(1, "nor_where_one_flow_moves_between_them");
	x[0].process = x[1].process = MODEL_NONE;
	x[1].tid = 10;
	expect(1, "nor_those_of_no_process");
	processes[0] = (struct model_process){.returns = true, .overlaps = true, .crossings = 1};
	x[1].tid = 10;
	expect(0, "where_calls_overlap_they_do");
}

/* n of one caller at once, then as many on fresh connections; what is found is the latest first, among 64. */
static void check_many(void)
{
	for (unsigned n = 64; n <= 65; n++) {
		for (uint32_t i = 0; i < n; i++) {
			x[i] = x[0];
			x[i].target = 100 + i;
		}
		x[n] = x[1];
		x[n].connection = 2;
		connections[1].first = MODEL_NONE;
		connections[2].first = n;
		x[n].outcome = MODEL_OK;
		x[n].error = 0;
		x[n].started_ns = x[0].ended_ns + NS_PER_MS;
		x[n].connection = 2;
		x[n].target = 100;
		m.exchange_count = n + 1;
		expect(n == 64, n == 64 ? "of_64_at_once_the_first_is_found" : "of_65_it_is_not");
	}
	for (uint32_t i = 0; i < 6; i++) {
		x[i] = x[0];
		x[i + 6] = x[0];
		x[i + 6].connection = 10 + i;
		connections[10 + i].first = i + 6;
		x[i + 6].started_ns = x[0].ended_ns + 1;
		x[i + 6].outcome = MODEL_OK;
	}
	connections[1].first = MODEL_NONE;
	m.exchange_count = 12;
	expect(6, "each_is_found_once");
	x[2] = x[1];
	x[2].connection = 2;
	connections[2].first = 2;
	m.exchange_count = 3;
	expect(1, "what_was_sent_again_was_so_once");
	x[2] = x[1];
	x[1] = x[0];
	x[1].target = 77;
	connections[1].first = 2;
	m.exchange_count = 3;
	expect(1, "what_lies_between_is_something_else");
	is_int(x[0].edge, 1, "all_as_it_was");
}

static int again(void)
{
	lay_out();
	return reconnects_take(&m, busy, counts);
}

int main(void)
{
	eof = texts_add(&m.names, "eof");
	get = texts_add(&m.names, "GET");
	lay_out();
	check_late();
	check_again();
	check_caller();
	check_many();
	ok(starved_says_so(again), "short_of_memory_it_says_so");
	texts_free(&m.names);
	return tap_done();
}
