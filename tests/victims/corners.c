/* SPDX-License-Identifier: MIT */
/*
 * The corners of calls on a connection to an HTTP server: corners CASE PORT makes them and prints what they said. Nothing printed depends
 * on the text of the answer's head, nor on how fast the machine is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>
#include "tests/lib/victim.h"

static const char request[] = "GET /corner HTTP/1.1\r\nHost: corner\r\n\r\n";
static char buf[65536], again[65536];
/* Wrong on purpose, so the compiler shall not know them. */
static volatile int minus = -1, many = 1025;
static void *volatile nowhere = (void *)1;

static int asked(void)
{
	int fd = must_dial();

	if (send(fd, request, sizeof(request) - 1, 0) < 0)
		exit(2);
	return fd;
}

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static void patience(int fd, int ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

/* ---- flags of a receive ---- */

static void wait_all(void)
{
	int fd = asked(), began = now_ms();
	ssize_t n = recv(fd, buf, 40, MSG_WAITALL), more;

	say("exactly", n);
	patience(fd, 700);
	began = now_ms();
	more = recv(fd, buf, sizeof(buf), MSG_WAITALL);
	SAY("%d", "rest_came", more > 0);
	SAY("%d", "and_waited_for_more", now_ms() - began >= 690);
	say("then", recv(fd, buf, sizeof(buf), MSG_WAITALL));
}

static void peek(void)
{
	int fd = asked();
	ssize_t n = recv(fd, buf, 20, MSG_PEEK), m = recv(fd, again, 20, 0);

	say("peeked", n);
	SAY("%d", "same", n == m && !memcmp(buf, again, (size_t)m));
}

static void discard(void)
{
	int fd = asked();

	say("discarded", recv(fd, NULL, 9, MSG_TRUNC));
	say("read", recv(fd, buf, 3, 0));
	SAY("%d", "status_follows", buf[0] >= '2' && buf[0] <= '5' && buf[1] == '0');
}

/* Of an answer of 300,000 bytes. */
static void discard_all(void)
{
	static char gone[1000000];	/* sanitizers take it for written to */
	struct iovec v[2] = {{buf, 5}, {gone, 200000}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2, .msg_flags = 0x5555};
	int fd = asked();

	memcpy(buf, "buffer", 7);
	say("seen", recv(fd, again, 7, MSG_PEEK | MSG_TRUNC));
	say("discarded", recv(fd, gone, 90000, MSG_TRUNC | MSG_WAITALL));
	say("message", recvmsg(fd, &m, MSG_TRUNC | MSG_WAITALL));
	SAY("%d", "flags", m.msg_flags);
	SAY("%s", "buffer", buf);
	say("nothing", recv(fd, NULL, 0, MSG_TRUNC));
	patience(fd, 300);
	SAY("%d", "rest", recv(fd, gone, 1000000, MSG_TRUNC | MSG_WAITALL) > 9000);
	say("no_more", recv(fd, gone, 1000000, MSG_TRUNC));
	say("at_once", recv(fd, gone, 1000000, MSG_TRUNC | MSG_DONTWAIT));
}

static void dont_wait(void)
{
	int fd = asked();

	say("at_once", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	SAY("%d", "came", readable(fd, 3000));
	SAY("%d", "read", recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0);
	say("empty", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
}

static void no_wait_vector(void)
{
	struct iovec v = {buf, sizeof(buf)};
	int fd = asked();

	say("at_once", preadv2(fd, &v, 1, -1, RWF_NOWAIT));
	SAY("%d", "read", preadv2(fd, &v, 1, -1, 0) > 0);
	say("at_zero", preadv2(fd, &v, 1, 0, 0));
	say("positioned", pread(fd, buf, 1, 0));
}

static void zero_bytes(void)
{
	struct iovec none = {buf, 0};
	int fd = asked();

	say("read", read(fd, buf, 0));
	say("readv", readv(fd, &none, 1));
	say("no_vectors", readv(fd, &none, 0));
	say("minus", readv(fd, &none, minus));
	say("too_many", writev(fd, &none, many));
	say("write", write(fd, buf, 0));
	SAY("%d", "came", readable(fd, 3000));
	say("recv", recv(fd, buf, 0, 0));
	SAY("%d", "still_there", recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0);
}

static void times_out(void)
{
	int fd = asked(), began = now_ms();

	patience(fd, 600);
	say("recv", recv(fd, buf, sizeof(buf), 0));
	SAY("%d", "in_its_time", now_ms() - began >= 590 && now_ms() - began < 900);
}

static void urgent(void)
{
	int fd = asked();

	say("urgent", recv(fd, buf, 1, MSG_OOB));
	say("errors", recv(fd, buf, 1, MSG_ERRQUEUE));
	SAY("%d", "stream", recv(fd, buf, sizeof(buf), 0) > 0);
}

static void no_name(void)
{
	struct sockaddr_storage ss;
	struct iovec v = {buf, 5};
	struct msghdr m = {.msg_name = &ss, .msg_namelen = sizeof(ss), .msg_iov = &v, .msg_iovlen = 1, .msg_flags = 0x5555};
	socklen_t len = sizeof(ss);
	int fd = asked();

	say("got", recvfrom(fd, buf, 5, 0, (struct sockaddr *)&ss, &len));
	SAY("%u", "name", len);
	say("message", recvmsg(fd, &m, 0));
	SAY("%u", "its_name", m.msg_namelen);
	SAY("%d", "flags", m.msg_flags);
}

/* ---- vectors of messages ---- */

static void messages(void)
{
	struct iovec third[3] = {{(char *)request, 9}, {(char *)request + 9, 9}, {(char *)request + 18, sizeof(request) - 1 - 18}}, in[3];
	struct mmsghdr out[3] = {0}, got[3] = {0};
	int fd = must_dial(), n;

	for (int i = 0; i < 3; i++) {
		in[i] = (struct iovec){buf + 9 * i, 9};
		out[i].msg_hdr = (struct msghdr){.msg_iov = &third[i], .msg_iovlen = 1};
		got[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
	}
	say("sent", sendmmsg(fd, out, 3, 0));
	SAY("%u+%u+%u", "bytes", out[0].msg_len, out[1].msg_len, out[2].msg_len);
	n = recvmmsg(fd, got, 2, 0, NULL);
	say("two", n);
	SAY("%u+%u", "bytes", got[0].msg_len, got[1].msg_len);
	patience(fd, 300);
	in[2].iov_len = sizeof(buf) - 18;
	say("the_rest", recvmmsg(fd, got + 2, 1, MSG_WAITFORONE, &(struct timespec){1, 0}));
	say("no_more", recvmmsg(fd, got, 3, MSG_WAITFORONE, NULL));
	say("no_messages", sendmmsg(fd, out, 0, 0));
	say("bad_time", recvmmsg(fd, got, 1, 0, &(struct timespec){0, 2000000000}));
}

/* ---- by number ---- */

static void by_number(void)
{
	int fd = must_dial(), ep = (int)syscall(SYS_epoll_create1, 0), zero = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = 77};

	say("send", syscall(SYS_sendto, fd, request, sizeof(request) - 1, 0, NULL, 0));
	say("add", syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd, &ev));
	say("nothing_yet", syscall(SYS_recvfrom, fd, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL));
	say("no_bytes_yet", syscall(SYS_ioctl, fd, FIONREAD, &zero) ? -1 : zero);
	say("epoll_yet", syscall(SYS_epoll_pwait, ep, &ev, 1, 0, NULL, 8));
	say("poll_yet", syscall(SYS_ppoll, &p, 1, &(struct timespec){0, 0}, NULL, 8));
	say("poll", syscall(SYS_ppoll, &p, 1, &(struct timespec){3, 0}, NULL, 8));
	say("epoll", syscall(SYS_epoll_pwait, ep, &ev, 1, 3000, NULL, 8));
	SAY("%d", "data", ev.data.fd);
	SAY("%d", "read", syscall(SYS_read, fd, buf, sizeof(buf)) > 0);
	say("close", syscall(SYS_close, fd));
	say("closed", syscall(SYS_read, fd, buf, 1));
	say("unknown", syscall(4095, 0));
}

static void ring(void)
{
	say("ring", syscall(SYS_io_uring_setup, 0, NULL));
}

/* ---- stdio ---- */

static void stdio(void)
{
	int fd = must_dial(), other;
	FILE *f = fdopen(fd, "r+");
	char line[512];

	SAY("%d", "number", fileno(f) == fd);
	say("printed", fprintf(f, "%s", request));
	say("flushed", fflush(f));
	SAY("%d", "nothing_yet", recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN);
	SAY("%d", "line", fgets(line, sizeof(line), f) && !strncmp(line, "HTTP/1.1 ", 9));
	SAY("%d", "then", getc_unlocked(f) != EOF);
	say("seek", fseek(f, 0, SEEK_SET));
	SAY("%d", "error", ferror(f));
	say("closed", fclose(f));
	say("gone", fcntl(fd, F_GETFD));
	other = open("/dev/null", O_RDWR);
	SAY("%d", "number_again", other == fd);
	say("wrote", write(other, request, 10));
	SAY("%d", "bad", !fdopen(must_dial(), "x") && errno == EINVAL);
}

static void printed(void)
{
	int fd = must_dial();

	say("begun", dprintf(fd, "GET /%0*d HTTP/1.1\r\nHost: %s\r\n", 9000, 1, "corner"));
	say("ended", dprintf(fd, "\r\n"));
	SAY("%d", "nothing_yet", recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN);
	SAY("%.12s", "answer", recv(fd, buf, sizeof(buf), 0) > 0 ? buf : "none");
	signal(SIGPIPE, SIG_IGN);
	shutdown(fd, SHUT_WR);
	say("broken", dprintf(fd, "%s", request));
}

/* ---- half of a connection ---- */

static void half_closed(void)
{
	int fd = asked();

	signal(SIGPIPE, SIG_IGN);
	say("shut", shutdown(fd, SHUT_WR));
	say("refused", send(fd, request, 10, 0));
	SAY("%d", "nothing_yet", recv(fd, buf, sizeof(buf), MSG_DONTWAIT) < 0 && errno == EAGAIN);
	SAY("%.12s", "answer", recv(fd, buf, sizeof(buf), 0) > 0 ? buf : "none");
	say("refused_again", send(fd, request, 10, 0));
}

/* ---- what the kernel refuses ---- */

static void bad_pointers(void)
{
	int fd = asked();
	void *bad = (void *)-1;
	struct iovec v = {bad, 10}, huge = {buf, (size_t)-1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1}, long_m = {.msg_iov = &v, .msg_iovlen = 2000};
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = epoll_create1(0);

	SAY("%d", "came", readable(fd, 3000));
	say("send", send(fd, NULL, 10, 0));
	say("write", write(fd, bad, 10));
	say("writev", writev(fd, &v, 1));
	say("vector", writev(fd, bad, 1));
	say("huge", writev(fd, &huge, 1));
	say("sendmsg", sendmsg(fd, bad, 0));
	say("message", sendmsg(fd, &m, 0));
	say("long", sendmsg(fd, &long_m, 0));
	say("recvmsg", recvmsg(fd, bad, 0));
	say("long_in", recvmsg(fd, &long_m, 0));
	say("sendmmsg", sendmmsg(fd, bad, 1, 0));
	say("poll", poll(nowhere, 1, 0));
	say("select", select(fd + 1, (void *)1, NULL, NULL, NULL));
	say("epoll_ctl", epoll_ctl(ep, EPOLL_CTL_ADD, fd, bad));
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	say("epoll_wait", epoll_wait(ep, &ev, 0, 0));
	SAY("%d", "read", recv(fd, buf, sizeof(buf), 0) > 0);
}

/* ---- the low-water mark of a server ---- */

static int lowat(int fd)
{
	int n = -1;
	socklen_t len = sizeof(n);

	getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &n, &len);
	return n;
}

/* Both ends of a connection to this process. */
static void both_ends(int *from, int *to)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&server, sizeof(server)) || listen(listener, 1))
		exit(2);
	*from = must_dial();
	*to = accept(listener, NULL, NULL);
	close(listener);
}

