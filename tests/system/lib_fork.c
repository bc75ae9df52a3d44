// SPDX-License-Identifier: MIT
/* fork: an endpoint stays with its process; a child that wants one attaches. */
#include "lib.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>

/* A child may close the parent's object, and ask for its descriptor. */
static int close_it(void *arg)
{
	struct shmring *r = arg;

	CHECK(shmring_fd(r) >= 0);
	shmring_close(r);
	return TEST_PASS;
}

/* The child does not have the parent's mapping, and close does not touch what is mapped there now. */
static int close_beside_a_mapping(void *arg)
{
	struct shmring *r = arg;
	unsigned char *at = (unsigned char *)r->data;

	EXPECT(!can_read(r->lane) && !can_read(r->producer) && !can_read(r->consumer));
	EXPECT(!can_read(at) && !can_read(at + 2 * page_size() - 1));
	CHECK(mmap(at, page_size(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == at);
	*at = 0x42;
	shmring_close(r);
	EXPECT(can_read(at));
	return TEST_PASS;
}

/* The same in a child that has rings of its own by then, as a rule where the parent's lie. */
static int close_beside_rings_of_its_own(void *arg)
{
	struct pair own = make_pair(page_size(), 0);
	struct shmring *r = arg;
	void *at = r->data;

	if (!can_read(at))
		CHECK(mmap(at, page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
			   MAP_FIXED_NOREPLACE, -1, 0) == at);
	shmring_close(r);
	EXPECT(can_read(at));
	send_number(own.p, 1);
	EXPECT_EQ(receive_number(own.c), 1);
	close_pair(&own);
	return TEST_PASS;
}

static void test_child_has_no_mapping(void)
{
	struct pair pair = make_pair(page_size(), 0);

	EXPECT_EQ(in_child(close_beside_rings_of_its_own, pair.p), TEST_PASS);
	EXPECT_EQ(in_child(close_beside_rings_of_its_own, pair.c), TEST_PASS);
	EXPECT_EQ(in_child(close_beside_a_mapping, pair.p), TEST_PASS);
	EXPECT_EQ(in_child(close_beside_a_mapping, pair.c), TEST_PASS);
	send_number(pair.p, 1);
	EXPECT_EQ(receive_number(pair.c), 1);
	close_pair(&pair);
}

static void test_child_closes(void)
{
	struct pair pair = make_pair(page_size(), 0);

	send_number(pair.p, 1);
	EXPECT_EQ(in_child(close_it, pair.p), TEST_PASS);
	EXPECT_EQ(in_child(close_it, pair.c), TEST_PASS);
	send_number(pair.p, 2);
	EXPECT_EQ(receive_number(pair.c), 1);
	EXPECT_EQ(receive_number(pair.c), 2);
	EXPECT_EQ(receive_now(pair.c), -EAGAIN);
	close_pair(&pair);
}

static int close_as_first(void *arg)
{
	struct pair *pair = arg;

	CHECK_EQ(getpid(), 1);
	close_pair(pair);
	return TEST_PASS;
}

/* Its child is to be the first process of a namespace, too. */
static int be_first(void *arg)
{
	struct pair pair = make_pair(page_size(), 0);

	(void)arg;
	CHECK_EQ(getpid(), 1);
	CHECK(!unshare(CLONE_NEWPID));
	send_number(pair.p, 1);
	EXPECT_EQ(in_child(close_as_first, &pair), TEST_PASS);
	send_number(pair.p, 2);
	EXPECT_EQ(receive_number(pair.c), 1);
	EXPECT_EQ(receive_number(pair.c), 2);
	EXPECT_EQ(receive_now(pair.c), -EAGAIN);
	close_pair(&pair);
	return TEST_PASS;
}

static int with_a_first(void *arg)
{
	if (unshare(CLONE_NEWPID) && unshare(CLONE_NEWUSER | CLONE_NEWPID))
		return TEST_SKIP;
	return in_child(be_first, arg);
}

/* A child in another PID namespace that has the number of its parent is treated as a child. */
static void test_child_of_the_same_pid(void)
{
	int ret = in_child(with_a_first, NULL);

	if (ret == TEST_SKIP)
		puts("no PID namespaces to be had: not tried with a child of its parent's pid");
	else
		EXPECT_EQ(ret, TEST_PASS);
}

static int just_be(void *arg)
{
	(void)arg;
	return TEST_PASS;
}

static void test_child_exits(void)
{
	struct pair pair = make_pair(page_size(), 0);

	EXPECT_EQ(in_child(just_be, NULL), TEST_PASS);
	send_number(pair.p, 1);
	EXPECT_EQ(receive_number(pair.c), 1);
	EXPECT_EQ(receive_now(pair.c), -EAGAIN);
	close_pair(&pair);
}

static int attach_in_vain(void *arg)
{
	const struct pair *pair = arg;
	struct shmring *r;

	EXPECT_EQ(shmring_attach_fd(&r, shmring_fd(pair->p), SHMRING_PRODUCER), -EBUSY);
	EXPECT_EQ(shmring_attach_fd(&r, shmring_fd(pair->c), SHMRING_CONSUMER), -EBUSY);
	EXPECT_EQ(shmring_attach_fd(&r, shmring_fd(pair->p), SHMRING_CONSUMER), -EBUSY);
	return TEST_PASS;
}

static void test_roles_are_the_parents(void)
{
	struct pair pair = make_pair(page_size(), 0);

	EXPECT_EQ(in_child(attach_in_vain, &pair), TEST_PASS);
	send_number(pair.p, 1);
	EXPECT_EQ(receive_number(pair.c), 1);
	close_pair(&pair);
}

/* A ring to a child, as textbooks do with a pipe. */
static int echo_sum(struct shmring *r)
{
	uint64_t n, sum = 0;

	while (shmring_recv(r, &n, sizeof(n), NULL) == sizeof(n))
		sum += n;
	return sum == 5050 ? TEST_PASS : TEST_FAIL;
}

static void test_pipe_to_a_child(void)
{
	struct shmring *p = make(page_size(), 0, SHMRING_PRODUCER);
	pid_t pid = start_as(p, SHMRING_CONSUMER, echo_sum);
	uint64_t n;

	for (n = 1; n <= 100; n++)
		send_number(p, n);
	shmring_close(p);
	EXPECT_EQ(end_of(pid), TEST_PASS);
}

static int child_of_producer(void *arg)
{
	struct shmring *p = attach(arg, SHMRING_PRODUCER);

	send_number(p, 1);
	if (!fork())
		for (;;)
			pause();
	raise(SIGKILL);
	return TEST_FAIL;
}

/* A child that is just running does not keep its dead parent's role. */
static void test_orphan(void)
{
	struct shmring *c = make(page_size(), 0, SHMRING_CONSUMER);

	EXPECT_EQ(in_child(child_of_producer, c), 128 + SIGKILL);
	EXPECT_EQ(receive_number(c), 1);
	EXPECT_EQ(shmring_wait_data(c, NULL), -ENODATA);
	shmring_close(attach(c, SHMRING_PRODUCER));
	shmring_close(c);
}

/*
 * Every descriptor that is open and was not @before, the library's own among them, is
 * close-on-exec.
 */
static void expect_close_on_exec(const bool *before)
{
	int fd, flags;

	for (fd = 0; fd < 256; fd++) {
		flags = fcntl(fd, F_GETFD);
		if (flags >= 0 && !before[fd])
			EXPECT(flags & FD_CLOEXEC);
	}
}

static void test_close_on_exec(void)
{
	const char *name = unique("exec");
	struct shmring *handle, *named;
	struct pair pair;
	bool before[256];
	int fd;

	for (fd = 0; fd < 256; fd++)
		before[fd] = fcntl(fd, F_GETFD) >= 0;
	pair = make_pair(page_size(), 0);
	handle = attach(pair.p, SHMRING_HANDLE);
	EXPECT(fcntl(shmring_fd(handle), F_GETFD) & FD_CLOEXEC);
	EXPECT(fcntl(shmring_fd(pair.p), F_GETFD) & FD_CLOEXEC);
	EXPECT(fcntl(shmring_fd(pair.c), F_GETFD) & FD_CLOEXEC);
	EXPECT(fcntl(shmring_poll_fd(pair.c), F_GETFD) & FD_CLOEXEC);
	expect_close_on_exec(before);
	shmring_close(handle);
	close_pair(&pair);

	CHECK_EQ(shmring_create(&handle, name, NULL), 0);
	CHECK_EQ(shmring_attach(&named, name, SHMRING_HANDLE), 0);
	CHECK_EQ(shmring_attach(&pair.c, name, SHMRING_CONSUMER), 0);
	expect_close_on_exec(before);
	shmring_close(pair.c);
	shmring_close(named);
	shmring_close(handle);
}

int main(void)
{
	need_backend();
	RUN(test_child_has_no_mapping);
	RUN(test_child_closes);
	RUN(test_child_of_the_same_pid);
	RUN(test_child_exits);
	RUN(test_roles_are_the_parents);
	RUN(test_pipe_to_a_child);
	RUN(test_orphan);
	RUN(test_close_on_exec);
	return finish();
}
