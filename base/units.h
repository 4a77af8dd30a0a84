/* SPDX-License-Identifier: MIT */
/*
 * Quantities as users write them. Every parser reads to the last character, wants its
 * unit, and refuses what does not fit; 0 or -EINVAL (not understood), -ERANGE (does not fit).
 * Pure; thread-safe.
 */
#ifndef AFTERSHOCK_BASE_UNITS_H
#define AFTERSHOCK_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* "250us", "600ms", "2s", "1.5s", "3m", "1h" -> ns. A bare number is refused, except "0". Not negative; at most 1000 h. */
int units_duration(const char *text, uint64_t *ns);

/* "100", "64k", "2M", "1G" (powers of 1024; optional "B" or "iB" behind the letter) -> bytes. need_unit: a bare number is refused. */
int units_size(const char *text, int need_unit, uint64_t *bytes);

/* "0.3" or "30%" -> 0..1. */
int units_share(const char *text, double *share);

/* "42" -> 0..max, decimal digits only. */
int units_count(const char *text, uint64_t max, uint64_t *n);

/* Writes ns for people: "0.31 ms", "600 ms", "2.00 s"; returns buf. */
const char *units_show_duration(uint64_t ns, char *buf, size_t size);

#endif
