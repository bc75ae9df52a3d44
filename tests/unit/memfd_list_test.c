// SPDX-License-Identifier: MIT
/* shmring_list(), where other users have put files of their own among the rings' files. */
#include "memfd_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <shmring/hub.h>

#include "faults.h"

/* The rings with this test's names that shmring_list() has shown. */
static struct {
	int nr, ends_with;
	struct shmring_info info;
} seen;

static int see(const struct shmring_info *info, void *arg)
{
	if (strncmp(info->name, name(), strlen(name())))
		return 0;
	assert_ptr_equal(arg, &seen);
	seen.nr++;
	seen.info = *info;
	return seen.ends_with;
}

static int list(enum shmring_backend_id backend)
{
	const struct shmring_options opt = { .backend = backend };

	memset(&seen.info, 0, sizeof(seen.info));
	seen.nr = 0;
	return shmring_list(&opt, see, &seen);
}

static void list_has_what_there_is(void **state)
{
	struct shmring *r = new_ring(name(), SHMRING_PRODUCER);

	(void)state;
	put(r, 8, 1);
	assert_int_equal(list(SHMRING_AUTO), 0);
	assert_int_equal(seen.nr, 1);
	assert_string_equal(seen.info.name, name());
	assert_int_equal(seen.info.backend, SHMRING_MEMFD);
	assert_int_equal(seen.info.used, 16);
	assert_int_equal(seen.info.mode, 0600);
	assert_int_equal(seen.info.owner, geteuid());
	assert_int_equal(seen.info.group, getegid());
	assert_int_equal(seen.info.flags, 0);
	assert_int_equal(seen.info.nr_lanes, 1);
	assert_int_equal(seen.info.producers, 1);
	assert_int_equal(seen.info.consumers, 0);
	assert_int_equal(seen.info.producer_state, SHMRING_PEER_LIVE);
	assert_int_equal(seen.info.consumer_state, SHMRING_PEER_NONE);
	assert_int_equal(seen.info.producer_pid, getpid());
	shmring_close(r);
	assert_int_equal(list(SHMRING_AUTO), 0);
	assert_int_equal(seen.nr, 0);
}

/* As the module shows it: the roles that are taken, and the bytes, of all lanes. */
static void list_adds_lanes_up(void **state)
{
	const struct shmring_hub_options opt = { .lanes = 4, .backend = SHMRING_MEMFD };
	struct shmring *p[3];
	struct shmring_hub *h;
	int i;

	(void)state;
	assert_int_equal(shmring_hub_create(&h, name(), &opt), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(shmring_attach(&p[i], name(), SHMRING_PRODUCER), 0);
		put(p[i], 8, 1);
	}
	shmring_close(p[0]);
	assert_int_equal(list(SHMRING_AUTO), 0);
	assert_int_equal(seen.info.topology, SHMRING_TOPOLOGY_FAN_IN);
	assert_int_equal(seen.info.nr_lanes, 4);
	assert_int_equal(seen.info.used, 3 * 16);
	assert_int_equal(seen.info.producers, 2);
	assert_int_equal(seen.info.consumers, 4);
	assert_int_equal(seen.info.producer_state, SHMRING_PEER_LIVE);
	assert_int_equal(seen.info.producer_pid, 0);
	assert_int_equal(seen.info.consumer_pid, getpid());
	shmring_close(p[1]);
	shmring_close(p[2]);
	shmring_hub_close(h);
}

static void list_ends_when_told(void **state)
{
	struct shmring *r = new_ring(name(), SHMRING_HANDLE);

	(void)state;
	seen.ends_with = 7;
	assert_int_equal(list(SHMRING_MEMFD), 7);
	seen.ends_with = 0;
	shmring_close(r);
}

static void list_of_nothing_is_refused(void **state)
{
	(void)state;
	assert_int_equal(list((enum shmring_backend_id)3), -EINVAL);
	setenv("SHMRING_BACKEND", "pigeons", 1);
	assert_int_equal(list(SHMRING_AUTO), -EINVAL);
	use_memfd();
	if (access("/proc/shmring", F_OK))
		assert_int_equal(list(SHMRING_KMOD), -ENODEV);
}

/* ------------------------------------------------------------- what is no ring */

static char path[128];

static void make_file(const void *bytes, size_t len)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void make_empty(void)
{
	make_file("", 0);
}

/* Begins as a ring does, but is too short to be one. */
static void make_damaged(void)
{
	const struct shmring_status status = { .magic = SHMRING_MAGIC, .abi = SHMRING_ABI,
					       .capacity = 4096, .nr_lanes = 1, .align = 8 };

	make_file(&status, sizeof(status));
	/* Persistent: a file that is not would be removed as the debris of killed holders. */
	assert_int_equal(chmod(path, 01600), 0);
}

