/* SPDX-License-Identifier: MIT */
#include "analyzer/stats/show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/units.h"

#define FIGURE_BYTES 64
#define LONGEST_MS 1e12	/* longer does not fit ns */
#define SMALLEST 1e-9	/* less is 0 to people */

const char *show_ms(double ms, char *buf)
{
	if (isnan(ms))
		return strcpy(buf, "-");
	snprintf(buf, FIGURE_BYTES, "%.*f", fabs(ms) < 9.995 ? 2 : fabs(ms) < 99.95 ? 1 : 0, ms);
	return buf;
}

const char *show_duration(double ms, char *buf)
{
	if (isnan(ms))
		return strcpy(buf, "-");
	if (ms > 0 && ms < 1) {	/* one unit below a second: figures under one another are of one size */
		snprintf(buf, FIGURE_BYTES, "%.2f ms", ms);
		return buf;
	}
	return units_show_duration(ms <= 0 ? 0 : ms < LONGEST_MS ? (uint64_t)(ms * NS_PER_MS) : (uint64_t)LONGEST_MS * NS_PER_MS, buf, FIGURE_BYTES);
}

/* Of a figure with two decimals: two digits at least, so that what is not 0 does not look as if it were. */
static int decimals(double x)
{
	return x > SMALLEST && x < 0.0995 ? 1 - (int)floor(log10(x)) : 2;
}

const char *show_factor(const struct metric *m, char *buf)
{
	if (!m->known)
		return strcpy(buf, "-");
	snprintf(buf, FIGURE_BYTES, "%.*fx", decimals(m->value), m->value);
	return buf;
}

/* Never rounded up to 100 or down to 0: 99.996 % is not all. */
const char *show_share(const struct metric *m, char *buf)
{
	double percent = m->value * 100;

	if (!m->known)
		return strcpy(buf, "-");
	if (percent > 99.9 && percent < 100)
		snprintf(buf, FIGURE_BYTES, "%.3f %%", floor(percent * 1000) / 1000);
	else if (percent > 0 && percent < 0.1)
		snprintf(buf, FIGURE_BYTES, "%.3f %%", ceil(percent * 1000) / 1000);
	else
		snprintf(buf, FIGURE_BYTES, "%.1f %%", percent);
	return buf;
}

const char *show_bounds(const struct metric *m, bool share, char *buf)
{
	double scale = share ? 100 : 1;

	if (!m->known || !m->bounded)
		return strcpy(buf, "");
	if (!strcmp(m->method, "exact"))
		return strcpy(buf, "exact");
	snprintf(buf, FIGURE_BYTES, "%.*f..%.*f", share ? 1 : decimals(m->low), m->low * scale, share ? 1 : decimals(m->high), m->high * scale);
	return buf;
}
