/* SPDX-License-Identifier: MIT */
/* The tracer with rings far too small: what is lost is counted, told, and does not spoil what is not. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "ebpf/tracer.h"
#include "tests/lib/tap.h"

#define ROUNDS 500

static const char request[] = "GET /lost HTTP/1.1\r\nHost: x\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void read_exactly(int fd, size_t n)
{
	char buf[512];

	while (n) {
		ssize_t got = read(fd, buf, n < sizeof(buf) ? n : sizeof(buf));

		if (got <= 0)
			_exit(1);
		n -= (size_t)got;
	}
}

/* Client and server in one process, in turns: 2 * ROUNDS exchanges on one connection. */
static void talk(int rounds)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), server;

	if (bind(listener, (struct sockaddr *)&a, n) || listen(listener, 1) || getsockname(listener, (struct sockaddr *)&a, &n) ||
	    connect(client, (struct sockaddr *)&a, n) || (server = accept(listener, NULL, NULL)) < 0)
		_exit(1);
	for (int i = 0; i < rounds; i++) {
		if (write(client, request, sizeof(request) - 1) < 0)
			_exit(1);
		read_exactly(server, sizeof(request) - 1);
		if (write(server, answer, sizeof(answer) - 1) < 0)
			_exit(1);
		read_exactly(client, sizeof(answer) - 1);
	}
	close(client);
	close(server);
	close(listener);
}

/* A child that waits for a byte on stdin, talks, and goes. */
static pid_t start(int rounds, int *gate)
{
	int p[2];
	pid_t pid;
	char c;

	if (pipe(p))
		return -1;
	pid = fork();
	if (!pid) {
		close(p[1]);
		if (read(p[0], &c, 1) != 1)
			_exit(1);
		talk(rounds);
		_exit(0);
	}
	close(p[0]);
	*gate = p[1];
	return pid;
}

/* A child that waits for stdin to end, has children that end at once, and ends. */
static pid_t start_many(int children, int *gate)
{
	int p[2];
	pid_t pid;
	char c;

	if (pipe(p))
		return -1;
	pid = fork();
	if (!pid) {
		close(p[1]);
		if (read(p[0], &c, 1))
			_exit(1);
		while (children--) {
			pid = fork();
			if (!pid)
				_exit(0);
			waitpid(pid, NULL, 0);
		}
		_exit(0);
	}
	close(p[0]);
	*gate = p[1];
	return pid;
}

/* A tracer that follows pid and tells a recorder of its own. False: neither is there. */
static bool open_both(const char *path, const struct tracer_options *o, pid_t pid, struct recorder **r, struct tracer **t)
{
	struct recorder_run run = {
		.path = path, .name = "test", .command = "test", .plan_json = "{}", .started_ns = clock_now_ns(), .ebpf = true};
	char error[512] = "it can not begin";

	if (!recorder_open(r, &run, error, sizeof(error)) && !tracer_load(t, o, error, sizeof(error)) && !tracer_add_pid(*t, pid) &&
	    !tracer_begin(*t, *r, run.started_ns))
		return true;
	printf("# %s\n", error);
	tracer_close(*t);
	recorder_close(*r, false, clock_now_ns());
	*t = NULL;
	*r = NULL;
	return false;
}

static long long query(const char *path, const char *sql)
{
	sqlite3_stmt *s = NULL;
	sqlite3 *db = NULL;
	long long value = -1;

	if (!sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) && !sqlite3_prepare_v2(db, sql, -1, &s, NULL) &&
	    sqlite3_step(s) == SQLITE_ROW)
		value = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return value;
}

/* The ring of rare events is full when it ends, so that this is not told: it is found out. */
static void test_end_not_told(const char *path)
{
	static const struct tracer_options narrow = {.control_ring_bytes = 4096};
	struct recorder *r = NULL;
	struct tracer *t = NULL;
	int gate = -1;
	pid_t pid = start_many(100, &gate);
	uint64_t until;

	open_both(path, &narrow, pid, &r, &t);
	close(gate);
	waitpid(pid, NULL, 0);
	until = clock_now_ns() + 10 * NS_PER_S;
	while (t && tracer_live(t) && clock_now_ns() < until) {
		tracer_drain(t);
		usleep(20000);
	}
	ok(t && !tracer_live(t), "a process whose end was lost is known to have ended");
	if (t)
		tracer_finish(t);
	recorder_close(r, true, clock_now_ns());
	tracer_close(t);
	ok(query(path, "SELECT count FROM loss WHERE reason = 'control_ring_full'") > 0, "(it was lost)");
	is_int(query(path, "SELECT count(*) FROM process WHERE ended_ns IS NULL"), 0, "so is its row");
	unlink(path);
}

static const char *missing = "";	/* hooks that are left out */

