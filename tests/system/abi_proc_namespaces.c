// SPDX-License-Identifier: MIT
/* /proc/shmring: the processes that it shows, and what it shows to other namespaces. */
#include "proc.h"

#include <sched.h>
#include <sys/mount.h>

/* The process that holds a role: the one that attached, then the one that maps. */
static void test_pids(void)
{
	const char *name = unique("pids");
	int ring = create(name, page_size(), 0600, 0);
	struct actor c = actor(ring, CONSUMER, true);
	int fd = attach(ring, PRODUCER);
	struct actor p;
	struct row r;

	CHECK(find_row(name, &r));
	EXPECT_EQ(r.producer, getpid());
	EXPECT_EQ(r.consumer, c.pid);
	p = actor_on(fd, PRODUCER);	/* does not map it */
	CHECK(find_row(name, &r));
	EXPECT_EQ(r.producer, getpid());
	end_actor(&p);
	CHECK(!close(fd));
	kill_actor(&c);
	CHECK(find_row(name, &r));
	EXPECT_EQ(r.producer | r.consumer, 0);
	CHECK(!close(ring));
}

/* Runs as the first process of a PID namespace, with its own /proc. */
static int look_from_inside(void *arg)
{
	const char *name = arg;
	struct endpoint c;
	struct row r;

	CHECK(!mount("proc", "/proc", "proc", 0, NULL));
	CHECK(find_row(name, &r));
	EXPECT_EQ(r.producer, 0);
	c = endpoint(open_ring(name, SHMRING_RIGHT_ALL), CONSUMER);
	CHECK(find_row(name, &r));
	EXPECT_EQ(r.consumer, getpid());
	drop(&c);
	return TEST_PASS;
}

static int in_pid_namespace(void *arg)
{
	if (unshare(CLONE_NEWPID | CLONE_NEWNS))
		return errno == EINVAL ? TEST_SKIP : TEST_FAIL;
	CHECK(!mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	return in_child(look_from_inside, arg);
}

static int make_pid_namespace(void *arg)
{
	(void)arg;
	return unshare(CLONE_NEWPID) ? TEST_FAIL : TEST_PASS;
}

/* Is the initial PID namespace the only one? A limit of one lets a process make another. */
static bool is_only_pid_namespace(void)
{
	FILE *f = fopen("/proc/sys/user/max_pid_namespaces", "r+e");
	unsigned long before;
	bool ret;

	if (!f)
		return false;
	CHECK_EQ(fscanf(f, "%lu", &before), 1);
	rewind(f);
	CHECK(fprintf(f, "1\n") > 0 && !fflush(f));
	ret = in_child(make_pid_namespace, NULL) == TEST_PASS;
	rewind(f);
	CHECK(fprintf(f, "%lu\n", before) > 0 && !fclose(f));
	return ret;
}

static void test_pid_namespaces(void)
{
	char name[64];
	bool alone = is_only_pid_namespace();
	int ring, ret;
	struct endpoint p;

	strcpy(name, unique("pid-ns"));
	ring = create(name, page_size(), 0600, 0);
	p = endpoint(ring, PRODUCER);
	ret = in_child(in_pid_namespace, name);
	if (ret == TEST_SKIP)
		printf("no PID namespaces: the part about them is left out\n");
	else
		EXPECT_EQ(ret, TEST_PASS);
	/* The kernel keeps no pid of a role that has ended, so the namespace can go. */
	if (ret == TEST_PASS && alone)
		AWAIT(is_only_pid_namespace());
	else
		printf("other PID namespaces: whether one is left is not seen\n");
	drop(&p);
	CHECK(!close(ring));
}

/* Create a ring in an IPC namespace of its own, and wait. */
static int make_elsewhere(void *arg)
{
	const char *name = arg;
	struct row r;

	if (unshare(CLONE_NEWIPC))
		return errno == EINVAL ? TEST_SKIP : TEST_FAIL;
	CHECK(create(name, page_size(), 0600, 0) >= 0);
	EXPECT(find_row(name, &r) && !strcmp(r.ipc_ns, "-"));
	/* In this namespace not even root sees rings of the initial one. */
	EXPECT(!find_row("test-elsewhere-outside", &r));
	kill(getpid(), SIGSTOP);
	return TEST_FAIL;
}

static int look_as_root_of_a_namespace(void *arg)
{
	const struct seen *s = arg;
	struct row r;

	become(USER, USER, NULL, 0);
	if (unshare(CLONE_NEWUSER))
		return TEST_SKIP;
	EXPECT_EQ(find_row(s->name, &r), s->expected);
	return TEST_PASS;
}

/* Root of the initial namespaces sees the rings of all namespaces: they take its memory. */
static void test_ipc_namespaces(void)
{
	char path[64], link[64] = "", want[64], name[64];
	struct seen s = { name, false };
	struct row r;
	int outside, ret;
	pid_t pid;

	strcpy(name, unique("elsewhere"));
	outside = create("test-elsewhere-outside", page_size(), 0600, 0);
	CHECK(outside >= 0);
	pid = start(make_elsewhere, name);
	AWAIT(state_of(pid) == 'T' || state_of(pid) == 'Z');
	if (state_of(pid) == 'Z') {
		EXPECT_EQ(end_of(pid), TEST_SKIP);
		printf("no IPC namespaces: the part about them is left out\n");
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/ipc", pid);
	CHECK(readlink(path, link, sizeof(link) - 1) > 0);
	CHECK(find_row(name, &r));
	snprintf(want, sizeof(want), "ipc:[%.15s]", r.ipc_ns);
	EXPECT(!strcmp(link, want));
	EXPECT_EQ(open_ring(name, SHMRING_RIGHT_ALL), -ENOENT);
	EXPECT_EQ(in_child(look_as_user, &s), TEST_PASS);
	ret = in_child(look_as_root_of_a_namespace, &s);
	if (ret == TEST_SKIP)
		printf("no user namespaces: the part about them is left out\n");
	else
		EXPECT_EQ(ret, TEST_PASS);
	kill_child(pid);
	AWAIT(!find_row(name, &r));
	CHECK(!close(outside));
}

int main(void)
{
	control();
	need_root();
	RUN(test_pids);
	RUN(test_pid_namespaces);
	RUN(test_ipc_namespaces);
	return finish();
}
