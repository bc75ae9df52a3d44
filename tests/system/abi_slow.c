// SPDX-License-Identifier: MIT
/*
 * A process that is given hardly any CPU delays no other process.
 *
 * One such process maps a large ring, and reports when it is in mmap() and when mmap() has
 * returned. Calls that other processes finish in between did not wait for it, so no clock is
 * needed. SIGKILL ends it before mmap() returns.
 *
 * Another such process reads /proc/shmring. The times that the other processes took are printed,
 * and not judged.
 */
#include "abi.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define GROUP		"/sys/fs/cgroup/shmring-slow"
#define LARGE		(128ull << 20)

enum progress { NOT_YET, MAPPING, MAPPED };

static _Atomic int *progress;

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = (ssize_t)strlen(text);
	bool ok = fd >= 0 && write(fd, text, (size_t)len) == len;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A thousandth of a CPU, where there is a controller for it. */
static bool make_group(void)
{
	write_text("/sys/fs/cgroup/cgroup.subtree_control", "+cpu");
	mkdir(GROUP, 0755);
	return write_text(GROUP "/cpu.max", "1000 1000000");
}

/* Keeps a CPU busy. */
static int spin(void *arg)
{
	(void)arg;
	for (;;)
		;
	return TEST_FAIL;
}

static pid_t spinners[64];
static int nr_spinners;

static void start_spinners(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (nr_spinners = 0; nr_spinners < cpus && nr_spinners < 64; nr_spinners++)
		spinners[nr_spinners] = start(spin, NULL);
}

static void stop_spinners(void)
{
	while (nr_spinners)
		kill_child(spinners[--nr_spinners]);
}

/* Has attached already: maps the data, which takes long. */
struct mapper {
	int fd;
	bool idle;	/* in SCHED_IDLE; otherwise in the group */
};

static int map_slowly(void *arg)
{
	const struct mapper *m = arg;
	struct shmring_ioc_query q = query(m->fd);
	struct sched_param param = { 0 };
	void *p;

	if (m->idle)
		CHECK(!sched_setscheduler(0, SCHED_IDLE, &param));
	else
		CHECK(write_text(GROUP "/cgroup.procs", "0"));
	*progress = MAPPING;
	p = mmap(NULL, q.data.length, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd,
		 (off_t)q.data.offset);
	*progress = MAPPED;
	CHECK(p != MAP_FAILED);
	pause();
	return TEST_FAIL;
}

static void nap_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

static pid_t start_mapper(struct mapper *m)
{
	pid_t pid;

	*progress = NOT_YET;
	pid = start(map_slowly, m);
	AWAIT(*progress != NOT_YET);
	nap_ms(300);		/* by now mmap() is well under way */
	return pid;
}

/* The mapper was too fast to delay another process: this try tests nothing. */
static bool was_too_fast(const char *what)
{
	if (*progress == MAPPING)
		return false;
	printf("# %s: the mapping was there before anything else could be tried\n", what);
	return true;
}

static int use_ring(void *arg)
{
	const int *ring = arg;

	query(*ring);
	CHECK(!close(attach(*ring, SHMRING_ROLE_NONE)));
	CHECK_EQ(attach(*ring, PRODUCER), -EBUSY);
	return TEST_PASS;
}

/* A ring's memory is freed a moment after its last user has gone: try again until it is. */
static int make_large_ring(void)
{
	int ring = -1;

	AWAIT((ring = create("", LARGE, 0600, 0)) != -ENOSPC);
	CHECK(ring >= 0);
	return ring;
}

enum way { BY_KILL, BY_EXIT, BY_UNMAP, BY_USE, NR_WAYS };

static void end_consumer(struct actor *c, int ring, enum way way)
{
	switch (way) {
	case BY_KILL:
		kill_actor(c);
		break;
	case BY_EXIT:
		end_actor(c);
		break;
	case BY_UNMAP:
		EXPECT_EQ(ask(c, VERB_UNMAP, 0, 0, 0), 0);
		break;
	default:
		EXPECT_EQ(in_child(use_ring, &ring), TEST_PASS);
	}
}

static void print_since(uint64_t start)
{
	uint64_t us = (now_ns() - start) / 1000;

	printf("%llu.%03llu ms\n", (unsigned long long)us / 1000, (unsigned long long)us % 1000);
}

static bool is_there(enum way way)
{
	return way == BY_UNMAP || way == BY_USE;
}

