// SPDX-License-Identifier: MIT
/* Waiting: in every policy, with and without a deadline, through signals. */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "lib.h"

static enum shmring_policy policy;

static struct shmring_wait until(uint64_t deadline)
{
	return (struct shmring_wait){ .deadline = deadline, .policy = policy };
}

static uint64_t used(const struct shmring *r)
{
	struct shmring_info info = SHMRING_INFO_INIT;

	CHECK_EQ(shmring_get_info(r, &info), 0);
	return info.used;
}

/* An endpoint waits by the policy that it was given when it was made, or later. */
static void test_policy(void)
{
	struct shmring_options opt = { .role = SHMRING_CONSUMER, .policy = SHMRING_SPIN };
	struct shmring_wait w = { .deadline = shmring_deadline(1000000) };
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring *c;

	CHECK_EQ(shmring_create(&c, NULL, &opt), 0);
	EXPECT_EQ(shmring_wait_data(c, &w), -ETIMEDOUT);
	CHECK_EQ(shmring_get_info(c, &info), 0);
	EXPECT_EQ(info.sleeps, 0);
	CHECK_EQ(shmring_set_policy(c, SHMRING_BLOCK), 0);
	EXPECT_EQ(shmring_wait_data(c, &w), -ETIMEDOUT);
	CHECK_EQ(shmring_get_info(c, &info), 0);
	EXPECT_EQ(info.sleeps, 1);
	shmring_close(c);
}

static void test_nowait(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct shmring_wait w = { .flags = SHMRING_NOWAIT, .policy = policy };

	EXPECT_EQ(shmring_wait_data(pair.c, &w), -EAGAIN);
	EXPECT_EQ(shmring_wait_space(pair.p, 8, &w), 0);
	while (send_now(pair.p) > 0)
		;
	EXPECT_EQ(shmring_wait_space(pair.p, 8, &w), -EAGAIN);
	EXPECT_EQ(shmring_wait_data(pair.c, &w), 0);
	close_pair(&pair);
}

static void test_timeout(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct shmring_wait w = until(shmring_deadline(20000000));
	uint64_t n = 0;

	EXPECT_EQ(shmring_wait_data(pair.c, &w), -ETIMEDOUT);
	EXPECT(now_ns() >= w.deadline);
	EXPECT_EQ(shmring_recv(pair.c, &n, 8, &w), -ETIMEDOUT);
	while (send_now(pair.p) > 0)
		;
	w = until(shmring_deadline(20000000));
	EXPECT_EQ(shmring_wait_space(pair.p, 8, &w), -ETIMEDOUT);
	EXPECT(now_ns() >= w.deadline);
	EXPECT_EQ(shmring_send(pair.p, &n, 8, &w), -ETIMEDOUT);
	/* Data that is there ends the wait with success, even if the deadline has passed. */
	w = until(1);
	EXPECT_EQ(shmring_wait_data(pair.c, &w), 0);
	EXPECT_EQ(shmring_recv(pair.c, &n, 8, &w), 8);
	EXPECT_EQ(shmring_wait_space(pair.p, 8, &w), 0);
	EXPECT_EQ(shmring_send(pair.p, &n, 8, &w), 8);
	close_pair(&pair);
}

static int receive_ten(struct shmring *r)
{
	struct shmring_wait w = until(0);
	uint64_t i, n;

	for (i = 0; i < 10; i++) {
		CHECK_EQ(shmring_recv(r, &n, sizeof(n), &w), sizeof(n));
		EXPECT_EQ(n, i);
	}
	return TEST_PASS;
}

static void test_data_wakes(void)
{
	struct shmring *p = make(page_size(), 0, SHMRING_PRODUCER);
	pid_t pid = start_as(p, SHMRING_CONSUMER, receive_ten);
	uint64_t i;

	for (i = 0; i < 10; i++) {
		if (policy == SHMRING_BLOCK)
			await_asleep(pid);
		send_number(p, i);
	}
	EXPECT_EQ(end_of(pid), TEST_PASS);
	shmring_close(p);
}

