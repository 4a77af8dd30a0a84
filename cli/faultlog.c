/* SPDX-License-Identifier: MIT */
#include "cli/faultlog.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const acts[FAULTLOG_ACTS] = {"set", "on", "off", "clear"};

int faultlog_open(int dir)
{
	int fd = openat(dir, FAULTLOG_FILE, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

int faultlog_append(int fd, const struct faultlog_entry *e)
{
	char *line;
	int n = asprintf(&line, "{\"at_ns\":%llu,\"act\":\"%s\",\"id\":%u,\"name\":\"%s\"%s%s}\n", (unsigned long long)e->at_ns,
			 acts[e->act], e->id, e->name, e->spec ? ",\"spec\":" : "", e->spec ? e->spec : "");
	ssize_t written;
	int err = 0;

	if (n < 0)
		return -ENOMEM;
	written = write(fd, line, (size_t)n);
	if (written != n)
		err = written < 0 ? -errno : -ENOSPC;
	free(line);
	return err;
}

static bool take_act(const cJSON *line, enum faultlog_act *act)
{
	const char *word = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, "act"));

	for (int i = 0; word && i < FAULTLOG_ACTS; i++) {
		if (!strcmp(word, acts[i])) {
			*act = (enum faultlog_act)i;
			return true;
		}
	}
	return false;
}

static void take_line(const char *text, void (*fn)(void *arg, const struct faultlog_entry *e), void *arg)
{
	cJSON *line = cJSON_Parse(text), *at = cJSON_GetObjectItemCaseSensitive(line, "at_ns");
	cJSON *id = cJSON_GetObjectItemCaseSensitive(line, "id"), *spec = cJSON_GetObjectItemCaseSensitive(line, "spec");
	char *shown = spec ? cJSON_PrintUnformatted(spec) : NULL;
	struct faultlog_entry e = {.name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, "name")), .spec = shown};

	if (take_act(line, &e.act) && e.name && cJSON_IsNumber(at) && cJSON_IsNumber(id) && (e.act != FAULTLOG_SET || shown)) {
		e.at_ns = (uint64_t)at->valuedouble;
		e.id = (uint32_t)id->valuedouble;
		fn(arg, &e);
	}
	free(shown);
	cJSON_Delete(line);
}

int faultlog_read(struct faultlog *l, void (*fn)(void *arg, const struct faultlog_entry *e), void *arg)
{
	struct stat st;
	char *text, *line, *end;
	ssize_t n;

	if (fstat(l->fd, &st))
		return -errno;
	if (st.st_size <= l->at)
		return 0;
	text = malloc((size_t)(st.st_size - l->at) + 1);
	n = text ? pread(l->fd, text, (size_t)(st.st_size - l->at), l->at) : -1;
	if (n >= 0)
		text[n] = '\0';
	for (line = text; n > 0 && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		take_line(line, fn, arg);
		l->at += end + 1 - line;
	}
	free(text);
	return n < 0 ? -EIO : 0;
}
