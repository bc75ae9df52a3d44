/* SPDX-License-Identifier: MIT */
/* What a wait is for, between wait.c and look.c. */
#ifndef SHMRING_WAIT_H
#define SHMRING_WAIT_H

#include "backend.h"
#include "options.h"

struct shmring_want {
	uint64_t bytes;		/* of data or space, beyond this side's own position */
	uint64_t mark;		/* producer: a sleep may go on until these are free */
	bool drain;		/* producer: until everything has been taken */
	bool announced;		/* the consumer can see what this producer wants */
};

/* wait.c */
void shmring_check_peer(struct shmring *r, uint64_t now);
int shmring_count_refusal(struct shmring *r, int ret);
int shmring_wait_for_want(struct shmring *r, struct shmring_want *want,
			  const struct shmring_wait *w);

/* answers.c */
void shmring_count_wait(void);

/* look.c */
int shmring_look_at_producer(struct shmring *r, uint64_t wake_at);
uint64_t shmring_beyond_told(const struct shmring *r, uint64_t bytes);
void shmring_announce(struct shmring *r, struct shmring_want *want);
void shmring_withdraw(struct shmring *r, const struct shmring_want *want);
__u32 shmring_store_cpu(struct shmring *r);
void shmring_note_cpu(struct shmring *r);

/* How much space a producer that needs @bytes sleeps for in the first millisecond of a sleep. */
static inline uint64_t shmring_space_mark(const struct shmring *r, uint64_t bytes)
{
	uint64_t mark = r->priv->space_mark ? r->priv->space_mark : r->span / 2;

	return mark > bytes ? mark : bytes;
}

/* 0, or why the wait @w of @r is refused. */
static inline int shmring_check_wait_of(const struct shmring *r, const struct shmring_wait *w)
{
	return w && w->min_bytes > r->capacity ? -EINVAL : shmring_check_wait(w);
}

static inline bool shmring_is_gone(const uint32_t *state)
{
	/* Acquire: the caller sees what the peer did before it went. */
	return __atomic_load_n(state, __ATOMIC_ACQUIRE) == SHMRING_PEER_GONE;
}

/* 1: there is data; 0: not yet; or why there will be none. */
static inline int shmring_look_for_data(struct shmring *r, const struct shmring_want *want)
{
	bool ended = shmring_is_gone(&r->lane->producer.state);
	uint64_t avail, wake_at, tail;

	__shmring_refresh_data(r);
	if (r->error)
		return r->error;
	avail = r->c.limit - r->c.tail;
	if (avail >= want->bytes)
		return 1;
	if (ended)
		return avail ? 1 : -ENODATA;
	wake_at = __atomic_load_n(&r->lane->producer.wake_at, __ATOMIC_ACQUIRE);
	tail = r->c.tail - r->c.held;
	/* The ring is empty, so the producer waits for nothing: do not read its cache line. */
	if (r->c.limit == tail && tail < wake_at)
		return 0;
	return shmring_look_at_producer(r, wake_at);
}

/* 1: there is space; 0: not yet; or why there will be none. */
static inline int shmring_look_for_space(struct shmring *r, const struct shmring_want *want)
{
	bool ended = shmring_is_gone(&r->lane->consumer.state);

	if (ended && !want->drain)
		return -EPIPE;
	__shmring_refresh_space(r);
	if (r->error)
		return r->error;
	if (want->bytes <= r->p.limit - r->p.head)
		return 1;
	return ended ? -EPIPE : 0;
}

/* Inlined: this is all code between the other side's store and this side's return. */
static inline int shmring_look(struct shmring *r, const struct shmring_want *want)
{
	return r->role == SHMRING_CONSUMER ? shmring_look_for_data(r, want) :
					     shmring_look_for_space(r, want);
}

/* Wants a consumer one message, of a ring with marks, and knows of none? Then a mark will do. */
static inline bool shmring_wants_mark(const struct shmring *r, const struct shmring_want *want)
{
	return __shmring_has_marks(r) && r->role == SHMRING_CONSUMER &&
	       want->bytes <= r->stride && r->c.tail == r->c.limit;
}

/* A look in a spin: at the mark alone, or at all there is. */
static inline int shmring_look_in_spin(struct shmring *r, const struct shmring_want *want,
				       bool at_mark)
{
	if (!at_mark)
		return shmring_look(r, want);
	return __shmring_find_mark(r) ? 1 : r->error;
}

/* Bytes of data or space, as the last look found them. */
static inline uint64_t shmring_available(const struct shmring *r)
{
	return r->role == SHMRING_CONSUMER ? r->c.limit - r->c.tail : r->p.limit - r->p.head;
}

#endif /* SHMRING_WAIT_H */
