/* SPDX-License-Identifier: MIT */
/* What /proc tells of processes: ourselves, children with names and environments of their own, processes that are gone. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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

/* Of a process that is gone: all that is known is what was seen. */
static void test_name_of_the_gone(void)
{
	static const struct {
		const char *what, *comm, *exe, *service, *args, *want, *command;
		size_t n;
	} rows[] = {
#define ARGS(s) .args = s, .n = sizeof(s)
		{"arguments", "python3", "", "", .want = "http.server", .command = "python3 -m http.server", ARGS("python3\0-m\0http.server")},
		{"a title in their place", "redis-server", "", "", .want = "redis-server", .command = "redis-server *:6379",
		 ARGS("redis-server *:6379")},
		{"no arguments", "kworker", "", "", .want = "kworker", .command = "kworker", .args = "", .n = 0},
		{"a name of more than 15 bytes", "a-long-name-of-", "", "", .want = "a-long-name-of-a-program",
		 .command = "/opt/a-long-name-of-a-program -x", ARGS("/opt/a-long-name-of-a-program\0-x")},
		{"the same in a title", "a-long-name-of-", "", "", .want = "a-long-name-of-a-program", .command = "a-long-name-of-a-program: worker",
		 ARGS("a-long-name-of-a-program: worker")},
		{"the program file", "python3", "python3.11", "", .want = "job.py", .command = "python3 job.py", ARGS("python3\0job.py")},
		{"a link's name", "redis-cli", "redis-check-rdb", "", .want = "redis-cli", .command = "redis-cli get k", ARGS("redis-cli\0get\0k")},
		{"the environment", "python3", "python3.11", "orders", .want = "orders", .command = "python3 job.py", ARGS("python3\0job.py")},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proc_image image = {rows[i].args, rows[i].n, rows[i].comm, rows[i].exe, rows[i].service, false};
		struct proc p = {0};

		proc_name(0x7fffffff, &image, &p);
		is_str(p.service, rows[i].want, "%s name it", rows[i].what);
		is_str(p.command, rows[i].command, "%s: its command line", rows[i].what);
	}
}

/* What was seen goes before what can be read: the process may be another one by now. */
static void test_seen_before_read(void)
{
	struct proc_image image = {.args = "x", .n = 2, .comm = "x", .exe = "x", .service = "", .whole_environment = true};
	struct proc p = {0};

	setenv("AFTERSHOCK_SERVICE", "not-asked", 1);
	proc_name((uint32_t)getpid(), &image, &p);
	is_str(p.service, "x", "an environment that was seen whole is not read again");
	unsetenv("AFTERSHOCK_SERVICE");
}

/* Ends the process too: as its last thread it would by itself, but ThreadSanitizer has one of its own there. */
static void *wait_for_end(void *pipe)
{
	char c;

	_exit(read(*(int *)pipe, &c, 1) < 0);
}

/* The first thread ends, another lives on: /proc shows the process as a zombie. */
static pid_t start_headless(int *end)
{
	static int gate[2];
	pthread_t thread;
	pid_t pid;

	if (pipe(gate))
		return -1;
	pid = fork();
	if (pid) {
		close(gate[0]);
		*end = gate[1];
		return pid;
	}
	close(gate[1]);
	if (pthread_create(&thread, NULL, wait_for_end, &gate[0]))
		_exit(1);
	pthread_exit(NULL);
}

static bool headless(pid_t pid)
{
	char path[64], text[512] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f && !fread(text, 1, sizeof(text) - 1, f))
		text[0] = '\0';
	if (f)
		fclose(f);
	return strstr(text, ") Z ");
}

static void test_ended(void)
{
	int end = -1, patience = 5000;
	siginfo_t info;
	pid_t pid = start_headless(&end);

	while (!headless(pid) && patience--)
		usleep(1000);
	ok(headless(pid) && !proc_ended((uint32_t)pid), "a process whose first thread has ended lives on");
	close(end);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	ok(proc_ended((uint32_t)pid), "one of which only the exit status is left has ended");
	waitpid(pid, NULL, 0);
	ok(proc_ended((uint32_t)pid), "and so has one that is gone");
	ok(!proc_ended((uint32_t)getpid()), "we have not");
	is_int(proc_of_thread((uint32_t)pid), 0, "who is gone is nobody's thread");
}

static void *thread_id(void *tid)
{
	*(uint32_t *)tid = (uint32_t)syscall(SYS_gettid);
	is_int(proc_of_thread(*(uint32_t *)tid), getpid(), "a thread's id stands for its process");
	return NULL;
}

static void test_thread(void)
{
	pthread_t thread;
	uint32_t tid = 0;

	pthread_create(&thread, NULL, thread_id, &tid);
	pthread_join(thread, NULL);
	ok(tid != (uint32_t)getpid(), "(it has an id of its own)");
}

/* In a process of its own, since what is begun after it would be in the namespace too (LeakSanitizer's helper at the end): tells the pid of a
 * namespace's first process, 0 when none can be made, and stays until its input ends. */
static void found_namespace(int told, int end)
{
	pid_t pid = 0;
	char c;

	if (!unshare(CLONE_NEWPID) && !(pid = fork()))
		_exit(read(end, &c, 1) < 0);
	if (write(told, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	_exit(waitpid(pid, NULL, 0) < 0);
}

/* The first process of a pid namespace: 1 there, something else here. */
static void test_namespace(void)
{
	int end[2], told[2];
	pid_t founder, pid = 0;
	struct proc p;

	is_int(proc_read((uint32_t)getpid(), &p), 0, "(we can read ourselves)");
	is_int(p.inner_pid, 0, "who lives where we do has no other pid");
	if (pipe(end) || pipe(told))
		abort();
	founder = fork();
	if (!founder) {
		close(end[1]);
		found_namespace(told[1], end[0]);
	}
	ok(founder > 0 && read(told[0], &pid, sizeof(pid)) == sizeof(pid), "(somebody tries to make a namespace)");
	if (pid > 0) {
		is_int(proc_read((uint32_t)pid, &p), 0, "a process in a namespace of its own is read");
		is_int(p.inner_pid, 1, "with its pid there");
		ok(p.pid_ns && p.pid == (uint32_t)pid, "with the namespace's number, and its pid here");
	} else {
		printf("# no pid namespace can be made here\n");
	}
	close(end[1]);
	waitpid(founder, NULL, 0);
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
	test_name_of_the_gone();
	test_seen_before_read();
	test_ended();
	test_thread();
	is_int(proc_each(find_self, NULL), 42, "all processes are walked until the function stops it");
	test_hostile_name();
	test_namespace();
	return tap_done();
}
