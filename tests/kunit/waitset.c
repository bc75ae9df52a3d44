// SPDX-License-Identifier: GPL-2.0
/* Wait sets: which endpoints are hot, what makes them hot and cold, and who is woken. */
#include <linux/delay.h>
#include <linux/sched/signal.h>

#include "rig.h"
#include "waitset.h"

#define NR	3

/* Rings of a fan-in, with the hub's endpoints in a set. */
struct trio {
	struct shmring *ring;
	struct shmring_set *set;
	struct shmring_file *producer[NR];
	struct shmring_file *consumer[NR];
};

KUNIT_DEFINE_ACTION_WRAPPER(free_set, shmring_free_set, struct shmring_set *);
KUNIT_DEFINE_ACTION_WRAPPER(put_ring, shmring_put, struct shmring *);

static struct shmring_set *make_set(struct kunit *test, u32 max)
{
	struct shmring_set *set = shmring_alloc_set(max);

	KUNIT_ASSERT_NOT_NULL(test, set);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_set, set), 0);
	return set;
}

static struct trio make_trio(struct kunit *test, u32 topology)
{
	const struct shmring_geometry g = {
		.capacity = CAPACITY, .topology = topology, .nr_lanes = NR,
	};
	bool fan_in = topology == SHMRING_TOPOLOGY_FAN_IN;
	struct trio t = { .ring = shmring_alloc(&g) };
	int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t.ring);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_ring, t.ring), 0);
	for (i = 0; i < NR; i++) {
		t.producer[i] = attach(test, shmring_lane_of(t.ring, i), PRODUCER);
		t.consumer[i] = attach(test, shmring_lane_of(t.ring, i), CONSUMER);
	}
	t.set = make_set(test, NR);
	for (i = 0; i < NR; i++)
		KUNIT_ASSERT_EQ(test, shmring_add_member(t.set, i, fan_in ? t.consumer[i] :
							 t.producer[i], NULL), 0);
	return t;
}

static u64 hot(const struct trio *t)
{
	return READ_ONCE(t->set->hot[0]);
}

static int cool(const struct trio *t)
{
	return shmring_cool_set(t->set);
}

/* As the library publishes. */
static void publish(const struct trio *t, int i, u64 head)
{
	struct shmring *lane = t->producer[i]->ring;

	smp_store_mb(*shmring_side(lane, PRODUCER)->position, head);
	if (head >= wake_at(lane, CONSUMER))
		shmring_wake(shmring_side(lane, CONSUMER));
}

static void wake_hub(const struct trio *t, int i)
{
	shmring_wake(shmring_side(t->consumer[i]->ring, CONSUMER));
}

static void cold_until_published(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);

	KUNIT_EXPECT_EQ(test, hot(&t), 7);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	KUNIT_EXPECT_EQ(test, hot(&t), 0);
	KUNIT_EXPECT_EQ(test, wake_at(t.consumer[1]->ring, CONSUMER), 1);
	publish(&t, 1, 8);
	KUNIT_EXPECT_EQ(test, hot(&t), 2);
	KUNIT_EXPECT_EQ(test, wake_at(t.consumer[1]->ring, CONSUMER), SHMRING_NO_WAKE);
	/* Hot: no further WAKE is due, and the endpoint stays hot while it is ready. */
	publish(&t, 1, 16);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	KUNIT_EXPECT_EQ(test, hot(&t), 2);
	KUNIT_EXPECT_EQ(test, wake_at(t.consumer[1]->ring, CONSUMER), SHMRING_NO_WAKE);
	set_positions(t.consumer[1]->ring, 16, 16);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	KUNIT_EXPECT_EQ(test, hot(&t), 0);
	KUNIT_EXPECT_EQ(test, wake_at(t.consumer[1]->ring, CONSUMER), 17);
}

/* (O) for each, and not only for the first that is found. */
static void every_ready_endpoint_is_hot(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);
	int i;

	for (i = 0; i < NR; i++)
		set_positions(t.producer[i]->ring, 8, 0);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	KUNIT_EXPECT_EQ(test, hot(&t), 7);
	set_positions(t.producer[1]->ring, 8, 8);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	KUNIT_EXPECT_EQ(test, hot(&t), 5);
}

static void lowat_counts(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);

	shmring_set_lowat(t.consumer[0], 64);
	set_positions(t.consumer[0]->ring, 16, 0);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	KUNIT_EXPECT_EQ(test, wake_at(t.consumer[0]->ring, CONSUMER), 64);
	publish(&t, 0, 32);
	KUNIT_EXPECT_EQ(test, hot(&t), 0);
	/* A lower one: look again. */
	shmring_set_lowat(t.consumer[0], 32);
	KUNIT_EXPECT_EQ(test, hot(&t), 1);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
}

