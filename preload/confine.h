/* SPDX-License-Identifier: MIT */
/*
 * A program that gives up system calls for good (seccomp): sshd does before it trusts its peer. The library makes some for itself, and
 * where the program's filter would end the process for one of them, it makes none any more: connections are the program's alone, faults
 * do not reach them (counted), new ones are not followed. A filter that says no to them changes nothing here: each has another way then.
 */
#ifndef AFTERSHOCK_PRELOAD_CONFINE_H
#define AFTERSHOCK_PRELOAD_CONFINE_H

#include <stdbool.h>

struct sock_fprog;

/* Before the program installs this filter (NULL: strict mode): looks what it says of our calls, and lets go of all when need be. True when
 * that was done. */
bool confine_begin(const struct sock_fprog *filter);

/* The kernel took the filter, or did not: in that case all goes on as before. */
void confine_end(bool begun, bool installed);

#endif
