// SPDX-License-Identifier: MIT
/*
 * Rings with lanes: their arguments, which lane a process gets, what it finds there, and what the
 * others notice when a process in one lane, or the hub, dies or is kicked.
 */
#include "lanes.h"
#include "proc.h"
#include "refused.h"

#include <stddef.h>
#include <sys/stat.h>

#define NR	4

static void test_create_errors(void)
{
	static const struct shmring_ioc_create bad[] = {
		{ .topology = 3, .nr_lanes = 1 },
		{ .topology = ~0u, .nr_lanes = 1 },
		{ .topology = FAN_IN },
		{ .topology = WORK, .nr_lanes = SHMRING_LANES_MAX + 1 },
		{ .topology = WORK, .nr_lanes = ~0u },
		{ .nr_lanes = 1 },
		{ .lanes_per_user = 1 },
		{ .topology = FAN_IN, .nr_lanes = 1, .reserved = 1 },
		{ .reserved = 1u << 31 },
	};
	int ring = make_ring(page_size());
	struct shmring_ioc_create c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("CREATE, case %zu", i);
		c = bad[i];
		c.capacity = page_size();
		refused(ring, control(), SHMRING_IOC_CREATE, &c, -EINVAL);
	}
	CHECK(!close(ring));
}

/* What a program sends that was built before there were lanes. */
static void test_older_program(void)
{
	const size_t sizes[] = { offsetof(struct shmring_ioc_query, producer_pid),
				 offsetof(struct shmring_ioc_query, topology) };
	const size_t first = offsetof(struct shmring_ioc_create, topology);
	struct shmring_ioc_create c = { .capacity = page_size(), .mode = 0600, .topology = 77,
					.nr_lanes = 77 };
	struct shmring_ioc_query q;
	int ring, lanes;
	size_t i;

	ring = (int)call(control(), resized(SHMRING_IOC_CREATE, first), &c);
	CHECK(ring >= 0);
	EXPECT_EQ(query(ring).topology, SHMRING_TOPOLOGY_RING);
	EXPECT_EQ(query(ring).nr_lanes, 1);
	refused(ring, control(), resized(SHMRING_IOC_CREATE, first - 8), &c, -EINVAL);
	lanes = make_lanes(FAN_IN, NR);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(&q, 0x5a, sizeof(q));
		q.lane = 0;
		CHECK_EQ(call(lanes, resized(SHMRING_IOC_QUERY, sizes[i]), &q), 0);
		EXPECT_EQ(q.capacity, page_size());
		EXPECT_EQ(q.topology, 0x5a5a5a5a);
		EXPECT_EQ(q.nr_lanes, 0x5a5a5a5a);
	}
	CHECK(!close(lanes));
	CHECK(!close(ring));
}

static void refuse_attach(int ring, struct shmring_ioc_attach a, int want)
{
	refused(ring, ring, SHMRING_IOC_ATTACH, &a, want);
}

