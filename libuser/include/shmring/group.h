/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several things at once: endpoints of any rings and in both roles, hubs, and plain
 * descriptors. See shmring_wait_any(3).
 *
 * A group is used by one thread at a time, and so are its members. A forked child may pass it to
 * shmring_group_close() only.
 */
#ifndef SHMRING_GROUP_H
#define SHMRING_GROUP_H

#include <shmring.h>
#include <shmring/hub.h>

#ifdef __cplusplus
extern "C" {
#endif

struct shmring_group;

/* A member that is ready. */
struct shmring_event {
	void *data;		/* as it was added */
	unsigned int index;	/* of the member */
	unsigned int events;	/* of a descriptor: as poll(2); of others: POLLIN, POLLOUT, POLLERR */
};

/*
 * Make a group without members.
 *
 * Returns 0 or -EMFILE, -ENFILE, -ENOMEM.
 */
int shmring_group_create(struct shmring_group **g);

/*
 * Add an endpoint: a consumer that waits for data, or a producer that waits for space, in both cases
 * for one byte or what shmring_set_lowat() has set. Add a hub, or a descriptor that waits for
 * @events, of POLLIN, POLLOUT, POLLPRI and POLLRDHUP. @data comes back with each event. The member
 * stays the caller's: remove it before closing it. An endpoint or a hub can be in one group.
 *
 * Returns the member's index, which is that of a member removed before or the next number, or
 *   -EBADF	a handle; no such descriptor
 *   -EINVAL	other events; the descriptor is the group's own
 *   -EPERM	the descriptor cannot be polled (a regular file)
 *   -EEXIST	the descriptor is in the group, or the endpoint or the hub is in a group
 *   -EOPNOTSUPP	a lane of a hub: add the hub
 *   -EMFILE, -ENFILE, -ENOMEM
 */
int shmring_group_add(struct shmring_group *g, struct shmring *r, void *data);
int shmring_group_add_hub(struct shmring_group *g, struct shmring_hub *h, void *data);
int shmring_group_add_fd(struct shmring_group *g, int fd, unsigned int events, void *data);

/* Remove a member. Returns 0 or -ENOENT (no member has this index). */
int shmring_group_remove(struct shmring_group *g, unsigned int index);

/*
 * Wait until at least one member is ready, and fill in at most @max events, one a member. @w:
 * deadline, policy and SHMRING_NOWAIT; NULL: SHMRING_ADAPTIVE, without a deadline. The members'
 * own policies do not count.
 *
 * A member is ready if the call that it waits for would not wait: shmring_recv(), shmring_reserve(),
 * shmring_hub_next(), read(2). This includes a call that would fail, so a member whose other side has
 * gone, or which wrote a false value, is ready (POLLERR) each time, until it is removed. Nothing is
 * consumed: a member that the caller leaves as it is, is ready again.
 *
 * If more members are ready than @max, the next calls begin with the others.
 *
 * Looks at the members that were ready lately; spins as the policy says; then arms these and sleeps
 * in one system call. Members that are not ready cost nothing: the kernel tells which ones have
 * become so.
 *
 * Returns the number of events or
 *   -EAGAIN	SHMRING_NOWAIT, and no member is ready
 *   -ETIMEDOUT	the deadline passed first
 *   -EINTR	a signal handler ran
 *   -EINVAL	@max is 0; bad size, policy or flag, or min_bytes is not 0
 *   -E2BIG	w asks for what this library does not know
 */
int shmring_wait_any(struct shmring_group *g, struct shmring_event *events, unsigned int max,
		     const struct shmring_wait *w);

/*
 * A descriptor that is readable when a member may be ready, for another event loop. Poll it after
 * shmring_wait_any() has returned -EAGAIN. It belongs to the group.
 */
int shmring_group_poll_fd(const struct shmring_group *g);

/* Free the group. The members stay as they are. NULL is ignored. */
void shmring_group_close(struct shmring_group *g);

#ifdef __cplusplus
}
#endif

#endif /* SHMRING_GROUP_H */
