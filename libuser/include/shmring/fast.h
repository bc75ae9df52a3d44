/* SPDX-License-Identifier: MIT */
/*
 * The fast path: how messages move, inline and without a system call. Included by shmring.h.
 *
 * Contents: sizes, prefetching, producer, consumer, copying, counts.
 */
#ifndef SHMRING_FAST_H
#define SHMRING_FAST_H

#ifndef SHMRING_H
#error "include shmring.h"
#endif

/* ------------------------------------------------------------------ sizes */

/* Can there be a message of @len bytes? A constant length of a record needs no test. */
__SHMRING_INLINE int __shmring_is_length(const struct shmring *r, uint64_t len)
{
	return r->stride ? len == r->slot_size : len < SHMRING_POSITION_LIMIT;
}

/* Bytes that a message takes in the ring. No meaning if __shmring_is_length() refuses @len. */
__SHMRING_INLINE uint64_t __shmring_footprint(const struct shmring *r, size_t len)
{
	return r->stride ? r->stride : ((uint64_t)len + r->pad) & r->round;
}

/* The longest message that fits; for slots, the only length. */
__SHMRING_PUBLIC size_t shmring_max_len(const struct shmring *r)
{
	if (r->slot_size)
		return r->slot_size;
	return r->span ? (size_t)r->span - sizeof(struct shmring_record) : 0;
}

/*
 * Bytes from one slot to the next: slot_size, rounded up to the alignment; with SHMRING_MARKS,
 * slot_size and the alignment, rounded up to a power of two. Records: 0.
 */
__SHMRING_PUBLIC size_t shmring_slot_stride(const struct shmring *r)
{
	return r->stride;
}

/* Where the payload of the message at @position is: never NULL, so that callers need no test. */
__SHMRING_INLINE unsigned char *__shmring_payload(const struct shmring *r, uint64_t position)
{
	unsigned char *payload = r->payload + (position & r->mask);

	if (!payload)
		__builtin_unreachable();
	return payload;
}

/* ------------------------------------------------------------------ marks */

/*
 * SHMRING_MARKS: the 8 bytes before a slot's payload say that the slot is full, by its position
 * plus one. So a consumer that waits need not fetch the line of the head as well. The head stays
 * the authority: a producer may be killed before it has written the marks.
 */

/* Looks at a mark in a row that find none, or one, before a look at the head. */
#define __SHMRING_MISSES	64
#define __SHMRING_HITS		16

__SHMRING_INLINE int __shmring_has_marks(const struct shmring *r)
{
	return (r->features & SHMRING_FEATURE_MARKS) != 0;
}

/* The mark of the slot at @position. */
__SHMRING_INLINE __shmring_word *__shmring_mark(const struct shmring *r, uint64_t position)
{
	return (__shmring_word *)(void *)__shmring_payload(r, position) - 1;
}

/* ------------------------------------------------------------ prefetching */

#ifndef __SHMRING_PREFETCH	/* bytes at a time, a power of two; 0: none (docs/performance.md) */
#define __SHMRING_PREFETCH	2048
#endif

/*
 * Prefetch for writing the lines of the @len bytes at @p. The consumer had these lines
 * last, and to fetch them one by one takes longer than all other work of a producer.
 * Only a hint: a prefetch orders nothing, and never faults. (x86 has PREFETCHW, or takes
 * it for a NOP; without -mprfchw the compiler would use PREFETCHT0, which fetches to
 * read.)
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
 * The producer has gone from @old to @head, into the next block. Prefetch the block after that,
 * if it is free: never lines that the consumer may be reading. Fetch all lines at once, as single
 * fetches hardly overlap. Do it after the message is published, so that the consumer does not
 * wait for it. Not for large messages, which memcpy() writes without fetching; and not where each
 * message is a question or an answer, which the fetching only delays.
 */
