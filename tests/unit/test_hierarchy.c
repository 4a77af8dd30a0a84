/* SPDX-License-Identifier: MIT */
/* Timeouts of layers (analyzer/hierarchy.c): front calls mid, which calls leaf; when each gives up is known. */
#include "analyzer/infer/hierarchy.h"
#include "tests/unit/judge.h"

#define CALLS 4

struct call {	/* of mid to leaf; ms since the request reached mid */
	double at, took;
	const char *outcome;	/* NULL: a 200 */
};

struct scene {
	double waits;		/* front gives up after so many ms; 0: it is answered after `answers` */
	double answers;
	struct call calls[CALLS];
	int external;		/* nobody recorded front: mid sees it go */
	int unaware;		/* mid's own row does not say that front has gone */
};

static struct call cut_at(double at, double took)
{
	return (struct call){at, took, "indeterminate"};
}

static void insert(struct runs *r, int id, int connection, int process, const char *role, double at, double took, const char *outcome, int parent,
		   const char *error)
{
	long long start = (long long)((RUNS_START_MS + at) * 1e6);

	runs_sql(r, "INSERT INTO exchange(id, connection_id, process_id, tid, role, protocol, method, path, status, outcome, error, started_ns, sent_ns,"
		    " ended_ns, fingerprint, parent_id) VALUES(%d, %d, %d, %d, %Q, 'http1', 'GET', '/', NULLIF(%d, 0), %Q, %Q, %lld, 1, %lld, 42,"
		    " NULLIF(%d, 0))",
		 id, connection, process, id, role, outcome ? 0 : 200, outcome ? outcome : "ok", outcome ? error : NULL, start,
		 start + (long long)(took * 1e6), parent);
}

/* One request with ids n000 (front), n001 (mid), n010 and on (leaf). */
static void request(struct runs *r, int n, const struct scene *s)
{
	int id = n * 1000;
	double at = 10000 * n;
	char front[32];

	snprintf(front, sizeof(front), "127.0.0.1:%d", 4000 + n);
	if (!s->external) {
		runs_sql(r, "INSERT INTO connection(id, process_id, role, local, peer, end) VALUES(%d, 1, 'client', %Q, '127.0.0.1:80', 'local_close')",
			 id, front);
		insert(r, id, id, 1, "client", at, s->waits ? s->waits : s->answers, s->waits ? "indeterminate" : NULL, 0, "closed");
	}
	runs_sql(r, "INSERT INTO connection(id, process_id, role, local, peer, end) VALUES(%d, 2, 'server', '127.0.0.1:80', %Q, 'peer_close')",
		 id + 1, front);
	insert(r, id + 1, id + 1, 2, "server", at + 0.1, s->unaware ? s->answers : s->waits ? s->waits : s->answers, s->waits ? "indeterminate" : NULL, 0,
	       s->unaware ? "EPIPE" : "closed");
	for (int k = 0; k < CALLS && s->calls[k].took; k++) {
		runs_sql(r, "INSERT INTO connection(id, process_id, role, local, peer, end) VALUES(%d, 2, 'client', '127.0.0.1:7%d', '127.0.0.1:90',"
			    " 'local_close')", id + 10 + k, k);
		insert(r, id + 10 + k, id + 10 + k, 2, "client", at + s->calls[k].at, s->calls[k].took, s->calls[k].outcome, id + 1, "closed");
	}
}

/* The same scene n times, but for what a piece of SQL changes, analyzed. */
static void play_but(struct runs *r, struct result *x, const struct scene *s, int n, const char *sql)
{
	runs_begin(r, 1000000);
	runs_process(r, 1, "front");
	runs_process(r, 2, "mid");
	for (int i = 1; i <= n; i++)
		request(r, i, s);
	runs_sql(r, "%s", sql);
	judge(r, x, &ANALYZE_EVERYTHING);
}

static void play(struct runs *r, struct result *x, const struct scene *s, int n)
{
	play_but(r, x, s, n, "");
}

static const struct policy_hierarchy *found(const struct result *x, enum policy_misfit what)
{
	for (size_t i = 0; i < x->hierarchy_count; i++)
		if (x->hierarchies[i].what == what)
			return &x->hierarchies[i];
	return NULL;
}

