// SPDX-License-Identifier: MIT
/* Sleeping until the other side has published, or is gone. */
#define _GNU_SOURCE 1
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "memfd.h"

#define NS_PER_S	1000000000ull
#define PATIENCE_NS	1000000		/* for a mark above what is needed */
#define FENCE_CREDIT	65536		/* as the module's */

/*
 * Make sure of the barrier between the peer's publications and this side, which has just
 * armed. The module's fence.c has the protocol and its proof.
 */
static void fence_peer(struct shmring *r)
{
	uint64_t position = __atomic_load_n(position_of(r, peer_role(r)), __ATOMIC_RELAXED);
	__shmring_word *fence_until = &half_of(r, r->role)->fence_until;
	uint64_t until = position + (r->capacity > FENCE_CREDIT ? r->capacity : FENCE_CREDIT);
	__u64 seen = __atomic_load_n(fence_until, __ATOMIC_RELAXED);

	if (position < r->priv->memfd.fence_confirmed || seen == SHMRING_FENCE_ALWAYS)
		return;
	/* Do not overwrite a FENCE_ALWAYS that was stored meanwhile. */
	if (!__atomic_compare_exchange_n(fence_until, &seen, until, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return;
	/* J, matches A-C and E-G: on all CPUs that run a process which has registered. */
	if (!syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0))
		r->priv->memfd.fence_confirmed = until;
	else	/* as in agree_on_fences() */
		__atomic_store_n(fence_until, SHMRING_FENCE_ALWAYS, __ATOMIC_SEQ_CST);
}

/*
 * Store in wake_at the position at which there are @bytes. True: look again, because they
 * are there already, or because a consumer waits for more data than there is while the
 * producer waits for space. Both store their wake_at before they look at the other's, so one
 * of them sees it. A producer that waits without sleeping stores space_wanted and fences (K).
 * A wake_at that is not ahead does not count: NO_WAKE is -1, or the producer has seen the
 * space that it waits for, see shmring_look_at_producer().
 */
bool shmring_memfd_arm(struct shmring *r, uint64_t bytes)
{
	enum shmring_role peer = peer_role(r);
	uint64_t own = __atomic_load_n(position_of(r, r->role), __ATOMIC_RELAXED);
	uint64_t at = own + bytes - (r->role == SHMRING_PRODUCER ? r->span : 0);
	uint64_t other, wake_at, wanted = 0;

	__atomic_store_n(&half_of(r, r->role)->wake_at, at, __ATOMIC_SEQ_CST);
	__shmring_fence();			/* D, matches I */
	fence_peer(r);
	other = __atomic_load_n(position_of(r, peer), __ATOMIC_SEQ_CST);
	wake_at = __atomic_load_n(&half_of(r, peer)->wake_at, __ATOMIC_SEQ_CST);
	if (r->role == SHMRING_CONSUMER)
		wanted = __atomic_load_n(&r->producer->space_wanted, __ATOMIC_SEQ_CST);
	if (((int64_t)(wake_at - own) > 0 || (wanted && (int64_t)(wanted - own) > 0)) &&
	    other != own) {
		if (r->role == SHMRING_CONSUMER)
			return true;
		shmring_memfd_wake(r);
	}
	return (int64_t)(other - at) >= 0;
}

/* Sleep until the word changes, or for a slice; then see whether the peer lives. */
static int sleep_slice(struct shmring *r, uint32_t seen, uint64_t slice, uint64_t deadline)
{
	uint64_t end = shmring_now() + slice;
	uint64_t until = deadline && deadline < end ? deadline : end;
	struct timespec ts = {
		.tv_sec = (time_t)(until / NS_PER_S),
		.tv_nsec = (long)(until % NS_PER_S),
	};

	if (!shmring_memfd_futex(&half_of(r, r->role)->futex, FUTEX_WAIT_BITSET, seen, &ts) ||
	    errno == EAGAIN)
		return 1;
	if (errno != ETIMEDOUT)
		return -errno;
	if (deadline && deadline <= shmring_now())
		return -ETIMEDOUT;
	if (slice < SHMRING_CHECK_NS)
		return 0;
	shmring_memfd_check_peer(r);
	return !shmring_memfd_is_live(r, peer_role(r)) &&
	       __atomic_load_n(&half_of(r, peer_role(r))->state, __ATOMIC_ACQUIRE) ==
	       SHMRING_PEER_GONE;
}

/*
 * Sleep for @mark in the first millisecond, then for @bytes: a peer that waits for this side
 * may never publish more.
 */
int shmring_memfd_wait(struct shmring *r, uint64_t bytes, uint64_t mark, uint64_t deadline)
{
	uint64_t slice = mark > bytes ? PATIENCE_NS : SHMRING_CHECK_NS;
	uint32_t seen;
	int ret;

	count(&owner_of(r, r->role)->sleeps);
	for (;;) {
		seen = __atomic_load_n(&half_of(r, r->role)->futex, __ATOMIC_SEQ_CST);
		ret = shmring_memfd_arm(r, mark > bytes ? mark : bytes) ? 1 :
		      sleep_slice(r, seen, slice, deadline);
		if (ret)
			break;
		mark = bytes;
		/* The longer the sleep, the longer its slices. */
		if (slice < SHMRING_CHECK_NS)
			slice = SHMRING_CHECK_NS;
		else if (slice < SHMRING_CHECK_MAX_NS)
			slice *= 2;
	}
	__atomic_store_n(&half_of(r, r->role)->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	return ret < 0 ? ret : 0;
}