static __attribute__((__noinline__, __unused__))
void __shmring_fetch_ahead(struct shmring *r, uint64_t old, uint64_t head)
{
	uint64_t *at = __shmring_has_marks(r) ? &r->p.fetch_marked_at : &r->p.fetch_at;
#if __SHMRING_PREFETCH
	uint64_t next = (head | (__SHMRING_PREFETCH - 1)) + 1;

	if (head - old <= __SHMRING_PREFETCH &&
	    r->p.limit - head >= next - head + __SHMRING_PREFETCH &&
	    !__shmring_answers(r, head - old))
		__shmring_prefetch(r->data + (next & r->mask), __SHMRING_PREFETCH);
	*at = next;
#else
	(void)old;
	(void)head;
	*at = SHMRING_NO_WAKE;
#endif
}

/* --------------------------------------------------------------- producer */

/*
 * Look how far the consumer has got. The tail may go forward, up to the published head;
 * any other tail is -EBADMSG.
 */
__SHMRING_INLINE void __shmring_refresh_space(struct shmring *r)
{
	uint64_t tail = __atomic_load_n(&r->consumer->tail, __ATOMIC_ACQUIRE); /* F, matches E */
	uint64_t old = r->p.limit - r->span;

	if (__shmring_unlikely(tail - old > r->p.head - r->p.staged - old))
		r->error = -EBADMSG;
	else
		r->p.limit = tail + r->span;
}

/* Load the tail again: are @need bytes free? Always 0 for an object that is no producer. */
__SHMRING_INLINE int __shmring_find_space(struct shmring *r, uint64_t need)
{
	if (r->role != SHMRING_PRODUCER || r->error)
		return 0;
	__shmring_refresh_space(r);
	return !r->error && need <= r->p.limit - r->p.head;
}

/* Relaxed: only a hint that no process will read the messages. */
__SHMRING_INLINE int __shmring_consumer_is_gone(const struct shmring *r)
{
	return __atomic_load_n(&r->lane->consumer.state, __ATOMIC_RELAXED) == SHMRING_PEER_GONE;
}

/*
 * Producer: reserve space for a message of up to @len bytes (slots: exactly
 * slot_size) and return where to write it, aligned as the ring is (by default to 8 bytes) and
 * contiguous.
 * NULL: not now; shmring_wait_space() waits, or says what is wrong. Reserving
 * again replaces the reservation.
 */
__SHMRING_PUBLIC void *shmring_reserve(struct shmring *r, size_t len)
{
	uint64_t head = r->p.head, need = __shmring_footprint(r, len);

	if (__shmring_unlikely(!__shmring_is_length(r, len)))
		return NULL;
	if (__shmring_unlikely(need > r->p.limit - head) && !__shmring_find_space(r, need))
		return NULL;
	if (__shmring_unlikely(__shmring_consumer_is_gone(r)))
		return NULL;
	r->p.end = head + need;
	return __shmring_payload(r, head);
}

/*
 * How many slots, at most @max, are in @avail bytes. @avail is at most the capacity. @max is
 * multiplied only if it is at most the slots of a ring: no overflow.
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
__SHMRING_PUBLIC void *shmring_reserve_slots(struct shmring *r, size_t *n)
{
	uint64_t stride = r->stride, max = *n, bytes;
	unsigned char *at;

	if (__shmring_unlikely(!stride || r->role != SHMRING_PRODUCER ||
			       __shmring_consumer_is_gone(r)))
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
	at = __shmring_payload(r, r->p.head);
	/* Smaller ones have been fetched ahead. */
	if (bytes > __SHMRING_PREFETCH && bytes <= 2 * __SHMRING_PREFETCH)
		__shmring_prefetch(at, bytes);
	return at;
}

/* Producer: drop the reservation. The record never existed. */
__SHMRING_PUBLIC void shmring_discard(struct shmring *r)
{
	r->p.end = r->p.head;
}

/* Records: the header of the message whose payload is at @payload. */
__SHMRING_INLINE void __shmring_write_header(struct shmring *r, void *payload, size_t len)
{
	struct shmring_record *rec;

	if (r->stride)
		return;
	rec = (struct shmring_record *)payload - 1;
	rec->len = (uint32_t)len;
	rec->flags = 0;
}

