/* SPDX-License-Identifier: MIT */
/* The text face, on results filled by hand: each policy in words, what is not known left out, 100 columns, hostile names. */
#include <math.h>
#include "analyzer/face/face.h"
#include "analyzer/face/policy_text.h"
#include "analyzer/face/report.h"
#include "analyzer/face/table.h"
#include "analyzer/judge/findings.h"
#include "analyzer/stats/show.h"
#include "tests/lib/tap.h"

static struct result result;
static struct result_edge edge;
static struct result_service service;
static char *said;

/* What a policy of `edge` reads as. */
static const char *words(enum policy_kind kind)
{
	size_t n;
	FILE *out;

	free(said);
	out = open_memstream(&said, &n);
	policy_text(&result, &edge, kind, out);
	fclose(out);
	return said;
}

static void fresh(void)
{
	edge = (struct result_edge){.client = "front", .server = "back", .protocol = "http1", .linking = "id", .root = true};
	edge.latency = (struct latency){.mean = NAN, .p50 = NAN, .p90 = NAN, .p95 = NAN, .p99 = NAN, .max = NAN};
	edge.retry = (struct policy_retry){.known = true, .deadline_ms = NAN, .base_ms = NAN, .multiplier = NAN, .cap_ms = NAN, .added_ms = NAN,
					   .retry_after_cap_ms = NAN, .herd_preservation = NAN, .budget_ratio = NAN, .budget_over_s = NAN,
					   .storm_amplification = NAN, .storm_seconds = NAN, .budget_peak = NAN, .excess_failure = NAN};
	edge.timeout = (struct policy_timeout){.longest_ms = NAN};
	edge.breaker = (struct policy_breaker){.threshold_low = NAN, .threshold_high = NAN, .open_low_ms = NAN, .open_high_ms = NAN,
					       .open_growth = NAN, .half_open_probes = NAN, .close_after = NAN, .time_to_open_ms = NAN, .recovery_tax_ms = NAN,
					       .expected_false_opens_every = NAN};
	service = (struct result_service){.name = "front"};
	service.shedding.collapse = NAN;
	result = (struct result){.file = "run.db", .edges = &edge, .edge_count = 1, .services = &service, .service_count = 1, .false_link_rate = NAN,
				 .slo = NAN, .duration_s = 10};
	result.model.exchange_count = 100;
}

static struct policy_retry *const retry = &edge.retry;
static struct policy_reaction reactions[] = {{.status = 404, .not_retried = 3}, {.status = 503, .retried = 9}};

/* What a retry policy reads as, as a whole or in part, when what follows is so: assignments. Nothing else is known of it. */
#define WITH(...) (fresh(), (void)(__VA_ARGS__), words(POLICY_RETRY))
#define SAYS(sentence, what, ...) is_str(WITH(__VA_ARGS__), sentence, what)
#define SAYS_TOO(part, what, ...) ok(strstr(WITH(__VA_ARGS__), part), what)

static void attempts(void)
{
	SAYS("", "a client of which nothing but failures is known", 0);
	SAYS("attempts not known, honours Retry-After", "one that has not given up", retry->retry_after = RETRY_AFTER_HONOURED);
	SAYS("3 attempts or more, honours Retry-After", "which made so many at least", retry->retry_after = RETRY_AFTER_HONOURED,
	     edge.worst_attempts = 3);
	SAYS("of requests that overlap, so that nobody can tell how many attempts are whose, honours Retry-After", "unless they may be another request's",
	     retry->retry_after = RETRY_AFTER_HONOURED, edge.worst_attempts = 3, retry->tangled = true);
	SAYS("none: a failed request is given up", "one that does not retry", retry->max_attempts = 1, retry->reactions = reactions,
	     retry->reaction_count = 1);
#define AGAIN(n) retry->max_attempts = 1, retry->failed_requests = 200, edge.worst_attempts = 3, edge.whole.linked = true, edge.whole.logical = 400, \
	edge.whole.attempts = 400 + (n)
	SAYS("most failed requests are given up, others are tried again, up to 3 attempts", "one that tries a tenth of them again", AGAIN(20));
	SAYS("none: a failed request is given up", "fewer may be other requests", AGAIN(19));
	SAYS("", "what is not known is not said", retry->max_attempts = 3, retry->known = false);
}

