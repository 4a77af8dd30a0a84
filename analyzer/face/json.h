/* SPDX-License-Identifier: MIT */
/*
 * What the JSON faces share: numbers that may be unknown (NAN: null), metrics, lists of texts. Functions take
 * NULL objects (no memory) in silence: json_print() then says -ENOMEM.
 */
#ifndef AFTERSHOCK_ANALYZER_FACE_JSON_H
#define AFTERSHOCK_ANALYZER_FACE_JSON_H

#include <cjson/cJSON.h>
#include <stdio.h>
#include "analyzer/result.h"

/* Rounded to a millionth (times are in ms); null for NAN and infinities. */
void json_number(cJSON *object, const char *key, double value);

/* null for NULL. */
void json_text(cJSON *object, const char *key, const char *text);

/* {"value", "low", "high", "n", "method"}, with null for what is not known. */
void json_metric(cJSON *object, const char *key, const struct metric *m);

/* A row id of the run file; null for 0, none. */
void json_id(cJSON *object, const char *key, uint64_t id);

/* An element of an array: rounded to a thousandth; null for NAN and infinities. */
cJSON *json_element(double value);

/* Appends an array of n such elements to list. */
void json_row(cJSON *list, const double *values, size_t n);

/* An array of n texts. */
cJSON *json_texts(const char *const *texts, size_t n);

/* Prints o, a line break behind it, and deletes it. 0, -ENOMEM, or -EIO when out failed. */
int json_print(cJSON *o, FILE *out);

#endif
