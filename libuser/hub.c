// SPDX-License-Identifier: MIT
/* Making, attaching to and closing hubs, and what a hub knows of its lanes. */
#define _GNU_SOURCE 1
#include <stdlib.h>
#include <string.h>

#include "cancel.h"
#include "hub.h"
#include "options.h"
#include "wait.h"

#define DEFAULT_LANES	16
#define DEFAULT_DELIVERIES 3
#define RING_FLAGS	(SHMRING_PERSIST | SHMRING_QUEUE | SHMRING_MARKS)	/* of the ring */

/* ------------------------------------------------------------------ options */

static bool is_topology(const struct shmring_hub_options *o)
{
	if (o->topology == SHMRING_WORK)
		return !(o->flags & SHMRING_HUB_EOF);
	return o->topology == SHMRING_FAN_IN;
}

/* Members that an older program does not have are 0. */
static int copy_options(struct shmring_hub_options *to, const struct shmring_hub_options *opt)
{
	const size_t first = sizeof(*to);	/* size in version 0.2 */
	int ret = opt ? shmring_check_size(opt, first, sizeof(*to)) : 0;

	*to = (struct shmring_hub_options)SHMRING_HUB_OPTIONS_INIT;
	if (ret)
		return ret;
	if (opt)
		memcpy(to, opt, shmring_common_size(opt->size, first, sizeof(*to)));
	if (!to->topology)
		to->topology = SHMRING_FAN_IN;
	if (!to->lanes)
		to->lanes = DEFAULT_LANES;
	if (!to->depth)
		to->depth = 1;
	if (!to->max_deliveries)
		to->max_deliveries = DEFAULT_DELIVERIES;
	return !is_topology(to) || to->lanes > SHMRING_LANES_MAX || to->depth > SHMRING_DEALS_MAX ||
	       (to->flags & ~(RING_FLAGS | SHMRING_HUB_EOF)) ? -EINVAL : 0;
}

/* The options that each lane has in common with a ring; checked, as those of a ring are. */
static int options_of_ring(struct shmring_options *to, const struct shmring_hub_options *o)
{
	const struct shmring_options of_ring = {
		.size = sizeof(of_ring),
		.capacity = o->capacity,
		.slot_size = o->slot_size,
		.slots = o->slots,
		.align = o->align,
		.mode = o->mode,
		.flags = o->flags & RING_FLAGS,
		.policy = o->policy,
		.backend = o->backend,
	};

	return shmring_copy_options(to, &of_ring);
}

/* ------------------------------------------------------------------- lanes */

/* The first lane was the first to be taken, and is the last to go: a successor begins with it. */
static void close_lanes(struct shmring_hub *h)
{
	uint32_t i;

	for (i = h->nr; h->lanes && i-- > 0;)
		shmring_close(h->lanes[i]);
	free(h->lanes);
	h->lanes = NULL;
}

void shmring_hub_close(struct shmring_hub *h)
{
	SHMRING_NO_CANCEL;

	if (!h)
		return;
	shmring_work_close(h);
	if (h->backend)
		h->backend->hub_close(h);
	close_lanes(h);
	shmring_close(h->ring);
	free(h);
}

/* An endpoint in a lane. Whatever is returned, @out is to be closed. */
int shmring_hub_open_lane(struct shmring_hub *h, uint32_t lane, enum shmring_role role,
			  struct shmring **out)
{
	const struct shmring_options opt = { .policy = h->policy };
	struct shmring *r;
	int ret = shmring_new_object(&r, &opt);

	*out = ret ? NULL : r;
	if (ret)
		return ret;
	r->priv->backend = h->backend;
	r->priv->reason = h->ring->priv->reason;
	r->priv->lane = lane;
	r->priv->of_hub = true;
	return h->backend->attach_lane(r, h->ring, lane, role);
}

/* Take the hub's role in all lanes of h->ring. */
static int attach_lanes(struct shmring_hub *h, const struct shmring_hub_options *o)
{
	struct shmring_lanes lanes = { 0 };
	int ret = h->backend->lanes(h->ring->priv, &lanes);
	bool works = lanes.topology == SHMRING_TOPOLOGY_WORK;
	uint32_t i;

	if (!ret && !works && lanes.topology != SHMRING_TOPOLOGY_FAN_IN)
		ret = -EPROTO;
	if (!ret && works && h->eof)
		ret = -EINVAL;
	if (ret)
		return ret;
	h->role = works ? SHMRING_PRODUCER : SHMRING_CONSUMER;
	h->lanes = calloc(lanes.nr, sizeof(*h->lanes));
	if (!h->lanes)
		return -ENOMEM;
	h->nr = lanes.nr;
	for (i = 0; !ret && i < h->nr; i++) {
		h->all[i / 64] |= shmring_lane_bit(i);
		ret = shmring_hub_open_lane(h, i, h->role, &h->lanes[i]);
	}
	h->turn.lane = h->lanes[0];
	if (!ret)
		ret = h->backend->hub_open(h);
	return ret || !works ? ret : shmring_work_open(h, o->depth, o->max_deliveries);
}

