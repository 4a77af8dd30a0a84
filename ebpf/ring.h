/* SPDX-License-Identifier: MIT */
/*
 * The reading end of a BPF ring buffer (BPF_MAP_TYPE_RINGBUF). Its pages are mapped once, and the first of them again behind the last, so that a
 * record that wraps around lies in one piece: libbpf's ring_buffer maps all of them twice, and they count twice in what a process
 * takes of memory. One thread reads a ring.
 */
#ifndef AFTERSHOCK_EBPF_RING_H
#define AFTERSHOCK_EBPF_RING_H

#include <stdbool.h>
#include <stddef.h>

#define RING_RECORD_MAX 65536u	/* bytes: longer records can not be read */

struct ring {		/* zero: closed */
	unsigned long *consumer;
	const unsigned long *producer;
	const unsigned char *data;
	size_t bytes;	/* of data: a power of two of pages */
};

/* map_fd: of a ring of so many bytes; it is not kept. 0 or -errno. */
int ring_open(struct ring *r, int map_fd, size_t bytes);
void ring_close(struct ring *r);

/*
 * Hands what is there to fn, in order, until fn says false; what it was given is consumed all the same. A record is valid during fn only.
 * Whether all was handed over that is complete.
 */
bool ring_drain(struct ring *r, bool (*fn)(void *arg, const void *record, size_t size), void *arg);

#endif
