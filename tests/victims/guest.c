/* SPDX-License-Identifier: MIT */
/*
 * What odd but lawful programs do with a socket: guest CASE PORT. Each case talks HTTP to PORT on loopback (server cases listen there) and
 * prints one line of key=value that must be the same with and without the library, but for times. Exit 0; 2 misuse.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ODD_DATA 0x1234

static const char request[] = "GET /guest HTTP/1.1\r\nHost: guest\r\n\r\n";
static char buf[65536];
static uint16_t port;

static int now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static int cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (int)((u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000);
}

static struct sockaddr_in loopback(uint16_t p)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(p), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int dial(int flags)
{
	struct sockaddr_in to = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0);

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)
		exit(2);
	return fd;
}

static void ask(int fd)
{
	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		exit(2);
}

static int wait_for(int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, ms);
}

/* The status of the answer that can be read within two seconds; 0 none. */
static int answer(int fd)
{
	ssize_t n = wait_for(fd, POLLIN, 2000) > 0 ? recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT) : -1;

	buf[n > 0 ? n : 0] = '\0';
	return n > 12 ? atoi(buf + 9) : 0;
}

/* Writes as soon as the socket is writable and never asks for SO_ERROR (as wrk does). */
static void eager(void)
{
	int fd = dial(SOCK_NONBLOCK);

	wait_for(fd, POLLOUT, 2000);
	ask(fd);
	printf("status=%d\n", answer(fd));
}

static void *reader(void *arg)
{
	int began = now_ms();
	ssize_t n = recv(*(int *)arg, buf, sizeof(buf), 0);

	printf("read=%d ms=%d\n", n > 0, now_ms() - began);
	return NULL;
}

/* One thread waits in recv before another sends the request. */
static void early_reader(void)
{
	int fd = dial(0);
	pthread_t t;

	pthread_create(&t, NULL, reader, &fd);
	usleep(100000);	/* a thread's being inside recv shows nowhere; too short only makes the case easier */
	ask(fd);
	pthread_join(t, NULL);
}

static void fionread(void)
{
	int fd = dial(0), n = 0, began = now_ms();

	ask(fd);
	while (!n && now_ms() - began < 2000 && !ioctl(fd, FIONREAD, &n))
		usleep(1000);
	printf("bytes=%d ms=%d\n", n > 0, now_ms() - began);
}

/* A request head in more vectors than fit a small array. */
static void many_vectors(void)
{
	static const char first[] = "GET /guest HTTP/1.1\r\n", line[] = "X-Filler: x\r\n", last[] = "Host: guest\r\n\r\n";
	struct iovec v[40];
	int fd = dial(0);

	for (int i = 0; i < 40; i++)
		v[i] = (struct iovec){(char *)line, sizeof(line) - 1};
	v[0] = (struct iovec){(char *)first, sizeof(first) - 1};
	v[39] = (struct iovec){(char *)last, sizeof(last) - 1};
	if (writev(fd, v, 40) < 0)
		exit(2);
	printf("status=%d\n", answer(fd));
}

/* The registered descriptor is closed, a duplicate is not: the kernel goes on reporting it. */
static void closed_duplicate(void)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = ODD_DATA};
	int fd = dial(0), copy = dup(fd), ep = epoll_create1(0), cpu, n;

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	close(fd);
	ask(copy);
	cpu = cpu_ms();
	n = epoll_wait(ep, &e, 1, 1000);
	printf("events=%d own_data=%d cpu=%d\n", n, e.data.u64 == ODD_DATA, cpu_ms() - cpu);
}

/* Waits for a hang-up only, while an answer lies there unread. */
static void hangup_only(void)
{
	int fd = dial(0), cpu, n;

	ask(fd);
	wait_for(fd, POLLIN, 2000);
	cpu = cpu_ms();
	n = wait_for(fd, POLLRDHUP, 500);
	printf("events=%d cpu=%d\n", n, cpu_ms() - cpu);
}

/* EPOLLONESHOT is one shot, whatever becomes ready. */
static void one_shot(void)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLONESHOT};
	int fd = dial(0), ep = epoll_create1(0), n, again;

	ask(fd);
	wait_for(fd, POLLIN, 2000);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	n = epoll_wait(ep, &e, 1, 1000);
	again = epoll_wait(ep, &e, 1, 200);
	printf("first=%d second=%d\n", n, again);
}

