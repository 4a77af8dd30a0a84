/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel can tell about the stream connections of followed processes: bytes and errors of the calls named in
 * events.h, TCP state changes, births and deaths of processes. Decides nothing: user space frames and judges.
 *
 * Payload is read when a call returns, never when it begins: at entry the page may not be resident yet, and only
 * ret bytes are real. A slot per thread carries the arguments over. Sockets are known by their cookie.
 * Every record that could not be sent is counted in lost[].
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "ebpf/kernel.h"
#include "ebpf/events.h"
#include "base/hist.h"

char LICENSE[] SEC("license") = "GPL";

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define MSG_PEEK 2
#define MSG_TRUNC 0x20
#define EINTR 4
#define EAGAIN 11
#define EISCONN 106
#define EALREADY 114
#define EINPROGRESS 115
#define ERESTART_FIRST 512	/* -ERESTARTSYS .. -ERESTART_RESTARTBLOCK never reach a program (linux/errno.h) */
#define ERESTART_LAST 516

enum tcp_state { ESTABLISHED = 1, SYN_SENT, SYN_RECV, FIN_WAIT1, CLOSED = 7, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING };

/* Options, fixed before loading: the verifier drops what is switched off. */
const volatile __u32 layout = EVENTS_LAYOUT;
const volatile __u32 payload_cap = 1024;
const volatile __u32 wake_bytes = 64 << 10;
const volatile __u32 self_tgid = 0;
const volatile bool follow_all = false;
const volatile bool follow_ports = false;
const volatile bool follow_comms = false;

/* Live state, in .bss: user space reads and writes it through a mapping. */
__u64 lost[EVENT_LOSS_COUNT];
__u32 epoch;	/* which of the two latency maps takes counts now */

struct call {	/* what a thread asked for, kept from entry to return */
	__u64 enter_ns;
	__u64 base, count;
	__u64 sock;
	__u32 fd;
	__u16 number;	/* enum event_call */
	__u16 direction;
	__u32 message_flags;
	__u8 used, restarted, syn_sent, pad;
};

struct owner {
	__u32 tgid, tid;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u8);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, char[16]);
	__type(value, __u8);
} comms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u16);
	__type(value, __u8);
} ports SEC(".maps");

/* By thread. Slots are used again in place: cheaper than insert and delete per call (17 against 102 ns). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct call);
} calls SEC(".maps");

/* By struct sock: whose connection it is. TCP changes state in any context, so `current` does not tell. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct owner);
} owners SEC(".maps");

#define LATENCY_MAP(name)                                \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_PERCPU_HASH);  \
		__uint(max_entries, 16384);              \
		__type(key, struct event_latency_key);   \
		__type(value, struct event_latency);     \
	} name SEC(".maps")
LATENCY_MAP(latency_even);
LATENCY_MAP(latency_odd);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} data SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} control SEC(".maps");

/* Twice the payload, so that offset + length stays inside for the verifier. */
struct scratch {
	struct event e;
	__u8 payload[2 * EVENT_PAYLOAD_MAX];
	__u64 got, left, last, end;	/* of gather() */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline void lose(enum event_loss why)
{
	__sync_fetch_and_add(&lost[why], 1);
}

/* A wake-up per event costs more than all the rest: one per 64 KiB, and the reader's own timer. */
static __always_inline __u64 wake(void *ring)
{
	return bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) >= wake_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* ---- who is followed ---- */

static __always_inline bool is_followed(__u32 tgid)
{
	if (follow_all)
		return tgid != self_tgid;
	return bpf_map_lookup_elem(&processes, &tgid) != NULL;
}

static __always_inline bool current_is_followed(void)
{
	return is_followed(bpf_get_current_pid_tgid() >> 32);
}

static __always_inline void follow(__u32 tgid)
{
	__u8 one = 1;

	if (tgid != self_tgid && bpf_map_update_elem(&processes, &tgid, &one, BPF_ANY))
		lose(EVENT_LOST_PROCESSES_FULL);
}

static __always_inline bool port_is_wanted(__u16 port)
{
	return follow_ports && bpf_map_lookup_elem(&ports, &port);
}

/* ---- sockets ---- */

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

/* ---- the latency histogram ---- */

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

/* ---- a call begins ---- */

static __always_inline struct call *slot_of_current(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&calls, &tid);
}

