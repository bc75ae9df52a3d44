// SPDX-License-Identifier: MIT
/*
 * The memfd backend when the system refuses: each system call that can fail, the clean-up
 * after it, and files that are no rings.
 */
#include "memfd_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"

static int create_to_persist(struct shmring **r)
{
	int ret = create(r, name(), SHMRING_PERSIST);

	/* This call may be the one that fails. */
	if (!ret && shmring_unlink(name()))
		shmring_unlink(name());
	return ret;
}

static int get_a_poll_fd(struct shmring **r)
{
	int ret = shmring_attach_fd(r, shmring_fd(ring), SHMRING_CONSUMER);

	if (ret)
		return ret;
	ret = shmring_poll_fd(*r);
	if (ret < 0) {
		shmring_close(*r);
		*r = NULL;
	}
	return ret < 0 ? ret : 0;
}

static int get_info(struct shmring **r)
{
	struct shmring_info info = { .capacity = 1 };
	int ret = shmring_get_info(ring, &info);

	*r = NULL;
	assert_int_equal(info.capacity, ret ? 1 : 65536);
	return ret;
}

/* A call that succeeds all the same must have had its full effect. */
static void assert_keeps_its_role(struct shmring *r)
{
	struct shmring *other;

	assert_int_equal(shmring_attach_fd(&other, shmring_fd(r), r->role), -EBUSY);
}

/* Let each of the function's system calls fail in turn, until none is left that could. */
static void fail_everywhere(int (*fn)(struct shmring **r), unsigned int at_least)
{
	unsigned int n, fds = nr_fds(), mappings = nr_mappings(), failed = 0;
	bool named = is_named(), happened;
	struct shmring *r;
	int ret;

	for (n = 1, happened = true; happened; n++) {
		r = NULL;
		fault_at(n);
		ret = fn(&r);
		happened = fault_happened();
		fault_at(0);
		assert_true(happened || !ret);
		assert_true(ret <= 0 && (!ret || !r));
		failed += ret < 0;
		if (r)
			assert_keeps_its_role(r);
		shmring_close(r);
		assert_int_equal(nr_fds(), fds);
		assert_int_equal(nr_mappings(), mappings);
		assert_int_equal(is_named(), named);
	}
	assert_true(failed >= at_least);
}

static void create_that_fails_leaves_nothing(void **state)
{
	(void)state;
	fail_everywhere(create_anonymous, 10);
	fail_everywhere(create_named, 10);
	fail_everywhere(create_to_persist, 12);
}

/* The first ring of a process needs a page more, which stays. */
static void first_ring_that_fails_leaves_nothing(void **state)
{
	struct shmring *r;

	(void)state;
	shmring_process = NULL;
	fail_everywhere(create_anonymous, 12);
	shmring_process = NULL;
	fault_in("madvise", EINVAL, 1);	/* Linux before 4.14 */
	assert_int_equal(create_anonymous(&r), -EOPNOTSUPP);
	assert_true(fault_happened());
	fault_at(0);
	assert_null(shmring_process);
}

static void attach_that_fails_leaves_nothing(void **state)
{
	(void)state;
	ring = new_ring(name(), SHMRING_HANDLE);
	fail_everywhere(attach_by_fd, 10);
	fail_everywhere(attach_by_name, 10);
	shmring_close(ring);
	assert_false(is_named());
}

static void query_that_fails_leaves_nothing(void **state)
{
	(void)state;
	ring = new_ring(NULL, SHMRING_PRODUCER);
	fail_everywhere(get_a_poll_fd, 10);
	assert_int_equal(shmring_process->memfd.nr_private, 0);
	fail_everywhere(get_info, 4);
	share_instance(NULL);
	fail_everywhere(get_a_poll_fd, 10);
	/* Where the thread is there already. */
	assert_true(shmring_poll_fd(ring) >= 0);
	fail_everywhere(get_a_poll_fd, 10);
	shmring_close(ring);
}

