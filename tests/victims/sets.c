/* SPDX-License-Identifier: MIT */
/*
 * What programs do with epoll sets: sets CASE PORT [N [M]]. Each case talks HTTP to PORT on loopback, or to a child of its own, and prints a
 * line of key=value. Exit 0; 2 misuse.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
static struct sockaddr_in server = {.sin_family = AF_INET};
static int given, other;	/* N, M */

static long cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof(server))) {
		perror("dial");
		exit(1);
	}
	return fd;
}

static void ask_for(int fd, const char *path)
{
	char request[64];
	int n = snprintf(request, sizeof(request), "GET /%s HTTP/1.1\r\nHost: sets\r\n\r\n", path);

	if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		perror("ask");
}

static void ask(int fd)
{
	ask_for(fd, "");
}

/* The status of the answer; 0 none. */
static int answer(int fd, int flags)
{
	char buf[512] = "";

	return recv(fd, buf, sizeof(buf) - 1, flags) > 12 ? atoi(buf + 9) : 0;
}

static int join(int set, int fd, uint64_t data)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = data};

	return epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev);
}

/* A child that answers what asks, on as many connections as there are. */
static pid_t serve(void)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), set = epoll_create1(EPOLL_CLOEXEC);
	socklen_t len = sizeof(server);
	struct epoll_event ev;
	char buf[512];
	pid_t pid;

	server.sin_port = 0;
	if (bind(listener, (struct sockaddr *)&server, len) || getsockname(listener, (struct sockaddr *)&server, &len) || listen(listener, 4096))
		exit(2);
	pid = fork();
	if (pid) {
		close(listener);
		close(set);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	join(set, listener, (uint64_t)listener);
	while (epoll_wait(set, &ev, 1, -1) == 1) {
		int fd = ev.data.fd;

		if (fd == listener && (fd = accept(listener, NULL, NULL)) >= 0)
			join(set, fd, (uint64_t)fd);
		else if (recv(fd, buf, sizeof(buf), 0) <= 0)
			close(fd);
		else
			send(fd, reply, sizeof(reply) - 1, MSG_NOSIGNAL);
	}
	_exit(0);
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* One connection asks and is waited for, a hundred times, in a set with N others that are silent. */
static void idle(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC), fd, waits = 0;
	struct epoll_event ev;
	pid_t child = serve();
	char buf[512];
	long cpu;

	for (int i = 0; i < given; i++)
		join(set, dial(), 1);
	fd = dial();
	join(set, fd, 2);
	ask(fd);	/* the first is no measure */
	epoll_wait(set, &ev, 1, -1);
	recv(fd, buf, sizeof(buf), 0);
	cpu = cpu_us();
	for (int i = 0; i < 100; i++) {
		ask(fd);
		waits += epoll_wait(set, &ev, 1, -1) == 1 && ev.data.u64 == 2 && recv(fd, buf, sizeof(buf), 0) > 0;
	}
	cpu = cpu_us() - cpu;
	end(child);
	printf("waits=%d us=%ld\n", waits, cpu / 100);
}

/* N sets with the same M connections in each. */
static void full(void)
{
	int connections[other + 1], failed = 0;
	pid_t child = serve();

	for (int i = 0; i < other; i++)
		connections[i] = dial();
	for (int i = 0; i < given; i++) {
		int set = epoll_create1(EPOLL_CLOEXEC);

		for (int k = 0; k < other; k++)
			failed += join(set, connections[k], 1) != 0;
	}
	end(child);
	printf("failed=%d\n", failed);
}

/* Descriptors that are not the program's. */
static int private(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)))
		n += atoi(e->d_name) >= 100;
	closedir(d);
	return n;
}

static long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- handlers ---- */

static int stormed, mine = -1, other_set;	/* mine: the handler's own connection */
static volatile int ticks, answers, strange;

/* Each time one thing of what a client does on a connection of its own, which is in the sets of the program. */
static void tick(int sig)
{
	struct epoll_event ev;
	int error = errno, status;

	(void)sig;
	switch (ticks++ % 6) {
	case 0:
		mine = dial();
		break;
	case 1:
		join(stormed, mine, 2);
		join(other_set, mine, 2);
		break;
	case 2:
		ask_for(mine, "b");
		break;
	case 3:
		status = answer(mine, MSG_DONTWAIT | MSG_PEEK);
		answers += status != 0;
		break;
	case 4:
		if (epoll_wait(other_set, &ev, 1, 0) == 1)
			strange += ev.data.u64 != 2;
		break;
	case 5:
		close(mine);
		mine = -1;
	}
	errno = error;
}

/* A loop over a set whose connection is held, interrupted all the time; what is left of it when that is over. */
static void storm(void)
{
	struct itimerval often = {{0, 50}, {0, 50}}, stop = {{0, 0}, {0, 0}};
	struct sigaction act = {.sa_handler = tick, .sa_flags = SA_RESTART};
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 1};
	int held, late, turns = 0, n;
	long began, end, cpu;

	stormed = epoll_create1(EPOLL_CLOEXEC);
	other_set = epoll_create1(EPOLL_CLOEXEC);
	held = dial();
	join(stormed, held, 1);
	ask_for(held, "a");
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (end = now_us() + given * 1000; now_us() < end; turns++) {
		ev = (struct epoll_event){.events = EPOLLIN, .data.u64 = 1};
		epoll_ctl(stormed, EPOLL_CTL_MOD, held, &ev);
		if (epoll_wait(stormed, &ev, 1, 0) == 1)
			strange += ev.data.u64 != 2;
		recv(held, &ev, sizeof(ev), MSG_DONTWAIT);
	}
	setitimer(ITIMER_REAL, &stop, NULL);
	close(mine);
	close(held);
	began = now_us();
	cpu = cpu_us();
	n = epoll_wait(stormed, &ev, 1, 200);
	printf("turns=%d ticks=%d answers=%d strange=%d left=%d quiet=%d idle=%d ", turns > 100, ticks > 100, answers > 0, strange, n,
	       now_us() - began >= 200000, cpu_us() - cpu < 50000);
	late = dial();
	join(stormed, late, 3);
	ask_for(late, "c");
	began = now_us();
	n = epoll_wait(stormed, &ev, 1, 3000);
	printf("late=%d data=%d status=%d ", now_us() - began >= 290000, (int)ev.data.u64, answer(late, 0));
	close(late);
	close(stormed);
	close(other_set);
	printf("private=%d\n", private());
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"idle", idle}, {"full", full}, {"storm", storm},
};

int main(int argc, char **argv)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.sin_port = htons((uint16_t)(argc > 2 ? atoi(argv[2]) : 0));
	given = argc > 3 ? atoi(argv[3]) : 0;
	other = argc > 4 ? atoi(argv[4]) : 0;
	for (size_t i = 0; argc > 2 && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(cases[i].name, argv[1])) {
			cases[i].run();
			return 0;
		}
	fprintf(stderr, "usage: sets CASE PORT [N [M]]\n");
	return 2;
}
