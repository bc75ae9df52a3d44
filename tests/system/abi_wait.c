// SPDX-License-Identifier: MIT
/* Waits that block, are woken, time out, and wait for as many bytes as they ask for. */
#include "abi.h"

#include <fcntl.h>
#include <sched.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME	0x80
#endif

static struct actor waiter;
static struct endpoint peer;
static int ring;

/* A ring at which @role has nothing to do, and its peer in this process. */
static void begin(uint32_t role, bool mapped)
{
	ring = make_ring(4 * page_size());
	peer = endpoint(ring, other_role(role));
	if (role == PRODUCER && mapped) {
		waiter = actor(ring, role, true);
		ask(&waiter, VERB_MOVE, peer.q.capacity, 0, 0);
	} else {
		waiter = actor(ring, role, mapped);
	}
}

static void end(void)
{
	end_actor(&waiter);
	drop(&peer);
	CHECK(!close(ring));
}

static uint64_t wakes(void)
{
	struct shmring_ioc_query q = query(ring);

	return waiter.role == PRODUCER ? q.producer_woken : q.consumer_woken;
}

static uint64_t wake_at(void)
{
	return __atomic_load_n(waiter.role == PRODUCER ? &peer.lane->producer.wake_at :
			       &peer.lane->consumer.wake_at, __ATOMIC_SEQ_CST);
}

/* Send the waiter to sleep, and wait until it sleeps. */
static void send_to_sleep(uint64_t bytes, uint64_t mark)
{
	uint64_t before = sleeps(ring, waiter.role);

	start_verb(&waiter, VERB_WAIT, bytes, mark, 0);
	await_sleep(&waiter, ring, before);
}

/* After a WAKE the waiter looks, and sleeps again. */
static void expect_it_sleeps_on(void)
{
	uint64_t before = sleeps(ring, waiter.role);

	CHECK_EQ(call(peer.fd, SHMRING_IOC_WAKE, NULL), 0);
	await_sleep(&waiter, ring, before);
}

static void test_block_and_wake(uint32_t role)
{
	uint64_t before;

	context("%s blocks and is woken", role_name(role));
	begin(role, true);
	before = wakes();
	EXPECT_EQ(wake_at(), SHMRING_NO_WAKE);
	send_to_sleep(8, 8);
	EXPECT_EQ(wake_at(), 8);
	move(&peer, 8);
	EXPECT_EQ(result_of(&waiter), 0);
	EXPECT_EQ(wakes(), before + 1);
	EXPECT_EQ(wake_at(), SHMRING_NO_WAKE);
	end();
}

/* Fewer bytes than asked for end no wait, not even after a WAKE. */
static void test_sleeps_until_enough(uint32_t role)
{
	uint64_t want;

	context("%s sleeps until there is enough", role_name(role));
	begin(role, true);
	want = peer.q.capacity / 4;
	send_to_sleep(want, 0);
	AWAIT(wake_at() == want);
	set_position(&peer, want - 8);
	expect_it_sleeps_on();
	EXPECT_EQ(wake_at(), want);
	move(&peer, 8);
	EXPECT_EQ(result_of(&waiter), 0);
	end();
}

/*
 * In its first millisecond a sleep is for the mark, then for the bytes; a producer's default
 * mark is half the ring. The millisecond passes quickly, so try until the first position that
 * the waiter arms for was seen in time.
 */
static void test_patience(uint32_t role, uint64_t mark)
{
	uint64_t want = 0, first = SHMRING_NO_WAKE;
	int i;

	context("%s sleeps for mark %llu at first", role_name(role), (unsigned long long)mark);
	for (i = 0; i < 100; i++) {
		begin(role, true);
		want = mark ? mark : peer.q.capacity / 2;
		start_verb(&waiter, VERB_WAIT, 8, mark, 0);
		while ((first = wake_at()) == SHMRING_NO_WAKE)
			;
		AWAIT(wake_at() == 8);
		CHECK(!has_input(waiter.from));
		move(&peer, 8);
		EXPECT_EQ(result_of(&waiter), 0);
		end();
		if (first == want)
			break;
	}
	EXPECT_EQ(first, want);
}

