// SPDX-License-Identifier: MIT
/* Making, finding, attaching to and closing rings: what all backends share. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend.h"
#include "cancel.h"
#include "options.h"

#define MAX_RACES	100		/* lost in a row, */
#define RACES_NS	1000000000ull	/* and for how long */

/* ------------------------------------------------------- mapping, for backends */

/* EAGAIN: all memory is to be locked (mlockall(2)), and so much may not be. */
static int mapping_error(void)
{
	return errno == EAGAIN ? -ENOMEM : -errno;
}

/* Addresses for @size bytes, for shmring_map_at() to fill. */
int shmring_map_reserve(struct shmring_private *p, size_t size)
{
	p->base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->base == MAP_FAILED) {
		p->base = NULL;
		return mapping_error();
	}
	p->size = size;
	return 0;
}

/* Map @len bytes of the ring's file at @where bytes into the reservation. */
int shmring_map_at(struct shmring_private *p, size_t where, size_t len, int prot, off_t offset)
{
	void *at = (char *)p->base + where;

	return mmap(at, len, prot, MAP_SHARED | MAP_FIXED, p->fd, offset) == at ? 0 :
	       mapping_error();
}

static void unmap_ring(struct shmring_private *p)
{
	if (p->base && shmring_is_ours(p))
		munmap(p->base, p->size);
	p->base = NULL;
}

static bool is_understood(const struct shmring_mapping *m)
{
	const struct shmring_geometry *g = &m->geometry;

	return m->status->magic == SHMRING_MAGIC && m->status->abi == SHMRING_ABI &&
	       m->status->features == g->features &&
	       m->status->nr_lanes == (g->nr_lanes ? g->nr_lanes : 1) &&
	       m->status->capacity == g->capacity && m->status->slot_size == g->slot_size &&
	       m->status->align == g->align && m->status->slots == g->slots;
}

/* Set the bytes that a message takes, the place of its payload, and the span. */
static void set_sizes(struct shmring *r, const struct shmring_geometry *g)
{
	r->capacity = g->capacity;
	r->mask = g->capacity - 1;
	r->slot_size = g->slot_size;
	r->align = g->align;
	r->stride = shmring_stride_of(g);
	r->pad = (uint32_t)sizeof(struct shmring_record) + r->align - 1;
	r->round = ~(uint64_t)(r->align - 1);
	r->features = g->features;
	/* A header or a mark comes before it. */
	r->payload = r->data + (r->stride && !__shmring_has_marks(r) ? 0 : r->align);
	r->span = shmring_span_of(g);
}

/* Have @r refer to the ring that is mapped. -EPROTO: not a ring this library understands. */
int shmring_bind(struct shmring *r, const struct shmring_mapping *m)
{
	if (!is_understood(m))
		return -EPROTO;
	r->lane = m->lane;
	r->producer = m->producer;
	r->consumer = m->consumer;
	r->data = m->data;
	set_sizes(r, &m->geometry);
	return 0;
}

/* Without the module any process may have written the position. A false one: -EBADMSG. */
static uint64_t first_position(struct shmring *r, const __shmring_word *word)
{
	uint64_t position = __atomic_load_n(word, __ATOMIC_RELAXED);
	uint64_t step = __shmring_has_marks(r) ? r->stride : r->align;

	if (position < SHMRING_POSITION_LIMIT && !(position & (step - 1)))
		return position;
	r->error = -EBADMSG;
	return 0;
}

/* As if the ring were full: the first look finds the true space. */
static void begin_producer(struct shmring *r)
{
	r->p.head = first_position(r, &r->producer->head);
	if (__shmring_has_marks(r) && !r->error)
		shmring_settle_marks(r);
	r->p.end = r->p.head;
	r->p.limit = r->p.head;
	/* Clear the space that the last producer wanted, and the CPU on which it ran. */
	__atomic_store_n(&r->producer->space_wanted, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&r->producer->cpu, 0, __ATOMIC_RELAXED);
}

/* The last worker may have left its tail inside a message: the rest would be taken for another. */
static void skip_part_of_message(struct shmring *r)
{
	uint64_t old = r->c.tail;

	r->c.tail = shmring_work_first(r, old);
	if (r->c.tail != old)
		__shmring_give_back(r, old, r->c.tail);
}

