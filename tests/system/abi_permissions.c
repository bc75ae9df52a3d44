// SPDX-License-Identifier: MIT
/*
 * Names and other users: which modes let a user open a ring, which let it unlink one, and the
 * umask.
 */
#include "abi.h"

#include <sys/resource.h>
#include <sys/stat.h>

#define OWNER	1000
#define OTHER	1001
#define GROUP	2000	/* the ring's */
#define OTHERS	2001

enum class { AS_OWNER, AS_GROUP, AS_MEMBER, AS_OTHER, AS_ROOT, NR_CLASSES };

static const char *const class_names[] = { "owner", "group", "member", "other", "root" };

static void become_class(enum class class)
{
	static const gid_t group = GROUP;

	switch (class) {
	case AS_OWNER:
		become(OWNER, OTHERS, NULL, 0);
		break;
	case AS_GROUP:
		become(OTHER, GROUP, NULL, 0);
		break;
	case AS_MEMBER:
		become(OTHER, OTHERS, &group, 1);
		break;
	case AS_OTHER:
		become(OTHER, OTHERS, NULL, 0);
		break;
	default:
		break;
	}
}

/* The rights that a mode grants, computed independently of the module. */
static uint32_t granted(uint32_t mode, enum class class)
{
	uint32_t bits;

	switch (class) {
	case AS_OWNER:
		bits = mode >> 6;
		break;
	case AS_GROUP:
	case AS_MEMBER:
		bits = mode >> 3;
		break;
	case AS_OTHER:
		bits = mode;
		break;
	default:
		return SHMRING_RIGHT_ALL;
	}
	return (bits & 4 ? SHMRING_RIGHT_CONSUME : 0) | (bits & 2 ? SHMRING_RIGHT_PRODUCE : 0);
}

struct rings {
	char names[64][32];	/* by the mode's six bits */
	enum class class;
};

static uint32_t nth_mode(int i)
{
	return (i & 1 ? 0400u : 0) | (i & 2 ? 0200u : 0) | (i & 4 ? 0040u : 0) |
	       (i & 8 ? 0020u : 0) | (i & 16 ? 0004u : 0) | (i & 32 ? 0002u : 0);
}

/* Open with every right, in every mode; a file that opens can take those roles and no others. */
static int open_all(void *arg)
{
	struct rings *rings = arg;
	uint32_t rights, mode;
	int i, fd;

	become_class(rings->class);
	for (i = 0; i < 64; i++) {
		mode = nth_mode(i);
		for (rights = 1; rights <= SHMRING_RIGHT_ALL; rights++) {
			context("mode %04o, rights %u, as %s", mode, rights,
				class_names[rings->class]);
			fd = open_ring(rings->names[i], rights);
			if (rights & ~granted(mode, rings->class)) {
				EXPECT_EQ(fd, -EACCES);
				continue;
			}
			EXPECT(fd >= 0);
			if (fd < 0)
				continue;
			EXPECT_EQ(query(fd).rights, rights);
			EXPECT_EQ(query(fd).mode, mode);
			EXPECT_EQ(query(fd).uid, OWNER);
			EXPECT_EQ(query(fd).gid, GROUP);
			if (!(rights & SHMRING_RIGHT_PRODUCE))
				EXPECT_EQ(attach(fd, PRODUCER), -EACCES);
			if (!(rights & SHMRING_RIGHT_CONSUME))
				EXPECT_EQ(attach(fd, CONSUMER), -EACCES);
			CHECK(!close(fd));
		}
	}
	return TEST_PASS;
}

static int unlink_all(void *arg)
{
	struct rings *rings = arg;
	bool may = rings->class == AS_OWNER || rings->class == AS_ROOT;
	int i;

	become_class(rings->class);
	for (i = 0; i < 64; i++) {
		context("unlink, mode %04o, as %s", nth_mode(i), class_names[rings->class]);
		EXPECT_EQ(unlink_ring(rings->names[i]), may ? 0 : -EPERM);
	}
	return TEST_PASS;
}

/* The rings take 16 MiB together where a page has 64 KiB, and a user may lock 8 MiB. */
static void raise_memlock(void)
{
	struct rlimit limit = { .rlim_cur = 64 << 20, .rlim_max = 64 << 20 };

	CHECK(!setrlimit(RLIMIT_MEMLOCK, &limit));
}

