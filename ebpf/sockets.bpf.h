/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The stream socket behind a descriptor, what is said of it, whose it is; and those that are open already.
 * For BPF programs only.
 */
#ifndef AFTERSHOCK_EBPF_SOCKETS_BPF_H
#define AFTERSHOCK_EBPF_SOCKETS_BPF_H

#include "ebpf/maps.bpf.h"

/* The stream socket behind a descriptor of the current process; NULL for anything else. */
static __always_inline struct sock *stream_socket(__u32 fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = NULL;
	struct socket *socket;
	struct sock *sk;
	__u16 family;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	if (BPF_CORE_READ(socket, file) != file)
		return NULL;
	sk = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if ((family != AF_INET && family != AF_INET6) || BPF_CORE_READ(sk, sk_type) != SOCK_STREAM)
		return NULL;
	return sk;
}

static __always_inline void describe_ends(struct event_ends *ends, const struct sock *sk)
{
	ends->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	ends->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	ends->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	ends->peer_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (ends->family == AF_INET6) {
		BPF_CORE_READ_INTO((struct in6_addr *)ends->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)ends->peer, sk, __sk_common.skc_v6_daddr);
		return;
	}
	__builtin_memset(ends->local, 0, sizeof(ends->local));
	__builtin_memset(ends->peer, 0, sizeof(ends->peer));
	BPF_CORE_READ_INTO((__u32 *)ends->local, sk, __sk_common.skc_rcv_saddr);
	BPF_CORE_READ_INTO((__u32 *)ends->peer, sk, __sk_common.skc_daddr);
}

static __always_inline bool has_fin(const struct sock *sk, __u16 state)
{
	return state == CLOSE_WAIT || state == LAST_ACK || state == CLOSING || (state == CLOSED && !BPF_CORE_READ(sk, sk_err));
}

/* Where the program stands in what it receives. The call that reaches the end takes the FIN as well, which is no byte. */
static __always_inline __u32 read_position(const struct sock *sk, __u16 state)
{
	const struct tcp_sock *tcp = (const void *)sk;
	__u32 at = BPF_CORE_READ(tcp, copied_seq);

	return has_fin(sk, state) && at == BPF_CORE_READ(tcp, rcv_nxt) ? at - 1 : at;
}

static __always_inline void describe_socket(struct event *e, const struct sock *sk)
{
	const struct tcp_sock *tcp = (const void *)sk;

	e->sock = (__u64)sk;
	e->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	describe_ends(&e->ends, sk);
	e->position[EVENT_OUT] = e->position[EVENT_IN] = 0;
	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return;
	e->position[EVENT_OUT] = BPF_CORE_READ(tcp, write_seq);
	e->position[EVENT_IN] = read_position(sk, e->ends.state);
	e->flags |= EVENT_HAS_POSITION;
}

static __always_inline void own(__u64 sock)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct owner o = { .tgid = id >> 32, .tid = (__u32)id };

	if (bpf_map_update_elem(&owners, &sock, &o, BPF_ANY))
		lose(EVENT_LOST_OWNERS_FULL);
}

/* ---- what is open already ---- */

/* Every (process, descriptor) that is an internet stream socket; user space chooses and hands back whom to follow. */
SEC("iter/task_file") int snapshot(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct event_socket r = {};
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || sk->sk_type != SOCK_STREAM || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	r.tgid = task->tgid;
	r.fd = ctx->fd;
	r.cookie = bpf_get_socket_cookie(sk);
	r.sock = (__u64)sk;
	describe_ends(&r.ends, sk);
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

#endif
