// SPDX-License-Identifier: MIT
/* What callers ask for: names, options, and structs of older and newer programs. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <string.h>

#include "backend.h"
#include "options.h"

#define DEFAULT_CAPACITY	65536
#define SIZE_MAX_SANE	4096	/* a larger size is that of a struct that was not initialized */
#define FIRST_OPTIONS	offsetof(struct shmring_options, space_mark)	/* size in version 0.1 */

/* Copy a name without the slash in front. -EINVAL: no ring can have this name. */
int shmring_clean_name(char to[SHMRING_NAME_MAX], const char *name)
{
	size_t i, len;

	if (!name)
		return -EINVAL;
	if (*name == '/')
		name++;
	len = strnlen(name, SHMRING_NAME_MAX);
	if (!len || len == SHMRING_NAME_MAX || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
			return -EINVAL;
	memset(to, 0, SHMRING_NAME_MAX);
	memcpy(to, name, len);
	return 0;
}

int shmring_check_size(const void *s, size_t first, size_t known)
{
	const unsigned char *bytes = s;
	size_t size = *(const size_t *)s, at;

	if (size && size < first)
		return -EINVAL;
	if (size > SIZE_MAX_SANE)
		return -E2BIG;
	for (at = known; at < size; at++)
		if (bytes[at])
			return -E2BIG;
	return 0;
}

/*
 * Copy the caller's options (NULL: the defaults); check role, policy and backend. Members that an
 * older program does not have are 0.
 */
int shmring_copy_options(struct shmring_options *to, const struct shmring_options *opt)
{
	int ret = opt ? shmring_check_size(opt, FIRST_OPTIONS, sizeof(*opt)) : 0;

	*to = (struct shmring_options)SHMRING_OPTIONS_INIT;
	if (ret)
		return ret;
	if (opt)
		memcpy(to, opt, shmring_common_size(opt->size, FIRST_OPTIONS, sizeof(*to)));
	to->size = sizeof(*to);
	if (shmring_bad_role(to->role) || (unsigned int)to->policy > SHMRING_EAGER ||
	    (unsigned int)to->backend > SHMRING_MEMFD)
		ret = -EINVAL;
	return ret;
}

/* The smallest capacity that holds @bytes. */
static size_t capacity_for(size_t bytes)
{
	size_t capacity = page_size();

	while (capacity < bytes)
		capacity *= 2;
	return capacity;
}

/* Check the sizes and fill in those that are 0. */
static int clean_sizes(struct shmring_options *opt)
{
	struct shmring_geometry g;
	uint64_t stride;

	if (opt->capacity > SHMRING_CAPACITY_MAX)
		return -EFBIG;
	if (opt->slot_size > SHMRING_CAPACITY_MAX || opt->align > SHMRING_ALIGN_MAX)
		return -EINVAL;
	if (!opt->align)
		opt->align = SHMRING_ALIGN;
	g = (struct shmring_geometry){
		.features = opt->flags & SHMRING_MARKS ? SHMRING_FEATURE_MARKS : 0,
		.slot_size = (uint32_t)opt->slot_size,
		.align = (uint32_t)opt->align,
	};
	stride = shmring_stride_of(&g);
	if (opt->slots && stride && !opt->capacity) {
		if (opt->slots > SHMRING_CAPACITY_MAX / stride)
			return -EFBIG;
		opt->capacity = opt->slots * (size_t)stride;
	}
	opt->capacity = capacity_for(opt->capacity ? opt->capacity : DEFAULT_CAPACITY);
	if (!opt->slots && stride)
		opt->slots = opt->capacity / (size_t)stride;
	g.capacity = opt->capacity;
	g.slots = opt->slots;
	return shmring_is_geometry(&g) ? 0 : -EINVAL;
}

/* Check the members that say how a ring is made, and fill in those that are 0. */
int shmring_clean_options(struct shmring_options *opt, bool named)
{
	const unsigned int named_only = SHMRING_PERSIST | SHMRING_OPEN_OR_CREATE;
	int ret;

	if ((opt->mode & ~0666u) ||
	    (opt->flags & ~(named_only | SHMRING_QUEUE | SHMRING_MARKS)) ||
	    ((opt->flags & named_only) && !named))
		return -EINVAL;
	ret = clean_sizes(opt);
	if (ret)
		return ret;
	if (!opt->mode)
		opt->mode = 0600;
	return opt->lowat > opt->capacity || opt->space_mark > opt->capacity ? -EINVAL : 0;
}
