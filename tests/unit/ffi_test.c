// SPDX-License-Identifier: MIT
/*
 * The inline functions as symbols of the library, which programs in other languages call: each
 * does what the header's does.
 */
#include "rig.h"

#define SYMBOL(name)	extern __typeof__(name) symbol_##name __asm__(#name)

SYMBOL(shmring_max_len);
SYMBOL(shmring_slot_stride);
SYMBOL(shmring_used);
SYMBOL(shmring_used_slots);
SYMBOL(shmring_space_left);
SYMBOL(shmring_reserve);
SYMBOL(shmring_discard);
SYMBOL(shmring_stage);
SYMBOL(shmring_publish);
SYMBOL(shmring_commit);
SYMBOL(shmring_reserve_slots);
SYMBOL(shmring_commit_slots);
SYMBOL(shmring_peek);
SYMBOL(shmring_peek_slots);
SYMBOL(shmring_advance);
SYMBOL(shmring_release);
SYMBOL(shmring_send);
SYMBOL(shmring_recv);
SYMBOL(shmring_run_open);
SYMBOL(shmring_run_put);
SYMBOL(shmring_run_publish);
SYMBOL(shmring_run_take);
SYMBOL(shmring_run_next);
SYMBOL(shmring_run_release);

static void sizes_are_known(void **state)
{
	struct rig *rig = *state, *slots = rig_new(rig->start, 20);

	assert_int_equal(symbol_shmring_max_len(&rig->p), rig->capacity - 8);
	assert_int_equal(symbol_shmring_slot_stride(&slots->p), 24);
	put(&slots->p, 20, 1);
	assert_int_equal(symbol_shmring_used_slots(&slots->c), 1);
	put(&rig->p, 8, 1);
	assert_int_equal(symbol_shmring_used(&rig->c), 16);
	assert_int_equal(symbol_shmring_space_left(&rig->p), rig->capacity - 16);
	rig_free(slots);
}

static void record_is_written_and_read_in_place(void **state)
{
	struct rig *rig = *state;
	unsigned char *to = symbol_shmring_reserve(&rig->p, 8);
	size_t len = 0;

	assert_non_null(to);
	symbol_shmring_discard(&rig->p);
	assert_int_equal(symbol_shmring_commit(&rig->p, 8), -EINVAL);
	write_message(symbol_shmring_reserve(&rig->p, 8), 8, 1);
	assert_int_equal(symbol_shmring_stage(&rig->p, 8), 0);
	assert_empty(&rig->c);
	symbol_shmring_publish(&rig->p);
	assert_true(is_message(symbol_shmring_peek(&rig->c, &len), len, 1));
	assert_int_equal(len, 8);
	assert_int_equal(symbol_shmring_advance(&rig->c), 0);
	assert_int_equal(rig->consumer->tail, rig->start);
	assert_int_equal(symbol_shmring_release(&rig->c), 0);
	assert_int_equal(rig->consumer->tail, rig->start + 16);
	write_message(symbol_shmring_reserve(&rig->p, 16), 16, 2);
	assert_int_equal(symbol_shmring_commit(&rig->p, 16), 0);
	take(&rig->c, 16, 2);
}

static void slots_are_written_and_read_in_place(void **state)
{
	struct rig *rig = *state, *slots = rig_new(rig->start, 8);
	size_t n = 3;
	unsigned char *to = symbol_shmring_reserve_slots(&slots->p, &n);

	assert_non_null(to);
	assert_true(n >= 3);
	write_message(to + 8, 8, 1);
	assert_int_equal(symbol_shmring_commit_slots(&slots->p, 3), 0);
	n = 2;
	assert_ptr_equal(symbol_shmring_peek_slots(&slots->c, &n), to);
	assert_true(is_message(to + 8, 8, 1));
	rig_free(slots);
}

static void message_is_copied_in_and_out(void **state)
{
	struct rig *rig = *state;
	char buf[8];

	assert_int_equal(symbol_shmring_send(&rig->p, "message", 8, &nowait), 8);
	assert_int_equal(symbol_shmring_recv(&rig->c, buf, sizeof(buf), &nowait), 8);
	assert_string_equal(buf, "message");
	assert_int_equal(symbol_shmring_recv(&rig->c, buf, sizeof(buf), &nowait), -EAGAIN);
}

static void run_passes_a_message_on(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;
	size_t len = 0;

	assert_int_equal(symbol_shmring_run_open(&rig->p, &run, 16), rig->capacity);
	write_message(symbol_shmring_run_put(&run, 8), 8, 1);
	assert_int_equal(symbol_shmring_run_publish(&run), 0);
	assert_int_equal(symbol_shmring_run_take(&rig->c, &run), 16);
	assert_true(is_message(symbol_shmring_run_next(&run, &len), len, 1));
	assert_null(symbol_shmring_run_next(&run, &len));
	assert_int_equal(symbol_shmring_run_release(&run), 0);
	assert_int_equal(rig->consumer->tail, rig->start + 16);
}

static void version_is_the_headers(void **state)
{
	(void)state;
	assert_int_equal(shmring_version(), SHMRING_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_known),
		cmocka_unit_test(record_is_written_and_read_in_place),
		cmocka_unit_test(slots_are_written_and_read_in_place),
		cmocka_unit_test(message_is_copied_in_and_out),
		cmocka_unit_test(run_passes_a_message_on),
		cmocka_unit_test(version_is_the_headers),
	};

	return run_at_every_start("ffi", tests, ARRAY_SIZE(tests));
}
