/* SPDX-License-Identifier: MIT */
/* Work for clients that had given up (analyzer/measure/wasted.c): which request at a server is which attempt, by hand. Times in microseconds. */
#include "analyzer/measure.h"
#include "tests/lib/tap.h"

#define MOST 6
#define OPEN -1			/* it did not end */

/* In order of start: an attempt (failed or well), or what the server did, on the connection of that number. */
struct event {
	enum { NONE, WELL, FAILED, SERVED, OTHERS } what;	/* OTHERS: an attempt that nothing is known of but its start */
	long from, to;
	int connection;
};

static const struct story {
	const char *sentence;
	struct event events[MOST];
	long wasted, all;	/* microseconds of the server; all 0: not known */
	int unwanted;		/* how many requests */
} stories[] = {
	{"a_request_that_is_answered_well_is_no_waste", {{WELL, 1000, 9000, 0}, {SERVED, 1100, 8900, 0}}, 0, 7800, 0},
	{"one_that_was_given_up_before_is", {{FAILED, 1000, 3000, 0}, {SERVED, 1100, 8900, 0}}, 7800, 7800, 1},
	{"within_100_us_of_its_end_nobody_was_sooner", {{FAILED, 1000, 8800, 0}, {SERVED, 1100, 8900, 0}}, 0, 7800, 0},
	{"beyond_that_the_client_was", {{FAILED, 1000, 8799, 0}, {SERVED, 1100, 8900, 0}}, 7800, 7800, 1},
	{"who_answers_well_after_all_worked_for_somebody", {{WELL, 1000, 3000, 0}, {SERVED, 1100, 8900, 0}}, 0, 7800, 0},
	{"an_attempt_without_an_end_was_not_given_up", {{FAILED, 1000, OPEN, 0}, {SERVED, 1100, 8900, 0}}, 0, 7800, 0},
	{"work_without_an_end_has_no_time", {{FAILED, 1000, 3000, 0}, {SERVED, 1100, OPEN, 0}}, 0, 0, 1},
	{"a_server_may_be_seen_100_us_before_its_client", {{SERVED, 1000, 8900, 0}, {FAILED, 1100, 3000, 0}}, 7900, 7900, 1},
	{"not_more", {{SERVED, 1000, 8900, 0}, {FAILED, 1101, 3000, 0}}, 0, 0, 0},
	{"then_the_attempt_is_of_the_next", {{SERVED, 1000, 1050, 0}, {FAILED, 1101, 3000, 0}, {SERVED, 1200, 8900, 0}}, 7700, 7700, 1},
	{"one_attempt_has_one_request", {{FAILED, 1000, 3000, 0}, {SERVED, 1100, 8900, 0}, {SERVED, 9000, 9900, 0}}, 7800, 7800, 1},
	{"and_one_request_one_attempt", {{SERVED, 1000, 8900, 0}, {FAILED, 1050, 3000, 0}, {FAILED, 1060, 3000, 0}}, 7900, 7900, 1},
	{"the_last_attempt_before_it_counts", {{FAILED, 1000, 3000, 0}, {WELL, 3100, 9000, 0}, {SERVED, 3200, 8900, 0}}, 0, 5700, 0},
	{"the_sum_is_of_all", {{FAILED, 1000, 2000, 0}, {SERVED, 1100, 3100, 0}, {WELL, 5000, 9000, 0}, {SERVED, 5100, 8100, 0}}, 2000, 5000, 1},
	{"each_connection_has_its_own", {{FAILED, 1000, 2000, 0}, {WELL, 1001, 9000, 1}, {SERVED, 1100, 3100, 0}, {SERVED, 1101, 4101, 1}}, 2000, 5000, 1},
	{"what_was_not_seen_at_its_server_is_not_known", {{FAILED, 1000, 2000, 2}, {SERVED, 1100, 3100, 0}}, 0, 0, 0},
	{"nor_what_is_no_attempt", {{OTHERS, 1000, 2000, 0}, {SERVED, 1100, 3100, 0}}, 0, 0, 0},
	{"nor_on_a_connection_without_addresses", {{FAILED, 1000, 2000, 3}, {SERVED, 1100, 3100, 3}}, 0, 0, 0},
};

/* Connections by number: at the client, and 10 further at the server; 2 has no server, 3 no addresses. */
static struct model_connection connections[20] = {
	[0] = {.role = MODEL_CLIENT, .local = 1, .peer = 9}, [1] = {.role = MODEL_CLIENT, .local = 2, .peer = 9},
	[2] = {.role = MODEL_CLIENT, .local = 3, .peer = 9}, [3] = {.role = MODEL_CLIENT},
	[10] = {.role = MODEL_SERVER, .local = 9, .peer = 1}, [11] = {.role = MODEL_SERVER, .local = 9, .peer = 2},
	[12] = {.role = MODEL_NO_ROLE, .local = 9, .peer = 3}, [13] = {.role = MODEL_SERVER},
};

static size_t write_events(const struct event *e, struct model_exchange *exchanges)
{
	size_t n = 0;

	for (; n < MOST && e[n].what; n++)
		exchanges[n] = (struct model_exchange){
			.started_ns = (uint64_t)e[n].from * NS_PER_US, .ended_ns = e[n].to == OPEN ? 0 : (uint64_t)e[n].to * NS_PER_US,
			.connection = (uint32_t)(e[n].connection + (e[n].what == SERVED ? 10 : 0)),
			.edge = e[n].what == WELL || e[n].what == FAILED ? 0 : MODEL_NONE,
			.role = e[n].what == SERVED ? MODEL_SERVER : MODEL_CLIENT, .outcome = e[n].what == FAILED ? MODEL_INDETERMINATE : MODEL_OK};
	return n;
}

static void check(const struct story *s)
{
	struct model_exchange exchanges[MOST];
	struct result_edge edge = {0};
	struct result x = {.edges = &edge, .edge_count = 1};
	struct link_logical logical = {.started_ns = 5};
	struct measure m = {.r = &x, .to_ns = UINT64_MAX};
	int unwanted = 0, requests = 0;

	x.model = (struct model){.exchanges = exchanges, .connections = connections, .connection_count = 20};
	x.model.exchange_count = write_events(s->events, exchanges);
	m.link.logicals = &logical;
	if (measure_wasted(&m))
		abort();
	for (size_t i = 0; i < x.model.exchange_count; i++) {
		unwanted += exchanges[i].unwanted;
		requests += exchanges[i].role == MODEL_SERVER;
	}
	if (!ok(edge.wasted_work.known == (s->all > 0) && (!s->all || edge.wasted_work.value == (double)s->wasted / (double)s->all) &&
		edge.wasted_work.n <= (uint64_t)requests && unwanted == s->unwanted, "%s", s->sentence))
		printf("# %g of %d, unwanted %d\n", edge.wasted_work.value, (int)edge.wasted_work.n, unwanted);
	m.from_ns = 6;
	if (measure_wasted(&m))
		abort();
	ok(!edge.wasted_work.known, "what_began_before_the_time_that_is_looked_at_does_not_count");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check(&stories[i]);
	return tap_done();
}
