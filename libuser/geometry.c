// SPDX-License-Identifier: MIT
/* Which sizes a ring may have, and the stride and span that follow from them. */
#include "backend.h"

static bool is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

/* Bytes from one slot to the next; 0: records. */
uint32_t shmring_stride_of(const struct shmring_geometry *g)
{
	return (g->slot_size + g->align - 1) & ~(g->align - 1);
}

/* How many bytes messages may take. */
uint64_t shmring_span_of(const struct shmring_geometry *g)
{
	return g->slot_size ? g->slots * shmring_stride_of(g) : g->capacity;
}

/* Can @g, from a file or a kernel, be that of a ring? If not, nothing is mapped. */
bool shmring_is_geometry(const struct shmring_geometry *g)
{
	if (g->capacity < page_size() || g->capacity > SHMRING_CAPACITY_MAX ||
	    !is_power_of_two(g->capacity) || g->slot_size > g->capacity ||
	    !is_power_of_two(g->align) || g->align > SHMRING_ALIGN_MAX)
		return false;
	if (!g->slot_size)
		return g->align >= SHMRING_ALIGN && !g->slots;
	return g->slots && g->slots <= g->capacity / shmring_stride_of(g);
}