static __always_inline struct call *new_slot(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call empty = {};

	if (bpf_map_update_elem(&calls, &tid, &empty, BPF_ANY)) {
		lose(EVENT_LOST_CALLS_FULL);
		return NULL;
	}
	return bpf_map_lookup_elem(&calls, &tid);
}

static __always_inline int enter_on(struct sock *sk, __u16 number, __u16 direction, __u32 fd, __u64 base, __u64 count,
				    __u32 message_flags)
{
	struct call *c = slot_of_current();

	if (!c && !(c = new_slot()))
		return 0;
	/* The kernel restarts a call that a signal interrupted: to the program it is one call. */
	if (!(c->restarted && c->number == number && c->fd == fd))
		c->enter_ns = bpf_ktime_get_ns();
	c->base = base;
	c->count = count;
	c->sock = (__u64)sk;
	c->fd = fd;
	c->number = number;
	c->direction = direction;
	c->message_flags = message_flags;
	c->restarted = c->syn_sent = 0;
	c->used = 1;
	return 0;
}

static __always_inline int enter(__u16 number, __u16 direction, __u32 fd, __u64 base, __u64 count, __u32 message_flags)
{
	struct sock *sk;

	if (!current_is_followed())
		return 0;
	sk = stream_socket(fd);
	return sk ? enter_on(sk, number, direction, fd, base, count, message_flags) : 0;
}

/* splice(from, offset, to, ...): the socket may be either end. */
static __always_inline int enter_either(__u32 from, __u32 to, __u64 count)
{
	struct sock *sk;

	if (!current_is_followed())
		return 0;
	sk = stream_socket(from);
	if (sk)
		return enter_on(sk, EVENT_CALL_splice, EVENT_IN, from, 0, count, 0);
	sk = stream_socket(to);
	return sk ? enter_on(sk, EVENT_CALL_splice, EVENT_OUT, to, 0, count, 0) : 0;
}

/*
 * One program per call: a tracepoint's context has only the arguments that its call has, and reading beyond them
 * makes attaching fail (EACCES), so these can not be shared.
 */
