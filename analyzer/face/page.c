/* SPDX-License-Identifier: MIT */
#include "analyzer/face/page.h"

#include <errno.h>
#include <string.h>
#include "analyzer/face/page_parts.h"

/* Outside of strings JSON has none of these characters, so they are replaced wherever they are. */
int page_write_escaped(const char *json, FILE *out)
{
	static const struct { const char *bytes, *written; } risky[] = {
		{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}, {"\xe2\x80\xa8", "\\u2028"}, {"\xe2\x80\xa9", "\\u2029"},
	};

	while (*json) {
		size_t plain = strcspn(json, "<>&\xe2"), n = 1;
		const char *written = NULL;

		fwrite(json, 1, plain, out);
		json += plain;
		if (!*json)
			break;
		for (size_t i = 0; i < sizeof(risky) / sizeof(risky[0]) && !written; i++) {
			if (strncmp(json, risky[i].bytes, strlen(risky[i].bytes)))
				continue;
			written = risky[i].written;
			n = strlen(risky[i].bytes);
		}
		if (written)
			fputs(written, out);
		else
			fputc(*json, out);
		json += n;
	}
	return ferror(out) ? -EIO : 0;
}

int page_write(cJSON *data, FILE *out)
{
	char *text = cJSON_PrintUnformatted(data);
	int err = text ? 0 : -ENOMEM;

	if (text) {
		fwrite(page_head, 1, sizeof(page_head), out);
		page_write_escaped(text, out);
		fwrite(page_tail, 1, sizeof(page_tail), out);
		err = fflush(out) || ferror(out) ? -EIO : 0;
	}
	cJSON_free(text);
	cJSON_Delete(data);
	return err;
}
