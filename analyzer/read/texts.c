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

static uint32_t add_new(struct texts *n, char *clean, uint64_t hash)
{
	if (!clean || GROW(n->texts, n->count + 1u, n->room) || map_put(&n->by_hash, hash, n->count + 1)) {
		free(clean);
		return MAP_NONE;
	}
	n->texts[++n->count] = clean;
	return n->count;
}

/* Whether kept, which is clean, came from text. */
static bool same_text(const char *kept, const char *text)
{
	char *clean;
	bool same;

	if (!strcmp(kept, text))
		return true;
	clean = texts_clean(text);
	same = clean && !strcmp(kept, clean);
	free(clean);
	return same;
}

uint32_t texts_add(struct texts *n, const char *text)
{
	uint64_t hash;

	if (!text || !*text)
		return 0;
	hash = hash_bytes(HASH_SEED, text, strlen(text));
	for (;; hash++) {	/* texts are told apart by comparing; the next word takes what collides */
		uint32_t at = map_get(&n->by_hash, hash);

		if (at == MAP_NONE)
			return add_new(n, texts_clean(text), hash);
		if (same_text(n->texts[at], text))
			return at;
	}
}

const char *texts_text(const struct texts *n, uint32_t number)
{
	return number && number <= n->count ? n->texts[number] : "";
}
