/* SPDX-License-Identifier: MIT */
#include "analyzer/read/texts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/grow.h"
#include "base/hash.h"

/* Bytes of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates), 0 when it is none. */
static unsigned sequence(const unsigned char *p)
{
	static const struct { unsigned char first_low, first_high, second_low, second_high, bytes; } forms[] = {
		{0x01, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (p[0] < forms[i].first_low || p[0] > forms[i].first_high)
			continue;
		if (forms[i].bytes > 1 && (p[1] < forms[i].second_low || p[1] > forms[i].second_high))
			return 0;
		for (unsigned k = 2; k < forms[i].bytes; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].bytes;
	}
	return 0;
}

char *texts_clean(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	char *clean = malloc(strlen(text) * 4 + 1), *out = clean;

	while (clean && *p) {
		unsigned n = sequence(p);

		if (n) {
			memcpy(out, p, n);
			out += n;
			p += n;
		} else {
			out += sprintf(out, "\\x%02x", *p++);
		}
	}
	if (clean)
		*out = 0;
	return clean;
}

void texts_free(struct texts *n)
{
	for (uint32_t i = 1; i <= n->count; i++)
		free(n->texts[i]);
	free(n->texts);
	map_free(&n->by_hash);
	*n = (struct texts){0};
}

/* The number of a text as it is kept. Texts are told apart by comparing; the next word takes what collides. *hash: the word that it has, or would. */
static uint32_t find(const struct texts *n, const char *clean, uint64_t *hash)
{
	*hash = hash_bytes(HASH_SEED, clean, strlen(clean));
	for (;; (*hash)++) {
		uint32_t at = map_get(&n->by_hash, *hash);

		if (at == MAP_NONE || !strcmp(n->texts[at], clean))
			return at;
	}
}

static uint32_t add_new(struct texts *n, char *clean)
{
	uint64_t hash;

	if (clean)
		find(n, clean, &hash);
	if (!clean || GROW(n->texts, n->count + 1u, n->room) || map_put(&n->by_hash, hash, n->count + 1)) {
		free(clean);
		return MAP_NONE;
	}
	n->texts[++n->count] = clean;
	return n->count;
}

static bool is_clean(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	for (unsigned bytes = 1; *p && bytes; p += bytes)
		bytes = sequence(p);
	return !*p;
}

uint32_t texts_find(const struct texts *n, const char *text)
{
	uint64_t hash;
	uint32_t at;
	char *clean;

	if (!text || !*text)
		return 0;
	at = find(n, text, &hash);
	if (at != MAP_NONE || is_clean(text))
		return at;
	clean = texts_clean(text);
	at = clean ? find(n, clean, &hash) : MAP_NONE;
	free(clean);
	return at;
}

uint32_t texts_add(struct texts *n, const char *text)
{
	uint32_t at = texts_find(n, text);

	return at == MAP_NONE ? add_new(n, texts_clean(text)) : at;
}

const char *texts_text(const struct texts *n, uint32_t number)
{
	return number && number <= n->count ? n->texts[number] : "";
}
