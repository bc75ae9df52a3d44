// SPDX-License-Identifier: MIT
/* The memfd backend: the descriptor for event loops. */
#include "memfd_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "faults.h"

static void poll_fd_is_readable_when_it_is_time(void **state)
{
	struct shmring *c, *p = new_pair(&c);
	int fd;

	(void)state;
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

/*
 * How many messages must be taken from a full ring before its producer's poll descriptor is
 * readable.
 */
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

/* At first the space of the ring reaches back to before position 0. */
static void poll_fd_of_a_producer_is_for_the_space_it_needs(void **state)
{
	(void)state;
	assert_int_equal(taken_until_readable(0), 1);
	assert_int_equal(taken_until_readable(16 * 100), 100);
}

/* If the bytes are there already, the other side need not wake it. */
static void poll_fd_that_is_ready_asks_for_no_wakeup(void **state)
{
	struct shmring *c, *p = new_pair(&c);
	uint64_t wakes;

	(void)state;
	put(p, 8, 1);
	assert_true(is_readable(shmring_poll_fd(c)));
	wakes = p->priv->wakes;
	put(p, 8, 2);
	assert_int_equal(p->priv->wakes, wakes);
	shmring_close(c);
	shmring_close(p);
}

/* However many events have come: 200 here, as inotify merges equal ones in a row. */
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

/* A death before the descriptor was made causes no event on it. */
static void poll_fd_shows_an_earlier_death(void **state)
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

/* The ring ends with a rest that is smaller than a slot. */
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

/* Two roles of this process, a handle that stays, and the consumer's descriptor, not ready. */
static struct shmring *producer, *consumer, *handle;

static int start_polling(void)
{
	int fd;

	producer = new_pair(&consumer);
	assert_int_equal(shmring_attach_fd(&handle, shmring_fd(producer), SHMRING_HANDLE), 0);
	fd = shmring_poll_fd(consumer);
	assert_int_equal(shmring_wait_data(consumer, &nowait), -EAGAIN);
	assert_false(is_readable(fd));
	return fd;
}

static bool gets_readable_within(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static unsigned int naps;

static void count_nap(void)
{
	naps++;
}

/*
 * Another process closes the file: it may have been the producer, so poll ends six more times,
 * at growing intervals. Before, it ended again and again for a second, with naps of 0.2 ms.
 */
static void poll_fd_ends_again_after_a_close(void **state)
{
	uint64_t start = shmring_deadline(0);
	unsigned int turns = 0;
	int fd = start_polling();

	(void)state;
	shmring_close(handle);
	naps = 0;
	before_next_nap(count_nap);
	for (; turns < 100 && gets_readable_within(fd, 2000); turns++)
		assert_int_equal(shmring_wait_data(consumer, &nowait), -EAGAIN);
	before_next_nap(NULL);
	assert_int_equal(turns, 1 + 6);
	assert_int_equal(naps, 0);
	assert_true(shmring_deadline(0) - start > 780000000);
	shmring_close(consumer);
	shmring_close(producer);
}

/* The looks end when there is nothing left to look for. */
static void poll_fd_is_quiet_once_the_peer_has_gone(void **state)
{
	int fd = start_polling();

	(void)state;
	shmring_close(handle);
	assert_true(is_readable(fd));
	assert_int_equal(shmring_wait_data(consumer, &nowait), -EAGAIN);
	shmring_close(producer);
	assert_int_equal(shmring_wait_data(consumer, &nowait), -ENODATA);
	assert_false(gets_readable_within(fd, 1000));
	shmring_close(consumer);
}

/* Another process holds the lock for changes, and releases it without closing the file. */
static void poll_fd_shows_a_death_that_a_lock_hides(void **state)
{
	struct flock unlock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	struct shmring *c = new_ring(name(), SHMRING_CONSUMER);
	int fd, lock = open_named(), turns;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		be_a_producer(c);
	end_of(pid);
	assert_int_equal(lock_byte_of(lock, CHANGE_BYTE), 0);
	take_last(c);
	fd = shmring_poll_fd(c);
	for (turns = 0; turns < 9; turns++) {
		assert_true(gets_readable_within(fd, 20000));
		assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	}
	fcntl(lock, F_OFD_SETLK, &unlock);
	assert_true(gets_readable_within(fd, 20000));
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	close(lock);
	shmring_close(c);
}

/*
 * Messages that were stepped past and are still held do not make poll ready, nor does a later
 * look.
 */
static void poll_fd_does_not_count_what_is_held(void **state)
{
	struct shmring *c, *p = new_pair(&c);
	size_t len;
	int fd;

	(void)state;
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

/* An event loop goes on polling after the end of the stream, and of each consumer. */
static void poll_fd_is_quiet_after_the_end(void **state)
{
	struct shmring *c, *p = new_pair(&c);
	int fd;

	(void)state;
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

/* A message committed after all others have gone still makes poll ready. */
static void poll_fd_shows_what_a_short_visit_left(void **state)
{
	struct shmring *c, *p = new_pair(&c);
	int fd;

	(void)state;
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
		TEST(poll_fd_of_a_producer_is_for_the_space_it_needs),
		TEST(poll_fd_that_is_ready_asks_for_no_wakeup),
		TEST(poll_fd_forgets_all_that_came_before),
		TEST(poll_fd_shows_an_earlier_death),
		TEST(poll_fd_is_not_readable_for_less_than_lowat),
		TEST(poll_fd_is_readable_when_no_slot_fits_any_more),
		TEST(poll_fd_ends_again_after_a_close),
		TEST(poll_fd_is_quiet_once_the_peer_has_gone),
		TEST(poll_fd_shows_a_death_that_a_lock_hides),
		TEST(poll_fd_does_not_count_what_is_held),
		TEST(poll_fd_is_quiet_after_the_end),
		TEST(poll_fd_shows_what_a_short_visit_left),
	};

	if (!has_inotify())
		return SKIP_PROGRAM;
	use_memfd();
	return cmocka_run_group_tests_name("memfd_poll", tests, NULL, NULL);
}
