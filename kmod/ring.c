// SPDX-License-Identifier: GPL-2.0
/* A ring: its pages, their layout, and its life. */
#include <linux/align.h>
#include <linux/build_bug.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "ring.h"

static atomic64_t shmring_last_id = ATOMIC64_INIT(0);

/*
 * Zeroed, and charged to the memory cgroup. Without memory this fails; it does not have
 * the OOM killer end another process.
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

static void init_side(struct shmring *ring, u32 role, struct shmring_half *half,
		      __u64 *position, __u64 *refused)
{
	struct shmring_side *side = shmring_side(ring, role);

	init_waitqueue_head(&side->wait);
	side->half = half;
	side->half->wake_at = SHMRING_NO_WAKE;
	side->position = position;
	side->refused = refused;
	shmring_fence_init(ring, side);
}

static_assert(sizeof(struct shmring_status) == SHMRING_LANE_OFFSET);
static_assert(sizeof(struct shmring_lane) == 256);
static_assert(sizeof(struct shmring_producer) == 128);
static_assert(sizeof(struct shmring_consumer) == 128);

static void lay_out_pages(struct shmring *ring, bool marks)
{
	void *kernel = page_address(ring->pages[SHMRING_KERNEL_PAGE]);
	struct shmring_consumer *consumer = page_address(ring->pages[SHMRING_CONSUMER_PAGE]);
	struct shmring_producer *producer = page_address(ring->pages[SHMRING_PRODUCER_PAGE]);

	ring->status = kernel;
	ring->lane = kernel + SHMRING_LANE_OFFSET;
	*ring->status = (struct shmring_status) {
		.magic = SHMRING_MAGIC,
		.abi = SHMRING_ABI,
		.features = marks ? SHMRING_FEATURE_MARKS : 0,
		.capacity = ring->capacity,
		.slot_size = ring->slot_size,
		.nr_lanes = 1,
		.align = ring->align,
		.slots = ring->slots,
	};
	init_side(ring, SHMRING_ROLE_PRODUCER, &ring->lane->producer, &producer->head,
		  &producer->refused);
	init_side(ring, SHMRING_ROLE_CONSUMER, &ring->lane->consumer, &consumer->tail,
		  &consumer->refused);
}

static bool is_align(const struct shmring_geometry *g)
{
	return is_power_of_2(g->align) && g->align <= SHMRING_ALIGN_MAX &&
	       ((g->slot_size && !g->marks) || g->align >= SHMRING_ALIGN);
}

/* Bytes from one slot to the next, with its mark if it has one; no slots: 0. */
static u32 stride_of(const struct shmring_geometry *g)
{
	return g->marks ? roundup_pow_of_two(g->align + g->slot_size) :
			  ALIGN(g->slot_size, g->align);
}

/* Fill in the members of @g that are 0, and check all, as CREATE in <linux/shmring.h> says. */
static int settle_geometry(struct shmring_geometry *g)
{
	u64 most;

	if (g->capacity > SHMRING_CAPACITY_MAX)
		return -EFBIG;
	if (!g->align)
		g->align = SHMRING_ALIGN;
	if (g->capacity < PAGE_SIZE || !is_power_of_2(g->capacity) || !is_align(g) ||
	    g->slot_size > g->capacity || (g->marks && !g->slot_size))
		return -EINVAL;
	most = g->slot_size ? g->capacity / stride_of(g) : 0;
	if (!g->slots)
		g->slots = most;
	return g->slots > most || (g->slot_size && !most) ? -EINVAL : 0;
}

/* A ring without a topology has one lane, and says nothing of lanes. */
static int settle_lanes(struct shmring_geometry *g)
{
	if (g->topology > SHMRING_TOPOLOGY_WORK)
		return -EINVAL;
	if (g->topology != SHMRING_TOPOLOGY_RING)
		return !g->nr_lanes || g->nr_lanes > SHMRING_LANES_MAX ? -EINVAL : 0;
	if (g->nr_lanes || g->lanes_per_user)
		return -EINVAL;
	g->nr_lanes = 1;
	return 0;
}

static void set_geometry(struct shmring *ring, const struct shmring_geometry *g)
{
	ring->topology = g->topology;
	ring->hub_role = shmring_hub_role(g->topology);
	ring->nr_lanes = g->nr_lanes;
	ring->lanes_per_user = g->lanes_per_user;
	ring->capacity = g->capacity;
	ring->slots = g->slots;
	ring->slot_size = g->slot_size;
	ring->align = g->align;
	ring->step = g->slot_size ? stride_of(g) : g->align;
	ring->span = g->slot_size ? g->slots * ring->step : g->capacity;
	ring->nr_data = g->capacity >> PAGE_SHIFT;
	ring->nr_pages = SHMRING_DATA_PAGE + ring->nr_data;
}

