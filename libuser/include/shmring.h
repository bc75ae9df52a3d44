/* SPDX-License-Identifier: MIT */
/*
 * libshmring: message passing at shared-memory speed.
 *
 * One producer and one consumer, each a process (or a thread), share a ring of
 * records. Messages move by plain loads and stores; a system call is made to
 * set up, to sleep, and to wake a sleeper.
 *
 * Everywhere below
 *
 *   - errors are returned as negative errno values; nothing is printed, nothing
 *     aborts, and a call that fails has changed nothing;
 *   - sizes are in bytes, times in nanoseconds of CLOCK_MONOTONIC;
 *   - a struct shmring belongs to one thread at a time, in the process that
 *     attached it. A forked child inherits the descriptor, not the mapping: it
 *     attaches for itself, and may pass the parent's object to shmring_fd() and
 *     shmring_close() only;
 *   - no function is a cancellation point: pthread_cancel(3) does not end a wait.
 *     A signal whose handler runs in the thread does (-EINTR), and so does a
 *     deadline. Cancellation of the asynchronous type must be off;
 *   - descriptors that the library opens are close-on-exec and never 0, 1 or 2.
 *
 * Contents: version, types, set-up, slow path, queries; the fast path is in <shmring/fast.h>,
 * and that of many messages at once in <shmring/run.h>.
 */
#ifndef SHMRING_H
#define SHMRING_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/shmring.h>
#include <shmring/barrier.h>

#if __SIZEOF_POINTER__ < 8 && !defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_8)
#error "shmring needs a CPU that loads and stores 8 bytes at once (x86: -march=i586 or newer)"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- version */

/* The version of this header. The library builds only if the file VERSION has the same. */
#define SHMRING_VERSION_MAJOR	0
#define SHMRING_VERSION_MINOR	2
#define SHMRING_VERSION_PATCH	0

/* A version as one number, to compare. Minor and patch are below 256. */
#define SHMRING_VERSION_NUMBER(major, minor, patch) \
	(((major) << 16) | ((minor) << 8) | (patch))
#define SHMRING_VERSION \
	SHMRING_VERSION_NUMBER(SHMRING_VERSION_MAJOR, SHMRING_VERSION_MINOR, SHMRING_VERSION_PATCH)

/* ------------------------------------------------------------------ types */

enum shmring_role {
	SHMRING_HANDLE = SHMRING_ROLE_NONE,		/* holds the ring */
	SHMRING_PRODUCER = SHMRING_ROLE_PRODUCER,	/* writes records */
	SHMRING_CONSUMER = SHMRING_ROLE_CONSUMER,	/* reads them */
};

/* What a call does while it has to wait. */
enum shmring_policy {
	SHMRING_DEFAULT,	/* in a wait: the endpoint's; else adaptive */
	SHMRING_ADAPTIVE,	/* spin if that takes less CPU than sleeping, then sleep */
	SHMRING_BLOCK,		/* sleep; if it pays, look for some 4 us before */
	SHMRING_SPIN,		/* never sleep, never -EINTR: burns a core */
	SHMRING_EAGER,		/* spin if that takes less time than sleeping, then sleep */
};

/* Where the ring lives. */
enum shmring_backend_id {
	SHMRING_AUTO,		/* $SHMRING_BACKEND (which a set-uid program ignores), else
				 * kmod where there is a /dev/shmring, else memfd
				 */
	SHMRING_KMOD,		/* /dev/shmring */
	SHMRING_MEMFD,		/* a memfd and futexes; shmring(7) says what is lost */
};

/*
 * A struct that a caller fills in begins with its own size, so that it can grow at its end.
 * Its initializer, in C and C++ alike, sets the size and leaves all else 0:
 *
 *	struct shmring_wait w = SHMRING_WAIT_INIT;
 *
 * A size of 0 stands for the members of version 0.1, which are those without a version in
 * their comments; no later member may lie in what was padding. A member that an older library
 * does not know has to be zero: otherwise that library returns -E2BIG, and does not ignore what
 * the caller asked for.
 */

