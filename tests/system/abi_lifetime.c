// SPDX-License-Identifier: MIT
/*
 * The lifetimes: a mapping keeps everything, a ring lives until its last holder, positions
 * outlive processes, and a name lasts as long as the ring's holders, or with PERSIST until it
 * is unlinked.
 */
#include "abi.h"

/* Use much of the free memory, so that a page that was freed too early gets other content. */
static int grab_memory(void *arg)
{
	const size_t size = 64 << 20;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	(void)arg;
	CHECK(p != MAP_FAILED);
	memset(p, 0xa5, size);
	for (i = 0; i < 16; i++)
		CHECK(!close(make_ring(64 * page_size())));
	return TEST_PASS;
}

static void fill(unsigned char *data, size_t size, uint64_t seed)
{
	size_t i;

	for (i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t word = random_u64(&seed);

		memcpy(data + i, &word, sizeof(word));
	}
}

static bool is_filled(const unsigned char *data, size_t size, uint64_t seed)
{
	uint64_t word;
	size_t i;

	for (i = 0; i < size; i += sizeof(word)) {
		word = random_u64(&seed);
		if (memcmp(data + i, &word, sizeof(word)))
			return false;
	}
	return true;
}

static void test_mapping_outlives_everything(void)
{
	const size_t capacity = 64 * page_size();
	const char *name = unique("outlived");
	int ring = create(name, capacity, 0600, 0);
	struct endpoint c = endpoint(ring, CONSUMER);
	struct endpoint p = endpoint(ring, PRODUCER);

	fill(p.data, capacity, 42);
	move(&p, capacity);
	drop(&p);
	CHECK_EQ(unlink_ring(name), 0);
	CHECK(!close(ring));
	CHECK(!close(c.fd));
	EXPECT_EQ(in_child(grab_memory, NULL), TEST_PASS);
	EXPECT(is_filled(c.data, capacity, 42));
	EXPECT(!memcmp(c.data, c.data + capacity, capacity));
	EXPECT_EQ(c.producer->head, capacity);
	EXPECT_EQ(c.lane->producer.state, SHMRING_PEER_GONE);
	EXPECT_EQ(c.lane->producer.end, capacity);
	EXPECT_EQ(c.status->magic, SHMRING_MAGIC);
	set_position(&c, 8);
	EXPECT_EQ(c.consumer->tail, 8);
	unmap(&c);
}

/* Both sides go on writing long after the files are closed. */
static void test_two_mappings_and_nothing_else(void)
{
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);

	CHECK(!close(ring) && !close(p.fd) && !close(c.fd));
	EXPECT_EQ(in_child(grab_memory, NULL), TEST_PASS);
	p.data[7] = 0x42;
	set_position(&p, 8);
	EXPECT_EQ(c.producer->head, 8);
	EXPECT_EQ(c.data[7], 0x42);
	unmap(&p);
	EXPECT_EQ(c.lane->producer.state, SHMRING_PEER_GONE);
	unmap(&c);
}

static void test_restarted_consumer(void)
{
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c;
	struct actor a;
	uint64_t i;

	for (i = 0; i < 10; i++) {
		context("consumer %d", (int)i);
		fill(p.data + (p.producer->head & (page_size() - 1)), 64, i);
		move(&p, 64);
		a = actor(ring, CONSUMER, true);
		ask(&a, VERB_MOVE, 24, 0, 0);
		kill_actor(&a);
		c = endpoint(ring, CONSUMER);
		EXPECT_EQ(c.consumer->tail, 64 * i + 24);
		EXPECT_EQ(c.producer->head, 64 * i + 64);
		EXPECT(is_filled(c.data + 64 * i, 64, i));
		EXPECT_EQ(wait_data(c.fd, 40, 0, 0), 0);
		move(&c, 40);
		drop(&c);
	}
	drop(&p);
	CHECK(!close(ring));
}

static void test_restarted_producer(void)
{
	int ring = make_ring(page_size());
	struct endpoint c = endpoint(ring, CONSUMER);
	struct endpoint p;
	struct actor a;
	uint64_t i;

	for (i = 0; i < 10; i++) {
		context("producer %d", (int)i);
		a = actor(ring, PRODUCER, true);
		ask(&a, VERB_MOVE, 24, 0, 0);
		kill_actor(&a);
		p = endpoint(ring, PRODUCER);
		EXPECT_EQ(p.producer->head, 64 * i + 24);
		fill(p.data + p.producer->head, 40, i);
		move(&p, 40);
		drop(&p);
		EXPECT_EQ(c.producer->head, 64 * i + 64);
		EXPECT_EQ(c.lane->producer.end, 64 * i + 64);
		EXPECT(is_filled(c.data + 64 * i + 24, 40, i));
		EXPECT_EQ(wait_data(c.fd, 64, 0, 0), 0);
		move(&c, 64);
		EXPECT_EQ(wait_data(c.fd, 1, 0, 0), -ENODATA);
	}
	drop(&c);
	CHECK(!close(ring));
}

