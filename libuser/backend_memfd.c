// SPDX-License-Identifier: MIT
/*
 * Rings without the module: a memfd, or for a name a file in /dev/shm, of the
 * same layout, that all who have it may write. What the kernel would know is
 * found out by file locks, which go with whoever holds them:
 *
 *   byte 0	everybody (shared)	byte 1	who is changing who is there
 *   byte 2	who is taking the name away
 *   byte 16 + 2 * epoch, and + 1	the producer, the consumer of that epoch
 *
 * They are open file description locks, on a description of their own that is
 * never handed on. A forked child inherits it all the same, so the pid says more
 * where it can be looked up; and as a role's next owner has another byte, no child of
 * the one before is taken for it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"

enum { LOCK_HOLDERS, LOCK_CHANGE, LOCK_NAME, LOCK_ROLES = 16 };

#define SHM_PREFIX	"/dev/shm/shmring."
#define PATH_SIZE	(SHMRING_NAME_MAX + 32)
#define POKE_OFFSET	(SHMRING_LANE_OFFSET + sizeof(struct shmring_lane))
#define NAME_OFFSET	512		/* the file's name, for who gets a descriptor only */
#define NS_PER_S	1000000000ull
#define FENCE_CREDIT	65536		/* as the module's */

/* How the same half of the lane looks from either side. */
struct half {
	__shmring_word wake_at;
	__shmring_word fence_until;
	__u32 state;
	__u32 epoch;
};

/* ------------------------------------------------------------------- layout */

/* As the module's: kernel, consumer, producer, data. */
static size_t data_offset(void)
{
	return 3 * page_size();
}

static struct half *half_of(const struct shmring *r, enum shmring_role role)
{
	return role == SHMRING_CONSUMER ? (void *)&r->lane->data_wake_at :
					  (void *)&r->lane->space_wake_at;
}

static uint32_t *futex_of(const struct shmring *r, enum shmring_role role)
{
	return role == SHMRING_CONSUMER ? &r->lane->data_futex : &r->lane->space_futex;
}

static uint32_t *poll_of(const struct shmring *r, enum shmring_role role)
{
	return role == SHMRING_CONSUMER ? &r->lane->data_poll : &r->lane->space_poll;
}

static __shmring_word *position_of(const struct shmring *r, enum shmring_role role)
{
	return role == SHMRING_CONSUMER ? &r->consumer->tail : &r->producer->head;
}

/* Who has the role: a pid and its namespace, beside the position. */
static __shmring_word *owner_of(const struct shmring *r, enum shmring_role role)
{
	return role == SHMRING_CONSUMER ? r->consumer->reserved : r->producer->reserved;
}

static enum shmring_role peer_role(const struct shmring *r)
{
	return r->role == SHMRING_CONSUMER ? SHMRING_PRODUCER : SHMRING_CONSUMER;
}

/* -------------------------------------------------------------------- locks */

static int lock(int fd, off_t byte, short type, int command)
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

static off_t role_byte(enum shmring_role role, uint32_t epoch)
{
	return LOCK_ROLES + 2 * (off_t)epoch + (role == SHMRING_CONSUMER);
}

static uint64_t pid_namespace(void)
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
static bool alive(const struct shmring *r, enum shmring_role role)
{
	__shmring_word *owner = owner_of(r, role);
	uint64_t pid = __atomic_load_n(&owner[0], __ATOMIC_RELAXED);
	uint32_t epoch = __atomic_load_n(&half_of(r, role)->epoch, __ATOMIC_RELAXED);

	if (!lock(r->priv->lock_fd, role_byte(role, epoch), F_WRLCK, F_OFD_GETLK))
		return false;
	if (!pid || pid > INT_MAX || !r->priv->pid_ns ||
	    __atomic_load_n(&owner[1], __ATOMIC_RELAXED) != r->priv->pid_ns)
		return true;
	return !process_is_dead((pid_t)pid);
}

