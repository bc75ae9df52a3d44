// SPDX-License-Identifier: MIT
/*
 * The shared words after a role has ended, as the other side and the next owner see them: for
 * each way in which the owner can end, and whatever the owner had written.
 */
#include "abi.h"

#include <poll.h>
#include <sys/epoll.h>

enum way { CLOSED, KILLED, KILLED_ASLEEP, NR_WAYS };

static const char *const way_names[] = { "closed", "killed", "killed in its sleep" };

static uint64_t wake_at_of(const struct endpoint *e, uint32_t role)
{
	return role == PRODUCER ? e->lane->producer.wake_at : e->lane->consumer.wake_at;
}

static uint64_t fence_until_of(const struct endpoint *e, uint32_t role)
{
	return role == PRODUCER ? e->lane->producer.fence_until : e->lane->consumer.fence_until;
}

static uint32_t epoch_of(const struct endpoint *e, uint32_t role)
{
	return role == PRODUCER ? e->lane->producer.epoch : e->lane->consumer.epoch;
}

static uint32_t state_of_role(const struct endpoint *e, uint32_t role)
{
	return role == PRODUCER ? e->lane->producer.state : e->lane->consumer.state;
}

/* The owner scribbles over all of its page but the position, then goes. */
struct owner {
	int ring;
	uint32_t role;
	enum way way;
};

static int scribble_and_go(void *arg)
{
	const struct owner *o = arg;
	struct endpoint e = endpoint(o->ring, o->role);

	if (o->role == PRODUCER) {
		e.producer->space_wanted = ~0ull / 3;
		e.producer->cpu = 12345;
	} else {
		e.consumer->cpu = 12345;
	}
	move(&e, 64);
	if (o->way == CLOSED) {
		drop(&e);
		return TEST_PASS;
	}
	if (o->way == KILLED_ASLEEP) {
		if (o->role == PRODUCER)
			wait_space(e.fd, e.q.capacity, 0, 0);
		else
			wait_data(e.fd, e.q.capacity, 0, 0);
	}
	raise(SIGSTOP);
	return TEST_FAIL;
}

static void end_owner(struct owner *o, const struct endpoint *seen)
{
	pid_t pid = start(scribble_and_go, o);

	if (o->way == CLOSED) {
		EXPECT_EQ(end_of(pid), TEST_PASS);
		return;
	}
	if (o->way == KILLED)
		AWAIT(state_of(pid) == 'T');
	else
		AWAIT(wake_at_of(seen, o->role) != SHMRING_NO_WAKE);
	kill_child(pid);
}

/* The kernel resets every word that it wrote for the role, or that the role wrote for it. */
static void expect_clean(int ring, const struct endpoint *seen, uint32_t role, uint32_t epoch)
{
	EXPECT_EQ(state_of_role(seen, role), SHMRING_PEER_GONE);
	EXPECT_EQ(epoch_of(seen, role), epoch);
	EXPECT_EQ(wake_at_of(seen, role), SHMRING_NO_WAKE);
	EXPECT_EQ(role == PRODUCER ? seen->producer->cpu : seen->consumer->cpu, 0);
	if (role == PRODUCER) {
		EXPECT_EQ(seen->producer->space_wanted, 0);
		EXPECT_EQ(seen->lane->producer.end, seen->producer->head);
	}
	EXPECT_EQ(query(ring).head - query(ring).tail, role == PRODUCER ? 64 : 0);
}

/* The next owner sleeps and polls as the first owner would have. */
static void expect_fresh(int ring, const struct endpoint *seen, uint32_t role, uint32_t epoch,
			 uint64_t fence_until)
{
	struct endpoint next = endpoint(ring, role);
	struct pollfd p = { .fd = next.fd, .events = POLLIN | POLLOUT };

	EXPECT_EQ(state_of_role(seen, role), SHMRING_PEER_LIVE);
	EXPECT_EQ(epoch_of(seen, role), epoch + 1);
	EXPECT(fence_until_of(seen, role) >= fence_until);
	if (role == PRODUCER) {
		EXPECT_EQ(wait_space(next.fd, next.q.capacity, 0, 1), -ETIMEDOUT);
		EXPECT_EQ(poll(&p, 1, 0), 1);
	} else {
		EXPECT_EQ(wait_data(next.fd, 8, 0, 1), -ETIMEDOUT);
		EXPECT_EQ(poll(&p, 1, 0), 0);
	}
	drop(&next);
}

/* The end of the role wakes a sleeping other side, which then sleeps again as before. */
static void test_words(uint32_t role, enum way way)
{
	struct owner o = { .ring = make_ring(page_size()), .role = role, .way = way };
	struct endpoint other = endpoint(o.ring, other_role(role));
	uint64_t fence_until = fence_until_of(&other, role);

	context("%s, %s", role_name(role), way_names[way]);
	if (role == CONSUMER)
		move(&other, 64);
	end_owner(&o, &other);
	expect_clean(o.ring, &other, role, 1);
	expect_fresh(o.ring, &other, role, 1, fence_until);
	EXPECT_EQ(wake_at_of(&other, other_role(role)), SHMRING_NO_WAKE);
	drop(&other);
	CHECK(!close(o.ring));
}

/*
 * A producer that ends takes its request for space along: afterwards a consumer that asks for
 * more than there is sleeps until that much is there.
 */
static void test_wish_dies_with_its_owner(void)
{
	struct owner o = { .ring = make_ring(page_size()), .role = PRODUCER, .way = KILLED };
	struct endpoint c = endpoint(o.ring, CONSUMER), next;

	context("space wanted by a dead producer");
	end_owner(&o, &c);
	next = endpoint(o.ring, PRODUCER);
	EXPECT_EQ(wait_data(c.fd, 128, 0, now_ns() + 1000000), -ETIMEDOUT);
	move(&next, 64);
	EXPECT_EQ(wait_data(c.fd, 128, 0, 0), 0);
	drop(&next);
	drop(&c);
	CHECK(!close(o.ring));
}

/* An endpoint whose role is over wakes no sleeper, and does not touch what the next owner arms. */
static void test_over(uint32_t role)
{
	struct shmring_ioc_lowat l = { .bytes = 1 };
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int ring = make_ring(page_size()), ep = epoll_create1(EPOLL_CLOEXEC);
	struct endpoint other = endpoint(ring, other_role(role));
	struct endpoint first = endpoint(ring, role), next;

	context("%s whose role is over", role_name(role));
	CHECK(ep >= 0);
	unmap(&first);
	next = endpoint(ring, role);
	EXPECT_EQ(call(first.fd, SHMRING_IOC_WAKE, NULL), -ESHUTDOWN);
	EXPECT_EQ(call(first.fd, SHMRING_IOC_SET_LOWAT, &l), -ESHUTDOWN);
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, first.fd, &ev));
	EXPECT_EQ(epoll_wait(ep, &ev, 1, 0), 1);
	EXPECT(ev.events & EPOLLERR);
	EXPECT_EQ(wake_at_of(&other, role), SHMRING_NO_WAKE);
	CHECK(!close(ep));
	CHECK(!close(first.fd));
	drop(&next);
	drop(&other);
	CHECK(!close(ring));
}

int main(void)
{
	enum way way;

	control();
	test_over(PRODUCER);
	test_over(CONSUMER);
	for (way = 0; way < NR_WAYS; way++) {
		test_words(PRODUCER, way);
		test_words(CONSUMER, way);
	}
	test_wish_dies_with_its_owner();
	return finish();
}
