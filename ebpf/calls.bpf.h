/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The calls that are followed: what a thread asks for at entry, and what came of it and its bytes at return.
 * For BPF programs only.
 */
#ifndef AFTERSHOCK_EBPF_CALLS_BPF_H
#define AFTERSHOCK_EBPF_CALLS_BPF_H

#include "ebpf/latency.bpf.h"
#include "ebpf/processes.bpf.h"
#include "ebpf/sockets.bpf.h"

#define RESTART_NS 1000000	/* a handler that runs for longer than this makes two calls of one */

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

/*
 * The kernel restarts a call that a signal interrupted as soon as its handler returns: to the program it is one call. Any other
 * call, or the same much later, says that the program was told of the interruption: then that was the end of a call.
 */
static __always_inline bool continues(struct call *c, __u16 number, __u32 fd, __u64 now)
{
	if (!c->restarted)
		return false;
	c->restarted = 0;
	if (c->number == number && c->fd == fd && now - c->interrupted_ns < RESTART_NS)
		return true;
	count_latency(c, -EINTR, c->interrupted_ns - c->enter_ns);
	return false;
}

static __always_inline int enter_on(struct sock *sk, __u16 number, __u16 direction, __u32 fd, __u64 base, __u64 count,
				    __u32 message_flags)
{
	struct call *c = slot_of_current();
	__u64 now = bpf_ktime_get_ns();

	if (!c && !(c = new_slot()))
		return 0;
	if (!continues(c, number, fd, now))
		c->enter_ns = now;
	c->base = base;
	c->count = count;
	c->sock = (__u64)sk;
	c->fd = fd;
	c->number = number;
	c->direction = direction;
	c->message_flags = message_flags;
	c->syn_sent = 0;
	c->used = 1;
	return 0;
}

/* Where the bytes of a call are, which way they go, which argument (from 0) holds the MSG_ flags. */
enum shape { SHAPE_buffer, SHAPE_vector, SHAPE_message, SHAPE_messages, SHAPE_count, SHAPE_connect, SHAPE_accept, SHAPE_silent };

static const struct {
	__u8 shape, direction;
	__s8 flags;
} kinds[32] = {		/* as many as a mask can tell */
#define X(name, shape, direction, flags) [EVENT_CALL_##name] = {SHAPE_##shape, EVENT_##direction, flags},
	EVENT_CALLS(X)
#undef X
};
_Static_assert(EVENT_CALL_COUNT <= 32, "all have a place");
#define KIND(call) kinds[(call) % 32]

/* Which of the calls that are followed has this number; EVENT_CALL_COUNT: none. */
static __always_inline __u32 call_of(__u64 number)
{
	__u32 call = number < EVENT_NUMBERS ? calls_by_number[number] : 0;

	return call ? call - 1 : EVENT_CALL_COUNT;
}

/* Who accepts at a wanted port may have got the listener from another process. */
static __noinline int meet_listener(__u32 fd)
{
	struct sock *sk = stream_socket(fd);

	if (sk)
		follow_by_port(bpf_get_current_pid_tgid() >> 32, FIELD(sock, sk, __sk_common.skc_num));
	return 0;
}

/* splice(from, offset, to, ...): the socket may be either end. */
static __always_inline int enter_splice(__u32 from, __u32 to, __u64 count)
{
	struct sock *sk = stream_socket(from);

	if (sk)
		return enter_on(sk, EVENT_CALL_splice, EVENT_IN, from, 0, count, 0);
	sk = stream_socket(to);
	return sk ? enter_on(sk, EVENT_CALL_splice, EVENT_OUT, to, 0, count, 0) : 0;
}

/* Those that move no bytes of a buffer have none: what stands at its place is not looked at. */
static __always_inline int enter(__u32 call, struct pt_regs *regs)
{
	__u64 base = ARGUMENT_1(regs), count = ARGUMENT_2(regs), flags = 0;
	struct sock *sk = stream_socket(ARGUMENT_0(regs));

	if (!sk)
		return 0;
	if (KIND(call).flags == 3)
		flags = ARGUMENT_3(regs);
	if (KIND(call).flags == 2)
		flags = count;
	if (KIND(call).shape == SHAPE_message)
		count = 1;
	if (call == EVENT_CALL_sendfile64)
		base = 0;
	return enter_on(sk, call, KIND(call).direction, ARGUMENT_0(regs), base, count, flags);
}

/*
 * One program for all calls: each that hangs on the tracepoint of one call is asked for by way of perf, which costs as much again as all
 * that this one does for who is not followed. What is quickest to say no to comes first.
 */
