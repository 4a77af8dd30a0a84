/* SPDX-License-Identifier: MIT */
/* Demo services for tests of their parts: configured by a text, not listening. */
#ifndef AFTERSHOCK_TESTS_SERVICES_H
#define AFTERSHOCK_TESTS_SERVICES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demos/service/config.h"
#include "demos/service/service.h"

/* As config_load(), of a text. */
__attribute__((unused)) static int services_load(const char *text, struct config *config, char *why, size_t size)
{
	char path[] = "/tmp/aftershock-test-XXXXXX";
	int fd = mkstemp(path), err;

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		exit(1);
	close(fd);
	err = config_load(path, config, why, size);
	unlink(path);
	return err;
}

/* service_clear() is owed. The program ends when the text is none. */
__attribute__((unused)) static void services_make(struct service *service, const char *text)
{
	struct config config;
	char why[256];

	if (services_load(text, &config, why, sizeof(why)) || service_init(service, &config)) {
		fprintf(stderr, "no service: %s\n", why);
		exit(1);
	}
}

#endif
