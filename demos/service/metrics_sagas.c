/* SPDX-License-Identifier: MIT */
#include "demos/service/metrics_sagas.h"

#include <inttypes.h>

#include "demos/service/metrics.h"
#include "demos/service/orchestrator.h"
#include "demos/service/projection.h"
#include "demos/service/service.h"

/* ---- sagas ---- */

static void begin_saga(FILE *out, const char *name, const struct orchestrator *o)
{
	fprintf(out, "%s{", name);
	metrics_label(out, "saga", o->config->name);
}

static void write_each(FILE *out, const char *name, struct service *service, uint64_t (*count)(const struct orchestrator *o))
{
	for (unsigned i = 0; i < service->orchestrator_count; i++) {
		begin_saga(out, name, &service->orchestrators[i]);
		fprintf(out, "} %" PRIu64 "\n", count(&service->orchestrators[i]));
	}
}

static uint64_t begun(const struct orchestrator *o)
{
	return o->begun;
}

static uint64_t resumed(const struct orchestrator *o)
{
	return o->resumed;
}

static uint64_t lost(const struct orchestrator *o)
{
	return o->lost;
}

static uint64_t misfits(const struct orchestrator *o)
{
	return o->misfits;
}

void metrics_sagas_begun(FILE *out, const char *name, struct service *service)
{
	write_each(out, name, service, begun);
}

void metrics_sagas_resumed(FILE *out, const char *name, struct service *service)
{
	write_each(out, name, service, resumed);
}

void metrics_saga_lost(FILE *out, const char *name, struct service *service)
{
	write_each(out, name, service, lost);
}

void metrics_saga_misfits(FILE *out, const char *name, struct service *service)
{
	write_each(out, name, service, misfits);
}

void metrics_sagas_over(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->orchestrator_count; i++)
		for (unsigned s = SAGA_COMPLETED; s < SAGA_STATES; s++) {
			begin_saga(out, name, &service->orchestrators[i]);
			fprintf(out, ",state=\"%s\"} %" PRIu64 "\n", saga_state_names[s], service->orchestrators[i].over[s]);
		}
}

static void write_step(FILE *out, const char *name, const struct orchestrator *o, unsigned step)
{
	for (unsigned d = 0; d < SAGA_DIRECTIONS; d++)
		for (unsigned e = 0; e < SAGA_ACT_ENDS; e++) {
			if (!o->acts[step].ends[d][e])
				continue;
			begin_saga(out, name, o);
			fputc(',', out);
			metrics_label(out, "step", o->config->steps[step].name);
			fprintf(out, ",act=\"%s\",end=\"%s\"} %" PRIu64 "\n", saga_direction_names[d], saga_end_names[e],
				o->acts[step].ends[d][e]);
		}
}

void metrics_saga_acts(FILE *out, const char *name, struct service *service)
{
	for (unsigned i = 0; i < service->orchestrator_count; i++)
		for (unsigned step = 0; step < service->orchestrators[i].config->policy.steps; step++)
			write_step(out, name, &service->orchestrators[i], step);
}

/* ---- projections ---- */

static void write_projections(FILE *out, const char *name, struct service *service, uint64_t (*count)(const struct projection *p))
{
	for (unsigned i = 0; i < service->config.projection_count; i++) {
		fprintf(out, "%s{", name);
		metrics_label(out, "projection", service->config.projections[i].name);
		fprintf(out, "} %" PRIu64 "\n", count(&service->projections[i]));
	}
}

static uint64_t applied(const struct projection *p)
{
	return p->applied;
}

static uint64_t rebuilds(const struct projection *p)
{
	return p->rebuilds;
}

static uint64_t failures(const struct projection *p)
{
	return p->failures;
}

void metrics_projection_events(FILE *out, const char *name, struct service *service)
{
	write_projections(out, name, service, applied);
}

void metrics_projection_rebuilds(FILE *out, const char *name, struct service *service)
{
	write_projections(out, name, service, rebuilds);
}

void metrics_projection_failures(FILE *out, const char *name, struct service *service)
{
	write_projections(out, name, service, failures);
}
