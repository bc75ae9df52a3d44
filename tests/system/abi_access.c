// SPDX-License-Identifier: MIT
/* SET_ACCESS: the rights to change the mode and the owner of a ring, and the effects. */
#include "refused.h"

#include <fcntl.h>
#include <sched.h>

#define OWNER	1000
#define OTHER	1001
#define GROUP	2000	/* the ring's */
#define TEAM	2001	/* another one of the owner's */

static const char *name;
static int ring, narrowed;	/* the second may consume only */

static long set_access(int fd, uint32_t valid, uint32_t mode, uint32_t uid, uint32_t gid)
{
	const struct shmring_ioc_access a = { .valid = valid, .mode = mode, .uid = uid, .gid = gid };

	return call(fd, SHMRING_IOC_SET_ACCESS, &a);
}

static long set_mode(int fd, uint32_t mode)
{
	return set_access(fd, SHMRING_ACCESS_MODE, mode, 0, 0);
}

static long set_uid(int fd, uint32_t uid)
{
	return set_access(fd, SHMRING_ACCESS_UID, 0, uid, 0);
}

static long set_gid(int fd, uint32_t gid)
{
	return set_access(fd, SHMRING_ACCESS_GID, 0, 0, gid);
}

static void expect(uint32_t mode, uint32_t uid, uint32_t gid)
{
	struct shmring_ioc_query q = query(ring);

	EXPECT_EQ(q.mode, mode);
	EXPECT_EQ(q.uid, uid);
	EXPECT_EQ(q.gid, gid);
}

/* Root makes a ring for the owner; it stays charged to root's user. */
static void make_owned(void)
{
	name = unique("access");
	ring = create(name, page_size(), 0600, 0);
	CHECK(ring >= 0);
	narrowed = narrow(ring, SHMRING_RIGHT_CONSUME);
	CHECK_EQ(set_access(ring, SHMRING_ACCESS_UID | SHMRING_ACCESS_GID, 0, OWNER, GROUP), 0);
	expect(0600, OWNER, GROUP);
}

static void close_owned(void)
{
	CHECK(!close(narrowed));
	CHECK(!close(ring));
}

static void test_arguments(void)
{
	const struct shmring_ioc_access bad[] = {
		{ .valid = SHMRING_ACCESS_ALL + 1 },
		{ .valid = 1u << 31 },
		{ .valid = SHMRING_ACCESS_MODE, .mode = 0700 },
		{ .valid = SHMRING_ACCESS_MODE, .mode = 01600 },
		{ .valid = SHMRING_ACCESS_UID, .uid = (uint32_t)-1 },
		{ .valid = SHMRING_ACCESS_GID, .gid = (uint32_t)-1 },
		{ .valid = SHMRING_ACCESS_MODE, .mode = 0600, .reserved = 1 },
		{ .reserved = 1ull << 63 },
	};
	size_t i;

	make_owned();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("SET_ACCESS, row %zu", i);
		refused(ring, ring, SHMRING_IOC_SET_ACCESS, &bad[i], -EINVAL);
	}
	/* Members that @valid does not name have no effect. */
	EXPECT_EQ(set_access(ring, 0, 0777, (uint32_t)-1, (uint32_t)-1), 0);
	expect(0600, OWNER, GROUP);
	close_owned();
}

