// SPDX-License-Identifier: MIT
/*
 * Positions that no honest process writes. The kernel may return anything, but must return:
 * each wait here ends by the false position, a WAKE, the peer's death or the deadline.
 * Afterwards the next owners of both roles can use the ring.
 */
#include "abi.h"

#include <poll.h>
#include <sys/epoll.h>

static const uint64_t fake[] = { 0, 1, 7, 8, 4095, 4096, 4097, 1ull << 31, 1ull << 32,
				 1ull << 62, 1ull << 63, (1ull << 63) + 1, ~0ull - 4096,
				 ~0ull - 4095, ~0ull - 1, ~0ull };

static bool is_answer(int ret, uint32_t role)
{
	return ret == 0 || ret == -ETIMEDOUT || ret == -EBADMSG ||
	       ret == (role == PRODUCER ? -EPIPE : -ENODATA);
}

static int wait_as(struct endpoint *e, uint64_t bytes, uint64_t deadline)
{
	return e->role == PRODUCER ? wait_space(e->fd, bytes, 0, deadline) :
				     wait_data(e->fd, bytes, 0, deadline);
}

static void test_every_false_pair(void)
{
	const uint64_t capacity = page_size();
	int ring = make_ring(capacity);
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);
	struct pollfd fds[] = { { .fd = p.fd, .events = POLLOUT },
				{ .fd = c.fd, .events = POLLIN } };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		for (j = 0; j < ARRAY_SIZE(fake); j++) {
			context("head %#llx, tail %#llx", (unsigned long long)fake[i],
				(unsigned long long)fake[j]);
			set_position(&p, fake[i]);
			set_position(&c, fake[j]);
			EXPECT(is_answer(wait_as(&p, 1, 1), PRODUCER));
			EXPECT(is_answer(wait_as(&p, capacity, now_ns() + 1000), PRODUCER));
			EXPECT(is_answer(wait_as(&c, 1, 1), CONSUMER));
			EXPECT(is_answer(wait_as(&c, capacity, now_ns() + 1000), CONSUMER));
			EXPECT(poll(fds, 2, 0) >= 0);
			EXPECT_EQ(call(p.fd, SHMRING_IOC_WAKE, NULL), 0);
			EXPECT_EQ(call(c.fd, SHMRING_IOC_WAKE, NULL), 0);
			EXPECT_EQ(query(ring).head, fake[i]);
			EXPECT_EQ(query(ring).tail, fake[j]);
			EXPECT_EQ(p.lane->consumer.wake_at, SHMRING_NO_WAKE);
			EXPECT_EQ(c.lane->producer.wake_at, SHMRING_NO_WAKE);
		}
	}
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

/* A false position costs the other side, and the next owner, no more than a silent peer would. */
static void test_wake_at_false_positions(uint32_t role)
{
	struct endpoint hostile;
	struct actor victim;
	uint64_t seed = 1;
	int ring, i, ret;

	for (i = 0; i < 40; i++) {
		ring = make_ring(page_size());
		hostile = endpoint(ring, other_role(role));
		victim = actor(ring, role, true);
		if (role == PRODUCER)
			ask(&victim, VERB_MOVE, page_size(), 0, 0);
		start_verb(&victim, VERB_WAIT, 8, 0, 0);
		await_sleep(&victim, ring, 0);
		set_position(&hostile, i < (int)ARRAY_SIZE(fake) ? fake[i] : random_u64(&seed));
		CHECK_EQ(call(hostile.fd, SHMRING_IOC_WAKE, NULL), 0);
		drop(&hostile);
		ret = result_of(&victim);
		context("%s is woken by false position %d, returns %d", role_name(role), i, ret);
		EXPECT(is_answer(ret, role));
		end_actor(&victim);
		CHECK(!close(ring));
	}
}

/*
 * Both sides store false positions and go, in either order: the next two owners find positions
 * that they can go on from.
 */
static void test_nothing_left_of_false_positions(uint32_t first)
{
	const uint64_t far = ~0ull / 4 * 3;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		for (j = 0; j < ARRAY_SIZE(fake); j++) {
			int ring = make_ring(page_size());
			struct endpoint p = endpoint(ring, PRODUCER);
			struct endpoint c = endpoint(ring, CONSUMER);
			struct shmring_ioc_query q;

			context("head %#llx, tail %#llx, the %s goes first",
				(unsigned long long)fake[i], (unsigned long long)fake[j],
				role_name(first));
			set_position(&p, fake[i]);
			set_position(&c, fake[j]);
			drop(first == PRODUCER ? &p : &c);
			drop(first == PRODUCER ? &c : &p);
			q = query(ring);
			EXPECT(q.head - q.tail <= page_size());
			EXPECT_EQ((q.head | q.tail) % SHMRING_ALIGN, 0);
			EXPECT(q.head < far && q.tail < far);
			CHECK(!close(ring));
		}
	}
}

/*
 * Wait again and again, as a library does that finds nothing each time. Each wait returns; whether
 * one of them looks just when the position has gone back is chance, and how the CPUs are shared.
 */
