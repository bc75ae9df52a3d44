// SPDX-License-Identifier: GPL-2.0
/* /proc/shmring: a line for each ring that the reader may use. */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/ipc_namespace.h>
#include <linux/nsproxy.h>
#include <linux/pid.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

#include "ring.h"

const char *shmring_role_name(u32 role)
{
	switch (role) {
	case SHMRING_ROLE_PRODUCER:
		return "producer";
	case SHMRING_ROLE_CONSUMER:
		return "consumer";
	default:
		return "none";
	}
}

const char *shmring_topology_name(u32 topology)
{
	switch (topology) {
	case SHMRING_TOPOLOGY_FAN_IN:
		return "fan-in";
	case SHMRING_TOPOLOGY_WORK:
		return "work";
	default:
		return "ring";
	}
}

/*
 * An anonymous ring has no mode to go by: its owner and root see it. Root of the initial
 * namespaces sees the rings of all namespaces, as they take the machine's memory.
 */
static bool may_see_ring(const struct shmring *ring)
{
	if (!shmring_in_this_ns(ring))
		return shmring_in_initial_ns() && capable(CAP_SYS_ADMIN);
	if (ring->name[0])
		return shmring_granted(ring);
	return uid_eq(current_euid(), ring->uid) ||
	       ns_capable(current->nsproxy->ipc_ns->user_ns, CAP_SYS_ADMIN);
}

/* Checks the process that opened the file: a set-uid program may be made to read the file. */
static bool is_visible(const struct seq_file *m, const struct shmring *ring)
{
	const struct cred *reader = override_creds(m->file->f_cred);
	bool ret = may_see_ring(ring);

	revert_creds(reader);
	return ret;
}

/* A line, as it was when the reader came to it. */
struct row {
	bool visible;
	char name[SHMRING_NAME_MAX];
	kuid_t uid;
	kgid_t gid;
	u32 mode;
	u32 flags;
	u64 capacity;
	u64 used;
	unsigned int producers;
	unsigned int consumers;
	u64 sleeps;
	u64 wakes;
	u64 refused;
	u64 id;
	pid_t producer;
	pid_t consumer;
	unsigned int ipc_inum;	/* 0: the reader's */
	u32 lanes;
};

static unsigned int nr_holders(const struct shmring_side *side)
{
	return READ_ONCE(side->half->state) == SHMRING_PEER_LIVE;
}

static void add_lane(struct row *row, struct shmring *ring)
{
	struct shmring_side *producer = shmring_side(ring, SHMRING_ROLE_PRODUCER);
	struct shmring_side *consumer = shmring_side(ring, SHMRING_ROLE_CONSUMER);
	u64 head, tail;

	shmring_positions(ring, &head, &tail);
	/* Capped: the positions are whatever user space wrote. */
	row->used += min(head - tail, ring->span);
	row->producers += nr_holders(producer);
	row->consumers += nr_holders(consumer);
	row->sleeps += atomic64_read(&producer->nr_sleeps) + atomic64_read(&consumer->nr_sleeps);
	row->wakes += atomic64_read(&producer->nr_wakes) + atomic64_read(&consumer->nr_wakes);
	row->refused += READ_ONCE(*producer->refused) + READ_ONCE(*consumer->refused);
}

/* How many lanes are added up under the lock. */
#define LANES_AT_A_TIME		16

static void add_lanes(struct row *row, struct shmring *ring, u32 from)
{
	u32 i;

	for (i = from; i < min(from + LANES_AT_A_TIME, ring->nr_lanes); i++)
		add_lane(row, shmring_lane_of(ring, i));
}

/* Of a ring with lanes, only the hub has one. */
static pid_t pid_of(struct shmring *ring, u32 role, struct pid_namespace *ns)
{
	return ring->hub_role && role != ring->hub_role ? 0 : shmring_pid_of(ring, role, ns);
}

