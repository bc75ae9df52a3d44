// SPDX-License-Identifier: MIT
/* shmring_poll_fd(): no event is lost in a ping-pong, in any way to wait, on either side. */
#include "lib.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static uint64_t rounds;

struct game {
	struct shmring *ping, *pong;
	int (*wait)(struct shmring *r);
};

/* Wait for one event, after -EAGAIN. */
static int wait_by_poll(struct shmring *r)
{
	struct pollfd p = { .fd = shmring_poll_fd(r), .events = POLLIN | POLLOUT };

	CHECK(p.fd >= 0);
	CHECK_EQ(poll(&p, 1, -1), 1);
	return p.revents;
}

static int epoll_once(struct shmring *r, uint32_t flags)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | flags };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	CHECK(ep >= 0);
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, shmring_poll_fd(r), &ev));
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	close(ep);
	return (int)ev.events;
}

static int wait_by_epoll(struct shmring *r)
{
	return epoll_once(r, 0);
}

static int wait_by_epoll_edge(struct shmring *r)
{
	return epoll_once(r, EPOLLET);
}

/* As in event loops: the descriptors stay in the set, and each edge is reported once. */
static struct {
	struct shmring *ring;
	int epoll;
} kept[2];

static void forget_epolls(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kept); i++) {
		if (kept[i].ring)
			close(kept[i].epoll);
		kept[i].ring = NULL;
	}
}

static int epoll_of(struct shmring *r)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	size_t i = 0;

	while (i < ARRAY_SIZE(kept) && kept[i].ring && kept[i].ring != r)
		i++;
	CHECK(i < ARRAY_SIZE(kept));
	if (!kept[i].ring) {
		kept[i].ring = r;
		kept[i].epoll = epoll_create1(EPOLL_CLOEXEC);
		CHECK(kept[i].epoll >= 0);
		CHECK(!epoll_ctl(kept[i].epoll, EPOLL_CTL_ADD, shmring_poll_fd(r), &ev));
	}
	return kept[i].epoll;
}

static int wait_by_kept_epoll_edge(struct shmring *r)
{
	struct epoll_event ev;

	CHECK_EQ(epoll_wait(epoll_of(r), &ev, 1, -1), 1);
	return (int)ev.events;
}

static int wait_by_select(struct shmring *r)
{
	int fd = shmring_poll_fd(r);
	fd_set in, out;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	CHECK(select(fd + 1, &in, &out, NULL, NULL) > 0);
	return 0;
}

static uint64_t receive_polling(struct shmring *r, int (*wait)(struct shmring *r))
{
	uint64_t n;
	ssize_t ret;

	while ((ret = shmring_recv(r, &n, sizeof(n), &nowait)) == -EAGAIN)
		wait(r);
	CHECK_EQ(ret, sizeof(n));
	return n;
}

static void send_polling(struct shmring *r, uint64_t n, int (*wait)(struct shmring *r))
{
	ssize_t ret;

	while ((ret = shmring_send(r, &n, sizeof(n), &nowait)) == -EAGAIN)
		wait(r);
	CHECK_EQ(ret, sizeof(n));
}

static int return_it(void *arg)
{
	const struct game *g = arg;
	struct shmring *in = attach(g->ping, SHMRING_CONSUMER);
	struct shmring *out = attach(g->pong, SHMRING_PRODUCER);
	uint64_t i;

	forget_epolls();
	for (i = 0; i < rounds; i++)
		send_polling(out, receive_polling(in, g->wait) + 1, g->wait);
	shmring_close(in);
	shmring_close(out);
	return TEST_PASS;
}

static void test_ping_pong(int (*wait)(struct shmring *r))
{
	struct game g = { make(page_size(), 0, SHMRING_PRODUCER),
			  make(page_size(), 0, SHMRING_CONSUMER), wait };
	pid_t pid = start(return_it, &g);
	uint64_t i;

	for (i = 0; i < rounds; i++) {
		send_polling(g.ping, i, wait);
		EXPECT_EQ(receive_polling(g.pong, wait), i + 1);
	}
	EXPECT_EQ(end_of(pid), TEST_PASS);
	forget_epolls();
	shmring_close(g.ping);
	shmring_close(g.pong);
}

/* One direction, with the ring as full as it gets: both sides poll. */
static int drain_by_poll(struct shmring *r)
{
	uint64_t i;

	for (i = 0; i < 20 * rounds; i++)
		EXPECT_EQ(receive_polling(r, wait_by_poll), i);
	return TEST_PASS;
}

static void test_stream(void)
{
	struct shmring *p = make(page_size(), 0, SHMRING_PRODUCER);
	pid_t pid = start_as(p, SHMRING_CONSUMER, drain_by_poll);
	uint64_t i;

	for (i = 0; i < 20 * rounds; i++)
		send_polling(p, i, wait_by_poll);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	shmring_close(p);
}

static int poll_until_the_end(struct shmring *r)
{
	int ret;

	while ((ret = receive_now(r)) == -EAGAIN)
		wait_by_poll(r);
	EXPECT_EQ(ret, -ENODATA);
	return TEST_PASS;
}

