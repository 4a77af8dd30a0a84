/* SPDX-License-Identifier: MIT */
/*
 * A JSON file, read whole and parsed strictly, with line and column of what is wrong. Used inside plan/ only.
 */
#ifndef AFTERSHOCK_PLAN_DOCUMENT_H
#define AFTERSHOCK_PLAN_DOCUMENT_H

#include <cjson/cJSON.h>
#include <stddef.h>

#define DOCUMENT_MAX (4u << 20) /* bytes; sixty-four faults with all their texts are far below */

/*
 * Reads the file at path into *root (free with cJSON_Delete). 0, -ENOMEM, -EINVAL (not JSON), -EFBIG, or the negative errno of
 * reading it; then a sentence that begins with the path is in error (size bytes).
 */
int document_read(const char *path, cJSON **root, char *error, size_t size);

#endif
