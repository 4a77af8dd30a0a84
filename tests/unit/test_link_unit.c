/* SPDX-License-Identifier: MIT */
/* Steps from attempts to logical requests one by one (analyzer/link/): an edge's tier, groups of attempts, whose attempt one is, and who is told apart. */
#include "tests/unit/steps.h"

#define MOST 4

/* An edge's requests: n of a tier, of so many attempts each. */
struct requests {
	unsigned n, attempts;
	enum link_tier tier;
};

static const struct tiers {
	const char *sentence;
	struct requests of[MOST];
	bool undecided, crowded;
	enum link_tier tier;
} stories[] = {
	{"one_that_was_joined_outweighs_all_that_were_not", {{5, 1, LINK_NESTING}, {1, 2, LINK_TEMPORAL}}, false, false, LINK_TEMPORAL},
	{"by_a_better_tier_too", {{5, 1, LINK_TEMPORAL}, {1, 2, LINK_ID}}, false, false, LINK_ID},
	{"or_by_nesting", {{5, 1, LINK_TEMPORAL}, {1, 2, LINK_NESTING}}, false, false, LINK_NESTING},
	{"of_those_joined_the_most_count", {{3, 3, LINK_NESTING}, {2, 2, LINK_TEMPORAL}}, false, false, LINK_NESTING},
	{"of_as_many_the_weaker", {{2, 2, LINK_NESTING}, {2, 2, LINK_TEMPORAL}, {2, 2, LINK_ID}}, false, false, LINK_TEMPORAL},
	{"where_none_was_joined_the_most_count", {{3, 1, LINK_ID}, {2, 1, LINK_TEMPORAL}}, false, false, LINK_ID},
	{"a_single_one_that_nothing_could_join_leaves_counts_alone", {{1, 1, LINK_AGGREGATE}, {9, 2, LINK_ID}}, false, false, LINK_AGGREGATE},
	{"as_does_what_nobody_can_judge", {{9, 2, LINK_ID}}, true, false, LINK_AGGREGATE},
	{"and_a_crowd", {{9, 2, LINK_ID}}, false, true, LINK_AGGREGATE},
};

/* Edge 0 has one request of another tier, which is none of edge 1's. */
static void check_tier(const struct tiers *s)
{
	struct link_logical logicals[32] = {{.edge = 0, .attempts = 2, .tier = LINK_TEMPORAL}};
	bool undecided[] = {false, s->undecided}, crowded[] = {false, s->crowded};
	struct link l = {.logicals = logicals, .count = 1, .undecided = undecided, .crowded = crowded};
	struct graph g = {.count = 2};

	for (size_t i = 0; i < MOST; i++)
		for (unsigned k = 0; k < s->of[i].n; k++)
			logicals[l.count++] = (struct link_logical){.edge = 1, .attempts = s->of[i].attempts, .tier = (uint8_t)s->of[i].tier};
	if (link_choose_tiers(&l, &g))
		abort();
	is_int(l.tiers[1], s->tier, "%s", s->sentence);
	is_int(l.tiers[0], LINK_TEMPORAL, "the_other_edge_keeps_its_own");
	free(l.tiers);
}