/* ------------------------------------------------------------------ set-up */

static int new_hub(struct shmring_hub **out, const struct shmring_hub_options *o)
{
	struct shmring_hub *h;
	int ret = shmring_enter_process();

	if (ret)
		return ret;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->set_fd = -1;
	h->eof = o->flags & SHMRING_HUB_EOF;
	h->policy = o->policy ? o->policy : SHMRING_ADAPTIVE;
	h->spin = shmring_process->spin;
	*out = h;
	return 0;
}

/* h->ring has been made or found, with @ret: attach, and hand the hub out; or free it. */
static int finish_hub(struct shmring_hub **out, struct shmring_hub *h,
		      const struct shmring_hub_options *o, int ret)
{
	if (!ret) {
		h->backend = h->ring->priv->backend;
		ret = attach_lanes(h, o);
	}
	if (ret)
		shmring_hub_close(h);
	else
		*out = h;
	return ret;
}

/* Check @opt, and make an object by it. @of_ring: what a handle of the ring takes of them. */
static int begin_hub(struct shmring_hub **h, struct shmring_hub_options *o,
		     struct shmring_options *of_ring, const struct shmring_hub_options *opt)
{
	int ret = copy_options(o, opt);

	if (!ret)
		ret = options_of_ring(of_ring, o);
	return ret ? ret : new_hub(h, o);
}

int shmring_hub_create(struct shmring_hub **out, const char *name,
		       const struct shmring_hub_options *opt)
{
	SHMRING_NO_CANCEL;
	char clean[SHMRING_NAME_MAX] = "";
	struct shmring_options of_ring;
	struct shmring_hub_options o;
	struct shmring_lanes lanes;
	struct shmring_hub *h;
	int ret = name ? shmring_clean_name(clean, name) : 0;
	bool made;

	if (!ret)
		ret = begin_hub(&h, &o, &of_ring, opt);
	if (ret)
		return ret;
	lanes = (struct shmring_lanes){ o.topology, o.lanes, o.lanes_per_user };
	ret = shmring_clean_options(&of_ring, name);
	if (!ret && !out && !(o.flags & SHMRING_PERSIST))
		ret = -EINVAL;	/* nothing would keep it */
	if (!ret)
		ret = shmring_make_ring(&h->ring, clean, &of_ring, &lanes);
	if (!out) {
		shmring_hub_close(h);
		return ret;
	}
	made = !ret;
	ret = finish_hub(out, h, &o, ret);
	/* If there is no hub, leave no ring behind. -EBUSY: another process is its hub already. */
	if (ret && made && ret != -EBUSY && (o.flags & SHMRING_PERSIST))
		shmring_unlink_opt(clean, &of_ring);
	return ret;
}

int shmring_hub_attach(struct shmring_hub **out, const char *name,
		       const struct shmring_hub_options *opt)
{
	SHMRING_NO_CANCEL;
	struct shmring_options of_ring;
	struct shmring_hub_options o;
	struct shmring_hub *h;
	int ret = begin_hub(&h, &o, &of_ring, opt);

	return ret ? ret : finish_hub(out, h, &o, shmring_attach_opt(&h->ring, name, &of_ring));
}

int shmring_hub_attach_fd(struct shmring_hub **out, int fd, const struct shmring_hub_options *opt)
{
	SHMRING_NO_CANCEL;
	struct shmring_options of_ring;
	struct shmring_hub_options o;
	struct shmring_hub *h;
	int ret = begin_hub(&h, &o, &of_ring, opt);

	return ret ? ret : finish_hub(out, h, &o, shmring_attach_fd_opt(&h->ring, fd, &of_ring));
}

/* ---------------------------------------------------- lanes that are left out */

bool shmring_hub_has_liars(const struct shmring_hub *h)
{
	uint64_t any = 0;
	uint32_t word;

	for (word = 0; word < SHMRING_HUB_WORDS; word++)
		any |= h->out[word];
	return any;
}

