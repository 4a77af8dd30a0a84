/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The histogram of how long calls take.
 * For BPF programs only.
 */
#ifndef AFTERSHOCK_EBPF_LATENCY_BPF_H
#define AFTERSHOCK_EBPF_LATENCY_BPF_H

#include "ebpf/maps.bpf.h"

static __always_inline void count_latency(const struct call *c, __s64 ret, __u64 ns)
{
	struct event_latency_key key = {
		.tgid = bpf_get_current_pid_tgid() >> 32, .call = c->number, .bucket = hist_index(ns),
	};
	struct event_latency first = { .count = 1, .sum_ns = ns };
	void *map = &latency_even;
	struct event_latency *l;

	if (ret < 0)
		key.error = ret <= -ERESTART_FIRST ? EINTR : -ret;
	if (epoch & 1)
		map = &latency_odd;
	l = bpf_map_lookup_elem(map, &key);
	if (l) {
		l->count++;
		l->sum_ns += ns;
	} else if (bpf_map_update_elem(map, &key, &first, BPF_ANY)) {
		lose(EVENT_LOST_LATENCY_FULL);
	}
}

#endif
