/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include "analyzer/measure.h"

/* The result's row of a service; added when it is not there. NULL without memory. */
static struct result_service *service_row(struct measure *m, struct map *rows, uint32_t name)
{
	uint32_t at = map_get(rows, name);
	struct result_service *services;

	if (at != MAP_NONE)
		return &m->r->services[at];
	services = realloc(m->r->services, (m->r->service_count + 1) * sizeof(*services));
	if (!services)
		return NULL;
	m->r->services = services;
	at = (uint32_t)m->r->service_count++;
	services[at] = (struct result_service){.name = measure_text(m, name)};
	return map_put(rows, name, at) ? NULL : &services[at];
}

static int add_process(struct measure *m, struct map *rows, const struct model_process *p)
{
	struct result_service *s = service_row(m, rows, p->service);
	int64_t *pids = s ? realloc(s->pids, (s->pid_count + 1) * sizeof(*pids)) : NULL;

	if (!pids)
		return -ENOMEM;
	s->pids = pids;
	s->pids[s->pid_count++] = p->pid;
	return 0;
}

static int add_request(struct result_load *load, const struct model_exchange *x)
{
	load->requests++;
	load->ok += !model_failed(x);
	load->failed += model_failed(x);
	return measure_latency(&load->latency, x);
}

static int add_inbound(struct measure *m, const struct map *rows, const struct model_exchange *x)
{
	struct result_service *s;
	uint32_t at;

	if (x->role != MODEL_SERVER || x->process == MODEL_NONE || !measure_counts(m, x->started_ns))
		return 0;
	at = map_get(rows, m->r->model.processes[x->process].service);
	if (at == MAP_NONE)
		return 0;
	s = &m->r->services[at];
	if (add_request(&s->whole, x))
		return -ENOMEM;
	return add_request(&s->window[timeline_at(&m->r->timeline, x->started_ns)], x);
}

static void settle(const struct measure *m, struct result_load *load, enum timeline_kind kind)
{
	double seconds = measure_seconds(m, kind);

	load->success = metric_share(load->ok, load->requests);
	load->throughput_rps = seconds > 0 ? (double)load->requests / seconds : NAN;
	latency_settle(&load->latency);
}

/* A service that calls or is called has its row in the order of the edges. */
static int add_in_order(struct measure *m, struct map *rows)
{
	const struct graph *g = &m->graph;
	bool *is_service = calloc(g->name_count + 1, sizeof(*is_service));
	bool room = is_service;

	for (size_t i = 0; room && i < m->r->model.process_count; i++)
		is_service[m->r->model.processes[i].service] |= m->r->model.processes[i].inbound || m->r->model.processes[i].outbound;
	for (size_t i = 0; room && i < g->count; i++)
		room = (!is_service[g->edges[i].client] || service_row(m, rows, g->edges[i].client)) &&
		       (!is_service[g->edges[i].server] || service_row(m, rows, g->edges[i].server));
	free(is_service);
	return room ? 0 : -ENOMEM;
}

int measure_services(struct measure *m)
{
	struct model *run = &m->r->model;
	struct map rows = {0};
	int err = add_in_order(m, &rows);

	for (size_t i = 0; i < run->process_count && !err; i++)
		if (run->processes[i].inbound || run->processes[i].outbound)
			err = add_process(m, &rows, &run->processes[i]);
	for (size_t i = 0; i < run->exchange_count && !err; i++)
		err = add_inbound(m, &rows, &run->exchanges[i]);
	for (size_t i = 0; i < m->r->service_count; i++) {
		settle(m, &m->r->services[i].whole, TIMELINE_KINDS);
		for (int k = 0; k < TIMELINE_KINDS; k++)
			settle(m, &m->r->services[i].window[k], k);
	}
	map_free(&rows);
	return err;
}
