/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * shmring: message passing at shared-memory speed. The user-space ABI.
 *
 * Four kinds of file
 * ------------------
 *
 *   control	open("/dev/shmring"). Makes and finds rings.
 *   ring	what CREATE and OPEN return. Carries rights, holds no role.
 *   endpoint	what ATTACH returns: one role of one ring. Maps the ring, waits,
 *		wakes and polls.
 *   wait set	what WAITSET_CREATE returns. Sleeps until one of its endpoints is ready.
 *
 *   ioctl	on		does					returns
 *   CREATE	control		makes a ring				ring fd
 *   OPEN	control		finds a ring by its name		ring fd
 *   UNLINK	control		removes a name				0
 *   ATTACH	ring, endpoint	takes a role, or narrows the rights	new fd
 *   QUERY	ring, endpoint	geometry, offsets, state, counters	0
 *   WAIT_DATA	consumer	sleeps until there is data		0
 *   WAIT_SPACE	producer	sleeps until there is space		0
 *   WAKE	endpoint	wakes the other side's sleepers		0
 *   SET_LOWAT	endpoint	says when poll() calls it ready		0
 *   WAIT_PEER	endpoint	sleeps until the other role is taken	0
 *   SET_ACCESS	ring, endpoint	changes the mode and the owner		0
 *   KICK	hub's endpoint	ends the other side's role		0
 *   WAITSET_CREATE	control		makes a wait set		wait set fd
 *   WAITSET_CHANGE	wait set	adds or removes an endpoint	0
 *   WAITSET_WAIT	wait set	sleeps until an endpoint is ready	0
 *
 * WAKE says ESHUTDOWN if this endpoint's own role is over. New file descriptors are
 * O_CLOEXEC, and cannot be reopened through /proc.
 *
 * Errors that every call shares: ENOTTY (no such ioctl on this kind of file),
 * EFAULT (the argument is not readable or writable), EINVAL (an unknown flag,
 * a reserved field that is not zero, a structure shorter than the first
 * version), E2BIG (a longer structure whose unknown part is not zero).
 * Structures may grow at their end: the kernel takes the caller's size from
 * the ioctl number, so old programs and new kernels (and the reverse) agree.
 * A call that fails has changed nothing.
 *
 * Memory
 * ------
 *
 * A ring is mapped region by region, from the offsets that QUERY gives, each
 * region whole, MAP_SHARED and never executable:
 *
 *   region	written by	producer maps	consumer maps	holds
 *   kernel	the kernel	read-only	read-only	shmring_status,
 *								shmring_lane
 *   consumer	the consumer	read-only	read-write	shmring_consumer
 *   producer	the producer	read-write	read-only	shmring_producer
 *   data	the producer	read-write	read-only	records; the same
 *								pages twice in a row
 *
 * Today the regions lie in this order without gaps, and producer and data may be
 * mapped as one. Programs take the offsets from QUERY all the same.
 *
 * An endpoint's own regions (a producer's producer and data regions, a
 * consumer's consumer region) can be mapped once, all by one process. The role
 * ends when the last of these mappings goes; exit, exec and SIGKILL unmap them, too.
 * If none was ever mapped, the role ends when the endpoint's file is released.
 * Mappings are not inherited across fork: a child that wants an endpoint attaches.
 * Mappings cannot be split, grown, moved, made writable later or executable. They
 * stay valid after close, UNLINK and the death of the other side.
 *
 * mmap fails with EACCES (not for this role; PROT_EXEC, for which some kernels
 * say EPERM), EINVAL (not a whole region, or not MAP_SHARED), EBUSY (an own
 * region, for the second time or by a second process) or ESHUTDOWN (an own
 * region, and the role is over).
 *
 * Lanes
 * -----
 *
 * A ring with a topology has up to SHMRING_LANES_MAX lanes under one name. Each lane is a ring
 * of its own, with its own regions, positions and two roles: all that is said here of a ring
 * holds for a lane. One role of all lanes belongs to one process, the hub. The hub attaches to
 * each lane by its number. Any other process attaches without a number, as to a ring without
 * lanes, and gets the other role of a lane that is free. So a program that knows no lanes can
 * use one.
 *
 *   topology	the hub is	each of the other processes is
 *   FAN_IN	consumer	a producer: many to one
 *   WORK	producer	a consumer: the hub gives each message to one of them
 *
 * A process in one lane cannot read, delay or end another lane. A lane is free if its role is
 * not taken, no process that had the role before still maps the lane, and all data in it has
 * been released. Before the lane is given to a process of another user, its data is zeroed. In
 * WORK the data is the hub's: a lane need not be empty to be free, and nothing is zeroed. The
 * messages that a worker has not released wait for the next one, which gets such a lane first.
 *
 * The endpoint of such a process maps nothing more once its role is over (ESHUTDOWN).
 *
 * Wait sets
 * ---------
 *
 * A process that has many endpoints finds those that are ready without looking at each. A wait
 * set has a bit for each of its endpoints, in the pages that are mapped from offset 0 of its
 * file, read-only: struct shmring_waitset. An endpoint is hot (its bit is set) or cold.
 *
 *   hot	the process looks at the endpoint itself
 *   cold	the endpoint is not ready; wake_at is armed. The other side's next publication
 *		at or above wake_at calls WAKE, which makes the endpoint hot
 *
 * WAITSET_WAIT arms each hot endpoint, makes it cold if it is not ready, and sleeps if none is.
 * An endpoint is ready as poll() says, see SET_LOWAT, with three exceptions. That a role was taken
 * or has ended makes the endpoint ready once; after that, an endpoint whose other side is gone is
 * ready only while lowat bytes are left of what it has published. A lane of WORK is not ready
 * while no process has the consumer's role. And if the other side's position has gone back
 * (EBADMSG), the endpoint is ready once, and then not before a role changes. Only the kernel
 * writes the bits:
 *
 *   WAKE, and each change of a role		WAITSET_WAIT, for each hot endpoint
 *
 *   under the endpoint's lock:			clear the bit
 *	store wake_at: never			store wake_at, under the lock
 *	set the bit		(N)		full barrier, (J) if due	(D)
 *	wake the wait set			look at the position
 *						ready: set the bit		(O)
 *						after all: sleep, if no bit is set
 *
 * (N) comes before the wake-up: the sleeper that is woken sees the bit. (O) is done for every
 * endpoint that is found ready and not only for the first: otherwise a later one would be cold
 * and not armed. The bit is cleared before wake_at is stored: between the two, a WAKE that was
 * due for an older wake_at would reset the new one, and its bit would be lost. A process that
 * reads a bit late looks at the endpoint late; WAITSET_WAIT does not sleep while a bit is set.
 *
 * A change of a role is told once, to all threads that wait. So a process looks at each hot
 * endpoint, at its position and its state, before it calls WAITSET_WAIT again. poll() calls
 * the wait set readable if an endpoint is ready, and does not count as the one time: call
 * WAITSET_WAIT with F_COOL before poll() or epoll_wait().
 *
 * A sleep in a wait set is not counted in the sleeps of its endpoints.
 *
 * WAKE does nothing if only a wait set could be woken, and the position is below wake_at, unless
 * a producer wants space and there is data: so no process can keep another one's set awake
 * without a message.
 *
 * Positions
 * ---------
 *
 * head (producer) and tail (consumer) count bytes since the ring was made. No honest
 * process reaches SHMRING_POSITION_LIMIT: a position at or above it is false. No sum or
 * difference of two positions below the limit overflows. Empty: head == tail; full:
 * head - tail == span, which is the capacity in a ring of records. Positions are
 * multiples of align.
 *
 * If slot_size is not zero, the stream consists of slots without a header. Each slot takes
 * one stride, which is slot_size rounded up to align; the span is slots * stride. The slot
 * at position n starts at data[n & (capacity - 1)].
 *
 * With SHMRING_FEATURE_MARKS the producer says in each slot itself that it is full. The stride
 * is then the lowest power of two that holds align + slot_size bytes. The payload of the slot at
 * position n starts at data[(n & (capacity - 1)) + align]; the 8 bytes in front of it are the
 * slot's mark, which is n + 1 once the slot is published. The stride divides the capacity, so
 * each mark has its place for good, and no payload is ever taken for one. A mark only shows
 * early what head says: the kernel reads none, and a slot below head is full whatever its mark is.
 *
 * Otherwise the stream consists of records, each a shmring_record header and its payload.
 * The payload of the record at position n starts at data[(n & (capacity - 1)) + align], its
 * header in the 8 bytes in front of that. A record takes 8 bytes and its payload, rounded up
 * to align. So each payload starts at a multiple of align from the start of the data, where a
 * page starts. If align is 8, the header is at data[n & (capacity - 1)].
 *
 * A slot or record that starts in the first copy of the data may end in the second one.
 *
 * Ordering contract
 * -----------------
 *
 *   producer				consumer
 *
 *   write record			load head		(B)
 *   store head		(A)		   or the mark		(M)
 *   store its mark	(L)		read record
 *   load fence_until	(H)		store tail		(E)
 *   fence, if due	(I)		load fence_until	(H)
 *   load wake_at	(C)		fence, if due		(I)
 *   load tail		(F)		load wake_at		(G)
 *   reuse the space
 *
 *   sleeper, in the kernel (its own wake_at, the other side's position)
 *
 *   store wake_at
 *   full barrier	(D)
 *   load position
 *   unless the other side is known to fence there:
 *	store fence_until
 *	full barrier on the CPUs that run the other side	(J)
 *	load position
 *
 *   a producer that looks for		a consumer that sleeps
 *   space without sleeping
 *
 *   store space_wanted			store its wake_at
 *   full fence		(K)		full barrier	(D)
 *   load consumer.wake_at		load space_wanted
 *
 * (A) pairs with (B): store-release against load-acquire. Without it the
 *     consumer may see a position before the record below it.
 * (L) pairs with (M), in rings with marks only: store-release against load-acquire. (L) comes
 *     after (A). So a consumer that sees the mark sees the payload, and a head that is beyond it;
 *     and so does each CPU that sees, by (F), the tail that this consumer stores next. Otherwise
 *     a producer's successor, or the kernel, could find the tail ahead of the head.
 * (E) pairs with (F): store-release against load-acquire, for the loads of the
 *     record too. Without it the producer may overwrite what is being read.
 * (A)-(C) pairs with (D), and (E)-(G) pairs with (D): store buffering. If a
 *     publisher stores its position and then does not see the sleeper's wake_at, the
 *     sleeper must see the position. Both need a full barrier for that. The publisher
 *     executes one only if it is due:
 * (I) a full fence, if the publisher's position before this store is below
 *     fence_until. It pairs with (D).
 * (J) replaces (I) above fence_until: the sleeper makes the publisher's CPUs execute
 *     the barrier, by an interrupt or by waiting for a grace period of RCU. The
 *     publisher may be anywhere in its program at that moment. The sleeper's second
 *     load sees the publisher's stores before the barrier, and the publisher's loads
 *     after the barrier see the sleeper's stores.
 * (H) comes after (A) or (E) in program order; the compiler must keep it there,
 *     the CPU need not. So a publisher that (J) did not catch before its store
 *     sees the new fence_until.
 * (K) pairs with (D): store buffering. space_wanted is the tail that the producer
 *     waits for while it spins, or when it was refused at once (NOWAIT). At least one
 *     of the two sides sees the other's word. Otherwise a consumer that sleeps until there
 *     is more data than there is, and a producer that wants space, could wait for each other.
 *     If the producer sees that the consumer has armed (its wake_at is not
 *     SHMRING_NO_WAKE) and there is data, the producer calls WAKE. A consumer that sees
 *     space_wanted above its own tail returns with any data. Zero, or a position that
 *     tail has reached, means that no space is wanted; so the word needs no reset.
 *
 * fence_until is a position, like wake_at: after a (J), the publisher fences up to that
 * position, and sleepers need no (J). It is all ones where the kernel cannot do (J), and
 * once a side has used up its (J)s: a publisher then always fences.
 *
 * The wake-up guarantee: if a side publishes in this way, and calls WAKE if its position is
 * at or above the other side's wake_at, no wake-up of the other side is lost.
 */
#ifndef _UAPI_LINUX_SHMRING_H
#define _UAPI_LINUX_SHMRING_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SHMRING_MAGIC		0x53484d52u	/* "SHMR" */
#define SHMRING_ABI		1u

#define SHMRING_ALIGN		8u		/* the default; and the least, of records */
#define SHMRING_ALIGN_MAX	4096u
#define SHMRING_CAPACITY_MAX	0x40000000ull	/* bytes: 1 GiB */
#define SHMRING_NAME_MAX	64u		/* with the final NUL */
#define SHMRING_PATIENCE_NS	1000000u	/* how long a sleep is for mark; then for bytes */
#define SHMRING_POSITION_LIMIT	0x4000000000000000ull /* head and tail are below this */

/* Roles: what an endpoint is. */
#define SHMRING_ROLE_NONE	0u
#define SHMRING_ROLE_PRODUCER	1u
#define SHMRING_ROLE_CONSUMER	2u

/* Rights: which roles the holder of a file may take. */
#define SHMRING_RIGHT_PRODUCE	0x1u	/* the write bit of the mode */
#define SHMRING_RIGHT_CONSUME	0x2u	/* the read bit of the mode */
#define SHMRING_RIGHT_ALL	(SHMRING_RIGHT_PRODUCE | SHMRING_RIGHT_CONSUME)

/* No sleeper: the value of wake_at that no position reaches. */
#define SHMRING_NO_WAKE		(~0ull)

/* Always fence: the value of fence_until that every position is below. */
#define SHMRING_FENCE_ALWAYS	(~0ull)

/*
 * The state of a role: not taken yet, taken, ended. In a ring with CREATE_F_QUEUE the
 * consumer's state is NONE whenever there is no consumer.
 */
#define SHMRING_PEER_NONE	0u
#define SHMRING_PEER_LIVE	1u
#define SHMRING_PEER_GONE	2u

/* What an old program would misread: bits of features. */
#define SHMRING_FEATURE_MARKS	0x1ull	/* each slot has a mark */
#define SHMRING_FEATURE_ALL	SHMRING_FEATURE_MARKS

/*
 * The kernel region starts with this struct. It is constant while the ring lives. A program
 * that does not know @abi, or a bit in @features, must not attach.
 */
struct shmring_status {
	__u32 magic;		/* SHMRING_MAGIC */
	__u32 abi;		/* SHMRING_ABI */
	__aligned_u64 features;	/* SHMRING_FEATURE_* */
	__aligned_u64 capacity;	/* bytes: a power of two, whole pages */
	__u32 slot_size;	/* bytes; 0: records */
	__u32 nr_lanes;		/* 1 */
	__u32 flags;		/* SHMRING_CREATE_F_QUEUE */
	__u32 align;		/* bytes, a power of two: of positions and payloads */
	__aligned_u64 slots;	/* how many the ring holds; 0: records */
	__aligned_u64 reserved[10];
};

/*
 * ... and goes on at SHMRING_LANE_OFFSET with a struct shmring_lane for each lane. A lane is
 * the ring of one producer; today there is one lane. Only the kernel writes a lane. Each half
 * describes one side, is read by the other side's fast path, and has a pair of cache lines of
 * its own.
 */
struct shmring_half {
	__aligned_u64 wake_at;	/* wake this side once the other side's position >= this */
	__aligned_u64 fence_until; /* the other side fences if it publishes from below this */
	__u32 state;		/* SHMRING_PEER_* */
	__u32 epoch;		/* how often the role has been taken */
	__u32 futex;		/* without the module: see shmring(7) */
	__u32 poll;		/* without the module: see shmring(7) */
	__aligned_u64 end;	/* of a producer that is gone: where the stream ends */
	__aligned_u64 reserved[11];
};

struct shmring_lane {
	struct shmring_half consumer;
	struct shmring_half producer;
};

#define SHMRING_LANE_OFFSET	128u

/* The producer's region. Only the producer writes it; after its end, the kernel. */
struct shmring_producer {
	__aligned_u64 head;	/* bytes committed since the ring was made */
	__aligned_u64 space_wanted; /* the tail that the producer waits for: see (K) */
	__u32 cpu;		/* the CPU of its last wait, plus one; 0: unknown */
	__u32 reserved0;
	__aligned_u64 reserved[12];
	__aligned_u64 refused;	/* times that it found a value that no consumer may write */
};

/*
 * In a lane of WORK the producer's region goes on with SHMRING_DEALS_MAX of these, for the last
 * messages of the lane. A deal is stored before the head is, (A). The message at @start was given
 * to @before workers before the one with this epoch of the consumer's role. The kernel does not
 * look at deals.
 */
struct shmring_deal {
	__aligned_u64 start;	/* the position of the message */
	__u32 epoch;		/* 0: no deal */
	__u32 before;
};

#define SHMRING_DEALS_MAX	16u

/* The consumer's region. Only the consumer writes it; after its end, the kernel. */
struct shmring_consumer {
	__aligned_u64 tail;	/* bytes released since the ring was made */
	__aligned_u64 reserved1;
	__u32 cpu;		/* the CPU of its last wait, plus one; 0: unknown */
	__u32 reserved0;
	__aligned_u64 reserved[12];
	__aligned_u64 refused;	/* times that it found a value that no producer may write */
};

/* Before each record's payload. */
struct shmring_record {
	__u32 len;		/* bytes of payload */
	__u32 flags;		/* 0 */
};

/*
 * CREATE: make a ring and return a ring file with all rights.
 *
 * The ring is charged to the caller's user until the name is gone and the files
 * that this user has opened are closed; then to the user of the oldest open file.
 *
 * A ring without PERSIST, and its name, go with the last file and mapping. A ring with
 * PERSIST (named rings of the initial IPC namespace only) stays until UNLINK.
 *
 * Before the first consumer, the producer fills the ring and then waits. With QUEUE it
 * does the same after a consumer has gone. Without QUEUE it gets EPIPE from then until
 * another consumer comes, as the writer of a pipe does, because a producer should learn
 * that no process reads its messages.
 *
 * With MARKS each slot has a mark: see Positions.
 *
 * With a topology the ring has nr_lanes lanes: see Lanes. The capacity, slots, slot_size and
 * align are those of each lane. All lanes are made, and charged, by CREATE, so that a process
 * that attaches to one cannot fail for lack of memory.
 *
 * EINVAL	capacity is not a power of two of at least a page; slot_size
 *		above the capacity; align is not a power of two, is above
 *		SHMRING_ALIGN_MAX or, of records and with MARKS, below SHMRING_ALIGN; more
 *		slots than the capacity holds, with MARKS less than one; slots or MARKS
 *		without a slot_size; mode has other bits
 *		than 0666; PERSIST without a name; the name has no final NUL, is "." or
 *		"..", or has a '/' or anything but visible ASCII in it; no such topology;
 *		nr_lanes is 0 or above SHMRING_LANES_MAX; RING with nr_lanes or
 *		lanes_per_user
 * EFBIG	capacity is above SHMRING_CAPACITY_MAX
 * EEXIST	the name is taken
 * EDQUOT	RLIMIT_MEMLOCK would be exceeded (CAP_IPC_LOCK is exempt). All rings
 *		charged to the user count together, whichever process made them
 * ENOSPC	the module's limit for all rings (max_pages) would be exceeded
 * ENOMEM	no memory, or the memory cgroup's limit
 * EOPNOTSUPP	PERSIST outside the initial IPC namespace
 * EMFILE, ENFILE	no file descriptor
 */
struct shmring_ioc_create {
	__aligned_u64 capacity;		/* bytes of data */
	__aligned_u64 slots;		/* how many the ring is to hold; 0: as many as fit */
	__u32 slot_size;		/* bytes; 0: records */
	__u32 align;			/* bytes; 0: SHMRING_ALIGN */
	__u32 mode;			/* permission bits, less the umask */
	__u32 flags;			/* SHMRING_CREATE_F_* */
	__u8  name[SHMRING_NAME_MAX];	/* "": anonymous */
	__u32 topology;			/* SHMRING_TOPOLOGY_*. The first version ended before it */
	__u32 nr_lanes;			/* 1 ... SHMRING_LANES_MAX; RING: 0 */
	__u32 lanes_per_user;		/* most lanes that one user may have; 0: any */
	__u32 reserved;
};

#define SHMRING_LANES_MAX	256u

/* Topologies: how the processes of a ring are connected. */
#define SHMRING_TOPOLOGY_RING	0u	/* one producer, one consumer */
#define SHMRING_TOPOLOGY_FAN_IN	1u	/* the hub consumes, each lane has a producer */
#define SHMRING_TOPOLOGY_WORK	2u	/* the hub produces, each lane has a consumer */

#define SHMRING_CREATE_F_PERSIST	0x1u
#define SHMRING_CREATE_F_QUEUE		0x2u
#define SHMRING_CREATE_F_MARKS		0x4u
#define SHMRING_CREATE_F_ALL		(SHMRING_CREATE_F_PERSIST | SHMRING_CREATE_F_QUEUE | \
					 SHMRING_CREATE_F_MARKS)

