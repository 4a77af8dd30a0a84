/* SPDX-License-Identifier: MIT */
#include "plan/plan.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "plan/fault.h"
#include "plan/live.h"

void plan_init(struct plan *p)
{
	memset(p, 0, sizeof(*p));
}

void plan_clear(struct plan *p)
{
	for (unsigned i = 0; i < p->fault_count; i++)
		fault_clear(&p->faults[i]);
	free(p->faults);
	memset(p, 0, sizeof(*p));
}

int plan_refuse(struct plan *p, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(p->error, sizeof(p->error), format, ap);
	va_end(ap);
	return -EINVAL;
}

int plan_out_of_memory(struct plan *p)
{
	plan_refuse(p, "out of memory while reading the plan");
	return -ENOMEM;
}

const char *plan_fault_name(const struct plan *p, unsigned index)
{
	return index < p->fault_count ? p->faults[index].text[FAULT_NAME] : NULL;
}

/* Index of the fault before `end` that has this name, or end. */
static unsigned find_name(const struct plan *p, const char *name, unsigned end)
{
	unsigned i = 0;

	while (i < end && strcmp(p->faults[i].text[FAULT_NAME], name))
		i++;
	return i;
}

/* Gives the fault a name of its own when it has none: the made one, with a number when that is taken. */
static int ensure_name(struct plan *p, struct plan_fault *f)
{
	char name[FAULT_NAME_MAX + 1], numbered[FAULT_NAME_MAX + 16];

	if (f->text[FAULT_NAME])
		return 0;
	fault_default_name(f, name);
	strcpy(numbered, name);
	/* a plan above the limit is refused anyway: its names need not be told apart */
	for (unsigned n = 2; p->fault_count <= PAGE_FAULT_MAX && find_name(p, numbered, p->fault_count) < p->fault_count; n++)
		snprintf(numbered, sizeof(numbered), "%.*s-%u", FAULT_NAME_MAX - 6, name, n);
	f->text[FAULT_NAME] = strdup(numbered);
	return f->text[FAULT_NAME] ? 0 : plan_out_of_memory(p);
}

int plan_append(struct plan *p, struct plan_fault *f)
{
	struct plan_fault *grown;
	int err = ensure_name(p, f);

	if (err)
		return err;
	grown = realloc(p->faults, (p->fault_count + 1) * sizeof(*grown));
	if (!grown)
		return plan_out_of_memory(p);
	p->faults = grown;
	grown[p->fault_count++] = *f;
	memset(f, 0, sizeof(*f));
	return 0;
}

static int compile(struct plan *p, struct page *page)
{
	uint32_t used = 0;

	page->layout = PAGE_LAYOUT;
	page->bytes = sizeof(*page);
	__atomic_store_n(&page->magic, PAGE_MAGIC, __ATOMIC_RELEASE);	/* who waits for it reads the layout then */
	page->seed = p->seed;
	for (unsigned i = 0; i < p->fault_count; i++) {
		uint32_t bytes = fault_text_bytes(&p->faults[i]);

		if (bytes > PAGE_TEXT_BYTES - used)
			return plan_refuse(p,
					   "fault '%s': the texts of the plan (bodies, headers, patterns) exceed %d bytes; give "
					   "shorter ones",
					   plan_fault_name(p, i), PAGE_TEXT_BYTES);
		fault_compile(&p->faults[i], page, i, used);
		used += bytes;
	}
	live_publish(page, p->fault_count < 64 ? (1ull << p->fault_count) - 1 : UINT64_MAX);
	return 0;
}

static int check_names(struct plan *p)
{
	for (unsigned i = 0; i < p->fault_count; i++) {
		const char *name = plan_fault_name(p, i);
		unsigned other = find_name(p, name, i);

		if (other < i)
			return plan_refuse(
				p, "fault %u '%s': name=%s is the name of fault %u already; give each fault a name of its own",
				i + 1, name, name, other + 1);
	}
	return 0;
}

int plan_compile(struct plan *p, struct page *page)
{
	int err;

	if (p->fault_count > PAGE_FAULT_MAX)
		return plan_refuse(p, "the plan has %u faults; give at most %d", p->fault_count, PAGE_FAULT_MAX);
	err = check_names(p);
	return err ? err : compile(p, page);
}

int plan_check(struct plan *p)
{
	struct page *page = calloc(1, sizeof(*page));
	int err = page ? plan_compile(p, page) : plan_out_of_memory(p);

	free(page);
	return err;
}

int plan_shift(struct plan *p, uint64_t by_ns)
{
	for (unsigned i = 0; i < p->fault_count; i++) {
		struct plan_fault *f = &p->faults[i];
		uint64_t ms = (f->v.from_ns + by_ns) / NS_PER_MS;
		char *text;

		if (asprintf(&text, "%llums", (unsigned long long)ms) < 0)
			return plan_out_of_memory(p);
		free(f->text[FAULT_FROM]);
		f->text[FAULT_FROM] = text;
		f->v.from_ns = ms * NS_PER_MS;
	}
	return 0;
}
