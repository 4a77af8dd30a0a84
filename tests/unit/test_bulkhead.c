/* SPDX-License-Identifier: MIT */
/* Bulkheads of simulated gateways, written to run files and analyzed. */
#include "tests/unit/gateways.h"
#include "tests/unit/judge.h"

static const struct analyze_options *const everything = &ANALYZE_EVERYTHING;

static double at_ms(uint64_t ns)
{
	return (double)ns / 1e6 - 1000;
}

/* A gateway that rejects beyond so many calls: one request at a time for a second, then `batch` at once. */
static struct gateway crowd(unsigned width, unsigned batch)
{
	struct gateway g = {.tick_ms = 30, .service_ms = 12, .spread_ms = 6, .run_ms = 3000, .width = width, .batch = batch, .seed = 4};

	gateways_run(&g);
	return g;
}

static void write_crowd(struct runs *r, const struct gateway *g, int process)
{
	size_t k = 0;

	runs_process(r, process, "front");
	runs_connection(r, 2 * process, process, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(r, 2 * process + 1, process, "server", "127.0.0.1:80", "127.0.0.1:5000");
	for (int i = 0; i < 20; i++) {
		int parent = runs_add(r, (struct runs_exchange){.connection = 2 * process + 1, .process = process, .tid = 7, .role = "server",
								 .path = "/in", .status = 200, .at_ms = 40 * i, .took_ms = 20});

		runs_add(r, (struct runs_exchange){.connection = 2 * process, .process = process, .tid = 7, .status = 200, .at_ms = 40 * i + 0.2,
						   .took_ms = 15, .parent = parent});
	}
	for (size_t i = 0; i < g->demand_count; i++) {
		const struct silence_demand *d = &g->demands[i];
		const struct silence_attempt *a = d->shed ? NULL : &g->attempts[k++];
		int parent = runs_add(r, (struct runs_exchange){.connection = 2 * process + 1, .process = process, .tid = (int)i % 50 + 10,
								 .role = "server", .path = "/in", .status = a ? 200 : 503,
								 .at_ms = 1000 + at_ms(d->at_ns), .took_ms = at_ms(d->end_ns) - at_ms(d->at_ns)});

		if (a)
			runs_add(r, (struct runs_exchange){.connection = 2 * process, .process = process, .tid = (int)i % 50 + 10, .status = 200,
							   .at_ms = 1000 + at_ms(a->start_ns), .took_ms = at_ms(a->end_ns) - at_ms(a->start_ns),
							   .parent = parent});
	}
}

static void rejecting(void)
{
	for (unsigned width = 1; width <= 9; width += 4) {
		struct gateway g = crowd(width, 12);
		struct runs r;
		struct result x;
		struct result_edge *e;
		uint64_t shed = 0;

		for (size_t i = 0; i < g.demand_count; i++)
			shed += g.demands[i].shed;
		runs_begin(&r, 5000);
		write_crowd(&r, &g, 1);
		judge(&r, &x, everything);
		e = judge_edge(&x, "front", "127.0.0.1:81");
		ok(e->bulkhead.known && e->bulkhead.mode == BULKHEAD_REJECT, "width %u: rejects", width);
		is_int(e->bulkhead.width, width, "width %u: width", width);
		is_int(e->bulkhead.rejected, shed, "width %u: rejected", width);
		is_int(e->bulkhead.stopped, shed, "width %u: stopped, without a fault in the whole run", width);
		is_int(e->bulkhead.asked, (long long)g.demand_count + 20, "width %u: of all that asked", width);
		ok(e->bulkhead.witness && isnan(e->bulkhead.wait_ms), "width %u: with a witness, and nobody waits", width);
		is_int(e->bulkhead.confidence, CONFIDENCE_HIGH, "width %u: certain", width);
		ok(e->bulkhead.candidate_count >= 2, "width %u: what it may be", width);
		ok(!e->breaker.known && !e->breaker.opens, "width %u: no breaker", width);
		judge_end(&r, &x);
		gateways_end(&g);
	}
}

/* Under a fault from 1.5 to 2.5 s it turns requests away as it does before and after; others come that never call. */
static void only_what_should_call_under_the_fault(void)
{
	struct gateway g = crowd(4, 12);
	struct runs r;
	struct result x;
	const struct policy_bulkhead *b;
	uint64_t asked = 0, shed = 0, all = 0;

	for (size_t i = 0; i < g.demand_count; i++) {
		double at = 1000 + at_ms(g.demands[i].at_ns);
		bool hit = at >= 1500 && at < 2500;

		asked += hit;
		shed += hit && g.demands[i].shed;
		all += g.demands[i].shed;
	}
	runs_begin(&r, 5000);
	write_crowd(&r, &g, 1);
	for (int i = 0; i < 80; i++) {
		int id = runs_add(&r, (struct runs_exchange){.connection = 3, .process = 1, .tid = 8, .role = "server", .path = "/version", .status = 200,
							     .at_ms = 50 * i + 3, .took_ms = 0.5, .fault = i >= 30 && i < 50});

		if (i >= 30 && i < 50)
			runs_inject(&r, 1, id, 50 * i + 3, "delay", 0.1, 0.1);
	}
	runs_fault(&r, 1, "late", "{\"delay\":\"1ms\"}", 20, 20);
	runs_mark(&r, 1500, "fault on late");
	runs_mark(&r, 2500, "fault off late");
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->bulkhead;
	ok(b->known && b->width == 4, "it is as wide as ever");
	is_int(b->rejected, all, "all that were turned away count");
	is_int(b->asked, asked, "of what asked, what came under the fault and should have called");
	is_int(b->stopped, shed, "and what was turned away then");
	judge_end(&r, &x);
	gateways_end(&g);
}

static void processes_have_their_own(void)
{
	struct runs r;
	struct result x;
	struct result_edge *e;

	runs_begin(&r, 5000);
	for (int i = 1; i <= 3; i++) {
		struct gateway g = crowd(4, 10);

		write_crowd(&r, &g, i);
		gateways_end(&g);
	}
	judge(&r, &x, everything);
	e = judge_edge(&x, "front", "127.0.0.1:81");
	is_int(e->bulkhead.width, 4, "three instances of width 4 are no bulkhead of 12");
	is_int(e->bulkhead.low, 4, "the narrowest");
	is_int(e->bulkhead.high, 4, "the widest");
	judge_end(&r, &x);
}

/* Ten connections of one program in a closed loop: as many calls as ever are in work, always. */
static void a_client_is_no_bulkhead(void)
{
	struct runs r;
	struct result x;

	runs_begin(&r, 5000);
	runs_process(&r, 1, "wrk");
	for (int c = 1; c <= 10; c++) {
		runs_connection(&r, c, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
		for (int i = 0; i < 100; i++)
			runs_add(&r, (struct runs_exchange){.connection = c, .tid = 10 + c, .status = 200, .at_ms = c + 20 * i, .took_ms = 19.9});
	}
	judge(&r, &x, everything);
	ok(!judge_edge(&x, "wrk", "127.0.0.1:81")->bulkhead.known, "ten connections are no bulkhead");
	ok(!judge_edge(&x, "wrk", "127.0.0.1:81")->breaker.known, "and no breaker");
	judge_end(&r, &x);
}

/* Requests that a fault at the service's own side keeps back for a second: what they did not call meanwhile was no place of a queue. */
static void what_a_fault_keeps_back(void)
{
	struct stats_random random = {3};
	struct runs r;
	struct result x;

	runs_begin(&r, 20000);
	runs_process(&r, 1, "front");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_fault(&r, 1, "late", "{\"delay\":\"1s\",\"from\":\"10s\"}", 0, 0);
	for (int i = 0; i < 600; i++) {
		bool hit = i >= 400;
		double at = hit ? 10000 + 25 * (i - 400) : 25 * i, late = hit ? 1000 + stats_uniform(&random) : 0;
		double took = hit ? 75 + 50 * sin(i * 0.05) : 5;
		int in = runs_add(&r, (struct runs_exchange){.connection = 2, .tid = 10 + i, .role = "server", .path = "/in", .status = 200, .at_ms = at,
							     .took_ms = late + took + 1, .fault = hit});

		if (hit)
			runs_inject(&r, 1, in, at, "delay", 1000, late);
		runs_add(&r, (struct runs_exchange){.tid = 10 + i, .status = 200, .at_ms = at + late + 0.3, .took_ms = took, .parent = in});
	}
	judge(&r, &x, everything);
	ok(!judge_edge(&x, "front", "127.0.0.1:81")->bulkhead.known, "requests that came a second late to the service waited for no place");
	judge_end(&r, &x);
}

int main(void)
{
	what_a_fault_keeps_back();
	rejecting();
	only_what_should_call_under_the_fault();
	processes_have_their_own();
	a_client_is_no_bulkhead();
	return tap_done();
}
