/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names in which the supported kernels (6.1 to 7.3) differ. Included before
 * every file of the module; the module is written for the newest kernel.
 */
#ifndef SHMRING_COMPAT_H
#define SHMRING_COMPAT_H

#include <linux/version.h>

#if KERNEL_VERSION(6, 1, 0) > LINUX_VERSION_CODE
#error "shmring needs Linux 6.1 or newer"
#endif

#ifndef CONFIG_64BIT
#error "shmring needs a 64-bit kernel: positions are 64-bit words"
#endif

#include <linux/fs.h>
#include <linux/fs_struct.h>	/* current_umask(), in <linux/fs.h> before 7.0 */
#include <linux/ipc_namespace.h>
#include <linux/mm.h>
#include <linux/slab.h>

/* 7.0: "slab: Introduce kmalloc_obj() and family". */
#ifndef kzalloc_obj
#define kzalloc_obj(obj, gfp)	kzalloc(sizeof(obj), gfp)
#endif

/* 6.3: "mm: introduce vma->vm_flags wrapper functions". */
#ifndef SHMRING_HAS_VM_FLAGS_SET
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/*
 * 6.9: "Introduce cpu_dcache_is_aliasing() across all architectures". These 64-bit
 * architectures have such caches; before 6.9, all their machines are refused.
 */
#ifdef SHMRING_HAS_CACHE_ALIASING
#include <linux/cacheinfo.h>
#elif defined(CONFIG_MIPS) || defined(CONFIG_PARISC) || defined(CONFIG_SPARC)
#define cpu_dcache_is_aliasing()	true
#else
#define cpu_dcache_is_aliasing()	false
#endif

/* 6.2: "kunit: Introduce KUNIT_VISIBILITY helper". */
#ifdef SHMRING_HAS_KUNIT_VISIBILITY
#include <kunit/visibility.h>
#else
#define EXPORT_SYMBOL_IF_KUNIT(symbol)
#endif

/*
 * 6.18: "nstree: assign fixed ids to the initial namespaces" gave namespaces an
 * id that is never used again. Before, there is only the inode number, which a
 * later namespace may get. So a named ring that outlives its namespace, because a
 * process holds the ring, may be found in a later namespace of the same owner, by
 * users that its mode admits.
 */
static inline u64 shmring_compat_ipc_ns_id(const struct ipc_namespace *ns)
{
#ifdef SHMRING_HAS_NS_ID
	return ns->ns.ns_id;
#else
	return ns->ns.inum;
#endif
}

/*
 * No commands without 6.7's "io_uring: cancelable uring_cmd", nor without 6.10's
 * "io_uring: force tw ctx locking": uring.c relies on the lock.
 */
#ifdef SHMRING_HAS_URING_CANCEL
#define shmring_compat_uring_cmd	shmring_uring_cmd
#else
#define shmring_compat_uring_cmd	NULL
#endif

#endif /* SHMRING_COMPAT_H */
