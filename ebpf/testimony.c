/* SPDX-License-Identifier: MIT */
#include "ebpf/witness.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "base/clock.h"
#include "ebpf/tracer.skel.h"

#define QUIET_LEAST (64u << 10)	/* bytes to come that are worth a word to the kernel */

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

/* The ends that come with a record. */
static bool ends_of(const struct event *e, struct event_ends *ends)
{
	if (!(e->flags & EVENT_HAS_ENDS))
		return false;
	memcpy(ends, (const char *)(e + 1) + e->captured, sizeof(*ends));
	return true;
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

void testimony_take_up(struct tracer *t, const struct assembler_moment *m, bool mid_stream, const struct event_ends *ends)
{
	enum journal_role role = witness_listens(t, ends->local_port) ? JOURNAL_SERVER : JOURNAL_CLIENT;

	open_connection(t, m, role, mid_stream, ends);
}

void testimony_facts(struct tracer *t, uint64_t cookie, const uint32_t *position, const struct event_facts *facts)
{
	struct recorder_socket s = {.cookie = cookie, .retransmits = facts->retransmits,
				    .bytes_unseen = facts->unseen[EVENT_OUT] + facts->unseen[EVENT_IN]};
	uint64_t missing = assembler_missing(t->assembler, cookie, position);

	/* Where records were lost their bytes are missing as well: then only what the kernel counted is known to have had none. */
	if (s.bytes_unseen < missing && !witness_has_lost(t))
		s.bytes_unseen = missing;
	if (recorder_socket(t->recorder, &s))
		t->unseen_connections++;
}

/*
 * What is written over is what the kernel counts meanwhile for an io_uring, and only that: where there is one all is captured. One that is
 * gone by now stays so.
 */
static void decline(struct tracer *t, const struct event *e, uint64_t bytes)
{
	int sockets = bpf_map__fd(t->programs->maps.sockets);
	struct event_connection c;

	if (t->programs->bss->rings_at_work || bpf_map_lookup_elem(sockets, &e->cookie, &c))
		return;
	c.quiet_until[e->direction] = e->position[e->direction] + (uint32_t)(bytes < EVENT_QUIET_MAX ? bytes : EVENT_QUIET_MAX);
	bpf_map_update_elem(sockets, &e->cookie, &c, BPF_EXIST);
}

/* After a transfer that was longer than what is captured of one: payload of a long body is not asked for, message heads are. */
static void decline_body(struct tracer *t, const struct event *e)
{
	uint64_t bytes;

	if (!e->captured || e->captured == e->ret || !(e->flags & EVENT_HAS_POSITION))
		return;
	bytes = assembler_quiet(t->assembler, e->cookie, e->direction == EVENT_OUT ? ASSEMBLER_OUT : ASSEMBLER_IN);
	if (bytes >= QUIET_LEAST)
		decline(t, e, bytes);
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
		.other_known = e->flags & EVENT_HAS_POSITION,
		.position = e->position[e->direction] - (uint32_t)e->ret,
		.other_position = e->position[e->direction == EVENT_OUT ? EVENT_IN : EVENT_OUT],
	};

	assembler_bytes(t->assembler, m, &b);
	decline_body(t, e);
}

/* Whether the connection of a transfer is known, or is from now on. */
static bool meet_connection(struct tracer *t, const struct event *e, const struct assembler_moment *m)
{
	struct event_ends ends;

	if (assembler_knows(t->assembler, e->cookie))
		return true;
	if (e->ret <= 0 || e->state == TCP_CLOSE)
		return false;
	t->no_cookie += !e->cookie;
	if (!e->cookie)
		return false;
	if (!ends_of(e, &ends)) {	/* given up, because there are too many: its next record is to tell who it is */
		bpf_map_delete_elem(bpf_map__fd(t->programs->maps.sockets), &e->cookie);
		return false;
	}
	testimony_take_up(t, m, true, &ends);
	return true;
}