static void test_attach_errors(void)
{
	const uint32_t numbered = SHMRING_ATTACH_F_LANE;
	int ring = make_lanes(FAN_IN, 2), plain = make_ring(page_size()), end, fd[2];

	refuse_attach(ring, (struct shmring_ioc_attach){ .role = CONSUMER }, -EPROTO);
	refuse_attach(ring, (struct shmring_ioc_attach){ .role = PRODUCER, .lane = 1 }, -EINVAL);
	refuse_attach(ring, (struct shmring_ioc_attach){ .flags = numbered }, -EINVAL);
	refuse_attach(ring, (struct shmring_ioc_attach){ .role = PRODUCER, .flags = numbered,
							 .lane = 2 }, -EINVAL);
	refuse_attach(ring, (struct shmring_ioc_attach){ .role = CONSUMER, .flags = numbered,
							 .lane = ~0u }, -EINVAL);
	refuse_attach(plain, (struct shmring_ioc_attach){ .role = PRODUCER, .flags = numbered,
							  .lane = 1 }, -EINVAL);
	fd[0] = attach_lane(ring, CONSUMER, 1);
	CHECK(fd[0] >= 0);
	refuse_attach(ring, (struct shmring_ioc_attach){ .role = CONSUMER, .flags = numbered,
							 .lane = 1 }, -EBUSY);
	CHECK(!close(fd[0]));
	/* From a lane's endpoint as from the ring file. */
	end = attach(ring, PRODUCER);
	fd[0] = attach(end, PRODUCER);
	EXPECT_EQ(lane_of(end), 0);
	EXPECT_EQ(lane_of(fd[0]), 1);
	refuse_attach(ring, (struct shmring_ioc_attach){ .role = PRODUCER }, -EBUSY);
	fd[1] = attach_lane(end, CONSUMER, 1);
	EXPECT_EQ(lane_of(fd[1]), 1);
	CHECK(!close(fd[0]) && !close(fd[1]) && !close(end));
	/* A ring without a topology has one lane. */
	end = attach_lane(plain, PRODUCER, 0);
	EXPECT(end >= 0);
	CHECK(!close(end) && !close(plain) && !close(ring));
}

static void test_query(void)
{
	int ring = make_lanes(WORK, NR), end = attach_lane(ring, PRODUCER, 3);
	struct shmring_ioc_query q = { .lane = NR };
	uint32_t i;

	refused(ring, ring, SHMRING_IOC_QUERY, &q, -EINVAL);
	q.lane = 3;
	refused(ring, end, SHMRING_IOC_QUERY, &q, -EINVAL);
	for (i = 0; i < NR; i++) {
		q = query_lane(ring, i);
		EXPECT_EQ(q.lane, i);
		EXPECT_EQ(q.own_lane, i);
		EXPECT_EQ(q.topology, WORK);
		EXPECT_EQ(q.nr_lanes, NR);
		EXPECT_EQ(q.id, query(ring).id);
		EXPECT_EQ(q.producer_pid, i == 3 ? getpid() : 0);
		EXPECT_EQ(q.kernel.offset, 0);
	}
	q = query(end);
	EXPECT_EQ(q.lane, 0);
	EXPECT_EQ(q.own_lane, 3);
	CHECK(!close(end) && !close(ring));
}

static unsigned long charged_pages(void)
{
	FILE *f = fopen("/sys/module/shmring/parameters/pages", "re");
	unsigned long n;

	CHECK(f && fscanf(f, "%lu", &n) == 1);
	fclose(f);
	return n;
}

/* Lanes have pages of their own: what is written into one shows in no other. */
static void test_most_lanes(void)
{
	static struct endpoint ends[SHMRING_LANES_MAX];
	const unsigned long before = charged_pages();
	int ring = make_lanes(FAN_IN, SHMRING_LANES_MAX), hub[SHMRING_LANES_MAX];
	struct shmring_ioc_query q;
	uint32_t i;

	EXPECT_EQ(charged_pages(), before + 4 * SHMRING_LANES_MAX);
	for (i = 0; i < SHMRING_LANES_MAX; i++) {
		ends[i] = endpoint(ring, PRODUCER);
		EXPECT_EQ(ends[i].q.own_lane, i);
		EXPECT_EQ(ends[i].status->nr_lanes, 1);
		hub[i] = attach_lane(ring, CONSUMER, i);
		CHECK(hub[i] >= 0);
		*(uint32_t *)ends[i].data = i;
		move(&ends[i], 8 * (i + 1));
	}
	EXPECT_EQ(attach(ring, PRODUCER), -EBUSY);
	for (i = 0; i < SHMRING_LANES_MAX; i++) {
		q = query_lane(ring, i);
		EXPECT_EQ(q.head, 8 * (i + 1));
		EXPECT_EQ(*(uint32_t *)ends[i].data, i);
		EXPECT_EQ(wait_data(hub[i], 8 * (i + 1), 0, 1), 0);
		EXPECT_EQ(wait_data(hub[i], 8 * (i + 2), 0, 1), -ETIMEDOUT);
	}
	for (i = 0; i < SHMRING_LANES_MAX; i++) {
		drop(&ends[i]);
		CHECK(!close(hub[i]));
	}
	CHECK(!close(ring));
	AWAIT(charged_pages() == before);
}

