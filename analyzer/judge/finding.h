/* SPDX-License-Identifier: MIT */
/*
 * A finding: something about the policy of a service that an engineer should change, with its evidence. findings.c makes them from what was
 * measured and inferred, by a table of rules.
 */
#ifndef AFTERSHOCK_ANALYZER_JUDGE_FINDING_H
#define AFTERSHOCK_ANALYZER_JUDGE_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINDING_EVIDENCE 8

enum severity { SEVERITY_INFO, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_CRITICAL, SEVERITIES };

struct finding_evidence {
	const char *key;	/* static */
	double value;
};

struct finding {
	const char *code;	/* static: "retry-without-backoff" */
	enum severity severity;
	bool doubtful;		/* it rests on low confidence: its severity is one lower than else, and its message says "probably" */
	char *where;		/* "client -> server", a service, a fault; owned */
	char *message, *fix;	/* sentences, the message without its subject, which is where; owned */
	struct finding_evidence evidence[FINDING_EVIDENCE];
	size_t evidence_count;
	uint64_t witness;	/* row id of an exchange that shows it; 0 none */
};

void finding_free(struct finding *f);

/* Sets where, message or fix, printf-like; without memory it stays NULL. finding_says puts "probably" before a doubtful message. */
void finding_at(struct finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void finding_says(struct finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void finding_fix(struct finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds evidence; what is not known (NAN) is left out, and what is beyond FINDING_EVIDENCE. key: one that finding_knows(). */
void finding_shows(struct finding *f, const char *key, double value);

/* Whether evidence may have this key: the list that the schema of the report has too. */
bool finding_knows(const char *key);

/* "info", "medium", "high", "critical". */
const char *severity_name(enum severity s);

/* SEVERITIES for another name. */
enum severity severity_of(const char *name);

#endif
