/* SPDX-License-Identifier: MIT */
/*
 * The fast path: how messages move, inline and without a system call. Included by shmring.h.
 *
 * Contents: helpers of both sides, producer, consumer, counts.
 */
#ifndef SHMRING_FAST_H
#define SHMRING_FAST_H

#ifndef SHMRING_H
#error "include shmring.h"
#endif

#ifndef __SHMRING_PREFETCH	/* bytes at a time, a power of two; 0: none (docs/performance.md) */
#define __SHMRING_PREFETCH	2048
#endif

/*
 * Have the lines on the way that are to be written, of the @len bytes at @p. The
 * consumer had them last, and to fetch them one by one takes longer than everything
 * else that a producer does. Only a hint: it orders nothing, and never faults. (x86 has
 * PREFETCHW, or takes it for a NOP; without -mprfchw the compiler would say PREFETCHT0,
 * which fetches to read.)
 */
static __attribute__((__noinline__, __unused__))
void __shmring_prefetch(const unsigned char *p, uint64_t len)
{
	const unsigned char *end = p + len;

	for (; p < end; p += 64)
#if defined(__x86_64__)
		__asm__ __volatile__("prefetchw %0" : : "m"(*p));
#else
		__builtin_prefetch(p, 1);
#endif
}

/*
 * Producer, having gone from @old to @head: from one block into the next, so fetch the
 * one after that. All lines at once, as one by one they hardly overlap; and after the
 * message is published, as the consumer need not wait. Nothing that it may be reading, and not
 * for large messages, which memcpy() writes without fetching.
 */
__SHMRING_INLINE void __shmring_fetch_ahead(const struct shmring *r, uint64_t old, uint64_t head)
{
#if __SHMRING_PREFETCH
	uint64_t next = (head | (__SHMRING_PREFETCH - 1)) + 1;

	if (((old ^ head) & ~(uint64_t)(__SHMRING_PREFETCH - 1)) &&
	    head - old <= __SHMRING_PREFETCH &&
	    r->p.limit - head >= next - head + __SHMRING_PREFETCH)
		__shmring_prefetch(r->data + (next & r->mask), __SHMRING_PREFETCH);
#else
	(void)r;
	(void)old;
	(void)head;
#endif
}

/* Bytes that a message of len bytes takes in the ring. */
__SHMRING_INLINE uint64_t __shmring_footprint(const struct shmring *r, uint64_t len)
{
	return (r->header_size + len + SHMRING_ALIGN - 1) & ~(uint64_t)(SHMRING_ALIGN - 1);
}

/* The longest message that fits; for slots, the only length. */
__SHMRING_INLINE size_t shmring_max_len(const struct shmring *r)
{
	return r->slot_size ? r->slot_size : (size_t)(r->capacity - r->header_size);
}

/*
 * Look how far the consumer has got. It may go forward, up to what has been
 * published; anything else is -EBADMSG.
 */
__SHMRING_INLINE void __shmring_refresh_space(struct shmring *r)
{
	uint64_t tail = __atomic_load_n(&r->consumer->tail, __ATOMIC_ACQUIRE); /* F, matches E */
	uint64_t old = r->p.limit - r->capacity;

	if (__shmring_unlikely(tail - old > r->p.head - r->p.staged - old))
		r->error = -EBADMSG;
	else
		r->p.limit = tail + r->capacity;
}

/*
 * Producer: reserve space for a message of up to @len bytes (slots: exactly
 * slot_size) and return where to write it, aligned to 8 bytes and contiguous.
 * NULL: not now; shmring_wait_space() waits, or says what is wrong. Reserving
 * again replaces the reservation.
 */
__SHMRING_INLINE void *shmring_reserve(struct shmring *r, size_t len)
{
	uint64_t need = __shmring_footprint(r, len);
	unsigned char *at;

	if (__shmring_unlikely(len >= r->p.len_end || (r->slot_size && len != r->slot_size)))
		return NULL;
	/* Relaxed: only a hint that nobody will read this. */
	if (__shmring_unlikely(__atomic_load_n(&r->lane->consumer.state, __ATOMIC_RELAXED) ==
			       SHMRING_PEER_GONE))
		return NULL;
	if (__shmring_unlikely(need > r->p.limit - r->p.head)) {
		if (!r->error)
			__shmring_refresh_space(r);
		if (r->error || need > r->p.limit - r->p.head)
			return NULL;
	}
	r->p.end = r->p.head + need;
	at = r->data + (r->p.head & r->mask);
	return at + r->header_size;
}

