// SPDX-License-Identifier: MIT
/*
 * Two processes that could wait for each other for ever, or for a message that is not taken:
 * where two pipes would go on, two rings go on.
 */
#include "lib.h"

#include <poll.h>

/* Shorter than PATIENCE_NS: a wait that lasts as long counts as one without end. */
#define LONG_NS		10000000000ull

static void fill(struct shmring *p)
{
	while (send_now(p) > 0)
		;
}

/* ----------------------------------------- more than there is, and no more space */

static int receive_all_that_fits(struct shmring *c)
{
	const struct shmring_wait all = { .policy = SHMRING_BLOCK, .min_bytes = page_size(),
					  .deadline = shmring_deadline(LONG_NS) };

	CHECK_EQ(shmring_wait_data(c, &all), 0);
	return TEST_PASS;
}

/* A message of 24 bytes does not fit then, and a wait for a full ring does not end. */
static void leave_a_rest(struct shmring *p)
{
	size_t room = page_size() - 16;
	struct shmring_wait now = { .flags = SHMRING_NOWAIT };
	char byte[8] = "";

	for (; room; room -= 16)
		CHECK_EQ(shmring_send(p, byte, sizeof(byte), &now), sizeof(byte));
}

static void producer_wants_space(int (*want)(struct shmring *p))
{
	struct shmring *p = make(page_size(), 0, SHMRING_PRODUCER);
	pid_t pid = start_as(p, SHMRING_CONSUMER, receive_all_that_fits);

	leave_a_rest(p);
	await_asleep(pid);
	want(p);
	CHECK_EQ(end_of(pid), TEST_PASS);
	shmring_close(p);
}

/* A consumer that this call wakes ends, perhaps before the call has returned. */
static int is_refused(struct shmring *p)
{
	char message[24] = "";
	ssize_t ret = shmring_send(p, message, sizeof(message), &nowait);

	CHECK(ret == -EAGAIN || ret == -EPIPE);
	return 0;
}

static int spins(struct shmring *p)
{
	const struct shmring_wait spin = { .policy = SHMRING_SPIN,
					   .deadline = shmring_deadline(LONG_NS / 2) };
	char message[24] = "";

	/* The consumer ends once it has been woken. */
	CHECK_EQ(shmring_send(p, message, sizeof(message), &spin), -EPIPE);
	return 0;
}

static void test_refused_producer_and_sleeping_consumer(void)
{
	producer_wants_space(is_refused);
}

static void test_spinning_producer_and_sleeping_consumer(void)
{
	producer_wants_space(spins);
}

/* The producer is refused before the consumer sleeps. */
static void test_refused_before_the_consumer_sleeps(void)
{
	struct pair pair = make_pair(page_size(), 0);

	leave_a_rest(pair.p);
	is_refused(pair.p);
	CHECK_EQ(receive_all_that_fits(pair.c), TEST_PASS);
	close_pair(&pair);
}

/* ------------------------------------------- one message fits, and half the ring not */

static struct shmring *other;	/* the ring that the child consumes from, too */

/* Take one message of a full ring, then wait for what the producer sends after its next message. */
static int take_one_then_wait_elsewhere(struct shmring *a)
{
	struct shmring *b;

	CHECK_EQ(shmring_attach_fd(&b, shmring_fd(other), SHMRING_CONSUMER), 0);
	CHECK_EQ(receive_number(a), 0);
	CHECK_EQ(receive_number(b), 1);
	return TEST_PASS;
}

static void test_message_fits_and_half_the_ring_is_not_free(void)
{
	static const enum shmring_policy policies[] = { SHMRING_BLOCK, SHMRING_ADAPTIVE };
	struct shmring *a, *b;
	size_t i, n;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		a = make(page_size(), 0, SHMRING_PRODUCER);
		b = make(page_size(), 0, SHMRING_PRODUCER);
		CHECK_EQ(shmring_set_policy(a, policies[i]), 0);
		other = b;
		pid = start_as(a, SHMRING_CONSUMER, take_one_then_wait_elsewhere);
		for (n = 0; n < page_size() / 16 + 1; n++)
			send_number(a, n);
		send_number(b, 1);
		CHECK_EQ(end_of(pid), TEST_PASS);
		shmring_close(a);
		shmring_close(b);
	}
}

/* --------------------------------------------------------------- no more can come */

static void hold(struct shmring *c, unsigned int n)
{
	size_t len;

	while (n--) {
		CHECK(shmring_peek(c, &len));
		CHECK_EQ(shmring_advance(c), 0);
	}
}

static void test_full_ring_of_which_half_is_held(void)
{
	static const enum shmring_policy policies[] = { SHMRING_BLOCK, SHMRING_ADAPTIVE,
							SHMRING_SPIN };
	struct pair pair = make_pair(page_size(), 0);
	struct shmring_wait more = { .min_bytes = page_size() };
	size_t i, n = page_size() / 16;

	fill(pair.p);
	hold(pair.c, (unsigned int)n / 2);
	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		more.policy = policies[i];
		more.deadline = shmring_deadline(LONG_NS);
		EXPECT_EQ(shmring_wait_data(pair.c, &more), 0);
	}
	hold(pair.c, (unsigned int)(n - n / 2));
	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		more.policy = policies[i];
		more.deadline = shmring_deadline(LONG_NS);
		EXPECT_EQ(shmring_wait_data(pair.c, &more), -EDEADLK);
	}
	close_pair(&pair);
}

/* ----------------------------------------------------------------- poll, refused */

