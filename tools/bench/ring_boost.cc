// SPDX-License-Identifier: MIT
/*
 * Contender: Boost.Lockfree's spsc_queue, of messages by value, in shared
 * memory. The compiler has to know their size, so there is code for some sizes only.
 */
#include <boost/lockfree/spsc_queue.hpp>
#include <cstdlib>
#include <new>

#include "loops.h"

namespace {

/* Where the queue that is being made gets the memory for its messages. */
unsigned char *arena;

template <typename T> struct shared_allocator {
	typedef T value_type;
	template <typename U> struct rebind { typedef shared_allocator<U> other; };

	T *allocate(std::size_t) { return reinterpret_cast<T *>(arena); }
	void deallocate(T *, std::size_t) {}
};

template <size_t SIZE> struct message {
	uint64_t word[SIZE / 8];
};

template <size_t SIZE> struct queue_of {
	typedef message<SIZE> item;
	typedef boost::lockfree::allocator<shared_allocator<item>> allocator;
	typedef boost::lockfree::spsc_queue<item, allocator> type;

	static size_t front() { return (sizeof(type) + 127) & ~size_t(127); }

	/* One more than asked for: the ring gives one up. */
	static size_t second(const struct bench *b)
	{
		return (front() + (b->capacity / SIZE + 1) * SIZE + 4095) & ~size_t(4095);
	}

	static type *channel(void *channels, const struct bench *b, int i)
	{
		return reinterpret_cast<type *>(static_cast<unsigned char *>(channels) +
						second(b) * size_t(i));
	}

	static int open(const struct bench *b, void **channels)
	{
		*channels = shared_alloc(2 * second(b));
		if (!*channels)
			return -ENOMEM;
		for (int i = 0; i < 2; i++) {
			type *q = channel(*channels, b, i);

			arena = reinterpret_cast<unsigned char *>(q) + front();
			new (q) type(b->capacity / SIZE);
		}
		return 0;
	}

	static int attach(void *channels, struct bench *b)
	{
		shared_populate(channels);
		b->tx = channel(channels, b, b->side);
		b->rx = channel(channels, b, !b->side);
		return 0;
	}

	static inline __attribute__((always_inline)) int put(struct bench *b, uint64_t seq)
	{
		type *q = static_cast<type *>(b->tx);

		fill_message(b, b->buf, seq);
		while (!q->push(*reinterpret_cast<item *>(b->buf)))
			; /* busy */
		return 0;
	}

	static inline __attribute__((always_inline)) int get(struct bench *b, uint64_t *seq)
	{
		type *q = static_cast<type *>(b->rx);

		while (!q->pop(*reinterpret_cast<item *>(b->buf)))
			; /* busy */
		return check_message(b, b->buf, seq);
	}

	/* Batches come from an array, and go into one. */
	static inline __attribute__((always_inline)) int flush(struct bench *b)
	{
		type *q = static_cast<type *>(b->tx);
		const item *from = array(0), *end = from + filled;

		while (from != end)
			from += q->push(from, size_t(end - from));
		filled = 0;
		return 0;
	}

	static inline __attribute__((always_inline)) int put_batch(struct bench *b, uint64_t seq)
	{
		fill_message(b, array(filled), seq);
		return ++filled < b->batch ? 0 : flush(b);
	}

	static inline __attribute__((always_inline)) int get_batch(struct bench *b, uint64_t *seq)
	{
		type *q = static_cast<type *>(b->rx);

		if (taken == filled) {
			do {
				filled = q->pop(array(0), size_t(b->batch));
			} while (!filled);
			taken = 0;
		}
		return check_message(b, array(taken++), seq);
	}

	static int run(struct bench *b, struct result *res)
	{
		if (b->test != BATCH)
			return run_loops(b, res, put, get, no_flush);
		memory = static_cast<item *>(calloc(BATCH_MAX, SIZE));
		return memory ? run_loops(b, res, put_batch, get_batch, flush) : -ENOMEM;
	}

private:
	/* A side uses one direction only, where there are batches. */
	static item *memory;
	static size_t filled, taken;

	static item *array(size_t i) { return memory + i; }
};

template <size_t SIZE> typename queue_of<SIZE>::item *queue_of<SIZE>::memory;
template <size_t SIZE> size_t queue_of<SIZE>::filled;
template <size_t SIZE> size_t queue_of<SIZE>::taken;

struct size_calls {
	size_t size;
	int (*open)(const struct bench *b, void **channels);
	int (*attach)(void *channels, struct bench *b);
	int (*run)(struct bench *b, struct result *res);
};

template <size_t SIZE> constexpr size_calls calls_of()
{
	return { SIZE, queue_of<SIZE>::open, queue_of<SIZE>::attach, queue_of<SIZE>::run };
}

const size_calls sizes[] = {
	calls_of<8>(), calls_of<16>(), calls_of<32>(), calls_of<64>(), calls_of<128>(),
	calls_of<256>(), calls_of<512>(), calls_of<1024>(), calls_of<2048>(), calls_of<4096>(),
	calls_of<16384>(), calls_of<65536>(), calls_of<1048576>(),
};

const size_calls *calls(size_t size)
{
	for (const size_calls &s : sizes)
		if (s.size == size)
			return &s;
	return NULL;
}

int open_queues(const struct contender *, const struct bench *b, void **channels)
{
	const size_calls *s = calls(b->size);

	return s ? s->open(b, channels) : -EMSGSIZE;
}

int attach_queues(const struct contender *, void *channels, struct bench *b)
{
	return calls(b->size)->attach(channels, b);
}

int run_queues(struct bench *b, struct result *res)
{
	return calls(b->size)->run(b, res);
}

} /* namespace */

extern "C" const struct contender boost_contenders[] = {
	{ "boost-spsc", FAMILY_RING, WAIT_BUSY, API_COPY, "Boost.Lockfree spsc_queue, by value",
	  open_queues, attach_queues, run_queues, shared_free, 0 },
	{ "boost-spsc", FAMILY_RING, WAIT_BUSY, API_BATCH, "the same, arrays of messages",
	  open_queues, attach_queues, run_queues, shared_free, 0 },
	{ NULL, FAMILY_RING, WAIT_BUSY, API_COPY, NULL, NULL, NULL, NULL, NULL, 0 },
};