/* A WAKE without a message is no reason; one for a producer that wants space is. */
static void wake_needs_a_reason(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);
	struct shmring *lane = t.consumer[0]->ring;
	struct shmring_producer *page = container_of(shmring_side(lane, PRODUCER)->position,
						     struct shmring_producer, head);

	shmring_set_lowat(t.consumer[0], 64);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	wake_hub(&t, 0);
	set_positions(lane, 32, 0);
	wake_hub(&t, 0);
	KUNIT_EXPECT_EQ(test, hot(&t), 0);
	KUNIT_EXPECT_EQ(test, wake_at(lane, CONSUMER), 64);
	KUNIT_EXPECT_EQ(test, atomic64_read(&shmring_side(lane, CONSUMER)->nr_wakes), 0);
	WRITE_ONCE(page->space_wanted, 16);
	wake_hub(&t, 0);
	KUNIT_EXPECT_EQ(test, hot(&t), 1);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	/* Nothing is there to take. */
	set_positions(lane, 32, 32);
	WRITE_ONCE(page->space_wanted, 48);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	wake_hub(&t, 0);
	KUNIT_EXPECT_EQ(test, hot(&t), 0);
}

static void change_of_role_is_reported_once(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);
	struct shmring *lane = t.producer[2]->ring;

	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	detach(t.producer[2]);
	KUNIT_EXPECT_EQ(test, hot(&t), 4);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	KUNIT_EXPECT_EQ(test, hot(&t), 4);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	KUNIT_EXPECT_EQ(test, hot(&t), 0);
	t.producer[2] = attach(test, lane, PRODUCER);
	KUNIT_EXPECT_EQ(test, hot(&t), 4);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	/* What a producer has left is ready until it is taken. */
	set_positions(lane, 8, 0);
	detach(t.producer[2]);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	set_positions(lane, 8, 8);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
}

/* Nor is a tail beyond the end of the stream a reason to look for ever. */
/* What the hub holds of it is no reason to look again. */
static void rest_of_a_gone_stream_is_held(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);

	set_positions(t.producer[1]->ring, 32, 0);
	detach(t.producer[1]);
	shmring_set_lowat(t.consumer[1], 33);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);	/* the end, once */
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	shmring_set_lowat(t.consumer[1], 1);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
}

static void false_tail_of_a_gone_stream(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);

	detach(t.producer[0]);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	set_positions(t.consumer[0]->ring, 0, 8);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
}

static void own_role_ends(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);
	struct shmring *lane = t.consumer[0]->ring;
	struct shmring_set *other = make_set(test, 1);
	struct shmring_file *next;

	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	detach(t.consumer[0]);
	KUNIT_EXPECT_EQ(test, hot(&t), 1);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	/* The next one belongs to another set, and the old member does not disturb it. */
	next = attach(test, lane, CONSUMER);
	shmring_set_lowat(next, 2);
	shmring_set_lowat(next, 1);
	KUNIT_EXPECT_EQ(test, hot(&t), 0);
	KUNIT_EXPECT_EQ(test, shmring_add_member(other, 0, next, NULL), 0);
	KUNIT_EXPECT_EQ(test, shmring_cool_set(other), -EAGAIN);
	KUNIT_EXPECT_EQ(test, shmring_remove_member(t.set, 0), 0);
	publish(&t, 0, 8);
	KUNIT_EXPECT_EQ(test, hot(&t), 0);
	KUNIT_EXPECT_EQ(test, READ_ONCE(other->hot[0]), 1);
	KUNIT_EXPECT_EQ(test, shmring_remove_member(other, 0), 0);
}

