// SPDX-License-Identifier: GPL-2.0
/*
 * Sleeping and waking. A side that has gone to sleep n times and has not returned is asleep: no
 * test waits for a while to see that nothing happens. Only deadlines are times; where one must
 * not pass too early, the case tries again with a later one.
 */
#include <linux/delay.h>
#include <linux/sched/signal.h>

#include "rig.h"

struct pair {
	struct shmring *ring;
	struct shmring_file *producer;
	struct shmring_file *consumer;
};

static struct pair make_pair(struct kunit *test, u64 head, u64 tail)
{
	struct pair p = { .ring = make_ring(test, CAPACITY) };

	p.producer = attach(test, p.ring, PRODUCER);
	p.consumer = attach(test, p.ring, CONSUMER);
	set_positions(p.ring, head, tail);
	return p;
}

/* What the other side's WAKE does. */
static void wake(struct pair *p, u32 role)
{
	shmring_wake(shmring_side(p->ring, role));
}

static u64 nr_wakes(struct pair *p, u32 role)
{
	return atomic64_read(&shmring_side(p->ring, role)->nr_wakes);
}

static ktime_t in_ms(u64 ms)
{
	return ktime_add_ms(ktime_get(), ms);
}

static void wait_returns_at_once_if_ready(struct kunit *test)
{
	struct pair p = make_pair(test, 64, 0);

	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 64, 64, KTIME_MAX), 0);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.producer, 8, CAPACITY, KTIME_MAX), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&shmring_side(p.ring, CONSUMER)->nr_sleeps), 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&shmring_side(p.ring, PRODUCER)->nr_sleeps), 0);
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, CONSUMER), SHMRING_NO_WAKE);
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, PRODUCER), SHMRING_NO_WAKE);
}

static void consumer_sleeps_until_woken(struct kunit *test)
{
	struct pair p = make_pair(test, 1000, 1000);
	struct sleeper *s = start_sleeper(test, p.consumer, 64, 64, 0);

	await_sleeps(test, p.consumer, 1);
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, CONSUMER), 1064);
	KUNIT_EXPECT_TRUE(test, sleeps(s));

	set_positions(p.ring, 1064, 1000);
	wake(&p, CONSUMER);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
	KUNIT_EXPECT_EQ(test, nr_wakes(&p, CONSUMER), 1);
}

/*
 * In its first millisecond a sleep is for the mark. The millisecond passes quickly, so the case
 * repeats until it has read the sleeper's wake_at in time.
 */
static void sleep_is_for_the_mark_at_first(struct kunit *test)
{
	u64 first = SHMRING_NO_WAKE;
	struct sleeper *s;
	struct pair p;
	int i;

	for (i = 0; i < 1000 && first != 1000 + CAPACITY / 2; i++) {
		p = make_pair(test, 1000 + CAPACITY, 1000);
		s = start_sleeper(test, p.producer, 8, CAPACITY / 2, 0);
		while ((first = wake_at(p.ring, PRODUCER)) == SHMRING_NO_WAKE)
			cond_resched();
		set_positions(p.ring, 1000 + CAPACITY, 1008);
		wake(&p, PRODUCER);
		KUNIT_ASSERT_EQ(test, result_of(test, s), 0);
	}
	KUNIT_EXPECT_EQ(test, first, 1000 + CAPACITY / 2);
}

/* After that it ends as soon as the message fits; it still counts as one sleep. */
static void sleep_ends_when_the_message_fits(struct kunit *test)
{
	struct pair p = make_pair(test, 1000 + CAPACITY, 1000);
	struct sleeper *s = start_sleeper(test, p.producer, 16, CAPACITY / 2, 0);
	int left = HANG_MS;

	while (wake_at(p.ring, PRODUCER) != 1016 && left-- > 0)
		msleep(1);
	KUNIT_ASSERT_EQ(test, wake_at(p.ring, PRODUCER), 1016);
	KUNIT_EXPECT_EQ(test, atomic64_read(&shmring_side(p.ring, PRODUCER)->nr_sleeps), 1);
	set_positions(p.ring, 1000 + CAPACITY, 1008);
	wake(&p, PRODUCER);
	await_sleeps(test, p.producer, 2);
	KUNIT_EXPECT_TRUE(test, sleeps(s));
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, PRODUCER), 1016);
	set_positions(p.ring, 1000 + CAPACITY, 1016);
	wake(&p, PRODUCER);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
}

