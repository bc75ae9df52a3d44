// SPDX-License-Identifier: MIT
/* shmring create: a ring that outlives this command. */
#include <stdarg.h>
#include <unistd.h>

#include "tool.h"

#define DEFAULT_CAPACITY	65536	/* documented at struct shmring_options */

/* Print the limit that @option breaks. Returns the exit status. */
__attribute__((format(printf, 4, 5)))
static int refuse(const struct args *a, const char *option, size_t value, const char *limit, ...)
{
	va_list ap;

	fprintf(stderr, "shmring: %s: %s %zu ", a->verb, option, value);
	va_start(ap, limit);
	vfprintf(stderr, limit, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_ERROR;
}

/* The capacity that the library takes; if that is to fit the slots: the largest. */
static size_t capacity_of(const struct shmring_options *o)
{
	size_t capacity = (size_t)sysconf(_SC_PAGESIZE), want = o->capacity;

	if (!want)
		want = o->slots ? SHMRING_CAPACITY_MAX : DEFAULT_CAPACITY;
	while (capacity < want && capacity < SHMRING_CAPACITY_MAX)
		capacity *= 2;
	return capacity;
}

/* -EINVAL stands for every bad option: say which it was. */
static int explain(const struct args *a)
{
	const struct shmring_options *o = &a->opt;
	size_t align = o->align ? o->align : SHMRING_ALIGN, capacity, stride;

	if ((align & (align - 1)) || align > SHMRING_ALIGN_MAX)
		return refuse(a, "--align", align, "is not a power of two up to %u",
			      SHMRING_ALIGN_MAX);
	if (align < SHMRING_ALIGN && !o->slot_size)
		return refuse(a, "--align", align, "is below %u: that needs --slot", SHMRING_ALIGN);
	if (o->slots && !o->slot_size)
		return refuse(a, "--slots", o->slots, "needs --slot");
	if (o->slot_size > SHMRING_CAPACITY_MAX)
		return refuse(a, "--slot", o->slot_size, "is above %llu", SHMRING_CAPACITY_MAX);
	stride = (o->slot_size + align - 1) & ~(align - 1);
	capacity = capacity_of(o);
	if (o->slot_size > capacity)
		return refuse(a, "--slot", o->slot_size, "is above the capacity, %zu", capacity);
	if (stride && o->slots > capacity / stride)
		return refuse(a, "--slots", o->slots, "is above %zu: a slot takes %zu of %zu bytes",
			      capacity / stride, stride, capacity);
	return fail_verb(a, NULL, -EINVAL);
}

static int make_ring(const struct args *a)
{
	struct shmring_options opt = a->opt;
	struct shmring *r;
	int ret;

	opt.flags |= SHMRING_PERSIST;
	ret = shmring_create(&r, a->names[0], &opt);
	if (!ret)
		shmring_close(r);
	return ret;
}

/* Its hub is the first receiver; of a work queue, the first sender. */
static int make_lanes(const struct args *a)
{
	const struct shmring_hub_options opt = {
		.size = sizeof(opt),
		.capacity = a->opt.capacity,
		.slot_size = a->opt.slot_size,
		.slots = a->opt.slots,
		.align = a->opt.align,
		.mode = a->opt.mode,
		.flags = a->opt.flags | SHMRING_PERSIST,
		.topology = (enum shmring_topology)a->topology,
		.lanes = (unsigned int)a->lanes,
		.backend = a->opt.backend,
	};

	return shmring_hub_create(NULL, a->names[0], &opt);
}

int cmd_create(const struct args *a)
{
	int ret;

	if (a->topology && (!a->lanes || a->lanes > SHMRING_LANES_MAX))
		return refuse(a, a->topology == SHMRING_TOPOLOGY_WORK ? "--work" : "--fan-in",
			      a->lanes, "is not from 1 to %u", SHMRING_LANES_MAX);
	ret = a->topology ? make_lanes(a) : make_ring(a);
	if (ret)
		return ret == -EINVAL ? explain(a) : fail_verb(a, NULL, ret);
	return EXIT_OK;
}
