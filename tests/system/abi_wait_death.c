// SPDX-License-Identifier: MIT
/*
 * The other side ends, in every way it can: a sleeper is woken with the error, and a later call
 * returns it too. What was committed can still be read.
 */
#include "abi.h"

#include <poll.h>

enum way { CLOSE, UNMAP, EXIT, KILL, NR_WAYS };

static const char *const ways[] = { "close, never mapped", "unmap", "exit", "kill" };

static struct actor peer;
static struct endpoint self;	/* in this process */
static struct actor sleeper;	/* ... or in another */
static int ring;

static void peer_goes(enum way way)
{
	switch (way) {
	case CLOSE:
		CHECK_EQ(ask(&peer, VERB_CLOSE, 0, 0, 0), 0);
		break;
	case UNMAP:
		CHECK_EQ(ask(&peer, VERB_UNMAP, 0, 0, 0), 0);
		break;
	case EXIT:
		end_actor(&peer);
		return;
	default:
		kill_actor(&peer);
		return;
	}
	kill_actor(&peer);
}

static int gone(uint32_t role)
{
	return role == PRODUCER ? -EPIPE : -ENODATA;
}

static void test_asleep(uint32_t role, enum way way)
{
	context("%s sleeps, its peer goes by %s", role_name(role), ways[way]);
	ring = make_ring(page_size());
	sleeper = actor(ring, role, true);
	peer = actor(ring, other_role(role), way != CLOSE);
	if (role == PRODUCER)
		ask(&sleeper, VERB_MOVE, page_size(), 0, 0);
	start_verb(&sleeper, VERB_WAIT, 8, 8, 0);
	await_sleep(&sleeper, ring, 0);
	peer_goes(way);
	EXPECT_EQ(result_of(&sleeper), gone(role));
	/* The error stays. */
	EXPECT_EQ(ask(&sleeper, VERB_WAIT, 8, 0, 0), gone(role));
	EXPECT_EQ(ask(&sleeper, VERB_WAIT, 8, 0, 1), gone(role));
	/* Until there is another peer. */
	peer = actor(ring, other_role(role), true);
	EXPECT_EQ(ask(&sleeper, VERB_WAIT, 8, 0, 1), -ETIMEDOUT);
	ask(&peer, VERB_MOVE, 8, 0, 0);
	EXPECT_EQ(ask(&sleeper, VERB_WAIT, 8, 0, 0), 0);
	end_actor(&peer);
	end_actor(&sleeper);
	CHECK(!close(ring));
}

/* Less data than was asked for ends the wait, as no more will come. */
static void test_what_is_left(enum way way)
{
	context("consumer sleeps on too little, producer goes by %s", ways[way]);
	ring = make_ring(page_size());
	sleeper = actor(ring, CONSUMER, true);
	peer = actor(ring, PRODUCER, true);
	ask(&peer, VERB_MOVE, 24, 0, 0);
	start_verb(&sleeper, VERB_WAIT, 32, 0, 0);
	await_sleep(&sleeper, ring, 0);
	peer_goes(way);
	EXPECT_EQ(result_of(&sleeper), 0);
	EXPECT_EQ(ask(&sleeper, VERB_WAIT, 32, 0, 0), 0);
	ask(&sleeper, VERB_MOVE, 16, 0, 0);
	EXPECT_EQ(ask(&sleeper, VERB_WAIT, 32, 0, 0), 0);
	ask(&sleeper, VERB_MOVE, 8, 0, 0);
	EXPECT_EQ(ask(&sleeper, VERB_WAIT, 1, 0, 0), -ENODATA);
	end_actor(&sleeper);
	CHECK(!close(ring));
}

/* A consumer that attaches after the producer's end can still read everything. */
static void test_late_consumer(enum way way)
{
	context("producer goes by %s before there is a consumer", ways[way]);
	ring = make_ring(page_size());
	peer = actor(ring, PRODUCER, true);
	ask(&peer, VERB_MOVE, 40, 0, 0);
	peer_goes(way);
	self = endpoint(ring, CONSUMER);
	EXPECT_EQ(self.lane->producer.state, SHMRING_PEER_GONE);
	EXPECT_EQ(self.lane->producer.end, 40);
	EXPECT_EQ(wait_data(self.fd, 1, 0, 0), 0);
	move(&self, 40);
	EXPECT_EQ(wait_data(self.fd, 1, 0, 0), -ENODATA);
	drop(&self);
	CHECK(!close(ring));
}

/* A producer without a consumer gets EPIPE, whether there is space or not. */
static void test_space_without_a_consumer(enum way way)
{
	context("consumer goes by %s while there is space", ways[way]);
	ring = make_ring(page_size());
	self = endpoint(ring, PRODUCER);
	EXPECT_EQ(wait_space(self.fd, 8, 0, 0), 0);
	peer = actor(ring, CONSUMER, true);
	EXPECT_EQ(wait_space(self.fd, 8, 0, 0), 0);
	peer_goes(way);
	EXPECT_EQ(wait_space(self.fd, 8, 0, 0), -EPIPE);
	EXPECT_EQ(wait_space(self.fd, page_size(), 0, 1), -EPIPE);
	drop(&self);
	CHECK(!close(ring));
}

