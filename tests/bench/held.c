/* SPDX-License-Identifier: MIT */
/*
 * held blocking|poll|epoll CONNECTIONS SECONDS DELAY_MS PORT: how late answers are, as a program sees it. Each connection
 * asks 127.0.0.1:PORT, waits for the answer, rests for a moment of its own (so that deadlines do not meet) and asks
 * again. Prints a line per answer: the time from question to answer less DELAY_MS, in us.
 *
 * held serve DELAY_MS: the other end. Prints its port, answers each question after DELAY_MS (0: at once) until it is killed: a
 * peer that really is slow.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000ull
#define BYTES 32
#define MAX 2000	/* connections */
#define SAMPLES (1u << 20)
#define ANSWERS (1u << 16)

struct asker {
	int fd;
	uint64_t asked_ns;	/* 0: resting */
	uint64_t rest_until_ns;
	uint32_t dice;
};

static struct asker askers[MAX];
static int count;
static uint64_t delay_ns, end_ns;
static int32_t samples[SAMPLES];	/* us */
static _Atomic uint32_t sampled;

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* ---- asking ---- */

static void ask(struct asker *a)
{
	char question[BYTES] = "?";

	a->asked_ns = now_ns();
	check(send(a->fd, question, BYTES, MSG_NOSIGNAL) == BYTES, "send");
}

/* Between none and all of the delay. */
static void rest(struct asker *a, uint64_t now)
{
	a->dice = a->dice * 1103515245u + 12345u;
	a->asked_ns = 0;
	a->rest_until_ns = now + delay_ns * (a->dice >> 8 & 0xffff) / 0xffff;
}

/* False: there was nothing to read yet. */
static int take(struct asker *a, int flags)
{
	char answer[BYTES];
	ssize_t n = recv(a->fd, answer, BYTES, flags);
	uint64_t now = now_ns();
	uint32_t i;

	if (n < 0 && errno == EAGAIN)
		return 0;
	check(n == BYTES, "recv");
	i = atomic_fetch_add(&sampled, 1);
	if (i < SAMPLES)
		samples[i] = (int32_t)((int64_t)(now - a->asked_ns - delay_ns) / 1000);
	rest(a, now);
	return 1;
}