SEC("tp_btf/sys_enter") int BPF_PROG(on_enter, struct pt_regs *regs, long number)
{
	__u32 call = call_of(number);

	if (call >= EVENT_CALL_COUNT)
		return 0;
	if (follow_ports && KIND(call).shape == SHAPE_accept && !current_is_followed() && !is_compat())
		meet_listener(ARGUMENT_0(regs));
	if (!current_is_followed() || is_compat())
		return 0;
	if (call == EVENT_CALL_splice)
		return enter_splice(ARGUMENT_0(regs), ARGUMENT_2(regs), ARGUMENT_4(regs));
	return enter(call, regs);
}

/* ---- a call returns ---- */

/* The call that returns now, counted, and when that is; NULL when it is not ours, or the kernel is about to restart it. */
static __always_inline struct call *leave(__u32 call, __s64 ret, __u64 *now)
{
	struct call *c = slot_of_current();

	if (!c || !c->used || c->number != call)
		return NULL;
	*now = bpf_ktime_get_ns();	/* not before: files are read and closed as well, and the clock of a virtual machine is slow */
	c->used = 0;
	if (ret <= -ERESTART_FIRST && ret >= -ERESTART_LAST) {
		c->restarted = 1;
		c->interrupted_ns = *now;
		return NULL;
	}
	count_latency(c, ret, *now - c->enter_ns);
	return c;
}

/*
 * Whether user space wants to know: bytes moved, the peer ended, or the connection failed. A look at what is there is not the
 * stream, nor is the queue of errors.
 */
static __always_inline bool transfer_matters(const struct call *c, __s64 ret)
{
	if (c->message_flags & (MSG_PEEK | MSG_ERRQUEUE))
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
	s->e.old_state = s->e.unused = 0;
	__builtin_memset(s->e.tail, 0, sizeof(s->e.tail));
	describe_socket(&s->e, sk);
	return s;
}

/* Who talks to whom is said with the first record of a connection: nothing else of it takes as long to read. */
static __always_inline void add_ends(struct scratch *s, const struct sock *sk)
{
	describe_ends(&s->ends, sk);
	s->e.flags |= EVENT_HAS_ENDS;
}

/* The record with its payload, and the ends behind it when they are to be told. */
static __always_inline long output(void *ring, struct scratch *s, __u64 captured)
{
	__u64 n = sizeof(s->e);

	s->e.captured = captured;
	asm volatile("" : "+r"(captured));
	if (captured > EVENT_PAYLOAD_MAX)
		captured = EVENT_PAYLOAD_MAX;
	if (s->e.flags & EVENT_HAS_ENDS) {
		bpf_probe_read_kernel(s->payload + captured, sizeof(s->ends), &s->ends);
		n += sizeof(s->ends);
	}
	return bpf_ringbuf_output(ring, s, n + captured, BPF_RB_NO_WAKEUP);
}

static __noinline int send_data(struct scratch *s, const struct call *c, __u64 captured)
{
	__u64 cookie = s->e.cookie;

	if (!s->known) {
		own(cookie, (void *)c->sock, s->e.tgid, s->e.tid);
		add_ends(s, (void *)c->sock);
	}
	if (!output(&data, s, captured))
		return 0;
	lose(EVENT_LOST_DATA_RING);
	if (s->e.flags & EVENT_HAS_ENDS)	/* so that the next one tells */
		bpf_map_delete_elem(&sockets, &cookie);
	return 0;
}

static __noinline int send_control(struct scratch *s, const struct sock *sk, __u64 captured)
{
	add_ends(s, sk);
	if (output(&control, s, captured))
		lose(EVENT_LOST_CONTROL_RING);
	return 0;
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
	if (bpf_probe_read_user(s->e.tail, EVENT_TAIL, (void *)(end - EVENT_TAIL)))
		lose(EVENT_LOST_TAIL);
	else
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
	s->walked += n;
	s->end = v->iov_base + n;
	s->last = n;
	if (got >= payload_cap)
		return;
	if (n > payload_cap - got)
		n = payload_cap - got;
	s->got = got + n;
	if (copy_from_program(s, got, v->iov_base, n) == n)
		return;
	s->got = got;
	s->left = 0;
	s->torn = 1;
}

static __always_inline void gather_begin(struct scratch *s)
{
	s->got = s->last = s->end = s->walked = s->torn = 0;
}

