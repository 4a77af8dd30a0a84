/* SPDX-License-Identifier: MIT */
/*
 * What the recorder holds in memory while a run goes on: processes, the connections they use, exchanges that are not
 * over or wait for the other witness, injections whose effect is not over. Private to the recorder's own files.
 *
 * Ids of rows are given at first sight, so that rows can refer to each other before they are written. Everything
 * changed is put on a `dirty` list and written by the next flush. Bounded: what is over leaves within seconds.
 */
#ifndef AFTERSHOCK_RECORD_LEDGER_H
#define AFTERSHOCK_RECORD_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "base/clock.h"
#include "base/short_addr.h"
#include "record/index.h"
#include "record/journal.h"
#include "record/pulse.h"
#include "record/recorder.h"
#include "record/store.h"

#define LEDGER_TWIN_NS (2 * NS_PER_S)		/* how long a finished exchange waits for the other witness */
#define LEDGER_PASSES 2				/* flushes after which all is told of what was heard before the first */
#define LEDGER_END_NS (500 * NS_PER_MS)		/* how long after a process's end its last testimony may come */
#define LEDGER_JOIN_NS (500 * NS_PER_MS)	/* how long after its start a program may take to load the library */
#define LEDGER_DEATH_NS (20 * NS_PER_MS)	/* what ends this close to its process's death ended by it */
#define LEDGER_LINGER_NS (3 * NS_PER_S)		/* how long what is over stays known */
#define LEDGER_SLACK_NS (2 * NS_PER_MS)		/* both witnesses look at the same act this far apart at most */
#define LEDGER_WAITING_MAX 32768		/* exchanges that wait; beyond, the oldest are stored as they stand (counted) */
#define LEDGER_OVER_MAX 16384		/* connections that are over and still known; beyond, the oldest are forgotten early */
#define LEDGER_EXCHANGES_MAX 84992	/* not stored yet: those of ASSEMBLER_CONNECTIONS, told by both witnesses; beyond, new ones are lost (counted) */
#define LEDGER_PATHS_BYTES (8u << 20)	/* of what they ask for; beyond, new ones are lost (counted) */
#define LEDGER_CONNECTIONS_MAX 65536	/* the assembler's, what is over, some that the library alone sees; beyond, new ones are lost (counted) */
#define LEDGER_USES_MAX 98304			/* views of them, by processes and the kernel; the same */
#define LEDGER_PENDING_MAX 49152	/* injections not over; beyond, the oldest stays so in the file */
#define LEDGER_DESKS_MAX 32768		/* of threads and request ids, with what came in; beyond, what is made for a new one has no parent */

/* plan/page.h's PAGE_STATUS, in a room that does not know plans; a test compares them. */
#define LEDGER_ACTION_STATUS (1u << 1)

enum { SHIM, EBPF, WITNESSES };			/* index of a witness: recorder_source - 1 */

struct process {
	int64_t id, parent_id;
	uint32_t pid, ppid;
	uint32_t apart;				/* as the library calls it from another pid namespace (JOURNAL_PID_APART); 0 it does not */
	uint64_t pid_ns;			/* that namespace's inode; 0 unknown */
	char *service, *command, *why;		/* owned; UTF-8; NULL unknown */
	uint64_t started_ns, ended_ns, end_heard_ns;
	uint64_t library_ns;			/* the library's newest word that it is in this image; 0 never */
	uint64_t exec_ns;			/* newest exec that was told of; 0 none */
	uint64_t exec_before_ns;		/* the one before */
	char *program;				/* what it was to become, as its parent named it; owned; NULL unknown */
	bool asked;				/* the reason why it is out of reach was looked for */
	bool inherits;				/* forked from a covered process */
	bool orderly, settled, dirty;
	bool serves;				/* exchanges came in */
	uint64_t answered, handed;		/* of them: with an answer; one that another thread gave than had the request */
	unsigned forked;			/* witnesses (bits) that saw it begin by a fork */
	int exit_status;
	unsigned refs;				/* exchanges and uses in memory */
	TAILQ_ENTRY(process) all, dirt;
	LIST_HEAD(, use) uses;
	LIST_HEAD(, exchange) exchanges;
};

struct use {		/* one process's (or the kernel's) view of a connection: a connection serial */
	uint64_t serial;
	struct process *process;
	struct connection *connection;
	bool closed;
	LIST_ENTRY(use) of_process, of_connection;
};

TAILQ_HEAD(lane, exchange);

