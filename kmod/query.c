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
	spin_lock(&shmring_names_lock);
	q->mode = ring->mode;
	q->uid = from_kuid_munged(current_user_ns(), ring->uid);
	q->gid = from_kgid_munged(current_user_ns(), ring->gid);
	q->flags = ring->flags;
	memcpy(q->name, ring->name, sizeof(q->name));
	spin_unlock(&shmring_names_lock);
}

static void query(struct shmring_file *sf, struct shmring_ioc_query *q)
{
	struct shmring *ring = sf->ring;
	struct shmring_side *producer = shmring_side(ring, SHMRING_ROLE_PRODUCER);
	struct shmring_side *consumer = shmring_side(ring, SHMRING_ROLE_CONSUMER);
	struct pid_namespace *ns = task_active_pid_ns(current);

	*q = (struct shmring_ioc_query) {
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
		.data_sleeps = atomic64_read(&consumer->nr_sleeps),
		.data_wakes = atomic64_read(&consumer->nr_wakes),
		.space_sleeps = atomic64_read(&producer->nr_sleeps),
		.space_wakes = atomic64_read(&producer->nr_wakes),
		.producer_pid = shmring_pid_of(ring, SHMRING_ROLE_PRODUCER, ns),
		.consumer_pid = shmring_pid_of(ring, SHMRING_ROLE_CONSUMER, ns),
		.data_refused = READ_ONCE(*consumer->refused),
		.space_refused = READ_ONCE(*producer->refused),
	};
	shmring_positions(ring, &q->head, &q->tail);
	shmring_regions(ring, q);
	query_name_and_access(ring, q);
}

long shmring_query(struct shmring_file *sf, unsigned int cmd, void __user *uarg)
{
	const size_t first = offsetof(struct shmring_ioc_query, producer_pid);
	struct shmring_ioc_query q;
	int ret = copy_grown(&q, sizeof(q), first, cmd, uarg);

	if (ret)
		return ret;
	if (q.lane)
		return -EINVAL;
	query(sf, &q);
	return copy_to_user(uarg, &q, min_t(size_t, sizeof(q), _IOC_SIZE(cmd))) ? -EFAULT : 0;
}

void shmring_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct shmring_file *sf = file->private_data;
	struct shmring_ioc_query q;

	query(sf, &q);
	seq_printf(m, "ring-id:\t%llu\n", q.id);
	seq_printf(m, "ring-name:\t%s\n", q.name[0] ? (char *)q.name : "-");
	seq_printf(m, "role:\t%s\n", shmring_role_name(q.role));
	seq_printf(m, "rights:\t%s%s\n", q.rights & SHMRING_RIGHT_CONSUME ? "r" : "-",
		   q.rights & SHMRING_RIGHT_PRODUCE ? "w" : "-");
	seq_printf(m, "capacity:\t%llu\n", q.capacity);
	seq_printf(m, "slot-size:\t%u\n", q.slot_size);
	seq_printf(m, "slots:\t%llu\n", q.slots);
	seq_printf(m, "align:\t%u\n", q.align);
	seq_printf(m, "lowat:\t%llu\n", READ_ONCE(sf->lowat));
	seq_printf(m, "head:\t%llu\n", q.head);
	seq_printf(m, "tail:\t%llu\n", q.tail);
	seq_printf(m, "data-sleeps:\t%llu\n", q.data_sleeps);
	seq_printf(m, "data-wakes:\t%llu\n", q.data_wakes);
	seq_printf(m, "space-sleeps:\t%llu\n", q.space_sleeps);
	seq_printf(m, "space-wakes:\t%llu\n", q.space_wakes);
	seq_printf(m, "data-refused:\t%llu\n", q.data_refused);
	seq_printf(m, "space-refused:\t%llu\n", q.space_refused);
}
