// SPDX-License-Identifier: MIT
/*
 * The module is loaded and unloaded, again and again, while other processes have it open, map
 * it, poll it and wait in io_uring. Unloading succeeds or says that the module is in use; when
 * all users have gone, no memory may be missing.
 *
 * SHMRING_LOADS is the number of loads, SHMRING_SEED their times; SHMRING_KO is the module.
 */
#include "lib.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#if __has_include(<liburing.h>)
#define HAVE_URING	1
#include <shmring_uring.h>
#else
#define HAVE_URING	0
#endif

enum { NR_USERS = 3 };

#define LEAK	4096		/* kB: what the rest of the system may allocate meanwhile */

static uint64_t *stop, *used;	/* shared with the users */
static uint64_t seed;

static uint64_t below(uint64_t n)
{
	return random_u64(&seed) % n;
}

static void pause_us(uint64_t us)
{
	nanosleep(&(struct timespec){ .tv_nsec = (long)us * 1000 }, NULL);
}

/* --------------------------------------------------------------------- users */

#if HAVE_URING
static bool submit_wait(struct io_uring *ring, struct shmring *c)
{
	if (io_uring_queue_init(4, ring, 0))
		return false;
	shmring_prep_wait_data(io_uring_get_sqe(ring), c, 0);
	CHECK_EQ(io_uring_submit(ring), 1);
	return true;
}
#endif

static int watch(struct shmring *c)
{
	struct epoll_event ev = { .events = EPOLLIN | (below(2) ? EPOLLET : 0) };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	CHECK(ep >= 0);
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, shmring_poll_fd(c), &ev));
	return ep;
}

/* Take a ring, wait for it in every way, and give everything up in random order. */
static void use(struct shmring *p)
{
	struct shmring *c = attach(p, SHMRING_CONSUMER);
	int ep = watch(c);
#if HAVE_URING
	struct io_uring ring;
	bool waits = submit_wait(&ring, c);
#endif

	pause_us(below(2000));
	if (below(2))
		send_number(p, 1);
	if (below(2)) {
		shmring_close(c);
		close(ep);
	} else {
		close(ep);
		shmring_close(c);
	}
#if HAVE_URING
	if (waits)
		io_uring_queue_exit(&ring);
#endif
	__atomic_fetch_add(used, 1, __ATOMIC_RELAXED);
}

static int keep_using(void *arg)
{
	const struct shmring_options opt = { .role = SHMRING_PRODUCER, .backend = SHMRING_KMOD };
	struct shmring *p;
	int ret;

	seed += *(int *)arg;
	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		ret = shmring_create(&p, NULL, &opt);
		if (!ret) {
			use(p);
			shmring_close(p);
		} else {
			CHECK_EQ(ret, -ENODEV);		/* unloaded, or about to be */
		}
		pause_us(below(below(4) ? 3000 : 200000));	/* time to unload, now and then */
	}
	return TEST_PASS;
}

/* ------------------------------------------------------------------ the module */

static uint64_t loads, refused_loads, unloads, refused_unloads;

static void load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	if (!syscall(SYS_finit_module, fd, "", 0))
		loads++;
	else if (EXPECT_EQ(errno, EEXIST))
		refused_loads++;
	close(fd);
}

static void unload(void)
{
	if (!syscall(SYS_delete_module, "shmring", O_NONBLOCK))
		unloads++;
	else if (EXPECT(errno == EWOULDBLOCK || errno == EBUSY || errno == ENOENT))
		refused_unloads++;
}

/* kB of kernel memory: slabs that cannot be given back, and pages for modules. */
static uint64_t memory(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kb, sum = 0;
	char line[256];

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "SUnreclaim: %llu", &kb) == 1 ||
		    sscanf(line, "VmallocUsed: %llu", &kb) == 1)
			sum += kb;
	fclose(f);
	return sum;
}

/* Call sites in the module with memory that is not freed, where the kernel counts it. */
static int nr_allocations(void)
{
	FILE *f = fopen("/proc/allocinfo", "re");
	char line[512];
	int nr = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		nr += strstr(line, "[shmring]") != NULL;
	fclose(f);
	return nr;
}

static void reload(const char *path, uint64_t times)
{
	uint64_t end = loads + refused_loads + unloads + refused_unloads + times;

	while (loads + refused_loads + unloads + refused_unloads < end && !finish()) {
		load(path);
		pause_us(below(500));
		unload();
		if (below(4))
			unload();
	}
}

static void expect_unloadable(void)
{
	while (syscall(SYS_delete_module, "shmring", O_NONBLOCK) && errno != ENOENT) {
		CHECK(errno == EWOULDBLOCK || errno == EBUSY);
		nap();		/* io_uring drops its references a little later */
	}
}

int main(void)
{
	const char *path = getenv("SHMRING_KO");
	uint64_t times = setting("SHMRING_LOADS", 300), began = now_ns(), before, after;
	pid_t users[NR_USERS];
	int i;

	need_root();
	if (!path)
		skip("SHMRING_KO does not say which module");
	seed = setting("SHMRING_SEED", 1);
	printf("reload: seed %llu\n", (unsigned long long)seed);
	stop = share(2 * sizeof(*stop));
	used = stop + 1;
	expect_unloadable();
	for (i = 0; i < NR_USERS; i++)
		users[i] = start(keep_using, &i);
	reload(path, 100);
	before = memory();
	reload(path, times);
	/* On a busy machine there is seldom a moment without a user. */
	for (i = 0; i < 20 && !(loads && unloads && refused_unloads); i++)
		reload(path, times);
	*stop = 1;
	for (i = 0; i < NR_USERS; i++)
		EXPECT_EQ(end_of(users[i]), TEST_PASS);
	expect_unloadable();
	after = memory();
	printf("reload: %llu attempts: %llu loads, %llu refused, %llu unloads, %llu refused; %llu uses meanwhile; kernel memory %+lld kB; %.1f s\n",
	       (unsigned long long)(loads + refused_loads + unloads + refused_unloads),
	       (unsigned long long)loads, (unsigned long long)refused_loads,
	       (unsigned long long)unloads, (unsigned long long)refused_unloads,
	       (unsigned long long)*used, (long long)(after - before),
	       (double)(now_ns() - began) / 1e9);
	EXPECT(after < before + LEAK);
	EXPECT(loads && unloads && refused_unloads);
	EXPECT_EQ(nr_allocations(), 0);
	return finish();
}
