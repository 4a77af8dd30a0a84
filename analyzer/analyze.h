/* SPDX-License-Identifier: MIT */
/*
 * From a run file to its result: loads, links, measures, judges. Prints nothing. Not thread-safe for one result;
 * different results may be made at the same time.
 */
#ifndef AFTERSHOCK_ANALYZER_ANALYZE_H
#define AFTERSHOCK_ANALYZER_ANALYZE_H

#include <math.h>
#include "analyzer/result.h"

struct analyze_options {
	double slo;		/* share of requests that must succeed, 0..1; NAN: none */
	double from_s, to_s;	/* only requests that started in [from, to) seconds of the run; NAN: from its start, to its end */
	unsigned fail_on;	/* 1 + the least severity of a finding that fails the run; 0: none does */
	bool charts;		/* fill what only charts need too (series.h) */
};

#define ANALYZE_EVERYTHING ((struct analyze_options){.slo = NAN, .from_s = NAN, .to_s = NAN})

/*
 * Fills a zeroed result from the run file at path. 0, or a negative errno with
 * one sentence in error: -ENOENT, -EINVAL (not a run file), -ENOMEM, -EIO ...; r then holds nothing to free.
 */
int analyze(struct result *r, const char *path, const struct analyze_options *options, char *error, unsigned error_size);

#endif
