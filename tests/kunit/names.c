// SPDX-License-Identifier: GPL-2.0
/* Names, and what each user may do with them. */
#include <linux/capability.h>
#include <linux/fs_struct.h>
#include <linux/string.h>

#include "rig.h"

#define OWNER	1000
#define GROUP	2000
#define OTHER	3000

#define NAME	"kunit-names"

/* Become another user; with @cred NULL root, which may do anything. */
static const struct cred *become(const struct cred *cred)
{
	return cred ? override_creds(cred) : NULL;
}

static void return_from(const struct cred *mine)
{
	if (mine)
		revert_creds(mine);
}

/* All kernel threads share one umask: take a copy first. */
static int register_as(struct kunit *test, const struct cred *cred, struct shmring *ring,
		       const char *name, u32 mode, u32 umask)
{
	const struct cred *mine;
	int ret;

	KUNIT_ASSERT_EQ(test, unshare_fs_struct(), 0);
	current->fs->umask = umask;
	mine = become(cred);
	ret = shmring_register(ring, name, mode, 0);
	return_from(mine);
	return ret;
}

static int lookup_as(const struct cred *cred, const char *name, u32 rights)
{
	const struct cred *mine = become(cred);
	struct shmring *ring = shmring_lookup(name, rights);

	return_from(mine);
	if (IS_ERR(ring))
		return PTR_ERR(ring);
	shmring_put(ring);
	return 0;
}

static int unlink_as(const struct cred *cred, const char *name)
{
	const struct cred *mine = become(cred);
	int ret = shmring_unlink(name);

	return_from(mine);
	return ret;
}

/* A ring of OWNER, with this mode. */
static struct shmring *make_named(struct kunit *test, const char *name, u32 mode)
{
	struct shmring *ring = make_ring(test, CAPACITY);
	struct cred *owner = make_cred(test, OWNER, GROUP, GROUP);

	KUNIT_ASSERT_EQ(test, register_as(test, owner, ring, name, mode, 0), 0);
	return ring;
}

/* Printable ASCII except the space and the slash. */
static bool good_byte(int c)
{
	return c > ' ' && c < 0x7f && c != '/';
}

static void check_name_every_byte(struct kunit *test)
{
	int c;

	for (c = 0; c < 256; c++) {
		const u8 alone[SHMRING_NAME_MAX] = { c };
		const u8 first[SHMRING_NAME_MAX] = { c, 'a' };
		const u8 last[SHMRING_NAME_MAX] = { 'a', c };

		KUNIT_EXPECT_EQ_MSG(test, shmring_check_name(alone),
				    (good_byte(c) && c != '.') || !c ? 0 : -EINVAL, "byte %d", c);
		KUNIT_EXPECT_EQ_MSG(test, shmring_check_name(first),
				    good_byte(c) || !c ? 0 : -EINVAL, "byte %d first", c);
		KUNIT_EXPECT_EQ_MSG(test, shmring_check_name(last),
				    good_byte(c) || !c ? 0 : -EINVAL, "byte %d last", c);
	}
}

static void check_name_dots(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, shmring_check_name((u8[SHMRING_NAME_MAX]){ "." }), -EINVAL);
	KUNIT_EXPECT_EQ(test, shmring_check_name((u8[SHMRING_NAME_MAX]){ ".." }), -EINVAL);
	KUNIT_EXPECT_EQ(test, shmring_check_name((u8[SHMRING_NAME_MAX]){ "..." }), 0);
	KUNIT_EXPECT_EQ(test, shmring_check_name((u8[SHMRING_NAME_MAX]){ ".a" }), 0);
	KUNIT_EXPECT_EQ(test, shmring_check_name((u8[SHMRING_NAME_MAX]){ "a.." }), 0);
}

static void check_name_needs_nul(struct kunit *test)
{
	u8 name[SHMRING_NAME_MAX];

	memset(name, 'a', sizeof(name));
	KUNIT_EXPECT_EQ(test, shmring_check_name(name), -EINVAL);
	name[SHMRING_NAME_MAX - 1] = 0;
	KUNIT_EXPECT_EQ(test, shmring_check_name(name), 0);
	name[SHMRING_NAME_MAX - 2] = '/';
	KUNIT_EXPECT_EQ(test, shmring_check_name(name), -EINVAL);
}

