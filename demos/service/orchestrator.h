/* SPDX-License-Identifier: MIT */
/*
 * Drives sagas of one kind: makes the calls that are their actions and undos, and puts down in PostgreSQL how far each is before it
 * goes on (saga.h says what follows what, saga_log.h what is kept). A request drives the saga it begins for as long as it may wait;
 * workers take up those that are due: left by a request, or by an orchestrator that is no more.
 *
 * Each act has the saga's id and the step's name as its Idempotency-Key, unless the configuration says another: it may be asked for
 * again at any time, for what was answered just before a crash is not known after it. The trace of the request that began a saga goes
 * with all its acts, after a crash too.
 *
 * An act was refused when the peer's answer settles the matter with 400 or more (idempotency_keeps()); without an answer, or with
 * another one, its end is unknown. The peer's own retries come before either.
 * Thread-safe.
 */
#ifndef DEMOS_SERVICE_ORCHESTRATOR_H
#define DEMOS_SERVICE_ORCHESTRATOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "demos/service/call.h"
#include "demos/service/saga_log.h"

struct service;
struct trace_context;

#define ORCHESTRATOR_WORKERS_MAX 16

struct saga_act {
	struct call call;
	const char *as;			/* NULL: the answer is not kept */
	char *own_key;			/* the Idempotency-Key's template, when the configuration gives none */
};

enum saga_direction { SAGA_DO, SAGA_UNDO, SAGA_DIRECTIONS };

struct saga_step {
	const char *name;
	struct saga_act acts[SAGA_DIRECTIONS];	/* the undo is there when the policy says so */
};

struct saga_config {
	unsigned index;			/* of its orchestrator in the service */
	const char *name, *table;
	const char *id;			/* template */
	unsigned store;			/* index */
	uint64_t lease_ns;		/* longer than an act may take */
	uint64_t answer_ns;		/* how long a request waits for the end */
	uint64_t poll_ns;		/* how often a worker looks for what is due */
	unsigned workers;
	struct saga_policy policy;
	struct saga_step *steps;
};

struct saga_act_counts {
	_Atomic uint64_t ends[SAGA_DIRECTIONS][SAGA_ACT_ENDS];
};

struct orchestrator {
	const struct saga_config *config;
	struct service *service;
	struct saga_log log;
	pthread_t workers[ORCHESTRATOR_WORKERS_MAX];
	unsigned worker_count;
	_Atomic uint64_t begun, resumed;	/* sagas; resumed: claimed by a worker, each time */
	_Atomic uint64_t lost;			/* changes that could not be put down: another goes on from the one before */
	_Atomic uint64_t misfits;		/* claimed ones that were kept under another configuration */
	_Atomic uint64_t over[SAGA_STATES];	/* by how they ended */
	struct saga_act_counts *acts;		/* by step */
};

/* "do", "undo"; "done", "refused", "unknown". */
extern const char *const saga_direction_names[SAGA_DIRECTIONS];
extern const char *const saga_end_names[SAGA_ACT_ENDS];

/* The orchestrators of all steps of the kind saga. Stopped when no request is at work any more; what is not over waits in the table. */
int orchestrators_open(struct service *service);
void orchestrators_close(struct service *service);

/*
 * Begins the saga of that id, or finds it when it was begun before, and goes on with it until it is over or answer_ns have gone by. The id
 * and the values are kept->'s: filled by the caller, saga_kept_clear() is owed. Afterwards kept->saga says how far it is.
 */
enum store_end orchestrator_run(struct orchestrator *o, struct saga_kept *kept, const struct trace_context *trace);

#endif