/* Ready once the message fits: not before, and not much later. */
static void test_poll_for_space_that_was_lacking(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct pollfd p = { .fd = shmring_poll_fd(pair.p), .events = POLLIN | POLLOUT };
	const size_t len = page_size() / 4 * 3 - 8;
	char *message = calloc(1, len);
	size_t i;

	CHECK(message);
	fill(pair.p);
	CHECK_EQ(shmring_send(pair.p, message, len, &nowait), -EAGAIN);
	for (i = 0; i < page_size() / 4 * 3 / 16; i++) {
		EXPECT_EQ(poll(&p, 1, 0), 0);
		receive_number(pair.c);
	}
	EXPECT_EQ(poll(&p, 1, PATIENCE_S * 1000), 1);
	CHECK_EQ(shmring_send(pair.p, message, len, &nowait), len);
	free(message);
	close_pair(&pair);
}

static void test_poll_with_messages_held(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct pollfd p = { .fd = shmring_poll_fd(pair.c), .events = POLLIN };

	send_number(pair.p, 1);
	hold(pair.c, 1);
	EXPECT_EQ(shmring_wait_data(pair.c, &nowait), -EAGAIN);
	EXPECT_EQ(poll(&p, 1, 0), 0);
	send_number(pair.p, 2);
	EXPECT_EQ(poll(&p, 1, PATIENCE_S * 1000), 1);
	EXPECT_EQ(shmring_wait_data(pair.c, &nowait), 0);
	close_pair(&pair);
}

/* An endpoint that attached has no options: it calls shmring_set_lowat(). */
static void test_lowat_of_an_endpoint_that_attached(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct pollfd p = { .fd = shmring_poll_fd(pair.c), .events = POLLIN };

	EXPECT_EQ(shmring_set_lowat(pair.c, page_size() + 1), -EINVAL);
	EXPECT_EQ(shmring_set_lowat(pair.c, 48), 0);
	EXPECT_EQ(receive_now(pair.c), -EAGAIN);
	send_number(pair.p, 1);
	send_number(pair.p, 2);
	EXPECT_EQ(poll(&p, 1, 0), 0);
	send_number(pair.p, 3);
	EXPECT_EQ(poll(&p, 1, PATIENCE_S * 1000), 1);
	close_pair(&pair);
}

/* ---------------------------------------------------------------------- draining */

static int receive_three_later(struct shmring *c)
{
	int i;

	for (i = 0; i < 3; i++) {
		usleep(20000);
		receive_number(c);
	}
	return TEST_PASS;
}

static int leave_one(struct shmring *c)
{
	usleep(20000);
	receive_number(c);
	return TEST_PASS;
}

static void send_three(struct shmring *p)
{
	send_number(p, 1);
	send_number(p, 2);
	send_number(p, 3);
}

static void test_drain(void)
{
	const struct shmring_wait soon = { .deadline = shmring_deadline(1000000) };
	struct shmring *p = make(page_size(), 0, SHMRING_PRODUCER);
	struct shmring_info info = SHMRING_INFO_INIT;
	pid_t pid;

	EXPECT_EQ(shmring_drain(p, NULL), 0);
	send_three(p);
	EXPECT_EQ(shmring_drain(p, &soon), -ETIMEDOUT);
	pid = start_as(p, SHMRING_CONSUMER, receive_three_later);
	EXPECT_EQ(shmring_drain(p, NULL), 0);
	CHECK_EQ(shmring_get_info(p, &info), 0);
	EXPECT_EQ(info.used, 0);
	CHECK_EQ(end_of(pid), TEST_PASS);
	EXPECT_EQ(shmring_drain(p, NULL), 0);
	shmring_close(p);
}

static void test_drain_to_a_consumer_that_goes(void)
{
	struct shmring *p = make(page_size(), 0, SHMRING_PRODUCER);
	pid_t pid;

	send_three(p);
	pid = start_as(p, SHMRING_CONSUMER, leave_one);
	EXPECT_EQ(shmring_drain(p, NULL), -EPIPE);
	CHECK_EQ(end_of(pid), TEST_PASS);
	shmring_close(p);
}

/* The ring has no name and ends with its producer: only the linger keeps the producer there. */
static void test_linger(void)
{
	struct shmring *p = make(page_size(), 0, SHMRING_PRODUCER);
	struct shmring *c = attach(p, SHMRING_HANDLE);
	uint64_t start;
	pid_t pid;

	EXPECT_EQ(shmring_set_linger(c, 1), -EBADF);
	EXPECT_EQ(shmring_set_linger(p, LONG_NS), 0);
	send_three(p);
	pid = start_as(c, SHMRING_CONSUMER, receive_three_later);
	start = now_ns();
	shmring_close(p);
	EXPECT(now_ns() - start > 30000000);
	CHECK_EQ(end_of(pid), TEST_PASS);
	/* If no consumer takes the message, the close waits no longer than the linger. */
	shmring_close(c);
	p = make(page_size(), 0, SHMRING_PRODUCER);
	send_three(p);
	EXPECT_EQ(shmring_set_linger(p, 50000000), 0);
	start = now_ns();
	shmring_close(p);
	EXPECT(now_ns() - start >= 50000000);
}

int main(void)
{
	need_backend();
	RUN(test_refused_producer_and_sleeping_consumer);
	RUN(test_spinning_producer_and_sleeping_consumer);
	RUN(test_refused_before_the_consumer_sleeps);
	RUN(test_message_fits_and_half_the_ring_is_not_free);
	RUN(test_full_ring_of_which_half_is_held);
	RUN(test_poll_for_space_that_was_lacking);
	RUN(test_poll_with_messages_held);
	RUN(test_lowat_of_an_endpoint_that_attached);
	RUN(test_drain);
	RUN(test_drain_to_a_consumer_that_goes);
	RUN(test_linger);
	return finish();
}
