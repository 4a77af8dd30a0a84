/* SPDX-License-Identifier: MIT */
#include "analyzer/face/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include "analyzer/face/face.h"
#include "base/grow.h"

#define NAME_MIN 16	/* columns of a first column that is made narrower */

void table_init(struct table *t, size_t columns)
{
	*t = (struct table){.columns = columns};
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){0};
}

void table_cell(struct table *t, const char *format, ...)
{
	char *raw = NULL, *safe;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&raw, format, ap);
	va_end(ap);
	safe = n < 0 ? NULL : face_escape(raw);
	if (n >= 0)
		free(raw);
	if (!safe || GROW(t->cells, t->count, t->room)) {
		free(safe);
		t->failed = -ENOMEM;
		return;
	}
	t->cells[t->count++] = safe;
}

static int column_width(const struct table *t, size_t column)
{
	int widest = 0;

	for (size_t i = column; i < t->count; i += t->columns) {
		int width = face_width(t->cells[i]);

		widest = width > widest ? width : widest;
	}
	return widest;
}

/* Whether a row has anything behind its first cell. */
static bool has_figures(const struct table *t, size_t first)
{
	for (size_t c = 1; c < t->columns; c++)
		if (*t->cells[first + c])
			return true;
	return false;
}

static void print_row(const struct table *t, size_t first, const int *widths, FILE *out, int indent)
{
	int owed = 0;	/* blanks that only count when something follows */
	bool apart = face_width(t->cells[first]) > widths[0];	/* a name on a line of its own, above its figures */

	fprintf(out, "%*s", indent, "");
	if (apart) {
		fprintf(out, "%s\n", t->cells[first]);
		if (!has_figures(t, first))
			return;
		fprintf(out, "%*s", indent, "");
	}
	for (size_t c = 0; c < t->columns; c++) {
		const char *cell = c || !apart ? t->cells[first + c] : "";
		int pad = widths[c] - face_width(cell);

		if (*cell)
			fprintf(out, "%*s%s", owed + (c ? pad : 0), "", cell);
		owed = (*cell ? (c ? 0 : pad) : owed + widths[c]) + 2;
	}
	fputc('\n', out);
}

/* Makes the first column, of names, narrower where the table would be too wide. */
static void fit(const struct table *t, int *widths, int indent)
{
	int rest = indent;

	for (size_t c = 1; c < t->columns; c++)
		rest += widths[c] + 2;
	if (rest + widths[0] > FACE_COLUMNS)
		widths[0] = rest + NAME_MIN > FACE_COLUMNS ? NAME_MIN : FACE_COLUMNS - rest;
}

int table_print(const struct table *t, FILE *out, int indent)
{
	int *widths = calloc(t->columns + 1, sizeof(*widths));

	if (!widths || t->failed) {
		free(widths);
		return -ENOMEM;
	}
	for (size_t c = 0; c < t->columns; c++)
		widths[c] = column_width(t, c);
	fit(t, widths, indent);
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
		print_row(t, i, widths, out, indent);
	free(widths);
	return 0;
}
