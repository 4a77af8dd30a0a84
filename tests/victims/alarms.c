/* SPDX-License-Identifier: MIT */
/*
 * alarms connect|send|receive|poll|select|epoll PORT end|once|restart|both|jump|cancel|stop|timed: one call that waits on port PORT of
 * 127.0.0.1, and a signal each 170 ms meanwhile. Its handler ends the call (end; once: SA_RESETHAND, one signal), or lets it go on (restart); both: five
 * that let it go on, then those that end it; jump: as both, but the last leaves by longjmp(). Says how the call ended, how many handlers of
 * the two kinds had run by then, and which signals the thread blocks: `EINTR 5 1`, `jumped 5 1 SIGALRM`. cancel: the thread is cancelled
 * then. stop: there is no handler, and the process is stopped and continued; timed: the same, and the socket has a timeout far away.
 */
#include <arpa/inet.h>
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
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVERY_NS 170000000
#define MILD 5	/* of `both` */
#define LEFT 65536	/* bytes of stack: more than a call takes */

static volatile sig_atomic_t milds, sterns;
static timer_t timer;
static jmp_buf out;
static const char *how;
static int fd, set;
static struct sockaddr_in peer;

static void set_timer(int number)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = number};
	struct itimerspec each = {{0, strcmp(how, "once") ? EVERY_NS : 0}, {0, EVERY_NS}};	/* the next would end the program */

	timer_create(CLOCK_MONOTONIC, &ev, &timer);
	timer_settime(timer, 0, &each, NULL);
}

static void mild(int number)
{
	if (++milds == MILD && strcmp(how, "restart")) {
		timer_delete(timer);
		set_timer(SIGALRM);
	}
}

static void stern(int number)
{
	sterns++;
	if (!strcmp(how, "jump"))
		longjmp(out, 1);
}

static void say(const char *end)
{
	sigset_t blocked;

	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	printf("%s %d %d", end, (int)milds, (int)sterns);
	for (int n = 1; n < SIGRTMIN - 2; n++)
		if (sigismember(&blocked, n))
			printf(" SIG%s", sigabbrev_np(n));
	printf("\n");
}

static void on(int number, void (*handler)(int), int flags)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags};

	sigaction(number, &act, NULL);
}

static long do_connect(void)
{
	return connect(fd, (struct sockaddr *)&peer, sizeof(peer));
}

static long do_send(void)
{
	static char request[8 << 20] = "POST / HTTP/1.1\r\nHost: alarms\r\nContent-Length: 8000000\r\n\r\n";

	return send(fd, request, sizeof(request), MSG_NOSIGNAL);
}

static long do_receive(void)
{
	char answer[64];

	return recv(fd, answer, sizeof(answer), 0);
}

static long do_poll(void)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, -1);
}

static long do_select(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(fd, &in);
	return select(fd + 1, &in, NULL, NULL, NULL);
}

static long do_epoll(void)
{
	struct epoll_event ev;

	return epoll_wait(set, &ev, 1, -1);
}

static const struct {
	const char *name;
	long (*call)(void);
} calls[] = {{"receive", do_receive}, {"poll", do_poll}, {"select", do_select}, {"epoll", do_epoll}, {"connect", do_connect},
	     {"send", do_send}};

static void ask(bool sends)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: alarms\r\n\r\n";
	struct epoll_event in = {.events = EPOLLIN};

	if (do_connect())
		exit(3);
	set = epoll_create1(0);
	epoll_ctl(set, EPOLL_CTL_ADD, fd, &in);
	if (!sends)
		send(fd, request, sizeof(request) - 1, 0);
}

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes)
#endif

/* AddressSanitizer knows nothing of the frames that a cancelled thread has left: it takes their guards for those of frames to come. */
static void cancelled(void *unused)
{
	ASAN_UNPOISON_MEMORY_REGION((char *)__builtin_frame_address(0) - LEFT, LEFT);
	say("cancelled");
}

static void *wait_on(void *call)
{
	pthread_cleanup_push(cancelled, NULL);
	(*(long (**)(void))call)();
	pthread_cleanup_pop(0);
	return NULL;
}

static void cancel(long (*call)(void))
{
	pthread_t thread;

	pthread_create(&thread, NULL, wait_on, &call);
	usleep(EVERY_NS / 1000);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
}

static void stop_once(void)
{
	pid_t program = getpid();

	if (fork())
		return;
	usleep(EVERY_NS / 1000);
	kill(program, SIGSTOP);
	usleep(EVERY_NS / 1000);
	kill(program, SIGCONT);
	_exit(0);
}

static void set_timeouts(void)
{
	const struct timeval far = {1000, 0};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &far, sizeof(far));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &far, sizeof(far));
}

int main(int argc, char **argv)
{
	unsigned i = 0;
	bool alone, stops;
	long r;

	while (argc == 4 && i < sizeof(calls) / sizeof(*calls) && strcmp(argv[1], calls[i].name))
		i++;
	if (argc != 4 || i == sizeof(calls) / sizeof(*calls)) {
		fprintf(stderr, "usage: alarms connect|send|receive|poll|select|epoll PORT end|once|restart|both|jump|cancel|stop|timed\n");
		return 2;
	}
	how = argv[3];
	peer = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (calls[i].call != do_connect)
		ask(calls[i].call == do_send);
	if (!strcmp(how, "cancel")) {
		cancel(calls[i].call);
		return 0;
	}
	stops = !strcmp(how, "stop") || !strcmp(how, "timed");
	if (!strcmp(how, "timed"))
		set_timeouts();
	alone = !strcmp(how, "end") || !strcmp(how, "once");
	if (!alone && !stops)
		on(SIGUSR1, mild, SA_RESTART);
	if (strcmp(how, "restart") && !stops)
		on(SIGALRM, stern, strcmp(how, "once") ? 0 : (int)SA_RESETHAND);
	usleep(1000);	/* a fresh slice of the processor: the signal is to find the call under way */
	if (stops)
		stop_once();
	else
		set_timer(alone ? SIGALRM : SIGUSR1);
	if (setjmp(out)) {
		say("jumped");
		return 0;
	}
	r = calls[i].call();
	say(r < 0 ? strerrorname_np(errno) : "done");
	return 0;
}
