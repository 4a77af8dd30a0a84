/* SPDX-License-Identifier: MIT */
/* Breakers of simulated gateways, written to run files and analyzed: the truth is what the simulation did. */
#include "tests/unit/gateways.h"
#include "tests/unit/judge.h"

static const struct analyze_options *const everything = &ANALYZE_EVERYTHING;
static const struct gateway plain = {.tick_ms = 50, .service_ms = 3, .spread_ms = 2, .run_ms = 12000, .bad_from_ms = 3000, .bad_to_ms = 8000,
				     .bad_share = 1, .open_ms = 1500, .consecutive = 5, .seed = 7};

static int constant_fault;	/* what hits calls outside the outage; 0 nothing */

static double at_ms(uint64_t ns)
{
	return (double)ns / 1e6 - 1000;
}

/* As process `id` of "front", which calls 127.0.0.1:81: inbound requests name what they caused, or threads and parents are not known. */
static void write_gateway(struct runs *r, const struct gateway *g, int id, int nested, int inbound)
{
	size_t k = 0;

	runs_process(r, id, "front");
	runs_connection(r, 2 * id, id, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(r, 2 * id + 1, id, "server", "127.0.0.1:80", "127.0.0.1:5000");
	for (size_t i = 0; i < g->demand_count; i++) {
		const struct silence_demand *d = &g->demands[i];
		const struct silence_attempt *a = d->shed ? NULL : &g->attempts[k++];
		int bad = a && (!constant_fault || (at_ms(a->start_ns) >= g->bad_from_ms && at_ms(a->start_ns) < g->bad_to_ms + 1));
		int fault = a && a->failed && g->bad_share >= 1 ? bad ? 1 : constant_fault : 0, parent = 0, x;

		if (inbound)
			parent = runs_add(r, (struct runs_exchange){.connection = 2 * id + 1, .process = id, .tid = nested ? 7 : -1, .role = "server",
								     .path = "/in", .status = !a || a->failed ? 503 : 200, .at_ms = at_ms(d->at_ns),
								     .took_ms = at_ms(d->end_ns) - at_ms(d->at_ns)});
		if (inbound && i % 4 == 0)
			runs_add(r, (struct runs_exchange){.connection = 2 * id + 1, .process = id, .tid = nested ? 8 : -1, .role = "server",
							   .path = "/health", .status = 200, .at_ms = at_ms(d->at_ns) + 20, .took_ms = 0.2});
		if (!a)
			continue;
		x = runs_add(r, (struct runs_exchange){.connection = 2 * id, .process = id, .tid = nested ? 7 : -1, .status = a->failed ? 503 : 200,
						       .at_ms = at_ms(a->start_ns), .took_ms = at_ms(a->end_ns) - at_ms(a->start_ns),
						       .parent = nested ? parent : 0, .fault = fault});
		if (fault)
			runs_inject(r, fault, x, at_ms(a->start_ns), "status", -1, -1);
	}
}

static void begin(struct runs *r, const struct gateway *g)
{
	char spec[128];

	runs_begin(r, g->run_ms);
	snprintf(spec, sizeof(spec), "{\"status\":503,\"from\":\"%.0fms\",\"for\":\"%.0fms\"}", g->bad_from_ms, g->bad_to_ms - g->bad_from_ms);
	runs_fault(r, 1, "outage", spec, 0, 0);
	runs_mark(r, g->bad_from_ms, "fault on outage");
	runs_mark(r, g->bad_to_ms, "fault off outage");
}

struct truth {
	uint64_t shed, shed_bad, asked_bad, leak, tax;
	double probe_ms, first_failure_ms, clear_ms;
};

/* Times between the first failure's start and the fault's end; the first open's instant is the threshold'th failure's end. */
static struct truth count(const struct gateway *g)
{
	struct truth t = {.clear_ms = g->bad_to_ms};
	double trip = -1;
	unsigned failed = 0;

	for (size_t i = 0; i < g->n && trip < 0; i++) {
		failed += g->attempts[i].failed;
		if (g->attempts[i].failed && failed == 1)
			t.first_failure_ms = at_ms(g->attempts[i].start_ns);
		trip = failed == g->consecutive ? at_ms(g->attempts[i].end_ns) : -1;
	}
	for (size_t i = 0; i < g->n; i++) {
		double at = at_ms(g->attempts[i].start_ns);

		t.leak += at > trip && at < g->bad_to_ms;
		if (!(t.probe_ms > 0) && at > g->bad_to_ms)
			t.probe_ms = at;
	}
	for (size_t i = 0; i < g->demand_count; i++) {
		double at = at_ms(g->demands[i].at_ns);

		t.shed += g->demands[i].shed;
		t.shed_bad += g->demands[i].shed && at < g->bad_to_ms;
		t.asked_bad += at >= t.first_failure_ms && at < g->bad_to_ms;
		t.tax += g->demands[i].shed && at >= g->bad_to_ms;
	}
	t.asked_bad++;	/* the request whose call failed first came just before that call */
	return t;
}

/* Every 50 ms somebody asks: a breaker that opens once for 400 ms turns 8 away, for 1500 ms 30. */
static void one_open_among_few_requests(void)
{
	for (int open_ms = 400; open_ms <= 1500; open_ms += 1100) {
		struct gateway g = plain;
		struct runs r;
		struct result x;
		struct policy_breaker *b;

		g.bad_to_ms = g.bad_from_ms + 400;
		g.open_ms = open_ms;
		gateways_run(&g);
		begin(&r, &g);
		write_gateway(&r, &g, 1, 1, 1);
		judge(&r, &x, everything);
		b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
		is_int(b->opens, 1, "it opened once, for %d ms", open_ms);
		is_int(b->confidence, b->shed < 10 ? CONFIDENCE_MEDIUM : CONFIDENCE_HIGH, "%d turned away: %s", (int)b->shed,
		       b->shed < 10 ? "likely, not certain" : "certain");
		is_int(b->shed < 10, open_ms == 400, "as said above");
		judge_end(&r, &x);
		gateways_end(&g);
	}
}

/* Open twice for 260 ms, a request every 50 ms, and no success before the run ends. */
static void opened_twice_and_never_closed(void)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;
	struct policy_breaker *b;

	g.open_ms = 260;
	g.bad_to_ms = g.run_ms = 3720;
	gateways_run(&g);
	begin(&r, &g);
	write_gateway(&r, &g, 1, 1, 1);
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	ok(b->opens == 2 && b->shed < 10, "%u_times_open_%d_turned_away", b->opens, (int)b->shed);
	is_int(b->confidence, CONFIDENCE_MEDIUM, "twice_is_likely_though_it_never_closed");
	judge_end(&r, &x);
	gateways_end(&g);
}

