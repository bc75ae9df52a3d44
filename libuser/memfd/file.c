// SPDX-License-Identifier: MIT
/* The files: making them, opening them, and being counted among their holders. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfd.h"

/* Open the file again: locks belong to the description. @name: the file's path, if any. */
static int reopen(int fd, const char *name)
{
	struct stat ours, opened;
	char path[PATH_SIZE];
	int copy;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	copy = kept_fd(open(path, O_RDWR | O_CLOEXEC));
	if (copy != -ENOENT || !*name)
		return copy;
	/* No /proc. */
	copy = shmring_memfd_open_path(name);
	if (copy >= 0 && (fstat(fd, &ours) || fstat(copy, &opened) ||
			  !is_same_file(&ours, &opened))) {
		close(copy);
		copy = -ENOENT;
	}
	return copy == -EPROTO ? -ENOENT : copy;	/* the name is now that of a link */
}

/*
 * Count this process among the holders of the ring. Waits while another process removes the
 * name. A process that may not open the file again (it got the descriptor from another user,
 * or has changed its user since) takes no lock; others find it by its pid alone.
 */
static int become_holder(struct shmring_private *p, const char *name)
{
	int fd = reopen(p->fd, name);

	shmring_memfd_identify(p);
	if ((fd == -EACCES || fd == -EPERM) && p->memfd.pid_ns && p->memfd.started)
		return 0;
	if (fd < 0)
		return fd == -ENOENT ? -EOPNOTSUPP : fd;
	p->memfd.lock_fd = fd;
	return shmring_memfd_lock_within(SETUP_PATIENCE, fd, LOCK_HOLDERS, F_RDLCK);
}

static struct shmring_geometry geometry_of(const struct shmring_options *opt,
					   const struct shmring_lanes *lanes)
{
	return (struct shmring_geometry){
		.capacity = opt->capacity,
		.slots = opt->slots,
		.features = opt->flags & SHMRING_MARKS ? SHMRING_FEATURE_MARKS : 0,
		.slot_size = (uint32_t)opt->slot_size,
		.align = (uint32_t)opt->align,
		.nr_lanes = lanes->nr,
		.topology = lanes->topology,
	};
}

static uint32_t flag_of(uint32_t topology)
{
	return topology == SHMRING_TOPOLOGY_FAN_IN ? FLAG_FAN_IN :
	       topology == SHMRING_TOPOLOGY_WORK ? FLAG_WORK : 0;
}

/* The status of the lane at @base, or of a ring. @flags: SHMRING_QUEUE, and that of the topology. */
static int write_status(int fd, const struct shmring_geometry *g, uint32_t flags, off_t base)
{
	const struct {
		struct shmring_status status;
		struct shmring_lane lane;
	} first = {
		.status = {
			.magic = SHMRING_MAGIC,
			.abi = SHMRING_ABI,
			.features = g->features,
			.capacity = g->capacity,
			.slot_size = g->slot_size,
			.nr_lanes = g->nr_lanes ? g->nr_lanes : 1,
			.flags = flags,
			.align = g->align,
			.slots = g->slots,
		},
		.lane.consumer.wake_at = SHMRING_NO_WAKE,
		.lane.producer.wake_at = SHMRING_NO_WAKE,
	};

	_Static_assert(sizeof(first.status) == SHMRING_LANE_OFFSET, "the lane comes next");
	if (pwrite(fd, &first, sizeof(first), base) != sizeof(first))
		return errno ? -errno : -EIO;
	return 0;
}

/*
 * Allocate all pages now: a page that is missing later would raise SIGBUS. A signal, or task
 * work of io_uring, interrupts the call and undoes its allocation. So allocate in steps, and
 * halve the step at each interruption: however fast signals come, some step succeeds.
 */
static int allocate_pages(int fd, off_t size)
{
	const off_t page = (off_t)page_size();
	off_t at = 0, step = 1 << 20;
	int ret;

	while (at < size) {
		ret = posix_fallocate(fd, at, size - at < step ? size - at : step);
		if (!ret)
			at += step;
		else if (ret != EINTR)
			return ret == ENOSPC ? -ENOMEM : -ret;
		else if (step > page)
			step /= 2;
	}
	return 0;
}

