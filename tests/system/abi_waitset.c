// SPDX-License-Identifier: MIT
/*
 * Wait sets: their arguments, which endpoints are hot, who is woken and when; what happens when
 * endpoints, processes and sets go, in every order; and a hub that counts each message of many
 * producers.
 */
#include "lanes.h"
#include "refused.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#define NR	4

/* A fan-in with all its endpoints, and the hub's in a set. */
struct hub {
	int ring;
	struct endpoint c[NR], p[NR];
	struct set set;
};

static struct hub make_hub(uint32_t topology)
{
	struct hub h = { .ring = make_lanes(topology, NR) };
	uint32_t i;

	h.set = make_set(NR);
	for (i = 0; i < NR; i++) {
		h.c[i] = lane_endpoint(h.ring, CONSUMER, i);
		h.p[i] = lane_endpoint(h.ring, PRODUCER, i);
		CHECK_EQ(change_set(h.set.fd, i, topology == FAN_IN ? h.c[i].fd : h.p[i].fd), 0);
	}
	return h;
}

static void drop_hub(struct hub *h)
{
	int i;

	for (i = 0; i < NR; i++) {
		drop(&h->c[i]);
		drop(&h->p[i]);
	}
	drop_set(&h->set);
	CHECK(!close(h->ring));
}

static unsigned int hot_bits(const struct hub *h)
{
	unsigned int i, bits = 0;

	for (i = 0; i < NR; i++)
		bits |= (unsigned int)is_hot(&h->set, i) << i;
	return bits;
}

static void test_create_errors(void)
{
	static const struct shmring_ioc_waitset_create bad[] = {
		{ .max = 0 }, { .max = SHMRING_WAITSET_MAX + 1 }, { .max = ~0u },
		{ .max = 1, .flags = 1 }, { .max = 1, .flags = 1u << 31 },
	};
	int ring = make_ring(page_size()), fd;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("WAITSET_CREATE, case %zu", i);
		refused(ring, control(), SHMRING_IOC_WAITSET_CREATE, &bad[i], -EINVAL);
	}
	fd = create_set(SHMRING_WAITSET_MAX);
	EXPECT(fd >= 0);
	EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK(!close(fd) && !close(ring));
}

static void test_change_errors(void)
{
	int ring = make_ring(page_size()), p = attach(ring, PRODUCER), c = attach(ring, CONSUMER);
	struct set s = make_set(2), t = make_set(2);
	const struct {
		struct shmring_ioc_waitset_change c;
		int want;
	} bad[] = {
		{ { .fd = p, .index = 2 }, -EINVAL },
		{ { .fd = p, .index = ~0u }, -EINVAL },
		{ { .fd = -1, .index = 2 }, -EINVAL },
		{ { .fd = p, .index = 1, .flags = 1 }, -EINVAL },
		{ { .fd = p, .index = 1, .reserved = 1 }, -EINVAL },
		{ { .fd = -1, .index = 0, .flags = 1 }, -EINVAL },
		{ { .fd = ring, .index = 1 }, -EINVAL },
		{ { .fd = control(), .index = 1 }, -EINVAL },
		{ { .fd = s.fd, .index = 1 }, -EINVAL },
		{ { .fd = t.fd, .index = 1 }, -EINVAL },
		{ { .fd = -2, .index = 1 }, -EBADF },
		{ { .fd = 1 << 20, .index = 1 }, -EBADF },
		{ { .fd = c, .index = 0 }, -EBUSY },
		{ { .fd = p, .index = 1 }, -EBUSY },
		{ { .fd = -1, .index = 1 }, -ENOENT },
	};
	size_t i;

	CHECK_EQ(change_set(s.fd, 0, p), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("WAITSET_CHANGE, case %zu", i);
		refused(ring, s.fd, SHMRING_IOC_WAITSET_CHANGE, &bad[i].c, bad[i].want);
	}
	context("an endpoint of another set");
	EXPECT_EQ(change_set(t.fd, 0, p), -EBUSY);
	EXPECT_EQ(change_set(t.fd, 1, c), 0);
	EXPECT_EQ(change_set(s.fd, 0, -1), 0);
	EXPECT_EQ(change_set(t.fd, 0, p), 0);
	drop_set(&t);
	EXPECT_EQ(change_set(s.fd, 0, p), 0);
	EXPECT_EQ(change_set(s.fd, 1, c), 0);
	drop_set(&s);
	CHECK(!close(p) && !close(c) && !close(ring));
}