#define JITTER(rho) ((struct metric){.value = (rho), .low = 0.48, .high = 0.53, .known = true, .bounded = true, .method = "quantiles"})
#define DOUBLED retry->max_attempts = 4, retry->backoff = BACKOFF_EXPONENTIAL, retry->multiplier = 2, retry->base_ms = 100, retry->cap_ms = 2000, \
	retry->retry_after = RETRY_AFTER_HONOURED, retry->confidence = CONFIDENCE_HIGH, retry->jitter_low = JITTER(0.5)
#define NAMED(n, ...) memcpy(retry->jitter_names, ((const char *[]){__VA_ARGS__}), (n) * sizeof(char *)), retry->jitter_name_count = (n)

static void jitter(void)
{
	SAYS("4 attempts, exponential x2 from 100 ms, at most 2.00 s, equal jitter (rho 0.50, 0.48..0.53), honours Retry-After; after 503; not after 404;"
	     " high confidence", "exponential backoff with equal jitter", DOUBLED, NAMED(1, "equal"), retry->reactions = reactions, retry->reaction_count = 2);
	SAYS_TOO("x2 from 133 ms, at most 2.00 s, equal", "jitter takes from what the schedule begins with", DOUBLED, NAMED(1, "equal"),
		 retry->base_high_ms = 133, retry->cap_before_jitter = true);
	SAYS_TOO("x2 from 100 ms, at most 2.00 s before jitter, ±30 %", "or lies around it", DOUBLED, NAMED(1, "±30 %"), retry->base_high_ms = 133,
		 retry->cap_before_jitter = true);
	SAYS_TOO("x2 from 200 ms, at most 2.00 s before jitter, +20 %", "or adds to it", DOUBLED, NAMED(1, "+20 %"), retry->base_ms = 220,
		 retry->base_low_ms = 200, retry->base_high_ms = 240, retry->cap_before_jitter = true);
	SAYS_TOO("linear from 200 ms, 200 ms more each time, full", "a step grows as what it begins with", DOUBLED, NAMED(1, "full"),
		 retry->backoff = BACKOFF_LINEAR, retry->base_high_ms = 200, retry->step_ms = 100, retry->cap_ms = NAN);
	SAYS_TOO(", equal or ±30 % jitter (rho", "all names that the interval holds are given", DOUBLED, NAMED(2, "equal", "±30 %"));
	SAYS_TOO(", no jitter, honours", "none is no kind of jitter", DOUBLED, NAMED(1, "none"));
	SAYS_TOO(", jitter (rho 0.50", "jitter without a name", DOUBLED);
	SAYS_TOO(", no jitter, honours", "and next to none", DOUBLED, retry->jitter_low = JITTER(0.97));
	SAYS_TOO(" from 100 ms,", "a schedule begins with what jitter takes from", DOUBLED, retry->base_low_ms = 50, retry->base_high_ms = 100,
		 retry->base_ms = 75);
}

static void backoffs(void)
{
	SAYS("3 attempts, backoff ambiguous: linear or exponential x2, first wait 50.0 ms", "two gaps can not tell, and no confidence is claimed",
	     retry->max_attempts = 3, retry->backoff = BACKOFF_AMBIGUOUS, retry->base_ms = 50, retry->candidate_count = 2,
	     retry->candidates[0] = (struct policy_candidate){BACKOFF_LINEAR, NAN},
	     retry->candidates[1] = (struct policy_candidate){BACKOFF_EXPONENTIAL, 2});
	SAYS("3 attempts, no backoff; low confidence", "no backoff has no base", retry->max_attempts = 3, retry->backoff = BACKOFF_NONE,
	     retry->base_ms = 50, retry->confidence = CONFIDENCE_LOW);
	SAYS("no limit seen (up to 3 attempts), the first retry at once, then linear from 50.0 ms, ignores Retry-After; medium confidence",
	     "no limit, and the first retry at once", retry->max_attempts = 3, retry->backoff = BACKOFF_LINEAR, retry->skip_first = true,
	     retry->unbounded = true, retry->base_ms = 50, retry->retry_after = RETRY_AFTER_IGNORED, retry->confidence = CONFIDENCE_MEDIUM);
}

static void methods(void)
{
	struct policy_method asked[] = {{.retried = 5, .not_retried = 1}, {.not_retried = 2}};

	fresh();
	asked[0].method = texts_add(&result.model.names, "GET");
	asked[1].method = texts_add(&result.model.names, "POST");
	retry->max_attempts = 3;
	retry->methods = asked;
	retry->method_count = 2;
	ok(strstr(words(POLICY_RETRY), "; never POST"), "what it does not repeat");
	asked[0].retried = 0;
	ok(!strstr(words(POLICY_RETRY), "never"), "which says nothing where it repeats no method");
	texts_free(&result.model.names);
	retry->method_count = 0;
}

