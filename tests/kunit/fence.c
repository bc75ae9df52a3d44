// SPDX-License-Identifier: GPL-2.0
/* Who is asked to fence, and until where. */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/rcupdate.h>

#include "rig.h"

#define CREDIT	shmring_fence_credit()

/* Nobody is asked to fence, whatever this kernel can do. */
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
static bool consumer_looks(struct shmring *ring)
{
	return shmring_fence_peer(ring, shmring_side(ring, CONSUMER),
				  shmring_side(ring, PRODUCER));
}

/* Until it is sure: a grace period ends by itself. */
static void consumer_waits(struct kunit *test, struct shmring *ring)
{
	int left = HANG_MS;

	while (!consumer_looks(ring) && left-- > 0)
		msleep(1);
	KUNIT_ASSERT_TRUE(test, consumer_looks(ring));
}

/* Is it sure at once, if nobody fences? */
static bool interrupts(struct kunit *test)
{
	return consumer_looks(make_free_ring(test, CAPACITY));
}

static void starts_as_it_can(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	int i;

	for (i = 0; i < ARRAY_SIZE(ring->side); i++) {
		u64 until = ring->side[i].half->fence_until;

		if (interrupts(test))
			KUNIT_EXPECT_EQ(test, until, 0);
		else
			KUNIT_EXPECT_TRUE(test, until == CREDIT || until == SHMRING_FENCE_ALWAYS);
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
	/* Where nobody can be, a liar is: no (J) is to be had for that, again and again. */
	set_positions(ring, U64_MAX, U64_MAX);
	KUNIT_EXPECT_TRUE(test, consumer_looks(ring));
}

static void grants_credit_from_position(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);

	set_positions(ring, 24, 24);
	consumer_waits(test, ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, 24 + CREDIT);
	KUNIT_EXPECT_EQ(test, side->fenced_until, 24 + CREDIT);
	/* The other side has not slept. */
	KUNIT_EXPECT_EQ(test, shmring_side(ring, PRODUCER)->half->fence_until, 0);
}

static void credit_of_a_large_ring_is_its_capacity(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, 2 * CREDIT);

	consumer_waits(test, ring);
	KUNIT_EXPECT_EQ(test, shmring_side(ring, CONSUMER)->half->fence_until, 2 * CREDIT);
}

/* One (J) for each credit that the publisher has used up, and no more. */
static void next_when_used_up(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);

	consumer_waits(test, ring);
	set_positions(ring, CREDIT - 8, CREDIT - 8);
	KUNIT_EXPECT_TRUE(test, consumer_looks(ring));
	KUNIT_EXPECT_EQ(test, side->half->fence_until, CREDIT);
	set_positions(ring, CREDIT, CREDIT);
	consumer_waits(test, ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, 2 * CREDIT);
	KUNIT_EXPECT_EQ(test, side->fenced_until, 2 * CREDIT);
}

/* Asked for by a sleeper whose interrupt is still under way: not to be relied on. */
static void not_known_until_interrupted(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);

	if (!interrupts(test))
		kunit_skip(test, "this kernel waits for grace periods instead");
	side->half->fence_until = CREDIT;
	set_positions(ring, 800, 800);
	consumer_looks(ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, 800 + CREDIT);
	KUNIT_EXPECT_EQ(test, side->fenced_until, 800 + CREDIT);
}

/* Likewise the grace period, which does not end while somebody does not let it. */
static void not_known_before_grace_period(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);
	bool first, second;
	u64 asked, known;

	if (interrupts(test))
		kunit_skip(test, "this kernel interrupts");
	rcu_read_lock();
	first = consumer_looks(ring);
	asked = side->half->fence_until;
	set_positions(ring, 8, 8);
	second = consumer_looks(ring);
	known = side->fenced_until;
	rcu_read_unlock();
	KUNIT_EXPECT_FALSE(test, first);
	KUNIT_EXPECT_FALSE(test, second);
	KUNIT_EXPECT_EQ(test, asked, CREDIT);
	KUNIT_EXPECT_EQ(test, known, 0);

	consumer_waits(test, ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, CREDIT);
	KUNIT_EXPECT_EQ(test, side->fenced_until, CREDIT);
}

