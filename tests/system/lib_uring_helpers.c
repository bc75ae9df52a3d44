// SPDX-License-Identifier: MIT
/* The helpers of shmring_uring.h: what they prepare and refuse, with commands and without. */
#include "uring.h"

#include <sys/resource.h>

static struct io_uring *ring;

/* The helpers refuse what the library refuses, and work on either backend. */
static void test_helpers(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct shmring *handle = attach(pair.p, SHMRING_HANDLE);
	size_t len;
	int i;

	EXPECT_EQ(shmring_prep_wait_data(next_sqe(ring), pair.p, 0), -EBADF);
	EXPECT_EQ(shmring_prep_wait_data(next_sqe(ring), handle, 0), -EBADF);
	EXPECT_EQ(shmring_prep_wait_space(next_sqe(ring), pair.c, 0), -EBADF);
	EXPECT_EQ(shmring_prep_wait_data(next_sqe(ring), pair.c, page_size() + 1), -EINVAL);
	EXPECT_EQ(shmring_prep_wait_space(next_sqe(ring), pair.p, page_size()), -EMSGSIZE);
	EXPECT_EQ(shmring_prep_poll_multishot(next_sqe(ring), handle), -EBADF);
	submit(ring);
	for (i = 0; i < 6; i++)
		EXPECT_EQ(next_result(ring, NULL), 0);

	/* For a command, messages that were stepped past and not released are no data. */
	send_number(pair.p, 1);
	CHECK(shmring_peek(pair.c, &len));
	CHECK_EQ(shmring_advance(pair.c), 0);
	if (!shmring_uring_native(pair.c))
		CHECK_EQ(shmring_release(pair.c), 0);
	CHECK_EQ(shmring_prep_wait_data(next_sqe(ring), pair.c, 0), 0);
	submit(ring);
	EXPECT(is_pending(ring));
	send_number(pair.p, 2);
	EXPECT(next_result(ring, NULL) >= 0);
	if (shmring_uring_native(pair.c))
		CHECK_EQ(shmring_release(pair.c), 0);
	EXPECT_EQ(receive_number(pair.c), 2);
	/* Preparing a wait for space publishes what is staged. */
	CHECK(shmring_reserve(pair.p, 8));
	CHECK_EQ(shmring_stage(pair.p, 8), 0);
	CHECK_EQ(shmring_prep_wait_space(next_sqe(ring), pair.p, shmring_max_len(pair.p)), 0);
	submit(ring);
	EXPECT(receive_now(pair.c) > 0);
	EXPECT(next_result(ring, NULL) >= 0);
	shmring_close(handle);
	close_pair(&pair);
}

static void test_helpers_with_slots(void)
{
	struct pair pair = make_pair(page_size(), 24);
	static const size_t wrong[] = { 0, 23, 25 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(shmring_prep_wait_space(next_sqe(ring), pair.p, wrong[i]), -EMSGSIZE);
		submit(ring);
		EXPECT_EQ(next_result(ring, NULL), 0);
	}
	EXPECT_EQ(shmring_prep_wait_space(next_sqe(ring), pair.p, 24), 0);
	submit(ring);
	EXPECT(next_result(ring, NULL) >= 0);
	close_pair(&pair);
}

static void send_slot(struct shmring *r)
{
	CHECK_EQ(shmring_send(r, "a slot of twenty...", 20, &nowait), 20);
}

static void take_slot(struct shmring *r)
{
	char buf[20];

	CHECK_EQ(shmring_recv(r, buf, sizeof(buf), &nowait), 20);
}

/* The number of slots is the limit, and not the capacity. */
static void test_helpers_with_three_slots(void)
{
	struct shmring_options opt = { .size = sizeof(opt), .slot_size = 20, .slots = 3, .align = 4,
				       .role = SHMRING_PRODUCER };
	struct pair pair;
	int i;

	CHECK_EQ(shmring_create(&pair.p, NULL, &opt), 0);
	pair.c = attach(pair.p, SHMRING_CONSUMER);
	for (i = 0; i < 3; i++)
		send_slot(pair.p);
	CHECK_EQ(shmring_prep_wait_space(next_sqe(ring), pair.p, 20), 0);
	submit(ring);
	EXPECT(is_pending(ring));
	take_slot(pair.c);
	EXPECT(next_result(ring, NULL) >= 0);
	send_slot(pair.p);
	for (i = 0; i < 3; i++)
		take_slot(pair.c);
	CHECK_EQ(shmring_prep_wait_data(next_sqe(ring), pair.c, page_size()), 0);
	submit(ring);
	send_slot(pair.p);
	send_slot(pair.p);
	EXPECT(is_pending(ring));
	send_slot(pair.p);
	EXPECT(next_result(ring, NULL) >= 0);
	close_pair(&pair);
}

/* With no descriptor left it is unknown whether there are commands: a later call finds out. */
static int without_descriptors(void *arg)
{
	struct pair pair = make_pair(page_size(), 0);
	int want = on_memfd() ? -EMFILE : 0, lowest;
	struct rlimit old, tight;
	bool *native = arg;

	ring = open_uring(0);
	lowest = dup(0);
	CHECK(!getrlimit(RLIMIT_NOFILE, &old));
	close(lowest);
	tight = (struct rlimit){ (rlim_t)lowest, old.rlim_max };
	CHECK(!setrlimit(RLIMIT_NOFILE, &tight));
	EXPECT(!shmring_uring_native(pair.c));
	EXPECT_EQ(shmring_prep_wait_data(next_sqe(ring), pair.c, 0), want);
	EXPECT_EQ(shmring_prep_wait_space(next_sqe(ring), pair.p, 8), want);
	CHECK(!setrlimit(RLIMIT_NOFILE, &old));
	*native = shmring_uring_native(pair.c);
	close_uring(ring);
	close_pair(&pair);
	return TEST_PASS;
}

int main(void)
{
	bool *native_later = share(sizeof(*native_later));
	struct shmring *r;

	need_backend();
	need_inotify();
	need_uring();
	EXPECT_EQ(in_child(without_descriptors, native_later), TEST_PASS);
	ring = open_uring(0);
	r = make(page_size(), 0, SHMRING_CONSUMER);
	EXPECT_EQ(*native_later, shmring_uring_native(r));
	shmring_close(r);
	RUN(test_helpers);
	RUN(test_helpers_with_slots);
	RUN(test_helpers_with_three_slots);
	close_uring(ring);
	return finish();
}
