// SPDX-License-Identifier: MIT
/* shmring_send() and shmring_recv(), where the compiler knows the length and where it does not. */
#include "rig.h"

#define LONGEST	80

static void fill(unsigned char *buf, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = (unsigned char)(seed + 7 * i + 1);
}

/* The ring holds the message that was sent, and the bytes behind the buffer stay. */
static void assert_arrived(const unsigned char *buf, size_t len, unsigned int seed)
{
	unsigned char right[LONGEST + 1];

	fill(right, len, seed);
	assert_memory_equal(buf, right, len);
	assert_int_equal(buf[len], 0xee);
}

static void length_unknown_to_the_compiler_arrives(void **state)
{
	unsigned char out[LONGEST], in[LONGEST + 1];
	struct rig *rig = *state;
	volatile size_t len;

	for (len = 0; len <= LONGEST; len++) {
		fill(out, len, (unsigned int)len);
		memset(in, 0xee, sizeof(in));
		assert_int_equal(shmring_send(&rig->p, out, len, NULL), len);
		assert_int_equal(shmring_recv(&rig->c, in, len, NULL), len);
		assert_arrived(in, len, (unsigned int)len);
	}
	assert_empty(&rig->c);
}

#define CHECK_CONSTANT(len) do {						\
	fill(out, len, len);							\
	memset(in, 0xee, sizeof(in));						\
	assert_int_equal(shmring_send(&rig->p, out, len, NULL), len);		\
	assert_int_equal(shmring_recv(&rig->c, in, len, NULL), len);		\
	assert_arrived(in, len, len);						\
} while (0)

static void length_known_to_the_compiler_arrives(void **state)
{
	unsigned char out[LONGEST], in[LONGEST + 1];
	struct rig *rig = *state;

	CHECK_CONSTANT(0);
	CHECK_CONSTANT(1);
	CHECK_CONSTANT(7);
	CHECK_CONSTANT(8);
	CHECK_CONSTANT(33);
	CHECK_CONSTANT(64);
	CHECK_CONSTANT(80);
	assert_empty(&rig->c);
}

static void record_of_another_length_than_expected_arrives(void **state)
{
	unsigned char out[LONGEST], in[LONGEST + 1];
	struct rig *rig = *state;

	fill(out, 24, 5);
	memset(in, 0xee, sizeof(in));
	assert_int_equal(shmring_send(&rig->p, out, 24, NULL), 24);
	assert_int_equal(shmring_send(&rig->p, out, 24, NULL), 24);
	assert_int_equal(shmring_recv(&rig->c, in, 16, NULL), -EMSGSIZE);
	assert_int_equal(shmring_recv(&rig->c, in, 64, NULL), 24);
	assert_arrived(in, 24, 5);
	assert_int_equal(shmring_recv(&rig->c, in, 24, NULL), 24);
	assert_empty(&rig->c);
}

static void slots_of_one_length_arrive(void **state)
{
	struct rig *plain = *state, *rig = rig_new(plain->start, 20);
	unsigned char out[LONGEST], in[LONGEST + 1];
	volatile size_t len = 20;

	CHECK_CONSTANT(20);
	fill(out, len, 3);
	memset(in, 0xee, sizeof(in));
	assert_int_equal(shmring_send(&rig->p, out, len, NULL), len);
	assert_int_equal(shmring_recv(&rig->c, in, len, NULL), len);
	assert_arrived(in, len, 3);
	assert_int_equal(shmring_send(&rig->p, out, 24, NULL), -EMSGSIZE);
	assert_int_equal(shmring_send(&rig->p, out, 16, NULL), -EMSGSIZE);
	rig_free(rig);
}

/* A send replaces an open reservation, whichever of the two is longer. */
static void send_ends_a_reservation(void **state)
{
	struct rig *rig = *state;
	unsigned char out[64] = { 0 };

	/* The first send looks whether the consumer lives, and takes the longer path. */
	assert_int_equal(shmring_send(&rig->p, out, 8, NULL), 8);
	assert_non_null(shmring_reserve(&rig->p, 64));
	assert_int_equal(shmring_send(&rig->p, out, 8, NULL), 8);
	assert_int_equal(shmring_commit(&rig->p, 40), -EINVAL);
	assert_non_null(shmring_reserve(&rig->p, 8));
	assert_int_equal(shmring_send(&rig->p, out, 64, NULL), 64);
	assert_int_equal(shmring_commit(&rig->p, 8), -EINVAL);
	assert_int_equal(rig->producer->head, rig->start + 16 + 16 + 72);
}

/* A receive takes the first of the peeked slots, and leaves none peeked. */
static void recv_ends_a_peek(void **state)
{
	struct rig *plain = *state, *rig = rig_new(plain->start, 8);
	unsigned char buf[8] = { 0 };
	size_t n = 3;

	put(&rig->p, 8, 1);
	put(&rig->p, 8, 2);
	put(&rig->p, 8, 3);
	assert_non_null(shmring_peek_slots(&rig->c, &n));
	assert_int_equal(n, 3);
	assert_int_equal(shmring_recv(&rig->c, buf, 8, NULL), 8);
	assert_int_equal(rig->consumer->tail, rig->start + 8);
	assert_int_equal(shmring_release(&rig->c), -EINVAL);
	take(&rig->c, 8, 2);
	take(&rig->c, 8, 3);
	rig_free(rig);
}

static void send_publishes_what_is_staged(void **state)
{
	struct rig *rig = *state;
	unsigned char out[8] = { 0 };

	assert_non_null(shmring_reserve(&rig->p, 8));
	assert_int_equal(shmring_stage(&rig->p, 8), 0);
	assert_int_equal(rig->producer->head, rig->start);
	assert_int_equal(shmring_send(&rig->p, out, 8, NULL), 8);
	assert_int_equal(rig->producer->head, rig->start + 32);
}

static void recv_releases_what_was_advanced_past(void **state)
{
	struct rig *rig = *state;
	unsigned char buf[8];
	size_t len;

	put(&rig->p, 8, 1);
	put(&rig->p, 8, 2);
	assert_non_null(shmring_peek(&rig->c, &len));
	assert_int_equal(shmring_advance(&rig->c), 0);
	assert_int_equal(shmring_recv(&rig->c, buf, 8, NULL), 8);
	assert_int_equal(rig->consumer->tail, rig->start + 32);
	assert_int_equal(shmring_release(&rig->c), -EINVAL);
}

static void consumer_gone_refuses_a_send(void **state)
{
	struct rig *rig = *state;
	unsigned char out[8] = { 0 };

	rig->lane->consumer.state = SHMRING_PEER_GONE;
	assert_int_equal(shmring_send(&rig->p, out, 8, NULL), -EPIPE);
	assert_int_equal(rig->producer->head, rig->start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(length_unknown_to_the_compiler_arrives),
		cmocka_unit_test(length_known_to_the_compiler_arrives),
		cmocka_unit_test(record_of_another_length_than_expected_arrives),
		cmocka_unit_test(slots_of_one_length_arrive),
		cmocka_unit_test(send_ends_a_reservation),
		cmocka_unit_test(recv_ends_a_peek),
		cmocka_unit_test(send_publishes_what_is_staged),
		cmocka_unit_test(recv_releases_what_was_advanced_past),
		cmocka_unit_test(consumer_gone_refuses_a_send),
	};

	return run_at_every_start("copy", tests, ARRAY_SIZE(tests));
}
