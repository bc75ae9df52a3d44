/* SPDX-License-Identifier: MIT */
/*
 * Runs: many messages for the price of one. A run is the free space, or the messages, that are
 * there now, without a gap. It is a local variable of the caller, which the compiler can keep in
 * registers as long as its address is not passed on. The other side sees nothing of a run until
 * it ends. Included by shmring.h.
 *
 *	struct shmring_run run;				struct shmring_run run;
 *
 *	shmring_run_open(r, &run, 32 * 64);		shmring_run_take(r, &run);
 *	while (... && (p = shmring_run_put(&run, len)))	while ((p = shmring_run_next(&run, &len)))
 *		memcpy(p, message, len);			use(p, len);
 *	shmring_run_publish(&run);			shmring_run_release(&run);
 *
 * Until a run has ended, its endpoint must move no message in another way.
 */
#ifndef SHMRING_RUN_H
#define SHMRING_RUN_H

#ifndef SHMRING_H
#error "include shmring.h"
#endif

struct shmring_run {
	struct shmring *r;
	uint64_t position;		/* of the first message */
	unsigned char *start;		/* its payload */
	unsigned char *at;		/* the payload of the next message */
	unsigned char *space_end;	/* producer: where a payload behind the run would be */
	unsigned char *data_end;	/* consumer: the same; each is start in the other role */
	unsigned char *fetch_at;	/* producer: where the next lines are prefetched */
	uint64_t round;			/* as of the endpoint */
	uint64_t guess;			/* consumer: bytes that the last message took */
	uint32_t pad;
	uint32_t stride;
	uint32_t slot_size;
};

__SHMRING_INLINE void __shmring_run_init(struct shmring *r, struct shmring_run *run,
					 uint64_t position, uint64_t space, uint64_t data)
{
	run->r = r;
	run->position = position;
	run->start = space || data ? __shmring_payload(r, position) : r->payload;
	run->at = run->start;
	run->space_end = space ? run->at + space : run->at;
	run->data_end = data ? run->at + data : run->at;
	run->fetch_at = run->at;
	run->round = r->round;
	run->guess = r->c.guess;
	run->pad = r->pad;
	run->stride = r->stride;
	run->slot_size = r->slot_size;
}

/* Is there room for @need bytes? */
__SHMRING_INLINE int __shmring_run_has(const struct shmring_run *run, uint64_t need)
{
	return need <= (uint64_t)(run->space_end - run->at);
}

/* --------------------------------------------------------------- producer */

/*
 * Producer: begin a run over the free space. Looks how far the consumer has got if less than
 * @bytes, headers and padding included, are known to be free. Ends a reservation. Never waits.
 *
 * Returns how many bytes are free; 0: none, or the consumer is gone, or @r is no producer. Then
 * shmring_wait_space() waits, or says what is wrong; the run is empty.
 */
__SHMRING_PUBLIC size_t shmring_run_open(struct shmring *r, struct shmring_run *run, size_t bytes)
{
	uint64_t head = r->p.head, space = 0;

	if (__shmring_likely(r->role == SHMRING_PRODUCER && !__shmring_consumer_is_gone(r))) {
		if (bytes > r->p.limit - head)
			__shmring_find_space(r, bytes);
		space = r->p.limit - head;
		if (space < (r->stride ? r->stride : r->align))	/* of a false tail */
			space = 0;
	}
	__shmring_end_reservation(r, head);
	__shmring_run_init(r, run, head, space, 0);
	return (size_t)space;
}

/* Prefetch the block at @at, up to @end. Returns where to prefetch next; @end: nowhere. */
static __attribute__((__noinline__, __unused__))
unsigned char *__shmring_run_fetch(unsigned char *at, const unsigned char *end)
{
#if __SHMRING_PREFETCH
	uint64_t left = (uint64_t)(end - at);

	__shmring_prefetch(at, left < __SHMRING_PREFETCH ? left : __SHMRING_PREFETCH);
	return at + (left < __SHMRING_PREFETCH ? left : __SHMRING_PREFETCH);
#else
	return at + (end - at);
#endif
}

/*
 * Producer: add a message of @len bytes (slots: slot_size) to the run and return where to write
 * it, aligned as the ring is. It must be written before the run is published. NULL: the rest of
 * the run is too short, or there can be no message of that length.
 */
__SHMRING_PUBLIC void *shmring_run_put(struct shmring_run *run, size_t len)
{
	unsigned char *at = run->at;
	struct shmring_record *rec;
	uint64_t need, n = len;

	if (run->stride) {
		need = run->stride;
		if (__shmring_unlikely(len != run->slot_size || !__shmring_run_has(run, need)))
			return NULL;
	} else {
		need = (n + run->pad) & run->round;
		if (__shmring_unlikely(n >= SHMRING_POSITION_LIMIT ||
				       !__shmring_run_has(run, need)))
			return NULL;
		rec = (struct shmring_record *)(void *)at - 1;
		rec->len = (uint32_t)len;
		rec->flags = 0;
	}
	if (__shmring_unlikely(at >= run->fetch_at))
		run->fetch_at = __shmring_run_fetch(at, run->space_end);
	run->at = at + need;
	return at;
}

