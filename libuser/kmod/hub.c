// SPDX-License-Identifier: MIT
/* The hub of a ring with lanes: an endpoint in each, and a wait set of all. */
#define _GNU_SOURCE 1
#include <sys/mman.h>
#include <unistd.h>

#include "../hub.h"
#include "../wait.h"
#include "kmod.h"

/* An older module leaves the members 0 that say so. */
int shmring_kmod_lanes(const struct shmring_private *p, struct shmring_lanes *lanes)
{
	struct shmring_ioc_query q;
	dev_t anonymous = 0;
	int ret = shmring_kmod_anonymous_device(&anonymous);

	if (!ret)
		ret = shmring_kmod_query(p->fd, anonymous, &q);
	if (ret)
		return ret == -EINVAL ? -EPROTO : ret;
	if (q.topology && (!q.nr_lanes || q.nr_lanes > SHMRING_LANES_MAX))
		return -EPROTO;
	lanes->topology = q.topology;
	lanes->nr = q.nr_lanes;
	return 0;
}

int shmring_kmod_attach_lane(struct shmring *r, const struct shmring *ring, uint32_t lane,
			     enum shmring_role role)
{
	const struct shmring_ioc_attach a = {
		.role = role,
		.flags = SHMRING_ATTACH_F_LANE,
		.lane = lane,
	};
	struct shmring_ioc_query q = { 0 };
	int fd = shmring_kmod_endpoint(ring->priv->fd, &a, &q);

	if (fd < 0)
		return fd;
	r->priv->fd = fd;
	r->priv->kmod.poll_bytes = 1;	/* the module's default */
	return shmring_kmod_take_up(r, &q);
}

int shmring_kmod_kick(struct shmring *r, uint32_t epoch)
{
	struct shmring_ioc_kick k = { .epoch = epoch };
	int ret = shmring_kmod_call(r->priv->fd, SHMRING_IOC_KICK, &k);

	return ret == -ESTALE ? -ENOENT : ret;
}

static int map_set(struct shmring_hub *h)
{
	const struct shmring_waitset *set;
	void *page = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, h->set_fd, 0);

	if (page == MAP_FAILED)
		return errno == EAGAIN ? -ENOMEM : -errno;
	h->page = page;
	set = page;
	if (set->magic != SHMRING_MAGIC || set->max != h->nr)
		return -EPROTO;
	h->hot = set->hot;
	return 0;
}

int shmring_kmod_hub_open(struct shmring_hub *h)
{
	struct shmring_ioc_waitset_create c = { .max = h->nr };
	struct shmring_ioc_waitset_change add = { 0 };
	int ret = shmring_keep_fd(shmring_kmod_control(SHMRING_IOC_WAITSET_CREATE, &c));

	if (ret < 0)
		return ret;
	h->set_fd = ret;
	ret = map_set(h);
	for (add.index = 0; !ret && add.index < h->nr; add.index++) {
		add.fd = h->lanes[add.index]->priv->fd;
		ret = shmring_kmod_call(h->set_fd, SHMRING_IOC_WAITSET_CHANGE, &add);
	}
	return ret;
}

/* The set keeps the endpoints' files open. A child has the descriptor, and not the mapping. */
void shmring_kmod_hub_close(struct shmring_hub *h)
{
	if (h->page && shmring_is_ours(h->ring->priv))
		munmap(h->page, page_size());
	if (h->set_fd >= 0)
		close(h->set_fd);
}

/*
 * The module counts a lane's bytes from the tail that it sees. So tell it how many of them are
 * held: they are no news. It remembers the number.
 */
static void tell_what_is_held(struct shmring_hub *h)
{
	uint32_t word, lane;
	uint64_t bits;

	for (word = 0; word < SHMRING_HUB_WORDS; word++) {
		h->mine[word] = 0;	/* the module's bits are true */
		for (bits = shmring_hot_lanes(h, word); bits; bits &= bits - 1) {
			lane = 64 * word + (uint32_t)__builtin_ctzll(bits);
			shmring_kmod_arm_poll(h->lanes[lane],
					      shmring_hub_bytes(h, lane));
		}
	}
}

int shmring_kmod_hub_wait(struct shmring_hub *h, uint64_t until)
{
	struct shmring_ioc_waitset_wait w = { .deadline = until };

	tell_what_is_held(h);
	return shmring_kmod_call(h->set_fd, SHMRING_IOC_WAITSET_WAIT, &w);
}

void shmring_kmod_hub_arm(struct shmring_hub *h)
{
	struct shmring_ioc_waitset_wait w = { .flags = SHMRING_WAITSET_F_COOL };

	tell_what_is_held(h);
	shmring_kmod_call(h->set_fd, SHMRING_IOC_WAITSET_WAIT, &w);
}

int shmring_kmod_hub_poll_fd(struct shmring_hub *h)
{
	return h->set_fd;
}
