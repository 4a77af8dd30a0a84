/* SPDX-License-Identifier: MIT */
#include "demos/service/metrics_stores.h"

#include <inttypes.h>

#include "demos/service/metrics.h"
#include "demos/service/service.h"

/* ---- stores ---- */

static void begin_store(FILE *out, const char *name, const struct store *store)
{
	fprintf(out, "%s{", name);
	metrics_label(out, "store", store->config->name);
}

void metrics_store_operations(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.store_count; i++)
		for (unsigned e = 0; e < STORE_ENDS; e++) {
			uint64_t n = service->stores[i].counts.ends[e];

			if (!n && e != STORE_OK && e != STORE_EXHAUSTED)
				continue;
			begin_store(out, name, &service->stores[i]);
			fprintf(out, ",end=\"%s\"} %" PRIu64 "\n", store_meanings[e].name, n);
		}
}

void metrics_store_opened(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.store_count; i++) {
		begin_store(out, name, &service->stores[i]);
		fprintf(out, "} %" PRIu64 "\n", service->stores[i].counts.opened);
	}
}

void metrics_store_replaced(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.store_count; i++) {
		begin_store(out, name, &service->stores[i]);
		fprintf(out, "} %" PRIu64 "\n", service->stores[i].counts.replaced);
	}
}

void metrics_store_connections(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.store_count; i++) {
		struct store *store = &service->stores[i];
		struct bulkhead pool = guard_bulkhead(&store->pool);
		const struct { const char *state; unsigned n; } states[] = {
			{"in", pool.in}, {"waiting", pool.waiting}, {"idle", store_idle(store)},
		};

		for (size_t s = 0; s < sizeof(states) / sizeof(*states); s++) {
			begin_store(out, name, store);
			fprintf(out, ",state=\"%s\"} %u\n", states[s].state, states[s].n);
		}
	}
}

/* ---- outboxes ---- */

static void begin_outbox(FILE *out, const char *name, const struct outbox *outbox)
{
	fprintf(out, "%s{", name);
	metrics_label(out, "table", outbox->config->table);
}

void metrics_outbox_messages(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.outbox_count; i++)
		for (unsigned v = 0; v < OUTBOX_VERDICTS; v++) {
			begin_outbox(out, name, &service->outboxes[i]);
			fprintf(out, ",verdict=\"%s\"} %" PRIu64 "\n", outbox_verdict_names[v], service->outboxes[i].verdicts[v]);
		}
}

void metrics_outbox_unmarked(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.outbox_count; i++) {
		begin_outbox(out, name, &service->outboxes[i]);
		fprintf(out, "} %" PRIu64 "\n", service->outboxes[i].unmarked);
	}
}

void metrics_outbox_database_failures(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.outbox_count; i++) {
		begin_outbox(out, name, &service->outboxes[i]);
		fprintf(out, "} %" PRIu64 "\n", service->outboxes[i].database_failures);
	}
}

/* Not before it was counted. */
void metrics_outbox_pending(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.outbox_count; i++) {
		int64_t pending = service->outboxes[i].pending;

		if (pending < 0)
			continue;
		begin_outbox(out, name, &service->outboxes[i]);
		fprintf(out, "} %" PRId64 "\n", pending);
	}
}

/* ---- idempotent routes ---- */

static void begin_route(FILE *out, const char *name, const struct route *route)
{
	fprintf(out, "%s{", name);
	metrics_label(out, "method", route->method);
	fputc(',', out);
	metrics_label(out, "route", route->path);
}

void metrics_idempotent_requests(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.route_count; i++)
		for (unsigned v = 0; v < IDEMPOTENCY_VERDICTS && replay_is_on(&service->replays[i]); v++) {
			begin_route(out, name, &service->config.routes[i]);
			fprintf(out, ",verdict=\"%s\"} %" PRIu64 "\n", idempotency_verdict_names[v], service->replays[i].verdicts[v]);
		}
}

void metrics_idempotent_refused(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.route_count; i++)
		if (replay_is_on(&service->replays[i])) {
			begin_route(out, name, &service->config.routes[i]);
			fprintf(out, "} %" PRIu64 "\n", service->replays[i].refused);
		}
}

void metrics_idempotent_unstored(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.route_count; i++)
		if (replay_is_on(&service->replays[i])) {
			begin_route(out, name, &service->config.routes[i]);
			fprintf(out, "} %" PRIu64 "\n", service->replays[i].unstored);
		}
}
