/* SPDX-License-Identifier: MIT */
/* What victims of the form `NAME CASE PORT` share: the server they ask, the clock, how they print what a call said, and the choice of a case. */
#ifndef AFTERSHOCK_TESTS_VICTIM_H
#define AFTERSHOCK_TESTS_VICTIM_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SAY(format, ...) printf("%s=" format " ", __VA_ARGS__)

struct victim_case {
	const char *name;
	void (*run)(void);
};

static struct sockaddr_in server = {.sin_family = AF_INET};

static inline int now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

/* The result of a call, or the name of its error. */
static inline void say(const char *name, ssize_t r)
{
	if (r < 0)
		SAY("%s", name, strerrorname_np(errno));
	else
		SAY("%zd", name, r);
}

/* A connection to the server, or the end. */
static inline int must_dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&server, sizeof(server)))
		exit(2);
	return fd;
}

/* main() of a victim. */
static inline int victim_run(const struct victim_case *cases, size_t n, int argc, char **argv)
{
	server.sin_port = htons((uint16_t)(argc == 3 ? atoi(argv[2]) : 0));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; server.sin_port && i < n; i++)
		if (!strcmp(cases[i].name, argv[1])) {
			cases[i].run();
			return 0;
		}
	fprintf(stderr, "usage: %s CASE PORT\n", argv[0]);
	return 2;
}

#endif
