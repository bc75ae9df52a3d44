// SPDX-License-Identifier: MIT
/*
 * Fan-in: many producers, each a process with a lane of its own, and a hub. Every message arrives
 * once and in the order of its producer, whoever is killed, comes later or lies.
 */
#include <poll.h>

#include <shmring/hub.h>

#include "lib.h"

#define LANES		4
#define PRODUCERS	12	/* more than lanes: they take turns */

struct message {
	uint64_t producer;
	uint64_t number;
};

/* What the processes share. */
static struct shared {
	uint64_t sent[PRODUCERS];	/* by the producer itself, after each message */
	uint64_t received[PRODUCERS];	/* by the hub */
	uint64_t messages;		/* for each producer to send; 0: until it is killed */
	bool go;			/* a producer that has sent one waits for it */
} *shared;

static const char *name;		/* of the ring */

static uint64_t nr_messages(void)
{
	uint64_t messages = setting("SHMRING_MESSAGES", 200000) / 100;

	return messages < 2000 ? messages : 2000;
}

static struct shmring_hub *make_hub(unsigned int flags, enum shmring_policy policy)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shmring_hub *h;

	memset(shared, 0, sizeof(*shared));
	opt.lanes = LANES;
	opt.capacity = page_size();
	opt.flags = flags;
	opt.policy = policy;
	name = unique("hub");
	CHECK_EQ(shmring_hub_create(&h, name, &opt), 0);
	EXPECT_EQ(shmring_hub_lanes(h), LANES);
	return h;
}

static struct shmring_hub *attach_hub(unsigned int flags)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shmring_hub *h;

	opt.flags = flags;
	CHECK_EQ(shmring_hub_attach(&h, name, &opt), 0);
	return h;
}

static struct shmring_wait soon(void)
{
	return (struct shmring_wait){ .deadline = shmring_deadline(PATIENCE_NS) };
}

/* ------------------------------------------------------------------ producers */

/* As a program does that knows no lanes: it tries until the role is free. */
static struct shmring *attach_producer(void)
{
	struct shmring *r = NULL;

	AWAIT(shmring_attach(&r, name, SHMRING_PRODUCER) == 0);
	return r;
}

static int send_messages(void *arg)
{
	struct message m = { .producer = (uint64_t)(uintptr_t)arg };
	struct shmring *r = attach_producer();
	struct shmring_wait w = soon();

	for (; !shared->messages || m.number < shared->messages; m.number++) {
		CHECK_EQ(shmring_send(r, &m, sizeof(m), &w), sizeof(m));
		__atomic_store_n(&shared->sent[m.producer], m.number + 1, __ATOMIC_RELEASE);
		w = soon();
	}
	shmring_close(r);
	return TEST_PASS;
}

static pid_t start_producer(uint64_t which)
{
	return start(send_messages, (void *)(uintptr_t)which);
}

/* ------------------------------------------------------------------------ hub */

/* Take what one lane has, in order. */
static void take_lane(struct shmring *lane)
{
	const struct message *m;
	size_t len;

	while ((m = shmring_peek(lane, &len))) {
		CHECK_EQ(len, sizeof(*m));
		CHECK(m->producer < PRODUCERS);
		CHECK_EQ(m->number, shared->received[m->producer]);
		shared->received[m->producer]++;
		CHECK_EQ(shmring_release(lane), 0);
	}
}

/* Returns what ends it: -ENODATA, or -EAGAIN if @w does not wait. */
static int take_all(struct shmring_hub *h, const struct shmring_wait *w)
{
	struct shmring_wait until = w ? *w : soon();
	struct shmring *lane;
	int ret;

	do {
		while ((lane = shmring_hub_next(h))) {
			CHECK(shmring_hub_endpoint(h, shmring_hub_lane(h, lane)) == lane);
			take_lane(lane);
		}
		ret = shmring_hub_wait(h, &until);
	} while (!ret);
	return ret;
}

static uint64_t total(const uint64_t counts[PRODUCERS])
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < PRODUCERS; i++)
		sum += __atomic_load_n(&counts[i], __ATOMIC_ACQUIRE);
	return sum;
}

/* Take messages until there were so many in all. The stream may end meanwhile, and go on. */
static void take_until(struct shmring_hub *h, uint64_t messages)
{
	struct shmring_wait w;
	struct shmring *lane;
	int ret;

	while (total(shared->received) < messages) {
		lane = shmring_hub_next(h);
		if (lane) {
			take_lane(lane);
			continue;
		}
		w = soon();
		ret = shmring_hub_wait(h, &w);
		CHECK(!ret || ret == -ENODATA);
		if (ret)
			nap();
	}
}

