// SPDX-License-Identifier: MIT
/*
 * Waiting for several at once: what makes a member ready, that none starves, that no wake-up is lost,
 * and that a member costs nothing while it is idle.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>

#include <shmring/group.h>

#include "lib.h"

#define MANY	1000
#define FEW	200
#define SENDERS	6

static struct shmring_group *make_group(void)
{
	struct shmring_group *g;

	CHECK_EQ(shmring_group_create(&g), 0);
	return g;
}

static struct shmring_wait within(uint64_t ns, enum shmring_policy policy)
{
	return (struct shmring_wait){ .deadline = shmring_deadline(ns), .policy = policy };
}

/* The one member that is ready, by its index; or the error. */
static int ready_one(struct shmring_group *g, unsigned int events)
{
	struct shmring_event event[2];
	struct shmring_wait w = within(PATIENCE_NS, SHMRING_DEFAULT);
	int ret = shmring_wait_any(g, event, 2, &w);

	if (ret < 0)
		return ret;
	EXPECT_EQ(ret, 1);
	EXPECT_EQ(event[0].events, events);
	return (int)event[0].index;
}

static int try_any(struct shmring_group *g)
{
	struct shmring_event event;

	return shmring_wait_any(g, &event, 1, &nowait);
}

/* ----------------------------------------------------------------------- ready */

static void test_endpoints(void)
{
	struct pair a = make_pair(page_size(), 0), b = make_pair(page_size(), 8);
	struct shmring_group *g = make_group();
	int data = 0, i;
	struct shmring_event event;

	EXPECT_EQ(try_any(g), -EAGAIN);
	EXPECT_EQ(shmring_group_add(g, a.c, &data), 0);
	EXPECT_EQ(shmring_group_add(g, b.c, NULL), 1);
	EXPECT_EQ(try_any(g), -EAGAIN);
	for (i = 0; i < 3; i++) {
		send_number(b.p, 1);
		EXPECT_EQ(ready_one(g, POLLIN), 1);
		EXPECT_EQ(ready_one(g, POLLIN), 1);	/* it is still there */
		EXPECT_EQ(receive_number(b.c), 1);
		EXPECT_EQ(try_any(g), -EAGAIN);
		send_number(a.p, 2);
		EXPECT_EQ(shmring_wait_any(g, &event, 1, NULL), 1);
		EXPECT(event.data == &data);
		EXPECT_EQ(event.index, 0);
		EXPECT_EQ(receive_number(a.c), 2);
	}
	/* The first number that is free is given again. */
	EXPECT_EQ(shmring_group_remove(g, 0), 0);
	EXPECT_EQ(shmring_group_remove(g, 0), -ENOENT);
	EXPECT_EQ(shmring_group_remove(g, 2), -ENOENT);
	send_number(a.p, 3);
	EXPECT_EQ(try_any(g), -EAGAIN);
	EXPECT_EQ(shmring_group_add(g, a.c, NULL), 0);
	EXPECT_EQ(ready_one(g, POLLIN), 0);
	shmring_group_close(g);
	close_pair(&a);
	close_pair(&b);
}

/* A producer is ready while there is space; each side, while its next call would fail. */
static void test_producer_and_ends(void)
{
	struct pair a = make_pair(page_size(), 8);
	struct shmring_group *g = make_group();

	EXPECT_EQ(shmring_group_add(g, a.p, NULL), 0);
	EXPECT_EQ(ready_one(g, POLLOUT), 0);
	while (send_now(a.p) > 0)
		;
	EXPECT_EQ(try_any(g), -EAGAIN);
	receive_number(a.c);
	EXPECT_EQ(ready_one(g, POLLOUT), 0);
	shmring_close(a.c);
	EXPECT_EQ(ready_one(g, POLLERR), 0);
	EXPECT_EQ(ready_one(g, POLLERR), 0);
	EXPECT_EQ(shmring_group_remove(g, 0), 0);
	EXPECT_EQ(try_any(g), -EAGAIN);
	shmring_close(a.p);

	a = make_pair(page_size(), 8);
	EXPECT_EQ(shmring_group_add(g, a.c, NULL), 0);
	EXPECT_EQ(try_any(g), -EAGAIN);
	send_number(a.p, 1);
	shmring_close(a.p);
	EXPECT_EQ(ready_one(g, POLLIN), 0);
	receive_number(a.c);
	EXPECT_EQ(ready_one(g, POLLERR), 0);
	shmring_group_close(g);
	shmring_close(a.c);
}