/* Three times as much as the ring holds. */
static int send_many(struct shmring *r)
{
	struct shmring_wait w = until(0);
	uint64_t n;

	for (n = 0; n < 3 * page_size() / 16; n++)
		CHECK_EQ(shmring_send(r, &n, sizeof(n), &w), sizeof(n));
	return TEST_PASS;
}

static void test_space_wakes(void)
{
	struct shmring *c = make(page_size(), 0, SHMRING_CONSUMER);
	pid_t pid = start_as(c, SHMRING_PRODUCER, send_many);
	uint64_t n;

	for (n = 0; n < 3 * page_size() / 16; n++) {
		if (policy == SHMRING_BLOCK && n % (page_size() / 16) == 0 && n < page_size() / 8)
			await_asleep(pid);
		EXPECT_EQ(receive_number(c), n);
	}
	EXPECT_EQ(end_of(pid), TEST_PASS);
	shmring_close(c);
}

static int wait_for_half(struct shmring *r)
{
	struct shmring_wait w = until(0);
	struct shmring_info info = SHMRING_INFO_INIT;

	w.min_bytes = page_size() / 2;
	EXPECT_EQ(shmring_wait_data(r, &w), 0);
	CHECK_EQ(shmring_get_info(r, &info), 0);
	EXPECT(info.used >= page_size() / 2);
	return TEST_PASS;
}

static void test_min_bytes(void)
{
	struct shmring *p = make(page_size(), 0, SHMRING_PRODUCER);
	pid_t pid = start_as(p, SHMRING_CONSUMER, wait_for_half);
	uint64_t n;

	for (n = 0; n < page_size() / 32; n++) {
		if (n % 16 == 1 && policy == SHMRING_BLOCK)
			await_asleep(pid);
		send_number(p, n);
	}
	EXPECT_EQ(end_of(pid), TEST_PASS);
	shmring_close(p);
}

/* The consumer wants more than there can be, while the producer wants space. */
static int wait_for_all(struct shmring *r)
{
	struct shmring_wait w = until(0);
	struct shmring_info info = SHMRING_INFO_INIT;

	w.min_bytes = page_size();
	EXPECT_EQ(shmring_wait_data(r, &w), 0);
	CHECK_EQ(shmring_get_info(r, &info), 0);
	EXPECT_EQ(info.used, page_size() / 2 + 16);
	while (receive_now(r) > 0)
		;
	EXPECT_EQ(shmring_wait_data(r, NULL), 0);
	return TEST_PASS;
}

static void test_no_deadlock(void)
{
	struct shmring *p = make(page_size(), 0, SHMRING_PRODUCER);
	pid_t pid = start_as(p, SHMRING_CONSUMER, wait_for_all);
	char *big = calloc(1, page_size() / 2);
	uint64_t used;

	for (used = 0; used < page_size() / 2 + 16; used += 16)
		send_number(p, used);
	EXPECT_EQ(shmring_send(p, big, page_size() / 2, NULL), page_size() / 2);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	free(big);
	shmring_close(p);
}

/* In the full ring, a message of 8 bytes takes the space of one that is there. */
static int send_one_more(struct shmring *r)
{
	CHECK_EQ(shmring_set_space_mark(r, page_size() + 1), -EINVAL);
	CHECK_EQ(shmring_set_space_mark(r, 1), 0);
	send_number(r, 0);
	return TEST_PASS;
}

