// SPDX-License-Identifier: GPL-2.0
/* Names, the rights to them, and the set of all rings. */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/ipc_namespace.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/proc_ns.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/siphash.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

#include "ring.h"

/*
 * Protects the set of all rings, and the name, flags, owner and mode of every ring in it. The
 * time for which it is held grows with the logarithm of the number of rings, and with the number
 * of names in one of 256 buckets. Capabilities are checked under it, as System V IPC does under
 * its spinlocks.
 */
spinlock_t shmring_names_lock = __SPIN_LOCK_UNLOCKED(shmring_names_lock);
EXPORT_SYMBOL_IF_KUNIT(shmring_names_lock);

static struct rb_root shmring_rings = RB_ROOT;

/* The named rings, by a hash with a secret key, and the waiters for a name. */
static struct bucket {
	struct hlist_head rings;
	wait_queue_head_t waiters;
} buckets[256];

static siphash_key_t hash_key;

void shmring_names_init(void)
{
	int i;

	get_random_bytes(&hash_key, sizeof(hash_key));
	for (i = 0; i < ARRAY_SIZE(buckets); i++)
		init_waitqueue_head(&buckets[i].waiters);
}

static struct ipc_namespace *this_ns(void)
{
	return current->nsproxy->ipc_ns;
}

bool shmring_in_initial_ns(void)
{
	return this_ns()->ns.inum == PROC_IPC_INIT_INO;
}

/*
 * Does the ring belong to the caller's IPC namespace? Where ids of dead namespaces are used
 * again, the ring may be of a dead namespace with the same owner, and so with the same root.
 */
bool shmring_in_this_ns(const struct shmring *ring)
{
	return ring->ipc_ns == shmring_compat_ipc_ns_id(this_ns()) &&
	       ring->user_ns == this_ns()->user_ns;
}

/**
 * shmring_check_name - is this a name that a ring may have?
 * @name: SHMRING_NAME_MAX bytes
 *
 * Visible ASCII without '/', so that it can be printed in a table and be a
 * file name. The empty name is none, and passes.
 *
 * Return: 0 or -EINVAL.
 */