/* As if the ring were empty. */
static void begin_consumer(struct shmring *r)
{
	r->c.tail = first_position(r, &r->consumer->tail);
	if (r->priv->topology == SHMRING_TOPOLOGY_WORK && !r->error)
		skip_part_of_message(r);
	r->c.end = r->c.tail;
	r->c.limit = r->c.tail;
	__atomic_store_n(&r->consumer->cpu, 0, __ATOMIC_RELAXED);
}

/* Make @r, which is bound and has taken @role, an endpoint that goes on at the ring's position. */
void shmring_begin_role(struct shmring *r, enum shmring_role role)
{
	r->role = role;
	if (role == SHMRING_PRODUCER)
		begin_producer(r);
	else
		begin_consumer(r);
}

/* ------------------------------------------------------------------ objects */

static void free_object(struct shmring *r)
{
	free(r->priv);
	free(r);
}

int shmring_new_object(struct shmring **out, const struct shmring_options *opt)
{
	int ret = shmring_enter_process();
	struct shmring *r;

	if (ret)
		return ret;
	r = aligned_alloc(__alignof__(*r), sizeof(*r));
	if (!r)
		return -ENOMEM;
	memset(r, 0, sizeof(*r));
	/* Of a handle, too: no message takes nothing, so that none is ever reserved there. */
	r->pad = sizeof(struct shmring_record) + SHMRING_ALIGN - 1;
	r->round = ~(uint64_t)(SHMRING_ALIGN - 1);
	r->priv = calloc(1, sizeof(*r->priv));
	if (!r->priv) {
		free_object(r);
		return -ENOMEM;
	}
	r->priv->generation = shmring_process->generation;
	r->priv->fd = -1;
	r->priv->poll_fd = -1;
	r->priv->memfd.lock_fd = -1;
	r->priv->policy = opt->policy ? opt->policy : SHMRING_ADAPTIVE;
	r->priv->lowat = opt->lowat;
	r->priv->linger = opt->linger;
	r->priv->space_mark = opt->space_mark;
	r->priv->spin = shmring_process->spin;
	*out = r;
	return 0;
}

/* Not in a forked child, which has only a copy of the object. */
static void drain_lingering(struct shmring *r)
{
	struct shmring_wait wait = { .policy = SHMRING_DEFAULT };

	if (r->role != SHMRING_PRODUCER || !r->priv->linger || !shmring_is_ours(r->priv))
		return;
	wait.deadline = shmring_deadline(r->priv->linger);
	while (shmring_drain(r, &wait) == -EINTR)
		;
}

void shmring_close(struct shmring *r)
{
	SHMRING_NO_CANCEL;

	if (!r)
		return;
	drain_lingering(r);
	if (r->priv->backend)
		r->priv->backend->close(r);
	unmap_ring(r->priv);
	if (r->priv->fd >= 0)
		close(r->priv->fd);
	free_object(r);
}

/*
 * After the backend has made or found the ring, with @ret: take the role, if one is
 * wanted, and hand the object out; or free it.
 */
static int finish_object(struct shmring **out, struct shmring *r,
			 const struct shmring_choice *choice, enum shmring_role role, int ret)
{
	if (!ret) {
		r->priv->backend = choice->backend;
		r->priv->reason = choice->reason;
		if (role != SHMRING_HANDLE)
			ret = r->priv->backend->attach(r, role);
	}
	if (ret)
		shmring_close(r);
	else
		*out = r;
	return ret;
}

static int create_in_backend(struct shmring_private *p, const struct shmring_choice *choice,
			     const char *name, const struct shmring_options *opt)
{
	if (shmring_is_taken_elsewhere(choice, name))
		return -EEXIST;
	return choice->backend->create(p, name, opt);
}

/* @name and @o are clean. */
int shmring_make_ring(struct shmring **out, const char *name, const struct shmring_options *o,
		      const struct shmring_lanes *lanes)
{
	struct shmring_choice choice = { 0 };
	struct shmring *r;
	int ret = shmring_choose_backend(&choice, o->backend);
	bool made;

	if (!ret)
		ret = shmring_new_object(&r, o);
	if (ret)
		return ret;
	r->priv->lanes = *lanes;
	ret = create_in_backend(r->priv, &choice, name, o);
	made = !ret;
	r->priv->created = made;
	ret = finish_object(out, r, &choice, o->role, ret);
	/* If the role cannot be taken, leave no ring behind. -EBUSY: others use it already. */
	if (ret && made && ret != -EBUSY && *name && (o->flags & SHMRING_PERSIST))
		choice.backend->unlink(name);
	return ret;
}