#define ON_ENTER(name) SEC("tp/syscalls/sys_enter_" #name) int enter_##name(struct trace_event_raw_sys_enter *c)
#define TRANSFER(name, way, flags)                                                                             \
	ON_ENTER(name)                                                                                         \
	{                                                                                                      \
		return enter(EVENT_CALL_##name, EVENT_##way, c->args[0], c->args[1], c->args[2], flags);       \
	}

TRANSFER(read, IN, 0)
TRANSFER(write, OUT, 0)
TRANSFER(readv, IN, 0)
TRANSFER(writev, OUT, 0)
TRANSFER(sendto, OUT, 0)
TRANSFER(recvfrom, IN, c->args[3])
TRANSFER(sendmsg, OUT, 0)
TRANSFER(recvmsg, IN, c->args[2])
TRANSFER(sendmmsg, OUT, 0)
TRANSFER(recvmmsg, IN, c->args[3])
TRANSFER(connect, NONE, 0)

ON_ENTER(sendfile64)
{
	return enter(EVENT_CALL_sendfile64, EVENT_OUT, c->args[0], 0, c->args[3], 0);
}

ON_ENTER(splice)
{
	return enter_either(c->args[0], c->args[2], c->args[4]);
}

ON_ENTER(accept)
{
	return enter(EVENT_CALL_accept, EVENT_NONE, c->args[0], 0, 0, 0);
}

ON_ENTER(accept4)
{
	return enter(EVENT_CALL_accept4, EVENT_NONE, c->args[0], 0, 0, 0);
}

ON_ENTER(shutdown)
{
	return enter(EVENT_CALL_shutdown, EVENT_NONE, c->args[0], 0, 0, 0);
}


/* ---- a call returns ---- */

/* The call that returns now, counted; NULL when it is not ours, or the kernel is about to restart it. */
static __always_inline struct call *leave(__s64 ret, __u64 now)
{
	struct call *c = slot_of_current();

	if (!c || !c->used)
		return NULL;
	c->used = 0;
	if (ret <= -ERESTART_FIRST && ret >= -ERESTART_LAST) {
		c->restarted = 1;
		return NULL;
	}
	count_latency(c, ret, now - c->enter_ns);
	return c;
}

/* Whether user space wants to know: bytes moved, the peer ended, or the connection failed. */
static __always_inline bool transfer_matters(const struct call *c, __s64 ret)
{
	if (c->message_flags & MSG_PEEK)
		return false;
	if (ret == 0)
		return c->direction == EVENT_IN && c->count;
	return ret > 0 || (ret != -EAGAIN && ret != -EINTR);
}

static __always_inline struct scratch *begin_event(const struct call *c, __u16 kind, __s64 ret, __u64 now, const struct sock *sk)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);

	if (!s)
		return NULL;
	s->e.kind = kind;
	s->e.call = c->number;
	s->e.flags = 0;
	s->e.captured = 0;
	s->e.enter_ns = c->enter_ns;
	s->e.exit_ns = now;
	s->e.ret = ret;
	s->e.tgid = id >> 32;
	s->e.tid = (__u32)id;
	s->e.fd = c->fd;
	s->e.direction = c->direction;
	s->e.old_state = 0;
	__builtin_memset(s->e.tail, 0, sizeof(s->e.tail));
	describe_socket(&s->e, sk);
	return s;
}

static __always_inline void send_data(struct scratch *s, __u64 captured)
{
	s->e.captured = captured;
	asm volatile("" : "+r"(captured));
	if (captured > EVENT_PAYLOAD_MAX)
		captured = EVENT_PAYLOAD_MAX;
	if (bpf_ringbuf_output(&data, s, sizeof(s->e) + captured, wake(&data)))
		lose(EVENT_LOST_DATA_RING);
}

/*
 * Copies up to n bytes from the program to payload + at; returns how many. Clamped, not masked: a mask turns the
 * exact maximum into 0. The empty asm keeps clang from folding the second comparison, which the verifier needs, away.
 */
static __always_inline __u64 copy_from_program(struct scratch *s, __u64 at, __u64 base, __u64 n)
{
	if (n > payload_cap)
		n = payload_cap;
	asm volatile("" : "+r"(n));
	if (n > EVENT_PAYLOAD_MAX)
		n = EVENT_PAYLOAD_MAX;
	asm volatile("" : "+r"(at));
	if (at > EVENT_PAYLOAD_MAX)
		return 0;
	if (!n)
		return 0;
	if (bpf_probe_read_user(s->payload + at, n, (void *)base)) {
		lose(EVENT_LOST_UNREADABLE);
		return 0;
	}
	return n;
}

/* The end of a message shows there when its middle was not captured (the last chunk of a chunked body). */
static __always_inline void copy_tail(struct scratch *s, __u64 end)
{
	if (!bpf_probe_read_user(s->e.tail, EVENT_TAIL, (void *)(end - EVENT_TAIL)))
		s->e.flags |= EVENT_HAS_TAIL;
}

/*
 * Takes one vector of a vectored call. got and left live in map memory, where the verifier forgets their ranges:
 * in registers every turn of the loop doubles the states it has to walk (223,017 verified instructions instead of 2,457).
 */
