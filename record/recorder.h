/* SPDX-License-Identifier: MIT */
/*
 * The recorder: takes the testimony of both witnesses in one shape (struct journal_record), joins it, and is the
 * only writer of the run file. The library's records come from the journal; the kernel's come from the exchange
 * assembler (assembler.h), which speaks in the same records.
 *
 * Join rule: an exchange seen by both is stored once. Both know the socket cookie; within one (cookie, role) the
 * exchanges are in order, so the n-th *delivered* exchange of the library (sent_ns != 0, or role server) is the kernel's
 * n-th, guarded by overlap in time. The library's view of what the program saw wins (delays, synthetic answers); the kernel adds what the
 * library did not know. `sources` says who saw it.
 *
 * Not thread-safe: one thread feeds and flushes. Errors of SQLite (disk full, ...) end recording, never the caller:
 * recorder_error() then gives one sentence, and feeding becomes a no-op.
 */
#ifndef AFTERSHOCK_RECORD_RECORDER_H
#define AFTERSHOCK_RECORD_RECORDER_H

#include <stdbool.h>
#include <stdint.h>
#include "record/journal.h"

enum recorder_source { RECORDER_SHIM = 1, RECORDER_EBPF = 2 };

struct recorder;

/* What `run` holds from the beginning. Strings are copied. */
struct recorder_run {
	const char *path;	/* of the run file; an existing run file is replaced, any other existing file is refused */
	const char *name, *command, *plan_json;
	uint64_t seed;
	uint64_t started_ns;	/* CLOCK_MONOTONIC */
	bool shim, ebpf;	/* witnesses at work: `sources` */
};

/* 0 or a negative errno; error (one sentence, with path) is filled on failure. *r is owned by the caller. */
int recorder_open(struct recorder **r, const struct recorder_run *run, char *error, unsigned error_size);

/* The run's start was at another time than said in recorder_open() (witnesses took a while to set up). */
void recorder_started(struct recorder *r, uint64_t started_ns);

/* The witnesses at work are others than said in recorder_open(). */
void recorder_sources(struct recorder *r, bool shim, bool ebpf);

/* One fault, of the plan or set later: its row id (1.., each once), name, spec as JSON. */
void recorder_fault(struct recorder *r, uint32_t id, const char *name, const char *spec_json);

/* The counters of the control page for a fault; the last call stands. */
void recorder_fault_counts(struct recorder *r, uint32_t id, uint64_t matched, uint64_t fired);

/*
 * One record of testimony. rec is only read during the call. With both witnesses: feed what the kernel's has, then what the
 * library's has, then recorder_flush(), which joins them: of every act that the kernel saw the library has told before.
 */
void recorder_feed(struct recorder *r, enum recorder_source source, const struct journal_record *rec);

/* A process that the library can not reach, or about which more became known (why: NULL covered). */
void recorder_process(struct recorder *r, uint32_t pid, uint32_t ppid, const char *service, const char *command,
		      uint64_t started_ns, bool covered, const char *why);
/*
 * The process lives in another pid namespace, with this inode, and has that pid there: by which the library knows it, if it is in it. Call it
 * before anything else is told of the process; born: it has just been forked.
 */
void recorder_process_inside(struct recorder *r, uint32_t pid, uint32_t inner_pid, uint64_t pid_ns, bool born);
void recorder_process_end(struct recorder *r, uint32_t pid, uint64_t ended_ns, int exit_status);	/* -1 unknown; 128+signal */

/*
 * Processes in which the library should be heard by now and is not, and about which no reason is known yet; each is listed once. final: the
 * run is over, all that is known counts. program: what it runs (may be NULL; valid until the next call of any recorder_ function). Returns how many.
 */
struct recorder_silent {
	uint32_t pid;
	const char *program;
	bool alive;
};
unsigned recorder_silent(struct recorder *r, bool final, struct recorder_silent *list, unsigned max);

/* Processes not known to have ended, at most max of them; returns how many. For whoever can find out that they have. */
unsigned recorder_live_pids(const struct recorder *r, uint32_t *pids, unsigned max);

/* Syscall latency of one second (seconds since the run's start), process, call, class of peer (NULL unknown), errno and bucket. */
void recorder_latency(struct recorder *r, uint32_t second, uint32_t pid, const char *syscall, const char *peer, int error,
		      uint64_t bucket_ns, uint64_t count, uint64_t sum_ns);

/*
 * What the kernel counts for a connection, known by its cookie; may be told again, and until shortly after its end. Later counts are never
 * lower. Returns whether this was the first time that bytes of it went unseen.
 */
struct recorder_socket {
	uint64_t cookie;
	uint32_t retransmits;
	uint64_t bytes_unseen;
};
bool recorder_socket(struct recorder *r, const struct recorder_socket *s);

/* Losses: the total so far of one reason; the last call stands. */
void recorder_loss(struct recorder *r, const char *source, const char *reason, uint64_t total);

void recorder_mark(struct recorder *r, uint64_t at_ns, const char *name);
void recorder_note(struct recorder *r, const char *key, const char *value);	/* a row of `run` */

/* Commits what is complete; call at least every 200 ms. */
void recorder_flush(struct recorder *r);

/* NULL while all is well, else one sentence (disk full, ...). Valid until close. */
const char *recorder_error(const struct recorder *r);

/* Stores open exchanges as they stand, writes clean_end when clean, checkpoints and closes. NULL is fine. 0 or -errno. */
int recorder_close(struct recorder *r, bool clean, uint64_t ended_ns);

#endif
