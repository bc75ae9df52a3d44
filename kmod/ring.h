/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The objects of shmring.
 *
 *   struct shmring		a ring: pages, two sides, a name. Lives as long as a
 *			file of it does (a mapping holds its file), or, if
 *			persistent, its name.
 *   struct shmring_side	one per role: its holder, its waiters.
 *   struct shmring_file	an open file: a ring file (no role) or an endpoint.
 *   struct shmring_set	many endpoints, and which of them may be ready: see waitset.c.
 *
 * A ring with a topology has a struct shmring for each lane, with pages and sides of its own.
 * The first one has the name, the owner, the charge, the files and the references of all of them.
 *
 * Locks, outermost first:
 *
 *   mmap_lock		(the mm's; held when our mmap and close run)
 *   shmring_names_lock	the set of rings, and every ring's name, owner and mode
 *   set->lock		a mutex: the endpoints of a wait set. Only the set's users take it
 *   ring->lock		roles and mappings; of the first lane, the files and the charge, too
 *   ring->use_lock	which file has which lane
 *   side->fence_lock	that side's fence_until
 *   side->wait.lock	that side's wake_at; the mm of its owner; its place in a wait set
 *   set->wait.lock	the sleepers of a wait set
 *
 * User memory is never touched under any of our locks. All but one are spinlocks, held for a
 * short time that does not depend on any process. The holder of a sleeping lock can be preempted;
 * if it then got hardly any CPU (cpu.max, SCHED_IDLE), the other side could not close, exit
 * or be killed.
 */
#ifndef SHMRING_RING_H
#define SHMRING_RING_H

#include <linux/atomic.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/shmring.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct cred;
struct file;
struct io_uring_cmd;
struct pid;
struct pid_namespace;
struct seq_file;
struct shmring_lane_use;
struct shmring_member;
struct user_struct;

struct shmring_side {
	struct shmring *ring;
	wait_queue_head_t wait;		/* this side's sleepers and pollers */
	struct shmring_half *half;	/* in the kernel region: only we write it;
					 * wake_at under wait.lock, fence_until under
					 * fence_lock, the rest under ring->lock
					 */
	spinlock_t fence_lock;
	u64 fence_confirmed;		/* the other side is known to fence when it
					 * publishes from below this; fence_lock
					 */
	unsigned long grace;		/* RCU's cookie of the last (J); fence_lock */
	struct rcu_work trust_work;	/* wakes pollers after a grace period */
	unsigned long window;		/* jiffies: the second in which ... */
	unsigned int nr_interrupts;	/* ... so many were sent to the other side; fence_lock */
	u64 ready_at;			/* the furthest position of the other side for which
					 * this side, once armed, was called ready; and its
					 * holder's epoch; wait.lock
					 */
	u32 ready_epoch;
	__u64 *position;		/* head or tail; user space writes it */
	__u64 *refused;			/* user space writes it; only shown */
	struct shmring_file *owner;	/* the endpoint, or NULL; ring->lock */
	struct pid *pid;		/* of the owner's process, or NULL; ring->lock */
	struct mm_struct *mm;		/* the mm that maps the own regions, or NULL; wait.lock */
	struct shmring_member *member;	/* the owner's in a wait set, or NULL; wait.lock */
	u64 left_at;			/* where the last owner's position ended; ring->lock */
	atomic64_t nr_sleeps;
	atomic64_t nr_wakes;
};

/* The order of shmring.pages, and the page offsets of the regions; the data twice. */
enum {
	SHMRING_KERNEL_PAGE,
	SHMRING_CONSUMER_PAGE,
	SHMRING_PRODUCER_PAGE,
	SHMRING_DATA_PAGE,
};

struct shmring {
	refcount_t ref;			/* files, and a persistent name */
	refcount_t memory;		/* of this structure: @ref, and trust_work */
	spinlock_t lock;		/* roles and mappings */
	u64 id;

	/* Constant after creation. */
	u64 capacity;
	u64 slots;			/* 0: records */
	u64 span;			/* bytes that messages may take */
	u32 slot_size;			/* 0: records */
	u32 align;
	u32 step;			/* by how much a position moves at least */
	unsigned long nr_data;		/* pages of data */
	unsigned long nr_pages;		/* all pages of this lane */
	unsigned long nr_charged;	/* of the first lane: the pages of all lanes */
	struct page **pages;		/* from SHMRING_KERNEL_PAGE on */
	struct shmring_status *status;
	struct shmring_lane *lane;
	struct shmring *first;		/* the first lane; without a topology, the ring itself */
	u32 topology;			/* SHMRING_TOPOLOGY_* */
	u32 hub_role;			/* the role of the hub in each lane; NONE: there is none */
	u32 nr_lanes;			/* 1: there is no topology */
	u32 index;			/* of this lane */

	/* Of the first lane of a ring with a topology: see lane.c. */
	struct shmring **lanes;		/* constant */
	struct shmring_lane_use *use;	/* use_lock */
	spinlock_t use_lock;
	u32 lanes_per_user;		/* 0: any */

	/* The user that is charged, see limit.c; under ring->lock. */
	const struct cred *cred;	/* of that user */
	const struct user_struct *creator; /* NULL: the charge has been handed over */
	struct list_head files;		/* oldest first */
	unsigned int nr_own_files;	/* of the creator's */
	bool named;

	struct shmring_side side[2];	/* by role; see shmring_side() */

	/* Naming; the nodes, owner, mode, name and PERSIST change under shmring_names_lock. */
	struct rb_node node;		/* among all rings, by id */
	struct hlist_node same_hash;	/* among those with names of one hash */
	u64 ipc_ns;
	unsigned int ipc_inum;		/* as in /proc/PID/ns/ipc */
	struct user_namespace *user_ns;	/* the owner of the IPC namespace */
	kuid_t uid;
	kgid_t gid;
	u32 mode;
	u32 flags;			/* SHMRING_CREATE_F_*; QUEUE is in the status, too */
	char name[SHMRING_NAME_MAX];	/* "": anonymous, or unlinked */
};

struct shmring_file {
	struct shmring *ring;
	u32 role;			/* SHMRING_ROLE_* */
	u32 rights;			/* SHMRING_RIGHT_* */
	struct list_head list;		/* ring->files; ring->lock */
	const struct cred *cred;	/* the file's, once it is counted; ring->lock */
	u64 lowat;			/* poll says ready at this many bytes; READ_ONCE() */
	unsigned int cancels;		/* how many URING_CANCEL so far; wait.lock */
	atomic_t nr_uring_waits;	/* waits of io_uring under way */

	/* Of the role's own regions; under ring->lock. */
	struct mm_struct *mm;		/* the mm that maps them; only compared */
	unsigned long mapped;		/* which of them have been mapped */
	unsigned int nr_vmas;		/* how many mappings there are */
	unsigned int nr_views;		/* mappings of other regions, of a lane end; ring->lock */
	struct shmring_member *member;	/* in a wait set, or NULL; wait.lock of its side */
};

static inline struct shmring_side *shmring_side(struct shmring *ring, u32 role)
{
	return &ring->side[role == SHMRING_ROLE_CONSUMER];
}

static inline struct shmring_side *shmring_peer(struct shmring *ring, u32 role)
{
	return &ring->side[role == SHMRING_ROLE_PRODUCER];
}

/* ring.c: pages, layout and life */
struct shmring_geometry {
	u64 capacity;
	u64 slots;			/* 0: as many as fit; records */
	u32 slot_size;			/* 0: records */
	u32 align;			/* 0: SHMRING_ALIGN */
	bool marks;			/* each slot has one */
	u32 topology;			/* SHMRING_TOPOLOGY_* */
	u32 nr_lanes;			/* with a topology */
	u32 lanes_per_user;
};

struct shmring *shmring_alloc(const struct shmring_geometry *geometry);
int shmring_add_lane(struct shmring *first, u32 index, const struct shmring_geometry *g);
void shmring_free_pages(struct shmring *ring);
void shmring_free(struct shmring *ring);
void shmring_put(struct shmring *ring);
void shmring_put_memory(struct shmring *ring);

/* limit.c: charging the memory */
extern unsigned long shmring_max_pages;

int shmring_charge(struct shmring *ring);
void shmring_uncharge(struct shmring *ring);
void shmring_add_file(struct shmring_file *sf, const struct cred *cred);
void shmring_remove_file(struct shmring_file *sf);
void shmring_lost_name(struct shmring *ring);

/* role.c: roles and positions */
u64 shmring_used(struct shmring *ring);
void shmring_positions(struct shmring *ring, u64 *head, u64 *tail);
int shmring_role_begin(struct shmring_file *sf);
void shmring_role_end(struct shmring_file *sf);
void shmring_settle_again(struct shmring *ring, u32 role);
int shmring_kick(struct shmring_file *sf, u32 epoch);
void shmring_set_pid(struct shmring_side *side, struct pid *pid);
pid_t shmring_pid_of(struct shmring *ring, u32 role, struct pid_namespace *ns);

/* Has another endpoint taken the role of this one, or none? */
static inline bool shmring_is_over(const struct shmring_file *sf)
{
	return READ_ONCE(shmring_side(sf->ring, sf->role)->owner) != sf;
}

/* lane.c: lanes, and which process gets which */
static inline struct shmring *shmring_lane_of(struct shmring *ring, u32 lane)
{
	struct shmring *first = ring->first;

	return first->lanes ? first->lanes[array_index_nospec(lane, first->nr_lanes)] : first;
}

/* The process at the other end of the hub's lane? */
static inline bool shmring_is_lane_end(const struct shmring_file *sf)
{
	return sf->ring->hub_role && sf->role != sf->ring->hub_role;
}

u32 shmring_hub_role(u32 topology);
int shmring_alloc_lanes(struct shmring *ring, const struct shmring_geometry *g);
void shmring_free_lanes(struct shmring *ring);
int shmring_enter_lane(struct shmring_file *sf, const struct shmring_ioc_attach *a);
void shmring_leave_lane(struct shmring_file *sf);

/* map.c: regions and mappings */
struct shmring_span {
	unsigned long first;		/* page offset */
	unsigned long nr;		/* pages */
	u32 writer;			/* role; NONE: the kernel */
	unsigned long bits;		/* the regions in the span */
};

void shmring_regions(const struct shmring *ring, struct shmring_ioc_query *q);
bool shmring_find_span(const struct shmring *ring, unsigned long first,
		       unsigned long nr, struct shmring_span *span);
int shmring_vm_may_split(struct vm_area_struct *vma, unsigned long addr);
int shmring_vm_mremap(struct vm_area_struct *vma);
void shmring_protect_vma(struct vm_area_struct *vma, bool own);
int shmring_mmap(struct file *file, struct vm_area_struct *vma);

/* look.c: looking at the other side */
struct shmring_look {
	u64 own;			/* this side's position */
	u64 theirs;			/* the other side's, or where the stream ends */
	u32 epoch;			/* of the other role's holder */
	bool gone;
};

bool shmring_waits(const struct shmring_side *side);
bool shmring_producer_wants_space(struct shmring *ring, u64 tail);
u64 shmring_own_position(struct shmring_file *sf);
void shmring_look(struct shmring_file *sf, struct shmring_look *look);
bool shmring_is_worth_a_look(struct shmring_side *side);
int shmring_judge(struct shmring_file *sf, const struct shmring_look *look, u64 bytes);
int shmring_judge_armed(struct shmring_file *sf, const struct shmring_look *look, u64 bytes);
int shmring_ready(struct shmring_file *sf, u64 bytes);
int shmring_ready_armed(struct shmring_file *sf, u64 bytes);

/* wait.c: sleeping and waking */
void shmring_arm_surely(struct shmring_file *sf, u64 bytes);
void shmring_arm_at_surely(struct shmring_file *sf, u64 at);
void shmring_arm_next_surely(struct shmring_file *sf, const struct shmring_look *look);
void shmring_disarm(struct shmring_side *side);
int shmring_check_wait(const struct shmring_file *sf, u64 bytes, u64 *mark);
int shmring_wait(struct shmring_file *sf, u64 bytes, u64 mark, ktime_t deadline);
int shmring_wait_peer(struct shmring_file *sf, ktime_t deadline);
void shmring_wake(struct shmring_side *side);
void shmring_wake_all(struct shmring_side *side);

/* waitset.c, waitfile.c: waiting for many endpoints; see waitset.h, too */
void shmring_heat(struct shmring_side *side);
void shmring_note_change(struct shmring_side *side);
void shmring_leave_set(struct shmring_side *side);
bool shmring_is_cold(const struct shmring_side *side);
long shmring_create_set(unsigned int cmd, void __user *uarg);

/* poll.c */
void shmring_set_lowat(struct shmring_file *sf, u64 bytes);
__poll_t shmring_poll(struct file *file, poll_table *pt);

/* fence.c: which side pays for the fence */
u64 shmring_fence_credit(void);
void shmring_fence_init(struct shmring *ring, struct shmring_side *side);
void shmring_set_mm(struct shmring_side *side, struct mm_struct *mm);
bool shmring_fence_peer(struct shmring *ring, struct shmring_side *side,
			struct shmring_side *peer);
void shmring_fence_later(struct shmring *ring, struct shmring_side *side,
			 struct shmring_side *peer);
int shmring_fence_start(void);
void shmring_fence_stop(void);

/* uring.c: waits as commands of io_uring. Both are called with its lock held. */
int shmring_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);
void shmring_uring_woken(struct io_uring_cmd *cmd, unsigned int issue_flags, bool dying);

