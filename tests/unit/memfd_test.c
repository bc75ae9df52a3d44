// SPDX-License-Identifier: MIT
/*
 * The memfd backend where the system says no: every call of it that fails, what
 * is given back then, and what is not a ring.
 */
#include "rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

/* -------------------------------------------------------------- what is held */

static unsigned int nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Mappings of rings, in this process. */
static unsigned int nr_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "memfd:shmring") || strstr(line, "/dev/shm/");
	fclose(maps);
	return n;
}

static const char *name(void)
{
	static char name[SHMRING_NAME_MAX];

	if (!*name)
		snprintf(name, sizeof(name), "unit-memfd.%d", getpid());
	return name;
}

static bool is_named(void)
{
	char path[SHMRING_NAME_MAX + 32];

	snprintf(path, sizeof(path), "/dev/shm/shmring.%s", name());
	return !access(path, F_OK);
}

/* ----------------------------------------------------------- every call fails */

static struct shmring *ring;	/* that is there all the time */

static struct shmring *new_ring(const char *called, enum shmring_role role)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .role = role };
	struct shmring *r;

	assert_int_equal(shmring_create(&r, called, &opt), 0);
	return r;
}

static int create(struct shmring **r, const char *called, unsigned int flags)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .flags = flags,
					     .role = SHMRING_PRODUCER };

	return shmring_create(r, called, &opt);
}

static struct shmring *persistent_ring(void)
{
	struct shmring *r;

	assert_int_equal(create(&r, name(), SHMRING_PERSIST), 0);
	return r;
}

static int create_anonymous(struct shmring **r)
{
	return create(r, NULL, 0);
}

static int create_named(struct shmring **r)
{
	return create(r, name(), 0);
}

static int create_to_persist(struct shmring **r)
{
	int ret = create(r, name(), SHMRING_PERSIST);

	/* This may fail once, too. */
	if (!ret && shmring_unlink(name()))
		shmring_unlink(name());
	return ret;
}

static int attach_by_fd(struct shmring **r)
{
	return shmring_attach_fd(r, shmring_fd(ring), SHMRING_CONSUMER);
}

static int attach_by_name(struct shmring **r)
{
	return shmring_attach(r, name(), SHMRING_CONSUMER);
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

/* What succeeds all the same has what it says it has. */
static void assert_keeps_its_role(struct shmring *r)
{
	struct shmring *other;

	assert_int_equal(shmring_attach_fd(&other, shmring_fd(r), r->role), -EBUSY);
}

/* Let each of its calls fail in turn, until it has no more. */
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
	fail_everywhere(get_info, 4);
	shmring_close(ring);
}

/* It is the machine's memory that is full, and not a limit of the module's. */
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

/* A handler of the program's may run meanwhile. */
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

/* However large it is, and however often handlers run. */
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

/* Not below what the others have mapped, who would get a SIGBUS; and no more seals. */
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

/* ------------------------------------------------------------ what is no ring */

static int file_of(const struct shmring_status *status, off_t size)
{
	int fd = memfd_create("unit", MFD_CLOEXEC);

	assert_true(fd >= 0 && !ftruncate(fd, size));
	assert_int_equal(pwrite(fd, status, sizeof(*status), 0), sizeof(*status));
	return fd;
}

/* A sum of what lies in front of the data: roles are taken there. */
static uint64_t sum_of(int fd)
{
	uint64_t words[3 * 4096 / sizeof(uint64_t)] = { 0 }, sum = 0;
	size_t i;

	assert_true(pread(fd, words, sizeof(words), 0) > 0);
	for (i = 0; i < ARRAY_SIZE(words); i++)
		sum = (sum + words[i]) * 0x9e3779b97f4a7c15u;
	return sum;
}

static void attach_to_what_is_no_ring_is_refused(void **state)
{
	const off_t page = (off_t)sysconf(_SC_PAGESIZE);
	const struct shmring_status good = { .magic = SHMRING_MAGIC, .abi = SHMRING_ABI,
					     .capacity = (__u64)page, .nr_lanes = 1 };
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
	struct shmring *r;
	uint64_t sum;
	int fd, ret;

	(void)state;
	cases[4].status.capacity = 3 * (__u64)page;
	cases[6].status.magic = 0;
	cases[7].status.slot_size = (__u32)page + 1;
	cases[8].status.features = 1;
	cases[9].status.abi = SHMRING_ABI + 1;
	cases[10].status.nr_lanes = 2;
	cases[11].status.capacity = 2ull << 30;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		r = NULL;
		fd = file_of(&cases[i].status, cases[i].size);
		sum = sum_of(fd);
		ret = shmring_attach_fd(&r, fd, SHMRING_CONSUMER);
		if (ret != cases[i].want)
			fail_msg("case %u: %d, not %d", i, ret, cases[i].want);
		if (ret && sum_of(fd) != sum)
			fail_msg("case %u: refused, and written to", i);
		shmring_close(r);
		close(fd);
	}
	assert_int_equal(nr_fds(), fds);
	assert_int_equal(nr_mappings(), mappings);
}