/* How a ring is made. All zero: an anonymous 64 KiB ring of records. */
struct shmring_options {
	size_t size;		/* of this struct */
	size_t capacity;	/* rounded up to a power of two, whole pages */
	size_t slot_size;	/* fixed-size messages without a header; 0: records */
	size_t lowat;		/* see shmring_set_lowat(); 0: whatever the last call lacked */
	uint64_t linger;	/* see shmring_set_linger(), ns; 0: do not wait */
	unsigned int mode;	/* of a name: r consumes, w produces; 0: 0600 */
	unsigned int flags;	/* SHMRING_PERSIST, SHMRING_OPEN_OR_CREATE, SHMRING_QUEUE,
				 * SHMRING_MARKS
				 */
	enum shmring_role role;	/* take this role at once */
	enum shmring_policy policy;
	enum shmring_backend_id backend;
	uint64_t space_mark;	/* since 0.2: see shmring_set_space_mark(); 0: half the ring */
	size_t slots;		/* since 0.2: hold exactly so many; 0: as many as fit */
	size_t align;		/* since 0.2: of each message, a power of two; 0: 8 bytes */
};

#define SHMRING_OPTIONS_INIT { sizeof(struct shmring_options), 0, 0, 0, 0, 0, 0, \
			       SHMRING_HANDLE, SHMRING_DEFAULT, SHMRING_AUTO, 0, 0, 0 }

#define SHMRING_PERSIST		SHMRING_CREATE_F_PERSIST	/* until unlinked */
#define SHMRING_QUEUE		SHMRING_CREATE_F_QUEUE	/* no -EPIPE between two consumers */
#define SHMRING_MARKS		SHMRING_CREATE_F_MARKS	/* slots that say that they are full */
#define SHMRING_OPEN_OR_CREATE	(1u << 16)	/* attach to a ring of that name, if there is one */

/* How to wait. All zero, or a null pointer: by the endpoint's policy, without a deadline. */
struct shmring_wait {
	size_t size;		/* of this struct */
	uint64_t deadline;	/* absolute; 0: none */
	size_t min_bytes;	/* wait_data: until this much is there; 0: any */
	enum shmring_policy policy;
	unsigned int flags;	/* SHMRING_NOWAIT */
};

#define SHMRING_WAIT_INIT { sizeof(struct shmring_wait), 0, 0, SHMRING_DEFAULT, 0 }

#define SHMRING_NOWAIT		(1u << 0)	/* -EAGAIN instead of waiting */

/*
 * An endpoint. Public for the inline fast path alone; a program reads and writes no
 * member. The members of the other role stay zero, so that a call of the wrong side finds
 * nothing there. The layout cannot change, as inlined code in programs depends on it. The
 * reserved words are 0, for later versions.
 */
struct shmring {
	/* Each message reads these and none changes them: one cache line. */
	struct shmring_lane *lane;		/* what the kernel says */
	struct shmring_producer *producer;	/* head: the producer's word */
	struct shmring_consumer *consumer;	/* tail: the consumer's word */
	unsigned char *payload;			/* of the message at position 0 */
	uint64_t mask;				/* capacity - 1 */
	uint64_t round;				/* records: a message of len bytes takes ... */
	uint32_t pad;				/* ... (len + pad) & round; see stride */
	uint32_t stride;			/* slots: bytes that one takes; 0: records */
	uint32_t slot_size;			/* 0: records */
	int error;				/* -EBADMSG once the peer wrote a false value */

	/*
	 * These change with every message: few words, in one cache line. A CPU's stores
	 * to them and to the ring wait in one queue, in order, and each change from line
	 * to line takes time (docs/performance.md).
	 */
	struct {
		uint64_t head;		/* where the next message goes */
		uint64_t end;		/* of the open message; not above head: none is open */
		uint64_t limit;		/* space known to be free ends here */
		uint64_t staged;	/* bytes before head, not published yet */
		uint64_t fetch_at;	/* where the next lines are prefetched */
		uint64_t watch_at;	/* where a send looks whether the consumer lives */
		uint64_t fetch_marked_at; /* the same, with marks: fetch_at is always 0 then */
		uint64_t reserved[1];
	} p __attribute__((aligned(64)));
	struct {
		uint64_t tail;		/* where the next message is */
		uint64_t end;		/* of the open message; not above tail: none is open */
		uint64_t limit;		/* data known to be there ends here */
		uint64_t held;		/* bytes before tail, not released yet */
		uint64_t guess;		/* records: bytes that the last one took */
		uint64_t misses;	/* with marks: looks at one in a row that found none, */
		uint64_t hits;		/* and looks of a peek that did */
		uint64_t reserved[1];
	} c __attribute__((aligned(64)));

