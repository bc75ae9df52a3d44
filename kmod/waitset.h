/* SPDX-License-Identifier: GPL-2.0 */
/* Wait sets: see waitset.c. */
#ifndef SHMRING_WAITSET_H
#define SHMRING_WAITSET_H

#include <linux/mutex.h>

#include "ring.h"

/* An endpoint in a set. */
struct shmring_member {
	struct shmring_set *set;
	struct shmring_file *sf;	/* NULL: the number is not in use; the set's lock */
	struct file *file;		/* of @sf, with a reference */
	u32 index;
	bool changed;			/* a role has, since the last WAITSET_WAIT; wait.lock */
	bool refused;			/* WAITSET_WAIT has reported a position that went back;
					 * the set's lock
					 */
};

struct shmring_set {
	struct mutex lock;		/* members and scans; only the set's users take it */
	wait_queue_head_t wait;		/* sleepers and pollers */
	struct page *page;		/* what user space maps */
	unsigned long *hot;		/* a bit for each member, in @page */
	struct shmring_member *members;
	u32 max;
	u32 nr_told;			/* how often WAITSET_WAIT has reported what it reports
					 * once; changes under the lock
					 */
};

/* What a scan is for. A poll is repeated for one event, and so leaves the changes of roles. */
enum shmring_scan {
	SHMRING_SCAN_WAIT,
	SHMRING_SCAN_POLL,
	SHMRING_SCAN_EDGE,		/* a poll that is not repeated before the next event */
};

struct shmring_set *shmring_alloc_set(u32 max);
void shmring_free_set(struct shmring_set *set);
int shmring_add_member(struct shmring_set *set, u32 index, struct shmring_file *sf,
		       struct file *file);
int shmring_remove_member(struct shmring_set *set, u32 index);
bool shmring_scan_set(struct shmring_set *set, enum shmring_scan why);
int shmring_cool_set(struct shmring_set *set);
int shmring_wait_set(struct shmring_set *set, ktime_t deadline);

#endif /* SHMRING_WAITSET_H */