static __always_inline void gather_one(struct scratch *s, const struct iovec *v)
{
	__u64 got = s->got, n = v->iov_len;

	if (n > s->left)
		n = s->left;
	s->left -= n;
	s->end = v->iov_base + n;
	s->last = n;
	if (got >= payload_cap)
		return;
	if (n > payload_cap - got)
		n = payload_cap - got;
	s->got = got + n;
	if (copy_from_program(s, got, v->iov_base, n) == n)
		return;
	s->got = got;	/* what follows would stand at a wrong place */
	s->left = s->last = 0;
}

static __always_inline __u64 gather(struct scratch *s, __u64 vectors, __u64 count, __u64 bytes)
{
	struct iovec v;

	s->got = s->last = s->end = 0;
	s->left = bytes;
	for (int i = 0; i < EVENT_VECTORS; i++) {
		if (i >= count || !s->left)
			break;
		if (bpf_probe_read_user(&v, sizeof(v), (void *)(vectors + i * sizeof(v)))) {
			lose(EVENT_LOST_UNREADABLE);
			break;
		}
		gather_one(s, &v);
	}
	if (!s->left && s->got < bytes && s->last >= EVENT_TAIL)
		copy_tail(s, s->end);
	return s->got;
}

/* What the transfer programs share: MSG_TRUNC on TCP throws the bytes away unread, there is nothing to copy. */
static __always_inline struct scratch *begin_transfer(struct trace_event_raw_sys_exit *ctx, struct call **call)
{
	__u64 now = bpf_ktime_get_ns();
	struct call *c = leave(ctx->ret, now);

	*call = c;
	if (!c || !transfer_matters(c, ctx->ret))
		return NULL;
	return begin_event(c, EVENT_BYTES, ctx->ret, now, (void *)c->sock);
}

static __always_inline bool has_bytes(const struct call *c, __s64 ret)
{
	return ret > 0 && c->base && !(c->message_flags & MSG_TRUNC);
}

SEC("tp/syscalls/sys_exit_read") int exit_buffer(struct trace_event_raw_sys_exit *ctx)
{
	struct call *c;
	struct scratch *s = begin_transfer(ctx, &c);
	__u64 got = 0, ret = ctx->ret;

	if (!s)
		return 0;
	if (has_bytes(c, ret)) {
		got = copy_from_program(s, 0, c->base, ret);
		if (got < ret)
			copy_tail(s, c->base + ret);
	}
	send_data(s, got);
	return 0;
}

SEC("tp/syscalls/sys_exit_readv") int exit_vector(struct trace_event_raw_sys_exit *ctx)
{
	struct call *c;
	struct scratch *s = begin_transfer(ctx, &c);

	if (s)
		send_data(s, has_bytes(c, ctx->ret) ? gather(s, c->base, c->count, ctx->ret) : 0);
	return 0;
}

SEC("tp/syscalls/sys_exit_sendmsg") int exit_message(struct trace_event_raw_sys_exit *ctx)
{
	struct call *c;
	struct scratch *s = begin_transfer(ctx, &c);
	struct user_msghdr m;
	__u64 got = 0;

	if (!s)
		return 0;
	if (has_bytes(c, ctx->ret)) {
		if (bpf_probe_read_user(&m, sizeof(m), (void *)c->base))
			lose(EVENT_LOST_UNREADABLE);
		else
			got = gather(s, m.msg_iov, m.msg_iovlen, ctx->ret);
	}
	send_data(s, got);
	return 0;
}

/* sendmmsg and recvmmsg return a number of messages; each message's length is in its header by then. */
static __always_inline __u64 sum_messages(__u64 headers, __u64 count, struct mmsghdr *first)
{
	__u64 bytes = 0;
	struct mmsghdr m;

	for (int i = 0; i < EVENT_MESSAGES; i++) {
		if (i >= count)
			break;
		if (bpf_probe_read_user(&m, sizeof(m), (void *)(headers + i * sizeof(m)))) {
			lose(EVENT_LOST_UNREADABLE);
			break;
		}
		if (!i)
			*first = m;
		bytes += m.msg_len;
	}
	return bytes;
}

