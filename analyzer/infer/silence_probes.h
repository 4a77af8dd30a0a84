/* SPDX-License-Identifier: MIT */
/*
 * What a half-open breaker lets pass behind a silence, what it turns away, and what closes it.
 */
#ifndef AFTERSHOCK_ANALYZER_INFER_SILENCE_PROBES_H
#define AFTERSHOCK_ANALYZER_INFER_SILENCE_PROBES_H

#include "analyzer/infer/silence_work.h"

/* Fills w->s->probes, and of each silence what was refused after it. */
void silence_find_probes(struct silence_work *w);

#endif
