/* SPDX-License-Identifier: MIT */
/*
 * What the text faces share: escaping of what a run file holds, colours, figures for people.
 */
#ifndef AFTERSHOCK_ANALYZER_FACE_FACE_H
#define AFTERSHOCK_ANALYZER_FACE_FACE_H

#include <stdbool.h>
#include <stdio.h>
#include "analyzer/result.h"

#define FACE_COLUMNS 100

enum face_colour { FACE_PLAIN, FACE_BOLD, FACE_RED, FACE_GREEN, FACE_YELLOW, FACE_DIM };

struct face {
	FILE *out;
	bool colours;
};

/* Colours only when out is a terminal and NO_COLOR is not set (no-color.org). */
struct face face_on(FILE *out);

/*
 * A malloc'd copy of text with every control character (C0, DEL, C1) and every character that turns the direction
 * of writing shown as \xNN, one per byte. text is valid UTF-8. NULL without memory.
 */
char *face_escape(const char *text);

/* Prints, printf-like, escaped as a whole and coloured. Newlines are escaped too. */
void face_print(const struct face *f, enum face_colour colour, const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * Prints text, escaped, at `at` (what the line holds already) and broken at blanks so that no line is wider than FACE_COLUMNS; further lines
 * begin with `indent` blanks. A word that is wider than that has a line of its own. Ends with a line break.
 */
void face_wrap(const struct face *f, enum face_colour colour, int at, int indent, const char *text);

/* Columns of a terminal that text, which is escaped, takes: one for each code point. */
int face_width(const char *text);

#endif
