/* SPDX-License-Identifier: MIT */
/*
 * Findings by the tables of rules.h: each rule is asked about each of its subjects. Gravest first; within a severity in the order of the tables,
 * then of the subjects. What rests on low confidence is one severity lower.
 */
#include "analyzer/judge/findings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/judge/rules.h"
#include "analyzer/measure.h"
#include "base/grow.h"

static const struct rules *const tables[] = {&rules_effects, &rules_retry, &rules_timeout, &rules_breaker};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

struct desk {
	struct result *r;
	size_t room;
};

static void say_where(const struct rule_subject *s, struct finding *f)
{
	const struct result_edge *child = s->misfit ? &s->r->edges[s->misfit->child] : s->edge;

	if (s->misfit && s->misfit->parent < s->r->edge_count)
		finding_at(f, "%s -> %s -> %s", s->r->edges[s->misfit->parent].client, child->client, child->server);
	else if (child)
		finding_at(f, "%s -> %s", child->client, child->server);
	else if (s->service)
		finding_at(f, "%s", s->service->name);
	else
		finding_at(f, s->recovery->number ? "%s no. %u" : "%s", s->recovery->fault, s->recovery->number);
}

static int make(struct desk *d, const struct rule *rule, const struct rule_subject *s)
{
	struct finding f = {.code = rule->code, .severity = rule->severity, .doubtful = rule->doubtful && rule->doubtful(s)};

	if (GROW(d->r->findings, d->r->finding_count, d->room))
		return -ENOMEM;
	if (f.doubtful && f.severity > SEVERITY_INFO)
		f.severity--;
	rule->tell(s, &f);
	say_where(s, &f);
	d->r->findings[d->r->finding_count++] = f;
	return f.where && f.message && f.fix ? 0 : -ENOMEM;
}

static size_t subjects(const struct result *r, enum rule_scope scope)
{
	const size_t counts[] = {[RULE_EDGE] = r->edge_count, [RULE_SERVICE] = r->service_count, [RULE_MISFIT] = r->hierarchy_count,
				 [RULE_RECOVERY] = r->recovery_count};

	return counts[scope];
}

static int ask(struct desk *d, const struct rule *rule)
{
	const struct result *r = d->r;

	for (size_t i = 0; i < subjects(r, rule->scope); i++) {
		struct rule_subject s = {
			.r = r,
			.edge = rule->scope == RULE_EDGE ? &r->edges[i] : NULL,
			.service = rule->scope == RULE_SERVICE ? &r->services[i] : NULL,
			.misfit = rule->scope == RULE_MISFIT ? &r->hierarchies[i] : NULL,
			.recovery = rule->scope == RULE_RECOVERY ? &r->recoveries[i] : NULL,
		};

		if (rule->applies(&s) && make(d, rule, &s))
			return -ENOMEM;
	}
	return 0;
}

/* Stable: findings of one severity stay in order. */
static int settle(struct result *r)
{
	struct finding *sorted = malloc((r->finding_count + 1) * sizeof(*sorted));
	size_t n = 0;

	if (!sorted)
		return -ENOMEM;
	for (int s = SEVERITY_CRITICAL; s >= SEVERITY_INFO; s--)
		for (size_t i = 0; i < r->finding_count; i++)
			if ((int)r->findings[i].severity == s)
				sorted[n++] = r->findings[i];
	free(r->findings);
	r->findings = sorted;
	return 0;
}

int findings_make(struct result *r)
{
	struct desk d = {.r = r};

	for (size_t t = 0; t < TABLES; t++)
		for (size_t i = 0; i < tables[t]->count; i++)
			if (ask(&d, &tables[t]->rules[i]))
				return -ENOMEM;
	return settle(r);
}

const char *findings_code(size_t i)
{
	for (size_t t = 0; t < TABLES; t++)
		for (size_t k = 0; k < tables[t]->count; k++)
			if ((!k || strcmp(tables[t]->rules[k].code, tables[t]->rules[k - 1].code)) && !i--)
				return tables[t]->rules[k].code;
	return NULL;
}

/* The request of each edge that took most attempts; of several the first. */
static void find_worst(struct measure *m)
{
	struct result *r = m->r;

	for (size_t i = 0; i < m->link.count; i++) {
		const struct link_logical *q = &m->link.logicals[i];
		struct result_edge *e = &r->edges[q->edge];

		if (q->attempts <= e->worst_attempts || !measure_counts(m, q->started_ns))
			continue;
		e->worst_attempts = q->attempts;
		e->worst = (uint64_t)r->model.exchanges[q->first].id;
	}
}

int measure_findings(struct measure *m)
{
	find_worst(m);
	return findings_make(m->r);
}
