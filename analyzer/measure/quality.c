/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "analyzer/measure.h"

#define FALSE_LINKS_MAX 0.01
#define ILL_MAX 0.05	/* of requests, first attempts that failed */

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
static double share(uint64_t joined, uint64_t requests)
{
	return requests ? (double)joined / (double)requests : NAN;
}

/* By edge, and in all. A run without a fault is a healthy one only where next to nothing failed in it: else it may well be retries that are joined. */
static int rate_false_links(struct measure *m)
{
	uint64_t (*counts)[3] = calloc(m->r->edge_count + 1, sizeof(*counts)), requests = 0, joined = 0;	/* requests, joined, ill */

	if (!counts)
		return -ENOMEM;
	for (size_t i = 0; i < m->link.count; i++) {
		const struct link_logical *q = &m->link.logicals[i];

		if (q->tier != LINK_TEMPORAL || timeline_at(&m->r->timeline, q->started_ns) != TIMELINE_BASELINE)
			continue;
		counts[q->edge][0]++;
		counts[q->edge][1] += q->attempts > 1;
		counts[q->edge][2] += q->attempts > 1 || !q->ok;
	}
	for (size_t e = 0; e < m->r->edge_count; e++) {
		if (m->r->timeline.window_count < 2 && (double)counts[e][2] > ILL_MAX * (double)counts[e][0])
			memset(counts[e], 0, sizeof(counts[e]));
		requests += counts[e][0];
		joined += counts[e][1];
		m->r->edges[e].false_link_rate = share(counts[e][1], counts[e][0]);
		if (!isnan(m->link.crowds[e].accidental))	/* measured against its successes */
			m->r->edges[e].false_link_rate = m->link.crowds[e].accidental;
	}
	m->r->false_link_rate = share(joined, requests);
	free(counts);
	return 0;
}

static int note_false_links(struct measure *m, const struct result_edge *e, size_t edge)
{
	enum link_tier tier = m->link.tiers[edge];

	if (tier == LINK_TEMPORAL && m->link.crowds[edge].accidental > FALSE_LINKS_MAX)
		return NOTE(m, "%s -> %s: its client has up to %u of the same request in flight at once; going by what follows its successes, %.1f %% of "
			    "what counts as retries are other requests", e->client, e->server, m->link.crowds[edge].most,
			    m->link.crowds[edge].accidental * 100);
	if (tier != LINK_TEMPORAL || !(e->false_link_rate > FALSE_LINKS_MAX))
		return 0;
	return NOTE(m, "%s -> %s: %.1f %% of the requests in the baseline were joined by time alone: amplification may count new requests as "
		    "retries, an X-Request-Id or traceparent would tell", e->client, e->server, e->false_link_rate * 100);
}

static int note_polls(struct measure *m, const struct result_edge *e, size_t edge)
{
	unsigned long long polls = e->excluded.polls;

	if (m->link.crowded[edge])
		return NOTE(m, "%s -> %s: its client has up to %u of the same request in flight at once, and what follows a failure may be another of "
			    "them as well as a retry (give requests an X-Request-Id or traceparent): attempts are not joined, figures are of attempts",
			    e->client, e->server, m->link.crowds[edge].most);
	if (m->link.undecided[edge])
		return NOTE(m, "%s -> %s: its client goes on after a failure as it does anyway, so a retry can not be told from its next request "
			    "(give requests an X-Request-Id or traceparent): attempts are not joined", e->client, e->server);
	return polls ? NOTE(m, "%s -> %s: %llu attempt%s after a failure came at the client's own pace: new requests, not retries", e->client,
			    e->server, polls, polls == 1 ? "" : "s") : 0;
}

static int note_reconnects(struct measure *m, const struct result_edge *e)
{
	unsigned long long n = e->excluded.reconnects;

	return n ? NOTE(m, "%s -> %s: the server closed idle connections as %llu request%s came on them; sent again at once on fresh ones: no retries",
			e->client, e->server, n, n == 1 ? "" : "s") : 0;
}

static int note_edges(struct measure *m)
{
	for (size_t i = 0; i < m->r->edge_count; i++) {
		const struct result_edge *e = &m->r->edges[i];

		if (note_reconnects(m, e) || note_polls(m, e, i) || note_false_links(m, e, i))
			return -ENOMEM;
		if (!e->whole.linked && !m->link.undecided[i] && !m->link.crowded[i] &&
		    NOTE(m, "%s -> %s: the client was not recorded and its requests carry no ids, so attempts can not be joined to requests",
			 e->client, e->server))
			return -ENOMEM;
	}
	return 0;
}

static int note_recovery(struct measure *m)
{
	bool guessed = false, censored = false;

	for (size_t i = 0; i < m->r->recovery_count; i++) {
		guessed |= m->r->recoveries[i].guessed;
		censored |= m->r->recoveries[i].censored;
	}
	if (guessed && isnan(m->options.slo) &&
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
	return 0;
}

/* ---- what the machine's clocks went through ---- */

#define CLOCKS_DIFFER_NS (100 * (int64_t)NS_PER_MS)	/* they are read one after the other, on a machine that may be busy */

/* Real time is set, the others are not; the clock that all times are of stands still while the machine sleeps, boot time does not. */
static int note_clocks(struct measure *m)
{
	const struct model_clocks *a = &m->r->model.clocks_start, *b = &m->r->model.clocks_end;
	int64_t slept = (int64_t)((b->boot_ns - b->monotonic_ns) - (a->boot_ns - a->monotonic_ns));
	int64_t set = (int64_t)((b->real_ns - b->boot_ns) - (a->real_ns - a->boot_ns));

	if (!a->monotonic_ns || !b->monotonic_ns)
		return 0;
	if (slept > CLOCKS_DIFFER_NS && NOTE(m, "the machine slept for %.1f s of the run, which no time here counts", (double)slept / NS_PER_S))
		return -ENOMEM;
	if (set >= -CLOCKS_DIFFER_NS && set <= CLOCKS_DIFFER_NS)
		return 0;
	return NOTE(m, "the machine's clock was set %s by %.1f s during the run: times here are not affected, times in other logs are",
		    set > 0 ? "forward" : "back", fabs((double)set) / NS_PER_S);
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
	if (rate_false_links(m) || list_losses(m) || list_uncovered(m) || note_counts(m) || note_clocks(m) || note_witness(m) ||
	    note_network(m) || note_edges(m) || note_recovery(m))
		return -ENOMEM;
	return 0;
}
