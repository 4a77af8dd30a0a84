/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>
#include "base/grow.h"
#include "tests/lib/tap.h"

static size_t asked;
static bool refuse;

static void *counted(void *array, size_t bytes)
{
	asked = bytes;
	return refuse ? NULL : realloc(array, bytes);
}

static void test_elements_stay_while_it_doubles(void)
{
	uint32_t *array = NULL;
	size_t count = 0, room = 0;
	bool same = true;

	for (uint32_t i = 0; i < 1000; i++) {
		if (GROW(array, count, room))
			break;
		array[count++] = i;
	}
	for (uint32_t i = 0; i < count; i++)
		same &= array[i] == i;
	ok(count == 1000 && same, "a thousand elements stay what they were");
	ok(room == 1024, "room doubles: 1024 for a thousand");
	free(array);
}

static void test_nothing_is_asked_for_while_there_is_room(void)
{
	uint64_t *array = NULL;
	size_t room = 0;

	GROW_WITH(counted, array, 0, room);
	ok(asked == GROW_FIRST * sizeof(*array) && room == GROW_FIRST, "the first time it has room for %d", GROW_FIRST);
	asked = 0;
	GROW_WITH(counted, array, room - 1, room);
	ok(asked == 0, "with one place left nothing is asked for");
	GROW_WITH(counted, array, room, room);
	ok(asked == 2 * GROW_FIRST * sizeof(*array), "without one twice as many");
	free(array);
}

static void test_a_failure_leaves_it_as_it_was(void)
{
	uint64_t *array = NULL;
	size_t room = 0;
	uint64_t *before;

	GROW(array, 0, room);
	before = array;
	array[0] = 7;
	refuse = true;
	ok(GROW_WITH(counted, array, room, room) == -ENOMEM && array == before && room == GROW_FIRST && array[0] == 7,
	   "without memory it is -ENOMEM, and the array is as it was");
	refuse = false;
	free(array);
}

static void test_sizes_do_not_wrap(void)
{
	char there;
	size_t room = SIZE_MAX / 2 + 1, eighth = SIZE_MAX / 16 + 1;

	asked = 0;
	ok(!grow_array(&there, room, &room, 1, counted) && !asked, "twice as many elements than can be counted are none");
	ok(!grow_array(&there, eighth, &eighth, 8, counted) && !asked, "nor are more bytes than can be counted");
	ok(room == SIZE_MAX / 2 + 1 && eighth == SIZE_MAX / 16 + 1, "room stays what it was");
}

int main(void)
{
	test_elements_stay_while_it_doubles();
	test_nothing_is_asked_for_while_there_is_room();
	test_a_failure_leaves_it_as_it_was();
	test_sizes_do_not_wrap();
	return tap_done();
}