/* With QUEUE the producer waits for the next consumer, and no call or poll says EPIPE. */
static void test_queue(enum way way)
{
	const char *name = unique("queue");
	struct pollfd p = { .events = POLLOUT };

	context("a ring queues, its consumer goes by %s", ways[way]);
	ring = create(name, page_size(), 0600, SHMRING_CREATE_F_PERSIST | SHMRING_CREATE_F_QUEUE);
	CHECK(ring >= 0);
	EXPECT_EQ(query(ring).flags, SHMRING_CREATE_F_PERSIST | SHMRING_CREATE_F_QUEUE);
	CHECK_EQ(unlink_ring(name), 0);
	EXPECT_EQ(query(ring).flags, SHMRING_CREATE_F_QUEUE);
	self = endpoint(ring, PRODUCER);
	EXPECT_EQ(self.status->flags, SHMRING_CREATE_F_QUEUE);
	peer = actor(ring, CONSUMER, way != CLOSE);
	peer_goes(way);
	EXPECT_EQ(self.lane->consumer.state, SHMRING_PEER_NONE);
	EXPECT_EQ(self.lane->consumer.epoch, 1);
	EXPECT_EQ(query(ring).consumer_state, SHMRING_PEER_NONE);
	EXPECT_EQ(wait_space(self.fd, 8, 0, 0), 0);
	p.fd = self.fd;
	EXPECT_EQ(poll(&p, 1, 0), 1);
	EXPECT_EQ(p.revents, POLLOUT);
	move(&self, page_size());
	EXPECT_EQ(wait_space(self.fd, 8, 0, 1), -ETIMEDOUT);
	EXPECT_EQ(wait_peer(self.fd, 1), -ETIMEDOUT);
	EXPECT_EQ(poll(&p, 1, 0), 0);
	drop(&self);
	CHECK(!close(ring));
}

/* The producer sleeps on when the consumer leaves; the next consumer's first release wakes it. */
static void test_queue_asleep(enum way way)
{
	uint64_t before;

	context("a producer sleeps in a ring that queues, its consumer goes by %s", ways[way]);
	ring = create("", page_size(), 0600, SHMRING_CREATE_F_QUEUE);
	sleeper = actor(ring, PRODUCER, true);
	peer = actor(ring, CONSUMER, way != CLOSE);
	ask(&sleeper, VERB_MOVE, page_size(), 0, 0);
	start_verb(&sleeper, VERB_WAIT, 8, 8, 0);
	await_sleep(&sleeper, ring, 0);
	before = sleeps(ring, PRODUCER);
	peer_goes(way);
	await_sleep(&sleeper, ring, before);
	peer = actor(ring, CONSUMER, true);
	ask(&peer, VERB_MOVE, 8, 0, 0);
	EXPECT_EQ(result_of(&sleeper), 0);
	end_actor(&peer);
	end_actor(&sleeper);
	CHECK(!close(ring));
}

/*
 * The endpoint's own role ends while it waits: another thread, or the receiver of the file, has
 * ended it.
 */
static void test_own_role(uint32_t role)
{
	struct shmring_ioc_query q;
	struct shmring_region own;
	void *p;
	int fd;

	context("a %s sleeps on an endpoint whose role ends", role_name(role));
	ring = make_ring(page_size());
	if (role == PRODUCER) {
		self = endpoint(ring, role);
		move(&self, page_size());
		drop(&self);
	}
	fd = attach(ring, role);
	sleeper = actor_on(fd, role);
	start_verb(&sleeper, VERB_WAIT, 8, 8, 0);
	await_sleep(&sleeper, ring, 0);
	q = query(fd);
	own = role == PRODUCER ? q.producer : q.consumer;
	p = map_region(fd, &own, PROT_READ | PROT_WRITE);
	CHECK(!munmap(p, own.length));
	EXPECT_EQ(result_of(&sleeper), -ESHUTDOWN);
	end_actor(&sleeper);
	CHECK(!close(fd));
	CHECK(!close(ring));
}

int main(void)
{
	enum way way;

	control();
	for (way = 0; way < NR_WAYS; way++) {
		test_asleep(PRODUCER, way);
		test_asleep(CONSUMER, way);
		test_queue(way);
		test_queue_asleep(way);
		if (way == CLOSE)
			continue;	/* an actor that has not mapped cannot move */
		test_what_is_left(way);
		test_late_consumer(way);
		test_space_without_a_consumer(way);
	}
	test_own_role(PRODUCER);
	test_own_role(CONSUMER);
	return finish();
}
