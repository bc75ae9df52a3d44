// SPDX-License-Identifier: MIT
/*
 * File locks show which processes have a ring or a role: a lock goes with the process that
 * holds it.
 *
 * They are open file description locks, on a description of their own that is never passed
 * on. A forked child inherits that description all the same, so the pid is looked up, too,
 * where that is possible. The next owner of a role locks another byte, so that a child of
 * the former owner is not taken for the next owner.
 *
 * No call waits for a lock in the kernel: any user who may open the file can hold any of its
 * bytes for ever, and a debugger that runs one thread at a time would never run the holder.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "memfd.h"

#define RETRY_NS	200000

int shmring_memfd_lock(int fd, off_t byte, short type, int command)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	int ret;

	do {
		ret = fcntl(fd, command, &l);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return errno == EAGAIN || errno == EACCES ? -EBUSY :
		       errno == ENOLCK ? -ENOMEM : -errno;
	if (command != F_OFD_GETLK || l.l_type == F_UNLCK)
		return 0;
	return l.l_type == F_WRLCK ? HELD_EXCLUSIVE : HELD_SHARED;
}

void shmring_memfd_nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = RETRY_NS }, NULL);
}

static int try_until(uint64_t patience, int fd, off_t byte, short type, int command)
{
	const uint64_t end = shmring_now() + patience;
	int ret;

	while ((ret = shmring_memfd_lock(fd, byte, type, command)) == -EBUSY) {
		if (shmring_now() >= end)
			return -ETIMEDOUT;
		shmring_memfd_nap();
	}
	return ret;
}

int shmring_memfd_lock_within(uint64_t patience, int fd, off_t byte, short type)
{
	return try_until(patience, fd, byte, type, F_OFD_SETLK);
}

/*
 * A process without a description of its own takes a lock of the process, which ends if the
 * process closes the file; but it is held for a short time, without a close. A lock of the
 * description that was passed to the process would stay if the process is killed.
 */
int shmring_memfd_lock_change(uint64_t patience, const struct shmring_private *p)
{
	if (p->memfd.lock_fd >= 0)
		return try_until(patience, p->memfd.lock_fd, LOCK_CHANGE, F_WRLCK, F_OFD_SETLK);
	return try_until(patience, p->fd, LOCK_CHANGE, F_WRLCK, F_SETLK);
}

void shmring_memfd_unlock_change(const struct shmring_private *p)
{
	if (p->memfd.lock_fd >= 0)
		shmring_memfd_lock(p->memfd.lock_fd, LOCK_CHANGE, F_UNLCK, F_OFD_SETLK);
	else
		shmring_memfd_lock(p->fd, LOCK_CHANGE, F_UNLCK, F_SETLK);
}

off_t shmring_memfd_role_byte(const struct shmring_private *p, enum shmring_role role,
			      uint32_t epoch)
{
	return ((off_t)p->lane << LANE_LOCKS) + LOCK_ROLES + 2 * (off_t)epoch +
	       (role == SHMRING_CONSUMER);
}

/* ------------------------------------------------------------------ processes */

/*
 * When a process was started, in clock ticks since boot: field 22 of its stat file. Field 2,
 * its name, may have blanks and parentheses. 0: unknown. @dir: the process's folder; @pid: its pid
 * there, to check, as /proc may be that of another namespace.
 *
 * Reads the stat file of the first thread, which has the same time. A program that QEMU's user
 * mode runs reads an invented time in its own stat file, and other processes read the kernel's.
 */
static uint64_t start_time(const char *dir, pid_t pid)
{
	char path[64], stat[1024], *field;
	ssize_t n;
	int fd, i;

	snprintf(path, sizeof(path), "%s/task/%d/stat", dir, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	stat[n] = 0;
	field = strtol(stat, NULL, 10) == pid ? strrchr(stat, ')') : NULL;
	for (i = 2; field && i < 22; i++)
		field = strchr(field + 1, ' ');
	return field ? strtoull(field, NULL, 10) : 0;
}

/* Start times can be compared only within the first time namespace. */
static bool has_boot_times(void)
{
	const ino_t first = 0xeffffffa;
	struct stat st;

	return stat("/proc/self/ns/time", &st) ? errno == ENOENT : st.st_ino == first;
}

static void look_oneself_up(struct shmring_memfd_process *m)
{
	bool comparable = has_boot_times();
	struct stat st;

	m->pid_ns = stat("/proc/self/ns/pid", &st) ? 0 : st.st_ino;
	m->started = comparable ? start_time("/proc/self", getpid()) : 0;
	/* Else try again: there is no /proc, or no descriptor. */
	m->knows_itself = m->pid_ns && (m->started || !comparable);
}

/* Once a process: reading it takes as long as half an attach. */
void shmring_memfd_identify(struct shmring_private *p)
{
	struct shmring_memfd_process *m = &shmring_process->memfd;

	shmring_lock_process();
	if (!m->knows_itself)
		look_oneself_up(m);
	p->memfd.pid_ns = m->pid_ns;
	p->memfd.started = m->started;
	shmring_unlock_process();
}

/* A zombie counts as dead: its pidfd is readable. So does a process whose pid is used again. */
static bool process_is_dead(pid_t pid, uint64_t started)
{
	struct pollfd p = { .events = POLLIN };
	char dir[32];
	uint64_t now;
	bool dead;

	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p.fd < 0)
		return errno == ESRCH;
	dead = poll(&p, 1, 0) == 1;
	close(p.fd);
	if (dead || !started)
		return dead;
	snprintf(dir, sizeof(dir), "/proc/%d", pid);
	now = start_time(dir, pid);
	return now && now != started;
}

bool shmring_memfd_alive(const struct shmring_private *p, enum shmring_role role, uint32_t epoch,
			 const struct owner *owner)
{
	int fd = p->memfd.lock_fd >= 0 ? p->memfd.lock_fd : p->fd;

	if (!owner->unlocked &&
	    !shmring_memfd_lock(fd, shmring_memfd_role_byte(p, role, epoch), F_WRLCK, F_OFD_GETLK))
		return false;
	if (!owner->pid || owner->pid > INT_MAX || !p->memfd.pid_ns ||
	    owner->pid_ns != p->memfd.pid_ns)
		return true;
	/* Both roles may be this process's. */
	if (owner->pid == (uint64_t)getpid() && owner->started == p->memfd.started)
		return true;
	return !process_is_dead((pid_t)owner->pid, p->memfd.started ? owner->started : 0);
}
