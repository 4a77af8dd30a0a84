/* SPDX-License-Identifier: MIT */
/*
 * rate PORT REQUESTS_PER_S SECONDS CONNECTIONS: GET / at a fixed rate, whatever the server does (an open loop). The time of a request counts
 * from when it was due, not from when a connection was free for it, so that a stall is not left out (coordinated omission).
 * Prints: requests answered, seconds, then microseconds from due to the last byte of the answer: p50 p90 p99 p99.9 max; then how many
 * began more than a millisecond after they were due.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/hist.h"

#define CONNECTIONS_MAX 512
#define LATE_NS 1000000

static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

struct client {
	int fd;
	uint64_t due_ns;	/* of the request under way; 0: none */
	size_t left;		/* bytes of its answer to come; SIZE_MAX: its head is not whole */
	char head[4096];
	size_t head_len;
};

static struct client clients[CONNECTIONS_MAX];
static unsigned idle[CONNECTIONS_MAX], idle_count;
static uint64_t counts[HIST_BUCKETS], answered, late, worst_ns;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void dial(unsigned i, uint16_t port, int set)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl");
	clients[i].fd = fd;
	idle[idle_count++] = i;
}

static void ask(uint64_t due_ns, uint64_t now)
{
	struct client *c = &clients[idle[--idle_count]];

	c->due_ns = due_ns;
	c->left = SIZE_MAX;
	c->head_len = 0;
	late += now - due_ns > LATE_NS;
	if (send(c->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1)
		die("send");
}

static void done(unsigned i)
{
	uint64_t ns = now_ns() - clients[i].due_ns;

	counts[hist_index(ns)]++;
	worst_ns = ns > worst_ns ? ns : worst_ns;
	answered++;
	clients[i].due_ns = 0;
	idle[idle_count++] = i;
}

/* Bytes of the answer that are still to come once its head is whole. */
static size_t body_left(const struct client *c, const char *end)
{
	const char *length = strcasestr(c->head, "\r\ncontent-length:");
	size_t have = c->head_len - (size_t)(end + 4 - c->head);

	if (!length || strncmp(c->head, "HTTP/1.1 200", 12)) {
		fprintf(stderr, "the answer is not 200 with a Content-Length: %.60s\n", c->head);
		exit(1);
	}
	return strtoul(length + 17, NULL, 10) - have;
}

static void take(unsigned i)
{
	struct client *c = &clients[i];
	char body[65536];
	bool in_head = c->left == SIZE_MAX;
	ssize_t n = in_head ? recv(c->fd, c->head + c->head_len, sizeof(c->head) - 1 - c->head_len, 0) : recv(c->fd, body, sizeof(body), 0);
	const char *end;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || !c->due_ns)
		die("recv");
	if (!in_head) {
		c->left -= (size_t)n;
	} else {
		c->head_len += (size_t)n;
		c->head[c->head_len] = '\0';
		end = strstr(c->head, "\r\n\r\n");
		c->left = end ? body_left(c, end) : SIZE_MAX;
	}
	if (!c->left)
		done(i);
}

static double at(double share)
{
	uint64_t rank = (uint64_t)(share * (double)answered), seen = 0;

	for (unsigned b = 0; b < HIST_BUCKETS; b++) {
		seen += counts[b];
		if (seen > rank)
			return (double)hist_upper_ns(b) / 1e3;
	}
	return (double)worst_ns / 1e3;
}

int main(int argc, char **argv)
{
	double rate = argc == 5 ? atof(argv[2]) : 0;
	uint64_t total = rate > 0 ? (uint64_t)(rate * atof(argv[3])) : 0, sent = 0, start;
	unsigned n = argc == 5 ? (unsigned)atoi(argv[4]) : 0;
	int set = epoll_create1(EPOLL_CLOEXEC);

	if (!total || !n || n > CONNECTIONS_MAX) {
		fprintf(stderr, "usage: rate PORT REQUESTS_PER_S SECONDS CONNECTIONS (1..%d)\n", CONNECTIONS_MAX);
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1);
	for (unsigned i = 0; i < n; i++)
		dial(i, (uint16_t)atoi(argv[1]), set);
	start = now_ns();
	while (answered < total) {
		uint64_t due = start + (uint64_t)((double)sent * 1e9 / rate), now = now_ns(), wait;
		struct epoll_event evs[64];
		struct timespec t;
		int got;

		while (sent < total && due <= now && idle_count) {
			ask(due, now);
			sent++;
			due = start + (uint64_t)((double)sent * 1e9 / rate);
		}
		wait = sent < total && idle_count ? due > now ? due - now : 0 : 1000000000u;
		t = (struct timespec){(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
		got = epoll_pwait2(set, evs, 64, &t, NULL);
		for (int i = 0; i < got; i++)
			take(evs[i].data.u32);
	}
	printf("%llu %.6f %.1f %.1f %.1f %.1f %.1f %llu\n", (unsigned long long)answered, (double)(now_ns() - start) / 1e9, at(.5), at(.9), at(.99),
	       at(.999), (double)worst_ns / 1e3, (unsigned long long)late);
	return 0;
}