/* The same for a consumer with a mark. */
static void consumer_has_patience_for_its_mark(struct kunit *test)
{
	struct pair p = make_pair(test, 1000, 1000);
	struct sleeper *s = start_sleeper(test, p.consumer, 64, 512, 0);

	await_sleeps(test, p.consumer, 1);
	set_positions(p.ring, 1064, 1000);
	wake(&p, CONSUMER);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
}

/* A sleeper that is woken below its position arms for that position again, and sleeps. */
static void sleeper_survives_wake_below_position(struct kunit *test)
{
	struct pair p = make_pair(test, 0, 0);
	struct sleeper *s = start_sleeper(test, p.consumer, 512, 512, 0);
	int i;

	for (i = 1; i <= 10; i++) {
		await_sleeps(test, p.consumer, i);
		KUNIT_EXPECT_EQ(test, wake_at(p.ring, CONSUMER), 512);
		set_positions(p.ring, 8 * i, 0);
		wake(&p, CONSUMER);
	}
	await_sleeps(test, p.consumer, i);
	KUNIT_EXPECT_TRUE(test, sleeps(s));
	set_positions(p.ring, 512, 0);
	wake(&p, CONSUMER);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
}

static void positions_up_to_the_limit(struct kunit *test)
{
	static const u64 bases[] = { (1ull << 32) - 8, SHMRING_POSITION_LIMIT - 24 };
	int i;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		struct pair p = make_pair(test, bases[i], bases[i]);
		struct sleeper *s = start_sleeper(test, p.consumer, 16, 16, 0);

		await_sleeps(test, p.consumer, 1);
		KUNIT_EXPECT_EQ(test, wake_at(p.ring, CONSUMER), bases[i] + 16);
		set_positions(p.ring, bases[i] + 16, bases[i]);
		wake(&p, CONSUMER);
		KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
	}
}

/* False positions count as ready: the library then looks, and returns EBADMSG. */
static void false_positions_are_ready(struct kunit *test)
{
	static const u64 fake[] = { SHMRING_POSITION_LIMIT, 1ull << 63, U64_MAX - 1, U64_MAX };
	int i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		struct pair p = make_pair(test, fake[i], fake[i]);

		KUNIT_EXPECT_EQ(test, shmring_ready(p.consumer, 8), 1);
		set_positions(p.ring, fake[i], fake[i] - CAPACITY);
		KUNIT_EXPECT_EQ(test, shmring_ready(p.producer, 8), fake[i] !=
				SHMRING_POSITION_LIMIT);
	}
}

/*
 * After a WAKE for a position, a position that has gone back is EBADMSG: otherwise it could
 * keep the other side busy.
 */
static void position_that_goes_back_is_refused(struct kunit *test)
{
	struct pair p = make_pair(test, 1000, 1000);
	struct sleeper *s = start_sleeper(test, p.consumer, 8, 8, 0);
	ktime_t past = 1;

	await_sleeps(test, p.consumer, 1);
	set_positions(p.ring, 1008, 1000);
	wake(&p, CONSUMER);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 8, 8, past), 0);
	set_positions(p.ring, 1000, 1000);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 8, 8, KTIME_MAX), -EBADMSG);
	/* A position may move on, and another producer may begin further back. */
	set_positions(p.ring, 1008, 1008);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 8, 8, past), -ETIMEDOUT);
	set_positions(p.ring, 1000, 1000);
	detach(p.producer);
	p.producer = attach(test, p.ring, PRODUCER);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 8, 8, past), -ETIMEDOUT);

	set_positions(p.ring, 1000 + CAPACITY, 1000);
	s = start_sleeper(test, p.producer, 8, 8, 0);
	await_sleeps(test, p.producer, 1);
	set_positions(p.ring, 1000 + CAPACITY, 1008);
	wake(&p, PRODUCER);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
	set_positions(p.ring, 1000 + CAPACITY, 1000);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.producer, 8, 8, KTIME_MAX), -EBADMSG);
}