static void test_lowat(void)
{
	struct pair a = make_pair(page_size(), 8);
	struct shmring_group *g = make_group();
	int i;

	CHECK_EQ(shmring_set_lowat(a.c, 32), 0);
	EXPECT_EQ(shmring_group_add(g, a.c, NULL), 0);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(try_any(g), -EAGAIN);
		send_number(a.p, 1);
	}
	EXPECT_EQ(ready_one(g, POLLIN), 0);
	shmring_group_close(g);
	close_pair(&a);
}

static void test_descriptors_and_hubs(void)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shmring_group *g = make_group();
	int event = eventfd(0, EFD_NONBLOCK), file;
	const char *name = unique("group");
	struct shmring_hub *h;
	struct shmring *p;
	uint64_t n = 1;

	opt.lanes = 3;
	opt.flags = SHMRING_HUB_EOF;
	CHECK_EQ(shmring_hub_create(&h, name, &opt), 0);
	CHECK_EQ(shmring_attach(&p, name, SHMRING_PRODUCER), 0);
	EXPECT_EQ(shmring_group_add_fd(g, event, POLLIN, NULL), 0);
	EXPECT_EQ(shmring_group_add_hub(g, h, NULL), 1);
	EXPECT_EQ(shmring_group_add_hub(g, h, NULL), -EEXIST);
	EXPECT_EQ(try_any(g), -EAGAIN);
	CHECK(write(event, &n, sizeof(n)) == sizeof(n));
	EXPECT_EQ(ready_one(g, POLLIN), 0);
	CHECK(read(event, &n, sizeof(n)) == sizeof(n));
	EXPECT_EQ(try_any(g), -EAGAIN);
	send_number(p, 1);
	EXPECT_EQ(ready_one(g, POLLIN), 1);
	EXPECT_EQ(receive_number(shmring_hub_next(h)), 1);
	EXPECT_EQ(try_any(g), -EAGAIN);
	shmring_close(p);
	EXPECT_EQ(ready_one(g, POLLERR), 1);
	EXPECT_EQ(shmring_group_remove(g, 1), 0);

	EXPECT_EQ(shmring_group_add_fd(g, event, POLLIN, NULL), -EEXIST);
	EXPECT_EQ(shmring_group_add_fd(g, event, POLLHUP, NULL), -EINVAL);
	EXPECT_EQ(shmring_group_add_fd(g, -1, POLLIN, NULL), -EBADF);
	EXPECT_EQ(shmring_group_add_fd(g, shmring_group_poll_fd(g), POLLIN, NULL), -EINVAL);
	file = fileno(tmpfile());
	EXPECT_EQ(shmring_group_add_fd(g, file, POLLIN, NULL), -EPERM);
	EXPECT_EQ(shmring_group_add(g, shmring_hub_endpoint(h, 0), NULL), -EOPNOTSUPP);
	CHECK_EQ(shmring_attach(&p, name, SHMRING_HANDLE), 0);
	EXPECT_EQ(shmring_group_add(g, p, NULL), -EBADF);
	shmring_close(p);
	shmring_group_close(g);
	shmring_hub_close(h);
	close(event);
}

/* --------------------------------------------------------------------- waiting */

static void test_arguments(void)
{
	struct shmring_wait w = { .min_bytes = 8 };
	struct shmring_group *g = make_group();
	struct shmring_event event;
	enum shmring_policy policy;

	EXPECT_EQ(shmring_wait_any(g, &event, 0, &nowait), -EINVAL);
	EXPECT_EQ(shmring_wait_any(g, &event, 1, &w), -EINVAL);
	w.min_bytes = 0;
	w.flags = 0x100;
	EXPECT_EQ(shmring_wait_any(g, &event, 1, &w), -EINVAL);
	for (policy = SHMRING_DEFAULT; policy <= SHMRING_EAGER; policy++) {
		w = within(2000000, policy);
		EXPECT_EQ(shmring_wait_any(g, &event, 1, &w), -ETIMEDOUT);
	}
	shmring_group_close(g);
	shmring_group_close(NULL);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_signal(void)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct pair a = make_pair(page_size(), 8);
	struct shmring_group *g = make_group();

	CHECK(!sigaction(SIGALRM, &action, NULL));
	EXPECT_EQ(shmring_group_add(g, a.c, NULL), 0);
	alarm(1);
	EXPECT_EQ(ready_one(g, 0), -EINTR);
	shmring_group_close(g);
	close_pair(&a);
}

