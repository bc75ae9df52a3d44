// SPDX-License-Identifier: MIT
/*
 * Options for attaching, in each way to attach: by name, by descriptor, and with a wait;
 * and open-or-create.
 */
#include <poll.h>

#include "lib.h"

#define LOWAT	64	/* bytes: four messages of 8 with their headers */

static struct shmring *holder;
static const char *name;

static int by_name(struct shmring **r, const struct shmring_options *opt)
{
	return shmring_attach_opt(r, name, opt);
}

static int by_wait(struct shmring **r, const struct shmring_options *opt)
{
	return shmring_attach_wait_opt(r, name, opt, &nowait);
}

static int by_fd(struct shmring **r, const struct shmring_options *opt)
{
	return shmring_attach_fd_opt(r, shmring_fd(holder), opt);
}

static int (*attach_by)(struct shmring **r, const struct shmring_options *opt);

static struct shmring *attach_with(const struct shmring_options *opt)
{
	struct shmring *r;

	CHECK_EQ(attach_by(&r, opt), 0);
	return r;
}

/* A refused call takes no role. */
static int refused(struct shmring_options opt)
{
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring *r = NULL;
	int ret = attach_by(&r, &opt);

	EXPECT(!r);
	CHECK_EQ(shmring_get_info(holder, &info), 0);
	EXPECT_EQ(info.consumer_state, SHMRING_PEER_NONE);
	return ret;
}

static void test_bad(void)
{
	struct shmring_options opt = SHMRING_OPTIONS_INIT;
	enum shmring_backend_id other = on_memfd() ? SHMRING_KMOD : SHMRING_MEMFD;
	struct { struct shmring_options now; char more; } later = { .more = 1 };
	struct shmring *r;

	EXPECT_EQ(refused((struct shmring_options){ .role = (enum shmring_role)3 }), -EINVAL);
	EXPECT_EQ(refused((struct shmring_options){
		.policy = (enum shmring_policy)(SHMRING_EAGER + 1) }), -EINVAL);
	EXPECT_EQ(refused((struct shmring_options){ .backend = (enum shmring_backend_id)3 }), -EINVAL);
	EXPECT_EQ(refused((struct shmring_options){ .size = 1 }), -EINVAL);
	opt.role = SHMRING_CONSUMER;
	opt.lowat = 65537;
	EXPECT_EQ(refused(opt), -EINVAL);
	opt.lowat = 0;
	opt.space_mark = 65537;
	EXPECT_EQ(refused(opt), -EINVAL);
	opt.space_mark = 0;
	opt.backend = other;
	if (attach_by == by_fd)
		EXPECT_EQ(refused(opt), -EINVAL);
	else
		EXPECT(refused(opt) < 0);
	later.now.size = sizeof(later);
	EXPECT_EQ(attach_by(&r, &later.now), -E2BIG);
}

static void test_policy(void)
{
	struct shmring_options opt = { .role = SHMRING_CONSUMER, .policy = SHMRING_SPIN };
	struct shmring_wait w = { .deadline = shmring_deadline(1000000) };
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring *c = attach_with(&opt);

	EXPECT_EQ(shmring_wait_data(c, &w), -ETIMEDOUT);
	CHECK_EQ(shmring_get_info(c, &info), 0);
	EXPECT_EQ(info.sleeps, 0);
	shmring_close(c);
}

static int is_ready(const struct pollfd *p)
{
	struct pollfd copy = *p;

	return poll(&copy, 1, 0);
}

static void test_lowat(void)
{
	struct shmring_options opt = { .role = SHMRING_CONSUMER, .lowat = LOWAT };
	struct shmring *p = attach(holder, SHMRING_PRODUCER), *c = attach_with(&opt);
	struct pollfd fd = { .fd = shmring_poll_fd(c), .events = POLLIN };
	int i;

	CHECK(fd.fd >= 0);
	CHECK_EQ(receive_now(c), -EAGAIN);
	for (i = 1; i <= LOWAT / 16; i++) {
		EXPECT_EQ(is_ready(&fd), 0);
		send_number(p, 1);
	}
	CHECK_EQ(poll(&fd, 1, -1), 1);
	while (i-- > 1)
		receive_number(c);
	shmring_close(c);
	shmring_close(p);
}

/* A producer with a message that no consumer takes. */
static void test_linger(void)
{
	struct shmring_options opt = { .role = SHMRING_PRODUCER, .linger = 20000000 };
	struct shmring *c = attach(holder, SHMRING_CONSUMER), *p = attach_with(&opt);
	uint64_t start = now_ns();

	send_number(p, 1);
	shmring_close(p);
	EXPECT(now_ns() - start >= opt.linger);
	EXPECT_EQ(receive_number(c), 1);
	shmring_close(c);
}

