/* SPDX-License-Identifier: MIT */
#include "ebpf/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* The producer's page, the data, and the beginning of the data again. */
static size_t mapped_bytes(size_t bytes)
{
	return page_bytes() + bytes + (bytes < RING_RECORD_MAX ? bytes : RING_RECORD_MAX);
}

int ring_open(struct ring *r, int map_fd, size_t bytes)
{
	void *at = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);

	memset(r, 0, sizeof(*r));
	if (at == MAP_FAILED)
		return -errno;
	r->consumer = at;
	r->bytes = bytes;
	at = mmap(NULL, mapped_bytes(bytes), PROT_READ, MAP_SHARED, map_fd, (off_t)page_bytes());
	if (at == MAP_FAILED) {
		int err = -errno;

		ring_close(r);
		return err;
	}
	r->producer = at;
	r->data = (const unsigned char *)at + page_bytes();
	return 0;
}

void ring_close(struct ring *r)
{
	if (r->consumer)
		munmap(r->consumer, page_bytes());
	if (r->producer)
		munmap((void *)r->producer, mapped_bytes(r->bytes));
	memset(r, 0, sizeof(*r));
}

/* What a record takes in the ring, with its head. */
static size_t room_of(uint32_t size)
{
	return (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
}

bool ring_drain(struct ring *r, bool (*fn)(void *arg, const void *record, size_t size), void *arg)
{
	unsigned long at = *r->consumer;
	bool more = true;

	while (more && at < __atomic_load_n(r->producer, __ATOMIC_ACQUIRE)) {
		const uint32_t *head = (const uint32_t *)(r->data + (at & (r->bytes - 1)));
		uint32_t word = __atomic_load_n(head, __ATOMIC_ACQUIRE), size = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (word & BPF_RINGBUF_BUSY_BIT)
			return true;
		if (!(word & BPF_RINGBUF_DISCARD_BIT))
			more = fn(arg, (const unsigned char *)head + BPF_RINGBUF_HDR_SZ, size);
		at += room_of(size);
		__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
	}
	return more;
}
