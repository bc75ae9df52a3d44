// SPDX-License-Identifier: MIT
/*
 * The memfd backend's errors: whichever error a system call returns, the library's function
 * returns an error that its documentation lists.
 */
#include "memfd_rig.h"

#include <errno.h>
#include <stdio.h>

#include <shmring/hub.h>

#include "faults.h"

static const struct documented {
	const char *function;
	int error;
} documented[] = {
#include "errnos.h"
};

/* The errors of system calls, by their man pages. A lock is a command of fcntl. */
static const struct ending {
	const char *call;
	int errors[8];
} endings[] = {
	{ "open", { EACCES, EROFS, ENOENT, EMFILE, ENFILE, ENOMEM } },
	{ "memfd_create", { EMFILE, ENFILE, ENOMEM } },
	{ "linkat", { EACCES, EROFS, ENOSPC, ENOMEM } },
	{ "unlink", { EACCES, EPERM, EROFS, ENOMEM } },
	{ "fcntl", { EMFILE, ENOMEM } },
	{ "lock", { ENOLCK, ENOMEM } },
	{ "fchmod", { EROFS, ENOMEM } },
	{ "fchown", { EROFS, EPERM, ENOMEM } },
	{ "posix_fallocate", { ENOSPC, EFBIG, ENOMEM } },
	{ "pwrite", { ENOSPC, EFBIG, ENOMEM } },
	{ "mmap", { ENOMEM, EAGAIN, ENFILE } },
	{ "madvise", { ENOMEM, EAGAIN } },
	{ "epoll_create1", { EMFILE, ENFILE, ENOMEM } },
	{ "epoll_ctl", { ENOSPC, ENOMEM } },
	{ "timerfd_create", { EMFILE, ENFILE, ENOMEM } },
	{ "eventfd", { EMFILE, ENFILE, ENOMEM } },
	{ "pthread_create", { EAGAIN } },
	{ "inotify_init1", { EMFILE, ENFILE, ENOMEM } },
	{ "inotify_add_watch", { ENOSPC, ENOMEM, EACCES, ENOENT } },
};

static bool is_documented(const char *function, int error)
{
	size_t i;

	for (i = 0; i < sizeof(documented) / sizeof(*documented); i++)
		if (!strcmp(documented[i].function, function) && documented[i].error == error)
			return true;
	return false;
}

/* Let each @call in turn fail with @error, until none is left that could. */
static unsigned int surprises_of(const char *function, int (*fn)(struct shmring **r),
				 const char *call, int error)
{
	unsigned int n, surprises = 0;
	bool happened = true, creates = !strcmp(function, "shmring_create");
	struct shmring *r;
	int ret;

	for (n = 1; happened; n++) {
		r = NULL;
		ring = creates ? NULL : new_ring(name(), SHMRING_PRODUCER);
		fault_in(call, error, n);
		ret = fn(&r);
		happened = fault_happened();
		fault_at(0);
		shmring_close(r);
		shmring_unlink(name());
		shmring_close(ring);
		if (ret >= 0 || is_documented(function, -ret))
			continue;
		print_error("%s: %s after %s ended with %s\n", function, strerrorname_np(-ret),
			    call, strerrorname_np(error));
		surprises++;
	}
	return surprises;
}

static void assert_documented(const char *function, int (*fn)(struct shmring **r))
{
	unsigned int surprises = 0;
	const struct ending *e;
	const int *error;

	for (e = endings; e < endings + sizeof(endings) / sizeof(*endings); e++)
		for (error = e->errors; *error; error++)
			surprises += surprises_of(function, fn, e->call, *error);
	assert_int_equal(surprises, 0);
}

static int create_to_persist(struct shmring **r)
{
	return create(r, name(), SHMRING_PERSIST);
}

static int unlink_it(struct shmring **r)
{
	(void)r;
	return shmring_unlink(name());
}

static int get_a_poll_fd(struct shmring **r)
{
	(void)r;
	return shmring_poll_fd(ring);
}

static int create_hub(struct shmring **r)
{
	const struct shmring_hub_options opt = { .lanes = 2, .backend = SHMRING_MEMFD };
	struct shmring_hub *h;
	int ret = shmring_hub_create(&h, NULL, &opt);

	(void)r;
	if (!ret)
		shmring_hub_close(h);
	return ret;
}

/* That of a ring without lanes ends with -EPROTO, if not before. */
static int attach_hub(struct shmring **r)
{
	struct shmring_hub *h;
	int ret = shmring_hub_attach_fd(&h, shmring_fd(ring), NULL);

	(void)r;
	if (!ret)
		shmring_hub_close(h);
	return ret;
}

static void hub_ends_as_documented(void **state)
{
	(void)state;
	assert_documented("shmring_hub_create", create_hub);
	assert_documented("shmring_hub_attach_fd", attach_hub);
}

static void create_ends_as_documented(void **state)
{
	(void)state;
	assert_documented("shmring_create", create_anonymous);
	assert_documented("shmring_create", create_named);
	assert_documented("shmring_create", create_to_persist);
}

static void attach_ends_as_documented(void **state)
{
	(void)state;
	assert_documented("shmring_attach", attach_by_name);
	assert_documented("shmring_attach_fd", attach_by_fd);
}

static void unlink_ends_as_documented(void **state)
{
	(void)state;
	assert_documented("shmring_unlink", unlink_it);
}

static void poll_fd_ends_as_documented(void **state)
{
	(void)state;
	assert_documented("shmring_poll_fd", get_a_poll_fd);
}

static int change_mode(struct shmring **r)
{
	(void)r;
	return shmring_chmod(ring, 0640);
}

static int change_owner(struct shmring **r)
{
	(void)r;
	return shmring_chown(ring, geteuid(), getegid());
}

static void access_ends_as_documented(void **state)
{
	(void)state;
	assert_documented("shmring_chmod", change_mode);
	assert_documented("shmring_chown", change_owner);
}

/* Each error has a text of its own, which ends with the error's name. */
static void each_error_has_its_text(void **state)
{
	const char *text, *name;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(documented) / sizeof(*documented); i++) {
		text = shmring_strerror(-documented[i].error);
		name = strerrorname_np(documented[i].error);
		if (!strchr(text, '(') || strncmp(strrchr(text, '(') + 1, name, strlen(name)))
			fail_msg("%s: %s", name, text);
	}
	assert_string_equal(shmring_strerror(-ENOENT), "no such ring (ENOENT)");
	assert_string_equal(shmring_strerror(-EXDEV), strerror(EXDEV));
	assert_string_equal(shmring_strerror(0), strerror(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(create_ends_as_documented),
		TEST(attach_ends_as_documented),
		TEST(unlink_ends_as_documented),
		TEST(poll_fd_ends_as_documented),
		SHARED(poll_fd_ends_as_documented),
		TEST(access_ends_as_documented),
		TEST(hub_ends_as_documented),
		TEST(each_error_has_its_text),
	};

	use_memfd();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