static void is_group(const struct chains_group *g, size_t at, const char *members, const char *what)
{
	struct chains_span s = chains_of(g, at);
	char got[32] = "";

	for (size_t i = 0; i < s.n && i < 8; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%u", s.members[i]);
	is_str(got, members, "%s", what);
}

/*
 * Attempts 0 to 6, each a logical request of its own, at edges 0 to 4. Edges 0 and 3 are a destination, and 2 and 4 another; requests 0 and 1 are one, and
 * 3 and 5. Edge 1 is of none.
 */
static void check_groups(void)
{
	static const uint32_t edge_of[] = {0, 3, 1, 2, 3, 4, 2}, whole_of[] = {0, 0, 2, 3, 4, 3, 6}, destination_of[] = {0, MODEL_NONE, 1, 0, 1};
	struct model_exchange exchanges[7];
	struct link_logical logicals[7];
	struct result_edge edges[5];
	struct result x = {.edges = edges, .edge_count = 5, .destination_count = 2, .model = {.exchanges = exchanges, .exchange_count = 7}};
	struct measure m = {.r = &x, .graph = {.count = 5}, .link = {.logicals = logicals, .count = 7}, .hops = {.request = (uint32_t *)whole_of}};

	for (uint32_t i = 0; i < 7; i++) {
		exchanges[i] = (struct model_exchange){.edge = edge_of[i], .logical = i, .parent = MODEL_NONE};
		logicals[i] = (struct link_logical){.first = i, .edge = edge_of[i], .attempts = 1};
	}
	for (size_t e = 0; e < 5; e++)
		edges[e] = (struct result_edge){.destination = destination_of[e]};
	if (chains_build(&m.chains, &m) || chains_join(&m.chains, &m))
		abort();
	is_group(&m.chains.by_edge, 3, "14", "an edge has its attempts");
	is_group(&m.chains.by_edge, 4, "5", "as has the last");
	is_group(&m.chains.by_edge, measure_pool(&m, 0), "014", "behind it a destination has those of all its servers");
	is_group(&m.chains.by_edge, measure_pool(&m, 1), "356", "as has the last");
	is_group(&m.chains.by_whole, 3, "35", "a whole request has its attempts at all servers");
	is_group(&m.chains.by_whole, 2, "", "what is asked of one server is no whole request");
	is_group(&m.chains.wholes, 0, "04", "a destination has the requests that whole ones begin with");
	is_group(&m.chains.wholes, 1, "36", "as has the last");
	chains_free(&m.chains);
}

static void front(struct runs *r)
{
	runs_begin(r, 5000);
	runs_process(r, 1, "front");
	runs_connection(r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
}

static int ask(struct runs *r, int tid, double at_ms, double took_ms)
{
	return runs_add(r, ATTEMPT(.connection = 2, .role = "server", .path = "/in", .tid = tid, .status = 200, .at_ms = at_ms, .took_ms = took_ms));
}

/* The rows of the exchanges are those of the file, in order of start. */
static void check_parents(void)
{
	struct runs r;
	struct measure m;
	struct result x;

	front(&r);
	ask(&r, 9, 100, 100);
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 110, .took_ms = 5));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 120, .took_ms = 5));
	steps_begin(&r, &m, &x);
	is_int(x.model.exchanges[1].parent, 0, "a call of the only request in work is its");
	is_int(x.model.exchanges[2].parent, 0, "the same again, though it was answered, too");
	steps_end(&r, &m, &x);

	front(&r);
	ask(&r, 9, 100, 10);
	ask(&r, 10, 105, 100);
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 150, .took_ms = 5, .parent = 1));
	steps_begin(&r, &m, &x);
	is_int(x.model.exchanges[2].parent, 0, "whose call one is stays as the file says, though that was answered before and another is in work");
	steps_end(&r, &m, &x);
}

/*
 * Two requests call at once and well, so that the third call, which fails, is of neither for sure. The fourth comes when the later of them ends, or a
 * microsecond after that, while another is in work.
 */
static void check_cover(bool later)
{
	struct runs r;
	struct result x;

	front(&r);
	ask(&r, 20, 100, 50);
	ask(&r, 21, 100.5, 199.5);
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 110, .took_ms = 1));
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = 112, .took_ms = 1));
	runs_add(&r, ATTEMPT(.status = 503, .at_ms = 120, .took_ms = 1));
	ask(&r, 22, 200, 200);
	runs_add(&r, ATTEMPT(.status = 200, .at_ms = later ? 300.001 : 300, .took_ms = 1));
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int(judge_edge(&x, "front", "127.0.0.1:81")->whole.logical, later ? 4 : 3, "%s", later
	       ? "what comes when all requests have ended that may have asked is no retry" : "while the last of them ends it may be one");
	judge_end(&r, &x);
}

/* Twenty failures 500 ms apart, of which 19 may be the next request as well as a retry; and so many others that are surely tried again. */
static void check_standing(int sure, const char *tier)
{
	struct runs r;
	struct result x;

	judge_client(&r, 60000);
	for (int i = 0; i < 20; i++)
		runs_add(&r, ATTEMPT(.status = 503, .at_ms = 10 + 502 * i, .took_ms = 2));
	for (int i = 0; i < sure; i++)
		for (int k = 0; k < 2; k++) {
			char path[16];

			snprintf(path, sizeof(path), "/%d", i);
			runs_add(&r, ATTEMPT(.tid = 30 + i, .path = path, .status = k ? 200 : 503, .at_ms = 100 + 300 * i + 17 * k, .took_ms = 1));
		}
	judge(&r, &x, &ANALYZE_EVERYTHING);
	is_int((long long)judge_edge(&x, "curl", "127.0.0.1:80")->excluded.polls, 19, "what comes at one distance is joined to nothing");
	is_str(judge_edge(&x, "curl", "127.0.0.1:80")->linking, tier, "beside 19 links that nobody can judge stand %d", sure);
	judge_end(&r, &x);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check_tier(&stories[i]);
	check_groups();
	check_parents();
	check_cover(false);
	check_cover(true);
	check_standing(18, "aggregate");
	check_standing(19, "temporal");
	return tap_done();
}