/* name.c: names and permissions */
extern spinlock_t shmring_names_lock;

void shmring_names_init(void);
struct shmring *shmring_next_ring(u64 id);
int shmring_check_name(const __u8 *name);
u32 shmring_granted(const struct shmring *ring);
bool shmring_in_initial_ns(void);
bool shmring_in_this_ns(const struct shmring *ring);
int shmring_register(struct shmring *ring, const char *name, u32 mode, u32 flags);
void shmring_unregister(struct shmring *ring);
struct shmring *shmring_lookup(const char *name, u32 rights);
struct shmring *shmring_await(const char *name, u32 rights, ktime_t deadline);
int shmring_unlink(const char *name);

/* access.c: changing the owner and the mode */
struct shmring_access {
	u32 valid;			/* SHMRING_ACCESS_* */
	u32 mode;
	kuid_t uid;
	kgid_t gid;
};

int shmring_set_access(struct shmring *ring, const struct shmring_access *a);

/* file.c: ring files and endpoints */
int shmring_prepare_file(struct shmring *ring, const struct shmring_ioc_attach *a,
			 struct file **file);
void shmring_undo_file(int fd, struct file *file);
int shmring_install_file(struct shmring *ring, const struct shmring_ioc_attach *a);
struct shmring_file *shmring_endpoint_of(struct file *file);

/* query.c: what a ring is */
long shmring_query(struct shmring_file *sf, unsigned int cmd, void __user *uarg);
void shmring_show_fdinfo(struct seq_file *m, struct file *file);

/* control.c: /dev/shmring */
extern const struct file_operations shmring_control_fops;

/* proc.c: /proc/shmring */
int shmring_proc_init(void);
void shmring_proc_exit(void);
const char *shmring_role_name(u32 role);
const char *shmring_topology_name(u32 topology);

#endif /* SHMRING_RING_H */
