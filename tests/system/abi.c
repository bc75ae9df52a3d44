// SPDX-License-Identifier: MIT
/* /dev/shmring: its ioctls, and endpoints with their regions. */
#include "abi.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

int control(void)
{
	const char *require = getenv("SHMRING_REQUIRE");
	static int fd = -1;

	if (fd >= 0)
		return fd;
	fd = open("/dev/shmring", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (require && !strcmp(require, "kmod")) {
		printf("/dev/shmring: %s, and SHMRING_REQUIRE=kmod\n", strerror(errno));
		exit(TEST_FAIL);
	}
	skip("/dev/shmring: %s", strerror(errno));
}

int try_to_load_module(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	CHECK(fd >= 0);
	ret = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return ret;
}

void load_module(const char *path, const char *parameters)
{
	CHECK_EQ(try_to_load_module(path, parameters), 0);
}

/* close() drops its reference to the module late, in task work. */
void unload_module(void)
{
	long ret;

	do {
		ret = syscall(SYS_delete_module, "shmring", O_NONBLOCK);
	} while (ret && errno == EWOULDBLOCK);
	CHECK_EQ(ret, 0);
}

long call(int fd, unsigned long cmd, const void *arg)
{
	long ret;

	errno = 0;
	ret = ioctl(fd, cmd, arg);
	if (ret >= 0)
		return ret;
	CHECK_EQ(ret, -1);
	return -errno;
}

unsigned long resized(unsigned long cmd, size_t size)
{
	return (cmd & ~(unsigned long)IOCSIZE_MASK) | ((unsigned long)size << IOCSIZE_SHIFT);
}

static void set_name(__u8 *to, const char *name)
{
	CHECK(strlen(name) < SHMRING_NAME_MAX);
	memcpy(to, name, strlen(name));
}

int create(const char *name, uint64_t capacity, uint32_t mode, uint32_t flags)
{
	struct shmring_ioc_create c = { .capacity = capacity, .mode = mode, .flags = flags };

	set_name(c.name, name);
	return (int)call(control(), SHMRING_IOC_CREATE, &c);
}

int open_ring(const char *name, uint32_t rights)
{
	struct shmring_ioc_name n = { .rights = rights };

	set_name(n.name, name);
	return (int)call(control(), SHMRING_IOC_OPEN, &n);
}

int await_ring(const char *name, uint32_t rights, uint64_t deadline)
{
	struct shmring_ioc_name n = { .rights = rights, .flags = SHMRING_OPEN_F_WAIT,
				      .deadline = deadline };

	set_name(n.name, name);
	return (int)call(control(), SHMRING_IOC_OPEN, &n);
}

int unlink_ring(const char *name)
{
	struct shmring_ioc_name n = { .rights = 0 };

	set_name(n.name, name);
	return (int)call(control(), SHMRING_IOC_UNLINK, &n);
}

int make_ring(uint64_t capacity)
{
	int fd = create("", capacity, 0600, 0);

	CHECK(fd >= 0);
	return fd;
}

int attach_lowat(int ring, uint32_t role, uint64_t lowat)
{
	struct shmring_ioc_attach a = { .role = role, .lowat = lowat };

	return (int)call(ring, SHMRING_IOC_ATTACH, &a);
}

int attach(int ring, uint32_t role)
{
	return attach_lowat(ring, role, 0);
}

int narrow(int ring, uint32_t rights)
{
	struct shmring_ioc_attach a = { .rights = rights };

	return (int)call(ring, SHMRING_IOC_ATTACH, &a);
}

struct shmring_ioc_query query(int fd)
{
	struct shmring_ioc_query q;

	memset(&q, 0xcc, sizeof(q));
	q.lane = 0;
	CHECK_EQ(call(fd, SHMRING_IOC_QUERY, &q), 0);
	return q;
}

static int wait_for(int fd, unsigned long cmd, uint64_t bytes, uint64_t mark, uint64_t deadline)
{
	struct shmring_ioc_wait w = { .bytes = bytes, .mark = mark, .deadline = deadline };

	return (int)call(fd, cmd, &w);
}

int wait_data(int fd, uint64_t bytes, uint64_t mark, uint64_t deadline)
{
	return wait_for(fd, SHMRING_IOC_WAIT_DATA, bytes, mark, deadline);
}

int wait_space(int fd, uint64_t bytes, uint64_t mark, uint64_t deadline)
{
	return wait_for(fd, SHMRING_IOC_WAIT_SPACE, bytes, mark, deadline);
}

int wait_peer(int fd, uint64_t deadline)
{
	const struct shmring_ioc_wait_peer w = { .deadline = deadline };

	return (int)call(fd, SHMRING_IOC_WAIT_PEER, &w);
}

void *map_region(int fd, const struct shmring_region *region, int prot)
{
	void *p = mmap(NULL, region->length, prot, MAP_SHARED, fd, (off_t)region->offset);

	CHECK(p != MAP_FAILED);
	return p;
}

struct endpoint map_endpoint(int fd, uint32_t role)
{
	const int rw = PROT_READ | PROT_WRITE;
	const int producer = role == PRODUCER ? rw : PROT_READ;
	const int consumer = role == CONSUMER ? rw : PROT_READ;
	struct endpoint e = { .fd = fd, .role = role };

	CHECK(e.fd >= 0);
	e.q = query(e.fd);
	e.status = map_region(e.fd, &e.q.kernel, PROT_READ);
	e.lane = (const void *)((const char *)e.status + SHMRING_LANE_OFFSET);
	e.producer = map_region(e.fd, &e.q.producer, producer);
	e.consumer = map_region(e.fd, &e.q.consumer, consumer);
	e.data = map_region(e.fd, &e.q.data, producer);
	return e;
}

struct endpoint endpoint_lowat(int ring, uint32_t role, uint64_t lowat)
{
	return map_endpoint(attach_lowat(ring, role, lowat), role);
}

struct endpoint endpoint(int ring, uint32_t role)
{
	return endpoint_lowat(ring, role, 0);
}

void unmap(struct endpoint *e)
{
	CHECK(!munmap((void *)e->status, e->q.kernel.length));
	CHECK(!munmap(e->producer, e->q.producer.length));
	CHECK(!munmap(e->consumer, e->q.consumer.length));
	CHECK(!munmap(e->data, e->q.data.length));
}

void drop(struct endpoint *e)
{
	unmap(e);
	CHECK(!close(e->fd));
}

static __u64 *own_position(struct endpoint *e)
{
	return e->role == PRODUCER ? &e->producer->head : &e->consumer->tail;
}

static uint64_t peer_wake_at(const struct endpoint *e)
{
	return __atomic_load_n(e->role == PRODUCER ? &e->lane->consumer.wake_at :
						     &e->lane->producer.wake_at, __ATOMIC_SEQ_CST);
}

void set_position(struct endpoint *e, uint64_t position)
{
	__atomic_store_n(own_position(e), position, __ATOMIC_SEQ_CST);
}

void move(struct endpoint *e, uint64_t bytes)
{
	uint64_t position = *own_position(e) + bytes;

	set_position(e, position);
	if (position >= peer_wake_at(e))
		CHECK_EQ(call(e->fd, SHMRING_IOC_WAKE, NULL), 0);
}
