// SPDX-License-Identifier: GPL-2.0
/* Which side is asked to fence, and up to which position. */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/rcupdate.h>

#include "rig.h"

#define CREDIT	shmring_fence_credit()

/* No side is asked to fence, whatever this kernel can do. */
static struct shmring *make_free_ring(struct kunit *test, u64 capacity)
{
	struct shmring *ring = make_ring(test, capacity);
	int i;

	for (i = 0; i < ARRAY_SIZE(ring->side); i++) {
		ring->side[i].half->fence_until = 0;
		ring->side[i].fence_confirmed = 0;
	}
	return ring;
}

/* What a consumer does after it has armed. Returns whether the producer is known to fence. */
static bool consumer_looks(struct shmring *ring)
{
	return shmring_fence_peer(ring, shmring_side(ring, CONSUMER),
				  shmring_side(ring, PRODUCER));
}

/* Look until the fence is known to have been done: a grace period ends by itself. */
static void consumer_waits(struct kunit *test, struct shmring *ring)
{
	int left = HANG_MS;

	while (!consumer_looks(ring) && left-- > 0)
		msleep(1);
	KUNIT_ASSERT_TRUE(test, consumer_looks(ring));
}

/* Is the consumer sure at once if the producer does not fence? */
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
		KUNIT_EXPECT_EQ(test, ring->side[i].fence_confirmed, until);
	}
}

static void always_stays_always(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);

	side->half->fence_until = SHMRING_FENCE_ALWAYS;
	side->fence_confirmed = SHMRING_FENCE_ALWAYS;
	set_positions(ring, CAPACITY, 0);
	consumer_looks(ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, SHMRING_FENCE_ALWAYS);
	KUNIT_EXPECT_EQ(test, side->fence_confirmed, SHMRING_FENCE_ALWAYS);
	/*
	 * At a position that no producer can have, the consumer is sure without a (J): a false
	 * position must not cost one each time.
	 */
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
	KUNIT_EXPECT_EQ(test, side->fence_confirmed, 24 + CREDIT);
	/* The other side has not slept, and so has not asked. */
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
	KUNIT_EXPECT_EQ(test, side->fence_confirmed, 2 * CREDIT);
}

/*
 * A fence that another sleeper has asked for must not be relied on while its interrupt is under
 * way.
 */
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
	KUNIT_EXPECT_EQ(test, side->fence_confirmed, 800 + CREDIT);
}

/* Nor may a fence be relied on during a grace period, which ends only when this test lets it. */
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
	known = side->fence_confirmed;
	rcu_read_unlock();
	KUNIT_EXPECT_FALSE(test, first);
	KUNIT_EXPECT_FALSE(test, second);
	KUNIT_EXPECT_EQ(test, asked, CREDIT);
	KUNIT_EXPECT_EQ(test, known, 0);

	consumer_waits(test, ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, CREDIT);
	KUNIT_EXPECT_EQ(test, side->fence_confirmed, CREDIT);
}

struct poller {
	struct wait_queue_entry entry;
	bool woken;
};

static int wake_poller(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	WRITE_ONCE(container_of(entry, struct poller, entry)->woken, true);
	return 1;
}

/*
 * A caller that promises not to sleep does not wait for the grace period, which ends here only
 * when the test lets it. The caller is woken afterwards.
 */
static void poller_is_woken_after_grace_period(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);
	struct poller poller = { };
	int left = HANG_MS;
	u64 asked, known;
	bool early;

	if (interrupts(test))
		kunit_skip(test, "this kernel interrupts");
	init_waitqueue_func_entry(&poller.entry, wake_poller);
	add_wait_queue(&side->wait, &poller.entry);
	set_positions(ring, 800, 800);
	rcu_read_lock();
	shmring_fence_later(ring, side, shmring_side(ring, PRODUCER));
	shmring_fence_later(ring, side, shmring_side(ring, PRODUCER));
	asked = side->half->fence_until;
	known = side->fence_confirmed;
	early = poller.woken;
	rcu_read_unlock();
	while (!READ_ONCE(poller.woken) && left-- > 0)
		msleep(1);
	remove_wait_queue(&side->wait, &poller.entry);
	KUNIT_EXPECT_EQ(test, asked, SHMRING_FENCE_ALWAYS);
	KUNIT_EXPECT_EQ(test, known, 0);
	KUNIT_EXPECT_FALSE(test, early);
	KUNIT_EXPECT_TRUE(test, poller.woken);
	KUNIT_EXPECT_EQ(test, side->fence_confirmed, SHMRING_FENCE_ALWAYS);
	set_positions(ring, 2 * CREDIT, 2 * CREDIT);
	KUNIT_EXPECT_TRUE(test, consumer_looks(ring));
	KUNIT_EXPECT_EQ(test, side->half->fence_until, SHMRING_FENCE_ALWAYS);
	while (refcount_read(&ring->memory) != 1 && left-- > 0)
		msleep(1);
	KUNIT_EXPECT_EQ(test, refcount_read(&ring->memory), 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&ring->ref), 1);
}

