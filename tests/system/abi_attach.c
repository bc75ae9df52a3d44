// SPDX-License-Identifier: MIT
/* ATTACH and QUERY: each argument wrong in turn, and the result of right ones. */
#include "refused.h"

#include <fcntl.h>

static int ring;

static void refuse(int fd, const struct shmring_ioc_attach *a, int want)
{
	refused(ring, fd, SHMRING_IOC_ATTACH, a, want);
}

static void test_bits(void)
{
	struct shmring_ioc_attach a;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		context("ATTACH with bit %d", bit);
		a = (struct shmring_ioc_attach){ .role = PRODUCER, .flags = 1u << bit };
		if (!(a.flags & SHMRING_ATTACH_F_ALL))
			refuse(ring, &a, -EINVAL);
		a = (struct shmring_ioc_attach){ .role = PRODUCER, .lane = 1u << bit };
		refuse(ring, &a, -EINVAL);
		a = (struct shmring_ioc_attach){ .role = PRODUCER, .rights = 1u << bit };
		if (!(a.rights & SHMRING_RIGHT_ALL))
			refuse(ring, &a, -EINVAL);
	}
}

static void test_roles(void)
{
	static const uint32_t bad[] = { 3, 4, 5, 255, 1u << 31, ~0u };
	struct shmring_ioc_attach a;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("ATTACH with role %u", bad[i]);
		a = (struct shmring_ioc_attach){ .role = bad[i] };
		refuse(ring, &a, -EINVAL);
	}
}

static void test_lowat(void)
{
	const uint64_t capacity = query(ring).capacity;
	const uint64_t good[] = { 0, 1, 8, capacity - 1, capacity };
	const uint64_t bad[] = { capacity + 1, capacity * 2, 1ull << 63, ~0ull };
	struct shmring_ioc_attach a;
	uint32_t role;
	size_t i;
	int fd;

	for (role = PRODUCER; role <= CONSUMER; role++) {
		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			context("%s with lowat %#llx", role_name(role), (unsigned long long)bad[i]);
			a = (struct shmring_ioc_attach){ .role = role, .lowat = bad[i] };
			refuse(ring, &a, -EINVAL);
		}
		for (i = 0; i < ARRAY_SIZE(good); i++) {
			context("%s with lowat %#llx", role_name(role),
				(unsigned long long)good[i]);
			fd = attach_lowat(ring, role, good[i]);
			EXPECT(fd >= 0);
			CHECK(!close(fd));
		}
	}
	context("lowat without a role");
	a = (struct shmring_ioc_attach){ .lowat = 1 };
	refuse(ring, &a, -EINVAL);
}

static void test_busy(void)
{
	struct shmring_ioc_attach a;
	uint32_t role;
	int fd;

	for (role = PRODUCER; role <= CONSUMER; role++) {
		context("a second %s", role_name(role));
		fd = attach(ring, role);
		CHECK(fd >= 0);
		EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		EXPECT_EQ(query(fd).role, role);
		a = (struct shmring_ioc_attach){ .role = role };
		refuse(ring, &a, -EBUSY);
		refuse(fd, &a, -EBUSY);
		CHECK(!close(fd));
		fd = attach(ring, role);
		EXPECT(fd >= 0);
		CHECK(!close(fd));
	}
}

/* The rights that a file may pass on, and the roles that it may take. */
static void test_rights(void)
{
	struct shmring_ioc_attach a;
	uint32_t have, want, role, need;
	int fd;
	long got;

	for (have = 1; have <= SHMRING_RIGHT_ALL; have++) {
		fd = narrow(ring, have);
		CHECK(fd >= 0);
		EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		EXPECT_EQ(query(fd).rights, have);
		EXPECT_EQ(query(fd).role, SHMRING_ROLE_NONE);
		for (role = 0; role <= CONSUMER; role++) {
			for (want = 0; want <= SHMRING_RIGHT_ALL; want++) {
				context("rights %u, role %u, wanted rights %u", have, role, want);
				need = want | (role == PRODUCER ? SHMRING_RIGHT_PRODUCE : 0) |
				       (role == CONSUMER ? SHMRING_RIGHT_CONSUME : 0);
				a = (struct shmring_ioc_attach){ .role = role, .rights = want };
				if (need & ~have) {
					refuse(fd, &a, -EACCES);
					continue;
				}
				got = call(fd, SHMRING_IOC_ATTACH, &a);
				EXPECT(got >= 0);
				if (got < 0)
					continue;
				EXPECT_EQ(query((int)got).rights, want ? want : have);
				EXPECT_EQ(query((int)got).role, role);
				CHECK(!close((int)got));
			}
		}
		CHECK(!close(fd));
	}
}

