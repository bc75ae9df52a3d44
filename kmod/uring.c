// SPDX-License-Identifier: GPL-2.0
/*
 * Waits as commands of io_uring. Nobody sleeps: an entry on the queue stands for
 * each, which a wake-up takes off and hands to task work; that looks whether there
 * is what was asked for, completes the command or queues the entry again.
 *
 * io_uring runs task work (since 6.10), and takes commands back, with its lock held; so
 * these two do not meet. What both meet is the wake-up, under the queue's lock: whoever
 * takes the entry off the queue has the command, and nobody else touches it. An
 * entry that is not there is on its way to task work.
 *
 * The file is there as long as the command is, which has a reference.
 */
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "compat/uring.h"
#include "ring.h"

struct uring_wait {
	struct wait_queue_entry entry;
	struct io_uring_cmd *cmd;
	struct shmring_file *sf;
	u64 position;		/* of the other side, at which the wait is over */
	unsigned int cancels;	/* sf->cancels when it began */
};

static struct uring_wait **wait_of(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct uring_wait *);
}

/* Under the queue's lock. Task work may free the entry once it is told. */
static int wake_entry(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	struct uring_wait *w = container_of(entry, struct uring_wait, entry);

	list_del_init(&entry->entry);
	shmring_compat_uring_in_task(w->cmd);
	return 1;
}

/* True: it was there, and is the caller's now. */
static bool dequeue(struct uring_wait *w)
{
	struct shmring_side *side = shmring_side(w->sf->ring, w->sf->role);
	bool queued;

	spin_lock_irq(&side->wait.lock);
	queued = !list_empty(&w->entry.entry);
	list_del_init(&w->entry.entry);
	spin_unlock_irq(&side->wait.lock);
	return queued;
}

static void finish(struct uring_wait *w, int ret, unsigned int issue_flags)
{
	struct io_uring_cmd *cmd = w->cmd;

	shmring_disarm(shmring_side(w->sf->ring, w->sf->role));
	kfree(w);
	shmring_compat_uring_done(cmd, ret, issue_flags);
}

/* Bytes from where this side is now, which may have gone on meanwhile, to @position. */
static s64 bytes_to(struct shmring_file *sf, u64 position)
{
	u64 own = shmring_own_position(sf);

	return position - (sf->role == SHMRING_ROLE_CONSUMER ? own : own - sf->ring->capacity);
}

static int ready(struct shmring_file *sf, u64 position)
{
	s64 bytes = bytes_to(sf, position);
	int ret = shmring_ready_armed(sf, clamp_t(s64, bytes, 1, sf->ring->capacity));

	return ret ?: bytes <= 0;
}

static int look(struct uring_wait *w)
{
	int ret = ready(w->sf, w->position);

	if (!ret && READ_ONCE(w->sf->cancels) != w->cancels)
		ret = ready(w->sf, w->position) ?: -ECANCELED;
	return ret;
}

/* Space that is there from the start has a position below zero: see arm_for(). */
static void arm(struct uring_wait *w)
{
	shmring_arm_at_surely(w->sf, max_t(s64, w->position, 0));
}

/* Queue it, arm, and look once more. */
static void go_on(struct uring_wait *w, unsigned int issue_flags)
{
	struct shmring_side *side = shmring_side(w->sf->ring, w->sf->role);
	int ret;

	io_uring_cmd_mark_cancelable(w->cmd, issue_flags);
	add_wait_queue(&side->wait, &w->entry);
	arm(w);
	ret = look(w);
	if (!ret)
		atomic64_inc(&side->nr_sleeps);
	else if (dequeue(w))
		finish(w, min(ret, 0), issue_flags);
}

/* Task work: the entry is off the queue. @dying: so is the process, or io_uring. */
void shmring_uring_woken(struct io_uring_cmd *cmd, unsigned int issue_flags, bool dying)
{
	struct uring_wait *w = *wait_of(cmd);
	int ret = dying ? -ECANCELED : look(w);

	if (ret)
		finish(w, min(ret, 0), issue_flags);
	else
		go_on(w, issue_flags);
}

/* Every wait of @sf looks for itself, and sees that it is over. */
static int cancel_all(struct shmring_file *sf)
{
	struct shmring_side *side = shmring_side(sf->ring, sf->role);

	spin_lock_irq(&side->wait.lock);
	WRITE_ONCE(sf->cancels, sf->cancels + 1);
	spin_unlock_irq(&side->wait.lock);
	shmring_wake_all(side);
	return 0;
}

static int begin(struct io_uring_cmd *cmd, struct shmring_file *sf, unsigned int issue_flags)
{
	/* User space may write to it all the time: each word is read once. */
	const struct shmring_uring_wait *arg = (const void *)cmd->sqe->cmd;
	u64 position = READ_ONCE(arg->position);
	struct uring_wait *w;
	int ret;

	if (READ_ONCE(arg->reserved) || bytes_to(sf, position) > (s64)sf->ring->capacity)
		return -EINVAL;
	ret = ready(sf, position);
	if (ret)
		return min(ret, 0);
	w = kzalloc_obj(*w, GFP_KERNEL_ACCOUNT);
	if (!w)
		return -ENOMEM;
	init_waitqueue_func_entry(&w->entry, wake_entry);
	INIT_LIST_HEAD(&w->entry.entry);
	w->cmd = cmd;
	w->sf = sf;
	w->position = position;
	w->cancels = READ_ONCE(sf->cancels);
	*wait_of(cmd) = w;
	if (issue_flags & IO_URING_F_UNLOCKED)
		shmring_compat_uring_in_task(cmd);
	else
		go_on(w, issue_flags);
	return -EIOCBQUEUED;
}

/* ->uring_cmd: a new command; or (F_CANCEL) one that has to go. */
int shmring_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct shmring_file *sf = cmd->file->private_data;

	if (issue_flags & IO_URING_F_CANCEL) {
		if (dequeue(*wait_of(cmd)))
			finish(*wait_of(cmd), -ECANCELED, issue_flags);
		return 0;
	}
	if ((cmd->flags & IORING_URING_CMD_MASK) || READ_ONCE(cmd->sqe->addr) ||
	    READ_ONCE(cmd->sqe->len))
		return -EINVAL;
	switch (cmd->cmd_op) {
	case SHMRING_URING_WAIT_DATA:
		return sf->role == SHMRING_ROLE_CONSUMER ? begin(cmd, sf, issue_flags) : -ENOTTY;
	case SHMRING_URING_WAIT_SPACE:
		return sf->role == SHMRING_ROLE_PRODUCER ? begin(cmd, sf, issue_flags) : -ENOTTY;
	case SHMRING_URING_CANCEL:
		return sf->role != SHMRING_ROLE_NONE ? cancel_all(sf) : -ENOTTY;
	default:
		return -ENOTTY;
	}
}
