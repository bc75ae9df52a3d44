// SPDX-License-Identifier: MIT
/* Names belong to an IPC namespace; files do not. */
#include "abi.h"

#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct outside {
	const char *name;
	int ring;
};

static bool listed(const char *name)
{
	FILE *f = fopen("/proc/shmring", "re");
	char line[512];
	bool found = false;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			found = true;
	fclose(f);
	return found;
}

static int inside(void *arg)
{
	const struct outside *o = arg;
	struct endpoint c;
	int ring;

	if (unshare(CLONE_NEWIPC))
		return errno == EINVAL ? TEST_SKIP : TEST_FAIL;
	EXPECT_EQ(open_ring(o->name, SHMRING_RIGHT_ALL), -ENOENT);
	EXPECT_EQ(unlink_ring(o->name), -ENOENT);
	EXPECT(!listed(o->name));

	/* In this namespace the name is free. */
	ring = create(o->name, page_size(), 0600, 0);
	EXPECT(ring >= 0);
	EXPECT(query(ring).id != query(o->ring).id);
	EXPECT(listed(o->name));
	CHECK_EQ(unlink_ring(o->name), 0);
	CHECK(!close(ring));
	EXPECT_EQ(create(unique("inside"), page_size(), 0600, SHMRING_CREATE_F_PERSIST),
		  -EOPNOTSUPP);
	EXPECT_EQ(open_ring(unique("inside"), SHMRING_RIGHT_ALL), -ENOENT);

	/* A file that was passed on works here. */
	c = endpoint(o->ring, CONSUMER);
	EXPECT_EQ(wait_data(c.fd, 8, 0, 0), 0);
	move(&c, 8);
	drop(&c);
	return TEST_PASS;
}

#define USER	1000
#define NOBODY	65534	/* shown for a user that the user namespace does not map */

static bool be_root_of_a_namespace(int more)
{
	become(USER, USER, NULL, 0);
	return !unshare(CLONE_NEWUSER | more);
}

/*
 * The creator of a user namespace has all capabilities in it, but not over the rings of an IPC
 * namespace that belongs to another one.
 */
static int as_root_of_nothing(void *arg)
{
	const struct outside *o = arg;
	int private;

	if (!be_root_of_a_namespace(0))
		return TEST_SKIP;
	EXPECT_EQ(open_ring(o->name, SHMRING_RIGHT_CONSUME), -EACCES);
	EXPECT_EQ(open_ring(o->name, SHMRING_RIGHT_PRODUCE), -EACCES);
	EXPECT_EQ(unlink_ring(o->name), -EPERM);
	EXPECT(!listed(o->name));
	EXPECT(!listed("- "));
	/* QUERY gives the ring's owner as this user namespace sees it: not mapped. */
	EXPECT_EQ(query(o->ring).uid, NOBODY);
	EXPECT_EQ(query(o->ring).gid, NOBODY);
	private = create(unique("nobody"), page_size(), 0600, 0);
	EXPECT_EQ(query(private).uid, NOBODY);
	return TEST_PASS;
}

/* With an IPC namespace of its own it is root of the rings there. */
static int as_root_of_its_own(void *arg)
{
	const char *name = unique("own");
	int ring;

	(void)arg;
	if (!be_root_of_a_namespace(CLONE_NEWIPC))
		return TEST_SKIP;
	ring = create(name, page_size(), 0, 0);
	CHECK(ring >= 0);
	EXPECT(open_ring(name, SHMRING_RIGHT_ALL) >= 0);
	EXPECT(listed(name));
	EXPECT_EQ(unlink_ring(name), 0);
	return TEST_PASS;
}

static void test_user_namespaces(void)
{
	struct outside o = { .name = unique("private") };
	int anonymous = make_ring(page_size()), ret;

	o.ring = create(o.name, page_size(), 0600, 0);
	CHECK(o.ring >= 0);
	EXPECT(listed("- "));
	ret = in_child(as_root_of_nothing, &o);
	EXPECT(ret == TEST_PASS || ret == TEST_SKIP);
	ret = in_child(as_root_of_its_own, NULL);
	EXPECT(ret == TEST_PASS || ret == TEST_SKIP);
	if (ret == TEST_SKIP)
		printf("no user namespaces: the part about them is left out\n");
	CHECK(!close(o.ring));
	CHECK(!close(anonymous));
}

