/* SPDX-License-Identifier: MIT */
/*
 * Threads that meet in the library: threads CASE PORT has several threads ask the server in all ways, with connections, epoll sets and buffers
 * that one lets go and the next takes up. Says how often a connection was made; the rest is ThreadSanitizer's to say (SAN=thread).
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/lib/victim.h"

#define THREADS 6
#define ROUNDS 11

static const char request[] = "GET /threads HTTP/1.1\r\nHost: threads\r\n\r\n";
static int common, outer, inner;	/* epoll sets; `inner` is in `outer` */
static atomic_int made;

static void ask(int fd)
{
	send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
}

static void take(int fd)
{
	char buf[512];

	recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
}

static void waits_in_poll(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	send(fd, request, 10, MSG_NOSIGNAL);
	send(fd, request + 10, sizeof(request) - 11, MSG_NOSIGNAL);
	poll(&p, 1, 200);
	take(fd);
}

static void waits_in_select(int fd)
{
	struct timeval t = {0, 200000};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	ask(fd);
	select(fd + 1, &set, NULL, NULL, &t);
	take(fd);
}

static void waits_in(int ep, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	ask(fd);
	epoll_wait(ep, &ev, 1, 100);
	ev.events = EPOLLIN | EPOLLOUT;
	epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
	take(fd);
}

static void waits_in_a_common_set(int fd)
{
	waits_in(common, fd);
}

static void waits_in_its_set(int fd)
{
	int ep = epoll_create1(0);

	waits_in(ep, fd);
	close(ep);
}

static void *reads(void *fd)
{
	char buf[512];

	while (recv(*(int *)fd, buf, sizeof(buf), 0) > 0)
		;
	return NULL;
}

static void is_read_by_another(int fd)
{
	pthread_t thread;

	pthread_create(&thread, NULL, reads, &fd);
	for (int i = 0; i < 4; i++)
		ask(fd);
	usleep(30000);
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
}

static void *polls(void *fd)
{
	struct pollfd p = {.fd = *(int *)fd, .events = POLLIN};

	for (int i = 0; i < 10 && !poll(&p, 1, 10); i++)
		;
	return NULL;
}

static void is_polled_by_another(int fd)
{
	pthread_t thread;

	pthread_create(&thread, NULL, polls, &fd);
	for (int i = 0; i < 4; i++) {
		ask(fd);
		take(fd);
	}
	pthread_join(thread, NULL);
}

/* Beside `inner` with the same data, and in a second set: what is never ready. */
static void waits_in_nested_sets(int fd)
{
	struct pollfd p = {.fd = outer, .events = POLLIN};
	struct epoll_event ev = {.events = EPOLLIN};
	int beside = eventfd(0, 0);

	epoll_ctl(common, EPOLL_CTL_ADD, beside, &ev);
	epoll_ctl(outer, EPOLL_CTL_ADD, beside, &ev);
	epoll_ctl(inner, EPOLL_CTL_ADD, fd, &ev);
	ask(fd);
	epoll_wait(outer, &ev, 1, 50);
	poll(&p, 1, 50);
	epoll_wait(inner, &ev, 1, 50);
	take(fd);
	close(beside);
}

static void asks_for_the_error(int fd)
{
	socklen_t len = sizeof(int);
	int error;

	ask(fd);
	for (int i = 0; i < 10; i++) {
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
		usleep(3000);
	}
	take(fd);
}

/* To itself: the connection has a second number then. */
static void is_passed(int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = "", byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&m);
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		exit(3);
	*head = (struct cmsghdr){CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	send(fd, request, 20, MSG_NOSIGNAL);
	if (sendmsg(pair[0], &m, 0) != 1 || recvmsg(pair[1], &m, 0) != 1)
		exit(4);
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	send(fd, request + 20, sizeof(request) - 21, MSG_NOSIGNAL);
	polls(&fd);
	take(fd);
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

static void is_forked_in_the_middle(int fd)
{
	pid_t child;

	send(fd, request, 20, MSG_NOSIGNAL);
	child = fork();
	if (!child) {
		close(fd);
		_exit(0);
	}
	send(fd, request + 20, sizeof(request) - 21, MSG_NOSIGNAL);
	polls(&fd);
	take(fd);
	waitpid(child, NULL, 0);
}

static void leaves_in_the_middle(int fd)
{
	send(fd, request, 20, MSG_NOSIGNAL);
}

static void *asks(void *number)
{
	static void (*const ways[])(int) = {waits_in_poll, waits_in_select, waits_in_a_common_set, waits_in_its_set, waits_in_nested_sets,
					    is_read_by_another, is_polled_by_another, asks_for_the_error, is_passed, is_forked_in_the_middle,
					    leaves_in_the_middle};
	size_t n = sizeof(ways) / sizeof(ways[0]), first = (size_t)number;

	for (size_t i = 0; i < ROUNDS; i++) {
		int fd = must_dial();

		made++;
		ways[(first + i) % n](fd);
		close(fd);
	}
	return NULL;
}

static void together(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	pthread_t threads[THREADS];

	common = epoll_create1(0);
	outer = epoll_create1(0);
	inner = epoll_create1(0);
	epoll_ctl(outer, EPOLL_CTL_ADD, inner, &ev);
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, asks, (void *)i);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	say("made", made);
}

static const struct victim_case cases[] = {{"together", together}};

int main(int argc, char **argv)
{
	return victim_run(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
