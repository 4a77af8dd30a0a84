/* SPDX-License-Identifier: MIT */
#include "preload/descriptors.h"

#include <sys/mman.h>
#include "preload/guest.h"
#include "preload/raw.h"

_Atomic uint32_t descriptors_end;

bool descriptor_note(int fd)
{
	uint32_t end = atomic_load_explicit(&descriptors_end, memory_order_relaxed);

	if ((unsigned)fd >= TABLE_FDS)
		return false;
	while (end <= (uint32_t)fd && !atomic_compare_exchange_weak(&descriptors_end, &end, (uint32_t)fd + 1))
		;
	return true;
}

void *descriptors_room(size_t bytes)
{
	void *room = guest_pages(bytes);

	if (room)	/* a huge page for one entry would be the program's memory too */
		RAW(SYS_madvise, room, bytes, MADV_NOHUGEPAGE, 0, 0, 0);
	return room;
}