/* ---------------------------------------------------------------------- tests */

/* More producers than lanes, in each policy. */
static void test_many(void)
{
	static const enum shmring_policy policies[] = {
		SHMRING_ADAPTIVE, SHMRING_BLOCK, SHMRING_EAGER, SHMRING_SPIN,
	};
	pid_t pids[PRODUCERS];
	struct shmring_hub *h;
	size_t i, p;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		h = make_hub(SHMRING_HUB_EOF, policies[i]);
		shared->messages = nr_messages() / (policies[i] == SHMRING_SPIN ? 10 : 1);
		for (p = 0; p < PRODUCERS; p++)
			pids[p] = start_producer(p);
		take_until(h, PRODUCERS * shared->messages);
		for (p = 0; p < PRODUCERS; p++) {
			context("policy %zu, producer %zu", i, p);
			EXPECT_EQ(end_of(pids[p]), TEST_PASS);
			EXPECT_EQ(shared->received[p], shared->messages);
		}
		EXPECT_EQ(take_all(h, NULL), -ENODATA);
		shmring_hub_close(h);
	}
}

/* Nothing to read: every way to say so. */
static void test_empty(void)
{
	struct shmring_hub *h = make_hub(0, SHMRING_BLOCK);
	struct shmring_wait w = { .deadline = shmring_deadline(2000000) };
	struct shmring *p;

	EXPECT(!shmring_hub_next(h));
	EXPECT_EQ(shmring_hub_wait(h, &nowait), -EAGAIN);
	EXPECT_EQ(shmring_hub_wait(h, &w), -ETIMEDOUT);
	w.policy = SHMRING_SPIN;
	EXPECT_EQ(shmring_hub_wait(h, &w), -ETIMEDOUT);
	p = attach_producer();
	EXPECT_EQ(shmring_hub_wait(h, &nowait), -EAGAIN);
	shmring_close(p);
	/* No end without SHMRING_HUB_EOF. */
	EXPECT_EQ(shmring_hub_wait(h, &nowait), -EAGAIN);
	shmring_hub_close(h);
}

/* An endless stream ends when its producer is killed. All that was committed arrives. */
static void test_killed(void)
{
	struct shmring_hub *h = make_hub(SHMRING_HUB_EOF, SHMRING_BLOCK);
	uint64_t sent;
	pid_t pids[2];
	int i;

	for (i = 0; i < 2; i++)
		pids[i] = start_producer(i);
	take_until(h, 1000);
	AWAIT(shared->sent[0] && shared->sent[1]);
	for (i = 0; i < 2; i++)
		kill_child(pids[i]);
	EXPECT_EQ(take_all(h, NULL), -ENODATA);
	for (i = 0; i < 2; i++) {
		/* It may have been killed between the commit and the count. */
		sent = shared->sent[i];
		context("producer %d sent %llu", i, (unsigned long long)sent);
		EXPECT(shared->received[i] == sent || shared->received[i] == sent + 1);
	}
	shmring_hub_close(h);
}

/* The hub sleeps when a lane's producer is killed, and the lane is there for the next one. */
static void test_reuse(void)
{
	struct shmring_hub *h = make_hub(0, SHMRING_BLOCK);
	struct shmring *held[LANES - 1], *p;
	pid_t pid;
	int i;

	for (i = 0; i < LANES - 1; i++)
		held[i] = attach_producer();
	for (i = 0; i < 5; i++) {
		pid = start_producer(0);
		take_until(h, total(shared->received) + 10);
		EXPECT_EQ(shmring_attach(&p, name, SHMRING_PRODUCER), -EBUSY);
		kill_child(pid);
		EXPECT_EQ(take_all(h, &nowait), -EAGAIN);
		memset(shared->received, 0, sizeof(shared->received));
		p = attach_producer();
		shmring_close(p);
	}
	for (i = 0; i < LANES - 1; i++)
		shmring_close(held[i]);
	shmring_hub_close(h);
}

