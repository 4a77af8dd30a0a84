/* SPDX-License-Identifier: MIT */
/*
 * What a load run came to: how many requests, how they ended, how long they took. Filled one request at a time, then shown.
 * Not thread-safe.
 */
#ifndef DEMOS_LOAD_SUMMARY_H
#define DEMOS_LOAD_SUMMARY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SUMMARY_STATUS_MAX 600

enum load_end { LOAD_ANSWERED, LOAD_TIMEOUT, LOAD_ERROR };

struct summary {
	uint64_t *latency_ns;		/* of every request, failed ones too */
	size_t count, room;
	uint64_t statuses[SUMMARY_STATUS_MAX];
	uint64_t timeouts, errors;
	uint64_t elapsed_ns;		/* set by the caller before it is shown */
};

/* Makes room for that many requests. 0 or -ENOMEM. */
int summary_init(struct summary *s, size_t room);
void summary_clear(struct summary *s);

/* Adds one request; those beyond the room are not counted. status only with LOAD_ANSWERED. */
void summary_add(struct summary *s, enum load_end end, long status, uint64_t latency_ns);

/* Sorts the latencies, then writes them for people or as one line of JSON (times in ms). */
void summary_text(struct summary *s, FILE *out);
void summary_json(struct summary *s, FILE *out);

#endif
