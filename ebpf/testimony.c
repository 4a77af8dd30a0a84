/* SPDX-License-Identifier: MIT */
#include "ebpf/witness.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "ebpf/tracer.skel.h"

enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT, TCP_FIN_WAIT1 = 4, TCP_CLOSE = 7, TCP_CLOSE_WAIT, TCP_LAST_ACK };	/* net/tcp_states.h */

uint64_t testimony_key(const void *record)
{
	const struct event *e = record;

	switch (e->kind) {
	case EVENT_FORK:
	case EVENT_EXEC:
	case EVENT_MET:
	case EVENT_EXIT:
		return ((const struct event_process *)record)->at_ns;
	case EVENT_BYTES:
		return e->direction == EVENT_OUT ? e->enter_ns : e->exit_ns;
	default:
		return e->exit_ns;
	}
}

static void address(struct addr *a, const struct event_ends *ends, const uint8_t *ip, uint16_t port)
{
	addr_from_ip(a, ends->family == AF_INET6 ? ADDR_IP6 : ADDR_IP4, ip, port);
}

/* A socket that was not connected yet has no local port: its address is not known then. */
static void addresses(const struct event_ends *ends, struct addr *local, struct addr *peer)
{
	memset(local, 0, sizeof(*local));
	if (ends->local_port)
		address(local, ends, ends->local, ends->local_port);
	address(peer, ends, ends->peer, ends->peer_port);
}

static struct assembler_moment moment_of(const struct event *e)
{
	return (struct assembler_moment){
		.cookie = e->cookie, .pid = e->tgid, .tid = e->tid, .enter_ns = e->enter_ns, .exit_ns = e->exit_ns};
}

static void place(struct tracer *t, const struct event *e)
{
	if (e->flags & EVENT_HAS_POSITION)
		assembler_place(t->assembler, e->cookie, e->position);
}

static void open_connection(struct tracer *t, const struct assembler_moment *m, enum journal_role role, bool mid_stream,
			    const struct event_ends *ends)
{
	struct addr local, peer;

	addresses(ends, &local, &peer);
	testimony_meet(t, m->pid);
	assembler_open(t->assembler, m, role, mid_stream, &local, &peer);
}

void testimony_take_up(struct tracer *t, const struct assembler_moment *m, const struct event_ends *ends, uint64_t sock)
{
	struct { uint32_t tgid, tid; } owner = {m->pid, m->tid};
	enum journal_role role = witness_listens(t, ends->local_port) ? JOURNAL_SERVER : JOURNAL_CLIENT;

	open_connection(t, m, role, true, ends);
	bpf_map_update_elem(bpf_map__fd(t->programs->maps.owners), &sock, &owner, BPF_NOEXIST);
}

static void transfer(struct tracer *t, const struct event *e, const struct assembler_moment *m)
{
	bool cut = e->captured < e->ret;
	struct assembler_bytes b = {
		.direction = e->direction == EVENT_OUT ? ASSEMBLER_OUT : ASSEMBLER_IN,
		.data = e + 1,
		.captured = e->captured,
		.bytes = (uint64_t)e->ret,
		.tail = cut && (e->flags & EVENT_HAS_TAIL) ? e->tail : NULL,
		.placed = e->flags & EVENT_HAS_POSITION,
		.position = e->position[e->direction] - (uint32_t)e->ret,
	};

	assembler_bytes(t->assembler, m, &b);
}

static void on_bytes(struct tracer *t, const struct event *e)
{
	struct assembler_moment m = moment_of(e);

	if (!assembler_knows(t->assembler, e->cookie)) {
		if (!e->cookie || e->ret <= 0 || e->ends.state == TCP_CLOSE)
			return;
		testimony_take_up(t, &m, &e->ends, e->sock);
	}
	if (e->ret > 0)
		transfer(t, e, &m);
	else if (e->ret == 0)
		assembler_eof(t->assembler, &m);
	else
		assembler_error(t->assembler, &m, e->direction == EVENT_OUT ? ASSEMBLER_OUT : ASSEMBLER_IN, (int)-e->ret);
}

static void on_accept(struct tracer *t, const struct event *e)
{
	struct assembler_moment m = moment_of(e);

	if (!e->cookie)
		return;
	m.enter_ns = e->exit_ns;	/* accept waited for it: it was not there before */
	open_connection(t, &m, JOURNAL_SERVER, false, &e->ends);
	assembler_connected(t->assembler, &m, NULL, 0, JOURNAL_END_UNKNOWN);
	place(t, e);
}

