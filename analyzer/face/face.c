/* SPDX-License-Identifier: MIT */
#include "analyzer/face/face.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct face face_on(FILE *out)
{
	const char *no = getenv("NO_COLOR");

	return (struct face){out, fileno(out) >= 0 && isatty(fileno(out)) && (!no || !*no)};
}

/* Bytes of the character at p when a terminal would act on it rather than show it; 0: show it. */
static unsigned acts(const unsigned char *p)
{
	if (p[0] < 0x20 || p[0] == 0x7f)
		return 1;
	if (p[0] == 0xc2 && p[1] < 0xa0)	/* C1 */
		return 2;
	if (p[0] == 0xe2 && p[1] == 0x80 && ((p[2] >= 0x8e && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae)))
		return 3;	/* marks of direction, line and paragraph separators, embeddings and overrides */
	if (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)
		return 3;	/* isolates */
	return 0;
}

char *face_escape(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	char *safe = malloc(strlen(text) * 4 + 1), *out = safe;

	while (safe && *p) {
		unsigned n = acts(p);

		if (!n)
			*out++ = (char)*p++;
		for (; n; n--)
			out += sprintf(out, "\\x%02x", *p++);
	}
	if (safe)
		*out = 0;
	return safe;
}

void face_print(const struct face *f, enum face_colour colour, const char *format, ...)
{
	static const char *const codes[] = {"", "\033[1m", "\033[1;31m", "\033[32m", "\033[33m", "\033[2m"};
	char *raw, *safe;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&raw, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	safe = face_escape(raw);
	free(raw);
	if (f->colours && colour != FACE_PLAIN)
		fprintf(f->out, "%s%s\033[0m", codes[colour], safe ? safe : "");
	else
		fputs(safe ? safe : "", f->out);
	free(safe);
}

int face_width(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void face_wrap(const struct face *f, enum face_colour colour, int at, int indent, const char *text)
{
	char *safe = face_escape(text), *rest = NULL;
	bool first = true;

	for (char *word = safe ? strtok_r(safe, " ", &rest) : NULL; word; word = strtok_r(NULL, " ", &rest), first = false) {
		if (!first && at + 1 + face_width(word) > FACE_COLUMNS) {
			fprintf(f->out, "\n%*s", indent, "");
			at = indent;
			first = true;
		}
		if (!first)
			fputc(' ', f->out);
		face_print(f, colour, "%s", word);
		at += face_width(word) + !first;
	}
	fputc('\n', f->out);
	free(safe);
}
