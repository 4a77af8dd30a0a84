/* SPDX-License-Identifier: MIT */
/*
 * crowd CONNECTIONS: two processes, client and server, with so many connections between them. Waits for a byte on stdin, makes them all and
 * sends a request on each, says "open" when the server has them all; waits for another byte, answers them all and says "answered" when
 * the client has read that; closes them all with the end of stdin. Makes and closes them at some 10,000 a second: how many there are at once is
 * what matters. Ends with 1 when anything fails.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char question[] = "GET /crowd/of-connections/that-all-wait?for=an-answer HTTP/1.1\r\nHost: localhost\r\nUser-Agent: crowd\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void must(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static void take(int fd, size_t n)
{
	char buf[256];

	while (n) {
		ssize_t got = read(fd, buf, n < sizeof(buf) ? n : sizeof(buf));

		must(got > 0, "read");
		n -= (size_t)got;
	}
}

static void keep_pace(int i)
{
	if (i % 64 == 63)
		usleep(6000);
}

static void put(int fd, const char *text, size_t n)
{
	must(write(fd, text, n) == (ssize_t)n, "write");
}

static void wait_word(int fd)
{
	char c;

	must(read(fd, &c, 1) == 1, "a word");
}

/* Takes its connections as they come, tells on `up` when it has all requests, answers them after a word of `down`. */
static void serve(int listener, int n, int up, int down)
{
	int *fds = calloc((size_t)n, sizeof(*fds));
	char rest;

	must(fds != NULL, "calloc");
	for (int i = 0; i < n; i++) {
		fds[i] = accept(listener, NULL, NULL);
		must(fds[i] >= 0, "accept");
		take(fds[i], sizeof(question) - 1);
	}
	put(up, "x", 1);
	wait_word(down);
	for (int i = 0; i < n; i++)
		put(fds[i], answer, sizeof(answer) - 1);
	must(read(down, &rest, 1) == 0, "the end");
	exit(0);
}

/* Loopback has more ports than one address. */
static int reach(const struct sockaddr_in *server, int i)
{
	struct sockaddr_in a = *server;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)(i / 20000));
	must(fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a)), "connect");
	put(fd, question, sizeof(question) - 1);
	return fd;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1000, listener = socket(AF_INET, SOCK_STREAM, 0), up[2], down[2], status;
	struct rlimit files;
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr_in a = {.sin_family = AF_INET};
	int *fds = calloc((size_t)n, sizeof(*fds));
	socklen_t size = sizeof(a);

	must(!getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
	files.rlim_cur = files.rlim_max;
	must(fds && !setrlimit(RLIMIT_NOFILE, &files) && !pipe(up) && !pipe(down), "a crowd");
	must(!bind(listener, (struct sockaddr *)&a, size) && !listen(listener, 512) && !getsockname(listener, (struct sockaddr *)&a, &size), "listen");
	wait_word(0);
	if (!fork()) {
		close(down[1]);
		serve(listener, n, up[1], down[0]);
	}
	close(up[1]);
	for (int i = 0; i < n; i++) {
		fds[i] = reach(&a, i);
		keep_pace(i);
	}
	wait_word(up[0]);
	puts("open");
	fflush(stdout);
	wait_word(0);
	put(down[1], "x", 1);
	for (int i = 0; i < n; i++)
		take(fds[i], sizeof(answer) - 1);
	puts("answered");
	fflush(stdout);
	must(read(0, &size, 1) == 0, "the end of stdin");
	for (int i = 0; i < n; i++) {
		must(!setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) && !close(fds[i]), "close");
		keep_pace(i);
	}
	close(down[1]);
	wait(&status);
	return status != 0;
}