/* An endpoint that always has data keeps no other member waiting, however few events are asked for. */
static void test_fair(void)
{
	struct pair a = make_pair(page_size(), 8), b = make_pair(page_size(), 8);
	struct shmring_group *g = make_group();
	int event = eventfd(1, EFD_NONBLOCK), i, ret, calls;
	struct shmring_event one;

	EXPECT_EQ(shmring_group_add(g, a.c, NULL), 0);
	EXPECT_EQ(shmring_group_add(g, b.c, NULL), 1);
	send_number(a.p, 1);
	EXPECT_EQ(ready_one(g, POLLIN), 0);	/* b is armed, or will be looked at in turn */
	EXPECT_EQ(shmring_group_add_fd(g, event, POLLIN, NULL), 2);
	send_number(b.p, 1);
	for (i = 0; i < 3; i++) {
		for (calls = 0; calls < 1000; calls++) {
			ret = shmring_wait_any(g, &one, 1, NULL);
			EXPECT_EQ(ret, 1);
			if (one.index == (unsigned int)i)
				break;
		}
		context("test_fair, member %d", i);
		EXPECT(calls < 1000);
	}
	shmring_group_close(g);
	close_pair(&a);
	close_pair(&b);
	close(event);
}

/* ------------------------------------------------------------------- many senders */

static uint64_t nr_messages(void)
{
	uint64_t messages = setting("SHMRING_MESSAGES", 200000) / 20;

	return messages < 10000 ? messages : 10000;
}

/* Messages in bursts, with pauses that let the receiver sleep. */
static int send_all(struct shmring *r)
{
	uint64_t seed = (uint64_t)getpid(), i, nr = nr_messages();
	struct timespec pause = { 0 };

	for (i = 0; i < nr; i++) {
		send_number(r, i);
		if (random_u64(&seed) % 16)
			continue;
		pause.tv_nsec = (long)(random_u64(&seed) % 200000);
		if (random_u64(&seed) % 2)
			nanosleep(&pause, NULL);
	}
	return TEST_PASS;
}

/* Take all that a member has, in order. True: its producer has gone. */
static bool take(struct shmring *r, uint64_t *next)
{
	const uint64_t *n;
	size_t len;

	while ((n = shmring_peek(r, &len))) {
		CHECK_EQ(*n, *next);
		++*next;
		CHECK_EQ(shmring_release(r), 0);
	}
	return shmring_wait_data(r, &nowait) == -ENODATA;
}

static void test_many_senders(void)
{
	static const enum shmring_policy policies[] = {
		SHMRING_ADAPTIVE, SHMRING_BLOCK, SHMRING_EAGER, SHMRING_SPIN,
	};
	struct shmring_group *g = make_group();
	struct shmring_event events[4];
	struct shmring *r[SENDERS];
	uint64_t next[SENDERS];
	struct shmring_wait w;
	pid_t pids[SENDERS];
	int i, ret, left;
	size_t p;

	for (p = 0; p < ARRAY_SIZE(policies); p++) {
		for (i = 0; i < SENDERS; i++) {
			r[i] = make(page_size(), i % 2 ? 8 : 0, SHMRING_CONSUMER);
			next[i] = 0;
			EXPECT(shmring_group_add(g, r[i], &next[i]) >= 0);
			pids[i] = start_as(r[i], SHMRING_PRODUCER, send_all);
		}
		for (left = SENDERS; left;) {
			w = within(PATIENCE_NS, policies[p]);
			ret = shmring_wait_any(g, events, 1 + left % 4, &w);
			context("test_many_senders, policy %zu, %d left", p, left);
			CHECK(ret > 0);
			while (ret--) {
				i = (int)((uint64_t *)events[ret].data - next);
				if (!take(r[i], &next[i]))
					continue;
				left--;
				EXPECT_EQ(next[i], nr_messages());
				CHECK_EQ(shmring_group_remove(g, events[ret].index), 0);
			}
		}
		for (i = 0; i < SENDERS; i++) {
			EXPECT_EQ(end_of(pids[i]), TEST_PASS);
			shmring_close(r[i]);
		}
	}
	shmring_group_close(g);
}