static void test_other_side(bool idle, enum way way)
{
	static const char *const names[] = { "is killed", "exits", "unmaps", "looks on" };
	int ring = make_large_ring();
	struct mapper m = { .fd = attach(ring, PRODUCER), .idle = idle };
	struct actor c = actor(ring, CONSUMER, true);
	pid_t pid;

	context("a producer %s maps, the consumer %s", idle ? "in SCHED_IDLE" : "with cpu.max",
		names[way]);
	CHECK(m.fd >= 0);
	if (idle)
		start_spinners();
	pid = start_mapper(&m);
	if (was_too_fast(names[way])) {
		kill_actor(&c);
	} else {
		uint64_t start = now_ns();

		end_consumer(&c, ring, way);
		EXPECT_EQ(*progress, MAPPING);
		printf("# a producer %s maps, the consumer %s: ",
		       idle ? "in SCHED_IDLE" : "with cpu.max", names[way]);
		print_since(start);
		EXPECT_EQ(query(ring).consumer_state,
			  way == BY_USE ? SHMRING_PEER_LIVE : SHMRING_PEER_GONE);
		if (is_there(way))
			kill_actor(&c);
	}
	stop_spinners();
	kill(pid, SIGKILL);
	if (!idle)
		write_text(GROUP "/cpu.max", "max");
	end_of(pid);
	if (!idle)
		write_text(GROUP "/cpu.max", "1000 1000000");
	CHECK(!close(m.fd));
	CHECK(!close(ring));
}

/*
 * SIGKILL ends a process in mmap(), before the mapping is complete. Another process that
 * has the same endpoint's file can then map the same region.
 */
static void test_killed_mapper(void)
{
	int ring = make_large_ring();
	struct mapper m = { .fd = attach(ring, PRODUCER), .idle = true };
	struct shmring_ioc_query q = query(ring);
	pid_t pid;

	CHECK(m.fd >= 0);
	start_spinners();
	pid = start_mapper(&m);
	if (!was_too_fast("SIGKILL")) {
		uint64_t start = now_ns();

		kill(pid, SIGKILL);
		stop_spinners();
		EXPECT_EQ(end_of(pid), 128 + SIGKILL);
		printf("# the mapper is killed: ");
		print_since(start);
		EXPECT_EQ(*progress, MAPPING);
		/* It may have been killed after the mapping was complete, on its way out of mmap(). */
		if (query(ring).producer_state == SHMRING_PEER_LIVE)
			CHECK(!munmap(map_region(m.fd, &q.data, PROT_READ | PROT_WRITE),
				      q.data.length));
		else
			printf("# the mapping was complete: the signal came too late\n");
		EXPECT_EQ(query(ring).producer_state, SHMRING_PEER_GONE);
	} else {
		stop_spinners();
		kill_child(pid);
	}
	CHECK(!close(m.fd));
	CHECK(!close(ring));
}

#define NR_RINGS	1500
#define NR_CYCLES	100

/* A reader that may see none of the rings, but has to walk past all of them. */
static int read_proc(void *arg)
{
	struct sched_param param = { 0 };
	char text[4096];
	int fd;

	(void)arg;
	become(1000, 1000, NULL, 0);
	CHECK(!sched_setscheduler(0, SCHED_IDLE, &param));
	for (;;) {
		fd = open("/proc/shmring", O_RDONLY | O_CLOEXEC);
		CHECK(fd >= 0);
		while (read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
	}
	return TEST_FAIL;
}

/* If the reader held a lock, each of these calls took seconds on a preemptible kernel. */
static int use_names(void *arg)
{
	const char *name = unique("slow");
	uint64_t start = now_ns(), end = start + PATIENCE_NS;
	int i, ring;

	(void)arg;
	for (i = 0; i < NR_CYCLES; i++) {
		ring = create(name, page_size(), 0600, 0);
		CHECK(ring >= 0);
		CHECK(!close(open_ring(name, SHMRING_RIGHT_ALL)));
		CHECK_EQ(unlink_ring(name), 0);
		CHECK(!close(ring));
		CHECK(now_ns() < end);
	}
	printf("# beside a slow reader, %d times create, open, unlink and close: ", NR_CYCLES);
	print_since(start);
	return TEST_PASS;
}

/*
 * Up to NR_RINGS; where pages are so large that the module's limit allows fewer, half of what
 * it allows.
 */
static int make_rings(int rings[NR_RINGS])
{
	int nr = 0, half;

	while (nr < NR_RINGS && (rings[nr] = create("", page_size(), 0600, 0)) >= 0)
		nr++;
	if (nr == NR_RINGS)
		return nr;
	CHECK_EQ(rings[nr], -ENOSPC);
	for (half = nr / 2; nr > half; )
		CHECK(!close(rings[--nr]));
	return nr;
}

static void test_proc_reader(void)
{
	const struct rlimit files = { NR_RINGS + 64, NR_RINGS + 64 };
	int rings[NR_RINGS], nr;
	pid_t reader;

	CHECK(!setrlimit(RLIMIT_NOFILE, &files));
	nr = make_rings(rings);
	start_spinners();
	reader = start(read_proc, NULL);
	EXPECT_EQ(in_child(use_names, NULL), TEST_PASS);
	stop_spinners();
	kill_child(reader);
	while (nr)
		CHECK(!close(rings[--nr]));
}

int main(void)
{
	enum way way;
	bool group;

	control();
	need_root();
	progress = share(sizeof(*progress));
	group = make_group();
	for (way = 0; way < NR_WAYS; way++) {
		test_other_side(true, way);
		if (group)
			test_other_side(false, way);
	}
	RUN(test_killed_mapper);
	RUN(test_proc_reader);
	rmdir(GROUP);
	return finish();
}
