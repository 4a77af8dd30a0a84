/* SPDX-License-Identifier: MIT */
#include "demos/service/trace_context.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char hex[] = "0123456789abcdef";

/* Random, and not all zero, which the standard calls invalid. digits: even, at most 32. */
static void random_id(char *out, size_t digits)
{
	unsigned char bytes[16];

	arc4random_buf(bytes, digits / 2);
	for (size_t i = 0; i < digits; i++)
		out[i] = hex[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
	out[digits] = '\0';
	if (strspn(out, "0") == digits)
		out[digits - 1] = '1';
}

static bool is_hex(const char *text, size_t digits, bool may_be_zero)
{
	return strspn(text, hex) >= digits && (may_be_zero || strspn(text, "0") < digits);
}

/* Version 00 is 55 characters; a later version may go on after a dash. ff is never valid. */
static bool is_traceparent(const char *t)
{
	size_t n = strlen(t);

	if (n < 55 || t[2] != '-' || t[35] != '-' || t[52] != '-' || !is_hex(t, 2, true) || !strncmp(t, "ff", 2))
		return false;
	if (n > 55 && (!strncmp(t, "00", 2) || t[55] != '-'))
		return false;
	return is_hex(t + 3, 32, false) && is_hex(t + 36, 16, false) && is_hex(t + 53, 2, true);
}

void trace_context_read(struct trace_context *context, const char *traceparent, const char *tracestate)
{
	*context = (struct trace_context){.flags = "01"};
	if (!traceparent || !is_traceparent(traceparent)) {
		random_id(context->trace_id, 32);
		return;
	}
	memcpy(context->trace_id, traceparent + 3, 32);
	memcpy(context->flags, traceparent + 53, 2);
	if (tracestate && strlen(tracestate) < sizeof(context->state))
		strcpy(context->state, tracestate);
}

void trace_context_attempt(const struct trace_context *context, char out[TRACEPARENT_SIZE])
{
	char span[17];

	random_id(span, 16);
	snprintf(out, TRACEPARENT_SIZE, "00-%s-%s-%s", context->trace_id, span, context->flags);
}
