/* SPDX-License-Identifier: MIT */
/*
 * Attempts that failed because a host name was not resolved have the name as their peer; those that went well have an address. When the
 * run file tells that the name led to an address with which there are connections, they are attempts at the same
 * peer: a retry after a failed look-up is a retry. And a thread that does nothing but look up (curl makes one for each name, libuv keeps
 * four) is not the caller: whose call it was is unknown then. Not thread-safe.
 */
#ifndef AFTERSHOCK_ANALYZER_READ_HOSTS_H
#define AFTERSHOCK_ANALYZER_READ_HOSTS_H

#include "analyzer/read/model.h"

/* Puts the address in the place of the name of each unresolved connection, where one is known, and 0 in that of a helper's thread. For a model
 * whose tables are filled. 0 or -ENOMEM. */
int hosts_place(struct model *m);

#endif