/* -------------------------------------------------------------------- waking */

/* A 32-bit program's time_t may have 64 bits; then the system call is another one. */
#ifdef SYS_futex_time64
#define FUTEX_CALL	(sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex)
#else
#define FUTEX_CALL	SYS_futex
#endif

static long futex(uint32_t *word, int op, uint32_t value, const struct timespec *until)
{
	return syscall(FUTEX_CALL, word, op, value, until, NULL, FUTEX_BITSET_MATCH_ANY);
}

/*
 * Whoever polls watches the file: write to it, where nobody reads. Not through
 * the memfd's first description, of which inotify tells nothing (seen on 6.18).
 */
static void poke(const struct shmring_private *p)
{
	ssize_t ret = pwrite(p->lock_fd, "", 1, POKE_OFFSET);

	(void)ret;
}

static void wake(const struct shmring *r, enum shmring_role role)
{
	uint32_t *word = futex_of(r, role);

	__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
	futex(word, FUTEX_WAKE, INT_MAX, NULL);
	if (__atomic_exchange_n(poll_of(r, role), 0, __ATOMIC_SEQ_CST))
		poke(r->priv);
}

/* The reset comes first: a sleeper that arms after it looks for itself. */
static void memfd_wake(struct shmring *r)
{
	enum shmring_role peer = peer_role(r);

	if (__atomic_exchange_n(&half_of(r, peer)->wake_at, SHMRING_NO_WAKE, __ATOMIC_SEQ_CST) !=
	    SHMRING_NO_WAKE)
		wake(r, peer);
}

/* --------------------------------------------------------- who pays the fence */

/*
 * Can a sleeper make our CPUs execute a barrier, and we the other side's? Lasts
 * until exec.
 */
static bool accept_barriers(void)
{
	return !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
}

/*
 * If not, both sides have to fence. A peer that is just publishing may not have seen
 * it yet; for that one time a sleep can last until its slice of SHMRING_CHECK_NS ends.
 */
static void agree_on_fences(struct shmring *r)
{
	if (accept_barriers())
		return;
	__atomic_store_n(&half_of(r, SHMRING_PRODUCER)->fence_until, SHMRING_FENCE_ALWAYS,
			 __ATOMIC_SEQ_CST);
	__atomic_store_n(&half_of(r, SHMRING_CONSUMER)->fence_until, SHMRING_FENCE_ALWAYS,
			 __ATOMIC_SEQ_CST);
}

/*
 * See to the barrier between the publications of the peer and us, who have just
 * armed. The protocol, and why it is right, is in the module's fence.c.
 */
