/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The histogram of how long calls take, by how far away the other end is.
 * For BPF programs only.
 */
#ifndef AFTERSHOCK_EBPF_LATENCY_BPF_H
#define AFTERSHOCK_EBPF_LATENCY_BPF_H

#include "ebpf/sockets.bpf.h"

static __always_inline __u8 class_of_peer(const struct sock *sk)
{
	unsigned int words[4];

	if (FIELD(sock, sk, __sk_common.skc_family) != AF_INET6)
		return peer_of_ip4(bpf_ntohl(FIELD(sock, sk, __sk_common.skc_daddr)));
	BPF_CORE_READ_INTO((struct in6_addr *)words, sk, __sk_common.skc_v6_daddr);
	for (int i = 0; i < 4; i++)
		words[i] = bpf_ntohl(words[i]);
	return peer_of_ip6(words);
}

static __always_inline void count_latency(const struct call *c, __s64 ret, __u64 ns)
{
	struct event_latency_key key = {
		.tgid = bpf_get_current_pid_tgid() >> 32, .call = c->number, .peer = class_of_peer((void *)c->sock),
		.bucket = hist_index(ns),
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
