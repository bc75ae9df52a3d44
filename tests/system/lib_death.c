// SPDX-License-Identifier: MIT
/* The other side ends: the results of its peer, asleep or awake; and the next owner. */
#include "lib.h"

enum way { CLOSE, EXIT, KILL, NR_WAYS };

static const char *const ways[] = { "close", "exit", "kill" };

struct shared {
	uint32_t ready;
	uint32_t go;
	enum way way;
};

static struct shared *shared;

/* Take part until this process is asked to end; it may be killed before. */
static int go_when_told(struct shmring *r)
{
	(void)r;
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
	AWAIT(__atomic_load_n(&shared->go, __ATOMIC_ACQUIRE));
	if (shared->way == EXIT)
		_exit(TEST_PASS);
	shmring_close(r);
	for (;;)
		pause();
	return TEST_FAIL;
}

static int send_three_and_go(struct shmring *r)
{
	uint64_t n;

	for (n = 0; n < 3; n++)
		send_number(r, n);
	return go_when_told(r);
}

static pid_t start_peer(struct shmring *r, enum shmring_role role, enum way way,
			int (*fn)(struct shmring *r))
{
	pid_t pid;

	*shared = (struct shared){ .way = way };
	pid = start_as(r, role, fn);
	AWAIT(__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE));
	return pid;
}

static void make_it_go(pid_t pid)
{
	switch (shared->way) {
	case KILL:
		kill_child(pid);
		break;
	case EXIT:
		__atomic_store_n(&shared->go, 1, __ATOMIC_RELEASE);
		EXPECT_EQ(end_of(pid), TEST_PASS);
		break;
	default:
		__atomic_store_n(&shared->go, 1, __ATOMIC_RELEASE);
		break;
	}
}

/* Receive until the producer has ended, then go on with the next producer. */
static int get_the_end(struct shmring *r)
{
	uint64_t n;

	EXPECT_EQ(shmring_recv(r, &n, sizeof(n), NULL), -ENODATA);
	EXPECT_EQ(shmring_wait_data(r, NULL), -ENODATA);
	EXPECT_EQ(receive_now(r), -ENODATA);
	return TEST_PASS;
}

static int get_a_broken_pipe(struct shmring *r)
{
	uint64_t n = 0;

	while (send_now(r) > 0)
		;
	EXPECT_EQ(shmring_send(r, &n, sizeof(n), NULL), -EPIPE);
	EXPECT_EQ(shmring_wait_space(r, sizeof(n), NULL), -EPIPE);
	EXPECT_EQ(send_now(r), -EPIPE);
	EXPECT(!shmring_reserve(r, sizeof(n)));
	return TEST_PASS;
}

static void test_asleep(enum shmring_role role, enum way way)
{
	bool producer = role == SHMRING_PRODUCER;
	struct shmring *r = make(page_size(), 0, SHMRING_HANDLE);
	pid_t peer, sleeper;

	context("%s sleeps, its peer goes by %s", producer ? "producer" : "consumer", ways[way]);
	peer = start_peer(r, producer ? SHMRING_CONSUMER : SHMRING_PRODUCER, way, go_when_told);
	sleeper = start_as(r, role, producer ? get_a_broken_pipe : get_the_end);
	await_asleep(sleeper);
	make_it_go(peer);
	EXPECT_EQ(end_of(sleeper), TEST_PASS);
	if (way == CLOSE)
		kill_child(peer);
	shmring_close(r);
}

/* The committed messages come before the end. */
static void test_drain(enum way way)
{
	struct shmring *c = make(page_size(), 0, SHMRING_CONSUMER);
	pid_t peer = start_peer(c, SHMRING_PRODUCER, way, send_three_and_go);
	struct shmring *p;
	uint64_t n;

	context("producer sends three and goes by %s", ways[way]);
	make_it_go(peer);
	for (n = 0; n < 3; n++)
		EXPECT_EQ(receive_number(c), n);
	EXPECT_EQ(shmring_recv(c, &n, sizeof(n), NULL), -ENODATA);
	/* Another producer goes on with the same stream. */
	p = attach(c, SHMRING_PRODUCER);
	EXPECT_EQ(receive_now(c), -EAGAIN);
	send_number(p, 3);
	EXPECT_EQ(receive_number(c), 3);
	if (way == CLOSE)
		kill_child(peer);
	shmring_close(p);
	shmring_close(c);
}

static void test_min_bytes_of_a_dead_producer(void)
{
	struct shmring_wait w = { .min_bytes = page_size() };
	struct pair pair = make_pair(page_size(), 0);

	send_number(pair.p, 1);
	shmring_close(pair.p);
	EXPECT_EQ(shmring_wait_data(pair.c, &w), 0);
	EXPECT_EQ(receive_number(pair.c), 1);
	EXPECT_EQ(shmring_wait_data(pair.c, &w), -ENODATA);
	shmring_close(pair.c);
}

/* The producer gets no SIGPIPE, and what it has sent stays for the next consumer. */
static void test_next_consumer(void)
{
	struct pair pair = make_pair(page_size(), 0);

	send_number(pair.p, 1);
	send_number(pair.p, 2);
	EXPECT_EQ(receive_number(pair.c), 1);
	shmring_close(pair.c);
	EXPECT_EQ(send_now(pair.p), -EPIPE);
	pair.c = attach(pair.p, SHMRING_CONSUMER);
	send_number(pair.p, 3);
	EXPECT_EQ(receive_number(pair.c), 2);
	EXPECT_EQ(receive_number(pair.c), 3);
	close_pair(&pair);
}

/* At first neither side is there, which is not the end of the stream. */
static void test_nobody_yet(void)
{
	struct shmring *c = make(page_size(), 0, SHMRING_CONSUMER);
	struct shmring *p;

	EXPECT_EQ(receive_now(c), -EAGAIN);
	shmring_close(c);
	p = make(page_size(), 0, SHMRING_PRODUCER);
	EXPECT_EQ(send_now(p), 8);
	c = attach(p, SHMRING_CONSUMER);
	EXPECT_EQ(receive_now(c), 8);
	shmring_close(p);
	shmring_close(c);
}

int main(void)
{
	enum way way;

	need_backend();
	shared = share(sizeof(*shared));
	for (way = 0; way < NR_WAYS; way++) {
		test_asleep(SHMRING_PRODUCER, way);
		test_asleep(SHMRING_CONSUMER, way);
		test_drain(way);
	}
	RUN(test_min_bytes_of_a_dead_producer);
	RUN(test_next_consumer);
	RUN(test_nobody_yet);
	return finish();
}