/* The mark matters only to a sleep: bytes that are there end the wait at once. */
static void test_mark(uint32_t role)
{
	uint64_t capacity;

	context("%s with a mark", role_name(role));
	begin(role, true);
	capacity = peer.q.capacity;
	send_to_sleep(capacity - 8, capacity);
	AWAIT(wake_at() == capacity - 8);
	move(&peer, capacity - 16);
	expect_it_sleeps_on();
	move(&peer, 8);
	EXPECT_EQ(result_of(&waiter), 0);
	end();

	begin(role, true);
	move(&peer, 64);
	EXPECT_EQ(ask(&waiter, VERB_WAIT, 64, capacity, 0), 0);
	EXPECT_EQ(ask(&waiter, VERB_WAIT, 1, capacity, 1), 0);
	send_to_sleep(65, 72);
	move(&peer, 8);
	EXPECT_EQ(result_of(&waiter), 0);
	/* A mark below bytes counts as bytes. */
	send_to_sleep(128, 1);
	EXPECT_EQ(wake_at(), 128);
	move(&peer, 56);
	EXPECT_EQ(result_of(&waiter), 0);
	end();
}

/* At the deadline, @bytes end the wait with success, whatever the mark. */
static void test_bytes_at_the_deadline(uint32_t role)
{
	uint64_t before;

	context("%s has its bytes at the deadline", role_name(role));
	begin(role, true);
	before = sleeps(ring, role);
	start_verb(&waiter, VERB_WAIT, 8, peer.q.capacity, now_ns() + 300000000);
	AWAIT(sleeps(ring, role) > before);
	move(&peer, 8);
	EXPECT_EQ(result_of(&waiter), 0);
	end();
}

static void test_timeout(uint32_t role)
{
	uint64_t deadline;

	context("%s times out", role_name(role));
	begin(role, true);
	deadline = now_ns() + 50000000;
	EXPECT_EQ(ask(&waiter, VERB_WAIT, 8, 0, deadline), -ETIMEDOUT);
	EXPECT(now_ns() >= deadline);
	EXPECT_EQ(wake_at(), SHMRING_NO_WAKE);
	EXPECT_EQ(ask(&waiter, VERB_WAIT, 8, 0, 1), -ETIMEDOUT);
	end();
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* The latest deadline that there is, in a clock behind the kernel's: the wait never ends. */
static void expect_no_deadline(int fd)
{
	CHECK(!sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL));
	ualarm(100000, 0);
	EXPECT_EQ(wait_data(fd, 8, 0, INT64_MAX - 1), -EINTR);
}

static int waits_by_its_clock(void *arg)
{
	int *where = arg;
	struct endpoint c = endpoint(where[0], CONSUMER);
	uint64_t deadline = now_ns() + 300000000;

	EXPECT_EQ(wait_data(c.fd, 8, 0, deadline), -ETIMEDOUT);
	EXPECT(now_ns() >= deadline);
	/* Zero in the kernel's clock is a time that has passed; a deadline of zero means none. */
	if (where[1] > 0)
		EXPECT_EQ(wait_data(c.fd, 8, 0, (uint64_t)where[1] * 1000000000), -ETIMEDOUT);
	else
		expect_no_deadline(c.fd);
	drop(&c);
	return TEST_PASS;
}

/* In a time namespace deadlines count by its clock; futex(2) is asked with the same deadlines. */
static int in_another_time(void *arg)
{
	int *where = arg, fd, ret;
	char offset[64];

	if (unshare(CLONE_NEWTIME))
		return errno == EINVAL ? TEST_SKIP : TEST_FAIL;
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return TEST_SKIP;
	ret = snprintf(offset, sizeof(offset), "monotonic %d 0", where[1]);
	CHECK_EQ(write(fd, offset, (size_t)ret), ret);
	close(fd);
	return in_child(waits_by_its_clock, where);
}

static void test_time_namespaces(void)
{
	static const int offsets[] = { 864000, -1 };
	int where[2], ret;
	size_t i;

	if (geteuid()) {
		printf("not root: the part about time namespaces is left out\n");
		return;
	}
	while (now_ns() < 2000000000)
		nap();
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		context("a clock that is %d s ahead", offsets[i]);
		where[0] = make_ring(page_size());
		where[1] = offsets[i];
		ret = in_child(in_another_time, where);
		if (ret == TEST_SKIP)
			printf("no time namespaces: the part about them is left out\n");
		else
			EXPECT_EQ(ret, TEST_PASS);
		close(where[0]);
	}
}

