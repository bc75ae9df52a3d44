// SPDX-License-Identifier: GPL-2.0
/* /proc/shmring: a line for each ring that the reader may use. */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/ipc_namespace.h>
#include <linux/nsproxy.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
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

/* An anonymous ring has no mode to go by: its owner's, and root's, to see. */
static bool may_see(const struct shmring *ring)
{
	if (!shmring_in_this_ns(ring))
		return false;
	if (ring->name[0])
		return shmring_granted(ring);
	return uid_eq(current_euid(), ring->uid) ||
	       ns_capable(current->nsproxy->ipc_ns->user_ns, CAP_SYS_ADMIN);
}

/* To who has opened the file: a set-uid program may be made to read it. */
static bool visible(const struct seq_file *m, const struct shmring *ring)
{
	const struct cred *reader = override_creds(m->file->f_cred);
	bool ret = may_see(ring);

	revert_creds(reader);
	return ret;
}

static void *start(struct seq_file *m, loff_t *pos)
{
	mutex_lock(&shmring_names_lock);
	return seq_list_start_head(&shmring_rings, *pos);
}

static void *next(struct seq_file *m, void *v, loff_t *pos)
{
	return seq_list_next(v, &shmring_rings, pos);
}

static void stop(struct seq_file *m, void *v)
{
	mutex_unlock(&shmring_names_lock);
}

static unsigned int here(const struct shmring_side *side)
{
	return READ_ONCE(side->half->state) == SHMRING_PEER_LIVE;
}

static int show(struct seq_file *m, void *v)
{
	struct shmring_side *producer, *consumer;
	struct shmring *ring;

	if (v == &shmring_rings) {
		seq_puts(m, "name                     owner mode   capacity       used producers consumers     sleeps      wakes    refused\n");
		return 0;
	}
	ring = list_entry(v, struct shmring, list);
	if (!visible(m, ring))
		return 0;
	producer = shmring_side(ring, SHMRING_ROLE_PRODUCER);
	consumer = shmring_side(ring, SHMRING_ROLE_CONSUMER);
	/* used is capped: the positions are whatever user space wrote. */
	seq_printf(m, "%-20s %9u %04o %10llu %10llu %9u %9u %10llu %10llu %10llu\n",
		   ring->name[0] ? ring->name : "-",
		   from_kuid_munged(seq_user_ns(m), ring->uid), ring->mode,
		   ring->capacity, min(shmring_used(ring), ring->capacity),
		   here(producer), here(consumer),
		   atomic64_read(&producer->nr_sleeps) + atomic64_read(&consumer->nr_sleeps),
		   atomic64_read(&producer->nr_wakes) + atomic64_read(&consumer->nr_wakes),
		   READ_ONCE(*producer->refused) + READ_ONCE(*consumer->refused));
	return 0;
}

static const struct seq_operations shmring_seq_ops = {
	.start = start,
	.next = next,
	.stop = stop,
	.show = show,
};

int shmring_proc_init(void)
{
	return proc_create_seq("shmring", 0444, NULL, &shmring_seq_ops) ? 0 : -ENOMEM;
}

void shmring_proc_exit(void)
{
	remove_proc_entry("shmring", NULL);
}