/* What somebody else has put there is not followed, not waited for, not replaced. */
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
	assert_int_equal(nr_fds(), fds);
}

/* Some other driver's device, or none: the module is not loaded. */
static void device_of_another_kind_is_no_module(void **state)
{
	const struct shmring_options opt = { .backend = SHMRING_KMOD }, any = { 0 };
	unsigned int fds = nr_fds();
	struct shmring *r;

	(void)state;
	device_is("/dev/null");
	assert_int_equal(shmring_create(&r, NULL, &opt), -ENODEV);
	unsetenv("SHMRING_BACKEND");
	assert_int_equal(shmring_create(&r, NULL, &any), 0);
	setenv("SHMRING_BACKEND", "memfd", 1);
	assert_string_equal(shmring_backend_name(r), "memfd");
	shmring_close(r);
	device_is("/dev/no-such-device");
	assert_int_equal(shmring_create(&r, NULL, &opt), -ENODEV);
	assert_int_equal(nr_fds(), fds);
}

/* ----------------------------------------------------------------- processes */

/* Until something happens, or it is too late for it. */
static struct shmring_wait soon(void)
{
	return (struct shmring_wait){ .deadline = shmring_deadline(20000000000) };
}

static void end_of(pid_t pid)
{
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* It sends one message, and dies with another one staged. */
static void be_a_producer(const struct shmring *handle)
{
	struct shmring *p;

	if (!shmring_attach_fd(&p, shmring_fd(handle), SHMRING_PRODUCER) &&
	    shmring_send(p, "last", 5, NULL) == 5 && shmring_reserve(p, 8) &&
	    !shmring_stage(p, 8))
		raise(SIGKILL);
	_exit(1);
}

static void take_last(struct shmring *c)
{
	char buf[8];

	assert_int_equal(shmring_recv(c, buf, sizeof(buf), &nowait), 5);
}

static void consumer_hears_of_a_kill(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER);
	const struct shmring_wait wait = soon();
	char buf[8];
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid)
		be_a_producer(c);
	assert_int_equal(shmring_recv(c, buf, sizeof(buf), &wait), 5);
	assert_int_equal(shmring_recv(c, buf, sizeof(buf), &wait), -ENODATA);
	end_of(pid);
	shmring_close(c);
}

/* Who could not say that it goes is found out, if not at the first try. */
static void close_that_fails_is_a_death(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	const struct shmring_wait wait = soon();

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	fault_at(1);	/* to lock who is there */
	shmring_close(p);
	assert_true(fault_happened());
	fault_at(2);	/* likewise, after a look at the producer's lock */
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_true(fault_happened());
	assert_int_equal(shmring_wait_data(c, &wait), -ENODATA);
	shmring_close(c);
}

