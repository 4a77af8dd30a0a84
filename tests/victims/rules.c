/* SPDX-License-Identifier: MIT */
/*
 * What a guest in the process must leave alone, and where it must work: rules CASE PORT does one thing of it beside requests to an
 * HTTP server, whose answers a fault may delay or replace, and prints what came of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/lib/victim.h"

static const char request[] = "GET /rule HTTP/1.1\r\nHost: rule\r\n\r\n";
extern char **environ;

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&server, sizeof(server))) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool ask(int fd)
{
	return send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == sizeof(request) - 1;
}

/* The status of the answer, with small buffers: a thread may have 16 KB. 0 none within three seconds. */
static int answer(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[512];
	ssize_t n;

	do {
		n = poll(&p, 1, 3000);
	} while (n < 0 && errno == EINTR);
	n = n == 1 ? recv(fd, buf, sizeof(buf) - 1, 0) : -1;
	buf[n > 0 ? n : 0] = '\0';
	return n > 12 ? atoi(buf + 9) : 0;
}

static int once(void)
{
	int fd = dial(), status = fd >= 0 && ask(fd) ? answer(fd) : 0;

	close(fd);
	return status;
}

/* ---- before and after everything else ---- */

static int early_status = -1;

static void before_constructors(int argc, char **argv, char **envp)
{
	if (argc == 3 && !strcmp(argv[1], "before")) {
		server.sin_port = htons((uint16_t)atoi(argv[2]));
		server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		early_status = once();
	}
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char **, char **) = before_constructors;

static void before(void)
{
	printf("status=%d\n", early_status);
}

static void late(void)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "status=%d\n", once());

	if (write(1, line, (size_t)n) != n)
		_exit(1);
}

/* Handlers that were registered first run last, after those of every library. */
static void after(void)
{
	on_exit((void (*)(int, void *))(void *)late, NULL);
}

/* ---- the program's own state ---- */

static void random_stream(void)
{
	srandom(42);
	srand48(42);
	printf("%ld %ld ", random(), lrand48());
	for (int i = 0; i < 20; i++)
		once();
	printf("%ld %d %ld %f\n", random(), rand(), lrand48(), drand48());
}

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
static volatile long allocations;

void *malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}

static void no_allocation(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int ep, fd, copy;
	long start = allocations;

	for (int i = 0; i < 20; i++) {
		once();
		ep = epoll_create1(0);
		fd = dial();
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
		ask(fd);
		epoll_wait(ep, &ev, 1, 3000);
		copy = dup(fd);
		answer(copy);
		close(copy);
		close(fd);
		close(ep);
	}
	printf("allocations=%ld\n", allocations - start);
}

/* ---- descriptors ---- */

static int own_from = 100;	/* where descriptors may be that are not ours */

/* Numbers in use below and from there on; of the latter those that an exec would inherit. */
static void count_descriptors(int *low, int *high, int *kept)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	*low = *high = *kept = 0;
	while ((e = readdir(d))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] == '.' || fd == dirfd(d))
			continue;
		*(fd < own_from ? low : high) += 1;
		if (fd >= own_from && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
			*kept += 1;
	}
	closedir(d);
}

static void *read_answer(void *fd)
{
	char buf[512];

	return recv(*(int *)fd, buf, sizeof(buf), 0) > 0 ? fd : NULL;
}

/* While an answer is held from an epoll set and from a thread that waits in recv. */
static void descriptors(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = epoll_create1(EPOLL_CLOEXEC), one = dial(), two = dial(), low, high, kept;
	pthread_t t;

	epoll_ctl(ep, EPOLL_CTL_ADD, one, &ev);
	ask(one);
	ask(two);
	pthread_create(&t, NULL, read_answer, &two);
	epoll_wait(ep, &ev, 1, 100);
	count_descriptors(&low, &high, &kept);
	printf("low=%d kept=%d some=%d ", low, kept, high > 0);
	pthread_join(t, NULL);
	epoll_wait(ep, &ev, 1, 3000);
	close(one);
	close(two);
	close(ep);
	count_descriptors(&low, &high, &kept);
	printf("low_after=%d high_after=%d\n", low, high);
}

static void close_all(const char *how, int first)
{
	if (!strcmp(how, "close_range"))
		close_range((unsigned)first, ~0u, 0);
	else if (!strcmp(how, "closefrom"))
		closefrom(first);
	else
		for (int fd = first; fd < 2000; fd++)
			close(fd);
}