static __always_inline void gather_some(struct scratch *s, __u64 vectors, __u64 count, __u64 bytes)
{
	struct iovec v;

	s->left = bytes;
	s->vectors = vectors;
	s->count = count;
	for (int i = 0; i < EVENT_VECTORS; i++) {
		if (i >= s->count || !s->left)
			break;
		if (bpf_probe_read_user(&v, sizeof(v), (void *)(s->vectors + i * sizeof(v)))) {
			lose(EVENT_LOST_UNREADABLE);
			s->left = 0;
			s->torn = 1;
			break;
		}
		gather_one(s, &v);
	}
	if (s->left && s->got < payload_cap) {
		lose(EVENT_LOST_VECTORS);
		s->torn = 1;
	}
}

/* Of `bytes` in all; returns how many of them were captured. */
static __always_inline __u64 gather_end(struct scratch *s, __u64 bytes)
{
	if (s->walked == bytes && s->got < bytes && s->last >= EVENT_TAIL && !s->torn)
		copy_tail(s, s->end);
	return s->got;
}

static __always_inline __u64 gather(struct scratch *s, __u64 vectors, __u64 count, __u64 bytes)
{
	gather_begin(s);
	gather_some(s, vectors, count, bytes);
	return gather_end(s, bytes);
}

/* Whether vectors of a read have room for a byte: a read of nothing says nothing of the stream. */
static __always_inline bool have_room(__u64 vectors, __u64 count)
{
	struct iovec v;

	for (int i = 0; i < EVENT_VECTORS; i++) {
		if (i >= count)
			return false;
		if (!bpf_probe_read_user(&v, sizeof(v), (void *)(vectors + i * sizeof(v))) && v.iov_len)
			return true;
	}
	return false;
}

/*
 * Whether all of a transfer lies where no payload is wanted: in a body, in what is encrypted. The first one beyond ends that. A late word
 * of user space is harmless: it names a place in the stream.
 */
static __always_inline bool is_quiet(struct event_connection *o, const struct event *e)
{
	unsigned way = e->direction == EVENT_OUT ? EVENT_OUT : EVENT_IN;
	__u32 until = o->quiet_until[way];

	if (!until)
		return false;
	if (until - e->position[way] <= EVENT_QUIET_MAX)
		return true;
	o->quiet_until[way] = 0;
	return false;
}

static __always_inline struct scratch *begin_transfer(const struct call *c, __s64 ret, __u64 now)
{
	struct event_connection *o;
	struct scratch *s;
	__u64 cookie;

	if (!transfer_matters(c, ret))
		return NULL;
	s = begin_event(c, EVENT_BYTES, ret, now, (void *)c->sock);
	if (!s)
		return NULL;
	cookie = s->e.cookie;
	o = bpf_map_lookup_elem(&sockets, &cookie);
	s->known = o != NULL;
	s->quiet = o && is_quiet(o, &s->e);
	return s;
}

/* MSG_TRUNC on TCP throws the bytes away unread: there is nothing to copy. */
static __always_inline bool has_bytes(const struct scratch *s, const struct call *c, __s64 ret)
{
	return ret > 0 && !s->quiet && c->base && !(c->message_flags & MSG_TRUNC);
}

static __noinline int take_buffer(struct scratch *s, const struct call *c)
{
	__u64 got = 0, ret = s->e.ret;

	if (has_bytes(s, c, s->e.ret)) {
		got = copy_from_program(s, 0, c->base, ret);
		if (got < ret)
			copy_tail(s, c->base + ret);
	}
	return send_data(s, c, got);
}

static __noinline int take_vector(struct scratch *s, const struct call *c)
{
	if (!s->e.ret && !have_room(c->base, c->count))
		return 0;
	return send_data(s, c, has_bytes(s, c, s->e.ret) ? gather(s, c->base, c->count, s->e.ret) : 0);
}

static __noinline int take_message(struct scratch *s, const struct call *c)
{
	struct user_msghdr m = {};
	__u64 got = 0;

	if (s->e.ret >= 0 && bpf_probe_read_user(&m, sizeof(m), (void *)c->base))
		lose(EVENT_LOST_UNREADABLE);
	if (!s->e.ret && !have_room(m.msg_iov, m.msg_iovlen))
		return 0;
	if (has_bytes(s, c, s->e.ret))
		got = gather(s, m.msg_iov, m.msg_iovlen, s->e.ret);
	return send_data(s, c, got);
}

/*
 * sendmmsg and recvmmsg return a number of messages; each message's length is in its header by then. The sum is kept where the
 * verifier forgets it, as above.
 */