/* The messages of a producer that is killed are read; then its lane is free, and zeroed. */
static void test_killed_lane_end(void)
{
	int ring = make_lanes(FAN_IN, 1);
	struct endpoint hub = lane_endpoint(ring, CONSUMER, 0), next;
	struct actor a = actor(ring, PRODUCER, true);
	size_t i, other = 0;

	ask(&a, VERB_MOVE, 64, 0, 0);
	kill_actor(&a);
	EXPECT_EQ(hub.lane->producer.state, SHMRING_PEER_GONE);
	EXPECT_EQ(wait_data(hub.fd, 64, 0, 0), 0);
	EXPECT_EQ(attach(ring, PRODUCER), -EBUSY);
	move(&hub, 32);
	EXPECT_EQ(attach(ring, PRODUCER), -EBUSY);
	EXPECT_EQ(attach_lane(ring, PRODUCER, 0), -EBUSY);
	move(&hub, 32);
	EXPECT_EQ(wait_data(hub.fd, 1, 0, 0), -ENODATA);
	next = endpoint(ring, PRODUCER);
	EXPECT_EQ(next.producer->head, 64);
	memset(next.data, 0xee, page_size());
	memset((char *)next.producer + 256, 0xee, 1024);
	drop(&next);
	next = endpoint(ring, PRODUCER);
	for (i = 0; i < page_size(); i++)
		other += next.data[i] != 0;
	for (i = sizeof(*next.producer); i < page_size(); i++)
		other += ((unsigned char *)next.producer)[i] != 0;
	EXPECT_EQ(other, 0);
	drop(&next);
	drop(&hub);
	CHECK(!close(ring));
}

/* A hub in another process, which holds all lanes. */
static int be_hub(void *arg)
{
	const int *ring = arg;
	int i;

	for (i = 0; i < NR; i++)
		lane_endpoint(*ring, CONSUMER, (uint32_t)i);
	pause();
	return TEST_FAIL;
}

static void test_killed_hub(void)
{
	int ring = make_lanes(FAN_IN, NR), i;
	pid_t pid = start(be_hub, &ring);
	struct endpoint p[NR], hub;

	AWAIT(query_lane(ring, NR - 1).consumer_state == SHMRING_PEER_LIVE);
	for (i = 0; i < NR; i++) {
		p[i] = endpoint(ring, PRODUCER);
		move(&p[i], page_size());
	}
	kill_child(pid);
	for (i = 0; i < NR; i++)
		EXPECT_EQ(wait_space(p[i].fd, 8, 0, 0), -EPIPE);
	/* The next hub goes on where the other one stopped. */
	for (i = 0; i < NR; i++) {
		hub = lane_endpoint(ring, CONSUMER, (uint32_t)i);
		EXPECT_EQ(wait_data(hub.fd, page_size(), 0, 0), 0);
		move(&hub, 16);
		EXPECT_EQ(wait_space(p[i].fd, 16, 0, 0), 0);
		drop(&hub);
		drop(&p[i]);
	}
	CHECK(!close(ring));
}

/* End the role of the process that has it now. */
static int kick(const struct endpoint *hub)
{
	const struct shmring_half *other = hub->role == CONSUMER ? &hub->lane->producer :
								   &hub->lane->consumer;
	struct shmring_ioc_kick k = { .epoch = other->epoch };

	return call(hub->fd, SHMRING_IOC_KICK, &k);
}

