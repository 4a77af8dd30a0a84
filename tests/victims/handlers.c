/* SPDX-License-Identifier: MIT */
/*
 * Two threads at work on an epoll set, one of which is interrupted all the time by a handler that receives on the connection of
 * the other: handlers PORT SECONDS. The peer need not say anything. Prints the number of handlers that ran, as "ran N".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int connections[2], set;
static _Atomic unsigned ran;
static _Atomic bool over;

static int dial(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? -1 : fd;
}

static void handler(int sig)
{
	int error = errno;
	char c;

	(void)sig;
	recv(connections[0], &c, 1, MSG_DONTWAIT);
	atomic_fetch_add(&ran, 1);
	errno = error;
}

/* Registers a connection over and over, which takes its lock and that of all sets. */
static void *work(void *arg)
{
	int fd = *(int *)arg;
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);
	while (!atomic_load(&over))
		epoll_ctl(set, EPOLL_CTL_MOD, fd, &e);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = handler};
	pthread_t threads[2];
	time_t end;

	if (argc < 3)
		return 2;
	set = epoll_create1(EPOLL_CLOEXEC);
	sigaction(SIGUSR1, &act, NULL);
	for (int i = 0; i < 2; i++)
		if ((connections[i] = dial((uint16_t)atoi(argv[1]))) < 0)
			return 1;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, work, &connections[i]);
	for (end = time(NULL) + atoi(argv[2]); time(NULL) < end; usleep(20))
		pthread_kill(threads[1], SIGUSR1);
	atomic_store(&over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("ran %u\n", atomic_load(&ran));
	return 0;
}
