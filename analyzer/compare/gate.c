/* SPDX-License-Identifier: MIT */
#include "analyzer/compare/gate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const metric_names[GATE_METRICS] = {
	"amplification", "success", "p50_ms", "p95_ms", "p99_ms", "mttr_ms", "recovery_lag_ms", "shed_efficacy",
	"peak_attempts_per_s",
};

#define METRIC_LIST "amplification, success, p50_ms, p95_ms, p99_ms, mttr_ms, recovery_lag_ms, shed_efficacy, " \
	"peak_attempts_per_s"

static int refuse(char *error, unsigned size, const char *text, const char *why)
{
	snprintf(error, size, "gate '%s' is not accepted: %s", text, why);
	return -EINVAL;
}

static int parse_metric(struct gate *g, size_t length)
{
	for (int i = 0; i < GATE_METRICS; i++) {
		if (strlen(metric_names[i]) != length || strncmp(metric_names[i], g->text, length))
			continue;
		g->metric = (enum gate_metric)i;
		return 0;
	}
	return -EINVAL;
}

static bool is_share(enum gate_metric metric)
{
	return metric == GATE_SUCCESS || metric == GATE_SHED_EFFICACY;
}

/* Reads decimal digits with at most one point (not what else strtod(3) takes); *end: what follows them. */
static bool parse_number(const char *text, double *value, const char **end)
{
	char digits[32], *stop;
	size_t n = strspn(text, "0123456789.");

	if (!n || n >= sizeof(digits))
		return false;
	memcpy(digits, text, n);
	digits[n] = 0;
	*value = strtod(digits, &stop);
	*end = text + n;
	return !*stop && stop != digits;
}

static const char *parse_place(struct gate *g, const char *place, size_t length)
{
	g->where = place;
	g->where_length = length;
	return length ? NULL : "behind @ stands an edge, a service or a fault";
}

/* "1.10x", "99%", "250", with nothing or "@where" behind. NULL when it is understood, else why not. */
static const char *parse_bound(struct gate *g, const char *bound)
{
	const char *end;

	if (!parse_number(bound, &g->bound, &end))
		return "behind the comparison stands a number: 1.10x, 99% or 250";
	if (*end == 'x') {
		g->relative = true;
		end++;
	} else if (*end == '%') {
		if (!is_share(g->metric))
			return "a percentage bounds success or shed_efficacy only; give 1.10x (new against base) or a plain number";
		g->bound /= 100;
		end++;
	}
	if (*end && *end != '@')
		return "behind the bound only @edge-or-service may follow";
	if (!g->relative && is_share(g->metric) && g->bound > 1)
		return "its bound is a share from 0 to 1 or a percentage";
	if (*end && g->where)
		return "it names its place twice";
	return *end ? parse_place(g, end + 1, strlen(end + 1)) : NULL;
}

/* Where the last <= or >= stands (METRIC<=BOUND or METRIC@PLACE<=BOUND; a place may hold `->`); the end when there is none. */
static size_t comparison(const char *text, size_t from)
{
	size_t n = strlen(text);

	for (size_t at = n; at-- > from;)
		if ((text[at] == '<' || text[at] == '>') && text[at + 1] == '=')
			return at;
	return n;
}

int gate_parse(struct gate *g, const char *text, char *error, unsigned error_size)
{
	size_t length = strcspn(text, "<>=@"), at = comparison(text, length);
	const char *why = NULL;

	*g = (struct gate){.text = text};
	if (parse_metric(g, length))
		return refuse(error, error_size, text, "it begins with one of " METRIC_LIST);
	if (!text[at] || (text[length] != '@' && at != length))
		return refuse(error, error_size, text, "behind the metric stands <= or >=");
	g->at_least = text[at] == '>';
	if (text[length] == '@')
		why = parse_place(g, text + length + 1, at - length - 1);
	if (!why)
		why = parse_bound(g, text + at + 2);
	return why ? refuse(error, error_size, text, why) : 0;
}

bool gate_concerns(const struct gate *g, const char *place)
{
	const char *where = g->where, *end = where ? where + g->where_length : NULL;

	while (where && (where < end || *place)) {
		if (where < end && *where == ' ')
			where++;
		else if (*place == ' ')
			place++;
		else if (where == end || *where++ != *place++)
			return false;
	}
	return true;
}

enum gate_outcome gate_decide(const struct gate *g, const struct metric *fresh, const struct metric *ratio)
{
	const struct metric *m = g->relative ? ratio : fresh;

	if (!m->bounded)
		return GATE_INCONCLUSIVE;
	if (g->at_least ? m->low >= g->bound : m->high <= g->bound)
		return GATE_PASS;
	return (g->at_least ? m->high < g->bound : m->low > g->bound) ? GATE_REGRESS : GATE_INCONCLUSIVE;
}

const char *gate_metric_name(enum gate_metric metric)
{
	return metric_names[metric];
}

const char *gate_outcome_name(enum gate_outcome outcome)
{
	static const char *const names[] = {NULL, "pass", "inconclusive", "regress"};

	return names[outcome];
}
