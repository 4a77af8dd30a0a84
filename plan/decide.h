/* SPDX-License-Identifier: MIT */
/*
 * Whether a fault hits an exchange, and how long its delay is: pure functions of
 * (seed, fault, destination, ordinal), so that the same seed, plan and order of attempts give the
 * same decisions whatever the threads do. Also: whether a fault can concern a connection, and
 * whether it matches a request. No I/O, no clock, no libm (the preload library links to libc only);
 * async-signal-safe.
 */
#ifndef AFTERSHOCK_PLAN_DECIDE_H
#define AFTERSHOCK_PLAN_DECIDE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/http1.h"
#include "plan/page.h"

/*
 * Whether the exchange with this ordinal (1, 2, ... per fault and destination) is hit. Order of the conditions:
 * after, then first, every, pattern counted on what remains, then probability. Not considered: window, max, enabled.
 */
bool decide_hit(const struct page *page, const struct page_fault *f, uint64_t destination, uint64_t ordinal);

/* The delay of that exchange in ns (0 without PAGE_DELAY); normal and lognormal draws are cut at 0 and at one hour. */
uint64_t decide_delay_ns(const struct page *page, const struct page_fault *f, uint64_t destination, uint64_t ordinal);

/* Whether now lies in the fault's window (`from`, `for`) and the fault is enabled. */
bool decide_active(const struct page *page, const struct page_fault *f, uint64_t now_ns);

/*
 * Whether the fault may concern a connection of this process: side, peer address (or host: then host_matches says
 * whether the address came from a matching name) and `process`. service: NUL-terminated.
 */
bool decide_concerns(const struct page *page, const struct page_fault *f, enum page_side side, const struct addr *end,
		     bool host_matches, const char *service);

/*
 * Whether the fault matches this request: method, path, header. head NULL: not HTTP; then only a fault without HTTP
 * conditions and without `status` matches. raw/raw_len: the head's bytes for `header` (may be NULL, 0 when the fault has none).
 */
bool decide_matches(const struct page *page, const struct page_fault *f, const struct http1_head *head,
		    const char *raw, size_t raw_len);

/* Whether deciding this fault needs a request head (method, path, header, status). */
bool decide_needs_head(const struct page_fault *f);

/* Takes the next ordinal (1, 2, ...) of this fault and destination; atomic across processes. */
uint64_t decide_ordinal(struct page *page, struct page_fault *f, uint64_t destination);

/* Counts one firing; false when `max` was reached already (nothing is counted then). */
bool decide_fire(struct page_fault *f);

#endif
