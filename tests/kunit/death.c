// SPDX-License-Identifier: GPL-2.0
/* How a role begins and ends, and which sleepers its end wakes. */
#include "rig.h"

static u32 state_of(struct shmring *ring, u32 role)
{
	return READ_ONCE(shmring_side(ring, role)->half->state);
}

static u32 epoch_of(struct shmring *ring, u32 role)
{
	return READ_ONCE(shmring_side(ring, role)->half->epoch);
}

static void check_states(struct kunit *test, u32 role, u32 other)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *sf;
	u32 epoch;

	KUNIT_EXPECT_EQ(test, state_of(ring, role), SHMRING_PEER_NONE);
	for (epoch = 1; epoch <= 3; epoch++) {
		sf = attach(test, ring, role);
		KUNIT_EXPECT_EQ(test, state_of(ring, role), SHMRING_PEER_LIVE);
		KUNIT_EXPECT_EQ(test, epoch_of(ring, role), epoch);
		KUNIT_EXPECT_EQ(test, shmring_ready(sf, CAPACITY), role == PRODUCER);
		/* As if mapped. No code may look at the mm once the role is over. */
		shmring_side(ring, role)->mm = current->active_mm;
		detach(sf);
		KUNIT_EXPECT_PTR_EQ(test, shmring_side(ring, role)->mm, NULL);
		KUNIT_EXPECT_EQ(test, state_of(ring, role), SHMRING_PEER_GONE);
		KUNIT_EXPECT_EQ(test, epoch_of(ring, role), epoch);
		KUNIT_EXPECT_EQ(test, shmring_ready(sf, 1), -ESHUTDOWN);
	}
	KUNIT_EXPECT_EQ(test, state_of(ring, other), SHMRING_PEER_NONE);
	KUNIT_EXPECT_EQ(test, epoch_of(ring, other), 0);
}

static void states_of_producer(struct kunit *test)
{
	check_states(test, PRODUCER, CONSUMER);
}

static void states_of_consumer(struct kunit *test)
{
	check_states(test, CONSUMER, PRODUCER);
}

static void begin_taken(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *first = attach(test, ring, PRODUCER);
	struct shmring_file second = { .ring = ring, .role = PRODUCER };

	KUNIT_EXPECT_EQ(test, shmring_role_begin(&second), -EBUSY);
	KUNIT_EXPECT_EQ(test, shmring_role_begin(first), -EBUSY);
	KUNIT_EXPECT_EQ(test, epoch_of(ring, PRODUCER), 1);
	attach(test, ring, CONSUMER);
	detach(first);
	KUNIT_EXPECT_EQ(test, shmring_role_begin(&second), 0);
	detach(&second);
}

/*
 * Another file has the role: the end of a file that came too late for the role must not touch
 * it.
 */
static void end_by_a_file_without_the_role(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *owner = attach(test, ring, CONSUMER);
	struct shmring_file late = { .ring = ring, .role = CONSUMER };

	set_positions(ring, 64, 8);
	detach(&late);
	KUNIT_EXPECT_EQ(test, state_of(ring, CONSUMER), SHMRING_PEER_LIVE);
	KUNIT_EXPECT_EQ(test, shmring_ready(owner, 1), 1);
}

/* Unmapped, then released: the second end must not touch the next owner's role. */
static void end_twice(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *first = attach(test, ring, PRODUCER);
	struct shmring_file *second;

	set_positions(ring, 16, 0);
	detach(first);
	KUNIT_EXPECT_EQ(test, ring->lane->producer.end, 16);
	set_positions(ring, 32, 0);
	detach(first);
	KUNIT_EXPECT_EQ(test, ring->lane->producer.end, 16);
	set_positions(ring, 16, 0);

	second = attach(test, ring, PRODUCER);
	detach(first);
	KUNIT_EXPECT_EQ(test, state_of(ring, PRODUCER), SHMRING_PEER_LIVE);
	KUNIT_EXPECT_EQ(test, shmring_ready(second, 1), 1);
}

