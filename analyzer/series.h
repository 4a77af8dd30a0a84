/* SPDX-License-Identifier: MIT */
/*
 * What charts need and figures do not: an edge second by second, and single requests as waterfalls. Filled by series.c and exemplars.c while the
 * rows are there.
 */
#ifndef AFTERSHOCK_ANALYZER_SERIES_H
#define AFTERSHOCK_ANALYZER_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

struct exemplar_attempt {
	double from_ms, to_ms;	/* since the request's start; to: NAN open */
	uint64_t id;
	uint32_t edge, status, error;	/* error: name */
	int depth;		/* 0 the request's own attempts; more: what the server asked of others for it */
	uint8_t outcome;	/* enum model_outcome */
	bool synthetic;
};

struct exemplar {
	const char *why;	/* static: "slowest", "most attempts", ... */
	char *request;		/* "POST /charge"; owned */
	double at_s;		/* of the run */
	struct exemplar_attempt *attempts;	/* owned; by start */
	size_t count;
};

void series_free(struct series *s);
void exemplar_free(struct exemplar *e);

#endif