static void low_water(void)
{
	int from, to, two = 2;

	both_ends(&from, &to);
	if (send(from, request, 10, 0) != 10)
		exit(2);
	readable(to, 300);
	SAY("%d", "mark", lowat(to));
	setsockopt(to, SOL_SOCKET, SO_RCVLOWAT, &two, sizeof(two));
	SAY("%d", "set", lowat(to));
	if (send(from, request + 10, sizeof(request) - 1 - 10, 0) < 0)
		exit(2);
	SAY("%d", "whole", readable(to, 3000));
	say("read", recv(to, buf, sizeof(buf), 0));
	SAY("%d", "kept", lowat(to));
}

/* An answer comes in part: MSG_WAITALL waits for the rest as long as SO_RCVTIMEO says, from the call on. */
static void waits_once(void)
{
	static const char part[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
	int from, to, began;

	both_ends(&from, &to);
	patience(from, 300);
	if (send(from, request, sizeof(request) - 1, 0) < 0 || recv(to, buf, sizeof(buf), 0) < 0 || send(to, part, sizeof(part) - 1, 0) < 0)
		exit(2);
	began = now_ms();
	say("part", recv(from, buf, 500, MSG_WAITALL));
	SAY("%d", "in_its_time", now_ms() - began < 500);
	say("more", recv(from, buf, 500, MSG_WAITALL));
}

/* The peer breaks the connection behind a request. */
static void broken_off(int *to)
{
	struct linger at_once = {1, 0};
	int from;

	both_ends(&from, to);
	if (send(from, request, sizeof(request) - 1, 0) < 0)
		exit(2);
	say("request", recv(*to, buf, sizeof(buf), 0));
	setsockopt(from, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(from);
}

static void reset_is_read(void)
{
	int to;

	broken_off(&to);
	say("reset", recv(to, buf, sizeof(buf), 0));
	say("end", recv(to, buf, sizeof(buf), 0));
}

static void reset_is_polled(void)
{
	struct pollfd p = {.events = POLLIN | POLLRDHUP};

	broken_off(&p.fd);
	poll(&p, 1, 3000);
	SAY("%x", "polled", p.revents);
	poll(&p, 1, 3000);
	SAY("%x", "again", p.revents);
	say("send", send(p.fd, request, 1, 0));
	say("then", send(p.fd, request, 1, MSG_NOSIGNAL));
}

static void send_patience(int fd, int ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/* A large answer for a client that reads nothing: the send ends in its time, whatever a fault does to the answer behind what fits. */
static void slow_reader(void)
{
	static char answer[8 << 20] = "HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n";
	int from, to, began;

	both_ends(&from, &to);
	if (send(from, request, sizeof(request) - 1, 0) < 0 || recv(to, buf, sizeof(buf), 0) < 0)
		exit(2);
	send_patience(to, 300);
	began = now_ms();
	SAY("%d", "some", send(to, answer, sizeof(answer), 0) > 0);
	SAY("%d", "in_its_time", now_ms() - began >= 290 && now_ms() - began < 1000);
}

/* As both_ends(), over a Unix socket of the abstract name corner.PORT. */
static void both_local_ends(int *from, int *to)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	socklen_t len = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1;
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	len += (socklen_t)snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "corner.%d", ntohs(server.sin_port));
	*from = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 1) || connect(*from, (struct sockaddr *)&at, len))
		exit(2);
	*to = accept(listener, NULL, NULL);
	close(listener);
}

