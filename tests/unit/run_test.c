// SPDX-License-Identifier: MIT
/* Runs of many messages, on plain memory, from every start. */
#include "rig.h"

#define HEADER	sizeof(struct shmring_record)

static void put_in_run(struct shmring_run *run, size_t len, uint64_t id)
{
	unsigned char *to = shmring_run_put(run, len);

	assert_non_null(to);
	assert_int_equal((uintptr_t)to % SHMRING_ALIGN, 0);
	write_message(to, len, id);
}

static void take_from_run(struct shmring_run *run, size_t len, uint64_t id)
{
	const unsigned char *from;
	size_t got = 0;

	from = shmring_run_next(run, &got);
	assert_non_null(from);
	assert_int_equal(got, len);
	assert_true(is_message(from, len, id));
}

static void messages_of_a_run_arrive(void **state)
{
	struct rig *rig = *state;
	struct shmring_run in, out;
	size_t len, lap, n;

	for (lap = 0; lap < 40; lap++) {
		assert_int_equal(shmring_run_open(&rig->p, &out, rig->capacity), rig->capacity);
		for (len = 0; len < 40; len++)
			put_in_run(&out, len, lap + len);
		assert_empty(&rig->c);
		assert_int_equal(shmring_run_publish(&out), 0);
		assert_true(shmring_run_take(&rig->c, &in) > 0);
		for (n = 0; n < 40; n++)
			take_from_run(&in, n, lap + n);
		assert_null(shmring_run_next(&in, &len));
		assert_true(rig->consumer->tail < rig->producer->head);
		assert_int_equal(shmring_run_release(&in), 0);
		assert_int_equal(rig->consumer->tail, rig->producer->head);
	}
}

static void slots_of_a_run_arrive(void **state)
{
	struct rig *plain = *state, *rig = rig_new(plain->start, 20);
	struct shmring_run in, out;
	size_t n, len;

	assert_true(shmring_run_open(&rig->p, &out, rig->capacity) > 0);
	assert_null(shmring_run_put(&out, 24));
	assert_null(shmring_run_put(&out, 16));
	for (n = 0; n < 5; n++)
		put_in_run(&out, 20, n);
	assert_int_equal(shmring_run_publish(&out), 0);
	assert_int_equal(rig->producer->head, rig->start + 5 * 24);
	shmring_run_take(&rig->c, &in);
	for (n = 0; n < 5; n++)
		take_from_run(&in, 20, n);
	assert_null(shmring_run_next(&in, &len));
	assert_int_equal(shmring_run_release(&in), 0);
	assert_int_equal(rig->consumer->tail, rig->start + 5 * 24);
	rig_free(rig);
}

static void run_takes_the_ring_to_the_last_byte(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;
	size_t n;

	put(&rig->p, 16, 1);
	take(&rig->c, 16, 1);
	assert_int_equal(shmring_run_open(&rig->p, &run, rig->capacity), rig->capacity);
	for (n = 0; shmring_run_put(&run, 24); n++)
		;
	assert_int_equal(n, rig->capacity / 32);
	assert_null(shmring_run_put(&run, SIZE_MAX - 7));
	assert_int_equal(shmring_run_publish(&run), 0);
	assert_int_equal(shmring_run_open(&rig->p, &run, 1), 0);
	assert_null(shmring_run_put(&run, 0));
	assert_int_equal(shmring_run_publish(&run), 0);
}

static void message_that_does_not_fit_leaves_the_run_as_it_is(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;

	put(&rig->p, rig->capacity - 3 * HEADER - 16, 1);
	assert_int_equal(shmring_run_open(&rig->p, &run, 1), 2 * HEADER + 16);
	assert_null(shmring_run_put(&run, 32));
	put_in_run(&run, 16, 2);
	put_in_run(&run, 0, 3);
	assert_null(shmring_run_put(&run, 0));
	assert_int_equal(shmring_run_publish(&run), 0);
	assert_int_equal(rig->producer->head, rig->start + rig->capacity);
}

