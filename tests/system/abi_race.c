// SPDX-License-Identifier: MIT
/*
 * Threads that attach, map, wait, poll, wake, close, name and die at random, on the same few
 * descriptors. No single call has an expected result. Afterwards a ring must work, nothing may
 * be left, and the kernel must have nothing to report.
 *
 * SHMRING_RACES says how many calls each thread makes (default: 1000).
 */
#include "abi.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>

#define NR_THREADS	4
#define NR_SLOTS	6

static int ring;
static struct shmring_ioc_query geometry;
static int slots[NR_SLOTS];		/* endpoints; -1: none */
static uint64_t calls;
static char name[64];

static int *any_slot(uint64_t *seed)
{
	return &slots[random_u64(seed) % NR_SLOTS];
}

static int any(uint64_t *seed)
{
	return __atomic_load_n(any_slot(seed), __ATOMIC_RELAXED);
}

/* The thread that takes a descriptor out of its slot has to close it or put it into another. */
static void put(int *slot, int fd)
{
	int old = __atomic_exchange_n(slot, fd, __ATOMIC_ACQ_REL);

	if (old >= 0)
		CHECK(!close(old));
}

static void attach_some(uint64_t *seed)
{
	int fd = attach(ring, random_u64(seed) % 2 ? PRODUCER : CONSUMER);

	if (fd >= 0)
		put(any_slot(seed), fd);
	else
		EXPECT_EQ(fd, -EBUSY);
}

static void close_some(uint64_t *seed)
{
	put(any_slot(seed), -1);
}

/* Writable mappings get random content, in their positions too. */
static void map_some(uint64_t *seed)
{
	const struct shmring_region *const regions[] = { &geometry.kernel, &geometry.consumer,
							 &geometry.producer, &geometry.data };
	const struct shmring_region *where = regions[random_u64(seed) % ARRAY_SIZE(regions)];
	int prot = random_u64(seed) % 2 ? PROT_READ | PROT_WRITE : PROT_READ;
	uint64_t *p = mmap(NULL, where->length, prot, MAP_SHARED, any(seed), (off_t)where->offset);

	if (p == MAP_FAILED)
		return;
	if (prot & PROT_WRITE)
		__atomic_store_n(p, random_u64(seed), __ATOMIC_RELAXED);
	else
		(void)__atomic_load_n(p, __ATOMIC_RELAXED);
	CHECK(!munmap(p, where->length));
}

static void wait_some(uint64_t *seed)
{
	uint64_t deadline = now_ns() + random_u64(seed) % 100000;
	int fd = any(seed);

	if (random_u64(seed) % 2)
		wait_data(fd, 8, 0, deadline);
	else
		wait_space(fd, 8, 0, deadline);
}

static void wake_some(uint64_t *seed)
{
	call(any(seed), SHMRING_IOC_WAKE, NULL);
}

static void poll_some(uint64_t *seed)
{
	struct pollfd p[] = { { .fd = any(seed), .events = POLLIN | POLLOUT },
			      { .fd = any(seed), .events = POLLIN | POLLOUT } };

	poll(p, 2, (int)(random_u64(seed) % 2));
}

/* An epoll that outlives the endpoint it watches, and an endpoint that outlives the epoll. */
static void watch_some(uint64_t *seed)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT |
					    (random_u64(seed) % 2 ? EPOLLET : 0) };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	CHECK(ep >= 0);
	epoll_ctl(ep, EPOLL_CTL_ADD, any(seed), &ev);
	epoll_ctl(ep, EPOLL_CTL_ADD, any(seed), &ev);
	epoll_wait(ep, &ev, 1, 0);
	if (random_u64(seed) % 2)
		close_some(seed);
	epoll_wait(ep, &ev, 1, (int)(random_u64(seed) % 2));
	CHECK(!close(ep));
}

static void name_some(uint64_t *seed)
{
	int fd = random_u64(seed) % 2 ? create(name, page_size(), 0600, 0) :
					open_ring(name, SHMRING_RIGHT_ALL);

	if (random_u64(seed) % 4 == 0)
		unlink_ring(name);
	if (fd >= 0)
		CHECK(!close(fd));
}

/* Kill a process that has mappings, or that sleeps. */
static void kill_some(uint64_t *seed)
{
	pid_t pid = random_u64(seed) % 16 ? -1 : fork();

	if (!pid) {
		for (;;) {
			map_some(seed);
			wait_some(seed);
		}
	}
	if (pid > 0)
		kill_child(pid);
}

static void *run(void *arg)
{
	static void (*const actions[])(uint64_t *seed) = {
		attach_some, attach_some, attach_some, close_some, map_some, map_some, map_some,
		wait_some, wake_some, poll_some, watch_some, name_some, kill_some,
	};
	uint64_t *seed = arg, i;

	for (i = 0; i < calls; i++)
		actions[random_u64(seed) % ARRAY_SIZE(actions)](seed);
	return NULL;
}

/* The next owners begin with an empty ring; they wait and move. */
static void expect_usable(void)
{
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);
	uint64_t left = p.producer->head - c.consumer->tail;

	EXPECT(left <= page_size());
	move(&c, left);
	EXPECT_EQ(wait_data(c.fd, 8, 0, 1), -ETIMEDOUT);
	move(&p, 8);
	EXPECT_EQ(wait_data(c.fd, 8, 0, 0), 0);
	drop(&p);
	drop(&c);
}

int main(void)
{
	uint64_t seed = setting("SHMRING_SEED", now_ns()), seeds[NR_THREADS];
	pthread_t threads[NR_THREADS];
	int i, fds;

	control();
	calls = setting("SHMRING_RACES", 1000);
	printf("SHMRING_SEED=%llu, %llu calls in each of %d threads\n", (unsigned long long)seed,
	       (unsigned long long)calls, NR_THREADS);
	strcpy(name, unique("race"));
	ring = make_ring(page_size());
	geometry = query(ring);
	fds = nr_fds();
	for (i = 0; i < NR_SLOTS; i++)
		slots[i] = -1;
	for (i = 0; i < NR_THREADS; i++) {
		seeds[i] = seed + (uint64_t)i;
		CHECK(!pthread_create(&threads[i], NULL, run, &seeds[i]));
	}
	for (i = 0; i < NR_THREADS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	for (i = 0; i < NR_SLOTS; i++)
		put(&slots[i], -1);
	EXPECT_EQ(nr_fds(), fds);
	EXPECT_EQ(open_ring(name, SHMRING_RIGHT_ALL), -ENOENT);
	expect_usable();
	CHECK(!close(ring));
	return finish();
}
