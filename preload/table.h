/* SPDX-License-Identifier: MIT */
/*
 * Which descriptor is which connection. One array load tells that a descriptor is none of ours; everything else lives
 * behind it. A stream that no fault could concern when it was opened (and that is not journalled) bears a mark with its role
 * and the version of the faults: it is taken up when a later version has a fault for it.
 * State follows the open file description: dup shares it, the last close frees it, a reused number starts clean.
 *
 * Invariant: fd_conn[fd] is 0 (not ours), TABLE_PRIVATE (a descriptor of the guest itself), a connection's index
 * plus TABLE_FIRST, or a mark (TABLE_MARK and what it says). Async-signal-safe, thread-safe.
 */
#ifndef AFTERSHOCK_PRELOAD_TABLE_H
#define AFTERSHOCK_PRELOAD_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include "preload/conn.h"
#include "preload/descriptors.h"
#include "preload/guest.h"

#define TABLE_PRIVATE 1u
#define TABLE_FIRST 2u
#define TABLE_MARK 0x80000000u
#define TABLE_MARK_SERVER 0x40000000u
#define TABLE_MARK_VERSION 0x3fffffffu	/* the low bits of the page's version */

extern _Atomic uint32_t *fd_conn;	/* of TABLE_FDS */

/* Makes room for the table, before anything else here is called; false when there is none. */
bool table_start(void);

/* Takes up stream connections that were open when this image started. Descriptors of one socket mean one connection. */
void table_adopt_inherited(void);

/* Takes up one descriptor that came from elsewhere (SCM_RIGHTS), when it is a connected stream. */
void table_adopt(int fd);

/* The connection of fd, matched with the faults of now, held until conn_put(); NULL when fd is not tracked. */
struct conn *table_get(int fd);

/* Whether the table says anything about fd. */
static inline bool table_knows(int fd)
{
	return descriptor_may_be_known(fd) && atomic_load_explicit(&fd_conn[fd], memory_order_relaxed) != 0;
}

/* Whether a call on fd is our business: all that the table knows but marks of the present version. */
static inline bool table_tracks(int fd)
{
	uint32_t v = descriptor_may_be_known(fd) ? atomic_load_explicit(&fd_conn[fd], memory_order_relaxed) : 0;

	return v && (!(v & TABLE_MARK) || ((v ^ page_version(guest.page)) & TABLE_MARK_VERSION));
}

static inline bool table_is_marked(int fd)
{
	return descriptor_may_be_known(fd) && (atomic_load_explicit(&fd_conn[fd], memory_order_relaxed) & TABLE_MARK);
}

/* Marks a stream that no fault concerns now. fd means no connection. */
void table_mark(int fd, enum journal_role role);

#define TABLE_GET(fd) (likely(!table_tracks(fd)) ? NULL : table_get(fd))

/* Makes fd mean c; takes over one reference. False (counted) when fd is beyond the table. */
bool table_set(int fd, struct conn *c);

/* The first descriptor from fd on that means c; -1 none. */
int table_next(const struct conn *c, int fd);

/* Before a program's close (or the close inside dup2) of fd: ends what it means. Call while fd is still open. stays: it is
 * not closed but connected anew, its registrations in epoll sets go on. */
void table_drop(int fd, bool stays);

/* After dup: `to` means what `from` means. */
void table_share(int from, int to);

/* A new descriptor becomes the guest's own: moved up (guest_high_fd), out of the program's reach. Returns its number (< 0 as it came). */
int table_own(int fd);

/* Closes one of the guest's own; < 0 is fine. */
void table_disown(int fd);

bool table_is_private(int fd);

/* Before the program makes `to` its own (dup2): one of ours there moves away. */
void table_vacate(int to);

#endif