/* Out from 3 to 3.4 s, and by another fault from 4 to 5 s, which the first probe meets: the tax of the first outage is paid until then. */
static void a_second_outage_while_it_is_open(void)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;
	struct policy_breaker *b;
	double probe_ms = 0;
	int well = 0;

	g.bad_to_ms = 5000;
	gateways_run(&g);
	for (size_t i = g.n; i-- > 0 && at_ms(g.attempts[i].start_ns) > 4000;)
		probe_ms = at_ms(g.attempts[i].start_ns);
	for (size_t i = 0; i < g.demand_count; i++) {
		double at = at_ms(g.demands[i].at_ns);

		well += g.demands[i].shed && ((at >= 3400 && at < probe_ms) || at >= 5000);
	}
	runs_begin(&r, g.run_ms);
	runs_fault(&r, 1, "first", "{\"status\":503,\"from\":\"3s\",\"for\":\"400ms\"}", 0, 0);
	runs_fault(&r, 2, "second", "{\"status\":503,\"from\":\"4s\",\"for\":\"1s\"}", 0, 0);
	write_gateway(&r, &g, 1, 1, 1);
	runs_sql(&r, "UPDATE exchange SET fault_id = 2 WHERE fault_id = 1 AND started_ns > %lld", (long long)((RUNS_START_MS + 4000) * 1e6));
	runs_sql(&r, "UPDATE injection SET fault_id = 2 WHERE at_ns > %lld", (long long)((RUNS_START_MS + 4000) * 1e6));
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	is_int(b->opens, 2, "it opened for the first outage, and again when its probe met the second");
	is_int(b->recovery_tax, well, "who was turned away while the server was well paid for it, once");
	judge_end(&r, &x);
	gateways_end(&g);
}

/* A server that was really out, in a run that no fault was part of. */
static void nobody_knows_of_a_fault(void)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;
	struct policy_breaker *b;

	g.bad_share = 0.9999;	/* write_gateway() names no fault */
	gateways_run(&g);
	runs_begin(&r, g.run_ms);
	write_gateway(&r, &g, 1, 1, 1);
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	ok(b->opens > 1 && b->reopens == b->opens - 1, "without a fault it opened %u times, all but once since a half-open call failed", b->opens);
	is_int(b->false_opens, 0, "which says that it was right the first time");
	judge_end(&r, &x);
	gateways_end(&g);
}

static void one_gateway(int nested)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;
	struct policy_breaker *b;
	struct truth t;

	gateways_run(&g);
	t = count(&g);
	begin(&r, &g);
	write_gateway(&r, &g, 1, nested, 1);
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	ok(b->known && !b->absent, "%s: a breaker", nested ? "calls laid to requests" : "calls that nothing is known of but their time");
	is_int(b->opens, g.opens, "it opened %u times", g.opens);
	is_int((int)b->span_count, g.opens, "and was open as often");
	ok(b->spans[0].to_ns - b->spans[0].from_ns >= (uint64_t)(b->open_low_ms * 1e6), "each time for as long as it stays open");
	is_int(b->reopens, g.opens - 1, "once for the outage, else since a half-open call failed");
	ok(b->threshold_low == 5 && b->threshold_high == 5, "after 5 failures (%g to %g)", b->threshold_low, b->threshold_high);
	is_int(b->threshold, THRESHOLD_UNKNOWN, "in a row or by share: an outage of all calls does not tell");
	ok(b->open_low_ms < 1500.5 && b->open_high_ms >= 1500 && b->open_high_ms - b->open_low_ms < 52, "for 1500 ms, to the demand's spacing");
	NEAR(b->half_open_probes, 1, "one half-open call was seen");
	ok(b->probes_at_least, "and no other was asked for meanwhile");
	ok(b->reopen && !strcmp(b->reopen, "any failure"), "a failure opens it again");
	is_int(b->shed, t.shed, "every shed call is counted");
	is_int(b->doomed, t.asked_bad, "all that was asked during the outage was doomed");
	NEAR(b->shed_efficacy.value, (double)t.shed_bad / (double)t.asked_bad, "its efficacy is the share it shed");
	is_int(b->leak, t.leak, "its half-open calls leaked");
	is_int(b->collateral, 0, "none would have succeeded");
	is_int(b->recovery_tax, t.tax, "what it shed after the fault had cleared is its tax");
	ok(fabs(b->recovery_tax_ms - (t.probe_ms - t.clear_ms)) < 0.01, "until the call that closed it");
	is_int(b->false_opens, 0, "none was false");
	ok(isnan(b->expected_false_opens_every), "the baseline failed nothing: how often it would open falsely is not known");
	ok(b->time_to_open_ms > 199 && b->time_to_open_ms < 203, "it took four more requests to open");
	is_int(b->confidence, CONFIDENCE_HIGH, "demand went on and it closed: certain");
	ok(!b->alike, "nothing else looks like it");
	ok(!b->counts, "without retries nobody knows what it counts");
	ok(b->latency_saved_ms > 0, "failing fast saved time");
	judge_end(&r, &x);
	gateways_end(&g);
}