/* Drop the reservation above @head. Compares first: a store each time would cost more. */
__SHMRING_INLINE void __shmring_end_reservation(struct shmring *r, uint64_t head)
{
	if (__shmring_unlikely(r->p.end > head))
		/* Atomic: otherwise the compiler would store each time, without the comparison. */
		__atomic_store_n(&r->p.end, head, __ATOMIC_RELAXED);
}

/*
 * Finish the open message, @len bytes of it. Returns where the next one goes; 0: nothing so large
 * is reserved.
 */
__SHMRING_INLINE uint64_t __shmring_finish(struct shmring *r, size_t len)
{
	uint64_t head = r->p.head, next = head + __shmring_footprint(r, len);

	if (__shmring_unlikely(!__shmring_is_length(r, len) || next > r->p.end))
		return 0;
	__shmring_write_header(r, __shmring_payload(r, head), len);
	__shmring_end_reservation(r, next);
	return next;
}

/* The head has gone from @old to @head: wake the consumer if that is due. */
__SHMRING_INLINE void __shmring_wake_consumer(struct shmring *r, uint64_t old, uint64_t head)
{
	if (__shmring_unlikely(__shmring_due(old, head, &r->lane->consumer.fence_until,
					     &r->lane->consumer.wake_at)))
		__shmring_wake(r);
}

/*
 * Mark the slots from @old to @head, whose head is stored already. A consumer that sees one of
 * the marks takes the slot, and its tail is then seen by no side that does not see this head.
 */
__SHMRING_INLINE void __shmring_write_marks(struct shmring *r, uint64_t old, uint64_t head)
{
	for (; old != head; old += r->stride)
		__atomic_store_n(__shmring_mark(r, old), old + 1,
				 __ATOMIC_RELEASE); /* L, matches M */
}

/* The same if messages were staged before @old, the next block is to be fetched, or with marks. */
static __attribute__((__noinline__, __unused__))
void __shmring_wake_and_fetch(struct shmring *r, uint64_t old, uint64_t head)
{
	old -= r->p.staged;
	r->p.staged = 0;
	if (__shmring_has_marks(r))
		__shmring_write_marks(r, old, head);
	__shmring_wake_consumer(r, old, head);
	if (head >= r->p.fetch_marked_at)	/* always, without marks */
		__shmring_fetch_ahead(r, old, head);
}

/*
 * Publish the messages from @old to @head, with all that is staged, and wake the consumer if that
 * is due. p.head is stored last, because the next reservation stores p.end in the same cache
 * line. If messages are staged, or slots have marks, p.fetch_at is 0: so one comparison finds all
 * rare cases.
 */
__SHMRING_INLINE void __shmring_show(struct shmring *r, uint64_t old, uint64_t head)
{
	__atomic_store_n(&r->producer->head, head, __ATOMIC_RELEASE); /* A, matches B */
	r->p.head = head;
	if (__shmring_unlikely(head >= r->p.fetch_at))
		__shmring_wake_and_fetch(r, old, head);
	else
		__shmring_wake_consumer(r, old, head);
}

/* Not inlined: runs once for a batch. */
static __attribute__((__noinline__, __unused__))
void __shmring_show_batch(struct shmring *r, uint64_t head)
{
	__shmring_show(r, r->p.head, head);
}

/* Not inlined, to keep shmring_commit() short: the message is shorter than its reservation. */
static __attribute__((__noinline__, __unused__))
int __shmring_commit_less(struct shmring *r, size_t len)
{
	uint64_t head = __shmring_finish(r, len);

	if (!head)
		return -EINVAL;
	__shmring_show(r, r->p.head, head);
	return 0;
}

/*
 * Producer: finish the reserved message, @len bytes of it, without publishing
 * it yet: for batches. Returns 0, or -EINVAL: nothing is reserved, or less than
 * @len, or (slots) @len is not slot_size.
 */
__SHMRING_PUBLIC int shmring_stage(struct shmring *r, size_t len)
{
	uint64_t head = __shmring_finish(r, len);

	if (__shmring_unlikely(!head))
		return -EINVAL;
	r->p.staged += head - r->p.head;
	r->p.head = head;
	r->p.fetch_at = 0;	/* see __shmring_show() */
	return 0;
}