/* Bytes from one slot to the next: slot_size, rounded up to 8. */
__SHMRING_INLINE size_t shmring_slot_stride(const struct shmring *r)
{
	return (size_t)__shmring_footprint(r, r->slot_size);
}

/*
 * How many slots, of @max, are in @avail bytes. Those are at most a ring's, and so is
 * @max where it is multiplied: no overflow.
 */
__SHMRING_INLINE size_t __shmring_count_slots(uint64_t max, uint64_t avail, uint64_t stride)
{
	if (__shmring_unlikely(max > avail || max * stride > avail))
		return (size_t)(avail / stride);
	return (size_t)max;
}

/*
 * Producer, slots: reserve up to *@n of them and return the first. They are an array
 * (no end of the ring lies within) whose elements are shmring_slot_stride() apart; so
 * a batch costs little more than one message; slots of 256 bytes and more are best
 * copied in as a whole (docs/performance.md). *@n becomes how many there are. NULL: none now,
 * the consumer is gone, or the ring has no slots; *@n then has no meaning. Reserving again
 * replaces the reservation.
 */
__SHMRING_INLINE void *shmring_reserve_slots(struct shmring *r, size_t *n)
{
	uint64_t stride = shmring_slot_stride(r), max = *n, bytes;
	unsigned char *at;

	if (__shmring_unlikely(r->header_size || !r->p.len_end ||
			       __atomic_load_n(&r->lane->consumer.state, __ATOMIC_RELAXED) ==
			       SHMRING_PEER_GONE))
		return NULL;
	*n = __shmring_count_slots(max, r->p.limit - r->p.head, stride);
	if (__shmring_unlikely(*n < max) && !r->error) {
		__shmring_refresh_space(r);
		*n = __shmring_count_slots(max, r->p.limit - r->p.head, stride);
	}
	if (!*n)
		return NULL;
	bytes = *n * stride;
	r->p.end = r->p.head + bytes;
	at = r->data + (r->p.head & r->mask);
	/* Smaller ones have been fetched ahead. */
	if (bytes > __SHMRING_PREFETCH && bytes <= 2 * __SHMRING_PREFETCH)
		__shmring_prefetch(at, bytes);
	return at;
}

/* Producer: drop the reservation. The record never existed. */
__SHMRING_INLINE void shmring_discard(struct shmring *r)
{
	r->p.end = r->p.head;
}

/* Records: the header of the open one. */
__SHMRING_INLINE void __shmring_write_header(struct shmring *r, size_t len)
{
	struct shmring_record *rec;

	if (!r->header_size)
		return;
	rec = (struct shmring_record *)(void *)(r->data + (r->p.head & r->mask));
	rec->len = (uint32_t)len;
	rec->flags = 0;
}

/*
 * Finish the open record, @len bytes of it; what more was reserved never was. Returns
 * where the next one goes; 0: nothing so large is reserved.
 */
__SHMRING_INLINE uint64_t __shmring_finish(struct shmring *r, size_t len)
{
	uint64_t need = __shmring_footprint(r, len), head = r->p.head + need;

	if (__shmring_unlikely(len >= r->p.len_end || need > r->p.end - r->p.head ||
			       (r->slot_size && len != r->slot_size)))
		return 0;
	__shmring_write_header(r, len);
	/* Atomic, or the compiler makes a store of it that is always done. */
	if (__shmring_unlikely(r->p.end != head))
		__atomic_store_n(&r->p.end, head, __ATOMIC_RELAXED);
	return head;
}

/*
 * Go on to @head and let the consumer see what is from @old to there; wake it if that is
 * due. Our own word comes last: next to that of the next reservation, it costs less.
 */
__SHMRING_INLINE void __shmring_show(struct shmring *r, uint64_t old, uint64_t head)
{
	__atomic_store_n(&r->producer->head, head, __ATOMIC_RELEASE); /* A, matches B */
	r->p.head = head;
	if (__shmring_unlikely(__shmring_due(old, head, &r->lane->consumer.fence_until,
					     &r->lane->consumer.wake_at)))
		__shmring_wake(r);
	__shmring_fetch_ahead(r, old, head);
}

