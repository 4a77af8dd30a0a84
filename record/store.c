/* SPDX-License-Identifier: MIT */
#include "record/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "record/batch.h"
#include "record/checkpoint.h"
#include "record/runfile.h"

#define STATEMENTS(X) \
	X(BEGIN, "BEGIN") \
	X(COMMIT, "COMMIT") \
	X(RUN, "INSERT OR REPLACE INTO run VALUES(?,?)") \
	X(PROCESS, "INSERT OR REPLACE INTO process(id,parent_id,pid,service,command,started_ns,ended_ns,exit_status,covered,why," \
		   "inner_pid,pid_ns) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)") \
	X(CONNECTION, "INSERT OR REPLACE INTO connection(id,process_id,cookie,role,family,local,peer,opened_ns,connected_ns,closed_ns," \
		      "end,bytes_in,bytes_out,mid_stream,sources,retransmits,bytes_unseen) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)") \
	X(EXCHANGES, BATCH_INSERT) \
	X(GONE, "DELETE FROM exchange WHERE id=?1") \
	X(INJECTION, "INSERT OR REPLACE INTO injection(id,fault_id,exchange_id,process_id,at_ns,action,intended_ns,achieved_ns,ordinal)" \
		     " VALUES(?,?,?,?,?,?,?,?,?)") \
	X(FAULT, "INSERT OR REPLACE INTO fault VALUES(?,?,?,?,?)") \
	X(LATENCY, "INSERT INTO syscall_latency VALUES(?,?,?,?,?,?,?,?)") \
	X(BURST, "INSERT OR REPLACE INTO burst VALUES(?,?,?,?,?,?,?)") \
	X(PULSE, "INSERT OR REPLACE INTO pulse(rowid,second,process_id,peer,attempts,retries,ok,failed,indeterminate,not_sent,p50_ns,p99_ns)" \
		 " VALUES(?,?,?,?,?,?,?,?,?,?,?,?)") \
	X(LOSS, "INSERT OR REPLACE INTO loss VALUES(?,?,?)") \
	X(MARK, "INSERT INTO mark VALUES(?,?)") \
	X(HOST, "INSERT OR IGNORE INTO host VALUES(?,?)") \
	X(REPOINT, "UPDATE exchange SET connection_id=?2 WHERE connection_id=?1 AND id BETWEEN ?3 AND ?4") \
	X(DROP, "DELETE FROM connection WHERE id=?1")

enum statement {
#define X(name, sql) S_##name,
	STATEMENTS(X)
#undef X
	S_COUNT
};

static const char *const texts[S_COUNT] = {
#define X(name, sql) sql,
	STATEMENTS(X)
#undef X
};

struct store {
	sqlite3 *db;
	int lock;	/* flock'ed while we write; closed after the database: closing it drops SQLite's own fcntl locks */
	bool in_transaction;
	struct batch *batch;	/* exchanges that are not written yet */
	struct checkpoint *checkpoint;	/* at work from the first time that the log is long */
	int log_pages;
	sqlite3_stmt *statements[S_COUNT], *one;	/* one: an exchange once more */
	char path[4096];
	char error[4096 + 256];
};

/* ---- the file ---- */

/* 1 when the file begins as our run files do (application_id is at byte 68 of SQLite's header), also when it is empty. */
static int is_run_file(int fd)
{
	unsigned char head[72];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	if (n <= 0)
		return n == 0;
	return n == sizeof(head) && !memcmp(head, "SQLite format 3", 16) &&
	       ((uint32_t)head[68] << 24 | head[69] << 16 | head[70] << 8 | head[71]) == RUNFILE_APPLICATION_ID;
}

/* Whether what lies at path may be replaced: 0, or -errno with the sentence. */
static int replaceable(int fd, const char *path, char *error, unsigned error_size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || !is_run_file(fd)) {
		snprintf(error, error_size, "'%s' exists and is not an aftershock run file; give another -o", path);
		return -EEXIST;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		snprintf(error, error_size, "'%s' is being written by another aftershock; give another -o", path);
		return -EBUSY;
	}
	return 0;
}

static void remove_companions(const char *path)
{
	static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
	char name[4096 + 16];

	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		snprintf(name, sizeof(name), "%s%s", path, tails[i]);
		unlink(name);
	}
}