static void run_not_published_never_was(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;

	shmring_run_open(&rig->p, &run, 100);
	put_in_run(&run, 8, 1);
	shmring_run_open(&rig->p, &run, 100);
	put_in_run(&run, 8, 2);
	assert_int_equal(shmring_run_publish(&run), 0);
	take(&rig->c, 8, 2);
	assert_empty(&rig->c);
}

static void run_publishes_what_is_staged(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;

	assert_non_null(shmring_reserve(&rig->p, 8));
	assert_int_equal(shmring_stage(&rig->p, 8), 0);
	shmring_run_open(&rig->p, &run, 100);
	assert_int_equal(shmring_run_publish(&run), 0);
	assert_int_equal(rig->producer->head, rig->start + 16);
	assert_non_null(shmring_reserve(&rig->p, 8));
	assert_int_equal(shmring_stage(&rig->p, 8), 0);
	shmring_run_open(&rig->p, &run, 100);
	put_in_run(&run, 8, 1);
	assert_int_equal(shmring_run_publish(&run), 0);
	assert_int_equal(rig->producer->head, rig->start + 48);
}

static void messages_not_returned_stay(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;
	size_t len;

	put(&rig->p, 8, 1);
	put(&rig->p, 8, 2);
	put(&rig->p, 8, 3);
	assert_non_null(shmring_peek(&rig->c, &len));
	assert_int_equal(shmring_advance(&rig->c), 0);
	assert_int_equal(shmring_run_take(&rig->c, &run), 32);
	take_from_run(&run, 8, 2);
	assert_int_equal(shmring_run_release(&run), 0);
	assert_int_equal(rig->consumer->tail, rig->start + 32);
	assert_int_equal(shmring_release(&rig->c), -EINVAL);
	take(&rig->c, 8, 3);
	assert_int_equal(shmring_run_take(&rig->c, &run), 0);
	assert_null(shmring_run_next(&run, &len));
	assert_int_equal(shmring_run_release(&run), 0);
}

static void run_that_others_have_moved_is_refused(void **state)
{
	struct rig *rig = *state;
	struct shmring_run in, out;

	shmring_run_open(&rig->p, &out, rig->capacity);
	put_in_run(&out, 8, 2);
	put(&rig->p, 8, 1);
	assert_int_equal(shmring_run_publish(&out), -EINVAL);
	assert_int_equal(rig->producer->head, rig->start + 16);
	shmring_run_take(&rig->c, &in);
	take_from_run(&in, 8, 1);
	take(&rig->c, 8, 1);
	assert_int_equal(shmring_run_release(&in), -EINVAL);
	assert_int_equal(rig->consumer->tail, rig->start + 16);
}

/* The header is written anew after it is published, as a hostile producer can. */
static void false_record_ends_the_run(void **state)
{
	const struct shmring_record false_ones[] = {
		{ 9, 0 }, { 1u << 31, 0 }, { UINT32_MAX, 0 }, { 8, 1 },
		{ UINT32_MAX - 7, UINT32_MAX },
	};
	struct shmring_record *second;
	struct rig *rig = *state;
	struct shmring_run run;
	size_t len, i;

	for (i = 0; i < ARRAY_SIZE(false_ones); i++) {
		rig->producer->head = rig->consumer->tail = rig->start;
		assert_int_equal(rig_bind(rig, &rig->p, SHMRING_PRODUCER), 0);
		assert_int_equal(rig_bind(rig, &rig->c, SHMRING_CONSUMER), 0);
		put(&rig->p, 8, 1);
		put(&rig->p, 8, 2);
		second = (void *)(rig->data + ((rig->start + 16) & rig->p.mask));
		*second = false_ones[i];
		assert_int_equal(shmring_run_take(&rig->c, &run), 32);
		take_from_run(&run, 8, 1);
		assert_null(shmring_run_next(&run, &len));
		*second = (struct shmring_record){ 8, 0 };
		assert_null(shmring_run_next(&run, &len));
		*second = false_ones[i];
		assert_int_equal(shmring_run_release(&run), 0);
		assert_int_equal(rig->consumer->tail, rig->start + 16);
		assert_int_equal(shmring_run_take(&rig->c, &run), 0);
		assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EBADMSG);
	}
}

