// SPDX-License-Identifier: MIT
/* The functions that the library calls: attaching, closing, information. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfd.h"

#define SNAPSHOT_TRIES	100

/* Map the lane at p->memfd.base, and the page of the hub, if there is one. */
static int map_lane(struct shmring_private *p, enum shmring_role role,
		    const struct shmring_geometry *g)
{
	int data = role == SHMRING_PRODUCER ? PROT_READ | PROT_WRITE : PROT_READ;
	size_t at = data_offset(), end = at + 2 * g->capacity;
	off_t base = p->memfd.base;
	int ret = p->base ? 0 : shmring_map_reserve(p, g->nr_lanes ? end + page_size() : end);

	if (!ret)
		ret = shmring_map_at(p, 0, at, PROT_READ | PROT_WRITE, base);
	if (!ret)
		ret = shmring_map_at(p, at, g->capacity, data, base + (off_t)at);
	if (!ret)
		ret = shmring_map_at(p, at + g->capacity, g->capacity, data, base + (off_t)at);
	if (!ret && g->nr_lanes)
		ret = shmring_map_at(p, end, page_size(), PROT_READ | PROT_WRITE, hub_offset(g));
	/* Not in core dumps: the data may be a gigabyte, and is mapped twice. */
	if (!ret && (madvise(p->base, p->size, MADV_DONTFORK) ||
		     madvise(p->base, p->size, MADV_DONTDUMP)))
		ret = -ENOMEM;
	return ret;
}

static int bind(struct shmring *r, const struct shmring_geometry *geometry)
{
	char *base = r->priv->base;
	const struct shmring_mapping m = {
		.status = (void *)base,
		.lane = (void *)(base + SHMRING_LANE_OFFSET),
		.consumer = (void *)(base + page_size()),
		.producer = (void *)(base + 2 * page_size()),
		.data = (unsigned char *)base + data_offset(),
		.geometry = *geometry,
	};

	r->priv->memfd.flags = m.status->flags;
	r->priv->topology = geometry->topology;
	if (geometry->nr_lanes)
		r->priv->memfd.hub = (void *)(m.data + 2 * geometry->capacity);
	return shmring_bind(r, &m);
}

/* Takes the role first, then reads the position at which it goes on. */
static int attach_to(struct shmring *r, enum shmring_role role, const struct shmring_geometry *g,
		     uint32_t lane)
{
	struct shmring_private *p = r->priv;
	int ret;

	p->lane = lane;
	p->memfd.base = lane * lane_size(g);
	ret = map_lane(p, role, g);
	if (!ret)
		ret = bind(r, g);
	if (!ret)
		ret = shmring_memfd_take_role(r, role);
	if (!ret)
		shmring_begin_role(r, role);
	return ret;
}

static int memfd_attach(struct shmring *r, enum shmring_role role)
{
	struct shmring_private *p = r->priv;
	struct shmring_geometry g = { 0 };
	int ret = shmring_memfd_geometry(p, &g);
	uint32_t lane = 0;

	if (!ret && (p->lowat > g.capacity || p->space_mark > g.capacity))
		ret = -EINVAL;
	if (!ret && g.nr_lanes && role == hub_role(g.topology))
		ret = -EPROTO;
	if (ret)
		return ret;
	/* Of several lanes, the first that is free; of a work queue, first one with messages. */
	r->priv->memfd.picky = g.topology == SHMRING_TOPOLOGY_WORK;
	do {
		ret = attach_to(r, role, &g, lane);
		if (ret == -EBUSY && ++lane >= g.nr_lanes && r->priv->memfd.picky) {
			r->priv->memfd.picky = false;
			lane = 0;
		}
	} while (ret == -EBUSY && lane < g.nr_lanes);
	return ret;
}

/* The lanes of a hub share the files of the handle. */
static int memfd_attach_lane(struct shmring *r, const struct shmring *ring, uint32_t lane,
			     enum shmring_role role)
{
	const struct shmring_private *of_ring = ring->priv;
	struct shmring_geometry g = { 0 };
	int ret = shmring_memfd_geometry(of_ring, &g);

	if (ret)
		return ret;
	r->priv->fd = of_ring->fd;
	r->priv->memfd.lock_fd = of_ring->memfd.lock_fd;
	r->priv->memfd.pid_ns = of_ring->memfd.pid_ns;
	r->priv->memfd.started = of_ring->memfd.started;
	return lane < g.nr_lanes ? attach_to(r, role, &g, lane) : -EPROTO;
}

/* A forked child shares the parent's descriptions, so it must not change the locks. */
static void memfd_close(struct shmring *r)
{
	struct shmring_private *p = r->priv;

	if (shmring_is_ours(p)) {
		if (r->role != SHMRING_HANDLE)
			shmring_memfd_give_up_role(r);
		shmring_memfd_remove_name(p);
	}
	if (p->of_hub)
		p->fd = p->memfd.lock_fd = -1;
	if (p->memfd.lock_fd >= 0)
		close(p->memfd.lock_fd);
	p->memfd.lock_fd = -1;
	shmring_memfd_close_poll(p);
}

