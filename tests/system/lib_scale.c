// SPDX-License-Identifier: MIT
/*
 * Thousands of rings in one process, each with its poll descriptor in one epoll set. Prints what
 * each call has taken, which is not checked.
 *
 *   lib_scale [NUMBER...]	of rings; 10,000, or fewer if SHMRING_MESSAGES is small
 */
#include "lib.h"

#include <sys/epoll.h>
#include <sys/resource.h>

#define MANY		10000
#define FEW		200	/* still more than a user may have inotify instances */
#define STEP		7	/* every 7th ring has its turn at once */
#define MAPPINGS	3	/* of an endpoint, at most */

/* What there is beside rings, and what a thread of the library takes. */
#define SOME_FDS	32
#define SOME_MAPPINGS	64

struct ring {
	struct pair pair;
	uint64_t turn;		/* the last one in which it was ready */
};

static struct ring *rings;
static unsigned long nr;
static int epoll;
static uint64_t turn;

/* --------------------------------------------------------------------- figures */

static unsigned long number_in(const char *path, const char *format, unsigned long otherwise)
{
	FILE *f = fopen(path, "re");
	char line[256];
	unsigned long n = otherwise;

	if (!f)
		return otherwise;
	while (fgets(line, sizeof(line), f) && sscanf(line, format, &n) != 1)
		;
	fclose(f);
	return n;
}

static unsigned long nr_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long n = 0;
	int c;

	CHECK(f);
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

/*
 * Shared memory, page tables and the kernel's objects of all processes, and this one's own; KiB.
 * The module's pages, four for each of @n rings, are in none of them.
 */
static unsigned long kib_used(unsigned long n)
{
	return (on_memfd() ? 0 : n * 4 * page_size() / 1024) +
	       number_in("/proc/meminfo", "Shmem: %lu", 0) +
	       number_in("/proc/meminfo", "Slab: %lu", 0) +
	       number_in("/proc/meminfo", "PageTables: %lu", 0) +
	       number_in("/proc/self/status", "RssAnon: %lu", 0);
}

static void show_time(const char *what, uint64_t since)
{
	printf(", %s %.1f us", what, (double)(now_ns() - since) / 1000 / (double)nr);
}

/* ---------------------------------------------------------------------- limits */

static unsigned long fds_of_a_process(void)
{
	struct rlimit l;

	CHECK(!getrlimit(RLIMIT_NOFILE, &l));
	l.rlim_cur = l.rlim_max;
	CHECK(!setrlimit(RLIMIT_NOFILE, &l));
	return l.rlim_cur;
}

static void restrict_to(unsigned long *n, unsigned long limit, const char *what)
{
	if (*n <= limit)
		return;
	if (limit < FEW)
		skip("%s: no more than %lu rings", what, limit);
	printf("%lu rings instead of %lu: %s\n", limit, *n, what);
	*n = limit;
}

/* How many descriptors a ring takes here. The first ones have some in common. */
static unsigned long fds_of_a_ring(void)
{
	struct pair pairs[3];
	int i, before = 0;

	for (i = 0; i < 3; i++) {
		before = nr_fds();
		pairs[i] = make_pair(page_size(), 0);
		CHECK(shmring_poll_fd(pairs[i].c) >= 0);
	}
	before = nr_fds() - before;
	for (i = 0; i < 3; i++)
		close_pair(&pairs[i]);
	return (unsigned long)before;
}

static bool in_user_mode_linux(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	bool found = false;
	char line[256];

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "User Mode Linux");
	if (f)
		fclose(f);
	return found;
}

/* Of @n rings, how many this system lets a process have. */
static unsigned long nr_that_fit(unsigned long n)
{
	unsigned long kib = number_in("/proc/meminfo", "MemAvailable: %lu", 0);

	/* A second process has all of the first one's, and two more for each ring of a turn. */
	restrict_to(&n, (fds_of_a_process() - SOME_FDS) / (fds_of_a_ring() + 1),
		    "the hard limit of RLIMIT_NOFILE is too low");
	restrict_to(&n, (number_in("/proc/sys/vm/max_map_count", "%lu", 65530) - SOME_MAPPINGS) /
		    (2 * MAPPINGS), "vm.max_map_count is too low");
	restrict_to(&n, kib / 2 / (4 * page_size() / 1024 + 16), "there is too little memory");
	/* To the host, each page of a guest's process is a mapping: five for each side. */
	if (in_user_mode_linux())
		restrict_to(&n, 3000, "User Mode Linux has a limit on pages");
	if (on_memfd())
		restrict_to(&n, number_in("/proc/sys/fs/inotify/max_user_watches", "%lu", FEW),
			    "fs.inotify.max_user_watches is too low");
	else	/* each has four pages */
		restrict_to(&n, number_in("/sys/module/shmring/parameters/max_pages", "%lu",
					  4 * FEW) / 4, "the module's max_pages is too low");
	return n;
}

/* ----------------------------------------------------------------------- rings */

static void make_rings(void)
{
	const struct shmring_options opt = { .capacity = page_size(), .role = SHMRING_PRODUCER };
	uint64_t start = now_ns();
	unsigned long i;

	for (i = 0; i < nr; i++)
		CHECK_EQ(shmring_create(&rings[i].pair.p, NULL, &opt), 0);
	show_time("create", start);
	start = now_ns();
	for (i = 0; i < nr; i++)
		rings[i].pair.c = attach(rings[i].pair.p, SHMRING_CONSUMER);
	show_time("attach", start);
}