static void who_leaves_has_it_for_good(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);

	set_positions(ring, 800, 800);
	shmring_fence_wait(side, shmring_side(ring, PRODUCER));
	KUNIT_EXPECT_EQ(test, side->half->fence_until, SHMRING_FENCE_ALWAYS);
	KUNIT_EXPECT_EQ(test, side->fenced_until, SHMRING_FENCE_ALWAYS);
	set_positions(ring, 2 * CREDIT, 2 * CREDIT);
	KUNIT_EXPECT_TRUE(test, consumer_looks(ring));
	KUNIT_EXPECT_EQ(test, side->half->fence_until, SHMRING_FENCE_ALWAYS);
}

static void never_goes_down(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);

	set_positions(ring, 1ull << 40, 1ull << 40);
	consumer_waits(test, ring);
	set_positions(ring, 0, 0);
	KUNIT_EXPECT_TRUE(test, consumer_looks(ring));
	KUNIT_EXPECT_EQ(test, side->half->fence_until, (1ull << 40) + CREDIT);
	KUNIT_EXPECT_EQ(test, side->fenced_until, (1ull << 40) + CREDIT);
}

static void always_at_the_end_of_positions(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);

	set_positions(ring, U64_MAX - 100, U64_MAX - 100);
	consumer_waits(test, ring);
	KUNIT_EXPECT_EQ(test, shmring_side(ring, CONSUMER)->half->fence_until,
			SHMRING_FENCE_ALWAYS);
}

/* Lets no grace period end, on a CPU of its own, until it is told to. */
static bool held, let_go;

static int hold_grace_period(void *arg)
{
	unsigned long end = jiffies + 10 * HZ;
	struct sleeper *s = arg;

	s->ret = set_cpus_allowed_ptr(current, cpumask_of(cpumask_last(cpu_online_mask)));
	rcu_read_lock();
	preempt_disable();
	WRITE_ONCE(held, true);
	while (!READ_ONCE(let_go) && time_before(jiffies, end))
		cpu_relax();
	preempt_enable();
	rcu_read_unlock();
	complete_all(&s->done);
	return 0;
}

static int stay_on_first_cpu(struct task_struct *task)
{
	return set_cpus_allowed_ptr(task, cpumask_of(cpumask_first(cpu_online_mask)));
}

/* A message that comes without a WAKE while the grace period is under way is seen. */
static void sleeper_naps_through_grace_period(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);
	struct shmring_file *c = attach(test, ring, CONSUMER);
	struct sleeper *holder, *s;
	int left = HANG_MS;

	if (interrupts(test) || num_online_cpus() == 1)
		kunit_skip(test, "this kernel interrupts, or has one CPU");
	attach(test, ring, PRODUCER);
	held = false;
	let_go = false;
	KUNIT_ASSERT_EQ(test, stay_on_first_cpu(current), 0);
	holder = start_helper(test, hold_grace_period, c);
	while (!READ_ONCE(held) && left-- > 0)
		msleep(1);
	s = start_sleeper(test, c, 8, 8, 0);
	KUNIT_EXPECT_EQ(test, stay_on_first_cpu(s->task), 0);
	await_sleeps(test, c, 1);
	msleep(20);
	KUNIT_EXPECT_TRUE(test, sleeps(s));
	KUNIT_EXPECT_EQ(test, atomic64_read(&side->nr_sleeps), 1);
	set_positions(ring, 8, 0);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
	KUNIT_EXPECT_EQ(test, side->fenced_until, 0);
	WRITE_ONCE(let_go, true);
	KUNIT_EXPECT_EQ(test, result_of(test, holder), 0);
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
	KUNIT_EXPECT_EQ(test, shmring_wait(c, 8, 8, past), 0);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, 0);
	set_positions(ring, 16, 16);
	KUNIT_EXPECT_EQ(test, shmring_wait(c, 8, 8, past), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, 16 + CREDIT);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(starts_as_it_can),
	KUNIT_CASE(always_stays_always),
	KUNIT_CASE(grants_credit_from_position),
	KUNIT_CASE(credit_of_a_large_ring_is_its_capacity),
	KUNIT_CASE(next_when_used_up),
	KUNIT_CASE(not_known_until_interrupted),
	KUNIT_CASE(not_known_before_grace_period),
	KUNIT_CASE(who_leaves_has_it_for_good),
	KUNIT_CASE(never_goes_down),
	KUNIT_CASE(always_at_the_end_of_positions),
	KUNIT_CASE(sleeper_naps_through_grace_period),
	KUNIT_CASE(wait_asks_only_to_sleep),
	{}
};

static struct kunit_suite suite = {
	.name = "fence",
	.test_cases = cases,
};

kunit_test_suite(suite);
