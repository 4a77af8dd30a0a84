/* SPDX-License-Identifier: MIT */
/*
 * The numbers of the kernel's tracepoints, read from tracefs. Where tracefs is not mounted (containers, minimal systems) but the
 * user may mount, an own instance is opened that is part of no one's file tree and goes away with its descriptor:
 * nothing on the machine changes. Thread-safe.
 */
#ifndef AFTERSHOCK_EBPF_TRACEPOINTS_H
#define AFTERSHOCK_EBPF_TRACEPOINTS_H

#include <bpf/libbpf.h>

/* A descriptor of tracefs' directory `events`, or -errno. The caller closes it. */
int tracepoints_open(void);

/* Attaches program to tracepoint "group/name". 0, and *link is the caller's; -ENOENT: the kernel has none of that name; other -errno. */
int tracepoints_attach(int events, const char *tracepoint, struct bpf_program *program, struct bpf_link **link);

#endif