/* front gives up after half a second, mid would wait one. */
static void inversion(void)
{
	static const struct scene s = {.waits = 500, .answers = 1005, .unaware = 1, .calls = {{1, 1000, "indeterminate"}}};
	struct runs r;
	struct result x;
	const struct policy_hierarchy *h;

	play(&r, &x, &s, 3);
	is_int((long long)x.hierarchy_count, 1, "one thing does not fit");
	h = found(&x, MISFIT_INVERSION);
	ok(h, "the one who asks gives up before the one who is asked does");
	if (h) {
		NEAR(h->parent_ms, 500, "500 ms");
		NEAR(h->child_ms, 1000, "against 1000");
		is_str(x.edges[h->parent].client, "front", "of front");
		is_str(x.edges[h->child].client, "mid", "against mid");
		is_int((long long)h->count, 3, "three times");
		NEAR(h->orphan_ms, 3 * 501, "and each time mid waited 501 ms for nobody");
		is_int((long long)h->parent_witness, 1000, "for instance in front's first request");
		is_int((long long)h->child_witness, 1010, "with this call");
	}
	judge_end(&r, &x);
}

/* Whether front gave its first request of six up, and how long mid went on with it. */
static void who_gave_up(void)
{
	static const struct scene s = {.waits = 500, .answers = 1005, .unaware = 1, .calls = {{1, 1000, "indeterminate"}}};
	static const struct { const char *sentence, *sql; int count; double ms; } cases[] = {
		{"front_gave_up_six_requests", "", 6, 501},
		{"whom_its_server_leaves_gives_nothing_up", "UPDATE connection SET end = 'peer_close' WHERE id = 1000", 5, 501},
		{"nor_who_is_reset", "UPDATE connection SET end = 'reset' WHERE id = 1000", 5, 501},
		{"nor_who_fails_for_another_reason", "UPDATE exchange SET error = 'EPIPE' WHERE id = 1000", 5, 501},
		{"nor_who_was_answered", "UPDATE exchange SET outcome = 'failed' WHERE id = 1000", 5, 501},
		{"nor_who_waits_to_the_end", "UPDATE exchange SET ended_ns = NULL WHERE id = 1000", 5, 501},
		{"an_attempt_is_found_by_both_ends_of_its_connection", "UPDATE connection SET local = NULL WHERE id = 1000", 5, 501},
		{"by_its_servers_end_too", "UPDATE connection SET peer = NULL WHERE id = 1000", 5, 501},
		{"and_by_those_that_the_server_knows", "UPDATE connection SET local = NULL WHERE id = 1001", 5, 501},
		{"the_clients_too", "UPDATE connection SET peer = NULL WHERE id = 1001", 5, 501},
		{"not_without_a_connection", "UPDATE exchange SET connection_id = NULL WHERE id = 1001", 5, 501},
		{"an_attempt_may_seem_to_begin_1_ms_after_it_came", "UPDATE exchange SET started_ns = 1000000 + (SELECT started_ns FROM exchange WHERE id ="
		 " 1001) WHERE id = 1000", 6, 501},
		{"and_not_later", "UPDATE exchange SET started_ns = 1000001 + (SELECT started_ns FROM exchange WHERE id = 1001) WHERE id = 1000", 5, 501},
		{"a_call_that_ends_20_ms_later_was_cancelled", "UPDATE exchange SET ended_ns = 20000000 + (SELECT ended_ns FROM exchange WHERE id = 1000)"
		 " WHERE id = 1010", 5, 501},
		{"one_that_ends_later_still_went_on", "UPDATE exchange SET ended_ns = 20000001 + (SELECT ended_ns FROM exchange WHERE id = 1000)"
		 " WHERE id = 1010", 6, (5 * 501 + 20.000001) / 6},
		{"one_that_is_open_goes_on_to_the_end", "UPDATE exchange SET ended_ns = NULL WHERE id = 1010", 6, (5 * 501 + 989500) / 6.0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct runs r;
		struct result x;
		const struct policy_hierarchy *h;

		play_but(&r, &x, &s, 6, cases[i].sql);
		h = found(&x, MISFIT_INVERSION);
		is_int(h ? (long long)h->count : 0, cases[i].count, "%s", cases[i].sentence);
		NEAR(h ? h->orphan_ms : 0, cases[i].count * cases[i].ms, "%s: the time of it", cases[i].sentence);
		judge_end(&r, &x);
	}
}

#define SAME_PORTS "UPDATE connection SET local = '127.0.0.1:4001' WHERE process_id = 1; UPDATE connection SET peer = '127.0.0.1:4001' WHERE role = 'server'"

/* Ports are used again: whose attempt it was is told by its time. */
static void ports_that_are_used_again(void)
{
	static const struct scene gone = {.waits = 500, .answers = 1005, .unaware = 1, .calls = {{1, 1000, "indeterminate"}}};
	static const struct scene stays = {.answers = 300, .calls = {{1, 250, NULL}}};
	struct runs r;
	struct result x;
	const struct policy_hierarchy *h;

	for (int last = 0; last < 2; last++) {
		runs_begin(&r, 1000000);
		runs_process(&r, 1, "front");
		runs_process(&r, 2, "mid");
		for (int i = 1; i <= 4; i++)
			request(&r, i, i == (last ? 4 : 1) ? &stays : &gone);
		runs_sql(&r, SAME_PORTS);
		if (!last)
			runs_sql(&r, "UPDATE exchange SET ended_ns = started_ns + 11000000000 WHERE id = 1010");
		judge(&r, &x, &ANALYZE_EVERYTHING);
		h = found(&x, MISFIT_INVERSION);
		is_int(h ? (long long)h->count : 0, 3, "of_four_on_one_port_the_%s_was_not_given_up", last ? "last" : "first");
		ok(!found(&x, MISFIT_NOT_PROPAGATED), "and_what_it_asks_begins_for_somebody");
		judge_end(&r, &x);
	}
	play_but(&r, &x, &gone, 66, SAME_PORTS);
	h = found(&x, MISFIT_INVERSION);
	is_int(h ? (long long)h->count : 0, 64, "of_66_the_latest_64_are_looked_at");
	judge_end(&r, &x);
}

/* Calls of mid that went on for so long, or began so late; without a word on a timeout of mid. */
static void how_long_it_goes_on(void)
{
	struct scene s = {.waits = 500, .answers = 7005, .unaware = 1, .calls = {{30, 500, NULL}}};
	struct runs r;
	struct result x;
	const struct policy_hierarchy *h;

	play(&r, &x, &s, 3);
	ok(!found(&x, MISFIT_INVERSION), "a_call_that_takes_as_long_as_front_waits_is_no_sign_of_a_longer_limit");
	judge_end(&r, &x);
	s.calls[0].took = 510;
	play(&r, &x, &s, 3);
	ok(found(&x, MISFIT_INVERSION), "one_that_takes_10_ms_longer_is");
	judge_end(&r, &x);
	play_but(&r, &x, &s, 3, "UPDATE exchange SET ended_ns = ended_ns + 1 WHERE id = 2010");
	h = found(&x, MISFIT_INVERSION);
	ok(h && h->child_witness == 2010 && h->parent_witness == 2000, "the_longest_is_shown");
	judge_end(&r, &x);
	s.calls[0] = (struct call){505, 100, NULL};
	play(&r, &x, &s, 3);
	ok(!found(&x, MISFIT_NOT_PROPAGATED), "a_call_that_begins_5_ms_after_front_went_was_on_its_way");
	judge_end(&r, &x);
	play_but(&r, &x, &s, 3, "UPDATE exchange SET started_ns = started_ns + 1 WHERE id = 1010");
	h = found(&x, MISFIT_NOT_PROPAGATED);
	ok(h && h->count == 1 && h->child_witness == 1010, "one_that_begins_later_was_not");
	judge_end(&r, &x);
	play_but(&r, &x, &s, 3, "UPDATE exchange SET started_ns = ended_ns WHERE id = 1010");
	h = found(&x, MISFIT_NOT_PROPAGATED);
	ok(h && h->count == 1 && h->orphan_ms == 0, "though_it_took_no_time");
	judge_end(&r, &x);
}

/* mid gives up connecting as often as it gives up waiting. */
static void connecting_is_not_waiting(void)
{
	static const struct scene s = {.waits = 500, .answers = 1105, .unaware = 1, .calls = {{1, 100, "not_sent"}, {102, 1000, "indeterminate"}}};
	struct runs r;
	struct result x;
	const struct policy_hierarchy *h;

	play(&r, &x, &s, 3);
	is_int(judge_edge(&x, "mid", "127.0.0.1:90")->timeout.modes[0].kind, TIMEOUT_CONNECT, "100_ms_to_connect_and_1000_for_an_answer");
	h = found(&x, MISFIT_INVERSION);
	NEAR(h ? h->child_ms : 0, 1000, "the_limit_of_answers_does_not_fit");
	judge_end(&r, &x);
}

/* Requests come at 10, 20 and 30 s. */
static void only_what_counts(void)
{
	static const struct scene s = {.waits = 500, .answers = 1005, .unaware = 1, .calls = {{1, 1000, "indeterminate"}}};
	struct runs r;
	struct result x;
	const struct policy_hierarchy *h;

	runs_begin(&r, 1000000);
	runs_process(&r, 1, "front");
	runs_process(&r, 2, "mid");
	for (int i = 1; i <= 3; i++)
		request(&r, i, &s);
	judge(&r, &x, &(struct analyze_options){.slo = NAN, .from_s = 15, .to_s = 35});
	h = found(&x, MISFIT_INVERSION);
	ok(h && h->count == 2 && h->parent_witness == 2000, "from_15_to_35_s_two_requests_count");
	judge_end(&r, &x);
}

static void inversion_without_a_timeout(void)
{
	static const struct scene s = {.waits = 500, .answers = 7005, .unaware = 1, .calls = {{1, 7000, NULL}}};
	struct runs r;
	struct result x;
	const struct policy_hierarchy *h;

	play(&r, &x, &s, 2);
	h = found(&x, MISFIT_INVERSION);
	ok(h, "mid waits seven seconds for an answer that front does not want any more");
	NEAR(h ? h->child_ms : 0, NAN, "its limit is not known, but longer");
	ok(!found(&x, MISFIT_NONE), "of no timeout there is talk from ten seconds on");
	judge_end(&r, &x);
}

static void what_fits(void)
{
	static const struct { const char *what; struct scene s; } cases[] = {
		{"mid gives up first, and answers", {.answers = 303, .calls = {{1, 300, "indeterminate"}}}},
		{"mid stops as front goes: the deadline is passed on", {.waits = 500, .calls = {{1, 499.5, "indeterminate"}}}},
		{"mid stops 15 ms after front has gone", {.waits = 500, .calls = {{1, 514, "indeterminate"}}}},
		{"slow but answered", {.answers = 3000, .calls = {{1, 2990, NULL}}}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runs r;
		struct result x;

		play(&r, &x, &cases[i].s, 3);
		is_int((long long)x.hierarchy_count, 0, "%s: nothing to say", cases[i].what);
		judge_end(&r, &x);
	}
}

/* Three attempts of 300 ms, and 10 between them, for one who waits 700. */
static void retries_that_do_not_fit(void)
{
	static const struct scene s = {.waits = 700, .answers = 925, .unaware = 1,
				       .calls = {{1, 300, "indeterminate"}, {311, 300, "indeterminate"}, {621, 300, "indeterminate"}}};
	struct runs r;
	struct result x;
	const struct policy_hierarchy *h;

	play(&r, &x, &s, 3);
	h = found(&x, MISFIT_RETRIES);
	ok(h, "of three attempts not all fit into what front waits");
	if (h) {
		is_int(h->attempts, 3, "three are made");
		is_int(h->fits, 2, "two fit");
		NEAR(h->parent_ms, 700, "into 700 ms");
		NEAR(h->child_ms, 300, "of 300 each");
	}
	is_int(h ? (long long)h->count : 0, 3, "and the last went on for nobody, each time");
	ok(!found(&x, MISFIT_INVERSION), "no timeout is longer than its caller's: that is no inversion");
	ok(!found(&x, MISFIT_NOT_PROPAGATED), "and each began while front still waited");
	judge_end(&r, &x);
}

/* The same where front, which once waited in vain for something else, gives up after two seconds. */
static void retries_that_fit(void)
{
	static const struct scene three = {
		.answers = 925, .calls = {{1, 300, "indeterminate"}, {311, 300, "indeterminate"}, {621, 300, "indeterminate"}}};
	static const struct scene vain = {.waits = 2000, .answers = 2100, .unaware = 1, .calls = {{1, 5, NULL}}};
	struct runs r;
	struct result x;

	runs_begin(&r, 1000000);
	runs_process(&r, 1, "front");
	runs_process(&r, 2, "mid");
	request(&r, 1, &three);
	request(&r, 2, &vain);
	judge(&r, &x, &ANALYZE_EVERYTHING);
	NEAR(judge_edge(&x, "front", "mid")->timeout.modes[0].ms, 2000, "both limits are known");
	NEAR(judge_edge(&x, "mid", "127.0.0.1:90")->timeout.modes[0].ms, 300, "and");
	is_int((long long)x.hierarchy_count, 0, "three attempts fit");
	judge_end(&r, &x);
}

static void calls_for_nobody(void)
{
	static const struct scene s = {.waits = 400, .answers = 925, .unaware = 1,
				       .calls = {{1, 300, "indeterminate"}, {311, 300, "indeterminate"}, {621, 300, "indeterminate"}}};
	static const struct scene barely = {.waits = 400, .answers = 500, .unaware = 1, .calls = {{404, 50, NULL}}};
	struct runs r;
	struct result x;
	const struct policy_hierarchy *h;

	play(&r, &x, &s, 3);
	h = found(&x, MISFIT_NOT_PROPAGATED);
	ok(h, "an attempt that begins after front has gone shows that mid does not know");
	if (h) {
		is_int((long long)h->count, 3, "one each time");
		NEAR(h->orphan_ms, 900, "300 ms each");
		is_int((long long)h->child_witness, 1012, "for instance the third call of the first request");
		is_int((long long)h->parent_witness, 1000, "that front made");
	}
	h = found(&x, MISFIT_RETRIES);
	is_int(h ? (long long)h->count : 0, 6, "with the second, which went on, six for which there was no time");
	judge_end(&r, &x);

	play(&r, &x, &barely, 3);
	ok(!found(&x, MISFIT_NOT_PROPAGATED), "one that begins within 5 ms may have been on its way");
	judge_end(&r, &x);
}

static void equal_timeouts(void)
{
	struct scene s = {.waits = 500, .answers = 705, .unaware = 1, .calls = {{201, 500, "indeterminate"}}};
	struct runs r;
	struct result x;
	const struct policy_hierarchy *h;

	play(&r, &x, &s, 3);
	h = found(&x, MISFIT_EQUAL);
	ok(h, "500 ms in both layers are equal");
	is_int(h ? (long long)h->count : 0, 1, "which is one fact about two clients, however many requests show it");
	ok(!found(&x, MISFIT_INVERSION), "and no inversion");
	judge_end(&r, &x);
	s.calls[0] = cut_at(201, 490);
	play(&r, &x, &s, 3);
	ok(!found(&x, MISFIT_EQUAL), "490 and 500 are not");
	judge_end(&r, &x);
}

static void no_timeout(void)
{
	struct scene s = {.answers = 9000, .calls = {{1, 9000, "indeterminate"}}};
	struct runs r;
	struct result x;
	const struct policy_hierarchy *h;

	for (int seconds = 9; seconds <= 10; seconds++) {
		s.calls[0].took = seconds * 1000;
		s.answers = seconds * 1000 + 10;
		runs_begin(&r, 1000000);
		runs_process(&r, 1, "front");
		runs_process(&r, 2, "mid");
		request(&r, 1, &s);
		runs_sql(&r, "UPDATE exchange SET error = 'eof' WHERE id = 1010; UPDATE connection SET end = 'peer_close' WHERE id = 1010");
		judge(&r, &x, &ANALYZE_EVERYTHING);
		h = found(&x, MISFIT_NONE);
		is_int(h != NULL, seconds == 10, "%d s of waiting until the server closes: %s", seconds, seconds == 10 ? "no timeout" : "nothing to say yet");
		if (h) {
			is_int((long long)x.hierarchy_count, 2, "of both layers, which wait as long");
			is_int((long long)(x.hierarchies[0].child_witness + x.hierarchies[1].child_witness), 1000 + 1010, "each with its call");
			ok(h->parent == MODEL_NONE && h->count == 1, "and for itself");
		}
		judge_end(&r, &x);
	}
}

static void clients_that_nobody_recorded(void)
{
	static const struct scene s = {.waits = 400, .external = 1, .calls = {{1, 300, "indeterminate"}, {421, 300, "indeterminate"}}};
	struct runs r;
	struct result x;
	const struct policy_hierarchy *h;

	play(&r, &x, &s, 6);
	h = found(&x, MISFIT_NOT_PROPAGATED);
	ok(h, "when mid itself saw its client go and asks on nevertheless, that is seen without the client's word");
	is_str(h ? x.edges[h->parent].client : "", "external", "who is external");
	judge_end(&r, &x);
	play_but(&r, &x, &s, 6, "UPDATE connection SET end = 'reset' WHERE id = 1001; UPDATE connection SET end = 'local_close' WHERE id = 2001;"
		 "UPDATE exchange SET error = 'EPIPE' WHERE id = 3001; UPDATE exchange SET outcome = 'failed' WHERE id = 4001;"
		 "UPDATE exchange SET ended_ns = NULL WHERE id = 5001");
	h = found(&x, MISFIT_NOT_PROPAGATED);
	is_int(h ? (long long)h->count : 0, 2, "a_client_goes_with_a_reset_too_and_not_when_mid_closes_or_fails_or_answers_or_waits");
	is_int(h ? (long long)h->parent_witness : 0, 1001, "its_request_is_all_that_is_known_of_it");
	judge_end(&r, &x);
}

/* One call of 10 s, one that never ends, and one of 9. */
static void how_many_waited(void)
{
	static const struct scene s = {.answers = 10010, .calls = {{1, 10000, "indeterminate"}}};
	struct runs r;
	struct result x;
	const struct policy_hierarchy *h;

	play_but(&r, &x, &s, 3, "UPDATE exchange SET error = 'eof' WHERE id % 1000 = 10; UPDATE connection SET end = 'peer_close' WHERE id % 1000 = 10;"
		 "UPDATE exchange SET ended_ns = NULL WHERE id = 2010; UPDATE exchange SET ended_ns = started_ns + 9000000000 WHERE id = 3010");
	h = x.hierarchy_count == 2 ? &x.hierarchies[x.edges[x.hierarchies[0].child].client[0] == 'm' ? 0 : 1] : NULL;
	is_int(h ? (long long)h->count : 0, 2, "what_takes_10_s_and_what_is_open_for_as_long_waited_too_long");
	judge_end(&r, &x);
}

static void how_many_fit(void)
{
	struct policy_gap gaps[] = {{.k = 1, .p50 = 100}, {.k = 2, .p50 = 200}};
	struct policy_retry r = {.known = true, .gaps = gaps, .gap_count = 2};

	is_int(hierarchy_fits(&r, 3, 300, 1200), 3, "300 + 100 + 300 + 200 + 300 is 1200: three attempts fit");
	is_int(hierarchy_fits(&r, 3, 300, 1199), 2, "into a millisecond less, two");
	is_int(hierarchy_fits(&r, 4, 300, 1699), 3, "the last wait counts again where more follow");
	is_int(hierarchy_fits(&r, 4, 300, 1700), 4, "to the millisecond");
	is_int(hierarchy_fits(&r, 3, 300, 299), 0, "none fits into less than one");
	r.known = false;
	is_int(hierarchy_fits(&r, 4, 300, 1200), 4, "without a known policy there are no waits");
	r.known = true;
	gaps[0].p50 = NAN;
	is_int(hierarchy_fits(&r, 2, 300, 600), 2, "nor where one is not known");
	is_int(hierarchy_fits(&(struct policy_retry){.known = true}, 2, 300, 600), 2, "nor in a policy that has none");
}

static void damaged_rows(void)
{
	struct scene s = {.waits = 500, .answers = 1005, .unaware = 1, .calls = {{1, 1000, "indeterminate"}}};
	struct runs r;
	struct result x;

	runs_begin(&r, 1000000);
	runs_process(&r, 1, "front");
	runs_process(&r, 2, "mid");
	for (int i = 1; i <= 3; i++)
		request(&r, i, &s);
	runs_sql(&r, "UPDATE exchange SET connection_id = NULL WHERE id = 1001; UPDATE connection SET local = NULL, peer = NULL WHERE id = 2001;"
		     "UPDATE exchange SET parent_id = 3010 WHERE id = 3010; UPDATE exchange SET ended_ns = 1 WHERE id = 2010");
	judge(&r, &x, &ANALYZE_EVERYTHING);
	ok(x.hierarchy_count < 4, "rows without connections, ends and sense are passed over");
	judge_end(&r, &x);
}

int main(void)
{
	inversion();
	who_gave_up();
	ports_that_are_used_again();
	how_long_it_goes_on();
	connecting_is_not_waiting();
	only_what_counts();
	inversion_without_a_timeout();
	what_fits();
	retries_that_do_not_fit();
	retries_that_fit();
	calls_for_nobody();
	equal_timeouts();
	no_timeout();
	clients_that_nobody_recorded();
	how_many_waited();
	how_many_fit();
	damaged_rows();
	return tap_done();
}
