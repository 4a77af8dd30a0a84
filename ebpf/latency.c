/* SPDX-License-Identifier: MIT */
#include "ebpf/witness.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/hist.h"
#include "base/peer.h"
#include "ebpf/tracer.skel.h"

#define BATCH 512

static const char *const call_names[] = {
#define X(name, shape, direction, flags) #name,
	EVENT_CALLS(X)
#undef X
};

static const char *const peer_names[] = {
	[PEER_LOOPBACK] = "loopback", [PEER_PRIVATE] = "private", [PEER_PUBLIC] = "public",
};

struct reading {
	struct tracer *t;
	uint32_t second;
	unsigned cpus;
	struct event_latency_key keys[BATCH];
	struct event_latency *values;	/* BATCH * cpus */
};

static void tell(const struct reading *r, const struct event_latency_key *k, const struct event_latency *per_cpu)
{
	uint64_t count = 0, sum = 0;

	for (unsigned i = 0; i < r->cpus; i++) {
		count += per_cpu[i].count;
		sum += per_cpu[i].sum_ns;
	}
	if (count && k->call < EVENT_CALL_COUNT && k->peer <= PEER_PUBLIC)
		recorder_latency(r->t->recorder, r->second, k->tgid, call_names[k->call], peer_names[k->peer], k->error,
				 hist_upper_ns(k->bucket), count, sum);
}

static void empty(struct reading *r, int map)
{
	uint32_t batch, *in = NULL, count;
	int err;

	do {
		count = BATCH;
		err = bpf_map_lookup_and_delete_batch(map, in, &batch, r->keys, r->values, &count, NULL);
		if (err && errno != ENOENT)
			return;
		for (uint32_t i = 0; i < count; i++)
			tell(r, &r->keys[i], &r->values[(size_t)i * r->cpus]);
		in = &batch;
	} while (!err);
}

/*
 * Two maps take turns, so that none is read while it is counted in; a call that was just counting when they
 * changed over finds itself in the next reading but one.
 */
static void read_and_change_over(struct tracer *t)
{
	uint32_t epoch = t->programs->bss->epoch;
	int cpus = libbpf_num_possible_cpus();
	struct reading *r = cpus > 0 ? malloc(sizeof(*r)) : NULL;

	if (!r)
		return;
	r->t = t;
	r->cpus = (unsigned)cpus;
	r->second = t->latency_second;
	r->values = malloc((size_t)BATCH * r->cpus * sizeof(*r->values));
	__atomic_store_n(&t->programs->bss->epoch, epoch + 1, __ATOMIC_RELEASE);
	if (r->values)
		empty(r, bpf_map__fd(epoch & 1 ? t->programs->maps.latency_odd : t->programs->maps.latency_even));
	free(r->values);
	free(r);
}

void latency_follow(struct tracer *t, uint64_t now_ns)
{
	uint32_t second = now_ns > t->run_started_ns ? (uint32_t)((now_ns - t->run_started_ns) / NS_PER_S) : 0;

	if (second == t->latency_second)
		return;
	read_and_change_over(t);
	t->latency_second = second;
}

void latency_finish(struct tracer *t)
{
	read_and_change_over(t);
	read_and_change_over(t);
}
