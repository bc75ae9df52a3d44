// SPDX-License-Identifier: MIT
/* From a file to a struct shmring: mapping, checking, binding. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "backend.h"

/* Both words come from the other side, or from the file: read once. */
static int check_status(const struct shmring_status *s, const struct shmring_layout *l)
{
	if (__atomic_load_n(&s->magic, __ATOMIC_RELAXED) != SHMRING_MAGIC ||
	    __atomic_load_n(&s->abi, __ATOMIC_RELAXED) != SHMRING_ABI ||
	    __atomic_load_n(&s->features, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&s->nr_lanes, __ATOMIC_RELAXED) != 1 ||
	    __atomic_load_n(&s->capacity, __ATOMIC_RELAXED) != l->capacity ||
	    __atomic_load_n(&s->slot_size, __ATOMIC_RELAXED) != l->slot_size)
		return -EPROTO;
	return 0;
}

/* The mask and the second copy of the data take these for granted. */
static int check_layout(const struct shmring_layout *l)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), data = 0;
	int i;

	for (i = 0; i < l->nr_spans; i++) {
		if (!l->span[i].length || l->span[i].length % page ||
		    l->span[i].length > 2 * SHMRING_CAPACITY_MAX)
			return -EPROTO;
		if (i >= 3)
			data += l->span[i].length;
	}
	if (l->capacity < page || (l->capacity & (l->capacity - 1)) || data != 2 * l->capacity ||
	    l->slot_size > l->capacity)
		return -EPROTO;
	return 0;
}

static int map_spans(const struct shmring_private *p, const struct shmring_layout *l)
{
	char *at = p->base;
	int i;

	for (i = 0; i < l->nr_spans; i++) {
		const struct shmring_span *s = &l->span[i];

		if (mmap(at, s->length, s->prot, MAP_SHARED | MAP_FIXED, p->fd,
			 (off_t)s->offset) == MAP_FAILED)
			return -errno;
		at += s->length;
	}
	/* The kernel module does so by itself. */
	return madvise(p->base, p->length, MADV_DONTFORK) ? -errno : 0;
}

/*
 * Map everything over one reservation of address space, so that the two copies
 * of the data are neighbours. On failure the caller unmaps p->base.
 */
int shmring_map(struct shmring_private *p, const struct shmring_layout *l,
		struct shmring_view *v)
{
	char *base;
	size_t length = 0;
	int i, ret;

	ret = check_layout(l);
	if (ret)
		return ret;
	for (i = 0; i < l->nr_spans; i++)
		length += l->span[i].length;
	base = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	p->base = base;
	p->length = length;
	ret = map_spans(p, l);
	if (ret)
		return ret;

	v->status = (void *)base;
	v->lane = (void *)(base + SHMRING_LANE_OFFSET);
	v->consumer = (void *)(base + l->span[0].length);
	v->producer = (void *)(base + l->span[0].length + l->span[1].length);
	v->data = (unsigned char *)base + l->span[0].length + l->span[1].length +
		  l->span[2].length;
	v->capacity = l->capacity;
	v->slot_size = l->slot_size;
	return check_status(v->status, l);
}

/*
 * Make @r the end of a mapped ring that its role says, at the position where the
 * last one stopped. The own side knows nothing of the other: a producer takes
 * the ring for full, a consumer for empty, until they look.
 */
void shmring_bind(struct shmring *r, const struct shmring_view *v)
{
	r->lane = v->lane;
	r->producer = v->producer;
	r->consumer = v->consumer;
	r->data = v->data;
	r->capacity = v->capacity;
	r->mask = v->capacity - 1;
	r->slot_size = v->slot_size;
	r->header_size = v->slot_size ? 0 : sizeof(struct shmring_record);

	/* Relaxed: only this side writes its own position. */
	if (r->role == SHMRING_PRODUCER) {
		r->p.head = __atomic_load_n(&v->producer->head, __ATOMIC_RELAXED);
		r->p.published = r->p.head;
		r->p.limit = r->p.head;
		r->p.len_end = (uint64_t)shmring_max_len(r) + 1;
	} else if (r->role == SHMRING_CONSUMER) {
		r->c.tail = __atomic_load_n(&v->consumer->tail, __ATOMIC_RELAXED);
		r->c.released = r->c.tail;
		r->c.limit = r->c.tail;
	}
}
