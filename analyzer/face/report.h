/* SPDX-License-Identifier: MIT */
/*
 * `aftershock report`: the faces of one result. None prints to anything but `out`.
 */
#ifndef AFTERSHOCK_ANALYZER_FACE_REPORT_H
#define AFTERSHOCK_ANALYZER_FACE_REPORT_H

#include <cjson/cJSON.h>
#include <stdio.h>
#include "analyzer/result.h"

/*
 * A result for a terminal, one page; for programs (contract: Report JSON); for spreadsheets, build servers, and what collects metrics. 0, -ENOMEM, or
 * -EIO when out failed.
 */
int report_text(const struct result *r, FILE *out);
int report_json(const struct result *r, FILE *out);
int report_csv(const struct result *r, FILE *out);
int report_junit(const struct result *r, FILE *out);
int report_openmetrics(const struct result *r, FILE *out);

/* For a browser: one file that needs nothing else. The result must have been analyzed with its charts. */
int report_html(const struct result *r, FILE *out);

/* The report JSON, to be deleted by the caller; where memory ran out, parts are missing or it is NULL. */
cJSON *report_tree(const struct result *r);

/*
 * For `run --report`: analyzes the run file and prints the text face. 0 or 3 as exit statuses (fine; inconclusive or
 * vacuous), or a negative errno with one sentence in error.
 */
int analyzer_report_text(const char *run_file, FILE *out, char *error, unsigned error_size);

#endif