static int fill_file(const struct shmring_private *p, const char *name,
		     const struct shmring_options *opt)
{
	const struct shmring_geometry g = geometry_of(opt, &p->lanes);
	const uint32_t flags = (opt->flags & SHMRING_QUEUE) | flag_of(g.topology);
	off_t base, end = g.nr_lanes ? hub_offset(&g) : lane_size(&g);
	int ret = allocate_pages(p->fd, g.nr_lanes ? end + (off_t)page_size() : end);

	if (ret)
		return ret;
	if (*name && pwrite(p->fd, name, strlen(name), name_offset()) < 0)
		return -errno;
	for (base = 0; !ret && base < end; base += lane_size(&g))
		ret = write_status(p->fd, &g, flags, base);
	return ret;
}

static int create_anonymous(struct shmring_private *p, const struct shmring_options *opt)
{
	int ret;

	p->fd = kept_fd(memfd_create("shmring", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	if (p->fd < 0)
		return p->fd;
	ret = fill_file(p, "", opt);
	if (!ret && fcntl(p->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		ret = -errno;
	return ret ? ret : become_holder(p, "");
}

/*
 * Make a file without a name. To open or name it later takes /proc: without /proc, make it with
 * a temporary name. @self gets a path to the file.
 */
static int open_new(char self[PATH_SIZE], bool *temporary, unsigned int mode)
{
	int fd;

	*temporary = access("/proc/self/fd", F_OK);
	if (*temporary) {
		snprintf(self, PATH_SIZE, "/dev/shm/.shmring.%d.%llx", getpid(),
			 (unsigned long long)shmring_now());
		return kept_fd(open(self, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode));
	}
	fd = kept_fd(open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
	snprintf(self, PATH_SIZE, "/proc/self/fd/%d", fd);
	return fd;
}

/* The file gets its name last, when all is there and the lock is held. */
static int create_named(struct shmring_private *p, const char *name,
			const struct shmring_options *opt)
{
	bool persist = opt->flags & SHMRING_PERSIST, temporary;
	char path[PATH_SIZE], self[PATH_SIZE];
	struct stat st;
	int ret;

	shmring_memfd_path(path, name);
	p->fd = open_new(self, &temporary, opt->mode);
	if (p->fd < 0)
		return p->fd;
	ret = fill_file(p, name, opt);
	/* The sticky bit marks a ring that persists. */
	if (!ret && persist && (fstat(p->fd, &st) || fchmod(p->fd, st.st_mode | S_ISVTX)))
		ret = -errno;
	if (!ret)
		ret = become_holder(p, self);
	if (!ret)
		ret = shmring_memfd_link(self, path);
	if (temporary)
		unlink(self);
	if (ret)
		return ret;
	strcpy(p->memfd.name, name);
	p->memfd.persists = persist;
	return 0;
}

static void close_files(struct shmring_private *p)
{
	if (p->fd >= 0)
		close(p->fd);
	if (p->memfd.lock_fd >= 0)
		close(p->memfd.lock_fd);
	p->fd = -1;
	p->memfd.lock_fd = -1;
	*p->memfd.name = 0;
}

int shmring_memfd_create(struct shmring_private *p, const char *name,
			 const struct shmring_options *opt)
{
	int ret = *name ? create_named(p, name, opt) : create_anonymous(p, opt);

	if (ret)
		close_files(p);
	return ret;
}

int shmring_memfd_open(struct shmring_private *p, const char *name, enum shmring_role role)
{
	char path[PATH_SIZE];
	struct stat st;
	int ret;

	(void)role;	/* a process that may read and write the file may take any role */
	shmring_memfd_path(path, name);
	p->fd = shmring_memfd_find(SETUP_PATIENCE, path);
	if (p->fd < 0)
		return p->fd;
	ret = become_holder(p, path);
	if (!ret)
		ret = fstat(p->fd, &st) ? -errno : 0;
	if (!ret && !st.st_nlink)
		ret = -ENOENT;	/* unlinked in between */
	if (ret) {
		close_files(p);
		return ret;
	}
	strcpy(p->memfd.name, name);
	p->memfd.persists = st.st_mode & S_ISVTX;
	return 0;
}

static uint32_t lanes_of(const struct shmring_status *s)
{
	return s->flags & FLAGS_OF_LANES ? s->nr_lanes : 0;
}

static uint32_t topology_of(const struct shmring_status *s)
{
	return s->flags & FLAG_FAN_IN ? SHMRING_TOPOLOGY_FAN_IN :
	       s->flags & FLAG_WORK ? SHMRING_TOPOLOGY_WORK : SHMRING_TOPOLOGY_RING;
}

/* The capacity that makes a file so large; 0: none does. */
static uint64_t capacity_of(const struct shmring_status *s, uint64_t size)
{
	uint32_t lanes = lanes_of(s);

	if (!(s->flags & FLAGS_OF_LANES))
		return size - data_offset();
	if (!lanes || lanes > SHMRING_LANES_MAX || (size - page_size()) % lanes)
		return 0;
	return (size - page_size()) / lanes - data_offset();
}

/* The sizes in the first page, if the size of the file agrees. The page is read once. */
int shmring_memfd_geometry(const struct shmring_private *p, struct shmring_geometry *g)
{
	struct shmring_status status;
	struct stat st;

	if (fstat(p->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)(data_offset() + page_size()) ||
	    pread(p->fd, &status, sizeof(status), 0) != sizeof(status) ||
	    status.magic != SHMRING_MAGIC)
		return -EINVAL;
	*g = (struct shmring_geometry){
		.capacity = capacity_of(&status, (uint64_t)st.st_size),
		.slots = status.slots,
		.features = status.features,
		.slot_size = status.slot_size,
		.align = status.align,
		.nr_lanes = lanes_of(&status),
		.topology = topology_of(&status),
	};
	if (!shmring_is_geometry(g) || status.abi != SHMRING_ABI ||
	    (status.nr_lanes != 1 && !g->nr_lanes) || status.capacity != g->capacity ||
	    (status.flags & ~(SHMRING_QUEUE | FLAGS_OF_LANES)) ||
	    (status.flags & FLAGS_OF_LANES) == FLAGS_OF_LANES)
		return -EPROTO;	/* and not a word is written */
	return 0;
}

/* Read the file's name: this holder may be the last one, which removes the name. */
static void find_name(struct shmring_private *p)
{
	char name[SHMRING_NAME_MAX];
	struct stat st;

	if (!fstat(p->fd, &st) &&
	    pread(p->fd, name, sizeof(name), name_offset()) == sizeof(name) &&
	    !shmring_clean_name(p->memfd.name, name))
		p->memfd.persists = st.st_mode & S_ISVTX;
}

/*
 * Could a peer shrink the file, so that an access to the mapping raises SIGBUS? A sealed memfd
 * cannot shrink. A named ring's file cannot be sealed; its owner has to be root or this user.
 */
static bool may_peer_shrink(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st, names;

	if (seals < 0)
		return true;
	if (seals & F_SEAL_SHRINK)
		return false;
	return fstat(fd, &st) || stat("/dev/shm", &names) || st.st_dev != names.st_dev ||
	       (st.st_uid && st.st_uid != geteuid());
}

/* -EINVAL: not a ring of this backend. */
int shmring_memfd_adopt(struct shmring_private *p, int fd)
{
	struct shmring_geometry geometry;
	char path[PATH_SIZE];
	int ret;

	p->fd = shmring_dup_fd(fd);
	if (p->fd < 0)
		return p->fd;
	ret = shmring_memfd_geometry(p, &geometry);
	if (!ret && may_peer_shrink(p->fd))
		ret = -EPROTO;
	if (!ret) {
		find_name(p);
		shmring_memfd_path(path, p->memfd.name);
		ret = become_holder(p, *p->memfd.name ? path : "");
	}
	if (ret)
		close_files(p);
	return ret;
}

/* Keeps the sticky bit, which marks a ring that persists. */
int shmring_memfd_chmod(const struct shmring_private *p, unsigned int mode)
{
	struct stat st;

	return fstat(p->fd, &st) || fchmod(p->fd, mode | (st.st_mode & S_ISVTX)) ? -errno : 0;
}

int shmring_memfd_chown(const struct shmring_private *p, uid_t uid, gid_t gid)
{
	return fchown(p->fd, uid, gid) ? -errno : 0;
}