/*
 * OPEN: find a ring by its name in the caller's IPC namespace and return a
 * ring file with the rights asked for. With SHMRING_OPEN_F_WAIT, sleep until
 * there is a ring of that name.
 *
 * ENOENT	no such name
 * EACCES	the mode does not grant these rights (CAP_IPC_OWNER is exempt)
 * EINVAL	rights is 0; a bad or empty name; a deadline without F_WAIT
 * ETIMEDOUT	F_WAIT: the deadline has passed; success takes precedence
 * EINTR	F_WAIT: a signal handler has run, whatever its SA_RESTART
 *
 * UNLINK (flags, rights and deadline 0): remove the name; the ring goes with its
 * last file and mapping.
 *
 * ENOENT	no such name
 * EPERM	the caller is not the owner, and has no CAP_SYS_ADMIN
 * EINVAL	rights, flags or deadline is not 0; a bad or empty name
 */
struct shmring_ioc_name {
	__u32 rights;		/* SHMRING_RIGHT_* */
	__u32 flags;		/* SHMRING_OPEN_F_* */
	__u8  name[SHMRING_NAME_MAX];
	__aligned_u64 deadline;	/* F_WAIT: CLOCK_MONOTONIC, ns; 0: none.
				 * The first version ended before it.
				 */
};