static void test_busy(void)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shmring_hub *h = make_hub(0, SHMRING_BLOCK), *second;
	struct shmring *p[LANES], *r;
	int i;

	EXPECT_EQ(shmring_hub_attach(&second, name, NULL), -EBUSY);
	EXPECT_EQ(shmring_hub_attach_fd(&second, shmring_hub_fd(h), NULL), -EBUSY);
	EXPECT_EQ(shmring_hub_create(&second, name, &opt), -EEXIST);
	EXPECT_EQ(shmring_attach(&r, name, SHMRING_CONSUMER), -EPROTO);
	for (i = 0; i < LANES; i++) {
		CHECK_EQ(shmring_attach(&p[i], name, SHMRING_PRODUCER), 0);
		send_number(p[i], (uint64_t)i);
	}
	EXPECT_EQ(shmring_attach(&r, name, SHMRING_PRODUCER), -EBUSY);
	/* A lane whose messages have not been taken is not free. */
	shmring_close(p[1]);
	EXPECT_EQ(shmring_attach(&r, name, SHMRING_PRODUCER), -EBUSY);
	EXPECT_EQ(receive_number(shmring_hub_endpoint(h, 1)), 1);
	CHECK_EQ(shmring_attach(&p[1], name, SHMRING_PRODUCER), 0);
	for (i = 0; i < LANES; i++)
		shmring_close(p[i]);
	shmring_hub_close(h);

	r = make(0, 0, SHMRING_HANDLE);
	EXPECT_EQ(shmring_hub_attach_fd(&second, shmring_fd(r), NULL), -EPROTO);
	shmring_close(r);
}

