/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"

#define FALSE_LINKS_MAX 0.01
#define PACE_MIN 5		/* successes followed by another request that show a client's own pace */

#define NOTE(m, ...) result_say(&(m)->r->notes, &(m)->r->note_count, __VA_ARGS__)

static int list_losses(struct measure *m)
{
	const struct model *run = &m->r->model;

	m->r->losses = calloc(run->loss_count + 1, sizeof(*m->r->losses));
	if (!m->r->losses)
		return -ENOMEM;
	for (size_t i = 0; i < run->loss_count; i++)
		m->r->losses[m->r->loss_count++] = (struct result_loss){measure_text(m, run->losses[i].source),
									measure_text(m, run->losses[i].reason), run->losses[i].count};
	return 0;
}

/* Processes out of the library's reach; a run that had no library has nothing to say here. */
static int list_uncovered(struct measure *m)
{
	const struct model *run = &m->r->model;
	bool shim = strstr(measure_text(m, run->sources), "shim") || !run->sources;

	for (size_t i = 0; i < run->process_count; i++) {
		const struct model_process *p = &run->processes[i];
		const char *why = measure_text(m, p->why);

		if (!p->covered && (shim || *why) &&
		    result_say(&m->r->uncovered, &m->r->uncovered_count, "%s (pid %lld): %s", measure_text(m, p->service),
			       (long long)p->pid, *why ? why : "the library is not in it"))
			return -ENOMEM;
	}
	return 0;
}

/* Share of requests of the healthy baseline that were joined by time: there nobody retries. NAN: none to judge by. */
static double false_link_rate(const struct measure *m)
{
	uint64_t requests = 0, joined = 0;

	for (size_t i = 0; i < m->link.count; i++) {
		const struct link_logical *q = &m->link.logicals[i];

		if (q->tier != LINK_TEMPORAL || timeline_at(&m->r->timeline, q->started_ns) != TIMELINE_BASELINE)
			continue;
		requests++;
		joined += q->attempts > 1;
	}
	return requests ? (double)joined / (double)requests : NAN;
}

struct pace {	/* how soon a client of an edge goes on, on one thread, for the same request */
	struct samples after_failure, after_success;	/* ms */
};

static int add_pace(struct pace *p, const struct model_exchange *before, const struct model_exchange *x)
{
	if (!before->ended_ns || before->ended_ns > x->started_ns || before->target != x->target ||
	    before->fingerprint != x->fingerprint)
		return 0;
	return samples_add(model_failed(before) ? &p->after_failure : &p->after_success,
			   (double)(x->started_ns - before->ended_ns) / NS_PER_MS);
}

static int measure_pace(const struct measure *m, struct pace *paces)
{
	const struct model *run = &m->r->model;
	struct map last = {0};	/* edge, process and thread -> exchange */
	int err = 0;

	for (uint32_t i = 0; i < run->exchange_count && !err; i++) {
		const struct model_exchange *x = &run->exchanges[i];
		uint64_t lane = (uint64_t)x->edge << 48 ^ (uint64_t)x->process << 32 ^ x->tid;
		uint32_t before = map_get(&last, lane);

		if (x->edge == MODEL_NONE || m->link.tiers[x->edge] != LINK_TEMPORAL)
			continue;
		if (before != MAP_NONE)
			err = add_pace(&paces[x->edge], &run->exchanges[before], x);
		if (!err)
			err = map_put(&last, lane, i);
	}
	map_free(&last);
	return err;
}

/* Whether a client goes on after a failure as it does after a success: then a retry looks like its next request. */
static bool same_pace(struct pace *p)
{
	double median;

	if (p->after_success.n < PACE_MIN || !p->after_failure.n)
		return false;
	samples_sort(&p->after_success);
	samples_sort(&p->after_failure);
	median = samples_percentile(&p->after_failure, 0.5);
	return median >= samples_percentile(&p->after_success, 0.05) * 0.5 &&
	       median <= samples_percentile(&p->after_success, 0.95) * 2;
}

static int note_pace(struct measure *m)
{
	struct pace *paces = calloc(m->r->edge_count + 1, sizeof(*paces));
	int err = paces ? measure_pace(m, paces) : -ENOMEM;

	for (size_t e = 0; paces && e < m->r->edge_count; e++) {
		if (!err && same_pace(&paces[e]))
			err = NOTE(m, "%s -> %s: its client goes on as fast after a success as after a failure, so a retry can not be told "
				   "from its next request (give requests an X-Request-Id or traceparent): amplification is an upper bound",
				   m->r->edges[e].client, m->r->edges[e].server);
		samples_free(&paces[e].after_failure);
		samples_free(&paces[e].after_success);
	}
	free(paces);
	return err;
}

