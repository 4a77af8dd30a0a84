/* SPDX-License-Identifier: MIT */
/*
 * Switching policy while the service runs. A call that has begun keeps the strategy it began with. Thread-safe.
 *     GET  /admin/strategy                                        which strategy each peer is called with, and which there are
 *     POST /admin/strategy {"strategy": NAME, "peer": NAME}       without "peer": for all peers
 */
#ifndef DEMOS_SERVICE_ADMIN_H
#define DEMOS_SERVICE_ADMIN_H

#include "demos/service/reply.h"
#include "demos/service/service.h"

void admin_get_strategy(struct service *service, struct reply *reply);

/* 200 with what GET would say, or 400 with what was wrong, and then nothing was switched. */
void admin_set_strategy(struct service *service, const char *body, struct reply *reply);

#endif
