// SPDX-License-Identifier: MIT
/* The module's device and its ring files: making rings, finding them, and querying them. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kmod.h"

#define DEVICE		"/dev/shmring"

/* The one place where errno becomes a return value. */
int shmring_kmod_call(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

/* -ENODEV: there is no module; -EACCES: not for this user. */
static int open_device(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENXIO)
		return -ENODEV;
	return errno == EPERM ? -EACCES : -errno;
}

int shmring_kmod_probe(void)
{
	int fd = open_device();

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

/* One ioctl on the device. */
int shmring_kmod_control(unsigned long request, void *arg)
{
	int fd = open_device();
	int ret;

	if (fd < 0)
		return fd;
	ret = shmring_kmod_call(fd, request, arg);
	close(fd);
	/* It is some other device of that name. */
	return ret == -ENOTTY ? -ENODEV : ret;
}

uint32_t shmring_kmod_right(enum shmring_role role)
{
	return role == SHMRING_PRODUCER ? SHMRING_RIGHT_PRODUCE : SHMRING_RIGHT_CONSUME;
}

int shmring_kmod_create(struct shmring_private *p, const char *name,
			const struct shmring_options *opt)
{
	struct shmring_ioc_create c = {
		.capacity = opt->capacity,
		.slots = opt->slots,
		.slot_size = (uint32_t)opt->slot_size,
		.align = (uint32_t)opt->align,
		.mode = opt->mode,
		.flags = opt->flags & (SHMRING_PERSIST | SHMRING_QUEUE | SHMRING_MARKS),
		.topology = p->lanes.topology,
		.nr_lanes = p->lanes.nr,
		.lanes_per_user = p->lanes.per_user,
	};

	memcpy(c.name, name, sizeof(c.name));
	p->fd = shmring_keep_fd(shmring_kmod_control(SHMRING_IOC_CREATE, &c));
	/* An older module does not know the last members, which are 0 in a ring without lanes. */
	if (p->fd == -E2BIG)
		return -EOPNOTSUPP;
	return p->fd < 0 ? p->fd : 0;
}

static int open_with(const char *name, uint32_t rights)
{
	struct shmring_ioc_name n = { .rights = rights };

	memcpy(n.name, name, sizeof(n.name));
	return shmring_keep_fd(shmring_kmod_control(SHMRING_IOC_OPEN, &n));
}

/* A handle gets all rights that the caller may have. */
int shmring_kmod_open(struct shmring_private *p, const char *name, enum shmring_role role)
{
	static const uint32_t rights[] = {
		SHMRING_RIGHT_ALL, SHMRING_RIGHT_CONSUME, SHMRING_RIGHT_PRODUCE,
	};
	size_t i;

	if (role != SHMRING_HANDLE) {
		p->fd = open_with(name, shmring_kmod_right(role));
		return p->fd < 0 ? p->fd : 0;
	}
	for (i = 0; i < sizeof(rights) / sizeof(*rights); i++) {
		p->fd = open_with(name, rights[i]);
		if (p->fd != -EACCES)
			break;
	}
	return p->fd < 0 ? p->fd : 0;
}

static int look_up_anonymous_device(dev_t *dev)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct stat st;
	int ret;

	if (fd < 0)
		return -errno;
	ret = fstat(fd, &st) ? -errno : 0;
	close(fd);
	*dev = st.st_dev;
	return ret;
}

/*
 * The device number of all files that the kernel makes without a file system, rings included.
 * The number does not change while the kernel runs: look once a process.
 */
int shmring_kmod_anonymous_device(dev_t *dev)
{
	static dev_t known;	/* 0: of no device */
	int ret;

	*dev = __atomic_load_n(&known, __ATOMIC_RELAXED);
	if (*dev)
		return 0;
	ret = look_up_anonymous_device(dev);
	if (!ret)
		__atomic_store_n(&known, *dev, __ATOMIC_RELAXED);
	return ret;
}

static bool is_at(const struct shmring_region *region, uint64_t *end, uint64_t length)
{
	bool ret = region->offset == *end && region->length == length;

	*end += length;
	return ret;
}

struct shmring_geometry shmring_kmod_geometry(const struct shmring_ioc_query *q)
{
	return (struct shmring_geometry){
		.capacity = q->capacity,
		.slots = q->slots,
		.features = q->features,
		.slot_size = q->slot_size,
		.align = q->align,
	};
}

/* Is everything where <linux/shmring.h> says, so that it may be mapped? */
static bool is_layout_known(const struct shmring_ioc_query *q)
{
	const struct shmring_geometry geometry = shmring_kmod_geometry(q);
	const uint64_t page = page_size();
	uint64_t end = 0;

	return shmring_is_geometry(&geometry) &&
	       is_at(&q->kernel, &end, page) && is_at(&q->consumer, &end, page) &&
	       is_at(&q->producer, &end, page) && is_at(&q->data, &end, 2 * q->capacity);
}

/*
 * Query the ring of @fd. A file that is not on @anonymous may be of a file system in user
 * space (FUSE, CUSE), which answers ioctls as it likes, but cannot choose its device number.
 * -EINVAL: not a ring of the module; -EPROTO: not one that this library understands.
 */
int shmring_kmod_query(int fd, dev_t anonymous, struct shmring_ioc_query *q)
{
	struct stat st;
	int ret;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_dev != anonymous)
		return -EINVAL;
	*q = (struct shmring_ioc_query){ 0 };
	ret = shmring_kmod_call(fd, SHMRING_IOC_QUERY, q);
	if (ret)
		return ret == -ENOMEM || ret == -EBADF ? ret : -EINVAL;
	return is_layout_known(q) ? 0 : -EPROTO;
}

int shmring_kmod_adopt(struct shmring_private *p, int fd)
{
	struct shmring_ioc_query q;
	dev_t anonymous = 0;
	int ret = shmring_kmod_anonymous_device(&anonymous);

	if (!ret)
		ret = shmring_kmod_query(fd, anonymous, &q);
	if (ret)
		return ret;
	p->fd = shmring_dup_fd(fd);
	return p->fd < 0 ? p->fd : 0;
}

/* An older module has no such ioctl. */
static int set_access(const struct shmring_private *p, struct shmring_ioc_access *a)
{
	int ret = shmring_kmod_call(p->fd, SHMRING_IOC_SET_ACCESS, a);

	return ret == -ENOTTY ? -EOPNOTSUPP : ret;
}

int shmring_kmod_chmod(const struct shmring_private *p, unsigned int mode)
{
	struct shmring_ioc_access a = { .valid = SHMRING_ACCESS_MODE, .mode = mode };

	return set_access(p, &a);
}

int shmring_kmod_chown(const struct shmring_private *p, uid_t uid, gid_t gid)
{
	struct shmring_ioc_access a = {
		.valid = (uid == (uid_t)-1 ? 0 : SHMRING_ACCESS_UID) |
			 (gid == (gid_t)-1 ? 0 : SHMRING_ACCESS_GID),
		.uid = uid,
		.gid = gid,
	};

	return set_access(p, &a);
}

int shmring_kmod_unlink(const char *name)
{
	struct shmring_ioc_name n = { 0 };

	memcpy(n.name, name, sizeof(n.name));
	return shmring_kmod_control(SHMRING_IOC_UNLINK, &n);
}
