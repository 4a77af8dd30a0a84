/* SPDX-License-Identifier: MIT */
/*
 * Each way to move bytes over a connection, told: moves [-u] [-w] WAY...
 * -u: the io_uring is made at once. -w: "ready" is printed, and a line waited for.
 * A way is one request and its answer on a connection of its own, of which this process holds both ends; the client's end moves its
 * bytes in that way. Prints for each `WAY SENT RECEIVED`, what the client's end moved. The request's path is /WAY.
 * Exit 0; 1 when a way does not work here (`WAY not: reason` instead); 2 misuse.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/io_uring.h>
#include <linux/net_tstamp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define BODY 1000
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
#define ANSWER (sizeof(answer) - 1)
#define ANSWER_HEAD (ANSWER - 5)

struct pair {
	int client, server;
	char request[2000];
	size_t head, all;	/* bytes of the request's head, and with its body */
	size_t sent, received;	/* by the client's end */
};

static const char *why;

static int fails(const char *what)
{
	static char text[200];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(errno));
	why = text;
	return -1;
}

static int accept_by_uring(int listener);

static int begin(struct pair *p, const char *way)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	p->client = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&a, n) || listen(listener, 1) || getsockname(listener, (struct sockaddr *)&a, &n) ||
	    connect(p->client, (struct sockaddr *)&a, n))
		return fails("connect");
	p->server = strcmp(way, "uring_server") ? accept(listener, NULL, NULL) : accept_by_uring(listener);
	if (p->server < 0)
		return fails("accept");
	close(listener);
	p->head = (size_t)snprintf(p->request, sizeof(p->request), "POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", way, BODY);
	memset(p->request + p->head, 'b', BODY);
	p->all = p->head + BODY;
	p->sent = p->received = 0;
	return 0;
}

static int sent(struct pair *p, ssize_t n)
{
	if (n < 0)
		return fails("send");
	p->sent += (size_t)n;
	return 0;
}

static int received(struct pair *p, ssize_t n)
{
	if (n < 0)
		return fails("receive");
	p->received += (size_t)n;
	return 0;
}

/* The server's end takes the request and answers it. */
static int serve(struct pair *p)
{
	char buf[2000];

	for (size_t got = 0; got < p->all;) {
		ssize_t n = read(p->server, buf, sizeof(buf));

		if (n <= 0)
			return fails("serve");
		got += (size_t)n;
	}
	return write(p->server, answer, ANSWER) == ANSWER ? 0 : fails("answer");
}

/* Sends the request by write, and has it answered. */
static int ask(struct pair *p)
{
	return sent(p, write(p->client, p->request, p->all)) || serve(p);
}

static int take(struct pair *p)
{
	char buf[200];

	return received(p, read(p->client, buf, sizeof(buf)));
}

/* ---- the ways ---- */

static int by_write(struct pair *p)
{
	return ask(p) || take(p);
}

static int by_writev(struct pair *p)
{
	struct iovec out[3] = {{p->request, 5}, {p->request + 5, 20}, {p->request + 25, p->all - 25}};
	char buf[200];
	struct iovec in[2] = {{buf, 10}, {buf + 10, 190}};

	return sent(p, writev(p->client, out, 3)) || serve(p) || received(p, readv(p->client, in, 2));
}

/* A head in a few dozen pieces, as Varnish writes its headers. */
static int by_vectors(struct pair *p)
{
	struct iovec out[40];

	for (size_t i = 0; i < 39; i++)
		out[i] = (struct iovec){p->request + i, 1};
	out[39] = (struct iovec){p->request + 39, p->all - 39};
	return sent(p, writev(p->client, out, 40)) || serve(p) || take(p);
}

/* A message in so many pieces that they are not all looked at. */
static int by_many_vectors(struct pair *p)
{
	struct iovec out[80];

	for (size_t i = 0; i < 79; i++)
		out[i] = (struct iovec){p->request + i, 1};
	out[79] = (struct iovec){p->request + 79, p->all - 79};
	return sent(p, writev(p->client, out, 80)) || serve(p) || take(p);
}

static int by_pwritev2(struct pair *p)
{
	struct iovec out[2] = {{p->request, 5}, {p->request + 5, p->all - 5}};
	char buf[200];
	struct iovec in[2] = {{buf, 10}, {buf + 10, 190}};

	return sent(p, pwritev2(p->client, out, 2, -1, 0)) || serve(p) || received(p, preadv2(p->client, in, 2, -1, 0));
}