/* Creates the rings as their owner, reports that, and holds them until it is killed. */
static int make_all(void *arg)
{
	struct rings *rings = arg;
	int i;

	raise_memlock();
	become(OWNER, GROUP, NULL, 0);
	umask(0);
	for (i = 0; i < 64; i++)
		CHECK(create(rings->names[i], page_size(), nth_mode(i), 0) >= 0);
	kill(getpid(), SIGSTOP);
	return TEST_FAIL;
}

static pid_t start_owner(struct rings *rings)
{
	pid_t pid;
	int i;

	for (i = 0; i < 64; i++)
		snprintf(rings->names[i], sizeof(rings->names[i]), "mode-%d-%d", getpid(), i);
	pid = start(make_all, rings);
	AWAIT(state_of(pid) == 'T' || state_of(pid) == 'Z');
	CHECK_EQ(state_of(pid), 'T');
	return pid;
}

static void test_modes(void)
{
	struct rings rings;
	pid_t pid = start_owner(&rings);

	for (rings.class = 0; rings.class < NR_CLASSES; rings.class++)
		EXPECT_EQ(in_child(open_all, &rings), TEST_PASS);
	kill_child(pid);
}

static void test_unlink(void)
{
	static const enum class order[] = { AS_GROUP, AS_MEMBER, AS_OTHER, AS_OWNER };
	struct rings rings;
	pid_t pid;
	size_t i;

	pid = start_owner(&rings);
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		rings.class = order[i];
		EXPECT_EQ(in_child(unlink_all, &rings), TEST_PASS);
	}
	kill_child(pid);

	pid = start_owner(&rings);
	rings.class = AS_ROOT;
	EXPECT_EQ(in_child(unlink_all, &rings), TEST_PASS);
	kill_child(pid);
}

static void test_umask(void)
{
	static const mode_t masks[] = { 0, 022, 077, 0777, 0400, 0111 };
	mode_t before = umask(0);
	int ring;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(masks); i++) {
		context("umask %04o", masks[i]);
		umask(masks[i]);
		ring = create(unique("umask"), page_size(), 0666, 0);
		CHECK(ring >= 0);
		EXPECT_EQ(query(ring).mode, 0666 & ~masks[i]);
		/* The creator's file has all rights, in any mode. */
		EXPECT_EQ(query(ring).rights, SHMRING_RIGHT_ALL);
		CHECK(!close(ring));
	}
	umask(before);
}

/* A name that is taken is EEXIST also for users that may not open the ring. */
static int create_taken(void *arg)
{
	become(OTHER, OTHERS, NULL, 0);
	EXPECT_EQ(create(arg, page_size(), 0600, 0), -EEXIST);
	EXPECT_EQ(open_ring(arg, SHMRING_RIGHT_CONSUME), -EACCES);
	return TEST_PASS;
}

static void test_taken_by_another(void)
{
	char name[64];
	int ring;

	strcpy(name, unique("mine"));
	ring = create(name, page_size(), 0600, 0);
	CHECK(ring >= 0);
	EXPECT_EQ(in_child(create_taken, name), TEST_PASS);
	CHECK(!close(ring));
}

/* Only root may open the device until a udev rule changes that. */
static int open_device(void *arg)
{
	(void)arg;
	become(OTHER, OTHERS, NULL, 0);
	EXPECT(access("/dev/shmring", R_OK) && errno == EACCES);
	EXPECT(access("/dev/shmring", W_OK) && errno == EACCES);
	return TEST_PASS;
}

static void test_device_mode(void)
{
	struct stat st;

	CHECK(!stat("/dev/shmring", &st));
	if ((st.st_mode & 0777) == 0600)
		EXPECT_EQ(in_child(open_device, NULL), TEST_PASS);
	EXPECT_EQ(st.st_mode & 07, 0);
}

int main(void)
{
	control();
	need_root();
	RUN(test_modes);
	RUN(test_unlink);
	RUN(test_umask);
	RUN(test_taken_by_another);
	RUN(test_device_mode);
	return finish();
}
