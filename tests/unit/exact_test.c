// SPDX-License-Identifier: MIT
/* Rings that hold exactly n messages, and messages of another alignment than 8, from every start. */
#include "rig.h"

#include <errno.h>

#define HEADER	sizeof(struct shmring_record)

/* The start of a test, rounded down to a whole step, as every position is. */
static uint64_t start_of(void **state, uint64_t step)
{
	const struct rig *plain = *state;

	return plain->start - plain->start % step;
}

static struct rig *new_slots(void **state, size_t slot_size, size_t slots, size_t align)
{
	return rig_new_of(start_of(state, (slot_size + align - 1) / align * align), slot_size, slots,
			  align);
}

static const struct {
	size_t slot_size, align, stride;
} shapes[] = {
	{ 4, 4, 4 }, { 20, 4, 20 }, { 5, 1, 5 }, { 4, 8, 8 }, { 20, 64, 64 }, { 64, 64, 64 },
	{ 65, 64, 128 }, { 1, 1024, 1024 },
};

/* Full after @n and not before; each message that is taken makes room for one. */
static void check_exactly(struct rig *rig, size_t n, size_t len, size_t align)
{
	uint64_t id, taken = 0;
	size_t i;

	for (id = 0; id < n; id++) {
		assert_int_equal(shmring_used_slots(&rig->p), id);
		assert_int_equal(shmring_space_left(&rig->p), (n - id) * rig->p.stride);
		put(&rig->p, len, id);
	}
	for (i = 0; i < 3 * n; i++) {
		assert_int_equal(shmring_space_left(&rig->p), 0);
		assert_int_equal(shmring_used_slots(&rig->c), n);
		assert_null(shmring_reserve(&rig->p, len));
		assert_int_equal(shmring_wait_space(&rig->p, len, &nowait), -EAGAIN);
		take(&rig->c, len, taken++);
		assert_int_equal(shmring_wait_space(&rig->p, len, &nowait), 0);
		assert_int_equal((uintptr_t)shmring_reserve(&rig->p, len) % align, 0);
		put(&rig->p, len, id++);
	}
	while (taken < id)
		take(&rig->c, len, taken++);
	assert_empty(&rig->c);
}

static void ring_holds_exactly_n(void **state)
{
	const size_t numbers[] = { 1, 2, 3, 5, 1000 };
	struct rig *rig;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		for (j = 0; j < ARRAY_SIZE(numbers); j++) {
			if (numbers[j] * shapes[i].stride > 4096)
				continue;
			rig = new_slots(state, shapes[i].slot_size, numbers[j], shapes[i].align);
			assert_int_equal(rig->p.stride, shapes[i].stride);
			assert_int_equal(shmring_slot_stride(&rig->c), shapes[i].stride);
			check_exactly(rig, numbers[j], shapes[i].slot_size, shapes[i].align);
			rig_free(rig);
		}
	}
}

/* As many as fit: packed slots use the bytes that padding would take. */
static void packed_slots_fill_the_ring(void **state)
{
	struct rig *rig = new_slots(state, 4, 0, 4);

	check_exactly(rig, 1024, 4, 4);
	rig_free(rig);
	rig = new_slots(state, 20, 0, 4);
	check_exactly(rig, 4096 / 20, 20, 4);
	rig_free(rig);
}

/* An array never has more slots than the ring, and none that the consumer has not given back. */
static void array_ends_with_the_ring(void **state)
{
	struct rig *rig = new_slots(state, 20, 3, 4);
	size_t n, i;

	for (i = 0; i < 500; i++) {
		n = 100;
		assert_non_null(shmring_reserve_slots(&rig->p, &n));
		assert_int_equal(n, 3);
		assert_int_equal(shmring_commit_slots(&rig->p, i % 3 + 1), 0);
		n = 100;
		assert_non_null(shmring_peek_slots(&rig->c, &n));
		assert_int_equal(n, i % 3 + 1);
		assert_int_equal(shmring_release(&rig->c), 0);
	}
	rig_free(rig);
}

static void run_ends_with_the_ring(void **state)
{
	struct rig *rig = new_slots(state, 20, 3, 4);
	struct shmring_run run;
	size_t len, i, n;

	for (i = 0; i < 500; i++) {
		assert_int_equal(shmring_run_open(&rig->p, &run, 60), 60);
		for (n = 0; shmring_run_put(&run, 20); n++)
			;
		assert_int_equal(n, 3);
		assert_int_equal(shmring_run_publish(&run), 0);
		assert_int_equal(shmring_run_open(&rig->p, &run, 20), 0);
		assert_int_equal(shmring_run_take(&rig->c, &run), 60);
		for (n = 0; shmring_run_next(&run, &len); n++)
			assert_int_equal(len, 20);
		assert_int_equal(n, 3);
		assert_int_equal(shmring_run_release(&run), 0);
	}
	rig_free(rig);
}

