// SPDX-License-Identifier: GPL-2.0
/*
 * Changing the mode and the owner of a ring, by the rules of chmod(2) and chown(2). These check the
 * caller's user and not the rights of the file: a process that was given the file need not own the
 * ring.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "ring.h"

static bool is_owner(const struct shmring *ring)
{
	return uid_eq(current_euid(), ring->uid);
}

/* In the user namespace that owns the ring's IPC namespace, not in the caller's. */
static bool is_capable_for(const struct shmring *ring, int capability)
{
	return ns_capable(ring->user_ns, capability);
}

static bool may_set_mode(const struct shmring *ring)
{
	return is_owner(ring) || is_capable_for(ring, CAP_FOWNER);
}

static bool may_set_uid(const struct shmring *ring, kuid_t uid)
{
	return (is_owner(ring) && uid_eq(uid, ring->uid)) || is_capable_for(ring, CAP_CHOWN);
}

static bool may_set_gid(const struct shmring *ring, kgid_t gid)
{
	return (is_owner(ring) && (gid_eq(gid, ring->gid) || in_egroup_p(gid))) ||
	       is_capable_for(ring, CAP_CHOWN);
}

static bool may_change(const struct shmring *ring, const struct shmring_access *a)
{
	return (!(a->valid & SHMRING_ACCESS_MODE) || may_set_mode(ring)) &&
	       (!(a->valid & SHMRING_ACCESS_UID) || may_set_uid(ring, a->uid)) &&
	       (!(a->valid & SHMRING_ACCESS_GID) || may_set_gid(ring, a->gid));
}

/**
 * shmring_set_access - SET_ACCESS
 * @ring: a registered ring
 * @a: what is to change, checked
 *
 * Files that are open keep their rights, and the user that is charged stays the same.
 *
 * Return: 0 or -EPERM; then nothing has changed.
 */
int shmring_set_access(struct shmring *ring, const struct shmring_access *a)
{
	int ret = -EPERM;

	spin_lock(&shmring_names_lock);
	if (may_change(ring, a)) {
		if (a->valid & SHMRING_ACCESS_MODE)
			ring->mode = a->mode;
		if (a->valid & SHMRING_ACCESS_UID)
			ring->uid = a->uid;
		if (a->valid & SHMRING_ACCESS_GID)
			ring->gid = a->gid;
		ret = 0;
	}
	spin_unlock(&shmring_names_lock);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_set_access);
