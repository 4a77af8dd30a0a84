/* SPDX-License-Identifier: MIT */
/* When a call was let through and counted, as its inbound request's other calls tell (analyzer/infer/breaker_view.h). Times are ms. */
#include <math.h>
#include "analyzer/infer/breaker_view.h"
#include "analyzer/measure.h"
#include "tests/lib/tap.h"

#define MS(t) ((uint64_t)llround((t) * (double)NS_PER_MS))
#define MOST 14

/* Calls of one request, which is in work from 100 ms to `answered`; to 0: open. The last but `behind` is looked at. */
struct story {
	const char *sentence;
	double calls[MOST - 1][2];
	double answered;
	unsigned behind;
	double asked, counted;
};

static const struct story stories[] = {
	{"the_first_is_asked_for_when_the_request_comes", {{110, 120}}, 200, 0, 100, 200},
	{"the_next_when_the_one_before_is_over", {{110, 120}, {130, 140}}, 200, 0, 120, 200},
	{"which_is_counted_when_the_next_begins", {{110, 120}, {130, 140}}, 200, 1, 100, 130},
	{"it_may_begin_as_that_ends", {{110, 120}, {120, 140}}, 200, 0, 120, 200},
	{"and_is_known_then", {{110, 120}, {120, 140}}, 200, 1, 100, 120},
	{"one_that_goes_on_tells_nothing", {{110, 120}, {115, 150}, {130, 140}}, 200, 0, 120, 200},
	{"nor_does_an_open_one", {{110, 120}, {115, 0}, {130, 140}}, 200, 0, 120, 200},
	{"the_latest_end_counts", {{110, 128}, {115, 120}, {130, 140}}, 200, 0, 128, 200},
	{"one_that_begins_with_it_is_not_before_it", {{110, 120}, {130, 130}, {130, 140}}, 200, 0, 120, 200},
	{"of_eight_before_it_the_first_counts", {{110, 129}, {111, 112}, {112, 113}, {113, 114}, {114, 115}, {115, 116}, {116, 117}, {117, 118}, {130, 140}},
	 200, 0, 129, 200},
	{"not_of_nine", {{110, 129}, {111, 112}, {112, 113}, {113, 114}, {114, 115}, {115, 116}, {116, 117}, {117, 118}, {118, 119},
	{130, 140}}, 200, 0, 119, 200},
	{"who_is_answered_before_did_not_wait_for_it", {{110, 120}, {130, 140}}, 139.9, 0, 120, 0},
	{"who_is_answered_with_it_did", {{110, 120}, {130, 140}}, 140, 0, 120, 140},
	{"an_open_one_is_not_counted", {{110, 120}, {130, 0}}, 200, 0, 120, 0},
};

static void check_story(const struct story *s, bool known)
{
	struct result_edge edge = {.retry = {.known = false}};
	struct result r = {.edges = &edge, .edge_count = 1};
	struct model_process process = {.id = 1};
	struct model_exchange x[MOST] = {{.started_ns = MS(100), .ended_ns = MS(s->answered), .role = MODEL_SERVER, .edge = MODEL_NONE}};
	struct link_logical logicals[MOST] = {{.ok = true}};
	uint32_t members[MOST], all[MOST];
	size_t parents[MOST + 1] = {0}, each[MOST + 1] = {0}, n = 0;
	uint8_t tiers[] = {LINK_TEMPORAL};
	struct measure m = {.r = &r, .to_ns = UINT64_MAX, .graph = {.count = 1}, .link = {.logicals = logicals, .tiers = tiers},
			    .chains = {.by_parent = {members, parents}, .by_logical = {all, each}}};
	struct breaker_cuts cuts = {0};
	struct breaker_view v = {.m = &m, .cuts = &cuts, .in = {.need = 1, .end_ns = MS(1000)}};
	const struct silence_attempt *a;

	for (; n + 1 < MOST && s->calls[n][0] > 0; n++) {
		x[n + 1] = (struct model_exchange){.started_ns = MS(s->calls[n][0]), .ended_ns = MS(s->calls[n][1]), .role = MODEL_CLIENT,
						   .parent = known ? 0 : MODEL_NONE, .logical = (uint32_t)n + 1, .outcome = MODEL_OK};
		logicals[n + 1] = (struct link_logical){.first = (uint32_t)n + 1, .last = (uint32_t)n + 1, .attempts = 1, .ok = true};
		members[n] = (uint32_t)n + 1;
	}
	for (uint32_t k = 0; k < MOST; k++) {
		all[k] = k;
		each[k + 1] = k + 1;
		parents[k + 1] = n;
	}
	r.model = (struct model){.exchanges = x, .exchange_count = n + 1, .processes = &process, .process_count = 1};
	v.rows = (struct chains_span){members, n};
	ok(!breaker_view_find(&v, &(const struct demands){.n = 0}), "there_is_memory");
	a = &v.attempts[n - 1 - s->behind];
	if (!ok(a->asked_ns == (known ? MS(s->asked) : 0) && a->counted_ns == (known ? MS(s->counted) : 0), "%s%s", s->sentence,
		known ? "" : ": if it is known"))
		printf("# asked %g, counted %g\n", (double)a->asked_ns / NS_PER_MS, (double)a->counted_ns / NS_PER_MS);
	breaker_view_free(&v);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		check_story(&stories[i], true);
		check_story(&stories[i], false);
	}
	return tap_done();
}