static void longest_name_found_again(struct kunit *test)
{
	char name[SHMRING_NAME_MAX] = {};

	memset(name, 'a', sizeof(name) - 1);
	make_named(test, name, 0666);
	KUNIT_EXPECT_EQ(test, lookup_as(NULL, name, SHMRING_RIGHT_ALL), 0);
	name[SHMRING_NAME_MAX - 2] = 0;
	KUNIT_EXPECT_EQ(test, lookup_as(NULL, name, SHMRING_RIGHT_ALL), -ENOENT);
}

/* Bytes after the NUL are no part of the name, and are not copied into the ring. */
static void name_ends_at_nul(struct kunit *test)
{
	static const char name[SHMRING_NAME_MAX] = "short\0and/more";
	struct shmring *ring = make_named(test, name, 0666);

	KUNIT_EXPECT_EQ(test, lookup_as(NULL, "short", SHMRING_RIGHT_ALL), 0);
	KUNIT_EXPECT_PTR_EQ(test, NULL, memchr_inv(ring->name + 5, 0, sizeof(ring->name) - 5));
}

static void register_existing(struct kunit *test)
{
	struct shmring *first = make_named(test, NAME, 0600);
	struct shmring *second = make_ring(test, CAPACITY);
	struct cred *other = make_cred(test, OTHER, OTHER, OTHER);

	KUNIT_EXPECT_EQ(test, register_as(test, NULL, second, NAME, 0600, 0), -EEXIST);
	/* A user that may not see the ring gets the error, too. */
	KUNIT_EXPECT_EQ(test, register_as(test, other, second, NAME, 0600, 0), -EEXIST);
	KUNIT_EXPECT_FALSE(test, is_listed(second));
	KUNIT_EXPECT_EQ(test, refcount_read(&second->ref), 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&first->ref), 1);
	KUNIT_EXPECT_EQ(test, second->name[0], 0);

	KUNIT_EXPECT_EQ(test, register_as(test, NULL, second, NAME "2", 0600, 0), 0);
	KUNIT_EXPECT_TRUE(test, is_listed(second));
}

static void anonymous_never_clash(struct kunit *test)
{
	struct shmring *first = make_named(test, "", 0600);
	struct shmring *second = make_named(test, "", 0600);

	KUNIT_EXPECT_TRUE(test, is_listed(first));
	KUNIT_EXPECT_TRUE(test, is_listed(second));
}

static void register_takes_creators_ids(struct kunit *test)
{
	struct shmring *ring = make_named(test, NAME, 0640);

	KUNIT_EXPECT_EQ(test, __kuid_val(ring->uid), OWNER);
	KUNIT_EXPECT_EQ(test, __kgid_val(ring->gid), GROUP);
	KUNIT_EXPECT_EQ(test, ring->mode, 0640);
}

static void umask_taken_off(struct kunit *test)
{
	static const u32 umasks[] = { 0, 0002, 0022, 0027, 0077, 0222, 0444, 0666, 0777 };
	struct shmring *ring;
	int i;

	for (i = 0; i < ARRAY_SIZE(umasks); i++) {
		ring = make_ring(test, CAPACITY);
		KUNIT_EXPECT_EQ(test, register_as(test, NULL, ring, "", 0666, umasks[i]), 0);
		KUNIT_EXPECT_EQ(test, ring->mode, 0666 & ~umasks[i]);
	}
}

static void lookup_missing(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, lookup_as(NULL, NAME, SHMRING_RIGHT_ALL), -ENOENT);
	make_named(test, NAME, 0666);
	KUNIT_EXPECT_EQ(test, lookup_as(NULL, NAME "-", SHMRING_RIGHT_ALL), -ENOENT);
	KUNIT_EXPECT_EQ(test, lookup_as(NULL, "kunit", SHMRING_RIGHT_ALL), -ENOENT);
}