/* A lock that a child holds says nothing; the pid does, if it is one of ours. */
static void pid_tells_of_a_death_where_it_means_something(void **state)
{
	pid_t dead = fork(), zombie = dead ? fork() : 0;
	struct {
		uint64_t pid, other_namespace;
		int want;
	} cases[] = {
		{ (uint64_t)dead, 0, -ENODATA },
		{ (uint64_t)zombie, 0, -ENODATA },
		{ (uint64_t)dead, 1, -EAGAIN },
		{ (uint64_t)dead + (1ull << 32), 0, -EAGAIN },
		{ (uint64_t)getpid(), 0, -EAGAIN },
		{ 0, 0, -EAGAIN },
	};
	struct shmring *p, *c;
	unsigned int i;

	(void)state;
	if (!dead || !zombie)
		_exit(0);
	end_of(dead);
	assert_int_equal(waitid(P_PID, (id_t)zombie, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		p = new_ring(NULL, SHMRING_PRODUCER);
		assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
		p->producer->reserved[0] = cases[i].pid;
		p->producer->reserved[1] += cases[i].other_namespace;
		assert_int_equal(shmring_wait_data(c, &nowait), cases[i].want);
		shmring_close(c);
		shmring_close(p);
	}
	end_of(zombie);
}

/* Who cannot say which namespace is his, without /proc, can tell nothing by a pid. */
static void pid_tells_nothing_without_a_namespace(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	pid_t dead = fork();

	(void)state;
	if (!dead)
		_exit(0);
	end_of(dead);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	c->priv->pid_ns = 0;
	p->producer->reserved[0] = (uint64_t)dead;
	p->producer->reserved[1] = 0;
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	shmring_close(c);
	shmring_close(p);
}

/* The next one comes between the look that finds nobody, and the lock. */
static struct shmring *successor;

static void next_producer_comes(void)
{
	assert_int_equal(shmring_attach_fd(&successor, shmring_fd(ring), SHMRING_PRODUCER), 0);
}

static void death_of_one_is_not_that_of_the_next(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER);
	pid_t pid = fork();

	(void)state;
	if (!pid)
		be_a_producer(c);
	end_of(pid);
	take_last(c);
	ring = c;
	before_next_lock(next_producer_comes);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_non_null(successor);
	assert_int_equal(c->lane->producer_state, SHMRING_PEER_LIVE);
	put(successor, 8, 1);
	take(c, 8, 1);
	shmring_close(successor);
	shmring_close(c);
}

/* A process that has all that this one has, and lives until end_of_child(). */
static pid_t child_that_stays(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

static void end_of_child(pid_t pid)
{
	kill(pid, SIGKILL);
	end_of(pid);
}

/*
 * A producer is killed whose child lives on, and with it the lock. The next producer is
 * none the less for it, neither while the child lives nor after.
 */
static void child_of_the_killed_is_not_the_next(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER), *p, *other;
	int pipes[2];
	pid_t pid, child;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		if (shmring_attach_fd(&p, shmring_fd(c), SHMRING_PRODUCER))
			_exit(1);
		child = child_that_stays();
		if (write(pipes[1], &child, sizeof(child)) == sizeof(child))
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(read(pipes[0], &child, sizeof(child)), sizeof(child));
	end_of(pid);
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	assert_int_equal(shmring_attach_fd(&p, shmring_fd(c), SHMRING_PRODUCER), 0);
	put(p, 8, 1);
	kill(child, SIGKILL);
	while (!kill(child, 0))
		usleep(1000);
	assert_int_equal(shmring_attach_fd(&other, shmring_fd(c), SHMRING_PRODUCER), -EBUSY);
	take(c, 8, 1);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	shmring_close(p);
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	shmring_close(c);
	close(pipes[0]);
	close(pipes[1]);
}

/* A child has the description with the locks, but keeps nobody from the ring. */
static void child_of_the_last_holder_locks_nobody_out(void **state)
{
	struct shmring *p = new_ring(name(), SHMRING_PRODUCER), *c;
	pid_t child = child_that_stays();
	int fd = dup(shmring_fd(p));

	(void)state;
	put(p, 8, 1);
	shmring_close(p);
	assert_false(is_named());
	alarm(30);	/* it was for ever */
	assert_int_equal(shmring_attach_fd(&c, fd, SHMRING_CONSUMER), 0);
	alarm(0);
	take(c, 8, 1);
	shmring_close(c);
	close(fd);
	end_of_child(child);
}

/* Somebody has stopped while he was changing who is there. */
static void lock_of_another_does_not_outlast_a_deadline(void **state)
{
	struct flock change = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1,
				.l_len = 1 };
	struct shmring *c = new_ring(name(), SHMRING_CONSUMER);
	struct shmring_wait wait = { .policy = SHMRING_BLOCK };
	char path[SHMRING_NAME_MAX + 32];
	pid_t pid = fork();
	int fd;

	(void)state;
	if (!pid)
		be_a_producer(c);
	end_of(pid);
	take_last(c);
	snprintf(path, sizeof(path), "/dev/shm/shmring.%s", name());
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &change), 0);
	alarm(30);
	wait.deadline = shmring_deadline(60000000);
	assert_int_equal(shmring_wait_data(c, &wait), -ETIMEDOUT);
	alarm(0);
	close(fd);
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	shmring_close(c);
}

