/* SPDX-License-Identifier: MIT */
/*
 * A comparison as JUnit XML: a test for each gate at each place, and one for whether the runs can be compared at all. A gate that regresses is a
 * failure, one that is inconclusive an error: the test was not made. Notes are in system-out.
 */
#include <errno.h>
#include <stdlib.h>
#include "analyzer/compare/compare.h"
#include "analyzer/face/junit.h"

static int test_runs(struct junit_suite *s, const struct compare *c)
{
	struct junit_test *t = junit_add(s, "runs", "the runs can be compared");
	bool bad = (c->verdict == VERDICT_INCONCLUSIVE && !c->test_count) || c->verdict == VERDICT_VACUOUS;

	for (size_t i = 0; i < c->base.count; i++)
		bad |= c->base.runs[i].verdict == VERDICT_INCONCLUSIVE;
	for (size_t i = 0; i < c->fresh.count; i++)
		bad |= c->fresh.runs[i].verdict == VERDICT_INCONCLUSIVE;
	if (!t)
		return -ENOMEM;
	return bad ? junit_blame(t, JUNIT_ERROR, verdict_name(c->verdict), junit_text("%s", c->reason_count ? c->reasons[0] : "they can not")) : 0;
}

static void figure(char *buf, size_t size, const struct metric *m)
{
	if (m->known && m->bounded)
		snprintf(buf, size, "%.4g (%.4g to %.4g)", m->value, m->low, m->high);
	else if (m->known)
		snprintf(buf, size, "%.4g", m->value);
	else
		snprintf(buf, size, m->bounded ? "above %.4g" : "not known", m->low);
}

static char *message(const struct compare *c, const struct compare_test *t)
{
	const struct compare_row *row = &c->rows[t->row];
	char base[96], fresh[96], ratio[96];

	figure(base, sizeof(base), &row->base);
	figure(fresh, sizeof(fresh), &row->fresh);
	figure(ratio, sizeof(ratio), &row->ratio);
	return junit_text("%s: base %s, new %s, new/base %s%s", gate_outcome_name(t->outcome), base, fresh, ratio,
			  t->chance ? "; of so many gates one is missed by chance" : "");
}

static int test_gate(struct junit_suite *s, const struct compare *c, const struct compare_test *t)
{
	char *name = junit_text("%s at %s", t->gate->text, c->rows[t->row].where);
	struct junit_test *test = name ? junit_add(s, "gate", name) : NULL;

	free(name);
	if (!test)
		return -ENOMEM;
	if (t->outcome == GATE_PASS)
		return 0;
	return junit_blame(test, t->outcome == GATE_REGRESS ? JUNIT_FAILED : JUNIT_ERROR, gate_outcome_name(t->outcome), message(c, t));
}

static int tell_notes(struct junit_suite *s, const struct compare *c)
{
	size_t size;
	FILE *f = open_memstream(&s->rest, &size);

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < c->note_count; i++)
		fprintf(f, "%s\n", c->notes[i]);
	return fclose(f) ? -ENOMEM : 0;
}

int compare_junit(const struct compare *c, FILE *out)
{
	const struct result *first = &c->base.runs[0];
	const struct texts *names = &first->model.names;
	struct junit_suite s = {.name = "aftershock compare", .host = texts_text(names, first->model.host),
				.started = texts_text(names, first->model.started), .properties = {{"verdict", verdict_name(c->verdict)}}};
	int err = test_runs(&s, c);

	for (size_t i = 0; i < c->test_count && !err; i++)
		err = test_gate(&s, c, &c->tests[i]);
	if (!err)
		err = tell_notes(&s, c);
	if (!err)
		err = junit_print(&s, out);
	junit_free(&s);
	return err;
}
