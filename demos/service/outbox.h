/* SPDX-License-Identifier: MIT */
/*
 * An outbox: messages that a service writes to a table in the same transaction as what they tell of, and a worker that delivers them to
 * a peer. So a message exists exactly when its cause does, and neither a peer nor a service that dies in between loses it.
 *
 *   "outbox": [{"store": "orders_db", "table": "outbox", "peer": "notifications", "path": "/notifications", "poll_ms": 100, "batch": 20}]
 *
 * The table has the columns
 *     id          any type, unique: sent as Idempotency-Key       payload     json, jsonb or text: the body
 *     due_at      timestamptz, not null, default now()            attempts    integer, not null, default 0
 *     sent_at     timestamptz: delivered                          failed_at   timestamptz: given up         last_error  text
 *
 * At least once: a worker claims messages by moving their due_at on by a lease (SELECT ... FOR UPDATE SKIP LOCKED, so that several workers
 * never wait for each other nor claim the same), commits, delivers, and marks each as sent. Who dies after a delivery and before its mark
 * leaves the message to be delivered again when the lease ends, which the key lets the peer see. The order is not kept.
 * An answer below 400 is a delivery; one of 400 or more that will not change by asking again (idempotency_keeps()) gives the message up, for a
 * person to look at; anything else tries again after an exponential backoff with jitter, for ever. A peer that does not answer, or does not
 * take two in a row, or a database that fails makes the whole worker wait so, with what it had claimed given back.
 *
 * The worker is one thread for each outbox. Thread-safe: its counters may be read while it runs.
 */
#ifndef DEMOS_SERVICE_OUTBOX_H
#define DEMOS_SERVICE_OUTBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "demos/service/drain.h"
#include "demos/service/retry.h"

struct service;

struct outbox_config {
	const char *store_name, *peer_name;
	unsigned store, peer;		/* their indexes */
	const char *table, *path;
	uint64_t poll_ns;		/* how often an empty table is looked at */
	uint64_t lease_ns;		/* longer than a delivery may take */
	unsigned batch;			/* messages claimed at once */
	struct retry_policy backoff;	/* its base and cap */
};

/* What is to become of a message. */
enum outbox_verdict { OUTBOX_SENT, OUTBOX_GIVEN_UP, OUTBOX_RETRIED, OUTBOX_VERDICTS };

/* "sent", "given_up", "retried". */
extern const char *const outbox_verdict_names[OUTBOX_VERDICTS];

struct outbox {
	const struct outbox_config *config;
	struct service *service;
	char *claim, *mark[OUTBOX_VERDICTS], *give_back, *count_pending;	/* statements */
	struct drain stop;
	_Atomic uint64_t stop_by_ns;	/* once it is to stop: no pass begins later */
	pthread_t thread;
	_Atomic uint64_t verdicts[OUTBOX_VERDICTS];	/* attempts at delivery that are marked so in the table */
	_Atomic uint64_t unmarked;	/* deliveries whose mark the database did not take: they will be made again */
	_Atomic uint64_t database_failures;	/* claims that failed */
	_Atomic int64_t pending;	/* messages neither sent nor given up, as last counted; -1 not yet */
};

/* Begins to deliver. 0, -ENOMEM or -EAGAIN (no thread). Configuration and service must outlive it. */
int outbox_start(struct outbox *outbox, const struct outbox_config *config, struct service *service);

/*
 * Delivers what is due yet, for limit_ns and the one attempt at most, and ends the worker. What is left waits in the table. To be called when no
 * request is at work any more that could add to it.
 */
void outbox_stop(struct outbox *outbox, uint64_t limit_ns);

/* What an attempt at delivery that was answered with this status (0: not at all) makes of its message. */
enum outbox_verdict outbox_judge(unsigned status);

#endif
