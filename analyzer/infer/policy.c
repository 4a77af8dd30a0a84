/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/policy.h"

#include <stdlib.h>
#include <string.h>

void policy_retry_free(struct policy_retry *r)
{
	free(r->gaps);
	free(r->reactions);
	free(r->methods);
	*r = (struct policy_retry){0};
}

bool policy_jitter_is(const struct policy_retry *r, const char *sign)
{
	return r->jitter_name_count && !strncmp(r->jitter_names[0], sign, strlen(sign));
}

void policy_breaker_free(struct policy_breaker *b)
{
	free(b->spans);
	*b = (struct policy_breaker){0};
}

bool policy_breaker_asks_attempts(const struct policy_breaker *b)
{
	return b->opens && !b->ejects && b->confidence > CONFIDENCE_LOW && (!b->counts || strcmp(b->counts, "requests") != 0);
}

bool policy_breaker_was_open(const struct policy_breaker *b, uint32_t process, uint64_t from_ns, uint64_t to_ns)
{
	size_t low = 0, high = b->span_count;

	while (low < high) {	/* the first that ends at from_ns or later */
		size_t middle = (low + high) / 2;
		const struct policy_open *s = &b->spans[middle];

		if (s->process < process || (s->process == process && s->to_ns < from_ns))
			low = middle + 1;
		else
			high = middle;
	}
	return low < b->span_count && b->spans[low].process == process && b->spans[low].from_ns <= to_ns;
}

const char *policy_backoff_name(enum policy_backoff b)
{
	static const char *const names[BACKOFF_FAMILIES] = {"unknown", "none", "fixed", "linear", "exponential", "additive_jitter",
							    "decorrelated", "decorrelated_v2", "ambiguous"};

	return names[b];
}

const char *policy_confidence_name(enum policy_confidence c)
{
	static const char *const names[] = {"low", "medium", "high"};

	return names[c];
}

const char *policy_retry_after_name(enum policy_retry_after r)
{
	static const char *const names[] = {"none_seen", "honoured", "ignored", "capped"};

	return names[r];
}

const char *policy_timeout_kind_name(enum policy_timeout_kind k)
{
	static const char *const names[TIMEOUT_KINDS] = {"unknown", "connect", "response", "idle", "total"};

	return names[k];
}

const char *policy_misfit_name(enum policy_misfit m)
{
	static const char *const names[MISFITS] = {"timeout-inversion", "retries-exceed-deadline", "no-timeout", "equal-timeouts",
						   "deadline-not-propagated"};

	return names[m];
}

const char *policy_threshold_name(enum policy_threshold t)
{
	static const char *const names[] = {"unknown", "consecutive", "rate"};

	return names[t];
}

const char *policy_bulkhead_mode_name(enum policy_bulkhead_mode m)
{
	static const char *const names[] = {"unknown", "queue", "reject"};

	return names[m];
}
