// SPDX-License-Identifier: MIT
/* OPEN with F_WAIT: sleeps until there is a ring with the name. */
#include "abi.h"

#include <fcntl.h>
#include <sched.h>

#define USER		1000
#define NR_WAITERS	32
#define LONG_NS		3600000000000

/* The arguments of a waiting process, and its result. */
struct waiter {
	const char *name;
	uint64_t deadline;
	uid_t uid;
	int said;		/* fd, or -errno */
	uint64_t id;		/* of the ring that it got */
};

static struct waiter *shared;

static void on_signal(int sig)
{
	(void)sig;
}

static int await_name(void *arg)
{
	struct waiter *w = arg;

	/* With and without SA_RESTART: both must end the wait. */
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	sigaction(SIGUSR2, &(struct sigaction){ .sa_handler = on_signal, .sa_flags = SA_RESTART },
		  NULL);
	if (w->uid)
		become(w->uid, w->uid, NULL, 0);
	w->said = await_ring(w->name, SHMRING_RIGHT_ALL, w->deadline);
	if (w->said >= 0)
		w->id = query(w->said).id;
	return TEST_PASS;
}

static pid_t begin(struct waiter *w, const char *name, uint64_t deadline)
{
	pid_t pid;

	*w = (struct waiter){ .name = name, .deadline = deadline, .uid = w->uid };
	pid = start(await_name, w);
	AWAIT(state_of(pid) == 'S');
	nap();			/* 'S' in OPEN, and not before the call */
	AWAIT(state_of(pid) == 'S');
	return pid;
}

static int make(const char *name)
{
	int ring = create(name, page_size(), 0600, 0);

	CHECK(ring >= 0);
	return ring;
}

static void test_name_comes(uint64_t deadline)
{
	const char *name = unique("comes");
	pid_t pid = begin(shared, name, deadline);
	int ring = make(name);

	EXPECT_EQ(end_of(pid), TEST_PASS);
	EXPECT(shared->said >= 0);
	EXPECT_EQ(shared->id, query(ring).id);
	CHECK(!close(ring));
}

static void test_without_deadline(void)
{
	test_name_comes(0);
}

static void test_before_deadline(void)
{
	test_name_comes(now_ns() + LONG_NS);
	test_name_comes(UINT64_MAX);
}

/* A waiter that finds the ring leaves it there for the others. */
static void test_many_waiters(void)
{
	const char *name = unique("many");
	pid_t pids[NR_WAITERS];
	int i, ring;

	for (i = 0; i < NR_WAITERS; i++)
		pids[i] = begin(&shared[i], name, 0);
	ring = make(name);
	for (i = 0; i < NR_WAITERS; i++) {
		EXPECT_EQ(end_of(pids[i]), TEST_PASS);
		EXPECT_EQ(shared[i].id, query(ring).id);
	}
	CHECK(!close(ring));
}

static void test_there_already(void)
{
	const char *name = unique("there");
	int ring = make(name), fd;

	fd = await_ring(name, SHMRING_RIGHT_ALL, 0);
	EXPECT(fd >= 0);
	CHECK(!close(fd));
	/* A ring that is there is opened, even if the deadline has passed. */
	fd = await_ring(name, SHMRING_RIGHT_ALL, 1);
	EXPECT(fd >= 0);
	CHECK(!close(fd));
	CHECK_EQ(unlink_ring(name), 0);
	EXPECT_EQ(await_ring(name, SHMRING_RIGHT_ALL, 1), -ETIMEDOUT);
	CHECK(!close(ring));
}

static void test_deadline(void)
{
	uint64_t deadline = now_ns() + 100000000;

	EXPECT_EQ(await_ring(unique("never"), SHMRING_RIGHT_ALL, deadline), -ETIMEDOUT);
	EXPECT(now_ns() >= deadline);
}

/* Rings with other names, or with names that begin alike, do not end the wait. */
static void test_other_names(void)
{
	const char *name = unique("other");
	char longer[SHMRING_NAME_MAX];
	pid_t pid = begin(shared, name, 0);
	int i, rings[256];

	for (i = 0; i < 256; i++) {
		snprintf(longer, sizeof(longer), "%s-%d", name, i);
		rings[i] = i % 2 ? make(longer) : make_ring(page_size());
	}
	nap();
	AWAIT(state_of(pid) == 'S');
	EXPECT_EQ(shared->said, 0);
	for (i = 0; i < 256; i++)
		CHECK(!close(rings[i]));
	rings[0] = make(name);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	EXPECT_EQ(shared->id, query(rings[0]).id);
	CHECK(!close(rings[0]));
}