/* Payloads of any length at multiples of @align, each header in the 8 bytes in front. */
static void check_records(struct rig *rig, size_t align)
{
	uint64_t seed = 7, id = 0, taken = 0;
	size_t lens[4096 / 64], len, i;
	unsigned char *to;

	for (i = 0; i < 3000; i++) {
		len = random_u64(&seed) % 300;
		to = shmring_reserve(&rig->p, len);
		while (!to) {
			take(&rig->c, lens[taken % ARRAY_SIZE(lens)], taken);
			taken++;
			to = shmring_reserve(&rig->p, len);
		}
		assert_int_equal((uintptr_t)to % align, 0);
		assert_ptr_equal(to, rig->data + align + rig->producer->head % rig->capacity);
		lens[id % ARRAY_SIZE(lens)] = len;
		put(&rig->p, len, id++);
		assert_int_equal(((uint32_t *)(void *)to)[-2], len);
		assert_int_equal(rig->producer->head % align, 0);
	}
	while (taken < id) {
		take(&rig->c, lens[taken % ARRAY_SIZE(lens)], taken);
		taken++;
	}
	assert_empty(&rig->c);
}

static void records_are_aligned(void **state)
{
	const size_t aligns[] = { 64, 128, 512, 4096 };
	struct rig *rig;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(aligns); i++) {
		rig = rig_new_of(start_of(state, aligns[i]), 0, 0, aligns[i]);
		check_records(rig, aligns[i]);
		rig_free(rig);
	}
}

/* The longest one fills the ring, and reaches no byte outside it. */
static void longest_record_of_any_alignment(void **state)
{
	struct rig *rig;
	size_t align, max;
	int i;

	for (align = 8; align <= 4096; align *= 2) {
		rig = rig_new_of(start_of(state, align), 0, 0, align);
		max = shmring_max_len(&rig->p);
		assert_int_equal(max, rig->capacity - HEADER);
		assert_null(shmring_reserve(&rig->p, max + 1));
		/* From every position. */
		for (i = 0; i < 4096; i += (int)align) {
			put(&rig->p, max, 1);
			assert_null(shmring_reserve(&rig->p, 0));
			take(&rig->c, max, 1);
			put(&rig->p, align - HEADER, 2);
			take(&rig->c, align - HEADER, 2);
		}
		rig_free(rig);
	}
}

/* False positions: between two messages; more than the ring holds. */
static void position_between_two_messages_is_refused(void **state)
{
	struct rig *rig = rig_new_of(start_of(state, 64), 0, 0, 64);
	size_t len;

	rig->producer->head = rig->start + 72;
	assert_null(shmring_peek(&rig->c, &len));
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EBADMSG);
	rig_free(rig);

	rig = new_slots(state, 20, 3, 4);
	rig->producer->head = rig->start + 64;
	assert_null(shmring_peek(&rig->c, &len));
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EBADMSG);
	rig_free(rig);

	rig = new_slots(state, 20, 3, 4);
	put(&rig->p, 20, 1);
	rig->consumer->tail = rig->start + 24;
	assert_int_equal(shmring_wait_space(&rig->p, 20, &nowait), -EBADMSG);
	rig_free(rig);
}

/* A false position shows no more than the ring holds. */
static void counts_are_capped(void **state)
{
	struct rig *rig = new_slots(state, 20, 3, 4);

	rig->producer->head = rig->start + 4000;
	assert_int_equal(shmring_used(&rig->c), 60);
	assert_int_equal(shmring_used_slots(&rig->c), 3);
	assert_int_equal(shmring_space_left(&rig->c), 0);
	rig_free(rig);
}

/* An end that is bound to a position between two messages does not move. */
static void begins_at_no_false_position(void **state)
{
	struct rig *rig = rig_new_of(start_of(state, 64), 0, 0, 64);

	rig->producer->head = rig->start + 8;
	assert_int_equal(rig_bind(rig, &rig->p, SHMRING_PRODUCER), 0);
	assert_int_equal(shmring_wait_space(&rig->p, 8, &nowait), -EBADMSG);
	rig_free(rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_holds_exactly_n),
		cmocka_unit_test(packed_slots_fill_the_ring),
		cmocka_unit_test(array_ends_with_the_ring),
		cmocka_unit_test(run_ends_with_the_ring),
		cmocka_unit_test(records_are_aligned),
		cmocka_unit_test(longest_record_of_any_alignment),
		cmocka_unit_test(position_between_two_messages_is_refused),
		cmocka_unit_test(counts_are_capped),
		cmocka_unit_test(begins_at_no_false_position),
	};

	return run_at_every_start("exact", tests, ARRAY_SIZE(tests));
}
