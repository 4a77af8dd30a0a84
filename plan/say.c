/* SPDX-License-Identifier: MIT */
/* What each action does, as the part of a sentence behind "the exchanges ... are". */
#include <math.h>
#include <netdb.h>
#include <string.h>
#include "base/units.h"
#include "plan/decide.h"
#include "plan/fault.h"

struct duration {
	char text[32];
};

static struct duration duration(double ns)
{
	struct duration d;

	units_show_duration((uint64_t)(ns + 0.5), d.text, sizeof(d.text));
	return d;
}

#define SHOW(ns) duration(ns).text

/* What the delay really holds back: where the user said, or the step at which the fault ends the attempt, whichever comes first. */
static uint32_t delayed(const struct page_fault *v)
{
	if (decide_actions_at(v, DECIDE_RESOLVE) & PAGE_DELAY)
		return PAGE_NAME;
	return decide_actions_at(v, DECIDE_CONNECT) & PAGE_DELAY ? PAGE_CONNECT : v->delay_on;
}

void fault_say_delay(const struct plan_fault *f, FILE *out)
{
	static const char *const where[] = {
		[PAGE_RESPONSE] = "once their answer has arrived",
		[PAGE_REQUEST] = "before their request leaves",
		[PAGE_CONNECT] = "before their connection is made",
		[PAGE_NAME] = "before their host name is resolved",
	};
	double a = f->v.delay_a, b = f->v.delay_b;

	fprintf(out, "held back ");
	if (f->v.dist == PAGE_UNIFORM)
		fprintf(out, "between %s and %s (uniform)", SHOW(a), SHOW(b));
	else if (f->v.dist == PAGE_NORMAL)
		fprintf(out, "%s on average (normal, standard deviation %s)", SHOW(a), SHOW(b));
	else if (f->v.dist == PAGE_LOGNORMAL)
		fprintf(out, "for a long-tailed time (lognormal, median %s, p99 %s)", SHOW(exp(a)),
			SHOW(exp(a + b * 2.3263478740408408)));
	else
		fprintf(out, "for %s", SHOW(a));
	fprintf(out, " %s", where[delayed(&f->v)]);
}

/* "the headers A: b and C: d" from one header a line. */
static void say_headers(const char *lines, FILE *out)
{
	while (lines && *lines) {
		size_t n = strcspn(lines, "\n");

		fprintf(out, ", the header '%.*s'", (int)n, lines);
		lines += n + (lines[n] == '\n');
	}
}

void fault_say_status(const struct plan_fault *f, FILE *out)
{
	fprintf(out, "answered with status %u", f->v.status);
	if (f->v.retry_after_s >= 0)
		fprintf(out, ", Retry-After: %lld", (long long)f->v.retry_after_s);
	say_headers(f->text[FAULT_REPLY_HEADER], out);
	if (f->text[FAULT_BODY])
		fprintf(out, ", a body of %zu bytes", strlen(f->text[FAULT_BODY]));
	fprintf(out, f->v.side == PAGE_TO ? " and never reach the other side" : " and never reach the program");
}

void fault_say_refuse(const struct plan_fault *f, FILE *out)
{
	fprintf(out, "refused at connect");
}

void fault_say_hang(const struct plan_fault *f, FILE *out)
{
	fprintf(out, f->v.hang == PAGE_CONNECT ? "left waiting for a connection that is never made" : "sent but never answered");
}

void fault_say_reset(const struct plan_fault *f, FILE *out)
{
	static const char *const where[] = {
		[PAGE_RESPONSE] = "when their answer begins",
		[PAGE_REQUEST] = "when their request is sent",
		[PAGE_CONNECT] = "when they connect",
	};

	if (f->v.reset_after)
		fprintf(out, "reset after %llu bytes of their answer", (unsigned long long)f->v.reset_after);
	else
		fprintf(out, "reset %s", where[f->v.reset]);
}

void fault_say_error(const struct plan_fault *f, FILE *out)
{
	const char *name = strchr(f->text[FAULT_ERROR], ':') + 1;

	fprintf(out, "made to fail with %s at %s", name, f->word[FAULT_ERROR]);
}

void fault_say_truncate(const struct plan_fault *f, FILE *out)
{
	fprintf(out, "cut off: the connection closes after %llu bytes of the answer's body",
		(unsigned long long)f->v.truncate_bytes);
}

void fault_say_throttle(const struct plan_fault *f, FILE *out)
{
	fprintf(out, "slowed down to %llu bytes per second", (unsigned long long)f->v.throttle_bytes_per_s);
}

void fault_say_resolve(const struct plan_fault *f, FILE *out)
{
	fprintf(out, "not resolved: the look-up of their host name fails with %s", f->text[FAULT_RESOLVE]);
}
