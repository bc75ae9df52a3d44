// SPDX-License-Identifier: MIT
/* Messages on plain memory, from every start: the effect of each call, and its errors. */
#include "rig.h"

#define HEADER	sizeof(struct shmring_record)

/* ------------------------------------------------------------------ messages */

static void ring_new_is_empty(void **state)
{
	struct rig *rig = *state;

	assert_empty(&rig->c);
	assert_non_null(shmring_reserve(&rig->p, shmring_max_len(&rig->p)));
	assert_int_equal(rig->producer->head, rig->start);
}

static void record_is_aligned_at_its_position(void **state)
{
	struct rig *rig = *state;
	size_t at = rig->start & (rig->capacity - 1), len = 0;

	put(&rig->p, 11, 1);
	assert_ptr_equal(shmring_peek(&rig->c, &len), rig->data + at + HEADER);
	assert_int_equal(rig->producer->head, rig->start + HEADER + 16);
	take(&rig->c, 11, 1);
	assert_int_equal(rig->consumer->tail, rig->producer->head);
}

static void record_of_every_length_arrives(void **state)
{
	struct rig *rig = *state;
	size_t max = shmring_max_len(&rig->p), len;

	for (len = 0; len <= max; len += len < 70 || max - len < 70 ? 1 : 37) {
		put(&rig->p, len, len);
		take(&rig->c, len, len);
	}
	assert_empty(&rig->c);
}

static void record_as_large_as_the_ring_fills_it(void **state)
{
	struct rig *rig = *state;
	size_t max = rig->capacity - HEADER;

	assert_int_equal(shmring_max_len(&rig->p), max);
	put(&rig->p, 16, 1);
	assert_null(shmring_reserve(&rig->p, max));
	take(&rig->c, 16, 1);
	put(&rig->p, max, 2);
	assert_null(shmring_reserve(&rig->p, 0));
	take(&rig->c, max, 2);
	assert_non_null(shmring_reserve(&rig->p, max));
}

static void record_too_long_is_refused(void **state)
{
	struct rig *rig = *state;
	const size_t lengths[] = { rig->capacity - HEADER + 1, rig->capacity, SIZE_MAX / 2 + 1,
				   SIZE_MAX - 15, SIZE_MAX - 8, SIZE_MAX - 7, SIZE_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		assert_null(shmring_reserve(&rig->p, lengths[i]));
		assert_int_equal(shmring_wait_space(&rig->p, lengths[i], &nowait), -EMSGSIZE);
	}
}

/* Every byte is usable: fill it, and drain it, twice. */
static void fill_and_drain(struct rig *rig, size_t len)
{
	uint64_t n = rig->capacity / __shmring_footprint(&rig->p, len), round, i;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < n; i++)
			put(&rig->p, len, i);
		assert_null(shmring_reserve(&rig->p, len));
		assert_int_equal(shmring_wait_space(&rig->p, len, &nowait), -EAGAIN);
		for (i = 0; i < n; i++)
			take(&rig->c, len, i);
		assert_empty(&rig->c);
	}
	assert_int_equal(rig->producer->head - rig->start, 2 * n * __shmring_footprint(&rig->p, len));
}

static void ring_takes_empty_records_to_the_last_byte(void **state)
{
	struct rig *rig = *state;

	fill_and_drain(rig, 0);
	assert_int_equal(rig->producer->head - rig->start, 2 * rig->capacity);
}

static void ring_takes_records_to_the_last_byte(void **state)
{
	struct rig *rig = *state;

	fill_and_drain(rig, 8);
	assert_int_equal(rig->producer->head - rig->start, 2 * rig->capacity);
}

static void release_makes_room_for_just_as_much(void **state)
{
	struct rig *rig = *state;
	size_t i, n = rig->capacity / (HEADER + 24);

	for (i = 0; i < n; i++)
		put(&rig->p, 24, i);
	take(&rig->c, 24, 0);
	assert_null(shmring_reserve(&rig->p, 24 + rig->capacity % (HEADER + 24) + 1));
	put(&rig->p, 24, n);
	for (i = 1; i <= n; i++)
		take(&rig->c, 24, i);
}

/* --------------------------------------------------------------------- slots */

