// SPDX-License-Identifier: MIT
/* Waking the other side: the futex, and the file that poll watches. */
#define _GNU_SOURCE 1
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memfd.h"

/* A 32-bit program's time_t may have 64 bits; then the system call is another one. */
#ifdef SYS_futex_time64
#define FUTEX_CALL	(sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex)
#else
#define FUTEX_CALL	SYS_futex
#endif

long shmring_memfd_futex(uint32_t *word, int op, uint32_t value, const struct timespec *until)
{
	return syscall(FUTEX_CALL, word, op, value, until, NULL, FUTEX_BITSET_MATCH_ANY);
}

/*
 * A side that polls watches the file: write to the file, at an offset that is not read. Not
 * through the memfd's first description, for which inotify reports no writes (seen on 6.18).
 * A process without a second description has a named file.
 */
void shmring_memfd_poke(const struct shmring_private *p)
{
	int fd = p->memfd.lock_fd >= 0 ? p->memfd.lock_fd : p->fd;
	ssize_t ret = pwrite(fd, "", 1, poke_offset());

	(void)ret;
	shmring_memfd_pass_on_events();
}

static void wake(const struct shmring_private *p, uint32_t *word, uint32_t *poll)
{
	__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
	shmring_memfd_futex(word, FUTEX_WAKE, INT_MAX, NULL);
	if (__atomic_exchange_n(poll, 0, __ATOMIC_SEQ_CST))
		shmring_memfd_poke(p);
}

/* Wakes the hub if it has this role. The hub that is woken sees which lane is hot. */
void shmring_memfd_wake_role(const struct shmring *r, enum shmring_role role)
{
	struct shmring_memfd_hub *hub = r->priv->memfd.hub;
	uint32_t lane = r->priv->lane;

	if (!hub || role != hub_role(r->priv->topology)) {
		wake(r->priv, &half_of(r, role)->futex, &half_of(r, role)->poll);
		return;
	}
	__atomic_fetch_or(&hub->hot[lane / 64], 1ull << (lane % 64),
			  __ATOMIC_SEQ_CST);	/* N, before the wake-up */
	wake(r->priv, &hub->futex, &hub->poll);
}

/* The reset comes first: a sleeper that arms after it looks for itself. */
void shmring_memfd_wake(struct shmring *r)
{
	SHMRING_NO_CANCEL;
	enum shmring_role peer = peer_role(r);

	if (__atomic_exchange_n(&half_of(r, peer)->wake_at, SHMRING_NO_WAKE, __ATOMIC_SEQ_CST) !=
	    SHMRING_NO_WAKE) {
		count(&owner_of(r, r->role)->wakes);
		shmring_memfd_wake_role(r, peer);
	}
}
