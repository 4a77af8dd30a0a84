/* SPDX-License-Identifier: MIT */
#include "demos/service/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "demos/service/service.h"
#include "demos/service/step.h"

void request_keep(struct request *r, const struct step *step, cJSON *result)
{
	if (!step->as || !result) {
		cJSON_Delete(result);
		return;
	}
	cJSON_DeleteItemFromObjectCaseSensitive(r->values, step->as);
	if (!cJSON_AddItemToObject(r->values, step->as, result))
		cJSON_Delete(result);
}

void request_degrade(struct request *r, const char *peer)
{
	char *degraded = r->reply->degraded;
	size_t used = strlen(degraded), room = sizeof(r->reply->degraded) - used;

	if (strlen(peer) + 3 <= room)
		snprintf(degraded + used, room, "%s%s", used ? ", " : "", peer);
}

void request_fail(struct request *r, unsigned status, const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	reply_error(r->reply, status, r->service->config.name, "%s", text);
}
