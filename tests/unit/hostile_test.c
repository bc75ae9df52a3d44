// SPDX-License-Identifier: MIT
/*
 * A peer that writes what no peer may write, from every start: the endpoint returns EBADMSG for
 * good, even if the peer takes it back, and touches no byte outside the ring.
 */
#include "rig.h"

#define HEADER	sizeof(struct shmring_record)

static struct shmring_record *record_at(struct rig *rig, uint64_t position)
{
	return (void *)(rig->data + (position & (rig->capacity - 1)));
}

/* Once an endpoint has returned EBADMSG, it returns that from every call. */
static void assert_no_data_any_more(struct rig *rig)
{
	size_t len;
	int i;

	for (i = 0; i < 3; i++) {
		assert_null(shmring_peek(&rig->c, &len));
		assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EBADMSG);
	}
}

static void assert_no_space_any_more(struct rig *rig)
{
	int i;

	for (i = 0; i < 3; i++) {
		assert_null(shmring_reserve(&rig->p, 0));
		assert_int_equal(shmring_wait_space(&rig->p, 0, &nowait), -EBADMSG);
	}
}

static void both_anew(struct rig *rig)
{
	rig->producer->head = rig->start;
	rig->consumer->tail = rig->start;
	assert_int_equal(rig_bind(rig, &rig->p, SHMRING_PRODUCER), 0);
	assert_int_equal(rig_bind(rig, &rig->c, SHMRING_CONSUMER), 0);
}

/* ---------------------------------------------------------------------- head */

static void head_beyond_the_ring_is_refused(void **state)
{
	struct rig *rig = *state;
	const uint64_t fake[] = { rig->capacity + 1, rig->capacity + 8, 2 * rig->capacity,
				  1ull << 32, 1ull << 63, -rig->start - 1, ~0ull, ~0ull - 7 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		both_anew(rig);
		put(&rig->p, 8, 1);
		rig->producer->head = rig->start + fake[i];
		assert_no_data_any_more(rig);
		rig->producer->head = rig->start + 16;
		assert_no_data_any_more(rig);
	}
}

static void head_that_goes_back_is_refused(void **state)
{
	struct rig *rig = *state;

	put(&rig->p, 8, 1);
	put(&rig->p, 8, 2);
	take(&rig->c, 8, 1);
	take(&rig->c, 8, 2);
	rig->producer->head = rig->start + 16;
	assert_no_data_any_more(rig);
	rig->producer->head = rig->start + 48;
	assert_no_data_any_more(rig);
}

/* Messages that were stepped past and not released are still in the ring. */
static void head_beyond_what_is_released_is_refused(void **state)
{
	struct rig *rig = *state;
	size_t len;

	put(&rig->p, 8, 1);
	assert_non_null(shmring_peek(&rig->c, &len));
	assert_int_equal(shmring_advance(&rig->c), 0);
	rig->producer->head = rig->start + rig->capacity + 8;
	assert_no_data_any_more(rig);
}

static void head_that_cuts_a_record_is_refused(void **state)
{
	struct rig *rig = *state;
	uint64_t cut;

	for (cut = 1; cut < HEADER + 16; cut++) {
		both_anew(rig);
		put(&rig->p, 16, 1);
		rig->producer->head = rig->start + cut;
		assert_no_data_any_more(rig);
	}
}

static void head_that_cuts_a_slot_is_refused(void **state)
{
	struct rig *plain = *state, *rig = rig_new(plain->start, 100);
	uint64_t cut;

	for (cut = 1; cut < 104; cut++) {
		both_anew(rig);
		rig->producer->head = rig->start + cut;
		assert_no_data_any_more(rig);
	}
	rig_free(rig);
}

static void head_that_cuts_an_array_is_refused(void **state)
{
	struct rig *plain = *state, *rig = rig_new(plain->start, 100);
	uint64_t cut;
	size_t n;

	for (cut = 1; cut < 3 * 104; cut++) {
		both_anew(rig);
		rig->producer->head = rig->start + cut;
		n = SIZE_MAX;
		if (cut >= 104 && cut % 8 == 0) {
			assert_non_null(shmring_peek_slots(&rig->c, &n));
			assert_int_equal(n, cut / 104);
			assert_int_equal(shmring_release(&rig->c), 0);
			n = 1;
		}
		if (cut % 104) {
			assert_null(shmring_peek_slots(&rig->c, &n));
			assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EBADMSG);
			assert_no_data_any_more(rig);
		}
	}
	rig_free(rig);
}

static void false_head_makes_no_array(void **state)
{
	struct rig *plain = *state, *rig = rig_new(plain->start, 8);
	const uint64_t fake[] = { rig->capacity + 1, rig->capacity + 8, 1ull << 32, 1ull << 63, -8ull };
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		both_anew(rig);
		rig->producer->head = rig->start + fake[i];
		n = SIZE_MAX;
		assert_null(shmring_peek_slots(&rig->c, &n));
		assert_no_data_any_more(rig);
	}
	rig_free(rig);
}