/* Also the first one: a loop that takes runs until there is none must end. */
static void false_first_record_leaves_no_run(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;
	size_t len;

	put(&rig->p, 8, 1);
	((struct shmring_record *)(void *)(rig->data + (rig->start & rig->p.mask)))->flags = 1;
	assert_int_equal(shmring_run_take(&rig->c, &run), 16);
	assert_null(shmring_run_next(&run, &len));
	assert_int_equal(shmring_run_release(&run), 0);
	assert_int_equal(shmring_run_take(&rig->c, &run), 0);
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EBADMSG);
}

static void false_slot_leaves_no_run(void **state)
{
	struct rig *plain = *state, *rig = rig_new(plain->start, 24);
	struct shmring_run run;
	size_t len;

	rig->producer->head = rig->start + 16;
	assert_int_equal(shmring_run_take(&rig->c, &run), 16);
	assert_null(shmring_run_next(&run, &len));
	assert_int_equal(shmring_run_release(&run), 0);
	assert_int_equal(shmring_run_take(&rig->c, &run), 0);
	rig_free(rig);
}

static void run_can_be_released_after_the_wait_said_why(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;
	size_t len;

	put(&rig->p, 8, 1);
	put(&rig->p, 8, 2);
	((struct shmring_record *)(void *)__shmring_payload(&rig->c, rig->start + 16))[-1].len = 99;
	shmring_run_take(&rig->c, &run);
	take_from_run(&run, 8, 1);
	assert_null(shmring_run_next(&run, &len));
	assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EBADMSG);
	assert_int_equal(shmring_run_release(&run), 0);
	assert_int_equal(rig->consumer->tail, rig->start + 16);
	assert_int_equal(shmring_run_take(&rig->c, &run), 0);
}

static void run_ends_a_reservation_and_a_peek(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;
	size_t len;

	assert_non_null(shmring_reserve(&rig->p, 40));
	shmring_run_open(&rig->p, &run, 100);
	assert_int_equal(shmring_commit(&rig->p, 40), -EINVAL);
	put(&rig->p, 8, 1);
	assert_non_null(shmring_peek(&rig->c, &len));
	shmring_run_take(&rig->c, &run);
	assert_int_equal(shmring_release(&rig->c), -EINVAL);
}

static void run_of_one_role_is_empty_in_the_other(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;
	size_t len;

	shmring_run_open(&rig->p, &run, 64);
	put_in_run(&run, 8, 3);
	assert_int_equal(shmring_run_release(&run), -EINVAL);
	put(&rig->p, 8, 1);
	shmring_run_open(&rig->p, &run, 64);
	assert_null(shmring_run_next(&run, &len));
	assert_int_equal(rig->p.error, 0);
	shmring_run_take(&rig->c, &run);
	assert_null(shmring_run_put(&run, 8));
	take_from_run(&run, 8, 1);
	assert_int_equal(shmring_run_publish(&run), -EINVAL);
	shmring_run_open(&rig->p, &run, 64);
	put_in_run(&run, 8, 2);
	assert_int_equal(shmring_run_release(&run), -EINVAL);
	assert_int_equal(rig->consumer->tail, rig->start);
}

/* A peek during a run is of no harm, also not once the run is refused. */
static void peek_during_a_run_that_is_refused_is_over(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;
	size_t len;

	put(&rig->p, 8, 1);
	assert_int_equal(shmring_run_take(&rig->c, &run), 16);
	assert_non_null(shmring_peek(&rig->c, &len));
	((struct shmring_record *)(void *)(rig->data + (rig->start & rig->p.mask)))->len = 100000;
	assert_null(shmring_run_next(&run, &len));
	assert_int_equal(shmring_run_release(&run), 0);
	assert_int_equal(shmring_release(&rig->c), -EINVAL);
	assert_null(shmring_peek(&rig->c, &len));
}

