/* SPDX-License-Identifier: MIT */
/*
 * Walks the library's table of calls (preload/calls.h). Each row has an example below: the call made in a way that
 * succeeds, on a connection to an HTTP server.
 *	calls list			every name, and whose errors a fault may make it return
 *	calls refused			each with a bad descriptor: where it ends up, and whether errno is that of libc alone
 *	calls done PORT			each example: its result, and what became of errno
 *	calls faulted connect|send|recv PORT	the examples of one class: the name of the error each returns
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "plan/errnos.h"

#define BEFORE 4321	/* errno before a call that succeeds */

static const char request[] = "GET /calls HTTP/1.1\r\nHost: calls\r\n\r\n";
static struct sockaddr_in server = {.sin_family = AF_INET};

ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *sa, socklen_t *len);
ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list ap);
int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask, size_t room);

/* ---- what an example may use ---- */

static char buf[4096];
static struct iovec in = {buf, sizeof(buf)}, out = {(char *)request, sizeof(request) - 1};
static struct msghdr in_msg = {.msg_iov = &in, .msg_iovlen = 1}, out_msg = {.msg_iov = &out, .msg_iovlen = 1};
static struct mmsghdr in_vec, out_vec;
static struct epoll_event event = {.events = EPOLLIN};
static const struct timespec second = {1, 0};
static char *const argv[] = {"true", NULL};
static struct addrinfo *addresses;
static struct hostent host, *found;
static int h_error;
extern char **environ;

static void die(const char *what)
{
	dprintf(2, "calls: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&server, sizeof(server)))
		die("connect");
	return fd;
}

/* A connection with an answer waiting on it; the wait is the kernel's own. */
static int answered(void)
{
	int fd = dial();

	if (send(fd, request, sizeof(request) - 1, 0) < 0)
		die("send");
	return fd;
}

static int listener(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0), to = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&at, len) || listen(fd, 1) || getsockname(fd, (struct sockaddr *)&at, &len) ||
	    connect(to, (struct sockaddr *)&at, len))
		die("listener");
	return fd;
}

static int file(void)
{
	int fd = memfd_create("calls", 0);

	if (fd < 0 || write(fd, request, sizeof(request) - 1) < 0 || lseek(fd, 0, SEEK_SET))
		die("file");
	return fd;
}

static int pipe_with(const char *data)
{
	int p[2];

	if (pipe(p) || (*data && write(p[1], data, strlen(data)) < 0))
		die("pipe");
	return p[*data == '\0'];
}