static void test_wait_errors(void)
{
	static const struct shmring_ioc_waitset_wait bad[] = {
		{ .flags = 2 }, { .flags = 1u << 31 }, { .deadline = 1, .reserved = 1 },
		{ .flags = SHMRING_WAITSET_F_COOL, .deadline = 1 },
	};
	int ring = make_ring(page_size());
	struct set s = make_set(1);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("WAITSET_WAIT, case %zu", i);
		refused(ring, s.fd, SHMRING_IOC_WAITSET_WAIT, &bad[i], -EINVAL);
	}
	EXPECT_EQ(wait_set(s.fd, 1), -ETIMEDOUT);
	EXPECT_EQ(wait_set(s.fd, now_ns() + 1000000), -ETIMEDOUT);
	EXPECT_EQ(cool_set(s.fd), -EAGAIN);
	drop_set(&s);
	CHECK(!close(ring));
}

static int map_fails(int fd, size_t length, int prot, int flags, off_t at)
{
	errno = 0;
	return mmap(NULL, length, prot, flags, fd, at) == MAP_FAILED ? -errno : 0;
}

static void test_pages(void)
{
	const size_t page = page_size();
	struct set s = make_set(1000);
	int ret;

	EXPECT_EQ(s.page->magic, SHMRING_MAGIC);
	EXPECT_EQ(s.page->max, 1000);
	EXPECT_EQ(map_fails(s.fd, page, PROT_READ | PROT_WRITE, MAP_SHARED, 0), -EACCES);
	ret = map_fails(s.fd, page, PROT_READ | PROT_EXEC, MAP_SHARED, 0);
	EXPECT(ret == -EACCES || ret == -EPERM);
	EXPECT_EQ(map_fails(s.fd, page, PROT_READ, MAP_PRIVATE, 0), -EINVAL);
	EXPECT_EQ(map_fails(s.fd, 2 * page, PROT_READ, MAP_SHARED, 0), -EINVAL);
	EXPECT_EQ(map_fails(s.fd, page, PROT_READ, MAP_SHARED, (off_t)page), -EINVAL);
	errno = 0;
	EXPECT(mprotect((void *)s.page, page, PROT_READ | PROT_WRITE) && errno == EACCES);
	EXPECT(!can_write((void *)s.page));
	EXPECT(mremap((void *)s.page, page, 2 * page, MREMAP_MAYMOVE) == MAP_FAILED);
	/* The mapping outlives the descriptor. */
	CHECK(!close(s.fd));
	EXPECT_EQ(s.page->magic, SHMRING_MAGIC);
	CHECK(!munmap((void *)s.page, page));
}

static void test_bits(void)
{
	struct hub h = make_hub(FAN_IN);

	EXPECT_EQ(hot_bits(&h), 15);
	EXPECT_EQ(cool_set(h.set.fd), -EAGAIN);
	EXPECT_EQ(hot_bits(&h), 0);
	move(&h.p[2], 8);
	EXPECT_EQ(hot_bits(&h), 4);
	EXPECT_EQ(wait_set(h.set.fd, 0), 0);
	EXPECT_EQ(hot_bits(&h), 4);
	/* All that are ready are hot, also those that had been cold. */
	move(&h.p[0], 8);
	move(&h.p[3], 8);
	EXPECT_EQ(cool_set(h.set.fd), 0);
	EXPECT_EQ(hot_bits(&h), 13);
	move(&h.c[0], 8);
	move(&h.c[2], 8);
	EXPECT_EQ(cool_set(h.set.fd), 0);
	EXPECT_EQ(hot_bits(&h), 8);
	move(&h.c[3], 8);
	EXPECT_EQ(wait_set(h.set.fd, 1), -ETIMEDOUT);
	EXPECT_EQ(hot_bits(&h), 0);
	drop_hub(&h);
}

