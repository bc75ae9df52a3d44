// SPDX-License-Identifier: MIT
/* Groups: their members, and which of them are hot. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cancel.h"
#include "fd.h"
#include "group.h"

#define EVENTS		(POLLIN | POLLOUT | POLLPRI | POLLRDHUP)
#define FIRST_SIZE	16

/* EPOLL* and POLL* are the same bits. */
_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
	       EPOLLHUP == POLLHUP && EPOLLPRI == POLLPRI && EPOLLRDHUP == POLLRDHUP, "poll.h");

void shmring_make_hot(struct shmring_group *g, uint32_t index)
{
	if (g->members[index].at != SHMRING_NO_MEMBER)
		return;
	g->members[index].at = g->nr_hot;
	g->hot[g->nr_hot++] = index;
}

/* The last hot member takes its place. */
void shmring_make_cold(struct shmring_group *g, uint32_t index)
{
	uint32_t at = g->members[index].at, last;

	if (at == SHMRING_NO_MEMBER)
		return;
	last = g->hot[--g->nr_hot];
	g->hot[at] = last;
	g->members[last].at = at;
	g->members[index].at = SHMRING_NO_MEMBER;
}

/* ----------------------------------------------------------------- members */

static int grow(struct shmring_group *g)
{
	uint32_t size = g->size ? 2 * g->size : FIRST_SIZE;
	struct shmring_member *members;
	uint32_t *hot;

	if (size > SHMRING_NO_MEMBER / 2)
		return -ENOMEM;
	members = reallocarray(g->members, size, sizeof(*members));
	if (!members)
		return -ENOMEM;
	g->members = members;
	hot = reallocarray(g->hot, size, sizeof(*hot));
	if (!hot)
		return -ENOMEM;
	g->hot = hot;
	g->size = size;
	return 0;
}

/* The number of a member to come. It is not taken yet. */
static int free_index(struct shmring_group *g)
{
	int ret = 0;

	if (g->removed != SHMRING_NO_MEMBER)
		return (int)g->removed;
	if (g->nr == g->size)
		ret = grow(g);
	return ret ? ret : (int)g->nr;
}

static int add(struct shmring_group *g, const struct shmring_member *m, unsigned int events)
{
	struct epoll_event event = { .events = events };
	int index = free_index(g);

	if (index < 0)
		return index;
	event.data.u32 = (uint32_t)index;
	if (epoll_ctl(g->fd, EPOLL_CTL_ADD, m->fd, &event))
		return errno == ENOSPC ? -ENOMEM : errno == ELOOP ? -EINVAL : -errno;
	if ((uint32_t)index == g->nr)
		g->nr++;
	else
		g->removed = g->members[index].next;
	g->members[index] = *m;
	g->members[index].at = SHMRING_NO_MEMBER;
	if (m->r || m->h)
		shmring_make_hot(g, (uint32_t)index);
	return index;
}

int shmring_group_add(struct shmring_group *g, struct shmring *r, void *data)
{
	SHMRING_NO_CANCEL;
	struct shmring_member m = { .r = r, .data = data };
	int ret = shmring_poll_fd(r);

	if (ret >= 0 && r->priv->grouped)
		ret = -EEXIST;
	if (ret < 0)
		return ret;
	m.fd = ret;
	ret = add(g, &m, r->role == SHMRING_CONSUMER || r->priv->poll_fd >= 0 ? EPOLLIN : EPOLLOUT);
	r->priv->grouped = ret >= 0;
	return ret;
}

int shmring_group_add_hub(struct shmring_group *g, struct shmring_hub *h, void *data)
{
	SHMRING_NO_CANCEL;
	struct shmring_member m = { .h = h, .data = data };
	int ret = shmring_hub_poll_fd(h);

	if (ret >= 0 && h->grouped)
		ret = -EEXIST;
	if (ret < 0)
		return ret;
	m.fd = ret;
	ret = add(g, &m, EPOLLIN);
	h->grouped = ret >= 0;
	return ret;
}

int shmring_group_add_fd(struct shmring_group *g, int fd, unsigned int events, void *data)
{
	SHMRING_NO_CANCEL;
	const struct shmring_member m = { .fd = fd, .data = data };

	return events & ~(unsigned int)EVENTS ? -EINVAL : add(g, &m, events);
}

int shmring_group_remove(struct shmring_group *g, unsigned int index)
{
	SHMRING_NO_CANCEL;
	struct shmring_member *m;

	if (index >= g->nr || g->members[index].fd < 0)
		return -ENOENT;
	m = &g->members[index];
	/* A descriptor that was closed has gone already. */
	epoll_ctl(g->fd, EPOLL_CTL_DEL, m->fd, NULL);
	shmring_make_cold(g, index);
	if (m->r)
		m->r->priv->grouped = false;
	if (m->h)
		m->h->grouped = false;
	*m = (struct shmring_member){ .fd = -1, .at = SHMRING_NO_MEMBER, .next = g->removed };
	g->removed = index;
	return 0;
}

/* ------------------------------------------------------------------- groups */

int shmring_group_create(struct shmring_group **out)
{
	SHMRING_NO_CANCEL;
	struct shmring_group *g;
	int ret = shmring_enter_process();

	if (ret)
		return ret;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->fd = shmring_keep_fd(epoll_create1(EPOLL_CLOEXEC));
	if (g->fd < 0) {
		ret = -errno;
		free(g);
		return ret;
	}
	g->generation = shmring_process->generation;
	g->removed = SHMRING_NO_MEMBER;
	g->spin = shmring_process->spin;
	*out = g;
	return 0;
}

int shmring_group_poll_fd(const struct shmring_group *g)
{
	return g->fd;
}

/* In a child, the members may be gone: the parent's threads may have been closing them. */
void shmring_group_close(struct shmring_group *g)
{
	SHMRING_NO_CANCEL;
	uint32_t i;

	if (!g)
		return;
	if (g->generation == shmring_process->generation)
		for (i = 0; i < g->nr; i++)
			shmring_group_remove(g, i);
	close(g->fd);
	free(g->members);
	free(g->hot);
	free(g);
}
