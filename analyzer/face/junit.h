/* SPDX-License-Identifier: MIT */
/*
 * JUnit XML, which build servers read. Elements and attributes are those that both common schemas allow (Ant's JUnit.xsd, which is the stricter one,
 * and Jenkins' junit-10.xsd): suites have a package and an id, a test has at most one outcome, and no output of its own. Texts may hold anything that
 * is valid UTF-8: they are escaped for terminals, then for XML. Not thread-safe for one suite.
 */
#ifndef AFTERSHOCK_ANALYZER_FACE_JUNIT_H
#define AFTERSHOCK_ANALYZER_FACE_JUNIT_H

#include <stddef.h>
#include <stdio.h>

enum junit_outcome { JUNIT_PASSED, JUNIT_FAILED, JUNIT_ERROR };

struct junit_test {
	const char *kind;	/* "fault", "slo" ... */
	char *name, *message, *details;	/* owned; message NULL: passed; details: lines */
	const char *type;	/* of what is wrong; static */
	enum junit_outcome outcome;
};

struct junit_property {
	const char *name, *value;
};

struct junit_suite {
	struct junit_test *tests;	/* owned */
	size_t count, room;
	const char *name, *host;	/* host: "" unknown */
	const char *started;		/* UTC; what is no time is taken for none */
	double seconds;
	struct junit_property properties[4];	/* up to the first without a name */
	char *rest;			/* lines for system-out; owned */
};

/* A new test that passed, valid until the next one is added; NULL without memory. name is copied. */
struct junit_test *junit_add(struct junit_suite *s, const char *kind, const char *name);

/* Takes message, which may be NULL for want of memory: then -ENOMEM, else 0. */
int junit_blame(struct junit_test *t, enum junit_outcome outcome, const char *type, char *message);

/* A malloc'd text by printf; NULL without memory. */
char *junit_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints it all. 0, or -EIO when out failed. */
int junit_print(const struct junit_suite *s, FILE *out);
void junit_free(struct junit_suite *s);

#endif
