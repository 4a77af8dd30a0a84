/* SPDX-License-Identifier: MIT */
/*
 * A running service: its configuration, its peers, what it has counted, who is at work. One per process, made by main()
 * before the first request and cleared after the last; requests share it.
 */
#ifndef DEMOS_SERVICE_SERVICE_H
#define DEMOS_SERVICE_SERVICE_H

#include <stdatomic.h>
#include <stdint.h>

#include "demos/service/config.h"
#include "demos/service/door.h"
#include "demos/service/drain.h"
#include "demos/service/outbox.h"
#include "demos/service/peer.h"
#include "demos/service/replay.h"
#include "demos/service/store.h"

struct orchestrator;
struct projection;

struct route_counts {
	_Atomic uint64_t statuses[RETRY_STATUS_MAX];	/* answers */
	_Atomic uint64_t degraded;			/* those among them that a fallback had a part in */
};

struct service {
	struct config config;
	struct drain drain;
	struct door door;
	struct store *stores;		/* as config.stores */
	struct peer *peers;		/* as config.peers */
	struct outbox *outboxes;	/* as config.outboxes */
	struct orchestrator *orchestrators;	/* of the steps of the kind saga */
	unsigned orchestrator_count;
	struct projection *projections;	/* as config.projections */
	struct replay *replays;		/* as config.routes */
	_Atomic bool has_started;	/* its stores have been reachable once */
	_Atomic uint64_t over;		/* requests that ended because their caller's time was over */
	struct route_counts *routes;	/* as config.routes, and one more for what met no route */
};

/* Takes over the configuration. 0, or a negative errno, and then it is still the caller's. The parts there are: the table in service.c. */
int service_init(struct service *service, const struct config *config);
void service_clear(struct service *service);

#endif