/* The parent's object, in a child that only closes it, and one that does not. */
static void child_leaves_the_parent_its_role(void **state)
{
	struct shmring *p = new_ring(name(), SHMRING_PRODUCER), *c;
	const struct shmring_wait wait = soon();
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid) {
		shmring_close(p);
		_exit(0);
	}
	end_of(pid);
	assert_true(is_named());
	assert_int_equal(shmring_attach(&c, name(), SHMRING_PRODUCER), -EBUSY);
	assert_int_equal(shmring_attach(&c, name(), SHMRING_CONSUMER), 0);
	put(p, 100, 1);
	take(c, 100, 1);
	shmring_close(p);
	assert_int_equal(shmring_wait_data(c, &wait), -ENODATA);
	shmring_close(c);
	assert_false(is_named());
}

static void name_of_the_killed_can_be_taken(void **state)
{
	const char *called = name();
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		new_ring(called, SHMRING_PRODUCER);
		raise(SIGKILL);
	}
	end_of(pid);
	assert_true(is_named());
	shmring_close(new_ring(called, SHMRING_PRODUCER));
	assert_false(is_named());
}

/* What the killed have left, to be found under its name. */
static void leave_debris(void)
{
	const char *called = name();
	pid_t pid = fork();

	if (!pid) {
		new_ring(called, SHMRING_PRODUCER);
		raise(SIGKILL);
	}
	end_of(pid);
	assert_true(is_named());
}

static void name_of_the_killed_goes_when_it_is_looked_for(void **state)
{
	struct shmring *r;

	(void)state;
	leave_debris();
	assert_int_equal(attach_by_name(&r), -ENOENT);
	assert_false(is_named());
}

/* Another one has removed it, and made a ring of that name, while we were about to. */
static void ring_of_that_name_is_made(void)
{
	ring = new_ring(name(), SHMRING_PRODUCER);
}

static void name_of_the_killed_is_taken_by_one(void **state)
{
	struct shmring *r;

	(void)state;
	leave_debris();
	before_next_lock(ring_of_that_name_is_made);
	assert_int_equal(create_named(&r), -EEXIST);
	assert_int_equal(attach_by_name(&r), 0);
	shmring_close(r);
	shmring_close(ring);
	assert_false(is_named());

	leave_debris();
	before_next_lock(ring_of_that_name_is_made);
	assert_int_equal(attach_by_name(&r), -ENOENT);
	assert_int_equal(attach_by_name(&r), 0);
	shmring_close(r);
	shmring_close(ring);
	assert_false(is_named());
}

/* The name changes hands after a look at whose it is: nobody's is to be taken away. */
static void name_changes_hands(void)
{
	assert_int_equal(shmring_unlink(name()), 0);
	ring_of_that_name_is_made();
}

static void name_that_changed_hands_stays(void **state)
{
	struct shmring *r, *p = new_ring(name(), SHMRING_PRODUCER);

	(void)state;
	before_name_lock(name_changes_hands);
	shmring_close(p);
	assert_int_equal(attach_by_name(&r), 0);
	shmring_close(r);
	before_name_lock(name_changes_hands);
	p = ring;
	assert_int_equal(shmring_unlink(name()), -ENOENT);
	assert_int_equal(attach_by_name(&r), 0);
	shmring_close(r);
	shmring_close(p);
	shmring_close(ring);
	assert_false(is_named());

	leave_debris();
	before_name_lock(name_changes_hands);
	assert_int_equal(attach_by_name(&r), -ENOENT);
	assert_int_equal(attach_by_name(&r), 0);
	shmring_close(r);
	shmring_close(ring);
	assert_false(is_named());
}

/* Who made the ring by its name has gone before who got it as a descriptor. */
static void last_holder_takes_the_name_away_however_it_came(void **state)
{
	struct shmring *p = new_ring(name(), SHMRING_PRODUCER), *c;

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	shmring_close(p);
	assert_true(is_named());
	shmring_close(c);
	assert_false(is_named());

	p = persistent_ring();
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	shmring_close(p);
	shmring_close(c);
	assert_true(is_named());
	assert_int_equal(shmring_unlink(name()), 0);
}

/* Between a ring's making and the taking of its role. */
static void another_takes_the_role(void)
{
	assert_int_equal(shmring_attach(&successor, name(), SHMRING_PRODUCER), 0);
}

