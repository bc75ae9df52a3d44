// SPDX-License-Identifier: MIT
/* The memfd backend: sleeping, and which side fences. */
#include "memfd_rig.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <unistd.h>

#include "faults.h"
#include "memfd/memfd.h"

/* How much later than its deadline a wait ends; it must not end earlier. */
static uint64_t overslept(struct shmring *c, enum shmring_policy policy)
{
	const struct shmring_wait wait = { .policy = policy,
					   .deadline = shmring_deadline(2000000) };
	uint64_t now;

	assert_int_equal(shmring_wait_data(c, &wait), -ETIMEDOUT);
	now = shmring_deadline(0);
	assert_true(now >= wait.deadline);
	return now - wait.deadline;
}

static void wait_of_every_policy_ends_at_its_deadline(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER);
	enum shmring_policy policy;
	int tries;

	(void)state;
	for (policy = SHMRING_DEFAULT; policy <= SHMRING_EAGER; policy++) {
		for (tries = 0; tries < 20; tries++)	/* other processes may want the CPU */
			if (overslept(c, policy) < SHMRING_CHECK_NS / 2)
				break;
		assert_true(tries < 20);
	}
	shmring_close(c);
}

static void wait_whose_deadline_is_past_looks_and_ends(void **state)
{
	const struct shmring_wait past = { .deadline = 1 };
	struct shmring *c, *p = new_pair(&c);

	(void)state;
	assert_int_equal(shmring_wait_data(c, &past), -ETIMEDOUT);
	put(p, 8, 1);
	assert_int_equal(shmring_wait_data(c, &past), 0);
	shmring_close(c);
	shmring_close(p);
}

static void wait_that_has_ended_is_not_woken(void **state)
{
	struct shmring *c, *p = new_pair(&c);

	(void)state;
	wait_a_little(c);
	assert_true(c->lane->consumer.wake_at == SHMRING_NO_WAKE);
	put(p, 8, 1);
	assert_int_equal(p->priv->wakes, 0);
	take(c, 8, 1);
	shmring_close(c);
	shmring_close(p);
}

/*
 * A consumer without anything to release sleeps, and does not loop until the deadline, or
 * beyond it.
 */
static void wait_of_an_empty_consumer_sleeps_though_the_producer_waits(void **state)
{
	struct shmring *c, *p = new_pair(&c);

	(void)state;
	p->lane->producer.wake_at = 8;
	wait_a_little(c);
	assert_in_range(c->priv->sleeps, 1, 2);
	shmring_close(c);
	shmring_close(p);
}

/*
 * A producer that has asked for the descriptor while there was space does not count as waiting:
 * a consumer that waits for more than there is sleeps until its deadline.
 */
static void wait_for_more_ends_though_the_producer_has_polled(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	const struct shmring_wait wait = { .policy = SHMRING_BLOCK, .min_bytes = 100,
					   .deadline = shmring_deadline(1000000) };

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	assert_true(is_readable(shmring_poll_fd(p)));
	put(p, 8, 1);
	assert_int_equal(shmring_wait_data(c, &wait), -ETIMEDOUT);
	assert_in_range(c->priv->sleeps, 1, 2);
	assert_true(p->lane->producer.wake_at == SHMRING_NO_WAKE);
	take(c, 8, 1);
	shmring_close(c);
	shmring_close(p);
}

/* The producer was killed before it could store that it waits for nothing. */
static void wait_for_more_ends_though_the_producer_dies_while_it_polls(void **state)
{
	struct shmring *c, *p = new_pair(&c);
	struct shmring_wait wait = { .policy = SHMRING_BLOCK, .min_bytes = 100 };

	(void)state;
	put(p, 8, 1);
	p->lane->producer.wake_at = (uint64_t)-8;
	alarm(30);	/* without the fix this never returned */
	wait.deadline = shmring_deadline(1000000);
	assert_int_equal(shmring_wait_data(c, &wait), -ETIMEDOUT);
	assert_in_range(c->priv->sleeps, 1, 2);
	alarm(0);
	shmring_close(c);
	shmring_close(p);
}