/* Behind a peer that reads nothing: a piece of a request's head, which the kernel has no room for, and then a file. */
static void full(void)
{
	int trial, from, to, began, room = 0, file = open("/proc/self/exe", O_RDONLY);
	off_t at = 0;

	both_local_ends(&trial, &to);
	while (send(trial, request, sizeof(request) - 1, MSG_DONTWAIT) > 0)
		room++;
	both_local_ends(&from, &to);
	while (room-- && send(from, request, sizeof(request) - 1, MSG_DONTWAIT) > 0)
		;
	send(from, "POST /", 6, MSG_DONTWAIT);
	send_patience(from, 300);
	began = now_ms();
	say("file", sendfile(from, file, &at, 4096));
	SAY("%d", "in_its_time", now_ms() - began >= 290 && now_ms() - began < 1000);
}

/* A peer that is asked ends the connection; who never reads is told as well. */
static void only_sends(void)
{
	int fd = asked();

	signal(SIGPIPE, SIG_IGN);
	usleep(500000);
	say("first", send(fd, request, 10, 0));
	usleep(100000);
	say("second", send(fd, request, 10, 0));
	say("third", send(fd, request, 10, 0));
	say("end", recv(fd, buf, sizeof(buf), 0));
}

/* The same of waits that ask for no input, and what there is to read after them. */
static void never_reads(void)
{
	const short events[] = {0, POLLOUT, POLLRDHUP};
	struct epoll_event ev = {.events = EPOLLOUT | EPOLLET};
	int unread = -1, fd, set = epoll_create1(0);

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		struct pollfd p = {.fd = asked(), .events = events[i]};

		for (int began = now_ms(); !(p.revents & POLLHUP) && now_ms() - began < 3000;)	/* its peer has a moment to end it */
			poll(&p, 1, 3000);
		SAY("%x", "polled", p.revents);
		say("bytes", ioctl(p.fd, FIONREAD, &unread) ? -1 : unread);
		say("read", recv(p.fd, buf, 4, 0));
		say("peeked", recv(p.fd, buf, sizeof(buf), MSG_PEEK));
		say("rest", recv(p.fd, buf, sizeof(buf), MSG_WAITALL));
		say("error", recv(p.fd, buf, sizeof(buf), 0));
		say("end", recv(p.fd, buf, sizeof(buf), 0));
	}
	fd = asked();
	epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev);
	while (epoll_wait(set, &ev, 1, 3000) == 1 && !(ev.events & EPOLLHUP))
		;
	SAY("%x", "events", ev.events);
}

