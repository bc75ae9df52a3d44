// SPDX-License-Identifier: GPL-2.0
/* What a ring and an endpoint are: QUERY, and /proc/PID/fdinfo. */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/pid_namespace.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

#include "args.h"
#include "ring.h"

/* The members that shmring_names_lock protects. */
static void query_name_and_access(struct shmring *ring, struct shmring_ioc_query *q)
{
	ring = ring->first;
	spin_lock(&shmring_names_lock);
	q->mode = ring->mode;
	q->uid = from_kuid_munged(current_user_ns(), ring->uid);
	q->gid = from_kgid_munged(current_user_ns(), ring->gid);
	q->flags = ring->flags;
	memcpy(q->name, ring->name, sizeof(q->name));
	spin_unlock(&shmring_names_lock);
}

/* @ring: the lane q->lane; of an endpoint, its own. */
static void query(struct shmring_file *sf, struct shmring *ring, struct shmring_ioc_query *q)
{
	struct shmring_side *producer = shmring_side(ring, SHMRING_ROLE_PRODUCER);
	struct shmring_side *consumer = shmring_side(ring, SHMRING_ROLE_CONSUMER);
	struct pid_namespace *ns = task_active_pid_ns(current);

	*q = (struct shmring_ioc_query) {
		.lane = q->lane,
		.role = sf->role,
		.rights = sf->rights,
		.slot_size = ring->slot_size,
		.align = ring->align,
		.features = ring->status->features,
		.id = ring->id,
		.capacity = ring->capacity,
		.slots = ring->slots,
		.producer_state = READ_ONCE(producer->half->state),
		.consumer_state = READ_ONCE(consumer->half->state),
		.consumer_sleeps = atomic64_read(&consumer->nr_sleeps),
		.consumer_woken = atomic64_read(&consumer->nr_wakes),
		.producer_sleeps = atomic64_read(&producer->nr_sleeps),
		.producer_woken = atomic64_read(&producer->nr_wakes),
		.producer_pid = shmring_pid_of(ring, SHMRING_ROLE_PRODUCER, ns),
		.consumer_pid = shmring_pid_of(ring, SHMRING_ROLE_CONSUMER, ns),
		.consumer_refused = READ_ONCE(*consumer->refused),
		.producer_refused = READ_ONCE(*producer->refused),
		.topology = ring->topology,
		.nr_lanes = ring->nr_lanes,
		.own_lane = ring->index,
	};
	shmring_positions(ring, &q->head, &q->tail);
	shmring_regions(ring, q);
	query_name_and_access(ring, q);
}

long shmring_query(struct shmring_file *sf, unsigned int cmd, void __user *uarg)
{
	const size_t first = offsetof(struct shmring_ioc_query, producer_pid);
	struct shmring_ioc_query q;
	struct shmring *ring;
	int ret = copy_grown(&q, sizeof(q), first, cmd, uarg);

	if (ret)
		return ret;
	if (q.lane >= (sf->role == SHMRING_ROLE_NONE ? sf->ring->nr_lanes : 1))
		return -EINVAL;
	ring = sf->role == SHMRING_ROLE_NONE ? shmring_lane_of(sf->ring, q.lane) : sf->ring;
	query(sf, ring, &q);
	return copy_to_user(uarg, &q, min_t(size_t, sizeof(q), _IOC_SIZE(cmd))) ? -EFAULT : 0;
}

void shmring_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct shmring_file *sf = file->private_data;
	struct shmring_ioc_query q = { .lane = 0 };

	query(sf, sf->ring, &q);
	seq_printf(m, "ring-id:\t%llu\n", q.id);
	seq_printf(m, "ring-name:\t%s\n", q.name[0] ? (char *)q.name : "-");
	seq_printf(m, "role:\t%s\n", shmring_role_name(q.role));
	seq_printf(m, "rights:\t%s%s\n", q.rights & SHMRING_RIGHT_CONSUME ? "r" : "-",
		   q.rights & SHMRING_RIGHT_PRODUCE ? "w" : "-");
	seq_printf(m, "capacity:\t%llu\n", q.capacity);
	seq_printf(m, "slot-size:\t%u\n", q.slot_size);
	seq_printf(m, "slots:\t%llu\n", q.slots);
	seq_printf(m, "align:\t%u\n", q.align);
	seq_printf(m, "topology:\t%s\n", shmring_topology_name(q.topology));
	seq_printf(m, "lanes:\t%u\n", q.nr_lanes);
	seq_printf(m, "lane:\t%u\n", q.own_lane);
	seq_printf(m, "lowat:\t%llu\n", READ_ONCE(sf->lowat));
	seq_printf(m, "head:\t%llu\n", q.head);
	seq_printf(m, "tail:\t%llu\n", q.tail);
	seq_printf(m, "consumer-sleeps:\t%llu\n", q.consumer_sleeps);
	seq_printf(m, "consumer-woken:\t%llu\n", q.consumer_woken);
	seq_printf(m, "producer-sleeps:\t%llu\n", q.producer_sleeps);
	seq_printf(m, "producer-woken:\t%llu\n", q.producer_woken);
	seq_printf(m, "consumer-refused:\t%llu\n", q.consumer_refused);
	seq_printf(m, "producer-refused:\t%llu\n", q.producer_refused);
}