/* ---------------------------------------------------------------------- tail */

static void fill(struct rig *rig)
{
	size_t i;

	for (i = 0; i < rig->capacity / 16; i++)
		put(&rig->p, 8, i);
}

static void false_tail_is_refused(void **state)
{
	struct rig *rig = *state;
	const uint64_t fake[] = { -8, -1, rig->capacity + 1, rig->capacity + 8, 1ull << 32,
				  1ull << 63, -rig->start - 1, ~0ull - 7 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		both_anew(rig);
		fill(rig);
		rig->consumer->tail = rig->start + fake[i];
		assert_no_space_any_more(rig);
		rig->consumer->tail = rig->start + rig->capacity / 2;
		assert_no_space_any_more(rig);
	}
}

static void tail_that_goes_back_is_refused(void **state)
{
	struct rig *rig = *state;

	fill(rig);
	rig->consumer->tail = rig->start + 32;
	put(&rig->p, 8, 1);
	put(&rig->p, 8, 2);
	rig->consumer->tail = rig->start + 16;
	assert_no_space_any_more(rig);
}

/* Messages that are staged and not published cannot have been read by a consumer. */
static void tail_beyond_what_is_published_is_refused(void **state)
{
	struct rig *rig = *state;
	size_t i;

	for (i = 0; i < rig->capacity / 16; i++) {
		assert_non_null(shmring_reserve(&rig->p, 8));
		assert_int_equal(shmring_stage(&rig->p, 8), 0);
	}
	rig->consumer->tail = rig->start + 16;
	assert_null(shmring_reserve(&rig->p, 0));
	assert_int_equal(shmring_wait_space(&rig->p, 0, &nowait), -EBADMSG);
}

/* ------------------------------------------------------------------- records */