static bool exists(const char *name)
{
	int fd = open_ring(name, SHMRING_RIGHT_ALL);

	if (fd >= 0)
		CHECK(!close(fd));
	else
		EXPECT_EQ(fd, -ENOENT);
	return fd >= 0;
}

/* Files of every kind, and mappings, hold a ring and its name. */
static void test_name_goes_with_the_last_holder(void)
{
	const char *name = unique("held");
	int ring = create(name, page_size(), 0600, 0);
	int narrowed = narrow(ring, SHMRING_RIGHT_CONSUME);
	int unmapped = attach(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);
	uint64_t id = query(ring).id;

	CHECK(!close(ring));
	EXPECT(exists(name));
	CHECK(!close(narrowed));
	EXPECT(exists(name));
	CHECK(!close(unmapped));
	EXPECT(exists(name));
	CHECK(!close(c.fd));
	EXPECT(exists(name));
	ring = open_ring(name, SHMRING_RIGHT_ALL);
	EXPECT_EQ(query(ring).id, id);
	EXPECT_EQ(query(ring).consumer_state, SHMRING_PEER_LIVE);
	CHECK(!close(ring));
	unmap(&c);
	EXPECT(!exists(name));
}

static int hold(void *arg)
{
	endpoint(open_ring(arg, SHMRING_RIGHT_ALL), CONSUMER);
	for (;;)
		pause();
	return TEST_FAIL;
}

static void test_name_goes_with_a_killed_holder(void)
{
	char *name = share(64);
	struct shmring_ioc_query q;
	pid_t pid;
	int ring;

	strcpy(name, unique("killed"));
	ring = create(name, page_size(), 0600, 0);
	pid = start(hold, name);
	do {
		q = query(ring);
	} while (q.consumer_state != SHMRING_PEER_LIVE);
	CHECK(!close(ring));
	EXPECT(exists(name));
	kill_child(pid);
	EXPECT(!exists(name));
}

static void test_persist(void)
{
	const char *name = unique("persist");
	int ring = create(name, page_size(), 0600, SHMRING_CREATE_F_PERSIST);
	struct endpoint p, c;
	uint64_t id;

	CHECK(ring >= 0);
	id = query(ring).id;
	EXPECT_EQ(query(ring).flags, SHMRING_CREATE_F_PERSIST);
	p = endpoint(ring, PRODUCER);
	fill(p.data, 64, 3);
	move(&p, 64);
	drop(&p);
	CHECK(!close(ring));
	EXPECT_EQ(in_child(grab_memory, NULL), TEST_PASS);

	ring = open_ring(name, SHMRING_RIGHT_ALL);
	CHECK(ring >= 0);
	EXPECT_EQ(query(ring).id, id);
	c = endpoint(ring, CONSUMER);
	EXPECT(is_filled(c.data, 64, 3));
	EXPECT_EQ(c.producer->head, 64);
	/* Without its name it is a ring like any other. */
	CHECK_EQ(unlink_ring(name), 0);
	EXPECT_EQ(query(ring).flags, 0);
	EXPECT_EQ(unlink_ring(name), -ENOENT);
	EXPECT(!exists(name));
	CHECK(!close(ring));
	EXPECT(is_filled(c.data, 64, 3));
	drop(&c);

	ring = create(name, page_size(), 0600, SHMRING_CREATE_F_PERSIST);
	CHECK(ring >= 0 && !close(ring));
	EXPECT(exists(name));
	CHECK_EQ(unlink_ring(name), 0);
	EXPECT(!exists(name));
}

int main(void)
{
	control();
	RUN(test_mapping_outlives_everything);
	RUN(test_two_mappings_and_nothing_else);
	RUN(test_restarted_consumer);
	RUN(test_restarted_producer);
	RUN(test_name_goes_with_the_last_holder);
	RUN(test_name_goes_with_a_killed_holder);
	RUN(test_persist);
	return finish();
}