#define SHMRING_OPEN_F_WAIT	0x1u
#define SHMRING_OPEN_F_ALL	SHMRING_OPEN_F_WAIT

/*
 * ATTACH: take a role and return its endpoint; or, with SHMRING_ROLE_NONE,
 * return a ring file with fewer rights, to be passed on.
 *
 * poll() calls the endpoint ready once there are lowat bytes of data (default: 1), or of
 * space (default: a slot, or the smallest record). SET_LOWAT changes lowat.
 *
 * In a ring with lanes: with F_LANE the role of lane @lane, which is how the hub attaches;
 * without F_LANE the role that is not the hub's, of a lane that is free. Without a topology a
 * ring has lane 0.
 *
 * EBUSY	the role is taken; no lane is free, or not this one
 * EDQUOT	the user has lanes_per_user lanes already
 * EACCES	this file does not carry the right, or not all of rights
 * EINVAL	no such role; lowat above the span, or with ROLE_NONE; F_LANE: no such lane, or
 *		with ROLE_NONE; lane is not 0 without F_LANE
 * EPROTO	the hub's role of a ring with lanes, without F_LANE
 * EINTR	a fatal signal, while a lane was zeroed
 */
struct shmring_ioc_attach {
	__u32 role;		/* SHMRING_ROLE_* */
	__u32 rights;		/* SHMRING_RIGHT_* of the new file; 0: those of this one */
	__aligned_u64 lowat;	/* bytes; 0: the default */
	__u32 flags;		/* SHMRING_ATTACH_F_* */
	__u32 lane;		/* with F_LANE: its number, from 0 */
};