static int send_for_ever(struct shmring *r)
{
	while (shmring_send(r, &r, sizeof(r), NULL) > 0)
		usleep(100);
	return TEST_PASS;
}

/* The group sleeps when a producer is killed. */
static void test_killed(void)
{
	struct shmring_group *g = make_group();
	struct shmring *r = make(page_size(), 8, SHMRING_CONSUMER);
	struct pair idle = make_pair(page_size(), 8);
	uint64_t n;
	pid_t pid;

	EXPECT_EQ(shmring_group_add(g, idle.c, NULL), 0);
	EXPECT_EQ(shmring_group_add(g, r, NULL), 1);
	pid = start_as(r, SHMRING_PRODUCER, send_for_ever);
	EXPECT_EQ(ready_one(g, POLLIN), 1);
	kill_child(pid);
	while (shmring_recv(r, &n, sizeof(n), &nowait) > 0)
		;
	EXPECT_EQ(ready_one(g, POLLERR), 1);
	EXPECT_EQ(shmring_wait_data(r, &nowait), -ENODATA);
	shmring_group_close(g);
	shmring_close(r);
	close_pair(&idle);
}

/* ------------------------------------------------------------------------- scale */

/* What one of @nr members costs that is active, while the others are idle; not checked. */
static void test_scale(void)
{
	struct rlimit files = { 65536, 65536 };
	int nr = setting("SHMRING_MESSAGES", 200000) < 200000 ? FEW : MANY, i;
	struct shmring_group *g = make_group();
	struct pair *pairs = calloc((size_t)nr, sizeof(*pairs));
	uint64_t start;

	CHECK(pairs);
	setrlimit(RLIMIT_NOFILE, &files);
	for (i = 0; i < nr; i++) {
		pairs[i] = make_pair(page_size(), 8);
		CHECK_EQ(shmring_group_add(g, pairs[i].c, NULL), i);
	}
	EXPECT_EQ(try_any(g), -EAGAIN);
	start = now_ns();
	for (i = 0; i < 1000; i++) {
		send_number(pairs[nr / 2].p, 1);
		CHECK_EQ(ready_one(g, POLLIN), nr / 2);
		receive_number(pairs[nr / 2].c);
	}
	printf("# one of %d is active, no sleep: %.2f us a message\n", nr,
	       (double)(now_ns() - start) / 1e6);
	start = now_ns();
	for (i = 0; i < 1000; i++) {
		EXPECT_EQ(try_any(g), -EAGAIN);
		send_number(pairs[nr / 2].p, 1);
		CHECK_EQ(ready_one(g, POLLIN), nr / 2);
		receive_number(pairs[nr / 2].c);
	}
	printf("# one of %d is active, armed each time: %.2f us a message\n", nr,
	       (double)(now_ns() - start) / 1e6);
	/* Each in its turn. */
	for (i = 0; i < nr; i++) {
		send_number(pairs[i].p, (uint64_t)i);
		CHECK_EQ(ready_one(g, POLLIN), i);
		EXPECT_EQ(receive_number(pairs[i].c), i);
	}
	shmring_group_close(g);
	for (i = 0; i < nr; i++)
		close_pair(&pairs[i]);
	free(pairs);
}

int main(void)
{
	need_backend();
	RUN(test_arguments);
	RUN(test_endpoints);
	RUN(test_producer_and_ends);
	RUN(test_lowat);
	RUN(test_descriptors_and_hubs);
	RUN(test_signal);
	RUN(test_fair);
	RUN(test_killed);
	RUN(test_many_senders);
	RUN(test_scale);
	return finish();
}
