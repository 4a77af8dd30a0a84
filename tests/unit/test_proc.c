/* SPDX-License-Identifier: MIT */
/* What /proc tells of processes: ourselves, children with names and environments of their own, processes that are gone. */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "record/proc.h"
#include "tests/lib/tap.h"

/* A program that runs until its stdin ends; the pipe's write end is *end. Returns once it has called exec. */
static pid_t start(const char *file, char *const *argv, char *const *env, int *end)
{
	int gate[2], done[2];
	pid_t pid;
	char c;

	if (pipe(gate) || pipe2(done, 02000000))	/* O_CLOEXEC: end of file is exec */
		return -1;
	pid = fork();
	if (!pid) {
		dup2(gate[0], 0);
		close(gate[0]);
		close(gate[1]);
		execve(file, argv, env);
		_exit(127);
	}
	close(gate[0]);
	close(done[1]);
	if (read(done[0], &c, 1))
		return -1;
	close(done[0]);
	*end = gate[1];
	return pid;
}

static void test_self(void)
{
	struct proc p;

	is_int(proc_read((uint32_t)getpid(), &p), 0, "we can read ourselves");
	is_int(p.ppid, getppid(), "our parent");
	ok(p.started_ns <= clock_now_ns() && p.started_ns + 3600 * NS_PER_S > clock_now_ns(), "we started less than an hour ago, not later than now");
	is_str(p.service, program_invocation_short_name, "our name is that of the program");
	ok(strstr(p.command, program_invocation_short_name), "our command line");
}

static void test_names(void)
{
	static const struct {
		const char *what, *file, *want;
		char *argv[4], *env[3];
	} rows[] = {
		{"a program", "/bin/cat", "cat", {"/bin/cat"}, {NULL}},
		{"AFTERSHOCK_SERVICE", "/bin/cat", "orders", {"/bin/cat"}, {"OTEL_SERVICE_NAME=otel", "AFTERSHOCK_SERVICE=orders"}},
		{"OTEL_SERVICE_NAME", "/bin/cat", "otel", {"/bin/cat"}, {"XOTEL_SERVICE_NAME=no", "OTEL_SERVICE_NAME=otel"}},
		{"no arguments but a blank", "/bin/cat", "cat", {""}, {NULL}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proc p;
		int end = -1;
		pid_t pid = start(rows[i].file, rows[i].argv, rows[i].env, &end);

		is_int(proc_read((uint32_t)pid, &p), 0, "%s: is read", rows[i].what);
		is_str(p.service, rows[i].want, "%s: names the service", rows[i].what);
		is_int(p.ppid, getpid(), "%s: its parent are we", rows[i].what);
		close(end);
		waitpid(pid, NULL, 0);
		is_int(proc_read((uint32_t)pid, &p), -ESRCH, "%s: then it is gone", rows[i].what);
	}
}

static void test_name_from_arguments(void)
{
	static const char args[] = "python3\0-m\0http.server\0";
	static const char title[] = "redis-server *:6379";
	struct proc p;

	memset(&p, 0, sizeof(p));
	proc_name(0x7fffffff, args, sizeof(args) - 1, "python3", &p);
	is_str(p.service, "http.server", "a process that is gone is named by the arguments that someone saw");
	is_str(p.command, "python3 -m http.server", "its command line is joined by blanks");
	proc_name(0x7fffffff, title, sizeof(title), "redis-server", &p);
	is_str(p.service, "redis-server", "a title in place of the arguments does not hide the program");
	proc_name(0x7fffffff, "", 0, "kworker", &p);
	is_str(p.service, "kworker", "without arguments the kernel's name serves");
	is_str(p.command, "kworker", "for the command too");
}

static int find_self(void *arg, const struct proc *p)
{
	return p->pid == (uint32_t)getpid() && p->ppid == (uint32_t)getppid() ? 42 : 0;
}

static void test_hostile_name(void)
{
	struct proc p;

	prctl(PR_SET_NAME, "a) S 1 (b");
	is_int(proc_read((uint32_t)getpid(), &p), 0, "a name with parentheses and blanks is read");
	is_str(p.comm, "a) S 1 (b", "as it is");
	is_int(p.ppid, getppid(), "and does not shift the fields behind it");
}

int main(void)
{
	test_self();
	test_names();
	test_name_from_arguments();
	is_int(proc_each(find_self, NULL), 42, "all processes are walked until the function stops it");
	test_hostile_name();
	return tap_done();
}