/* Requests come while half-open calls, which take long, are in work: they are shed too. */
static void half_open_sheds(unsigned permits, unsigned close_after)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;
	struct policy_breaker *b;
	double closed = 0;
	struct truth t;

	g.tick_ms = 10;
	g.service_ms = 120;
	g.permits = permits;
	g.close_after = close_after;
	gateways_run(&g);
	t = count(&g);
	for (size_t i = 0; i < g.demand_count; i++)
		closed = g.demands[i].shed ? at_ms(g.demands[i].at_ns) : closed;
	begin(&r, &g);
	write_gateway(&r, &g, 1, 1, 1);
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	is_int(b->opens, g.opens, "half-open, %u calls at once, closed after %u: it opened %u times", permits, close_after, g.opens);
	NEAR(b->half_open_probes, permits, "half-open lets so many pass");
	is_int(b->shed, t.shed, "what it turned away meanwhile was shed");
	is_int(b->recovery_tax, t.tax, "until it had closed after the fault");
	ok(fabs(b->recovery_tax_ms - (closed - t.clear_ms)) < 0.01, "which was when the last was shed (%g ms)", b->recovery_tax_ms);
	NEAR(b->shed_efficacy.value, (double)t.shed_bad / (double)t.asked_bad, "its efficacy is the share that it shed, half-open and open");
	judge_end(&r, &x);
	gateways_end(&g);
}

/* Most calls fail while it is bad: what was shed then, half-open too, would have succeeded as often as what passed. */
static void half_open_collateral(void)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;
	struct policy_breaker *b;
	double first = -1, last = -1, passed = 0, failed = 0, shed = 0;

	g.tick_ms = 10;
	g.service_ms = 60;
	g.bad_share = 0.7;
	g.consecutive = 3;
	g.open_ms = 300;
	gateways_run(&g);
	begin(&r, &g);
	write_gateway(&r, &g, 1, 1, 1);
	runs_sql(&r, "UPDATE exchange SET fault_id = 1 WHERE role = 'client' AND status = 503");
	runs_sql(&r, "INSERT INTO injection(fault_id, exchange_id, at_ns, action) SELECT 1, id, started_ns, 'status' FROM exchange WHERE fault_id");
	for (size_t i = 0; i < g.n; i++)
		first = first < 0 && g.attempts[i].failed ? at_ms(g.attempts[i].start_ns) : first;
	for (size_t i = 0; i < g.n; i++) {
		double at = at_ms(g.attempts[i].start_ns);

		passed += at >= first && at <= 8000;
		failed += at >= first && at <= 8000 && g.attempts[i].failed;
		last = at > 8000 && last < 0 ? at : last;
	}
	for (size_t i = 0; i < g.demand_count; i++)
		shed += g.demands[i].shed && at_ms(g.demands[i].at_ns) >= first && at_ms(g.demands[i].at_ns) <= 8000;
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	ok(failed < passed && shed > 100, "half-open, %g of %g calls fail: %g were shed", failed, passed, shed);
	is_int(b->opens, g.opens, "all opens are seen");
	NEAR(b->collateral, round((1 - failed / passed) * shed), "those that would have succeeded are collateral, half-open ones too");
	judge_end(&r, &x);
	gateways_end(&g);
}

/* A half-open call under way as the fault clears fails, and opens it once more: that is tax too. */
static void a_probe_of_the_fault_fails_after_it(void)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;
	struct policy_breaker *b;
	struct truth t;

	g.tick_ms = 10;
	g.service_ms = 400;
	g.spread_ms = 0;
	g.open_ms = 1000;
	for (g.bad_to_ms = 7000; g.bad_to_ms < 9000; g.bad_to_ms += 100) {
		double probe = -1;

		gateways_run(&g);
		for (size_t i = 0; i < g.n; i++)
			if (at_ms(g.attempts[i].start_ns) < g.bad_to_ms && g.attempts[i].failed)
				probe = at_ms(g.attempts[i].end_ns);
		if (probe > g.bad_to_ms + 50)
			break;
		gateways_end(&g);
		g.n = g.demand_count = g.opens = 0;
	}
	t = count(&g);
	begin(&r, &g);
	write_gateway(&r, &g, 1, 1, 1);
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	ok(t.tax > 100, "a probe of the fault fails after it: %llu requests are shed then", (unsigned long long)t.tax);
	is_int(b->recovery_tax, t.tax, "all of them are its tax");
	judge_end(&r, &x);
	gateways_end(&g);
}

