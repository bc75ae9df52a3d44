// SPDX-License-Identifier: GPL-2.0
/* How many pages rings may have, together and for each user. */
#include <linux/capability.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>

#include "rig.h"

#define PAGES	(3 + 1)		/* of a ring of CAPACITY */

static void restore_max_pages(void *old)
{
	WRITE_ONCE(shmring_max_pages, (unsigned long)old);
}

/* Set the limit for this case only. */
static void set_max_pages(struct kunit *test, unsigned long max)
{
	void *old = (void *)shmring_max_pages;

	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, restore_max_pages, old), 0);
	WRITE_ONCE(shmring_max_pages, max);
}

static long locked(void)
{
	return atomic_long_read(&current_user()->locked_vm);
}

/* Allocate as @cred, with a limit of @pages. */
static struct shmring *alloc_as(const struct cred *cred, unsigned long bytes)
{
	struct rlimit *limit = &current->signal->rlim[RLIMIT_MEMLOCK];
	const struct cred *mine = override_creds(cred);
	const struct rlimit old = *limit;
	struct shmring *ring;

	WRITE_ONCE(limit->rlim_cur, bytes);
	ring = new_ring(CAPACITY, 0);
	*limit = old;
	revert_creds(mine);
	return ring;
}

static void remove_file(struct shmring_file *sf)
{
	spin_lock(&sf->ring->lock);
	shmring_remove_file(sf);
	spin_unlock(&sf->ring->lock);
}

static void total_follows_rings(struct kunit *test)
{
	const unsigned long before = total_pages(test);
	struct shmring *ring = new_ring(8 * PAGE_SIZE, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	KUNIT_EXPECT_EQ(test, total_pages(test), before + 3 + 8);
	shmring_free(ring);
	KUNIT_EXPECT_EQ(test, total_pages(test), before);
}

static void max_pages_reached(struct kunit *test)
{
	const unsigned long before = total_pages(test);

	set_max_pages(test, before + 2 * PAGES);
	make_ring(test, CAPACITY);
	make_ring(test, CAPACITY);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(new_ring(CAPACITY, 0)), -ENOSPC);
	KUNIT_EXPECT_EQ(test, total_pages(test), before + 2 * PAGES);
}

/* A limit below the pages in use takes nothing away, and overflows nothing. */
static void max_pages_below_total(struct kunit *test)
{
	make_ring(test, CAPACITY);
	set_max_pages(test, 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(new_ring(CAPACITY, 0)), -ENOSPC);
	WRITE_ONCE(shmring_max_pages, 1);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(new_ring(CAPACITY, 0)), -ENOSPC);
}

static void max_pages_without_bound(struct kunit *test)
{
	set_max_pages(test, ULONG_MAX);
	make_ring(test, CAPACITY);
}

static void memlock_reached(struct kunit *test)
{
	struct cred *cred = make_cred(test, 0, 0, 0);
	const unsigned long before = total_pages(test);
	const long mine = locked();
	struct shmring *ring;

	ring = alloc_as(cred, (mine + PAGES) << PAGE_SHIFT);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	KUNIT_EXPECT_EQ(test, locked(), mine + PAGES);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(alloc_as(cred, (mine + PAGES) << PAGE_SHIFT)),
			-EDQUOT);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(alloc_as(cred, ((mine + 2 * PAGES) << PAGE_SHIFT) - 1)),
			-EDQUOT);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(alloc_as(cred, 0)), -EDQUOT);
	KUNIT_EXPECT_EQ(test, locked(), mine + PAGES);
	KUNIT_EXPECT_EQ(test, total_pages(test), before + PAGES);

	shmring_free(ring);
	KUNIT_EXPECT_EQ(test, locked(), mine);
	KUNIT_EXPECT_EQ(test, total_pages(test), before);
}

/* The pages of exempt users count too: other users cannot have them. */
static void memlock_exempt_with_capability(struct kunit *test)
{
	struct cred *cred = make_cred(test, 0, 0, 0);
	const long mine = locked();
	struct shmring *ring;

	cap_raise(cred->cap_effective, CAP_IPC_LOCK);
	ring = alloc_as(cred, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	KUNIT_EXPECT_EQ(test, locked(), mine + PAGES);
	shmring_free(ring);
	KUNIT_EXPECT_EQ(test, locked(), mine);
}

/* The creator gets the pages back, even if another user frees the ring. */
static void creator_is_charged(struct kunit *test)
{
	struct cred *cred = make_cred(test, 1000, 1000, 1000);
	struct shmring *ring = alloc_as(cred, RLIM_INFINITY);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	KUNIT_EXPECT_PTR_EQ(test, ring->cred, (const struct cred *)cred);
	shmring_free(ring);
}

/* OPEN has found the ring, and adds its file after the creator's last file has gone. */
static void file_that_comes_late_is_charged(struct kunit *test)
{
	struct user_struct *user = kunit_kzalloc(test, sizeof(*user), GFP_KERNEL);
	struct cred *other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);
	struct shmring_file mine = { }, theirs = { };
	const long before = locked();
	struct shmring *ring;

	KUNIT_ASSERT_NOT_NULL(test, user);
	KUNIT_ASSERT_NOT_NULL(test, other);
	*other = *current_cred();
	other->user = user;
	ring = make_ring(test, CAPACITY);
	mine.ring = ring;
	theirs.ring = ring;

	shmring_add_file(&mine, current_cred());
	remove_file(&mine);
	KUNIT_EXPECT_EQ(test, locked(), before + PAGES);
	shmring_add_file(&theirs, other);
	KUNIT_EXPECT_EQ(test, locked(), before);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&user->locked_vm), PAGES);
	remove_file(&theirs);
}

/*
 * A ring that is abandoned while it is being made, as by a SIGKILL while its pages are
 * allocated.
 */
static void half_made_leaves_nothing(struct kunit *test)
{
	const unsigned long before = total_pages(test);
	const long mine = locked();
	struct shmring *ring;

	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	ring = new_ring(16 * PAGE_SIZE, 0);
	flush_signals(current);
	disallow_signal(SIGKILL);

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(ring), -EINTR);
	KUNIT_EXPECT_EQ(test, locked(), mine);
	KUNIT_EXPECT_EQ(test, total_pages(test), before);
}

static void allocations_balance(struct kunit *test)
{
	const unsigned long before = total_pages(test);
	const long mine = locked();
	struct shmring *rings[16];
	int i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		rings[i] = new_ring(PAGE_SIZE << (i % 5), 0);
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(rings[i]), 0);
	}
	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		if (IS_ERR(rings[i]))
			continue;
		nr += rings[i]->nr_pages;
		shmring_free(rings[i]);
	}
	KUNIT_EXPECT_GT(test, nr, 0);
	KUNIT_EXPECT_EQ(test, locked(), mine);
	KUNIT_EXPECT_EQ(test, total_pages(test), before);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(total_follows_rings),
	KUNIT_CASE(max_pages_reached),
	KUNIT_CASE(max_pages_below_total),
	KUNIT_CASE(max_pages_without_bound),
	KUNIT_CASE(memlock_reached),
	KUNIT_CASE(memlock_exempt_with_capability),
	KUNIT_CASE(creator_is_charged),
	KUNIT_CASE(file_that_comes_late_is_charged),
	KUNIT_CASE(half_made_leaves_nothing),
	KUNIT_CASE(allocations_balance),
	{}
};

static struct kunit_suite suite = {
	.name = "limits",
	.test_cases = cases,
};

kunit_test_suite(suite);
