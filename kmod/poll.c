// SPDX-License-Identifier: GPL-2.0
/*
 * poll looks once and does not sleep. Its caller sleeps, and must be woken to call it again.
 * wait.c says how a caller is armed, and why no wake-up is lost.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>

#include "ring.h"

/*
 * SET_LOWAT. A poller that is queued has armed for the old number. If the new one is lower,
 * the poller must look again. The store comes before the wake-up's lock, and a poller
 * queues, under the same lock, before it reads the number.
 */
void shmring_set_lowat(struct shmring_file *sf, u64 bytes)
{
	if (bytes < xchg(&sf->lowat, bytes))
		shmring_wake_all(shmring_side(sf->ring, sf->role));
}
EXPORT_SYMBOL_IF_KUNIT(shmring_set_lowat);

static __poll_t mask_of(struct shmring_file *sf, const struct shmring_look *look, int ret)
{
	bool consumer = sf->role == SHMRING_ROLE_CONSUMER;
	__poll_t mask = 0;

	if (ret == -ESHUTDOWN || ret == -EPIPE)
		return EPOLLERR | EPOLLHUP;
	if (ret)
		mask = consumer ? EPOLLIN | EPOLLRDNORM : EPOLLOUT | EPOLLWRNORM;
	if (ret == -EBADMSG)
		mask |= EPOLLERR;
	if (consumer && look->gone)
		mask |= EPOLLHUP | EPOLLRDHUP;
	return mask;
}

/*
 * Level-triggered: arm only if not ready, because the caller looks again before it next
 * sleeps. Edge-triggered: the caller does not look again and must be woken by whatever
 * comes next, so always arm, for the next position.
 */
__poll_t shmring_poll(struct file *file, poll_table *pt)
{
	struct shmring_file *sf = file->private_data;
	__poll_t events = poll_requested_events(pt);
	bool edge = (events & (EPOLLET | EPOLLONESHOT)) == EPOLLET;
	struct shmring_look look;
	__poll_t mask;
	int ret;

	if (sf->role == SHMRING_ROLE_NONE)
		return EPOLLERR;
	poll_wait(file, &shmring_side(sf->ring, sf->role)->wait, pt);

	shmring_look(sf, &look);
	ret = shmring_judge(sf, &look, READ_ONCE(sf->lowat));
	mask = mask_of(sf, &look, ret);
	/* Once the role is over, the words are those of the next owner. */
	if (mask && (!edge || ret == -ESHUTDOWN))
		return mask;
	if (mask)
		shmring_arm_next_surely(sf, &look);
	else
		shmring_arm_surely(sf, READ_ONCE(sf->lowat));
	shmring_look(sf, &look);
	return mask_of(sf, &look, shmring_judge_armed(sf, &look, READ_ONCE(sf->lowat)));
}