static int set_of(int fd)
{
	int ep = epoll_create1(0);

	if (fd >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
	return ep;
}

static struct pollfd *readable(int fd)
{
	static struct pollfd p;

	p = (struct pollfd){.fd = fd, .events = POLLIN};
	return &p;
}

static fd_set *bits(int fd)
{
	static fd_set s;

	FD_ZERO(&s);
	FD_SET(fd, &s);
	return &s;
}

static socklen_t *size_of(socklen_t n)
{
	static socklen_t len;

	len = n;
	return &len;
}

static int print(int fd, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vdprintf(fd, format, ap);
	va_end(ap);
	return r;
}

static int print_chk(int fd, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = __vdprintf_chk(fd, 1, format, ap);
	va_end(ap);
	return r;
}

/* In a child, whose exit status is that of the program it became. */
#define BECOMES(call)					\
	({						\
		int status_ = 0;			\
		pid_t pid_ = fork();			\
							\
		if (!pid_) {				\
			call;				\
			_exit(3);			\
		}					\
		waitpid(pid_, &status_, 0);		\
		errno = BEFORE;				\
		status_;				\
	})

/* fd is made first; errno is set behind it, so that only the call itself can change it. */
#define WITH(make, call)			\
	({					\
		__attribute__((unused)) int fd;	\
						\
		fd = (make);			\
						\
		errno = BEFORE;			\
		(long)(call);			\
	})

/* libc itself leaves the result of these in errno. */
#define SETS_ERRNO(call)				\
	({						\
		int error_ = call;			\
		errno = errno == error_ ? BEFORE : errno;	\
		-error_;				\
	})

#define EXAMPLES								\
	EXAMPLE(connect, socket(AF_INET, SOCK_STREAM, 0), connect(fd, (struct sockaddr *)&server, sizeof(server)))	\
	EXAMPLE(accept, listener(), accept(fd, NULL, NULL))			\
	EXAMPLE(accept4, listener(), accept4(fd, NULL, NULL, SOCK_CLOEXEC))	\
	EXAMPLE(send, dial(), send(fd, request, out.iov_len, 0))		\
	EXAMPLE(sendto, dial(), sendto(fd, request, out.iov_len, 0, NULL, 0))	\
	EXAMPLE(sendmsg, dial(), sendmsg(fd, &out_msg, 0))			\
	EXAMPLE(sendmmsg, dial(), sendmmsg(fd, &out_vec, 1, 0))			\
	EXAMPLE(write, dial(), write(fd, request, out.iov_len))			\
	EXAMPLE(writev, dial(), writev(fd, &out, 1))				\
	EXAMPLE(pwritev2, dial(), pwritev2(fd, &out, 1, -1, 0))			\
	EXAMPLE(pwritev64v2, dial(), pwritev64v2(fd, &out, 1, -1, RWF_NOWAIT))	\
	EXAMPLE(dprintf, dial(), dprintf(fd, "%s", request))			\
	EXAMPLE(vdprintf, dial(), print(fd, "%s", request))		\
	EXAMPLE(__dprintf_chk, dial(), __dprintf_chk(fd, 1, "%s", request))	\
	EXAMPLE(__vdprintf_chk, dial(), print_chk(fd, "%s", request))		\
	EXAMPLE(sendfile, file(), sendfile(dial(), fd, NULL, out.iov_len))	\
	EXAMPLE(sendfile64, file(), sendfile64(dial(), fd, NULL, out.iov_len))	\
	EXAMPLE(splice, answered(), splice(fd, NULL, pipe_with(""), NULL, 9, 0))	\
	EXAMPLE(recv, answered(), recv(fd, buf, sizeof(buf), 0))		\
	EXAMPLE(recvfrom, answered(), recvfrom(fd, buf, sizeof(buf), 0, NULL, NULL))	\
	EXAMPLE(recvmsg, answered(), recvmsg(fd, &in_msg, 0))			\
	EXAMPLE(recvmmsg, answered(), recvmmsg(fd, &in_vec, 1, 0, NULL))	\
	EXAMPLE(read, answered(), read(fd, buf, sizeof(buf)))			\
	EXAMPLE(readv, answered(), readv(fd, &in, 1))				\
	EXAMPLE(preadv2, answered(), preadv2(fd, &in, 1, -1, 0))		\
	EXAMPLE(preadv64v2, (fd = answered(), poll(readable(fd), 1, 1000), fd), preadv64v2(fd, &in, 1, -1, RWF_NOWAIT))	\
	EXAMPLE(__recv_chk, answered(), __recv_chk(fd, buf, sizeof(buf), sizeof(buf), 0))	\
	EXAMPLE(__recvfrom_chk, answered(), __recvfrom_chk(fd, buf, sizeof(buf), sizeof(buf), 0, NULL, NULL))	\
	EXAMPLE(__read_chk, answered(), __read_chk(fd, buf, sizeof(buf), sizeof(buf)))	\
	EXAMPLE(poll, answered(), poll(readable(fd), 1, 1000))			\
	EXAMPLE(ppoll, answered(), ppoll(readable(fd), 1, &second, NULL))	\
	EXAMPLE(__poll_chk, answered(), __poll_chk(readable(fd), 1, 1000, sizeof(struct pollfd)))	\
	EXAMPLE(__ppoll_chk, answered(), __ppoll_chk(readable(fd), 1, &second, NULL, sizeof(struct pollfd)))	\
	EXAMPLE(select, answered(), select(fd + 1, bits(fd), NULL, NULL, &(struct timeval){1, 0}))	\
	EXAMPLE(pselect, answered(), pselect(fd + 1, bits(fd), NULL, NULL, &second, NULL))	\
	EXAMPLE(epoll_create, 0, epoll_create(1))				\
	EXAMPLE(epoll_create1, 0, epoll_create1(EPOLL_CLOEXEC))			\
	EXAMPLE(epoll_ctl, answered(), epoll_ctl(set_of(-1), EPOLL_CTL_ADD, fd, &event))	\
	EXAMPLE(epoll_wait, set_of(answered()), epoll_wait(fd, &event, 1, 1000))	\
	EXAMPLE(epoll_pwait, set_of(answered()), epoll_pwait(fd, &event, 1, 1000, NULL))	\
	EXAMPLE(epoll_pwait2, set_of(answered()), epoll_pwait2(fd, &event, 1, &second, NULL))	\
	EXAMPLE(close, dial(), close(fd))					\
	EXAMPLE(fdopen, answered(), fgetc(fdopen(fd, "r")))			\
	EXAMPLE(setsockopt, dial(), setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &(int){1}, 4))	\
	EXAMPLE(shutdown, dial(), shutdown(fd, SHUT_WR))			\
	EXAMPLE(dup, dial(), dup(fd))						\
	EXAMPLE(dup2, dial(), dup2(fd, 50))					\
	EXAMPLE(dup3, dial(), dup3(fd, 51, O_CLOEXEC))				\
	EXAMPLE(close_range, dup2(dial(), 60), close_range(fd, 70, 0))		\
	EXAMPLE(closefrom, dup2(dial(), 60), (closefrom(fd), 0))		\
	EXAMPLE(fcntl, dial(), fcntl(fd, F_SETFL, O_NONBLOCK))			\
	EXAMPLE(fcntl64, dial(), fcntl64(fd, F_DUPFD, 40))			\
	EXAMPLE(ioctl, answered(), ioctl(fd, FIONBIO, &(int){1}))		\
	EXAMPLE(getpeername, dial(), getpeername(fd, (void *)buf, size_of(sizeof(struct sockaddr_in))))	\
	EXAMPLE(getsockname, dial(), getsockname(fd, (void *)buf, size_of(sizeof(struct sockaddr_in))))	\
	EXAMPLE(getsockopt, dial(), getsockopt(fd, SOL_SOCKET, SO_ERROR, buf, size_of(4)))	\
	EXAMPLE(getaddrinfo, 0, -getaddrinfo("127.0.0.1", "80", NULL, &addresses))	\
	EXAMPLE(gethostbyname, 0, gethostbyname("127.0.0.1") ? 0 : -1)		\
	EXAMPLE(gethostbyname2, 0, gethostbyname2("127.0.0.1", AF_INET) ? 0 : -1)	\
	EXAMPLE(gethostbyname_r, 0, SETS_ERRNO(gethostbyname_r("127.0.0.1", &host, buf, sizeof(buf), &found, &h_error)))	\
	EXAMPLE(gethostbyname2_r, 0, SETS_ERRNO(gethostbyname2_r("127.0.0.1", AF_INET, &host, buf, sizeof(buf), &found, &h_error)))	\
	EXAMPLE(execve, 0, BECOMES(execve("/bin/true", argv, environ)))		\
	EXAMPLE(execvpe, 0, BECOMES(execvpe("true", argv, environ)))		\
	EXAMPLE(fexecve, open("/bin/true", O_RDONLY), BECOMES(fexecve(fd, argv, environ)))	\
	EXAMPLE(execv, 0, BECOMES(execv("/bin/true", argv)))			\
	EXAMPLE(execvp, 0, BECOMES(execvp("true", argv)))			\
	EXAMPLE(execl, 0, BECOMES(execl("/bin/true", "true", NULL)))		\
	EXAMPLE(execlp, 0, BECOMES(execlp("true", "true", NULL)))		\
	EXAMPLE(execle, 0, BECOMES(execle("/bin/true", "true", NULL, environ)))	\
	EXAMPLE(posix_spawn, 0, posix_spawn(&fd, "/bin/true", NULL, NULL, argv, environ))	\
	EXAMPLE(posix_spawnp, 0, posix_spawnp(&fd, "/bin/true", NULL, NULL, argv, environ))	\
	EXAMPLE(prctl, 0, prctl(PR_GET_NAME, buf))				\
	EXAMPLE(dlopen, 0, dlopen(NULL, RTLD_LAZY))				\
	EXAMPLE(syscall, answered(), syscall(SYS_read, fd, buf, sizeof(buf)))