/* The same, asked of the socket. */
static void asks_for_error(void)
{
	int fd = asked(), error = 0;
	socklen_t len = sizeof(error);

	for (int began = now_ms(); !error && now_ms() - began < 3000; usleep(10000))
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
			exit(2);
	SAY("%s", "error", strerrorname_np(error));
	SAY("%d", "some", recv(fd, buf, sizeof(buf), 0) > 0);
	say("end", recv(fd, buf, sizeof(buf), 0));
}

/* A request that asks to end the connection: its answer is the last, and who sends behind it is told so. */
static void last_request(void)
{
	const char last[] = "GET /corner HTTP/1.1\r\nHost: corner\r\nConnection: close\r\n\r\n";
	struct pollfd p = {.fd = must_dial(), .events = POLLIN | POLLOUT | POLLRDHUP};
	ssize_t n;

	signal(SIGPIPE, SIG_IGN);
	if (send(p.fd, last, sizeof(last) - 1, 0) < 0)
		exit(2);
	while ((n = recv(p.fd, buf, sizeof(buf), 0)) > 0)
		;
	say("end", n);
	for (int i = 0; i < 3; i++) {
		poll(&p, 1, 0);
		SAY("%x", "bits", p.revents);
		say("sent", send(p.fd, last, 10, 0));
		usleep(100000);
	}
	say("read", recv(p.fd, buf, sizeof(buf), 0));
}

static const struct victim_case cases[] = {
	{"wait_all", wait_all}, {"peek", peek}, {"discard", discard}, {"discard_all", discard_all},
	{"dont_wait", dont_wait}, {"no_wait_vector", no_wait_vector},
	{"zero_bytes", zero_bytes}, {"urgent", urgent}, {"no_name", no_name}, {"messages", messages}, {"by_number", by_number},
	{"ring", ring}, {"stdio", stdio}, {"printed", printed}, {"half_closed", half_closed}, {"bad_pointers", bad_pointers}, {"low_water", low_water},
	{"waits_once", waits_once}, {"reset_is_read", reset_is_read}, {"reset_is_polled", reset_is_polled},
	{"only_sends", only_sends}, {"never_reads", never_reads}, {"asks_for_error", asks_for_error},
	{"last_request", last_request}, {"times_out", times_out}, {"full", full}, {"slow_reader", slow_reader},
};

int main(int argc, char **argv)
{
	return victim_run(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
