/* SPDX-License-Identifier: MIT */
#include "demos/load/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define MS(ns) ((double)(ns) / 1e6)
#define S(ns) ((double)(ns) / 1e9)
#define NS_PER_S 1000000000u
#define ROOM_AT_FIRST 1024

static const char *const end_names[LOAD_ENDS] = {
	[LOAD_ANSWERED] = "answered", [LOAD_TIMEOUT] = "timeout", [LOAD_CONNECT] = "connect", [LOAD_BROKEN] = "broken",
};

void summary_init(struct summary *s)
{
	*s = (struct summary){.arrivals = "closed"};
}

void summary_clear(struct summary *s)
{
	free(s->outcomes);
	summary_init(s);
}

static int make_room(struct summary *s)
{
	size_t room = s->room ? 2 * s->room : ROOM_AT_FIRST;
	struct outcome *more;

	if (s->count < s->room)
		return 0;
	more = realloc(s->outcomes, room * sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->outcomes = more;
	s->room = room;
	return 0;
}

static bool is_status(const struct outcome *o)
{
	return o->end == LOAD_ANSWERED && o->status >= 100 && o->status < SUMMARY_STATUS_MAX;
}

static bool is_good(const struct outcome *o)
{
	return is_status(o) && o->status >= 200 && o->status < 400;
}

int summary_add(struct summary *s, const struct outcome *outcome)
{
	struct outcome *o;
	int err = make_room(s);

	if (err)
		return err;
	o = &s->outcomes[s->count++];
	*o = *outcome;
	if (o->end == LOAD_ANSWERED && !is_status(o))
		o->end = LOAD_BROKEN;
	if (o->end != LOAD_ANSWERED)
		o->status = 0;
	s->ends[o->end]++;
	s->statuses[o->status] += is_status(o);
	s->good += is_good(o);
	s->marked += o->is_marked;
	s->unsent += o->is_unsent;
	s->late += o->late_ns > SUMMARY_LATE_NS;
	if (o->late_ns > s->late_max_ns)
		s->late_max_ns = o->late_ns;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int by_moment(const void *a, const void *b)
{
	const struct outcome *x = a, *y = b;

	return x->intended_ns < y->intended_ns ? -1 : x->intended_ns > y->intended_ns;
}

/* Latencies of some of the requests, in order. */
struct latencies {
	uint64_t *ns;			/* NULL: no memory for them */
	size_t count;
};

enum since { SINCE_INTENDED, SINCE_STARTED };

static struct latencies latencies_of(const struct outcome *outcomes, size_t count, enum since since)
{
	struct latencies l = {.ns = malloc((count + 1) * sizeof(*l.ns))};

	for (size_t i = 0; l.ns && i < count; i++)
		if (since == SINCE_INTENDED || !outcomes[i].is_unsent)
			l.ns[l.count++] = outcomes[i].latency_ns - (since == SINCE_STARTED ? outcomes[i].late_ns : 0);
	if (l.ns)
		qsort(l.ns, l.count, sizeof(*l.ns), by_value);
	return l;
}

/* Nearest rank: a latency that some request really had; 0 when there was none. */
static double percentile_ms(const struct latencies *l, double share)
{
	size_t rank = (size_t)ceil(share * (double)l->count);

	return l->count ? MS(l->ns[rank ? rank - 1 : 0]) : 0;
}

static double average_ms(const struct latencies *l)
{
	double sum = 0;

	for (size_t i = 0; i < l->count; i++)
		sum += MS(l->ns[i]);
	return l->count ? sum / (double)l->count : 0;
}

static double per_second(const struct summary *s)
{
	return s->elapsed_ns ? (double)s->count / S(s->elapsed_ns) : 0;
}

static double percent(uint64_t n, uint64_t of)
{
	return of ? 100.0 * (double)n / (double)of : 0;
}

static uint64_t failed(const struct summary *s)
{
	return s->count - s->good - s->ends[LOAD_TIMEOUT];
}

static void text_latency(const struct summary *s, FILE *out)
{
	struct latencies l = latencies_of(s->outcomes, s->count, SINCE_INTENDED);

	fprintf(out, "Latency Statistics:\n  Average:  %.1f ms\n  P50:      %.1f ms\n  P95:      %.1f ms\n  P99:      %.1f ms\n  Max:      %.1f ms\n\n",
		average_ms(&l), percentile_ms(&l, 0.5), percentile_ms(&l, 0.95), percentile_ms(&l, 0.99), percentile_ms(&l, 1));
	free(l.ns);
}

/* How well the generator kept its own promise; only an open loop makes one. */
static void text_arrivals(const struct summary *s, FILE *out)
{
	if (!s->rate)
		return;
	fprintf(out, "Arrivals (%s, %g/s asked for):\n  Late:      %" PRIu64 " (%.2f%%) began more than %d ms after they were to, by %.1f ms at most\n",
		s->arrivals, s->rate, s->late, percent(s->late, s->count), SUMMARY_LATE_NS / 1000000, MS(s->late_max_ns));
	fprintf(out, "  In flight: %u at most\n", s->in_flight_max);
	if (s->held_back)
		fprintf(out, "  The limit of %u in flight was reached: %" PRIu64 " had to wait, %" PRIu64 " of them until their time was over\n",
			s->in_flight_limit, s->held_back, s->unsent);
	fputc('\n', out);
}

static void text_statuses(const struct summary *s, FILE *out)
{
	uint64_t errors = s->ends[LOAD_CONNECT] + s->ends[LOAD_BROKEN];

	fprintf(out, "Status Code Distribution:\n");
	for (unsigned i = 0; i < SUMMARY_STATUS_MAX; i++)
		if (s->statuses[i])
			fprintf(out, "  %u: %" PRIu64 " (%.1f%%)\n", i, s->statuses[i], percent(s->statuses[i], s->count));
	if (errors)
		fprintf(out, "  no answer: %" PRIu64 " (%.1f%%; %" PRIu64 " could not connect)\n", errors, percent(errors, s->count), s->ends[LOAD_CONNECT]);
	if (s->mark)
		fprintf(out, "  with %s: %" PRIu64 " (%.1f%%)\n", s->mark, s->marked, percent(s->marked, s->count));
}

void summary_text(struct summary *s, FILE *out)
{
	fprintf(out, "Total Requests:    %zu\nSuccessful:        %" PRIu64 "\n", s->count, s->good);
	fprintf(out, "Failed:            %" PRIu64 "\nTimeout:           %" PRIu64 "\n", failed(s), s->ends[LOAD_TIMEOUT]);
	if (s->abandoned)
		fprintf(out, "Abandoned:         %" PRIu64 " under way at the end, in no other figure\n", s->abandoned);
	fprintf(out, "Duration:          %.2f s\nRequests/sec:      %.2f\n\n", S(s->elapsed_ns), per_second(s));
	text_latency(s, out);
	text_arrivals(s, out);
	text_statuses(s, out);
}

static void json_latency(const struct latencies *l, FILE *out)
{
	fprintf(out, "{\"mean\":%.3f,\"p50\":%.3f,\"p90\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}", average_ms(l), percentile_ms(l, 0.5),
		percentile_ms(l, 0.9), percentile_ms(l, 0.95), percentile_ms(l, 0.99), percentile_ms(l, 0.999), percentile_ms(l, 1));
}

static void json_statuses(const struct summary *s, FILE *out)
{
	const char *comma = "";

	fprintf(out, "\"statuses\":{");
	for (unsigned i = 0; i < SUMMARY_STATUS_MAX; i++)
		if (s->statuses[i]) {
			fprintf(out, "%s\"%u\":%" PRIu64, comma, i, s->statuses[i]);
			comma = ",";
		}
	fprintf(out, "}");
}

/* One second: the requests that were to begin in it, whenever they ended. */
static void json_second(const struct outcome *o, size_t count, uint64_t second, FILE *out)
{
	struct latencies l = latencies_of(o, count, SINCE_INTENDED);
	uint64_t good = 0, marked = 0, ends[LOAD_ENDS] = {0};

	for (size_t i = 0; i < count; i++) {
		good += is_good(&o[i]);
		marked += o[i].is_marked;
		ends[o[i].end]++;
	}
	fprintf(out, "{\"s\":%" PRIu64 ",\"requests\":%zu,\"ok\":%" PRIu64 ",\"marked\":%" PRIu64 ",\"timeouts\":%" PRIu64 ",\"errors\":%" PRIu64, second,
		count, good, marked, ends[LOAD_TIMEOUT], ends[LOAD_CONNECT] + ends[LOAD_BROKEN]);
	fprintf(out, ",\"p50_ms\":%.3f,\"p95_ms\":%.3f,\"max_ms\":%.3f}", percentile_ms(&l, 0.5), percentile_ms(&l, 0.95), percentile_ms(&l, 1));
	free(l.ns);
}

/* Seconds without a request are left out: there may be very many. */
static void json_series(const struct summary *s, FILE *out)
{
	const char *comma = "";
	size_t from = 0, to;

	fprintf(out, "\"series\":[");
	for (; from < s->count; from = to) {
		uint64_t second = s->outcomes[from].intended_ns / NS_PER_S;

		for (to = from; to < s->count && s->outcomes[to].intended_ns / NS_PER_S == second; to++)
			;
		fputs(comma, out);
		json_second(s->outcomes + from, to - from, second, out);
		comma = ",";
	}
	fprintf(out, "]");
}

static void sort(struct summary *s)
{
	if (s->count)
		qsort(s->outcomes, s->count, sizeof(*s->outcomes), by_moment);
}

void summary_json(struct summary *s, FILE *out)
{
	struct latencies intended = latencies_of(s->outcomes, s->count, SINCE_INTENDED);
	struct latencies started = latencies_of(s->outcomes, s->count, SINCE_STARTED);

	sort(s);
	fprintf(out, "{\"requests\":%zu,\"ok\":%" PRIu64 ",\"timeouts\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"could_not_connect\":%" PRIu64, s->count,
		s->good, s->ends[LOAD_TIMEOUT], s->ends[LOAD_CONNECT] + s->ends[LOAD_BROKEN], s->ends[LOAD_CONNECT]);
	fprintf(out, ",\"marked\":%" PRIu64 ",\"abandoned\":%" PRIu64 ",\"began_ns\":%" PRIu64 ",\"elapsed_ms\":%.3f,\"requests_per_s\":%.3f,", s->marked,
		s->abandoned, s->began_ns, MS(s->elapsed_ns), per_second(s));
	fprintf(out, "\"arrivals\":\"%s\",\"rate\":%.15g,\"late\":%" PRIu64 ",\"late_max_ms\":%.3f,", s->arrivals, s->rate, s->late, MS(s->late_max_ns));
	fprintf(out, "\"in_flight_limit\":%u,\"in_flight_max\":%u,\"held_back\":%" PRIu64 ",\"unsent\":%" PRIu64 ",", s->in_flight_limit, s->in_flight_max,
		s->held_back, s->unsent);
	fprintf(out, "\"latency_ms\":");
	json_latency(&intended, out);
	fprintf(out, ",\"from_start_ms\":");
	json_latency(&started, out);
	fputc(',', out);
	json_statuses(s, out);
	fputc(',', out);
	json_series(s, out);
	fprintf(out, "}\n");
	free(intended.ns);
	free(started.ns);
}

void summary_csv(struct summary *s, FILE *out)
{
	sort(s);
	fprintf(out, "intended_ns,late_ns,latency_ns,end,status,marked\n");
	for (size_t i = 0; i < s->count; i++) {
		const struct outcome *o = &s->outcomes[i];

		fprintf(out, "%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%s,%u,%d\n", o->intended_ns, o->late_ns, o->latency_ns,
			o->is_unsent ? "unsent" : end_names[o->end], o->status, o->is_marked);
	}
}
