/* SPDX-License-Identifier: MIT */
#include "analyzer/compare/compare.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include "analyzer/compare/figure.h"
#include "analyzer/face/face.h"
#include "analyzer/face/table.h"
#include "analyzer/stats/show.h"

static void figure_cells(struct table *t, enum gate_metric metric, const struct metric *m)
{
	bool share = metric == GATE_SUCCESS || metric == GATE_SHED_EFFICACY;
	char value[64], bounds[64];

	if (metric == GATE_AMPLIFICATION)
		table_cell(t, "%s", show_factor(m, value));
	else if (share)
		table_cell(t, "%s", show_share(m, value));
	else if (figure_is_censored(m))
		table_cell(t, "> %s", show_ms(m->low, value));
	else
		table_cell(t, "%s", m->known ? show_ms(m->value, value) : "-");
	table_cell(t, "%s", show_bounds(m, share, bounds));
}

/* As benchstat: "~" when what was seen may be chance, "?" when there is no telling. */
static void ratio_cells(struct table *t, const struct compare_row *r)
{
	static const char *const marks[] = {[COMPARE_UNKNOWN] = "?", [COMPARE_SAME] = "~", [COMPARE_DIFFERS] = "differs"};
	bool runs = !isnan(r->a12);
	char value[64], bounds[64];

	table_cell(t, "%s", show_factor(&r->ratio, value));
	table_cell(t, "%s", show_bounds(&r->ratio, false, bounds));
	if (runs)
		table_cell(t, "%s (p=%.3f n=%llu+%llu)", marks[r->significance], r->p, (unsigned long long)r->base.n,
			   (unsigned long long)r->fresh.n);
	else
		table_cell(t, "%s", marks[r->significance]);
	table_cell(t, "%s", r->gate ? gate_outcome_name(r->gate) : "");
}

static int print_rows(const struct compare *c, FILE *out)
{
	static const char *const columns[] = {"", "base", "95 %", "new", "95 %", "new/base", "95 %", "", "gate"};
	const size_t n = sizeof(columns) / sizeof(columns[0]);
	const char *where = "";
	struct table t;
	int err;

	table_init(&t, n);
	for (size_t i = 0; i < n; i++)
		table_cell(&t, "%s", columns[i]);
	for (size_t i = 0; i < c->row_count; i++) {
		const struct compare_row *r = &c->rows[i];

		if (strcmp(where, r->where)) {
			where = r->where;
			table_cell(&t, "%s", where);
			for (size_t k = 1; k < n; k++)
				table_cell(&t, "%s", "");
		}
		table_cell(&t, "  %s", gate_metric_name(r->metric));
		figure_cells(&t, r->metric, &r->base);
		figure_cells(&t, r->metric, &r->fresh);
		ratio_cells(&t, r);
	}
	err = table_print(&t, out, 2);
	table_free(&t);
	return err;
}

static void print_side(const struct face *f, const char *name, const struct compare_side *s)
{
	face_print(f, FACE_DIM, "  %s:", name);
	for (size_t i = 0; i < s->count; i++)
		face_print(f, FACE_DIM, " %s", s->runs[i].file);
	fputc('\n', f->out);
}

static void print_lines(const struct face *f, enum face_colour colour, const char *mark, char *const *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		face_print(f, colour, "  %s %s", mark, lines[i]);
		fputc('\n', f->out);
	}
}

int compare_text(const struct compare *c, FILE *out)
{
	static const struct { const char *word; enum face_colour colour; } verdicts[] = {
		[VERDICT_PASS] = {"PASS", FACE_GREEN}, [VERDICT_FAIL] = {"FAIL", FACE_RED},
		[VERDICT_INCONCLUSIVE] = {"INCONCLUSIVE", FACE_YELLOW}, [VERDICT_VACUOUS] = {"VACUOUS", FACE_YELLOW},
	};
	struct face f = face_on(out);

	face_print(&f, verdicts[c->verdict].colour, "%s", verdicts[c->verdict].word);
	face_print(&f, FACE_PLAIN, "%s", c->gate_count ? "" : "  (no gates)");
	fputc('\n', out);
	print_lines(&f, verdicts[c->verdict].colour, "!", c->reasons, c->reason_count);
	print_side(&f, "base", &c->base);
	print_side(&f, "new ", &c->fresh);
	fputc('\n', out);
	if (print_rows(c, out))
		return -ENOMEM;
	print_lines(&f, FACE_PLAIN, "note:", c->notes, c->note_count);
	return fflush(out) || ferror(out) ? -EIO : 0;
}