/* The server needs 3 s more than its fault to be well again: probes fail meanwhile. */
static void a_server_that_stays_bad(void)
{
	struct gateway g = plain, felt = plain;
	struct runs r;
	struct result x;
	uint64_t tax = 0;

	gateways_run(&g);
	felt.bad_to_ms = 5000;
	begin(&r, &felt);
	write_gateway(&r, &g, 1, 1, 1);
	runs_sql(&r, "UPDATE exchange SET fault_id = NULL WHERE started_ns > %lld", (long long)((RUNS_START_MS + 5000) * 1e6));
	runs_sql(&r, "DELETE FROM injection WHERE at_ns > %lld", (long long)((RUNS_START_MS + 5000) * 1e6));
	for (size_t i = 0; i < g.demand_count; i++)
		tax += g.demands[i].shed && at_ms(g.demands[i].at_ns) >= 5000;
	judge(&r, &x, everything);
	is_int(judge_edge(&x, "front", "127.0.0.1:81")->breaker.recovery_tax, tax, "probes go on failing after the fault: tax until one succeeds");
	judge_end(&r, &x);
	gateways_end(&g);
}

static void breakers_are_of_a_process(void)
{
	struct gateway g[3] = {plain, plain, plain};
	struct runs r;
	struct result x;
	struct policy_breaker *b;
	unsigned opens = 0;

	begin(&r, &plain);
	for (int i = 0; i < 3; i++) {
		g[i].seed = 11 + (uint64_t)i;
		g[i].tick_ms = 37 + 9 * i;
		gateways_run(&g[i]);
		opens += g[i].opens;
		write_gateway(&r, &g[i], i + 1, 1, 1);
		gateways_end(&g[i]);
	}
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	is_int(b->opens, opens, "three instances: their opens are added");
	ok(b->threshold_low == 5 && b->threshold_high == 5, "each counts its own 5 failures");
	is_int(b->false_opens, 0, "none is false");
	judge_end(&r, &x);
}

static void partial_failures_tell_the_kind(void)
{
	static const char *const kinds[] = {"five in a row", "a rate", "five in a row, without half-open"};

	for (int way = 0; way < 3; way++) {
		int rate = way == 1;
		struct gateway g = plain;
		struct runs r;
		struct result x;
		struct policy_breaker *b;

		g.bad_share = 0.5;
		g.forgets = way == 2;
		g.tick_ms = 10;
		g.open_ms = 300;
		g.run_ms = 60000;
		g.bad_from_ms = 1000;
		g.bad_to_ms = 59000;
		g.consecutive = rate ? 0 : 5;
		g.rate = rate ? 0.6 : 0;
		gateways_run(&g);
		begin(&r, &g);
		write_gateway(&r, &g, 1, 1, 1);
		judge(&r, &x, everything);
		b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
		is_int(b->opens, g.opens, "half of the calls fail: all %u opens are seen", g.opens);
		is_int(b->threshold, rate ? THRESHOLD_RATE : THRESHOLD_CONSECUTIVE, "%s", kinds[way]);
		if (!rate)
			ok(b->threshold_low == 5 && b->threshold_high == 5, "and exactly five");
		else
			ok(isnan(b->threshold_low) && b->share_low <= 0.6 && b->share_high >= 0.6, "a share of 60 %%, and no number");
		ok(b->flaps_per_min > 10, "it flaps");
		if (way == 2)
			ok(!b->reopen || !strcmp(b->reopen, "any failure"), "five failures after an open as before one: no half-open calls");
		judge_end(&r, &x);
		gateways_end(&g);
	}
}

/* A fault that hits a fifth of the calls all the time, beside the outage. */
static void a_constant_fault_hides_no_recovery(void)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;
	struct policy_breaker *b;
	uint64_t tax = 0;
	long long asked = 0, leak = 0;
	bool opened = false;

	g.base_share = 0.2;
	g.consecutive = 8;
	gateways_run(&g);
	begin(&r, &g);
	runs_fault(&r, 2, "errors", "{\"status\":500,\"probability\":0.2}", 0, 0);
	runs_mark(&r, 0, "fault on errors");
	constant_fault = 2;
	write_gateway(&r, &g, 1, 1, 1);
	constant_fault = 0;
	for (size_t i = 0; i < g.demand_count; i++) {
		bool out = at_ms(g.demands[i].at_ns) >= g.bad_from_ms && at_ms(g.demands[i].at_ns) <= g.bad_to_ms;

		tax += g.demands[i].shed && at_ms(g.demands[i].at_ns) > g.bad_to_ms;
		asked += out;
		leak += out && opened && !g.demands[i].shed;
		opened |= g.demands[i].shed;
	}
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	ok(tax > 0 && b->opens == g.opens, "a fifth of the calls fail all the time, and all for a while: the opens are seen");
	is_int((long long)b->recovery_tax, (long long)tax, "and what was shed when only the fifth failed");
	ok(b->span_count && fabs((double)b->spans[b->span_count - 1].to_ns / 1e6 - 1000000 - g.bad_to_ms - b->recovery_tax_ms) < 2, "until it closed");
	is_int(b->doomed, asked, "doomed is what was asked while all failed, not what the fifth hit");
	is_int((long long)b->leak, leak, "what its half-open calls leaked then");
	ok(b->shed - tax > 20 && !b->collateral, "of the %llu that it shed while all failed nobody was harmed", (unsigned long long)(b->shed - tax));
	judge_end(&r, &x);
	gateways_end(&g);
}

