/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target for plans. The first byte chooses the spelling: a --fault spec, or a JSON file. What is refused is refused with
 * one clean sentence; what is taken survives being written and read again, compiles to a page whose texts lie inside, and decides.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "plan/decide.h"
#include "plan/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

/* Reads text as the body of a JSON file that lives in memory only. */
static int add_file(struct plan *p, const char *text, size_t n)
{
	int fd = memfd_create("plan", MFD_CLOEXEC), err;
	char path[64];

	check(fd >= 0 && write(fd, text, n) == (ssize_t)n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = plan_add_file(p, path);
	close(fd);
	return err;
}

static void check_sentence(const char *error)
{
	check(*error);
	for (const unsigned char *c = (const void *)error; *c; c++)
		check(*c >= ' ' && *c != 0x7f);
}

static void check_text(struct page_text t)
{
	check(t.at <= PAGE_TEXT_BYTES && t.len <= PAGE_TEXT_BYTES - t.at);
}

static void check_fault(struct page *page, struct page_fault *f)
{
	static const char request[] = "POST /charge/7?a=b HTTP/1.1\r\nHost: payments\r\nX-Tenant: blue\r\n\r\n";
	struct http1 p;
	enum http1_event e;

	check_text(f->name), check_text(f->host), check_text(f->process), check_text(f->method), check_text(f->path);
	check_text(f->header), check_text(f->header_glob), check_text(f->pattern), check_text(f->reply_headers), check_text(f->body);
	check(f->hit_below <= 1ull << 32);
	http1_init(&p, HTTP1_REQUEST);
	http1_feed(&p, request, sizeof(request) - 1, &e);
	decide_matches(page, f, &p.head, request, sizeof(request) - 1);
	decide_matches(page, f, NULL, NULL, 0);
	for (uint64_t ordinal = 1; ordinal <= 20; ordinal++)
		if (decide_hit(page, f, 42, ordinal))
			check(decide_delay_ns(page, f, 42, ordinal) <= 400ull * 86400 * 1000000000);
}

static void check_page(struct plan *p)
{
	struct page *page = calloc(1, sizeof(*page));

	check(page && plan_compile(p, page) == 0 && page->fault_count == p->fault_count);
	for (uint32_t i = 0; i < page->fault_count; i++)
		check_fault(page, &page->faults[i]);
	free(page);
}

static void check_round_trip(struct plan *p)
{
	char *first = plan_json(p), *second;
	struct plan again;

	check(first != NULL);
	plan_init(&again);
	check(add_file(&again, first, strlen(first)) == 0 && plan_check(&again) == 0);
	second = plan_json(&again);
	check(second && !strcmp(first, second));
	plan_clear(&again);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan p;
	char *text;
	int err;

	if (!size || !(text = malloc(size)))
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	plan_init(&p);
	err = data[0] & 1 ? add_file(&p, text, size - 1) : plan_add_spec(&p, text);
	if (!err)
		err = plan_check(&p);
	if (err)
		check_sentence(p.error);
	else
		check_page(&p), check_round_trip(&p);
	plan_clear(&p);
	free(text);
	return 0;
}