static void check_slots(uint64_t start, size_t size)
{
	struct rig *rig = rig_new(start, size);
	size_t len = 0;

	assert_int_equal(shmring_max_len(&rig->p), size);
	fill_and_drain(rig, size);
	put(&rig->p, size, 1);
	assert_ptr_equal(shmring_peek(&rig->c, &len),
			 rig->data + (rig->consumer->tail & (rig->capacity - 1)));
	take(&rig->c, size, 1);
	assert_null(shmring_reserve(&rig->p, size - 1));
	assert_null(shmring_reserve(&rig->p, size + 1));
	assert_non_null(shmring_reserve(&rig->p, size));
	assert_int_equal(shmring_commit(&rig->p, size - 1), -EINVAL);
	assert_int_equal(shmring_commit(&rig->p, size + 1), -EINVAL);
	assert_int_equal(shmring_commit(&rig->p, size), 0);
	rig_free(rig);
}

static void slots_have_one_length_and_no_header(void **state)
{
	struct rig *rig = *state;
	const size_t sizes[] = { 1, 8, 24, 100, rig->capacity / 2 + 8, rig->capacity };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		check_slots(rig->start, sizes[i]);
}

/* As many as there are: a full ring gives all its slots in one array, wherever the ring ends. */
static void slots_come_as_an_array(void **state)
{
	struct rig *rig = *state, *slots = rig_new(rig->start, 44);
	size_t nr = slots->capacity / 48, n = 5, i;
	unsigned char *to;
	const unsigned char *from;

	assert_int_equal(shmring_slot_stride(&slots->p), 48);
	assert_ptr_equal(shmring_reserve_slots(&slots->p, &n), slots->data + rig->start % slots->capacity);
	assert_int_equal(n, 5);
	assert_int_equal(shmring_commit_slots(&slots->p, 3), 0);
	n = SIZE_MAX;
	assert_non_null(shmring_peek_slots(&slots->c, &n));
	assert_int_equal(n, 3);
	n = 2;
	assert_non_null(shmring_peek_slots(&slots->c, &n));
	assert_int_equal(shmring_advance(&slots->c), 0);
	assert_int_equal(shmring_release(&slots->c), 0);
	assert_int_equal(slots->consumer->tail, rig->start + 96);
	n = 1;
	assert_non_null(shmring_peek_slots(&slots->c, &n));
	assert_int_equal(shmring_release(&slots->c), 0);

	n = SIZE_MAX;
	to = shmring_reserve_slots(&slots->p, &n);
	assert_int_equal(n, nr);
	for (i = 0; i < nr; i++)
		write_message(to + i * 48, 44, i);
	assert_int_equal(shmring_commit_slots(&slots->p, nr), 0);
	n = 1;
	assert_null(shmring_reserve_slots(&slots->p, &n));
	n = SIZE_MAX;
	from = shmring_peek_slots(&slots->c, &n);
	assert_int_equal(n, nr);
	for (i = 0; i < nr; i++)
		assert_true(is_message(from + i * 48, 44, i));
	assert_int_equal(shmring_release(&slots->c), 0);
	n = 1;
	assert_null(shmring_peek_slots(&slots->c, &n));
	rig_free(slots);
}

/* A number so large that its bytes overflow to a small product. */
static void slots_beyond_all_numbers_are_those_there_are(void **state)
{
	struct rig *rig = *state, *slots = rig_new(rig->start, 44);
	const size_t many = SIZE_MAX / 48 + 2, nr = slots->capacity / 48;
	size_t n = many;

	assert_true(many * 48 <= slots->capacity);
	assert_non_null(shmring_reserve_slots(&slots->p, &n));
	assert_int_equal(n, nr);
	assert_int_equal(shmring_commit_slots(&slots->p, 3), 0);
	n = many;
	assert_non_null(shmring_peek_slots(&slots->c, &n));
	assert_int_equal(n, 3);
	rig_free(slots);
}

