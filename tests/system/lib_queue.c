// SPDX-License-Identifier: MIT
/* SHMRING_QUEUE: a producer goes on without a consumer, however the last consumer has ended. */
#include <poll.h>

#include "lib.h"

enum way { CLOSE, EXIT, KILL, NR_WAYS };

static const char *const ways[] = { "close", "exit", "kill" };

/* How many numbers the consumer has taken when it ends, and how it ends. */
static uint64_t *taken;
static enum way way;

#define NR_TAKEN	3

static struct shmring *make_queue(const char *name, enum shmring_role role, unsigned int flags)
{
	struct shmring_options opt = { .capacity = page_size(), .role = role,
				       .policy = SHMRING_BLOCK, .flags = SHMRING_QUEUE | flags };
	struct shmring *r;

	CHECK_EQ(shmring_create(&r, name, &opt), 0);
	return r;
}

static uint64_t nr_messages(void)
{
	return page_size() / 16;
}

static int take_some(struct shmring *r)
{
	uint64_t n;

	for (n = 0; n < NR_TAKEN; n++)
		EXPECT_EQ(receive_number(r), n);
	__atomic_store_n(taken, n, __ATOMIC_RELEASE);
	if (way == EXIT)
		_exit(TEST_PASS);
	while (way == KILL)
		pause();
	return TEST_PASS;
}

/* A consumer takes some, and goes. */
static void visit(struct shmring *r)
{
	pid_t pid;

	*taken = 0;
	pid = start_as(r, SHMRING_CONSUMER, take_some);
	if (way == KILL) {
		AWAIT(__atomic_load_n(taken, __ATOMIC_ACQUIRE) == NR_TAKEN);
		kill_child(pid);
	} else {
		EXPECT_EQ(end_of(pid), TEST_PASS);
	}
}

/* The next consumer gets what is there, in order. */
static void take_rest(struct shmring *r, uint64_t first, uint64_t end)
{
	struct shmring *c = attach(r, SHMRING_CONSUMER);
	uint64_t n;

	for (n = first; n < end; n++)
		EXPECT_EQ(receive_number(c), n);
	shmring_close(c);
}

static void test_awake(void)
{
	struct shmring *p = make_queue(NULL, SHMRING_PRODUCER, 0);
	const uint64_t nr = nr_messages();
	struct shmring_wait w = { 0 };
	uint64_t n;

	context("a consumer goes by %s", ways[way]);
	for (n = 0; n < nr - 1; n++)
		send_number(p, n);
	visit(p);
	EXPECT_EQ(info_of(p).consumer_state, SHMRING_PEER_NONE);
	EXPECT(shmring_reserve(p, 8));
	shmring_discard(p);
	for (; n < nr + NR_TAKEN; n++)
		send_number(p, n);
	EXPECT_EQ(send_now(p), -EAGAIN);
	w.deadline = shmring_deadline(1000000);
	EXPECT_EQ(shmring_wait_space(p, 8, &w), -ETIMEDOUT);
	EXPECT_EQ(shmring_drain(p, &nowait), -EAGAIN);
	EXPECT_EQ(shmring_wait_peer(p, &nowait), -EAGAIN);
	EXPECT_EQ(info_of(p).consumer_state, SHMRING_PEER_NONE);
	take_rest(p, NR_TAKEN, n);
	EXPECT_EQ(shmring_drain(p, &nowait), 0);
	shmring_close(p);
}

static int send_two_rings_full(struct shmring *r)
{
	uint64_t n;

	for (n = 0; n < 2 * nr_messages(); n++)
		send_number(r, n);
	EXPECT_EQ(shmring_drain(r, NULL), 0);
	return TEST_PASS;
}

/* It sleeps before the consumer comes, after it has gone, and in its drain. */
static void test_asleep(void)
{
	struct shmring *r = make_queue(NULL, SHMRING_HANDLE, 0);
	const uint64_t nr = nr_messages();
	pid_t pid;

	context("the producer sleeps, a consumer goes by %s", ways[way]);
	pid = start_as(r, SHMRING_PRODUCER, send_two_rings_full);
	await_asleep(pid);
	visit(r);
	await_asleep(pid);
	take_rest(r, NR_TAKEN, nr);
	await_asleep(pid);
	take_rest(r, nr, 2 * nr);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	/* The producer's end is the end of the stream, as in any ring. */
	EXPECT_EQ(info_of(r).producer_state, SHMRING_PEER_GONE);
	shmring_close(r);
}

/* poll reports the same as before the first consumer. */
static void test_poll(void)
{
	struct shmring *p = make_queue(NULL, SHMRING_PRODUCER, 0), *c;
	struct pollfd fd = { .fd = shmring_poll_fd(p), .events = POLLIN | POLLOUT };
	uint64_t n;

	for (n = 0; n < nr_messages(); n++)
		send_number(p, n);
	EXPECT_EQ(send_now(p), -EAGAIN);
	EXPECT_EQ(poll(&fd, 1, 0), 0);
	way = CLOSE;
	visit(p);
	EXPECT_EQ(poll(&fd, 1, -1), 1);
	EXPECT_EQ(fd.revents & (POLLHUP | POLLERR), 0);
	for (n = 0; n < NR_TAKEN; n++)
		send_number(p, nr_messages() + n);
	EXPECT_EQ(send_now(p), -EAGAIN);
	c = attach(p, SHMRING_CONSUMER);
	shmring_close(c);
	if (!on_memfd())	/* where each close is an event */
		EXPECT_EQ(poll(&fd, 1, 0), 0);
	EXPECT_EQ(send_now(p), -EAGAIN);
	take_rest(p, NR_TAKEN, nr_messages() + NR_TAKEN);
	EXPECT_EQ(poll(&fd, 1, -1), 1);
	EXPECT_EQ(fd.revents & (POLLHUP | POLLERR), 0);
	EXPECT_EQ(send_now(p), 8);
	shmring_close(p);
}

static uint64_t listed;
static const char *name;

static int take_flags(const struct shmring_info *info, void *arg)
{
	(void)arg;
	if (strcmp(info->name, name))
		return 0;
	listed = info->flags;
	return 1;
}

static void test_flags(void)
{
	static const unsigned int persist[] = { 0, SHMRING_PERSIST };
	struct shmring *r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(persist); i++) {
		name = unique("queue");
		r = make_queue(name, SHMRING_HANDLE, persist[i]);
		EXPECT_EQ(info_of(r).flags, SHMRING_QUEUE | persist[i]);
		EXPECT_EQ(info_of(r).group, getegid());
		CHECK_EQ(shmring_list(NULL, take_flags, NULL), 1);
		EXPECT_EQ(listed, SHMRING_QUEUE | persist[i]);
		CHECK_EQ(shmring_unlink(name), 0);
		EXPECT_EQ(info_of(r).flags, SHMRING_QUEUE);
		shmring_close(r);
	}
	r = make(0, 0, SHMRING_HANDLE);
	EXPECT_EQ(info_of(r).flags, 0);
	shmring_close(r);
}

int main(void)
{
	need_backend();
	taken = share(sizeof(*taken));
	for (way = 0; way < NR_WAYS; way++) {
		test_awake();
		test_asleep();
	}
	RUN(test_poll);
	RUN(test_flags);
	return finish();
}
