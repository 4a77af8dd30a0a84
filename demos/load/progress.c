/* SPDX-License-Identifier: MIT */
#include "demos/load/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define S(ns) ((double)(ns) / 1e9)
#define LIVE_NS 500000000u
#define LINES_NS 10000000000u

void progress_init(struct progress *p, uint64_t requests, uint64_t duration_ns)
{
	*p = (struct progress){.is_live = isatty(STDERR_FILENO), .requests = requests, .duration_ns = duration_ns};
	p->every_ns = p->is_live ? LIVE_NS : LINES_NS;
}

/* The sooner of the two ends. */
double progress_left_s(const struct progress *p, const struct progress_now *now)
{
	double left = -1, by_count;

	if (p->duration_ns != UINT64_MAX)
		left = p->duration_ns > now->elapsed_ns ? S(p->duration_ns - now->elapsed_ns) : 0;
	if (!p->requests || !now->ended)
		return left;
	by_count = p->requests > now->ended ? S(now->elapsed_ns) * (double)(p->requests - now->ended) / (double)now->ended : 0;
	return left < 0 || by_count < left ? by_count : left;
}

void progress_show(const struct progress *p, const struct progress_now *now)
{
	double left = progress_left_s(p, now);
	char rest[64] = "";

	if (now->is_draining)
		snprintf(rest, sizeof(rest), ", waiting for those in flight");
	else if (left >= 0)
		snprintf(rest, sizeof(rest), ", about %.0f s left", left);
	fprintf(stderr, "%s%" PRIu64 " requests in %.0f s, %.1f%% good, %u in flight%s%s", p->is_live ? "\r\033[K" : "load: ", now->ended,
		S(now->elapsed_ns), now->ended ? 100.0 * (double)now->good / (double)now->ended : 100.0, now->in_flight, rest,
		p->is_live ? "" : "\n");
}

void progress_clear(const struct progress *p)
{
	if (p->is_live)
		fputs("\r\033[K", stderr);
}