/* Numbers in the last word. */
static void test_high_numbers(void)
{
	struct set s = make_set(SHMRING_WAITSET_MAX);
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER), c = endpoint(ring, CONSUMER);

	CHECK_EQ(change_set(s.fd, SHMRING_WAITSET_MAX - 1, c.fd), 0);
	EXPECT(is_hot(&s, SHMRING_WAITSET_MAX - 1));
	EXPECT_EQ(cool_set(s.fd), -EAGAIN);
	EXPECT(!is_hot(&s, SHMRING_WAITSET_MAX - 1));
	move(&p, 8);
	EXPECT(is_hot(&s, SHMRING_WAITSET_MAX - 1));
	EXPECT_EQ(wait_set(s.fd, 0), 0);
	drop(&p);
	drop(&c);
	drop_set(&s);
	CHECK(!close(ring));
}

/* A process that waits for a set, and says so through the pipe @to. */
struct waiter {
	pid_t pid;
	int set, to, from;
	uint64_t deadline;
};

static void on_signal(int sig)
{
	(void)sig;
}

static int wait_once(void *arg)
{
	const struct waiter *w = arg;
	int ret;

	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal, .sa_flags = SA_RESTART },
		  NULL);
	ret = wait_set(w->set, w->deadline);
	CHECK_EQ(write(w->to, &ret, sizeof(ret)), sizeof(ret));
	return TEST_PASS;
}

static void start_waiter(struct waiter *w, int set)
{
	int ends[2];

	CHECK(!pipe2(ends, O_CLOEXEC));
	*w = (struct waiter){ .set = set, .to = ends[1], .from = ends[0] };
	w->pid = start(wait_once, w);
	close(ends[1]);
}

/* All is cold and stays cold: the waiter sleeps, or is about to. */
static void await_cold(const struct waiter *w, const struct hub *h)
{
	AWAIT(!hot_bits(h) && state_of(w->pid) == 'S');
	CHECK(!has_input(w->from));
}

static int end_waiter(struct waiter *w)
{
	int ret;

	CHECK_EQ(read(w->from, &ret, sizeof(ret)), sizeof(ret));
	close(w->from);
	EXPECT_EQ(end_of(w->pid), TEST_PASS);
	return ret;
}

static void test_woken(void)
{
	struct hub h = make_hub(FAN_IN);
	struct waiter w, v;
	int i;

	for (i = 0; i < NR; i++) {
		context("woken by producer %d", i);
		start_waiter(&w, h.set.fd);
		await_cold(&w, &h);
		move(&h.p[i], 8);
		EXPECT_EQ(end_waiter(&w), 0);
		EXPECT_EQ(hot_bits(&h), 1u << i);
		move(&h.c[i], 8);
	}
	context("two processes sleep");
	start_waiter(&w, h.set.fd);
	start_waiter(&v, h.set.fd);
	await_cold(&w, &h);
	await_cold(&v, &h);
	move(&h.p[1], 8);
	EXPECT_EQ(end_waiter(&w), 0);
	EXPECT_EQ(end_waiter(&v), 0);
	move(&h.c[1], 8);
	context("woken by another endpoint");
	CHECK_EQ(change_set(h.set.fd, 3, -1), 0);
	move(&h.p[3], 8);
	start_waiter(&w, h.set.fd);
	await_cold(&w, &h);
	CHECK_EQ(change_set(h.set.fd, 3, h.c[3].fd), 0);
	EXPECT_EQ(end_waiter(&w), 0);
	move(&h.c[3], 8);
	context("a signal");
	start_waiter(&w, h.set.fd);
	await_cold(&w, &h);
	while (!has_input(w.from)) {
		CHECK(!kill(w.pid, SIGUSR1));
		nap();
	}
	EXPECT_EQ(end_waiter(&w), -EINTR);
	/* SIGKILL while it sleeps: the set stays, and is as it was. */
	start_waiter(&w, h.set.fd);
	await_cold(&w, &h);
	kill_child(w.pid);
	close(w.from);
	move(&h.p[0], 8);
	EXPECT_EQ(hot_bits(&h), 1);
	drop_hub(&h);
}

