/* SPDX-License-Identifier: MIT */
#include "record/runfile.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(int err, char *error, unsigned error_size, const char *path, const char *why)
{
	snprintf(error, error_size, "'%s' %s", path, why);
	return err;
}

static int64_t pragma(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t value = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		value = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return value;
}

/* A file: URI with `immutable=1`. Bytes with a meaning in URIs are escaped. 0 or -ENAMETOOLONG. */
static int immutable_uri(const char *path, char *uri, size_t size)
{
	size_t at = (size_t)snprintf(uri, size, "file:");

	for (const char *p = path; *p; p++) {
		if (at + 16 > size)
			return -ENAMETOOLONG;
		at += (size_t)snprintf(uri + at, size - at, strchr("%?#", *p) ? "%%%02X" : "%c", (unsigned char)*p);
	}
	snprintf(uri + at, size - at, "?immutable=1");
	return 0;
}

/* Whether a log lies beside it: only then someone may be writing, or ended without putting it into the file. */
static bool has_log(const char *path)
{
	char wal[4096 + 8];

	snprintf(wal, sizeof(wal), "%s-wal", path);
	return !access(wal, F_OK);
}

/*
 * A closed run file is read as immutable: that works where nothing may be written, and leaves no -wal and -shm files
 * behind, as a read-only connection otherwise does. Returns the application id, -1 when it is no database.
 */
static int open_database(const char *path, sqlite3 **db)
{
	char uri[3 * 4096 + 32];
	int rc;

	if (!has_log(path) && !immutable_uri(path, uri, sizeof(uri)))
		rc = sqlite3_open_v2(uri, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
	else
		rc = sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return -1;
	sqlite3_busy_timeout(*db, 2000);
	return (int)pragma(*db, "PRAGMA application_id");
}

bool runfile_is_closed(const char *path)
{
	return !has_log(path);
}

int runfile_open(const char *path, sqlite3 **db, char *error, unsigned error_size)
{
	struct stat st;
	char why[96];
	int64_t version;
	int id, err;

	*db = NULL;
	if (stat(path, &st)) {
		err = -errno;
		return refuse(err, error, error_size, path, err == -ENOENT ? "does not exist" : strerror(-err));
	}
	if (S_ISDIR(st.st_mode))
		return refuse(-EINVAL, error, error_size, path, "is a directory, not an aftershock run file");
	if (access(path, R_OK)) {
		err = -errno;
		snprintf(why, sizeof(why), "cannot be read: %s", strerror(-err));
		return refuse(err, error, error_size, path, why);
	}
	id = S_ISREG(st.st_mode) ? open_database(path, db) : -1;
	version = id == RUNFILE_APPLICATION_ID ? pragma(*db, "PRAGMA user_version") : 0;
	if (id == RUNFILE_APPLICATION_ID && version == RUNFILE_VERSION)
		return 0;
	sqlite3_close(*db);
	*db = NULL;
	if (id != RUNFILE_APPLICATION_ID)
		return refuse(-EINVAL, error, error_size, path, "is not an aftershock run file");
	snprintf(why, sizeof(why), "is a run file of format %lld; this aftershock reads format %d", (long long)version, RUNFILE_VERSION);
	return refuse(-EINVAL, error, error_size, path, why);
}
