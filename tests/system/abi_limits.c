// SPDX-License-Identifier: MIT
/*
 * RLIMIT_MEMLOCK and max_pages: a ring above the limit is refused, leaves nothing behind, and
 * fits once another ring has gone.
 */
#include "abi.h"

#include <sched.h>
#include <sys/resource.h>

#define MAX_PAGES	"/sys/module/shmring/parameters/max_pages"
#define UID		1000
#define HEADER_PAGES	3	/* kernel, consumer, producer */

static void limit_memlock(uint64_t pages)
{
	struct rlimit r = { pages * page_size(), pages * page_size() };

	CHECK(!setrlimit(RLIMIT_MEMLOCK, &r));
}

static int as_user(void *arg)
{
	const uint64_t page = page_size();
	const char *name = unique("memlock");
	int i, fds, first, second;

	(void)arg;
	limit_memlock(4 + 8 + 2 * HEADER_PAGES);
	become(UID, UID, NULL, 0);
	EXPECT_EQ(create(name, 32 * page, 0600, 0), -EDQUOT);
	EXPECT_EQ(open_ring(name, SHMRING_RIGHT_ALL), -ENOENT);
	for (i = 0; i < 1000; i++) {
		first = create(name, 8 * page, 0600, 0);
		CHECK(first >= 0);
		fds = nr_fds();
		EXPECT_EQ(create("", 8 * page, 0600, 0), -EDQUOT);
		EXPECT_EQ(nr_fds(), fds);
		second = create("", 4 * page, 0600, 0);
		CHECK(second >= 0);
		EXPECT_EQ(create("", page, 0600, 0), -EDQUOT);
		/* Endpoints and further files of a ring are not charged. */
		CHECK(!close(attach(first, PRODUCER)));
		CHECK(!close(first) && !close(second));
	}
	/* CREATE with a name that is taken gives its pages back. */
	first = create(name, page, 0600, 0);
	CHECK(first >= 0);
	for (i = 0; i < 1000; i++)
		EXPECT_EQ(create(name, page, 0600, 0), -EEXIST);
	second = create("", 8 * page, 0600, 0);
	EXPECT(second >= 0);
	return TEST_PASS;
}

/* Root has CAP_IPC_LOCK, which lifts the limit. */
static int as_root(void *arg)
{
	int fd;

	(void)arg;
	limit_memlock(0);
	fd = create("", 64 * page_size(), 0600, 0);
	EXPECT(fd >= 0);
	return TEST_PASS;
}

static void test_memlock(void)
{
	int i;

	/* The rings that are still open go with this process. */
	for (i = 0; i < 3; i++)
		EXPECT_EQ(in_child(as_user, NULL), TEST_PASS);
	EXPECT_EQ(in_child(as_root, NULL), TEST_PASS);
	EXPECT_EQ(in_child(as_user, NULL), TEST_PASS);
}