static void create_that_is_too_late_leaves_the_others_the_name(void **state)
{
	struct shmring *r;

	(void)state;
	before_next_lock(another_takes_the_role);
	assert_int_equal(create(&r, name(), SHMRING_PERSIST), -EBUSY);
	assert_true(is_named());
	put(successor, 8, 1);
	assert_int_equal(attach_by_name(&r), 0);
	take(r, 8, 1);
	shmring_close(r);
	shmring_close(successor);
	assert_int_equal(shmring_unlink(name()), 0);
}

/*
 * Somebody looks whether it is debris while we attach: that is waited for; and if its
 * name has been taken away then, it is not there.
 */
static bool sleeps(pid_t pid)
{
	char path[32], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
	fclose(f);
	return state == 'S';
}

static pid_t start_to_look(bool unlinks)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
	char path[SHMRING_NAME_MAX + 32], byte = 0;
	int fd, pipes[2];
	pid_t pid;

	snprintf(path, sizeof(path), "/dev/shm/shmring.%s", name());
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fcntl(fd, F_OFD_SETLK, &all) || write(pipes[1], &byte, 1) != 1)
			_exit(1);
		while (!sleeps(getppid()))
			usleep(1000);
		if (unlinks)
			unlink(path);
		_exit(0);
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	return pid;
}

static void attach_waits_for_who_looks_for_debris(void **state)
{
	struct shmring *r;
	pid_t pid;

	(void)state;
	shmring_close(persistent_ring());
	pid = start_to_look(false);
	assert_int_equal(attach_by_name(&r), 0);
	end_of(pid);
	shmring_close(r);
	pid = start_to_look(true);
	assert_int_equal(attach_by_name(&r), -ENOENT);
	end_of(pid);
}

/* So does who makes a new one. */
static void create_waits_for_who_looks_for_debris(void **state)
{
	struct shmring *r;
	pid_t pid;

	(void)state;
	shmring_close(persistent_ring());
	pid = start_to_look(false);
	assert_int_equal(create_named(&r), -EEXIST);
	end_of(pid);
	pid = start_to_look(true);
	assert_int_equal(create_named(&r), 0);
	end_of(pid);
	shmring_close(r);
}

/* -------------------------------------------------------------------- polling */

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

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

/* Whose space reaches below the start of all positions, at first; later, half of it. */
static void poll_fd_of_a_producer_tells_of_half_the_space(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	uint64_t i, nr = p->capacity / 16;
	int fd = shmring_poll_fd(p);

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	assert_true(is_readable(fd));
	for (i = 0; i < nr; i++)
		put(p, 8, i);
	assert_int_equal(shmring_wait_space(p, 8, &nowait), -EAGAIN);
	for (i = 0; i < nr / 2; i++) {
		if (is_readable(fd))
			fail_msg("after %d messages", (int)i);
		take(c, 8, i);
	}
	assert_true(is_readable(fd));
	assert_int_equal(shmring_wait_space(p, 8, &nowait), 0);
	shmring_close(c);
	shmring_close(p);
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
	fd = shmring_poll_fd(c);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	put(p, 80, 1);	/* with its header: 88 bytes */
	assert_false(is_readable(fd));
	put(p, 8, 2);
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

/* -------------------------------------------------------------------- waiting */

/* How long after its deadline, which it must not be before. */
static uint64_t overslept(struct shmring *c, enum shmring_policy policy)
{
	const struct shmring_wait wait = { .policy = policy,
					   .deadline = shmring_deadline(2000000) };
	uint64_t now;

	assert_int_equal(shmring_wait_data(c, &wait), -ETIMEDOUT);
	now = shmring_deadline(0);
	assert_true(now >= wait.deadline);
	return now - wait.deadline;
}

static void wait_of_every_policy_ends_at_its_deadline(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER);
	enum shmring_policy policy;
	int tries;

	(void)state;
	for (policy = SHMRING_DEFAULT; policy <= SHMRING_SPIN; policy++) {
		for (tries = 0; tries < 20; tries++)	/* others may want the CPU */
			if (overslept(c, policy) < SHMRING_CHECK_NS / 2)
				break;
		assert_true(tries < 20);
	}
	shmring_close(c);
}

static void wait_whose_deadline_is_past_looks_and_ends(void **state)
{
	const struct shmring_wait past = { .deadline = 1 };
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	assert_int_equal(shmring_wait_data(c, &past), -ETIMEDOUT);
	put(p, 8, 1);
	assert_int_equal(shmring_wait_data(c, &past), 0);
	shmring_close(c);
	shmring_close(p);
}