/* Closes all but its own while an answer is held; the hold ends in its time all the same, and what is opened then works. */
static void closing(const char *how)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = epoll_create1(0), fd = dial(), began = now_ms(), n;

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	ask(fd);
	epoll_wait(ep, &ev, 1, 50);
	close_all(how, fd + 1);
	n = epoll_wait(ep, &ev, 1, 3000);
	printf("events=%d held=%d ", n, now_ms() - began >= 290);
	printf("status=%d next=%d\n", answer(fd), once());
}

static void by_close_range(void)
{
	closing("close_range");
}

static void by_closefrom(void)
{
	closing("closefrom");
}

static void by_close(void)
{
	closing("close");
}

static void few_descriptors(void)
{
	struct rlimit limit = {64, 64};

	setrlimit(RLIMIT_NOFILE, &limit);
	own_from = 48;
	descriptors();
	printf("status=%d\n", once());
}

/* The answers to three requests, waited for in three ways, with no number left for any descriptor. */
static void no_descriptors(void)
{
	struct rlimit limit = {64, 64};
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = epoll_create1(0), one = dial(), two = dial(), three = dial(), n;

	epoll_ctl(ep, EPOLL_CTL_ADD, three, &ev);
	setrlimit(RLIMIT_NOFILE, &limit);
	while (dup(0) >= 0)
		;
	printf("error=%s ", strerrorname_np(errno));
	ask(one);
	printf("poll=%d ", answer(one));
	ask(two);
	printf("recv=%d ", read_answer(&two) != NULL);
	ask(three);
	n = epoll_wait(ep, &ev, 1, -1);
	printf("epoll=%d status=%d\n", n, answer(three));
}

/* An answer in a program that may have no descriptor (vsftpd): the kernel's ppoll refuses then to look at those that it has. */
static void nothing_allowed(void)
{
	struct rlimit limit = {0, 0};
	int fd = dial();

	setrlimit(RLIMIT_NOFILE, &limit);
	ask(fd);
	printf("recv=%d ", read_answer(&fd) != NULL);
	ask(fd);
	printf("recv=%d\n", read_answer(&fd) != NULL);
}

/* As many descriptors in a poll as a program may have, and a select that may have none. */
static void all_allowed(void)
{
	struct rlimit limit = {8, 8};
	struct pollfd p[8];
	int fd = dial(), n;
	char buf[256];
	fd_set in;

	for (int i = 0; i < 8; i++)
		p[i] = (struct pollfd){.fd = i ? -1 : fd, .events = POLLIN};
	setrlimit(RLIMIT_NOFILE, &limit);
	ask(fd);
	n = poll(p, 8, 3000);
	printf("poll=%d recv=%d ", n, recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0);
	limit = (struct rlimit){0, 0};
	setrlimit(RLIMIT_NOFILE, &limit);
	ask(fd);
	FD_ZERO(&in);
	FD_SET(fd, &in);
	n = select(fd + 1, &in, NULL, NULL, &(struct timeval){3, 0});
	printf("select=%d recv=%d\n", n, recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0);
}

/* ---- signals ---- */

static volatile int ticks, handled;
static int other = -1;

/* Uses the connection that the program uses, and another one. */
static void tick(int signal)
{
	struct pollfd p = {.fd = other, .events = POLLIN};
	int error = errno;
	char buf[256];

	ticks++;
	poll(&p, 1, 0);
	if (p.revents && recv(other, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		handled++;
	if (p.revents || ticks == 1)
		ask(other);
	errno = error;
}

static void signals(void)
{
	struct itimerval it = {{0, 200}, {0, 200}}, stop = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = tick, .sa_flags = SA_RESTART};
	int good = 0, fd;

	other = dial();
	fd = dial();
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	for (int i = 0; i < 100; i++)
		good += ask(fd) && answer(fd) == 200;
	setitimer(ITIMER_REAL, &stop, NULL);
	printf("good=%d ticks=%d handled=%d\n", good, ticks > 20, handled > 0);
}

/* ---- small stacks ---- */

#define SMALL (16 * 1024)
#define PAINT 0xa5

static void *all_calls(void *result)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct iovec v = {(char *)request, sizeof(request) - 1};
	struct timeval tv = {3, 0};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	int fd = dial(), ep = epoll_create1(0), good = 0;
	fd_set r;

	good += ask(fd) && answer(fd) == 200;
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	good += writev(fd, &v, 1) > 0 && epoll_wait(ep, &ev, 1, 3000) == 1 && answer(fd) == 200;
	good += sendmsg(fd, &m, 0) > 0;
	FD_ZERO(&r);
	FD_SET(fd, &r);
	good += select(fd + 1, &r, NULL, NULL, &tv) == 1 && answer(fd) == 200;
	good += close(dup(fd)) == 0 && shutdown(fd, SHUT_WR) == 0 && close(fd) == 0 && close(ep) == 0;
	*(int *)result = good;
	return NULL;
}

