// SPDX-License-Identifier: MIT
/*
 * Every way to wait that needs nothing but the system calls: blocking, poll, select,
 * and epoll level-triggered, edge-triggered, one-shot and exclusive. No wake-up and
 * no edge is lost, and none costs the other side more than one call.
 */
#include "waits.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>

#define EVENTS	(POLLIN | POLLOUT)

static void wait_blocking(struct waiter *w, uint64_t timeout)
{
	struct shmring_wait how = { .policy = SHMRING_BLOCK };
	int ret;

	if (timeout)
		how.deadline = shmring_deadline(timeout);
	if (w->r->role == SHMRING_PRODUCER)
		ret = shmring_wait_space(w->r, w->len, &how);
	else
		ret = shmring_wait_data(w->r, &how);
	CHECK(ret == 0 || ret == -ETIMEDOUT);
	w->waits++;
}

static void get_fd(struct waiter *w)
{
	w->fd = shmring_poll_fd(w->r);
	CHECK(w->fd >= 0);
}

static void wait_in_poll(struct waiter *w, uint64_t timeout)
{
	struct pollfd p = { .fd = w->fd, .events = EVENTS };
	struct timespec ts;

	w->waits++;
	CHECK(ppoll(&p, 1, timespec_of(&ts, timeout), NULL) == 1 || timeout);
}

static void wait_in_select(struct waiter *w, uint64_t timeout)
{
	fd_set in, out;
	struct timespec ts;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(w->fd, &in);
	FD_SET(w->fd, &out);
	w->waits++;
	CHECK(pselect(w->fd + 1, &in, &out, NULL, timespec_of(&ts, timeout), NULL) > 0 || timeout);
}

static void open_epoll(struct waiter *w, uint32_t flags)
{
	struct epoll_event ev = { .events = EVENTS | flags };
	int fd = shmring_poll_fd(w->r);

	CHECK(fd >= 0);
	w->fd = epoll_create1(EPOLL_CLOEXEC);
	CHECK(w->fd >= 0);
	CHECK(!epoll_ctl(w->fd, EPOLL_CTL_ADD, fd, &ev));
}

static void open_level(struct waiter *w) { open_epoll(w, 0); }
static void open_edge(struct waiter *w) { open_epoll(w, EPOLLET); }
static void open_oneshot(struct waiter *w) { open_epoll(w, EPOLLONESHOT); }
static void open_exclusive(struct waiter *w) { open_epoll(w, EPOLLEXCLUSIVE); }
static void open_exclusive_edge(struct waiter *w) { open_epoll(w, EPOLLEXCLUSIVE | EPOLLET); }

static void wait_in_epoll(struct waiter *w, uint64_t timeout)
{
	struct epoll_event ev;
	struct timespec ts;

	w->waits++;
	CHECK(epoll_pwait2(w->fd, &ev, 1, timespec_of(&ts, timeout), NULL) == 1 || timeout);
}

static void wait_oneshot(struct waiter *w, uint64_t timeout)
{
	struct epoll_event again = { .events = EVENTS | EPOLLONESHOT };

	CHECK(!epoll_ctl(w->fd, EPOLL_CTL_MOD, shmring_poll_fd(w->r), &again));
	wait_in_epoll(w, timeout);
}

static void close_epoll(struct waiter *w)
{
	CHECK(!close(w->fd));
}

static const struct way ways[] = {
	{ .name = "block", .wait = wait_blocking },
	{ .name = "poll", .begin = get_fd, .wait = wait_in_poll },
	{ .name = "select", .begin = get_fd, .wait = wait_in_select },
	{ .name = "epoll, level", .begin = open_level, .wait = wait_in_epoll,
	  .end = close_epoll },
	{ .name = "epoll, edge", .edges = true, .begin = open_edge,
	  .wait = wait_in_epoll, .end = close_epoll },
	{ .name = "epoll, edge, for one who wants all", .edges = true, .greedy = true,
	  .begin = open_edge, .wait = wait_in_epoll, .end = close_epoll },
	{ .name = "epoll, one-shot", .begin = open_oneshot, .wait = wait_oneshot,
	  .end = close_epoll },
	{ .name = "epoll, exclusive", .edges = true, .threads = 2,
	  .begin = open_exclusive, .wait = wait_in_epoll, .end = close_epoll },
	{ .name = "epoll, exclusive, edge", .edges = true, .threads = 2,
	  .begin = open_exclusive_edge, .wait = wait_in_epoll, .end = close_epoll },
};

/*
 * Two threads wait exclusively, and neither waits again after its message: each message has to
 * wake the thread that still waits.
 */
struct exclusive {
	int ep[2];
	unsigned int told;
};

static void *wait_once(void *arg)
{
	struct exclusive *e = arg;
	struct epoll_event ev;
	unsigned int i = __atomic_fetch_add(&e->told, 1, __ATOMIC_SEQ_CST);

	CHECK_EQ(epoll_wait(e->ep[i], &ev, 1, -1), 1);
	__atomic_fetch_add(&e->told, 100, __ATOMIC_SEQ_CST);
	return NULL;
}

static void test_next_is_for_the_other(uint32_t flags)
{
	struct pair pair = make_pair(WAITS_CAPACITY, 0);
	struct exclusive e = { .told = 0 };
	struct waiter w = { .r = pair.c };
	unsigned int i, late;
	pthread_t threads[2];

	context("exclusive, %#x", flags);
	for (i = 0; i < 2; i++) {
		open_epoll(&w, flags);
		e.ep[i] = w.fd;
		CHECK(!pthread_create(&threads[i], NULL, wait_once, &e));
	}
	AWAIT(__atomic_load_n(&e.told, __ATOMIC_SEQ_CST) == 2);
	for (i = 0; i < 50; i++)
		nap();
	for (i = 1; i <= 2; i++) {
		send_number(pair.p, i);
		for (late = 0; __atomic_load_n(&e.told, __ATOMIC_SEQ_CST) < 2 + 100 * i; late++) {
			CHECK(late < 20000);
			nap();
		}
	}
	for (i = 0; i < 2; i++) {
		CHECK(!pthread_join(threads[i], NULL));
		close(e.ep[i]);
	}
	close_pair(&pair);
}

int main(void)
{
	size_t i;

	need_backend();
	if (!on_memfd()) {
		test_next_is_for_the_other(EPOLLEXCLUSIVE);
		test_next_is_for_the_other(EPOLLEXCLUSIVE | EPOLLET);
	}
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		/* Without the module, only one thread can be armed for. */
		if (on_memfd() && ways[i].threads > 1)
			continue;
		if (!ways[i].greedy)
			test_way(&ways[i], SHMRING_CONSUMER);
		test_way(&ways[i], SHMRING_PRODUCER);
	}
	return finish();
}
