// SPDX-License-Identifier: GPL-2.0
/* Names, who may use them, and the list of all rings. */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/ipc_namespace.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/proc_ns.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

#include "ring.h"

/* The list of rings, and the name and flags of every ring on it. */
struct mutex shmring_names_lock = __MUTEX_INITIALIZER(shmring_names_lock);
EXPORT_SYMBOL_IF_KUNIT(shmring_names_lock);

struct list_head shmring_rings = LIST_HEAD_INIT(shmring_rings);
EXPORT_SYMBOL_IF_KUNIT(shmring_rings);

static struct ipc_namespace *this_ns(void)
{
	return current->nsproxy->ipc_ns;
}

/*
 * Is the ring of the caller's IPC namespace? Or, where its id can be one that a dead
 * namespace had, of one with the same owner, in which root is the same, too.
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

/* The rights that the mode of a ring grants the caller, as for System V IPC. */
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

static struct shmring *find(const char *name)
{
	struct shmring *ring;

	lockdep_assert_held(&shmring_names_lock);
	list_for_each_entry(ring, &shmring_rings, list)
		if (!strcmp(ring->name, name) && shmring_in_this_ns(ring))
			return ring;
	return NULL;
}

/*
 * A module is not told when an IPC namespace dies: what would stay in it until
 * it is unlinked could never be unlinked.
 */
static int check_persist(const char *name)
{
	if (!*name)
		return -EINVAL;
	return this_ns()->ns.inum == PROC_IPC_INIT_INO ? 0 : -EOPNOTSUPP;
}

/**
 * shmring_register - put a new ring on the list
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
	int ret = persist ? check_persist(name) : 0;

	if (ret)
		return ret;
	ring->uid = current_euid();
	ring->gid = current_egid();
	ring->mode = mode & ~current_umask();
	ring->ipc_ns = shmring_compat_ipc_ns_id(this_ns());
	ring->user_ns = get_user_ns(this_ns()->user_ns);

	mutex_lock(&shmring_names_lock);
	if (*name && find(name)) {
		ret = -EEXIST;
	} else {
		strscpy(ring->name, name, sizeof(ring->name));
		ring->flags = flags;
		list_add_tail(&ring->list, &shmring_rings);
		if (persist) {
			refcount_inc(&ring->ref);
			__module_get(THIS_MODULE);
		}
	}
	mutex_unlock(&shmring_names_lock);
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

	mutex_lock(&shmring_names_lock);
	ring = find(name);
	if (!ring)
		ring = ERR_PTR(-ENOENT);
	else if (rights & ~shmring_granted(ring))
		ring = ERR_PTR(-EACCES);
	else	/* on the list, under the lock: the last reference is still there */
		refcount_inc(&ring->ref);
	mutex_unlock(&shmring_names_lock);
	return ring;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_lookup);

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

	mutex_lock(&shmring_names_lock);
	ring = find(name);
	if (!ring) {
		ret = -ENOENT;
	} else if (!may_unlink(ring)) {
		ret = -EPERM;
	} else {
		persist = ring->flags & SHMRING_CREATE_F_PERSIST;
		ring->flags &= ~SHMRING_CREATE_F_PERSIST;
		memset(ring->name, 0, sizeof(ring->name));
	}
	mutex_unlock(&shmring_names_lock);
	if (persist) {
		shmring_put(ring);
		module_put(THIS_MODULE);
	}
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_unlink);