static void others(void)
{
	struct policy_timeout *t = &edge.timeout;
	struct policy_breaker *b = &edge.breaker;

	fresh();
	is_str(words(POLICY_TIMEOUT), "", "an unknown timeout is not said");
	t->known = true;
	t->longest_ms = 12000;
	is_str(words(POLICY_TIMEOUT), "none up to 12.0 s", "a client that waits");
	t->modes[0] = (struct policy_timeout_mode){.ms = 1000, .low_ms = 980, .high_ms = 1020, .n = 12, .kind = TIMEOUT_RESPONSE};
	t->modes[1] = (struct policy_timeout_mode){.ms = 300, .low_ms = NAN, .high_ms = NAN, .n = 5, .kind = TIMEOUT_CONNECT};
	t->mode_count = 2;
	is_str(words(POLICY_TIMEOUT), "1.00 s (980 ms..1.02 s) for an answer, seen 12 times; 300 ms to connect, seen 5 times", "two timeouts");

	is_str(words(POLICY_BREAKER), "", "an unknown breaker is not said");
	*b = (struct policy_breaker){.known = true, .opens = 2, .threshold_low = 5, .threshold_high = 6,
				     .threshold = THRESHOLD_CONSECUTIVE, .open_low_ms = 1480, .open_high_ms = 1520,
				     .half_open_probes = 1, .close_after = 1, .open_growth = 1, .shed = 40,
				     .confidence = CONFIDENCE_HIGH};
	is_str(words(POLICY_BREAKER), "opens after 5 to 6 failures in a row for 1.50 s (1.48 s..1.52 s), 1 probe, closes after 1 success;"
				      " opened 2 times, turned 40 calls away; high confidence", "a breaker");
	b->reopens = 1;
	b->alike = "a rate limiter";
	ok(strstr(words(POLICY_BREAKER), "; opened 2 times (1 after a probe failed), turned 40 calls away; a rate limiter would look the same; high"),
	   "and what it may be instead");
	b->paced = true;
	ok(strstr(words(POLICY_BREAKER), "; opened 2 times (1 after a probe failed); a rate limiter would look the same; high"),
	   "calls that nobody saw, and that may never have been, are not counted");
	b->alike = NULL;
	ok(strstr(words(POLICY_BREAKER), ", turned about 40 calls away; high"), "those that must have been are, about");
	b->paced = false;
	b->threshold = THRESHOLD_UNKNOWN;
	b->share_low = b->share_high = 1;
	ok(strstr(words(POLICY_BREAKER), "opens after 5 to 6 failures, or by their share (100 %) for"), "or by which share");
	b->share_low = 0.5;
	ok(strstr(words(POLICY_BREAKER), "(50 % to 100 %)"), "or between which shares");
	b->threshold_low = b->threshold_high = 1;
	ok(strstr(words(POLICY_BREAKER), "opens after 1 failure, or"), "one is in the singular");
	*b = (struct policy_breaker){.known = true, .absent = true, .outage_attempts = 120};
	is_str(words(POLICY_BREAKER), "none: 120 failed attempts in a row went through; low confidence", "an outage without one");

	edge.bulkhead = (struct policy_bulkhead){.known = true, .width = 10, .mode = BULKHEAD_QUEUE, .candidates = {"bulkhead", "connection pool"},
						 .candidate_count = 2, .confidence = CONFIDENCE_MEDIUM};
	is_str(words(POLICY_BULKHEAD), "10 at once, the rest waits; bulkhead or connection pool; medium confidence", "a bulkhead");
	edge.idempotency = (struct policy_idempotency){.known = true, .keys = 9, .duplicates = 4};
	is_str(words(POLICY_IDEMPOTENCY), "9 keys, 4 attempts beyond the first of theirs, none of which took effect again", "idempotency that holds");
	edge.hedging = (struct policy_hedging){.known = true, .hedged = 11, .wins = 4, .cancelled = 7, .delay_ms = 20,
					       .delay_low_ms = 20, .delay_high_ms = 20};
	is_str(words(POLICY_HEDGING), "a second attempt after 20.0 ms for 11 requests, 4 answered first, 7 losers given up", "hedging");
}