	unsigned char *data;
	uint64_t capacity;			/* bytes mapped, a power of two */
	uint64_t span;				/* bytes that messages may take: whole slots */
	uint32_t align;				/* positions and payloads are multiples of it */
	enum shmring_role role;
	struct shmring_private *priv;		/* the slow path's */
	uint64_t features;			/* SHMRING_FEATURE_MARKS */
	uint64_t reserved[10];
};

/* ----------------------------------------------------------------- set-up */

/*
 * Make a ring, and an object for it.
 *
 * @name: NULL for an anonymous ring, reached by passing shmring_fd() on; else
 *	up to 63 visible ASCII characters without '/' (one in front is ignored),
 *	unique in the IPC namespace.
 * @opt: NULL for the defaults. With opt->role the object is an endpoint; without,
 *	a handle that keeps the ring there for others.
 *
 * A ring goes with the last process that has it; with SHMRING_PERSIST, which
 * needs a name, it stays until shmring_unlink().
 *
 * A producer whose consumer has gone gets -EPIPE until another consumer attaches, as the writer of
 * a pipe does, because a producer should learn that no process reads its messages. With
 * SHMRING_QUEUE the producer goes on until the ring is full and then waits, as it does before the
 * first consumer. That is for consumers that come and go, or are restarted. In such a ring no call
 * returns -EPIPE, poll reports no POLLHUP, and consumer_state of shmring_get_info() is
 * SHMRING_PEER_NONE between two consumers.
 *
 * With slot_size, opt->slots makes the ring hold exactly so many messages. With an opt->capacity
 * of 0 the ring then has the smallest capacity that holds them.
 *
 * Messages start in memory at multiples of opt->align: 64, say, for vector code. A slot takes
 * slot_size bytes rounded up to align; with 1, 2 or 4, small slots are packed. A record takes 8
 * bytes more than its message, rounded up to align, which is at least 8 then.
 *
 * With SHMRING_MARKS, which needs a slot_size, each slot has a mark in the 8 bytes before its
 * message, which says that it is full. A consumer that waits for one message looks at the mark
 * and the message comes with it, in one cache line instead of two: a round trip takes less time,
 * if mark and message fit into a line. A slot takes the lowest power of two that holds align +
 * slot_size bytes, and align is at least 8: best are messages of 8, 24, 56 or 120 bytes.
 * Do not write between the messages of an array: the marks are there. If a producer was killed just
 * before it wrote a mark, a wait finds the message, and so does the 64th shmring_peek() in a row.
 *
 * With SHMRING_OPEN_OR_CREATE, which needs a name too, attach to the ring of that name as
 * shmring_attach_opt() does, whatever its capacity, slot_size, slots, align, mode and other flags
 * are; make the ring only if there is none. If several processes do so at once, one of them makes
 * the ring: in that process, shmring_get_info() sets created to 1.
 *
 * Returns 0 or
 *   -EINVAL	bad name, size, mode, flag, role, policy or backend; slot_size, lowat or
 *		space_mark above the capacity; align is not a power of two, is above 4096 or, of
 *		records and with SHMRING_MARKS, below 8; more slots than the capacity holds, with
 *		SHMRING_MARKS less than one; slots or SHMRING_MARKS without a slot_size;
 *		SHMRING_PERSIST or SHMRING_OPEN_OR_CREATE without a name
 *   -E2BIG	opt asks for what this library does not know
 *   -EFBIG	capacity above SHMRING_CAPACITY_MAX; with capacity 0: what the slots take
 *   -EEXIST	the name is taken; SHMRING_AUTO, with the module: by a memfd ring of the
 *		caller's or of root's; SHMRING_OPEN_OR_CREATE: also if other processes made and
 *		removed the ring again and again
 *   -EBUSY	another process took the role after the ring was made
 *   -EDQUOT	RLIMIT_MEMLOCK would be exceeded, to which the rings of all processes of
 *		the user count
 *   -ENOSPC	the module's limit (max_pages) would be exceeded
 *   -ENOMEM	no memory, or no addresses for the ring, which is mapped twice
 *   -EACCES	/dev/shmring is there, and the caller may not open it. The library takes memfd
 *		only if it is asked for, or if there is no /dev/shmring
 *   -ENODEV	SHMRING_KMOD or $SHMRING_BACKEND asks for the module, which is not loaded
 *   -EPROTO	the kernel has another version of the ABI
 *   -EOPNOTSUPP	SHMRING_PERSIST outside the initial IPC namespace; a kernel without
 *		MADV_WIPEONFORK; memfd: there is no /proc, and the ring has no name
 *   -ETIMEDOUT	memfd: another process has locked the ring's file for a second
 *   -EMFILE, -ENFILE	no file descriptor
 *   -ENOENT, -EROFS	memfd, with a name: there is no /dev/shm, or it is read-only
 * or, with SHMRING_OPEN_OR_CREATE, as shmring_attach_opt().
 */
