// SPDX-License-Identifier: GPL-2.0
/* A ring: its pages, their layout, who holds which role, and its limits. */
#include <linux/build_bug.h>
#include <linux/cred.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "ring.h"

/* Before the data: the kernel's, the consumer's and the producer's page. */
#define NR_HEADER_PAGES		3

unsigned long shmring_max_pages;
EXPORT_SYMBOL_IF_KUNIT(shmring_max_pages);

/* As for any number, but rings are made meanwhile. */
static int set_max_pages(const char *val, const struct kernel_param *kp)
{
	unsigned long pages;
	int ret = kstrtoul(val, 0, &pages);

	if (!ret)
		WRITE_ONCE(shmring_max_pages, pages);
	return ret;
}

static const struct kernel_param_ops max_pages_ops = {
	.set = set_max_pages,
	.get = param_get_ulong,
};

module_param_cb(max_pages, &max_pages_ops, &shmring_max_pages, 0644);
__MODULE_PARM_TYPE(max_pages, "ulong");
MODULE_PARM_DESC(max_pages, "Most pages that all rings may have (default: a quarter of memory)");

static atomic_long_t shmring_total_pages = ATOMIC_LONG_INIT(0);
static atomic64_t shmring_last_id = ATOMIC64_INIT(0);

/* Add to a counter that must not go above its limit. */
static bool charge_counter(atomic_long_t *counter, unsigned long nr, unsigned long limit)
{
	long old = atomic_long_read(counter);

	do {
		if ((unsigned long)old > limit || nr > limit - old)
			return false;
	} while (!atomic_long_try_cmpxchg(counter, &old, old + nr));
	return true;
}

/*
 * RLIMIT_MEMLOCK counts per user, as for io_uring and perf. The credentials hold
 * the user: 6.1 does not export free_uid().
 */
static bool charge_user(struct shmring *ring)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	const struct cred *cred = current_cred();

	if (!charge_counter(&cred->user->locked_vm, ring->nr_pages, limit)) {
		if (!capable(CAP_IPC_LOCK))
			return false;
		atomic_long_add(ring->nr_pages, &cred->user->locked_vm);
	}
	/* It stores a zero that whoever shares the credentials stores: the kernel's race. */
	ring->cred = data_race(get_cred(cred));
	return true;
}

static void uncharge_user(struct shmring *ring)
{
	atomic_long_sub(ring->nr_pages, &ring->cred->user->locked_vm);
	put_cred(ring->cred);
	ring->cred = NULL;
}

/* Who is above his own limit takes nothing of everybody's, not even for a moment. */
static int charge(struct shmring *ring)
{
	if (!charge_user(ring))
		return -EDQUOT;
	if (charge_counter(&shmring_total_pages, ring->nr_pages, READ_ONCE(shmring_max_pages)))
		return 0;
	uncharge_user(ring);
	return -ENOSPC;
}

static void uncharge(struct shmring *ring)
{
	if (!ring->cred)
		return;
	uncharge_user(ring);
	atomic_long_sub(ring->nr_pages, &shmring_total_pages);
}

/*
 * Zeroed, charged to the memory cgroup, and refused rather than bought with the
 * life of some other process.
 */