/* One open: ten failures and half of the last twenty calls are the same. Four calls of a second ago go on for another, and end well. */
static void a_number_or_a_share(void)
{
	for (int way = 0; way < 2; way++) {
		struct gateway g = plain;
		struct runs r;
		struct result x;
		struct policy_breaker *b;

		g.consecutive = way ? 5 : 0;
		g.rate = 0.5;
		g.open_ms = way ? 5000 : 1500;
		g.bad_from_ms = way ? 4000 : 1000;
		g.bad_to_ms = way ? 4500 : 2000;
		gateways_run(&g);
		for (size_t i = 0; way && i < g.n; i++)
			if (at_ms(g.attempts[i].start_ns) > 3400 && at_ms(g.attempts[i].start_ns) < 4000)
				g.attempts[i].end_ns = (uint64_t)((1000 + 5000) * 1e6) + i;
		for (size_t i = 0; way && i < g.demand_count; i++)
			if (!g.demands[i].shed && at_ms(g.demands[i].at_ns) > 3399 && at_ms(g.demands[i].at_ns) < 3999)
				g.demands[i].end_ns = (uint64_t)((1000 + 5001) * 1e6);
		begin(&r, &g);
		write_gateway(&r, &g, 1, 1, 1);
		judge(&r, &x, everything);
		b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
		is_int(b->opens, g.opens, way ? "calls that end well long after it opened do not hide it" : "it opens once");
		if (!way) {
			ok(b->threshold == THRESHOLD_UNKNOWN && b->share_low >= 0.1 && b->share_low <= 0.5 && b->share_high >= 0.5,
			   "ten in a row, or half of twenty: it does not say which");
			is_int(b->confidence, CONFIDENCE_MEDIUM, "and is not certain of its number");
		}
		judge_end(&r, &x);
		gateways_end(&g);
	}
}

/* 66 calls fail at once, then one in 1.5 s: no outage that a breaker would have cut. At one in 50 ms it is one. */
static void an_outage_goes_on(void)
{
	for (int way = 0; way < 2; way++) {
		struct runs r;
		struct result x;
		struct policy_breaker *b;
		double t = 1000;

		runs_begin(&r, 12000);
		runs_process(&r, 1, "front");
		runs_connection(&r, 2, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
		runs_connection(&r, 3, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
		runs_add(&r, ATTEMPT(.connection = 3, .tid = 8, .role = "server", .path = "/health", .status = 200, .at_ms = 100, .took_ms = 1));
		for (int i = 0; i < 69; i++, t += way ? 50 : i < 65 ? 5 : 1500)
			runs_add(&r, ATTEMPT(.connection = 2, .tid = 7, .status = 503, .at_ms = t, .took_ms = 2));
		judge(&r, &x, everything);
		b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
		is_int(b->absent, way, way ? "failures that go on: no breaker" : "most failures at once, and little after: it may have opened");
		judge_end(&r, &x);
	}
}

static void false_opens(void)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;
	struct policy_breaker *b;
	double p = 0, n = 0;
	unsigned before = 0;

	g.base_share = 0.3;
	g.tick_ms = 20;
	g.run_ms = 60000;
	g.bad_from_ms = 50000;
	g.bad_to_ms = 52000;
	gateways_run(&g);
	for (size_t i = 0; i < g.n; i++)
		g.attempts[i].row = 0;
	runs_begin(&r, g.run_ms);
	runs_fault(&r, 1, "outage", "{\"status\":503,\"from\":\"50s\",\"for\":\"2s\"}", 0, 0);
	runs_mark(&r, 50000, "fault on outage");
	runs_mark(&r, 52000, "fault off outage");
	for (size_t i = 0; i < g.n; i++) {	/* only what the fault hit is the fault's */
		double at = at_ms(g.attempts[i].start_ns);

		n += at < 50000;
		p += at < 50000 && g.attempts[i].failed;
	}
	g.bad_share = 0.99;	/* write_gateway() lays failures to the fault for an outage of all calls alone */
	write_gateway(&r, &g, 1, 1, 1);
	runs_sql(&r, "UPDATE exchange SET fault_id = 1 WHERE role = 'client' AND status = 503 AND started_ns BETWEEN %lld AND %lld",
		 (long long)((RUNS_START_MS + 50000) * 1e6), (long long)((RUNS_START_MS + 52000) * 1e6));
	runs_sql(&r, "INSERT INTO injection(fault_id, exchange_id, at_ns, action) SELECT 1, id, started_ns, 'status' FROM exchange WHERE fault_id");
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	p /= n;
	before = b->false_opens;
	ok(before > 0 && before < b->opens, "opens without a fault are false (%u of %u)", before, b->opens);
	ok(fabs(b->expected_false_opens_every / ((1 - pow(p, 5)) / ((1 - p) * pow(p, 5))) - 1) < 0.05,
	   "and were to be expected: every %.0f calls at a failure share of %.2f", b->expected_false_opens_every, p);
	judge_end(&r, &x);
	gateways_end(&g);
}

static void no_breaker_under_an_outage(void)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;
	struct policy_breaker *b;

	g.consecutive = 0;
	gateways_run(&g);
	begin(&r, &g);
	write_gateway(&r, &g, 1, 1, 1);
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	ok(b->known && b->absent, "no breaker, though one would have had its reasons");
	is_int(b->outage_attempts, 100, "100 failures in a row passed in 5 s");
	is_int(b->opens, 0, "none opened");
	ok(b->witness, "with a witness");
	judge_end(&r, &x);
	gateways_end(&g);
}