#define EXAMPLE(name, make, call)		\
	static long example_##name(void)	\
	{					\
		return WITH(make, call);	\
	}
EXAMPLES
#undef EXAMPLE

static const struct {
	const char *name;
	long (*run)(void);
} examples[] = {
#define EXAMPLE(name, make, call) {#name, example_##name},
	EXAMPLES
};

/* ---- the table ---- */

static const struct row {
	const char *name;
	unsigned shows;
} rows[] = {
#define CALL(ret, name, params, args, early, shows) {#name, shows},
#include "preload/calls.h"
};

#define EACH(row) for (const struct row *row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++)

/* Runs one row's act in a child, so that one that crashes or closes all spares the others. */
static void apart(const struct row *row, void (*act)(const struct row *))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		act(row);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (status)
		dprintf(1, "%s status=%d\n", row->name, status);
}

static long example_of(const struct row *row)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		if (!strcmp(examples[i].name, row->name))
			return examples[i].run();
	dprintf(1, "%s example=none\n", row->name);
	_exit(0);
}

static const char *error_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "?";
}

/* ---- the walks ---- */

static void say_class(const struct row *row)
{
	dprintf(1, "%s connect=%d send=%d recv=%d\n", row->name, (row->shows & ERRNO_CONNECT) != 0, (row->shows & ERRNO_SEND) != 0,
		(row->shows & ERRNO_RECV) != 0);
}

