/* SPDX-License-Identifier: MIT */
#include "record/checkpoint.h"

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 8	/* while one is at work more is written; each finds less than the one before, unless the disk can not follow */

struct checkpoint {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool wanted, stopping;	/* under the lock */
	sqlite3 *db;
	char path[4096];
};

/* Errors are the writer's to tell: whatever keeps the log from being moved ends in a log that can not be written. */
static void move(struct checkpoint *c)
{
	int log = 0, moved = 0, rc = SQLITE_OK;

	for (int i = 0; i < ROUNDS && rc == SQLITE_OK; i++) {
		rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &log, &moved);
		if (rc == SQLITE_OK && moved == log) {
			sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
			return;
		}
	}
}

static void *work(void *arg)
{
	struct checkpoint *c = arg;
	bool able = sqlite3_open_v2(c->path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
		    sqlite3_exec(c->db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL) == SQLITE_OK;

	pthread_mutex_lock(&c->lock);
	while (!c->stopping) {
		if (!c->wanted) {
			pthread_cond_wait(&c->changed, &c->lock);
			continue;
		}
		c->wanted = false;
		pthread_mutex_unlock(&c->lock);
		if (able)
			move(c);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	sqlite3_close(c->db);
	return NULL;
}

/* The thread takes no signals: they are for the one who started it. */
static int start_thread(struct checkpoint *c)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&c->thread, NULL, work, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

struct checkpoint *checkpoint_start(const char *path)
{
	struct checkpoint *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	snprintf(c->path, sizeof(c->path), "%s", path);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	if (!start_thread(c))
		return c;
	free(c);
	return NULL;
}

void checkpoint_wake(struct checkpoint *c)
{
	pthread_mutex_lock(&c->lock);
	c->wanted = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void checkpoint_stop(struct checkpoint *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	free(c);
}