/* The looks for the peer's death: a long wait looks less often, and still notices it. */
static void wait_looks_after_50_100_200_and_then_each_400_ms(void **state)
{
	static const uint64_t slices[] = { 50, 100, 200, 400, 400, 400, 400 };
	const struct shmring_wait wait = { .policy = SHMRING_BLOCK };
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER);
	uint64_t until[ARRAY_SIZE(slices)], start, end;
	unsigned int i;

	(void)state;
	start = shmring_deadline(0);
	skip_sleeps(until, ARRAY_SIZE(slices));
	assert_int_equal(shmring_wait_data(c, &wait), -EINTR);
	end = shmring_deadline(0);
	for (i = 0; i < ARRAY_SIZE(slices); i++) {
		assert_true(until[i] >= start + slices[i] * 1000000);
		assert_true(until[i] <= end + slices[i] * 1000000);
	}
	shmring_close(c);
}

/* A side that membarrier(2) does not reach fences, and asks the other side to fence, too. */
static void both_fence_if_one_takes_no_barriers(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;

	(void)state;
	p->lane->consumer.fence_until = 0;	/* whatever this machine can do */
	p->lane->producer.fence_until = 0;
	refuse_barrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	assert_true(p->lane->consumer.fence_until == SHMRING_FENCE_ALWAYS);
	assert_true(p->lane->producer.fence_until == SHMRING_FENCE_ALWAYS);
	/* Neither a wait nor a later owner clears the request. */
	refuse_barrier(0);
	wait_a_little(c);
	shmring_close(c);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	wait_a_little(c);
	assert_true(p->lane->consumer.fence_until == SHMRING_FENCE_ALWAYS);
	shmring_close(c);
	shmring_close(p);
}

/* The credit is the ring's capacity, if that is more than usual: one barrier for each credit. */
static void large_ring_has_a_large_credit(void **state)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .capacity = 1 << 20,
					     .role = SHMRING_CONSUMER };
	struct shmring *c;

	(void)state;
	assert_int_equal(shmring_create(&c, NULL, &opt), 0);
	wait_a_little(c);
	assert_true(c->lane->consumer.fence_until == 1 << 20 ||
		    c->lane->consumer.fence_until == SHMRING_FENCE_ALWAYS);
	shmring_close(c);
}

/* The barrier was available at first and then fails: the other side is asked to fence for good. */
static void peer_fences_if_a_barrier_fails(void **state)
{
	struct shmring *c, *p = new_pair(&c);

	(void)state;
	p->lane->consumer.fence_until = 0;
	p->lane->producer.fence_until = 0;
	refuse_barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
	wait_a_little(c);
	assert_true(p->lane->consumer.fence_until == SHMRING_FENCE_ALWAYS);
	assert_int_equal(p->lane->producer.fence_until, 0);
	put(p, 8, 1);
	take(c, 8, 1);
	refuse_barrier(0);
	wait_a_little(c);
	assert_true(p->lane->consumer.fence_until == SHMRING_FENCE_ALWAYS);
	shmring_close(c);
	shmring_close(p);
}

/* ------------------------------------------------------------- a sleeping producer */

/* A producer of a full ring, whose consumer is *@c. */
static struct shmring *full_ring(struct shmring **c)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER);
	uint64_t i, nr = p->capacity / 16;

	assert_int_equal(shmring_attach_fd(c, shmring_fd(p), SHMRING_CONSUMER), 0);
	for (i = 0; i < nr; i++)
		put(p, 8, i);
	return p;
}

/* The wait is for half a ring; after a millisecond the bytes asked for are enough. */
static void wait_for_half_the_ring_is_for_a_millisecond(void **state)
{
	const struct shmring_wait wait = { .policy = SHMRING_BLOCK };
	struct shmring *c, *p = full_ring(&c);
	uint64_t until[3], start = shmring_deadline(0), end;

	(void)state;
	skip_sleeps(until, ARRAY_SIZE(until));
	assert_int_equal(shmring_wait_space(p, 8, &wait), -EINTR);
	end = shmring_deadline(0);
	assert_in_range(until[0], start + 1000000, end + 1000000);
	assert_in_range(until[1], start + 50000000, end + 50000000);
	assert_in_range(until[2], start + 100000000, end + 100000000);
	shmring_close(c);
	shmring_close(p);
}

static void *take_one_later(void *consumer)
{
	usleep(20000);
	take(consumer, 8, 0);
	return NULL;
}

