// SPDX-License-Identifier: GPL-2.0
/*
 * Open files and their ioctls: /dev/shmring itself (control), ring files and
 * endpoints. Arguments are copied in before any lock is taken, and out after.
 */
#include <linux/align.h>
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/time_namespace.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "ring.h"

/* An ioctl number without the size of its structure, which may grow. */
#define NR(cmd)		((cmd) & ~IOCSIZE_MASK)

/*
 * Copy in a structure of @size bytes, @first of which the first version had. Shorter
 * than that: -EINVAL; longer than @size, and not zero there: -E2BIG.
 */
static int copy_grown(void *arg, size_t size, size_t first, unsigned int cmd,
		      const void __user *uarg)
{
	if (_IOC_SIZE(cmd) < first)
		return -EINVAL;
	return copy_struct_from_user(arg, size, uarg, _IOC_SIZE(cmd));
}

/* The same for a structure that has not grown. */
static int copy_in(void *arg, size_t size, unsigned int cmd, const void __user *uarg)
{
	return copy_grown(arg, size, size, cmd, uarg);
}

static const struct file_operations shmring_fops;

/* Ends the role, if it was taken, and drops the ring. */
static void release_file(struct shmring_file *sf)
{
	spin_lock(&sf->ring->lock);
	if (sf->role != SHMRING_ROLE_NONE)
		shmring_role_end(sf);
	shmring_remove_file(sf);
	spin_unlock(&sf->ring->lock);
	shmring_put(sf->ring);
	kfree(sf);
}

static void undo_file(int fd, struct file *file)
{
	put_unused_fd(fd);
	fput(file);
}

/*
 * Make a file and reserve its descriptor, for fd_install() or undo_file(). Takes
 * over the caller's reference to the ring, also when it fails. The role comes
 * last, so that nobody sees one come and go.
 */
static int prepare_file(struct shmring *ring, u32 role, u32 rights, u64 lowat,
			struct file **file)
{
	struct shmring_file *sf;
	int fd, ret;

	sf = kzalloc_obj(*sf, GFP_KERNEL_ACCOUNT);
	if (!sf) {
		shmring_put(ring);
		return -ENOMEM;
	}
	sf->ring = ring;
	sf->role = role;
	sf->rights = rights;
	sf->lowat = lowat;

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
	ret = role == SHMRING_ROLE_NONE ? 0 : shmring_role_begin(sf);
	if (ret) {
		undo_file(fd, *file);
		return ret;
	}
	return fd;

err_file:
	put_unused_fd(fd);
err_fd:
	release_file(sf);
	return ret;
}

static int install_file(struct shmring *ring, u32 role, u32 rights, u64 lowat)
{
	struct file *file;
	int fd = prepare_file(ring, role, rights, lowat, &file);

	if (fd >= 0)
		fd_install(fd, file);
	return fd;
}

static int check_create(const struct shmring_ioc_create *c)
{
	if ((c->flags & ~SHMRING_CREATE_F_ALL) || c->reserved || (c->mode & ~0666))
		return -EINVAL;
	return shmring_check_name(c->name);
}

static long do_create(unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_create c;
	struct shmring *ring;
	struct file *file;
	int fd, ret;

	ret = copy_in(&c, sizeof(c), cmd, uarg);
	if (!ret)
		ret = check_create(&c);
	if (ret)
		return ret;
	ring = shmring_alloc(c.capacity, c.slot_size);
	if (IS_ERR(ring))
		return PTR_ERR(ring);
	fd = prepare_file(ring, SHMRING_ROLE_NONE, SHMRING_RIGHT_ALL, 0, &file);
	if (fd < 0)
		return fd;
	ret = shmring_register(ring, c.name, c.mode, c.flags);
	if (ret) {
		undo_file(fd, file);
		return ret;
	}
	fd_install(fd, file);
	return fd;
}

/*
 * A deadline of user space (0: none) on our clock: the caller's is that of its time
 * namespace. As do_timens_ktime_to_host(), which modules have only of late. Beyond what a
 * clock can show is the same as never: KTIME_MAX.
 */
static ktime_t to_deadline(u64 ns)
{
	ktime_t offset = 0;

	if (!ns || ns >= KTIME_MAX)
		return KTIME_MAX;
#ifdef CONFIG_TIME_NS
	offset = timespec64_to_ktime(current->nsproxy->time_ns->offsets.monotonic);
#endif
	return (s64)ns < offset ? 0 : min_t(u64, ns - offset, KTIME_MAX);
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
	return install_file(ring, SHMRING_ROLE_NONE, n.rights, 0);
}