static void test_kick_errors(void)
{
	int ring = make_lanes(FAN_IN, 1), plain = make_ring(page_size());
	struct endpoint hub = lane_endpoint(ring, CONSUMER, 0);
	int c = attach(plain, CONSUMER), end = attach(ring, PRODUCER);
	struct shmring_ioc_kick k = { .epoch = 1, .flags = 1 };

	refused(ring, hub.fd, SHMRING_IOC_KICK, &k, -EINVAL);
	k.flags = 0;
	refused(ring, ring, SHMRING_IOC_KICK, &k, -ENOTTY);
	refused(ring, end, SHMRING_IOC_KICK, &k, -EPERM);
	refused(plain, c, SHMRING_IOC_KICK, &k, -EPERM);
	CHECK(!close(end));
	refused(ring, hub.fd, SHMRING_IOC_KICK, &k, -ENOENT);
	/* The next one is another one. */
	end = attach(ring, PRODUCER);
	refused(ring, hub.fd, SHMRING_IOC_KICK, &k, -ESTALE);
	CHECK(!close(end));
	unmap(&hub);
	end = attach(ring, PRODUCER);
	refused(ring, hub.fd, SHMRING_IOC_KICK, &k, -ESHUTDOWN);
	CHECK(!close(end) && !close(hub.fd) && !close(c) && !close(plain) && !close(ring));
}

static void test_kick(void)
{
	int ring = make_lanes(FAN_IN, 2);
	struct endpoint hub = lane_endpoint(ring, CONSUMER, 0), next;
	struct endpoint other = lane_endpoint(ring, PRODUCER, 1);
	struct actor a = actor(ring, PRODUCER, true);

	ask(&a, VERB_MOVE, page_size(), 0, 0);
	start_verb(&a, VERB_WAIT, 8, 8, 0);
	await_sleep(&a, ring, 0);
	EXPECT_EQ(kick(&hub), 0);
	EXPECT_EQ(result_of(&a), -ESHUTDOWN);
	EXPECT_EQ(ask(&a, VERB_WAKE, 0, 0, 0), -ESHUTDOWN);
	EXPECT_EQ(kick(&hub), -ENOENT);
	/* It writes on, and the hub does not follow it. The other lane goes on. */
	ask(&a, VERB_SET, 2 * page_size(), 0, 0);
	EXPECT_EQ(hub.lane->producer.end, page_size());
	move(&hub, page_size());
	EXPECT_EQ(wait_data(hub.fd, 8, 0, 0), -ENODATA);
	EXPECT_EQ(wait_space(other.fd, 8, 0, 1), 0);
	/* While it maps the lane, no other process gets it. */
	EXPECT_EQ(attach_lane(ring, PRODUCER, 0), -EBUSY);
	EXPECT_EQ(attach(ring, PRODUCER), -EBUSY);
	ask(&a, VERB_UNMAP, 0, 0, 0);
	next = endpoint(ring, PRODUCER);
	EXPECT_EQ(next.q.own_lane, 0);
	EXPECT_EQ(next.producer->head, page_size());
	EXPECT_EQ(wait_data(hub.fd, 8, 0, 1), -ETIMEDOUT);
	move(&next, 8);
	EXPECT_EQ(wait_data(hub.fd, 8, 0, 0), 0);
	end_actor(&a);
	/* A process that is killed leaves its lane, too. */
	drop(&next);
	move(&hub, 8);
	a = actor(ring, PRODUCER, true);
	EXPECT_EQ(kick(&hub), 0);
	EXPECT_EQ(attach(ring, PRODUCER), -EBUSY);
	kill_actor(&a);
	next = endpoint(ring, PRODUCER);
	drop(&next);
	drop(&other);
	drop(&hub);
	CHECK(!close(ring));
}

/*
 * What a kicked process writes into its page changes nothing for the next hub, and the messages
 * that were not taken wait for it or for the next worker.
 */
