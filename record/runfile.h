/* SPDX-License-Identifier: MIT */
/*
 * The run file: one SQLite database per run (WAL, PRAGMA user_version = RUNFILE_VERSION). The schema below is public:
 * users query it with sqlite3. Opening for writing is the recorder's; everyone else opens read-only.
 */
#ifndef AFTERSHOCK_RECORD_RUNFILE_H
#define AFTERSHOCK_RECORD_RUNFILE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define RUNFILE_VERSION 2
#define RUNFILE_APPLICATION_ID 0x41465348	/* "AFSH" */

#define RUNFILE_SCHEMA \
	"CREATE TABLE run(key TEXT PRIMARY KEY, value) WITHOUT ROWID;" \
	"CREATE TABLE process(id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, parent_id INTEGER REFERENCES process," \
	" service TEXT, command TEXT, started_ns INTEGER, ended_ns INTEGER, exit_status INTEGER," \
	" covered INTEGER NOT NULL DEFAULT 0, why TEXT, inner_pid INTEGER, pid_ns INTEGER);" \
	"CREATE TABLE connection(id INTEGER PRIMARY KEY, cookie INTEGER, process_id INTEGER REFERENCES process, role TEXT," \
	" family TEXT, local TEXT, peer TEXT, opened_ns INTEGER, connected_ns INTEGER, closed_ns INTEGER, end TEXT," \
	" bytes_in INTEGER, bytes_out INTEGER, mid_stream INTEGER NOT NULL DEFAULT 0, sources TEXT, retransmits INTEGER," \
	" bytes_unseen INTEGER);" \
	"CREATE TABLE exchange(id INTEGER PRIMARY KEY, connection_id INTEGER REFERENCES connection," \
	" process_id INTEGER REFERENCES process, tid INTEGER, role TEXT, protocol TEXT, method TEXT, path TEXT," \
	" status INTEGER, outcome TEXT, error TEXT, started_ns INTEGER, sent_ns INTEGER, first_byte_ns INTEGER," \
	" ended_ns INTEGER, bytes_out INTEGER, bytes_in INTEGER, fingerprint INTEGER, correlation INTEGER," \
	" idempotency_key INTEGER, retry_after_ms INTEGER, fault_id INTEGER REFERENCES fault, parent_id INTEGER REFERENCES exchange," \
	" synthetic INTEGER NOT NULL DEFAULT 0, sources TEXT, parent_tier TEXT, end_inferred INTEGER NOT NULL DEFAULT 0," \
	" query TEXT);" \
	"CREATE TABLE host(name TEXT, address TEXT, PRIMARY KEY(name, address)) WITHOUT ROWID;" \
	"CREATE TABLE fault(id INTEGER PRIMARY KEY, name TEXT NOT NULL, spec TEXT NOT NULL, matched INTEGER, fired INTEGER);" \
	"CREATE TABLE injection(id INTEGER PRIMARY KEY, fault_id INTEGER REFERENCES fault, exchange_id INTEGER REFERENCES exchange," \
	" process_id INTEGER REFERENCES process, at_ns INTEGER, action TEXT, intended_ns INTEGER, achieved_ns INTEGER," \
	" ordinal INTEGER);" \
	"CREATE TABLE syscall_latency(second INTEGER, process_id INTEGER REFERENCES process, syscall TEXT, error INTEGER," \
	" bucket_ns INTEGER, count INTEGER, sum_ns INTEGER, peer TEXT);" \
	"CREATE TABLE burst(id INTEGER PRIMARY KEY, process_id INTEGER REFERENCES process, peer TEXT, started_ns INTEGER," \
	" ended_ns INTEGER, attempts INTEGER, peak_per_s REAL);" \
	"CREATE TABLE pulse(second INTEGER, process_id INTEGER REFERENCES process, peer TEXT, attempts INTEGER, retries INTEGER," \
	" ok INTEGER, failed INTEGER, indeterminate INTEGER, not_sent INTEGER, p50_ns INTEGER, p99_ns INTEGER);" \
	"CREATE TABLE mark(at_ns INTEGER, name TEXT);" \
	"CREATE TABLE loss(source TEXT, reason TEXT, count INTEGER, PRIMARY KEY(source, reason)) WITHOUT ROWID;"