static int waits_for_ever(void *arg)
{
	struct endpoint *c = arg;
	int i, ret = 0;

	for (i = 0; i < 100000 && !ret; i++)
		ret = wait_data(c->fd, 8, 0, 0);
	return !ret || ret == -EBADMSG ? TEST_PASS : TEST_FAIL;
}

static int polls_for_ever(void *arg)
{
	struct endpoint *c = arg;
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	int i;

	for (i = 0; i < 100000 && !(p.revents & POLLERR); i++)
		CHECK(poll(&p, 1, -1) == 1);
	return TEST_PASS;
}

/*
 * The producer moves head on when the consumer has armed, and back when the consumer has been
 * woken. Without a bound, the consumer would loop in the kernel with nothing to return, and
 * look at neither signals nor its deadline.
 */
static int flips_at_the_right_time(void *arg)
{
	struct endpoint p = endpoint(*(int *)arg, PRODUCER);

	for (;;) {
		bool armed = __atomic_load_n(&p.lane->consumer.wake_at, __ATOMIC_SEQ_CST) !=
			     SHMRING_NO_WAKE;

		set_position(&p, armed ? 8 : 0);
		if (armed)	/* poll leaves it armed */
			call(p.fd, SHMRING_IOC_WAKE, NULL);
	}
	return TEST_FAIL;
}

static void test_flip_at_the_right_time(int (*victim)(void *arg))
{
	int ring = make_ring(page_size());
	struct endpoint c = { .fd = attach(ring, CONSUMER), .role = CONSUMER };
	pid_t hostile = start(flips_at_the_right_time, &ring);

	AWAIT(query(ring).producer_state == SHMRING_PEER_LIVE);
	EXPECT_EQ(in_child(victim, &c), TEST_PASS);
	kill_child(hostile);
	CHECK(!close(c.fd));
	CHECK(!close(ring));
}

static void flip(struct endpoint *hostile, struct actor *victim, uint64_t *seed)
{
	while (!has_input(victim->from)) {
		set_position(hostile, random_u64(seed));
		if (random_u64(seed) % 4 == 0)
			CHECK_EQ(call(hostile->fd, SHMRING_IOC_WAKE, NULL), 0);
	}
}

/* The next owners of both roles find a ring that works. */
static void expect_usable(int ring)
{
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);

	EXPECT(p.producer->head - c.consumer->tail <= page_size());
	move(&c, p.producer->head - c.consumer->tail);
	EXPECT_EQ(wait_data(c.fd, 1, 0, 1), -ETIMEDOUT);
	move(&p, 8);
	EXPECT_EQ(wait_data(c.fd, 8, 0, 1), 0);
	EXPECT_EQ(wait_space(p.fd, page_size() - 8, 0, 1), 0);
	drop(&p);
	drop(&c);
}

static void test_waits_while_it_flips(uint32_t role)
{
	int ring = make_ring(page_size());
	struct endpoint hostile = endpoint(ring, other_role(role));
	struct actor victim = actor(ring, role, true);
	uint64_t seed = 7;
	int i;

	context("%s waits while its peer writes at random", role_name(role));
	for (i = 0; i < 500; i++) {
		start_verb(&victim, VERB_WAIT, 1 + random_u64(&seed) % page_size(), 0,
		     now_ns() + random_u64(&seed) % 2000000);
		flip(&hostile, &victim, &seed);
		EXPECT(is_answer(result_of(&victim), role));
	}
	drop(&hostile);
	end_actor(&victim);
	expect_usable(ring);
	CHECK(!close(ring));
}

/*
 * An edge-triggered poll has called the consumer ready for a position, and the producer goes
 * back behind it: poll shows that, as the library would find no message again and again.
 */
static void test_back_after_an_edge(void)
{
	int ring = make_ring(page_size()), ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);
	struct pollfd fd = { .fd = c.fd, .events = POLLIN };

	CHECK(ep >= 0);
	set_position(&p, 16);
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, c.fd, &ev));
	EXPECT_EQ(poll(&fd, 1, 0), 1);
	EXPECT_EQ(fd.revents, POLLIN);
	set_position(&p, 8);
	EXPECT_EQ(poll(&fd, 1, 0), 1);
	EXPECT_EQ(fd.revents, POLLIN | POLLERR);
	EXPECT_EQ(wait_data(c.fd, 1, 0, 1), -EBADMSG);
	CHECK(!close(ep));
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

int main(void)
{
	control();
	RUN(test_every_false_pair);
	test_wake_at_false_positions(PRODUCER);
	test_wake_at_false_positions(CONSUMER);
	test_nothing_left_of_false_positions(PRODUCER);
	test_nothing_left_of_false_positions(CONSUMER);
	RUN(test_back_after_an_edge);
	context("flips under waits");
	test_flip_at_the_right_time(waits_for_ever);
	context("flips under polls");
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		test_flip_at_the_right_time(polls_for_ever);
	else	/* the head cannot change between two looks of one poll: each sleeps */
		printf("one CPU: flips under polls are left out\n");
	test_waits_while_it_flips(PRODUCER);
	test_waits_while_it_flips(CONSUMER);
	return finish();
}