static int note_edges(struct measure *m)
{
	for (size_t e = 0; e < m->r->edge_count; e++)
		if (!m->r->edges[e].whole.linked &&
		    NOTE(m, "%s -> %s: the client was not recorded and its requests carry no ids, so attempts can not be joined to requests",
			 m->r->edges[e].client, m->r->edges[e].server))
			return -ENOMEM;
	return 0;
}

static int note_recovery(struct measure *m)
{
	bool judged = false, censored = false;

	for (size_t i = 0; i < m->r->recovery_count; i++) {
		judged |= !isnan(m->r->recoveries[i].impact_ms);
		censored |= m->r->recoveries[i].censored;
	}
	if (judged && isnan(m->options.slo) && measure_seconds(m, TIMELINE_BASELINE) == 0 &&
	    NOTE(m, "there is no baseline before the fault: recovery is judged against 95 %% of good requests"))
		return -ENOMEM;
	return censored ? NOTE(m, "recovery needs 5 good seconds in the run after the fault: record longer to see it") : 0;
}

static int note_counts(struct measure *m)
{
	const struct model *run = &m->r->model;
	unsigned long long open = 0;

	for (size_t i = 0; i < run->exchange_count; i++)
		open += !run->exchanges[i].ended_ns;
	if (!run->clean_end && NOTE(m, "run file was not closed properly, or is still being written"))
		return -ENOMEM;
	if (open && NOTE(m, "%llu exchange%s had no end when the run ended", open, open == 1 ? "" : "s"))
		return -ENOMEM;
	if (run->undated && NOTE(m, "%llu exchange%s without any time left out", (unsigned long long)run->undated,
				 run->undated == 1 ? "" : "s"))
		return -ENOMEM;
	if (m->r->false_link_rate > FALSE_LINKS_MAX &&
	    NOTE(m, "%.1f %% of the requests in the baseline were joined by time alone: amplification may count pollers as retries",
		 m->r->false_link_rate * 100))
		return -ENOMEM;
	return 0;
}

/* ---- what the kernel's witness says of itself, and of the network ---- */

static int note_witness(struct measure *m)
{
	const struct model *run = &m->r->model;
	unsigned long long connections = 0, bytes = 0, inferred = run->inferred;

	for (size_t i = 0; i < run->connection_count; i++) {
		connections += run->connections[i].unseen != 0;
		bytes += run->connections[i].unseen;
	}
	if (connections && NOTE(m, "%llu bytes of %llu connection%s moved in ways that the kernel's witness does not see (io_uring, 32-bit "
				   "programs): exchanges may be missing there", bytes, connections, connections == 1 ? "" : "s"))
		return -ENOMEM;
	if (inferred && NOTE(m, "nothing said where the answer of %llu exchange%s ends: taken to end with the last that came", inferred,
			     inferred == 1 ? "" : "s"))
		return -ENOMEM;
	return run->missing_hooks ? NOTE(m, "this kernel lacks hooks that the kernel's witness can use: %s", measure_text(m, run->missing_hooks))
				  : 0;
}

/* Segments sent again on the connections of each edge. */
static int count_retransmits(const struct measure *m, uint64_t *segments)
{
	const struct model *run = &m->r->model;
	bool *counted = calloc(run->connection_count + 1, sizeof(*counted));

	if (!counted)
		return -ENOMEM;
	for (size_t i = 0; i < run->exchange_count; i++) {
		const struct model_exchange *x = &run->exchanges[i];

		if (x->edge == MODEL_NONE || x->connection == MODEL_NONE || counted[x->connection])
			continue;
		counted[x->connection] = true;
		segments[x->edge] += run->connections[x->connection].retransmits;
	}
	free(counted);
	return 0;
}

static int note_network(struct measure *m)
{
	uint64_t *segments = calloc(m->r->edge_count + 1, sizeof(*segments));
	int err = segments ? count_retransmits(m, segments) : -ENOMEM;

	for (size_t e = 0; !err && e < m->r->edge_count; e++)
		if (segments[e])
			err = NOTE(m, "%s -> %s: the network lost or delayed packets, %llu TCP segment%s sent again", m->r->edges[e].client,
				   m->r->edges[e].server, (unsigned long long)segments[e], segments[e] == 1 ? " was" : "s were");
	free(segments);
	return err;
}

int measure_quality(struct measure *m)
{
	m->r->false_link_rate = false_link_rate(m);
	if (list_losses(m) || list_uncovered(m) || note_counts(m) || note_witness(m) || note_network(m) || note_edges(m) || note_pace(m) ||
	    note_recovery(m))
		return -ENOMEM;
	return 0;
}
