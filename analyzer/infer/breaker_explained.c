/* SPDX-License-Identifier: MIT */
#include "analyzer/infer/breaker_explained.h"

#define COVERED 0.8		/* of its time */
#define FIRST 0.8		/* of its spans in which the other's calls came back first */

static bool is_before(const struct policy_open *a, const struct policy_open *b)
{
	return a->process < b->process || (a->process == b->process && a->to_ns < b->from_ns);
}

bool breaker_is_explained(const struct policy_breaker *b, const struct policy_breaker *a)
{
	double open = 0, covered = 0, first = 0;
	size_t k = 0;

	for (size_t i = 0; i < b->span_count; i++) {
		const struct policy_open *s = &b->spans[i], *last = NULL;

		while (k < a->span_count && is_before(&a->spans[k], s))
			k++;
		open += (double)(s->to_ns - s->from_ns);
		for (size_t j = k; j < a->span_count && a->spans[j].process == s->process && a->spans[j].from_ns < s->to_ns; j++) {
			uint64_t from = a->spans[j].from_ns > s->from_ns ? a->spans[j].from_ns : s->from_ns;
			uint64_t to = a->spans[j].to_ns < s->to_ns ? a->spans[j].to_ns : s->to_ns;

			covered += to > from ? (double)(to - from) : 0;
			last = &a->spans[j];
		}
		first += last && last->to_ns < s->to_ns;
	}
	return open > 0 && covered >= COVERED * open && first >= FIRST * (double)b->span_count;
}
