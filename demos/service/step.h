/* SPDX-License-Identifier: MIT */
/*
 * A step of a route, and what a kind of step is. A step is a JSON object in which one key names the kind. A new kind is a file
 * that defines one struct step_kind (its own structure for what it reads, as step_call.c does), and a row in the table in steps.c.
 */
#ifndef DEMOS_SERVICE_STEP_H
#define DEMOS_SERVICE_STEP_H

#include <stdbool.h>

#include "demos/service/fields.h"

struct request;
struct service;
struct step;

enum step_end { STEP_GOES_ON, STEP_ENDS /* the reply is filled */ };

struct step_kind {
	const char *key;		/* its presence makes the step one of this kind */
	bool is_last;			/* it always ends the route: no step may follow */

	/*
	 * Reads the object into a structure of its own, which it puts into step->policy: 0, -ENOMEM, or -EINVAL after
	 * fields_refuse(); whatever policy holds then is cleared too. f->context is the struct config: peers and stores are read by now.
	 * Texts stay owned by the JSON tree, which lives as long as the step. Has the kind a result, its table holds STEP_AS.
	 */
	int (*read)(struct fields *f, const cJSON *object, struct step *step);

	/* Does it, for one request; may block. Keeps its result, when there is one, by request_keep(). Thread-safe. */
	enum step_end (*run)(struct request *r, const struct step *step);

	void (*clear)(struct step *step);	/* frees the policy, which may be NULL */
};

struct step {
	const struct step_kind *kind;
	const char *as;			/* the root under which its result is found; NULL: not kept */
	void *policy;			/* the kind's own; what changes in it while requests run has a lock there */
};

/* The row for tables of kinds that have a result. */
#define STEP_AS {"as", step_as, .offset = 0}
int step_as(struct fields *f, const struct field *field, const cJSON *value, void *into);

extern const struct step_kind step_call, step_compute, step_answer, step_sql, step_redis, step_saga, step_event, step_replay;

#endif