/* A lane without pages. @first: NULL if it is the first one, or the only one. */
static struct shmring *alloc_lane(const struct shmring_geometry *g, struct shmring *first)
{
	struct shmring *ring = kzalloc_obj(*ring, GFP_KERNEL_ACCOUNT);

	if (!ring)
		return NULL;
	refcount_set(&ring->ref, 1);
	refcount_set(&ring->memory, 1);
	spin_lock_init(&ring->lock);
	spin_lock_init(&ring->use_lock);
	RB_CLEAR_NODE(&ring->node);
	INIT_LIST_HEAD(&ring->files);
	set_geometry(ring, g);
	ring->first = first ?: ring;
	if (first)
		refcount_inc(&first->memory);
	ring->id = first ? first->id : atomic64_inc_return(&shmring_last_id);
	return ring;
}

static int fill_lane(struct shmring *ring, bool marks)
{
	int ret = alloc_pages_of(ring);

	if (!ret)
		lay_out_pages(ring, marks);
	return ret;
}

/* Make lane @index beside @first. A failure leaves a lane that shmring_free_lane() frees. */
int shmring_add_lane(struct shmring *first, u32 index, const struct shmring_geometry *g)
{
	struct shmring *ring = alloc_lane(g, first);

	if (!ring)
		return -ENOMEM;
	ring->index = index;
	first->lanes[index] = ring;
	return fill_lane(ring, g->marks);
}

/**
 * shmring_alloc - make a ring
 * @geometry: what CREATE asks for
 *
 * The caller owns the one reference, and the ring has no name yet and is in no
 * set: shmring_register() sees to that, shmring_free() undoes it.
 *
 * Return: the ring, or an error pointer as CREATE in <linux/shmring.h>.
 */
struct shmring *shmring_alloc(const struct shmring_geometry *geometry)
{
	struct shmring_geometry g = *geometry;
	struct shmring *ring;
	int ret = settle_geometry(&g) ?: settle_lanes(&g);

	if (ret)
		return ERR_PTR(ret);
	ring = alloc_lane(&g, NULL);
	if (!ring)
		return ERR_PTR(-ENOMEM);
	ring->nr_charged = ring->nr_pages * g.nr_lanes;
	ret = shmring_charge(ring);
	if (ret)
		goto err;
	ret = fill_lane(ring, g.marks);
	if (!ret && g.topology != SHMRING_TOPOLOGY_RING)
		ret = shmring_alloc_lanes(ring, &g);
	if (ret)
		goto err;
	return ring;

err:
	shmring_free(ring);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_alloc);

/* Free the structure, once the ring is freed and no work of it is under way. */
void shmring_put_memory(struct shmring *ring)
{
	struct shmring *first;

	/* Each further lane has a reference to the structure of the first one. */
	while (refcount_dec_and_test(&ring->memory)) {
		first = ring->first;
		kfree(ring);
		if (first == ring)
			break;
		ring = first;
	}
}

void shmring_free_pages(struct shmring *ring)
{
	unsigned long i;

	for (i = 0; ring->pages && i < ring->nr_pages && ring->pages[i]; i++) {
		put_page(ring->pages[i]);
		cond_resched();
	}
	kvfree(ring->pages);
}

/* Free a ring that no process can reach, or that is half made. */
void shmring_free(struct shmring *ring)
{
	shmring_free_lanes(ring);
	shmring_free_pages(ring);
	shmring_uncharge(ring);
	put_user_ns(ring->user_ns);
	shmring_put_memory(ring);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_free);

/*
 * Drop a reference; with the last one, take the ring out of the set and free it. Does
 * what refcount_dec_and_lock() does, whose locking sparse cannot follow.
 */
void shmring_put(struct shmring *ring)
{
	if (refcount_dec_not_one(&ring->ref))
		return;
	spin_lock(&shmring_names_lock);
	if (!refcount_dec_and_test(&ring->ref)) {
		spin_unlock(&shmring_names_lock);
		return;
	}
	shmring_unregister(ring);
	spin_unlock(&shmring_names_lock);
	shmring_free(ring);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_put);