/* How a connection ended, or a connect failed, by the errno that the kernel keeps for it. */
static enum journal_end end_of_error(int error)
{
	static const struct {
		int error;
		enum journal_end end;
	} ends[] = {
		{ECONNREFUSED, JOURNAL_REFUSED},    {ETIMEDOUT, JOURNAL_TIMEOUT},	{ECONNRESET, JOURNAL_RESET},
		{EPIPE, JOURNAL_RESET},		    {ECONNABORTED, JOURNAL_RESET},	{EHOSTUNREACH, JOURNAL_UNREACHABLE},
		{ENETUNREACH, JOURNAL_UNREACHABLE}, {EADDRNOTAVAIL, JOURNAL_UNREACHABLE}, {EHOSTDOWN, JOURNAL_UNREACHABLE},
		{ENETDOWN, JOURNAL_UNREACHABLE},
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (ends[i].error == error)
			return ends[i].end;
	return JOURNAL_END_UNKNOWN;
}

/* Errors that say something about the network, of a connect that never sent its SYN. Others are the program's own mistakes. */
static bool fails_before_syn(int error)
{
	return end_of_error(error) == JOURNAL_UNREACHABLE || error == EACCES || error == EPERM || error == EADDRINUSE ||
	       error == ENOBUFS;
}

static void on_connect(struct tracer *t, const struct event *e)
{
	struct assembler_moment m = moment_of(e);
	int error = (int)-e->ret;
	struct sockaddr_storage ss = {0};
	struct addr local, peer;

	if (!assembler_knows(t->assembler, e->cookie)) {
		if ((e->flags & EVENT_SYN_SENT) || !fails_before_syn(error))
			return;
		memcpy(&ss, e + 1, e->captured < sizeof(ss) ? e->captured : sizeof(ss));
		addresses(&e->ends, &local, &peer);
		addr_from_sockaddr(&peer, (struct sockaddr *)&ss, e->captured);
		testimony_meet(t, m.pid);
		assembler_open(t->assembler, &m, JOURNAL_CLIENT, false, &local, &peer);
	} else if (!(e->flags & EVENT_SYN_SENT)) {
		return;
	}
	assembler_connected(t->assembler, &m, NULL, error, end_of_error(error));
}

/* The handshake failed. Within connect() without an error of its own, connect's result will tell; else the program gave up. */
static void on_connect_over(struct tracer *t, const struct event *e, const struct assembler_moment *m)
{
	int error = (int)-e->ret;

	if (error)
		assembler_connected(t->assembler, m, NULL, error, end_of_error(error));
	else if (!(e->flags & EVENT_IN_CONNECT))
		assembler_connected(t->assembler, m, NULL, JOURNAL_CLOSED, JOURNAL_ABANDONED);
}

static void on_close_state(struct tracer *t, const struct event *e, const struct assembler_moment *m)
{
	int error = (int)-e->ret;

	if (e->old_state == TCP_SYN_SENT)
		on_connect_over(t, e, m);
	else if (e->flags & EVENT_IN_CONNECT)	/* connect(AF_UNSPEC): a reset of one's own making */
		assembler_close(t->assembler, m, JOURNAL_RESET, ECONNRESET);
	else if (error && e->call != EVENT_CALL_close)
		assembler_broken(t->assembler, m, end_of_error(error), error);
	else
		assembler_close(t->assembler, m, JOURNAL_LOCAL_CLOSE, 0);
}

static void on_established(struct tracer *t, const struct event *e, const struct assembler_moment *m)
{
	struct addr local, peer;

	addresses(&e->ends, &local, &peer);
	assembler_connected(t->assembler, m, &local, 0, JOURNAL_END_UNKNOWN);
	place(t, e);
}

static void on_state(struct tracer *t, const struct event *e)
{
	struct assembler_moment m = moment_of(e);
	bool half = e->call == EVENT_CALL_shutdown;

	switch (e->ends.state) {
	case TCP_SYN_SENT:
		open_connection(t, &m, JOURNAL_CLIENT, false, &e->ends);
		break;
	case TCP_ESTABLISHED:
		on_established(t, e, &m);
		break;
	case TCP_FIN_WAIT1:
		if (!half)
			assembler_close(t->assembler, &m, JOURNAL_LOCAL_CLOSE, 0);
		break;
	case TCP_LAST_ACK:
		if (!half)
			assembler_close(t->assembler, &m, JOURNAL_PEER_CLOSE, 0);
		break;
	case TCP_CLOSE:
		on_close_state(t, e, &m);
		break;
	}
}

static void on_close(struct tracer *t, const struct event *e)
{
	struct assembler_moment m = moment_of(e);

	assembler_close(t->assembler, &m, JOURNAL_LOCAL_CLOSE, 0);
}

void testimony_take(void *tracer, const void *record, size_t size)
{
	const struct event *e = record;
	struct tracer *t = tracer;

	switch (e->kind) {
	case EVENT_BYTES:
		on_bytes(t, e);
		break;
	case EVENT_CONNECT:
		on_connect(t, e);
		break;
	case EVENT_ACCEPT:
		on_accept(t, e);
		break;
	case EVENT_STATE:
		on_state(t, e);
		break;
	case EVENT_CLOSE:
		on_close(t, e);
		break;
	default:
		testimony_take_process(t, record);
	}
}
