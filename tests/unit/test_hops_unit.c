/* SPDX-License-Identifier: MIT */
/* Which attempts go on from another at another server: from attempts made by hand to hops, each bound from both sides. */
#include <stdlib.h>
#include <string.h>

#include "analyzer/link/hops.h"
#include "tests/lib/tap.h"
#include "tests/unit/starved.h"

#define ROWS 6
#define MAX 400
#define EDGES 5
#define STEP_NS (100 * NS_PER_MS)	/* from the end of what belongs together to what comes next */

/* What names the intent of attempts: the thread; one of these; the thread of one that serves others; of none that is known; a flow. */
enum by { THREAD, KEY, PARENT, CORRELATION, SERVING, UNKNOWN, FLOW };

/*
 * n times the same attempts, one after another: the edge ("A" to "C" are one client's, "D" and "E" calls of others), how it ended (+ well, - failed,
 * ! refused, ? never, 7 redirected, 4 asked for credentials), and how long after the end of the one before it began ("@20": ms; else 1), "/" asks
 * something else, "=" is of the request that the attempt two before it is of, "p" is of another process.
 */
struct row {
	unsigned n;
	const char *attempts;
};

static struct model_exchange exchanges[MAX];
static struct link_logical logicals[MAX];
static struct graph_edge *edges;	/* exactly as many as there are, so that AddressSanitizer sees what is read behind them */
static struct model_process processes[2];
static uint32_t members[MAX + 1], tids;
static size_t begins[MAX + 3];
static uint64_t now;
static struct model m = {.exchanges = exchanges, .processes = processes, .process_count = 2};
static struct graph g = {.count = EDGES, .name_count = 4};
static struct link l = {.logicals = logicals};
static struct chains c = {.by_parent = {members, begins}};
static struct hops h;

static struct model_exchange *add(char edge, enum by by, uint64_t whose)
{
	struct model_exchange *x = &exchanges[m.exchange_count];

	*x = (struct model_exchange){.started_ns = now, .ended_ns = now + NS_PER_MS, .edge = (uint32_t)(edge - 'A'), .role = MODEL_CLIENT, .target = 7,
				     .fingerprint = 8, .parent = MODEL_NONE, .tid = 9, .logical = (uint32_t)m.exchange_count};
	x->idempotency_key = by == KEY ? whose : 0;
	x->correlation = by == CORRELATION ? whose : 0;
	x->tid = by == FLOW ? ++tids : 9;
	logicals[m.exchange_count] = (struct link_logical){.first = (uint32_t)m.exchange_count, .edge = x->edge, .attempts = 1};
	l.count = ++m.exchange_count;
	return x;
}

/* What stands behind the edge of an attempt. Returns where the next begins. */
static const char *describe(struct model_exchange *x, const char *p)
{
	char *end = (char *)p;

	for (; *p && *p != ' '; p = end > p ? end : p + 1) {
		x->outcome = strchr("-!?", *p) ? *p == '!' ? MODEL_NOT_SENT : MODEL_FAILED : x->outcome;
		x->status = *p == '7' ? 307 : *p == '4' ? 401 : x->status;
		if (*p == '!')
			x->target = x->fingerprint = 0;
		if (*p == '/')
			x->target = 70;
		if (*p == 'p')
			x->process = 1;
		if (*p == '=')
			x->logical = (x - 2)->logical;
		if (*p == '@') {
			x->started_ns = x[-1].ended_ns + (uint64_t)(int64_t)(strtod(p + 1, &end) * NS_PER_MS + 0.5);
			x->ended_ns = x->started_ns + NS_PER_MS;
		}
		if (*p == '?')
			x->ended_ns = 0;
	}
	now = x->started_ns + 2 * NS_PER_MS;
	return *p ? p + 1 : p;
}

static void play(const struct row *rows, enum by by)
{
	uint64_t whose = 0;

	now = NS_PER_S;
	m.exchange_count = l.count = 0;
	processes[0] = (struct model_process){.inbound = by == SERVING || by == PARENT, .threadless = by == UNKNOWN || by == FLOW,
					      .returns = by == FLOW, .crossings = 1};
	for (const struct row *r = rows; r < rows + ROWS && r->n; r++)
		for (unsigned i = 0; i < r->n; i++, now += STEP_NS) {
			uint32_t in = (uint32_t)m.exchange_count;

			whose++;
			if (by == PARENT) {
				*add('A', THREAD, 0) = (struct model_exchange){.started_ns = now, .ended_ns = now + 1, .edge = MODEL_NONE, .role = MODEL_SERVER,
										.parent = MODEL_NONE};
				logicals[in].edge = 0;
			}
			for (const char *p = r->attempts; *p;) {
				struct model_exchange *x = add(*p, by, whose);

				x->parent = by == PARENT ? in : MODEL_NONE;
				p = describe(x, p + 1);
			}
		}
}

