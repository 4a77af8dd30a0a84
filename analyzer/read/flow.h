/* SPDX-License-Identifier: MIT */
/*
 * What tells whether a process moves its one flow of calls between threads, as Go does (model_hops).
 */
#ifndef AFTERSHOCK_ANALYZER_READ_FLOW_H
#define AFTERSHOCK_ANALYZER_READ_FLOW_H

#include <stdint.h>
#include "analyzer/read/map.h"
#include "analyzer/read/model.h"

/* Notes call i of p, in the order of starts. threads: process and tid -> its latest call. 0 or -ENOMEM. */
int flow_note(const struct model *m, struct map *threads, struct model_process *p, uint32_t i);

#endif