/*
 * Producer: let the consumer see all staged messages, and wake the consumer if it
 * sleeps for them.
 */
__SHMRING_PUBLIC void shmring_publish(struct shmring *r)
{
	if (r->p.staged)
		__shmring_show_batch(r, r->p.head);
}

/*
 * Producer: finish the reserved message and publish it, with all that is
 * staged. Returns as shmring_stage().
 */
__SHMRING_PUBLIC int shmring_commit(struct shmring *r, size_t len)
{
	uint64_t old = r->p.head, head = old + __shmring_footprint(r, len);

	if (__shmring_unlikely(!__shmring_is_length(r, len) || head != r->p.end))
		return __shmring_commit_less(r, len);
	__shmring_write_header(r, __shmring_payload(r, old), len);
	__shmring_show(r, old, head);
	return 0;
}

/*
 * Producer, slots: finish the first @n reserved slots and publish them, with all that
 * is staged. The others were never reserved. Returns 0, or -EINVAL: so many are not
 * reserved, or the ring has no slots.
 */
__SHMRING_PUBLIC int shmring_commit_slots(struct shmring *r, size_t n)
{
	uint64_t head;

	if (__shmring_unlikely(!r->stride || n > r->span))
		return -EINVAL;
	head = r->p.head + (uint64_t)n * r->stride;
	if (__shmring_unlikely(n && head > r->p.end))
		return -EINVAL;
	__shmring_end_reservation(r, head);
	if (head != r->p.head - r->p.staged)
		__shmring_show_batch(r, head);
	return 0;
}

/* --------------------------------------------------------------- consumer */

/*
 * Look how far the producer has got. The head may go forward, up to a full ring, and is
 * aligned; any other head is -EBADMSG.
 */
__SHMRING_INLINE void __shmring_refresh_data(struct shmring *r)
{
	uint64_t head = __atomic_load_n(&r->producer->head, __ATOMIC_ACQUIRE); /* B, matches A */
	uint64_t old = r->c.limit;

	if (__shmring_unlikely(head - old > r->c.tail - r->c.held + r->span - old ||
			       (head & (r->align - 1))))
		r->error = -EBADMSG;
	else
		r->c.limit = head;
}

/*
 * Nothing is known to be there, and slots have marks: is the next slot marked? A mark beyond a
 * full ring is -EBADMSG, as such a head is. Older marks, and anything else, say nothing.
 */
__SHMRING_INLINE int __shmring_find_mark(struct shmring *r)
{
	uint64_t at = r->c.limit;

	if (__atomic_load_n(__shmring_mark(r, at), __ATOMIC_ACQUIRE) != at + 1) /* M, matches L */
		return 0;
	if (__shmring_unlikely(at + r->stride - (r->c.tail - r->c.held) > r->span)) {
		r->error = -EBADMSG;
		return 0;
	}
	r->c.limit = at + r->stride;
	r->c.misses = 0;
	return 1;
}

/* Is there data, after a look at the head? Always 0 for an object that is no consumer. */
__SHMRING_INLINE int __shmring_look_for_head(struct shmring *r)
{
	if (__shmring_unlikely(r->role != SHMRING_CONSUMER || r->error))
		return 0;
	__shmring_refresh_data(r);
	return r->c.tail != r->c.limit;
}

/*
 * With marks: look at the next one, and now and then at the head, too. If many looks in a row
 * found no mark, because a producer that was killed between its stores of the head and of the mark
 * must hide nothing. And if many found one, because the head then says how many more there are.
 */
static __attribute__((__noinline__, __unused__))
int __shmring_look_for_mark(struct shmring *r)
{
	if (__shmring_unlikely(r->role != SHMRING_CONSUMER || r->error))
		return 0;
	if (__shmring_find_mark(r)) {
		if (++r->c.hits < __SHMRING_HITS)
			return 1;
	} else if (++r->c.misses < __SHMRING_MISSES) {
		r->c.hits = 0;
		return 0;
	}
	r->c.misses = r->c.hits = 0;
	return __shmring_look_for_head(r);
}