__attribute__((noreturn)) static int be_hub(void *arg)
{
	struct shmring_hub *h = attach_hub(0);

	(void)arg;
	take_until(h, total(shared->received) + 500);
	__atomic_store_n(&shared->go, true, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

/*
 * Hubs are killed one after the other, and the next goes on where the last one was. A producer
 * sleeps meanwhile, as the ring has SHMRING_QUEUE.
 */
static void test_successors(void)
{
	struct shmring_hub *h = make_hub(SHMRING_QUEUE, SHMRING_BLOCK);
	struct shmring *r;
	pid_t pids[LANES], hub;
	int i;

	CHECK_EQ(shmring_attach(&r, name, SHMRING_HANDLE), 0);	/* or the ring would go */
	shmring_hub_close(h);
	shared->messages = 2000;
	for (i = 0; i < LANES; i++)
		pids[i] = start_producer((uint64_t)i);
	for (i = 0; i < 5; i++) {
		shared->go = false;
		hub = start(be_hub, NULL);
		AWAIT(__atomic_load_n(&shared->go, __ATOMIC_ACQUIRE));
		kill_child(hub);
	}
	h = attach_hub(SHMRING_HUB_EOF);
	EXPECT_EQ(take_all(h, NULL), -ENODATA);
	for (i = 0; i < LANES; i++) {
		EXPECT_EQ(end_of(pids[i]), TEST_PASS);
		EXPECT_EQ(shared->received[i], shared->messages);
	}
	shmring_hub_close(h);
	shmring_close(r);
}

/* Messages that were not released are read again by the next hub. */
static void test_not_released(void)
{
	struct shmring_hub *h = make_hub(SHMRING_PERSIST, SHMRING_BLOCK);
	struct shmring *p = attach_producer(), *lane;
	size_t len;

	send_number(p, 1);
	send_number(p, 2);
	lane = shmring_hub_next(h);
	CHECK(lane);
	CHECK(shmring_peek(lane, &len));
	CHECK_EQ(shmring_advance(lane), 0);
	EXPECT(shmring_hub_next(h) == lane);
	CHECK(shmring_peek(lane, &len));
	CHECK_EQ(shmring_advance(lane), 0);
	EXPECT(!shmring_hub_next(h));
	EXPECT_EQ(shmring_hub_wait(h, &nowait), -EAGAIN);
	shmring_hub_close(h);
	h = attach_hub(0);
	lane = shmring_hub_next(h);
	CHECK(lane);
	EXPECT_EQ(receive_number(lane), 1);
	EXPECT_EQ(receive_number(lane), 2);
	EXPECT(!shmring_hub_next(h));
	shmring_close(p);
	shmring_hub_close(h);
	CHECK_EQ(shmring_unlink(name), 0);
}

/* An event loop that sleeps only in poll sees each message, and the end. */
static void test_poll(void)
{
	struct shmring_hub *h = make_hub(SHMRING_HUB_EOF, SHMRING_BLOCK);
	struct pollfd fd = { .fd = shmring_hub_poll_fd(h), .events = POLLIN };
	pid_t pids[LANES];
	int i, ret;

	CHECK(fd.fd >= 0);
	EXPECT_EQ(take_all(h, &nowait), -EAGAIN);
	shared->messages = 3000;
	for (i = 0; i < LANES; i++)
		pids[i] = start_producer((uint64_t)i);
	do {
		ret = take_all(h, &nowait);
		if (ret == -EAGAIN)
			CHECK_EQ(poll(&fd, 1, PATIENCE_S * 1000), 1);
	} while (ret == -EAGAIN || total(shared->received) < LANES * shared->messages);
	EXPECT_EQ(ret, -ENODATA);
	for (i = 0; i < LANES; i++)
		EXPECT_EQ(end_of(pids[i]), TEST_PASS);
	/* A killed producer ends it, too. */
	shared->messages = 0;
	memset(shared->received, 0, sizeof(shared->received));
	pids[0] = start_producer(0);
	AWAIT(shared->sent[0] > 10);
	kill_child(pids[0]);
	while ((ret = take_all(h, &nowait)) == -EAGAIN)
		CHECK_EQ(poll(&fd, 1, PATIENCE_S * 1000), 1);
	EXPECT_EQ(ret, -ENODATA);
	shmring_hub_close(h);
}

static int lie(void *arg)
{
	struct shmring *r = attach_producer();

	send_number(r, 1);
	__atomic_store_n(&r->producer->head, 3 * r->capacity, __ATOMIC_RELEASE);
	__shmring_wake(r);
	__atomic_store_n(&shared->go, true, __ATOMIC_RELEASE);
	if (arg)
		return TEST_PASS;
	for (;;)
		pause();
}

/* One lane lies; the others go on, and its lane is free after it has gone. */
static void test_liar(void)
{
	struct shmring_hub *h = make_hub(0, SHMRING_BLOCK);
	struct shmring_wait w;
	struct shmring *lane, *held[LANES];
	pid_t pids[2];
	int i;

	pids[0] = start(lie, NULL);
	AWAIT(__atomic_load_n(&shared->go, __ATOMIC_ACQUIRE));
	EXPECT(!shmring_hub_next(h));
	pids[1] = start_producer(1);
	take_until(h, 5000);
	kill_child(pids[1]);
	kill_child(pids[0]);
	for (i = 0; i < LANES; i++) {
		AWAIT(({
			take_all(h, &nowait);
			shmring_attach(&held[i], name, SHMRING_PRODUCER) == 0;
		}));
		send_number(held[i], 42);
		w = soon();
		CHECK_EQ(shmring_hub_wait(h, &w), 0);
		lane = shmring_hub_next(h);
		CHECK(lane);
		EXPECT_EQ(receive_number(lane), 42);
	}
	for (i = 0; i < LANES; i++)
		shmring_close(held[i]);
	shmring_hub_close(h);
}

static void test_kick(void)
{
	struct shmring_hub *h = make_hub(0, SHMRING_BLOCK);
	struct shmring *lane = shmring_hub_endpoint(h, 0), *p;

	EXPECT(!shmring_hub_endpoint(h, LANES));
	EXPECT_EQ(shmring_hub_kick(h, lane), -ENOENT);
	p = attach_producer();
	send_number(p, 7);
	lane = shmring_hub_next(h);
	CHECK(lane);
	EXPECT_EQ(shmring_hub_kick(h, lane), on_memfd() ? -EOPNOTSUPP : 0);
	EXPECT_EQ(receive_number(lane), 7);
	if (!on_memfd()) {
		EXPECT_EQ(shmring_wait_peer(p, &nowait), 0);
		EXPECT_EQ(shmring_hub_kick(h, lane), -ENOENT);
	}
	shmring_close(p);
	shmring_hub_close(h);
}

/* A lane alone cannot be waited for. */
static void test_lane(void)
{
	struct shmring_hub *h = make_hub(0, SHMRING_BLOCK);
	struct shmring *lane = shmring_hub_endpoint(h, 2);

	EXPECT_EQ(shmring_wait_data(lane, NULL), -EOPNOTSUPP);
	EXPECT_EQ(shmring_wait_data(lane, &nowait), -EAGAIN);
	EXPECT_EQ(shmring_wait_peer(lane, NULL), -EOPNOTSUPP);
	EXPECT_EQ(shmring_poll_fd(lane), -EOPNOTSUPP);
	EXPECT_EQ(shmring_wait_space(lane, 8, NULL), -EBADF);
	EXPECT_EQ(info_of(lane).role, SHMRING_CONSUMER);
	EXPECT_EQ(info_of(lane).capacity, page_size());
	shmring_hub_close(h);
}

static void test_options(void)
{
	static const struct {
		unsigned int lanes, flags;
		enum shmring_topology topology;
		size_t slot_size;
		int want;
	} rows[] = {
		{ 1, 0, 0, 0, 0 },
		{ 0, 0, SHMRING_FAN_IN, 64, 0 },
		{ SHMRING_LANES_MAX, 0, 0, 0, 0 },
		{ 2, SHMRING_MARKS, 0, 24, 0 },
		{ SHMRING_LANES_MAX + 1, 0, 0, 0, -EINVAL },
		{ 1, 1u << 16, 0, 0, -EINVAL },
		{ 1, SHMRING_MARKS, 0, 0, -EINVAL },
		{ 1, SHMRING_PERSIST, 0, 0, -EINVAL },
		{ 1, 0, (enum shmring_topology)3, 0, -EINVAL },
	};
	struct shmring_hub *h;
	struct shmring *p, *lane;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;

		context("row %zu", i);
		opt.capacity = page_size();
		opt.lanes = rows[i].lanes;
		opt.flags = rows[i].flags;
		opt.topology = rows[i].topology;
		opt.slot_size = rows[i].slot_size;
		EXPECT_EQ(shmring_hub_create(&h, NULL, &opt), rows[i].want);
		if (rows[i].want)
			continue;
		EXPECT_EQ(shmring_hub_lanes(h), rows[i].lanes ? rows[i].lanes : 16);
		CHECK_EQ(shmring_attach_fd(&p, shmring_hub_fd(h), SHMRING_PRODUCER), 0);
		CHECK(shmring_reserve(p, rows[i].slot_size ? rows[i].slot_size : 5));
		CHECK_EQ(shmring_commit(p, rows[i].slot_size ? rows[i].slot_size : 5), 0);
		lane = shmring_hub_next(h);
		CHECK(lane);
		CHECK(shmring_peek(lane, &(size_t){ 0 }));
		CHECK_EQ(shmring_release(lane), 0);
		shmring_close(p);
		shmring_hub_close(h);
	}
}

/* Each lane's information, from a handle: its producer, and what is in it. */
static void test_info(void)
{
	struct shmring_hub *h = make_hub(0, SHMRING_BLOCK);
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring *handle, *p[2];

	CHECK_EQ(shmring_attach(&handle, name, SHMRING_HANDLE), 0);
	p[0] = attach_producer();
	p[1] = attach_producer();
	send_number(p[1], 1);
	CHECK_EQ(shmring_get_info(handle, &info), 0);
	EXPECT_EQ(info.topology, SHMRING_TOPOLOGY_FAN_IN);
	EXPECT_EQ(info.nr_lanes, LANES);
	EXPECT_EQ(info.used, 0);
	CHECK_EQ(shmring_lane_info(handle, 1, &info), 0);
	EXPECT_EQ(info.used, 16);
	EXPECT_EQ(info.producer_state, SHMRING_PEER_LIVE);
	EXPECT_EQ(info.producer_pid, getpid());
	EXPECT_EQ(info.consumer_state, SHMRING_PEER_LIVE);
	EXPECT(!strcmp(info.name, name));
	CHECK_EQ(shmring_get_info(p[1], &info), 0);
	EXPECT_EQ(info.used, 16);
	EXPECT_EQ(info.nr_lanes, LANES);
	shmring_close(p[1]);
	CHECK_EQ(shmring_lane_info(handle, 1, &info), 0);
	EXPECT_EQ(info.used, 16);
	EXPECT_EQ(info.producer_state, SHMRING_PEER_GONE);
	CHECK_EQ(shmring_lane_info(handle, 2, &info), 0);
	EXPECT_EQ(info.producer_state, SHMRING_PEER_NONE);
	EXPECT_EQ(shmring_lane_info(handle, LANES, &info), -EINVAL);
	EXPECT_EQ(shmring_lane_info(p[0], 0, &info), -EBADF);
	shmring_close(p[0]);
	shmring_close(handle);
	shmring_hub_close(h);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_signal(void)
{
	struct shmring_hub *h = make_hub(0, SHMRING_BLOCK);
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct shmring_wait w = soon();

	CHECK(!sigaction(SIGALRM, &action, NULL));
	alarm(1);
	EXPECT_EQ(shmring_hub_wait(h, &w), -EINTR);
	shmring_hub_close(h);
}

int main(void)
{
	need_backend();
	shared = share(sizeof(*shared));
	RUN(test_empty);
	RUN(test_options);
	RUN(test_busy);
	RUN(test_lane);
	RUN(test_not_released);
	RUN(test_kick);
	RUN(test_info);
	RUN(test_signal);
	RUN(test_many);
	RUN(test_killed);
	RUN(test_reuse);
	RUN(test_successors);
	RUN(test_poll);
	RUN(test_liar);
	return finish();
}
