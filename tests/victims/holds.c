/* SPDX-License-Identifier: MIT */
/*
 * What a program can see of a connection while its answer is late: holds CASE PORT makes a request to an HTTP server that takes 0.3 s and prints
 * what the calls of the case said. Nothing printed depends on the answer's text, nor on how fast the machine is.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <unistd.h>
#include "tests/lib/victim.h"

static const char request[] = "GET /hold HTTP/1.1\r\nHost: hold\r\n\r\n";
static char buf[65536];

static void ask(int fd)
{
	if (send(fd, request, sizeof(request) - 1, 0) < 0)
		exit(2);
}

static int asked(void)
{
	int fd = must_dial();

	ask(fd);
	return fd;
}

/* Whether there was something; what it was is not the same for all servers. */
static void say_read(const char *name, int fd)
{
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	say(name, n > 0 ? 1 : n);
}

static int set_of(int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u64 = 77};
	int ep = epoll_create1(0);

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		exit(2);
	return ep;
}

static void say_events(const char *name, int ep, int ms)
{
	struct epoll_event ev[4];
	int n = epoll_wait(ep, ev, 4, ms);

	say(name, n);
	for (int i = 0; i < n; i++)
		SAY("%x", "bits", ev[i].events);
}

static void say_poll(const char *name, int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	say(name, poll(&p, 1, ms));
	SAY("%x", "bits", (unsigned)p.revents);
}

/* ---- epoll sets ---- */

