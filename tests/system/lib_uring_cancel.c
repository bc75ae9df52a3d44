// SPDX-License-Identifier: MIT
/*
 * Waits of io_uring that do not come to their end: they are cancelled, or their process is
 * killed, or executes another program, or closes the endpoint or the io_uring. Each wait
 * completes once or goes with its io_uring, the role is free afterwards, and the kernel has
 * nothing to report.
 *
 * A ten-thousandth of SHMRING_MESSAGES is the number of rounds (default: 1000; without the
 * module a tenth of that).
 */
#include "uring.h"

#include <pthread.h>

enum { WAIT = 1, CANCEL, TIMEOUT };

static uint64_t iterations, seed;
static bool native;

/* IOSQE_ASYNC: a worker of io_uring begins the waits, in parallel with the call that ends them. */
static unsigned char sqe_flags;

static void prepare_wait(struct io_uring *ring, struct shmring *r, uint64_t tag)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	if (r->role == SHMRING_PRODUCER)
		CHECK_EQ(shmring_prep_wait_space(sqe, r, shmring_max_len(r)), 0);
	else
		CHECK_EQ(shmring_prep_wait_data(sqe, r, 0), 0);
	sqe->flags |= sqe_flags;
	io_uring_sqe_set_data64(sqe, tag);
}

static void prepare_cancel(struct io_uring *ring, struct shmring *r)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	shmring_prep_cancel(sqe, r);
	io_uring_sqe_set_data64(sqe, CANCEL);
}

static bool nothing_left(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	return io_uring_peek_cqe(ring, &cqe) == -EAGAIN;
}

/* Take the completions of a wait and its cancel, in either order. Returns the wait's result. */
static int result_of_wait(struct io_uring *ring)
{
	int i, ret, result = 1;
	uint64_t whose;

	for (i = 0; i < 2; i++) {
		ret = next_result(ring, &whose);
		if (whose == WAIT)
			result = ret > 0 ? 0 : ret;
	}
	EXPECT(nothing_left(ring));
	return result;
}

static void test_cancel(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct io_uring *ring = open_uring(0);
	uint64_t i;

	for (i = 0; i < iterations; i++) {
		prepare_wait(ring, pair.c, WAIT);
		submit(ring);
		prepare_cancel(ring, pair.c);
		submit(ring);
		EXPECT_EQ(result_of_wait(ring), -ECANCELED);
	}
	/* The endpoint works as before. */
	prepare_wait(ring, pair.c, WAIT);
	submit(ring);
	send_number(pair.p, 1);
	EXPECT(next_result(ring, NULL) >= 0);
	EXPECT_EQ(receive_number(pair.c), 1);
	close_uring(ring);
	close_pair(&pair);
}

/* io_uring's own cancel reaches polls, and (today) not commands: it has no bad effect. */
static void test_async_cancel(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct io_uring *ring = open_uring(0);
	uint64_t i, whose;
	int ret;

	for (i = 0; i < iterations; i++) {
		struct io_uring_sqe *sqe;

		prepare_wait(ring, pair.c, WAIT);
		submit(ring);
		sqe = next_sqe(ring);
		io_uring_prep_cancel64(sqe, WAIT, 0);
		io_uring_sqe_set_data64(sqe, CANCEL);
		submit(ring);
		ret = next_result(ring, &whose);
		if (whose == CANCEL && ret == -ENOENT) {
			EXPECT(native);
			prepare_cancel(ring, pair.c);
			submit(ring);
			EXPECT_EQ(result_of_wait(ring), -ECANCELED);
		} else {
			next_result(ring, NULL);
			EXPECT(nothing_left(ring));
		}
	}
	close_uring(ring);
	close_pair(&pair);
}

struct race {
	pthread_barrier_t barrier;
	struct shmring *p;
};

static void *send_each(void *arg)
{
	struct race *race = arg;
	uint64_t i;

	for (i = 0; i < iterations; i++) {
		pthread_barrier_wait(&race->barrier);
		send_number(race->p, i);
	}
	return NULL;
}