/*
 * Is the lane's false value still there? Another producer gets the lane only when it is drained,
 * and begins with true positions, which are stored before its epoch.
 */
static bool is_still_false(struct shmring *r)
{
	size_t len;

	if (r->role == SHMRING_PRODUCER)
		return shmring_work_is_still_false(r);
	r->error = 0;
	r->c.limit = r->c.tail;
	__shmring_refresh_data(r);
	if (!r->error && !r->stride && r->c.tail != r->c.limit)
		shmring_peek(r, &len);
	return r->error;
}

/*
 * The lane's producer has written a false value. End its role, where that can be done, and if it
 * is still that producer's: the epoch is read, and then the value once more. Messages
 * that the caller holds count as released: where the role ends now, or has ended, the next
 * producer begins at the tail that is published, and writes over them.
 */
void shmring_hub_leave_out(struct shmring_hub *h, uint32_t lane)
{
	struct shmring *r = h->lanes[lane];
	uint32_t epoch = __atomic_load_n(&half_of(r, peer_role(r))->epoch, __ATOMIC_ACQUIRE);
	bool sure = is_still_false(r);

	r->error = -EBADMSG;
	shmring_count_refusal(r, -EBADMSG);
	r->c.tail -= r->c.held;
	r->c.held = 0;
	r->c.end = r->c.limit = r->c.tail;
	r->priv->liar_again = sure && r->priv->liar == epoch;
	r->priv->liar = sure ? epoch : epoch - 1;
	h->out[lane / 64] |= shmring_lane_bit(lane);
	if (sure)
		h->backend->kick(r, epoch);
}

/*
 * Where the hub goes on in a lane that it has left out at @tail. False: not yet. The lane goes to
 * another producer only when it is drained: so that producer has begun at @tail, and what it has
 * sent is true. Until then, drop what the false one has left. That one can write more of it until
 * its mapping goes: so after a second false value, wait until the lane has another producer.
 */
static bool find_restart(const struct shmring *r, uint64_t tail, uint64_t *restart)
{
	const struct shmring_half *producer = &r->lane->producer;
	bool gone = shmring_is_gone(&producer->state);
	/* Acquire: if this is the end of another producer, the epoch is that one's, too. */
	uint64_t end = __atomic_load_n(&r->lane->producer.end, __ATOMIC_ACQUIRE);
	bool same = __atomic_load_n(&producer->epoch, __ATOMIC_RELAXED) == r->priv->liar;
	bool is_true = end - tail <= r->span && !(end & (r->align - 1));

	*restart = same && is_true ? end : tail;
	return !same || (gone && !r->priv->liar_again);
}

static void take_lane_back(struct shmring_hub *h, uint32_t lane)
{
	struct shmring *r = h->lanes[lane];
	uint64_t restart, old = r->c.tail;

	if (h->work) {
		shmring_work_take_back(h, lane);
		return;
	}
	if (!find_restart(r, old, &restart))
		return;
	r->priv->refused = false;
	r->error = 0;
	r->c.tail = r->c.end = r->c.limit = restart;
	__shmring_give_back(r, old, restart);
	h->out[lane / 64] &= ~shmring_lane_bit(lane);
	h->mine[lane / 64] |= shmring_lane_bit(lane);
}

void shmring_hub_take_back(struct shmring_hub *h)
{
	uint32_t i;

	for (i = 0; i < h->nr && shmring_hub_has_liars(h); i++)
		if (h->out[i / 64] & shmring_lane_bit(i))
			take_lane_back(h, i);
}

/* ------------------------------------------------------------------ queries */

unsigned int shmring_hub_lane(const struct shmring_hub *h, const struct shmring *lane)
{
	(void)h;
	return lane->priv->lane;
}

unsigned int shmring_hub_lanes(const struct shmring_hub *h)
{
	return h->nr;
}

struct shmring *shmring_hub_endpoint(const struct shmring_hub *h, unsigned int lane)
{
	return lane < h->nr ? h->lanes[lane] : NULL;
}

int shmring_hub_kick(struct shmring_hub *h, struct shmring *lane)
{
	SHMRING_NO_CANCEL;

	return h->backend->kick(lane, __atomic_load_n(&half_of(lane, peer_role(lane))->epoch,
						      __ATOMIC_RELAXED));
}

int shmring_hub_poll_fd(struct shmring_hub *h)
{
	SHMRING_NO_CANCEL;

	return h->backend->hub_poll_fd(h);
}

int shmring_hub_fd(const struct shmring_hub *h)
{
	return shmring_fd(h->ring);
}
