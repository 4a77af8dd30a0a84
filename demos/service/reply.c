/* SPDX-License-Identifier: MIT */
#include "demos/service/reply.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill(struct reply *reply, unsigned status, const char *content_type, char *body, bool is_owned)
{
	if (reply->is_owned)
		free(reply->body);
	reply->status = status;
	snprintf(reply->content_type, sizeof(reply->content_type), "%s", content_type);
	reply->body = body;
	reply->length = body ? strlen(body) : 0;
	reply->is_owned = is_owned;
}

void reply_borrowed(struct reply *reply, unsigned status, const char *content_type, const char *body)
{
	fill(reply, status, content_type, (char *)body, false);
}

void reply_owned(struct reply *reply, unsigned status, const char *content_type, char *body)
{
	fill(reply, body ? status : 500, content_type, body, true);
}

void reply_tree(struct reply *reply, unsigned status, const char *content_type, struct cJSON *tree)
{
	char *text = tree ? cJSON_PrintUnformatted(tree) : NULL;

	cJSON_Delete(tree);
	reply_owned(reply, status, content_type, text);
}

void reply_json(struct reply *reply, unsigned status, struct cJSON *tree)
{
	reply_tree(reply, status, CONTENT_TYPE_JSON, tree);
}

void reply_error(struct reply *reply, unsigned status, const char *service, const char *format, ...)
{
	cJSON *tree = cJSON_CreateObject();
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	cJSON_AddStringToObject(tree, "service", service);
	cJSON_AddStringToObject(tree, "error", text);
	reply->degraded[0] = '\0';
	reply_json(reply, status, tree);
}

void reply_clear(struct reply *reply)
{
	fill(reply, 0, "", NULL, false);
}
