/* SPDX-License-Identifier: MIT */
/* `plan explain`: a plan in sentences and its first decisions; `plan keys`: the table of fault.c. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "base/units.h"
#include "plan/decide.h"
#include "plan/fault.h"

#define DECISIONS 20
#define EXAMPLE_PORT 80
#define EXAMPLE_HOST "example.com"

static const char *show_duration(uint64_t ns, char buf[32])
{
	return units_show_duration(ns, buf, 32);
}

/* "exchanges that programs named 'orders*' start with 127.0.0.1:8082": which the fault is about. */
static void say_subject(const struct plan_fault *f, FILE *out)
{
	const char *process = f->text[FAULT_PROCESS];
	const char *separator = ", those with ";

	fprintf(out, "exchanges that ");
	if (f->v.side == PAGE_AT)
		fprintf(out, "arrive at %s of ", f->v.peer == PAGE_PEER_ANY ? "any address" : f->text[FAULT_AT]);
	fprintf(out, process ? "programs named '%s'" : "any program", process);
	if (f->v.side == PAGE_TO)
		fprintf(out, " start%s with %s", process ? "" : "s", f->v.peer == PAGE_PEER_ANY ? "any peer" : f->text[FAULT_TO]);
	for (int k = FAULT_METHOD; k <= FAULT_HEADER; k++) {
		if (!f->text[k])
			continue;
		fprintf(out, "%s%s %s", separator, fault_keys[k].name, f->text[k]);
		separator = " and ";
	}
	if (*separator == ' ')
		fputc(',', out);
}

static void say_share(const struct plan_fault *f, FILE *out)
{
	double percent = (double)f->v.hit_below / 4294967296.0 * 100;

	if (f->v.watch_only || f->v.hit_below == 1ull << 32)
		fprintf(out, "All ");
	else
		fprintf(out, "A random %.4g %% of the ", percent);
}

static void say_actions(const struct plan_fault *f, FILE *out)
{
	const char *separator = "";

	if (f->v.watch_only) {
		fprintf(out, "only watched: nothing is done to them");
		return;
	}
	for (int k = 0; k < FAULT_KEYS; k++) {
		if (!f->text[k] || !fault_keys[k].say || !strcmp(f->text[k], "false"))
			continue;
		fprintf(out, "%s", separator);
		fault_keys[k].say(f, out);
		separator = ", and ";
	}
}

/* Which of the exchanges can be hit at all, in the order in which decide_hit() asks. */
static void say_counts(const struct plan_fault *f, FILE *out)
{
	const struct page_fault *v = &f->v;
	bool counts = v->after || v->first || v->every > 1 || f->text[FAULT_PATTERN];
	const char *separator = "";

	if (counts)
		fprintf(out, "   Counted for each peer: ");
	if (v->after)
		fprintf(out, "the first %llu pass", (unsigned long long)v->after), separator = "; then ";
	if (v->first)
		fprintf(out, "%sonly the first %llu can be hit", separator, (unsigned long long)v->first),
			separator = "; of these ";
	if (v->every > 1)
		fprintf(out, "%sone in every %llu", separator, (unsigned long long)v->every), separator = "; of these ";
	if (f->text[FAULT_PATTERN])
		fprintf(out, "%sin turn %s (x hit, . pass), over and over", separator, f->text[FAULT_PATTERN]);
	fprintf(out, "%s", counts ? ".\n" : "");
	if (v->max)
		fprintf(out, "   At most %llu hit%s in the whole run.\n", (unsigned long long)v->max, v->max == 1 ? "" : "s");
}

static void say_window(const struct plan_fault *f, FILE *out)
{
	char from[32], length[32];

	show_duration(f->v.from_ns, from);
	show_duration(f->v.for_ns, length);
	if (f->v.for_ns && f->v.from_ns)
		fprintf(out, "   Active for %s, from %s after the start of the run.\n", length, from);
	else if (f->v.for_ns)
		fprintf(out, "   Active for the first %s of the run.\n", length);
	else if (f->v.from_ns)
		fprintf(out, "   Active from %s after the start of the run to its end.\n", from);
}

/* The one name that the fault is about, or one of many as an example (true): of what it resolves, or whose exchanges it hits. */
static bool host_of(const struct page *page, const struct page_fault *v, struct addr *a)
{
	bool resolves = decide_actions_at(v, DECIDE_RESOLVE);
	char host[HOST_MAX + 1] = EXAMPLE_HOST;

	if (v->host.len)
		snprintf(host, sizeof(host), "%.*s", (int)v->host.len, page->text + v->host.at);
	addr_from_name(a, host, (uint16_t)(resolves ? 0 : v->port ? v->port : EXAMPLE_PORT));
	return !v->host.len || (!resolves && !v->port);
}