static int memfd_grant(const struct shmring_private *p, enum shmring_role role)
{
	(void)p;
	(void)role;
	return -EOPNOTSUPP;
}

/* A handle maps nothing, and reads these. The first two are adjacent in the ring, too. */
struct snapshot {
	struct shmring_status status;
	struct shmring_lane lane;
	struct shmring_consumer consumer;
	struct shmring_producer producer;
};

static int read_consumer(int fd, off_t base, struct shmring_consumer *to)
{
	return pread(fd, to, sizeof(*to), base + (off_t)page_size()) == sizeof(*to) ? 0 : -EIO;
}

/*
 * Of the lane at @base, or of a ring. Head and tail of one moment: the tail is the same before and
 * after the head is read.
 */
static int read_snapshot(int fd, off_t base, struct snapshot *s)
{
	const size_t len = SHMRING_LANE_OFFSET + sizeof(s->lane);
	struct shmring_consumer before;
	int ret, tries = 0;

	if (pread(fd, s, len, base) != (ssize_t)len)
		return -EIO;
	ret = read_consumer(fd, base, &s->consumer);
	do {
		before = s->consumer;
		if (pread(fd, &s->producer, sizeof(s->producer),
			  base + 2 * (off_t)page_size()) != sizeof(s->producer))
			return -EIO;
		if (!ret)
			ret = read_consumer(fd, base, &s->consumer);
	} while (!ret && s->consumer.tail != before.tail && ++tries < SNAPSHOT_TRIES);
	return ret;
}

/* One side of a snapshot. */
struct side {
	enum shmring_role role;
	struct shmring_half half;
	struct owner owner;
};

static struct side producer_of(const struct snapshot *s)
{
	struct side side = { .role = SHMRING_PRODUCER, .half = s->lane.producer };

	memcpy(&side.owner, s->producer.reserved, sizeof(side.owner));
	return side;
}

static struct side consumer_of(const struct snapshot *s)
{
	struct side side = { .role = SHMRING_CONSUMER, .half = s->lane.consumer };

	memcpy(&side.owner, s->consumer.reserved, sizeof(side.owner));
	return side;
}

/* The owner may have been killed, unnoticed by the other side. @flags: of the ring. */
static uint32_t state_of(const struct shmring *r, const struct side *side, uint32_t flags)
{
	if (side->half.state != SHMRING_PEER_LIVE || side->role == r->role ||
	    shmring_memfd_alive(r->priv, side->role, side->half.epoch, &side->owner))
		return side->half.state;
	return state_after(flags, side->role);
}

static uint32_t pid_of(const struct shmring *r, const struct side *side, uint32_t state)
{
	bool seen = r->priv->memfd.pid_ns && side->owner.pid_ns == r->priv->memfd.pid_ns;

	return seen && state == SHMRING_PEER_LIVE ? (uint32_t)side->owner.pid : 0;
}

static uint32_t nr_lanes_of(const struct shmring_geometry *g)
{
	return g->nr_lanes ? g->nr_lanes : 1;
}

static void fill_info(const struct shmring *r, const struct snapshot *s,
		      const struct shmring_geometry *g, struct shmring_info *info)
{
	struct side producer = producer_of(s), consumer = consumer_of(s);

	info->capacity = g->capacity;
	info->slots = g->slots;
	info->slot_size = g->slot_size;
	info->align = g->align;
	info->head = s->producer.head;
	info->tail = s->consumer.tail;
	info->used = shmring_bytes_between(info->tail, info->head, shmring_span_of(g));
	info->topology = g->topology;
	info->nr_lanes = nr_lanes_of(g);
	info->flags = s->status.flags & SHMRING_QUEUE;
	if (g->features & SHMRING_FEATURE_MARKS)
		info->flags |= SHMRING_MARKS;
	info->producer_state = state_of(r, &producer, s->status.flags);
	info->consumer_state = state_of(r, &consumer, s->status.flags);
	info->producer_pid = pid_of(r, &producer, info->producer_state);
	info->consumer_pid = pid_of(r, &consumer, info->consumer_state);
	info->producer_sleeps = producer.owner.sleeps;
	info->producer_wakes = producer.owner.wakes;
	info->consumer_sleeps = consumer.owner.sleeps;
	info->consumer_wakes = consumer.owner.wakes;
	info->refused = s->consumer.refused + s->producer.refused;
}

/* Of the lane at p->memfd.base. */
static int info_of_lane(const struct shmring *r, const struct shmring_geometry *g,
			struct shmring_info *info)
{
	const struct shmring_private *p = r->priv;
	struct snapshot s;
	struct stat st;
	int ret = read_snapshot(p->fd, p->memfd.base, &s);

