// SPDX-License-Identifier: MIT
/* Taking roles and ending them, those of killed processes included. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memfd.h"

/*
 * Register for membarrier(2), so that a sleeper of the other side can make the CPUs of this
 * process execute a barrier. Lasts until exec.
 */
static bool accept_barriers(void)
{
	return !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
}

/*
 * Without membarrier(2), both sides have to fence. A peer that is publishing at this moment may
 * not see that yet. Then one sleep can last until its slice of SHMRING_CHECK_NS ends.
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

/*
 * Can an honest process have got here? No ring gets to the limit, and signed comparisons and
 * SHMRING_NO_WAKE hold below. A position moves by whole slots, or by the alignment.
 */
static bool may_stand_at(const struct shmring *r, uint64_t position)
{
	return position < SHMRING_POSITION_LIMIT &&
	       position % (r->stride ? r->stride : r->align) == 0;
}

/* The position that a role leaves, by the module's rules. */
static uint64_t settled_position(const struct shmring *r, uint64_t own, uint64_t other,
				 bool in_window)
{
	if (in_window && may_stand_at(r, own))
		return own;
	return may_stand_at(r, other) ? other : 0;
}

/* Called when a role ends and when it is taken: in between, any process can write the word. */
static uint64_t settle_position(struct shmring *r, enum shmring_role role)
{
	uint64_t head = __atomic_load_n(&r->producer->head, __ATOMIC_ACQUIRE);
	uint64_t tail = __atomic_load_n(&r->consumer->tail, __ATOMIC_ACQUIRE);
	bool in_window = head - tail <= r->span, consumes = role == SHMRING_CONSUMER;
	uint64_t position = settled_position(r, consumes ? tail : head, consumes ? head : tail,
					     in_window);

	__atomic_store_n(position_of(r, role), position, __ATOMIC_RELAXED);
	return position;
}

/*
 * End a role: bring its position into the window, store where the stream ends, then the
 * state, then wake both sides. Under LOCK_CHANGE.
 */