static void slots_that_are_not_reserved_are_not_committed(void **state)
{
	struct rig *rig = *state, *slots = rig_new(rig->start, 44);
	size_t n = 3;

	assert_int_equal(shmring_commit_slots(&slots->p, 1), -EINVAL);
	assert_non_null(shmring_reserve_slots(&slots->p, &n));
	assert_int_equal(shmring_commit_slots(&slots->p, 4), -EINVAL);
	assert_int_equal(shmring_commit_slots(&slots->p, SIZE_MAX / 48 + 2), -EINVAL);
	assert_int_equal(slots->producer->head, rig->start);
	assert_int_equal(shmring_commit_slots(&slots->p, 0), 0);
	assert_int_equal(shmring_commit_slots(&slots->p, 1), -EINVAL);
	n = 0;
	assert_null(shmring_reserve_slots(&slots->p, &n));
	assert_null(shmring_peek_slots(&slots->c, &n));
	rig_free(slots);
}

static void slots_are_neither_records_nor_of_the_other_side(void **state)
{
	struct rig *rig = *state, *slots = rig_new(rig->start, 44);
	size_t n = 1;

	assert_null(shmring_reserve_slots(&rig->p, &n));
	assert_non_null(shmring_reserve(&rig->p, 64));
	assert_int_equal(shmring_commit_slots(&rig->p, 1), -EINVAL);
	put(&rig->p, 8, 1);
	assert_null(shmring_peek_slots(&rig->c, &n));
	take(&rig->c, 8, 1);
	put(&slots->p, 44, 1);
	assert_null(shmring_reserve_slots(&slots->c, &n));
	assert_null(shmring_peek_slots(&slots->p, &n));
	assert_int_equal(shmring_commit_slots(&slots->c, 1), -EINVAL);
	take(&slots->c, 44, 1);
	rig_free(slots);
}

/* -------------------------------------------------------------- reservations */

static void discard_leaves_nothing(void **state)
{
	struct rig *rig = *state;

	assert_non_null(shmring_reserve(&rig->p, 100));
	shmring_discard(&rig->p);
	assert_int_equal(shmring_stage(&rig->p, 0), -EINVAL);
	assert_int_equal(shmring_commit(&rig->p, 100), -EINVAL);
	shmring_publish(&rig->p);
	assert_empty(&rig->c);
	put(&rig->p, 3, 1);
	take(&rig->c, 3, 1);
}

static void reserve_again_replaces(void **state)
{
	struct rig *rig = *state;
	void *first = shmring_reserve(&rig->p, 1000);

	assert_non_null(first);
	assert_ptr_equal(shmring_reserve(&rig->p, 8), first);
	assert_int_equal(shmring_commit(&rig->p, 1000), -EINVAL);
	assert_ptr_equal(shmring_reserve(&rig->p, 1000), first);
	assert_int_equal(shmring_commit(&rig->p, 1000), 0);
}

static void reserve_that_fails_changes_nothing(void **state)
{
	struct rig *rig = *state;
	unsigned char *to = shmring_reserve(&rig->p, 40);

	assert_non_null(to);
	write_message(to, 40, 1);
	assert_null(shmring_reserve(&rig->p, rig->capacity));
	assert_int_equal(shmring_commit(&rig->p, 40), 0);
	take(&rig->c, 40, 1);
}

static void commit_of_less_takes_less(void **state)
{
	struct rig *rig = *state;
	unsigned char *to = shmring_reserve(&rig->p, 1000);

	assert_non_null(to);
	write_message(to, 17, 1);
	assert_int_equal(shmring_commit(&rig->p, 17), 0);
	assert_int_equal(rig->producer->head, rig->start + HEADER + 24);
	put(&rig->p, 5, 2);
	take(&rig->c, 17, 1);
	take(&rig->c, 5, 2);
}

static void commit_without_reservation_is_refused(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(shmring_commit(&rig->p, 0), -EINVAL);
	put(&rig->p, 8, 1);
	assert_int_equal(shmring_commit(&rig->p, 8), -EINVAL);
	assert_int_equal(shmring_stage(&rig->p, 8), -EINVAL);
	take(&rig->c, 8, 1);
	assert_empty(&rig->c);
}

static void commit_of_more_is_refused_and_can_be_mended(void **state)
{
	struct rig *rig = *state;
	const size_t more[] = { 49, 4096, SIZE_MAX - 8, SIZE_MAX - 7, SIZE_MAX };
	unsigned char *to = shmring_reserve(&rig->p, 48);
	size_t i;

	assert_non_null(to);
	write_message(to, 48, 1);
	for (i = 0; i < ARRAY_SIZE(more); i++)
		assert_int_equal(shmring_commit(&rig->p, more[i]), -EINVAL);
	assert_int_equal(shmring_commit(&rig->p, 48), 0);
	take(&rig->c, 48, 1);
}

