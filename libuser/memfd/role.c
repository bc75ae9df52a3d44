// SPDX-License-Identifier: MIT
/* Coming and going: the roles, who takes them, and where they end. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memfd.h"

/*
 * Can a sleeper make our CPUs execute a barrier, and we the other side's? Lasts
 * until exec.
 */
static bool accept_barriers(void)
{
	return !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
}

/*
 * If not, both sides have to fence. A peer that is just publishing may not have seen
 * it yet; for that one time a sleep can last until its slice of SHMRING_CHECK_NS ends.
 */
static void agree_on_fences(struct shmring *r)
{
	if (accept_barriers())
		return;
	__atomic_store_n(&half_of(r, SHMRING_PRODUCER)->fence_until, SHMRING_FENCE_ALWAYS,
			 __ATOMIC_SEQ_CST);
	__atomic_store_n(&half_of(r, SHMRING_CONSUMER)->fence_until, SHMRING_FENCE_ALWAYS,
			 __ATOMIC_SEQ_CST);
}

/* Where the role that ends leaves its position: as in the module, slots not minded. */
static uint64_t settled(uint64_t own, uint64_t other, bool in_window)
{
	const uint64_t far = SHMRING_NO_WAKE / 4 * 3;

	if (in_window && own < far && own % SHMRING_ALIGN == 0)
		return own;
	return other < far && other % SHMRING_ALIGN == 0 ? other : 0;
}

/*
 * End a role: leave its position within the window, say where the stream ends,
 * then that it does, then wake everybody. Under LOCK_CHANGE.
 */
static void end_role(struct shmring *r, enum shmring_role role)
{
	uint64_t head = __atomic_load_n(&r->producer->head, __ATOMIC_ACQUIRE);
	uint64_t tail = __atomic_load_n(&r->consumer->tail, __ATOMIC_ACQUIRE);
	bool in_window = head - tail <= r->capacity;

	if (role == SHMRING_PRODUCER) {
		head = settled(head, tail, in_window);
		__atomic_store_n(&r->producer->head, head, __ATOMIC_RELAXED);
		__atomic_store_n(&r->lane->end, head, __ATOMIC_RELAXED);
	} else {
		tail = settled(tail, head, in_window);
		__atomic_store_n(&r->consumer->tail, tail, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&half_of(r, role)->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	__atomic_store_n(&half_of(r, role)->state, SHMRING_PEER_GONE, __ATOMIC_SEQ_CST);
	shmring_memfd_wake_role(r, SHMRING_PRODUCER);
	shmring_memfd_wake_role(r, SHMRING_CONSUMER);
	shmring_memfd_poke(r->priv);
}

bool shmring_memfd_is_live(const struct shmring *r, enum shmring_role role)
{
	return __atomic_load_n(&half_of(r, role)->state, __ATOMIC_ACQUIRE) == SHMRING_PEER_LIVE;
}

/*
 * Has the other side died without a word? Then say it in its place. Or somebody else is
 * about to, or has stopped while it was, which is no reason to miss a deadline here.
 */
void shmring_memfd_check_peer(struct shmring *r)
{
	SHMRING_NO_CANCEL;
	enum shmring_role peer = peer_role(r);

	if (!shmring_memfd_is_live(r, peer) || shmring_memfd_alive(r, peer))
		return;
	if (shmring_memfd_lock(r->priv->lock_fd, LOCK_CHANGE, F_WRLCK, F_OFD_SETLK))
		return;
	if (shmring_memfd_is_live(r, peer) && !shmring_memfd_alive(r, peer))
		end_role(r, peer);
	shmring_memfd_lock(r->priv->lock_fd, LOCK_CHANGE, F_UNLCK, F_OFD_SETLK);
}

int shmring_memfd_take_role(struct shmring *r, enum shmring_role role)
{
	struct half *half = half_of(r, role);
	__shmring_word *owner = owner_of(r, role);
	uint32_t epoch;
	int ret;

	if (shmring_memfd_is_live(r, role)) {
		if (shmring_memfd_alive(r, role))
			return -EBUSY;
		end_role(r, role);
	}
	epoch = __atomic_load_n(&half->epoch, __ATOMIC_RELAXED) + 1;
	ret = shmring_memfd_lock(r->priv->lock_fd, shmring_memfd_role_byte(role, epoch), F_WRLCK,
				 F_OFD_SETLK);
	if (ret)
		return ret;
	__atomic_store_n(&owner[0], (uint64_t)getpid(), __ATOMIC_RELAXED);
	__atomic_store_n(&owner[1], r->priv->pid_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&half->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	agree_on_fences(r);
	__atomic_store_n(&half->epoch, epoch, __ATOMIC_RELAXED);
	__atomic_store_n(&half->state, SHMRING_PEER_LIVE, __ATOMIC_SEQ_CST);
	return 0;
}

void shmring_memfd_give_up_role(struct shmring *r)
{
	int fd = r->priv->lock_fd;

	if (shmring_memfd_lock(fd, LOCK_CHANGE, F_WRLCK, F_OFD_SETLKW))
		return;
	end_role(r, r->role);
	shmring_memfd_lock(fd, LOCK_CHANGE, F_UNLCK, F_OFD_SETLK);
}
