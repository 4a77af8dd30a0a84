/* SPDX-License-Identifier: MIT */
#include "demos/service/reply.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void reply_json(struct reply *reply, unsigned status, struct cJSON *tree)
{
	char *text = cJSON_PrintUnformatted(tree);

	cJSON_Delete(tree);
	*reply = (struct reply){.status = text ? status : 500, .content_type = "application/json", .body = text, .is_owned = true};
	if (text)
		reply->length = strlen(text);
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
	reply_json(reply, status, tree);
}