static void poll_rings(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	uint64_t start = now_ns();
	unsigned long i;

	for (i = 0; i < nr; i++) {
		event.data.u64 = i;
		CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, shmring_poll_fd(rings[i].pair.c), &event));
		CHECK_EQ(receive_now(rings[i].pair.c), -EAGAIN);
	}
	show_time("poll", start);
}

static void close_rings(void)
{
	uint64_t start = now_ns();
	unsigned long i;

	for (i = 0; i < nr; i++)
		close_pair(&rings[i].pair);
	show_time("close", start);
}

/* ------------------------------------------------------------------- readiness */

static unsigned long next_event(int timeout)
{
	struct epoll_event event;
	int ret = epoll_wait(epoll, &event, 1, timeout);

	CHECK(ret >= 0);
	return ret ? event.data.u64 : nr;
}

static void expect_quiet(void)
{
	EXPECT_EQ(next_event(0), nr);
}

/* One message through one ring after the other: each makes one descriptor ready. */
static void pass_one_at_a_time(void)
{
	uint64_t start = now_ns();
	unsigned long i, k;

	for (i = 0; i < nr; i++) {
		k = i * 7919 % nr;
		send_number(rings[k].pair.p, k);
		CHECK_EQ(next_event(PATIENCE_S * 1000), k);
		CHECK_EQ(receive_number(rings[k].pair.c), k);
		CHECK_EQ(receive_now(rings[k].pair.c), -EAGAIN);
	}
	expect_quiet();
	show_time("a message", start);
}

/*
 * Await an event of every STEP-th ring, and of no other one. Each time, take what there is with
 * @take, whose result is not -EAGAIN once it has seen what it waits for.
 */
static void await_every_step(int (*take)(unsigned long i))
{
	unsigned long left = (nr + STEP - 1) / STEP, i;

	turn++;
	while (left) {
		i = next_event(PATIENCE_S * 1000);
		CHECK(i < nr && i % STEP == 0);
		if (take(i) != -EAGAIN && rings[i].turn != turn) {
			rings[i].turn = turn;
			left--;
		}
	}
}

static int take_number(unsigned long i)
{
	int ret = receive_now(rings[i].pair.c);

	if (ret == sizeof(uint64_t))
		CHECK_EQ(receive_now(rings[i].pair.c), -EAGAIN);
	return ret;
}

static int take_end(unsigned long i)
{
	int ret = receive_now(rings[i].pair.c);

	/* With the module the descriptor stays ready until there is a producer again. */
	if (ret == -ENODATA && !on_memfd())
		CHECK(!epoll_ctl(epoll, EPOLL_CTL_DEL, shmring_poll_fd(rings[i].pair.c), NULL));
	return ret;
}

static void pass_many_at_once(void)
{
	unsigned long i;

	for (i = 0; i < nr; i += STEP)
		send_number(rings[i].pair.p, i);
	await_every_step(take_number);
	expect_quiet();
}

static void end_streams(void)
{
	unsigned long i;

	for (i = 0; i < nr; i += STEP) {
		shmring_close(rings[i].pair.p);
		rings[i].pair.p = NULL;
	}
	await_every_step(take_end);
	expect_quiet();
}

/* The other sides are in another process, which is killed. */
static int produce(void *unused)
{
	unsigned long i;

	(void)unused;
	for (i = 0; i < nr; i += STEP)
		send_number(attach(rings[i].pair.c, SHMRING_PRODUCER), i);
	raise(SIGKILL);
	return TEST_FAIL;
}

static void poll_again(void)
{
	struct epoll_event event = { .events = EPOLLIN };

	for (event.data.u64 = 0; event.data.u64 < nr; event.data.u64 += STEP)
		CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD,
				 shmring_poll_fd(rings[event.data.u64].pair.c), &event));
}

static int take_all(unsigned long i)
{
	int ret;

	do {
		ret = receive_now(rings[i].pair.c);
	} while (ret == sizeof(uint64_t));
	return ret == -ENODATA ? take_end(i) : ret;
}

static void hear_of_other_processes(void)
{
	EXPECT_EQ(in_child(produce, NULL), 128 + SIGKILL);
	if (!on_memfd())
		poll_again();
	await_every_step(take_all);
}

/* ------------------------------------------------------------------------ main */

static void test_scale(unsigned long n)
{
	unsigned long mappings, kib;

	nr = nr_that_fit(n);
	rings = calloc(nr, sizeof(*rings));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	CHECK(rings && epoll >= 0);
	mappings = nr_mappings();
	kib = kib_used(0);
	printf("%lu rings", nr);
	context("%lu rings", nr);
	make_rings();
	poll_rings();
	mappings = nr_mappings() - mappings;
	printf(", %.2f mappings, %.1f KiB beside the data", (double)mappings / (double)nr,
	       (double)(kib_used(nr) - kib) / (double)nr - (double)page_size() / 1024);
	EXPECT(mappings <= 2 * MAPPINGS * nr + SOME_MAPPINGS);
	expect_quiet();
	pass_one_at_a_time();
	pass_many_at_once();
	end_streams();
	hear_of_other_processes();
	close_rings();
	puts("");
	close(epoll);
	free(rings);
}

int main(int argc, char **argv)
{
	int i;

	need_backend();
	need_inotify();
	for (i = 1; i < argc; i++)
		test_scale(strtoul(argv[i], NULL, 0));
	if (argc == 1)
		test_scale(nr_sleeps(MANY));
	return finish();
}
