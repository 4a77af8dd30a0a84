/* SPDX-License-Identifier: MIT */
#include "demos/load/target.h"

#include <errno.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "demos/service/trace_context.h"

#define NUMBER "{n}"
#define NUMBER_DIGITS 20

static const struct {
	const char *name;
	enum evhttp_cmd_type type;
} methods[] = {
	{"GET", EVHTTP_REQ_GET}, {"POST", EVHTTP_REQ_POST}, {"PUT", EVHTTP_REQ_PUT}, {"DELETE", EVHTTP_REQ_DELETE},
	{"HEAD", EVHTTP_REQ_HEAD}, {"PATCH", EVHTTP_REQ_PATCH}, {"OPTIONS", EVHTTP_REQ_OPTIONS},
};

void target_init(struct target *t)
{
	*t = (struct target){.method = EVHTTP_REQ_GET};
}

void target_clear(struct target *t)
{
	while (t->header_count) {
		t->header_count--;
		free(t->headers[t->header_count].name);
		free(t->headers[t->header_count].value);
	}
	free(t->host);
	free(t->path);
	free(t->body);
	target_init(t);
}

int target_method(struct target *t, const char *text)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (!strcmp(methods[i].name, text)) {
			t->method = methods[i].type;
			return 0;
		}
	return -EINVAL;
}

/* A name as RFC 9110 5.6.2 has it, and no line breaks in the value, which would begin another header. */
static bool is_header(const char *text, size_t name_len)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	return name_len && text[name_len] == ':' && strspn(text, token) == name_len && !strpbrk(text, "\r\n");
}

int target_header(struct target *t, const char *text)
{
	size_t name_len = strcspn(text, ":");
	struct target_header *h = &t->headers[t->header_count];

	if (!is_header(text, name_len))
		return -EINVAL;
	if (t->header_count == TARGET_HEADERS_MAX)
		return -E2BIG;
	h->name = strndup(text, name_len);
	text += name_len + 1;
	h->value = strdup(text + strspn(text, " \t"));
	t->header_count++;
	return h->name && h->value ? 0 : -ENOMEM;
}

static char *read_all(FILE *in)
{
	char *text = NULL;
	size_t room = 0;

	if (getdelim(&text, &room, '\0', in) < 0 && !ferror(in) && text)
		*text = '\0';	/* an empty file */
	if (ferror(in)) {
		free(text);
		text = NULL;
	}
	return text;
}

int target_body(struct target *t, const char *text)
{
	FILE *in;

	free(t->body);
	if (*text != '@')
		return (t->body = strdup(text)) ? 0 : -ENOMEM;
	t->body = NULL;
	errno = 0;
	in = fopen(text + 1, "r");
	if (in)
		t->body = read_all(in);
	if (in)
		fclose(in);
	return t->body ? 0 : errno ? -errno : -ENOMEM;
}

static int look_up(struct target *t, const char *host)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC}, *found;
	char bare[256];
	int err;

	/* "[::1]" in a URL is "::1" to everyone else */
	snprintf(bare, sizeof(bare), "%s", host + (*host == '['));
	bare[strcspn(bare, "]")] = '\0';
	if (getaddrinfo(bare, NULL, &hints, &found))
		return -EHOSTUNREACH;
	err = getnameinfo(found->ai_addr, found->ai_addrlen, t->address, sizeof(t->address), NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(found);
	return err ? -EHOSTUNREACH : 0;
}

