/* SPDX-License-Identifier: MIT */
/* One fault onto the control page: its values as they are, its texts behind those already there. */
#include <errno.h>
#include <string.h>
#include "plan/fault.h"

/* Bytes of text[] that are in use; they are taken from the front and the last fault's texts end last. */
static uint32_t text_used(const struct page *page)
{
	return page->fault_count ? page->faults[page->fault_count - 1].body.at + page->faults[page->fault_count - 1].body.len : 0;
}

struct pen { /* where the next text goes */
	struct page *page;
	uint32_t at;
	bool full;
};

static void add(struct pen *pen, struct page_text *t, const char *text, size_t n)
{
	if (n > PAGE_TEXT_BYTES - pen->at) {
		pen->full = true;
		return;
	}
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

int fault_compile(const struct plan_fault *f, struct page *page)
{
	struct page_fault *v = &page->faults[page->fault_count];
	struct pen pen = {.page = page, .at = text_used(page)};

	*v = f->v;
	v->id = page->fault_count + 1;
	put(&pen, &v->name, f->text[FAULT_NAME]);
	put(&pen, &v->host, f->host);
	put(&pen, &v->process, f->text[FAULT_PROCESS]);
	put(&pen, &v->method, f->text[FAULT_METHOD]);
	put(&pen, &v->path, f->text[FAULT_PATH]);
	put(&pen, &v->pattern, f->text[FAULT_PATTERN]);
	put_header(&pen, v, f->text[FAULT_HEADER]);
	put_lines(&pen, &v->reply_headers, f->text[FAULT_REPLY_HEADER]);
	put(&pen, &v->body, f->text[FAULT_BODY]); /* last: see text_used() */
	if (pen.full)
		return -E2BIG;
	page->fault_count++;
	return 0;
}
