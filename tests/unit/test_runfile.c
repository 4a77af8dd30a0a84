/* SPDX-License-Identifier: MIT */
#include "tests/lib/tap.h"

#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "record/runfile.h"
#include "record/text.h"

static char dir[] = "/tmp/test_runfile.XXXXXX";
static char path[128];

static const char *beside(const char *tail)
{
	static char name[160];

	snprintf(name, sizeof(name), "%s%s", path, tail);
	return name;
}

static void make(int application_id, int version)
{
	char sql[256];
	sqlite3 *db;

	unlink(path);
	unlink(beside("-wal"));
	unlink(beside("-shm"));
	sqlite3_open(path, &db);
	snprintf(sql, sizeof(sql), "PRAGMA journal_mode=WAL; PRAGMA application_id=%d; PRAGMA user_version=%d; CREATE TABLE t(x); "
		 "INSERT INTO t VALUES(42);", application_id, version);
	sqlite3_exec(db, sql, NULL, NULL, NULL);
	sqlite3_close(db);
}

static int open_it(const char *which, char *error, unsigned size)
{
	sqlite3 *db;
	int err = runfile_open(which, &db, error, size);

	if (!err)
		sqlite3_close(db);
	else if (db)
		return 1;
	return err;
}

static void refused(const char *which, int want, const char *sentence)
{
	char error[512] = "", whole[512];

	snprintf(whole, sizeof(whole), "'%s' %s", which, sentence);
	is_int(open_it(which, error, sizeof(error)), want, "refused: %s", sentence);
	is_str(error, whole, "and said so");
}

static void test_refused(void)
{
	FILE *f;

	refused("/no/such/run.db", -ENOENT, "does not exist");
	refused(dir, -EINVAL, "is a directory, not an aftershock run file");
	refused("/dev/null", -EINVAL, "is not an aftershock run file");
	f = fopen(path, "w");
	fputs("SQLite format 3, I say, but I am none; this is only text, long enough to look like a header of a file.......", f);
	fclose(f);
	refused(path, -EINVAL, "is not an aftershock run file");
	f = fopen(path, "w");
	fclose(f);
	refused(path, -EINVAL, "is not an aftershock run file");
	make(1234, RUNFILE_VERSION);
	refused(path, -EINVAL, "is not an aftershock run file");
	make(RUNFILE_APPLICATION_ID, RUNFILE_VERSION + 1);
	refused(path, -EINVAL, "is a run file of format 3; this aftershock reads format 2");
}

static void test_read_only(void)
{
	char error[512] = "";
	sqlite3 *db;

	make(RUNFILE_APPLICATION_ID, RUNFILE_VERSION);
	is_int(runfile_open(path, &db, error, sizeof(error)), 0, "a run file opens");
	ok(sqlite3_exec(db, "INSERT INTO t VALUES(1)", NULL, NULL, NULL) == SQLITE_READONLY, "and can not be changed");
	sqlite3_close(db);
	ok(access(beside("-shm"), F_OK) && access(beside("-wal"), F_OK), "reading a closed one leaves nothing beside it");
}

/* While it is written: what is in the log counts. */
static void test_live(void)
{
	char error[512] = "";
	sqlite3 *writer, *db;
	sqlite3_stmt *st;

	make(RUNFILE_APPLICATION_ID, RUNFILE_VERSION);
	sqlite3_open(path, &writer);
	sqlite3_exec(writer, "INSERT INTO t VALUES(43)", NULL, NULL, NULL);
	is_int(runfile_open(path, &db, error, sizeof(error)), 0, "a run file that is being written opens");
	sqlite3_prepare_v2(db, "SELECT sum(x) FROM t", -1, &st, NULL);
	sqlite3_step(st);
	is_int(sqlite3_column_int(st, 0), 85, "with what was committed last");
	sqlite3_finalize(st);
	sqlite3_close(db);
	sqlite3_close(writer);
}

/* As another user: root may write anywhere. */
static void test_read_only_directory(void)
{
	int status = -1;
	pid_t pid;

	make(RUNFILE_APPLICATION_ID, RUNFILE_VERSION);
	chmod(path, 0444);
	chmod(dir, 0555);
	pid = fork();
	if (!pid) {
		char error[512] = "";

		if (!geteuid() && setuid(65534))
			_exit(2);
		_exit(open_it(path, error, sizeof(error)) ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	chmod(dir, 0700);
	is_int(status, 0, "it opens where nothing may be written, as a build's artefact does");
	unlink(path);
}

static void test_odd_name(void)
{
	char was[sizeof(path)], error[512] = "";

	strcpy(was, path);
	snprintf(path, sizeof(path), "%s/50%%#a?b=c d.db", dir);
	make(RUNFILE_APPLICATION_ID, RUNFILE_VERSION);
	is_int(open_it(path, error, sizeof(error)), 0, "its name may hold what means something in URIs");
	unlink(path);
	strcpy(path, was);
}

static void test_text(void)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"plain", "plain"},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"\x80", "\\x80"},
		{"\xc0\xaf", "\\xc0\\xaf"},		/* over-long slash */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},	/* surrogate */
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},	/* beyond U+10FFFF */
		{"\xe2\x82", "\\xe2\\x82"},		/* cut */
		{"\xe2(\xa1", "\\xe2(\\xa1"},
	};
	char out[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		text_utf8(out, sizeof(out), cases[i].in, strlen(cases[i].in));
		is_str(out, cases[i].out, "text %zu is valid UTF-8 and tells its bytes", i);
	}
	is_int(text_utf8(out, 6, "abcd\xe2\x82\xac", 7), 4, "what does not fit is cut between characters");
	is_int(text_utf8(out, sizeof(out), "ab\0cd", 5), 2, "it ends at a NUL");
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/run.db", dir);
	test_refused();
	test_read_only();
	test_live();
	test_read_only_directory();
	test_odd_name();
	test_text();
	unlink(path);
	is_int(rmdir(dir), 0, "nothing is left");
	return tap_done();
}
