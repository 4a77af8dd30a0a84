/* SPDX-License-Identifier: MIT */
/* Figures as people read them. Pure. */
#ifndef AFTERSHOCK_ANALYZER_STATS_SHOW_H
#define AFTERSHOCK_ANALYZER_STATS_SHOW_H

#include <stdbool.h>
#include "analyzer/stats/metric.h"

/* Figures into buf (at least 64 bytes); all return buf. NAN and unknown: "-". */
const char *show_ms(double ms, char *buf);		/* "0.31", "12.4", "1530": milliseconds, three digits */
const char *show_duration(double ms, char *buf);	/* "0.31 ms", "12.4 ms", "1.50 s" */
const char *show_factor(const struct metric *m, char *buf);	/* "3.00x", "0.0023x" */
const char *show_share(const struct metric *m, char *buf);	/* "97.5 %" */
const char *show_bounds(const struct metric *m, bool share, char *buf);	/* "2.1..3.4", "exact", "" */

#endif
