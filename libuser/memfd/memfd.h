/* SPDX-License-Identifier: MIT */
/*
 * Rings without the module: a memfd or, if the ring has a name, a file in /dev/shm, of
 * the same layout. Every process that has the file may write it. File locks:
 *
 *   byte 0	each holder (shared)	byte 1	a change of the roles
 *   byte 2	the removal of the name
 *   byte 16 + 2 * epoch, and + 1	the producer, the consumer of that epoch
 *
 * A file with lanes has these one after the other, each as a ring has it, and at the end the
 * page of the hub. The roles of lane n have the bytes from n << 40 on.
 */
#ifndef SHMRING_MEMFD_H
#define SHMRING_MEMFD_H

#include <sys/stat.h>
#include <time.h>

#include "../backend.h"
#include "../cancel.h"
#include "../fd.h"
#include "../options.h"

enum { LOCK_HOLDERS, LOCK_CHANGE, LOCK_NAME, LOCK_ROLES = 16 };

#define PATH_SIZE	(SHMRING_NAME_MAX + 32)

/* ------------------------------------------------------------------- layout */

/* As the module's: kernel, consumer, producer, data. */
static inline size_t data_offset(void)
{
	return 3 * page_size();
}

/*
 * Bytes of this backend alone, at the end of the first page, where no lane lies: the ring's name,
 * for receivers of a descriptor; and a byte that is written to wake the file's watches.
 */
static inline off_t name_offset(void)
{
	return (off_t)page_size() - 2 * SHMRING_NAME_MAX;
}

static inline off_t poke_offset(void)
{
	return (off_t)page_size() - 1;
}

static inline __shmring_word *position_of(const struct shmring *r, enum shmring_role role)
{
	return role == SHMRING_CONSUMER ? &r->consumer->tail : &r->producer->head;
}

/* Of a file with lanes: one of these flags in its status, which older libraries refuse. */
#define FLAG_FAN_IN	0x10000u
#define FLAG_WORK	0x20000u
#define FLAGS_OF_LANES	(FLAG_FAN_IN | FLAG_WORK)
#define LANE_LOCKS	40	/* a shift: no epoch gets there */

/* How far one lane of the file is from the next, and where the page of the hub is. */
static inline off_t lane_size(const struct shmring_geometry *g)
{
	return (off_t)(data_offset() + g->capacity);
}

static inline off_t hub_offset(const struct shmring_geometry *g)
{
	return (off_t)g->nr_lanes * lane_size(g);
}

/* The role that the hub has in each lane. */
static inline enum shmring_role hub_role(uint32_t topology)
{
	return topology == SHMRING_TOPOLOGY_WORK ? SHMRING_PRODUCER : SHMRING_CONSUMER;
}

/* Which process has a role: in its page, beside the position. */
struct owner {
	__shmring_word pid;
	__shmring_word pid_ns;		/* the PID namespace of pid; 0: unknown */
	__shmring_word started;		/* ticks since boot; 0: unknown */
	__shmring_word unlocked;	/* not 0: no file lock shows this owner */
	__shmring_word sleeps;		/* of all owners so far */
	__shmring_word wakes;		/* of the other side, by all owners so far */
};

_Static_assert(sizeof(struct owner) <= sizeof(((struct shmring_producer *)0)->reserved), "room");

static inline struct owner *owner_of(const struct shmring *r, enum shmring_role role)
{
	return role == SHMRING_CONSUMER ? (void *)r->consumer->reserved :
					  (void *)r->producer->reserved;
}

/* The state that a role leaves in a ring with these @flags: see SHMRING_QUEUE. */
static inline uint32_t state_after(uint32_t flags, enum shmring_role role)
{
	return role == SHMRING_CONSUMER && (flags & SHMRING_QUEUE) ? SHMRING_PEER_NONE :
								     SHMRING_PEER_GONE;
}