static void test_roles(void)
{
	int ring = make_lanes(FAN_IN, 1);
	struct endpoint c = lane_endpoint(ring, CONSUMER, 0);
	struct set s = make_set(1);
	struct actor a;

	CHECK_EQ(change_set(s.fd, 0, c.fd), 0);
	EXPECT_EQ(cool_set(s.fd), -EAGAIN);
	a = actor(ring, PRODUCER, true);
	EXPECT_EQ(wait_set(s.fd, 0), 0);		/* it has come: once */
	EXPECT_EQ(wait_set(s.fd, 1), -ETIMEDOUT);
	ask(&a, VERB_MOVE, 8, 0, 0);
	kill_actor(&a);
	EXPECT_EQ(wait_set(s.fd, 0), 0);
	EXPECT_EQ(wait_set(s.fd, 0), 0);		/* what it has left */
	move(&c, 8);
	EXPECT_EQ(wait_set(s.fd, 1), -ETIMEDOUT);
	/* It dies with nothing left, while cold: once, and never again. */
	a = actor(ring, PRODUCER, true);
	EXPECT_EQ(wait_set(s.fd, 0), 0);
	EXPECT_EQ(cool_set(s.fd), -EAGAIN);
	kill_actor(&a);
	EXPECT(is_hot(&s, 0));
	EXPECT_EQ(wait_set(s.fd, 0), 0);
	EXPECT_EQ(wait_set(s.fd, 1), -ETIMEDOUT);
	EXPECT(!is_hot(&s, 0));
	/* The endpoint's own role. */
	unmap(&c);
	EXPECT(is_hot(&s, 0));
	EXPECT_EQ(wait_set(s.fd, 0), 0);
	EXPECT_EQ(wait_set(s.fd, 1), -ETIMEDOUT);
	EXPECT_EQ(change_set(s.fd, 0, -1), 0);
	EXPECT_EQ(change_set(s.fd, 0, c.fd), 0);
	CHECK(!close(c.fd));
	drop_set(&s);
	CHECK(!close(ring));
}

static void test_lane_without_worker(void)
{
	struct hub h = make_hub(WORK);
	int i;

	EXPECT_EQ(wait_set(h.set.fd, 0), 0);
	EXPECT_EQ(hot_bits(&h), 15);
	for (i = 0; i < NR; i++)
		drop(&h.c[i]);
	EXPECT_EQ(wait_set(h.set.fd, 0), 0);
	EXPECT_EQ(wait_set(h.set.fd, 1), -ETIMEDOUT);
	h.c[0] = endpoint(h.ring, CONSUMER);
	EXPECT_EQ(hot_bits(&h), 1);
	EXPECT_EQ(wait_set(h.set.fd, 0), 0);
	EXPECT_EQ(wait_set(h.set.fd, 0), 0);
	move(&h.p[0], page_size());
	EXPECT_EQ(wait_set(h.set.fd, 1), -ETIMEDOUT);
	move(&h.c[0], 8);
	EXPECT_EQ(hot_bits(&h), 1);
	for (i = 1; i < NR; i++)
		h.c[i] = endpoint(h.ring, CONSUMER);
	drop_hub(&h);
}

static int ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static int edges(int epoll)
{
	struct epoll_event e;

	return epoll_wait(epoll, &e, 1, 0);
}

static void test_poll(void)
{
	struct hub h = make_hub(FAN_IN);
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC), i;

	EXPECT_EQ(ready(h.set.fd), 0);
	EXPECT_EQ(hot_bits(&h), 0);
	move(&h.p[1], 8);
	EXPECT_EQ(ready(h.set.fd), POLLIN);
	EXPECT_EQ(ready(h.set.fd), POLLIN);
	move(&h.c[1], 8);
	EXPECT_EQ(ready(h.set.fd), 0);
	CHECK(epoll >= 0);
	CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, h.set.fd, &e));
	EXPECT_EQ(edges(epoll), 0);
	/* Each message is an edge, also while its endpoint is hot. */
	for (i = 0; i < 3; i++) {
		move(&h.p[2], 8);
		EXPECT_EQ(edges(epoll), 1);
		EXPECT_EQ(edges(epoll), 0);
	}
	move(&h.p[0], 8);
	EXPECT_EQ(edges(epoll), 1);
	EXPECT_EQ(hot_bits(&h), 5);
	/* A role that ends is an event until WAITSET_WAIT has said so. */
	move(&h.c[0], 8);
	move(&h.c[2], 24);
	EXPECT_EQ(ready(h.set.fd), 0);
	drop(&h.p[3]);
	EXPECT_EQ(edges(epoll), 1);
	EXPECT_EQ(ready(h.set.fd), POLLIN);
	EXPECT_EQ(ready(h.set.fd), POLLIN);
	EXPECT_EQ(cool_set(h.set.fd), 0);
	EXPECT_EQ(cool_set(h.set.fd), -EAGAIN);
	EXPECT_EQ(ready(h.set.fd), 0);
	h.p[3] = endpoint(h.ring, PRODUCER);
	/* The set goes while it is in an epoll. */
	drop_hub(&h);
	EXPECT_EQ(edges(epoll), 0);
	CHECK(!close(epoll));
}

