// SPDX-License-Identifier: MIT
/*
 * epoll, level-triggered, edge-triggered and one-shot: a ping-pong of some thousand rounds, in
 * which a lost event is a hang; then each edge alone.
 */
#include "abi.h"

#include <sys/epoll.h>

static uint64_t rounds;

struct game {
	int ping, pong;
	uint32_t flags;
};

static int watch(int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	CHECK(ep >= 0);
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	return ep;
}

static uint32_t next_event(int ep, int timeout)
{
	struct epoll_event ev = { .events = 0 };
	int ret;

	do {
		ret = epoll_wait(ep, &ev, 1, timeout);
	} while (ret < 0 && errno == EINTR);
	CHECK(ret >= 0);
	return ret ? ev.events : 0;
}

/* Take everything. Returns the number of bytes. */
static uint64_t take(struct endpoint *c)
{
	uint64_t used = __atomic_load_n(&c->producer->head, __ATOMIC_ACQUIRE) - c->consumer->tail;

	if (used)
		move(c, used);
	return used;
}

static void rally(int in, int out, uint32_t flags, bool serve)
{
	struct endpoint c = endpoint(in, CONSUMER);
	struct endpoint p = endpoint(out, PRODUCER);
	struct epoll_event again = { .events = EPOLLIN | flags };
	int ep = watch(c.fd, again.events);
	uint64_t i;

	if (serve)
		move(&p, 8);
	for (i = 0; i < rounds; i++) {
		do {
			EXPECT(next_event(ep, -1) & EPOLLIN);
			if (flags & EPOLLONESHOT)
				CHECK(!epoll_ctl(ep, EPOLL_CTL_MOD, c.fd, &again));
		} while (!take(&c));
		if (!serve || i + 1 < rounds)
			move(&p, 8);
	}
	EXPECT_EQ(c.consumer->tail, 8 * rounds);
	close(ep);
	drop(&c);
	/* The other process may still be reading the last message. */
	AWAIT(p.consumer->tail == p.producer->head);
	drop(&p);
}

static int returner(void *arg)
{
	struct game *g = arg;

	rally(g->ping, g->pong, g->flags, false);
	return TEST_PASS;
}

static void test_ping_pong(uint32_t flags)
{
	struct game g = { make_ring(page_size()), make_ring(page_size()), flags };
	pid_t pid;

	context("ping-pong with epoll flags %#x", flags);
	pid = start(returner, &g);
	rally(g.pong, g.ping, flags, true);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	CHECK(!close(g.ping));
	CHECK(!close(g.pong));
}

/* An edge for each new arrival, whether or not what was there has been taken. */
static void test_edges(void)
{
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);
	int ep = watch(c.fd, EPOLLIN | EPOLLET);
	int i;

	EXPECT_EQ(next_event(ep, 0), 0);
	for (i = 0; i < 100; i++) {
		move(&p, 8);
		EXPECT(next_event(ep, -1) & EPOLLIN);
		EXPECT_EQ(next_event(ep, 0), 0);
		if (i % 3 == 0)
			take(&c);
	}
	close(ep);
	/* The level-triggered epoll goes on reporting what has not been taken. */
	move(&p, 8);
	ep = watch(c.fd, EPOLLIN);
	for (i = 0; i < 3; i++)
		EXPECT(next_event(ep, 0) & EPOLLIN);
	take(&c);
	EXPECT_EQ(next_event(ep, 0), 0);
	close(ep);
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

/* The producer's edges: from no space to space. */
static void test_space_edges(void)
{
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);
	int ep = watch(p.fd, EPOLLOUT | EPOLLET);
	int i;

	EXPECT(next_event(ep, 0) & EPOLLOUT);
	for (i = 0; i < 100; i++) {
		move(&p, page_size());
		EXPECT_EQ(next_event(ep, 0) & EPOLLOUT, 0);
		EXPECT_EQ(take(&c), page_size());
		EXPECT(next_event(ep, -1) & EPOLLOUT);
		EXPECT_EQ(next_event(ep, 0), 0);
	}
	close(ep);
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

/*
 * A consumer waits for more than there is, in an empty ring. A producer that arms for its next
 * edge ends that wait: any data will do then, as the producer may send no more.
 */
