/* SPDX-License-Identifier: GPL-2.0 */
/* How io_uring's commands are handed to task work, and completed. */
#ifndef SHMRING_COMPAT_URING_H
#define SHMRING_COMPAT_URING_H

#include <linux/io_uring/cmd.h>
#include <linux/sched.h>

#include "ring.h"

/* Newer kernels have types of their own for the arguments of task work. */
#ifdef SHMRING_HAS_URING_FROM_TW
static inline void shmring_compat_uring_woken(struct io_tw_req tw_req, io_tw_token_t tw)
{
	shmring_uring_woken(io_uring_cmd_from_tw(tw_req), IO_URING_CMD_TASK_WORK_ISSUE_FLAGS,
			    tw.cancel);
}
#else
static inline void shmring_compat_uring_woken(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	shmring_uring_woken(cmd, issue_flags, current->flags & (PF_EXITING | PF_KTHREAD));
}
#endif

/* Have shmring_uring_woken() called soon. May be used in a wake function. */
static inline void shmring_compat_uring_in_task(struct io_uring_cmd *cmd)
{
#ifdef SHMRING_HAS_URING_IN_WAKE
	__io_uring_cmd_do_in_task(cmd, shmring_compat_uring_woken, IOU_F_TWQ_IN_WAKE);
#else
	io_uring_cmd_complete_in_task(cmd, shmring_compat_uring_woken);
#endif
}

/* Newer kernels have io_uring_cmd_done32() for a second result. */
static inline void shmring_compat_uring_done(struct io_uring_cmd *cmd, int ret,
					     unsigned int issue_flags)
{
#ifdef SHMRING_HAS_URING_DONE32
	io_uring_cmd_done(cmd, ret, issue_flags);
#else
	io_uring_cmd_done(cmd, ret, 0, issue_flags);
#endif
}

#endif /* SHMRING_COMPAT_URING_H */
