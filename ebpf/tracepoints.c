/* SPDX-License-Identifier: MIT */
#include "ebpf/tracepoints.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_mounted(void)
{
	static const char *const places[] = {"/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"};
	int err = -ENOENT, fd, probe;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		probe = fd < 0 ? -1 : openat(fd, "syscalls/sys_enter_read/id", O_RDONLY | O_CLOEXEC);
		if (probe >= 0) {
			close(probe);
			return fd;
		}
		err = errno == ENOENT ? err : -errno;
		if (fd >= 0)
			close(fd);
	}
	return err;
}

/* fsmount(2): a mount that is attached nowhere. Needs CAP_SYS_ADMIN and Linux 5.2. */
static int open_detached(void)
{
	int context = fsopen("tracefs", FSOPEN_CLOEXEC), mount = -1, fd = -1, err = 0;

	if (context < 0)
		return -errno;
	if (!fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (mount >= 0)
		fd = openat(mount, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		err = -errno;
	if (mount >= 0)
		close(mount);
	close(context);
	return err ? err : fd;
}

int tracepoints_open(void)
{
	int fd = open_mounted(), detached;

	if (fd >= 0)
		return fd;
	detached = open_detached();
	return detached >= 0 ? detached : fd;
}

static int read_id(int events, const char *tracepoint, unsigned long *id)
{
	char path[128], text[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/id", tracepoint);
	fd = openat(events, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -EIO;
	text[n] = '\0';
	*id = strtoul(text, NULL, 10);
	return 0;
}

int tracepoints_attach(int events, const char *tracepoint, struct bpf_program *program, struct bpf_link **link)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .sample_period = 1, .wakeup_events = 1};
	unsigned long id = 0;
	int fd, err = read_id(events, tracepoint, &id);

	if (err)
		return err;
	attr.config = id;
	/* One processor is named, but the program runs on all: it hangs on the tracepoint, not on the event. */
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	*link = bpf_program__attach_perf_event(program, fd);
	if (*link)
		return 0;
	err = -errno;
	close(fd);
	return err;
}
