/* SPDX-License-Identifier: MIT */
/*
 * What programs do with epoll sets: sets CASE PORT [N [M]]. Each case talks HTTP to PORT on loopback, or to a child of its own, and prints a
 * line of key=value. Exit 0; 2 misuse.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
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
#include <sys/uio.h>
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

static bool ask_for(int fd, const char *path)
{
	char request[64];
	int n = snprintf(request, sizeof(request), "GET /%s HTTP/1.1\r\nHost: sets\r\n\r\n", path);

	return send(fd, request, (size_t)n, MSG_NOSIGNAL) == n;
}

static bool ask(int fd)
{
	return ask_for(fd, "");
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
static volatile long turns;

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
	int held, late, n;
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

static sigjmp_buf back;
static volatile bool over;

static void leave(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void *modify(void *fd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	join(stormed, *(int *)fd, 0);
	for (; !over; turns++)
		epoll_ctl(stormed, EPOLL_CTL_MOD, *(int *)fd, &ev);
	return NULL;
}

/* N times an alarm's handler jumps out of whatever send, receive or wait it has interrupted. Another thread uses the same set meanwhile. */
static void jumped(void)
{
	struct sigaction act = {.sa_handler = leave, .sa_flags = SA_NODEFER};
	struct itimerval soon = {{0, 0}, {0, 0}}, stop = {{0, 0}, {0, 0}};
	sigset_t alarm;
	pthread_t t;
	int its = dial(), last;
	volatile long began, seen;
	volatile int stuck = 0, fd = dial();

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	stormed = epoll_create1(EPOLL_CLOEXEC);
	pthread_create(&t, NULL, modify, &its);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	sigaction(SIGALRM, &act, NULL);
	join(stormed, fd, 1);
	for (volatile int i = 0; i < given && !stuck; i++) {
		soon.it_value.tv_usec = 20 + i % 97 * 3;
		if (!sigsetjmp(back, 1)) {
			setitimer(ITIMER_REAL, &soon, NULL);
			for (;;) {
				struct pollfd p = {.fd = fd, .events = POLLIN};

				ask(fd);
				poll(&p, 1, 0);
				answer(fd, MSG_DONTWAIT);
			}
		}
		if (i % 50 == 49) {	/* what was half done may have broken it */
			close(fd);
			join(stormed, fd = dial(), 1);
		}
		seen = turns;
		for (began = now_us(); turns == seen && !stuck; usleep(10))
			stuck = now_us() - began > 1000000;
	}
	setitimer(ITIMER_REAL, &stop, NULL);
	over = true;
	printf("stuck=%d ", stuck);
	fflush(stdout);
	if (stuck)
		exit(1);
	pthread_join(t, NULL);
	last = dial();
	ask_for(last, "c");
	began = now_us();
	printf("status=%d ", answer(last, 0));
	printf("late=%d\n", now_us() - began >= 290000);
}

/* ---- cancellation ---- */

static long memory_kb(void)
{
	char line[128];
	long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "RssAnon:", 8))
			kb = atol(line + 8);
	fclose(f);
	return kb;
}

static void *receive(void *fd)
{
	char buf[64];

	recv(*(int *)fd, buf, sizeof(buf), 0);
	return NULL;
}

static void *receive_all(void *fd)
{
	char buf[64];
	struct iovec v = {buf, sizeof(buf)};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	recvmsg(*(int *)fd, &m, MSG_WAITALL);
	return NULL;
}

static void *look(void *fd)
{
	struct pollfd p = {.fd = *(int *)fd, .events = POLLIN};

	poll(&p, 1, -1);
	return NULL;
}

static void *watch(void *fd)
{
	struct epoll_event ev;

	(void)fd;
	epoll_wait(stormed, &ev, 1, -1);
	return NULL;
}

static void *call(void *fd)
{
	connect(*(int *)fd, (struct sockaddr *)&server, sizeof(server));
	return NULL;
}

