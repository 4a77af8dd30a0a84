/* SPDX-License-Identifier: MIT */
/*
 * The verdict, by the strongest of: data that can not be trusted (inconclusive), a missed objective or a finding that fails a run (fail), a fault
 * that never bit (vacuous). Reasons name all that apply.
 */
#include <errno.h>
#include "analyzer/measure.h"

#define LOSS_MAX 0.001	/* share of events that may be missing */

#define REASON(r, ...) result_say(&(r)->reasons, &(r)->reason_count, __VA_ARGS__)

static bool lossy(const struct result *r)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < r->loss_count; i++)
		lost += r->losses[i].count;
	return lost && (double)lost > LOSS_MAX * (double)(lost + r->model.exchange_count);
}

static void raise(struct result *r, enum verdict v)
{
	if (r->verdict == VERDICT_PASS)
		r->verdict = v;
}

static int judge_data(struct result *r)
{
	if (!r->model.exchange_count) {
		raise(r, VERDICT_INCONCLUSIVE);
		return REASON(r, "no exchange was recorded");
	}
	if (!lossy(r))
		return 0;
	raise(r, VERDICT_INCONCLUSIVE);
	return REASON(r, "more than 0.1 %% of the events were lost");
}

static int judge_objective(struct result *r)
{
	for (size_t i = 0; i < r->edge_count && !isnan(r->slo); i++) {
		const struct metric s = result_seen_success(r, &r->edges[i]);

		if (!r->edges[i].root || !s.known || s.value >= r->slo)
			continue;
		raise(r, VERDICT_FAIL);
		if (REASON(r, "%s -> %s: %.2f %% of %llu requests succeeded, %.6g %% are asked for", r->edges[i].client,
			   result_seen_server(r, &r->edges[i]), s.value * 100, (unsigned long long)s.n, r->slo * 100))
			return -1;
	}
	return 0;
}

/* One reason for all findings of a rule: there may be one an edge. */
static int judge_findings(struct result *r)
{
	for (size_t i = 0, next; i < r->finding_count; i = next) {
		const struct finding *f = &r->findings[i];

		for (next = i + 1; next < r->finding_count && r->findings[next].code == f->code && r->findings[next].severity == f->severity; next++)
			;
		if (!r->fail_on || f->severity + 1 < r->fail_on)
			continue;
		raise(r, VERDICT_FAIL);
		if (next - i == 1 ? REASON(r, "%s finding %s at %s", severity_name(f->severity), f->code, f->where) :
				    REASON(r, "%zu %s findings %s, one at %s", next - i, severity_name(f->severity), f->code, f->where))
			return -1;
	}
	return 0;
}

static int judge_faults(struct result *r)
{
	for (size_t i = 0; i < r->fault_count; i++) {
		const struct result_fault *f = &r->faults[i];

		if (f->fired || f->watch_only)
			continue;
		raise(r, VERDICT_VACUOUS);
		if (f->matched ? REASON(r, "fault %s never fired: it matched %llu exchanges but hit none", f->name,
					(unsigned long long)f->matched) :
				 REASON(r, "fault %s never fired: nothing matched it", f->name))
			return -1;
	}
	return 0;
}

int verdict_judge(struct result *r)
{
	return judge_data(r) || judge_objective(r) || judge_findings(r) || judge_faults(r) ? -ENOMEM : 0;
}

int measure_verdict(struct measure *m)
{
	return verdict_judge(m->r);
}
