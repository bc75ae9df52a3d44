// SPDX-License-Identifier: MIT
/*
 * Fences, seen from user space: a call that must not sleep does not wait for (J), and a side
 * cannot have the other side's CPUs interrupted without bound.
 */
#include "abi.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define NR_RINGS	64
#define FAR		(2u << 20)	/* past the first credit of every kernel */

static long times_blocked(void)
{
	struct rusage usage;

	CHECK(!getrusage(RUSAGE_SELF, &usage));
	return usage.ru_nvcsw;
}

/*
 * The first poll of an empty ring, past the first MiB, takes a grace period on machines
 * other than x86. Neither epoll_ctl() nor poll(..., 0) waits for it, and no wake-up for a
 * message that comes meanwhile is lost.
 */
static void test_nobody_waits_for_grace_periods(void)
{
	struct endpoint p[NR_RINGS], c[NR_RINGS];
	struct epoll_event ev = { .events = EPOLLIN }, events[NR_RINGS];
	struct pollfd pfd = { .events = POLLOUT };
	int ring[NR_RINGS], ep = epoll_create1(EPOLL_CLOEXEC), i, nr = 0;
	long before;

	CHECK(ep >= 0);
	for (i = 0; i < NR_RINGS; i++) {
		ring[i] = make_ring(page_size());
		p[i] = endpoint(ring[i], PRODUCER);
		c[i] = endpoint(ring[i], CONSUMER);
		set_position(&p[i], FAR + page_size());
		set_position(&c[i], FAR);
	}
	before = times_blocked();
	for (i = 0; i < NR_RINGS; i++) {
		pfd.fd = p[i].fd;
		CHECK_EQ(poll(&pfd, 1, 0), 0);
		set_position(&c[i], FAR + page_size());
		CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, c[i].fd, &ev));
	}
	/*
	 * An implementation that waited for (J) blocked in each of the 128 calls. On a busy
	 * machine a few may block for another reason.
	 */
	EXPECT(times_blocked() - before < NR_RINGS / 2);
	for (i = 0; i < NR_RINGS; i++)
		move(&p[i], 8);
	/* Level-triggered: all that is ready comes each time. */
	AWAIT((nr = epoll_wait(ep, events, NR_RINGS, 1000)) == NR_RINGS);
	EXPECT_EQ(nr, NR_RINGS);
	for (i = 0; i < NR_RINGS; i++) {
		drop(&p[i]);
		drop(&c[i]);
		CHECK(!close(ring[i]));
	}
	CHECK(!close(ep));
}

/* A side that polls an empty ring once per credit of bytes soon gets no (J) any more. */
static void test_interrupts_are_bounded(void)
{
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);
	struct pollfd pfd = { .fd = c.fd, .events = POLLIN };
	uint64_t i;

	for (i = 1; i <= 20000 && c.lane->consumer.fence_until != SHMRING_FENCE_ALWAYS; i++) {
		set_position(&p, i * FAR);
		set_position(&c, i * FAR);
		CHECK_EQ(poll(&pfd, 1, 0), 0);
	}
	EXPECT_EQ(c.lane->consumer.fence_until, SHMRING_FENCE_ALWAYS);
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

int main(void)
{
	control();
	RUN(test_nobody_waits_for_grace_periods);
	RUN(test_interrupts_are_bounded);
	return finish();
}
