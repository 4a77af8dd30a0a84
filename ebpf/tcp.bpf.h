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

static __always_inline void send_tcp(__u16 kind, const struct sock *sk, const struct event_connection *o, int old, int new)
{
	struct event_tcp *t = bpf_ringbuf_reserve(&control, sizeof(*t), 0);
	struct call *c;

	if (!t) {
		lose(EVENT_LOST_CONTROL_RING);
		return;
	}
	__builtin_memset(t, 0, sizeof(*t));
	t->e.kind = kind;
	t->e.flags = EVENT_HAS_ENDS;
	t->e.exit_ns = t->e.enter_ns = bpf_ktime_get_ns();
	t->e.call = EVENT_CALL_COUNT;
	t->e.ret = -(__s64)sk->sk_err;
	t->e.tgid = o->tgid;
	t->e.tid = o->tid;
	t->e.direction = EVENT_NONE;
	describe_socket(&t->e, sk);
	t->e.old_state = old;
	t->e.state = new;
	describe_ends(&t->ends, sk);
	describe_facts(&t->facts, o, sk);
	c = call_on((__u64)sk);
	if (c) {
		t->e.enter_ns = c->enter_ns;
		t->e.call = c->number;
		t->e.fd = c->fd;
		if (c->number == EVENT_CALL_connect) {
			c->syn_sent = 1;
			t->e.flags |= EVENT_IN_CONNECT;
		}
	}
	bpf_ringbuf_submit(t, BPF_RB_NO_WAKEUP);
}

/* A connection begins in the connecting thread; a listener in the listening one: the only states where current tells. */
static __always_inline void choose_owner(const struct sock *sk, __u64 cookie, int new)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32;

	if (new == SYN_SENT)
		follow_by_port(tgid, bpf_ntohs(sk->__sk_common.skc_dport));
	if (new == LISTEN)
		follow_by_port(tgid, sk->__sk_common.skc_num);
	if (new == SYN_SENT && is_followed(tgid))
		own(cookie, sk, tgid, (__u32)id);
}

static __always_inline bool was_told(__u64 cookie, int state)
{
	struct event_connection *o = bpf_map_lookup_elem(&sockets, &cookie);

	return o && o->told == state;
}

static __always_inline int state_changes(const struct sock *sk, int old, int new)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;
	struct event_connection *o;

	if (sk->sk_protocol != IPPROTO_TCP || old == new || was_told(cookie, new))
		return 0;
	/* Cookies are made on demand: make it now, so that an accepted socket has one when accept returns. */
	if (new == ESTABLISHED || new == SYN_SENT)
		cookie = bpf_get_socket_cookie((void *)sk);
	choose_owner(sk, cookie, new);
	if (!state_matters(new))
		return 0;
	o = bpf_map_lookup_elem(&sockets, &cookie);
	if (!o)
		return 0;
	o->told = new;
	send_tcp(EVENT_STATE, sk, o, old, new);
	return 0;
}

/*
 * Two programs each, of which the second does what the first was kept from. The kernel does not run a program within itself, and packets
 * that come in (a softirq) interrupt it while it is at work for a call: one state in a hundred when many connections close at once.
 * Deeper than that it does not go, so one of the two is always free.
 */
SEC("tp_btf/inet_sock_set_state") int BPF_PROG(on_state, const struct sock *sk, int old, int new)
{
	return state_changes(sk, old, new);
}

SEC("tp_btf/inet_sock_set_state") int BPF_PROG(on_state_too, const struct sock *sk, int old, int new)
{
	return state_changes(sk, old, new);
}

/*
 * The end of a connection for its programs, however many held it and by how many descriptors: whether they closed them one by one,
 * put others in their place or died. (A connection that TCP itself ends properly is told to be over before that, by its state.)
 */
static __always_inline int socket_goes(struct sock *sk)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;
	struct event_connection *o = bpf_map_lookup_elem(&sockets, &cookie);

	if (!o)
		return 0;
	send_tcp(EVENT_GONE, sk, o, CLOSED, CLOSED);
	bpf_map_delete_elem(&sockets, &cookie);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock") int BPF_PROG(on_gone, struct sock *sk)
{
	return socket_goes(sk);
}

SEC("tp_btf/tcp_destroy_sock") int BPF_PROG(on_gone_too, struct sock *sk)
{
	return socket_goes(sk);
}

/*
 * ---- bytes that move by no call ----
 *
 * What watches every transfer of the machine costs every program (0.2 us each), so it is attached when someone followed is known to
 * have an io_uring, not before.
 */

SEC("tp_btf/io_uring_create") int BPF_PROG(on_ring)
{
	if (!rings_at_work && current_is_followed())
		rings_at_work = 1;
	return 0;
}

/* What an io_uring has accepted was told of by no call. The kernel's own connections are no program's: they have no file. */
static __always_inline struct event_connection *find(struct sock *sk)
{
	__u64 id = bpf_get_current_pid_tgid(), cookie;
	struct event_connection *o;

	if (sk->sk_protocol != IPPROTO_TCP || !is_followed(id >> 32) || !sk->sk_socket || !sk->sk_socket->file)
		return NULL;
	cookie = bpf_get_socket_cookie(sk);
	own(cookie, sk, id >> 32, (__u32)id);
	o = bpf_map_lookup_elem(&sockets, &cookie);
	if (o)
		send_tcp(EVENT_FOUND, sk, o, sk->__sk_common.skc_state, sk->__sk_common.skc_state);
	return o;
}

static __always_inline void count_unseen(struct sock *sk, int ret, enum event_direction d)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;
	struct event_connection *o;

	if (ret <= 0 || call_on((__u64)sk))
		return;
	o = bpf_map_lookup_elem(&sockets, &cookie);
	if (!o)
		o = find(sk);
	if (o)
		__sync_fetch_and_add(&o->unseen[d], ret);
}

SEC("tp_btf/sock_send_length") int BPF_PROG(on_send_length, struct sock *sk, int ret, int flags)
{
	count_unseen(sk, ret, EVENT_OUT);
	return 0;
}

SEC("tp_btf/sock_recv_length") int BPF_PROG(on_recv_length, struct sock *sk, int ret, int flags)
{
	if (!(flags & MSG_PEEK))
		count_unseen(sk, ret, EVENT_IN);
	return 0;
}

#endif
