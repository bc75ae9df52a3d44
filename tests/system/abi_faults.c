// SPDX-License-Identifier: MIT
/*
 * Every allocation and every copy of every system call on /dev/shmring and its files fails
 * once: see faults.h. The module's limit and the user's are set so low that pages which stay
 * charged after a failure use them up.
 */
#include "faults.h"
#include "lanes.h"
#include "regions.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define NAME		"faults"
#define OTHER_NAME	"faults-too"
#define HEADER_PAGES	3
#define SMALL		16	/* pages of data */
#define LARGE		512	/* the array of pages takes more than one page itself */
#define LANES		4
#define SPARE		200	/* pages that rings may have beside those of the scenes */
#define MAX_PAGES	"/sys/module/shmring/parameters/max_pages"

static int ring;		/* NAME; watched */
static struct endpoint p, c;	/* of another one */
static int lanes;		/* a fan-in */
static int set;			/* a wait set */
static int epoll_fd;

/* Set by the scene's prepare(). */
static int fd = -1;
static void *addr = MAP_FAILED;

static void close_fd(const struct scene *s)
{
	(void)s;
	CHECK(!close(fd));
	fd = -1;
}

static void close_new(const struct scene *s, int ret)
{
	(void)s;
	CHECK(!close(ret));
}

static int open_path(const char *path, int flags)
{
	int ret = open(path, flags | O_CLOEXEC);

	return ret < 0 ? -errno : ret;
}

static int call_open(const struct scene *s)
{
	(void)s;
	return open_path("/dev/shmring", O_RDWR);
}

static int call_create(const struct scene *s)
{
	return create("", (uint64_t)s->arg * page_size(), 0600, 0);
}

static int call_create_named(const struct scene *s)
{
	return create(OTHER_NAME, SMALL * page_size(), 0600, (uint32_t)s->arg);
}

static void undo_create_named(const struct scene *s, int ret)
{
	(void)s;
	CHECK(!unlink_ring(OTHER_NAME));
	CHECK(!close(ret));
}

static int call_open_ring(const struct scene *s)
{
	(void)s;
	return open_ring(NAME, SHMRING_RIGHT_ALL);
}

static void prepare_unlink(const struct scene *s)
{
	fd = call_create_named(s);
	CHECK(fd >= 0);
}

static int call_unlink(const struct scene *s)
{
	(void)s;
	return unlink_ring(OTHER_NAME);
}

static int call_attach(const struct scene *s)
{
	return attach(ring, s->role);
}

static int call_create_lanes(const struct scene *s)
{
	return create_lanes("", (uint32_t)s->arg, LANES, 0);
}

/* A lane that a process has had before. */
static int call_attach_lane(const struct scene *s)
{
	(void)s;
	return attach_lane(lanes, PRODUCER, 0);
}

static int call_create_set(const struct scene *s)
{
	return create_set((uint32_t)s->arg);
}

static int call_add(const struct scene *s)
{
	(void)s;
	return change_set(set, 0, c.fd);
}

static void undo_add(const struct scene *s, int ret)
{
	(void)s;
	(void)ret;
	CHECK_EQ(change_set(set, 0, -1), 0);
}

static int call_wait_set(const struct scene *s)
{
	return s->arg ? cool_set(set) : wait_set(set, 1);
}

static int call_poll_set(const struct scene *s)
{
	struct pollfd pfd = { .fd = set, .events = POLLIN };
	int ret = poll(&pfd, 1, 0);

	(void)s;
	return ret < 0 ? -errno : ret;
}

static int call_mmap_set(const struct scene *s)
{
	(void)s;
	errno = 0;
	addr = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, set, 0);
	return -errno;
}

static void undo_mmap_set(const struct scene *s, int ret)
{
	(void)s;
	(void)ret;
	CHECK(!munmap(addr, page_size()));
}

static int call_query(const struct scene *s)
{
	struct shmring_ioc_query q = { .lane = 0 };

	return (int)call(s->role ? p.fd : ring, SHMRING_IOC_QUERY, &q);
}

/* A region of the watched ring; DATA + 1: the producer's page and the data, in one mapping. */
static struct shmring_region place(const struct scene *s)
{
	struct shmring_ioc_query q = query(fd);
	struct shmring_region where = where_is(&q, (enum region)s->arg);

	if (s->arg > DATA) {
		where.offset = q.producer.offset;
		where.length = q.producer.length + q.data.length;
	}
	return where;
}

static int map(const struct scene *s, struct shmring_region where)
{
	enum region region = s->arg > DATA ? DATA : (enum region)s->arg;

	errno = 0;
	addr = mmap(NULL, where.length, allowed(s->role, region), MAP_SHARED, fd,
		    (off_t)where.offset);
	return -errno;
}

static struct shmring_region where;

