// SPDX-License-Identifier: GPL-2.0
/* /dev/shmring itself: making, opening and unlinking rings; making wait sets. */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>

#include "args.h"
#include "ring.h"

static int check_create(const struct shmring_ioc_create *c)
{
	if ((c->flags & ~SHMRING_CREATE_F_ALL) || (c->mode & ~0666) || c->reserved)
		return -EINVAL;
	return shmring_check_name(c->name);
}

static long do_create(unsigned int cmd, void __user *uarg)
{
	const struct shmring_ioc_attach all = { .rights = SHMRING_RIGHT_ALL };
	struct shmring_geometry geometry;
	struct shmring_ioc_create c;
	struct shmring *ring;
	struct file *file;
	int fd, ret;

	ret = copy_grown(&c, sizeof(c), offsetof(struct shmring_ioc_create, topology), cmd, uarg);
	if (!ret)
		ret = check_create(&c);
	if (ret)
		return ret;
	geometry = (struct shmring_geometry) {
		.capacity = c.capacity,
		.slots = c.slots,
		.slot_size = c.slot_size,
		.align = c.align,
		.marks = c.flags & SHMRING_CREATE_F_MARKS,
		.topology = c.topology,
		.nr_lanes = c.nr_lanes,
		.lanes_per_user = c.lanes_per_user,
	};
	ring = shmring_alloc(&geometry);
	if (IS_ERR(ring))
		return PTR_ERR(ring);
	fd = shmring_prepare_file(ring, &all, &file);
	if (fd < 0)
		return fd;
	ret = shmring_register(ring, c.name, c.mode, c.flags);
	if (ret) {
		shmring_undo_file(fd, file);
		return ret;
	}
	fd_install(fd, file);
	return fd;
}

static int copy_name(struct shmring_ioc_name *n, unsigned int cmd, void __user *uarg)
{
	const size_t first = offsetof(struct shmring_ioc_name, deadline);
	int ret = copy_grown(n, sizeof(*n), first, cmd, uarg);

	if (ret)
		return ret;
	if (!n->name[0] || (n->deadline && !(n->flags & SHMRING_OPEN_F_WAIT)))
		return -EINVAL;
	return shmring_check_name(n->name);
}

static struct shmring *find_ring(const struct shmring_ioc_name *n)
{
	if (!(n->flags & SHMRING_OPEN_F_WAIT))
		return shmring_lookup(n->name, n->rights);
	return shmring_await(n->name, n->rights, to_deadline(n->deadline));
}

static long do_open(unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_attach file = { .role = SHMRING_ROLE_NONE };
	struct shmring_ioc_name n;
	struct shmring *ring;
	int ret = copy_name(&n, cmd, uarg);

	if (ret)
		return ret;
	if (!n.rights || (n.rights & ~SHMRING_RIGHT_ALL) || (n.flags & ~SHMRING_OPEN_F_ALL))
		return -EINVAL;
	ring = find_ring(&n);
	if (IS_ERR(ring))
		return PTR_ERR(ring);
	file.rights = n.rights;
	return shmring_install_file(ring, &file);
}

static long do_unlink(unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_name n;
	int ret = copy_name(&n, cmd, uarg);

	if (ret)
		return ret;
	return n.rights || n.flags ? -EINVAL : shmring_unlink(n.name);
}

static long control_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	switch (NR(cmd)) {
	case NR(SHMRING_IOC_CREATE):
		return do_create(cmd, uarg);
	case NR(SHMRING_IOC_OPEN):
		return do_open(cmd, uarg);
	case NR(SHMRING_IOC_UNLINK):
		return do_unlink(cmd, uarg);
	case NR(SHMRING_IOC_WAITSET_CREATE):
		return shmring_create_set(cmd, uarg);
	default:
		return -ENOTTY;
	}
}

const struct file_operations shmring_control_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
	.unlocked_ioctl = control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