/*
 * Calls on both sides of a pause are requests of their own where it is a breaker's; where a wait between retries would look the same, reports say so:
 * nobody knows whether three calls 1.5 s apart were one request's.
 */
static void what_pauses_part(struct result *x, unsigned threshold)
{
	const struct result_edge *e = judge_edge(x, "front", "127.0.0.1:81");
	const struct metric *m = &e->window[TIMELINE_FAULT].amplification;

	is_int(e->retry.alike != NULL, threshold == 1, "by pace, threshold %u: pauses look like waits of retries", threshold);
	is_int(x->recoveries[0].unsure, threshold == 1, "by pace, threshold %u: nor is sure what users felt", threshold);
	NEAR(threshold == 1 ? m->low : m->value, 1, "by pace, threshold %u: no call is a retry, or may be none", threshold);
	is_str(m->method, threshold == 1 ? METRIC_READINGS : "exact", "by pace, threshold %u: what that rests on", threshold);
	ok(threshold == 1 ? m->value > 2 : e->whole.logical == e->whole.attempts, "by pace, threshold %u: how they are counted", threshold);
	is_int(e->retry.max_attempts, threshold == 1 ? 0 : 1, "by pace, threshold %u: attempts of a request", threshold);
}

static void programs_without_requests_of_others(void)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;
	struct policy_breaker *b;

	for (unsigned threshold = 1; threshold <= 10; threshold += 9) {
		g.consecutive = threshold;
		g.opens = 0;
		g.n = g.demand_count = 0;
		gateways_run(&g);
		begin(&r, &g);
		write_gateway(&r, &g, 1, 0, 0);
		judge(&r, &x, everything);
		b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
		is_int(b->opens, g.opens, "by pace, threshold %u: opens", threshold);
		ok(b->threshold_low == threshold && b->threshold_high == threshold, "by pace, threshold %u: exact", threshold);
		ok(b->open_low_ms < 1500 && b->open_high_ms > 1500, "by pace, threshold %u: 1500 ms", threshold);
		is_int(b->confidence, threshold == 1 ? CONFIDENCE_LOW : CONFIDENCE_MEDIUM, "by pace, threshold %u: never certain", threshold);
		is_int(b->alike != NULL, threshold == 1, "by pace, threshold %u: what looks alike", threshold);
		what_pauses_part(&x, threshold);
		judge_end(&r, &x);
		gateways_end(&g);
	}
}

/* Requests of three attempts each, 100 ms apart, through a breaker of 4 attempts inside the retries, or of 2 requests around them; open for 1 s. */
static void attempts_or_requests(int requests)
{
	struct runs r;
	struct result x;
	struct policy_breaker *b;
	double open_until = -1;
	unsigned run = 0, opens = 0;

	runs_begin(&r, 20000);
	runs_process(&r, 1, "front");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	for (int i = 0; i < 200; i++) {
		double at = 100 * i, now = at + 0.1;
		int bad = i >= 50 && i < 120, made = 0, half = open_until > 0 && at >= open_until;
		int parent = runs_add(&r, (struct runs_exchange){.connection = 2, .tid = 7, .role = "server", .path = "/in", .status = bad ? 503 : 200,
								 .at_ms = at, .took_ms = 12});

		for (int k = 0; k < 3 && now >= open_until && (k == 0 || bad); k++) {
			runs_add(&r, ATTEMPT(.tid = 7, .status = bad ? 503 : 200, .at_ms = now, .took_ms = 2, .parent = parent));
			now += 2;
			made++;
			run = bad ? run + !requests : 0;
			if (!requests && bad && (run >= 4 || half)) {
				open_until = now + 1000;
				opens++;
				run = 0;
			}
			now += 1;
		}
		run += requests && bad && made;
		if (requests && bad && made && (run >= 2 || half)) {
			open_until = now + 1000;
			opens++;
			run = 0;
		}
		if (!bad && made)
			open_until = -1;
	}
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	is_int(b->opens, opens, "%s: %u opens", requests ? "around the retries" : "inside the retries", opens);
	ok(b->counts && !strcmp(b->counts, requests ? "requests" : "attempts"), "it counts %s", b->counts ? b->counts : "-");
	NEAR(b->threshold_low, requests ? 2 : 4, "at least so many");
	NEAR(b->threshold_high, requests ? 2 : 4, "at most so many");
	judge_end(&r, &x);
}

