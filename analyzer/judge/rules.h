/* SPDX-License-Identifier: MIT */
/*
 * Rules: what of a measured and inferred policy is worth a finding. A rule looks at one subject (an edge, a service, two layers that do not fit,
 * what users felt of a fault), says whether it applies, and tells: in numbers, with a witness, and what to change. Used by findings.c only; pure.
 *
 * A rule rests on what is known alone: it asks for `known` first, and compares so that NAN never applies.
 */
#ifndef AFTERSHOCK_ANALYZER_JUDGE_RULES_H
#define AFTERSHOCK_ANALYZER_JUDGE_RULES_H

#include "analyzer/result.h"

#define RULES_LINK_DOUBT 0.01	/* false links in a healthy baseline: above, joined by time alone is no proof */

enum rule_scope { RULE_EDGE, RULE_SERVICE, RULE_MISFIT, RULE_RECOVERY };

struct rule_subject {
	const struct result *r;
	const struct result_edge *edge;	/* the one that the rule's scope asks for; the others are NULL */
	const struct result_service *service;
	const struct policy_hierarchy *misfit;
	const struct result_recovery *recovery;
};

struct rule {
	const char *code;
	enum severity severity;
	enum rule_scope scope;
	bool (*applies)(const struct rule_subject *s);
	bool (*doubtful)(const struct rule_subject *s);	/* what it rests on is inferred with low confidence; NULL: it is counted */
	void (*tell)(const struct rule_subject *s, struct finding *f);	/* message, fix, evidence, witness */
};

struct rules {
	const struct rule *rules;
	size_t count;
};

extern const struct rules rules_retry, rules_timeout, rules_breaker, rules_effects;

/* Whether attempts of an edge are joined by time alone though that joins strangers in this run. */
bool rules_doubt_link(const struct rule_subject *s);

/*
 * Whether the client of an edge stands for those who use the system rather than for a part of it: nobody calls it, and it tries nothing again. Where
 * its server was recorded too, it is what drives the experiment (RULES_DRIVER), and of its resilience nothing is asked: a load driver has to go on
 * against a server that is out. Where it was not, it may be the program under test as well as a driver: nothing that is seen tells them apart.
 */
enum rules_role { RULES_PART, RULES_DRIVER_OR_PART, RULES_DRIVER };
enum rules_role rules_role(const struct rule_subject *s);

/* A base for backoff that this edge can live with, ms: what 95 % of its attempts take, rounded up to 1, 2 or 5, from 100 ms to 1 s. */
double rules_base_ms(const struct result_edge *e);

#endif
