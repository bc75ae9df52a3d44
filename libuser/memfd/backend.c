// SPDX-License-Identifier: MIT
/* What the library calls: attaching, closing, information. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfd.h"

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
	/* A core dump has no use for what may be a gigabyte, and twice. */
	if (!ret && (madvise(p->base, p->size, MADV_DONTFORK) ||
		     madvise(p->base, p->size, MADV_DONTDUMP)))
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
	int ret = shmring_memfd_geometry(p, &capacity, &slot_size);

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
	ret = shmring_memfd_lock(p->lock_fd, LOCK_CHANGE, F_WRLCK, F_OFD_SETLKW);
	if (!ret) {
		ret = shmring_memfd_take_role(r, role);
		shmring_memfd_lock(p->lock_fd, LOCK_CHANGE, F_UNLCK, F_OFD_SETLK);
	}
	if (!ret)
		ret = shmring_bind(r, role, status, r->consumer, r->producer,
				   (unsigned char *)base + data_offset(), capacity, slot_size);
	return ret;
}

/* A forked child has the parent's descriptions: it must leave the locks alone. */
static void memfd_close(struct shmring *r)
{
	struct shmring_private *p = r->priv;

	if (shmring_is_ours(p)) {
		if (r->role != SHMRING_HANDLE)
			shmring_memfd_give_up_role(r);
		shmring_memfd_remove_name(p);
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
	int ret = shmring_memfd_geometry(p, &info->capacity, &info->slot_size);

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
	.create = shmring_memfd_create,
	.open = shmring_memfd_open,
	.adopt = shmring_memfd_adopt,
	.unlink = shmring_memfd_unlink,
	.attach = memfd_attach,
	.wait = shmring_memfd_wait,
	.wake = shmring_memfd_wake,
	.check_peer = shmring_memfd_check_peer,
	.arm_poll = shmring_memfd_arm_poll,
	.poll_fd = shmring_memfd_poll_fd,
	.grant = memfd_grant,
	.info = memfd_info,
	.close = memfd_close,
};
