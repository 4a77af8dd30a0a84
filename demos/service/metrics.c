/* SPDX-License-Identifier: MIT */
#include "demos/service/metrics.h"

#include <inttypes.h>
#include <stdio.h>

#include "demos/service/compute.h"
#include "demos/service/metrics_sagas.h"
#include "demos/service/metrics_stores.h"
#include "demos/service/steps.h"

void metrics_label(FILE *out, const char *key, const char *value)
{
	fprintf(out, "%s=\"", key);
	for (; *value; value++)
		if (*value == '\n')
			fputs("\\n", out);
		else
			fprintf(out, "%s%c", *value == '"' || *value == '\\' ? "\\" : "", *value);
	fputc('"', out);
}

void metrics_route(FILE *out, const char *name, const struct route *route)
{
	fprintf(out, "%s{", name);
	metrics_label(out, "method", route->method);
	fputc(',', out);
	metrics_label(out, "route", route->path);
}

static void begin_peer(FILE *out, const char *name, const struct peer *peer)
{
	fprintf(out, "%s{", name);
	metrics_label(out, "peer", peer->config->name);
}

static void write_requests(FILE *out, const char *name, struct service *service)
{
	static const struct route other = {.method = "", .path = "other"};

	for (unsigned r = 0; r <= service->config.route_count; r++) {
		const struct route *route = r < service->config.route_count ? &service->config.routes[r] : &other;

		for (unsigned s = 0; s < RETRY_STATUS_MAX; s++) {
			uint64_t n = service->routes[r].statuses[s];

			if (!n)
				continue;
			metrics_route(out, name, route);
			fprintf(out, ",status=\"%u\"} %" PRIu64 "\n", s, n);
		}
	}
}

static void write_in_flight(FILE *out, const char *name, struct service *service)
{
	fprintf(out, "%s %u\n", name, drain_in_flight(&service->drain));
}

static void write_calls(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.peer_count; i++) {
		const struct peer *peer = &service->peers[i];

		begin_peer(out, name, peer);
		fprintf(out, ",result=\"ok\"} %" PRIu64 "\n", peer->counts.calls_ok);
		begin_peer(out, name, peer);
		fprintf(out, ",result=\"failed\"} %" PRIu64 "\n", peer->counts.calls_failed);
	}
}

static void write_peer_attempts(FILE *out, const char *name, const struct peer *peer)
{
	for (unsigned s = 0; s < RETRY_STATUS_MAX; s++)
		if (peer->counts.statuses[s]) {
			begin_peer(out, name, peer);
			fprintf(out, ",status=\"%u\",error=\"\"} %" PRIu64 "\n", s, peer->counts.statuses[s]);
		}
	for (unsigned e = 0; e < ATTEMPT_ERRORS; e++)
		if (peer->counts.errors[e]) {
			begin_peer(out, name, peer);
			fprintf(out, ",status=\"\",error=\"%s\"} %" PRIu64 "\n", attempt_error_names[e], peer->counts.errors[e]);
		}
}

static void write_attempts(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.peer_count; i++)
		write_peer_attempts(out, name, &service->peers[i]);
}

static void write_retries(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.peer_count; i++) {
		begin_peer(out, name, &service->peers[i]);
		fprintf(out, "} %" PRIu64 "\n", service->peers[i].counts.retries);
	}
}

static void write_cut_short(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.peer_count; i++) {
		begin_peer(out, name, &service->peers[i]);
		fprintf(out, "} %" PRIu64 "\n", service->peers[i].counts.cut_short);
	}
}

static void write_fallbacks(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.peer_count; i++) {
		uint64_t sum = 0;

		for (unsigned kind = 0; kind < FALLBACK_KINDS; kind++)
			sum += service->peers[i].counts.fallbacks[kind];
		begin_peer(out, name, &service->peers[i]);
		fprintf(out, "} %" PRIu64 "\n", sum);
	}
}

