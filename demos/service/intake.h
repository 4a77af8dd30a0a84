/* SPDX-License-Identifier: MIT */
/* What comes in over HTTP, made into a struct request. One per request, which belongs to the thread of its connection. */
#ifndef DEMOS_SERVICE_INTAKE_H
#define DEMOS_SERVICE_INTAKE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "demos/service/request.h"

#define INTAKE_BYTES_MAX 65536	/* of a body */

/* A request while its body is still coming; begins zeroed. */
struct intake {
	char *body;		/* NUL-terminated; NULL empty */
	size_t length;
	bool is_too_large;
	bool is_out_of_memory;
};

/* Keeps a piece of the body. What is too large is still taken to its end, so that the peer can read the answer. */
void intake_keep(struct intake *intake, const char *data, size_t n);
void intake_clear(struct intake *intake);

/* Reads the head of a request: trace, keys. Strings stay the connection's. */
void intake_head(struct request *r, struct MHD_Connection *connection);

/* Reads what r->route needs to know: the tenant, and r->values as far as it names any. false without memory. */
bool intake_rest(struct request *r, struct MHD_Connection *connection);

#endif