static void exclusive(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int fd = must_dial(), ep = set_of(fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET);

	ask(fd);
	say_events("at_once", ep, 0);
	say("modified", epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
	say_events("late", ep, 3000);
	say_events("no_edge", ep, 0);
	say_read("read", fd);
	say("removed", epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	say("again", epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
}

enum outer { IN_SETS, IN_POLL, IN_SELECT };

/* Waits until the set is ready, as part of another wait. */
static int wait_outside(enum outer how, int inner, int outer)
{
	struct pollfd p = {.fd = inner, .events = POLLIN};
	struct epoll_event ev;
	fd_set in;

	if (how == IN_SETS)
		return epoll_wait(outer, &ev, 1, 3000);
	if (how == IN_POLL)
		return poll(&p, 1, 3000);
	FD_ZERO(&in);
	FD_SET(inner, &in);
	return select(inner + 1, &in, NULL, NULL, &(struct timeval){3, 0});
}

/* Asks. A set in a set, or in a poll, is ready when there is something in it. */
static void asked_and_looked_into(enum outer how, int fd, int inner, int outer)
{
	int looks = 0, began = now_ms();
	struct epoll_event ev;

	ask(fd);
	while (wait_outside(how, inner, outer) == 1 && looks++ < 100 && !epoll_wait(inner, &ev, 1, 0))
		;
	SAY("%d", "looks", looks);
	SAY("%d", "late", now_ms() - began >= 290);
}

static void nested(void)
{
	int fd = must_dial(), inner = set_of(fd, EPOLLIN), outer = set_of(inner, EPOLLIN);

	asked_and_looked_into(IN_SETS, fd, inner, outer);
	say_read("read", fd);
	say_events("nothing", outer, 0);
}

static void nested_edge(void)
{
	int fd = must_dial(), inner = set_of(fd, EPOLLIN | EPOLLET), outer = set_of(inner, EPOLLIN | EPOLLET);

	asked_and_looked_into(IN_SETS, fd, inner, outer);
	say_read("read", fd);
	say_events("nothing", outer, 0);
}

/* The innermost of three sets has been in the next before there was a connection in it. */
static void nested_deep(void)
{
	int first = must_dial(), inner = epoll_create1(0), middle = set_of(inner, EPOLLIN | EPOLLONESHOT), outer = set_of(dup(middle), EPOLLIN);
	struct epoll_event ev = {.events = EPOLLIN};

	epoll_ctl(inner, EPOLL_CTL_ADD, first, &ev);
	for (int fd = first, i = 0; i < 2; i++, fd = must_dial()) {
		if (i && epoll_ctl(inner, EPOLL_CTL_ADD, fd, &ev))
			exit(2);
		asked_and_looked_into(IN_SETS, fd, inner, outer);
		say_read("read", fd);
		say_events("once", middle, 0);
		say("again", epoll_ctl(middle, EPOLL_CTL_MOD, inner, &ev));
		say_events("nothing", outer, 0);
	}
}

/* A pipe beside the inner set that bears the same data. */
static void nested_beside(void)
{
	int fd = must_dial(), inner = set_of(fd, EPOLLIN), outer = set_of(inner, EPOLLIN), p[2];
	struct epoll_event ev = {.events = EPOLLIN}, got;
	int began;

	if (pipe(p) || epoll_ctl(inner, EPOLL_CTL_MOD, fd, &ev) || epoll_ctl(outer, EPOLL_CTL_MOD, inner, &ev) ||
	    epoll_ctl(outer, EPOLL_CTL_ADD, p[0], &ev))
		exit(2);
	began = now_ms();
	ask(fd);
	say("written", write(p[1], "x", 1));
	say("ready", epoll_wait(outer, &got, 1, 3000));
	say("again", epoll_wait(outer, &got, 1, 3000));
	SAY("%d", "at_once", now_ms() - began < 250);
	say("pipe", read(p[0], &(char){0}, 1));
	say("then", epoll_wait(outer, &got, 1, 3000));
	say_read("read", fd);
}

static void nested_poll(void)
{
	int fd = must_dial(), inner = set_of(fd, EPOLLIN);

	asked_and_looked_into(IN_POLL, fd, inner, -1);
	say_read("read", fd);
	say_poll("nothing", inner, POLLIN, 0);
	asked_and_looked_into(IN_SELECT, fd, inner, -1);
	say_read("read", fd);
}

static void fine(void)
{
	const struct timespec short_time = {0, 50000000}, long_time = {3, 0};
	struct epoll_event ev;
	int fd = must_dial(), ep = set_of(fd, EPOLLIN | EPOLLRDHUP);

	ask(fd);
	say("at_once", epoll_pwait2(ep, &ev, 1, &short_time, NULL));
	say("late", epoll_pwait2(ep, &ev, 1, &long_time, NULL));
	SAY("%x", "bits", ev.events);
	say_read("read", fd);
}

/* Who is changed to wait for output, and back, while the answer is late. */
static void modified(void)
{
	struct epoll_event out = {.events = EPOLLOUT}, in = {.events = EPOLLIN | EPOLLET}, none = {.events = 0};
	int fd = must_dial(), ep = set_of(fd, EPOLLIN);

	ask(fd);
	say("out", epoll_ctl(ep, EPOLL_CTL_MOD, fd, &out));
	say_events("writable", ep, 1000);
	say("none", epoll_ctl(ep, EPOLL_CTL_MOD, fd, &none));
	say_events("none", ep, 500);
	say("in", epoll_ctl(ep, EPOLL_CTL_MOD, fd, &in));
	say_events("readable", ep, 3000);
	say_events("once", ep, 0);
	say_read("read", fd);
}

/* ---- bits ---- */

static void bits(void)
{
	int fd = asked();

	say_poll("none", fd, 0, 50);
	say_poll("out", fd, POLLIN | POLLOUT | POLLWRNORM | POLLRDHUP | POLLPRI, 0);
	say_poll("normal", fd, POLLRDNORM | POLLRDBAND | POLLPRI | POLLRDHUP, 3000);
	say_read("read", fd);
}

static void sets(void)
{
	fd_set in, out, urgent;
	int fd = asked();

	for (int i = 0; i < 2; i++) {
		FD_ZERO(&in);
		FD_ZERO(&out);
		FD_ZERO(&urgent);
		FD_SET(fd, &in);
		FD_SET(fd, &urgent);
		if (!i)
			FD_SET(fd, &out);
		say("ready", select(fd + 1, &in, &out, &urgent, &(struct timeval){3, 0}));
		SAY("%d%d%d", "sets", FD_ISSET(fd, &in), FD_ISSET(fd, &out), FD_ISSET(fd, &urgent));
	}
	say_read("read", fd);
}

static void looked_at(void)
{
	struct tcp_info info;
	struct sockaddr_in peer;
	socklen_t len = sizeof(info), size = sizeof(peer);
	int fd = asked(), n = -1, error = -1, old = fcntl(fd, F_GETFL);

	say("bytes", ioctl(fd, FIONREAD, &n) ? -1 : n);
	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	SAY("%d", "state", info.tcpi_state);
	len = sizeof(error);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	SAY("%d", "error", error);
	say("peer", getpeername(fd, (struct sockaddr *)&peer, &size));
	SAY("%d", "port", peer.sin_port == server.sin_port);
	say("set", fcntl(fd, F_SETFL, old | O_NONBLOCK));
	say("read", recv(fd, buf, sizeof(buf), 0));
	say("reset", ioctl(fd, FIONBIO, &(int){0}));
	say("flags", fcntl(fd, F_GETFL) == old);
	SAY("%d", "late", recv(fd, buf, sizeof(buf), 0) > 0);
}

/* ---- descriptors ---- */

/* Sends a descriptor over a socket pair of its own, as to another process. */
static int passed(int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec one = {buf, 1};
	struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int pair[2], got;

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || sendmsg(pair[0], &m, 0) != 1)
		exit(2);
	close(fd);
	memset(&control, 0, sizeof(control));
	if (recvmsg(pair[1], &m, 0) != 1)
		exit(2);
	memcpy(&got, CMSG_DATA(&control.header), sizeof(got));
	close(pair[0]);
	close(pair[1]);
	return got;
}

static void handed_on(void)
{
	int fd = passed(must_dial());

	ask(fd);
	say_read("at_once", fd);
	say_poll("late", fd, POLLIN, 3000);
	say_read("read", fd);
}

static void handed_on_asked(void)
{
	int fd = passed(asked());

	say_poll("late", fd, POLLIN, 3000);
	say_read("read", fd);
	ask(fd);
	say_read("at_once", fd);
	say_poll("late", fd, POLLIN, 3000);
	say_read("read", fd);
}

static void duplicate(void)
{
	int fd = must_dial(), copy = dup(fd), ep = set_of(copy, EPOLLIN);

	ask(fd);
	say_read("at_once", copy);
	close(fd);
	say_events("late", ep, 3000);
	say_read("read", copy);
	ask(copy);
	close(copy);
	copy = asked();
	say_events("gone", ep, 500);
	say_poll("another", copy, POLLIN, 3000);
}

/* ---- another thread ---- */

static int shared;

static void *shuts(void *how)
{
	usleep(100000);
	shutdown(shared, *(int *)how);
	return NULL;
}

static void ended_by(int how, bool polls)
{
	pthread_t thread;

	shared = asked();
	pthread_create(&thread, NULL, shuts, &how);
	if (polls)
		say_poll("polled", shared, POLLIN | POLLRDHUP, 3000);
	else
		say("read", recv(shared, buf, sizeof(buf), 0));
	pthread_join(thread, NULL);
	close(shared);
}

static void ended(void)
{
	ended_by(SHUT_RD, false);
	ended_by(SHUT_RDWR, false);
}

static void ended_polled(void)
{
	ended_by(SHUT_RDWR, true);
	ended_by(SHUT_RD, true);
}

static void *asks(void *unused)
{
	usleep(100000);
	ask(shared);
	return unused;
}

static void asked_meanwhile(void)
{
	pthread_t thread;
	int ep;

	shared = must_dial();
	ep = set_of(shared, EPOLLIN);
	pthread_create(&thread, NULL, asks, NULL);
	say_events("late", ep, 3000);
	pthread_join(thread, NULL);
	say_read("read", shared);
	pthread_create(&thread, NULL, asks, NULL);
	SAY("%d", "received", read(shared, buf, sizeof(buf)) > 0);
	pthread_join(thread, NULL);
}

static void *receives(void *fd)
{
	char some[100];

	return read(*(int *)fd, some, sizeof(some)) < 0 ? fd : NULL;
}

/* Another thread closes the descriptor, and its number becomes another file's, while a receive on it is held. */
static void renumbered(void)
{
	pthread_t thread;
	int fd = asked(), number = fd, other[2];

	pthread_create(&thread, NULL, receives, &fd);
	usleep(100000);
	close(fd);
	if (pipe(other) || write(other[1], "of another file", 15) != 15)
		exit(3);
	pthread_join(thread, NULL);
	fcntl(other[0], F_SETFL, O_NONBLOCK);
	SAY("%d", "same", other[0] == number);
	say("left", read(other[0], buf, sizeof(buf)));
}

static const struct victim_case cases[] = {
	{"exclusive", exclusive}, {"nested", nested}, {"nested_edge", nested_edge}, {"nested_deep", nested_deep},
	{"nested_beside", nested_beside}, {"nested_poll", nested_poll},
	{"fine", fine}, {"modified", modified}, {"bits", bits}, {"sets", sets}, {"looked_at", looked_at}, {"handed_on", handed_on},
	{"handed_on_asked", handed_on_asked}, {"duplicate", duplicate}, {"ended", ended}, {"ended_polled", ended_polled},
	{"asked_meanwhile", asked_meanwhile}, {"renumbered", renumbered},
};

int main(int argc, char **argv)
{
	return victim_run(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