/* A message and a cancel at the same time: one of them ends the wait, once. */
static void test_race(unsigned int flags, unsigned char how)
{
	struct pair pair = make_pair(page_size(), 0);
	struct io_uring *ring = open_uring(flags);
	struct race race = { .p = pair.p };
	uint64_t i, cancelled = 0, state = seed;
	pthread_t thread;
	int ret;

	context("cancel races with a message, flags %#x, sqe flags %#x", flags, how);
	sqe_flags = how;
	CHECK(!pthread_barrier_init(&race.barrier, NULL, 2));
	CHECK(!pthread_create(&thread, NULL, send_each, &race));
	for (i = 0; i < iterations; i++) {
		volatile unsigned int spin = random_u64(&state) % 4096;

		prepare_wait(ring, pair.c, WAIT);
		submit(ring);
		prepare_cancel(ring, pair.c);
		pthread_barrier_wait(&race.barrier);
		while (spin)
			spin--;
		submit(ring);
		ret = result_of_wait(ring);
		EXPECT(ret == 0 || ret == -ECANCELED);
		cancelled += ret != 0;
		EXPECT_EQ(receive_number(pair.c), i);
	}
	sqe_flags = 0;
	CHECK(!pthread_join(thread, NULL));
	printf("cancelled %llu of %llu\n", (unsigned long long)cancelled,
	       (unsigned long long)iterations);
	close_uring(ring);
	close_pair(&pair);
}

/* A timeout with a cancel linked to it. */
static void test_deadline(void)
{
	struct __kernel_timespec ts = { .tv_sec = 0, .tv_nsec = 100000 };
	struct pair pair = make_pair(page_size(), 0);
	struct io_uring *ring = open_uring(0);
	uint64_t i, whose;
	int n, ret;

	for (i = 0; i < iterations / 10 + 1; i++) {
		struct io_uring_sqe *sqe;

		prepare_wait(ring, pair.c, WAIT);
		sqe = next_sqe(ring);
		io_uring_prep_timeout(sqe, &ts, 0, IORING_TIMEOUT_ETIME_SUCCESS);
		sqe->flags |= IOSQE_IO_LINK;
		io_uring_sqe_set_data64(sqe, TIMEOUT);
		prepare_cancel(ring, pair.c);
		submit(ring);
		for (n = 0; n < 3; n++) {
			ret = next_result(ring, &whose);
			if (whose == WAIT)
				EXPECT_EQ(ret, -ECANCELED);
		}
		EXPECT(nothing_left(ring));
	}
	close_uring(ring);
	close_pair(&pair);
}

/* Several waits of one endpoint: a message ends all of them, and so does a cancel. */
static void test_many(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct io_uring *ring = open_uring(0);
	uint64_t i, n, whose;

	for (i = 0; i < iterations / 10 + 1; i++) {
		for (n = 0; n < 6; n++)
			prepare_wait(ring, pair.c, 100 + n);
		submit(ring);
		if (i % 2)
			send_number(pair.p, i);
		else
			prepare_cancel(ring, pair.c);
		submit(ring);
		for (n = 0; n < 6 + !(i % 2); n++) {
			int ret = next_result(ring, &whose);

			if (whose != CANCEL)
				EXPECT(i % 2 ? ret >= 0 : ret == -ECANCELED);
		}
		EXPECT(nothing_left(ring));
		if (i % 2)
			EXPECT_EQ(receive_number(pair.c), i);
	}
	close_uring(ring);
	close_pair(&pair);
}

/* The io_uring goes, and the ring stays: no wait is left, and the ring works. */
static void test_drop_uring(enum shmring_role role)
{
	static const unsigned int flags[] = {
		0, IORING_SETUP_SINGLE_ISSUER | (1u << 13) /* DEFER_TASKRUN */,
	};
	struct pair pair = make_pair(page_size(), 0);
	struct shmring *r = role == SHMRING_PRODUCER ? pair.p : pair.c;
	uint64_t i, n;

	context("role %d drops its io_uring", role);
	for (i = 0; i < iterations; i++) {
		struct io_uring *ring = open_uring(flags[i % ARRAY_SIZE(flags)]);

		if (role == SHMRING_PRODUCER)
			while (send_now(pair.p) > 0)
				;
		sqe_flags = i % 4 < 2 ? 0 : IOSQE_ASYNC;
		for (n = 0; n < 1 + i % 3; n++)
			prepare_wait(ring, r, WAIT);
		submit(ring);
		close_uring(ring);
		if (role == SHMRING_CONSUMER)
			send_number(pair.p, i);
		while (receive_now(pair.c) > 0)
			;
	}
	sqe_flags = 0;
	close_pair(&pair);
}

