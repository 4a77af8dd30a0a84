/* SPDX-License-Identifier: MIT */
/* What the tracer needs of the machine and of the user, asked one by one: each missing piece has its own sentence. */
#include "ebpf/tracer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "ebpf/hooks.h"

#define INITIAL_PID_NAMESPACE 0xeffffffcu	/* include/linux/proc_ns.h: PROC_PID_INIT_INO */
#define BTF_FILE "/sys/kernel/btf/vmlinux"

/* Fills what; returns err. */
__attribute__((format(printf, 4, 5))) static int say(int err, char *what, unsigned size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, size, format, ap);
	va_end(ap);
	return err;
}

/* bpf_get_socket_cookie() in tracing programs came with 5.12; ring buffers, iterators and CAP_BPF with 5.8. */
static int check_kernel(char *what, unsigned size)
{
	struct utsname u;
	unsigned major, minor;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return say(0, what, size, "its release can not be told");
	if (major > 5 || (major == 5 && minor >= 12))
		return say(0, what, size, "%s %s, %s", u.sysname, u.release, u.machine);
	return say(-EOPNOTSUPP, what, size, "Linux %s is too old for the tracer: it needs 5.12 or newer", u.release);
}

static int check_btf(char *what, unsigned size)
{
	if (!access(BTF_FILE, R_OK))
		return say(0, what, size, BTF_FILE);
	return say(-errno, what, size, BTF_FILE " can not be read (%s): the kernel has to be built with CONFIG_DEBUG_INFO_BTF=y", strerror(errno));
}

static unsigned long long effective_capabilities(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long set = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &set) == 1)
			break;
	if (f)
		fclose(f);
	return set;
}

static int check_capability(unsigned capability, const char *name, char *what, unsigned size)
{
	unsigned long long set = effective_capabilities();

	if (set >> capability & 1)
		return say(0, what, size, "given");
	if (set >> CAP_SYS_ADMIN & 1)
		return say(0, what, size, "CAP_SYS_ADMIN stands for it");
	return say(-EPERM, what, size, "%s is missing: run as root, or give the program CAP_BPF and CAP_PERFMON", name);
}

static int check_cap_bpf(char *what, unsigned size)
{
	return check_capability(CAP_BPF, "CAP_BPF", what, size);
}

static int check_cap_perfmon(char *what, unsigned size)
{
	return check_capability(CAP_PERFMON, "CAP_PERFMON", what, size);
}

static int check_lockdown(char *what, unsigned size)
{
	char text[128] = "";
	int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	if (fd >= 0)
		close(fd);
	if (!strstr(text, "[confidentiality]"))
		return say(0, what, size, "not in the way");
	return say(-EPERM, what, size, "the kernel is locked down (lockdown=confidentiality), which forbids BPF programs to read memory");
}

/* The kernel's programs see the pids of the machine; those of a container's namespace are others. */
static int check_pid_namespace(char *what, unsigned size)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || st.st_ino == INITIAL_PID_NAMESPACE)
		return say(0, what, size, "the machine's");
	return say(-EOPNOTSUPP, what, size,
		   "this is a container with process ids of its own: start it with the machine's (docker run --pid=host)");
}

static int check_calls(char *what, unsigned size)
{
	libbpf_set_print(NULL);	/* that there is no BTF is said elsewhere */
	if (hooks_there("sys_enter") && hooks_there("sys_exit"))
		return say(0, what, size, "can be watched");
	return say(-ENOENT, what, size, "the kernel tells of no system calls: it has to be built with CONFIG_FTRACE_SYSCALLS=y");
}

static int check_bpf(char *what, unsigned size)
{
	int fd, err;

	if (check_cap_bpf(what, size))
		return say(-EPERM, what, size, "bpf(2) can not be tried without CAP_BPF");
	fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, NULL, 0, 0, (unsigned)sysconf(_SC_PAGESIZE), NULL);
	err = errno;
	if (fd >= 0) {
		close(fd);
		return say(0, what, size, "may be called");
	}
	return say(-err, what, size, "bpf(2) is refused (%s): a seccomp filter of the container, or no ring buffers in this kernel", strerror(err));
}

static const struct {
	const char *name;
	int (*check)(char *what, unsigned size);
} checks[] = {
	{"kernel", check_kernel},
	{"BTF", check_btf},
	{"CAP_BPF", check_cap_bpf},
	{"CAP_PERFMON", check_cap_perfmon},
	{"lockdown", check_lockdown},
	{"pid namespace", check_pid_namespace},
	{"system calls", check_calls},
	{"bpf(2)", check_bpf},
};

int tracer_available(char *why, unsigned why_size)
{
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(checks) / sizeof(checks[0]); i++)
		err = checks[i].check(why, why_size);
	return err;
}

/* ---- hooks that it can do without ---- */

static void examine_hooks(tracer_tell *tell, void *arg)
{
	static const struct {
		const char *hook, *row, *without;
	} hooks[] = {
#define X(hook, program, without) {#hook, "hook " #hook, without},
		HOOKS_OPTIONAL(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		bool there = hooks_there(hooks[i].hook);

		tell(arg, hooks[i].row, false, there ? 0 : -ENOENT, there ? "this kernel has it" : hooks[i].without);
	}
}

void tracer_examine(tracer_tell *tell, void *arg)
{
	char what[512];

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		int err = checks[i].check(what, sizeof(what));

		tell(arg, checks[i].name, true, err, what);
	}
	examine_hooks(tell, arg);
	hooks_close();
}
