// SPDX-License-Identifier: MIT
/* The memfd backend: locks of its files that another process holds and does not release. */
#include "memfd_rig.h"

#include <unistd.h>

#include "faults.h"

/* Each call, with each of the bytes locked, returns its result within a second or two. */
static void lock_of_another_keeps_nobody_for_long(void **state)
{
	static const struct {
		int (*call)(struct shmring **r);
		int want[3];
	} cases[] = {
		{ create_named, { -EEXIST, -EEXIST, -EEXIST } },
		{ attach_by_name, { -ETIMEDOUT, -ETIMEDOUT, 0 } },
	};
	const uint64_t second = 1000000000;
	struct shmring *r;
	uint64_t start;
	unsigned int i;
	off_t byte;
	int fd, ret;

	(void)state;
	shmring_close(persistent_ring());
	alarm(60);	/* without the fix this never returned */
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (byte = 0; byte < (off_t)ARRAY_SIZE(cases[i].want); byte++) {
			fd = lock_byte(byte);
			start = shmring_deadline(0);
			ret = cases[i].call(&r);
			if (ret != cases[i].want[byte])
				fail_msg("call %u, byte %d: %d", i, (int)byte, ret);
			assert_true(shmring_deadline(0) - start < 20 * second);
			if (!ret)
				shmring_close(r);
			close(fd);
		}
	}
	fd = lock_byte(NAME_BYTE);
	assert_int_equal(shmring_unlink(name()), -ETIMEDOUT);
	close(fd);
	assert_int_equal(shmring_unlink(name()), 0);
	alarm(0);
}

/*
 * A debugger or valgrind runs one thread at a time: a lock call that blocks would keep it from
 * running the thread that has the lock.
 */
static void no_lock_is_waited_for_in_the_kernel(void **state)
{
	unsigned int before = nr_blocking_locks();
	struct shmring *p, *c;

	(void)state;
	assert_int_equal(create_named(&p), 0);
	assert_int_equal(attach_by_name(&c), 0);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_int_equal(create_named(&p), -EEXIST);
	shmring_close(c);
	assert_int_equal(shmring_unlink(name()), 0);
	shmring_close(p);
	assert_int_equal(nr_blocking_locks(), before);
}

/* The time that a close takes, if the other side notices it only by the lock. */
static uint64_t time_of_close(void)
{
	struct shmring *p = new_ring(name(), SHMRING_PRODUCER), *c;
	const struct shmring_wait wait = soon();
	int fd, name_fd;
	uint64_t took;

	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	fd = lock_byte(CHANGE_BYTE);
	name_fd = lock_byte(NAME_BYTE);
	took = shmring_deadline(0);
	shmring_close(p);
	took = shmring_deadline(0) - took;
	close(fd);
	assert_int_equal(shmring_wait_data(c, &wait), -ENODATA);
	shmring_close(c);
	close(name_fd);
	shmring_unlink(name());
	return took;
}

static void close_does_not_wait_for_a_lock(void **state)
{
	int tries;

	(void)state;
	alarm(60);
	for (tries = 0; tries < 20; tries++)	/* other processes may want the CPU */
		if (time_of_close() < 100000000)
			break;
	assert_true(tries < 20);
	alarm(0);
}

/* The peer must see the close, although a child has all that the owner had, and the owner lives. */
static void close_ends_a_role_without_the_lock(void **state)
{
	struct shmring *p = new_ring(name(), SHMRING_PRODUCER), *c;
	const struct shmring_wait wait = soon();
	int fd, ret;
	pid_t pid;

	(void)state;
	assert_int_equal(attach_by_name(&c), 0);
	pid = child_that_stays();
	fd = lock_byte(CHANGE_BYTE);
	shmring_close(p);
	close(fd);
	ret = shmring_wait_data(c, &wait);
	end_of_child(pid);
	assert_int_equal(ret, -ENODATA);
	assert_int_equal(shmring_attach_fd(&p, shmring_fd(c), SHMRING_PRODUCER), 0);
	shmring_close(p);
	shmring_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lock_of_another_keeps_nobody_for_long),
		TEST(no_lock_is_waited_for_in_the_kernel),
		TEST(close_does_not_wait_for_a_lock),
		TEST(close_ends_a_role_without_the_lock),
	};

	use_memfd();
	return cmocka_run_group_tests_name("memfd_lock", tests, NULL, NULL);
}
