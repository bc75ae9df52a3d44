// SPDX-License-Identifier: MIT
/* Distributions of times. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/*
 * Exact below 1024 ns; above, 512 steps from one power of two to the next, a
 * fifth of a percent each. Memory does not grow with the samples, and stays in cache.
 */
#define EXACT_BITS	10
#define STEPS_BITS	9
#define BUCKETS		((1u << EXACT_BITS) + ((64 - EXACT_BITS) << STEPS_BITS))

struct histogram {
	uint64_t nr, max;
	uint32_t bucket[BUCKETS];
};

static size_t bucket_of(uint64_t ns)
{
	unsigned int top;

	if (ns < 1u << EXACT_BITS)
		return (size_t)ns;
	top = 63u - (unsigned int)__builtin_clzll(ns);
	return (1u << EXACT_BITS) + ((size_t)(top - EXACT_BITS) << STEPS_BITS) +
	       (size_t)((ns >> (top - STEPS_BITS)) & ((1u << STEPS_BITS) - 1));
}

static double value_of(size_t bucket)
{
	size_t above = bucket - (1u << EXACT_BITS);
	unsigned int top = EXACT_BITS + (unsigned int)(above >> STEPS_BITS);
	uint64_t low;

	if (bucket < 1u << EXACT_BITS)
		return (double)bucket;
	low = 1ull << top | (uint64_t)(above & ((1u << STEPS_BITS) - 1)) << (top - STEPS_BITS);
	return (double)low + (double)(1ull << (top - STEPS_BITS)) / 2;
}

struct histogram *histogram_new(void)
{
	struct histogram *h = malloc(sizeof(*h));

	if (h)
		memset(h, 0, sizeof(*h));	/* no page faults later */
	return h;
}

void histogram_free(struct histogram *h)
{
	free(h);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->nr++;
	h->bucket[bucket_of(ns)]++;
	if (ns > h->max)
		h->max = ns;
}

double histogram_quantile(const struct histogram *h, double q)
{
	uint64_t rank = (uint64_t)(q * (double)h->nr), seen = 0;

	for (size_t i = 0; i < BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > rank)
			return value_of(i);
	}
	return (double)h->max;
}

double histogram_max(const struct histogram *h)
{
	return (double)h->max;
}
