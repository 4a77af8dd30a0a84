/* SPDX-License-Identifier: MIT */
/*
 * A table for a terminal: the first column to the left, the others to the right. Cells are escaped as they come
 * (see face.h), so what a run file holds can not move the cursor. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_FACE_TABLE_H
#define AFTERSHOCK_ANALYZER_FACE_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct table {
	char **cells;		/* row by row; owned */
	size_t count, room, columns;
	int failed;		/* -ENOMEM: a cell could not be kept */
};

/* An empty table of so many columns. */
void table_init(struct table *t, size_t columns);
void table_free(struct table *t);

/* Adds the next cell, printf-like; rows fill from the left. */
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Prints all full rows, each behind `indent` blanks, trailing blanks left out. Where that is wider than FACE_COLUMNS, long names of the first
 * column stand above their row. 0 or -ENOMEM.
 */
int table_print(const struct table *t, FILE *out, int indent);

#endif