/* ------------------------------------------------------------------- batches */

static void stage(struct shmring *p, size_t len, uint64_t id)
{
	void *to = shmring_reserve(p, len);

	assert_non_null(to);
	write_message(to, len, id);
	assert_int_equal(shmring_stage(p, len), 0);
}

static void staged_is_unseen_until_published(void **state)
{
	struct rig *rig = *state;
	size_t i;

	for (i = 0; i < 20; i++)
		stage(&rig->p, i, i);
	assert_int_equal(rig->producer->head, rig->start);
	assert_empty(&rig->c);
	shmring_publish(&rig->p);
	for (i = 0; i < 20; i++)
		take(&rig->c, i, i);
	assert_empty(&rig->c);
}

static void commit_publishes_what_is_staged(void **state)
{
	struct rig *rig = *state;

	put(&rig->p, 0, 0);	/* the first one takes the slower path anyway */
	take(&rig->c, 0, 0);
	stage(&rig->p, 10, 1);
	put(&rig->p, 20, 2);
	take(&rig->c, 10, 1);
	take(&rig->c, 20, 2);
	/* Nothing is staged any more: the consumer has got as far as this look finds it. */
	assert_non_null(shmring_reserve(&rig->p, shmring_max_len(&rig->p)));
}

static void publish_of_nothing_writes_nothing(void **state)
{
	struct rig *rig = *state;

	rig->lane->consumer.wake_at = 0;
	rig->producer->head = 12345;
	shmring_publish(&rig->p);
	assert_int_equal(rig->producer->head, 12345);
	assert_int_equal(rig->priv_p.wakes, 0);
}

static void peek_again_returns_the_same(void **state)
{
	struct rig *rig = *state;
	size_t first = 0, second = 0;
	const void *at;

	put(&rig->p, 30, 1);
	put(&rig->p, 40, 2);
	at = shmring_peek(&rig->c, &first);
	assert_non_null(at);
	assert_ptr_equal(shmring_peek(&rig->c, &second), at);
	assert_int_equal(first, 30);
	assert_int_equal(second, 30);
	take(&rig->c, 30, 1);
	take(&rig->c, 40, 2);
}

static void advanced_is_kept_until_released(void **state)
{
	struct rig *rig = *state;
	size_t n = rig->capacity / 16, i, len = 0;
	const void *first;

	for (i = 0; i < n; i++)
		put(&rig->p, 8, i);
	first = shmring_peek(&rig->c, &len);
	for (i = 0; i < n; i++) {
		assert_non_null(shmring_peek(&rig->c, &len));
		assert_int_equal(shmring_advance(&rig->c), 0);
		assert_null(shmring_reserve(&rig->p, 0));
	}
	assert_null(shmring_peek(&rig->c, &len));
	assert_true(is_message(first, 8, 0));
	assert_int_equal(shmring_release(&rig->c), 0);
	put(&rig->p, rig->capacity - HEADER, 1);
}

static void release_of_the_advanced_keeps_the_peeked(void **state)
{
	struct rig *rig = *state;
	size_t len = 0, i;

	for (i = 0; i < 4; i++)
		put(&rig->p, 8, i);
	for (i = 0; i < 2; i++) {
		assert_non_null(shmring_peek(&rig->c, &len));
		assert_int_equal(shmring_advance(&rig->c), 0);
	}
	assert_non_null(shmring_peek(&rig->c, &len));
	assert_int_equal(shmring_release(&rig->c), 0);
	assert_int_equal(rig->consumer->tail, rig->start + 32);
	/* It is still peeked: the next release gives it back. */
	assert_int_equal(shmring_release(&rig->c), 0);
	assert_int_equal(rig->consumer->tail, rig->start + 48);
	take(&rig->c, 8, 3);
	assert_int_equal(shmring_release(&rig->c), -EINVAL);
}