static void one_set_and_one_number(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);
	struct shmring_set *other = make_set(test, 1);

	KUNIT_EXPECT_EQ(test, shmring_add_member(t.set, 0, t.producer[0], NULL), -EBUSY);
	KUNIT_EXPECT_EQ(test, shmring_add_member(other, 0, t.consumer[0], NULL), -EBUSY);
	KUNIT_EXPECT_EQ(test, shmring_remove_member(other, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, shmring_remove_member(t.set, 0), 0);
	KUNIT_EXPECT_EQ(test, hot(&t), 6);
	KUNIT_EXPECT_EQ(test, shmring_remove_member(t.set, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, shmring_add_member(other, 0, t.consumer[0], NULL), 0);
	KUNIT_EXPECT_EQ(test, READ_ONCE(other->hot[0]), 1);
	KUNIT_EXPECT_EQ(test, shmring_remove_member(other, 0), 0);
	/* Removed while cold: nothing stays armed. */
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	KUNIT_EXPECT_EQ(test, shmring_remove_member(t.set, 1), 0);
	KUNIT_EXPECT_EQ(test, wake_at(t.consumer[1]->ring, CONSUMER), SHMRING_NO_WAKE);
	publish(&t, 1, 8);
	KUNIT_EXPECT_EQ(test, hot(&t), 0);
}

/* Another wait on the same endpoint, which ends, leaves the set armed. */
static void other_sleeper_leaves_the_set_armed(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);
	ktime_t deadline = 1;

	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	KUNIT_EXPECT_EQ(test, shmring_wait(t.consumer[0], 8, 8, deadline), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, wake_at(t.consumer[0]->ring, CONSUMER), 1);
	publish(&t, 0, 8);
	KUNIT_EXPECT_EQ(test, hot(&t), 1);
}

static void lane_without_a_worker_is_not_ready(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_WORK);
	int i;

	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	KUNIT_EXPECT_EQ(test, hot(&t), 7);
	for (i = 0; i < NR; i++)
		detach(t.consumer[i]);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	t.consumer[1] = attach(test, t.consumer[1]->ring, CONSUMER);
	KUNIT_EXPECT_EQ(test, hot(&t), 2);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	/* Never taken. */
	WRITE_ONCE(shmring_side(t.consumer[1]->ring, CONSUMER)->half->state, SHMRING_PEER_NONE);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	WRITE_ONCE(shmring_side(t.consumer[1]->ring, CONSUMER)->half->state, SHMRING_PEER_LIVE);
}

static bool poll_set(const struct trio *t)
{
	bool any;

	mutex_lock(&t->set->lock);
	any = shmring_scan_set(t->set, SHMRING_SCAN_POLL);
	mutex_unlock(&t->set->lock);
	return any;
}

/* epoll polls more than once for one event: only WAITSET_WAIT takes a change. */
static void poll_leaves_the_change(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);

	KUNIT_EXPECT_FALSE(test, poll_set(&t));
	detach(t.producer[0]);
	KUNIT_EXPECT_TRUE(test, poll_set(&t));
	KUNIT_EXPECT_TRUE(test, poll_set(&t));
	KUNIT_EXPECT_EQ(test, hot(&t), 1);
	KUNIT_EXPECT_EQ(test, cool(&t), 0);
	KUNIT_EXPECT_EQ(test, cool(&t), -EAGAIN);
	KUNIT_EXPECT_FALSE(test, poll_set(&t));
}

/* An edge-triggered poller does not come back before the next message. */
static void edge_arms_what_is_ready(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);
	bool any;

	set_positions(t.producer[0]->ring, 8, 0);
	mutex_lock(&t.set->lock);
	any = shmring_scan_set(t.set, SHMRING_SCAN_EDGE);
	mutex_unlock(&t.set->lock);
	KUNIT_EXPECT_TRUE(test, any);
	KUNIT_EXPECT_EQ(test, hot(&t), 1);
	KUNIT_EXPECT_LE(test, wake_at(t.consumer[0]->ring, CONSUMER), 9);
}

struct set_sleeper {
	struct shmring_file sf;		/* so that a thread finds the rest */
	struct shmring_set *set;
	ktime_t deadline;
};

static int wait_for_set(void *data)
{
	struct sleeper *s = data;
	struct set_sleeper *w = container_of(s->sf, struct set_sleeper, sf);

	allow_signal(SIGUSR1);
	allow_signal(SIGKILL);
	s->ret = shmring_wait_set(w->set, w->deadline ?: KTIME_MAX);
	complete_all(&s->done);
	return 0;
}

/* Wait until the thread sleeps: it is queued, has cooled all, and is off the CPU. */
static void await_asleep(struct kunit *test, struct shmring_set *set, struct sleeper *s)
{
	int left = HANG_MS;

	while ((!wq_has_sleeper(&set->wait) || READ_ONCE(set->hot[0]) ||
		READ_ONCE(s->task->__state) != TASK_INTERRUPTIBLE) && left-- > 0)
		msleep(1);
	KUNIT_ASSERT_GT(test, left, 0);
}