/* Asking for the ring's own backend is allowed, as is asking for none; NULL gives a handle. */
static void test_backend(void)
{
	struct shmring_options opt = { .backend = on_memfd() ? SHMRING_MEMFD : SHMRING_KMOD };
	struct shmring *r = attach_with(&opt);

	EXPECT_EQ(shmring_poll_fd(r), -EBADF);
	shmring_close(r);
	shmring_close(attach_with(NULL));
}

static int created(const struct shmring *r)
{
	struct shmring_info info = SHMRING_INFO_INIT;

	CHECK_EQ(shmring_get_info(r, &info), 0);
	return (int)info.created;
}

static void test_open_or_create(void)
{
	struct shmring_options opt = { .capacity = 2 * page_size(), .flags = SHMRING_OPEN_OR_CREATE,
				       .role = SHMRING_PRODUCER };
	const char *called = unique("either");
	struct shmring *p, *c, *other;

	CHECK_EQ(shmring_create(&p, NULL, &opt), -EINVAL);
	CHECK_EQ(shmring_create(&p, called, &opt), 0);
	EXPECT_EQ(created(p), 1);
	EXPECT_EQ(shmring_create(&other, called, &opt), -EBUSY);
	opt.role = SHMRING_CONSUMER;
	opt.capacity = 0;
	opt.slot_size = 8;
	CHECK_EQ(shmring_create(&c, called, &opt), 0);
	EXPECT_EQ(created(c), 0);
	send_number(p, 3);
	EXPECT_EQ(receive_number(c), 3);
	opt.flags = 0;
	EXPECT_EQ(shmring_create(&other, called, &opt), -EEXIST);
	opt.flags = SHMRING_OPEN_OR_CREATE;
	opt.capacity = (size_t)SHMRING_CAPACITY_MAX + 1;
	EXPECT_EQ(shmring_create(&other, called, &opt), -EFBIG);
	shmring_close(c);
	shmring_close(p);
	EXPECT_EQ(shmring_attach(&other, called, SHMRING_HANDLE), -ENOENT);
	EXPECT_EQ(created(holder), 1);
}

#define NR_RACERS	4
#define NR_RACES	200

/* All processes create or open the same name, which vanishes again and again: each gets a ring. */
static int race(void *arg)
{
	struct shmring_options opt = { .flags = SHMRING_OPEN_OR_CREATE };
	struct shmring *r;
	int i;

	for (i = 0; i < NR_RACES; i++) {
		CHECK_EQ(shmring_create(&r, arg, &opt), 0);
		shmring_close(r);
	}
	return TEST_PASS;
}

static void test_race(void)
{
	char called[SHMRING_NAME_MAX];
	pid_t pids[NR_RACERS];
	int i;

	strcpy(called, unique("race"));
	for (i = 0; i < NR_RACERS; i++)
		pids[i] = start(race, called);
	for (i = 0; i < NR_RACERS; i++)
		EXPECT_EQ(end_of(pids[i]), TEST_PASS);
}

static void test_unlink(void)
{
	struct shmring_options opt = { .flags = SHMRING_PERSIST };
	const char *kept = unique("unlinked");
	struct shmring *r;

	CHECK_EQ(shmring_create(&r, kept, &opt), 0);
	shmring_close(r);
	opt.backend = on_memfd() ? SHMRING_KMOD : SHMRING_MEMFD;
	EXPECT(shmring_unlink_opt(kept, &opt) < 0);
	opt.backend = on_memfd() ? SHMRING_MEMFD : SHMRING_KMOD;
	EXPECT_EQ(shmring_unlink_opt(kept, &opt), 0);
	opt.size = 1;
	EXPECT_EQ(shmring_unlink_opt(kept, &opt), -EINVAL);
}

int main(void)
{
	int (*const ways[])(struct shmring **, const struct shmring_options *) = {
		by_name, by_wait, by_fd,
	};
	size_t i;

	need_backend();
	name = unique("options");
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		attach_by = ways[i];
		CHECK_EQ(shmring_create(&holder, name, NULL), 0);
		RUN(test_bad);
		RUN(test_policy);
		RUN(test_lowat);
		RUN(test_linger);
		RUN(test_backend);
		RUN(test_open_or_create);
		shmring_close(holder);
	}
	RUN(test_unlink);
	RUN(test_race);
	return finish();
}
