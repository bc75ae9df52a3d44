// SPDX-License-Identifier: MIT
/*
 * Who is there: what the kernel would know is found out by file locks, which go with
 * whoever holds them.
 *
 * They are open file description locks, on a description of their own that is
 * never handed on. A forked child inherits it all the same, so the pid says more
 * where it can be looked up; and as a role's next owner has another byte, no child of
 * the one before is taken for it.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memfd.h"

int shmring_memfd_lock(int fd, off_t byte, short type, int command)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	int ret;

	do {
		ret = fcntl(fd, command, &l);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	return command == F_OFD_GETLK ? l.l_type != F_UNLCK : 0;
}

off_t shmring_memfd_role_byte(enum shmring_role role, uint32_t epoch)
{
	return LOCK_ROLES + 2 * (off_t)epoch + (role == SHMRING_CONSUMER);
}

uint64_t shmring_memfd_pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) ? 0 : st.st_ino;
}

/* A zombie is dead, too: its pidfd is readable. */
static bool process_is_dead(pid_t pid)
{
	struct pollfd p = { .events = POLLIN };
	bool dead;

	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p.fd < 0)
		return errno == ESRCH;
	dead = poll(&p, 1, 0) == 1;
	close(p.fd);
	return dead;
}

/* Is whoever took the role still there? */
bool shmring_memfd_alive(const struct shmring *r, enum shmring_role role)
{
	__shmring_word *owner = owner_of(r, role);
	uint64_t pid = __atomic_load_n(&owner[0], __ATOMIC_RELAXED);
	uint32_t epoch = __atomic_load_n(&half_of(r, role)->epoch, __ATOMIC_RELAXED);

	if (!shmring_memfd_lock(r->priv->lock_fd, shmring_memfd_role_byte(role, epoch), F_WRLCK,
				F_OFD_GETLK))
		return false;
	if (!pid || pid > INT_MAX || !r->priv->pid_ns ||
	    __atomic_load_n(&owner[1], __ATOMIC_RELAXED) != r->priv->pid_ns)
		return true;
	return !process_is_dead((pid_t)pid);
}
