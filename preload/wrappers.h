/* SPDX-License-Identifier: MIT */
/*
 * What the wrappers have in common: their prototypes, as calls.h lists them, and the one question.
 */
#ifndef AFTERSHOCK_PRELOAD_WRAPPERS_H
#define AFTERSHOCK_PRELOAD_WRAPPERS_H

#include "preload/real.h"
#include "preload/table.h"

#define EXPORT __attribute__((visibility("default")))

#define CALL(ret, name, params, args, early, shows) EXPORT ret name params;
#include "preload/calls.h"

#define UNTRACKED(fd) likely(!table_tracks(fd))

#endif