static int alloc_pages_of(struct shmring *ring)
{
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;
	unsigned long i;

	ring->pages = kvcalloc(ring->nr_pages, sizeof(*ring->pages), gfp);
	if (!ring->pages)
		return -ENOMEM;
	for (i = 0; i < ring->nr_pages; i++) {
		ring->pages[i] = alloc_page(gfp);
		if (!ring->pages[i])
			return -ENOMEM;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static void init_side(struct shmring *ring, u32 role, __u64 *half, __u64 *position,
		      __u64 *refused)
{
	struct shmring_side *side = shmring_side(ring, role);

	init_waitqueue_head(&side->wait);
	side->half = (struct shmring_half *)half;
	side->half->wake_at = SHMRING_NO_WAKE;
	side->position = position;
	side->refused = refused;
	shmring_fence_init(ring, side);
}

/* Either half of the lane starts as struct shmring_half says. */
#define LANE(member)	offsetof(struct shmring_lane, member)
#define SAME_PLACE(first, member, half_member) \
	static_assert(LANE(member) - LANE(first) == offsetof(struct shmring_half, half_member))

SAME_PLACE(data_wake_at, data_fence_until, fence_until);
SAME_PLACE(data_wake_at, consumer_state, state);
SAME_PLACE(data_wake_at, consumer_epoch, epoch);
SAME_PLACE(space_wake_at, space_fence_until, fence_until);
SAME_PLACE(space_wake_at, producer_state, state);
SAME_PLACE(space_wake_at, producer_epoch, epoch);
static_assert(sizeof(struct shmring_status) == SHMRING_LANE_OFFSET);
static_assert(sizeof(struct shmring_lane) == 256);
static_assert(sizeof(struct shmring_producer) == 128);
static_assert(sizeof(struct shmring_consumer) == 128);

static void lay_out(struct shmring *ring)
{
	void *kernel = page_address(ring->pages[0]);
	struct shmring_consumer *consumer = page_address(ring->pages[1]);
	struct shmring_producer *producer = page_address(ring->pages[2]);

	ring->status = kernel;
	ring->lane = kernel + SHMRING_LANE_OFFSET;
	*ring->status = (struct shmring_status) {
		.magic = SHMRING_MAGIC,
		.abi = SHMRING_ABI,
		.capacity = ring->capacity,
		.slot_size = ring->slot_size,
		.nr_lanes = 1,
	};
	init_side(ring, SHMRING_ROLE_PRODUCER, &ring->lane->space_wake_at, &producer->head,
		  &producer->refused);
	init_side(ring, SHMRING_ROLE_CONSUMER, &ring->lane->data_wake_at, &consumer->tail,
		  &consumer->refused);
}

/**
 * shmring_alloc - make a ring
 * @capacity: bytes of data
 * @slot_size: bytes of a slot, or 0 for records
 *
 * The caller owns the one reference, and the ring has no name yet and is on no
 * list: shmring_register() sees to that, shmring_free() undoes it.
 *
 * Return: the ring, or an error pointer as CREATE in <linux/shmring.h>.
 */
struct shmring *shmring_alloc(u64 capacity, u32 slot_size)
{
	struct shmring *ring;
	int ret;

	if (capacity > SHMRING_CAPACITY_MAX)
		return ERR_PTR(-EFBIG);
	if (capacity < PAGE_SIZE || !is_power_of_2(capacity) || slot_size > capacity)
		return ERR_PTR(-EINVAL);

	ring = kzalloc_obj(*ring, GFP_KERNEL_ACCOUNT);
	if (!ring)
		return ERR_PTR(-ENOMEM);
	refcount_set(&ring->ref, 1);
	mutex_init(&ring->lock);
	INIT_LIST_HEAD(&ring->list);
	ring->id = atomic64_inc_return(&shmring_last_id);
	ring->capacity = capacity;
	ring->slot_size = slot_size;
	ring->nr_data = capacity >> PAGE_SHIFT;
	ring->nr_pages = ring->nr_data + NR_HEADER_PAGES;

	ret = charge(ring);
	if (ret)
		goto err;
	ret = alloc_pages_of(ring);
	if (ret)
		goto err;
	lay_out(ring);
	return ring;

err:
	shmring_free(ring);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_alloc);

/* Free a ring that nobody can reach; half-made ones too. */
void shmring_free(struct shmring *ring)
{
	unsigned long i;

	for (i = 0; ring->pages && i < ring->nr_pages && ring->pages[i]; i++) {
		put_page(ring->pages[i]);
		cond_resched();
	}
	kvfree(ring->pages);
	uncharge(ring);
	put_user_ns(ring->user_ns);
	mutex_destroy(&ring->lock);
	kfree(ring);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_free);

/* Drop a reference. The last one takes the ring off the list, then frees it. */
void shmring_put(struct shmring *ring)
{
	if (!refcount_dec_and_mutex_lock(&ring->ref, &shmring_names_lock))
		return;
	list_del(&ring->list);
	mutex_unlock(&shmring_names_lock);
	shmring_free(ring);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_put);

/*
 * Bytes committed and not released. Each word is read once, and is whatever user
 * space wrote: above the capacity, it is a lie, or two moments.
 */
u64 shmring_used(struct shmring *ring)
{
	u64 tail = READ_ONCE(*shmring_side(ring, SHMRING_ROLE_CONSUMER)->position);
	struct shmring_side *producer = shmring_side(ring, SHMRING_ROLE_PRODUCER);

	/* Pairs with the release in shmring_role_end(): the end is there. */
	if (smp_load_acquire(&producer->half->state) == SHMRING_PEER_GONE)
		return READ_ONCE(ring->lane->end) - tail;
	return READ_ONCE(*producer->position) - tail;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_used);

/*
 * Can an honest process have got here? Not to the last quarter of all positions, at
 * whose end they would begin again and a wake-up be lost.
 */
static bool may_stand_at(const struct shmring *ring, u64 position)
{
	u32 step = ring->slot_size ? ALIGN(ring->slot_size, SHMRING_ALIGN) : SHMRING_ALIGN;

	return position < SHMRING_NO_WAKE / 4 * 3 && position % step == 0;
}

/*
 * Leave the position of a role that ends inside the window [tail, head], at most
 * a capacity wide, for whoever comes next. What an honest process left stays; where
 * neither side's word is good for anything, the second to go finds zero.
 */
static u64 settle_position(struct shmring *ring, u32 role)
{
	u64 own = READ_ONCE(*shmring_side(ring, role)->position);
	u64 other = READ_ONCE(*shmring_peer(ring, role)->position);
	u64 used = role == SHMRING_ROLE_PRODUCER ? own - other : other - own;

	if (used <= ring->capacity && may_stand_at(ring, own))
		return own;
	return may_stand_at(ring, other) ? other : 0;
}

/* Take the role of @sf. -EBUSY if somebody has it. */
int shmring_role_begin(struct shmring_file *sf)
{
	struct shmring *ring = sf->ring;
	struct shmring_side *side = shmring_side(ring, sf->role);
	bool was_gone;
	int ret = 0;

	mutex_lock(&ring->lock);
	if (side->owner) {
		ret = -EBUSY;
	} else {
		was_gone = side->half->state == SHMRING_PEER_GONE;
		WRITE_ONCE(side->owner, sf);
		WRITE_ONCE(side->half->epoch, side->half->epoch + 1);
		/* Pairs with the acquires named in shmring_role_end(). */
		smp_store_release(&side->half->state, SHMRING_PEER_LIVE);
		/* Whoever has seen the end is to see a new beginning: an edge. */
		if (was_gone)
			shmring_wake_all(shmring_peer(ring, sf->role));
	}
	mutex_unlock(&ring->lock);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_role_begin);

/*
 * End the role of @sf, if it still has it: say where the stream ends, then that
 * it does, then wake both sides. Called with ring->lock held; nobody can write
 * the position any more, as its mapping is gone.
 */
void shmring_role_end(struct shmring_file *sf)
{
	struct shmring *ring = sf->ring;
	struct shmring_side *side = shmring_side(ring, sf->role);
	u64 position;

	lockdep_assert_held(&ring->lock);
	if (side->owner != sf)
		return;
	position = settle_position(ring, sf->role);
	WRITE_ONCE(*side->position, position);
	if (sf->role == SHMRING_ROLE_PRODUCER)
		WRITE_ONCE(ring->lane->end, position);
	/* Pairs with the acquires in shmring_used(), shmring_ready(), and the library. */
	smp_store_release(&side->half->state, SHMRING_PEER_GONE);
	WRITE_ONCE(side->owner, NULL);
	shmring_set_mm(side, NULL);
	shmring_wake_all(side);
	shmring_wake_all(shmring_peer(ring, sf->role));
}
EXPORT_SYMBOL_IF_KUNIT(shmring_role_end);
