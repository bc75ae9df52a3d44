// SPDX-License-Identifier: GPL-2.0
/* The files of wait sets: their ioctls, their page, and poll. */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/poll.h>

#include "args.h"
#include "waitset.h"

static int add_endpoint(struct shmring_set *set, u32 index, int fd)
{
	struct file *file = fget(fd);
	struct shmring_file *sf;
	int ret;

	if (!file)
		return -EBADF;
	sf = shmring_endpoint_of(file);
	ret = sf ? shmring_add_member(set, index, sf, file) : -EINVAL;
	if (ret)
		fput(file);
	return ret;
}

static long do_change(struct shmring_set *set, unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_waitset_change c;
	int ret = copy_in(&c, sizeof(c), cmd, uarg);
	u32 index;

	if (ret)
		return ret;
	if (c.flags || c.reserved || c.index >= set->max)
		return -EINVAL;
	index = array_index_nospec(c.index, set->max);
	return c.fd == -1 ? shmring_remove_member(set, index) : add_endpoint(set, index, c.fd);
}

static long do_wait(struct shmring_set *set, unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_waitset_wait w;
	int ret = copy_in(&w, sizeof(w), cmd, uarg);

	if (ret)
		return ret;
	if ((w.flags & ~SHMRING_WAITSET_F_ALL) || w.reserved || (w.flags && w.deadline))
		return -EINVAL;
	return w.flags & SHMRING_WAITSET_F_COOL ? shmring_cool_set(set) :
						  shmring_wait_set(set, to_deadline(w.deadline));
}

static long set_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct shmring_set *set = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (NR(cmd)) {
	case NR(SHMRING_IOC_WAITSET_CHANGE):
		return do_change(set, cmd, uarg);
	case NR(SHMRING_IOC_WAITSET_WAIT):
		return do_wait(set, cmd, uarg);
	default:
		return -ENOTTY;
	}
}

static const struct vm_operations_struct set_vm_ops = {
	.may_split = shmring_vm_may_split,
	.mremap = shmring_vm_mremap,
};

/* The page, read-only. */
static int set_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct shmring_set *set = file->private_data;

	if (!(vma->vm_flags & VM_SHARED) || vma->vm_pgoff || vma_pages(vma) != 1)
		return -EINVAL;
	if (vma->vm_flags & (VM_EXEC | VM_WRITE))
		return -EACCES;
	shmring_protect_vma(vma, false);
	if (vmf_insert_pfn(vma, vma->vm_start, page_to_pfn(set->page)) != VM_FAULT_NOPAGE)
		return -ENOMEM;
	vma->vm_ops = &set_vm_ops;
	return 0;
}

/*
 * Scans, as a sleeper does: otherwise an endpoint that is hot and not ready would keep poll()
 * from sleeping. The mutex is that of the set's own users.
 */
static __poll_t set_poll(struct file *file, poll_table *pt)
{
	struct shmring_set *set = file->private_data;
	bool edge = (poll_requested_events(pt) & (EPOLLET | EPOLLONESHOT)) == EPOLLET;
	bool any;

	poll_wait(file, &set->wait, pt);
	if (mutex_lock_killable(&set->lock))
		return EPOLLERR;
	any = shmring_scan_set(set, edge ? SHMRING_SCAN_EDGE : SHMRING_SCAN_POLL);
	mutex_unlock(&set->lock);
	return any ? EPOLLIN | EPOLLRDNORM : 0;
}

static int set_release(struct inode *inode, struct file *file)
{
	shmring_free_set(file->private_data);
	return 0;
}

static const struct file_operations set_fops = {
	.owner = THIS_MODULE,
	.release = set_release,
	.unlocked_ioctl = set_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = set_mmap,
	.poll = set_poll,
};

/* WAITSET_CREATE: a descriptor, or as in <linux/shmring.h>. */
long shmring_create_set(unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_waitset_create c;
	int ret = copy_in(&c, sizeof(c), cmd, uarg);
	struct shmring_set *set;
	int fd;

	if (ret)
		return ret;
	if (!c.max || c.max > SHMRING_WAITSET_MAX || c.flags)
		return -EINVAL;
	set = shmring_alloc_set(c.max);
	if (!set)
		return -ENOMEM;
	fd = anon_inode_getfd("[shmring-set]", &set_fops, set, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		shmring_free_set(set);
	return fd;
}
