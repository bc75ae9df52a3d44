// SPDX-License-Identifier: MIT
/* poll and select: what is ready when, with every lowat; and which sleepers are woken. */
#include "abi.h"

#include <poll.h>
#include <sys/select.h>

/* POLLERR always comes with POLLHUP, and is left out here. */
#define EVENTS	(POLLIN | POLLOUT | POLLHUP)

static int ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents & EVENTS;
}

static void test_levels(uint64_t producer_lowat, uint64_t consumer_lowat)
{
	const uint64_t capacity = page_size();
	const uint64_t space = producer_lowat ? producer_lowat : SHMRING_ALIGN;
	const uint64_t data = consumer_lowat ? consumer_lowat : 1;
	int ring = make_ring(capacity);
	struct endpoint p = endpoint_lowat(ring, PRODUCER, producer_lowat);
	struct endpoint c = endpoint_lowat(ring, CONSUMER, consumer_lowat);
	uint64_t used;

	context("lowat %llu and %llu", (unsigned long long)producer_lowat,
		(unsigned long long)consumer_lowat);
	for (used = 0; used <= capacity; used += 8) {
		EXPECT_EQ(ready(c.fd), used >= data ? POLLIN : 0);
		EXPECT_EQ(ready(p.fd), capacity - used >= space ? POLLOUT : 0);
		if (used < capacity)
			move(&p, 8);
	}
	for (used = capacity; used; used -= 8) {
		EXPECT_EQ(ready(c.fd), used >= data ? POLLIN : 0);
		EXPECT_EQ(ready(p.fd), capacity - used >= space ? POLLOUT : 0);
		move(&c, 8);
	}
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

/*
 * As for waits: if the two lowats exclude each other, the consumer gets what there is, or it
 * would wait for ever.
 */
static void test_lowats_that_exclude_each_other(void)
{
	const uint64_t capacity = page_size();
	int ring = make_ring(capacity);
	struct endpoint p = endpoint_lowat(ring, PRODUCER, capacity);
	struct endpoint c = endpoint_lowat(ring, CONSUMER, capacity);

	move(&p, 8);
	EXPECT_EQ(ready(c.fd), 0);
	EXPECT_EQ(ready(p.fd), 0);
	EXPECT_EQ(ready(c.fd), POLLIN);
	move(&c, 8);
	EXPECT_EQ(ready(p.fd), POLLOUT);
	EXPECT_EQ(ready(c.fd), 0);
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

static void test_select(void)
{
	struct timeval none = { 0, 0 };
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);
	int most = (p.fd > c.fd ? p.fd : c.fd) + 1;
	fd_set in, out;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(c.fd, &in);
	FD_SET(p.fd, &out);
	EXPECT_EQ(select(most, &in, &out, NULL, &none), 1);
	EXPECT(!FD_ISSET(c.fd, &in) && FD_ISSET(p.fd, &out));
	move(&p, page_size());
	FD_SET(c.fd, &in);
	FD_SET(p.fd, &out);
	EXPECT_EQ(select(most, &in, &out, NULL, &none), 1);
	EXPECT(FD_ISSET(c.fd, &in) && !FD_ISSET(p.fd, &out));
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

static void test_end_of_stream(void)
{
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);

	move(&p, 16);
	drop(&p);
	EXPECT_EQ(ready(c.fd), POLLIN | POLLHUP);
	move(&c, 16);
	EXPECT(ready(c.fd) & POLLHUP);
	/* Another producer takes the role and goes on. */
	p = endpoint(ring, PRODUCER);
	EXPECT_EQ(ready(c.fd), 0);
	move(&p, 8);
	EXPECT_EQ(ready(c.fd), POLLIN);
	drop(&c);
	EXPECT(ready(p.fd) & POLLHUP);
	EXPECT(!(ready(p.fd) & POLLOUT));
	c = endpoint(ring, CONSUMER);
	EXPECT_EQ(ready(p.fd), POLLOUT);
	/* The endpoint's own role is over: nothing will come any more. */
	unmap(&p);
	EXPECT(ready(p.fd) & POLLHUP);
	EXPECT(!(ready(p.fd) & POLLOUT));
	CHECK(!close(p.fd));
	unmap(&c);
	EXPECT(ready(c.fd) & POLLHUP);
	EXPECT(!(ready(c.fd) & POLLIN));
	CHECK(!close(c.fd));
	CHECK(!close(ring));
}

/* All events asked for, and the errors, which poll reports in any case. */
static int said(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static void test_every_event(void)
{
	const int all = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI | POLLRDHUP;
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);

	EXPECT_EQ(said(ring, all), POLLERR);
	EXPECT_EQ(said(p.fd, all), POLLOUT | POLLWRNORM);
	EXPECT_EQ(said(p.fd, POLLWRNORM), POLLWRNORM);
	EXPECT_EQ(said(c.fd, all), 0);
	move(&p, 8);
	EXPECT_EQ(said(c.fd, all), POLLIN | POLLRDNORM);
	EXPECT_EQ(said(c.fd, POLLRDNORM), POLLRDNORM);
	drop(&p);
	EXPECT_EQ(said(c.fd, all), POLLIN | POLLRDNORM | POLLHUP | POLLRDHUP);
	EXPECT_EQ(said(c.fd, POLLRDHUP), POLLHUP | POLLRDHUP);
	p = endpoint(ring, PRODUCER);
	drop(&c);
	EXPECT_EQ(said(p.fd, all), POLLERR | POLLHUP);
	drop(&p);
	CHECK(!close(ring));
}

/* A producer's default lowat is a slot, or the smallest record. */
static void test_large_slots(void)
{
	const uint64_t eighth = page_size() / 8;
	const struct shmring_ioc_create create = { .capacity = 8 * eighth, .mode = 0600,
						   .slot_size = (uint32_t)(6 * eighth) };
	int ring = (int)call(control(), SHMRING_IOC_CREATE, &create);
	struct endpoint p, c;

	CHECK(ring >= 0);
	p = endpoint(ring, PRODUCER);
	c = endpoint(ring, CONSUMER);
	EXPECT_EQ(ready(p.fd), POLLOUT);
	move(&p, 6 * eighth);
	EXPECT_EQ(ready(p.fd), 0);
	set_position(&c, 3 * eighth);
	EXPECT_EQ(ready(p.fd), 0);
	set_position(&c, 6 * eighth);
	EXPECT_EQ(ready(p.fd), POLLOUT);
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

/* The counters count only waits; wake_at shows whether a poller sleeps. */
static void await_armed(struct actor *a, struct endpoint *peer)
{
	const __u64 *wake_at = a->role == PRODUCER ? &peer->lane->producer.wake_at :
						     &peer->lane->consumer.wake_at;

	AWAIT(__atomic_load_n(wake_at, __ATOMIC_SEQ_CST) != SHMRING_NO_WAKE &&
	      state_of(a->pid) == 'S');
	CHECK(!has_input(a->from));
}

static void sleep_in_poll(struct actor *a, struct endpoint *peer, int events)
{
	start_verb(a, VERB_POLL, (uint64_t)events, (uint64_t)-1, 0);
	await_armed(a, peer);
}

static void test_woken(uint32_t role)
{
	const int event = role == PRODUCER ? POLLOUT : POLLIN;
	int ring = make_ring(page_size());
	struct endpoint peer = endpoint(ring, other_role(role));
	struct actor a = actor(ring, role, true);
	int i;

	context("%s sleeps in poll", role_name(role));
	if (role == PRODUCER)
		ask(&a, VERB_MOVE, page_size(), 0, 0);
	for (i = 0; i < 100; i++) {
		sleep_in_poll(&a, &peer, event);
		move(&peer, page_size());
		EXPECT_EQ(result_of(&a) & EVENTS, event);
		ask(&a, VERB_MOVE, page_size(), 0, 0);
	}
	/* A poller that is woken with nothing ready goes on sleeping. */
	sleep_in_poll(&a, &peer, event);
	for (i = 0; i < 100; i++)
		CHECK_EQ(call(peer.fd, SHMRING_IOC_WAKE, NULL), 0);
	await_armed(&a, &peer);
	move(&peer, page_size());
	EXPECT_EQ(result_of(&a) & EVENTS, event);
	end_actor(&a);
	drop(&peer);
	CHECK(!close(ring));
}

/* The poller uses an endpoint of this process, so that its wake_at can be seen here. */
static void test_woken_by_death(uint32_t role, bool by_kill)
{
	int ring = make_ring(page_size());
	struct actor a, peer;
	struct endpoint e;

	context("%s sleeps in poll, its peer %s", role_name(role), by_kill ? "is killed" : "exits");
	if (role == PRODUCER) {
		e = endpoint(ring, role);
		move(&e, page_size());
		drop(&e);
	}
	e = (struct endpoint){ .fd = attach(ring, role), .q = query(ring) };
	e.status = map_region(e.fd, &e.q.kernel, PROT_READ);
	e.lane = (const void *)((const char *)e.status + SHMRING_LANE_OFFSET);
	a = actor_on(e.fd, role);
	peer = actor(ring, other_role(role), true);
	sleep_in_poll(&a, &e, role == PRODUCER ? POLLOUT : POLLIN);
	if (by_kill)
		kill_actor(&peer);
	else
		end_actor(&peer);
	EXPECT(result_of(&a) & POLLHUP);
	end_actor(&a);
	CHECK(!munmap((void *)e.status, e.q.kernel.length));
	CHECK(!close(e.fd));
	CHECK(!close(ring));
}

int main(void)
{
	const uint64_t capacity = page_size();

	control();
	test_levels(0, 0);
	test_levels(1, 1);
	test_levels(8, 16);
	test_levels(capacity - 64, 64);
	test_levels(8, capacity - 8);
	RUN(test_lowats_that_exclude_each_other);
	RUN(test_select);
	RUN(test_end_of_stream);
	RUN(test_every_event);
	RUN(test_large_slots);
	test_woken(PRODUCER);
	test_woken(CONSUMER);
	test_woken_by_death(PRODUCER, false);
	test_woken_by_death(PRODUCER, true);
	test_woken_by_death(CONSUMER, false);
	test_woken_by_death(CONSUMER, true);
	return finish();
}