static int by_sendto(struct pair *p)
{
	char buf[200];

	return sent(p, send(p->client, p->request, p->all, 0)) || serve(p) || received(p, recv(p->client, buf, sizeof(buf), 0));
}

static int by_sendmsg(struct pair *p)
{
	struct iovec out[2] = {{p->request, 5}, {p->request + 5, p->all - 5}};
	char buf[200];
	struct iovec in[2] = {{buf, 10}, {buf + 10, 190}};
	struct msghdr to = {.msg_iov = out, .msg_iovlen = 2}, from = {.msg_iov = in, .msg_iovlen = 2};

	return sent(p, sendmsg(p->client, &to, 0)) || serve(p) || received(p, recvmsg(p->client, &from, 0));
}

#define MESSAGES 20

/* The head in the first messages, the body in the others. */
static int by_sendmmsg(struct pair *p)
{
	struct mmsghdr to[MESSAGES] = {0}, from[2] = {0};
	struct iovec out[MESSAGES], in[2];
	char buf[200];
	size_t at = 0, n;

	for (int i = 0; i < MESSAGES; i++) {
		n = i < 2 ? p->head / 2 : i == MESSAGES - 1 ? p->all - at : 40;
		out[i] = (struct iovec){p->request + at, n};
		to[i].msg_hdr = (struct msghdr){.msg_iov = &out[i], .msg_iovlen = 1};
		at += n;
	}
	in[0] = (struct iovec){buf, 10};
	in[1] = (struct iovec){buf + 10, 190};
	from[0].msg_hdr = (struct msghdr){.msg_iov = &in[0], .msg_iovlen = 1};
	from[1].msg_hdr = (struct msghdr){.msg_iov = &in[1], .msg_iovlen = 1};
	if (sendmmsg(p->client, to, MESSAGES, 0) != MESSAGES)
		return fails("sendmmsg");
	for (int i = 0; i < MESSAGES; i++)
		p->sent += to[i].msg_len;
	if (serve(p) || recvmmsg(p->client, from, 2, 0, NULL) != 2)
		return fails("recvmmsg");
	p->received += from[0].msg_len + from[1].msg_len;
	return 0;
}

static int by_sendfile(struct pair *p)
{
	int file = memfd_create("body", MFD_CLOEXEC);
	off_t at = 0;
	int r;

	if (file < 0 || write(file, p->request + p->head, BODY) != BODY)
		return fails("memfd");
	r = sent(p, write(p->client, p->request, p->head)) || sent(p, sendfile(p->client, file, &at, BODY)) || serve(p) || take(p);
	close(file);
	return r;
}

static int by_splice(struct pair *p)
{
	char head[ANSWER_HEAD];
	int pipes[2], r;

	if (pipe(pipes) || write(pipes[1], p->request + p->head, BODY) != BODY)
		return fails("pipe");
	r = sent(p, write(p->client, p->request, p->head)) || sent(p, splice(pipes[0], NULL, p->client, NULL, BODY, 0)) || serve(p) ||
	    received(p, read(p->client, head, sizeof(head))) || received(p, splice(p->client, NULL, pipes[1], NULL, 5, 0));
	close(pipes[0]);
	close(pipes[1]);
	return r;
}

/* What is looked at is still there. */
static int by_peek(struct pair *p)
{
	char buf[200];

	if (ask(p) || recv(p->client, buf, sizeof(buf), MSG_PEEK) != ANSWER)
		return fails("peek");
	return take(p);
}

/* The answer's body is thrown away unread. */
static int by_trunc(struct pair *p)
{
	char head[ANSWER_HEAD];

	return ask(p) || received(p, read(p->client, head, sizeof(head))) || received(p, recv(p->client, NULL, 5, MSG_TRUNC));
}