int shmring_create(struct shmring **r, const char *name,
		   const struct shmring_options *opt);

/*
 * Attach to a named ring, as producer, as consumer, or (SHMRING_HANDLE) only to
 * hold it. A consumer goes on where the last consumer stopped, and a producer where
 * the last producer stopped.
 *
 * Returns 0 or
 *   -ENOENT	no such name
 *   -EACCES	the ring's mode does not let the caller take this role; /dev/shmring is
 *		there, and the caller may not open it; memfd: all processes that had a ring
 *		of this name were killed, and the caller may not remove the file they left
 *   -EBUSY	the role is taken; a ring with lanes: none is free, see shmring_hub(7)
 *   -EDQUOT	a ring with lanes: the user has as many as one user may have
 *   -EINVAL	bad name or role
 *   -EPROTO	not a ring this library understands
 *   -ETIMEDOUT	memfd: another process has locked the ring's file for a second
 *   -EROFS	memfd: /dev/shm is read-only
 *   -ENODEV, -ENOMEM, -EMFILE, -ENFILE	as above
 */
int shmring_attach(struct shmring **r, const char *name, enum shmring_role role);

/*
 * As shmring_attach(), in the role of @opt, with the policy, lowat, linger and space_mark of @opt,
 * and only to a ring of its backend. The other members of @opt say how a ring is made and have no
 * meaning here. NULL: a handle.
 *
 * Returns as shmring_attach(), and
 *   -EINVAL	also: bad size, policy or backend; lowat or space_mark above the capacity
 *   -E2BIG	opt asks for what this library does not know
 */
int shmring_attach_opt(struct shmring **r, const char *name,
		       const struct shmring_options *opt);

/*
 * As shmring_attach(), but sleep until there is a ring of that name. Unless
 * $SHMRING_BACKEND names a backend, a module that is loaded in the meantime is noticed
 * within a second. Does not wait for a role that is taken. @w: NULL, or the deadline and
 * SHMRING_NOWAIT; the other members have no meaning.
 *
 * Returns as shmring_attach() except -ENOENT, and
 *   -EAGAIN	SHMRING_NOWAIT, and no such name
 *   -ETIMEDOUT	the deadline passed first
 *   -EINTR	a signal handler ran
 *   -EINVAL	also: bad size, policy or flag
 *   -E2BIG	w asks for what this library does not know
 */
int shmring_attach_wait(struct shmring **r, const char *name, enum shmring_role role,
			const struct shmring_wait *w);

/*
 * As shmring_attach_wait(), with options as for shmring_attach_opt(). Returns as
 * shmring_attach_wait(), or as shmring_attach_opt().
 */
int shmring_attach_wait_opt(struct shmring **r, const char *name,
			    const struct shmring_options *opt, const struct shmring_wait *w);

/*
 * Attach to the ring behind a descriptor that was inherited or received
 * (SCM_RIGHTS, pidfd_getfd). The descriptor stays the caller's.
 *
 * Returns as shmring_attach(), and
 *   -EBADF	fd is not open
 *   -EINVAL	fd is not a descriptor of a ring; no file of a file system is taken for a
 *		ring of the module, whatever it answers
 *   -EPROTO	also, memfd: a peer could shrink the file, and each access would then raise
 *		SIGBUS: it is neither sealed nor that of a named ring of this user or of root
 *   -EOPNOTSUPP	memfd: there is no /proc, and the ring has no name
 */
