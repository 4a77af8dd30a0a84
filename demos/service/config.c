/* SPDX-License-Identifier: MIT */
#include "demos/service/config.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "demos/service/config_peers.h"
#include "demos/service/config_policies.h"
#include "demos/service/config_stores.h"
#include "demos/service/fields.h"
#include "demos/service/projection.h"
#include "demos/service/routes.h"

#define NS_PER_MS 1000000ull
#define HOUR_MS 3600000.0
#define FILE_BYTES_MAX (4 << 20)
#define WHOLE .offset = 0	/* this reader fills more than one member: it is given the structure */

static int read_listen(struct fields *f, const struct field *field, const cJSON *value, void *into)
{
	const char *text = cJSON_GetStringValue(value), *colon = text ? strrchr(text, ':') : NULL;
	struct config *c = into;
	char host[INET_ADDRSTRLEN], *end = NULL;
	unsigned long port = colon && colon[1] ? strtoul(colon + 1, &end, 10) : 65536;

	if (!colon || (size_t)(colon - text) >= sizeof(host) || colon[1] < '0' || colon[1] > '9' || *end || port > 65535)
		return fields_refuse(f, value, "an IPv4 address and a port, as in 127.0.0.1:8080");
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	c->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	if (inet_pton(AF_INET, host, &c->address.sin_addr) != 1)
		return fields_refuse(f, value, "an IPv4 address and a port, as in 127.0.0.1:8080");
	return 0;
}

#define OF_CONFIG(member) .offset = offsetof(struct config, member)
/* In the order in which they are read: what is named below must be known by then. A further part of the file is a row here. */
static const struct field config_fields[] = {
	{"name", fields_string, OF_CONFIG(name), .required = true},
	{"listen", read_listen, WHOLE, .required = true},
	{"max_connections", fields_count, OF_CONFIG(max_connections), .low = 1, .high = 100000},
	{"drain_ms", fields_ms, OF_CONFIG(drain_ns), .low = 0, .high = HOUR_MS},
	{"backpressure", config_backpressure, OF_CONFIG(backpressure)},
	{"strategies", config_strategies, WHOLE},
	{"stores", config_stores, WHOLE},
	{"peers", config_peers, WHOLE},
	{"outbox", config_outboxes, WHOLE},
	{"projections", projections_read, WHOLE},
	{"routes", routes_read, WHOLE, .required = true},
	{NULL},
};

/* The text of a file of at most FILE_BYTES_MAX; NULL with errno set. */
static char *read_file(const char *path)
{
	FILE *in = fopen(path, "re");
	char *text = NULL;
	struct stat st;
	size_t n;

	if (!in)
		return NULL;
	if (!fstat(fileno(in), &st) && S_ISDIR(st.st_mode))
		errno = EISDIR;
	else
		text = malloc(FILE_BYTES_MAX + 1);
	if (text) {
		n = fread(text, 1, FILE_BYTES_MAX, in);
		text[n] = '\0';
	}
	fclose(in);
	return text;
}

static int parse(const char *text, cJSON **tree, char *why, size_t why_size)
{
	const char *end = text, *line = text;
	unsigned number = 1;

	*tree = cJSON_ParseWithOpts(text, &end, true);
	if (*tree)
		return 0;
	for (const char *p = text; p < end; p++)
		if (*p == '\n') {
			number++;
			line = p + 1;
		}
	snprintf(why, why_size, "not JSON at line %u, column %zu", number, (size_t)(end - line) + 1);
	return -EINVAL;
}

int config_load(const char *path, struct config *config, char *why, size_t why_size)
{
	struct fields f = {.place = "", .context = config};
	char *text = read_file(path);
	int err = text ? 0 : -errno;

	*config = (struct config){.max_connections = 4096, .drain_ns = 10000 * NS_PER_MS};
	if (err)
		snprintf(why, why_size, "cannot be read: %s", strerror(-err));
	else
		err = parse(text, &config->tree, why, why_size);
	free(text);
	if (err)
		return err;
	err = fields_read(&f, config->tree, config_fields, config);
	if (!err)
		err = config_single_attempt(config);
	if (!err)
		return 0;
	snprintf(why, why_size, "%s", f.why[0] ? f.why : strerror(-err));
	config_free(config);
	return err;
}

void config_free(struct config *config)
{
	routes_clear(config->routes, config->route_count);
	projections_free(config->projections, config->projection_count);
	free(config->outboxes);
	free(config->peers);
	free(config->stores);
	free(config->strategies);
	cJSON_Delete(config->tree);
	*config = (struct config){.tree = NULL};
}