/* Is there data, by the last look or by a new one? Always 0 for an object that is no consumer. */
__SHMRING_INLINE int __shmring_find_data(struct shmring *r)
{
	if (__shmring_likely(r->c.tail != r->c.limit))
		return 1;
	if (__shmring_unlikely(__shmring_has_marks(r)))
		return __shmring_look_for_mark(r);
	return __shmring_look_for_head(r);
}

/* The producer has written a false position or length: this endpoint finds no data any more. */
static __attribute__((__noinline__, __unused__, __cold__))
void __shmring_refuse_data(struct shmring *r)
{
	r->error = -EBADMSG;
	r->c.limit = r->c.tail;
	r->c.end = r->c.tail;
}

/*
 * The length of the record at @payload, as the producer wrote it; if the flags are not 0, a
 * number above 2^32. Loaded once, and the copy is checked. Relaxed, as B orders the load.
 */
__SHMRING_INLINE uint64_t __shmring_read_header(const unsigned char *payload)
{
	const struct shmring_record *rec = (const struct shmring_record *)(const void *)payload - 1;
#if __SIZEOF_POINTER__ == 8
	uint64_t both = __atomic_load_n((const __shmring_word *)(const void *)rec,
					__ATOMIC_RELAXED);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	both = both << 32 | both >> 32;
#endif
	return both;
#else
	uint32_t len = __atomic_load_n(&rec->len, __ATOMIC_RELAXED);

	return (uint64_t)__atomic_load_n(&rec->flags, __ATOMIC_RELAXED) << 32 | len;
#endif
}

/*
 * The bytes @need that a record takes. The place of the next record depends on it, and so on
 * the load of the header. Most records take as much as the one before. So return the guess if it
 * is right: the CPU predicts that branch and does not wait for the load. The empty asm hides from
 * the compiler that both are equal; otherwise the compiler would use @need. (Per Vognsen and
 * Francesco Mazzoli describe it as value speculation.)
 */
__SHMRING_INLINE uint64_t __shmring_speculate(uint64_t need, uint64_t *guess)
{
	uint64_t ret = *guess;

	if (__shmring_unlikely(need != ret)) {
		*guess = need;
		return need;
	}
	__asm__("" : "+r"(ret));
	return ret;
}

/*
 * There is data: set @len to the length of the message at @payload, and return the bytes that the
 * message takes; 0, for good, if the length is false. A record's length is compared with the bytes
 * that are there less its header. As positions are aligned, its padding is there, too.
 */
__SHMRING_INLINE uint64_t __shmring_measure(struct shmring *r, const unsigned char *payload,
					    size_t *len)
{
	uint64_t avail = r->c.limit - r->c.tail, n;

	if (r->stride) {
		*len = r->slot_size;
		if (__shmring_likely(r->stride <= avail))
			return r->stride;
	} else {
		n = __shmring_read_header(payload);
		*len = (size_t)n;
		if (__shmring_likely(n <= avail - sizeof(struct shmring_record)))
			return __shmring_speculate((n + r->pad) & r->round, &r->c.guess);
	}
	__shmring_refuse_data(r);
	return 0;
}

/*
 * Consumer: return the next message, aligned as the ring is (by default to 8 bytes) and
 * contiguous, and its length. It stays valid until it is released, but not constant if the producer
 * is hostile: copy what you check. NULL: nothing now; shmring_wait_data()
 * waits, or says what is wrong. Peeking again returns the same message.
 */
__SHMRING_PUBLIC const void *shmring_peek(struct shmring *r, size_t *len)
{
	const unsigned char *at;
	uint64_t need;
	size_t n;

	if (!__shmring_find_data(r))
		return NULL;
	at = __shmring_payload(r, r->c.tail);
	need = __shmring_measure(r, at, &n);
	if (__shmring_unlikely(!need))
		return NULL;
	r->c.end = r->c.tail + need;
	*len = n;
	return at;
}