#define SHMRING_ATTACH_F_LANE	0x1u
#define SHMRING_ATTACH_F_ALL	SHMRING_ATTACH_F_LANE

/* A region to map: mmap(NULL, length, ..., fd, offset). */
struct shmring_region {
	__aligned_u64 offset;	/* bytes */
	__aligned_u64 length;	/* bytes */
};

/*
 * QUERY: everything about a ring. The caller fills in lane, the kernel the rest. While both
 * sides are honest, head - tail is at most the span, even if both positions move.
 */
struct shmring_ioc_query {
	__u32 lane;			/* in: of a ring file, which lane; of an endpoint: 0 */
	__u32 role;			/* of this file */
	__u32 rights;			/* of this file */
	__u32 mode;			/* permission bits */
	__u32 uid;			/* owner, in the caller's user namespace */
	__u32 gid;
	__u32 flags;			/* SHMRING_CREATE_F_* */
	__u32 slot_size;		/* bytes; 0: records */
	__u32 align;			/* bytes: of positions and payloads */
	__u32 reserved;
	__aligned_u64 features;		/* as in shmring_status */
	__aligned_u64 id;		/* of the ring; never reused while loaded */
	__aligned_u64 capacity;		/* bytes */
	__aligned_u64 slots;		/* how many the ring holds; 0: records */
	struct shmring_region kernel;
	struct shmring_region consumer;
	struct shmring_region producer;
	struct shmring_region data;	/* length: twice the capacity */
	__aligned_u64 head;		/* as the producer left it: not checked */
	__aligned_u64 tail;		/* as the consumer left it: not checked */
	__u32 producer_state;		/* SHMRING_PEER_* */
	__u32 consumer_state;		/* SHMRING_PEER_* */
	__aligned_u64 consumer_sleeps;	/* times the consumer slept, io_uring included */
	__aligned_u64 consumer_woken;	/* times WAKE woke the consumer */
	__aligned_u64 producer_sleeps;	/* times the producer slept, io_uring included */
	__aligned_u64 producer_woken;	/* times WAKE woke the producer */
	__aligned_u64 consumer_refused;	/* as the consumer counts it: not checked */
	__aligned_u64 producer_refused;	/* as the producer counts it: not checked */
	__u8  name[SHMRING_NAME_MAX];	/* "": anonymous, or unlinked */
	__u32 producer_pid;		/* process that has the role, in the caller's pid
					 * namespace; 0: none, or none that is visible there.
					 * The first version ended before it.
					 */
	__u32 consumer_pid;
	__u32 topology;			/* SHMRING_TOPOLOGY_*. The second version ended before it */
	__u32 nr_lanes;			/* RING: 1 */
	__u32 own_lane;			/* the lane of this endpoint; the one that was asked for */
	__u32 reserved2;
};

