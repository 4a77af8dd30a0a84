/* SPDX-License-Identifier: MIT */
/*
 * The HTML faces: one file, made at build time of analyzer/face/html/ and dygraphs (html/assemble), with the data put into it as JSON. The page's script
 * shows them as text and shapes only. Its Content-Security-Policy lets nothing run but that script, and nothing be fetched.
 */
#ifndef AFTERSHOCK_ANALYZER_FACE_PAGE_H
#define AFTERSHOCK_ANALYZER_FACE_PAGE_H

#include <cjson/cJSON.h>
#include <stdio.h>

/*
 * Writes the page with data in it, and deletes data (NULL: no memory). Whatever texts the data hold, they end neither the element that they are in
 * nor a line of script. 0, -ENOMEM, or -EIO when out failed.
 */
int page_write(cJSON *data, FILE *out);

/* The same JSON text without any of < > & and U+2028, U+2029, which JSON may write as \uNNNN. 0 or -EIO. */
int page_write_escaped(const char *json, FILE *out);

#endif