static void on_bytes(struct tracer *t, const struct event *e)
{
	struct assembler_moment m = moment_of(e);

	if (!meet_connection(t, e, &m))
		return;
	if (e->ret > 0)
		transfer(t, e, &m);
	else if (e->ret == 0)
		assembler_eof(t->assembler, &m);
	else
		assembler_error(t->assembler, &m, e->direction == EVENT_OUT ? ASSEMBLER_OUT : ASSEMBLER_IN, (int)-e->ret);
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

static void on_accept(struct tracer *t, const struct event *e)
{
	struct assembler_moment m = moment_of(e);
	int error = (int)-e->ret;
	struct event_ends ends;

	if (!e->cookie || !ends_of(e, &ends))
		return;
	m.enter_ns = e->exit_ns;	/* accept waited for it: it was not there before */
	open_connection(t, &m, JOURNAL_SERVER, false, &ends);
	assembler_connected(t->assembler, &m, NULL, 0, JOURNAL_END_UNKNOWN);
	place(t, e);
	if (e->state == TCP_CLOSE && error)
		assembler_broken(t->assembler, &m, end_of_error(error), error);
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
	struct event_ends ends;

	if (!assembler_knows(t->assembler, e->cookie)) {
		if ((e->flags & EVENT_SYN_SENT) || !fails_before_syn(error) || !ends_of(e, &ends))
			return;
		memcpy(&ss, e + 1, e->captured < sizeof(ss) ? e->captured : sizeof(ss));
		addresses(&ends, &local, &peer);
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

/*
 * The program, or its death, ends the connection with a reset: SO_LINGER of 0, or bytes left unread. The socket is made ready for another
 * one then, and its positions with it (tcp_disconnect() moves write_seq): those of now are the last that count.
 */
static bool is_aborted(const struct event *e)
{
	bool open = e->old_state == TCP_ESTABLISHED || e->old_state == TCP_CLOSE_WAIT;

	return e->state == TCP_CLOSE && e->old_state != TCP_SYN_SENT && !e->ret &&
	       (e->call == EVENT_CALL_close || (open && e->call == EVENT_CALL_COUNT));
}

/* The peer's reset, or TCP gave up. What came before can still be read, and the socket is there until its last descriptor is closed. */
static bool only_breaks(const struct event *e)
{
	return e->state == TCP_CLOSE && e->old_state != TCP_SYN_SENT && e->ret && e->call != EVENT_CALL_close &&
	       !(e->flags & EVENT_IN_CONNECT);
}

/* TCP is through with it. */
static void on_close_state(struct tracer *t, const struct event *e, const struct assembler_moment *m)
{
	int error = (int)-e->ret;

	if (e->old_state == TCP_SYN_SENT)
		on_connect_over(t, e, m);
	else if (e->flags & EVENT_IN_CONNECT)	/* connect(AF_UNSPEC): a reset of one's own making */
		assembler_close(t->assembler, m, JOURNAL_RESET, ECONNRESET);
	else if (is_aborted(e))
		assembler_close(t->assembler, m, JOURNAL_LOCAL_CLOSE, 0);
	else if (only_breaks(e))
		assembler_broken(t->assembler, m, end_of_error(error), error);
}

static void on_established(struct tracer *t, const struct event_tcp *r, const struct assembler_moment *m)
{
	struct addr local, peer;

	addresses(&r->ends, &local, &peer);
	assembler_connected(t->assembler, m, &local, 0, JOURNAL_END_UNKNOWN);
	place(t, &r->e);
}

/*
 * Where the stream stands says what went unseen when nothing is on its way any more: at the close, and not within a transfer, which has
 * taken its bytes already and tells of them when it returns.
 */
static void tell_facts(struct tracer *t, const struct event_tcp *r)
{
	bool closing = r->e.kind == EVENT_GONE || r->e.state == TCP_FIN_WAIT1 || r->e.state == TCP_LAST_ACK || is_aborted(&r->e);
	bool alone = r->e.call == EVENT_CALL_COUNT || r->e.call == EVENT_CALL_close;

	testimony_facts(t, r->e.cookie, closing && alone && (r->e.flags & EVENT_HAS_POSITION) ? r->e.position : NULL, &r->facts);
}

#define LATE_NS (200 * NS_PER_MS)

/*
 * TCP can end within a call on the socket, whose record comes when it returns; and a task can lose the processor within a program of ours,
 * before its record is sent. So the end of a connection of which bytes are missing waits for them; but what breaks it does not, or its close
 * would come first.
 */
static bool put_off(struct tracer *t, const struct event_tcp *r)
{
	struct event_tcp later = *r;

	if (!(r->e.flags & EVENT_HAS_POSITION) || (r->e.flags & EVENT_PUT_OFF) || !assembler_missing(t->assembler, r->e.cookie, r->e.position))
		return false;
	later.e.flags |= EVENT_PUT_OFF;
	return !order_put(&t->order, WITNESS_LATE, r->e.exit_ns + LATE_NS, &later, sizeof(later));
}

static void on_state(struct tracer *t, const struct event_tcp *r)
{
	struct assembler_moment m = moment_of(&r->e);
	bool half = r->e.call == EVENT_CALL_shutdown;
	bool ends = r->e.state == TCP_FIN_WAIT1 || r->e.state == TCP_LAST_ACK || r->e.state == TCP_CLOSE;

	if (ends && !only_breaks(&r->e) && put_off(t, r))
		return;
	if (ends && r->e.old_state != TCP_SYN_SENT)
		tell_facts(t, r);
	switch (r->e.state) {
	case TCP_SYN_SENT:
		open_connection(t, &m, JOURNAL_CLIENT, false, &r->ends);
		break;
	case TCP_ESTABLISHED:
		on_established(t, r, &m);
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
		on_close_state(t, &r->e, &m);
		break;
	}
}

static void on_gone(struct tracer *t, const struct event_tcp *r)
{
	struct assembler_moment m = moment_of(&r->e);

	if (put_off(t, r))
		return;
	tell_facts(t, r);
	assembler_close(t->assembler, &m, JOURNAL_LOCAL_CLOSE, 0);
}

/* A connect would have been told of: it was accepted. */
static void on_found(struct tracer *t, const struct event_tcp *r)
{
	struct assembler_moment m = moment_of(&r->e);

	if (assembler_knows(t->assembler, r->e.cookie))
		return;
	open_connection(t, &m, JOURNAL_SERVER, true, &r->ends);
	place(t, &r->e);
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
		on_state(t, record);
		break;
	case EVENT_GONE:
		on_gone(t, record);
		break;
	case EVENT_FOUND:
		on_found(t, record);
		break;
	default:
		testimony_take_process(t, record);
	}
}
