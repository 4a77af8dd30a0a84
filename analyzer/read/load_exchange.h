/* SPDX-License-Identifier: MIT */
/*
 * The rows of exchanges.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_LOAD_EXCHANGE_H
#define AFTERSHOCK_ANALYZER_READ_LOAD_EXCHANGE_H

#include <stdint.h>
#include "analyzer/read/loader.h"

/* Appends those whose row id is low to high, by id. 0 or -errno, with the error's sentence. */
int load_exchanges_between(struct loader *l, int64_t low, int64_t high);

#endif