static int poll_once(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLIN };

	return poll(&p, 1, -1) == 1 && p.revents == POLLIN ? TEST_PASS : TEST_FAIL;
}

static void test_poll_sleeps(void)
{
	struct hub h = make_hub(FAN_IN);
	pid_t pid;
	int i;

	for (i = 0; i < 20; i++) {
		pid = start(poll_once, &h.set.fd);
		AWAIT(!hot_bits(&h) && state_of(pid) == 'S');
		move(&h.p[i % NR], 8);
		EXPECT_EQ(end_of(pid), TEST_PASS);
		move(&h.c[i % NR], 8);
	}
	drop_hub(&h);
}

/* The set keeps the endpoint: closing its descriptor ends nothing. */
static void test_set_keeps_the_endpoint(void)
{
	int ring = make_lanes(FAN_IN, 1), c = attach_lane(ring, CONSUMER, 0);
	struct endpoint p = endpoint(ring, PRODUCER);
	struct set s = make_set(1);

	CHECK_EQ(change_set(s.fd, 0, c), 0);
	EXPECT_EQ(cool_set(s.fd), -EAGAIN);
	CHECK(!close(c));
	EXPECT_EQ(p.lane->consumer.state, SHMRING_PEER_LIVE);
	move(&p, 8);
	EXPECT(is_hot(&s, 0));
	EXPECT_EQ(change_set(s.fd, 0, -1), 0);
	AWAIT(query(ring).consumer_state == SHMRING_PEER_GONE);
	/* And so does closing the set. */
	c = attach_lane(ring, CONSUMER, 0);
	CHECK_EQ(change_set(s.fd, 0, c), 0);
	CHECK(!close(c));
	/* The mapping keeps the set, too. */
	CHECK(!close(s.fd));
	EXPECT_EQ(query(ring).consumer_state, SHMRING_PEER_LIVE);
	CHECK(!munmap((void *)s.page, page_size()));
	AWAIT(query(ring).consumer_state == SHMRING_PEER_GONE);
	move(&p, 8);
	drop(&p);
	CHECK(!close(ring));
}

/* A process with a hub in a set; it is killed while it sleeps in the set. */
static int be_hub(void *arg)
{
	int ring = *(int *)arg, i;
	struct set s = make_set(NR);
	struct endpoint c;

	for (i = 0; i < NR; i++) {
		c = lane_endpoint(ring, CONSUMER, (uint32_t)i);
		CHECK_EQ(change_set(s.fd, (uint32_t)i, c.fd), 0);
	}
	wait_set(s.fd, 0);
	return TEST_FAIL;
}

static void test_killed_hub(void)
{
	int ring = make_lanes(FAN_IN, NR), i;
	pid_t pid = start(be_hub, &ring);
	struct endpoint p[NR], c;

	AWAIT(query_lane(ring, NR - 1).consumer_state == SHMRING_PEER_LIVE &&
	      state_of(pid) == 'S');
	kill_child(pid);
	for (i = 0; i < NR; i++) {
		AWAIT(query_lane(ring, (uint32_t)i).consumer_state == SHMRING_PEER_GONE);
		p[i] = endpoint(ring, PRODUCER);
		EXPECT_EQ(wait_space(p[i].fd, 8, 0, 0), -EPIPE);
		c = lane_endpoint(ring, CONSUMER, (uint32_t)i);
		move(&p[i], 8);
		EXPECT_EQ(wait_data(c.fd, 8, 0, 0), 0);
		drop(&c);
		drop(&p[i]);
	}
	CHECK(!close(ring));
}

/* While it waits for space, the hub's set is told of any data, as a sleeping consumer is. */
static void test_producer_that_wants_space(void)
{
	struct hub h = make_hub(FAN_IN);
	const struct shmring_ioc_lowat l = { .bytes = page_size() };

	CHECK_EQ(call(h.c[0].fd, SHMRING_IOC_SET_LOWAT, &l), 0);
	EXPECT_EQ(cool_set(h.set.fd), -EAGAIN);
	move(&h.p[0], 8);
	EXPECT_EQ(hot_bits(&h), 0);
	EXPECT_EQ(wait_space(h.p[0].fd, page_size(), 0, 1), -ETIMEDOUT);
	EXPECT_EQ(hot_bits(&h), 1);
	drop_hub(&h);
}

