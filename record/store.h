/* SPDX-License-Identifier: MIT */
/*
 * The run file being written: one prepared statement per kind of row, in transactions that store_commit() ends.
 * Invariant: after the first failure (disk full, ...) nothing more is written and store_error() has the sentence; what was
 * committed before stays valid. One thread.
 *
 * In every row 0 as an id or a time, NULL as a text and -1 where said are stored as NULL. Texts must be UTF-8; they are only read during the call.
 */
#ifndef AFTERSHOCK_RECORD_STORE_H
#define AFTERSHOCK_RECORD_STORE_H

#include <stdbool.h>
#include <stdint.h>

struct store;

struct row_process {
	int64_t id, parent_id;
	uint32_t pid;
	int exit_status;	/* -1 unknown */
	bool covered;
	uint64_t started_ns, ended_ns;
	const char *service, *command, *why;
	uint32_t inner_pid;	/* 0 none */
	uint64_t pid_ns;	/* 0 none */
};

struct row_connection {
	int64_t id, process_id;
	uint64_t cookie, opened_ns, connected_ns, closed_ns, bytes_in, bytes_out;
	bool mid_stream;
	const char *role, *family, *local, *peer, *end, *sources;
	int64_t retransmits;	/* -1 unknown */
	uint64_t bytes_unseen;	/* 0 none */
};

struct row_exchange {		/* texts but method, path, error and query are of the few words of runfile.h, and literals: the same address, the same word */
	int64_t id, connection_id, process_id, tid, fault_id, parent_id, status, synthetic;
	int64_t started_ns, sent_ns, first_byte_ns, ended_ns, bytes_out, bytes_in, fingerprint, correlation, idempotency_key;
	int64_t retry_after_ms;	/* -1 none */
	int64_t end_inferred;
	const char *role, *protocol, *method, *path, *outcome, *error, *sources, *parent_tier, *query;
};

struct row_injection {
	int64_t id, exchange_id, process_id;
	uint32_t fault_id;
	uint64_t at_ns, ordinal;
	uint64_t intended_ns;	/* UINT64_MAX: for ever, NULL */
	uint64_t achieved_ns;	/* UINT64_MAX: not over, NULL */
	const char *action;
};

struct row_latency {
	uint32_t second;
	int error;
	int64_t process_id;
	const char *syscall;
	uint64_t bucket_ns, count, sum_ns;
	const char *peer;
};

struct row_burst {
	int64_t id, process_id;
	const char *peer;
	uint64_t started_ns, ended_ns, attempts;
	double peak_per_s;
};

struct row_pulse {
	int64_t id;		/* its rowid */
	uint32_t second;
	int64_t process_id;
	const char *peer;
	uint64_t attempts, retries, ok, failed, indeterminate, not_sent;
	uint64_t p50_ns, p99_ns;	/* 0: none ended */
};

/*
 * Creates the run file at path, 0600, in place of an older run file; any other file there, a file that another run writes, a
 * directory, a missing parent or no permission is refused with one sentence. 0 or -errno; *s is the caller's.
 */
int store_open(struct store **s, const char *path, char *error, unsigned error_size);

void store_run_text(struct store *s, const char *key, const char *value);
void store_run_number(struct store *s, const char *key, int64_t value);
void store_process(struct store *s, const struct row_process *row);		/* replaces the row of this id; so the next two */
void store_connection(struct store *s, const struct row_connection *row);
void store_injection(struct store *s, const struct row_injection *row);
void store_exchange(struct store *s, const struct row_exchange *row);		/* a new row; in the file from the next store_commit() on */
void store_exchange_again(struct store *s, const struct row_exchange *row);	/* in place of the row of this id, in the file since an earlier commit */
void store_exchange_gone(struct store *s, int64_t id);				/* the same: takes it out */
void store_fault(struct store *s, uint32_t id, const char *name, const char *spec, uint64_t matched, uint64_t fired);
void store_latency(struct store *s, const struct row_latency *row);
void store_burst(struct store *s, const struct row_burst *row);			/* replaces the row of this id */
void store_pulse(struct store *s, const struct row_pulse *row);			/* the same */
void store_loss(struct store *s, const char *source, const char *reason, uint64_t total);
void store_mark(struct store *s, uint64_t at_ns, const char *name);
void store_host(struct store *s, const char *name, const char *address);	/* a pair that is there already stays */

/* Two rows turned out to be one connection: exchanges of `from` become those of `to`, the row `from` goes. They are among first..last: looks at no others. */
void store_merge_connection(struct store *s, int64_t from, int64_t to, int64_t first, int64_t last);

void store_commit(struct store *s);	/* waits for no disk */
const char *store_error(const struct store *s);	/* NULL: all is well */

/* Commits, moves the write-ahead log into the file, closes, frees. 0 or -EIO (an error came, now or before). NULL is fine. */
int store_close(struct store *s);

#endif