static void begin_again_goes_on(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);

	detach(attach(test, ring, PRODUCER));
	set_positions(ring, 0, 0);
	KUNIT_EXPECT_EQ(test, shmring_ready(consumer, 1), -ENODATA);

	attach(test, ring, PRODUCER);
	KUNIT_EXPECT_EQ(test, shmring_ready(consumer, 1), 0);
	set_positions(ring, 40, 8);
	detach(consumer);
	KUNIT_EXPECT_EQ(test, head_of(ring), 40);
	KUNIT_EXPECT_EQ(test, tail_of(ring), 8);
	consumer = attach(test, ring, CONSUMER);
	KUNIT_EXPECT_EQ(test, shmring_ready(consumer, 32), 1);
	KUNIT_EXPECT_EQ(test, shmring_ready(consumer, 33), 0);
}

static void producer_sees_new_consumer(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *producer = attach(test, ring, PRODUCER);

	detach(attach(test, ring, CONSUMER));
	KUNIT_EXPECT_EQ(test, shmring_ready(producer, 1), -EPIPE);
	attach(test, ring, CONSUMER);
	KUNIT_EXPECT_EQ(test, shmring_ready(producer, 1), 1);
}

static struct shmring *make_queue(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);

	KUNIT_ASSERT_EQ(test, shmring_register(ring, "", 0600, SHMRING_CREATE_F_QUEUE), 0);
	KUNIT_ASSERT_EQ(test, ring->status->flags, SHMRING_CREATE_F_QUEUE);
	return ring;
}

/* With QUEUE, a ring that has lost its consumer has "no consumer yet". A producer is "gone". */
static void queue_never_loses_its_consumer(struct kunit *test)
{
	struct shmring *ring = make_queue(test);
	struct shmring_file *producer = attach(test, ring, PRODUCER);
	u32 epoch;

	for (epoch = 1; epoch <= 3; epoch++) {
		detach(attach(test, ring, CONSUMER));
		KUNIT_EXPECT_EQ(test, state_of(ring, CONSUMER), SHMRING_PEER_NONE);
		KUNIT_EXPECT_EQ(test, epoch_of(ring, CONSUMER), epoch);
		KUNIT_EXPECT_EQ(test, shmring_ready(producer, 1), 1);
	}
	set_positions(ring, CAPACITY, 0);
	KUNIT_EXPECT_EQ(test, shmring_ready(producer, 1), 0);
	detach(producer);
	KUNIT_EXPECT_EQ(test, state_of(ring, PRODUCER), SHMRING_PEER_GONE);
}

/* The end of a consumer wakes the producer: the settled tail may give it space. */
static void queue_producer_sleeps_on(struct kunit *test)
{
	struct shmring *ring = make_queue(test);
	struct shmring_file *producer = attach(test, ring, PRODUCER);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);
	struct sleeper *s;

	set_positions(ring, CAPACITY, 0);
	s = start_sleeper(test, producer, 8, 8, 0);
	await_sleeps(test, producer, 1);
	detach(consumer);
	KUNIT_ASSERT_EQ(test, state_of(ring, CONSUMER), SHMRING_PEER_NONE);
	await_sleeps(test, producer, 2);
	KUNIT_EXPECT_TRUE(test, sleeps(s));
	KUNIT_EXPECT_EQ(test, wake_at(ring, PRODUCER), 8);
	consumer = attach(test, ring, CONSUMER);
	set_positions(ring, CAPACITY, 4);	/* a position that no honest side reaches */
	detach(consumer);
	KUNIT_EXPECT_EQ(test, tail_of(ring), CAPACITY);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
}

static void end_clamped_to_window(struct kunit *test)
{
	static const struct {
		u64 head;
		u64 tail;
		u64 end;
	} table[] = {
		{ 0, 0, 0 },
		{ 64, 8, 64 },
		{ CAPACITY, 0, CAPACITY },
		{ CAPACITY + 8, 8, CAPACITY + 8 },
		{ CAPACITY + 8, 0, 0 },		/* more than fits: nothing of it counts */
		{ 8, 64, 64 },			/* below what has been taken */
		{ U64_MAX, 4096, 4096 },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct shmring *ring = make_ring(test, CAPACITY);
		struct shmring_file *producer = attach(test, ring, PRODUCER);

		attach(test, ring, CONSUMER);
		set_positions(ring, table[i].head, table[i].tail);
		detach(producer);
		KUNIT_EXPECT_EQ_MSG(test, ring->lane->producer.end, table[i].end, "row %d", i);
		KUNIT_EXPECT_EQ_MSG(test, head_of(ring), table[i].end, "row %d", i);
		KUNIT_EXPECT_EQ_MSG(test, tail_of(ring), table[i].tail, "row %d", i);
	}
}

