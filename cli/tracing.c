/* SPDX-License-Identifier: MIT */
#include "cli/tracing.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/privilege.h"

#define RING_MAX (1u << 30)
#define NOTE_MAX 2048
#define SLICE_NS (10 * NS_PER_MS)

/* ---- what is asked for ---- */

int tracing_take_capture(struct tracer_options *o, const char *value)
{
	uint64_t bytes;

	if (units_count(value, TRACING_CAPTURE_MAX, &bytes) || bytes < TRACING_CAPTURE_MIN)
		return cli_error("--capture '%s' is not a number of bytes from %d to %d", value, TRACING_CAPTURE_MIN, TRACING_CAPTURE_MAX);
	o->payload_cap = (uint32_t)bytes;
	return 0;
}

/* A ring is as many pages as a power of two. */
static bool ring_size(const char *text, uint32_t *bytes)
{
	uint64_t n, page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (units_count(text, RING_MAX, &n) || n < page || n & (n - 1))
		return false;
	*bytes = (uint32_t)n;
	return true;
}

int tracing_take_environment(struct tracer_options *o)
{
	const char *value = getenv("AFTERSHOCK_RING_BYTES");
	char data[32];
	size_t n;

	if (!value || !*value)
		return 0;
	n = strcspn(value, ",");
	snprintf(data, sizeof(data), "%.*s", (int)n, value);
	if (n < sizeof(data) && ring_size(data, &o->data_ring_bytes) && (!value[n] || ring_size(value + n + 1, &o->control_ring_bytes)))
		return 0;
	return cli_error("AFTERSHOCK_RING_BYTES '%s' is not DATA or DATA,CONTROL, each a power of two from %ld to %u", value,
			 sysconf(_SC_PAGESIZE), RING_MAX);
}

/* ---- with and without privileges ---- */

int tracing_available(char *why, unsigned why_size)
{
	int err;

	privilege_raise();
	err = tracer_available(why, why_size);
	privilege_rest();
	return err;
}

int tracing_load(struct tracer **t, const struct tracer_options *o, const pid_t *pids, unsigned count, pid_t *failed, char *error,
		 unsigned error_size)
{
	int err;

	*failed = 0;
	privilege_raise();
	err = tracer_load(t, o, error, error_size);
	for (unsigned i = 0; !err && i < count; i++) {
		err = tracer_add_pid(*t, pids[i]);
		if (err)
			*failed = pids[i];
	}
	privilege_rest();
	return err;
}

/*
 * Root keeps what it takes to signal and to look at processes of COMMAND that change their user and programs that only they may read, and
 * to close a run file in a directory of somebody else. Everybody keeps CAP_BPF where the kernel (before 5.19) asks for it at each look into a map.
 */
void tracing_drop(const struct tracer *t, const char *output, bool command)
{
	uint64_t keep = privilege_to_write(output);

	if (command)
		keep |= privilege_bit(CAP_KILL) | privilege_bit(CAP_SYS_PTRACE) | privilege_bit(CAP_DAC_READ_SEARCH);
	if (geteuid())
		keep = 0;
	if (t && !tracer_works_unprivileged(t))
		keep |= privilege_bit(CAP_BPF);
	privilege_drop(keep);
}

/* ---- what the run file says ---- */

/* ["shim","ebpf","-HOOK",...]: with a minus what is left out. */
static void sources(const struct tracer *t, bool shim, char *text, size_t size)
{
	size_t n = (size_t)snprintf(text, size, "[%s\"ebpf\"", shim ? "\"shim\"," : "");
	char *save, *hook, hooks[NOTE_MAX / 2];

	snprintf(hooks, sizeof(hooks), "%s", tracer_missing(t));
	for (hook = strtok_r(hooks, ",", &save); hook && n + strlen(hook) + 8 < size; hook = strtok_r(NULL, ",", &save))
		n += (size_t)snprintf(text + n, size - n, ",\"-%s\"", hook);
	snprintf(text + n, size - n, "]");
}

void tracing_note(struct recorder *r, const struct tracer *t, bool shim)
{
	char text[NOTE_MAX];

	privilege_text(text, sizeof(text));
	recorder_note(r, "privileges", text);
	if (!t)
		return;
	sources(t, shim, text, sizeof(text));
	recorder_note(r, "sources", text);
	if (*tracer_missing(t))
		recorder_note(r, "missing_hooks", tracer_missing(t));
}

/* Since 6.12 the runtime of a fair policy is the slice that is asked for; before, it is not looked at. */
void tracing_yield(void)
{
	const struct {	/* struct sched_attr of linux/sched/types.h, which libc's sched.h can not be beside */
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} how = {.size = sizeof(how), .policy = SCHED_BATCH, .nice = getpriority(PRIO_PROCESS, 0), .runtime = SLICE_NS};

	if (sched_getscheduler(0) == SCHED_OTHER)
		syscall(SYS_sched_setattr, 0, &how, 0);
}