/*
 * Producer: finish the reserved message, @len bytes of it, without publishing
 * it yet: for batches. Returns 0, or -EINVAL: nothing is reserved, or less than
 * @len, or (slots) @len is not slot_size.
 */
__SHMRING_INLINE int shmring_stage(struct shmring *r, size_t len)
{
	uint64_t head = __shmring_finish(r, len);

	if (__shmring_unlikely(!head))
		return -EINVAL;
	r->p.staged += head - r->p.head;
	r->p.head = head;
	return 0;
}

/*
 * Producer: let the consumer see everything staged, and wake it if it sleeps
 * and this is what it waits for.
 */
__SHMRING_INLINE void shmring_publish(struct shmring *r)
{
	uint64_t old = r->p.head - r->p.staged;

	if (!r->p.staged)
		return;
	r->p.staged = 0;
	__shmring_show(r, old, r->p.head);
}

/*
 * Producer: finish the reserved message and publish it, with all that is
 * staged. Returns as shmring_stage().
 */
__SHMRING_INLINE int shmring_commit(struct shmring *r, size_t len)
{
	uint64_t old = r->p.head - r->p.staged;
	uint64_t head = __shmring_finish(r, len);

	if (__shmring_unlikely(!head))
		return -EINVAL;
	if (__shmring_unlikely(r->p.staged))
		r->p.staged = 0;
	__shmring_show(r, old, head);
	return 0;
}

/*
 * Producer, slots: finish the first @n reserved slots and publish them, with all that
 * is staged. The others were never reserved. Returns 0, or -EINVAL: so many are not
 * reserved, or the ring has no slots.
 */
__SHMRING_INLINE int shmring_commit_slots(struct shmring *r, size_t n)
{
	uint64_t bytes = (uint64_t)n * shmring_slot_stride(r);
	uint64_t reserved = r->p.end - r->p.head;

	if (__shmring_unlikely(r->header_size || n > reserved || bytes > reserved))
		return -EINVAL;
	r->p.staged += bytes;
	r->p.head += bytes;
	r->p.end = r->p.head;
	shmring_publish(r);
	return 0;
}

/*
 * Look how far the producer has got. It may go forward, up to a full ring;
 * anything else is -EBADMSG.
 */
__SHMRING_INLINE void __shmring_refresh_data(struct shmring *r)
{
	uint64_t head = __atomic_load_n(&r->producer->head, __ATOMIC_ACQUIRE); /* B, matches A */
	uint64_t old = r->c.limit;

	if (__shmring_unlikely(head - old > r->c.tail - r->c.held + r->capacity - old))
		r->error = -EBADMSG;
	else
		r->c.limit = head;
}

/*
 * Consumer: return the next message, aligned to 8 bytes and contiguous, and its
 * length. It stays valid until it is released, but not constant if the producer
 * is hostile: copy what you check. NULL: nothing now; shmring_wait_data()
 * waits, or says what is wrong. Peeking again returns the same message.
 */
__SHMRING_INLINE const void *shmring_peek(struct shmring *r, size_t *len)
{
	const struct shmring_record *rec;
	uint64_t avail, need;
	uint32_t n, flags;

	if (r->c.tail == r->c.limit) {
		if (__shmring_unlikely(r->role != SHMRING_CONSUMER || r->error))
			return NULL;
		__shmring_refresh_data(r);
		if (r->c.tail == r->c.limit)
			return NULL;
	}
	avail = r->c.limit - r->c.tail;
	rec = (const struct shmring_record *)(const void *)(r->data + (r->c.tail & r->mask));
	if (r->slot_size) {
		n = r->slot_size;
		flags = 0;
	} else {
		/* Relaxed, once each: ordered by B; the copy is what is checked. */
		n = __atomic_load_n(&rec->len, __ATOMIC_RELAXED);
		flags = __atomic_load_n(&rec->flags, __ATOMIC_RELAXED);
	}
	need = __shmring_footprint(r, n);
	if (__shmring_unlikely(need > avail || flags)) {
		r->error = -EBADMSG;
		r->c.limit = r->c.tail;	/* for good: nothing is there any more */
		r->c.end = r->c.tail;
		return NULL;
	}
	r->c.end = r->c.tail + need;
	*len = n;
	return (const unsigned char *)rec + r->header_size;
}

/*
 * Consumer, slots: return the first of up to *@n that are there, an array whose
 * elements are shmring_slot_stride() apart. *@n becomes how many. They count as one
 * peeked message for shmring_advance() and shmring_release(): to give back fewer, peek
 * again at fewer. NULL: none now, or the ring has no slots.
 */
