/* SPDX-License-Identifier: MIT */
/*
 * W3C Trace Context (https://www.w3.org/TR/trace-context/), as far as a service needs it that passes traces on:
 * a request keeps the trace it came with, or begins one; every attempt made for it is a span of its own in that trace.
 * Thread-safe: values only.
 */
#ifndef DEMOS_SERVICE_TRACE_CONTEXT_H
#define DEMOS_SERVICE_TRACE_CONTEXT_H

#define TRACEPARENT_SIZE 56	/* "00-" 32 hex "-" 16 hex "-" 2 hex, and NUL */
#define TRACESTATE_SIZE 513	/* the standard asks for at least 512 characters to be passed on */

struct trace_context {
	char trace_id[33];		/* lower case hex, not all zero */
	char flags[3];			/* as they came; "01" in a trace begun here */
	char state[TRACESTATE_SIZE];	/* tracestate, passed on unread; "" none */
};

/* From the headers of a request, either may be NULL. What is not valid is treated as absent, and then a trace begins here. */
void trace_context_read(struct trace_context *context, const char *traceparent, const char *tracestate);

/* Writes the traceparent of one attempt: the same trace, a new span. */
void trace_context_attempt(const struct trace_context *context, char out[TRACEPARENT_SIZE]);

#endif