/*
 * Consumer, slots: return the first of up to *@n that are there, an array whose
 * elements are shmring_slot_stride() apart. *@n becomes how many. They count as one
 * peeked message for shmring_advance() and shmring_release(): to give back fewer, peek
 * again with a smaller *@n. NULL: none now, or the ring has no slots.
 */
__SHMRING_PUBLIC const void *shmring_peek_slots(struct shmring *r, size_t *n)
{
	uint64_t stride = r->stride, max = *n;

	if (__shmring_unlikely(!stride || r->role != SHMRING_CONSUMER))
		return NULL;
	*n = __shmring_count_slots(max, r->c.limit - r->c.tail, stride);
	if (__shmring_unlikely(*n < max) && !r->error) {
		__shmring_refresh_data(r);
		*n = __shmring_count_slots(max, r->c.limit - r->c.tail, stride);
	}
	if (!*n) {
		if (__shmring_unlikely(max && r->c.limit != r->c.tail))
			__shmring_refuse_data(r);	/* not a whole slot */
		return NULL;
	}
	r->c.end = r->c.tail + *n * stride;
	return __shmring_payload(r, r->c.tail);
}

/*
 * Consumer: step past the peeked message without giving its space back yet: for
 * batches. It stays valid until shmring_release(). Returns 0, or -EINVAL:
 * nothing is peeked.
 */
__SHMRING_PUBLIC int shmring_advance(struct shmring *r)
{
	if (__shmring_unlikely(r->c.end <= r->c.tail))
		return -EINVAL;
	r->c.held += r->c.end - r->c.tail;
	r->c.tail = r->c.end;
	return 0;
}

/* Give back the bytes between @old and @tail. */
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
 * peeked message. Wakes the producer if the producer sleeps for this space. A message
 * that was peeked after the last advance stays peeked: another release gives it back.
 * Returns 0, or -EINVAL: there is nothing to give back.
 */
__SHMRING_PUBLIC int shmring_release(struct shmring *r)
{
	uint64_t old = r->c.tail, tail = r->c.end;

	if (__shmring_unlikely(r->c.held)) {
		__shmring_release_held(r);
		return 0;
	}
	if (__shmring_unlikely(tail <= old))
		return -EINVAL;
	r->c.tail = tail;
	__shmring_give_back(r, old, tail);
	return 0;
}

/* ---------------------------------------------------------------- copying */

/* Bytes that a compiler copies by moves. Of more it may make a string instruction (copy.c). */
#define __SHMRING_MOVES	256

/* Drop the peek above @tail. Compares first, as __shmring_end_reservation() does. */
__SHMRING_INLINE void __shmring_end_peek(struct shmring *r, uint64_t tail)
{
	if (__shmring_unlikely(r->c.end > tail))
		__atomic_store_n(&r->c.end, tail, __ATOMIC_RELAXED);
}

/*
 * Where to copy a message of @len bytes, and the bytes @need that it takes. NULL: the library has
 * to send it, because there is no space, or the consumer is gone or has to be checked.
 */
__SHMRING_INLINE void *__shmring_begin_send(struct shmring *r, size_t len, uint64_t *need)
{
	uint64_t head = r->p.head;

	*need = __shmring_footprint(r, len);
	if (__shmring_unlikely(!__shmring_is_length(r, len)))
		return NULL;
	if (__shmring_unlikely(*need > r->p.limit - head) && !__shmring_find_space(r, *need))
		return NULL;
	if (__shmring_unlikely(__shmring_consumer_is_gone(r) || head >= r->p.watch_at))
		return NULL;
	return __shmring_payload(r, head);
}

/* The message of @len bytes at @at, which takes @need, has been copied: publish it. */
__SHMRING_INLINE void __shmring_end_send(struct shmring *r, void *at, size_t len, uint64_t need)
{
	uint64_t old = r->p.head, head = old + need;

	__shmring_write_header(r, at, len);
	__shmring_end_reservation(r, head);
	__shmring_show(r, old, head);
}

/*
 * The next message, its length and the bytes that it takes. NULL: the library has to receive it,
 * because there is none, or messages are held.
 */
