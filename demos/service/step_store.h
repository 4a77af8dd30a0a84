/* SPDX-License-Identifier: MIT */
/* What the steps that ask a store have in common. Thread-safe. */
#ifndef DEMOS_SERVICE_STEP_STORE_H
#define DEMOS_SERVICE_STEP_STORE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "demos/service/step.h"
#include "demos/service/store.h"

struct step_store {
	const char *name;
	unsigned index;		/* in the configuration's stores, and so in the service's */
	bool is_optional;	/* its failure does not end the route */
};

/* Finds the store of that name, which must be of that kind: 0, or -EINVAL after fields_refuse(). f->context is the struct config. */
int step_store_link(struct fields *f, struct step_store *at, const struct store_kind *kind);

/* The text that a template stands for: NULL for null and for a value that is not there. Caller frees; false without memory. */
bool step_store_text(const cJSON *values, const cJSON *template, char **text);

/* The end of a step that failed so: the reply is filled, or it is passed over and the reply marked as degraded. */
enum step_end step_store_failed(struct request *r, const struct step_store *at, enum store_end end, const char *why);

/* The end of a step that did not find what it must. */
enum step_end step_store_missing(struct request *r, const struct step_store *at, unsigned status);

#endif