/* Only the owner of a role writes its counters. */
static inline void count(__shmring_word *n)
{
	__atomic_store_n(n, __atomic_load_n(n, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

/* The result of open() and its like, as a descriptor to keep or a negative errno. */
static inline int kept_fd(int fd)
{
	return fd < 0 ? -errno : shmring_keep_fd(fd);
}

/* How long to wait for another process's lock, ns: in set-up, and when closing. */
#define SETUP_PATIENCE	1000000000ull
#define CLOSE_PATIENCE	20000000ull

/*
 * lock.c: @byte of the file, F_OFD_SETLK and so on. GETLK returns how another process holds the
 * lock; 0: none does. -EBUSY: taken; -ETIMEDOUT: taken for all of @patience.
 */
enum { HELD_SHARED = 1, HELD_EXCLUSIVE };

int shmring_memfd_lock(int fd, off_t byte, short type, int command);
int shmring_memfd_lock_within(uint64_t patience, int fd, off_t byte, short type);
int shmring_memfd_lock_change(uint64_t patience, const struct shmring_private *p);
void shmring_memfd_unlock_change(const struct shmring_private *p);
off_t shmring_memfd_role_byte(const struct shmring_private *p, enum shmring_role role,
			      uint32_t epoch);
void shmring_memfd_nap(void);	/* before the next try */
void shmring_memfd_identify(struct shmring_private *p);
bool shmring_memfd_alive(const struct shmring_private *p, enum shmring_role role, uint32_t epoch,
			 const struct owner *owner);

/* wake.c */
long shmring_memfd_futex(uint32_t *word, int op, uint32_t value, const struct timespec *until);
void shmring_memfd_poke(const struct shmring_private *p);
void shmring_memfd_wake_role(const struct shmring *r, enum shmring_role role);
void shmring_memfd_wake(struct shmring *r);

/* role.c */
bool shmring_memfd_is_live(const struct shmring *r, enum shmring_role role);
void shmring_memfd_check_peer(struct shmring *r);
bool shmring_memfd_end_dead_peer(struct shmring *r);	/* false: dead, and still has its role */
int shmring_memfd_take_role(struct shmring *r, enum shmring_role role);
void shmring_memfd_give_up_role(struct shmring *r);

/* hub.c */
int shmring_memfd_lanes(const struct shmring_private *p, struct shmring_lanes *lanes);
int shmring_memfd_kick(struct shmring *r, uint32_t epoch);
int shmring_memfd_hub_open(struct shmring_hub *h);
void shmring_memfd_hub_close(struct shmring_hub *h);
int shmring_memfd_hub_wait(struct shmring_hub *h, uint64_t until);
void shmring_memfd_hub_arm(struct shmring_hub *h);
void shmring_memfd_hub_cool(struct shmring_hub *h);
int shmring_memfd_hub_poll_fd(struct shmring_hub *h);

/* wait.c */
bool shmring_memfd_arm(struct shmring *r, uint64_t bytes);
int shmring_memfd_wait(struct shmring *r, uint64_t bytes, uint64_t mark, uint64_t deadline);

/* await.c */
int shmring_memfd_wait_name(const char *name, enum shmring_role role, uint64_t until);
int shmring_memfd_wait_peer(struct shmring *r, uint64_t deadline);

/* poll.c; what decides when to look again whether the other side lives */
struct shmring_look {
	bool live;		/* there is another side */
	bool closed;		/* a process has closed the file */
	bool due;		/* it is time */
	bool done;		/* no role of a dead process is left */
};

void shmring_memfd_arm_poll(struct shmring *r, uint64_t bytes);
int shmring_memfd_poll_fd(struct shmring *r);
void shmring_memfd_close_poll(struct shmring_private *p);
int shmring_memfd_add_to_epoll(int poll_fd, int fd);	/* a negative @fd is returned */
int shmring_memfd_open_poll(struct shmring_private *p);
bool shmring_memfd_look_is_due(const struct shmring_private *p);
void shmring_memfd_plan_look(struct shmring_private *p, const struct shmring_look *l);
void shmring_memfd_arm_timer(struct shmring_private *p, uint64_t position);

/* watch.c; take: were there events, and did a process close the file? */
int shmring_memfd_watch(struct shmring_watch *w, int poll_fd, int file);
void shmring_memfd_unwatch(struct shmring_watch *w, int poll_fd);
void shmring_memfd_close_inherited(struct shmring_watch *w, uint32_t generation);
bool shmring_memfd_take_events(struct shmring_watch *w);

/* watch_shared.c */
void shmring_memfd_pass_on_events(void);

/* name.c */
static inline bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

void shmring_memfd_path(char path[PATH_SIZE], const char *name);
int shmring_memfd_open_path(const char *path);
int shmring_memfd_link(const char *from, const char *path);
int shmring_memfd_find(uint64_t patience, const char *path);
int shmring_memfd_find_to_read(const char *path);
int shmring_memfd_unlink(const char *name);
void shmring_memfd_remove_name(struct shmring_private *p);

/* file.c */
int shmring_memfd_create(struct shmring_private *p, const char *name,
			 const struct shmring_options *opt);
int shmring_memfd_open(struct shmring_private *p, const char *name, enum shmring_role role);
int shmring_memfd_adopt(struct shmring_private *p, int fd);
int shmring_memfd_chmod(const struct shmring_private *p, unsigned int mode);
int shmring_memfd_chown(const struct shmring_private *p, uid_t uid, gid_t gid);
int shmring_memfd_geometry(const struct shmring_private *p, struct shmring_geometry *g);

#endif /* SHMRING_MEMFD_H */
