/* SPDX-License-Identifier: MIT */
#include "cli/tracing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/privilege.h"

#define NOTE_MAX 2048

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