/*
 * WAIT_DATA: return once there are @bytes of data; or earlier, if there is some data and
 * the producer waits for space: otherwise both would wait for ever. WAIT_SPACE: return
 * once @bytes are free. Both calls return at once if @bytes are there. Otherwise they
 * sleep until @mark bytes are there, so that a full ring costs one wake-up and not one
 * for each record; after a millisecond (SHMRING_PATIENCE_NS), until @bytes are there.
 *
 * ETIMEDOUT	the deadline has passed; success takes precedence
 * EINTR	a signal handler has run, whatever its SA_RESTART (as for poll)
 * EBADMSG	the other side's position has gone back
 * EPIPE	WAIT_SPACE: the consumer is gone (never in a ring with QUEUE)
 * ENODATA	WAIT_DATA: the producer is gone and all it committed is taken
 * EINVAL	bytes is 0; bytes or mark above the span
 * ESHUTDOWN	this endpoint's own role is over
 * ENOTTY	not a consumer's (WAIT_DATA) or producer's (WAIT_SPACE) endpoint
 */
struct shmring_ioc_wait {
	__aligned_u64 bytes;	/* 1 ... span */
	__aligned_u64 mark;	/* 0: for data, bytes; for space, half the
				 * span. Below bytes, it counts as bytes
				 */
	__aligned_u64 deadline;	/* CLOCK_MONOTONIC, ns; 0: none */
	__u32 flags;		/* 0 */
	__u32 reserved;
};

