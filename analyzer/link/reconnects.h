/* SPDX-License-Identifier: MIT */
/*
 * Requests that were sent on an idle connection which the server was closing, and at once again on a fresh one: HTTP clients do that by themselves
 * (RFC 9112, 9.3.1), whatever the retry policy. Such a first try is no attempt of its own.
 *
 * It is one when it was not the first request of its connection, got no byte of an answer before the peer closed or reset it within 100 ms, no
 * fault did that, its method is idempotent (RFC 9110, 9.2.2; others are unsafe retries, and stay), and within 50 ms the same caller sends the
 * same as the first request of another connection to that server. Callers are threads, where they tell (crowd.h), else the process.
 */
#ifndef AFTERSHOCK_ANALYZER_LINK_RECONNECTS_H
#define AFTERSHOCK_ANALYZER_LINK_RECONNECTS_H

#include "analyzer/read/model.h"

/* Takes them off their edges (edge: MODEL_NONE), and adds them to counts, per edge. busy: of crowd_threads(). 0 or -ENOMEM. */
int reconnects_take(struct model *m, const bool *busy, uint64_t *counts);

#endif
