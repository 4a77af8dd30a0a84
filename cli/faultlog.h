/* SPDX-License-Identifier: MIT */
/*
 * The log of a run's faults: a file in the run directory to which whoever sets or switches a fault appends one line of JSON,
 * under the file's lock, just before it does so on the control page. The run's controller follows it and turns it into
 * evidence; `fault list` takes the specs from it.
 * Single-threaded per struct.
 */
#ifndef AFTERSHOCK_CLI_FAULTLOG_H
#define AFTERSHOCK_CLI_FAULTLOG_H

#include <stdint.h>
#include <sys/types.h>

#define FAULTLOG_FILE "faults"	/* in the run directory */

enum faultlog_act { FAULTLOG_SET, FAULTLOG_ON, FAULTLOG_OFF, FAULTLOG_CLEAR, FAULTLOG_ACTS };

struct faultlog_entry {
	uint64_t at_ns;		/* CLOCK_MONOTONIC */
	enum faultlog_act act;	/* SET: it is on from here; CLEAR: or replaced */
	uint32_t id;
	const char *name;
	const char *spec;	/* SET: one fault as JSON; else NULL */
};

/* Opens (and makes, 0600) the log of the directory dir. A descriptor or -errno. */
int faultlog_open(int dir);

/* Appends one line. 0 or -errno. */
int faultlog_append(int fd, const struct faultlog_entry *e);

struct faultlog {	/* a reader; zeroed but for fd */
	int fd;
	off_t at;	/* what lies before was handed over */
};

/* Hands every new whole line to fn, in order; the entry is valid during fn only. Lines that say nothing are passed over. 0 or -errno. */
int faultlog_read(struct faultlog *l, void (*fn)(void *arg, const struct faultlog_entry *e), void *arg);

#endif