int shmring_attach_fd(struct shmring **r, int fd, enum shmring_role role);

/*
 * As shmring_attach_fd(), with options as for shmring_attach_opt(). Returns as
 * shmring_attach_fd(), or as shmring_attach_opt(); -EINVAL also: a ring of the other backend.
 */
int shmring_attach_fd_opt(struct shmring **r, int fd, const struct shmring_options *opt);

/*
 * Remove a name. Processes that have the ring keep it.
 *
 * Returns 0, -ENOENT (no such name), -EPERM or -EACCES (not the caller's),
 * -EINVAL (bad name), -ENODEV (SHMRING_BACKEND=kmod, and no module), -ENOMEM, -EMFILE
 * or -ENFILE; memfd: -EROFS (/dev/shm is read-only) or -ETIMEDOUT (another process has
 * locked the ring's file for a second).
 */
int shmring_unlink(const char *name);

/*
 * As shmring_unlink(), in the backend of @opt, whose other members have no meaning here.
 *
 * Returns as shmring_unlink(), -EINVAL also for a bad member, and
 *   -E2BIG	opt asks for what this library does not know
 */
int shmring_unlink_opt(const char *name, const struct shmring_options *opt);

/*
 * Change the permission bits of a ring, as fchmod(2) does for a file: which users may attach by
 * name, and see the ring, from now on. The umask is not applied. Existing endpoints and
 * descriptors keep their rights. @r may be any object of the ring: the caller has to be the owner
 * of the ring, or to have CAP_FOWNER, and the rights of the object do not matter. memfd: the mode
 * is that of the file; of an anonymous ring, it only decides which users may open the file through
 * /proc/PID/fd.
 *
 * Returns 0 or
 *   -EPERM	the caller is not the owner
 *   -EINVAL	mode has other bits than 0666
 *   -EOPNOTSUPP	the module is older, and cannot do it
 *   -EROFS	memfd: /dev/shm is read-only
 *   -ENOMEM	no memory
 */
int shmring_chmod(struct shmring *r, unsigned int mode);

/*
 * Change the owner and the group of a ring, as fchown(2) does for a file; (uid_t)-1 and
 * (gid_t)-1 leave them as they are. Giving a ring to another user takes CAP_CHOWN; the owner may
 * give the ring to a group that the owner is in. The memory stays charged to the same user: see
 * shmring(7). memfd: changes the owner of the file. A process of another user than the new owner
 * then refuses the descriptor of a named ring, unless the new owner is root: see
 * shmring_attach_fd().
 *
 * Returns 0 or
 *   -EPERM	the caller may not
 *   -EINVAL	the caller's user namespace has no such user or group
 *   -EOPNOTSUPP	the module is older, and cannot do it
 *   -EROFS	memfd: /dev/shm is read-only
 *   -ENOMEM	no memory
 */
int shmring_chown(struct shmring *r, uid_t uid, gid_t gid);

/*
 * Give up the role and free the object. Messages that were committed stay in the ring for
 * the consumer. Messages that were staged and not published count as never written, those
 * that were peeked and not released as never read. NULL is ignored. Waits only for a
 * producer's linger, see shmring_set_linger(); memfd: 20 ms at most for a lock of the file.
 */
void shmring_close(struct shmring *r);

/*
 * Producer: how long shmring_close() waits, in nanoseconds, until everything that was
 * committed has been taken; 0, the default: not at all. A ring without SHMRING_PERSIST
 * goes with its last holder, and its messages are lost. With a linger, shmring_close() first
 * publishes what is staged. The wait ends at once if the consumer is gone, but not with
 * SHMRING_QUEUE. It does not end when a signal handler runs.
 *
 * Returns 0, or -EBADF: not a producer.
 */
int shmring_set_linger(struct shmring *r, uint64_t ns);

/*
 * The descriptor to pass on. It is close-on-exec, and carries every right that
 * the object has; see shmring_grant().
 */
int shmring_fd(const struct shmring *r);

/*
 * A new descriptor, close-on-exec and the caller's to close, whose holder may
 * attach in this role and do nothing else.
 *
 * Returns it or -EINVAL (bad role), -EACCES (the object has no such right),
 * -EOPNOTSUPP (memfd: a descriptor cannot be restricted), -EMFILE, -ENFILE.
 */
