// SPDX-License-Identifier: GPL-2.0
/* Ring files and endpoints: making and releasing them, and their ioctls. */
#include <linux/anon_inodes.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include "args.h"
#include "ring.h"

static const struct file_operations shmring_fops;

/* Ends the role, if it was taken, gives the lane back, and drops the ring. */
static void release_file(struct shmring_file *sf)
{
	struct shmring *first = sf->ring->first;

	if (sf->role != SHMRING_ROLE_NONE) {
		spin_lock(&sf->ring->lock);
		shmring_role_end(sf);
		shmring_leave_lane(sf);
		spin_unlock(&sf->ring->lock);
	}
	spin_lock(&first->lock);
	shmring_remove_file(sf);
	spin_unlock(&first->lock);
	shmring_put(first);
	kfree(sf);
}

void shmring_undo_file(int fd, struct file *file)
{
	put_unused_fd(fd);
	fput(file);
}

/*
 * Make a file and reserve its descriptor, for fd_install() or shmring_undo_file(). @ring is the
 * first lane; consumes the caller's reference to it, even on failure. Takes the role last, so
 * that a failure begins and ends no role. @a: all members are set and checked.
 */
int shmring_prepare_file(struct shmring *ring, const struct shmring_ioc_attach *a,
			 struct file **file)
{
	struct shmring_file *sf;
	int fd, ret = 0;

	sf = kzalloc_obj(*sf, GFP_KERNEL_ACCOUNT);
	if (!sf) {
		shmring_put(ring);
		return -ENOMEM;
	}
	sf->ring = ring;
	sf->role = a->role;
	sf->rights = a->rights;
	sf->lowat = a->lowat;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		ret = fd;
		goto err_fd;
	}
	*file = anon_inode_getfile("[shmring]", &shmring_fops, sf, O_RDWR | O_CLOEXEC);
	if (IS_ERR(*file)) {
		ret = PTR_ERR(*file);
		goto err_file;
	}
	shmring_add_file(sf, (*file)->f_cred);
	if (a->role != SHMRING_ROLE_NONE)
		ret = shmring_enter_lane(sf, a) ?: shmring_role_begin(sf);
	if (ret) {
		shmring_undo_file(fd, *file);
		return ret;
	}
	return fd;

err_file:
	put_unused_fd(fd);
err_fd:
	release_file(sf);
	return ret;
}

int shmring_install_file(struct shmring *ring, const struct shmring_ioc_attach *a)
{
	struct file *file;
	int fd = shmring_prepare_file(ring, a, &file);

	if (fd >= 0)
		fd_install(fd, file);
	return fd;
}

static u32 right_of(u32 role)
{
	switch (role) {
	case SHMRING_ROLE_PRODUCER:
		return SHMRING_RIGHT_PRODUCE;
	case SHMRING_ROLE_CONSUMER:
		return SHMRING_RIGHT_CONSUME;
	default:
		return 0;
	}
}

/* A byte of data, or the space of a slot or of the smallest record. */
static u64 default_lowat(const struct shmring *ring, u32 role)
{
	return role == SHMRING_ROLE_PRODUCER ? ring->step : 1;
}

static bool is_lane(const struct shmring_file *sf, const struct shmring_ioc_attach *a)
{
	if (!(a->flags & SHMRING_ATTACH_F_LANE))
		return !a->lane;
	return a->role != SHMRING_ROLE_NONE && a->lane < sf->ring->nr_lanes;
}

static long do_attach(struct shmring_file *sf, unsigned int cmd, void __user *uarg)
{
	struct shmring *first = sf->ring->first;
	struct shmring_ioc_attach a;
	int ret = copy_in(&a, sizeof(a), cmd, uarg);

	if (ret)
		return ret;
	if ((a.flags & ~SHMRING_ATTACH_F_ALL) || !is_lane(sf, &a) ||
	    a.role > SHMRING_ROLE_CONSUMER ||
	    (a.rights & ~SHMRING_RIGHT_ALL) || a.lowat > sf->ring->span ||
	    (a.lowat && a.role == SHMRING_ROLE_NONE))
		return -EINVAL;
	if ((a.rights | right_of(a.role)) & ~sf->rights)
		return -EACCES;
	a.rights = a.rights ?: sf->rights;
	a.lowat = a.lowat ?: default_lowat(first, a.role);
	refcount_inc(&first->ref);
	return shmring_install_file(first, &a);
}

/* The argument of a call that only an endpoint has. */
static int copy_for_endpoint(const struct shmring_file *sf, void *arg, size_t size,
			     unsigned int cmd, const void __user *uarg)
{
	return sf->role == SHMRING_ROLE_NONE ? -ENOTTY : copy_in(arg, size, cmd, uarg);
}