static void wait_a_little(struct shmring *c)
{
	const struct shmring_wait wait = { .policy = SHMRING_BLOCK,
					   .deadline = shmring_deadline(1000000) };

	assert_int_equal(shmring_wait_data(c, &wait), -ETIMEDOUT);
}

static void wait_that_has_ended_is_not_woken(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	wait_a_little(c);
	assert_true(c->lane->data_wake_at == SHMRING_NO_WAKE);
	put(p, 8, 1);
	assert_int_equal(p->priv->wakes, 0);
	take(c, 8, 1);
	shmring_close(c);
	shmring_close(p);
}

/* It has nothing to give: it sleeps, and does not run round until the deadline, or on. */
static void wait_of_an_empty_consumer_sleeps_though_the_producer_waits(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	p->lane->space_wake_at = 8;
	wait_a_little(c);
	assert_in_range(c->priv->sleeps, 1, 2);
	shmring_close(c);
	shmring_close(p);
}

/*
 * A producer that has asked for the descriptor while there was space does not wait: who
 * waits for more than there is sleeps until the deadline.
 */
static void wait_for_more_ends_though_the_producer_has_polled(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	const struct shmring_wait wait = { .policy = SHMRING_BLOCK, .min_bytes = 100,
					   .deadline = shmring_deadline(1000000) };

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	assert_true(is_readable(shmring_poll_fd(p)));
	put(p, 8, 1);
	assert_int_equal(shmring_wait_data(c, &wait), -ETIMEDOUT);
	assert_in_range(c->priv->sleeps, 1, 2);
	assert_true(p->lane->space_wake_at == SHMRING_NO_WAKE);
	take(c, 8, 1);
	shmring_close(c);
	shmring_close(p);
}

/* It was to say "none" next, and has been killed. */
static void wait_for_more_ends_though_the_producer_dies_while_it_polls(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	struct shmring_wait wait = { .policy = SHMRING_BLOCK, .min_bytes = 100 };

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	put(p, 8, 1);
	p->lane->space_wake_at = (uint64_t)-8;
	alarm(30);	/* it was for ever */
	wait.deadline = shmring_deadline(1000000);
	assert_int_equal(shmring_wait_data(c, &wait), -ETIMEDOUT);
	assert_in_range(c->priv->sleeps, 1, 2);
	alarm(0);
	shmring_close(c);
	shmring_close(p);
}

/* For the peer's death; a long wait is a cheap one, and still hears of it. */
static void wait_looks_after_50_100_200_and_then_each_400_ms(void **state)
{
	static const uint64_t slices[] = { 50, 100, 200, 400, 400, 400, 400 };
	const struct shmring_wait wait = { .policy = SHMRING_BLOCK };
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER);
	uint64_t until[ARRAY_SIZE(slices)], start, end;
	unsigned int i;

	(void)state;
	start = shmring_deadline(0);
	skip_sleeps(until, ARRAY_SIZE(slices));
	assert_int_equal(shmring_wait_data(c, &wait), -EINTR);
	end = shmring_deadline(0);
	for (i = 0; i < ARRAY_SIZE(slices); i++) {
		assert_true(until[i] >= start + slices[i] * 1000000);
		assert_true(until[i] <= end + slices[i] * 1000000);
	}
	shmring_close(c);
}

/* ------------------------------------------------------------ who pays the fence */
/* Whoever cannot be made to execute a barrier fences, and has the other side do so. */
static void both_fence_if_one_takes_no_barriers(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;

	(void)state;
	p->lane->data_fence_until = 0;	/* whatever there is on this machine */
	p->lane->space_fence_until = 0;
	refuse_barrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	assert_true(p->lane->data_fence_until == SHMRING_FENCE_ALWAYS);
	assert_true(p->lane->space_fence_until == SHMRING_FENCE_ALWAYS);
	/* No wait, and nobody who comes, takes that back. */
	refuse_barrier(0);
	wait_a_little(c);
	shmring_close(c);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	wait_a_little(c);
	assert_true(p->lane->data_fence_until == SHMRING_FENCE_ALWAYS);
	shmring_close(c);
	shmring_close(p);
}

