/* SPDX-License-Identifier: MIT */
/*
 * Threads that meet in the library: threads CASE PORT has several threads ask the server in all ways, with connections, epoll sets and buffers
 * that one lets go and the next takes up. Says how often a connection was made; the rest is ThreadSanitizer's to say (SAN=thread).
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>
#include "tests/lib/victim.h"

#define THREADS 6
#define ROUNDS 12

static const char request[] = "GET /threads HTTP/1.1\r\nHost: threads\r\n\r\n";
static int common;	/* an epoll set */
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

static void leaves_in_the_middle(int fd)
{
	send(fd, request, 20, MSG_NOSIGNAL);
}

static void *asks(void *number)
{
	static void (*const ways[])(int) = {waits_in_poll, waits_in_select, waits_in_a_common_set, waits_in_its_set, is_read_by_another,
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
	pthread_t threads[THREADS];

	common = epoll_create1(0);
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
