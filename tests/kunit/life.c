// SPDX-License-Identifier: GPL-2.0
/* How long a ring lives, and which references keep the ring and the module. */
#include <linux/module.h>
#include <linux/string.h>

#include "rig.h"

#define NAME	"kunit-life"

/* The caller's reference is in @ring, and is not put at the end of the case. */
static struct shmring *make_loose(struct kunit *test, const char *name, u32 flags)
{
	struct shmring *ring = new_ring(CAPACITY, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	KUNIT_ASSERT_EQ(test, shmring_register(ring, name, 0600, flags), 0);
	return ring;
}

/* The use count of shmring.ko, which is beside this module in /sys/module. */
static int module_count(struct kunit *test)
{
	struct kobject *kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, "shmring");
	int count;

	KUNIT_ASSERT_NOT_NULL(test, kobj);
	count = module_refcount(container_of(kobj, struct module_kobject, kobj)->mod);
	kobject_put(kobj);
	return count;
}

static int lookup(const char *name)
{
	struct shmring *ring = shmring_lookup(name, SHMRING_RIGHT_ALL);

	if (IS_ERR(ring))
		return PTR_ERR(ring);
	shmring_put(ring);
	return 0;
}

static void last_put_frees(struct kunit *test)
{
	const unsigned long before = total_pages(test);
	struct shmring *ring = make_loose(test, NAME, 0);

	KUNIT_EXPECT_TRUE(test, is_listed(ring));
	shmring_put(ring);
	KUNIT_EXPECT_FALSE(test, is_listed(ring));
	KUNIT_EXPECT_EQ(test, lookup(NAME), -ENOENT);
	KUNIT_EXPECT_EQ(test, total_pages(test), before);
}

static void put_frees_unregistered(struct kunit *test)
{
	const unsigned long before = total_pages(test);
	struct shmring *ring = new_ring(CAPACITY, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	shmring_put(ring);
	KUNIT_EXPECT_EQ(test, total_pages(test), before);
}

static void lookup_holds(struct kunit *test)
{
	struct shmring *ring = make_loose(test, NAME, 0);

	KUNIT_EXPECT_PTR_EQ(test, shmring_lookup(NAME, SHMRING_RIGHT_ALL), ring);
	KUNIT_EXPECT_EQ(test, refcount_read(&ring->ref), 2);
	shmring_put(ring);
	KUNIT_EXPECT_TRUE(test, is_listed(ring));
	KUNIT_EXPECT_EQ(test, lookup(NAME), 0);
	shmring_put(ring);
	KUNIT_EXPECT_FALSE(test, is_listed(ring));
}

static void unlinked_lives_until_put(struct kunit *test)
{
	struct shmring *ring = make_loose(test, NAME, 0);

	KUNIT_EXPECT_EQ(test, shmring_unlink(NAME), 0);
	KUNIT_EXPECT_TRUE(test, is_listed(ring));
	KUNIT_EXPECT_EQ(test, refcount_read(&ring->ref), 1);
	shmring_put(ring);
	KUNIT_EXPECT_FALSE(test, is_listed(ring));
}

static void without_persist_module_is_free(struct kunit *test)
{
	const int before = module_count(test);
	struct shmring *ring = make_loose(test, NAME, 0);

	KUNIT_EXPECT_EQ(test, module_count(test), before);
	shmring_put(ring);
}

static void persist_outlives_its_holders(struct kunit *test)
{
	const unsigned long pages = total_pages(test);
	const int before = module_count(test);
	struct shmring *ring = make_loose(test, NAME, SHMRING_CREATE_F_PERSIST);

	KUNIT_EXPECT_EQ(test, module_count(test), before + 1);
	set_positions(ring, 24, 16);
	shmring_put(ring);
	KUNIT_EXPECT_TRUE(test, is_listed(ring));
	KUNIT_EXPECT_EQ(test, lookup(NAME), 0);
	KUNIT_EXPECT_EQ(test, shmring_used(ring), 8);

	KUNIT_EXPECT_EQ(test, shmring_unlink(NAME), 0);
	KUNIT_EXPECT_FALSE(test, is_listed(ring));
	KUNIT_EXPECT_EQ(test, module_count(test), before);
	KUNIT_EXPECT_EQ(test, total_pages(test), pages);
	KUNIT_EXPECT_EQ(test, shmring_unlink(NAME), -ENOENT);
	KUNIT_EXPECT_EQ(test, module_count(test), before);
}

static void persist_unlinked_while_held(struct kunit *test)
{
	const int before = module_count(test);
	struct shmring *ring = make_loose(test, NAME, SHMRING_CREATE_F_PERSIST);

	KUNIT_EXPECT_EQ(test, refcount_read(&ring->ref), 2);
	KUNIT_EXPECT_EQ(test, shmring_unlink(NAME), 0);
	KUNIT_EXPECT_EQ(test, module_count(test), before);
	KUNIT_EXPECT_EQ(test, refcount_read(&ring->ref), 1);
	KUNIT_EXPECT_EQ(test, ring->flags, 0);
	KUNIT_EXPECT_TRUE(test, is_listed(ring));
	shmring_put(ring);
	KUNIT_EXPECT_FALSE(test, is_listed(ring));
}

static void refused_persist_takes_nothing(struct kunit *test)
{
	const int before = module_count(test);
	struct shmring *first = make_loose(test, NAME, 0);
	struct shmring *second = make_ring(test, CAPACITY);

	KUNIT_EXPECT_EQ(test, shmring_register(second, NAME, 0600, SHMRING_CREATE_F_PERSIST),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, refcount_read(&second->ref), 1);
	KUNIT_EXPECT_EQ(test, module_count(test), before);
	shmring_put(first);
}

static void list_in_order_of_making(struct kunit *test)
{
	struct shmring *a = make_loose(test, "", 0);
	struct shmring *b = make_loose(test, "", 0);
	struct shmring *after_a, *after_b;

	spin_lock(&shmring_names_lock);
	after_a = shmring_next_ring(a->id + 1);
	after_b = shmring_next_ring(b->id + 1);
	spin_unlock(&shmring_names_lock);
	KUNIT_EXPECT_PTR_EQ(test, after_a, b);
	KUNIT_EXPECT_PTR_EQ(test, after_b, NULL);
	shmring_put(a);
	shmring_put(b);
	KUNIT_EXPECT_FALSE(test, is_listed(a));
	KUNIT_EXPECT_FALSE(test, is_listed(b));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(last_put_frees),
	KUNIT_CASE(put_frees_unregistered),
	KUNIT_CASE(lookup_holds),
	KUNIT_CASE(unlinked_lives_until_put),
	KUNIT_CASE(without_persist_module_is_free),
	KUNIT_CASE(persist_outlives_its_holders),
	KUNIT_CASE(persist_unlinked_while_held),
	KUNIT_CASE(refused_persist_takes_nothing),
	KUNIT_CASE(list_in_order_of_making),
	{}
};

static struct kunit_suite suite = {
	.name = "life",
	.test_cases = cases,
};

kunit_test_suite(suite);