int shmring_grant(const struct shmring *r, enum shmring_role role);

/*
 * The descriptor to poll: POLLIN when a consumer has data, POLLOUT when a
 * producer has space, POLLHUP when the other side is gone (a consumer of a ring with
 * SHMRING_QUEUE never is). Poll it after a call has returned -EAGAIN: it becomes ready when
 * there are the bytes that the call lacked, or those of shmring_set_lowat() if these are more.
 * It belongs to the object.
 *
 * With the module it is shmring_fd(), and works with poll, select, epoll in every mode,
 * and io_uring. With memfd it is an epoll descriptor that becomes readable (POLLIN, for
 * both sides) when it is time to try again, or when the other side closes; if the file cannot
 * be watched, it follows a timer. With memfd, a call that returns -ENODATA or -EPIPE makes the
 * descriptor not ready until another process takes the other role.
 *
 * Returns it or -EBADF (a handle), -EOPNOTSUPP (a lane of a hub), -EMFILE, -ENFILE, or with memfd
 * -ENOMEM.
 */
int shmring_poll_fd(struct shmring *r);

/*
 * Change what SHMRING_DEFAULT means in this endpoint's waits; SHMRING_DEFAULT:
 * adaptive. Returns 0 or -EINVAL (no such policy).
 */
int shmring_set_policy(struct shmring *r, enum shmring_policy policy);

/*
 * Have shmring_poll_fd() ready at @bytes of data, or of space, and not before, even if the
 * call that returned -EAGAIN lacked less. 0: ready as soon as there are the bytes that the call
 * lacked. Takes effect with the next -EAGAIN. A producer that asks for more than its message takes
 * may wait for a consumer that waits for that message.
 *
 * Returns 0 or
 *   -EBADF	a handle
 *   -EINVAL	bytes above the capacity
 */
int shmring_set_lowat(struct shmring *r, size_t bytes);

/*
 * Producer: in its first millisecond a sleep for space goes on until @bytes are free, or the
 * space for the message if that is more; 0, the default: half the ring. With 1, the first
 * release that makes the message fit ends the sleep. That suits a ring of few large messages,
 * or a producer that must not be late, but costs the consumer a system call for each message of
 * a full ring. The mark does not apply to spinning, the poll descriptor and io_uring.
 *
 * Returns 0 or
 *   -EBADF	not a producer
 *   -EINVAL	bytes above the capacity
 */
int shmring_set_space_mark(struct shmring *r, size_t bytes);

/* -------------------------------------------------------------- slow path */

/*
 * Sleep (or spin: the policy) until the consumer has a record, or w->min_bytes bytes of
 * records. Returns earlier, with what is there, if the producer waits for space, no
 * further record fits, or the producer has gone.
 *
 * Returns 0 or
 *   -EAGAIN	SHMRING_NOWAIT and nothing there
 *   -ETIMEDOUT	the deadline passed first
 *   -EINTR	a signal handler ran
 *   -ENODATA	end of stream: the producer is gone, and everything it committed
 *		has been taken
 *   -EDEADLK	no more will come: everything in the ring has been advanced past and not
 *		released, and the ring is full or the producer waits for that space
 *   -EBADMSG	the producer wrote what no producer may; the ring cannot be used
 *   -EOPNOTSUPP	a lane of a hub, and nothing there: see shmring_hub_wait()
 *   -ESHUTDOWN	the role was ended: see shmring_hub_kick()
 *   -EBADF	not a consumer
 *   -EINVAL	bad size, policy or flag, or min_bytes above the capacity
 *   -E2BIG	w asks for what this library does not know
 */
int shmring_wait_data(struct shmring *r, const struct shmring_wait *w);

/*
 * Sleep (or spin) until the producer has space for a message of @len bytes. For the
 * first millisecond a sleep goes on until half the ring is free (or @len, if more), so
 * that a full ring costs one wake-up and not one a message; after that it ends as soon
 * as the message fits. shmring_set_space_mark() changes the half. Publishes what is staged.
 *
 * Returns 0, -EAGAIN, -ETIMEDOUT, -EINTR, -EBADMSG (the consumer wrote what no
 * consumer may), -EINVAL or -E2BIG as above, or
 *   -EPIPE	the consumer is gone (no signal is sent); a new one may attach; not with
 *		SHMRING_QUEUE
 *   -ESHUTDOWN	the role was ended: see shmring_hub_kick()
 *   -EMSGSIZE	no message of this size fits: above shmring_max_len(), or not
 *		the slot size
 *   -EBADF	not a producer
 */
