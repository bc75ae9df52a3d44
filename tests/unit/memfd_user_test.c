// SPDX-License-Identifier: MIT
/*
 * The memfd backend where the file cannot be opened again: as another user, and without /proc.
 * Each test runs in a child, because there is no way back.
 */
#include "memfd_rig.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

#define NOBODY	65534

/* In a child a failed check cannot fail the test: it prints its place, and ends the child. */
#define NEED(cond)	do {							\
	if (!(cond)) {								\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);	\
		_exit(1);							\
	}									\
} while (0)

static pid_t start(void (*fn)(void))
{
	pid_t pid = fork();

	if (!pid) {
		fn();
		_exit(0);
	}
	return pid;
}

static void assert_passes(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void need_root(void)
{
	if (geteuid())
		skip();
}

static void pass_on(struct shmring *p, struct shmring *c)
{
	const struct shmring_wait wait = soon();
	char buf[8];

	NEED(shmring_send(p, "message", 8, &wait) == 8);
	NEED(shmring_recv(c, buf, sizeof(buf), &wait) == 8);
}

/* ---------------------------------------------------------------- another user */

/* As an event loop does. Its descriptor may be readable without data, but not for ever. */
static void receive_by_poll(struct shmring *p, struct shmring *c, int fd)
{
	unsigned int i, ready = 0;
	char buf[8];

	NEED(shmring_recv(c, buf, sizeof(buf), &nowait) == -EAGAIN);
	for (i = 0; i < 100; i++, usleep(1000)) {
		if (!is_readable(fd))
			continue;
		ready++;
		NEED(shmring_recv(c, buf, sizeof(buf), &nowait) == -EAGAIN);
	}
	NEED(ready < 50);
	NEED(shmring_send(p, "message", 8, NULL) == 8);
	for (i = 0; i < 20000 && !is_readable(fd); i++)
		usleep(1000);
	NEED(shmring_recv(c, buf, sizeof(buf), &nowait) == 8);
}

/* A daemon: root creates the ring, and then gives up its identity. */
static void drop_privileges(void)
{
	struct shmring *p, *c, *other;
	const struct shmring_wait wait = soon();
	int fd;

	NEED(!create_named(&p));
	NEED(!setgid(NOBODY) && !setuid(NOBODY));
	NEED(!shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER));
	NEED(shmring_attach_fd(&other, shmring_fd(p), SHMRING_CONSUMER) == -EBUSY);
	pass_on(p, c);
	fd = shmring_poll_fd(c);
	NEED(fd >= 0 && shmring_poll_fd(p) >= 0);
	receive_by_poll(p, c, fd);
	shmring_close(p);
	NEED(shmring_wait_data(c, &wait) == -ENODATA);
	shmring_close(c);
}

/* A side without a lock of its own closes, while another process holds the lock for changes. */
static void close_without_locks(void)
{
	struct shmring *p, *c;
	int fd;

	NEED(!create_named(&p));
	fd = open_named();
	NEED(!setgid(NOBODY) && !setuid(NOBODY));
	NEED(!shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER));
	NEED(!lock_byte_of(fd, CHANGE_BYTE));
	shmring_close(c);
	close(fd);
	NEED(!shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER));
	pass_on(p, c);
	shmring_close(c);
	shmring_close(p);
}

static void owner_without_locks_may_go(void **state)
{
	(void)state;
	need_root();
	assert_passes(start(close_without_locks));
}

/* The daemon may not remove the name any more. The file must not keep it from restarting. */
static void owner_may_become_another_user(void **state)
{
	struct shmring *r;

	(void)state;
	need_root();
	assert_false(is_named());	/* the child has used the parent's name */
	assert_passes(start(drop_privileges));
	assert_true(is_named());
	assert_int_equal(create_named(&r), 0);
	shmring_close(r);
	assert_false(is_named());
}

/* A worker that has only the descriptor, and is killed. */
static void be_a_worker(void)
{
	struct shmring *c;

	NEED(!setgid(NOBODY) && !setuid(NOBODY));
	NEED(!shmring_attach_fd(&c, shmring_fd(ring), SHMRING_CONSUMER));
	NEED(shmring_wait_data(c, NULL) == 0);
	raise(SIGKILL);
}

static void worker_may_be_another_user(void **state)
{
	const struct shmring_wait wait = soon();
	struct shmring *c, *other;
	struct shmring_info info = SHMRING_INFO_INIT;
	pid_t pid;

	(void)state;
	need_root();
	ring = new_ring(name(), SHMRING_PRODUCER);
	pid = start(be_a_worker);
	while (!ring->lane->consumer.state)
		usleep(1000);
	/* The worker holds no lock, and is found alive. */
	assert_int_equal(shmring_attach(&other, name(), SHMRING_CONSUMER), -EBUSY);
	assert_int_equal(shmring_get_info(ring, &info), 0);
	assert_int_equal(info.consumer_state, SHMRING_PEER_LIVE);
	assert_int_equal(shmring_wait_space(ring, 8, &nowait), 0);
	assert_int_equal(shmring_send(ring, "message", 8, &wait), 8);
	end_of(pid);
	assert_int_equal(shmring_get_info(ring, &info), 0);
	assert_int_equal(info.consumer_state, SHMRING_PEER_GONE);
	assert_int_equal(shmring_attach(&c, name(), SHMRING_CONSUMER), 0);
	shmring_close(c);
	shmring_close(ring);
	assert_false(is_named());
}