/* The owner may use any file of the ring, with any rights. */
static int as_owner(void *arg)
{
	const gid_t team = TEAM;
	int fds[2] = { ring, narrowed };
	int i, c;

	(void)arg;
	become(OWNER, GROUP, &team, 1);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(set_mode(fds[i], 0640), 0);
		EXPECT_EQ(set_gid(fds[i], TEAM), 0);
		EXPECT_EQ(set_uid(fds[i], OWNER), 0);
		expect(0640, OWNER, TEAM);
		EXPECT_EQ(set_uid(fds[i], OTHER), -EPERM);
		EXPECT_EQ(set_gid(fds[i], OTHER), -EPERM);
		EXPECT_EQ(set_access(fds[i], SHMRING_ACCESS_ALL, 0600, OTHER, GROUP), -EPERM);
		expect(0640, OWNER, TEAM);
		EXPECT_EQ(set_access(fds[i], SHMRING_ACCESS_ALL, 0600, OWNER, GROUP), 0);
		expect(0600, OWNER, GROUP);
	}
	c = attach(narrowed, CONSUMER);
	EXPECT_EQ(set_mode(c, 0), 0);
	expect(0, OWNER, GROUP);
	/* The file keeps its rights, and gets no more. */
	EXPECT_EQ(query(c).rights, SHMRING_RIGHT_CONSUME);
	EXPECT_EQ(open_ring(name, SHMRING_RIGHT_CONSUME), -EACCES);
	EXPECT_EQ(attach(narrowed, PRODUCER), -EACCES);
	EXPECT_EQ(set_mode(c, 0666), 0);
	CHECK(!close(c));
	return TEST_PASS;
}

/* Another user has a file with all rights, and the group's; neither makes it the owner. */
static int as_other(void *arg)
{
	int all = *(int *)arg;

	become(OTHER, GROUP, NULL, 0);
	EXPECT_EQ(set_mode(all, 0666), -EPERM);
	EXPECT_EQ(set_mode(all, 0600), -EPERM);
	EXPECT_EQ(set_uid(all, OTHER), -EPERM);
	EXPECT_EQ(set_uid(all, OWNER), -EPERM);
	EXPECT_EQ(set_gid(all, GROUP), -EPERM);
	return TEST_PASS;
}

static void test_who(void)
{
	make_owned();
	EXPECT_EQ(in_child(as_other, &ring), TEST_PASS);
	EXPECT_EQ(in_child(as_other, &narrowed), TEST_PASS);
	expect(0600, OWNER, GROUP);
	EXPECT_EQ(in_child(as_owner, NULL), TEST_PASS);
	/* Root. */
	expect(0666, OWNER, GROUP);
	EXPECT_EQ(set_access(narrowed, SHMRING_ACCESS_ALL, 0, OTHER, TEAM), 0);
	expect(0, OTHER, TEAM);
	close_owned();
}

struct visit {
	uid_t uid;
	int rights;
	bool sees, unlinks;
};

static bool is_listed(void)
{
	FILE *f = fopen("/proc/shmring", "re");
	char line[512];
	bool found = false;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		found |= !strncmp(line, name, strlen(name));
	fclose(f);
	return found;
}

static int visit(void *arg)
{
	const struct visit *v = arg;
	uint32_t right;
	int fd;

	become(v->uid, v->uid, NULL, 0);
	for (right = SHMRING_RIGHT_PRODUCE; right <= SHMRING_RIGHT_CONSUME; right++) {
		fd = open_ring(name, right);
		EXPECT_EQ(fd >= 0 ? 0 : fd, v->rights & (int)right ? 0 : -EACCES);
	}
	EXPECT_EQ(is_listed(), v->sees);
	EXPECT_EQ(unlink_ring(name), v->unlinks ? 0 : -EPERM);
	return TEST_PASS;
}

static void visits(uid_t uid, int rights, bool unlinks)
{
	struct visit v = { uid, rights, rights, unlinks };

	EXPECT_EQ(in_child(visit, &v), TEST_PASS);
}

