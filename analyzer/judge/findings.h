/* SPDX-License-Identifier: MIT */
/* All rules over one result: see rules.h. Not thread-safe for one result. */
#ifndef AFTERSHOCK_ANALYZER_JUDGE_FINDINGS_H
#define AFTERSHOCK_ANALYZER_JUDGE_FINDINGS_H

#include "analyzer/result.h"

/* Fills the findings of a result that is measured and has none yet. 0 or -ENOMEM. */
int findings_make(struct result *r);

/* The code of the i-th kind of finding, from 0; NULL behind the last: each once, in the order of the tables. Static. */
const char *findings_code(size_t i);

#endif
