// SPDX-License-Identifier: MIT
/*
 * Contender: the bounded buffer of the operating-systems textbook, in shared
 * memory. In and out side by side, % BUFFER_SIZE, at most BUFFER_SIZE - 1
 * items, and both sides "do nothing" in a loop while they wait.
 *
 * Two things are kinder than the book: in and out are C11 atomics (acquire and
 * release; in the book they are plain, which C leaves undefined), and an item
 * is produced and consumed where it lies instead of being copied.
 */
#include <stdatomic.h>
#include <sys/mman.h>

#include "bench.h"

struct bounded_buffer {
	atomic_uint in, out;
	unsigned int buffer_size;	/* items */
	_Alignas(64) unsigned char buffer[BUFFER_BYTES];
};

static int open_buffers(const struct contender *c, size_t size, void **channels)
{
	struct bounded_buffer *bb;

	(void)c;
	bb = mmap(NULL, 2 * sizeof(*bb), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bb == MAP_FAILED)
		return -errno;
	bb[0].buffer_size = bb[1].buffer_size = (unsigned int)(sizeof(bb->buffer) / size);
	*channels = bb;
	return 0;
}

static void close_buffers(void *channels)
{
	munmap(channels, 2 * sizeof(struct bounded_buffer));
}

static int attach_buffers(const struct contender *c, void *channels, struct bench *b)
{
	struct bounded_buffer *bb = channels;

	(void)c;
	b->tx = &bb[b->side];
	b->rx = &bb[!b->side];
	return 0;
}

BENCH_INLINE int put(struct bench *b, uint64_t seq)
{
	struct bounded_buffer *bb = b->tx;
	unsigned int in = atomic_load_explicit(&bb->in, memory_order_relaxed); /* only we write it */

	while ((in + 1) % bb->buffer_size == atomic_load_explicit(&bb->out, memory_order_acquire))
		; /* do nothing */
	fill_message(bb->buffer + in * b->size, b->size, seq);
	atomic_store_explicit(&bb->in, (in + 1) % bb->buffer_size, memory_order_release);
	return 0;
}

BENCH_INLINE int get(struct bench *b, uint64_t *seq)
{
	struct bounded_buffer *bb = b->rx;
	unsigned int out = atomic_load_explicit(&bb->out, memory_order_relaxed); /* only we write it */
	int ret;

	while (atomic_load_explicit(&bb->in, memory_order_acquire) == out)
		; /* do nothing */
	ret = check_message(bb->buffer + out * b->size, b->size, seq);
	atomic_store_explicit(&bb->out, (out + 1) % bb->buffer_size, memory_order_release);
	return ret;
}

static int run(struct bench *b, struct result *res)
{
	return run_loops(b, res, put, get);
}

const struct contender textbook_ring = {
	"textbook ring", "in, out, % BUFFER_SIZE, and two busy loops",
	open_buffers, attach_buffers, run, close_buffers, 0,
};
