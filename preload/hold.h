/* SPDX-License-Identifier: MIT */
/*
 * The time of an exchange at its gate: from what arrived to what the program may have of it, at once, after a delay or at a rate. All
 * functions under the connection's lock; none blocks. Async-signal-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_HOLD_H
#define AFTERSHOCK_PRELOAD_HOLD_H

#include "preload/conn.h"

/* When what TCP_INFO says came ago_ms ago really came, as what belongs to since_ns: not before that, and now_ns when it is older still. */
uint64_t hold_arrival(uint32_t ago_ms, uint64_t since_ns, uint64_t now_ns);

/* Whether others may come behind an answer that is held: they are looked for each tick. */
bool hold_is_followed(struct conn *c);

/* Notes which have. */
void hold_look(struct conn *c, int fd, uint64_t now_ns);

/* A Unix socket does not say when what it has came. Who waits on one, c, looks at the others of the process that are asked, which the program may
 * read in turn. No lock is held. */
void hold_look_at_others(const struct conn *c);

/* What was armed has arrived: from here on its delay counts. */
void hold_begin(struct conn *c, struct exchange *x, int fd, uint64_t now_ns);

/* The hold is over: the reset, end or error that was to follow happens, or the kernel's truth shows, perhaps in parts. */
void hold_release(struct conn *c, struct exchange *x, int fd, uint64_t now_ns);

bool hold_is(const struct exchange *x);

/* Whether a hold has come to its end. */
bool hold_due(const struct exchange *x, uint64_t now_ns);

/* Whether x's answer comes at a rate. */
bool hold_throttles(const struct exchange *x);

/* An answer at a rate, with something there to read: lets the program have what was earned, when that is a part worth waking up for, or hides it
 * until it is. */
void hold_pace(struct exchange *x, int fd, uint64_t now_ns);

/* Whether the rate has something for a program that it has not been told of: all was taken before, or a slice came since. */
bool hold_earned(const struct exchange *x, uint64_t now_ns);

/* The program read n bytes of x's answer, which x's rate counts; dry: all that was there. */
void hold_took(struct exchange *x, int fd, size_t n, bool dry, uint64_t now_ns);

#endif