/* The one end that the fault is about; where it is about many, one of them as an example (true). */
static bool destination_of(const struct page *page, const struct page_fault *v, struct addr *a)
{
	uint16_t port = (uint16_t)(v->port ? v->port : EXAMPLE_PORT);
	uint32_t loopback = htonl(INADDR_LOOPBACK);

	if (v->peer == PAGE_PEER_HOST || decide_actions_at(v, DECIDE_RESOLVE))
		return host_of(page, v, a);
	if (v->peer == PAGE_PEER_UNIX)
		*a = v->addr;
	else if (v->peer == PAGE_PEER_NET)
		addr_from_ip(a, v->addr.family, v->addr.ip, port);
	else
		addr_from_ip(a, 4, &loopback, port);
	return v->peer != PAGE_PEER_UNIX &&
	       !(v->peer == PAGE_PEER_NET && v->port && v->prefix == (v->addr.family == ADDR_IP4 ? 32 : 128));
}

/* What decisions for that end are counted by: those on a host by its name and port. */
static uint64_t counted_by(const struct page_fault *v, const struct addr *end)
{
	struct addr ip;

	if (end->family != ADDR_NAME || !end->port)
		return end->hash;
	addr_from_ip(&ip, 4, (unsigned char[4]){0}, end->port);
	return decide_destination(v, &ip, &(struct authority){0});
}

static void say_delays(const struct page *page, const struct page_fault *v, uint64_t destination, FILE *out)
{
	char text[32];

	fprintf(out, "   Delays of these hits:");
	for (uint64_t n = 1; n <= DECISIONS; n++)
		if (decide_hit(page, v, destination, n))
			fprintf(out, " %s", show_duration(decide_delay_ns(page, v, destination, n), text));
	fprintf(out, "\n");
}

static void say_decisions(const struct page *page, const struct page_fault *v, FILE *out)
{
	struct addr end;
	char text[ADDR_TEXT_MAX];
	bool example = destination_of(page, v, &end);
	uint64_t destination = counted_by(v, &end);

	fprintf(out, "   First %d decisions with seed %llu, %sfor %s: ", DECISIONS, (unsigned long long)page->seed,
		example ? "for example " : "", addr_text(&end, text, sizeof(text)));
	for (uint64_t n = 1; n <= DECISIONS; n++)
		fputc(decide_hit(page, v, destination, n) ? 'x' : '.', out);
	fprintf(out, "\n");
	if (v->actions & PAGE_DELAY && !v->watch_only)
		say_delays(page, v, destination, out);
}

static void explain(const struct plan_fault *f, const struct page *page, const struct page_fault *v, FILE *out)
{
	fprintf(out, "%u  %s\n   ", v->id, f->text[FAULT_NAME]);
	say_share(f, out);
	say_subject(f, out);
	fprintf(out, " are ");
	say_actions(f, out);
	fprintf(out, ".\n");
	say_counts(f, out);
	say_window(f, out);
	say_decisions(page, v, out);
}

int plan_explain(struct plan *p, FILE *out)
{
	struct page *page = calloc(1, sizeof(*page));
	int err = page ? plan_compile(p, page) : -ENOMEM;

	if (!page)
		snprintf(p->error, sizeof(p->error), "out of memory while explaining the plan");
	for (unsigned i = 0; !err && i < p->fault_count; i++)
		explain(&p->faults[i], page, &page->faults[i], out);
	free(page);
	return err;
}

/* Characters of UTF-8 text: bytes that continue none. */
static int width_of(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static void column(const char *text, int width, FILE *out)
{
	fprintf(out, "%s%*s", text, width > width_of(text) ? width - width_of(text) : 1, "");
}

void plan_keys(FILE *out)
{
	column("KEY", 14, out);
	column("EXAMPLE", 20, out);
	fprintf(out, "MEANING\n");
	for (int k = 0; k < FAULT_KEYS; k++) {
		column(fault_keys[k].name, 14, out);
		column(fault_keys[k].example, 20, out);
		fprintf(out, "%s\n", fault_keys[k].meaning);
	}
}

void plan_keys_markdown(FILE *out)
{
	fprintf(out, "| key | meaning | example |\n|---|---|---|\n");
	for (int k = 0; k < FAULT_KEYS; k++)
		fprintf(out, "| `%s` | %s | `%s` |\n", fault_keys[k].name, fault_keys[k].meaning, fault_keys[k].example);
}
