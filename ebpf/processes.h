/* SPDX-License-Identifier: MIT */
/*
 * The processes that the tracer follows, with what is known of them, by pid. Not thread-safe.
 * A pointer stays valid until processes_remove() of that pid.
 */
#ifndef AFTERSHOCK_EBPF_PROCESSES_H
#define AFTERSHOCK_EBPF_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include "record/index.h"
#include "record/proc.h"

struct processes_entry {
	struct proc p;
	bool told;	/* the recorder knows it */
	bool given;	/* followed because user space said so */
	bool missed;	/* it was not there any more when we looked last, and its end has not been told */
	LIST_ENTRY(processes_entry) all;
};

struct processes {	/* zero: empty */
	struct index by_pid;
	LIST_HEAD(, processes_entry) all;
};

/* The process, or NULL. */
struct processes_entry *processes_find(const struct processes *ps, uint32_t pid);

/* The process, made (with nothing but its pid) when it is not there; NULL: no memory, or no pid. */
struct processes_entry *processes_add(struct processes *ps, uint32_t pid);

void processes_remove(struct processes *ps, uint32_t pid);
size_t processes_count(const struct processes *ps);
void processes_free(struct processes *ps);

#endif
