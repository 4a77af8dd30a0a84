/* SPDX-License-Identifier: MIT */
/*
 * What this process knows of host names: which addresses were the answers to which names. A set of (name, address) pairs, kept as hashes
 * in fixed memory; when the part of it where a pair belongs is full, the oldest there makes room (counted when the plan has a fault on
 * a host). Lock-free: any thread and any signal handler may ask and add at any time; a child of fork knows what its parent knew.
 *
 * An address that several names led to is each of them, until a request says which one it asks for.
 */
#ifndef AFTERSHOCK_PRELOAD_NAMES_H
#define AFTERSHOCK_PRELOAD_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/host.h"
#include "plan/page.h"

/* The name with this host_hash() was resolved to this address (its port is of no account; no IP address: nothing to learn). Whether that was
 * new. */
bool names_learn(uint64_t host, const struct addr *address);

/* Whether that address was an answer for the name. */
bool names_know(uint64_t host, const struct addr *address);

/* Whether exchanges or the connect with this end on this side are to be judged under f for all that names say. Always, unless f is on a
 * host. asked: the authority that the request names; host 0 when it names none. */
bool names_match(const struct page_fault *f, enum page_side side, const struct addr *end, const struct authority *asked);

/* Whether f, a fault on a host, can ever match there: by the address, or by what its requests will say. */
bool names_may_match(const struct page_fault *f, enum page_side side, const struct addr *end);

#endif