static __always_inline bool sum_messages(struct scratch *s, __u64 headers, __u64 count)
{
	__u32 length;

	s->sum = 0;
	for (int i = 0; i < EVENT_MESSAGES; i++) {
		if (i >= count)
			break;
		if (bpf_probe_read_user(&length, sizeof(length), (void *)(headers + i * sizeof(struct mmsghdr) +
									     offsetof(struct mmsghdr, msg_len)))) {
			lose(EVENT_LOST_UNREADABLE);
			return false;
		}
		s->sum += length;
	}
	return true;
}

static __always_inline void gather_messages(struct scratch *s, __u64 headers, __u64 count)
{
	gather_begin(s);
	s->messages = count;
	for (int i = 0; i < EVENT_MESSAGES_SEEN; i++) {
		if (i >= s->messages || s->torn)
			break;
		if (bpf_probe_read_user(&s->message, sizeof(s->message), (void *)(headers + i * sizeof(s->message)))) {
			lose(EVENT_LOST_UNREADABLE);
			break;
		}
		gather_some(s, s->message.msg_hdr.msg_iov, s->message.msg_hdr.msg_iovlen, s->message.msg_len);
	}
}

/* Nothing in all messages is the end of the stream to a receiver, and no news to a sender. */
static __noinline int take_messages(struct scratch *s, const struct call *c)
{
	__u64 messages = s->e.ret, got = 0;

	if (!s->e.ret)
		return 0;
	if (s->e.ret > 0) {
		if (!sum_messages(s, c->base, messages) || (!s->sum && c->direction == EVENT_OUT))
			return 0;
		s->e.ret = s->sum;
	}
	if (has_bytes(s, c, s->e.ret)) {
		gather_messages(s, c->base, messages);
		got = gather_end(s, s->e.ret);
	}
	return send_data(s, c, got);
}

/* sendfile and splice: bytes moved that no program memory holds; counted so that framing stays right. */
static __always_inline int take_transfer(const struct call *c, __u32 shape, __s64 ret, __u64 now)
{
	struct scratch *s = begin_transfer(c, ret, now);

	if (!s)
		return 0;
	switch (shape) {
	case SHAPE_buffer:
		return take_buffer(s, c);
	case SHAPE_vector:
		return take_vector(s, c);
	case SHAPE_message:
		return take_message(s, c);
	case SHAPE_messages:
		return take_messages(s, c);
	}
	return send_data(s, c, 0);
}

static __always_inline bool connect_failed(__s64 ret)
{
	return ret < 0 && ret != -EINPROGRESS && ret != -EALREADY && ret != -EISCONN && ret != -EINTR && ret != -EAGAIN;
}

static __noinline int take_connect(const struct call *c, __s64 ret, __u64 now)
{
	struct scratch *s;
	__u64 n;

	if (!connect_failed(ret))
		return 0;
	s = begin_event(c, EVENT_CONNECT, ret, now, (void *)c->sock);
	if (!s)
		return 0;
	if (c->syn_sent)
		s->e.flags |= EVENT_SYN_SENT;
	n = c->count < 28 ? c->count : 28;	/* sizeof(struct sockaddr_in6) */
	return send_control(s, (void *)c->sock, copy_from_program(s, 0, c->base, n));
}

/* It is owned first: what happens to it from then on is told as it happens, what happened before is in its state and its error. */
static __noinline int take_accept(const struct call *c, __s64 ret, __u64 now)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct scratch *s;
	struct sock *sk;

	sk = ret < 0 ? NULL : stream_socket(ret);
	if (!sk)
		return 0;
	own(FIELD(sock, sk, __sk_common.skc_cookie.counter), sk, id >> 32, (__u32)id);
	s = begin_event(c, EVENT_ACCEPT, -(__s64)FIELD(sock, sk, sk_err), now, sk);
	if (!s)
		return 0;
	s->e.fd = ret;
	return send_control(s, sk, 0);
}

SEC("tp_btf/sys_exit") int BPF_PROG(on_return, struct pt_regs *regs, long ret)
{
	__u32 call = call_of(NUMBER(regs)), shape;
	struct call *c;
	__u64 now;

	if (call >= EVENT_CALL_COUNT || !current_is_followed())
		return 0;
	c = leave(call, ret, &now);
	if (!c)
		return 0;
	shape = KIND(call).shape;
	switch (shape) {
	case SHAPE_silent:
		return 0;
	case SHAPE_connect:
		return take_connect(c, ret, now);
	case SHAPE_accept:
		return take_accept(c, ret, now);
	}
	return take_transfer(c, shape, ret, now);
}

#endif
