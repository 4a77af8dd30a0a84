/* SPDX-License-Identifier: MIT */
#include "demos/load/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define MS(ns) ((double)(ns) / 1e6)
#define S(ns) ((double)(ns) / 1e9)

int summary_init(struct summary *s, size_t room)
{
	*s = (struct summary){.room = room, .latency_ns = calloc(room + 1, sizeof(uint64_t))};
	return s->latency_ns ? 0 : -ENOMEM;
}

void summary_clear(struct summary *s)
{
	free(s->latency_ns);
	*s = (struct summary){.room = 0};
}

void summary_add(struct summary *s, enum load_end end, long status, uint64_t latency_ns)
{
	if (s->count == s->room)
		return;
	s->latency_ns[s->count++] = latency_ns;
	if (end == LOAD_TIMEOUT)
		s->timeouts++;
	else if (end == LOAD_ERROR || status < 0 || status >= SUMMARY_STATUS_MAX)
		s->errors++;
	else
		s->statuses[status]++;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Nearest rank: a latency that some request really had; 0 when there was none. */
static double percentile_ms(const struct summary *s, double share)
{
	size_t rank = (size_t)ceil(share * (double)s->count);

	return s->count ? MS(s->latency_ns[rank ? rank - 1 : 0]) : 0;
}

static double average_ms(const struct summary *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->count; i++)
		sum += MS(s->latency_ns[i]);
	return s->count ? sum / (double)s->count : 0;
}

static uint64_t successful(const struct summary *s)
{
	uint64_t n = 0;

	for (unsigned status = 200; status < 400; status++)
		n += s->statuses[status];
	return n;
}

static double per_second(const struct summary *s)
{
	return s->elapsed_ns ? (double)s->count / S(s->elapsed_ns) : 0;
}

static void sort(struct summary *s)
{
	qsort(s->latency_ns, s->count, sizeof(*s->latency_ns), by_value);
}

void summary_text(struct summary *s, FILE *out)
{
	uint64_t good = successful(s);

	sort(s);
	fprintf(out, "Total Requests:    %zu\nSuccessful:        %" PRIu64 "\n", s->count, good);
	fprintf(out, "Failed:            %" PRIu64 "\nTimeout:           %" PRIu64 "\n", s->count - good - s->timeouts, s->timeouts);
	fprintf(out, "Duration:          %.2f s\nRequests/sec:      %.2f\n\n", S(s->elapsed_ns), per_second(s));
	fprintf(out, "Latency Statistics:\n  Average:  %.1f ms\n  P50:      %.1f ms\n  P95:      %.1f ms\n  P99:      %.1f ms\n\n",
		average_ms(s), percentile_ms(s, 0.5), percentile_ms(s, 0.95), percentile_ms(s, 0.99));
	fprintf(out, "Status Code Distribution:\n");
	for (unsigned i = 0; i < SUMMARY_STATUS_MAX; i++)
		if (s->statuses[i])
			fprintf(out, "  %u: %" PRIu64 " (%.1f%%)\n", i, s->statuses[i], 100.0 * (double)s->statuses[i] / (double)s->count);
	if (s->errors)
		fprintf(out, "  no answer: %" PRIu64 " (%.1f%%)\n", s->errors, 100.0 * (double)s->errors / (double)s->count);
}

void summary_json(struct summary *s, FILE *out)
{
	const char *comma = "";

	sort(s);
	fprintf(out, "{\"requests\":%zu,\"ok\":%" PRIu64 ",\"timeouts\":%" PRIu64 ",\"errors\":%" PRIu64 ",", s->count, successful(s),
		s->timeouts, s->errors);
	fprintf(out, "\"elapsed_ms\":%.3f,\"requests_per_s\":%.3f,", MS(s->elapsed_ns), per_second(s));
	fprintf(out, "\"latency_ms\":{\"mean\":%.3f,\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.3f},\"statuses\":{", average_ms(s),
		percentile_ms(s, 0.5), percentile_ms(s, 0.95), percentile_ms(s, 0.99), percentile_ms(s, 1));
	for (unsigned i = 0; i < SUMMARY_STATUS_MAX; i++)
		if (s->statuses[i]) {
			fprintf(out, "%s\"%u\":%" PRIu64, comma, i, s->statuses[i]);
			comma = ",";
		}
	fprintf(out, "}}\n");
}
