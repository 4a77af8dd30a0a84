/* SPDX-License-Identifier: MIT */
/*
 * What a load run came to: how many requests, how they ended, how long they took; in all, in each second, and each for itself.
 * Filled one request at a time, then shown. A latency is from the moment a request was to begin, so that the time it had to wait
 * for its turn is not left out (no coordinated omission). Not thread-safe.
 */
#ifndef DEMOS_LOAD_SUMMARY_H
#define DEMOS_LOAD_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SUMMARY_LATE_NS 1000000	/* who begins later than that is called late */
#define SUMMARY_STATUS_MAX 600

enum load_end { LOAD_ANSWERED, LOAD_TIMEOUT, LOAD_CONNECT, LOAD_BROKEN, LOAD_ENDS };

/* One request that has ended. */
struct outcome {
	uint64_t intended_ns;		/* when it was to begin, from the beginning of the run */
	uint64_t late_ns;		/* how much later it did */
	uint64_t latency_ns;		/* from when it was to begin to its end */
	uint16_t status;		/* with LOAD_ANSWERED */
	uint8_t end;			/* enum load_end */
	bool is_marked;			/* answered with the header that was to be counted */
	bool is_unsent;			/* its time was over before its turn came; a timeout */
};

struct summary {
	/* said by the caller before it is shown */
	const char *arrivals;		/* "constant", "poisson"; "closed": each user asks again when answered */
	double rate;			/* asked for; 0: closed */
	const char *mark;		/* the header whose answers are counted; NULL none */
	uint64_t began_ns;		/* CLOCK_MONOTONIC */
	uint64_t elapsed_ns;
	unsigned in_flight_limit, in_flight_max;
	uint64_t held_back;		/* that had to wait because the limit was reached */
	uint64_t abandoned;		/* under way at an early end; in no other figure */
	/* kept by summary_add() */
	struct outcome *outcomes;
	size_t count, room;
	uint64_t ends[LOAD_ENDS];
	uint64_t statuses[SUMMARY_STATUS_MAX];
	uint64_t good;			/* statuses 200..399 */
	uint64_t marked, unsent, late;
	uint64_t late_max_ns;
};

void summary_init(struct summary *s);
void summary_clear(struct summary *s);

/* Adds one request. An answer whose status is none (not 100..599) is counted as LOAD_BROKEN. 0 or -ENOMEM. */
int summary_add(struct summary *s, const struct outcome *outcome);

/* For people; as one line of JSON (times in ms); each request as a line of CSV, in the order of their intended moments. */
void summary_text(struct summary *s, FILE *out);
void summary_json(struct summary *s, FILE *out);
void summary_csv(struct summary *s, FILE *out);

#endif
