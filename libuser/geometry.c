// SPDX-License-Identifier: MIT
/* Which sizes a ring may have, and the stride and span that follow from them. */
#include "backend.h"

static bool is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

/* The lowest power of two that is not below @n, which is from 2 to 2^31. */
static uint32_t power_of_two_for(uint32_t n)
{
	return 1u << (32 - __builtin_clz(n - 1));
}

/* Bytes from one slot to the next, with its mark if it has one; 0: records. */
uint32_t shmring_stride_of(const struct shmring_geometry *g)
{
	if (g->slot_size && (g->features & SHMRING_FEATURE_MARKS))
		return power_of_two_for(g->align + g->slot_size);
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
	    !is_power_of_two(g->align) || g->align > SHMRING_ALIGN_MAX ||
	    (g->features & ~SHMRING_FEATURE_ALL))
		return false;
	if (!g->slot_size)
		return g->align >= SHMRING_ALIGN && !g->slots && !g->features;
	if (g->align < SHMRING_ALIGN && g->features)	/* no room for a mark */
		return false;
	return g->slots && g->slots <= g->capacity / shmring_stride_of(g);
}