/*
 * Keys of `run`: schema, name, started (UTC ISO 8601 with ms), started_ns, ended_ns, seed, plan (JSON), command, host, kernel,
 * sources (JSON array of "shim", "ebpf", and "-HOOK" for each that the kernel's witness did without), missing_hooks (the same, with commas),
 * privileges (what the recorder kept: names, or "none"), clean_end (1; absent when the recorder did not close the file), exit_status,
 * queries (kept; absent when they were not asked for), pulse_left_out (exchanges that pulse and burst leave out: too many edges at a time; absent
 * when none), programs_skipped (runs of the witness's programs that the kernel left out, for anybody's calls: no loss, as what they may miss is
 * counted where it shows; absent when none), clocks_start, clocks_end (JSON array of real, monotonic and boot time in ns, read together).
 * Texts: role client|server; family ip4|ip6|unix|name (a host that was not resolved: peer is its name);
 * protocol http1|http2|tls|redis|postgresql|memcached|opaque|unknown;
 * outcome ok|failed|indeterminate|not_sent; error: an errno's name (ECONNREFUSED), a resolver's (EAI_AGAIN) or eof|closed|killed|open;
 * end local_close|peer_close|reset|refused|timeout|unreachable|unresolved|abandoned|exited; action delay|status|refuse|hang|reset|error|...
 * sources: "shim", "ebpf" or "shim,ebpf". Hashes and cookies are stored as signed 64-bit integers. Unknown is NULL.
 * host: what programs resolved; address as it stands in connection.peer before the port ("10.0.0.1", "[::1]").
 * process.pid is that of the kernel that records; inner_pid, pid_ns (an inode): its own, when it lives in another pid namespace.
 * connection.retransmits: TCP segments sent again; bytes_unseen: moved by ways that no hook of ours sees (io_uring, a 32-bit program).
 * exchange.tid: the thread that it is of; NULL not known, or its request and its answer were of different threads.
 * exchange.parent_tier: how parent_id (the inbound exchange it was made for) is known: id (the same request id) or nesting (the only one open on its
 * thread); end_inferred: nothing said where its answer ends, it was over when something else came, or long enough after.
 * path is without the query, exchange.query what stands behind the `?` when queries are kept; with a last character … when it is only the beginning.
 * syscall_latency.peer: class of the other end: loopback|private|public, NULL not known. second counts from run.started_ns.
 * burst: retries of one process to one peer, more in a stretch of time than chance explains (attempts: the retries in it). pulse: what a process did
 * to a peer in a second (peer NULL: what others asked of it), as far as it can be told while recording: attempts, and those of them that are retries,
 * by the second in which they began; outcomes and times by the second in which they ended.
 * intended_ns NULL: for ever; achieved_ns NULL: not over when the run ended.
 */

/*
 * Whether a process's threads do not say for which of its requests something is done: so many of the requests to it that were answered got their
 * answer from another thread than had read them. A few may (a watchdog that answers in another's place).
 */
static inline bool runfile_hands_over(uint64_t handed, uint64_t answered)
{
	return handed >= 3 && handed >= answered / 50;
}

/*
 * Opens an existing run file read-only. 0; -ENOENT; -EINVAL not a run file (or of a version this program does not know);
 * other -errno. error gets one sentence with the path. *db is the caller's (sqlite3_close).
 */
int runfile_open(const char *path, sqlite3 **db, char *error, unsigned error_size);

/* Whether its writer has closed it: then it does not change, and handles that are opened one after another see the same. */
bool runfile_is_closed(const char *path);

#endif
