/* SPDX-License-Identifier: MIT */
/* What the policies of a running service are at just now. Thread-safe. */
#ifndef DEMOS_SERVICE_STATUS_H
#define DEMOS_SERVICE_STATUS_H

#include "demos/service/reply.h"
#include "demos/service/service.h"

/*
 * GET /status/breakers: {"breakers": {PEER: {"state", "open_left_ms", "failures_in_a_row", "opened", "refused"}}}; peers without
 * a breaker are left out. An open breaker whose time is over stays open until the next call asks.
 */
void status_breakers(struct service *service, struct reply *reply);

#endif
