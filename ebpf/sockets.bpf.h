/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The stream socket behind a descriptor, what is said of it, whose it is; and those that are open already.
 * For BPF programs only.
 */
#ifndef AFTERSHOCK_EBPF_SOCKETS_BPF_H
#define AFTERSHOCK_EBPF_SOCKETS_BPF_H

#include "ebpf/processes.bpf.h"

/* The common spelling of what the kernel offers: its verifier makes a move of it. */
void *bpf_rdonly_cast(const void *address, __u32 type) __ksym __weak;

/* A field of the kernel's structure at an address that is only known as such. A plain load, where the kernel takes one (it reads 0 at a
 * bad address); by a helper a field costs 10 ns, and a call has some fifteen. Programs not chosen are removed by the verifier. */
#define FIELD(structure, address, field)                                                                                              \
	(reads_plainly ? ((struct structure *)bpf_rdonly_cast((address), bpf_core_type_id_kernel(struct structure)))->field           \
		       : BPF_CORE_READ((const struct structure *)(address), field))

/* The stream socket behind a descriptor of the current process; NULL for anything else. */
static __always_inline struct sock *stream_socket(__u32 fd)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fdtable *table = task->files->fdt;
	struct file *file = NULL;
	struct inode *inode;
	struct socket *socket;
	struct sock *sk;
	__u16 family;

	if (fd >= table->max_fds)
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), table->fd + fd);
	if (!file)
		return NULL;
	inode = FIELD(file, file, f_inode);
	if ((FIELD(inode, inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = FIELD(file, file, private_data);
	if (FIELD(socket, socket, file) != file)
		return NULL;
	sk = FIELD(socket, socket, sk);
	family = FIELD(sock, sk, __sk_common.skc_family);
	if ((family != AF_INET && family != AF_INET6) || FIELD(sock, sk, sk_type) != SOCK_STREAM)
		return NULL;
	return sk;
}

static __always_inline void describe_ends(struct event_ends *ends, const struct sock *sk)
{
	ends->family = FIELD(sock, sk, __sk_common.skc_family);
	ends->unused = 0;
	ends->local_port = FIELD(sock, sk, __sk_common.skc_num);
	ends->peer_port = bpf_ntohs(FIELD(sock, sk, __sk_common.skc_dport));
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
	return state == CLOSE_WAIT || state == LAST_ACK || state == CLOSING || (state == CLOSED && !FIELD(sock, sk, sk_err));
}

/* Where the program stands in what it receives. The call that reaches the end takes the FIN as well, which is no byte. */
static __always_inline __u32 read_position(const struct sock *sk, __u16 state)
{
	__u32 at = FIELD(tcp_sock, sk, copied_seq);

	return has_fin(sk, state) && at == FIELD(tcp_sock, sk, rcv_nxt) ? at - 1 : at;
}

/* Which socket it is and where it stands. */
static __always_inline void describe_socket(struct event *e, const struct sock *sk)
{
	e->cookie = FIELD(sock, sk, __sk_common.skc_cookie.counter);
	e->state = FIELD(sock, sk, __sk_common.skc_state);
	e->position[EVENT_OUT] = e->position[EVENT_IN] = 0;
	if (FIELD(sock, sk, sk_protocol) != IPPROTO_TCP)
		return;
	e->position[EVENT_OUT] = FIELD(tcp_sock, sk, write_seq);
	e->position[EVENT_IN] = read_position(sk, e->state);
	e->flags |= EVENT_HAS_POSITION;
}

static __always_inline __u32 retransmits(const struct sock *sk)
{
	return FIELD(tcp_sock, sk, total_retrans);
}

static __always_inline void describe_facts(struct event_facts *facts, const struct event_connection *c, const struct sock *sk)
{
	facts->unseen[EVENT_OUT] = c->unseen[EVENT_OUT];
	facts->unseen[EVENT_IN] = c->unseen[EVENT_IN];
	facts->retransmits = retransmits(sk) - c->retransmits_before;
	facts->unused = 0;
}

/* From now on the connection is followed, as that of a thread. */
static __always_inline void own(__u64 cookie, const struct sock *sk, __u32 tgid, __u32 tid)
{
	struct event_connection c = { .tgid = tgid, .tid = tid, .retransmits_before = retransmits(sk) };

	if (cookie && bpf_map_update_elem(&sockets, &cookie, &c, BPF_ANY))
		lose(EVENT_LOST_OWNERS_FULL);
}

/* ---- what is open already ---- */

static __always_inline bool is_open(int state)
{
	return state == ESTABLISHED || state == CLOSE_WAIT || state == SYN_SENT;
}

static __always_inline void tell_socket(struct bpf_iter__task_file *ctx, struct task_struct *task, struct sock *sk)
{
	struct event_socket r = { .tgid = task->tgid, .fd = ctx->fd };
	struct event_connection *c;
	struct event e = {};

	r.cookie = bpf_get_socket_cookie(sk);
	describe_socket(&e, sk);
	r.state = e.state;
	r.position[EVENT_OUT] = e.position[EVENT_OUT];
	r.position[EVENT_IN] = e.position[EVENT_IN];
	describe_ends(&r.ends, sk);
	c = bpf_map_lookup_elem(&sockets, &r.cookie);
	if (c)
		describe_facts(&r.facts, c, sk);
	else if (is_open(e.state) && is_followed(r.tgid))	/* while we look at it, it can not go */
		own(r.cookie, sk, r.tgid, 0);
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
}

static __always_inline bool is_ring(const struct file *file)
{
	static const char ring[] = "[io_uring]";
	char name[sizeof(ring)] = {};

	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	for (unsigned i = 0; i < sizeof(ring); i++)
		if (name[i] != ring[i])
			return false;
	return true;
}

/* Every (process, descriptor) that is an internet stream socket; user space chooses and hands back whom to follow. */
SEC("iter/task_file") int snapshot(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	sk = socket ? socket->sk : NULL;
	if (sk && sk->sk_type == SOCK_STREAM && sk->sk_protocol == IPPROTO_TCP)
		tell_socket(ctx, task, sk);
	else if (!socket && !rings_at_work && is_followed(task->tgid) && is_ring(file))
		rings_at_work = 1;
	return 0;
}

#endif