static void small_stack(void)
{
	unsigned char *stack = mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t untouched = 0;
	pthread_attr_t a;
	pthread_t t;
	int good = 0;

	memset(stack, PAINT, SMALL);
	pthread_attr_init(&a);
	pthread_attr_setstack(&a, stack, SMALL);
	if (pthread_create(&t, &a, all_calls, &good))
		exit(2);
	pthread_join(t, NULL);
	while (untouched < SMALL && stack[untouched] == PAINT)
		untouched++;
	printf("good=%d used=%zu\n", good, SMALL - untouched);
}

/* ---- children ---- */

static volatile bool enough;

static void *hammer(void *good)
{
	while (!enough)
		*(int *)good += once() == 200;
	return NULL;
}

static void fork_in_threads(void)
{
	int good[3] = {0}, children = 0, status;
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, hammer, &good[i]);
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(once() == 200 ? 0 : 1);
		waitpid(pid, &status, 0);
		children += status == 0;
	}
	enough = true;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	printf("children=%d threads=%d\n", children, good[0] && good[1] && good[2]);
}

/* A child that borrows the memory closes and replaces descriptors before it becomes something else. */
static void vfork_child(void)
{
	int fd = dial(), status = 0;
	pid_t pid;

	ask(fd);
	pid = vfork();
	if (!pid) {
		close(fd);
		dup2(0, 50);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	printf("child=%d status=%d\n", status, answer(fd));
}

static void many_forks(void)
{
	int low, high, kept, good = 0, status;

	for (int i = 0; i < 1000; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, &status, 0);
		good += status == 0;
	}
	count_descriptors(&low, &high, &kept);
	printf("good=%d low=%d status=%d\n", good, low, once());
}

/* ---- cancellation ---- */

static void *wait_poll(void *fd)
{
	struct pollfd p = {.fd = *(int *)fd, .events = POLLIN};

	poll(&p, 1, 60000);
	return NULL;
}

/* Threads are cancelled while they wait on a connection, held or not; others then use it, and no descriptor stays behind. */
static void cancelled(void)
{
	void *(*const waits[])(void *) = {read_answer, wait_poll};
	int low, high, kept, ended = 0, fd, quiet;

	for (int i = 0; i < 200; i++) {
		pthread_t t, u;
		void *r;

		fd = dial();
		quiet = dial();
		ask(fd);
		pthread_create(&t, NULL, waits[i & 1], &fd);
		pthread_create(&u, NULL, waits[i & 1], &quiet);
		usleep(i % 5 * 2000);	/* where it is cancelled does not matter: before, in or after the wait */
		pthread_cancel(t);
		pthread_cancel(u);
		ended += !pthread_join(t, &r) + !pthread_join(u, &r);
		ended += ask(quiet);	/* no lock was left taken */
		close(fd);
		close(quiet);
	}
	count_descriptors(&low, &high, &kept);
	printf("ended=%d low=%d high=%d\n", ended, low, high);
}

static sigjmp_buf back;

static void leave(int signal)
{
	siglongjmp(back, 1);
}

/* The old way to limit a receive: an alarm whose handler jumps out of it. */
static void jumped(void)
{
	struct itimerval it = {.it_value = {0, 20000}};
	void *(*const waits[])(void *) = {read_answer, wait_poll};
	volatile int left = 0;
	int low, high, kept, fd;

	signal(SIGALRM, leave);
	for (volatile int i = 0; i < 20; i++) {
		fd = dial();
		ask(fd);
		if (!sigsetjmp(back, 1)) {
			setitimer(ITIMER_REAL, &it, NULL);
			waits[i & 1](&fd);
		} else {
			left++;
		}
		close(fd);
	}
	count_descriptors(&low, &high, &kept);
	printf("left=%d low=%d high=%d status=%d\n", left, low, high, once());
}

/* ---- memory ---- */

static long anonymous_kb(void)
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