/* The machine's memory is full, which is no limit of a module. */
static void create_without_space_has_no_memory(void **state)
{
	unsigned int fds = nr_fds();
	struct shmring *r;

	(void)state;
	refuse_space(true);
	assert_int_equal(create_anonymous(&r), -ENOMEM);
	assert_int_equal(create_named(&r), -ENOMEM);
	assert_false(is_named());
	assert_int_equal(nr_fds(), fds);
}

/* A signal handler of the program may run during the call. */
static void interrupted_call_is_tried_again(void **state)
{
	struct shmring *p, *c;

	(void)state;
	interrupt_calls(true);
	assert_int_equal(create_named(&p), 0);
	assert_int_equal(attach_by_name(&c), 0);
	assert_keeps_its_role(p);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	put(p, 8, 1);
	take(c, 8, 1);
	shmring_close(p);
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	shmring_close(c);
	assert_false(is_named());
}

/* However large the ring, and however often handlers run. */
static void signals_do_not_undo_a_large_ring(void **state)
{
	const struct shmring_options opt = { .capacity = 32 << 20, .backend = SHMRING_MEMFD };
	struct shmring *r;
	struct stat st;

	(void)state;
	interrupt_calls(true);
	assert_int_equal(shmring_create(&r, NULL, &opt), 0);
	assert_int_equal(fstat(shmring_fd(r), &st), 0);
	assert_in_range(st.st_size, 32 << 20, 33 << 20);
	assert_int_equal(st.st_blocks * 512, st.st_size);
	shmring_close(r);
}

/*
 * The file can neither shrink below the other processes' mappings, which would give them a
 * SIGBUS, nor get further seals.
 */
static void anonymous_ring_is_sealed(void **state)
{
	struct shmring *r = new_ring(NULL, SHMRING_PRODUCER);
	const int fd = shmring_fd(r);
	struct stat before, after;

	(void)state;
	assert_int_equal(fstat(fd, &before), 0);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, before.st_size + 4096), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
	assert_int_equal(fstat(fd, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	shmring_close(r);
}

static int file_of(const struct shmring_status *status, off_t size)
{
	int fd = memfd_create("unit", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0 && !ftruncate(fd, size));
	assert_int_equal(pwrite(fd, status, sizeof(*status), 0), sizeof(*status));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	return fd;
}

/* A sum of the words in front of the data, where roles are taken. */
static uint64_t sum_of(int fd)
{
	uint64_t words[3 * 4096 / sizeof(uint64_t)] = { 0 }, sum = 0;
	size_t i;

	assert_true(pread(fd, words, sizeof(words), 0) > 0);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		sum = (sum + words[i]) * 0x9e3779b97f4a7c15u;
	return sum;
}

/* A file that is refused must not have been written to. */
static void try_file(const struct shmring_status *status, off_t size, int want, unsigned int nr)
{
	/* A handle maps nothing: only the file itself can say what it is. */
	static const enum shmring_role roles[] = { SHMRING_HANDLE, SHMRING_CONSUMER };
	int fd = file_of(status, size), ret;
	uint64_t sum = sum_of(fd);
	struct shmring *r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(roles); i++) {
		r = NULL;
		ret = shmring_attach_fd(&r, fd, roles[i]);
		if (ret != want)
			fail_msg("case %u, role %d: %d, not %d", nr, (int)roles[i], ret, want);
		if (ret && sum_of(fd) != sum)
			fail_msg("case %u: refused, and written to", nr);
		shmring_close(r);
	}
	close(fd);
}