static void wake_with_nobody_changes_nothing(struct kunit *test)
{
	struct pair p = make_pair(test, 8, 0);

	wake(&p, CONSUMER);
	wake(&p, PRODUCER);
	KUNIT_EXPECT_EQ(test, nr_wakes(&p, CONSUMER), 0);
	KUNIT_EXPECT_EQ(test, nr_wakes(&p, PRODUCER), 0);
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, CONSUMER), SHMRING_NO_WAKE);
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, PRODUCER), SHMRING_NO_WAKE);
	KUNIT_EXPECT_EQ(test, head_of(p.ring), 8);
	KUNIT_EXPECT_EQ(test, tail_of(p.ring), 0);
}

static void wake_is_for_one_side(struct kunit *test)
{
	struct pair p = make_pair(test, 0, 0);
	struct sleeper *s = start_sleeper(test, p.consumer, 8, 8, 0);

	await_sleeps(test, p.consumer, 1);
	set_positions(p.ring, 8, 0);
	wake(&p, PRODUCER);
	KUNIT_EXPECT_TRUE(test, sleeps(s));
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, CONSUMER), 8);
	wake(&p, CONSUMER);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
}

/* wake_at is the nearest position. A sleeper that it does not satisfy then arms for its own. */
static void two_sleepers_each_at_its_position(struct kunit *test)
{
	struct pair p = make_pair(test, 0, 0);
	struct sleeper *far = start_sleeper(test, p.consumer, 512, 512, 0);
	struct sleeper *near;

	await_sleeps(test, p.consumer, 1);
	near = start_sleeper(test, p.consumer, 64, 64, 0);
	await_sleeps(test, p.consumer, 2);
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, CONSUMER), 64);

	set_positions(p.ring, 64, 0);
	wake(&p, CONSUMER);
	KUNIT_EXPECT_EQ(test, result_of(test, near), 0);
	await_sleeps(test, p.consumer, 3);
	KUNIT_EXPECT_TRUE(test, sleeps(far));
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, CONSUMER), 512);

	set_positions(p.ring, 512, 0);
	wake(&p, CONSUMER);
	KUNIT_EXPECT_EQ(test, result_of(test, far), 0);
}

struct exclusive {
	struct wait_queue_entry entry;
	bool woken;
};

static int wake_exclusive(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	container_of(entry, struct exclusive, entry)->woken = true;
	return 1;
}

/* A waiter that does not look at the ring after a wake-up cannot wake the others either. */
static void exclusive_waiters_are_all_woken(struct kunit *test)
{
	struct pair p = make_pair(test, 0, 0);
	struct shmring_side *side = shmring_side(p.ring, CONSUMER);
	struct exclusive e[2] = { };
	int i;

	for (i = 0; i < ARRAY_SIZE(e); i++) {
		init_waitqueue_func_entry(&e[i].entry, wake_exclusive);
		add_wait_queue_exclusive(&side->wait, &e[i].entry);
	}
	side->half->wake_at = 8;
	set_positions(p.ring, 8, 0);
	wake(&p, CONSUMER);
	for (i = 0; i < ARRAY_SIZE(e); i++) {
		KUNIT_EXPECT_TRUE(test, e[i].woken);
		remove_wait_queue(&side->wait, &e[i].entry);
	}
}

static void last_sleeper_disarms(struct kunit *test)
{
	struct pair p = make_pair(test, CAPACITY, 0);
	struct sleeper *s = start_sleeper(test, p.producer, 8, 8, 0);

	await_sleeps(test, p.producer, 1);
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, PRODUCER), 8);
	send_sig(SIGUSR1, s->task, 1);
	KUNIT_EXPECT_EQ(test, result_of(test, s), -ERESTARTNOHAND);
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, PRODUCER), SHMRING_NO_WAKE);
}

