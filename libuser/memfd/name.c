// SPDX-License-Identifier: MIT
/* Names in /dev/shm: giving them to files, finding files by them, taking them away. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfd.h"

#define SHM_PREFIX	"/dev/shm/shmring."

void shmring_memfd_path(char path[PATH_SIZE], const char *name)
{
	snprintf(path, PATH_SIZE, SHM_PREFIX "%s", name);
}

/*
 * Open the file of that name. Follows no symbolic link, and does not wait for the other end of
 * a FIFO. -EPROTO: a link, a folder, a socket, or a file with a lease, none of which is a ring.
 */
static int open_path_for(int access, const char *path)
{
	int fd = kept_fd(open(path, access | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));

	return fd == -ELOOP || fd == -EISDIR || fd == -ENXIO || fd == -EAGAIN ? -EPROTO : fd;
}

int shmring_memfd_open_path(const char *path)
{
	return open_path_for(O_RDWR, path);
}

static bool is_name_of(int fd, const char *path)
{
	struct stat ours, named;

	return !fstat(fd, &ours) && !lstat(path, &named) && is_same_file(&ours, &named);
}

/* The library must not lock, write or remove any other file. */
static bool is_ring(int fd)
{
	struct stat st;
	__u32 magic;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       pread(fd, &magic, sizeof(magic), offsetof(struct shmring_status, magic)) ==
	       sizeof(magic) && magic == SHMRING_MAGIC;
}

/*
 * Is this the file of a named ring whose holders have all been killed? If so, the file stays
 * locked until @fd is closed: no other process can remove the file or become a holder of it.
 */
static bool is_debris(int fd)
{
	struct stat st;

	return is_ring(fd) && !fstat(fd, &st) && !(st.st_mode & S_ISVTX) &&
	       !shmring_memfd_lock(fd, LOCK_HOLDERS, F_WRLCK, F_OFD_SETLK);
}

/* The same for a file that is open to read, which cannot be locked: is it debris just now? */
static bool looks_like_debris(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && !(st.st_mode & S_ISVTX) &&
	       !shmring_memfd_lock(fd, LOCK_HOLDERS, F_WRLCK, F_OFD_GETLK);
}

/*
 * Remove the name, if it is still the name of this file. Every process that removes a name takes
 * the file's LOCK_NAME; otherwise another file could get the name after the check. Gives up
 * LOCK_HOLDERS, too: a forked child may keep the open file description for longer.
 */
static int remove_name_of(uint64_t patience, int fd, const char *path)
{
	int ret = shmring_memfd_lock_within(patience, fd, LOCK_NAME, F_WRLCK);

	if (ret)
		return ret;
	if (!is_name_of(fd, path))
		ret = -ENOENT;
	else if (unlink(path))
		ret = -errno;
	shmring_memfd_lock(fd, LOCK_NAME, F_UNLCK, F_OFD_SETLK);
	shmring_memfd_lock(fd, LOCK_HOLDERS, F_UNLCK, F_OFD_SETLK);
	return ret;
}

/* Wait while another process removes the name. Is the name gone? */
static bool has_lost_its_name(uint64_t patience, int fd, const char *path)
{
	if (shmring_memfd_lock(fd, LOCK_HOLDERS, F_RDLCK, F_OFD_GETLK) > 0)
		shmring_memfd_lock_within(patience, fd, LOCK_HOLDERS, F_RDLCK);
	return !is_name_of(fd, path);
}

/* Remove the file that killed holders left under this name. 0: try the name again. */
static int remove_debris(uint64_t patience, const char *path)
{
	int fd = shmring_memfd_open_path(path);
	int ret;

	if (fd < 0)
		return fd == -ENOENT ? 0 : -EEXIST;
	if (is_debris(fd))
		ret = remove_name_of(patience, fd, path);
	else
		ret = is_ring(fd) && has_lost_its_name(patience, fd, path) ? 0 : -EEXIST;
	close(fd);
	return !ret || ret == -ENOENT ? 0 : -EEXIST;
}

/*
 * Give the file @from the name @path. One time limit covers all tries: any user can give the
 * name to one file after the other, and each file may cost a wait for its lock.
 */
int shmring_memfd_link(const char *from, const char *path)
{
	const uint64_t end = shmring_now() + SETUP_PATIENCE;
	uint64_t now;
	int ret = 0;

	while (!ret && linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW)) {
		if (errno != EEXIST)
			return -errno;
		now = shmring_now();
		ret = now < end ? remove_debris(end - now, path) : -ETIMEDOUT;
	}
	return ret;
}

