/* SPDX-License-Identifier: MIT */
/*
 * A finding: something about the policy of a service that an engineer should change, with its evidence. findings.c makes them from what was
 * measured and inferred, by a table of rules.
 */
#ifndef AFTERSHOCK_ANALYZER_FINDING_H
#define AFTERSHOCK_ANALYZER_FINDING_H

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
	char *where;		/* "client -> server", a service, a fault; owned */
	char *message, *fix;	/* sentences; owned */
	struct finding_evidence evidence[FINDING_EVIDENCE];
	size_t evidence_count;
	uint64_t witness;	/* row id of an exchange that shows it; 0 none */
};

void finding_free(struct finding *f);

/* "info", "medium", "high", "critical". */
const char *severity_name(enum severity s);

#endif