static void attach_to_what_is_no_ring_is_refused(void **state)
{
	const off_t page = (off_t)sysconf(_SC_PAGESIZE);
	const struct shmring_status good = { .magic = SHMRING_MAGIC, .abi = SHMRING_ABI,
					     .capacity = (__u64)page, .nr_lanes = 1,
					     .align = 8 };
	struct {
		struct shmring_status status;
		off_t size;
		int want;
	} cases[] = {
		{ good, 4 * page, 0 },
		{ good, 4 * page - 1, -EINVAL },
		{ good, 3 * page, -EINVAL },
		{ good, page, -EINVAL },
		{ good, 6 * page, -EPROTO },
		{ good, 5 * page, -EPROTO },
		{ good, 4 * page, -EINVAL },
		{ good, 4 * page, -EPROTO },
		{ good, 4 * page, -EPROTO },
		{ good, 4 * page, -EPROTO },
		{ good, 4 * page, -EPROTO },
		{ good, 3 * page + (2ll << 30), -EPROTO },
	};
	unsigned int fds = nr_fds(), mappings = nr_mappings(), i;

	(void)state;
	cases[4].status.capacity = 3 * (__u64)page;
	cases[6].status.magic = 0;
	cases[7].status.slot_size = (__u32)page + 1;
	cases[8].status.features = 1;
	cases[9].status.abi = SHMRING_ABI + 1;
	cases[10].status.nr_lanes = 2;
	cases[11].status.capacity = 2ull << 30;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		try_file(&cases[i].status, cases[i].size, cases[i].want, i);
	assert_int_equal(nr_fds(), fds);
	assert_int_equal(nr_mappings(), mappings);
}

static void attach_to_sizes_of_no_ring_is_refused(void **state)
{
	const __u64 page = (__u64)sysconf(_SC_PAGESIZE);
	const struct {
		__u32 slot_size, align;
		__u64 slots;
		int want;
	} geometries[] = {
		/* Alignments: of records, and of slots. */
		{ 0, 0, 0, -EPROTO }, { 0, 3, 0, -EPROTO }, { 0, 4, 0, -EPROTO },
		{ 0, 24, 0, -EPROTO }, { 0, 8192, 0, -EPROTO }, { 0, 1u << 31, 0, -EPROTO },
		{ 0, 64, 0, 0 }, { 4, 4, 1, 0 }, { 4, 0, 1, -EPROTO }, { 4, 3, 1, -EPROTO },
		{ 4, 8192, 1, -EPROTO },
		/* Numbers of slots. */
		{ 0, 8, 1, -EPROTO }, { 8, 8, 0, -EPROTO }, { 8, 8, page / 8, 0 },
		{ 8, 8, page / 8 + 1, -EPROTO }, { 4, 4, 1ull << 62, -EPROTO },
		{ ~0u, 8, 1, -EPROTO },
	};
	struct shmring_status status = { .magic = SHMRING_MAGIC, .abi = SHMRING_ABI,
					 .capacity = page, .nr_lanes = 1 };
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(geometries); i++) {
		status.slot_size = geometries[i].slot_size;
		status.align = geometries[i].align;
		status.slots = geometries[i].slots;
		try_file(&status, 4 * (off_t)page, geometries[i].want, i);
	}
}

/*
 * A file of another kind that another user has put there is not followed, not waited for, not
 * replaced.
 */
static void name_of_another_kind_of_file_is_left_alone(void **state)
{
	char path[SHMRING_NAME_MAX + 32];
	unsigned int fds = nr_fds();
	struct shmring *r;
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm/shmring.%s", name());
	assert_int_equal(symlink("/dev/shm/shmring.unit-elsewhere", path), 0);
	assert_int_equal(create_named(&r), -EEXIST);
	assert_int_equal(attach_by_name(&r), -EPROTO);
	assert_true(!lstat(path, &st) && S_ISLNK(st.st_mode));
	assert_int_equal(access("/dev/shm/shmring.unit-elsewhere", F_OK), -1);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(create_named(&r), -EEXIST);
	assert_int_equal(attach_by_name(&r), -EPROTO);
	assert_true(!lstat(path, &st) && S_ISFIFO(st.st_mode));
	unlink(path);
	assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
	assert_int_equal(truncate(path, 100000), 0);
	assert_int_equal(create_named(&r), -EEXIST);
	assert_int_equal(attach_by_name(&r), -EPROTO);
	assert_true(!lstat(path, &st) && st.st_size == 100000);
	unlink(path);
	assert_int_equal(mknod(path, S_IFSOCK | 0600, 0), 0);
	assert_int_equal(create_named(&r), -EEXIST);
	assert_int_equal(attach_by_name(&r), -EPROTO);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(create_named(&r), -EEXIST);
	assert_int_equal(attach_by_name(&r), -EPROTO);
	assert_int_equal(shmring_unlink(name()), -EPERM);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(nr_fds(), fds);
}

