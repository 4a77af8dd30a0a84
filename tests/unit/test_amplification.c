/* SPDX-License-Identifier: MIT */
/* Whether requests fail together, and what shed calls make of attempts per demand (analyzer/measure/amplification.c): each bound from both sides. */
#include <math.h>

#include "analyzer/measure.h"
#include "tests/lib/tap.h"

/* Of an edge's requests so many, with attempts and successes in percent; 400 of them are in the whole run. */
static const struct story {
	const char *sentence;
	unsigned under_fault, in_all;
	double amplification, high;	/* high 0: no interval */
	double success, success_high;
	unsigned most;
	bool unbounded, is_unknown;
	double excess;		/* NAN: not known */
	bool said;
} stories[] = {
	{"with_three_attempts_1.75_are_of_half_that_fail", 400, 400, 1.75, 0, 0.6, 0.65, 3, false, false, 0.275, true},
	{"with_two_1.3_are_of_three_tenths", 400, 400, 1.3, 0, 0.9, 0.95, 2, false, false, 0.01, false},
	{"of_one_attempt_nothing_is_said", 400, 400, 1, 0, 0.6, 0.65, 1, false, false, NAN, false},
	{"a_hundred_may_be_all", 400, 400, 2, 0, 0.6, 0.65, 100, false, false, 0.4, true},
	{"of_more_nothing_is_said", 400, 400, 2, 0, 0.6, 0.65, 101, false, false, NAN, false},
	{"nor_without_an_end", 400, 400, 1.75, 0, 0.6, 0.65, 3, true, false, NAN, false},
	{"nor_without_a_policy", 400, 400, 1.75, 0, 0.6, 0.65, 3, false, true, NAN, false},
	{"thirty_requests_can_tell", 0, 30, 1.75, 0, 0.6, 0.65, 3, false, false, 0.275, true},
	{"29_cannot", 0, 29, 1.75, 0, 0.6, 0.65, 3, false, false, NAN, false},
	{"thirty_under_the_fault_count_alone", 30, 400, 1.75, 0, 0.6, 0.65, 3, false, false, 0.275, true},
	{"29_do_not", 29, 400, 1.75, 0, 0.6, 0.65, 3, false, false, NAN, false},
	{"what_chance_leaves_is_no_surprise", 400, 400, 1.75, 0, 0.8, 0.8751, 3, false, false, 0.075, false},
	{"a_little_more_is", 400, 400, 1.75, 0, 0.8, 0.8749, 3, false, false, 0.075, true},
	{"the_interval_of_attempts_counts", 400, 400, 1.75, 2.44, 0.4, 0.4881, 3, false, false, 0.475, false},
	{"not_beyond_it", 400, 400, 1.75, 2.44, 0.4, 0.4879, 3, false, false, 0.475, true},
};

static struct metric of(double value, double high)
{
	struct metric m = metric_plain(value, 400, "");

	m.bounded = high > 0;
	m.high = high;
	return m;
}

static void check(const struct story *s)
{
	struct result_edge edge = {.client = "a", .server = "b"};
	struct result x = {.edges = &edge, .edge_count = 1};
	struct measure m = {.r = &x, .to_ns = UINT64_MAX};
	bool by_fault = s->under_fault >= 30;
	struct result_cohort *counts = by_fault ? &edge.window[TIMELINE_FAULT] : &edge.whole;

	edge.whole.logical = s->in_all;
	edge.window[TIMELINE_FAULT].logical = s->under_fault;
	if (s->under_fault != 29) {	/* which would be the run's, of which nothing is known */
		counts->amplification = of(s->amplification, s->high);
		counts->success = of(s->success, s->success_high);
	} else {
		edge.window[TIMELINE_FAULT].amplification = of(s->amplification, s->high);
	}
	edge.retry = (struct policy_retry){.known = !s->is_unknown, .unbounded = s->unbounded, .max_attempts = s->most, .excess_failure = NAN};
	edge.retry_yield = metric_plain(0.5, 7, "x");
	if (measure_amplification(&m))
		abort();
	if (!ok((isnan(s->excess) ? isnan(edge.excess_failure) : fabs(edge.excess_failure - s->excess) < 1e-9) && x.note_count == s->said, "%s",
		s->sentence))
		printf("# %g, %d notes\n", edge.excess_failure, (int)x.note_count);
	ok(edge.retry.yield.n == (s->is_unknown ? 0 : 7), "a_policy_has_the_yield_of_its_edge");
	for (size_t i = 0; i < x.note_count; i++)
		free(x.notes[i]);
	free(x.notes);
}

/* 20 requests, ten of them of two attempts; so many calls were asked for. */
static void check_demand(unsigned demand, bool known, bool bounded, bool by_it, const char *sentence)
{
	struct result_edge edge = {.client = "a", .server = "b", .demand = demand};
	struct result x = {.edges = &edge, .edge_count = 1};
	struct measure m = {.r = &x, .to_ns = UINT64_MAX};
	struct metric *a = &edge.amplification_demand;

	if (tally_add(&edge.whole.chain, 1, 10) || tally_add(&edge.whole.chain, 2, 10))
		abort();
	*a = known ? metric_plain(30.0 / demand, demand, "") : metric_unknown("");
	a->bounded = bounded;
	if (measure_amplification(&m))
		abort();
	ok(a->bounded == (bounded || by_it) && (a->high > 0) == by_it && (!by_it || (a->low < 30.0 / demand && a->high > 30.0 / demand)), "%s", sentence);
	is_int(edge.whole.chain.n, 20, "the_requests_are_as_they_were");
	tally_free(&edge.whole.chain);
}

/* A run that ends in the instant in which it began, as does the one attempt in it: its second is a second. */
static void check_instant(uint64_t ended_ns, double rate, const char *sentence)
{
	struct model_exchange exchange = {.started_ns = 5};
	struct link_logical logical = {.started_ns = 5};
	struct result_edge edge = {.client = "a", .server = "b", .whole = {.linked = true}};
	struct result x = {.edges = &edge, .edge_count = 1, .model = {.exchanges = &exchange, .exchange_count = 1, .started_ns = 5, .ended_ns = ended_ns}};
	uint32_t first = 0;
	size_t begins[] = {0, 1};
	struct chains_group only = {&first, begins};
	struct measure m = {.r = &x, .to_ns = UINT64_MAX, .link = {.logicals = &logical, .count = 1}, .chains = {.by_edge = only, .requests = only}};

	if (measure_amplification(&m))
		abort();
	ok(isnan(rate) ? isnan(edge.rate_amplification) : edge.rate_amplification == rate, "%s", sentence);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++)
		check(&stories[i]);
	check_demand(40, true, false, true, "calls_that_were_shed_are_demand_without_attempts");
	check_demand(21, true, false, true, "a_single_one_too");
	check_demand(20, true, false, false, "where_none_was_there_is_nothing_to_add");
	check_demand(40, false, false, false, "nor_where_it_is_not_known");
	check_demand(40, true, true, false, "nor_where_its_exactness_is");
	check_instant(5, 1, "a_run_of_an_instant_has_a_rate");
	check_instant(4, NAN, "one_that_ended_before_it_began_has_none");
	return tap_done();
}