/* Traces the child; drained all the time, or only when all is over. Returns how many events were lost, or -1. */
static long long trace(const char *path, const struct tracer_options *o, int rounds, bool drained)
{
	struct recorder *r = NULL;
	struct tracer *t = NULL;
	long long lost = -1;
	int gate = -1, status = 1;
	pid_t pid = start(rounds, &gate);

	if (!open_both(path, o, pid, &r, &t))
		kill(pid, SIGKILL);
	if (write(gate, "x", 1) != 1)
		kill(pid, SIGKILL);
	while (drained && !waitpid(pid, &status, WNOHANG))
		tracer_drain(t);
	if (!drained)
		waitpid(pid, &status, 0);
	is_int(status, 0, "the traced program is not disturbed");
	if (t) {
		tracer_finish(t);
		lost = (long long)tracer_lost(t);
		is_int(tracer_live(t), 0, "it is known to have ended");
		is_str(tracer_missing(t), missing, "no hook is missing but those that were left out");
	}
	recorder_close(r, true, clock_now_ns());
	tracer_close(t);
	close(gate);
	return lost;
}

/* ---- what the kernel does when it leaves programs out: here it says that it did, of those with these names ---- */

#define SKIPS 42

static const char *const *skipped;	/* NULL behind the last; NULL none */

int bpf_obj_get_info_by_fd(int fd, void *info, __u32 *size)
{
	int (*real)(int, void *, __u32 *) = (int (*)(int, void *, __u32 *))dlsym(RTLD_NEXT, "bpf_obj_get_info_by_fd");
	struct bpf_prog_info *program = info;
	int err = real(fd, info, size);

	for (const char *const *name = skipped; !err && name && *name; name++)
		program->recursion_misses += !strcmp(program->name, *name) ? SKIPS : 0;
	return err;
}

static long long trace_skipping(const char *path, const char *const *programs)
{
	static const struct tracer_options normal;
	long long lost;

	skipped = programs;
	lost = trace(path, &normal, 1, false);
	skipped = NULL;
	return lost;
}

/* Calls of write are not heard, and runs were left out that leave a trace. */
static long long with_unseen_writes(const char *path, const char *const *programs)
{
	long long lost;

	setenv("AFTERSHOCK_WITHOUT", "write", 1);
	missing = "write";
	lost = trace_skipping(path, programs);
	missing = "";
	unsetenv("AFTERSHOCK_WITHOUT");
	return lost;
}

/* Runs are left out. */
static void test_skipped(const char *path)
{
	static const char *const harmless[] = {"on_state", "on_gone_too", NULL};
	static const char *const silent[] = {"on_enter", "on_return", "on_fork", "on_exec", "on_exit", NULL};

	is_int(trace_skipping(path, harmless), 0, "runs that were left out are no loss where what they miss shows");
	is_int(query(path, "SELECT count(*) FROM loss"), 0, "and not told as one");
	is_int(query(path, "SELECT value FROM run WHERE key = 'programs_skipped'"), 2 * SKIPS, "but they are noted");
	unlink(path);
	is_int(with_unseen_writes(path, harmless), 2, "it is a loss of the connections concerned when they did miss something");
	is_int(query(path, "SELECT count FROM loss WHERE reason = 'connection_bytes_unseen'"), 2, "by its own reason");
	unlink(path);
	is_int(trace_skipping(path, silent), 5 * SKIPS, "those of which nothing else would tell are a loss");
	is_int(query(path, "SELECT count FROM loss WHERE reason = 'program_skipped'"), 5 * SKIPS, "and told as such");
	is_int(query(path, "SELECT count(*) FROM run WHERE key = 'programs_skipped'"), 0, "once");
	unlink(path);
}

int main(void)
{
	static const struct tracer_options normal, tiny = {.data_ring_bytes = 65536};
	char dir[] = "/tmp/aftershock-test-XXXXXX", path[64], why[512];
	long long lost, exchanges;

	if (tracer_available(why, sizeof(why)))
		return tap_skip_all(why);
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/run.db", dir);

	lost = trace(path, &normal, ROUNDS, false);
	is_int(lost, 0, "a ring of the usual size holds what is not drained for a moment");
	is_int(query(path, "SELECT count(*) FROM exchange WHERE outcome = 'ok'"), 2 * ROUNDS, "every exchange is there, from both ends");
	is_int(query(path, "SELECT count(*) FROM loss"), 0, "and no loss is told");
	unlink(path);

	lost = trace(path, &tiny, ROUNDS, false);
	ok(lost > 0, "a ring that overflows loses events, which are counted (%lld)", lost);
	ok(query(path, "SELECT count FROM loss WHERE reason = 'payload_ring_full'") > 0, "the run file tells the reason");
	exchanges = query(path, "SELECT count(*) FROM exchange WHERE outcome = 'ok'");
	ok(exchanges > 0 && exchanges < 2 * ROUNDS, "what was not lost is there (%lld)", exchanges);
	is_int(query(path, "SELECT count(*) FROM exchange WHERE outcome = 'ok' AND (status <> 200 OR path <> '/lost')"), 0,
	       "and none of it is made of halves");
	is_int(query(path, "SELECT count(*) FROM connection WHERE end IS NOT NULL"), 2, "the ring of rare events is another: both ends are known");
	unlink(path);

	lost = trace(path, &tiny, ROUNDS, true);
	ok(lost >= 0, "with draining, %lld events are lost", lost);
	exchanges = query(path, "SELECT count(*) FROM exchange WHERE outcome = 'ok'");
	is_int(exchanges == 2 * ROUNDS, lost == 0, "exchanges are missing when and only when events are");
	unlink(path);
	test_end_not_told(path);
	test_skipped(path);
	rmdir(dir);
	return tap_done();
}
