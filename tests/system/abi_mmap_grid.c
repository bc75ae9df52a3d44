// SPDX-License-Identifier: MIT
/*
 * mmap: every offset and length around and far beyond a ring, against a model of
 * ten lines; on every kind of file; with every wrong flag.
 */
#include "abi.h"

#define NR_PAGES	4	/* of data */

static int ring;
static struct shmring_ioc_query q;

/* A mapping is of one whole region; producer and data may be one mapping. */
static bool is_span(uint64_t offset, uint64_t length)
{
	const struct shmring_region both = { q.producer.offset,
					     q.producer.length + q.data.length };
	const struct shmring_region *const spans[] = { &q.kernel, &q.consumer, &q.producer,
						       &q.data, &both };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(spans); i++)
		if (spans[i]->offset == offset && spans[i]->length == length)
			return true;
	return false;
}

/* mmap, and munmap if it works: 0 or -errno. */
static int try(int fd, uint64_t offset, uint64_t length, int prot, int flags)
{
	void *p;

	errno = 0;
	p = mmap(NULL, length, prot, flags, fd, (off_t)offset);
	if (p == MAP_FAILED)
		return -errno;
	CHECK(!munmap(p, length));
	return 0;
}

/* Unmapping an own region ends the role, so every try takes a new endpoint. */
static int try_as(uint32_t role, uint64_t offset, uint64_t length, int prot, int flags)
{
	int fd = attach(ring, role);
	int ret;

	CHECK(fd >= 0);
	ret = try(fd, offset, length, prot, flags);
	CHECK(!close(fd));
	return ret;
}

static void test_around_the_ring(void)
{
	const uint64_t page = page_size();
	const uint64_t end = q.data.offset + q.data.length + 2 * page;
	uint64_t offset, length;
	uint32_t role;

	for (role = PRODUCER; role <= CONSUMER; role++) {
		for (offset = 0; offset < end; offset += page) {
			for (length = page; length <= end; length += page) {
				context("%s maps %llu pages at %llu", role_name(role),
					(unsigned long long)(length / page),
					(unsigned long long)(offset / page));
				EXPECT_EQ(try_as(role, offset, length, PROT_READ, MAP_SHARED),
					  is_span(offset, length) ? 0 : -EINVAL);
			}
		}
	}
}

/* Far beyond the ring the memory manager may refuse first, with an error of its own. */
static void expect_refused(uint32_t role, uint64_t offset, uint64_t length)
{
	int ret;

	context("%s maps %#llx bytes at %#llx", role_name(role), (unsigned long long)length,
		(unsigned long long)offset);
	ret = try_as(role, offset, length, PROT_READ, MAP_SHARED);
	EXPECT(ret == -EINVAL || ret == -EOVERFLOW || ret == -ENOMEM);
}

static void test_far_out(void)
{
	const uint64_t page = page_size();
	const struct shmring_region *const regions[] = { &q.kernel, &q.consumer, &q.producer,
							 &q.data };
	uint32_t role;
	size_t i;
	int k;

	for (role = PRODUCER; role <= CONSUMER; role++) {
		for (i = 0; i < ARRAY_SIZE(regions); i++) {
			for (k = 20; k < 64; k++) {
				expect_refused(role, 1ull << k, regions[i]->length);
				expect_refused(role, (1ull << k) + regions[i]->offset,
					       regions[i]->length);
				expect_refused(role, -(1ull << k), regions[i]->length);
				if (k < 48)
					expect_refused(role, regions[i]->offset, 1ull << k);
			}
			expect_refused(role, 0 - page, regions[i]->length);
			expect_refused(role, 0 - page, regions[i]->length + page);
			expect_refused(role, regions[i]->offset, 0);
			expect_refused(role, regions[i]->offset, 0 - page);
			expect_refused(role, regions[i]->offset + 1, regions[i]->length);
		}
	}
}

static void test_private(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE };
	const struct shmring_region *const regions[] = { &q.kernel, &q.consumer, &q.producer,
							 &q.data };
	uint32_t role;
	size_t i, j;

	for (role = PRODUCER; role <= CONSUMER; role++) {
		for (i = 0; i < ARRAY_SIZE(regions); i++) {
			for (j = 0; j < ARRAY_SIZE(prots); j++) {
				context("%s maps region %zu privately, prot %d", role_name(role),
					i, prots[j]);
				EXPECT_EQ(try_as(role, regions[i]->offset, regions[i]->length,
						 prots[j], MAP_PRIVATE), -EINVAL);
			}
		}
	}
}

/* Only endpoints can be mapped. */
static void test_other_files(void)
{
	uint64_t offset;

	for (offset = 0; offset < q.data.offset; offset += page_size()) {
		context("offset %llu", (unsigned long long)offset);
		EXPECT_EQ(try(ring, offset, page_size(), PROT_READ, MAP_SHARED), -EACCES);
		EXPECT_EQ(try(control(), offset, page_size(), PROT_READ, MAP_SHARED), -ENODEV);
	}
}

/* A refused mmap leaves the role held and unmapped. */
static void test_refused_leaves_the_role(void)
{
	struct shmring_ioc_query now;
	int fd = attach(ring, PRODUCER);

	CHECK(fd >= 0);
	EXPECT_EQ(try(fd, q.producer.offset, q.producer.length, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE), -EINVAL);
	EXPECT_EQ(try(fd, q.consumer.offset, q.consumer.length, PROT_READ | PROT_WRITE,
		      MAP_SHARED), -EACCES);
	now = query(ring);
	EXPECT_EQ(now.producer_state, SHMRING_PEER_LIVE);
	EXPECT_EQ(try(fd, q.producer.offset, q.producer.length, PROT_READ | PROT_WRITE,
		      MAP_SHARED), 0);
	now = query(ring);
	EXPECT_EQ(now.producer_state, SHMRING_PEER_GONE);
	CHECK(!close(fd));
}

int main(void)
{
	ring = make_ring(NR_PAGES * page_size());
	q = query(ring);
	RUN(test_around_the_ring);
	RUN(test_far_out);
	RUN(test_private);
	RUN(test_other_files);
	RUN(test_refused_leaves_the_role);
	return finish();
}
