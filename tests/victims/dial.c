/* SPDX-License-Identifier: MIT */
/*
 * One connect, told step by step: dial STYLE WHERE [TIMEOUT_MS [HOW]]. WHERE is a port on 127.0.0.1, a port on ::1 written
 * 6:PORT, or a path.
 * STYLE is how it waits: blocking, timeo (blocking with SO_SNDTIMEO), poll, select, epoll (level), edge (EPOLLET), oneshot (EPOLLONESHOT),
 * nested (an epoll set in another).
 * HOW: `end` asks nothing before the connection's end has come (or a second passed), which a peer that fails it sends at some moment;
 * `interrupt` and `restart` get a signal after 200 ms, whose handler lets the call end or go on (SA_RESTART).
 * Prints one line of key=value: what each call said while the connect was under way and afterwards, so that a line can be compared with the
 * line of another world. Exit 0 whatever happened; 2 misuse.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum style { BLOCKING, TIMEO, POLL, SELECT, EPOLL, EDGE, ONESHOT, NESTED, STYLES };

static const char *const styles[STYLES] = {"blocking", "timeo", "poll", "select", "epoll", "edge", "oneshot", "nested"};

static enum style style;
static int fd, timeout_ms = 5000;
static bool await_end;
static const char *how = "";
static struct sockaddr_storage where;
static socklen_t where_len;

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

static void tell(const char *key, ssize_t n)
{
	if (n < 0)
		printf("%s=%s ", key, strerrorname_np(errno));
	else
		printf("%s=%zd ", key, n);
}

static int again(void)
{
	return connect(fd, (struct sockaddr *)&where, where_len);
}

static void tell_error(const char *key)
{
	socklen_t n = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n))
		error = errno;
	printf("%s=%s ", key, error ? strerrorname_np(error) : "0");
}

static void tell_ready(const char *key)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

	poll(&p, 1, 0);
	printf("%s=%#x ", key, (unsigned)p.revents);
}

/* What a program can ask while the outcome is not there. */
static void tell_pending(void)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	char c;

	tell_ready("ready");
	tell_error("error");
	tell("peer", getpeername(fd, (struct sockaddr *)&ss, &n));
	tell("send", send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
	tell("recv", recv(fd, &c, 1, MSG_DONTWAIT));
	if (style > TIMEO)
		tell("again", again());
}

static void wait_poll(int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
	int n = poll(&p, 1, ms);

	printf("wait=%d:%#x ", n, (unsigned)p.revents);
}

static void wait_select(int ms)
{
	struct timeval t = {ms / 1000, ms % 1000 * 1000};
	fd_set r, w;

	FD_ZERO(&r);
	FD_SET(fd, &r);
	w = r;
	int n = select(fd + 1, &r, &w, NULL, &t);
	printf("wait=%d:%d%d ", n, FD_ISSET(fd, &r), FD_ISSET(fd, &w));
}

static void wait_epoll(int set, int ms)
{
	struct epoll_event e = {0};
	int n = epoll_wait(set, &e, 1, ms);

	printf("wait=%d:%#x:%d ", n, n > 0 ? e.events : 0, n > 0 && e.data.fd == fd);
}

static void wait_end(void)
{
	struct pollfd p = {.fd = fd};

	poll(&p, 1, 1000);
}

static int watched(void)
{
	uint32_t mode = style == EDGE ? EPOLLET : style == ONESHOT ? EPOLLONESHOT : 0;
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | mode, .data.fd = fd};
	int set = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &e))
		exit(2);
	return set;
}

static void wait_nested(int set, int ms)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = set};
	int outer = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_ctl(outer, EPOLL_CTL_ADD, set, &e))
		exit(2);
	double end = now_ms() + ms;
	int n;

	/* An outer event without an inner one is nothing that a program may trip over. */
	while ((n = epoll_wait(outer, &e, 1, (int)(end - now_ms()))) > 0) {
		n = epoll_wait(set, &e, 1, 0);
		if (n)
			break;
	}
	printf("wait=%d:%#x:%d ", n, n > 0 ? e.events : 0, n > 0 && e.data.fd == fd);
}

static void wait_outcome(int set, int ms)
{
	if (style == POLL)
		wait_poll(ms);
	else if (style == SELECT)
		wait_select(ms);
	else if (style == NESTED)
		wait_nested(set, ms);
	else
		wait_epoll(set, ms);
}

/* Whether what came can be used. */
static void tell_outcome(void)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	char c;

	tell_error("error2");
	tell("peer2", getpeername(fd, (struct sockaddr *)&ss, &n));
	tell("send2", send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
	tell("recv2", recv(fd, &c, 1, MSG_DONTWAIT));
	tell("send3", send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
	tell("again2", again());
}

static bool parse_where(const char *text)
{
	struct sockaddr_in *v4 = (void *)&where;
	struct sockaddr_in6 *v6 = (void *)&where;
	struct sockaddr_un *un = (void *)&where;

	if (strchr(text, '/')) {
		un->sun_family = AF_UNIX;
		snprintf(un->sun_path, sizeof(un->sun_path), "%s", text);
		where_len = sizeof(*un);
	} else if (!strncmp(text, "6:", 2)) {
		*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(text + 2)), .sin6_addr = in6addr_loopback};
		where_len = sizeof(*v6);
	} else {
		*v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(text)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		where_len = sizeof(*v4);
	}
	return where_len;
}

static void wake(int number)
{
}

static void expect_signal(void)
{
	struct sigaction act = {.sa_handler = wake, .sa_flags = !strcmp(how, "restart") ? SA_RESTART : 0};
	struct itimerval soon = {.it_value = {0, 200000}};

	if (!*how || await_end)
		return;

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
}

static void dial(void)
{
	double began = now_ms(), cpu = cpu_ms(), ms;
	int set = style >= EPOLL ? watched() : -1, r;
	bool pending;

	expect_signal();
	r = again();
	pending = r < 0 && errno == EINPROGRESS;
	ms = now_ms() - began;
	tell("connect", r);
	if (pending && !await_end)
		tell_pending();
	if (await_end)
		wait_end();
	if (pending && style > TIMEO) {
		wait_outcome(set, (int)(began + timeout_ms - now_ms()));
		ms = now_ms() - began;
		if (style == ONESHOT)
			wait_epoll(set, 0);
	}
	tell_ready("ready2");
	tell_outcome();
	printf("ms=%.1f cpu_ms=%.1f\n", ms, cpu_ms() - cpu);
}

int main(int argc, char **argv)
{
	struct timeval limit;

	while (argc > 2 && style < STYLES && strcmp(argv[1], styles[style]))
		style++;
	if (argc < 3 || style == STYLES || !parse_where(argv[2])) {
		fprintf(stderr, "usage: dial blocking|timeo|poll|select|epoll|edge|oneshot|nested WHERE [TIMEOUT_MS [end|interrupt|restart]]\n");
		return 2;
	}
	if (argc > 3)
		timeout_ms = atoi(argv[3]);
	how = argc > 4 ? argv[4] : "";
	await_end = !strcmp(how, "end");
	fd = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC | (style > TIMEO ? SOCK_NONBLOCK : 0), 0);
	limit = (struct timeval){timeout_ms / 1000, timeout_ms % 1000 * 1000};
	if (style == TIMEO && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
		return 2;
	dial();
	close(fd);
	return 0;
}