static void find(void)
{
	h = (struct hops){0};
	if (hops_build(&h, &l, &m, &g, &c))
		abort();
}

/* The destination of each edge, as letters. */
static const char *destinations(void)
{
	static char text[EDGES + 1];

	for (size_t e = 0; e < EDGES; e++)
		text[e] = (char)('A' + h.destination[e]);
	return text;
}

static const struct story {
	const char *sentence;
	enum by by;
	struct row rows[ROWS];
	unsigned hops;
} stories[] = {
	{"a_failure_that_another_server_is_asked_after_is_a_hop", THREAD, {{1, "A+"}, {1, "A- B+"}}, 1},
	{"a_success_is_not", THREAD, {{2, "A+ B+"}}, 0},
	{"the_same_server_is_no_other", THREAD, {{1, "A+"}, {1, "A- A+"}}, 0},
	{"one_success_in_twenty_may_be_followed_so", THREAD, {{19, "A+"}, {1, "A+ B+"}, {1, "A- B+"}}, 1},
	{"but_not_in_nineteen", THREAD, {{18, "A+"}, {1, "A+ B+"}, {1, "A- B+"}}, 0},
	{"what_follows_later_says_nothing_of_what_follows_at_once", THREAD, {{1, "A+ B+@20.1"}, {1, "A- B+@20"}}, 1},
	{"what_follows_within_20_ms_does", THREAD, {{1, "A+ B+@20"}, {1, "A- B+@20"}}, 0},
	{"nor_what_follows_at_once_of_what_follows_later", THREAD, {{1, "A+ B+@20"}, {1, "A- B+@20.1"}}, 1},
	{"what_follows_later_of_that_does", THREAD, {{1, "A+ B+@20.1"}, {1, "A- B+@20.1"}}, 0},
	{"a_minute_later_it_is_one", THREAD, {{1, "A+"}, {1, "A- B+@60000"}}, 1},
	{"and_then_none", THREAD, {{1, "A+"}, {1, "A- B+@60001"}}, 0},
	{"the_moment_of_the_end_will_do", THREAD, {{1, "A+"}, {1, "A- B+@0"}}, 1},
	{"before_the_end_will_not", THREAD, {{1, "A+"}, {1, "A- B+@-0.1"}}, 0},
	{"what_never_ended_is_not_gone_on_from", THREAD, {{1, "A+"}, {1, "A-? B+"}}, 0},
	{"something_else_is_no_hop", THREAD, {{1, "A+"}, {1, "A- B+/"}}, 0},
	{"nor_what_another_process_asks", THREAD, {{1, "A+"}, {1, "A- B+p"}}, 0},
	{"what_was_redirected_is_answered", THREAD, {{1, "A+"}, {1, "A-7 B+"}}, 0},
	{"so_is_what_needs_credentials", THREAD, {{1, "A+"}, {1, "A-4 B+"}}, 0},
	{"and_neither_is_what_follows_a_success", THREAD, {{2, "A+7 B+"}, {2, "A+4 B+"}, {1, "A- B+"}}, 1},
	{"who_calls_one_server_has_nowhere_to_go", KEY, {{1, "D+"}, {1, "D- E+"}}, 0},
	{"three_servers_are_two_hops", THREAD, {{1, "A+"}, {1, "B+"}, {1, "A- B- C+"}}, 2},
	{"the_latest_failure_is_gone_on_from", THREAD, {{1, "A+"}, {1, "A- B- C+"}}, 1},

	/* by what intent is known */
	{"one_key_is_one_intent", KEY, {{1, "A+"}, {1, "A- B+"}}, 1},
	{"two_are_two", KEY, {{1, "A+"}, {1, "A-"}, {1, "B+"}}, 0},
	{"one_inbound_request_is_one", PARENT, {{1, "A+"}, {1, "A- B+"}}, 1},
	{"two_of_these_are_two", PARENT, {{1, "A+"}, {1, "A-"}, {1, "B+"}}, 0},
	{"one_correlation_is_one", CORRELATION, {{1, "A+"}, {1, "A- B+"}}, 1},
	{"two_of_those_are_two", CORRELATION, {{1, "A+"}, {1, "A-"}, {1, "B+"}}, 0},
	{"a_thread_goes_on_from_request_to_request", THREAD, {{1, "A+"}, {1, "A-"}, {1, "B+"}}, 1},
	{"not_one_of_who_serves_others", SERVING, {{1, "A+"}, {1, "A- B+"}}, 0},
	{"nor_where_some_thread_is_not_known", UNKNOWN, {{1, "A+"}, {1, "A- B+"}}, 0},
	{"where_one_flow_moves_between_threads_it_is_the_flow", FLOW, {{1, "A+"}, {1, "A- B+"}}, 1},

	/* who had no success at this server is judged by the others of its client */
	{"ten_successes_elsewhere_tell", THREAD, {{10, "B+"}, {1, "A- B+"}}, 1},
	{"nine_do_not", THREAD, {{8, "B+"}, {1, "A- B+"}}, 0},
	{"another_clients_do_not", THREAD, {{8, "B+"}, {9, "D+"}, {1, "A- B+"}}, 0},
	{"an_id_needs_none", CORRELATION, {{1, "A- B+"}}, 1},
	{"nor_an_inbound_request", PARENT, {{1, "A- B+"}}, 1},
	{"half_of_them_followed_so_are_too_many", CORRELATION, {{5, "B+"}, {5, "B+ C+"}, {1, "A- B+"}}, 0},
	{"one_of_them_is_not", CORRELATION, {{18, "B+"}, {1, "B+ C+"}, {1, "A- C+"}}, 1},
	{"but_one_in_nineteen", CORRELATION, {{17, "B+"}, {1, "B+ C+"}, {1, "A- C-"}}, 0},

	/* a connect that failed may go on with whatever comes next */
	{"a_refused_one_goes_on_whatever_is_asked", THREAD, {{1, "A+"}, {1, "A! B+/"}}, 1},
	{"and_may_be_refused_again", THREAD, {{1, "A+"}, {1, "A- B!"}}, 1},
	{"it_does_not_go_on_behind_a_success", THREAD, {{1, "A+"}, {1, "A+ B!"}}, 0},
	{"not_where_a_success_goes_on_with_anything", THREAD, {{1, "A+ B+/"}, {1, "A! B+"}}, 0},
	{"where_that_is_later_it_may_at_once", THREAD, {{1, "A+ B+/@30"}, {1, "A! B+"}}, 1},
	{"but_not_later", THREAD, {{1, "A+ B+/@30"}, {1, "A! B+@30"}}, 0},
	{"nor_where_the_inbound_request_is_known", PARENT, {{1, "A+ B+/@30"}, {1, "A! B+"}}, 0},
	{"nor_at_once_before_what_is_later", PARENT, {{1, "A+ B+/"}, {1, "A! B+@30"}}, 0},
	{"one_in_twenty_of_each_is_too_often_together", PARENT, {{38, "A+"}, {1, "A+ B+/"}, {1, "A+ B+/@30"}, {1, "A! B+"}}, 1},
	{"two_in_39_are", PARENT, {{37, "A+"}, {1, "A+ B+/"}, {1, "A+ B+/@30"}, {1, "A! B+"}}, 0},
	{"what_follows_a_failure_is_not_gone_on_anyway", THREAD, {{1, "A+"}, {3, "A- B+/"}, {1, "A! B+"}}, 1},
	{"of_a_failure_and_a_refusal_the_later_is_gone_on_from", THREAD, {{20, "A+"}, {10, "B+ C+"}, {1, "A- B! C+"}}, 1},
	{"the_refusal_too", THREAD, {{20, "A+"}, {10, "B+ C+"}, {1, "B! A- C+"}}, 1},
};