__SHMRING_INLINE const void *shmring_peek_slots(struct shmring *r, size_t *n)
{
	uint64_t stride = shmring_slot_stride(r), max = *n;

	if (__shmring_unlikely(r->header_size || r->role != SHMRING_CONSUMER))
		return NULL;
	*n = __shmring_count_slots(max, r->c.limit - r->c.tail, stride);
	if (__shmring_unlikely(*n < max) && !r->error) {
		__shmring_refresh_data(r);
		*n = __shmring_count_slots(max, r->c.limit - r->c.tail, stride);
	}
	if (!*n) {
		if (__shmring_unlikely(max && r->c.limit != r->c.tail)) {
			r->error = -EBADMSG;	/* not a whole slot */
			r->c.limit = r->c.tail;
			r->c.end = r->c.tail;
		}
		return NULL;
	}
	r->c.end = r->c.tail + *n * stride;
	return r->data + (r->c.tail & r->mask);
}

/*
 * Consumer: step past the peeked message without giving its space back yet: for
 * batches. It stays valid until shmring_release(). Returns 0, or -EINVAL:
 * nothing is peeked.
 */
__SHMRING_INLINE int shmring_advance(struct shmring *r)
{
	if (__shmring_unlikely(r->c.end == r->c.tail))
		return -EINVAL;
	r->c.held += r->c.end - r->c.tail;
	r->c.tail = r->c.end;
	return 0;
}

/* Give back what lies between @old and @tail. */
__SHMRING_INLINE void __shmring_give_back(struct shmring *r, uint64_t old, uint64_t tail)
{
	__atomic_store_n(&r->consumer->tail, tail, __ATOMIC_RELEASE); /* E, matches F */
	if (__shmring_unlikely(__shmring_due(old, tail, &r->lane->producer.fence_until,
					     &r->lane->producer.wake_at)))
		__shmring_wake(r);
}

/* Not inlined: runs once for a batch, and keeps shmring_release() short. */
static __attribute__((__noinline__, __unused__))
void __shmring_release_held(struct shmring *r)
{
	uint64_t old = r->c.tail - r->c.held;

	r->c.held = 0;
	__shmring_give_back(r, old, r->c.tail);
	__shmring_released(r);
}

/*
 * Consumer: give back all messages that were advanced past; if there are none, the
 * peeked message. Wakes the producer if it sleeps and this is what it waits for. A
 * message that was peeked after the last advance stays peeked: another release gives
 * it back. Returns 0, or -EINVAL: there is nothing to give back.
 */
__SHMRING_INLINE int shmring_release(struct shmring *r)
{
	uint64_t old = r->c.tail, tail = r->c.end;

	if (__shmring_unlikely(r->c.held)) {
		__shmring_release_held(r);
		return 0;
	}
	if (__shmring_unlikely(tail == old))
		return -EINVAL;
	r->c.tail = tail;
	__shmring_give_back(r, old, tail);
	return 0;
}

/*
 * Bytes committed and not released, from the words that both sides see: some loads, no system
 * call. The other side may go on at any time: for a producer the true number is at most the
 * returned one, for a consumer at least. A handle, which maps nothing: 0.
 */
__SHMRING_INLINE size_t shmring_used(const struct shmring *r)
{
	uint64_t used;

	if (!r->lane)
		return 0;
	/* Relaxed: a number to show or to judge a load by; it gives no right to any byte. */
	used = __atomic_load_n(&r->producer->head, __ATOMIC_RELAXED) -
	       __atomic_load_n(&r->consumer->tail, __ATOMIC_RELAXED);
	if (used > r->capacity)		/* of two moments, or false */
		used = used >> 63 ? 0 : r->capacity;
	return (size_t)used;
}

/* The capacity less shmring_used(); what is staged counts as free. */
__SHMRING_INLINE size_t shmring_space_left(const struct shmring *r)
{
	return (size_t)r->capacity - shmring_used(r);
}

/* Messages in the ring, where all have one size: as shmring_used(). Records: 0. */
__SHMRING_INLINE size_t shmring_used_slots(const struct shmring *r)
{
	return r->slot_size ? shmring_used(r) / shmring_slot_stride(r) : 0;
}

#endif /* SHMRING_FAST_H */