static void release_of_advanced_slots_keeps_the_peeked(void **state)
{
	struct rig *rig = *state, *slots = rig_new(rig->start, 44);
	size_t n = 1, i;

	for (i = 0; i < 3; i++)
		put(&slots->p, 44, i);
	assert_non_null(shmring_peek_slots(&slots->c, &n));
	assert_int_equal(shmring_advance(&slots->c), 0);
	n = 2;
	assert_non_null(shmring_peek_slots(&slots->c, &n));
	assert_int_equal(shmring_release(&slots->c), 0);
	assert_int_equal(slots->consumer->tail, rig->start + 48);
	take(&slots->c, 44, 1);
	take(&slots->c, 44, 2);
	rig_free(slots);
}

static void release_of_nothing_is_refused(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(shmring_release(&rig->c), -EINVAL);
	assert_int_equal(shmring_advance(&rig->c), -EINVAL);
	put(&rig->p, 8, 1);
	assert_int_equal(shmring_release(&rig->c), -EINVAL);
	assert_int_equal(shmring_advance(&rig->c), -EINVAL);
	take(&rig->c, 8, 1);
	assert_int_equal(shmring_release(&rig->c), -EINVAL);
	assert_int_equal(shmring_advance(&rig->c), -EINVAL);
}

/* --------------------------------------------------------------------- sides */

static void calls_of_the_wrong_side_are_harmless(void **state)
{
	struct rig *rig = *state;
	size_t len;

	put(&rig->p, 8, 1);
	assert_null(shmring_peek(&rig->p, &len));
	assert_int_equal(shmring_advance(&rig->p), -EINVAL);
	assert_int_equal(shmring_release(&rig->p), -EINVAL);
	assert_int_equal(shmring_wait_data(&rig->p, &nowait), -EBADF);
	assert_null(shmring_reserve(&rig->c, 0));
	assert_null(shmring_reserve(&rig->c, 8));
	assert_int_equal(shmring_stage(&rig->c, 0), -EINVAL);
	assert_int_equal(shmring_commit(&rig->c, 0), -EINVAL);
	shmring_publish(&rig->c);
	shmring_discard(&rig->c);
	assert_int_equal(shmring_wait_space(&rig->c, 8, &nowait), -EBADF);
	assert_int_equal(rig->producer->head, rig->start + 16);
	assert_int_equal(rig->consumer->tail, rig->start);
	take(&rig->c, 8, 1);
}

static void producer_alone_gets_no_space(void **state)
{
	struct rig *rig = *state;

	rig->lane->consumer.state = SHMRING_PEER_GONE;
	assert_null(shmring_reserve(&rig->p, 8));
	assert_int_equal(shmring_wait_space(&rig->p, 8, &nowait), -EPIPE);
	rig->lane->consumer.state = SHMRING_PEER_LIVE;
	assert_non_null(shmring_reserve(&rig->p, 8));
}

/*
 * After a new bind, what was staged but not published, or peeked but not released, was never
 * done.
 */
static void bind_again_goes_on_where_it_was(void **state)
{
	struct rig *rig = *state;
	size_t len = 0;

	put(&rig->p, 8, 1);
	put(&rig->p, 9, 2);
	stage(&rig->p, 10, 3);
	assert_int_equal(rig_bind(rig, &rig->p, SHMRING_PRODUCER), 0);
	take(&rig->c, 8, 1);
	assert_non_null(shmring_peek(&rig->c, &len));
	assert_int_equal(shmring_advance(&rig->c), 0);
	assert_int_equal(rig_bind(rig, &rig->c, SHMRING_CONSUMER), 0);
	put(&rig->p, 11, 4);
	take(&rig->c, 9, 2);
	take(&rig->c, 11, 4);
	assert_empty(&rig->c);
}

static void bind_to_what_is_no_ring_is_refused(void **state)
{
	struct rig *rig = *state;
	const struct shmring_status good = *rig->status;
	struct shmring_status bad[8];
	struct shmring r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].magic ^= 1;
	bad[1].abi++;
	bad[2].features = 1ull << 63;
	bad[3].capacity *= 2;
	bad[4].slot_size = 8;
	bad[5].nr_lanes = 2;
	bad[6].align = 64;
	bad[7].slots = 1;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		*rig->status = bad[i];
		assert_int_equal(rig_bind(rig, &r, SHMRING_CONSUMER), -EPROTO);
		assert_int_equal(rig_bind(rig, &r, SHMRING_PRODUCER), -EPROTO);
	}
}

