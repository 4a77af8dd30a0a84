/* SPDX-License-Identifier: MIT */
#include "analyzer/read/texts.h"

#include "tests/lib/tap.h"

int main(void)
{
	struct texts t = {0};
	uint32_t closed = texts_add(&t, "closed"), wild = texts_add(&t, "\xff" "x");

	is_int(texts_add(&t, "closed"), closed, "a text is kept once");
	is_int(texts_find(&t, "closed"), closed, "and found by its number");
	is_int(texts_find(&t, "\xff" "x"), wild, "also one that is no UTF-8");
	is_int(texts_find(&t, "\\xffx"), wild, "and by what is kept of that");
	is_int(texts_find(&t, "reset"), MAP_NONE, "one that nobody added has no number");
	is_int(t.count, 2, "and is not added by being looked for");
	is_int(texts_find(&t, ""), 0, "the empty text is 0");
	is_int(texts_find(&t, NULL), 0, "none is too");
	texts_free(&t);
	return tap_done();
}