static void make_folder(void)
{
	assert_int_equal(mkdir(path, 0700), 0);
}

static void make_fifo(void)
{
	assert_int_equal(mkfifo(path, 0600), 0);
}

static void make_link(void)
{
	assert_int_equal(symlink("/dev/zero", path), 0);
}

static void list_passes_over_what_is_no_ring(void **state)
{
	static void (*const make[])(void) = {
		make_empty, make_damaged, make_folder, make_fifo, make_link,
	};
	static const char *const suffixes[] = { "", "-with space", "-\x1b[2J" };
	size_t i, j;

	(void)state;
	for (j = 0; j < ARRAY_SIZE(suffixes); j++) {
		snprintf(path, sizeof(path), "/dev/shm/shmring.%s%s", name(), suffixes[j]);
		for (i = 0; i < ARRAY_SIZE(make); i++) {
			make[i]();
			assert_int_equal(list(SHMRING_AUTO), 0);
			assert_int_equal(seen.nr, 0);
			assert_int_equal(remove(path), 0);
		}
	}
}

/* A name that no ring can have, on a ring that is one. */
static void list_passes_over_bad_names(void **state)
{
	struct shmring *r = new_ring(name(), SHMRING_HANDLE);
	char from[64];

	(void)state;
	snprintf(from, sizeof(from), "/dev/shm/shmring.%s", name());
	snprintf(path, sizeof(path), "%s\n", from);
	assert_int_equal(link(from, path), 0);
	assert_int_equal(list(SHMRING_AUTO), 0);
	assert_int_equal(seen.nr, 1);
	assert_string_equal(seen.info.name, name());
	assert_int_equal(unlink(path), 0);
	shmring_close(r);
}

static unsigned int naps;

static void count_nap(void)
{
	naps++;
}

/*
 * Any user may create files and lock them: waiting a second for each would make the list very
 * slow.
 */
static void list_waits_for_no_lock(void **state)
{
	struct shmring *r = new_ring(name(), SHMRING_PRODUCER);
	int byte, fd;

	(void)state;
	for (byte = CHANGE_BYTE; byte <= NAME_BYTE; byte++) {
		fd = lock_byte(byte);
		assert_int_equal(list(SHMRING_AUTO), 0);
		assert_int_equal(seen.nr, 1);
		close(fd);
	}
	shmring_close(r);

	naps = 0;
	snprintf(path, sizeof(path), "/dev/shm/shmring.%s", name());
	for (byte = HOLDERS_BYTE; byte <= NAME_BYTE; byte++) {
		make_damaged();
		assert_int_equal(chmod(path, 0600), 0);
		fd = lock_byte(byte);
		before_next_nap(count_nap);
		assert_int_equal(list(SHMRING_AUTO), 0);
		before_next_nap(NULL);
		unlink(path);
		close(fd);
	}
	assert_int_equal(naps, 0);
}

/* A close of a file that was open for writing would end its poll, and have it look six times. */
static void list_wakes_no_poller(void **state)
{
	struct shmring *c = new_ring(name(), SHMRING_CONSUMER);
	int fd = shmring_poll_fd(c);

	(void)state;
	assert_true(c->priv->memfd.watch.fd > 0);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_int_equal(list(SHMRING_AUTO), 0);
	assert_int_equal(seen.nr, 1);
	assert_false(is_readable(fd));
	assert_true(shmring_memfd_has(name()));
	assert_false(is_readable(fd));
	shmring_close(c);
}

/* The file that killed processes have left is removed, as by any other look at it. */
static void list_removes_debris(void **state)
{
	struct shmring *r;
	pid_t pid;

	(void)state;
	name();		/* the child has the parent's */
	pid = fork();
	if (!pid)
		_exit(!!create_named(&r));
	end_of(pid);
	assert_true(is_named());
	assert_int_equal(list(SHMRING_AUTO), 0);
	assert_int_equal(seen.nr, 0);
	assert_false(is_named());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(list_has_what_there_is),
		TEST(list_adds_lanes_up),
		TEST(list_ends_when_told),
		TEST(list_of_nothing_is_refused),
		TEST(list_passes_over_what_is_no_ring),
		TEST(list_passes_over_bad_names),
		TEST(list_waits_for_no_lock),
		WATCHING(list_wakes_no_poller),
		TEST(list_removes_debris),
	};

	use_memfd();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