static void test_kicked_process_lies(uint32_t topology)
{
	const bool work = topology == WORK;
	const uint32_t role = work ? PRODUCER : CONSUMER;
	int ring = make_lanes(topology, 1);
	struct endpoint hub = lane_endpoint(ring, role, 0), end = endpoint(ring, other_role(role));

	move(work ? &hub : &end, 64);
	move(work ? &end : &hub, 16);
	EXPECT_EQ(kick(&hub), 0);
	set_position(&end, SHMRING_POSITION_LIMIT / 2 + 64);
	drop(&hub);
	hub = lane_endpoint(ring, role, 0);
	if (work)
		EXPECT_EQ(hub.producer->head, 64);
	else
		EXPECT_EQ(hub.consumer->tail, 16);
	drop(&end);
	if (work) {
		end = endpoint(ring, CONSUMER);
		EXPECT_EQ(end.consumer->tail, 16);
	}
	EXPECT_EQ(wait_data(work ? end.fd : hub.fd, 48, 0, 1), 0);
	EXPECT_EQ(wait_data(work ? end.fd : hub.fd, 49, 0, 1), work ? -ETIMEDOUT : 0);
	if (work)
		drop(&end);
	drop(&hub);
	CHECK(!close(ring));
}

static void test_kicked_producer_lies(void)
{
	test_kicked_process_lies(FAN_IN);
}

static void test_kicked_worker_lies(void)
{
	test_kicked_process_lies(WORK);
}

/* A worker that keeps the data mapped would read the next worker's messages. */
static void test_views_hold_the_lane(void)
{
	int ring = make_lanes(WORK, 1), fd = attach(ring, CONSUMER), next;
	struct shmring_ioc_query q = query(fd);
	void *own, *data;

	own = map_region(fd, &q.consumer, PROT_READ | PROT_WRITE);
	data = map_region(fd, &q.data, PROT_READ);
	CHECK(!munmap(own, q.consumer.length));
	EXPECT_EQ(query(ring).consumer_state, SHMRING_PEER_GONE);
	EXPECT_EQ(attach(ring, CONSUMER), -EBUSY);
	CHECK(!munmap(data, q.data.length));
	next = attach(ring, CONSUMER);
	EXPECT(next >= 0);
	errno = 0;
	EXPECT(mmap(NULL, q.data.length, PROT_READ, MAP_SHARED, fd, (off_t)q.data.offset) ==
	       MAP_FAILED);
	EXPECT_EQ(errno, ESHUTDOWN);
	CHECK(!close(fd));
	EXPECT_EQ(attach(ring, CONSUMER), -EBUSY);
	CHECK(!close(next) && !close(ring));
}

/* What a worker has not released goes to the next one, whose lane is that one. */
static void test_messages_of_a_dead_worker(void)
{
	int ring = make_lanes(WORK, NR);
	struct endpoint hub = lane_endpoint(ring, PRODUCER, 2), next;
	struct actor a = actor(ring, CONSUMER, true), b = actor(ring, CONSUMER, true), c;

	c = actor(ring, CONSUMER, true);
	memcpy(hub.data, "message", 8);
	move(&hub, 16);
	ask(&c, VERB_MOVE, 8, 0, 0);
	kill_actor(&a);
	kill_actor(&c);
	next = endpoint(ring, CONSUMER);
	EXPECT_EQ(next.q.own_lane, 2);
	EXPECT_EQ(next.consumer->tail, 8);
	EXPECT(!memcmp(next.data, "message", 8));
	EXPECT_EQ(wait_data(next.fd, 8, 0, 0), 0);
	drop(&next);
	drop(&hub);
	end_actor(&b);
	CHECK(!close(ring));
}

/* Many processes come and go: no two have the same lane at a time. */
struct crowd {
	int ring;
	int taken[NR];
};

static int come_and_go(void *arg)
{
	struct crowd *c = arg;
	int fd, lane, i, got = 0;

	for (i = 0; i < 2000 || !got; i++) {
		fd = attach(c->ring, PRODUCER);
		if (fd == -EBUSY)
			continue;
		CHECK(fd >= 0);
		lane = lane_of(fd);
		CHECK_EQ(__atomic_exchange_n(&c->taken[lane], 1, __ATOMIC_SEQ_CST), 0);
		__atomic_store_n(&c->taken[lane], 0, __ATOMIC_SEQ_CST);
		CHECK(!close(fd));
		got++;
	}
	return TEST_PASS;
}