static void sleep_until(uint64_t at)
{
	struct timespec t = {(time_t)(at / 1000000000ull), (long)(at % 1000000000ull)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void *block(void *arg)
{
	struct asker *a = arg;

	while (now_ns() < end_ns) {
		sleep_until(a->rest_until_ns);
		ask(a);
		take(a, 0);
	}
	return NULL;
}

static void blocking(void)
{
	pthread_t threads[MAX];
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (int i = 0; i < count; i++)
		check(!pthread_create(&threads[i], &small, block, &askers[i]), "pthread_create");
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

/* Asks for those who have rested; returns when the next one has. */
static uint64_t ask_the_rested(void)
{
	uint64_t next = end_ns, now = now_ns();

	for (int i = 0; i < count; i++) {
		struct asker *a = &askers[i];

		if (!a->asked_ns && a->rest_until_ns <= now)
			ask(a);
		else if (!a->asked_ns && a->rest_until_ns < next)
			next = a->rest_until_ns;
	}
	return next;
}

static struct timespec until(uint64_t at)
{
	uint64_t now = now_ns(), left = at > now ? at - now : 0;

	return (struct timespec){(time_t)(left / 1000000000ull), (long)(left % 1000000000ull)};
}

static void polling(void)
{
	static struct pollfd fds[MAX];

	for (int i = 0; i < count; i++)
		fds[i] = (struct pollfd){.fd = askers[i].fd, .events = POLLIN};
	while (now_ns() < end_ns) {
		struct timespec t = until(ask_the_rested());

		check(ppoll(fds, (nfds_t)count, &t, NULL) >= 0, "ppoll");
		for (int i = 0; i < count; i++)
			if (fds[i].revents)
				take(&askers[i], MSG_DONTWAIT);
	}
}

static void epolling(void)
{
	struct epoll_event evs[64];
	int ep = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < count; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (uint32_t)i};

		check(!epoll_ctl(ep, EPOLL_CTL_ADD, askers[i].fd, &ev), "epoll_ctl");
	}
	while (now_ns() < end_ns) {
		struct timespec t = until(ask_the_rested());
		int n = epoll_pwait2(ep, evs, 64, &t, NULL);

		check(n >= 0, "epoll_pwait2");
		for (int i = 0; i < n; i++)
			take(&askers[evs[i].data.u32], MSG_DONTWAIT);
	}
}

static int dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	check(fd >= 0, "socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	check(!connect(fd, (struct sockaddr *)&to, sizeof(to)), "connect");
	return fd;
}

static int measure(const char *how, int connections, double seconds, double delay_ms, int port)
{
	check(connections > 0 && connections <= MAX, "at most 2000 connections");
	count = connections;
	delay_ns = (uint64_t)(delay_ms * (double)MS);
	for (int i = 0; i < count; i++) {
		askers[i] = (struct asker){.fd = dial(port), .dice = (uint32_t)i * 2654435761u + 1};
		rest(&askers[i], now_ns());
	}
	end_ns = now_ns() + (uint64_t)(seconds * 1e9);
	if (*how == 'b')
		blocking();
	else if (*how == 'p')
		polling();
	else
		epolling();
	for (uint32_t i = 0; i < sampled && i < SAMPLES; i++)
		printf("%d\n", samples[i]);
	return 0;
}

/* ---- answering: all questions wait equally long, so their order is that of their deadlines ---- */

static struct {
	uint64_t due_ns;
	int fd;
} queue[ANSWERS];
static uint32_t first, last;

static void answer_the_due(uint64_t now)
{
	char answer[BYTES] = "!";

	for (; first != last && queue[first % ANSWERS].due_ns <= now; first++)
		send(queue[first % ANSWERS].fd, answer, BYTES, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void hear(int ep, int fd)
{
	char question[BYTES];
	struct epoll_event ev = {0};

	if (recv(fd, question, BYTES, MSG_DONTWAIT) > 0) {
		queue[last % ANSWERS].due_ns = now_ns() + delay_ns;
		queue[last++ % ANSWERS].fd = fd;
		return;
	}
	epoll_ctl(ep, EPOLL_CTL_DEL, fd, &ev);
	close(fd);
}

static void let_in(int ep, int door)
{
	int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC), on = 1;
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static int open_door(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(a);
	int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(!bind(door, (struct sockaddr *)&a, len) && !listen(door, MAX), "listen");
	getsockname(door, (struct sockaddr *)&a, &len);
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	return door;
}

static void serve(double delay_ms)
{
	int door = open_door(), ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event evs[64], ev = {.events = EPOLLIN, .data.fd = door};

	delay_ns = (uint64_t)(delay_ms * (double)MS);
	check(!epoll_ctl(ep, EPOLL_CTL_ADD, door, &ev), "epoll_ctl");
	for (;;) {
		struct timespec t = until(first != last ? queue[first % ANSWERS].due_ns : UINT64_MAX);
		int n = epoll_pwait2(ep, evs, 64, first != last ? &t : NULL, NULL);

		for (int i = 0; i < n; i++)
			if (evs[i].data.fd == door)
				let_in(ep, door);
			else
				hear(ep, evs[i].data.fd);
		answer_the_due(now_ns());
	}
}

int main(int argc, char **argv)
{
	struct rlimit files = {8192, 8192};

	setrlimit(RLIMIT_NOFILE, &files);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(atof(argv[2]));
	if (argc == 6)
		return measure(argv[1], atoi(argv[2]), atof(argv[3]), atof(argv[4]), atoi(argv[5]));
	fputs("usage: held blocking|poll|epoll CONNECTIONS SECONDS DELAY_MS PORT | held serve DELAY_MS\n", stderr);
	return 2;
}