/* N threads are cancelled in each kind of wait on a connection whose answer is held, or that is being made (M not 0). */
static void cancelled(void)
{
	void *(*const waits[])(void *) = {receive, receive_all, look, watch};
	int fd = other ? -1 : dial(), ended = 0;
	long kb = 0;
	void *result;
	pthread_t t;

	stormed = epoll_create1(EPOLL_CLOEXEC);
	if (!other) {
		join(stormed, fd, 1);
		ask(fd);
	}
	for (int how = 0; how < (other ? 1 : 4); how++)
		for (int i = 0; i < given; i++) {
			if (!how && i == given / 10)
				kb = memory_kb();
			if (other)
				fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			pthread_create(&t, NULL, other ? call : waits[how], &fd);
			usleep((useconds_t)(i % 5) * 100);	/* where it is cancelled does not matter: before, in or after the wait */
			pthread_cancel(t);
			pthread_join(t, &result);
			ended += result == PTHREAD_CANCELED;
			if (other)
				close(fd);
		}
	close(stormed);
	printf("ended=%d private=%d grown=%d\n", ended, private(), memory_kb() - kb > 300);
}

/* Changes as "+A1": + adds to set A (or B) with the data 1, o is the same for output only, ~ and O change to input, to output, - removes. */
static void change(const int sets[2], int fd, const char *changes)
{
	for (; *changes; changes += 3) {
		struct epoll_event ev = {.events = strchr("oO", changes[0]) ? EPOLLOUT : EPOLLIN, .data.u64 = (uint64_t)(changes[2] - '0')};
		int op = changes[0] == '-' ? EPOLL_CTL_DEL : strchr("+o", changes[0]) ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

		if (epoll_ctl(sets[changes[1] - 'A'], op, fd, op == EPOLL_CTL_DEL ? (struct epoll_event *)1 : &ev))
			perror(changes);
	}
}

/* A socket goes in and out of sets, and then becomes a connection whose answers are late: each set tells of it what was said last. */
static void again(void)
{
	static const struct {
		const char *changes;
		uint64_t want[2];	/* the data that a set tells; 0: nothing */
	} rows[] = {
		{"+A1", {1, 0}}, {"+A1-A0", {0, 0}}, {"+A1-A0+A1", {1, 0}}, {"+A1-A0+A2", {2, 0}}, {"+A1~A2", {2, 0}}, {"oA1~A1", {1, 0}},
		{"+A1-A0oA1~A1", {1, 0}}, {"+A1-A0+A1-A0", {0, 0}}, {"+A1-A0+B1", {0, 1}}, {"+A1-A0+B1+A1", {1, 1}}, {"+A1+B1-A0+A2", {2, 1}},
		{"+A1+B1-A0-B0+B2", {0, 2}}, {"+A1+B2-B0+B2-A0", {0, 2}}, {"+A1-A0+B2-B0+A3~A1", {1, 0}}, {"+A1OA1~A1-A0+B1~B3", {0, 3}},
	};
	int wrong = 0, early = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), sets[2] = {epoll_create1(EPOLL_CLOEXEC), epoll_create1(EPOLL_CLOEXEC)};
		struct epoll_event ev = {0};

		change(sets, fd, rows[i].changes);
		if (connect(fd, (struct sockaddr *)&server, sizeof(server)) || !ask(fd))
			perror("connect");
		for (int k = 0; k < 2; k++)
			early += epoll_wait(sets[k], &ev, 1, 10);
		for (int k = 0; k < 2; k++)
			wrong += (epoll_wait(sets[k], &ev, 1, rows[i].want[k] ? 2000 : 0) == 1 ? ev.data.u64 : 0) != rows[i].want[k];
		wrong += answer(fd, 0) != 200;
		for (int k = 0; k < 2; k++)
			wrong += epoll_wait(sets[k], &ev, 1, 0) != 0 || (join(sets[k], fd, 1) == 0) != !rows[i].want[k];
		close(fd);
		close(sets[0]);
		close(sets[1]);
	}
	printf("wrong=%d early=%d\n", wrong, early);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"idle", idle}, {"full", full}, {"storm", storm}, {"jumped", jumped}, {"cancelled", cancelled}, {"again", again},
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