/* The stream that owns the socket is closed; a file gets its number. */
static void stream_close(void)
{
	int fd = dial(0), file;
	FILE *f = fdopen(fd, "r+");

	ask(fd);
	answer(fd);
	fclose(f);
	file = fileno(tmpfile());
	ssize_t n = write(file, request, sizeof(request) - 1);
	printf("reused=%d written=%zd size=%ld\n", file == fd, n, (long)lseek(file, 0, SEEK_END));
}

/* recv of no bytes waits for data like any other. */
static void receive_nothing(void)
{
	int fd = dial(0);
	ssize_t n;

	ask(fd);
	wait_for(fd, POLLIN, 2000);
	n = recv(fd, buf, 0, MSG_DONTWAIT);
	printf("nothing=%zd ", n);
	printf("status=%d\n", answer(fd));
}

/* A child closes its copy while the parent has sent half of a request head. */
static void fork_in_head(void)
{
	int fd = dial(0);
	pid_t child;

	if (send(fd, request, 8, 0) != 8)
		exit(2);
	child = fork();
	if (!child) {
		close(fd);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	if (send(fd, request + 8, sizeof(request) - 1 - 8, 0) < 0)
		exit(2);
	printf("status=%d\n", answer(fd));
}

/* A server that asks for control data gets told that there is none. */
static void control_data(void)
{
	struct sockaddr_in at = loopback(port);
	char control[64];
	struct iovec v = {buf, 4096};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control), .msg_flags = 0x5555};
	int server = socket(AF_INET, SOCK_STREAM, 0), one = 1, from, to;
	ssize_t got;

	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(server, (struct sockaddr *)&at, sizeof(at)) || listen(server, 1))
		exit(2);
	from = dial(0);
	to = accept(server, NULL, NULL);
	ask(from);
	got = recvmsg(to, &m, 0);
	printf("got=%zd control=%zu flags=%d\n", got, (size_t)m.msg_controllen, m.msg_flags);
}

static int waits_how, waits_on;

/* Waits for an answer that does not come, in one of several ways. */
static void *wait_for_answer(void *unused)
{
	struct pollfd p = {.fd = waits_on, .events = POLLIN};
	struct timeval limit = {100, 0};
	fd_set s;

	(void)unused;
	FD_ZERO(&s);
	FD_SET(waits_on, &s);
	if (waits_how == 1)
		setsockopt(waits_on, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (waits_how == 2)
		poll(&p, 1, -1);
	else if (waits_how == 3)
		select(waits_on + 1, &s, NULL, NULL, NULL);
	else
		recv(waits_on, buf, 1, 0);
	return NULL;
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Threads that are cancelled while they wait leave nothing open, and their connections can be closed. */
static void cancelled(void)
{
	int before = open_descriptors(), unjoined = 0;

	for (int i = 0; i < 40; i++) {
		pthread_t t;
		void *result;

		waits_how = i % 4;
		waits_on = dial(0);
		ask(waits_on);
		pthread_create(&t, NULL, wait_for_answer, NULL);
		usleep(10000);	/* well into the wait, most of the time */
		pthread_cancel(t);
		pthread_join(t, &result);
		unjoined += result != PTHREAD_CANCELED;
		close(waits_on);
	}
	printf("left=%d unjoined=%d\n", open_descriptors() - before, unjoined);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"eager", eager}, {"early_reader", early_reader}, {"fionread", fionread}, {"many_vectors", many_vectors},
	{"closed_duplicate", closed_duplicate}, {"hangup_only", hangup_only}, {"one_shot", one_shot}, {"stream_close", stream_close},
	{"receive_nothing", receive_nothing}, {"fork_in_head", fork_in_head}, {"control_data", control_data},
	{"cancelled", cancelled},
};

int main(int argc, char **argv)
{
	port = argc == 3 ? (uint16_t)atoi(argv[2]) : 0;
	for (size_t i = 0; port && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(cases[i].name, argv[1])) {
			cases[i].run();
			return 0;
		}
	fprintf(stderr, "usage: guest CASE PORT\n");
	return 2;
}
