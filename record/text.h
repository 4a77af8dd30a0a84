/* SPDX-License-Identifier: MIT */
/*
 * Bytes from outside (paths, command lines) as text that SQLite and JSON can hold: valid UTF-8 stays, every other byte
 * becomes \xNN. Control characters are valid UTF-8 and stay; who prints escapes them. Pure.
 */
#ifndef AFTERSHOCK_RECORD_TEXT_H
#define AFTERSHOCK_RECORD_TEXT_H

#include <stddef.h>

/* Writes in[0..n), up to its first NUL, into out (size bytes, > 0; always NUL-terminated, cut between characters). Returns its length. */
size_t text_utf8(char *out, size_t size, const char *in, size_t n);

#endif