static void prepare_mmap(const struct scene *s)
{
	fd = attach(ring, s->role);
	CHECK(fd >= 0);
	where = place(s);
}

static int call_mmap(const struct scene *s)
{
	return map(s, where);
}

static void undo_mmap(const struct scene *s, int ret)
{
	(void)s;
	(void)ret;
	CHECK(!munmap(addr, where.length));
}

static void prepare_munmap(const struct scene *s)
{
	prepare_mmap(s);
	CHECK_EQ(map(s, where), 0);
}

static int call_munmap(const struct scene *s)
{
	(void)s;
	return munmap(addr, where.length) ? -errno : 0;
}

/* Eight bytes of data, and space for all but eight. */
static int call_wait_data(const struct scene *s)
{
	return wait_data(c.fd, (uint64_t)s->arg, 0, 1);
}

static int call_wait_space(const struct scene *s)
{
	return wait_space(p.fd, (uint64_t)s->arg * page_size(), 0, 1);
}

static int call_wake(const struct scene *s)
{
	return (int)call(s->role == PRODUCER ? p.fd : c.fd, SHMRING_IOC_WAKE, NULL);
}

static int call_poll(const struct scene *s)
{
	struct pollfd pfd = { .fd = s->role == PRODUCER ? p.fd : c.fd,
			      .events = POLLIN | POLLOUT };
	int ret = poll(&pfd, 1, 0);

	return ret < 0 ? -errno : ret;
}

static int call_epoll(const struct scene *s)
{
	struct epoll_event e = { .events = (uint32_t)s->arg };
	int ret = epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->role == PRODUCER ? p.fd : c.fd, &e);

	return ret < 0 ? -errno : ret;
}

static void undo_epoll(const struct scene *s, int ret)
{
	(void)ret;
	CHECK(!epoll_ctl(epoll_fd, EPOLL_CTL_DEL, s->role == PRODUCER ? p.fd : c.fd, NULL));
}

static int call_proc_open(const struct scene *s)
{
	(void)s;
	return open_path("/proc/shmring", O_RDONLY);
}

static void prepare_proc(const struct scene *s)
{
	fd = call_proc_open(s);
	CHECK(fd >= 0);
}

static void prepare_fdinfo(const struct scene *s)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s->role ? c.fd : ring);
	fd = open_path(path, O_RDONLY);
	CHECK(fd >= 0);
}

static int call_read(const struct scene *s)
{
	char text[4096];
	ssize_t ret = read(fd, text, sizeof(text));

	(void)s;
	return ret < 0 ? -errno : (int)ret;
}

#define CALL(what, fn, ...)	{ .name = what, .call = fn, ##__VA_ARGS__ }
#define NEW_FD(what, fn, ...)	CALL(what, fn, .undo = close_new, ##__VA_ARGS__)
#define MMAP(role_, what, region) \
	CALL("mmap, " what, call_mmap, .prepare = prepare_mmap, .undo = undo_mmap, \
	     .clean = close_fd, .role = role_, .arg = region)
#define MUNMAP(role_, what, region) \
	CALL("munmap, " what, call_munmap, .prepare = prepare_munmap, .clean = close_fd, \
	     .role = role_, .arg = region)
#define EPOLL(role_, what, events) \
	CALL("epoll_ctl, " what, call_epoll, .undo = undo_epoll, .role = role_, .arg = events)
