// SPDX-License-Identifier: MIT
#include "lanes.h"

int create_lanes(const char *name, uint32_t topology, uint32_t nr_lanes, uint32_t lanes_per_user)
{
	struct shmring_ioc_create c = { .capacity = page_size(), .mode = 0666,
					.topology = topology, .nr_lanes = nr_lanes,
					.lanes_per_user = lanes_per_user };

	CHECK(strlen(name) < sizeof(c.name));
	memcpy(c.name, name, strlen(name));
	return (int)call(control(), SHMRING_IOC_CREATE, &c);
}

int make_lanes(uint32_t topology, uint32_t nr_lanes)
{
	int fd = create_lanes("", topology, nr_lanes, 0);

	CHECK(fd >= 0);
	return fd;
}

int attach_lane(int ring, uint32_t role, uint32_t lane)
{
	struct shmring_ioc_attach a = { .role = role, .flags = SHMRING_ATTACH_F_LANE,
					.lane = lane };

	return (int)call(ring, SHMRING_IOC_ATTACH, &a);
}

struct endpoint lane_endpoint(int ring, uint32_t role, uint32_t lane)
{
	return map_endpoint(attach_lane(ring, role, lane), role);
}

int lane_of(int fd)
{
	return (int)query(fd).own_lane;
}

struct shmring_ioc_query query_lane(int ring, uint32_t lane)
{
	struct shmring_ioc_query q = { .lane = lane };

	CHECK_EQ(call(ring, SHMRING_IOC_QUERY, &q), 0);
	return q;
}

int create_set(uint32_t max)
{
	const struct shmring_ioc_waitset_create c = { .max = max };

	return (int)call(control(), SHMRING_IOC_WAITSET_CREATE, &c);
}

struct set make_set(uint32_t max)
{
	struct set s = { .fd = create_set(max) };

	CHECK(s.fd >= 0);
	s.page = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, s.fd, 0);
	CHECK(s.page != MAP_FAILED);
	return s;
}

void drop_set(struct set *s)
{
	CHECK(!munmap((void *)s->page, page_size()));
	CHECK(!close(s->fd));
}

bool is_hot(const struct set *s, unsigned int n)
{
	return __atomic_load_n(&s->page->hot[n / 64], __ATOMIC_SEQ_CST) >> n % 64 & 1;
}

int change_set(int set, uint32_t n, int fd)
{
	const struct shmring_ioc_waitset_change c = { .fd = fd, .index = n };

	return (int)call(set, SHMRING_IOC_WAITSET_CHANGE, &c);
}

int wait_set(int set, uint64_t deadline)
{
	const struct shmring_ioc_waitset_wait w = { .deadline = deadline };

	return (int)call(set, SHMRING_IOC_WAITSET_WAIT, &w);
}

int cool_set(int set)
{
	const struct shmring_ioc_waitset_wait w = { .flags = SHMRING_WAITSET_F_COOL };

	return (int)call(set, SHMRING_IOC_WAITSET_WAIT, &w);
}
