/* SPDX-License-Identifier: MIT */
#include "preload/attempt.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/time.h>
#include "base/clock.h"
#include "plan/decide.h"
#include "preload/cut.h"
#include "preload/exchange.h"
#include "preload/hold.h"
#include "preload/nowhere.h"
#include "preload/raw.h"

#define LOOK_NS (250 * NS_PER_MS)

void attempt_begin(struct conn *c, const struct verdict *v, uint64_t now_ns)
{
	c->attempt = (struct exchange){.serial = guest_serial(), .verdict = *v, .started_ns = now_ns, .until_ns = FOREVER};
	for (uint32_t bit = 1; bit <= PAGE_RESOLVE; bit <<= 1)
		if (v->actions & bit)
			exchange_inject(c, &c->attempt, bit, now_ns);
}

static int tcp_state(int fd, struct tcp_info *info)
{
	socklen_t len = sizeof(*info);

	return raw_getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0 ? info->tcpi_state : TCP_CLOSE;
}

/* When the outcome that is there now came: the program may have been busy elsewhere since. The handshake's end counts as data sent
 * (tcp_finish_connect). */
static uint64_t arrival(int fd, uint64_t started_ns, uint64_t now_ns)
{
	struct tcp_info info;

	return tcp_state(fd, &info) == TCP_ESTABLISHED ? hold_arrival(info.tcpi_last_data_sent, started_ns, now_ns) : now_ns;
}

void attempt_hold(struct conn *c, uint64_t arrived_ns, uint64_t now_ns)
{
	c->attempt.arrived_ns = arrived_ns;
	c->attempt.until_ns = arrived_ns + c->attempt.verdict.delay_ns;
	c->dialling = DIAL_HELD;
}

/* The hold is over: the outcome shows, or the reset that was to follow a connection ends it. */
static void release(struct conn *c, int fd, uint64_t now_ns)
{
	uint32_t a = c->attempt.verdict.actions;
	struct tcp_info info;

	c->dialling = DIAL_PLAIN;
	if (a & PAGE_DELAY)
		exchange_achieved(c, &c->attempt, PAGE_DELAY, now_ns);
	if (!(a & PAGE_RESET) || (c->peer.family != ADDR_UNIX && tcp_state(fd, &info) == TCP_CLOSE))
		return;
	exchange_achieved(c, &c->attempt, PAGE_RESET, now_ns);
	cut_reset(c, fd, ECONNRESET);
	/* As after a RST from the peer, where the kernel would dial again. */
	c->next_connect = raw_fcntl(fd, F_GETFL, 0) & O_NONBLOCK ? ECONNABORTED : EISCONN;
	conn_connected(c, fd, ECONNRESET, now_ns);
}

/* ---- nowhere ---- */

bool attempt_hangs(const struct conn *c, uint64_t now_ns)
{
	const struct verdict *v = &c->attempt.verdict;
	const struct page_fault *f = v->actions & PAGE_HANG ? exchange_fault(v->main_fault, v->main_id) : NULL;

	return f && exchange_fault_on(v->main_fault, v->main_id, now_ns) && decide_active(guest.page, f, now_ns);
}

uint64_t attempt_next_look(uint64_t now_ns)
{
	return (now_ns / LOOK_NS + 1) * LOOK_NS;
}

int attempt_dial(int fd, const struct nowhere *to)
{
	struct timeval tick = {0, 1}, was = {0, 0};
	socklen_t n = sizeof(was);
	int r;

	if (raw_fcntl(fd, F_GETFL, 0) & O_NONBLOCK)
		return raw_connect(fd, &to->at, to->len);
	raw_getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &was, &n);
	raw_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tick, sizeof(tick));
	r = raw_connect(fd, &to->at, to->len);
	raw_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &was, sizeof(was));
	return r;
}

/* Dials the real peer on the same socket, as if the next SYN had come through. connect(AF_UNSPEC) takes the old one back and leaves
 * ECONNRESET behind (tcp_disconnect), which is not the program's. */
