/* SPDX-License-Identifier: MIT */
/* One fault onto the control page: its values as they are, its texts in one piece. */
#include <errno.h>
#include <string.h>
#include "plan/fault.h"

struct pen { /* where the next text goes */
	struct page *page; /* NULL: only measuring */
	uint32_t at, end;
	bool full;
};

static void add(struct pen *pen, struct page_text *t, const char *text, size_t n)
{
	if (n > pen->end - pen->at) {
		pen->full = true;
		return;
	}
	if (pen->page)
		memcpy(pen->page->text + pen->at, text, n);
	t->len += (uint32_t)n;
	pen->at += (uint32_t)n;
}

/* A text of its own; "" when the key was not given. */
static void put(struct pen *pen, struct page_text *t, const char *text)
{
	t->at = pen->at;
	t->len = 0;
	add(pen, t, text ? text : "", text ? strlen(text) : 0);
}

/* "Name: glob" as two texts. */
static void put_header(struct pen *pen, struct page_fault *v, const char *text)
{
	const char *colon = text ? strchr(text, ':') : NULL;

	put(pen, &v->header, NULL);
	if (colon)
		add(pen, &v->header, text, (size_t)(colon - text));
	put(pen, &v->header_glob, colon ? colon + 1 + strspn(colon + 1, " \t") : NULL);
}

/* Lines ended by LF (the last by nothing) as lines ended by CR LF. */
static void put_lines(struct pen *pen, struct page_text *t, const char *lines)
{
	put(pen, t, NULL);
	while (lines && *lines) {
		size_t n = strcspn(lines, "\n");

		add(pen, t, lines, n);
		add(pen, t, "\r\n", 2);
		lines += n + (lines[n] == '\n');
	}
}

static void put_all(struct pen *pen, struct page_fault *v, const struct plan_fault *f)
{
	put(pen, &v->name, f->text[FAULT_NAME]);
	put(pen, &v->host, f->host);
	put(pen, &v->process, f->text[FAULT_PROCESS]);
	put(pen, &v->method, f->text[FAULT_METHOD]);
	put(pen, &v->path, f->text[FAULT_PATH]);
	put(pen, &v->pattern, f->text[FAULT_PATTERN]);
	put_header(pen, v, f->text[FAULT_HEADER]);
	put_lines(pen, &v->reply_headers, f->text[FAULT_REPLY_HEADER]);
	put(pen, &v->body, f->text[FAULT_BODY]);
}

uint32_t fault_text_bytes(const struct plan_fault *f)
{
	struct pen pen = {.end = UINT32_MAX};
	struct page_fault v;

	put_all(&pen, &v, f);
	return pen.at;
}

/* The id comes last: until then nobody takes the slot for this fault, nor for the one that it held before. */
void fault_compile(const struct plan_fault *f, struct page *page, unsigned slot, uint32_t at)
{
	struct page_fault *v = &page->faults[slot], filled = f->v;
	struct pen pen = {.page = page, .at = at, .end = PAGE_TEXT_BYTES};

	put_all(&pen, &filled, f);
	filled.id = 0;
	atomic_store(&v->id, 0);
	*v = filled;
	if (slot >= page->fault_count)
		page->fault_count = slot + 1;
	atomic_store(&v->id, (uint32_t)++page->ids);
}
