// SPDX-License-Identifier: GPL-2.0
/* The rights to change the mode and the owner of a ring, as chmod(2) and chown(2) have them. */
#include "rig.h"

#define OWNER	1000
#define OTHER	2000
#define GROUP	3000
#define TEAM	4000	/* another group of the owner's */

/* NULL: the tests' own credentials, those of the kernel. */
static const struct cred *become(const struct cred *cred)
{
	return cred ? override_creds(cred) : NULL;
}

static void return_from(const struct cred *mine)
{
	if (mine)
		revert_creds(mine);
}

static struct shmring *make_owned(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	const struct cred *mine = become(make_cred(test, OWNER, GROUP, TEAM));
	int ret = shmring_register(ring, "", 0600, 0);

	return_from(mine);
	KUNIT_ASSERT_EQ(test, ret, 0);
	return ring;
}

static int set_access(const struct cred *cred, struct shmring *ring, u32 valid, u32 mode,
		      u32 uid, u32 gid)
{
	const struct shmring_access a = {
		.valid = valid, .mode = mode, .uid = KUIDT_INIT(uid), .gid = KGIDT_INIT(gid),
	};
	const struct cred *mine = become(cred);
	int ret = shmring_set_access(ring, &a);

	return_from(mine);
	return ret;
}

static int set_mode(const struct cred *cred, struct shmring *ring, u32 mode)
{
	return set_access(cred, ring, SHMRING_ACCESS_MODE, mode, 0, 0);
}

static int set_uid(const struct cred *cred, struct shmring *ring, u32 uid)
{
	return set_access(cred, ring, SHMRING_ACCESS_UID, 0, uid, 0);
}

static int set_gid(const struct cred *cred, struct shmring *ring, u32 gid)
{
	return set_access(cred, ring, SHMRING_ACCESS_GID, 0, 0, gid);
}

static void check(struct kunit *test, struct shmring *ring, u32 mode, u32 uid, u32 gid)
{
	KUNIT_EXPECT_EQ(test, ring->mode, mode);
	KUNIT_EXPECT_EQ(test, __kuid_val(ring->uid), uid);
	KUNIT_EXPECT_EQ(test, __kgid_val(ring->gid), gid);
}

static void owner_sets_mode_and_own_groups(struct kunit *test)
{
	struct cred *owner = make_cred(test, OWNER, GROUP, TEAM);
	struct shmring *ring = make_owned(test);

	KUNIT_EXPECT_EQ(test, set_mode(owner, ring, 0), 0);
	KUNIT_EXPECT_EQ(test, set_mode(owner, ring, 0666), 0);
	KUNIT_EXPECT_EQ(test, set_uid(owner, ring, OWNER), 0);
	KUNIT_EXPECT_EQ(test, set_gid(owner, ring, TEAM), 0);
	check(test, ring, 0666, OWNER, TEAM);
	KUNIT_EXPECT_EQ(test, set_uid(owner, ring, OTHER), -EPERM);
	KUNIT_EXPECT_EQ(test, set_gid(owner, ring, OTHER), -EPERM);
	check(test, ring, 0666, OWNER, TEAM);
}

/* The owner may name the present group even after leaving that group. */
static void owner_keeps_a_foreign_group(struct kunit *test)
{
	struct cred *owner = make_cred(test, OWNER, OTHER, OTHER);
	struct shmring *ring = make_owned(test);

	KUNIT_EXPECT_EQ(test, set_gid(owner, ring, GROUP), 0);
	KUNIT_EXPECT_EQ(test, set_gid(owner, ring, OTHER), 0);
	KUNIT_EXPECT_EQ(test, set_gid(owner, ring, GROUP), -EPERM);
	check(test, ring, 0600, OWNER, OTHER);
}

static void group_and_others_change_nothing(struct kunit *test)
{
	struct cred *group = make_cred(test, OTHER, GROUP, GROUP);
	struct shmring *ring = make_owned(test);

	KUNIT_ASSERT_EQ(test, set_mode(NULL, ring, 0666), 0);
	KUNIT_EXPECT_EQ(test, set_mode(group, ring, 0666), -EPERM);
	KUNIT_EXPECT_EQ(test, set_uid(group, ring, OWNER), -EPERM);
	KUNIT_EXPECT_EQ(test, set_uid(group, ring, OTHER), -EPERM);
	KUNIT_EXPECT_EQ(test, set_gid(group, ring, GROUP), -EPERM);
	KUNIT_EXPECT_EQ(test, set_access(group, ring, 0, 0, OTHER, OTHER), 0);
	check(test, ring, 0666, OWNER, GROUP);
}

static void capabilities_go_beyond_that(struct kunit *test)
{
	struct cred *fowner = make_cred(test, OTHER, OTHER, OTHER);
	struct cred *chown = make_cred(test, OTHER, OTHER, OTHER);
	struct shmring *ring = make_owned(test);

	cap_raise(fowner->cap_effective, CAP_FOWNER);
	cap_raise(chown->cap_effective, CAP_CHOWN);
	KUNIT_EXPECT_EQ(test, set_mode(chown, ring, 0666), -EPERM);
	KUNIT_EXPECT_EQ(test, set_mode(fowner, ring, 0640), 0);
	KUNIT_EXPECT_EQ(test, set_uid(fowner, ring, OTHER), -EPERM);
	KUNIT_EXPECT_EQ(test, set_gid(fowner, ring, OTHER), -EPERM);
	KUNIT_EXPECT_EQ(test, set_gid(chown, ring, TEAM), 0);
	KUNIT_EXPECT_EQ(test, set_uid(chown, ring, OTHER), 0);
	check(test, ring, 0640, OTHER, TEAM);
	/* It has a new owner. */
	KUNIT_EXPECT_EQ(test, set_mode(chown, ring, 0600), 0);
}

/* All or nothing, by the owner before the call. */
static void all_or_nothing(struct kunit *test)
{
	struct cred *owner = make_cred(test, OWNER, GROUP, TEAM);
	struct cred *chown = make_cred(test, OTHER, OTHER, OTHER);
	struct shmring *ring = make_owned(test);

	cap_raise(chown->cap_effective, CAP_CHOWN);
	KUNIT_EXPECT_EQ(test, set_access(owner, ring, SHMRING_ACCESS_ALL, 0666, OTHER, TEAM), -EPERM);
	KUNIT_EXPECT_EQ(test, set_access(owner, ring, SHMRING_ACCESS_ALL, 0666, OWNER, OTHER), -EPERM);
	KUNIT_EXPECT_EQ(test, set_access(chown, ring, SHMRING_ACCESS_ALL, 0666, OTHER, OTHER), -EPERM);
	check(test, ring, 0600, OWNER, GROUP);
	KUNIT_EXPECT_EQ(test, set_access(owner, ring, SHMRING_ACCESS_ALL, 0666, OWNER, TEAM), 0);
	check(test, ring, 0666, OWNER, TEAM);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(owner_sets_mode_and_own_groups),
	KUNIT_CASE(owner_keeps_a_foreign_group),
	KUNIT_CASE(group_and_others_change_nothing),
	KUNIT_CASE(capabilities_go_beyond_that),
	KUNIT_CASE(all_or_nothing),
	{}
};

static struct kunit_suite suite = {
	.name = "access",
	.test_cases = cases,
};

kunit_test_suite(suite);