static int remove_old(const char *path, char *error, unsigned error_size)
{
	struct stat st;
	int fd, err;

	if (lstat(path, &st))
		return 0;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISLNK(st.st_mode)) {	/* neither replaced, nor followed to what its maker chose: the tracer is root */
		snprintf(error, error_size, "'%s' is a symbolic link; give the name of a file itself with -o", path);
		return -ELOOP;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(error, error_size, "'%s' exists and is not an aftershock run file; give another -o", path);
		return -EEXIST;
	}
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	err = replaceable(fd, path, error, error_size);
	if (!err)
		remove_companions(path);
	close(fd);
	return err;
}

static int missing_parent(const char *path, char *error, unsigned error_size)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	char dir[4096];

	if (!slash || slash == path)
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	if (!stat(dir, &st) && S_ISDIR(st.st_mode))
		return 0;
	snprintf(error, error_size, "cannot write the run file '%s': there is no directory '%s'", path, dir);
	return -ENOENT;
}

static int create_file(struct store *s, char *error, unsigned error_size)
{
	int err = missing_parent(s->path, error, error_size);

	if (!err)
		err = remove_old(s->path, error, error_size);
	if (!err) {
		s->lock = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		err = s->lock < 0 ? -errno : 0;
	}
	if (!err && flock(s->lock, LOCK_EX | LOCK_NB))
		err = -errno;
	if (err && !*error)
		snprintf(error, error_size, "cannot write the run file '%s': %s", s->path, strerror(-err));
	return err;
}

/* ---- the database ---- */

/*
 * The schema is written before the log is switched on, so that the file says what it is from the first moment. Nothing here waits
 * for the disk: the death of this process loses nothing that was committed, and checkpoint.h, which moves the log into the file
 * whenever it has LOG_PAGES, sees to it that a crash of the machine does no damage.
 */
#define FIRST "PRAGMA page_size=16384; PRAGMA synchronous=OFF;"
#define THEN "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
#define LOG_PAGES 1024

static int note_log(void *arg, sqlite3 *db, const char *name, int pages)
{
	((struct store *)arg)->log_pages = pages;
	return SQLITE_OK;
}

static int set_up(struct store *s)
{
	char *sql = sqlite3_mprintf(FIRST "BEGIN; PRAGMA application_id=%d; PRAGMA user_version=%d; " RUNFILE_SCHEMA "COMMIT;" THEN,
				    RUNFILE_APPLICATION_ID, RUNFILE_VERSION);
	int rc = sql ? sqlite3_exec(s->db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

	sqlite3_free(sql);
	if (rc == SQLITE_OK)
		rc = batch_open(&s->batch, s->db);
	if (rc == SQLITE_OK)
		rc = batch_prepare_one(s->db, &s->one);
	for (int i = 0; rc == SQLITE_OK && i < S_COUNT; i++)
		rc = sqlite3_prepare_v3(s->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL);
	return rc;
}

static int open_database(struct store *s, char *error, unsigned error_size)
{
	int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(s->db, 1000);
		rc = set_up(s);
		sqlite3_wal_hook(s->db, note_log, s);
	}
	if (rc == SQLITE_OK)
		return 0;
	snprintf(error, error_size, "cannot write the run file '%s': %s", s->path, s->db ? sqlite3_errmsg(s->db) : "out of memory");
	return -EIO;
}