/* The rights of three mode bits, computed independently of the module. */
static u32 rights_by(u32 bits)
{
	static const u32 rights[8] = {
		[2] = SHMRING_RIGHT_PRODUCE, [3] = SHMRING_RIGHT_PRODUCE,
		[4] = SHMRING_RIGHT_CONSUME, [5] = SHMRING_RIGHT_CONSUME,
		[6] = SHMRING_RIGHT_ALL, [7] = SHMRING_RIGHT_ALL,
	};

	return rights[bits & 7];
}

/* Every mode, for a user whose bits are those at @shift. */
static void check_modes(struct kunit *test, const struct cred *who, int shift)
{
	struct shmring *ring = make_named(test, NAME, 0666);
	u32 mode, wanted;

	for (mode = 0; mode <= 0666; mode++) {
		if (mode & ~0666)
			continue;
		ring->mode = mode;
		for (wanted = 1; wanted <= SHMRING_RIGHT_ALL; wanted++)
			KUNIT_EXPECT_EQ_MSG(test, lookup_as(who, NAME, wanted),
					    wanted & ~rights_by(mode >> shift) ? -EACCES : 0,
					    "mode %04o wanted %u", mode, wanted);
	}
	KUNIT_EXPECT_EQ(test, refcount_read(&ring->ref), 1);
}

static void lookup_by_owner(struct kunit *test)
{
	check_modes(test, make_cred(test, OWNER, OTHER, OTHER), 6);
}

/* The owner has the owner's bits, even if the group's give more. */
static void lookup_by_owner_in_group(struct kunit *test)
{
	check_modes(test, make_cred(test, OWNER, GROUP, GROUP), 6);
}

static void lookup_by_group(struct kunit *test)
{
	check_modes(test, make_cred(test, OTHER, GROUP, OTHER), 3);
}

static void lookup_by_supplementary_group(struct kunit *test)
{
	check_modes(test, make_cred(test, OTHER, OTHER, GROUP), 3);
}

static void lookup_by_other(struct kunit *test)
{
	check_modes(test, make_cred(test, OTHER, OTHER, OTHER), 0);
}

/* A process with another effective user has that user's rights, and not those of its real user. */
static struct cred *make_disguise(struct kunit *test, u32 uid, u32 euid, u32 gid, u32 egid)
{
	struct cred *cred = make_cred(test, uid, gid, OTHER);

	cred->euid = KUIDT_INIT(euid);
	cred->egid = KGIDT_INIT(egid);
	return cred;
}

static void lookup_by_effective_ids(struct kunit *test)
{
	check_modes(test, make_disguise(test, OTHER, OWNER, OTHER, OTHER), 6);
	KUNIT_ASSERT_EQ(test, shmring_unlink(NAME), 0);
	check_modes(test, make_disguise(test, OTHER, OTHER, OTHER, GROUP), 3);
	KUNIT_ASSERT_EQ(test, shmring_unlink(NAME), 0);
	check_modes(test, make_disguise(test, OWNER, OTHER, GROUP, OTHER), 0);
}

static void effective_ids_own_and_unlink(struct kunit *test)
{
	struct cred *owner = make_disguise(test, OTHER, OWNER, OTHER, GROUP);
	struct cred *other = make_disguise(test, OWNER, OTHER, GROUP, OTHER);
	struct shmring *ring = make_ring(test, CAPACITY);

	KUNIT_ASSERT_EQ(test, register_as(test, owner, ring, NAME, 0600, 0), 0);
	KUNIT_EXPECT_EQ(test, __kuid_val(ring->uid), OWNER);
	KUNIT_EXPECT_EQ(test, __kgid_val(ring->gid), GROUP);
	KUNIT_EXPECT_EQ(test, unlink_as(other, NAME), -EPERM);
	KUNIT_EXPECT_EQ(test, unlink_as(owner, NAME), 0);
}

/* Root without its capabilities has the rights of any user. */
static void lookup_by_root_without_capabilities(struct kunit *test)
{
	check_modes(test, make_cred(test, 0, 0, 0), 0);
}

