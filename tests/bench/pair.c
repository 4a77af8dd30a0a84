/* SPDX-License-Identifier: MIT */
/*
 * pair SECONDS LISTEN CONNECT: what a send and a receive of 32 bytes cost. Connects to the Unix socket CONNECT while it
 * listens on LISTEN (the same path, or that of a proxy in front of it) and passes 32 bytes to and fro between both ends
 * in one thread: two pairs are one turn of question and answer. Prints pairs and seconds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BYTES 32
#define BATCH 500

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static struct sockaddr_un name(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return a;
}

static void pass(int from, int to)
{
	char buf[BYTES] = "thirty-two bytes of no meaning.";

	check(send(from, buf, BYTES, 0) == BYTES, "send");
	check(recv(to, buf, BYTES, MSG_WAITALL) == BYTES, "recv");
}

int main(int argc, char **argv)
{
	int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ask = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), answer;
	struct sockaddr_un here, there;
	double began, until;
	uint64_t pairs = 0;

	check(argc == 4, "usage: pair SECONDS LISTEN CONNECT");
	here = name(argv[2]);
	there = name(argv[3]);
	unlink(argv[2]);
	check(!bind(door, (struct sockaddr *)&here, sizeof(here)) && !listen(door, 8), "listen");
	check(!connect(ask, (struct sockaddr *)&there, sizeof(there)), "connect");
	answer = accept(door, NULL, NULL);
	check(answer >= 0, "accept");
	began = now_s();
	for (until = began + atof(argv[1]); now_s() < until; pairs += 2 * BATCH)
		for (int i = 0; i < BATCH; i++) {
			pass(ask, answer);
			pass(answer, ask);
		}
	printf("%llu %.6f\n", (unsigned long long)pairs, now_s() - began);
	return 0;
}