/* The queue of errors gives a message without a byte, which is not the end of the stream. */
static int by_errqueue(struct pair *p)
{
	int want = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
	struct pollfd poller = {.fd = p->client};
	char control[200];
	struct msghdr m = {.msg_control = control, .msg_controllen = sizeof(control)};

	if (setsockopt(p->client, SOL_SOCKET, SO_TIMESTAMPING, &want, sizeof(want)) || sent(p, write(p->client, p->request, p->all)))
		return fails("SO_TIMESTAMPING");
	if (poll(&poller, 1, 1000) != 1 || recvmsg(p->client, &m, MSG_ERRQUEUE) != 0)
		return fails("MSG_ERRQUEUE");
	return serve(p) || take(p);
}

/* Reads that have no room for a byte return 0 as well. */
static int by_nothing(struct pair *p)
{
	char buf[1];
	struct iovec none[2] = {{buf, 0}, {buf, 0}};
	struct msghdr m = {.msg_iov = none, .msg_iovlen = 2};

	if (ask(p) || recvmsg(p->client, &m, 0) != 0 || readv(p->client, none, 2) != 0 || read(p->client, buf, 0) != 0)
		return fails("read of nothing");
	return take(p);
}

/*
 * getpid() in the way of 32-bit programs, whose number (20) is that of writev() in ours, with arguments that would do for that: it moves nothing.
 */
static int by_compat(struct pair *p)
{
#ifdef __x86_64__
	struct iovec out = {p->request, p->all};
	long r = 20;
	int status = 0;
	pid_t probe = fork();

	if (!probe) {	/* some hosts have no such calls for their guests: a fault */
		__asm__ volatile("int $0x80" : "+a"(r) : : "r8", "r9", "r10", "r11", "memory");
		_exit(0);
	}
	if (waitpid(probe, &status, 0) != probe || status) {
		why = "none of 32-bit programs here";
		return -1;
	}
	__asm__ volatile("int $0x80" : "+a"(r) : "D"(p->client), "S"(&out), "d"(1l) : "r8", "r9", "r10", "r11", "memory");
	if (r != getpid())
		return fails("int 0x80");
#endif
	return ask(p) || take(p);
}

/* The end of the stream, learnt by recvmsg, and the descriptor kept for a while. */
static int by_eof(struct pair *p)
{
	char buf[200];
	struct iovec in = {buf, sizeof(buf)};
	struct msghdr m = {.msg_iov = &in, .msg_iovlen = 1};

	if (sent(p, write(p->client, p->request, p->all)))
		return -1;
	for (size_t got = 0; got < p->all; got += (size_t)read(p->server, buf, sizeof(buf)))
		;
	shutdown(p->server, SHUT_WR);
	if (recvmsg(p->client, &m, 0) != 0)
		return fails("recvmsg");
	usleep(200000);
	return 0;
}

static void nothing(int sig)
{
}

/* A read that a signal interrupts: told so to the program, or restarted by the kernel. */
static int interrupted(struct pair *p, int flags)
{
	struct sigaction sa = {.sa_handler = nothing, .sa_flags = flags};
	struct itimerval soon = {.it_value.tv_usec = 20000};
	pid_t helper;
	int r;

	if (sent(p, write(p->client, p->request, p->all)))
		return -1;
	sigaction(SIGALRM, &sa, NULL);
	helper = fork();
	if (!helper) {
		usleep(60000);
		_exit(serve(p) != 0);
	}
	setitimer(ITIMER_REAL, &soon, NULL);
	r = take(p);
	if (r && errno == EINTR) {
		usleep(5000);
		r = take(p);
	}
	waitpid(helper, NULL, 0);
	return r;
}

static int by_interrupt(struct pair *p)
{
	return interrupted(p, 0);
}

static int by_restart(struct pair *p)
{
	return interrupted(p, SA_RESTART);
}

/* ---- io_uring, by its system calls: one operation at a time ---- */

struct uring {
	int fd;
	struct io_uring_params params;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
};

static int uring_open(struct uring *u)
{
	size_t sq, cq;

	memset(&u->params, 0, sizeof(u->params));
	u->fd = (int)syscall(SYS_io_uring_setup, 4, &u->params);
	if (u->fd < 0)
		return fails("io_uring_setup");
	sq = u->params.sq_off.array + u->params.sq_entries * sizeof(unsigned);
	cq = u->params.cq_off.cqes + u->params.cq_entries * sizeof(struct io_uring_cqe);
	u->sq = mmap(NULL, sq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQ_RING);
	u->cq = mmap(NULL, cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_CQ_RING);
	u->sqes = mmap(NULL, u->params.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd,
		       IORING_OFF_SQES);
	return u->sq == MAP_FAILED || u->cq == MAP_FAILED || u->sqes == MAP_FAILED ? fails("io_uring mmap") : 0;
}

