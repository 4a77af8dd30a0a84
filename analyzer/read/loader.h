/* SPDX-License-Identifier: MIT */
/*
 * A run file on its way into a model: the state that its tables share while they are read, one after the other. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_LOADER_H
#define AFTERSHOCK_ANALYZER_READ_LOADER_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>
#include "analyzer/read/map.h"
#include "analyzer/read/model.h"
#include "analyzer/read/rows.h"
#include "analyzer/read/spill.h"

struct kin {	/* row ids of an exchange and of the one that caused it */
	int64_t child, parent;
};

struct recent {		/* a text and its number: most rows say what the row before said */
	char text[16];
	uint32_t number;
};

struct loader {
	struct model *m;
	sqlite3 *db;
	const char *path;
	char *error;
	unsigned error_size;
	struct map processes, faults;	/* row id -> index */
	struct rows connections, exchanges;
	const struct model_connection *connected;	/* while exchanges are read: all of them, */
	const struct model_process *owners;	/* and all processes */
	struct map threads;	/* process and tid -> its latest call */
	struct kin *kin;	/* parents that the file names; owned */
	size_t kin_count, kin_room;
	uint32_t taken;		/* rows of exchanges */
	size_t room;		/* of the array being filled */
	size_t reserve;		/* what that of the exchanges has from the beginning */
	struct recent recent[3];	/* protocol, error and method of the row before */
};

/* One table: its columns, and what makes a row of it (0 or -ENOMEM). */
struct table {
	const char *sql;
	int (*row)(struct loader *l, sqlite3_stmt *row);
};

/* Reads a table. 0 or -errno, with the error's sentence. */
int loader_table(struct loader *l, const struct table *t);

/* Writes the sentence, and returns err. */
int loader_fail(struct loader *l, int err, const char *what);
int loader_no_memory(struct loader *l);

/* The number of a column's text among the names. 0 or -ENOMEM. Again: it often is that of the row before. */
int loader_name(struct loader *l, sqlite3_stmt *row, int column, uint32_t *number);
int loader_name_again(struct loader *l, sqlite3_stmt *row, int column, struct recent *recent, uint32_t *number);

/* enum model_role of a column. */
uint8_t loader_role(sqlite3_stmt *row, int column);

/* Makes room for one more in an array of the model, the only one that is being filled. 0 or -ENOMEM. */
#define LOADER_GROW(l, array, count) SPILL_GROW((l)->m->array, (l)->m->count, (l)->room)

#endif
