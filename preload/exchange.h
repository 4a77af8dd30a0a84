/* SPDX-License-Identifier: MIT */
/*
 * The life of an exchange on a connection: its beginning with the verdict on it, what faults do to it, its end, and the
 * evidence of each in the journal. All functions: under the connection's lock; no blocking, no allocation.
 */
#ifndef AFTERSHOCK_PRELOAD_EXCHANGE_H
#define AFTERSHOCK_PRELOAD_EXCHANGE_H

#include "preload/conn.h"

/* Whether x's delay is its request's (only a client's request can come late to somebody else), and the delay of its answer. */
bool exchange_delays_request(const struct conn *c, const struct exchange *x);
uint64_t exchange_answer_delay(const struct conn *c, const struct exchange *x);

/* The fault with this number (index + 1) and id; NULL when there is none, or its slot has another one by now. */
const struct page_fault *exchange_fault(unsigned fault, uint32_t id);

/* The verdict's errno for the error action, ECONNRESET otherwise. */
int exchange_errno(const struct exchange *x);

/* Whether that fault is there and on; its window is not looked at. */
bool exchange_fault_on(unsigned fault, uint32_t id, uint64_t now_ns);

/* What the end of a fault takes back from exchanges that it hit before, beside delays and rates: ends that are still to come. What has begun
 * goes on, and who swallowed a request answers it, nobody else can. */
#define EXCHANGE_LAPSING ((uint32_t)(PAGE_HANG | PAGE_RESET | PAGE_ERROR | PAGE_TRUNCATE))

/* The faults that are gone by now (switched off, replaced, or nobody controls the run any more) let go of x, as if the network had
 * recovered; true when there was something. */
bool exchange_lapse(struct exchange *x, uint64_t now_ns);

/* Appends an exchange whose request begins at now_ns; verdict may be NULL. NULL (counted, connection opaque) when too many are in flight. */
struct exchange *exchange_begin(struct conn *c, const struct http1_head *head, const struct verdict *v, uint64_t now_ns);

/* An exchange that began by its first bytes has a head now, that of c's request: its method and path are journalled. */
void exchange_take_head(struct conn *c, struct exchange *x);

/* Journals that a fault's action took effect (v's delay or main action), and later what it came to. */
void exchange_inject(struct conn *c, struct exchange *x, uint32_t action, uint64_t now_ns);
void exchange_achieved(struct conn *c, struct exchange *x, uint32_t action, uint64_t now_ns);

/* Whether a fault resets the connection at that place of x. */
bool exchange_resets_at(const struct exchange *x, enum page_place place);

/* Bytes of x's answer that may still pass before a fault cuts it; NO_CUT when none does, or when only the bytes themselves tell (HTTP1_STOP). */
uint64_t exchange_cut_room(const struct conn *c, const struct exchange *x);

/* That place is reached: journalled as achieved, and due (conn.cut). Noticed as well while an answer's bytes are counted. */
void exchange_cut(struct conn *c, struct exchange *x, uint64_t now_ns);

/* Ends the oldest exchange: error 0 or errno; complete: its answer is whole. */
void exchange_end(struct conn *c, int error, bool complete, uint64_t now_ns);

/* As exchange_end_all(), by an act of the program that is also the end of an answer that goes on until then. */
void exchange_end_by_close(struct conn *c, int error, uint64_t now_ns);

/* Ends all that is in flight with the same error. */
void exchange_end_all(struct conn *c, int error, uint64_t now_ns);

#endif