/* A server that is quicker than the connections come: answers what asks, in a child that ends with us. */
static pid_t serve(void)
{
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	socklen_t len = sizeof(server);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	char buf[512];
	pid_t pid;

	server.sin_port = 0;
	if (bind(listener, (struct sockaddr *)&server, len) || getsockname(listener, (struct sockaddr *)&server, &len) || listen(listener, 1024))
		exit(2);
	pid = fork();
	while (!pid) {
		int fd = accept(listener, NULL, NULL);

		if (getppid() == 1)
			_exit(0);
		if (recv(fd, buf, sizeof(buf), 0) > 0)
			send(fd, reply, sizeof(reply) - 1, MSG_NOSIGNAL);
		close(fd);
	}
	close(listener);
	return pid;
}

/* Connections that come and go, some with requests: AFTERSHOCK_CONNECTIONS of them, 20,000 without the variable. */
static void connections(void)
{
	const char *given = getenv("AFTERSHOCK_CONNECTIONS");
	long all = given ? atol(given) : 20000, begin = 0, good = 0;
	pid_t server_pid = serve();
	int low, high, kept;

	for (long i = 0; i < all; i++) {
		int fd = dial();

		good += fd >= 0 && (i % 64 || (ask(fd) && answer(fd)));
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));	/* no TIME_WAIT: ports suffice */
		close(fd);
		if (i == all / 10)
			begin = anonymous_kb();
	}
	kill(server_pid, SIGKILL);
	waitpid(server_pid, NULL, 0);
	count_descriptors(&low, &high, &kept);
	printf("all=%d grown_kb=%ld low=%d high=%d\n", good == all, anonymous_kb() - begin, low, high);
}

static void little_memory(void)
{
	struct rlimit limit = {256l << 20, 256l << 20};

	setrlimit(RLIMIT_AS, &limit);
	printf("status=%d\n", once());
}

/* Another root and another user, and no file can be opened nor descriptor be made any more. */
static void sandbox(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_timerfd_create, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_eventfd2, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = epoll_create1(0), fd = dial(), n;

	if (!geteuid() && (chroot("/proc/self/fdinfo") || setgid(65534) || setuid(65534)))
		exit(2);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		exit(2);
	printf("status=%d ", once());
	ask(fd);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	n = epoll_wait(ep, &ev, 1, -1);
	printf("epoll=%d read=%d\n", n, read_answer(&fd) != NULL);
}

/* What a process does that trusts nobody: the system calls of its work, and any other is its end. */
static void confine(bool by_number)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 7, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpid, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_poll, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		exit(2);
	if (by_number ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		exit(2);
}

static void confined_child(bool by_number)
{
	int fd = dial(), status;
	pid_t child = fork();
	char buf[512];

	if (!child) {
		ask(fd);
		confine(by_number);
		status = read(fd, buf, sizeof(buf)) > 0;
		ask(fd);
		status += read(fd, buf, sizeof(buf)) > 0;
		close(fd);
		_exit(status);
	}
	waitpid(child, &status, 0);
	printf("signal=%d answers=%d\n", WTERMSIG(status), WEXITSTATUS(status));
}

static void confined(void)
{
	confined_child(false);
}

static void confined_by_number(void)
{
	confined_child(true);
}

/* A filter that the kernel refuses changes nothing. */
static void not_confined(void)
{
	struct sock_filter nonsense = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
	struct sock_fprog program = {1, &nonsense};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	printf("refused=%d status=%d\n", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), once());
}

static void one(void)
{
	printf("status=%d\n", once());
}

static const struct victim_case cases[] = {
	{"before", before}, {"after", after}, {"random", random_stream}, {"allocation", no_allocation}, {"descriptors", descriptors},
	{"close_range", by_close_range}, {"closefrom", by_closefrom}, {"close", by_close}, {"few_descriptors", few_descriptors},
	{"no_descriptors", no_descriptors}, {"nothing_allowed", nothing_allowed}, {"all_allowed", all_allowed},
	{"signals", signals}, {"small_stack", small_stack},
	{"fork_in_threads", fork_in_threads}, {"vfork", vfork_child}, {"many_forks", many_forks}, {"cancelled", cancelled}, {"jumped", jumped},
	{"connections", connections}, {"little_memory", little_memory}, {"sandbox", sandbox}, {"confined", confined},
	{"confined_by_number", confined_by_number}, {"not_confined", not_confined}, {"one", one},
};

int main(int argc, char **argv)
{
	return victim_run(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
