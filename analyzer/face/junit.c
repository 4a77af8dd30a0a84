/* SPDX-License-Identifier: MIT */
#include "analyzer/face/junit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/face/face.h"
#include "base/grow.h"

#define STAMP 19	/* 2026-01-02T03:04:05 */

struct junit_test *junit_add(struct junit_suite *s, const char *kind, const char *name)
{
	struct junit_test *t;

	if (GROW(s->tests, s->count, s->room))
		return NULL;
	t = &s->tests[s->count];
	*t = (struct junit_test){.kind = kind, .name = strdup(name)};
	s->count += t->name != NULL;
	return t->name ? t : NULL;
}

int junit_blame(struct junit_test *t, enum junit_outcome outcome, const char *type, char *message)
{
	free(t->message);
	t->outcome = outcome;
	t->type = type;
	t->message = message;
	return message ? 0 : -ENOMEM;
}

char *junit_text(const char *format, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	return n < 0 ? NULL : text;
}

void junit_free(struct junit_suite *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->tests[i].name);
		free(s->tests[i].message);
		free(s->tests[i].details);
	}
	free(s->tests);
	free(s->rest);
	*s = (struct junit_suite){0};
}

/* ---- XML ---- */

/* Characters that XML 1.0 does not allow even when they are escaped: those that face_escape() leaves. */
static bool forbidden(const char *p)
{
	return (unsigned char)p[0] == 0xef && (unsigned char)p[1] == 0xbf && (unsigned char)p[2] >= 0xbe;	/* U+FFFE, U+FFFF */
}

static void print_char(FILE *out, const char **p)
{
	static const char *const entities[128] = {['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&apos;"};
	unsigned char c = (unsigned char)**p;

	if (forbidden(*p)) {
		fprintf(out, "\\xef\\xbf\\x%02x", (unsigned char)(*p)[2]);
		*p += 2;
	} else if (c < 128 && entities[c]) {
		fputs(entities[c], out);
	} else {
		fputc(c, out);
	}
}

/* One line, escaped for a terminal first, then for XML. */
static void print_line(FILE *out, const char *text)
{
	char *safe = face_escape(text);

	for (const char *p = safe ? safe : ""; *p; p++)
		print_char(out, &p);
	free(safe);
}

static void print_lines(FILE *out, char *text)
{
	for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		print_line(out, line);
		fputc('\n', out);
	}
}

static void attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s=\"", name);
	print_line(out, value);
	fputc('"', out);
}

static void print_test(FILE *out, const struct junit_test *t)
{
	static const char *const elements[] = {[JUNIT_FAILED] = "failure", [JUNIT_ERROR] = "error"};
	const char *element = elements[t->outcome];

	fprintf(out, "    <testcase classname=\"aftershock.%s\"", t->kind);
	attribute(out, "name", t->name);
	fputs(" time=\"0\"", out);
	if (t->outcome == JUNIT_PASSED) {
		fputs("/>\n", out);
		return;
	}
	fprintf(out, ">\n      <%s type=\"%s\"", element, t->type);
	attribute(out, "message", t->message);
	fputc('>', out);
	if (t->details)
		print_lines(out, t->details);
	fprintf(out, "</%s>\n    </testcase>\n", element);
}

/* As the schemas want it: without fraction and zone. It is what a file says: anything. */
static const char *stamp(const char *started, char buf[STAMP + 1])
{
	static const char shape[] = "0000-00-00T00:00:00";

	strcpy(buf, "1970-01-01T00:00:00");
	for (int i = 0; i < STAMP; i++)
		if (shape[i] == '0' ? started[i] < '0' || started[i] > '9' : started[i] != shape[i])
			return buf;
	memcpy(buf, started, STAMP);
	return buf;
}

static size_t count(const struct junit_suite *s, enum junit_outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += s->tests[i].outcome == outcome;
	return n;
}

static void print_head(FILE *out, const struct junit_suite *s)
{
	char buf[STAMP + 1];

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite package=\"aftershock\" id=\"0\"", out);
	attribute(out, "name", s->name);
	attribute(out, "hostname", *s->host ? s->host : "unknown");
	fprintf(out, " timestamp=\"%s\" time=\"%.3f\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n    <properties>\n", stamp(s->started, buf),
		s->seconds, s->count, count(s, JUNIT_FAILED), count(s, JUNIT_ERROR));
	for (size_t i = 0; i < sizeof(s->properties) / sizeof(s->properties[0]) && s->properties[i].name; i++)
		fprintf(out, "      <property name=\"%s\" value=\"%s\"/>\n", s->properties[i].name, s->properties[i].value);
	fputs("    </properties>\n", out);
}

int junit_print(const struct junit_suite *s, FILE *out)
{
	print_head(out, s);
	for (size_t i = 0; i < s->count; i++)
		print_test(out, &s->tests[i]);
	fputs("    <system-out>", out);
	if (s->rest)
		print_lines(out, s->rest);
	fputs("</system-out>\n    <system-err></system-err>\n  </testsuite>\n</testsuites>\n", out);
	return fflush(out) || ferror(out) ? -EIO : 0;
}
