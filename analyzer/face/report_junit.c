/* SPDX-License-Identifier: MIT */
/*
 * A result as JUnit XML, which build servers read: one suite, with a test for what was recorded, one for each fault, one for the objective at each edge
 * of users, and one for each kind of finding. A missed objective and a finding that --fail-on asks for are failures; data that can not be trusted and
 * a fault that never fired are errors: the test was not made. Other findings are told in system-out.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/face/junit.h"
#include "analyzer/face/report.h"
#include "analyzer/judge/findings.h"

typedef unsigned long long ull;

/* ---- what is tested ---- */

static int test_data(struct junit_suite *s, const struct result *r)
{
	struct junit_test *t = junit_add(s, "data", "what was recorded can be trusted");

	if (!t)
		return -ENOMEM;
	if (r->verdict != VERDICT_INCONCLUSIVE)
		return 0;
	return junit_blame(t, JUNIT_ERROR, "inconclusive", strdup(r->reason_count ? r->reasons[0] : "the data are inconclusive"));
}

static int test_faults(struct junit_suite *s, const struct result *r)
{
	for (size_t i = 0; i < r->fault_count; i++) {
		const struct result_fault *f = &r->faults[i];
		char *name = junit_text("fault %s fires", f->name);
		struct junit_test *t = name ? junit_add(s, "fault", name) : NULL;

		free(name);
		if (!t || (!f->fired && !f->watch_only &&
			   junit_blame(t, JUNIT_ERROR, "vacuous", junit_text("it never fired: it matched %llu exchanges", (ull)f->matched))))
			return -ENOMEM;
	}
	return 0;
}

static int test_objective(struct junit_suite *s, const struct result *r)
{
	for (size_t i = 0; i < r->edge_count && !isnan(r->slo); i++) {
		const struct result_edge *e = &r->edges[i];
		const struct metric m = result_seen_success(r, e);
		char *name;
		struct junit_test *t;

		if (!e->root || !m.known)
			continue;
		name = junit_text("%s -> %s: at least %.6g %% succeed", e->client, result_seen_server(r, e), r->slo * 100);
		t = name ? junit_add(s, "slo", name) : NULL;
		free(name);
		if (!t || (m.value < r->slo && junit_blame(t, JUNIT_FAILED, "slo", junit_text("%.2f %% of %llu requests succeeded", m.value * 100,
											      (ull)m.n))))
			return -ENOMEM;
	}
	return 0;
}

static bool fails(const struct result *r, const struct finding *f)
{
	return r->fail_on && f->severity + 1 >= r->fail_on;
}

static void tell(FILE *out, const struct finding *f)
{
	fprintf(out, "%s: %s %s", severity_name(f->severity), f->where, f->message);
	if (f->witness)
		fprintf(out, " (exchange %llu)", (ull)f->witness);
	fprintf(out, "\nfix: %s\n", f->fix);
}

/* One test for a kind of finding; all that fail it are in its details. */
static int test_finding(struct junit_suite *s, const struct result *r, const char *code)
{
	struct junit_test *t = junit_add(s, "finding", code);
	size_t n = 0, size;
	FILE *out = t ? open_memstream(&t->details, &size) : NULL;

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < r->finding_count; i++) {
		const struct finding *f = &r->findings[i];

		if (strcmp(f->code, code) || !fails(r, f))
			continue;
		if (!n++ && junit_blame(t, JUNIT_FAILED, severity_name(f->severity), junit_text("%s %s", f->where, f->message))) {
			fclose(out);
			return -ENOMEM;
		}
		tell(out, f);
	}
	return fclose(out) ? -ENOMEM : 0;
}

static int test_findings(struct junit_suite *s, const struct result *r)
{
	const char *code;
	int err = 0;

	for (size_t i = 0; !err && (code = findings_code(i)); i++)
		err = test_finding(s, r, code);
	return err;
}

/* What fails nothing is said all the same. */
static int tell_rest(struct junit_suite *s, const struct result *r)
{
	size_t size;
	FILE *f = open_memstream(&s->rest, &size);

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < r->finding_count; i++)
		if (!fails(r, &r->findings[i]))
			tell(f, &r->findings[i]);
	return fclose(f) ? -ENOMEM : 0;
}

int report_junit(const struct result *r, FILE *out)
{
	const struct texts *names = &r->model.names;
	struct junit_suite s = {.name = r->file, .host = texts_text(names, r->model.host), .started = texts_text(names, r->model.started),
				.seconds = r->duration_s, .properties = {{"verdict", verdict_name(r->verdict)}}};
	int err;

	if (r->fail_on)
		s.properties[1] = (struct junit_property){"fail-on", severity_name((enum severity)(r->fail_on - 1))};
	err = test_data(&s, r) || test_faults(&s, r) || test_objective(&s, r) || test_findings(&s, r) || tell_rest(&s, r) ? -ENOMEM : 0;
	if (!err)
		err = junit_print(&s, out);
	junit_free(&s);
	return err;
}
