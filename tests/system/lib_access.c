// SPDX-License-Identifier: MIT
/* shmring_chmod() and shmring_chown(): the new values, and the users that may then attach. */
#include <sys/stat.h>

#include "lib.h"

#define DEVICE	"/dev/shmring"
#define USER	1000
#define GROUP	2000

static const char *name;

/* Of any object of an own ring: a handle, or an endpoint; named, kept or anonymous. */
static void test_own(void)
{
	static const unsigned int flags[] = { 0, 0, SHMRING_PERSIST };
	static const unsigned int modes[] = { 0, 0600, 0640, 0666, 0444, 0600 };
	struct shmring *handle, *ends[2];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		struct shmring_options opt = { .flags = flags[i] };

		name = i ? unique("own") : NULL;
		CHECK_EQ(shmring_create(&handle, name, &opt), 0);
		ends[0] = attach(handle, SHMRING_PRODUCER);
		ends[1] = attach(handle, SHMRING_CONSUMER);
		for (j = 0; j < ARRAY_SIZE(modes); j++) {
			context("ring %zu, mode %o", i, modes[j]);
			CHECK_EQ(shmring_chmod(j % 3 ? ends[j % 3 - 1] : handle, modes[j]), 0);
			EXPECT_EQ(info_of(handle).mode, modes[j]);
			EXPECT_EQ(info_of(handle).flags, flags[i]);
		}
		EXPECT_EQ(shmring_chmod(handle, 0700), -EINVAL);
		EXPECT_EQ(shmring_chmod(handle, 01600), -EINVAL);
		EXPECT_EQ(shmring_chown(handle, (uid_t)-1, (gid_t)-1), 0);
		EXPECT_EQ(shmring_chown(ends[0], geteuid(), getegid()), 0);
		EXPECT_EQ(info_of(handle).mode, 0600);
		EXPECT_EQ(info_of(handle).owner, geteuid());
		EXPECT_EQ(info_of(handle).group, getegid());
		/* The endpoints still work. */
		send_number(ends[0], 1);
		EXPECT_EQ(receive_number(ends[1]), 1);
		shmring_close(ends[0]);
		shmring_close(ends[1]);
		shmring_close(handle);
		if (name)	/* one that is to be kept is */
			EXPECT_EQ(shmring_unlink(name), flags[i] ? 0 : -ENOENT);
	}
}

static int attach_as_user(void *want)
{
	struct shmring *r;
	int ret;

	become(USER, USER, NULL, 0);
	ret = shmring_attach(&r, name, SHMRING_CONSUMER);
	EXPECT_EQ(ret, *(int *)want);
	if (!ret)
		shmring_close(r);
	return TEST_PASS;
}

static void expect_attach(int want)
{
	EXPECT_EQ(in_child(attach_as_user, &want), TEST_PASS);
}

static int change_as_user(void *arg)
{
	struct shmring *r;

	(void)arg;
	become(USER, USER, NULL, 0);
	CHECK_EQ(shmring_attach(&r, name, SHMRING_HANDLE), 0);
	EXPECT_EQ(shmring_chmod(r, 0600), -EPERM);
	EXPECT_EQ(shmring_chown(r, USER, (gid_t)-1), -EPERM);
	EXPECT_EQ(shmring_chown(r, (uid_t)-1, USER), -EPERM);
	shmring_close(r);
	return TEST_PASS;
}

static int change_as_owner(void *arg)
{
	const gid_t group = GROUP;
	struct shmring *r;

	(void)arg;
	become(USER, USER, &group, 1);
	CHECK_EQ(shmring_attach(&r, name, SHMRING_HANDLE), 0);
	EXPECT_EQ(shmring_chmod(r, 0640), 0);
	EXPECT_EQ(shmring_chown(r, (uid_t)-1, GROUP), 0);
	EXPECT_EQ(shmring_chown(r, USER, USER), 0);
	EXPECT_EQ(shmring_chown(r, 0, (gid_t)-1), -EPERM);
	EXPECT_EQ(shmring_chown(r, (uid_t)-1, 0), -EPERM);
	EXPECT_EQ(info_of(r).mode, 0640);
	EXPECT_EQ(info_of(r).owner, USER);
	EXPECT_EQ(info_of(r).group, USER);
	shmring_close(r);
	return TEST_PASS;
}

static void test_others(void)
{
	struct shmring *r;

	name = unique("others");
	CHECK_EQ(shmring_create(&r, name, NULL), 0);
	expect_attach(-EACCES);
	CHECK_EQ(shmring_chmod(r, 0666), 0);
	expect_attach(0);
	EXPECT_EQ(in_child(change_as_user, NULL), TEST_PASS);
	EXPECT_EQ(info_of(r).mode, 0666);
	EXPECT_EQ(info_of(r).owner, 0);
	CHECK_EQ(shmring_chmod(r, 0660), 0);
	expect_attach(-EACCES);
	CHECK_EQ(shmring_chown(r, (uid_t)-1, USER), 0);
	expect_attach(0);
	CHECK_EQ(shmring_chown(r, USER, 0), 0);
	EXPECT_EQ(in_child(change_as_owner, NULL), TEST_PASS);
	shmring_close(r);
}

int main(void)
{
	struct stat st;

	need_backend();
	RUN(test_own);
	if (geteuid()) {
		printf("not root: the part about other users is left out\n");
		return finish();
	}
	if (!on_memfd()) {
		CHECK(!stat(DEVICE, &st));
		CHECK(!chmod(DEVICE, 0666));
	}
	RUN(test_others);
	if (!on_memfd())
		CHECK(!chmod(DEVICE, st.st_mode & 07777));
	return finish();
}
