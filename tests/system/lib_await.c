// SPDX-License-Identifier: MIT
/* Waiting for a ring to be made, and for the other side to attach. */
#include "lib.h"

static void ignore(int sig)
{
	(void)sig;
}

static struct shmring_wait within(uint64_t ns)
{
	return (struct shmring_wait){ .deadline = shmring_deadline(ns) };
}

/* shmring_attach_wait(), and close at once. */
static int attach_wait(const char *name, const struct shmring_wait *w)
{
	struct shmring *r;
	int ret = shmring_attach_wait(&r, name, SHMRING_CONSUMER, w);

	if (!ret)
		shmring_close(r);
	return ret;
}

static int wait_for_name(void *name)
{
	struct shmring_wait w = within(PATIENCE_NS);

	CHECK_EQ(attach_wait(name, &w), 0);
	return TEST_PASS;
}

static void test_name(void)
{
	const char *name = unique("await");
	struct shmring_wait soon = within(20000000);
	struct shmring *r;
	pid_t pid;

	EXPECT_EQ(attach_wait(name, &nowait), -EAGAIN);
	EXPECT_EQ(attach_wait(name, &soon), -ETIMEDOUT);
	EXPECT(now_ns() >= soon.deadline);
	pid = start(wait_for_name, (void *)name);
	await_asleep(pid);
	CHECK_EQ(shmring_create(&r, name, NULL), 0);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	/* The ring is there: a deadline that has passed, and NOWAIT, do not matter. */
	EXPECT_EQ(attach_wait(name, &soon), 0);
	EXPECT_EQ(attach_wait(name, &nowait), 0);
	shmring_close(r);
}

static int is_interrupted(void *name)
{
	struct sigaction act = { .sa_handler = ignore, .sa_flags = SA_RESTART };

	CHECK(!sigaction(SIGALRM, &act, NULL));
	/* More than one signal: the first may come before the sleep. */
	CHECK(ualarm(20000, 20000) == 0);
	EXPECT_EQ(attach_wait(name, NULL), -EINTR);
	return TEST_PASS;
}

static void test_arguments(void)
{
	static const struct shmring_wait bad[] = { { .flags = 2 },
		{ .policy = (enum shmring_policy)(SHMRING_EAGER + 1) } };
	struct pair pair = make_pair(0, 0);
	struct shmring *handle = attach(pair.p, SHMRING_HANDLE);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(attach_wait("none", &bad[i]), -EINVAL);
		EXPECT_EQ(shmring_wait_peer(pair.p, &bad[i]), -EINVAL);
	}
	EXPECT_EQ(attach_wait("not/a/name", NULL), -EINVAL);
	EXPECT_EQ(shmring_wait_peer(handle, NULL), -EBADF);
	EXPECT_EQ(in_child(is_interrupted, (void *)unique("nobody")), TEST_PASS);
	shmring_close(handle);
	close_pair(&pair);
}

static int wait_for_peer(struct shmring *r)
{
	struct shmring_wait w = within(PATIENCE_NS);

	CHECK_EQ(shmring_wait_peer(r, &w), 0);
	return TEST_PASS;
}

static int be_killed(struct shmring *r)
{
	(void)r;
	raise(SIGKILL);
	return TEST_FAIL;
}

/* The first peer, and the next one after the first was killed. */
static void await_peer_of(enum shmring_role role)
{
	enum shmring_role other = role == SHMRING_PRODUCER ? SHMRING_CONSUMER : SHMRING_PRODUCER;
	struct shmring *r = make(0, 0, SHMRING_HANDLE), *end, *peer;
	struct shmring_wait soon;
	int i;
	pid_t pid;

	for (i = 0; i < 2; i++) {
		context("a wait for role %d, the %s", (int)other, i ? "next" : "first");
		end = attach(r, role);
		soon = within(20000000);
		EXPECT_EQ(shmring_wait_peer(end, &nowait), -EAGAIN);
		EXPECT_EQ(shmring_wait_peer(end, &soon), -ETIMEDOUT);
		shmring_close(end);
		pid = start_as(r, role, wait_for_peer);
		await_asleep(pid);
		peer = attach(r, other);
		EXPECT_EQ(end_of(pid), TEST_PASS);
		end = attach(r, role);
		EXPECT_EQ(shmring_wait_peer(end, &nowait), 0);
		EXPECT_EQ(shmring_wait_peer(end, NULL), 0);
		shmring_close(end);
		shmring_close(peer);
		EXPECT_EQ(end_of(start_as(r, other, be_killed)), 128 + SIGKILL);
	}
	shmring_close(r);
}

/* A peer that comes and goes while the waiter is stopped ends the wait. */
static void test_peer_that_has_gone(void)
{
	struct shmring *r = make(0, 0, SHMRING_HANDLE);
	pid_t pid = start_as(r, SHMRING_CONSUMER, wait_for_peer);

	await_asleep(pid);
	CHECK(!kill(pid, SIGSTOP));
	AWAIT(state_of(pid) == 'T');
	shmring_close(attach(r, SHMRING_PRODUCER));
	CHECK(!kill(pid, SIGCONT));
	EXPECT_EQ(end_of(pid), TEST_PASS);
	shmring_close(r);
}

static void test_peer(void)
{
	await_peer_of(SHMRING_PRODUCER);
	await_peer_of(SHMRING_CONSUMER);
}

int main(void)
{
	need_backend();
	RUN(test_name);
	RUN(test_arguments);
	RUN(test_peer);
	RUN(test_peer_that_has_gone);
	return finish();
}
