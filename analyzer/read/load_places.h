/* SPDX-License-Identifier: MIT */
/*
 * The rows of a run file that say what was there: the run itself, processes, connections, names of hosts; and what was lost of it.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_LOAD_PLACES_H
#define AFTERSHOCK_ANALYZER_READ_LOAD_PLACES_H

#include "analyzer/read/loader.h"

/* Each 0 or -errno, with the error's sentence. */
int load_places(struct loader *l);
int load_losses(struct loader *l);

#endif