static void fence_peer(struct shmring *r)
{
	uint64_t position = __atomic_load_n(position_of(r, peer_role(r)), __ATOMIC_RELAXED);
	__shmring_word *fence_until = &half_of(r, r->role)->fence_until;
	uint64_t until = position + (r->capacity > FENCE_CREDIT ? r->capacity : FENCE_CREDIT);
	__u64 seen = __atomic_load_n(fence_until, __ATOMIC_RELAXED);

	if (position < r->priv->fenced_until || seen == SHMRING_FENCE_ALWAYS)
		return;
	/* Not over a FENCE_ALWAYS that comes just now. */
	if (!__atomic_compare_exchange_n(fence_until, &seen, until, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return;
	/* J, matches A-C and E-G: on all CPUs that run a process which accepts it. */
	if (!syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0))
		r->priv->fenced_until = until;
	else	/* as in agree_on_fences() */
		__atomic_store_n(fence_until, SHMRING_FENCE_ALWAYS, __ATOMIC_SEQ_CST);
}

/* --------------------------------------------------------------- coming, going */

/* Where the role that ends leaves its position: as in the module, slots not minded. */
static uint64_t settled(uint64_t own, uint64_t other, bool in_window)
{
	const uint64_t far = SHMRING_NO_WAKE / 4 * 3;

	if (in_window && own < far && own % SHMRING_ALIGN == 0)
		return own;
	return other < far && other % SHMRING_ALIGN == 0 ? other : 0;
}

/*
 * End a role: leave its position within the window, say where the stream ends,
 * then that it does, then wake everybody. Under LOCK_CHANGE.
 */
static void end_role(struct shmring *r, enum shmring_role role)
{
	uint64_t head = __atomic_load_n(&r->producer->head, __ATOMIC_ACQUIRE);
	uint64_t tail = __atomic_load_n(&r->consumer->tail, __ATOMIC_ACQUIRE);
	bool in_window = head - tail <= r->capacity;

	if (role == SHMRING_PRODUCER) {
		head = settled(head, tail, in_window);
		__atomic_store_n(&r->producer->head, head, __ATOMIC_RELAXED);
		__atomic_store_n(&r->lane->end, head, __ATOMIC_RELAXED);
	} else {
		tail = settled(tail, head, in_window);
		__atomic_store_n(&r->consumer->tail, tail, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&half_of(r, role)->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	__atomic_store_n(&half_of(r, role)->state, SHMRING_PEER_GONE, __ATOMIC_SEQ_CST);
	wake(r, SHMRING_PRODUCER);
	wake(r, SHMRING_CONSUMER);
	poke(r->priv);
}

static bool is_live(const struct shmring *r, enum shmring_role role)
{
	return __atomic_load_n(&half_of(r, role)->state, __ATOMIC_ACQUIRE) == SHMRING_PEER_LIVE;
}

/*
 * Has the other side died without a word? Then say it in its place. Or somebody else is
 * about to, or has stopped while it was, which is no reason to miss a deadline here.
 */
static void memfd_check_peer(struct shmring *r)
{
	enum shmring_role peer = peer_role(r);

	if (!is_live(r, peer) || alive(r, peer))
		return;
	if (lock(r->priv->lock_fd, LOCK_CHANGE, F_WRLCK, F_OFD_SETLK))
		return;
	if (is_live(r, peer) && !alive(r, peer))
		end_role(r, peer);
	lock(r->priv->lock_fd, LOCK_CHANGE, F_UNLCK, F_OFD_SETLK);
}

static int take_role(struct shmring *r, enum shmring_role role)
{
	struct half *half = half_of(r, role);
	__shmring_word *owner = owner_of(r, role);
	uint32_t epoch;
	int ret;

	if (is_live(r, role)) {
		if (alive(r, role))
			return -EBUSY;
		end_role(r, role);
	}
	epoch = __atomic_load_n(&half->epoch, __ATOMIC_RELAXED) + 1;
	ret = lock(r->priv->lock_fd, role_byte(role, epoch), F_WRLCK, F_OFD_SETLK);
	if (ret)
		return ret;
	__atomic_store_n(&owner[0], (uint64_t)getpid(), __ATOMIC_RELAXED);
	__atomic_store_n(&owner[1], r->priv->pid_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&half->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	agree_on_fences(r);
	__atomic_store_n(&half->epoch, epoch, __ATOMIC_RELAXED);
	__atomic_store_n(&half->state, SHMRING_PEER_LIVE, __ATOMIC_SEQ_CST);
	return 0;
}

/* -------------------------------------------------------------------- waiting */

/*
 * Tell the other side the position at which there are @bytes. True: look again,
 * for they are there already, or never will be: a consumer that waits for more
 * than there is meets a producer that waits for space. Both store their wake_at
 * before they look at the other's, so one of them sees it. A wake_at that is not ahead
 * says nothing: "no" is -1, and see look_for_data().
 */
static bool arm(struct shmring *r, uint64_t bytes)
{
	enum shmring_role peer = peer_role(r);
	uint64_t own = __atomic_load_n(position_of(r, r->role), __ATOMIC_RELAXED);
	uint64_t at = own + bytes - (r->role == SHMRING_PRODUCER ? r->capacity : 0);
	uint64_t other, wake_at;

	__atomic_store_n(&half_of(r, r->role)->wake_at, at, __ATOMIC_SEQ_CST);
	__shmring_fence();			/* D, matches I */
	fence_peer(r);
	other = __atomic_load_n(position_of(r, peer), __ATOMIC_SEQ_CST);
	wake_at = __atomic_load_n(&half_of(r, peer)->wake_at, __ATOMIC_SEQ_CST);
	if ((int64_t)(wake_at - own) > 0 && other != own) {
		if (r->role == SHMRING_CONSUMER)
			return true;
		memfd_wake(r);
	}
	return (int64_t)(other - at) >= 0;
}

/* Sleep until the word changes, or for a slice: then see whether the peer lives. */
static int sleep_slice(struct shmring *r, uint32_t seen, uint64_t slice, uint64_t deadline)
{
	uint64_t end = shmring_now() + slice;
	uint64_t until = deadline && deadline < end ? deadline : end;
	struct timespec ts = {
		.tv_sec = (time_t)(until / NS_PER_S),
		.tv_nsec = (long)(until % NS_PER_S),
	};

	if (!futex(futex_of(r, r->role), FUTEX_WAIT_BITSET, seen, &ts) || errno == EAGAIN)
		return 1;
	if (errno != ETIMEDOUT)
		return -errno;
	if (deadline && deadline <= shmring_now())
		return -ETIMEDOUT;
	memfd_check_peer(r);
	return !is_live(r, peer_role(r)) &&
	       __atomic_load_n(&half_of(r, peer_role(r))->state, __ATOMIC_ACQUIRE) ==
	       SHMRING_PEER_GONE;
}

static int memfd_wait(struct shmring *r, uint64_t bytes, uint64_t mark, uint64_t deadline)
{
	uint64_t slice = SHMRING_CHECK_NS;
	uint32_t seen;
	int ret;

	for (;;) {
		seen = __atomic_load_n(futex_of(r, r->role), __ATOMIC_SEQ_CST);
		ret = arm(r, mark > bytes ? mark : bytes) ? 1 :
		      sleep_slice(r, seen, slice, deadline);
		if (ret)
			break;
		/* Idle for longer: look less often. */
		if (slice < SHMRING_CHECK_MAX_NS)
			slice *= 2;
	}
	__atomic_store_n(&half_of(r, r->role)->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	return ret < 0 ? ret : 0;
}

/* -------------------------------------------------------------------- polling */

#define DYING_NS	1000000000ull	/* from a file's last event to the end of its locks */

/* Whether somebody has closed the file. */
static bool drain(int fd)
{
	struct inotify_event events[64];	/* of a file they have no name */
	bool closed = false;
	ssize_t n;

	while ((n = read(fd, events, sizeof(events))) > 0)
		for (n /= (ssize_t)sizeof(*events); n--;)
			closed |= !!(events[n].mask & IN_CLOSE_WRITE);
	return closed;
}

/*
 * The kernel tells of a close before it takes the locks away: who closed may still
 * look alive, and no event will come any more. So look again for a while.
 */
static void look_again(struct shmring *r)
{
	nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
	memfd_check_peer(r);
	poke(r->priv);
}

static void memfd_arm_poll(struct shmring *r, uint64_t bytes)
{
	uint64_t lowat = r->priv->lowat;

	if (r->priv->poll_fd < 0)
		return;
	if (drain(r->priv->poll_fd))
		r->priv->closed = shmring_now();
	if (!lowat)
		lowat = r->role == SHMRING_PRODUCER ? r->capacity / 2 : 1;
	__atomic_store_n(poll_of(r, r->role), 1, __ATOMIC_SEQ_CST);
	if (arm(r, lowat > bytes ? lowat : bytes)) {
		/*
		 * There already: poll must not sleep. Nor do we wait, as a consumer would
		 * think, which cannot tell space from the start of all positions from none.
		 */
		poke(r->priv);
		__atomic_store_n(&half_of(r, r->role)->wake_at, SHMRING_NO_WAKE, __ATOMIC_RELAXED);
	}
	memfd_check_peer(r);
	if (r->priv->closed && is_live(r, peer_role(r))) {
		if (shmring_now() - r->priv->closed < DYING_NS)
			look_again(r);
		else
			r->priv->closed = 0;
	}
}

/*
 * An inotify descriptor needs nothing from the other side but the file that both
 * have: a waker writes to it, and the death of a process closes it.
 */
static int memfd_poll_fd(struct shmring *r)
{
	char path[PATH_SIZE];
	int fd, ret;

	if (r->priv->poll_fd >= 0)
		return r->priv->poll_fd;
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", r->priv->fd);
	if (inotify_add_watch(fd, path, IN_MODIFY | IN_CLOSE_WRITE) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	r->priv->poll_fd = fd;
	memfd_arm_poll(r, 1);
	return fd;
}

/* -------------------------------------------------------- making and finding */

static void path_of(char path[PATH_SIZE], const char *name)
{
	snprintf(path, PATH_SIZE, SHM_PREFIX "%s", name);
}

/* What has the name: not by way of a link, and without waiting for a FIFO's other end. */
static int open_file(const char *path)
{
	return open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* A description of our own: locks belong to it. */
static int reopen(int fd)
{
	char path[PATH_SIZE];
	int copy;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	copy = open(path, O_RDWR | O_CLOEXEC);
	return copy < 0 ? -errno : copy;
}

/* One of those who have the ring; waits while one who takes its name away. */
static int become_holder(struct shmring_private *p)
{
	p->lock_fd = reopen(p->fd);
	if (p->lock_fd < 0)
		return p->lock_fd;
	p->pid_ns = pid_namespace();
	return lock(p->lock_fd, LOCK_HOLDERS, F_RDLCK, F_OFD_SETLKW);
}

static int write_status(int fd, const struct shmring_options *opt)
{
	struct shmring_status status = {
		.magic = SHMRING_MAGIC,
		.abi = SHMRING_ABI,
		.capacity = opt->capacity,
		.slot_size = (uint32_t)opt->slot_size,
		.nr_lanes = 1,
	};
	struct shmring_lane lane = {
		.data_wake_at = SHMRING_NO_WAKE,
		.space_wake_at = SHMRING_NO_WAKE,
	};

	if (pwrite(fd, &lane, sizeof(lane), SHMRING_LANE_OFFSET) != sizeof(lane) ||
	    pwrite(fd, &status, sizeof(status), 0) != sizeof(status))
		return errno ? -errno : -EIO;
	return 0;
}

/*
 * All pages now, so that none is missing (SIGBUS) later. A signal undoes what its call
 * has allocated, and so does io_uring with work for this thread, which never knows of
 * it: the steps are what steady signals cannot undo, however fast they come.
 */
static int allocate(int fd, off_t size)
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

static int fill(int fd, const char *name, const struct shmring_options *opt)
{
	int ret = allocate(fd, (off_t)(data_offset() + opt->capacity));

	if (ret)
		return ret;
	if (pwrite(fd, name, strlen(name), NAME_OFFSET) < 0)
		return -errno;
	return write_status(fd, opt);
}

static int create_anonymous(struct shmring_private *p, const struct shmring_options *opt)
{
	int ret;

	p->fd = memfd_create("shmring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (p->fd < 0)
		return -errno;
	ret = fill(p->fd, "", opt);
	if (!ret && fcntl(p->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		ret = -errno;
	return ret ? ret : become_holder(p);
}

/* Other files are not ours to lock, to write to, or to clean up after. */
static bool is_ring(int fd)
{
	struct stat st;
	__u32 magic;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       pread(fd, &magic, sizeof(magic), offsetof(struct shmring_status, magic)) ==
	       sizeof(magic) && magic == SHMRING_MAGIC;
}

/*
 * Have all who had this named ring been killed? Then nobody has taken the file
 * away. It stays locked until @fd is closed, and nobody else can take it away or
 * take it up.
 */
static bool is_debris(int fd)
{
	struct stat st;

	return is_ring(fd) && !fstat(fd, &st) && !(st.st_mode & S_ISVTX) &&
	       !lock(fd, LOCK_HOLDERS, F_WRLCK, F_OFD_SETLK);
}

static bool is_name_of(int fd, const char *path)
{
	struct stat ours, named;

	return !fstat(fd, &ours) && !lstat(path, &named) && ours.st_ino == named.st_ino &&
	       ours.st_dev == named.st_dev;
}

/*
 * Take the name away, if the file still has it, and another ring does not by now. All who
 * would do so have the file's lock, or the name could change hands after the look. Gives
 * up LOCK_HOLDERS, too: a forked child may have the description for longer than us.
 */
static int remove_name_of(int fd, const char *path)
{
	int ret = lock(fd, LOCK_NAME, F_WRLCK, F_OFD_SETLKW);

	if (ret)
		return ret;
	if (!is_name_of(fd, path))
		ret = -ENOENT;
	else if (unlink(path))
		ret = -errno;
	lock(fd, LOCK_NAME, F_UNLCK, F_OFD_SETLK);
	lock(fd, LOCK_HOLDERS, F_UNLCK, F_OFD_SETLK);
	return ret;
}

/* Is somebody about to take the name away? Then see it done. */
static bool has_lost_its_name(int fd, const char *path)
{
	if (lock(fd, LOCK_HOLDERS, F_RDLCK, F_OFD_GETLK) > 0)
		lock(fd, LOCK_HOLDERS, F_RDLCK, F_OFD_SETLKW);
	return !is_name_of(fd, path);
}

/* Make room for a new ring of this name. 0: done, try again. */
static int remove_debris(const char *path)
{
	int fd = open_file(path);
	int ret;

	if (fd < 0)
		return errno == ENOENT ? 0 : -EEXIST;
	if (is_debris(fd))
		ret = remove_name_of(fd, path);
	else
		ret = is_ring(fd) && has_lost_its_name(fd, path) ? 0 : -EEXIST;
	close(fd);
	return !ret || ret == -ENOENT ? 0 : -EEXIST;
}

/* The file gets its name last, when all is there and the lock is held. */
static int create_named(struct shmring_private *p, const char *name,
			const struct shmring_options *opt)
{
	bool persist = opt->flags & SHMRING_PERSIST;
	char path[PATH_SIZE], self[PATH_SIZE];
	struct stat st;
	int ret;

	path_of(path, name);
	p->fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, opt->mode);
	if (p->fd < 0)
		return -errno;
	ret = fill(p->fd, name, opt);
	/* The sticky bit says: keep the name. */
	if (!ret && persist && (fstat(p->fd, &st) || fchmod(p->fd, st.st_mode | S_ISVTX)))
		ret = -errno;
	if (!ret)
		ret = become_holder(p);
	if (ret)
		return ret;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", p->fd);
	while (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW)) {
		if (errno != EEXIST)
			return -errno;
		ret = remove_debris(path);
		if (ret)
			return ret;
	}
	strcpy(p->name, name);
	p->persists = persist;
	return 0;
}

static void forget(struct shmring_private *p)
{
	if (p->fd >= 0)
		close(p->fd);
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	p->fd = -1;
	p->lock_fd = -1;
}

static int memfd_create_ring(struct shmring_private *p, const char *name,
			     const struct shmring_options *opt)
{
	int ret = *name ? create_named(p, name, opt) : create_anonymous(p, opt);

	if (ret)
		forget(p);
	return ret;
}

static int memfd_open(struct shmring_private *p, const char *name, enum shmring_role role)
{
	char path[PATH_SIZE];
	struct stat st;
	int ret;

	(void)role;	/* whoever may read and write may do all */
	path_of(path, name);
	p->fd = open_file(path);
	if (p->fd < 0)
		return errno == ELOOP ? -EPROTO : -errno;
	if (!is_ring(p->fd)) {
		ret = -EPROTO;
	} else if (is_debris(p->fd)) {
		ret = remove_name_of(p->fd, path);
		/* What cannot be removed cannot be made anew either. */
		ret = !ret || ret == -ENOENT ? -ENOENT : -EACCES;
	} else {
		ret = become_holder(p);
	}
	if (!ret)
		ret = fstat(p->fd, &st) ? -errno : 0;
	if (!ret && !st.st_nlink)
		ret = -ENOENT;	/* unlinked in between */
	if (ret) {
		forget(p);
		return ret;
	}
	strcpy(p->name, name);
	p->persists = st.st_mode & S_ISVTX;
	return 0;
}

/* What the size of the file and its first page say, if they agree. */
static int geometry(const struct shmring_private *p, uint64_t *capacity, uint32_t *slot_size)
{
	struct shmring_status status;
	struct stat st;

	if (fstat(p->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)(data_offset() + page_size()) ||
	    pread(p->fd, &status, sizeof(status), 0) != sizeof(status) ||
	    status.magic != SHMRING_MAGIC)
		return -EINVAL;
	*capacity = (uint64_t)st.st_size - data_offset();
	*slot_size = status.slot_size;
	if ((*capacity & (*capacity - 1)) || *capacity > SHMRING_CAPACITY_MAX ||
	    *slot_size > *capacity || status.abi != SHMRING_ABI || status.features ||
	    status.nr_lanes != 1 || status.capacity != *capacity)
		return -EPROTO;	/* and not a word is written */
	return 0;
}

/* The name that the file was given: this holder may turn out to be the last. */
static void find_name(struct shmring_private *p)
{
	char name[SHMRING_NAME_MAX];
	struct stat st;

	if (!fstat(p->fd, &st) &&
	    pread(p->fd, name, sizeof(name), NAME_OFFSET) == sizeof(name) &&
	    !shmring_clean_name(p->name, name))
		p->persists = st.st_mode & S_ISVTX;
}

/* -EINVAL: not a ring of ours. */
static int memfd_adopt(struct shmring_private *p, int fd)
{
	uint32_t slot_size;
	uint64_t capacity;
	int ret;

	p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (p->fd < 0)
		return -errno;
	ret = geometry(p, &capacity, &slot_size);
	if (!ret)
		ret = become_holder(p);
	if (ret)
		forget(p);
	else
		find_name(p);
	return ret;
}

static int memfd_unlink(const char *name)
{
	char path[PATH_SIZE];
	int fd, ret;

	path_of(path, name);
	fd = open_file(path);
	if (fd >= 0 && is_ring(fd))
		ret = remove_name_of(fd, path);
	else	/* Perhaps no right to the file, but to its name. */
		ret = unlink(path) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return ret;
}

/* ------------------------------------------------------------ roles, closing */

static int map_all(struct shmring_private *p, enum shmring_role role, size_t capacity)
{
	int data = role == SHMRING_PRODUCER ? PROT_READ | PROT_WRITE : PROT_READ;
	size_t at = data_offset();
	int ret = shmring_map_reserve(p, at + 2 * capacity);

	if (!ret)
		ret = shmring_map_at(p, 0, at, PROT_READ | PROT_WRITE, 0);
	if (!ret)
		ret = shmring_map_at(p, at, capacity, data, (off_t)at);
	if (!ret)
		ret = shmring_map_at(p, at + capacity, capacity, data, (off_t)at);
	if (!ret && madvise(p->base, p->size, MADV_DONTFORK))
		ret = -errno;
	return ret;
}

/* The role first, then the position where it goes on. */
static int memfd_attach(struct shmring *r, enum shmring_role role)
{
	struct shmring_private *p = r->priv;
	struct shmring_status *status;
	uint32_t slot_size = 0;
	uint64_t capacity = 0;
	char *base;
	int ret = geometry(p, &capacity, &slot_size);

	if (!ret)
		ret = map_all(p, role, capacity);
	if (ret)
		return ret;
	base = p->base;
	status = (void *)base;
	r->lane = (void *)(base + SHMRING_LANE_OFFSET);
	r->consumer = (void *)(base + page_size());
	r->producer = (void *)(base + 2 * page_size());
	r->capacity = capacity;
	ret = lock(p->lock_fd, LOCK_CHANGE, F_WRLCK, F_OFD_SETLKW);
	if (!ret) {
		ret = take_role(r, role);
		lock(p->lock_fd, LOCK_CHANGE, F_UNLCK, F_OFD_SETLK);
	}
	if (!ret)
		ret = shmring_bind(r, role, status, r->consumer, r->producer,
				   (unsigned char *)base + data_offset(), capacity, slot_size);
	return ret;
}

static void give_up_role(struct shmring *r)
{
	int fd = r->priv->lock_fd;

	if (lock(fd, LOCK_CHANGE, F_WRLCK, F_OFD_SETLKW))
		return;
	end_role(r, r->role);
	lock(fd, LOCK_CHANGE, F_UNLCK, F_OFD_SETLK);
}

/* The last one takes the name away, if it is still that of this file. */
static void remove_name(struct shmring_private *p)
{
	char path[PATH_SIZE];

	if (!*p->name || p->persists || lock(p->lock_fd, LOCK_HOLDERS, F_WRLCK, F_OFD_SETLK))
		return;
	path_of(path, p->name);
	remove_name_of(p->lock_fd, path);
}

/* A forked child has the parent's descriptions: it must leave the locks alone. */
static void memfd_close(struct shmring *r)
{
	struct shmring_private *p = r->priv;

	if (shmring_is_ours(p)) {
		if (r->role != SHMRING_HANDLE)
			give_up_role(r);
		remove_name(p);
	}
	close(p->lock_fd);
	p->lock_fd = -1;
}

static int memfd_grant(const struct shmring_private *p, enum shmring_role role)
{
	(void)p;
	(void)role;
	return -EOPNOTSUPP;
}

static int memfd_info(const struct shmring *r, struct shmring_info *info)
{
	const struct shmring_private *p = r->priv;
	struct shmring_consumer consumer;
	struct shmring_producer producer;
	struct shmring_lane lane;
	struct stat st;
	int ret = geometry(p, &info->capacity, &info->slot_size);

	if (ret)
		return ret;
	if (pread(p->fd, &lane, sizeof(lane), SHMRING_LANE_OFFSET) != sizeof(lane) ||
	    pread(p->fd, &consumer, sizeof(consumer), (off_t)page_size()) != sizeof(consumer) ||
	    pread(p->fd, &producer, sizeof(producer), 2 * (off_t)page_size()) != sizeof(producer))
		return -EIO;
	info->used = producer.head - consumer.tail;
	info->producer_state = lane.producer_state;
	info->consumer_state = lane.consumer_state;
	info->refused = consumer.refused + producer.refused;
	if (!fstat(p->fd, &st) && st.st_nlink)
		strcpy(info->name, p->name);
	return 0;
}

const struct shmring_backend shmring_backend_memfd = {
	.name = "memfd",
	.id = SHMRING_MEMFD,
	.create = memfd_create_ring,
	.open = memfd_open,
	.adopt = memfd_adopt,
	.unlink = memfd_unlink,
	.attach = memfd_attach,
	.wait = memfd_wait,
	.wake = memfd_wake,
	.check_peer = memfd_check_peer,
	.arm_poll = memfd_arm_poll,
	.poll_fd = memfd_poll_fd,
	.grant = memfd_grant,
	.info = memfd_info,
	.close = memfd_close,
};
