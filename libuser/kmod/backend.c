// SPDX-License-Identifier: MIT
/* The functions that the library calls: mostly an ioctl of an endpoint each. */
#define _GNU_SOURCE 1
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kmod.h"

#define QUERY_TRIES	16

/* A region's offset is its place in the mapping, too: adjacent regions stay adjacent. */
static int map_region(struct shmring_private *p, const struct shmring_region *region, int prot)
{
	return shmring_map_at(p, region->offset, region->length, prot, (off_t)region->offset);
}

/*
 * The producer's page and the data, which have one owner, as one mapping: a process may have
 * 65,530 of them, and the kernel merges none of a driver's.
 */
static int map_producers(struct shmring_private *p, const struct shmring_ioc_query *q, int prot)
{
	const struct shmring_region both = {
		.offset = q->producer.offset,
		.length = q->producer.length + q->data.length,
	};

	return map_region(p, &both, prot);
}

static int map_all(struct shmring_private *p, const struct shmring_ioc_query *q,
		   enum shmring_role role)
{
	int producer = role == SHMRING_PRODUCER ? PROT_READ | PROT_WRITE : PROT_READ;
	int consumer = role == SHMRING_CONSUMER ? PROT_READ | PROT_WRITE : PROT_READ;
	int ret = shmring_map_reserve(p, q->data.offset + q->data.length);

	if (!ret)
		ret = map_region(p, &q->kernel, PROT_READ);
	if (!ret)
		ret = map_region(p, &q->consumer, consumer);
	if (!ret)
		ret = map_producers(p, q, producer);
	return ret;
}

/* The library takes a mark, and a lowat between span and capacity; ATTACH takes neither. */
static int check_marks(const struct shmring_private *p, dev_t anonymous, uint64_t *lowat)
{
	struct shmring_geometry g;
	struct shmring_ioc_query q;
	int ret;

	*lowat = p->lowat;
	if (!p->space_mark && !p->lowat)
		return 0;
	ret = shmring_kmod_query(p->fd, anonymous, &q);
	if (ret)
		return ret;
	if (p->space_mark > q.capacity || p->lowat > q.capacity)
		return -EINVAL;
	g = shmring_kmod_geometry(&q);
	if (*lowat > shmring_span_of(&g))
		*lowat = shmring_span_of(&g);
	return 0;
}

/*
 * The descriptor from ATTACH is closed only once it is known to be an endpoint, and not some other
 * descriptor of the caller's.
 */
int shmring_kmod_endpoint(int ring, const struct shmring_ioc_attach *a, struct shmring_ioc_query *q)
{
	dev_t anonymous = 0;
	int ret = shmring_kmod_anonymous_device(&anonymous), fd;

	if (ret)
		return ret;
	fd = shmring_kmod_call(ring, SHMRING_IOC_ATTACH, (void *)a);
	if (fd < 0)
		return fd;
	ret = shmring_kmod_query(fd, anonymous, q);
	if (!ret && q->role != a->role)
		ret = -EPROTO;
	if (ret)
		return ret == -EINVAL ? -EPROTO : ret;
	return shmring_keep_fd(fd);
}

/* Take the role: p->fd becomes the endpoint's. */
static int take_role(struct shmring_private *p, enum shmring_role role,
		     struct shmring_ioc_query *q)
{
	struct shmring_ioc_attach a = { .role = role };
	uint64_t lowat = 0;
	dev_t anonymous = 0;
	int ret = shmring_kmod_anonymous_device(&anonymous), fd;

	if (!ret)
		ret = check_marks(p, anonymous, &lowat);
	if (ret)
		return ret;
	a.lowat = lowat;
	fd = shmring_kmod_endpoint(p->fd, &a, q);
	if (fd < 0)
		return fd;
	close(p->fd);
	p->fd = fd;
	return 0;
}

static int bind(struct shmring *r, const struct shmring_ioc_query *q)
{
	char *base = r->priv->base;
	const struct shmring_mapping m = {
		.status = (void *)(base + q->kernel.offset),
		.lane = (void *)(base + q->kernel.offset + SHMRING_LANE_OFFSET),
		.consumer = (void *)(base + q->consumer.offset),
		.producer = (void *)(base + q->producer.offset),
		.data = (unsigned char *)base + q->data.offset,
		.geometry = shmring_kmod_geometry(q),
	};

	return shmring_bind(r, &m);
}

/* r->priv->fd is an endpoint: map what it gives. */
int shmring_kmod_take_up(struct shmring *r, const struct shmring_ioc_query *q)
{
	int ret = map_all(r->priv, q, q->role);

	r->priv->topology = q->topology;
	if (!ret)
		ret = bind(r, q);
	if (!ret)
		shmring_begin_role(r, q->role);
	return ret;
}

static int kmod_attach(struct shmring *r, enum shmring_role role)
{
	struct shmring_ioc_query q = { 0 };
	int ret = take_role(r->priv, role, &q);

	return ret ? ret : shmring_kmod_take_up(r, &q);
}

static int kmod_wait(struct shmring *r, uint64_t bytes, uint64_t mark, uint64_t deadline)
{
	struct shmring_ioc_wait w = { .bytes = bytes, .mark = mark, .deadline = deadline };

	return shmring_kmod_call(r->priv->fd, r->role == SHMRING_CONSUMER ?
				 SHMRING_IOC_WAIT_DATA : SHMRING_IOC_WAIT_SPACE, &w);
}

/* Does not check the caller's rights to the ring: the next attach does. */
static int kmod_wait_name(const char *name, enum shmring_role role, uint64_t until)
{
	struct shmring_ioc_name n = {
		.rights = role == SHMRING_HANDLE ? SHMRING_RIGHT_ALL : shmring_kmod_right(role),
		.flags = SHMRING_OPEN_F_WAIT,
		.deadline = until,
	};
	int fd;

	memcpy(n.name, name, sizeof(n.name));
	fd = shmring_kmod_control(SHMRING_IOC_OPEN, &n);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || fd == -ETIMEDOUT || fd == -EACCES || fd == -ENODEV ? 0 : fd;
}

