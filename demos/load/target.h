/* SPDX-License-Identifier: MIT */
/*
 * What is asked of whom: the server's address and the request, in which {n} stands for the number of the request (1, 2, ...) in path,
 * headers and body. Read only once made.
 */
#ifndef DEMOS_LOAD_TARGET_H
#define DEMOS_LOAD_TARGET_H

#include <event2/http.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET_HEADERS_MAX 32

struct target_header {
	char *name, *value;
};

struct target {
	char address[64];		/* numeric: the name is looked up once, not with each connection */
	uint16_t port;
	char *host;			/* as the Host header has it */
	char *path;			/* with its query */
	enum evhttp_cmd_type method;
	struct target_header headers[TARGET_HEADERS_MAX];
	unsigned header_count;
	char *body;			/* NULL none */
};

void target_init(struct target *t);		/* a GET */
void target_clear(struct target *t);

/* Each 0, -EINVAL when the text is no such thing, -E2BIG, -ENOMEM; target_url() also -EHOSTUNREACH when the name is not known. */
int target_method(struct target *t, const char *text);
int target_header(struct target *t, const char *text);		/* "Name: value" */
int target_body(struct target *t, const char *text);		/* as it is, or "@FILE": what that holds up to a NUL; also the errno of reading */
int target_url(struct target *t, const char *text);		/* http://HOST[:PORT][/PATH[?QUERY]] */

/*
 * Fills the request in as the n-th and sends it over the connection, which then owns it. 0, or -ENOMEM or -EIO: it was not sent, is
 * gone, and none of its callbacks comes.
 */
int target_ask(const struct target *t, uint64_t n, struct evhttp_connection *connection, struct evhttp_request *request);

#endif