/* A consumer that gives back a part of a slot leaves no run: a loop must come to its wait. */
static void space_for_no_message_is_no_run(void **state)
{
	struct rig *plain = *state, *rig = rig_new(plain->start, 24);
	struct shmring_run run;

	shmring_run_open(&rig->p, &run, rig->capacity);
	while (shmring_run_put(&run, 24))
		;
	assert_int_equal(shmring_run_publish(&run), 0);
	rig->consumer->tail = rig->start + 8;
	assert_int_equal(shmring_run_open(&rig->p, &run, 24), 0);
	rig_free(rig);
}

static void runs_of_the_wrong_side_are_empty(void **state)
{
	struct rig *rig = *state;
	struct shmring handle = { 0 };
	struct shmring_run run;
	size_t len;

	put(&rig->p, 8, 1);
	assert_int_equal(shmring_run_open(&rig->c, &run, 8), 0);
	assert_null(shmring_run_put(&run, 8));
	assert_int_equal(shmring_run_publish(&run), 0);
	assert_int_equal(shmring_run_take(&rig->p, &run), 0);
	assert_null(shmring_run_next(&run, &len));
	assert_int_equal(shmring_run_release(&run), 0);
	assert_int_equal(shmring_run_open(&handle, &run, 8), 0);
	assert_int_equal(shmring_run_take(&handle, &run), 0);
	take(&rig->c, 8, 1);
}

static void consumer_gone_leaves_no_run(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;

	rig->lane->consumer.state = SHMRING_PEER_GONE;
	assert_int_equal(shmring_run_open(&rig->p, &run, 8), 0);
	assert_null(shmring_run_put(&run, 8));
}

static void end_of_a_run_wakes_the_other_side(void **state)
{
	struct rig *rig = *state;
	struct shmring_run run;

	rig->lane->consumer.wake_at = rig->start + 32;
	shmring_run_open(&rig->p, &run, 64);
	put_in_run(&run, 8, 1);
	assert_int_equal(shmring_run_publish(&run), 0);
	assert_int_equal(rig->priv_p.wakes, 0);
	shmring_run_open(&rig->p, &run, 64);
	put_in_run(&run, 8, 2);
	assert_int_equal(shmring_run_publish(&run), 0);
	assert_int_equal(rig->priv_p.wakes, 1);
	rig->lane->producer.wake_at = rig->start + 32;
	shmring_run_take(&rig->c, &run);
	take_from_run(&run, 8, 1);
	assert_int_equal(shmring_run_release(&run), 0);
	assert_int_equal(rig->priv_c.wakes, 0);
	shmring_run_take(&rig->c, &run);
	take_from_run(&run, 8, 2);
	assert_int_equal(shmring_run_release(&run), 0);
	assert_int_equal(rig->priv_c.wakes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_a_run_arrive),
		cmocka_unit_test(slots_of_a_run_arrive),
		cmocka_unit_test(run_takes_the_ring_to_the_last_byte),
		cmocka_unit_test(message_that_does_not_fit_leaves_the_run_as_it_is),
		cmocka_unit_test(run_not_published_never_was),
		cmocka_unit_test(run_publishes_what_is_staged),
		cmocka_unit_test(messages_not_returned_stay),
		cmocka_unit_test(run_that_others_have_moved_is_refused),
		cmocka_unit_test(false_record_ends_the_run),
		cmocka_unit_test(false_first_record_leaves_no_run),
		cmocka_unit_test(false_slot_leaves_no_run),
		cmocka_unit_test(run_can_be_released_after_the_wait_said_why),
		cmocka_unit_test(run_ends_a_reservation_and_a_peek),
		cmocka_unit_test(run_of_one_role_is_empty_in_the_other),
		cmocka_unit_test(peek_during_a_run_that_is_refused_is_over),
		cmocka_unit_test(space_for_no_message_is_no_run),
		cmocka_unit_test(runs_of_the_wrong_side_are_empty),
		cmocka_unit_test(consumer_gone_leaves_no_run),
		cmocka_unit_test(end_of_a_run_wakes_the_other_side),
	};

	return run_at_every_start("run", tests, ARRAY_SIZE(tests));
}