static void write_fallback_kinds(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.peer_count; i++)
		for (unsigned kind = 0; kind < FALLBACK_KINDS; kind++)
			if (service->peers[i].counts.fallbacks[kind]) {
				begin_peer(out, name, &service->peers[i]);
				fprintf(out, ",kind=\"%s\"} %" PRIu64 "\n", fallback_kind_names[kind],
					service->peers[i].counts.fallbacks[kind]);
			}
}

static void write_degraded(FILE *out, const char *name, struct service *service)
{
	for (unsigned r = 0; r < service->config.route_count; r++) {
		metrics_route(out, name, &service->config.routes[r]);
		fprintf(out, "} %" PRIu64 "\n", service->routes[r].degraded);
	}
}

/* What breaker and bulkhead have refused; only of peers that have one. */
static void write_refused(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.peer_count; i++) {
		struct peer *peer = &service->peers[i];

		if (peer->guard.has_breaker) {
			begin_peer(out, name, peer);
			fprintf(out, ",by=\"breaker\"} %" PRIu64 "\n", guard_breaker(&peer->guard).refused);
		}
		if (peer->guard.has_bulkhead) {
			begin_peer(out, name, peer);
			fprintf(out, ",by=\"bulkhead\"} %" PRIu64 "\n", guard_bulkhead(&peer->guard).refused);
		}
	}
}

static void write_breaker_states(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.peer_count; i++)
		if (service->peers[i].guard.has_breaker) {
			begin_peer(out, name, &service->peers[i]);
			fprintf(out, "} %u\n", guard_breaker(&service->peers[i].guard).state);
		}
}

static void write_breaker_transitions(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.peer_count; i++) {
		struct breaker b = guard_breaker(&service->peers[i].guard);

		for (unsigned s = 0; service->peers[i].guard.has_breaker && s < BREAKER_STATES; s++) {
			begin_peer(out, name, &service->peers[i]);
			fprintf(out, ",to=\"%s\"} %" PRIu64 "\n", breaker_state_names[s], b.entered[s]);
		}
	}
}

static void write_bulkhead_calls(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->config.peer_count; i++) {
		struct bulkhead b = guard_bulkhead(&service->peers[i].guard);

		if (!service->peers[i].guard.has_bulkhead)
			continue;
		begin_peer(out, name, &service->peers[i]);
		fprintf(out, ",state=\"in\"} %u\n", b.in);
		begin_peer(out, name, &service->peers[i]);
		fprintf(out, ",state=\"waiting\"} %u\n", b.waiting);
	}
}

