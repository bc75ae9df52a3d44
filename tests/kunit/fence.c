// SPDX-License-Identifier: GPL-2.0
/* Who is asked to fence, and until where. */
#include <linux/sizes.h>

#include "rig.h"

/* As on a kernel that can interrupt the publisher, whatever this one can. */
static struct shmring *make_free_ring(struct kunit *test, u64 capacity)
{
	struct shmring *ring = make_ring(test, capacity);
	int i;

	for (i = 0; i < ARRAY_SIZE(ring->side); i++) {
		ring->side[i].half->fence_until = 0;
		ring->side[i].fenced_until = 0;
	}
	return ring;
}

/* What the consumer does after it has armed. */
static void consumer_looks(struct shmring *ring)
{
	shmring_fence_peer(ring, shmring_side(ring, CONSUMER), shmring_side(ring, PRODUCER));
}

static void starts_free_or_always(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	int i;

	for (i = 0; i < ARRAY_SIZE(ring->side); i++) {
		u64 until = ring->side[i].half->fence_until;

		KUNIT_EXPECT_TRUE(test, until == 0 || until == SHMRING_FENCE_ALWAYS);
		KUNIT_EXPECT_EQ(test, ring->side[i].fenced_until, until);
	}
}

static void always_stays_always(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);

	side->half->fence_until = SHMRING_FENCE_ALWAYS;
	side->fenced_until = SHMRING_FENCE_ALWAYS;
	set_positions(ring, CAPACITY, 0);
	consumer_looks(ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, SHMRING_FENCE_ALWAYS);
	KUNIT_EXPECT_EQ(test, side->fenced_until, SHMRING_FENCE_ALWAYS);
}

static void grants_credit_from_position(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);

	set_positions(ring, 24, 24);
	consumer_looks(ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, 24 + SZ_64K);
	KUNIT_EXPECT_EQ(test, side->fenced_until, 24 + SZ_64K);
	/* The other side has not slept. */
	KUNIT_EXPECT_EQ(test, shmring_side(ring, PRODUCER)->half->fence_until, 0);
}

static void credit_of_a_large_ring_is_its_capacity(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, SZ_256K);

	consumer_looks(ring);
	KUNIT_EXPECT_EQ(test, shmring_side(ring, CONSUMER)->half->fence_until, SZ_256K);
}

/* One (J) for each credit that the publisher has used up, and no more. */
static void next_when_used_up(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);

	consumer_looks(ring);
	set_positions(ring, SZ_64K - 8, SZ_64K - 8);
	consumer_looks(ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, SZ_64K);
	set_positions(ring, SZ_64K, SZ_64K);
	consumer_looks(ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, 2 * SZ_64K);
	KUNIT_EXPECT_EQ(test, side->fenced_until, 2 * SZ_64K);
}

/* Asked for by a sleeper whose (J) is still under way: not to be relied on. */
static void not_known_until_interrupted(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);

	side->half->fence_until = SZ_64K;
	set_positions(ring, 800, 800);
	consumer_looks(ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, 800 + SZ_64K);
	KUNIT_EXPECT_EQ(test, side->fenced_until, 800 + SZ_64K);
}

static void never_goes_down(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);

	set_positions(ring, 1ull << 40, 1ull << 40);
	consumer_looks(ring);
	set_positions(ring, 0, 0);
	consumer_looks(ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, (1ull << 40) + SZ_64K);
	KUNIT_EXPECT_EQ(test, side->fenced_until, (1ull << 40) + SZ_64K);
}

static void always_at_the_end_of_positions(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);

	set_positions(ring, U64_MAX - 100, U64_MAX - 100);
	consumer_looks(ring);
	KUNIT_EXPECT_EQ(test, shmring_side(ring, CONSUMER)->half->fence_until,
			SHMRING_FENCE_ALWAYS);
}

/* A wait that finds nothing asks; one that finds something does not. */
static void wait_asks_only_to_sleep(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_file *c = attach(test, ring, CONSUMER);
	struct shmring_side *side = shmring_side(ring, CONSUMER);
	ktime_t past = 1;

	attach(test, ring, PRODUCER);
	set_positions(ring, 16, 0);
	KUNIT_EXPECT_EQ(test, shmring_wait(c, 8, 8, &past), 0);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, 0);
	set_positions(ring, 16, 16);
	KUNIT_EXPECT_EQ(test, shmring_wait(c, 8, 8, &past), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, 16 + SZ_64K);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(starts_free_or_always),
	KUNIT_CASE(always_stays_always),
	KUNIT_CASE(grants_credit_from_position),
	KUNIT_CASE(credit_of_a_large_ring_is_its_capacity),
	KUNIT_CASE(next_when_used_up),
	KUNIT_CASE(not_known_until_interrupted),
	KUNIT_CASE(never_goes_down),
	KUNIT_CASE(always_at_the_end_of_positions),
	KUNIT_CASE(wait_asks_only_to_sleep),
	{}
};

static struct kunit_suite suite = {
	.name = "fence",
	.test_cases = cases,
};

kunit_test_suite(suite);
