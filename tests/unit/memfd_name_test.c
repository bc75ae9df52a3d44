// SPDX-License-Identifier: MIT
/* The memfd backend: names, and the files that killed holders leave under them. */
#include "memfd_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

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

/* Leave a ring whose holders were all killed under its name. */
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

/*
 * Just before this process removes the debris, another process removes it, and creates a ring
 * of that name.
 */
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

/*
 * The name is free when it is looked up, and taken when it is to be created: so the library
 * looks it up again.
 */
static void name_that_comes_in_between_is_opened(void **state)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .role = SHMRING_CONSUMER,
					     .flags = SHMRING_OPEN_OR_CREATE };
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring *r;

	(void)state;
	leave_debris();
	before_next_lock(ring_of_that_name_is_made);
	assert_int_equal(shmring_create(&r, name(), &opt), 0);
	assert_int_equal(shmring_get_info(r, &info), 0);
	assert_int_equal(info.created, 0);
	assert_int_equal(info.producer_state, SHMRING_PEER_LIVE);
	shmring_close(r);
	shmring_close(ring);
	assert_false(is_named());
}

/* The name gets another file after the look at the first one: the new ring's name must stay. */
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

/* The creator of a named ring ends before the process that received its descriptor. */
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

/* A file under the tests' name that looks like a dead ring. */
static void plant_file(void)
{
	const uint32_t magic = SHMRING_MAGIC;
	char path[SHMRING_NAME_MAX + 32];
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/shmring.%s", name());
	unlink(path);
	fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(pwrite(fd, &magic, sizeof(magic), offsetof(struct shmring_status, magic)),
			 sizeof(magic));
	close(fd);
}

/* Before each lock of the name's file, the name gets another file. */
static uint64_t planted_until;

static void name_changes_hands_again(void)
{
	plant_file();
	if (shmring_deadline(0) < planted_until)
		before_next_lock(name_changes_hands_again);
}

/*
 * Any user can do that. Without the fix the call never returned; here the test stops replacing
 * the file after 20 s.
 */
static void create_does_not_chase_a_name_for_ever(void **state)
{
	struct shmring *r;

	(void)state;
	plant_file();
	planted_until = shmring_deadline(20000000000);
	before_next_lock(name_changes_hands_again);
	assert_int_equal(create_named(&r), -ETIMEDOUT);
}

static void other_side_closes(void)
{
	shmring_close(ring);
}

/* The other side closes just after this one has seen that it is still there. */
static void two_closes_at_once_take_the_name_away(void **state)
{
	struct shmring *c;

	(void)state;
	ring = new_ring(name(), SHMRING_PRODUCER);
	assert_int_equal(attach_by_name(&c), 0);
	after_next_refusal(other_side_closes);
	shmring_close(c);
	assert_false(is_named());
}

/* Another process checks the file for debris just as its last holder closes it. */
static int looker;

static void look_ends(void)
{
	close(looker);
}

static void look_begins(void)
{
	looker = lock_byte(HOLDERS_BYTE);
	before_next_nap(look_ends);
}

static bool name_goes_after_the_look(void)
{
	struct shmring *r = new_ring(name(), SHMRING_HANDLE);
	bool ret;

	before_next_lock(look_begins);
	shmring_close(r);
	before_next_nap(NULL);
	close(looker);
	ret = !is_named();
	shmring_unlink(name());
	return ret;
}

static void close_waits_for_a_check_for_debris(void **state)
{
	int tries;

	(void)state;
	for (tries = 0; tries < 20; tries++)	/* others may want the CPU for 20 ms */
		if (name_goes_after_the_look())
			break;
	assert_true(tries < 20);
}

/* A caller that may not remove the name comes between the last two steps of a close. */
static void name_goes(void)
{
	char path[SHMRING_NAME_MAX + 32];

	snprintf(path, sizeof(path), "/dev/shm/shmring.%s", name());
	assert_int_equal(unlink(path), 0);
}

static void attach_takes_no_close_for_debris(void **state)
{
	struct shmring *r;
	int tries, ret = 0;

	(void)state;
	for (tries = 0; ret != -ENOENT && tries < 20; tries++) {	/* as above */
		shmring_unlink(name());
		leave_debris();
		fault_in("unlink", EPERM, 1);
		before_next_nap(name_goes);
		ret = attach_by_name(&r);
		assert_true(fault_happened());
	}
	assert_int_equal(ret, -ENOENT);
	before_next_nap(NULL);

	leave_debris();
	fault_in("unlink", EPERM, 1);
	assert_int_equal(attach_by_name(&r), -EACCES);
	assert_true(is_named());
}

/* Between the creation of a ring and the taking of its role. */
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
 * Another process checks the file for debris during an attach: the attach waits for it, and
 * finds no ring if the name has been removed by then.
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

static void attach_waits_for_a_check_for_debris(void **state)
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

/* A create of the same name waits for the check, too. */
static void create_waits_for_a_check_for_debris(void **state)
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

/* As for other files. */
static void mode_is_less_the_umask(void **state)
{
	static const unsigned int flags[] = { 0, SHMRING_PERSIST };
	struct shmring_options opt = { .backend = SHMRING_MEMFD, .mode = 0666 };
	const mode_t before = umask(027);
	struct shmring *r;
	struct stat st;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		opt.flags = flags[i];
		assert_int_equal(shmring_create(&r, name(), &opt), 0);
		assert_int_equal(fstat(shmring_fd(r), &st), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0640 | (flags[i] ? S_ISVTX : 0));
		shmring_unlink(name());
		shmring_close(r);
	}
	umask(before);
}

/* A file that cannot be opened is somebody's ring, unless it has gone meanwhile. */
static void name_that_cannot_be_looked_at_is_taken(void **state)
{
	struct shmring *r;

	(void)state;
	assert_int_equal(create_named(&r), 0);
	assert_true(shmring_memfd_has(name()));
	fault_in("open", EACCES, 1);
	assert_true(shmring_memfd_has(name()));
	assert_true(fault_happened());
	fault_in("open", ENOENT, 1);
	assert_false(shmring_memfd_has(name()));
	assert_true(fault_happened());
	shmring_close(r);
	assert_false(shmring_memfd_has(name()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(name_of_the_killed_can_be_taken),
		TEST(name_of_the_killed_goes_when_it_is_looked_for),
		TEST(name_of_the_killed_is_taken_by_one),
		TEST(name_that_comes_in_between_is_opened),
		TEST(name_that_changed_hands_stays),
		TEST(last_holder_takes_the_name_away_however_it_came),
		TEST(create_does_not_chase_a_name_for_ever),
		TEST(two_closes_at_once_take_the_name_away),
		TEST(close_waits_for_a_check_for_debris),
		TEST(attach_takes_no_close_for_debris),
		TEST(create_that_is_too_late_leaves_the_others_the_name),
		TEST(attach_waits_for_a_check_for_debris),
		TEST(create_waits_for_a_check_for_debris),
		TEST(mode_is_less_the_umask),
		TEST(name_that_cannot_be_looked_at_is_taken),
	};

	use_memfd();
	return cmocka_run_group_tests_name("memfd_name", tests, NULL, NULL);
}