/*
 * SET_LOWAT: poll() calls this endpoint ready once there are @bytes of data, or of
 * space, counted from the endpoint's own position in the ring. If the call lowers the
 * number, a poll() that sleeps and an epoll that has the endpoint look again.
 *
 * EINVAL	bytes is 0 or above the span
 * ESHUTDOWN	this endpoint's own role is over
 * ENOTTY	not an endpoint
 */
struct shmring_ioc_lowat {
	__aligned_u64 bytes;	/* 1 ... span */
};

/*
 * WAIT_PEER: return once the other role is taken (SHMRING_PEER_LIVE), at once if it is
 * taken already. The role may be over again when the call returns.
 *
 * ETIMEDOUT	the deadline has passed; success takes precedence
 * EINTR	a signal handler has run, whatever its SA_RESTART
 * EINVAL	flags or reserved is not 0
 * ESHUTDOWN	this endpoint's own role is over
 * ENOTTY	not an endpoint
 */
struct shmring_ioc_wait_peer {
	__aligned_u64 deadline;	/* CLOCK_MONOTONIC, ns; 0: none */
	__u32 flags;		/* 0 */
	__u32 reserved;
};

/*
 * SET_ACCESS: change the mode, the owner and the group of a ring, as chmod(2) and chown(2)
 * do for a file. @valid names the members that change: all of them or, on an error, none. The
 * umask is not applied. The call checks the caller's user and not the rights of the file: a
 * process that was given the file need not own the ring. The owner may use any file of the ring.
 *
 * OPEN, UNLINK and /proc/shmring check the new values from then on. Files that are open keep
 * their rights, and the ring stays charged to the same user. A capability counts in the user
 * namespace that owns the ring's IPC namespace.
 *
 * EPERM	mode: the caller is neither the owner nor has CAP_FOWNER
 *		uid: the caller has no CAP_CHOWN, and is not the owner or names another user
 *		gid: the caller has no CAP_CHOWN, and is not the owner or names a group that is
 *		neither the ring's nor one of its own
 * EINVAL	valid has unknown bits; reserved is not 0; mode has other bits than 0666; uid or
 *		gid has no meaning in the caller's user namespace
 */