static void test_query_lane(void)
{
	struct shmring_ioc_query q, same;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		context("QUERY of lane %#x", 1u << bit);
		memset(&q, 0xcc, sizeof(q));
		q.lane = 1u << bit;
		same = q;
		refused(ring, ring, SHMRING_IOC_QUERY, &q, -EINVAL);
		EXPECT(!memcmp(&q, &same, sizeof(q)));
	}
}

/* The argument of QUERY is written to: memory that is only readable is an EFAULT. */
static void test_query_of_read_only_memory(void)
{
	struct shmring_ioc_query *q = mmap(NULL, page_size(), PROT_READ,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(q != MAP_FAILED);
	refused(ring, ring, SHMRING_IOC_QUERY, q, -EFAULT);
	CHECK(!munmap(q, page_size()));
}

/* A newer program's longer structure: the kernel does not touch the part beyond its own. */
static void test_query_of_a_newer_program(void)
{
	struct {
		struct shmring_ioc_query q;
		uint64_t more[4];
	} newer;
	struct shmring_ioc_query q = query(ring);
	unsigned int i;

	memset(&newer, 0, sizeof(newer));
	CHECK_EQ(call(ring, resized(SHMRING_IOC_QUERY, sizeof(newer)), &newer), 0);
	EXPECT(!memcmp(&newer.q, &q, sizeof(q)));
	for (i = 0; i < ARRAY_SIZE(newer.more); i++)
		EXPECT_EQ(newer.more[i], 0);
}

static void test_query(void)
{
	const size_t page = page_size();
	struct shmring_ioc_query q = query(ring);

	EXPECT_EQ(q.lane, 0);
	EXPECT_EQ(q.role, SHMRING_ROLE_NONE);
	EXPECT_EQ(q.rights, SHMRING_RIGHT_ALL);
	EXPECT_EQ(q.mode, 0600);
	EXPECT_EQ(q.uid, geteuid());
	EXPECT_EQ(q.gid, getegid());
	EXPECT_EQ(q.flags, 0);
	EXPECT_EQ(q.slot_size, 0);
	EXPECT_EQ(q.features, 0);
	EXPECT(q.id);
	EXPECT_EQ(q.capacity, 4 * page);
	EXPECT_EQ(q.kernel.length, page);
	EXPECT_EQ(q.consumer.length, page);
	EXPECT_EQ(q.producer.length, page);
	EXPECT_EQ(q.data.length, 8 * page);
	EXPECT_EQ(q.consumer.offset, q.kernel.offset + q.kernel.length);
	EXPECT_EQ(q.producer.offset, q.consumer.offset + q.consumer.length);
	EXPECT_EQ(q.data.offset, q.producer.offset + q.producer.length);
	EXPECT_EQ(q.head, 0);
	EXPECT_EQ(q.tail, 0);
	EXPECT_EQ(q.producer_state, SHMRING_PEER_NONE);
	EXPECT_EQ(q.consumer_state, SHMRING_PEER_NONE);
	EXPECT_EQ(q.consumer_sleeps | q.consumer_woken | q.producer_sleeps | q.producer_woken, 0);
	EXPECT_EQ(q.name[0], 0);
}

int main(void)
{
	ring = make_ring(4 * page_size());
	RUN(test_query);
	RUN(test_query_lane);
	RUN(test_query_of_read_only_memory);
	RUN(test_query_of_a_newer_program);
	RUN(test_bits);
	RUN(test_roles);
	RUN(test_lowat);
	RUN(test_busy);
	RUN(test_rights);
	return finish();
}