/*
 * Producer: publish the messages of the run, with all that is staged, and wake the consumer if
 * the consumer sleeps for them. The run is empty then; shmring_run_open() begins another one. If
 * a run is not published, its messages are not sent, and its space stays free.
 *
 * Returns 0, or -EINVAL: the endpoint has moved messages in another way since the run began, or
 * the run is a consumer's.
 */
__SHMRING_PUBLIC int shmring_run_publish(struct shmring_run *run)
{
	struct shmring *r = run->r;
	uint64_t old = r->p.head, bytes = (uint64_t)(run->at - run->start), head = old + bytes;

	run->start = run->space_end = run->at;
	if (__shmring_unlikely(bytes && (run->position != old || r->role != SHMRING_PRODUCER)))
		return -EINVAL;
	if (head == old - r->p.staged)
		return 0;
	__shmring_end_reservation(r, head);
	__shmring_show(r, old, head);
	return 0;
}

/* --------------------------------------------------------------- consumer */

/*
 * Consumer: begin a run over all messages that are there. Looks how far the producer has got
 * only if none is known, or with SHMRING_MARKS. Ends a peek. Never waits.
 *
 * Returns how many bytes are there, headers and padding included; 0: none, or @r is no consumer.
 * Then shmring_wait_data() waits, or says what is wrong; the run is empty.
 */
__SHMRING_PUBLIC size_t shmring_run_take(struct shmring *r, struct shmring_run *run)
{
	uint64_t avail;

	/* Marks say only that the next message is there: do not go by what a wait has found so. */
	if (r->c.tail == r->c.limit || __shmring_has_marks(r))
		__shmring_look_for_head(r);
	avail = r->c.limit - r->c.tail;
	__shmring_end_peek(r, r->c.tail);
	__shmring_run_init(r, run, r->c.tail, 0, avail);
	return (size_t)avail;
}

/* The producer wrote a false length: end the run, and refuse further data as shmring_peek() does. */
static __attribute__((__noinline__, __unused__, __cold__))
void __shmring_run_refuse(struct shmring_run *run)
{
	if (run->at == run->data_end)
		return;
	run->r->error = -EBADMSG;
	__shmring_end_peek(run->r, run->r->c.tail);
	if (run->position == run->r->c.tail)
		run->r->c.limit = run->position + (uint64_t)(run->at - run->start);
	run->data_end = run->at;
}

/*
 * Consumer: return the next message of the run and its length. It stays valid until the run is
 * released, but not constant if the producer is hostile: copy what you check. NULL: the run has
 * no other message; shmring_wait_data() returns -EBADMSG if the producer wrote a false value.
 */
__SHMRING_PUBLIC const void *shmring_run_next(struct shmring_run *run, size_t *len)
{
	uint64_t avail = (uint64_t)(run->data_end - run->at), need, n;
	unsigned char *at = run->at;

	if (run->stride) {
		n = run->slot_size;
		need = run->stride;
		if (__shmring_unlikely(need > avail)) {
			__shmring_run_refuse(run);
			return NULL;
		}
	} else {
		if (!avail)
			return NULL;
		n = __shmring_read_header(at);
		if (__shmring_unlikely(n > avail - sizeof(struct shmring_record))) {
			__shmring_run_refuse(run);
			return NULL;
		}
		need = __shmring_speculate((n + run->pad) & run->round, &run->guess);
	}
	run->at = at + need;
	*len = (size_t)n;
	return at;
}

/*
 * Consumer: give back the messages of the run that shmring_run_next() has returned, with all that
 * were advanced past before, and wake the producer if the producer sleeps for this space. Messages
 * that were not returned stay in the ring. The run is empty then.
 *
 * Returns 0, or -EINVAL: the endpoint has moved messages in another way since the run began, or
 * the run is a producer's.
 */
__SHMRING_PUBLIC int shmring_run_release(struct shmring_run *run)
{
	struct shmring *r = run->r;
	uint64_t old = r->c.tail, bytes = (uint64_t)(run->at - run->start), tail = old + bytes;

	run->start = run->data_end = run->at;
	if (__shmring_unlikely(bytes && (run->position != old || r->role != SHMRING_CONSUMER)))
		return -EINVAL;
	r->c.guess = run->guess;
	if (tail == old - r->c.held)
		return 0;
	r->c.tail = tail;
	__shmring_end_peek(r, tail);
	if (r->error)
		r->c.limit = tail;	/* these were there before the false one */
	if (__shmring_unlikely(r->c.held)) {
		r->c.held += bytes;
		__shmring_release_held(r);
	} else {
		__shmring_give_back(r, old, tail);
	}
	return 0;
}

#endif /* SHMRING_RUN_H */
