/* SPDX-License-Identifier: MIT */
#include "record/text.h"

#include <stdio.h>
#include <string.h>

/* First byte of a sequence: its length, and the range of the second byte (Unicode 15, table 3-7). */
struct lead {
	unsigned char from, to, length, second_from, second_to;
};

static const struct lead leads[] = {
	{0x01, 0x7f, 1, 0, 0},		{0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
	{0xe1, 0xec, 3, 0x80, 0xbf},	{0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
	{0xf0, 0xf0, 4, 0x90, 0xbf},	{0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

/* Bytes of the well-formed character at p, 0 when there is none within n. */
static size_t character(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < sizeof(leads) / sizeof(*leads); i++) {
		const struct lead *l = &leads[i];

		if (p[0] < l->from || p[0] > l->to)
			continue;
		if (l->length > n || (l->length > 1 && (p[1] < l->second_from || p[1] > l->second_to)))
			return 0;
		for (size_t k = 2; k < l->length; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		}
		return l->length;
	}
	return 0;
}

size_t text_utf8(char *out, size_t size, const char *in, size_t n)
{
	size_t at = 0;

	while (at < n && at + 1 < size && (signed char)in[at] > 0) {	/* nearly all there is */
		out[at] = in[at];
		at++;
	}
	for (size_t i = at; i < n && in[i];) {
		size_t c = character((const unsigned char *)in + i, n - i), wide = c ? c : 4;

		if (at + wide >= size)
			break;
		if (c)
			memcpy(out + at, in + i, c);
		else
			snprintf(out + at, 5, "\\x%02x", (unsigned char)in[i]);
		at += wide;
		i += c ? c : 1;
	}
	out[at] = '\0';
	return at;
}
