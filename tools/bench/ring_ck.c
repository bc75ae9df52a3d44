// SPDX-License-Identifier: MIT
/*
 * Contender: Concurrency Kit's ck_ring, single producer and single consumer, as
 * it is used: a ring of pointers, to messages that lie in shared memory.
 */
#include <ck_ring.h>

#include "slots.h"

/*
 * Entries: as many as there are messages, less the one that the ring gives up.
 * Messages: two more, for the one being written and the one being read.
 */
struct ring {
	struct ck_ring ring;
	uint64_t nr;
	size_t messages;		/* offset, from here */
	_Alignas(64) ck_ring_buffer_t entry[];
};

struct end {
	struct ring *r;
	unsigned char *message;
	uint64_t next;
};

static size_t entries(const struct bench *b)
{
	size_t nr = 4;

	while (nr * 2 <= b->capacity / b->size)
		nr *= 2;
	return nr;
}

static size_t before_messages(const struct bench *b)
{
	return (sizeof(struct ring) + entries(b) * sizeof(ck_ring_buffer_t) + 63) & ~(size_t)63;
}

static size_t second(const struct bench *b)
{
	return (before_messages(b) + (entries(b) + 2) * b->size + 4095) & ~(size_t)4095;
}

static struct ring *channel(void *channels, const struct bench *b, int i)
{
	return (struct ring *)(void *)((unsigned char *)channels + second(b) * (size_t)i);
}

static int open_rings(const struct contender *c, const struct bench *b, void **channels)
{
	(void)c;
	*channels = shared_alloc(2 * second(b));
	if (!*channels)
		return -ENOMEM;
	for (int i = 0; i < 2; i++)
		ck_ring_init(&channel(*channels, b, i)->ring, (unsigned int)entries(b));
	return 0;
}

/* Forked sides have the memory at one address: pointers are the same in both. */
static int attach_rings(const struct contender *c, void *channels, struct bench *b)
{
	struct end *end = calloc(2, sizeof(*end));

	(void)c;
	if (!end)
		return -ENOMEM;
	shared_populate(channels);
	for (int i = 0; i < 2; i++) {
		end[i].r = channel(channels, b, i ? !b->side : (int)b->side);
		end[i].message = (unsigned char *)end[i].r + before_messages(b);
	}
	b->tx = &end[0];
	b->rx = &end[1];
	return 0;
}

BENCH_INLINE int put(struct bench *b, uint64_t seq)
{
	struct end *e = b->tx;
	void *message = e->message + e->next * b->size;

	/* Written before the ring is asked for space: that is why there are two more messages. */
	fill_in_place(b, message, seq);
	while (!ck_ring_enqueue_spsc(&e->r->ring, e->r->entry, message))
		; /* busy */
	if (++e->next == e->r->ring.size + 2)
		e->next = 0;
	return 0;
}

BENCH_INLINE int get(struct bench *b, uint64_t *seq)
{
	struct end *e = b->rx;
	void *message;

	while (!ck_ring_dequeue_spsc(&e->r->ring, e->r->entry, &message))
		; /* busy */
	return check_message(b, message, seq);
}

static int run(struct bench *b, struct result *res)
{
	return run_loops(b, res, put, get, no_flush);
}

const struct contender ck_contenders[] = {
	{ "ck_ring", FAMILY_RING, WAIT_BUSY, API_INPLACE,
	  "Concurrency Kit, spsc: pointers to messages in shared memory",
	  open_rings, attach_rings, run, shared_free, 0 },
	{ 0 }
};