/* The page of `result`. */
static char *page(void)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (report_text(&result, out))
		printf("# the page could not be printed\n");
	fclose(out);
	return text;
}

static int widest(char *text)
{
	int most = 0;

	for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		most = face_width(line) > most ? face_width(line) : most;
	return most;
}

static void pages(void)
{
	struct result_recovery recovery = {.fault = "outage", .number = 2, .impact_ms = 40, .mttr_ms = 2000, .recovery_lag_ms = 500, .observed_ms = NAN,
					   .lost_goodput = 31, .label = "recovered", .flaps = 1, .lag_breaker_ms = 400, .lag_backoff_ms = 0,
					   .lag_rest_ms = 100, .lag_drain_ms = NAN, .overshoot = 1.2, .margin = NAN};
	struct result_fault fault = {.name = "outage", .matched = 40, .fired = 30, .first_s = 1, .last_s = 9};
	char *text;

	others();	/* leaves what it has set in place */
	edge.retry = (struct policy_retry){.known = true, .max_attempts = 4, .backoff = BACKOFF_NONE, .confidence = CONFIDENCE_HIGH,
					   .unsafe_indeterminate = {3, 17}, .deadline_ms = NAN};
	edge.whole = (struct result_cohort){.linked = true, .logical = 1000000, .attempts = 3000000, .delivered = 3000000, .succeeded = 400000,
					    .amplification = {3, 2.95, 3.05, 1000000, "bootstrap", true, true},
					    .success = metric_share(400000, 1000000)};
	edge.peak_attempts_per_s = 12345;
	edge.client = "checkout-service";
	edge.server = "127.0.0.1:44721";
	edge.amplification_demand = metric_plain(0.75, 100, "");
	result.recoveries = &recovery;
	result.faults = &fault;
	result.recovery_count = result.fault_count = 1;
	findings_make(&result);
	text = page();
	ok(strstr(text, "PASS  run.db, but 2 grave findings and 60 % of the requests of users failed\n") == text,
	   "the verdict comes first, and hides neither grave findings nor what users got");
	ok(strstr(text, "\n  success            40.0 %  of 1000000 requests of users (95 %: "), "what users got");
	ok(strstr(text, "\n  amplification       3.00x  checkout-service -> 127.0.0.1:44721 (95 %: 2.95..3.05)"), "what retries added");
	ok(strstr(text, "\n  peak              12345/s  "), "the peak");
	ok(strstr(text, "\n  recovery           2.00 s  outage hurt users for so long, until 500 ms after it had gone"), "how long it took");
	ok(strstr(text, "1 critical, "), "how grave it is");
	ok(strstr(text, "\n  outage no. 2: recovered; users felt it 40.0 ms after it began, for 2.00 s, to 500 ms after it\n"
			"    cleared (400 ms breaker, 100 ms not explained); bad again 1 time; 31.0 good requests lost\n"), "what a recovery was made of");
	ok(strstr(text, "unsafe-retry") && strstr(text, "unsafe-retry") < strstr(text, "retry-without-backoff"), "the gravest finding first");
	ok(strstr(text, "(exchange 17)"), "with its witness");
	ok(strstr(text, "demand"), "demand is there where a breaker makes it differ");
	ok(!strstr(text, "nan") && !strstr(text, "(null)"), "what is not known is left out");
	is_int(widest(text) <= 100, 1, "no line is wider than 100 columns");
	free(text);

	edge.client = edge.server = result.file = "\x1b[2J\r\n\xe2\x80\xae<b>";
	service.name = recovery.fault = fault.name = "\x1b[2J\r\n\xe2\x80\xae<b>";
	text = page();
	ok(!strpbrk(text, "\x1b\r\x07") && !strstr(text, "\xe2\x80\xae"), "no name moves the cursor");
	free(text);
	for (size_t i = 0; i < result.finding_count; i++)
		finding_free(&result.findings[i]);
	free(result.findings);
}