/* WAKEs for nothing do not wake the hub, and do not make the lane hot. */
struct flood {
	int fd;
	uint64_t calls;
};

static int flood(void *arg)
{
	struct flood *f = arg;

	while (!call(f->fd, SHMRING_IOC_WAKE, NULL))
		__atomic_add_fetch(&f->calls, 1, __ATOMIC_SEQ_CST);
	return TEST_FAIL;
}

static uint64_t floods(struct flood *f)
{
	return __atomic_load_n(&f->calls, __ATOMIC_SEQ_CST);
}

static void test_hostile_lane_end(void)
{
	struct hub h = make_hub(FAN_IN);
	struct flood *f = share(sizeof(*f));
	uint64_t before;
	pid_t pid;

	f->fd = h.p[0].fd;
	CHECK_EQ(cool_set(h.set.fd), -EAGAIN);
	pid = start(flood, f);
	AWAIT(floods(f) > 1000);
	EXPECT_EQ(hot_bits(&h), 0);
	EXPECT_EQ(wait_set(h.set.fd, now_ns() + 50000000), -ETIMEDOUT);
	for (before = floods(f); floods(f) < before + 1000;) {
		move(&h.p[1], 8);
		EXPECT_EQ(wait_set(h.set.fd, 0), 0);
		EXPECT_EQ(hot_bits(&h), 2);
		move(&h.c[1], 8);
	}
	EXPECT_EQ(query(h.c[0].fd).consumer_woken, 0);
	kill_child(pid);
	drop_hub(&h);
}

#define PRODUCERS	16

struct stream {
	int ring;
	uint64_t messages;	/* of each producer */
};

/* Messages of eight bytes, with pauses, so that the hub sleeps; each has its number. */
static int produce(void *arg)
{
	const struct stream *s = arg;
	struct endpoint p = endpoint(s->ring, PRODUCER);
	uint64_t seed = (uint64_t)getpid(), i, at;

	for (i = 1; i <= s->messages; i++) {
		at = p.producer->head % page_size();
		CHECK_EQ(wait_space(p.fd, 8, 0, 0), 0);
		memcpy(p.data + at, &i, sizeof(i));
		move(&p, 8);
		if (random_u64(&seed) % 64 == 0)
			usleep(random_u64(&seed) % 200);
	}
	drop(&p);
	return TEST_PASS;
}

/*
 * Take what there is. The numbers go on without a gap; after the last one of a producer, the
 * next producer may have the lane.
 */
static uint64_t take(struct endpoint *c, uint64_t *last, uint64_t messages)
{
	uint64_t head = __atomic_load_n(&c->producer->head, __ATOMIC_ACQUIRE);
	uint64_t tail = c->consumer->tail, n = (head - tail) / 8, i;

	for (; tail < head; tail += 8) {
		memcpy(&i, c->data + tail % page_size(), sizeof(i));
		CHECK_EQ(i, *last % messages + 1);
		*last = i;
	}
	if (n)
		move(c, 8 * n);
	return n;
}

/* The position of lane 0 has gone back. That is told once; WAKE then finds nothing to wake. */
static void expect_refused(struct hub *h)
{
	EXPECT_EQ(wait_set(h->set.fd, 1), 0);
	EXPECT(is_hot(&h->set, 0));
	EXPECT_EQ(wait_data(h->c[0].fd, 8, 0, 1), -EBADMSG);
	EXPECT_EQ(wait_set(h->set.fd, 1), -ETIMEDOUT);
	EXPECT_EQ(h->c[0].lane->consumer.wake_at, SHMRING_NO_WAKE);
	move(&h->p[0], 64);
	EXPECT_EQ(call(h->p[0].fd, SHMRING_IOC_WAKE, NULL), 0);
	EXPECT_EQ(hot_bits(h), 0);
	/* The other lanes go on, and so does this one with another producer. */
	move(&h->p[1], 8);
	EXPECT_EQ(wait_set(h->set.fd, 0), 0);
	EXPECT_EQ(hot_bits(h), 2);
	move(&h->c[1], 8);
	drop(&h->p[0]);
	EXPECT_EQ(cool_set(h->set.fd), 0);
	move(&h->c[0], h->c[0].lane->producer.end - h->c[0].consumer->tail);
	h->p[0] = lane_endpoint(h->ring, PRODUCER, 0);
	EXPECT_EQ(cool_set(h->set.fd), 0);
	EXPECT_EQ(cool_set(h->set.fd), -EAGAIN);
	move(&h->p[0], 8);
	EXPECT_EQ(hot_bits(h), 1);
	EXPECT_EQ(wait_set(h->set.fd, 0), 0);
}