/* The device of some other driver, or no device: only the latter means that there is memfd. */
static void device_of_another_kind_is_no_module(void **state)
{
	const struct shmring_options opt = { .backend = SHMRING_KMOD }, any = { 0 };
	unsigned int fds = nr_fds();
	struct shmring *r;

	(void)state;
	unsetenv("SHMRING_BACKEND");
	device_is("/dev/null");
	assert_int_equal(shmring_create(&r, NULL, &opt), -ENODEV);
	assert_int_equal(shmring_create(&r, NULL, &any), -ENODEV);
	device_is("/dev/no-such-device");
	assert_int_equal(shmring_create(&r, NULL, &opt), -ENODEV);
	assert_int_equal(shmring_create(&r, NULL, &any), 0);
	setenv("SHMRING_BACKEND", "memfd", 1);
	assert_string_equal(shmring_backend_name(r), "memfd");
	assert_string_equal(shmring_backend_reason(r), "there is no /dev/shmring");
	shmring_close(r);
	assert_int_equal(nr_fds(), fds);
}

/* A peer could shrink the file, and each access to the lost pages would be a SIGBUS. */
static void file_that_a_peer_may_shrink_is_refused(void **state)
{
	const off_t page = (off_t)sysconf(_SC_PAGESIZE);
	const struct shmring_status good = { .magic = SHMRING_MAGIC, .abi = SHMRING_ABI,
					     .capacity = (__u64)page, .nr_lanes = 1,
					     .align = 8 };
	struct shmring *r;
	int fd = memfd_create("unit", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)state;
	assert_true(fd >= 0 && !ftruncate(fd, 4 * page));
	assert_int_equal(pwrite(fd, &good, sizeof(good), 0), sizeof(good));
	assert_int_equal(shmring_attach_fd(&r, fd, SHMRING_CONSUMER), -EPROTO);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(shmring_attach_fd(&r, fd, SHMRING_CONSUMER), 0);
	shmring_close(r);
	close(fd);
}

/* A named ring's file cannot be sealed: its owner must be this user or root. */
static void named_file_of_another_user_is_refused(void **state)
{
	struct shmring *r, *other;

	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(create_named(&r), 0);
	assert_int_equal(shmring_attach_fd(&other, shmring_fd(r), SHMRING_CONSUMER), 0);
	shmring_close(other);
	assert_int_equal(fchown(shmring_fd(r), 65534, 65534), 0);
	assert_int_equal(shmring_attach_fd(&other, shmring_fd(r), SHMRING_CONSUMER), -EPROTO);
	assert_int_equal(shmring_attach(&other, name(), SHMRING_CONSUMER), 0);
	shmring_close(other);
	shmring_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(create_that_fails_leaves_nothing),
		TEST(first_ring_that_fails_leaves_nothing),
		TEST(attach_that_fails_leaves_nothing),
		TEST(query_that_fails_leaves_nothing),
		TEST(create_without_space_has_no_memory),
		TEST(interrupted_call_is_tried_again),
		TEST(signals_do_not_undo_a_large_ring),
		TEST(anonymous_ring_is_sealed),
		TEST(attach_to_what_is_no_ring_is_refused),
		TEST(attach_to_sizes_of_no_ring_is_refused),
		TEST(name_of_another_kind_of_file_is_left_alone),
		TEST(device_of_another_kind_is_no_module),
		TEST(file_that_a_peer_may_shrink_is_refused),
		TEST(named_file_of_another_user_is_refused),
	};

	use_memfd();
	return cmocka_run_group_tests_name("memfd", tests, NULL, NULL);
}
