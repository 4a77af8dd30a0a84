/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include "analyzer/infer/retry.h"

#define ERRORS 0x10000u		/* keys: a status, or this and the name of an error */

struct reactions {
	struct tally retried, last;		/* by kind of failure: a retry followed; it was the request's last */
	struct tally method_retried, method_last;
};

static uint32_t kind_of(const struct model_exchange *x)
{
	return x->status ? x->status : ERRORS + x->error;
}

static uint64_t count_of(const struct tally *t, uint32_t value)
{
	size_t low = 0, high = t->used;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (t->cells[middle].value < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->used && t->cells[low].value == value ? t->cells[low].count : 0;
}

static int count_request(const struct retries *r, const struct retry_request *q, struct reactions *c)
{
	for (uint32_t i = 0; i + !retry_went_on(r, q) < q->n; i++) {
		const struct model_exchange *x = retry_attempt(r, q, i);

		if (model_failed(x) && (tally_add(&c->retried, kind_of(x), 1) || (x->method && tally_add(&c->method_retried, x->method, 1))))
			return -ENOMEM;
	}
	return 0;
}

/* A failure behind which nothing came tells of its kind only where attempts were left: fewer were made than other requests made. */
static int count_last(const struct retries *r, const struct retry_request *q, uint32_t longest, struct reactions *c)
{
	const struct model_exchange *x = retry_attempt(r, q, q->n - 1);

	if (q->end != RETRY_GIVEN_UP || q->n >= (longest > 1 ? longest : 2))
		return 0;
	return tally_add(&c->last, kind_of(x), 1) || (x->method && tally_add(&c->method_last, x->method, 1)) ? -ENOMEM : 0;
}

/* Answers that are a client's fault (4xx) are no failures of the peer: whoever does not repeat them is right. */
static int count_refusals(const struct retries *r, struct reactions *c)
{
	for (size_t i = 0; i < r->all.n && !r->p->pointless.count; i++) {
		const struct model_exchange *x = &r->m->r->model.exchanges[r->all.members[i]];

		if (x->status >= 400 && !model_failed(x) && measure_counts(r->m, r->m->link.logicals[x->logical].started_ns) &&
		    tally_add(&c->last, x->status, 1))
			return -ENOMEM;
	}
	return 0;
}

static void mark_mute(struct retries *r, const struct reactions *c)
{
	for (size_t i = 0; i < r->count; i++) {
		struct retry_request *q = &r->requests[i];
		const struct model_exchange *x = retry_attempt(r, q, q->n - 1);

		q->mute = c->retried.used && (!count_of(&c->retried, kind_of(x)) ||
					      (x->method && c->method_retried.used && !count_of(&c->method_retried, x->method)));
	}
}

/* Every value of two tallies, in ascending order. */
static size_t merge(const struct tally *a, const struct tally *b, uint32_t *values)
{
	size_t n = 0, i = 0, k = 0;

	while (i < a->used || k < b->used) {
		bool left = k == b->used || (i < a->used && a->cells[i].value <= b->cells[k].value);
		uint32_t value = left ? a->cells[i].value : b->cells[k].value;

		i += i < a->used && a->cells[i].value == value;
		k += k < b->used && b->cells[k].value == value;
		values[n++] = value;
	}
	return n;
}

static int show(struct retries *r, const struct reactions *c)
{
	size_t most = c->retried.used + c->last.used + c->method_retried.used + c->method_last.used + 1;
	uint32_t *values = calloc(most, sizeof(*values));

	r->p->reactions = calloc(most, sizeof(*r->p->reactions));
	r->p->methods = calloc(most, sizeof(*r->p->methods));
	if (!values || !r->p->reactions || !r->p->methods) {
		free(values);
		return -ENOMEM;
	}
	r->p->reaction_count = merge(&c->retried, &c->last, values);
	for (size_t i = 0; i < r->p->reaction_count; i++)
		r->p->reactions[i] = (struct policy_reaction){values[i] < ERRORS ? values[i] : 0, values[i] < ERRORS ? 0 : values[i] - ERRORS,
							      count_of(&c->retried, values[i]), count_of(&c->last, values[i])};
	r->p->method_count = merge(&c->method_retried, &c->method_last, values);
	for (size_t i = 0; i < r->p->method_count; i++)
		r->p->methods[i] = (struct policy_method){values[i], count_of(&c->method_retried, values[i]),
							  count_of(&c->method_last, values[i])};
	free(values);
	return 0;
}

int retry_reactions(struct retries *r)
{
	struct reactions c = {0};
	uint32_t longest = 0;
	int err = 0;

	for (size_t i = 0; i < r->count && !err; i++) {
		longest = r->requests[i].n > longest ? r->requests[i].n : longest;
		err = count_request(r, &r->requests[i], &c);
	}
	mark_mute(r, &c);
	for (size_t i = 0; i < r->count && !err; i++)
		err = count_last(r, &r->requests[i], longest, &c);
	if (!err)
		err = count_refusals(r, &c);
	if (!err)
		err = show(r, &c);
	tally_free(&c.retried);
	tally_free(&c.last);
	tally_free(&c.method_retried);
	tally_free(&c.method_last);
	return err;
}