	if (ret)
		return ret;
	fill_info(r, &s, g, info);
	if (fstat(p->fd, &st))
		return -errno;
	info->id = st.st_ino;
	info->owner = st.st_uid;
	info->group = st.st_gid;
	info->mode = st.st_mode & 0777;
	if (!st.st_nlink)
		return 0;
	strcpy(info->name, p->memfd.name);
	if (st.st_mode & S_ISVTX)
		info->flags |= SHMRING_PERSIST;
	return 0;
}

static int memfd_info(const struct shmring *r, uint32_t lane, struct shmring_info *info)
{
	const struct shmring_private *p = r->priv;
	struct shmring_private of_lane;
	const struct shmring handle = { .priv = &of_lane, .role = SHMRING_HANDLE };
	struct shmring_geometry g;
	int ret = shmring_memfd_geometry(p, &g);

	if (ret)
		return ret;
	if (r->role != SHMRING_HANDLE)
		return info_of_lane(r, &g, info);
	if (lane >= nr_lanes_of(&g))
		return -EINVAL;
	of_lane = *p;
	of_lane.lane = lane;
	of_lane.memfd.base = lane * lane_size(&g);
	return info_of_lane(&handle, &g, info);
}

/* Counted as the module does it for /proc/shmring. */
static void count_roles(struct shmring_info *sum, const struct shmring_info *lane)
{
	sum->producers += lane->producer_state == SHMRING_PEER_LIVE;
	sum->consumers += lane->consumer_state == SHMRING_PEER_LIVE;
}

static void add_lane(struct shmring_info *sum, const struct shmring_info *lane)
{
	sum->used += lane->used;
	sum->head += lane->head;
	sum->tail += lane->tail;
	sum->producer_sleeps += lane->producer_sleeps;
	sum->producer_wakes += lane->producer_wakes;
	sum->consumer_sleeps += lane->consumer_sleeps;
	sum->consumer_wakes += lane->consumer_wakes;
	sum->refused += lane->refused;
	count_roles(sum, lane);
}

/* All lanes together. Of the producers, none is named. */
static int sum_up(const struct shmring *r, struct shmring_info *info)
{
	int ret = memfd_info(r, 0, info);
	struct shmring_info one = { 0 };
	uint32_t lane;

	if (ret)
		return ret;
	count_roles(info, info);
	for (lane = 1; !ret && lane < info->nr_lanes; lane++) {
		ret = memfd_info(r, lane, &one);
		if (!ret)
			add_lane(info, &one);
	}
	if (info->topology)
		info->producer_pid = 0;
	if (info->producers)
		info->producer_state = SHMRING_PEER_LIVE;
	return ret;
}

/* Takes no lock of the file: other users can lock it, and a list would wait for each. */
int shmring_memfd_look(const char *name, struct shmring_info *info)
{
	struct shmring_private p = { .memfd.lock_fd = -1 };
	const struct shmring r = { .priv = &p, .role = SHMRING_HANDLE };
	char path[PATH_SIZE];
	int ret = shmring_clean_name(p.memfd.name, name);

	if (!ret)
		ret = shmring_enter_process();
	if (ret)
		return ret;
	shmring_memfd_path(path, p.memfd.name);
	p.fd = shmring_memfd_find_to_read(path);
	if (p.fd < 0)
		return p.fd;
	shmring_memfd_identify(&p);
	info->backend = SHMRING_MEMFD;
	ret = sum_up(&r, info);
	close(p.fd);
	return ret;
}

const struct shmring_backend shmring_backend_memfd = {
	.name = "memfd",
	.id = SHMRING_MEMFD,
	.create = shmring_memfd_create,
	.open = shmring_memfd_open,
	.adopt = shmring_memfd_adopt,
	.unlink = shmring_memfd_unlink,
	.attach = memfd_attach,
	.wait = shmring_memfd_wait,
	.wait_name = shmring_memfd_wait_name,
	.wait_peer = shmring_memfd_wait_peer,
	.wake = shmring_memfd_wake,
	.check_peer = shmring_memfd_check_peer,
	.arm_poll = shmring_memfd_arm_poll,
	.poll_fd = shmring_memfd_poll_fd,
	.grant = memfd_grant,
	.info = memfd_info,
	.chmod = shmring_memfd_chmod,
	.chown = shmring_memfd_chown,
	.close = memfd_close,
	.lanes = shmring_memfd_lanes,
	.attach_lane = memfd_attach_lane,
	.kick = shmring_memfd_kick,
	.hub_open = shmring_memfd_hub_open,
	.hub_close = shmring_memfd_hub_close,
	.hub_wait = shmring_memfd_hub_wait,
	.hub_arm = shmring_memfd_hub_arm,
	.hub_cool = shmring_memfd_hub_cool,
	.hub_poll_fd = shmring_memfd_hub_poll_fd,
};