/* The headline is the worst of its kind, wherever that is. */
static void worst(void)
{
	static struct result_edge two[2];
	static struct result_path path = {.root = "front", .leaf = "store", .raw = 9, .baseline = 1, .bound = 9, .hops = 2,
					  .amplification = {.value = 9, .n = 5, .known = true, .method = "ratio"}};
	char *text;

	fresh();
	two[0] = two[1] = edge;
	two[1].root = false;
	two[1].client = "back";
	two[1].server = "store";
	two[0].peak_attempts_per_s = 7;
	two[1].peak_attempts_per_s = 5;
	two[0].whole.amplification = metric_plain(1.5, 10, "bootstrap");
	two[1].whole.amplification = metric_plain(2.5, 10, "bootstrap");
	two[0].latency.p50 = two[0].latency.p99 = 10;
	two[1].latency.p50 = two[1].latency.p99 = 20;
	two[0].whole.linked = two[1].whole.linked = true;
	two[0].whole.logical = two[0].whole.succeeded = 4;
	two[1].whole.logical = 100;
	result.edges = two;
	result.edge_count = 2;
	result.paths = &path;
	result.path_count = 1;
	text = page();
	ok(strstr(text, "  amplification       2.50x  back -> store; front => store 9.00 attempts per request end to end\n"),
	   "the edge that amplifies most, and what that comes to");
	ok(strstr(text, "\n  front => store 9.00 attempts per request, 1.00 in the baseline: 9.00x; the clients' limits allow 9\n"),
	   "and so path by path");
	ok(strstr(text, "  peak                  7/s  attempts within one second, front -> back\n"), "the edge with the highest peak");
	ok(strstr(text, "  p99               10.0 ms  of the attempts front -> back (p50 10.0 ms)\n"), "the latency of users, not of what serves them");
	ok(strstr(text, "  success           100.0 %  of 4 requests of users"), "and their success");
	ok(!strstr(text, "  recovery  "), "no recovery without a fault");
	ok(strstr(text, "PASS  run.db\n") == text, "nothing grave, nothing more to say");
	free(text);
}

/* What users got is in the first line, unless an objective says that it is good enough; well is what 99 % is. */
static void first_line(void)
{
	static const struct {
		unsigned succeeded;
		double slo;
		const char *line;
	} cases[] = {{990, NAN, "PASS  run.db\n"}, {989, NAN, "PASS  run.db, but 1.1 % of the requests of users failed\n"}, {500, 0.4, "PASS  run.db\n"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text;

		fresh();
		edge.whole = (struct result_cohort){.linked = true, .logical = 1000, .attempts = 1000, .succeeded = cases[i].succeeded};
		edge.whole.success = metric_share(cases[i].succeeded, 1000);
		result.slo = cases[i].slo;
		text = page();
		ok(strstr(text, cases[i].line) == text, "%u of 1000: %s", cases[i].succeeded, cases[i].line);
		free(text);
	}
}

/* Of a recovery that the run did not see, whether users were still hurt as it ended. */
static void not_recovered(void)
{
	struct result_recovery v = {.fault = "outage", .impact_ms = 0, .mttr_ms = NAN, .recovery_lag_ms = NAN, .observed_ms = 10400, .good_ms = NAN,
				    .censored = true, .label = "slow_recovery", .lag_breaker_ms = NAN, .lag_backoff_ms = NAN, .lag_drain_ms = NAN,
				    .lag_rest_ms = NAN, .overshoot = NAN, .margin = NAN};
	char *text;

	fresh();
	result.recoveries = &v;
	result.recovery_count = 1;
	text = page();
	ok(strstr(text, "recovery         > 10.4 s  outage still hurt users when the run ended\n"), "it hurts to the end");
	free(text);
	v.good_ms = 4400;
	text = page();
	ok(strstr(text, "recovery         > 10.4 s  outage hurt users until 4.40 s before the run ended, too short a"),
	   "it had gone, not long enough ago to call it over");
	ok(strstr(text, "for 6.00 s, then nothing until the"), "and how long it lasted");
	free(text);
}

/* What looks well and is not quite: degraded answers, users who waited, a figure with two readings. */
static void not_quite_well(void)
{
	struct result_recovery v = {.fault = "outage", .impact_ms = NAN, .mttr_ms = NAN, .recovery_lag_ms = NAN, .observed_ms = NAN, .good_ms = NAN,
				    .label = "no_impact", .lag_breaker_ms = NAN, .lag_backoff_ms = NAN, .lag_drain_ms = NAN, .lag_rest_ms = NAN,
				    .overshoot = NAN, .margin = NAN, .took_ms = 3110, .usual_ms = 48};
	char *text;

	fresh();
	service.name = "back";
	service.whole.degraded = 75;
	edge.whole = (struct result_cohort){.linked = true, .logical = 100, .attempts = 300, .succeeded = 100,
					    .amplification = {3, 1, 3, 100, METRIC_READINGS, true, true}};
	edge.retry.max_attempts = 3;
	edge.retry.alike = "the pauses of a circuit breaker";
	result.recoveries = &v;
	result.recovery_count = 1;
	text = page();
	ok(strstr(text, "; 75 of the good answers\n"), "degraded answers are good, and less");
	ok(strstr(text, "front -> back (1.00..3.00: retries, or a breaker's pauses)"), "from one reading to the other, neither of which is a confidence");
	ok(strstr(text, "3 attempts; the pauses of a circuit breaker would look the same"), "and the policy says so");
	ok(strstr(text, "recovery       not needed  no request of users failed by outage, but they took up to 3.11 s"), "nobody failed, all waited");
	ok(strstr(text, "outage: no_impact; requests of users took up to 3.11 s (p95), not 48.0 ms"), "and how long");
	free(text);
	service.whole.requests = 601;
	text = page();
	ok(!strstr(text, "of the good answers"), "of a service that users ask the lesser part, nobody knows who got them");
	free(text);
	service.whole.requests = 600;
	service.name = "store";
	v.usual_ms = 3000;
	v.unsure = true;
	text = page();
	ok(!strstr(text, "of the good answers"), "what a service behind others degrades its callers may make good");
	ok(strstr(text, "users felt nothing of outage, unless a breaker turned them away"), "nobody waited, if nobody was turned away");
	free(text);
}

static void wrapped(void)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	struct face f = {out, false};
	char word[121];

	memset(word, 'x', 120);
	word[120] = 0;
	face_wrap(&f, FACE_PLAIN, 97, 4, "ab cd");
	face_wrap(&f, FACE_PLAIN, 95, 4, "ab cd");
	face_wrap(&f, FACE_PLAIN, 94, 4, "é cd");
	face_wrap(&f, FACE_PLAIN, 0, 2, word);
	face_wrap(&f, FACE_PLAIN, 0, 2, "");
	fclose(out);
	ok(!strncmp(text, "ab\n    cd\nab cd\né cd\nxxx", 22) && strlen(text) == 22 + 121 + 1, "lines break before column 101, words never");
	free(text);
}