int shmring_check_name(const __u8 *name)
{
	size_t len = strnlen(name, SHMRING_NAME_MAX);
	size_t i;

	if (len == SHMRING_NAME_MAX || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	for (i = 0; i < len; i++)
		if (!isascii(name[i]) || !isgraph(name[i]) || name[i] == '/')
			return -EINVAL;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_check_name);

static u32 mode_to_rights(u32 bits)
{
	return (bits & 2 ? SHMRING_RIGHT_PRODUCE : 0) | (bits & 4 ? SHMRING_RIGHT_CONSUME : 0);
}

/*
 * The rights that the mode of a ring grants the caller, as for System V IPC. Under
 * shmring_names_lock.
 */
u32 shmring_granted(const struct shmring *ring)
{
	u32 rights;

	if (uid_eq(current_euid(), ring->uid))
		rights = mode_to_rights(ring->mode >> 6);
	else if (in_egroup_p(ring->gid))
		rights = mode_to_rights(ring->mode >> 3);
	else
		rights = mode_to_rights(ring->mode);
	if (rights != SHMRING_RIGHT_ALL && ns_capable(this_ns()->user_ns, CAP_IPC_OWNER))
		rights = SHMRING_RIGHT_ALL;
	return rights;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_granted);

/* Of the names of the caller's IPC namespace. */
static struct bucket *bucket_of(const char *name)
{
	u64 hash = siphash(name, strlen(name), &hash_key) ^ shmring_compat_ipc_ns_id(this_ns());

	return &buckets[hash % ARRAY_SIZE(buckets)];
}

static struct shmring *find_in_bucket(const struct bucket *bucket, const char *name)
{
	struct shmring *ring;

	lockdep_assert_held(&shmring_names_lock);
	hlist_for_each_entry(ring, &bucket->rings, same_hash)
		if (!strcmp(ring->name, name) && shmring_in_this_ns(ring))
			return ring;
	return NULL;
}

/* The ring with the lowest id that is at least @id, or NULL. Under shmring_names_lock. */
struct shmring *shmring_next_ring(u64 id)
{
	struct rb_node *node = shmring_rings.rb_node;
	struct shmring *ring, *found = NULL;

	lockdep_assert_held(&shmring_names_lock);
	while (node) {
		ring = rb_entry(node, struct shmring, node);
		if (ring->id >= id) {
			found = ring;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_next_ring);

static bool has_lower_id(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct shmring, node)->id < rb_entry(b, struct shmring, node)->id;
}

/* Take a ring out of the set, if it is in it. Under shmring_names_lock. */
void shmring_unregister(struct shmring *ring)
{
	if (RB_EMPTY_NODE(&ring->node))
		return;
	rb_erase(&ring->node, &shmring_rings);
	hlist_del_init(&ring->same_hash);
}

/*
 * A module gets no notice when an IPC namespace ends. A persistent ring in such a
 * namespace could then never be unlinked.
 */
static int check_persist(const char *name)
{
	if (!*name)
		return -EINVAL;
	return shmring_in_initial_ns() ? 0 : -EOPNOTSUPP;
}

/**
 * shmring_register - put a new ring into the set
 * @ring: from shmring_alloc(); belongs to the caller's credentials from now on
 * @name: checked; "" for none
 * @mode: permission bits, checked; the umask is taken off here
 * @flags: SHMRING_CREATE_F_*, checked; PERSIST takes a reference to the ring and
 *	to the module, for the name
 *
 * Return: 0, or -EEXIST, -EINVAL or -EOPNOTSUPP as CREATE in <linux/shmring.h>.
 */
int shmring_register(struct shmring *ring, const char *name, u32 mode, u32 flags)
{
	bool persist = flags & SHMRING_CREATE_F_PERSIST;
	struct bucket *bucket = bucket_of(name);
	int ret = persist ? check_persist(name) : 0;
	u32 i;

	if (ret)
		return ret;
	ring->uid = current_euid();
	ring->gid = current_egid();
	ring->mode = mode & ~current_umask();
	ring->ipc_ns = shmring_compat_ipc_ns_id(this_ns());
	ring->ipc_inum = this_ns()->ns.inum;
	ring->named = *name;
	ring->user_ns = get_user_ns(this_ns()->user_ns);
	/* No process has mapped the ring yet. */
	for (i = 0; i < ring->nr_lanes; i++)
		shmring_lane_of(ring, i)->status->flags = flags & SHMRING_CREATE_F_QUEUE;

	spin_lock(&shmring_names_lock);
	if (*name && find_in_bucket(bucket, name)) {
		ret = -EEXIST;
	} else {
		strscpy(ring->name, name, sizeof(ring->name));
		ring->flags = flags;
		rb_add(&ring->node, &shmring_rings, has_lower_id);
		if (*name)
			hlist_add_head(&ring->same_hash, &bucket->rings);
		if (persist) {
			refcount_inc(&ring->ref);
			__module_get(THIS_MODULE);
		}
	}
	spin_unlock(&shmring_names_lock);
	if (!ret && *name)
		wake_up_all(&bucket->waiters);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_register);

/**
 * shmring_lookup - find a ring by its name
 * @name: checked and not empty
 * @rights: what the caller wants
 *
 * Return: the ring, with a reference, or an error pointer: -ENOENT, -EACCES.
 */
struct shmring *shmring_lookup(const char *name, u32 rights)
{
	struct shmring *ring;

	spin_lock(&shmring_names_lock);
	ring = find_in_bucket(bucket_of(name), name);
	if (!ring)
		ring = ERR_PTR(-ENOENT);
	else if (rights & ~shmring_granted(ring))
		ring = ERR_PTR(-EACCES);
	else	/* in the set, under the lock: the last reference is still there */
		refcount_inc(&ring->ref);
	spin_unlock(&shmring_names_lock);
	return ring;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_lookup);

/**
 * shmring_await - find a ring by its name, once it is there
 * @name: checked and not empty
 * @rights: what the caller wants
 * @deadline: CLOCK_MONOTONIC; KTIME_MAX: none
 *
 * Sleeps. A name that is not there when the deadline has passed is -ETIMEDOUT.
 *
 * Return: the ring, with a reference, or an error pointer: -EACCES, -ETIMEDOUT,
 * -ERESTARTNOHAND.
 */
struct shmring *shmring_await(const char *name, u32 rights, ktime_t deadline)
{
	wait_queue_head_t *waiters = &bucket_of(name)->waiters;
	struct shmring *ring;
	bool late = false;
	DEFINE_WAIT(wait);

	for (;;) {
		/* Queue, then look: shmring_register() adds the ring, then wakes. */
		prepare_to_wait(waiters, &wait, TASK_INTERRUPTIBLE);
		ring = shmring_lookup(name, rights);
		if (ring != ERR_PTR(-ENOENT))
			break;
		if (late || signal_pending(current)) {
			ring = ERR_PTR(late ? -ETIMEDOUT : -ERESTARTNOHAND);
			break;
		}
		late = !schedule_hrtimeout_range(deadline == KTIME_MAX ? NULL : &deadline, 0,
						 HRTIMER_MODE_ABS);
	}
	finish_wait(waiters, &wait);
	return ring;
}

static bool may_unlink(const struct shmring *ring)
{
	return uid_eq(current_euid(), ring->uid) || ns_capable(this_ns()->user_ns, CAP_SYS_ADMIN);
}

/**
 * shmring_unlink - take the name off a ring
 * @name: checked and not empty
 *
 * Return: 0, -ENOENT or -EPERM.
 */
int shmring_unlink(const char *name)
{
	struct shmring *ring;
	bool persist = false;
	int ret = 0;

	spin_lock(&shmring_names_lock);
	ring = find_in_bucket(bucket_of(name), name);
	if (!ring) {
		ret = -ENOENT;
	} else if (!may_unlink(ring)) {
		ret = -EPERM;
	} else {
		persist = ring->flags & SHMRING_CREATE_F_PERSIST;
		ring->flags &= ~SHMRING_CREATE_F_PERSIST;
		memset(ring->name, 0, sizeof(ring->name));
		hlist_del_init(&ring->same_hash);
		if (!persist)	/* otherwise the name's reference is ours */
			refcount_inc(&ring->ref);
	}
	spin_unlock(&shmring_names_lock);
	if (ret)
		return ret;
	shmring_lost_name(ring);
	shmring_put(ring);
	if (persist)
		module_put(THIS_MODULE);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_unlink);