/* The remaining sleeper may be woken for nothing, but must not miss a wake-up. */
static void other_sleeper_stays_armed(struct kunit *test)
{
	struct pair p = make_pair(test, 0, 0);
	struct sleeper *stays = start_sleeper(test, p.consumer, 512, 512, 0);
	struct sleeper *leaves;

	await_sleeps(test, p.consumer, 1);
	leaves = start_sleeper(test, p.consumer, 64, 64, 0);
	await_sleeps(test, p.consumer, 2);
	send_sig(SIGUSR1, leaves->task, 1);
	KUNIT_EXPECT_EQ(test, result_of(test, leaves), -ERESTARTNOHAND);

	KUNIT_EXPECT_LE(test, wake_at(p.ring, CONSUMER), 512);
	set_positions(p.ring, 512, 0);
	wake(&p, CONSUMER);
	KUNIT_EXPECT_EQ(test, result_of(test, stays), 0);
}

static void deadline_passes(struct kunit *test)
{
	struct pair p = make_pair(test, CAPACITY, CAPACITY);
	ktime_t deadline = in_ms(20);

	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 8, 8, deadline), -ETIMEDOUT);
	KUNIT_EXPECT_GE(test, ktime_get(), deadline);
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, CONSUMER), SHMRING_NO_WAKE);

	set_positions(p.ring, CAPACITY, 0);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.producer, 8, 8, deadline), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, PRODUCER), SHMRING_NO_WAKE);
}

static void deadline_passed_long_ago(struct kunit *test)
{
	struct pair p = make_pair(test, 0, 0);
	ktime_t deadline = 1;

	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 8, 8, deadline), -ETIMEDOUT);
	set_positions(p.ring, 8, 0);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 8, 8, deadline), 0);
}

static void death_beats_deadline(struct kunit *test)
{
	struct pair p = make_pair(test, 0, 0);
	ktime_t deadline = 1;

	detach(p.producer);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 8, 8, deadline), -ENODATA);
}

/*
 * At the deadline, enough for @bytes ends the wait with success, though it is less than the
 * mark.
 */
static void success_beats_deadline(struct kunit *test)
{
	struct sleeper *s;
	bool in_time;
	u64 ms;

	for (ms = 100; ms <= 60 * MSEC_PER_SEC; ms *= 2) {
		struct pair p = make_pair(test, CAPACITY, 0);

		s = start_sleeper(test, p.producer, 8, CAPACITY, in_ms(ms));
		while (sleeps(s) && !atomic64_read(&shmring_side(p.ring, PRODUCER)->nr_sleeps))
			cond_resched();
		set_positions(p.ring, CAPACITY, 8);
		in_time = ktime_before(ktime_get(), s->deadline);
		if (in_time) {
			KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
			return;
		}
	}
	KUNIT_FAIL(test, "no time-out was long enough to do anything before it");
}

static void success_beats_signal(struct kunit *test)
{
	struct pair p = make_pair(test, CAPACITY, 0);
	struct sleeper *s = start_sleeper(test, p.producer, 8, CAPACITY, 0);

	await_sleeps(test, p.producer, 1);
	set_positions(p.ring, CAPACITY, 8);
	send_sig(SIGUSR1, s->task, 1);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
}

static void signal_ends_wait(struct kunit *test)
{
	struct pair p = make_pair(test, 0, 0);
	struct sleeper *s = start_sleeper(test, p.consumer, 8, 8, 0);

	await_sleeps(test, p.consumer, 1);
	send_sig(SIGUSR1, s->task, 1);
	KUNIT_EXPECT_EQ(test, result_of(test, s), -ERESTARTNOHAND);
}

static void kill_ends_wait(struct kunit *test)
{
	struct pair p = make_pair(test, CAPACITY, 0);
	struct sleeper *s = start_sleeper(test, p.producer, 8, 8, 0);

	await_sleeps(test, p.producer, 1);
	send_sig(SIGKILL, s->task, 1);
	KUNIT_EXPECT_EQ(test, result_of(test, s), -ERESTARTNOHAND);
}