struct connection {
	int64_t id, process_id;
	uint64_t cookie;
	struct short_addr local, peer;
	uint64_t opened_ns, connected_ns, closed_ns, over_heard_ns;
	uint64_t bytes_in[WITNESSES], bytes_out[WITNESSES];
	int64_t retransmits;	/* -1 unknown */
	uint64_t bytes_unseen;
	uint8_t role, end;
	bool end_firm;		/* the connect failed: a later close does not change that */
	bool end_by_library, mid_stream, dirty, written, over;
	int64_t first_row, last_row;	/* exchanges of it that were stored lie between; 0 none */
	unsigned sources, open_uses, refs;
	uint64_t joined_round;
	unsigned owed[WITNESSES];	/* exchanges whose twin was stored without waiting longer: not to be stored again */
	uint64_t owed_until_ns[WITNESSES];
	struct lane lanes[WITNESSES];	/* exchanges not yet stored, in the order of their start */
	LIST_HEAD(, use) uses;
	TAILQ_ENTRY(connection) dirt, over_link;
};

enum parent_tier { PARENT_NONE, PARENT_NESTING, PARENT_ID };	/* how it is known */

struct desk;		/* parents.c */

struct exchange {
	int64_t id;
	uint64_t serial, heard_ns;	/* (when: its first word; once it ended, its last) */
	struct connection *connection;	/* NULL unknown */
	struct process *process;	/* NULL: nothing but an injection is known of it */
	struct exchange *twin;		/* the other witness's; in the list of spares: the next one */
	uint32_t begun_pass, ended_pass;	/* after which flush that was heard */
	uint32_t tid;
	uint8_t witness;		/* SHIM or EBPF */
	uint8_t parent_tier;		/* enum parent_tier */
	uint8_t pulsed;			/* what the pulse has counted of it */
	bool known_on[2];		/* its desks were told of it (inbound), or asked (outbound) */
	bool begun : 1, ended : 1, waiting : 1, in_lane : 1;
	bool in_file : 1;		/* its row is, as it stood when that was written */
	bool answered_by_us : 1;	/* client side `status`: its request never reaches the kernel */
	bool absorbed : 1;		/* its twin was stored already, for both */
	bool counted : 1;		/* among those that its process answered */
	struct desk *desks[2];		/* they point to it (inbound) */
	struct exchange *parent;	/* the inbound exchange that it was made for, while that is in memory, */
	int64_t parent_id;		/* and its row after that */
	LIST_HEAD(, exchange) children;
	LIST_ENTRY(exchange) of_parent;
	LIST_HEAD(, injection) injections;
	TAILQ_ENTRY(exchange) all, lane, wait;
	LIST_ENTRY(exchange) of_process;
	char *path;			/* what x.path would be: owned; NULL none */
	struct journal_exchange x;	/* last: of it there is only what stands before its path */
};

struct injection {
	int64_t id;
	uint64_t key, at_ns, achieved_ns;
	int64_t exchange_id, process_id;
	struct journal_inject what;
	struct exchange *exchange;	/* while in memory */
	bool dirty;
	LIST_ENTRY(injection) of_exchange;
	TAILQ_ENTRY(injection) all, dirt;
};

struct total {		/* a loss or the counters of a fault */
	char *a, *b;	/* source and reason; name and spec */
	uint32_t id;
	uint64_t n, fired;
	bool dirty;
};

#define LEDGER_TOTALS 128	/* losses */
#define LEDGER_FAULTS 4096

struct recorder {
	struct store *store;
	struct pulse *pulse;
	bool shim, ebpf;
	uint32_t pass;			/* flushes so far */
	uint64_t now_ns;		/* the time of the last */
	uint64_t round;			/* times that the lanes of connections were looked through */
	int64_t process_ids, connection_ids, exchange_ids, injection_ids;
	struct index pids, serials, cookies, exchanges, injections, desks;
	TAILQ_HEAD(, desk) all_desks;
	TAILQ_HEAD(, process) processes, dirty_processes;
	TAILQ_HEAD(, connection) dirty_connections, over_connections;
	TAILQ_HEAD(, exchange) all_exchanges, waiting;
	struct exchange *unshown;	/* the first of all_exchanges that is too young to be in the file unless it is over */
	TAILQ_HEAD(, injection) all_injections, dirty_injections;
	struct exchange *spare;
	unsigned waiting_count, injection_count, over_count, connection_count;
	size_t path_bytes;		/* of the paths of all exchanges */
	struct total losses[LEDGER_TOTALS], faults[LEDGER_FAULTS];
	unsigned loss_count, fault_count;
	uint64_t no_memory, overflow, faults_lost;
	uint64_t crowded_exchanges, crowded_connections;	/* words of those for which there was no room */
};

/* ---- processes (processes.c) ---- */

