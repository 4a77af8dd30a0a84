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
 * after, then first, every, pattern counted on what remains, then probability. Not considered: window, max.
 */
bool decide_hit(const struct page *page, const struct page_fault *f, uint64_t destination, uint64_t ordinal);

/* The delay of that exchange in ns (0 without PAGE_DELAY); normal and lognormal draws are cut at 0 and at one hour. */
uint64_t decide_delay_ns(const struct page *page, const struct page_fault *f, uint64_t destination, uint64_t ordinal);

/* Whether now lies in the fault's window (`from`, `for`). */
bool decide_active(const struct page *page, const struct page_fault *f, uint64_t now_ns);

/* The steps of an attempt, in their order. */
enum decide_place { DECIDE_RESOLVE, DECIDE_CONNECT, DECIDE_EXCHANGE };

/* The fault's actions (enum page_action bits) at this step. A delay that would follow the step where the fault ends the attempt is at that step. */
uint32_t decide_actions_at(const struct page_fault *f, enum decide_place place);

/* Whether the fault is judged at this step: it acts there, or has no action and counts exchanges. */
bool decide_is_at(const struct page_fault *f, enum decide_place place);

/*
 * Whether the fault may concern a connection of this process, or (end: a name) the resolution of a host name: side, peer address or
 * host, and `process`. host_matches: the peer can be the fault's host for what this process knows of names. service: NUL-terminated.
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

/* Whether end is the fault's host: it is that name; or resolved says that its address is one of the name's, and the port fits; or
 * the host is localhost and the address a loopback one. */
bool decide_is_host(const struct page *page, const struct page_fault *f, const struct addr *end, bool resolved);

/* Whether a request that asks for this authority, on a connection with this end, asks for the fault's host. A port must be
 * the connection's or the one asked for (80 when none is named). */
bool decide_is_asked(const struct page_fault *f, const struct addr *end, const struct authority *asked);

/* The destination that ordinals are counted for: the address; for a fault on a host its name and the port asked for, or the connection's,
 * wherever the name leads; for a resolution (end: a name) the name. */
uint64_t decide_destination(const struct page_fault *f, const struct addr *end, const struct authority *asked);

/* Takes the next ordinal (1, 2, ...) of this fault and destination; atomic across processes. */
uint64_t decide_ordinal(struct page *page, struct page_fault *f, uint64_t destination);

/* Counts one firing; false when `max` was reached already (nothing is counted then). */
bool decide_fire(struct page_fault *f);

#endif