static void lookup_with_cap_ipc_owner(struct kunit *test)
{
	struct cred *cred = make_cred(test, OTHER, OTHER, OTHER);

	make_named(test, NAME, 0);
	KUNIT_EXPECT_EQ(test, lookup_as(cred, NAME, SHMRING_RIGHT_CONSUME), -EACCES);
	cap_raise(cred->cap_effective, CAP_IPC_OWNER);
	KUNIT_EXPECT_EQ(test, lookup_as(cred, NAME, SHMRING_RIGHT_ALL), 0);
}

static void unlink_by_each_user(struct kunit *test)
{
	struct cred *owner = make_cred(test, OWNER, OTHER, OTHER);
	struct cred *group = make_cred(test, OTHER, GROUP, GROUP);
	struct cred *admin = make_cred(test, OTHER, OTHER, OTHER);

	/* In any mode: the mode is the ring's, and not its name's. */
	make_named(test, NAME, 0666);
	KUNIT_EXPECT_EQ(test, unlink_as(group, NAME), -EPERM);
	KUNIT_EXPECT_EQ(test, unlink_as(admin, NAME), -EPERM);
	cap_raise(admin->cap_effective, CAP_IPC_OWNER);
	KUNIT_EXPECT_EQ(test, unlink_as(admin, NAME), -EPERM);
	KUNIT_EXPECT_EQ(test, lookup_as(NULL, NAME, SHMRING_RIGHT_ALL), 0);

	KUNIT_EXPECT_EQ(test, unlink_as(owner, NAME), 0);
	KUNIT_EXPECT_EQ(test, unlink_as(owner, NAME), -ENOENT);

	make_named(test, NAME, 0);
	cap_raise(admin->cap_effective, CAP_SYS_ADMIN);
	KUNIT_EXPECT_EQ(test, unlink_as(admin, NAME), 0);
	KUNIT_EXPECT_EQ(test, lookup_as(NULL, NAME, SHMRING_RIGHT_ALL), -ENOENT);
}

static void unlinked_name_is_free(struct kunit *test)
{
	struct shmring *first = make_named(test, NAME, 0666);
	struct shmring *second;

	KUNIT_ASSERT_EQ(test, unlink_as(NULL, NAME), 0);
	KUNIT_EXPECT_TRUE(test, is_listed(first));
	second = make_named(test, NAME, 0666);
	KUNIT_EXPECT_STREQ(test, second->name, NAME);
	KUNIT_EXPECT_STREQ(test, first->name, "");
}

static void persist_needs_name(struct kunit *test)
{
	struct shmring *ring = make_ring(test, CAPACITY);

	KUNIT_EXPECT_EQ(test, shmring_register(ring, "", 0600, SHMRING_CREATE_F_PERSIST), -EINVAL);
	KUNIT_EXPECT_FALSE(test, is_listed(ring));
	KUNIT_EXPECT_EQ(test, refcount_read(&ring->ref), 1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(check_name_every_byte),
	KUNIT_CASE(check_name_dots),
	KUNIT_CASE(check_name_needs_nul),
	KUNIT_CASE(longest_name_found_again),
	KUNIT_CASE(name_ends_at_nul),
	KUNIT_CASE(register_existing),
	KUNIT_CASE(anonymous_never_clash),
	KUNIT_CASE(register_takes_creators_ids),
	KUNIT_CASE(umask_taken_off),
	KUNIT_CASE(lookup_missing),
	KUNIT_CASE(lookup_by_owner),
	KUNIT_CASE(lookup_by_owner_in_group),
	KUNIT_CASE(lookup_by_group),
	KUNIT_CASE(lookup_by_supplementary_group),
	KUNIT_CASE(lookup_by_other),
	KUNIT_CASE(lookup_by_effective_ids),
	KUNIT_CASE(effective_ids_own_and_unlink),
	KUNIT_CASE(lookup_by_root_without_capabilities),
	KUNIT_CASE(lookup_with_cap_ipc_owner),
	KUNIT_CASE(unlink_by_each_user),
	KUNIT_CASE(unlinked_name_is_free),
	KUNIT_CASE(persist_needs_name),
	{}
};

static struct kunit_suite suite = {
	.name = "names",
	.test_cases = cases,
};

kunit_test_suite(suite);