/* A change is told once, but to all that wait: one of them must not cool the bit of the others. */
static void test_two_waiters_and_a_change(void)
{
	struct hub h = make_hub(FAN_IN);
	struct waiter w[2];
	int i;

	EXPECT_EQ(cool_set(h.set.fd), -EAGAIN);
	for (i = 0; i < 2; i++)
		start_waiter(&w[i], h.set.fd);
	for (i = 0; i < 2; i++)
		await_cold(&w[i], &h);
	drop(&h.p[0]);
	for (i = 0; i < 2; i++)
		AWAIT(has_input(w[i].from));
	EXPECT_EQ(hot_bits(&h), 1);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(end_waiter(&w[i]), 0);
	EXPECT_EQ(cool_set(h.set.fd), -EAGAIN);
	h.p[0] = lane_endpoint(h.ring, PRODUCER, 0);
	drop_hub(&h);
}

/* The hub was told of data, and finds a position at which nothing is wrong, and no data. */
static void test_position_that_goes_back(void)
{
	struct hub h = make_hub(FAN_IN);

	EXPECT_EQ(cool_set(h.set.fd), -EAGAIN);
	move(&h.p[0], 64);
	EXPECT_EQ(wait_set(h.set.fd, 0), 0);
	set_position(&h.p[0], 0);
	expect_refused(&h);
	drop_hub(&h);
}

/* ... or goes back before the hub has looked: otherwise it could do that again and again. */
static void test_position_that_is_gone_at_once(void)
{
	struct hub h = make_hub(FAN_IN);

	EXPECT_EQ(cool_set(h.set.fd), -EAGAIN);
	move(&h.p[0], 64);
	EXPECT_EQ(hot_bits(&h), 1);
	set_position(&h.p[0], 0);
	expect_refused(&h);
	drop_hub(&h);
}

static void test_every_message(void)
{
	struct stream s = { .ring = make_lanes(FAN_IN, PRODUCERS), .messages = nr_sleeps(3000) };
	uint64_t last[PRODUCERS] = { 0 }, left = PRODUCERS * s.messages;
	struct endpoint c[PRODUCERS];
	struct set set = make_set(PRODUCERS);
	pid_t pids[PRODUCERS];
	uint32_t i;

	for (i = 0; i < PRODUCERS; i++) {
		c[i] = lane_endpoint(s.ring, CONSUMER, i);
		CHECK_EQ(change_set(set.fd, i, c[i].fd), 0);
		pids[i] = start(produce, &s);
	}
	while (left) {
		CHECK_EQ(wait_set(set.fd, now_ns() + PATIENCE_NS), 0);
		for (i = 0; i < PRODUCERS; i++)
			if (is_hot(&set, i))
				left -= take(&c[i], &last[i], s.messages);
	}
	for (i = 0; i < PRODUCERS; i++)
		EXPECT_EQ(end_of(pids[i]), TEST_PASS);
	for (i = 0; i < PRODUCERS; i++) {
		EXPECT_EQ(last[i] % s.messages, 0);
		drop(&c[i]);
	}
	drop_set(&set);
	CHECK(!close(s.ring));
}

int main(void)
{
	control();
	RUN(test_create_errors);
	RUN(test_change_errors);
	RUN(test_wait_errors);
	RUN(test_pages);
	RUN(test_bits);
	RUN(test_high_numbers);
	RUN(test_woken);
	RUN(test_roles);
	RUN(test_lane_without_worker);
	RUN(test_poll);
	RUN(test_poll_sleeps);
	RUN(test_set_keeps_the_endpoint);
	RUN(test_killed_hub);
	RUN(test_producer_that_wants_space);
	RUN(test_hostile_lane_end);
	RUN(test_two_waiters_and_a_change);
	RUN(test_position_that_goes_back);
	RUN(test_position_that_is_gone_at_once);
	RUN(test_every_message);
	return finish();
}