__SHMRING_INLINE const void *__shmring_begin_recv(struct shmring *r, size_t *len, uint64_t *need)
{
	const unsigned char *at;

	if (__shmring_unlikely(r->c.held || !__shmring_find_data(r)))
		return NULL;
	at = __shmring_payload(r, r->c.tail);
	*need = __shmring_measure(r, at, len);
	return __shmring_likely(*need) ? at : NULL;
}

/* The message has been copied: release it. */
__SHMRING_INLINE void __shmring_end_recv(struct shmring *r, uint64_t need)
{
	uint64_t old = r->c.tail, tail = old + need;

	r->c.tail = tail;
	__shmring_end_peek(r, tail);
	__shmring_give_back(r, old, tail);
}

/*
 * Producer: copy a message in and publish it, with all that is staged, waiting for space.
 * Returns @len, or an error as shmring_wait_space(); then nothing was sent. If @w is NULL and
 * the compiler knows that @len is at most 256, the message is copied here, by a few moves;
 * otherwise in the library.
 */
__SHMRING_PUBLIC ssize_t shmring_send(struct shmring *r, const void *buf, size_t len,
				      const struct shmring_wait *w)
{
	uint64_t need;
	void *to;

	if (!__builtin_constant_p(len) || len > __SHMRING_MOVES || w)
		return __shmring_send(r, buf, len, w);
	to = __shmring_begin_send(r, len, &need);
	if (__shmring_unlikely(!to))
		return __shmring_send(r, buf, len, w);
	__builtin_memcpy(to, buf, len);
	__shmring_end_send(r, to, len, need);
	return (ssize_t)len;
}

/*
 * Consumer: copy the next message out and release it, with all that were advanced past, waiting
 * for one. Returns its length (0 is a message like any other), or an error as
 * shmring_wait_data(), or -EMSGSIZE: it is longer than @size, and is still there. If @w is NULL
 * and the compiler knows that @size is at most 256, a message of exactly that length is copied
 * here.
 */
__SHMRING_PUBLIC ssize_t shmring_recv(struct shmring *r, void *buf, size_t size,
				      const struct shmring_wait *w)
{
	const void *from;
	uint64_t need;
	size_t len;

	if (!__builtin_constant_p(size) || size > __SHMRING_MOVES || w)
		return __shmring_recv(r, buf, size, w);
	from = __shmring_begin_recv(r, &len, &need);
	if (__shmring_unlikely(!from || len != size))
		return __shmring_recv(r, buf, size, w);
	__builtin_memcpy(buf, from, size);
	__shmring_end_recv(r, need);
	return (ssize_t)size;
}

/* ----------------------------------------------------------------- counts */

/*
 * Bytes committed and not released, from the words that both sides see: some loads, no system
 * call. The other side may go on at any time: for a producer the true number is at most the
 * returned one, for a consumer at least. A handle, which maps nothing: 0.
 */
__SHMRING_PUBLIC size_t shmring_used(const struct shmring *r)
{
	uint64_t used;

	if (!r->lane)
		return 0;
	/* Relaxed: the result is a number to show; it gives no right to read or write a byte. */
	used = __atomic_load_n(&r->producer->head, __ATOMIC_RELAXED) -
	       __atomic_load_n(&r->consumer->tail, __ATOMIC_RELAXED);
	if (used > r->span)		/* of two moments, or false */
		used = used >> 63 ? 0 : r->span;
	return (size_t)used;
}

/* The bytes that messages may take less shmring_used(); what is staged counts as free. */
__SHMRING_PUBLIC size_t shmring_space_left(const struct shmring *r)
{
	size_t used = shmring_used(r);

	return used < r->span ? (size_t)r->span - used : 0;
}

/* Messages in the ring, where all have one size: as shmring_used(). Records: 0. */
__SHMRING_PUBLIC size_t shmring_used_slots(const struct shmring *r)
{
	return r->stride ? shmring_used(r) / r->stride : 0;
}

#endif /* SHMRING_FAST_H */