static unsigned long read_max_pages(void)
{
	FILE *f = fopen(MAX_PAGES, "re");
	unsigned long pages;

	CHECK(f);
	CHECK_EQ(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	return pages;
}

static bool write_max_pages(unsigned long pages)
{
	FILE *f = fopen(MAX_PAGES, "we");

	return f && fprintf(f, "%lu\n", pages) > 0 && !fclose(f);
}

/* The limit is one of each user: the next user has all of its own. */
static int at_own_limit(void *arg)
{
	int *said = arg;

	limit_memlock(4 + HEADER_PAGES);
	become(UID, UID, NULL, 0);
	CHECK(create("", 4 * page_size(), 0600, 0) >= 0);
	said[0] = create("", page_size(), 0600, 0);
	kill(getpid(), SIGSTOP);
	return TEST_FAIL;
}

static int another_user(void *arg)
{
	(void)arg;
	limit_memlock(4 + HEADER_PAGES);
	become(UID + 1, UID + 1, NULL, 0);
	EXPECT(create("", 4 * page_size(), 0600, 0) >= 0);
	return TEST_PASS;
}

static void test_users_apart(void)
{
	int *said = share(sizeof(*said));
	pid_t pid = start(at_own_limit, said);

	AWAIT(state_of(pid) == 'T' || state_of(pid) == 'Z');
	EXPECT_EQ(said[0], -EDQUOT);
	EXPECT_EQ(in_child(another_user, NULL), TEST_PASS);
	kill_child(pid);
}

/* CAP_IPC_LOCK in a user namespace, which any user can make, does not lift the limit. */
static int as_root_of_a_namespace(void *arg)
{
	(void)arg;
	limit_memlock(4 + HEADER_PAGES);
	become(UID, UID, NULL, 0);
	if (unshare(CLONE_NEWUSER | CLONE_NEWIPC))
		return TEST_SKIP;
	EXPECT_EQ(create("", 8 * page_size(), 0600, 0), -EDQUOT);
	EXPECT(create("", 4 * page_size(), 0600, 0) >= 0);
	return TEST_PASS;
}

static void test_root_of_a_namespace(void)
{
	int ret = in_child(as_root_of_a_namespace, NULL);

	if (ret == TEST_SKIP)
		printf("no user namespaces: the part about them is left out\n");
	else
		EXPECT_EQ(ret, TEST_PASS);
}

/* The user's own limit is checked first. */
static int over_both_limits(void *arg)
{
	(void)arg;
	limit_memlock(0);
	become(UID, UID, NULL, 0);
	EXPECT_EQ(create("", page_size(), 0600, 0), -EDQUOT);
	return TEST_PASS;
}

/* The limit is one for all rings together, so measure how much others leave. */
static int fill_up(void *arg)
{
	const uint64_t page = page_size();
	const char *name = unique("full");
	int i, first, second;

	(void)arg;
	CHECK(write_max_pages(0));
	EXPECT_EQ(create(name, page, 0600, 0), -ENOSPC);
	EXPECT_EQ(open_ring(name, SHMRING_RIGHT_ALL), -ENOENT);
	EXPECT_EQ(in_child(over_both_limits, NULL), TEST_PASS);

	CHECK(write_max_pages(16 + 8 + 2 * HEADER_PAGES));
	for (i = 0; i < 1000; i++) {
		first = create(name, 16 * page, 0600, 0);
		CHECK(first >= 0);
		EXPECT_EQ(create("", 16 * page, 0600, 0), -ENOSPC);
		second = create("", 8 * page, 0600, 0);
		CHECK(second >= 0);
		EXPECT_EQ(create("", page, 0600, 0), -ENOSPC);
		EXPECT_EQ(create(name, page, 0600, 0), -ENOSPC);
		CHECK(!close(first));
		CHECK(!close(second));
	}
	/* With a limit below the pages in use, no existing ring is lost. */
	first = create(name, 16 * page, 0600, 0);
	CHECK(write_max_pages(1));
	EXPECT_EQ(create("", page, 0600, 0), -ENOSPC);
	EXPECT_EQ(query(first).capacity, 16 * page);
	EXPECT(attach(first, PRODUCER) >= 0);
	return TEST_PASS;
}

static void test_max_pages(void)
{
	unsigned long before = read_max_pages();

	EXPECT_EQ(in_child(fill_up, NULL), TEST_PASS);
	CHECK(write_max_pages(before));
	EXPECT_EQ(read_max_pages(), before);
}

/* Descriptors: the last resource that a call takes, and can fail for. */
static int without_descriptors(void *arg)
{
	const char *name = unique("emfile");
	int ring = create(name, page_size(), 0600, 0);
	/* Descriptors are given lowest first: there is none free below the ring's. */
	struct rlimit r = { (rlim_t)ring + 1, (rlim_t)ring + 1 }, before;

	(void)arg;
	CHECK(ring >= 0);
	CHECK(!getrlimit(RLIMIT_NOFILE, &before));
	CHECK(!setrlimit(RLIMIT_NOFILE, &r));
	EXPECT_EQ(create("", page_size(), 0600, 0), -EMFILE);
	EXPECT_EQ(create("other", page_size(), 0600, SHMRING_CREATE_F_PERSIST), -EMFILE);
	EXPECT_EQ(open_ring(name, SHMRING_RIGHT_ALL), -EMFILE);
	EXPECT_EQ(await_ring(name, SHMRING_RIGHT_ALL, 0), -EMFILE);
	EXPECT_EQ(narrow(ring, SHMRING_RIGHT_ALL), -EMFILE);
	EXPECT_EQ(attach(ring, PRODUCER), -EMFILE);
	EXPECT_EQ(query(ring).producer_state, SHMRING_PEER_NONE);
	EXPECT_EQ(unlink_ring("other"), -ENOENT);
	/* No failed call has left a reference to the ring. */
	CHECK(!setrlimit(RLIMIT_NOFILE, &before));
	CHECK(!close(ring));
	AWAIT(open_ring(name, SHMRING_RIGHT_ALL) == -ENOENT);
	return TEST_PASS;
}

int main(void)
{
	control();
	need_root();
	RUN(test_memlock);
	RUN(test_users_apart);
	RUN(test_root_of_a_namespace);
	RUN(test_max_pages);
	EXPECT_EQ(in_child(without_descriptors, NULL), TEST_PASS);
	return finish();
}