/* A namespace ends with a ring in it: no name is left outside, or in the next namespace. */
static int leave_one(void *arg)
{
	CHECK(!unshare(CLONE_NEWIPC));
	CHECK(create(arg, page_size(), 0600, 0) >= 0);
	return TEST_PASS;
}

static void test_dead_namespaces(void)
{
	char name[64];
	int i;

	strcpy(name, unique("dead"));
	for (i = 0; i < 50; i++) {
		EXPECT_EQ(in_child(leave_one, name), TEST_PASS);
		EXPECT_EQ(open_ring(name, SHMRING_RIGHT_ALL), -ENOENT);
	}
}

/* The number of this process's IPC namespace; another namespace may get it after this one. */
static uint64_t ipc_number(void)
{
	struct stat st;

	CHECK(!stat("/proc/self/ns/ipc", &st));
	return st.st_ino;
}

struct survivor {
	char name[64];
	uint64_t number;
	bool seeker_ready, ready;
};

/* Create a ring in a namespace that this user is root of; the namespace ends, the ring does not. */
static int outlive(void *arg)
{
	struct survivor *s = arg;

	if (!be_root_of_a_namespace(CLONE_NEWIPC))
		return TEST_SKIP;
	CHECK(create(s->name, page_size(), 0600, 0) >= 0);
	s->number = ipc_number();
	CHECK(!unshare(CLONE_NEWIPC));
	__atomic_store_n(&s->ready, true, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

/*
 * Another user is root of a new namespace that may have the old one's number: it gets no right
 * to the ring.
 */
static int look_for_survivor(void *arg)
{
	struct survivor *s = arg;
	int i;

	become(USER + 1, USER + 1, NULL, 0);
	if (unshare(CLONE_NEWUSER))
		return TEST_SKIP;
	__atomic_store_n(&s->seeker_ready, true, __ATOMIC_SEQ_CST);
	AWAIT(__atomic_load_n(&s->ready, __ATOMIC_SEQ_CST));
	for (i = 0; i < 500; i++) {
		CHECK(!unshare(CLONE_NEWIPC));
		EXPECT_EQ(open_ring(s->name, SHMRING_RIGHT_CONSUME), -ENOENT);
		EXPECT_EQ(unlink_ring(s->name), -ENOENT);
		EXPECT(!listed(s->name));
		if (ipc_number() == s->number)
			return TEST_PASS;
		nap();
	}
	printf("the number of a dead namespace was not given again\n");
	return TEST_PASS;
}

static void test_number_of_a_dead_namespace(void)
{
	struct survivor *s = share(sizeof(*s));
	pid_t seeker, owner;
	int ret;

	strcpy(s->name, unique("survivor"));
	seeker = start(look_for_survivor, s);
	while (!__atomic_load_n(&s->seeker_ready, __ATOMIC_SEQ_CST)) {
		if (waitpid(seeker, &ret, WNOHANG)) {
			printf("no user namespaces: the part about dead ones is left out\n");
			return;
		}
		nap();
	}
	owner = start(outlive, s);
	EXPECT_EQ(end_of(seeker), TEST_PASS);
	kill_child(owner);
}

int main(void)
{
	struct outside o = { .name = unique("outside") };
	struct endpoint p;
	int ret;

	control();
	need_root();
	o.ring = create(o.name, page_size(), 0666, 0);
	CHECK(o.ring >= 0);
	p = endpoint(o.ring, PRODUCER);
	move(&p, 8);
	EXPECT(listed(o.name));
	ret = in_child(inside, &o);
	if (ret == TEST_SKIP)
		skip("this kernel has no IPC namespaces");
	EXPECT_EQ(ret, TEST_PASS);
	EXPECT_EQ(p.consumer->tail, 8);
	EXPECT_EQ(query(o.ring).name[0], o.name[0]);
	RUN(test_dead_namespaces);
	RUN(test_user_namespaces);
	RUN(test_number_of_a_dead_namespace);
	drop(&p);
	return finish();
}