/* As much as the ring holds, if that is more than usual: one barrier for each of those. */
static void large_ring_has_a_large_credit(void **state)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .capacity = 1 << 20,
					     .role = SHMRING_CONSUMER };
	struct shmring *c;

	(void)state;
	assert_int_equal(shmring_create(&c, NULL, &opt), 0);
	wait_a_little(c);
	assert_true(c->lane->data_fence_until == 1 << 20 ||
		    c->lane->data_fence_until == SHMRING_FENCE_ALWAYS);
	shmring_close(c);
}

/* It was promised, and then it fails: the other side is asked to fence for good. */
static void peer_fences_if_a_barrier_fails(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;

	(void)state;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	p->lane->data_fence_until = 0;
	p->lane->space_fence_until = 0;
	refuse_barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
	wait_a_little(c);
	assert_true(p->lane->data_fence_until == SHMRING_FENCE_ALWAYS);
	assert_int_equal(p->lane->space_fence_until, 0);
	put(p, 8, 1);
	take(c, 8, 1);
	refuse_barrier(0);
	wait_a_little(c);
	assert_true(p->lane->data_fence_until == SHMRING_FENCE_ALWAYS);
	shmring_close(c);
	shmring_close(p);
}

/* What a test that failed has left must not make the next one fail. */
static int tidy(void **state)
{
	(void)state;
	fault_at(0);
	refuse_barrier(0);
	device_is(NULL);
	refuse_space(false);
	interrupt_calls(false);
	before_next_lock(NULL);
	before_name_lock(NULL);
	skip_sleeps(NULL, 0);
	shmring_unlink(name());
	return 0;
}

#define TEST(fn)	cmocka_unit_test_teardown(fn, tidy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(create_that_fails_leaves_nothing),
		TEST(attach_that_fails_leaves_nothing),
		TEST(query_that_fails_leaves_nothing),
		TEST(create_without_space_has_no_memory),
		TEST(interrupted_call_is_tried_again),
		TEST(signals_do_not_undo_a_large_ring),
		TEST(anonymous_ring_is_sealed),
		TEST(attach_to_what_is_no_ring_is_refused),
		TEST(name_of_another_kind_of_file_is_left_alone),
		TEST(device_of_another_kind_is_no_module),
		TEST(consumer_hears_of_a_kill),
		TEST(close_that_fails_is_a_death),
		TEST(pid_tells_of_a_death_where_it_means_something),
		TEST(pid_tells_nothing_without_a_namespace),
		TEST(death_of_one_is_not_that_of_the_next),
		TEST(child_of_the_killed_is_not_the_next),
		TEST(child_of_the_last_holder_locks_nobody_out),
		TEST(lock_of_another_does_not_outlast_a_deadline),
		TEST(child_leaves_the_parent_its_role),
		TEST(name_of_the_killed_can_be_taken),
		TEST(name_of_the_killed_goes_when_it_is_looked_for),
		TEST(name_of_the_killed_is_taken_by_one),
		TEST(name_that_changed_hands_stays),
		TEST(last_holder_takes_the_name_away_however_it_came),
		TEST(create_that_is_too_late_leaves_the_others_the_name),
		TEST(attach_waits_for_who_looks_for_debris),
		TEST(create_waits_for_who_looks_for_debris),
		TEST(poll_fd_is_readable_when_it_is_time),
		TEST(poll_fd_of_a_producer_tells_of_half_the_space),
		TEST(poll_fd_forgets_all_that_came_before),
		TEST(poll_fd_tells_of_an_earlier_death),
		TEST(poll_fd_is_not_readable_for_less_than_lowat),
		TEST(poll_fd_is_readable_for_a_while_after_a_close),
		TEST(poll_fd_does_not_count_what_is_held),
		TEST(wait_of_every_policy_ends_at_its_deadline),
		TEST(wait_whose_deadline_is_past_looks_and_ends),
		TEST(wait_that_has_ended_is_not_woken),
		TEST(wait_of_an_empty_consumer_sleeps_though_the_producer_waits),
		TEST(wait_for_more_ends_though_the_producer_has_polled),
		TEST(wait_for_more_ends_though_the_producer_dies_while_it_polls),
		TEST(wait_looks_after_50_100_200_and_then_each_400_ms),
		TEST(both_fence_if_one_takes_no_barriers),
		TEST(large_ring_has_a_large_credit),
		TEST(peer_fences_if_a_barrier_fails),
	};

	setenv("SHMRING_BACKEND", "memfd", 1);
	return cmocka_run_group_tests_name("memfd", tests, NULL, NULL);
}