/*
 * In slices: the module notices a peer that comes during the ioctl, which a stop and SIGCONT
 * restart. The caller notices every peer.
 */
static int kmod_wait_peer(struct shmring *r, uint64_t deadline)
{
	uint64_t until = shmring_now() + SHMRING_CHECK_MAX_NS;
	struct shmring_ioc_wait_peer w = {
		.deadline = deadline && deadline < until ? deadline : until,
	};
	int ret = shmring_kmod_call(r->priv->fd, SHMRING_IOC_WAIT_PEER, &w);

	return ret == -ETIMEDOUT ? 0 : ret;
}

static void kmod_wake(struct shmring *r)
{
	shmring_kmod_call(r->priv->fd, SHMRING_IOC_WAKE, NULL);
}

/* The module remembers the number, so call it only if the number has changed. */
void shmring_kmod_arm_poll(struct shmring *r, uint64_t bytes)
{
	struct shmring_ioc_lowat l = { .bytes = bytes };

	if (r->priv->kmod.poll_bytes != bytes &&
	    !shmring_kmod_call(r->priv->fd, SHMRING_IOC_SET_LOWAT, &l))
		r->priv->kmod.poll_bytes = bytes;
	r->priv->kmod.poll_held = r->c.held;
}

/* The module counts the bytes from the tail, which the release has moved. */
static void kmod_released(struct shmring *r)
{
	const struct shmring_kmod *k = &r->priv->kmod;

	if (k->poll_held)
		shmring_kmod_arm_poll(r, k->poll_bytes > k->poll_held ? k->poll_bytes - k->poll_held : 1);
}

static int kmod_poll_fd(struct shmring *r)
{
	return r->priv->fd;
}

static int kmod_grant(const struct shmring_private *p, enum shmring_role role)
{
	struct shmring_ioc_attach a = {
		.role = SHMRING_ROLE_NONE,
		.rights = shmring_kmod_right(role),
	};

	return shmring_keep_fd(shmring_kmod_call(p->fd, SHMRING_IOC_ATTACH, &a));
}

/*
 * The module reads the head and then the tail, while both move. If the tail is the same as
 * in the query before, it had that value when the head was read.
 */
static int query_consistently(int fd, struct shmring_ioc_query *q)
{
	int tries = QUERY_TRIES, ret = shmring_kmod_call(fd, SHMRING_IOC_QUERY, q);
	uint64_t tail;

	do {
		tail = q->tail;
		if (!ret)
			ret = shmring_kmod_call(fd, SHMRING_IOC_QUERY, q);
	} while (!ret && q->tail != tail && --tries);
	return ret;
}

static int kmod_info(const struct shmring *r, uint32_t lane, struct shmring_info *info)
{
	struct shmring_ioc_query q = { .lane = lane };
	struct shmring_geometry g;
	int ret = query_consistently(r->priv->fd, &q);

	if (ret)
		return ret;
	g = shmring_kmod_geometry(&q);
	info->capacity = g.capacity;
	info->slots = g.slots;
	info->slot_size = g.slot_size;
	info->align = g.align;
	info->used = shmring_bytes_between(q.tail, q.head, shmring_span_of(&g));
	info->producer_state = q.producer_state;
	info->consumer_state = q.consumer_state;
	info->head = q.head;
	info->tail = q.tail;
	info->producer_pid = q.producer_pid;
	info->consumer_pid = q.consumer_pid;
	info->producer_sleeps = q.producer_sleeps;
	info->producer_wakes = q.consumer_woken;
	info->consumer_sleeps = q.consumer_sleeps;
	info->consumer_wakes = q.producer_woken;
	info->refused = q.consumer_refused + q.producer_refused;
	info->id = q.id;
	info->owner = q.uid;
	info->group = q.gid;
	info->mode = q.mode;
	info->flags = q.flags;
	info->topology = q.topology;
	info->nr_lanes = q.nr_lanes ? q.nr_lanes : 1;	/* 0: the module is older */
	memcpy(info->name, q.name, sizeof(info->name));
	return 0;
}

/* Nothing to do: the kernel ends the role at the unmapping. */
static void kmod_close(struct shmring *r)
{
	(void)r;
}

const struct shmring_backend shmring_backend_kmod = {
	.name = "kmod", .id = SHMRING_KMOD,
	.create = shmring_kmod_create,
	.open = shmring_kmod_open,
	.adopt = shmring_kmod_adopt,
	.unlink = shmring_kmod_unlink,
	.attach = kmod_attach,
	.wait = kmod_wait,
	.wait_name = kmod_wait_name,
	.wait_peer = kmod_wait_peer,
	.wake = kmod_wake,
	.arm_poll = shmring_kmod_arm_poll,
	.released = kmod_released,
	.poll_fd = kmod_poll_fd,
	.grant = kmod_grant,
	.info = kmod_info,
	.chmod = shmring_kmod_chmod,
	.chown = shmring_kmod_chown,
	.close = kmod_close,
	.lanes = shmring_kmod_lanes,
	.attach_lane = shmring_kmod_attach_lane,
	.kick = shmring_kmod_kick,
	.hub_open = shmring_kmod_hub_open,
	.hub_close = shmring_kmod_hub_close,
	.hub_wait = shmring_kmod_hub_wait,
	.hub_arm = shmring_kmod_hub_arm,
	.hub_cool = shmring_kmod_hub_arm,
	.hub_poll_fd = shmring_kmod_hub_poll_fd,
};