static void false_record_header_is_refused(void **state)
{
	struct rig *rig = *state;
	const struct shmring_record fake[] = {
		{ 9, 0 }, { 16, 0 }, { (__u32)rig->capacity - 8, 0 }, { (__u32)rig->capacity, 0 },
		{ 1u << 31, 0 }, { ~0u, 0 }, { ~0u - 7, 0 }, { ~0u - 8, 0 }, { ~0u - 15, 0 },
		{ 8, 1 }, { 8, 1u << 31 }, { 8, ~0u }, { 0, 1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		both_anew(rig);
		put(&rig->p, 8, 1);
		*record_at(rig, rig->start) = fake[i];
		assert_no_data_any_more(rig);
	}
}

static void record_put_right_afterwards_stays_refused(void **state)
{
	struct rig *rig = *state;

	put(&rig->p, 8, 1);
	record_at(rig, rig->start)->len = 9;
	assert_no_data_any_more(rig);
	record_at(rig, rig->start)->len = 8;
	assert_no_data_any_more(rig);
}

/* The length is read once: release gives back what peek has returned. */
static void length_that_changes_moves_nothing_else(void **state)
{
	struct rig *rig = *state;
	size_t len = 0;

	put(&rig->p, 8, 1);
	put(&rig->p, 8, 2);
	assert_non_null(shmring_peek(&rig->c, &len));
	record_at(rig, rig->start)->len = 24;
	assert_int_equal(shmring_release(&rig->c), 0);
	assert_int_equal(rig->consumer->tail, rig->start + 16);
	take(&rig->c, 8, 2);
}

static void length_that_grows_between_peeks_is_refused(void **state)
{
	struct rig *rig = *state;
	size_t len = 0;

	put(&rig->p, 8, 1);
	assert_non_null(shmring_peek(&rig->c, &len));
	record_at(rig, rig->start)->len = ~0u;
	assert_no_data_any_more(rig);
	assert_int_equal(len, 8);
	assert_int_equal(shmring_release(&rig->c), -EINVAL);
	assert_int_equal(shmring_advance(&rig->c), -EINVAL);
	assert_int_equal(rig->consumer->tail, rig->start);
	assert_no_data_any_more(rig);
}

/* ---------------------------------------------------------------- predecessors */

/* The previous owner of the role may have left anything as its own position. */
static void position_off_its_alignment_is_refused(void **state)
{
	struct rig *rig = *state;
	size_t len;
	int off;

	for (off = 1; off < 8; off++) {
		both_anew(rig);
		fill(rig);
		rig->consumer->tail = rig->start + (uint64_t)off;
		if (!rig_bind(rig, &rig->c, SHMRING_CONSUMER)) {
			assert_null(shmring_peek(&rig->c, &len));
			assert_int_equal(shmring_wait_data(&rig->c, &nowait), -EBADMSG);
		}
		both_anew(rig);
		rig->producer->head = rig->start + (uint64_t)off;
		if (!rig_bind(rig, &rig->p, SHMRING_PRODUCER)) {
			assert_null(shmring_reserve(&rig->p, 8));
			assert_int_equal(shmring_wait_space(&rig->p, 8, &nowait), -EBADMSG);
		}
	}
}

static void positions_further_apart_than_the_ring_are_refused(void **state)
{
	struct rig *rig = *state;

	rig->producer->head = rig->start + rig->capacity + 8;
	assert_int_equal(rig_bind(rig, &rig->p, SHMRING_PRODUCER), 0);
	assert_int_equal(rig_bind(rig, &rig->c, SHMRING_CONSUMER), 0);
	assert_no_data_any_more(rig);
	assert_no_space_any_more(rig);
}

/* ------------------------------------------------------------------- anything */

/* Mostly short lengths, so that some records are well-formed. */
static void scribble(struct rig *rig, uint64_t *seed)
{
	struct shmring_record *record;
	size_t at;

	for (at = 0; at < rig->capacity; at += sizeof(*record)) {
		record = record_at(rig, at);
		record->len = (__u32)(random_u64(seed) % 100 ? random_u64(seed) % 64 :
							       random_u64(seed));
		record->flags = random_u64(seed) % 64 ? 0 : (__u32)random_u64(seed);
	}
}

/* Read all of it: an access outside the ring is a SIGSEGV. */
static unsigned int sum(const unsigned char *from, size_t len)
{
	const volatile unsigned char *byte = from;
	unsigned int n = 0;

	while (len--)
		n += *byte++;
	return n;
}

static unsigned int read_all(struct rig *rig, uint64_t head, unsigned int *nr)
{
	const unsigned char *from;
	unsigned int sums = 0;
	size_t len = 0;

	while ((from = shmring_peek(&rig->c, &len))) {
		assert_true(from >= rig->data && len <= rig->capacity);
		assert_true(from + len <= rig->data + 2 * rig->capacity);
		sums += sum(from, len);
		if (len % 2)
			shmring_advance(&rig->c);
		else
			shmring_release(&rig->c);
		assert_true(rig->consumer->tail - rig->start <= head - rig->start);
		++*nr;
	}
	return sums;
}

static void garbage_is_read_within_bounds(void **state)
{
	struct rig *rig = *state;
	uint64_t seed = rig->start + 1, head;
	unsigned int i, nr = 0, sums = 0, refused = 0;

	for (i = 0; i < 500; i++) {
		both_anew(rig);
		scribble(rig, &seed);
		head = rig->start + random_u64(&seed) % (rig->capacity + 1);
		rig->producer->head = head;
		sums += read_all(rig, head, &nr);
		refused += shmring_wait_data(&rig->c, &nowait) == -EBADMSG;
	}
	assert_true(nr > 500 && sums);	/* some records can be read, */
	assert_true(refused > 400);	/* but never for long */
}

/* Whatever the other side writes, the result is between zero and the capacity. */
static void used_stays_within_the_ring(void **state)
{
	static const uint64_t false_by[] = { 1, 8, 4096, 1ull << 32, 1ull << 62, 1ull << 63 };
	struct rig *rig = *state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(false_by); i++) {
		rig->producer->head = rig->start + rig->capacity + false_by[i];
		rig->consumer->tail = rig->start;
		assert_true(shmring_used(&rig->c) == (false_by[i] >> 63 ? 0 : rig->capacity));
		assert_int_equal(shmring_used(&rig->c) + shmring_space_left(&rig->c), rig->capacity);
		rig->producer->head = rig->start;
		rig->consumer->tail = rig->start + false_by[i];
		assert_int_equal(shmring_used(&rig->p), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_beyond_the_ring_is_refused),
		cmocka_unit_test(head_that_goes_back_is_refused),
		cmocka_unit_test(head_beyond_what_is_released_is_refused),
		cmocka_unit_test(head_that_cuts_a_record_is_refused),
		cmocka_unit_test(head_that_cuts_a_slot_is_refused),
		cmocka_unit_test(head_that_cuts_an_array_is_refused),
		cmocka_unit_test(false_head_makes_no_array),
		cmocka_unit_test(false_tail_is_refused),
		cmocka_unit_test(tail_that_goes_back_is_refused),
		cmocka_unit_test(tail_beyond_what_is_published_is_refused),
		cmocka_unit_test(false_record_header_is_refused),
		cmocka_unit_test(record_put_right_afterwards_stays_refused),
		cmocka_unit_test(length_that_changes_moves_nothing_else),
		cmocka_unit_test(length_that_grows_between_peeks_is_refused),
		cmocka_unit_test(position_off_its_alignment_is_refused),
		cmocka_unit_test(positions_further_apart_than_the_ring_are_refused),
		cmocka_unit_test(garbage_is_read_within_bounds),
		cmocka_unit_test(used_stays_within_the_ring),
	};

	return run_at_every_start("hostile", tests, ARRAY_SIZE(tests));
}