/*
 * shmring_attach(3): a handle maps nothing, so that its file can be inspected.
 * shmring_attach_fd() refuses the file of another user, because its owner could shrink it.
 */
static void make_ring_and_wait(void)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .mode = 0666,
					     .role = SHMRING_PRODUCER };

	umask(0);
	NEED(!setgid(NOBODY) && !setuid(NOBODY));
	NEED(!shmring_create(&ring, name(), &opt));
	for (;;)
		pause();
}

static void handle_shows_a_ring_of_another_user(void **state)
{
	struct shmring *handle, *c;
	struct stat st;
	pid_t pid;

	(void)state;
	need_root();
	name();		/* the child uses the parent's name */
	pid = start(make_ring_and_wait);
	while (shmring_attach(&handle, name(), SHMRING_HANDLE))
		usleep(1000);
	assert_int_equal(nr_mappings(), 0);
	assert_int_equal(fstat(shmring_fd(handle), &st), 0);
	assert_int_equal(st.st_uid, NOBODY);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(handle), SHMRING_CONSUMER), -EPROTO);
	/* The mode lets any user open the ring by its name. */
	assert_int_equal(shmring_attach(&c, name(), SHMRING_CONSUMER), 0);
	shmring_close(c);
	shmring_close(handle);
	end_of_child(pid);

	handle = new_ring(name(), SHMRING_HANDLE);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(handle), SHMRING_CONSUMER), 0);
	shmring_close(c);
	shmring_close(handle);
}

static int count_own(const struct shmring_info *info, void *nr)
{
	*(int *)nr += !strcmp(info->name, name());
	return 0;
}

static void expect_listed_as_nobody(unsigned int mode, int times)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .mode = mode };
	struct shmring *r;
	int nr = 0;

	NEED(!shmring_create(&r, name(), &opt));
	NEED(!seteuid(NOBODY));
	NEED(!shmring_list(&opt, count_own, &nr));
	NEED(!seteuid(0));
	NEED(nr == times);
	shmring_close(r);
}

static void be_listed(void)
{
	umask(0);
	expect_listed_as_nobody(0600, 0);
	expect_listed_as_nobody(0622, 0);
	expect_listed_as_nobody(0644, 1);
	expect_listed_as_nobody(0666, 1);
}

static void list_has_what_may_be_read(void **state)
{
	(void)state;
	need_root();
	assert_passes(start(be_listed));
}

/* --------------------------------------------------------------- without /proc */

/* In this process alone. The root need not be a mount point: that of a chroot is none. */
static bool hide_proc(void)
{
	return !unshare(CLONE_NEWNS) && !mount("none", "/proc", NULL, MS_PRIVATE, NULL) &&
	       !mount("none", "/proc", "tmpfs", 0, NULL);
}

static void try_to_hide_proc(void)
{
	NEED(hide_proc());
}

static void use_names_without_proc(void)
{
	struct shmring *p, *c, *other, *second;
	const struct shmring_wait wait = soon();
	int fd;

	NEED(hide_proc());
	NEED(!attach_by_name(&c));	/* the parent's ring */
	NEED(shmring_attach_fd(&other, shmring_fd(c), SHMRING_CONSUMER) == -EBUSY);
	fd = shmring_poll_fd(c);
	NEED(fd >= 0);
	NEED(!shmring_attach(&p, name(), SHMRING_PRODUCER));
	pass_on(p, c);
	receive_by_poll(p, c, fd);
	shmring_close(p);
	NEED(shmring_wait_data(c, &wait) == -ENODATA);
	shmring_close(c);

	NEED(create_named(&p) == -EEXIST);
	NEED(!shmring_unlink(name()));
	NEED(!create_named(&p));
	NEED(attach_by_fd(&other) == -EOPNOTSUPP);	/* the parent's ring, which has lost its name */
	NEED(!attach_by_name(&c));
	pass_on(p, c);
	NEED(create_named(&second) == -EEXIST);
	shmring_close(p);
	shmring_close(c);
	NEED(!is_named());
}

static void use_descriptors_without_proc(void)
{
	struct shmring *r;

	NEED(hide_proc());
	NEED(create_anonymous(&r) == -EOPNOTSUPP);
	NEED(attach_by_fd(&r) == -EOPNOTSUPP);
}

static bool can_hide_proc(void)
{
	int status = 0;
	pid_t pid;

	if (geteuid())
		return false;
	pid = start(try_to_hide_proc);
	return waitpid(pid, &status, 0) == pid && !status;
}

static void names_do_without_proc(void **state)
{
	(void)state;
	if (!can_hide_proc())
		skip();
	ring = new_ring(name(), SHMRING_HANDLE);
	assert_passes(start(use_names_without_proc));
	assert_false(is_named());
	shmring_close(ring);
}

static void descriptors_do_not_without_proc(void **state)
{
	(void)state;
	if (!can_hide_proc())
		skip();
	ring = new_ring(NULL, SHMRING_HANDLE);
	assert_passes(start(use_descriptors_without_proc));
	shmring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(owner_may_become_another_user),
		TEST(owner_without_locks_may_go),
		TEST(worker_may_be_another_user),
		TEST(handle_shows_a_ring_of_another_user),
		TEST(list_has_what_may_be_read),
		TEST(names_do_without_proc),
		TEST(descriptors_do_not_without_proc),
	};

	use_memfd();
	return cmocka_run_group_tests_name("memfd_user", tests, NULL, NULL);
}