static void check_stories(void)
{
	for (const struct story *s = stories; s < stories + sizeof(stories) / sizeof(*stories); s++) {
		play(s->rows, s->by);
		find();
		is_int((long long)h.count, s->hops, "%s", s->sentence);
		hops_free(&h);
	}
}

static uint64_t tiers(uint32_t edge, enum link_tier tier)
{
	return h.tiers[edge][tier];
}

/* What hops make one, and by what they were told. */
static void check_sums(void)
{
	static const struct row rows[ROWS] = {{20, "A+"}, {1, "A- B- C-"}, {1, "B- A+"}};

	play(rows, CORRELATION);
	find();
	is_str(destinations(), "AAADE", "servers that are gone on to are one destination");
	ok(h.request[19] == 19 && h.request[20] == 20 && h.request[21] == 20 && h.request[22] == 20, "and what is asked of them one request");
	is_int(h.request[24], 23, "another is another");
	ok(tiers(0, LINK_ID) == 1 && tiers(1, LINK_ID) == 1 && tiers(2, LINK_ID) == 1, "counted where they lead to, by what tells");
	hops_free(&h);
	play(rows, PARENT);
	find();
	is_int((int)tiers(1, LINK_NESTING), 1, "the inbound request");
	hops_free(&h);
	play(rows, THREAD);
	find();
	is_int((int)tiers(2, LINK_TEMPORAL), 1, "or time");
	hops_free(&h);
}

