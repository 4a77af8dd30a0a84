/* SPDX-License-Identifier: MIT */
#include "analyzer/judge/finding.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const keys[] = {
	"amplification", "asked", "attempts", "attempts_that_fit", "call_before_ms", "call_ms", "calls_between_false_opens",
	"capacity_margin", "collapse", "collateral", "count", "degraded", "duplicates", "failed", "false_opens", "hedged", "hedged_share",
	"herd_index", "herd_preservation", "in_work", "in_work_before", "keys", "load_amplification", "load_ratio", "longest_ms",
	"lost_goodput", "max_attempts", "mismatched", "observed_ms", "open_high_ms", "open_low_ms", "opens", "orphan_ms",
	"others", "others_before_ms", "others_failed", "others_ms", "outage_attempts", "peak_attempts_per_s", "recovery_lag_ms",
	"recovery_tax", "recovery_tax_ms", "requests", "retries", "retries_per_request", "retry_after_kept", "retry_after_seen",
	"seconds", "shed", "shed_share", "stopped", "stopped_share", "threshold_high", "threshold_low", "timeout_callee_ms",
	"timeout_caller_ms", "violations", "wait_p50_ms", "waited", "waited_ms", "width", "wins", "yield",
};

void finding_free(struct finding *f)
{
	free(f->where);
	free(f->message);
	free(f->fix);
	*f = (struct finding){0};
}

static char *print(const char *format, va_list ap)
{
	char *text;

	return vasprintf(&text, format, ap) < 0 ? NULL : text;
}

#define SET(field, format) \
	do { \
		va_list ap_; \
		va_start(ap_, format); \
		free(field); \
		field = print(format, ap_); \
		va_end(ap_); \
	} while (0)

void finding_at(struct finding *f, const char *format, ...)
{
	SET(f->where, format);
}

void finding_says(struct finding *f, const char *format, ...)
{
	char *plain;

	SET(f->message, format);
	plain = f->message;
	if (!plain || !f->doubtful)
		return;
	if (asprintf(&f->message, "probably %s", plain) < 0)
		f->message = NULL;
	free(plain);
}

void finding_fix(struct finding *f, const char *format, ...)
{
	SET(f->fix, format);
}

void finding_shows(struct finding *f, const char *key, double value)
{
	if (isfinite(value) && f->evidence_count < FINDING_EVIDENCE)
		f->evidence[f->evidence_count++] = (struct finding_evidence){key, value};
}

bool finding_knows(const char *key)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(keys[i], key))
			return true;
	return false;
}

static const char *const severities[SEVERITIES] = {"info", "medium", "high", "critical"};

const char *severity_name(enum severity s)
{
	return severities[s];
}

enum severity severity_of(const char *name)
{
	enum severity s = SEVERITY_INFO;

	while (s < SEVERITIES && strcmp(severities[s], name))
		s++;
	return s;
}