static void wide_tables(void)
{
	static const char *const cells[] = {"edge", "figure", "a name that is far too long to stand beside its figures", "1", "short", "2"};
	char *text = NULL, wide[91];
	size_t n;
	FILE *out = open_memstream(&text, &n);
	struct table t;

	memset(wide, '9', 72);
	wide[72] = 0;
	table_init(&t, 2);
	for (int i = 0; i < 6; i++)
		table_cell(&t, "%s", cells[i]);
	table_print(&t, out, 2);
	table_cell(&t, "short");
	table_cell(&t, "%s", wide);
	table_print(&t, out, 2);
	table_free(&t);
	fclose(out);
	ok(strstr(text, "\n  a name that is far too long to stand beside its figures       1\n"), "a long name stands beside its figures where there is room");
	ok(strstr(text, "figures\n                            "), "else above them");
	is_int(widest(text) <= 100, 1, "so that no line is wider than 100 columns");
	free(text);
}

int main(void)
{
	char buf[64];

	attempts();
	jitter();
	backoffs();
	methods();
	others();
	pages();
	worst();
	first_line();
	not_recovered();
	not_quite_well();
	wrapped();
	wide_tables();
	is_str(show_duration(0.314, buf), "0.31 ms", "durations: below a millisecond");
	is_str(show_duration(12.4, buf), "12.4 ms", "below a second");
	is_str(show_duration(1500, buf), "1.50 s", "seconds");
	is_str(show_duration(NAN, buf), "-", "unknown");
	is_str(show_factor(&(struct metric){.known = true, .value = 3}, buf), "3.00x", "factors: two decimals");
	is_str(show_factor(&(struct metric){.known = true, .value = 0.00234}, buf), "0.0023x", "and two digits of small ones");
	is_str(show_factor(&(struct metric){.known = true}, buf), "0.00x", "nothing is nothing");
	is_str(show_bounds(&(struct metric){.known = true, .bounded = true, .low = 0.00021, .high = 0.31, .method = "bootstrap"}, false, buf),
	       "0.00021..0.31", "and of their bounds");
	ok(*show_duration(1e300, buf) && *show_duration(-1, buf), "and whatever a damaged file makes of them");
	free(said);
	return tap_done();
}