#define READ(what, prepare_, ...) \
	CALL(what, call_read, .prepare = prepare_, .clean = close_fd, ##__VA_ARGS__)

static const struct scene scenes[] = {
	NEW_FD("open", call_open),
	NEW_FD("CREATE", call_create, .arg = SMALL),
	CALL("CREATE, named", call_create_named, .undo = undo_create_named),
	CALL("CREATE, persistent", call_create_named, .undo = undo_create_named,
	     .arg = SHMRING_CREATE_F_PERSIST),
	NEW_FD("OPEN", call_open_ring),
	CALL("UNLINK", call_unlink, .prepare = prepare_unlink, .clean = close_fd),
	CALL("UNLINK, persistent", call_unlink, .prepare = prepare_unlink, .clean = close_fd,
	     .arg = SHMRING_CREATE_F_PERSIST),
	NEW_FD("ATTACH, a handle", call_attach),
	NEW_FD("ATTACH, a producer", call_attach, .role = PRODUCER),
	NEW_FD("ATTACH, a consumer", call_attach, .role = CONSUMER),
	NEW_FD("CREATE, lanes", call_create_lanes, .arg = FAN_IN),
	NEW_FD("ATTACH, a lane", call_attach_lane),
	NEW_FD("WAITSET_CREATE", call_create_set, .arg = SHMRING_WAITSET_MAX),
	CALL("WAITSET_CHANGE, add", call_add, .undo = undo_add),
	CALL("WAITSET_WAIT", call_wait_set, .works = -ETIMEDOUT),
	CALL("WAITSET_WAIT, F_COOL", call_wait_set, .arg = 1, .works = -EAGAIN),
	CALL("poll, a wait set", call_poll_set),
	CALL("mmap, a wait set", call_mmap_set, .undo = undo_mmap_set),
	CALL("QUERY, a handle", call_query),
	CALL("QUERY, an endpoint", call_query, .role = PRODUCER),
	MMAP(PRODUCER, "producer, kernel's", KERNEL),
	MMAP(PRODUCER, "producer, consumer's", CONSUMERS),
	MMAP(PRODUCER, "producer, own", PRODUCERS),
	MMAP(PRODUCER, "producer, data", DATA),
	MMAP(PRODUCER, "producer, own and data", DATA + 1),
	MMAP(CONSUMER, "consumer, kernel's", KERNEL),
	MMAP(CONSUMER, "consumer, own", CONSUMERS),
	MMAP(CONSUMER, "consumer, producer's", PRODUCERS),
	MMAP(CONSUMER, "consumer, data", DATA),
	MMAP(CONSUMER, "consumer, producer's and data", DATA + 1),
	MUNMAP(PRODUCER, "producer, data", DATA),
	MUNMAP(CONSUMER, "consumer, own", CONSUMERS),
	CALL("WAIT_DATA, there", call_wait_data, .arg = 8),
	CALL("WAIT_DATA, not there", call_wait_data, .arg = 16, .works = -ETIMEDOUT),
	CALL("WAIT_SPACE, there", call_wait_space, .arg = 1),
	CALL("WAIT_SPACE, not there", call_wait_space, .arg = SMALL, .works = -ETIMEDOUT),
	CALL("WAKE, by the producer", call_wake, .role = PRODUCER),
	CALL("WAKE, by the consumer", call_wake, .role = CONSUMER),
	CALL("poll, producer", call_poll, .role = PRODUCER),
	CALL("poll, consumer", call_poll, .role = CONSUMER),
	EPOLL(PRODUCER, "producer, level", EPOLLOUT),
	EPOLL(CONSUMER, "consumer, level", EPOLLIN),
	EPOLL(CONSUMER, "consumer, edge", EPOLLIN | EPOLLET),
	EPOLL(CONSUMER, "consumer, exclusive", EPOLLIN | EPOLLEXCLUSIVE),
	NEW_FD("/proc/shmring, open", call_proc_open),
	READ("/proc/shmring, read", prepare_proc),
	READ("fdinfo of a handle, read", prepare_fdinfo),
	READ("fdinfo of an endpoint, read", prepare_fdinfo, .role = CONSUMER),
	NEW_FD("CREATE, large", call_create, .arg = LARGE, .once = true),
};

/* Few pages for all rings, and no privilege to exceed the limit. */
static void be_poor(unsigned long pages)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];
	struct rlimit limit = { pages * page_size(), pages * page_size() };

	CHECK(!setrlimit(RLIMIT_MEMLOCK, &limit));
	CHECK(!syscall(SYS_capget, &h, d));
	d[0].effective &= ~(1u << CAP_IPC_LOCK);
	CHECK(!syscall(SYS_capset, &h, d));
}

static int play_all(void *arg)
{
	const unsigned long *pages = arg;
	int other;

	be_poor(*pages);
	ring = create(NAME, LARGE * page_size(), 0600, 0);
	CHECK(ring >= 0);
	other = make_ring(SMALL * page_size());
	p = endpoint(other, PRODUCER);
	c = endpoint(other, CONSUMER);
	move(&p, 8);
	lanes = make_lanes(FAN_IN, 1);
	CHECK(!close(attach(lanes, PRODUCER)));
	set = create_set(1);
	CHECK(set >= 0);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	CHECK(epoll_fd >= 0);
	play_scenes(scenes, ARRAY_SIZE(scenes), ring);
	return TEST_PASS;
}

static void write_number(const char *path, unsigned long n)
{
	FILE *f = fopen(path, "we");

	CHECK(f);
	CHECK(fprintf(f, "%lu\n", n) > 0);
	CHECK(!fclose(f));
}

int main(void)
{
	unsigned long pages = 2 * (LARGE + HEADER_PAGES) + SPARE, max_pages = 0;
	FILE *f;

	control();
	need_faults();
	f = fopen(MAX_PAGES, "re");
	CHECK(f && fscanf(f, "%lu", &max_pages) == 1);
	fclose(f);
	write_number(MAX_PAGES, pages);
	EXPECT_EQ(in_child(play_all, &pages), TEST_PASS);
	write_number(MAX_PAGES, max_pages);
	return finish();
}
