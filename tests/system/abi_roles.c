// SPDX-License-Identifier: MIT
/* One producer, one consumer: when a role is taken, and every way that it ends. */
#include "abi.h"

#include <fcntl.h>

static uint32_t state(int ring, uint32_t role)
{
	struct shmring_ioc_query q = query(ring);

	return role == PRODUCER ? q.producer_state : q.consumer_state;
}

/* The role is held: no other file can take it. */
static void expect_held(int ring, uint32_t role)
{
	EXPECT_EQ(attach(ring, role), -EBUSY);
	EXPECT_EQ(state(ring, role), SHMRING_PEER_LIVE);
}

static void expect_free(int ring, uint32_t role)
{
	int fd;

	EXPECT_EQ(state(ring, role), SHMRING_PEER_GONE);
	fd = attach(ring, role);
	EXPECT(fd >= 0);
	CHECK(!close(fd));
}

static void close_unmapped(int ring, uint32_t role)
{
	int fd = attach(ring, role);

	expect_held(ring, role);
	CHECK(!close(fd));
}

/* An endpoint that was never mapped lives as long as any descriptor of its file. */
static void close_duplicate(int ring, uint32_t role)
{
	int fd = attach(ring, role);
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	CHECK(copy >= 0);
	CHECK(!close(fd));
	expect_held(ring, role);
	CHECK(!close(copy));
}

static void close_then_unmap(int ring, uint32_t role)
{
	struct endpoint e = endpoint(ring, role);

	CHECK(!close(e.fd));
	expect_held(ring, role);
	unmap(&e);
}

static void unmap_then_close(int ring, uint32_t role)
{
	struct endpoint e = endpoint(ring, role);

	unmap(&e);
	expect_free(ring, role);
	CHECK(!close(e.fd));
}

/* Only read-only regions were mapped: the role ends with the file. */
static void close_after_looking(int ring, uint32_t role)
{
	int fd = attach(ring, role);
	struct shmring_ioc_query q = query(fd);
	void *p = map_region(fd, &q.kernel, PROT_READ);

	CHECK(!munmap(p, q.kernel.length));
	expect_held(ring, role);
	CHECK(!close(fd));
}

static void exit_mapped(int ring, uint32_t role)
{
	struct actor a = actor(ring, role, true);

	expect_held(ring, role);
	end_actor(&a);
}

static void exit_unmapped(int ring, uint32_t role)
{
	struct actor a = actor(ring, role, false);

	expect_held(ring, role);
	end_actor(&a);
}

static void kill_mapped(int ring, uint32_t role)
{
	struct actor a = actor(ring, role, true);

	kill_actor(&a);
}

static void kill_mapping_only(int ring, uint32_t role)
{
	struct actor a = actor(ring, role, true);

	ask(&a, VERB_CLOSE, 0, 0, 0);
	expect_held(ring, role);
	kill_actor(&a);
}

struct family {
	int ring;
	uint32_t role;
	pid_t *child;
};

__attribute__((noreturn)) static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

/* Has a child that keeps every file of its parent, and outlives the parent. */
static int have_a_child(void *arg)
{
	struct family *f = arg;
	struct endpoint e = endpoint(f->ring, f->role);
	pid_t pid = fork();

	(void)e;
	if (!pid)
		sleep_for_ever();
	__atomic_store_n(f->child, pid, __ATOMIC_RELEASE);
	sleep_for_ever();
}

static void kill_a_parent(int ring, uint32_t role)
{
	struct family f = { ring, role, share(sizeof(pid_t)) };
	pid_t pid = start(have_a_child, &f);

	AWAIT(__atomic_load_n(f.child, __ATOMIC_ACQUIRE));
	expect_held(ring, role);
	kill_child(pid);
	expect_free(ring, role);
	CHECK(!kill(*f.child, SIGKILL));
}

/* exec, with the endpoint's file kept: the role ends with the mapping. */
static int exec_away(void *arg)
{
	struct family *f = arg;
	struct endpoint e = endpoint(f->ring, f->role);

	CHECK(!fcntl(e.fd, F_SETFD, 0));
	CHECK(!setenv("SHMRING_TEST_SLEEP", "1", 1));
	execl("/proc/self/exe", "sleeper", (char *)NULL);
	return TEST_FAIL;
}

static void exec_mapped(int ring, uint32_t role)
{
	struct family f = { ring, role, NULL };
	pid_t pid = start(exec_away, &f);

	AWAIT(state(ring, role) == SHMRING_PEER_GONE);
	expect_free(ring, role);
	kill_child(pid);
}

/* Endpoints are close-on-exec: exec ends an unmapped role too. */
static int exec_unmapped_away(void *arg)
{
	struct family *f = arg;

	CHECK(attach(f->ring, f->role) >= 0);
	CHECK(!setenv("SHMRING_TEST_SLEEP", "1", 1));
	execl("/proc/self/exe", "sleeper", (char *)NULL);
	return TEST_FAIL;
}

static void exec_unmapped(int ring, uint32_t role)
{
	struct family f = { ring, role, NULL };
	pid_t pid = start(exec_unmapped_away, &f);

	AWAIT(state(ring, role) == SHMRING_PEER_GONE);
	kill_child(pid);
}

/* What each call on the endpoint of an ended role returns. */
static void use_afterwards(int ring, uint32_t role)
{
	struct endpoint e = endpoint(ring, role);
	struct endpoint peer = endpoint(ring, other_role(role));
	struct endpoint next;

	unmap(&e);
	EXPECT_EQ(role == PRODUCER ? wait_space(e.fd, 1, 0, 1) : wait_data(e.fd, 1, 0, 1),
		  -ESHUTDOWN);
	EXPECT_EQ(call(e.fd, SHMRING_IOC_WAKE, NULL), -ESHUTDOWN);
	EXPECT_EQ(query(e.fd).role, role);
	/* A successor does not revive the old endpoint. */
	next = endpoint(ring, role);
	EXPECT_EQ(role == PRODUCER ? wait_space(e.fd, 1, 0, 1) : wait_data(e.fd, 1, 0, 1),
		  -ESHUTDOWN);
	CHECK(!close(e.fd));
	expect_held(ring, role);
	drop(&next);
	drop(&peer);
}

static const struct {
	const char *name;
	void (*end)(int ring, uint32_t role);
} ends[] = {
	{ "close, never mapped", close_unmapped },
	{ "close of a duplicate", close_duplicate },
	{ "close, then unmap", close_then_unmap },
	{ "unmap, then close", unmap_then_close },
	{ "close, nothing own mapped", close_after_looking },
	{ "exit", exit_mapped },
	{ "exit, never mapped", exit_unmapped },
	{ "kill", kill_mapped },
	{ "kill, only a mapping left", kill_mapping_only },
	{ "kill, a child keeps the file", kill_a_parent },
	{ "exec", exec_mapped },
	{ "exec, never mapped", exec_unmapped },
	{ "use afterwards", use_afterwards },
};

int main(void)
{
	uint32_t role;
	size_t i;
	int ring;

	if (getenv("SHMRING_TEST_SLEEP"))
		sleep_for_ever();
	control();
	for (role = PRODUCER; role <= CONSUMER; role++) {
		for (i = 0; i < ARRAY_SIZE(ends); i++) {
			context("the role of a %s ends: %s", role_name(role), ends[i].name);
			ring = make_ring(page_size());
			ends[i].end(ring, role);
			expect_free(ring, role);
			CHECK(!close(ring));
		}
	}
	return finish();
}