/* The endpoint goes, and the io_uring stays: the waits end. */
static void test_close_endpoint(enum shmring_role role)
{
	struct io_uring *ring = open_uring(0);
	struct shmring *handle = make(page_size(), 0, SHMRING_HANDLE);
	uint64_t i;

	if (on_memfd())
		return;		/* memfd's poll descriptor shows only what other processes do */
	context("role %d closes its endpoint", role);
	for (i = 0; i < iterations; i++) {
		struct shmring *r = attach(handle, role);
		int ret;

		if (role == SHMRING_PRODUCER)
			while (send_now(r) > 0)
				;
		prepare_wait(ring, r, WAIT);
		submit(ring);
		shmring_close(r);
		ret = next_result(ring, NULL);
		EXPECT(native ? ret == -ESHUTDOWN : ret > 0);
		EXPECT(nothing_left(ring));
	}
	close_uring(ring);
	shmring_close(handle);
}

/* ------------------------------------------------------------ processes */

#define NR_RINGS	10

struct job {
	struct shmring *handles[NR_RINGS];
	enum shmring_role role;
	uint64_t n;
	bool exec;
	uint32_t *ready;
};

/* Wait in io_uring for all rings, and be killed, or become another program. */
static int wait_for_the_end(void *arg)
{
	const struct job *job = arg;
	struct io_uring *ring = open_uring(0);
	uint64_t i, n;

	for (i = 0; i < NR_RINGS; i++) {
		struct shmring *r = attach(job->handles[i], job->role);

		if (job->role == SHMRING_PRODUCER)
			while (send_now(r) > 0)
				;
		for (n = 0; n <= (job->n + i) % 3; n++)
			prepare_wait(ring, r, WAIT);
		submit(ring);
	}
	__atomic_store_n(job->ready, 1, __ATOMIC_RELEASE);
	if (job->exec)
		execl("/proc/self/exe", "lib_uring_cancel", "--nothing", NULL);
	/*
	 * A poll may end early: when the user's inotify instances are used up, memfd polls by a
	 * timer.
	 */
	do
		next_result(ring, NULL);
	while (!native);
	return TEST_FAIL;
}

static void test_process_goes(enum shmring_role role, bool exec)
{
	struct job job = { .role = role, .exec = exec, .ready = share(sizeof(uint32_t)) };
	uint64_t i, state = seed;
	struct shmring *r;
	pid_t pid;

	context("role %d %s", role, exec ? "executes a program" : "is killed");
	for (i = 0; i < NR_RINGS; i++)
		job.handles[i] = make(page_size(), 0, SHMRING_HANDLE);
	for (job.n = 0; job.n * NR_RINGS < iterations; job.n++) {
		*job.ready = 0;
		pid = start(wait_for_the_end, &job);
		if (exec) {
			EXPECT_EQ(end_of(pid), TEST_PASS);
		} else {
			if (random_u64(&state) % 8)
				AWAIT(__atomic_load_n(job.ready, __ATOMIC_ACQUIRE));
			kill_child(pid);
		}
		for (i = 0; i < NR_RINGS; i++) {
			AWAIT(!shmring_attach_fd(&r, shmring_fd(job.handles[i]), role));
			shmring_close(r);
		}
	}
	for (i = 0; i < NR_RINGS; i++)
		shmring_close(job.handles[i]);
}

int main(int argc, char **argv)
{
	struct shmring *r;

	if (argc > 1 && !strcmp(argv[1], "--nothing"))
		return TEST_PASS;
	need_backend();
	need_uring();
	iterations = setting("SHMRING_MESSAGES", 10000000) / (on_memfd() ? 100000 : 10000) + 1;
	seed = setting("SHMRING_SEED", now_ns());
	r = make(page_size(), 0, SHMRING_CONSUMER);
	native = shmring_uring_native(r);
	shmring_close(r);
	printf("waits are %s, SHMRING_SEED=%llu\n", native ? "commands" : "polls",
	       (unsigned long long)seed);
	RUN(test_cancel);
	RUN(test_async_cancel);
	test_race(0, 0);
	test_race(IORING_SETUP_SINGLE_ISSUER | (1u << 13), 0);
	test_race(0, IOSQE_ASYNC);
	test_race(IORING_SETUP_SINGLE_ISSUER | (1u << 13), IOSQE_ASYNC);
	RUN(test_deadline);
	RUN(test_many);
	test_drop_uring(SHMRING_CONSUMER);
	test_drop_uring(SHMRING_PRODUCER);
	test_close_endpoint(SHMRING_CONSUMER);
	test_close_endpoint(SHMRING_PRODUCER);
	test_process_goes(SHMRING_CONSUMER, false);
	test_process_goes(SHMRING_PRODUCER, false);
	test_process_goes(SHMRING_CONSUMER, true);
	test_process_goes(SHMRING_PRODUCER, true);
	return finish();
}