/* All that is counted. A further family is a row here; who counts it declares its writer. */
static const struct metrics_family families[] = {
	{"http_requests_total", "counter", "Requests answered, by route and status; health, metrics and admin are not counted.",
	 write_requests},
	{"http_requests_degraded_total", "counter", "Requests answered with a fallback's help, by route; also in http_requests_total.",
	 write_degraded},
	{"http_requests_in_flight", "gauge", "Requests being worked on, this one included.", write_in_flight},
	{"http_requests_shed_total", "counter", "Requests refused because too many were at work; also in http_requests_total.", door_write_shed},
	{"http_requests_limited_total", "counter", "Requests refused because their tenant had had its share; also in http_requests_total.",
	 door_write_limited},
	{"limits_tenants", "gauge", "Tenants that have had a part of their share lately.", door_write_tenants},
	{"http_requests_over_total", "counter", "Requests whose caller's time was over before they were done; also in http_requests_total.",
	 steps_write_over},
	{"peer_calls_total", "counter", "Logical calls to a peer that have ended.", write_calls},
	{"peer_attempts_total", "counter", "Attempts made for those calls, by the status or the error they ended with.", write_attempts},
	{"retry_attempts_total", "counter", "Attempts that were not the first of their call.", write_retries},
	{"peer_refused_total", "counter", "Calls to a peer, or further attempts of one, that its breaker or bulkhead did not let out.",
	 write_refused},
	{"peer_calls_cut_short_total", "counter", "Calls whose total timeout left no time for another attempt.", write_cut_short},
	{"peer_fallbacks_total", "counter", "Failed calls that a fallback stood in for.", write_fallbacks},
	{"peer_fallbacks_by_kind_total", "counter", "The same by what it was: static, default, cached.", write_fallback_kinds},
	{"breaker_state", "gauge", "0 closed, 1 open, 2 half-open.", write_breaker_states},
	{"breaker_transitions_total", "counter", "How often a breaker became closed, open or half-open.", write_breaker_transitions},
	{"compute_taken_total", "counter", "Work that the workers of a route's step have taken.", compute_write_taken},
	{"compute_refused_total", "counter", "Work that found their queue full.", compute_write_refused},
	{"compute_waiting", "gauge", "Work that waits for a worker.", compute_write_waiting},
	{"store_operations_total", "counter", "Pieces of work at a store (a statement, a transaction, a command), by how they ended.",
	 metrics_store_operations},
	{"store_connections_opened_total", "counter", "Connections that were opened.", metrics_store_opened},
	{"store_connections_replaced_total", "counter", "Connections closed because they were broken, or in the middle of something.",
	 metrics_store_replaced},
	{"store_connections", "gauge", "Requests in a store's pool, those that wait for a place in it, and connections at rest.",
	 metrics_store_connections},
	{"idempotent_requests_total", "counter", "Requests with an Idempotency-Key, by what was made of them.", metrics_idempotent_requests},
	{"idempotent_requests_refused_total", "counter", "Requests whose Idempotency-Key was missing or none.", metrics_idempotent_refused},
	{"idempotent_answers_unstored_total", "counter", "Answers that could not be kept, so that a repetition may run again.",
	 metrics_idempotent_unstored},
	{"outbox_messages_total", "counter", "Attempts to deliver a message of an outbox, by what became of it.", metrics_outbox_messages},
	{"outbox_unmarked_total", "counter", "Attempts whose end the database did not take; they are made again.", metrics_outbox_unmarked},
	{"outbox_database_failures_total", "counter", "Looks into an outbox that failed.", metrics_outbox_database_failures},
	{"outbox_pending", "gauge", "Messages neither delivered nor given up, as last counted.", metrics_outbox_pending},
	{"sagas_begun_total", "counter", "Sagas that a request began.", metrics_sagas_begun},
	{"sagas_resumed_total", "counter", "Sagas taken up by a worker, each time.", metrics_sagas_resumed},
	{"sagas_over_total", "counter", "Sagas that ended here, by state.", metrics_sagas_over},
	{"saga_acts_total", "counter", "Actions and undos of sagas, by step and by how they ended.", metrics_saga_acts},
	{"saga_lost_total", "counter", "Changes of sagas that could not be put down: another goes on from the one before.", metrics_saga_lost},
	{"saga_misfits_total", "counter", "Sagas found in the table that were begun under another configuration.", metrics_saga_misfits},
	{"projection_events_total", "counter", "Events that a projection has followed, those again after a rebuild included.",
	 metrics_projection_events},
	{"projection_rebuilds_total", "counter", "Times that a projection was reset.", metrics_projection_rebuilds},
	{"projection_failures_total", "counter", "Batches of events that failed, and are done again.", metrics_projection_failures},
	{"bulkhead_attempts", "gauge", "Attempts in a bulkhead, and those that wait for a place.", write_bulkhead_calls},
};

void metrics_reply(struct service *service, struct reply *reply)
{
	char *text = NULL;
	size_t length;
	FILE *out;

	out = open_memstream(&text, &length);
	for (size_t i = 0; out && i < sizeof(families) / sizeof(*families); i++) {
		const struct metrics_family *f = &families[i];

		fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
		f->write(out, f->name, service);
	}
	if (out)
		fclose(out);
	reply_owned(reply, 200, METRICS_CONTENT_TYPE, text);
}