struct process *process_of(struct recorder *r, uint32_t pid);	/* the running one, or the last; made when unknown; NULL: no memory */
void process_testimony(struct recorder *r, int witness, const struct journal_record *rec);	/* JOURNAL_PROCESS */
void exec_testimony(struct recorder *r, int witness, const struct journal_record *rec);	/* JOURNAL_EXEC */
void process_ended(struct recorder *r, uint32_t pid, uint64_t at_ns, int exit_status, bool orderly);
void process_dirty(struct recorder *r, struct process *p);
void processes_write(struct recorder *r);
void processes_settle(struct recorder *r, bool final);	/* what was open in those that ended long enough ago is over */
void process_free_all(struct recorder *r);

/* ---- connections (connections.c) ---- */

struct connection *connection_of(struct recorder *r, uint64_t serial, uint32_t pid);	/* NULL for serial 0 or without memory */
void connection_testimony(struct recorder *r, int witness, const struct journal_record *rec);	/* OPEN, CONNECTED, CLOSE */
void resolved_testimony(struct recorder *r, int witness, const struct journal_record *rec);	/* RESOLVED */
void connection_use_ends(struct recorder *r, struct use *u, uint64_t at_ns, enum journal_end end);
void connection_dirty(struct recorder *r, struct connection *c);
void connection_has_row(struct connection *c, int64_t first, int64_t last);	/* exchanges of it are in the file, with ids in this range */
void connections_write(struct recorder *r);
void connections_sweep(struct recorder *r);
void connection_free_all(struct recorder *r);

/* ---- exchanges (exchanges.c) and their join (join.c) ---- */

struct exchange *exchange_of(struct recorder *r, int witness, uint64_t serial);	/* made when unknown; NULL for 0 or without memory */
void exchange_testimony(struct recorder *r, int witness, const struct journal_record *rec);	/* BEGIN, END */
void exchange_store(struct recorder *r, struct exchange *e);	/* writes it with its twin, as they stand; frees */
void exchange_store_open(struct recorder *r, struct exchange *e);	/* the same for one that is not over: looks for its twin first */
void exchange_show(struct recorder *r, struct exchange *e);	/* writes it as it stands; its row is written again when it is stored */
void exchange_adopt_row(struct recorder *r, struct exchange *s, struct exchange *k);	/* of twins; the library's gets the kernel's */
void exchange_free(struct recorder *r, struct exchange *e);
void exchange_free_spare(struct recorder *r);
void exchange_leave_lane(struct exchange *e);
void exchange_enter_lane(struct exchange *e);
void join_connection(struct recorder *r, struct connection *c);

/* ---- exchanges that are over and wait for the other witness (waiting.c) ---- */

void exchange_wait(struct recorder *r, struct exchange *e);	/* may store it, or others */
void exchange_stop_waiting(struct recorder *r, struct exchange *e);
bool exchange_was_given_up(struct recorder *r, struct exchange *e);	/* its twin was stored without it, lest too many wait */
void exchanges_settle(struct recorder *r, bool final);
void exchanges_show(struct recorder *r);	/* just before a commit: what goes on for long, or waits, is in the file by then */

/* ---- inbound exchanges and the outbound ones made for them (parents.c) ---- */

void parents_hear(struct recorder *r, struct exchange *e);	/* something was learnt of it; its process is known */
void parents_merge(struct exchange *to, struct exchange *from);	/* what the other witness knows of its parent */
int64_t parents_row(struct recorder *r, const struct exchange *e);	/* the row of its parent; 0 none */
const char *parents_tier(const struct exchange *e);
void parents_leave(struct exchange *e);		/* it leaves memory; its row is e->id */
void parents_sweep(struct recorder *r);
void parents_free_all(struct recorder *r);

/* ---- injections (injections.c) ---- */

void injection_testimony(struct recorder *r, int witness, const struct journal_record *rec);	/* INJECT, ACHIEVED */
void injections_of_exchange_known(struct recorder *r, struct exchange *e);	/* it has begun: its row will exist */
void injections_release(struct recorder *r, struct exchange *e);		/* it leaves memory */
void injections_write(struct recorder *r);
void injection_free_all(struct recorder *r);

/* Whether its request and its answer were of different threads: then it is no thread's. */
static inline bool exchange_was_handed(const struct exchange *e)
{
	return e->tid && e->x.answer_tid && e->x.answer_tid != e->tid;
}

/* malloc'd UTF-8 copy of at most n bytes; NULL without memory (counted). */
char *ledger_text(struct recorder *r, const char *text, size_t n);
void *ledger_new(struct recorder *r, size_t bytes);	/* zeroed; NULL without memory (counted) */

#endif