static void test_crowd(void)
{
	struct crowd *c = share(sizeof(*c));
	pid_t pids[2 * NR];
	size_t i;

	c->ring = make_lanes(FAN_IN, NR - 1);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = start(come_and_go, c);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		EXPECT_EQ(end_of(pids[i]), TEST_PASS);
	for (i = 0; i < NR - 1; i++)
		EXPECT(attach(c->ring, PRODUCER) >= 0);
	EXPECT_EQ(attach(c->ring, PRODUCER), -EBUSY);
}

static const char *limited;

static int attach_as_user(void *arg)
{
	int ring, fd[3], i;

	become(*(uid_t *)arg, 1000, NULL, 0);
	ring = open_ring(limited, SHMRING_RIGHT_PRODUCE);
	CHECK(ring >= 0);
	for (i = 0; i < 2; i++) {
		fd[i] = attach(ring, PRODUCER);
		EXPECT(fd[i] >= 0);
	}
	EXPECT_EQ(attach(ring, PRODUCER), -EDQUOT);
	EXPECT_EQ(attach_lane(ring, PRODUCER, 7), -EDQUOT);
	CHECK(!close(fd[0]));
	fd[2] = attach(ring, PRODUCER);
	EXPECT(fd[2] >= 0);
	return TEST_PASS;
}

static void test_lanes_per_user(void)
{
	uid_t users[] = { 1000, 1001 };
	int ring, end;

	limited = unique("limited");
	ring = create_lanes(limited, FAN_IN, 8, 2);
	CHECK(ring >= 0);
	end = attach(ring, PRODUCER);
	CHECK(end >= 0);
	EXPECT_EQ(in_child(attach_as_user, &users[0]), TEST_PASS);
	EXPECT_EQ(in_child(attach_as_user, &users[1]), TEST_PASS);
	CHECK_EQ(unlink_ring(limited), 0);
	CHECK(!close(end) && !close(ring));
}

static void test_proc(void)
{
	const char *name = unique("lanes");
	static struct endpoint p[SHMRING_LANES_MAX];
	const int nr = 100;
	int ring = create_lanes(name, FAN_IN, (uint32_t)nr, 0), i;
	struct endpoint hub;
	struct row r;

	CHECK(ring >= 0);
	for (i = 0; i < nr - 1; i++) {
		p[i] = endpoint(ring, PRODUCER);
		move(&p[i], 8);
		p[i].producer->refused = 2;
	}
	hub = lane_endpoint(ring, CONSUMER, 0);
	CHECK(find_row(name, &r));
	EXPECT_EQ(r.lanes, nr);
	EXPECT_EQ(r.capacity, page_size());
	EXPECT_EQ(r.used, 8 * (nr - 1));
	EXPECT_EQ(r.producers, nr - 1);
	EXPECT_EQ(r.consumers, 1);
	EXPECT_EQ(r.refused, 2 * (nr - 1));
	EXPECT_EQ(r.producer, 0);
	EXPECT_EQ(r.consumer, getpid());
	for (i = 0; i < nr - 1; i++)
		drop(&p[i]);
	drop(&hub);
	CHECK_EQ(unlink_ring(name), 0);
	CHECK(!close(ring));
}

int main(void)
{
	need_root();
	control();
	umask(0);
	RUN(test_create_errors);
	RUN(test_older_program);
	RUN(test_attach_errors);
	RUN(test_query);
	RUN(test_most_lanes);
	RUN(test_killed_lane_end);
	RUN(test_killed_hub);
	RUN(test_kick_errors);
	RUN(test_kick);
	RUN(test_kicked_producer_lies);
	RUN(test_kicked_worker_lies);
	RUN(test_views_hold_the_lane);
	RUN(test_messages_of_a_dead_worker);
	RUN(test_crowd);
	RUN(test_lanes_per_user);
	RUN(test_proc);
	return finish();
}
