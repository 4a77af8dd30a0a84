/* SPDX-License-Identifier: MIT */
#include "analyzer/face/face.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/units.h"

#define FIGURE_BYTES 64
#define LONGEST_MS 1e12	/* longer does not fit ns */

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

const char *face_ms(double ms, char *buf)
{
	if (isnan(ms))
		return strcpy(buf, "-");
	snprintf(buf, FIGURE_BYTES, "%.*f", fabs(ms) < 9.995 ? 2 : fabs(ms) < 99.95 ? 1 : 0, ms);
	return buf;
}

const char *face_duration(double ms, char *buf)
{
	if (isnan(ms))
		return strcpy(buf, "-");
	if (ms > 0 && ms < 1) {	/* one unit below a second: figures under one another are of one size */
		snprintf(buf, FIGURE_BYTES, "%.2f ms", ms);
		return buf;
	}
	return units_show_duration(ms <= 0 ? 0 : ms < LONGEST_MS ? (uint64_t)(ms * NS_PER_MS) : (uint64_t)LONGEST_MS * NS_PER_MS, buf, FIGURE_BYTES);
}

const char *face_factor(const struct metric *m, char *buf)
{
	if (!m->known)
		return strcpy(buf, "-");
	snprintf(buf, FIGURE_BYTES, "%.2fx", m->value);
	return buf;
}

/* Never rounded up to 100 or down to 0: 99.996 % is not all. */
const char *face_share(const struct metric *m, char *buf)
{
	double percent = m->value * 100;

	if (!m->known)
		return strcpy(buf, "-");
	if (percent > 99.9 && percent < 100)
		snprintf(buf, FIGURE_BYTES, "%.3f %%", floor(percent * 1000) / 1000);
	else if (percent > 0 && percent < 0.1)
		snprintf(buf, FIGURE_BYTES, "%.3f %%", ceil(percent * 1000) / 1000);
	else
		snprintf(buf, FIGURE_BYTES, "%.1f %%", percent);
	return buf;
}

const char *face_bounds(const struct metric *m, bool share, char *buf)
{
	double scale = share ? 100 : 1;

	if (!m->known || !m->bounded)
		return strcpy(buf, "");
	if (!strcmp(m->method, "exact"))
		return strcpy(buf, "exact");
	snprintf(buf, FIGURE_BYTES, "%.*f..%.*f", share ? 1 : 2, m->low * scale, share ? 1 : 2, m->high * scale);
	return buf;
}