/*
 * A request every 20 ms, of three attempts of 100 ms with 60 ms between them while the server is bad, from 3 to 4 s. A breaker around the retries
 * opens with the fifth request that ends badly, for 1 s; those that are in work then go on trying for up to 400 ms. With a bulkhead (cut) each fourth
 * of them ends 50 ms after its first attempt, which is no end that the breaker makes; three were turned away at 1 s, which nothing explains; it is
 * open for 4 s. Where the machine is busy, three of those that are shed have their answers late, as if they had waited for a retry.
 */
enum world { QUIET, CUT, BUSY };
static void what_was_let_in_goes_on_trying(enum world world)
{
	const bool cut = world == CUT;
	const double open_ms = cut ? 3000 + 15 * 20 + 151 : 3000 + 4 * 20 + 420.1, open_for_ms = cut ? 4000 : 1000, probe_ms = open_ms + open_for_ms;
	struct runs r;
	struct result x;
	struct policy_breaker *b;
	uint64_t shed = 0, late = 0;

	runs_begin(&r, 8000);
	runs_process(&r, 1, "front");
	runs_connection(&r, 1, 1, "client", "127.0.0.1:4000", "127.0.0.1:81");
	runs_connection(&r, 2, 1, "server", "127.0.0.1:80", "127.0.0.1:5000");
	runs_process(&r, 2, "back");
	runs_connection(&r, 3, 2, "server", "127.0.0.1:81", "127.0.0.1:4000");
	runs_fault(&r, 1, "outage", "{\"status\":503,\"from\":\"3s\",\"for\":\"1s\"}", 0, 0);
	for (int i = 0; i < 400; i++) {
		double at = 20 * i;
		bool is_shed = at > open_ms && at < probe_ms, bad = at >= 3000 && at < 4000, short_one = cut && i % 4 == 1;
		bool is_none = is_shed || (cut && i >= 50 && i < 53), is_late = world == BUSY && is_shed && at > open_ms + 500 && late < 3;
		int parent = runs_add(&r, (struct runs_exchange){.connection = 2, .tid = 100 + i, .role = "server", .path = "/in",
								 .status = bad || is_none ? 503 : 200, .at_ms = at,
								 .took_ms = is_late ? 70 : is_none ? 0.1 : !bad ? 3 : short_one ? 151 : 421});

		shed += is_shed;
		late += is_late;
		for (int k = 0; k < (is_none ? 0 : bad && !short_one ? 3 : 1); k++)
			runs_add(&r, ATTEMPT(.tid = 100 + i, .status = bad ? 503 : 200, .at_ms = at + 0.1 + 160 * k, .took_ms = bad ? 100 : 2,
					     .parent = parent));
		if (bad && !is_shed)
			runs_inject(&r, 1, runs_add(&r, (struct runs_exchange){.connection = 3, .process = 2, .tid = 9, .role = "server", .status = 503,
									       .at_ms = at + 0.2, .took_ms = 99}), at + 1, "status", -1, -1);
	}
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "back")->breaker;
	is_int(b->opens, 1, "attempts of requests that were let in before are no probes: it opened once");
	ok(b->shed <= shed && b->shed + 2 > shed, "and shed %d requests (the first may have met a full bulkhead)", (int)shed);
	ok(b->counts && !strcmp(b->counts, "requests"), "it counts %s", b->counts ? b->counts : "-");
	ok(b->threshold_low <= 5 && b->threshold_high >= 5 && b->threshold_high <= 7, "five of them: %.0f to %.0f", b->threshold_low,
	   b->threshold_high);
	ok(b->open_low_ms > open_for_ms - 50 && b->open_low_ms <= open_for_ms && b->open_high_ms >= open_for_ms && b->open_high_ms < open_for_ms + 30,
	   "open for %.0f ms: %.0f to %.0f", open_for_ms, b->open_low_ms, b->open_high_ms);
	NEAR(b->half_open_probes, 1, "with one probe");
	ok(fabs(b->recovery_tax_ms - (probe_ms - 4000)) < 30, "the fault, seen at the server alone, was gone for the last %.0f ms of it",
	   b->recovery_tax_ms);
	judge_end(&r, &x);
}

/* The calls end before they begin: the name of the server is looked up in vain, which makes an edge of its own. */
/* Three hundred failures, then four pauses of 80 ms, or of any length, that turn fewer requests away, and no success any more. */
static void more_failed_than_was_turned_away(void)
{
	for (int any = 0; any < 2; any++) {
		struct gateway g = plain;
		struct policy_breaker *b;
		struct result x;
		struct runs r;

		g.tick_ms = 5;
		g.consecutive = 300;
		g.open_ms = 80;
		g.open_step_ms = any ? 60 : 0;
		g.bad_to_ms = g.run_ms = any ? 5060 : 4900;
		gateways_run(&g);
		begin(&r, &g);
		write_gateway(&r, &g, 1, 1, 1);
		judge(&r, &x, everything);
		b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
		ok(g.opens > 2, "(%u pauses)", g.opens);
		is_int(b->opens, any ? 0 : g.opens, any ? "pauses of no common length: an overload looks like that" : "pauses of one length: a breaker's");
		ok(!any || (b->ruled_out && strstr(b->ruled_out, "overloaded")), "%s", any && b->ruled_out ? b->ruled_out : "and said so");
		judge_end(&r, &x);
		gateways_end(&g);
	}
}