static void release(struct store *s)
{
	checkpoint_stop(s->checkpoint);
	for (int i = 0; i < S_COUNT; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_finalize(s->one);
	sqlite3_close(s->db);
	batch_free(s->batch);
	if (s->lock >= 0)
		close(s->lock);
	free(s);
}

int store_open(struct store **out, const char *path, char *error, unsigned error_size)
{
	struct store *s = calloc(1, sizeof(*s));
	int err;

	*error = '\0';
	if (!s) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	s->lock = -1;
	err = snprintf(s->path, sizeof(s->path), "%s", path) >= (int)sizeof(s->path) ? -ENAMETOOLONG : 0;
	if (err)
		snprintf(error, error_size, "cannot write the run file: its name is too long");
	if (!err)
		err = create_file(s, error, error_size);
	if (!err)
		err = open_database(s, error, error_size);
	if (err) {
		bool created = s->lock >= 0;

		release(s);
		if (created)
			remove_companions(path);
		return err;
	}
	*out = s;
	return 0;
}

/* ---- rows ---- */

static void fail(struct store *s)
{
	if (!*s->error)
		snprintf(s->error, sizeof(s->error), "cannot write the run file '%s' any more: %s", s->path, sqlite3_errmsg(s->db));
}

static void run(struct store *s, sqlite3_stmt *st)
{
	if (sqlite3_step(st) != SQLITE_DONE)
		fail(s);
	sqlite3_reset(st);
}

static void step(struct store *s, enum statement which)
{
	run(s, s->statements[which]);
}

/* The statement to bind to, inside a transaction; NULL after a failure. */
static sqlite3_stmt *row(struct store *s, enum statement which)
{
	if (!*s->error && !s->in_transaction) {
		step(s, S_BEGIN);
		s->in_transaction = true;
	}
	return *s->error ? NULL : s->statements[which];
}

struct binder {		/* binds columns one after another */
	sqlite3_stmt *st;
	int at;
};

static void number(struct binder *b, int64_t value)
{
	sqlite3_bind_int64(b->st, ++b->at, value);
}

static void given(struct binder *b, bool is_given, uint64_t value)
{
	if (is_given)
		sqlite3_bind_int64(b->st, ++b->at, (int64_t)value);
	else
		sqlite3_bind_null(b->st, ++b->at);
}

static void positive(struct binder *b, uint64_t value)
{
	given(b, value != 0, value);
}

static void text(struct binder *b, const char *value)
{
	sqlite3_bind_text(b->st, ++b->at, value, -1, SQLITE_STATIC);	/* NULL binds NULL */
}

void store_run_text(struct store *s, const char *key, const char *value)
{
	struct binder b = {row(s, S_RUN), 0};

	if (!b.st)
		return;
	text(&b, key);
	text(&b, value);
	step(s, S_RUN);
}

void store_run_number(struct store *s, const char *key, int64_t value)
{
	struct binder b = {row(s, S_RUN), 0};

	if (!b.st)
		return;
	text(&b, key);
	number(&b, value);
	step(s, S_RUN);
}

void store_process(struct store *s, const struct row_process *p)
{
	struct binder b = {row(s, S_PROCESS), 0};

	if (!b.st)
		return;
	number(&b, p->id);
	positive(&b, (uint64_t)p->parent_id);
	number(&b, p->pid);
	text(&b, p->service);
	text(&b, p->command);
	positive(&b, p->started_ns);
	positive(&b, p->ended_ns);
	given(&b, p->exit_status >= 0, (uint64_t)p->exit_status);
	number(&b, p->covered);
	text(&b, p->why);
	positive(&b, p->inner_pid);
	positive(&b, p->pid_ns);
	step(s, S_PROCESS);
}

void store_connection(struct store *s, const struct row_connection *c)
{
	struct binder b = {row(s, S_CONNECTION), 0};

	if (!b.st)
		return;
	number(&b, c->id);
	positive(&b, (uint64_t)c->process_id);
	positive(&b, c->cookie);
	text(&b, c->role);
	text(&b, c->family);
	text(&b, c->local);
	text(&b, c->peer);
	positive(&b, c->opened_ns);
	positive(&b, c->connected_ns);
	positive(&b, c->closed_ns);
	text(&b, c->end);
	number(&b, (int64_t)c->bytes_in);
	number(&b, (int64_t)c->bytes_out);
	number(&b, c->mid_stream);
	text(&b, c->sources);
	given(&b, c->retransmits >= 0, (uint64_t)c->retransmits);
	positive(&b, c->bytes_unseen);
	step(s, S_CONNECTION);
}

/* Stores the exchanges that were taken since the last commit. */
static void write_batch(struct store *s)
{
	if (!batch_count(s->batch) || !row(s, S_EXCHANGES))
		return;
	batch_fill(s->batch);
	step(s, S_EXCHANGES);
	batch_empty(s->batch);
}

void store_exchange(struct store *s, const struct row_exchange *x)
{
	if (*s->error || batch_add(s->batch, x))
		return;
	store_commit(s);
	batch_add(s->batch, x);
}

void store_exchange_again(struct store *s, const struct row_exchange *x)
{
	if (!row(s, S_EXCHANGES))
		return;
	batch_bind_one(s->one, x);
	run(s, s->one);
}

void store_exchange_gone(struct store *s, int64_t id)
{
	struct binder b = {row(s, S_GONE), 0};

	if (!b.st)
		return;
	number(&b, id);
	step(s, S_GONE);
}

void store_injection(struct store *s, const struct row_injection *i)
{
	struct binder b = {row(s, S_INJECTION), 0};

	if (!b.st)
		return;
	number(&b, i->id);
	positive(&b, i->fault_id);
	positive(&b, (uint64_t)i->exchange_id);
	positive(&b, (uint64_t)i->process_id);
	positive(&b, i->at_ns);
	text(&b, i->action);
	given(&b, i->intended_ns != UINT64_MAX, i->intended_ns);
	given(&b, i->achieved_ns != UINT64_MAX, i->achieved_ns);
	number(&b, (int64_t)i->ordinal);
	step(s, S_INJECTION);
}

void store_fault(struct store *s, uint32_t id, const char *name, const char *spec, uint64_t matched, uint64_t fired)
{
	struct binder b = {row(s, S_FAULT), 0};

	if (!b.st)
		return;
	number(&b, id);
	text(&b, name);
	text(&b, spec);
	number(&b, (int64_t)matched);
	number(&b, (int64_t)fired);
	step(s, S_FAULT);
}

void store_latency(struct store *s, const struct row_latency *l)
{
	struct binder b = {row(s, S_LATENCY), 0};

	if (!b.st)
		return;
	number(&b, l->second);
	positive(&b, (uint64_t)l->process_id);
	text(&b, l->syscall);
	number(&b, l->error);
	number(&b, (int64_t)l->bucket_ns);
	number(&b, (int64_t)l->count);
	number(&b, (int64_t)l->sum_ns);
	text(&b, l->peer);
	step(s, S_LATENCY);
}

void store_burst(struct store *s, const struct row_burst *r)
{
	struct binder b = {row(s, S_BURST), 0};

	if (!b.st)
		return;
	number(&b, r->id);
	positive(&b, (uint64_t)r->process_id);
	text(&b, r->peer);
	positive(&b, r->started_ns);
	positive(&b, r->ended_ns);
	number(&b, (int64_t)r->attempts);
	sqlite3_bind_double(b.st, ++b.at, r->peak_per_s);
	step(s, S_BURST);
}

void store_pulse(struct store *s, const struct row_pulse *r)
{
	const uint64_t counts[] = {r->attempts, r->retries, r->ok, r->failed, r->indeterminate, r->not_sent};
	struct binder b = {row(s, S_PULSE), 0};

	if (!b.st)
		return;
	number(&b, r->id);
	number(&b, r->second);
	positive(&b, (uint64_t)r->process_id);
	text(&b, r->peer);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		number(&b, (int64_t)counts[i]);
	positive(&b, r->p50_ns);
	positive(&b, r->p99_ns);
	step(s, S_PULSE);
}

void store_loss(struct store *s, const char *source, const char *reason, uint64_t total)
{
	struct binder b = {row(s, S_LOSS), 0};

	if (!b.st)
		return;
	text(&b, source);
	text(&b, reason);
	number(&b, (int64_t)total);
	step(s, S_LOSS);
}

void store_mark(struct store *s, uint64_t at_ns, const char *name)
{
	struct binder b = {row(s, S_MARK), 0};

	if (!b.st)
		return;
	number(&b, (int64_t)at_ns);
	text(&b, name);
	step(s, S_MARK);
}

void store_host(struct store *s, const char *name, const char *address)
{
	struct binder b = {row(s, S_HOST), 0};

	if (!b.st)
		return;
	text(&b, name);
	text(&b, address);
	step(s, S_HOST);
}

void store_merge_connection(struct store *s, int64_t from, int64_t to, int64_t first, int64_t last)
{
	struct binder b;

	store_commit(s);	/* exchanges of `from` that wait to be written: then there are none */
	b = (struct binder){row(s, S_REPOINT), 0};
	if (!b.st)
		return;
	number(&b, from);
	number(&b, to);
	number(&b, first);
	number(&b, last);
	step(s, S_REPOINT);
	b = (struct binder){row(s, S_DROP), 0};
	if (!b.st)
		return;
	number(&b, from);
	step(s, S_DROP);
}

/* ---- end ---- */

static void shorten_log(struct store *s)
{
	if (s->log_pages < LOG_PAGES)
		return;
	if (!s->checkpoint)
		s->checkpoint = checkpoint_start(sqlite3_db_filename(s->db, "main"));
	if (s->checkpoint)
		checkpoint_wake(s->checkpoint);
}

void store_commit(struct store *s)
{
	write_batch(s);
	if (!*s->error && s->in_transaction) {
		step(s, S_COMMIT);
		s->in_transaction = false;
		shorten_log(s);
	}
}

const char *store_error(const struct store *s)
{
	return *s->error ? s->error : NULL;
}

int store_close(struct store *s)
{
	bool failed;

	if (!s)
		return 0;
	store_commit(s);
	checkpoint_stop(s->checkpoint);
	s->checkpoint = NULL;
	failed = *s->error;
	if (!failed) {
		/* A reader may be in the way: then the log stays. */
		sqlite3_exec(s->db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL);
		sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	} else if (s->in_transaction)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	release(s);
	return failed ? -EIO : 0;
}
