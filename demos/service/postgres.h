/* SPDX-License-Identifier: MIT */
/*
 * PostgreSQL as a store: connections whose statements end in time, and what SQLSTATE means to a caller.
 * Everything waits in poll(2) with a limit, so that neither a server that hangs nor one that has vanished holds a thread. The server
 * is given the store's timeout too (statement_timeout): it lets go of locks and work that nobody waits for any more, which closing the
 * connection alone does not make it do. The client is patient for POSTGRES_GRACE_NS beyond it, to hear of that and keep the connection.
 *
 * The address is a libpq connection string ("host=127.0.0.1 port=5432 dbname=orders user=postgres"); the host should be an address, for
 * libpq looks names up without a limit. Thread-safe for different connections.
 */
#ifndef DEMOS_SERVICE_POSTGRES_H
#define DEMOS_SERVICE_POSTGRES_H

#include <libpq-fe.h>

#include "demos/service/store.h"

#define POSTGRES_GRACE_NS 200000000ull

struct cJSON;

/* The connection is a PGconn. */
extern const struct store_kind postgres_kind;

/* What the statements of one piece of work have in common. */
struct postgres_work {
	PGconn *pg;
	uint64_t until_ns;		/* see postgres_until() */
	char why[STORE_WHY_SIZE];	/* of an end that is not STORE_OK: one sentence */
};

/* As store_until(), and the grace. */
uint64_t postgres_until(const struct store *store, uint64_t until_ns);

/*
 * Runs one statement with text parameters (NULL: NULL) and waits for its end. STORE_OK: *result is the caller's, for PQclear(); else NULL.
 * After any other end a transaction is void, and to be ended with postgres_rollback().
 */
enum store_end postgres_query(struct postgres_work *work, const char *query, unsigned count, const char *const *params, PGresult **result);

/* ... whose result nobody needs: BEGIN, COMMIT. A COMMIT that ends with STORE_LOST or STORE_TIMEOUT may have been done. */
enum store_end postgres_do(struct postgres_work *work, const char *query);

/* Ends a transaction that has failed, if there is one; where that fails too, the connection is not at rest and the server will do it. */
void postgres_rollback(struct postgres_work *work);

/* A statement from a format whose only argument is a table (%1$s). *statement is the caller's, for free(); false (NULL) without memory. */
bool postgres_statement(char **statement, const char *format, const char *table);

/* A row as an object by column: numbers, booleans and JSON by their type, all else as text. NULL without memory. */
struct cJSON *postgres_row(const PGresult *result, int row);
/* All rows as an array. */
struct cJSON *postgres_rows(const PGresult *result);

/* What a statement that ended with this SQLSTATE (NULL: none was told) means. */
enum store_end postgres_meaning(const char *sqlstate);

#endif