struct shmring_ioc_access {
	__u32 valid;		/* SHMRING_ACCESS_* */
	__u32 mode;		/* permission bits */
	__u32 uid;		/* in the caller's user namespace */
	__u32 gid;
	__aligned_u64 reserved;
};

#define SHMRING_ACCESS_MODE	0x1u
#define SHMRING_ACCESS_UID	0x2u
#define SHMRING_ACCESS_GID	0x4u
#define SHMRING_ACCESS_ALL	(SHMRING_ACCESS_MODE | SHMRING_ACCESS_UID | SHMRING_ACCESS_GID)

/*
 * KICK: end the other side's role in this lane, as if its process had died. The lane is free
 * again only when that process no longer maps it, so that it writes into no other process's lane.
 * The kicked process gets ESHUTDOWN. @epoch is that of the other half in struct shmring_lane:
 * the hub reads the epoch, then sees that it wants to kick the process, and so ends the role of
 * that process and not of another one that has taken the lane meanwhile.
 *
 * EINVAL	flags is not 0
 * EPERM	this is not the hub's endpoint
 * ENOENT	the other role is not taken
 * ESTALE	another process has it: its epoch is not @epoch
 * ESHUTDOWN	this endpoint's own role is over
 * ENOTTY	not an endpoint
 */
struct shmring_ioc_kick {
	__u32 epoch;
	__u32 flags;		/* 0 */
};

/*
 * WAITSET_CREATE: make a wait set for up to @max endpoints, with the numbers 0 to @max - 1. One
 * page is mapped, read-only, MAP_SHARED and not executable.
 *
 * EINVAL	max is 0 or above SHMRING_WAITSET_MAX; flags is not 0
 * ENOMEM, EMFILE, ENFILE
 */
struct shmring_ioc_waitset_create {
	__u32 max;
	__u32 flags;		/* 0 */
};

#define SHMRING_WAITSET_MAX	4096u

/* The pages of a wait set. Bit n % 64 of hot[n / 64] stands for the endpoint with number n. */
struct shmring_waitset {
	__u32 magic;		/* SHMRING_MAGIC */
	__u32 max;
	__aligned_u64 reserved[15];
	__aligned_u64 hot[SHMRING_WAITSET_MAX / 64];	/* (max + 63) / 64 of them are used */
};

/*
 * WAITSET_CHANGE: with a descriptor, add that endpoint as number @index; it is hot. With fd -1,
 * remove the endpoint of that number. An endpoint is in one wait set at most. The wait set keeps
 * the endpoint's file open. An endpoint whose own role has ended stays in the set until it is
 * removed.
 *
 * EINVAL	no such number; flags is not 0; fd is not an endpoint
 * EBADF	fd is no descriptor
 * EBUSY	the number is in use, or the endpoint is in a wait set
 * ENOENT	fd -1: the number is not in use
 * EINTR	a fatal signal
 */
struct shmring_ioc_waitset_change {
	__s32 fd;
	__u32 index;
	__u32 flags;		/* 0 */
	__u32 reserved;
};

