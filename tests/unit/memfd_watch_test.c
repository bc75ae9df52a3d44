// SPDX-License-Identifier: MIT
/*
 * The memfd backend: each poll descriptor is for its own ring; which endpoints have an inotify
 * instance.
 */
#include "memfd_polled.h"

#include <unistd.h>

#include "faults.h"

/* More than the inotify instances that a user may have by default, which is 128. */
#define NR	200

static void each_poll_fd_is_for_its_own_ring(void **state)
{
	unsigned int fds = nr_fds(), i, k;
	struct polled ends[NR];

	(void)state;
	for (i = 0; i < NR; i++)
		ends[i] = start_polling();
	assert_int_equal(nr_instances(), MAX_PRIVATE + 1);
	for (i = 0; i < NR; i++) {
		assert_true(ends[i].c->priv->memfd.watch.fd > 0);
		put(ends[i].p, 8, i);
		for (k = 0; k < NR; k++)
			assert_int_equal(is_readable(ends[k].fd), k == i);
		take(ends[i].c, 8, i);
		look_for_nothing(ends[i].c);
		assert_false(is_readable(ends[i].fd));
	}
	assert_readers(1);
	for (i = 0; i < NR; i++)
		stop_polling(&ends[i]);
	assert_int_equal(nr_fds(), fds);
	assert_readers(0);
}

/* Up to MAX_PRIVATE need none. The next one gets a thread, which ends with that one. */
static void few_poll_fds_take_no_thread(void **state)
{
	struct polled ends[MAX_PRIVATE + 1];
	unsigned int i, k;

	(void)state;
	for (i = 0; i <= MAX_PRIVATE; i++) {
		assert_false(i && has_thread());
		ends[i] = start_polling();
		assert_int_equal(is_private(&ends[i]), i < MAX_PRIVATE);
	}
	assert_true(has_thread());
	assert_readers(1);
	for (i = 0; i <= MAX_PRIVATE; i++) {
		put(ends[i].p, 8, i);
		for (k = 0; k <= MAX_PRIVATE; k++)
			assert_int_equal(is_readable(ends[k].fd), k <= i);
	}
	stop_polling(&ends[MAX_PRIVATE]);
	assert_false(has_thread());
	assert_readers(0);
	for (i = 0; i < MAX_PRIVATE; i++)
		stop_polling(&ends[i]);
	assert_int_equal(nr_instances(), 0);
}

/* An endpoint that closes leaves its place to the next one; others stay as they are. */
static void place_is_given_back(void **state)
{
	struct polled ends[MAX_PRIVATE + 1], next;
	unsigned int i;

	(void)state;
	for (i = 0; i <= MAX_PRIVATE; i++)
		ends[i] = start_polling();
	for (i = 0; i < MAX_PRIVATE; i++) {
		stop_polling(&ends[i]);
		ends[i] = start_polling();
		assert_true(is_private(&ends[i]));
		assert_int_equal(nr_instances(), MAX_PRIVATE + 1);
	}
	stop_polling(&ends[MAX_PRIVATE]);
	next = start_polling();
	assert_false(is_private(&next));
	stop_polling(&next);
	for (i = 0; i < MAX_PRIVATE; i++)
		stop_polling(&ends[i]);
	assert_int_equal(shmring_process->memfd.nr_private, 0);
}

/* The next one has the instance, but none of what has come before. */
static void instance_is_taken_over_clean(void **state)
{
	struct polled other = start_polling(), first = start_polling(), second;
	struct shmring *handle;
	int copy = dup(first.fd);

	(void)state;
	assert_int_equal(shmring_attach_fd(&handle, shmring_fd(first.p), SHMRING_HANDLE), 0);
	shmring_close(handle);
	assert_true(is_readable(copy));
	stop_polling(&first);
	assert_false(is_readable(copy));
	assert_int_equal(nr_instances(), 2);
	second = start_polling();
	assert_int_equal(nr_instances(), 2);
	assert_int_equal(second.c->priv->memfd.look_ns, 0);	/* no process has closed its file */
	put(second.p, 8, 1);
	assert_true(is_readable(second.fd) && !is_readable(copy));
	close(copy);
	stop_polling(&second);
	stop_polling(&other);
	assert_int_equal(nr_instances(), 0);
}

/* Nor does an endpoint whose file cannot be watched keep a place, or hear of others. */
static void watch_that_fails_keeps_no_instance(void **state)
{
	struct polled other = start_polling(), first, second;

	(void)state;
	fault_in("inotify_add_watch", ENOSPC, 1);
	first = start_polling();
	assert_true(fault_happened());
	fault_at(0);
	assert_int_equal(first.c->priv->memfd.watch.fd, 0);
	assert_int_equal(shmring_process->memfd.nr_private, 1);
	second = start_polling();
	assert_int_equal(nr_instances(), 2);
	stop_polling(&first);
	stop_polling(&second);
	stop_polling(&other);
}

/* If no instance is left for this endpoint, the process may have one that it shares. */
static void poll_fd_without_an_instance_shares_one(void **state)
{
	struct polled first, second;

	(void)state;
	fault_in("inotify_init1", EMFILE, 1);
	first = start_polling();
	assert_true(fault_happened() && !is_private(&first) && has_thread());
	assert_int_equal(shmring_process->memfd.nr_private, 0);
	fault_in("inotify_init1", EMFILE, 1);
	second = start_polling();
	assert_true(fault_happened() && !is_private(&second));
	fault_at(0);
	assert_int_equal(nr_instances(), 1);
	put(second.p, 8, 1);
	assert_true(is_readable(second.fd) && !is_readable(first.fd));
	stop_polling(&first);
	stop_polling(&second);
}