static void test_not_granted(void)
{
	const char *name = unique("granted");
	int ring;
	pid_t pid;

	shared->uid = USER;
	pid = begin(shared, name, 0);
	shared->uid = 0;
	ring = make(name);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	EXPECT_EQ(shared->said, -EACCES);
	CHECK(!close(ring));
}

static void test_signals(void)
{
	static const int sigs[] = { SIGUSR1, SIGUSR2 };
	pid_t pid;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sigs); i++) {
		context("signal %d", sigs[i]);
		pid = begin(shared, unique("signal"), i ? now_ns() + LONG_NS : 0);
		/* More than one signal: the first may come before the call. */
		while (!__atomic_load_n(&shared->said, __ATOMIC_RELAXED)) {
			CHECK(!kill(pid, sigs[i]));
			nap();
		}
		EXPECT_EQ(end_of(pid), TEST_PASS);
		EXPECT_EQ(shared->said, -EINTR);
	}
	pid = begin(shared, unique("signal"), 0);
	kill_child(pid);
}

static void test_stopped(void)
{
	const char *name = unique("stopped");
	pid_t pid = begin(shared, name, 0);
	int ring;

	CHECK(!kill(pid, SIGSTOP));
	AWAIT(state_of(pid) == 'T');
	CHECK(!kill(pid, SIGCONT));
	AWAIT(state_of(pid) == 'S');
	EXPECT_EQ(shared->said, 0);
	ring = make(name);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	EXPECT_EQ(shared->id, query(ring).id);
	CHECK(!close(ring));
}

static int await_elsewhere(void *arg)
{
	if (unshare(CLONE_NEWIPC))
		return errno == EINVAL ? TEST_SKIP : TEST_FAIL;
	return await_name(arg);
}

/* The same name in another IPC namespace is another name. */
static void test_namespaces(void)
{
	uint64_t deadline = now_ns() + 300000000;
	const char *name = unique("elsewhere");
	int ring, ret;
	pid_t pid;

	*shared = (struct waiter){ .name = name, .deadline = deadline };
	pid = start(await_elsewhere, shared);
	ring = make(name);
	ret = end_of(pid);
	if (ret == TEST_SKIP)
		printf("no IPC namespaces: the part about them is left out\n");
	else
		EXPECT_EQ(ret, TEST_PASS);
	if (ret == TEST_PASS) {
		EXPECT_EQ(shared->said, -ETIMEDOUT);
		EXPECT(now_ns() >= deadline);
	}
	CHECK(!close(ring));
}

static int waits_by_its_clock(void *arg)
{
	uint64_t deadline = now_ns() + 300000000;

	(void)arg;
	EXPECT_EQ(await_ring(unique("time"), SHMRING_RIGHT_ALL, deadline), -ETIMEDOUT);
	EXPECT(now_ns() >= deadline);
	return TEST_PASS;
}

static int in_another_time(void *arg)
{
	const char *offset = "monotonic 864000 0";
	ssize_t len = (ssize_t)strlen(offset);
	int fd;

	(void)arg;
	if (unshare(CLONE_NEWTIME))
		return errno == EINVAL ? TEST_SKIP : TEST_FAIL;
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return TEST_SKIP;
	CHECK_EQ(write(fd, offset, (size_t)len), len);
	close(fd);
	return in_child(waits_by_its_clock, NULL);
}

static void test_time_namespaces(void)
{
	int ret = in_child(in_another_time, NULL);

	if (ret == TEST_SKIP)
		printf("no time namespaces: the part about them is left out\n");
	else
		EXPECT_EQ(ret, TEST_PASS);
}

int main(void)
{
	control();
	need_root();
	shared = share(NR_WAITERS * sizeof(*shared));
	RUN(test_without_deadline);
	RUN(test_before_deadline);
	RUN(test_many_waiters);
	RUN(test_there_already);
	RUN(test_deadline);
	RUN(test_other_names);
	RUN(test_not_granted);
	RUN(test_signals);
	RUN(test_stopped);
	RUN(test_namespaces);
	RUN(test_time_namespaces);
	return finish();
}