/* Wake-ups with too few bytes do not move the deadline. */
static void test_timeout_despite_wakes(uint32_t role)
{
	uint64_t deadline;

	context("%s times out under a hail of WAKEs", role_name(role));
	begin(role, true);
	deadline = now_ns() + 200000000;
	start_verb(&waiter, VERB_WAIT, 8, 0, deadline);
	while (!has_input(waiter.from))
		CHECK_EQ(call(peer.fd, SHMRING_IOC_WAKE, NULL), 0);
	EXPECT_EQ(result_of(&waiter), -ETIMEDOUT);
	EXPECT(now_ns() >= deadline);
	end();
}

static void test_wake_nobody(uint32_t role)
{
	uint64_t before;
	int i;

	context("nobody to wake for a %s", role_name(other_role(role)));
	begin(role, true);
	before = wakes();
	for (i = 0; i < 10000; i++)
		CHECK_EQ(call(peer.fd, SHMRING_IOC_WAKE, NULL), 0);
	EXPECT_EQ(wakes(), before);
	/* The wait leaves nothing behind for the next one. */
	EXPECT_EQ(ask(&waiter, VERB_WAIT, 8, 0, 1), -ETIMEDOUT);
	send_to_sleep(8, 8);
	move(&peer, 8);
	EXPECT_EQ(result_of(&waiter), 0);
	end();
}

/*
 * A consumer that waits before there is a producer; a producer before a consumer, with a full
 * ring.
 */
static void test_peer_that_has_not_come_yet(uint32_t role)
{
	struct actor early;
	struct endpoint late;
	uint64_t before;
	int r = make_ring(page_size());

	context("%s is there first", role_name(role));
	early = actor(r, role, true);
	if (role == PRODUCER)
		ask(&early, VERB_MOVE, page_size(), 0, 0);
	before = sleeps(r, role);
	start_verb(&early, VERB_WAIT, 8, 8, 0);
	await_sleep(&early, r, before);
	late = endpoint(r, other_role(role));
	move(&late, 8);
	EXPECT_EQ(result_of(&early), 0);
	end_actor(&early);
	drop(&late);
	CHECK(!close(r));
}

/*
 * The consumer wants more bytes than fit beside the record that the producer wants to add. It
 * gets what there is, whichever of them sleeps first.
 */
static void test_no_deadlock(bool consumer_first)
{
	const uint64_t capacity = page_size();
	int r = make_ring(capacity);
	struct actor producer = actor(r, PRODUCER, true);
	struct actor consumer = actor(r, CONSUMER, true);

	context("consumer and producer wait, the %s first", consumer_first ? "former" : "latter");
	ask(&producer, VERB_MOVE, capacity / 2 + 8, 0, 0);
	if (consumer_first) {
		start_verb(&consumer, VERB_WAIT, capacity, 0, 0);
		await_sleep(&consumer, r, 0);
		start_verb(&producer, VERB_WAIT, capacity / 2, 0, 0);
		await_sleep(&producer, r, 0);
	} else {
		start_verb(&producer, VERB_WAIT, capacity / 2, 0, 0);
		await_sleep(&producer, r, 0);
		start_verb(&consumer, VERB_WAIT, capacity, 0, 0);
	}
	EXPECT_EQ(result_of(&consumer), 0);
	ask(&consumer, VERB_MOVE, capacity / 2 + 8, 0, 0);
	EXPECT_EQ(result_of(&producer), 0);
	end_actor(&producer);
	end_actor(&consumer);
	CHECK(!close(r));
}

int main(void)
{
	uint32_t role;

	control();
	for (role = PRODUCER; role <= CONSUMER; role++) {
		test_block_and_wake(role);
		test_sleeps_until_enough(role);
		test_mark(role);
		test_patience(role, 64);
		test_bytes_at_the_deadline(role);
		test_timeout(role);
		test_timeout_despite_wakes(role);
		test_wake_nobody(role);
		test_peer_that_has_not_come_yet(role);
	}
	test_patience(PRODUCER, 0);
	test_time_namespaces();
	test_no_deadlock(true);
	test_no_deadlock(false);
	return finish();
}