static long do_unlink(unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_name n;
	int ret = copy_name(&n, cmd, uarg);

	if (ret)
		return ret;
	return n.rights || n.flags ? -EINVAL : shmring_unlink(n.name);
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

/* A byte of data; the space of a slot, or of the smallest record. */
static u64 default_lowat(const struct shmring *ring, u32 role)
{
	if (role != SHMRING_ROLE_PRODUCER)
		return 1;
	return ALIGN(max(ring->slot_size, SHMRING_ALIGN), SHMRING_ALIGN);
}

static long do_attach(struct shmring_file *sf, unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_attach a;
	int ret = copy_in(&a, sizeof(a), cmd, uarg);

	if (ret)
		return ret;
	if (a.flags || a.reserved || a.role > SHMRING_ROLE_CONSUMER ||
	    (a.rights & ~SHMRING_RIGHT_ALL) || a.lowat > sf->ring->capacity ||
	    (a.lowat && a.role == SHMRING_ROLE_NONE))
		return -EINVAL;
	if ((a.rights | right_of(a.role)) & ~sf->rights)
		return -EACCES;
	refcount_inc(&sf->ring->ref);
	return install_file(sf->ring, a.role, a.rights ?: sf->rights,
			    a.lowat ?: default_lowat(sf->ring, a.role));
}

/* What has a lock of its own: the name. */
static void query_name(struct shmring *ring, struct shmring_ioc_query *q)
{
	spin_lock(&shmring_names_lock);
	q->flags = ring->flags;
	memcpy(q->name, ring->name, sizeof(q->name));
	spin_unlock(&shmring_names_lock);
}

static void query(struct shmring_file *sf, struct shmring_ioc_query *q)
{
	struct shmring *ring = sf->ring;
	struct shmring_side *producer = shmring_side(ring, SHMRING_ROLE_PRODUCER);
	struct shmring_side *consumer = shmring_side(ring, SHMRING_ROLE_CONSUMER);

	*q = (struct shmring_ioc_query) {
		.role = sf->role,
		.rights = sf->rights,
		.mode = ring->mode,
		.uid = from_kuid_munged(current_user_ns(), ring->uid),
		.gid = from_kgid_munged(current_user_ns(), ring->gid),
		.slot_size = ring->slot_size,
		.features = ring->status->features,
		.id = ring->id,
		.capacity = ring->capacity,
		.producer_state = READ_ONCE(producer->half->state),
		.consumer_state = READ_ONCE(consumer->half->state),
		.data_sleeps = atomic64_read(&consumer->nr_sleeps),
		.data_wakes = atomic64_read(&consumer->nr_wakes),
		.space_sleeps = atomic64_read(&producer->nr_sleeps),
		.space_wakes = atomic64_read(&producer->nr_wakes),
		.data_refused = READ_ONCE(*consumer->refused),
		.space_refused = READ_ONCE(*producer->refused),
	};
	shmring_positions(ring, &q->head, &q->tail);
	shmring_regions(ring, q);
	query_name(ring, q);
}

static long do_query(struct shmring_file *sf, unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_query q;
	int ret = copy_in(&q, sizeof(q), cmd, uarg);

	if (ret)
		return ret;
	if (q.lane)
		return -EINVAL;
	query(sf, &q);
	return copy_to_user(uarg, &q, sizeof(q)) ? -EFAULT : 0;
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
		w.mark = sf->ring->capacity / 2;
	ret = shmring_check_wait(sf, w.bytes, &w.mark);
	if (ret)
		return ret;
	return shmring_wait(sf, w.bytes, w.mark, to_deadline(w.deadline));
}

static long do_wait_peer(struct shmring_file *sf, unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_wait_peer w;
	int ret;

	if (sf->role == SHMRING_ROLE_NONE)
		return -ENOTTY;
	ret = copy_in(&w, sizeof(w), cmd, uarg);
	if (ret)
		return ret;
	if (w.flags || w.reserved)
		return -EINVAL;
	return shmring_wait_peer(sf, to_deadline(w.deadline));
}

static long do_set_lowat(struct shmring_file *sf, unsigned int cmd, void __user *uarg)
{
	struct shmring_ioc_lowat l;
	int ret;

	if (sf->role == SHMRING_ROLE_NONE)
		return -ENOTTY;
	ret = copy_in(&l, sizeof(l), cmd, uarg);
	if (ret)
		return ret;
	if (!l.bytes || l.bytes > sf->ring->capacity)
		return -EINVAL;
	shmring_set_lowat(sf, l.bytes);
	return 0;
}

static long do_wake(struct shmring_file *sf)
{
	if (sf->role == SHMRING_ROLE_NONE)
		return -ENOTTY;
	shmring_wake(shmring_peer(sf->ring, sf->role));
	return 0;
}

static long shmring_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct shmring_file *sf = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (NR(cmd)) {
	case NR(SHMRING_IOC_ATTACH):
		return do_attach(sf, cmd, uarg);
	case NR(SHMRING_IOC_QUERY):
		return do_query(sf, cmd, uarg);
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
	default:
		return -ENOTTY;
	}
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
	default:
		return -ENOTTY;
	}
}

static int shmring_release(struct inode *inode, struct file *file)
{
	release_file(file->private_data);
	return 0;
}

static void shmring_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct shmring_file *sf = file->private_data;
	struct shmring_ioc_query q;

	query(sf, &q);
	seq_printf(m, "ring-id:\t%llu\n", q.id);
	seq_printf(m, "ring-name:\t%s\n", q.name[0] ? (char *)q.name : "-");
	seq_printf(m, "role:\t%s\n", shmring_role_name(q.role));
	seq_printf(m, "rights:\t%s%s\n", q.rights & SHMRING_RIGHT_CONSUME ? "r" : "-",
		   q.rights & SHMRING_RIGHT_PRODUCE ? "w" : "-");
	seq_printf(m, "capacity:\t%llu\n", q.capacity);
	seq_printf(m, "slot-size:\t%u\n", q.slot_size);
	seq_printf(m, "lowat:\t%llu\n", READ_ONCE(sf->lowat));
	seq_printf(m, "head:\t%llu\n", q.head);
	seq_printf(m, "tail:\t%llu\n", q.tail);
	seq_printf(m, "data-sleeps:\t%llu\n", q.data_sleeps);
	seq_printf(m, "data-wakes:\t%llu\n", q.data_wakes);
	seq_printf(m, "space-sleeps:\t%llu\n", q.space_sleeps);
	seq_printf(m, "space-wakes:\t%llu\n", q.space_wakes);
	seq_printf(m, "data-refused:\t%llu\n", q.data_refused);
	seq_printf(m, "space-refused:\t%llu\n", q.space_refused);
}

const struct file_operations shmring_control_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
	.unlocked_ioctl = control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

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