static void wait_for_space_ends_when_the_message_fits(void **state)
{
	struct shmring *c, *p = full_ring(&c);
	struct shmring_wait wait = soon();
	pthread_t thread;

	(void)state;
	wait.policy = SHMRING_BLOCK;
	assert_int_equal(pthread_create(&thread, NULL, take_one_later, c), 0);
	assert_int_equal(shmring_wait_space(p, 8, &wait), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	shmring_close(c);
	shmring_close(p);
}

/*
 * A producer that looks for space without sleeping announces it, as it will send no more until
 * then.
 */
static void any_data_is_enough_if_space_is_wanted(void **state)
{
	struct shmring *c, *p = new_pair(&c);

	(void)state;
	put(p, 8, 1);
	assert_false(shmring_memfd_arm(c, 100));
	p->producer->space_wanted = 8;
	assert_true(shmring_memfd_arm(c, 100));
	take(c, 8, 1);
	assert_false(shmring_memfd_arm(c, 100));
	put(p, 8, 2);
	assert_false(shmring_memfd_arm(c, 100));	/* that much is there */
	shmring_close(c);
	shmring_close(p);
}

/* As any data is enough for it now: what it was armed for may never come. */
static void armed_producer_wakes_a_consumer_that_waits_for_more(void **state)
{
	struct shmring *c, *p = new_pair(&c);
	uint32_t before;

	(void)state;
	put(p, 8, 1);
	before = p->lane->consumer.futex;
	p->lane->consumer.wake_at = 16;
	assert_false(shmring_memfd_arm(p, p->capacity));
	assert_int_equal(p->lane->consumer.futex, before);	/* that much is there */
	p->lane->consumer.wake_at = 100;
	assert_false(shmring_memfd_arm(p, p->capacity));
	assert_int_equal(p->lane->consumer.futex, before + 1);
	take(c, 8, 1);
	assert_true(shmring_memfd_arm(p, p->capacity));
	assert_int_equal(p->lane->consumer.futex, before + 1);	/* there is none */
	shmring_close(c);
	shmring_close(p);
}

/* ------------------------------------------------------ for a name, and for a peer */

static void wait_for_a_name_does_without_a_watch(void **state)
{
	static const char *const calls[] = { "inotify_init1", "inotify_add_watch" };
	unsigned int fds = nr_fds();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		fault_in(calls[i], ENOSPC, 1);
		assert_int_equal(shmring_memfd_wait_name(name(), SHMRING_HANDLE,
							 shmring_deadline(1000000)), 0);
		assert_true(fault_happened());
		assert_int_equal(nr_fds(), fds);
	}
}

/* Each sleep here would be interrupted. */
static void wait_for_a_peer_sleeps_until_it_is_there(void **state)
{
	const struct shmring_wait wait = { .deadline = shmring_deadline(1000000000) };
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	uint64_t until;

	(void)state;
	skip_sleeps(&until, 0);
	assert_int_equal(shmring_wait_peer(p, &wait), -EINTR);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	skip_sleeps(&until, 0);
	assert_int_equal(shmring_memfd_wait_peer(p, 0), 0);
	shmring_close(c);
	shmring_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(wait_of_every_policy_ends_at_its_deadline),
		TEST(wait_whose_deadline_is_past_looks_and_ends),
		TEST(wait_that_has_ended_is_not_woken),
		TEST(wait_of_an_empty_consumer_sleeps_though_the_producer_waits),
		WATCHING(wait_for_more_ends_though_the_producer_has_polled),
		TEST(wait_for_more_ends_though_the_producer_dies_while_it_polls),
		TEST(wait_looks_after_50_100_200_and_then_each_400_ms),
		TEST(both_fence_if_one_takes_no_barriers),
		TEST(large_ring_has_a_large_credit),
		TEST(peer_fences_if_a_barrier_fails),
		TEST(wait_for_half_the_ring_is_for_a_millisecond),
		TEST(wait_for_space_ends_when_the_message_fits),
		TEST(any_data_is_enough_if_space_is_wanted),
		TEST(armed_producer_wakes_a_consumer_that_waits_for_more),
		WATCHING(wait_for_a_name_does_without_a_watch),
		TEST(wait_for_a_peer_sleeps_until_it_is_there),
	};

	use_memfd();
	return cmocka_run_group_tests_name("memfd_wait", tests, NULL, NULL);
}