static int read_url(struct target *t, const struct evhttp_uri *uri)
{
	const char *scheme = evhttp_uri_get_scheme(uri), *host = evhttp_uri_get_host(uri);
	const char *path = evhttp_uri_get_path(uri), *query = evhttp_uri_get_query(uri);
	int port = evhttp_uri_get_port(uri);

	if (!scheme || strcasecmp(scheme, "http") || !host || !*host || evhttp_uri_get_userinfo(uri) || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	t->port = port < 0 ? 80 : (uint16_t)port;
	if (asprintf(&t->path, "%s%s%s", path && *path ? path : "/", query ? "?" : "", query ? query : "") < 0)
		t->path = NULL;
	if ((port < 0 ? asprintf(&t->host, "%s", host) : asprintf(&t->host, "%s:%d", host, port)) < 0)
		t->host = NULL;
	return t->path && t->host ? look_up(t, host) : -ENOMEM;
}

int target_url(struct target *t, const char *text)
{
	/* {n} is no URL yet; the rest is held to the rules */
	struct evhttp_uri *uri = evhttp_uri_parse_with_flags(text, EVHTTP_URI_NONCONFORMANT);
	int err = uri && !strpbrk(text, " \t\r\n") ? read_url(t, uri) : -EINVAL;

	if (uri)
		evhttp_uri_free(uri);
	return err;
}

/* The text with its {n} filled in; the text itself when it has none, else malloced into *made. NULL without memory. */
static const char *filled(const char *text, uint64_t n, char **made)
{
	const char *at = strstr(text, NUMBER), *rest = text;
	size_t room = strlen(text) + 1, used = 0;

	*made = NULL;
	if (!at)
		return text;
	for (const char *p = at; p; p = strstr(p + 1, NUMBER))
		room += NUMBER_DIGITS;
	*made = malloc(room);
	for (; *made && at; rest = at + strlen(NUMBER), at = strstr(rest, NUMBER))
		used += (size_t)snprintf(*made + used, room - used, "%.*s%" PRIu64, (int)(at - rest), rest, n);
	if (*made)
		snprintf(*made + used, room - used, "%s", rest);
	return *made;
}

static int add_header(struct evkeyvalq *headers, const char *name, const char *template, uint64_t n)
{
	char *made;
	const char *value = filled(template, n, &made);
	int err = value && !evhttp_add_header(headers, name, value) ? 0 : -ENOMEM;

	free(made);
	return err;
}

/* Each request begins a trace of its own, so that whoever watches can tell one request's attempts from the next one's. */
static int add_trace(struct evkeyvalq *headers)
{
	char traceparent[TRACEPARENT_SIZE];
	struct trace_context trace;

	if (evhttp_find_header(headers, "traceparent"))
		return 0;
	trace_context_read(&trace, NULL, NULL);
	trace_context_attempt(&trace, traceparent);
	return evhttp_add_header(headers, "traceparent", traceparent);
}

static int add_body(const struct target *t, uint64_t n, struct evhttp_request *request)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	char length[NUMBER_DIGITS + 1], *made;
	const char *body = filled(t->body, n, &made);
	int err = body ? evbuffer_add(evhttp_request_get_output_buffer(request), body, strlen(body)) : -ENOMEM;

	if (!err && !evhttp_find_header(headers, "Content-Type"))
		err = evhttp_add_header(headers, "Content-Type", "application/json");
	if (!err) {	/* libevent says it for some methods only */
		snprintf(length, sizeof(length), "%zu", strlen(body));
		err = evhttp_add_header(headers, "Content-Length", length);
	}
	free(made);
	return err ? -ENOMEM : 0;
}

static int fill(const struct target *t, uint64_t n, struct evhttp_request *request)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	int err = 0;

	for (unsigned i = 0; i < t->header_count && !err; i++)
		err = add_header(headers, t->headers[i].name, t->headers[i].value, n);
	if (!err && !evhttp_find_header(headers, "Host"))
		err = evhttp_add_header(headers, "Host", t->host);
	if (!err)
		err = add_trace(headers);
	if (!err && t->body)
		err = add_body(t, n, request);
	return err;
}

int target_ask(const struct target *t, uint64_t n, struct evhttp_connection *connection, struct evhttp_request *request)
{
	char *made;
	const char *path = filled(t->path, n, &made);
	int err = path ? fill(t, n, request) : -ENOMEM;

	if (err)
		evhttp_request_free(request);
	else if (evhttp_make_request(connection, request, t->method, path))
		err = -EIO;	/* it has freed the request */
	free(made);
	return err ? -EIO : 0;
}