/* Each side would wait for the other one. */
static void consumer_released_when_producer_arms(struct kunit *test)
{
	struct pair p = make_pair(test, 8, 0);
	struct sleeper *consumer, *producer;

	consumer = start_sleeper(test, p.consumer, 1024, 1024, 0);
	await_sleeps(test, p.consumer, 1);
	producer = start_sleeper(test, p.producer, CAPACITY, CAPACITY, 0);
	KUNIT_EXPECT_EQ(test, result_of(test, consumer), 0);

	await_sleeps(test, p.producer, 1);
	KUNIT_EXPECT_TRUE(test, sleeps(producer));
	set_positions(p.ring, 8, 8);
	wake(&p, PRODUCER);
	KUNIT_EXPECT_EQ(test, result_of(test, producer), 0);
}

static void consumer_not_held_if_producer_waits(struct kunit *test)
{
	struct pair p = make_pair(test, 8, 0);
	struct sleeper *producer = start_sleeper(test, p.producer, CAPACITY, CAPACITY, 0);

	await_sleeps(test, p.producer, 1);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 1024, 1024, KTIME_MAX), 0);
	KUNIT_EXPECT_TRUE(test, sleeps(producer));
}

/* With nothing to take, the consumer has to wait. */
static void empty_consumer_sleeps_though_producer_is_armed(struct kunit *test)
{
	struct pair p = make_pair(test, 0, 0);
	ktime_t deadline = 1;

	WRITE_ONCE(p.ring->lane->producer.wake_at, 8);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 1024, 1024, deadline), -ETIMEDOUT);
}

static void want_space(struct pair *p, u64 tail)
{
	struct shmring_producer *page = container_of(shmring_side(p->ring, PRODUCER)->position,
						     struct shmring_producer, head);

	WRITE_ONCE(page->space_wanted, tail);
}

/*
 * K, the consumer's half: while the producer looks for space, any data is enough for the
 * consumer.
 */
static void any_data_is_enough_while_space_is_wanted(struct kunit *test)
{
	struct pair p = make_pair(test, 1064, 1000);
	ktime_t deadline = 1;

	want_space(&p, 1008);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 1024, 1024, KTIME_MAX), 0);
	/* Without data the consumer waits, but only for the next byte. */
	set_positions(p.ring, 1000, 1000);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 1024, 1024, deadline), -ETIMEDOUT);
	/*
	 * Space that was given back already; never asked for; at a position that no tail can
	 * have.
	 */
	set_positions(p.ring, 1064, 1000);
	want_space(&p, 1000);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 1024, 1024, deadline), -ETIMEDOUT);
	want_space(&p, 0);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 1024, 1024, deadline), -ETIMEDOUT);
	want_space(&p, SHMRING_POSITION_LIMIT);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 1024, 1024, deadline), -ETIMEDOUT);
}

/*
 * K, the producer's half: it stores what it wants, sees that the consumer has armed, and calls
 * WAKE.
 */
static void sleeping_consumer_is_woken_for_wanted_space(struct kunit *test)
{
	struct pair p = make_pair(test, 8, 0);
	struct sleeper *s = start_sleeper(test, p.consumer, 1024, 1024, 0);

	await_sleeps(test, p.consumer, 1);
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, CONSUMER), 1024);
	want_space(&p, 8);
	wake(&p, CONSUMER);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
}

/* While space is wanted, a consumer with nothing to take sleeps until the next byte. */
static void wanted_space_arms_for_the_next_byte(struct kunit *test)
{
	struct pair p = make_pair(test, 1000, 1000);
	struct sleeper *s;

	want_space(&p, 1008);
	s = start_sleeper(test, p.consumer, 1024, 1024, 0);
	await_sleeps(test, p.consumer, 1);
	KUNIT_EXPECT_EQ(test, wake_at(p.ring, CONSUMER), 1001);
	set_positions(p.ring, 1008, 1000);
	wake(&p, CONSUMER);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
}