SEC("tp/syscalls/sys_exit_sendmmsg") int exit_messages(struct trace_event_raw_sys_exit *ctx)
{
	struct call *c;
	struct scratch *s = begin_transfer(ctx, &c);
	struct mmsghdr first = {};
	__u64 got = 0;

	if (!s)
		return 0;
	if (has_bytes(c, ctx->ret)) {
		s->e.ret = sum_messages(c->base, ctx->ret, &first);
		got = gather(s, first.msg_hdr.msg_iov, first.msg_hdr.msg_iovlen, first.msg_len);
	}
	send_data(s, got);
	return 0;
}

/* sendfile and splice: bytes moved that no program memory holds; counted so that framing stays right. */
SEC("tp/syscalls/sys_exit_sendfile64") int exit_count(struct trace_event_raw_sys_exit *ctx)
{
	struct call *c;
	struct scratch *s = begin_transfer(ctx, &c);

	if (s)
		send_data(s, 0);
	return 0;
}

SEC("tp/syscalls/sys_exit_close") int exit_silent(struct trace_event_raw_sys_exit *ctx)
{
	leave(ctx->ret, bpf_ktime_get_ns());
	return 0;
}

static __always_inline bool connect_failed(__s64 ret)
{
	return ret < 0 && ret != -EINPROGRESS && ret != -EALREADY && ret != -EISCONN && ret != -EINTR && ret != -EAGAIN;
}

/* TCP tells of the end of a live connection itself; of one that broke, only this tells that the program let go. */
static __always_inline void send_close(const struct call *c, const struct sock *sk)
{
	struct scratch *s = begin_event(c, EVENT_CLOSE, 0, c->enter_ns, sk);

	if (s && bpf_ringbuf_output(&control, s, sizeof(s->e), wake(&control)))
		lose(EVENT_LOST_CONTROL_RING);
}

ON_ENTER(close)
{
	struct sock *sk;
	struct call *call;

	if (!current_is_followed())
		return 0;
	sk = stream_socket(c->args[0]);
	if (!sk)
		return 0;
	enter_on(sk, EVENT_CALL_close, EVENT_NONE, c->args[0], 0, 0, 0);
	call = slot_of_current();
	if (call && BPF_CORE_READ(sk, __sk_common.skc_state) == CLOSED)
		send_close(call, sk);
	return 0;
}

SEC("tp/syscalls/sys_exit_connect") int exit_connect(struct trace_event_raw_sys_exit *ctx)
{
	__u64 now = bpf_ktime_get_ns(), n;
	struct call *c = leave(ctx->ret, now);
	struct scratch *s;

	if (!c || !connect_failed(ctx->ret))
		return 0;
	s = begin_event(c, EVENT_CONNECT, ctx->ret, now, (void *)c->sock);
	if (!s)
		return 0;
	if (c->syn_sent)
		s->e.flags |= EVENT_SYN_SENT;
	n = c->count < 28 ? c->count : 28;	/* sizeof(struct sockaddr_in6) */
	n = copy_from_program(s, 0, c->base, n);
	s->e.captured = n;
	if (bpf_ringbuf_output(&control, s, sizeof(s->e) + n, wake(&control)))
		lose(EVENT_LOST_CONTROL_RING);
	return 0;
}

SEC("tp/syscalls/sys_exit_accept4") int exit_accept(struct trace_event_raw_sys_exit *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct call *c = leave(ctx->ret, now);
	struct scratch *s;
	struct sock *sk;

	if (!c || ctx->ret < 0)
		return 0;
	sk = stream_socket(ctx->ret);
	if (!sk)
		return 0;
	s = begin_event(c, EVENT_ACCEPT, ctx->ret, now, sk);
	if (!s)
		return 0;
	s->e.fd = ctx->ret;
	if (s->e.ends.state != CLOSED)	/* else no later change would free the entry */
		own((__u64)sk);
	if (bpf_ringbuf_output(&control, s, sizeof(s->e), wake(&control)))
		lose(EVENT_LOST_CONTROL_RING);
	return 0;
}

