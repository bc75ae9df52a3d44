// SPDX-License-Identifier: MIT
/* WAIT_PEER: the first owner of the other side, and the next; deadlines, signals, the end. */
#include "refused.h"

static void test_arguments(void)
{
	int ring = make_ring(page_size());
	int fd = attach(ring, CONSUMER);
	struct shmring_ioc_wait_peer w;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		context("bit %d", bit);
		w = (struct shmring_ioc_wait_peer){ .deadline = 1, .flags = 1u << bit };
		refused(ring, fd, SHMRING_IOC_WAIT_PEER, &w, -EINVAL);
		w = (struct shmring_ioc_wait_peer){ .deadline = 1, .reserved = 1u << bit };
		refused(ring, fd, SHMRING_IOC_WAIT_PEER, &w, -EINVAL);
	}
	w = (struct shmring_ioc_wait_peer){ .deadline = 1 };
	refused(ring, ring, SHMRING_IOC_WAIT_PEER, &w, -ENOTTY);
	CHECK(!close(fd));
	CHECK(!close(ring));
}

static void go_to_sleep(struct actor *a, uint64_t deadline)
{
	start_verb(a, VERB_PEER, deadline, 0, 0);
	AWAIT(state_of(a->pid) == 'S');
}

static void test_first_and_next(uint32_t role)
{
	int ring = make_ring(page_size());
	struct actor a = actor(ring, role, true);
	int peer, i;

	context("%s waits", role_name(role));
	EXPECT_EQ(ask(&a, VERB_PEER, 1, 0, 0), -ETIMEDOUT);
	for (i = 0; i < 3; i++) {
		go_to_sleep(&a, i == 1 ? now_ns() + 3600000000000 : 0);
		peer = attach(ring, other_role(role));
		CHECK(peer >= 0);
		EXPECT_EQ(result_of(&a), 0);
		/* While there is a peer the call returns at once, with any deadline. */
		EXPECT_EQ(ask(&a, VERB_PEER, 0, 0, 0), 0);
		EXPECT_EQ(ask(&a, VERB_PEER, 1, 0, 0), 0);
		CHECK(!close(peer));
		EXPECT_EQ(ask(&a, VERB_PEER, 1, 0, 0), -ETIMEDOUT);
	}
	end_actor(&a);
	CHECK(!close(ring));
}

static void test_signal(void)
{
	int ring = make_ring(page_size());
	struct actor a = actor(ring, CONSUMER, true);
	int peer;

	go_to_sleep(&a, 0);
	EXPECT_EQ(interrupt(&a, SIGUSR1), -EINTR);
	/* Stopping and continuing the process does not end its wait. */
	go_to_sleep(&a, 0);
	CHECK(!kill(a.pid, SIGSTOP));
	AWAIT(state_of(a.pid) == 'T');
	CHECK(!kill(a.pid, SIGCONT));
	AWAIT(state_of(a.pid) == 'S');
	peer = attach(ring, PRODUCER);
	EXPECT_EQ(result_of(&a), 0);
	CHECK(!close(peer));
	end_actor(&a);
	CHECK(!close(ring));
}

/* A deadline ends the wait, and not before its time. */
static void test_deadline(void)
{
	int ring = make_ring(page_size());
	int fd = attach(ring, PRODUCER);
	uint64_t deadline = now_ns() + 20000000;

	EXPECT_EQ(wait_peer(fd, deadline), -ETIMEDOUT);
	EXPECT(now_ns() >= deadline);
	CHECK(!close(fd));
	CHECK(!close(ring));
}

static void test_own_end(void)
{
	int ring = make_ring(page_size());
	struct endpoint e = endpoint(ring, PRODUCER);
	struct actor a = actor_on(e.fd, PRODUCER);

	go_to_sleep(&a, 0);
	unmap(&e);
	EXPECT_EQ(result_of(&a), -ESHUTDOWN);
	EXPECT_EQ(wait_peer(e.fd, 0), -ESHUTDOWN);
	end_actor(&a);
	CHECK(!close(e.fd));
	CHECK(!close(ring));
}

/*
 * A signal ends WAIT_DATA: the kernel clears wake_at, although WAIT_PEER still sleeps in the
 * same queue.
 */
static void test_leaves_nothing_armed(void)
{
	int ring = make_ring(page_size());
	struct endpoint e = endpoint(ring, CONSUMER);
	struct actor peer_waiter = actor_on(e.fd, CONSUMER);
	struct actor data_waiter = actor_on(e.fd, CONSUMER);

	go_to_sleep(&peer_waiter, 0);
	start_verb(&data_waiter, VERB_WAIT, 8, 8, 0);
	await_sleep(&data_waiter, ring, 0);
	CHECK(!kill(data_waiter.pid, SIGUSR1));
	EXPECT_EQ(result_of(&data_waiter), -EINTR);
	EXPECT_EQ(interrupt(&peer_waiter, SIGUSR1), -EINTR);
	EXPECT_EQ(e.lane->consumer.wake_at, SHMRING_NO_WAKE);
	end_actor(&peer_waiter);
	end_actor(&data_waiter);
	drop(&e);
	CHECK(!close(ring));
}

int main(void)
{
	control();
	RUN(test_arguments);
	test_first_and_next(PRODUCER);
	test_first_and_next(CONSUMER);
	RUN(test_signal);
	RUN(test_deadline);
	RUN(test_own_end);
	RUN(test_leaves_nothing_armed);
	return finish();
}
