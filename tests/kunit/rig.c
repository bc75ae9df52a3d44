// SPDX-License-Identifier: GPL-2.0
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "rig.h"

KUNIT_DEFINE_ACTION_WRAPPER(put_ring, shmring_put, struct shmring *);
KUNIT_DEFINE_ACTION_WRAPPER(end_role, detach, struct shmring_file *);

struct shmring *new_ring(u64 capacity, u32 slot_size)
{
	const struct shmring_geometry g = { .capacity = capacity, .slot_size = slot_size };

	return shmring_alloc(&g);
}

static struct shmring *keep(struct kunit *test, struct shmring *ring)
{
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ring);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_ring, ring), 0);
	return ring;
}

struct shmring *make_ring(struct kunit *test, u64 capacity)
{
	return keep(test, new_ring(capacity, 0));
}

struct shmring *make_slots(struct kunit *test, u32 slot_size)
{
	return keep(test, new_ring(CAPACITY, slot_size));
}

struct shmring *make_of(struct kunit *test, u32 slot_size, u64 slots, u32 align)
{
	const struct shmring_geometry g = {
		.capacity = CAPACITY,
		.slots = slots,
		.slot_size = slot_size,
		.align = align,
	};

	return keep(test, shmring_alloc(&g));
}

struct shmring_file *attach(struct kunit *test, struct shmring *ring, u32 role)
{
	struct shmring_file *sf = kunit_kzalloc(test, sizeof(*sf), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, sf);
	sf->ring = ring;
	sf->role = role;
	sf->rights = SHMRING_RIGHT_ALL;
	sf->lowat = 1;
	KUNIT_ASSERT_EQ(test, shmring_role_begin(sf), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, end_role, sf), 0);
	return sf;
}

void detach(struct shmring_file *sf)
{
	spin_lock(&sf->ring->lock);
	shmring_role_end(sf);
	spin_unlock(&sf->ring->lock);
}

bool is_listed(struct shmring *ring)
{
	struct shmring *r;
	bool found = false;

	/* The ring may be free already: only the pointer is compared. */
	spin_lock(&shmring_names_lock);
	for (r = shmring_next_ring(0); r; r = shmring_next_ring(r->id + 1))
		found |= r == ring;
	spin_unlock(&shmring_names_lock);
	return found;
}

static bool fits_below(unsigned long limit)
{
	unsigned long old = shmring_max_pages;
	struct shmring *ring;

	WRITE_ONCE(shmring_max_pages, limit);
	ring = new_ring(PAGE_SIZE, 0);
	WRITE_ONCE(shmring_max_pages, old);
	if (IS_ERR(ring))
		return false;
	shmring_free(ring);
	return true;
}

/* The count is private to the module: find the lowest limit at which a ring fits. */
unsigned long total_pages(struct kunit *test)
{
	unsigned long low = 0, high = 1ul << 20;

	KUNIT_ASSERT_TRUE(test, fits_below(high));
	while (low < high) {
		unsigned long middle = low + (high - low) / 2;

		if (fits_below(middle))
			high = middle;
		else
			low = middle + 1;
	}
	return low - 4;		/* three header pages and one of data */
}

KUNIT_DEFINE_ACTION_WRAPPER(put_the_cred, put_cred, const struct cred *);
KUNIT_DEFINE_ACTION_WRAPPER(put_the_groups, put_group_info, struct group_info *);

struct cred *make_cred(struct kunit *test, u32 uid, u32 gid, u32 group)
{
	struct group_info *groups = groups_alloc(1);
	struct cred *cred;

	KUNIT_ASSERT_NOT_NULL(test, groups);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_the_groups, groups), 0);
	cred = prepare_creds();
	KUNIT_ASSERT_NOT_NULL(test, cred);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, put_the_cred, cred), 0);

	groups->gid[0] = KGIDT_INIT(group);
	set_groups(cred, groups);
	cred->uid = KUIDT_INIT(uid);
	cred->euid = cred->uid;
	cred->suid = cred->uid;
	cred->fsuid = cred->uid;
	cred->gid = KGIDT_INIT(gid);
	cred->egid = cred->gid;
	cred->sgid = cred->gid;
	cred->fsgid = cred->gid;
	cap_clear(cred->cap_effective);
	cap_clear(cred->cap_permitted);
	return cred;
}

static int sleep_once(void *data)
{
	struct sleeper *s = data;

	allow_signal(SIGUSR1);
	allow_signal(SIGKILL);
	s->ret = shmring_wait(s->sf, s->bytes, s->mark, s->deadline ?: KTIME_MAX);
	complete_all(&s->done);
	return 0;
}

static void stop_sleeper(void *data)
{
	struct sleeper *s = data;

	/* The thread ignores signals until it allows them. */
	while (!wait_for_completion_timeout(&s->done, 1))
		send_sig(SIGKILL, s->task, 1);
	kthread_stop(s->task);
	put_task_struct(s->task);
}

static struct sleeper *make_sleeper(struct kunit *test, struct shmring_file *sf)
{
	struct sleeper *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->sf = sf;
	init_completion(&s->done);
	return s;
}

static void run_sleeper(struct kunit *test, struct sleeper *s, int (*fn)(void *))
{
	s->task = kthread_create(fn, s, "shmring-sleeper");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, s->task);
	get_task_struct(s->task);
	wake_up_process(s->task);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, stop_sleeper, s), 0);
}

struct sleeper *start_sleeper(struct kunit *test, struct shmring_file *sf, u64 bytes,
			      u64 mark, ktime_t deadline)
{
	struct sleeper *s = make_sleeper(test, sf);

	s->bytes = bytes;
	s->mark = mark;
	s->deadline = deadline;
	run_sleeper(test, s, sleep_once);
	return s;
}

struct sleeper *start_helper(struct kunit *test, int (*fn)(void *), struct shmring_file *sf)
{
	struct sleeper *s = make_sleeper(test, sf);

	run_sleeper(test, s, fn);
	return s;
}

void await_sleeps(struct kunit *test, struct shmring_file *sf, u64 times)
{
	struct shmring_side *side = shmring_side(sf->ring, sf->role);
	int left = HANG_MS;

	while (atomic64_read(&side->nr_sleeps) < times && left-- > 0)
		msleep(1);
	KUNIT_ASSERT_EQ(test, atomic64_read(&side->nr_sleeps), times);
}

int result_of(struct kunit *test, struct sleeper *s)
{
	KUNIT_ASSERT_NE_MSG(test, 0,
			    wait_for_completion_timeout(&s->done, msecs_to_jiffies(HANG_MS)),
			    "still asleep: a lost wake-up");
	return s->ret;
}

MODULE_DESCRIPTION("KUnit tests of shmring");
MODULE_AUTHOR("The shmring authors");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
