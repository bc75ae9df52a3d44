// SPDX-License-Identifier: MIT
/* Signals and waits: handlers, stops, and death. */
#include "abi.h"

static struct actor waiter;
static struct endpoint peer;
static int ring;

static void begin(uint32_t role)
{
	ring = make_ring(page_size());
	peer = endpoint(ring, other_role(role));
	waiter = actor(ring, role, true);
	if (role == PRODUCER)
		ask(&waiter, VERB_MOVE, page_size(), 0, 0);
}

static void send_to_sleep(uint64_t deadline)
{
	uint64_t before = sleeps(ring, waiter.role);

	start_verb(&waiter, VERB_WAIT, 8, 8, deadline);
	await_sleep(&waiter, ring, before);
}

static void end(void)
{
	end_actor(&waiter);
	drop(&peer);
	CHECK(!close(ring));
}

static uint64_t wake_at(void)
{
	return waiter.role == PRODUCER ? peer.lane->producer.wake_at : peer.lane->consumer.wake_at;
}

/* SIGUSR1 without SA_RESTART, SIGUSR2 with: the actor has a handler for both. */
static void test_handler(uint32_t role, int sig)
{
	context("%s gets signal %d", role_name(role), sig);
	begin(role);
	send_to_sleep(0);
	CHECK(!kill(waiter.pid, sig));
	EXPECT_EQ(result_of(&waiter), -EINTR);
	EXPECT_EQ(wake_at(), SHMRING_NO_WAKE);
	send_to_sleep(now_ns() + 3600000000000);
	CHECK(!kill(waiter.pid, sig));
	EXPECT_EQ(result_of(&waiter), -EINTR);
	end();
}

/* Data that comes with a signal ends the wait with success. */
static void test_success_beats_the_signal(uint32_t role)
{
	context("%s has its bytes when the signal comes", role_name(role));
	begin(role);
	send_to_sleep(0);
	set_position(&peer, 8);		/* and no WAKE */
	CHECK(!kill(waiter.pid, SIGUSR1));
	EXPECT_EQ(result_of(&waiter), 0);
	end();
}

static void stop_and_continue(void)
{
	CHECK(!kill(waiter.pid, SIGSTOP));
	AWAIT(state_of(waiter.pid) == 'T');
	CHECK(!kill(waiter.pid, SIGCONT));
}

static void test_stop(uint32_t role)
{
	uint64_t before;
	int i;

	context("%s is stopped", role_name(role));
	begin(role);
	send_to_sleep(0);
	for (i = 0; i < 5; i++) {
		before = sleeps(ring, role);
		stop_and_continue();
		await_sleep(&waiter, ring, before);
	}
	move(&peer, 8);
	EXPECT_EQ(result_of(&waiter), 0);
	end();
}

/* A stopped process keeps its role, and gets what has come meanwhile. */
static void test_move_while_stopped(uint32_t role)
{
	struct shmring_ioc_query q;

	context("%s is stopped when it is woken", role_name(role));
	begin(role);
	send_to_sleep(0);
	CHECK(!kill(waiter.pid, SIGSTOP));
	AWAIT(state_of(waiter.pid) == 'T');
	q = query(ring);
	EXPECT_EQ(role == PRODUCER ? q.producer_state : q.consumer_state, SHMRING_PEER_LIVE);
	EXPECT_EQ(attach(ring, role), -EBUSY);
	move(&peer, 8);
	CHECK(!kill(waiter.pid, SIGCONT));
	EXPECT_EQ(result_of(&waiter), 0);
	end();
}

/* The deadline is absolute: a stop does not move it. */
static void test_deadline_while_stopped(uint32_t role)
{
	uint64_t deadline;

	context("%s is stopped over its deadline", role_name(role));
	begin(role);
	deadline = now_ns() + 100000000;
	start_verb(&waiter, VERB_WAIT, 8, 8, deadline);
	CHECK(!kill(waiter.pid, SIGSTOP));
	AWAIT(now_ns() > deadline);
	CHECK(!kill(waiter.pid, SIGCONT));
	EXPECT_EQ(result_of(&waiter), -ETIMEDOUT);
	end();
}

/* Nothing is left of a killed sleeper, and its role is free. */
static void test_kill(uint32_t role)
{
	int i;

	context("%s is killed while it sleeps", role_name(role));
	for (i = 0; i < 10; i++) {
		begin(role);
		send_to_sleep(i % 2 ? now_ns() + 3600000000000 : 0);
		kill_actor(&waiter);
		EXPECT_EQ(wake_at(), SHMRING_NO_WAKE);
		waiter = actor(ring, role, true);
		send_to_sleep(0);
		move(&peer, 8);
		EXPECT_EQ(result_of(&waiter), 0);
		end();
	}
}

/* One of two sleepers on the same endpoint is killed: the other is still woken. */
static void test_kill_one_of_two(void)
{
	struct endpoint p;
	struct actor first, second;
	int r = make_ring(page_size());
	int fd = attach(r, CONSUMER);

	context("one of two sleepers is killed");
	CHECK(fd >= 0);
	p = endpoint(r, PRODUCER);
	first = actor_on(fd, CONSUMER);
	second = actor_on(fd, CONSUMER);
	start_verb(&first, VERB_WAIT, 8, 0, 0);
	await_sleep(&first, r, 0);
	start_verb(&second, VERB_WAIT, 16, 0, 0);
	await_sleep(&second, r, 1);
	kill_actor(&first);
	move(&p, 8);
	move(&p, 8);
	EXPECT_EQ(result_of(&second), 0);
	kill_actor(&second);
	drop(&p);
	CHECK(!close(fd));
	CHECK(!close(r));
}

int main(void)
{
	uint32_t role;

	control();
	for (role = PRODUCER; role <= CONSUMER; role++) {
		test_handler(role, SIGUSR1);
		test_handler(role, SIGUSR2);
		test_success_beats_the_signal(role);
		test_stop(role);
		test_move_while_stopped(role);
		test_deadline_while_stopped(role);
		test_kill(role);
	}
	test_kill_one_of_two();
	return finish();
}