static void redial(struct conn *c, int fd, uint64_t now_ns)
{
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	struct nowhere peer;
	int r;

	peer.len = addr_to_sockaddr(&c->peer, &peer.at);
	nowhere_map(raw_sockopt_int(fd, SOL_SOCKET, SO_DOMAIN), &peer);
	raw_connect(fd, &unspec, sizeof(unspec));
	raw_sockopt_int(fd, SOL_SOCKET, SO_ERROR);
	exchange_achieved(c, &c->attempt, PAGE_HANG, now_ns);
	c->dialling = c->attempt.verdict.actions & PAGE_DELAY ? DIAL_ARMED : DIAL_PLAIN;
	r = attempt_dial(fd, &peer);
	if (r && r != -EINPROGRESS)
		c->attempt.error = -r;
}

static void nowhere_look(struct conn *c, int fd, uint64_t now_ns)
{
	struct tcp_info info;

	if (tcp_state(fd, &info) != TCP_SYN_SENT) {	/* the kernel gave up, or the program took it back */
		c->dialling = DIAL_PLAIN;
		return;
	}
	if (now_ns < c->attempt.until_ns)
		return;
	if (attempt_hangs(c, now_ns))
		c->attempt.until_ns = attempt_next_look(now_ns);
	else
		redial(c, fd, now_ns);
}

/* A datagram socket that is connected sends nothing and knows its way. A socket that is not on a loopback address was bound by the program. */
bool attempt_local(struct conn *c, int fd, struct nowhere *local)
{
	struct nowhere peer;
	struct addr mine, way;
	socklen_t len = sizeof(local->at);
	int probe, domain = raw_sockopt_int(fd, SOL_SOCKET, SO_DOMAIN), r;

	if (RAW(SYS_getsockname, fd, &local->at, &len, 0, 0, 0) != 0)
		return false;
	addr_from_sockaddr(&mine, (struct sockaddr *)&local->at, len);
	peer.len = addr_to_sockaddr(&c->peer, &peer.at);
	if (addr_is_local(&c->peer) || !addr_is_local(&mine))
		return false;
	probe = (int)RAW(SYS_socket, peer.at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0, 0);
	local->len = sizeof(local->at);
	r = raw_connect(probe, &peer.at, peer.len);
	r = r ? r : (int)RAW(SYS_getsockname, probe, &local->at, &local->len, 0, 0, 0);
	raw_close(probe);
	if (r)
		return false;
	addr_from_sockaddr(&way, (struct sockaddr *)&local->at, local->len);
	addr_from_ip(&c->local, way.family, way.ip, mine.port);
	local->len = addr_to_sockaddr(&c->local, &local->at);
	nowhere_map(domain, local);
	return true;
}

/* ---- what the waits ask ---- */

/* The fault that holds the outcome back is gone. */
static bool lapsed(const struct conn *c, uint64_t now_ns)
{
	const struct verdict *v = &c->attempt.verdict;

	return v->delay_fault && !exchange_fault_on(v->delay_fault, v->delay_id, now_ns);
}

bool attempt_look(struct conn *c, int fd, uint64_t now_ns)
{
	if (c->dialling == DIAL_NOWHERE)
		nowhere_look(c, fd, now_ns);
	if (c->dialling == DIAL_ARMED && raw_ready(fd, POLLOUT))
		attempt_hold(c, arrival(fd, c->attempt.started_ns, now_ns), now_ns);
	if (c->dialling == DIAL_HELD && (now_ns >= c->attempt.until_ns || lapsed(c, now_ns)))
		release(c, fd, now_ns);
	return c->dialling == DIAL_PLAIN || c->dialling == DIAL_LATER;
}

uint64_t attempt_deadline(const struct conn *c)
{
	return c->dialling == DIAL_HELD || c->dialling == DIAL_NOWHERE ? c->attempt.until_ns : FOREVER;
}