static void test_edge_of_a_producer_in_an_empty_ring(void)
{
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	struct actor a = actor(ring, CONSUMER, true);
	int ep;

	start_verb(&a, VERB_WAIT, page_size(), 0, 0);
	await_sleep(&a, ring, 0);
	EXPECT_EQ(p.lane->consumer.wake_at, page_size());
	ep = watch(p.fd, EPOLLOUT | EPOLLET);
	EXPECT(next_event(ep, 0) & EPOLLOUT);
	AWAIT(__atomic_load_n(&p.lane->consumer.wake_at, __ATOMIC_SEQ_CST) == 1);
	move(&p, 8);
	EXPECT_EQ(result_of(&a), 0);
	close(ep);
	end_actor(&a);
	drop(&p);
	CHECK(!close(ring));
}

/* EPOLL_CTL_MOD polls the endpoint anew. A ready endpoint does not get armed by that. */
static void test_one_shot(uint32_t flags)
{
	struct epoll_event again = { .events = EPOLLIN | EPOLLONESHOT | flags };
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);
	int ep = watch(c.fd, again.events);
	int i;

	for (i = 0; i < 100; i++) {
		move(&p, 8);
		EXPECT(next_event(ep, -1) & EPOLLIN);
		move(&p, 8);
		EXPECT_EQ(next_event(ep, 0), 0);
		CHECK(!epoll_ctl(ep, EPOLL_CTL_MOD, c.fd, &again));
		EXPECT(next_event(ep, 0) & EPOLLIN);
		EXPECT(c.lane->consumer.wake_at == SHMRING_NO_WAKE);
		take(&c);
		CHECK(!epoll_ctl(ep, EPOLL_CTL_MOD, c.fd, &again));
		EXPECT_EQ(next_event(ep, 0), 0);
		EXPECT(c.lane->consumer.wake_at != SHMRING_NO_WAKE);
	}
	close(ep);
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

static void test_death(uint32_t role, uint32_t flags)
{
	int ring = make_ring(page_size());
	struct endpoint e = endpoint(ring, role);
	struct actor peer = actor(ring, other_role(role), true);
	int ep;

	context("%s in epoll (%#x), its peer is killed", role_name(role), flags);
	if (role == PRODUCER)
		move(&e, page_size());
	ep = watch(e.fd, flags | (role == PRODUCER ? EPOLLOUT : EPOLLIN));
	EXPECT_EQ(next_event(ep, 0), 0);
	kill_actor(&peer);
	EXPECT(next_event(ep, -1) & EPOLLHUP);
	close(ep);
	drop(&e);
	CHECK(!close(ring));
}

/* A descriptor that has reported the end of the other side reports its successor. */
static void test_new_peer_is_an_edge(void)
{
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER), c = endpoint(ring, CONSUMER);
	int ep = watch(p.fd, EPOLLOUT | EPOLLET);

	CHECK_EQ(next_event(ep, -1), EPOLLOUT);
	drop(&c);
	CHECK(next_event(ep, -1) & EPOLLERR);
	EXPECT_EQ(next_event(ep, 0), 0);
	c = endpoint(ring, CONSUMER);
	EXPECT_EQ(next_event(ep, 0), EPOLLOUT);
	EXPECT_EQ(next_event(ep, 0), 0);
	drop(&c);
	drop(&p);
	close(ep);
	close(ring);
}

static void test_watched_endpoint_goes(void)
{
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c;
	int ep, i;

	for (i = 0; i < 100; i++) {
		c = endpoint(ring, CONSUMER);
		ep = watch(c.fd, EPOLLIN | (i & 1 ? EPOLLET : 0));
		EXPECT_EQ(next_event(ep, 0), 0);
		if (i & 2)
			close(ep);
		unmap(&c);
		if (!(i & 2))
			EXPECT(next_event(ep, -1) & EPOLLHUP);
		CHECK(!close(c.fd));
		if (!(i & 2)) {
			EXPECT_EQ(next_event(ep, 0), 0);
			close(ep);
		}
	}
	drop(&p);
	CHECK(!close(ring));
}

int main(void)
{
	control();
	rounds = nr_sleeps(2000);
	test_ping_pong(0);
	test_ping_pong(EPOLLET);
	test_ping_pong(EPOLLONESHOT);
	test_ping_pong(EPOLLET | EPOLLONESHOT);
	RUN(test_edges);
	RUN(test_space_edges);
	RUN(test_edge_of_a_producer_in_an_empty_ring);
	context("one-shot");
	test_one_shot(0);
	context("one-shot, edge-triggered");
	test_one_shot(EPOLLET);
	test_death(PRODUCER, 0);
	test_death(PRODUCER, EPOLLET);
	test_death(CONSUMER, 0);
	test_death(CONSUMER, EPOLLET);
	RUN(test_new_peer_is_an_edge);
	RUN(test_watched_endpoint_goes);
	return finish();
}