/* From the start of its sleep the producer asks to be woken for one message, not for half. */
static void test_space_mark(void)
{
	const uint64_t nr = page_size() / 16;
	struct pair pair = make_pair(page_size(), 0);
	const __u64 *wake_at = &pair.c->lane->producer.wake_at;
	uint64_t i, at;
	pid_t pid;

	EXPECT_EQ(shmring_set_space_mark(pair.c, 1), -EBADF);
	while (send_now(pair.p) > 0)
		;
	shmring_close(pair.p);
	for (i = 1; i <= 20; i++) {
		pid = start_as(pair.c, SHMRING_PRODUCER, send_one_more);
		do {
			at = __atomic_load_n(wake_at, __ATOMIC_RELAXED);
		} while (at == SHMRING_NO_WAKE && state_of(pid) != 'Z');
		EXPECT_EQ(at, 16 * i);
		receive_number(pair.c);
		EXPECT_EQ(end_of(pid), TEST_PASS);
	}
	EXPECT_EQ(used(pair.c), 16 * nr);
	shmring_close(pair.c);
}

static void on_signal(int sig)
{
	(void)sig;
}

static atomic_int *interrupted;		/* interrupted waits, of all processes together */

static int be_interrupted(struct shmring *r)
{
	struct shmring_wait w = until(0);

	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	sigaction(SIGUSR2, &(struct sigaction){ .sa_handler = on_signal, .sa_flags = SA_RESTART },
		  NULL);
	/*
	 * The consumer takes this message as the sign that the handlers are installed, and no
	 * other until the signals are over.
	 */
	send_number(r, 0);
	AWAIT(!used(r));
	while (send_now(r) > 0)
		;
	for (; *interrupted < 2; ++*interrupted)
		EXPECT_EQ(shmring_wait_space(r, 8, &w), -EINTR);
	/* The third time the process was stopped and continued, which must not end the wait. */
	EXPECT_EQ(shmring_wait_space(r, 8, &w), 0);
	return TEST_PASS;
}

/* Without the module, a handler may run while the sleeper looks for a death. */
static void interrupt(struct shmring *c, pid_t pid, int sig, int times)
{
	do {
		CHECK(!kill(pid, sig));
		await_asleep(pid);
	} while (*interrupted < times && !strcmp(shmring_backend_name(c), "memfd"));
	EXPECT_EQ(*interrupted, times);
}

static void test_signals(void)
{
	struct shmring *c = make(page_size(), 0, SHMRING_CONSUMER);
	pid_t pid;

	interrupted = mmap(NULL, sizeof(*interrupted), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(interrupted != MAP_FAILED);
	pid = start_as(c, SHMRING_PRODUCER, be_interrupted);
	CHECK_EQ(receive_number(c), 0);
	await_asleep(pid);
	interrupt(c, pid, SIGUSR1, 1);
	interrupt(c, pid, SIGUSR2, 2);
	CHECK(!kill(pid, SIGSTOP));
	AWAIT(state_of(pid) == 'T');
	CHECK(!kill(pid, SIGCONT));
	await_asleep(pid);
	while (receive_now(c) > 0)
		;
	EXPECT_EQ(end_of(pid), TEST_PASS);
	shmring_close(c);
	munmap(interrupted, sizeof(*interrupted));
}

/* A sleep costs the other side one wake-up; without sleeps there are none. */
static void test_counters(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct shmring_info before = SHMRING_INFO_INIT, after = SHMRING_INFO_INIT;
	uint64_t n;

	CHECK_EQ(shmring_get_info(pair.p, &before), 0);
	for (n = 0; n < 10000; n++) {
		send_number(pair.p, n);
		EXPECT_EQ(receive_number(pair.c), n);
	}
	CHECK_EQ(shmring_get_info(pair.p, &after), 0);
	EXPECT_EQ(after.sleeps, before.sleeps);
	EXPECT_EQ(after.wakes, before.wakes);
	close_pair(&pair);
}

int main(void)
{
	need_backend();
	for (policy = SHMRING_DEFAULT; policy <= SHMRING_EAGER; policy++) {
		printf("policy %d\n", policy);
		RUN(test_nowait);
		RUN(test_timeout);
		RUN(test_data_wakes);
		RUN(test_space_wakes);
		RUN(test_min_bytes);
		RUN(test_no_deadlock);
	}
	RUN(test_policy);
	policy = SHMRING_BLOCK;
	RUN(test_space_mark);
	RUN(test_signals);
	RUN(test_counters);
	return finish();
}
