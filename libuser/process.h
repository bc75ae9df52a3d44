/* SPDX-License-Identifier: MIT */
/*
 * What the rings of one process share. It lies in a page that the kernel wipes in a forked child:
 * the child starts afresh, whatever its parent's other threads were doing at the fork.
 */
#ifndef SHMRING_PROCESS_H
#define SHMRING_PROCESS_H

#include <pthread.h>
#include <signal.h>

#include "memfd/state.h"
#include "spin.h"

struct shmring_process {
	uint32_t generation;	/* of this process among its ancestors with rings; 0: no ring yet */
	pthread_mutex_t lock;	/* over the rest, of which all zeros is unlocked */
	sigset_t signals;	/* that the thread with the lock blocks without it */
	struct shmring_spin spin;	/* where each endpoint begins; constant after the first ring */
	struct shmring_memfd_process memfd;
};

extern struct shmring_process *shmring_process;	/* NULL: no ring yet */

/* process.c: before the first ring, and any other. 0, -ENOMEM or -EOPNOTSUPP. */
int shmring_enter_process(void);

/* In between, the caller's signals are blocked. */
void shmring_lock_process(void);
void shmring_unlock_process(void);

#endif /* SHMRING_PROCESS_H */
