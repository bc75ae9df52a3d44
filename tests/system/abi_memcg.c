// SPDX-License-Identifier: MIT
/*
 * Rings are charged to the memory cgroup of the process that creates them: the group's limit
 * holds, and closing a ring gives its memory back.
 */
#include "abi.h"

#include <fcntl.h>
#include <sys/stat.h>

#define ROOT	"/sys/fs/cgroup"

static char group[128];

/*
 * The memory that a group may keep after its rings have gone: each CPU charges 64 pages ahead,
 * which is 4 MiB where a page has 64 KiB.
 */
static long long slack(void)
{
	long long batches = 256 * (long long)page_size();

	return batches > 4 << 20 ? batches : 4 << 20;
}

/* A ring far above the slack. */
static uint64_t large(void)
{
	return 4 * (uint64_t)slack();
}

static bool write_text(const char *dir, const char *file, const char *text)
{
	char path[256];
	ssize_t len = (ssize_t)strlen(text);
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, text, (size_t)len) == len;
	close(fd);
	return ok;
}

static long long read_number(const char *file)
{
	char path[256];
	long long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	f = fopen(path, "re");
	CHECK(f);
	CHECK_EQ(fscanf(f, "%lld", &n), 1);
	fclose(f);
	return n;
}

static bool make_group(void)
{
	snprintf(group, sizeof(group), ROOT "/shmring-test-%d", getpid());
	write_text(ROOT, "cgroup.subtree_control", "+memory");
	return !mkdir(group, 0755) && !access(ROOT "/cgroup.procs", W_OK);
}

static void join_group(void)
{
	CHECK(write_text(group, "cgroup.procs", "0"));
}

/* In the group: create a ring, and hold it. */
static int make_one(void *arg)
{
	const uint64_t *capacity = arg;

	join_group();
	CHECK(create("", *capacity, 0600, 0) >= 0);
	kill(getpid(), SIGSTOP);
	return TEST_FAIL;
}

static void test_charged(void)
{
	uint64_t capacity = large();
	pid_t pid = start(make_one, &capacity);

	AWAIT(state_of(pid) == 'T' || state_of(pid) == 'Z');
	EXPECT_EQ(state_of(pid), 'T');
	EXPECT(read_number("memory.current") >= (long long)capacity);
	kill_child(pid);
	/* The group gives most of it back, and late. */
	AWAIT(read_number("memory.current") < slack());
}

static int make_too_much(void *arg)
{
	const uint64_t *capacity = arg;
	int ret, i;

	join_group();
	for (i = 0; i < 20; i++) {
		ret = create("too-much", *capacity, 0600, 0);
		EXPECT_EQ(ret, -ENOMEM);
		EXPECT_EQ(open_ring("too-much", SHMRING_RIGHT_ALL), -ENOENT);
	}
	/* A ring below the limit still fits. */
	EXPECT(create("", *capacity / 16, 0600, 0) >= 0);
	return TEST_PASS;
}

/* The call is refused, or the OOM killer ends its process and no other. */
static void test_over_the_limit(void)
{
	uint64_t capacity = 2 * large();
	char limit[32];
	int ret;

	snprintf(limit, sizeof(limit), "%llu", (unsigned long long)large());
	CHECK(write_text(group, "memory.max", limit));
	write_text(group, "memory.swap.max", "0");
	ret = in_child(make_too_much, &capacity);
	EXPECT(ret == TEST_PASS || ret == 128 + SIGKILL);
	EXPECT_EQ(open_ring("too-much", SHMRING_RIGHT_ALL), -ENOENT);
	AWAIT(read_number("memory.current") < slack());
	CHECK(write_text(group, "memory.max", "max"));
}

/* A ring that is created in the group and held outside stays charged to the group. */
static int make_for_parent(void *arg)
{
	join_group();
	CHECK(create(arg, large(), 0600, SHMRING_CREATE_F_PERSIST) >= 0);
	return TEST_PASS;
}

static void test_charged_while_it_lives(void)
{
	char name[64];

	strcpy(name, unique("charged"));
	EXPECT_EQ(in_child(make_for_parent, name), TEST_PASS);
	EXPECT(read_number("memory.current") >= (long long)large());
	CHECK_EQ(unlink_ring(name), 0);
	AWAIT(read_number("memory.current") < slack());
}

int main(void)
{
	char path[256];

	control();
	need_root();
	if (!make_group())
		skip("no cgroup v2 to write to at " ROOT);
	snprintf(path, sizeof(path), "%s/memory.current", group);
	if (access(path, R_OK)) {
		rmdir(group);
		skip("no memory controller at " ROOT);
	}
	RUN(test_charged);
	RUN(test_over_the_limit);
	RUN(test_charged_while_it_lives);
	CHECK(!rmdir(group));
	return finish();
}
