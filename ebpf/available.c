/* SPDX-License-Identifier: MIT */
/* What the tracer needs of the machine and of the user, asked one by one: each missing piece has its own sentence. */
#include "ebpf/tracer.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "ebpf/tracepoints.h"

#define INITIAL_PID_NAMESPACE 0xeffffffcu	/* include/linux/proc_ns.h: PROC_PID_INIT_INO */
#define CAP_SYS_ADMIN 21
#define CAP_PERFMON 38
#define CAP_BPF 39

__attribute__((format(printf, 4, 5))) static int missing(int err, char *why, unsigned size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, size, format, ap);
	va_end(ap);
	return err;
}

/* bpf_get_socket_cookie() in tracing programs came with 5.12; ring buffers, iterators and CAP_BPF with 5.8. */
static int check_kernel(char *why, unsigned size)
{
	struct utsname u;
	unsigned major, minor;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return 0;
	if (major > 5 || (major == 5 && minor >= 12))
		return 0;
	return missing(-EOPNOTSUPP, why, size, "Linux %s is too old for the tracer: it needs 5.12 or newer", u.release);
}

static int check_btf(char *why, unsigned size)
{
	if (!access("/sys/kernel/btf/vmlinux", R_OK))
		return 0;
	return missing(-errno, why, size,
		       "/sys/kernel/btf/vmlinux can not be read (%s): the kernel has to be built with CONFIG_DEBUG_INFO_BTF=y",
		       strerror(errno));
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

static int check_capabilities(char *why, unsigned size)
{
	unsigned long long set = effective_capabilities();
	bool admin = set >> CAP_SYS_ADMIN & 1, bpf = set >> CAP_BPF & 1, perfmon = set >> CAP_PERFMON & 1;

	if (admin || (bpf && perfmon))
		return 0;
	return missing(-EPERM, why, size,
		       "%s%s%s missing: run as root, or give the program CAP_BPF, CAP_PERFMON and CAP_DAC_READ_SEARCH",
		       bpf ? "" : "CAP_BPF", bpf || perfmon ? "" : " and ",
		       perfmon ? " is" : bpf ? "CAP_PERFMON is" : "CAP_PERFMON are");
}

static int check_lockdown(char *why, unsigned size)
{
	char text[128] = "";
	int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	if (!strstr(text, "[confidentiality]"))
		return 0;
	return missing(-EPERM, why, size,
		       "the kernel is locked down (lockdown=confidentiality), which forbids BPF programs to read memory");
}

/* The kernel's programs see the pids of the machine; those of a container's namespace are others. */
static int check_pid_namespace(char *why, unsigned size)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || st.st_ino == INITIAL_PID_NAMESPACE)
		return 0;
	return missing(-EOPNOTSUPP, why, size,
		       "this is a container with process ids of its own: start it with the machine's (docker run --pid=host)");
}

static int check_tracefs(char *why, unsigned size)
{
	int fd = tracepoints_open();

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (fd == -EACCES || fd == -EPERM)
		return missing(fd, why, size, "tracefs can not be read: give the program CAP_DAC_READ_SEARCH as well, or run as root");
	return missing(fd, why, size, "tracefs is not there (%s): mount -t tracefs tracefs /sys/kernel/tracing", strerror(-fd));
}

static int check_bpf(char *why, unsigned size)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, NULL, 0, 0, (unsigned)sysconf(_SC_PAGESIZE), NULL);
	int err = errno;

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	return missing(-err, why, size,
		       "bpf(2) is refused (%s): a seccomp filter of the container, or no ring buffers in this kernel", strerror(err));
}

int tracer_available(char *why, unsigned why_size)
{
	static int (*const checks[])(char *why, unsigned size) = {
		check_kernel, check_btf, check_capabilities, check_lockdown, check_pid_namespace, check_tracefs, check_bpf,
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(checks) / sizeof(checks[0]); i++)
		err = checks[i](why, why_size);
	return err;
}