static void fill_row(struct row *row, struct shmring *ring, struct pid_namespace *ns)
{
	*row = (struct row) {
		.visible = true,
		.uid = ring->uid,
		.gid = ring->gid,
		.mode = ring->mode,
		.flags = ring->flags,
		.capacity = ring->capacity,
		.id = ring->id,
		.producer = pid_of(ring, SHMRING_ROLE_PRODUCER, ns),
		.consumer = pid_of(ring, SHMRING_ROLE_CONSUMER, ns),
		.lanes = ring->nr_lanes,
		.ipc_inum = shmring_in_this_ns(ring) ? 0 : ring->ipc_inum,
	};
	strscpy(row->name, ring->name[0] ? ring->name : "-", sizeof(row->name));
	add_lanes(row, ring, 0);
}

/* If the ring goes meanwhile, the row is what has been added up. */
static void add_other_lanes(struct row *row)
{
	struct shmring *ring;
	u32 from;

	for (from = LANES_AT_A_TIME; from < row->lanes; from += LANES_AT_A_TIME) {
		cond_resched();
		spin_lock(&shmring_names_lock);
		ring = shmring_next_ring(row->id);
		if (ring && ring->id == row->id)
			add_lanes(row, ring, from);
		spin_unlock(&shmring_names_lock);
	}
}

/*
 * The row of the ring with the lowest id that is at least *@pos. The lock is held for
 * this one only, and no reference is kept: a reader that is given hardly any CPU must
 * neither delay other processes nor keep a ring or its name.
 */
static void *read_row(struct seq_file *m, loff_t *pos)
{
	struct row *row = m->private;
	struct shmring *ring;

	cond_resched();
	spin_lock(&shmring_names_lock);
	ring = shmring_next_ring(*pos);
	if (ring) {
		*pos = ring->id;
		row->visible = is_visible(m, ring);
		if (row->visible)
			fill_row(row, ring, proc_pid_ns(file_inode(m->file)->i_sb));
	}
	spin_unlock(&shmring_names_lock);
	if (ring && row->visible)
		add_other_lanes(row);
	return ring ? row : NULL;
}

/* Ids begin at one; before them is the heading. */
static void *first_row(struct seq_file *m, loff_t *pos)
{
	return *pos ? read_row(m, pos) : SEQ_START_TOKEN;
}

static void *next_row(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return read_row(m, pos);
}

static void end_walk(struct seq_file *m, void *v)
{
}

static int show_row(struct seq_file *m, void *v)
{
	const struct row *row = v;
	char ipc[16] = "-";

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, "name                     owner mode   capacity       used producers consumers     sleeps      wakes    refused     id   prod-pid   cons-pid     ipc-ns     group  flags lanes\n");
		return 0;
	}
	if (!row->visible)
		return 0;
	if (row->ipc_inum)
		snprintf(ipc, sizeof(ipc), "%u", row->ipc_inum);
	seq_printf(m, "%-20s %9u %04o %10llu %10llu %9u %9u %10llu %10llu %10llu %6llu %10d %10d %10s %9u  %#5x %5u\n",
		   row->name, from_kuid_munged(seq_user_ns(m), row->uid), row->mode,
		   row->capacity, row->used, row->producers, row->consumers, row->sleeps,
		   row->wakes, row->refused, row->id, row->producer, row->consumer, ipc,
		   from_kgid_munged(seq_user_ns(m), row->gid), row->flags, row->lanes);
	return 0;
}

static const struct seq_operations shmring_seq_ops = {
	.start = first_row,
	.next = next_row,
	.stop = end_walk,
	.show = show_row,
};

int shmring_proc_init(void)
{
	return proc_create_seq_private("shmring", 0444, NULL, &shmring_seq_ops,
				       sizeof(struct row), NULL) ? 0 : -ENOMEM;
}

void shmring_proc_exit(void)
{
	remove_proc_entry("shmring", NULL);
}
