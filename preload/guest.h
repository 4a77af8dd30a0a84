/* SPDX-License-Identifier: MIT */
/*
 * What the library is in this process: its mapped control page and journal, its service name, and the
 * few words that every call looks at first. Set up once by the constructor, or by the first call before it; never
 * torn down. When anything is missing, damaged or of another version the guest is absent: one line on stderr, then
 * pure pass-through.
 *
 * All of it is async-signal-safe and thread-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_GUEST_H
#define AFTERSHOCK_PRELOAD_GUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "plan/page.h"
#include "record/journal.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define GUEST_FD_FLOOR 100	/* our descriptors live at or above this number */

/* False where no program has memory: of such an address the kernel says EFAULT, while we would crash in looking. */
static inline bool guest_plausible(const void *p)
{
	return (uintptr_t)p - 4096 < 1ull << 56;
}

struct guest {
	struct page *page;		/* NULL: absent, pass everything through */
	struct journal_writer journal;
	uint32_t mode;			/* enum page_mode */
	_Atomic uint32_t apart;		/* JOURNAL_PID_APART and the namespace's bits when this process is in another one than the controller */
	_Atomic bool confined;		/* no fault may act in this process any more (confine.h) */
	char service[96];
};

extern struct guest guest;

/* Joins the run that AFTERSHOCK_RUN names; later calls return at once. errno is kept. */
void guest_start(void);

/* getpid(), remembered, right also after fork without exec and in a vfork child. After a fork the first call makes this process known to the journal. */
uint32_t guest_pid(void);

/* True in a child that borrows its parent's memory (vfork): it must change nothing of ours. Costs a system call. */
bool guest_is_borrowed(void);

/* A number that names the running thread within this process, and changes with fork: owner of locks. Not 0. */
uint64_t guest_self(void);

/* gettid(), remembered per thread. */
uint32_t guest_tid(void);

/* The next serial number of the run, for a connection or an exchange. */
uint64_t guest_serial(void);

/* Counts something left out (enum page_loss). */
void guest_lost(enum page_loss what);

/* Whether faults may act now: the controller lives. */
bool guest_faults_on(uint64_t now_ns);

/* Whether all texts of a fault lie inside the page. */
bool guest_fault_sound(const struct page_fault *f);

/* A journal record to fill (header fields set), or NULL (counted). */
struct journal_record *guest_record(uint64_t connection, uint64_t exchange, uint64_t at_ns);

/* The BEGIN of this exchange once more, to be completed as WHOLE; see journal_reopen(). */
struct journal_record *guest_reopen(struct journal_record *begin, uint64_t exchange);

/* Anonymous zeroed memory straight from the kernel, never returned; NULL when there is none. */
void *guest_pages(size_t bytes);

/* Journals that process pid, a child of ppid, becomes the program in this file at at_ns (failed: that it did not). */
void guest_tell_exec(uint32_t pid, uint32_t ppid, const char *file, uint64_t at_ns, bool failed);

/* Moves a new descriptor of ours to GUEST_FD_FLOOR or above, close-on-exec; returns it (fd itself when that fails, < 0 as it came). */
int guest_high_fd(int fd);

#endif