/* A grace period that is under way keeps neither the ring nor its name nor its charge alive. */
static void grace_period_keeps_no_ring(struct kunit *test)
{
	struct shmring *ring;
	long mine;

	if (interrupts(test))
		kunit_skip(test, "this kernel interrupts");
	mine = atomic_long_read(&current_user()->locked_vm);
	ring = new_ring(CAPACITY, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	KUNIT_EXPECT_EQ(test, shmring_register(ring, "kunit-fence", 0600, 0), 0);
	/*
	 * Where a kernel always needs fences, no side asks for them: begin as if it did not
	 * need them.
	 */
	ring->side[0].half->fence_until = 0;
	shmring_fence_later(ring, &ring->side[0], &ring->side[1]);
	shmring_put(ring);
	KUNIT_EXPECT_FALSE(test, is_listed(ring));
	KUNIT_EXPECT_EQ(test, atomic_long_read(&current_user()->locked_vm), mine);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(shmring_lookup("kunit-fence", SHMRING_RIGHT_ALL)),
			-ENOENT);
}

/* A side that needs too many interrupts in a second asks the other side to fence for good. */
static void interrupts_are_bounded(struct kunit *test)
{
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);
	u64 i;

	if (!interrupts(test))
		kunit_skip(test, "this kernel waits for grace periods instead");
	for (i = 0; i < 100000 && side->half->fence_until != SHMRING_FENCE_ALWAYS; i++) {
		set_positions(ring, i * CREDIT, i * CREDIT);
		KUNIT_ASSERT_TRUE(test, consumer_looks(ring));
	}
	KUNIT_EXPECT_EQ(test, side->half->fence_until, SHMRING_FENCE_ALWAYS);
	KUNIT_EXPECT_EQ(test, side->fence_confirmed, SHMRING_FENCE_ALWAYS);
	KUNIT_EXPECT_GT(test, i, 100);
	KUNIT_EXPECT_EQ(test, shmring_side(ring, PRODUCER)->half->fence_until, 0);
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
	KUNIT_EXPECT_EQ(test, side->fence_confirmed, (1ull << 40) + CREDIT);
}

/* A false position asks for no fences: the caller finds it false and returns. */
static void false_positions_ask_for_nothing(struct kunit *test)
{
	static const u64 fake[] = { SHMRING_POSITION_LIMIT, 1ull << 63, U64_MAX - 100, U64_MAX };
	struct shmring *ring = make_free_ring(test, CAPACITY);
	struct shmring_side *side = shmring_side(ring, CONSUMER);
	int i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		set_positions(ring, fake[i], fake[i]);
		KUNIT_EXPECT_TRUE(test, consumer_looks(ring));
		KUNIT_EXPECT_EQ(test, side->half->fence_until, 0);
	}
	set_positions(ring, SHMRING_POSITION_LIMIT - 8, SHMRING_POSITION_LIMIT - 8);
	consumer_waits(test, ring);
	KUNIT_EXPECT_EQ(test, side->half->fence_until, SHMRING_POSITION_LIMIT - 8 + CREDIT);
}

/* Keeps every grace period from ending, on a CPU of its own, until let_go is set. */
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
	KUNIT_EXPECT_EQ(test, side->fence_confirmed, 0);
	WRITE_ONCE(let_go, true);
	KUNIT_EXPECT_EQ(test, result_of(test, holder), 0);
}

/* A wait that finds nothing asks for fences; one that finds data does not. */
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
	KUNIT_CASE(poller_is_woken_after_grace_period),
	KUNIT_CASE(grace_period_keeps_no_ring),
	KUNIT_CASE(interrupts_are_bounded),
	KUNIT_CASE(never_goes_down),
	KUNIT_CASE(false_positions_ask_for_nothing),
	KUNIT_CASE(sleeper_naps_through_grace_period),
	KUNIT_CASE(wait_asks_only_to_sleep),
	{}
};

static struct kunit_suite suite = {
	.name = "fence",
	.test_cases = cases,
};

kunit_test_suite(suite);