static int make_plain_ring(struct shmring **out, const char *name, const struct shmring_options *o)
{
	const struct shmring_lanes none = { 0 };

	return shmring_make_ring(out, name, o, &none);
}

/*
 * The ring may go or come between the two steps, so start again; but not for ever, as the name
 * may belong to a ring of the other backend.
 */
static int open_or_make_ring(struct shmring **out, const char *name,
			     const struct shmring_options *o)
{
	uint64_t end = shmring_now() + RACES_NS;
	int races = 0, ret;

	do {
		ret = shmring_attach_opt(out, name, o);
		if (ret == -ENOENT)
			ret = make_plain_ring(out, name, o);
	} while (ret == -EEXIST && ++races < MAX_RACES && shmring_now() < end);
	return ret;
}

int shmring_create(struct shmring **out, const char *name, const struct shmring_options *opt)
{
	SHMRING_NO_CANCEL;
	char clean[SHMRING_NAME_MAX] = "";
	struct shmring_options o;
	int ret = shmring_copy_options(&o, opt);

	if (!ret && name)
		ret = shmring_clean_name(clean, name);
	if (!ret)
		ret = shmring_clean_options(&o, name);
	if (ret)
		return ret;
	return o.flags & SHMRING_OPEN_OR_CREATE ? open_or_make_ring(out, clean, &o) :
						  make_plain_ring(out, clean, &o);
}

int shmring_attach_opt(struct shmring **out, const char *name, const struct shmring_options *opt)
{
	SHMRING_NO_CANCEL;
	struct shmring_choice choice = { 0 };
	char clean[SHMRING_NAME_MAX];
	struct shmring_options o;
	struct shmring *r;
	int ret = shmring_copy_options(&o, opt);

	if (!ret)
		ret = shmring_clean_name(clean, name);
	if (!ret)
		ret = shmring_choose_backend(&choice, o.backend);
	if (!ret)
		ret = shmring_new_object(&r, &o);
	if (ret)
		return ret;
	return finish_object(out, r, &choice, o.role, choice.backend->open(r->priv, clean, o.role));
}

int shmring_attach(struct shmring **out, const char *name, enum shmring_role role)
{
	const struct shmring_options opt = { .role = role };

	return shmring_attach_opt(out, name, &opt);
}

int shmring_attach_fd_opt(struct shmring **out, int fd, const struct shmring_options *opt)
{
	SHMRING_NO_CANCEL;
	struct shmring_choice choice = { .reason = "the descriptor is of it" };
	struct shmring_options o;
	struct shmring *r;
	int ret = shmring_copy_options(&o, opt);
	size_t i;

	if (!ret && fcntl(fd, F_GETFD) < 0)
		ret = -errno;
	if (!ret)
		ret = shmring_new_object(&r, &o);
	if (ret)
		return ret;
	ret = -EINVAL;
	for (i = 0; ret == -EINVAL && i < SHMRING_NR_BACKENDS; i++) {
		choice.backend = shmring_backends[i];
		if (!o.backend || o.backend == choice.backend->id)
			ret = choice.backend->adopt(r->priv, fd);
	}
	return finish_object(out, r, &choice, o.role, ret);
}

int shmring_attach_fd(struct shmring **out, int fd, enum shmring_role role)
{
	const struct shmring_options opt = { .role = role };

	return shmring_attach_fd_opt(out, fd, &opt);
}

int shmring_unlink_opt(const char *name, const struct shmring_options *opt)
{
	SHMRING_NO_CANCEL;
	struct shmring_choice choice = { 0 };
	char clean[SHMRING_NAME_MAX];
	struct shmring_options o;
	int ret = shmring_copy_options(&o, opt);

	if (!ret)
		ret = shmring_clean_name(clean, name);
	if (!ret)
		ret = shmring_choose_backend(&choice, o.backend);
	return ret ? ret : choice.backend->unlink(clean);
}

int shmring_unlink(const char *name)
{
	return shmring_unlink_opt(name, NULL);
}