/* Links by time that another server was asked in between, which does not count as a hop. */
static void check_astray(void)
{
	static const struct { const char *sentence; enum by by; struct row rows[ROWS]; int astray; } cases[] = {
		{"a_link_by_time_is_astray_when_another_was_asked_in_between", THREAD, {{2, "A+ B+"}, {2, "B+ A+"}, {1, "A- B- A+="}}, 1},
		{"two_of_these_are_two", THREAD, {{2, "A+ B+"}, {2, "B+ A+"}, {2, "A- B- A+="}}, 2},
		{"not_when_that_is_a_hop", THREAD, {{20, "A+"}, {20, "B+"}, {1, "A- B- A+="}}, 0},
		{"nor_by_an_id", CORRELATION, {{2, "A+ B+"}, {2, "B+ A+"}, {1, "A- B- A+="}}, 0},
		{"what_is_joined_to_nothing_is_not", THREAD, {{2, "A+ B+"}, {2, "B+ A+"}, {1, "A- B- A+"}}, 0},
		{"nor_behind_a_refusal", THREAD, {{2, "A+ B+"}, {2, "B+ A+"}, {1, "A- B! A+="}}, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		play(cases[i].rows, cases[i].by);
		find();
		is_int((int)h.astray[0], cases[i].astray, "%s", cases[i].sentence);
		hops_free(&h);
	}
}

/* A second server asked while the first was on its way. */
static void check_rivals(void)
{
	static const struct { const char *sentence, *attempts; double apart_ms; enum by by; uint32_t edge; enum link_tier tier; unsigned hops; } cases[] = {
		{"who_asks_another_5_ms_later_hedges", "A+ B+", 5, THREAD, 1, LINK_TEMPORAL, 1},
		{"who_does_so_sooner_asks_both", "A+ B+", 4.999, THREAD, 1, LINK_TEMPORAL, 0},
		{"who_asks_the_same_does_not_go_elsewhere", "A+ A+", 5, THREAD, 0, LINK_TEMPORAL, 0},
		{"a_hedge_with_an_id_is_known_by_it", "A+ C+", 6, CORRELATION, 2, LINK_ID, 1},
		{"one_of_an_inbound_request_by_that", "B+ A+", 6, PARENT, 0, LINK_NESTING, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct row rows[ROWS] = {{1, cases[i].attempts}};
		struct rival of;

		play(rows, cases[i].by);
		of = (struct rival){(uint32_t)m.exchange_count - 2, (uint32_t)m.exchange_count - 1};
		exchanges[of.second].started_ns = exchanges[of.first].started_ns + (uint64_t)(cases[i].apart_ms * NS_PER_MS);
		l.rivals = (struct rivals){&of, 1, 1};
		find();
		ok(h.count == cases[i].hops && tiers(cases[i].edge, cases[i].tier) == cases[i].hops &&
			(h.request[of.second] == of.first) == (cases[i].hops > 0) && (h.destination[0] == h.destination[1] ||
			h.destination[0] == h.destination[2]) == (cases[i].hops > 0), "%s", cases[i].sentence);
		hops_free(&h);
		l.rivals = (struct rivals){NULL, 0, 0};
	}
}

/* Addresses of one name are tried one after the other though nothing else says so. */
static void check_names(void)
{
	static const char *const servers[EDGES] = {"10.0.0.1:80", "10.0.0.2:443", "10.0.0.3", "10.0.0.44:1", "x"};
	struct model_host hosts[4];

	for (size_t e = 0; e < EDGES; e++)
		edges[e].server = texts_add(&m.names, servers[e]);
	hosts[0] = (struct model_host){texts_add(&m.names, "api"), texts_add(&m.names, "10.0.0.1")};
	hosts[1] = (struct model_host){hosts[0].name, texts_add(&m.names, "10.0.0.2")};
	hosts[2] = (struct model_host){texts_add(&m.names, "log"), texts_add(&m.names, "10.0.0.3")};
	hosts[3] = (struct model_host){texts_add(&m.names, "far"), texts_add(&m.names, "10.0.0.4")};
	m.hosts = hosts;
	m.host_count = 4;
	play((struct row[ROWS]){{1, "A- B-"}, {1, "A- C-"}}, THREAD);
	find();
	ok(h.name[0] == hosts[0].name && h.name[1] == hosts[0].name && h.name[2] == hosts[2].name && !h.name[3] && !h.name[4],
	   "servers have the name that their address was resolved from");
	is_str(destinations(), "AACDE", "failures go on at another address of the name");
	hops_free(&h);
	m.host_count = 0;
}

/* Links by time at a server that nothing was gone on to from. */
static void check_doubt(void)
{
	static const struct { const char *sentence; uint64_t astray; uint32_t attempts[2]; uint8_t tier; uint32_t destination; bool taken; } cases[] = {
		{"links_of_which_most_are_astray_are_taken_back", 2, {2, 3}, LINK_TEMPORAL, 1, true},
		{"half_are_not_most", 2, {2, 4}, LINK_TEMPORAL, 1, false},
		{"nor_are_those_by_ids", 2, {2, 3}, LINK_ID, 1, false},
		{"nor_those_of_a_destination", 2, {2, 3}, LINK_TEMPORAL, 0, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t to[2] = {0, cases[i].destination};
		uint8_t tier[2] = {cases[i].tier, cases[i].tier};

		for (uint32_t e = 0; e < 2; e++) {	/* the first edge, or the second */
			uint64_t astray[2] = {e ? 0 : cases[i].astray, e ? cases[i].astray : 0};
			bool undecided[2] = {false, false};
			struct link_logical q[2] = {{.edge = e, .attempts = cases[i].attempts[0]}, {.edge = e, .attempts = cases[i].attempts[1]}};
			struct link asked = {.logicals = q, .count = 2, .tiers = tier, .undecided = undecided};
			struct graph two = {.edges = edges, .count = 2};

			tier[e] = cases[i].tier;
			ok(!hops_doubt(&(struct hops){.destination = to, .astray = astray}, &asked, &two) && undecided[e] == cases[i].taken &&
				tier[e] == (cases[i].taken ? LINK_AGGREGATE : cases[i].tier) && !undecided[!e], "%s: %u", cases[i].sentence, e);
		}
	}
}

static int find_again(void)
{
	int err = hops_build(&h, &l, &m, &g, &c);

	hops_free(&h);
	return err;
}

static int doubt_again(void)
{
	static uint32_t to[EDGES];
	static uint64_t astray[EDGES];

	return hops_doubt(&(struct hops){.destination = to, .astray = astray}, &(struct link){.count = 0}, &g);
}

/* Servers that are chosen between for inbound requests are one destination, though nothing goes on from one to the other. */
static void check_balance(void)
{
	play((struct row[ROWS]){{20, "A+"}, {20, "B+"}}, PARENT);
	for (uint32_t i = 0; i < m.exchange_count; i++) {
		begins[i + 1] = begins[i] + !(i % 2);
		members[i / 2] = i / 2 * 2 + 1;
	}
	begins[m.exchange_count + 1] = begins[m.exchange_count];
	find();
	is_str(destinations(), "AACDE", "servers that are chosen between are one destination");
	is_int((int)h.count, 0, "without any hop");
	hops_free(&h);
	ok(starved_says_so(find_again) && starved_says_so(doubt_again), "short of memory it says so");
	memset(begins, 0, sizeof(begins));
}

int main(void)
{
	static const uint32_t clients[EDGES] = {1, 1, 1, 2, 3};

	edges = g.edges = calloc(EDGES, sizeof(*edges));
	for (size_t e = 0; e < EDGES; e++)
		edges[e].client = clients[e];
	check_stories();
	check_sums();
	check_astray();
	check_rivals();
	check_names();
	check_doubt();
	check_balance();
	free(edges);
	return tap_done();
}
