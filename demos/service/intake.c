/* SPDX-License-Identifier: MIT */
#include "demos/service/intake.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "demos/service/clock.h"
#include "demos/service/config.h"
#include "demos/service/path.h"

void intake_keep(struct intake *intake, const char *data, size_t n)
{
	char *longer;

	if (intake->is_too_large || intake->length + n > INTAKE_BYTES_MAX) {
		intake->is_too_large = true;
		return;
	}
	longer = realloc(intake->body, intake->length + n + 1);
	if (!longer) {
		intake->is_out_of_memory = true;
		return;
	}
	intake->body = longer;
	memcpy(longer + intake->length, data, n);
	intake->length += n;
	longer[intake->length] = '\0';
}

void intake_clear(struct intake *intake)
{
	free(intake->body);
	*intake = (struct intake){.body = NULL};
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

void intake_head(struct request *r, struct MHD_Connection *connection)
{
	trace_context_read(&r->trace, header(connection, "traceparent"), header(connection, "tracestate"));
	deadline_read(&r->deadline, header(connection, DEADLINE_HEADER), clock_now_ns());
	r->idempotency_key = header(connection, "Idempotency-Key");
}

/* The first of several of one name counts. */
static enum MHD_Result add_text(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
	if (!cJSON_GetObjectItemCaseSensitive(context, key))
		cJSON_AddStringToObject(context, key, value ? value : "");
	return MHD_YES;
}

static enum MHD_Result add_header(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
	char name[64];
	size_t n = 0;

	for (; key[n] && n < sizeof(name) - 1; n++)
		name[n] = (char)tolower((unsigned char)key[n]);
	name[n] = '\0';
	return key[n] ? MHD_YES : add_text(context, kind, name, value);
}

static bool read_values(struct request *r, struct MHD_Connection *connection)
{
	cJSON *path, *query, *headers, *body;

	path = cJSON_AddObjectToObject(r->values, "path");
	query = cJSON_AddObjectToObject(r->values, "query");
	headers = cJSON_AddObjectToObject(r->values, "header");
	if (!path || !query || !headers)
		return false;
	path_matches(r->route->path, r->path, path);
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_text, query);
	MHD_get_connection_values(connection, MHD_HEADER_KIND, add_header, headers);
	body = r->length ? cJSON_ParseWithOpts(r->body, NULL, true) : NULL;
	if (body)
		cJSON_AddItemToObject(r->values, "body", body);
	return true;
}

bool intake_rest(struct request *r, struct MHD_Connection *connection)
{
	if (!r->route)
		return true;
	if (r->route->limits.tenant_header)
		r->tenant = header(connection, r->route->limits.tenant_header);
	return !r->route->uses_values || read_values(r, connection);
}