/* -------------------------------------------------------------------- waking */

static void publish_wakes_at_the_position_and_not_before(void **state)
{
	struct rig *rig = *state;

	rig->lane->consumer.wake_at = rig->start + 48;
	put(&rig->p, 8, 1);
	put(&rig->p, 8, 2);
	assert_int_equal(rig->priv_p.wakes, 0);
	stage(&rig->p, 8, 3);
	assert_int_equal(rig->priv_p.wakes, 0);
	shmring_publish(&rig->p);
	assert_int_equal(rig->priv_p.wakes, 1);
	put(&rig->p, 8, 4);
	assert_int_equal(rig->priv_p.wakes, 2);
	rig->lane->consumer.wake_at = SHMRING_NO_WAKE;
	put(&rig->p, 8, 5);
	assert_int_equal(rig->priv_p.wakes, 2);
}

static void release_wakes_at_the_position_and_not_before(void **state)
{
	struct rig *rig = *state;
	size_t i, len = 0;

	for (i = 0; i < 5; i++)
		put(&rig->p, 8, i);
	rig->lane->producer.wake_at = rig->start + 48;
	take(&rig->c, 8, 0);
	take(&rig->c, 8, 1);
	assert_non_null(shmring_peek(&rig->c, &len));
	assert_int_equal(shmring_advance(&rig->c), 0);
	assert_int_equal(rig->priv_c.wakes, 0);
	assert_int_equal(shmring_release(&rig->c), 0);
	assert_int_equal(rig->priv_c.wakes, 1);
	rig->lane->producer.wake_at = SHMRING_NO_WAKE;
	take(&rig->c, 8, 3);
	assert_int_equal(rig->priv_c.wakes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_new_is_empty),
		cmocka_unit_test(record_is_aligned_at_its_position),
		cmocka_unit_test(record_of_every_length_arrives),
		cmocka_unit_test(record_as_large_as_the_ring_fills_it),
		cmocka_unit_test(record_too_long_is_refused),
		cmocka_unit_test(ring_takes_empty_records_to_the_last_byte),
		cmocka_unit_test(ring_takes_records_to_the_last_byte),
		cmocka_unit_test(release_makes_room_for_just_as_much),
		cmocka_unit_test(slots_have_one_length_and_no_header),
		cmocka_unit_test(slots_come_as_an_array),
		cmocka_unit_test(slots_beyond_all_numbers_are_those_there_are),
		cmocka_unit_test(slots_that_are_not_reserved_are_not_committed),
		cmocka_unit_test(slots_are_neither_records_nor_of_the_other_side),
		cmocka_unit_test(discard_leaves_nothing),
		cmocka_unit_test(reserve_again_replaces),
		cmocka_unit_test(reserve_that_fails_changes_nothing),
		cmocka_unit_test(commit_of_less_takes_less),
		cmocka_unit_test(commit_without_reservation_is_refused),
		cmocka_unit_test(commit_of_more_is_refused_and_can_be_mended),
		cmocka_unit_test(staged_is_unseen_until_published),
		cmocka_unit_test(commit_publishes_what_is_staged),
		cmocka_unit_test(publish_of_nothing_writes_nothing),
		cmocka_unit_test(peek_again_returns_the_same),
		cmocka_unit_test(advanced_is_kept_until_released),
		cmocka_unit_test(release_of_the_advanced_keeps_the_peeked),
		cmocka_unit_test(release_of_advanced_slots_keeps_the_peeked),
		cmocka_unit_test(release_of_nothing_is_refused),
		cmocka_unit_test(calls_of_the_wrong_side_are_harmless),
		cmocka_unit_test(producer_alone_gets_no_space),
		cmocka_unit_test(bind_again_goes_on_where_it_was),
		cmocka_unit_test(bind_to_what_is_no_ring_is_refused),
		cmocka_unit_test(publish_wakes_at_the_position_and_not_before),
		cmocka_unit_test(release_wakes_at_the_position_and_not_before),
	};

	return run_at_every_start("fastpath", tests, ARRAY_SIZE(tests));
}
