// SPDX-License-Identifier: MIT
/* SET_LOWAT: the numbers that it takes, and that poll uses the last one. */
#include "refused.h"

#include <poll.h>
#include <stdio.h>

static long set_lowat(int fd, uint64_t bytes)
{
	const struct shmring_ioc_lowat l = { .bytes = bytes };

	return call(fd, SHMRING_IOC_SET_LOWAT, &l);
}

static int ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static void test_arguments(void)
{
	const uint64_t capacity = page_size();
	const uint64_t bad[] = { 0, capacity + 1, 2 * capacity, 1ull << 63, ~0ull };
	const uint64_t good[] = { 1, 7, 8, capacity - 1, capacity };
	int ring = make_ring(capacity);
	int p = attach(ring, PRODUCER);
	int c = attach(ring, CONSUMER);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct shmring_ioc_lowat l = { .bytes = bad[i] };

		context("lowat %llu", (unsigned long long)bad[i]);
		refused(ring, p, SHMRING_IOC_SET_LOWAT, &l, -EINVAL);
		refused(ring, c, SHMRING_IOC_SET_LOWAT, &l, -EINVAL);
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		context("lowat %llu", (unsigned long long)good[i]);
		EXPECT_EQ(set_lowat(p, good[i]), 0);
		EXPECT_EQ(set_lowat(c, good[i]), 0);
	}
	CHECK(!close(p));
	CHECK(!close(c));
	CHECK(!close(ring));
}

/*
 * The producer waits for space with a record that does not fit: the consumer's poll uses the
 * bytes that the producer has said it needs.
 */
static void test_the_last_number_counts(void)
{
	const uint64_t capacity = page_size();
	int ring = make_ring(capacity);
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);

	move(&p, capacity - 64);
	EXPECT_EQ(set_lowat(p.fd, 64), 0);
	EXPECT_EQ(ready(p.fd), POLLOUT);
	EXPECT_EQ(set_lowat(p.fd, 65), 0);
	EXPECT_EQ(ready(p.fd), 0);
	EXPECT_EQ(set_lowat(c.fd, capacity - 63), 0);
	/* The producer's poll has armed, so it waits, and any data is enough for the consumer. */
	EXPECT_EQ(ready(c.fd), POLLIN);
	EXPECT_EQ(set_lowat(p.fd, 1), 0);
	EXPECT_EQ(ready(p.fd), POLLOUT);
	EXPECT_EQ(ready(c.fd), 0);
	EXPECT_EQ(set_lowat(c.fd, capacity - 64), 0);
	EXPECT_EQ(ready(c.fd), POLLIN);
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

static void test_fdinfo(void)
{
	int ring = make_ring(page_size());
	int c = attach(ring, CONSUMER);
	char path[64], line[128];
	unsigned long long lowat = 0;
	FILE *f;

	EXPECT_EQ(set_lowat(c, 1234), 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", c);
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "lowat: %llu", &lowat);
	fclose(f);
	EXPECT_EQ(lowat, 1234);
	CHECK(!close(c));
	CHECK(!close(ring));
}

/* Another thread's poll sleeps for more bytes: SET_LOWAT has it look again with fewer. */
static void test_lowered_wakes_a_poller(void)
{
	const uint64_t capacity = page_size();
	int ring = make_ring(capacity);
	struct endpoint p = endpoint(ring, PRODUCER);
	int c = attach_lowat(ring, CONSUMER, 64);
	struct actor poller = actor_on(c, CONSUMER);

	move(&p, 32);
	start_verb(&poller, VERB_POLL, POLLIN, (uint64_t)-1, 0);
	AWAIT(__atomic_load_n(&p.lane->consumer.wake_at, __ATOMIC_SEQ_CST) == 64 &&
	      state_of(poller.pid) == 'S');
	EXPECT_EQ(set_lowat(c, 48), 0);
	AWAIT(__atomic_load_n(&p.lane->consumer.wake_at, __ATOMIC_SEQ_CST) == 48 &&
	      state_of(poller.pid) == 'S');
	EXPECT(!has_input(poller.from));
	EXPECT_EQ(set_lowat(c, 32), 0);
	EXPECT_EQ(result_of(&poller), POLLIN);
	end_actor(&poller);
	drop(&p);
	CHECK(!close(c));
	CHECK(!close(ring));
}

int main(void)
{
	control();
	RUN(test_arguments);
	RUN(test_the_last_number_counts);
	RUN(test_fdinfo);
	RUN(test_lowered_wakes_a_poller);
	return finish();
}
