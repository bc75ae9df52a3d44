// SPDX-License-Identifier: MIT
/* The memfd backend: the descriptor for event loops. */
#include "memfd_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "faults.h"

static void poll_fd_is_readable_when_it_is_time(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	int fd;

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	fd = shmring_poll_fd(c);
	assert_true(fd >= 0 && shmring_poll_fd(c) == fd);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_false(is_readable(fd));
	put(p, 8, 1);
	assert_true(is_readable(fd));
	take(c, 8, 1);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_false(is_readable(fd));
	shmring_close(p);
	assert_true(is_readable(fd));
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	shmring_close(c);
}

/* Fill a ring, and see after how many messages taken its producer's poll says that it is time. */
static uint64_t taken_until_readable(size_t lowat)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .lowat = lowat,
					     .role = SHMRING_PRODUCER };
	struct shmring *p, *c;
	uint64_t i, nr;
	int fd;

	assert_int_equal(shmring_create(&p, NULL, &opt), 0);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	fd = shmring_poll_fd(p);
	nr = p->capacity / 16;
	assert_true(is_readable(fd));
	for (i = 0; i < nr; i++)
		put(p, 8, i);
	assert_int_equal(shmring_wait_space(p, 8, &nowait), -EAGAIN);
	for (i = 0; i < nr && !is_readable(fd); i++)
		take(c, 8, i);
	assert_int_equal(shmring_wait_space(p, 8, &nowait), 0);
	shmring_close(c);
	shmring_close(p);
	return i;
}

/* Its space reaches below the start of all positions, at first. */
static void poll_fd_of_a_producer_tells_of_the_space_it_needs(void **state)
{
	(void)state;
	assert_int_equal(taken_until_readable(0), 1);
	assert_int_equal(taken_until_readable(16 * 100), 100);
}

/* However many have come: 200 here, as no two in a row are alike. */
static void poll_fd_forgets_all_that_came_before(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER);
	int fd = shmring_poll_fd(c), other, i;
	char path[32];

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", shmring_fd(c));
	for (i = 0; i < 100; i++) {
		other = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(pwrite(other, "", 1, 3 * sysconf(_SC_PAGESIZE)), 1);
		close(other);
	}
	assert_true(is_readable(fd));
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_false(is_readable(fd));
	shmring_close(c);
}

/* What went before there was a descriptor is no event of it. */
static void poll_fd_tells_of_an_earlier_death(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER);
	pid_t pid = fork();

	(void)state;
	if (!pid)
		be_a_producer(c);
	end_of(pid);
	take_last(c);
	assert_true(is_readable(shmring_poll_fd(c)));
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	shmring_close(c);
}

static void poll_fd_is_not_readable_for_less_than_lowat(void **state)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .lowat = 100,
					     .role = SHMRING_CONSUMER };
	struct shmring *p, *c;
	int fd;

	(void)state;
	assert_int_equal(shmring_create(&c, NULL, &opt), 0);
	assert_int_equal(shmring_attach_fd(&p, shmring_fd(c), SHMRING_PRODUCER), 0);
	put(p, 8, 0);
	fd = shmring_poll_fd(c);
	assert_false(is_readable(fd));
	take(c, 8, 0);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	put(p, 80, 1);	/* with its header: 88 bytes */
	assert_false(is_readable(fd));
	put(p, 8, 2);
	assert_true(is_readable(fd));
	shmring_close(c);
	shmring_close(p);
}

/* The ring ends with a rest in which no slot fits. */
static void poll_fd_is_readable_when_no_slot_fits_any_more(void **state)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .capacity = 4096,
					     .slot_size = 24, .lowat = 4096,
					     .role = SHMRING_CONSUMER };
	struct shmring *p, *c;
	uint64_t i, nr;
	int fd;

	(void)state;
	assert_int_equal(shmring_create(&c, NULL, &opt), 0);
	assert_int_equal(shmring_attach_fd(&p, shmring_fd(c), SHMRING_PRODUCER), 0);
	nr = c->capacity / 24;
	assert_true(c->capacity % 24);
	fd = shmring_poll_fd(c);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	for (i = 0; i < nr; i++) {
		assert_false(is_readable(fd));
		put(p, 24, i);
	}
	assert_true(is_readable(fd));
	shmring_close(c);
	shmring_close(p);
}

