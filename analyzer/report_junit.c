/* SPDX-License-Identifier: MIT */
/*
 * A result as JUnit XML, which build servers read: one suite, with a test for what was recorded, one for each fault, one for the objective at each edge
 * of users, and one for each kind of finding. A missed objective and a finding that --fail-on asks for are failures; data that can not be trusted and
 * a fault that never fired are errors: the test was not made. Other findings are told in system-out.
 *
 * Elements and attributes are those that both common schemas allow (Ant's JUnit.xsd, which is the stricter one, and Jenkins' junit-10.xsd):
 * suites have a package and an id, a test has at most one outcome, and no output of its own.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/face.h"
#include "analyzer/findings.h"
#include "analyzer/report.h"

#define STAMP 19	/* 2026-01-02T03:04:05 */

typedef unsigned long long ull;

enum outcome { PASSED, FAILED, ERROR };

struct test {
	const char *kind;	/* "fault", "slo" ... */
	char *name, *message, *details;	/* owned; message NULL: passed */
	const char *type;	/* of what is wrong; static */
	enum outcome outcome;
};

struct suite {
	struct test *tests;
	size_t count, room;
};

static struct test *add(struct suite *s, const char *kind, const char *name)
{
	struct test *t;

	if (s->count == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct test *longer = realloc(s->tests, room * sizeof(*longer));

		if (!longer)
			return NULL;
		s->tests = longer;
		s->room = room;
	}
	t = &s->tests[s->count];
	*t = (struct test){.kind = kind, .name = strdup(name)};
	s->count += t->name != NULL;
	return t->name ? t : NULL;
}

static int blame(struct test *t, enum outcome outcome, const char *type, char *message)
{
	free(t->message);
	t->outcome = outcome;
	t->type = type;
	t->message = message;
	return message ? 0 : -ENOMEM;
}

/* A malloc'd text by printf; NULL without memory. */
__attribute__((format(printf, 1, 2))) static char *made(const char *format, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	return n < 0 ? NULL : text;
}

static void suite_free(struct suite *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->tests[i].name);
		free(s->tests[i].message);
		free(s->tests[i].details);
	}
	free(s->tests);
}

/* ---- what is tested ---- */

static int test_data(struct suite *s, const struct result *r)
{
	struct test *t = add(s, "data", "what was recorded can be trusted");

	if (!t)
		return -ENOMEM;
	if (r->verdict != VERDICT_INCONCLUSIVE)
		return 0;
	return blame(t, ERROR, "inconclusive", strdup(r->reason_count ? r->reasons[0] : "the data are inconclusive"));
}

static int test_faults(struct suite *s, const struct result *r)
{
	for (size_t i = 0; i < r->fault_count; i++) {
		const struct result_fault *f = &r->faults[i];
		char *name = made("fault %s fires", f->name);
		struct test *t = name ? add(s, "fault", name) : NULL;

		free(name);
		if (!t || (!f->fired && !f->watch_only &&
			   blame(t, ERROR, "vacuous", made("it never fired: it matched %llu exchanges", (ull)f->matched))))
			return -ENOMEM;
	}
	return 0;
}

static int test_objective(struct suite *s, const struct result *r)
{
	for (size_t i = 0; i < r->edge_count && !isnan(r->slo); i++) {
		const struct result_edge *e = &r->edges[i];
		const struct metric *m = e->whole.linked ? &e->whole.success : &e->attempt_success;
		char *name;
		struct test *t;

		if (!e->root || !m->known)
			continue;
		name = made("%s -> %s: at least %.6g %% succeed", e->client, e->server, r->slo * 100);
		t = name ? add(s, "slo", name) : NULL;
		free(name);
		if (!t || (m->value < r->slo && blame(t, FAILED, "slo", made("%.2f %% of %llu requests succeeded", m->value * 100, (ull)m->n))))
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
static int test_finding(struct suite *s, const struct result *r, const char *code)
{
	struct test *t = add(s, "finding", code);
	size_t n = 0, size;
	FILE *out = t ? open_memstream(&t->details, &size) : NULL;

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < r->finding_count; i++) {
		const struct finding *f = &r->findings[i];

		if (strcmp(f->code, code) || !fails(r, f))
			continue;
		if (!n++ && blame(t, FAILED, severity_name(f->severity), made("%s %s", f->where, f->message))) {
			fclose(out);
			return -ENOMEM;
		}
		tell(out, f);
	}
	return fclose(out) ? -ENOMEM : 0;
}

static int test_findings(struct suite *s, const struct result *r)
{
	const char *code;
	int err = 0;

	for (size_t i = 0; !err && (code = findings_code(i)); i++)
		err = test_finding(s, r, code);
	return err;
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

static void print_test(FILE *out, const struct test *t)
{
	static const char *const elements[] = {[FAILED] = "failure", [ERROR] = "error"};
	const char *element = elements[t->outcome];

	fprintf(out, "    <testcase classname=\"aftershock.%s\"", t->kind);
	attribute(out, "name", t->name);
	fputs(" time=\"0\"", out);
	if (t->outcome == PASSED) {
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

/* When the run began, as the schemas want it: without fraction and zone. It is what a file says: anything. */
static const char *stamp(const struct result *r, char buf[STAMP + 1])
{
	static const char shape[] = "0000-00-00T00:00:00";
	const char *started = texts_text(&r->model.names, r->model.started);

	strcpy(buf, "1970-01-01T00:00:00");
	for (int i = 0; i < STAMP; i++)
		if (shape[i] == '0' ? started[i] < '0' || started[i] > '9' : started[i] != shape[i])
			return buf;
	memcpy(buf, started, STAMP);
	return buf;
}

static size_t count(const struct suite *s, enum outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += s->tests[i].outcome == outcome;
	return n;
}

static void print_head(FILE *out, const struct suite *s, const struct result *r)
{
	const char *host = texts_text(&r->model.names, r->model.host);
	char buf[STAMP + 1];

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite package=\"aftershock\" id=\"0\"", out);
	attribute(out, "name", r->file);
	attribute(out, "hostname", *host ? host : "unknown");
	fprintf(out, " timestamp=\"%s\" time=\"%.3f\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n", stamp(r, buf), r->duration_s, s->count,
		count(s, FAILED), count(s, ERROR));
	fprintf(out, "    <properties>\n      <property name=\"verdict\" value=\"%s\"/>\n", verdict_name(r->verdict));
	if (r->fail_on)
		fprintf(out, "      <property name=\"fail-on\" value=\"%s\"/>\n", severity_name((enum severity)(r->fail_on - 1)));
	fputs("    </properties>\n", out);
}

/* What fails nothing is said all the same. */
static int print_rest(FILE *out, const struct result *r)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int err;

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < r->finding_count; i++)
		if (!fails(r, &r->findings[i]))
			tell(f, &r->findings[i]);
	err = fclose(f) ? -ENOMEM : 0;
	fputs("    <system-out>", out);
	if (!err)
		print_lines(out, text);
	fputs("</system-out>\n    <system-err></system-err>\n  </testsuite>\n</testsuites>\n", out);
	free(text);
	return err;
}

int report_junit(const struct result *r, FILE *out)
{
	struct suite s = {0};
	int err = test_data(&s, r) || test_faults(&s, r) || test_objective(&s, r) || test_findings(&s, r) ? -ENOMEM : 0;

	if (!err) {
		print_head(out, &s, r);
		for (size_t i = 0; i < s.count; i++)
			print_test(out, &s.tests[i]);
		err = print_rest(out, r);
	}
	suite_free(&s);
	return err ? err : fflush(out) || ferror(out) ? -EIO : 0;
}
