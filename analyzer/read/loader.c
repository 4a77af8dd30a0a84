/* SPDX-License-Identifier: MIT */
#include "analyzer/read/loader.h"

#include <stdio.h>
#include <string.h>
#include "analyzer/read/column.h"
#include "analyzer/read/spill.h"

int loader_name(struct loader *l, sqlite3_stmt *row, int column, uint32_t *number)
{
	*number = texts_add(&l->m->names, column_text(row, column));
	return *number == MAP_NONE ? -ENOMEM : 0;
}

int loader_name_again(struct loader *l, sqlite3_stmt *row, int column, struct recent *recent, uint32_t *number)
{
	const char *s = column_text(row, column);
	int err = 0;

	if (s && recent->number && !strcmp(s, recent->text)) {
		*number = recent->number;
		return 0;
	}
	err = loader_name(l, row, column, number);
	if (!err && s && strlen(s) < sizeof(recent->text)) {
		strcpy(recent->text, s);
		recent->number = *number;
	}
	return err;
}

uint8_t loader_role(sqlite3_stmt *row, int column)
{
	const char *s = column_text(row, column);

	return !s ? MODEL_NO_ROLE : !strcmp(s, "client") ? MODEL_CLIENT : !strcmp(s, "server") ? MODEL_SERVER : MODEL_NO_ROLE;
}

/* SQLite's sentences quote the file: what is no printable ASCII of it is not for a terminal. */
int loader_fail(struct loader *l, int err, const char *what)
{
	size_t at = (size_t)snprintf(l->error, l->error_size, "%s: ", l->path);

	for (; *what && at + 1 < l->error_size; what++)
		l->error[at++] = *what >= ' ' && *what <= '~' ? *what : '?';
	if (at < l->error_size)
		l->error[at] = 0;
	return err;
}

int loader_no_memory(struct loader *l)
{
	return loader_fail(l, -ENOMEM, "not enough memory to read it");
}

int loader_table(struct loader *l, const struct table *t)
{
	sqlite3_stmt *row;
	int step, err = 0;

	l->room = l->reserve;
	if (sqlite3_prepare_v2(l->db, t->sql, -1, &row, NULL) != SQLITE_OK)
		return loader_fail(l, -EINVAL, sqlite3_errmsg(l->db));
	while (!err && (step = sqlite3_step(row)) == SQLITE_ROW)
		err = t->row(l, row);
	if (err)
		loader_no_memory(l);
	else if (step != SQLITE_DONE)
		err = loader_fail(l, -EIO, sqlite3_errmsg(l->db));
	sqlite3_finalize(row);
	return err;
}
