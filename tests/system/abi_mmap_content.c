// SPDX-License-Identifier: MIT
/* The content of the pages: zeroes, except where the ABI says otherwise; the data twice. */
#include "abi.h"

/* Fill memory before it is freed, so that a page that was not zeroed shows. */
static void dirty_memory(void)
{
	const size_t size = 32 << 20;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(p, 0xa5, size);
	CHECK(!munmap(p, size));
}

static bool all_zero(const void *from, const void *to)
{
	const unsigned char *p;

	for (p = from; p < (const unsigned char *)to; p++)
		if (*p)
			return false;
	return true;
}

/* The bytes that a publisher fences for at first: a MiB, or the ring's capacity if that is more. */
static uint64_t first_credit(uint64_t capacity)
{
	return capacity > 1u << 20 ? capacity : 1u << 20;
}

static void test_fresh_pages(void)
{
	struct shmring_lane want = { .consumer.wake_at = SHMRING_NO_WAKE,
				     .producer.wake_at = SHMRING_NO_WAKE };
	struct shmring_status status = { .magic = SHMRING_MAGIC, .abi = SHMRING_ABI,
					 .nr_lanes = 1, .align = SHMRING_ALIGN };
	const size_t page = page_size();
	struct endpoint p, c;
	int ring, i;

	for (i = 0; i < 8; i++) {
		context("fresh pages, round %d", i);
		dirty_memory();
		ring = make_ring(256 * page);
		p = endpoint(ring, PRODUCER);
		c = endpoint(ring, CONSUMER);
		status.capacity = 256 * page;
		want.producer.state = want.consumer.state = SHMRING_PEER_LIVE;
		want.producer.epoch = want.consumer.epoch = 1;
		EXPECT(!memcmp(c.status, &status, sizeof(status)));
		/* Fences never, for ever, or for the first bytes: each kernel has one of these. */
		want.consumer.fence_until = c.lane->consumer.fence_until;
		want.producer.fence_until = want.consumer.fence_until;
		EXPECT(!want.consumer.fence_until || want.consumer.fence_until == SHMRING_FENCE_ALWAYS ||
		       want.consumer.fence_until == first_credit(256 * page));
		EXPECT(!memcmp(c.lane, &want, sizeof(want)));
		EXPECT(all_zero(c.lane + 1, (const char *)c.status + page));
		EXPECT(all_zero(c.producer, (const char *)c.producer + page));
		EXPECT(all_zero(p.consumer, (const char *)p.consumer + page));
		EXPECT(all_zero(c.data, c.data + c.q.data.length));
		memset(p.data, 0xa5, p.q.capacity);
		drop(&p);
		drop(&c);
		CHECK(!close(ring));
	}
}

static void test_data_twice(void)
{
	const size_t capacity = 16 * page_size();
	int ring = make_ring(capacity);
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);
	uint64_t seed = 1;
	size_t i;

	for (i = 0; i < capacity; i++)
		p.data[i + (i & 1 ? capacity : 0)] = (unsigned char)random_u64(&seed);
	EXPECT(!memcmp(p.data, p.data + capacity, capacity));
	EXPECT(!memcmp(c.data, p.data, capacity));
	EXPECT(!memcmp(c.data + capacity, p.data, capacity));
	memset(p.data + capacity - 100, 0x77, 200);
	EXPECT_EQ(c.data[99], 0x77);
	EXPECT_EQ(c.data[capacity - 1], 0x77);
	EXPECT_EQ(c.data[2 * capacity - 1], 0x77);
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

/* Geometry and epochs, as an endpoint sees its peers come and go. */
static void test_kernel_region(void)
{
	struct shmring_ioc_create create = { .capacity = 2 * page_size(), .slot_size = 24,
					     .mode = 0600 };
	int ring = (int)call(control(), SHMRING_IOC_CREATE, &create);
	struct endpoint c = endpoint(ring, CONSUMER);
	struct endpoint p;
	uint32_t i;

	EXPECT_EQ(c.status->slot_size, 24);
	EXPECT_EQ(c.status->align, 8);
	EXPECT_EQ(c.status->slots, 2 * page_size() / 24);
	EXPECT_EQ(c.status->capacity, 2 * page_size());
	EXPECT_EQ(c.lane->producer.state, SHMRING_PEER_NONE);
	EXPECT_EQ(c.lane->producer.epoch, 0);
	for (i = 1; i <= 3; i++) {
		context("producer %u", i);
		p = endpoint(ring, PRODUCER);
		EXPECT_EQ(c.lane->producer.state, SHMRING_PEER_LIVE);
		EXPECT_EQ(c.lane->producer.epoch, i);
		move(&p, 24);
		drop(&p);
		EXPECT_EQ(c.lane->producer.state, SHMRING_PEER_GONE);
		EXPECT_EQ(c.lane->producer.epoch, i);
		EXPECT_EQ(c.lane->producer.end, 24 * i);
		EXPECT_EQ(c.producer->head, 24 * i);
	}
	EXPECT_EQ(c.lane->consumer.state, SHMRING_PEER_LIVE);
	EXPECT_EQ(c.lane->consumer.epoch, 1);
	drop(&c);
	CHECK(!close(ring));
}

/* The next owner finds usable positions, whatever the last owner has stored. */
static void test_positions_after_a_false_one(void)
{
	static const uint64_t fake[] = { 1ull << 63, ~0ull, ~0ull - 7, 1ull << 32 };
	int ring = make_ring(page_size());
	struct endpoint p = endpoint(ring, PRODUCER), c;
	size_t i;

	move(&p, 64);
	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		context("position %#llx", (unsigned long long)fake[i]);
		c = endpoint(ring, CONSUMER);
		EXPECT(c.producer->head - c.consumer->tail <= page_size());
		set_position(&c, fake[i]);
		drop(&c);
		EXPECT(p.producer->head - p.consumer->tail <= page_size());
	}
	c = endpoint(ring, CONSUMER);
	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		context("position %#llx of the producer", (unsigned long long)fake[i]);
		set_position(&p, fake[i]);
		drop(&p);
		EXPECT(c.producer->head - c.consumer->tail <= page_size());
		EXPECT_EQ(c.lane->producer.end, c.producer->head);
		p = endpoint(ring, PRODUCER);
	}
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

int main(void)
{
	control();
	RUN(test_fresh_pages);
	RUN(test_data_twice);
	RUN(test_kernel_region);
	RUN(test_positions_after_a_false_one);
	return finish();
}