static void consumer_sleeps_producer_ends(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *producer = attach(test, ring, PRODUCER);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);
	struct sleeper *s = start_sleeper(test, consumer, 8, 8, 0);

	await_sleeps(test, consumer, 1);
	detach(producer);
	KUNIT_EXPECT_EQ(test, result_of(test, s), -ENODATA);
	KUNIT_EXPECT_EQ(test, wake_at(ring, CONSUMER), SHMRING_NO_WAKE);
}

/* The consumer wanted more, but no more will come. */
static void consumer_sleeps_producer_leaves_some(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *producer = attach(test, ring, PRODUCER);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);
	struct sleeper *s;

	set_positions(ring, 24, 0);
	s = start_sleeper(test, consumer, 64, 64, 0);
	await_sleeps(test, consumer, 1);
	detach(producer);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
}

static void producer_sleeps_consumer_ends(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *producer = attach(test, ring, PRODUCER);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);
	struct sleeper *s;

	set_positions(ring, CAPACITY, 0);
	s = start_sleeper(test, producer, 8, 8, 0);
	await_sleeps(test, producer, 1);
	detach(consumer);
	KUNIT_EXPECT_EQ(test, result_of(test, s), -EPIPE);
	KUNIT_EXPECT_EQ(test, wake_at(ring, PRODUCER), SHMRING_NO_WAKE);
}

/* One thread waits while another one unmaps. */
static void own_role_ends_in_sleep(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *producer = attach(test, ring, PRODUCER);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);
	struct sleeper *s = start_sleeper(test, consumer, 8, 8, 0);

	await_sleeps(test, consumer, 1);
	detach(consumer);
	KUNIT_EXPECT_EQ(test, result_of(test, s), -ESHUTDOWN);

	consumer = attach(test, ring, CONSUMER);
	set_positions(ring, CAPACITY, 0);
	s = start_sleeper(test, producer, 8, 8, 0);
	await_sleeps(test, producer, 1);
	detach(producer);
	KUNIT_EXPECT_EQ(test, result_of(test, s), -ESHUTDOWN);
}

static void end_wakes_all_sleepers(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *producer = attach(test, ring, PRODUCER);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);
	struct sleeper *s[4];
	int i;

	for (i = 0; i < ARRAY_SIZE(s); i++)
		s[i] = start_sleeper(test, consumer, 8 << i, 8 << i, 0);
	await_sleeps(test, consumer, ARRAY_SIZE(s));
	detach(producer);
	for (i = 0; i < ARRAY_SIZE(s); i++)
		KUNIT_EXPECT_EQ(test, result_of(test, s[i]), -ENODATA);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(states_of_producer),
	KUNIT_CASE(states_of_consumer),
	KUNIT_CASE(begin_taken),
	KUNIT_CASE(end_by_a_file_without_the_role),
	KUNIT_CASE(end_twice),
	KUNIT_CASE(begin_again_goes_on),
	KUNIT_CASE(producer_sees_new_consumer),
	KUNIT_CASE(queue_never_loses_its_consumer),
	KUNIT_CASE(queue_producer_sleeps_on),
	KUNIT_CASE(end_clamped_to_window),
	KUNIT_CASE(consumer_sleeps_producer_ends),
	KUNIT_CASE(consumer_sleeps_producer_leaves_some),
	KUNIT_CASE(producer_sleeps_consumer_ends),
	KUNIT_CASE(own_role_ends_in_sleep),
	KUNIT_CASE(end_wakes_all_sleepers),
	{}
};

static struct kunit_suite suite = {
	.name = "death",
	.test_cases = cases,
};

kunit_test_suite(suite);