/*
 * WAITSET_WAIT: sleep until an endpoint is ready. See Wait sets. With F_COOL do not sleep: return
 * after each hot endpoint was looked at, so that those which are not ready are cold.
 *
 * ETIMEDOUT	the deadline has passed; success takes precedence
 * EAGAIN	F_COOL: no endpoint is ready
 * EINTR	a signal handler has run, whatever its SA_RESTART
 * EINVAL	flags has other bits; a deadline with F_COOL
 */
struct shmring_ioc_waitset_wait {
	__aligned_u64 deadline;	/* CLOCK_MONOTONIC, ns; 0: none */
	__u32 flags;		/* SHMRING_WAITSET_F_* */
	__u32 reserved;
};

#define SHMRING_WAITSET_F_COOL	0x1u
#define SHMRING_WAITSET_F_ALL	SHMRING_WAITSET_F_COOL

/*
 * WAIT_DATA and WAIT_SPACE as commands of io_uring (IORING_OP_URING_CMD, with one of these
 * in cmd_op and the argument in cmd), if the kernel can cancel a command when its
 * io_uring or its process goes: since Linux 6.10. Older kernels: EOPNOTSUPP; use poll there.
 *
 * The submitting thread does not sleep. The completion's res is 0 or an error of the ioctl,
 * but never ETIMEDOUT or EINTR. ASYNC_CANCEL and linked timeouts do not reach commands of
 * drivers. Instead there is
 *
 * URING_CANCEL (no argument): end all unfinished waits through this endpoint's file now;
 * success takes precedence.
 *
 * A command waits for a position of the other side and not for a number of bytes, because its
 * own side may move between the submission and the end of the wait. A consumer that wants
 * bytes beyond its tail waits for head at tail + bytes; a producer, for tail at
 * head + bytes - span, which may be below zero. If the other side is there already, the command
 * completes at once.
 *
 * ECANCELED	URING_CANCEL, or the end of the io_uring or of the process
 * ENOTTY	no such command, or not for this kind of file
 * EINVAL	a position that needs more bytes than the span; or reserved, or a field of
 *		the sqe that has no meaning here, is not zero
 * EBUSY	SHMRING_URING_WAITS_MAX waits of this endpoint are under way
 * ENOMEM	no memory
 */
#define SHMRING_URING_WAITS_MAX	1024

struct shmring_uring_wait {
	__aligned_u64 position;	/* of the other side */
	__aligned_u64 reserved;
};

#define SHMRING_IOC_TYPE	0xB5

#define SHMRING_IOC_CREATE	_IOW(SHMRING_IOC_TYPE, 0, struct shmring_ioc_create)
#define SHMRING_IOC_OPEN	_IOW(SHMRING_IOC_TYPE, 1, struct shmring_ioc_name)
#define SHMRING_IOC_UNLINK	_IOW(SHMRING_IOC_TYPE, 2, struct shmring_ioc_name)
#define SHMRING_IOC_ATTACH	_IOW(SHMRING_IOC_TYPE, 3, struct shmring_ioc_attach)
#define SHMRING_IOC_QUERY	_IOWR(SHMRING_IOC_TYPE, 4, struct shmring_ioc_query)
#define SHMRING_IOC_WAIT_DATA	_IOW(SHMRING_IOC_TYPE, 5, struct shmring_ioc_wait)
#define SHMRING_IOC_WAIT_SPACE	_IOW(SHMRING_IOC_TYPE, 6, struct shmring_ioc_wait)
#define SHMRING_IOC_WAKE	_IO(SHMRING_IOC_TYPE, 7)

#define SHMRING_URING_WAIT_DATA	 _IOW(SHMRING_IOC_TYPE, 8, struct shmring_uring_wait)
#define SHMRING_URING_WAIT_SPACE _IOW(SHMRING_IOC_TYPE, 9, struct shmring_uring_wait)
#define SHMRING_URING_CANCEL	 _IO(SHMRING_IOC_TYPE, 10)

#define SHMRING_IOC_SET_LOWAT	_IOW(SHMRING_IOC_TYPE, 11, struct shmring_ioc_lowat)
#define SHMRING_IOC_WAIT_PEER	_IOW(SHMRING_IOC_TYPE, 12, struct shmring_ioc_wait_peer)
#define SHMRING_IOC_SET_ACCESS	_IOW(SHMRING_IOC_TYPE, 13, struct shmring_ioc_access)
#define SHMRING_IOC_KICK	_IOW(SHMRING_IOC_TYPE, 14, struct shmring_ioc_kick)
#define SHMRING_IOC_WAITSET_CREATE _IOW(SHMRING_IOC_TYPE, 15, struct shmring_ioc_waitset_create)
#define SHMRING_IOC_WAITSET_CHANGE _IOW(SHMRING_IOC_TYPE, 16, struct shmring_ioc_waitset_change)
#define SHMRING_IOC_WAITSET_WAIT _IOW(SHMRING_IOC_TYPE, 17, struct shmring_ioc_waitset_wait)

#endif /* _UAPI_LINUX_SHMRING_H */