/* Who is turned down is answered after 200 ms, as behind retries that were turned down too. */
static void requests_that_wait_before_they_are_turned_down(void)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;
	const struct policy_breaker *b;

	gateways_run(&g);
	for (size_t i = 0; i < g.demand_count; i++)
		if (g.demands[i].shed)
			g.demands[i].end_ns = g.demands[i].at_ns + (uint64_t)(200 * 1e6);
	begin(&r, &g);
	write_gateway(&r, &g, 1, 1, 1);
	judge(&r, &x, everything);
	b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
	is_int(b->opens, g.opens, "all_opens_are_seen_though_nobody_is_answered_fast");
	ok(b->waited > 50 && fabs(b->waited_ms - 200) < 1e-6, "%d_waited_200_ms", (int)b->waited);
	is_int(b->confidence, CONFIDENCE_MEDIUM, "that_they_agree_is_not_certain");
	judge_end(&r, &x);
	gateways_end(&g);
}

/* A program that stops for four seconds though nothing fails; one call of its to another server does. */
static void nothing_failed_there(void)
{
	for (int failed = 0; failed < 2; failed++) {
		struct gateway g = plain;
		struct runs r;
		struct result x;
		const struct policy_breaker *b;

		g.bad_share = 0;
		g.quiet_from_ms = 6000;
		g.quiet_to_ms = 10000;
		gateways_run(&g);
		begin(&r, &g);
		write_gateway(&r, &g, 1, 0, 0);
		runs_connection(&r, 50, 1, "client", "127.0.0.1:4001", "127.0.0.1:82");
		runs_add(&r, ATTEMPT(.connection = 50, .tid = 5, .status = 503, .at_ms = 3010, .took_ms = 1));
		if (failed)
			runs_add(&r, ATTEMPT(.connection = 2, .tid = 6, .status = 503, .at_ms = 3012, .took_ms = 1));
		judge(&r, &x, everything);
		b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
		is_int(b->ruled_out != NULL, failed, "that_calls_stop_is_no_matter_where_%s_failed_at_that_server", failed ? "one" : "none");
		judge_end(&r, &x);
		gateways_end(&g);
	}
}

static void names_that_are_not_resolved(void)
{
	for (int fails = 0; fails < 2; fails++) {
		struct gateway g = plain;
		struct runs r;
		struct result x;
		struct policy_breaker *b;

		gateways_run(&g);
		begin(&r, &g);
		write_gateway(&r, &g, 1, 1, 1);
		runs_connection(&r, 50, 1, "client", "", "api.test:81");
		for (int i = 0; i < 200; i++)
			runs_add(&r, (struct runs_exchange){.connection = 50, .tid = 9, .method = "", .path = "", .unsent = 1,
							    .outcome = fails ? "not_sent" : "ok", .error = fails ? "EAI_AGAIN" : NULL,
							    .at_ms = 3100 + 30 * i, .took_ms = 0.1});
		judge(&r, &x, everything);
		b = &judge_edge(&x, "front", "127.0.0.1:81")->breaker;
		is_int(b->opens, fails ? 0 : g.opens, fails ? "look-ups fail all the while: no breaker" : "look-ups that succeed explain nothing");
		is_int(b->ruled_out != NULL, fails, "%s", b->ruled_out ? b->ruled_out : "a breaker");
		judge_end(&r, &x);
		gateways_end(&g);
	}
}

static void ends_that_are_not_known(void)
{
	struct gateway g = plain;
	struct runs r;
	struct result x;

	gateways_run(&g);
	begin(&r, &g);
	write_gateway(&r, &g, 1, 1, 1);
	runs_sql(&r, "UPDATE exchange SET ended_ns = CASE id %% 3 WHEN 0 THEN NULL WHEN 1 THEN 5 ELSE ended_ns END");
	runs_sql(&r, "UPDATE exchange SET parent_id = id WHERE id %% 5 = 0");
	runs_sql(&r, "UPDATE exchange SET process_id = NULL WHERE id %% 7 = 0");
	judge(&r, &x, everything);
	ok(x.edge_count, "a damaged run is judged to the end");
	judge_end(&r, &x);
	gateways_end(&g);
}

int main(void)
{
	one_open_among_few_requests();
	opened_twice_and_never_closed();
	a_second_outage_while_it_is_open();
	one_gateway(1);
	one_gateway(0);
	half_open_sheds(1, 1);
	half_open_sheds(1, 3);
	half_open_sheds(3, 6);
	half_open_collateral();
	a_probe_of_the_fault_fails_after_it();
	a_server_that_stays_bad();
	breakers_are_of_a_process();
	partial_failures_tell_the_kind();
	nobody_knows_of_a_fault();
	a_number_or_a_share();
	an_outage_goes_on();
	a_constant_fault_hides_no_recovery();
	false_opens();
	no_breaker_under_an_outage();
	programs_without_requests_of_others();
	attempts_or_requests(0);
	attempts_or_requests(1);
	what_was_let_in_goes_on_trying(QUIET);
	what_was_let_in_goes_on_trying(CUT);
	what_was_let_in_goes_on_trying(BUSY);
	more_failed_than_was_turned_away();
	nothing_failed_there();
	requests_that_wait_before_they_are_turned_down();
	names_that_are_not_resolved();
	ends_that_are_not_known();
	return tap_done();
}
