// SPDX-License-Identifier: GPL-2.0
/*
 * Waits as commands of io_uring. No thread sleeps: each command has an entry on the side's
 * wait queue. A wake-up takes the entry off the queue and hands the command to task work. The
 * task work looks whether the wait is over, and completes the command or queues the entry again.
 *
 * io_uring holds its lock when it runs task work (since 6.10) and when it cancels a command, so
 * these two cannot race. Each of them can race with a wake-up. The queue's lock decides: the one
 * that takes the entry off the queue owns the command, and the other does not touch it. An
 * entry that is not on the queue is on its way to task work.
 *
 * A command has a reference to its file, which therefore outlives it.
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
	unsigned int cancels;	/* sf->cancels when the command began */
};

static struct uring_wait **wait_of(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct uring_wait *);
}

/* Under the queue's lock. Once task work has the command, it may free the entry. */
static int wake_entry(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	struct uring_wait *w = container_of(entry, struct uring_wait, entry);

	list_del_init(&entry->entry);
	shmring_compat_uring_in_task(w->cmd);
	return 1;
}

/* Take the entry off the queue. True: it was there, and the caller owns the command now. */
static bool dequeue_wait(struct uring_wait *w)
{
	struct shmring_side *side = shmring_side(w->sf->ring, w->sf->role);
	bool queued;

	spin_lock_irq(&side->wait.lock);
	queued = !list_empty(&w->entry.entry);
	list_del_init(&w->entry.entry);
	spin_unlock_irq(&side->wait.lock);
	return queued;
}

static void complete_wait(struct uring_wait *w, int ret, unsigned int issue_flags)
{
	struct io_uring_cmd *cmd = w->cmd;

	shmring_disarm(shmring_side(w->sf->ring, w->sf->role));
	atomic_dec(&w->sf->nr_uring_waits);
	kfree(w);
	shmring_compat_uring_done(cmd, ret, issue_flags);
}

/* Bytes that this side, at @own, lacks until the other side is at @position. */
static s64 bytes_between(const struct shmring_file *sf, u64 own, u64 position)
{
	return position - (sf->role == SHMRING_ROLE_CONSUMER ? own : own - sf->ring->span);
}

/* Uses one look only: this side's position may move on between two. */
static int is_position_reached(struct shmring_file *sf, u64 position)
{
	struct shmring_look look;
	s64 bytes;
	int ret;

	shmring_look(sf, &look);
	bytes = bytes_between(sf, look.own, position);
	ret = shmring_judge_armed(sf, &look, clamp_t(s64, bytes, 1, sf->ring->span));
	return ret ?: bytes <= 0;
}

static int look_for_end(struct uring_wait *w)
{
	int ret = is_position_reached(w->sf, w->position);

	if (!ret && READ_ONCE(w->sf->cancels) != w->cancels)
		ret = is_position_reached(w->sf, w->position) ?: -ECANCELED;
	return ret;
}

/* Space that is there from the start has a position below zero: see arm_for_bytes(). */
static void arm_wait(struct uring_wait *w)
{
	shmring_arm_at_surely(w->sf, max_t(s64, w->position, 0));
}

/* Queue the entry, arm, and look once more. */
static void queue_wait(struct uring_wait *w, unsigned int issue_flags)
{
	struct shmring_side *side = shmring_side(w->sf->ring, w->sf->role);
	int ret;

	io_uring_cmd_mark_cancelable(w->cmd, issue_flags);
	add_wait_queue(&side->wait, &w->entry);
	arm_wait(w);
	ret = look_for_end(w);
	if (!ret)
		atomic64_inc(&side->nr_sleeps);
	else if (dequeue_wait(w))
		complete_wait(w, min(ret, 0), issue_flags);
}

/* Task work: the entry is off the queue. @dying: the process, or its io_uring, is ending. */
void shmring_uring_woken(struct io_uring_cmd *cmd, unsigned int issue_flags, bool dying)
{
	struct uring_wait *w = *wait_of(cmd);
	int ret = dying ? -ECANCELED : look_for_end(w);

	if (ret)
		complete_wait(w, min(ret, 0), issue_flags);
	else
		queue_wait(w, issue_flags);
}

/* Wake every wait of @sf: each then sees the new sf->cancels, and completes. */
static int cancel_all_waits(struct shmring_file *sf)
{
	struct shmring_side *side = shmring_side(sf->ring, sf->role);

	if (shmring_is_over(sf))	/* the next owner's sleepers are not its to wake */
		return 0;
	spin_lock_irq(&side->wait.lock);
	WRITE_ONCE(sf->cancels, sf->cancels + 1);
	spin_unlock_irq(&side->wait.lock);
	shmring_wake_all(side);
	return 0;
}

static int begin_wait(struct io_uring_cmd *cmd, struct shmring_file *sf, unsigned int issue_flags)
{
	/* User space may write to the entry all the time: read each word once. */
	const struct shmring_uring_wait *arg = (const void *)cmd->sqe->cmd;
	u64 position = READ_ONCE(arg->position);
	struct uring_wait *w;
	int ret;

	if (READ_ONCE(arg->reserved) ||
	    bytes_between(sf, shmring_own_position(sf), position) > (s64)sf->ring->span)
		return -EINVAL;
	ret = is_position_reached(sf, position);
	if (ret)
		return min(ret, 0);
	if (atomic_inc_return(&sf->nr_uring_waits) > SHMRING_URING_WAITS_MAX) {
		ret = -EBUSY;
		goto err;
	}
	w = kzalloc_obj(*w, GFP_KERNEL_ACCOUNT);
	if (!w) {
		ret = -ENOMEM;
		goto err;
	}
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
		queue_wait(w, issue_flags);
	return -EIOCBQUEUED;

err:
	atomic_dec(&sf->nr_uring_waits);
	return ret;
}

/* ->uring_cmd: a new command; or (F_CANCEL) a command to cancel. */
int shmring_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct shmring_file *sf = cmd->file->private_data;

	if (issue_flags & IO_URING_F_CANCEL) {
		if (dequeue_wait(*wait_of(cmd)))
			complete_wait(*wait_of(cmd), -ECANCELED, issue_flags);
		return 0;
	}
	if ((cmd->flags & IORING_URING_CMD_MASK) || READ_ONCE(cmd->sqe->addr) ||
	    READ_ONCE(cmd->sqe->len))
		return -EINVAL;
	switch (cmd->cmd_op) {
	case SHMRING_URING_WAIT_DATA:
		return sf->role == SHMRING_ROLE_CONSUMER ? begin_wait(cmd, sf, issue_flags) :
							   -ENOTTY;
	case SHMRING_URING_WAIT_SPACE:
		return sf->role == SHMRING_ROLE_PRODUCER ? begin_wait(cmd, sf, issue_flags) :
							   -ENOTTY;
	case SHMRING_URING_CANCEL:
		return sf->role != SHMRING_ROLE_NONE ? cancel_all_waits(sf) : -ENOTTY;
	default:
		return -ENOTTY;
	}
}
