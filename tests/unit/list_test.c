// SPDX-License-Identifier: MIT
/*
 * shmring_list() of the module's rings: here the test writes /proc/shmring. And what becomes of
 * an error, of that file or of /dev/shm.
 */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

/* What stands in for /proc/shmring, and the errors of opening it and /dev/shm (0: none). */
static struct {
	const char *table;	/* NULL: reading it fails */
	int error, folder_error;
} fake;

static ssize_t fail_to_read(void *cookie, char *buf, size_t size)
{
	(void)cookie;
	(void)buf;
	(void)size;
	errno = EIO;
	return -1;
}

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
	const cookie_io_functions_t unreadable = { .read = fail_to_read };

	if (strcmp(path, "/proc/shmring"))
		return __real_fopen(path, mode);
	errno = fake.error;
	if (fake.error)
		return NULL;
	return fake.table ? fmemopen((void *)fake.table, strlen(fake.table), "r") :
			    fopencookie(NULL, "r", unreadable);
}

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path)
{
	if (strcmp(path, "/dev/shm") || !fake.folder_error)
		return __real_opendir(path);
	errno = fake.folder_error;
	return NULL;
}

static struct {
	int nr;
	struct shmring_info info[2];
} seen;

static int see(const struct shmring_info *info, void *arg)
{
	(void)arg;
	if (info->backend != SHMRING_KMOD)	/* somebody's, in /dev/shm */
		return 0;
	if (seen.nr < (int)ARRAY_SIZE(seen.info))
		seen.info[seen.nr] = *info;
	seen.nr++;
	return 0;
}

static int list(enum shmring_backend_id backend)
{
	const struct shmring_options opt = { .backend = backend };

	memset(&seen, 0, sizeof(seen));
	return shmring_list(&opt, see, NULL);
}

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	unsetenv("SHMRING_BACKEND");
	return 0;
}

/* --------------------------------------------------------------------- the table */

#define HEADING	"name owner mode capacity used producers consumers sleeps wakes refused id " \
		"prod-pid cons-pid ipc-ns group flags lanes\n"

/* In a ring with lanes several processes have a role: it is taken. */
static void many_producers_are_live(void **state)
{
	(void)state;
	fake.table = HEADING
		"one 1000 0640 65536 4096 2 1 5 6 7 8 9 10 4026531839 1001 0x3 4\n";
	assert_int_equal(list(SHMRING_KMOD), 0);
	assert_int_equal(seen.info->nr_lanes, 4);
	assert_int_equal(seen.info->producers, 2);
	assert_int_equal(seen.info->consumers, 1);
	assert_int_equal(seen.info->producer_state, SHMRING_PEER_LIVE);
	assert_int_equal(seen.info->consumer_state, SHMRING_PEER_LIVE);
}

/* Each cell differs from all others. */
static void each_cell_goes_where_its_title_says(void **state)
{
	const struct shmring_info *info = seen.info;

	(void)state;
	fake.table = HEADING
		"one 1000 0640 65536 4096 1 0 5 6 7 8 9 10 4026531839 1001 0x3 12\n"
		"- 2 0 4096 0 0 1 0 0 0 11 0 12 - 0 0 1\n";
	assert_int_equal(list(SHMRING_KMOD), 0);
	assert_int_equal(seen.nr, 2);
	assert_string_equal(info->name, "one");
	assert_int_equal(info->owner, 1000);
	assert_int_equal(info->mode, 0640);
	assert_int_equal(info->capacity, 65536);
	assert_int_equal(info->used, 4096);
	assert_int_equal(info->producer_state, SHMRING_PEER_LIVE);
	assert_int_equal(info->consumer_state, SHMRING_PEER_NONE);
	assert_int_equal(info->sleeps, 5);
	assert_int_equal(info->wakes, 6);
	assert_int_equal(info->refused, 7);
	assert_int_equal(info->id, 8);
	assert_int_equal(info->producer_pid, 9);
	assert_int_equal(info->consumer_pid, 10);
	assert_int_equal(info->ipc_ns, 4026531839);
	assert_int_equal(info->group, 1001);
	assert_int_equal(info->flags, 3);
	assert_int_equal(info->nr_lanes, 12);
	info++;
	assert_string_equal(info->name, "");
	assert_int_equal(info->producer_state, SHMRING_PEER_NONE);
	assert_int_equal(info->consumer_state, SHMRING_PEER_LIVE);
	assert_int_equal(info->ipc_ns, 0);
}

/* A later version of the module may write such a table. */
static void columns_may_be_new_and_in_another_order(void **state)
{
	(void)state;
	fake.table = "id colour name\n" "3 red two\n";
	assert_int_equal(list(SHMRING_KMOD), 0);
	assert_int_equal(seen.nr, 1);
	assert_int_equal(seen.info[0].id, 3);
	assert_string_equal(seen.info[0].name, "two");
	assert_int_equal(seen.info[0].capacity, 0);
	assert_int_equal(seen.info[0].nr_lanes, 1);
	/* Cells without a title are nobody's. */
	fake.table = "name\n" "three 4 5 6\n";
	assert_int_equal(list(SHMRING_KMOD), 0);
	assert_string_equal(seen.info[0].name, "three");
}

/* -------------------------------------------------------------------- the errors */

static void table_that_cannot_be_read_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(list(SHMRING_KMOD), -EIO);
	assert_int_equal(list(SHMRING_AUTO), -EIO);
	fake.error = EACCES;
	assert_int_equal(list(SHMRING_AUTO), -EACCES);
}

/* Only where the module alone is asked for is there an error. */
static void without_the_module_there_is_memfd(void **state)
{
	(void)state;
	fake.error = ENOENT;
	assert_int_equal(list(SHMRING_KMOD), -ENODEV);
	assert_int_equal(list(SHMRING_AUTO), 0);
	assert_int_equal(seen.nr, 0);
}

static void without_a_folder_there_is_no_memfd_ring(void **state)
{
	(void)state;
	fake.table = HEADING;
	fake.folder_error = ENOENT;
	assert_int_equal(list(SHMRING_AUTO), 0);
	assert_int_equal(list(SHMRING_MEMFD), 0);
	fake.folder_error = EACCES;
	assert_int_equal(list(SHMRING_KMOD), 0);
	assert_int_equal(list(SHMRING_AUTO), -EACCES);
	assert_int_equal(list(SHMRING_MEMFD), -EACCES);
}

#define TEST(name)	cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_cell_goes_where_its_title_says),
		TEST(many_producers_are_live),
		TEST(columns_may_be_new_and_in_another_order),
		TEST(table_that_cannot_be_read_is_an_error),
		TEST(without_the_module_there_is_memfd),
		TEST(without_a_folder_there_is_no_memfd_ring),
	};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