static int wait_for_peer(void *data)
{
	struct sleeper *s = data;

	allow_signal(SIGUSR1);
	allow_signal(SIGKILL);
	s->ret = shmring_wait_peer(s->sf, s->deadline ?: KTIME_MAX);
	complete_all(&s->done);
	return 0;
}

static void await_queued(struct kunit *test, struct shmring_file *sf)
{
	int left = HANG_MS;

	while (!wq_has_sleeper(&shmring_side(sf->ring, sf->role)->wait) && left-- > 0)
		msleep(1);
	KUNIT_ASSERT_GT(test, left, 0);
}

static void peer_is_waited_for(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);
	struct shmring_file *producer;
	ktime_t deadline = 1;
	struct sleeper *s;

	KUNIT_EXPECT_EQ(test, shmring_wait_peer(consumer, deadline), -ETIMEDOUT);
	s = start_helper(test, wait_for_peer, consumer);
	await_queued(test, consumer);
	producer = attach(test, ring, PRODUCER);	/* the first producer */
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
	KUNIT_EXPECT_EQ(test, shmring_wait_peer(consumer, deadline), 0);
	detach(producer);
	KUNIT_EXPECT_EQ(test, shmring_wait_peer(consumer, deadline), -ETIMEDOUT);
	s = start_helper(test, wait_for_peer, consumer);
	await_queued(test, consumer);
	attach(test, ring, PRODUCER);			/* the next one */
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
	KUNIT_EXPECT_EQ(test, wake_at(ring, CONSUMER), SHMRING_NO_WAKE);
}

/*
 * The role is taken and given up before the sleeper runs, or before it finds that there is no
 * peer.
 */
static void peer_that_has_gone_was_there(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);
	struct shmring_side *producer = shmring_side(ring, PRODUCER);
	struct sleeper *s = start_helper(test, wait_for_peer, consumer);

	await_queued(test, consumer);
	spin_lock(&ring->lock);
	producer->half->epoch++;
	producer->half->state = SHMRING_PEER_GONE;
	wake_up_all(&shmring_side(ring, CONSUMER)->wait);
	spin_unlock(&ring->lock);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
	KUNIT_EXPECT_EQ(test, shmring_wait_peer(consumer, 1), -ETIMEDOUT);
}

static void wait_for_peer_ends(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *producer = attach(test, ring, PRODUCER);
	struct sleeper *s = start_helper(test, wait_for_peer, producer);

	await_queued(test, producer);
	send_sig(SIGUSR1, s->task, 1);
	KUNIT_EXPECT_EQ(test, result_of(test, s), -ERESTARTNOHAND);
	s = start_helper(test, wait_for_peer, producer);
	await_queued(test, producer);
	detach(producer);
	KUNIT_EXPECT_EQ(test, result_of(test, s), -ESHUTDOWN);
}

static void peer_gone(struct kunit *test)
{
	struct pair p = make_pair(test, 48, 0);

	detach(p.producer);
	KUNIT_EXPECT_EQ(test, shmring_ready(p.producer, 1), -ESHUTDOWN);
	/* No more data will come, so less than was asked for ends the wait. */
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 1024, 1024, KTIME_MAX), 0);
	set_positions(p.ring, 48, 48);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.consumer, 1, 1, KTIME_MAX), -ENODATA);

	p = make_pair(test, 0, 0);
	detach(p.consumer);
	KUNIT_EXPECT_EQ(test, shmring_ready(p.consumer, 1), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, shmring_wait(p.producer, 1, 1, KTIME_MAX), -EPIPE);
}

static void peer_not_there_yet_is_not_gone(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct shmring_file *consumer = attach(test, ring, CONSUMER);
	ktime_t deadline = 1;

	KUNIT_EXPECT_EQ(test, shmring_ready(consumer, 1), 0);
	KUNIT_EXPECT_EQ(test, shmring_wait(consumer, 1, 1, deadline), -ETIMEDOUT);
}

