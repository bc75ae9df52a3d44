// SPDX-License-Identifier: MIT
/* WAIT_DATA and WAIT_SPACE: each argument wrong in turn, and every deadline. */
#include "refused.h"

static int ring;

static const unsigned long commands[] = {
	[PRODUCER] = SHMRING_IOC_WAIT_SPACE,
	[CONSUMER] = SHMRING_IOC_WAIT_DATA,
};

static void refuse(int fd, uint32_t role, const struct shmring_ioc_wait *w, int want)
{
	refused(ring, fd, commands[role], w, want);
}

static void test_bits(int fd, uint32_t role)
{
	struct shmring_ioc_wait w;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		context("%s waits, bit %d", role_name(role), bit);
		w = (struct shmring_ioc_wait){ .bytes = 1, .deadline = 1, .flags = 1u << bit };
		refuse(fd, role, &w, -EINVAL);
		w = (struct shmring_ioc_wait){ .bytes = 1, .deadline = 1, .reserved = 1u << bit };
		refuse(fd, role, &w, -EINVAL);
	}
}

static void test_bytes(int fd, uint32_t role)
{
	const uint64_t capacity = query(ring).capacity;
	const uint64_t bad[] = { 0, capacity + 1, capacity * 2, 1ull << 63, ~0ull };
	struct shmring_ioc_wait w;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("%s waits for %#llx bytes", role_name(role), (unsigned long long)bad[i]);
		w = (struct shmring_ioc_wait){ .bytes = bad[i], .deadline = 1 };
		refuse(fd, role, &w, -EINVAL);
		if (!bad[i])
			continue;
		context("%s waits with mark %#llx", role_name(role), (unsigned long long)bad[i]);
		w = (struct shmring_ioc_wait){ .bytes = 1, .mark = bad[i], .deadline = 1 };
		refuse(fd, role, &w, -EINVAL);
	}
}

/*
 * There is nothing, so a wait whose deadline has passed returns ETIMEDOUT. It may or may not
 * count as a sleep.
 */
static void test_passed_deadlines(int fd, uint32_t role)
{
	const uint64_t capacity = query(ring).capacity;
	const uint64_t bytes[] = { 1, 7, 8, capacity - 1, capacity };
	const uint64_t deadlines[] = { 1, 2, now_ns() - 1, now_ns() };
	struct shmring_ioc_wait w;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(bytes); i++) {
		for (j = 0; j < ARRAY_SIZE(deadlines); j++) {
			context("%s waits for %llu bytes, deadline %llu", role_name(role),
				(unsigned long long)bytes[i], (unsigned long long)deadlines[j]);
			w = (struct shmring_ioc_wait){ bytes[i], 0, deadlines[j], 0, 0 };
			EXPECT_EQ(call(fd, commands[role], &w), -ETIMEDOUT);
			w.mark = capacity;
			EXPECT_EQ(call(fd, commands[role], &w), -ETIMEDOUT);
		}
	}
}

/* A wait for what is there succeeds, with any deadline. */
static void test_success_beats_the_deadline(int fd, uint32_t role)
{
	static const uint64_t deadlines[] = { 0, 1, INT64_MAX, ~0ull };
	const uint64_t capacity = query(ring).capacity;
	struct shmring_ioc_wait w;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(deadlines); i++) {
		w = (struct shmring_ioc_wait){ capacity, 0, deadlines[i], 0, 0 };
		EXPECT_EQ(call(fd, commands[role], &w), 0);
		w = (struct shmring_ioc_wait){ 1, capacity, deadlines[i], 0, 0 };
		EXPECT_EQ(call(fd, commands[role], &w), 0);
	}
}

/* Far away, and beyond what a clock can show: with each of these a wait sleeps. */
static void test_far_deadlines(uint32_t role)
{
	static const uint64_t deadlines[] = { 0, INT64_MAX - 1ull, INT64_MAX, INT64_MAX + 1ull,
					      INT64_MAX + 2ull, ~0ull - 1, ~0ull };
	struct actor waiter, peer;
	uint64_t before;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(deadlines); i++) {
		int r = make_ring(page_size());

		context("%s waits until %#llx", role_name(role), (unsigned long long)deadlines[i]);
		waiter = actor(r, role, true);
		peer = actor(r, other_role(role), true);
		if (role == PRODUCER)
			ask(&waiter, VERB_MOVE, page_size(), 0, 0);
		before = sleeps(r, role);
		start_verb(&waiter, VERB_WAIT, 8, 0, deadlines[i]);
		await_sleep(&waiter, r, before);
		ask(&peer, VERB_MOVE, page_size(), 0, 0);
		EXPECT_EQ(result_of(&waiter), 0);
		end_actor(&waiter);
		end_actor(&peer);
		CHECK(!close(r));
	}
}

int main(void)
{
	struct endpoint producer, consumer;

	ring = make_ring(4 * page_size());
	producer = endpoint(ring, PRODUCER);
	consumer = endpoint(ring, CONSUMER);

	test_bits(consumer.fd, CONSUMER);
	test_bytes(consumer.fd, CONSUMER);
	test_passed_deadlines(consumer.fd, CONSUMER);
	test_success_beats_the_deadline(producer.fd, PRODUCER);

	move(&producer, producer.q.capacity);
	test_bits(producer.fd, PRODUCER);
	test_bytes(producer.fd, PRODUCER);
	test_passed_deadlines(producer.fd, PRODUCER);
	test_success_beats_the_deadline(consumer.fd, CONSUMER);

	test_far_deadlines(CONSUMER);
	test_far_deadlines(PRODUCER);
	return finish();
}