/*
 * Somebody else closes the file: it may have been the producer, so poll does not
 * sleep, for a second.
 */
static void poll_fd_is_readable_for_a_while_after_a_close(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c, *other;
	uint64_t start = shmring_deadline(0), now = start;
	int fd;

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	assert_int_equal(shmring_attach_fd(&other, shmring_fd(p), SHMRING_HANDLE), 0);
	fd = shmring_poll_fd(c);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_false(is_readable(fd));
	shmring_close(other);
	for (; is_readable(fd) && now < start + 20000000000; now = shmring_deadline(0))
		assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_in_range(now - start, 1000000000, 19000000000);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_false(is_readable(fd));
	shmring_close(c);
	shmring_close(p);
}

/* What was stepped past and is held does not make poll ready, nor the next look. */
static void poll_fd_does_not_count_what_is_held(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	size_t len;
	int fd;

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	fd = shmring_poll_fd(c);
	put(p, 8, 1);
	assert_non_null(shmring_peek(c, &len));
	assert_int_equal(shmring_advance(c), 0);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_false(is_readable(fd));
	put(p, 8, 2);
	assert_true(is_readable(fd));
	assert_int_equal(shmring_wait_data(c, &nowait), 0);
	take(c, 8, 2);
	shmring_close(c);
	shmring_close(p);
}

/* An event loop polls on after the end of the stream, and of each consumer. */
static void poll_fd_is_quiet_after_the_end(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	int fd;

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	fd = shmring_poll_fd(c);
	shmring_close(p);
	assert_true(is_readable(fd));
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	assert_false(is_readable(fd));
	assert_int_equal(shmring_attach_fd(&p, shmring_fd(c), SHMRING_PRODUCER), 0);
	assert_true(is_readable(fd));	/* a consumer has come */
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	put(p, 8, 1);
	assert_true(is_readable(fd));
	take(c, 8, 1);

	fd = shmring_poll_fd(p);
	shmring_close(c);
	assert_true(is_readable(fd));
	assert_int_equal(shmring_send(p, "message", 8, NULL), -EPIPE);
	assert_false(is_readable(fd));
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	assert_true(is_readable(fd));
	assert_int_equal(shmring_send(p, "message", 8, NULL), 8);
	shmring_close(c);
	shmring_close(p);
}

/* Poll still becomes ready for what is committed after all the others have gone. */
static void poll_fd_tells_of_a_short_visit(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	int fd;

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	fd = shmring_poll_fd(c);
	shmring_close(p);
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	assert_int_equal(shmring_attach_fd(&p, shmring_fd(c), SHMRING_PRODUCER), 0);
	put(p, 8, 1);
	shmring_close(p);
	assert_true(is_readable(fd));
	take(c, 8, 1);
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	assert_false(is_readable(fd));
	shmring_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(poll_fd_is_readable_when_it_is_time),
		TEST(poll_fd_of_a_producer_tells_of_the_space_it_needs),
		TEST(poll_fd_forgets_all_that_came_before),
		TEST(poll_fd_tells_of_an_earlier_death),
		TEST(poll_fd_is_not_readable_for_less_than_lowat),
		TEST(poll_fd_is_readable_when_no_slot_fits_any_more),
		TEST(poll_fd_is_readable_for_a_while_after_a_close),
		TEST(poll_fd_does_not_count_what_is_held),
		TEST(poll_fd_is_quiet_after_the_end),
		TEST(poll_fd_tells_of_a_short_visit),
	};

	use_memfd();
	return cmocka_run_group_tests_name("memfd_poll", tests, NULL, NULL);
}
