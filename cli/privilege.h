/* SPDX-License-Identifier: MIT */
/*
 * What the process may do, and as whom. The tracer's capabilities are used while it is loaded, and are gone before anything is recorded:
 *
 *	privilege_begin()		first thing in main
 *	privilege_become_invoker()	under sudo: the user who called it, the tracer's capabilities set aside
 *	privilege_raise() .. _rest()	around what needs them
 *	privilege_drop()		for good
 *
 * Invariant: outside of raise .. rest a process that is not root's has no effective capability. With file capabilities it reads and writes
 * no file that its user could not; under sudo, none that the user who called it could not.
 *
 * Capabilities are a thread's own: all of this is for a process of one thread, before it starts others.
 */
#ifndef AFTERSHOCK_CLI_PRIVILEGE_H
#define AFTERSHOCK_CLI_PRIVILEGE_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>

#define PRIVILEGE_USER_MAX 64

/* A set of capabilities: bit n is capability n (CAP_BPF, ...). */
static inline uint64_t privilege_bit(unsigned capability)
{
	return UINT64_C(1) << capability;
}

/* Takes leave of what nobody asked for: ambient capabilities, and effective ones unless root is the user. 0, or -EPERM when it runs
 * under another id than its user's (a setuid program): that is not made for. */
int privilege_begin(void);

/* Whether setuid programs and file capabilities work for programs started from here: not where no_new_privs was set before us. */
bool privilege_programs_may_gain(void);

/*
 * Root, by sudo: takes on the ids, the groups and the HOME of the user who called it, and forgets sudo's variables. 1 done, *user is the
 * name or number; 0 nobody called, or root did; -errno with one sentence.
 */
int privilege_become_invoker(char user[PRIVILEGE_USER_MAX], char *error, unsigned error_size);

/* Makes effective what is permitted; and puts that aside again (root keeps it until privilege_drop()). */
void privilege_raise(void);
void privilege_rest(void);

/* What a root without capabilities would need so as to write a file and what lies beside it: a set, 0 for nothing. Leaves no capability effective. */
uint64_t privilege_to_write(const char *path);

/* Gives up all capabilities but those of `keep` that the process has, and all ways to new ones. */
void privilege_drop(uint64_t keep);

/* What is left: "none", or names with commas between. */
void privilege_text(char *text, unsigned size);

#endif