#define ROUNDS	20000

/* The consumer's half of no_wakeup_lost(): take what it waited for. */
static int consume(void *data)
{
	struct sleeper *s = data;
	struct shmring *ring = s->sf->ring;
	u64 tail;

	allow_signal(SIGKILL);
	for (tail = 0; tail < 8 * ROUNDS && !s->ret; tail += 8) {
		s->ret = shmring_wait(s->sf, 8, 8, KTIME_MAX);
		smp_store_mb(*shmring_side(ring, CONSUMER)->position, tail + 8);
		if (tail + 8 >= wake_at(ring, PRODUCER))
			shmring_wake(shmring_side(ring, PRODUCER));
	}
	complete_all(&s->done);
	return 0;
}

/*
 * Each side publishes and looks at the other's wake_at as the library does, in step, so that
 * both sleep often: a lost wake-up is a hang.
 */
static void no_wakeup_lost(struct kunit *test)
{
	struct pair p = make_pair(test, 0, 0);
	struct sleeper *s = start_helper(test, consume, p.consumer);
	ktime_t deadline;
	u64 head;
	int ret = 0;

	for (head = 8; head <= 8 * ROUNDS && !ret; head += 8) {
		deadline = in_ms(HANG_MS);
		smp_store_mb(*shmring_side(p.ring, PRODUCER)->position, head);
		if (head >= wake_at(p.ring, CONSUMER))
			wake(&p, CONSUMER);
		ret = shmring_wait(p.producer, CAPACITY, CAPACITY, deadline);
	}
	KUNIT_EXPECT_EQ_MSG(test, ret, 0, "at %llu: a lost wake-up", head);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
	KUNIT_EXPECT_EQ(test, tail_of(p.ring), 8 * ROUNDS);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(wait_returns_at_once_if_ready),
	KUNIT_CASE(consumer_sleeps_until_woken),
	KUNIT_CASE(sleep_is_for_the_mark_at_first),
	KUNIT_CASE(sleep_ends_when_the_message_fits),
	KUNIT_CASE(consumer_has_patience_for_its_mark),
	KUNIT_CASE(sleeper_survives_wake_below_position),
	KUNIT_CASE(positions_up_to_the_limit),
	KUNIT_CASE(false_positions_are_ready),
	KUNIT_CASE(position_that_goes_back_is_refused),
	KUNIT_CASE(wake_with_nobody_changes_nothing),
	KUNIT_CASE(wake_is_for_one_side),
	KUNIT_CASE(two_sleepers_each_at_its_position),
	KUNIT_CASE(exclusive_waiters_are_all_woken),
	KUNIT_CASE(last_sleeper_disarms),
	KUNIT_CASE(other_sleeper_stays_armed),
	KUNIT_CASE(deadline_passes),
	KUNIT_CASE(deadline_passed_long_ago),
	KUNIT_CASE(death_beats_deadline),
	KUNIT_CASE(success_beats_deadline),
	KUNIT_CASE(success_beats_signal),
	KUNIT_CASE(signal_ends_wait),
	KUNIT_CASE(kill_ends_wait),
	KUNIT_CASE(consumer_released_when_producer_arms),
	KUNIT_CASE(consumer_not_held_if_producer_waits),
	KUNIT_CASE(empty_consumer_sleeps_though_producer_is_armed),
	KUNIT_CASE(any_data_is_enough_while_space_is_wanted),
	KUNIT_CASE(sleeping_consumer_is_woken_for_wanted_space),
	KUNIT_CASE(wanted_space_arms_for_the_next_byte),
	KUNIT_CASE(peer_is_waited_for),
	KUNIT_CASE(peer_that_has_gone_was_there),
	KUNIT_CASE(wait_for_peer_ends),
	KUNIT_CASE(peer_gone),
	KUNIT_CASE(peer_not_there_yet_is_not_gone),
	KUNIT_CASE(no_wakeup_lost),
	{}
};

static struct kunit_suite suite = {
	.name = "wait",
	.test_cases = cases,
};

kunit_test_suite(suite);
