/* SPDX-License-Identifier: MIT */
/* Checks and copies what the caller passes. An int is 0, or a negative errno if it is refused. */
#ifndef SHMRING_OPTIONS_H
#define SHMRING_OPTIONS_H

#include <stdbool.h>

#include "shmring.h"

/*
 * @s begins with its size. It had @first bytes in version 0.1, and the library knows @known: an
 * older program's struct is shorter than @known, and the missing members stand for zero.
 */
int shmring_check_size(const void *s, size_t first, size_t known);

/* How many bytes are members both in the library's struct and in a caller's of this @size. */
static inline size_t shmring_common_size(size_t size, size_t first, size_t known)
{
	if (!size)
		return first;
	return size < known ? size : known;
}

int shmring_clean_name(char to[SHMRING_NAME_MAX], const char *name);
int shmring_copy_options(struct shmring_options *to, const struct shmring_options *opt);
int shmring_clean_options(struct shmring_options *opt, bool named);

/* A null pointer is valid: it stands for the defaults. */
static inline int shmring_check_wait(const struct shmring_wait *w)
{
	if (!w)
		return 0;
	if ((w->flags & ~SHMRING_NOWAIT) || (unsigned int)w->policy > SHMRING_EAGER)
		return -EINVAL;
	return w->size && w->size != sizeof(*w) ? shmring_check_size(w, sizeof(*w), sizeof(*w)) : 0;
}

static inline bool shmring_bad_role(enum shmring_role role)
{
	return (unsigned int)role > SHMRING_CONSUMER;
}

#endif /* SHMRING_OPTIONS_H */