static long do_wait(struct shmring_file *sf, u32 role, unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_wait w;
	int ret;

	if (sf->role != role)
		return -ENOTTY;
	ret = copy_in(&w, sizeof(w), cmd, uarg);
	if (ret)
		return ret;
	if (w.flags || w.reserved)
		return -EINVAL;
	if (!w.mark && role == SHMRING_ROLE_PRODUCER)
		w.mark = sf->ring->span / 2;
	ret = shmring_check_wait(sf, w.bytes, &w.mark);
	if (ret)
		return ret;
	return shmring_wait(sf, w.bytes, w.mark, to_deadline(w.deadline));
}

static long do_wait_peer(struct shmring_file *sf, unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_wait_peer w;
	int ret = copy_for_endpoint(sf, &w, sizeof(w), cmd, uarg);

	if (ret)
		return ret;
	if (w.flags || w.reserved)
		return -EINVAL;
	return shmring_wait_peer(sf, to_deadline(w.deadline));
}

static long do_set_lowat(struct shmring_file *sf, unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_lowat l;
	int ret = copy_for_endpoint(sf, &l, sizeof(l), cmd, uarg);

	if (ret)
		return ret;
	if (!l.bytes || l.bytes > sf->ring->span)
		return -EINVAL;
	if (shmring_is_over(sf))
		return -ESHUTDOWN;
	shmring_set_lowat(sf, l.bytes);
	return 0;
}

static long do_set_access(struct shmring_file *sf, unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_access arg;
	struct shmring_access a;
	int ret = copy_in(&arg, sizeof(arg), cmd, uarg);

	if (ret)
		return ret;
	a = (struct shmring_access) {
		.valid = arg.valid,
		.mode = arg.mode,
		.uid = make_kuid(current_user_ns(), arg.uid),
		.gid = make_kgid(current_user_ns(), arg.gid),
	};
	if (arg.reserved || (a.valid & ~SHMRING_ACCESS_ALL) ||
	    ((a.valid & SHMRING_ACCESS_MODE) && (a.mode & ~0666)) ||
	    ((a.valid & SHMRING_ACCESS_UID) && !uid_valid(a.uid)) ||
	    ((a.valid & SHMRING_ACCESS_GID) && !gid_valid(a.gid)))
		return -EINVAL;
	return shmring_set_access(sf->ring->first, &a);
}

static long do_wake(struct shmring_file *sf)
{
	if (sf->role == SHMRING_ROLE_NONE)
		return -ENOTTY;
	if (shmring_is_over(sf))
		return -ESHUTDOWN;
	shmring_wake(shmring_peer(sf->ring, sf->role));
	return 0;
}

static long do_kick(struct shmring_file *sf, unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_kick k;
	int ret = copy_for_endpoint(sf, &k, sizeof(k), cmd, uarg);

	if (ret)
		return ret;
	return k.flags ? -EINVAL : shmring_kick(sf, k.epoch);
}

static long shmring_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct shmring_file *sf = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (NR(cmd)) {
	case NR(SHMRING_IOC_ATTACH):
		return do_attach(sf, cmd, uarg);
	case NR(SHMRING_IOC_QUERY):
		return shmring_query(sf, cmd, uarg);
	case NR(SHMRING_IOC_WAIT_DATA):
		return do_wait(sf, SHMRING_ROLE_CONSUMER, cmd, uarg);
	case NR(SHMRING_IOC_WAIT_SPACE):
		return do_wait(sf, SHMRING_ROLE_PRODUCER, cmd, uarg);
	case NR(SHMRING_IOC_WAKE):
		return cmd == SHMRING_IOC_WAKE ? do_wake(sf) : -ENOTTY;
	case NR(SHMRING_IOC_SET_LOWAT):
		return do_set_lowat(sf, cmd, uarg);
	case NR(SHMRING_IOC_WAIT_PEER):
		return do_wait_peer(sf, cmd, uarg);
	case NR(SHMRING_IOC_SET_ACCESS):
		return do_set_access(sf, cmd, uarg);
	case NR(SHMRING_IOC_KICK):
		return do_kick(sf, cmd, uarg);
	default:
		return -ENOTTY;
	}
}

static int shmring_release(struct inode *inode, struct file *file)
{
	release_file(file->private_data);
	return 0;
}

static const struct file_operations shmring_fops = {
	.owner = THIS_MODULE,
	.release = shmring_release,
	.unlocked_ioctl = shmring_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = shmring_mmap,
	.poll = shmring_poll,
	.uring_cmd = shmring_compat_uring_cmd,
	.show_fdinfo = shmring_show_fdinfo,
};

/* The endpoint of a file; NULL: it is none. */
struct shmring_file *shmring_endpoint_of(struct file *file)
{
	struct shmring_file *sf = file->private_data;

	return file->f_op == &shmring_fops && sf->role != SHMRING_ROLE_NONE ? sf : NULL;
}
