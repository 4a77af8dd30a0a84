/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How connections come and go: the changes of state of TCP.
 * For BPF programs only.
 */
#ifndef AFTERSHOCK_EBPF_TCP_BPF_H
#define AFTERSHOCK_EBPF_TCP_BPF_H

#include "ebpf/calls.bpf.h"

static __always_inline bool state_matters(int state)
{
	return state == ESTABLISHED || state == SYN_SENT || state == FIN_WAIT1 || state == CLOSED || state == CLOSE_WAIT ||
	       state == LAST_ACK;
}

/* The call on this socket that the current thread is in, if it is one that we follow. */
static __always_inline struct call *call_on(__u64 sock)
{
	struct call *c = slot_of_current();

	return c && c->used && c->sock == sock ? c : NULL;
}

static __always_inline void send_state(const struct sock *sk, const struct owner *o, int old, int new)
{
	struct event *e = bpf_ringbuf_reserve(&control, sizeof(*e), 0);
	struct call *c;

	if (!e) {
		lose(EVENT_LOST_CONTROL_RING);
		return;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->kind = EVENT_STATE;
	e->exit_ns = e->enter_ns = bpf_ktime_get_ns();
	e->call = EVENT_CALL_COUNT;
	e->ret = -(__s64)sk->sk_err;
	e->tgid = o->tgid;
	e->tid = o->tid;
	e->direction = EVENT_NONE;
	e->old_state = old;
	describe_socket(e, sk);
	e->ends.state = new;
	c = call_on((__u64)sk);
	if (c) {
		e->enter_ns = c->enter_ns;
		e->call = c->number;
		e->fd = c->fd;
		if (c->number == EVENT_CALL_connect) {
			c->syn_sent = 1;
			e->flags |= EVENT_IN_CONNECT;
		}
	}
	bpf_ringbuf_submit(e, wake(&control));
}

/* A connection begins in the connecting thread; a listener in the listening one: the only states where current tells. */
static __always_inline void choose_owner(const struct sock *sk, int new)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (new == SYN_SENT)
		follow_by_port(tgid, bpf_ntohs(sk->__sk_common.skc_dport));
	if (new == LISTEN)
		follow_by_port(tgid, sk->__sk_common.skc_num);
	if (new == SYN_SENT && is_followed(tgid))
		own((__u64)sk);
}

SEC("tp_btf/inet_sock_set_state") int BPF_PROG(on_state, const struct sock *sk, int old, int new)
{
	__u64 key = (__u64)sk;
	struct owner *o;

	if (sk->sk_protocol != IPPROTO_TCP || old == new)
		return 0;
	/* Cookies are made on demand: make it now, so that an accepted socket has one when accept returns. */
	if (new == ESTABLISHED || new == SYN_SENT)
		bpf_get_socket_cookie((void *)sk);
	choose_owner(sk, new);
	if (!state_matters(new))
		return 0;
	o = bpf_map_lookup_elem(&owners, &key);
	if (!o)
		return 0;
	send_state(sk, o, old, new);
	if (new == CLOSED)
		bpf_map_delete_elem(&owners, &key);
	return 0;
}

#endif