/* ---- processes ---- */

static __always_inline struct event_process *begin_process(__u16 kind, __u32 tgid, __u32 parent)
{
	struct event_process *p = bpf_ringbuf_reserve(&control, sizeof(*p), 0);

	if (!p) {
		lose(EVENT_LOST_CONTROL_RING);
		return NULL;
	}
	p->kind = kind;
	p->args_len = 0;
	p->tgid = tgid;
	p->parent = parent;
	p->code = 0;
	p->at_ns = bpf_ktime_get_ns();
	__builtin_memset(p->comm, 0, sizeof(p->comm));
	return p;
}

/* The current process with its command line: the strings stay where exec put them, or where the program put others. */
static __always_inline void introduce_current(__u16 kind, struct task_struct *task, __u32 tgid)
{
	struct event_process *p = begin_process(kind, tgid, BPF_CORE_READ(task, real_parent, tgid));
	__u64 start, n;

	if (!p)
		return;
	bpf_get_current_comm(p->comm, sizeof(p->comm));
	start = BPF_CORE_READ(task, mm, arg_start);
	n = BPF_CORE_READ(task, mm, arg_end) - start;
	asm volatile("" : "+r"(n));
	if (n > EVENT_ARGS_MAX)
		n = EVENT_ARGS_MAX;
	if (n && !bpf_probe_read_user(p->args, n, (void *)start))
		p->args_len = n;
	bpf_ringbuf_submit(p, wake(&control));
}

/* ---- TCP ---- */

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

static __always_inline void follow_by_port(__u32 tgid, __u16 port)
{
	if (!port_is_wanted(port) || tgid == self_tgid || bpf_map_lookup_elem(&processes, &tgid))
		return;
	follow(tgid);
	introduce_current(EVENT_MET, (void *)bpf_get_current_task(), tgid);
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

/* ---- births and deaths ---- */

/* Runs before the child does, so nothing of it is missed. It fires for threads as well. */
SEC("tp_btf/sched_process_fork") int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 from = parent->tgid, to = child->tgid;
	struct event_process *p;

	if (from == to || !is_followed(from))
		return 0;
	if (!follow_all)
		follow(to);
	p = begin_process(EVENT_FORK, to, from);
	if (p)
		bpf_ringbuf_submit(p, wake(&control));
	return 0;
}

static __always_inline void follow_by_comm(__u32 tgid)
{
	char comm[16] = {};

	if (!follow_comms || bpf_get_current_comm(comm, sizeof(comm)))
		return;
	if (bpf_map_lookup_elem(&comms, comm))
		follow(tgid);
}

SEC("tp_btf/sched_process_exec") int BPF_PROG(on_exec, struct task_struct *task)
{
	__u32 tgid = task->tgid;

	follow_by_comm(tgid);
	if (is_followed(tgid))
		introduce_current(EVENT_EXEC, task, tgid);
	return 0;
}

/* Threads can outlive their leader: a process ends with its last thread. */
SEC("tp_btf/sched_process_exit") int BPF_PROG(on_exit, struct task_struct *task)
{
	__u32 tid = task->pid, tgid = task->tgid, code;
	struct event_process *p;

	bpf_map_delete_elem(&calls, &tid);
	if (!is_followed(tgid) || BPF_CORE_READ(task, signal, live.counter))
		return 0;
	code = BPF_CORE_READ(task, signal, group_exit_code);
	p = begin_process(EVENT_EXIT, tgid, 0);
	if (!p)
		return 0;
	p->code = code ? code : task->exit_code;
	bpf_ringbuf_submit(p, wake(&control));
	return 0;
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