/*
 * Debris that the caller cannot remove may be no debris: a side that closes the ring has given
 * up its lock, and removes the name next.
 */
static bool is_being_closed(uint64_t patience, int fd, const char *path)
{
	const uint64_t end = shmring_now() +
			     (patience < CLOSE_PATIENCE ? patience : CLOSE_PATIENCE);

	while (is_name_of(fd, path)) {
		if (shmring_now() >= end)
			return false;
		shmring_memfd_nap();
	}
	return true;
}

/*
 * A descriptor of the ring of that name. -EPROTO: the file is not that of a ring; -EACCES: the
 * file is debris that the caller may not remove.
 */
int shmring_memfd_find(uint64_t patience, const char *path)
{
	int fd = shmring_memfd_open_path(path), ret = 0;

	if (fd < 0)
		return fd;
	if (!is_ring(fd)) {
		ret = -EPROTO;
	} else if (is_debris(fd)) {
		ret = remove_name_of(patience, fd, path);
		/* A file that cannot be removed keeps its name taken. */
		ret = !ret || ret == -ENOENT || is_being_closed(patience, fd, path) ? -ENOENT :
										      -EACCES;
	}
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/*
 * As shmring_memfd_find(), without a wait, and for a caller that only reads. The file is opened
 * to read: the close of a file that was open for writing ends each poll(2) on the ring. Only
 * debris, which no process polls, is opened for writing, to be removed.
 */
int shmring_memfd_find_to_read(const char *path)
{
	int fd = open_path_for(O_RDONLY, path), ret = -EPROTO;

	if (fd < 0 || (is_ring(fd) && !looks_like_debris(fd)))
		return fd;
	if (is_ring(fd))
		ret = shmring_memfd_find(0, path);
	close(fd);
	return ret;
}

int shmring_memfd_unlink(const char *name)
{
	char path[PATH_SIZE];
	int fd, ret;

	shmring_memfd_path(path, name);
	fd = shmring_memfd_open_path(path);
	if (fd >= 0 && is_ring(fd))
		ret = remove_name_of(SETUP_PATIENCE, fd, path);
	else	/* A caller that may not open the file may still be allowed to remove the name. */
		ret = !unlink(path) ? 0 : errno == EISDIR ? -EPERM : -errno;
	if (fd >= 0)
		close(fd);
	return ret;
}

/*
 * Is no other process a holder? If so, the file stays locked, as by is_debris(). This process
 * gives up its own lock first. Two holders that close at the same time would otherwise each
 * find the lock of the other one, and both would leave the name behind. A process that checks
 * for debris has an exclusive lock for a moment, and may leave the name: wait for that lock.
 */
static bool is_last_holder(int fd)
{
	const uint64_t end = shmring_now() + CLOSE_PATIENCE;

	shmring_memfd_lock(fd, LOCK_HOLDERS, F_UNLCK, F_OFD_SETLK);
	while (shmring_memfd_lock(fd, LOCK_HOLDERS, F_WRLCK, F_OFD_SETLK)) {
		if (shmring_memfd_lock(fd, LOCK_HOLDERS, F_WRLCK, F_OFD_GETLK) == HELD_SHARED ||
		    shmring_now() >= end)
			return false;
		shmring_memfd_nap();
	}
	return true;
}

/* The last holder removes the name, if it is still this file's. */
void shmring_memfd_remove_name(struct shmring_private *p)
{
	char path[PATH_SIZE];

	if (!*p->memfd.name || p->memfd.persists || p->memfd.lock_fd < 0 ||
	    !is_last_holder(p->memfd.lock_fd))
		return;
	shmring_memfd_path(path, p->memfd.name);
	remove_name_of(CLOSE_PATIENCE, p->memfd.lock_fd, path);
}

/*
 * Does a live ring of the caller's or of root's have this name? A file that the caller may
 * not read counts by its owner alone.
 */
bool shmring_memfd_has(const char *name)
{
	char path[PATH_SIZE];
	struct stat st;
	bool ret;
	int fd;

	shmring_memfd_path(path, name);
	if (lstat(path, &st) || !S_ISREG(st.st_mode) || (st.st_uid && st.st_uid != geteuid()))
		return false;
	fd = open_path_for(O_RDONLY, path);
	if (fd < 0)
		return errno != ENOENT;
	ret = is_ring(fd) && !looks_like_debris(fd);
	close(fd);
	return ret;
}
