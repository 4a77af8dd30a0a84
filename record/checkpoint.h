/* SPDX-License-Identifier: MIT */
/*
 * Moves the write-ahead log of a run file into the file, in a thread and on a connection of its own: that waits for the disk, and the
 * one who records must not. Only the owner of the store calls these.
 *
 * Between calls the log is emptied, not begun anew over its old content: so the writer need not wait for the disk even then, and a log
 * that a crash of the machine cut is never one with old pages in it (sqlite.org/wal.html, sqlite.org/fileformat2.html#walreset).
 */
#ifndef AFTERSHOCK_RECORD_CHECKPOINT_H
#define AFTERSHOCK_RECORD_CHECKPOINT_H

struct checkpoint;

/* path: absolute. NULL: no memory, no thread; the log then grows until the file is closed. */
struct checkpoint *checkpoint_start(const char *path);

/* There is enough to be moved. Returns at once. */
void checkpoint_wake(struct checkpoint *c);

/* Ends the thread once it has done what it is at; frees. NULL is fine. */
void checkpoint_stop(struct checkpoint *c);

#endif