static ssize_t uring_do(struct uring *u, int op, int fd, void *data, size_t n)
{
	unsigned *sq_tail = (unsigned *)(u->sq + u->params.sq_off.tail), *array = (unsigned *)(u->sq + u->params.sq_off.array);
	unsigned *cq_head = (unsigned *)(u->cq + u->params.cq_off.head);
	unsigned sq_mask = *(unsigned *)(u->sq + u->params.sq_off.ring_mask), cq_mask = *(unsigned *)(u->cq + u->params.cq_off.ring_mask);
	struct io_uring_cqe *cqes = (struct io_uring_cqe *)(u->cq + u->params.cq_off.cqes);
	unsigned slot = *sq_tail & sq_mask;
	ssize_t r;

	u->sqes[slot] = (struct io_uring_sqe){.opcode = (unsigned char)op, .fd = fd, .addr = (unsigned long)data, .len = (unsigned)n};
	array[slot] = slot;
	__atomic_store_n(sq_tail, *sq_tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return -1;
	r = cqes[*cq_head & cq_mask].res;
	__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
	return r;
}

static struct uring uring = {.fd = -1};

static int by_uring(struct pair *p)
{
	char buf[200];

	if (uring.fd < 0 && uring_open(&uring))
		return -1;
	return sent(p, uring_do(&uring, IORING_OP_SEND, p->client, p->request, p->all)) || serve(p) ||
	       received(p, uring_do(&uring, IORING_OP_RECV, p->client, buf, sizeof(buf)));
}

static int accept_by_uring(int listener)
{
	return uring.fd < 0 && uring_open(&uring) ? -1 : (int)uring_do(&uring, IORING_OP_ACCEPT, listener, NULL, 0);
}

/* The client's end does as ever; the server's makes no call on its connection from its beginning to its end. */
static int by_uring_server(struct pair *p)
{
	char buf[2000];
	ssize_t n = 1;

	if (sent(p, write(p->client, p->request, p->all)))
		return -1;
	for (size_t got = 0; got < p->all && n > 0; got += (size_t)n)
		n = uring_do(&uring, IORING_OP_RECV, p->server, buf, sizeof(buf));
	return n <= 0 || uring_do(&uring, IORING_OP_SEND, p->server, (void *)answer, ANSWER) != ANSWER ? fails("serve") : take(p);
}

/* ---- all ---- */

static const struct {
	const char *name;
	int (*move)(struct pair *p);
} ways[] = {
	{"write", by_write},	   {"writev", by_writev},     {"many_vectors", by_many_vectors}, {"vectors", by_vectors}, {"pwritev2", by_pwritev2},
	{"sendto", by_sendto},	   {"sendmsg", by_sendmsg},   {"sendmmsg", by_sendmmsg},	 {"sendfile", by_sendfile},
	{"splice", by_splice},	   {"peek", by_peek},	      {"trunc", by_trunc},		 {"errqueue", by_errqueue},
	{"nothing", by_nothing},   {"eof", by_eof},	      {"interrupt", by_interrupt},	 {"restart", by_restart},
	{"compat", by_compat},	   {"uring", by_uring},	      {"uring_server", by_uring_server},
};

static int do_way(const char *name)
{
	struct pair p;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (strcmp(ways[i].name, name))
			continue;
		why = NULL;
		if (begin(&p, name) || ways[i].move(&p)) {
			printf("%s not: %s\n", name, why ? why : "?");
			return 1;
		}
		close(p.client);
		close(p.server);
		printf("%s %zu %zu\n", name, p.sent, p.received);
		return 0;
	}
	fprintf(stderr, "moves: there is no way '%s'\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	int first = 1, failed = 0;

	for (; first < argc && argv[first][0] == '-'; first++) {
		char line[16];

		if (!strcmp(argv[first], "-u")) {
			uring_open(&uring);
			continue;
		}
		puts("ready");
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin))
			return 2;
	}
	if (first >= argc)
		return 2;
	for (int i = first; i < argc; i++)
		failed |= do_way(argv[i]);
	return failed;
}