/* OPEN, UNLINK and /proc use the values that were set last. */
static void test_what_holds_then(void)
{
	int before;

	make_owned();
	visits(OTHER, 0, false);
	EXPECT_EQ(set_mode(ring, 0604), 0);
	visits(OTHER, SHMRING_RIGHT_CONSUME, false);
	EXPECT_EQ(set_mode(ring, 0602), 0);
	visits(OTHER, SHMRING_RIGHT_PRODUCE, false);
	before = open_ring(name, SHMRING_RIGHT_ALL);
	EXPECT_EQ(set_access(ring, SHMRING_ACCESS_ALL, 0600, OTHER, TEAM), 0);
	visits(OWNER, 0, false);
	EXPECT_EQ(query(before).rights, SHMRING_RIGHT_ALL);
	visits(OTHER, SHMRING_RIGHT_ALL, true);
	EXPECT_EQ(query(before).name[0], 0);
	/* Also without a name. */
	EXPECT_EQ(set_access(before, SHMRING_ACCESS_MODE | SHMRING_ACCESS_UID, 0666, OWNER, 0), 0);
	expect(0666, OWNER, TEAM);
	CHECK(!close(before));
	close_owned();
}

/*
 * With all capabilities, but in a user namespace that does not own the ring's IPC namespace, and
 * that maps no ids.
 */
static int as_root_of_nothing(void *arg)
{
	int own;

	(void)arg;
	become(OTHER, OTHER, NULL, 0);
	if (unshare(CLONE_NEWUSER))
		return TEST_SKIP;
	EXPECT_EQ(set_mode(ring, 0666), -EPERM);
	EXPECT_EQ(set_uid(ring, 0), -EINVAL);	/* nobody is mapped */
	own = create("", page_size(), 0600, 0);
	CHECK(own >= 0);
	EXPECT_EQ(set_mode(own, 0666), 0);
	EXPECT_EQ(set_uid(own, OTHER), -EINVAL);
	EXPECT_EQ(set_gid(own, OTHER), -EINVAL);
	return TEST_PASS;
}

/* Root of an IPC namespace of its own gets a ring of the initial one. */
static int as_root_of_its_own(void *arg)
{
	int own;

	(void)arg;
	become(OTHER, OTHER, NULL, 0);
	if (unshare(CLONE_NEWUSER | CLONE_NEWIPC))
		return TEST_SKIP;
	EXPECT_EQ(set_mode(ring, 0666), -EPERM);
	own = create("", page_size(), 0600, 0);
	CHECK(own >= 0);
	EXPECT_EQ(set_mode(own, 0666), 0);
	EXPECT_EQ(query(own).mode, 0666);
	return TEST_PASS;
}

static void test_namespaces(void)
{
	int ret;

	make_owned();
	ret = in_child(as_root_of_nothing, NULL);
	EXPECT(ret == TEST_PASS || ret == TEST_SKIP);
	ret = in_child(as_root_of_its_own, NULL);
	EXPECT(ret == TEST_PASS || ret == TEST_SKIP);
	if (ret == TEST_SKIP)
		printf("no user namespaces: the part about them is left out\n");
	expect(0600, OWNER, GROUP);
	close_owned();
}

#define NR_CHANGES	2000

static int change_all_the_time(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < NR_CHANGES; i++)
		CHECK_EQ(set_access(ring, SHMRING_ACCESS_ALL, i % 2 ? 0600 : 0666,
				    i % 2 ? OWNER : OTHER, i % 2 ? GROUP : TEAM), 0);
	return TEST_PASS;
}

/* Each look sees all that one call has set, or nothing of it. */
static void test_race(void)
{
	struct shmring_ioc_query q;
	pid_t pid;
	int fd;

	make_owned();
	pid = start(change_all_the_time, NULL);
	do {
		q = query(ring);
		if (q.mode == 0666)
			EXPECT(q.uid == OTHER && q.gid == TEAM);
		else
			EXPECT(q.mode == 0600 && q.uid == OWNER && q.gid == GROUP);
		EXPECT(is_listed());
		fd = open_ring(name, SHMRING_RIGHT_ALL);
		CHECK(fd >= 0);
		CHECK(!close(fd));
	} while (state_of(pid) != 'Z');
	EXPECT_EQ(end_of(pid), TEST_PASS);
	close_owned();
}

int main(void)
{
	control();
	need_root();
	RUN(test_arguments);
	RUN(test_who);
	RUN(test_what_holds_then);
	RUN(test_namespaces);
	RUN(test_race);
	return finish();
}