/* Neither an endpoint that comes nor one that goes changes anything for the others. */
static void first_poll_fd_stays_readable(void **state)
{
	struct polled first = start_polling(), second;

	(void)state;
	put(first.p, 8, 1);
	second = start_polling();
	assert_true(gets_readable(first.fd));
	put(second.p, 8, 2);
	assert_true(is_readable(second.fd));
	take(first.c, 8, 1);
	look_for_nothing(first.c);
	assert_false(is_readable(first.fd));
	stop_polling(&first);
	put(second.p, 8, 3);
	take(second.c, 8, 2);
	take(second.c, 8, 3);
	look_for_nothing(second.c);
	assert_false(is_readable(second.fd));
	put(second.p, 8, 4);
	assert_true(is_readable(second.fd));
	stop_polling(&second);
}

/* Both ends of a ring poll: its file has one watch. */
static void ends_of_one_ring_both_poll(void **state)
{
	struct polled ends = start_polling(), other = start_polling();
	int fd = shmring_poll_fd(ends.p);

	(void)state;
	assert_int_equal(shmring_wait_space(ends.p, 8, &nowait), 0);
	put(ends.p, 8, 1);
	assert_true(is_readable(ends.fd) && is_readable(fd) && !is_readable(other.fd));
	shmring_close(ends.p);
	assert_true(is_readable(ends.fd));
	take(ends.c, 8, 1);
	usleep(10000);	/* for the thread: the producer's watch has gone */
	assert_int_equal(shmring_wait_data(ends.c, &nowait), -ENODATA);
	assert_false(is_readable(ends.fd));
	assert_int_equal(shmring_attach_fd(&ends.p, shmring_fd(ends.c), SHMRING_PRODUCER), 0);
	assert_true(is_readable(ends.fd));
	stop_polling(&ends);
	stop_polling(&other);
}

/* Nor is the second end told of what has come before it polls. */
static void second_end_begins_afresh(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	int fd = shmring_poll_fd(p);

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	assert_true(is_readable(fd));
	fd = shmring_poll_fd(c);
	look_for_nothing(c);
	usleep(10000);	/* for the thread */
	assert_false(is_readable(fd));
	put(p, 8, 1);
	assert_true(is_readable(fd));
	shmring_close(c);
	shmring_close(p);
}

/* What another process does: a message, and a death. */
static void other_processes_are_heard_of(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER);
	struct polled other = start_polling();
	int fd = shmring_poll_fd(c);
	pid_t pid;

	(void)state;
	look_for_nothing(c);
	assert_false(is_readable(fd));
	pid = fork();
	if (!pid)
		be_a_producer(c);
	assert_true(gets_readable(fd));
	end_of(pid);
	while (shmring_wait_data(c, &nowait) == -EAGAIN)
		assert_true(gets_readable(fd));
	take_last(c);
	while (shmring_wait_data(c, &nowait) == -EAGAIN)
		assert_true(gets_readable(fd));
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	assert_false(is_readable(other.fd));
	shmring_close(c);
	stop_polling(&other);
}

/* A child that polls rings of its own, before or after it has closed its parent's. */
static void be_a_child(struct polled *parents, unsigned int fds, bool first)
{
	bool shared = !is_private(&parents[0]);
	struct polled own[2];
	unsigned int inherited;

	if (first) {
		stop_polling(&parents[0]);
		stop_polling(&parents[1]);
		if (nr_fds() != fds)
			_exit(1);
	}
	if (FORKS_THREADS || !shared) {
		if (shared)
			share_instance(NULL);
		inherited = nr_instances();
		own[0] = start_polling();
		own[1] = start_polling();
		if (nr_instances() != inherited + (shared ? 1 : 2))
			_exit(4);
		if (!first) {
			stop_polling(&parents[0]);
			stop_polling(&parents[1]);
		}
		put(own[1].p, 8, 1);
		if (!is_readable(own[1].fd) || is_readable(own[0].fd))
			_exit(2);
		stop_polling(&own[0]);
		stop_polling(&own[1]);
		if (nr_fds() != fds)
			_exit(3);
	}
	_exit(0);
}

static void children_poll_for_themselves(void **state)
{
	unsigned int fds = nr_fds(), i;
	struct polled ends[2] = { start_polling(), start_polling() }, gone = start_polling();
	pid_t pid;

	(void)state;
	stop_polling(&gone);	/* its instance is idle */
	for (i = 0; i < 2; i++) {
		pid = fork();
		if (!pid)
			be_a_child(ends, fds, i);
		assert_int_equal(exit_status(pid), 0);
	}
	for (i = 0; i < 2; i++) {
		look_for_nothing(ends[i].c);
		assert_false(is_readable(ends[i].fd));
		put(ends[i].p, 8, 1);
		assert_true(is_readable(ends[i].fd));
		stop_polling(&ends[i]);
	}
	assert_int_equal(nr_fds(), fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_poll_fd_is_for_its_own_ring),
		TEST(few_poll_fds_take_no_thread),
		TEST(place_is_given_back),
		TEST(instance_is_taken_over_clean),
		TEST(watch_that_fails_keeps_no_instance),
		TEST(poll_fd_without_an_instance_shares_one),
		SHARED(first_poll_fd_stays_readable),
		TEST(ends_of_one_ring_both_poll),
		SHARED(ends_of_one_ring_both_poll),
		TEST(second_end_begins_afresh),
		SHARED(second_end_begins_afresh),
		TEST(other_processes_are_heard_of),
		SHARED(other_processes_are_heard_of),
		TEST(children_poll_for_themselves),
		SHARED(children_poll_for_themselves),
	};

	if (!has_inotify())
		return SKIP_PROGRAM;
	use_memfd();
	return cmocka_run_group_tests_name("memfd_watch", tests, NULL, NULL);
}