static int poll_until_broken(struct shmring *r)
{
	int ret;

	while ((ret = send_now(r)) == -EAGAIN || ret > 0)
		if (ret < 0)
			wait_by_poll(r);
	EXPECT_EQ(ret, -EPIPE);
	return TEST_PASS;
}

static int just_be(struct shmring *r)
{
	(void)r;
	for (;;)
		pause();
	return TEST_FAIL;
}

/* The peer closes, or is killed, while this side sleeps in poll. */
static void test_end(enum shmring_role role, bool by_kill)
{
	bool producer = role == SHMRING_PRODUCER;
	enum shmring_role other = producer ? SHMRING_CONSUMER : SHMRING_PRODUCER;
	struct shmring *r = make(page_size(), 0, SHMRING_HANDLE), *peer = NULL;
	pid_t pid, peer_pid = 0;

	context("%s polls, its peer %s", producer ? "producer" : "consumer",
		by_kill ? "is killed" : "closes");
	if (by_kill) {
		struct shmring_info info = SHMRING_INFO_INIT;

		peer_pid = start_as(r, other, just_be);
		do {
			CHECK_EQ(shmring_get_info(r, &info), 0);
		} while ((producer ? info.consumer_state : info.producer_state) !=
			 SHMRING_PEER_LIVE);
	} else {
		peer = attach(r, other);
	}
	pid = start_as(r, role, producer ? poll_until_broken : poll_until_the_end);
	await_asleep(pid);
	if (by_kill)
		kill_child(peer_pid);
	else
		shmring_close(peer);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	shmring_close(r);
}

/*
 * A consumer is refused a message while it holds some that it has read, and then gives them
 * back. Its poll must wait for the next message, however small, and not for as many bytes more
 * as it held.
 */
static void test_release_after_refusal(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct pollfd p = { .fd = shmring_poll_fd(pair.c), .events = POLLIN };
	size_t len;
	int i;

	for (i = 0; i < 3; i++) {
		send_number(pair.p, (uint64_t)i);
		CHECK(shmring_peek(pair.c, &len));
		CHECK_EQ(shmring_advance(pair.c), 0);
	}
	CHECK_EQ(shmring_wait_data(pair.c, &nowait), -EAGAIN);
	CHECK_EQ(shmring_release(pair.c), 0);
	EXPECT_EQ(poll(&p, 1, 0), 0);
	send_number(pair.p, 3);
	EXPECT_EQ(poll(&p, 1, 10000), 1);
	EXPECT_EQ(receive_number(pair.c), 3);
	close_pair(&pair);
}

static void test_lowat(void)
{
	const struct shmring_options opt = { .lowat = 100, .role = SHMRING_CONSUMER,
					     .policy = SHMRING_BLOCK };
	struct pollfd p = { .events = POLLIN };
	struct shmring *c, *producer;
	char bytes[80] = "";

	CHECK_EQ(shmring_create(&c, NULL, &opt), 0);
	producer = attach(c, SHMRING_PRODUCER);
	p.fd = shmring_poll_fd(c);
	EXPECT_EQ(receive_now(c), -EAGAIN);
	EXPECT_EQ(shmring_send(producer, bytes, sizeof(bytes), NULL), sizeof(bytes));
	EXPECT_EQ(poll(&p, 1, 0), 0);
	send_number(producer, 1);
	EXPECT_EQ(poll(&p, 1, -1), 1);
	shmring_close(producer);
	shmring_close(c);
}

static int take_note(const struct shmring_info *info, void *name)
{
	return !strcmp(info->name, name);
}

/* A look at all rings is no event of any. */
static void test_list(void)
{
	const struct shmring_options opt = { .role = SHMRING_CONSUMER };
	char name[SHMRING_NAME_MAX];
	struct pollfd p = { .events = POLLIN };
	struct shmring *c;

	strcpy(name, unique("polled"));
	CHECK_EQ(shmring_create(&c, name, &opt), 0);
	p.fd = shmring_poll_fd(c);
	EXPECT_EQ(receive_now(c), -EAGAIN);
	EXPECT_EQ(shmring_list(NULL, take_note, name), 1);
	EXPECT_EQ(poll(&p, 1, 0), 0);
	shmring_close(c);
}

int main(void)
{
	need_backend();
	rounds = nr_sleeps(2000);
	context("ping-pong by poll");
	test_ping_pong(wait_by_poll);
	context("ping-pong by epoll");
	test_ping_pong(wait_by_epoll);
	context("ping-pong by edge-triggered epoll");
	test_ping_pong(wait_by_epoll_edge);
	context("ping-pong by an edge-triggered epoll that is kept");
	test_ping_pong(wait_by_kept_epoll_edge);
	context("ping-pong by select");
	test_ping_pong(wait_by_select);
	RUN(test_lowat);
	RUN(test_release_after_refusal);
	RUN(test_list);
	RUN(test_stream);
	test_end(SHMRING_PRODUCER, false);
	test_end(SHMRING_PRODUCER, true);
	test_end(SHMRING_CONSUMER, false);
	test_end(SHMRING_CONSUMER, true);
	return finish();
}
