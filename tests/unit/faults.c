// SPDX-License-Identifier: MIT
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

static int refused;
static const char *device;
static bool no_space, interrupts, interrupted_last;
static void (*before_lock)(void), (*before_name)(void), (*after_refusal)(void), (*before_nap)(void);
static uint64_t *skipped;
static unsigned int to_skip;
static _Thread_local unsigned int countdown;	/* of this thread, not of the library's */
static unsigned int blocking_locks;
static bool happened;
static const char *faulty;	/* NULL: every call */
static int faulty_error;

void fault_at(unsigned int n)
{
	countdown = n;
	happened = false;
	faulty = NULL;
	faulty_error = ENOMEM;
}

void fault_in(const char *call, int error, unsigned int n)
{
	fault_at(n);
	faulty = call;
	faulty_error = error;
}

bool fault_happened(void)
{
	return happened;
}

void refuse_barrier(int command)
{
	refused = command;
}

void device_is(const char *path)
{
	device = path;
}

void refuse_space(bool refuse)
{
	no_space = refuse;
}

void interrupt_calls(bool interrupt)
{
	interrupts = interrupt;
	interrupted_last = false;
}

void before_next_lock(void (*fn)(void))
{
	before_lock = fn;
}

void before_name_lock(void (*fn)(void))
{
	before_name = fn;
}

void after_next_refusal(void (*fn)(void))
{
	after_refusal = fn;
}

void before_next_nap(void (*fn)(void))
{
	before_nap = fn;
}

void skip_sleeps(uint64_t *until, unsigned int n)
{
	skipped = until;
	to_skip = n;
}

unsigned int nr_blocking_locks(void)
{
	return blocking_locks;
}

static bool interrupted(void)
{
	interrupted_last = interrupts && !interrupted_last;
	return interrupted_last;
}

static bool fault(const char *call)
{
	if (!countdown || (faulty && strcmp(call, faulty)) || --countdown)
		return false;
	happened = true;
	errno = faulty_error;
	return true;
}

/* NAME: a function of these parameters, called with these arguments. */
#define WRAP(type, failure, name, parameters, arguments)	\
	type __real_##name parameters;				\
	type __wrap_##name parameters;				\
	type __wrap_##name parameters				\
	{							\
		return fault(#name) ? (failure) : __real_##name arguments;	\
	}

WRAP(void *, NULL, aligned_alloc, (size_t align, size_t size), (align, size))
WRAP(void *, NULL, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, (void *)-1, mmap, (void *at, size_t len, int prot, int flags, int fd, off_t offset),
     (at, len, prot, flags, fd, offset))
WRAP(int, -1, madvise, (void *at, size_t len, int advice), (at, len, advice))
WRAP(int, -1, memfd_create, (const char *name, unsigned int flags), (name, flags))
WRAP(int, -1, fstat, (int fd, struct stat *st), (fd, st))
WRAP(int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, -1, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
WRAP(ssize_t, -1, read, (int fd, void *buf, size_t n), (fd, buf, n))
WRAP(ssize_t, -1, pread, (int fd, void *buf, size_t n, off_t at), (fd, buf, n, at))
WRAP(ssize_t, -1, pwrite, (int fd, const void *buf, size_t n, off_t at), (fd, buf, n, at))
WRAP(int, -1, linkat, (int from, const char *old, int to, const char *new, int flags),
     (from, old, to, new, flags))
WRAP(int, -1, unlink, (const char *path), (path))
WRAP(int, -1, inotify_init1, (int flags), (flags))
WRAP(int, -1, inotify_add_watch, (int fd, const char *path, unsigned int mask), (fd, path, mask))
WRAP(int, -1, timerfd_create, (int clock, int flags), (clock, flags))
WRAP(int, -1, eventfd, (unsigned int value, int flags), (value, flags))
WRAP(int, errno, pthread_create, (pthread_t *thread, const pthread_attr_t *attr,
				  void *(*fn)(void *), void *arg), (thread, attr, fn, arg))
WRAP(int, -1, epoll_create1, (int flags), (flags))
WRAP(int, -1, epoll_ctl, (int fd, int op, int which, struct epoll_event *event),
     (fd, op, which, event))

int __real_posix_fallocate(int fd, off_t at, off_t len);
int __wrap_posix_fallocate(int fd, off_t at, off_t len);
int __wrap_posix_fallocate(int fd, off_t at, off_t len)
{
	if (no_space)
		return ENOSPC;
	if (interrupted() || (interrupts && len > 1 << 16))
		return EINTR;
	return fault("posix_fallocate") ? errno : __real_posix_fallocate(fd, at, len);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	if (device && !strcmp(path, "/dev/shmring"))
		path = device;
	return fault("open") ? -1 : __real_open(path, flags, mode);
}

static void run_once(void (**hook)(void))
{
	void (*fn)(void) = *hook;

	*hook = NULL;
	if (fn)
		fn();
}

static bool is_lock(int command)
{
	return command == F_OFD_SETLK || command == F_OFD_SETLKW || command == F_OFD_GETLK;
}

/* Let a lock fail, or the test act before it, if that was asked for. True: it is interrupted. */
static bool meddle(int command, const struct flock *lock)
{
	const off_t name_byte = 2;

	if (!is_lock(command))
		return false;
	if (command != F_OFD_GETLK && lock->l_type == F_WRLCK) {
		run_once(&before_lock);
		if (lock->l_start == name_byte)
			run_once(&before_name);
	}
	if (!interrupted())
		return false;
	errno = EINTR;
	return true;
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
	void *arg;
	bool unlocks;
	va_list ap;
	int ret;

	va_start(ap, command);
	arg = va_arg(ap, void *);
	va_end(ap);
	blocking_locks += command == F_OFD_SETLKW || command == F_SETLKW;
	if (meddle(command, arg))
		return -1;
	/* The kernel never refuses to release a lock. */
	unlocks = command == F_OFD_SETLK && ((struct flock *)arg)->l_type == F_UNLCK;
	if (!unlocks && fault(is_lock(command) ? "lock" : "fcntl"))
		return -1;
	ret = __real_fcntl(fd, command, arg);
	if (ret < 0 && errno == EAGAIN && is_lock(command)) {
		run_once(&after_refusal);
		errno = EAGAIN;
	}
	return ret;
}

int __real_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	run_once(&before_nap);
	return __real_nanosleep(time, left);
}

/* True: this sleep ends at once. */
static bool skip(const long *args)
{
	const struct timespec *until = (const struct timespec *)args[3];

	if (!skipped || (int)args[1] != FUTEX_WAIT_BITSET)
		return false;
	errno = to_skip ? ETIMEDOUT : EINTR;
	if (to_skip && to_skip--)
		*skipped++ = (uint64_t)until->tv_sec * 1000000000 + (uint64_t)until->tv_nsec;
	else
		skipped = NULL;
	return true;
}

long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, ...);
long __wrap_syscall(long nr, ...)
{
	long args[6] = { 0 };
	va_list ap;
	int i;

	va_start(ap, nr);
	for (i = 0; i < (nr == SYS_futex ? 6 : nr == SYS_membarrier ? 3 : 2); i++)
		args[i] = va_arg(ap, long);
	va_end(ap);
	if (nr == SYS_membarrier && refused && (int)args[0] == refused) {
		errno = EPERM;
		return -1;
	}
	if (nr == SYS_futex && skip(args))
		return -1;
	return __real_syscall(nr, args[0], args[1], args[2], args[3], args[4], args[5]);
}