static void end_role(struct shmring *r, enum shmring_role role)
{
	uint64_t position = settle_position(r, role);

	if (role == SHMRING_PRODUCER)
		__atomic_store_n(&r->lane->producer.end, position, __ATOMIC_RELAXED);
	__atomic_store_n(&half_of(r, role)->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	__atomic_store_n(&half_of(r, role)->state, state_after(r->priv->memfd.flags, role),
			 __ATOMIC_SEQ_CST);
	shmring_memfd_wake_role(r, SHMRING_PRODUCER);
	shmring_memfd_wake_role(r, SHMRING_CONSUMER);
	shmring_memfd_poke(r->priv);
}

bool shmring_memfd_is_live(const struct shmring *r, enum shmring_role role)
{
	return __atomic_load_n(&half_of(r, role)->state, __ATOMIC_ACQUIRE) == SHMRING_PEER_LIVE;
}

static bool is_owner_alive(const struct shmring *r, enum shmring_role role)
{
	const struct owner *at = owner_of(r, role);
	const struct owner owner = {
		.pid = __atomic_load_n(&at->pid, __ATOMIC_RELAXED),
		.pid_ns = __atomic_load_n(&at->pid_ns, __ATOMIC_RELAXED),
		.started = __atomic_load_n(&at->started, __ATOMIC_RELAXED),
		.unlocked = __atomic_load_n(&at->unlocked, __ATOMIC_RELAXED),
	};
	uint32_t epoch = __atomic_load_n(&half_of(r, role)->epoch, __ATOMIC_RELAXED);

	/* The locks of one description do not exclude each other, and so do not show. */
	return (r->priv->both && owner.pid == (uint64_t)getpid()) ||
	       shmring_memfd_alive(r->priv, role, epoch, &owner);
}

/*
 * If the owner of the other role was killed, end the role in its place. If the lock is
 * taken, another process is changing the roles, or was stopped while it did: do not wait for
 * it, as the caller may have a deadline.
 */
bool shmring_memfd_end_dead_peer(struct shmring *r)
{
	enum shmring_role peer = peer_role(r);

	if (!shmring_memfd_is_live(r, peer) || is_owner_alive(r, peer))
		return true;
	if (shmring_memfd_lock_change(0, r->priv))
		return false;
	if (shmring_memfd_is_live(r, peer) && !is_owner_alive(r, peer))
		end_role(r, peer);
	shmring_memfd_unlock_change(r->priv);
	return true;
}

void shmring_memfd_check_peer(struct shmring *r)
{
	SHMRING_NO_CANCEL;

	shmring_memfd_end_dead_peer(r);
}

static void set_owner(struct shmring *r, enum shmring_role role)
{
	const struct shmring_private *p = r->priv;
	struct owner *owner = owner_of(r, role);

	__atomic_store_n(&owner->pid, (uint64_t)getpid(), __ATOMIC_RELAXED);
	__atomic_store_n(&owner->pid_ns, p->memfd.pid_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&owner->started, p->memfd.started, __ATOMIC_RELAXED);
	__atomic_store_n(&owner->unlocked, (uint64_t)(p->memfd.lock_fd < 0), __ATOMIC_RELAXED);
}

static bool is_drained(const struct shmring *r)
{
	return __atomic_load_n(&r->producer->head, __ATOMIC_RELAXED) ==
	       __atomic_load_n(&r->consumer->tail, __ATOMIC_RELAXED);
}

static int take_role(struct shmring *r, enum shmring_role role)
{
	const struct shmring_private *p = r->priv;
	struct shmring_half *half = half_of(r, role);
	uint32_t epoch;
	int ret = 0;

	if (shmring_memfd_is_live(r, role)) {
		if (is_owner_alive(r, role))
			return -EBUSY;
		end_role(r, role);
	}
	/* A lane that has messages of an earlier producer is not for another one. */
	if (p->topology == SHMRING_TOPOLOGY_FAN_IN && role == SHMRING_PRODUCER && !is_drained(r))
		return -EBUSY;
	if (p->memfd.picky && is_drained(r))
		return -EBUSY;
	epoch = __atomic_load_n(&half->epoch, __ATOMIC_RELAXED) + 1;
	if (p->memfd.lock_fd >= 0)
		ret = shmring_memfd_lock(p->memfd.lock_fd, shmring_memfd_role_byte(p, role, epoch),
					 F_WRLCK, F_OFD_SETLK);
	if (ret)
		return ret;
	settle_position(r, role);
	if (role == SHMRING_PRODUCER)
		__atomic_store_n(&r->producer->space_wanted, 0, __ATOMIC_RELAXED);
	set_owner(r, role);
	__atomic_store_n(&half->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	agree_on_fences(r);
	__atomic_store_n(&half->epoch, epoch, __ATOMIC_RELEASE);
	__atomic_store_n(&half->state, SHMRING_PEER_LIVE, __ATOMIC_SEQ_CST);
	/* The other side may poll for this role to be taken. */
	shmring_memfd_wake_role(r, role == SHMRING_CONSUMER ? SHMRING_PRODUCER :
							      SHMRING_CONSUMER);
	return 0;
}

int shmring_memfd_take_role(struct shmring *r, enum shmring_role role)
{
	int ret = shmring_memfd_lock_change(SETUP_PATIENCE, r->priv);

	if (ret)
		return ret;
	ret = take_role(r, role);
	shmring_memfd_unlock_change(r->priv);
	return ret;
}

/*
 * Another process keeps LOCK_CHANGE: make the owner look dead, so that the peer or the next
 * owner ends the role. Clear `unlocked`, so that they look for the role's lock, and give up that
 * lock, which would stay with a forked child. The process lives on.
 */
static void appear_dead(struct shmring *r)
{
	const struct shmring_private *p = r->priv;
	uint32_t epoch = __atomic_load_n(&half_of(r, r->role)->epoch, __ATOMIC_RELAXED);

	__atomic_store_n(&owner_of(r, r->role)->unlocked, 0, __ATOMIC_SEQ_CST);
	if (p->memfd.lock_fd >= 0)
		shmring_memfd_lock(p->memfd.lock_fd, shmring_memfd_role_byte(p, r->role, epoch),
				   F_UNLCK, F_OFD_SETLK);
	shmring_memfd_poke(p);
}

void shmring_memfd_give_up_role(struct shmring *r)
{
	if (shmring_memfd_lock_change(CLOSE_PATIENCE, r->priv)) {
		appear_dead(r);
		return;
	}
	end_role(r, r->role);
	shmring_memfd_unlock_change(r->priv);
}