static void sleeper_is_woken(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);
	struct set_sleeper w = { .set = t.set };
	struct sleeper *s, *second;
	int i;

	for (i = 0; i < NR; i++) {
		s = start_helper(test, wait_for_set, &w.sf);
		await_asleep(test, t.set, s);
		publish(&t, i, 8);
		KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
		KUNIT_EXPECT_EQ(test, hot(&t), BIT(i));
		set_positions(t.producer[i]->ring, 8, 8);
	}
	/* Two sleepers of one set, and a change of a role. */
	s = start_helper(test, wait_for_set, &w.sf);
	await_asleep(test, t.set, s);
	second = start_helper(test, wait_for_set, &w.sf);
	await_asleep(test, t.set, second);
	publish(&t, 1, 16);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
	KUNIT_EXPECT_EQ(test, result_of(test, second), 0);
	set_positions(t.producer[1]->ring, 16, 16);
	s = start_helper(test, wait_for_set, &w.sf);
	await_asleep(test, t.set, s);
	detach(t.producer[0]);
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
}

static void sleep_ends(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);
	struct set_sleeper w = { .set = t.set };
	ktime_t deadline = 1;
	struct sleeper *s;

	KUNIT_EXPECT_EQ(test, shmring_wait_set(t.set, deadline), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, hot(&t), 0);
	s = start_helper(test, wait_for_set, &w.sf);
	await_asleep(test, t.set, s);
	send_sig(SIGUSR1, s->task, 1);
	KUNIT_EXPECT_EQ(test, result_of(test, s), -ERESTARTNOHAND);
	publish(&t, 0, 8);
	KUNIT_EXPECT_EQ(test, shmring_wait_set(t.set, deadline), 0);
}

#define ROUNDS	5000

/* The hub's half of no_wakeup_lost(): take from each lane in turn, as its bit says. */
static int take_all(void *data)
{
	struct sleeper *s = data;
	struct set_sleeper *w = container_of(s->sf, struct set_sleeper, sf);
	unsigned long left = NR * ROUNDS, bits;
	struct shmring *lane;
	int i;

	allow_signal(SIGKILL);
	while (left && !s->ret) {
		s->ret = shmring_wait_set(w->set, KTIME_MAX);
		bits = READ_ONCE(w->set->hot[0]);
		for_each_set_bit(i, &bits, NR) {
			lane = w->set->members[i].sf->ring;
			for (; head_of(lane) > tail_of(lane); left--)
				smp_store_mb(*shmring_side(lane, CONSUMER)->position,
					     tail_of(lane) + 8);
		}
	}
	complete_all(&s->done);
	return 0;
}

/* In step, so that the hub sleeps often: a lost wake-up is a hang. */
static void no_wakeup_lost(struct kunit *test)
{
	struct trio t = make_trio(test, SHMRING_TOPOLOGY_FAN_IN);
	struct set_sleeper w = { .set = t.set };
	struct sleeper *s = start_helper(test, take_all, &w.sf);
	unsigned long until = jiffies + msecs_to_jiffies(HANG_MS);
	u64 head;
	int i;

	for (head = 8; head <= 8 * ROUNDS; head += 8) {
		for (i = 0; i < NR; i++)
			publish(&t, (i + head / 8) % NR, head);
		while (head % 64 == 0 && tail_of(t.producer[0]->ring) < head &&
		       time_before(jiffies, until))
			cond_resched();
	}
	KUNIT_EXPECT_EQ(test, result_of(test, s), 0);
	for (i = 0; i < NR; i++)
		KUNIT_EXPECT_EQ(test, tail_of(t.producer[i]->ring), 8 * ROUNDS);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(cold_until_published),
	KUNIT_CASE(every_ready_endpoint_is_hot),
	KUNIT_CASE(lowat_counts),
	KUNIT_CASE(wake_needs_a_reason),
	KUNIT_CASE(change_of_role_is_reported_once),
	KUNIT_CASE(rest_of_a_gone_stream_is_held),
	KUNIT_CASE(false_tail_of_a_gone_stream),
	KUNIT_CASE(own_role_ends),
	KUNIT_CASE(one_set_and_one_number),
	KUNIT_CASE(other_sleeper_leaves_the_set_armed),
	KUNIT_CASE(lane_without_a_worker_is_not_ready),
	KUNIT_CASE(poll_leaves_the_change),
	KUNIT_CASE(edge_arms_what_is_ready),
	KUNIT_CASE(sleeper_is_woken),
	KUNIT_CASE(sleep_ends),
	KUNIT_CASE(no_wakeup_lost),
	{}
};

static struct kunit_suite suite = {
	.name = "waitset",
	.test_cases = cases,
};

kunit_test_suite(suite);
