/* SPDX-License-Identifier: MIT */
/*
 * What charts need and figures do not: an edge or a destination second by second, and single requests as waterfalls. Filled by series.c and
 * exemplars.c while the rows are there, and only when asked for (analyze_options.charts).
 */
#ifndef AFTERSHOCK_ANALYZER_MEASURE_SERIES_H
#define AFTERSHOCK_ANALYZER_MEASURE_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIES_POINTS_MAX 2000		/* of an edge */
#define SERIES_POINTS_ALL 60000		/* of all edges: with many, steps are longer */

struct series_point {	/* of what started (in flight: was open) in this stretch of time */
	uint64_t logical, attempts, good, failed, shed;
	uint32_t in_flight;	/* most at once */
	double p50_ms, p95_ms, p99_ms;	/* of attempts that started then; NAN: none ended */
	bool open;		/* a breaker was open for some of it */
};

struct series {
	struct series_point *points;	/* owned */
	size_t count;
	double step_s;		/* length of each; the first begins with the run */
};

/*
 * Length of a step, ns: 0.1, 0.2, 0.5, 1, 2, 5, ... s, so that a run of this length has at most `points` of them. A second where that
 * gives fifty points; less in shorter runs.
 */
uint64_t series_step_ns(uint64_t duration_ns, size_t points);

/* Why a request is shown. */
enum exemplar_kind { EXEMPLAR_SLOWEST, EXEMPLAR_MOST_ATTEMPTS, EXEMPLAR_FIRST_FAILED, EXEMPLAR_RECOVERED, EXEMPLAR_BASELINE, EXEMPLAR_KINDS };

#define EXEMPLAR_ATTEMPTS_MAX 100	/* of a request, with what they caused */

struct exemplar_attempt {
	double from_ms, to_ms;	/* since the request's start; to: NAN open */
	uint64_t id;
	uint32_t edge, status, error;	/* error: name */
	int depth;		/* 0 the request's own attempts; more: what the server asked of others for it */
	uint8_t outcome;	/* enum model_outcome */
	bool synthetic;
};

struct exemplar {
	unsigned kinds;		/* bits: 1 << enum exemplar_kind */
	char *request;		/* "POST /charge"; "" not known; owned */
	double at_s;		/* of the run */
	struct exemplar_attempt *attempts;	/* owned; each followed by what it caused */
	size_t count;
	size_t left_out;	/* attempts beyond EXEMPLAR_ATTEMPTS_MAX */
};

void series_free(struct series *s);
void exemplar_free(struct exemplar *e);

/* "slowest", "most attempts", "first failed under the fault", "saved by a retry", "in the baseline". */
const char *exemplar_kind_name(enum exemplar_kind k);

#endif
