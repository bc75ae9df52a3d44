// SPDX-License-Identifier: MIT
/* A consumer, or a producer, goes on where the previous one stopped. */
#include "lib.h"

static void stage_number(struct shmring *r, uint64_t n)
{
	void *to = shmring_reserve(r, sizeof(n));

	CHECK(to);
	memcpy(to, &n, sizeof(n));
	CHECK_EQ(shmring_stage(r, sizeof(n)), 0);
}

/* Messages that were peeked at and stepped past, but not released, have not been read. */
static int take_two_of_four(struct shmring *r)
{
	size_t len;

	receive_number(r);
	receive_number(r);
	CHECK(shmring_peek(r, &len));
	CHECK_EQ(shmring_advance(r), 0);
	CHECK(shmring_peek(r, &len));
	raise(SIGKILL);
	return TEST_FAIL;
}

static void test_killed_consumer(void)
{
	struct shmring *p, *c, *r = make(page_size(), 0, SHMRING_HANDLE);
	uint64_t n;
	int i;

	for (i = 0; i < 100; i++) {
		c = attach(r, SHMRING_CONSUMER);	/* or the producer gets EPIPE */
		p = attach(r, SHMRING_PRODUCER);
		for (n = 0; n < 4; n++)
			send_number(p, n);
		shmring_close(c);
		EXPECT_EQ(end_of(start_as(r, SHMRING_CONSUMER, take_two_of_four)), 128 + SIGKILL);
		c = attach(r, SHMRING_CONSUMER);
		EXPECT_EQ(receive_number(c), 2);
		EXPECT_EQ(receive_number(c), 3);
		EXPECT_EQ(receive_now(c), -EAGAIN);
		shmring_close(c);
		shmring_close(p);
	}
	shmring_close(r);
}

/* Messages that were staged and reserved, but not published, have not been written. */
static int send_two_of_four(struct shmring *r)
{
	send_number(r, 1);
	send_number(r, 2);
	stage_number(r, 3);
	CHECK(shmring_reserve(r, 100));
	raise(SIGKILL);
	return TEST_FAIL;
}

static void test_killed_producer(void)
{
	struct shmring *c = make(page_size(), 0, SHMRING_CONSUMER), *p;
	int i;

	for (i = 0; i < 100; i++) {
		EXPECT_EQ(end_of(start_as(c, SHMRING_PRODUCER, send_two_of_four)), 128 + SIGKILL);
		EXPECT_EQ(receive_number(c), 1);
		EXPECT_EQ(receive_number(c), 2);
		/* Wait: without the module, a death is noticed a little later. */
		EXPECT_EQ(shmring_wait_data(c, NULL), -ENODATA);
		p = attach(c, SHMRING_PRODUCER);
		send_number(p, 4);
		EXPECT_EQ(receive_number(c), 4);
		shmring_close(p);
	}
	shmring_close(c);
}

/* The same when the owner closes. */
static void test_close(void)
{
	struct pair pair = make_pair(page_size(), 0);
	size_t len;
	int i;

	for (i = 0; i < 100; i++) {
		send_number(pair.p, 1);
		send_number(pair.p, 2);
		stage_number(pair.p, 3);
		shmring_close(pair.p);
		EXPECT_EQ(receive_number(pair.c), 1);
		CHECK(shmring_peek(pair.c, &len));
		CHECK_EQ(shmring_advance(pair.c), 0);
		pair.p = attach(pair.c, SHMRING_PRODUCER);
		shmring_close(pair.c);
		pair.c = attach(pair.p, SHMRING_CONSUMER);
		EXPECT_EQ(receive_number(pair.c), 2);
		EXPECT_EQ(receive_now(pair.c), -EAGAIN);
	}
	close_pair(&pair);
}

int main(void)
{
	need_backend();
	RUN(test_killed_consumer);
	RUN(test_killed_producer);
	RUN(test_close);
	return finish();
}