int shmring_wait_space(struct shmring *r, size_t len, const struct shmring_wait *w);

/*
 * Producer: sleep (or spin) until the consumer has taken and released everything that
 * was committed. Publishes what is staged first. A consumer that waits for more than
 * there is gets what is there. Waits for a consumer that has not attached yet, too.
 *
 * Returns 0 or
 *   -EAGAIN	SHMRING_NOWAIT, and something is left in the ring
 *   -ETIMEDOUT	the deadline passed first
 *   -EINTR	a signal handler ran
 *   -EPIPE	the consumer is gone, and something is left in the ring; not with
 *		SHMRING_QUEUE, where the call waits for the next consumer
 *   -EBADMSG	the consumer wrote what no consumer may; the ring cannot be used
 *   -EBADF	not a producer
 *   -EINVAL	bad size, policy or flag, or min_bytes above the capacity
 *   -E2BIG	w asks for what this library does not know
 */
int shmring_drain(struct shmring *r, const struct shmring_wait *w);

/*
 * Return once the other role is taken: at once if it is, otherwise when the first or the
 * next process takes it, which may be gone again by then. A process that took the role and
 * gave it up before the call does not end the wait: where that may happen, set a deadline
 * and see shmring_get_info(). @w: as for shmring_attach_wait().
 *
 * Returns 0 or
 *   -EAGAIN	SHMRING_NOWAIT, and no process has the other role
 *   -ETIMEDOUT	the deadline passed first
 *   -EINTR	a signal handler ran
 *   -EOPNOTSUPP	a lane of a hub
 *   -EBADF	a handle
 *   -EINVAL	bad size, policy or flag
 *   -E2BIG	w asks for what this library does not know
 */
int shmring_wait_peer(struct shmring *r, const struct shmring_wait *w);

/* As shmring_send() and shmring_recv(), which call these unless a copy is only a few moves. */
ssize_t __shmring_send(struct shmring *r, const void *buf, size_t len,
		       const struct shmring_wait *w);
ssize_t __shmring_recv(struct shmring *r, void *buf, size_t size, const struct shmring_wait *w);

/* A wait's deadline, @ns from now; saturates. */
uint64_t shmring_deadline(uint64_t ns);

/* Wake the other side; shmring_publish() and shmring_release() call it. */
void __shmring_wake(struct shmring *r);

/* For the producer: does this thread wait for about each message that it sends? */
int __shmring_answers(struct shmring *r, uint64_t bytes);

/* For the backend: the tail is published again. shmring_release() calls this after a batch. */
void __shmring_released(struct shmring *r);

/* ---------------------------------------------------------------- queries */

/*
 * Information about a ring and about this endpoint. The two sides write the positions and counters:
 * a hostile side can write false ones. A member that a backend or another version does not fill in
 * is 0.
 */
