/* SPDX-License-Identifier: MIT */
#include "analyzer/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include "analyzer/face.h"

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

static int make_room(struct table *t)
{
	size_t room = t->room ? t->room * 2 : 64;
	char **cells;

	if (t->count < t->room)
		return 0;
	cells = realloc(t->cells, room * sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	t->cells = cells;
	t->room = room;
	return 0;
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
	if (!safe || make_room(t)) {
		free(safe);
		t->failed = -ENOMEM;
		return;
	}
	t->cells[t->count++] = safe;
}

/* Columns of a terminal that a text takes: one per code point. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static int column_width(const struct table *t, size_t column)
{
	int widest = 0;

	for (size_t i = column; i < t->count; i += t->columns) {
		int width = width_of(t->cells[i]);

		widest = width > widest ? width : widest;
	}
	return widest;
}

static void print_row(const struct table *t, size_t first, const int *widths, FILE *out)
{
	int owed = 0;	/* blanks that only count when something follows */

	for (size_t c = 0; c < t->columns; c++) {
		const char *cell = t->cells[first + c];
		int pad = widths[c] - width_of(cell);

		if (*cell)
			fprintf(out, "%*s%s", owed + (c ? pad : 0), "", cell);
		owed = (*cell ? (c ? 0 : pad) : owed + widths[c]) + 2;
	}
	fputc('\n', out);
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
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns) {
		fprintf(out, "%*s", indent, "");
		print_row(t, i, widths, out);
	}
	free(widths);
	return 0;
}
