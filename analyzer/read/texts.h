/* SPDX-License-Identifier: MIT */
/*
 * Texts of a run file, each kept once and called by a number. What is kept is valid UTF-8 whatever the file held:
 * other bytes become \xNN, so that JSON made from it stays JSON. Number 0 is "no text". Several threads may read while
 * none adds.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_TEXTS_H
#define AFTERSHOCK_ANALYZER_READ_TEXTS_H

#include <stddef.h>
#include <stdint.h>
#include "analyzer/read/map.h"

struct texts {
	char **texts;		/* texts[1..count]; owned */
	uint32_t count;
	size_t room;
	struct map by_hash;
};

/* A zeroed struct texts is empty. */
void texts_free(struct texts *n);

/* The number of text (NULL and "": 0). MAP_NONE without memory. */
uint32_t texts_add(struct texts *n, const char *text);

/* The same without adding it. MAP_NONE, which is no text's number: it is not there. */
uint32_t texts_find(const struct texts *n, const char *text);

/* The text of a number that texts_add() gave; "" for 0. Valid until texts_free(). */
const char *texts_text(const struct texts *n, uint32_t number);

/* A malloc'd copy of text in valid UTF-8 (see above); NULL without memory. */
char *texts_clean(const char *text);

#endif
