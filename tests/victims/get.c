/* SPDX-License-Identifier: MIT */
/*
 * One HTTP request, told step by step: get STYLE PORT [TIMEOUT_MS [REQUEST]].
 * STYLE is how it waits: blocking, timeo (blocking with SO_RCVTIMEO), poll, select, epoll (level), edge (EPOLLET).
 * Prints one line of key=value: what each call said, so that a line can be compared with the line of another world.
 * Exit 0 whatever happened; 2 misuse.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum style { BLOCKING, TIMEO, POLL, SELECT, EPOLL, EDGE, STYLES };

static const char *const styles[STYLES] = {"blocking", "timeo", "poll", "select", "epoll", "edge"};

static enum style style;
static int fd, set = -1, timeout_ms = 5000;
static unsigned wakes;		/* times a wait said "ready" */

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return 1e3 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-3 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static int wait_select(bool out, int ms)
{
	struct timeval t = {ms / 1000, ms % 1000 * 1000};
	fd_set s;

	FD_ZERO(&s);
	FD_SET(fd, &s);
	return select(fd + 1, out ? NULL : &s, out ? &s : NULL, NULL, &t);
}

/* As event loops do: registered once for both directions; an edge is taken when it comes. */
static int wait_epoll(bool out, int ms)
{
	uint32_t mode = style == EDGE ? EPOLLET | EPOLLIN | EPOLLOUT | EPOLLRDHUP : (uint32_t)(out ? EPOLLOUT : EPOLLIN | EPOLLRDHUP);
	struct epoll_event e = {.events = mode, .data.fd = fd};
	bool fresh = set < 0;

	if (fresh)
		set = epoll_create1(EPOLL_CLOEXEC);
	if ((fresh || style == EPOLL) && epoll_ctl(set, fresh ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &e))
		return -1;
	return epoll_wait(set, &e, 1, ms);
}

/* > 0 ready, 0 timed out, < 0 error. */
static int wait_ready(bool out, int ms)
{
	struct pollfd p = {.fd = fd, .events = out ? POLLOUT : POLLIN};
	int n;

	if (ms < 0)
		ms = 0;
	n = style == POLL ? poll(&p, 1, ms) : style == SELECT ? wait_select(out, ms) : wait_epoll(out, ms);
	wakes += n > 0;
	return n;
}

static const char *said(ssize_t n)
{
	static char text[4][32];
	static unsigned turn;
	char *t = text[turn++ % 4];

	if (n < 0)
		return strerrorname_np(errno);
	snprintf(t, sizeof(*text), "%zd", n);
	return t;
}

/* 0, or the errno of the connection's failure. */
static int do_connect(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(int);
	int err = 0;

	if (!connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	if (wait_ready(true, timeout_ms) <= 0)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) ? errno : err;
}

/* recv that waits as the style does, up to the deadline. -1 with EAGAIN: timed out. */
static ssize_t do_recv(char *buf, size_t room, double deadline)
{
	for (;;) {
		ssize_t n = recv(fd, buf, room, 0);

		if (n >= 0 || errno != EAGAIN || style == BLOCKING || style == TIMEO)
			return n;
		if (wait_ready(false, (int)(deadline - now_ms() + 0.999)) <= 0) {
			errno = EAGAIN;
			return -1;
		}
	}
}

/* Whether head and body (Content-Length) are there. */
static bool complete(const char *answer, size_t n)
{
	const char *body = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "Content-Length:");

	return body && length && n >= (size_t)(body + 4 - answer) + (size_t)atol(length + 15);
}

static long body;		/* bytes of the answer behind its head; -1: no whole head came */

/* What stopped it: the answer's status, or how the last recv ended. */
static const char *read_answer(double deadline)
{
	static char answer[65536], status[4];
	const char *end = "eof", *blank;
	size_t got = 0;

	while (!complete(answer, got)) {
		ssize_t n = do_recv(answer + got, sizeof(answer) - 1 - got, deadline);

		if (n < 0)
			end = said(n);
		if (n <= 0)
			break;
		got += (size_t)n;
		answer[got] = '\0';
	}
	blank = strstr(answer, "\r\n\r\n");
	body = blank ? (long)got - (blank + 4 - answer) : -1;
	if (!complete(answer, got))
		return end;
	memcpy(status, answer + 9, 3);
	return status;
}

static const char *pending_error(void)
{
	socklen_t n = sizeof(int);
	int err = 0;

	return !getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) && err ? strerrorname_np(err) : "0";
}

/* What poll says of the connection, as hexadecimal bits. */
static unsigned bits(short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	poll(&p, 1, ms);
	return (unsigned)p.revents;
}

/* What follows the connection's end. A peer that has closed answers what it is still sent with a RST. */
static void tell_after(void)
{
	char c;

	printf("bits=%x ", bits(POLLIN | POLLOUT | POLLRDHUP, 0));
	printf("recv2=%s ", said(recv(fd, &c, 1, MSG_DONTWAIT)));
	printf("send2=%s ", said(send(fd, "x", 1, MSG_NOSIGNAL)));
	printf("bits2=%x ", bits(0, 1000));
	printf("recv3=%s ", said(recv(fd, &c, 1, MSG_DONTWAIT)));
	printf("send3=%s ", said(send(fd, "x", 1, MSG_NOSIGNAL)));
	printf("so_error3=%s ", pending_error());
}

static void talk(const char *request)
{
	double began = now_ms(), cpu = cpu_ms(), took;
	const char *answer;

	wakes = 0;
	printf("sent=%s ", said(send(fd, request, strlen(request), MSG_NOSIGNAL)));
	answer = read_answer(began + timeout_ms);
	took = now_ms() - began;
	cpu = cpu_ms() - cpu;
	printf("answer=%s body=%ld so_error=%s ", answer, body, pending_error());
	if (strcmp(answer, "EAGAIN") && (answer[0] == 'E' || answer[0] == 'e'))
		tell_after();
	printf("wakes=%u ms=%.1f cpu_ms=%.1f\n", wakes, took, cpu);
}

static int misuse(void)
{
	fprintf(stderr, "usage: get blocking|timeo|poll|select|epoll|edge PORT [TIMEOUT_MS [REQUEST]]\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct timeval limit;
	double began;
	int err;

	while (argc > 2 && style < STYLES && strcmp(argv[1], styles[style]))
		style++;
	if (argc < 3 || style == STYLES)
		return misuse();
	if (argc > 3)
		timeout_ms = atoi(argv[3]);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (style > TIMEO ? SOCK_NONBLOCK : 0), 0);
	limit = (struct timeval){timeout_ms / 1000, timeout_ms % 1000 * 1000};
	if (style == TIMEO && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		return 2;
	began = now_ms();
	err = do_connect((uint16_t)atoi(argv[2]));
	printf("connect=%s connect_ms=%.1f ", err ? strerrorname_np(err) : "0", now_ms() - began);
	if (err)
		printf("\n");
	else
		talk(argc > 4 ? argv[4] : "GET /victim HTTP/1.1\r\nHost: victim\r\n\r\n");
	close(fd);
	return 0;
}