/* The arguments of calls whose first is no descriptor; all others get -1 and zeroes. */
static const struct {
	const char *name;
	long a[7];
} others[] = {
	{"getaddrinfo", {0, 0, 0, (long)&addresses}},
	{"gethostbyname", {(long)"1.2.3.4.5"}}, {"gethostbyname2", {(long)"1.2.3.4.5", AF_INET}},
	{"gethostbyname_r", {(long)"1.2.3.4.5", (long)&host, (long)buf, sizeof(buf), (long)&found, (long)&h_error}},
	{"gethostbyname2_r", {(long)"1.2.3.4.5", AF_INET, (long)&host, (long)buf, sizeof(buf), (long)&found, (long)&h_error}},
	{"closefrom", {INT_MAX}},
	{"execvpe", {(long)"no-such-program", (long)argv}}, {"execvp", {(long)"no-such-program", (long)argv}},
	{"execl", {(long)"/no/such/program"}}, {"execlp", {(long)"no-such-program"}}, {"execle", {(long)"/no/such/program"}},
	{"posix_spawn", {(long)buf, (long)"/no/such/program", 0, 0, (long)argv}},
	{"posix_spawnp", {(long)buf, (long)"no-such-program", 0, 0, (long)argv}},
	{"fdopen", {-1, (long)"r"}}, {"dlopen", {(long)"no-such-library", RTLD_LAZY}},
	{"dprintf", {-1, (long)"x"}}, {"vdprintf", {-1, (long)"x"}},
	{"__dprintf_chk", {-1, 1, (long)"x"}}, {"__vdprintf_chk", {-1, 1, (long)"x"}},
	{"poll", {1, 1}}, {"ppoll", {1, 1}}, {"__poll_chk", {1, 1, 0, 8}}, {"__ppoll_chk", {1, 1, 0, 0, 8}},
};

static const long *arguments_of(const struct row *row)
{
	static long a[7];

	memset(a, 0, sizeof(a));
	a[0] = -1;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(others[i].name, row->name))
			memcpy(a, others[i].a, sizeof(a));
	return a;
}

/* Every argument is an integer or a pointer: seven words fit each call of these ABIs. */
static void make_refused(const struct row *row, void *f, int *result, int *error)
{
	const long *a = arguments_of(row);
	int (*call)(long, long, long, long, long, long, long);

	memcpy(&call, &f, sizeof(call));
	errno = 0;
	*result = call(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
	*error = errno;
}

static void refuse(const struct row *row)
{
	void *ours = dlsym(RTLD_DEFAULT, row->name), *libc = dlsym(dlopen("libc.so.6", RTLD_LAZY), row->name);
	int got, want, got_error, want_error;
	Dl_info info = {0};

	if (!ours || !libc || !dladdr(ours, &info))
		_exit(1);
	make_refused(row, libc, &want, &want_error);
	make_refused(row, ours, &got, &got_error);
	dprintf(1, "%s in=%s same=%d error=%s\n", row->name, strrchr(info.dli_fname, '/') + 1,
		(got == want || !strcmp(row->name, "closefrom")) && got_error == want_error, got_error ? error_name(got_error) : "none");
}

static void do_example(const struct row *row)
{
	long r = example_of(row);
	int error = errno;

	dprintf(1, "%s good=%d errno=%s\n", row->name, r >= 0, error == BEFORE ? "kept" : error_name(error));
}

static void show_error(const struct row *row)
{
	long r = example_of(row);

	dprintf(1, "%s %s\n", row->name, r < 0 ? error_name(errno) : "none");
}

int main(int argc, char **args)
{
	const char *walk = argc > 1 ? args[1] : "", *class = argc > 3 ? args[2] : "";
	unsigned mask = !strcmp(class, "connect") ? ERRNO_CONNECT : !strcmp(class, "send") ? ERRNO_SEND : ERRNO_RECV;
	void (*act)(const struct row *) = !strcmp(walk, "list") ? say_class : !strcmp(walk, "refused") ? refuse : !strcmp(walk, "done") ? do_example
							: show_error;

	server.sin_port = htons((uint16_t)atoi(args[argc - 1]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in_vec.msg_hdr = in_msg;
	out_vec.msg_hdr = out_msg;
	signal(SIGPIPE, SIG_IGN);
	EACH (row)
		if (*class == '\0' || (row->shows & mask))
			apart(row, act);
	return 0;
}