struct shmring_info {
	size_t size;			/* of this struct; set by the caller */
	uint64_t capacity;
	uint64_t used;			/* bytes committed and not released */
	uint64_t head;			/* bytes ever committed, headers and padding included */
	uint64_t tail;			/* bytes ever released */
	uint64_t sleeps;		/* times this endpoint slept */
	uint64_t wakes;			/* wake-up system calls that this endpoint made */
	uint64_t producer_sleeps;	/* times that all producers of the ring slept */
	uint64_t producer_wakes;	/* times that they woke a consumer */
	uint64_t consumer_sleeps;	/* times that all consumers of the ring slept */
	uint64_t consumer_wakes;	/* times that they woke a producer */
	uint64_t refused;		/* endpoints, of either role, that returned -EBADMSG */
	uint64_t id;			/* no other ring of this backend has it now */
	uint32_t slot_size;		/* 0: records */
	enum shmring_role role;
	enum shmring_backend_id backend;
	uint32_t producer_state;	/* SHMRING_PEER_* */
	uint32_t consumer_state;	/* SHMRING_PEER_* */
	uint32_t producer_pid;		/* in the caller's pid namespace; 0: none, or unknown */
	uint32_t consumer_pid;
	uint32_t owner;			/* user id */
	uint32_t mode;			/* permission bits */
	uint32_t ipc_ns;		/* shmring_list(): the IPC namespace; 0: the caller's */
	uint32_t created;		/* 1: this object has made the ring */
	char name[SHMRING_NAME_MAX];	/* "": anonymous, or unlinked */
	/* Since 0.2: */
	uint64_t flags;			/* SHMRING_PERSIST (until unlinked), SHMRING_QUEUE,
					 * SHMRING_MARKS
					 */
	uint64_t slots;			/* that the ring holds; 0: records */
	uint32_t group;			/* group id of the ring */
	uint32_t align;			/* of each message, bytes */
	uint32_t topology;		/* SHMRING_TOPOLOGY_*; see shmring_hub(7) */
	uint32_t nr_lanes;		/* 1: a ring without lanes, or with one */
	uint32_t producers;		/* shmring_list(): how many have the role, in all lanes */
	uint32_t consumers;		/* shmring_list(): likewise; a hub counts in each lane */
};

#define SHMRING_INFO_INIT { sizeof(struct shmring_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
			    SHMRING_HANDLE, SHMRING_AUTO, 0, 0, 0, 0, 0, 0, 0, 0, "", 0, 0, 0, 0, \
			    0, 0, 0, 0 }

/*
 * Fill in @info, which begins as SHMRING_INFO_INIT; members that this library does not know
 * stay as they are. Of a ring with lanes, the sides, positions and counters are those of the
 * endpoint's own lane; of a handle, those of lane 0. Any thread. Returns 0, -EINVAL (bad size), or
 * an error of the system call.
 */
int shmring_get_info(const struct shmring *r, struct shmring_info *info);

/*
 * As shmring_get_info(), of one lane: from 0 to info->nr_lanes - 1. @r: a handle of the ring. Any
 * thread.
 *
 * Returns 0, an error of the system call, or
 *   -EBADF	not a handle
 *   -EINVAL	bad size, or no such lane
 */
int shmring_lane_info(const struct shmring *r, unsigned int lane, struct shmring_info *info);

/*
 * Call @fn for each ring that the caller may see: the rings of /proc/shmring, of which the
 * anonymous ones have an empty name, and the memfd rings in /dev/shm that the caller may read.
 * If @opt or $SHMRING_BACKEND names a backend, only its rings. The other members of @opt have no
 * meaning; NULL: the defaults. @info is valid until @fn returns; its sleeps and wakes are those of
 * both sides together, and an older library than the program fills in no more than info->size
 * bytes. If @fn returns another value than 0, the list ends. @fn has to return. Any thread.
 *
 * Returns what the last call of @fn returned; 0, if there is no ring; or, if @opt or
 * $SHMRING_BACKEND asks for the module,
 *   -ENODEV	the module is not loaded
 * or
 *   -EINVAL	bad size or member of opt, or $SHMRING_BACKEND
 *   -E2BIG	opt asks for what this library does not know
 *   -EACCES, -EIO, -ENOMEM, -EMFILE, -ENFILE	/proc/shmring or /dev/shm cannot be read
 */
int shmring_list(const struct shmring_options *opt,
		 int (*fn)(const struct shmring_info *info, void *arg), void *arg);

/* SHMRING_KMOD or SHMRING_MEMFD, and the same as a word: "kmod" or "memfd". */
enum shmring_backend_id shmring_backend(const struct shmring *r);
const char *shmring_backend_name(const struct shmring *r);

/* Why the ring has this backend, as text to print. */
const char *shmring_backend_reason(const struct shmring *r);

/*
 * A text to print that says what @error, which a call has returned, means for a ring:
 * "no such ring (ENOENT)". Errors that no call returns: as strerror(). Any thread.
 */
const char *shmring_strerror(int error);

/*
 * SHMRING_VERSION of the library that the program runs with, which may be newer than
 * the header that it was compiled with. Any thread.
 */
unsigned int shmring_version(void);

#include <shmring/fast.h>
#include <shmring/run.h>

#ifdef __cplusplus
}
#endif

#endif /* SHMRING_H */
